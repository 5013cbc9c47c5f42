"""By which webhook a route's provider tells us what became of messages."""

import os
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from django.db import transaction
from django.utils.translation import gettext as _
from msgspec import structs

from samizdat import plugins
from samizdat.accounts.models import Organization, Person
from samizdat.accounts.sealed_settings import leading
from samizdat.core import webhook_delivery
from samizdat.core.crypto import tokens
from samizdat.core.crypto.seal import SealError
from samizdat.core.mail.address import is_at_or_below
from samizdat.delivery.errors import RouteRefused
from samizdat.delivery.models import Route, RouteWebhook
from samizdat.delivery.queries import way_of
from samizdat.delivery.sealed_webhooks import (
    WebhookSettings,
    WebhookState,
    open_settings,
    open_state,
    seal_settings,
    seal_state,
)
from samizdat.events.actions import record
from samizdat.vault import keyring
from samizdat.vault.errors import RecordBroken
from samizdat.vault.locks import unlocked

# Bytes of a secret: a public key of RSA with 4096 bits has some 800, and beside an ARN there may be a certificate.
LONGEST_SECRET = 20_000
# By which a provider that signs nothing logs in; the password is ours.
LOGIN = "samizdat"
_CERTIFICATE = "-----BEGIN CERTIFICATE-----"


@dataclass(frozen=True, slots=True)
class WebhookView:
    """For pages and commands, of whoever may see the secrets of a route. `address`: what is entered at the provider,
    with user and password where it logs in; "" where the organization has no public address. `state`: None where its
    seal does not hold. `fetches`: instead of waiting for deliveries, its provider's lists are asked for; `can_fetch`:
    whether the provider has some for this route."""

    provider: str
    label: str
    address: str
    steps: str
    secret_label: str
    has_secret: bool
    state: WebhookState | None
    fetches: bool = False
    can_fetch: bool = False
    list_hint: str = ""


def set_webhook(
    route: Route,
    provider: str,
    *,
    secret: str | None = None,
    fetches: bool | None = None,
    now: datetime,
    by: Person | None = None,
) -> WebhookView:
    """A new address, or the one that it has as long as the provider is the same. secret, fetches: None keeps what it
    has. Errors: RouteRefused."""
    hook = dialect(provider)
    if fetches and not lists_bounces(route, provider):
        _refuse_fetching(hook)
    key, authority = _parts(secret or "")
    with transaction.atomic():
        Route.objects.select_for_update(no_key=True).get(pk=route.pk)
        known, state = _settings_or_none(route), WebhookState()
        if known is None or known.provider != provider:
            known = WebhookSettings(provider, _token(route), "" if hook.secret_label else _login())
        else:
            # What was listed meanwhile is still to be read.
            state = WebhookState(listed=state_of(RouteWebhook(route=route)).listed)
        if secret is not None and hook.secret_label:
            known = WebhookSettings(provider, known.token, key, authority, known.fetches)
        if fetches is not None:
            known = structs.replace(known, fetches=fetches)
        row = RouteWebhook(route=route, settings_sealed=b"")
        row.settings_sealed = seal_settings(row, known)
        values = {"settings_sealed": row.settings_sealed, "state_sealed": seal_state(row, state)}
        RouteWebhook.objects.update_or_create(route=route, defaults=values)
        detail = {"name": route.name, "provider": provider}
        record("route.webhook_set", route.organization, now=now, by=by, about=route.pk, detail=detail)
    view = webhook_of(route)
    assert view is not None
    return view


def remove_webhook(route: Route, *, now: datetime, by: Person | None = None) -> None:
    """What comes to its address from then on changes nothing. Errors: RouteRefused."""
    with transaction.atomic():
        if not RouteWebhook.objects.filter(route=route).delete()[0]:
            raise RouteRefused(_("Route %(name)s has no webhook.") % {"name": route.name}, "provider")
        record("route.webhook_removed", route.organization, now=now, by=by, about=route.pk, detail={"name": route.name})


def lists_bounces(route: Route, provider: str) -> bool:
    """Whether its transport can ask this provider for what became of messages."""
    return bool(provider) and _lists_for(route.scheme) == provider


def _lists_for(scheme: str) -> str:
    """Of another package, a transport may know nothing of it."""
    return getattr(plugins.transports().get(scheme), "lists_for", "")


def _refuse_fetching(hook: plugins.Webhook) -> None:
    """Errors: RouteRefused."""
    can = sorted(plug.lists_for for plug in set(plugins.transports().values()) if getattr(plug, "lists_for", ""))
    names = ", ".join(plugins.webhooks()[name].label for name in can)
    sentence = _(
        "Bounces can be fetched only by routes that send by the web interface of: %(names)s. Let %(provider)s deliver "
        "them."
    )
    raise RouteRefused(sentence % {"names": names, "provider": hook.label}, "fetches")


def dialect(provider: str) -> plugins.Webhook:
    """Errors: RouteRefused."""
    known = plugins.webhooks()
    if provider not in known:
        names = ", ".join(sorted(known))
        sentence = _("We don’t know webhooks of “%(provider)s”. Choose one of: %(known)s.")
        raise RouteRefused(sentence % {"provider": provider, "known": names}, "provider")
    return known[provider]


def suggested(route: Route) -> str:
    """Whose webhook a route would have, by where it leads; "" where nobody knows."""
    way, known = way_of(route), plugins.webhooks()
    if _lists_for(route.scheme) in known:
        return _lists_for(route.scheme)
    for name, provider in plugins.route_providers().items():
        if provider.scheme == way.settings.scheme and provider.where in ("", way.where) and name in known:
            return name
    host = way.settings.host
    domains = {hook.domain: name for name, hook in known.items() if hook.domain}
    return next((name for domain, name in domains.items() if is_at_or_below(host, domain)), "")


def _parts(secret: str) -> tuple[str, str]:
    """The secret, and the certificate of an authority that stands below it. Errors: RouteRefused."""
    if len(secret) > LONGEST_SECRET:
        raise RouteRefused(_("This is too long for a webhook secret. Copy it again."), "secret")
    key, mark, rest = secret.partition(_CERTIFICATE)
    return key.strip(), (mark + rest).strip()


def _login() -> str:
    return f"{LOGIN}:{secrets.token_urlsafe(24)}"


def _token(route: Route) -> str:
    """Drawn, so that another one of the same route is another address."""
    key = keyring.keys(route.organization).link
    assert key is not None
    return tokens.make(key, webhook_delivery.KIND, route.pk, int.from_bytes(os.urandom(8)))


def webhook_of(route: Route) -> WebhookView | None:
    """None where it has none, or where nobody can open what is sealed of it."""
    row = RouteWebhook.objects.select_related("route__organization").filter(route=route).first()
    settings = _settings_or_none(route)
    if row is None or settings is None or settings.provider not in plugins.webhooks():
        return None
    hook = plugins.webhooks()[settings.provider]
    try:
        state: WebhookState | None = open_state(row)
    except (SealError, RecordBroken):
        state = None
    return WebhookView(
        settings.provider,
        hook.label,
        _address(route.organization, settings, with_login=not hook.secret_label),
        hook.steps,
        hook.secret_label,
        bool(settings.key),
        state,
        settings.fetches,
        lists_bounces(route, settings.provider),
        hook.list_hint,
    )


def webhooks_of(organization: Organization) -> list[tuple[Route, WebhookView | None]]:
    """Each route in the order in which they are used, with its webhook."""
    routes = Route.objects.select_related("organization").filter(organization=organization).exclude(state="removed")
    return [(route, webhook_of(route)) for route in routes.order_by("priority", "pk")]


def _settings_or_none(route: Route) -> WebhookSettings | None:
    row = RouteWebhook.objects.select_related("route__organization").filter(route=route).first()
    try:
        return open_settings(row) if row else None
    except (SealError, RecordBroken):
        return None


def _address(organization: Organization, settings: WebhookSettings, *, with_login: bool) -> str:
    base = urlsplit(leading(organization).public_url.rstrip("/"))
    if not base.hostname:
        return ""
    login = f"{settings.key}@" if with_login else ""
    return f"{base.scheme}://{login}{base.netloc}{base.path}{webhook_delivery.path(settings.token)}"


def fetching(organization: int | None = None) -> list[RouteWebhook]:
    """Those whose lists are asked for, of routes that somebody approved; of this organization alone. No copied
    installation asks."""
    rows = RouteWebhook.objects.select_related("route__organization").filter(route__organization__sending_locked=False)
    rows = rows.filter(unlocked("route__organization__"))
    if organization is not None:
        rows = rows.filter(route__organization=organization)
    return [row for row in rows.exclude(route__state__in=("removed", "waiting")).order_by("pk") if _fetches(row)]


def _fetches(row: RouteWebhook) -> bool:
    try:
        return open_settings(row).fetches
    except (SealError, RecordBroken):
        return False


def claim(row: RouteWebhook, now: datetime, every: timedelta) -> WebhookState | None:
    """To ask for its lists; None where it isn't time yet, or another process was first."""
    row.refresh_from_db(fields=["state_sealed"])
    state = _state_or_new(row)
    if state.asked is not None and now - state.asked < every:
        return None
    same = RouteWebhook.objects.filter(pk=row.pk, state_sealed=bytes(row.state_sealed))
    asks = same.update(state_sealed=seal_state(row, structs.replace(state, asked=now)))
    return state if asks else None


def settings_by(organization: Organization, text: str) -> tuple[RouteWebhook, WebhookSettings] | None:
    """Whose address a token is of; None where it is nobody's, or an earlier one."""
    try:
        token = tokens.read(keyring.keys(organization).own_links, webhook_delivery.KIND, text)
    except tokens.BadToken:
        return None
    rows = RouteWebhook.objects.select_related("route__organization").exclude(route__state="removed")
    row = rows.filter(pk=token.edition, route__organization=organization).first()
    try:
        settings = open_settings(row) if row else WebhookSettings()
    except (SealError, RecordBroken):
        return None
    return (row, settings) if row and settings.token == tokens.spelled(text) else None


def note(row: RouteWebhook, state: WebhookState) -> None:
    """Of one that was removed meanwhile nothing is written."""
    RouteWebhook.objects.filter(pk=row.pk).update(state_sealed=seal_state(row, state))


def state_of(row: RouteWebhook) -> WebhookState:
    """As it is written now; one that does not open begins anew."""
    return _state_or_new(RouteWebhook.objects.select_related("route__organization").filter(pk=row.pk).first() or row)


def _state_or_new(row: RouteWebhook) -> WebhookState:
    try:
        return open_state(row)
    except (SealError, RecordBroken):
        return WebhookState()
