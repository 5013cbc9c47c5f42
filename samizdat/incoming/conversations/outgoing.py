"""Answers on their way: what the worker is to send, and what came of it."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as lazy
from msgspec import structs

from samizdat.accounts.memberships import has_role
from samizdat.accounts.models import WRITERS, Organization, Person
from samizdat.accounts.sealed_settings import leading
from samizdat.audience.models import List
from samizdat.delivery import domain_ownership, service_senders
from samizdat.events.actions import detail_of, record
from samizdat.events.models import Event
from samizdat.incoming.conversations import details
from samizdat.incoming.conversations.details import ConversationDetails, MessageDetails
from samizdat.incoming.models import Conversation, ConversationMessage

# After that nobody expects it any more: whoever wrote it is asked.
GIVE_UP = timedelta(days=1)

# Why an answer was not sent.
SENTENCES: dict[str, Promise] = {
    "late": lazy("Not sent: no sending route took it within a day. Check your routes, then try again."),
    "refused": lazy("Not sent: the recipient’s server rejected it. Check the address."),
    "sender": lazy("Not sent: there is no address to answer from. Choose a default sender, then try again."),
    "moved": lazy("Not sent from here: it was waiting when it was exported. Ask whether they got it, or try again."),
    "writer": lazy("Not sent: its author can’t answer replies any more. Write it again."),
}


@dataclass(frozen=True, slots=True)
class DueAnswer:
    """sender: (name, address); reply_to: "" for none."""

    message: ConversationMessage
    conversation: Conversation
    words: MessageDetails
    sender: tuple[str, str]
    reply_to: str
    to: str
    subject: str


def waiting() -> set[int]:
    """Organizations of which an answer is to go."""
    rows = ConversationMessage.objects.filter(outgoing=ConversationMessage.DUE)
    return {*rows.values_list("conversation__organization", flat=True).distinct()}


def due(organization: int, now: datetime, limit: int) -> list[DueAnswer]:
    """What is to go, the oldest first. What may not go any more is set aside with the reason."""
    rows = ConversationMessage.objects.select_related("conversation__organization").filter(
        conversation__organization=organization, outgoing=ConversationMessage.DUE
    )
    return [answer for row in rows.order_by("pk")[:limit] if (answer := _due(row, now)) is not None]


def _due(message: ConversationMessage, now: datetime) -> DueAnswer | None:
    row = message.conversation
    words, known = details.opened_message(row.organization, message), details.opened(row)
    if words is None or known is None or not words.mark or not known.address:
        _turn(message, ConversationMessage.NOT_SENT)  # Whoever writes the database had it go.
        return None
    if _was_sent(row, message):
        _turn(message, ConversationMessage.SENT)
        return None
    sender = sender_of(row.organization, known.list)
    reason = _reason(row.organization, words, sender, now)
    if reason or sender is None:
        refuse(message, words, reason)
        return None
    reply_to = leading(row.organization).default_sender.reply_to
    return DueAnswer(message, row, words, sender, reply_to, known.address, subject_of(known))


def _reason(organization: Organization, words: MessageDetails, sender: tuple[str, str] | None, now: datetime) -> str:
    """Of SENTENCES, why it may not go; "" where it may."""
    if now - words.at > GIVE_UP:
        return "late"
    if words.kind == ConversationMessage.ANSWER and not _may_answer(organization, words.by):
        return "writer"
    return "" if sender else "sender"


def subject_of(known: ConversationDetails) -> str:
    subject = known.subject
    return subject if subject[:3].casefold() == "re:" else f"Re: {subject}".strip()


def sender_of(organization: Organization, list_number: int) -> tuple[str, str] | None:
    """(name, address) that answers come from: the organization's default sender, else that of the list whose email is
    answered, else its own."""
    kept = leading(organization)
    chosen = kept.default_sender
    if chosen.email and not domain_ownership.claimed(organization, chosen.email):
        return chosen.name or kept.name, chosen.email
    mailing_list = List.objects.select_related("organization").filter(organization=organization, pk=list_number).first()
    if mailing_list is not None:
        return service_senders.sender_for(mailing_list)
    return service_senders.own_sender(organization)


def _may_answer(organization: Organization, number: int) -> bool:
    person = Person.objects.filter(pk=number).first()
    return person is not None and has_role(person, organization, WRITERS)


def _was_sent(row: Conversation, message: ConversationMessage) -> bool:
    """By the log: a row that was put back fits its seal."""
    events = Event.objects.select_related("organization").filter(
        organization=row.organization, kind="conversation.answered", about=row.pk
    )
    return any(detail_of(event).get("message") == message.pk for event in events)


def sent(answer: DueAnswer, now: datetime) -> None:
    by = Person.objects.filter(pk=answer.words.by).first() if answer.words.by else None
    with transaction.atomic():
        _turn(answer.message, ConversationMessage.SENT)
        detail = {"message": answer.message.pk}
        record(
            "conversation.answered",
            answer.conversation.organization,
            about=answer.conversation.pk,
            by=by,
            now=now,
            detail=detail,
        )


def refuse(message: ConversationMessage, words: MessageDetails, reason: str) -> None:
    """The conversation waits again, with the reason beside the answer."""
    row = message.conversation
    with transaction.atomic():
        details.keep_message(row.organization, message, structs.replace(words, refused=reason))
        _turn(message, ConversationMessage.REFUSED)
        if message.kind == ConversationMessage.ANSWER:
            Conversation.objects.filter(pk=row.pk).update(state=Conversation.WAITING)


def _turn(message: ConversationMessage, state: int) -> None:
    ConversationMessage.objects.filter(pk=message.pk).update(outgoing=state)
