"""Which campaigns a sender sends: the task engine places senders over the machines (design.md, 6.4).

A task "send this edition, slot n" lasts for a minute at most, in which the sender that took it claims chunks of that
edition; it is rung again while chunks remain. Who claims what is decided by the ledger alone: a task that runs twice
or is lost costs nothing. Connections, and chunks that were claimed, outlive the task.
"""

import threading
import time
from collections import Counter
from datetime import datetime, timedelta

from django.db import connection
from django.db.models import Count, Q, QuerySet
from django.db.models.functions import Now
from django.tasks import task

from samizdat.delivery.engine.heartbeat import BEAT
from samizdat.delivery.models import Chunk, Worker
from samizdat.worker.queue import enqueue
from samizdat.worker.queue.task_wrappers import quiet

# Seconds a sender keeps a slot before others may have it.
HOLD = 60.0
# Seconds between two looks whether chunks remain.
LOOK = 1.0
# Campaigns one sender can be placed at at a time.
AT_A_TIME = 20
# Slots up to which each keeps its session to the database between two looks.
FEW = 3
# Chunks of an edition for which one more sender is worth its while.
CHUNKS_A_SLOT = 2


class SenderSlots:
    """The slots of this process's sender. Tasks hold them; the claimer asks by calling."""

    def __init__(self, stopping: threading.Event) -> None:
        self._stopping = stopping
        self._lock = threading.Lock()
        self._held: Counter[int] = Counter()

    def __call__(self, edition: int) -> bool:
        return self._held[edition] > 0

    def hold(self, edition: int, slot: int) -> None:
        """Sends chunks of this edition here, until there are none or the minute is over."""
        with self._lock:
            if self._held[edition]:
                return  # One slot an edition is enough here; the clock rings for another sender.
            self._held[edition] += 1
        try:
            until = time.monotonic() + HOLD
            while self._remains(edition):
                if time.monotonic() >= until:
                    enqueue.ring(send, edition, slot)
                    return
                if self._stopping.wait(LOOK):
                    return
        finally:
            with self._lock:
                del self._held[edition]

    def _remains(self, edition: int) -> bool:
        try:
            return remains(edition)
        finally:
            if len(self._held) > FEW:
                connection.close()  # Each task has a thread and so a session of its own; many would add up.


# This process's, where it is a sender.
here: SenderSlots | None = None


@task(queue_name="senders")
@quiet
def send(edition: int, slot: int) -> None:
    """A sender sends chunks of this edition for a minute at most. Senders alone listen to this queue."""
    if here is not None:
        here.hold(edition, slot)


def remains(edition: int) -> bool:
    """Are there chunks of it to claim?"""
    return _ready().filter(edition=edition).exists()


def _ready() -> QuerySet[Chunk]:
    return Chunk.objects.filter(
        Q(not_before=None) | Q(not_before__lte=Now()),
        state=Chunk.READY,
        edition__campaign__state="sending",
        edition__organization__sending_locked=False,
    )


def place(_now: datetime) -> int:
    """Rings for senders wherever there are chunks to send and slots that nobody has. How many bells."""
    if enqueue.embedded():
        return 0
    rows = list(_ready().values_list("edition").annotate(chunks=Count("id")))
    if not rows:
        return 0
    alive = Worker.objects.filter(role="sender", ended=None, beat__gt=Now() - timedelta(seconds=3 * BEAT)).count()
    begun = enqueue.begun("senders")
    count = 0
    for edition, chunks in rows:
        for slot in range(min(max(1, alive), -(-chunks // CHUNKS_A_SLOT))):
            if (edition, slot) not in begun:
                count += enqueue.ring(send, edition, slot)
    return count
