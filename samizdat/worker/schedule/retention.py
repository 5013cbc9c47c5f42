"""Once a day, what lists have decided not to keep goes: some of it in each round of the clock."""

import time
from datetime import datetime

from samizdat.audience.models import List
from samizdat.privacy.actions import retain_slice
from samizdat.worker.schedule.daily import SECONDS, Daily
from samizdat.worker.stopping import stopping

_going = Daily()


def keep_no_longer(now: datetime) -> tuple[int, int]:
    """Goes on with what is due today (UTC), for SECONDS at most: (people erased, deliveries folded)."""
    until, erased, folded = time.monotonic() + SECONDS, 0, 0

    def stop() -> bool:
        return stopping.is_set() or time.monotonic() > until

    def step(list_: List, after: int) -> int | None:
        """A chunk of 500 deliveries or 500 people."""
        nonlocal erased, folded
        people, deliveries, following = retain_slice(list_, after, now, stop)
        erased, folded = erased + people, folded + deliveries
        return following

    lists = List.objects.select_related("organization").filter(retention__isnull=False)
    _going.go_on(lists, now, step, stop)
    return erased, folded
