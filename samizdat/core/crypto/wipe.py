"""Writes over keys in memory: what is freed lies there until something else needs the place."""

import ctypes
import sys

# PyBytes_Type keeps one byte of its text in its own size, the NUL at the end.
_HEAD = bytes.__basicsize__ - 1


def wipe(*texts: bytes | str) -> None:
    """With zeros, in place. Call it for what was just made and nobody else has: whoever shares it has zeros as well.
    Texts that aren't ASCII stay, and so does everything where it isn't CPython."""
    if sys.implementation.name != "cpython":
        return
    for text in texts:
        if len(text) < 2:
            continue  # Python has one object for each of these.
        if isinstance(text, bytes):
            ctypes.memset(id(text) + _HEAD, 0, len(text))
        elif text.isascii():
            ctypes.memset(id(text) + sys.getsizeof(text) - len(text) - 1, 0, len(text))
