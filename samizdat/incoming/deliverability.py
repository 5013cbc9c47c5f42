"""What became of the campaigns of a time, as totals: by week or month, mailbox provider, sending domain and route.

Everything counts for the campaign that it is about, so that the sums of all tables are the same.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import batched
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

from django.db.models import Q, Sum

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
from samizdat.delivery.models import ProviderTotal, RouteTotal
from samizdat.incoming.models import MailReport

# Days that can be looked at; of the longest by months, of the others by weeks.
SPANS = (30, 90, 365)
# Editions, and subscribers, of one statement.
EDITIONS, PEOPLE = 500, 5_000

Measure = Literal["accepted", "bounced", "hard", "soft", "complaint", "reply", "unsubscribed"]
MEASURES: tuple[Measure, ...] = ("accepted", "bounced", "hard", "soft", "complaint", "reply", "unsubscribed")
# Who unsubscribed is known by campaign: no total says which provider or route their email went by.
BY_EMAIL = MEASURES[:-1]
# What people did is hidden where few did it; what servers said is shown, as in the report of a campaign.
BY_PEOPLE: tuple[Measure, ...] = ("complaint", "reply", "unsubscribed")
_REPORTED: dict[Kind, Measure] = {"hard": "hard", "soft": "soft", "complaint": "complaint", "reply": "reply"}

type Figures = Counter[Measure]


class SentCampaign(NamedTuple):
    """day: of its release, in the zone of the organization."""

    number: int
    day: date
    domain: str
    figures: Figures


@dataclass(slots=True)
class Deliverability:
    """campaigns: the newest first. by_provider: by words of PROVIDERS, by_route: by names; "" where nobody knows any
    more, since the subscriber was erased or the single emails became totals. has_welcome: welcome emails went out, too,
    which belong to no day and are not counted."""

    campaigns: list[SentCampaign] = field(default_factory=list)
    by_provider: dict[str, Figures] = field(default_factory=dict)
    by_route: dict[str, Figures] = field(default_factory=dict)
    has_welcome: bool = False

    @property
    def totals(self) -> Figures:
        return _sum(row.figures for row in self.campaigns)

    @property
    def by_domain(self) -> dict[str, Figures]:
        return _grouped(self.campaigns, lambda row: row.domain)

    def by_period(self, days: int) -> dict[date, Figures]:
        """By the first day of each month or week (Monday) that had a campaign, the newest first. days: of SPANS."""
        begin = _month if days == SPANS[-1] else _week
        return _grouped(self.campaigns, lambda row: begin(row.day))


@dataclass(frozen=True, slots=True)
class Cell:
    """count: None where it isn't shown; few: since few people are behind it, and not since it would tell of another.
    whole: of how many accepted emails, or for what bounced, of how many that a server answered for; 0 for those
    themselves. line: which line complaints have reached (complaint_rules)."""

    count: int | None
    few: bool = False
    whole: int = 0
    line: complaint_rules.Reached = ""


type Cells = dict[Measure, Cell]


@dataclass(frozen=True, slots=True)
class Table[Key]:
    rows: list[tuple[Key, Cells]]
    total: Cells


def since(days: int, until: date) -> date:
    return until - timedelta(days=days - 1)


def deliverability(organization: Organization, first: date, last: date) -> Deliverability:
    """Of campaigns that were released on these days. Reads totals, and a row for each report that came in."""
    zone = ZoneInfo(organization.timezone)
    campaigns, editions = _campaigns(organization, first, last, zone), dict[int, Figures]()
    for row, edition in campaigns:
        editions[edition] = row.figures
    reports = _reports(editions)
    for edition, measure, _number in reports:
        editions[edition][measure] += 1
    seen = Deliverability([row for row, _edition in campaigns])
    totals = Counter({name: count for name, count in seen.totals.items() if name in BY_EMAIL})
    seen.by_provider = _complete(_by_provider(organization, [*editions], reports), totals)
    seen.by_route = _complete(_by_route([*editions], reports), totals)
    seen.has_welcome = Campaign.objects.filter(organization=organization, welcome__gt=0, accepted__gt=0).exists()
    return seen


def table[Key](rows: Mapping[Key, Figures], totals: Figures, measures: Sequence[Measure] = MEASURES) -> Table[Key]:
    """As it may be shown. No small number of what people did stands in it, and none can be worked out of its sums."""
    away = {name: hidden([figures[name] for figures in rows.values()]) for name in BY_PEOPLE}
    cells = [
        (key, _cells(figures, measures, {name for name in BY_PEOPLE if place in away[name]}))
        for place, (key, figures) in enumerate(rows.items())
    ]
    return Table(cells, _cells(totals, measures, {name for name in BY_PEOPLE if is_few(totals[name])}))


def _cells(figures: Figures, measures: Iterable[Measure], away: set[Measure]) -> Cells:
    return {name: _cell(name, figures, away) for name in measures}


def _cell(name: Measure, figures: Figures, away: set[Measure]) -> Cell:
    count, accepted = figures[name], figures["accepted"]
    line = complaint_rules.reached(count, accepted) if name == "complaint" and accepted else ""
    if name in away:
        return Cell(None, is_few(count), line=line)
    whole = 0 if name == "accepted" else accepted + count if name == "bounced" else accepted
    return Cell(count, whole=whole, line=line)


def _campaigns(organization: Organization, first: date, last: date, zone: ZoneInfo) -> list[tuple[SentCampaign, int]]:
    """With the numbers of their editions."""
    begin, end = _midnight(first, zone), _midnight(last + timedelta(days=1), zone)
    rows = Campaign.objects.filter(Q(accepted__gt=0) | Q(refused__gt=0), organization=organization)
    rows = rows.filter(version_of=None, welcome=0, edition__isnull=False, released__gte=begin, released__lt=end)
    columns = ("pk", "released", "edition__message_id_domain", "accepted", "refused", "unsubscribes", "edition__id")
    return [
        (
            SentCampaign(
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


type _Report = tuple[int, Measure, int]


def _reports(editions: Iterable[int]) -> list[_Report]:
    """(edition, measure, number of the subscriber): each subscriber once for a campaign and kind."""
    kinds = {KINDS.index(kind): measure for kind, measure in _REPORTED.items()}
    reports = list[_Report]()
    for some in batched(editions, EDITIONS):
        rows = MailReport.objects.filter(edition__in=some, kind__in=kinds)
        for edition, kind, number in rows.values_list("edition_id", "kind", "number").distinct():
            if number is not None:
                reports.append((edition, kinds[kind], number))
    return reports


def _by_provider(organization: Organization, editions: Sequence[int], reports: Sequence[_Report]) -> dict[str, Figures]:
    by_provider = defaultdict[str, Figures](Counter)
    states: dict[int, Measure] = {State.ACCEPTED: "accepted", State.REFUSED: "bounced"}
    for some in batched(editions, EDITIONS):
        rows = ProviderTotal.objects.filter(edition__in=some, state__in=states).values_list("provider", "state")
        for provider, state, count in rows.annotate(sum=Sum("count")):
            by_provider[PROVIDERS[provider]][states[state]] += count
    providers = dict[int, int]()
    for numbers in batched({number for _edition, _measure, number in reports}, PEOPLE):
        providers |= audience_sql.providers([row_id(organization.id, number) for number in numbers])
    for _edition, measure, number in reports:
        provider = providers.get(row_id(organization.id, number))
        by_provider[PROVIDERS[provider] if provider is not None else ""][measure] += 1
    return by_provider


def _by_route(editions: Sequence[int], reports: Sequence[_Report]) -> dict[str, Figures]:
    by_route, names = defaultdict[str, Figures](Counter), dict[int, str]()
    for some in batched(editions, EDITIONS):
        rows = RouteTotal.objects.filter(edition__in=some).values_list("route_id", "route__name")
        for route, name, accepted, refused in rows.annotate(Sum("accepted"), Sum("refused")):
            names[route] = name
            by_route[name].update({"accepted": accepted, "bounced": refused})
    by_edition = defaultdict[int, list[tuple[Measure, int]]](list)
    for edition, measure, number in reports:
        by_edition[edition].append((measure, number))
    for edition, people in by_edition.items():
        for some_people in batched(people, PEOPLE):
            routes = sql.routes_of(edition, [number for _measure, number in some_people])
            for measure, number in some_people:
                by_route[names.get(routes.get(number) or 0, "")][measure] += 1
    return by_route


def _complete(groups: Mapping[str, Figures], totals: Figures) -> dict[str, Figures]:
    """The largest first; what is missing to the totals under ""."""
    known = {key: figures for key, figures in groups.items() if key and any(figures.values())}
    rest = totals - _sum(known.values())
    ordered = sorted(known.items(), key=lambda pair: (-pair[1]["accepted"], -pair[1]["bounced"], pair[0]))
    return dict([*ordered, *([("", rest)] if rest else [])])


def _grouped[Key](campaigns: Iterable[SentCampaign], key: Callable[[SentCampaign], Key]) -> dict[Key, Figures]:
    groups = defaultdict[Key, Figures](Counter)
    for row in campaigns:
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
