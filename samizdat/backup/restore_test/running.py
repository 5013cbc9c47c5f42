"""Testing whether the newest copy at a place restores, from the process that asks for it."""

import base64
import contextlib
import hashlib
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from samizdat import child_frames, plugins, processes
from samizdat.backup import recipients, sets
from samizdat.backup.errors import BackupRefused
from samizdat.backup.kept_keys import former_keys
from samizdat.backup.keys import backup_keys
from samizdat.backup.restore_test.job import RestoreTestJob, TestFailed, file_in, open_place
from samizdat.backup.restore_test.sentences import FOREIGN
from samizdat.backup.sets import Copy, ReadablePlace
from samizdat.core.backup import layout
from samizdat.core.backup.rows import naming_key
from samizdat.delivery.engine.locks import FileLock
from samizdat.options import data_folder
from samizdat.vault import keyring
from samizdat.vault.errors import VaultError

FOLDER, LOCK = "restore-test", "restore-test.lock"
# A restored database with its indexes has some three times the bytes of its pieces; an empty one has 3 MB.
ROOM, LEAST_ROOM = 4, 64 << 20
# What the process is not told: it has a database of its own, and gets keys from us.
_NOT_TOLD = (
    "DATABASE_URL",
    "SAMIZDAT_GATE_URL",
    "SAMIZDAT_KEY_FILE",
    "SAMIZDAT_KEY_COMMAND",
    "SAMIZDAT_KEY_SERVICE",
    "SAMIZDAT_PASSPHRASE_FILE",
)
_AGE = b"age-encryption.org/v1\n"
RESTORE, READ = "restore", "read"
# Seconds between two looks whether it has to stop.
LOOK = 0.2

type Tell = Callable[[str, int, int], None]


@dataclass(slots=True)
class RestoreTestResult:
    """code: "" where all is well, else what was found (sentences.py); what: where. opened: False where pieces open only
    with keys that aren't on this server, so that nothing was restored. former: this is the key file of an instance key
    that was replaced. facts: numbers of what was looked at. steps:
    those that went through."""

    code: str = ""
    what: str = ""
    copy: str = ""
    time: datetime | None = None
    opened: bool = False
    former: bool = False
    seconds: float = 0.0
    facts: dict[str, int] = field(default_factory=dict)
    steps: list[str] = field(default_factory=list)


class Interrupted(Exception):
    """Somebody asked it to stop, so nothing was found out."""


def newest_restores(
    url: str,
    secret: str,
    *,
    identities: Sequence[str] = (),
    public_only: bool = False,
    tell: Tell = lambda _step, _done, _whole: None,
    stop: Callable[[], bool] = lambda: False,
) -> RestoreTestResult:
    """Restores the newest copy at a place into a folder that is removed afterwards, and looks whether it's as it was
    written. identities: texts of files with secret age keys, for a copy with recipients. tell: called with step, done,
    of. Errors: BackupRefused, where another test runs; Interrupted."""
    result, began = RestoreTestResult(), time.monotonic()

    def tell_step(step: str, done: int, whole: int) -> None:
        if step not in result.steps:
            result.steps.append(step)
        tell(step, done, whole)

    with only_test():
        try:
            with contextlib.closing(open_place(url, secret, public_only)) as place:
                _test(place, url, secret, public_only, identities, result, tell_step, stop)
        except TestFailed as failed:
            result.code, result.what = failed.code, failed.what
        except BackupRefused as refused:
            result.code, result.what = refused.code, file_in(str(refused))
        except plugins.PlaceError as error:
            result.code, result.what = "place", str(error)
        except VaultError as error:
            result.code, result.what = "keys", str(error)
    result.seconds = round(time.monotonic() - began, 1)
    if result.code:
        result.steps = result.steps[:-1]
    return result


def _test(
    place: ReadablePlace,
    url: str,
    secret: str,
    public_only: bool,
    identities: Sequence[str],
    result: RestoreTestResult,
    tell: Tell,
    stop: Callable[[], bool],
) -> None:
    """Errors: TestFailed, BackupRefused, PlaceError, VaultError, Interrupted."""
    keys = backup_keys(keyring.derive)
    former = former_keys()
    texts = [keys.identity, *identities, *(each.identity for each in former)]
    opening = [identity for text in texts for identity in recipients.identities(text)]
    result.copy = next(iter(sets.paths(place)), "")
    result.time = layout.set_time(result.copy)
    # Not one before it: what a restore would pass over has failed.
    copy, _unusable = sets.newest_whole(place, opening, "", result.copy)
    is_of_former = copy.manifest.installation in {each.installation for each in former}
    if copy.manifest.installation != keys.installation and not is_of_former:
        raise TestFailed("other_installation", result.copy)
    # Of a former key we have what reads a manifest, and not what opens the keys in it.
    if is_of_former or (copy.manifest.recipients and not identities):
        result.facts, result.former = _read_all(place, copy, tell, stop), is_of_former
        return
    given = [identity for text in identities for identity in recipients.identities(text)]
    if copy.manifest.recipients and not sets.opens(copy, given):
        raise TestFailed(FOREIGN, copy.path)
    _look_for_room(copy)
    naming = naming_key(keys.names, copy.manifest.recipients or [keys.recipient])
    job = RestoreTestJob(url, secret, copy.path, texts, keys.installation, naming.hex(), public_only)
    result.facts = _restored(job, tell, stop)
    result.opened = True


@contextlib.contextmanager
def only_test() -> Iterator[None]:
    """One at a time, in a folder that is empty: what a killed one left is removed. Errors: BackupRefused."""
    lock = FileLock(data_folder() / LOCK)
    if not lock.take():
        raise BackupRefused("test_runs", "Another restore test is running on this server. Wait until it has finished.")
    try:
        _remove()
        yield
    finally:
        _remove()
        lock.release()


def _remove() -> None:
    shutil.rmtree(folder(), ignore_errors=True)


def folder() -> Path:
    return data_folder() / FOLDER


def _look_for_room(copy: Copy) -> None:
    """Errors: TestFailed."""
    sizes = {piece.name: piece.size for piece in copy.manifest.pieces}
    needed, free = ROOM * sum(sizes.values()) + LEAST_ROOM, shutil.disk_usage(data_folder()).free
    if free < needed:
        raise TestFailed("no_room", f"{needed >> 20}/{free >> 20}")


def _read_all(place: ReadablePlace, copy: Copy, tell: Tell, stop: Callable[[], bool]) -> dict[str, int]:
    """Of a copy that doesn't open here: whether all of it is as it was written. Errors: PlaceError, TestFailed,
    Interrupted."""
    pieces = {piece.name: piece for piece in copy.manifest.pieces}
    for done, piece in enumerate(pieces.values()):
        if stop():
            raise Interrupted
        tell(READ, done, len(pieces))
        path = layout.piece_path(piece.name)
        data = place.read(path)
        is_whole = len(data) == piece.size and data.startswith(_AGE)
        if not is_whole or piece.hash not in ("", hashlib.sha256(data).hexdigest()):
            raise TestFailed("damaged", path)
    checked = sum(bool(piece.hash) for piece in pieces.values())
    return {"pieces": len(pieces), "checked": checked, "rows": copy.manifest.rows}


def _restored(job: RestoreTestJob, tell: Tell, stop: Callable[[], bool]) -> dict[str, int]:
    """Errors: TestFailed, Interrupted."""
    folder().mkdir(mode=0o700)
    with processes.no_terminal() as errors:
        process = subprocess.Popen(
            processes.command("samizdat.backup.restore_test.process"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=_environment(),
            start_new_session=True,
        )
    ended = threading.Event()
    watch = threading.Thread(target=_end_when_asked, args=(process, stop, ended), daemon=True)
    watch.start()
    try:
        child_frames.send(process.stdin, b"J", msgspec.to_builtins(job))
        return _followed(process, tell)
    except (BrokenPipeError, ValueError, TestFailed) as failed:
        if stop():
            raise Interrupted from None
        raise (failed if isinstance(failed, TestFailed) else TestFailed("ended")) from None
    finally:
        ended.set()
        watch.join()
        child_frames.end(process)


def _end_when_asked(process: "subprocess.Popen[bytes]", stop: Callable[[], bool], ended: threading.Event) -> None:
    while not ended.wait(LOOK):
        if stop():
            process.kill()
            return


def _environment() -> dict[str, str]:
    environment = {name: value for name, value in processes.environment().items() if name not in _NOT_TOLD}
    return environment | {
        "SAMIZDAT_DATA": str(folder()),
        "DJANGO_SETTINGS_MODULE": os.environ["DJANGO_SETTINGS_MODULE"],
    }


def _followed(process: "subprocess.Popen[bytes]", tell: Tell) -> dict[str, int]:
    """What it found. Errors: TestFailed; BrokenPipeError, ValueError of a process that is gone."""
    assert process.stdout is not None
    while True:
        frame = child_frames.receive(process.stdout)
        if frame is None:
            raise TestFailed("ended")
        match frame.kind:
            case b"T":
                tell(*frame.value_of(tuple[str, int, int]))
            case b"K":
                _give_key(process, frame.value())
            case b"R":
                return {str(name): int(value) for name, value in frame.value().items()}
            case _:
                raise TestFailed(*map(str, frame.value()))


def _give_key(process: "subprocess.Popen[bytes]", asked: list[Any]) -> None:
    """A process that restores holds the keys that we may have, and no others."""
    what, label, wrapped = asked
    source = keyring.open_source()
    try:
        key = source.unwrap(label, base64.b64decode(wrapped)) if what == "unwrap" else keyring.derive(label)
    except VaultError as error:
        child_frames.send(process.stdin, b"E", [error.code, str(error)])
    else:
        child_frames.send(process.stdin, b"K", None, key)
