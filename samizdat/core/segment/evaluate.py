"""Whether one subscriber is in a segment."""

from __future__ import annotations

from datetime import date

from samizdat.core.segment.facts import SubscriberFacts
from samizdat.core.segment.tree import All, Any, Not, Tree


def matches(tree: Tree, facts: SubscriberFacts, today: date) -> bool:
    """Is this subscriber in the segment on this day?"""
    match tree:
        case All(parts):
            return all(matches(part, facts, today) for part in parts)
        case Any(parts):
            return any(matches(part, facts, today) for part in parts)
        case Not(part):
            return not matches(part, facts, today)
    return tree.holds(facts, today)
