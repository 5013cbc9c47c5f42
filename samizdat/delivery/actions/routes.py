"""Verbs on routes: add, pause, resume, remove, test, and condemn when a provider drops us."""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from samizdat import plugs
from samizdat.core import pace
from samizdat.core.outcome import RouteVerdict
from samizdat.delivery.errors import RouteRefused
from samizdat.delivery.models import Route, RouteTotal
from samizdat.delivery.queries import transport_of
from samizdat.events.actions import record
from samizdat.vault import house
from samizdat.vault.sealed import open_json, seal_json

LONGEST_NAME = 60

# A relay that says so lives and only wants less. Any other passing trouble is a relay that cannot be reached.
ASKS_FOR_PATIENCE = ("rate", "busy", "quota", "credits", "same_refusal")
# Seconds until one that cannot be reached is asked again: the first time, and from then on.
ASK_AGAIN = 60
LATER = 600


@dataclass(frozen=True, slots=True)
class Tested:
    """What a route said when it was asked. `sentence` is English; the doors have their own by `reason` and `values`."""

    ok: bool
    state: str
    reason: str
    values: dict[str, str]
    sentence: str


def add_route(
    organisation: Any,
    name: str,
    url: str,
    *,
    now: datetime,
    by: Any = None,
    priority: int = 10,
    rate: str | None = None,
    connections: int | None = None,
    password: str | None = None,
) -> Route:
    """A new way out; URL and credentials are sealed. rate: "10/s", "600/m", "5000/h". Errors: RouteRefused."""
    name = name.strip()
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise RouteRefused(_("A route needs a name of one line, at most 60 characters."))
    speed = _rate(rate)
    settings = _settings(name, url, password, connections, speed)
    keys = house.keys(organisation)
    try:
        with transaction.atomic():
            route = Route.objects.create(
                organisation=organisation,
                name=name,
                priority=priority,
                settings_sealed=b"",
                scheme=settings.scheme,
                connections=connections or settings.connections,
                rate=speed,
                changed=now,
            )
            route.settings_sealed = seal_json(
                keys, {"url": url.strip(), "password": password}, "route", "settings", route.pk
            )
            route.save(update_fields=["settings_sealed"])
            record("route.added", organisation, now=now, by=by, about=route.pk, detail={"name": name})
    except IntegrityError:
        raise RouteRefused(
            _("There is a route called %(name)s already. Choose another name.") % {"name": name}
        ) from None
    return route


def change_route(
    route: Route,
    *,
    now: datetime,
    by: Any = None,
    url: str | None = None,
    password: str | None = None,
    priority: int | None = None,
    rate: str | None = None,
    connections: int | None = None,
) -> Route:
    """Writes what is given and keeps the rest; rate "" takes the limit away. Errors: RouteRefused."""
    keys = house.keys(route.organisation)
    known = open_json(keys, route.settings_sealed, "route", "settings", route.pk)
    wanted = {"url": url.strip() if url else known["url"], "password": password or known.get("password")}
    speed = route.rate if rate is None else _rate(rate)
    settings = _settings(route.name, wanted["url"], wanted["password"], connections or route.connections, speed)
    with transaction.atomic():
        Route.objects.filter(pk=route.pk).update(
            settings_sealed=seal_json(keys, wanted, "route", "settings", route.pk),
            scheme=settings.scheme,
            priority=route.priority if priority is None else priority,
            rate=speed,
            connections=connections or route.connections,
            changed=now,
        )
        record("route.changed", route.organisation, now=now, by=by, about=route.pk, detail={"name": route.name})
    route.refresh_from_db()
    return route


def _rate(text: str | None) -> float | None:
    try:
        return pace.parse_rate(text) if text else None
    except pace.BadRate as bad:
        raise _refused(bad) from bad


def _settings(name: str, url: str, password: str | None, connections: int | None, rate: float | None) -> Any:
    """The route as its transport reads it; built once here, so that a mistake is said now and not at night."""
    try:
        settings = plugs.read_url(name, url, password=password, connections=connections, rate=rate)
        plugs.transport(settings.scheme)(settings)
    except (plugs.BadRoute, plugs.NoSuchPlug) as bad:
        raise _refused(bad) from bad
    return settings


def _refused(bad: pace.BadRate | plugs.BadRoute | plugs.NoSuchPlug) -> RouteRefused:
    """The same in the language of whoever asked."""
    sentence = _(bad.sentence)
    return RouteRefused(sentence.format(**bad.values) if bad.values else sentence)


def pause_route(route: Route, *, now: datetime, by: Any = None) -> Route:
    """Nothing more goes out by it; what is in flight is finished."""
    return _turn(route, "paused", "person", "route.paused", now, by)


def resume_route(route: Route, *, now: datetime, by: Any = None) -> Route:
    """It lives again, whatever it was condemned for."""
    return _turn(route, "live", "", "route.resumed", now, by)


def _turn(route: Route, state: str, reason: str, kind: str, now: datetime, by: Any) -> Route:
    with transaction.atomic():
        Route.objects.filter(pk=route.pk).update(state=state, reason=reason, answer_sealed=b"", until=None, changed=now)
        record(kind, route.organisation, now=now, by=by, about=route.pk, detail={"name": route.name})
    route.refresh_from_db()
    return route


def remove_route(route: Route, *, now: datetime, by: Any = None) -> None:
    """Takes a route away with its credentials. One that has sent something keeps its name in the reports."""
    with transaction.atomic():
        record("route.removed", route.organisation, now=now, by=by, about=route.pk, detail={"name": route.name})
        if not RouteTotal.objects.filter(route=route).exists():
            Route.objects.filter(pk=route.pk).delete()
            return
        Route.objects.filter(pk=route.pk).update(
            state="removed",
            reason="",
            settings_sealed=b"",
            answer_sealed=b"",
            until=None,
            changed=now,
            # The name is free again for another one.
            name=f"{route.name[: LONGEST_NAME - 12]} ({route.pk})",
        )


def probe_route(route: Route, *, now: datetime, by: Any = None) -> Tested:
    """Connects, signs in and leaves again. A condemned route that lets us in lives again."""
    verdict: RouteVerdict = asyncio.run(transport_of(route).probe())
    ok = verdict.state == "ok"
    if ok and route.state in ("dead", "throttled"):
        _turn(route, "live", "", "route.resumed", now, by)
    return Tested(ok, verdict.state, verdict.reason, dict(verdict.values), verdict.sentence)


def condemn(route_id: int, verdict: RouteVerdict, now: datetime) -> None:
    """The provider dropped us or wants patience. What it said is kept, addresses taken out, sealed.

    One that cannot be reached counts as dead, so that the next route takes over, and is asked again by itself. A wrong
    password is believed after two tries 10 minutes apart (formats/route-errors.md, rule 4): the first time
    `until` says when to ask once more; `reason` still standing on a live route is the sign of the second time.
    """
    route = Route.objects.select_related("organisation").filter(pk=route_id).first()
    if route is None or route.state in ("paused", "removed"):
        return
    again = route.reason == verdict.reason
    until: datetime | None
    if verdict.state == "throttled":
        state = "throttled" if verdict.reason in ASKS_FOR_PATIENCE else "dead"
        until = now + timedelta(seconds=max(verdict.wait or ASK_AGAIN, LATER if again and state == "dead" else 0))
    else:
        state = "dead"
        until = now + timedelta(seconds=verdict.wait) if verdict.wait and not again else None
    answer = seal_json(house.keys(route.organisation), dict(verdict.values), "route", "answer", route.pk)
    with transaction.atomic():
        Route.objects.filter(pk=route_id).update(
            state=state, reason=verdict.reason, answer_sealed=answer, until=until, changed=now
        )
        detail = {"name": route.name, "reason": verdict.reason, "values": dict(verdict.values)}
        record(f"route.{state}", route.organisation, now=now, about=route_id, detail=detail)


def wake_due(now: datetime) -> int:
    """Routes whose patience is over live again: throttled ones, and dead ones that may be asked once more."""
    throttled = Route.objects.filter(state="throttled", until__lte=now).update(
        state="live", reason="", until=None, changed=now
    )
    # The reason stays on a dead one: a second verdict of the same kind is final.
    return throttled + Route.objects.filter(state="dead", until__lte=now).update(state="live", until=None, changed=now)


def clear_reason(route_id: int) -> None:
    """It takes messages again: what it was condemned for is over."""
    Route.objects.filter(pk=route_id, state="live").update(reason="", answer_sealed=b"")
