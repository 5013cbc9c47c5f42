"""Which message of ours a returned one is about: only what a token of ours proves counts.

Whoever writes to a bounce address writes what they like, and anybody may know a subscriber's address. So a report
without a token, or with one that our keys do not prove, changes nothing for anybody; it is kept and counted. A token
stands in the return address of each message, in its Message-ID and in its unsubscribe link, and its recipient has
nobody else's. Whoever they forward the message to has it too, so a token alone harms nobody but them (complaints.py).
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

from samizdat.accounts.models import Organization
from samizdat.audience.models import is_number
from samizdat.audience.queries import SealedSubscriber, address_of, subscribers_numbered
from samizdat.campaigns.edition_details import opened
from samizdat.campaigns.models import Edition, large_of_edition
from samizdat.campaigns.queries import let_go_of_edition
from samizdat.core.bounce.report import Hints, ReportEvent
from samizdat.core.crypto import tokens
from samizdat.core.crypto.seal import SealBroken
from samizdat.core.mail.address import BadAddress, comparable, normalize
from samizdat.core.mail.return_address import token_in
from samizdat.delivery import clock_jumps, sql
from samizdat.vault import keyring

# Servers try for five days (RFC 5321, 4.5.4.1), and who complains does so while they remember the email.
STALE = timedelta(days=30)
# Tokens of one message that are tried: a real one has three, and a forged one as many as fit.
MOST_TOKENS = 16
# An edition's number is one of SQLite's.
_LARGEST = (1 << 63) - 1

_PURPOSES = ("return", "leave", "message-id")
_TOKEN = re.compile(rf"(?<![a-zA-Z2-7])[a-zA-Z2-7]{{{tokens.TOKEN_CHARACTERS}}}(?![a-zA-Z2-7])")


class SentMessage(NamedTuple):
    """A message of ours, proven. list: to which it went, as its edition was sealed."""

    edition: Edition
    list: int
    subscriber: SealedSubscriber


class Evidence(NamedTuple):
    """to: whom the mail server delivered a message to. hints: what was read in it."""

    to: Sequence[str]
    hints: Hints


def proven(organization: Organization, evidence: Sequence[Evidence], now: datetime) -> list[SentMessage | None]:
    """Which message of ours each is about. None where nothing proves it, where it was sent longer ago than STALE, or
    where its recipient is not here."""
    reader = _TokenProver(organization)
    candidates = [reader.proven(each) for each in evidence]
    known = _Known(organization, {token for each in candidates for token in each}, now)
    return [next(filter(None, map(known.message, each)), None) for each in candidates]


def oldest(now: datetime) -> date:
    """The first day on which a message may have been sent of which anything is believed."""
    return (now - STALE - clock_jumps.forward(now)).astimezone(UTC).date()


def is_to_us(organization: Organization, to: Sequence[str]) -> bool:
    """Whether one of these addresses has a token of ours, of any message however old."""
    return bool(_TokenProver(organization).proven(Evidence(to, Hints())))


def is_of(message: SentMessage, event: ReportEvent) -> bool:
    """Whether one of several events of a report speaks of the message's own recipient: an alias that leads to two
    mailboxes tells of each, and one of them may live."""
    try:
        return comparable(normalize(event.recipient or "")) == comparable(address_of(message.subscriber))
    except BadAddress:
        return False


def list_of(edition: Edition) -> int | None:
    """To which list it went. None where it is altered. Of the text, which may have megabytes, nothing is kept."""
    try:
        return opened(keyring.keys(edition.organization), edition).list
    except SealBroken:
        return None
    finally:
        let_go_of_edition(edition)


def tokens_in(text: str) -> Iterator[str]:
    """Whatever looks like a token of ours; nothing is proven by it."""
    yield from _TOKEN.findall(text)


class _TokenProver:
    """Proves tokens of one organization by keys that are derived once."""

    def __init__(self, organization: Organization) -> None:
        links = keyring.keys(organization).links
        self._readers = {purpose: tokens.TokenParser(links, purpose) for purpose in _PURPOSES}

    def proven(self, evidence: Evidence) -> list[tokens.Token]:
        candidates = [*dict.fromkeys(_candidates(evidence.to, evidence.hints))][:MOST_TOKENS]
        by_text: dict[str, tokens.Token] = {}  # What is proven for one purpose is no token for another.
        for purpose, text in candidates:
            if text not in by_text and (token := self._read(purpose, text)) is not None:
                by_text[text] = token
        return [*by_text.values()]

    def _read(self, purpose: str, text: str) -> tokens.Token | None:
        try:
            token = self._readers[purpose](text)
        except tokens.BadToken:
            return None
        return token if is_number(token.number) and token.edition <= _LARGEST else None


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


class _Known:
    """What the database has about proven tokens: a few reads for all of them."""

    def __init__(self, organization: Organization, proven_tokens: Iterable[tokens.Token], now: datetime) -> None:
        self._keys, self._today, self._oldest = keyring.keys(organization), now.astimezone(UTC).date(), oldest(now)
        by_edition: dict[int, set[int]] = defaultdict(set)
        for token in proven_tokens:
            by_edition[token.edition].add(token.number)
        rows = Edition.objects.filter(pk__in=[*by_edition], organization=organization).defer(*large_of_edition())
        self._editions = {row.pk: row for row in rows}
        numbers = {number for edition in self._editions for number in by_edition[edition]}
        self._subscribers = subscribers_numbered(organization, sorted(numbers)) if numbers else {}
        self._days = {edition: _days(edition, by_edition[edition]) for edition in self._editions}
        self._lists = {edition: list_of(row) for edition, row in self._editions.items()}

    def message(self, token: tokens.Token) -> SentMessage | None:
        edition, subscriber = self._editions.get(token.edition), self._subscribers.get(token.number)
        if edition is None or subscriber is None or (list_ := self._lists[edition.pk]) is None:
            return None
        # When it went out: a welcome email months after its release. A bounce may come before that is written down.
        day = self._days[edition.pk].get(token.number) or edition.created.astimezone(UTC).date()
        if day < self._oldest or not self._keys.believes(token, day, self._today):
            return None
        return SentMessage(edition, list_, subscriber)


def _days(edition: int, numbers: Iterable[int]) -> Mapping[int, date]:
    return sql.days_of(edition, [*numbers])
