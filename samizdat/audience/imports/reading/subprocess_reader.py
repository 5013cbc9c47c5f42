"""The reading process: an order comes in on standard input, slices or what was found go out on standard output.

It may use as much memory and time as a list of that size needs and no more: a workbook of 200 KB can be made to unfold
to gigabytes, and then this process ends with a sentence and the worker goes on.

It starts as a fresh interpreter, not as a fork, because a fork would bring Django, its connections and every key of
the parent along. A dead parent is noticed as a closed pipe. What it answers is JSON with bytes beside it
(child_frames.py): a file may have taken it over.
"""

import contextlib
import gc
import io
import itertools
import marshal
import os
import queue
import resource
import signal
import subprocess
import sys
import threading
import time
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, Self

from samizdat import child_frames, plugins, processes
from samizdat.audience.imports.reading import detect
from samizdat.audience.imports.reading.parse import (
    MET_BEFORE,
    STATUS_CODES,
    TOLD_KINDS,
    AskPiece,
    HandedFile,
    NoAddresses,
    ReaderOrder,
    ReadSlice,
    prepare,
)
from samizdat.audience.limits import HEAVIEST_SUBSCRIBER
from samizdat.core import json_values
from samizdat.core.account_export import AccountContents, AccountItem
from samizdat.core.imports import SENTENCES, DetectedFiles, ImportFailed

# Slices that may wait for the writer on its side, and on the reader's: a stretch of them is taken at once, and the
# reader goes on with the next stretch meanwhile.
AHEAD = 2
SENDING = 7
# Bytes of those that wait, with the one that is being read: a slice has three megabytes, and a reader that was taken
# over would fill the memory of the worker, which others' letters wait for.
MOST_WAITING = 64 << 20

_ORDER = tuple(field.name for field in fields(ReaderOrder))
_SLICE = tuple(
    field.name for field in fields(ReadSlice) if field.name not in ("rows", "complained", "planted", "weight")
)

# Bytes of data, stacks included. A list of a million people takes 150 MB as CSV and 230 MB as a workbook.
MOST_MEMORY = 288 << 20
# Seconds of work for any file, and for each megabyte of it as it was given. A megabyte of a workbook is ten of its
# XML and takes about two seconds.
SECONDS, SECONDS_A_MEGABYTE = 30, 10
# So many times those seconds others wait for the process, all its frames together: one that was taken over sleeps, or
# asks for pieces for ever, which costs it no work, and the queue of all organizations stands still meanwhile.
WAITING = 2


class ReaderLimits(NamedTuple):
    """What the reading process may use: bytes of memory, seconds of work."""

    memory: int
    seconds: int


class ReadingBroke(RuntimeError):
    """The reading process ended without a word: killed, or out of memory."""


class BadFiles(ValueError):
    """The files cannot be read: `code`, `values` and the importers' own sentence."""

    def __init__(self, code: str, values: Mapping[str, object], sentence: str) -> None:
        self.code = code
        self.values = values
        super().__init__(sentence)


# -- the parent's side ------------------------------------------------------------------------------------------


class _ReaderProcess:
    """A reading process. Use as a context manager. `piece(file, number)` gives a piece of an upload in plain; it is
    called on a thread of its own, or where `here` on that of whoever goes through the slices.
    """

    def __init__(
        self,
        kind: bytes,
        order: object,
        import_files: Sequence[HandedFile],
        piece: AskPiece | None,
        *,
        here: bool = False,
    ) -> None:
        limits = limits_for(import_files)
        self._first = kind, [*limits, order]
        self._patience = float(WAITING * limits.seconds)
        self._import_files = import_files
        self._piece = piece
        self._here = here
        self._waiting: queue.Queue[child_frames.Frame | None] = queue.Queue(AHEAD)
        self._held = 0  # Bytes, as MOST_WAITING.
        self._changed = threading.Condition()
        self._process: subprocess.Popen[bytes] | None = None
        self._stopped = False

    def __enter__(self) -> Self:
        self._process = processes.reader("samizdat.audience.imports.reading.subprocess_reader")
        try:
            self._send(time.monotonic() + self._patience, *self._first)
        except OSError:
            self._process.kill()  # Which is said where its answer is missing.
        threading.Thread(target=self._receive, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        with self._changed:
            self._stopped = True
            self._changed.notify()
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
        while (frame := self._heard()) is not None:
            if frame.kind == b"E":
                self._waiting.put(None)
                return
            yield frame.kind, _value_or_raise(frame)
        self._waiting.put(None)
        assert self._process is not None
        self._process.kill()  # Where it is only the pieces that could not be had.
        if self._process.wait() == -signal.SIGXCPU:
            raise _costs_too_much(self._import_files)
        raise ReadingBroke

    def _heard(self) -> child_frames.Frame | None:
        """The next one that is no request for a piece. Errors: BadFiles where it was waited for too long."""
        began = time.monotonic()
        until = began + self._patience
        try:
            while frame := self._waiting.get(timeout=max(0.0, until - time.monotonic())):
                self._release(frame)
                if frame.kind != b"P":
                    break
                self._answer(frame, until)
        except (queue.Empty, TimeoutError):
            raise _costs_too_much(self._import_files) from None
        finally:
            self._patience -= time.monotonic() - began
        return frame

    def _receive(self) -> None:
        assert self._process is not None and self._process.stdout is not None
        try:
            while (frame := child_frames.receive(self._process.stdout, self._hold)) is not None and not self._stopped:
                if frame.kind == b"P" and not self._here:
                    self._release(frame)
                    self._answer(frame, time.monotonic() + self._patience)
                else:
                    self._waiting.put(frame)
        except (OSError, ValueError):
            pass  # The process is gone: the end of the queue tells.
        finally:
            self._waiting.put(None)

    def _hold(self, size: int) -> bool:
        """Waits until there is room for so many bytes; whether there ever is."""
        if size > MOST_WAITING:
            return False
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or self._held + size <= MOST_WAITING)
            self._held += size
        return not self._stopped

    def _release(self, frame: child_frames.Frame) -> None:
        with self._changed:
            self._held -= frame.size
            self._changed.notify()

    def _answer(self, asked: child_frames.Frame, until: float) -> None:
        assert self._piece is not None
        file, number = asked.value()
        self._send(until, b"P", self._piece(file, number))

    def _send(self, until: float, kind: bytes, value: Any) -> None:
        """Marshalled: it is the fastest that Python has, and the reading process trusts us."""
        assert self._process is not None
        child_frames.send_until(self._process.stdin, until, kind, None, marshal.dumps(value))


class ReaderProcess(_ReaderProcess):
    """Slices from a process of their own; iterate once."""

    def __init__(self, order: ReaderOrder, piece: AskPiece | None = None, *, here: bool = False) -> None:
        super().__init__(b"O", [getattr(order, name) for name in _ORDER], order.import_files, piece, here=here)

    def __iter__(self) -> Iterator[ReadSlice]:
        return (value for _kind, value in self._told())


def found_beside(
    import_files: Sequence[HandedFile], source: str | None, piece: AskPiece | None, *, thorough: bool
) -> DetectedFiles:
    """As detect.found_in, from a process of its own: for files that may be made to break whoever opens them."""
    with _ReaderProcess(b"L", [list(import_files), source, thorough], import_files, piece, here=True) as child:
        detection: DetectedFiles = next(child._told())[1]
    return detection


def limits_for(import_files: Sequence[HandedFile]) -> ReaderLimits:
    """By the size of what was given, which whoever made it has to bring along."""
    size = sum(_size(import_file) for import_file in import_files)
    return ReaderLimits(MOST_MEMORY, SECONDS + SECONDS_A_MEGABYTE * (size >> 20))


def _size(import_file: HandedFile) -> int:
    if not isinstance(import_file, str | os.PathLike):
        return import_file[2]
    path = Path(import_file)
    files = (
        (entry for entry in path.rglob("*") if entry.is_file()) if path.is_dir() else [path] if path.exists() else []
    )
    return sum(file.stat().st_size for file in files)


def _costs_too_much(import_files: Sequence[HandedFile]) -> BadFiles:
    names = (
        import_file if isinstance(import_file, str | os.PathLike) else import_file[0] for import_file in import_files
    )
    file = ", ".join(Path(name).name for name in names)[:200]
    return BadFiles("costs_too_much", {"file": file}, SENTENCES["costs_too_much"].format(file=file))


def read_here(order: ReaderOrder, piece: AskPiece | None = None) -> Iterator[ReadSlice]:
    """The same slices from this process: for files so small that starting another one takes longer."""
    with plugins.open_files(detect.opened(order.import_files, piece)) as given:
        try:
            yield from prepare(order, given)
        except ImportFailed as wrong:
            raise BadFiles(wrong.code, wrong.values, str(wrong)) from wrong


class AccountReader(_ReaderProcess):
    """The export of a whole account, from a process of its own. Errors: BadFiles, ReadingBroke."""

    def __init__(self, import_file: HandedFile, piece: AskPiece | None = None) -> None:
        super().__init__(b"A", [[import_file]], [import_file], piece, here=True)
        self._frames = self._told()

    def contents(self) -> AccountContents:
        """Asked first, and once."""
        kind, contents = next(self._frames, (b"", None))
        if kind != b"C" or not isinstance(contents, AccountContents):
            raise ReadingBroke("an answer that no file has")
        return contents

    def items(self) -> Iterator[AccountItem]:
        """Asked after contents(), and once."""
        for kind, item in self._frames:
            if kind != b"I":
                raise ReadingBroke("an answer that no file has")
            yield item


def _value_or_raise(frame: child_frames.Frame) -> ReadSlice | DetectedFiles | AccountContents | AccountItem:
    try:
        if frame.kind in _OF_ACCOUNTS:
            answer: AccountContents | AccountItem = frame.value_of(_OF_ACCOUNTS[frame.kind])
            return answer
        value = frame.value()
        if frame.kind == b"S":
            read = _slice(value, frame.data)
            read.weight = frame.size
            return read
        if frame.kind == b"L":
            return detect.unpacked(value)
    except (TypeError, ValueError, LookupError, AttributeError) as odd:
        raise ReadingBroke("an answer that no file has") from odd
    if frame.kind == b"N":
        raise NoAddresses(tuple(value) if value else None)
    if frame.kind == b"F":
        raise BadFiles(*value)
    raise ReadingBroke(value)


_OF_ACCOUNTS = {b"C": AccountContents, b"I": AccountItem}

# Slices go column by column, numbers as eight bytes each and texts that come again by their place among the different
# ones: read row by row from JSON, a slice would take the writer a fifth longer.


def _columns(read: ReadSlice) -> tuple[Any, bytes]:
    plains, statuses, *texts, facts, lines, again = _turned(read.rows, 8)
    each = [fact for row_facts in facts for fact in row_facts]
    kinds, days, ours, words = _turned(each, 4)
    (languages, joined, tags, days), names = zip(*map(_numbered, (*texts, days)), strict=True)
    numbers = (
        statuses, languages, joined, tags, map(len, facts), lines, again, map(len, plains),
        kinds, days, ours, map(len, words),
    )  # fmt: skip
    data = b"".join((*(array("q", column).tobytes() for column in numbers), *plains, *words))
    few = [read.complained, read.planted]
    return [[getattr(read, name) for name in _SLICE], [len(lines), len(each)], names, few], data


def _turned(rows: Sequence[Any], width: int) -> Sequence[Any]:
    return list(zip(*rows, strict=True)) if rows else [()] * width


def _numbered[T](column: Sequence[T]) -> tuple[list[int], list[T]]:
    """A column as places among its different cells, and these."""
    places = {cell: place for place, cell in enumerate(dict.fromkeys(column))}
    return [places[cell] for cell in column], list(places)


def _slice(payload: Any, data: bytes) -> ReadSlice:
    """Errors: ValueError, TypeError, LookupError."""
    named, (many, each), (languages, joined, tags, days), (complained, planted) = payload
    at = 8 * (8 * many + 4 * each)
    if min(many, each) < 0 or at > len(data):
        raise ValueError("a slice is shorter than it says")
    numbers = array("q", data[:at])
    column = [numbers[place * many : (place + 1) * many] for place in range(8)]
    fact = [numbers[8 * many + place * each : 8 * many + (place + 1) * each] for place in range(4)]
    if not (STATUS_CODES.issuperset(column[0]) and MET_BEFORE.issuperset(column[6]) and TOLD_KINDS.issuperset(fact[0])):
        raise ValueError("a status or a fact that no file tells")
    if not {str}.issuperset(map(type, (*languages, *joined, *days))):
        raise TypeError("a language or a day that is no text")
    if max(fact[3], default=0) > HEAVIEST_SUBSCRIBER:
        raise ValueError("more words of consent than a file's")
    ends = list(itertools.accumulate(column[7].tolist() + fact[3].tolist(), initial=at))
    cells = [data[start:end] for start, end in itertools.pairwise(ends)]
    if ends[-1] != len(data):
        raise ValueError("a slice is longer than it says")
    words = cells[many:]
    facts = zip(fact[0], map(days.__getitem__, fact[1]), map((False, True).__getitem__, fact[2]), words, strict=True)
    rows: Any = zip(
        cells[:many], column[0],
        map(languages.__getitem__, column[1]), map(joined.__getitem__, column[2]),
        map([tuple(combination) for combination in tags].__getitem__, column[3]),
        [tuple(itertools.islice(facts, count)) for count in column[4]], column[5], column[6], strict=True,
    )  # fmt: skip
    read = ReadSlice(**dict(zip(_SLICE, named, strict=True)))
    read.rows, read.complained, read.planted = list(rows), list(complained), list(planted)
    file, row, done = read.after
    read.after, read.rejects = (file, row, done), [(at, code, values) for at, code, values in read.rejects]
    return read


# -- the process's side -----------------------------------------------------------------------------------------


def main() -> int:
    first = child_frames.receive(sys.stdin.buffer)
    if first is None:
        return 1
    # Rows are tuples of texts, in which there are no circles to look for.
    gc.disable()
    memory, seconds, payload = marshal.loads(first.data)  # noqa: S302  written by the process that began us
    import_files = _import_files(first.kind, payload)
    out = processes.begin_reading(Path(import_file) for import_file in import_files if isinstance(import_file, str))
    keep_to(ReaderLimits(memory, seconds))
    _work(first.kind, payload, _Sender(out))
    return 0


def _import_files(kind: bytes, payload: Any) -> list[HandedFile]:
    return list(payload[0] if kind in (b"L", b"A") else payload[_ORDER.index("import_files")])


def keep_to(limits: ReaderLimits) -> None:
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

    def put(self, kind: bytes, value: object, data: bytes = b"") -> None:
        self._waiting.put(child_frames.framed(kind, value, data))

    def put_value(self, kind: bytes, value: object) -> None:
        """With its bytes beside it, as core/json_values packs them."""
        frame = io.BytesIO()
        child_frames.send_parts(frame, kind, *json_values.packed(value))
        self._waiting.put(frame.getvalue())

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


def _work(kind: bytes, payload: Any, sender: _Sender) -> None:
    def piece(file: int, number: int) -> bytes:
        sender.put(b"P", [file, number])
        answer = child_frames.receive(sys.stdin.buffer)
        if answer is None:
            os._exit(1)
        return bytes(marshal.loads(answer.data))  # noqa: S302

    import_files = _import_files(kind, payload)
    try:
        if kind == b"L":
            sender.put(b"L", detect.packed(detect.found_in(import_files, payload[1], piece, thorough=payload[2])))
        elif kind == b"A":
            _read_account(import_files, piece, sender)
        else:
            for read in read_here(ReaderOrder(**dict(zip(_ORDER, payload, strict=True))), piece):
                sender.put(b"S", *_columns(read))
        sender.put(b"E", None)
    except NoAddresses as none:
        sender.put(b"N", none.first)
    except BadFiles as bad:
        sender.put(b"F", [bad.code, {name: str(value) for name, value in bad.values.items()}, str(bad)])
    except MemoryError:
        much = _costs_too_much(import_files)
        sender.put(b"F", [much.code, much.values, str(much)])
    except Exception as wrong:
        # The class and the line, never the text: it may quote a row.
        frame = wrong.__traceback__
        while frame is not None and frame.tb_next is not None:
            frame = frame.tb_next
        at = f"{Path(frame.tb_frame.f_code.co_filename).name}:{frame.tb_lineno}" if frame else ""
        sender.put(b"X", f"{type(wrong).__name__} in {at}")
    sender.end()


def _read_account(import_files: Sequence[HandedFile], piece: AskPiece, sender: _Sender) -> None:
    try:
        with plugins.open_account_export(detect.opened(import_files, piece)[0]) as account:
            sender.put_value(b"C", account.contents())
            for item in account.items():
                sender.put_value(b"I", item)
    except ImportFailed as wrong:
        raise BadFiles(wrong.code, wrong.values, str(wrong)) from wrong


if __name__ == "__main__":
    sys.exit(main())
