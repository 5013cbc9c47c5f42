"""The block editor by mouse and by touch: what is pressed opens, and stays where it was pressed."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import expect

from samizdat.accounts.models import Person
from samizdat.campaigns.templates.starter_templates import body_of
from samizdat.core.content.blocks import parse
from tests.browser import started
from tests.web.conftest import House, png
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


def columns(*texts: str) -> dict[str, Any]:
    cells = [{"type": "column", "content": [paragraph(text)]} for text in texts]
    return {"type": "columns", "content": cells}


def overlap(one: dict[str, float], other: dict[str, float]) -> bool:
    beside = one["x"] + one["width"] <= other["x"] or other["x"] + other["width"] <= one["x"]
    above = one["y"] + one["height"] <= other["y"] or other["y"] + other["height"] <= one["y"]
    return not (beside or above)


@pytest.mark.parametrize("language", ["en", "ru"])
def test_tools_of_a_column_stay_on_the_sheet_and_in_a_row(
    browser: Any, served: str, here: House, language: str
) -> None:
    _letter, path = make(here, paragraph("Above"), columns("Left bank", "Right bank"))
    Person.objects.update(language=language)
    with window(browser, here.people["editor"], served) as (page, complaints):
        page.goto(path)
        for text in ("Left bank", "Right bank"):
            page.locator(".columns .prose", has_text=text).click()
            bar = page.locator(".blk-bar")
            expect(bar).to_be_visible()
            assert not overlap(bar.bounding_box(), page.locator("#rail").bounding_box())
            heights = bar.evaluate("bar => [bar.offsetHeight, bar.querySelector('button').offsetHeight]")
            assert heights[0] < 1.5 * heights[1], "one row"
        assert not complaints


def heading(text: str) -> dict[str, Any]:
    return {"type": "heading", "attrs": {"level": 2}, "content": [{"type": "text", "text": text}]}


@pytest.mark.parametrize("language", ["en", "ru"])
def test_tools_cover_no_text_but_that_of_their_own_block(browser: Any, served: str, here: House, language: str) -> None:
    pairs = [("Next: 12 December", "Meet at the old mill at ten."), ("Thanks to donors", "Gifts paid the boat.")]
    cells = [{"type": "column", "content": [heading(title), paragraph(text)]} for title, text in pairs]
    blocks = (heading("Two miles of river"), paragraph("Cleaned."), {"type": "columns", "content": cells})
    lines = [paragraph(f"Line {number}") for number in range(20)]
    _letter, path = make(here, *blocks, paragraph("What else"), *lines)
    Person.objects.update(language=language)
    with window(browser, here.people["editor"], served) as (page, complaints):
        page.goto(path)
        words, bar = page.locator(".ProseMirror :is(.prose, .title)"), page.locator(".blk-bar")
        for number in range(7):
            for header_above in (False, True):
                if header_above:  # there is no room between the block and the header of the page
                    edge = page.locator(".editor-bar").bounding_box()
                    to = "(word, edge) => scrollBy(0, word.getBoundingClientRect().top - edge)"
                    words.nth(number).evaluate(to, edge["y"] + edge["height"] + 8)
                words.nth(number).click()
                page.mouse.move(700, 600)
                expect(bar).to_be_visible()
                place, edge = bar.bounding_box(), page.locator(".editor-bar").bounding_box()
                others = [words.nth(other).bounding_box() for other in range(words.count()) if other != number]
                assert not any(overlap(place, other) for other in others), (number, header_above)
                assert place["y"] >= edge["y"] + edge["height"]
        assert not complaints


def test_an_empty_button_is_no_mistake_before_somebody_has_left_it(browser: Any, served: str, here: House) -> None:
    _letter, path = make(here, paragraph("Above"), BUTTON, paragraph("Below"))
    with window(browser, here.people["editor"], served) as (page, complaints):
        page.goto(path)
        expect(page.locator("#aside .mark.stop")).not_to_have_count(0)
        page.locator(".prose", has_text="Below").click()
        expect(page.locator(".blk.flawed")).to_have_count(0)
        press(page, page.locator(".face"))
        expect(page.locator(".blk.flawed")).to_have_count(0)
        page.locator(".prose", has_text="Below").click()
        expect(page.locator(".blk.flawed")).to_have_count(1)
        assert not complaints


def test_on_a_phone_nothing_lies_over_anything_else(browser: Any, served: str, here: House) -> None:
    _letter, path = make(here, paragraph("Above"), columns("Left bank", "Right bank"), paragraph("Below"))
    options = {"viewport": PHONE, "has_touch": True, "is_mobile": True}
    with window(browser, here.people["editor"], served, **options) as (page, complaints):
        page.goto(path)
        signs = [sign.bounding_box() for sign in page.locator(".plus").all()]
        assert len(signs) == 5
        assert not any(overlap(one, other) for at, one in enumerate(signs) for other in signs[:at])
        # The window in which a block is chosen can be closed by a button.
        page.locator(".add-last").tap()
        page.locator("#add").get_by_role("button", name="Close").tap()
        expect(page.locator("#add")).to_be_hidden()
        # A second tap where the settings were opened meets nothing.
        opener = page.get_by_role("button", name="Settings and checks")
        x, y = middle(opener)
        opener.tap()
        expect(page.locator("#rail")).to_be_visible()
        under = page.evaluate(
            "([x, y]) => document.elementFromPoint(x, y).closest('a, button, summary')?.outerHTML", [x, y]
        )
        assert under is None
        assert not complaints


def test_on_a_phone_the_tools_of_a_pressed_picture_are_in_sight(browser: Any, served: str, here: House) -> None:
    lines = [paragraph(f"Line {number}") for number in range(12)]
    _letter, path = make(here, *lines, PICTURE, *lines)
    options = {"viewport": PHONE, "has_touch": True, "is_mobile": True}
    with window(browser, here.people["editor"], served, **options) as (page, complaints):
        page.goto(path)
        face = page.locator(".face").first
        # Just under the header, where there is no room above it for the tools.
        header = page.evaluate("document.elementFromPoint(195, 10).closest('header, .top, nav')?.offsetHeight ?? 56")
        face.evaluate("(face, top) => scrollBy(0, face.getBoundingClientRect().top - top)", header + 4)
        page.touchscreen.tap(*middle(face))
        bar = page.locator(".blk-bar")
        expect(bar).to_be_visible()
        box = bar.bounding_box()
        at = [box["x"] + 8, box["y"] + 8]
        assert page.evaluate("([x, y]) => Boolean(document.elementFromPoint(x, y)?.closest('.blk-bar'))", at)
        assert not complaints


@pytest.mark.parametrize("touch", [False, True], ids=["mouse", "touch"])
def test_an_empty_picture_takes_an_image_with_one_press_and_asks_what_it_shows(
    browser: Any, served: str, here: House, touch: bool
) -> None:
    _letter, path = make(here, paragraph("Start"), PICTURE, BUTTON)
    options = {"viewport": PHONE, "has_touch": True, "is_mobile": True} if touch else {}
    with window(browser, here.people["editor"], served, **options) as (page, complaints):
        page.goto(path)
        upload = page.locator(".face").get_by_role("button", name="Upload image")
        with page.expect_file_chooser() as chooser:
            upload.tap() if touch else upload.click()
        chooser.value.set_files({"name": "flood.png", "mimeType": "image/png", "buffer": png()})
        expect(page.locator("[data-kind=picture] .face img")).to_have_count(1)
        described = page.locator("[data-kind=picture]").get_by_label("Alt text: describe the image")
        expect(described).to_be_focused()
        expect(described).to_be_in_viewport()
        page.keyboard.type("The street under water")
        expect(page.locator("#f-body")).to_have_value(re.compile("The street under water"))
        assert not complaints
