"""The worker tells each backup place what has changed, and stops where another copy took over."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from samizdat import dbclock
from samizdat.audience import actions as audience
from samizdat.backup import kept_places
from samizdat.core.backup import epoch, layout
from samizdat.delivery import backup_places, backup_progress, epochs
from samizdat.delivery.actions import copied_installation
from samizdat.delivery.backup_places import PlaceDetails
from samizdat.worker.schedule import backup_tails
from samizdat.worker.schedule.backup_tails import BackupTails
from tests.conftest import NOW
from tests.worker.conftest import until


@pytest.fixture
def folder(transactional_db: Any, lantern: Any, tmp_path: Path) -> Path:
    """A backup place with a copy."""
    copied_installation.look(dbclock.now())
    kept = kept_places.add(PlaceDetails(url=tmp_path.as_uri(), added=NOW))
    kept_places.back_up(kept, databases=["default", "publicdb"], now=dbclock.now(), jobs=1)
    return tmp_path


@pytest.fixture
def tails(monkeypatch: pytest.MonkeyPatch) -> Iterator[BackupTails]:
    """What the worker's loop calls each second. Its threads have ended before the database goes."""
    monkeypatch.setattr(backup_tails, "EVERY", 0.02)
    tails = BackupTails()
    yield tails
    threads = [*tails._threads.values()]
    tails.leave()
    until(lambda: not any(thread.is_running for thread in threads))


def tail_files(folder: Path) -> int:
    return sum(layout.tail_name(path.relative_to(folder).as_posix()) is not None for path in folder.rglob("*.age"))


def test_what_changes_is_at_the_place_and_a_removed_place_is_told_no_more(
    folder: Path, tails: BackupTails, lantern: Any
) -> None:
    tails.look()
    audience.new_list(lantern, "Letter", now=NOW)
    until(lambda: tail_files(folder) == 1)
    audience.new_list(lantern, "Another letter", now=NOW)
    until(lambda: tail_files(folder) == 2)
    threads = [*tails._threads.values()]
    backup_places.remove(threads[0].number)
    until(lambda: tails.look() or not threads[0].is_running)


def test_when_it_was_told_last_and_since_when_it_fails_is_noted(
    folder: Path, tails: BackupTails, lantern: Any, tmp_path: Path
) -> None:
    (number,) = backup_places.numbers()

    def known() -> backup_progress.PlaceProgress:
        return backup_progress.progress(number, dbclock.now())

    tails.look()
    audience.new_list(lantern, "Letter", now=NOW)
    until(lambda: known().tail_written is not None)
    away = folder.rename(tmp_path.with_name("away"))
    audience.new_list(lantern, "Another letter", now=NOW)
    until(lambda: known().tail_failing is not None)
    away.rename(folder)
    until(lambda: known().tail_failing is None)


def test_where_another_copy_took_over_everything_is_fenced_and_nothing_written(
    folder: Path, tails: BackupTails, lantern: Any
) -> None:
    other = epochs.standing(dbclock.now()).own.next(b"somebody", NOW)
    (folder / other.name).parent.mkdir(exist_ok=True)
    (folder / other.name).write_bytes(epoch.written(other, epochs._key()))
    audience.new_list(lantern, "Letter", now=NOW)
    tails.look()

    def is_fenced() -> bool:
        lantern.refresh_from_db()
        return bool(lantern.sending_locked)

    until(is_fenced)
    assert tail_files(folder) == 0 and epochs.standing(dbclock.now()).rival == other


def test_a_copy_on_hold_continues_nothing(folder: Path, lantern: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = backup_places.get(backup_places.numbers()[0])
    assert kept is not None
    with kept_places.opened(kept.details) as place:
        assert copied_installation.may_write_at(place, dbclock.now())
        monkeypatch.setattr(copied_installation, "differs", lambda: ["path"])
        assert not copied_installation.may_write_at(place, dbclock.now())
