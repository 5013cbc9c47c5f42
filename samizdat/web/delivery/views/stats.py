"""A report as a file, and letters side by side: totals alone, none of fewer than twenty people."""

from datetime import datetime
from zoneinfo import ZoneInfo

from django.http import HttpResponse
from django.shortcuts import render

from samizdat.audience import queries as audience
from samizdat.campaigns import queries as campaigns
from samizdat.campaigns.queries import CampaignRow
from samizdat.core.totals import FEWEST
from samizdat.delivery import click_stats, queries
from samizdat.web import params
from samizdat.web.campaigns.views.campaigns import letter_at
from samizdat.web.delivery import stats
from samizdat.web.permissions import EVERYONE, door, go
from samizdat.web.request import DeskRequest

# Letters that are compared when nobody chose, at most, and offered.
SIDE_BY_SIDE, MOST, OFFERED = 8, 20, 50


@door(see=EVERYONE)
def report_file(request: DeskRequest, campaign_id: int) -> HttpResponse:
    campaign = letter_at(request, campaign_id)
    if campaign.state == "draft":
        return go(request, "campaign", campaign_id)
    return _file(stats.letter_rows(campaign, queries.report(campaign)), f"letter-{campaign.pk}.csv")


@door(see=EVERYONE)
def compare(request: DeskRequest) -> HttpResponse:
    offered = campaigns.sent(request.organization, FEWEST, OFFERED)
    asked = _asked(request)
    letters = campaigns.sent(request.organization, FEWEST, MOST, asked) if asked else offered[:SIDE_BY_SIDE]
    lists = audience.list_names(request.organization)
    if request.GET.get("as") == "csv":
        zone = ZoneInfo(request.organization.timezone)

        def day(at: datetime) -> str:
            return at.astimezone(zone).date().isoformat()

        return _file(stats.compared_rows(letters, lists, day), "letters.csv")
    reached, left = stats.drawings(letters)
    facts = {
        "rows": [_row(row, lists) for row in letters],
        "heads": stats.heads(stats.ON_PAGE),
        "reached": reached,
        "left": left,
        "offered": offered,
        "chosen": {row.campaign.pk for row in letters},
        "fewest": FEWEST,
        "query": "&".join(f"c={row.campaign.pk}" for row in letters),
    }
    return render(request, "web/campaigns/compare.html", facts)


def _asked(request: DeskRequest) -> list[int]:
    numbers = [params.number(text) for text in request.GET.getlist("c")]
    return [number for number in numbers if number is not None][:MOST]


def _row(row: CampaignRow, lists: dict[int, str]) -> dict[str, object]:
    counted = stats.of_letter(row.campaign)
    cells = [
        (head, counted[name], 0 < counted[name] < FEWEST)
        for head, name in zip(stats.heads(stats.ON_PAGE), stats.ON_PAGE, strict=True)
    ]
    return {
        "campaign": row.campaign,
        "subject": row.subject,
        "list": lists.get(row.campaign.list_id, ""),
        "cells": cells,
        "rate": stats.per_thousand(row.campaign),
        "languages": [
            (group.name, group.counts.get("accepted", 0)) for group in click_stats.groups(row.campaign) if group.counts
        ],
    }


def _file(rows: list[list[str]], name: str) -> HttpResponse:
    response = HttpResponse(stats.file_of(rows), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response
