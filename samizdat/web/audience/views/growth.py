"""How a list grows: who joined, left, or was found dead, by day and by the way they came or went. Sums alone."""

from collections import Counter
from datetime import UTC, timedelta

from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone

from samizdat.audience import queries
from samizdat.audience.queries.counts import GrowthCount
from samizdat.web.audience.field_types import MOVED_BY
from samizdat.web.charts import NARROW, growth_chart
from samizdat.web.permissions import EVERYONE, door
from samizdat.web.request import DeskRequest

# Days that can be looked at.
SPANS = (30, 90, 365)


@door(see=EVERYONE)
def growth(request: DeskRequest) -> HttpResponse:
    """The last days of one list or of all."""
    organization = request.organization
    lists = queries.lists(organization)
    chosen = next((list_view for list_view in lists if str(list_view.id) == request.GET.get("list", "")), None)
    asked = request.GET.get("days", "")
    days = int(asked) if asked in map(str, SPANS) else SPANS[0]
    until = timezone.now().astimezone(UTC).date()
    since = until - timedelta(days=days - 1)
    among = queries.list_by_id(organization, chosen.id) if chosen else None
    rows = queries.growth(organization, since, until, among)
    moved = [] if among else [row for row in rows if row.way == "moved"]
    # Of all lists together nobody came or went by a move.
    rows = [row for row in rows if among or row.way != "moved"]
    bars = [(row.day, row.joined, row.left, row.cleaned) for row in rows]
    facts = {
        "lists": lists,
        "chosen": chosen,
        "days": days,
        "spans": SPANS,
        "chart": growth_chart(bars, since, until),
        "narrow": growth_chart(bars, since, until, NARROW),
        "ways": _by_way(rows),
        "sums": [sum(getattr(row, name) for row in rows) for name in ("joined", "left", "cleaned")],
        "moved": (sum(row.joined for row in moved), sum(row.left for row in moved)) if moved else None,
        "since": since,
        "until": until,
    }
    return render(request, "web/audience/growth.html", facts)


def _by_way(rows: list[GrowthCount]) -> list[tuple[object, int, int, int]]:
    """(word, joined, left, cleaned) of each way, the largest first."""
    sums: dict[str, Counter[str]] = {}
    for row in rows:
        sums.setdefault(row.way, Counter()).update(joined=row.joined, left=row.left, cleaned=row.cleaned)
    by_way = [(MOVED_BY[way], entry["joined"], entry["left"], entry["cleaned"]) for way, entry in sums.items()]
    return sorted(by_way, key=lambda entry: -sum(entry[1:]))
