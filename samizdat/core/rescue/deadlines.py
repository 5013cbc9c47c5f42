"""Until when an answer is due. Days are calendar days where the deadline is; a deadline is its last day.

Regulation (EEC, Euratom) No 1182/71, article 3: the day of the event isn't counted (1); a period of months ends on the
day of the same date, or on the last day of a shorter month (2)(c); if that is a Saturday, a Sunday or a public holiday,
on the next working day (4). The ICO counts a month of the UK GDPR alike.
"""

from collections.abc import Callable, Collection
from datetime import date, timedelta

SATURDAY = 5


def next_working_day(day: date, holidays: Collection[date] = ()) -> date:
    """This day, or the first after it that is neither in a weekend nor a holiday."""
    while day.weekday() >= SATURDAY or day in holidays:
        day += timedelta(days=1)
    return day


def same_date(day: date, months: int) -> date:
    """The day of this date so many months later; the last day of a month that has no such date."""
    years, month = divmod(day.month - 1 + months, 12)
    year, month = day.year + years, month + 1
    last = (date(year + month // 12, month % 12 + 1, 1) - timedelta(days=1)).day
    return date(year, month, min(day.day, last))


def after_months(event: date, months: int, holidays: Collection[date] = ()) -> date:
    """By Regulation 1182/71."""
    return next_working_day(same_date(event, months), holidays)


def after_days(event: date, days: int, _holidays: Collection[date] = ()) -> date:
    """Calendar days as they come: the law says nothing of weekends."""
    return event + timedelta(days=days)


def after_working_days(event: date, days: int, holidays: Collection[date] = ()) -> date:
    """So many working days after the event's day."""
    day = event
    for _ in range(days):
        day = next_working_day(day + timedelta(days=1), holidays)
    return day


# How a data file names them.
RULES: dict[str, Callable[[date, int, Collection[date]], date]] = {
    "months": after_months,
    "days": after_days,
    "working-days": after_working_days,
}


def easter(year: int) -> date:
    """Easter Sunday of the Gregorian calendar (Meeus, Jones and Butcher)."""
    a, (b, c) = year % 19, divmod(year, 100)
    d, e = divmod(b, 4)
    g = (8 * b + 13) // 25
    h = (19 * a + b - d - g + 15) % 30
    i, k = divmod(c, 4)
    l = (32 + 2 * e + 2 * i - h - k) % 7
    m = (a + 11 * h + 22 * l) // 451
    month, day = divmod(h + l - 7 * m + 114, 31)
    return date(year, month, day + 1)


def holidays_of(rules: Collection[str], years: Collection[int]) -> frozenset[date]:
    """Of `12-25` (month and day), `easter+1` (days from Easter Sunday) and `08-mon-1` (the first Monday of August,
    -1 for the last).
    """
    return frozenset(_holiday(rule, year) for rule in rules for year in years)


_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def _holiday(rule: str, year: int) -> date:
    if rule.startswith("easter"):
        return easter(year) + timedelta(days=int(rule.removeprefix("easter")))
    month, day, *nth = rule.split("-", 2)
    if not nth:
        return date(year, int(month), int(day))
    weekday = _WEEKDAYS.index(day)
    if nth[0] == "-1":
        last = same_date(date(year, int(month), 1), 1) - timedelta(days=1)
        return last - timedelta(days=(last.weekday() - weekday) % 7)
    first = date(year, int(month), 1)
    return first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (int(nth[0]) - 1))
