"""What changed between two letters, as words somebody can read."""

from samizdat.core.document.words import MOST_WORDS, Counted, Part, counted, difference, lines


def test_a_change_in_the_middle_of_a_line_is_told_by_its_words() -> None:
    parts = difference(["Dear friend,", "the water came at four."], ["Dear friend,", "the water came at noon."])
    assert parts == [
        Part("same", "Dear friend,\nthe water came at "),
        Part("gone", "four"),
        Part("new", "noon"),
        Part("same", ".\n"),
    ]
    assert counted(parts) == Counted(new=1, gone=1)


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
