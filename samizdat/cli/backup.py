"""backup: a copy of the whole installation, encrypted, at another place."""

from typing import TYPE_CHECKING

import click

from samizdat.cli import backup_place, bootstrap
from samizdat.cli.age_keys import keys_of
from samizdat.cli.backup_test import test
from samizdat.cli.output import CommandFailed, common, note, progress, say
from samizdat.options import key_file

if TYPE_CHECKING:
    from samizdat.backup.writing import WrittenCopy


@click.group(invoke_without_command=True)
@click.option(
    "--to",
    "to",
    metavar="DIR",
    help="A folder, such as a mounted disk, or the URL of a place: sftp://, s3://, rclone:. Without it: all places of "
    "`samizdat backup place list`.",
)
@click.option(
    "--recipient",
    "recipients",
    multiple=True,
    metavar="AGE-KEY",
    help=(
        "The age key to encrypt it to (age1…), an SSH public key, or a file of them. Can be repeated. Without any, "
        "only the key file opens it."
    ),
)
@click.option(
    "--changes",
    is_flag=True,
    help="Don't read finished campaigns again that the newest backup in this place has. For every night.",
)
@click.option("--password-file", type=click.Path(), help="File with the password or key of the place.")
@common
def backup(to: str | None, recipients: tuple[str, ...], changes: bool, password_file: str | None) -> None:
    """Back up the whole installation: all organizations, encrypted, for `samizdat restore`.

    Nothing that the place already has is written again. If it is stopped, run it again: it goes on.
    """
    if click.get_current_context().invoked_subcommand:
        return
    bootstrap.open_house()
    if to is None:
        _to_all_places(recipients, changes, password_file)
        return
    from samizdat.backup import writing
    from samizdat.backup.restore_test import records
    from samizdat.core.backup.manifest import CHANGES, FULL

    with progress("Backing up") as shown:
        written = writing.write_copy(
            backup_place.opened(to, password_file),
            databases=bootstrap.aliases(),
            now=bootstrap.now(),
            to=tuple(keys_of(recipients)),
            kind=CHANGES if changes else FULL,
            doubted=records.damaged(backup_place.url_of(to)),
            tell=lambda rows: shown.show(rows, None, rows),
        )
    say(_document(written), *_lines(to, written), *_gone())
    _warn(written)


backup.add_command(test)
backup.add_command(backup_place.place)


def _to_all_places(recipients: tuple[str, ...], changes: bool, password_file: str | None) -> None:
    """One after the other; one that fails keeps none of the others from it. Errors: CommandFailed."""
    from samizdat.backup import kept_places
    from samizdat.cli.sentences import sentence_for
    from samizdat.core.backup.manifest import CHANGES, FULL
    from samizdat.delivery import backup_places
    from samizdat.delivery.backup_places import PlaceBroken

    if recipients or password_file:
        raise CommandFailed("--recipient and --password-file go with --to. Add it.", "no_place_named")
    places = backup_places.all_places()
    if not places:
        raise CommandFailed(
            "There's no backup place yet. Add one with: samizdat backup place add URL. Or name one: --to DIR",
            "no_place",
        )
    documents, lines, failed = list[dict[str, object]](), list[str](), list[str]()
    for kept in places:
        try:
            if isinstance(kept, PlaceBroken):
                raise kept
            with progress(f"Backing up to {kept.details.url}") as shown:
                written = kept_places.back_up(
                    kept,
                    databases=bootstrap.aliases(),
                    now=bootstrap.now(),
                    kind=CHANGES if changes else FULL,
                    tell=lambda rows, shown=shown: shown.show(rows, None, rows),  # type: ignore[misc]
                )
        except Exception as error:
            code, sentence, _more = sentence_for(error)
            documents.append({"place": kept.number, "error": code, "sentence": sentence})
            failed.append(f"Backup place {kept.number}: {sentence}")
            continue
        documents.append({"place": kept.number, "error": "", **_document(written)})
        lines += _lines(kept.details.url, written)
        _warn(written)
    if failed:
        raise CommandFailed(" ".join(failed), "backup_failed", {"backups": documents}, lines)
    say({"backups": documents}, *lines, *_gone())


def _gone() -> list[str]:
    """What no backup has any more."""
    from samizdat.vault import locks

    names = ", ".join(row.organization.slug for row in locks.destroyed())
    return [f"Keys that were destroyed aren't in it: {names}. Backups from before have them."] if names else []


def _document(written: "WrittenCopy") -> dict[str, object]:
    from samizdat.backup import sets

    return {
        **sets.as_json(written.copy),
        "pieces": written.pieces,
        "bytes": written.bytes,
        "written": written.written,
        "written_bytes": written.written_bytes,
    }


def _lines(to: str, written: "WrittenCopy") -> list[str]:
    from samizdat.backup import sets

    facts = sets.as_json(written.copy)
    keys = written.copy.manifest.recipients
    opens = f"the secret key of {' or '.join(keys)}" if keys else f"the key file {key_file()}"
    return [
        f"Backed up to {to}: {written.copy.path}",
        f"{facts['rows']:,} rows in {written.pieces:,} pieces ({_size(written.bytes)}); "
        f"{written.written:,} of them are new ({_size(written.written_bytes)}).",
        f"It opens with {opens}.",
        f"Fingerprint: {facts['fingerprint']}. Keep it with your keys: a restore of this installation shows the same.",
    ]


def _warn(written: "WrittenCopy") -> None:
    if not written.copy.manifest.recipients:
        note(
            "Anyone with this backup and the key file can read everything. Add --recipient with an age key whose "
            "secret part isn't on this server."
        )


def _size(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"
