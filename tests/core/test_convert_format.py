"""Blocks become Markdown, and Markdown blocks, only where nothing is lost by it."""

from typing import Any

import pytest
from hypothesis import given, settings

from samizdat.core.content.blocks import dumps, from_markdown, parse, to_html, to_markdown
from samizdat.core.content.blocks.markdown import normalized
from tests.core.blocks import EVERY_BLOCK, atom, document, documents, heading, item, link, paragraph, text


def blocks(*made: Any) -> Any:
    return parse(dumps(document(*made)))


LETTER = blocks(
    heading("News of *the* week", 2),
    paragraph('Dear {{ FNAME | default: "a*b" }} *|LNAME|*, ', text("read ", "bold"),
              text("on", link("https://a.example/(x)"), "bold")),
    paragraph("1. is not a list, - nor this", {"type": "hardBreak"}, "# nor this"),
    {"type": "orderedList", "attrs": {"start": 3}, "content": [item(paragraph("a"), {
        "type": "bulletList", "content": [item(paragraph("b")), item(paragraph("c"))]}), item(paragraph("d"))]},
    {"type": "blockquote", "content": [paragraph("said"), paragraph("and said")]},
    {"type": "divider"},
    atom("picture", src="https://lantern.example/a.png", alt="A [wet] archive", link="https://b.example/"),
    paragraph("{% if CITY %}"),
    paragraph("In {{ CITY }}"),
    paragraph("{% endif %}"),
)  # fmt: skip


def test_a_letter_goes_to_markdown_and_comes_back_the_same() -> None:
    written = to_markdown(LETTER)
    assert written is not None
    assert "## News of \\*the\\* week" in written
    assert '{{ FNAME | default: "a*b" }} *|LNAME|*' in written
    again = from_markdown(written)
    assert again is not None
    assert to_markdown(again) == written


@pytest.mark.parametrize(
    "block",
    [
        atom("button", text="x", link="https://a.example"),
        atom("picture", src="https://a.example/x.png", decorative=True),
        atom("picture", src="abcabcabc", alt="x"),
        paragraph("https://bare.example is no link here"),
        {"type": "callout", "content": [paragraph("x")]},
    ],
)
def test_what_markdown_cannot_say_stays_in_blocks(block: Any) -> None:
    assert to_markdown(blocks(block)) is None


@pytest.mark.parametrize(
    "written",
    ["`code`", "    code", "~~gone~~", "| a |\n|---|\n| b |", "a ![x](https://a.example/x.png) b",
     '[a](b "c")']
)  # fmt: skip
def test_what_blocks_cannot_say_stays_in_markdown(written: str) -> None:
    assert from_markdown(written) is None


def test_ordinary_markdown_becomes_blocks() -> None:
    made = from_markdown("# Hi *|FNAME|*\n\nOne\ntwo **three**\n\n* a\n\n* b\n\nhttps://x.example/\n")
    assert made is not None
    assert [block["type"] for block in made["content"]] == ["heading", "paragraph", "bulletList", "paragraph"]
    assert made["content"][1]["content"][0]["text"] == "One two "
    assert made["content"][3]["content"][0]["marks"][0]["attrs"]["href"] == "https://x.example/"


@settings(max_examples=40, deadline=None)
@given(documents)
def test_markdown_of_any_document_says_the_same_or_is_not_made(letter: Any) -> None:
    written = to_markdown(parse(dumps(letter)))
    again = from_markdown(written) if written is not None else None
    assert again is None or normalized(again) == normalized(parse(dumps(letter)))


def test_every_block_has_plain_html() -> None:
    made = to_html(parse(dumps(EVERY_BLOCK)))
    assert '<p><a href="{{ website }}/all">Read the whole story</a></p>' in made
    assert made.count("</table>") == 8
