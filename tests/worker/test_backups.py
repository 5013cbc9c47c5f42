"""The worker backs up by itself, and what goes wrong at one place keeps no other waiting."""

import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from samizdat import dbclock
from samizdat.backup import kept_places, writing
from samizdat.backup.restore_test import records
from samizdat.core.backup import epoch
from samizdat.core.backup.manifest import CHANGES, FULL
from samizdat.delivery import backup_places, backup_progress, epochs
from samizdat.delivery.actions import copied_installation
from samizdat.delivery.backup_places import KeptPlace, PlaceDetails
from samizdat.events.actions import record
from samizdat.events.models import Event
from samizdat.worker import stopping
from samizdat.worker.schedule import admin_alerts, backups
from tests.conftest import NOW
from tests.worker.conftest import until

IS_TEST_DUE = backups.is_test_due
LONG_AGO = timedelta(days=30)


@pytest.fixture(autouse=True)
def quick(transactional_db: Any, lantern: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Each look is one."""
    monkeypatch.setattr(backups, "EVERY", 0.0)
    monkeypatch.setattr(backups, "_stood", float("-inf"))
    monkeypatch.setattr(backups, "is_test_due", lambda *_facts: False)
    copied_installation.look(dbclock.now())
    yield
    done()


def done() -> None:
    until(lambda: backups._thread is None or not backups._thread.is_alive())


def place(folder: Path) -> KeptPlace:
    folder.mkdir()
    return kept_places.add(PlaceDetails(url=folder.as_uri(), added=dbclock.now() - LONG_AGO))


def look() -> None:
    backups.look(dbclock.now())
    done()


def kinds(kept: KeptPlace) -> list[str]:
    return [copy.kind for copy in backup_places.copies(kept.number)]


def test_each_place_gets_one_and_then_none_until_the_next_night(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = place(tmp_path / "here"), place(tmp_path / "there")
    look()
    assert (kinds(here), kinds(there)) == ([FULL], [FULL])
    look()
    assert kinds(here) == [FULL]
    monkeypatch.setattr(backups, "due_kind", lambda *_facts: CHANGES)
    look()
    assert kinds(here) == [CHANGES], "of a day the newest is kept"


def test_a_place_that_is_away_is_noted_and_keeps_no_other_waiting(tmp_path: Path) -> None:
    away, there = place(tmp_path / "away"), place(tmp_path / "there")
    shutil.rmtree(tmp_path / "away")
    look()
    assert (kinds(away), kinds(there)) == ([], [FULL])
    state = next(each.state for each in backup_places.all_places() if isinstance(each, KeptPlace))
    assert state.failures == 1 and state.error
    look()
    assert next(each.state for each in backup_places.all_places() if isinstance(each, KeptPlace)).failures == 1


def test_where_another_copy_took_over_nothing_is_written(tmp_path: Path) -> None:
    kept, folder = place(tmp_path / "place"), tmp_path / "place"
    other = epochs.standing(dbclock.now()).own.next(b"somebody", NOW)
    (folder / other.name).parent.mkdir(exist_ok=True)
    (folder / other.name).write_bytes(epoch.written(other, epochs._key()))
    look()
    assert kinds(kept) == [] and epochs.standing(dbclock.now()).rival == other


def test_a_worker_that_ends_breaks_off_and_the_next_one_goes_on(tmp_path: Path) -> None:
    kept = place(tmp_path / "place")
    stopping.stopping.set()
    try:
        with pytest.raises(backups.BackupStopped):
            backups._back_up(kept, FULL)
    finally:
        stopping.stopping.clear()
    assert kinds(kept) == []
    state = backup_places.get(kept.number)
    assert state is not None and not state.state.failures
    look()
    assert kinds(kept) == [FULL]


def asked(kept: KeptPlace) -> set[str]:
    return set(backup_progress.progress(kept.number, dbclock.now()).asked)


def test_what_somebody_asked_for_is_done_at_once_and_once(tmp_path: Path) -> None:
    kept = place(tmp_path / "place")
    look()
    backup_progress.ask(kept.number, "test", dbclock.now())
    backup_progress.ask(kept.number, "backup", dbclock.now())
    look()
    assert kinds(kept) == [CHANGES] and said(records.PASSED) == 1
    assert asked(kept) == set() and not backup_progress.progress(kept.number, dbclock.now()).doing
    look()
    assert kinds(kept) == [CHANGES] and said(records.PASSED) == 1


def test_while_it_goes_on_the_page_sees_how_far_it_has_come(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backups, "SHOWN", 0.0)
    seen = list[tuple[str, int]]()
    place(tmp_path / "place")
    go_on = backup_progress.go_on

    def noted(number: int, *facts: Any) -> None:
        go_on(number, *facts)
        known = backup_progress.progress(number, dbclock.now())
        seen.append((known.doing, known.rows_done))

    monkeypatch.setattr(backup_progress, "go_on", noted)
    look()
    assert seen and {doing for doing, _rows in seen} == {"backup"} and seen[-1][1] > 0


def test_what_was_asked_waits_while_another_backup_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = place(tmp_path / "place")
    monkeypatch.setattr(backups, "due_kind", lambda *_facts: "")
    backup_progress.ask(kept.number, "backup", dbclock.now())
    with writing.only_backup():
        look()
    assert asked(kept) == {"backup"} and kinds(kept) == []
    look()
    assert asked(kept) == set() and kinds(kept) == [FULL]


def test_of_a_backup_that_fails_nobody_waits_and_its_error_is_noted(tmp_path: Path) -> None:
    kept = place(tmp_path / "place")
    shutil.rmtree(tmp_path / "place")
    backup_progress.ask(kept.number, "backup", dbclock.now())
    look()
    known = backup_places.get(kept.number)
    assert asked(kept) == set() and known is not None and known.state.error


def test_a_worker_that_ends_leaves_what_was_asked_to_the_next(tmp_path: Path) -> None:
    kept = place(tmp_path / "place")
    backup_progress.ask(kept.number, "backup", dbclock.now())
    stopping.stopping.set()
    try:
        backups._run()
        with pytest.raises(backups.BackupStopped):
            backups._do_asked(kept.number, "backup")
    finally:
        stopping.stopping.clear()
    assert asked(kept) == {"backup"}
    assert backup_progress.progress(kept.number, dbclock.now()).doing == "backup"
    assert not backup_progress.progress(kept.number, dbclock.now() + backup_progress.GONE).doing
    look()
    assert asked(kept) == set() and kinds(kept) == [FULL]


def said(kind: str) -> int:
    return Event.objects.filter(kind=kind).count()


def test_whether_the_newest_one_restores_is_tested_once_a_week(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backups, "is_test_due", IS_TEST_DUE)
    monkeypatch.setattr(backups, "_began", float("-inf"))
    monkeypatch.setattr(backups, "_tested", {})
    kept = place(tmp_path / "place")
    look()
    assert (said(records.PASSED), said(records.FAILED)) == (1, 0)
    later = dbclock.now() + records.WEEK
    assert not backups.is_test_due(kept, later), "this process has just done it"
    monkeypatch.setattr(backups, "_tested", {})
    assert [backups.is_test_due(kept, at) for at in (later - timedelta(hours=1), later)] == [False, True]
    for piece in (tmp_path / "place" / "pieces").rglob("*.age"):
        piece.unlink()
    backups._test(kept)
    assert said(records.FAILED) == 1


def test_admins_are_told_once_where_no_backup_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place(tmp_path / "away")
    shutil.rmtree(tmp_path / "away")
    look()
    assert said(backups.LATE) == 1, "for thirty days there was none"
    monkeypatch.setattr(backups, "_stood", float("-inf"))
    look()
    assert said(backups.LATE) == 1


@pytest.mark.parametrize(
    ("kind", "words"), [(backups.LATE, "samizdat doctor"), (records.FAILED, "samizdat backup test")]
)
def test_the_mail_says_what_to_do(lantern: Any, kind: Any, words: str) -> None:
    event = record(kind, lantern, now=NOW)
    alert = admin_alerts._told_of_backups(event)
    assert "Northern Lantern" in alert.subject() and words in alert.text()
    assert event.pk in {alert.mark[1] for alert in admin_alerts._due(NOW)}
