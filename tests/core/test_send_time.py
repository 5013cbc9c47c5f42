"""When the last email leaves: limits, warm-ups and quiet hours, as tables of times."""

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from samizdat.core.mail.rate import DAY, HOUR, Limit, QuietHours
from samizdat.core.mail.send_time import PLAN, SendCapacity, last_leaves

RIGA = ZoneInfo("Europe/Riga")
TEN = datetime(2026, 11, 26, 10, tzinfo=RIGA)
TODAY = TEN.date()
FAST = SendCapacity(speed=10.0)


def ends(people: int, *routes: SendCapacity, **more: object) -> timedelta | None:
    """After the beginning, by the clock of Riga."""
    last = last_leaves(people, TEN, routes, zone=RIGA, **more)  # type: ignore[arg-type]
    return last - TEN if last else None


@pytest.mark.parametrize(
    ("people", "route", "after"),
    [
        (600, FAST, timedelta(minutes=1)),
        (54_000, FAST, timedelta(minutes=90)),
        (600, SendCapacity(limits=(Limit(1, 5.0),)), timedelta(minutes=2)),
        (600, SendCapacity(10.0, (Limit(1, 5.0),)), timedelta(minutes=2)),
        (1_200, SendCapacity(10.0, (Limit(1, 10.0), Limit(HOUR, 900.0))), timedelta(hours=1, seconds=30)),
        (1_200, SendCapacity(10.0, (Limit(DAY, 900.0),)), timedelta(days=1, seconds=30)),
    ],
)
def test_limits_and_speed_say_when_the_last_one_leaves(people: int, route: SendCapacity, after: timedelta) -> None:
    assert ends(people, route) == after


def test_where_a_route_is_used_up_the_next_one_goes_on() -> None:
    hourly = SendCapacity(10.0, (Limit(1, 10.0), Limit(HOUR, 900.0)))
    assert ends(1_200, hourly, SendCapacity(1.0)) == timedelta(seconds=90 + 300)
    assert ends(1_200, hourly, SendCapacity()) == timedelta(hours=1, seconds=30), "nobody knows how fast the second is"


def test_what_was_used_before_counts() -> None:
    used = {(HOUR, 0): 600}
    assert ends(900, SendCapacity(10.0, (Limit(1, 10.0), Limit(HOUR, 900.0)), used=used)) == timedelta(
        hours=1, minutes=1
    )


def test_a_warm_up_goes_on_with_the_next_calendar_day() -> None:
    used = {(PLAN, TODAY.toordinal()): 20}
    warm = SendCapacity(10.0, plan=(50, 100), since=TODAY, used=used)
    midnight = datetime(2026, 11, 27, tzinfo=RIGA) - TEN
    after = ends(90, warm)
    assert after is not None and midnight <= after < midnight + timedelta(hours=1)
    assert ends(90, FAST, domain=SendCapacity(plan=(50, 100), since=TODAY, used=used)) == after
    assert ends(90, FAST, domain=SendCapacity(plan=(50,), since=date(2026, 11, 1))) == timedelta(seconds=9), (
        "it is over"
    )


def test_nothing_leaves_in_quiet_hours() -> None:
    night = QuietHours(time(10, 30), time(12))
    assert ends(600 * 31, FAST, quiet=night) == timedelta(minutes=30 + 90 + 1)
    assert ends(600, FAST, quiet=QuietHours(time(9), time(11))) == timedelta(minutes=61)
    assert ends(600, FAST, quiet=QuietHours(time(8), time(9), "Europe/London")) == timedelta(minutes=61)


def test_where_nobody_can_know_nothing_is_said() -> None:
    assert ends(10) is None
    assert ends(10, SendCapacity(), FAST) is None
    assert ends(10**9, SendCapacity(limits=(Limit(DAY, 10.0),), speed=1.0)) is None
