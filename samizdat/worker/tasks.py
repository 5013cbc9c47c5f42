"""Background tasks. Arguments are row numbers only: the engines keep them in clear."""

import functools
import threading
from collections.abc import Callable

from django.tasks import task
from django.utils import timezone

from samizdat.logs import where_it_broke

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
            raise TaskFailed(broken)

    return done


@task
@quiet
def run_import(number: int) -> None:
    """Brings in what stands in an import, from where it was left."""
    from samizdat.audience import actions
    from samizdat.audience.errors import ImportRefused, ImportTaken
    from samizdat.audience.models import Import

    try:
        actions.run_import(number, now=timezone.now, stop=stopping.is_set)
    except (ImportTaken, ImportRefused):
        return  # Somebody else is at it, or the import has written down why it stopped.
    if stopping.is_set():
        # Nobody asked for it to stop but us: it goes on by itself when the house is up again.
        Import.objects.filter(id=number, state="stopped").update(state="waiting")


@task
@quiet
def inspect_import(number: int) -> None:
    """Looks through what was uploaded, before anything is written."""
    from samizdat.audience import actions
    from samizdat.audience.errors import ImportRefused, ImportTaken

    try:
        actions.inspect(number, now=timezone.now)
    except (ImportTaken, ImportRefused):
        return


@task
@quiet
def take_intake() -> None:
    """Takes up what readers sent in."""
    from samizdat.worker import intake

    intake.take(timezone.now())


@task
@quiet
def tick() -> None:
    """One round of the clock."""
    from samizdat.worker import clock

    clock.tick(timezone.now())
