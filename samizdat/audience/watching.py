"""Subscribers opened one after the other, faster than anybody reads: stopped, and told to all admins.

Whoever is signed in with somebody's stolen session may see what that person may see. This makes the list of thousands
a matter of weeks, with an alarm on the first day. What is counted is how many somebody opens, never whom, and it stands
in the memory of this process alone: when somebody worked is nobody's business.
"""

import math
import threading
from datetime import datetime, timedelta
from typing import Any

from samizdat import hours
from samizdat.core.bucket import Bucket
from samizdat.events.actions import record
from samizdat.events.models import Event

ALARM = "subscribers.read_fast"

# So many at once, then one every two seconds: who looks for somebody leafs so fast, and for no more than a minute.
AT_ONCE, A_SECOND = 30, 0.5
# And so many in a row, then as many an hour: who works through a list by hand needs longer for each.
IN_A_ROW, AN_HOUR = 200, 200
# One alarm a day for each person is enough.
TOLD = timedelta(days=1)

_lock = threading.Lock()
# (organisation, person) -> the two buckets.
_held: dict[tuple[int, int], tuple[Bucket, Bucket]] = {}
# Those that are full are forgotten beyond this.
MANY = 1000


def open_some(organisation: Any, person: Any, many: int, now: datetime) -> int:
    """Somebody opens so many. 0: they may. Otherwise they have to wait so many seconds, and the admins are told."""
    seconds = _take((organisation.pk, person.pk), many, hours.ticks())
    if seconds and not _is_told(organisation, person, now):
        record(ALARM, organisation, now=now, about=person.pk, by=person)
    return seconds


def forget() -> None:
    """As in a process that begins: for tests."""
    with _lock:
        _held.clear()


def alarms(organisation: Any, now: datetime) -> list[Event]:
    """Of the last day, the newest first."""
    rows = Event.objects.select_related("organisation", "by").filter(organisation=organisation, kind=ALARM)
    return list(rows.filter(at__gt=now - TOLD).order_by("-id")[:10])


def _take(who: tuple[int, int], many: int, at: float) -> int:
    with _lock:
        if len(_held) > MANY:
            for other in [key for key, pair in _held.items() if all(bucket.is_full(at) for bucket in pair)]:
                del _held[other]
        quick, slow = _held.setdefault(who, (Bucket(AT_ONCE, A_SECOND), Bucket(IN_A_ROW, AN_HOUR / 3600)))
        wait = max(quick.wait(at, many), slow.wait(at, many))
        if not wait:
            quick.take(at, many)
            slow.take(at, many)
        return math.ceil(wait)


def _is_told(organisation: Any, person: Any, now: datetime) -> bool:
    rows = Event.objects.filter(organisation=organisation, kind=ALARM, about=person.pk)
    return rows.filter(at__gt=now - TOLD).exists()
