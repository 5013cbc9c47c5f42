"""Asks providers how our accounts stand. Some close one and go on taking letters that they never deliver
(formats/route-errors.md, rule 8 and section 3), so what they answer to a letter is not all that can be known.
"""

import asyncio
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db.models import Q

from samizdat import plugins
from samizdat.core.mail.outcome import RouteVerdict
from samizdat.delivery.actions.routes import condemn
from samizdat.delivery.models import Route
from samizdat.delivery.queries import transport_of
from samizdat.vault.errors import VaultError
from samizdat.vault.locks import unlocked

# A route is asked at most once in so long, whichever machine does it.
EVERY = timedelta(minutes=10)
# Seconds that a provider has for its answer: the rest of the clock waits for it.
PATIENCE = 10.0
# Routes asked in one round, all of them at once.
MOST = 20


def ask_standings(now: datetime) -> int:
    """Routes whose provider says that it has closed the account or does not know the domain are condemned for it; how
    many. A good answer wakes nobody: what was condemned comes back as it always does.
    """
    asked = [(route, transport) for route in _due(now) if (transport := _transport(route)) is not None]
    verdicts = asyncio.run(_ask(transport for _route, transport in asked)) if asked else []
    bad = [(route, verdict) for (route, _), verdict in zip(asked, verdicts, strict=True) if verdict is not None]
    for route, verdict in bad:
        condemn(route.pk, verdict, now)
    return len(bad)


def _due(now: datetime) -> list[Route]:
    """Taken for this round: another machine that looks at the same moment finds them asked."""
    due = Q(asked=None) | Q(asked__lte=now - EVERY)
    schemes = [scheme for scheme, plug in plugins.transports().items() if _tells(plug)]
    rows = Route.objects.filter(
        due,
        unlocked("organization__"),
        state__in=("live", "throttled"),
        scheme__in=schemes,
        organization__sending_locked=False,
    ).select_related("organization")
    return [row for row in rows.order_by("pk")[:MOST] if Route.objects.filter(due, pk=row.pk).update(asked=now)]


def _tells(plug: type[plugins.BaseTransport]) -> bool:
    """Has it a way to ask? One of another package may know nothing of the question."""
    return getattr(plug, "standing", None) not in (None, plugins.BaseTransport.standing)


def _transport(route: Route) -> plugins.BaseTransport | None:
    """None for one that cannot be opened: the sender says so already."""
    try:
        return transport_of(route)
    except (VaultError, plugins.BadRoute, plugins.NoSuchPlug):
        return None


async def _ask(transports: Iterable[plugins.BaseTransport]) -> list[RouteVerdict | None]:
    return await asyncio.gather(*(_one(transport) for transport in transports))


async def _one(transport: plugins.BaseTransport) -> RouteVerdict | None:
    """A verdict on a closed account; None for a good one, and for whatever could not be found out."""
    try:
        async with asyncio.timeout(PATIENCE):
            verdict: RouteVerdict | None = await transport.standing()
    except (OSError, TimeoutError):
        return None
    return verdict if verdict is not None and verdict.state in ("dead", "config") else None
