"""Sending routes: which there are and how they stand, paused and resumed. Where they lead and what they sign in with
stays in the app."""

from datetime import datetime

from django.utils import timezone
from django.utils.translation import gettext as _
from ninja import Path, Router, Schema

from samizdat.accounts.models import ApiKey
from samizdat.api.campaigns import Number
from samizdat.api.keys import KeyAuth, KeyedRequest, insist_on_all_lists
from samizdat.api.problems import ApiProblem
from samizdat.api.shapes import ERRORS, ProblemOut
from samizdat.delivery import actions, queries
from samizdat.delivery.models import Route
from samizdat.delivery.queries import RouteRow

router = Router(tags=["Sending routes"])
READ, WRITE = KeyAuth("routes:read", "routes:write"), KeyAuth("routes:write")


class RouteOut(Schema):
    """kind: of its URL. priority: lowest is used first. state: live, throttled, dead, paused or waiting (for an
    approval). reason, and detail in English: why it doesn't send. who: has to act. until: when it is tried again.
    refused_domains: of senders that its provider doesn't take."""

    id: int
    name: str
    kind: str
    priority: int
    state: str
    reason: str
    detail: str
    who: str
    until: datetime | None
    changed: datetime
    refused_domains: list[str]


class RoutesOut(Schema):
    items: list[RouteOut]


@router.get("", response={200: RoutesOut, ERRORS: ProblemOut}, auth=READ, summary="All sending routes")
def all_routes(request: KeyedRequest) -> RoutesOut:
    """In the order in which they are used. Only for a key that is bound to no list."""
    insist_on_all_lists(request.auth)
    return RoutesOut(items=[_out(row) for row in queries.routes(request.auth.organization)])


@router.post(
    "/{int:number}/pause",
    response={200: RouteOut, 409: ProblemOut, ERRORS: ProblemOut},
    auth=WRITE,
    summary="Pause a sending route",
)
def pause_route(request: KeyedRequest, number: Path[Number]) -> RouteOut:
    """Nothing more is sent by it; emails under way are finished."""
    route = _route(request.auth, number)
    _insist_on_approved(route)
    actions.pause_route(route, now=timezone.now(), by=request.auth.by)
    return _shown(request.auth, number)


@router.post(
    "/{int:number}/resume",
    response={200: RouteOut, 409: ProblemOut, ERRORS: ProblemOut},
    auth=WRITE,
    summary="Resume a sending route",
)
def resume_route(request: KeyedRequest, number: Path[Number]) -> RouteOut:
    """One that a program or person paused. What its provider stopped, an admin looks at in the app."""
    route = _route(request.auth, number)
    _insist_on_approved(route)
    if route.state in ("dead", "throttled"):
        sentence = _("The provider stopped this route. An admin looks at it in the app, under Routes, and resumes it.")
        raise ApiProblem(409, "needs_person", sentence)
    if route.state != "live":
        actions.resume_route(route, now=timezone.now(), by=request.auth.by)
    return _shown(request.auth, number)


def _insist_on_approved(route: Route) -> None:
    """A key of the command line is of nobody, and gives no approval. Errors: ApiProblem 409."""
    if route.state == "waiting":
        sentence = _("This route waits for an approval. Another admin gives it in the app, under Pending changes.")
        raise ApiProblem(409, "needs_person", sentence)


def _route(key: ApiKey, number: int) -> Route:
    """Errors: ApiProblem 403, 404."""
    rows = Route.objects.select_related("organization").filter(organization=key.organization)
    route = rows.exclude(state="removed").filter(pk=number).first()
    if route is None:
        raise ApiProblem(404, "no_such_route", _("There is no such route."))
    insist_on_all_lists(key)
    return route


def _shown(key: ApiKey, number: int) -> RouteOut:
    return next(_out(row) for row in queries.routes(key.organization) if row.id == number)


def _out(row: RouteRow) -> RouteOut:
    return RouteOut(
        id=row.id,
        name=row.name,
        kind=row.scheme,
        priority=row.priority,
        state=row.state,
        reason=row.reason,
        detail=row.sentence,
        who=row.who,
        until=row.until,
        changed=row.changed,
        refused_domains=[bar.domain for bar in row.barred],
    )
