"""Copies to seed mailboxes: those of an organization in a thread of its own, so that a route or a mailbox that doesn't
answer keeps no other organization and no other work waiting."""

import logging
import threading
import time
from datetime import datetime

from django.db import connections

from samizdat import dbclock
from samizdat.incoming.seeds import copies
from samizdat.logs import where_it_broke

log = logging.getLogger("samizdat.worker")

# Organizations at a time.
MOST = 5
# Seconds from one round of an organization to the next.
AGAIN = 20.0


class SeedRounds:
    """The rounds of this process. Two processes may look at once: whoever settles a copy first has settled it."""

    def __init__(self) -> None:
        self._running: set[int] = set()
        self._due: dict[int, float] = {}
        self._lock = threading.Lock()

    def look(self, now: datetime) -> None:
        """Begins rounds for those that have waited longest."""
        with self._lock:
            self._due = {number: self._due.get(number, 0.0) for number in copies.organizations(now)} | {
                number: self._due[number] for number in self._running
            }
            for number in sorted(self._due, key=self._due.__getitem__):
                is_due = number not in self._running and self._due[number] <= time.monotonic()
                if is_due and len(self._running) < MOST:
                    self._running.add(number)
                    threading.Thread(target=self._run, args=(number,), name=f"seeds {number}", daemon=True).start()

    def _run(self, number: int) -> None:
        try:
            copies.go_on(number, dbclock.now())
        except Exception as error:
            log.error("Copies to seed mailboxes wait for another try: %s", where_it_broke(error))
        finally:
            connections.close_all()
            with self._lock:
                self._running.discard(number)
                self._due[number] = time.monotonic() + AGAIN


rounds = SeedRounds()
