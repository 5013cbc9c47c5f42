"""Whether a backup restores is found out by restoring it."""

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyrage
import pytest

from samizdat import plugins
from samizdat.audience import actions as audience
from samizdat.backup import writing
from samizdat.backup.errors import BackupRefused
from samizdat.backup.place_tails import PlaceTail
from samizdat.backup.restore_test import records, running
from samizdat.backup.restore_test.running import RestoreTestResult
from samizdat.backup.restore_test.sentences import sentence
from samizdat.backup.writing import WrittenCopy
from samizdat.core.backup import layout
from samizdat.core.backup.manifest import CHANGES
from samizdat.delivery.engine.locks import FileLock
from samizdat.events import queries
from samizdat.events.actions import detail_of
from samizdat.options import data_folder
from samizdat.vault import keyring
from samizdat.vault.source import InstanceSource
from tests.conftest import INSTANCE_KEY, NOW

Write = Callable[..., WrittenCopy]


@pytest.fixture
def where(tmp_path: Path) -> Path:
    folder = tmp_path / "place"
    folder.mkdir()
    return folder


@pytest.fixture
def write(transactional_db: Any, lantern: Any, where: Path) -> Write:
    """write(to=[…]): a copy in the folder."""

    def written(**options: Any) -> WrittenCopy:
        with contextlib.closing(plugins.open_place(where.as_uri(), "")) as place:
            return writing.write_copy(
                place,
                databases=["default", "publicdb"],
                instance_key=lambda: INSTANCE_KEY,
                **{"now": NOW, "jobs": 1, **options},
            )

    return written


def outcome(where: Path, **options: Any) -> RestoreTestResult:
    return running.newest_restores(where.as_uri(), "", **options)


def piece_of(where: Path, written: WrittenCopy, table: str) -> Path:
    (entry,) = [entry for entry in written.copy.manifest.tables if entry.name == table]
    return where / layout.piece_path(entry.pieces[0].name)


def test_a_whole_copy_passes_and_nothing_of_it_is_left(write: Write, where: Path) -> None:
    written, steps = write(), list[str]()
    result = outcome(where, tell=lambda step, _done, _whole: steps.append(step))
    assert (result.code, result.what) == ("", "")
    assert result.opened and result.copy == written.copy.path and result.time == written.copy.time
    assert result.facts["organizations"] == 1
    assert result.facts["rows"] == sum(
        written.copy.manifest.totals[entry.name] for entry in written.copy.manifest.tables if entry.database != "folder"
    )
    assert list(dict.fromkeys(steps)) == ["restore", "count", "check", "compose"]
    assert not running.folder().exists()


def test_one_flipped_bit_is_found_and_named(write: Write, where: Path) -> None:
    piece = piece_of(where, write(), "accounts_organization")
    data = bytearray(piece.read_bytes())
    data[len(data) // 2] ^= 1
    piece.write_bytes(data)
    result = outcome(where)
    assert result.code == "damaged" and piece.name in result.what
    assert not running.folder().exists()


def test_of_a_damaged_manifest_nothing_is_said_to_be_written_anew(write: Write, where: Path) -> None:
    """The next backup has another name."""
    write()
    file = next((where / "sets").iterdir())
    file.write_bytes(file.read_bytes()[:-9] + b"!" * 9)
    result = outcome(where)
    name = f"sets/{file.name}"
    assert (result.code, result.what) == ("damaged", name)
    assert sentence(result.code, result.what) == (
        f"{name} is damaged, so this backup can’t be restored. Delete this file and back up again. Check the disk."
    )
    assert "written anew" in sentence("damaged", "pieces/ab/ab12.age")


def test_a_missing_piece_is_found(write: Write, where: Path) -> None:
    piece_of(where, write(), "accounts_organization").unlink()
    assert outcome(where).code == "missing_pieces"


def test_an_older_copy_is_not_taken_for_a_newer_one_that_is_damaged(write: Write, where: Path) -> None:
    """A restore passes over it; a test says so."""
    write()
    newer = write(now=NOW + timedelta(days=1)).copy.path
    (where / newer).write_bytes((where / newer).read_bytes()[:-1])
    result = outcome(where)
    assert (result.code, result.copy) == ("damaged", newer)


def test_a_copy_that_another_key_wrote_does_not_open(write: Write, where: Path) -> None:
    write()
    keyring.use(InstanceSource(bytes(32)))
    assert outcome(where).code == "other_key"


def test_a_place_without_a_copy_or_without_a_folder_fails(where: Path, transactional_db: Any, lantern: Any) -> None:
    assert outcome(where).code == "no_copy"
    where.rmdir()
    result = outcome(where)
    assert result.code == "place" and str(where) in result.what


def test_too_little_room_is_said_before_anything_is_written(
    write: Write, where: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write()
    usage = shutil.disk_usage(where)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage._replace(free=10 << 20))
    result = outcome(where)
    assert result.code == "no_room" and result.what.endswith("/10")
    assert not running.folder().exists()


def test_a_process_that_is_killed_is_a_failed_test(write: Write, where: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write()
    started, begin = list[subprocess.Popen[bytes]](), subprocess.Popen

    def started_by(*words: Any, **options: Any) -> subprocess.Popen[bytes]:
        started.append(begin(*words, **options))
        return started[-1]

    monkeypatch.setattr(subprocess, "Popen", started_by)
    result = outcome(where, tell=lambda _step, _done, _whole: os.kill(started[0].pid, signal.SIGKILL))
    assert result.code == "ended"
    assert not running.folder().exists()


def test_one_that_is_asked_to_stop_has_found_nothing_out(write: Write, where: Path) -> None:
    write()
    with pytest.raises(running.Interrupted):
        outcome(where, stop=lambda: True)
    assert not running.folder().exists()


def test_what_a_killed_test_left_is_removed_by_the_next(write: Write, where: Path) -> None:
    write()
    running.folder().mkdir()
    (running.folder() / "samizdat.sqlite3").write_bytes(b"rows")
    assert outcome(where).code == ""
    assert not running.folder().exists()


def test_two_tests_at_once_are_one_too_many(where: Path, transactional_db: Any) -> None:
    lock = FileLock(data_folder() / running.LOCK)
    assert lock.take()
    try:
        with pytest.raises(BackupRefused) as refused:
            outcome(where)
    finally:
        lock.release()
    assert refused.value.code == "test_runs"


def test_with_recipients_alone_all_is_read_and_nothing_opened(write: Write, where: Path) -> None:
    """Whoever takes the server over opens no backup of it, so neither does a test."""
    identity = pyrage.x25519.Identity.generate()
    written = write(to=[str(identity.to_public())])
    result = outcome(where)
    assert (result.code, result.opened) == ("", False)
    assert result.facts["pieces"] == len({piece.name for piece in written.copy.manifest.pieces})
    with_identity = outcome(where, identities=[str(identity)])
    assert (with_identity.code, with_identity.opened) == ("", True)
    piece = piece_of(where, written, "accounts_organization")
    assert result.facts["checked"] == result.facts["pieces"]
    data = bytearray(piece.read_bytes())
    data[-1] ^= 1
    piece.write_bytes(data)
    assert outcome(where).code == "damaged", "one flipped bit is seen without any key"


def test_pieces_of_an_earlier_copy_or_of_one_that_was_broken_off_are_known_by_their_hash(
    write: Write, where: Path
) -> None:
    identity = pyrage.x25519.Identity.generate()
    to = [str(identity.to_public())]
    first = write(to=to)
    second = write(to=to, kind=CHANGES, now=NOW + timedelta(days=1))
    assert second.written < second.pieces and outcome(where).facts["checked"] == second.pieces
    for written in (first, second):
        (where / written.copy.path).unlink()
    third = write(to=to, now=NOW + timedelta(days=2))
    assert third.written < third.pieces and outcome(where).facts["checked"] == third.pieces


def test_a_manifest_of_an_earlier_version_has_no_hashes_and_its_pieces_are_read_all_the_same(
    write: Write, where: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing._Pieces, "hash_of", lambda _self, _name: "")
    write(to=[str(pyrage.x25519.Identity.generate().to_public())])
    facts = outcome(where).facts
    assert facts["pieces"] and not facts["checked"]


def test_what_has_changed_since_is_restored_too(write: Write, where: Path, lantern: Any) -> None:
    written, tail = write(), PlaceTail()
    folder = where / layout.tail_folder(written.copy.path)
    with contextlib.closing(plugins.open_place(where.as_uri(), "")) as place:
        tail.write(place, NOW)
        audience.new_list(lantern, "Letter", now=NOW)
        assert tail.write(place, NOW) == 1
        audience.new_list(lantern, "Another letter", now=NOW)
        assert tail.write(place, NOW) == 1
    result = outcome(where)
    assert (result.code, result.what) == ("", "") and result.facts["tail_files"] == 2
    first, _second = sorted(path for path in folder.iterdir() if path.name != "base.age")
    first.write_bytes(first.read_bytes()[:-1])
    result = outcome(where)
    assert result.code == "tail" and first.name in result.what


def test_what_was_found_is_in_the_log_without_saying_where_the_place_is(
    write: Write, where: Path, lantern: Any
) -> None:
    written = write()
    records.note(where.as_uri(), outcome(where), NOW)
    event = queries.last(lantern, records.PASSED)
    assert event is not None and detail_of(event)["copy"] == written.copy.path
    piece_of(where, written, "accounts_organization").unlink()
    records.note(where.as_uri(), outcome(where), NOW)
    event = queries.last(lantern, records.FAILED)
    assert event is not None and detail_of(event)["code"] == "missing_pieces"
    assert str(where) not in str(detail_of(event))
