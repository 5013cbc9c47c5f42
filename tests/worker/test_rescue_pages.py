"""Public pages about closed accounts: what a person released, and nothing else of a case."""

from datetime import timedelta
from typing import Any

import pytest

from samizdat.accounts.actions import change_settings
from samizdat.core.rescue.case import ClosedAccount
from samizdat.events.actions import record
from samizdat.privacy import actions
from samizdat.privacy.errors import PrivacyError
from samizdat.privacy.models import RescueCase
from samizdat.privacy.rescue_cases import case_numbered, proposed_timeline, public_address, timeline_text
from samizdat.publicdb.models import Page, Site
from samizdat.publicdb.queries import letters, place
from samizdat.publicdb.signed_rows import is_ours
from samizdat.worker.publishing import publish
from samizdat.worker.schedule import event_handlers
from tests.conftest import NOW

pytestmark = pytest.mark.django_db
LINES = "2026-11-22 Mailchimp closed <b>our</b> account.\n\n2026-11-20 A warning came.\n"


@pytest.fixture
def case(lantern: Any) -> RescueCase:
    change_settings(lantern, now=NOW, public_url="https://letters.lantern.example", by=None)
    account = ClosedAccount("mailchimp", NOW.date(), lantern.name, country="LV", signed="Clara", account="secret-77")
    opened = actions.open_case(lantern, account, now=NOW)
    publish.missing_places(NOW)
    follow()
    return opened


def follow() -> None:
    while event_handlers.follow(NOW):
        pass


def test_nothing_of_a_case_is_public_until_somebody_publishes_it(case: RescueCase) -> None:
    actions.note_sent(case, "return", NOW.date(), now=NOW)
    follow()
    assert not Page.objects.exists() and public_address(case) == ""


def test_what_was_released_is_on_a_signed_page_in_no_archive(lantern: Any, case: RescueCase) -> None:
    actions.publish_timeline(case, "What happened", LINES, "en", now=NOW)
    follow()
    page = Page.objects.get()
    assert is_ours(page) and not page.listed and page.title == "What happened"
    assert page.html.index("20 November 2026") < page.html.index("22 November 2026")
    assert "&lt;b&gt;our&lt;/b&gt;" in page.html and "secret-77" not in page.html and "Clara" not in page.html
    site = place(bytes(lantern.uid))
    assert site is not None and letters(site, 0) == ([], False)
    address = public_address(case_numbered(lantern, case.pk))
    assert address == f"https://letters.lantern.example/a/{page.slug}"


def test_a_change_keeps_the_address_and_the_page_can_be_taken_down(lantern: Any, case: RescueCase) -> None:
    actions.publish_timeline(case, "First", LINES, "en", now=NOW)
    follow()
    slug = Page.objects.get().slug
    actions.publish_timeline(case, "Вторая", "2026-11-22 Закрыт.", "ru", now=NOW)
    follow()
    page = Page.objects.get()
    assert (page.slug, page.title, page.language) == (slug, "Вторая", "ru") and "22 ноября 2026" in page.html
    actions.withdraw_timeline(case, now=NOW)
    follow()
    assert not Page.objects.exists() and public_address(case_numbered(lantern, case.pk)) == ""
    title, lines = proposed_timeline(case_numbered(lantern, case.pk), NOW.date(), "ru")
    assert title == "Вторая" and timeline_text(lines) == "2026-11-22 Закрыт.\n", "kept in the case"
    with pytest.raises(PrivacyError, match="no public page"):
        actions.withdraw_timeline(case, now=NOW)


def test_a_public_database_that_was_lost_gets_its_pages_again(lantern: Any, case: RescueCase) -> None:
    actions.publish_timeline(case, "What happened", LINES, "en", now=NOW)
    follow()
    Page.objects.all().delete()
    Site.objects.all().delete()
    publish.missing_places(NOW)
    follow()
    assert Page.objects.get().title == "What happened"
    record("rescue_case.published", lantern, about=case.pk + 1, now=NOW)
    follow()
    assert Page.objects.count() == 1, "of a case that isn't there nothing is shown"


def test_the_proposal_tells_what_happened_and_names_no_person(lantern: Any, case: RescueCase) -> None:
    for kind in ("return", "account", "complaint"):
        actions.note_sent(case, kind, NOW.date(), now=NOW)
    later = NOW.date() + timedelta(days=40)
    _title, lines = proposed_timeline(case_numbered(lantern, case.pk), later, "en")
    assert [line.text for line in lines] == [
        "Mailchimp closed our account.",
        "We wrote to Mailchimp: “Return our data”.",
        "We complained to the data protection authority.",
        "The time to answer “Return our data” ended. No answer came.",
    ]
    actions.note_answered(case, 1, NOW.date(), now=NOW)
    _title, lines = proposed_timeline(case_numbered(lantern, case.pk), later, "ru")
    assert "Ответ от Mailchimp: «Верните наши данные»." in [line.text for line in lines]


@pytest.mark.parametrize(
    ("title", "text"),
    [
        ("", LINES),
        ("What happened", ""),
        ("What happened", "Yesterday all was well."),
        ("What happened", "2026-11-22"),
        ("What happened", "2026-02-30 No such day."),
        ("What happened", "20261122 Another way to write it."),
        ("What happened", "2026-11-22 x\n" * 201),
    ],
)
def test_what_is_no_timeline_is_refused_and_nothing_is_shown(case: RescueCase, title: str, text: str) -> None:
    with pytest.raises(PrivacyError):
        actions.publish_timeline(case, title, text, "en", now=NOW)
    follow()
    assert not Page.objects.exists()


def test_without_an_address_of_public_pages_nothing_is_published(lantern: Any) -> None:
    change_settings(lantern, now=NOW, public_url="", by=None)
    opened = actions.open_case(lantern, ClosedAccount("mailchimp", NOW.date(), lantern.name), now=NOW)
    with pytest.raises(PrivacyError, match="no address"):
        actions.publish_timeline(opened, "What happened", LINES, "en", now=NOW)
