"""Who sends complaints of their users to senders (feedback loops), and which complaint is surely theirs.

Whoever was forwarded an email of ours has all its tokens, and can write a complaint (RFC 5965) that carries them. So it
counts against a list only if the address of a feedback loop stands in From and its domain signed that with DKIM (RFC
6376): RFC 9477, 3.2, asks the same of reports. A signature of the domain alone would be no proof: anybody has an
address at Yahoo.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from samizdat.core.bounce.mime import Unreadable, split
from samizdat.core.mail.address import is_at_or_below
from samizdat.core.mail.by_mail import sender_of
from samizdat.core.mail.dkim_check import DkimSignature, signatures

# What stands in From, as providers and programs that read their reports have it.
ADDRESSES = frozenset(
    [
        "do-not-reply@junkemailfilter.com", "fbl@corp.mail.ru", "feedback@arf.mail.yahoo.com",
        "feedback@feedback.comcast.net", "feedbackloop@comcastfbl.senderscore.net",
        "feedbackloop@fbl-opensrs.app.returnpath.net", "feedbackloop@fbl.apps.rackspace.com",
        "feedbackloop@fbl.cox.net", "feedbackloop@fbl.fastmail.com", "feedbackloop@fbl.hostedemail.com",
        "feedbackloop@fbl.usa.net", "feedbackloop@feedback.bluetie.com", "feedbackloop@feedback.postmaster.rr.com",
        "feedbackloop@rackspacefbl.senderscore.net", "feedbackloop@yandexfbl.senderscore.net", "scomp@aol.net",
        "staff@hotmail.com",
    ]
)  # fmt: skip
# Domains of Validity (formerly Return Path), which runs the loops of several of these and has no users.
RUNNERS = ("returnpath.net", "senderscore.net", "validity.com")


@dataclass(frozen=True, slots=True)
class ComplaintOrigin:
    """What a complaint says of where it comes from. Nothing is proven by it."""

    sender: str
    signatures: tuple[DkimSignature, ...]


def read(raw: bytes) -> ComplaintOrigin | None:
    """None where From is the address of no feedback loop."""
    try:
        sender = sender_of(split(raw).get("from")).lower()
    except Unreadable:
        return None
    return ComplaintOrigin(sender, signatures(raw)) if sender in ADDRESSES else None


def read_all(raws: Sequence[bytes]) -> tuple[ComplaintOrigin | None, ...]:
    return tuple(map(read, raws))


def is_theirs(sender: str, domains: Iterable[str]) -> bool:
    """domains: those whose signatures hold."""
    host = sender.rpartition("@")[2]
    return sender in ADDRESSES and any(
        is_at_or_below(host, domain) or any(is_at_or_below(domain, runner) for runner in RUNNERS) for domain in domains
    )
