"""Beside the letter: the tags it can say, and what the checks found."""

import json
import re
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from django.template.loader import render_to_string
from django.test import Client
from django.urls import reverse
from django.utils.html import strip_tags

from samizdat.accounts.actions import change_settings
from samizdat.audience.actions import add_tags
from samizdat.campaigns.checks import broken_links, fetch, organization_rules, spelling
from samizdat.campaigns.content import ContentFinding
from samizdat.core.content.merge import parse
from samizdat.web.campaigns import editor_strings, previews
from samizdat.web.templatetags.desk import after_colon
from tests.conftest import NOW
from tests.web.conftest import House, make_campaign

Desk = Callable[[str], Client]


def _to(here: House, name: str, *args: object) -> str:
    return reverse(name, args=[here.organization.slug, *args])


def test_the_editor_is_offered_every_tag_that_the_letter_can_say(here: House, desk: Desk) -> None:
    add_tags(here.ada, ["Topics: Law"], now=NOW)
    told = desk("editor").get(_to(here, "merge-tags", here.campaign.pk)).json()["tags"]
    by_tag = {one["tag"]: one for one in told}
    assert by_tag["{{ FNAME }}"]["mailchimp"] == "*|FNAME|*" and by_tag["{{ FNAME }}"]["label"]
    assert by_tag["{{ unsubscribe }}"]["group"] == "reader"
    assert any(one["tag"].startswith("*|INTERESTED:Topics:") for one in told)
    fields = [one["tag"].strip("{} ").split()[0] for one in told if one["group"] == "field"]
    for one in told:
        written = one["tag"].replace("…|*", "Law|*", 1) if "INTERESTED" in one["tag"] else one["tag"]
        assert parse(written, [*fields, "INTERESTED:Topics"]).flaws == (), one


# A day to come, since dates are read as of today, with the weekday after its own.
DAY = date.today() + timedelta(days=20)
SLOPPY = f"Come on {DAY + timedelta(days=1):%A}, {DAY.day} {DAY:%B %Y}.\n\n[Read on](https://bit.ly/abc)\n"
SLIP = f"{DAY.day} {DAY:%B %Y} is a {DAY:%A}"


def _do(here: House, client: Client, campaign: Any, do: str, **more: str) -> str:
    answer = client.post(_to(here, "checks", campaign.pk), {"do": do} | more, headers={"HX-Request": "true"})
    assert answer.status_code == 200
    return answer.content.decode()


def test_a_finding_is_accepted_with_one_press_and_shown_again_with_another(here: House, desk: Desk) -> None:
    campaign, client = make_campaign(here, "The river", SLOPPY), desk("editor")
    page = client.get(_to(here, "campaign", campaign.pk)).content.decode()
    assert SLIP in page and "bit.ly only redirects" in page
    key = re.findall(r'id="accept-([0-9a-f]+)"', page)[0]
    page = _do(here, client, campaign, "accept", key=key)
    assert f'id="accept-{key}"' not in page and "1 ignored" in page
    send = client.get(_to(here, "send", campaign.pk)).content.decode()
    assert "bit.ly only redirects" in send or SLIP in send
    assert f'id="accept-{key}"' in _do(here, client, campaign, "back", key=key)
    plain = client.post(_to(here, "checks", campaign.pk), {"do": "accept", "key": key})
    assert plain.headers["Location"].endswith("?panel=checks"), "without scripts the page itself answers"


def test_links_words_and_counts_are_asked_for_beside_the_letter(
    here: House, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign, client = (
        make_campaign(here, "The river", "A wrod for {{ FNAME }}: [x](https://a.example/1)"),
        desk("editor"),
    )
    monkeypatch.setattr(
        broken_links.fetch, "ask_all", lambda urls: [(url, fetch.FetchedPage("dead", "410")) for url in urls]
    )
    monkeypatch.setattr(spelling, "tool", lambda: ("hunspell", {"en": "en_US"}))
    monkeypatch.setattr(
        spelling, "_ask", lambda *args: {word: ("word",) if word == "wrod" else None for word in args[2]}
    )
    page = client.get(_to(here, "campaign", campaign.pk)).content.decode()
    assert 'value="slow"' in page and "wrod” is in no" not in page
    page = _do(here, client, campaign, "slow")
    assert "“wrod” isn’t in the dictionary. Did you mean: word?" in page and 'value="slow"' not in page
    assert "page removed (410)" in _do(here, client, campaign, "links")
    nowhere = [
        ("https://a.example/1", fetch.FetchedPage("dead", "no_host")),
        ("b", fetch.FetchedPage("dead", "no_host")),
    ]
    monkeypatch.setattr(broken_links.fetch, "ask_all", lambda _urls: nowhere)
    page = _do(here, client, campaign, "links")
    assert "has no internet access" in page and "(410)" in page, "what was kept before stays"
    assert "“wrod”" not in _do(here, client, campaign, "learn", word="wrod")
    assert organization_rules.rules_of(here.organization).words == {"wrod"}
    spelling.forget()


def test_the_lists_of_words_and_hosts_are_kept_by_writers(here: House, desk: Desk) -> None:
    change_settings(here.organization, by=None, now=NOW, hostile_state="ru")
    client, address = desk("editor"), _to(here, "writing-rules")
    page = client.get(address).content.decode()
    assert "meduza.io" in page and "built-in list" in page
    hosts = re.search(r'name="hosts"[^>]*>([^<]*)<', page)
    assert hosts
    client.post(address, {"words": "Zhoplk\nNovaya", "hosts": hosts[1]})
    assert organization_rules.rules_of(here.organization) == organization_rules.OrganizationCheckRules(
        frozenset({"zhoplk", "novaya"}), None
    )
    client.post(address, {"words": "", "hosts": "blocked.example"})
    assert organization_rules.rules_of(here.organization).hosts == ("blocked.example",)
    refused = client.post(address, {"words": "", "hosts": "example.org this?"})
    assert refused.status_code == 422 and "“this?” isn’t a site address" in refused.content.decode()
    client.post(address, {"words": "", "hosts": "blocked.example", "hosts_of": "ours"})
    assert organization_rules.rules_of(here.organization).hosts is None
    assert desk("viewer").get(address).status_code == 403


def test_the_page_of_an_email_without_a_subject_is_called_so(here: House, desk: Desk) -> None:
    campaign = make_campaign(here, subject="")
    page = desk("editor").get(_to(here, "campaign", campaign.pk)).content.decode()
    assert re.search(r"<title>\s*Edit: no subject\s*·", page)


def test_a_day_of_the_calendar_is_not_offered_as_if_it_scheduled_anything(here: House, desk: Desk) -> None:
    page = desk("editor").get(_to(here, "campaign", make_campaign(here, "The river").pk)).content.decode()
    assert "Plan in the calendar" in page and "Set a date" not in page


def test_a_button_is_aligned_to_the_side_where_its_email_begins() -> None:
    for language, word in (("en", "Left"), ("fa", "Right"), ("ru", "Left")):
        assert json.loads(editor_strings.words(language))["align-start"] == word


def test_russian_sentences_go_on_in_small_letters_after_a_colon() -> None:
    assert after_colon("У ссылки нет адреса.") == "у ссылки нет адреса."
    assert after_colon("DKIM нет.") == "DKIM нет." and after_colon("ФСБ не читает.") == "ФСБ не читает."
    assert after_colon("The link has no address.") == "The link has no address."


def test_the_count_of_checks_stays_while_warnings_wait() -> None:
    warned, stopped = (
        previews.Check(ContentFinding("body", 1, severity, "any", "Any.", None), "body", "", 0)
        for severity in ("care", "stop")
    )
    for checks, wanted in (
        (previews.Checks([stopped], [warned, warned]), ("to fix:", "1")),
        (previews.Checks([], [warned, warned]), ("warnings:", "2")),
        (previews.Checks([], []), ("", "")),
    ):
        count = render_to_string("web/campaigns/parts/count.html", {"id": "problems", "checks": checks})
        assert " ".join(strip_tags(count).split()) == " ".join(wanted).strip()
