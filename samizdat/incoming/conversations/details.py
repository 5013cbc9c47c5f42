"""What is sealed of a conversation and of each message in it. Columns find them, and these say whose they are."""

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal

from msgspec import Struct, structs

from samizdat.accounts.models import Organization
from samizdat.audience.models import NUMBER_MASK
from samizdat.core.bounce.report import Attachment, ReplyContent
from samizdat.core.crypto.seal import SealError
from samizdat.incoming.models import Conversation, ConversationMessage
from samizdat.vault import keyring
from samizdat.vault.errors import RecordBroken

type Proof = Literal["", "address", "token"]
type State = Literal["waiting", "answered", "done"]
type Kind = Literal["received", "answer", "note", "away"]
type Outgoing = Literal["", "due", "sent", "refused"]
# Characters of the newest message that the list shows.
SHOWN = 160
# Of Conversation.state, ConversationMessage.kind and .outgoing, by their numbers: as a file or a command names them.
STATES: tuple[State, ...] = ("waiting", "answered", "done")
KINDS: tuple[Kind, ...] = ("received", "answer", "note", "away")
OUTGOING: tuple[Outgoing, ...] = ("", "due", "sent", "refused")
# What makes a conversation the newest of the list.
MOVES_UP = (ConversationMessage.RECEIVED, ConversationMessage.ANSWER)


class ConversationDetails(Struct, frozen=True, omit_defaults=True):
    """`number`: of the subscriber, 0 where nobody here is known to have written it. `proof`: by what: a token of ours
    in what they answer, or the address alone, which anybody can write. `same_address`: they wrote from the address that
    is subscribed. `edition`, `list`: of the email they answer. `wants_to_leave`: their newest message says so.
    `removal`: number of the bulk action that unsubscribed them. `lost_assignee`: it was assigned where it came from, to
    nobody who is here."""

    name: str = ""
    address: str = ""
    subject: str = ""
    number: int = 0
    proof: Proof = ""
    same_address: bool = True
    edition: int = 0
    list: int = 0
    beginning: str = ""  # Of the newest message.
    last: datetime | None = None
    wants_to_leave: bool = False
    removal: int = 0
    lost_assignee: bool = False


class MessageDetails(Struct, frozen=True, omit_defaults=True):
    """`conversation`, `kind`: as its columns have them. `mail`: number of the IncomingMail whose files these are.
    `mark`: of the Message-ID of what goes out. `refused`: a code of outgoing.SENTENCES."""

    conversation: int
    kind: int
    at: datetime
    text: str
    quoted: str = ""
    by: int = 0
    mail: int = 0
    files: tuple[Attachment, ...] = ()
    message_id: str = ""
    references: tuple[str, ...] = ()
    mark: str = ""
    refused: str = ""


def keep(row: Conversation, details: ConversationDetails) -> None:
    """Seals it, with the column by which it is found. The caller holds the row."""
    row.sealed = keyring.keys(row.organization).seal_json(details, "conversation", "sealed", row.pk)
    row.save(update_fields=["sealed"])


def opened(row: Conversation) -> ConversationDetails | None:
    """None for one whose seal does not hold, or that says another subscriber than its row."""
    try:
        keys = keyring.keys(row.organization)
        details = keys.open_json(row.sealed, "conversation", "sealed", row.pk, ConversationDetails)
    except (SealError, RecordBroken):
        return None
    return details if details.number == (row.subscriber or 0) & NUMBER_MASK else None


def add(row: Conversation, details: MessageDetails, *, outgoing: int = 0) -> ConversationMessage:
    message = ConversationMessage.objects.create(conversation=row, kind=details.kind, outgoing=outgoing, sealed=b"")
    keep_message(row.organization, message, details)
    return message


def keep_message(organization: Organization, message: ConversationMessage, details: MessageDetails) -> None:
    keys = keyring.keys(organization)
    message.sealed = keys.seal_json(details, "conversation message", "sealed", message.pk)
    message.save(update_fields=["sealed"])


def opened_message(organization: Organization, message: ConversationMessage) -> MessageDetails | None:
    """None for one whose seal does not hold, or that was put into another conversation."""
    try:
        keys = keyring.keys(organization)
        details = keys.open_json(message.sealed, "conversation message", "sealed", message.pk, MessageDetails)
    except (SealError, RecordBroken):
        return None
    return details if (details.conversation, details.kind) == (message.conversation_id, message.kind) else None


def received(row: Conversation, mail: int, content: ReplyContent, now: datetime) -> MessageDetails:
    return MessageDetails(
        row.pk,
        ConversationMessage.RECEIVED,
        now.astimezone(UTC),
        content.words,
        content.quoted,
        mail=mail,
        files=content.attachments,
        message_id=content.message_id,
        references=content.references,
    )


def with_newest(details: ConversationDetails, text: str, now: datetime, **more: bool) -> ConversationDetails:
    beginning = " ".join(text[: SHOWN * 2].split())[:SHOWN]
    return structs.replace(details, beginning=beginning, last=now.astimezone(UTC), **more)


def new_mark(row: Conversation) -> str:
    """Of the Message-ID of an answer. Who answers that shows by its first half which conversation it goes on."""
    return f"{bytes(row.thread).hex()}.{secrets.token_hex(8)}"


def threads_in(references: Sequence[str]) -> list[bytes]:
    """Marks of conversations that these Message-IDs may name, the newest first."""
    threads = []
    for reference in reversed(references):
        mark = reference.partition(".")[0]
        if len(mark) == 2 * Conversation.THREAD_BYTES and set(mark) <= set("0123456789abcdef"):
            threads.append(bytes.fromhex(mark))
    return threads
