"""Two writers of one letter: tables for what is decided, and chance for what must never happen."""

import itertools
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from samizdat.core.content.blocks.merge_versions import MergedDraft, merge, merge_text, numbered


def block(name: str, text: str = "") -> dict[str, Any]:
    return {"type": "paragraph", "attrs": {"id": name}, "content": [{"type": "text", "text": text or name}]}


def letter(words: str) -> list[dict[str, Any]]:
    """`a b=two`: block a saying a, block b saying two."""
    return [block(*word.split("=", 1)) for word in words.split()]


def together(base: str, mine: str, theirs: str) -> tuple[str, MergedDraft]:
    fresh = itertools.count(1)
    found = merge(letter(base), letter(mine), letter(theirs), lambda: f"new{next(fresh)}")
    return " ".join(_said(one) for one in found.blocks), found


def _said(one: Any) -> str:
    name, text = one["attrs"]["id"], one["content"][0]["text"]
    return name if name == text else f"{name}={text}"


@pytest.mark.parametrize(
    ("base", "mine", "theirs", "expected"),
    [
        ("a b c", "a=1 b c", "a b c=2", "a=1 b c=2"),  # different blocks
        ("a b c", "a x b c", "a b c y", "a x b c y"),  # both added
        ("a b", "a x b", "a y b", "a x y b"),  # both added at one place
        ("a b c", "c a b", "a b=2 c", "c a b=2"),  # I moved, they changed
        ("a b c", "a=1 b c", "b c a", "b c a=1"),  # they moved, I changed
        ("a b c", "a c", "a b c=2", "a c=2"),  # I removed
        ("a b c", "a c", "a b=2 c", "a b=2 c"),  # I removed what they changed: changing is stronger
        ("a b", "a=1 b", "a=2 b", "a=1 new1=2 b"),  # both changed one: both are there, mine first
        ("a b", "a=1 b", "a=1 b", "a=1 b"),  # both the same
        ("", "a=1", "a=2", "a=1 new1=2"),  # where it began is not known any more
    ],
)
def test_what_two_writers_did_comes_together(base: str, mine: str, theirs: str, expected: str) -> None:
    assert together(base, mine, theirs)[0] == expected


def test_a_block_that_both_changed_is_named_so_that_both_can_be_shown() -> None:
    assert together("a", "a=1", "a=2")[1].doubled == [("a", "new1")]


def test_a_letter_without_ids_that_two_open_before_anybody_saved_does_not_stand_twice() -> None:
    def bare(text: str) -> dict[str, Any]:
        return {"type": "paragraph", "content": [{"type": "text", "text": text}]}

    begun = [bare("One"), {"type": "columns", "content": [{"type": "column", "content": [bare("Left")]}]}, bare("Two")]
    mine, theirs = numbered(begun), numbered(begun)  # As each page was given it.
    mine[0], theirs[2] = block(mine[0]["attrs"]["id"], "One, by me"), block(theirs[2]["attrs"]["id"], "Two, by them")
    found = merge(begun, mine, theirs, lambda: "new1")
    assert [one["content"][0].get("text") for one in found.blocks] == ["One, by me", None, "Two, by them"]
    assert not found.doubled


def test_there_is_one_footer_and_it_is_last() -> None:
    def footer(name: str, text: str) -> dict[str, Any]:
        return {"type": "footer", "attrs": {"id": name}, "content": [block("line", text)]}

    found = merge([block("a")], [block("a"), footer("f", "one")], [footer("g", "two")], lambda: "new")
    assert [one["type"] for one in found.blocks] == ["footer"]
    assert len(found.blocks[0]["content"]) == 2


letters = some.lists(
    some.tuples(some.sampled_from("abcdef"), some.sampled_from("0123")), max_size=6, unique_by=lambda pair: pair[0]
).map(lambda pairs: [block(name, text) for name, text in pairs])


@settings(max_examples=60, deadline=None)
@given(letters, letters, letters)
def test_nothing_that_either_wrote_is_lost_and_no_id_stands_twice(base: Any, mine: Any, theirs: Any) -> None:
    fresh = itertools.count(1)
    blocks = merge(base, mine, theirs, lambda: f"new{next(fresh)}").blocks
    texts = [one["content"][0]["text"] for one in blocks]
    for written in (mine, theirs):
        assert all(one["content"][0]["text"] in texts for one in written if one not in base)
    names = [one["attrs"]["id"] for one in blocks]
    assert len(names) == len(set(names))


@settings(max_examples=30, deadline=None)
@given(letters, letters)
def test_one_writer_alone_gets_what_they_wrote(base: Any, mine: Any) -> None:
    for begun, ours, theirs in ((base, mine, base), (base, base, mine), (base, mine, mine)):
        assert merge(begun, ours, theirs, lambda: "new").blocks == mine


@pytest.mark.parametrize(
    ("base", "mine", "theirs", "expected"),
    [
        ("One.", "One. After.", "One. Before.", "One. Before. After."),  # typed on after a reload
        ("One two", "Zero one two", "One two three", "Zero one two three"),
        ("One two", "One, two", "One two three", "One, two three"),
        ("One two", "One two three", "One, two", "One, two three"),
        ("One two", "One 2", "One 3", None),
        ("One", "Two", "Two", "Two"),
        ("One", "One", "Two", "Two"),
        ("One", "Two", "One", "Two"),
        ("", "b", "a", "ab"),
    ],
)
def test_two_changes_of_one_text_come_together_unless_they_overlap(
    base: str, mine: str, theirs: str, expected: str | None
) -> None:
    assert merge_text(base, mine, theirs) == expected
