"""Sign-ups that nobody confirmed within their week are forgotten: some in each round of the clock."""

import time
from datetime import datetime

from samizdat.audience.actions import forget_unconfirmed
from samizdat.audience.models import NUMBER_MASK
from samizdat.core.crypto import tokens
from samizdat.events.actions import detail_of
from samizdat.events.models import Event
from samizdat.publicdb import actions as publicdb
from samizdat.vault import keyring
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


def say_so(event: Event, now: datetime) -> None:
    """What follows: the link in their mail says from now on that the sign-up is forgotten."""
    if event.organization is None or event.about is None:
        return
    numbers, subscriber = detail_of(event).get("links", ()), event.about & NUMBER_MASK
    for key in keyring.keys(event.organization).links.values():
        for purpose in ("confirm", "asks"):
            maker = tokens.TokenMaker(key, purpose)
            publicdb.forget_tokens(maker(number, subscriber) for number in numbers)
