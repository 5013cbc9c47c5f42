"""Whose refusal is it? What one mailbox provider says to many subscribers in the same words is not about each of them.

Within one campaign refusals wait here, booked nowhere, until it is known: an accepted email at the same provider shows
that the others were the subscribers' own, and too many alike with none accepted in between mean us. Pure: what waits
is whatever the caller hands in.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from samizdat.core.mail.address import mailbox_provider
from samizdat.core.mail.outcome import SPEAKS_OF_ITSELF, Deferred, Refused, like

# Twenty people of one provider whose mail is refused in the same words are no coincidence. "No such mailbox" can be:
# of a company that closed, or a list that nobody cleaned for years, a hundred may follow each other, and no more.
ALIKE = 20
ALIKE_MAILBOXES = 100
# So many wait at once, in memory and in claimed chunks; then the oldest are believed. Domains with one subscriber
# each fill this up, and what they say is their own.
MOST_WAITING = 500

# A provider that refused us, and accepted others since, may take this one after some hours. Seconds.
LATER = 8 * 3600


@dataclass(slots=True, eq=False)
class RefusalGroup:
    """The same refusal by one mailbox provider, since it last accepted anything."""

    provider: str  # core/mail/address.mailbox_provider
    outcome: Deferred | Refused  # The first of them.
    waiting: list[tuple[Any, Deferred | Refused]] = field(default_factory=list)
    count: int = 0

    @property
    def about_us(self) -> bool:
        """Are its words surely about us? Then nobody is ever marked for it."""
        return isinstance(self.outcome, Deferred)

    @property
    def of_mailboxes(self) -> bool:
        """Does each speak of a mailbox, in words?"""
        return self.outcome.answer in SPEAKS_OF_ITSELF

    @property
    def limit(self) -> int:
        return ALIKE_MAILBOXES if self.of_mailboxes else ALIKE


class Refusals:
    """Of one campaign. `believed`: providers of whom a person said that their "no such mailbox" is true."""

    def __init__(self) -> None:
        self.believed: frozenset[str] = frozenset()
        self._groups: dict[tuple[str, str], RefusalGroup] = {}
        self._waiting = 0

    def __len__(self) -> int:
        return self._waiting

    def is_believed(self, provider: str, outcome: Deferred | Refused) -> bool:
        return provider in self.believed and outcome.answer in SPEAKS_OF_ITSELF

    def note(self, provider: str, outcome: Deferred | Refused, item: object) -> RefusalGroup | None:
        """One more. A group: that was one too many of them, so the provider refuses us."""
        group = self._groups.setdefault((provider, like(outcome)), RefusalGroup(provider, outcome))
        group.waiting.append((item, outcome))
        group.count += 1
        self._waiting += 1
        return self.take(group) if group.count >= group.limit else None

    @property
    def groups(self) -> list[RefusalGroup]:
        return list(self._groups.values())

    def of_provider(self, provider: str) -> list[RefusalGroup]:
        """All that it said, in whatever words, waits no longer: it accepted an email, so what it said to others was
        theirs, or it was put off."""
        return [self.take(group) for group in list(self._groups.values()) if group.provider == provider]

    def too_many(self) -> Iterator[RefusalGroup]:
        """The oldest, while more are waiting than may; first those of domains that are no large provider's."""
        while self._waiting > MOST_WAITING:
            groups = list(self._groups.values())
            yield self.take(next((group for group in groups if group.provider.startswith("@")), groups[0]))

    def take_all(self) -> list[RefusalGroup]:
        return [self.take(group) for group in list(self._groups.values())]

    def take(self, group: RefusalGroup) -> RefusalGroup:
        """It waits no longer."""
        del self._groups[group.provider, like(group.outcome)]
        self._waiting -= len(group.waiting)
        return group


def of(recipient: str) -> str:
    """The mailbox provider of a recipient."""
    return mailbox_provider(recipient)


# --- what is missing, for people ---

# The first that fits names what to mend. Of DMARC first: its answers name SPF and DKIM as well.
_MISSING = tuple(
    (code, re.compile(words, re.IGNORECASE))
    for code, words in (
        ("dmarc", r"\bDMARC\b|5\.7\.(40|32|31|509)\b|not aligned"),
        ("authentication", r"\bSPF\b.*\bDKIM\b|\bDKIM\b.*\bSPF\b|unauthenticated|authentication (level|requirements)"),
        ("spf", r"\bSPF\b|sender policy framework|5\.7\.2[34]\b"),
        ("dkim", r"\bDKIM\b|5\.7\.2[0-2]\b"),
        ("ptr", r"\bPTR\b|reverse dns|\brDNS\b|5\.7\.25\b"),
        ("tls", r"\bTLS\b"),
        (
            "listed",
            r"block ?list|black ?list|banned|\blisted\b|spamhaus|\[BL\d+\]|blocked using|\bS\d{4}\b|spam statistics",
        ),
        ("spam", r"spam|unsolicited|suspicious|reputation"),
    )
)

# Mailbox providers by their own names; the others are called by their domain.
NAMES = {
    "gmail": "Gmail",
    "outlook": "Outlook",
    "yahoo": "Yahoo",
    "icloud": "iCloud",
    "mailru": "Mail.ru",
    "yandex": "Yandex",
    "proton": "Proton",
    "gmx": "GMX",
    "rambler": "Rambler",
    "ukrnet": "ukr.net",
    "seznam": "Seznam",
    "wp": "WP.pl",
    "onet": "Onet",
    "inboxlv": "Inbox.lv",
    "free": "Free",
    "orange": "Orange",
    "tonline": "T-Online",
}

# The provider's name, the count and its words are filled in; the doors translate. "mailbox" speaks of mailboxes.
REASONS = {
    "dmarc": "{provider} rejects our emails, {count} in the same words ({answer}). The DMARC record of the sender "
    "domain is missing or isn’t met. An admin has to publish the record shown under Domains.",
    "authentication": "{provider} rejects our emails, {count} in the same words ({answer}). SPF or DKIM of the "
    "sender domain is missing or fails. An admin has to publish the records shown under Domains.",
    "spf": "{provider} rejects our emails, {count} in the same words ({answer}). The SPF record of the sender "
    "domain is missing or doesn’t include the sending server. An admin has to publish the record shown "
    "under Domains.",
    "dkim": "{provider} rejects our emails, {count} in the same words ({answer}). The DKIM record of the sender "
    "domain is missing or the signature fails. An admin has to publish the record shown under Domains.",
    "ptr": "{provider} rejects our emails, {count} in the same words ({answer}). The sending server’s address has "
    "no matching PTR record (reverse DNS). Ask the hosting company of that address to set it.",
    "tls": "{provider} rejects our emails, {count} in the same words ({answer}). They arrived there without "
    "encryption (TLS). Ask the sending provider.",
    "listed": "{provider} rejects our emails, {count} in the same words ({answer}). The sending server’s address "
    "or the sender domain is on a block list. Ask to be removed there, or ask the sending provider.",
    "spam": "{provider} rejects our emails as spam, {count} in the same words ({answer}). Check the content. An "
    "admin can check SPF, DKIM and DMARC under Domains. {provider}’s postmaster can say more.",
    "policy": "{provider} rejects our emails, {count} in the same words ({answer}). An admin can check SPF, DKIM "
    "and DMARC under Domains. {provider}’s postmaster can say more.",
    "mailbox": "{provider} says of {count} subscribers in a row, with nobody accepted in between, that their "
    "mailboxes don’t exist or don’t work ({answer}). Ask a few of them another way. If you resume and "
    "get the same answer, they count as bounced.",
}


# What the sender's domain lacks, whoever is asked.
RECORDS = ("dmarc", "authentication", "spf", "dkim")


def reason(outcome: Deferred | Refused) -> str:
    """A code of REASONS."""
    if outcome.answer in SPEAKS_OF_ITSELF:
        return "mailbox"
    return next((code for code, words in _MISSING if words.search(outcome.text)), "policy")
