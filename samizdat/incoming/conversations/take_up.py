"""A reply becomes a conversation, or goes on with one."""

import os
import re
from collections.abc import Sequence
from datetime import UTC, datetime

from msgspec import structs

from samizdat.accounts.models import Organization
from samizdat.audience import queries as audience
from samizdat.campaigns.edition_details import opened as opened_edition
from samizdat.campaigns.models import Edition
from samizdat.core.bounce.report import ReplyContent, Report
from samizdat.core.crypto import tokens
from samizdat.core.crypto.seal import SealBroken
from samizdat.core.mail.address import BadAddress, comparable, normalize
from samizdat.incoming.conversations import actions, away, details, strangers
from samizdat.incoming.conversations.details import ConversationDetails
from samizdat.incoming.identity import SentMessage
from samizdat.incoming.models import Conversation
from samizdat.vault import keyring

# Messages of one conversation, and conversations that wait in an organization: more come from no people.
MOST_MESSAGES, MOST_WAITING = 200, 20_000

_PREFIX = re.compile(r"(?:re|fw|fwd|aw|wg|sv|tr|rv|ответ|отв|ha|на|пересл)(?:\s?\[\d{1,3}\])?\s?:\s*", re.IGNORECASE)


def take_up(organization: Organization, mail: int, report: Report, message: SentMessage | None, now: datetime) -> bool:
    """Whether files came along that the conversation lists. mail: number of the IncomingMail. message: of ours, as the
    report was matched. In the transaction that takes the message up. Whoever left by the message itself (follow_up) is
    answered by nobody."""
    content = report.content
    if report.kind == "unsubscribe":
        if message is not None:
            actions.finish_wishes(message.subscriber, now)
            return False
        content = structs.replace(content, wants_to_leave=True) if content else None
    return content is not None and bool(add(organization, mail, content, message, now) and content.attachments)


def add(
    organization: Organization, mail: int, content: ReplyContent, message: SentMessage | None, now: datetime
) -> Conversation | None:
    """The conversation that it is in now; None where the inbox takes no more today."""
    marks = marks_of(organization, content.sender, content.subject)
    row = _goes_on(organization, content, marks) or _new(organization, content, message, marks[0], now)
    if row is None or strangers.is_flooded(row, now):
        strangers.set_aside(organization, now)
        return None
    known = details.opened(row)
    assert known is not None
    added = details.add(row, details.received(row, mail, content, now))
    row.state, row.last, row.day = Conversation.WAITING, added.pk, now.astimezone(UTC).date()
    row.save(update_fields=["state", "last", "day"])
    wants = content.wants_to_leave
    known = details.with_newest(known, content.words or content.subject, now, wants_to_leave=wants)
    details.keep(row, structs.replace(known, removal=0) if wants else known)
    away.answer(row, known, content, now)
    return row


def _goes_on(organization: Organization, content: ReplyContent, marks: Sequence[bytes]) -> Conversation | None:
    """The conversation that it belongs to: by what it answers, else by sender and subject. Whoever was forwarded an
    answer of ours begins one of their own."""
    if not content.sender:
        return None
    rows = Conversation.objects.select_related("organization").filter(organization=organization)
    threads = details.threads_in(content.references)
    answered = [*rows.filter(thread__in=threads)] if threads else []
    for row in (*answered, *rows.filter(mark__in=marks).order_by("-last")[:1]):
        known = details.opened(row)
        if known is not None and _same(known.address, content.sender) and row.messages.count() < MOST_MESSAGES:
            return row
    return None


def _new(
    organization: Organization, content: ReplyContent, message: SentMessage | None, mark: bytes, now: datetime
) -> Conversation | None:
    """None where too many wait, or strangers write too much."""
    waiting = Conversation.objects.filter(organization=organization, state=Conversation.WAITING)
    if waiting.count() >= MOST_WAITING:
        return None
    known = _writer(organization, content, message)
    if not strangers.may_begin(organization, known, now):
        return None
    subscriber = audience.subscriber_numbered(organization, known.number) if known.number else None
    row = Conversation.objects.create(
        organization=organization,
        subscriber=subscriber.pk if subscriber else None,
        day=now.astimezone(UTC).date(),
        mark=mark,
        thread=os.urandom(Conversation.THREAD_BYTES),
    )
    details.keep(row, known)
    return row


def _writer(organization: Organization, content: ReplyContent, message: SentMessage | None) -> ConversationDetails:
    """Who wrote: by a token of ours, else by the address."""
    known = ConversationDetails(content.sender_name, content.sender, content.subject)
    message = message or _answered(organization, content)
    if message is not None:
        same = _same(audience.address_of(message.subscriber), content.sender)
        return structs.replace(
            known,
            number=message.subscriber.number,
            proof="token",
            same_address=same,
            edition=message.edition.pk,
            list=message.list,
        )
    # Not a sign-up that waits for its confirmation: it goes within a week, and their reply would go with it.
    numbers = audience.numbers_at(organization, [_form(content.sender)]) if content.sender else []
    return structs.replace(known, number=numbers[0], proof="address") if numbers else known


def _answered(organization: Organization, content: ReplyContent) -> SentMessage | None:
    """The email of ours whose Message-ID it names, however long ago that was sent. Keys that came along with an export
    prove nothing here."""
    links = keyring.keys(organization).own_links
    for reference in reversed(content.references):
        try:
            token = tokens.read(links, "message-id", reference.partition("@")[0])
        except tokens.BadToken:
            continue
        if (message := sent_message(organization, token.edition, token.number)) is not None:
            return message
    return None


def sent_message(organization: Organization, edition_id: int, number: int) -> SentMessage | None:
    """The email of an edition to this subscriber, while both are here."""
    edition = Edition.objects.filter(pk=edition_id, organization=organization).first()
    subscriber = audience.subscriber_numbered(organization, number)
    if edition is None or subscriber is None:
        return None
    try:
        return SentMessage(edition, opened_edition(keyring.keys(organization), edition).list, subscriber)
    except SealBroken:
        return None


def marks_of(organization: Organization, sender: str, subject: str) -> list[bytes]:
    """Keyed hashes by which the next message of the same sender and subject goes on with a conversation: under the
    current index key, then under former ones."""
    while (match := _PREFIX.match(subject)) is not None:
        subject = subject[match.end() :]
    return keyring.keys(organization).blinds(f"conversation\0{_form(sender)}\0{subject.casefold().strip()}")


def _same(address: str, other: str) -> bool:
    return bool(address) and _form(address) == _form(other)


def _form(address: str) -> str:
    try:
        return comparable(normalize(address))
    except BadAddress:
        return address.casefold()
