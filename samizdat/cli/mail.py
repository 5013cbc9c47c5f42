"""mail: what comes back by email."""

import sys
from collections import Counter
from typing import NoReturn

import click

from samizdat.cli import bootstrap
from samizdat.cli.output import CommandFailed, common, note, say
from samizdat.cli.sentences import sentence_for

# EX_TEMPFAIL of sysexits.h: the mail server keeps the message and tries again.
TRY_AGAIN = 75


@click.group("mail")
def mail() -> None:
    """Bounces, complaints and requests to unsubscribe that come in by email."""


@mail.command("take")
@click.option(
    "--to",
    "to",
    multiple=True,
    metavar="ADDRESS",
    envvar="RECIPIENT",
    help="Whom the mail server delivers it to; without it what RECIPIENT says, which Exim sets.",
)
@common
def take(to: tuple[str, ...]) -> None:
    """Take in one message from standard input, for a pipe from Postfix, Exim or OpenSMTPD.

    The message is encrypted and kept until the worker reads it. Exit code 75 if it can't be taken now, so that the
    mail server keeps it and tries again. It belongs to the organization whose bounce address --to contains,
    otherwise to the one of --organization.
    """
    try:
        _take(sys.stdin.buffer.read(), to)
    except Exception as error:
        _code, sentence, _document = sentence_for(error)
        _keep_it(sentence)


def _take(raw: bytes, to: tuple[str, ...]) -> None:
    bootstrap.open_house()
    from samizdat.incoming import intake

    if not raw.strip():
        raise CommandFailed("There is no message on standard input.", "no_message")
    organization = intake.owner(to) or bootstrap.organization()
    intake.take(organization, raw, to, bootstrap.now().date())
    say({"organization": organization.slug, "bytes": len(raw)})


def _keep_it(sentence: str) -> NoReturn:
    note(sentence)
    click.get_current_context().exit(TRY_AGAIN)


@mail.command("status")
@common
def status() -> None:
    """Show what came in during the last 30 days, and whether anything waits to be read."""
    bootstrap.open_house()
    from samizdat.incoming import queries

    heard = queries.heard(bootstrap.organization(), bootstrap.now())
    kinds = Counter(heard.by_kind)
    say(
        {
            "waiting": heard.waiting,
            "unreadable": heard.unreadable,
            "last_received": heard.last_received,
            "reports": dict(kinds),
            "unmatched": heard.unmatched,
        },
        f"Last received: {heard.last_received or 'nothing yet'}.",
        f"Waiting to be read: {heard.waiting:,}. Unreadable: {heard.unreadable:,}.",
        *(f"{kind}: {count:,}" for kind, count in kinds.most_common()),
        f"Not about any message of ours that can be proven: {heard.unmatched:,}.",
    )
