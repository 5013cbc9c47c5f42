"""Notices of failure in prose, as mail servers wrote them before the standard and as many do today.

Nearly all have the same form: a sentence, the recipients each at the beginning of a line with the reason behind it, a
line that says that the message follows, the message. What differs is in dialects.py.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from msgspec import structs

from samizdat.core.bounce import addresses, dialects, other_languages, reasons, replies, verdict
from samizdat.core.bounce.delivery_status import answers_data
from samizdat.core.bounce.mime import Part, decoded
from samizdat.core.bounce.phrases import folded
from samizdat.core.bounce.report import ReportEvent
from samizdat.core.bounce.verdict import ServerWords

# In prose a person reads as many, and each costs a walk over the text.
MOST_RECIPIENTS = 100
# Characters of a text in which recipients and their reasons stand.
TEXT_READ = 30_000

# --- where the message begins that came back ---

# Headers that begin a message.
_HEADERS = re.compile(
    r"^(?:Return-Path: ?<|Received: (?:from|by|\()|X-Originating-IP: |DKIM-Signature: |Message-ID: ?<|MIME-Version: 1)",
    re.MULTILINE | re.IGNORECASE,
)
HEADER_LINE = re.compile(
    r"^[ \t>]{0,8}(?:Received|From|To|Date|Subject|Message-I[Dd]|Return-[Pp]ath|MIME-Version|X-[\w-]{1,40}|"
    r"DKIM-Signature|Sender|Reply-To)[ \t]?:",
    re.MULTILINE | re.IGNORECASE,
)


def cut(text: str) -> tuple[str, str]:
    """(what the server says, what came back)."""
    lower = text.lower()
    ends = len(text)
    for mark in dialects.MARKS if text.isascii() else dialects.MARKS + other_languages.MARKS:
        if (at := lower.find(mark, 30, ends)) >= 0:
            ends = _line_with(mark, text, lower, at, ends)
    match = _HEADERS.search(text, 0, ends)
    if match and match.start() > 40:
        ends = match.start()
    return text[: min(ends, TEXT_READ)], text[ends:]


def _line_with(mark: str, text: str, lower: str, at: int, before: int) -> int:
    """Where the line begins that has this mark and ends the server's own words. at: where the mark is first."""
    for _ in range(20):
        if at < 0:
            break
        line_end = text.find("\n", at)
        if line_end < 0 or line_end >= len(text) - 20:
            break
        begins = text.rfind("\n", 0, at) + 1
        if _is_mark(text[begins:line_end].strip(), text[line_end : line_end + 400]):
            return begins
        at = lower.find(mark, at + 1, before)
    return before


def _is_mark(line: str, behind: str) -> bool:
    """A line drawn across, or one with headers behind it; not a sentence as "it was sent back with the …"."""
    return len(line) <= 120 and (line.startswith(("--", "**", "==", "__")) or HEADER_LINE.search(behind) is not None)


# --- is it one? ---

_SENDER = re.compile(
    r"\b(?:mailer[-_. ]?daemon|post[-_]?master|mail[-_ .]?deliver\w{1,6}|mail ?system|(?:mail|system) administrator|"
    r"internet mail delivery|delivery (?:system|subsystem|agent|service)|m(?:ail)?daemon|smtp|mailer|daemon|mmdf|"
    r"mail_daemon|sysadmin|imss|interscan|uucp|ndr|mta|non-?delivery|esafe|groupwise|mail-?gateway|mailgate|"
    r"администратор|microsoft exchange)\b|e500_smtp|smtp_mail|post_master",
    re.IGNORECASE,
)


def looks_like_one(message: Part, text: str) -> tuple[bool, str]:
    """(is it a notice, its dialect). A person may quote a bounce or speak of a quota, and a shop of a parcel that could
    not be delivered: the less its sender looks like a mail server, the more its words have to."""
    subject = decoded(message.get("subject")).lower()
    dialect = dialects.of(text)
    if "x-failed-recipients" in message.headers:
        return True, dialect or "Exim"
    if subject.startswith(("fwd:", "fw:", "wg:")):
        return False, ""
    by_subject = dialects.in_subject(subject)
    if by_server(message) or message.kind == "multipart/report":
        return by_subject or bool(dialect) or (_says_why(text) and not replies.is_automatic(message)), dialect
    if dialect == "Mailman":
        return True, dialect
    if subject.startswith(("re:", "aw:", "sv:")):
        return False, ""
    own_words = dialect not in ("", "prose")
    if message.get("return-path").strip() == "<>":
        return by_subject or own_words, dialect
    has_answer = verdict.STATUS.search(text[:5000]) is not None or verdict.REPLY.search(text[:5000]) is not None
    if not (by_subject and (own_words or (bool(dialect) and has_answer))):
        return False, dialect
    unquoted = "\n".join(line for line in text[:5000].split("\n") if not line.startswith(">"))
    return bool(recipients(unquoted, frozenset())), dialect


# Three numbers alone may be a version of a program.
_CODE = re.compile(r"(?<![\d.])[45]\d\d[ -]{1,2}#?[45]\.\d{1,2}\.\d{1,3}\b|[(#][45]\.\d{1,2}\.\d{1,3}\b")


def _says_why(text: str) -> bool:
    """A code or a reason that is about a recipient, in whatever language the rest is."""
    if _CODE.search(text[:5000]):
        return True
    strong = reasons.by_words(reasons.normalized(text)).strong
    return strong is not None and strong.fault == "recipient"


def is_receipt(message: Part, text: str) -> bool:
    """Does it say that the message arrived, and of nobody that it did not?"""
    lower = folded(f"{decoded(message.get('subject'))}\n{text[:1500]}".lower())
    return _any(lower, dialects.DELIVERED, other_languages.DELIVERED) and not (
        verdict.REPLY.search(text[:5000])
        or "error" in lower
        or "failed" in lower
        or _any(lower, other_languages.NOT_DELIVERED)
    )


def by_server(message: Part) -> bool:
    """Does it come from a mail server, as its From header says? An empty return path has also who is away."""
    sender = decoded(message.get("from"))[:500]
    return _SENDER.search(sender) is not None or not sender.strip(" <>")


def behind_filter(message: Part) -> bool:
    """Was it written by a gateway that looks at messages and knows no mailboxes?"""
    names = f"{message.get('x-mailer')[:200]} {'mcafee' if 'x-nai-header' in message.headers else ''}".lower()
    return any(mark in names for mark in ("surfcontrol", "m-filter", "mcafee"))


# --- whom does it name? ---

_AT_BEGINNING = re.compile(
    r"^[ \t>*|•·-]{0,16}(?:\d{3}[ -](?:\d\.\d\.\d )?)?"
    r"(?:(?:RFC822|SMTP|(?:Recipient|Original|Failed|Addressed)? ?(?:To|address)|Recipient|User|E-?mail)"
    r"[ \t]{0,4}[:;=][ \t]{0,8})?[\"'<(\[]{0,2}"
    r"((?:[\w!#$%&*+/=?^`{|}~'-][\w.!#$%&*+/=?^`{|}~'-]{0,100})@(?:[\w#-]{1,63}\.){0,8}[\w-]{1,63})"
    r"[\"'>)\]]{0,2}(?!\s{0,3}for (?:assistance|help|further))",
    re.MULTILINE | re.IGNORECASE,
)
# Words before whoever is no recipient.
_NOT_RECIPIENT = (
    *("from", "sender", "sent by", "contact", "reply-to", "email us at", "e-mail us at", "message-id", "message id"),
    *("send mail to", "send email to", "send e-mail to", "send a message to", "forward this", "questions"),
    *("assistance", "help", "support", "write to", "return-path"),
)
# Whom to ask, not who was written to.
_DESK = re.compile(
    r"(?:postmaster|mailer-daemon|abuse|hostmaster|webmaster|support|help|helpdesk|anti-?spam|spam|admin|administrator|"
    r"no-?reply|itsupport|servicedesk|feedback|security|unblock|whitelist|blocked|delist)@",
    re.IGNORECASE,
)
# What stands before the recipient in the midst of a sentence.
_CUE = re.compile(
    r"(?:\b(?:to|for|recipient|address|user|mailbox|account|userid|an|für|адрес|адреса|адресу|получател\w{1,3}|list)|"
    r"[:=(<«\[\"'：（「【])\s{0,3}[<(\"'\[«]{0,2}$",
    re.IGNORECASE,
)


class Named(NamedTuple):
    """`start`: of its line or of itself; `begins`: of itself."""

    address: str
    start: int
    begins: int


def recipients(text: str, not_these: frozenset[str]) -> list[Named]:
    """Those at the beginning of a line, else those in between."""
    hits = (hit for start in _lines_with_at(text) if (hit := _AT_BEGINNING.match(text, start)))
    listed_here = [Named(addresses.clean(hit[1]), hit.start(), hit.start(1)) for hit in hits]
    listed_here = [named for named in listed_here if _may_be(named, text, not_these)]
    if not listed_here:
        inside = [Named(addresses.clean(hit[1]), hit.start(), hit.start()) for hit in addresses.ADDRESS.finditer(text)]
        cued = (named for named in inside if _CUE.search(text[max(0, named.begins - 30) : named.begins]))
        listed_here = [named for named in cued if _may_be(named, text, not_these)]
    return listed_here[: 4 * MOST_RECIPIENTS]


def _lines_with_at(text: str) -> Iterator[int]:
    """Where the lines begin that have an @: few, and no others name anybody."""
    at = text.find("@")
    while at >= 0:
        yield text.rfind("\n", 0, at) + 1
        end = text.find("\n", at)
        at = text.find("@", end) if end >= 0 else -1


def _may_be(named: Named, text: str, not_these: frozenset[str]) -> bool:
    host = named.address.rpartition("@")[2]
    if named.address.lower() in not_these or ("." not in host and "#" not in host):
        return False
    before = text[max(0, named.begins - 40) : named.begins].lower().rstrip("\"'<(").rstrip(" \t")
    if before.endswith((":", "=")):
        before = before[:-1].rstrip(" \t")
    return _DESK.match(named.address) is None and not before.endswith(_NOT_RECIPIENT)


def _only_stranger(text: str, not_these: frozenset[str]) -> list[str]:
    """Where nothing says what an address is, and there is a single one."""
    inside = [Named(addresses.clean(hit[1]), hit.start(), hit.start()) for hit in addresses.ADDRESS.finditer(text)]
    strangers = {named.address.lower(): named.address for named in inside if _may_be(named, text, not_these)}
    return list(strangers.values()) if len(strangers) == 1 else []


def own(message: Part, returned: dict[str, str]) -> frozenset[str]:
    """Addresses of ours, and of the server."""
    here = [message.get(name) for name in ("to", "from", "delivered-to", "envelope-to", "return-path")]
    there = [
        returned.get(name, "") for name in ("from", "return-path", "sender", "errors-to", "message-id", "reply-to")
    ]
    ours = {address.lower() for value in here + there for address in addresses.of_header(decoded(value))}
    to = {address.lower() for address in addresses.of_header(decoded(returned.get("to", "")))}
    return frozenset(ours - to if len(to) == 1 else ours)


def _spans(named: list[Named], text: str) -> dict[str, list[str]]:
    """Recipient in lower case -> the words from each mention to the next recipient."""
    spans: dict[str, list[str]] = {}
    end, following = len(text), ""
    for number in range(len(named) - 1, -1, -1):
        mention = named[number]
        if number + 1 < len(named) and named[number + 1].address.lower() != mention.address.lower():
            end, following = named[number + 1].start, named[number + 1].address.lower()
        if mention.address.lower() == following:
            continue
        spans.setdefault(mention.address.lower(), []).insert(0, text[mention.start : min(end, mention.start + 1500)])
    return spans


# --- what does it say of them? ---


def read(message: Part, text: str, returned: dict[str, str], dialect: str) -> list[ReportEvent]:
    """`text`: the server's words, cut from what came back. `returned`: headers of that."""
    ours = own(message, returned)
    text = _without_successes(text)
    if dialect == "Mailman":
        return [_of_list(message, text, ours)]
    failed = addresses.of_header(message.get("x-failed-recipients"))
    named = recipients(text, ours)
    if failed:
        known = {address.lower() for address in failed}
        named = [mention for mention in named if mention.address.lower() in known]
    spans = _spans(named, text)
    order = (
        failed
        or [mention.address for mention in named]
        or _local_parts(message, text)
        or _fallback(message, returned)
        or _only_stranger(text, ours)
    )
    order = list({address.lower(): address for address in order}.values())[:MOST_RECIPIENTS]
    if len(order) > 1:
        lines = [(line, line.lower()) for line in text.split("\n")[:1000]]
        events = [_one_of(address, spans, lines, text) for address in order]
    else:
        events = [_single(order[0] if order else None, text, spans, message)]
    written_to = frozenset(address.lower() for address in addresses.of_header(decoded(returned.get("to", ""))))
    return [_with_alias(event, spans, written_to) for event in events]


def _without_successes(text: str) -> str:
    """Sendmail lists those who got it, too."""
    at = text.lower().find("had successful delivery")
    if at < 0:
        return text
    next_line = text.find("\n   -----", at)
    return text[: text.rfind("\n", 0, at) + 1] + (text[next_line:] if next_line > 0 else "")


def _of_list(message: Part, text: str, ours: frozenset[str]) -> ReportEvent:
    """A list names itself first, and whom to ask further down."""
    named = next((addresses.clean(hit[1]) for hit in addresses.ADDRESS.finditer(text)), None)
    return _single(None if named is None or named.lower() in ours else named, text, {}, message)


def _single(address: str | None, text: str, spans: dict[str, list[str]], message: Part) -> ReportEvent:
    heard = " ".join(spans.get((address or "").lower(), [])[:1]) or text[:3000]
    around = text[:1800] + "\n" + decoded(message.get("subject"))
    after_data = behind_filter(message) or answers_data(heard, text)
    return verdict.event(address, ServerWords(heard, around, "", after_data, _delayed(text)))


def _one_of(address: str, spans: dict[str, list[str]], lines: list[tuple[str, str]], text: str) -> ReportEvent:
    lower = address.lower()
    heard = "\n".join(spans.get(lower, [])[:4])
    around = "\n".join([line for line, in_lower in lines if lower in in_lower][:8]) or text[:1800]
    return verdict.event(address, ServerWords(heard, around, "", answers_data(heard, ""), _delayed(text)))


def _delayed(text: str) -> bool:
    return _any(" ".join(folded(text[:2000].lower()).split()), dialects.DELAYED, other_languages.DELAYED)


def _any(lower: str, *phrases: tuple[str, ...]) -> bool:
    for several in phrases:
        for phrase in several:
            if phrase in lower:
                return True
    return False


_EXPANDED = re.compile(
    r"\((?:expanded|ultimately generated|generated|aliased) from:?\s{1,8}([^()\n]{3,200})\)", re.IGNORECASE
)


def _with_alias(event: ReportEvent, spans: dict[str, list[str]], written_to: frozenset[str]) -> ReportEvent:
    """An alias that the server names beside the recipient: we wrote to it if the message did."""
    match = _EXPANDED.search("\n".join(spans.get((event.recipient or "").lower(), [])[:1])[:400])
    alias = addresses.first(match[1]) if match else None
    if alias is None or event.recipient is None:
        return event
    if alias.lower() in written_to:
        return structs.replace(event, recipient=alias, also=(event.recipient,))
    return structs.replace(event, also=(alias,))


_BARE = re.compile(r"^[ \t]{1,16}([a-z0-9][\w.+-]{1,40})[ \t]*$", re.MULTILINE | re.IGNORECASE)


def _local_parts(message: Part, text: str) -> list[str]:
    """AOL names its own by their local parts, below a sentence that says so."""
    sender = addresses.of_header(decoded(message.get("from")))
    if "your mail to the following recipients could not be delivered" not in text.lower() or not sender:
        return []
    return [f"{name}@{sender[0].rpartition('@')[2]}" for name in _BARE.findall(text)[:MOST_RECIPIENTS]]


def _fallback(message: Part, returned: dict[str, str]) -> list[str]:
    """Where the words name nobody: to whom the message went that came back."""
    for name in ("x-actual-recipient", "to", "x-rcpt-to", "delivered-to", "envelope-to", "apparently-to", "cc"):
        written_to = addresses.of_header(decoded(returned.get(name, "")))
        if written_to:
            return written_to[:1]
    return addresses.of_header(decoded(message.get("subject")))[:1]
