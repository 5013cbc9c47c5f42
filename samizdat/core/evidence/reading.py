"""What one email of an old mailbox says. Whoever reads emails of strangers has neither keys nor a database: a process
of its own does it (limited_process)."""

import re
from collections.abc import Sequence
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from samizdat.core.bounce import addresses
from samizdat.core.bounce import reading as bounces
from samizdat.core.bounce.mime import (
    MOST_BYTES,
    MOST_HEADER,
    Part,
    Unreadable,
    decoded,
    headers_of,
    leaves,
    plain,
    split,
)
from samizdat.core.bounce.report import Report
from samizdat.core.evidence import authentication, digests
from samizdat.core.evidence.notices import SERVICE_DOMAINS, SERVICES
from samizdat.core.evidence.notices.base import NoticeKind, ServiceNotice, is_own, named_in
from samizdat.core.mail.address import is_at_or_below

ClaimKind = Literal["complaint", "left", "hard", "yes", "wrote"]
_CELL = re.compile(r"(?=</t[dh]\b)", re.IGNORECASE)
MOST_SUBJECT = 80  # characters of a subject that are kept
# Headers in which servers and people write whom an email is for.
_TO = ("delivered-to", "x-original-to", "envelope-to", "x-delivered-to", "to", "cc")


class MailClaim(Struct, frozen=True, omit_defaults=True):
    """What an email says of an address. `yes`: a notice says that they subscribed; whether that counts, fold decides.
    `wrote`: they wrote, which is no yes."""

    kind: ClaimKind
    address: str


class MailEvidence(Struct, frozen=True, omit_defaults=True):
    """`day`: when it came, as 2022-03-14, "" where nothing says. `ours`: whether it is addressed to the group. `sent`:
    whether the group wrote it. `source`: of a notice the service's name, "" of other mail. `sender`: of a notice, the
    domain in From. `server`, `passed`: see authentication. `unclear`: a notice whose meaning nobody knows.
    `subject`: of an email that says something, its first MOST_SUBJECT characters."""

    claims: tuple[MailClaim, ...] = ()
    day: str = ""
    ours: bool = False
    sent: bool = False
    source: str = ""
    sender: str = ""
    server: str | None = None
    passed: tuple[str, ...] = ()
    unclear: bool = False
    unreadable: bool = False
    subject: str = ""


class Rules(Struct, frozen=True):
    """What the group says of its mail. `own`: its addresses, or @ and a domain for all addresses there. `senders`:
    domains of its own that send notices. `means`: words of a subject, and what a notice with them says."""

    own: frozenset[str]
    senders: frozenset[str] = frozenset()
    means: tuple[tuple[str, NoticeKind], ...] = ()


def read_all(raws: Sequence[bytes], sizes: Sequence[int], rules: Rules) -> tuple[MailEvidence, ...]:
    """Of each email, from its first header on. sizes: of whole emails, where `raws` are their first bytes."""
    return tuple(read(raw, rules, size) for raw, size in zip(raws, sizes, strict=True))


def read(raw: bytes, rules: Rules, size: int | None = None) -> MailEvidence:
    inner = digests.emails_in(raw) if size is None or size <= MOST_BYTES else []
    try:
        return _of_digest(raw, inner, rules) if inner else _read(split(raw, size), raw, rules)
    except Unreadable:
        return MailEvidence(unreadable=True)


def _of_digest(raw: bytes, inner: Sequence[bytes], rules: Rules) -> MailEvidence:
    """What the emails in a digest say, on the day on which it came. Who sent them, nobody proves: anybody writes to a
    list, so a notice among them is no yes that counts."""
    headers, _body = headers_of(raw[:MOST_HEADER].decode("latin-1").replace("\r\n", "\n").lstrip("\n"))
    about = _about(Part(headers, ""), rules)
    claims: dict[MailClaim, None] = {}
    for email in inner:
        try:
            evidence = _read(split(email), email, rules)
        except Unreadable:
            continue
        claims |= dict.fromkeys(evidence.claims)
    subject = _subject(Part(headers, ""))[:MOST_SUBJECT] if claims else ""
    return replace(about, claims=tuple(claims), subject=subject, passed=())


def _read(message: Part, raw: bytes, rules: Rules) -> MailEvidence:
    sender, subject, about = _sender(message), _subject(message), _about(message, rules)
    domain = sender.rpartition("@")[2].lower()
    if _sends(rules.senders | SERVICE_DOMAINS, domain):
        notice, source = _notice(message, subject, domain, rules)
        if notice is not None:
            about = replace(about, source=source, sender=domain, subject=subject[:MOST_SUBJECT])
            return replace(about, claims=(MailClaim(notice.kind, notice.address),))
        if source:
            return replace(about, unclear=True, source=source)
    if sender and is_own(sender, rules.own) and not _is_report(message):
        return replace(about, sent=True)
    claims = tuple(_claims(bounces.read(raw)))
    return replace(about, claims=claims, subject=subject[:MOST_SUBJECT] if claims else "")


def _about(message: Part, rules: Rules) -> MailEvidence:
    """When it came, to whom, and who says so."""
    named = authentication.read(message.get("authentication-results"))
    to = (address for name in _TO for address in addresses.of_header(message.get(name)))
    ours = any(is_own(address, rules.own) for address in to)
    return MailEvidence((), _day(message), ours, server=named.server, passed=named.domains)


def _sender(message: Part) -> str:
    """The address in From: what stands in the last brackets, since the name before them may be an address too."""
    header = message.get("from")
    written = header.rpartition("<")[2] if "=?" in header else decoded(header).rpartition("<")[2]
    return next(iter(addresses.of_header(written)), "")


def _subject(message: Part) -> str:
    return " ".join(decoded(message.get("subject"))[:300].split())


def _notice(message: Part, subject: str, domain: str, rules: Rules) -> tuple[ServiceNotice | None, str]:
    """(what it says, the name of the service). The name alone: it is a service's, and what it means is unknown."""
    text = _text(leaves(message))
    kind = next((kind for words, kind in rules.means if words.lower() in subject.lower()), None)
    if kind is not None:
        address = named_in(subject, text, rules.own | {f"@{domain}"})
        return (ServiceNotice(kind, address) if address else None), domain
    unclear = ""
    for service in SERVICES:
        if not _sends(service.domains or rules.senders, domain):
            continue
        notice = service.read(subject, text, rules.own)
        if notice is not None:
            return notice, service.name
        unclear = service.name if service.domains else unclear
    return None, unclear


def _text(parts: list[Part]) -> str:
    """The words of a notice; in HTML the cells of a row stand apart."""
    first = next((part for part in parts if part.kind.startswith("text/")), None)
    if first is None or first.kind != "text/html":
        return bounces.text_of(parts)
    return plain(_CELL.sub(" ", first.source))


def _sends(domains: frozenset[str], domain: str) -> bool:
    return any(is_at_or_below(domain, above) for above in domains)


def _is_report(message: Part) -> bool:
    return "report" in message.get("content-type").lower() or message.get("return-path").strip() == "<>"


def _claims(report: Report) -> list[MailClaim]:
    """A failure that is about us, or passes, says nothing of an address."""
    claims: list[MailClaim] = []
    for event in report.events:
        if not event.recipient:
            continue
        if event.kind == "hard" and event.fault in (None, "recipient"):
            claims.append(MailClaim("hard", event.recipient))
        elif event.kind == "complaint":
            claims.append(MailClaim("complaint", event.recipient))
        elif event.kind == "unsubscribe" or (event.kind == "reply" and _leaves(report)):
            claims.append(MailClaim("left", event.recipient))
        elif event.kind == "reply" and event.reason == "person":
            claims.append(MailClaim("wrote", event.recipient))
    return claims[:100]


def _leaves(report: Report) -> bool:
    return report.content is not None and report.content.wants_to_leave


def _day(message: Part) -> str:
    """When the mailbox's server took it, since anybody can write a Date; "" where neither says a day."""
    for text in (message.get("received").rpartition(";")[2], message.get("date")):
        try:
            moment = parsedate_to_datetime(text.strip()[:100])
            if moment.tzinfo is not None:
                moment = moment.astimezone(UTC)
        except (ValueError, TypeError, OverflowError, IndexError):
            continue
        if 1990 <= moment.year <= 2100:
            return moment.date().isoformat()
    return ""
