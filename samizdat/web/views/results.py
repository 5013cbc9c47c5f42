"""A report as a file, and letters side by side: totals alone, none of fewer than twenty people."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.http import HttpResponse
from django.shortcuts import render

from samizdat.audience import queries as audience
from samizdat.campaigns import queries as campaigns
from samizdat.delivery import queries, sums
from samizdat.delivery.sums import FEWEST
from samizdat.web import reading, results
from samizdat.web.doors import EVERYONE, door, go
from samizdat.web.views.campaigns import letter_at

# Letters that are compared when nobody chose, at most, and offered.
SIDE_BY_SIDE, MOST, OFFERED = 8, 20, 50


@door(see=EVERYONE)
def report_file(request: Any, campaign_id: int) -> HttpResponse:
    found = letter_at(request, campaign_id)
    if found.state == "draft":
        return go(request, "campaign", campaign_id)
    return _file(results.letter_rows(found, queries.report(found)), f"letter-{found.pk}.csv")


@door(see=EVERYONE)
def compare(request: Any) -> HttpResponse:
    offered = campaigns.sent(request.organisation, FEWEST, OFFERED)
    asked = _asked(request)
    letters = campaigns.sent(request.organisation, FEWEST, MOST, asked) if asked else offered[:SIDE_BY_SIDE]
    lists = {found.id: found.name for found in audience.lists(request.organisation)}
    if request.GET.get("as") == "csv":
        zone = ZoneInfo(request.organisation.timezone)

        def day(at: datetime) -> str:
            return at.astimezone(zone).date().isoformat()

        return _file(results.compared_rows(letters, lists, day), "letters.csv")
    reached, left = results.drawings(letters)
    facts = {
        "rows": [_row(row, lists) for row in letters],
        "heads": results.heads(results.ON_PAGE),
        "reached": reached,
        "left": left,
        "offered": offered,
        "chosen": {row.campaign.pk for row in letters},
        "fewest": FEWEST,
        "query": "&".join(f"c={row.campaign.pk}" for row in letters),
    }
    return render(request, "web/campaigns/compare.html", facts)


def _asked(request: Any) -> list[int]:
    numbers = [reading.number(text) for text in request.GET.getlist("c")]
    return [found for found in numbers if found is not None][:MOST]


def _row(row: Any, lists: dict[int, str]) -> dict[str, Any]:
    counted = results.of_letter(row.campaign)
    cells = [
        (head, counted[name], 0 < counted[name] < FEWEST)
        for head, name in zip(results.heads(results.ON_PAGE), results.ON_PAGE, strict=True)
    ]
    return {
        "campaign": row.campaign,
        "subject": row.subject,
        "list": lists.get(row.campaign.list_id, ""),
        "cells": cells,
        "rate": results.per_thousand(row.campaign),
        "languages": [(one.name, one.counts.get("accepted", 0)) for one in sums.groups(row.campaign) if one.counts],
    }


def _file(rows: list[list[str]], name: str) -> HttpResponse:
    response = HttpResponse(results.file_of(rows), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response
