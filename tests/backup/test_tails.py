"""The tail of a copy: with it, a restored installation has every row that the original had a moment before."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pyrage
import pytest

from samizdat.accounts.models import Organization
from samizdat.audience import actions as audience
from samizdat.audience import queries
from samizdat.audience.models import ConsentRecord, List, Subscriber, SubscriberTag, Subscription, Suppression
from samizdat.backup import index_rotation, place_tails, recipients, restoring, tail_reading, tails
from samizdat.backup.keys import BackupKeys
from samizdat.backup.place_tails import PlaceTail
from samizdat.backup.reading import ORDER
from samizdat.backup.tables import copied_tables
from samizdat.backup.tails import TailFound
from samizdat.backup.writing import WrittenCopy
from samizdat.core.backup import layout
from samizdat.core.backup.rows import Row, naming_key
from samizdat.delivery.engine import journal
from samizdat.events import chain
from samizdat.vault import keyring
from samizdat.vault.models import VaultKey
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


def test_what_is_told_anew_after_a_restart_is_told_whole(
    copied: Copied, place: MemoryPlace, restored: Restored, letter: List
) -> None:
    (first,) = add(letter, "first@post.example")
    written = copied()
    audience.unsubscribe(first, letter, now=LATER)
    assert PlaceTail().write(place, LATER) == 1
    add(letter, "second@post.example")
    again = PlaceTail()
    assert again.write(place, LATER) == 1
    add(letter, "third@post.example")
    assert again.write(place, LATER) == 1
    before, found = all_rows(), restored(written)
    assert all_rows() == before and [path.split("/")[-1][:15] for path in found.paths] == [
        "000002-00000001",
        "000002-00000002",
    ]


def files_of(place: MemoryPlace) -> list[str]:
    return [name for name in place.writes if layout.tail_name(name)]


def three(copied: Copied, place: MemoryPlace, letter: List) -> WrittenCopy:
    """A copy, and a tail of three files, each with one reader more."""
    written, tail = copied(), PlaceTail()
    for number in range(3):
        add(letter, f"reader{number}@post.example")
        assert tail.write(place, LATER + timedelta(seconds=number)) == 1
    return written


def flip(data: bytes) -> bytes:
    return data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 1]) + data[len(data) // 2 + 1 :]


@pytest.mark.parametrize("harm", ["missing", "cut", "changed", "exchanged"])
def test_a_restore_goes_as_far_as_the_tail_is_whole(
    copied: Copied, place: MemoryPlace, restored: Restored, letter: List, harm: str
) -> None:
    written = three(copied, place, letter)
    _first, second, third = files_of(place)
    if harm == "missing":
        del place.files[second]
    else:
        data = place.files[second]
        changed = {"cut": data[:-5], "changed": flip(data), "exchanged": place.files[third]}
        place.files[second] = changed[harm]
    found = restored(written)
    assert Subscriber.objects.count() == 1
    assert (len(found.paths), found.until) == (1, LATER) and found.broken


def test_a_moment_that_was_not_written_to_its_end_is_passed_over(
    copied: Copied, place: MemoryPlace, restored: Restored, letter: List, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a kill between two files: what is there of it may lack the rest."""
    written, tail = copied(), PlaceTail()
    add(letter, "first@post.example")
    assert tail.write(place, LATER) == 1
    add(letter, "second@post.example")
    monkeypatch.setattr(tails, "FILE_BYTES", 1)
    assert tail.write(place, LATER) > 2
    del place.files[files_of(place)[-1]]
    found = restored(written)
    assert (Subscriber.objects.count(), len(found.paths), found.broken) == (1, 1, "")
    # Whoever goes on from here tells all of it once more.
    add(letter, "third@post.example")
    assert PlaceTail().write(place, LATER) > 2
    before = all_rows()
    assert restored(written).until == LATER and all_rows() == before


class Full(Exception):
    pass


def test_what_a_place_did_not_take_is_told_the_next_time(
    copied: Copied, place: MemoryPlace, restored: Restored, letter: List, monkeypatch: pytest.MonkeyPatch
) -> None:
    written, tail = three(copied, place, letter), PlaceTail()
    assert tail.write(place, LATER) == 1
    add(letter, "away@post.example")

    def write(_name: str, _data: bytes) -> None:
        raise Full

    with monkeypatch.context() as away:
        away.setattr(place, "write", write)
        with pytest.raises(Full):
            tail.write(place, LATER)
    assert tail.write(place, LATER) == 1
    before = all_rows()
    restored(written)
    assert all_rows() == before and Subscriber.objects.count() == 4


def test_a_new_copy_begins_another_tail_and_the_oldest_goes(
    copied: Copied, place: MemoryPlace, restored: Restored, letter: List
) -> None:
    tail, copies = PlaceTail(), []
    for number in range(3):
        copies.append(copied(now=NOW + timedelta(days=number)).copy.path)
        add(letter, f"reader{number}@post.example")
        assert tail.write(place, LATER + timedelta(days=number)) == 1
    assert {layout.tailed_set(name) for name in place.files if layout.tailed_set(name)} == set(copies[1:])


def test_an_index_key_that_rows_of_the_copy_need_is_not_taken_from_them(
    copied: Copied, place: MemoryPlace, restored: Restored, letter: List, lantern: Any
) -> None:
    """Rows that were renewed are in no tail: restored, nobody would be found by the key that is left."""
    add(letter, "first@post.example")
    written, tail = copied(), PlaceTail()
    index_rotation.rotate(lantern, now=lambda: LATER, settled=0)
    assert tail.write(place, LATER) == 1
    before = all_rows()
    VaultKey.objects.filter(kind="index", current=False).delete()
    add(letter, "second@post.example")
    assert (tail.write(place, LATER), PlaceTail().write(place, LATER)) == (0, 0)
    restored(written)
    keyring.look_again(lantern)
    assert all_rows()["vault_vaultkey"] == before["vault_vaultkey"]
    assert queries.subscriber_at(lantern, "first@post.example") is not None


def test_without_a_copy_there_is_nothing_to_continue(place: MemoryPlace, letter: List) -> None:
    assert PlaceTail().write(place, NOW) == 0 and place.files == {}


def test_a_tail_for_recipients_is_read_with_their_key_alone(
    copied: Copied, place: MemoryPlace, keys: BackupKeys, letter: List
) -> None:
    offline = pyrage.x25519.Identity.generate()
    written, tail = copied(to=[str(offline.to_public())]), PlaceTail()
    add(letter, "reader@post.example")
    assert tail.write(place, LATER) == 1
    assert tails.find(place, written.copy, [offline]).until == LATER
    closed = tails.find(place, written.copy, recipients.identities(keys.identity))
    assert closed.until is None and "doesn't open with this key" in closed.broken
    assert b"reader@post.example" not in b"".join(place.files.values())


def test_a_journal_is_continued_and_moved_along(
    copied: Copied, place: MemoryPlace, keys: BackupKeys, lantern: Any, tmp_path: Any
) -> None:
    lying = journal.folder() / "worker-9.0"
    content = bytes(range(1, 201)) * 100
    lying.write_bytes(content[:5000] + bytes(1000))
    try:
        written, tail = copied(), PlaceTail()
        lying.write_bytes(content[:9000] + bytes(1000))
        assert tail.write(place, LATER) == 1
        put_aside = journal.kept_folder() / lying.name
        put_aside.write_bytes(content)
        lying.unlink()
        assert tail.write(place, LATER) == 1
    finally:
        lying.unlink(missing_ok=True)
        (journal.kept_folder() / lying.name).unlink(missing_ok=True)
    identities = recipients.identities(keys.identity)
    key, found = naming_key(keys.names, [keys.recipient]), tails.find(place, written.copy, identities)
    restoring.put_files_back(place, written.copy, identities, key, tmp_path, found)
    assert (tmp_path / "journals/kept/worker-9.0").read_bytes()[: len(content)] == content
    assert not (tmp_path / "journals/worker-9.0").exists()
