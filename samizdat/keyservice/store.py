"""Its folder: the key under a passphrase, certificates, the state and the log.

Whoever changes the state holds the lock, writes the log first and the state then. Every answer reads the state anew, so
that `samizdat keyservice stop` counts from the next one on, whether the running program is well or not.
"""

import contextlib
import fcntl
import os
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from samizdat.core.crypto.key_service import (
    MOST_RECORD,
    KeyServiceBroken,
    LogAltered,
    LogEntry,
    ServiceState,
    entries_in,
    line_of,
    state_in,
)
from samizdat.core.crypto.passphrase import WrappedKey

KEY, STATE, LOG = "key", "state.json", "log.jsonl"
AUTHORITY, SERVICE = "authority.pem", "service.pem"
EPOCHS = "epoch"
_EPOCH = re.compile(r"epoch/[0-9]{8}-[0-9a-f]{16}")
# Records of epochs: one for each time that a copy was released.
_MOST_EPOCHS = 10_000
# Bytes of what is read here.
_MOST_STATE, _MOST_LOG = 1 << 20, 256 << 20


class StoreError(Exception):
    """The sentence says what to do."""

    code = "key_service"


class ServiceStore:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    # -- files that are written once --

    def make(self, state: ServiceState, files: dict[str, str], now: datetime) -> None:
        """Everything, in a folder that is new or empty. Errors: StoreError."""
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if any(self.folder.iterdir()):
                raise StoreError(f"{self.folder} isn't empty, and nothing is overwritten. Choose another folder.")
            self.folder.chmod(0o700)
            (self.folder / EPOCHS).mkdir(mode=0o700)
            for name, text in files.items():
                _write_new(self.folder / name, text.encode())
            _write_new(self.folder / LOG, b"")
            self._put(state)
        except OSError as error:
            raise self._failed(error) from None
        with self.changing(now, "created"):
            pass

    def wrapped_key(self) -> WrappedKey:
        """Errors: StoreError."""
        try:
            return WrappedKey.parsed(self._read(KEY, 4096).decode("ascii"))
        except ValueError:
            raise StoreError(
                f"{self.folder / KEY} is damaged. Put back a copy, or create the key service anew."
            ) from None

    def pem(self, name: str) -> str:
        return self._read(name, 65536).decode("ascii", "replace")

    def _read(self, name: str, most: int) -> bytes:
        path = self.folder / name
        try:
            with path.open("rb") as file:
                data = file.read(most + 1)
        except FileNotFoundError:
            raise StoreError(
                f"{path} isn't there. Name the folder of the key service with SAMIZDAT_KEYSERVICE_FOLDER, or create "
                "one: samizdat keyservice init"
            ) from None
        except OSError as error:
            raise self._failed(error) from None
        if len(data) > most:
            raise StoreError(f"{path} is larger than it can be. Put back a copy.")
        return data

    def _failed(self, error: OSError) -> StoreError:
        why = os.strerror(error.errno or 0)
        return StoreError(f"The folder {self.folder} can't be used ({why}). Check its owner and the disk.")

    # -- the state --

    def state(self) -> ServiceState:
        """Errors: StoreError; then no key is given."""
        try:
            return state_in(self._read(STATE, _MOST_STATE))
        except KeyServiceBroken:
            raise StoreError(
                f"{self.folder / STATE} is damaged, so no key is given. Put back a copy, or create the key service "
                "anew."
            ) from None

    @contextlib.contextmanager
    def changing(self, now: datetime, kind: str, about: str = "") -> Iterator["StateChange"]:
        """One change: entered in the log and then in the state; with no `change.state`, the log alone. Errors:
        StoreError."""
        with self._locked():
            before = self.state()
            change = StateChange(before, kind, about)
            yield change
            if not change.kind:
                return
            at = before.clock(now).astimezone(UTC).replace(microsecond=0)
            entry = self._append(before, at, change.kind, change.about)
            state = msgspec.structs.replace(change.state, seen=at, entries=entry.number, head=entry.hash)
            self._put(state)
            change.state = state

    def note_time(self, now: datetime) -> None:
        """So that a clock which is set back doesn't count."""
        with self._locked():
            state = self.state()
            if now > state.seen:
                self._put(msgspec.structs.replace(state, seen=now.astimezone(UTC).replace(microsecond=0)))

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        try:
            descriptor = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreError(self._failed(error).args[0]) from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        except OSError as error:
            raise self._failed(error) from None
        finally:
            os.close(descriptor)

    def _put(self, state: ServiceState) -> None:
        """In the place of the one before it, whole or not at all."""
        new = self.folder / f"{STATE}.new"
        with contextlib.suppress(FileNotFoundError):
            new.unlink()
        _write_new(new, msgspec.json.format(msgspec.json.encode(state), indent=1) + b"\n")
        os.replace(new, self.folder / STATE)
        _sync(self.folder)

    # -- the log --

    def log(self) -> list[LogEntry]:
        """Errors: StoreError, also for a log that was altered."""
        with self._locked():
            return self._entries(self.state())

    def check_log(self) -> None:
        """As above."""
        self.log()

    def _entries(self, state: ServiceState) -> list[LogEntry]:
        try:
            return entries_in(self._read(LOG, _MOST_LOG), state.entries, state.head)
        except LogAltered as altered:
            what = f"Line {altered.line} of it was altered" if altered.line else "Its last lines are missing"
            raise StoreError(
                f"The log {self.folder / LOG} isn't as it was written, so no key is given. {what}: someone else was on "
                "this host, or the disk is broken. If you know why, create the key service anew."
            ) from None

    def _append(self, state: ServiceState, at: datetime, kind: str, about: str) -> LogEntry:
        """On the disk when this returns. What was written in part before is cut off."""
        read = self._entries(state)
        before = read[-1].hash if read else "0" * 64
        line = line_of(LogEntry(len(read) + 1, at, kind, about, before))
        descriptor = os.open(self.folder / LOG, os.O_RDWR)
        with os.fdopen(descriptor, "r+b") as file:
            data = file.read()
            whole = data.rfind(b"\n") + 1
            if whole < len(data):
                file.truncate(whole)
            file.seek(whole)
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
        return msgspec.json.decode(line, type=LogEntry)

    # -- epochs --

    def epochs(self) -> list[str]:
        names = (f"{EPOCHS}/{path.name}" for path in (self.folder / EPOCHS).iterdir())
        return sorted(filter(_EPOCH.fullmatch, names))

    def read_epoch(self, name: str) -> str | None:
        if not _EPOCH.fullmatch(name):
            return None
        with contextlib.suppress(OSError):
            return (self.folder / name).read_bytes()[:MOST_RECORD].decode("ascii", "replace")
        return None

    def write_epoch(self, name: str, record: str) -> bool:
        """One that is there stays as it is."""
        if not _EPOCH.fullmatch(name) or len(record) > MOST_RECORD or not record.isascii():
            return False
        if (self.folder / name).exists():
            return self.read_epoch(name) == record
        if len(self.epochs()) >= _MOST_EPOCHS:
            return False
        new = self.folder / EPOCHS / f"new-{os.urandom(8).hex()}"
        _write_new(new, record.encode())
        os.replace(new, self.folder / name)
        _sync(self.folder / EPOCHS)
        return True


class StateChange:
    """kind, about: what is entered in the log; an empty kind: nothing is changed. state: what it will be."""

    def __init__(self, state: ServiceState, kind: str, about: str) -> None:
        self.state, self.kind, self.about = state, kind, about

    def set(self, **fields: object) -> None:
        self.state = msgspec.structs.replace(self.state, **fields)


def stop(store: ServiceStore, now: datetime, about: str, why: str = "stopped") -> bool:
    """No key is given from now on. False: none was given already, by a stop of the same kind or a firmer one."""
    with store.changing(now, "stopped", about) as change:
        if change.state.why:
            change.kind = ""
            return False
        change.set(why=why, since=change.state.clock(now), stops=change.state.stops + 1)
    return True


def start(store: ServiceStore, now: datetime, about: str) -> bool:
    """False: it wasn't stopped. That nobody confirmed counts as a stop, also where it wasn't written down yet."""
    with store.changing(now, "started", about) as change:
        if not change.state.why_not(now):
            change.kind = ""
            return False
        stops = change.state.stops + (not change.state.why)
        change.set(why="", since=change.state.clock(now), confirmed=change.state.clock(now), stops=stops)
    return True


def confirm(store: ServiceStore, now: datetime, about: str) -> bool:
    """Somebody is there. False: it is stopped, and that isn't what starts it again."""
    with store.changing(now, "confirmed", about) as change:
        if change.state.why_not(now):
            change.kind = ""
            return False
        change.set(confirmed=change.state.clock(now))
    return True


def utc_now() -> datetime:
    return datetime.now(UTC)


def _write_new(path: Path, data: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


type Clock = Callable[[], datetime]
