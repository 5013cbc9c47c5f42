"""Sign-up forms at the desk, and what the preference centre leaves on a reader's page."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from samizdat.accounts.actions import change_settings
from samizdat.audience import actions, queries
from samizdat.audience.actions import forms, preferences
from samizdat.audience.actions.mail_quota import tell_unmailed
from samizdat.audience.models import SignUpForm
from samizdat.campaigns.actions import create
from samizdat.campaigns.drafts.draft import Draft
from samizdat.campaigns.models import Campaign
from tests.conftest import NOW
from tests.web.conftest import House, make_person, signed_in

Desk = Callable[[str], Client]
LATER = (timezone.now() + timedelta(days=30)).date()


def _to(here: House, name: str, *args: object) -> str:
    return reverse(name, args=[here.organization.slug, *args])


def _made(here: House) -> list[SignUpForm]:
    return [*SignUpForm.objects.filter(organization=here.organization).exclude(id=here.form)]


def _words(here: House, **more: object) -> dict[str, object]:
    words = {"title": "Our letters", "language": "en", "wording": "I want <these>.", "lists": [here.list.id]}
    return words | {"asked": [here.field], "required": [here.field]} | more


def test_an_editor_makes_a_form_changes_it_and_switches_it_off(here: House, desk: Desk) -> None:
    client = desk("editor")
    tags = actions.tags_for(here.organization, ["Books"])
    words = _words(here, topics=[tags["Books"]], appeals="Ask me for <money>.")
    page = client.post(_to(here, "signup-forms"), words, follow=True).content.decode()
    assert "Form created." in page
    (made,) = _made(here)
    assert f"https://lantern.example/f/{made.slug}" in page
    assert forms.facts_of(made).topics == (tags["Books"],)
    assert "&lt;input type=&quot;checkbox&quot; name=&quot;appeals&quot; value=&quot;1&quot;&gt; Ask me for" in page
    client.post(_to(here, "signup-form", made.id), _words(here, title="All of our letters"))
    assert forms.view_of(made).facts.title == "Our letters", "as this row was read"
    made.refresh_from_db()
    assert forms.view_of(made).facts.title == "All of our letters"
    assert "All of our letters" in client.get(_to(here, "signup-forms")).content.decode()
    client.post(_to(here, "remove-signup-form", made.id))
    assert client.get(_to(here, "signup-form", made.id)).status_code == 404


def test_a_form_whose_mails_have_no_sender_yet_is_said_where_somebody_sees_it(lantern: Any) -> None:
    client = signed_in(make_person("Clara", "clara@lantern.example", lantern, "editor"))
    list_ = actions.new_list(lantern, "Weekly", now=NOW)
    home = reverse("home", args=[lantern.slug])
    assert "Sign-ups are waiting for a sender" not in client.get(home).content.decode()
    words = {"title": "Weekly", "language": "en", "wording": "I want it.", "lists": [list_.id]}
    form = client.post(reverse("signup-forms", args=[lantern.slug]), words, follow=True).content.decode()
    assert "there is neither yet. Ask an admin to set a bounce address" in form
    assert "Sign-ups are waiting for a sender" in client.get(home).content.decode()
    tell_unmailed({(lantern.id, "sender"): 1})
    assert "1 sign-up is waiting for a sender" in client.get(home).content.decode()
    create(lantern, list_, Draft(subject="One", from_email="letter@lantern.example"), by=None, now=NOW)
    assert "1 sign-up is waiting for a sender" in client.get(home).content.decode(), "a draft is not asked for one"
    change_settings(lantern, return_address="back@lantern.example", by=None, now=NOW)
    tell_unmailed({(lantern.id, "route"): 1_204})
    for page in (home, *(reverse(name, args=[lantern.slug]) for name in ("lists", "signup-forms"))):
        shown = client.get(page).content.decode()
        assert "1,204 sign-ups are waiting for a sending route" in shown and "waiting for a sender" not in shown
        assert (
            "Fix your routes or add one: sign-ups expire after two days" in shown
            and reverse("routes", args=[lantern.slug]) in shown
        )


def test_a_standard_field_is_called_in_the_language_of_the_form(lantern: Any) -> None:
    list_ = actions.new_list(lantern, "Weekly", now=NOW)
    name = actions.add_field(lantern, "FNAME", "First Name", now=NOW)  # As a file of Mailchimp calls it.
    said = forms.FormFacts("Рассылка", "ru", (list_.id,), "Хочу письма.", fields=(name,))
    assert [one.label for one in forms.view_of(forms.make_form(lantern, said, now=NOW)).fields] == ["Имя"]


def test_the_markup_for_another_site_runs_and_loads_nothing(here: House, desk: Desk) -> None:
    desk("editor").post(_to(here, "signup-forms"), _words(here))
    view = forms.view_of(_made(here)[0])
    from samizdat.web.audience.views.signup_forms import embedded

    markup = embedded(view, "https://lantern.example/f/x")
    assert 'action="https://lantern.example/f/x" method="post"' in markup
    assert "I want &lt;these&gt;." in markup
    assert not re.search(r"<script|<style|<img|<iframe|style=|\bon\w+=|src=|csrf", markup)


@pytest.mark.parametrize(
    "change", [{"title": ""}, {"wording": ""}, {"lists": []}, {"lists": [1]}, {"wording": "x" * 700}]
)
def test_what_cannot_be_is_said_and_nothing_is_made(here: House, desk: Desk, change: dict[str, object]) -> None:
    answer = desk("editor").post(_to(here, "signup-forms"), _words(here) | change)
    assert answer.status_code == 422
    assert not _made(here)


def test_a_viewer_looks_and_changes_nothing(here: House, desk: Desk) -> None:
    made = forms.make_form(here.organization, forms.FormFacts("F", "en", (here.list.id,), "I agree."), now=NOW)
    client = desk("viewer")
    assert client.get(_to(here, "signup-form", made.id)).status_code == 200
    assert client.post(_to(here, "signup-form", made.id), _words(here)).status_code == 403
    assert client.post(_to(here, "remove-signup-form", made.id)).status_code == 403


def test_the_page_of_a_reader_who_pauses_says_until_when(here: House, desk: Desk) -> None:
    until = (timezone.now() + timedelta(days=30)).date()
    preferences.prefer_all(here.ada, [here.list], preferences.PreferenceChoice("pause", until), now=timezone.now())
    page = desk("editor").get(_to(here, "subscriber", here.ada.number)).content.decode()
    assert "Emails paused until" in page


def test_before_a_letter_leaves_the_desk_says_whom_it_spares(here: House, desk: Desk) -> None:
    for local, choice in (
        ("eva", preferences.PreferenceChoice("monthly")),
        ("fedor", preferences.PreferenceChoice("pause", LATER)),
    ):
        added = actions.add_subscriber(
            here.organization, f"{local}@example.org", here.list, consent="said so", now=timezone.now()
        )
        preferences.prefer_all(added, [here.list], choice, now=timezone.now())
    Campaign.objects.filter(pk=here.sent.pk).update(released=timezone.now(), not_before=timezone.now())
    page = desk("editor").get(_to(here, "send", here.campaign.pk)).content.decode()
    assert "paused by the subscriber" in page
    # This month's first letter to the whole list was released already (the cast's winter list).
    assert "get one email a month" in page


def test_the_page_of_a_list_says_and_takes_when_its_digest_is_made(here: House, desk: Desk) -> None:
    client = desk("editor")
    page = client.post(_to(here, "list-digest", here.list.id), {"digest-when": "sun"}, follow=True).content.decode()
    assert '<option value="sun" selected>' in page and "0 subscribers chose it." in page
    assert client.post(_to(here, "list-digest", here.list.id), {"digest-when": "someday"}).status_code == 302
    here.list.refresh_from_db()
    assert here.list.digest_when == "sun"


def _appeals(page: str) -> str:
    """The word beside the heading of the appeals: the digest says on or off as well."""
    return page.split('id="h-m"', 1)[1].split('<span class="state', 1)[1].split(">", 1)[1].split("<", 1)[0]


def test_the_page_of_a_list_takes_the_words_beside_its_box_for_appeals(here: House, desk: Desk) -> None:
    client, where = desk("editor"), _to(here, "list-appeals", here.list.id)
    page = client.post(where, {"appeals-words": " Ask me, too. "}, follow=True).content.decode()
    assert "Ask me, too.</textarea>" in page and _appeals(page) == "on"
    [kept] = actions.wordings(queries.list_by_id(here.organization, here.list.id), "fundraising")
    assert (kept.text, kept.version) == ("Ask me, too.", 1)
    assert client.post(where, {"appeals-words": "x" * 301}, follow=True).content.decode().count("300") >= 1
    page = client.post(where, {"appeals-words": ""}, follow=True).content.decode()
    assert _appeals(page) == "off"


def test_the_page_of_a_form_says_which_choices_do_not_fit_on_its_public_page(here: House, desk: Desk) -> None:
    shape = actions.FieldShape("choice", choices=tuple(f"{n} {'Ж' * 30}" for n in range(120)))
    actions.add_field(here.organization, tag="TOWN", label="Town", default="", shape=shape, now=NOW)
    number = next(one.number for one in queries.fields(here.organization) if one.tag == "TOWN")
    page = desk("editor").post(_to(here, "signup-forms"), _words(here, asked=[number], required=[]), follow=True)
    assert "“Town” has 120 choices, more than fits on a public page of 14 KB" in page.content.decode()


def test_the_page_of_a_subscriber_says_how_they_want_their_letters(here: House, desk: Desk) -> None:
    choice = preferences.PreferenceChoice("monthly", wishes="td")
    preferences.prefer_all(here.ada, [here.list], choice, now=NOW)
    page = desk("editor").get(_to(here, "subscriber", here.ada.number)).content.decode()
    assert "plain text only; neutral subject and sender name; " in page
    assert "only the first email of each month" in page
