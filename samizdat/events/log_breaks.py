"""Where the log is not as it was written: said once for each place or gap and what is wrong there, and again where what
was said of it is gone too. A gap that grows, or two that become one, is another one."""

from collections.abc import Collection
from datetime import datetime, timedelta

from samizdat.events import chain, queries
from samizdat.events.actions import detail_of, record
from samizdat.events.chain import Break
from samizdat.events.kinds import EventKind
from samizdat.vault.keyring import HasKeys

ALTERED: EventKind = "log.altered"
SHOWN = timedelta(days=7)
# Places of one event; further ones are said the next night.
MOST = 100
# Rows at the end of a log that `doctor` walks by itself: a second at most.
NEWEST = 10_000


def report(organization: HasKeys, breaks: Collection[Break], now: datetime) -> int:
    """How many of these nobody has said yet; then an event says them."""
    new = _unknown(organization, breaks)
    if new:
        record(ALTERED, organization, now=now, detail={"breaks": new[:MOST], "count": len(new)})
    return len(new)


def is_alarming(organization: HasKeys, now: datetime) -> bool:
    """Whether something was changed within a week, or at the end of the log and is not said yet."""
    last = queries.last(organization, ALTERED)
    if last is not None and last.at > now - SHOWN:
        return True
    start = max(0, chain.length(organization) - NEWEST)
    walk = chain.ChainWalk(start, chain.link_at(organization, start) if start else bytes(32))
    while not walk.go_on(organization):
        continue
    return bool(_unknown(organization, walk.breaks))


def _unknown(organization: HasKeys, breaks: Collection[Break]) -> list[Break]:
    if not breaks:
        return []
    reported = {
        Break(*known)
        for event in queries.newest(organization, kinds=[ALTERED], limit=1000)
        for known in detail_of(event).get("breaks", ())
    }
    return sorted({*breaks} - reported)
