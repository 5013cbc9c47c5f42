"""What somebody without keys wrote into the database: said in the log, and put back where it is known."""

import logging
from datetime import datetime, timedelta

from samizdat.accounts.memberships import forged
from samizdat.accounts.models import Organization
from samizdat.accounts.sealed_settings import put_back
from samizdat.events.actions import record
from samizdat.events.kinds import EventKind
from samizdat.events.queries import was_said
from samizdat.vault.locks import unlocked

log = logging.getLogger("samizdat.worker")

FORGED: EventKind = "person.role_forged"
ALTERED: EventKind = "organization.altered"
TOLD = timedelta(hours=1)


def watch(now: datetime, *, is_old: bool = False) -> int:
    """Says in the log and in the events, once an hour, where roles were written beside us; how many stand there. What
    settings were written beside us is put back. is_old: the database is a backup that nobody has released yet, and
    says of itself so (delivery/database_progress.py)."""
    count = 0
    for number in Organization.objects.filter(unlocked()).order_by("id").values_list("id", flat=True):
        # As it stands now: the one before may have had the slug of this one.
        organization = Organization.objects.get(pk=number)
        roles = forged(organization)
        count += len(roles)
        if roles:
            _tell(organization, FORGED, {"people": [row.person_id for row in roles]}, now)
        altered = put_back(organization, is_old=is_old)
        if altered is None or altered:
            tell_altered(organization, altered, now)
    return count


def tell_altered(organization: Organization, settings: list[str] | None, now: datetime) -> None:
    """settings: names of what stood there instead; None unknown."""
    _tell(organization, ALTERED, {"settings": settings}, now)


def _tell(organization: Organization, kind: EventKind, detail: dict[str, object], now: datetime) -> None:
    if not was_said(organization, kind, now - TOLD):
        record(kind, organization, now=now, detail=detail)
        log.error("Somebody without keys wrote roles or settings into the database. Run: samizdat doctor")
