"""Named reads of exports."""

from datetime import datetime, timedelta

from django.db.models import Q

from samizdat.accounts.models import Organization, Person
from samizdat.events.actions import is_genuine
from samizdat.events.models import Event
from samizdat.portability.actions import SEEN
from samizdat.portability.models import Export

# After this long a file is no news any more; the log keeps it.
ANNOUNCED_FOR = timedelta(days=30)


def exports(organization: Organization, limit: int = 20) -> list[Export]:
    """The newest first."""
    rows = Export.objects.select_related("organization", "by").filter(organization=organization)
    return list(rows.order_by("-id")[:limit])


def export_by_id(organization: Organization, number: int) -> Export | None:
    rows = Export.objects.select_related("organization", "by").filter(organization=organization, pk=number)
    return rows.first()


def unseen(organization: Organization, person: Person, now: datetime) -> list[Export]:
    """Plain files, and sealed ones that somebody asked for at the desk, that this person has not said they saw: to
    whose key is for them to know. Those that they asked for or agreed to they know, and those that are held or were
    stopped before they were made are none. What a command makes by itself each night, sealed, is no news.
    """
    rows = Export.objects.select_related("organization", "by").filter(
        Q(plain=True) | Q(by__isnull=False), organization=organization, created__gt=now - ANNOUNCED_FOR
    )
    noted = Event.objects.filter(organization=organization, kind=SEEN, by=person)
    seen = [event.about for event in filter(is_genuine, noted)]
    rows = (
        rows.exclude(by=person)
        .exclude(agreed_by=person)
        .exclude(state__in=("held", "elsewhere"))
        .exclude(state="over", finished=None)
    )
    return list(rows.exclude(pk__in=list(seen)).order_by("-id")[:10])
