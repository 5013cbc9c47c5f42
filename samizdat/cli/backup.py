"""backup: a copy of the whole installation, encrypted, at another place."""

from typing import TYPE_CHECKING

import click

from samizdat.cli import backup_place, bootstrap
from samizdat.cli.age_keys import keys_of
from samizdat.cli.output import common, note, progress, say
from samizdat.options import key_file

if TYPE_CHECKING:
    from samizdat.backup.writing import WrittenCopy


@click.command()
@click.option(
    "--to",
    "to",
    required=True,
    metavar="DIR",
    help="A folder, such as a mounted disk, or the URL of a place: sftp://, s3://, rclone:.",
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
def backup(to: str, recipients: tuple[str, ...], changes: bool, password_file: str | None) -> None:
    """Back up the whole installation: all organizations, encrypted, for `samizdat restore`.

    Nothing that the place already has is written again. If it is stopped, run it again: it goes on.
    """
    bootstrap.open_house()
    from samizdat.backup import writing
    from samizdat.core.backup.manifest import CHANGES, FULL

    with progress("Backing up") as shown:
        written = writing.write_copy(
            backup_place.opened(to, password_file),
            databases=bootstrap.aliases(),
            now=bootstrap.now(),
            to=tuple(keys_of(recipients)),
            kind=CHANGES if changes else FULL,
            tell=lambda rows: shown.show(rows, None, rows),
        )
    _say(to, written)


def _say(to: str, written: "WrittenCopy") -> None:
    from samizdat.backup import sets

    facts = sets.as_json(written.copy)
    document = {
        **facts,
        "pieces": written.pieces,
        "bytes": written.bytes,
        "written": written.written,
        "written_bytes": written.written_bytes,
    }
    keys = written.copy.manifest.recipients
    opens = f"the secret key of {' or '.join(keys)}" if keys else f"the key file {key_file()}"
    say(
        document,
        f"Backed up to {to}: {written.copy.path}",
        f"{facts['rows']:,} rows in {written.pieces:,} pieces ({_size(written.bytes)}); "
        f"{written.written:,} of them are new ({_size(written.written_bytes)}).",
        f"It opens with {opens}.",
        f"Fingerprint: {facts['fingerprint']}. Keep it with your keys: a restore of this installation shows the same.",
    )
    if not keys:
        note(
            "Anyone with this backup and the key file can read everything. Add --recipient with an age key whose "
            "secret part isn't on this server."
        )


def _size(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"
