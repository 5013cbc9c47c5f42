"""Which routes one admin may not use alone: whoever has a stolen session would add a server of their own, release a
letter, and be handed every address (threat model, T19; accounts/pending_changes.py)."""

from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct

from samizdat.accounts import pending_changes, sealed_settings
from samizdat.accounts.models import Organization, Person
from samizdat.core.mail.outcome import DROPPED
from samizdat.delivery.models import Route, RouteTotal
from samizdat.delivery.queries import is_held
from samizdat.delivery.sealed_routes import RouteAddress
from samizdat.events.actions import detail_of, is_genuine
from samizdat.events.models import Event
from samizdat.events.queries import last_about

# In the event of a verdict: it is not asked again.
FINAL = "final"
# Events that say how a route is; it is as the newest says.
_STANDING = ("route.dead", "route.throttled", "route.resumed", "route.paused")

ROUTE, CHANGED = "route", "route_changed"

# How long a living route that an admin removed counts as one that there is.
REMOVED = timedelta(days=30)


class RouteDetails(Struct, frozen=True):
    """What is sealed of a change that waits: the route's name, and where it leads in words, then and before; its
    address until it is settled."""

    name: str
    to: str
    wanted: RouteAddress | None
    before: str = ""


def guards_new(organization: Organization, by: Person | None) -> bool:
    """Whether all admins are asked about a route that this person adds. About the first one ever they are not, since
    nothing has gone out yet; what was removed counts, so nobody makes theirs the first."""
    return _ever_added(organization) != 0 and pending_changes.held(organization, by)


def _ever_added(organization: Organization) -> int | None:
    """How many routes, as is sealed and as the log says: one of them could be another for a moment. None unknown."""
    count = sealed_settings.how_many(organization, "routes")
    added = Event.objects.filter(organization=organization, kind="route.added").count()
    return None if count is None else max(count, added)


def guards_change(route: Route, by: Person | None) -> bool:
    """Whether they are asked about another server, user or password that this person gives a route."""
    return pending_changes.held(route.organization, by) and not _never_worked(route)


def all_dropped(organization: Organization, now: datetime) -> bool:
    """Whether each provider has closed our account: then the next one need not wait, and they are only told. What an
    admin took out of use counts as if it lived, for that is what a thief would do first: a paused one always, since it
    can be resumed, and a removed one for a month. So does one that the log doesn’t call removed, and that
    is gone, removed or waiting by its row alone."""
    rows = Route.objects.select_related("organization").filter(organization=organization).exclude(state="removed")
    there = {row.pk: row for row in rows}
    still_here = _still_here(organization)
    if still_here is None or not still_here <= there.keys():
        return False
    present = [row for row in there.values() if not is_held(row)]
    return bool(present) and all(is_dropped(row) for row in present) and not _removed_alive(organization, now)


def _still_here(organization: Organization) -> set[int | None] | None:
    """Numbers of the routes that were added and not removed, as the log says; None where it lacks some."""
    events = Event.objects.filter(organization=organization)
    added, removed = (
        {event.about for event in events.filter(kind=kind) if is_genuine(event)}
        for kind in ("route.added", "route.removed")
    )
    return added - removed if len(added) == sealed_settings.how_many(organization, "routes") else None


def is_dropped(route: Route) -> bool:
    """Whether its provider itself wants no mail from us any more, and has said so for good."""
    verdict = _closing_answer(route)
    return bool(verdict.get(FINAL)) and verdict["reason"] in DROPPED


def _closing_answer(route: Route) -> dict[str, Any]:
    """What its own server said when it closed the route. The row could say so, and a later event that the route lives
    could be gone: so it is the newest in the log and the sealed one. Empty where it was something else."""
    event = last_about(route.organization, _STANDING, route.pk) if route.state == "dead" else None
    if event is None or event.pk != sealed_settings.closed_by(route.organization, route.pk):
        return {}
    return detail_of(event)


def _removed_alive(organization: Organization, now: datetime) -> bool:
    events = Event.objects.filter(organization=organization, kind="route.removed", by__isnull=False)
    return any(not detail_of(event).get("dropped") for event in events.filter(at__gt=now - REMOVED))


def _never_worked(route: Route) -> bool:
    """The only route that there ever was, and it has carried nothing: somebody corrects what they typed."""
    if _ever_added(route.organization) != 1 or not _closing_answer(route):
        return False
    sent = Event.objects.filter(organization=route.organization, kind="campaign.first_sent")
    return not (sent.exists() or RouteTotal.objects.filter(route=route, accepted__gt=0).exists())
