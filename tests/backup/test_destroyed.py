"""An organization whose keys were destroyed is copied, restored and rotated around, and never comes back."""

from collections.abc import Callable
from typing import Any

import pytest

from samizdat.accounts.actions import found_organization
from samizdat.accounts.models import Organization
from samizdat.backup import destroyed, rotation
from samizdat.backup.keys import BackupKeys
from samizdat.backup.place_tails import PlaceTail
from samizdat.backup.restore_test import checks
from samizdat.delivery.actions import key_locks
from samizdat.vault import keyring, locks
from samizdat.vault.errors import KeysDestroyed
from samizdat.vault.models import VaultKey
from tests.backup.conftest import MemoryPlace
from tests.backup.test_restoring import Copied, fill
from tests.conftest import NOW, TODAY


@pytest.fixture
def harbour(lantern: Any, vault: Any) -> Any:
    return found_organization("Harbour", source=vault, today=TODAY, public_url="https://harbour.example")


def destroy(organization: Any) -> None:
    key_locks.destroy(organization, by=None, now=NOW)
    keyring.use(keyring.open_source())


def assert_gone(vault: Any) -> None:
    """Of the two, and the other one opens."""
    keyring.use(vault)
    lantern, harbour = Organization.objects.order_by("pk")
    with pytest.raises(KeysDestroyed):
        keyring.keys(lantern)
    wrapped = [bytes(row.wrapped) for row in VaultKey.objects.filter(organization=lantern)]
    assert wrapped and not any(any(each) for each in wrapped)
    assert keyring.keys(harbour).data is not None


def test_a_copy_from_afterwards_has_no_keys_and_the_other_organization_is_whole(
    copied: Copied,
    place: MemoryPlace,
    keys: BackupKeys,
    lantern: Any,
    harbour: Any,
    vault: Any,
    emptied: Callable[[], None],
) -> None:
    destroy(lantern)
    written = copied()
    emptied()
    fill(place, written, keys)
    assert_gone(vault)
    checks._use_keys()
    assert checks._check(NOW) == 1, "the restore test goes on for the other"
    assert destroyed.destroy_again(place, NOW) == []


@pytest.mark.parametrize("told", ["by the next copy", "by a tail"])
def test_a_copy_from_before_brings_no_keys_back(
    copied: Copied,
    place: MemoryPlace,
    keys: BackupKeys,
    lantern: Any,
    harbour: Any,
    vault: Any,
    emptied: Callable[[], None],
    told: str,
) -> None:
    written = copied()
    destroy(lantern)
    if told == "by a tail":
        PlaceTail().write(place, NOW)
    else:
        copied()
    emptied()
    fill(place, written, keys)
    keyring.use(vault)
    assert not locks.destroyed() and keyring.keys(Organization.objects.earliest("pk")).data, "the copy has them"
    again = destroyed.destroy_again(place, NOW)
    assert [row.slug for row in again] == [lantern.slug]
    assert_gone(vault)


def test_a_place_destroys_nothing_by_files_of_its_own(
    copied: Copied, place: MemoryPlace, lantern: Any, harbour: Any
) -> None:
    destroy(lantern)
    copied()
    [(name, text)] = [(name, text) for name, text in place.files.items() if name.startswith("destroyed/")]
    assert bytes(lantern.uid).hex() not in name + text.decode()
    other = MemoryPlace()
    theirs, _text = destroyed._note(harbour, keyring.derive("destroyed keys"))
    other.files = {f"destroyed/{bytes(harbour.uid).hex()}": b"1", theirs: text}
    assert destroyed.destroy_again(other, NOW) == []
    assert not locks.are_destroyed(harbour)


def test_the_other_organization_gets_a_new_data_key_and_the_destroyed_one_says_why_not(
    lantern: Any, harbour: Any, vault: Any, transactional_db: Any
) -> None:
    destroy(lantern)
    before = [bytes(row.wrapped) for row in VaultKey.objects.filter(organization=lantern).order_by("pk")]
    with pytest.raises(KeysDestroyed):
        rotation.status(lantern)
    with pytest.raises(KeysDestroyed):
        rotation.begin(lantern, now=NOW)
    rotation.begin(harbour, now=NOW)
    rotation.walk(harbour, settled=0, wait=lambda _seconds: None)
    assert rotation.status(harbour).current == 2
    assert [bytes(row.wrapped) for row in VaultKey.objects.filter(organization=lantern).order_by("pk")] == before
