"""Which message of ours a returned one is about: only what a token of ours proves counts.

Whoever writes to a bounce address writes what they like, and anybody may know a subscriber's address. So a report
without a token, or with one that our keys do not prove, changes nothing for anybody; it is kept and counted. A token
stands in the return address of each message, in its Message-ID and in its unsubscribe link, and its recipient has
nobody else's.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from samizdat.accounts.models import Organization
from samizdat.audience.models import Subscriber
from samizdat.audience.queries import address_of, subscriber_numbered
from samizdat.campaigns.edition_details import EditionDetails, opened
from samizdat.campaigns.models import Edition
from samizdat.core.bounce.report import Hints, ReportEvent
from samizdat.core.crypto import tokens
from samizdat.core.crypto.seal import SealBroken
from samizdat.core.mail.address import BadAddress, comparable, normalize
from samizdat.core.mail.return_address import token_in
from samizdat.delivery.models import Delivery
from samizdat.vault import keyring

# Servers try for five days (RFC 5321, 4.5.4.1), and who complains does so while they remember the email.
STALE = timedelta(days=30)

_TOKEN = re.compile(rf"(?<![a-zA-Z2-7])[a-zA-Z2-7]{{{tokens.TOKEN_CHARACTERS}}}(?![a-zA-Z2-7])")


@dataclass(frozen=True, slots=True)
class SentMessage:
    """A message of ours, proven; `details` as its edition was sealed."""

    edition: Edition
    details: EditionDetails
    subscriber: Subscriber


def proven(organization: Organization, to: Sequence[str], hints: Hints, now: datetime) -> SentMessage | None:
    """to: whom the mail server delivered it to. None where nothing proves it, where it was sent longer ago than STALE,
    or where its recipient is not here."""
    links = keyring.keys(organization).links
    for purpose, text in _candidates(to, hints):
        try:
            token = tokens.read(links, purpose, text)
        except tokens.BadToken:
            continue
        if message := _message(organization, token, now):
            return message
    return None


def is_of(message: SentMessage, event: ReportEvent) -> bool:
    """Whether one of several events of a report speaks of the message's own recipient: an alias that leads to two
    mailboxes tells of each, and one of them may live."""
    try:
        return comparable(normalize(event.recipient or "")) == comparable(address_of(message.subscriber))
    except BadAddress:
        return False


def _candidates(to: Sequence[str], hints: Hints) -> Iterator[tuple[str, str]]:
    """(purpose, token): the envelope first, then what was returned."""
    for address in (*to, *hints.returned_to, hints.return_path or ""):
        if token := token_in(address):
            yield "return", token
            yield "leave", token
    if hints.message_id:
        yield "message-id", hints.message_id.strip("<> ").partition("@")[0]
    for text in hints.list_unsubscribe:
        for token in _TOKEN.findall(text):
            yield "leave", token


def _message(organization: Organization, token: tokens.Token, now: datetime) -> SentMessage | None:
    edition = Edition.objects.filter(pk=token.edition, organization=organization).first()
    subscriber = subscriber_numbered(organization, token.number)
    if edition is None or subscriber is None:
        return None
    keys, day = keyring.keys(organization), _sent(edition, token.number)
    today = now.astimezone(UTC).date()
    if today - day > STALE or not keys.believes(token, day, today):
        return None
    try:
        return SentMessage(edition, opened(keys, edition), subscriber)
    except SealBroken:
        return None


def _sent(edition: Edition, number: int) -> date:
    """When it went out: a welcome email months after its release. A bounce may come before that is written down."""
    row = Delivery.objects.filter(edition=edition, number=number).first()
    return row.day if row else edition.created.astimezone(UTC).date()
