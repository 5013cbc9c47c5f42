"""How email arrives: what bounced, at once and later, was complained about and answered, over a time. Totals alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
from samizdat.incoming.deliverability import BY_EMAIL, MEASURES, SPANS, Cell, Cells, Deliverability, Figures, Measure
from samizdat.web import labels
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
# Gmail tells senders of no single complaint (support.google.com/mail/answer/6254652): none says nothing there.
SILENT = "gmail"
_UNKNOWN = lazy("no longer known")
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
    until = organization.day_of(timezone.now())
    since = deliverability.since(days, until)
    seen = deliverability.deliverability(organization, since, until)
    facts = {
        "days": days,
        "spans": SPANS,
        "since": since,
        "until": until,
        "fewest": FEWEST,
        "has_welcome": seen.has_welcome,
        "is_heard": queries.last_received(organization) is not None,
        "sums": _cells(deliverability.table({}, seen.totals).total),
        "tables": _tables(organization, seen, days, since) if seen.campaigns else [],
    }
    return render(request, "web/deliverability.html", facts)


def _tables(organization: Organization, seen: Deliverability, days: int, since: date) -> list[ShownTable]:
    over_time = (_("By month"), _("Month from")) if days == SPANS[-1] else (_("By week"), _("Week from"))
    periods = {shaped(max(first, since), "short"): figures for first, figures in seen.by_period(days).items()}
    providers = {labels.provider(word) if word else str(_UNKNOWN): row for word, row in seen.by_provider.items()}
    routes = {name or str(_UNKNOWN): row for name, row in seen.by_route.items()}
    return [
        _table("time", over_time, periods, seen.totals),
        _table("provider", (_("By mailbox provider"), _("Mailbox provider")), providers, seen.totals, BY_EMAIL),
        _table("domain", (_("By sending domain"), _("Domain")), seen.by_domain, seen.totals),
        _table("route", (_("By sending route"), _("Route")), routes, seen.totals, BY_EMAIL),
        _by_campaign(organization, seen),
    ]


def _table(
    id: str,
    words: tuple[str, str],
    rows: Mapping[str, Figures],
    totals: Figures,
    measures: Sequence[Measure] = MEASURES,
) -> ShownTable:
    """words: title of the table, and of its first column."""
    table = deliverability.table(rows, totals, measures)
    shown = [ShownRow(name, _cells(cells, is_silent=name == labels.provider(SILENT))) for name, cells in table.rows]
    notes = [_("Unsubscribes are counted by campaign, so they aren’t in this table.")] if measures is BY_EMAIL else []
    if str(_UNKNOWN) in rows:
        notes.append(_("No longer known: the subscriber or the record of their email was deleted."))
    return ShownTable(id, *words, [str(HEADS[name]) for name in measures], shown, _cells(table.total), " ".join(notes))


def _by_campaign(organization: Organization, seen: Deliverability) -> ShownTable:
    newest, earlier = seen.campaigns[:CAMPAIGNS], seen.campaigns[CAMPAIGNS:]
    rows: dict[int, Figures] = {row.number: row.figures for row in newest}
    if earlier:
        rows[0] = Deliverability(earlier).totals
    table = deliverability.table(rows, seen.totals)
    named = {row.campaign.pk: row for row in campaigns.sent(organization, 0, CAMPAIGNS, rows)}
    days = {row.number: row.day for row in newest}
    shown = [
        ShownRow(named[number].subject, _cells(cells), number, shaped(days[number], "day"))
        if number
        else ShownRow(_("Earlier campaigns"), _cells(cells))
        for number, cells in table.rows
        if number in named or not number
    ]
    heads = [str(HEADS[name]) for name in MEASURES]
    return ShownTable("campaign", _("By campaign"), _("Campaign"), heads, shown, _cells(table.total))


def _cells(cells: Cells, is_silent: bool = False) -> list[ShownCell]:
    return [_cell(name, cell, is_silent) for name, cell in cells.items()]


def _cell(name: Measure, cell: Cell, is_silent: bool) -> ShownCell:
    head, state = str(HEADS[name]), STATES[cell.line]
    if is_silent and name == "complaint" and not cell.count and not cell.few:
        return ShownCell(head, _("not reported"))
    if cell.count is None:
        line = {"alarm": complaint_rules.ALARM, "stop": complaint_rules.STOP}.get(cell.line)
        note = _("%(share)s or more") % {"share": percent(round(1000 * line.share), 1000)} if line else ""
        return ShownCell(head, f"< {grouped(FEWEST)}" if cell.few else _("hidden"), note, state)
    share = percent(cell.count, cell.whole, 2) if cell.whole and cell.count else ""
    return ShownCell(head, grouped(cell.count), share, state, not cell.count)
