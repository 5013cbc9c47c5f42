"""Work that waits for other people's servers: each organization in a lane of its own, so that one whose relay answers
nothing keeps nobody waiting but itself."""

import logging
import threading
import time
from collections.abc import Callable, Iterable

from django.db import connections

from samizdat.logs import where_it_broke
from samizdat.vault.errors import OrganizationLocked

log = logging.getLogger("samizdat.worker")

# Seconds of work after which an organization is slow, until it was quicker again.
SLOW = 5.0


class OrganizationLanes:
    """Threads for one organization each: at most `most`, and of those no more than `slow` for slow ones."""

    def __init__(self, most: int, slow: int, work: Callable[[int], object]) -> None:
        self._most, self._slow, self._work = most, slow, work
        self._began: dict[int, float] = {}
        self._took: dict[int, float] = {}
        self._lock = threading.Lock()

    def offer(self, organizations: Iterable[int]) -> None:
        """Begins the work of those that have something to do, as far as there is room; who was quick comes first."""
        with self._lock:
            for organization in sorted(organizations, key=lambda candidate: self._took.get(candidate, 0.0)):
                if organization not in self._began and self._has_room(organization):
                    self._began[organization] = time.monotonic()
                    threading.Thread(target=self._run, args=(organization,), name="lane", daemon=True).start()

    def _has_room(self, organization: int) -> bool:
        if self._took.get(organization, 0.0) > SLOW and sum(map(self._is_slow, self._began)) >= self._slow:
            return False
        return len(self._began) < self._most

    def _is_slow(self, running: int) -> bool:
        return max(self._took.get(running, 0.0), time.monotonic() - self._began[running]) > SLOW

    def _run(self, organization: int) -> None:
        try:
            self._work(organization)
        except OrganizationLocked:
            pass  # Meanwhile. It goes on once it is unlocked.
        except Exception as error:
            log.error("Work for an organization failed and goes on: %s", where_it_broke(error))
        finally:
            connections.close_all()
            with self._lock:
                self._took[organization] = time.monotonic() - self._began.pop(organization)
