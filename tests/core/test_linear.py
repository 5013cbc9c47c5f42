"""Whole readers take as long as their text is: what makes one go back and forth is found by its cost, not by a limit.

Patterns by themselves are test_patterns.py's. Here each reader gets texts that open and never close what it reads, and
four times as much of the same. What goes over the text once takes four times as long, what goes back sixteen times; the
processor's own seconds are compared, the quickest of some tries, so that a busy machine makes none of it slow.
"""

import contextlib
import gc
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest

from samizdat.campaigns.templates import region_names
from samizdat.core.content.blocks.compare import difference
from samizdat.core.content.blocks.markdown import from_markdown
from samizdat.core.content.blocks.merge_versions import merge
from samizdat.core.content.blocks.parser import BadDocument, parse
from samizdat.core.content.checks import TextPositions
from samizdat.core.content.corrections import corrected
from samizdat.core.content.render import Content, render, stylesheet
from samizdat.core.content.templates.blocks import read
from samizdat.core.content.templates.import_template import take
from samizdat.core.content.templates.notes import TemplateRefused
from samizdat.core.imports import ImportFailed
from samizdat.importers.reading import text as texts

Reader = Callable[[str], object]
NOW = datetime(2026, 11, 25, tzinfo=UTC)
SMALL, TIMES = 8_000, 4
STEEP = 10.0  # Between once over the text (4) and back and forth over it (16).
LEAST = 0.01  # Seconds; less is told by chance.
TRIES = 3
REFUSED = (TemplateRefused, BadDocument, ImportFailed)


def letter(form: str) -> Reader:
    facts = {"subject": "x", "from_name": "x", "from_address": "ada@post.example", "format": form}
    return lambda text: render(Content(body=text, **facts), now=NOW)  # type: ignore[arg-type]


def compared(text: str) -> object:
    """With what has another word in each of its lines."""
    return difference(text.split("\n"), text.replace("x", "y").split("\n"))


def merged(text: str) -> object:
    """Two footers, and two letters, that share nothing."""
    mine, theirs = ([f"{who}{number}" for number, _line in enumerate(text.split("\n"))] for who in "mt")
    blocks = [[{"type": "paragraph", "attrs": {"id": name}} for name in names] for names in (mine, theirs)]
    footers = [
        {"type": "footer", "attrs": {"id": "f"}, "content": [{"text": name} for name in names]}
        for names in (mine, theirs)
    ]
    return merge([], [*blocks[0], footers[0]], [*blocks[1], footers[1]], lambda: "new")


def placed(text: str) -> object:
    """Each line of a letter is looked for, and one that it doesn't have."""
    where = TextPositions(text, "html")
    return [where.place_of(f"{line}{number}") for number, line in enumerate(text.split("\n"))]


# What is opened again and again and never closed.
MARKDOWN = (
    "![", "[a](", "[a][", "**a ", "_a*", "`", "> ", "- a\n", "|a", "~~a", "&", "https://a.b ", "[a]: b\n",
)  # fmt: skip
MARKUP = ("<a ", "<b>", "<div>", "</p>", "<!--", "<p style='", '<a href="', "<style>a{", "<td>", "&")
TAGS = ("*|", "*|IF:A|*", "{{ a", "{% if A %}")
READERS: dict[str, tuple[Reader, tuple[str, ...]]] = {
    "a letter in Markdown": (letter("markdown"), (*MARKDOWN, *TAGS)),
    "a letter in HTML": (letter("html"), (*MARKUP, *TAGS)),
    "Markdown as blocks": (from_markdown, MARKDOWN),
    "HTML as blocks": (read, MARKUP),
    "a template": (lambda text: take(f"<table><tr><td>{text}".encode()), (*MARKUP, *TAGS)),
    "what a part of a template is called": (
        lambda text: region_names.words_of(f"<!--[if mso]><img{text}<![endif]-->{text}"),
        (*MARKUP, *TAGS, ' alt=""', ' alt="', "<img ", "{%", "*|IF"),
    ),
    "corrections of a page": (
        lambda text: corrected("", text, [(text[: len(text) // 4] + f"x{n}", "y") for n in range(5)]),
        ("a ", "a  ", "<a href='a a'>", "<b>", "<!--", "&"),
    ),
    "a document of blocks": (parse, ("[", '{"a":', '"')),
    "a style sheet": (stylesheet.read, ("a{", "@media a{", "/*", '"', "(", "a:b;", "a{}")),
    "two versions of a letter": (compared, ("a\n", "a\nx\n", "a x ", "a x\n")),
    "a letter of two writers": (merged, ("a\n",)),
    "where a flaw is": (placed, ("http://a.b\n", "a\n")),
    "a table": (lambda text: texts.glance(text.encode(), whole=True), ('"', ",", "a,b\n", "\n", "|a", '[{"a":')),
}


def seconds(reader: Reader, text: str) -> float:
    began = time.process_time()
    with contextlib.suppress(*REFUSED):
        reader(text)
    return time.process_time() - began


def steep(reader: Reader, pump: str) -> bool:
    """Whether each try says that four times the text takes far more than four times as long."""
    small, large = pump * (SMALL // len(pump)), pump * (SMALL * TIMES // len(pump))
    for _try in range(TRIES):
        took = seconds(reader, large)
        if took <= STEEP * LEAST or took <= STEEP * seconds(reader, small):
            return False
    return True


@pytest.fixture(autouse=True)
def no_garbage() -> Iterator[None]:
    """Looking for garbage takes longer the more there is of everything else."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize("name", READERS)
def test_a_reader_takes_as_long_as_its_text_is(name: str) -> None:
    reader, pumps = READERS[name]
    assert [pump for pump in pumps if steep(reader, pump)] == []


def test_a_reader_that_goes_back_and_forth_would_be_found() -> None:
    def back_and_forth(text: str) -> int:
        return sum(1 for _sign in range(len(text) ** 2 // 100))

    assert steep(back_and_forth, "[") and not steep(lambda text: text.split("["), "[")


@pytest.mark.parametrize("pump", ["<b>", "<ul><li>"])
def test_elements_inside_of_elements_without_end_are_no_blocks(pump: str) -> None:
    assert read(pump * 3_000) is None
