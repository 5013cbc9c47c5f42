"""The page Security and keys: where the keys are and who can open them, for admins, each of their organization."""

import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from samizdat.accounts.actions import change_settings
from samizdat.backup import index_rotation, rotation
from samizdat.core.crypto.passphrase import Cost
from samizdat.delivery.actions import key_destruction, key_locks, strict_keys
from samizdat.vault import keyring, shares, strict
from samizdat.vault.source import InstanceSource
from samizdat.vault.sources.key_file import text_of, write_key_text
from tests.conftest import INSTANCE_KEY, NOW, TODAY
from tests.web.conftest import House

PASSPHRASES = {"admin": "six words of Vera, rivers", "editor": "six words of Clara, lamps"}


@pytest.fixture
def make_strict(here: House, vault: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strict, "COST", Cost(64, 1, 4))
    for role, typed in PASSPHRASES.items():
        strict.prepare(here.organization, here.people[role].pk, typed, TODAY)
    strict_keys.turn_on(here.organization, by=None, now=NOW)


def page(here: House, desk: Callable[[str], Client], rest: str = "") -> str:
    seen = desk("admin").get(f"/o/{here.organization.slug}/security{rest}")
    assert seen.status_code == 200
    return seen.content.decode()


@pytest.mark.parametrize("role", ["editor", "viewer"])
def test_admins_alone_see_it(here: House, desk: Callable[[str], Client], role: str) -> None:
    client = desk(role)
    assert client.get(f"/o/{here.organization.slug}/security").status_code == 403
    assert "/security" not in client.get(f"/o/{here.organization.slug}/").content.decode()


def test_it_says_where_the_key_is_and_why_shares_come_before_a_loss(
    here: House, desk: Callable[[str], Client], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    write_key_text(tmp_path / "instance.key", text_of(INSTANCE_KEY))
    monkeypatch.setitem(os.environ, "SAMIZDAT_KEY_FILE", str(tmp_path / "instance.key"))
    text = page(here, desk)
    assert shares.fingerprint_of(InstanceSource(INSTANCE_KEY)) in text
    assert "File without a passphrase" in text and "samizdat keys passphrase" in text
    assert "a backup alone can’t be read" in text and "samizdat keys shares --threshold 2 --of 3" in text
    assert "Never practiced" in text and "No email comes in yet" in text
    assert "Number 1, since" in text and "Off: anyone with the instance key" in text


def test_shares_are_listed_with_their_days_and_without_their_words(here: House, desk: Callable[[str], Client]) -> None:
    details, words = shares.make(INSTANCE_KEY, 2, 3, TODAY - timedelta(days=400), [])
    shares.remember_new(details, keyring.open_source())
    text = page(here, desk)
    assert details.first_words in text and "any 2 of 3" in text and "never" in text
    assert "Not practiced for a year" in text and "samizdat keys practice" in text
    assert not any(" ".join(share.split()[2:5]) in text for share in words)
    shares.remember_practice(details.identifier, TODAY, keyring.open_source())
    assert "Not practiced for a year" not in page(here, desk)


def test_where_the_key_file_is_gone_it_says_what_not_to_do(
    here: House, desk: Callable[[str], Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(os.environ, "SAMIZDAT_KEY_FILE", "/nowhere/at/all.key")
    text = page(here, desk)
    assert "Only in memory:" in text and "don’t stop the server" in text


def test_codes_and_practice_stand_with_their_days(here: House, desk: Callable[[str], Client]) -> None:
    change_settings(here.organization, by=None, now=NOW, return_address="bounces@lantern.example")
    assert "There are no codes yet" in page(here, desk)
    codes = key_locks.make_codes(here.organization, 10, by=here.people["admin"], now=NOW)
    assert "10 of 10 are left" in page(here, desk) and "Last locked by email" not in page(here, desk)
    assert key_locks.lock_by_code(here.organization, codes[:1], now=NOW)
    key_locks.unlock(here.organization, by=None, now=NOW)
    text = page(here, desk)
    assert "9 of 10 are left" in text and "Last locked by email" in text


def test_of_several_organizations_an_admin_sees_their_own_alone(
    here: House, there: House, desk: Callable[[str], Client]
) -> None:
    details, _words = shares.make(INSTANCE_KEY, 2, 3, TODAY, [])
    shares.remember_new(details, keyring.open_source())
    text = page(here, desk)
    assert "shares this server with others" in text
    assert details.first_words not in text and "samizdat keys shares" not in text and "Fingerprint" not in text
    assert there.organization.slug not in text and there.organization.name not in text
    for name in ("data", "index", "links"):
        assert f"keys rotate {name} --organization {here.organization.slug}" in text
    assert "keys rotate instance" not in text


def test_a_strict_organization_says_who_unlocks_it_and_until_when(
    here: House, desk: Callable[[str], Client], make_strict: None
) -> None:
    text = page(here, desk)
    assert "Can unlock it" in text and "Vera, Clara" in text and "Unlocked until" in text
    assert "nothing but these shares opens the data" in text and "samizdat keys strict shares" in text
    rows = strict.people(here.organization)
    details, _words, _mark = strict_keys.make_shares(
        here.organization, rows, PASSPHRASES["editor"], 2, 3, by=None, now=NOW
    )
    assert details.first_words in page(here, desk) and "samizdat keys strict practice" in page(here, desk)
    assert 7.9 < strict.seconds_left(here.organization) / 3600 <= strict.HOURS


def test_a_rotation_that_goes_on_is_counted_on_request(here: House, desk: Callable[[str], Client]) -> None:
    rotation.begin(here.organization, now=NOW)
    left = rotation.status(here.organization).left
    text = page(here, desk)
    assert "Number 2, since" in text and "Count what they still encrypt" in text
    assert left and f"{left} values are still to be encrypted again" in page(here, desk, "?count")
    rotation.walk(here.organization, settled=0, wait=lambda _seconds: None)
    assert "Everything was encrypted again" in page(here, desk, "?count")


def test_an_index_key_that_is_being_replaced_is_named(here: House, desk: Callable[[str], Client]) -> None:
    assert "Another one is taking its place" not in page(here, desk)
    index_rotation.begin(here.organization, now=NOW)
    assert "Another one is taking its place" in page(here, desk) and "samizdat keys rotate index" in page(here, desk)


def test_each_key_has_the_command_that_replaces_it(
    here: House, desk: Callable[[str], Client], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    write_key_text(tmp_path / "instance.key", text_of(INSTANCE_KEY))
    monkeypatch.setitem(os.environ, "SAMIZDAT_KEY_FILE", str(tmp_path / "instance.key"))
    text = page(here, desk)
    for name in ("data", "index", "links", "instance"):
        assert f"> samizdat keys rotate {name}<" in text
    monkeypatch.setitem(os.environ, "SAMIZDAT_KEY_FILE", "/nowhere/at/all.key")
    assert "keys rotate instance" not in page(here, desk), "first it has to be found"


def test_a_request_to_destroy_keys_is_said_there(here: House, desk: Callable[[str], Client]) -> None:
    assert "takes two admins" in page(here, desk)
    from tests.web.conftest import make_person

    second = make_person("Ludmila", f"ludmila@{here.domain}", here.organization, "admin")
    now = NOW + timedelta(days=2)
    key_destruction.ask(here.organization, 24, by=here.people["admin"], now=now)
    assert "another one has to confirm" in page(here, desk)
    key_destruction.confirm(here.organization, by=second, now=now)
    assert "Two admins want it" in page(here, desk)
