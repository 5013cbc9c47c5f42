"""Against programs that type addresses in, without asking anybody else and without knowing who asks.

A form carries a stamp: when it was made, eight random bytes, and a tag that binds both to the form. A stamp is used
once and lasts a day. A browser with script finds a number that makes a hash of the stamp begin with zero bits; one
without need not, but all of those share a smaller purse. Purses know forms, never senders.

    0    4   seconds since 2026, u32, big-endian
    4    8   random bytes
    12  12   HMAC-SHA256 over bytes 0 to 11 and the form's address, cut

    24 bytes in lower-case base32 without padding: 39 characters
"""

import base64
import binascii
import hashlib
import hmac
import struct
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from samizdat.core.mail.token_bucket import Bucket

# Seconds. Nobody reads a form and types an address in less than the first; a page left open for a day is old.
YOUNGEST, OLDEST = 2, 24 * 3600
# Leading zero bits: 65,536 hashes on average, a second or two of an old phone.
BITS = 16
# Used stamps that are remembered; more than this in a day and the oldest may be used again.
MOST_USED = 200_000
# Purses that are remembered; one that was not used for longest is full again sooner than it should be.
MOST_PURSES = 100_000
_EPOCH = 1_767_225_600

_time = struct.Struct(">I")


def make(secret: bytes, form: str, now: float, chance: bytes) -> str:
    """chance: 8 random bytes."""
    head = _time.pack(max(0, int(now) - _EPOCH)) + chance
    return _written(head + _tag(secret, form, head))


def _written(raw: bytes) -> str:
    return base64.b32encode(raw).decode().rstrip("=").lower()


def age(secrets: list[bytes], form: str, text: str, now: float) -> float | None:
    """Seconds since the stamp was made for this form; None for one that is not ours, or not written as we write it:
    the same bytes in another case, or with other spare bits, would be used a second time."""
    if len(text) != 39 or not text.isascii():
        return None
    try:
        raw = base64.b32decode(text.upper() + "=")
    except binascii.Error:
        return None
    if _written(raw) != text:
        return None
    head, tag = raw[:12], raw[12:]
    if not any(hmac.compare_digest(_tag(secret, form, head), tag) for secret in secrets):
        return None
    return now - _EPOCH - float(_time.unpack_from(head)[0])


def _tag(secret: bytes, form: str, head: bytes) -> bytes:
    return hmac.digest(secret, head + form.encode(), "sha256")[:12]


def worked(stamp: str, number: str) -> bool:
    """Whether this number was found for this stamp, by work."""
    if not (number.isascii() and number.isdigit() and len(number) <= 12):
        return False
    digest = hashlib.sha256(f"{stamp}.{number}".encode()).digest()
    return int.from_bytes(digest[:4]) >> (32 - BITS) == 0


class RateBudgets:
    """Token buckets by name: so many a second in the long run, so many at once. Of this process, in memory."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._held: OrderedDict[str, Bucket] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, *wanted: tuple[str, float, float]) -> bool:
        """One from each of (name, a second, at once), or none from any."""
        now = self._clock()
        with self._lock:
            buckets = {name: self._held.get(name) or Bucket(most, rate) for name, rate, most in wanted}
            if any(bucket.wait(now) for bucket in buckets.values()):
                return False
            for name, bucket in buckets.items():
                bucket.take(now)
                self._held[name] = bucket
                self._held.move_to_end(name)
            while len(self._held) > MOST_PURSES:
                self._held.popitem(last=False)
            return True

    def is_empty(self, name: str, _rate: float, _most: float) -> bool:
        """Whether nothing could be taken from it now."""
        with self._lock:
            bucket = self._held.get(name)
            return bucket is not None and bucket.wait(self._clock()) > 0


class UsedTokens:
    """Stamps that were used."""

    def __init__(self) -> None:
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._lock = threading.Lock()

    def first(self, stamp: str) -> bool:
        """Whether this is its first use; from now on it is not."""
        with self._lock:
            if stamp in self._seen:
                return False
            self._seen[stamp] = None
            if len(self._seen) > MOST_USED:
                self._seen.popitem(last=False)
            return True
