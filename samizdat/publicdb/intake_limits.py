"""How much of what readers send may wait, where the supervisor inserts it: whoever takes the public process can hand in
without end, and would fill the disk that the house writes to.

Each kind of each organization has room of its own, and leaving as much again as everything else together: a flood of
anything else keeps nobody from leaving. What providers deliver shares room with nobody.
"""

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from django.db import connections
from django.db.models import Count, Sum
from django.db.models.functions import Coalesce, Length

from samizdat.core import webhook_delivery
from samizdat.core.mail.token_bucket import Bucket
from samizdat.publicdb.models import Intake, Site

# What readers send; each kind is taken up by one of the worker's loops.
KINDS = (
    *("leave", "back", "confirm", "signup", "show", "prefer", "proven", "ask", "move", "allowed", "stay"),
    "pressed",
    "bymail",
    webhook_delivery.KIND,
)
LEAVE = "leave"
# These have room of their own, so that neither fills that of the others.
APART = (LEAVE, webhook_delivery.KIND)


class Most(NamedTuple):
    """What may wait, and how fast it may come: boxes, their bytes, boxes at once and a second in the long run."""

    boxes: int
    size: int
    at_once: float = float("inf")
    a_second: float = 0.0


# Of one organization and kind. The public process itself lets in 5,000 at once and 100 a second (public/door.ALL). A
# box has 1 KB, a sign-up up to 40. Half a million people may leave while the worker is away.
OF_ONE = {
    LEAVE: Most(500_000, 512 << 20, 10_000, 200),
    webhook_delivery.KIND: Most(5_000, 256 << 20, 5_000, 100),
    "": Most(50_000, 64 << 20, 5_000, 100),
}
# Of all organizations together.
OF_ALL = {
    LEAVE: Most(1_000_000, 1 << 30),
    webhook_delivery.KIND: Most(100_000, 512 << 20),
    "": Most(500_000, 512 << 20),
}
# Seconds between two counts of the same: until then what was handed in is added up.
COUNTED = 10.0


# Bytes of the write-ahead log above which one box in COUNTED seconds is taken. Whoever keeps reading an old state keeps
# SQLite from beginning it anew, and by boxes that are thrown away at once it would fill the disk. Settings have half of
# it at most once it has begun anew (databases.py).
MOST_LOG = 128 << 20


def log_size() -> int:
    """Bytes; 0 where there is none."""
    name = str(connections["publicdb"].settings_dict["NAME"])
    try:
        return os.stat(name + "-wal").st_size
    except OSError:
        return 0


class InboxFull(Exception):
    """The text is for the log of the public process."""


@dataclass(slots=True)
class _IntakeCounts:
    most: Most
    bucket: Bucket
    boxes: int = 0
    size: int = 0
    at: float = -1.0  # When that was counted; before that never.


class Room:
    """`take(...)` before each insert, from any thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, log: Callable[[], int] = log_size) -> None:
        self._clock, self._log = clock, log
        self._tried_log = float("-inf")
        self._counted: dict[tuple[bytes, str], _IntakeCounts] = {}
        self._lock = threading.Lock()

    def take(self, place: bytes, kind: str, size: int) -> None:
        """Errors: InboxFull."""
        if kind not in KINDS:
            raise InboxFull("Nothing of this kind is taken.")
        share = kind if kind in APART else ""
        with self._lock:
            self._look_at_log(MOST_LOG // 4 if kind == webhook_delivery.KIND else MOST_LOG)
            if (place, kind) not in self._counted and not Site.objects.filter(uid=place).exists():
                raise InboxFull("Nothing is taken for an organization that is not here.")
            place_count = self._of(place, kind, OF_ONE[share])
            everybody = self._of(b"", share, OF_ALL[share])
            self._fits(place_count, size, place=place, kind=kind)
            self._fits(everybody, size, **({"kind": share} if share else {}))
            if place_count.bucket.take(self._clock()):
                raise InboxFull("So many came at once that this one is not taken.")
            for counted in (place_count, everybody):
                counted.boxes += 1
                counted.size += size

    def _look_at_log(self, most: int) -> None:
        """What is taken all the same finds out whether it can begin anew. Long boxes give way to short ones."""
        if self._log() > most:
            if most < MOST_LOG or self._clock() - self._tried_log < COUNTED:
                raise InboxFull("The log of the public database is full, since somebody keeps reading an old state.")
            self._tried_log = self._clock()

    def _of(self, place: bytes, kind: str, most: Most) -> _IntakeCounts:
        return self._counted.setdefault((place, kind), _IntakeCounts(most, Bucket(most.at_once, most.a_second)))

    def _fits(self, counted: _IntakeCounts, size: int, **which: bytes | str) -> None:
        """Counts anew where it seems full: the worker takes things up meanwhile."""
        full = counted.boxes >= counted.most.boxes or counted.size + size > counted.most.size
        if counted.at < 0 or (full and self._clock() - counted.at >= COUNTED):
            rows = Intake.objects.filter(**which) if which else Intake.objects.exclude(kind__in=APART)
            totals = rows.aggregate(boxes=Count("id"), size=Coalesce(Sum(Length("box")), 0))
            counted.boxes, counted.size, counted.at = totals["boxes"], totals["size"], self._clock()
            full = counted.boxes >= counted.most.boxes or counted.size + size > counted.most.size
        if full:
            raise InboxFull("So much waits already that this is not taken.")
