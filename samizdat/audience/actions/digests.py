"""When a list gathers its letters for those who want a digest."""

from datetime import datetime
from zoneinfo import ZoneInfo

from django.db import transaction
from django.utils.translation import gettext as _

from samizdat.accounts.models import Person
from samizdat.audience.errors import WrongDigest
from samizdat.audience.models import List
from samizdat.core.content import digest
from samizdat.events.actions import record


def set_digest(list_: List, when: str, *, now: datetime, by: Person | None = None) -> None:
    """`when`: of digest.WHEN. "" ends it: what was gathered still goes out, then letters come one by one again.
    Errors: WrongDigest."""
    if when not in digest.WHEN:
        raise WrongDigest(
            _("A digest is sent each day, on a day of the week, on the first of the month, or never: %(when)s.")
            % {"when": ", ".join(word or "off" for word in digest.WHEN)}
        )
    with transaction.atomic():
        due = digest.next_due(when, now, ZoneInfo(list_.organization.timezone))
        List.objects.filter(id=list_.id).update(digest_when=when, digest_due=due or now)
        record("list.digest_changed", list_.organization, about=list_.id, by=by, now=now, detail={"when": when})
    list_.digest_when, list_.digest_due = when, due or now
