"""The journal on the disk: written before a deed, read after a crash (design.md, 6.5).

What is stored in a mapped file outlives the process that stored it, so a kill loses nothing; fdatasync in a thread of
its own narrows what a power cut can take. Mapped and not written: a system call lets go of the interpreter for every
message, and the loop then waits behind the claimer (10 us instead of 0.2).
"""

import contextlib
import fcntl
import mmap
import os
import re
import threading
import time
from pathlib import Path

from samizdat import modes
from samizdat.core.mail import ledger
from samizdat.options import data_folder

SYNC_SECONDS = 0.2
# The folder in that of journals where those are put aside that are done with.
KEPT = "kept"
# The file there that names the folder itself.
FOLDER_ID = "folder"
# Reserved ahead in steps, so that a full disk is noticed before a chunk is claimed and never in the middle of one.
STEP = 1 << 20
# A new file is begun after this many bytes; the old one is put aside when all its results are in the database.
ROTATE = 16 << 20
# Of the room at the end of a file, so much is read at a time.
ROOM_READ = 1 << 16
# What is put aside is read again only when the database turns out to have gone back in time: so long, and so many bytes
# (four million messages), the oldest go first.
KEEP_SECONDS = 7 * 86400
MOST_KEPT = 256 << 20
# Chunks whose edition is said again in a new file, since their messages may still be in flight.
CARRIED = 50


def folder() -> Path:
    path = data_folder() / "journals"
    modes.make_folder(path)
    return path


def kept_folder() -> Path:
    path = folder() / KEPT
    modes.make_folder(path)
    return path


def folder_id() -> bytes:
    """16 random bytes that name this data folder's journals, made once."""
    path = folder() / FOLDER_ID
    with contextlib.suppress(FileNotFoundError):
        identifier = path.read_bytes()
        if len(identifier) == 16:
            return identifier
        path.unlink()
    draft = path.with_name(f"folder.{os.getpid()}.{threading.get_ident()}")
    with draft.open("wb") as file:
        file.write(os.urandom(16))
        file.flush()
        os.fsync(file.fileno())
    # Another process that starts at the same moment may have been first: then its number is the folder's.
    with contextlib.suppress(FileExistsError):
        os.link(draft, path)
    draft.unlink()
    # Else a power loss could make another folder of this one, and who waits for the journals in it waits for ever.
    modes.sync_folder(path.parent)
    return path.read_bytes()


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
        self._at = 0
        self._told: dict[int, int] = {}  # Chunk -> edition, of this file.
        self._written = self._noted = 0
        self._open = [0]  # Messages by generation that are begun and not yet in the database.
        self._lock = threading.Lock()
        self._stop, self._unsynced = threading.Event(), threading.Event()
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
            modes.sync_folder(folder())
        except OSError:
            os.close(descriptor)
            path.unlink(missing_ok=True)
            raise
        previous, self._descriptor = self._descriptor, descriptor
        end = self._at if previous >= 0 else 0
        self._map = mmap.mmap(descriptor, 2 * STEP)
        self._at, self._reserved = ledger.HEADER_BYTES, 2 * STEP
        self.generation += 1
        if previous >= 0:
            os.ftruncate(previous, end)
            os.fdatasync(previous)
            os.close(previous)
            entries, self._told = list(self._told.items())[-CARRIED:], {}
            for chunk, edition in entries:
                self.about(chunk, edition)

    def tend(self) -> None:
        """Several times a second: say what waits, keep room ahead, begin a new file when this one is long.

        Without room `full` is set: nothing may be claimed, since what is not written down may not be sent.
        """
        self._note_written()
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
            discard_oldest()  # What is only kept makes room for what is needed.

    def about(self, chunk: int, edition: int) -> None:
        """Of which edition a chunk is: said once a file, before the first S of it."""
        if self._told.get(chunk) != edition:
            self._told[chunk] = edition
            self._waiting += ledger.pack_note(self._seed, ledger.C, chunk, edition)

    def wrote(self, groups: int) -> None:
        """The database has taken so many groups of results. From the recorder's thread; noted with the next turn."""
        self._written = groups

    def _note_written(self) -> None:
        if self._noted != self._written:
            self._noted = self._written
            self._waiting += ledger.pack_note(self._seed, ledger.W, 0, self._noted)

    def s(self, chunk: int, number: int, route: int) -> int:
        """About to finish this message. Returns the generation, to be given to `confirm`."""
        self._waiting += ledger.pack_s(self._seed, chunk, number, route)
        self.flush()
        with self._lock:
            self._open[self.generation] += 1
        return self.generation

    def r(self, record: ledger.JournalRecord) -> None:
        """What was heard."""
        self._waiting += ledger.pack_r(self._seed, record)

    def flush(self) -> None:
        """Everything said so far is with the kernel after this."""
        if self._waiting:
            end = self._at + len(self._waiting)
            # Room is reserved far ahead: a store into a hole of a full disk would end the process.
            self._map[self._at : end] = self._waiting
            self._at, self._waiting = end, b""
            if not self._unsynced.is_set():
                self._unsynced.set()

    def _rotate(self) -> None:
        with self._lock:
            self._begin_file()
            self._open.append(0)

    def confirm(self, generations: dict[int, int]) -> None:
        """So many messages of these generations are in the database; a file that is done with is put aside."""
        with self._lock:
            for generation, count in generations.items():
                self._open[generation] -= count
            done = [g for g in range(self.generation) if self._open[g] <= 0]
        for generation in done:
            _keep(self._path(generation))

    def _keep_syncing(self) -> None:
        """What was written a moment ago, until nothing more is."""
        while not self._stop.is_set():  # Asked after each clear(): it could undo what close() wakes this thread with.
            self._unsynced.wait()
            self._stop.wait(SYNC_SECONDS)
            self._unsynced.clear()  # Before it is synced: what is written meanwhile waits for the next time.
            with contextlib.suppress(OSError):  # Rotated away in this instant: it was synced then.
                os.fdatasync(self._descriptor)

    def close(self, keep: bool) -> None:
        """keep: results are missing from the database, so the next sender has to read this."""
        self._stop.set()
        self._unsynced.set()
        self._thread.join()
        self._note_written()
        self.flush()
        os.fdatasync(self._descriptor)
        self._map.close()  # It holds the file, and with it the lock, by a descriptor of its own.
        os.close(self._descriptor)
        if not keep:
            put_aside(self._name)


def _reserve(descriptor: int, at: int, length: int) -> None:
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, at, length)
    else:
        os.pwrite(descriptor, bytes(length), at)


def files(name: str) -> list[Path]:
    """The files of one journal, the oldest first. A copy that somebody made beside them is none."""
    return sorted(_named(folder(), name), key=lambda path: int(path.suffix[1:]))


def _named(where: Path, name: str) -> list[Path]:
    """Compared, and no pattern: the name stands in the database, and whoever writes there would have files anywhere cut
    and moved away."""
    return [path for path in where.iterdir() if is_one(path) and path.stem == name]


def is_one(path: Path) -> bool:
    """Whether it is a file of a journal."""
    return re.fullmatch(r"[^.]+\.[0-9]+", path.name) is not None


def remove(name: str) -> None:
    for path in files(name):
        path.unlink(missing_ok=True)


# --- what is kept for a week ---


def put_aside(name: str) -> None:
    """All of it is in the database: kept, in case that goes back in time. One without a message goes."""
    for path in files(name):
        used = end(path)
        if used <= ledger.HEADER_BYTES + ledger.RECORD_BYTES and path.suffix == ".0":
            path.unlink(missing_ok=True)
            continue
        os.truncate(path, used)
        _keep(path)
    prune(by_age=False)


def end(path: Path) -> int:
    """Where the records end and the reserved room begins. From behind: whole, a file of up to 17 MB would be in
    memory twice."""
    with path.open("rb") as file:
        used = file.seek(0, os.SEEK_END)
        block = b""
        while used and not block:
            begin = max(0, used - ROOM_READ)
            file.seek(begin)
            block = file.read(used - begin).rstrip(b"\0")
            used = begin + len(block)
    used -= ledger.HEADER_BYTES
    return ledger.HEADER_BYTES + -(-max(used, 0) // ledger.RECORD_BYTES) * ledger.RECORD_BYTES


def _keep(path: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.utime(path)
        path.replace(kept_folder() / path.name)


def prune(now: float | None = None, by_age: bool = True) -> None:
    """Lets go of what was put aside a week ago, and of the oldest above MOST_KEPT. by_age: False while the clock may be
    wrong."""
    now = time.time() if now is None else now
    entries = _kept_by_age()
    size = sum(stat.st_size for _path, stat in entries)
    for path, stat in entries:
        if size <= MOST_KEPT and (not by_age or stat.st_mtime > now - KEEP_SECONDS):
            continue
        path.unlink(missing_ok=True)
        size -= stat.st_size


def _kept_by_age() -> list[tuple[Path, os.stat_result]]:
    entries = []
    for path in kept_folder().iterdir():
        with contextlib.suppress(FileNotFoundError):
            entries.append((path, path.stat()))
    return sorted(entries, key=lambda entry: entry[1].st_mtime)


def discard_oldest() -> None:
    for path, _stat in _kept_by_age()[:1]:
        path.unlink(missing_ok=True)


def names() -> list[str]:
    """Every journal that lies here, in use, left over or kept."""
    lying = [path for where in (folder(), kept_folder()) for path in where.glob("*-*.*") if is_one(path)]
    return sorted({path.name.rpartition(".")[0] for path in lying})


def is_kept(name: str) -> bool:
    """Was all of it put aside, so that nothing of it can be missing?"""
    return not files(name) and bool(_named(kept_folder(), name))


def read_whole(name: str) -> list[ledger.JournalRecord]:
    """Every record that lies here, kept ones too."""
    records: list[ledger.JournalRecord] = []
    for path in _all_files(name):
        with contextlib.suppress(ledger.NoJournal, FileNotFoundError):
            records += ledger.read_journal(path.read_bytes())
    return records


def last_mark(name: str) -> int:
    """How many groups of results the database had taken, as far as this journal knows."""
    for path in reversed(_all_files(name)):
        with contextlib.suppress(FileNotFoundError, ledger.NoJournal):
            if mark := ledger.last_note(path.read_bytes(), ledger.W):
                return mark
    return 0


def _all_files(name: str) -> list[Path]:
    paths = [*_named(kept_folder(), name), *files(name)]
    return sorted(paths, key=lambda path: int(path.suffix[1:]))


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


def read(name: str, header: ledger.Header) -> tuple[list[ledger.JournalRecord], bool]:
    """Every record of a journal, and whether it is there and whole: header as expected, from this boot."""
    records: list[ledger.JournalRecord] = []
    is_whole = False
    for path in files(name):
        data = path.read_bytes()
        try:
            whole = ledger.read_header(data)
            records += ledger.read_journal(data)
        except ledger.NoJournal:
            continue  # Killed before the header was written: then nothing was sent by it either.
        is_whole = is_whole or whole == header
    return records, is_whole
