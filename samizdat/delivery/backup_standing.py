"""How the backups stand: what `doctor`, pages and alarms say of them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from samizdat.core.backup.manifest import FULL
from samizdat.delivery import backup_places
from samizdat.delivery.backup_places import CopyDetails, KeptPlace, PlaceBroken

type Level = Literal["ok", "amber", "red"]

# A place without a new copy for so long. One each night is usual.
LATE, TOO_LATE = timedelta(hours=36), timedelta(days=8)
# A copy that seems to be newer than now is none: the clock was wrong then, or is now.
AHEAD = timedelta(days=1)
_RANK: dict[Level, int] = {"ok": 0, "amber": 1, "red": 2}


@dataclass(frozen=True, slots=True)
class PlaceStanding:
    """code: "ok", "late", "too_late", or "broken" of a row that doesn't open. last: the newest copy of either kind.
    failing: since when each attempt failed; error: the sentence of the last one. undeleted: copies that should be
    gone, and that the place doesn't let us delete."""

    number: int
    url: str
    level: Level
    code: str
    last: datetime | None = None
    last_full: datetime | None = None
    failing: datetime | None = None
    error: str = ""
    undeleted: int = 0

    def days(self, now: datetime) -> int | None:
        """Since the newest copy; None without any."""
        return (now - self.last).days if self.last else None


@dataclass(frozen=True, slots=True)
class BackupStanding:
    """code: "no_place" or that of the worst place."""

    level: Level
    code: str
    places: Sequence[PlaceStanding]


def past(copies: Iterable[CopyDetails], now: datetime) -> list[CopyDetails]:
    """Those that count, in the same order."""
    return [copy for copy in copies if copy.made <= now + AHEAD]


def backup_standing(now: datetime) -> BackupStanding:
    places = [place_standing(each, now) for each in backup_places.all_places()]
    if not places:
        return BackupStanding("amber", "no_place", ())
    worst = max(places, key=lambda place: _RANK[place.level])
    return BackupStanding(worst.level, worst.code, places)


def place_standing(each: KeptPlace | PlaceBroken, now: datetime) -> PlaceStanding:
    if isinstance(each, PlaceBroken):
        return PlaceStanding(each.number, "", "red", "broken", error=str(each))
    copies = past(backup_places.copies(each.number), now)
    last = max((copy.made for copy in copies), default=None)
    silent = now - (last or each.details.added)
    level: Level = "red" if silent > TOO_LATE else "amber" if silent > LATE else "ok"
    return PlaceStanding(
        number=each.number,
        url=each.details.url,
        level=level,
        code={"ok": "ok", "amber": "late", "red": "too_late"}[level],
        last=last,
        last_full=max((copy.made for copy in copies if copy.kind == FULL), default=None),
        failing=each.state.failing,
        error=each.state.error,
        undeleted=each.state.undeleted,
    )
