"""Settings, API: a key is shown once, says what it may do, and is revoked with one press."""

import re
from typing import Any

from django.test import Client

from samizdat.accounts import api_keys, pending_changes
from samizdat.accounts.models import ApiKey, Organization
from tests.conftest import NOW
from tests.web.conftest import House, signed_in


def _page(house: House) -> str:
    return f"/o/{house.organization.slug}/api/"


def _create(client: Client, house: House, **more: Any) -> Any:
    answers = {"name": "Website form", "scopes": ["subscribers:write"], "lists": [house.list.pk], "days": 90}
    return client.post(_page(house), answers | more)


def test_a_new_key_is_shown_once_and_waits_for_another_admin(here: House) -> None:
    client = signed_in(here.people["admin"])
    page = _create(client, here).content.decode()
    [token] = re.findall(r"smz_\w{40}", page)
    assert token not in client.get(_page(here)).content.decode()
    assert "Waiting for approval" in page and "It works once another admin approves it" in page
    row = ApiKey.objects.latest("pk")
    assert (row.scopes, row.lists, row.by) == ("subscribers:write", [here.list.pk], here.people["admin"])
    assert api_keys.state_of(row, NOW) == "waiting"
    [change] = pending_changes.waiting(here.organization).filter(kind="api_key")
    pending_changes.approve(change, now=NOW, by=None)
    assert api_keys.authenticate(token, NOW).pk == row.pk


def test_loading_the_page_of_a_new_key_again_creates_no_other_one(here: House) -> None:
    client = signed_in(here.people["admin"])
    _create(client, here)
    before = ApiKey.objects.count()
    again = _create(client, here)
    assert again.status_code == 422 and "A key with this name exists" in again.content.decode()
    assert ApiKey.objects.count() == before


def test_nothing_to_lose_yet_means_nothing_to_wait_for(lantern: Any) -> None:
    from tests.web.conftest import make_person

    vera = make_person("Vera", "vera@lantern.example", lantern, "admin")
    assert Organization.objects.get().next_number == 1
    client = signed_in(vera)
    page = client.post(f"/o/{lantern.slug}/api/", {"name": "Form", "scopes": ["subscribers:write"], "days": 30})
    [token] = re.findall(r"smz_\w{40}", page.content.decode())
    assert api_keys.authenticate(token, NOW).lists == []


def test_a_key_is_revoked_with_one_press(here: House) -> None:
    client = signed_in(here.people["admin"])
    assert client.post(f"{_page(here)}{here.api_key}/revoke").status_code == 302
    assert "Revoked" in client.get(_page(here)).content.decode()
    assert client.post(f"{_page(here)}{here.api_key}/revoke").status_code == 404


def test_what_is_missing_is_asked_for(here: House) -> None:
    client = signed_in(here.people["admin"])
    before = ApiKey.objects.count()
    for wrong in ({"name": ""}, {"scopes": []}, {"scopes": ["all"]}, {"lists": [4711]}, {"days": 9999}):
        assert _create(client, here, **wrong).status_code == 422, wrong
    assert ApiKey.objects.count() == before
