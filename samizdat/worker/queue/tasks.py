"""Background tasks. Arguments are row numbers only: the engines keep them in clear."""

import functools
import logging
import threading
from collections.abc import Callable

from django.tasks import task

from samizdat import dbclock
from samizdat.logs import where_it_broke

log = logging.getLogger("samizdat.worker")

# Set when the process is to stop: long tasks look at it between two slices.
stopping = threading.Event()


class TaskFailed(Exception):
    """Where a task broke. The engines keep the text of errors in clear, so it must not be the error's own."""


def quiet[**P](work: Callable[P, None]) -> Callable[P, None]:
    """Lets nothing out of a task but the place where it broke."""

    @functools.wraps(work)
    def done(*args: P.args, **kwargs: P.kwargs) -> None:
        broken = None
        try:
            work(*args, **kwargs)
        except Exception as error:
            broken = where_it_broke(error)
        if broken:
            log.error("The task %s broke: %s", getattr(work, "__name__", "of a worker"), broken)
            raise TaskFailed(broken)

    return done


def alone(work: Callable[[int], None]) -> Callable[[int], None]:
    """A second bell for the same row in the same process does nothing. What guards an import tells processes apart,
    not the threads of one, and a task that was rescued may meet one that the clock rang for."""
    at: set[int] = set()
    lock = threading.Lock()

    @functools.wraps(work)
    def done(number: int) -> None:
        with lock:
            if number in at:
                return
            at.add(number)
        try:
            work(number)
        finally:
            with lock:
                at.discard(number)

    return done


@task
@quiet
@alone
def run_import(number: int) -> None:
    """Brings in what stands in an import, from where it was left."""
    from samizdat.audience import actions
    from samizdat.audience.errors import ImportRefused, ImportTaken
    from samizdat.audience.imports import failures
    from samizdat.audience.models import Import
    from samizdat.portability import upload

    if failures.is_over(number, dbclock.now()):
        return
    try:
        run = upload.run if upload.is_one(number) else actions.run_import
        run(number, now=dbclock.now, stop=stopping.is_set)
    except (ImportTaken, ImportRefused):
        return  # Somebody else is at it, or the import has written down why it stopped.
    finally:
        failures.is_over(number, dbclock.now())
    if stopping.is_set():
        # Nobody asked for it to stop but us: it goes on by itself when the house is up again.
        Import.objects.filter(id=number, state="stopped").update(state="waiting")


@task
@quiet
@alone
def inspect_import(number: int) -> None:
    """Looks through what was uploaded, before anything is written."""
    from samizdat.audience import actions
    from samizdat.audience.errors import ImportRefused, ImportTaken
    from samizdat.audience.imports import failures
    from samizdat.portability import upload

    if failures.is_over(number, dbclock.now()):
        return
    try:
        inspect = upload.inspect if upload.is_one(number) else actions.inspect
        inspect(number, now=dbclock.now)
    except (ImportTaken, ImportRefused):
        return
    finally:
        failures.is_over(number, dbclock.now())


@task
@quiet
@alone
def run_export(number: int) -> None:
    """Makes the file of an export that somebody asked for at the desk."""
    from samizdat.portability import actions
    from samizdat.portability.errors import ExportTaken

    try:
        actions.run(number, now=dbclock.now, stop=stopping.is_set)
    except ExportTaken:
        return


@task
@quiet
@alone
def run_bulk_work(number: int) -> None:
    """Goes on with what is done to many at once, from where it was left."""
    from samizdat.audience.actions import bulk
    from samizdat.audience.models import BulkAction

    if BulkAction.objects.filter(id=number).exists():
        bulk.run(number, dbclock.now, stop=stopping.is_set)


@task
@quiet
def tick() -> None:
    """The slow round of the clock."""
    from samizdat.worker.schedule import scheduler

    scheduler.tick(dbclock.now(), scheduler.SLOW)


@task
@quiet
@alone
def renew(number: int) -> None:
    """Goes on with a renewal of consent, from where it was left."""
    from samizdat.privacy.actions import work

    work(number, dbclock.now, stopping.is_set)


@task(queue_name="senders")
@quiet
def send(edition: int, slot: int) -> None:
    """A sender sends chunks of this edition for a minute at most. Senders alone listen to this queue."""
    from samizdat.worker.queue import sender_slots

    if sender_slots.here is not None:
        sender_slots.here.hold(edition, slot)
