"""The small drawing of an email: what stands in it is drawn in its order, inside of its page."""

import json
from importlib.resources import files
from itertools import pairwise
from time import process_time

import pytest

from samizdat.campaigns.templates.starter_templates import NAMES
from samizdat.core.content.blocks import parse
from samizdat.core.content.blocks.schema import KINDS, Node
from samizdat.core.content.theme import DESIGNS
from samizdat.core.content.thumbnail import Shape, blocks_of_html, drawing


def starter(name: str) -> list[Node]:
    return parse(files("samizdat.core").joinpath(f"templates/starters/{name}.en.json").read_text("utf-8"))["content"]


def kinds(shapes: tuple[Shape, ...]) -> list[str]:
    return [shape.kind for shape in shapes]


def test_a_drawing_shows_the_blocks_in_their_order() -> None:
    shapes = drawing(starter("letter"))
    assert kinds(shapes)[:2] == ["pg", "hd"], "the page, then the headline"
    drawn = kinds(shapes)
    assert drawn.index("im") < len(drawn) - 1 - drawn[::-1].index("hd"), "the button stands under the image"
    assert all(above.y <= below.y for above, below in pairwise(shapes[1:]))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("design", ["", *DESIGNS])
def test_nothing_is_drawn_outside_of_the_page(name: str, design: str) -> None:
    page, *inside = [shape for shape in drawing(starter(name), design) if (shape.x, shape.y) != (20, 14)]
    assert page.kind == "pg" and len(inside) > 5
    for shape in inside:
        assert page.x <= shape.x and shape.x + shape.width <= page.x + page.width, shape
        assert page.y <= shape.y and shape.y + shape.height <= page.y + page.height, shape


def test_every_kind_of_block_and_every_starter_has_a_drawing_of_its_own() -> None:
    assert len({drawing(starter(name)) for name in NAMES}) == len(NAMES)
    for kind in KINDS["doc"].inside:
        assert drawing([{"type": kind, "content": [{"type": "text", "text": "words"}]}])
    left, right = ({"type": "column", "content": [{"type": "picture"}]} for _side in range(2))
    _page, first, second = drawing([{"type": "columns", "content": [left, right]}])
    assert first.y == second.y and first.x + first.width < second.x


def test_a_page_of_html_is_drawn_with_the_email_in_its_place() -> None:
    page = (
        "<style>p { color: red }</style><!-- <img> --><table><tr><td><img src='logo.png' width='40'></td></tr>"
        "<tr><td><img src='wide.png' width='600'></td></tr><tr><td>{{ content }}</td></tr>"
        "<tr><td><a href='x' style='background:#000'>Read</a></td></tr><tr><td>Harbour Street 1</td></tr></table>"
    )
    found = [block["type"] for block in blocks_of_html(page, [{"type": "divider"}])]
    assert found == ["picture", "divider", "button", "paragraph"]


@pytest.mark.parametrize("piece", ["<", "<!--", "<style>", "<a ", "{{ ", "{{ content }}", "<a x=", "</", "<p>x"])
def test_reading_a_page_takes_time_in_step_with_it(piece: str) -> None:
    began = process_time()
    list(blocks_of_html(piece * 100_000))
    assert process_time() - began < 5, "60,000 characters are read, in some 50 ms"


def test_a_drawing_is_the_same_from_the_stored_text() -> None:
    blocks = starter("digest")
    assert drawing(json.loads(json.dumps(blocks))) == drawing(blocks)
