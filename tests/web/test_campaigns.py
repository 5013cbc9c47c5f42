"""Writing at the desk: saved over the version that was opened, flaws beside their place, previews behind glass."""

import re
from collections.abc import Callable
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from samizdat.campaigns.drafts.draft import draft_of
from samizdat.campaigns.models import Campaign, Picture
from samizdat.events.models import Event
from tests.web.conftest import House, make_campaign, png

Desk = Callable[[str], Client]


def _to(here: House, name: str, *args: object) -> str:
    return reverse(name, args=[here.organization.slug, *args])


def _answers(here: House, **changes: Any) -> dict[str, Any]:
    return {
        "version": "1",
        "subject": "What the river took",
        "from_name": "Lantern",
        "from_email": "letter@lantern.example",
        "list": here.list.pk,
        "language": "en",
        "format": "markdown",
        "body": "Dear reader,\r\n\r\nthe water came.\r\n",
    } | changes


def test_a_new_letter_is_a_draft_at_once_from_the_sender_of_the_last_one(here: House, desk: Desk) -> None:
    client = desk("editor")
    answer = client.post(_to(here, "new-campaign"), {"begin": "alert", "language": "ru"})
    made = Campaign.objects.order_by("-pk")[0]
    assert answer.headers["Location"] == _to(here, "campaign", made.pk)
    assert (draft_of(made).from_email, made.list_id, made.language) == ("letter@lantern.example", here.list.pk, "ru")
    client.post(_to(here, "campaign", made.pk), _answers(here, subject="A short one"))
    made.refresh_from_db()
    assert draft_of(made).subject == "A short one"
    assert "\r" not in draft_of(made).body


def test_a_test_goes_to_whoever_pressed_with_what_they_have_typed(here: House, desk: Desk) -> None:
    address = _to(here, "campaign", here.campaign.pk)
    answer = desk("editor").post(address, _answers(here, subject="Typed just now", then="test"), follow=True)
    assert "Test sent to clara@lantern.example" in answer.content.decode()
    assert answer.redirect_chain[-1][0] == address
    assert "Typed just now" in next(here.letters.rglob("*.eml")).read_text()


def test_a_test_has_the_values_of_the_reader_that_the_preview_is_for(here: House, desk: Desk) -> None:
    client, address = desk("editor"), _to(here, "campaign", here.campaign.pk)
    page = client.get(address, {"as": here.ada.number}).content.decode()
    assert f'name="as" value="{here.ada.number}"' in page[page.index('id="letter"') :]
    answer = client.post(address, _answers(here, then="test") | {"as": here.ada.number}, follow=True)
    assert answer.redirect_chain[-1][0] == f"{address}?as={here.ada.number}", "the preview stays Ada's"
    assert "It uses the data of subscriber No." in answer.content.decode()
    assert "To: Ada <clara@" in next(here.letters.rglob("*.eml")).read_text()
    assert Event.objects.filter(kind="subscriber.previewed").count() == 2, "the look and the test are in the log"


def test_a_version_that_is_no_number_saves_over_the_one_that_was_opened(here: House, desk: Desk) -> None:
    answer = desk("editor").post(_to(here, "campaign", here.campaign.pk), _answers(here, over="theirs", subject="Mine"))
    assert answer.status_code == 302 and draft_of(Campaign.objects.get(pk=here.campaign.pk)).subject == "Mine"


def test_enter_in_a_field_saves_and_does_nothing_else(here: House, desk: Desk) -> None:
    page = desk("editor").get(_to(here, "campaign", here.campaign.pk)).content.decode()
    first = next(button for button in re.findall(r"<button[^>]*>", page) if 'form="letter"' in button)
    assert "name=" not in first


def test_two_people_do_not_overwrite_each_other(here: House, desk: Desk) -> None:
    client, address = desk("editor"), _to(here, "campaign", here.campaign.pk)
    client.post(address, _answers(here, subject="Clara's", body="The water came at five.\n"))
    late = desk("admin").post(address, _answers(here, subject="Vera's"))
    assert late.status_code == 422
    page = late.content.decode()
    assert "Someone else saved this campaign since you opened it" in page
    assert "Clara&#x27;s" in page
    here.campaign.refresh_from_db()
    assert draft_of(here.campaign).subject == "Clara's"
    desk("admin").post(address, _answers(here, subject="Vera's", over=str(here.campaign.version)))
    here.campaign.refresh_from_db()
    assert draft_of(here.campaign).subject == "Vera's"


def test_it_saves_itself_and_the_checks_are_asked_for_afterwards(here: House, desk: Desk) -> None:
    page = desk("editor").post(_to(here, "autosave", here.campaign.pk), _answers(here, subject="")).content.decode()
    assert 'name="version" value="2"' in page
    assert "Must fix" in desk("editor").get(_to(here, "sidebar", here.campaign.pk)).content.decode()
    typed = _answers(here, body="Another text.\n")
    again = desk("admin").post(_to(here, "autosave", here.campaign.pk), typed).content.decode()
    assert "Not saved: a colleague changed the text too" in again
    other_tab = desk("editor").post(_to(here, "autosave", here.campaign.pk), typed).content.decode()
    assert "Not saved: you changed the text in another tab too" in other_tab


def test_flaws_stand_with_their_line_and_can_be_taken_out(here: House, desk: Desk) -> None:
    flawed = make_campaign(here, "Old one", "Dear *|FNAME|*,\n\n[Send it on](*|FORWARD|*) to a friend.\n")
    client = desk("editor")
    page = client.get(_to(here, "campaign", flawed.pk)).content.decode()
    assert "line 3" in page
    assert "Remove" in page
    assert 'href="#f-body"' in page
    code = page.split('name="remove" value="', 1)[1].split('"', 1)[0]
    typed = draft_of(flawed).body + "\nTyped a moment ago.\n"
    client.post(_to(here, "campaign", flawed.pk), _answers(here, body=typed, remove=code))
    flawed.refresh_from_db()
    assert "FORWARD" not in draft_of(flawed).body
    assert "Typed a moment ago." in draft_of(flawed).body


def test_a_subject_of_three_thousand_signs_is_a_flaw_and_no_crash(here: House, desk: Desk) -> None:
    answer = desk("editor").post(
        _to(here, "campaign", here.campaign.pk), _answers(here, subject="x" * 3000), follow=True
    )
    assert answer.status_code == 200
    assert "Must fix" in answer.content.decode()


def test_a_preview_has_a_policy_of_its_own(here: House, desk: Desk) -> None:
    for kind in ("light", "dark", "off"):
        answer = desk("viewer").get(_to(here, "preview", here.campaign.pk, kind))
        policy = answer.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'; img-src 'self'")
        assert "sandbox" in policy
        assert "the water came at four" in answer.content.decode()
    assert desk("viewer").get(_to(here, "preview", here.campaign.pk, "other")).status_code == 404


def test_a_preview_can_be_opened_in_a_window_of_its_own(here: House, desk: Desk) -> None:
    page = desk("viewer").get(_to(here, "campaign", here.campaign.pk)).content.decode()
    address = _to(here, "preview", here.campaign.pk, "light")
    assert re.search(rf'href="{address}"\s+target="_blank"\s+rel="noopener"', page)


def test_a_preview_as_a_reader_shows_their_name_to_writers_and_is_logged(here: House, desk: Desk) -> None:
    asked = f"?as={here.ada.number}"
    assert "Dear Ada" in desk("editor").get(_to(here, "preview", here.campaign.pk, "light") + asked).content.decode()
    assert (
        "Dear Ada" not in desk("viewer").get(_to(here, "preview", here.campaign.pk, "light") + asked).content.decode()
    )
    page = desk("editor").get(_to(here, "campaign", here.campaign.pk) + asked).content.decode()
    assert "This is recorded in the activity log" in page
    for written in (f"{here.ada.number:,}", f"No. {here.ada.number:,}", f"№ {here.ada.number}"):
        page = desk("editor").get(_to(here, "campaign", here.campaign.pk), {"as": written}).content.decode()
        assert "This is recorded in the activity log" in page
    nobody = desk("editor").get(_to(here, "campaign", here.campaign.pk) + "?as=987654").content.decode()
    assert "No subscriber has this address or number" in nobody


def test_a_picture_loses_its_name_and_is_shown_in_the_preview_by_a_signed_address(here: House, desk: Desk) -> None:
    client = desk("editor")
    upload = SimpleUploadedFile("ada-at-home.png", png(), "image/png")
    client.post(_to(here, "add-picture", here.campaign.pk), {"picture": upload})
    picture = Picture.objects.order_by("-pk")[0]
    url = f"https://lantern.example/m/{picture.slug}.png"
    assert url in client.get(_to(here, "campaign", here.campaign.pk)).content.decode()
    client.post(_to(here, "campaign", here.campaign.pk), _answers(here, body=f"![a table]({url})\n"))
    page = client.get(_to(here, "preview", here.campaign.pk, "light")).content.decode()
    assert url not in page
    shown = page.split('src="/picture/', 1)[1].split('"', 1)[0]
    # A frame in a sandbox sends no cookie.
    assert Client().get(f"/picture/{shown}").content[:4] == b"\x89PNG"
    assert Client().get(f"/picture/{shown[:-3]}abc").status_code == 404


def test_a_foreign_picture_is_named_beside_its_line_and_has_a_place_in_the_preview(here: House, desk: Desk) -> None:
    found = make_campaign(here, "River", 'Dear reader,\n\n![A "map" of it](https://pictures.example/map.png)\n')
    client = desk("editor")
    page = client.get(_to(here, "campaign", found.pk)).content.decode()
    assert "An image is loaded from pictures.example, so that site sees who opens the email." in page
    assert "line 3" in page
    shown = client.get(_to(here, "preview", found.pk, "light")).content.decode()
    assert ">Image from pictures.example, not loaded here: A &quot;map&quot; of it</span>" in shown
    assert "map.png" not in shown
    assert "not loaded here" not in client.get(_to(here, "preview", found.pk, "off")).content.decode()


def test_svg_and_what_is_no_picture_are_refused(here: House, desk: Desk) -> None:
    client, before = desk("editor"), Picture.objects.count()
    for name, data in (("a.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>"), ("a.png", b"not a picture")):
        upload = SimpleUploadedFile(name, data, "image/png")
        answer = client.post(_to(here, "add-picture", here.campaign.pk), {"picture": upload}, follow=True)
        assert 'role="alert"' in answer.content.decode()
    assert Picture.objects.count() == before


def test_copying_and_throwing_away(here: House, desk: Desk) -> None:
    client = desk("editor")
    answer = client.post(_to(here, "copy-campaign", here.sent.pk))
    made = Campaign.objects.order_by("-pk")[0]
    assert answer.headers["Location"] == _to(here, "campaign", made.pk)
    client.post(_to(here, "delete-draft", made.pk))
    assert not Campaign.objects.filter(pk=made.pk).exists()
    client.post(_to(here, "delete-draft", here.sent.pk))
    assert Campaign.objects.filter(pk=here.sent.pk).exists()


def test_a_released_letter_opens_as_its_report(here: House, desk: Desk) -> None:
    answer = desk("editor").get(_to(here, "campaign", here.sent.pk))
    assert answer.headers["Location"] == _to(here, "report", here.sent.pk)


def test_the_list_of_campaigns_by_state(here: House, desk: Desk) -> None:
    client = desk("viewer")
    drafts = client.get(_to(here, "campaigns") + "?show=drafts").content.decode()
    assert "What the river took" in drafts
    assert "The winter list" not in drafts
