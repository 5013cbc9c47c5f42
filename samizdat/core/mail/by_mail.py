"""What somebody asks for by a plain email: a word behind a plus in the address, or the first of the subject."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from samizdat.core.bounce import addresses, replies
from samizdat.core.bounce.mime import Part, Unreadable, decoded, in_charset, split
from samizdat.core.mail.dkim_check import DkimSignature, signatures

# Word -> (what is asked for, how). Of each language the first one stands in what we write.
_WORDS: dict[str, tuple[str, str]] = {
    "subscribe": ("subscribe", ""),
    "join": ("subscribe", ""),
    "подписаться": ("subscribe", ""),
    "подписка": ("subscribe", ""),
    "leave": ("leave", ""),
    "unsubscribe": ("leave", ""),
    "stop": ("leave", ""),
    "отписаться": ("leave", ""),
    "отписка": ("leave", ""),
    "стоп": ("leave", ""),
    "pause": ("pause", ""),
    "пауза": ("pause", ""),
    "all": ("often", "all"),
    "все": ("often", "all"),
    "monthly": ("often", "monthly"),
    "ежемесячно": ("often", "monthly"),
    "digest": ("often", "digest"),
    "дайджест": ("often", "digest"),
    "language": ("language", ""),
    "язык": ("language", ""),
    "text": ("format", "t"),
    "текст": ("format", "t"),
    "html": ("format", ""),
    "data": ("data", ""),
    "данные": ("data", ""),
    "help": ("help", ""),
    "помощь": ("help", ""),
}
# What stands first in an answer to a mail that asks: nothing else is a yes, so that no automatic reply is one.
YES = frozenset({"yes", "да", "так", "confirm", "подтверждаю", "yes please", "да подтверждаю"})
# Lists and bulk mail are never answered (RFC 3834, section 2).
_LISTS = ("list-id", "list-post", "list-unsubscribe", "x-loop")
_BULK = frozenset({"bulk", "list", "junk", "auto_reply", "auto-reply"})
_COMMAND = re.compile(r"(\w+)(?:[ +_-]([\w-]{1,40}))?")
_LANGUAGE = re.compile(r"[a-z]{2,3}")
# As numbers in tokens: append only.
_WHAT = ("leave", "pause", "often", "language", "format", "data", "help")
_OFTEN = ("all", "monthly", "digest")
# How old a message may be that asks for something, and how far ahead a clock.
OLD, AHEAD = timedelta(days=3), timedelta(hours=1)
# Days of a pause without a number.
DAYS = 30


@dataclass(frozen=True, slots=True)
class Command:
    """`what`: subscribe, leave, pause, often, language, format, data or help. `how`: of a subscription the address of
    its form, of a pause its days, of often a word of the preferences, a language, or wishes for the format."""

    what: str
    how: str = ""


@dataclass(frozen=True, slots=True)
class MailRequest:
    """What a message asks for, as far as it says so itself. `sender`: From, "" where it has none or several. `yes`: it
    begins with a word of YES."""

    sender: str
    to: tuple[str, ...]
    subject: str
    date: str
    yes: bool
    signatures: tuple[DkimSignature, ...]


def command(words: str) -> Command | None:
    """Of a whole subject, or of what stands behind a plus: "leave", "pause 14", "pause-14", "subscribe news". A subject
    with more words is a letter of a person."""
    match = _COMMAND.fullmatch(words.strip().lower())
    if match is None or match[1] not in _WORDS:
        return None
    (what, how), value = _WORDS[match[1]], match[2] or ""
    if what == "pause":
        return Command(what, value or str(DAYS)) if (value or "1").isdecimal() and len(value) < 4 else None
    if what == "language":
        return Command(what, value) if _LANGUAGE.fullmatch(value) else None
    if what == "subscribe":
        return Command(what, value)
    return Command(what, how) if not value else None


def numbered(asked: Command) -> int:
    """Below 2**32, for a token; a subscription has none. Errors: ValueError."""
    value = 0
    if asked.what == "pause":
        value = int(asked.how)
    elif asked.what == "often":
        value = _OFTEN.index(asked.how)
    elif asked.what == "language":
        value = sum((ord(letter) - 96) * 27**at for at, letter in enumerate(asked.how))
    elif asked.what == "format":
        value = int(asked.how == "t")
    return _WHAT.index(asked.what) << 16 | value


def of_number(number: int) -> Command | None:
    place, value = number >> 16, number & 0xFFFF
    what = _WHAT[place] if place < len(_WHAT) else ""
    if what == "pause":
        return Command(what, str(value))
    if what == "often":
        return Command(what, _OFTEN[value]) if value < len(_OFTEN) else None
    if what == "language":
        return Command(what, "".join(chr(96 + value // 27**at % 27) for at in range(3)).rstrip("`"))
    return Command(what, "t" if what == "format" and value else "") if what else None


def is_recent(date: str, now: datetime) -> bool:
    """By its Date, which is signed."""
    try:
        at = parsedate_to_datetime(date)
    except (ValueError, TypeError):
        return False
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return now - OLD <= at <= now + AHEAD


def read(raw: bytes) -> MailRequest | None:
    """None for what is never answered: from a program, from a list, from nobody."""
    try:
        message = split(raw)
    except Unreadable:
        return None
    if _is_from_program(message):
        return None
    to = [address for name in ("to", "cc") for address in addresses.of_header(message.get(name))]
    return MailRequest(
        sender_of(message.get("from")),
        tuple(to[:20]),
        decoded(message.get("subject"))[:200],
        message.get("date")[:100],
        _says_yes(message),
        signatures(raw),
    )


def read_all(raws: Sequence[bytes]) -> tuple[MailRequest | None, ...]:
    return tuple(read(raw) for raw in raws)


def sender_of(header: str) -> str:
    """The address of From, "" where it is not plain which one. Encoded words stay closed (RFC 2047, 6.2): what is in
    them is a name, also where it reads like an address."""
    text = in_charset(header.encode("latin-1", "replace"), "utf-8").strip()
    address = text.rpartition("<")[2].removesuffix(">").strip()
    return address if addresses.of_header(text) == [address] else ""


def _is_from_program(message: Part) -> bool:
    return (
        message.get("return-path").strip() == "<>"
        or replies.is_automatic(message)
        or any(name in message.headers for name in _LISTS)
        or message.get("precedence").strip().lower() in _BULK
    )


def _says_yes(message: Part) -> bool:
    """In its first line of words."""
    leaf = message
    while leaf.parts:
        leaf = leaf.parts[0]
    line = next((line for line in leaf.text[:2000].split("\n") if line.strip()), "")
    return not line.startswith(">") and " ".join(re.findall(r"\w+", line[:60].lower())) in YES
