"""What a process that works on what strangers wrote is told, and what it answers.

Whoever takes such a process over writes what they like into its pipe. So an answer is JSON within bounds, with bytes
beside it: nothing that makes an object of a class or could run anything. How long it is stands before it, and is
believed up to a limit.
"""

import contextlib
import json
import os
import select
import struct
import time
from collections.abc import Callable, Sequence
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from samizdat.core import bounded_json, json_values

if TYPE_CHECKING:
    import subprocess

_head = struct.Struct(">cII")
# Bytes of an answer: a slice of an import or a picture has a few megabytes, all pictures of a template 60. Values of
# its JSON: 1,500,000 take 110 MB.
MOST_TEXT, MOST_DATA, MOST_VALUES = 64 << 20, 64 << 20, 1_500_000


class Frame(NamedTuple):
    kind: bytes
    text: bytes
    data: bytes = b""

    @property
    def size(self) -> int:
        return len(self.text) + len(self.data)

    def value(self) -> Any:
        """Errors: ValueError."""
        return bounded_json.counted(self.text, MOST_VALUES)

    def value_of(self, hint: Any) -> Any:
        """What the hint says, as core/json_values has packed it. Errors: ValueError."""
        return json_values.unpacked(hint, self.text, self.data, MOST_VALUES)


def send(stream: IO[bytes] | None, kind: bytes, value: object = None, data: bytes = b"") -> None:
    assert stream is not None
    stream.write(framed(kind, value, data))
    stream.flush()


def send_until(stream: IO[bytes] | None, until: float, kind: bytes, value: object = None, data: bytes = b"") -> None:
    """The same to a process that may have been taken over: it would read nothing and hold whoever writes. Nothing else
    is written into this pipe. Errors: TimeoutError where it is too late by the monotonic clock, BrokenPipeError."""
    assert stream is not None
    descriptor = stream.fileno()
    os.set_blocking(descriptor, False)
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    left = memoryview(framed(kind, value, data))
    while left:
        seconds = until - time.monotonic()
        if seconds < 0 or not poll.poll(seconds * 1000):
            raise TimeoutError
        with contextlib.suppress(BlockingIOError):
            left = left[os.write(descriptor, left) :]


def send_parts(stream: IO[bytes], kind: bytes, text: bytes, parts: Sequence[bytes]) -> None:
    """What core/json_values has packed. The data is not put together first: pictures of a template have 60 MB."""
    stream.write(_head.pack(kind, len(text), sum(map(len, parts))) + text)
    for part in parts:
        stream.write(part)
    stream.flush()


def framed(kind: bytes, value: object = None, data: bytes = b"") -> bytes:
    text = _text(value)
    return b"".join((_head.pack(kind, len(text), len(data)), text, data))


def _text(value: object) -> bytes:
    """Half a character, which a text of a file may hold, is escaped: UTF-8 has none."""
    return json.dumps(value, separators=(",", ":")).encode()


def receive(stream: IO[bytes], may_read: Callable[[int], bool] = lambda _size: True) -> Frame | None:
    """None where no frame comes any more, or none that we would read. may_read: asked before its bytes are."""
    head = _begun(stream.read(_head.size))
    if head is None or not may_read(head[1] + head[2]):
        return None
    kind, text, data = head
    frame = Frame(kind, stream.read(text), stream.read(data))
    return frame if (len(frame.text), len(frame.data)) == (text, data) else None


def receive_until(descriptor: int, until: float) -> Frame | None:
    """The same from a pipe that nobody else reads; None also where it is too late by the monotonic clock."""
    head = _begun(read_until(descriptor, _head.size, until))
    if head is None:
        return None
    kind, text, data = head
    written, beside = read_until(descriptor, text, until), read_until(descriptor, data, until)
    return None if written is None or beside is None else Frame(kind, written, beside)


def end(process: "subprocess.Popen[bytes]") -> None:
    """Kills it; nobody reads or writes its pipes any more."""
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.close()


def _begun(head: bytes | None) -> tuple[bytes, int, int] | None:
    """(kind, bytes of text, bytes beside it); None where that is cut off, or says more than we would read."""
    if head is None or len(head) < _head.size:
        return None
    kind, text, data = _head.unpack(head)
    return None if text > MOST_TEXT or data > MOST_DATA else (kind, text, data)


def read_until(descriptor: int, size: int, until: float) -> bytes | None:
    held = bytearray()
    poll = select.poll()
    poll.register(descriptor, select.POLLIN | select.POLLHUP)
    while len(held) < size:
        if not poll.poll(max(0.0, until - time.monotonic()) * 1000):
            return None
        data = os.read(descriptor, min(size - len(held), 1 << 20))
        if not data:
            return None
        held += data
    return bytes(held)
