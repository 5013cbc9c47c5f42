"""Which copies stay at a place, and that what stays is whole."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from samizdat import plugins
from samizdat.backup import retention, sets, writing
from samizdat.backup.keys import BackupKeys
from samizdat.backup.retention import Kept, kept_times
from samizdat.core.backup import layout
from samizdat.worker.processes import background
from tests.backup.conftest import MemoryPlace
from tests.backup.test_writing import Copied, subscriber
from tests.conftest import NOW

DAY = timedelta(days=1)
KEEP = Kept()


def nights(*days: int) -> list[datetime]:
    return [NOW - day * DAY for day in days]


def test_seven_days_and_four_weeks_are_kept() -> None:
    kept = kept_times(nights(*range(60)), NOW, KEEP)
    assert len(kept) == 9 or len(kept) == 10
    assert set(nights(*range(7))) <= kept and all(NOW - time <= 30 * DAY for time in kept)
    assert len({time.isocalendar()[:2] for time in kept}) == 4


def test_of_a_day_the_newest_is_kept() -> None:
    morning, evening = NOW.replace(hour=3), NOW.replace(hour=9)
    now = NOW.replace(hour=10)
    assert kept_times([morning, evening], now, KEEP) == {evening}


def test_months_are_kept_where_somebody_chose_it() -> None:
    kept = kept_times(nights(*range(200)), NOW, Kept(1, 0, 3, 365))
    assert len({(time.year, time.month) for time in kept}) == 3


def test_nothing_is_older_than_the_days_that_were_chosen_but_the_newest() -> None:
    assert kept_times(nights(31, 40), NOW, KEEP) == {NOW - 31 * DAY}
    assert kept_times(nights(2, 31, 40), NOW, KEEP) == {NOW - 2 * DAY}


def test_a_copy_of_the_future_stays_until_there_is_a_week_of_others() -> None:
    future = NOW + 400 * DAY
    assert future in kept_times([future, *nights(0, 1)], NOW, KEEP)
    assert future not in kept_times([future, *nights(0, 8)], NOW, KEEP)
    assert kept_times([future], NOW, KEEP) == {future}


def prune(place: MemoryPlace, keys: BackupKeys, now: datetime) -> retention.Pruned:
    return retention.prune(place, [keys], now, KEEP)


def test_what_goes_takes_its_pieces_along_and_what_stays_is_whole(
    copied: Copied, place: MemoryPlace, keys: BackupKeys, lantern: Any
) -> None:
    subscriber(lantern, 1)
    old = copied()
    subscriber(lantern, 2)
    new = copied(now=NOW + 31 * DAY)
    before = len(place.files)
    pruned = prune(place, keys, NOW + 31 * DAY)
    assert pruned.copies == [old.copy.path] and pruned.pieces > 0 and pruned.undeleted == 0
    assert len(place.files) == before - 1 - pruned.pieces
    assert not sets.missing_pieces(new.copy.manifest, sets.piece_sizes(place))
    assert prune(place, keys, NOW + 31 * DAY) == retention.Pruned([])


def test_pieces_of_a_copy_that_was_not_finished_go_with_the_next(
    copied: Copied, place: MemoryPlace, keys: BackupKeys
) -> None:
    copied()
    place.files[layout.piece_path("a" * 64)] = b"of a backup that was stopped"
    assert prune(place, keys, NOW).pieces == 1


def test_beside_a_copy_that_nobody_can_read_no_piece_goes(
    copied: Copied, place: MemoryPlace, keys: BackupKeys, lantern: Any
) -> None:
    copied()
    subscriber(lantern, 1)
    copied(now=NOW + 31 * DAY)
    foreign = layout.set_path(NOW + 30 * DAY, "abcdef12")
    place.files[foreign] = b"of somebody else"
    pruned = prune(place, keys, NOW + 31 * DAY)
    assert len(pruned.copies) == 1 and pruned.pieces == 0 and foreign in place.files


def test_a_place_that_lets_nobody_delete_is_asked_once_and_it_is_said(
    copied: Copied, place: MemoryPlace, keys: BackupKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    for day in (0, 1, 40):
        copied(now=NOW + day * DAY)
    asked = list[str]()

    def refuse(name: str) -> None:
        asked.append(name)
        raise plugins.PlaceError("read_only", place="The disk")

    monkeypatch.setattr(place, "delete", refuse)
    pruned = prune(place, keys, NOW + 40 * DAY)
    assert (pruned.copies, pruned.undeleted, len(asked)) == ([], 2, 1)


def test_no_other_loop_of_the_worker_has_the_lock_of_backups() -> None:
    """On PostgreSQL no backup would begin while that loop has it."""
    locks = [value for name, value in vars(background).items() if name.endswith("_LOCK")]
    assert len(locks) > 1 and writing.BACKUP_LOCK not in locks


def test_two_backups_of_one_second_are_two(copied: Copied, place: MemoryPlace) -> None:
    first, second = copied(), copied()
    assert first.copy.path in place.files and second.copy.path in place.files
    assert second.copy.time == first.copy.time + timedelta(seconds=1)


def test_a_copy_of_the_future_is_not_the_newest_for_ever(copied: Copied, place: MemoryPlace) -> None:
    ahead, usual = copied(now=NOW + 400 * DAY), copied()
    assert sets.paths(place, NOW) == [usual.copy.path, ahead.copy.path]
    assert sets.paths(place, NOW + 400 * DAY) == [ahead.copy.path, usual.copy.path]
    assert ahead.copy.time > datetime(2026, 1, 1, tzinfo=UTC)
