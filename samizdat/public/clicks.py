"""Presses of links that a letter has for all its readers alike: sums, and nothing of who pressed.

A press is one more in a sum that this process has in memory. At fixed times a box of sums of each organization goes
into the intake, sealed like all that readers send: whether anybody pressed or not, and always as long, since whoever
reads that database may have had one person alone get a letter. What a crash loses is a quarter of an hour of presses.
"""

import logging
import os
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

from django.db import DatabaseError, connections
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils import timezone

from samizdat.core.crypto import tokens
from samizdat.logs import where_it_broke
from samizdat.public import tokens as held_keys
from samizdat.public.envelopes import put
from samizdat.public.responses import host_of, takes
from samizdat.publicdb import queries
from samizdat.publicdb.models import Site
from samizdat.vault.errors import VaultError

log = logging.getLogger("samizdat.public")

# Seconds between two boxes of an organization, from midnight on.
PACE = 900.0
# Sums of one box, and its bytes, which have room for so many.
MOST, SIZE = 100, 8192
# Links of an organization that wait for a box, a day each: 5 MB. Whoever presses a million of their own fills the
# memory in which others' presses wait.
WAITING = 20_000
# Of one link in a box: seven digits.
MOST_PRESSES = 9_999_999

type Later = Callable[[float, Callable[[], None]], None]


def _later(seconds: float, deed: Callable[[], None]) -> None:
    timer = threading.Timer(seconds, deed)
    timer.daemon = True
    timer.start()


class ClickTally:
    """Sums that have not gone into the intake yet, of this process."""

    def __init__(self, later: Later = _later) -> None:
        self._later = later
        self._name = os.urandom(8).hex()
        self._last = 0  # Seconds of the box before: the worker knows by them which ones it has had.
        self._sums: dict[bytes, dict[tuple[str, str], int]] = {}  # By organization: day and code -> presses.
        self._lock = threading.Lock()

    def begin(self) -> None:
        """From now on, at each full quarter of an hour."""
        self._later(PACE - time.time() % PACE, self._ring)

    def add(self, place: Site, code: str, now: datetime) -> None:
        day = now.astimezone(ZoneInfo(place.zone)).date().isoformat()
        with self._lock:
            sums = self._sums.setdefault(bytes(place.uid), {})
            if (day, code) in sums or len(sums) < WAITING:
                sums[day, code] = sums.get((day, code), 0) + 1

    def _ring(self) -> None:
        try:
            self.flush()
        finally:
            connections.close_all()  # Of the timer's thread, which ends here.
            self.begin()

    def flush(self) -> None:
        """Puts a box of each organization into the intake. What has no room in it waits for the next one, and so does
        what cannot be written now."""
        for error in self._flush():
            log.error("Clicks couldn’t be saved. They’re saved a quarter of an hour later: %s", where_it_broke(error))

    def close(self) -> None:
        """Before this process ends, and what waits in it is lost."""
        errors = self._flush()
        with self._lock:
            is_lost = any(self._sums.values())
        if is_lost:
            why = where_it_broke(errors[0]) if errors else f"more than {MOST} links of an organization"
            log.error("The last clicks before the public pages ended couldn’t be saved and are lost: %s", why)

    def _flush(self) -> list[Exception]:
        """What went wrong."""
        try:
            places = queries.places_with_links()
        except DatabaseError as error:
            return [error]
        errors = list[Exception]()
        self._last = max(self._last + 1, int(time.time()))
        at = datetime.fromtimestamp(self._last, UTC).isoformat()
        for place in places:
            day, counts = self._next(place)
            payload = {"kind": "pressed", "process": self._name, "at": at, "day": day, "counts": counts}
            try:
                put(place, payload, SIZE)
            except (DatabaseError, VaultError) as error:
                errors.append(error)
                continue
            self._forget(place, day, counts)
        return errors

    def _next(self, place: Site) -> tuple[str, dict[str, int]]:
        """The day of those that have waited longest, and as many of them as a box has room for."""
        today = timezone.now().astimezone(ZoneInfo(place.zone)).date().isoformat()
        with self._lock:
            waiting = self._sums.get(bytes(place.uid), {})
            day = min((day for day, _code in waiting), default=today)
            some = islice(((code, count) for (of, code), count in waiting.items() if of == day), MOST)
            return day, {code: min(count, MOST_PRESSES) for code, count in some}

    def _forget(self, place: Site, day: str, counts: dict[str, int]) -> None:
        """Those that are in a box; who pressed meanwhile stays."""
        with self._lock:
            waiting = self._sums.get(bytes(place.uid), {})
            for code, count in counts.items():
                left = waiting.pop((day, code)) - count
                if left:
                    waiting[day, code] = left


tally = ClickTally()


def target_of(request: HttpRequest, code: str, what: str) -> tuple[Site, str, dict[str, Any]]:
    """Whose letter a code is of, its one spelling, and what lies behind it, which must have `what`. Errors: Http404."""
    try:
        code, key = tokens.spelled(code), held_keys.reader.target_key(code)
    except tokens.BadToken:
        raise Http404 from None
    owner_and_target = queries.target(code, host_of(request), key)
    if owner_and_target is None or what not in owner_and_target[1]:
        raise Http404
    return owner_and_target[0], code, owner_and_target[1]


@takes("GET", "HEAD")
def follow(request: HttpRequest, code: str) -> HttpResponse:
    """Leads on to where a counted link of a letter leads. HEAD is how programs look at links, and counts nothing.
    Nor does a letter that few people got."""
    place, code, target = target_of(request, code, "to")
    if request.method == "GET" and "uncounted" not in target:
        tally.add(place, code, timezone.now())
    return HttpResponseRedirect(target["to"])
