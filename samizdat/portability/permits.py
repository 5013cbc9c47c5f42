"""Whether an export may be made and downloaded, by a MAC (accounts/row_macs.py): whoever writes the database without
keys cannot have one made that waits for its approval, nor shorten its day, nor have one made or downloaded again that
is over."""

from collections.abc import Iterator
from datetime import datetime
from math import inf

from samizdat.accounts import pending_changes, row_macs
from samizdat.events.kinds import EventKind
from samizdat.events.models import Event
from samizdat.portability.models import Export

EXPORTED: EventKind = "subscribers.exported"
AGREED: EventKind = "subscribers.export.agreed"
WAITED: EventKind = "subscribers.export.waited"  # Its day has passed, and nobody stopped it.
FETCHED: EventKind = "subscribers.export.fetched"
DROPPED: EventKind = "subscribers.export.dropped"  # Also once all of it was downloaded.

# What the log says of an export once it is none of these any more, so that an older row is not put back.
_MADE = ("asked", "running")
_LATER = {
    "held": (AGREED, WAITED, FETCHED, DROPPED),
    **dict.fromkeys(_MADE, (FETCHED, DROPPED)),
    "ready": (DROPPED,),  # Who breaks off may begin again.
}


def permit(row: Export) -> bytes:
    """What is kept beside a row in its state; nothing where there is nothing to be made or downloaded."""
    return row_macs.mac(*_facts(row)) if row.state in _LATER else b""


def renew() -> Iterator[None]:
    """Of all exports, once the instance key is replaced (vault/instance_exchange.py)."""
    return row_macs.renewed(Export.objects.select_related("organization").filter(state__in=_LATER), _facts)


def is_ours(row: Export) -> bool:
    """Whether we wrote it as it stands, and the log doesn't say that it went on from there."""
    if row.state not in _LATER or not row_macs.fits(row.mac, *_facts(row)):
        return False
    events = Event.objects.filter(organization=row.organization_id, about=row.pk, kind__in=_LATER[row.state])
    return not events.exists()


def is_ours_in_whole_log(row: Export, now: datetime, seconds: float = inf) -> bool | None:
    """is_ours(), for whoever makes a file or hands it out: nothing was taken out of the log since it was asked for.
    None: in that time not all of the log was walked."""
    return is_ours(row) and pending_changes.is_log_whole_since(row, EXPORTED, now, seconds)


def _facts(row: Export) -> tuple[object, ...]:
    # A worker begins and begins anew what was asked for: to it both are the same.
    state = "asked" if row.state in _MADE else row.state
    waits = (float(row.waited_seconds),) if row.state == "held" else ()
    noticed = ("noticed", row.noticed) if waits and row.noticed else ()
    refused = ("refused", row.refused, row.tried) if waits and row.refused else ()
    facts = state, row.format, row.plain, row.by_id, row.created, row.released_at, row.details_sealed
    return row_macs.of("export", row.organization, row, *facts, *waits, *noticed, *refused)
