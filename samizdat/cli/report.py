"""report: what became of the campaigns of a time, as totals."""

from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING

import click

from samizdat.cli import bootstrap
from samizdat.cli.output import common, say, table
from samizdat.core.totals import FEWEST

if TYPE_CHECKING:
    from samizdat.incoming.deliverability import Cells

_HEADS = ("accepted", "bounced", "later hard", "later soft", "complaints", "replies", "unsubscribed")


@click.command("report")
@click.option("--days", type=click.Choice(["30", "90", "365"]), default="30", show_default=True, help="How far back.")
@common
def report(days: str) -> None:
    """Bounces, complaints, replies and unsubscribes of the campaigns that were sent in the last 30, 90 or 365 days.

    By week (over 365 days, by month), mailbox provider, sending domain, route and campaign. Everything counts for the
    campaign that it is about. Complaints, replies and unsubscribes of fewer than 20 people are hidden, and so are
    numbers that would reveal them.
    """
    bootstrap.open_house()
    from samizdat.incoming import deliverability
    from samizdat.incoming.deliverability import BY_EMAIL

    organization, span = bootstrap.organization(), int(days)
    until = organization.day_of(bootstrap.now())
    since = deliverability.since(span, until)
    seen = deliverability.deliverability(organization, since, until)
    periods = {max(first, since): figures for first, figures in seen.by_period(span).items()}
    campaigns = {row.number: row.figures for row in seen.campaigns}
    groups: dict[str, list[tuple[date | str | int, Cells]]] = {
        "from": [*deliverability.table(periods, seen.totals).rows],
        "provider": [*deliverability.table(seen.by_provider, seen.totals, BY_EMAIL).rows],
        "domain": [*deliverability.table(seen.by_domain, seen.totals).rows],
        "route": [*deliverability.table(seen.by_route, seen.totals, BY_EMAIL).rows],
        "campaign": [*deliverability.table(campaigns, seen.totals).rows],
    }
    total = deliverability.table({}, seen.totals).total
    document = {
        "since": since,
        "until": until,
        "fewest": FEWEST,
        "total": _cells(total),
        **{f"by_{'period' if name == 'from' else name}": _group(name, rows) for name, rows in groups.items()},
    }
    say(document, *_lines(since, until, total, groups))


def _group(name: str, rows: list[tuple[date | str | int, "Cells"]]) -> list[dict[str, object]]:
    return [{name: key, **_cells(cells)} for key, cells in rows]


def _cells(cells: "Cells") -> dict[str, object]:
    """count: None where it isn't said; few: since few people are behind it."""
    return {name: {"count": cell.count, "few": cell.few} for name, cell in cells.items()}


def _lines(
    since: date, until: date, total: "Cells", groups: Mapping[str, list[tuple[date | str | int, "Cells"]]]
) -> list[str]:
    if not groups["campaign"]:
        return [f"No campaigns were sent from {since} to {until}."]
    lines = [f"Campaigns sent from {since} to {until}: totals."]
    for name, rows in groups.items():
        shown = [(key if key != "" else "(no longer known)", *_texts(cells)) for key, cells in rows]
        heads = _HEADS[: len(shown[0]) - 1] if shown else _HEADS
        lines += ["", *table((name, *heads), [*shown, ("total", *_texts(total)[: len(heads)])])]
    return lines


def _texts(cells: "Cells") -> tuple[str, ...]:
    return tuple(
        f"<{FEWEST}" if cell.few else "hidden" if cell.count is None else f"{cell.count:,}" for cell in cells.values()
    )
