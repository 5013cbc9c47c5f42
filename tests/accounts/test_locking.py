"""A colleague is locked at once and told to all; a thief locks nobody out for good (threat model, T21)."""

from datetime import timedelta
from typing import Any

import pytest

from samizdat.accounts import actions, locking, memberships, pending_changes, queries
from samizdat.accounts.backend import BlindIndexBackend
from samizdat.accounts.errors import AccountError, AccountLocked, LastAdmin
from samizdat.accounts.models import Organization, Person, Session
from samizdat.accounts.sessions import SessionStore
from samizdat.events.models import Event
from tests.conftest import NOW, PASSWORD, TODAY

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


@pytest.fixture
def house(lantern: Any) -> Any:
    Organization.objects.filter(pk=lantern.pk).update(next_number=5001)
    lantern.refresh_from_db()
    return lantern


def _person(house: Any, name: str, role: str = "admin", since: timedelta = 3 * DAY) -> Person:
    person = actions.add_person(f"{name}@lantern.example", name=name, password=PASSWORD, today=TODAY)
    actions.give_role(person, house, role, by=None, now=NOW - since)
    return person


@pytest.fixture
def vera(house: Any) -> Person:
    return _person(house, "vera")


@pytest.fixture
def zoya(house: Any) -> Person:
    return _person(house, "zoya")


@pytest.fixture
def clara(house: Any) -> Person:
    return _person(house, "clara", "editor")


def _signed_in(person: Person) -> None:
    session = SessionStore()
    session["_auth_user_id"] = person.pk
    session.create()


def test_one_press_ends_every_session_and_nothing_is_accepted_any_more(house: Any, vera: Person, clara: Person) -> None:
    _signed_in(clara)
    locking.lock(clara, house, by=vera, now=NOW)
    assert not Session.objects.filter(person=clara).exists()
    assert BlindIndexBackend().get_user(clara.pk) is None
    with pytest.raises(AccountLocked):
        BlindIndexBackend().authenticate(None, email="clara@lantern.example", password=PASSWORD)
    assert BlindIndexBackend().authenticate(None, email="clara@lantern.example", password="wrong") is None
    assert queries.membership(clara, house.slug) is None and queries.organizations_of(clara) == []
    event = Event.objects.get(kind=locking.LOCKED)
    assert (event.about, event.by) == (clara.pk, vera)


def test_any_admin_unlocks_and_the_locked_one_cannot(house: Any, vera: Person, zoya: Person, clara: Person) -> None:
    for by in (vera, zoya, None):
        locking.lock(clara, house, by=vera, now=NOW)
        with pytest.raises(AccountError):
            locking.unlock(clara, house, by=clara, now=NOW)
        locking.unlock(clara, house, by=by, now=NOW)
        assert BlindIndexBackend().authenticate(None, email="clara@lantern.example", password=PASSWORD) == clara
        assert queries.membership(clara, house.slug)


def test_a_thief_does_not_lock_out_everybody_who_could_undo_it(house: Any, vera: Person, zoya: Person) -> None:
    with pytest.raises(LastAdmin):
        locking.lock(zoya, house, by=vera, now=NOW)
    fresh = _person(house, "fresh", since=DAY / 2)
    with pytest.raises(LastAdmin):
        locking.lock(zoya, house, by=vera, now=NOW)  # Whom the thief may have made an admin undoes nothing.
    third = _person(house, "third")
    locking.lock(zoya, house, by=vera, now=NOW)
    for last in (third, vera):
        with pytest.raises(AccountError):
            locking.lock(last, house, by=vera, now=NOW)
    locking.lock(fresh, house, by=vera, now=NOW)
    locking.unlock(zoya, house, by=third, now=NOW)
    locking.lock(vera, house, by=third, now=NOW)


def test_the_command_line_locks_and_unlocks_whomever(house: Any, vera: Person) -> None:
    locking.lock(vera, house, by=None, now=NOW)
    assert BlindIndexBackend().get_user(vera.pk) is None
    locking.unlock(vera, house, by=None, now=NOW)
    assert BlindIndexBackend().get_user(vera.pk) == vera


def test_a_locked_admin_approves_nothing_and_what_they_asked_for_is_stopped(
    house: Any, vera: Person, zoya: Person, clara: Person
) -> None:
    _person(house, "third")
    row = actions.give_role(clara, house, "admin", by=zoya, now=NOW)
    own = actions.give_role(clara, house, "viewer", by=vera, now=NOW) or actions.invite(
        house, "editor", note="", by=vera, now=NOW
    )
    assert row and own
    locking.lock(zoya, house, by=vera, now=NOW)
    waiting = pending_changes.waiting(house).get(kind="invitation")
    with pytest.raises(pending_changes.ChangeRefused):
        pending_changes.approve(waiting, now=NOW, by=zoya)
    pending_changes.wait(NOW, timedelta(0))
    row.refresh_from_db()
    assert row.state == "stopped"


def test_another_role_does_not_unlock_and_a_lock_that_is_taken_out_of_the_database_opens_nothing(
    house: Any, vera: Person, clara: Person
) -> None:
    locking.lock(clara, house, by=vera, now=NOW)
    actions.give_role(clara, house, "viewer", by=vera, now=NOW)
    [row] = memberships.valid(person=clara)
    assert row.locked and queries.membership(clara, house.slug) is None
    type(row).objects.filter(pk=row.pk).update(locked=None)
    assert queries.membership(clara, house.slug) is None


def test_who_is_locked_in_one_group_still_works_in_another(house: Any, vera: Person, vault: Any) -> None:
    other = actions.found_organization("Harbour Bell", source=vault, today=TODAY)
    dmitri = _person(house, "dmitri", "editor")
    actions.give_role(dmitri, other, "editor", by=None, now=NOW)
    locking.lock(dmitri, house, by=vera, now=NOW)
    assert BlindIndexBackend().get_user(dmitri.pk) == dmitri
    assert queries.organizations_of(dmitri) == [other] and queries.membership(dmitri, house.slug) is None


def test_the_only_admin_who_is_not_locked_stays(house: Any, vera: Person, zoya: Person) -> None:
    locking.lock(zoya, house, by=None, now=NOW)
    with pytest.raises(LastAdmin):
        actions.remove_person(vera, house, by=None, now=NOW)
    actions.remove_person(zoya, house, by=None, now=NOW)
