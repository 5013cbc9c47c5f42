"""Sign-ups that nobody confirmed within their week are forgotten: some in each round of the clock."""

import time
from datetime import datetime

from samizdat.audience.actions import forget_unconfirmed
from samizdat.audience.models import NUMBER_MASK
from samizdat.core import link
from samizdat.events.actions import detail_of
from samizdat.events.models import Event
from samizdat.gate import actions as gate
from samizdat.vault import house
from samizdat.worker import tasks
from samizdat.worker.daily import SECONDS


def forget(now: datetime) -> int:
    """Goes on with what is due, for SECONDS at most; how many sign-ups were forgotten."""
    until, forgotten = time.monotonic() + SECONDS, 0
    while not tasks.stopping.is_set() and time.monotonic() <= until:
        page = forget_unconfirmed(now)
        if page is None:
            break
        forgotten += page
    return forgotten


def say_so(event: Event, now: datetime) -> None:
    """What follows: the link in her mail says from now on that the sign-up is forgotten."""
    if event.organisation is None or event.about is None:
        return
    numbers, hers = detail_of(event).get("links", ()), event.about & NUMBER_MASK
    for key in house.keys(event.organisation).links.values():
        for purpose in ("confirm", "asks"):
            maker = link.Maker(key, purpose)
            gate.forget_tokens(maker(number, hers) for number in numbers)
