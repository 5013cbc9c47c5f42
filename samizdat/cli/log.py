"""log: whether what is on record is as it was written."""

import re
from typing import Any

import click

from samizdat.cli import opening
from samizdat.cli.output import Failed, common, say

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

    Whoever can write into the database can count the chain anew as well: a mark of an earlier check tells.
    """
    told = _read(mark) if mark else None
    opening.open_house()
    from samizdat.audience.checking import changed_records
    from samizdat.events import chain

    organisation = opening.organisation()
    found = chain.verify(organisation, {"audience_consentrecord": changed_records})
    if found.whole and told and chain.link_at(organisation, told[0]) != told[1]:
        found = chain.Verdict(False, found.length, told[0], "mark")
    document = {"whole": found.whole, "length": found.length, "broken_at": found.broken_at, "reason": found.reason}
    if not found.whole:
        raise Failed(_sentence(organisation, found), "log_changed", document)
    link = chain.link_at(organisation, found.length).hex()
    new = f"{found.length}:{link}"
    lines = [f"Whole: {found.length:,} facts, each as it was written."]
    if found.length:
        lines += [f"Keep this elsewhere, and check by it the next time: samizdat log check --mark {new}"]
    say({**document, "mark": new if found.length else None}, *lines)


def _read(mark: str) -> tuple[int, bytes]:
    found = _MARK.fullmatch(mark.strip())
    if not found:
        raise Failed("A mark is a number, a colon and 64 signs. Give it as an earlier check printed it.", "no_mark")
    return int(found[1]), bytes.fromhex(found[2])


def _sentence(organisation: Any, found: Any) -> str:
    from samizdat.events import chain

    what = _WRONG[found.reason].format(n=f"{found.broken_at:,}", length=f"{found.length:,}")
    row = chain.row_at(organisation, found.broken_at)
    if row is not None and found.reason != "end":
        what += f" ({row})"
    return (
        f"The log is not as it was written: {what}. Somebody changed the database past Samizdat, or the disk is "
        "damaged. Keep a copy of it as it is now, and compare it with a backup."
    )
