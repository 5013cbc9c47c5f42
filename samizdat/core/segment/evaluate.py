"""Whether one subscriber is in a segment."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta

from samizdat.core import fields
from samizdat.core.segment.tree import (
    ABOVE,
    BELOW,
    DATE_OPS,
    NUMBER_OPS,
    YES_OPS,
    All,
    Any,
    CampaignCondition,
    ConsentCondition,
    DayCondition,
    FieldCondition,
    FundraisingCondition,
    LanguageCondition,
    Leaf,
    ListCondition,
    Not,
    ProviderCondition,
    ShareCondition,
    TagCondition,
    Tree,
)


@dataclass(frozen=True, slots=True)
class SubscriberFacts:
    """What is known of one subscriber.

    lists: list -> (status, reason of its verdict, one of REASONS); fields: number -> text; confirmed: days of her
    confirmations; campaigns: those of which her letter was accepted; appeals: the lists for which she agreed to
    appeals for money.
    """

    number: int = 0
    tags: Collection[int] = frozenset()
    language: str = ""
    provider: str = "other"
    joined: date = date.min
    confirmed: Collection[date] = ()
    lists: Mapping[int, tuple[str, str]] = field(default_factory=dict)
    fields: Mapping[int, str] = field(default_factory=dict)
    campaigns: Collection[int] = frozenset()
    appeals: Collection[int] = frozenset()


def test(tree: Tree, facts: SubscriberFacts, today: date) -> bool:
    """Is this subscriber in the segment on this day?"""
    match tree:
        case All(parts):
            return all(test(part, facts, today) for part in parts)
        case Any(parts):
            return any(test(part, facts, today) for part in parts)
        case Not(part):
            return not test(part, facts, today)
    return _holds(tree, facts, today)


def _holds(leaf: Leaf, facts: SubscriberFacts, today: date) -> bool:
    match leaf:
        case TagCondition(id):
            return id in facts.tags
        case LanguageCondition(code):
            return facts.language == code
        case ProviderCondition(name):
            return facts.provider == name
        case ListCondition(id, status):
            rows = facts.lists.values() if id == 0 else [facts.lists[id]] if id in facts.lists else []
            return any(not status or row[0] == status for row in rows)
        case ConsentCondition(id, state):
            rows = facts.lists.values() if id == 0 else [facts.lists[id]] if id in facts.lists else []
            return any(row[1] == state for row in rows)
        case FundraisingCondition(id):
            return id in facts.appeals if id else bool(facts.appeals)
        case DayCondition():
            days = [facts.joined] if leaf.what == "joined" else facts.confirmed
            return any(_within(day, *span(leaf, today)) for day in days)
        case FieldCondition():
            return compares(leaf)(facts.fields.get(leaf.number, ""))
        case CampaignCondition(id):
            return id in facts.campaigns
        case ShareCondition():
            return in_share(facts.number, leaf)


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


def _within(day: date, first: date | None, last: date | None) -> bool:
    return (first is None or first <= day) and (last is None or day <= last)


# x = (number + seed) * FACTOR, and x cubed is spread evenly for numbers in a row; all of it modulo PRIME. Each step
# stays below 2**63, so that both databases can do it: SQLite would go on in floating point, and PostgreSQL stop.
PRIME, FACTOR = 2_147_483_647, 1_103_515_245


def in_share(number: int, share: ShareCondition) -> bool:
    """Is the subscriber of this number in the random part? Neither order nor time of joining decides."""
    x = (number % PRIME + share.seed) % PRIME * FACTOR % PRIME
    return x * x % PRIME * x % PRIME < share_below(share)


def share_below(share: ShareCondition) -> int:
    return PRIME * share.percent // 100


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
