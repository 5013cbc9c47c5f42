"""How large a zip's directory is: asked before it is read, since whoever reads one reads it whole."""

import struct
from collections.abc import Iterator

# Bytes at the end of a zip in which the answer stands: a comment has 64 kB at most, what is before it 98 bytes.
TAIL = (1 << 16) + 98


def directory_bytes(tail: bytes) -> int | None:
    """The size of the directory as the end of a zip tells it. `tail`: its last TAIL bytes, or all of it. None where
    there is no end, as in a file that was cut off.

    It stands where zipfile looks for it (APPNOTE.TXT 4.3.16, and 76 bytes before that 4.3.14).
    """
    at = tail.rfind(b"PK\5\6")
    if at < 0 or len(tail) - at < 22:
        return None
    sizes: list[int] = list(struct.unpack_from("<I", tail, at + 12))
    if at >= 76 and tail[at - 76 : at - 72] == b"PK\6\6":
        sizes = [*struct.unpack_from("<Q", tail, at - 36), *(size for size in sizes if size != 0xFFFFFFFF)]
    return max(sizes)


def directory(end: bytes) -> bytes:
    """The directory itself. `end`: that many bytes of a zip before its last TAIL, and these; or all of it."""
    at = end.rfind(b"PK\5\6")
    size = directory_bytes(end[-TAIL:])
    if size is None:
        return b""
    if at >= 76 and end[at - 76 : at - 72] == b"PK\6\6":
        at -= 76
    return end[max(0, at - size) : at]


def names(directory: bytes) -> Iterator[str]:
    """The names in it, one after the other, up to where it makes no sense any more (APPNOTE.TXT 4.3.12)."""
    at = 0
    while directory[at : at + 4] == b"PK\1\2" and len(directory) >= at + 46:
        name, extra, comment = struct.unpack_from("<HHH", directory, at + 28)
        yield directory[at + 46 : at + 46 + name].decode("utf-8", "replace")
        at += 46 + name + extra + comment
