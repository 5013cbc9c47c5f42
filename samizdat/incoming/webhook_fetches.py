"""What has to be fetched at a provider before its delivery can be believed or answered: the certificate of a signature,
or the page that confirms a subscription. In threads, so that no delivery of another waits for a network."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from samizdat.campaigns.checks import fetch

# At a time; and what is remembered, in memory alone.
AT_ONCE, MOST = 4, 200
# Seconds after which it is fetched anew: what was there, and what was not.
KEPT, TRIED_AGAIN = 24 * 3600.0, 300.0

type Begin = Callable[[Callable[[], None]], None]


class Fetched(NamedTuple):
    """`body`: None where nobody answered; empty where nothing is there."""

    body: bytes | None
    at: float


def in_a_thread(work: Callable[[], None]) -> None:
    threading.Thread(target=work, name="webhook fetch", daemon=True).start()


class WebhookFetches:
    """Of this process."""

    def __init__(self, begin: Begin = in_a_thread, body_of: Callable[[str], bytes | None] = fetch.body_of) -> None:
        self._begin, self._body_of = begin, body_of
        self._fetched: OrderedDict[str, Fetched] = OrderedDict()
        self._running: set[str] = set()
        self._lock = threading.Lock()

    def ask(self, url: str) -> Fetched | None:
        """None: it isn't here yet."""
        with self._lock:
            known = self._fetched.get(url)
            if known and time.monotonic() - known.at < (KEPT if known.body else TRIED_AGAIN):
                return known
            if url in self._running or len(self._running) >= AT_ONCE:
                return None
            self._running.add(url)
        self._begin(lambda: self._fetch(url))
        with self._lock:
            return self._fetched.get(url) if url not in self._running else None

    def _fetch(self, url: str) -> None:
        body = None
        try:
            body = self._body_of(url)
        finally:
            with self._lock:
                self._running.discard(url)
                self._fetched[url] = Fetched(body, time.monotonic())
                while len(self._fetched) > MOST:
                    self._fetched.popitem(last=False)


fetches = WebhookFetches()
