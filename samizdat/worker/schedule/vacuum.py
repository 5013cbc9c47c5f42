"""Erasing works on the disk too (design.md, section 4): what follows an erasure until it is so."""

from datetime import UTC, datetime

from samizdat.audience import sql as audience_sql
from samizdat.events.actions import moment_of
from samizdat.events.models import Event
from samizdat.portability.account_copies import erased

# When the last sweep that went through began: one sweep does for all that was erased before it.
_swept = datetime.min.replace(tzinfo=UTC)


class NotSwept(Exception):
    """Somebody was reading; it is tried again."""


def sweep_copies(_event: Event, _now: datetime) -> None:
    if not erased.leave_disk():
        raise NotSwept


def sweep(event: Event, now: datetime) -> None:
    global _swept
    if moment_of(event) < _swept:
        return
    if not audience_sql.sweep_after_erasing():
        raise NotSwept
    _swept = now
