"""Sign-ups that nobody confirmed within their week are forgotten: some in each round of the clock."""

import time
from datetime import datetime

from samizdat.audience.actions import forget_unconfirmed
from samizdat.worker.schedule.daily import SECONDS
from samizdat.worker.stopping import stopping


def forget(now: datetime) -> int:
    """Goes on with what is due, for SECONDS at most; how many sign-ups were forgotten."""
    until, forgotten = time.monotonic() + SECONDS, 0
    while not stopping.is_set() and time.monotonic() <= until:
        page = forget_unconfirmed(now)
        if page is None:
            break
        forgotten += page
    return forgotten
