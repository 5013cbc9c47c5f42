"""A file of many emails, an mbox, becomes one email after the other. Pure: blocks of bytes in, emails out.

RFC 4155 and what programs write instead: each email begins with a line `From somebody Mon Jan  3 10:00:00 2022`, and a
line of a text that begins so has a > before it (mboxo, mboxrd), or has none in old archives of Mailman.
"""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from samizdat.core.bounce import mime

# Bytes of an email that are kept: more is not read of any. A larger one never lies in memory.
MOST_BYTES = mime.BYTES_READ
_MOST_LINE = 300  # bytes of a line between two emails
_NEWLINE = 10
_LOOK = 100  # bytes behind it that tell whether a header follows
# From, somebody, a time and a year; behind it a header. A text that speaks of somebody has no time and no header.
_BEGINS = re.compile(
    rb"From [^\s]{1,200}[ \t][^\n]{0,60}?\d{1,2}:\d\d[^\n]{0,40}?(?:19|20)\d\d[^\n]{0,40}\n>?[!-9;-~]{1,70}[ \t]{0,9}:"
    rb"|From [^\s]{1,200}[ \t][^\n]{0,60}?(?:19|20)\d\d[^\n]{0,20}?\d{1,2}:\d\d[^\n]{0,40}\n>?[!-9;-~]{1,70}[ \t]{0,9}:"
)
_QUOTED = re.compile(rb"^>(?=>{0,20}From )", re.MULTILINE)


class ArchivedMessage(NamedTuple):
    """`raw`: from its first header on, at most MOST_BYTES of it. `size`: in bytes, as it stands there."""

    raw: bytes
    size: int


def is_mbox(head: bytes) -> bool:
    """Whether a file that begins so is one. `head`: its first kilobyte, or all of it."""
    return _BEGINS.match(head.replace(b"\r\n", b"\n")) is not None


def messages(blocks: Iterable[bytes], most: int = MOST_BYTES) -> Iterator[ArchivedMessage]:
    """The emails of an mbox, in its order. `blocks`: the file in pieces of any size. No more than `most` bytes of an
    email and a piece are held."""
    splitter = _Splitter(most)
    for block in blocks:
        yield from splitter.feed(block)
    yield from splitter.end()


class _Splitter:
    def __init__(self, most: int) -> None:
        self._most = most
        self._head = b""  # the first bytes of the email that is being read
        self._passed = 0  # bytes of it that are held no more, but for its head
        self._held = bytearray()  # its bytes behind these, or what is before the first email
        self._searched = 0  # bytes of what is held in which none begins
        self._inside = False  # whether the first has begun

    def feed(self, block: bytes) -> Iterator[ArchivedMessage]:
        self._held += block
        yield from self._split(at_end=False)
        if len(self._held) > self._most or not self._inside:
            self._pass(self._searched - 1)  # The end of a line before what may be the beginning of the next stays.

    def end(self) -> Iterator[ArchivedMessage]:
        yield from self._split(at_end=True)
        if self._inside:
            yield self._message(len(self._held))
        self._held.clear()

    def _split(self, *, at_end: bool) -> Iterator[ArchivedMessage]:
        while (place := self._next(at_end)) is not None:
            begins, behind = place
            if self._inside:
                yield self._message(begins)
            self._inside, self._head, self._passed, self._searched = True, b"", 0, 0
            del self._held[:behind]

    def _next(self, at_end: bool) -> tuple[int, int] | None:
        """(where the line begins with which the next email begins, what is behind it); None where more is needed."""
        at = self._searched
        while (at := self._held.find(b"From ", at)) >= 0:
            if not at or self._held[at - 1] == _NEWLINE:
                line = bytes(self._held[at : at + _MOST_LINE + _LOOK]).replace(b"\r\n", b"\n")
                if len(self._held) < at + _MOST_LINE + _LOOK and not at_end:
                    self._searched = at
                    return None
                if _BEGINS.match(line):
                    return at, self._held.index(b"\n", at) + 1
            at += 1
        self._searched = max(self._searched, len(self._held) - 4)
        return None

    def _pass(self, size: int) -> None:
        if size <= 0:
            return
        self._head += self._held[: min(size, self._most - len(self._head))]
        self._passed += size
        self._searched -= size
        del self._held[:size]

    def _message(self, end: int) -> ArchivedMessage:
        raw = self._head + self._held[: min(end, self._most - len(self._head))]
        size = self._passed + end
        if size == len(raw):
            raw = raw[:-1] if raw.endswith(b"\n\n") else raw[:-2] if raw.endswith(b"\n\r\n") else raw
        return ArchivedMessage(bytes(_QUOTED.sub(b"", raw) if b">From " in raw else raw), size)
