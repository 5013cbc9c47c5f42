"""A segment as a tree of conditions, and what it asks for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from samizdat.core.segment.condition import Condition

# Nobody reads a deeper segment, and a file that nests a million brackets must not exhaust the stack.
DEEPEST = 8
MOST_CONDITIONS = 200
LONGEST_JSON = 200_000


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
    """Which (kind, number) the segment asks for, like ("tag", 12): without one of them it does not work any more."""
    return {reference for leaf in leaves(tree) if (reference := leaf.reference) is not None}
