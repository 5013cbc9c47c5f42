"""Public pages about closed accounts: what a person released, and nothing else of a case."""

from datetime import timedelta
from typing import Any

import pytest

from samizdat.accounts.actions import change_settings
from samizdat.audience import actions as audience
from samizdat.audience.actions import forms
from samizdat.audience.models import List
from samizdat.audience.queries import subscriber_at
from samizdat.core.rescue.case import ClosedAccount
from samizdat.core.rescue.requests import KINDS
from samizdat.events.actions import record
from samizdat.events.kinds import EventKind
from samizdat.events.models import Event
from samizdat.privacy import actions
from samizdat.privacy.errors import PrivacyError
from samizdat.privacy.models import RescueCase
from samizdat.privacy.rescue_cases import (
    Signatures,
    case_numbered,
    details_of,
    draft,
    petition_slug,
    proposed_timeline,
    public_address,
    signatures_of,
    timeline_text,
)
from samizdat.publicdb.models import Page, Site
from samizdat.publicdb.queries import letters, place
from samizdat.publicdb.signed_rows import is_ours
from samizdat.worker.publishing import publish, rescue_cases
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


# -- petitions --------------------------------------------------------------------------------------------------------


def signed(organization: Any, case: RescueCase, address: str, name: str, shown: str, *, confirmed: bool = True) -> Any:
    petition = details_of(case_numbered(organization, case.pk)).petition
    assert petition is not None
    list_ = List.objects.select_related("organization").get(pk=petition.list)
    values = {"SIGNAS": name, "SHOWNAME": shown}
    row = audience.sign_up(organization, address, list_, wording="I sign.", now=NOW, values=values)
    if confirmed:
        audience.confirm(row, list_, now=NOW)
    return row


@pytest.fixture
def petition(lantern: Any, case: RescueCase, monkeypatch: pytest.MonkeyPatch) -> RescueCase:
    monkeypatch.setattr(rescue_cases, "_look", {"next": 0.0})
    monkeypatch.setattr(rescue_cases, "EVERY", 0.0)
    actions.open_petition(case, "en", now=NOW)
    signed(lantern, case, "ada@reader.example", "Ada <b>Lovelace</b>", "yes")
    signed(lantern, case, "boris@reader.example", "Boris", "no")
    signed(lantern, case, "vera@reader.example", "Vera", "yes", confirmed=False)
    signed(lantern, case, "spam@reader.example", "Buy at http://spam.example", "yes")
    actions.publish_timeline(case, "What happened", LINES, "en", signatures=True, now=NOW)
    follow()
    return case_numbered(lantern, case.pk)


def test_a_petition_is_a_list_with_a_form_and_is_opened_once(lantern: Any, case: RescueCase) -> None:
    first = actions.open_petition(case, "en", now=NOW)
    assert actions.open_petition(case, "ru", now=NOW) == first
    form = forms.form_numbered(lantern, first.form)
    assert form is not None
    facts = forms.facts_of(form)
    assert facts.lists == (first.list,) and facts.fields == (first.name, first.shown)
    assert facts.required == () and "Mailchimp" in facts.intro and lantern.name in facts.wording
    other = actions.open_case(lantern, ClosedAccount("mailchimp", NOW.date(), lantern.name), now=NOW)
    second = actions.open_petition(other, "ru", now=NOW)
    assert second.list != first.list and (second.name, second.shown) == (first.name, first.shown)


def test_who_confirmed_counts_and_only_who_chose_it_is_named(lantern: Any, petition: RescueCase) -> None:
    assert signatures_of(petition, details_of(petition)) == Signatures(3, ["Ada <b>Lovelace</b>"])
    html = Page.objects.get().html
    assert "Signed by: 3." in html and "Ada &lt;b&gt;Lovelace&lt;/b&gt;" in html
    assert not any(word in html for word in ("Boris", "Vera", "spam.example", "reader.example"))
    form = f"https://letters.lantern.example/f/{petition_slug(petition, details_of(petition))}"
    assert f'<a href="{form}"' in html and "Sign the petition</a>" in html
    text = draft(petition, KINDS["collective"], NOW.date(), "en").text
    assert "- Signed by: 3." in text and "- Among them: Ada <b>Lovelace</b>." in text and "Boris" not in text


def test_somebody_who_is_erased_or_leaves_is_on_the_page_no_more(lantern: Any, petition: RescueCase) -> None:
    signed(lantern, petition, "olga@reader.example", "Olga", "yes")
    assert rescue_cases.signatures(NOW) == 1 and rescue_cases.signatures(NOW) == 0
    assert "Olga" in Page.objects.get().html
    audience.erase(lantern, address="ada@reader.example", now=NOW)
    kinds: tuple[EventKind, ...] = ("subscriber.erased", "subscribers.erased")
    assert all(rescue_cases.erased in event_handlers.FOLLOW_UPS[kind] for kind in kinds)
    rescue_cases.erased(Event.objects.get(kind="subscriber.erased"), NOW)  # Another follow-up is no transaction's.
    assert "Ada" not in Page.objects.get().html and "Olga" in Page.objects.get().html
    list_ = List.objects.select_related("organization").get(pk=details_of(petition).petition.list)
    audience.unsubscribe(subscriber_at(lantern, "olga@reader.example"), list_, now=NOW)
    assert rescue_cases.signatures(NOW) == 1
    assert "Olga" not in Page.objects.get().html and "Signed by: 2." in Page.objects.get().html


def test_where_nobody_can_sign_any_more_the_page_leads_to_no_form(lantern: Any, petition: RescueCase) -> None:
    form = forms.form_numbered(lantern, details_of(petition).petition.form)
    forms.remove_form(form, now=NOW)
    assert rescue_cases.signatures(NOW) == 1
    assert "/f/" not in Page.objects.get().html and "Signed by: 3." in Page.objects.get().html


def test_without_the_tick_a_page_says_nothing_of_signatories(lantern: Any, petition: RescueCase) -> None:
    actions.publish_timeline(petition, "What happened", LINES, "en", now=NOW)
    follow()
    html = Page.objects.get().html
    assert "Signed" not in html and "Ada" not in html and "/f/" not in html
    assert rescue_cases.signatures(NOW) == 0
