"""inbox: replies to campaigns, read where there is no browser. An answer has an author: it is written in the app."""

from typing import TYPE_CHECKING, Any

import click

from samizdat.cli import bootstrap
from samizdat.cli.output import CommandFailed, common, say, table

if TYPE_CHECKING:
    from samizdat.incoming.conversations.queries import ConversationRow, MessageView


@click.group("inbox")
def inbox() -> None:
    """Replies to your campaigns. Reading them is recorded, as in the app."""


@inbox.command("ls")
@click.option("--done", is_flag=True, help="Those that are done, instead of the open ones.")
@click.option("--page", type=click.IntRange(1, 999_999), default=1, help="25 a page, the newest first.")
@common
def ls(done: bool, page: int) -> None:
    """The conversations of the inbox. Addresses are shortened; samizdat inbox show NUMBER has them whole."""
    bootstrap.open_house()
    from samizdat.events.actions import record
    from samizdat.incoming.conversations import queries

    organization = bootstrap.organization()
    listed = queries.page(organization, "done" if done else "open", None, page)
    rows = [_document(shown) for shown in listed.rows]
    if rows:
        detail = {"conversations": [row["number"] for row in rows]}
        record("conversations.listed", organization, now=bootstrap.now(), detail=detail)
    columns = ("number", "day", "state", "sender", "subject", "beginning")
    say(
        {"conversations": rows, "total": listed.total, "page": page},
        *table(columns, [tuple(row[column] for column in columns) for row in rows]),
        *([f"More: samizdat inbox ls{' --done' * done} --page {listed.older}"] if listed.older else []),
    )


@inbox.command("show")
@click.argument("number", type=int)
@common
def show(number: int) -> None:
    """What was written in a conversation: messages, your answers, notes, and names of files."""
    bootstrap.open_house()
    from samizdat.events.actions import record
    from samizdat.incoming.conversations import queries

    shown = _numbered(number)
    messages = [_message(view) for view in queries.messages(shown.row)]
    record("conversation.opened", shown.row.organization, now=bootstrap.now(), about=number)
    document = {**_document(shown), "address": shown.known.address, "messages": messages}
    lines = [f"{document['subject']}  ({document['state']})", f"{document['sender']}  {shown.known.address}"]
    for message in messages:
        lines += ["", f"{message['kind']}, {message['at']:%Y-%m-%d %H:%M} UTC", *str(message["text"]).split("\n")]
        lines += [f"  file: {file['name']}, {file['size']:,} bytes" for file in message["files"]]
        lines += [f"  {message['problem']}"] if message["problem"] else []
    say(document, *lines)


@inbox.command("done")
@click.argument("number", type=int)
@common
def done(number: int) -> None:
    """Mark a conversation as done. If they write again, it's open again."""
    bootstrap.open_house()
    from samizdat.incoming.conversations import actions

    actions.finish(_numbered(number).row, by=None, now=bootstrap.now())
    say({"number": number, "state": "done"}, f"Conversation {number} marked as done.")


def _numbered(number: int) -> "ConversationRow":
    from samizdat.incoming.conversations import queries

    shown = queries.numbered(bootstrap.organization(), number) if 0 < number < 1 << 63 else None
    if shown is None:
        sentence = f"There is no conversation {number}. See samizdat inbox ls."
        raise CommandFailed(sentence, "no_conversation")
    return shown


def _document(shown: "ConversationRow") -> dict[str, object]:
    from samizdat.core.mail import masking
    from samizdat.incoming.conversations.details import STATES

    row, known = shown.row, shown.known
    sender = known.name or (masking.first_letters(known.address) if known.address else "")
    return {
        "number": row.pk,
        "day": row.day,
        "state": STATES[row.state],
        "sender": sender,
        "subscriber": known.number or None,
        "subject": known.subject,
        "beginning": known.beginning,
        "wants_to_unsubscribe": known.wants_to_leave,
        "assigned": row.assignee_id is not None,
    }


def _message(view: "MessageView") -> dict[str, Any]:
    from samizdat.incoming.conversations import outgoing
    from samizdat.incoming.conversations.details import KINDS, OUTGOING

    words = view.words
    return {
        "kind": KINDS[view.row.kind],
        "at": words.at,
        "text": words.text,
        "quoted": words.quoted,
        "files": [{"name": file.name, "size": file.size} for file in words.files],
        "outgoing": OUTGOING[view.row.outgoing],
        "problem": outgoing.SENTENCES.get(words.refused, ""),
    }
