"""JSON that a stranger wrote, or a process that works on what strangers wrote."""

import json
import math
import re
from collections.abc import Iterable
from typing import Any

# Of values one within the other. A list in a list takes the interpreter's own stack, and what is read is walked later.
MOST_DEEP = 64
# A number of 20 digits is beyond every number, size and day that we write.
MOST_DIGITS = 20
# One that is not closed goes on to the end, so that no input makes a search begin again.
_TEXT = re.compile(rb'"(?:[^"\\]++|\\(?:.|\Z))*+(?:"|\Z)', re.DOTALL)


def read(data: bytes, values: int) -> Any:
    """The JSON of a file, of at most so many values and keys; it nests as little, and its numbers are as small, as
    ours. Errors: ValueError."""
    document = counted(data, values, parse_int=_whole, parse_float=_finite, parse_constant=_none)
    _insist_on_depth(document)
    return document


def counted(data: bytes, values: int, **how: Any) -> Any:
    """The JSON in `data`, of at most so many values and keys. Errors: ValueError.

    They are counted before anything is made of them: 3 bytes, "[],", become 72.
    """
    # With those inside of texts there are more of them: whatever has few of both needs no look at its texts.
    if _marks(data) > values and _marks(_TEXT.sub(b"", data)) > values:
        raise ValueError("too many values")
    try:
        return json.loads(data, **how)
    except RecursionError:
        raise ValueError("nested too deep") from None


def _marks(data: bytes) -> int:
    return sum(map(data.count, (b",", b":", b"[", b"{")))


def _whole(digits: str) -> int:
    if len(digits) > MOST_DIGITS:
        raise ValueError("a number is too long")
    return int(digits)


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError("a number is too large")
    return number


def _none(name: str) -> object:
    raise ValueError(f"{name} is no number")


def _insist_on_depth(document: object) -> None:
    level, depth = [document], 0
    while level := [child for held in level for child in _within(held) if isinstance(child, list | dict)]:
        depth += 1
        if depth >= MOST_DEEP:
            raise ValueError("nested too deep")


def _within(held: object) -> Iterable[object]:
    if isinstance(held, dict):
        return held.values()
    return held if isinstance(held, list) else ()
