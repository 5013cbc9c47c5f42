"""What surrounds each background task: no error gets into an engine's tables, and no row is worked at twice."""

import functools
import logging
import threading
from collections.abc import Callable

from samizdat.logs import where_it_broke
from samizdat.vault.errors import OrganizationLocked

log = logging.getLogger("samizdat.worker")


class TaskFailed(Exception):
    """Where a task broke. The engines keep the text of errors in clear, so it must not be the error's own."""


def quiet[**P](work: Callable[P, None]) -> Callable[P, None]:
    """Lets nothing out of a task but the place where it broke."""

    @functools.wraps(work)
    def done(*args: P.args, **kwargs: P.kwargs) -> None:
        broken = None
        try:
            work(*args, **kwargs)
        except OrganizationLocked:
            return  # Meanwhile. The clock rings again once it is unlocked.
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
