"""The public keys that whatever comes in from outside is sealed to, as the supervisor tells them to the processes that
take it in. Without Django: the listener for mail has none."""

import threading
import time
from collections.abc import Callable

from samizdat.vault.errors import VaultError

# Seconds until the supervisor is asked again for a key that is known.
ASK_AGAIN = 60.0


class BoxKeys:
    """One for each organization. Never out of the public database: whoever writes that database, by a trigger of their
    own even as they please, would put theirs there and read every sign-up.
    """

    def __init__(self, ask: Callable[[bytes], tuple[int, bytes]]) -> None:
        self._ask = ask
        self._known: dict[bytes, tuple[float, tuple[int, bytes]]] = {}
        self._lock = threading.Lock()

    def of(self, uid: bytes) -> tuple[int, bytes]:
        """(number, public key). Errors: VaultError where nobody knows one."""
        at, known = self._known.get(uid, (0.0, None))
        if known is None:
            return self._asked(uid)
        # While somebody asks, or nobody answers, the one that is known is good: whoever leaves does not wait for it.
        if time.monotonic() - at > ASK_AGAIN and self._lock.acquire(blocking=False):
            try:
                self._known[uid] = time.monotonic(), known
                return self._asked(uid)
            except VaultError:
                return known
            finally:
                self._lock.release()
        return known

    def _asked(self, uid: bytes) -> tuple[int, bytes]:
        known = self._ask(uid)
        self._known[uid] = time.monotonic(), known
        return known
