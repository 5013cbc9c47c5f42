"""keys rotate instance: another instance key in place of the present one."""

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from samizdat import modes
from samizdat.cli import bootstrap
from samizdat.cli.output import CommandFailed, confirm, note, say
from samizdat.options import data_folder, key_file
from samizdat.vault.errors import KeyRefused, VaultError

if TYPE_CHECKING:
    from samizdat.vault.shares import SetDetails
    from samizdat.vault.source import InstanceSource
    from samizdat.vault.sources import Kind

# Seconds to wait for other commands, and for processes of other servers.
PATIENCE = 30.0


@dataclass(frozen=True, slots=True)
class KeyPlace:
    """Where the key is. passphrase: what its file opens with; "" for one without, and where it isn't a file. fixed: why
    its file can't be replaced here; "" for one that can."""

    kind: "Kind"
    passphrase: str = ""
    fixed: str = ""

    @property
    def is_replaced(self) -> bool:
        """Whether we put the new key there; else somebody has to."""
        return self.kind in ("file", "passphrase") and not self.fixed

    def key_in(self, path: Path) -> bytes:
        """Of a key file that is like the present one. Errors: VaultError, PassphraseError."""
        from samizdat.vault.sources import key_file as files

        text = files.read_key_text(path)
        wrapped = files.wrapped_in(text)
        return wrapped.open(self.passphrase) if wrapped else files.key_in(text, str(path))


def rotate(to: Path | None) -> None:
    """Errors: CommandFailed, VaultError."""
    present = cache(_present)  # Nobody is asked twice, and a passphrase may come through a pipe.
    bootstrap.open_house(key=lambda: present()[1])
    from samizdat.delivery.engine import key_users

    place, key = present()
    _ask(place, key, to)
    try:
        with key_users.replacing():
            _rotate(place, key, to)
    except KeyRefused as error:
        raise CommandFailed(str(error), "not_paused") from None


def _ask(place: KeyPlace, key: bytes, to: Path | None) -> None:
    """Before anybody waits for us. Errors: CommandFailed."""
    from samizdat.vault import instance_exchange, keyring

    is_ours = keyring.belongs(_source(key)) is True
    if is_ours and instance_exchange.is_pending() and not place.is_replaced:
        return  # It said that it is to be run again, which replaces nothing.
    if place.is_replaced and to is not None:
        raise CommandFailed(
            f"--to is for a key that comes from elsewhere; here, {_own_file()} itself is replaced. Nothing was "
            "changed. Run this without --to.",
            "is_file",
        )
    if not place.is_replaced and to is None:
        why = place.fixed or "The instance key isn't in a file here."
        raise CommandFailed(
            f"{why} Nothing was changed. Name a file for the new key, to store where this one comes from: --to FILE",
            "no_file",
        )
    if is_ours:
        _tell_of_last()
        confirm(
            "Replace the instance key? Everyone has to sign in again, shares of the present key on paper open nothing "
            "any more, and sending pauses for some seconds."
        )


def _tell_of_last() -> None:
    """A command that was killed may have done all of it: whoever runs it again to finish it would replace the key
    again."""
    from samizdat.vault import keyring

    if keyring.instance_number() > 1:
        _document, sentence = standing()
        note(f"{sentence} The last replacement is finished, so this replaces the key once more.")


def _rotate(place: KeyPlace, key: bytes, to: Path | None) -> None:
    """Nobody else does. Errors: CommandFailed, VaultError."""
    from samizdat.backup import instance_rotation
    from samizdat.vault import instance_exchange, keyring, shares

    source = _source(key)
    if place.is_replaced and place.key_in(_own_file()) != key:
        raise CommandFailed("The key file was replaced meanwhile. Run: samizdat keys rotate status", "in_use")
    if keyring.belongs(source) is True and instance_exchange.is_pending():
        instance_rotation.finish(source, note)
        sentence = "The last replacement is finished: the former key opens nothing any more."
        if not place.is_replaced:
            say({"key_file": None, "former": None, "left": 0, "publish": ""}, sentence)
            return
        note(sentence)
    if keyring.belongs(source) is True:
        target = _written(place, os.urandom(32), to)
        kept = _keep_former(place, keyring.instance_number(), target)
        paper = _shares_step([known.details for known in shares.sets(source)])
        left = _exchange(source, target, kept)
    elif (new := keyring.next_key(source)) is not None:
        target, left, paper = _written(place, new, to), 0, [_SHARES_IF_ANY]
        kept = _keep_former(place, keyring.instance_number() - 1, target)
        note("The key was replaced before, but not yet where it comes from. This goes on there.")
    else:
        raise CommandFailed(
            "This isn't the key of this database. Nothing was changed. Check SAMIZDAT_KEY_FILE.", "key_wrong"
        )
    _finish(place, target, kept, left, paper)


# Where the sets of the former key were forgotten before: nobody knows any more.
_SHARES_IF_ANY = "Create new shares if there were any: samizdat keys shares --threshold 2 --of 3"


def _shares_step(sets: "Sequence[SetDetails]") -> list[str]:
    """As many as in the newest set."""
    if not sets:
        return []
    command = f"samizdat keys shares --threshold {sets[-1].threshold} --of {sets[-1].count}"
    return [f"Create new shares, since those on paper open nothing here any more: {command}"]


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
    if kind not in ("file", "passphrase"):
        return KeyPlace(kind), sources.instance_key()
    wrapped = wrapped_in(read_key_text(key_file()))
    if wrapped is None:
        return KeyPlace(kind, fixed=_fixed()), sources.instance_key()
    key, typed = passphrase.opened(wrapped, key_file())
    return KeyPlace(kind, typed, _fixed()), key


def _source(key: bytes) -> "InstanceSource":
    from samizdat.vault.source import InstanceSource

    return InstanceSource(key)


def _fixed() -> str:
    """Why the key file can't be replaced where it is; "": it can."""
    own = _own_file()
    if is_mounted(own):
        return f"{own} is mounted as a file of its own, so it can't be replaced here."
    # What is put into memory at each start comes from elsewhere. Where all our data is in memory, so may the key be.
    if own.stat().st_dev != data_folder().stat().st_dev and is_in_memory(own):
        return f"{own} is in memory alone, so a new key there would be gone when this server stops."
    return ""


def _own_file() -> Path:
    """The key file itself, where a symbolic link names it."""
    return key_file().resolve()


def is_mounted(path: Path, mounts: Path = Path("/proc/self/mountinfo")) -> bool:
    """Whether this file is a mount by itself, as containers do with secrets (proc(5): the fifth field, where a space is
    \\040). Without that list, whether its folder is another file system."""
    try:
        lines = mounts.read_text(errors="surrogateescape").splitlines()
    except OSError:
        return path.stat().st_dev != path.parent.stat().st_dev
    named = str(path).replace("\\", "\\134").replace(" ", "\\040").replace("\t", "\\011").replace("\n", "\\012")
    return any(line.split()[4:5] == [named] for line in lines)


def is_in_memory(path: Path, mounts: Path = Path("/proc/self/mountinfo")) -> bool:
    """Whether its file system is lost with the power (proc(5): the third field is the device; the type is behind the
    dash)."""
    device = path.stat().st_dev
    named = f"{os.major(device)}:{os.minor(device)}"
    try:
        lines = mounts.read_text(errors="surrogateescape").splitlines()
    except OSError:
        return False
    types = [line.partition(" - ")[2].split()[0] for line in lines if line.split()[2:3] == [named]]
    return any(each in ("tmpfs", "ramfs") for each in types)


@dataclass(frozen=True, slots=True)
class NewKeyFile:
    """The new key, and the file that has it."""

    key: bytes
    path: Path


def _written(place: KeyPlace, new: bytes, to: Path | None) -> NewKeyFile:
    """On the disk, and read again from there. What an attempt before has left there is written over. Errors:
    CommandFailed."""
    from samizdat.core.crypto.passphrase import PassphraseError, WrappedKey
    from samizdat.vault.shares import fingerprint_of
    from samizdat.vault.sources import key_file as files

    own = _own_file()
    path = to if to is not None and not place.is_replaced else own.with_name(f"{own.name}.next")
    text = files.text_of(new)
    if place.passphrase:
        mark = fingerprint_of(_source(new))
        text = WrappedKey.wrap(new, place.passphrase, mark, os.urandom(16), os.urandom(12)).text
    try:
        if place.is_replaced:
            path.unlink(missing_ok=True)
        files.write_key_text(path, text)
        if place.is_replaced:
            _give_to_owner(path)
    except FileExistsError:
        raise CommandFailed(f"{path} is there already. Name another file with --to.", "file_exists") from None
    except OSError as error:
        why = os.strerror(error.errno or 0)
        raise CommandFailed(
            f"The new key can't be written to {path} ({why}). Nothing was changed.", "not_written"
        ) from None
    try:
        if place.key_in(path) == new:
            return NewKeyFile(new, path)
    except (VaultError, PassphraseError):
        pass
    path.unlink(missing_ok=True)
    raise CommandFailed("The new key file didn't open again, so it was removed. Check the disk.", "not_proven")


def _give_to_owner(path: Path) -> None:
    """Root may run this, and `serve` be another user. Errors: OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        modes.give_to_owner_of(_own_file(), descriptor)
    finally:
        os.close(descriptor)


@dataclass(frozen=True, slots=True)
class FormerKeyFile:
    """The present key file under another name. is_new: we gave it that name."""

    path: Path
    is_new: bool


def _keep_former(place: KeyPlace, number: int, new: "NewKeyFile") -> FormerKeyFile | None:
    """Before anything is replaced: backups from before open with it. A copy where the file system knows no links. None:
    the key isn't in a file. Errors: CommandFailed; then there is no new file either."""
    if not place.is_replaced:
        return None
    own = _own_file()
    text = own.read_bytes()
    for name in (f"{own.name}.former-{number}{more}" for more in ("", *(f"-{count}" for count in range(2, 1000)))):
        path = own.with_name(name)
        try:
            if path.read_bytes() == text:
                return FormerKeyFile(path, is_new=False)
        except FileNotFoundError:
            break
        except OSError:
            continue
    try:
        _link(own, path, text.decode("ascii"))
    except OSError as error:
        new.path.unlink(missing_ok=True)
        raise CommandFailed(
            f"The present key file can't be kept as {path} ({os.strerror(error.errno or 0)}). Nothing was changed.",
            "not_kept",
        ) from None
    return FormerKeyFile(path, is_new=True)


def _link(own: Path, path: Path, text: str) -> None:
    from samizdat.vault.sources import key_file as files

    try:
        os.link(own, path)
    except OSError:  # FAT has no links.
        files.write_key_text(path, text)
        _give_to_owner(path)


# -- the exchange ------------------------------------------------------------------------------------------------------


def _exchange(former: "InstanceSource", new: NewKeyFile, kept: FormerKeyFile | None) -> int:
    """How many keys of organizations didn't open. Errors: CommandFailed, VaultError; then nothing has changed."""
    from samizdat.backup import instance_rotation

    try:
        with _nobody_else():
            left = instance_rotation.exchange(former, new.key, now=bootstrap.now(), check=_check_servers)
    except BaseException:
        if not _may_be_stored(former, new.key):
            new.path.unlink(missing_ok=True)
            if kept is not None and kept.is_new:
                kept.path.unlink(missing_ok=True)
        raise
    instance_rotation.tell_places(bootstrap.now())
    return left


def _may_be_stored(former: "InstanceSource", key: bytes) -> bool:
    """Whether the database has it, or doesn't answer."""
    from django.db import DatabaseError

    from samizdat.vault import keyring

    try:
        return keyring.next_key(former, strict=True) == key
    except DatabaseError:
        return True


@contextlib.contextmanager
def _nobody_else() -> Iterator[None]:
    """No process of `serve` has a key, no other command of this server and no other server. Errors: CommandFailed,
    KeyRefused."""
    from samizdat.delivery.engine import key_users
    from samizdat.vault.socket_source import SocketSource

    running = SocketSource.running(data_folder())
    if running is not None:
        running.exchange(True)
    try:
        _wait(
            key_users.is_alone_here,
            "Another command of Samizdat is running and has keys. Wait until it ends, and run this again.",
        )
        if running is None and SocketSource.running(data_folder()) is not None:
            raise CommandFailed("`samizdat serve` has just started. Nothing was changed. Run this again.", "in_use")
        _wait(key_users.is_alone, _OTHER_SERVER)
        yield
    finally:
        try:
            if running is not None:
                with contextlib.suppress(VaultError):  # It is gone, and starts with what it finds.
                    running.exchange(False)
        finally:
            key_users.release()


_OTHER_SERVER = (
    "Another server works with this database. Stop `samizdat serve`, `samizdat worker` and other commands there first, "
    "also scheduled ones. Afterwards, copy the new key file there, and start this server first."
)


def _check_servers() -> None:
    """Errors: CommandFailed."""
    from samizdat.delivery.engine import key_users

    if not key_users.is_alone():
        raise CommandFailed(f"{_OTHER_SERVER} Nothing was changed.", "in_use")


def _wait(holds: Callable[[], bool], sentence: str) -> None:
    until = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > until:
            raise CommandFailed(f"{sentence} Nothing was changed.", "in_use")
        time.sleep(0.1)


# -- where the key comes from ------------------------------------------------------------------------------------------


def _finish(place: KeyPlace, new: NewKeyFile, kept: FormerKeyFile | None, left: int, paper: list[str]) -> None:
    """The key file is replaced; the former key opens nothing any more once the new one was read from there. paper: what
    is to be done about shares."""
    from samizdat.delivery.actions import copied_installation

    if place.is_replaced:
        _put_in_place(place, new)
    published = copied_installation.what_to_publish(bootstrap.now())
    document = {
        "key_file": str(key_file() if place.is_replaced else new.path),
        "former": str(kept.path) if kept else None,
        "left": left,
        "publish": published,
    }
    lines = ["The instance key was replaced."]
    if left:
        lines.append(f"{left} keys of organizations didn't open and stay as they are. Run: samizdat doctor")
    say(document, *lines, *_next(place, new, kept, paper), *([published] if published else []))


def _put_in_place(place: KeyPlace, new: NewKeyFile) -> None:
    """A kill in between leaves the key file as it was, or replaced. Errors: CommandFailed, VaultError."""
    from samizdat.backup import instance_rotation
    from samizdat.core.crypto.passphrase import PassphraseError

    own = _own_file()
    try:
        if place.key_in(new.path) != new.key:
            raise CommandFailed(f"{new.path} was changed meanwhile. {_AGAIN}", "not_in_place")
        os.replace(new.path, own)
        _sync(own.parent)
        if not (place.key_in(own) == new.key and instance_rotation.finish(_source(place.key_in(own)), note)):
            raise CommandFailed(f"{own} doesn't have the new key. {_AGAIN}", "not_in_place")
    except (OSError, VaultError, PassphraseError) as error:
        why = os.strerror(error.errno or 0) if isinstance(error, OSError) else str(error)
        raise CommandFailed(
            f"The instance key was replaced, but its file can't be ({why.rstrip('.')}). Make the folder writable, and "
            "run this again.",
            "not_in_place",
        ) from None


_AGAIN = "The instance key was replaced, and the database keeps the new one until it is there. Run this again."


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _next(place: KeyPlace, new: NewKeyFile, kept: FormerKeyFile | None, paper: list[str]) -> list[str]:
    lines = [
        f"Copy {key_file() if place.is_replaced else new.path} to a safe place outside this server.",
        "Back up: samizdat backup. A backup from before opens with the former key alone.",
        *paper,
        _keys_of_organizations(),
    ]
    if kept is not None:
        lines.insert(1, f"Move {kept.path} off this server. Keep it until the last backup from before is deleted.")
    else:
        lines.insert(1, _PUT[place.kind].format(key_file()))
    return [f"{number}. {line}" for number, line in enumerate(lines, 1)]


def _keys_of_organizations() -> str:
    from samizdat.accounts.models import Organization
    from samizdat.vault.locks import with_keys

    slugs = [*Organization.objects.filter(with_keys()).order_by("pk").values_list("slug", flat=True)]
    commands = ", ".join(f"samizdat keys rotate {name}" for name in ("data", "index", "links"))
    each = f" Run each for each organization: --organization {', '.join(slugs)}." if len(slugs) > 1 else ""
    return f"Backups from before have the keys of organizations, so replace those, too: {commands}.{each}"


# Where somebody else has to put the new key.
_PUT = {
    "command": "Let SAMIZDAT_KEY_COMMAND print it, keep the former key for old backups, restart `serve`, and run this "
    "again.",
    "keyservice": "Give it to the key service in a new folder, put its new pairing file here, restart `serve`, and run "
    "this again (docs/key-service.md, “Replace the instance key”). Keep the former key for old backups.",
} | dict.fromkeys(
    ("file", "passphrase"),
    "Put it where {} comes from, keep the former key for old backups, restart `serve`, and run this again.",
)
