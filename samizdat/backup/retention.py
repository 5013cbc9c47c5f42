"""Which copies at a place are kept, and what goes with the others: pieces that no copy names any more.

A copy is whole by itself, whatever its kind, so each may go alone. The newest always stays. None other stays longer
than `days`, for people who were erased since are still in it.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from samizdat import plugins
from samizdat.backup import recipients, sets
from samizdat.backup.errors import BackupRefused
from samizdat.backup.keys import BackupKeys
from samizdat.backup.sets import WritablePlace
from samizdat.core.backup import layout


@dataclass(frozen=True, slots=True)
class Kept:
    """How many days, weeks and months have a copy each, and how old one may be."""

    daily: int = 7
    weekly: int = 4
    monthly: int = 0
    days: int = 30


@dataclass(frozen=True, slots=True)
class Pruned:
    """copies: paths that are gone. pieces, bytes: what went with them. undeleted: copies that should have gone, and
    didn't."""

    copies: list[str]
    pieces: int = 0
    bytes: int = 0
    undeleted: int = 0


def kept_times(times: Iterable[datetime], now: datetime, keep: Kept) -> set[datetime]:
    """Of each of the last days, weeks and months that have a copy, the newest one. Copies that seem to be from the
    future, since the clock was wrong then or is now, stay until there is a week of others."""
    newest_first = sorted(set(times), reverse=True)
    usual = [time for time in newest_first if time <= now + sets.AHEAD]
    if not usual:
        return set(newest_first)
    young = [time for time in usual if now - time <= timedelta(days=keep.days)]
    kept = {usual[0]}
    for most, period in ((keep.daily, _day), (keep.weekly, _week), (keep.monthly, _month)):
        newest: dict[object, datetime] = {}
        for time in young:
            newest.setdefault(period(time), time)
        kept |= set(list(newest.values())[:most])
    if usual[0] - usual[-1] < timedelta(days=7):
        kept |= set(newest_first) - set(usual)
    return kept


def _day(time: datetime) -> object:
    return time.date()


def _week(time: datetime) -> object:
    return time.isocalendar()[:2]


def _month(time: datetime) -> object:
    return time.year, time.month


def prune(
    place: WritablePlace,
    keys: Sequence[BackupKeys],
    now: datetime,
    keep: Kept,
    stop: Callable[[], bool] = lambda: False,
) -> Pruned:
    """keys: of the installation, those of instance keys that were replaced among them. Nobody may write to the place
    meanwhile (writing.only_backup). Errors: PlaceError, when it can't be read.

    Where a copy can't be read, as one of another installation or one that is damaged, no piece goes: nobody knows which
    of them it needs.
    """
    paths = sets.paths(place, now)
    times = {path: time for path in paths if (time := layout.set_time(path)) is not None}
    kept = kept_times(times.values(), now, keep)
    needed, ours, is_known = set[str](), set[str](), True
    identities = [identity for each in keys for identity in recipients.identities(each.identity)]
    installations = {each.installation for each in keys}
    for path in paths:
        try:
            copy = sets.open_copy(place, path, identities)
        except (BackupRefused, plugins.NotThere):
            is_known = False
            continue
        if copy.manifest.installation not in installations:
            is_known = False
            continue
        ours.add(path)
        if times[path] in kept:
            needed |= {piece.name for piece in copy.manifest.pieces}
    superfluous = [path for path in paths if times[path] not in kept]
    gone = _delete(place, [path for path in superfluous if path in ours], stop)
    undeleted = len(superfluous) - len(gone)
    if undeleted or not is_known:
        return Pruned(gone, undeleted=undeleted)
    unneeded = {name: size for name, size in sets.piece_sizes(place).items() if name not in needed}
    pieces = _delete(place, [layout.piece_path(name) for name in unneeded], stop)
    sizes = [unneeded[layout.piece_name(path) or ""] for path in pieces]
    return Pruned(gone, len(pieces), sum(sizes))


def _delete(place: WritablePlace, paths: Sequence[str], stop: Callable[[], bool]) -> list[str]:
    """Those that are gone. A place that refuses the first one isn't asked for the others."""
    gone = list[str]()
    for path in paths:
        if stop():
            break
        try:
            place.delete(path)
        except plugins.PlaceError:
            break
        gone.append(path)
    return gone
