"""Keeps the refresh tokens that sign-in servers give in place of earlier ones (transports/oauth.py): sealed in their
routes, so that a process which starts later signs in with the newest."""

from samizdat import plugins
from samizdat.core.crypto.seal import SealError
from samizdat.delivery.models import Route
from samizdat.delivery.queries import way_of
from samizdat.delivery.sealed_routes import open_address, seal_address
from samizdat.vault.errors import RecordBroken

SCHEME = "smtp+oauth"
_seen = 0


def keep_renewed() -> int:
    """What this process was given since the last time; in how many routes. Cheap where that is nothing, and what could
    not be written is tried again: until then this process goes on with what it has."""
    global _seen
    renewals = plugins.token_renewals()
    if renewals == _seen:
        return 0
    rows = Route.objects.filter(scheme=SCHEME).exclude(state="removed").select_related("organization")
    kept = sum(_keep(row) for row in rows)
    _seen = renewals
    return kept


def _keep(route: Route) -> bool:
    """What somebody entered meanwhile, or another process was given in place of the same one, stays."""
    try:
        address, settings = open_address(route), way_of(route).settings
    except (SealError, RecordBroken, plugins.BadRoute):
        return False
    secret = plugins.renewed_secret(settings.host, settings.options, settings.password, settings.user)
    if not secret:
        return False
    sealed = seal_address(route, address.with_(password=secret))
    rows = Route.objects.filter(pk=route.pk, settings_sealed=bytes(route.settings_sealed))
    return bool(rows.update(settings_sealed=sealed))
