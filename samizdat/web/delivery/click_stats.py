"""How often the links of a letter were pressed and the answers to its question given, as tables, pictures and rows."""

from typing import Any

from django.utils.translation import gettext as _

from samizdat.campaigns.edition_details import counted_versions
from samizdat.campaigns.models import Campaign
from samizdat.core import totals
from samizdat.delivery import click_stats
from samizdat.delivery.click_stats import FEW
from samizdat.web import charts

# Links of the picture; the table has all of them.
MOST_BARS = 12


def table(campaign: Campaign) -> dict[str, object] | None:
    """rows and their picture; None where the letter counts nothing."""
    if not click_stats.counted(campaign):
        return None
    rows = click_stats.links(campaign)
    loud = sorted((row for row in rows if row.total and not row.few), key=lambda row: -row.total)[:MOST_BARS]
    drawn = [(_("Link %(number)s") % {"number": row.number}, (float(row.total),)) for row in rows if row in loud]
    return {
        "rows": rows,
        "bars": charts.bars(drawn) if drawn else None,
        "by_day": [row for row in rows if row.spans],
        "floor": totals.FLOOR,
        "uncounted": bool(rows) and not counted_versions(campaign.edition),
    }


def _in(version: str) -> str:
    return f" ({version})" if version else ""


def rows(campaign: Campaign) -> list[list[str]]:
    """Part, name, presses: for the file of a report."""
    links = click_stats.links(campaign)
    lines = [[_("link"), f"{row.number}: {row.url}{_in(row.version)}", row.shown_total] for row in links]
    return lines + [
        [_("link by day"), f"{row.number}: {first.isoformat()} – {last.isoformat()}", str(count)]
        for row in links
        for first, last, count in row.spans
    ]


def asked(campaign: Campaign) -> list[dict[str, Any]]:
    """The question of each version, its answers with how often they were given, and their picture."""
    questions = []
    for question in click_stats.questions(campaign):
        loud = [
            (_("Answer %(number)s") % {"number": at}, (float(count),))
            for at, (_answer, count, few) in enumerate(question.answers, 1)
            if count and not few
        ]
        questions.append(
            {
                "version": question.version,
                "number": question.place,
                "question": question.question,
                "rows": question.answers,
                "bars": charts.bars(loud) if loud else None,
                "total": question.total,
                "uncounted": not counted_versions(campaign.edition),
                "floor": totals.FLOOR,
            }
        )
    return questions


def answer_rows(campaign: Campaign) -> list[list[str]]:
    """Part, name, how often: for the file of a report."""
    return [
        [_("answer"), answer + _in(question.version), FEW if few else str(count)]
        for question in click_stats.questions(campaign)
        for answer, count, few in question.answers
    ]
