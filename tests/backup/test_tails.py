"""The tail of a copy: with it, a restored installation has every row that the original had a moment before."""

import contextlib
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db import connection, transaction

from samizdat.accounts.models import Organization
from samizdat.audience import actions as audience
from samizdat.audience.models import ConsentRecord, List, Subscriber, SubscriberTag, Subscription, Suppression
from samizdat.backup import place_tails, recipients, restoring, tail_reading, tails
from samizdat.backup.keys import BackupKeys
from samizdat.backup.place_tails import PlaceTail
from samizdat.backup.reading import ORDER
from samizdat.backup.tables import copied_tables
from samizdat.backup.tails import TailFound
from samizdat.backup.writing import WrittenCopy
from samizdat.core.backup import layout
from samizdat.core.backup.rows import Row, naming_key
from samizdat.events import chain
from tests.backup.conftest import MemoryPlace
from tests.conftest import NOW

Copied = Callable[..., WrittenCopy]
LATER = NOW + timedelta(seconds=5)


def all_rows() -> dict[str, list[Row]]:
    """Of every table that a tail has."""
    passed_over = {model._meta.db_table for model in tail_reading.PASSED_OVER}
    with place_tails._snapshot() as found:
        return {
            table.name: sorted(found[table.database].where(table, "1 = 1", ()), key=repr)
            for table in copied_tables(ORDER)
            if table.name not in passed_over
        }


@pytest.fixture
def restored(place: MemoryPlace, keys: BackupKeys, emptied: Callable[[], None]) -> Callable[[WrittenCopy], TailFound]:
    """restored(copy): the database as a restore makes it of a copy and its tail."""

    def restore(written: WrittenCopy) -> TailFound:
        emptied()
        identities = recipients.identities(keys.identity)
        found = tails.find(place, written.copy, identities)
        key = naming_key(keys.names, [keys.recipient])
        restoring.fill(place, written.copy, identities, key, tail=found)
        Organization.objects.update(sending_locked=False)
        return found

    return restore


Restored = Callable[[WrittenCopy], TailFound]


@pytest.fixture
def letter(transactional_db: Any, lantern: Any) -> List:
    return audience.new_list(lantern, "Letter", now=NOW)


def add(letter: List, *addresses: str) -> list[Subscriber]:
    return [
        audience.add_subscriber(letter.organization, address, letter, consent="at the fair", now=NOW)
        for address in addresses
    ]


def test_what_changed_since_the_copy_is_restored(
    copied: Copied, place: MemoryPlace, restored: Restored, lantern: Any, letter: List
) -> None:
    stays, leaves, erased, suppressed, tagged = add(letter, *(f"reader{n}@post.example" for n in range(5)))
    chain.append()
    written, tail = copied(), PlaceTail()
    assert tail.write(place, NOW) == 0
    audience.unsubscribe(leaves, letter, now=LATER)
    audience.add_tags(tagged, ["quay"], now=LATER)
    add(letter, "new@post.example")
    assert tail.write(place, LATER) == 1
    audience.erase(lantern, address="reader2@post.example", now=LATER)
    audience.suppress(lantern, "manual", address="reader3@post.example", now=LATER)
    audience.rename_list(letter, "Letters", now=LATER)
    chain.append()
    assert (tail.write(place, LATER), tail.write(place, LATER)) == (1, 0)
    before = all_rows()
    found = restored(written)
    assert all_rows() == before
    assert (len(found.paths), found.until, found.broken) == (2, LATER.replace(microsecond=0), "")
    assert not Subscriber.objects.filter(pk=erased.pk).exists() and Suppression.objects.count() == 2
    assert SubscriberTag.objects.filter(subscriber=tagged).exists()
    assert (
        Subscription.objects.get(subscriber=leaves).mail_verdict
        != Subscription.objects.get(subscriber=stays).mail_verdict
    )
    # New rows get numbers that nobody had.
    highest = ConsentRecord.objects.latest("pk").pk
    add(List.objects.get(), "newest@post.example")
    assert ConsentRecord.objects.latest("pk").pk > highest
