"""How many passwords are looked at: a queue for browsers that signed in here before, and one for all others.

Whoever floods the sign-in page fills the second one alone, and what it may do is bounded: a purse for the whole
house, in the memory of this process, since a row for each stranger would be one more thing to fill.
"""

import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from samizdat.core.mail.token_bucket import Bucket

# Behind the one whose password is looked at. A look takes 20 ms, so these wait less than a tenth of a second, and
# five of the desk's eight threads are never at this.
WAITING = {"known": 3, "stranger": 1}
# Of strangers, by all addresses together: 8 % of a core.
AT_ONCE, A_SECOND = 120, 4.0


class QueueFull(Exception):
    """Too many try to sign in just now; `seconds` to wait."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"Too many people are signing in. Try again in {seconds} seconds.")
        self.seconds = seconds


class PasswordQueues:
    def __init__(self) -> None:
        self._purse = Bucket(AT_ONCE, A_SECOND)
        self._lock = threading.Lock()
        self._places = {name: threading.BoundedSemaphore(1 + most) for name, most in WAITING.items()}
        self._turns = {name: threading.Lock() for name in WAITING}

    @contextmanager
    def turn(self, known: bool) -> Iterator[None]:
        """One after the other. Errors: Crowded."""
        name = "known" if known else "stranger"
        if not self._places[name].acquire(blocking=False):
            raise QueueFull(1)
        try:
            if not known:
                self._pay()
            with self._turns[name]:
                yield
        finally:
            self._places[name].release()

    def _pay(self) -> None:
        with self._lock:
            seconds = self._purse.take(time.monotonic())
        if seconds:
            raise QueueFull(math.ceil(seconds))


queues = PasswordQueues()
