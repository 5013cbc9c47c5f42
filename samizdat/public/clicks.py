"""Presses of links that a letter has for all its readers alike: sums, and nothing of who pressed.

A press is one more in a sum that this process has in memory. Once a minute the sums go into the intake, sealed like all
that readers send, without a time of day. What a crash loses is a minute of presses.
"""

import logging
import threading
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from itertools import batched
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

# Seconds between two boxes: so coarse that the order of boxes tells nothing of a reader's evening.
PACE = 60.0
# Sums of one box, which then has some 8 KB.
MOST = 100

type Later = Callable[[float, Callable[[], None]], None]


def _later(seconds: float, deed: Callable[[], None]) -> None:
    timer = threading.Timer(seconds, deed)
    timer.daemon = True
    timer.start()


class ClickTally:
    """Sums that have not gone into the intake yet, of this process."""

    def __init__(self, later: Later = _later) -> None:
        self._later = later
        self._sums: Counter[tuple[bytes, str, str]] = Counter()
        self._rings = False  # Whether a timer is set: never two, or each minute there would be more of them.
        self._lock = threading.Lock()

    def add(self, place: Site, code: str, now: datetime) -> None:
        day = now.astimezone(ZoneInfo(place.zone)).date().isoformat()
        with self._lock:
            self._sums[bytes(place.uid), day, code] += 1
            begins, self._rings = not self._rings, True
        if begins:
            self._later(PACE, self._ring)

    def _ring(self) -> None:
        try:
            self.flush()
        finally:
            connections.close_all()  # Of the timer's thread, which ends here.
            with self._lock:
                again = self._rings = bool(self._sums)
            if again:
                self._later(PACE, self._ring)

    def flush(self) -> None:
        """Puts all sums into the intake. What cannot be written now is tried again a minute later."""
        with self._lock:
            sums, self._sums = self._sums, Counter()
        boxes: dict[tuple[bytes, str], list[str]] = {}
        for uid, day, code in sorted(sums):
            boxes.setdefault((uid, day), []).append(code)
        for (uid, day), codes in boxes.items():
            for some in batched(codes, MOST):
                counts = {code: sums[uid, day, code] for code in some}
                try:
                    _drop(uid, day, counts)
                except (DatabaseError, VaultError) as error:
                    log.error("Presses of links could not be put down, and are tried again: %s", where_it_broke(error))
                    with self._lock:
                        self._sums.update({(uid, day, code): count for code, count in counts.items()})


def _drop(uid: bytes, day: str, counts: dict[str, int]) -> None:
    """One box, in no transaction of ours: this process may be one that only reads the database and hands over."""
    if place := queries.place(uid):
        put(place, {"kind": "pressed", "day": day, "counts": counts})


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
