"""The instance key is replaced in one transaction: all opens with the new one, and nothing with the former one."""

import os
from collections.abc import Iterator
from typing import Any

import pytest

from samizdat.vault import instance_exchange, keyring, shares
from samizdat.vault.actions import prove
from samizdat.vault.errors import KeyWrong
from samizdat.vault.models import KeptKey, NextInstanceKey
from samizdat.vault.source import InstanceSource
from tests.conftest import TODAY

NEW, NEWER = bytes(range(50, 82)), bytes(range(100, 132))


@pytest.fixture
def former(lantern: Any, vault: InstanceSource) -> Iterator[InstanceSource]:
    prove(vault)
    yield vault
    keyring.use(vault)


def test_what_was_sealed_opens_with_the_new_key(lantern: Any, former: InstanceSource) -> None:
    blob = keyring.keys(lantern).seal(b"Anna", "audience_subscriber", "sealed", 1)
    index = keyring.keys(lantern).blind("anna@lantern.example")
    assert instance_exchange.exchange(former, NEW, []) == 0
    keyring.use(InstanceSource(NEW))
    assert keyring.keys(lantern).open(blob, "audience_subscriber", "sealed", 1) == b"Anna"
    assert keyring.keys(lantern).blind("anna@lantern.example") == index
    assert keyring.belongs(InstanceSource(NEW)) is True
    assert not keyring.unopened()


def test_nothing_opens_with_the_former_key_once_it_is_finished(lantern: Any, former: InstanceSource) -> None:
    before = InstanceSource(bytes(former._key))
    instance_exchange.exchange(former, NEW, [])
    assert keyring.belongs(before) is False
    assert keyring.next_key(before) == NEW
    assert not instance_exchange.finish(before)
    assert instance_exchange.is_pending()
    assert instance_exchange.finish(InstanceSource(NEW))
    assert keyring.next_key(before) is None


def test_a_row_that_was_written_by_somebody_else_stays_as_it_is(lantern: Any, former: InstanceSource) -> None:
    row = lantern.keys.get(kind="index")
    row.wrapped = os.urandom(60)
    row.save()
    assert instance_exchange.exchange(former, NEW, []) == 1
    assert bytes(lantern.keys.get(kind="index").wrapped) == bytes(row.wrapped)


def test_what_a_renewal_refuses_changes_nothing(lantern: Any, former: InstanceSource) -> None:
    def refused() -> Iterator[None]:
        yield
        raise KeyWrong("Not this one.")

    with pytest.raises(KeyWrong, match="Not this one"):
        instance_exchange.exchange(former, NEW, [refused])
    assert keyring.belongs(former) is True
    assert not NextInstanceKey.objects.exists() and not KeptKey.objects.exists()
    assert keyring.keys(lantern).data


def test_a_renewal_reads_under_the_former_key_and_writes_under_the_new_one(
    lantern: Any, former: InstanceSource
) -> None:
    seen = []

    def renewal() -> Iterator[None]:
        seen.append(keyring.derive("grants"))
        yield
        seen.append(keyring.derive("grants"))

    instance_exchange.exchange(former, NEW, [renewal])
    assert seen == [former.derive("grants"), InstanceSource(NEW).derive("grants")]


def test_a_row_is_checked_with_the_key_of_its_time_after_two_exchanges_too(
    lantern: Any, former: InstanceSource
) -> None:
    instance_exchange.exchange(former, NEW, [], lambda: {"log": 7})
    instance_exchange.exchange(InstanceSource(NEW), NEWER, [], lambda: {"log": 9})
    first, second, third = (each.derive("log") for each in (former, InstanceSource(NEW), InstanceSource(NEWER)))
    assert [keyring.key_of_row("log", row) for row in (1, 7, 8, 9, 10)] == [first, first, second, second, third]
    assert keyring.instance_number() == 3
    assert [each.number for each in keyring.former("log")] == [2, 1]


def test_a_kept_key_does_not_open_for_other_rows_than_it_was_made_for(lantern: Any, former: InstanceSource) -> None:
    instance_exchange.exchange(former, NEW, [], lambda: {"log": 7})
    KeptKey.objects.filter(purpose="log").update(through=1_000_000)
    keyring.use(InstanceSource(NEW))
    with pytest.raises(KeyWrong):
        keyring.key_of_row("log", 8)


def test_what_was_sealed_before_opens_and_is_sealed_with_the_new_key(lantern: Any, former: InstanceSource) -> None:
    blob = keyring.sealing("events").seal(b"before", b"here", bytes(12))
    instance_exchange.exchange(former, NEW, [])
    assert keyring.ring("events").open(blob, b"here") == b"before"
    later = keyring.sealing("events").seal(b"after", b"here", bytes(12))
    assert keyring.ring("events").key_of(later).number == 2
    assert keyring.ring("events").open(later, b"here") == b"after"


def test_shares_of_the_former_key_are_forgotten(lantern: Any, former: InstanceSource) -> None:
    details, _words = shares.make(bytes(former._key), 2, 3, TODAY, ())
    shares.remember_new(details, former)
    instance_exchange.exchange(former, NEW, [])
    assert not shares.sets(keyring.open_source())
