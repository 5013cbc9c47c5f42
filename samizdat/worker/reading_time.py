"""How long the worker reads what comes in from outside, where anybody may send as much as they like."""

import time
from collections.abc import Callable

from samizdat.campaigns.queries import sends_now


def reading_time(alone: float, beside_a_send: float, clock: Callable[[], float] = time.monotonic) -> Callable[[], bool]:
    """Whether some of these seconds is left, counted from now. While a campaign is being sent there are fewer: reading
    takes a core from its sender, and on SQLite it writes while the sender can't."""
    began = clock()

    def is_left() -> bool:
        spent = clock() - began
        return spent < min(alone, beside_a_send) or (spent < alone and not sends_now())

    return is_left
