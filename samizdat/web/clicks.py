"""How often the links of a letter were pressed and the answers to its question given: sums, none below twenty."""

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
from samizdat.web.contests import FEW, FEWEST, nobody, shown, too_few

# Links of the picture; the table has all of them.
MOST_BARS = 12

type Span = tuple[date, date, int]


@dataclass(frozen=True, slots=True)
class Row:
    """version: of the letter that it stands in, "" where there is one. spans: by days; none where few. few: the sum is
    not said, since it is small or few people got that version.
    """

    number: int
    version: str
    url: str
    total: int
    spans: list[Span]
    few: bool

    @property
    def said(self) -> str:
        return FEW if self.few else shown(self.total)


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
    nowhere = nobody(campaign)
    # Who has to be tried again may get a version that nobody was frozen for.
    found = [one for one in counting.pressed(campaign.edition) if one.total or one.place not in nowhere]
    names, quiet = _versions(campaign.edition, {one.place for one in found}), too_few(campaign)
    return [
        Row(
            number,
            names[one.place],
            one.url,
            one.total,
            spans(one.days) if one.place not in quiet else [],
            0 < one.total < FEWEST or one.place in quiet,
        )
        for number, one in enumerate(found, start=1)
    ]


def _versions(edition: Any, places: set[int]) -> dict[int, str]:
    """What versions of these places are called; "" where there is one."""
    if len(places) < 2:
        return dict.fromkeys(places, "")
    spoken = [wording.language(code) for code in languages.frozen_in(edition.pk)]
    return {place: (spoken or NAMES)[place] for place in places}


def table(campaign: Any) -> dict[str, Any] | None:
    """rows and their picture; None where the letter counts nothing."""
    if not counted(campaign):
        return None
    rows = links(campaign)
    loud = sorted((row for row in rows if row.total and not row.few), key=lambda row: -row.total)[:MOST_BARS]
    drawn = [(_("Link %(number)s") % {"number": row.number}, (float(row.total),)) for row in rows if row in loud]
    return {
        "rows": rows,
        "bars": charts.bars(drawn) if drawn else None,
        "by_day": [row for row in rows if row.spans],
        "fewest": FEWEST,
    }


def _in(version: str) -> str:
    return f" ({version})" if version else ""


def rows(campaign: Any) -> list[list[str]]:
    """Part, name, presses: for the file of a report."""
    found = links(campaign)
    told = [[_("link"), f"{row.number}: {row.url}{_in(row.version)}", row.said] for row in found]
    return told + [
        [_("link by days"), f"{row.number}: {first.isoformat()} – {last.isoformat()}", str(count)]
        for row in found
        for first, last, count in row.spans
    ]


def asked(campaign: Any) -> list[dict[str, Any]]:
    """The question of each version, its answers with how often they were given, and their picture."""
    found = _asked(campaign)
    names = _versions(campaign.edition, {one.place for one in found}) if found else {}
    quiet, told = too_few(campaign) if found else set(), []
    for one in found:
        rows = [(answer, count, 0 < count < FEWEST or one.place in quiet) for answer, count in one.answers]
        loud = [
            (_("Answer %(number)s") % {"number": at}, (float(count),))
            for at, (_answer, count, few) in enumerate(rows, 1)
            if count and not few
        ]
        told.append(
            {
                "version": names[one.place],
                "number": one.place,
                "question": one.question,
                "rows": rows,
                "bars": charts.bars(loud) if loud else None,
                # With one that is not said, the sum would say it.
                "total": None if any(few for _answer, _count, few in rows) else sum(count for _a, count in one.answers),
            }
        )
    return told


def _asked(campaign: Any) -> list[counting.Asked]:
    edition = getattr(campaign, "edition", None)
    found = counting.answers(edition) if edition else []
    nowhere = nobody(campaign) if found else set()
    return [one for one in found if one.place not in nowhere or any(count for _answer, count in one.answers)]


def answer_rows(campaign: Any) -> list[list[str]]:
    """Part, name, how often: for the file of a report."""
    found = _asked(campaign)
    names = _versions(campaign.edition, {one.place for one in found}) if found else {}
    quiet = too_few(campaign) if found else set()
    return [
        [_("answer"), answer + _in(names[one.place]), FEW if one.place in quiet else shown(count)]
        for one in found
        for answer, count in one.answers
    ]
