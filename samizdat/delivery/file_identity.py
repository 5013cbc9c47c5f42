"""Which file this is: its inode, and when that was born. A copy of a file is another one, also in its place.

A deleted inode's number is given out again at once (ext4), so the number alone tells no copy that was put where the
original was. Nobody can set when an inode was born, and nothing but a copy of the whole file system has the same.
"""

import ctypes
import functools
import os
import struct
from collections.abc import Callable
from pathlib import Path

# statx(2): of the descriptor itself, or by path; asked for the birth, whose bit says that it is known.
_EMPTY_PATH, _BY_PATH, _BIRTH = 0x1000, -100, 0x800
_SIZE, _SECONDS_AT = 256, 80


@functools.cache
def _statx() -> Callable[..., int] | None:
    return getattr(ctypes.CDLL(None), "statx", None)


def _born(descriptor: int, path: bytes = b"") -> int:
    """Nanoseconds; 0 where the file system keeps none, or the system has no such call."""
    answer, ask = ctypes.create_string_buffer(_SIZE), _statx()
    if ask is None or ask(descriptor, path, 0 if path else _EMPTY_PATH, _BIRTH, answer) != 0:
        return 0
    if not struct.unpack_from("=I", answer)[0] & _BIRTH:
        return 0
    seconds, nanoseconds = struct.unpack_from("=qI", answer, _SECONDS_AT)
    return int(seconds * 10**9 + nanoseconds)


def of_descriptor(descriptor: int) -> tuple[int, int]:
    """(inode, when it was born)."""
    return os.fstat(descriptor).st_ino, _born(descriptor)


def of_path(path: Path) -> tuple[int, int]:
    """The file isn't opened: closing a database's would take SQLite's locks away from this process
    (https://sqlite.org/howtocorrupt.html, 2.2). Errors: OSError."""
    return path.stat().st_ino, _born(_BY_PATH, os.fsencode(path))
