"""Of an organization that is locked nobody gets a key, whatever its row is made to say."""

import base64
import json
from typing import Any

import pytest

from samizdat.accounts.actions import found_organization
from samizdat.core.crypto import seal
from samizdat.delivery.actions import key_locks
from samizdat.vault import keyring, locks
from samizdat.vault.errors import OrganizationLocked
from samizdat.vault.keyserver import ROLES, KeyServer
from samizdat.vault.locks import LockState
from samizdat.vault.models import KeyLock, VaultKey
from samizdat.vault.source import InstanceSource
from samizdat.worker.inbox import link_keys
from tests.conftest import INSTANCE_KEY, NOW, TODAY

pytestmark = pytest.mark.django_db
SOURCE = InstanceSource(INSTANCE_KEY)
HOLDERS = ("desk", "worker", "sender")


@pytest.fixture
def state(lantern: Any) -> LockState:
    """As a key server has it that began before anything was locked."""
    known = LockState(SOURCE)
    known.begin(key_locks.serials())
    return known


def server(state: LockState) -> KeyServer:
    return KeyServer(
        SOURCE,
        list,
        lambda uid: link_keys.box_key(SOURCE, uid),
        lambda *_owner: True,
        is_locked=lambda *owner: state.has(owner),
    )


def given(state: LockState, organization: Any) -> dict[str, set[str]]:
    """Role -> kinds of this organization's keys that it gets."""
    rows = VaultKey.objects.filter(organization=organization)
    asked = {row.kind: (keyring.label_of(row, organization), bytes(row.wrapped)) for row in rows}
    return {
        role: {kind for kind, (label, wrapped) in asked.items() if "key" in answer(state, role, label, wrapped)}
        for role in HOLDERS
    }


def answer(state: LockState, role: str, label: str, wrapped: bytes) -> dict[str, Any]:
    question = {"unwrap": base64.b64encode(wrapped).decode(), "label": label}
    return server(state)._answer(json.dumps(question).encode(), role)


def owner(organization: Any) -> tuple[int, bytes]:
    return organization.id, bytes(organization.uid)


def test_no_process_gets_a_key_of_a_locked_organization_and_all_do_once_it_is_unlocked(
    lantern: Any, vault: Any, state: LockState
) -> None:
    harbour = found_organization("Harbour", source=vault, today=TODAY)
    before = given(state, lantern)
    assert before["desk"] == {"data", "index", "link", "box"}
    assert key_locks.lock(lantern, by=None, now=NOW)
    assert state.look() == {owner(lantern)}
    assert not any(given(state, lantern).values())
    assert given(state, harbour) == before, "others go on"
    assert key_locks.unlock(lantern, by=None, now=NOW)
    assert not state.look()
    assert given(state, lantern) == before


def test_every_role_that_may_have_keys_is_refused() -> None:
    assert {role for role, (kinds, _purposes) in ROLES.items() if kinds} == {*HOLDERS}


def test_whoever_locks_forgets_the_keys_as_well(lantern: Any) -> None:
    keyring.keys(lantern)
    assert keyring.holds(lantern.id)
    key_locks.lock(lantern, by=None, now=NOW)
    keyring.drop([owner(lantern)])  # As once the transaction is over.
    with pytest.raises(OrganizationLocked, match="samizdat keys unlock"):
        keyring.keys(lantern)
    assert not keyring.holds(lantern.id)


@pytest.mark.django_db(transaction=True)
def test_what_readers_send_is_still_sealed_to_it(lantern: Any, state: LockState) -> None:
    key_locks.lock(lantern, by=None, now=NOW)
    state.look()
    asked = json.dumps({"seal_to": bytes(lantern.uid).hex()}).encode()
    sealed_to = base64.b64decode(server(state)._answer(asked, "public")["key"])
    secret = VaultKey.objects.get(organization=lantern, kind="box")
    assert sealed_to == seal.public_key(SOURCE.unwrap(keyring.label_of(secret, lantern), secret.wrapped))


def test_who_writes_the_database_unlocks_nobody(lantern: Any, state: LockState) -> None:
    key_locks.lock(lantern, by=None, now=NOW)
    key_locks.unlock(lantern, by=None, now=NOW)
    unlocked = KeyLock.objects.get()
    key_locks.lock(lantern, by=None, now=NOW)
    state.look()
    KeyLock.objects.update(locked=False)
    assert not state.look() and state.has(owner(lantern)), "no MAC of ours"
    unlocked.save()
    assert not state.look() and state.has(owner(lantern)), "an older row that is put back"
    KeyLock.objects.all().delete()
    assert not state.look() and state.has(owner(lantern)), "no row at all"
    anew = LockState(SOURCE)
    anew.begin(key_locks.serials())
    assert anew.has(owner(lantern)), "a key server that begins asks the event log"
    unlocked.save()
    anew.begin(key_locks.serials())
    assert anew.has(owner(lantern))


def test_an_unlock_after_somebody_wrote_the_row_counts(lantern: Any, state: LockState) -> None:
    key_locks.lock(lantern, by=None, now=NOW)
    state.look()
    KeyLock.objects.update(serial=-7, locked=False)
    assert key_locks.unlock(lantern, by=None, now=NOW)
    state.look()
    assert not state.has(owner(lantern))


def test_a_lock_that_somebody_writes_beside_us_locks(lantern: Any, state: LockState) -> None:
    KeyLock.objects.create(organization=lantern, locked=True, serial=1, at=NOW, mac=bytes(32))
    assert state.look() == {owner(lantern)}
    assert key_locks.unlock(lantern, by=None, now=NOW)
    state.look()
    assert not state.has(owner(lantern))


def test_locking_twice_is_one_lock(lantern: Any) -> None:
    assert key_locks.lock(lantern, by=None, now=NOW)
    row = locks.state(lantern)
    assert not key_locks.lock(lantern, by=None, now=NOW)
    assert locks.state(lantern) == row and row is not None and row.serial == 1
    assert key_locks.unlock(lantern, by=None, now=NOW)
    assert not key_locks.unlock(lantern, by=None, now=NOW)
    assert locks.state(lantern) is None
