"""A letter in several languages at the desk: added, written, looked at, sent, read on the web, removed."""

from typing import Any

import pytest
from django.db.models import F
from django.utils.translation import override

from samizdat import dbclock, formatting
from samizdat.audience import actions as audience
from samizdat.campaigns import actions as campaigns
from samizdat.campaigns import translations
from samizdat.campaigns.approval import agree, bond_of, standing
from samizdat.campaigns.archive.web_corrections import correct
from samizdat.campaigns.drafts.draft import draft_of
from samizdat.campaigns.errors import DraftChangedMeanwhile
from samizdat.campaigns.models import Campaign
from samizdat.campaigns.opened import open_campaign
from samizdat.publicdb import queries as publicdb
from samizdat.worker.publishing import publish
from tests.conftest import NOW
from tests.web.conftest import CONSENT, House
from tests.web.test_release import Desk, _to, quiet_names  # noqa: F401 - a fixture


def _typed(campaign: Campaign, **more: Any) -> dict[str, Any]:
    """The form of a writing page, as a browser sends it."""
    draft = draft_of(campaign)
    words = {name: getattr(draft, name) for name in ("subject", "preheader", "format", "body")}
    if campaign.version_of_id is None:
        words |= {name: getattr(draft, name) for name in ("from_name", "from_email", "reply_to")}
        words |= {"list": campaign.list_id, "language": campaign.language}
    return words | {"version": campaign.version, "template": campaign.template_id or ""} | more


@pytest.fixture
def russian(here: House, desk: Desk) -> Campaign:
    """The Russian version of the draft, added with the form."""
    answers = _typed(here.campaign, then="language", language_new="ru", subject="What the river took, again")
    desk("editor").post(_to(here, "campaign", here.campaign.pk), answers)
    return translations.versions(here.campaign)[0]


def test_a_language_begins_with_the_text_and_is_written_by_itself(here: House, desk: Desk, russian: Campaign) -> None:
    client, address = desk("editor"), _to(here, "campaign", russian.pk)
    assert draft_of(russian).subject == "What the river took, again"  # What was typed is saved first.
    page = client.get(address).content.decode()
    assert "This is a translation: Russian." in page and 'name="from_email"' not in page
    assert "The text is still the same as in this version: English." in page
    client.post(_to(here, "autosave", russian.pk), _typed(russian, subject="Что унесла река", body="Вода ушла."))
    assert draft_of(Campaign.objects.get(pk=russian.pk)).subject == "Что унесла река"
    here.campaign.refresh_from_db()
    assert draft_of(here.campaign).body != "Вода ушла."
    page = client.get(_to(here, "campaign", here.campaign.pk)).content.decode()
    assert "ready to send" in page and "they get this version: English" in page and f'href="{address}"' in page
    assert "Что унесла река" not in client.get(_to(here, "campaigns")).content.decode()
    sought = client.get(_to(here, "campaigns"), {"q": "унесла"}).content.decode()
    assert "What the river took, again" in sought and "also: Russian" in sought  # Found by any of its subjects.
    assert client.get(_to(here, "history", russian.pk)).status_code == 200
    assert client.get(_to(here, "preview-page", russian.pk)).status_code == 200
    refused = client.post(address, _typed(Campaign.objects.get(pk=russian.pk), then="language", language_new="ru"))
    assert refused.headers["Location"] == address and "already" in client.get(address).content.decode()


def test_a_right_to_left_version_is_written_from_the_right(here: House, desk: Desk) -> None:
    persian = translations.add(here.campaign, "fa", by=None, now=NOW)
    page = desk("editor").get(_to(here, "campaign", persian.pk)).content.decode()
    assert 'lang="fa" dir="rtl"' in page


def test_the_send_page_counts_who_gets_which_and_checks_each(here: House, desk: Desk, russian: Campaign) -> None:
    for number, language in enumerate(("ru", "ru", "fr")):
        reader = f"reader{number}@lantern.example"
        audience.add_subscriber(here.organization, reader, here.list, consent=CONSENT, language=language, now=NOW)
    client, address = desk("editor"), _to(here, "send", here.campaign.pk)
    empty = draft_of(russian).with_(subject="")
    campaigns.save(russian, empty, version=1, by=None, now=NOW)
    page = client.get(address).content.decode()
    assert "Russian: 1 problem to fix" in page and _to(here, "campaign", russian.pk) in page
    assert client.post(address, {"when": "now"}).status_code == 422
    campaigns.save(russian, empty.with_(subject="Река"), version=2, by=None, now=NOW)
    page = client.get(address)
    assert [(one["name"], one["people"]) for one in page.context["languages"]] == [("English", 2), ("Russian", 2)]
    assert "2 of them have no language set or no translation; they get" in page.content.decode()
    assert "A/B test" not in page.content.decode()
    client.post(_to(here, "test-campaign", here.campaign.pk), {"test-to": "friend@post.example"})
    assert len(list(here.letters.rglob("*.eml"))) == 2
    assert client.get(_to(here, "send", russian.pk)).context["campaign"] == here.campaign
    client.post(address, {"when": "now"})
    page = client.get(_to(here, "report", russian.pk))
    told = [(one["name"], one["subject"], one.get("people")) for one in page.context["languages"]["rows"]]
    assert told == [("English", "What the river took, again", None), ("Russian", "Река", None)], "two of each are few"
    client.post(_to(here, "undo-send", here.campaign.pk))
    russian.refresh_from_db()
    again = translations.whole(russian)
    assert (again.pk, again.state, russian.state) == (here.campaign.pk, "draft", "draft")
    assert campaigns.save(russian, draft_of(russian), version=3, by=None, now=NOW) == 4, "it is written in again"


def test_a_second_persons_yes_is_to_every_language(here: House, russian: Campaign) -> None:
    letter, vera = here.campaign, here.people["admin"]
    letter.refresh_from_db()
    seen = bond_of(open_campaign(letter))
    campaigns.save(russian, draft_of(russian).with_(subject="Река"), version=1, by=None, now=NOW)
    with pytest.raises(DraftChangedMeanwhile):
        agree(letter, seen, by=vera, now=NOW)
    agree(letter, bond_of(open_campaign(letter)), by=vera, now=NOW)
    assert standing(open_campaign(letter)).state == "given"
    campaigns.save(russian, draft_of(russian).with_(subject="Реки"), version=2, by=None, now=NOW)
    assert standing(open_campaign(letter)).state == "changed"


def test_somebody_outside_sees_every_language(here: House, desk: Desk, russian: Campaign) -> None:
    campaigns.save(russian, draft_of(russian).with_(subject="Река"), version=1, by=None, now=NOW)
    page = desk("editor").post(_to(here, "share", russian.pk), {"note": "for Pavel"}).content.decode()
    path = "/shared/" + page.split("/shared/")[1].split("<")[0]
    page = desk("editor").get(path).content.decode()
    assert "What the river took, again" in page and "in=ru" in page
    assert "Река" in desk("editor").get(path + "?in=ru").content.decode()


@pytest.mark.django_db(databases=["default", "publicdb"])
def test_each_language_has_a_page_on_the_web_and_the_archive_names_the_letter_once(
    here: House, desk: Desk, russian: Campaign
) -> None:
    audience.add_subscriber(here.organization, "r@lantern.example", here.list, consent=CONSENT, language="ru", now=NOW)
    words = draft_of(russian).with_(subject="Река", body="Вода ушла.")
    campaigns.save(russian, words, version=1, by=None, now=NOW)
    desk("editor").post(_to(here, "send", here.campaign.pk), {"when": "now"})
    Campaign.objects.filter(pk=here.campaign.pk).update(state="sending", accepted=1, pending=F("pending") - 1)
    publish.missing_places(dbclock.now())
    publish.missing_letters(dbclock.now())
    slug = Campaign.objects.get(pk=here.campaign.pk).edition.archive_slug
    place = publicdb.place(bytes(here.organization.uid))
    assert place is not None
    found = publicdb.letter(f"{slug}-ru", place.host)
    assert found is not None and (found.title, found.language) == ("Река", "ru") and "Вода ушла." in found.html
    assert publicdb.other_languages(found) == [(slug, "en")]
    letter = Campaign.objects.get(pk=here.campaign.pk)
    assert correct(letter, "Вода ушла", "Вода уходит", by=None, now=dbclock.now()) == 1
    publish.edition_as_letter(letter.edition, dbclock.now())
    found.refresh_from_db()
    assert "Вода уходит" in found.html and found.corrected is not None
    assert [one.slug for one in publicdb.letters(place, 0)[0] if one.edition == found.edition] == [slug]


def test_a_language_is_removed_after_a_question(here: House, desk: Desk, russian: Campaign) -> None:
    client, address = desk("editor"), _to(here, "remove-language", russian.pk)
    assert "Remove translation: Russian?" in client.get(address).content.decode()
    assert client.post(address).headers["Location"] == _to(here, "campaign", here.campaign.pk)
    assert translations.versions(here.campaign) == []
    assert client.get(_to(here, "campaign", russian.pk)).status_code == 404
    here.campaign.refresh_from_db()
    assert "Add translation" in client.get(_to(here, "campaign", here.campaign.pk)).content.decode()


@pytest.mark.once
@pytest.mark.parametrize(
    ("code", "english", "russian"),
    [
        ("zh", "Chinese", "Китайский"),
        ("ht", "Haitian Creole", "Гаитянский креольский язык"),
        ("nb", "Norwegian Bokmål", "Норвежский (букмол)"),
    ],
)
def test_every_language_has_a_name_in_the_words_of_the_desk(code: str, english: str, russian: str) -> None:
    assert formatting.language(code) == english
    with override("ru"):
        assert formatting.language(code) == russian
