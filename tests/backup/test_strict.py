"""A strict organization is copied and restored while it is locked: its keys stay wrapped, and its people open them."""

from collections.abc import Callable
from typing import Any

import pytest

from samizdat.accounts import actions
from samizdat.accounts.models import Organization
from samizdat.backup.keys import BackupKeys
from samizdat.core.crypto.passphrase import Cost
from samizdat.delivery.actions import strict_keys
from samizdat.vault import keyring, strict
from samizdat.vault.errors import OrganizationLocked
from samizdat.vault.models import StrictKey
from tests.backup.conftest import MemoryPlace
from tests.backup.test_restoring import Copied, fill
from tests.conftest import NOW, PASSWORD, TODAY

SAID = {"vera": "six words of Vera, rivers", "olga": "six words of Olga, lamps"}


def test_a_locked_one_is_restored_locked_and_opens_with_the_same_passphrases(
    copied: Copied,
    place: MemoryPlace,
    keys: BackupKeys,
    lantern: Any,
    vault: Any,
    emptied: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(strict, "COST", Cost(64, 1, 4))
    for name, typed in SAID.items():
        person = actions.add_person(f"{name}@lantern.example", name=name, password=PASSWORD, today=TODAY)
        strict.prepare(lantern, person.pk, typed, TODAY)
    strict_keys.turn_on(lantern, by=None, now=NOW)
    sealed, owner = keyring.keys(lantern).seal(b"Ada", "test", "column", 1), (lantern.pk, bytes(lantern.uid))
    strict_keys.lock(lantern, by=None, now=NOW)
    vault.let_go([owner])
    keyring.drop([owner])
    written = copied()
    emptied()
    assert not StrictKey.objects.exists()
    fill(place, written, keys)
    restored = Organization.objects.get()
    with pytest.raises(OrganizationLocked, match="keys strict unlock"):
        keyring.keys(restored)
    strict_keys.unlock(restored, strict.people(restored), SAID["vera"], 8, by=None, now=NOW)
    assert keyring.keys(restored).open(sealed, "test", "column", 1) == b"Ada"
