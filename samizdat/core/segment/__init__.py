"""Segments: saved conditions as a small tree. Read it, explain it in words, test one subscriber.

Stored as JSON, for ever (golden values in the tests); a condition has one name and one value:

    {"all": [...]}   {"any": [...]}   {"not": {...}}   {"tag": 12}   {"list": {"id": 5, "status": "subscribed"}}

The conditions themselves are in the apps that have the tables, a file each (condition.py says what one is, the table
in docs/segments.md what there is). Tags, lists, fields and campaigns are their numbers, so that a renamed tag stays the
same segment. No condition asks whether somebody opened a letter or followed a link: nothing of the kind is ever known.
"""

from samizdat.core.segment.condition import Condition, SealedCondition
from samizdat.core.segment.describe import JOINTS, clause, explain
from samizdat.core.segment.errors import SENTENCES, BadSegment
from samizdat.core.segment.evaluate import matches
from samizdat.core.segment.facts import SubscriberFacts
from samizdat.core.segment.parse import dump, loads, parse, read
from samizdat.core.segment.split import bound, is_sealed, split
from samizdat.core.segment.tree import (
    DEEPEST,
    EVERYBODY,
    MOST_CONDITIONS,
    All,
    Any,
    Leaf,
    Not,
    Tree,
    depth,
    leaves,
    references,
    replaced,
)

__all__ = [
    "DEEPEST",
    "EVERYBODY",
    "JOINTS",
    "MOST_CONDITIONS",
    "SENTENCES",
    "All",
    "Any",
    "BadSegment",
    "Condition",
    "Leaf",
    "Not",
    "SealedCondition",
    "SubscriberFacts",
    "Tree",
    "bound",
    "clause",
    "depth",
    "dump",
    "explain",
    "is_sealed",
    "leaves",
    "loads",
    "matches",
    "parse",
    "read",
    "references",
    "replaced",
    "split",
]
