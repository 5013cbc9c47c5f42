"""log: whether what is on record is as it was written."""

import re
from typing import TYPE_CHECKING

import click

from samizdat.cli import bootstrap
from samizdat.cli.output import CommandFailed, common, say

if TYPE_CHECKING:
    from samizdat.accounts.models import Organization
    from samizdat.events.chain import Verdict

_MARK = re.compile(r"(\d{1,18}):([0-9a-f]{64})")

_WRONG = {
    "missing": "no. {n} of {length} is gone",
    "link": "no. {n} of {length} was changed, or taken away and written anew",
    "digest": "no. {n} of {length} does not say what was written down",
    "end": "the end is cut off behind no. {n} of {length}",
    "mark": "what stood before no. {n} of {length} was written anew",
}


@click.group("log")
def log() -> None:
    """The log of events and of consent."""


@log.command("check")
@click.option("--mark", metavar="NUMBER:HASH", help="What an earlier check printed, kept elsewhere.")
@common
def log_check(mark: str | None) -> None:
    """Look whether every event and every record of consent is as it was written, and none is gone. Exit 1 when not.

    Links are made with a key; the end of the log is noted in the data folder too. A mark of an earlier check also tells
    of a log that was put back as it was, with its folder.
    """
    known_mark = _read(mark) if mark else None
    bootstrap.open_house()
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
    lines = [f"Whole: {verdict.length:,} facts, each as it was written."]
    if verdict.length:
        lines += [f"Keep this elsewhere, and check by it the next time: samizdat log check --mark {new}"]
    say({**document, "mark": new if verdict.length else None}, *lines)


def _read(mark: str) -> tuple[int, bytes]:
    match = _MARK.fullmatch(mark.strip())
    if not match:
        raise CommandFailed(
            "A mark is a number, a colon and 64 signs. Give it as an earlier check printed it.", "no_mark"
        )
    return int(match[1]), bytes.fromhex(match[2])


def _sentence(organization: "Organization", verdict: "Verdict") -> str:
    from samizdat.events import chain

    what = _WRONG[verdict.reason].format(n=f"{verdict.broken_at:,}", length=f"{verdict.length:,}")
    row = chain.row_at(organization, verdict.broken_at or 0)
    if row is not None and verdict.reason != "end":
        what += f" ({row})"
    return (
        f"The log is not as it was written: {what}. Somebody changed the database past Samizdat, or the disk is "
        "damaged. Keep a copy of it as it is now, and compare it with a backup."
    )
