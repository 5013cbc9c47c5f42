"""Asks sending providers for bounces and complaints, where no webhook can reach us: what their lists have, by the key
of the route. What they say is followed up as if it had been delivered."""

import asyncio
import logging
from datetime import datetime, timedelta

from msgspec import structs

from samizdat import limited_process, plugins
from samizdat.core.crypto.seal import SealError
from samizdat.delivery.actions import route_webhooks
from samizdat.delivery.models import RouteWebhook
from samizdat.delivery.queries import transport_of
from samizdat.delivery.sealed_webhooks import WebhookSettings, open_settings
from samizdat.incoming import webhooks
from samizdat.incoming.webhooks import OVERLAP
from samizdat.vault.errors import VaultError

log = logging.getLogger("samizdat.worker")

# From one time to the next, and how far back the first one and one after a long pause look: nothing older is believed.
EVERY, FARTHEST = timedelta(minutes=10), timedelta(days=30)
# Of transports/webhooks.SENTENCES.
FAULTS = ("not_listed", "list_failed")
# Seconds that a provider has for all of its lists.
PATIENCE = 300.0


def organizations(now: datetime) -> set[int]:
    """Numbers of those with a route that this is done for."""
    return {row.route.organization_id for row in route_webhooks.fetching()}


def fetch_due(organization: int, now: datetime) -> int:
    """How many of its routes were asked for."""
    return sum(_fetch(row, now) for row in route_webhooks.fetching(organization))


def _fetch(row: RouteWebhook, now: datetime) -> bool:
    """False: it isn't time, or another process asks."""
    state = route_webhooks.claim(row, now, EVERY)
    if state is None:
        return False
    since = max(state.listed or now - OVERLAP, now - FARTHEST)
    try:
        if _take(row, open_settings(row), since, now):
            _went_well(row, now)
    except plugins.RouteDown as down:
        _went_wrong(row, "not_listed" if down.verdict.reason == "not_authorised" else "list_failed", now)
    except (
        TimeoutError, SealError, VaultError, plugins.BadRoute, plugins.NoSuchPlug, limited_process.TooMuch,
        limited_process.HelperBroke,
    ):  # fmt: skip
        _went_wrong(row, "list_failed", now)
    return True


def _take(row: RouteWebhook, settings: WebhookSettings, since: datetime, now: datetime) -> bool:
    """False: something has to be asked for again. Errors: RouteDown, BadRoute, VaultError."""
    transport = transport_of(row.route)
    if transport.lists_for != settings.provider:
        raise plugins.BadRoute("bad_endpoint")  # It leads to another one since.
    pages = asyncio.run(asyncio.wait_for(transport.events_since(since - OVERLAP, now), PATIENCE))
    requests = [plugins.WebhookRequest(page.body, listed=page.list) for page in pages]
    return webhooks.take_listed(row, settings, requests, since, now)


def _went_well(row: RouteWebhook, now: datetime) -> None:
    state = structs.replace(route_webhooks.state_of(row), listed=now)
    if state.refusal in FAULTS:
        state = structs.replace(state, refusal="", values={}, refused=None, refusals=0)
    route_webhooks.note(row, state)


def _went_wrong(row: RouteWebhook, code: str, now: datetime) -> None:
    provider = plugins.webhooks()[open_settings(row).provider].label
    log.warning("The lists of route %d can't be read (%s) and are asked for again.", row.pk, code)
    route_webhooks.note(row, route_webhooks.state_of(row).with_refusals(now, code, {"provider": provider}, 1))
