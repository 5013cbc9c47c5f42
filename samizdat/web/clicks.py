"""How often the links of a letter were pressed: sums of links and days, none of fewer than twenty."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.utils.translation import gettext as _

from samizdat import wording
from samizdat.campaigns import counting, languages
from samizdat.campaigns.draft import draft_of
from samizdat.core.contest import NAMES
from samizdat.web import charts
from samizdat.web.contests import FEWEST, shown

# Links of the picture; the table has all of them.
MOST_BARS = 12

type Span = tuple[date, date, int]


@dataclass(frozen=True, slots=True)
class Row:
    """number: of the link in the letter, with its version where there are several. spans: by days; none where few."""

    number: str
    url: str
    total: int
    spans: list[Span]

    @property
    def few(self) -> bool:
        return 0 < self.total < FEWEST


def counted(campaign: Any) -> bool:
    return draft_of(campaign).links == "counted"


def spans(days: Mapping[date, int]) -> list[Span]:
    """(first day, last day, presses): days of fewer than twenty stand together with those beside them, so that none of
    the small numbers can be worked out of the sum. [] where all together are fewer.
    """
    found: list[Span] = []
    begun: Span | None = None
    for day, count in sorted(days.items()):
        begun = (begun[0] if begun else day, day, (begun[2] if begun else 0) + count)
        if begun[2] >= FEWEST:
            found.append(begun)
            begun = None
    if begun and found:
        first, _last, count = found.pop()
        found.append((first, begun[1], count + begun[2]))
    return found


def links(campaign: Any) -> list[Row]:
    """In the order of the letter, version by version."""
    if not counted(campaign):
        return []
    found = counting.pressed(campaign.edition)
    several = len({one.place for one in found}) > 1
    names = [wording.language(code) + " " for code in languages.frozen_in(campaign.edition.pk)] or NAMES
    places: dict[int, int] = {}
    told = []
    for one in found:
        number = places[one.place] = places.get(one.place, 0) + 1
        name = f"{names[one.place]}{number}" if several else str(number)
        told.append(Row(name, one.url, one.total, spans(one.days)))
    return told


def table(campaign: Any) -> dict[str, Any] | None:
    """rows and their picture; None where the letter counts nothing."""
    if not counted(campaign):
        return None
    rows = links(campaign)
    loud = sorted((row for row in rows if row.total >= FEWEST), key=lambda row: -row.total)[:MOST_BARS]
    drawn = [(_("Link %(number)s") % {"number": row.number}, (float(row.total),)) for row in rows if row in loud]
    return {
        "rows": rows,
        "bars": charts.bars(drawn) if drawn else None,
        "by_day": [row for row in rows if row.spans],
        "fewest": FEWEST,
    }


def rows(campaign: Any) -> list[list[str]]:
    """Part, name, presses: for the file of a report."""
    found = links(campaign)
    told = [[_("link"), f"{row.number}: {row.url}", shown(row.total)] for row in found]
    return told + [
        [_("link by days"), f"{row.number}: {first.isoformat()} – {last.isoformat()}", str(count)]
        for row in found
        for first, last, count in row.spans
    ]
