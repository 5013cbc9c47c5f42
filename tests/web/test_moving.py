"""The page of a move: its steps as they stand, for admins."""

from collections.abc import Callable

import pytest
from django.test import Client

from samizdat.accounts.actions import change_settings
from samizdat.campaigns.models import Campaign
from samizdat.delivery import dkim_keys, moves
from samizdat.delivery.actions import domains
from samizdat.moving import surroundings
from tests.conftest import NOW
from tests.web.conftest import House

TO, DOMAIN = "https://letters.beacon.example", "beacon.example"


@pytest.fixture(autouse=True)
def _servers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The new address has our pages, and the old name is gone."""
    monkeypatch.setattr(surroundings, "reach", lambda url, *_: "pages" if url == TO else "gone")


def _address(here: House, rest: str = "") -> str:
    return f"/o/{here.organization.slug}/move/{rest}"


def _begin(here: House, client: Client, **answers: str) -> str:
    change_settings(here.organization, by=None, now=NOW, public_url="https://letters.lantern.example")
    page = client.post(_address(here), {"to": TO, "domain": DOMAIN, **answers}, follow=True)
    assert page.status_code == 200
    return page.content.decode()


@pytest.mark.parametrize("role", ["editor", "viewer"])
def test_admins_alone_move(here: House, desk: Callable[[str], Client], role: str) -> None:
    client = desk(role)
    assert client.get(_address(here)).status_code == 403
    for deed in ("check", "announcement", "warm-up", "end"):
        assert client.post(_address(here, deed)).status_code == 403
    assert _address(here) not in client.get(f"/o/{here.organization.slug}/").content.decode()


def test_a_move_begins_and_its_page_shows_what_comes_next(here: House, desk: Callable[[str], Client]) -> None:
    client = desk("admin")
    assert "Start move" in client.get(_address(here)).content.decode()
    text = _begin(here, client, keeps_server="on")
    assert f"From https://letters.lantern.example to {TO}." in text
    assert f"{TO} answers with our pages." in text, "other people's servers were asked at once"
    assert "Links in earlier emails lead nowhere until you have that name again." in text
    assert "Restore on the new server" not in text
    assert f"samizdat organization set --url {TO}" in text
    assert "redir @read https://letters.beacon.example{uri} 308" in text


@pytest.mark.parametrize(
    ("answers", "sentence"),
    [({"to": "not an address"}, "Start it with https://"), ({"domain": "no domain"}, "This isn’t a domain")],
)
def test_a_wrong_answer_stands_at_its_field(
    here: House, desk: Callable[[str], Client], answers: dict[str, str], sentence: str
) -> None:
    page = desk("admin").post(_address(here), {"to": TO, "domain": DOMAIN, **answers})
    assert page.status_code == 422 and sentence in page.content.decode()
    assert moves.of(here.organization) is None


def test_the_announcement_is_drafted_by_a_press_and_opened(here: House, desk: Callable[[str], Client]) -> None:
    client = desk("admin")
    _begin(here, client)
    before = {*Campaign.objects.values_list("pk", flat=True)}
    answer = client.post(_address(here, "announcement"))
    [new] = {*Campaign.objects.values_list("pk", flat=True)} - before
    assert answer["Location"] == f"/o/{here.organization.slug}/campaigns/{new}/"
    assert f"campaign No. {new}" in client.get(_address(here)).content.decode()


def test_the_warm_up_of_the_new_domain_starts_by_a_press(here: House, desk: Callable[[str], Client]) -> None:
    client = desk("admin")
    _begin(here, client)
    assert "Start warm-up" not in client.get(_address(here)).content.decode()
    page = client.post(_address(here, "warm-up"), follow=True)
    assert "Add the new sending domain first." in page.content.decode()
    domains.add_domain(here.organization, DOMAIN, now=NOW)
    assert "Start warm-up" in client.get(_address(here)).content.decode()
    client.post(_address(here, "warm-up"))
    row = dkim_keys.domain_named(here.organization, DOMAIN)
    assert row is not None and row.warm_up.startswith("50,100,")


def test_records_to_publish_are_shown_where_they_are_needed(here: House, desk: Callable[[str], Client]) -> None:
    client = desk("admin")
    _begin(here, client)
    row = domains.add_domain(here.organization, DOMAIN, now=NOW)
    text = client.get(_address(here)).content.decode()
    for key in dkim_keys.domain_row(row).keys:
        assert key.name in text and key.text in text


def test_an_ended_move_is_told_and_another_one_can_begin(here: House, desk: Callable[[str], Client]) -> None:
    client = desk("admin")
    _begin(here, client)
    text = client.post(_address(here, "end"), follow=True).content.decode()
    assert "Move ended. Nothing was undone." in text and "Last move" in text and "Start move" in text
    again = client.post(_address(here, "end"), follow=True).content.decode()
    assert "No move is under way." in again
