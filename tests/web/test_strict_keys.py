"""The page of a strict organization that is locked: those whose passphrases open it unlock it there."""

from typing import Any

import pytest

from samizdat.accounts import throttle
from samizdat.core.crypto.passphrase import Cost
from samizdat.delivery.actions import strict_keys
from samizdat.vault import keyring, locks, strict
from samizdat.vault.errors import StrictRefused
from tests.conftest import NOW, PASSWORD, TODAY
from tests.web.conftest import House, signed_in

SAID = {"admin": "six words of Ada, rivers", "editor": "six words of Boris, lamps"}


@pytest.fixture
def locked(here: House, vault: Any, monkeypatch: pytest.MonkeyPatch) -> House:
    monkeypatch.setattr(strict, "COST", Cost(64, 1, 4))
    for role, typed in SAID.items():
        strict.prepare(here.organization, here.people[role].pk, typed, TODAY)
    strict_keys.turn_on(here.organization, by=None, now=NOW)
    strict_keys.lock(here.organization, by=None, now=NOW)
    owner = here.organization.pk, bytes(here.organization.uid)
    vault.let_go([owner])
    keyring.drop([owner])
    return here


def page(here: House, rest: str = "") -> str:
    return f"/o/{here.organization.slug}/{rest}"


@pytest.mark.parametrize("role", [*SAID])
def test_each_of_its_people_unlocks_it_with_their_passphrase(locked: House, role: str) -> None:
    client = signed_in(locked.people[role])
    seen = client.get(page(locked))
    assert seen.status_code == 423 and "Your passphrase" in seen.content.decode()
    assert "not the password of your account" in seen.content.decode()
    other = SAID["editor" if role == "admin" else "admin"]
    wrong = client.post(page(locked, "settings/unlock/strict"), {"passphrase": other, "hours": "2"})
    assert wrong.status_code == 422 and "This isn’t your passphrase" in wrong.content.decode()
    assert locks.state(locked.organization) is not None
    right = {"passphrase": f"  {SAID[role]} ", "hours": "2"}
    assert client.post(page(locked, "settings/unlock/strict"), right).status_code == 302
    assert client.get(page(locked)).status_code == 200


def test_anybody_else_reads_who_can(locked: House) -> None:
    client = signed_in(locked.people["viewer"])
    text = client.get(page(locked)).content.decode()
    assert "Someone whose passphrase opens it" in text and "Your passphrase" not in text
    said = {"passphrase": SAID["admin"], "hours": "2"}
    assert client.post(page(locked, "settings/unlock/strict"), said).status_code == 403
    assert locks.state(locked.organization) is not None


def test_whoever_guesses_has_to_wait(locked: House) -> None:
    client = signed_in(locked.people["admin"])
    for _again in range(throttle.FREE_TRIES):
        client.post(page(locked, "settings/unlock/strict"), {"passphrase": "six words of nobody", "hours": "2"})
    said = {"passphrase": SAID["admin"], "hours": "2"}
    assert "Wait" in client.post(page(locked, "settings/unlock/strict"), said).content.decode()
    assert locks.state(locked.organization) is not None


def test_a_password_unlocks_nothing(locked: House) -> None:
    client = signed_in(locked.people["admin"])
    client.post(page(locked, "settings/unlock"), {"password": PASSWORD})
    assert locks.state(locked.organization) is not None


@pytest.fixture
def unlocked(locked: House) -> House:
    rows = strict.people(locked.organization)
    strict_keys.unlock(locked.organization, rows, SAID["admin"], 8, by=None, now=NOW)
    return locked


@pytest.mark.parametrize("role", [*SAID])
def test_each_of_its_people_changes_their_own_passphrase(unlocked: House, role: str) -> None:
    client, new = signed_in(unlocked.people[role]), "six other words of lamps, nets"
    assert page(unlocked, "security/passphrase") in client.get("/profile").content.decode()
    other = SAID["editor" if role == "admin" else "admin"]
    wrong = client.post(page(unlocked, "security/passphrase"), {"old": other, "new": new, "again": new})
    assert wrong.status_code == 422 and "This isn’t your passphrase" in wrong.content.decode()
    for given, again in (("short", "short"), (new, f"{new}!")):
        refused = client.post(page(unlocked, "security/passphrase"), {"old": SAID[role], "new": given, "again": again})
        assert refused.status_code == 422 and new not in refused.content.decode()
    rows = [row for row in strict.people(unlocked.organization) if row.person == unlocked.people[role]]
    assert strict.opened(unlocked.organization, rows, SAID[role])
    right = {"old": SAID[role], "new": new, "again": f" {new}"}
    assert client.post(page(unlocked, "security/passphrase"), right).status_code == 302
    rows = [row for row in strict.people(unlocked.organization) if row.person == unlocked.people[role]]
    assert strict.opened(unlocked.organization, rows, new)
    with pytest.raises(StrictRefused):
        strict.opened(unlocked.organization, rows, SAID[role])


def test_who_has_no_passphrase_changes_none(here: House) -> None:
    seen = signed_in(here.people["admin"]).get(page(here, "security/passphrase"), follow=True)
    assert "nothing to change" in seen.content.decode()
    assert "security/passphrase" not in signed_in(here.people["admin"]).get("/profile").content.decode()


def test_whoever_guesses_at_the_change_has_to_wait(unlocked: House) -> None:
    client, new = signed_in(unlocked.people["admin"]), "six other words of lamps, nets"
    guess = {"old": "six words of nobody", "new": new, "again": new}
    for _again in range(throttle.FREE_TRIES):
        client.post(page(unlocked, "security/passphrase"), guess)
    right = {**guess, "old": SAID["admin"]}
    assert "Wait" in client.post(page(unlocked, "security/passphrase"), right).content.decode()
