"""The desk in a real browser: no violation of the policy, none of accessibility, no sideways scroll; and it works
without script as well."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import expect

from tests.browser import EVERYTHING, OTHERWISE, started, violations
from tests.conftest import PASSWORD
from tests.web.conftest import House, make_campaign, signed_in
from tests.web.test_views import HEADING, ROW

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PHONE, WIDE = {"width": 390, "height": 844}, {"width": 1280, "height": 900}
# All rules narrow and light, and what width and darkness can change wide and dark. The page of parts that stand on
# every page is looked at in all four.
LOOKS = ((PHONE, "light", EVERYTHING), (WIDE, "dark", OTHERWISE))
ALL_LOOKS = (*LOOKS, (WIDE, "light", EVERYTHING), (PHONE, "dark", EVERYTHING))
# Words change neither colors nor structure, only how much room they take.
ROOM = ((PHONE, "light", None), (WIDE, "light", None))


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with started() as running:
        yield running


@contextmanager
def window(browser: Any, person: Any, base: str, **options: Any) -> Iterator[tuple[Any, list[str]]]:
    """A page of somebody signed in, and what its console complained of."""
    context = browser.new_context(base_url=base, **{"viewport": WIDE, **options})
    if person is not None:
        key = signed_in(person).cookies["desk"].value
        context.add_cookies([{"name": "desk", "value": key, "url": base}])
    page, complaints = context.new_page(), []
    page.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda asked: None if asked.url.startswith(base) else complaints.append(f"asked {asked.url}"))
    yield page, complaints
    context.close()


@pytest.fixture(autouse=True)
def quiet_names(monkeypatch: pytest.MonkeyPatch) -> None:
    from django.utils import timezone

    from samizdat.campaigns.sender_domain_check import DnsRecord
    from samizdat.core.mail.sender_check import DnsValue
    from samizdat.delivery import sending_gate
    from samizdat.delivery.actions import sender_checks

    missing = DnsValue("lantern.example", "TXT", "v=spf1 mx ~all")
    records = [
        DnsRecord("SPF", "stop", "No SPF record.", publish=missing),
        DnsRecord("DKIM", "good", "A key.", "v=DKIM1; p=abc"),
    ]
    monkeypatch.setattr(sending_gate, "look", lambda *_: records)
    monkeypatch.setattr(sender_checks, "kept", lambda *_: sending_gate.KeptAnswers({}, timezone.now()))


def _found_import(here: House) -> Any:
    """An import that was looked at, with a line that cannot be read."""
    from samizdat.audience import actions
    from tests.conftest import NOW

    run = actions.begin_upload(here.organization, here.list, now=NOW, by=here.people["editor"])
    actions.add_piece(run, 0, 0, (HEADING + ROW.format("olga") + "no address here,,,,,,,,,,\n").encode())
    actions.finish_upload(run, ["subscribed_members_export_1a2b.csv"], now=NOW)
    return actions.inspect(run.pk, now=lambda: NOW)


def _done_import(here: House) -> Any:
    from samizdat.audience import actions
    from tests.conftest import NOW

    run = actions.start(_found_import(here), now=NOW, by=here.people["editor"])
    return actions.run_import(run.pk, now=lambda: NOW)


def _ready_export(here: House) -> Any:
    """A plain one that another admin is to see, ready to be fetched."""
    from django.utils import timezone

    from samizdat.portability import actions as exporting
    from samizdat.portability.request import ExportRequest

    now = timezone.now()
    row = exporting.ask(here.organization, ExportRequest("samizdat"), reason="The auditor.", now=now, by=None)
    return exporting.run(row.pk, now=lambda: now)


def _finished(here: House) -> Any:
    """A letter that went out."""
    from django.db import connections
    from django.utils import timezone

    from samizdat.delivery.actions import release
    from samizdat.delivery.engine.sender import run_campaign

    campaign = release(make_campaign(here, "Letters from the north"), now=timezone.now(), by=here.people["editor"])

    def run() -> str:
        try:
            return str(run_campaign(campaign.pk, 60)["ended"])
        finally:
            connections.close_all()

    # In a thread of its own: Playwright's loop is in this one.
    with ThreadPoolExecutor(1) as elsewhere:
        assert elsewhere.submit(run).result() == "finished"
    return campaign


def _keys_in_all_states(here: House) -> int:
    """The sending domain, with a key of every state; RSA has the long records."""
    from samizdat.delivery.actions import domains
    from samizdat.delivery.models import DkimKey
    from tests.conftest import NOW, TODAY

    row = here.key.domain
    for state in DkimKey.STATES[1:]:
        key = domains.add_key(row, "rsa", now=NOW, selector=f"{state}2026")
        row.keys.filter(pk=key.pk).update(state=state, until=TODAY if state == "retiring" else None)
    return row.pk


def _framed(here: House) -> int:
    """A draft in a template with a part of each kind."""
    from samizdat.campaigns.templates.import_template import take_in
    from samizdat.campaigns.templates.layout import hide
    from tests.campaigns.test_import_template import PAGE
    from tests.conftest import NOW

    letter = make_campaign(here, "In a frame of our own")
    letter.template = take_in(here.organization, "Frame", PAGE.encode(), by=None, now=NOW).template
    letter.save(update_fields=["template"])
    hide(letter, "foot", True, now=NOW)
    return int(letter.pk)


def _resting(here: House) -> None:
    """A route that rests, with the longest word that a reason can hold: a fingerprint."""
    from samizdat.core.mail.outcome import RouteVerdict
    from samizdat.delivery.actions import add_route, condemn
    from tests.conftest import NOW

    if here.organization.routes.filter(name="old").exists():
        return
    route = add_route(here.organization, "old", "smtps://relay.example", now=NOW, priority=90)
    detail = "self-signed certificate; its fingerprint is sha256:" + ":".join(["AB"] * 32)
    condemn(route.pk, RouteVerdict("dead", "certificate", {"host": "relay.example:465", "detail": detail}), NOW)


def pages(here: House) -> list[str]:
    """Every page that can be looked at, with something on it."""
    found, done, finished = _found_import(here), _done_import(here), _finished(here)
    _resting(here)

    def to(name: str, *args: Any) -> str:
        return reverse(name, args=[here.organization.slug, *args])

    return [
        to("home"),
        to("inbox"),
        to("inbox") + "?folder=auto",
        to("conversation", here.conversation),
        to("auto-reply", here.auto_reply),
        to("campaigns"),
        to("campaigns") + "?q=list",
        to("compare"),
        to("deliverability") + "?days=365",
        to("calendar"),
        to("folders"),
        to("new-campaign"),
        to("campaign", here.campaign.pk),
        to("campaign", here.campaign.pk) + f"?as={here.ada.number}",
        to("history", here.campaign.pk),
        to("draft-version", here.campaign.pk, 1),
        to("templates"),
        to("template", here.template),
        to("regions", _framed(here)),
        to("delete-draft", here.campaign.pk),
        to("preview-page", here.campaign.pk),
        to("preview-page", here.campaign.pk) + "?view=aloud&as=all",
        to("media") + f"?for={here.campaign.pk}",
        to("media-item", here.picture.slug),
        to("crop-picture", here.picture.slug),
        to("remove-picture", here.picture.slug),
        to("send", here.campaign.pk) + "?look=1",
        to("report", here.sent.pk),
        to("report", finished.pk) + "?table=1",
        to("stop", here.sent.pk),
        to("subscribers"),
        to("add-subscriber"),
        to("subscriber", here.ada.number),
        to("erase", here.ada.number),
        to("mass-unsubscribe", here.alarm),
        to("consistency"),
        to("lists"),
        to("list", here.list.pk),
        to("fields"),
        to("edit-subscriber", here.ada.number),
        to("bulk") + "?provider=other",
        to("bulk-action", here.work),
        to("suppressions"),
        to("growth"),
        to("data-quality"),
        to("field", here.field),
        to("remove-field", here.field),
        to("segments"),
        to("segment", here.segment),
        to("imports"),
        to("import", here.import_run.pk),
        to("import", found.pk),
        to("import", done.pk),
        to("exports"),
        to("export", here.export.pk),
        to("export", _ready_export(here).pk),
        to("privacy"),
        to("list-retention", here.list.pk),
        to("reconsent", here.list.pk),
        to("privacy-notice"),
        to("subscriber-privacy", here.ada.number),
        to("breaches"),
        to("breach", here.breach),
        to("rescue-cases"),
        to("rescue-case", here.case),
        to("rescue-providers"),
        to("mailboxes"),
        to("seeds"),
        to("routes"),
        to("edit-route", here.route.pk),
        to("route-webhook", here.route.pk),
        to("handbook", "sending-providers"),
        to("remove-route", here.route.pk),
        to("domains"),
        to("sending-domain", _keys_in_all_states(here)),
        to("retire-key", here.key.domain_id, here.key.pk),
        to("remove-domain", here.key.domain_id),
        to("team"),
        to("member", here.people["viewer"].pk),
        to("settings"),
        "/profile",
        "/keyboard",
        "/organizations",
        to("home") + "nowhere",
    ]


def _look(page: Any, path: str, looks: Sequence[Any] = LOOKS) -> list[str]:
    """What is wrong with a page, narrow and wide, light and dark: axe's findings, headings, sideways scroll."""
    wrong = []
    page.goto(path)
    if page.locator("h1").count() != 1:
        wrong.append(f"{path}: {page.locator('h1').count()} h1")
    for viewport, scheme, options in looks:
        page.set_viewport_size(viewport)
        page.emulate_media(color_scheme=scheme)
        for rule, where in (violations(page, options) if options else {}).items():
            wrong.append(f"{path} {viewport['width']} {scheme}: {rule}: {where}")
        over = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        if over > 0:
            wrong.append(f"{path} {viewport['width']}: scrolls {over} px sideways")
    return wrong


@pytest.mark.once
def test_no_page_violates_anything(browser: Any, served: str, here: House) -> None:
    with window(browser, here.people["admin"], served) as (page, complaints):
        seen = pages(here)
        wrong = [finding for path in seen for finding in _look(page, path, LOOKS if path != seen[0] else ALL_LOOKS)]
    assert not wrong, "\n".join(wrong)
    # The page that is not there is one of them.
    assert [said for said in complaints if "404" not in said] == []


@pytest.mark.once
def test_a_long_name_without_spaces_scrolls_no_page_sideways(browser: Any, served: str, here: House) -> None:
    from samizdat.audience.actions import add_tags
    from samizdat.audience.actions.lists import rename_list
    from tests.conftest import NOW

    rename_list(here.list, "W" * 190, now=NOW)
    add_tags(here.ada, [f"{number} volunteers at the river" for number in range(5)], now=NOW)
    letter, to = make_campaign(here, "Ж" * 190), here.organization.slug
    names = (("home",), ("send", letter.pk), ("lists",), ("list", here.list.pk), ("subscribers",), ("exports",))
    names += (
        ("privacy",),
        ("reconsent", here.list.pk),
        ("list-retention", here.list.pk),
        ("subscriber", here.ada.number),
    )
    with window(browser, here.people["admin"], served) as (page, _):
        paths = [reverse(name, args=[to, *rest]) for name, *rest in names]
        wrong = [finding for path in paths for finding in _look(page, path, ROOM)]
    assert not wrong, "\n".join(wrong)


@pytest.mark.once
def test_another_kind_of_route_asks_for_what_it_needs(browser: Any, served: str, here: House) -> None:
    with window(browser, here.people["admin"], served) as (page, complaints):
        page.goto(reverse("routes", args=[here.organization.slug]))
        page.get_by_label("Name", exact=True).fill("second way")
        page.select_option("#f-scheme", "mailgun")
        page.get_by_label("Region").wait_for()
        assert page.get_by_label("Sending domain").count() == 1 and page.locator("#f-user").count() == 0
        assert page.get_by_label("Name", exact=True).input_value() == "second way"
        page.select_option("#f-scheme", "ses")
        page.get_by_role("link", name="Set up Amazon SES, step by step").wait_for()
        assert page.get_by_label("Host and port").input_value().startswith("email-smtp.")
        assert page.get_by_label("Name", exact=True).input_value() == "second way"
        assert not violations(page) and complaints == []


@pytest.mark.once
def test_what_is_looked_for_would_be_found(browser: Any, served: str, here: House) -> None:
    with window(browser, None, served) as (page, complaints):
        page.goto("/sign-in")
        page.evaluate("document.querySelector('label').remove(); document.querySelector('h1').style.color = '#eee'")
        found = set(violations(page))
        with page.expect_console_message(lambda said: "Content Security Policy" in said.text):
            page.evaluate("document.body.insertAdjacentHTML('beforeend', '<p style=\"color:red\">')")
    assert {"label", "color-contrast"} <= found
    assert any("Content Security Policy" in said for said in complaints)


@pytest.mark.once
def test_no_option_of_a_command_is_broken_at_its_hyphens(browser: Any, served: str, here: House) -> None:
    with window(browser, here.people["admin"], served, viewport=PHONE) as (page, _complaints):
        page.goto(reverse("security", args=[here.organization.slug]))
        words = page.locator(".typed .word")
        options = words.filter(has_text="--")
        assert options.count() >= 2, "else this shows nothing"
        line = words.first.bounding_box()["height"]
        assert {box["height"] for box in (word.bounding_box() for word in words.all()) if box} == {line}


@pytest.mark.once
def test_pages_for_strangers_violate_nothing_either(browser: Any, served: str, here: House) -> None:
    from django.utils import timezone

    from samizdat.accounts.actions import invite
    from samizdat.campaigns.archive.share_links import share

    token = invite(here.organization, "viewer", note="", by=here.people["admin"], now=timezone.now())
    letter = share(here.campaign, "", now=timezone.now(), by=here.people["admin"])
    with window(browser, None, served, viewport=PHONE) as (page, complaints):
        paths = ("/sign-in", f"/invitation/{token}", f"/shared/{letter}")
        wrong = [finding for path in paths for finding in _look(page, path)]
    assert not wrong, "\n".join(wrong)
    assert complaints == []


@pytest.mark.once
def test_a_viewer_and_a_russian_page_violate_nothing(browser: Any, served: str, here: House) -> None:
    dmitri = here.people["viewer"]
    dmitri.language = "ru"
    dmitri.save(update_fields=["language"])
    seen = [
        path
        for path in pages(here)
        if not path.endswith(("/new", "/add", "/crop", "/erase", "/remove", "/retire", "/stop", "/delete", "/webhook"))
        and "/inbox/" not in path
    ]
    with window(browser, dmitri, served, viewport=PHONE) as (page, _complaints):
        wrong = [finding for path in seen[1:] for finding in _look(page, path, ROOM)] + _look(page, seen[0])
        assert page.locator("html").get_attribute("lang") == "ru"
    assert not wrong, "\n".join(wrong)


@pytest.mark.once
def test_the_way_to_a_flaw_puts_the_caret_on_its_line(browser: Any, served: str, here: House) -> None:
    body = "".join(f"Line {number} of a long letter.\n" for number in range(1, 120)) + "Dear *|NOBODY|*,\n"
    letter = make_campaign(here, "Long", body)
    with window(browser, here.people["editor"], served, viewport=PHONE) as (page, complaints):
        page.goto(reverse("campaign", args=[here.organization.slug, letter.pk]))
        page.click("text=Settings and checks")
        page.check("[name=panel][value=checks]")
        page.click("a[data-line='120']")
        assert page.evaluate("document.activeElement.id") == "f-body"
        chosen = "(field) => field.value.slice(field.selectionStart, field.selectionEnd)"
        assert page.eval_on_selector("#f-body", chosen) == "Dear *|NOBODY|*,"
        assert page.eval_on_selector("#f-body", "(field) => field.scrollTop") > 0
        seen = (
            "(field) => [field.getBoundingClientRect().top, window.innerHeight, field.getBoundingClientRect().bottom]"
        )
        top, height, bottom = page.eval_on_selector("#f-body", seen)
        assert top < height / 2 < bottom
    assert complaints == []


@pytest.mark.once
def test_signing_in_by_hand_and_the_error_is_in_focus(browser: Any, served: str, here: House) -> None:
    with window(browser, None, served) as (page, complaints):
        page.goto("/sign-in")
        page.fill("#f-email", "vera@lantern.example")
        page.fill("#f-password", "wrong")
        page.click("main button.primary")
        expect(page.locator("[role=alert]")).to_be_focused()
        page.fill("#f-password", PASSWORD)
        page.click("main button.primary")
        page.wait_for_url("**/o/northern-lantern/")
    assert [said for said in complaints if "422" not in said] == []


def test_the_whole_way_to_a_release_without_any_script(browser: Any, served: str, here: House) -> None:
    with window(browser, None, served, java_script_enabled=False) as (page, _complaints):
        page.goto("/sign-in")
        page.fill("#f-email", "clara@lantern.example")
        page.fill("#f-password", PASSWORD)
        page.click("main button.primary")
        page.click("text=New campaign")
        page.click("button:has-text('Markdown')")  # Blocks are written with a script, and the page says so.
        page.fill("#f-subject", "Without script")
        page.fill("#f-body", "Dear reader,\n\nthis works.\n")
        page.click("text=Review and send")
        page.click("button.final")
        expect(page.locator("main")).to_contain_text("Undo window")
        page.click("text=Undo send")
        expect(page.locator("main")).to_contain_text("Nobody has received it")
        expect(page.locator("#f-subject")).to_have_value("Without script")


@pytest.mark.once
def test_writing_saves_itself_and_shows_the_letter_anew(browser: Any, served: str, here: House) -> None:
    from samizdat.campaigns.drafts.draft import draft_of

    with window(browser, here.people["editor"], served) as (page, complaints):
        page.goto(reverse("campaign", args=[here.organization.slug, here.campaign.pk]))
        page.check("[name=panel][value=checks]")
        with page.expect_response("**/save"):
            page.fill("#f-body", "Dear *|NOBODY|*,\n\nthe river.\n")
        page.wait_for_selector("text=Must fix")
        expect(page.locator("#f-version")).to_have_value("2")
        with page.expect_response("**/save"):
            page.fill("#f-body", "Dear reader,\n\nthe river.\n")
        page.wait_for_selector("text=Ready to send")
        page.check("[name=panel][value=preview]")
        expect(page.frame_locator("iframe.f-light").locator("body")).to_contain_text("Dear reader")
        page.click("text=Dark")
        expect(page.locator("iframe.f-dark")).to_be_visible()
        with page.expect_response("**/save"):
            page.fill("#f-preheader", "A week of drying paper")
        expect(page.locator("#f-version")).to_have_value("4")
        expect(page.locator("iframe.f-dark")).to_be_visible()
    here.campaign.refresh_from_db()
    assert draft_of(here.campaign).body == "Dear reader,\n\nthe river.\n"
    assert complaints == []


@pytest.mark.once
def test_the_report_is_live_and_pauses_by_a_key(browser: Any, served: str, here: House) -> None:
    with window(browser, here.people["editor"], served) as (page, complaints):
        page.goto(reverse("report", args=[here.organization.slug, here.sent.pk]))
        page.focus("#b-pause")
        with page.expect_response("**/live"):
            pass
        expect(page.locator("#b-pause")).to_be_focused()
        page.keyboard.press("p")
        page.wait_for_selector("text=Resume")
    here.sent.refresh_from_db()
    assert here.sent.state == "paused"
    assert complaints == []


@pytest.mark.once
def test_what_is_typed_beside_a_live_report_stays(browser: Any, served: str, here: House) -> None:
    with window(browser, here.people["editor"], served) as (page, complaints):
        page.goto(reverse("report", args=[here.organization.slug, here.sent.pk]))
        page.fill("#f-replies", "46")
        for _swap in range(2):
            with page.expect_response("**/live"):
                pass
        expect(page.locator("#f-replies")).to_have_value("46")
        page.click("#replies button[type=submit]")
        expect(page.locator("#replies .pairs")).to_contain_text("46")
    assert complaints == []


@pytest.mark.once
@pytest.mark.parametrize("scripts", [True, False])
def test_choosing_to_schedule_shows_its_fields_and_says_so_on_the_button(
    browser: Any, served: str, here: House, scripts: bool
) -> None:
    with window(browser, here.people["editor"], served, java_script_enabled=scripts) as (page, complaints):
        page.goto(reverse("send", args=[here.organization.slug, here.campaign.pk]))
        button = page.locator("button.final")
        expect(button).to_have_text("Send now", use_inner_text=True)
        expect(page.locator("#f-day")).to_be_hidden()
        page.get_by_role("radio", name="Schedule").check()
        expect(button).to_contain_text("09:00" if scripts else "Schedule", use_inner_text=True)
        page.fill("#f-day", str(timezone.now().date() + timedelta(days=2)))
        page.fill("#f-time", "10:00")
        if scripts:
            expect(button).to_contain_text("10:00")
            expect(page.locator("#sends")).to_contain_text("10:00 (Riga)")
        button.click()
        page.wait_for_url("**/report")
    here.campaign.refresh_from_db()
    assert here.campaign.state == "scheduled"
    assert complaints == []


@pytest.mark.once
def test_a_menu_is_closed_by_escape_and_by_a_press_elsewhere(browser: Any, served: str, here: House) -> None:
    with window(browser, here.people["editor"], served) as (page, complaints):
        for name, number in (("conversation", here.conversation), ("subscriber", here.ada.number)):
            page.goto(reverse(name, args=[here.organization.slug, number]))
            menu = page.locator("main details.dropdown")
            menu.locator("summary").click()
            menu.locator(".menu button").first.focus()
            page.keyboard.press("Escape")
            expect(menu).not_to_have_attribute("open", "")
            expect(menu.locator("summary")).to_be_focused()
            menu.locator("summary").click()
            page.locator("h1").click()
            expect(menu).not_to_have_attribute("open", "")
    assert complaints == []


@pytest.mark.once
def test_single_letters_do_nothing_while_somebody_types(browser: Any, served: str, here: House) -> None:
    with window(browser, here.people["editor"], served) as (page, _complaints):
        page.goto(reverse("subscribers", args=[here.organization.slug]))
        page.keyboard.press("/")
        page.keyboard.type("nggh")
        expect(page.locator("#f-q")).to_have_value("nggh")
        page.locator("h1").click()
        page.keyboard.press("g")
        page.keyboard.press("c")
        page.wait_for_url("**/campaigns/")


@pytest.mark.once
def test_a_link_is_copied_by_its_button(browser: Any, served: str, here: House) -> None:
    with window(browser, here.people["admin"], served, permissions=["clipboard-read", "clipboard-write"]) as (page, _c):
        page.goto(reverse("team", args=[here.organization.slug]))
        page.fill("#f-note", "For Pavel")
        page.click("text=Create link")
        page.click("text=Copy link")
        page.wait_for_selector("text=Copied")
        assert "/invitation/" in page.evaluate("navigator.clipboard.readText()")


@pytest.mark.once
def test_files_are_brought_in_by_hand(browser: Any, served: str, here: House) -> None:
    from samizdat.audience.models import Import

    data = (HEADING + ROW.format("olga")).encode()
    with window(browser, here.people["editor"], served) as (page, complaints):
        page.goto(reverse("imports", args=[here.organization.slug]))
        files = [{"name": "subscribed_members_export_1a2b.csv", "mimeType": "text/csv", "buffer": data}]
        page.set_input_files("#files", files)
        page.click("text=Review file")
        page.wait_for_selector("text=Reading files")
    assert Import.objects.order_by("-pk")[0].state == "reading"
    assert complaints == []


@pytest.mark.once
def test_the_question_about_status_goes_once_it_is_answered(browser: Any, served: str, here: House) -> None:
    from samizdat.audience import actions
    from tests.conftest import NOW

    run = actions.begin_upload(here.organization, here.list, now=NOW, by=here.people["editor"])
    actions.add_piece(run, 0, 0, b"email\nolga@post.example\n")
    actions.finish_upload(run, ["people.csv"], now=NOW)
    actions.inspect(run.pk, now=lambda: NOW)
    with window(browser, here.people["editor"], served) as (page, complaints):
        page.goto(reverse("import", args=[here.organization.slug, run.pk]))
        question = page.get_by_text("people.csv doesn’t say whether these people are subscribed")
        expect(question).to_be_visible()
        page.get_by_label("Status of everyone in this file").select_option(label="Subscribed")
        expect(question).to_be_hidden()
    assert complaints == []


def test_the_command_for_a_mail_server_inside_follows_the_form_and_its_route_appears_on_the_page(
    browser: Any, served: str, here: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    from samizdat.delivery.actions import add_route
    from samizdat.delivery.models import Route

    monkeypatch.delenv("SAMIZDAT_INNER_NETWORKS", raising=False)
    Route.objects.all().delete()
    with window(browser, here.people["admin"], served) as (page, complaints):
        page.goto(reverse("routes", args=[here.organization.slug]))
        page.get_by_text("Mail server on this server or in your own network").click()
        page.get_by_label("User name").fill("lantern")
        page.get_by_label("Host and port").fill("127.0.0.1:2525")
        page.get_by_label("Host and port").blur()
        expect(page.locator("#inner-commands code").first).to_contain_text("lantern@127.0.0.1:2525", timeout=15_000)
        add_route(here.organization, "Inside", "smtp+plain://127.0.0.1:2525", now=timezone.now())
        page.evaluate("dispatchEvent(new Event('focus'))")
        expect(page.get_by_role("table").get_by_text("Inside").first).to_be_visible()
        expect(page.get_by_label("Host and port")).to_have_value("127.0.0.1:2525")
        page.get_by_label("Provider").select_option(label="SMTP with TLS from the start (usually port 465)")
        expect(page.locator("#inner")).not_to_have_attribute("open", "")
        expect(page.locator(".htmx-request")).to_have_count(0)
        assert not complaints
