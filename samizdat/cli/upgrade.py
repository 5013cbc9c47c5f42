"""upgrade: the database gets the tables of this version. A copy is made first, and --back puts it back."""

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from samizdat.cli import bootstrap, instance
from samizdat.cli.output import CommandFailed, common, confirm, note, say
from samizdat.options import data_folder, option

if TYPE_CHECKING:
    from samizdat.backup.upgrade_copies import UpgradeCopy


@click.command()
@click.option("--no-copy", is_flag=True, help="Make no copy first. For those who have one of their own.")
@click.option("--back", is_flag=True, help="Put back the copy that the last upgrade made.")
@common
def upgrade(no_copy: bool, back: bool) -> None:
    """Upgrade the database to this version. First stop `serve`.

    Before anything is changed, the database is copied beside the data folder, without the keys. Delete the copy once
    everything works.
    """
    if no_copy and back:
        raise click.UsageError("Add --no-copy or --back, not both.")
    bootstrap.refuse_lost_database()
    bootstrap.load_django()
    if back:
        _go_back()
        return
    if not _changes():
        instance.migrate()
        say({"upgraded": True, "copy": None}, "The database is up to date.")
        return
    with _alone():
        copy = None if no_copy else _copy()
        _migrate(copy)
    say(
        {"upgraded": True, "copy": str(copy.path) if copy else None},
        "The database is up to date.",
        *([f"Once everything works, delete the copy: rm -r {copy.path}"] if copy else []),
    )


def _changes() -> bool:
    """Whether tables that are there become others. Errors: CommandFailed, of a database that is newer than the program
    or from before its first release."""
    instance.check_version()
    counted = [bootstrap.migrations(alias) for alias in bootstrap.aliases()]
    return any(applied and ours - applied for applied, ours in counted)


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Errors: CannotServe, where `serve` or `worker` runs on this data folder."""
    from samizdat.worker.processes.supervisor import locked

    data_folder().mkdir(mode=0o700, parents=True, exist_ok=True)  # With PostgreSQL, a server may have none yet.
    with locked(data_folder()):
        yield


def _copy() -> "UpgradeCopy":
    from samizdat.backup import upgrade_copies

    note("Copying the database …")
    copy = upgrade_copies.make(bootstrap.now())
    note(f"The copy is in {copy.path} ({copy.size / 1e6:,.1f} MB). To go back to it: samizdat upgrade --back")
    return copy


def _migrate(copy: "UpgradeCopy | None") -> None:
    """Errors: CommandFailed, with the way back."""
    from samizdat.cli.sentences import sentence_for

    try:
        instance.migrate()
    except Exception as error:
        code, sentence, _document = sentence_for(error)
        back = (
            f"Your data as it was before is in {copy.path}. Go back to it: samizdat upgrade --back. Then install the "
            "version that you had."
            if copy
            else "No copy was made: restore your own."
        )
        document = {"upgraded": False, "copy": str(copy.path) if copy else None}
        raise CommandFailed(f"The upgrade stopped. {sentence} {back}", code, document) from error


def _go_back() -> None:
    """Errors: CommandFailed, BackupRefused."""
    from samizdat.backup import upgrade_copies

    if not option("DATABASE_URL") and not data_folder().exists():
        raise CommandFailed(f"There's no data folder {data_folder()}. Set SAMIZDAT_DATA.", "no_data")
    copies = upgrade_copies.copies()
    if not copies:
        raise CommandFailed(
            f"There's no copy of an upgrade beside {data_folder()}. Restore a backup instead: samizdat restore",
            "no_copy",
        )
    copy = copies[0]
    with _alone():
        lost, gone = upgrade_copies.lost_since(copy), upgrade_copies.destroyed()
        document: dict[str, Any] = {
            "copy": str(copy.path),
            "time": copy.time,
            "lost_events": lost[0] if lost else None,
            "lost_consent_records": lost[1] if lost else None,
            "destroyed": [each.name for each in gone],
        }
        confirm(f"Put back the database of {copy.time:%Y-%m-%d %H:%M} UTC? {_lost(lost)}", document)
        replaced = upgrade_copies.put_back(copy, bootstrap.now(), gone)
    say(
        {**document, "replaced": str(replaced)},
        f"The database is as it was on {copy.time:%Y-%m-%d %H:%M} UTC. {_lost(lost)}",
        *([f"Keys that were destroyed stay so: {', '.join(document['destroyed'])}."] if gone else []),
        f"What it replaced is in {replaced}. Once everything works, delete both: rm -r {replaced} {copy.path}",
        "Sending is on hold. Install the version that you had, then: samizdat serve, and samizdat release --dry-run",
    )


def _lost(lost: tuple[int, int] | None) -> str:
    if lost is None:
        return (
            "Everything since then is missing, and the database doesn’t say how much: who unsubscribed or was erased "
            "meanwhile has to be removed by hand."
        )
    if not any(lost):
        return "Nothing was recorded since then, so nothing is missing."
    return (
        f"Missing: up to {lost[1]:,} consent records and {lost[0]:,} events since then, with everyone who "
        "unsubscribed, objected or was erased. Remove these people by hand."
    )
