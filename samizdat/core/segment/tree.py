"""A segment as a tree of conditions, and what it asks for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import ClassVar, Self

from samizdat.core.segment.facts import SubscriberFacts

# Nobody reads a deeper segment, and a file that nests a million brackets must not exhaust the stack.
DEEPEST = 8
MOST_CONDITIONS = 200
LONGEST_JSON = 200_000

# Code -> what is wrong, then what to do.
SENTENCES = {
    "too_deep": "This segment has too many conditions, or they’re nested too deep. Split it into two segments.",
    "not_json": "This isn’t a segment: it’s not JSON, or it’s much too long. Write it like this: {'tag': 12}.",
    "one_name": "A condition has one name and one value. Write it like this: {'tag': 12}.",
    "unknown": "This segment contains an unknown condition. See the list of conditions in the handbook.",
    "bad_value": "A condition has a value that isn’t allowed. See the list of conditions in the handbook.",
    "long_value": "A field is compared with a text of more than 200 characters. Use a shorter one.",
    "bad_day": "Write dates like 2026-01-31, and numbers of days from 1 to 36,500.",
    "bad_number": "A field is compared as a number with something that isn’t one. Write it like 12 or 12.5.",
}


class BadSegment(ValueError):
    """Not a segment: `code` of SENTENCES. ``str()`` is a sentence that says what to do."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(SENTENCES[code])


# name(kind, value): "tag", "list", "field" and "campaign" with their numbers, "language" and "provider" with their
# codes, "reason" with one of consent.REASONS, "day" with a date, "days" with a number of them, "text" with a field's.
type Name = Callable[[str, object], str]


class Condition(ABC):
    """What can be asked of a subscriber. One class each in conditions.py: how it is stored, said and tested. Its SQL is
    registered by the app that owns the table (audience/segments/sql.condition_sql).
    """

    __slots__ = ()

    # In JSON. Whoever has the same questions under several names reads them with each.
    names: ClassVar[tuple[str, ...]]
    # What has a name of its own and is asked for by its number: ("tag" | "list" | "field" | "campaign", where that
    # stands in the JSON value; "": it is the value).
    refers: ClassVar[tuple[str, str] | None] = None
    # Clauses about somebody, each with its opposite ("not …"); {a} is a name, {b} a value.
    words: ClassVar[Mapping[str, str]]

    @classmethod
    @abstractmethod
    def read(cls, name: str, value: object) -> Self:
        """From the value of a JSON condition. Errors: BadSegment."""

    @abstractmethod
    def json(self) -> dict[str, object]:
        """{name: value}, for ever; read(name, value) gives the same."""

    @abstractmethod
    def phrase(self, name: Name) -> tuple[str, str, str]:
        """(key of `words`, {a}, {b})."""

    @abstractmethod
    def holds(self, facts: SubscriberFacts, today: date) -> bool:
        """Does it hold for this subscriber on this day?"""

    @property
    def reference(self) -> tuple[str, int] | None:
        """(kind, number) of what it asks for; None for nothing, and for all lists."""
        if self.refers is None:
            return None
        kind, place = self.refers
        ((_name, value),) = self.json().items()
        number = value[place] if place else value  # type: ignore[index]
        return (kind, number) if number else None  # type: ignore[return-value]


@dataclass(frozen=True, slots=True)
class All:
    """Every part is true; with no parts: everybody."""

    parts: tuple[Tree, ...]


@dataclass(frozen=True, slots=True)
class Any:
    """One part at least is true; with no parts: nobody."""

    parts: tuple[Tree, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The part is not true."""

    part: Tree


type Leaf = Condition
type Tree = Leaf | All | Any | Not

EVERYBODY = All(())
NOBODY = Any(())


def leaves(tree: Tree) -> Iterator[Leaf]:
    """Every condition of a tree, in the order of reading."""
    match tree:
        case All(parts) | Any(parts):
            for part in parts:
                yield from leaves(part)
        case Not(part):
            yield from leaves(part)
        case _:
            yield tree


def replaced(tree: Tree, by: Callable[[Leaf], Tree]) -> Tree:
    """The same tree with something else for each condition."""
    match tree:
        case All(parts) | Any(parts):
            return type(tree)(tuple(replaced(part, by) for part in parts))
        case Not(part):
            return Not(replaced(part, by))
    return by(tree)


def depth(tree: Tree) -> int:
    match tree:
        case All(parts) | Any(parts):
            return 1 + max((depth(part) for part in parts), default=0)
        case Not(part):
            return 1 + depth(part)
    return 1


def references(tree: Tree) -> set[tuple[str, int]]:
    """Which ("tag" | "list" | "field" | "campaign", number) the segment asks for: without one of them it does not
    work any more.
    """
    return {reference for leaf in leaves(tree) if (reference := leaf.reference) is not None}
