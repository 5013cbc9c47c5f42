"""What comes of connecting to the mail servers of routes: whether they encrypt, with a valid certificate, and what they
call themselves. For the sending gate; the routes stay as they are. Never in a request: it takes seconds."""

import asyncio
import contextlib
from collections.abc import Iterable

from samizdat import plugins
from samizdat.accounts.models import Organization
from samizdat.core.crypto.seal import SealError
from samizdat.core.mail.outcome import RouteVerdict
from samizdat.core.mail.sender_check import RouteConnection
from samizdat.delivery import local_postfix
from samizdat.delivery.models import Route
from samizdat.delivery.queries import RouteRow, routes, transport_of

# Schemes that lead to a mail server; an interface is asked by HTTPS, whose certificate is always checked.
_SMTP = ("smtp", "smtps", "smtp+plain", "smtp+oauth")
_STATES = ("live", "throttled", "dead")
# Seconds for all of them together.
PATIENCE = 10.0


def route_key(route: RouteRow) -> str:
    """Another one once it leads elsewhere: what was seen before is not said of that."""
    return f"{route.id} {route.scheme} {route.host}"


def look(organization: Organization) -> dict[str, RouteConnection]:
    """By route_key; without those of which nothing can be known. A password is shown to none but the route's server."""
    usable = [row for row in routes(organization) if row.state in _STATES]
    asked = [row for row in usable if row.scheme in _SMTP]
    rows = Route.objects.select_related("organization").in_bulk([row.id for row in asked])
    transports: dict[str, plugins.BaseTransport] = {}
    for row in asked:
        with contextlib.suppress(plugins.BadRoute, plugins.NoSuchPlug, SealError):
            transports[route_key(row)] = transport_of(rows[row.id], for_test=True)
    return (asyncio.run(_connections(transports)) if transports else {}) | _local(usable)


def _local(rows: Iterable[RouteRow]) -> dict[str, RouteConnection]:
    """What Postfix calls itself, where routes hand over to its command: there is no connection that would say it."""
    keys = [route_key(row) for row in rows if row.scheme == "sendmail"]
    name = local_postfix.helo_name() if keys else ""
    return {key: RouteConnection(named=name) for key in keys} if name else {}


async def _connections(transports: dict[str, plugins.BaseTransport]) -> dict[str, RouteConnection]:
    verdicts = await asyncio.gather(*map(_probed, transports.values()))
    return {key: _connection(verdict) for key, verdict in zip(transports, verdicts, strict=True)}


async def _probed(transport: plugins.BaseTransport) -> RouteVerdict:
    try:
        return await asyncio.wait_for(transport.probe(), PATIENCE)
    except TimeoutError:
        return RouteVerdict("throttled", "silent")


def _connection(verdict: RouteVerdict) -> RouteConnection:
    values = verdict.values
    if verdict.state != "ok":
        return RouteConnection(verdict.reason or verdict.state, values.get("detail", ""))
    offered = values.get("extensions", "").split()
    return RouteConnection("", "", values.get("tls", ""), "STARTTLS" in offered, values.get("named", ""))
