"""The pages of closed accounts, as people press through them."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from samizdat.privacy import actions
from samizdat.privacy.actions import rescue_cases as limits
from samizdat.privacy.models import RescueCase
from samizdat.privacy.rescue_cases import case_numbered, details_of
from tests.web.conftest import House, signed_in


@pytest.fixture
def admin(here: House) -> Client:
    return signed_in(here.people["admin"])


def address(here: House, rest: str = "") -> str:
    return f"/o/{here.organization.slug}/privacy/cases/{rest}"


def facts(**more: object) -> dict[str, Any]:
    day = timezone.localdate() - timedelta(days=2)
    return {"provider": "mailchimp", "closed": f"{day}", "reason": "sanctions", "country": "LV", **more}


def opened(here: House, admin: Client, **more: object) -> RescueCase:
    answer = admin.post(address(here), facts(**more))
    assert answer.status_code == 302, answer.content
    return RescueCase.objects.select_related("organization").latest("pk")


def test_a_case_is_opened_with_two_answers_and_shows_what_to_write(here: House, admin: Client) -> None:
    case = opened(here, admin)
    page = admin.get(address(here, f"{case.pk}/")).content.decode()
    assert "Mailchimp" in page and "article 28(3)(g)" in page and "Don’t delete our data" in page
    assert "Datu valsts inspekcija" in page and "checked by no lawyer" in page
    assert "статья 28(3)(g)" not in page
    russian = admin.get(address(here, f"{case.pk}/?language=ru")).content.decode()
    assert "По статье 28(3)(g) GDPR" in russian
    account = details_of(case).account
    assert (account.provider, account.provider_country, account.lost[0]) == ("mailchimp", "US", "subscribers")
    assert f"cases/{case.pk}/" in admin.get(address(here)).content.decode()


def test_a_day_in_the_future_is_refused_beside_its_field(here: House, admin: Client) -> None:
    before = RescueCase.objects.count()
    refused = admin.post(address(here), facts(closed=f"{timezone.localdate() + timedelta(days=3)}"))
    assert refused.status_code == 422 and "in the future" in refused.content.decode()
    assert admin.post(address(here), facts(provider="")).status_code == 422
    assert RescueCase.objects.count() == before


def test_boxes_that_belong_together_are_named_together(here: House, admin: Client) -> None:
    """A label that names no box says nothing to who hears the page."""
    page = admin.get(address(here)).content.decode()
    assert "<legend>Do subscribers live here?</legend>" in page
    assert '<div class="choice"><input type="checkbox" name="subscribers_in" value="EU"' in page


def test_where_no_law_applies_the_page_says_whom_to_ask(here: House, admin: Client) -> None:
    case = opened(here, admin, country="RU", provider_country="RU")
    page = admin.get(address(here, f"{case.pk}/")).content.decode()
    assert "No law that Samizdat knows applies" in page and "https://www.accessnow.org/help/" in page


def test_a_deadline_that_passed_leads_to_the_complaint_until_that_was_sent(here: House, admin: Client) -> None:
    long_ago = timezone.localdate() - timedelta(days=60)
    case = opened(here, admin, closed=f"{long_ago}")
    where, hint = address(here, f"{case.pk}/"), "They didn’t answer in time."
    admin.post(f"{where}sent", {"kind": "return", "sent": f"{timezone.localdate()}"})
    assert hint not in admin.get(where).content.decode()
    admin.post(f"{where}sent", {"kind": "keep", "sent": f"{long_ago}"})
    page = admin.get(where).content.decode()
    assert hint in page and 'href="#ask-complaint"' in page and 'id="ask-complaint"' in page
    admin.post(f"{where}sent", {"kind": "complaint", "sent": f"{timezone.localdate()}"})
    assert hint not in admin.get(where).content.decode()


def test_what_was_sent_shows_its_deadline_until_they_answer(here: House, admin: Client) -> None:
    case, today = opened(here, admin), timezone.localdate()
    admin.post(address(here, f"{case.pk}/sent"), {"kind": "account", "sent": f"{today}"})
    admin.post(address(here, f"{case.pk}/sent"), {"kind": "return", "sent": f"{today}", "received": f"{today}"})
    page = admin.get(address(here, f"{case.pk}/")).content.decode()
    assert page.count("as asked, set by no law") == 1
    admin.post(address(here, f"{case.pk}/answered"), {"request": "1", "extended": "1"})
    admin.post(address(here, f"{case.pk}/answered"), {"request": "2", "answered": f"{today}"})
    first, second = details_of(case_numbered(here.organization, case.pk)).sent
    assert first.extended and first.answered is None and second.answered == today


@pytest.mark.parametrize(
    ("rest", "typed"),
    [
        ("sent", {"kind": "pigeon", "sent": "2026-01-01"}),
        ("sent", {"kind": "return", "sent": "someday"}),
        ("sent", {}),
        ("answered", {"request": "99999999999999999999999", "answered": "2026-11-25"}),
        ("answered", {"request": "1"}),
        ("evidence", {}),
    ],
)
def test_what_cannot_be_is_a_sentence_and_changes_nothing(
    here: House, admin: Client, rest: str, typed: dict[str, str]
) -> None:
    case = opened(here, admin)
    answer = admin.post(address(here, f"{case.pk}/{rest}"), typed, follow=True)
    assert answer.status_code == 200 and [str(each) for each in answer.context["messages"]]
    details = details_of(case_numbered(here.organization, case.pk))
    assert details.sent == [] and details.evidence == []


def test_a_file_is_kept_and_comes_back_to_be_saved_only(here: House, admin: Client) -> None:
    case = opened(here, admin)
    file = SimpleUploadedFile("письмо.html", b"<script>alert(1)</script>", content_type="text/html")
    admin.post(address(here, f"{case.pk}/evidence"), {"file": file, "note": "Their <b>notice</b>"})
    page = admin.get(address(here, f"{case.pk}/")).content.decode()
    assert "Their &lt;b&gt;notice&lt;/b&gt;" in page
    back = admin.get(address(here, f"{case.pk}/evidence/1"))
    assert back.content == b"<script>alert(1)</script>"
    assert back["Content-Type"] == "application/octet-stream"
    assert back["Content-Disposition"].startswith("attachment;") and back["X-Content-Type-Options"] == "nosniff"
    assert admin.get(address(here, f"{case.pk}/evidence/2")).status_code == 404


def test_a_file_that_is_too_large_is_refused(here: House, admin: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "LARGEST", 10)
    case = opened(here, admin)
    file = SimpleUploadedFile("x.png", b"x" * 11)
    said = admin.post(address(here, f"{case.pk}/evidence"), {"file": file}, follow=True)
    assert "larger than" in [str(each) for each in said.context["messages"]][-1]
    assert details_of(case_numbered(here.organization, case.pk)).evidence == []


def test_facts_are_completed_later_and_a_finished_case_stays(here: House, admin: Client) -> None:
    case = opened(here, admin)
    admin.post(address(here, f"{case.pk}/"), facts(signed="Clara", account="lantern", lost=["files"]))
    account = details_of(case_numbered(here.organization, case.pk)).account
    assert (account.signed, account.lost) == ("Clara", ("files",))
    admin.post(address(here, f"{case.pk}/finish"))
    assert "Finished on" in admin.get(address(here, f"{case.pk}/")).content.decode()


def test_countries_that_a_command_named_are_not_lost_by_saving(here: House, admin: Client) -> None:
    case = opened(here, admin)
    named = replace(details_of(case).account, subscribers_in=("LV", "RU", "GB"))
    actions.change_case(case, named, now=timezone.now())
    page = admin.get(address(here, f"{case.pk}/"))
    assert page.context["form"].initial["subscribers_in"] == ["EU", "GB"]
    for ticked, left in (
        (["EU", "GB"], ("LV", "RU", "GB")),
        (["EU"], ("LV", "RU")),
        ([], ("RU",)),
        (["EU"], ("RU", "EU")),
    ):
        admin.post(address(here, f"{case.pk}/"), facts(subscribers_in=ticked))
        assert details_of(case_numbered(here.organization, case.pk)).account.subscribers_in == left


def test_a_passed_deadline_is_on_the_first_page_of_admins(here: House, admin: Client) -> None:
    case, now = opened(here, admin), timezone.now()
    home, title = f"/o/{here.organization.slug}/", "A request about a closed account wasn’t answered"
    assert title not in admin.get(home).content.decode()
    actions.note_sent(case, "return", (now - timedelta(days=30)).date(), now=now)
    assert title in admin.get(home).content.decode()
    assert title not in signed_in(here.people["editor"]).get(home).content.decode()


def test_what_providers_did_has_its_sources(here: House, admin: Client) -> None:
    page = admin.get(f"/o/{here.organization.slug}/privacy/providers/").content.decode()
    assert "Mailchimp" in page and "https://www.accessnow.org/mailchimp-is-still-silencing-activists-in-russia/" in page


def test_a_public_page_is_proposed_edited_and_taken_down(here: House, admin: Client) -> None:
    case = opened(here, admin)
    page = admin.get(address(here, f"{case.pk}/"))
    assert "Mailchimp closed our account." in page.context["timeline_form"].initial["lines"]
    typed = {"title": "What happened", "lines": "2026-11-22 Our account was closed.", "language": "en"}
    wrong = admin.post(address(here, f"{case.pk}/public"), {**typed, "lines": "Yesterday all was well."})
    assert wrong.status_code == 422 and "Yesterday all was well." in wrong.content.decode()
    assert "Line 1 needs a day" in wrong.content.decode()
    admin.post(address(here, f"{case.pk}/public"), typed)
    public = details_of(case_numbered(here.organization, case.pk)).public
    assert public is not None and public.is_shown
    assert f"/a/{public.slug}" in admin.get(address(here, f"{case.pk}/")).content.decode()
    admin.post(address(here, f"{case.pk}/public"), {"withdraw": "1"})
    public = details_of(case_numbered(here.organization, case.pk)).public
    assert public is not None and not public.is_shown


def test_a_petition_is_opened_and_shows_where_to_sign(here: House, admin: Client) -> None:
    case = opened(here, admin)
    assert "Open for signatures" in admin.get(address(here, f"{case.pk}/")).content.decode()
    for _press in range(2):
        admin.post(address(here, f"{case.pk}/petition"), {"language": "ru"})
    page = admin.get(address(here, f"{case.pk}/"))
    assert "/f/" in page.context["petition_form"] and "0 people signed" in page.content.decode()
    typed = {"title": "What happened", "lines": "2026-11-22 Closed.", "language": "en", "signatures": "on"}
    admin.post(address(here, f"{case.pk}/public"), typed)
    public = details_of(case_numbered(here.organization, case.pk)).public
    assert public is not None and public.has_signatures
