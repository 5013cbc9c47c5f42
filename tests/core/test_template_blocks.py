"""HTML of a template read as blocks: nothing is lost, and what is written instead wears the same."""

from typing import Any

import pytest

from samizdat.core.content.blocks import parse, to_html
from samizdat.core.content.templates.blocks import dress_of, read
from samizdat.core.content.templates.import_template import take
from samizdat.core.content.templates.layout import LayoutChanges, Region, parts_of, walk
from samizdat.core.content.templates.region_names import given, where

pytestmark = pytest.mark.once

STYLED = '<h1 class="h">Title</h1><p style="margin:0 0 9px;color:#345">Dear *|FNAME|*, <a href="{{ unsubscribe }}" style="color:#e00">leave</a></p><p style="margin:0;color:#345">Two<br>lines</p><ul class="u"><li>a<ul class="u"><li>b</li></ul></li></ul>'  # noqa: E501


@pytest.mark.parametrize(
    ("source", "kinds"),
    [
        ("Words", "paragraph"),
        ('<h5 class="s">Head</h5><p>a</p><h6>Less</h6>', "heading paragraph heading"),
        ("<h4>Head</h4> one <br /><br /> two", "heading paragraph paragraph"),
        ("*|IFNOT:ARCHIVE_PAGE|* a <br><br> b *|END:IF|*", "paragraph"),
        ("<div>a</div><div>b</div><div><br></div><div>c</div>", "paragraph paragraph"),
        ('<a href="https://x.example"><img src="https://x.example/a.png" width="200" alt="Boat"></a>', "picture"),
        ('<p>a</p><table><tr><td>b</td></tr></table><p class="odd">c</p><p>d</p><p>e</p>',
         "paragraph html paragraph paragraph"),
        ('one<br><br><span style="font-size:9px">two</span><br><br>three', "paragraph html paragraph"),
        ('<p>a <span style="color:#ff0000">red</span> <a href="//x.y"><span style="color:#00ff00">b</span></a></p>',
         "paragraph"),
        (STYLED, "heading paragraph paragraph bulletList"),
        ("<blockquote><p>said</p></blockquote><hr>", "blockquote divider"),
    ],
)  # fmt: skip
def test_html_becomes_blocks_and_what_cannot_stays_html(source: str, kinds: str) -> None:
    found = read(source)
    assert found is not None
    assert [block["type"] for block in found.document["content"]] == kinds.split()
    assert found.kept == ("html" in kinds.split())
    again = to_html(found.document, dress=found.dress)
    once_more = read(again)
    assert once_more is not None
    assert to_html(once_more.document, dress=once_more.dress) == again
    plain = (
        source.replace(" /", "").replace("margin:0;", "margin:0 0 9px;").replace("<div>", "").replace(" <br>", "<br>")
    )
    if "div" not in source and "table" not in source:
        assert "".join(again.split()) == "".join(plain.split()) or "img" in source


@pytest.mark.parametrize(
    "source",
    [
        "", " ", "<table><tr><td>all of it</td></tr></table>", "<style>p{}</style><p>x</p>",
        "<p>*|IF:A|* one</p><p>two *|END:IF|*</p>", "<!--[if mso]><p>x</p><![endif]-->y",
        "<table>*|IF:A|*<tr><td>x</td></tr>*|END:IF|*</table><p>y</p>", '<img src="*|PIC|*">',
    ],
)  # fmt: skip
def test_what_would_lose_something_is_no_blocks_at_all(source: str) -> None:
    assert read(source) is None


def test_a_color_is_the_innermost_one_and_said_in_one_way() -> None:
    found = read('<p>a <font color="Red">b <a href="//x.example">c</a> <b>d</b></font></p>')
    assert found is not None
    assert to_html(found.document, dress=found.dress) == (
        '<p>a <span style="color:#ff0000">b </span><a href="//x.example">c</a><span style="color:#ff0000"> </span>'
        '<strong><span style="color:#ff0000">d</span></strong></p>'
    )
    for odd in ("color:rgba(0,0,0,.5)", "color:inherit", "color:red;font-size:9px"):
        kept = read(f'<p>a</p><p><span style="{odd}">b</span></p>')
        assert kept is not None and kept.kept


def test_what_is_added_wears_what_the_template_has() -> None:
    more = parse(
        '{"type":"doc","content":[{"type":"paragraph","content":[{"type":"text","text":"New"}]},'
        '{"type":"paragraph","content":[{"type":"text","text":"more"}]},'
        '{"type":"picture","attrs":{"src":"https://x.example/b.png","alt":"Bay","link":"https://x.example/"}}]}'
    )
    assert '<p style="margin:0 0 9px;color:#345">New</p>' in to_html(more, dress=dress_of(STYLED))
    assert to_html(more, dress=dress_of("Words")).startswith("New<br><br>more<br><br><a href=")
    around = dress_of('<div style="text-align:center"><img src="https://x.example/a.png" height="9" id="i"></div>')
    assert to_html(more, dress=around).endswith('<img src="https://x.example/b.png" alt="Bay" id="i"></a></div>')


@pytest.mark.parametrize(
    ("name", "said", "place"),
    [
        ("tiwc300_image00 #2", "", ""), ("header_image", "", "header"), ("std_preheader_links", "", "preheader"),
        ("article", "Article", ""), ("Main story #2", "Main story 2", ""), ("left_column_content", "", "left"),
        ("headerImage", "", "header"), ("std_utility", "", "utility"),
    ],
)  # fmt: skip
def test_a_name_for_machines_tells_where_and_one_of_a_person_is_kept(name: str, said: str, place: str) -> None:
    assert given(name) == said
    if not said:
        assert where(name) == place


ARTICLES = """<html><body><table width="600"><tr><td><a href="https://x.example/"><img src="https://x.example/logo.png"
 width="120" alt="Logo"></a><img src="https://x.example/gap.gif" width="9" height="9"></td></tr>
<tr><td>Short words</td></tr><tr><td><table><tr><td>The longest of all the words that stand in this page</td></tr>
</table></td></tr><tr><td>&nbsp; | </td></tr><tr><td>*|IF:A|* half</td><td>of it *|END:IF|*</td></tr>
</table></body></html>"""


def test_a_page_without_marks_has_its_words_and_pictures_as_places() -> None:
    taken = take(ARTICLES.encode())
    assert taken.sample == "The longest of all the words that stand in this page"
    places = [part.usual for _key, part in walk(parts_of(taken.source), LayoutChanges()) if isinstance(part, Region)]
    assert [place.split()[0] for place in places] == ["<a", "Short"]
    assert take(b"<body><p>One</p><p>Two</p></body>").sample == "<p>One</p><p>Two</p>"
    footer = "<table><tr><td>%s</td></tr><tr><td>*|LIST:ADDRESS|* and more words than in the letter</td></tr></table>"
    assert take((footer % "Words of the letter").encode()).sample == "Words of the letter"
    assert "Text" not in take((footer % "Head").encode()).sample, "a heading is not the letter"
    tables = b"<body>" + b"<table><tr><td>%s</td></tr></table>" * 3 + b"</body>"
    assert take(tables % (b"one word", b"some more words", b"one")).sample == "some more words"


@pytest.mark.parametrize(
    "made_up",
    [
        {"texts": {"body": [7, ""]}, "copies": {}, "hidden": []},
        {"texts": {}, "copies": {"item": [["0", "1"]]}, "hidden": []},
        {"texts": {}, "copies": {"item": [["0", -1]]}, "hidden": []},
        {"texts": {}, "copies": {}, "hidden": [1]},
        {"texts": [], "copies": {}, "hidden": []},
    ],
)
def test_what_somebody_made_up_is_no_arrangement(made_up: dict[str, Any]) -> None:
    with pytest.raises((KeyError, TypeError, ValueError, AttributeError)):
        LayoutChanges.read(made_up)
