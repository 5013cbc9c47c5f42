"""The reading process: an order comes in on standard input, slices or what was found go out on standard output.

It may use as much memory and time as a list of that size needs and no more: a workbook of 200 KB can be made to unfold
to gigabytes, and then this process ends with a sentence and the worker goes on.

It starts as a fresh interpreter, not as a fork, because a fork would bring Django, its connections and every key of
the parent along. A dead parent is noticed as a closed pipe. Frames are four bytes of length, one letter, and
marshalled lists: marshal is the fastest that Python has, and both ends are the same program.
"""

import contextlib
import gc
import marshal
import os
import queue
import resource
import signal
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, Self

from samizdat import plugs, processes
from samizdat.audience.incoming import finding
from samizdat.audience.incoming.prepare import SLICE, STRETCH, AskPiece, NoAddresses, Order, Slice, prepare

# Slices that may wait for the writer on his side, and on the reader's: a stretch of them comes at once, and the
# reader goes on with the next stretch meanwhile.
AHEAD = 2
SENDING = STRETCH // SLICE

_ORDER = tuple(field.name for field in fields(Order))
_SLICE = tuple(field.name for field in fields(Slice))
_length = struct.Struct(">I")

# Bytes of data, stacks included. A list of a million people takes 150 MB as CSV and 230 MB as a workbook.
MOST_MEMORY = 288 << 20
# Seconds of work for any file, and for each megabyte of it as it was given. A megabyte of a workbook is ten of its
# XML and takes about two seconds.
SECONDS, SECONDS_A_MEGABYTE = 30, 10


class Limits(NamedTuple):
    """What the reading process may use: bytes of memory, seconds of work."""

    memory: int
    seconds: int


class ReadingBroke(RuntimeError):
    """The reading process ended without a word: killed, or out of memory."""


class BadFiles(ValueError):
    """The files cannot be read: `code`, `values` and the importers' own sentence."""

    def __init__(self, code: str, values: dict[str, Any], sentence: str) -> None:
        self.code = code
        self.values = values
        super().__init__(sentence)


# -- the parent's side ------------------------------------------------------------------------------------------


class _Child:
    """A reading process. Use as a context manager. `piece(file, number)` gives a piece of an upload in plain; it is
    called on a thread of its own, or where `here` on that of whoever goes through the slices.
    """

    def __init__(
        self, kind: bytes, order: Any, things: Sequence[Any], piece: AskPiece | None, *, here: bool = False
    ) -> None:
        self._first = kind, [*limits_for(things), order]
        self._things = things
        self._piece = piece
        self._here = here
        self._waiting: queue.Queue[tuple[bytes, bytes] | None] = queue.Queue(AHEAD)
        self._process: subprocess.Popen[bytes] | None = None
        self._stopped = False

    def __enter__(self) -> Self:
        self._process = processes.reader("samizdat.audience.incoming.process")
        _send(self._process.stdin, *self._first)
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

    def _told(self) -> Iterator[tuple[bytes, Any]]:
        """Frames up to the last one. Errors: NoAddresses, BadFiles, ReadingBroke."""
        while (frame := self._waiting.get()) is not None:
            kind, body = frame
            if kind == b"P":
                self._answer(marshal.loads(body))  # noqa: S302  written by our own process
                continue
            if kind == b"E":
                self._waiting.put(None)
                return
            yield kind, _value_or_raise(kind, marshal.loads(body))  # noqa: S302
        self._waiting.put(None)
        assert self._process is not None
        self._process.kill()  # Where it is only the pieces that could not be had.
        if self._process.wait() == -signal.SIGXCPU:
            raise _costs_too_much(self._things)
        raise ReadingBroke

    def _receive(self) -> None:
        assert self._process is not None and self._process.stdout is not None
        try:
            while (frame := _receive(self._process.stdout)) is not None and not self._stopped:
                if frame[0] == b"P" and not self._here:
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


class Reading(_Child):
    """Slices from a process of their own; iterate once."""

    def __init__(self, order: Order, piece: AskPiece | None = None, *, here: bool = False) -> None:
        super().__init__(b"O", [getattr(order, name) for name in _ORDER], order.things, piece, here=here)

    def __iter__(self) -> Iterator[Slice]:
        return (value for _kind, value in self._told())


def found_beside(things: Sequence[Any], source: str | None, piece: AskPiece | None, *, thorough: bool) -> Any:
    """As finding.found_in, from a process of its own: for files that may be made to break whoever opens them."""
    with _Child(b"L", [list(things), source, thorough], things, piece, here=True) as child:
        _kind, found = next(child._told())
    return found


def limits_for(things: Sequence[Any]) -> Limits:
    """By the size of what was given, which whoever made it has to bring along."""
    size = sum(_size(thing) for thing in things)
    return Limits(MOST_MEMORY, SECONDS + SECONDS_A_MEGABYTE * (size >> 20))


def _size(thing: Any) -> int:
    if not isinstance(thing, str | os.PathLike):
        return int(thing[2])
    path = Path(thing)
    files = (one for one in path.rglob("*") if one.is_file()) if path.is_dir() else [path] if path.exists() else []
    return sum(file.stat().st_size for file in files)


def _costs_too_much(things: Sequence[Any]) -> BadFiles:
    names = (thing if isinstance(thing, str | os.PathLike) else thing[0] for thing in things)
    file = ", ".join(Path(name).name for name in names)[:200]
    return BadFiles(
        "costs_too_much", {"file": file}, plugs.part("importers.base").SENTENCES["costs_too_much"].format(file=file)
    )


def read_here(order: Order, piece: AskPiece | None = None) -> Iterator[Slice]:
    """The same slices from this process: for files so small that starting another one takes longer."""
    failed = plugs.part("importers.base").ImportFailed
    with plugs.part("importers.reading").open_given(finding.opened(order.things, piece)) as given:
        try:
            yield from prepare(order, given)
        except failed as wrong:
            raise BadFiles(wrong.code, wrong.values, str(wrong)) from wrong


def _value_or_raise(kind: bytes, told: Any) -> Any:
    if kind == b"S":
        return Slice(*told)
    if kind == b"L":
        return finding.unpacked(told)
    if kind == b"N":
        raise NoAddresses(tuple(told) if told else None)
    if kind == b"F":
        raise BadFiles(*told)
    raise ReadingBroke(told)


# -- the process's side -----------------------------------------------------------------------------------------


def main() -> int:
    out = processes.begin_reading()
    first = _receive(sys.stdin.buffer)
    if first is None:
        return 1
    # Rows are tuples of texts, in which there are no circles to look for.
    gc.disable()
    memory, seconds, told = marshal.loads(first[1])  # noqa: S302
    keep_to(Limits(memory, seconds))
    _work(first[0], told, _Sender(out))
    return 0


def keep_to(limits: Limits) -> None:
    """Where the system knows no such limits (macOS has none for memory) only those it knows hold."""
    for kind, most in ((resource.RLIMIT_DATA, limits.memory), (resource.RLIMIT_CPU, limits.seconds)):
        with contextlib.suppress(ValueError, OSError):
            # One second more for the hard limit: at the soft one the kernel says why, at the hard one it kills.
            resource.setrlimit(kind, (most, most + (kind == resource.RLIMIT_CPU)))


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


def _work(kind: bytes, told: Any, sender: _Sender) -> None:
    def piece(file: int, number: int) -> bytes:
        sender.put(b"P", [file, number])
        answer = _receive(sys.stdin.buffer)
        if answer is None:
            os._exit(1)
        return bytes(marshal.loads(answer[1]))  # noqa: S302

    things = told[0] if kind == b"L" else told[_ORDER.index("things")]
    try:
        if kind == b"L":
            sender.put(b"L", finding.packed(finding.found_in(things, told[1], piece, thorough=told[2])))
        else:
            for made in read_here(Order(**dict(zip(_ORDER, told, strict=True))), piece):
                sender.put(b"S", [getattr(made, name) for name in _SLICE])
        sender.put(b"E", None)
    except NoAddresses as none:
        sender.put(b"N", none.first)
    except BadFiles as bad:
        sender.put(b"F", [bad.code, {name: str(value) for name, value in bad.values.items()}, str(bad)])
    except MemoryError:
        much = _costs_too_much(things)
        sender.put(b"F", [much.code, much.values, str(much)])
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
