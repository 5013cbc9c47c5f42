"""Verbs on routes: add, change, pause, resume, remove, test, and condemn when a provider drops us."""

import asyncio
from collections.abc import Collection
from copy import copy
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from samizdat import plugins
from samizdat.accounts import pending_changes, sealed_settings
from samizdat.accounts.models import Organization, Person
from samizdat.core.mail import rate as pace
from samizdat.core.mail.outcome import RouteVerdict
from samizdat.delivery.actions import route_changes, route_tokens, sender_bans
from samizdat.delivery.actions.route_changes import RouteDetails
from samizdat.delivery.errors import RouteRefused
from samizdat.delivery.models import Route, RouteDomain, RouteTotal, RouteWebhook
from samizdat.delivery.queries import WayOut, is_held, transport_of, way_of
from samizdat.delivery.sealed_routes import RouteAddress, open_address, seal_address
from samizdat.events.actions import record
from samizdat.events.kinds import EventKind
from samizdat.vault import keyring

LONGEST_NAME = 60
LAST_TURN = 999

# Who signs what goes by a route (DKIM), by its switch.
SIGNERS = {True: "us", False: "provider"}

# A relay that says so lives and only wants less. Any other passing trouble is a relay that cannot be reached.
ASKS_FOR_PATIENCE = ("rate", "busy", "quota", "credits", "same_refusal")
# Seconds until one that cannot be reached is asked again: the first time, and from then on.
ASK_AGAIN = 60
LATER = 600
# Seconds that a test of a route may take, all in all.
ALTOGETHER = 50.0


@dataclass(frozen=True, slots=True)
class RouteTest:
    """What a route said when it was asked. `sentence` is English; the doors have their own by `reason` and `values`."""

    ok: bool
    state: str
    reason: str
    values: dict[str, str]
    sentence: str


def add_route(
    organization: Organization,
    name: str,
    url: str,
    *,
    now: datetime,
    by: Person | None = None,
    priority: int = 10,
    rate: str | None = None,
    connections: int | None = None,
    password: str | None = None,
    signs: bool = True,
    warm_up: str | None = None,
    of_the_server: bool = True,
) -> Route:
    """A new way out; URL and credentials are sealed, and whether it was added on the server itself: by nobody who has
    signed in, and not from a file of somebody else's (of_the_server). Then it may lead anywhere. rate: one limit or
    several, "10/s,5000/h,20000/d". signs: whether we sign what goes by it, or its provider does. warm_up: how many go
    on its first days, "50,100,200" or "standard". Nothing goes by one that waits for an approval (route_changes.py).
    Errors: RouteRefused.
    """
    name, turn = _name(name), _place(priority)
    limits, plan = _limits(rate), _plan(warm_up)
    speed = pace.pace_of(limits)
    settings = _settings(name, url, password, connections, speed)
    try:
        with transaction.atomic():
            # Of two that are added at once, one alone is the first.
            Organization.objects.select_for_update(no_key=True).get(pk=organization.pk)
            guarded = route_changes.guards_new(organization, by)
            waits = guarded and not route_changes.all_dropped(organization, now)
            route = Route.objects.create(
                organization=organization,
                name=name,
                priority=turn,
                settings_sealed=b"",
                scheme=settings.scheme,
                connections=connections or settings.connections,
                rate=speed,
                limits=pace.limits_text(limits),
                warm_up=plan,
                warm_since=organization.day_of(now) if plan else None,
                signs=signs,
                state="waiting" if waits else "live",
                changed=now,
            )
            address = RouteAddress(url.strip(), password, ours=by is None and of_the_server, held=waits)
            route.settings_sealed = seal_address(route, address)
            route.save(update_fields=["settings_sealed"])
            record("route.added", organization, now=now, by=by, about=route.pk, detail={"name": name})
            sealed_settings.count_another(organization, "routes")
            if guarded:
                _ask_for(route, now, by)
            if guarded and not waits:
                pending_changes.settle_about(organization, route_changes.ROUTE, route.pk, now=now, by=by)
    except IntegrityError:
        _refuse_taken(organization, name)
        raise
    return route


@dataclass(frozen=True, slots=True)
class RouteChange:
    """One thing about a route that is another now. Of a password both are "", and "" is no limit. signs: SIGNERS."""

    word: str  # name, url, password, priority, rate, warm_up, connections, signs
    before: str
    after: str


def change_route(
    route: Route,
    *,
    now: datetime,
    by: Person | None = None,
    name: str | None = None,
    url: str | None = None,
    password: str | None = None,
    priority: int | None = None,
    rate: str | None = None,
    connections: int | None = None,
    signs: bool | None = None,
    warm_up: str | None = None,
) -> list[RouteChange]:
    """Writes what is given, keeps the rest, and tells what is another now; rate "" takes the limits away, warm_up ""
    ends the warm-up, and another plan begins today.

    A password that is not given stays, as long as the host does. Another account may accept what this one did not, so
    with another server or password no domain is barred any more. What one admin may not do alone waits, and is none
    of what is told (route_changes.py). Errors: RouteRefused.
    """
    before = way_of(route)
    name = route.name if name is None else _name(name)
    limits = before.limits if rate is None else pace.limits_text(_limits(rate))
    speed = route.rate if rate is None else pace.pace_of(_limits(rate))
    plan = route.warm_up if warm_up is None else _plan(warm_up)
    many = connections or route.connections
    known = open_address(route)
    wanted = _wanted(name, known, url, password)
    # A URL that is given on the server itself may lead anywhere, also the one that an admin had given.
    ours = known.ours and _leads_as(name, known.url, wanted.url)
    wanted = wanted.with_(ours=ours or (by is None and url is not None))
    settings = _settings(name, wanted.url, wanted.password, many, speed)
    turn = route.priority if priority is None else _place(priority)
    after = WayOut(name, settings, turn, speed, many, route.signs if signs is None else signs, limits, plan)
    changes = _differences(before, after)
    # Of one that waits nobody uses anything yet; its row alone doesn't make it one that does.
    guarded = _leads_elsewhere(changes) and not wanted.held and route_changes.guards_change(route, by)
    details = RouteDetails(route.name, after.shown, wanted, before.shown)
    waits = guarded and not route_changes.all_dropped(route.organization, now)
    if waits:
        pending_changes.ask(route.organization, route_changes.CHANGED, details, about=route.pk, now=now, by=by)
        wanted = known
        after = replace(after, settings=before.settings)
        changes = [change for change in changes if change.word not in LEADING]
    if changes or wanted.ours != known.ours:
        _write(route, after, wanted, [change.word for change in changes], now, by)
        route.refresh_from_db()
    if guarded and not waits:
        pending_changes.ask(route.organization, route_changes.CHANGED, details, about=route.pk, now=now, by=by)
        pending_changes.settle_about(route.organization, route_changes.CHANGED, route.pk, now=now, by=by)
    return changes


# Of what is changed: whom the addresses are handed to.
LEADING = ("url", "password")


def _leads_elsewhere(changes: list[RouteChange]) -> bool:
    return any(change.word in LEADING for change in changes)


def _ask_for(route: Route, now: datetime, by: Person | None) -> None:
    details = RouteDetails(route.name, way_of(route).shown, open_address(route))
    pending_changes.ask(route.organization, route_changes.ROUTE, details, about=route.pk, now=now, by=by)


def _ask_anew(route: Route, now: datetime, by: Person | None) -> None:
    """A route that waits leads elsewhere now: what somebody may be approving at this moment is another one."""
    for row in list(pending_changes.waiting(route.organization).filter(kind=route_changes.ROUTE, about=route.pk)):
        pending_changes.stop_about(route.organization, route_changes.ROUTE, route.pk, now=now, by=by)
        _ask_for(route, now, by or row.by)


def use_approved(route: Route, *, now: datetime, by: Person | None, wanted: RouteAddress | None = None) -> None:
    """A route that waited is used like any other. wanted: where it led, and by which password, when somebody approved
    it; older settings of it could have been put back. Errors: RouteRefused."""
    with transaction.atomic():
        rows = Route.objects.select_related("organization").select_for_update(of=("self",)).filter(pk=route.pk)
        mine = rows.exclude(state="removed").first()
        if mine is not None:
            kept = open_address(mine)
            if wanted is not None and not kept.leads_as(wanted):
                sentence = _("This route now leads to another server. Stop this change, then add the route again.")
                raise RouteRefused(sentence)
            sealed = seal_address(mine, kept.with_(held=False))
            Route.objects.filter(pk=route.pk).update(settings_sealed=sealed, state="live", reason="", changed=now)
    record("route.resumed", route.organization, now=now, by=by, about=route.pk, detail={"name": route.name})


def lead_as_approved(route: Route, wanted: RouteAddress, *, now: datetime, by: Person | None) -> None:
    """The settings that waited are in force, and a route that rested is tried again by them. Errors: RouteRefused."""
    before = way_of(route)
    settings = _settings(route.name, wanted.url, wanted.password, before.connections, before.rate)
    after = replace(before, settings=settings)
    with transaction.atomic():
        _hold(route.organization)
        _write(route, after, wanted, [change.word for change in _differences(before, after)], now, by)
        if route.state in ("dead", "throttled"):
            _turn(route, "live", "", "route.resumed", now, by)


def wait_from_now_on(number: int, now: datetime) -> None:
    """Its server hangs up when anything follows a final dot: each answer is waited for, by all senders, until the route
    leads to another server.
    """
    with transaction.atomic():
        if Route.objects.filter(pk=number, waits=False).update(waits=True):
            route = Route.objects.select_related("organization").get(pk=number)
            record("route.awaits_approval", route.organization, now=now, about=number, detail={"name": route.name})


def _write(
    route: Route, way: WayOut, wanted: RouteAddress, changed: list[str], now: datetime, by: Person | None
) -> None:
    """changed: words of what is another now. Errors: RouteRefused for a taken name."""
    try:
        with transaction.atomic():
            Route.objects.filter(pk=route.pk).update(
                name=way.name,
                settings_sealed=seal_address(route, wanted),
                scheme=way.settings.scheme,
                priority=way.priority,
                rate=way.rate,
                limits=way.limits,
                warm_up=way.warm_up,
                warm_since=_since(route, way.warm_up, now),
                connections=way.connections,
                signs=way.signs,
                changed=now,
            )
            detail = {"name": way.name, "changed": changed}
            record("route.changed", route.organization, now=now, by=by, about=route.pk, detail=detail)
            if set(LEADING) & set(changed):
                sender_bans.lift(route, now=now, by=by)
                pending_changes.stop_about(route.organization, route_changes.CHANGED, route.pk, now=now, by=by)
                route.refresh_from_db()
                _ask_anew(route, now, by)
            if "url" in changed:
                Route.objects.filter(pk=route.pk).update(waits=False)
    except IntegrityError:
        _refuse_taken(route.organization, way.name, but=route.pk)
        raise


def _wanted(name: str, known: RouteAddress, url: str | None, password: str | None) -> RouteAddress:
    """URL and password as they are to be kept. A password in a new URL is the new one.

    The old one goes along to no other host: whoever got into an admin's desk could have it sent to a server of
    theirs, and it would not open the new one anyway.
    """
    before = plugins.read_url(name, known.url, password=known.password)
    if url is None:
        return known.with_(password=password or known.password)
    try:
        after = plugins.read_url(name, url)
    except plugins.BadRoute as bad:
        raise _refused(bad) from bad
    kept = password or None
    if not kept and after.has_login and not after.password and before.password:
        if after.leads_to != before.leads_to:
            text = _("The saved password is for %(host)s. Enter the one for %(other)s too.")
            raise RouteRefused(text % {"host": before.leads_to, "other": after.leads_to}, "password")
        kept = before.password
    return known.with_(url=url.strip(), password=kept)


def _leads_as(name: str, before: str, after: str) -> bool:
    """Whether a URL leads to the same server as another one."""
    first, other = (plugins.read_url(name, url) for url in (before, after))
    return (first.scheme, first.host, first.port, first.options) == (
        other.scheme,
        other.host,
        other.port,
        other.options,
    )


def _differences(before: WayOut, after: WayOut) -> list[RouteChange]:
    """In the order of the form. Whether a password is another one is all that is told of it."""
    pairs = [
        ("name", before.name, after.name),
        ("url", before.shown, after.shown),
        ("priority", str(before.priority), str(after.priority)),
        ("rate", before.limits, after.limits),
        ("warm_up", before.warm_up, after.warm_up),
        ("connections", str(before.connections), str(after.connections)),
        ("signs", SIGNERS[before.signs], SIGNERS[after.signs]),
    ]
    changes = [RouteChange(word, was, now) for word, was, now in pairs if was != now]
    if before.settings.password != after.settings.password:
        changes.append(RouteChange("password", "", ""))
    return changes


def _name(text: str) -> str:
    name = text.strip()
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise RouteRefused(_("A route name has one line of at most 60 characters."), "name")
    return name


def _place(priority: int) -> int:
    if not 1 <= priority <= LAST_TURN:
        raise RouteRefused(
            _("The priority of a route is a number from 1 to 999. The lowest number is used first."), "priority"
        )
    return priority


def _refuse_taken(organization: Organization, name: str, but: int = 0) -> None:
    """Errors: RouteRefused where another route has this name; else the database complained of something else."""
    if Route.objects.filter(organization=organization, name=name).exclude(pk=but).exists():
        sentence = _("A route called “%(name)s” already exists. Choose another name.")
        raise RouteRefused(sentence % {"name": name}, "name") from None


def _limits(text: str | None) -> tuple[pace.Limit, ...]:
    try:
        return pace.parse_limits(text or "")
    except pace.BadRate as bad:
        raise _refused(bad) from bad


def _plan(text: str | None) -> str:
    """A warm-up as it is kept: "50,100,200"; "" for none."""
    try:
        return ",".join(map(str, pace.parse_plan(text or "")))
    except pace.BadRate as bad:
        raise _refused(bad) from bad


def _since(route: Route, plan: str, now: datetime) -> date | None:
    """The first day of a warm-up: a plan that stays goes on where it is."""
    return route.warm_since if plan == route.warm_up else route.organization.day_of(now) if plan else None


def _settings(
    name: str, url: str, password: str | None, connections: int | None, rate: float | None
) -> plugins.RouteSettings:
    """The route as its transport reads it; built once here, so that a mistake is said now and not at night."""
    try:
        settings = plugins.read_url(name, url, password=password, connections=connections, rate=rate)
        plugins.transport(settings.scheme)(settings).check_new()
    except (plugins.BadRoute, plugins.NoSuchPlug) as bad:
        raise _refused(bad) from bad
    return settings


def _refused(bad: pace.BadRate | plugins.BadRoute | plugins.NoSuchPlug) -> RouteRefused:
    """The same in the language of whoever asked."""
    sentence = _(bad.sentence)
    field = ("warm_up" if bad.code == "no_plan" else "rate") if isinstance(bad, pace.BadRate) else "where"
    return RouteRefused(sentence.format(**bad.values) if bad.values else sentence, field)


def pause_route(route: Route, *, now: datetime, by: Person | None = None) -> Route:
    """Nothing more goes out by it; what is in flight is finished."""
    return _turn(route, "paused", "person", "route.paused", now, by)


def resume_route(route: Route, *, now: datetime, by: Person | None = None) -> Route:
    """It lives again, whatever it was condemned for, and for every domain. Errors: RouteRefused for one that waits for
    an approval."""
    with transaction.atomic():
        _hold(route.organization)
        if route.state == "waiting":
            return _resume_waiting(route, now, by)
        sender_bans.lift(route, now=now, by=by)
        return _turn(route, "live", "", "route.resumed", now, by)


def _resume_waiting(route: Route, now: datetime, by: Person | None) -> Route:
    """On the server itself, or once no provider is left, nobody has to be asked."""
    if by is not None and not route_changes.all_dropped(route.organization, now):
        raise RouteRefused(_still_waits(route))
    pending_changes.settle_about(route.organization, route_changes.ROUTE, route.pk, now=now, by=by)
    use_approved(route, now=now, by=by)
    route.refresh_from_db()
    return route


def _still_waits(route: Route) -> str:
    sentence = _("%(name)s is waiting for another admin’s approval. See Pending changes.")
    return sentence % {"name": route.name}


def _hold(organization: Organization) -> None:
    """Before any of its routes, so that no two wait for each other; sealed_settings.note_closed needs it."""
    Organization.objects.select_for_update(no_key=True).get(pk=organization.pk)


def _turn(route: Route, state: str, reason: str, kind: EventKind, now: datetime, by: Person | None) -> Route:
    with transaction.atomic():
        _hold(route.organization)
        mine = Route.objects.filter(pk=route.pk).exclude(state__in=("waiting", "removed"))
        if not mine.update(state=state, reason=reason, answer_sealed=b"", until=None, changed=now):
            raise RouteRefused(_still_waits(route))
        record(kind, route.organization, now=now, by=by, about=route.pk, detail={"name": route.name})
        sealed_settings.note_closed(route.organization, route.pk, None)
    route.refresh_from_db()
    return route


def remove_route(route: Route, *, now: datetime, by: Person | None = None) -> None:
    """Takes a route away with its credentials. One that has sent something keeps its name in the reports."""
    with transaction.atomic():
        _hold(route.organization)
        # One that waited was never used, so nothing is missed of it (route_changes.all_dropped).
        dropped = is_held(route) or route_changes.is_dropped(route)
        sealed_settings.note_closed(route.organization, route.pk, None)
        detail = {"name": route.name, "dropped": dropped}
        record("route.removed", route.organization, now=now, by=by, about=route.pk, detail=detail)
        for kind in (route_changes.ROUTE, route_changes.CHANGED):
            pending_changes.stop_about(route.organization, kind, route.pk, now=now, by=by)
        if not RouteTotal.objects.filter(route=route).exists():
            Route.objects.filter(pk=route.pk).delete()
            return
        RouteDomain.objects.filter(route=route).delete()
        RouteWebhook.objects.filter(route=route).delete()
        Route.objects.filter(pk=route.pk).update(
            state="removed",
            reason="",
            settings_sealed=b"",
            answer_sealed=b"",
            until=None,
            changed=now,
            # The name is free again for another one.
            name=name_of_removed(route.name, route.pk),
        )


def name_of_removed(name: str, number: int) -> str:
    """How reports call a route that is gone."""
    return f"{name[: LONGEST_NAME - 12]} ({number})"


def probe_route(route: Route, *, now: datetime, by: Person | None = None) -> RouteTest:
    """Connects, signs in and leaves again; the route is afterwards what this says of it (believe)."""
    verdict = asyncio.run(_probed(transport_for_test(route)))
    route_tokens.keep_renewed()
    believe(route, replace(verdict, early=True), now=now, by=by)
    return RouteTest(verdict.state == "ok", verdict.state, verdict.reason, dict(verdict.values), verdict.sentence)


def transport_for_test(route: Route) -> plugins.BaseTransport:
    """Errors: RouteRefused."""
    try:
        return transport_of(route, for_test=True)
    except plugins.BadRoute as bad:
        raise _refused(bad) from bad


def probe_waiting(route: Route) -> RouteTest:
    """The same of the settings that wait for an approval, so that what is wrong with them is known before they are in
    force. The route stays as it is. Errors: RouteRefused."""
    row = pending_changes.waiting(route.organization).filter(kind=route_changes.CHANGED, about=route.pk).last()
    if row is None:
        raise RouteRefused(_("These settings are no longer pending. See Pending changes."))
    wanted = pending_changes.details_of(row, RouteDetails).wanted
    assert wanted is not None
    tried = copy(route)
    tried.settings_sealed = seal_address(route, wanted)
    verdict = asyncio.run(_probed(transport_for_test(tried)))
    return RouteTest(verdict.state == "ok", verdict.state, verdict.reason, dict(verdict.values), verdict.sentence)


async def _probed(transport: plugins.BaseTransport) -> RouteVerdict:
    try:
        return await asyncio.wait_for(transport.probe(), limit_of(transport))
    except TimeoutError:
        return silent(transport)


def limit_of(transport: plugins.BaseTransport) -> float | None:
    """One that answers a word every ten seconds makes no single wait too long, but somebody waits for all of them. A
    command that hands a letter on is given its own time."""
    return ALTOGETHER if "connect" in transport.known_options else None


def silent(transport: plugins.BaseTransport) -> RouteVerdict:
    """What is said of one that was not done in that time."""
    return RouteVerdict("throttled", "no_answer", {"host": transport.route.leads_to, "detail": f"{ALTOGETHER:g} s"}, 60)


def believe(route: Route, verdict: RouteVerdict, *, now: datetime, by: Person | None = None, domain: str = "") -> None:
    """What a person's test found out. A good one wakes a condemned route; a bad one condemns it as a letter would.

    domain: that of the letter that was sent; one that was taken lifts its bar. A paused route stays paused: somebody
    decided that.
    """
    if verdict.state != "ok":
        condemn(route.pk, verdict, now, {domain} - {""}, by=by)
        route.refresh_from_db()
        return
    if domain:
        sender_bans.lift(route, domain, now=now, by=by)
    if route.state in ("dead", "throttled"):
        _turn(route, "live", "", "route.resumed", now, by)
    else:
        clear_reason(route.pk)
    route.refresh_from_db()


def condemn(
    route_id: int, verdict: RouteVerdict, now: datetime, domains: Collection[str] = (), by: Person | None = None
) -> None:
    """The provider dropped us or wants patience. What it said is kept, addresses taken out, sealed.

    A verdict on our set-up ('config') means the domains that it was given for: they are barred here, and the route
    lives. Where none is known it was given before any letter, and means the route.

    One that cannot be reached counts as dead, so that the next route takes over, and is asked again by itself. A wrong
    password is believed after two tries 10 minutes apart (formats/route-errors.md, rule 4): the first time
    `until` says when to ask once more; `reason` still standing on a live route is the sign of the second time.
    """
    route = Route.objects.select_related("organization").filter(pk=route_id).first()
    if route is None or route.state in ("paused", "waiting", "removed"):
        return
    if verdict.state == "config" and domains:
        sender_bans.bar(route, domains, verdict, now, by)
        return
    again = route.reason == verdict.reason
    until: datetime | None
    if verdict.state == "throttled":
        state = "throttled" if verdict.reason in ASKS_FOR_PATIENCE else "dead"
        until = now + timedelta(seconds=max(verdict.wait or ASK_AGAIN, LATER if again and state == "dead" else 0))
    else:
        state = "dead"
        until = now + timedelta(seconds=verdict.wait) if verdict.wait and not again else None
    answer = keyring.keys(route.organization).seal_json(dict(verdict.values), "route", "answer", route.pk)
    with transaction.atomic():
        _hold(route.organization)
        Route.objects.filter(pk=route_id).update(
            state=state, reason=verdict.reason, answer_sealed=answer, until=until, changed=now
        )
        detail = {"name": route.name, "reason": verdict.reason, "values": dict(verdict.values)}
        final = {route_changes.FINAL: until is None}
        kind: EventKind = "route.dead" if state == "dead" else "route.throttled"
        event = record(kind, route.organization, now=now, by=by, about=route_id, detail={**detail, **final})
        # Early: its own server said so before a recipient was named, or in a test to a mailbox of our own.
        closed = state == "dead" and verdict.early
        sealed_settings.note_closed(route.organization, route_id, event.pk if closed else None)


def wake_due(now: datetime) -> int:
    """Routes whose patience is over live again: throttled ones, and dead ones that may be asked once more."""
    if not Route.objects.filter(state__in=("throttled", "dead"), until__lte=now).exists():
        return 0  # Asked twice a second: an UPDATE that finds nothing would still take SQLite's one lock.
    throttled = Route.objects.filter(state="throttled", until__lte=now).update(
        state="live", reason="", until=None, changed=now
    )
    dead = Route.objects.select_related("organization").filter(state="dead", until__lte=now)
    return throttled + sum(_wake(route, now) for route in dead)


def _wake(route: Route, now: datetime) -> int:
    with transaction.atomic():
        _hold(route.organization)
        # The reason stays: a second verdict of the same kind is final.
        mine = Route.objects.filter(pk=route.pk, state="dead", until=route.until)
        woken = mine.update(state="live", until=None, changed=now)
        if woken:
            sealed_settings.note_closed(route.organization, route.pk, None)
    return woken


def clear_reason(route_id: int) -> None:
    """It takes messages again: what it was condemned for is over."""
    Route.objects.filter(pk=route_id, state="live").update(reason="", answer_sealed=b"")
