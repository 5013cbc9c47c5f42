"""Logs as far as this process has walked them: whether nothing was taken out since something was asked for.

A walk costs 16 us for each consent record, so seconds after a large import, and it was one for each campaign, export
and change that asked. Here it is one for each organization: it goes on from where it came, and whoever may not wait
gives it some time and asks again. What was walked is known by its events, which have to be there still as they were;
those about subscribers are passed over, since their absence tells nobody what to do.
"""

import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf

from samizdat.events import chain
from samizdat.events.actions import is_genuine
from samizdat.events.models import Event
from samizdat.vault.keyring import HasKeys

# Rows between two looks at the time: some 20 ms. A sender that walks feeds nobody meanwhile.
PORTION = 500

# Of many, and nothing waits for what they don't say.
_PASSED_OVER = ("subscriber.", "subscribers.left", "suppressions.", "tag.")

# Kind and place of an event, by its number.
type KnownEvents = dict[int, tuple[str, int | None]]


@dataclass(slots=True)
class _Stretch:
    """Of a log, from `start`, whose link this is, to where `walk` came."""

    start: int
    link: bytes
    walk: chain.ChainWalk

    @classmethod
    def begun(cls, organization: HasKeys, since: int) -> "_Stretch":
        link = chain.link_at(organization, since) if since else bytes(32)
        return cls(since, link, chain.ChainWalk(since, link))


@dataclass(slots=True)
class _WalkedLog:
    """`back`: a walk that begins before, and is to meet this one."""

    walked: _Stretch
    back: _Stretch | None = None
    events: dict[int | None, KnownEvents] = field(default_factory=lambda: defaultdict(dict))  # By what they are about.
    lock: threading.Lock = field(default_factory=threading.Lock)


_logs: dict[int, _WalkedLog] = {}
_guard = threading.Lock()


def is_whole(
    organization: HasKeys, since: int, about: int, seconds: float = inf, clock: Callable[[], float] = time.monotonic
) -> bool | None:
    """Whether nothing was taken out of the log behind a position, least of all an event about this row. None: it was
    not all walked in that time; what was counts the next time."""
    until = clock() + seconds
    with _guard:
        log = _logs.get(organization.id)
        if log is None or not _stands(organization, log):
            log = _logs[organization.id] = _WalkedLog(_Stretch.begun(organization, since))
    if not log.lock.acquire(timeout=-1 if seconds == inf else seconds):
        return None  # Somebody else walks, and it goes on for both.
    try:
        through = _go_on(organization, log, since, lambda: clock() >= until)
        broken = any(place.last > since or place.reason == "place" for place in log.walked.walk.breaks)
        if broken or not through:
            return False if broken else None
        return _are_there(log.events.get(about, {}))
    finally:
        if log.walked.walk.breaks:
            _logs.pop(organization.id, None)  # Once it was mended it is walked anew.
        log.lock.release()


def _stands(organization: HasKeys, log: _WalkedLog) -> bool:
    """Whether the log is still the one that was walked, and not of a restored database."""
    walked = log.walked
    ends = ((walked.start, walked.link), (walked.walk.position, walked.walk.link))
    return all(not position or chain.link_at(organization, position) == link for position, link in ends)


def _go_on(organization: HasKeys, log: _WalkedLog, since: int, is_over: Callable[[], bool]) -> bool:
    """Whether it is through: one look at least."""
    contents = {"events_event": lambda whose, numbers: _look(log, numbers)}
    if since < log.walked.start and not _go_back(organization, log, since, is_over, contents):
        return False
    walk = log.walked.walk
    while not walk.go_on(organization, contents, PORTION):
        if walk.breaks or is_over():
            return False
    return True


def _go_back(
    organization: HasKeys,
    log: _WalkedLog,
    since: int,
    is_over: Callable[[], bool],
    contents: dict[str, Callable[[HasKeys, list[int]], list[int]]],
) -> bool:
    """Walks what lies before, up to where the walk began. Whether the two have met."""
    if log.back is None or since < log.back.start:
        log.back = _Stretch.begun(organization, since)
    walk, ahead = log.back.walk, log.walked
    while walk.position < ahead.start:
        walk.go_on(organization, contents, min(PORTION, ahead.start - walk.position))
        if walk.breaks:
            ahead.walk.breaks |= walk.breaks
            return False
        if walk.position < ahead.start and is_over():
            return False
    if (walk.position, walk.link) != (ahead.start, ahead.link):
        ahead.walk.breaks.add(chain.Break(ahead.start, ahead.start, "link"))
        return False
    ahead.start, ahead.link, log.back = log.back.start, log.back.link, None
    return True


def _look(log: _WalkedLog, numbers: list[int]) -> list[int]:
    """Those whose digest is not of what they say; all others are known from now on."""
    changed = []
    for row in Event.objects.filter(id__in=numbers):
        if not is_genuine(row):
            changed.append(row.id)
        elif not row.kind.startswith(_PASSED_OVER):
            log.events[row.about][row.id] = (row.kind, row.position)
    return changed


def _are_there(known: KnownEvents) -> bool:
    """Whether events that were walked still say what they said, in their places."""
    if not known:
        return True
    rows = Event.objects.filter(id__in=[*known])
    return {row.id: (row.kind, row.position) for row in rows if is_genuine(row)} == known
