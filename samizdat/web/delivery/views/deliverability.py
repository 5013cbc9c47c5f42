"""How email arrives: what bounced, at once and later, was complained about and answered, over a time. Totals alone."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date

from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from django.utils.translation import pgettext_lazy

from samizdat.accounts.models import Organization
from samizdat.campaigns import queries as campaigns
from samizdat.core.mail import complaint_rules
from samizdat.core.totals import FEWEST
from samizdat.formatting import grouped, percent, shaped
from samizdat.incoming import deliverability, queries
from samizdat.incoming.deliverability import SPANS, Cell, Cells, DeliverabilityReport, Grouping, Key, Measure
from samizdat.web import labels
from samizdat.web.charts import ComplaintChart, ComplaintPoint, complaint_chart
from samizdat.web.permissions import EVERYONE, door
from samizdat.web.request import DeskRequest

# Campaigns with a row of their own.
CAMPAIGNS = 25

HEADS: dict[Measure, labels.Word] = {
    "accepted": pgettext_lazy("books", "accepted"),
    "bounced": pgettext_lazy("books", "bounced"),
    "hard": lazy("bounced later: address doesn’t exist"),
    "soft": lazy("bounced later: full or unavailable"),
    "complaint": lazy("complaints"),
    "reply": lazy("replies"),
    "unsubscribed": pgettext_lazy("column", "unsubscribed"),
}
# Title of each table, and of its first column.
WORDS: dict[Grouping, tuple[labels.Word, labels.Word]] = {
    "period": (lazy("By week"), lazy("Week from")),
    "provider": (lazy("By mailbox provider"), lazy("Mailbox provider")),
    "domain": (lazy("By sending domain"), lazy("Domain")),
    "route": (lazy("By sending route"), lazy("Route")),
    "campaign": (lazy("By campaign"), lazy("Campaign")),
}
BY_MONTH = lazy("By month"), lazy("Month from")
# Gmail tells senders of no single complaint (support.google.com/mail/answer/6254652): none says nothing there.
SILENT = "gmail"
STATES = {"": "", "alarm": "care", "stop": "stop"}


@dataclass(frozen=True, slots=True)
class ShownCell:
    """state: a class of the house style. note: under the number."""

    head: str
    text: str
    note: str = ""
    state: str = ""
    is_minor: bool = False


@dataclass(frozen=True, slots=True)
class ShownRow:
    name: str
    cells: list[ShownCell]
    href: int | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class ShownTable:
    id: str
    title: str
    head: str
    heads: list[str]
    rows: list[ShownRow]
    total: list[ShownCell]
    note: str = ""


@door(see=EVERYONE)
def page(request: DeskRequest) -> HttpResponse:
    organization, asked = request.organization, request.GET.get("days", "")
    days = int(asked) if asked in map(str, SPANS) else SPANS[0]
    report = deliverability.report(organization, days, organization.day_of(timezone.now()), CAMPAIGNS)
    facts = {
        "report": report,
        "spans": SPANS,
        "fewest": FEWEST,
        "is_heard": queries.last_received(organization) is not None,
        "sums": _cells(report.total),
        "others": _cells({name: cell for name, cell in report.others.items() if cell.count or cell.few}),
        "chart": _chart(report) if report.seen.totals else None,
        "tables": _tables(organization, report) if report.seen.totals else [],
    }
    return render(request, "web/deliverability.html", facts)


def _tables(organization: Organization, report: DeliverabilityReport) -> list[ShownTable]:
    heads, total = [str(word) for word in HEADS.values()], _cells(report.total)
    shown = []
    for grouping, rows in report.tables.items():
        title, head = BY_MONTH if grouping == "period" and report.days == SPANS[-1] else WORDS[grouping]
        row_of = _campaign_row(organization, report) if grouping == "campaign" else _row(grouping)
        table = ShownTable(grouping, str(title), str(head), heads, [row_of(*row) for row in rows], total)
        shown.append(table if all(key != "" for key, _row in rows) else _with_note(table))
    return shown


def _row(grouping: Grouping) -> Callable[[Key, Cells], ShownRow]:
    def row_of(key: Key, cells: Cells) -> ShownRow:
        if key == "":
            return ShownRow(_("no longer known"), _cells(cells))
        if grouping == "provider":
            return ShownRow(labels.provider(str(key)), _cells(cells, is_silent=key == SILENT))
        return ShownRow(shaped(key, "short") if isinstance(key, date) else str(key), _cells(cells))

    return row_of


def _campaign_row(organization: Organization, report: DeliverabilityReport) -> Callable[[Key, Cells], ShownRow]:
    numbers = [int(str(key)) for key, _cells_of in report.tables["campaign"] if key]
    named = {row.campaign.pk: row.subject for row in campaigns.sent(organization, 0, len(numbers), numbers)}
    days = {row.number: shaped(row.day, "day") for row in report.seen.campaigns}

    def row_of(key: Key, cells: Cells) -> ShownRow:
        if not key:
            return ShownRow(_("Earlier campaigns"), _cells(cells))
        number = int(str(key))
        return ShownRow(named.get(number, ""), _cells(cells), number, days.get(number, _("Welcome email")))

    return row_of


def _with_note(table: ShownTable) -> ShownTable:
    return replace(table, note=_("No longer known: the subscriber or the record of their email was deleted."))


def _cells(cells: Cells, is_silent: bool = False) -> list[ShownCell]:
    return [_cell(name, cell, is_silent) for name, cell in cells.items()]


def _cell(name: Measure, cell: Cell, is_silent: bool) -> ShownCell:
    head, state = str(HEADS[name]), STATES[cell.line]
    if cell.elsewhere:
        return ShownCell(head, _("in its report"))
    if is_silent and name == "complaint" and not cell.count and not cell.few:
        return ShownCell(head, _("not reported"))
    if cell.count is None:
        line = {"alarm": complaint_rules.ALARM, "stop": complaint_rules.STOP}.get(cell.line)
        note = _("%(share)s or more") % {"share": percent(round(1000 * line.share), 1000)} if line else ""
        return ShownCell(head, f"< {grouped(FEWEST)}" if cell.few else _("hidden"), note, state)
    share = percent(cell.count, cell.whole, 2) if cell.whole and cell.count else ""
    return ShownCell(head, grouped(cell.count), share, state, not cell.count)


def _chart(report: DeliverabilityReport) -> ComplaintChart | None:
    points = []
    for key, cells in report.tables["period"]:
        accepted, complaints = cells["accepted"].count or 0, cells["complaint"]
        if accepted and isinstance(key, date):
            hidden = complaint_rules.between(complaints.line, accepted) if complaints.count is None else None
            points.append(ComplaintPoint(key, (complaints.count or 0) / accepted, hidden))
    return complaint_chart(points)
