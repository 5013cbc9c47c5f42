"""No page on which somebody writes leaves an error in the browser's console, whatever stands in the letter."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from samizdat.campaigns import actions
from samizdat.campaigns.drafts import autosave as together
from samizdat.campaigns.drafts.draft import draft_of
from samizdat.campaigns.templates import import_template, layout, starter_templates
from tests.browser import started
from tests.conftest import NOW
from tests.web.conftest import House
from tests.web.test_block_editor import RED, make, paragraph
from tests.web.test_browser import window
from tests.web.test_editor_page import show

pytestmark = [pytest.mark.browser, pytest.mark.once, pytest.mark.django_db(transaction=True)]

# All that a letter may bring along which a browser would fetch, or a policy would refuse.
FOREIGN = """<style>@import url(https://fonts.example/a.css);
@font-face { font-family: X; src: url(https://fonts.example/x.woff) } .b { background: #fff url(bg.png) no-repeat }
</style><div class="b" style="background-image:url('https://pictures.example/b.png')">Hello</div>
<table background="https://pictures.example/t.png"><tr><td style='background:url("//pictures.example/d.png")'>x</td>
</tr></table><img src="https://pictures.example/i.png" srcset="https://pictures.example/i2.png 2x" alt="Boats">
<img src="boat.png" alt="A boat"><img src="data:image/gif;base64,R0lGODlhAQABAAAAACw=" alt=""><script>x()</script>
<svg><image href="https://pictures.example/s.svg"/></svg><video src="https://pictures.example/v.mp4"></video>"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with started() as running:
        yield running


def looked_at(page: Any) -> None:
    """Every view of the letter, and again after something was typed."""
    page.wait_for_load_state("networkidle")
    show(page, "preview")
    for view in ("Desktop", "Dark", "Images off", "Phone"):
        page.click(f".preview >> text={view}")
    where = (
        page.locator(".ProseMirror p.prose").first if page.locator(".ProseMirror").count() else page.locator("#f-body")
    )
    where.click()
    with page.expect_response("**/save"):
        page.keyboard.type("Typed. ")
    page.wait_for_load_state("networkidle")


@pytest.mark.parametrize("way", ["blocks", "markdown", "html"])
def test_foreign_things_in_a_letter_and_its_template_leave_no_error(
    browser: Any, served: str, here: House, way: str
) -> None:
    by = here.people["editor"]
    letter, path = make(here, paragraph("One"), RED, {"type": "html", "attrs": {"source": FOREIGN}})
    page_of_theirs = f"<table><tr><td mc:edit='body'>Body</td></tr></table>{FOREIGN}".encode()
    template = import_template.take_in(here.organization, "Theirs", page_of_theirs, by=by, now=NOW).template
    draft = draft_of(letter) if way == "blocks" else draft_of(letter).with_(format=way, body=f"<p>One</p>\n{FOREIGN}")
    actions.save(letter, draft, version=letter.version, by=by, now=NOW, template=template)
    with window(browser, by, served) as (page, complaints):
        page.goto(path)
        looked_at(page)
        frame = page.frame_locator("iframe.f-light").locator("body")
        assert "pictures.example" in frame.inner_text() and "boat.png" in frame.inner_text()
    assert complaints == []


def test_a_box_that_was_made_larger_leaves_no_error_when_an_answer_is_put_in(
    browser: Any, served: str, here: House
) -> None:
    """Its size is in its style. htmx carries that over by the attribute, which the policy refuses; so it leaves it."""
    letter, path = make(here, paragraph("One"), paragraph("Two"))
    with window(browser, here.people["editor"], served) as (page, complaints):
        page.goto(path)
        page.wait_for_load_state("networkidle")
        show(page, "comments")
        page.locator("#comment-text").scroll_into_view_if_needed()
        box = page.locator("#comment-text").bounding_box()
        page.mouse.move(box["x"] + box["width"] - 4, box["y"] + box["height"] - 4)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] - 4, box["y"] + box["height"] + 80)
        page.mouse.up()
        assert "height" in page.locator("#comment-text").get_attribute("style")
        theirs = draft_of(letter).with_(subject="What the river took, by Vera")
        together.save(letter, theirs, version=letter.version, by=here.people["admin"], now=NOW)
        page.click(".ProseMirror p.prose >> nth=0")
        with page.expect_response("**/save"):
            page.keyboard.type("By Clara. ")
        expect(page.locator("#f-subject")).to_have_value("What the river took, by Vera")
        page.wait_for_load_state("networkidle")
    assert complaints == []


def test_parts_of_a_template_and_what_letters_begin_with_leave_no_error(browser: Any, served: str, here: House) -> None:
    letter = here.campaign
    template = here.organization.templates.get(pk=here.template)
    actions.save(letter, draft_of(letter), version=letter.version, by=here.people["editor"], now=NOW, template=template)
    letter.refresh_from_db()
    key = next(part.key for part in layout.parts(letter) if part.kind == "place")
    place = reverse("region", args=[here.organization.slug, letter.pk])
    with window(browser, here.people["editor"], served) as (page, complaints):
        for way in ("blocks", "html"):
            page.goto(f"{place}?key={key}&in={way}")
            page.wait_for_load_state("networkidle")
        for starter in starter_templates.STARTERS:
            page.goto(reverse("new-campaign", args=[here.organization.slug]))
            page.click(f"button[name='begin'][value='{starter.name}']")
            page.wait_for_load_state("networkidle")
    assert complaints == []
