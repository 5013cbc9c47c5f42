"""Which routes one admin may not use alone: whoever has a stolen session would add a server of their own, release a
letter, and be handed every address (threat model, T19; accounts/pending_changes.py)."""

from datetime import datetime, timedelta

from samizdat.accounts import pending_changes
from samizdat.accounts.models import Organization, Person
from samizdat.core.mail.outcome import DROPPED
from samizdat.delivery.models import Route, RouteTotal
from samizdat.delivery.queries import is_held
from samizdat.events.actions import detail_of
from samizdat.events.models import Event
from samizdat.vault import keyring
from samizdat.vault.sealed_json import open_json

# In the sealed answer of a route: its provider said so before a recipient was named, or to a mailbox of our own.
ITSELF = "by_itself"

ROUTE, CHANGED = "route", "route_changed"

# How long a living route that an admin removed counts as one that there is.
REMOVED = timedelta(days=30)


def guards_new(organization: Organization, by: Person | None) -> bool:
    """Whether all admins are asked about a route that this person adds. About the first one ever they are not, since
    nothing has gone out yet; what was removed counts, so nobody makes theirs the first."""
    added = Event.objects.filter(organization=organization, kind="route.added").exists()
    return added and pending_changes.held(organization, by)


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
    if not _still_here(organization) <= there.keys():
        return False
    present = [row for row in there.values() if not is_held(row)]
    return bool(present) and all(is_dropped(row) for row in present) and not _removed_alive(organization, now)


def _still_here(organization: Organization) -> set[int | None]:
    """Numbers of the routes that were added and not removed, as the log says."""
    events = Event.objects.filter(organization=organization)
    added, removed = (
        set(events.filter(kind=kind).values_list("about", flat=True)) for kind in ("route.added", "route.removed")
    )
    return added - removed


def is_dropped(route: Route) -> bool:
    """Whether its provider itself wants no mail from us any more, and has said so for good."""
    return route.reason in DROPPED and route.until is None and _said_itself(route)


def _said_itself(route: Route) -> bool:
    """Whether it is dead, and not by what the server of a recipient may have said."""
    if route.state != "dead":
        return False
    answer = open_json(keyring.keys(route.organization), bytes(route.answer_sealed), "route", "answer", route.pk)
    return ITSELF in (answer or {})


def _removed_alive(organization: Organization, now: datetime) -> bool:
    events = Event.objects.filter(organization=organization, kind="route.removed", by__isnull=False)
    return any(not detail_of(event).get("dropped") for event in events.filter(at__gt=now - REMOVED))


def _never_worked(route: Route) -> bool:
    """The only route that there ever was, and it has carried nothing: somebody corrects what they typed."""
    added = Event.objects.filter(organization=route.organization, kind="route.added").count()
    return added == 1 and _said_itself(route) and not RouteTotal.objects.filter(route=route, accepted__gt=0).exists()
