"""From what a server said about one recipient to an event: words, then status, then digits."""

# ruff: noqa: E501  (tables, and Chinese characters count twice)

import re
from typing import NamedTuple

from samizdat.core.bounce.reasons import BY_NAME, DELAYED, Reason, by_words, normalized
from samizdat.core.bounce.report import ReportEvent
from samizdat.core.mail import outcome

# Not a part of an address of a machine, as 5.2.2.1. What stands before the first digit is asked behind it, so that the
# search jumps from digit to digit: a third of the time.
STATUS = re.compile(r"([245](?<![\d.].)\.\d{1,3}\.\d{1,3})(?![\d]|\.\d)")
REPLY = re.compile(r"([45](?<![\d.\w@-].)\d\d)(?=[ \-:,#]{1,3}(?:\S|$)|$)", re.MULTILINE)

# What a status says where the words say nothing (RFC 3463, and numbers that large servers made up).
_BY_STATUS = {
    "1.0": "user_unknown", "1.1": "user_unknown", "1.2": "host_unknown", "1.3": "user_unknown", "1.4": "user_unknown", "1.6": "moved",
    "1.7": "sender", "1.8": "sender", "1.9": "policy", "1.10": "user_unknown", "2.0": "filtered", "2.1": "disabled", "2.2": "mailbox_full", "2.3": "too_big",
    "2.4": "system", "3.1": "system", "3.2": "system", "3.3": "system", "3.4": "too_big", "3.5": "system",
    "4.0": "expired", "4.1": "expired", "4.2": "expired", "4.3": "system", "4.4": "host_unknown", "4.5": "connections", "4.6": "system", "4.7": "expired",
    "5.1": "malformed", "5.2": "malformed", "5.3": "rate", "5.4": "malformed", "5.5": "malformed", "6.0": "malformed", "6.1": "malformed", "6.3": "malformed", "6.7": "malformed",
    "7.1": "policy", "7.2": "sender", "7.7": "policy", "7.8": "sender", "7.9": "authentication", "7.13": "disabled", "7.17": "user_unknown",
}  # fmt: skip
# What the table of session answers calls it.
_BY_ANSWER = {
    "full": "mailbox_full", "no_such_mailbox": "user_unknown", "policy": "policy", "content": "spam", "size": "too_big", "greylisted": "expired", "throttled": "rate",
    "route": "blocked", "network": "expired", "config": "sender", "utf8": "malformed", "inactive": "disabled", "system": "system", "provider": "blocked",
}  # fmt: skip


# Their weaker words stand in any sentence about a failure.
_TOO_COMMON = frozenset(
    {"malformed", "policy", "system", "sender", "tls", "virus", "spam", "blocked", "filtered", "rate"}
)


class ServerWords(NamedTuple):
    """About one recipient: the server's words, the human words around them, `status` of its own field, whether the
    words answer DATA, whether it's only a warning."""

    text: str
    around: str = ""
    status: str = ""
    after_data: bool = False
    delayed: bool = False


def event(recipient: str | None, heard: ServerWords) -> ReportEvent:
    status, reply = codes(heard)
    reason = _reason(heard, status, reply)
    if reason.kind == "none":
        return ReportEvent("none", recipient, status or None, reply or None, "route", reason.name, heard.text[:500])
    if reason.name == "user_unknown" and status[2:] not in ("1.1", "1.10") and _hides(recipient, heard):
        reason = BY_NAME["filtered"]
    temporary = reply // 100 == 4 or (not reply and status.startswith("4"))
    kind, name, fault = reason.kind, reason.name, reason.fault
    if heard.delayed:
        kind, name = DELAYED.kind, DELAYED.name
    elif kind == "hard" and temporary:
        kind = "soft"
    if not status or status.endswith((".0.0", ".5.0", ".3.0")):
        status = f"{4 if temporary or heard.delayed else 5}.{reason.status}" if reason.name != "undefined" else status
    return ReportEvent(kind, recipient, status or None, reply or None, fault, name, heard.text[:500])


# With a reply 521 or 556 (RFC 7504). With others, large providers say that they block us.
_TAKES_NO_MAIL = ("", "0.0", "1.10", "3.2")
# What is unknown is not the recipient: it stands before or behind the words that say so.
_WE = (
    r"\b(?:sender|envelope|return[- ]?path|mail ?from|from address|helo|ehlo|client host|reverse|spf|dmarc|"
    r"your (?:domain|server|ip|host|mail server|sender))\b"
)
_OF_US = re.compile(
    rf"{_WE}(?:[^.;]|\.(?=\S)){{0,60}}\b(?:does not exist|doesn't exist|do not exist|unknown|not found|invalid|"
    r"not valid|not resolve|unresolvable|could not be found|cannot be found|has no)\b|"
    r"\b(?:can't find|cannot find|could not find|couldn't find|unable to find|unable to resolve|cannot resolve|invalid|"
    rf"unknown|non-?existent)\b(?:[^.;]|\.(?=\S)){{0,40}}{_WE}"
)

# Providers of phones whose filters say "user unknown" without naming whom; they name them when it's true.
_PHONES = ("ezweb.ne.jp", "docomo.ne.jp", "softbank.ne.jp", "vodafone.ne.jp", "au.com", "disney.ne.jp", "willcom.com")
_NOBODY = re.compile(r"\b5\d\d[ -](?:5\.\d\.\d )?(?:: ?user unknown|user unknown|'?unknown user)", re.IGNORECASE)


def _hides(recipient: str | None, heard: ServerWords) -> bool:
    """Does a filter hide behind "user unknown"? It's said after the recipient was taken, or by a gateway that looks at
    the message and knows no mailboxes."""
    if heard.after_data:
        return True
    by_phone = (recipient or "").lower().endswith(_PHONES) or heard.status == "5.2.0"
    return by_phone and _NOBODY.search(heard.text[:300]) is not None


def codes(heard: ServerWords) -> tuple[str, int]:
    """(status, reply): what the words say comes before the field, which many servers fill in without looking."""
    text = heard.text[:2000]
    inner = [reason for reason in STATUS.findall(text) if not reason.endswith(".0.0")]
    status = inner[0] if inner else heard.status
    replies = [int(reason) for reason in REPLY.findall(text)]
    if not replies and not heard.status:
        replies = [int(reason) for reason in REPLY.findall(heard.around[:2000])]
    return status, replies[0] if replies else 0


def _reason(heard: ServerWords, status: str, reply: int) -> Reason:
    text = normalized(heard.text)
    if status[2:] == "1.6" or reply == 551:
        return BY_NAME["moved"]  # "Not our user" is said there, too.
    if status[2:] in ("1.7", "1.8"):
        return BY_NAME["sender"]  # RFC 3463. "Unknown" and "no such domain" are said of it, too.
    said_words = by_words(text)
    around = by_words(normalized(heard.around)) if heard.around and said_words.strong is None else None
    reason = said_words.strong or (around.strong if around else None)
    if reason is not None and reason.kind == "hard" and _OF_US.search(text) is not None:
        return BY_NAME["sender"]
    if reason is None and reply in (521, 556) and status[2:] in _TAKES_NO_MAIL:
        reason = BY_NAME["not_accepting"]
    if reason is None and status:
        reason = BY_NAME.get(_BY_STATUS.get(status[2:], ""))
    if reason is None:
        reason = said_words.weak or _by_session(reply, status, text)
    if reason is None and around and around.weak and around.weak.name not in _TOO_COMMON:
        reason = around.weak
    return reason or BY_NAME["undefined"]


def _by_session(reply: int, status: str, text: str) -> Reason | None:
    """As the table of session answers has it; what only its last rows take says nothing."""
    if not reply:
        return None
    row = outcome.find_row("rcpt", reply, f"{status} {text}" if status else text)
    if row is None or row.source == "rule 1" or row.answer not in _BY_ANSWER:
        return None
    return BY_NAME[_BY_ANSWER[row.answer]]
