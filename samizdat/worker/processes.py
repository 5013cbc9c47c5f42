"""What the worker process runs: the clock, the mail to new readers, and the task engine."""

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from django.db import close_old_connections, connection, connections
from django.utils import timezone

from samizdat.logs import where_it_broke
from samizdat.worker import bell, clock, signups, tasks

log = logging.getLogger("samizdat.worker")

QUICK_SECONDS = 1.0
SLOW_SECONDS = 10.0
# How long a thread may take to notice that the process is to stop; the supervisor kills after ten seconds.
STOP_SECONDS = 8.0
# Tasks at a time in one process on PostgreSQL.
ENGINE_THREADS = 3

# Advisory locks on PostgreSQL: one clock and one mail loop, on whichever machine. The numbers are just ours.
CLOCK_LOCK = 0x5A4D495A0001
SIGNUPS_LOCK = 0x5A4D495A0002


class Only:
    """Whether this thread's database session is the one that does a thing. A session that is gone has let go."""

    def __init__(self, lock: int) -> None:
        self._lock = lock
        self._session: Any = None

    def here(self) -> bool:
        if connection.vendor != "postgresql":
            return True  # The lock on the data folder has seen to it.
        connection.ensure_connection()
        if self._session is not connection.connection:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_try_advisory_lock(%s)", [self._lock])
                if not cursor.fetchone()[0]:
                    return False
            self._session = connection.connection
        return True


def run_clock() -> None:
    """Ticks until the process is to stop."""
    slow_at = 0.0

    def round_() -> None:
        nonlocal slow_at
        clock.tick(timezone.now(), clock.QUICK)
        if time.monotonic() >= slow_at:
            slow_at = time.monotonic() + SLOW_SECONDS
            clock.tick(timezone.now(), clock.SLOW)

    _every_second("The clock", CLOCK_LOCK, round_)


def run_signups() -> None:
    """A loop of its own: a relay may take a minute over a mail, and nobody's leaving waits for that."""
    _every_second("The mail to new readers", SIGNUPS_LOCK, lambda: signups.take(timezone.now()))


def _every_second(name: str, lock: int, round_: Callable[[], object]) -> None:
    only = Only(lock)
    try:
        while not tasks.stopping.is_set():
            began = time.monotonic()
            with _reported(name):
                close_old_connections()
                if only.here():
                    round_()
            tasks.stopping.wait(max(0.05, QUICK_SECONDS - (time.monotonic() - began)))
    finally:
        connections.close_all()


@contextlib.contextmanager
def _reported(name: str) -> Iterator[None]:
    """A database that is away for a moment must not end the process."""
    try:
        yield
    except Exception as error:
        log.error("%s failed and goes on: %s", name, where_it_broke(error))
        close_old_connections()


def run_worker() -> None:
    """The whole worker process, until tasks.stopping is set."""
    loops = [threading.Thread(target=loop, daemon=True) for loop in (run_clock, run_signups)]
    for thread in loops:
        thread.start()
    (_run_distributed if connection.vendor == "postgresql" else _run_embedded)()
    deadline = time.monotonic() + STOP_SECONDS
    for thread in loops:
        thread.join(max(0.0, deadline - time.monotonic()))


def _run_embedded() -> None:
    """django-tasks-db inside our own loop: asking whether there is a task takes no lock, its own worker's asking
    does."""
    from django_tasks_db.management.commands.db_worker import Worker
    from django_tasks_db.models import DBTaskResult

    bell.ring_again()
    while not tasks.stopping.is_set():
        with _reported("The task engine"):
            if DBTaskResult.objects.ready().exists():
                Worker(
                    queue_names=["default"],
                    interval=0,
                    batch=True,
                    backend_name="default",
                    startup_delay=False,
                    max_tasks=1,
                    worker_id="embedded",
                    excluded_queue_names=[],
                ).run()
                continue
        tasks.stopping.wait(0.5)


def _run_distributed() -> None:
    """procrastinate's worker. Ours is stopped by cancelling it, which lets a running task end its slice."""
    from procrastinate.contrib.django import app

    from samizdat.worker.procrastinate_backend import TASK_NAME, run

    if TASK_NAME not in app.tasks:
        app.task(name=TASK_NAME)(run)

    async def until_stopped() -> None:
        connector: Any = app.connector  # Django's: it can make one that waits for news without polling.
        with app.replace_connector(connector.get_worker_connector()) as running:
            async with running.open_async():
                work = asyncio.create_task(
                    running.run_worker_async(
                        queues=["default"],
                        concurrency=ENGINE_THREADS,
                        install_signal_handlers=False,
                        delete_jobs="always",
                        shutdown_graceful_timeout=STOP_SECONDS,
                    )
                )
                while not tasks.stopping.is_set() and not work.done():
                    await asyncio.sleep(0.2)
                work.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await work

    while not tasks.stopping.is_set():
        with _reported("The task engine"):
            asyncio.run(until_stopped())
        tasks.stopping.wait(1.0)
