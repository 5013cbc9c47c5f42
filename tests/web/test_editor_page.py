"""The page where a letter is written, in a real browser: its sheet, its rail, its tools, and odd things to hold."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import expect

from samizdat.campaigns import actions, brand
from samizdat.campaigns.drafts.draft import draft_of
from samizdat.campaigns.media import library
from samizdat.campaigns.models import Campaign
from samizdat.campaigns.templates import starter_templates
from samizdat.core.content.blocks.merge_versions import numbered_body
from tests.browser import EVERYTHING, OTHERWISE, started, violations
from tests.conftest import NOW
from tests.web.conftest import House, png
from tests.web.test_block_editor import kinds, make, paragraph, stored, written
from tests.web.test_browser import PHONE, WIDE, window
from tests.worker.conftest import until

pytestmark = [pytest.mark.browser, pytest.mark.once, pytest.mark.django_db(transaction=True)]

PANELS = ("settings", "checks", "preview", "comments", "history")
BUTTON = {"type": "button", "attrs": {"text": "Read on", "link": ""}}
COLUMNS = {
    "type": "columns",
    "content": [{"type": "column", "content": [paragraph(words)]} for words in ("Left", "Right")],
}
ATOMS = [
    {"type": "picture", "attrs": {"src": "", "alt": ""}},
    BUTTON,
    {"type": "donation", "attrs": {"title": "Help", "text": "Paper and fans.", "amounts": ["10 €"]}},
    {"type": "event", "attrs": {"title": "An evening", "start": "2026-12-24T18:00"}},
    {"type": "question", "attrs": {"question": "Will you come?", "answers": ["Yes", "No"]}},
    {"type": "social", "attrs": {"links": [{"network": "Telegram", "url": "https://t.me/x"}]}},
    {"type": "video", "attrs": {"link": "https://video.example/1"}},
    {"type": "html", "attrs": {"source": "<p>x</p>"}},
    {"type": "callout", "attrs": {"tone": "warn"}, "content": [paragraph("Mind the ice.")]},
    {"type": "divider"},
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with started() as running:
        yield running


def show(page: Any, panel: str) -> None:
    """Opens a panel of the rail, which on a phone lies over the letter."""
    if not page.is_visible("#rail"):
        page.click(".editor-foot button[popovertarget]")
    page.check(f"[name=panel][value={panel}]")


def sideways(page: Any) -> int:
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


@pytest.mark.parametrize("language", ["en", "ru"])
def test_the_page_violates_nothing_whatever_stands_open(browser: Any, served: str, here: House, language: str) -> None:
    clara = here.people["editor"]
    clara.language = language
    clara.save(update_fields=["language"])
    _letter, path = make(here, paragraph("Dear {{ CITY }},"), *ATOMS, COLUMNS)
    wrong = []
    with window(browser, clara, served) as (page, complaints):
        for size, scheme, options in (
            (WIDE, "light", EVERYTHING), (WIDE, "dark", OTHERWISE),
            (PHONE, "light", EVERYTHING), (PHONE, "dark", OTHERWISE),
        ):  # fmt: skip
            page.set_viewport_size(size)
            page.emulate_media(color_scheme=scheme)
            page.goto(path)
            page.click(".ProseMirror > .blk:nth-child(1) p.prose")
            found = [violations(page, options)]
            page.click(".ProseMirror > .blk:nth-child(3) .face")
            found.append(violations(page, options))
            for panel in PANELS:
                show(page, panel)
                found.append(violations(page, options))
            over = {"scrolls": f"{sideways(page)} px"} if sideways(page) > 0 else {}
            wrong += [f"{size['width']} {scheme} {number}: {one}" for number, one in enumerate([*found, over]) if one]
        assert page.locator("html").get_attribute("lang") == language
    assert wrong == []
    assert complaints == []


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_fix_leads_into_the_block_or_the_setting(browser: Any, served: str, here: House, size: Any) -> None:
    _letter, path = make(here, paragraph("One"), BUTTON)
    with window(browser, here.people["editor"], served, viewport=size) as (page, complaints):
        page.goto(path)
        show(page, "checks")
        page.click("#checks li:has(.stop) a[data-block='2']")
        expect(page.locator(".ProseMirror > .blk:nth-child(2) .form input").first).to_be_focused()
        assert page.is_visible("#rail") == (size is WIDE)
        # A setting stands in the rail itself: its fold opens.
        link = "<a id='way' href='#f-reply_to'>Reply</a>"
        page.evaluate("link => document.querySelector('.over').insertAdjacentHTML('beforeend', link)", link)
        page.click("#way")
        expect(page.locator("#f-reply_to")).to_be_focused()
        expect(page.locator("#f-reply_to")).to_be_in_viewport()
    assert complaints == []


def test_a_completed_link_comes_into_the_open_editor_once_nobody_is_in_its_block(
    browser: Any, served: str, here: House
) -> None:
    letter, path = make(here, paragraph("One"), BUTTON)
    with window(browser, here.people["editor"], served) as (page, complaints):
        page.goto(path)
        text = page.locator(".ProseMirror > .blk:nth-child(1) p.prose")
        text.click()
        page.keyboard.press("End")
        page.keyboard.type(", [here](lantern.example/x)")
        expect(page.locator("#f-version")).not_to_have_value(str(letter.version))  # The answer has come.
        expect(text).to_have_text("One, [here](lantern.example/x)")
        page.click(".ProseMirror > .blk:nth-child(2) .face")
        expect(text).to_have_text("One, here")
        link = page.locator(".ProseMirror > .blk:nth-child(2)").get_by_label("Address", exact=True)
        link.fill("lantern.example/story")
        until(lambda: "https://lantern.example/story" in draft_of(Campaign.objects.get(pk=letter.pk)).body)
        link.press_sequentially("?full")
        until(lambda: "https://lantern.example/story?full" in draft_of(Campaign.objects.get(pk=letter.pk)).body)
        expect(link).to_have_value("lantern.example/story?full")
        page.click(".ProseMirror > .blk:nth-child(1) p.prose")
        expect(link).to_have_value("https://lantern.example/story?full")
        assert kinds(page) == ["paragraph", "button"]
    assert complaints == []


def test_a_starter_as_it_came_is_calm_and_says_that_nothing_is_written_yet(
    browser: Any, served: str, here: House
) -> None:
    letter, path = make(here, paragraph("One"))
    draft = draft_of(letter).with_(body=numbered_body(starter_templates.body_of("letter", "en")))
    actions.save(letter, draft, version=letter.version, by=None, now=NOW)
    with window(browser, here.people["editor"], served) as (page, complaints):
        page.goto(path)
        show(page, "checks")
        expect(page.locator("#checks")).to_contain_text("Not written yet")
        assert page.locator(".blk.flawed, .mark.stop, #problems .badge").count() == 0
        page.click(".ProseMirror > .blk:nth-child(1) .prose, .ProseMirror > .blk:nth-child(1) .title")
        page.keyboard.type("The river ")
        expect(page.locator("#problems .badge")).to_be_visible()
        expect(page.locator("#checks")).not_to_contain_text("Not written yet")
    assert complaints == []


def test_the_logo_stands_where_the_email_has_it(browser: Any, served: str, here: House) -> None:
    logo = library.take_in(here.organization, png(), NOW, name="Logo")
    brand.keep(here.organization, brand.BrandSettings(logo=logo.slug, logo_alt="Lantern"), by=None, now=NOW)
    _letter, path = make(here, paragraph("One"))
    with window(browser, here.people["editor"], served) as (page, complaints):
        page.goto(path)
        masthead = page.get_by_role("img", name="Lantern")
        expect(masthead).to_be_visible()
        assert masthead.evaluate("image => image.naturalWidth") > 0
    assert complaints == []


def test_a_block_is_added_above_below_and_at_the_end(browser: Any, served: str, here: House) -> None:
    _letter, path = make(here, paragraph("One"), paragraph("Two"), {"type": "footer", "content": [paragraph("End")]})
    with window(browser, here.people["editor"], served) as (page, complaints):
        page.goto(path)
        page.click(".ProseMirror > .blk:nth-child(1) .plus")
        page.click("#add [data-add=divider]")
        assert kinds(page) == ["paragraph", "divider", "paragraph", "footer"]
        page.click(".ProseMirror > .blk:nth-child(1) p.prose")
        page.click("[data-tool=add]")
        page.click("#add [data-add=heading]")
        page.keyboard.type("Title")
        assert kinds(page) == ["heading", "paragraph", "divider", "paragraph", "footer"]
        page.click(".add-last")
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Enter")
        assert kinds(page) == ["heading", "paragraph", "divider", "paragraph", "heading", "footer"]
        page.keyboard.press("Control+z")
        page.click(".add-last")
        page.keyboard.press("Escape")
        expect(page.locator("#add")).to_be_hidden()
        # Columns are taken hold of as a whole.
        page.click(".add-last")
        page.click("#add [data-add=columns]")
        page.keyboard.type("Left")
        page.hover(".blk .blk.on")
        page.click(".blk-bar summary")
        page.click("[data-tool=around]")
        page.click(".blk.on > .blk-bar [data-tool=up]")
        assert kinds(page) == ["heading", "paragraph", "divider", "columns", "paragraph", "footer"]
    assert complaints == []


def test_only_the_block_with_the_caret_shows_tools_and_none_while_somebody_types(
    browser: Any, served: str, here: House
) -> None:
    _letter, path = make(here, paragraph("One"), paragraph("Two"), BUTTON)
    with window(browser, here.people["editor"], served) as (page, _complaints):
        page.goto(path)
        expect(page.locator(".blk")).to_have_count(3)
        assert page.locator(".blk-bar:visible, .form:visible").count() == 0, "calm until somebody comes"
        page.click(".ProseMirror > .blk:nth-child(2) p.prose")
        expect(page.locator(".blk-bar:visible")).to_have_count(1)
        expect(page.locator(".ProseMirror > .blk:nth-child(2) > .blk-bar")).to_be_visible()
        page.keyboard.type("x")
        expect(page.locator(".blk-bar")).to_be_hidden()
        page.keyboard.press("ArrowUp")
        expect(page.locator(".ProseMirror > .blk:nth-child(1) > .blk-bar")).to_be_visible()
        page.click("#f-subject")
        expect(page.locator(".blk-bar")).to_be_hidden()


def test_a_setting_says_in_its_line_what_is_chosen_and_saves_itself(browser: Any, served: str, here: House) -> None:
    letter, path = make(here, paragraph("One"))
    with window(browser, here.people["editor"], served) as (page, complaints):
        page.goto(path)
        page.click("summary:has-text('From')")
        page.fill("#f-from_name", "The night desk")
        page.keyboard.press("Tab")
        expect(page.locator("[data-of^=f-from_name]")).to_have_text("The night desk <letter@lantern.example>")
        page.click("summary:has-text('Web version')")
        page.select_option("#f-archive", "unlisted")
        expect(page.locator("[data-of=f-archive]")).to_have_text("Unlisted, by link only")
        until(lambda: Campaign.objects.get(pk=letter.pk).archive_hidden)
        until(lambda: draft_of(Campaign.objects.get(pk=letter.pk)).from_name == "The night desk")
        page.fill("#f-subject", "a\nb")
        expect(page.locator("#f-subject")).to_have_value("a b")
        expect(page.locator("#subject-count")).to_have_text("3 characters")
        page.fill("#f-subject", "x" * 50)
        expect(page.locator("#subject-count")).to_have_text("50 characters Phones show about 45.")
    assert complaints == []


NAME = "Абвгд" * 60


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_long_names_and_two_directions_stay_on_the_page(browser: Any, served: str, here: House, size: Any) -> None:
    """Three hundred letters without a blank, and Arabic in the midst of English with a mark that turns what follows."""
    mixed = "The mayor said \u202eنحن هنا\u202c and left (٣)."
    letter, path = make(
        here, paragraph(mixed), {"type": "button", "attrs": {"text": NAME, "link": "https://x.example"}}
    )
    with window(browser, here.people["editor"], served, viewport=size) as (page, complaints):
        page.goto(path)
        page.fill("#f-subject", NAME)
        page.fill("#f-preheader", mixed)
        page.click(".ProseMirror > .blk:nth-child(1) p.prose")
        page.keyboard.press("Control+Home")
        page.keyboard.type("Now: ")
        stored(page, letter, "Now: ")
        for panel in PANELS:
            show(page, panel)
            assert sideways(page) <= 0, panel
        assert page.eval_on_selector("#rail", "rail => rail.scrollWidth <= rail.clientWidth")
    draft = draft_of(Campaign.objects.get(pk=letter.pk))
    assert (draft.subject, draft.preheader) == (NAME, mixed)
    assert "Now: " + mixed in json.dumps(json.loads(draft.body), ensure_ascii=False)
    assert complaints == []


def test_two_hundred_blocks_are_written_in_and_kept(browser: Any, served: str, here: House) -> None:
    letter, path = make(here, *(paragraph(f"Line {number}.") for number in range(1, 201)))
    with window(browser, here.people["editor"], served) as (page, complaints):
        page.goto(path)
        page.locator(".ProseMirror > .blk:nth-child(200) p.prose").click()
        page.keyboard.press("End")
        page.keyboard.type(" The last one.")
        page.keyboard.press("Alt+Shift+ArrowUp")
        stored(page, letter, "Line 200. The last one.")
        lines = [block["content"][0]["text"] for block in written(page)]
        assert (len(lines), lines[-2:]) == (200, ["Line 200. The last one.", "Line 199."])
    assert complaints == []


def test_two_people_in_one_block_both_keep_their_words(browser: Any, served: str, here: House) -> None:
    letter, path = make(here, paragraph("One"), paragraph("Two"))
    clara, vera = here.people["editor"], here.people["admin"]
    with window(browser, clara, served) as (page, _said), window(browser, vera, served) as (other, _heard):
        page.goto(path)
        other.goto(path)
        for place in (page, other):
            place.click(".ProseMirror > .blk:nth-child(1) p.prose")
            place.keyboard.press("End")
        page.keyboard.type(" by Clara")
        other.keyboard.type(" by Vera")
        until(
            lambda: all(
                words in draft_of(Campaign.objects.get(pk=letter.pk)).body for words in ("One by Clara", "One by Vera")
            )
        )
        for place in (page, other):
            expect(place.locator(".ProseMirror")).to_contain_text("One by Clara")
            expect(place.locator(".ProseMirror")).to_contain_text("One by Vera")
        show(other, "comments")
        expect(other.locator("#comments")).to_contain_text("Edited twice at the same time")
    body = json.loads(draft_of(Campaign.objects.get(pk=letter.pk)).body)
    assert [block["type"] for block in body["content"]] == ["paragraph"] * 3


def test_without_a_script_the_letter_is_edited_as_markdown(browser: Any, served: str, here: House) -> None:
    letter, path = make(here, paragraph("One"), paragraph("Two"))
    editor = here.people["editor"]
    with window(browser, editor, served, java_script_enabled=False, viewport=PHONE) as (page, _complaints):
        page.goto(path)
        expect(page.locator(".letter")).to_contain_text("Two")
        page.fill("#f-subject", "By hand")
        page.click("text=Settings and checks")
        page.click("summary:has-text('Reply-to')")
        page.fill("#f-reply_to", "desk@lantern.example")
        for panel in PANELS:
            page.check(f"[name=panel][value={panel}]")
            expect(page.locator(f"[data-panel={panel}]")).to_be_visible()
        page.click(".rail-close button")
        page.click(".writing button[value=markdown]")
        expect(page.locator("#f-body")).to_have_value("One\n\nTwo\n")
        page.fill("#f-body", "One\n\nTwo\n\nThree\n")
        page.click("button:text-is('Save')")
    draft = draft_of(Campaign.objects.get(pk=letter.pk))
    assert (draft.subject, draft.reply_to, draft.body) == ("By hand", "desk@lantern.example", "One\n\nTwo\n\nThree\n")
