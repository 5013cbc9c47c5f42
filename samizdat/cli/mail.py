"""mail: what comes back by email."""

import shlex
import sys
from collections import Counter
from typing import TYPE_CHECKING, NoReturn

import click

from samizdat.cli import bootstrap
from samizdat.cli.output import CommandFailed, common, first_line, note, say, table
from samizdat.cli.secret_arguments import URL
from samizdat.cli.sentences import sentence_for

if TYPE_CHECKING:
    from samizdat.core.mail.incoming_envelope import MessageBeginning
    from samizdat.incoming.mailboxes.actions import MailboxRow
    from samizdat.incoming.models import PolledMailbox

# EX_TEMPFAIL of sysexits.h: the mail server keeps the message and tries again.
TRY_AGAIN = 75
# Bytes that are read from it at once.
PIECE = 64 << 10


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

    The message is encrypted and kept until the worker reads it; of a message above 10 MB, the beginning. It belongs to
    the organization whose bounce address --to contains, otherwise to the one of --organization.

    Exit code 0 once it is kept, and 75 if it can't be taken now: then the mail server keeps it and tries again.
    """
    try:
        _take(to)
    except Exception as error:
        _code, sentence, _document = sentence_for(error)
        _keep_it(sentence)


def _take(to: tuple[str, ...]) -> None:
    # To its end, before anything else: of what a command doesn't read, the mail server says that it failed.
    message = _message()
    bootstrap.open_house()
    from samizdat.incoming import intake

    if not message.raw.strip():
        raise CommandFailed("There is no message on standard input.", "no_message")
    organization = intake.owner(to) or bootstrap.organization()
    intake.take(organization, message.raw, to, bootstrap.now().date(), message.size)
    say({"organization": organization.slug, "bytes": message.size})


def _message() -> "MessageBeginning":
    from samizdat.core.mail.incoming_envelope import MOST, MessageBeginning

    return MessageBeginning.of(iter(lambda: sys.stdin.buffer.read(PIECE), b""), MOST)


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


@mail.command("add")
@click.argument("name")
@click.argument("url", type=URL)
@click.option("--password-file", type=click.Path(), help="File with the password, instead of in the URL.")
@click.option("--delete", is_flag=True, help="Delete messages in the mailbox once they are taken in.")
@click.option("--move", "move_to", metavar="FOLDER", help="Move them to this folder of the mailbox (IMAP).")
@common
def add(name: str, url: str, password_file: str | None, delete: bool, move_to: str | None) -> None:
    """Read bounces and complaints from a mailbox at any provider.

    URL is one of these, or - to be asked for it; write @ in a user name as %40:

    imaps://USER@HOST/INBOX: IMAP with TLS from the start, and the folder.

    imap://USER@HOST/INBOX: IMAP with STARTTLS.

    pop3s://USER@HOST: POP3 with TLS from the start. pop3:// is POP3 with STLS.

    All messages in the folder are taken in, so give it a mailbox or folder that gets nothing else. The worker reads
    it at once when the server tells of new messages (IMAP IDLE), otherwise every five minutes, and every half minute
    while a campaign is being sent.

    Options in the URL: ?fingerprint= is the SHA-256 of the only certificate to trust, ?ca= a file of certificates
    to trust instead of those of the system. ?client= is the client ID of your application at Google or Microsoft for
    mailboxes that take no passwords (OAuth), with ?tenant= at Microsoft and ?token_url= elsewhere; the
    password is then SECRET, or SECRET REFRESH_TOKEN.
    """
    bootstrap.open_house()
    from samizdat.incoming.mailboxes import actions

    if delete == bool(move_to):
        raise CommandFailed("Choose what happens to messages once taken in: --delete, or --move FOLDER.", "choose")
    password = first_line(password_file) if password_file else None
    organization = bootstrap.organization()
    row = actions.add(organization, name, url, now=bootstrap.now(), password=password, move_to=move_to or "")
    _say_what_waits(row, "added")


def _say_what_waits(row: "PolledMailbox", done: str) -> None:
    from samizdat.incoming.mailboxes import actions
    from samizdat.incoming.mailboxes.faults import MailboxFault

    try:
        waiting = actions.waiting(row)
    except MailboxFault as fault:
        sentence = f"Mailbox {row.name} {done}, but it can't be read yet. {fault}"
        raise CommandFailed(sentence, fault.code, {"mailbox": row.name}) from None
    say({"mailbox": row.name, "waiting": waiting}, f"Mailbox {row.name} {done}. Messages waiting there: {waiting:,}.")


@mail.command("edit")
@click.argument("name")
@click.option("--name", "new_name", metavar="NAME", help="New name.")
@click.option("--url", type=URL, help="New URL, as for `mail add`; - asks for it. The password stays if the host does.")
@click.option("--password-file", type=click.Path(), help="File with the new password, or with SECRET REFRESH_TOKEN.")
@click.option("--delete", is_flag=True, help="Delete messages in the mailbox once they are taken in.")
@click.option("--move", "move_to", metavar="FOLDER", help="Move them to this folder of the mailbox (IMAP).")
@common
def edit(
    name: str, new_name: str | None, url: str | None, password_file: str | None, delete: bool, move_to: str | None
) -> None:
    """Change a mailbox: its password, server, folder, or what happens to read messages.

    What isn't given stays, and reading goes on where it was. The worker uses the new settings within seconds.
    With another server, user name or folder it is another mailbox, in which nothing has been read yet.
    """
    bootstrap.open_house()
    from samizdat.incoming.mailboxes import actions

    if delete and move_to:
        raise CommandFailed("Choose what happens to messages once taken in: --delete, or --move FOLDER.", "choose")
    if not (new_name or url or password_file or delete or move_to):
        raise CommandFailed("Give what changes: --name, --url, --password-file, --delete or --move.", "no_change")
    row = actions.named(bootstrap.organization(), name)
    row = actions.edit(
        row,
        now=bootstrap.now(),
        name=new_name,
        url=url,
        password=first_line(password_file) if password_file else None,
        move_to="" if delete else move_to,
    )
    _say_what_waits(row, "changed")


@mail.command("ls")
@common
def ls() -> None:
    """The mailboxes that are read, when each was last heard from, and what is wrong with it."""
    bootstrap.open_house()
    from samizdat.incoming.mailboxes import actions

    rows = actions.mailboxes(bootstrap.organization())
    say(
        {"mailboxes": [_document(row) for row in rows]},
        *table(("name", "host", "folder", "read mail", "last heard", "taken in"), [_cells(row) for row in rows]),
        *(f"{row.name}: {why}" for row in rows if (why := _why(row))),
    )


def _cells(row: "MailboxRow") -> tuple[str, ...]:
    document = _document(row)
    heard = row.state.heard if row.state else None
    after = f"moved to {document['move_to']}" if document["move_to"] else "deleted"
    at = f"{heard:%Y-%m-%d %H:%M} UTC" if heard else "never"
    return row.name, str(document["host"]), str(document["folder"]), after, at, f"{document['taken_in']:,}"


def _document(row: "MailboxRow") -> dict[str, object]:
    settings, state = row.settings, row.state
    return {
        "name": row.name,
        "scheme": settings.scheme if settings else "",
        "host": settings.host if settings else "",
        "folder": settings.folder if settings else "",
        "move_to": settings.move_to if settings else "",
        "last_heard": state.heard if state else None,
        "taken_in": state.taken if state else 0,
        "paused": settings.paused if settings else "",
        "problem": state.fault if state else "unreadable",
    }


def _why(row: "MailboxRow") -> str:
    from samizdat.incoming.mailboxes.faults import sentence

    if row.state is None:
        return "Its settings can't be decrypted. Remove it and add it again."
    if row.settings and row.settings.paused:
        came = (
            "It came with an export. Once the former server no longer reads it, run"
            if (row.settings.paused == "export")
            else "To read it again, run"
        )
        return f"Paused. {came}: samizdat mail resume {shlex.quote(row.name)}"
    return sentence(row.state.fault) if row.state.fault else ""


@mail.command("pause")
@click.argument("name")
@common
def pause(name: str) -> None:
    """Don't connect to a mailbox until it is resumed. What comes in waits there."""
    bootstrap.open_house()
    from samizdat.incoming.mailboxes import actions

    actions.pause(actions.named(bootstrap.organization(), name), now=bootstrap.now())
    say({"mailbox": name, "paused": True}, f"Mailbox {name} is paused: nothing is read until you resume it.")


@mail.command("resume")
@click.argument("name")
@common
def resume(name: str) -> None:
    """Read a mailbox again. One that came with an export: once the former server no longer reads it."""
    bootstrap.open_house()
    from samizdat.incoming.mailboxes import actions

    actions.resume(actions.named(bootstrap.organization(), name), now=bootstrap.now())
    say({"mailbox": name, "paused": False}, f"Mailbox {name} is resumed: the worker reads it within seconds.")


@mail.command("test")
@click.argument("name")
@common
def test(name: str) -> None:
    """Log in to a mailbox and show how many messages wait there. Nothing is taken in."""
    bootstrap.open_house()
    from samizdat.incoming.mailboxes import actions

    waiting = actions.waiting(actions.named(bootstrap.organization(), name))
    say({"mailbox": name, "waiting": waiting}, f"Logged in to {name}. Messages waiting there: {waiting:,}.")


@mail.command("remove")
@click.argument("name")
@common
def remove(name: str) -> None:
    """Stop reading a mailbox. What was taken in stays; the mailbox itself isn't changed."""
    bootstrap.open_house()
    from samizdat.incoming.mailboxes import actions

    actions.remove(bootstrap.organization(), name, now=bootstrap.now())
    say({"removed": name}, f"Mailbox {name} removed.")
