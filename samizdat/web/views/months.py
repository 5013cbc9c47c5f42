"""A month of campaigns: what went out, what is going to, and drafts that are meant to, each on its day in the readers'
zone.
"""

import re
from calendar import Calendar
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.dateformat import format as date_format
from django.utils.translation import gettext as _

from samizdat import hours
from samizdat.campaigns import planning, queries
from samizdat.campaigns.draft import draft_of
from samizdat.campaigns.errors import CampaignError
from samizdat.web import reading
from samizdat.web.doors import EVERYONE, WRITERS, address, deed, door
from samizdat.web.forms.base import sentences
from samizdat.web.forms.campaigns import PlanForm
from samizdat.web.views.campaigns import letter_at, with_names
from samizdat.wording import shaped

# Drafts that the form of the calendar offers; an older one has a link to it on its own page.
DRAFTS = 50
_MONTH = re.compile(r"(20\d\d)-(0[1-9]|1[0-2])", re.ASCII)


@dataclass(slots=True)
class Day:
    """letters: (campaign row, names) in the order in which they leave. drafts: likewise, of those that are planned for
    it. is_inside: of the month that is shown.
    """

    day: date
    is_inside: bool
    is_today: bool
    letters: list[Any] = field(default_factory=list)
    drafts: list[Any] = field(default_factory=list)


@door(see=EVERYONE)
def calendar(request: Any) -> HttpResponse:
    zone = ZoneInfo(request.organisation.timezone)
    today = hours.asked().astimezone(zone).date()
    first = _first(request.GET.get("month", ""), today)
    begin, end = (datetime(day.year, day.month, 1, tzinfo=zone) for day in (first, _beside(first, 1)))
    rows = queries.leaving(request.organisation, begin, end)
    drafts = planning.planned(request.organisation, first, _beside(first, 1) - timedelta(days=1))
    days = {
        day: Day(day, day.month == first.month, day == today)
        for week in Calendar().monthdatescalendar(first.year, first.month)
        for day in week
    }
    for row, names in with_names(request.organisation, rows):
        days[row.campaign.due.astimezone(zone).date()].letters.append((row, names))
    for row, names in with_names(request.organisation, drafts):
        days[row.campaign.planned].drafts.append((row, names))
    facts = {
        "month": date_format(first, "F Y"),
        "days": list(days.values()),
        "weekdays": [date_format(day, "D") for day in list(days)[:7]],
        "count": len(rows) + len(drafts),
        "today": today,
        "here": f"{first:%Y-%m}",
        "before": _link(_beside(first, -1)),
        "after": _link(_beside(first, 1)),
        "is_now": (first.year, first.month) == (today.year, today.month),
    }
    if request.role in WRITERS:
        facts |= _plan_facts(request)
    return render(request, "web/campaigns/calendar.html", facts)


def _plan_facts(request: Any) -> dict[str, Any]:
    """For the form that gives a draft its day: the newest drafts, and the one that the address names."""
    rows = queries.newest(request.organisation, ("draft",), limit=DRAFTS)
    asked = reading.number(request.GET.get("plan", ""))
    if asked and asked not in {row.campaign.pk for row in rows}:
        found = letter_at(request, asked)
        rows += [queries.Row(found, draft_of(found).subject)] if found.state == "draft" else []
    chosen = next((row for row in rows if row.campaign.pk == asked), None)
    return {"drafts": rows, "chosen": chosen}


@deed(WRITERS)
def plan_day(request: Any) -> HttpResponse:
    """Gives a draft a day, or takes it away; back to the month of it."""
    told, asked = reading.number(request.POST.get("letter", "")), PlanForm(request.POST)
    month = request.POST.get("month", "")
    if told is None:
        messages.error(request, _("Choose a draft."))
        return _to_month(request, month)
    found = letter_at(request, told)
    taken = request.POST.get("take") == "off"
    day = None
    if not taken:
        if not asked.is_valid():
            messages.error(request, sentences(asked))
            return _to_month(request, month, told)
        day = asked.cleaned_data["day"]
    try:
        planning.plan(found, day, by=request.person, now=timezone.now())
    except CampaignError as refused:
        messages.error(request, str(refused))
        return _to_month(request, month, told)
    said = (
        _("It is planned for %(day)s. Nothing is sent by that.") % {"day": shaped(day, "day")}
        if day
        else _("It has no day any more.")
    )
    messages.success(request, said)
    return _to_month(request, f"{day:%Y-%m}" if day else month)


def _to_month(request: Any, month: str, plan: int | None = None) -> HttpResponse:
    asked = {"month": month if _MONTH.fullmatch(month) else "", "plan": plan}
    kept = {name: value for name, value in asked.items() if value}
    there = address(request.organisation, "calendar") + (f"?{urlencode(kept)}" if kept else "")
    return redirect(f"{there}#plan" if plan else there)


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
