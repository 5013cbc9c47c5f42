"""A letter of blocks becomes HTML and text that say the same, in every frame, and nothing else."""

import html
import re
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given, settings

from samizdat.core.content.blocks import dumps, parse
from samizdat.core.content.blocks.comments import marked, spots, unmarked, without, without_comments
from samizdat.core.content.compile import compile_letter
from samizdat.core.content.render import RenderedContent, fill, render
from tests.core.blocks import (
    EVERY_BLOCK,
    PICTURE,
    VECTORS,
    atom,
    content,
    document,
    documents,
    heading,
    link,
    paragraph,
)
from tests.core.blocks import text as words

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
VALUES = {"FNAME": "Ada", "CITY": "Riga", "UNSUB_URL": "https://u.example", "PREFERENCES_URL": "https://p.example"}


def made(letter: Any = EVERY_BLOCK, **more: Any) -> RenderedContent:
    return render(content(letter, **more), now=NOW)


def page(letter: RenderedContent, **values: str) -> str:
    return fill(letter.html, VALUES | values)


def plain(letter: RenderedContent, **values: str) -> str:
    return fill(letter.text, VALUES | values)


def flaws(letter: RenderedContent) -> list[tuple[str, int, str]]:
    return [(flaw.code, flaw.line, flaw.place) for flaw in letter.flaws]


class Nesting(HTMLParser):
    """Counts what is open, and remembers what closed something else."""

    inside_a_line = frozenset({"a", "strong", "em", "b", "i", "span"})
    void = frozenset({"br", "hr", "img", "meta", "col", "wbr"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.wrong: list[str] = []
        self.words: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        parent = {"tr": ("tbody", "table", "thead"), "td": ("tr",), "tbody": ("table",), "li": ("ul", "ol")}.get(tag)
        if parent and (not self.open or self.open[-1] not in parent):
            self.wrong.append(f"{tag} in {self.open[-1:]}")
        values = dict(attrs)
        if tag == "a" and values.get("href"):
            self.links.append(str(values["href"]))
        if tag == "img" and values.get("alt"):
            self.words.append(f" {values['alt']} ")
        if tag not in self.inside_a_line:
            self.words.append(" ")
        if tag not in self.void:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in self.void:
            return
        if tag == "a":  # In the text its address follows.
            self.words.append(" ")
        if not self.open or self.open.pop() != tag:
            self.wrong.append(f"/{tag}")

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style", "title"):
            self.words.append(data)


def read(whole: str) -> Nesting:
    reader = Nesting()
    reader.feed(whole)
    reader.close()
    return reader


def test_every_block_is_in_both_parts_with_its_words_and_links() -> None:
    letter = made()
    whole, text = page(letter), plain(letter)
    found = read(whole)
    assert (found.wrong, found.open) == ([], [])
    said = re.findall(r"\w+", "".join(found.words))
    in_text = set(re.findall(r"\w+", text))
    assert sum(word in in_text for word in said) >= 0.95 * len(said)
    assert all(url in text for url in found.links)
    assert "Friday, December 4, 2026, 19:00–21:00" in text
    assert text.index("don’t donate from a Russian bank") < text.index("10 €"), "the warning stands above the amounts"
    assert compile_letter(content(), now=NOW, boundary="b" * 20).compiled is not None


def test_columns_stand_below_each_other_until_there_is_room() -> None:
    whole = page(made())
    assert "min-width:480px" in whole
    assert 'class="mj-outlook-group-fix mj-column-per-50 b-col"' in whole
    assert re.search(r'per-50 b-col" style="[^"]*width: 100%', whole)


def test_a_letter_from_right_to_left_is_so_in_its_columns_as_well() -> None:
    whole = page(made(language="ar"))
    assert '<div class="b-top" dir="rtl"' in whole
    assert re.search(r"direction: ?rtl", whole)
    assert re.search(r"border-right: ?4px solid", whole)


def test_a_condition_may_reach_over_blocks_and_leaves_no_trace() -> None:
    letter = made(
        document(
            heading("News"),
            paragraph('{% if CITY == "Riga" %}'),
            atom("button", text="Come", link="https://riga.example/"),
            {"type": "columns", "content": [{"type": "column", "content": [paragraph("by tram")]}] * 2},
            paragraph("{% else %}"),
            paragraph("Elsewhere"),
            paragraph("{% endif %}"),
            paragraph("*|IF:FNAME|*Hello ", words("Ada", "bold"), "*|END:IF|* bye"),
        )
    )
    assert flaws(letter) == []
    there, elsewhere = page(letter, FNAME=""), page(letter, CITY="Berlin")
    assert "Come" in there
    assert "by tram" in there
    assert "Elsewhere" not in there
    assert "Come" not in elsewhere
    assert "Hello <strong>Ada</strong> bye" in elsewhere
    assert "Hello" not in there
    assert [read(one).wrong for one in (there, elsewhere)] == [[], []]
    assert "Come <https://riga.example/>" in plain(letter)
    assert "by tram" not in plain(letter, CITY="Berlin")


def test_what_is_known_already_leaves_out_whole_blocks() -> None:
    letter = document(
        paragraph("{% if ARCHIVE_PAGE %}"),
        atom("picture", src=PICTURE, alt="for the web"),
        {"type": "divider"},
        paragraph("web{% else %}mail"),
        paragraph("{% endif %}"),
        paragraph("both"),
    )
    mail = page(made(letter))
    assert "for the web" not in mail
    assert "<hr" not in mail
    assert "<p" in mail
    assert "mail" in mail
    web = page(render(content(letter), now=NOW, archive=True))
    assert "for the web" in web
    assert "<hr" in web


def test_a_condition_that_cuts_through_a_block_is_named_by_its_number() -> None:
    column = {"type": "column", "content": [paragraph("{% if CITY %}"), paragraph("a")]}
    letter = made(document(paragraph("x"), {"type": "columns", "content": [column, column]}, paragraph("{% endif %}")))
    assert ("if_broken", 2, "block") in flaws(letter)


def test_flaws_are_named_by_the_number_of_the_block() -> None:
    letter = made(
        document(
            paragraph("fine"),
            paragraph("{{ NOBODY }}"),
            atom("html", source="<p>\n\n</p>\n<form><img src='https://spy.example/p.gif' width=1 height=1></form>"),
            paragraph(words("x", link("www.example.org"))),
            atom("picture", src="abc", alt="x"),
            atom("picture", src=PICTURE),
            atom("button", text="Go"),
            atom("picture", src="https://spy.example/b.png", alt="x"),
        )
    )
    assert sorted(flaws(letter), key=lambda flaw: (flaw[1], flaw[0])) == [
        ("tag_unknown", 2, "block"),
        ("html_taken_out", 3, "block"),
        ("image_counter", 3, "block"),
        ("image_foreign", 3, "block"),
        ("link_relative", 4, "block"),
        ("picture_gone", 5, "block"),
        ("image_no_alt", 6, "block"),
        ("button_empty", 7, "block"),
    ]
    assert "spy.example/p.gif" not in page(letter)
    assert flaws(made("{")) == [("doc_no_json", 1, "block")]
    assert ("body_empty", 1, "block") in flaws(made(document(paragraph(), {"type": "divider"})))


def test_a_tag_of_mailchimp_is_taken_out_of_the_blocks_with_its_link() -> None:
    letter = parse(
        dumps(document(paragraph("a *|FORWARD|* b"), paragraph("c ", words("forward", link("*|FORWARD|*")))))
    )
    found = render(content(letter), now=NOW).flaws
    cut = without(letter, [flaw for flaw in found if flaw.fix == "remove"])
    assert parse(dumps(cut)) == parse(dumps(document(paragraph("a  b"), paragraph("c "))))


@pytest.mark.parametrize("template", ["", "<html><body><table><tr><td>{{ content }}</td></tr></table></body></html>"])
def test_blocks_stand_in_a_frame_of_html_as_in_ours(template: str) -> None:
    letter = made(template=template)
    assert read(page(letter)).wrong == []
    assert "Read the whole story" in page(letter)
    assert "Unsubscribe <https://u.example>" in plain(letter)


@settings(max_examples=50, deadline=None)  # `./run bench compile` tries 200.
@given(documents)
def test_random_documents_say_the_same_in_json_html_and_text(letter: Any) -> None:
    assert_the_same(letter)


def assert_the_same(letter: Any) -> None:
    canonical = parse(dumps(letter))
    assert parse(dumps(canonical)) == canonical
    bare = without_comments(parse(dumps(letter)))
    again = unmarked(bare, marked(bare).source)
    for block in again.get("content", ()):
        del block["block"]
    kept = {spot.text for spot in spots(again) if spot.key == "text"}
    assert kept == {spot.text for spot in spots(bare) if spot.key == "text"}, "a save or a cut loses no word"

    rendered = render(content(letter), now=NOW)
    whole, text = page(rendered, FNAME="Ada & <co>"), plain(rendered, FNAME="Ada & <co>")
    if not whole:
        return
    found = read(whole)
    assert (found.wrong, found.open) == ([], [])
    assert "zq0x" not in whole.replace("zq0x0q", "").replace("zq0xf0q", "")
    said, in_text = re.findall(r"\w+", "".join(found.words)), set(re.findall(r"\w+", text))
    assert sum(word in in_text for word in said) >= 0.95 * len(said)
    flat = re.sub(r"\s+", "", text)
    assert all(re.sub(r"\s+", "", url.removeprefix("mailto:")) in flat for url in found.links if url)
    assert_harmless(whole)


def assert_harmless(whole: str) -> None:
    body = re.sub(r"<!--.*?-->", "", whole[whole.index("<body") :], flags=re.DOTALL)
    for tag in re.findall(r"<(\w+)((?:[^<>\"]|\"[^\"]*\")*)>", body):
        assert tag[0] not in ("script", "svg", "iframe", "form", "style", "object")
        assert not re.search(r"\son\w+\s*=", re.sub(r'"[^"]*"', '""', tag[1]))
        for address in re.findall(r'(?:href|src)="([^"]*)"', tag[1]):
            assert not re.match(r"\s*(?!(?:https?|mailto|tel):)[\w+.-]+:", html.unescape(address)), address


def test_attacks_in_every_attribute_and_text_stay_words() -> None:
    for vector in VECTORS:
        letter = document(
            paragraph(vector, words(vector, link(f"https://a.example/{vector}"))),
            atom("picture", src="https://lantern.example/p.png", alt=vector, link=f"https://a.example/{vector}"),
            atom("button", text=vector, link=f"https://a.example/{vector}"),
            atom("donation", title=vector, text=vector, link="https://a.example/", label=vector, amounts=[vector]),
            atom("event", title=vector, place=vector, about=vector),
            atom("html", source=vector),
        )
        whole = page(made(letter))
        assert_harmless(whole)
        assert read(whole).wrong == []


def test_a_preview_without_its_text_part_is_the_same_page() -> None:
    letter = document(paragraph("Dear {{ FNAME }},"), paragraph("the water came at four."))
    whole, quick = render(content(letter), now=NOW), render(content(letter), now=NOW, text=False)
    assert (quick.html, quick.text, quick.flaws) == (whole.html, (), whole.flaws)


@pytest.mark.parametrize(
    ("questions", "codes"),
    [
        ([("Thursdays?", ["Yes", "No"])], []),
        ([("", ["Yes", "No"])], ["question_empty"]),
        ([("Thursdays?", ["Yes", " "])], ["question_empty"]),
        ([("Thursdays, {{ FNAME }}?", ["Yes", "No"])], ["question_tag"]),
        ([("Thursdays?", ["Yes", "No"]), ("Fridays?", ["Yes", "No"])], ["question_second"]),
    ],
)
def test_a_letter_asks_one_whole_question_that_is_the_same_for_all(questions: Any, codes: list[str]) -> None:
    blocks = [atom("question", question=asked, answers=answers) for asked, answers in questions]
    proof = compile_letter(content(document(*blocks)), now=NOW, boundary="b" * 12)
    assert [flaw.code for flaw in proof.flaws if flaw.code.startswith("question")] == codes
    if not codes:
        text = fill(proof.letter.text, {})
        assert "- Yes <https://lantern.example/q/0>" in text and "- No <https://lantern.example/q/1>" in text


def test_a_question_that_some_readers_alone_get_stops_the_letter() -> None:
    """Its few answers would tell who gave them."""
    asked = atom("question", question="Thursdays?", answers=["Yes", "No"])
    blocks = [paragraph('{% if FNAME == "Ada" %}'), asked, paragraph("{% endif %}")]
    proof = compile_letter(content(document(*blocks)), now=NOW, boundary="b" * 12)
    assert proof.compiled is None
    found = [(flaw.code, flaw.place, flaw.line) for flaw in proof.flaws if flaw.severity == "stop"]
    assert found == [("question_condition", "block", 1)]
