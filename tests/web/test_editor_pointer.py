"""The block editor by mouse and by touch: what is pressed opens, and stays where it was pressed."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import expect

from samizdat.campaigns.templates.starter_templates import body_of
from samizdat.core.content.blocks import parse
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


def test_ctrl_a_chooses_the_block_first_and_then_everything(browser: Any, served: str, here: House) -> None:
    _letter, path = make(here, paragraph("Above the river"), paragraph("Below the river"))
    with window(browser, here.people["editor"], served) as (page, complaints):
        page.goto(path)
        page.locator(".prose", has_text="Below").click()
        page.keyboard.press("Control+a")
        page.keyboard.type("Here")
        assert [block["content"][0]["text"] for block in written(page)] == ["Above the river", "Here"]
        page.keyboard.press("Control+a")
        page.keyboard.press("Control+a")
        page.keyboard.type("All")
        assert [block["content"][0]["text"] for block in written(page)] == ["All"]
        assert not complaints


@pytest.mark.parametrize("touch", [False, True], ids=["mouse", "touch"])
def test_what_is_typed_takes_the_place_of_a_starters_words(browser: Any, served: str, here: House, touch: bool) -> None:
    _letter, path = make(here, *parse(body_of("digest", "en"))["content"])
    options = {"viewport": PHONE, "has_touch": True, "is_mobile": True} if touch else {}
    with window(browser, here.people["editor"], served, **options) as (page, complaints):
        page.goto(path)
        # By Tab from the field before, by pointer from block to block, in columns too.
        page.focus("#f-preheader")
        page.keyboard.press("Tab")
        page.keyboard.type("The river")
        for old in ("What happened and why", "Headline of the second", "Headline of the third"):
            place = page.locator(".blk > :is(.prose, .title)", has_text=old)
            page.touchscreen.tap(*middle(place)) if touch else press(page, place)
            page.wait_for_function("words => document.getSelection().toString().startsWith(words)", arg=old)
            page.keyboard.type("Water")
        blocks = written(page)
        assert [blocks[0]["content"][0]["text"], blocks[1]["content"][0]["text"]] == ["The river", "Water"]
        assert [column["content"][0]["content"][0]["text"] for column in blocks[4]["content"]] == ["Water", "Water"]
        # What somebody has written is theirs: there a press only puts the caret.
        place = page.locator(".title", has_text="The river")
        page.touchscreen.tap(*middle(place)) if touch else press(page, place)
        expect(page.locator(".blk.on")).to_contain_text("The river")
        assert page.evaluate("document.getSelection().isCollapsed")
        # And a second press into a sample is the browser's own: one word of it can be changed.
        press(page, page.locator(".columns .prose").first)
        assert page.evaluate("document.getSelection().toString()") == "What happened, in two sentences."
        if not touch:
            press(page, page.locator(".columns .prose").first)
            assert page.evaluate("document.getSelection().toString()") in ("", "happened")
        assert not complaints
