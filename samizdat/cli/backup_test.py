"""backup test: whether the newest backup restores."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import click

from samizdat.cli import backup_place, bootstrap
from samizdat.cli.output import CommandFailed, common, progress, say

if TYPE_CHECKING:
    from samizdat.backup.restore_test.places import TestedPlace
    from samizdat.backup.restore_test.running import RestoreTestResult

_STEPS = {
    "restore": "Restoring into an empty folder",
    "count": "Counting rows",
    "check": "Checking the log and consent records",
    "compose": "Composing emails",
    "read": "Reading all pieces",
}


@click.command("test")
@click.option(
    "--from",
    "source",
    metavar="DIR",
    help="The folder of the backup, or the URL of its place. Without it: all places of `samizdat backup place list`.",
)
@click.option("--identity", type=click.Path(), help="File with the secret age key that the backup is encrypted to.")
@click.option("--password-file", type=click.Path(), help="File with the password or key of the place.")
@common
def test(source: str | None, identity: str | None, password_file: str | None) -> None:
    """Test whether the newest backup restores, in a folder that is removed afterwards.

    It is restored to SQLite beside this installation, which goes on. Rows are counted, the log and consent records
    checked, and ten emails composed. Nothing is sent. Exit code 1 if anything is wrong.
    """
    bootstrap.open_house()
    from samizdat.backup.restore_test import records
    from samizdat.backup.restore_test.places import TestedPlace

    texts = [Path(identity).read_text("utf-8-sig")] if identity else []
    named = [TestedPlace(source, *backup_place.named(source, password_file))] if source else _known()
    lines, documents, failed = list[str](), list[dict[str, object]](), list[str]()
    for place in named:
        result = _tested(place, texts)
        records.note(place.url, result, bootstrap.now())
        documents.append(_document(place.name, result))
        lines += _lines(place.name, result)
        if result.code:
            failed.append(result.code)
    if failed:
        raise CommandFailed(lines.pop(), failed[0], {"passed": False, "places": documents}, lines)
    say({"passed": True, "places": documents}, *lines)


def _known() -> "list[TestedPlace]":
    """Errors: CommandFailed, where there is none."""
    from samizdat.backup.restore_test.places import places

    known = places()
    if not known:
        raise CommandFailed(
            "There's no backup place yet. Add one with: samizdat backup place add URL. Or name one: --from DIR",
            "no_place",
        )
    return known


def _tested(place: "TestedPlace", identities: list[str]) -> "RestoreTestResult":
    from samizdat.backup.restore_test import running

    logging.getLogger("samizdat").setLevel(logging.CRITICAL)
    with progress(f"Testing {place.name}") as shown:
        return running.newest_restores(
            place.url,
            place.secret,
            identities=identities,
            public_only=place.public_only,
            tell=lambda _step, done, whole: shown.show(done, whole or None, done),
        )


def _lines(name: str, result: "RestoreTestResult") -> list[str]:
    """The last of a failed one says what to do."""
    from samizdat.backup.restore_test.sentences import sentence

    lines = [f"{name}: {result.copy or 'no backup'}"]
    lines += [f"  {_STEPS[step]}: done" for step in result.steps]
    facts = result.facts
    if result.code:
        return [*lines, f"{name}: the restore test failed. {sentence(result.code, result.what)}"]
    if not result.opened:
        unknown = facts["pieces"] - facts["checked"]
        older = f" Of {unknown:,} from an older version it isn't known whether they were changed." if unknown else ""
        why = (
            "open with the former key file. Make a backup with the present key: samizdat backup"
            if result.former
            else "open with a secret key that isn't on this server. Add --identity FILE to test that too."
        )
        return [
            *lines,
            f"All {facts['pieces']:,} pieces are there, as they were written.{older} They weren't restored: they only "
            f"{why}",
        ]
    emails = f"{facts['emails']} emails composed" if facts["emails"] else "no email composed"
    return [
        *lines,
        f"The restore test passed in {result.seconds:.0f} s: {facts['rows']:,} rows in {facts['tables']} tables as the "
        f"backup says, {facts['subscribers']:,} subscribers, {facts['consent_records']:,} consent records, "
        f"{emails}. Nothing of it is left.",
        *_locked(facts["locked"]),
    ]


def _locked(count: int) -> list[str]:
    """Whose keys nobody has, so that less was looked at."""
    if not count:
        return []
    whose = "1 organization are locked, so its" if count == 1 else f"{count} organizations are locked, so their"
    return [
        f"The keys of {whose} rows were restored and counted, but log, consent records and emails couldn't be checked. "
        "To test these as well, unlock first: samizdat keys unlock"
    ]


def _document(name: str, result: "RestoreTestResult") -> dict[str, object]:
    from samizdat.backup.restore_test.sentences import sentence

    return {
        "place": name,
        "copy": result.copy,
        "time": result.time,
        "passed": not result.code,
        "opened": result.opened,
        "error": result.code,
        "what": result.what,
        "sentence": sentence(result.code, result.what) if result.code else "",
        "seconds": result.seconds,
        "steps": result.steps,
        **result.facts,
    }
