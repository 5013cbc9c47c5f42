"""What routes may send, shared by all senders on all machines: one row a route, drawn from in short transactions.

What is drawn counts as used from that moment, so a sender that is killed sends less than the limit and never more.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from django.db import transaction

from samizdat.core.mail import rate
from samizdat.core.mail.rate import DrawnRate, Limit, SlowedRate, SpentRate, Today
from samizdat.delivery.models import LEASE, ConnectionLease, ProviderPace, Route, RoutePace, SendingDomain


@dataclass(frozen=True, slots=True)
class RateAllowance:
    """What is laid down about a route: its limits, and its warm-up by the organization's calendar."""

    limits: tuple[Limit, ...] = ()
    plan: tuple[int, ...] = ()
    since: date | None = None
    zone: str = "UTC"

    @property
    def endless(self) -> bool:
        return not self.limits and not self.plan

    def today(self, now: datetime) -> Today:
        local = now.astimezone(ZoneInfo(self.zone))
        volume = rate.volume_of(self.plan, self.since, local.date()) if self.plan and self.since else None
        tomorrow = datetime.combine(local.date() + timedelta(days=1), datetime.min.time(), local.tzinfo)
        return Today(local.date().toordinal(), volume, tomorrow.timestamp())


def allowance_of(route: Route) -> RateAllowance:
    """Of a route with its organization."""
    limits = rate.parse_limits(route.limits) if route.limits else ()
    if not limits and route.rate:
        limits = (Limit(1, route.rate),)  # Written before routes had several limits.
    plan = rate.parse_plan(route.warm_up)
    return RateAllowance(limits, plan, route.warm_since, route.organization.timezone)


@dataclass(frozen=True, slots=True)
class RateUsed:
    """How much of a limit is used. what: the limit as it is typed, or "warm_up"."""

    what: str
    used: int
    of: int


@dataclass(frozen=True, slots=True)
class WarmUp:
    """A sending domain whose warm-up has not ended, on whatever routes its letters go."""

    id: int
    allowance: RateAllowance
    until: datetime | None = None  # Its share of today is used up: until then.


def warming(organization: int, now: datetime) -> dict[str, WarmUp]:
    """By the name of the domain."""
    by_domain = {}
    rows = SendingDomain.objects.filter(organization=organization).exclude(warm_up="").select_related("organization")
    for row in rows if rows.exists() else ():
        allowance = RateAllowance((), rate.parse_plan(row.warm_up), row.warm_since, row.organization.timezone)
        today = allowance.today(now)
        if today.volume is not None:
            drawn = rate.draw((), rate.read_spent(row.spent), now.timestamp(), 1, today)
            until = None if drawn.count else datetime.fromtimestamp(drawn.until, UTC)
            by_domain[row.name] = WarmUp(row.pk, allowance, until)
    return by_domain


def used_of_domains(organization: int, now: datetime) -> list[tuple[str, RateUsed]]:
    """Name and today's share of the domains that are being warmed up."""
    shares = []
    texts = dict(SendingDomain.objects.filter(organization=organization).values_list("name", "spent"))
    for name, domain in sorted(warming(organization, now).items()):
        today, spent = domain.allowance.today(now), rate.read_spent(texts.get(name, ""))
        shares.append((name, RateUsed("warm_up", spent.of_day if spent.day == today.day else 0, today.volume or 0)))
    return shares


def draw_for_domain(domain: WarmUp, wanted: int, back: int, now: datetime) -> int:
    """How many letters may go from it, of so many; `back` were drawn before and not sent."""
    with transaction.atomic():
        row = SendingDomain.objects.select_for_update().filter(pk=domain.id).first()
        if row is None:
            return wanted
        at, today = now.timestamp(), domain.allowance.today(now)
        spent = rate.give_back((), rate.read_spent(row.spent), at, back, today)
        drawn = rate.draw((), spent, at, wanted, today)
        SendingDomain.objects.filter(pk=row.pk).update(spent=rate.spent_text(drawn.spent))
    return drawn.count


@contextmanager
def _held(route: int) -> Iterator[SpentRate]:
    """The route's row, ours until the transaction ends."""
    with transaction.atomic():
        rows = RoutePace.objects.select_for_update().filter(route=route)
        row = rows.first()
        if row is None:
            RoutePace.objects.bulk_create([RoutePace(route_id=route)], ignore_conflicts=True)
            row = rows.get()
        yield rate.read_spent(row.spent)


def _write(route: int, spent: SpentRate) -> None:
    RoutePace.objects.filter(route=route).update(spent=rate.spent_text(spent))


def draw(route: int, allowance: RateAllowance, wanted: int, back: int, now: datetime) -> DrawnRate:
    """Take up to `wanted` messages; `back` that were drawn before and not sent are given back first."""
    at, today = now.timestamp(), allowance.today(now)
    with _held(route) as spent:
        if back:
            spent = rate.give_back(allowance.limits, spent, at, back, today)
        drawn = rate.draw(allowance.limits, spent, at, wanted, today)
        # Also where nothing may go: what a wrong clock has put into the future counts from the first look after it.
        if drawn.count or back or drawn.spent != spent:
            _write(route, drawn.spent)
    return drawn


def give_back(route: int, allowance: RateAllowance, back: int, now: datetime) -> None:
    """Messages that were drawn and surely not sent."""
    with _held(route) as spent:
        _write(route, rate.give_back(allowance.limits, spent, now.timestamp(), back, allowance.today(now)))


def send_first(route: Route, now: datetime, *, counts: bool = True) -> bool:
    """One confirmation or test is to go by this route, ahead of any campaign: it is counted, where it `counts`, and
    waits for nothing.

    False, and nothing counted: an hour's or a day's limit is used up to the last one.
    """
    allowance = allowance_of(route)
    if allowance.endless:
        return True
    with _held(route.pk) as spent:
        drawn = rate.draw(allowance.limits, spent, now.timestamp(), 1, allowance.today(now), first=True)
        if drawn.count and counts:
            _write(route.pk, drawn.spent)
    return bool(drawn.count)


def spent_until(route: Route, now: datetime) -> tuple[datetime, str] | None:
    """Until when campaigns may send nothing by it, and why ("limit", "warm_up"). None: it can take something."""
    allowance = allowance_of(route)
    if allowance.endless:
        return None
    row = RoutePace.objects.filter(route=route.pk).first()
    spent = rate.read_spent(row.spent) if row else SpentRate()
    drawn = rate.draw(allowance.limits, spent, now.timestamp(), 1, allowance.today(now))
    if drawn.count or drawn.why == "pace":
        return None
    return datetime.fromtimestamp(drawn.until, UTC), drawn.why


def left_of_warm_up(route: Route | SendingDomain, now: datetime) -> int:
    """How many may still go by a route, or from a domain, until its warm-up is over."""
    if not route.warm_up or route.warm_since is None:
        return 0
    today = route.organization.day_of(now)
    return sum(rate.parse_plan(route.warm_up)[max(0, (today - route.warm_since).days) :])


def used(route: Route, now: datetime) -> list[RateUsed]:
    """For people: limits of an hour and a day, and the day of the warm-up."""
    allowance, row = allowance_of(route), RoutePace.objects.filter(route=route.pk).first()
    spent, today = rate.read_spent(row.spent) if row else SpentRate(), allowance.today(now)
    shares = []
    if today.volume is not None:
        shares.append(RateUsed("warm_up", spent.of_day if spent.day == today.day else 0, today.volume))
    long = [limit for limit in allowance.limits if limit.seconds >= rate.HOUR]
    return shares + [
        RateUsed(str(long_limit), rate.used_of(long_limit, spent, now.timestamp()), int(long_limit.count))
        for long_limit in long
    ]


# --- connections ---


def lease(route: int, worker: int, total: int, held: int, now: datetime) -> tuple[int, int]:
    """This sender's part of a route's connections for LEASE seconds, and how many senders share them.

    held: how many it had until now. What it has to hand over counts as its own until it asks the next time, when they
    are closed; so there are never more of them than `total`.
    """
    at = now.timestamp()
    with _held(route):
        rows = ConnectionLease.objects.filter(route=route, until__gt=at, worker__ended=None).exclude(worker=worker)
        others = dict(rows.values_list("worker", "connections"))
        place = sorted([*others, worker]).index(worker)
        ours = rate.connections_of(total, place, len(others) + 1, sum(others.values()))
        ConnectionLease.objects.filter(route=route, until__lte=at).exclude(worker=worker).delete()
        ConnectionLease.objects.update_or_create(
            route_id=route, worker_id=worker, defaults={"connections": max(ours, held), "until": at + LEASE}
        )
    return ours, len(others) + 1


def give_up(route: int, worker: int) -> None:
    """None of its connections is open any more."""
    ConnectionLease.objects.filter(route=route, worker=worker).delete()


# --- mailbox providers ---


def slowed(routes: Sequence[int], now: datetime) -> dict[int, dict[int, SlowedRate]]:
    """route -> provider -> how slowly it is served, of those that have not grown back."""
    at, by_route = now.timestamp(), dict[int, dict[int, SlowedRate]]()
    rows = ProviderPace.objects.filter(route__in=routes).values_list("route", "provider", "rate", "full", "at", "hold")
    for route, provider, *numbers in rows:
        state = SlowedRate(*numbers)
        if rate.allowed(state, at) is not None:
            by_route.setdefault(route, {})[provider] = state
    return by_route


def slow_down(route: int, provider: int, state: SlowedRate) -> None:
    """Written for all senders. Where two heard the complaint, the slower one counts."""
    with _held(route):
        row = ProviderPace.objects.filter(route=route, provider=provider).first()
        if row is not None and abs(row.at - state.at) < rate.ONE_COMPLAINT:
            state = replace(state, rate=min(state.rate, row.rate), hold=max(state.hold, row.hold))
        ProviderPace.objects.update_or_create(
            route_id=route,
            provider=provider,
            defaults={"rate": state.rate, "full": state.full, "at": state.at, "hold": state.hold},
        )


def forgive(route: int, providers: Sequence[int]) -> None:
    """It was the relay, not these."""
    ProviderPace.objects.filter(route=route, provider__in=providers).delete()
