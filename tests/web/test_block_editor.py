"""The block editor in a real browser: by keyboard alone, clean paste, two in one letter, a session that ends."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from samizdat.campaigns import actions
from samizdat.campaigns.drafts.draft import Draft, draft_of
from samizdat.campaigns.models import Campaign
from samizdat.core.content.blocks import parse
from tests.browser import started, violations
from tests.conftest import NOW
from tests.web.conftest import House, png, signed_in
from tests.web.test_browser import PHONE, window
from tests.worker.conftest import until

# What the server makes of it is tested on both databases by test_autosave.py: this is about the browser.
pytestmark = [pytest.mark.browser, pytest.mark.once, pytest.mark.django_db(transaction=True)]

CLIPBOARD = Path(__file__).parent.parent / "payloads" / "clipboard"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with started() as running:
        yield running


def paragraph(text: str) -> dict[str, Any]:
    return {"type": "paragraph", "content": [{"type": "text", "text": text}]}


def make(here: House, *blocks: Any) -> tuple[Campaign, str]:
    body = json.dumps({"type": "doc", "content": list(blocks)})
    draft = Draft("River", from_name="Lantern", from_email="letter@lantern.example", body=body, format="blocks")
    letter = actions.create(here.organization, here.list, draft, by=here.people["editor"], now=NOW)
    return letter, reverse("campaign", args=[here.organization.slug, letter.pk])


def written(page: Any) -> list[Any]:
    """The blocks as the form has them."""
    return list(json.loads(page.input_value("#f-body"))["content"])


def kinds(page: Any) -> list[str]:
    return [block["type"] for block in written(page)]


def focused(page: Any) -> str:
    said = "document.activeElement.getAttribute('aria-label') || document.activeElement.id"
    return str(page.evaluate(said))


def stored(page: Any, letter: Campaign, text: str) -> None:
    """It has saved itself, in one go or, typed slowly, in several; the page has heard of it."""
    until(lambda: text in draft_of(Campaign.objects.get(pk=letter.pk)).body)
    version = Campaign.objects.get(pk=letter.pk).version
    page.wait_for_function("least => Number(document.querySelector('#f-version').value) >= least", arg=version)


PASTE = """html => {
        const data = new DataTransfer();
        data.setData("text/html", html);
        data.setData("text/plain", "plain");
        const event = new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true });
        document.querySelector(".ProseMirror").dispatchEvent(event);
    }"""


def paste(page: Any, name: str) -> None:
    page.evaluate(PASTE, (CLIPBOARD / f"{name}.html").read_text())


def told(block: Any) -> str:
    """A block in short: what it says, with its marks as signs."""
    signs = {"bold": "*", "italic": "/", "link": "_", "color": "~"}
    if block["type"] == "text":
        around = "".join(signs[mark["type"]] for mark in block.get("marks", ()))
        return f"{around}{block['text']}{around[::-1]}"
    inner = "".join(told(one) for one in block.get("content", ()))
    names = {
        "bulletList": "ul",
        "orderedList": "ol",
        "listItem": "li",
        "hardBreak": "br",
        "heading": "h",
        "paragraph": "p",
    }
    return f"<{names.get(block['type'], block['type'])} {inner}>" if inner else f"<{names.get(block['type'], '?')}>"


def test_keyboard_alone_reaches_every_function(browser: Any, served: str, here: House) -> None:
    letter, path = make(here, paragraph("First"))
    with window(browser, here.people["editor"], served, viewport=PHONE) as (page, complaints):
        page.goto(path)
        # In by Tab from the field before, down to the words of the first block.
        page.focus("#f-subject")
        page.keyboard.press("Enter")
        assert focused(page) == "f-preheader"
        page.keyboard.press("Tab")
        assert focused(page) == "Email"
        page.keyboard.press("Control+End")
        # Every kind of block by the slash menu, its own fields reached by Tab.
        kinds_of_blocks = {
            "Heading": "heading", "Image": "picture", "Button": "button", "Callout": "callout",
            "Donation": "donation", "Event": "event", "Question": "question", "Video": "video", "Social": "social",
            "Divider": "divider", "HTML": "html", "Columns": "columns",
        }  # fmt: skip
        for typed in kinds_of_blocks:
            page.keyboard.press("Alt+F10")  # Out of a field, and back to the letter behind its block.
            page.keyboard.press("Escape")
            expect(page.locator(".ProseMirror")).to_be_focused()
            page.keyboard.press("End")
            page.keyboard.press("Enter")
            page.keyboard.type(f"/{typed}")
            expect(page.locator("#slash")).to_be_visible()
            page.keyboard.press("Enter")
            if focused(page) == "Email":
                page.keyboard.type("words")
            elif typed != "Divider":  # In its first field, to be filled in at once.
                assert page.evaluate("Boolean(document.activeElement.closest('.form'))"), typed
        # Each behind the one before, also where that has no words for a caret.
        assert [name for name in kinds(page) if name != "paragraph"] == list(kinds_of_blocks.values())
        # Move, copy, remove, undo of the block with the caret.
        page.locator(".ProseMirror").focus()
        page.keyboard.press("Control+Home")
        before = kinds(page)
        page.keyboard.press("Alt+Shift+ArrowDown")
        assert kinds(page) == [before[1], before[0], *before[2:]]
        page.keyboard.press("Control+Shift+D")
        assert kinds(page).count("paragraph") == before.count("paragraph") + 1
        page.keyboard.press("Control+Shift+Backspace")
        assert kinds(page) == [before[1], before[0], *before[2:]]
        page.keyboard.press("Control+z")
        page.keyboard.press("Control+z")
        page.keyboard.press("Control+z")
        assert kinds(page) == before
        # The tools of a block by Escape, from tool to tool by arrows, and back; formats by Alt F10.
        page.keyboard.press("Escape")
        assert focused(page) == "Add a block above"
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowRight")
        assert focused(page) == "Bold"
        page.keyboard.press("Escape")
        assert focused(page) == "Email"
        page.keyboard.press("Alt+F10")
        assert focused(page) == "Bold"
        page.keyboard.press("Escape")
        page.keyboard.press("Shift+Home")
        page.keyboard.press("Control+k")
        page.keyboard.type("javascript:alert(1)")
        page.keyboard.press("Enter")
        expect(page.locator("#link-wrong")).to_contain_text("https, mailto or tel")
        page.fill("#link-to", "https://lantern.example")
        page.keyboard.press("Enter")
        assert "https://lantern.example" in page.input_value("#f-body")
        # Out again: Tab leads through every block to the row that adds, and on.
        for _ in range(120):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.matches('.add-last')"):
                break
        assert page.evaluate("document.activeElement.matches('.add-last')")
        assert violations(page) == {}
        over = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert over <= 0
    assert complaints == []


def test_what_is_pasted_is_kept_as_it_was_meant(browser: Any, served: str, here: House) -> None:
    letter, path = make(here, paragraph(""))
    lists = "<ul <li <p Paper><ul <li <p acid-free>>>><li <p Fans>>>"
    sentence = "<p The water came at *four* in the /morning/. _Read on_.>"
    expected = {
        "word": [
            "<h What the river took>",
            "<h The lower street>",
            sentence,
            lists,
            "<ol <li <p Carry up>>>",
            "<p Depth>",
            "<p four metres>",
        ],
        "google-docs": ["<h What the river took>", sentence, lists],
        "telegram": [
            "<p *What the river took* 🌊>",
            "<p The water came at *four* in the /morning/.<br>By noon the street was gone.>",
            "<p _Read on_>",
            "<blockquote <p Nobody was hurt.>>",
            "<p Ask us:<br>any time>",
        ],
        "web-page": [
            "<h What the river took>",
            "<p By Olga>",
            "<p The lower street>",
            sentence,
            "<ul <li <p Paper>><li <p Fans>>>",
            "<blockquote <p Nobody was hurt.><p The mayor>>",
            "<p Depth>",
            "<p four meters>",
        ],
    }
    with window(browser, here.people["editor"], served) as (page, complaints):
        page.goto(path)
        for name, blocks in expected.items():
            page.locator(".ProseMirror").focus()
            page.keyboard.press("Control+a")
            page.keyboard.press("Control+a")  # The first chooses one block.
            page.keyboard.press("Delete")
            paste(page, name)
            assert [told(block) for block in written(page) if told(block) != "<p>"] == blocks, name
            assert "https://lantern.example/214" in page.input_value("#f-body")
            assert "google" not in page.input_value("#f-body")
        page.evaluate(PASTE, "<p>" + "much " * 500_000)
        expect(page.locator(".frame > .note")).to_have_text("That’s too long to paste at once. Paste it in parts.")
        paste(page, "attack")
        expect(page.locator(".ProseMirror")).to_contain_text("Harmless")
        assert page.evaluate("window.caught") is None
        source = page.input_value("#f-body")
        parse(source)  # The server would take it: no attribute came along that no block has.
        assert "javascript:" not in source.replace("\\n", "") and "evil.example" not in source
        # Two brackets offer the organization's fields.
        page.keyboard.type(" {{ ci")
        expect(page.locator("#slash")).to_contain_text("City")
        page.keyboard.press("Enter")
        assert "{{ CITY }}" in page.input_value("#f-body")
        with page.expect_response("**/save"):
            page.keyboard.type(" more")
        page.check("[name=panel][value=preview]")
        expect(page.frame_locator("iframe.f-light").locator("body")).to_contain_text("Harmless")
        assert page.evaluate("window.caught") is None
    assert complaints == []


RED = {
    "type": "paragraph",
    "content": [{"type": "text", "text": "Red", "marks": [{"type": "color", "attrs": {"color": "#cc0000"}}]}],
}


def test_two_people_write_in_one_letter_and_a_session_that_ends_loses_nothing(
    browser: Any, served: str, here: House
) -> None:
    from samizdat.accounts.models import Session

    letter, path = make(here, paragraph("One"), paragraph("Two"), RED)
    clara, vera = here.people["editor"], here.people["admin"]
    with window(browser, clara, served) as (page, _said), window(browser, vera, served) as (other, _heard):
        page.goto(path)
        other.goto(path)
        page.click(".ProseMirror > .blk:nth-child(1) p.prose")
        page.keyboard.press("End")
        page.keyboard.type(" by Clara")
        stored(page, letter, "One by Clara")
        other.click(".ProseMirror > .blk:nth-child(2) p.prose")
        other.keyboard.press("End")
        other.keyboard.type(" by Vera")
        stored(other, letter, "Two by Vera")
        expect(other.locator(".ProseMirror")).to_contain_text("One by Clara")
        other.keyboard.type("!")  # The caret is where it was.
        expect(other.locator(".ProseMirror")).to_contain_text("Two by Vera!")
        expect(other.locator("#here")).to_contain_text("Clara is editing this too")
        stored(other, letter, "Two by Vera!")
        assert draft_of(Campaign.objects.get(pk=letter.pk)).body.count('"color":"#cc0000"') == 1
        expect(other.locator(".ProseMirror > .blk:nth-child(3) p.prose span")).to_have_css("color", "rgb(204, 0, 0)")
        other.click(".ProseMirror > .blk:nth-child(3) p.prose span")
        other.click(".blk-bar summary")
        other.click("[data-tool='color']")
        until(lambda: "#cc0000" not in draft_of(Campaign.objects.get(pk=letter.pk)).body)
        # Clara is signed out while typing and signs in again elsewhere; what was typed is saved from here.
        Session.objects.filter(person=clara).delete()
        page.keyboard.type(", signed out")
        page.keyboard.press("Control+s")  # Before it saved itself: the page stays, and what was typed in it.
        expect(page.locator("[data-saving][role=status]")).to_contain_text("Not saved: you’re signed out")
        key = signed_in(clara).cookies["desk"].value
        page.context.add_cookies([{"name": "desk", "value": key, "url": served}])
        expect(page.locator("[data-saving][role=status]")).to_contain_text("Saved ")
        expect(page.locator(".ProseMirror")).to_contain_text("Two by Vera!")
        stored(page, letter, "One by Clara, signed out")
    letter.refresh_from_db()
    assert all(text in draft_of(letter).body for text in ("One by Clara, signed out", "Two by Vera!"))


def test_an_uploaded_picture_takes_nobody_away_from_another_block(browser: Any, served: str, here: House) -> None:
    picture = {"type": "picture", "attrs": {"src": "", "alt": ""}}
    button = {"type": "button", "attrs": {"text": "Read on", "link": ""}}
    _letter, path = make(here, paragraph("First"), picture, button)
    with window(browser, here.people["editor"], served) as (page, _complaints):
        page.goto(path)
        held: list[Any] = []
        pictures = f"**{reverse('add-pictures', args=[here.organization.slug])}"
        page.route(pictures, lambda route: held.append(route))
        page.locator("[data-kind=picture] .face").click()
        flood = {"name": "flood.png", "mimeType": "image/png", "buffer": png()}
        with page.expect_request(pictures):
            page.locator("[data-kind=picture] [type=file]").set_input_files(flood)
        page.locator("[data-kind=button] .face").click()
        address = page.locator("[data-kind=button]").get_by_label("Address", exact=True)
        address.fill("https://lantern.example/")
        held[0].continue_()
        expect(page.locator("[data-kind=picture] .face img")).to_have_count(1)
        address.press_sequentially("flood")
        expect(page.locator("#f-body")).to_have_value(re.compile("https://lantern.example/flood"))
        assert [block["attrs"]["src"] != "" for block in written(page)[1:2]] == [True]
