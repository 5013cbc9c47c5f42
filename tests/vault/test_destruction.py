"""Keys that were destroyed are nowhere, and everything else goes on."""

from typing import Any

import pytest

from samizdat.accounts.actions import found_organization
from samizdat.delivery.actions import key_locks
from samizdat.events.models import Event
from samizdat.incoming import spooled
from samizdat.vault import keyring, locks
from samizdat.vault.errors import KeyRefused, KeysDestroyed, KeyWrong
from samizdat.vault.locks import LockState
from samizdat.vault.models import KeyLock, VaultKey
from samizdat.vault.source import InstanceSource
from samizdat.worker.inbox import link_keys
from tests.conftest import INSTANCE_KEY, NOW, TODAY

pytestmark = pytest.mark.django_db
SOURCE = InstanceSource(INSTANCE_KEY)


@pytest.fixture(autouse=True)
def open_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """The key server's threads close theirs."""
    monkeypatch.setattr(link_keys.connections, "close_all", lambda: None)


def destroy(organization: Any) -> None:
    assert key_locks.destroy(organization, by=None, now=NOW) is not None
    keyring.drop([(organization.pk, bytes(organization.uid))])


def test_nobody_gets_the_keys_again_and_nothing_unlocks_it(lantern: Any) -> None:
    rows = VaultKey.objects.filter(organization=lantern)
    labels = {row.pk: keyring.label_of(row, lantern) for row in rows}
    destroy(lantern)
    for row in rows.all():
        assert not any(row.wrapped)
        with pytest.raises(KeyWrong):
            SOURCE.unwrap(labels[row.pk], row.wrapped)
    with pytest.raises(KeysDestroyed):
        keyring.keys(lantern)
    with pytest.raises(KeysDestroyed):
        key_locks.unlock(lantern, by=None, now=NOW)
    assert locks.are_destroyed(lantern) is not None
    assert key_locks.destroy(lantern, by=None, now=NOW) is None
    assert Event.objects.filter(kind="keys.destroyed", organization=lantern).count() == 1


def test_a_lock_that_is_on_already_keeps_nobody_from_it(lantern: Any) -> None:
    key_locks.lock(lantern, by=None, now=NOW)
    destroy(lantern)
    assert locks.are_destroyed(lantern) is not None


def test_who_writes_the_database_can_not_say_that_keys_were_destroyed(lantern: Any) -> None:
    key_locks.lock(lantern, by=None, now=NOW)
    KeyLock.objects.update(destroyed=True)
    assert locks.are_destroyed(lantern) is None
    assert key_locks.unlock(lantern, by=None, now=NOW)


def test_a_key_server_sees_that_the_keys_of_a_locked_organization_were_destroyed(lantern: Any) -> None:
    state, owner = LockState(SOURCE), (lantern.pk, bytes(lantern.uid))
    key_locks.lock(lantern, by=None, now=NOW)
    state.begin(key_locks.serials())
    assert not state.destroyed and not state.look()
    destroy(lantern)
    assert state.look() == {owner} == state.destroyed
    KeyLock.objects.all().delete()
    assert not state.look() and state.has(owner), "also where its row is gone"


def test_everybody_else_goes_on_and_nothing_breaks(lantern: Any, vault: Any) -> None:
    harbour = found_organization("Harbour", source=vault, today=TODAY, public_url="https://harbour.example")
    destroy(lantern)
    assert {row["organization"] for row in link_keys.reader_links(SOURCE)} == {bytes(harbour.uid).hex()}
    assert link_keys.box_key(SOURCE, bytes(harbour.uid))
    with pytest.raises(KeyRefused):
        link_keys.box_key(SOURCE, bytes(lantern.uid))
    assert not keyring.unopened()
    assert spooled.take_in(TODAY, lambda: False) == 0


def test_where_the_only_organization_has_no_keys_its_links_are_none(lantern: Any) -> None:
    destroy(lantern)
    assert link_keys.reader_links(SOURCE) == [] == link_keys.own_mailboxes()
