"""How fast, how long and how often: tables of numbers, and arithmetic that is given the time."""

import math
import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

# Minutes until the next try of a deferred message. RFC 5321 section 4.5.4.1 wants 30 minutes between tries in
# general; the first two are shorter, because greylisting opens after 5 to 15 and most throttles after an
# hour.
WAITS = tuple(timedelta(minutes=minutes) for minutes in (5, 15, 30, 60, 120, 240, 480))

# RFC 5321 section 4.5.4.1: give up after 4 to 5 days.
GIVE_UP = timedelta(days=4)

# Without a limit of the route we aim for this many messages a second: one core makes about twice as many, and
# a relay that answers after 20 ms then gets as many connections as its limit allows.
AIM = 5000.0

# Even an immediate relay gets a few, so that one slow answer does not stop everything.
FEWEST = 4

UNITS = {
    "s": 1,
    "sec": 1,
    "second": 1,
    "m": 60,
    "min": 60,
    "minute": 60,
    "h": 3600,
    "hour": 3600,
    "d": 86400,
    "day": 86400,
}

RATE = re.compile(r"\s*(\d{1,9}(?:\.\d{1,6})?)\s*/\s*([a-z]+?)s?\s*", re.IGNORECASE)
TOLD = re.compile(
    r"\b(?:in|after|for|wait|within|retry-after:?)\s+(?:(?:at least|about|another)\s+)?"
    r"(\d{1,7})\s*(s|sec|second|m|min|minute|h|hour|d|day)s?\b",
    re.IGNORECASE,
)


# Code -> what is wrong with a rate, then what to write.
SENTENCES = {
    "no_rate": "“{text}” is no rate. Write a number and a unit, such as 10/s, 600/m, 5000/h or 50000/d.",
    "no_speed": "A rate must be above zero. To send nothing by a route, pause it.",
}


class BadRate(ValueError):
    """A rate nobody can read: `code` of SENTENCES and `values` for its holes. The text is the English sentence."""

    def __init__(self, code: str, **values: str) -> None:
        self.code, self.values = code, values
        self.sentence = SENTENCES[code]
        super().__init__(self.sentence.format(**values))


def next_try(tries: int, now: datetime) -> datetime:
    """When to try again after `tries` tries (1 after the first one failed)."""
    return now + WAITS[max(0, min(tries - 1, len(WAITS) - 1))]


def expired(first: datetime, now: datetime, limit: timedelta = GIVE_UP) -> bool:
    """Has a message that was first tried at `first` been waiting for too long?"""
    return now - first >= limit


def parse_rate(text: str) -> float:
    """'10/s', '600/m', '5000/h' or '50000/d' as messages a second. Raises BadRate, or none."""
    found = RATE.fullmatch(text)
    unit = UNITS.get(found[2].lower()) if found else None
    if not found or unit is None:
        raise BadRate("no_rate", text=text[:40])
    if float(found[1]) <= 0:
        raise BadRate("no_speed")
    return float(found[1]) / unit


@dataclass(frozen=True, slots=True)
class Bucket:
    """A token bucket: `rate` a second flow in, at most `size` are kept; `tokens` stood in it at `at`
    (seconds).
    """

    rate: float
    size: float
    tokens: float
    at: float


def bucket(rate: float, now: float, burst_seconds: float = 1.0) -> Bucket:
    """A full bucket for a rate. It always holds one whole token, or a rate below 1/s could never send."""
    size = max(1.0, rate * burst_seconds)
    return Bucket(rate, size, size, now)


def fill(state: Bucket, now: float) -> Bucket:
    """The bucket at `now`. A clock that went backwards adds nothing."""
    gained = max(0.0, now - state.at) * state.rate
    return replace(state, tokens=min(state.size, state.tokens + gained), at=now)


def take(state: Bucket, now: float, wanted: int = 1) -> tuple[Bucket, int]:
    """Take up to `wanted` tokens: the bucket afterwards, and how many it gave."""
    full = fill(state, now)
    given = min(wanted, int(full.tokens + 1e-9))
    return replace(full, tokens=max(0.0, full.tokens - given)), given


def wait_for(state: Bucket, now: float, wanted: int = 1) -> float:
    """Seconds until the bucket can give `wanted` tokens (at most a full bucket)."""
    missing = min(float(wanted), state.size) - fill(state, now).tokens
    return max(0.0, missing / state.rate)


def connections_for(rate: float | None, latency: float, limit: int) -> int:
    """How many connections carry `rate` messages a second when one answer takes `latency` seconds.

    Measured (send-limits, "more connections buy latency hiding"): rate = connections / latency. The latency
    must be the smallest one seen, not the average: the average grows with our own queue, and would ask for
    ever more.
    """
    fewest = min(FEWEST, math.ceil(rate)) if rate else FEWEST
    return max(1, min(limit, max(fewest, math.ceil((rate or AIM) * latency))))


def seconds_told(text: str) -> int | None:
    """The wait that an answer names: 'Try again in 92 seconds' is 92. None when it names none; a day at the
    most.
    """
    found = TOLD.search(text)
    return min(86400, int(found[1]) * UNITS[found[2].lower()]) if found else None
