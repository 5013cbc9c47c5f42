"""A letter of blocks: its JSON is read whole or refused with the number of the block, and nothing is dropped."""

import json
from typing import Any

import pytest

from samizdat.core.content.blocks import BadDocument, dumps, parse


def text(words: str, *marks: Any) -> dict[str, Any]:
    return {"type": "text", "text": words, **({"marks": list(marks)} if marks else {})}


def paragraph(*inline: Any) -> dict[str, Any]:
    return {"type": "paragraph", "content": [text(one) if isinstance(one, str) else one for one in inline]}


def document(*blocks: Any) -> str:
    return json.dumps({"type": "doc", "attrs": {"version": 1}, "content": list(blocks)})


def refused(source: str) -> tuple[str, int, str]:
    with pytest.raises(BadDocument) as bad:
        parse(source)
    return bad.value.flaw.code, bad.value.flaw.line, bad.value.flaw.values.get("block", "")


def test_a_document_gets_one_spelling_and_says_the_same() -> None:
    loose = document(
        {"type": "heading", "content": [text("Hel"), text("lo"), text("")]},
        {"attrs": {"src": "abc"}, "type": "picture"},
        paragraph(text("x", {"type": "italic"}, {"type": "link", "attrs": {"href": "https://a.example"}})),
    )
    once = dumps(parse(loose))
    assert dumps(parse(once)) == once
    heading, picture, linked = json.loads(once)["content"]
    assert heading == {"type": "heading", "attrs": {"level": 1}, "content": [text("Hello")]}
    assert picture["attrs"] == {"src": "abc", "alt": "", "decorative": False, "link": "", "width": None}
    assert [mark["type"] for mark in linked["content"][0]["marks"]] == ["link", "italic"]


COLUMN = {"type": "column", "content": [paragraph("a")]}


@pytest.mark.parametrize(
    ("block", "code", "number"),
    [
        ({"type": "marquee"}, "doc_type", "2"),
        ({"type": "paragraph", "attrs": {"color": "red"}}, "doc_attr", "2"),
        ({"type": "paragraph", "style": "x"}, "doc_attr", "2"),
        (paragraph(text("x", {"type": "blink"})), "doc_mark", "2"),
        ({"type": "heading", "attrs": {"level": 7}}, "doc_value", "2"),
        (paragraph(text("x", {"type": "color", "attrs": {"color": "red;background:url(//x)"}})), "doc_value", "2"),
        ({"type": "picture", "attrs": {"decorative": "yes"}}, "doc_value", "2"),
        ({"type": "event", "attrs": {"start": "2026-02-30T10:00"}}, "doc_value", "2"),
        ({"type": "columns", "content": [COLUMN]}, "doc_count", "2"),
        ({"type": "columns", "content": [COLUMN, {"type": "column", "content": [{"type": "columns"}]}]}, "doc_place",
         "2.2.1"),
        ({"type": "footer", "content": [paragraph("x")]}, "doc_last", "2"),
        ({"type": "bulletList", "content": [{"type": "listItem", "content": [paragraph("a"), paragraph("b")]}]},
         "doc_item", "2.1.2"),
        (paragraph(text("x", {"type": "link", "attrs": {"href": " java\tscript:alert(1)"}})), "doc_script", "2"),
        ({"type": "picture", "attrs": {"src": "data:image/png;base64,AAAA"}}, "doc_script", "2"),
        ("text", "doc_no_block", "2"),
    ],
)  # fmt: skip
def test_what_is_not_in_the_schema_is_refused_with_the_number_of_its_block(block: Any, code: str, number: str) -> None:
    assert refused(document(paragraph("first"), block, paragraph("last"))) == (code, 2, number)


def test_what_is_no_document_is_refused_with_a_sentence() -> None:
    deep: Any = None
    for _ in range(8):
        inner = [paragraph("x"), *([deep] if deep else [])]
        deep = {"type": "bulletList", "content": [{"type": "listItem", "content": inner}]}
    assert refused("{")[0] == "doc_no_json"
    assert refused("[" * 100_000)[0] == "doc_no_doc"
    first, nested = paragraph('] } " {'), '{"type":"blockquote","content":[' * 20_000
    assert refused(document(first)[:-2] + f",{nested}") == ("doc_deep", 2, "2")
    assert refused('{"type":"doc","attrs":{"version":NaN}}')[0] == "doc_no_json"
    assert refused('{"type":"paragraph"}')[0] == "doc_no_doc"
    assert refused('{"type":"doc","attrs":{"version":2}}')[0] == "doc_version"
    assert refused(document(*[paragraph()] * 2_001))[0] == "doc_blocks"
    assert refused(document(paragraph("x" * 1_000_001)))[0] == "doc_big"
    assert refused(document(deep)) == ("doc_deep", 1, "1.1.2.1.2.1.2.1.2.1.2.1.1")


def test_a_lone_surrogate_or_control_character_never_gets_into_a_letter() -> None:
    [made] = parse(
        '{"type":"doc","content":[{"type":"paragraph","content":[{"type":"text","text":"a\\ud800\\u0000\\nb"}]}]}'
    )["content"]
    assert made["content"] == [text("a\ufffd b")]


def test_a_block_keeps_its_id_and_no_two_have_the_same() -> None:
    blocks = [
        {"type": "paragraph", "attrs": {"id": "abcd"}},
        {"type": "divider", "attrs": {"id": "abcd"}},
        {"type": "heading", "attrs": {"id": None, "level": 2}},
        {"type": "blockquote", "attrs": {"id": "quote"}, "content": [{"type": "paragraph", "attrs": {"id": "inner"}}]},
    ]
    first, second, third, fourth = parse(json.dumps({"type": "doc", "content": blocks}))["content"]
    assert (first["attrs"], second, third["attrs"]) == ({"id": "abcd"}, {"type": "divider"}, {"level": 2})
    assert fourth["attrs"] == {"id": "quote"} and "attrs" not in fourth["content"][0]
