"""restore: the whole installation, from a backup into an empty data folder or database."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from samizdat import modes
from samizdat.cli import backup_place, bootstrap, instance
from samizdat.cli.output import CommandFailed, common, note, progress, say
from samizdat.options import data_folder, key_file, option

if TYPE_CHECKING:
    from samizdat import plugins
    from samizdat.backup.begun_restores import BegunRestore
    from samizdat.backup.keys import BackupKeys
    from samizdat.backup.sets import Copy, UnusableCopy
    from samizdat.backup.tails import TailFound


@dataclass(repr=False)
class Opened:
    """A copy, and what opens it. key_text: of the key file, which may have a passphrase. destroyed: names of
    organizations whose keys were destroyed, and of these of those that the copy had brought back. of_former_key: how
    many other backups there need the key file of then."""

    copy: "Copy"
    unusable: "list[UnusableCopy]"
    identities: list[object]
    keys: "BackupKeys"
    key_text: bytes
    instance_key: bytes
    tail: "TailFound | None" = None
    destroyed: tuple[list[str], list[str]] = ([], [])
    of_former_key: int = 0


@click.command()
@click.argument("source", metavar="FROM")
@click.option(
    "--key-file", "given_key_file", type=click.Path(), help="Your copy of the key file, if it isn't in its place yet."
)
@click.option("--identity", type=click.Path(), help="File with the secret age key that the backup is encrypted to.")
@click.option("--copy", "name", metavar="NAME", help="This backup (sets/….age) instead of the newest.")
@click.option("--password-file", type=click.Path(), help="File with the password or key of the place.")
@common
def restore(
    source: str, given_key_file: str | None, identity: str | None, name: str | None, password_file: str | None
) -> None:
    """Restore the installation from a backup, into a new data folder and, with DATABASE_URL, an empty database.

    FROM is the folder of the backup, or the URL of its place. It doesn't matter which database the backup is from.
    Nothing is overwritten, and nothing is sent until `samizdat release`.
    """
    _refuse_data(data_folder())
    place = backup_place.opened(source, password_file)
    opened = _open(place, given_key_file, identity, name)
    _refuse_other_key(opened.key_text)
    opened.tail = _tail(place, opened)
    for unusable in opened.unusable:
        note(f"A newer backup was passed over: {unusable.sentence}")
    with _naming_older(place, opened.copy), _staged() as staging:
        _fill(place, opened, staging)
    _say(opened)


def _refuse_data(folder: Path) -> None:
    """Errors: CommandFailed, where something would be overwritten."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise CommandFailed(
            f"{folder} isn't empty, and a restore overwrites nothing. Set SAMIZDAT_DATA to a new folder, or move this "
            "one away.",
            "not_empty",
        )
    if folder in key_file().parents:
        raise CommandFailed(
            f"The key file {key_file()} is inside the data folder. Set SAMIZDAT_KEY_FILE to a path outside.",
            "key_inside",
        )


def _refuse_other_key(text: bytes) -> None:
    """Errors: CommandFailed, where the key file in its place is another one."""
    if key_file().exists() and key_file().read_bytes() != text:
        raise CommandFailed(
            f"{key_file()} is the key file of another installation. Move it away, or set SAMIZDAT_KEY_FILE.",
            "other_key_file",
        )


def _open(place: "plugins.Place", given_key_file: str | None, identity: str | None, name: str | None) -> Opened:
    """Errors: CommandFailed, BackupRefused, VaultError, PlaceError."""
    from samizdat.backup import recipients, sets
    from samizdat.backup.keys import backup_keys
    from samizdat.vault.source import InstanceSource
    from samizdat.vault.sources.key_file import key_in

    ours = Path(given_key_file) if given_key_file else key_file() if key_file().exists() else None
    offline = recipients.identities(Path(identity).read_text("utf-8-sig")) if identity else []
    if ours is None and not offline:
        raise CommandFailed(
            "A key is needed to open the backup. Add --key-file with your copy of the key file, or --identity with the "
            "secret age key that the backup is encrypted to. If you have shares of the key on paper, first run "
            "`samizdat keys recover`.",
            "no_key",
        )
    if ours is not None:
        instance_key = _instance_key(ours)
        keys, text = backup_keys(InstanceSource(instance_key).derive), ours.read_bytes()
        identities = [*offline, *recipients.identities(keys.identity)]
        copy, unusable = sets.newest_whole(place, identities, keys.installation, name or "")
        if copy.manifest.recipients and not offline:
            raise CommandFailed(sets.sentence_without_identity(copy.manifest), "no_identity")
        return Opened(copy, unusable, identities, keys, text, instance_key)
    copy, unusable = sets.newest_whole(place, offline, "", name or "")
    text = sets.key_text(copy, offline)
    instance_key = key_in(text.decode("ascii", "replace"), "The key file in this backup")
    keys = backup_keys(InstanceSource(instance_key).derive)
    if keys.installation != copy.manifest.installation:
        raise CommandFailed(
            "The key in this backup isn't the one it was signed with: someone has changed it. Use a backup from "
            "another place.",
            "other_installation",
        )
    return Opened(copy, unusable, offline, keys, text, instance_key)


@contextmanager
def _naming_older(place: "plugins.Place", copy: "Copy") -> Iterator[None]:
    """Says which backup is there besides a damaged one: not each place shows its files. Errors: BackupRefused."""
    from samizdat.backup import sets
    from samizdat.backup.errors import BackupRefused

    try:
        yield
    except BackupRefused as refused:
        if refused.code == "damaged" and (older := sets.older(place, copy)):
            raise BackupRefused(refused.code, f"{refused} The one before: --copy {older}") from None
        raise


def _tail(place: "plugins.Place", opened: Opened) -> "TailFound":
    """What continues the copy. Errors: PlaceError."""
    from samizdat.backup import tails

    tail = tails.find(place, opened.copy, opened.identities)
    if tail.broken:
        note(f"Later changes are missing: {tail.broken}")
    return tail


def _instance_key(path: Path) -> bytes:
    """Of a key file; asks for its passphrase where it has one. Errors: VaultError."""
    from samizdat.vault.sources import passphrase
    from samizdat.vault.sources.key_file import key_in, read_key_text, wrapped_in

    text = read_key_text(path)
    wrapped = wrapped_in(text)
    return passphrase.instance_key(wrapped, path) if wrapped else key_in(text, str(path))


@contextmanager
def _staged() -> Iterator[Path]:
    """A folder beside the data folder, which takes its place when the block has ended well; this restore's alone. The
    environment names it meanwhile, and the key file where it will be. Errors: CommandFailed."""
    target = data_folder()
    staging = target.with_name(f"{target.name}.restoring")
    os.environ.update(SAMIZDAT_KEY_FILE=str(key_file()), SAMIZDAT_DATA=str(staging))
    os.environ.pop("SAMIZDAT_KEY_SERVICE", None)  # It counts from the next start on: here is the key file.
    try:
        bootstrap.load_django()
        with _only_restore(staging):
            _refuse_data(target)  # Another restore may have ended just now.
            try:
                yield staging
            except BaseException:
                _throw_away(staging)
                raise
    finally:
        os.environ["SAMIZDAT_DATA"] = str(target)


@contextmanager
def _only_restore(staging: Path) -> Iterator[None]:
    """Errors: CommandFailed, where another one is at it."""
    from samizdat.backup.begun_restores import LOCK
    from samizdat.delivery.engine.locks import FileLock

    staging.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock, is_ours = FileLock(staging / LOCK), False
    with suppress(FileNotFoundError):  # It has just ended.
        is_ours = lock.take()
    if not is_ours:
        raise CommandFailed(
            "Another restore into this data folder is running. Wait until it has finished.", "restore_runs"
        )
    try:
        yield
    finally:
        lock.release()


def _throw_away(staging: Path) -> None:
    """What a restore has left that failed, unless all rows are in a server's database: the next one goes on then."""
    from samizdat.backup import begun_restores

    with suppress(Exception):  # The server is gone: nobody knows.
        if not begun_restores.filled(staging):
            shutil.rmtree(staging)


def _fill(place: "plugins.Place", opened: Opened, staging: Path) -> None:
    """Errors: CommandFailed, BackupRefused, PlaceError."""
    from django.db import connections

    from samizdat.backup import begun_restores, kept_keys, restoring
    from samizdat.delivery.actions import copied_installation
    from samizdat.delivery.engine import recovery
    from samizdat.vault import keyring
    from samizdat.vault.source import InstanceSource

    with restoring.only_restore():
        if begun := begun_restores.filled(staging):
            _go_on(opened, begun)
        else:
            begun_restores.clear(staging)
            _write_rows(place, opened, staging)
        keyring.use(InstanceSource(opened.instance_key))
        if opened.tail is not None and opened.tail.paths:
            recovery.recover_restored(bootstrap.now())
        opened.destroyed = _destroyed(place)
        opened.of_former_key = kept_keys.count_former(place)
        copied_installation.record_restored(bootstrap.now())
        connections.close_all()
        modes.close(staging)
        target = Path(os.environ["SAMIZDAT_KEY_FILE"])
        if not target.exists():
            modes.replace_file(target, opened.key_text)
        _move(staging)


def _destroyed(place: "plugins.Place") -> tuple[list[str], list[str]]:
    """Errors: PlaceError."""
    from samizdat.backup import destroyed
    from samizdat.vault import locks

    again = [row.slug for row in destroyed.destroy_again(place, bootstrap.now())]
    return [row.organization.slug for row in locks.destroyed()], again


def _write_rows(place: "plugins.Place", opened: Opened, staging: Path) -> None:
    from samizdat.backup import begun_restores, restoring
    from samizdat.core.backup.rows import naming_key

    if option("DATABASE_URL"):
        restoring.refuse_rows()
    instance.migrate()
    key, mark = naming_key(opened.keys.names, opened.copy.manifest.recipients or [opened.keys.recipient]), ""
    with progress("Restoring") as shown:
        restoring.put_files_back(place, opened.copy, opened.identities, key, staging, opened.tail)
        if option("DATABASE_URL"):
            mark = begun_restores.note(staging, opened.copy, opened.tail)
        restoring.fill(
            place,
            opened.copy,
            opened.identities,
            key,
            tail=opened.tail,
            mark=mark,
            tell=lambda done, whole: shown.show(done, whole, done),
        )


def _go_on(opened: Opened, begun: "BegunRestore") -> None:
    """Errors: CommandFailed."""
    if begun.copy != opened.copy.path:
        raise CommandFailed(
            f"A restore of {begun.copy} into this database was stopped when all its rows were there. Finish it with "
            f"--copy {begun.copy}, or use an empty database.",
            "restore_begun",
        )
    note("A restore was stopped when all rows were in the database. This one goes on from there.")
    opened.tail = begun.tail


def _move(staging: Path) -> None:
    """The data folder is there as a whole, or not at all."""
    from samizdat.backup.begun_restores import BEGUN, LOCK

    target = staging.with_name(staging.name.removesuffix(".restoring"))
    os.sync()  # SQLite waited for nothing while it was filled.
    if target.exists():
        target.rmdir()
    staging.rename(target)
    # Only now: until then a killed restore goes on by what it says.
    for name in (BEGUN, LOCK):
        (target / name).unlink(missing_ok=True)
    modes.sync_folder(target.parent)


def _say(opened: Opened) -> None:
    from samizdat.backup import sets

    facts, tail = sets.as_json(opened.copy), opened.tail
    until = tail.until if tail is not None else None
    ahead = sets.sentence_ahead(until or opened.copy.time, opened.copy.path, datetime.now(UTC))
    document = {
        **facts,
        "ahead_of_clock": bool(ahead),
        "until": until.isoformat() if until else facts["time"],
        "tail_files": len(tail.paths) if tail is not None else 0,
        "tail_broken": tail.broken if tail is not None else "",
        "data": str(data_folder()),
        "key_file": str(key_file()),
        "destroyed": opened.destroyed[0],
        "destroyed_again": opened.destroyed[1],
        "of_former_key": opened.of_former_key,
        "passed_over": [unusable._asdict() for unusable in opened.unusable],
    }
    say(
        document,
        f"Restored {facts['rows']:,} rows of {facts['time']} to {data_folder()}.",
        *filter(None, [ahead]),
        f"The key file is {key_file()}. Fingerprint of the installation: {facts['fingerprint']}. Compare it with what "
        "you wrote down.",
        f"Changes until {until.isoformat()} are included. Later ones are missing: see who unsubscribed or was erased "
        "after that, and remove them."
        if until
        else "Everything since then is missing: see who unsubscribed or was erased meanwhile, and remove them.",
        *_gone(*opened.destroyed),
        *_older(opened.of_former_key),
        "Sending is on hold. Next: samizdat serve. When the old installation has stopped for good: samizdat release",
    )


def _older(number: int) -> list[str]:
    backups = "1 other backup there was" if number == 1 else f"{number} other backups there were"
    return [f"{backups} made before the instance key was replaced, and needs the former key file."] if number else []


def _gone(names: list[str], again: list[str]) -> list[str]:
    lines = []
    if before := ", ".join(name for name in names if name not in again):
        lines.append(f"Keys that were destroyed before this backup: {before}. Nobody can read this data again.")
    if again:
        lines.append(
            f"Keys that were destroyed after this backup: {', '.join(again)}. They were destroyed in the restored "
            "copy, too: nobody can read this data there."
        )
    return lines
