"""When loops that look each second wake up: all on a machine at the same moment. So its processor wakes once for all of
them, and has in its cache what they have in common."""

import time


def until_next() -> float:
    """Seconds until they look again: 1.1 at most."""
    left = 1.0 - time.monotonic() % 1.0
    return left if left > 0.1 else left + 1.0  # Timers wake a bit early, too.
