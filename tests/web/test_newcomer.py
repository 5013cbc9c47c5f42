"""From an invitation to a scheduled letter, in a real browser: each click, each field and each file is counted."""

import re
from collections.abc import Iterator
from datetime import timedelta
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from playwright.sync_api import TimeoutError as TookTooLong
from playwright.sync_api import expect

from samizdat.campaigns.drafts.draft import draft_of
from tests.browser import started
from tests.conftest import PASSWORD
from tests.web.conftest import CONSENT, png
from tests.web.test_release import quiet_names  # noqa: F401 - a fixture

pytestmark = [
    pytest.mark.browser,
    pytest.mark.once,
    pytest.mark.usefixtures("quiet_names"),
    pytest.mark.django_db(transaction=True),
]

MOST = 40  # actions; more, and somebody in a hurry goes back to where they came from
# What stands in place of the starter's blocks; the greeting, the picture and the button stay what they are.
LETTER = ("The river came", "", "At four it stood in the cellar.", "The books are safe.", "", "Read on:")
OLGA, STORY = "olga@lantern.example", "https://lantern.example/flood"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with started() as running:
        yield running


class Hand:
    """What a person does on a page, counted."""

    def __init__(self, page: Any) -> None:
        self.page, self.actions = page, 0

    def press(self, role: str, words: str, *, whole: bool = True) -> None:
        self.actions += 1
        name = words if whole else re.compile(f"^{re.escape(words)}")  # "Письмо" stands in "Пустое письмо" as well.
        self.page.get_by_role(role, name=name, exact=whole).first.click()

    def choose(self, field: str, option: str) -> None:
        self.actions += 1
        self.page.get_by_label(field, exact=True).select_option(label=option)

    def open(self, place: str, words: str = "") -> None:
        """A fold, a menu or a block, by what stands on it."""
        self.actions += 1
        self.page.locator(place, has_text=words).first.click()

    def fill(self, field: Any, words: str) -> None:
        self.actions += 1
        (self.page.locator(field) if isinstance(field, str) else field).fill(words)

    def rewrite(self, block: str, words: str) -> None:
        """Three clicks choose all of a block; then other words are typed."""
        self.actions += 4
        self.page.locator(f".ProseMirror > {block}").click(click_count=3)
        self.page.keyboard.type(words)

    def choose_file(self, field: Any, path: Path) -> None:
        self.actions += 1
        field.set_input_files(path)


def house(organization: Any, letters: Path, language: str) -> str:
    """Everything an admin has set up, and no letter yet. The token of the newcomer's invitation."""
    from samizdat.accounts.actions import change_settings, invite
    from samizdat.audience import actions as audience
    from samizdat.delivery import actions as delivery

    now = timezone.now()
    change_settings(organization, by=None, now=now, language=language)
    readers = audience.new_list(organization, "Thursday", now=now)
    audience.add_subscriber(organization, "ada@lantern.example", readers, consent=CONSENT, now=now)
    delivery.add_route(organization, "own-server", f"folder://{letters}", now=now)
    return invite(organization, "editor", note="", by=None, now=now)


@pytest.mark.parametrize("language", ["en", "ru"])
def test_a_newcomer_gets_from_an_invitation_to_a_scheduled_letter(
    browser: Any, served: str, lantern: Any, tmp_path: Path, language: str
) -> None:
    token = house(lantern, tmp_path, language)
    (tmp_path / "flood.png").write_bytes(png())
    context = browser.new_context(base_url=served, locale=language)
    page = context.new_page()
    hand = Hand(page)
    with translation.override(language):
        page.goto(f"/invitation/{token}")
        hand.fill("#f-name", "Olga")
        hand.fill("#f-email", OLGA)
        hand.fill("#f-password", PASSWORD)
        hand.press("button", _("Join"))
        hand.press("link", _("New campaign"))
        hand.press("button", _("Newsletter"), whole=False)
        hand.fill("#f-subject", "The river")
        hand.fill("#f-from_email", "letter@lantern.example")
        for number, words in enumerate(LETTER, 1):
            if words:
                hand.rewrite(f".blk:nth-child({number}) p.prose, .blk:nth-child({number}) p.title", words)
        picture, button = (page.locator(f".ProseMirror [data-kind={kind}]") for kind in ("picture", "button"))
        hand.open(".ProseMirror [data-kind=picture] .face")
        hand.choose_file(picture.locator("[type=file]"), tmp_path / "flood.png")
        hand.fill(picture.get_by_label(_("Alt text: describe the image")), "The street under water")
        hand.open(".ProseMirror [data-kind=button] .face")
        hand.fill(button.get_by_label(_("Address"), exact=True), STORY)
        hand.open("summary", _("Send test"))
        hand.press("button", _("To me (%(own_address)s)") % {"own_address": OLGA})
        expect(page.get_by_text(_("Test sent to %(address)s.") % {"address": OLGA})).to_be_visible()
        hand.press("button", _("Review and send"))
        hand.press("radio", _("Schedule"))
        hand.fill("#f-day", str(timezone.now().date() + timedelta(days=2)))
        hand.fill("#f-time", "09:30")
        hand.press("button", _("Schedule"), whole=False)
        page.wait_for_url("**/report")
    context.close()
    letter = lantern.campaigns.get()
    assert letter.state == "scheduled"
    (test,) = (message_from_bytes(one.read_bytes(), policy=policy.default) for one in tmp_path.rglob("*.eml"))
    html = test.get_body(("html",)).get_content()
    picture = next(tag for tag in re.findall(r"<img[^>]*>", html) if "/m/" in tag)
    assert 'src="https://lantern.example/m/' in picture and 'alt="The street under water"' in picture
    assert re.search(rf'<a[^>]*href="{STORY}"', html)
    assert all(words in html for words in LETTER)
    assert (test["to"], hand.actions <= MOST) == (OLGA, True), hand.actions


# Of an admin from an empty installation, with the import of a file and a route on the way.
FROM_NOTHING = 30
STORIES = ("A reading room", "It opened on Friday.", "Opening hours", "Four to nine.", "How to help", "Bring books.")


@pytest.mark.parametrize("language", ["en", "ru"])
def test_a_new_admin_gets_from_nothing_to_a_scheduled_campaign(
    browser: Any, served: str, lantern: Any, tmp_path: Path, language: str
) -> None:
    from samizdat.accounts.actions import change_settings, invite
    from samizdat.audience import actions
    from samizdat.audience.models import Import
    from tests.smtp_server import ScriptedServer

    change_settings(lantern, by=None, now=timezone.now(), language=language)
    token = invite(lantern, "admin", note="", by=None, now=timezone.now())
    (tmp_path / "room.png").write_bytes(png())
    (tmp_path / "people.csv").write_text("email,name\nada@post.example,Ada\nboris@post.example,Boris\n")
    context = browser.new_context(base_url=served, locale=language)
    page = context.new_page()
    hand = Hand(page)
    with translation.override(language), ScriptedServer() as server:
        page.set_default_timeout(60_000)
        page.goto(f"/invitation/{token}")
        for field, words in {"#f-name": "Olga", "#f-email": OLGA, "#f-password": PASSWORD}.items():
            page.fill(field, words)
        page.get_by_role("button", name=_("Join"), exact=True).click()
        hand.open('main a.btn[href$="/imports/"]')
        hand.actions += 1  # the button that opens the dialog of files
        hand.choose_file(page.locator("#files"), tmp_path / "people.csv")
        hand.press("button", _("Review file"))
        page.wait_for_url("**/imports/*/")
        run = Import.objects.get()
        actions.inspect(run.pk, now=timezone.now)  # as the worker does
        page.goto(page.url)
        hand.choose(_("Status of everyone in this file"), _("Subscribed"))
        hand.fill(page.get_by_label(_("How did they agree to get your emails?")), "On paper, at our reading room.")
        page.locator("button[value=start]").click()
        hand.actions += 1
        page.wait_for_load_state()
        actions.run_import(run.pk, now=timezone.now)
        page.goto(page.url)
        hand.open('main a.btn[href$="/routes/"]')
        with page.expect_response(lambda answer: answer.request.method == "POST"):
            hand.choose(_("Provider"), _("SMTP without TLS (only on this server or inside a tunnel)"))
        expect(page.locator("#asked.htmx-added, #asked.htmx-settling, .htmx-request")).to_have_count(0)
        hand.fill(page.get_by_label(_("Host and port")), f"127.0.0.1:{server.port}")
        hand.fill(page.get_by_label(_("Sender address")), "letter@lantern.example")
        hand.press("button", _("Save and test"))
        hand.open('main a.btn[href$="/campaigns/new"]')
        hand.press("button", _("Digest"), whole=False)
        hand.fill("#f-subject", "The reading room")
        words = page.locator(".ProseMirror :is(p.prose, p.title)")
        expect(words).to_have_count(len(STORIES))
        for number in (0, 1, 2, 4, 3, 5):  # headings side by side: the tools of a text lie over those above it
            hand.actions += 1  # a press selects the sample, and what is typed takes its place
            words.nth(number).click()
            page.keyboard.type(STORIES[number])
        hand.actions += 1
        with page.expect_file_chooser() as chooser:
            page.locator(".face").get_by_role("button", name=_("Upload image")).click()
        hand.actions += 1
        chooser.value.set_files(tmp_path / "room.png")
        expect(page.get_by_label(_("Alt text: describe the image"))).to_be_focused()
        hand.actions += 1
        page.keyboard.type("A lamp in a window")
        hand.open(".ProseMirror [data-kind=button] .face")
        hand.fill(page.locator("[data-kind=button]").get_by_label(_("Address"), exact=True), STORY)
        hand.press("button", _("Review and send"))
        hand.press("radio", _("Schedule"))
        hand.press("button", _("Schedule"), whole=False)
        try:
            page.wait_for_url("**/report")
        except TookTooLong as late:
            raise AssertionError(page.inner_text("main")) from late
    context.close()
    letter = lantern.campaigns.get()
    body = draft_of(letter).body
    assert (letter.state, hand.actions <= FROM_NOTHING) == ("scheduled", True), hand.actions
    assert all(words in body for words in (*STORIES, STORY, "A lamp in a window", '"columns"', '"picture"'))
