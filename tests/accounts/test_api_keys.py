"""Keys of the API: shown once, kept as a hash, and worth nothing in the hands of whoever writes the database."""

from datetime import timedelta
from typing import Any

import pytest

from samizdat.accounts import actions, api_keys, memberships, pending_changes
from samizdat.accounts.api_keys import ApiKeyInvalid, ApiKeyRefused
from samizdat.accounts.models import ApiKey, Membership, Organization, Person
from samizdat.events.models import Event
from samizdat.vault.errors import OrganizationLocked
from samizdat.vault.models import KeyLock
from tests.conftest import NOW, PASSWORD, TODAY

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
READ, WRITE = "subscribers:read", "subscribers:write"


@pytest.fixture
def vera(lantern: Any) -> Person:
    person = actions.add_person("vera@lantern.example", name="Vera", password=PASSWORD, today=TODAY)
    actions.give_role(person, lantern, "admin", by=None, now=NOW - 3 * DAY)
    return person


def _add(lantern: Any, *scopes: str, **more: Any) -> tuple[str, ApiKey]:
    return api_keys.add(lantern, "Website form", scopes or (READ,), **{"now": NOW, "by": None} | more)


def _works(token: str, now: Any = NOW) -> bool:
    try:
        api_keys.authenticate(token, now)
    except ApiKeyInvalid:
        return False
    return True


def test_a_key_opens_its_organization_with_its_scopes_and_lists(lantern: Any) -> None:
    token, row = _add(lantern, WRITE, READ, lists=[7, 5])
    key = api_keys.authenticate(token, NOW)
    assert (key.organization, key.scopes, key.lists) == (lantern, f"{READ} {WRITE}", [5, 7])
    assert api_keys.may_use(key, 5)
    assert not api_keys.may_use(key, 6)
    assert key.used == TODAY
    [view] = api_keys.keys_of(lantern, NOW)
    assert (view.id, view.name, view.beginning, view.state) == (row.pk, "Website form", token[:8], "active")


def test_neither_the_key_nor_its_name_stands_in_the_database(lantern: Any) -> None:
    token, _row = _add(lantern)
    stored = repr(ApiKey.objects.values().get())
    assert token[:8] not in stored
    assert "Website" not in stored


def test_anything_else_opens_nothing(lantern: Any) -> None:
    token, _row = _add(lantern)
    for tried in ("", "smz_", token[:-1], token + "a", token.swapcase(), "smz_" + "a" * 40, "ключ", token + "\0"):
        assert not _works(tried)


def test_a_revoked_key_opens_nothing_even_when_its_row_is_put_back(lantern: Any) -> None:
    token, row = _add(lantern)
    before = ApiKey.objects.values().get()
    assert api_keys.revoke(lantern, row.pk, now=NOW, by=None)
    assert not _works(token)
    ApiKey.objects.update(**before)
    assert not _works(token)
    assert not api_keys.revoke(lantern, row.pk + 1, now=NOW, by=None)
    kinds = list(Event.objects.order_by("id").values_list("kind", flat=True))
    assert kinds[-2:] == ["api_key.created", "api_key.revoked"]


def test_a_key_ends_on_its_day_and_its_row_goes_a_month_later(lantern: Any) -> None:
    token, _row = _add(lantern, days=30)
    assert _works(token, NOW + 29 * DAY)
    assert not _works(token, NOW + 30 * DAY)
    api_keys.forget(NOW + 59 * DAY)
    assert ApiKey.objects.exists()
    api_keys.forget(NOW + 61 * DAY)
    assert not ApiKey.objects.exists()


@pytest.mark.parametrize(
    "change",
    [{"scopes": f"{READ} {WRITE}"}, {"lists": []}, {"expires": NOW + 999 * DAY}, {"mac": b""}, {"by_id": None}],
    ids=lambda change: next(iter(change)),
)
def test_whoever_writes_the_database_gives_a_key_nothing(lantern: Any, vera: Person, change: dict[str, Any]) -> None:
    token, _row = _add(lantern, READ, lists=[5], by=vera)
    assert _works(token)
    ApiKey.objects.update(**change)
    assert not _works(token)


@pytest.mark.parametrize(
    "change", ["revoked", "expired", "locked", "no admin", "locked out", "put back", "moved", "more scopes"]
)
def test_what_ends_a_key_ends_it_at_once_though_it_worked_a_moment_ago(
    lantern: Any, vera: Person, vault: Any, change: str
) -> None:
    token, row = _add(lantern, by=vera)
    for _turn in range(3):
        assert _works(token)
    mine, later = ApiKey.objects.filter(pk=row.pk), NOW
    membership = Membership.objects.get(person=vera)
    match change:
        case "revoked":
            api_keys.revoke(lantern, row.pk, now=NOW, by=None)
        case "expired":
            later = NOW + 366 * DAY
        case "locked":
            KeyLock.objects.create(organization=lantern, locked=True, serial=1, at=NOW)
            with pytest.raises(OrganizationLocked):
                api_keys.authenticate(token, NOW)
            return
        case "no admin":
            memberships.give(vera, lantern, "editor", NOW)
        case "locked out":
            memberships.lock(membership, NOW)
        case "put back":
            before = mine.values().get()
            api_keys.revoke(lantern, row.pk, now=NOW, by=None)
            mine.update(revoked=None, mac=before["mac"])
        case "moved":
            mine.update(organization=actions.found_organization("Bell", source=vault, today=TODAY))
        case _:
            mine.update(scopes=f"{READ} {WRITE}")
    assert not _works(token, later)


def test_what_others_do_to_a_key_stays_with_them(lantern: Any) -> None:
    token, _row = _add(lantern)
    for _turn in range(3):
        key = api_keys.authenticate(token, NOW)
        assert (key.scopes, key.organization.name) == (READ, lantern.name)
        key.scopes, key.organization.name = f"{READ} {WRITE}", "Other"


def test_a_key_is_not_moved_to_another_organization(lantern: Any, vault: Any) -> None:
    token, _row = _add(lantern)
    bell = actions.found_organization("Harbour Bell", source=vault, today=TODAY)
    ApiKey.objects.update(organization=bell)
    assert not _works(token)


def test_a_key_works_for_as_long_as_whoever_created_it_is_an_admin(lantern: Any, vera: Person) -> None:
    token, _row = _add(lantern, by=vera)
    zoya = actions.add_person("zoya@lantern.example", name="Zoya", password=PASSWORD, today=TODAY)
    actions.give_role(zoya, lantern, "admin", by=None, now=NOW)
    assert _works(token)
    actions.give_role(vera, lantern, "editor", by=None, now=NOW)
    assert not _works(token)
    assert [view.state for view in api_keys.keys_of(lantern, NOW)] == ["ended"]


def test_once_there_are_readers_a_key_created_in_the_app_waits_for_another_admin(lantern: Any, vera: Person) -> None:
    zoya = actions.add_person("zoya@lantern.example", name="Zoya", password=PASSWORD, today=TODAY)
    actions.give_role(zoya, lantern, "admin", by=None, now=NOW - 3 * DAY)
    Organization.objects.filter(pk=lantern.pk).update(next_number=5001)
    approved, _row = _add(lantern, by=vera)
    assert not _works(approved)
    [change] = pending_changes.waiting(lantern)
    assert "Website form" in pending_changes.sentence_of(change)
    pending_changes.approve(change, now=NOW, by=zoya)
    assert _works(approved)
    stopped, row = _add(lantern, by=vera)
    [change] = pending_changes.waiting(lantern)
    pending_changes.stop(change, now=NOW, by=zoya)
    assert not _works(stopped)
    revoked, row = _add(lantern, by=vera)
    assert api_keys.revoke(lantern, row.pk, now=NOW, by=vera)
    assert not pending_changes.waiting(lantern).exists()
    assert not _works(revoked)
    assert _works(approved)


@pytest.mark.parametrize(
    ("name", "scopes", "more", "word"),
    [
        ("", (READ,), {}, "name"),
        ("a" * 81, (READ,), {}, "80"),
        ("a\0b", (READ,), {}, "name"),
        ("Form", (), {}, "Choose"),
        ("Form", ("everything",), {}, "everything"),
        ("Form", (READ,), {"days": 0}, "days"),
        ("Form", (READ,), {"days": 9999}, "1825"),
        ("Form", (READ,), {"lists": range(101)}, "100"),
    ],
)
def test_a_key_that_cannot_be_so_is_refused(
    lantern: Any, name: str, scopes: tuple[str, ...], more: dict[str, Any], word: str
) -> None:
    with pytest.raises(ApiKeyRefused, match=word):
        api_keys.add(lantern, name, scopes, now=NOW, by=None, **more)
    assert not ApiKey.objects.exists()
