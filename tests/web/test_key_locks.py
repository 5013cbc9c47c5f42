"""An admin locks the organization with one press; signed in again, they unlock it with their password."""

from collections.abc import Callable

import pytest
from django.test import Client

from samizdat.accounts.models import Session
from samizdat.delivery.actions import key_locks
from samizdat.vault import keyring, locks
from tests.conftest import NOW, PASSWORD
from tests.web.conftest import House, signed_in


def lock_page(here: House) -> str:
    return f"/o/{here.organization.slug}/settings/lock"


def unlock_page(here: House) -> str:
    return f"/o/{here.organization.slug}/settings/unlock"


@pytest.fixture
def locked(here: House) -> House:
    key_locks.lock(here.organization, by=here.people["admin"], now=NOW)
    keyring.drop([(here.organization.pk, bytes(here.organization.uid))])
    return here


def test_one_press_locks_and_signs_the_whole_team_out(here: House, desk: Callable[[str], Client]) -> None:
    admin, editor = desk("admin"), desk("editor")
    assert "Lock now" in admin.get(lock_page(here)).content.decode()
    seen = admin.post(lock_page(here))
    assert "is locked" in seen.content.decode()
    assert locks.state(here.organization) is not None
    assert not Session.objects.exists()
    for client in (admin, editor):
        assert client.get(f"/o/{here.organization.slug}/").status_code == 302, "to the sign-in page"


@pytest.mark.parametrize("role", ["admin", "editor", "viewer"])
def test_every_page_says_that_it_is_locked_by_whom_and_how_to_unlock_it(locked: House, role: str) -> None:
    client = signed_in(locked.people[role])
    for page in ("", "subscribers/", "campaigns/", "settings/", "team/", "settings/lock"):
        seen = client.get(f"/o/{locked.organization.slug}/{page}")
        text = seen.content.decode()
        expected = 403 if page in ("settings/", "team/", "settings/lock") and role == "editor" else 423
        expected = 403 if page == "settings/lock" and role == "viewer" else expected
        assert seen.status_code == expected, page
        if expected == 423:
            assert "locked it" in text
            assert ("samizdat keys unlock" in text) is (role == "admin")


def test_an_admin_unlocks_it_with_their_password(locked: House) -> None:
    client = signed_in(locked.people["admin"])
    assert client.post(unlock_page(locked), {"password": "wrong"}).status_code == 422
    assert locks.state(locked.organization) is not None
    assert client.post(unlock_page(locked), {"password": PASSWORD}).status_code == 302
    assert locks.state(locked.organization) is None
    assert client.get(f"/o/{locked.organization.slug}/").status_code == 200


def test_an_editor_unlocks_nothing(locked: House) -> None:
    assert signed_in(locked.people["editor"]).post(unlock_page(locked), {"password": PASSWORD}).status_code == 403
    assert locks.state(locked.organization) is not None


def test_people_sign_in_while_it_is_locked(locked: House, client: Client) -> None:
    seen = client.post("/sign-in", {"email": "ada@lantern.example", "password": PASSWORD})
    assert seen.status_code in (302, 422)
    assert client.get("/").status_code in (302, 200)


def test_somebody_who_unlocks_it_again_and_again_has_to_wait(locked: House) -> None:
    client = signed_in(locked.people["admin"])
    for _again in range(key_locks.MOST):
        client.post(unlock_page(locked), {"password": PASSWORD})
        key_locks.lock(locked.organization, by=None, now=NOW)
        client = signed_in(locked.people["admin"])
    assert "Wait" in client.post(unlock_page(locked), {"password": PASSWORD}).content.decode()
    assert locks.state(locked.organization) is not None
