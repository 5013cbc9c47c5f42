"""report: what became of the emails of a time, as totals."""

from typing import TYPE_CHECKING

import click

from samizdat.cli import bootstrap
from samizdat.cli.output import common, say, table
from samizdat.core.totals import FEWEST

if TYPE_CHECKING:
    from samizdat.incoming.deliverability import Cells, DeliverabilityReport

_HEADS = ("accepted", "bounced", "later hard", "later soft", "complaints", "replies", "unsubscribed")


@click.command("report")
@click.option("--days", type=click.Choice(["30", "90", "365"]), default="30", show_default=True, help="How far back.")
@common
def report(days: str) -> None:
    """Bounces, complaints, replies and unsubscribes of the campaigns that were sent in the last 30, 90 or 365 days, and
    of welcome emails.

    By week (over 365 days, by month), mailbox provider, sending domain, route and campaign. Everything counts for the
    email that it is about. Complaints, replies and unsubscribes of fewer than 20 people are hidden, and so are
    numbers that would reveal them.
    """
    bootstrap.open_house()
    from samizdat.incoming import deliverability

    organization = bootstrap.organization()
    shown = deliverability.report(organization, int(days), organization.day_of(bootstrap.now()))
    document = {
        "since": shown.since,
        "until": shown.until,
        "fewest": FEWEST,
        "total": _cells(shown.total),
        **{f"by_{name}": [{name: key, **_cells(cells)} for key, cells in rows] for name, rows in shown.tables.items()},
        "welcome": sorted({row.number for row in shown.seen.welcome}),
        "others": _cells(shown.others),
    }
    say(document, *_lines(shown))


def _cells(cells: "Cells") -> dict[str, object]:
    """count: None where it isn't said; few: since few people are behind it."""
    return {name: {"count": cell.count, "few": cell.few} for name, cell in cells.items()}


def _lines(shown: "DeliverabilityReport") -> list[str]:
    time = f"from {shown.since} to {shown.until}"
    lines = [f"Emails sent {time}: totals." if shown.seen.totals else f"No campaigns were sent {time}."]
    welcome = {row.number for row in shown.seen.welcome}
    for name, rows in shown.tables.items() if shown.seen.totals else ():
        texts = [(_name(key, welcome if name == "campaign" else set()), *_texts(cells)) for key, cells in rows]
        lines += ["", *table((name, *_HEADS), [*texts, ("total", *_texts(shown.total))])]
    if any(cell.count or cell.few for cell in shown.others.values()):
        lines += ["", *table(("about other emails", *_HEADS[2:5]), [("total", *_texts(shown.others)[2:5])])]
    return lines


def _name(key: object, welcome: set[int]) -> object:
    return "(no longer known)" if key == "" else f"{key} (welcome email)" if key in welcome else key


def _texts(cells: "Cells") -> tuple[str, ...]:
    return tuple(
        f"<{FEWEST}"
        if cell.few
        else "in its report"
        if cell.elsewhere
        else "hidden"
        if cell.count is None
        else f"{cell.count:,}"
        for cell in cells.values()
    )
