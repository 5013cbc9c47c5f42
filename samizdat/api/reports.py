"""What became of the emails of a time."""

from datetime import date
from typing import Literal

from django.utils import timezone
from ninja import Query, Router, Schema

from samizdat.api.keys import KeyAuth, KeyedRequest, insist_on_all_lists
from samizdat.api.shapes import ERRORS, ProblemOut
from samizdat.core.totals import FEWEST
from samizdat.incoming import deliverability
from samizdat.incoming.deliverability import Cells

reports = Router(tags=["Campaigns"])
READ = KeyAuth("campaigns:read")


class TotalOut(Schema):
    """count: null where it isn't shown. few: since fewer than `fewest` people are behind it."""

    count: int | None
    few: bool


class GroupOut(Schema):
    """key: the day or month, mailbox provider, domain, route, or number of a campaign. totals: by what is counted."""

    key: str
    totals: dict[str, TotalOut]


class ReportOut(Schema):
    """by: groups of each kind."""

    since: date
    until: date
    fewest: int
    total: dict[str, TotalOut]
    by: dict[str, list[GroupOut]]


class ReportIn(Schema):
    days: Literal["30", "90", "365"] = "30"


@reports.get("", response={200: ReportOut, ERRORS: ProblemOut}, auth=READ, summary="What became of emails")
def get_report(request: KeyedRequest, asked: Query[ReportIn]) -> ReportOut:
    """Of the last 30, 90 or 365 days: bounces, complaints, replies and unsubscribes as totals. Only for a key that is
    bound to no list."""
    key = request.auth
    insist_on_all_lists(key)
    organization = key.organization
    shown = deliverability.report(organization, int(asked.days), organization.day_of(timezone.now()))
    by = {
        str(name): [GroupOut(key=str(each), totals=_totals(cells)) for each, cells in rows]
        for name, rows in shown.tables.items()
    }
    return ReportOut(since=shown.since, until=shown.until, fewest=FEWEST, total=_totals(shown.total), by=by)


def _totals(cells: Cells) -> dict[str, TotalOut]:
    return {str(name): TotalOut(count=cell.count, few=cell.few) for name, cell in cells.items()}
