"""The reading process: an order comes in on standard input, slices go out on standard output.

It starts as a fresh interpreter, not as a fork, because a fork would bring Django, its connections and every key of
the parent along. A dead parent is noticed as a closed pipe. Frames are four bytes of length, one letter, and
marshalled lists: marshal is the fastest that Python has, and both ends are the same program.
"""

import gc
import marshal
import os
import queue
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any, BinaryIO, Self

from samizdat import plugs, processes
from samizdat.audience.incoming.pieces import PieceFile
from samizdat.audience.incoming.prepare import SLICE, STRETCH, NoAddresses, Order, Slice, prepare

# Slices that may wait for the writer on his side, and on the reader's: a stretch of them comes at once, and the
# reader goes on with the next stretch meanwhile.
AHEAD = 2
SENDING = STRETCH // SLICE

_ORDER = tuple(field.name for field in fields(Order))
_SLICE = tuple(field.name for field in fields(Slice))
_length = struct.Struct(">I")

type AskPiece = Callable[[int, int], bytes]


class ReadingBroke(RuntimeError):
    """The reading process ended without a word: killed, or out of memory."""


class BadFiles(ValueError):
    """The files cannot be read: `code`, `values` and the importers' own sentence."""

    def __init__(self, code: str, values: dict[str, Any], sentence: str) -> None:
        self.code = code
        self.values = values
        super().__init__(sentence)


# -- the parent's side ------------------------------------------------------------------------------------------


class Reading:
    """Slices from a process of their own. Use as a context manager; iterate once.

    `piece(file, number)` gives a piece of an upload in plain; it is called on a thread of its own.
    """

    def __init__(self, order: Order, piece: AskPiece | None = None) -> None:
        self._order = order
        self._piece = piece
        self._waiting: queue.Queue[tuple[bytes, bytes] | None] = queue.Queue(AHEAD)
        self._process: subprocess.Popen[bytes] | None = None
        self._stopped = False

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            processes.command("samizdat.audience.incoming.process"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=processes.environment(),
        )
        _send(self._process.stdin, b"O", [getattr(self._order, name) for name in _ORDER])
        threading.Thread(target=self._receive, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        self._stopped = True
        self._process.kill()
        while self._waiting.get() is not None:
            pass  # Lets the thread go that wants to put one more.
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def __iter__(self) -> Iterator[Slice]:
        while (frame := self._waiting.get()) is not None:
            kind, body = frame
            if kind == b"E":
                self._waiting.put(None)
                return
            yield _slice_or_raise(kind, marshal.loads(body))  # noqa: S302  written by our own process
        self._waiting.put(None)
        raise ReadingBroke

    def _receive(self) -> None:
        assert self._process is not None and self._process.stdout is not None
        try:
            while (frame := _receive(self._process.stdout)) is not None and not self._stopped:
                if frame[0] == b"P":
                    self._answer(marshal.loads(frame[1]))  # noqa: S302
                else:
                    self._waiting.put(frame)
        except (OSError, ValueError):
            pass  # The process is gone: the end of the queue tells.
        finally:
            self._waiting.put(None)

    def _answer(self, asked: list[int]) -> None:
        assert self._process is not None and self._piece is not None
        _send(self._process.stdin, b"P", self._piece(*asked))


def read_here(order: Order, piece: AskPiece | None = None) -> Iterator[Slice]:
    """The same slices from this process: for files so small that starting another one takes longer."""
    failed = plugs.part("importers.base").ImportFailed
    with _given(order, piece) as given:
        try:
            yield from prepare(order, given)
        except failed as wrong:
            raise BadFiles(wrong.code, wrong.values, str(wrong)) from wrong


def _slice_or_raise(kind: bytes, told: Any) -> Slice:
    if kind == b"S":
        return Slice(*told)
    if kind == b"N":
        raise NoAddresses(tuple(told) if told else None)
    if kind == b"F":
        raise BadFiles(*told)
    raise ReadingBroke(told)


def _given(order: Order, piece: AskPiece | None) -> Any:
    things = [
        thing if isinstance(thing, str | os.PathLike) else (thing[0], PieceFile(place, thing[1], thing[2], piece))
        for place, thing in enumerate(order.things)
    ]
    return plugs.part("importers.reading").open_given(things)


# -- the process's side -----------------------------------------------------------------------------------------


def main() -> int:
    # What a library prints by mistake must not stand between two frames.
    out = os.fdopen(os.dup(1), "wb", buffering=1 << 20)
    os.dup2(2, 1)
    first = _receive(sys.stdin.buffer)
    if first is None:
        return 1
    # Rows are tuples of texts, in which there are no circles to look for.
    gc.disable()
    order = Order(**dict(zip(_ORDER, marshal.loads(first[1]), strict=True)))  # noqa: S302
    _work(order, _Sender(out))
    return 0


class _Sender:
    """Sends from a thread, so that reading goes on while the writer is busy."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        self._waiting: queue.Queue[bytes | None] = queue.Queue(SENDING)
        self._thread = threading.Thread(target=self._send, daemon=True)
        self._thread.start()

    def put(self, kind: bytes, value: Any) -> None:
        self._waiting.put(_frame(kind, value))

    def end(self) -> None:
        self._waiting.put(None)
        self._thread.join()

    def _send(self) -> None:
        try:
            while (frame := self._waiting.get()) is not None:
                self._out.write(frame)
                self._out.flush()
        except BrokenPipeError:
            # The parent is gone: nothing is left to do, and nobody to tell.
            os._exit(1)


def _work(order: Order, sender: _Sender) -> None:
    def piece(file: int, number: int) -> bytes:
        sender.put(b"P", [file, number])
        answer = _receive(sys.stdin.buffer)
        if answer is None:
            os._exit(1)
        return bytes(marshal.loads(answer[1]))  # noqa: S302

    try:
        for made in read_here(order, piece):
            sender.put(b"S", [getattr(made, name) for name in _SLICE])
        sender.put(b"E", None)
    except NoAddresses as none:
        sender.put(b"N", none.first)
    except BadFiles as bad:
        sender.put(b"F", [bad.code, {name: str(value) for name, value in bad.values.items()}, str(bad)])
    except Exception as wrong:
        # The class and the line, never the text: it may quote a row.
        frame = wrong.__traceback__
        while frame is not None and frame.tb_next is not None:
            frame = frame.tb_next
        at = f"{Path(frame.tb_frame.f_code.co_filename).name}:{frame.tb_lineno}" if frame else ""
        sender.put(b"X", f"{type(wrong).__name__} in {at}")
    sender.end()


# -- frames -----------------------------------------------------------------------------------------------------


def _frame(kind: bytes, value: Any) -> bytes:
    body = marshal.dumps(value)
    return _length.pack(len(body)) + kind + body


def _send(stream: Any, kind: bytes, value: Any) -> None:
    stream.write(_frame(kind, value))
    stream.flush()


def _receive(stream: Any) -> tuple[bytes, bytes] | None:
    head = stream.read(5)
    if len(head) < 5:
        return None
    size = _length.unpack_from(head)[0]
    body = stream.read(size)
    return (head[4:5], body) if len(body) == size else None


if __name__ == "__main__":
    sys.exit(main())
