"""Segments: a small tree, read from JSON, explained, and asked of one subscriber."""

import json
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samizdat.audience.segment_conditions.consent import ConsentCondition
from samizdat.audience.segment_conditions.days import KINDS_OF_DAYS, DayCondition
from samizdat.audience.segment_conditions.field import FieldCondition
from samizdat.audience.segment_conditions.fundraising import FundraisingCondition
from samizdat.audience.segment_conditions.language import LanguageCondition
from samizdat.audience.segment_conditions.list_status import ListCondition
from samizdat.audience.segment_conditions.provider import ProviderCondition
from samizdat.audience.segment_conditions.share import ShareCondition, in_share
from samizdat.audience.segment_conditions.tag import TagCondition
from samizdat.core import segment
from samizdat.core.consent import REASONS, STATUSES
from samizdat.core.mail.address import PROVIDERS
from samizdat.core.segment import All, Any, BadSegment, Not, SubscriberFacts, registry
from samizdat.delivery.segment_conditions.campaign import CampaignCondition

TODAY = date(2026, 11, 25)

# Golden: saved segments look like this for ever. Each condition stands here, and is tested here and elsewhere by that.
STORED = [
    ({"tag": 12}, TagCondition(12)),
    ({"language": "ru"}, LanguageCondition("ru")),
    ({"provider": "gmail"}, ProviderCondition("gmail")),
    ({"list": {"id": 5, "status": "subscribed"}}, ListCondition(5, "subscribed")),
    ({"list": {"id": 0, "status": ""}}, ListCondition(0, "")),
    ({"consent": {"list": 5, "state": "yes"}}, ConsentCondition(5, "yes")),
    ({"appeals": {"list": 5}}, FundraisingCondition(5)),
    ({"joined": {"op": "before", "day": "2026-01-31"}}, DayCondition("joined", "before", date(2026, 1, 31))),
    ({"confirmed": {"op": "last", "days": 30}}, DayCondition("confirmed", "last", None, 30)),
    ({"field": {"number": 17, "op": "contains", "value": "Riga"}}, FieldCondition(17, "contains", "Riga")),
    ({"field": {"number": 17, "op": "filled"}}, FieldCondition(17, "filled")),
    ({"campaign": 7}, CampaignCondition(7)),
    ({"share": {"percent": 10, "seed": 12345}}, ShareCondition(10, 12345)),
    ({"all": []}, All(())),
    ({"not": {"tag": 1}}, Not(TagCondition(1))),
    (
        {"any": [{"tag": 1}, {"all": [{"tag": 2}, {"tag": 3}]}]},
        Any((TagCondition(1), All((TagCondition(2), TagCondition(3))))),
    ),
]
CONDITIONS = [tree for _stored, tree in STORED if isinstance(tree, segment.Condition)]
NAMES = {
    ("tag", 1): "Riga",
    ("tag", 2): "donors {0.x} {a} {b}",
    ("list", 5): "The Thursday Letter",
    ("list", 0): "at least one list",
    ("field", 17): "City",
    ("campaign", 7): "The winter list",
}

days = st.dates(date(2026, 11, 20), date(2026, 11, 30))
leaves = (
    st.builds(TagCondition, st.integers(1, 5))
    | st.builds(LanguageCondition, st.sampled_from(["", "ru", "en"]))
    | st.builds(ProviderCondition, st.sampled_from(PROVIDERS[:4]))
    | st.builds(ListCondition, st.integers(0, 2), st.sampled_from(["", *STATUSES]))
    | st.builds(ConsentCondition, st.integers(0, 2), st.sampled_from(REASONS))
    | st.builds(FundraisingCondition, st.integers(0, 2))
    | st.builds(DayCondition, st.sampled_from(KINDS_OF_DAYS), st.sampled_from(["on", "before", "after"]), days)
    | st.builds(
        DayCondition,
        st.sampled_from(KINDS_OF_DAYS),
        st.sampled_from(["last", "earlier"]),
        days=st.integers(1, 9),
    )
    | st.builds(
        FieldCondition, st.integers(16, 18), st.sampled_from(["is", "contains", "begins"]), st.sampled_from(["a", "Ы "])
    )
    | st.builds(FieldCondition, st.integers(16, 18), st.sampled_from(["filled", "yes"]))
    | st.builds(
        FieldCondition, st.integers(16, 18), st.sampled_from(["equal", "less", "more"]), st.sampled_from(["1", "2,5"])
    )
    | st.builds(
        FieldCondition, st.integers(16, 18), st.sampled_from(["on", "before", "after"]), days.map(date.isoformat)
    )
    | st.builds(CampaignCondition, st.integers(1, 3))
    | st.builds(ShareCondition, st.integers(1, 99), st.integers(0, 2**31 - 1))
    | st.sampled_from(CONDITIONS)
)
trees = st.recursive(
    leaves,
    lambda parts: (
        st.builds(All, st.lists(parts, max_size=3).map(tuple))
        | st.builds(Any, st.lists(parts, max_size=3).map(tuple))
        | st.builds(Not, parts)
    ),
    max_leaves=6,
)
texts = st.sampled_from(["", "a", "A b", "ы", "1", "2.5", "12 000", "2026-11-25", "yes", "нет"])
people = st.builds(
    SubscriberFacts,
    number=st.integers(1, 2**40 - 1),
    tags=st.frozensets(st.integers(1, 5)),
    language=st.sampled_from(["", "ru", "en"]),
    provider=st.sampled_from(PROVIDERS[:4]),
    joined=days,
    confirmed=st.lists(days, max_size=2),
    lists=st.dictionaries(st.integers(1, 2), st.tuples(st.sampled_from(STATUSES), st.sampled_from(REASONS))),
    fields=st.dictionaries(st.integers(16, 18), texts),
    campaigns=st.frozensets(st.integers(1, 3)),
    appeals=st.frozensets(st.integers(1, 2)),
)


@pytest.mark.parametrize(("stored", "tree"), STORED)
def test_a_saved_segment_is_laid_for_ever(stored, tree):
    assert segment.read(stored) == tree
    assert segment.dump(tree) == stored


def test_every_condition_has_a_saved_form_that_stays():
    assert {type(tree) for tree in CONDITIONS} == set(registry.kinds())


def test_a_yes_to_appeals_without_a_list_is_of_any():
    assert segment.read({"appeals": {}}) == FundraisingCondition(0)


@given(trees.filter(lambda tree: segment.depth(tree) <= segment.DEEPEST))
def test_what_was_dumped_reads_the_same(tree):
    assert segment.loads(json.dumps(segment.dump(tree))) == tree


ADA = SubscriberFacts(
    number=1,
    tags={1, 2},
    language="ru",
    provider="gmail",
    joined=date(2026, 11, 20),
    confirmed=[date(2026, 11, 21)],
    lists={5: ("subscribed", "yes"), 6: ("unsubscribed", "left")},
    fields={16: "Riga", 17: "12,5", 18: "2026-11-25", 19: "да"},
    campaigns={7},
    appeals={5},
)


@pytest.mark.parametrize(
    ("tree", "inside"),
    [
        (TagCondition(1), True),
        (TagCondition(3), False),
        (LanguageCondition("ru"), True),
        (LanguageCondition(""), False),
        (ProviderCondition("gmail"), True),
        (ListCondition(5, "subscribed"), True),
        (ListCondition(6, "subscribed"), False),
        (ListCondition(0, "unsubscribed"), True),
        (ListCondition(7), False),
        (ConsentCondition(5), True),
        (ConsentCondition(6, "left"), True),
        (ConsentCondition(0, "yes"), True),
        (FundraisingCondition(5), True),
        (FundraisingCondition(6), False),
        (FundraisingCondition(), True),
        (DayCondition("joined", "on", date(2026, 11, 20)), True),
        (DayCondition("joined", "before", date(2026, 11, 20)), False),
        (DayCondition("joined", "after", date(2026, 11, 19)), True),
        (DayCondition("joined", "last", days=6), True),  # the sixth day, with today, is the 20th
        (DayCondition("joined", "last", days=5), False),
        (DayCondition("joined", "earlier", days=5), True),
        (DayCondition("confirmed", "earlier", days=5), False),
        (FieldCondition(16, "is", " riga "), True),
        (FieldCondition(16, "begins", "RI"), True),
        (FieldCondition(16, "contains", "x"), False),
        (FieldCondition(17, "equal", "12.5"), True),
        (FieldCondition(17, "less", "12.5"), False),
        (FieldCondition(16, "more", "1"), False),  # what is no number is neither more nor less
        (FieldCondition(18, "on", "2026-11-25"), True),
        (FieldCondition(18, "before", "2026-12-01"), True),
        (FieldCondition(19, "yes"), True),
        (FieldCondition(20, "is", "x"), False),
        (FieldCondition(20, "filled"), False),
        (CampaignCondition(7), True),
        (CampaignCondition(8), False),
        (All(()), True),
        (Any(()), False),
        (All((TagCondition(1), TagCondition(3))), False),
        (Any((TagCondition(3), TagCondition(1))), True),
    ],
)
def test_a_subscriber_is_inside_or_not(tree, inside):
    assert segment.matches(tree, ADA, TODAY) is inside
    assert segment.matches(Not(tree), ADA, TODAY) is not inside


@given(st.integers(0, 2**31 - 1), st.integers(1, 99))
def test_a_random_share_is_a_part_of_its_size_and_the_same_each_time(seed, percent):
    share = ShareCondition(percent, seed)
    chosen = [number for number in range(1, 10_001) if in_share(number, share)]
    assert abs(len(chosen) - 100 * percent) < 400
    assert chosen == [number for number in range(1, 10_001) if in_share(number, share)]
    larger = ShareCondition(min(99, percent + 1), seed)
    assert all(in_share(number, larger) for number in chosen)  # whoever is in ten per cent is in eleven


@given(trees, people)
def test_bounds_hold_and_a_split_segment_decides_the_same(tree, facts):
    inside = segment.matches(tree, facts, TODAY)
    assert segment.matches(segment.bound(tree), facts, TODAY) or not inside
    assert inside or not segment.matches(segment.bound(tree, upper=False), facts, TODAY)
    split = segment.split(tree)
    assert not any(segment.is_sealed(ask) for ask in (split.where, *split.asks))
    answers = [segment.matches(ask, facts, TODAY) for ask in split.asks]
    decided = split.decide(answers, lambda number: facts.fields.get(number, ""))
    assert (segment.matches(split.where, facts, TODAY) and decided) is inside


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (None, "one_name"),
        ([], "one_name"),
        ("tag", "one_name"),
        ({}, "one_name"),
        ({"tag": 1, "language": "ru"}, "one_name"),
        ({"tag": "1"}, "bad_value"),
        ({"tag": True}, "bad_value"),
        ({"tag": None}, "bad_value"),
        ({"tag": 0}, "bad_value"),
        ({"tag": 10**30}, "bad_value"),
        ({"language": "ru'; --"}, "bad_value"),
        ({"provider": "nobody"}, "bad_value"),
        ({"list": 5}, "bad_value"),
        ({"list": {"id": 5, "status": "deleted"}}, "bad_value"),
        ({"consent": {"list": 5, "state": "maybe"}}, "bad_value"),
        ({"appeals": 5}, "bad_value"),
        ({"appeals": {"list": "Letter"}}, "bad_value"),
        ({"appeals": {"list": 5, "state": "yes"}}, "bad_value"),
        ({"joined": {"op": "before", "day": "2026-02-31"}}, "bad_day"),
        ({"joined": {"op": "before", "days": 3}}, "bad_value"),
        ({"joined": {"op": "last", "days": 10**9}}, "bad_day"),
        ({"joined": {"op": "around", "day": "2026-02-01"}}, "bad_value"),
        ({"field": {"number": 17, "op": "matches", "value": ".*"}}, "bad_value"),
        ({"field": {"number": 0, "op": "is", "value": "ada@post.example"}}, "bad_value"),  # addresses are no field
        ({"field": {"number": 17, "op": "is", "value": ""}}, "bad_value"),
        ({"field": {"number": 17, "op": "is", "value": "x" * 10**6}}, "long_value"),
        ({"field": {"number": 17, "op": "less", "value": "many"}}, "bad_number"),
        ({"share": {"percent": 0, "seed": 1}}, "bad_value"),
        ({"share": {"percent": 10, "seed": 2**31}}, "bad_value"),
        ({"opened": 7}, "unknown"),
        ({"clicked": 7}, "unknown"),
        ({"email": "ada@example.org"}, "unknown"),
        ({"all": {"tag": 1}}, "unknown"),
        ({"not": []}, "one_name"),
        ({1: 2}, "unknown"),
        ({"all": [{"tag": 1}] * 500}, "too_deep"),
    ],
)
def test_what_is_no_segment_is_refused_with_a_sentence(bad, code):
    with pytest.raises(BadSegment) as refused:
        segment.read(bad)
    assert refused.value.code == code
    said = str(refused.value)
    assert said.endswith(".") and (". " in said or said.startswith("Write ")), "what is wrong, and what to do"


def test_a_segment_nested_without_end_is_refused():
    deep: dict = {"tag": 1}
    for _ in range(100_000):
        deep = {"not": deep}
    with pytest.raises(BadSegment, match="Split it"):
        segment.read(deep)
    while isinstance(deep, dict) and "not" in deep:  # taken apart by hand: freeing it would nest as deep
        deep = deep.pop("not")


@pytest.mark.parametrize("text", ['{"not":' * 100 + '{"tag":1}' + "}" * 100, "[" * 20_000, "{", "", "x" * 10**6])
def test_a_text_that_is_no_segment_is_refused(text):
    with pytest.raises(BadSegment):
        segment.loads(text)


@pytest.mark.parametrize(
    ("tree", "words"),
    [
        (TagCondition(1), "Everyone who has the tag Riga."),
        (Not(TagCondition(2)), "Everyone who doesn’t have the tag donors {0.x} {a} {b}."),
        (Not(LanguageCondition("ru")), "Everyone whose language isn’t ru."),
        (LanguageCondition(""), "Everyone whose language isn’t known."),
        (ListCondition(5, "subscribed"), "Everyone who is subscribed to The Thursday Letter."),
        (DayCondition("joined", "last", days=30), "Everyone who joined in the last 30."),
        (FieldCondition(17, "begins", "Ri"), "Everyone whose City begins with Ri."),
        (Not(FieldCondition(17, "filled")), "Everyone whose City is empty."),
        (ShareCondition(10, 1), "Everyone who is in a random sample of 10%."),
        (Not(CampaignCondition(7)), "Everyone who wasn’t sent The winter list."),
        (
            All((TagCondition(1), ConsentCondition(0))),
            "Everyone who has the tag Riga and who can be emailed on at least one list.",
        ),
        (Not(FundraisingCondition(5)), "Everyone who didn’t agree to fundraising appeals from The Thursday Letter."),
        (
            Any((TagCondition(1), All((LanguageCondition("ru"), Not(ProviderCondition("gmail")))))),
            "Everyone who has the tag Riga or (whose language is ru and whose mailbox provider isn’t gmail).",
        ),
        (
            Not(Any((TagCondition(1), LanguageCondition("ru")))),
            "Everyone for whom this isn’t true: (who has the tag Riga or whose language is ru).",
        ),
        (All(()), "Everyone."),
        (Any(()), "Nobody."),
    ],
)
def test_a_segment_is_explained_in_words(tree, words):
    assert segment.explain(tree, lambda kind, value: NAMES.get((kind, value), str(value))) == words


@given(trees)
def test_every_segment_can_be_explained_and_names_what_it_needs(tree):
    asked = set()
    assert segment.explain(tree, lambda kind, value: asked.add((kind, value)) or "x").endswith(".")
    kinds = {kind.refers[0] for kind in registry.kinds() if kind.refers}
    numbered = {pair for pair in asked if pair[0] in kinds and pair[1]}
    assert segment.references(tree) == numbered
