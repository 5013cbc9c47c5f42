"""A tree in two: what a database answers, and what asks for sealed fields."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from samizdat.core.segment.condition import SealedCondition
from samizdat.core.segment.tree import EVERYBODY, NOBODY, All, Any, Not, Tree, leaves

# Does a condition on what is sealed have to open it? A readable column may know as well.
type Sealed = Callable[[SealedCondition], bool]


def _always(_leaf: SealedCondition) -> bool:
    return True


def is_sealed(tree: Tree, sealed: Sealed = _always) -> bool:
    """Does it ask for what is sealed in the database?"""
    return any(isinstance(leaf, SealedCondition) and sealed(leaf) for leaf in leaves(tree))


def bound(tree: Tree, upper: bool = True, sealed: Sealed = _always) -> Tree:
    """What can be known without opening anything: everybody of the segment is in its upper bound, and everybody of
    its lower bound is in the segment.
    """
    match tree:
        case SealedCondition() if sealed(tree):
            return EVERYBODY if upper else NOBODY
        case Not(part):
            return negated(bound(part, not upper, sealed))
        case All(parts):
            return _all([bound(part, upper, sealed) for part in parts])
        case Any(parts):
            return _any([bound(part, upper, sealed) for part in parts])
    return tree


def negated(tree: Tree) -> Tree:
    if tree == EVERYBODY:
        return NOBODY
    if tree == NOBODY:
        return EVERYBODY
    return tree.part if isinstance(tree, Not) else Not(tree)


def _all(parts: list[Tree]) -> Tree:
    if NOBODY in parts:
        return NOBODY
    left = [part for part in parts if part != EVERYBODY]
    return left[0] if len(left) == 1 else All(tuple(left))


def _any(parts: list[Tree]) -> Tree:
    if EVERYBODY in parts:
        return EVERYBODY
    left = [part for part in parts if part != NOBODY]
    return left[0] if len(left) == 1 else Any(tuple(left))


# (answers to `asks`, pick) -> are they in it?
type Decision = Callable[[Sequence[object], Callable[[int], str]], bool]


@dataclass(frozen=True, slots=True)
class TestSplit:
    """A segment with sealed conditions, taken apart for a streaming decrypt.

    where: readable, and true for everybody of the segment. asks: readable trees of which the database says for each
    row whether they are true. decide(answers to them, pick): are they in it? pick(number of a field) gives its text; it
    is only called where the answers alone do not decide.
    """

    where: Tree
    asks: tuple[Tree, ...]
    decide: Decision


def split(tree: Tree, sealed: Sealed = _always) -> TestSplit:
    """Takes the readable conditions of a segment out of it."""
    rest = tree
    if isinstance(tree, All):  # What stands beside the sealed ones is in `where` already.
        rest = All(tuple(part for part in tree.parts if is_sealed(part, sealed)))
    asks: list[Tree] = []
    decide = _decision(rest, asks, sealed)
    return TestSplit(bound(tree, True, sealed), tuple(asks), decide)


def _decision(tree: Tree, asks: list[Tree], sealed: Sealed) -> Decision:
    if not is_sealed(tree, sealed):
        place = len(asks)
        asks.append(tree)
        return lambda answers, _pick: bool(answers[place])
    match tree:
        case Not(part):
            inner = _decision(part, asks, sealed)
            return lambda answers, pick: not inner(answers, pick)
        case All(parts) | Any(parts):
            # What is readable is one question and asked first: often nothing needs to be opened then.
            opened = [part for part in parts if is_sealed(part, sealed)]
            beside = tuple(part for part in parts if part not in opened)
            decisions = [_decision(part, asks, sealed) for part in ([type(tree)(beside)] if beside else []) + opened]
            if len(decisions) == 1:
                return decisions[0]
            whole = all if isinstance(tree, All) else any
            return lambda answers, pick: whole(decision(answers, pick) for decision in decisions)
    assert isinstance(tree, SealedCondition)
    holds, number = tree.compares(), tree.number
    return lambda _answers, pick: holds(pick(number))
