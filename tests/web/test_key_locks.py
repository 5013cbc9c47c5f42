"""An admin locks the organization with one press; signed in again, they unlock it with their password."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client

from samizdat import dbclock
from samizdat.accounts import memberships
from samizdat.accounts.actions import change_settings
from samizdat.accounts.models import Session
from samizdat.delivery.actions import key_destruction, key_locks
from samizdat.events.models import Event
from samizdat.vault import keyring, lock_codes, locks
from tests.conftest import NOW, PASSWORD
from tests.web.conftest import House, make_person, signed_in


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


def codes_page(here: House) -> str:
    return f"{lock_page(here)}/codes"


def test_codes_for_paper_are_shown_once_to_an_admin_with_their_password(
    here: House, desk: Callable[[str], Client]
) -> None:
    change_settings(here.organization, by=None, now=NOW, return_address="bounces@lantern.example")
    admin = desk("admin")
    assert "no codes yet" in admin.get(codes_page(here)).content.decode()
    assert admin.post(codes_page(here), {"password": "wrong"}).status_code == 422
    assert lock_codes.state(here.organization) is None
    shown = admin.post(codes_page(here), {"password": PASSWORD}).content.decode()
    assert "bounces+lock@lantern.example" in shown and shown.count("<code>") == lock_codes.COUNT
    again = admin.get(codes_page(here)).content.decode()
    assert "10 of 10 are left" in again and "<code>" not in again
    assert desk("editor").get(codes_page(here)).status_code == 403


def test_the_page_says_that_an_email_locked_it(here: House) -> None:
    code = key_locks.make_codes(here.organization, 1, by=None, now=NOW)
    assert key_locks.lock_by_code(here.organization, code, now=NOW)
    keyring.drop([(here.organization.pk, bytes(here.organization.uid))])
    seen = signed_in(here.people["admin"]).get(f"/o/{here.organization.slug}/")
    assert "An email with a code from paper locked it" in seen.content.decode()


def test_two_admins_destroy_the_keys_and_each_page_says_how_it_stands(
    here: House, desk: Callable[[str], Client]
) -> None:
    page, first = f"{lock_page(here)}/destroy", desk("admin")
    other = make_person("eva", "eva@lantern.example", here.organization, "admin")
    memberships.give(other, here.organization, "admin", NOW - timedelta(days=900))
    second = signed_in(other)
    assert "What becomes impossible" in first.get(page).content.decode()
    name = here.organization.name
    assert f"Type: {name}" in first.get(page).content.decode()
    refused = first.post(page, {"hours": "24", "typed": "another", "password": PASSWORD})
    assert refused.status_code == 422 and f"That isn’t its name. Type: {name}" in refused.content.decode()
    assert first.post(page, {"hours": "72", "typed": name, "password": PASSWORD}).status_code == 302
    assert "Confirm: destroy" not in first.get(page).content.decode()
    home, asked = f"/o/{here.organization.slug}/", "requested that the keys be destroyed"
    assert all(asked in client.get(home).content.decode() for client in (first, second))
    assert asked not in desk("editor").get(home).content.decode()
    assert "it waits 72 hours" in second.get(page).content.decode()
    newcomer = make_person("ida", "ida@lantern.example", here.organization, "admin")
    memberships.give(newcomer, here.organization, "admin", dbclock.asked() - timedelta(hours=23))
    shown = signed_in(newcomer).get(page).content.decode()
    assert "an admin for a day can confirm" in shown and "Confirm: destroy" not in shown and "Cancel it" in shown
    assert second.post(page, {"password": PASSWORD}).status_code == 302
    assert "the time stands still" in first.get(page).content.decode()
    assert "The keys are destroyed on" in first.get(home).content.decode()
    assert first.post(f"{page}/cancel").status_code == 302
    shown = first.get(home).content.decode()
    assert asked not in shown and "The keys are destroyed on" not in shown
    assert key_destruction.state(here.organization) is None
    assert desk("editor").get(page).status_code == 403


def test_an_admin_without_a_second_one_learns_it_before_they_type_anything(
    here: House, desk: Callable[[str], Client]
) -> None:
    page, admin = f"{lock_page(here)}/destroy", desk("admin")
    text = admin.get(page).content.decode()
    assert "It takes a second admin who has been one for a day." in text
    assert f"samizdat keys destroy {here.organization.slug}" in text and "Request it" not in text
    posted = {"hours": "24", "typed": here.organization.name, "password": PASSWORD}
    refused = admin.post(page, posted)
    assert refused.status_code == 422 and refused.content.decode().count("It takes a second admin") == 1
    assert key_destruction.state(here.organization) is None


def test_the_pages_of_an_organization_without_keys_say_what_happened(here: House) -> None:
    assert key_locks.destroy(here.organization, by=here.people["admin"], now=NOW) is not None
    keyring.drop([(here.organization.pk, bytes(here.organization.uid))])
    client = signed_in(here.people["admin"])
    for page in ("", "subscribers/", "settings/lock"):
        seen = client.get(f"/o/{here.organization.slug}/{page}")
        assert seen.status_code == 423 and "destroyed them" in seen.content.decode()
    assert client.post(unlock_page(here), {"password": PASSWORD}).status_code == 423
    assert client.get("/organizations").status_code in (200, 302)


def test_a_practice_is_a_lock_that_the_next_unlock_counts(here: House, desk: Callable[[str], Client]) -> None:
    admin = desk("admin")
    assert "Never practiced" in admin.get(lock_page(here)).content.decode()
    admin.post(lock_page(here), {"practice": "1"})
    keyring.drop([(here.organization.pk, bytes(here.organization.uid))])
    client = signed_in(here.people["admin"])
    assert "This is a practice" in client.get(f"/o/{here.organization.slug}/").content.decode()
    assert key_locks.last_practice(here.organization) is None
    assert client.post(unlock_page(here), {"password": PASSWORD}).status_code == 302
    assert key_locks.last_practice(here.organization) is not None
    assert "Last practiced" in client.get(lock_page(here)).content.decode()
    key_locks.lock(here.organization, by=None, now=NOW)
    key_locks.unlock(here.organization, by=None, now=NOW)
    assert Event.objects.filter(kind=key_locks.PRACTICED).count() == 1, "a lock in earnest is no practice"
