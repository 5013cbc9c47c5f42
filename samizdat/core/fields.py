"""Kinds of fields: what may stand in one, in which form it is kept, and the small number a readable one has.

A value is kept as text in the sealed blob, in the form that read() gives. What a file brought and does not fit stays as
it is: it is shown and marked, and has no readable number.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal

from samizdat.core.mail.names import leads_out

# Names stand in sealed rows: append only.
KINDS = ("text", "number", "date", "choice", "yesno", "address", "phone", "link", "language")

# Those whose values may be readable, for segments in the database: they tell one of few things, a number or a day.
# Texts, addresses and phone numbers name people and never may.
READABLE = frozenset({"number", "date", "choice", "yesno"})

# A readable number is kept in thousandths, a day as 20261125, a choice as its code, yes and no as 1 and 0.
THOUSANDTHS = 1000

# Merge tag -> what files of Mailchimp call a field that every list there has.
STANDARD_FIELDS = {
    "FNAME": "First Name",
    "LNAME": "Last Name",
    "ADDRESS": "Address",
    "PHONE": "Phone Number",
    "BIRTHDAY": "Birthday",
}

# Names that mean something else in a letter (core/content/mergetable.py), so no field may have them.
RESERVED_TAGS = frozenset(
    {
        "EMAIL",
        "TO",
        "DATE",
        "SUBJECT",
        "IF",
        "IFNOT",
        "ELSE",
        "ELSEIF",
        "ELIF",
        "END",
        "ENDIF",
        "INTERESTED",
        "ARCHIVE",
        "UNSUB",
        "UPDATE",
        "FORWARD",
        "REWARDS",
        "ABUSE",
        "UNIQID",
        "LIST",
        "USER",
        "MC",
        "SURVEY",
        "POLL",
        "HTML",
        "URL",
        "TRANSLATE",
    }
)

LONGEST = 1000
MOST_CHOICES = 200

# A letter says so much of a value: a name, a town, an amount. One editor writes into values what no second person has
# read, so nothing that leads somewhere is said either.
LONGEST_IN_LETTERS = 100
# And in an address so much: Mailchimp keeps at most 255 bytes of a field, and a value may stand in 2,000 addresses.
LONGEST_IN_ADDRESSES = 300
# Nearly all that stands in fields; it is asked for each message.
_PLAIN = re.compile(r"[\w '\u2019-]{0,100}")

YES, NO = "yes", "no"
_YES = frozenset({"yes", "y", "true", "1", "on", "x", "да", "д", "ja", "oui", "jā"})
_NO = frozenset({"no", "n", "false", "0", "off", "нет", "н", "nein", "non", "nē"})

_SENTENCES = {
    "bad_number": "This isn’t a number. Write it with digits, such as 12 or 12.5.",
    "bad_date": "This isn’t a date. Write it as year-month-day, such as 1984-05-23.",
    "bad_choice": "This isn’t one of the choices. Use one that the field offers.",
    "bad_yesno": "This is neither yes nor no. Write one of the two.",
    "bad_phone": "This isn’t a phone number. Write digits, with + and the country code first, such as +371 20000000.",
    "bad_link": "This isn’t a link. Start it with https:// or http://.",
    "bad_language": "This isn’t a language. Write its code of two or three letters.",
    "too_long": "This is longer than a field allows (1,000 characters). Shorten it.",
    "missing": "This field is required. Fill it in.",
}
CODES = tuple(_SENTENCES)


class BadValue(ValueError):
    """A text that a field of this kind cannot hold. ``code`` is one of CODES; the text itself is not in it."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(_SENTENCES[code])


def read(kind: str, text: str, choices: Mapping[str, int] | None = None) -> str:
    """What somebody typed, in the one form in which it is kept; "" stays "".

    ``choices``: text of a choice -> its code. Errors: BadValue.
    """
    text = text.strip()
    if not text:
        return ""
    if len(text) > LONGEST:
        raise BadValue("too_long")
    if kind == "choice":
        return _choice(text, choices or {})
    reader = _READERS.get(kind)
    return reader(text) if reader else text


def in_letter(value: str) -> str:
    """A value as the text of a letter says it; "" where the stand-in is said."""
    return "" if unfit_for_letter(value) else value


def in_address(value: str) -> str:
    """A value as an address in a letter has it, whole or a part; "" where the stand-in is in there."""
    return value if len(value) <= LONGEST_IN_ADDRESSES else ""


def unfit_for_letter(value: str) -> str:
    """Why no letter says it: "long" or "link", which is a line break or a hidden sign as well; "" where it does."""
    if _PLAIN.fullmatch(value):
        return ""
    if len(value) > LONGEST_IN_LETTERS:
        return "long"
    return "link" if leads_out(value) else ""


def code(kind: str, text: str, choices: Mapping[str, int] | None = None) -> int | None:
    """The readable number of a kept text; None where it has none: empty, or not of its kind."""
    if kind not in READABLE:
        return None
    try:
        kept = read(kind, text, choices)
    except BadValue:
        return None
    if not kept:
        return None
    if kind == "number":
        return int((Decimal(kept) * THOUSANDTHS).to_integral_value())
    if kind == "date":
        return int(kept.replace("-", ""))
    if kind == "yesno":
        return int(kept == YES)
    return (choices or {})[kept]


def with_choices(known: Mapping[str, int], texts: Iterable[str], highest: int = 0) -> dict[str, int]:
    """Text -> code for the choices of a field, in their order. A text that had a code keeps it, a new one gets the
    next above all that were ever given (``highest``): a readable value must not come to mean something else."""
    following = max([highest, *known.values()]) + 1
    codes: dict[str, int] = {}
    for text in texts:
        if text in codes or not text:
            continue
        if text in known:
            codes[text] = known[text]
        else:
            codes[text], following = following, following + 1
    return codes


def _number(text: str) -> str:
    plain = re.sub(r"[\s\u00a0\u202f']", "", text).replace(",", ".")
    if not re.fullmatch(r"[+-]?\d{1,15}(\.\d{1,9})?", plain):
        raise BadValue("bad_number")
    shown = format(Decimal(plain), "f")
    shown = shown.rstrip("0").rstrip(".") if "." in shown else shown
    return "0" if shown in ("-0", "") else shown


def _day(text: str) -> str:
    """2026-11-25, 25.11.2026 (as in Russian and German) and 11/25/2026 (as Mailchimp writes it)."""
    for shape, order in (
        (r"(\d{4})-(\d{1,2})-(\d{1,2})(?:[T ].*)?", (1, 2, 3)),
        (r"(\d{1,2})\.(\d{1,2})\.(\d{4})", (3, 2, 1)),
        (r"(\d{1,2})/(\d{1,2})/(\d{4})", (3, 1, 2)),
    ):
        if match := re.fullmatch(shape, text):
            try:
                return date(*(int(match[place]) for place in order)).isoformat()
            except ValueError:
                break
    raise BadValue("bad_date")


def _choice(text: str, choices: Mapping[str, int]) -> str:
    if text in choices:
        return text
    for known in choices:
        if known.casefold() == text.casefold():
            return known
    raise BadValue("bad_choice")


def _yesno(text: str) -> str:
    word = text.casefold()
    if word in _YES:
        return YES
    if word in _NO:
        return NO
    raise BadValue("bad_yesno")


def _phone(text: str) -> str:
    digits = re.sub(r"[\s().\-\u2011/]", "", text)
    if not re.fullmatch(r"\+?\d{5,15}", digits):  # E.164 has fifteen at most
        raise BadValue("bad_phone")
    return digits


def _link(text: str) -> str:
    if not re.fullmatch(r"https?://[^\s/<>\"']+(/[^\s<>\"]*)?", text, re.IGNORECASE):
        raise BadValue("bad_link")
    return text


def _language(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,4})?", text):
        raise BadValue("bad_language")
    return text.replace("_", "-").lower()


_READERS = {
    "number": _number,
    "date": _day,
    "yesno": _yesno,
    "phone": _phone,
    "link": _link,
    "language": _language,
}
