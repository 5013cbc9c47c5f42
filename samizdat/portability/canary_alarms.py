"""A planted address turned up outside (threat model, T22): on record with the export it was in, and told to admins."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from django.db import transaction

from samizdat.accounts.models import Organization, Person
from samizdat.audience.models import Import
from samizdat.events import queries as events
from samizdat.events.actions import detail_of, is_genuine, moment_of, record
from samizdat.events.kinds import EventKind
from samizdat.events.models import Event
from samizdat.portability.models import Export
from samizdat.portability.request import ExportDetails, told_of

TURNED_UP: EventKind = "subscribers.export.canary_mailed"
SEEN: EventKind = "subscribers.export.canary_mailed.seen"

# What nobody has minded for so long is no news any more; the log keeps it.
TOLD_FOR = timedelta(days=90)
MANY = 50


def with_planted(organization: Organization) -> Iterator[tuple[Export, ExportDetails]]:
    """All exports that an address was planted in, the oldest first. Each is opened: whoever writes the database would
    empty a column, and no file that was passed on were known again. Errors: SealBroken, where they empty what is
    sealed."""
    rows = Export.objects.select_related("by", "organization").filter(organization=organization)
    for row in rows.order_by("id"):
        details = told_of(row)
        if details.blind:
            yield row, details


def planted_in(organization: Organization, blinds: list[bytes]) -> Export | None:
    """The export that an address was planted in."""
    return next(reversed(exports_of(organization, blinds)), None)


def planted_in_exports(organization: Organization) -> frozenset[bytes]:
    """Blind indices of all addresses that were ever planted: an import of one of these files takes none of them."""
    return frozenset(details.blind for _row, details in with_planted(organization))


def exports_of(organization: Organization, blinds: Iterable[bytes]) -> list[Export]:
    """Those that addresses with these blind indices were planted in, the oldest first."""
    wanted = frozenset(blinds)
    return [row for row, details in with_planted(organization) if details.blind in wanted]


def raise_alarm(row: Export, where: str, *, now: datetime, by: Person | None, since: datetime | None = None) -> None:
    """`where` it turned up: "asked" by somebody who had found the address, or in a file of an "import". Nothing where
    it was raised `since` already: a file is looked at before it comes in, and sometimes twice."""
    alarms = Event.objects.filter(organization=row.organization, kind=TURNED_UP, about=row.pk)
    with transaction.atomic():
        Export.objects.select_for_update().get(pk=row.pk)  # As in say_seen: one after the other.
        if since is None or not any(map(is_genuine, alarms.filter(at__gte=since))):
            record(TURNED_UP, row.organization, about=row.pk, by=by, now=now, detail={"where": where})


def turned_up_in(run: Import, blinds: Iterable[bytes], now: datetime) -> list[int]:
    """The same for all that an import met; the exports' numbers. Our own file, given again by ourselves, looks alike:
    who brought it in knows which it is."""
    rows = exports_of(run.organization, blinds) if blinds else []
    for row in rows:
        raise_alarm(row, "import", now=now, by=run.by, since=run.created)
    return [row.pk for row in rows]


def raised(row: Export) -> list[tuple[datetime, str, Person | None]]:
    """(when, where, by whom), the newest first."""
    alarms = Event.objects.select_related("by", "organization").filter(
        organization=row.organization, kind=TURNED_UP, about=row.pk
    )
    return [(moment_of(event), detail_of(event)["where"], event.by) for event in alarms.order_by("-id")[:MANY]]


def unseen(organization: Organization, person: Person, now: datetime) -> list[Export]:
    """Exports that turned up and of which this person has not said since that they saw it; not what they found out
    themselves."""
    last: dict[int | None, int] = {}
    for event in filter(is_genuine, Event.objects.filter(organization=organization, kind=SEEN, by=person)):
        last[event.about] = max(event.id, last.get(event.about, 0))
    news = [
        event.about or 0
        for event in events.newest(organization, MANY, (TURNED_UP,))
        if event.at > now - TOLD_FOR and event.id > last.get(event.about, 0) and event.by_id != person.pk
    ]
    return list(Export.objects.select_related("organization", "by").filter(pk__in=news).order_by("-id"))


def say_seen(row: Export, *, now: datetime, by: Person) -> None:
    with transaction.atomic():
        Export.objects.select_for_update().get(pk=row.pk)
        if row in unseen(row.organization, by, now):
            record(SEEN, row.organization, about=row.pk, by=by, now=now)
