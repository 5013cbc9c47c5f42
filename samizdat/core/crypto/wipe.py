"""Writes over keys in memory: what is freed lies there until something else needs the place."""

import ctypes
import sys

# PyBytes_Type keeps one byte of its text in its own size, the NUL at the end.
_HEAD = bytes.__basicsize__ - 1


def wipe(*secrets: bytes) -> None:
    """With zeros, in place. Call it for what was just made and nobody else has: whoever shares it has zeros as well.
    Everything stays where it isn't CPython."""
    if sys.implementation.name != "cpython":
        return
    for secret in secrets:
        if len(secret) > 1:  # Of each shorter one Python has one object.
            ctypes.memset(id(secret) + _HEAD, 0, len(secret))
