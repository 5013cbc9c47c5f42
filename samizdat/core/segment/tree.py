"""A segment as a tree of conditions, and what it asks for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date

# Nobody reads a deeper segment, and a file that nests a million brackets must not exhaust the stack.
DEEPEST = 8
MOST_CONDITIONS = 200
LONGEST_VALUE = 200  # signs of a field's text
LONGEST_JSON = 200_000
MOST_DAYS = 36_500  # a hundred years
HIGHEST = 2**63 - 1  # what a column of either database holds

# Code -> what is wrong, then what to do.
SENTENCES = {
    "too_deep": "This segment has conditions nested too deep, or too many of them: split it into two segments.",
    "not_json": "This is no segment: it is not JSON, or much too long. Write it like this: {'tag': 12}.",
    "one_name": "A condition has one name and one value: write it like this: {'tag': 12}.",
    "unknown": "There is a condition here that nobody knows: look at the list of conditions in the handbook.",
    "bad_value": "A condition has a value that it cannot have: look at the list of conditions in the handbook.",
    "long_value": "A field is compared with a text of more than 200 signs: write a shorter one.",
    "bad_day": "A day is written like 2026-01-31, and a number of days lies between 1 and 36,500: write it so.",
    "bad_number": "A field is compared as a number with something that is none: write it like 12 or 12.5.",
}


class BadSegment(ValueError):
    """Not a segment: `code` of SENTENCES. ``str()`` is a sentence that says what to do."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(SENTENCES[code])


@dataclass(frozen=True, slots=True)
class TagCondition:
    """She carries this tag."""

    id: int


@dataclass(frozen=True, slots=True)
class LanguageCondition:
    """She reads this language; "" where none is known."""

    code: str


@dataclass(frozen=True, slots=True)
class ProviderCondition:
    """Her mailbox is with this provider."""

    name: str


@dataclass(frozen=True, slots=True)
class ListCondition:
    """She stands on this list (0: on one at least) with this status ("": any)."""

    list: int
    status: str = ""


@dataclass(frozen=True, slots=True)
class ConsentCondition:
    """This is the verdict of consent.may for this list (0: for one at least)."""

    list: int
    state: str = "yes"


@dataclass(frozen=True, slots=True)
class FundraisingCondition:
    """She agreed to appeals for money, beside the letters of this list (0: of one at least)."""

    list: int = 0


@dataclass(frozen=True, slots=True)
class DayCondition:
    """A day of hers (KINDS_OF_DAYS) lies so to a day, or to today less so many days."""

    what: str
    op: str
    day: date | None = None
    days: int = 0


@dataclass(frozen=True, slots=True)
class FieldCondition:
    """What a field holds of her compares so (OPERATORS) with this text."""

    number: int
    op: str
    value: str = ""


@dataclass(frozen=True, slots=True)
class CampaignCondition:
    """Her letter of this campaign was accepted by the next server."""

    id: int


@dataclass(frozen=True, slots=True)
class ShareCondition:
    """She belongs to a random part of everybody: percent of a hundred, chosen by seed (0 to 2**31 - 1)."""

    percent: int
    seed: int


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


type Leaf = (
    TagCondition
    | LanguageCondition
    | ProviderCondition
    | ListCondition
    | ConsentCondition
    | FundraisingCondition
    | DayCondition
    | FieldCondition
    | CampaignCondition
    | ShareCondition
)
type Tree = Leaf | All | Any | Not

EVERYBODY = All(())
NOBODY = Any(())

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
    result: set[tuple[str, int]] = set()
    for leaf in leaves(tree):
        match leaf:
            case TagCondition(id):
                result.add(("tag", id))
            case ListCondition(id, _) | ConsentCondition(id, _) | FundraisingCondition(id) if id:
                result.add(("list", id))
            case FieldCondition(number):
                result.add(("field", number))
            case CampaignCondition(id):
                result.add(("campaign", id))
    return result
