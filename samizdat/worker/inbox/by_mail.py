"""Commands by plain email: done once a mailbox has proven them, and answered to it alone.

A command whose message was signed by the sender's domain carries a token of ours that says so; any other one asks the
subscriber by a mail first, whose answer has such a token in its address. Whoever is nobody here and proves nothing
hears nothing, so no answer says who subscribes.
"""

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.utils.translation import gettext as _
from django.utils.translation import ngettext, override

from samizdat import formatting
from samizdat.accounts.models import Organization
from samizdat.accounts.sealed_settings import leading
from samizdat.audience import actions as audience
from samizdat.audience import queries as audience_queries
from samizdat.audience.actions import preferences
from samizdat.audience.actions.mail_quota import few_a_day
from samizdat.audience.actions.preferences import LONGEST_PAUSE, PreferenceChoice
from samizdat.audience.models import Subscriber
from samizdat.core.content.phrases import base
from samizdat.core.mail import by_mail
from samizdat.core.mail.by_mail import Command
from samizdat.core.mail.return_address import with_token
from samizdat.delivery import service_senders
from samizdat.incoming.by_mail import DONE, mailbox_of, offered, proof, proven
from samizdat.privacy.subject_access import access_file
from samizdat.worker.inbox import signups
from samizdat.worker.inbox.inbox import OpenedEnvelope, given_up

log = logging.getLogger("samizdat.worker")

KINDS = ("bymail",)


def take(now: datetime, organization: Organization | None = None) -> int:
    """Takes up what waits and is due, of all organizations or of one; returns how many are done with."""
    broke = "A command by email could not be taken up and is tried again: %s"
    return signups.in_turn(now, KINDS, signups.one_by_one(_take, broke), organization)


@dataclass(frozen=True, slots=True)
class ProvenCommand:
    """subscriber: None where whoever proved their mailbox is none."""

    command: Command
    subscriber: Subscriber | None
    to: str


def _take(envelope: OpenedEnvelope, now: datetime) -> bool:
    """True when the box may go. What is asked for is done at each try, which changes nothing the second time."""
    by_token = _proven(envelope, now) if envelope.words.token else None
    asked = _known(envelope) if not envelope.words.token else None
    if by_token is not None:
        answer = _answer(envelope, by_token, now)
        to, language, reply_to = by_token.to, _language(by_token.subscriber), ""
    elif asked is not None:
        subscriber, command = asked
        token = proof(envelope.organization, command, subscriber.number, now)
        answer, reply_to = (lambda: _question(envelope.organization, command)), _reply(envelope.organization, token)
        to, language = audience_queries.mailbox_of(subscriber), _language(subscriber)
    else:
        return True
    if not few_a_day(envelope.organization, "by mail", to, envelope.row, now):
        return True
    if not signups.memory.may_send(envelope.organization.id, envelope.row):
        return False
    sender = service_senders.own_sender(envelope.organization)
    if sender is None:
        return given_up(envelope, now)
    with override(language or leading(envelope.organization).language):
        subject, paragraphs = answer()
    text = "\n\n".join(paragraphs) + "\n"
    return signups.memory.mail(envelope, sender, to, subject, text, now, reply_to=reply_to, answers=True)


def _language(subscriber: Subscriber | None) -> str:
    return base(subscriber.language) if subscriber and subscriber.language else ""


def _reply(organization: Organization, token: str) -> str:
    return with_token(mailbox_of(organization), token)


def _proven(envelope: OpenedEnvelope, now: datetime) -> ProvenCommand | None:
    """By a token that our keys prove."""
    command, number = proven(envelope.organization, envelope.words.token, now) or (None, 0)
    if command is None:
        return None
    if number == 0:  # Signed, by somebody who is nobody here.
        return ProvenCommand(command, None, envelope.words.address)
    subscriber = audience_queries.subscriber_numbered(envelope.organization, number)
    return ProvenCommand(command, subscriber, audience_queries.mailbox_of(subscriber)) if subscriber else None


def _known(envelope: OpenedEnvelope) -> tuple[Subscriber, Command] | None:
    """Who is asked by a mail whether it was them: subscribers alone, and nothing where help was all they wanted."""
    words = envelope.words
    subscriber = audience_queries.subscriber_at(envelope.organization, words.address)
    command = Command(words.what, words.how)
    if subscriber is None or words.what == "help" or by_mail.of_number(_number(command)) != command:
        return None
    return subscriber, command


def _number(command: Command) -> int:
    try:
        return by_mail.numbered(command)
    except ValueError:  # Not of ours: whoever took the public process may lay anything here.
        return -1


type Answer = tuple[str, Sequence[str]]


def _answer(envelope: OpenedEnvelope, asked: ProvenCommand, now: datetime) -> Callable[[], Answer]:
    """Does it; what makes (subject, paragraphs), in the language that is set then."""
    organization, command, subscriber = envelope.organization, asked.command, asked.subscriber
    if command.what == "help":
        return lambda: (_subject(organization), _help(organization))
    if subscriber is None:
        return lambda: (_subject(organization), [_("This address isn’t subscribed."), *_help(organization)])
    if command.what == "data":
        text = json.dumps(access_file(subscriber, now=now, by_link=True), ensure_ascii=False, indent=1)
        return lambda: (_subject(organization), [_("This is everything we have about this address."), text])
    if command.what == "leave":
        if envelope.words.only != DONE:
            audience.unsubscribe_from_all(subscriber, now=now, way="mail")
        return lambda: (
            _subject(organization),
            [_("You’ve unsubscribed and won’t get any more emails."), *_help(organization)],
        )
    choice = _choice(subscriber, command, now)
    preferences.prefer_all(subscriber, preferences.lists_of(subscriber), choice, now=now, sent_at=envelope.at)
    return lambda: (_subject(organization), [_changed(choice), *_help(organization)])


def _choice(subscriber: Subscriber, command: Command, now: datetime) -> PreferenceChoice:
    if command.what == "pause":
        days = min(max(int(command.how), 1), LONGEST_PAUSE)
        return PreferenceChoice(often=preferences.PAUSE, until=now.astimezone(UTC).date() + timedelta(days=days))
    if command.what == "often":
        return PreferenceChoice(often=command.how)
    if command.what == "language":
        return PreferenceChoice(language=command.how)
    wishes = preferences.looks_of(subscriber).wishes.replace("t", "")
    return PreferenceChoice(wishes=command.how + wishes)


def _changed(choice: PreferenceChoice) -> str:
    if choice.until is not None:
        return _("You won’t get any emails until %(day)s.") % {"day": formatting.shaped(choice.until, "day")}
    return _("Your preferences have been changed.")


def _subject(organization: Organization) -> str:
    return _("Your subscription: %(name)s") % {"name": leading(organization).name}


def _question(organization: Organization, command: Command) -> Answer:
    asked = {
        "leave": _("Someone asked us by email to unsubscribe this address."),
        "pause": ngettext(
            "Someone asked us by email to send nothing to this address for %(count)s day.",
            "Someone asked us by email to send nothing to this address for %(count)s days.",
            int(command.how or 0) if command.what == "pause" else 0,
        )
        % {"count": command.how},
        "data": _("Someone asked us by email for a copy of everything we have about this address."),
    }.get(command.what, _("Someone asked us by email to change the preferences of this address."))
    return _subject(organization), [
        asked,
        _("If that was you, reply to this email within a week with one word: YES."),
        _("If not, ignore this email. Nothing changes."),
    ]


def _help(organization: Organization) -> list[str]:
    """What can be asked for, and where to write."""
    mailbox = mailbox_of(organization)
    slugs = offered(organization)
    subscribing = [f"subscribe-{slug}" for slug in slugs] if len(slugs) > 1 else ["subscribe"] * len(slugs)
    words = [
        *((word, _("subscribe")) for word in subscribing),
        ("leave", _("unsubscribe")),
        ("pause-30", _("get nothing for 30 days")),
        ("all", _("get every email")),
        ("monthly", _("get emails once a month")),
        ("digest", _("get a digest")),
        ("language-en", _("get emails in another language, if there is a version in it")),
        ("text", _("get emails as plain text")),
        ("data", _("get a copy of your data")),
        ("help", _("get this list")),
    ]
    lines = "\n".join(f"{with_token(mailbox, word)} – {meaning}" for word, meaning in words)
    return [_("To change something, send an empty email to one of these addresses:"), lines] if mailbox else []
