"""The inbox in an export of our own format: what people wrote, what the team answered and noted.

Who of the team answered stays behind, as all people who work here do; to whom a conversation is assigned is a keyed
hash of their address, by which the team of the importing installation is asked. Files that came along stay behind too:
they lie in emails that are kept for 30 days.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from itertools import batched
from typing import Annotated, Literal

from django.db import transaction
from msgspec import Meta, Struct, ValidationError, convert, to_builtins

from samizdat.accounts import queries as accounts
from samizdat.accounts import sealed_people
from samizdat.accounts.models import WRITERS, Organization, Person
from samizdat.audience.models import NUMBER_MASK
from samizdat.audience.numbers import HIGHEST
from samizdat.audience.queries import subscriber_numbered
from samizdat.campaigns.models import Edition
from samizdat.core.bounce import addresses
from samizdat.core.bounce import reply_content as replies
from samizdat.core.bounce.report import Attachment
from samizdat.core.crypto.seal import SealError
from samizdat.core.mail.address import BadAddress, comparable, normalize
from samizdat.core.unsafe_text import bare
from samizdat.incoming.conversations import actions, away, details, queries, take_up
from samizdat.incoming.conversations.details import ConversationDetails, MessageDetails, Proof
from samizdat.incoming.models import Conversation, ConversationMessage
from samizdat.portability.parts import base
from samizdat.portability.parts.campaigns.campaigns import CampaignsPart, give
from samizdat.portability.read import OpenedExport, altered
from samizdat.portability.subscribers import ExportContext
from samizdat.portability.value_limits import day, moment
from samizdat.portability.zip_stream import ZipWriter
from samizdat.vault import keyring

FOLDER, AWAY = "conversations/", "away.json"
# Messages of a conversation, and their characters: those that people write are 200 with 25,000 each (take_up,
# reply_content), and the newest go along. A message counts for as much in a transaction, and so do characters.
MOST_MESSAGES, MOST_CHARACTERS = 1_000, 8_000_000
SLICE, CHARACTERS = 300, 5_000
# Conversations that are fetched at once.
PAGE = 100
LONGEST = max(replies.MOST_WORDS, actions.LONGEST, away.LONGEST)
# Of a conversation that was assigned to nobody knows whom.
LOST = "0" * 32

type Text = Annotated[str, Meta(max_length=LONGEST)]
type MessageId = Annotated[str, Meta(max_length=300, pattern=r"\A[!-;=?-~]*\Z")]


class _File(Struct, frozen=True):
    place: Annotated[int, Meta(ge=0, le=1 << 30)]
    name: Annotated[str, Meta(max_length=replies.MOST_NAME)]
    size: Annotated[int, Meta(ge=0, le=1 << 40)]


class _Message(Struct, frozen=True, omit_defaults=True):
    """`outgoing`: of an answer or the away text. `refused`: why it was not sent, a code of outgoing.SENTENCES."""

    kind: Literal["received", "answer", "note", "away"]
    at: str
    text: Text
    quoted: Annotated[str, Meta(max_length=replies.MOST_QUOTED)] = ""
    files: Annotated[tuple[_File, ...], Meta(max_length=replies.MOST_ATTACHMENTS)] = ()
    message_id: MessageId = ""
    references: Annotated[tuple[MessageId, ...], Meta(max_length=replies.MOST_REFERENCES + 1)] = ()
    outgoing: Literal["", "due", "sent", "refused"] = ""
    refused: Annotated[str, Meta(max_length=20)] = ""

    @property
    def length(self) -> int:
        return len(self.text) + len(self.quoted)


class _Conversation(Struct, frozen=True, omit_defaults=True):
    """`thread`: hex, of the Message-IDs of our answers. `subscriber`, `list`, `letter`: numbers, 0 for none. `last`:
    when they wrote what stands in `beginning`. `assignee`: hex, keyed hash of the teammate's address (_assignee_mark),
    "" for nobody."""

    state: Literal["waiting", "answered", "done"]
    day: str
    thread: Annotated[str, Meta(pattern=r"\A[0-9a-f]{32}\Z")]
    messages: Annotated[tuple[_Message, ...], Meta(max_length=MOST_MESSAGES)]
    name: Annotated[str, Meta(max_length=replies.MOST_NAME)] = ""
    address: Annotated[str, Meta(max_length=320)] = ""
    subject: Annotated[str, Meta(max_length=replies.MOST_SUBJECT)] = ""
    subscriber: Annotated[int, Meta(ge=0, le=HIGHEST)] = 0
    proof: Proof = ""
    same_address: bool = True
    list: Annotated[int, Meta(ge=0)] = 0
    letter: Annotated[int, Meta(ge=0)] = 0
    beginning: Annotated[str, Meta(max_length=details.SHOWN)] = ""
    last: str = ""
    wants_to_leave: bool = False
    assignee: Annotated[str, Meta(pattern=r"\A(?:[0-9a-f]{32})?\Z")] = ""

    @property
    def weight(self) -> int:
        """As SLICE counts."""
        return 1 + len(self.messages) + sum(message.length for message in self.messages) // CHARACTERS


class _AwayText(Struct, frozen=True):
    text: Annotated[str, Meta(max_length=away.LONGEST)]


class ConversationsPart:
    name = "conversations"

    def give(self, home: ExportContext, box: ZipWriter) -> int:
        text = away.settings_of(home.organization).text
        if text:
            box.add_json(AWAY, to_builtins(_AwayText(text)))
        return give(box, self.name, (to_builtins(row, order="deterministic") for row in _rows(home.organization)))

    def check(self, opened: OpenedExport) -> int:
        _away_text(opened)
        return sum(1 for _row in _read(opened))

    def take(self, opened: OpenedExport, places: base.Places) -> int:
        """One of a subscriber who was erased while the file was written is passed over."""
        away.bring(places.organization, _away_text(opened))
        team = _team(places.organization)
        for number, rows in enumerate(_portions(opened)):
            if places.here(self.name, number) is None:
                with transaction.atomic():
                    places.put(self.name, number, sum(_make(row, places, team) for row in rows))
        return sum(places.all(self.name).values())


# -- going out ------------------------------------------------------------------------------------------------------


def _rows(organization: Organization) -> Iterator[_Conversation]:
    """In the order of their newest message: numbered so again, the list stays as it was."""
    rows = queries.rows_of(organization)
    for numbers in batched([*rows.order_by("last", "pk").values_list("pk", flat=True)], PAGE):
        by_number = rows.in_bulk([*numbers])
        for row in (by_number[number] for number in numbers if number in by_number):
            if (known := details.opened(row)) is not None:
                yield _conversation(row, known)


def _conversation(row: Conversation, known: ConversationDetails) -> _Conversation:
    edition = Edition.objects.filter(pk=known.edition).values_list("campaign_id", flat=True) if known.edition else ()
    return _Conversation(
        details.STATES[row.state],
        row.day.isoformat(),
        bytes(row.thread).hex(),
        _messages(row),
        name=known.name,
        address=known.address,
        subject=known.subject,
        subscriber=(row.subscriber or 0) & NUMBER_MASK,
        proof=known.proof,
        same_address=known.same_address,
        list=known.list,
        letter=next(iter(edition), 0),
        beginning=known.beginning,
        last=known.last.isoformat() if known.last else "",
        wants_to_leave=known.wants_to_leave,
        assignee=_assignee(row, known),
    )


def _assignee(row: Conversation, known: ConversationDetails) -> str:
    """What was lost in an earlier move is lost in the next one too."""
    if row.assignee is None:
        return LOST if known.lost_assignee else ""
    try:
        return _assignee_mark(row.organization, sealed_people.email_of(row.assignee))[0]
    except (SealError, BadAddress):
        return LOST


def _assignee_mark(organization: Organization, email: str) -> list[str]:
    """By each key of the index, the current one first: only whoever has one of them can ask whether it is theirs."""
    return [mark.hex() for mark in keyring.keys(organization).blinds(f"assignee\0{comparable(normalize(email))}")]


def _messages(row: Conversation) -> tuple[_Message, ...]:
    """The newest, as many as an import takes, in their order."""
    kept, characters = list[_Message](), 0
    for message in row.messages.order_by("-pk")[:MOST_MESSAGES].iterator(chunk_size=PAGE):
        words = details.opened_message(row.organization, message)
        if words is None:
            continue
        moved = _message(message, words)
        characters += moved.length
        if characters > MOST_CHARACTERS:
            break
        kept.append(moved)
    return tuple(reversed(kept))


def _message(row: ConversationMessage, words: MessageDetails) -> _Message:
    return _Message(
        details.KINDS[row.kind],
        words.at.isoformat(),
        words.text,
        words.quoted,
        tuple(_File(file.place, file.name, file.size) for file in words.files),
        words.message_id,
        words.references,
        details.OUTGOING[row.outgoing],
        words.refused,
    )


# -- coming in ------------------------------------------------------------------------------------------------------


def _read(opened: OpenedExport) -> Iterator[_Conversation]:
    """File by file. Errors: ExportRefused."""
    lists = {0, *(entry["number"] for entry in opened.lists)}
    for name in sorted(opened.members(FOLDER), key=lambda path: (len(path), path)):
        try:
            for payload in opened.table(name):
                row = convert(payload, _Conversation)
                _check(row, lists)
                yield row
        except (TypeError, ValueError, ValidationError) as wrong:
            raise altered(name) from wrong


def _check(row: _Conversation, lists: set[int]) -> None:
    """Errors: ValueError, for what no column holds and no header of an answer may have."""
    day(row.day)
    for at in (*([row.last] if row.last else []), *(message.at for message in row.messages)):
        moment(at)
    if row.address and addresses.first(row.address) != row.address:
        raise ValueError
    if sum(message.length for message in row.messages) > MOST_CHARACTERS or row.list not in lists:
        raise ValueError


def _portions(opened: OpenedExport) -> Iterator[list[_Conversation]]:
    """What is written in one transaction."""
    portion, weight = list[_Conversation](), 0
    for row in _read(opened):
        portion.append(row)
        weight += row.weight
        if weight >= SLICE:
            yield portion
            portion, weight = [], 0
    if portion:
        yield portion


def _away_text(opened: OpenedExport) -> str:
    """ "" for none. Errors: ExportRefused."""
    try:
        return convert(opened.table(AWAY) or {"text": ""}, _AwayText).text
    except ValidationError as wrong:
        raise altered(AWAY) from wrong


def _team(organization: Organization) -> dict[str, Person]:
    """By the marks of _Conversation.assignee, who may answer here."""
    members = [member for member in accounts.members(organization) if member.role in WRITERS and not member.locked]
    return {mark: member.person for member in members for mark in _assignee_mark(organization, member.email)}


def _make(moved: _Conversation, places: base.Places, team: Mapping[str, Person]) -> int:
    """1; 0 where its subscriber did not come along."""
    organization = places.organization
    subscriber = subscriber_numbered(organization, moved.subscriber) if moved.subscriber else None
    if moved.subscriber and subscriber is None:
        return 0
    name, subject, assignee = bare(moved.name), bare(moved.subject), team.get(moved.assignee)
    was_due = any(message.kind == "answer" and message.outgoing == "due" for message in moved.messages)
    row = Conversation.objects.create(
        organization=organization,
        state=Conversation.WAITING if was_due else details.STATES.index(moved.state),
        assignee=assignee,
        subscriber=subscriber.pk if subscriber else None,
        day=min(day(moved.day), places.now.astimezone(UTC).date()),
        mark=take_up.marks_of(organization, moved.address, subject)[0],
        thread=bytes.fromhex(moved.thread),
    )
    known = ConversationDetails(
        name,
        moved.address,
        subject,
        number=moved.subscriber,
        proof=moved.proof,
        same_address=moved.same_address,
        edition=_edition_here(moved.letter, places),
        list=places.lists.get(moved.list, 0),
        beginning=bare(moved.beginning),
        last=_utc(moved.last) if moved.last else None,
        wants_to_leave=moved.wants_to_leave,
        lost_assignee=bool(moved.assignee) and assignee is None,
    )
    details.keep(row, known)
    newest = [_make_message(row, message) for message in moved.messages]
    row.last = max((message.pk for message in newest if message.kind in details.MOVES_UP), default=0)
    row.save(update_fields=["last"])
    return 1


def _edition_here(letter: int, places: base.Places) -> int:
    here = places.here(CampaignsPart.name, letter) if letter else None
    return Edition.objects.filter(campaign=here).values_list("pk", flat=True).first() or 0 if here else 0


def _make_message(row: Conversation, moved: _Message) -> ConversationMessage:
    """What was to go out there doesn't go out here by itself: nobody knows whether it went out since."""
    due, refused = moved.outgoing == "due", moved.outgoing == "refused"
    words = MessageDetails(
        row.pk,
        details.KINDS.index(moved.kind),
        _utc(moved.at),
        bare(moved.text),
        bare(moved.quoted),
        files=tuple(Attachment(file.place, bare(file.name), file.size) for file in moved.files),
        message_id=moved.message_id,
        references=moved.references,
        mark=details.new_mark(row) if due or refused else "",
        refused="moved" if due else moved.refused if refused else "",
    )
    outgoing = ConversationMessage.REFUSED if due else details.OUTGOING.index(moved.outgoing)
    return details.add(row, words, outgoing=outgoing)


def _utc(text: str) -> datetime:
    return moment(text).astimezone(UTC)
