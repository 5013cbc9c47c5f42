"""What a power loss leaves of files: what was synced, and of the rest nothing or pieces. Then through the kernel."""

import contextlib
import mmap
import os
import random
import sqlite3
import stat

import pytest

from samizdat import mail_spool, modes
from samizdat.delivery.engine import journal
from tests.power_loss.machine import LossyDisk
from tests.power_loss.volatile_files import PAGE, ROOT, VolatileFiles

FILE = stat.S_IFREG | 0o600
ALL_LOST, SOME_LEFT = 2, 3


def added(files: VolatileFiles, name: bytes, data: bytes = b"") -> int:
    number = files.add(ROOT, name, FILE, 0, 0)
    files.nodes[number].write(0, data)
    return number


def contents(files: VolatileFiles) -> dict[bytes, bytes]:
    return {name: bytes(files.nodes[number].data) for name, number in files.nodes[ROOT].names.items()}


def test_what_was_synced_is_left() -> None:
    files = VolatileFiles()
    number = added(files, b"journal", b"first")
    files.sync()
    files.nodes[number].write(5, b", second")
    files.nodes[number].write(0, b"F")
    assert contents(files.left(ALL_LOST)) == {b"journal": b"first"}
    files.nodes[number].sync()
    assert contents(files.left(ALL_LOST)) == {b"journal": b"First, second"}


def test_a_name_is_left_only_where_its_folder_was_synced() -> None:
    files = VolatileFiles()
    files.nodes[added(files, b"draft", b"words")].sync()
    assert contents(files.left(ALL_LOST)) == {}
    files.nodes[ROOT].sync()
    files.nodes[ROOT].names[b"final"] = files.nodes[ROOT].names.pop(b"draft")
    assert contents(files.left(ALL_LOST)) == {b"draft": b"words"}


def test_a_file_whose_name_alone_was_synced_is_empty() -> None:
    files = VolatileFiles()
    added(files, b"journal", b"words")
    files.nodes[ROOT].sync()
    assert contents(files.left(ALL_LOST)) == {b"journal": b""}


def test_what_was_cut_off_without_a_sync_is_there_again() -> None:
    files = VolatileFiles()
    whole = random.Random(1).randbytes(3 * PAGE + 100)
    number = added(files, b"database", whole)
    files.sync()
    files.nodes[number].resize(PAGE + 5)
    files.nodes[number].resize(2 * PAGE)
    files.nodes[number].write(0, b"other")
    assert contents(files.left(ALL_LOST)) == {b"database": whole}


def test_of_pages_that_were_not_synced_some_are_left_and_none_is_torn() -> None:
    files = VolatileFiles()
    number = added(files, b"database", b"a" * 64 * PAGE)
    files.sync()
    files.nodes[number].write(0, b"b" * 64 * PAGE)
    left = contents(files.left(SOME_LEFT))[b"database"]
    pages = {left[start : start + PAGE] for start in range(0, len(left), PAGE)}
    assert pages == {b"a" * PAGE, b"b" * PAGE}


# -- by the kernel --------------------------------------------------------------------------------------------------


def lose(disk: LossyDisk, seed: int) -> None:
    disk.stop()
    disk.lose(seed)


def test_a_mapped_page_is_left_where_it_was_synced(disk: LossyDisk) -> None:
    descriptor, folder = os.open(disk.path / "journal", os.O_RDWR | os.O_CREAT), os.open(disk.path, os.O_RDONLY)
    os.posix_fallocate(descriptor, 0, 2 * PAGE)
    with mmap.mmap(descriptor, 2 * PAGE) as mapped:
        mapped[:5] = b"first"
        os.fdatasync(descriptor)
        os.fsync(folder)
        mapped[PAGE : PAGE + 6] = b"second"
        lose(disk, ALL_LOST)
    for number in (descriptor, folder):
        with contextlib.suppress(OSError):  # Of a disk that is not there any more.
            os.close(number)
    assert (disk.path / "journal").read_bytes() == b"first".ljust(2 * PAGE, b"\0")


@pytest.mark.parametrize("seed", [ALL_LOST, SOME_LEFT])
def test_a_committed_row_of_sqlite_is_left(disk: LossyDisk, seed: int) -> None:
    kept = sqlite3.connect(disk.path / "database")
    kept.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE t (a)")
    for number in range(50):
        with kept:
            kept.execute("INSERT INTO t VALUES (?)", [number])
    kept.execute("INSERT INTO t VALUES ('not committed')")
    lose(disk, seed)
    kept.close()
    with sqlite3.connect(disk.path / "database") as connection:
        assert connection.execute("SELECT count(*), max(a) FROM t").fetchone() == (50, 49)
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()


def test_a_row_of_sqlite_that_nobody_waited_for_may_be_lost(disk: LossyDisk) -> None:
    """So it is seen that the disk does forget."""
    kept = sqlite3.connect(disk.path / "database")
    kept.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE t (a); PRAGMA synchronous=OFF")
    with kept:
        kept.execute("INSERT INTO t VALUES (1)")
    lose(disk, ALL_LOST)
    kept.close()
    with sqlite3.connect(disk.path / "database") as connection:
        assert connection.execute("SELECT count(*) FROM t").fetchone() == (0,)
    connection.close()


# -- what of ours has to be there -----------------------------------------------------------------------------------


def test_mail_that_was_taken_in_is_left_also_in_a_folder_that_is_new(disk: LossyDisk) -> None:
    folder = disk.path / mail_spool.FOLDER
    modes.make_folder(folder)
    mail_spool.MailSpool(folder).put(bytes(16), b"sealed")
    lose(disk, ALL_LOST)
    ((path,),) = mail_spool.waiting(folder)
    assert mail_spool.read(path) == (bytes(16), b"sealed")


def test_a_folder_of_journals_is_the_same_after_a_power_loss(disk: LossyDisk, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its name others know whose journals to wait for."""
    monkeypatch.setenv("SAMIZDAT_DATA", str(disk.path))
    name = journal.folder_id()
    lose(disk, ALL_LOST)
    assert journal.folder_id() == name
