"""Backups that were made with an instance key that was replaced since."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from samizdat.accounts.models import Organization
from samizdat.backup import destroyed, kept_keys, retention
from samizdat.backup.keys import BackupKeys, backup_keys
from samizdat.backup.place_tails import PlaceTail
from samizdat.core.backup.manifest import CHANGES, FULL
from samizdat.delivery import backup_places
from samizdat.delivery.backup_places import CopyDetails, PlaceDetails
from samizdat.vault import instance_exchange, keyring
from samizdat.vault.source import InstanceSource
from tests.backup.conftest import MemoryPlace
from tests.backup.test_destroyed import assert_gone, destroy, harbour  # noqa: F401
from tests.backup.test_restore_test import outcome, where, write  # noqa: F401
from tests.backup.test_restoring import Copied, fill
from tests.conftest import INSTANCE_KEY, NOW

NEW = bytes(range(50, 82))
DAY = timedelta(days=1)


def exchange() -> None:
    instance_exchange.exchange(InstanceSource(INSTANCE_KEY), NEW, [])


@pytest.fixture(autouse=True)
def as_it_was(vault: InstanceSource) -> Iterator[None]:
    yield
    keyring.use(vault)


def test_they_go_when_their_time_has_come_and_with_them_their_pieces(copied: Copied, place: MemoryPlace) -> None:
    old = copied()
    exchange()
    new = copied(now=NOW + 31 * DAY)
    present = retention.prune(place, [backup_keys(keyring.derive)], NOW + 31 * DAY, retention.Kept())
    assert not present.copies and present.undeleted == 1, "with the present key alone they were somebody else's"
    pruned = retention.prune(place, kept_keys.all_keys(), NOW + 31 * DAY, retention.Kept())
    assert pruned.copies == [old.copy.path] and pruned.pieces > 0 and not pruned.undeleted
    assert {piece.name for piece in new.copy.manifest.pieces}
    assert kept_keys.count_former(place) == 0


def test_they_stay_until_then(copied: Copied, place: MemoryPlace) -> None:
    copied()
    exchange()
    copied(now=NOW + DAY)
    pruned = retention.prune(place, kept_keys.all_keys(), NOW + DAY, retention.Kept())
    assert pruned == retention.Pruned([])
    assert kept_keys.count_former(place) == 1


def test_the_next_backup_is_a_full_one_and_nothing_continues_those_of_before(
    copied: Copied, place: MemoryPlace, lantern: Any
) -> None:
    before = copied()
    exchange()
    assert PlaceTail().write(place, NOW) is None or not [name for name in place.writes if name.startswith("tails/0")]
    written = copied(kind=CHANGES, now=NOW + DAY)
    assert written.copy.manifest.kind == FULL
    assert not {piece.name for piece in written.copy.manifest.pieces} & {
        piece.name for piece in before.copy.manifest.pieces
    }


def test_a_backup_is_due_at_once(vault: Any, lantern: Any) -> None:
    kept = backup_places.add(PlaceDetails(url="file:///mnt", added=NOW))
    backup_places.note_copy(kept.number, CopyDetails("sets/1.age", NOW, FULL, 1, 1))
    instance_exchange.exchange(InstanceSource(INSTANCE_KEY), NEW, [lambda: backup_places.renew(lambda _recipients: "")])
    [copy] = backup_places.copies(kept.number)
    assert backup_places.of_former_key(copy) and not backup_places.copies_of_present_key(kept.number)


def test_a_restore_test_looks_whether_all_is_as_it_was_written(write: Any, where: Any) -> None:  # noqa: F811
    write()
    exchange()
    result = outcome(where)
    assert (result.code, result.opened, result.former) == ("", False, True)
    assert result.facts["checked"] == result.facts["pieces"]
    write(now=NOW + DAY)
    assert outcome(where).opened


def test_keys_that_were_destroyed_after_the_exchange_do_not_come_back_with_a_backup_from_before(
    copied: Copied,
    place: MemoryPlace,
    keys: BackupKeys,
    lantern: Any,
    harbour: Any,  # noqa: F811
    vault: Any,
    emptied: Callable[[], None],
) -> None:
    written = copied()
    exchange()
    destroy(lantern)
    copied(now=NOW + DAY)
    emptied()
    keyring.use(vault)
    fill(place, written, keys)
    keyring.use(vault)
    assert keyring.keys(Organization.objects.earliest("pk")).data, "the copy has them"
    assert [row.slug for row in destroyed.destroy_again(place, NOW)] == [lantern.slug]
    assert_gone(vault)
