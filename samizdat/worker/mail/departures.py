"""Mails that leave each at a time of its own, which was set before: none waits for the one before it."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable

from samizdat.core.mail.outcome import Deferred, Outcome
from samizdat.logs import where_it_broke
from samizdat.worker.mail.service_mail import ReadyMail

log = logging.getLogger("samizdat.worker")


class Departures:
    """One event loop, in a thread that begins with the first mail."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = threading.Lock()

    def leave(self, at: float, mail: ReadyMail, answered: Callable[[Outcome], object]) -> None:
        """at: of time.monotonic(). answered: called in that thread, and must not ask the database."""
        asyncio.run_coroutine_threadsafe(self._leave(at, mail, answered), self._running())

    async def _leave(self, at: float, mail: ReadyMail, answered: Callable[[Outcome], object]) -> None:
        outcome: Outcome = Deferred(0, "", "route")
        try:
            await asyncio.sleep(at - time.monotonic())
            outcome = await mail.carry()
        except Exception as error:
            log.error("A mail could not be carried and is tried again: %s", where_it_broke(error))
        finally:
            answered(outcome)

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=self._loop.run_forever, name="departures", daemon=True).start()
            return self._loop
