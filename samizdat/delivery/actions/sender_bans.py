"""A domain that a provider does not accept is barred on that route, and there alone, until a person lifts it."""

from collections.abc import Collection
from datetime import datetime

from django.db import transaction

from samizdat.accounts.models import Person
from samizdat.core.mail.outcome import RouteVerdict
from samizdat.delivery.models import Route, RouteDomain
from samizdat.delivery.queries import bar_column
from samizdat.events.actions import record
from samizdat.vault import keyring


def bar(route: Route, domains: Collection[str], verdict: RouteVerdict, now: datetime, by: Person | None = None) -> None:
    """Nothing from these domains goes by this route any more. Known ones get the newest words and no second event."""
    values = dict(verdict.values)
    with transaction.atomic():
        for domain in sorted(domains):
            facts = {"reason": verdict.reason, "answer_sealed": _sealed(route, domain, values), "since": now}
            _row, new = RouteDomain.objects.update_or_create(route=route, domain=domain, defaults=facts)
            if new:
                detail = {"name": route.name, "domain": domain, "reason": verdict.reason, "values": values}
                record("route.domain_banned", route.organization, now=now, by=by, about=route.pk, detail=detail)


def lift(route: Route, domain: str | None = None, *, now: datetime, by: Person | None = None) -> list[str]:
    """Letters from this domain are tried by this route again; None: from all that were barred. Which those were."""
    rows = RouteDomain.objects.filter(route=route)
    with transaction.atomic():
        domain_names = sorted((rows if domain is None else rows.filter(domain=domain)).values_list("domain", flat=True))
        rows.filter(domain__in=domain_names).delete()
        for domain_name in domain_names:
            detail = {"name": route.name, "domain": domain_name}
            record("route.ban_lifted", route.organization, now=now, by=by, about=route.pk, detail=detail)
    return domain_names


def _sealed(route: Route, domain: str, values: dict[str, str]) -> bytes:
    return keyring.keys(route.organization).seal_json(values, "route_domain", bar_column(domain), route.pk)
