"""keys rotate instance: another instance key in place of the present one."""

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from samizdat.cli import bootstrap
from samizdat.cli.output import CommandFailed, confirm, note, say
from samizdat.options import data_folder, key_file
from samizdat.vault.errors import KeyRefused, VaultError

if TYPE_CHECKING:
    from samizdat.vault.source import InstanceSource
    from samizdat.vault.sources import Kind

# Seconds to wait for other commands, and for processes of other servers.
PATIENCE = 30.0


@dataclass(frozen=True, slots=True)
class KeyPlace:
    """Where the key is. passphrase: what its file opens with; "" for one without, and where it isn't a file."""

    kind: "Kind"
    passphrase: str = ""

    @property
    def is_file(self) -> bool:
        return self.kind in ("file", "passphrase")


def rotate(to: Path | None) -> None:
    """Errors: CommandFailed, VaultError."""
    from samizdat.vault import instance_exchange, keyring

    place, key = _present()
    source = _source(key)
    if keyring.belongs(source) is True and instance_exchange.is_pending():
        instance_exchange.finish(source)
        sentence = "The last replacement is finished: the former key opens nothing any more."
        if not place.is_file:  # It said that it is to be run again, which replaces nothing.
            say({"key_file": None, "former": None, "left": 0, "publish": ""}, sentence)
            return
        note(sentence)
    if not place.is_file and to is None:
        raise CommandFailed(
            "The instance key isn't in a file here. Name one for the new key, to store where this one comes from: "
            "--to FILE",
            "no_file",
        )
    if keyring.belongs(source) is True:
        target = _begin(place, key, to)
        left = _exchange(source, target)
    elif (new := keyring.next_key(source)) is not None:
        target, left = _written(place, new, to), 0
        note("The key was replaced before, but not yet where it comes from. This goes on there.")
    else:
        raise CommandFailed(
            "This isn't the key of this database. Nothing was changed. Check SAMIZDAT_KEY_FILE.", "key_wrong"
        )
    _finish(place, target, left)


def standing() -> tuple[dict[str, object], str]:
    """For `keys rotate status`."""
    from samizdat.vault import instance_exchange, keyring

    number, pending = keyring.instance_number(), instance_exchange.is_pending()
    sentence = f"The instance key was replaced {number - 1} times."
    sentence = {1: "The instance key was never replaced.", 2: "The instance key was replaced once."}.get(
        number, sentence
    )
    if pending:
        sentence += " The former one still opens the database, until the new one is where the key comes from."
    return {"instance_key": number, "instance_pending": pending}, sentence


# -- what there is -----------------------------------------------------------------------------------------------------


def _present() -> tuple[KeyPlace, bytes]:
    """The key from where it comes: a running `serve` gives it to nobody. Errors: VaultError."""
    from samizdat.vault import sources
    from samizdat.vault.sources import passphrase
    from samizdat.vault.sources.key_file import read_key_text, wrapped_in

    kind = sources.check()
    if kind != "passphrase":
        return KeyPlace(kind), sources.instance_key()
    wrapped = wrapped_in(read_key_text(key_file()))
    assert wrapped is not None
    key, typed = passphrase.opened(wrapped, key_file())
    return KeyPlace(kind, typed), key


def _source(key: bytes) -> "InstanceSource":
    from samizdat.vault.source import InstanceSource

    return InstanceSource(key)


def _begin(place: KeyPlace, key: bytes, to: Path | None) -> "NewKeyFile":
    """Asks, and writes the file of the new key."""
    confirm(
        "Replace the instance key? Everyone has to sign in again, shares of the present key on paper open nothing "
        "any more, and sending pauses for some seconds."
    )
    new = os.urandom(32)
    return _written(place, new, to)


@dataclass(frozen=True, slots=True)
class NewKeyFile:
    """The new key, and the file that has it."""

    key: bytes
    path: Path


def _written(place: KeyPlace, new: bytes, to: Path | None) -> NewKeyFile:
    """On the disk, and read again from there. What an attempt before has left there is written over. Errors:
    CommandFailed."""
    from samizdat.core.crypto.passphrase import WrappedKey
    from samizdat.vault.shares import fingerprint_of
    from samizdat.vault.sources import key_file as files

    path = to if to is not None and not place.is_file else key_file().with_name(f"{key_file().name}.new")
    text = files.text_of(new)
    if place.passphrase:
        mark = fingerprint_of(_source(new))
        text = WrappedKey.wrap(new, place.passphrase, mark, os.urandom(16), os.urandom(12)).text
    try:
        if place.is_file:
            path.unlink(missing_ok=True)
        files.write_key_text(path, text)
        if place.is_file:  # Root may run this, and `serve` be another user.
            owner = key_file().stat()
            os.chown(path, owner.st_uid, owner.st_gid)
        read = files.read_key_text(path)
    except FileExistsError:
        raise CommandFailed(f"{path} is there already. Name another file with --to.", "file_exists") from None
    except OSError as error:
        why = os.strerror(error.errno or 0)
        raise CommandFailed(
            f"The new key can't be written to {path} ({why}). Nothing was changed.", "not_written"
        ) from None
    wrapped = files.wrapped_in(read)
    if (wrapped.open(place.passphrase) if wrapped else files.key_in(read, str(path))) != new:
        path.unlink()
        raise CommandFailed("The new key file didn't open again, so it was removed. Check the disk.", "not_proven")
    return NewKeyFile(new, path)


# -- the exchange ------------------------------------------------------------------------------------------------------


def _exchange(former: "InstanceSource", new: NewKeyFile) -> int:
    """How many keys of organizations didn't open. Errors: CommandFailed, VaultError; then nothing has changed."""
    from samizdat.backup import instance_rotation

    try:
        with _nobody_else():
            return instance_rotation.exchange(former, new.key, now=bootstrap.now())
    except BaseException as error:
        from samizdat.vault import instance_exchange, keyring

        if not (instance_exchange.is_pending() and keyring.next_key(former) == new.key):
            new.path.unlink(missing_ok=True)
        if isinstance(error, KeyRefused):
            raise CommandFailed(str(error), "not_paused") from None
        raise


@contextlib.contextmanager
def _nobody_else() -> Iterator[None]:
    """No process of `serve` has a key, no other command of this server and no other server. Errors: CommandFailed,
    KeyRefused."""
    from samizdat.vault.socket_source import SocketSource

    running = SocketSource.running(data_folder())
    if running is not None:
        running.exchange(True)
    try:
        _wait(
            bootstrap.is_only_command,
            "Another command of Samizdat is running and has keys. Wait until it ends, and run this again.",
        )
        _wait(
            lambda: not _other_servers(),
            "Another server works with this database. Stop `samizdat serve` and `samizdat worker` there first, and "
            "copy the new key file there afterwards.",
        )
        yield
    finally:
        bootstrap.share_keys()
        if running is not None:
            with contextlib.suppress(VaultError):  # It is gone, and starts with what it finds.
                running.exchange(False)


def _wait(holds: Callable[[], bool], sentence: str) -> None:
    until = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > until:
            raise CommandFailed(f"{sentence} Nothing was changed.", "in_use")
        time.sleep(0.1)


def _other_servers() -> bool:
    """Workers and senders that live. Ours have ended; SQLite has no others."""
    from django.db import connection

    from samizdat.delivery.engine import locks

    return connection.vendor == "postgresql" and bool(locks.held_workers())


# -- where the key comes from ------------------------------------------------------------------------------------------


def _finish(place: KeyPlace, new: NewKeyFile, left: int) -> None:
    """The key file is replaced, and the former one kept under another name: backups from before open with it."""
    from samizdat.delivery.actions import copied_installation
    from samizdat.vault import instance_exchange

    kept = None
    if place.is_file:
        try:
            kept = _put_in_place(new.path)
        except OSError as error:
            raise CommandFailed(
                f"The instance key was replaced, but its file can't be ({os.strerror(error.errno or 0)}). Make the "
                "folder writable, and run this again.",
                "not_in_place",
            ) from None
        instance_exchange.finish(_source(new.key))
    published = copied_installation.what_to_publish(bootstrap.now())
    document = {
        "key_file": str(key_file() if place.is_file else new.path),
        "former": str(kept) if kept else None,
        "left": left,
        "publish": published,
    }
    lines = ["The instance key was replaced."]
    if left:
        lines.append(f"{left} keys of organizations didn't open and stay as they are. Run: samizdat doctor")
    say(document, *lines, *_next(place, new, kept), *([published] if published else []))


def _put_in_place(new: Path) -> Path:
    """Where the former file is now. A kill in between leaves the key file as it was, or replaced."""
    target = key_file()
    number = 1
    while (former := target.with_name(f"{target.name}.former-{number}")).exists() and not former.samefile(target):
        number += 1
    if not former.exists():
        os.link(target, former)
    os.replace(new, target)
    descriptor = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return former


def _next(place: KeyPlace, new: NewKeyFile, kept: Path | None) -> list[str]:
    lines = [
        f"Copy {key_file() if place.is_file else new.path} to a safe place outside this server.",
        "Back up: samizdat backup. A backup from before opens with the former key alone.",
        "Create new shares if there were any: samizdat keys shares --threshold 2 --of 3",
        "Backups from before have the keys of organizations, so replace those, too: samizdat keys rotate data",
    ]
    if kept is not None:
        lines.insert(1, f"Move {kept} off this server. Keep it until the last backup from before is deleted.")
    elif place.kind == "command":
        lines.insert(1, "Let SAMIZDAT_KEY_COMMAND print it, keep the former key for old backups, and run this again.")
    else:
        lines.insert(
            1,
            "Give it to the key service, keep the former key for old backups, and run this again.",
        )
    return [f"{number}. {line}" for number, line in enumerate(lines, 1)]
