"""Nothing that somebody types is lost, in a real browser: without a pause, on leaving, without a line, signed out."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from samizdat.campaigns.drafts.draft import draft_of
from samizdat.campaigns.models import Campaign
from samizdat.campaigns.templates import layout
from tests.browser import started
from tests.conftest import PASSWORD
from tests.web.conftest import House, signed_in
from tests.web.test_block_editor import make, paragraph
from tests.web.test_browser import window
from tests.worker.conftest import until

# What the server makes of it is tested on both databases by test_autosave.py: this is about the browser.
pytestmark = [pytest.mark.browser, pytest.mark.once, pytest.mark.django_db(transaction=True)]

SAID = "[data-saving][role=status]"
BODY = "#f-body"
PREVIEW, COMMENTS = "[name=panel][value=preview]", "[name=panel][value=comments]"
WORDS = "Nobody answered the telephone at the river station after four. "


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with started() as running:
        yield running


@contextmanager
def opened(browser: Any, served: str, here: House, path: str, **options: Any) -> Iterator[Any]:
    """A page of Clara's whose time stands still until a test lets it pass; what it asked when it was left: `asked`."""
    with window(browser, here.people["editor"], served, **options) as (page, complaints):
        page.clock.install()
        page.asked = []
        page.on("dialog", lambda dialog: (page.asked.append(dialog.type), dialog.accept()))
        page.goto(path)
        page.clock.pause_at(page.evaluate("Date.now() + 100"))
        yield page
    # The clock is a script, which frames of letters run none of; requests fail here because they are meant to, or
    # because the page closes before they are answered.
    expected = ("Blocked script execution", "the server responded", "net::", "Response Status")
    expected += ("htmx:sendAbort", "htmx:afterRequest")
    assert [said for said in complaints if not any(one in said for one in expected)] == []


@pytest.fixture
def markdown(browser: Any, served: str, here: House) -> Iterator[tuple[Campaign, Any]]:
    """Clara's draft in Markdown, and the page where it is written."""
    letter, path, _place = writing(here, "markdown")
    with opened(browser, served, here, path) as page:
        yield letter, page


def text_of(letter: Campaign) -> str:
    return draft_of(Campaign.objects.get(pk=letter.pk)).body


def writing(here: House, way: str) -> tuple[Campaign, str, str]:
    """A draft in blocks or in Markdown, its page, and where one types."""
    if way == "blocks":
        letter, path = make(here, paragraph(""))
        return letter, path, ".ProseMirror p.prose"
    return here.campaign, reverse("campaign", args=[here.organization.slug, here.campaign.pk]), BODY


def pause(page: Any) -> None:
    """A second without typing, after which the text is saved."""
    with page.expect_response("**/save"):
        page.clock.run_for(1000)


def type_on(page: Any, seconds: int, each: str = WORDS) -> None:
    """Types so long, without a pause that is as long as a second."""
    for second in range(seconds):
        for half in (each[:30], each[30:]):
            page.keyboard.type(f"{second}{half}")
            page.clock.run_for(500)


@pytest.mark.parametrize("way", ["blocks", "markdown"])
def test_text_typed_without_a_pause_is_saved_every_three_seconds(
    browser: Any, served: str, here: House, way: str
) -> None:
    letter, path, place = writing(here, way)
    with opened(browser, served, here, path) as page:
        page.click(place)
        with page.expect_response("**/save"):
            type_on(page, 3)
        until(lambda: "2Nobody" in text_of(letter))
        page.wait_for_function("() => document.querySelector('#f-version').value > '1'")
        page.keyboard.type("A pause of a second saves too.")
        expect(page.locator(SAID)).to_have_text("Saving…")
        pause(page)
        expect(page.locator(SAID)).to_contain_text("Saved ")


@pytest.mark.parametrize("way", ["blocks", "markdown"])
@pytest.mark.parametrize("how", ["a link", "a form", "the keyboard"])
def test_a_link_waits_until_what_was_just_typed_is_saved(
    browser: Any, served: str, here: House, way: str, how: str
) -> None:
    letter, path, place = writing(here, way)
    with opened(browser, served, here, path) as page:
        page.click(place)
        page.keyboard.type(WORDS)
        if how == "a link":
            page.click("nav.side >> text=Home")
            page.wait_for_url(f"**{reverse('home', args=[here.organization.slug])}")
        elif how == "a form":
            page.click("text=Sign out")
            page.wait_for_url("**/sign-in**")
        else:
            page.evaluate("document.activeElement.blur()")
            page.keyboard.press("g")
            page.keyboard.press("c")
            page.wait_for_url("**/campaigns/")
        assert WORDS.strip() in text_of(letter)
        assert page.asked == []


@pytest.mark.parametrize("way", ["blocks", "markdown"])
@pytest.mark.parametrize("how", ["back", "another address", "the tab is hidden"])
def test_what_was_just_typed_is_sent_when_the_page_goes(
    browser: Any, served: str, here: House, way: str, how: str
) -> None:
    letter, path, place = writing(here, way)
    home = reverse("home", args=[here.organization.slug])
    with opened(browser, served, here, home) as page:
        page.goto(path)
        page.click(place)
        page.keyboard.type(WORDS)
        if how == "back":
            page.go_back()
        elif how == "another address":
            page.goto(home)
        else:
            page.evaluate(
                "Object.defineProperty(document, 'visibilityState', {value: 'hidden'});"
                "document.dispatchEvent(new Event('visibilitychange'))"
            )
        until(lambda: WORDS.strip() in text_of(letter))
        assert page.asked == ([] if how == "the tab is hidden" else ["beforeunload"])


@pytest.mark.parametrize("size", ["short", "more than a browser carries"])
def test_a_closed_tab_asks_and_what_was_typed_is_saved(markdown: tuple[Campaign, Any], size: str) -> None:
    letter, page = markdown
    if size != "short":
        page.fill(BODY, "The river. " * 8000)
        pause(page)
        expect(page.locator(SAID)).to_contain_text("Saved ")
    page.click(BODY)
    page.keyboard.press("Control+End")
    page.keyboard.type(WORDS)
    with page.expect_event("dialog"):
        page.close(run_before_unload=True)
    until(lambda: WORDS.strip() in text_of(letter))


def test_nothing_is_asked_of_whoever_has_everything_saved(here: House, markdown: tuple[Campaign, Any]) -> None:
    _letter, page = markdown
    page.click(BODY)
    page.keyboard.type(WORDS)
    pause(page)
    expect(page.locator(SAID)).to_contain_text("Saved ")
    page.locator(BODY).blur()
    page.goto(reverse("home", args=[here.organization.slug]))
    assert page.asked == []


@pytest.mark.parametrize("way", ["blocks", "markdown"])
def test_without_a_line_it_says_so_asks_and_saves_when_there_is_one_again(
    browser: Any, served: str, here: House, way: str
) -> None:
    letter, path, place = writing(here, way)
    with opened(browser, served, here, path) as page:
        page.click(place)
        page.context.set_offline(True)
        page.keyboard.type(WORDS)
        page.clock.run_for(1000)
        expect(page.locator(SAID)).to_have_text("Not saved: no connection. Keep this page open; we keep trying.")
        page.keyboard.type("Typed on. ")
        page.click("text=Review and send")  # It would leave: the page stays, and says why.
        expect(page.locator(SAID)).to_contain_text("no connection")
        assert WORDS.strip() not in text_of(letter)
        kept = "() => !dispatchEvent(new Event('beforeunload', { cancelable: true }))"
        assert page.evaluate(kept), "closing the page asks"
        page.context.set_offline(False)
        page.clock.run_for(10_000)
        until(lambda: "Typed on." in text_of(letter))
        expect(page.locator(SAID)).to_contain_text("Saved ")
        assert not page.evaluate(kept)
        stores = page.evaluate("[JSON.stringify(localStorage), JSON.stringify(sessionStorage)].join()")
        assert "telephone" not in stores, "nothing readable is left in the browser's storage"


def test_a_server_that_breaks_is_told_apart_and_tried_again(markdown: tuple[Campaign, Any]) -> None:
    letter, page = markdown
    page.route("**/save", lambda route: route.fulfill(status=502, body="Bad gateway"))
    page.click(BODY)
    page.keyboard.type(WORDS)
    page.clock.run_for(1000)
    expect(page.locator(SAID)).to_have_text("Not saved: the server has a problem. Keep this page open; we keep trying.")
    page.unroute("**/save")
    page.clock.run_for(5000)
    until(lambda: WORDS.strip() in text_of(letter))
    expect(page.locator(SAID)).to_contain_text("Saved ")


def test_a_server_that_never_answers_counts_as_no_connection(markdown: tuple[Campaign, Any]) -> None:
    _letter, page = markdown
    page.route("**/save", lambda route: None)
    page.click(BODY)
    page.keyboard.type(WORDS)
    page.clock.run_for(1000)
    expect(page.locator(SAID)).to_have_text("Saving…")
    page.clock.run_for(20_000)
    expect(page.locator(SAID)).to_contain_text("Not saved: no connection")


def test_what_is_typed_while_a_save_is_under_way_is_saved_next(markdown: tuple[Campaign, Any]) -> None:
    letter, page = markdown
    held, more = list[Any](), list[Any]()
    page.route("**/save", lambda route: held.append(route) if not held else more.append(route.continue_()))
    page.click(BODY)
    page.keyboard.press("Control+End")
    page.keyboard.type("First. ")
    page.clock.run_for(1000)
    page.keyboard.type("Second.")
    page.clock.run_for(3000)
    expect(page.locator(SAID)).to_have_text("Saving…")
    assert (len(held), more) == (1, []), "one request at a time"
    with page.expect_response("**/save"):
        held[0].continue_()
    page.wait_for_function("() => document.querySelector('#f-version').value === '2'")
    # The page begins to wait anew once it has put the answer in, which may be after this look at its clock.
    until(lambda: page.clock.run_for(1000) or text_of(letter).endswith("First. Second."))


def test_a_link_that_is_completed_in_markdown_overwrites_nothing_that_was_typed_since(
    markdown: tuple[Campaign, Any],
) -> None:
    letter, page = markdown
    held = list[Any]()
    page.route("**/save", lambda route: route.continue_() if held else held.append(route))
    page.click(BODY)
    page.keyboard.press("Control+End")
    page.keyboard.type("[Here](lantern.example/story) ")
    page.clock.run_for(1000)
    page.keyboard.type("Second.")
    with page.expect_response("**/save"):
        held[0].continue_()
    page.wait_for_function("() => document.querySelector('#f-version').value === '2'")
    expect(page.locator(BODY)).to_have_value(re.compile(r"Second\.$"))
    until(lambda: page.clock.run_for(1000) or text_of(letter).endswith("Second."))
    expect(page.locator(BODY)).to_have_value(re.compile(r"\[Here\]\(https://lantern\.example/story\) Second\.$"))


def test_who_is_signed_out_keeps_the_text_in_the_page_and_it_is_saved_after_signing_in_elsewhere(
    served: str, here: House, markdown: tuple[Campaign, Any]
) -> None:
    from samizdat.accounts.models import Session

    letter, page = markdown
    clara = here.people["editor"]
    Session.objects.filter(person=clara).delete()
    page.click(BODY)
    page.keyboard.type(WORDS)
    page.clock.run_for(1000)
    expect(page.locator(SAID)).to_contain_text("Not saved: you’re signed out. Keep this page open")
    assert WORDS.strip() not in text_of(letter)
    key = signed_in(clara).cookies["desk"].value
    page.context.add_cookies([{"name": "desk", "value": key, "url": served}])
    page.clock.run_for(5000)
    until(lambda: WORDS.strip() in text_of(letter))
    expect(page.locator(SAID)).to_contain_text("Saved ")


@pytest.mark.parametrize("way", ["blocks", "markdown"])
@pytest.mark.parametrize("how", ["the session ends", "out and in in another tab"])
def test_the_preview_is_paused_while_somebody_is_signed_out_and_says_so_and_goes_on_afterwards(
    browser: Any, served: str, here: House, way: str, how: str
) -> None:
    from samizdat.accounts.models import Session

    letter, path, place = writing(here, way)
    clara = here.people["editor"]
    with opened(browser, served, here, path) as page:
        page.check(PREVIEW)
        frame = page.frame_locator(".glass iframe.f-light")
        said = page.locator("#look-paused")
        page.click(place)
        page.keyboard.press("Control+End")
        page.keyboard.type("Before. ")
        page.clock.run_for(1000)
        expect(frame.locator("body")).to_contain_text("Before.")
        expect(page.locator(SAID)).to_contain_text("Saved ")
        asked = list[str]()
        page.on("request", lambda request: asked.append(request.url) if "/preview-unsaved/" in request.url else None)
        Session.objects.filter(person=clara).delete()
        if how == "out and in in another tab":
            sign_in_elsewhere(page, served)
        page.keyboard.type("Signed out. ")
        page.clock.run_for(1000)
        if how == "the session ends":
            expect(said).to_have_text(
                "The preview is paused because you’re signed out. Sign in again in another tab to continue."
            )
            expect(frame.locator("body")).to_contain_text("Before.")
            already = len(asked)
            page.keyboard.type("Still. ")
            page.clock.run_for(1000)
            assert len(asked) == already, "nothing is asked meanwhile"
            sign_in_elsewhere(page, served)
        page.clock.run_for(5000)
        expect(frame.locator("body")).to_contain_text("Signed out.")
        expect(said).to_be_hidden()
        until(lambda: "Signed out. " in text_of(letter))


def sign_in_elsewhere(page: Any, served: str) -> None:
    """In another tab of the same browser, whose pages carry other tokens from then on."""
    other = page.context.new_page()
    other.goto(f"{served}/sign-in")
    other.fill("[name=email]", "clara@lantern.example")
    other.fill("[name=password]", PASSWORD)
    other.click("main button.primary")
    other.wait_for_url(lambda address: "sign-in" not in address)
    other.close()


def test_who_may_not_write_any_more_is_told_to_copy_the_text(here: House, markdown: tuple[Campaign, Any]) -> None:
    from samizdat.accounts.actions import give_role
    from tests.conftest import NOW

    _letter, page = markdown
    give_role(here.people["editor"], here.organization, "viewer", by=None, now=NOW)
    page.click(BODY)
    page.keyboard.type(WORDS)
    page.clock.run_for(1000)
    expect(page.locator(SAID)).to_contain_text("you can no longer edit here")


def test_two_tabs_with_one_text_lose_neither(browser: Any, served: str, here: House) -> None:
    letter, path, place = writing(here, "markdown")
    with opened(browser, served, here, path) as page:
        other = page.context.new_page()
        other.goto(path)
        with other.expect_response("**/save"):
            other.fill(place, "From the other tab.")
            page.clock.run_for(1000)  # Of both: they are of one browser.
        page.fill(place, "From this tab.")
        with page.expect_response("**/save"):
            page.clock.run_for(1000)
        expect(page.locator(SAID)).to_contain_text("Not saved: you changed the text in another tab too. Press Save")
        page.click("button.btn:text-is('Save')")
        expect(page.locator("main")).to_contain_text("From the other tab.")
        expect(page.locator(place)).to_have_value("From this tab.")
        expect(page.locator(SAID)).to_have_text("Not saved yet. Press Save.")
        assert text_of(letter) == "From the other tab."


def test_subject_and_preview_text_are_saved_as_they_are_typed(here: House, markdown: tuple[Campaign, Any]) -> None:
    letter, page = markdown
    page.fill("#f-subject", "")
    page.focus("#f-subject")
    type_on(page, 3, "What the river took this week, and what it left.")
    until(lambda: "2What the river" in draft_of(Campaign.objects.get(pk=letter.pk)).subject)
    page.focus("#f-preheader")
    page.keyboard.type("A week of drying paper")
    page.click("nav.side >> text=Home")
    page.wait_for_url(f"**{reverse('home', args=[here.organization.slug])}")
    assert draft_of(Campaign.objects.get(pk=letter.pk)).preheader == "A week of drying paper"


def test_a_part_of_a_template_is_saved_when_it_is_left(browser: Any, served: str, here: House) -> None:
    from samizdat.campaigns import actions
    from tests.conftest import NOW

    letter = here.campaign
    template = here.organization.templates.get(pk=here.template)
    actions.save(letter, draft_of(letter), version=letter.version, by=here.people["editor"], now=NOW, template=template)
    letter.refresh_from_db()
    key = next(part.key for part in layout.parts(letter) if part.kind == "place")
    path = reverse("region", args=[here.organization.slug, letter.pk])
    with opened(browser, served, here, f"{path}?key={key}&in=html") as page:
        page.click("#f-body")
        type_on(page, 3)
        until(lambda: "2Nobody" in layout.place(Campaign.objects.get(pk=letter.pk), key).html)
        page.keyboard.type("The end.")
        page.click("text=Back to all blocks")
        page.wait_for_url("**/regions")
        assert "The end." in layout.place(Campaign.objects.get(pk=letter.pk), key).html


def test_a_form_with_typed_text_asks_before_it_is_left(browser: Any, served: str, here: House) -> None:
    edit = reverse("edit-subscriber", args=[here.organization.slug, here.ada.number])
    home = reverse("home", args=[here.organization.slug])
    with opened(browser, served, here, edit) as page:
        notes = page.locator("main form textarea").first
        notes.fill("They asked for large print.")
        page.click("nav.side >> text=Home")
        page.wait_for_url(f"**{home}")
        assert page.asked == ["beforeunload"]
        page.goto(edit)
        page.locator("main form textarea").first.fill("They asked for large print.")
        page.click("main button.primary")
        expect(page.locator("main")).to_contain_text("Saved.")
        assert page.asked == ["beforeunload"], "a form that is sent does not ask"


def test_a_comment_that_is_being_written_stays_when_a_colleague_saves(browser: Any, served: str, here: House) -> None:
    from samizdat.campaigns.drafts import autosave as together
    from tests.conftest import NOW

    letter, path = make(here, paragraph("One"), paragraph("Two"))
    with opened(browser, served, here, path) as page:
        page.check(COMMENTS)
        page.fill("#comment-text", "Was it not five?")
        theirs = draft_of(letter).with_(
            subject="What the river took", body=text_of(letter).replace("One", "One, by Vera")
        )
        together.save(letter, theirs, version=letter.version, by=here.people["admin"], now=NOW)
        page.click(".ProseMirror > .blk:nth-child(2) p.prose")
        page.keyboard.type("By Clara. ")
        pause(page)
        expect(page.locator(".ProseMirror")).to_contain_text("One, by Vera")
        expect(page.locator("#comment-text")).to_have_value("Was it not five?")


@pytest.mark.parametrize("typed", ["at once", "after a look"])
def test_who_reloads_while_typing_loses_no_word_and_meets_no_colleague(
    here: House, markdown: tuple[Campaign, Any], typed: str
) -> None:
    letter, page = markdown
    held = list[Any]()
    page.click(BODY)
    page.keyboard.press("Control+End")
    page.keyboard.type("First. ")
    pause(page)
    expect(page.locator(SAID)).to_contain_text("Saved ")
    shown = page.input_value(BODY)
    page.keyboard.type("Before. ")
    # What the page sends while it is left comes in after the next page was made.
    page.route("**/save", lambda route: held.append(route))
    page.reload()
    assert page.input_value(BODY) == shown
    page.unroute("**/save")
    late = page.evaluate("document.querySelector('#f-version').value")
    save_late(here, letter, int(late), shown + "Before. ")
    if typed == "after a look":
        until(lambda: page.clock.run_for(500) or page.input_value(BODY).endswith("Before. "))
    page.click(BODY)
    page.keyboard.press("Control+End")
    page.keyboard.type("After. ")

    def is_merged() -> bool:
        page.clock.run_for(500)  # What an answer brings is saved by a timer of its own.
        return text_of(letter).endswith("First. Before. After. ")

    until(is_merged)
    expect(page.locator(SAID)).to_contain_text("Saved ")
    expect(page.locator(BODY)).to_have_value(shown + "Before. After. ")


def save_late(here: House, letter: Campaign, version: int, body: str) -> None:
    """As the browser's own request of a page that is gone."""
    from samizdat.campaigns.drafts import autosave as together
    from tests.conftest import NOW

    draft = draft_of(Campaign.objects.get(pk=letter.pk)).with_(body=body)
    together.save(letter, draft, version=version, by=here.people["editor"], now=NOW, page="a" * 32)
