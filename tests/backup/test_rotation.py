"""A data key is exchanged: everything opens, before, meanwhile and afterwards."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.db.models import BinaryField

from samizdat.audience.models import Subscriber
from samizdat.backup import rotation, sealed_columns
from samizdat.campaigns import brand, seed_list
from samizdat.core.crypto import seal, tokens
from samizdat.events.models import Event
from samizdat.vault import keyring, strict
from samizdat.vault.errors import OrganizationLocked
from samizdat.vault.models import VaultKey
from samizdat.worker.inbox import link_keys
from tests.conftest import NOW
from tests.test_schema import OUR_APPS
from tests.vault.test_places import UNSEALED, _more
from tests.web.conftest import House, furnish

pytestmark = pytest.mark.django_db

# Bytes that are sealed to a public key, or with no data key.
OTHERS = {"incoming.incomingmail.box", "vault.strictkey.sealed"}


@pytest.fixture(autouse=True)
def open_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """The key server's threads close theirs."""
    monkeypatch.setattr(link_keys.connections, "close_all", lambda: None)


@pytest.fixture
def house(lantern: Any, tmp_path: Path) -> House:
    here = furnish(lantern, tmp_path, "lantern.example")
    _more(here)
    return here


def walk(organization: Any) -> rotation.Walked:
    return rotation.walk(organization, settled=0)


def plain(organization: Any) -> dict[tuple[str, object], bytes]:
    """(column, row) -> what is sealed there, of all rows."""
    keys, found = keyring.keys(organization), {}
    for column in sealed_columns.COLUMNS:
        for blob, *needs in column.rows(organization).values_list(column.column, *column.needs):
            if blob:
                found[column.name, needs[0]] = keys.open(bytes(blob), *column.place(*needs))
    return found


def test_each_sealed_column_is_walked_or_has_a_reason() -> None:
    there = {
        f"{model._meta.label_lower}.{field.name}"
        for app in (*OUR_APPS, "portability")
        for model in apps.get_app_config(app).get_models()
        for field in model._meta.fields
        if isinstance(field, BinaryField) and field.name not in UNSEALED and app != "publicdb"
    }
    walked = {column.name for column in sealed_columns.COLUMNS}
    assert len(walked) == len(sealed_columns.COLUMNS)
    assert not walked & (sealed_columns.LEFT.keys() | sealed_columns.OF_THE_INSTANCE.keys())
    assert walked - {
        "delivery.digestrecipients.numbers"
    } | sealed_columns.LEFT.keys() | sealed_columns.OF_THE_INSTANCE.keys() == (there - OTHERS)


def test_all_values_open_under_the_new_key_and_say_the_same(house: House) -> None:
    organization = house.organization
    before = plain(organization)
    assert len({name for name, _row in before}) > 35
    assert rotation.begin(organization, now=NOW) == 2
    begun = rotation.status(organization)
    assert (begun.current, begun.former, begun.left) == (2, (1,), len(before))
    walked = walk(organization)
    assert (walked.sealed, walked.broken, walked.left) == (len(before), 0, 0)
    assert plain(organization) == before
    done = rotation.status(organization)
    assert done.left == 0 < done.kept
    assert walk(organization).sealed == 0
    assert Event.objects.filter(organization=organization, kind="keys.rotated").count() == 1


def test_what_is_written_meanwhile_has_the_new_key_and_no_edit_is_lost(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    organization = house.organization
    rotation.begin(organization, now=NOW)
    swap, edited = rotation._swap, []

    def edit(column: Any, changed: Any) -> int:
        if column.name == "campaigns.seedlist.sealed":
            seed_list.keep(organization, ["later@lantern.example"], now=NOW, by=house.people["admin"])
            edited.append(column.name)
        return swap(column, changed)

    monkeypatch.setattr(rotation, "_swap", edit)
    assert walk(organization).left == 0
    assert edited and list(seed_list.seeds(organization)) == ["later@lantern.example"]
    brand.keep(organization, brand.USUAL, by=house.people["admin"], now=NOW)
    assert rotation.status(organization).left == 0


def test_a_walk_that_was_killed_goes_on(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    organization, before = house.organization, plain(house.organization)
    rotation.begin(organization, now=NOW)
    swap, calls = rotation._swap, []

    def die(column: Any, changed: Any) -> int:
        calls.append(column)
        if len(calls) == 7:
            raise KeyboardInterrupt
        return swap(column, changed)

    monkeypatch.setattr(rotation, "_swap", die)
    with pytest.raises(KeyboardInterrupt):
        walk(organization)
    assert 0 < rotation.status(organization).left < len(before)
    assert plain(organization) == before
    assert walk(organization).left == 0
    assert plain(organization) == before


def test_who_holds_a_ring_from_before_reads_what_was_sealed_since(house: House) -> None:
    organization = house.organization
    keys = keyring.keys(organization)
    assert keys.ring is not None
    opener = keys.ring.bound("subscriber", "sealed", keys.uid, 8)
    rotation.begin(organization, now=NOW)
    walk(organization)
    rows = [(row.id, bytes(row.sealed)) for row in Subscriber.objects.filter(organization=organization)]
    mask = (1 << 40) - 1
    assert rows and all(opener.open(blob, id & mask) for id, blob in rows)
    other = seal.KeyRing({1: keys.ring.keys[1]})
    with pytest.raises(seal.KeyMissing):
        other.open(rows[0][1], b"")


def test_a_value_that_somebody_altered_stays_as_it_is(house: House) -> None:
    organization = house.organization
    row = Subscriber.objects.filter(organization=organization).first()
    assert row is not None
    altered = bytes(row.sealed)[:-1] + bytes([bytes(row.sealed)[-1] ^ 1])
    Subscriber.objects.filter(pk=row.pk).update(sealed=altered)
    rotation.begin(organization, now=NOW)
    walked = walk(organization)
    assert (walked.broken, walked.left) == (1, 0)
    assert bytes(Subscriber.objects.get(pk=row.pk).sealed) == altered


def test_the_former_key_is_made_the_current_one_by_nobody(lantern: Any) -> None:
    rotation.begin(lantern, now=NOW)
    VaultKey.objects.filter(organization=lantern, kind="data").update(current=True)
    with pytest.raises(Exception, match="key"):
        keyring.look_again(lantern)


def test_links_are_made_with_the_new_key_and_old_ones_still_lead_out(house: House) -> None:
    organization, today = house.organization, NOW.date()
    old = keyring.keys(organization).link
    assert old is not None
    mailed = tokens.make(old, "leave", 7, 9)
    number = rotation.replace_links(organization, now=NOW)
    keys = keyring.keys(organization)
    assert keys.link is not None and keys.link.number == number != old.number
    assert tokens.read(keys.links, "leave", mailed).number == 9
    assert [*keys.own_links] == [number]
    token = tokens.read(keys.links, "leave", mailed)
    assert keys.believes(token, today, today)
    last = today + timedelta(days=1) + keyring.AFTER_A_MOVE
    assert keys.believes(token, today, last)
    assert not keys.believes(token, today, last + timedelta(days=1))
    assert rotation.former_links(organization, today) == (1, last)
    assert rotation.former_links(organization, last + timedelta(days=1)) == (1, None)
    assert {entry["number"] for entry in link_keys.reader_links(keyring.open_source())} == {number, old.number}


def test_no_more_link_keys_than_the_public_pages_are_told(lantern: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rotation, "MOST_LINKS", 2)
    assert not rotation.links_are_full(lantern)
    rotation.replace_links(lantern, now=NOW)
    assert rotation.links_are_full(lantern)


def test_of_a_strict_organization_no_key_is_left_without_its_strict_key(
    lantern: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was locked again while the key was replaced, so the strict key was gone."""
    monkeypatch.setattr(strict, "is_strict", lambda _organization: True)
    with pytest.raises(OrganizationLocked):
        rotation.begin(lantern, now=NOW)
    assert VaultKey.objects.filter(organization=lantern, kind="data").count() == 1
    rotation.replace_links(lantern, now=NOW)  # Links are read while it is locked.
