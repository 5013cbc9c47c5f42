"""Work on what somebody wrote or uploaded, in a process of its own that may take so long, so much memory, and no more.

An input that a pattern or a decoder takes minutes or gigabytes for costs that process its life and whoever asked a
sentence; the threads of the desk go on. A process that was not told to `begin` (the command line, the worker) does the
work itself: nobody else waits for it there.

A helper gets plain values, no key and no database, and hands values back. It decodes what strangers made, so the
other way only values of our own kinds are taken from it.
"""

import contextlib
import importlib
import io
import os
import pickle
import resource
import select
import struct
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

from samizdat import processes

# Bytes of data of a helper: 16 MB of it is there before any work begins, a picture of the largest size takes 200.
MEMORY = 256 << 20
HELPERS = 2
# One organization's work never takes the last helper. So many of its threads wait for one as long as they may, and
# those that come on top for a second: eight threads are all that the desk has.
AT_ONCE, WAITING, ON_TOP = 1, 3, 1.0


class Job(NamedTuple):
    """What a helper may do: where it is, and the seconds that somebody waits at most, for a helper and its answer."""

    module: str
    seconds: float


# The largest real letters take 0.2 s; a photograph that becomes two PNGs takes four.
JOBS = {
    "render": Job("samizdat.core.letter", 4.0),
    "take": Job("samizdat.campaigns.pixels", 20.0),
    "differences": Job("samizdat.core.document.words", 4.0),
    "remake": Job("samizdat.campaigns.pixels", 20.0),
}
# Where the kinds of its values are made; nothing else of a pickle is followed.
_KINDS = ("samizdat.core.", "samizdat.campaigns.pixels")
_length = struct.Struct(">I")


class TooMuch(RuntimeError):
    """It took longer or more memory than it may, or too much of it was asked for at once."""


class HelperBroke(RuntimeError):
    """The work broke for a reason that nobody foresaw; the text is the name of the error."""


class Pool:
    """Helpers of this process. `work(whose, name, ...)` is called from any thread."""

    def __init__(self, helpers: int = HELPERS) -> None:
        self._idle = [_Helper() for _ in range(helpers)]
        self._all = tuple(self._idle)
        self._changed = threading.Condition()
        self._at: Counter[Any] = Counter()
        self._wait: Counter[Any] = Counter()

    def work(self, whose: Any, name: str, *args: Any, **more: Any) -> Any:
        """Errors: TooMuch, and what the work itself raises."""
        until = time.monotonic() + JOBS[name].seconds
        helper = self._taken(whose, until)
        try:
            return helper.work((name, args, more), until)
        finally:
            with self._changed:
                self._at[whose] -= 1
                self._idle.append(helper)
                self._changed.notify_all()

    def _taken(self, whose: Any, until: float) -> "_Helper":
        with self._changed:
            left = until - time.monotonic()
            patience = left if self._wait[whose] < WAITING else min(left, ON_TOP)
            self._wait[whose] += 1
            try:
                free = self._changed.wait_for(lambda: self._idle and self._at[whose] < AT_ONCE, patience)
            finally:
                self._wait[whose] -= 1
            if not free:
                raise TooMuch
            self._at[whose] += 1
            return self._idle.pop()

    def close(self) -> None:
        for helper in self._all:
            helper.end()


class _Helper:
    """One process, begun with its first work and begun anew after it was ended."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def work(self, asked: Any, until: float) -> Any:
        seconds = until - time.monotonic()
        if self._process is None:
            self._process = processes.reader("samizdat.bounded")
        try:
            _send(self._process.stdin, pickle.dumps((seconds, *asked)))
            answer = self._answer(until)
        except OSError:
            answer = None
        if answer is None:
            self.end()
            raise TooMuch
        fine, value = _Reader(io.BytesIO(answer)).load()
        if fine:
            return value
        raise value if isinstance(value, Exception) else HelperBroke(value)

    def _answer(self, until: float) -> bytes | None:
        """None where it is too late, or the helper is gone."""
        head = self._bytes(_length.size, until)
        return None if head is None else self._bytes(_length.unpack(head)[0], until)

    def _bytes(self, size: int, until: float) -> bytes | None:
        assert self._process is not None and self._process.stdout is not None
        descriptor, held = self._process.stdout.fileno(), bytearray()
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

    def end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()


class _Reader(pickle.Unpickler):
    """Takes values of our own kinds alone: a decoder that was taken over must not run anything here."""

    def find_class(self, module: str, name: str) -> Any:
        found = super().find_class(module, name) if module.startswith(_KINDS) else None
        if not isinstance(found, type):
            raise pickle.UnpicklingError(f"{module}.{name} is nothing that a helper tells")
        return found


_pool: Pool | None = None


def begin() -> None:
    """From now on this process has its helpers."""
    global _pool
    _pool = _pool or Pool()


def work[T](whose: Any, function: Callable[..., T], *args: Any, **more: Any) -> T:
    """`function(*args, **more)`, one of JOBS, by a helper if this process has any. `whose`: the organization that asks.
    Errors: TooMuch, and its own."""
    if _pool is None:
        return function(*args, **more)
    made: T = _pool.work(whose, function.__name__, *args, **more)
    return made


# -- the helper's side ------------------------------------------------------------------------------------------------


def main() -> int:
    out = processes.begin_reading()
    _limit(resource.RLIMIT_DATA, MEMORY)
    while (asked := _receive(sys.stdin.buffer)) is not None:
        seconds, name, args, more = pickle.loads(asked)  # noqa: S301  written by the process that began us
        # Also where nobody is left to end it.
        _limit(resource.RLIMIT_CPU, int(time.process_time() + seconds) + 2)
        try:
            function = getattr(importlib.import_module(JOBS[name].module), name)
            answer = pickle.dumps((True, function(*args, **more)))
        except MemoryError:
            return 1
        except Exception as error:
            answer = _told(error)
        _send(out, answer)
    return 0


def _told(error: Exception) -> bytes:
    """An error of ours as it is; of any other its name, since its text may quote what was worked on."""
    if type(error).__module__.startswith(_KINDS):
        with contextlib.suppress(Exception):
            return pickle.dumps((False, error))
    return pickle.dumps((False, type(error).__name__))


def _limit(kind: int, most: int) -> None:
    """The hard limit stays, so that the soft one of the next work may be higher. Where the system knows none, none
    holds."""
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(kind, (most, resource.getrlimit(kind)[1]))


def _send(stream: Any, data: bytes) -> None:
    stream.write(_length.pack(len(data)))
    stream.write(data)
    stream.flush()


def _receive(stream: Any) -> bytes | None:
    head = stream.read(_length.size)
    if len(head) < _length.size:
        return None
    size = _length.unpack(head)[0]
    data: bytes = stream.read(size)
    return data if len(data) == size else None


if __name__ == "__main__":
    sys.exit(main())
