"""The journal on the disk: written before a deed, read after a crash (design.md, 6.5).

What is stored in a mapped file outlives the process that stored it, so a kill loses nothing; fdatasync in a thread of
its own narrows what a power cut can take. Mapped and not written: a system call lets go of the interpreter for every
message, and the loop then waits behind the feeder (10 us instead of 0.2).
"""

import contextlib
import fcntl
import mmap
import os
import threading
from pathlib import Path

from samizdat.core import ledger
from samizdat.options import data_folder

SYNC_SECONDS = 0.2
# Reserved ahead in steps, so that a full disk is noticed before a chunk is claimed and never in the middle of one.
STEP = 1 << 20
# A new file is begun after this many bytes; the old one goes when all its results are in the database.
ROTATE = 16 << 20


def folder() -> Path:
    path = data_folder() / "journals"
    path.mkdir(mode=0o700, exist_ok=True)
    return path


def folder_id() -> bytes:
    """16 random bytes that name this data folder's journals, made once."""
    path = folder() / "folder"
    with contextlib.suppress(FileNotFoundError):
        found = path.read_bytes()
        if len(found) == 16:
            return found
    fresh = os.urandom(16)
    draft = path.with_name(f"folder.{os.getpid()}")
    draft.write_bytes(fresh)
    draft.replace(path)
    return fresh


def boot_id() -> bytes:
    """16 bytes that change when the machine starts anew. Where nobody tells, a random one: then nothing is trusted."""
    try:
        text = Path("/proc/sys/kernel/random/boot_id").read_text()
        return bytes.fromhex(text.strip().replace("-", ""))
    except (OSError, ValueError):
        return os.urandom(16)


class Journal:
    """One sender's journal. `s` and `r` are called in the event loop's thread, `confirm` in the recorder's.

    R records wait for the next S or the end of the turn, and go in one write with it: a connection never has more
    than one S on the disk without its R, since its next S carries that R along.
    """

    def __init__(self, name: str, header: ledger.Header) -> None:
        self._name = name
        self._header = ledger.pack_header(header)
        self._seed = ledger.seed(self._header)
        self._waiting = b""
        self._open = [0]  # Messages by generation that are begun and not yet in the database.
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self.full = False
        self.generation = -1
        self._descriptor = -1
        self._begin_file()
        self._thread = threading.Thread(target=self._keep_syncing, name="journal", daemon=True)
        self._thread.start()

    def _path(self, generation: int) -> Path:
        return folder() / f"{self._name}.{generation}"

    def _begin_file(self) -> None:
        """Raises OSError when the disk is full."""
        path = self._path(self.generation + 1)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _reserve(descriptor, 0, 2 * STEP)
            os.pwrite(descriptor, self._header, 0)
            os.fsync(descriptor)
            _sync_folder()
        except OSError:
            os.close(descriptor)
            path.unlink(missing_ok=True)
            raise
        previous, self._descriptor = self._descriptor, descriptor
        self._map = mmap.mmap(descriptor, 2 * STEP)
        self._at, self._reserved = ledger.HEADER_BYTES, 2 * STEP
        self.generation += 1
        if previous >= 0:
            os.fdatasync(previous)
            os.close(previous)

    def tend(self) -> None:
        """Several times a second: say what waits, keep room ahead, begin a new file when this one is long.

        Without room `full` is set: nothing may be claimed, since what is not written down may not be sent.
        """
        self.flush()
        try:
            if self._at >= ROTATE:
                self._rotate()
            if self._at + STEP > self._reserved:
                _reserve(self._descriptor, self._reserved, STEP)
                self._reserved += STEP
                self._map = mmap.mmap(self._descriptor, self._reserved)
            self.full = False
        except OSError:
            self.full = True

    def s(self, chunk: int, number: int, route: int) -> int:
        """About to finish this message. Returns the generation, to be given to `confirm`."""
        self._waiting += ledger.pack_s(self._seed, chunk, number, route)
        self.flush()
        with self._lock:
            self._open[self.generation] += 1
        return self.generation

    def r(self, record: ledger.Record) -> None:
        """What was heard."""
        self._waiting += ledger.pack_r(self._seed, record)

    def flush(self) -> None:
        """Everything said so far is with the kernel after this."""
        if self._waiting:
            end = self._at + len(self._waiting)
            # Room is reserved far ahead: a store into a hole of a full disk would end the process.
            self._map[self._at : end] = self._waiting
            self._at, self._waiting = end, b""

    def _rotate(self) -> None:
        with self._lock:
            self._begin_file()
            self._open.append(0)

    def confirm(self, generations: dict[int, int]) -> None:
        """So many messages of these generations are in the database; a file that is done with goes."""
        with self._lock:
            for generation, count in generations.items():
                self._open[generation] -= count
            done = [g for g in range(self.generation) if self._open[g] <= 0]
        for generation in done:
            self._path(generation).unlink(missing_ok=True)

    def _keep_syncing(self) -> None:
        synced = 0
        while not self._stop.wait(SYNC_SECONDS):
            at = self._at
            if at != synced:
                with contextlib.suppress(OSError):  # Rotated away in this instant: it was synced then.
                    os.fdatasync(self._descriptor)
                synced = at

    def close(self, keep: bool) -> None:
        """keep: results are missing from the database, so the next sender has to read this."""
        self._stop.set()
        self._thread.join()
        self.flush()
        os.fdatasync(self._descriptor)
        self._map.close()  # It holds the file, and with it the lock, by a descriptor of its own.
        os.close(self._descriptor)
        if not keep:
            remove(self._name)


def _reserve(descriptor: int, at: int, length: int) -> None:
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, at, length)
    else:
        os.pwrite(descriptor, bytes(length), at)


def _sync_folder() -> None:
    descriptor = os.open(folder(), os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def files(name: str) -> list[Path]:
    """The files of one journal, the oldest first."""
    return sorted(folder().glob(f"{name}.*"), key=lambda path: int(path.suffix[1:]))


def remove(name: str) -> None:
    for path in files(name):
        path.unlink(missing_ok=True)


def in_use(name: str) -> bool:
    """Does a living process hold this journal?"""
    for path in files(name):
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
        finally:
            os.close(descriptor)
    return False


def read(name: str, header: ledger.Header) -> tuple[list[ledger.Record], bool]:
    """Every record of a journal, and whether it is there and whole: header as expected, from this boot."""
    records: list[ledger.Record] = []
    found = False
    for path in files(name):
        data = path.read_bytes()
        try:
            whole = ledger.read_header(data)
            records += ledger.read_journal(data)
        except ledger.NoJournal:
            continue  # Killed before the header was written: then nothing was sent by it either.
        found = found or whole == header
    return records, found
