"""Links as people type them become links that work, and nothing else is touched."""

from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from samizdat.core.content.blocks import Node, dumps, parse
from samizdat.core.content.blocks.mending import link, mended, mended_markdown


def saved(*texts: Node) -> list[Node]:
    body = dumps({"type": "doc", "content": [{"type": "paragraph", "content": [*texts]}]})
    return parse(dumps(mended(parse(body))))["content"][0]["content"]


def text(words: str, *marks: Node) -> Node:
    return {"type": "text", "text": words} | ({"marks": [*marks]} if marks else {})


def to(href: str) -> Node:
    return {"type": "link", "attrs": {"href": href}}


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("example.org", "https://example.org"),
        ("  www.example.org/page?a=1#b ", "https://www.example.org/page?a=1#b"),
        ("пример.рф/новости", "https://пример.рф/новости"),
        ("example.org:8080/x", "https://example.org:8080/x"),
        ("//example.org/x", "https://example.org/x"),
        ("ada@example.org", "mailto:ada@example.org"),
        ("example.org/report.pdf", "https://example.org/report.pdf"),
        ("docs.zip/x", "https://docs.zip/x"),
    ],
)
def test_an_address_without_its_scheme_gets_one(typed: str, kept: str) -> None:
    assert link(typed) == kept
    assert link(kept) == kept


@pytest.mark.parametrize(
    "typed",
    ["", "https://", "https://example.org", "http://example.org", "mailto:a@b.org", "tel:+371", "#top", "/page", "page",
     "report.pdf", "page.html", "{{ website }}", "*|ARCHIVE|*", "{{ website }}/a", "example.org/{{ FNAME }}", "a b.org",
     "javascript:alert(1)", "ada@", "1.5", "e.g", "@example.org"],
)  # fmt: skip
def test_what_is_no_address_or_has_its_scheme_stays_as_it_is(typed: str) -> None:
    assert link(typed) == typed


def test_every_link_of_every_block_is_mended() -> None:
    blocks = [
        {"type": "button", "attrs": {"text": "Go", "link": "example.org"}},
        {"type": "picture", "attrs": {"src": "ab" * 8, "alt": "x", "link": "example.org"}},
        {"type": "social", "attrs": {"links": [{"network": "Website", "url": "example.org"}]}},
        {"type": "bulletList", "content": [{"type": "listItem", "content": [
            {"type": "paragraph", "content": [text("here", to("example.org"))]}]}]},
    ]  # fmt: skip
    stored = dumps(mended(parse(dumps({"type": "doc", "content": blocks}))))
    assert stored.count('"https://example.org"') == 4 and '"example.org"' not in stored
    assert dumps(mended(parse(stored))) == stored, "saved again, it stays the same"


def test_a_markdown_link_in_a_text_becomes_a_link_with_the_marks_around_it() -> None:
    bold = {"type": "bold"}
    assert saved(text("Read [the story](example.org/a_(b)) and [more](https://b.org).", bold)) == [
        text("Read ", bold), text("the story", to("https://example.org/a_(b)"), bold), text(" and ", bold),
        text("more", to("https://b.org"), bold), text(".", bold),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "words", ["[1](see below)", "[x](javascript:alert)", "![x](https://a.org/x.png)", "a [word] (b.org)", "[](a.org)",
              "[x]({{ website }})", "[x](#top)"],
)  # fmt: skip
def test_other_brackets_stay_words(words: str) -> None:
    assert saved(text(words)) == [text(words)]


def test_what_is_a_link_already_and_raw_html_stay_as_they_are() -> None:
    linked = text("[x](a.org)", to("https://b.org"))
    assert saved(linked) == [linked]
    raw = {"type": "doc", "content": [{"type": "html", "attrs": {"source": '<a href="a.org">[x](b.org)</a>'}}]}
    assert mended(parse(dumps(raw))) == parse(dumps(raw))


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("See [this](example.org/a).\n", "See [this](https://example.org/a).\n"),
        ("[a](b.org) and [c](#top), [d](https://e.org)", "[a](https://b.org) and [c](#top), [d](https://e.org)"),
        ("`[x](a.org)` ```\n[x](a.org)\n``` ![x](a.org/x.png)", "`[x](a.org)` ```\n[x](a.org)\n``` ![x](a.org/x.png)"),
        ("[{{ FNAME }}](a.org) [x]({{ website }})", "[{{ FNAME }}](https://a.org) [x]({{ website }})"),
    ],
)
def test_links_of_markdown_are_completed_and_its_code_stays(typed: str, kept: str) -> None:
    assert mended_markdown(typed) == kept == mended_markdown(kept)


@pytest.mark.parametrize(
    "piece", ["[", "[x](", "a.", "a@", "(", "[x](a.org", "a-", "//", "[a](b(", "xn--", "`", "```", "`["]
)
def test_looking_for_links_takes_time_in_step_with_the_text(piece: str) -> None:
    began = process_time()
    saved(text(piece * 50_000))
    link(piece * 50_000)
    mended_markdown(piece * 50_000)
    assert process_time() - began < 5


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200))
def test_no_text_is_lost_and_no_address_breaks_it(words: str) -> None:
    link(words)
    if "\n" not in words and parse(dumps({"type": "doc", "content": [{"type": "paragraph", "content": [text("x")]}]})):
        mended({"type": "doc", "attrs": {"version": 1}, "content": [{"type": "paragraph", "content": [text(words)]}]})
