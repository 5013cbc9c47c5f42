"""The backup places that an installation keeps."""

from datetime import timedelta
from typing import Any

import pytest

from samizdat.core.backup.manifest import FULL
from samizdat.delivery import backup_places
from samizdat.delivery.backup_places import CopyDetails, KeptPlace, PlaceBroken, PlaceDetails, PlaceState
from samizdat.delivery.models import BackupCopy, BackupPlace
from samizdat.vault import instance_exchange
from tests.conftest import NOW

pytestmark = pytest.mark.django_db

URL = "sftp://ada@backup.example/srv"


@pytest.fixture
def kept(vault: Any) -> KeptPlace:
    return backup_places.add(PlaceDetails(url=URL, added=NOW, secret="a lamp and a note"))


def copy(day: int = 0) -> CopyDetails:
    return CopyDetails(f"sets/{day}.age", NOW + timedelta(days=day), FULL, 10, 2)


def test_a_place_opens_as_it_was_added_and_its_row_says_nothing(kept: KeptPlace) -> None:
    assert backup_places.get(kept.number) == kept
    row = BackupPlace.objects.get()
    assert b"backup.example" not in bytes(row.wrapped) and b"lamp" not in bytes(row.wrapped)


def test_a_place_that_was_moved_in_the_database_is_not_used(kept: KeptPlace) -> None:
    other = backup_places.add(PlaceDetails(url="file:///mnt/backup", added=NOW))
    BackupPlace.objects.filter(pk=kept.number).update(wrapped=BackupPlace.objects.get(pk=other.number).wrapped)
    broken, fine = backup_places.all_places()
    assert isinstance(broken, PlaceBroken) and fine == other
    with pytest.raises(PlaceBroken, match=f"Remove it with samizdat backup place remove {kept.number}"):
        backup_places.open_all()[0]()


def test_a_copy_that_nobody_made_is_not_counted(kept: KeptPlace) -> None:
    for day in (0, 1):
        backup_places.note_copy(kept.number, copy(day))
    BackupCopy.objects.filter(made=NOW).update(wrapped=BackupCopy.objects.latest("made").wrapped)
    assert backup_places.copies(kept.number) == [copy(1)]
    backup_places.forget_copies(kept.number, [copy(1).path])
    assert not BackupCopy.objects.exists()


def test_a_removed_place_is_gone_with_what_is_known_of_its_copies(kept: KeptPlace) -> None:
    backup_places.note_copy(kept.number, copy())
    assert backup_places.remove(kept.number) and not backup_places.remove(kept.number)
    assert not BackupCopy.objects.exists()
    backup_places.note_copy(kept.number, copy())
    assert not BackupCopy.objects.exists()


def test_after_a_rotation_the_new_key_opens_places_and_copies(kept: KeptPlace, vault: Any) -> None:
    named = backup_places.add(PlaceDetails(url="file:///mnt", added=NOW, recipients=["age1x"], key="of the old key"))
    state = PlaceState(tried=NOW, failures=1, failing=NOW, error="It is full.")
    backup_places.set_state(kept.number, state)
    backup_places.note_copy(kept.number, copy())
    strange = BackupPlace.objects.create(wrapped=b"somebody")
    instance_exchange.exchange(vault, bytes(32), [lambda: backup_places.renew(lambda to: f"of the new key for {to}")])
    assert BackupPlace.objects.filter(pk=strange.pk, wrapped=b"somebody").exists()
    opened = {each.number: each for each in backup_places.all_places() if isinstance(each, KeptPlace)}
    assert opened[kept.number] == KeptPlace(kept.number, kept.details, state)
    assert opened[named.number].details.key == "of the new key for ['age1x']"
    assert backup_places.copies(kept.number) == [copy()]
