"""How the backups stand."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from samizdat.core.backup.manifest import CHANGES, FULL
from samizdat.delivery import backup_places
from samizdat.delivery.backup_places import CopyDetails, PlaceDetails, PlaceState
from samizdat.delivery.backup_standing import backup_standing
from samizdat.delivery.models import BackupPlace
from tests.conftest import NOW

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)


@pytest.fixture
def place(vault: Any) -> int:
    return backup_places.add(PlaceDetails(url="file:///mnt/backup", added=NOW - 400 * 24 * HOUR)).number


def copy(place: int, at: datetime, kind: str = CHANGES) -> None:
    backup_places.note_copy(place, CopyDetails(f"sets/{at:%Y%m%d%H}.age", at, kind, 10, 2))


def test_without_any_place_it_is_amber(vault: Any) -> None:
    standing = backup_standing(NOW)
    assert (standing.level, standing.code, list(standing.places)) == ("amber", "no_place", [])


@pytest.mark.parametrize(
    ("hours", "level", "code"), [(35, "ok", "ok"), (37, "amber", "late"), (24 * 8 + 1, "red", "too_late")]
)
def test_a_place_is_as_good_as_its_newest_copy_is_young(place: int, hours: int, level: str, code: str) -> None:
    copy(place, NOW - 300 * HOUR, FULL)
    copy(place, NOW - hours * HOUR)
    standing = backup_standing(NOW)
    assert (standing.level, standing.code) == (level, code)
    assert standing.places[0].last == NOW - hours * HOUR and standing.places[0].last_full == NOW - 300 * HOUR


def test_a_new_place_has_time_for_its_first_copy(vault: Any) -> None:
    backup_places.add(PlaceDetails(url="file:///mnt/backup", added=NOW - HOUR))
    assert backup_standing(NOW).level == "ok"


def test_the_worst_place_says_how_it_stands_and_why(place: int) -> None:
    copy(place, NOW - HOUR)
    away = backup_places.add(PlaceDetails(url="file:///mnt/away", added=NOW - 48 * HOUR))
    backup_places.set_state(away.number, PlaceState(NOW, 3, NOW - 40 * HOUR, "The disk isn’t there."))
    standing = backup_standing(NOW)
    assert standing.level == "amber" and [each.level for each in standing.places] == ["ok", "amber"]
    assert (standing.places[1].failing, standing.places[1].error) == (NOW - 40 * HOUR, "The disk isn’t there.")


def test_a_copy_of_the_future_says_nothing_of_today(place: int) -> None:
    copy(place, NOW + 9000 * HOUR)
    assert backup_standing(NOW).level == "red"


def test_a_place_that_was_moved_in_the_database_is_red(place: int) -> None:
    BackupPlace.objects.update(wrapped=b"moved")
    assert backup_standing(NOW).code == "broken"
