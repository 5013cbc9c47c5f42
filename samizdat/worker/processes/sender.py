"""A sender process on PostgreSQL: the task engine beside the send loop, which says where to send."""

import threading
from collections.abc import Callable
from typing import NotRequired, TypedDict

from django.db import connection

from samizdat.worker.queue import sender_slots
from samizdat.worker.queue.procrastinate_worker import run_engine


class Surroundings(TypedDict):
    """What run_sender is told."""

    alive: Callable[[int | None], None]
    placed: NotRequired[Callable[[int], bool]]


def surroundings(stop: threading.Event, alive: Callable[[], object]) -> Surroundings:
    """What run_sender is told. On SQLite there is one sender, and it sends everything."""
    number: list[int | None] = [None]

    def lives(worker: int | None) -> None:
        number[0] = worker
        alive()

    if connection.vendor != "postgresql":
        return {"alive": lives}
    sender_slots.here = sender_slots.SenderSlots(stop)
    arguments = (["senders"], sender_slots.AT_A_TIME, stop, lambda: number[0])
    threading.Thread(target=run_engine, args=arguments, name="engine", daemon=True).start()
    return {"alive": lives, "placed": sender_slots.here}
