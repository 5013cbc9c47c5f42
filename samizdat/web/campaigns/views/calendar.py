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

from samizdat import dbclock
from samizdat.campaigns import calendar as planning
from samizdat.campaigns import queries
from samizdat.campaigns.drafts.draft import draft_of
from samizdat.campaigns.errors import CampaignError
from samizdat.formatting import shaped
from samizdat.web import params
from samizdat.web.base_form import sentences
from samizdat.web.campaigns.forms.campaigns import CalendarForm
from samizdat.web.campaigns.views.campaigns import letter_at, with_names
from samizdat.web.permissions import EVERYONE, WRITERS, address, deed, door
from samizdat.web.request import DeskRequest

# Drafts that the form of the calendar offers; an older one has a link to it on its own page.
DRAFTS = 50
_MONTH = re.compile(r"(20\d\d)-(0[1-9]|1[0-2])", re.ASCII)


@dataclass(slots=True)
class CalendarDay:
    """letters: (campaign row, names) in the order in which they leave. drafts: likewise, of those that are planned for
    it. is_inside: of the month that is shown.
    """

    day: date
    is_inside: bool
    is_today: bool
    letters: list[Any] = field(default_factory=list)
    drafts: list[Any] = field(default_factory=list)


@door(see=EVERYONE)
def calendar(request: DeskRequest) -> HttpResponse:
    zone = ZoneInfo(request.organization.timezone)
    today = dbclock.asked().astimezone(zone).date()
    first = _first(request.GET.get("month", ""), today)
    begin, end = (datetime(day.year, day.month, 1, tzinfo=zone) for day in (first, _beside(first, 1)))
    rows = queries.leaving(request.organization, begin, end)
    drafts = planning.planned(request.organization, first, _beside(first, 1) - timedelta(days=1))
    days = {
        day: CalendarDay(day, day.month == first.month, day == today)
        for week in Calendar().monthdatescalendar(first.year, first.month)
        for day in week
    }
    for row, names in with_names(request.organization, rows):
        assert row.campaign.not_before is not None
        days[row.campaign.not_before.astimezone(zone).date()].letters.append((row, names))
    for row, names in with_names(request.organization, drafts):
        assert row.campaign.planned is not None
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


def _plan_facts(request: DeskRequest) -> dict[str, object]:
    """For the form that gives a draft its day: the newest drafts, and the one that the address names."""
    rows = queries.newest(request.organization, ("draft",), limit=DRAFTS)
    asked = params.number(request.GET.get("plan", ""))
    if asked and asked not in {row.campaign.pk for row in rows}:
        campaign = letter_at(request, asked)
        rows += [queries.CampaignRow(campaign, draft_of(campaign).subject)] if campaign.state == "draft" else []
    chosen = next((row for row in rows if row.campaign.pk == asked), None)
    return {"drafts": rows, "chosen": chosen}


@deed(WRITERS)
def plan_day(request: DeskRequest) -> HttpResponse:
    """Gives a draft a day, or takes it away; back to the month of it."""
    campaign_id, asked = params.number(request.POST.get("letter", "")), CalendarForm(request.POST)
    month = request.POST.get("month", "")
    if campaign_id is None:
        messages.error(request, _("Choose a draft."))
        return _to_month(request, month)
    campaign = letter_at(request, campaign_id)
    taken = request.POST.get("take") == "off"
    day = None
    if not taken:
        if not asked.is_valid():
            messages.error(request, sentences(asked))
            return _to_month(request, month, campaign_id)
        day = asked.cleaned_data["day"]
    try:
        planning.plan(campaign, day, by=request.person, now=timezone.now())
    except CampaignError as refused:
        messages.error(request, str(refused))
        return _to_month(request, month, campaign_id)
    sentence = (
        _("Planned for %(day)s. This doesn’t send anything.") % {"day": shaped(day, "day")}
        if day
        else _("Date cleared.")
    )
    messages.success(request, sentence)
    return _to_month(request, f"{day:%Y-%m}" if day else month)


def _to_month(request: DeskRequest, month: str, plan: int | None = None) -> HttpResponse:
    asked = {"month": month if _MONTH.fullmatch(month) else "", "plan": plan}
    kept = {name: value for name, value in asked.items() if value}
    there = address(request.organization, "calendar") + (f"?{urlencode(kept)}" if kept else "")
    return redirect(f"{there}#plan" if plan else there)


def _first(asked: str, today: date) -> date:
    """The first day of the month that was asked for; of this one where it is none."""
    match = _MONTH.fullmatch(asked)
    return date(int(match[1]), int(match[2]), 1) if match else today.replace(day=1)


def _beside(first: date, way: int) -> date:
    """The first day of the next month, or of the one before."""
    return (first + timedelta(days=31) if way > 0 else first - timedelta(days=1)).replace(day=1)


def _link(first: date) -> tuple[str, str] | None:
    """(value for the address, name) of a month that can be looked at."""
    return (f"{first:%Y-%m}", date_format(first, "F Y")) if first.year in dbclock.YEARS else None
