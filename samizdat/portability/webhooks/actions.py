"""Webhooks are added, tested, given another secret, switched on again and removed.

What a person adds in the app or by an API key waits as an API key does (accounts/pending_changes.py): nothing is sent
to its address before. It is told things for as long as that person is an admin here.
"""

import os
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, datetime

from django.db import transaction
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from msgspec import Struct
from msgspec.structs import replace

from samizdat.accounts import memberships, pending_changes
from samizdat.accounts.models import Organization, Person
from samizdat.core import event_webhooks
from samizdat.core.event_webhooks import EVENTS, OVERLAP, SECRET_BYTES
from samizdat.events import chain
from samizdat.events.actions import record
from samizdat.events.kinds import EventKind
from samizdat.events.models import Event
from samizdat.options import inner_networks
from samizdat.portability.models import EventWebhook
from samizdat.portability.webhooks.records import (
    EventWebhookRefused,
    EventWebhookSettings,
    QueuedWebhook,
    WebhookProgress,
    WebhookTry,
    add_messages,
    message_of,
    opened,
    put_message,
    put_progress,
    put_settings,
    webhooks_of,
)

ADDED: EventKind = "event_webhook.added"
REMOVED: EventKind = "event_webhook.removed"
REPLACED: EventKind = "event_webhook.secret_replaced"
DISABLED: EventKind = "event_webhook.disabled"
ENABLED: EventKind = "event_webhook.enabled"
# Of what waits for an approval.
CHANGE = "event_webhook"

MOST, MOST_LISTS = 20, 100
# Tests that wait at a time: each is a request to the endpoint.
MOST_TESTS = 5

# Type -> what happened, for people.
LABELS: dict[str, Promise] = {
    "subscriber.added": lazy("Subscriber added"),
    "subscriber.confirmed": lazy("Subscription confirmed"),
    "subscriber.unsubscribed": lazy("Unsubscribed from a list"),
    "subscriber.resubscribed": lazy("Resubscribed to a list"),
    "subscriber.updated": lazy("Fields, tags, address or preferences changed"),
    "subscriber.bounced": lazy("Address bounced for good"),
    "subscriber.complained": lazy("Marked an email as spam"),
    "subscriber.suppressed": lazy("Added to the suppression list"),
    "subscriber.erased": lazy("Personal data erased"),
    "subscribers.changed": lazy("Many subscribers changed at once: import, batch or bulk action"),
    "campaign.scheduled": lazy("Campaign scheduled"),
    "campaign.started": lazy("Campaign started to be sent"),
    "campaign.sent": lazy("Campaign sent"),
    "campaign.cancelled": lazy("Campaign canceled"),
}


class PendingWebhook(Struct, frozen=True):
    """What is sealed of a webhook that waits."""

    url: str
    events: list[str]
    lists: list[int]
    addresses: bool


@dataclass(frozen=True, slots=True)
class EventWebhookView:
    """state: active, failing, disabled, waiting; ended, when whoever added it is no longer an admin; broken, when
    somebody without keys wrote its row. place: the address without what may be a password in its query."""

    id: int
    url: str
    place: str
    events: tuple[str, ...]
    lists: tuple[int, ...]
    addresses: bool
    by: Person | None
    created: date
    state: str
    reason: str
    failing_since: datetime | None
    dropped: int
    tries: tuple[WebhookTry, ...]
    waiting: int
    former_until: datetime | None


def add(
    organization: Organization,
    url: str,
    events: Collection[str],
    *,
    lists: Iterable[int] = (),
    addresses: bool = False,
    now: datetime,
    by: Person | None,
) -> tuple[str, EventWebhook]:
    """The secret, which nobody can show again, and its row. lists: numbers of those it is bound to; none: all. Errors:
    EventWebhookRefused."""
    url, bound = url.strip(), sorted(set(lists))
    _check(url, events, bound)
    secret = event_webhooks.new_secret(os.urandom(SECRET_BYTES))
    chosen = [event for event in EVENTS if event in events]
    settings = EventWebhookSettings(
        url=url, events=chosen, lists=bound, addresses=addresses, by=by.pk if by else None, secret=secret
    )
    with transaction.atomic():
        # Two that are added at once are counted one after the other.
        Organization.objects.select_for_update(no_key=True).get(pk=organization.pk)
        _insist_on_room(organization)
        row = EventWebhook.objects.create(organization=organization, created=organization.day_of(now))
        put_settings(row, settings)
        detail = {"place": place_of(url), "events": chosen, "lists": bound, "addresses": addresses}
        record(ADDED, organization, now=now, by=by, about=row.pk, detail=detail)
        if pending_changes.held(organization, by):
            waits = PendingWebhook(url, chosen, bound, addresses)
            pending_changes.ask(organization, CHANGE, waits, about=row.pk, now=now, by=by)
        else:
            approve(row, settings)
    return secret, row


def _check(url: str, events: Collection[str], lists: Collection[int]) -> None:
    try:
        event_webhooks.read_url(url, inner_networks())
    except event_webhooks.BadEndpointUrl:
        sentence = _("This isn’t an address for webhooks. Enter one that begins with https://, without a password.")
        raise EventWebhookRefused("webhook_url", sentence) from None
    if unknown := sorted(set(events) - {*EVENTS}):
        values = {"event": unknown[0], "events": ", ".join(EVENTS)}
        sentence = _("There is no event called %(event)s. Use some of: %(events)s.") % values
        raise EventWebhookRefused("webhook_event", sentence)
    if not events:
        raise EventWebhookRefused("webhook_event", _("Choose at least one event."))
    if len(lists) > MOST_LISTS:
        sentence = _("A webhook can be bound to at most %(n)s lists.") % {"n": MOST_LISTS}
        raise EventWebhookRefused("webhook_lists", sentence)


def _insist_on_room(organization: Organization) -> None:
    if webhooks_of(organization).count() >= MOST:
        sentence = _("There are already %(n)s webhooks. Remove one first.") % {"n": MOST}
        raise EventWebhookRefused("too_many_webhooks", sentence)


def approve(row: EventWebhook, settings: EventWebhookSettings) -> None:
    """From now on it is told what happens."""
    put_settings(row, replace(settings, approved=True))
    put_progress(row, WebhookProgress(position=chain.length(row.organization)))


def approve_pending(organization: Organization, number: int, details: PendingWebhook) -> None:
    """What was asked for, and nothing else. For the caller's transaction. Errors: EventWebhookRefused."""
    row, settings = _locked(organization, number)
    if PendingWebhook(settings.url, settings.events, settings.lists, settings.addresses) != details:
        raise no_such_webhook()
    approve(row, settings)


def remove(organization: Organization, number: int, *, now: datetime, by: Person | None) -> bool:
    """What it was still to be told goes as well; whether it was here."""
    with transaction.atomic():
        row = _row(organization, number)
        if row is None:
            return False
        known = opened(row)
        drop(organization, number)
        pending_changes.stop_about(organization, CHANGE, number, now=now, by=by)
        detail = {"place": place_of(known[0].url)} if known else {}
        record(REMOVED, organization, now=now, by=by, about=number, detail=detail)
    return True


def drop(organization: Organization, number: int) -> None:
    """In the caller's transaction, who records why."""
    EventWebhook.objects.filter(organization=organization, pk=number).delete()


def replace_secret(organization: Organization, number: int, *, now: datetime, by: Person | None) -> str:
    """The new secret, which nobody can show again. The one before signs as well for a day. Errors:
    EventWebhookRefused."""
    with transaction.atomic():
        row, settings = _locked(organization, number)
        secret = event_webhooks.new_secret(os.urandom(SECRET_BYTES))
        put_settings(row, replace(settings, secret=secret, former=settings.secret, former_until=now + OVERLAP))
        detail = {"place": place_of(settings.url)}
        record(REPLACED, organization, now=now, by=by, about=number, detail=detail)
    return secret


def enable(organization: Organization, number: int, *, now: datetime, by: Person | None) -> None:
    """It goes on where it was when it was switched off: nothing that happened meanwhile is lost. Errors:
    EventWebhookRefused."""
    with transaction.atomic():
        row, settings = _locked(organization, number)
        progress = (opened(row) or (None, WebhookProgress()))[1]
        if progress.disabled is None:
            return
        put_progress(row, WebhookProgress(progress.position, tries=progress.tries, dropped=progress.dropped))
        for waiting in row.messages.order_by("pk"):
            if message := message_of(waiting, organization):
                put_message(waiting, organization, replace(message, tries=0, due=None))
        detail = {"place": place_of(settings.url)}
        record(ENABLED, organization, now=now, by=by, about=number, detail=detail)


def test(organization: Organization, number: int, *, chance: bytes) -> None:
    """The worker sends a test, once, also to one that is switched off; the try says what came of it. chance: 16 random
    bytes. Errors: EventWebhookRefused."""
    with transaction.atomic():
        row, settings = _locked(organization, number)
        state = state_of(row, settings, WebhookProgress())
        if state != "active":
            raise EventWebhookRefused("webhook_waits", str(_REASONS[state]))
        if row.messages.count() >= MOST_WAITING + MOST_TESTS:
            raise EventWebhookRefused("too_many_tests", _("Tests are waiting already. Try again in a minute."))
        add_messages(row, [QueuedWebhook(f"msg_{chance.hex()}")])


# Events of one webhook that wait at a time: the others wait in the log.
MOST_WAITING = 1_000

_REASONS: dict[str, Promise] = {
    "waiting": lazy("This webhook waits for another admin’s approval. Nothing is sent to it before."),
    "ended": lazy("The person who added this webhook is no longer an admin. Remove it and add it again."),
    "removed": lazy("There is no such webhook."),
}


def state_of(row: EventWebhook, settings: EventWebhookSettings, progress: WebhookProgress) -> str:
    """As EventWebhookView.state; "removed" for a row that was put back."""
    if not settings.approved:
        return "waiting"
    # A row that was removed fits again when whoever writes the database puts it back.
    if Event.objects.filter(organization=row.organization, kind=REMOVED, about=row.pk).exists():
        return "removed"
    if settings.by is not None:
        person = Person.objects.filter(pk=settings.by).first()
        if person is None or not memberships.has_role(person, row.organization, ("admin",)):
            return "ended"
    if progress.disabled is not None:
        return "disabled"
    return "failing" if progress.failures else "active"


def views(organization: Organization, now: datetime) -> list[EventWebhookView]:
    """The oldest first."""
    return [_view(row, now) for row in webhooks_of(organization)]


def view_of(organization: Organization, number: int, now: datetime) -> EventWebhookView | None:
    row = _row(organization, number)
    return None if row is None else _view(row, now)


def _view(row: EventWebhook, now: datetime) -> EventWebhookView:
    known = opened(row)
    settings, progress = known or (EventWebhookSettings(), WebhookProgress())
    is_overlapping = len(settings.secrets(now)) > 1
    return EventWebhookView(
        id=row.pk,
        url=settings.url,
        place=place_of(settings.url),
        events=tuple(settings.events),
        lists=tuple(settings.lists),
        addresses=settings.addresses,
        by=Person.objects.filter(pk=settings.by).first() if settings.by else None,
        created=row.created,
        state=state_of(row, settings, progress) if known else "broken",
        reason=progress.reason,
        failing_since=progress.failing_since,
        dropped=progress.dropped,
        tries=tuple(reversed(progress.tries)),
        waiting=row.messages.count(),
        former_until=settings.former_until if is_overlapping else None,
    )


def place_of(url: str) -> str:
    return url.partition("?")[0].removeprefix("https://")


def _row(organization: Organization, number: int) -> EventWebhook | None:
    return webhooks_of(organization).filter(pk=number).first()


def _locked(organization: Organization, number: int) -> tuple[EventWebhook, EventWebhookSettings]:
    """For the caller's transaction. Errors: EventWebhookRefused."""
    row = webhooks_of(organization).select_for_update(of=("self",), no_key=True).filter(pk=number).first()
    known = opened(row) if row is not None else None
    if row is None or known is None:
        raise no_such_webhook()
    return row, known[0]


def no_such_webhook() -> EventWebhookRefused:
    return EventWebhookRefused("no_such_webhook", _("There is no such webhook."))
