"""What changed between two letters, as words somebody can read."""

from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samizdat.core.content.blocks import compare
from samizdat.core.content.blocks.compare import (
    MOST_PAIRS,
    MOST_TEXT,
    MOST_WORDS,
    ComparedPart,
    ComparedWords,
    counted,
    difference,
    differences,
    lines,
)


def test_a_change_in_the_middle_of_a_line_is_told_by_its_words() -> None:
    parts = difference(["Dear friend,", "the water came at four."], ["Dear friend,", "the water came at noon."])
    assert parts == [
        ComparedPart("same", "Dear friend,\nthe water came at "),
        ComparedPart("gone", "four"),
        ComparedPart("new", "noon"),
        ComparedPart("same", ".\n"),
    ]
    assert counted(parts) == ComparedWords(new=1, gone=1)


def test_everything_a_block_says_is_a_line_and_nothing_that_it_does_not_say() -> None:
    document = {"type": "doc", "attrs": {"version": 1}, "content": [
        {"type": "paragraph", "attrs": {"id": "abcd"}, "content": [
            {"type": "text", "text": "Read "},
            {"type": "text", "text": "on", "marks": [{"type": "link", "attrs": {"href": "https://lantern.example"}}]},
        ]},
        {"type": "button", "attrs": {"text": "Give", "link": "https://lantern.example/give", "align": "start"}},
        {"type": "social", "attrs": {"links": [{"network": "Signal", "url": "https://signal.example"}]}},
        {"type": "divider"},
    ]}  # fmt: skip
    assert lines(document) == [
        "Read on <https://lantern.example>",
        "Give",
        "https://lantern.example/give",
        "Signal https://signal.example",
    ]


def test_a_letter_written_anew_is_gone_and_new_without_comparing_each_word() -> None:
    before, after = ["old " * (MOST_WORDS + 1)], ["new " * (MOST_WORDS + 1)]
    assert [part.kind for part in difference(before, after)] == ["gone", "new"]


_LINES = st.lists(st.sampled_from(["a", "b", "a b", "one two three", "Dear friend,", "c"]), max_size=30)


@given(_LINES, _LINES)
def test_what_stayed_and_went_is_the_old_text_and_what_stayed_and_came_the_new_one(
    before: Sequence[str], after: Sequence[str]
) -> None:
    parts = difference(before, after)
    for text, other in ((before, "new"), (after, "gone")):
        assert "".join(part.text for part in parts if part.kind != other) == "".join(f"{line}\n" for line in text)


def test_a_long_letter_of_which_much_is_alike_is_not_compared_each_word_with_each(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pairs = []

    def matcher(_junk: Any, old: Sequence[str], new: Sequence[str], autojunk: bool) -> Any:
        pairs.append(len(old) * len(new))
        return SequenceMatcher(None, old[:1], new[:1], autojunk)

    monkeypatch.setattr(compare, "SequenceMatcher", matcher)
    for many in (8, 800):
        difference(["a", "x"] * many, ["a", "y"] * many)
        difference(["a x " * many], ["a y " * many])
    assert pairs and max(pairs) <= MOST_PAIRS


def test_one_changed_line_of_a_very_long_letter_is_shown_whole() -> None:
    before = ["a line"] * 50_000
    parts = difference(before, [*before[:25_000], "another line", *before[25_001:]])
    assert parts[0].kind == "same" and counted(parts) == ComparedWords(1, 1)
    assert sum(len(part.text) for part in parts if part.kind != "gone") == 50_000 * 7 + 6


def test_what_is_too_long_to_be_compared_is_said_to_be() -> None:
    long = MOST_TEXT // 2
    parts = difference(["a", "x"] * long, ["a", "y"] * long)
    assert parts[-1] == ComparedPart("rest", "") and len(parts) > 1
    first, second, third = differences([(["a" * long], ["b" * long]), (["a b"], ["a c"]), (["a"], ["a"])], MOST_TEXT)
    assert first == [ComparedPart("rest", "")], "a line that does not fit"
    assert second[0] == ComparedPart("same", "a ") and third == [ComparedPart("same", "a\n")]
    used = [(["a" * (long - 1)], ["b" * (long - 1)]), (["a b"], ["a c"]), (["a"], ["a"])]
    assert [[part.kind for part in parts] for parts in differences(used)] == [
        ["gone", "new", "same"],
        ["rest"],
        ["same"],
    ]


def test_a_line_that_moved_is_told_once() -> None:
    before = [f"line {number}" for number in range(200)]
    parts = difference(before, [*before[1:], before[0]])
    assert counted(parts) == ComparedWords(new=2, gone=2)
