"""A yes to appeals for money of somebody who gets the letters already: one mail asks, and only its link says yes.

The box may have been ticked by whoever knows her address or was forwarded a letter, and a public process that was
taken could tick it for everybody. So its token has a purpose of its own, which that process can neither read nor make.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from samizdat import saying
from samizdat.accounts.grants import leading
from samizdat.audience import actions as audience
from samizdat.audience import queries as audience_queries
from samizdat.audience.actions import appealing, forms
from samizdat.audience.actions.forgetting import last_day
from samizdat.audience.actions.mailed import once_a_day
from samizdat.audience.models import List
from samizdat.campaigns import senders
from samizdat.core import link
from samizdat.core.consent import APPEALS
from samizdat.core.outcome import Accepted, Outcome, Refused, Unsure
from samizdat.core.spoken import language_for
from samizdat.gate import actions as gate
from samizdat.vault import house
from samizdat.worker import mailing
from samizdat.worker.boxes import Said, given_up

PURPOSE = "asks"


def number_for(list_: Any, at: datetime) -> int:
    """What the link says that asks for the appeals of one list."""
    return forms.dated(list_.id, at.astimezone(UTC).date())


def words_to(subscriber: Any, list_: Any) -> str:
    """What stands beside the box in her settings: the words of the house, else ours."""
    said = saying.words_to(subscriber.language, subscriber.organisation.language)
    return appealing.words_for(list_, said.language) or said["asks.words"]


def tick(said: Said, her: Any, lists: Sequence[Any], memory: Any, now: datetime) -> bool:
    """By the link of a letter, which others may have: so her mailbox is asked. True when the box may go."""
    for list_ in lists:
        if appealing.concern(her, list_):  # The one that her settings show.
            asked = Question(her, (list_,), number_for(list_, said.at), words_to(her, list_))
            return ask(said, asked, memory, now)
    return True


@dataclass(frozen=True, slots=True)
class Question:
    """One mail that asks. lists: whose letters she gets; number: of the link; words: beside the box; language: of its
    page, for who has told none."""

    subscriber: Any
    lists: Sequence[Any]
    number: int
    words: str
    language: str = ""


def ask(said: Said, asked: Question, memory: Any, now: datetime) -> bool:
    """True when the box may go. memory: of worker/signups, whose loop and limits these mails share."""
    organisation, hers = said.organisation, asked.subscriber
    asked = replace(asked, lists=appealing.without(hers, asked.lists))
    if not asked.lists:
        return True  # She agreed to all of it already, or gets no letters of it.
    if not once_a_day(organisation, f"{PURPOSE} {hers.number} {asked.lists[0].id}", said.row, now):
        return True
    appealing.ask(hers, asked.lists, asked.words, asked.number, now=said.at)
    if not memory.may_send(organisation.id):
        return False
    outcome = _mail(organisation, asked, now)
    if isinstance(outcome, Accepted | Unsure):
        memory.wrote(organisation.id)
    return isinstance(outcome, Accepted | Unsure | Refused) or given_up(said, now)


def _mail(organisation: Any, asked: Question, now: datetime) -> Outcome | None:
    """None where the list has no sender yet, or nobody knows where the link would lead."""
    subscriber, lists = asked.subscriber, asked.lists
    sender = senders.sender_of(lists[0])
    base = leading(organisation).public_url
    if sender is None or not base:
        return None
    key = house.keys(organisation).link
    assert key is not None
    token = link.make(key, PURPOSE, asked.number, subscriber.number)
    said = saying.words_to(subscriber.language or asked.language, organisation.language)
    tongue = language_for(said.language)
    # The page behind the link speaks as the mail does, where it can.
    url = f"{base}/g/{token}" + (f"?{tongue}" if tongue != organisation.language else "")
    name = ", ".join(audience_queries.name_of(one) for one in lists)
    why = said["asks.asked"] % {"list": name, "words": asked.words}
    text = "\n\n".join((why, said["asks.press"], url, said["asks.otherwise"]))
    to, subject = audience_queries.address_of(subscriber), said["asks.subject"] % {"list": mailing.one_line(name)}
    # Before the mail: whoever opens it at once must not find a page that is not here yet.
    gate.set_token_state(token, f"asked-{PURPOSE}")
    return mailing.send(organisation, sender, to, subject, f"{text}\n", now)


def proven(said: Said, now: datetime) -> None:
    """She pressed the link of that mail. An old one, or one that was answered since, says yes to nothing."""
    text = str(said.words.get("token", ""))
    try:
        token = link.read(house.keys(said.organisation).links, PURPOSE, text)
    except link.BadToken:
        return
    subscriber = audience_queries.subscriber_numbered(said.organisation, token.number)
    if subscriber is not None and agree(said.organisation, subscriber, token.edition, now, said.at):
        gate.set_token_state(text, "agreed")


def agree(organisation: Any, subscriber: Any, number: int, now: datetime, said: datetime) -> bool:
    """Whether anything that the link with this number asked for is agreed to now: of those whose letters she gets."""
    about, day = forms.without_day(number), forms.day_in(number)
    if day < last_day(said):
        return False
    numbers = forms.lists_asked(subscriber, number, APPEALS) if about >> 32 else [about]
    lists = List.objects.filter(id__in=numbers, organisation=organisation).order_by("id")
    return sum(audience.agree_to_appeals(subscriber, one, now=now, said=said, asked=day) for one in lists) > 0
