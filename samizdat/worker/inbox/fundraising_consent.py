"""A yes to appeals for money of somebody who gets the letters already: one mail asks, and only its link says yes.

The box may have been ticked by whoever knows their address or was forwarded a letter, and a public process that was
taken could tick it for everybody. So its token has a purpose of its own, which that process can neither read nor make.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from samizdat import phrases_override
from samizdat.accounts.models import Organization
from samizdat.accounts.sealed_settings import leading
from samizdat.audience import actions as audience
from samizdat.audience import queries as audience_queries
from samizdat.audience.actions import forms, fundraising_consent, mailed_words
from samizdat.audience.actions.mail_quota import once_a_day
from samizdat.audience.models import List, Subscriber
from samizdat.core.consent import APPEALS, last_day
from samizdat.core.content.phrases import language_for
from samizdat.core.crypto import tokens
from samizdat.delivery import service_senders
from samizdat.publicdb import actions as publicdb
from samizdat.vault import keyring
from samizdat.worker.inbox.inbox import OpenedEnvelope, given_up
from samizdat.worker.inbox.signup_memory import SignupMemory
from samizdat.worker.mail import service_mail

PURPOSE = "asks"


def number_for(list_: List, at: datetime) -> int:
    """What the link says that asks for the appeals of one list."""
    return forms.dated(list_.id, at.astimezone(UTC).date())


def words_to(subscriber: Subscriber, list_: List) -> str:
    """What stands beside the box in their settings: the words of the house, else ours."""
    words = phrases_override.words_to(subscriber.language, leading(subscriber.organization).language)
    return fundraising_consent.words_for(list_, words.language) or words["asks.words"]


def tick(
    envelope: OpenedEnvelope, subscriber: Subscriber, lists: Sequence[List], memory: SignupMemory, now: datetime
) -> bool:
    """By the link of a letter, which others may have: so their mailbox is asked. True when the box may go."""
    for list_ in lists:
        if fundraising_consent.concern(subscriber, list_, now):  # The one that their settings show.
            asked = ConsentQuestion(subscriber, (list_,), number_for(list_, envelope.at), words_to(subscriber, list_))
            return ask(envelope, asked, memory, now)
    return True


@dataclass(frozen=True, slots=True)
class ConsentQuestion:
    """One mail that asks. subscriber: or the sign-up that waits for its answer; lists: whose letters they get; number:
    of the link; words: beside the box; language: of the mail, "" for theirs."""

    subscriber: Any
    lists: Sequence[Any]
    number: int
    words: str
    language: str = ""


def ask(envelope: OpenedEnvelope, asked: ConsentQuestion, memory: SignupMemory, now: datetime) -> bool:
    """True when the box may go."""
    question = due(envelope, asked, now)
    if question is None:
        return True
    fundraising_consent.ask(question.subscriber, question.lists, question.words, question.number, now=envelope.at)
    return mail(envelope, question, memory, now)


def due(envelope: OpenedEnvelope, asked: ConsentQuestion, now: datetime) -> ConsentQuestion | None:
    """What is left to ask them today. None: they agreed to all of it already, get no letters of it, or were asked."""
    organization, subscriber = envelope.organization, asked.subscriber
    lists = fundraising_consent.without(subscriber, asked.lists)
    if not lists or not once_a_day(organization, f"{PURPOSE} {subscriber.number} {lists[0].id}", envelope.row, now):
        return None
    return replace(asked, lists=lists)


def mail(envelope: OpenedEnvelope, asked: ConsentQuestion, memory: SignupMemory, now: datetime) -> bool:
    """True when the box may go. memory: that of sign-ups, whose loop and limits these mails share."""
    organization = envelope.organization
    if not memory.may_send(organization.id, envelope.row):
        return False
    subscriber, lists = asked.subscriber, asked.lists
    sender = service_senders.sender_for(lists[0])
    kept = leading(organization)
    base = kept.public_url
    if sender is None or not base:
        return given_up(envelope, now)  # No sender yet, or nobody knows where the link would lead.
    key = keyring.keys(organization).link
    assert key is not None
    token = tokens.make(key, PURPOSE, asked.number, subscriber.number)
    words = phrases_override.words_to(asked.language or subscriber.language, kept.language)
    tongue = language_for(words.language)
    # The page behind the link speaks as the mail does, where it can.
    url = f"{base}/g/{token}" + (f"?{tongue}" if tongue != kept.language else "")
    names = [mailed_words.name_said(list_) for list_ in lists]
    name = ", ".join(names) if all(names) else kept.name
    why = words["asks.asked"] % {"list": name, "words": asked.words}
    text = "\n\n".join((why, words["asks.press"], url, words["asks.otherwise"]))
    to, subject = audience_queries.mailbox_of(subscriber), words["asks.subject"] % {"list": service_mail.one_line(name)}
    # Before the mail: whoever opens it at once must not find a page that is not here yet.
    # The same state as of a sign-up of somebody new, or the public process would learn who is here.
    publicdb.set_token_state(token, "pending-asks")
    return memory.mail(envelope, sender, to, subject, f"{text}\n", now)


def proven(envelope: OpenedEnvelope, now: datetime) -> None:
    """The subscriber pressed the link of that mail. An old one, or one that was answered since, says yes to nothing."""
    text = envelope.words.token
    try:
        token = tokens.read(keyring.keys(envelope.organization).own_links, PURPOSE, text)
    except tokens.BadToken:
        return
    subscriber = audience_queries.subscriber_numbered(envelope.organization, token.number)
    if subscriber is not None and forms.day_in(token.edition) >= last_day(envelope.at):
        subscriber = audience.promote(subscriber, now)
    if subscriber is not None and agree(envelope.organization, subscriber, token.edition, now, envelope.at):
        publicdb.set_token_state(text, "agreed")


def agree(organization: Organization, subscriber: Subscriber, number: int, now: datetime, sent_at: datetime) -> bool:
    """Whether anything that the link with this number asked for is agreed to now: of those whose letters they get."""
    about, day = forms.without_day(number), forms.day_in(number)
    if day < last_day(sent_at):
        return False
    numbers = forms.lists_asked(subscriber, number, APPEALS) if about >> 32 else [about]
    lists = List.objects.filter(id__in=numbers, organization=organization).order_by("id")
    return bool(audience.agree_to_appeals_of(subscriber, lists, now=now, sent_at=sent_at, asked=day))
