"""Which backup is due: one a night, a full one a week, and after failures ever later."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from samizdat.backup.due import LONGEST, due_kind, last_night, pause
from samizdat.core.backup.manifest import CHANGES, FULL
from samizdat.delivery.backup_places import CopyDetails, KeptPlace, PlaceDetails, PlaceState

RIGA = ZoneInfo("Europe/Riga")
# A Tuesday, 03:00 in Riga.
NOW = datetime(2026, 12, 1, 1, 0, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
ADDED = NOW - 90 * DAY


FINE = PlaceState()


def kept(state: PlaceState = FINE, added: datetime = ADDED) -> KeptPlace:
    return KeptPlace(1, PlaceDetails(url="file:///mnt", added=added), state)


def copies(*made: tuple[timedelta, str]) -> list[CopyDetails]:
    return [CopyDetails(f"sets/{number}", NOW - ago, kind, 1, 1) for number, (ago, kind) in enumerate(made)]


def due(there: Sequence[CopyDetails], now: datetime = NOW, place: KeptPlace | None = None) -> str:
    return due_kind(place or kept(), there, now, RIGA)


def test_the_first_one_is_full_and_leaves_time_to_make_it_by_hand() -> None:
    assert due([]) == FULL
    new = kept(added=NOW)
    assert [due([], NOW + timedelta(minutes=late), new) for late in (0, 9, 10)] == ["", "", FULL]


def test_one_a_night_and_a_full_one_a_week() -> None:
    evening = copies((10 * HOUR, FULL))
    assert due(evening) == CHANGES
    assert due(evening, NOW - 2 * HOUR) == "", "it is not yet two at night"
    assert due(copies((HOUR / 2, CHANGES), (3 * DAY, FULL))) == due(copies((HOUR / 2, CHANGES))) == ""
    assert due(copies((1 * DAY, CHANGES), (7 * DAY, FULL))) == FULL


def test_a_server_that_was_off_makes_it_when_it_is_on() -> None:
    assert due(copies((30 * HOUR, CHANGES), (2 * DAY, FULL)), NOW + 12 * HOUR) == CHANGES


def test_a_copy_of_a_clock_that_ran_ahead_keeps_none_back() -> None:
    assert due(copies((-300 * DAY, FULL), (2 * DAY, CHANGES), (3 * DAY, FULL))) == CHANGES


def test_a_place_that_fails_is_tried_again_ever_later() -> None:
    failing = kept(PlaceState(tried=NOW, failures=3, failing=NOW - HOUR, error="away"))
    assert due([], NOW + timedelta(minutes=19), failing) == ""
    assert due([], NOW + timedelta(minutes=20), failing) == FULL
    assert due([], NOW - DAY, failing) == FULL, "the clock was set back"
    assert pause(1_000_000) == LONGEST


@given(
    st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1)), st.sampled_from(["Europe/Riga", "Pacific/Apia", "UTC"])
)
def test_the_last_night_was_within_a_day(moment: datetime, zone: str) -> None:
    now = moment.replace(tzinfo=UTC)
    assert timedelta(0) <= now - last_night(now, ZoneInfo(zone)) <= timedelta(hours=26)
