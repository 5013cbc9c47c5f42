"""log: whether what is on record is as it was written, and all of it as a file that proves it."""

import re
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from samizdat.cli import bootstrap
from samizdat.cli.output import CommandFailed, common, say

if TYPE_CHECKING:
    from samizdat.accounts.models import Organization
    from samizdat.events.chain import Verdict

_MARK = re.compile(r"(\d{1,18}):([0-9a-f]{64})")

_WRONG = {
    "missing": "no. {n} of {length} is missing",
    "link": "no. {n} of {length} was changed, or deleted and written again",
    "digest": "no. {n} of {length} doesn't match the check value noted earlier",
    "end": "entries after no. {n} of {length} were cut off",
    "place": "a row outside of the log says that it is no. {n} of {length}",
    "mark": "entries before no. {n} of {length} were rewritten",
}

_WRONG_FILE = {
    "line": "line {n} is not one that Samizdat writes",
    "organization": "it is not a log of this organization",
    "digest": "line {n} doesn’t say what was written down",
    "link": "line {n} doesn’t follow from the line before",
    "signature": "its signature isn’t ours, or a line was changed",
    "end": "the end is missing",
}


@click.group("log")
def log() -> None:
    """The event log and the consent records."""


@log.command("check")
@click.option("--mark", metavar="NUMBER:HASH", help="The mark that an earlier check printed, kept elsewhere.")
@click.option("--file", "file", type=click.File("r", encoding="utf-8"), help="Check a downloaded, signed log instead.")
@common
def log_check(mark: str | None, file: IO[str] | None) -> None:
    """Check that every event and consent record is as it was written, and none is missing. Exit code 1 if not.

    Entries are chained with a key; the end of the log is also noted in the data folder. A mark from an earlier
    check also shows whether the log was reset together with its folder. With --file: whether a downloaded log is
    unchanged, and whether the log here still begins with it.
    """
    known_mark = _read(mark) if mark else None
    bootstrap.open_house()
    if file is not None:
        _check_file(file)
        return
    from samizdat.audience.consistency import changed_records
    from samizdat.audience.models import ConsentRecord
    from samizdat.delivery import database_progress
    from samizdat.events import chain

    organization = bootstrap.organization()
    verdict = chain.verify(organization, {ConsentRecord._meta.db_table: changed_records})
    if verdict.whole and known_mark and chain.link_at(organization, known_mark[0]) != known_mark[1]:
        verdict = chain.Verdict(False, verdict.length, known_mark[0], "mark")
    if verdict.whole and (noted := database_progress.left_end(organization)):
        verdict = chain.Verdict(False, verdict.length, noted, "mark")
    document = {
        "whole": verdict.whole,
        "length": verdict.length,
        "broken_at": verdict.broken_at,
        "reason": verdict.reason,
    }
    if not verdict.whole:
        raise CommandFailed(_sentence(organization, verdict), "log_changed", document)
    link = chain.link_at(organization, verdict.length).hex()
    new = f"{verdict.length}:{link}"
    lines = [f"Complete: {verdict.length:,} entries, each as it was written."]
    if verdict.length:
        lines += [f"Keep this mark elsewhere, and use it next time: samizdat log check --mark {new}"]
    say({**document, "mark": new if verdict.length else None}, *lines)


@log.command("export")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@common
def log_export(file: Path) -> None:
    """Write the whole log with its hash chain to FILE, signed. It names subscribers by number only."""
    bootstrap.open_house()
    from samizdat import dbclock
    from samizdat.events import log_file
    from samizdat.events.actions import record

    organization, now = bootstrap.organization(), dbclock.now()
    record("log.exported", organization, now=now, detail={"proof": True})
    written, key = -2, log_file.public_key()  # The first and the last line are no entries.
    try:
        with file.open("x", encoding="utf-8") as target:
            for line in log_file.lines(organization, now):
                target.write(line)
                written += 1
    except FileExistsError:
        raise CommandFailed(f"{file} already exists. Choose another name.", "file_exists") from None
    say({"entries": written, "key": key}, f"Written: {written:,} entries. Public key that checks the signature: {key}")


def _check_file(file: IO[str]) -> None:
    from samizdat.events import chain, log_file

    organization = bootstrap.organization()
    verdict = log_file.check(organization, iter(lambda: file.readline(log_file.LINE + 1), ""))
    reason = verdict.reason
    if verdict.whole and verdict.length and chain.link_at(organization, verdict.length) != verdict.link:
        reason = "here"
    document = {"whole": not reason, "length": verdict.length, "line": verdict.broken_at or None, "reason": reason}
    if reason:
        wrong = _WRONG_FILE.get(reason, "").format(n=f"{verdict.broken_at:,}")
        what = f"The file is not as Samizdat wrote it: {wrong}." if wrong else _changed_here()
        raise CommandFailed(what, "log_changed", document)
    say(document, f"Whole: {verdict.length:,} entries, each as it was written. The log here still begins with them.")


def _changed_here() -> str:
    return (
        "The file is as Samizdat wrote it, but the log here doesn’t begin with it. Somebody changed the database, or "
        "put an older one back. Compare it with a backup."
    )


def _read(mark: str) -> tuple[int, bytes]:
    match = _MARK.fullmatch(mark.strip())
    if not match:
        raise CommandFailed(
            "A mark is a number, a colon and 64 characters. Enter it as an earlier check printed it.", "no_mark"
        )
    return int(match[1]), bytes.fromhex(match[2])


def _sentence(organization: "Organization", verdict: "Verdict") -> str:
    from samizdat.events import chain

    what = _WRONG[verdict.reason].format(n=f"{verdict.broken_at:,}", length=f"{verdict.length:,}")
    row = chain.row_at(organization, verdict.broken_at or 0)
    if row is not None and verdict.reason != "end":
        what += f" ({row})"
    return (
        f"The log was altered: {what}. Someone changed the database directly, or the disk is damaged. "
        "Keep a copy of it as it is now, and compare it with a backup."
    )
