"""Segments: saved conditions as a small tree. Read it, explain it in words, test one subscriber.

Stored as JSON, for ever (golden values in the tests); a condition has one name and one value:

    {"all": [...]}   {"any": [...]}   {"not": {...}}
    {"tag": 12}                                       a group is a tag that names its category
    {"language": "ru"}                                "" where none is known
    {"provider": "gmail"}                             a name of address.PROVIDERS
    {"list": {"id": 5, "status": "subscribed"}}       id 0: any list; status "": in any way
    {"consent": {"list": 5, "state": "yes"}}          the verdict of consent.may: one of consent.REASONS
    {"appeals": {"list": 5}}                          the subscriber agreed to appeals for money; list 0: for one at
    least {"joined": {"op": "before", "day": "2026-01-31"}} likewise on, after; or last, earlier with "days": 30
    {"confirmed": {"op": "last", "days": 30}}
    {"field": {"number": 17, "op": "is", "value": "Riga"}}
    {"campaign": 7}                                   their letter was accepted by the next server
    {"share": {"percent": 10, "seed": 12345}}         the same people each time

Tags, lists, fields and campaigns are their numbers, so that a renamed tag stays the same segment. No condition asks
whether somebody opened a letter or followed a link: nothing of the kind is ever known.
"""

from samizdat.core.segment.conditions import (
    ABOVE,
    BELOW,
    BY_NAME,
    FACTOR,
    HIGHEST,
    KINDS,
    KINDS_OF_DAYS,
    LONGEST_VALUE,
    OPS_OF_KIND,
    PRIME,
    TEXT_OPS,
    CampaignCondition,
    ConsentCondition,
    DayCondition,
    FieldCondition,
    FundraisingCondition,
    LanguageCondition,
    ListCondition,
    ProviderCondition,
    ShareCondition,
    TagCondition,
    code_in,
    coded,
    compares,
    in_share,
    share_below,
    span,
)
from samizdat.core.segment.describe import WORDS, clause, explain
from samizdat.core.segment.evaluate import matches
from samizdat.core.segment.facts import SubscriberFacts
from samizdat.core.segment.parse import dump, loads, parse, read
from samizdat.core.segment.split import bound, is_sealed, split
from samizdat.core.segment.tree import (
    DEEPEST,
    EVERYBODY,
    MOST_CONDITIONS,
    SENTENCES,
    All,
    Any,
    BadSegment,
    Condition,
    Leaf,
    Not,
    Tree,
    depth,
    leaves,
    references,
    replaced,
)

__all__ = [
    "ABOVE",
    "BELOW",
    "BY_NAME",
    "DEEPEST",
    "EVERYBODY",
    "FACTOR",
    "HIGHEST",
    "KINDS",
    "KINDS_OF_DAYS",
    "LONGEST_VALUE",
    "MOST_CONDITIONS",
    "OPS_OF_KIND",
    "PRIME",
    "SENTENCES",
    "TEXT_OPS",
    "WORDS",
    "All",
    "Any",
    "BadSegment",
    "CampaignCondition",
    "Condition",
    "ConsentCondition",
    "DayCondition",
    "FieldCondition",
    "FundraisingCondition",
    "LanguageCondition",
    "Leaf",
    "ListCondition",
    "Not",
    "ProviderCondition",
    "ShareCondition",
    "SubscriberFacts",
    "TagCondition",
    "Tree",
    "bound",
    "clause",
    "code_in",
    "coded",
    "compares",
    "depth",
    "dump",
    "explain",
    "in_share",
    "is_sealed",
    "leaves",
    "loads",
    "matches",
    "parse",
    "read",
    "references",
    "replaced",
    "share_below",
    "span",
    "split",
]
