"""Segments: saved conditions as a small tree. Read it, explain it in words, test one subscriber.

Stored as JSON, for ever (golden values in the tests):

    {"tag": 12}   {"language": 3}   {"status": "subscribed"}
    {"all": [...]}   {"any": [...]}   {"not": {...}}

Tags and languages are their row numbers, so that a renamed tag stays the same segment and no sealed name
leaks into it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from samizdat.core.consent import STATUSES

# Nobody reads a deeper segment, and a file that nests a million brackets must not exhaust the stack.
DEEPEST = 8
MOST_CONDITIONS = 200


class BadSegment(ValueError):
    """Not a segment. ``str()`` is a sentence that says what to do."""

    code = "bad_segment"


@dataclass(frozen=True, slots=True)
class Tag:
    """She carries this tag."""

    id: int


@dataclass(frozen=True, slots=True)
class Language:
    """She reads this language."""

    id: int


@dataclass(frozen=True, slots=True)
class Status:
    """Her status on the list is this one."""

    status: str


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


type Tree = Tag | Language | Status | All | Any | Not


@dataclass(frozen=True, slots=True)
class Facts:
    """What the readable columns say of one subscriber. ``language`` is None where none is known."""

    tags: Collection[int] = frozenset()
    language: int | None = None
    status: str = "subscribed"


def test(tree: Tree, facts: Facts) -> bool:
    """Is this subscriber in the segment?"""
    match tree:
        case Tag(id):
            return id in facts.tags
        case Language(id):
            return id == facts.language
        case Status(status):
            return status == facts.status
        case All(parts):
            return all(test(part, facts) for part in parts)
        case Any(parts):
            return any(test(part, facts) for part in parts)
        case Not(part):
            return not test(part, facts)


# -- as JSON ----------------------------------------


def read(data: object) -> Tree:
    """The tree in a JSON value. Errors: BadSegment."""
    left = [MOST_CONDITIONS]
    return _read(data, DEEPEST, left)


def _read(data: object, depth: int, left: list[int]) -> Tree:
    left[0] -= 1
    if depth == 0 or left[0] < 0:
        raise BadSegment("This segment has too many conditions inside each other: split it into two segments.")
    if not isinstance(data, Mapping) or len(data) != 1:
        raise BadSegment("A condition has one name and one value: write it like {'tag': 12}.")
    ((name, value),) = data.items()
    match name, value:
        case "all" | "any", list():
            parts = tuple([_read(part, depth - 1, left) for part in value])
            return All(parts) if name == "all" else Any(parts)
        case "not", _:
            return Not(_read(value, depth - 1, left))
        case "tag" | "language", int() if not isinstance(value, bool):
            return Tag(value) if name == "tag" else Language(value)
        case "status", str() if value in STATUSES:
            return Status(value)
    raise BadSegment("A condition asks for tag, language, status, all, any or not: check its name and value.")


def dump(tree: Tree) -> dict[str, object]:
    """The tree as a JSON value; read(dump(tree)) == tree."""
    match tree:
        case Tag(id):
            return {"tag": id}
        case Language(id):
            return {"language": id}
        case Status(status):
            return {"status": status}
        case All(parts):
            return {"all": [dump(part) for part in parts]}
        case Any(parts):
            return {"any": [dump(part) for part in parts]}
        case Not(part):
            return {"not": dump(part)}


# -- in words ----------------------------------------

# The doors pass these through gettext; {} is the name or the explained parts.
WORDS = {
    "tag": "has the tag {}",
    "not tag": "does not have the tag {}",
    "language": "reads {}",
    "not language": "does not read {}",
    "status": "is {}",
    "not status": "is not {}",
    "not": "not ({})",
    "and": " and ",
    "or": " or ",
    "everybody": "everybody",
    "nobody": "nobody",
}


def explain(tree: Tree, name: Callable[[str, int | str], str], words: Mapping[str, str] = WORDS) -> str:
    """The segment in words: "has the tag Riga and is subscribed".

    ``name(kind, value)`` gives the name of a tag, language or status: kind is "tag", "language" or "status".
    """
    match tree:
        case Tag() | Language() | Status():
            return _condition(tree, "", name, words)
        case Not(Tag() | Language() | Status() as part):
            return _condition(part, "not ", name, words)
        case Not(part):
            return words["not"].replace("{}", explain(part, name, words))
        case All(()):
            return words["everybody"]
        case Any(()):
            return words["nobody"]
        case All(parts):
            return words["and"].join([_part(part, name, words) for part in parts])
        case Any(parts):
            return words["or"].join([_part(part, name, words) for part in parts])


def _part(tree: Tree, name: Callable[[str, int | str], str], words: Mapping[str, str]) -> str:
    text = explain(tree, name, words)
    return f"({text})" if isinstance(tree, All | Any) and len(tree.parts) > 1 else text


def _condition(
    tree: Tag | Language | Status,
    prefix: str,
    name: Callable[[str, int | str], str],
    words: Mapping[str, str],
) -> str:
    kind = type(tree).__name__.lower()
    value = tree.status if isinstance(tree, Status) else tree.id
    return words[prefix + kind].replace("{}", name(kind, value))  # not format(): a tag may be called "{0.x}"


def references(tree: Tree) -> set[tuple[str, int]]:
    """Which ("tag" | "language", id) the segment asks for: what cannot be deleted without changing it."""
    match tree:
        case Tag(id):
            return {("tag", id)}
        case Language(id):
            return {("language", id)}
        case Status():
            return set()
        case All(parts) | Any(parts):
            return set().union(*(references(part) for part in parts))
        case Not(part):
            return references(part)
