"""What every page asks the public database for, remembered for a second: in a flood of sign-ups that was half of the
work.

A form that was switched off is shown a second longer; what is not there is asked for each time, so a new one is there
at once. Only a process that serves remembers (asgi.make_application): anybody else asks each time.
"""

import time
from collections.abc import Callable

from samizdat.publicdb import queries
from samizdat.publicdb.models import Form, Site

# Seconds; and answers that are kept, since whoever asks may name any host.
LONGEST, MOST = 1.0, 1000
_serving = False


def begin() -> None:
    global _serving
    _serving = True


class _Remembered[*Asked, Answer]:
    def __init__(self, find: Callable[[*Asked], Answer | None]) -> None:
        self._find = find
        self._held: dict[tuple[*Asked], tuple[float, Answer]] = {}

    def __call__(self, *asked: *Asked) -> Answer | None:
        now = time.monotonic()
        at, known = self._held.get(asked, (0.0, None))
        if known is not None and now - at < LONGEST:
            return known
        answer = self._find(*asked)
        if _serving and answer is not None:
            if len(self._held) >= MOST:
                self._held.clear()
            self._held[asked] = now, answer
        return answer

    def clear(self) -> None:
        self._held.clear()


form = _Remembered[str, str, Form](queries.form)
place_of_host = _Remembered[str, Site](queries.place_of_host)
moved_from = _Remembered[str, Site](queries.moved_from)


def clear() -> None:
    """Who has asked for which host is nobody's business a second later."""
    form.clear()
    place_of_host.clear()
    moved_from.clear()
