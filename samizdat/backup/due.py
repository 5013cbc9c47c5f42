"""Which backup is due at a place, by the clock alone: one each night, and once a week a full one."""

from collections.abc import Sequence
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from samizdat.core.backup.manifest import CHANGES, FULL
from samizdat.delivery.backup_places import CopyDetails, KeptPlace
from samizdat.delivery.backup_standing import past

# When hardly anybody works, by the time zone of the installation.
NIGHT = time(2, 0)
# The seventh night is a little less than a week after the first.
WEEK = timedelta(days=6, hours=12)
# A new place has none: somebody may make the first one by hand, right after adding it.
BY_HAND = timedelta(minutes=10)
# After a try that failed, and at most, however often: it doubles.
AGAIN, LONGEST = timedelta(minutes=5), timedelta(hours=6)


def due_kind(kept: KeptPlace, copies: Sequence[CopyDetails], now: datetime, zone: ZoneInfo) -> str:
    """FULL, CHANGES, or "" for nothing yet. copies: of this place, the newest first; those of a clock that ran ahead
    don't count."""
    state, added = kept.state, kept.details.added
    if not copies and added <= now < added + BY_HAND:
        return ""
    if state.failures and state.tried is not None and state.tried <= now < state.tried + pause(state.failures):
        return ""
    counted = past(copies, now)
    if counted and counted[0].made >= last_night(now, zone):
        return ""
    return usual_kind(copies, now)


def usual_kind(copies: Sequence[CopyDetails], now: datetime) -> str:
    """Of one that is made now."""
    full = next((copy.made for copy in past(copies, now) if copy.kind == FULL), None)
    return FULL if full is None or now - full >= WEEK else CHANGES


def pause(failures: int) -> timedelta:
    return min(AGAIN * (1 << min(failures - 1, 10)), LONGEST)


def last_night(now: datetime, zone: ZoneInfo) -> datetime:
    """The last time that it was NIGHT."""
    here = now.astimezone(zone)
    begins = datetime.combine(here.date(), NIGHT, zone)
    return begins if begins <= here else datetime.combine(here.date() - timedelta(days=1), NIGHT, zone)
