"""The conditions of a segment, a class each: how it is stored, said and tested.

A new one is a class here, listed in KINDS, and beside the table that answers it its SQL
(audience/segments/sql.condition_sql). The form of the desk asks for it from web/audience/segment_builder.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Self

from samizdat.core import fields
from samizdat.core.consent import REASONS, STATUSES
from samizdat.core.crypto.seal import FIRST_FIELD
from samizdat.core.mail.address import PROVIDERS
from samizdat.core.segment.facts import SubscriberFacts
from samizdat.core.segment.tree import BadSegment, Condition, Name

LONGEST_VALUE = 200  # signs of a field's text
MOST_DAYS = 36_500  # a hundred years
HIGHEST = 2**63 - 1  # what a column of either database holds
KINDS_OF_DAYS = ("joined", "confirmed")
DAY_OPS = ("on", "before", "after", "last", "earlier")  # the last two count days back from today
TEXT_OPS = ("is", "contains", "begins", "filled")
NUMBER_OPS = ("equal", "less", "more")
DATE_OPS = ("on", "before", "after")
YES_OPS = ("yes",)
OPERATORS = (*TEXT_OPS, *NUMBER_OPS, *DATE_OPS, *YES_OPS)
# Kind of a field -> what it can be asked. Whoever has no value is in none of them.
OPS_OF_KIND = {
    "text": TEXT_OPS,
    "number": (*NUMBER_OPS, "filled"),
    "date": (*DATE_OPS, "filled"),
    "choice": ("is", "filled"),
    "yesno": (*YES_OPS, "filled"),
}
BELOW, ABOVE = ("less", "before"), ("more", "after")
WITHOUT_VALUE = frozenset({"filled", "yes"})


# -- what is read --


def _number(value: object, lowest: int = 1, highest: int = HIGHEST) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not lowest <= value <= highest:
        raise BadSegment("bad_value")
    return value


def _word(value: object, among: Collection[str]) -> str:
    if not isinstance(value, str) or value not in among:
        raise BadSegment("bad_value")
    return value


def _named(value: object, *names: str, optional: Collection[str] = ()) -> Mapping[str, object]:
    if not isinstance(value, Mapping) or not set(names) <= set(value) <= {*names, *optional}:
        raise BadSegment("bad_value")
    return value


_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def _day(value: object) -> date:
    if not isinstance(value, str) or not _DAY.fullmatch(value):
        raise BadSegment("bad_day")
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise BadSegment("bad_day") from None


# -- the conditions --


@dataclass(frozen=True, slots=True)
class TagCondition(Condition):
    """The subscriber carries this tag."""

    names = ("tag",)
    refers = ("tag", "")
    words = {
        "tag": "who has the tag {a}",
        "not tag": "who doesn’t have the tag {a}",
    }

    id: int

    @classmethod
    def read(cls, name: str, value: object) -> Self:
        return cls(_number(value))

    def json(self) -> dict[str, object]:
        return {"tag": self.id}

    def phrase(self, name: Name) -> tuple[str, str, str]:
        return "tag", name("tag", self.id), ""

    def holds(self, facts: SubscriberFacts, today: date) -> bool:
        return self.id in facts.tags


@dataclass(frozen=True, slots=True)
class LanguageCondition(Condition):
    """The subscriber reads this language; "" where none is known."""

    names = ("language",)
    words = {
        "language": "whose language is {a}",
        "not language": "whose language isn’t {a}",
        "no language": "whose language isn’t known",
        "not no language": "whose language is known",
    }

    code: str

    @classmethod
    def read(cls, name: str, value: object) -> Self:
        if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9_-]{0,8}", value):
            raise BadSegment("bad_value")
        return cls(value)

    def json(self) -> dict[str, object]:
        return {"language": self.code}

    def phrase(self, name: Name) -> tuple[str, str, str]:
        return ("language", name("language", self.code), "") if self.code else ("no language", "", "")

    def holds(self, facts: SubscriberFacts, today: date) -> bool:
        return facts.language == self.code


@dataclass(frozen=True, slots=True)
class ProviderCondition(Condition):
    """The subscriber's mailbox is with this provider."""

    names = ("provider",)
    words = {
        "provider": "whose mailbox provider is {a}",
        "not provider": "whose mailbox provider isn’t {a}",
    }

    name: str

    @classmethod
    def read(cls, name: str, value: object) -> Self:
        return cls(_word(value, PROVIDERS))

    def json(self) -> dict[str, object]:
        return {"provider": self.name}

    def phrase(self, name: Name) -> tuple[str, str, str]:
        return "provider", name("provider", self.name), ""

    def holds(self, facts: SubscriberFacts, today: date) -> bool:
        return facts.provider == self.name


@dataclass(frozen=True, slots=True)
class ListCondition(Condition):
    """The subscriber stands on this list (0: on one at least) with this status ("": any)."""

    names = ("list",)
    refers = ("list", "id")
    words = {
        "list": "who is on {a} with any status",
        "not list": "who isn’t on {a} at all",
        "list pending": "who hasn’t confirmed {a} yet",
        "not list pending": "who isn’t unconfirmed on {a}",
        "list subscribed": "who is subscribed to {a}",
        "not list subscribed": "who isn’t subscribed to {a}",
        "list unsubscribed": "who unsubscribed from {a}",
        "not list unsubscribed": "who hasn’t unsubscribed from {a}",
        "list cleaned": "who is cleaned on {a} (address bounced)",
        "not list cleaned": "who isn’t cleaned on {a} (address bounced)",
        "list nonsubscribed": "who is on {a} without consent",
        "not list nonsubscribed": "who isn’t on {a} without consent",
    }

    list: int
    status: str = ""

    @classmethod
    def read(cls, name: str, value: object) -> Self:
        payload = _named(value, "id", "status")
        return cls(_number(payload["id"], 0), _word(payload["status"], ("", *STATUSES)))

    def json(self) -> dict[str, object]:
        return {"list": {"id": self.list, "status": self.status}}

    def phrase(self, name: Name) -> tuple[str, str, str]:
        return f"list {self.status}".strip(), name("list", self.list), ""

    def holds(self, facts: SubscriberFacts, today: date) -> bool:
        return any(not self.status or status == self.status for status, _reason in _standings(facts, self.list))


@dataclass(frozen=True, slots=True)
class ConsentCondition(Condition):
    """This is the verdict of consent.may for this list (0: for one at least)."""

    names = ("consent",)
    refers = ("list", "list")
    words = {
        "consent": "who can’t be emailed on {a} because {b}",
        "not consent": "for whom it isn’t true on {a} that {b}",
        "consent yes": "who can be emailed on {a}",
        "not consent yes": "who can’t be emailed on {a}",
    }

    list: int
    state: str = "yes"

    @classmethod
    def read(cls, name: str, value: object) -> Self:
        payload = _named(value, "list", "state")
        return cls(_number(payload["list"], 0), _word(payload["state"], REASONS))

    def json(self) -> dict[str, object]:
        return {"consent": {"list": self.list, "state": self.state}}

    def phrase(self, name: Name) -> tuple[str, str, str]:
        key = "consent yes" if self.state == "yes" else "consent"
        return key, name("list", self.list), name("reason", self.state)

    def holds(self, facts: SubscriberFacts, today: date) -> bool:
        return any(reason == self.state for _status, reason in _standings(facts, self.list))


def _standings(facts: SubscriberFacts, id: int) -> Iterable[tuple[str, str]]:
    """(status, reason of the verdict) on a list; 0: on each."""
    return facts.lists.values() if id == 0 else [facts.lists[id]] if id in facts.lists else []


@dataclass(frozen=True, slots=True)
class FundraisingCondition(Condition):
    """The subscriber agreed to appeals for money, beside the letters of this list (0: of one at least)."""

    names = ("appeals",)
    refers = ("list", "list")
    words = {
        "appeals": "who agreed to fundraising appeals from {a}",
        "not appeals": "who didn’t agree to fundraising appeals from {a}",
    }

    list: int = 0

    @classmethod
    def read(cls, name: str, value: object) -> Self:
        return cls(_number(_named(value, optional=("list",)).get("list", 0), 0))

    def json(self) -> dict[str, object]:
        return {"appeals": {"list": self.list}}

    def phrase(self, name: Name) -> tuple[str, str, str]:
        return "appeals", name("list", self.list), ""

    def holds(self, facts: SubscriberFacts, today: date) -> bool:
        return self.list in facts.appeals if self.list else bool(facts.appeals)


@dataclass(frozen=True, slots=True)
class DayCondition(Condition):
    """A day of the subscriber (`what`, one of KINDS_OF_DAYS) lies so to a day, or to today less so many days."""

    names = ("joined", "confirmed")
    words = {
        "joined on": "who joined on {a}",
        "joined before": "who joined before {a}",
        "joined after": "who joined after {a}",
        "joined last": "who joined in the last {a}",
        "joined earlier": "who joined at least {a} ago",
        "not joined on": "who didn’t join on {a}",
        "not joined before": "who didn’t join before {a}",
        "not joined after": "who didn’t join after {a}",
        "not joined last": "who didn’t join in the last {a}",
        "not joined earlier": "who joined less than {a} ago",
        "confirmed on": "who confirmed on {a}",
        "confirmed before": "who confirmed before {a}",
        "confirmed after": "who confirmed after {a}",
        "confirmed last": "who confirmed in the last {a}",
        "confirmed earlier": "who confirmed at least {a} ago",
        "not confirmed on": "who didn’t confirm on {a}",
        "not confirmed before": "who didn’t confirm before {a}",
        "not confirmed after": "who didn’t confirm after {a}",
        "not confirmed last": "who didn’t confirm in the last {a}",
        "not confirmed earlier": "who didn’t confirm at least {a} ago",
    }

    what: str
    op: str
    day: date | None = None
    days: int = 0

    @classmethod
    def read(cls, name: str, value: object) -> Self:
        payload = _named(value, "op", optional=("day", "days"))
        op = _word(payload["op"], DAY_OPS)
        if op in ("last", "earlier"):
            days = _named(payload, "op", "days")["days"]
            if isinstance(days, bool) or not isinstance(days, int) or not 1 <= days <= MOST_DAYS:
                raise BadSegment("bad_day")
            return cls(name, op, days=days)
        return cls(name, op, day=_day(_named(payload, "op", "day")["day"]))

    def json(self) -> dict[str, object]:
        when = {"day": self.day.isoformat()} if self.day else {"days": self.days}
        return {self.what: {"op": self.op, **when}}

    def phrase(self, name: Name) -> tuple[str, str, str]:
        return f"{self.what} {self.op}", name("day", self.day) if self.day else name("days", self.days), ""

    def holds(self, facts: SubscriberFacts, today: date) -> bool:
        first, last = span(self, today)
        days = [facts.joined] if self.what == "joined" else facts.confirmed
        return any((first is None or first <= day) and (last is None or day <= last) for day in days)


def span(leaf: DayCondition, today: date) -> tuple[date | None, date | None]:
    """First and last day that a condition on days holds for; None: open on that side."""
    one_day = timedelta(days=1)
    match leaf.op:
        case "last":  # today is the first of them
            return today - timedelta(days=leaf.days - 1), None
        case "earlier":
            return None, today - timedelta(days=leaf.days)
    day = leaf.day or today
    match leaf.op:
        case "before":
            return None, day - one_day if day > date.min else None
        case "after":
            return day + one_day if day < date.max else None, None
    return day, day


@dataclass(frozen=True, slots=True)
class FieldCondition(Condition):
    """What a field holds of their compares so (OPERATORS) with this text."""

    names = ("field",)
    refers = ("field", "number")
    words = {
        "field is": "whose {a} is {b}",
        "field contains": "whose {a} contains {b}",
        "field begins": "whose {a} begins with {b}",
        "field filled": "whose {a} is filled in",
        "field equal": "whose {a} is {b}",
        "field less": "whose {a} is less than {b}",
        "field more": "whose {a} is more than {b}",
        "field on": "whose {a} is {b}",
        "field before": "whose {a} is before {b}",
        "field after": "whose {a} is after {b}",
        "field yes": "whose {a} is yes",
        "not field is": "whose {a} isn’t {b}",
        "not field contains": "whose {a} doesn’t contain {b}",
        "not field begins": "whose {a} doesn’t begin with {b}",
        "not field filled": "whose {a} is empty",
        "not field equal": "whose {a} isn’t {b}",
        "not field less": "whose {a} isn’t less than {b}",
        "not field more": "whose {a} isn’t more than {b}",
        "not field on": "whose {a} isn’t {b}",
        "not field before": "whose {a} isn’t before {b}",
        "not field after": "whose {a} isn’t after {b}",
        "not field yes": "whose {a} isn’t yes",
    }

    number: int
    op: str
    value: str = ""

    @classmethod
    def read(cls, name: str, value: object) -> Self:
        payload = _named(value, "number", "op", optional=("value",))
        number, op = _number(payload["number"], FIRST_FIELD, 0xFFFF), _word(payload["op"], OPERATORS)
        text = payload.get("value", "")
        if not isinstance(text, str) or (op in WITHOUT_VALUE) != ("value" not in payload):
            raise BadSegment("bad_value")
        if len(text) > LONGEST_VALUE:
            raise BadSegment("long_value")
        if op in NUMBER_OPS and fields.code("number", text) is None:
            raise BadSegment("bad_number")
        if op in DATE_OPS:
            _day(text)
        if op in TEXT_OPS and op != "filled" and not text.strip():
            raise BadSegment("bad_value")
        return cls(number, op, text)

    def json(self) -> dict[str, object]:
        value = {} if self.op in WITHOUT_VALUE else {"value": self.value}
        return {"field": {"number": self.number, "op": self.op, **value}}

    def phrase(self, name: Name) -> tuple[str, str, str]:
        operand = name("day", date.fromisoformat(self.value)) if self.op in DATE_OPS else ""
        if self.op not in DATE_OPS and self.value:
            operand = name("text", self.value)
        return f"field {self.op}", name("field", self.number), operand

    def holds(self, facts: SubscriberFacts, today: date) -> bool:
        return compares(self)(facts.fields.get(self.number, ""))


def compares(leaf: FieldCondition) -> Callable[[str], bool]:
    """Text of a field -> does it compare so? Upper and lower case are one; an empty text is no value.

    Numbers, days and yes are compared by their readable numbers (core/fields), so that a field is asked the same
    whether it is sealed or not.
    """
    wanted = _folded(leaf.value)
    match leaf.op:
        case "filled":
            return lambda text: bool(text.strip())
        case "is":
            return lambda text: bool(text) and _folded(text) == wanted
        case "contains":
            return lambda text: bool(text) and wanted in _folded(text)
        case "begins":
            return lambda text: bool(text) and _folded(text).startswith(wanted)
    return _compares_code(coded(leaf.op), leaf.op, code_in(leaf))


def _folded(text: str) -> str:
    return text.strip().casefold()


def _compares_code(kind: str, op: str, wanted: int) -> Callable[[str], bool]:
    def holds(text: str) -> bool:
        code = fields.code(kind, text) if text else None
        if code is None:
            return False
        return code < wanted if op in BELOW else code > wanted if op in ABOVE else code == wanted

    return holds


def coded(op: str) -> str:
    """The kind of field whose readable numbers an operator compares; "" for those that compare texts."""
    return "number" if op in NUMBER_OPS else "date" if op in DATE_OPS else "yesno" if op in YES_OPS else ""


def code_in(leaf: FieldCondition) -> int:
    """The readable number that a condition compares with."""
    return 1 if leaf.op == "yes" else fields.code(coded(leaf.op), leaf.value) or 0


@dataclass(frozen=True, slots=True)
class CampaignCondition(Condition):
    """The subscriber's letter of this campaign was accepted by the next server."""

    names = ("campaign",)
    refers = ("campaign", "")
    words = {
        "campaign": "who was sent {a}",
        "not campaign": "who wasn’t sent {a}",
    }

    id: int

    @classmethod
    def read(cls, name: str, value: object) -> Self:
        return cls(_number(value))

    def json(self) -> dict[str, object]:
        return {"campaign": self.id}

    def phrase(self, name: Name) -> tuple[str, str, str]:
        return "campaign", name("campaign", self.id), ""

    def holds(self, facts: SubscriberFacts, today: date) -> bool:
        return self.id in facts.campaigns


@dataclass(frozen=True, slots=True)
class ShareCondition(Condition):
    """The subscriber belongs to a random part of everybody: percent of a hundred, chosen by seed (0 to 2**31 - 1)."""

    names = ("share",)
    words = {
        "share": "who is in a random sample of {a}%",
        "not share": "who isn’t in a random sample of {a}%",
    }

    percent: int
    seed: int

    @classmethod
    def read(cls, name: str, value: object) -> Self:
        payload = _named(value, "percent", "seed")
        return cls(_number(payload["percent"], 1, 99), _number(payload["seed"], 0, 2**31 - 1))

    def json(self) -> dict[str, object]:
        return {"share": {"percent": self.percent, "seed": self.seed}}

    def phrase(self, name: Name) -> tuple[str, str, str]:
        return "share", str(self.percent), ""

    def holds(self, facts: SubscriberFacts, today: date) -> bool:
        return in_share(facts.number, self)


# x = (number + seed) * FACTOR, and x cubed is spread evenly for numbers in a row; all of it modulo PRIME. Each step
# stays below 2**63, so that both databases can do it: SQLite would go on in floating point, and PostgreSQL stop.
PRIME, FACTOR = 2_147_483_647, 1_103_515_245


def in_share(number: int, share: ShareCondition) -> bool:
    """Is the subscriber of this number in the random part? Neither order nor time of joining decides."""
    x = (number % PRIME + share.seed) % PRIME * FACTOR % PRIME
    return x * x % PRIME * x % PRIME < share_below(share)


def share_below(share: ShareCondition) -> int:
    return PRIME * share.percent // 100


KINDS: tuple[type[Condition], ...] = (
    TagCondition,
    LanguageCondition,
    ProviderCondition,
    ListCondition,
    ConsentCondition,
    FundraisingCondition,
    DayCondition,
    FieldCondition,
    CampaignCondition,
    ShareCondition,
)
# By their names in JSON.
BY_NAME = {name: kind for kind in KINDS for name in kind.names}
