"""How much of what readers send is let in: one box for each thing that a link says, and a purse for each link.

Whoever has a link can press it a thousand times a second, and a program does. Purses know links and groups, never who
presses; they are in memory alone, and so is which box of a link still waits.
"""

import json
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from samizdat.options import confirmations_an_hour
from samizdat.public import envelopes, form_tokens
from samizdat.publicdb.models import Site

# (a second in the long run, at once) of one link, and of all links of an organization: an hour after its letter left,
# a million readers press some twenty times a second.
ONE, ALL = (0.2, 20.0), (100.0, 5000.0)
# What ends in a mail, or in work that takes as long as one.
ONE_MAIL, ALL_MAILS = (1 / 60, 5.0), (5.0, 500.0)
MAILING = ("ask", "move", "allowed")
# What takes turns speaks of one thing: of leaving and coming back the last counts.
TURNS = {"back": "leave"}
# Seconds for which the same again is the same box, if it still waits. Another public process may have been told
# something else in between.
RUN = 60.0
# Links that are remembered: who was not heard of for longest is forgotten first.
MOST = 50_000
# Characters of a link that say whose it is and what it is about; the rest proves it, and who can prove nothing here
# (public/tokens.Reader.glimpse) could make up any.
ABOUT = 32

purses = form_tokens.RateBudgets()


class LimitReached(Exception):
    """More than this link may send, or all of its organization."""


@dataclass(slots=True)
class _Last:
    """What a link said last about one thing: `mark` of its box, when that run of the same began, and a `receipt`."""

    payload: str
    mark: bytes
    began: float
    receipt: str


class RateMemory:
    """What each link said last. So the same again while its box waits is no second box, and something else in between
    is not lost: who leaves, comes back and leaves has left."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last: OrderedDict[tuple[str, str], _Last] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, about: tuple[str, str], payload: str) -> _Last:
        """The run that this belongs to; a new one where something else was said last."""
        now = self._clock()
        with self._lock:
            last = self._last.get(about)
            if last is None or last.payload != payload or now - last.began > RUN:
                last = self._last[about] = _Last(payload, os.urandom(16), now, "")
            self._last.move_to_end(about)
            if len(self._last) > MOST:
                self._last.popitem(last=False)
            return last


memory = RateMemory()


def is_used_up(link: str) -> bool:
    """Whether this link can leave no more for the moment. Takes no thread and asks no database."""
    return purses.is_empty(*_of_link("leave", link))


def _of_link(kind: str, link: str) -> tuple[str, float, float]:
    return f"{kind} {link[:ABOUT]}", *(ONE_MAIL if kind in MAILING else ONE)


def drop_in(place: Site, kind: str, receipt: str = "", **words: object) -> str:
    """Lets in what a link says: `token` is among the words. Returns the receipt of the box that waits: of this one, or
    of an earlier one that says the same. Errors: Full, and then nothing was let in."""
    link = str(words["token"])
    all_ = ALL_MAILS if kind in MAILING else ALL
    if not purses.take(_of_link(kind, link), (f"{kind} of {bytes(place.uid).hex()}", *all_)):
        raise LimitReached
    last = memory.of((TURNS.get(kind, kind), link), json.dumps([kind, words], sort_keys=True))
    if envelopes.drop_in(place, kind, last.mark, **words, **({"secret": receipt} if receipt else {})):
        last.receipt = receipt
    return last.receipt


def sign_up(place: Site, **words: object) -> bool:
    """Lets in a sign-up; of an organization no more wait than it mails in an hour. False: so many wait."""
    return envelopes.drop_into_slot(place, "signup", range(confirmations_an_hour()), **words)
