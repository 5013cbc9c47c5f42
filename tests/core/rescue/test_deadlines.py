"""Deadlines end on the day that the law says: Regulation 1182/71, calendar days, working days."""

from calendar import monthrange
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samizdat.core.rescue import deadlines, parties

DAYS = st.dates(date(2000, 1, 1), date(2200, 1, 1))


@pytest.mark.parametrize(
    ("received", "months", "until"),
    [
        (date(2026, 3, 5), 1, date(2026, 4, 6)),  # 5 April 2026 is a Sunday.
        (date(2022, 3, 5), 1, date(2022, 4, 5)),
        (date(2022, 8, 31), 1, date(2022, 9, 30)),  # No 31 September.
        (date(2024, 1, 31), 1, date(2024, 2, 29)),
        (date(2023, 1, 31), 1, date(2023, 2, 28)),
        (date(2026, 12, 1), 3, date(2027, 3, 1)),
        (date(2026, 11, 26), 1, date(2026, 12, 28)),  # 26 December 2026 is a Saturday.
    ],
)
def test_a_month_ends_on_the_same_date_or_on_the_next_working_day(received: date, months: int, until: date) -> None:
    assert deadlines.after_months(received, months) == until


def test_a_holiday_where_they_have_to_act_moves_the_end() -> None:
    christmas = parties.holidays_at("IE", [2025, 2026])
    assert deadlines.after_months(date(2025, 11, 25), 1, christmas) == date(2025, 12, 29)  # 25 to 28 December.
    assert deadlines.after_months(date(2025, 11, 25), 1) == date(2025, 12, 25)


@given(DAYS, st.integers(1, 24))
def test_a_period_of_months_never_ends_early_or_on_a_weekend(day: date, months: int) -> None:
    until = deadlines.after_months(day, months)
    assert until.weekday() < 5
    plain = deadlines.same_date(day, months)
    assert timedelta() <= until - plain <= timedelta(days=2)
    assert (plain.year * 12 + plain.month) - (day.year * 12 + day.month) == months
    assert plain.day == min(day.day, monthrange(plain.year, plain.month)[1])


@given(DAYS, st.integers(1, 24))
def test_a_request_a_day_later_is_never_due_earlier(day: date, months: int) -> None:
    assert deadlines.after_months(day, months) <= deadlines.after_months(day + timedelta(days=1), months)


@given(DAYS, st.integers(1, 60), st.sets(DAYS, max_size=5))
def test_working_days_leave_out_weekends_and_holidays(day: date, count: int, holidays: set[date]) -> None:
    until = deadlines.after_working_days(day, count, holidays)
    between = (day + timedelta(days=n) for n in range(1, (until - day).days + 1))
    assert sum(each.weekday() < 5 and each not in holidays for each in between) == count


def test_calendar_days_end_where_they_end() -> None:
    assert deadlines.after_days(date(2026, 12, 1), 45) == date(2027, 1, 15)
    assert deadlines.after_days(date(2026, 12, 3), 2) == date(2026, 12, 5)  # A Saturday.


@pytest.mark.parametrize(
    ("year", "day"),
    [(2022, date(2022, 4, 17)), (2024, date(2024, 3, 31)), (2025, date(2025, 4, 20)), (2026, date(2026, 4, 5)),
     (2027, date(2027, 3, 28)), (2038, date(2038, 4, 25))],
)  # fmt: skip
def test_easter_is_where_calendars_have_it(year: int, day: date) -> None:
    assert deadlines.easter(year) == day


@given(st.integers(1900, 2300))
def test_easter_is_a_sunday_between_22_march_and_25_april(year: int) -> None:
    assert date(year, 3, 22) <= deadlines.easter(year) <= date(year, 4, 25)
    assert deadlines.easter(year).weekday() == 6


def test_holidays_by_weekday_are_the_first_or_the_last_of_their_month() -> None:
    assert deadlines.holidays_of(["05-mon-1", "08-mon--1", "12-mon--1", "easter+1"], [2026]) == {
        date(2026, 5, 4), date(2026, 8, 31), date(2026, 12, 28), date(2026, 4, 6)
    }  # fmt: skip
