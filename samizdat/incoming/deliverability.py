"""What became of the emails of a time, as totals: by week or month, mailbox provider, sending domain, route and
campaign.

Everything counts for the campaign that it is about, so that the sums of all tables are the same. Welcome emails go out
every day, so each of their days counts as a campaign does.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import batched
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

from django.db.models import Count, Q, Sum

from samizdat.accounts.models import Organization
from samizdat.audience import sql as audience_sql
from samizdat.audience.models import row_id
from samizdat.campaigns.models import Campaign
from samizdat.core.bounce.report import KINDS, Kind
from samizdat.core.mail import complaint_rules
from samizdat.core.mail.address import PROVIDERS
from samizdat.core.mail.ledger import State
from samizdat.core.totals import hidden, is_few
from samizdat.delivery import sql
from samizdat.delivery.models import ProviderTotal, Route, RouteTotal
from samizdat.incoming.models import MailReport

# Days that can be looked at; of the longest by months, of the others by weeks.
SPANS = (30, 90, 365)
# Editions, and subscribers, of one statement.
EDITIONS, PEOPLE = 500, 5_000

Measure = Literal["accepted", "bounced", "hard", "soft", "complaint", "reply", "unsubscribed"]
MEASURES: tuple[Measure, ...] = ("accepted", "bounced", "hard", "soft", "complaint", "reply", "unsubscribed")
# What people did is hidden where few did it; what servers said is shown, as in the report of a campaign.
BY_PEOPLE: tuple[Measure, ...] = ("complaint", "reply", "unsubscribed")
# Sums of RouteTotal, in their order.
_BY_ROUTE: tuple[Measure, ...] = ("accepted", "bounced", "unsubscribed")
_STATES: dict[int, Measure] = {State.ACCEPTED: "accepted", State.REFUSED: "bounced"}
_REPORTED: dict[Kind, Measure] = {"hard": "hard", "soft": "soft", "complaint": "complaint", "reply": "reply"}
_KINDS = {KINDS.index(kind): measure for kind, measure in _REPORTED.items()}

type Figures = Counter[Measure]
Grouping = Literal["period", "provider", "domain", "route", "campaign"]
# A day, a word of PROVIDERS, a domain, the name of a route, the number of a campaign. "" where nobody knows any more,
# 0: of all campaigns that have no row of their own.
type Key = date | str | int


class SentEmails(NamedTuple):
    """Of a campaign, or of a welcome email on one day. day: of its release in the zone of the organization; of a
    welcome email, when it was sent (UTC)."""

    number: int
    day: date
    domain: str
    figures: Figures


@dataclass(slots=True)
class Deliverability:
    """campaigns: the newest first. welcome: by email and day, without unsubscribes, which are counted by email alone.
    by_provider: by words of PROVIDERS, by_route: by names; "" where nobody knows any more, since the subscriber was
    erased or the single emails became totals. others: what came in about no email that is known, such as confirmation
    emails."""

    campaigns: list[SentEmails] = field(default_factory=list)
    welcome: list[SentEmails] = field(default_factory=list)
    by_provider: dict[str, Figures] = field(default_factory=dict)
    by_route: dict[str, Figures] = field(default_factory=dict)
    others: Figures = field(default_factory=Counter)

    @property
    def totals(self) -> Figures:
        return _sum(row.figures for row in self._sent)

    @property
    def by_domain(self) -> dict[str, Figures]:
        return _grouped(self._sent, lambda row: row.domain)

    def by_period(self, days: int, since: date = date.min) -> dict[date, Figures]:
        """By the first day of each month or week (Monday), or `since`, the newest first. days: of SPANS."""
        begin = _month if days == SPANS[-1] else _week
        groups = _grouped(self._sent, lambda row: max(begin(row.day), since))
        return dict(sorted(groups.items(), reverse=True))

    def by_campaign(self, newest: int | None = None) -> dict[int, Figures]:
        """By number; those beyond the newest together under 0, then welcome emails."""
        rows = [(row.number, row.figures) for row in self.campaigns[:newest]]
        earlier = self.campaigns[newest:] if newest is not None else []
        return dict([*rows, *([(0, Deliverability(earlier).totals)] if earlier else [])]) | _grouped(
            self.welcome, lambda row: row.number
        )

    @property
    def _sent(self) -> list[SentEmails]:
        return [*self.campaigns, *self.welcome]


@dataclass(frozen=True, slots=True)
class Cell:
    """count: None where it isn't shown; few: since few people are behind it, elsewhere: since it is counted in the
    report of a welcome email; else since it would tell of another. whole: of how many accepted emails, or for what
    bounced, of how many that a server answered for; 0 for those themselves. line: which line complaints have reached
    (complaint_rules)."""

    count: int | None
    few: bool = False
    whole: int = 0
    line: complaint_rules.Reached = ""
    elsewhere: bool = False


type Cells = dict[Measure, Cell]


@dataclass(frozen=True, slots=True)
class DeliverabilityReport:
    """As it may be shown. tables: rows of each grouping; their sums are `total`."""

    days: int
    since: date
    until: date
    seen: Deliverability
    total: Cells
    others: Cells
    tables: dict[Grouping, list[tuple[Key, Cells]]]


def report(organization: Organization, days: int, until: date, newest: int | None = None) -> DeliverabilityReport:
    """days: of SPANS. newest: so many campaigns have a row of their own; all of them without it."""
    since = until - timedelta(days=days - 1)
    seen = deliverability(organization, since, until)
    welcome = {row.number for row in seen.welcome}
    tables: dict[Grouping, list[tuple[Key, Cells]]] = {
        "period": [*_rows(seen.by_period(days, since))],
        "provider": [*_rows(seen.by_provider)],
        "domain": [*_rows(seen.by_domain)],
        "route": [*_rows(seen.by_route)],
        "campaign": [*_rows(seen.by_campaign(newest), welcome)],
    }
    return DeliverabilityReport(days, since, until, seen, _sums(seen.totals), _sums(seen.others), tables)


def deliverability(organization: Organization, first: date, last: date) -> Deliverability:
    """Of campaigns that were released on these days, and welcome emails that were sent on them. Reads totals, a row for
    each report that came in, and one for each welcome email."""
    zone = ZoneInfo(organization.timezone)
    campaigns, editions = _campaigns(organization, first, last, zone), dict[int, Figures]()
    for row, edition in campaigns:
        editions[edition] = row.figures
    reports = _reports(Q(edition__in=some) for some in batched(editions, EDITIONS))
    for edition, measure, _number in reports:
        editions[edition][measure] += 1
    welcome = _welcome(organization, first, last)
    reports += welcome.reports
    seen = Deliverability([row for row, _edition in campaigns], welcome.rows)
    providers = _by_provider(organization, [*editions], reports, welcome)
    seen.by_provider = _complete(providers, seen.totals)
    seen.by_route = _complete(_by_route([*editions], reports, welcome), seen.totals)
    seen.others = _others(organization, first, last)
    return seen


def _rows[Of: Key](groups: Mapping[Of, Figures], welcome: Collection[Of] = ()) -> Iterator[tuple[Of, Cells]]:
    """No small number of what people did stands in it, and none can be worked out of its sums."""
    away = {name: hidden([figures[name] for figures in groups.values()]) for name in BY_PEOPLE}
    for place, (key, figures) in enumerate(groups.items()):
        cells = _cells(figures, {name for name in BY_PEOPLE if place in away[name]})
        yield key, cells | {"unsubscribed": Cell(None, elsewhere=True)} if key in welcome else cells


def _sums(figures: Figures) -> Cells:
    return _cells(figures, {name for name in BY_PEOPLE if is_few(figures[name])})


def _cells(figures: Figures, away: set[Measure]) -> Cells:
    return {name: _cell(name, figures, away) for name in MEASURES}


def _cell(name: Measure, figures: Figures, away: set[Measure]) -> Cell:
    count, accepted = figures[name], figures["accepted"]
    line = complaint_rules.reached(count, accepted) if name == "complaint" and accepted else ""
    if name in away:
        return Cell(None, is_few(count), line=line)
    whole = 0 if name == "accepted" else accepted + count if name == "bounced" else accepted
    return Cell(count, whole=whole, line=line)


def _campaigns(organization: Organization, first: date, last: date, zone: ZoneInfo) -> list[tuple[SentEmails, int]]:
    """With the numbers of their editions."""
    begin, end = _midnight(first, zone), _midnight(last + timedelta(days=1), zone)
    rows = Campaign.objects.filter(Q(accepted__gt=0) | Q(refused__gt=0), organization=organization)
    rows = rows.filter(version_of=None, welcome=0, edition__isnull=False, released__gte=begin, released__lt=end)
    columns = ("pk", "released", "edition__message_id_domain", "accepted", "refused", "unsubscribes", "edition__id")
    return [
        (
            SentEmails(
                number,
                released.astimezone(zone).date(),
                domain,
                Counter({"accepted": accepted, "bounced": refused, "unsubscribed": left}),
            ),
            edition,
        )
        for number, released, domain, accepted, refused, left, edition in rows.order_by("-released", "-pk").values_list(
            *columns
        )
    ]


# (edition, measure, number of the subscriber)
type _Report = tuple[int, Measure, int]


def _reports(wanted: Iterable[Q]) -> list[_Report]:
    """Each subscriber once for a campaign and kind."""
    reports = list[_Report]()
    for some in wanted:
        rows = MailReport.objects.filter(some, kind__in=_KINDS)
        for edition, kind, number in rows.values_list("edition_id", "kind", "number").distinct():
            if number is not None:
                reports.append((edition, _KINDS[kind], number))
    return reports


def _others(organization: Organization, first: date, last: date) -> Figures:
    rows = MailReport.objects.filter(organization=organization, number=None, edition=None, kind__in=_KINDS)
    counts = rows.filter(day__range=(first, last)).values_list("kind").annotate(Count("pk"))
    return Counter({_KINDS[kind]: count for kind, count in counts if _KINDS[kind] != "reply"})


# -- welcome emails ---------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Welcome:
    """rows: of each email and day."""

    rows: list[SentEmails] = field(default_factory=list)
    by_provider: dict[str, Figures] = field(default_factory=lambda: defaultdict(Counter))
    by_route: dict[int, Figures] = field(default_factory=lambda: defaultdict(Counter))
    reports: list[_Report] = field(default_factory=list)


def _welcome(organization: Organization, first: date, last: date) -> _Welcome:
    """Those that were on in this time."""
    rows = Campaign.objects.filter(organization=organization, welcome__gt=0, version_of=None, edition__isnull=False)
    rows = rows.filter(Q(accepted__gt=0) | Q(refused__gt=0), Q(finished=None) | Q(finished__date__gte=first))
    welcome = _Welcome()
    for number, edition, domain in rows.order_by("-pk").values_list("pk", "edition__id", "edition__message_id_domain"):
        _add_welcome(welcome, organization, SentEmails(number, first, domain, Counter()), edition, last)
    return welcome


def _add_welcome(welcome: _Welcome, organization: Organization, sent: SentEmails, edition: int, last: date) -> None:
    by_day = defaultdict[date, Figures](Counter)
    for day, state, route, provider, count in sql.results_by_day(organization.id, edition, sent.day, last):
        if (measure := _STATES.get(state)) is None:
            continue
        by_day[day][measure] += count
        welcome.by_provider[PROVIDERS[provider] if provider is not None else ""][measure] += count
        welcome.by_route[route or 0][measure] += count
    reports = _reports([Q(edition=edition, day__gte=sent.day)])
    for some in batched(reports, PEOPLE):
        days = sql.days_of(edition, [number for _edition, _measure, number in some])
        for each in some:
            _edition, measure, number = each
            if (sent_on := days.get(number, date.min)) in by_day:
                by_day[sent_on][measure] += 1
                welcome.reports.append(each)
    welcome.rows += [sent._replace(day=day, figures=figures) for day, figures in sorted(by_day.items(), reverse=True)]


# -- groups -----------------------------------------------------------------------------------------------------


def _by_provider(
    organization: Organization, editions: Sequence[int], reports: Sequence[_Report], welcome: _Welcome
) -> dict[str, Figures]:
    by_provider = welcome.by_provider
    for some in batched(editions, EDITIONS):
        rows = ProviderTotal.objects.filter(edition__in=some, state__in=_STATES).values_list("provider", "state")
        for provider, state, count, left in rows.annotate(Sum("count"), Sum("unsubscribed")):
            by_provider[PROVIDERS[provider]].update({_STATES[state]: count, "unsubscribed": left})
    providers = dict[int, int]()
    for numbers in batched({number for _edition, _measure, number in reports}, PEOPLE):
        providers |= audience_sql.providers([row_id(organization.id, number) for number in numbers])
    for _edition, measure, number in reports:
        provider = providers.get(row_id(organization.id, number))
        by_provider[PROVIDERS[provider] if provider is not None else ""][measure] += 1
    return by_provider


def _by_route(editions: Sequence[int], reports: Sequence[_Report], welcome: _Welcome) -> dict[str, Figures]:
    by_route = welcome.by_route
    for some in batched(editions, EDITIONS):
        rows = RouteTotal.objects.filter(edition__in=some).values_list("route_id")
        for route, *counts in rows.annotate(Sum("accepted"), Sum("refused"), Sum("unsubscribed")):
            by_route[route].update(dict(zip(_BY_ROUTE, counts, strict=True)))
    by_edition = defaultdict[int, list[tuple[Measure, int]]](list)
    for edition, measure, number in reports:
        by_edition[edition].append((measure, number))
    for edition, people in by_edition.items():
        for some_people in batched(people, PEOPLE):
            routes = sql.routes_of(edition, [number for _measure, number in some_people])
            for measure, number in some_people:
                by_route[routes.get(number, 0)][measure] += 1
    names = dict(Route.objects.filter(pk__in=by_route).values_list("pk", "name"))
    by_name = defaultdict[str, Figures](Counter)
    for route, figures in by_route.items():
        by_name[names.get(route, "")].update(figures)
    return by_name


def _complete(groups: Mapping[str, Figures], totals: Figures) -> dict[str, Figures]:
    """The largest first; what is missing to the totals under ""."""
    known = {key: +figures for key, figures in groups.items() if key and any(figures.values())}
    _lower(known.values(), totals)
    rest = totals - _sum(known.values())
    ordered = sorted(known.items(), key=lambda pair: (-pair[1]["accepted"], -pair[1]["bounced"], pair[0]))
    return dict([*ordered, *([("", rest)] if rest else [])])


def _lower(groups: Iterable[Figures], totals: Figures) -> None:
    """Who took their unsubscribe back after their address changed is still counted at the provider that they had: the
    largest counts give way until the sum is that of the campaigns."""
    ordered = sorted(groups, key=lambda row: -row["unsubscribed"])
    surplus = sum(row["unsubscribed"] for row in ordered) - totals["unsubscribed"]
    for row in ordered:
        taken = max(0, min(surplus, row["unsubscribed"]))
        row["unsubscribed"] -= taken
        surplus -= taken


def _grouped[Of](sent: Iterable[SentEmails], key: Callable[[SentEmails], Of]) -> dict[Of, Figures]:
    groups = defaultdict[Of, Figures](Counter)
    for row in sent:
        groups[key(row)].update(row.figures)
    return dict(groups)


def _sum(figures: Iterable[Figures]) -> Figures:
    total: Figures = Counter()
    for each in figures:
        total.update(each)
    return total


def _week(day: date) -> date:
    return day - timedelta(days=day.weekday())


def _month(day: date) -> date:
    return day.replace(day=1)


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=zone)
