"""procrastinate's worker, in the process of a worker or of a sender: which queues it listens to, what it does by
itself, and what becomes of tasks whose worker is gone.

We write no queue. It carries bells: row numbers alone, and whatever it loses, the clock rings for again.
"""

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from samizdat import dbclock, wakeups
from samizdat.delivery.sql import ENDED_ENGINES, SET_ENGINE
from samizdat.logs import where_it_broke
from samizdat.worker.queue.procrastinate_backend import TASK_NAME, run

if TYPE_CHECKING:
    from procrastinate import App, PsycopgConnector
    from procrastinate.connector import Notify

log = logging.getLogger("samizdat.worker")

# Seconds between two heartbeats of a worker of the engine, and without one until its tasks are taken from it.
HEARTBEAT, STALLED = 5.0, 25.0
# Seconds between two looks for tasks whose worker is gone.
RESCUE = 4.0
# All that we believe of a notice. Nobody here takes a task back.
NEWS = '{"type": "job_inserted", "job_id": 0}'
# How long a task may take to notice that the process is to stop; the supervisor kills after ten seconds.
STOP_SECONDS = 8.0
# Seconds between two looks of a session that waits, and whether tasks are to be broken off, which none is.
WAIT, NEVER = 10.0, 3600.0

# A sender that has died and was recovered is known to be gone before its heartbeat is old.
_GONE = f"SELECT j.id FROM procrastinate_jobs j WHERE j.status = 'doing' AND j.worker_id IN ({ENDED_ENGINES})"


def run_engine(
    queues: list[str],
    at_a_time: int,
    stopping: threading.Event,
    mine: Callable[[], int | None],
    rescues: bool = False,
) -> None:
    """Takes tasks until `stopping` is set. mine: the number of this process's worker row; rescues: looks for tasks
    whose worker is gone. Blocks; starts anew when the database was away."""
    app = _app()
    while not stopping.is_set():
        try:
            asyncio.run(_until_stopped(app, queues, at_a_time, stopping, partial(_beside, mine, rescues)))
        except Exception as error:
            log.error("The task engine failed and goes on: %s", where_it_broke(error))
        stopping.wait(1.0)


def _app() -> "App":
    from procrastinate.contrib.django import app

    if TASK_NAME not in app.tasks:
        app.task(name=TASK_NAME)(run)
    return app


def _connector() -> "PsycopgConnector":
    """One that waits for news without polling, as Django's connector would make it, with fewer sessions: one that
    listens, one that asks, and a third for a moment."""
    from procrastinate import PsycopgConnector
    from procrastinate.contrib.django.utils import connector_params
    from psycopg import AsyncConnection

    class Connector(PsycopgConnector):
        """Every role may notify, the public process's too: a notice says that there is news, whatever it says."""

        async def listen_notify(self, on_notification: "Notify", channels: Iterable[str]) -> None:
            async def news(*, channel: str, payload: str) -> None:
                await on_notification(channel=channel, payload=NEWS)

            await super().listen_notify(news, channels)

    class Connection(AsyncConnection[Any]):
        """Whoever listens is woken by the server. psycopg also wakes ten times a second, for Ctrl-C."""

        async def wait(self, gen: Any, interval: float = WAIT, timeout: float | None = None) -> Any:
            return await super().wait(gen, interval, timeout)

    return Connector(kwargs=connector_params("default"), connection_class=Connection, min_size=2, max_size=3)


class _JobWorker(Protocol):
    """What we use of procrastinate's Worker, which has no types of its own."""

    worker_id: int | None

    async def run(self) -> None: ...


async def _until_stopped(
    app: "App",
    queues: list[str],
    at_a_time: int,
    stopping: threading.Event,
    besides: Callable[..., Coroutine[Any, Any, None]],
) -> None:
    from procrastinate.worker import Worker

    # Tasks run in threads of the loop's pool, which has six on two cores: senders hold more campaigns than that.
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(at_a_time + 2, "task"))
    with app.replace_connector(_connector()) as running:
        async with running.open_async():
            worker: _JobWorker = Worker(
                running,
                queues=queues,
                concurrency=at_a_time,
                install_signal_handlers=False,
                delete_jobs="always",
                shutdown_graceful_timeout=STOP_SECONDS,
                update_heartbeat_interval=HEARTBEAT,
                stalled_worker_timeout=STALLED,
                abort_job_polling_interval=NEVER,
            )
            work = asyncio.create_task(worker.run())
            beside = asyncio.create_task(besides(running, worker))
            while not stopping.is_set() and not work.done() and not beside.done():
                await asyncio.sleep(wakeups.until_next())
            for task in (beside, work):
                task.cancel()
            ended = await asyncio.gather(beside, work, return_exceptions=True)
            for error in ended:
                if isinstance(error, Exception):
                    raise error


async def _beside(mine: Callable[[], int | None], rescues: bool, running: "App", worker: _JobWorker) -> None:
    """Says which of the engine's workers we are, and rescues what those that are gone had begun."""
    identity = None
    while True:
        number = mine()
        if number and worker.worker_id and identity != (number, worker.worker_id):
            identity = number, worker.worker_id
            await running.connector.execute_query_async(SET_ENGINE, id=number, engine=worker.worker_id)
        for job in await _begun_by_the_gone(running) if rescues else ():
            await _again(running, job)
        await asyncio.sleep(RESCUE - 1.0 + wakeups.until_next() if identity else 0.5)


async def _begun_by_the_gone(running: "App") -> list[int]:
    stalled = await running.job_manager.get_stalled_jobs(seconds_since_heartbeat=STALLED)
    gone = await running.connector.execute_query_all_async(_GONE)
    return sorted({job.id for job in stalled if job.id is not None} | {row["id"] for row in gone})


async def _again(running: "App", job: int) -> None:
    """Back in line; dropped where the same task waits there already."""
    from procrastinate.exceptions import ConnectorException
    from procrastinate.jobs import Status

    try:
        await running.job_manager.retry_job_by_id_async(job, retry_at=dbclock.now())
    except ConnectorException:
        with contextlib.suppress(ConnectorException):  # Another worker has rescued it.
            await running.job_manager.finish_job_by_id_async(job, status=Status.FAILED, delete_job=True)
