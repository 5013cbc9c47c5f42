"""The block editor by mouse and by touch: what is pressed opens, and stays where it was pressed."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser import started
from tests.web.conftest import House
from tests.web.test_block_editor import make, paragraph, written
from tests.web.test_browser import PHONE, window

pytestmark = [pytest.mark.browser, pytest.mark.once, pytest.mark.django_db(transaction=True)]

SOCIAL = {"type": "social", "attrs": {"links": [{"network": "Telegram", "url": "https://t.me/lantern"}]}}
BUTTON = {"type": "button", "attrs": {"text": "Read on", "link": "", "align": "start"}}
PICTURE = {"type": "picture", "attrs": {"src": "", "alt": "", "decorative": False, "link": "", "width": None}}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with started() as running:
        yield running


def middle(face: Any) -> tuple[float, float]:
    face.scroll_into_view_if_needed()
    box = face.bounding_box()
    return box["x"] + min(box["width"] / 2, 60), box["y"] + box["height"] / 2


def press(page: Any, place: Any) -> None:
    """A mouse is never quite still: it moves a little while the button is down, and after it."""
    x, y = middle(place)
    page.mouse.move(x, y)
    page.mouse.down()
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    page.mouse.move(x + 1, y)
    page.mouse.up()
    page.mouse.move(x + 1, y + 1)
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


def opened(page: Any) -> list[str]:
    """Which blocks show their fields."""
    seen = "all => all.filter(form => form.checkVisibility()).map(form => form.parentElement.dataset.kind)"
    return list(page.eval_on_selector_all(".blk > .form", seen))


@pytest.mark.parametrize("touch", [False, True], ids=["mouse", "touch"])
def test_blocks_with_fields_open_one_after_the_other(browser: Any, served: str, here: House, touch: bool) -> None:
    blocks = (paragraph("Start"), PICTURE, BUTTON, SOCIAL, PICTURE, SOCIAL)
    _letter, path = make(here, *blocks)
    options = {"viewport": PHONE, "has_touch": True, "is_mobile": True} if touch else {}
    with window(browser, here.people["editor"], served, **options) as (page, complaints):
        page.goto(path)
        faces = page.locator(".blk > .face")
        expect(faces).to_have_count(5)
        for number in (0, 1, 2, 3, 4, 3, 2, 1, 0, 4):
            face = faces.nth(number)
            before = face.evaluate("face => (face.scrollIntoView({block: 'center'}), face.getBoundingClientRect().top)")
            if touch:
                page.touchscreen.tap(*middle(face))
            else:
                press(page, face)
            expect(page.locator(".blk > .form").nth(number)).to_be_visible()
            assert opened(page) == [blocks[number + 1]["type"]]
            assert abs(face.bounding_box()["y"] - before) < 2, number
        page.keyboard.press("Delete")
        assert [block["type"] for block in written(page)] == [block["type"] for block in blocks[:-1]]
        assert not complaints


def test_a_press_below_open_fields_selects_nothing_and_puts_the_caret_there(
    browser: Any, served: str, here: House
) -> None:
    _letter, path = make(here, PICTURE, paragraph("Above the river"), paragraph("Below the river"))
    with window(browser, here.people["editor"], served) as (page, complaints):
        page.goto(path)
        press(page, page.locator(".face"))
        expect(page.locator(".form")).to_be_visible()
        press(page, page.locator(".prose", has_text="Above the river"))
        expect(page.locator(".form")).to_be_hidden()
        assert page.evaluate("document.getSelection().isCollapsed")
        page.keyboard.press("End")
        page.keyboard.type("!")
        assert written(page)[1]["content"][0]["text"] == "Above the river!"
        assert not complaints
