"""Templates that drafts can be written in, and what became of the emails of a time."""

from datetime import date
from typing import Literal

from django.utils import timezone
from django.utils.translation import gettext as _
from ninja import Query, Router, Schema

from samizdat.api.fields import NamedOut, NamesOut
from samizdat.api.keys import KeyAuth, KeyedRequest
from samizdat.api.problems import ApiProblem
from samizdat.api.shapes import ERRORS, ProblemOut
from samizdat.campaigns import queries
from samizdat.core.totals import FEWEST
from samizdat.incoming import deliverability
from samizdat.incoming.deliverability import Cells

templates = Router(tags=["Campaigns"])
reports = Router(tags=["Campaigns"])
READ = KeyAuth("campaigns:read")
EITHER = KeyAuth("campaigns:read", "campaigns:write")


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


@templates.get("", response={200: NamesOut, ERRORS: ProblemOut}, auth=EITHER, summary="Your own templates")
def all_templates(request: KeyedRequest) -> NamesOut:
    """In the order in which they were created."""
    pairs = queries.templates(request.auth.organization)
    return NamesOut(items=[NamedOut(id=number, name=name) for number, name in pairs])


@reports.get("", response={200: ReportOut, ERRORS: ProblemOut}, auth=READ, summary="What became of emails")
def get_report(request: KeyedRequest, asked: Query[ReportIn]) -> ReportOut:
    """Of the last 30, 90 or 365 days: bounces, complaints, replies and unsubscribes as totals. Only for a key that is
    bound to no list."""
    key = request.auth
    if key.lists:
        sentence = _("This report is of all lists, and the key is bound to some. Use a key for all lists.")
        raise ApiProblem(403, "key_bound", sentence)
    organization = key.organization
    shown = deliverability.report(organization, int(asked.days), organization.day_of(timezone.now()))
    by = {
        str(name): [GroupOut(key=str(each), totals=_totals(cells)) for each, cells in rows]
        for name, rows in shown.tables.items()
    }
    return ReportOut(since=shown.since, until=shown.until, fewest=FEWEST, total=_totals(shown.total), by=by)


def _totals(cells: Cells) -> dict[str, TotalOut]:
    return {str(name): TotalOut(count=cell.count, few=cell.few) for name, cell in cells.items()}
