"""Segments: a small tree, read from JSON, explained, and asked of one subscriber."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samizdat.core import segment
from samizdat.core.segment import All, Any, BadSegment, Facts, Language, Not, Status, Tag

# Golden: saved segments look like this for ever.
STORED = [
    ({"tag": 12}, Tag(12)),
    ({"language": 3}, Language(3)),
    ({"status": "subscribed"}, Status("subscribed")),
    ({"all": []}, All(())),
    ({"not": {"tag": 1}}, Not(Tag(1))),
    ({"any": [{"tag": 1}, {"all": [{"tag": 2}, {"language": 3}]}]}, Any((Tag(1), All((Tag(2), Language(3)))))),
]
NAMES = {
    ("tag", 1): "Riga",
    ("tag", 2): "donors {0.x}",
    ("language", 3): "Russian",
    ("status", "subscribed"): "subscribed",
}

leaves = (
    st.builds(Tag, st.integers(0, 5))
    | st.builds(Language, st.integers(0, 3))
    | st.builds(Status, st.sampled_from(segment.STATUSES))
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


def depth(tree):
    match tree:
        case All(parts) | Any(parts):
            return 1 + max((depth(part) for part in parts), default=0)
        case Not(part):
            return 1 + depth(part)
    return 1


@pytest.mark.parametrize(("stored", "tree"), STORED)
def test_a_saved_segment_is_laid_for_ever(stored, tree):
    assert segment.read(stored) == tree
    assert segment.dump(tree) == stored


@given(trees.filter(lambda tree: depth(tree) <= segment.DEEPEST))
def test_what_was_dumped_reads_the_same(tree):
    assert segment.read(segment.dump(tree)) == tree


@pytest.mark.parametrize(
    ("tree", "facts", "inside"),
    [
        (Tag(1), Facts(tags={1, 2}), True),
        (Tag(3), Facts(tags={1, 2}), False),
        (Language(3), Facts(language=3), True),
        (Language(3), Facts(), False),
        (Status("pending"), Facts(status="pending"), True),
        (Status("pending"), Facts(), False),
        (Not(Tag(1)), Facts(), True),
        (All(()), Facts(), True),
        (Any(()), Facts(), False),
        (All((Tag(1), Language(3))), Facts(tags={1}, language=3), True),
        (All((Tag(1), Language(3))), Facts(tags={1}), False),
        (Any((Tag(1), Language(3))), Facts(tags={1}), True),
        (Any((Tag(1), Language(3))), Facts(), False),
    ],
)
def test_a_subscriber_is_inside_or_not(tree, facts, inside):
    assert segment.test(tree, facts) is inside
    assert segment.test(Not(tree), facts) is not inside


@pytest.mark.parametrize(
    "bad",
    [
        None,
        [],
        "tag",
        {},
        {"tag": 1, "language": 2},
        {"tag": "1"},
        {"tag": True},
        {"tag": None},
        {"status": "deleted"},
        {"all": {"tag": 1}},
        {"not": []},
        {"email": "ada@example.org"},
        {1: 2},
        {"all": [{"tag": 1}] * 500},
    ],
)
def test_what_is_no_segment_is_refused_with_a_sentence(bad):
    with pytest.raises(BadSegment) as refused:
        segment.read(bad)
    assert str(refused.value).endswith(".") and ":" in str(refused.value)


def test_a_segment_nested_without_end_is_refused():
    deep: dict = {"tag": 1}
    for _ in range(100_000):
        deep = {"not": deep}
    with pytest.raises(BadSegment, match="split"):
        segment.read(deep)
    while isinstance(deep, dict) and "not" in deep:  # taken apart by hand: freeing it would nest as deep
        deep = deep.pop("not")


@pytest.mark.parametrize(
    ("tree", "words"),
    [
        (Tag(1), "has the tag Riga"),
        (Not(Tag(1)), "does not have the tag Riga"),
        (Not(Language(3)), "does not read Russian"),
        (Status("subscribed"), "is subscribed"),
        (All((Tag(1), Language(3))), "has the tag Riga and reads Russian"),
        (
            Any((Tag(1), All((Tag(2), Not(Status("subscribed")))))),
            "has the tag Riga or (has the tag donors {0.x} and is not subscribed)",
        ),
        (Not(Any((Tag(1), Language(3)))), "not (has the tag Riga or reads Russian)"),
        (All(()), "everybody"),
        (Any(()), "nobody"),
    ],
)
def test_a_segment_is_explained_in_words(tree, words):
    assert segment.explain(tree, lambda kind, value: NAMES[kind, value]) == words


@given(trees)
def test_every_segment_can_be_explained_and_names_what_it_needs(tree):
    asked = set()
    segment.explain(tree, lambda kind, value: asked.add((kind, value)) or "x")
    assert segment.references(tree) == {pair for pair in asked if pair[0] != "status"}
