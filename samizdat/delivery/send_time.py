"""Until when a campaign is sent, reckoned from the routes there are and from what they did for the last campaigns."""

from collections.abc import Collection
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from samizdat.accounts.models import Organization
from samizdat.core.mail import rate
from samizdat.core.mail.send_time import PLAN, SendCapacity, last_leaves
from samizdat.delivery.actions.rate_budgets import allowance_of
from samizdat.delivery.models import MinuteTotal, Route, RoutePace, SendingDomain
from samizdat.delivery.queries import barred_at

# Campaigns whose minutes say how fast a route is.
LAST = 10


def last_email(
    organization: Organization, domain: str, people: int, begin: datetime, now: datetime, *, quiet: str = ""
) -> datetime | None:
    """When the last of so many emails from this domain leaves. None: nobody can know.

    begin: when sending starts. quiet: the campaign's own quiet hours, "" for those of the organization.
    """
    routes = Route.objects.filter(organization=organization, state__in=("live", "throttled"))
    usable = list(routes.select_related("organization").order_by("priority", "pk"))
    barred = barred_at([route.pk for route in usable])
    usable = [route for route in usable if domain not in barred.get(route.pk, ())]
    speeds = _speeds(organization, [route.pk for route in usable], people)
    spent = {row.route_id: rate.read_spent(row.spent) for row in RoutePace.objects.filter(route__in=usable)}
    hours = quiet or organization.quiet_hours
    return last_leaves(
        people,
        begin,
        [_capacity(route, speeds.get(route.pk), spent.get(route.pk, rate.SpentRate()), begin, now) for route in usable],
        zone=ZoneInfo(organization.timezone),
        domain=_warming(organization, domain),
        quiet=rate.parse_quiet(hours),
    )


def _capacity(route: Route, speed: float | None, spent: rate.SpentRate, begin: datetime, now: datetime) -> SendCapacity:
    allowance = allowance_of(route)
    used = {
        (limit.seconds, 0): rate.used_of(limit, spent, now.timestamp())
        for limit in allowance.limits
        if begin - now < timedelta(seconds=limit.seconds)
    }
    used[PLAN, spent.day] = spent.of_day
    return SendCapacity(speed, allowance.limits, allowance.plan, allowance.since, used)


def _warming(organization: Organization, domain: str) -> SendCapacity | None:
    row = SendingDomain.objects.filter(organization=organization, name=domain).exclude(warm_up="").first()
    if row is None:
        return None
    spent = rate.read_spent(row.spent)
    return SendCapacity(None, (), rate.parse_plan(row.warm_up), row.warm_since, {(PLAN, spent.day): spent.of_day})


def _speeds(organization: Organization, routes: Collection[int], people: int) -> dict[int, float]:
    """Messages a second by route, in the best campaign of late: of its minutes without the first and the last, which
    are no whole ones. One that was over in less says as much only for no more people.
    """
    editions = organization.campaigns.filter(frozen__gt=0).order_by("-released").values_list("edition", flat=True)
    rows = MinuteTotal.objects.filter(edition__in=list(editions[:LAST]), route__in=routes).order_by("minute")
    by_run: dict[tuple[int, int], list[int]] = {}
    for route, edition, accepted, refused in rows.values_list("route", "edition", "accepted", "refused"):
        by_run.setdefault((route, edition), []).append(accepted + refused)
    speeds: dict[int, float] = {}
    for (route, _edition), minutes in by_run.items():
        whole = minutes[1:-1]
        best = sum(whole) / len(whole) if whole else max(minutes)
        if whole or best >= people:
            speeds[route] = max(speeds.get(route, 0.0), best / 60)
    return {route: speed for route, speed in speeds.items() if speed}
