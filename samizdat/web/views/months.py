"""A month of campaigns: what went out, what is going to, each on its day in the readers' zone."""

import re
from calendar import Calendar
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.http import HttpResponse
from django.shortcuts import render
from django.utils.dateformat import format as date_format

from samizdat import hours
from samizdat.campaigns import queries
from samizdat.web.doors import EVERYONE, door
from samizdat.web.views.campaigns import with_names

_MONTH = re.compile(r"(20\d\d)-(0[1-9]|1[0-2])", re.ASCII)


@dataclass(slots=True)
class Day:
    """letters: (campaign row, names) in the order in which they leave. is_inside: of the month that is shown."""

    day: date
    is_inside: bool
    is_today: bool
    letters: list[Any] = field(default_factory=list)


@door(see=EVERYONE)
def calendar(request: Any) -> HttpResponse:
    zone = ZoneInfo(request.organisation.timezone)
    today = hours.asked().astimezone(zone).date()
    first = _first(request.GET.get("month", ""), today)
    begin, end = (datetime(day.year, day.month, 1, tzinfo=zone) for day in (first, _beside(first, 1)))
    rows = queries.leaving(request.organisation, begin, end)
    days = {
        day: Day(day, day.month == first.month, day == today)
        for week in Calendar().monthdatescalendar(first.year, first.month)
        for day in week
    }
    for row, names in with_names(request.organisation, rows):
        days[row.campaign.due.astimezone(zone).date()].letters.append((row, names))
    facts = {
        "month": date_format(first, "F Y"),
        "days": list(days.values()),
        "weekdays": [date_format(day, "D") for day in list(days)[:7]],
        "count": len(rows),
        "before": _link(_beside(first, -1)),
        "after": _link(_beside(first, 1)),
        "is_now": (first.year, first.month) == (today.year, today.month),
    }
    return render(request, "web/campaigns/calendar.html", facts)


def _first(asked: str, today: date) -> date:
    """The first day of the month that was asked for; of this one where it is none."""
    found = _MONTH.fullmatch(asked)
    return date(int(found[1]), int(found[2]), 1) if found else today.replace(day=1)


def _beside(first: date, way: int) -> date:
    """The first day of the next month, or of the one before."""
    return (first + timedelta(days=31) if way > 0 else first - timedelta(days=1)).replace(day=1)


def _link(first: date) -> tuple[str, str] | None:
    """(value for the address, name) of a month that can be looked at."""
    return (f"{first:%Y-%m}", date_format(first, "F Y")) if first.year in hours.YEARS else None
