"""Named reads of what is owed and what became of it."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from itertools import chain, repeat
from typing import Any
from urllib.parse import quote, urlencode

from django.db.models import F, Max, Min

from samizdat import plugins
from samizdat.accounts.models import Organization
from samizdat.audience.models import NUMBER_MASK
from samizdat.campaigns.drafts.draft import draft_of
from samizdat.campaigns.models import COUNTERS, Campaign, Edition
from samizdat.campaigns.queries import AT_ONCE, with_subjects
from samizdat.core.mail.address import PROVIDERS
from samizdat.core.mail.ledger import STATES, LedgerTotals, State, books, unpack_numbers
from samizdat.core.mail.outcome import ANSWERS, REASONS, WHO, filled, known_reason
from samizdat.core.mail.refusals import NAMES
from samizdat.core.mail.refusals import REASONS as REFUSALS
from samizdat.core.mail.retry_schedule import LATER
from samizdat.core.mail.suppression_rules import REASONS as SUPPRESSED_FOR
from samizdat.delivery import sql
from samizdat.delivery.models import (
    Chunk,
    Delivery,
    DeliveryArchiveTotal,
    MinuteTotal,
    ProviderRefusal,
    ProviderTotal,
    Retry,
    Route,
    RouteDomain,
    RouteTotal,
    SmtpReply,
)
from samizdat.delivery.sealed_routes import open_address
from samizdat.events.actions import detail_of, is_genuine
from samizdat.events.kinds import EventKind
from samizdat.events.models import Event
from samizdat.events.queries import about, last_about
from samizdat.events.sql import numbers_about
from samizdat.options import inner_networks
from samizdat.vault import keyring
from samizdat.vault.keyring import OrganizationKeys


def next_position(edition: int) -> int:
    """A free place for one more chunk. The caller holds the campaign's row."""
    last = Chunk.objects.filter(edition=edition).aggregate(last=Max("position"))["last"]
    return 0 if last is None else last + 1


@dataclass(frozen=True, slots=True)
class BarRow:
    """A domain that a route's provider does not accept. `values` fill the sentence of `reason`."""

    route: str
    domain: str
    reason: str
    values: Mapping[str, str]
    since: datetime

    @property
    def sentence(self) -> str:
        """What the provider said and what to do, in English."""
        return filled(REASONS[self.reason], self.route, self.values) if self.reason in REASONS else ""

    @property
    def who(self) -> str:
        """Who has to act, a word of outcome.ACTORS."""
        return WHO.get(self.reason, "")


@dataclass(frozen=True, slots=True)
class RefusalRow:
    """A mailbox provider that refuses us in a campaign. `waiting`: subscribers who wait in it for any of these."""

    provider: str  # A name of core/mail/address.PROVIDERS, or a domain.
    reason: str  # core/mail/refusals.REASONS
    answer: str
    count: int
    waiting: int
    since: datetime

    @property
    def known(self) -> bool:
        """Is it one of the large ones, which have names for people?"""
        return self.provider in PROVIDERS

    @property
    def sentence(self) -> str:
        """Who refuses how many, and what is missing, in English."""
        name = NAMES.get(self.provider, self.provider)
        return REFUSALS[self.reason].format(provider=name, count=f"{self.count:,}", answer=self.answer)


@dataclass(frozen=True, slots=True)
class RouteRow:
    """A route for people: no URL, no credentials. `values` fill the sentence of `reason`."""

    id: int
    name: str
    scheme: str
    priority: int
    connections: int
    rate: float | None
    state: str
    reason: str
    values: dict[str, str]
    until: datetime | None
    host: str
    changed: datetime
    signs: bool = True
    limits: str = ""  # As they are typed: 10/s,5000/h
    warm_up: str = ""
    barred: tuple[BarRow, ...] = ()
    waits: bool = False  # For each answer, since its server hangs up when more follows.
    is_altered: bool = False  # Nobody has approved it, and its row says that it is used.

    @property
    def sentence(self) -> str:
        """Why it does not send, in English; empty for a live or paused one."""
        shown = self.reason in REASONS and self.state != "live"
        return filled(REASONS[self.reason], self.host or self.name, self.values) if shown else ""

    @property
    def who(self) -> str:
        """Who has to act, a word of outcome.ACTORS; empty for one that sends or was paused by hand."""
        return WHO.get(self.reason, "") if self.state != "live" else ""


@dataclass(frozen=True, slots=True)
class WayOut:
    """A route as it is configured. Of a password it tells only whether there is one."""

    name: str
    settings: plugins.RouteSettings = field(repr=False)
    priority: int
    rate: float | None
    connections: int
    signs: bool = True
    limits: str = ""  # As they are typed: 10/s,5000/h; "" for none.
    warm_up: str = ""

    @property
    def has_password(self) -> bool:
        return bool(self.settings.password)

    @property
    def where(self) -> str:
        """Host and port as they are typed."""
        host = f"[{self.settings.host}]" if ":" in self.settings.host else self.settings.host
        return f"{host}:{self.settings.port}" if self.settings.port else host

    @property
    def options(self) -> str:
        """What follows the question mark: files and names of the server."""
        return urlencode(self.settings.options, safe="/:")

    @property
    def shown(self) -> str:
        """The URL without its password."""
        user = quote(self.settings.user, safe="") + "@" if self.settings.user else ""
        rest = f"{user}{self.where}{quote(self.settings.path)}"
        return f"{self.settings.scheme}://{rest}" + (f"?{self.options}" if self.options else "")


def way_of(route: Route) -> WayOut:
    settings = _settings_of(route)
    return WayOut(
        route.name, settings, route.priority, route.rate, route.connections, route.signs, route.limits, route.warm_up
    )


def route_named(organization: Organization, name: str) -> Route | None:
    """By name, or by number where no name is like it."""
    rows = Route.objects.select_related("organization").filter(organization=organization).exclude(state="removed")
    route = rows.filter(name=name).first()
    if route is None and name.isascii() and name.isdecimal() and len(name) < 19:
        route = rows.filter(pk=int(name)).first()
    return route


def routes(organization: Organization) -> list[RouteRow]:
    """All routes, in the order in which they are used."""
    keys = keyring.keys(organization)
    rows = Route.objects.filter(organization=organization).exclude(state="removed").order_by("priority", "pk")
    bars: dict[int, list[BarRow]] = {}
    for row in RouteDomain.objects.filter(route__organization=organization).select_related("route").order_by("domain"):
        bars.setdefault(row.route_id, []).append(_bar(row, keys))
    return [_row(route, keys, tuple(bars.get(route.pk, ()))) for route in rows]


def bars_against(organization: Organization, domain: str) -> list[BarRow]:
    """What keeps letters from this domain from going by routes that would live, the first route first."""
    rows = RouteDomain.objects.filter(
        route__organization=organization, route__state__in=("live", "throttled"), domain=domain
    )
    keys = keyring.keys(organization)
    return [_bar(row, keys) for row in rows.select_related("route").order_by("route__priority", "route")]


def _bar(row: RouteDomain, keys: OrganizationKeys) -> BarRow:
    values = keys.open_json(
        bytes(row.answer_sealed), "route_domain", bar_column(row.domain), row.route_id, dict[str, str]
    )
    return BarRow(row.route.name, row.domain, known_reason(row.reason), values, row.since)


def answer_column(route: int, digest: bytes | memoryview) -> str:
    """With the edition's number it names one row: of its own number nobody knows when results are booked in bulk."""
    return f"text {route} {bytes(digest).hex()}"


def refusal_column(name: str, digest: bytes | memoryview) -> str:
    return f"{name} {bytes(digest).hex()}"


def bar_column(domain: str) -> str:
    """A route has a row for each domain: what was said of one is sealed to its own."""
    return f"answer {domain}"


def barred_at(routes: Collection[int]) -> dict[int, frozenset[str]]:
    """By route: the domains that are barred there. One question for all of them, and nothing is opened."""
    by_route: dict[int, set[str]] = {}
    for route, domain in RouteDomain.objects.filter(route__in=routes).values_list("route", "domain"):
        by_route.setdefault(route, set()).add(domain)
    return {route: frozenset(domains) for route, domains in by_route.items()}


def _row(route: Route, keys: OrganizationKeys, barred: tuple[BarRow, ...]) -> RouteRow:
    return RouteRow(
        id=route.pk,
        name=route.name,
        scheme=route.scheme,
        priority=route.priority,
        connections=route.connections,
        rate=route.rate,
        state=route.state,
        reason=known_reason(route.reason),
        values=keys.open_json(bytes(route.answer_sealed), "route", "answer", route.pk, dict[str, str]),
        until=route.until,
        host=_settings_of(route).host,
        changed=route.changed,
        signs=route.signs,
        limits=route.limits,
        warm_up=route.warm_up,
        barred=barred,
        waits=route.waits,
        is_altered=(is_held(route) and route.state != "waiting") or _goes_though_paused(route),
    )


def _settings_of(route: Route) -> plugins.RouteSettings:
    address = open_address(route)
    settings = plugins.read_url(
        route.name, address.url, password=address.password, connections=route.connections, rate=route.rate
    )
    return replace(settings, inside=None if address.ours else inner_networks())


def refuse_held(route: Route) -> None:
    """Whether it waits for an approval stands in its sealed settings as well: somebody who writes the database can say
    that it lives, and put back one that was removed or paused, of which the log is asked. Errors: BadRoute."""
    if (is_held(route) and route.state != "waiting") or was_removed(route) or _goes_though_paused(route):
        raise plugins.BadRoute("held")


def is_held(route: Route) -> bool:
    return open_address(route).held


def was_removed(route: Route) -> bool:
    events = Event.objects.filter(organization=route.organization_id, kind="route.removed", about=route.pk)
    return events.exists()


def _goes_though_paused(route: Route) -> bool:
    """Whether a person paused it, and its row says that it goes on though nobody resumed it; also where the log has
    these events in another order than their numbers."""
    if route.state in ("paused", "removed"):
        return False
    last = last_about(route.organization, ("route.paused", "route.resumed"), route.pk)
    if last is None:
        return about(route.organization, "route.paused", route.pk) is not None
    return last.kind == "route.paused"


# A person sits in front of a test: the longest wait for a connection and for each answer, in seconds. A command that
# hands a letter on (sendmail://) is given its own time.
LONGEST_TEST = 20.0


def transport_of(route: Route, for_test: bool = False) -> plugins.BaseTransport:
    """The transport of a route, ready to carry or probe. Errors: BadRoute for one that nobody has approved."""
    refuse_held(route)
    settings = _settings_of(route)
    plug = plugins.transport(settings.scheme)
    if for_test and "connect" in plug.known_options:
        settings = settings.at_most(LONGEST_TEST, {"connect", "timeout"} & set(plug.known_options))
    return plug(settings)


def transport_builder(route: Route) -> Callable[[], plugins.BaseTransport]:
    """Makes the transport of a route without asking the database again. Errors: BadRoute, as above."""
    refuse_held(route)
    settings = _settings_of(route)
    return lambda: plugins.transport(settings.scheme)(settings)


# --- the state of a campaign ---


# How long a letter is remembered when the same one is about to go to the same list.
LATELY = timedelta(days=1)


def sent_lately(campaign: Campaign, now: datetime) -> Campaign | None:
    """The same words, released to the same list within a day: by a slip, mostly. One that was taken back is none."""
    if campaign.has_own_recipients:
        return None
    rows = Campaign.objects.select_related("organization").filter(list=campaign.list_id, released__gte=now - LATELY)
    draft = draft_of(campaign)
    rows = rows.exclude(pk=campaign.pk).exclude(state="cancelled", cancelled=F("frozen")).order_by("-released")
    for other in rows.defer("places_sealed").iterator(chunk_size=AT_ONCE):
        if draft_of(other) == draft:
            return other
    return None


def status(campaign: Campaign) -> dict[str, Any]:
    """What `campaign status` prints: design.md, section 8."""
    campaign.refresh_from_db()
    return {
        "id": campaign.pk,
        "state": campaign.state,
        "reason": campaign.reason,
        "due": campaign.not_before.isoformat() if campaign.not_before else None,
        "waits_until": campaign.waits_until.isoformat() if campaign.waits_until else None,
        "frozen": campaign.frozen,
        **{name: getattr(campaign, name) for name in COUNTERS},
        "left_by_letter": campaign.unsubscribes,
        "by_route": _by_route(campaign),
    }


def _by_route(campaign: Campaign) -> dict[str, dict[str, object]]:
    totals = {total.route_id: total for total in RouteTotal.objects.filter(edition__campaign=campaign)}
    by_name = {}
    for route in Route.objects.filter(organization=campaign.organization_id).order_by("priority", "pk"):
        total = totals.get(route.pk)
        if total is None and route.state == "removed":
            continue
        by_name[route.name] = {
            "accepted": total.accepted if total else 0,
            "refused": total.refused if total else 0,
            "unsure": total.unsure if total else 0,
            "deferred": total.deferred if total else 0,
            "state": route.state,
            "reason": known_reason(route.reason),
        }
    return by_name


@dataclass(frozen=True, slots=True)
class CampaignReport:
    """Everything the report page shows. minutes: (minute, route, accepted, refused)."""

    books: LedgerTotals
    by_route: dict[str, dict[str, Any]]
    minutes: list[tuple[datetime, str, int, int]]
    providers: list[tuple[str, dict[str, int]]]
    answers: list["ReplyText"]
    timeline: list[Event] = field(default_factory=list)
    next_due: datetime | None = None
    waiting_again: int = 0


@dataclass(frozen=True, slots=True)
class ReplyText:
    """A server's own words and how often it said them."""

    answer: str
    code: int
    text: str
    count: int
    route: str


def report(campaign: Campaign) -> CampaignReport:
    """Reads totals only, so that it costs the same for ten people and for a million."""
    campaign.refresh_from_db()
    due = next_due(campaign)
    return CampaignReport(
        books=LedgerTotals(campaign.frozen, **{name: getattr(campaign, name) for name in STATES}),
        by_route=_by_route(campaign),
        minutes=_minutes(campaign),
        providers=_providers(campaign),
        answers=answers(campaign),
        timeline=list(
            Event.objects.filter(kind__startswith="campaign.", about=campaign.pk)
            .select_related("by", "organization")
            .order_by("pk")
        ),
        next_due=due,
        waiting_again=Retry.objects.filter(edition__campaign=campaign).count(),
    )


# Five routes for nearly three days. A welcome email goes on for years, and a file may bring any number.
MOST_MINUTES = 20_000


def _minutes(campaign: Campaign) -> list[tuple[datetime, str, int, int]]:
    """The newest, in their order."""
    rows = MinuteTotal.objects.filter(edition__campaign=campaign).order_by("-minute", "-route")
    newest = rows.values_list("minute", "route__name", "accepted", "refused")[:MOST_MINUTES]
    return [(row[0], row[1], row[2], row[3]) for row in newest][::-1]


def _providers(campaign: Campaign) -> list[tuple[str, dict[str, int]]]:
    by_provider: dict[int, dict[str, int]] = {}
    for row in ProviderTotal.objects.filter(edition__campaign=campaign):
        if row.count > 0:
            by_provider.setdefault(row.provider, {})[STATES[row.state]] = row.count
    return sorted(
        ((PROVIDERS[code], counts) for code, counts in by_provider.items()), key=lambda pair: -sum(pair[1].values())
    )


def answers(campaign: Campaign, limit: int = 20) -> list[ReplyText]:
    """What servers said when they did not take a message, the most frequent first."""
    keys = keyring.keys(campaign.organization)
    rows = SmtpReply.objects.filter(edition__campaign=campaign).select_related("route").order_by("-count")[:limit]
    return [
        ReplyText(
            ANSWERS[row.answer],
            row.code,
            keys.open(row.text_sealed, "answer", answer_column(row.route_id, row.digest), row.edition_id).decode(),
            row.count,
            row.route.name,
        )
        for row in rows
    ]


def provider_refusals(campaign: Campaign) -> list[RefusalRow]:
    """Mailbox providers that are put off in it now, since they refuse us."""
    rows = list(ProviderRefusal.objects.filter(edition__campaign=campaign, lifted=None).order_by("pk"))
    if not rows:
        return []
    keys = keyring.keys(campaign.organization)
    waiting = Retry.objects.filter(edition__campaign=campaign, chunk=None, due=LATER).count()
    return [
        RefusalRow(
            provider_of(row, keys).removeprefix("@"),
            row.reason if row.reason in REFUSALS else "policy",
            keys.open(
                row.answer_sealed, "provider_refusal", refusal_column("answer", row.digest), row.edition_id
            ).decode(),
            row.count,
            waiting,
            row.since,
        )
        for row in rows
    ]


def provider_of(row: ProviderRefusal, keys: keyring.OrganizationKeys) -> str:
    """The word of core/mail/address.mailbox_provider."""
    if row.provider:
        return PROVIDERS[row.provider]
    return keys.open(
        row.domain_sealed, "provider_refusal", refusal_column("domain", row.digest), row.edition_id
    ).decode()


HELD_BOUNCES: EventKind = "campaign.bounces_held"
SETTLED_BOUNCES: EventKind = "campaign.bounces_settled"
RETURNED = "returned"  # No provider's word: those are names of core/mail/address.PROVIDERS, or begin with @.


@dataclass(frozen=True, slots=True)
class HeldBounces:
    """A mailbox provider that called so many mailboxes of one campaign dead, of so many whom it answered for, that
    nobody was suppressed. word: of core/mail/address.mailbox_provider; "": a route that accepted nothing;
    RETURNED: emails that came back later, wherever they were for."""

    word: str
    count: int
    answered: int

    @property
    def provider(self) -> str:
        """Its own name, or its domain."""
        return "" if self.word == RETURNED else NAMES.get(self.word, self.word.removeprefix("@"))

    @property
    def cause(self) -> str:
        """A word of suppression_rules.HELD."""
        return RETURNED if self.word == RETURNED else "provider" if self.word else "route"


def held_bounces(campaign: Campaign, settled: bool = False) -> list[HeldBounces]:
    """Those that wait for a person; settled: those that a person believed."""
    events = [event for _row, event in numbers_about((HELD_BOUNCES, SETTLED_BOUNCES), [campaign.pk])]
    if not events:
        return []
    rows = Event.objects.select_related("organization").filter(organization=campaign.organization_id, pk__in=events)
    held: dict[str, HeldBounces] = {}
    believed: dict[str, HeldBounces] = {}
    for event in rows.order_by("pk"):
        if not is_genuine(event):
            continue
        detail = detail_of(event)
        row = HeldBounces(detail["provider"], detail["count"], detail.get("answered", 0))
        if event.kind == HELD_BOUNCES:
            held[row.word] = row
        else:
            held.pop(row.word, None)
            if row.count:
                believed[row.word] = row
    return list((believed if settled else held).values())


def next_due(campaign: Campaign) -> datetime | None:
    """When something of it is to be tried again; None when nothing is."""
    waiting = Retry.objects.filter(edition__campaign=campaign, chunk=None, due__lt=LATER)
    due: datetime | None = waiting.aggregate(due=Min("due"))["due"]
    return due


def delivery_of(campaign: Campaign, number: int) -> tuple[str, str, int] | None:
    """(state, answer class, code) of one subscriber's message; None before anything was heard."""
    row = Delivery.objects.filter(edition__campaign=campaign, number=number).first()
    return (STATES[row.state], ANSWERS[row.answer], row.code) if row else None


# Letters that a subscriber's page looks through for those of the subscriber: the newest.
LETTERS_LOOKED_AT = 200


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of one letter to one subscriber. `reason`: class of the answer, "" where it was taken or waits."""

    campaign: int
    subject: str
    day: date
    state: str
    reason: str


def deliveries_of(organization: Organization, number: int, limit: int = 20) -> list[Fate]:
    """The newest letters that there is a delivery of to this subscriber, the newest first."""
    editions = Edition.objects.filter(organization=organization).order_by("-created", "-id")
    order = [*editions.values_list("id", flat=True)[:LETTERS_LOOKED_AT]]
    deliveries = {row.edition_id: row for row in Delivery.objects.filter(edition__in=order, number=number)}
    mine = [id for id in order if id in deliveries][:limit]
    campaigns = dict(editions.filter(pk__in=mine).values_list("pk", "campaign"))
    subjects = {row.campaign.pk: row.subject for row in with_subjects(Campaign.objects.filter(edition__in=mine))}
    return [
        Fate(campaigns[id], subjects[campaigns[id]], deliveries[id].day, *_fate(deliveries[id]))
        for id in mine
        if campaigns.get(id) in subjects
    ]


@dataclass(frozen=True, slots=True)
class UnsureMessage:
    """A message whose answer was lost. `again`: it is to be sent once more, or is being sent."""

    number: int
    day: date
    again: bool


def in_doubt(campaign: Campaign, after: int = 0, limit: int = 50) -> list[UnsureMessage]:
    """The unsure messages of a campaign by subscriber number, those behind `after`."""
    if not campaign.unsure:
        return []
    rows = sql.doubtful(campaign.edition.pk, after, limit)
    tried = Retry.objects.filter(edition__campaign=campaign, number__in=[number for number, _day in rows])
    again = set(tried.values_list("number", flat=True))
    return [UnsureMessage(number, date.fromisoformat(day), number in again) for number, day in rows]


def left_in_doubt(campaign: int) -> int:
    """How many unsure messages of it are not sent again by themselves."""
    tried = Retry.objects.filter(edition__campaign=campaign).values("number")
    rows = Delivery.objects.filter(edition__campaign=campaign, state=State.UNSURE)
    return rows.exclude(number__in=tried).count()


def can_be_taken_back(campaign: Campaign) -> bool:
    """Whether it waits for its time, or was paused before anybody got it."""
    if campaign.state != "paused":
        return campaign.state in ("scheduled", "held")
    return nobody_got(campaign)


def nobody_got(campaign: Campaign) -> bool:
    """Of one that is paused or stopped: no message has left, and none is on its way."""
    claimed = Chunk.objects.filter(edition__campaign=campaign, state=Chunk.CLAIMED)
    return campaign.is_untouched and not claimed.exists()


@dataclass(frozen=True, slots=True)
class SuppressionCause:
    """Why an address counts as dead. answer: of core/mail/suppression_rules.REASONS; reply: like "550 5.1.1"; campaign:
    by whose refusal, where that is still known."""

    day: date
    days: int
    answer: str
    reply: str
    campaign: int | None = None
    subject: str = ""


def suppression_cause(
    organization: Organization, id: int, deliveries: Sequence[Fate] | None = None
) -> SuppressionCause | None:
    """Of a subscriber's row who is suppressed for bouncing; None where no answer to a campaign was the reason.
    deliveries: of deliveries_of, where somebody has them already."""
    rows = Event.objects.select_related("organization").filter(
        organization=organization, about=id, kind="subscriber.suppressed"
    )
    for event in rows.order_by("-id"):
        detail = detail_of(event) if is_genuine(event) else {}
        if detail.get("reason") != "bounce":
            continue
        if detail.get("answer") not in SUPPRESSED_FOR:
            return None
        day, answer = event.at.astimezone(UTC).date(), detail["answer"]
        fates = deliveries_of(organization, id & NUMBER_MASK) if deliveries is None else deliveries
        by = next((row for row in fates if _led_to(row, detail) and row.day <= day), None)
        reply = f"{detail['code']} {detail.get('status', '')}".strip()
        if by is None:
            return SuppressionCause(day, int(detail["days"]), answer, reply)
        return SuppressionCause(day, int(detail["days"]), answer, reply, by.campaign, by.subject)
    return None


def _led_to(row: Fate, detail: Mapping[str, Any]) -> bool:
    """Whether it is the email that was refused so, or that came back later, of which the event says the campaign."""
    if "campaign" in detail:
        return bool(row.campaign == detail["campaign"])
    return (row.state, row.reason) == ("refused", detail["answer"])


def was_written_to(organization: Organization, number: int) -> bool:
    """Whether a letter may have reached this subscriber, by what is kept of deliveries."""
    editions = Edition.objects.filter(organization=organization).values_list("id", flat=True)
    reached = [STATES.index("accepted"), STATES.index("unsure")]
    return Delivery.objects.filter(edition__in=list(editions), number=number, state__in=reached).exists()


def _fate(row: Delivery) -> tuple[str, str]:
    state = STATES[row.state]
    return state, ANSWERS[row.answer] if state in ("refused", "deferred", "unsure") else ""


def recount(campaign: Campaign) -> LedgerTotals:
    """The books counted from chunks, deliveries and what was folded of them; tests and `doctor` compare them with the
    columns."""
    states = dict(Delivery.objects.filter(edition__campaign=campaign).values_list("number", "state"))
    owed: list[int] = []
    for blob in Chunk.objects.filter(edition__campaign=campaign, retry=False).values_list("numbers", flat=True):
        owed += unpack_numbers(bytes(blob))
    folded = DeliveryArchiveTotal.objects.filter(edition__campaign=campaign).values_list("state", "count")
    gone = chain.from_iterable(repeat(State(state), count) for state, count in folded)
    return books(chain((State(states.get(number, State.PENDING)) for number in owed), gone))


def folded(campaign: Campaign) -> date | None:
    """The day on which its deliveries became totals: nobody knows any more who got it. None: they are still there."""
    if Chunk.objects.filter(edition__campaign=campaign).exists():
        return None
    day: date | None = DeliveryArchiveTotal.objects.filter(edition__campaign=campaign).aggregate(day=Max("day"))["day"]
    return day
