"""Work on what somebody wrote or uploaded, in a process of its own that may take so long, so much memory, and no more.

An input that a pattern or a decoder takes minutes or gigabytes for costs that process its life and whoever asked a
sentence; the threads of the desk and of the worker go on. A process that was not told to `begin`, as the command line,
does the work itself: nobody else waits for it there.

A helper gets plain values, no key and no database, and hands values back. It decodes what strangers made, so whoever
made it may have taken it over: what it answers is JSON, of which the values that the function says it returns are made
and nothing else (core/json_values.py). A helper that decodes does nothing else, and for one organization alone: what is
in its memory may come back as a picture.
"""

import contextlib
import gc
import importlib
import pickle
import resource
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextvars import ContextVar, copy_context
from functools import cache
from typing import Any, NamedTuple, get_type_hints

from samizdat import child_frames, processes
from samizdat.core import json_values

# Bytes of data of a helper: 16 MB of it is there before any work begins, a picture of the largest size takes 200.
MEMORY = 256 << 20
HELPERS = 2
# One organization's work never takes the last helper. So many of its threads wait for one as long as they may, and
# those that come on top for a second: an organization has few threads.
AT_ONCE, WAITING, ON_TOP = 1, 3, 1.0
# Work that may take longer than so many seconds leaves one helper to the other kinds, whoever asks for it. Of those who
# wait, whoever has used helpers least within the last minute comes first.
LONG, COUNTED = 6.0, 60.0
# Seconds that all work for one request takes at most: an upload has twenty pictures, and each may be made to take long.
REQUEST = 20.0
_request_ends: ContextVar[float] = ContextVar("request_ends", default=float("inf"))


class Job(NamedTuple):
    """What a helper may do: the seconds that somebody waits at most, for a helper and its answer; what it may raise;
    whether a decoder written in C does it, which a file may take over."""

    seconds: float
    errors: tuple[str, ...] = ()
    decodes: bool = False


# The largest real letters take 0.2 s; a photograph that becomes two PNGs takes four. By module and name.
JOBS = {
    "samizdat.core.content.render.render": Job(4.0),
    "samizdat.core.content.render.archive_copy": Job(4.0),
    "samizdat.core.content.blocks.compare.differences": Job(4.0),
    "samizdat.core.content.corrections.corrected_copy": Job(4.0),
    "samizdat.core.content.checks.look": Job(4.0),
    "samizdat.core.content.templates.convert_format.as_blocks": Job(6.0),
    "samizdat.core.content.templates.convert_format.as_markdown": Job(4.0),
    "samizdat.core.content.templates.convert_format.as_html": Job(4.0),
    "samizdat.core.content.templates.template_zip.unpack": Job(10.0, ("TemplateRefused",), decodes=True),
    "samizdat.core.content.templates.import_template.take": Job(10.0, ("TemplateRefused",)),
    "samizdat.core.content.templates.import_template.take_letter": Job(6.0, ("TemplateRefused",)),
    "samizdat.campaigns.media.image_processing.take": Job(20.0, ("Unusable",), decodes=True),
    "samizdat.campaigns.media.image_processing.remake": Job(20.0, ("Unusable",), decodes=True),
    "samizdat.core.bounce.reading.read_all": Job(6.0, decodes=True),
    "samizdat.core.bounce.reading.contents": Job(6.0, decodes=True),
    "samizdat.core.evidence.reading.read_all": Job(6.0, decodes=True),
    "samizdat.core.bounce.reply_content.attachment": Job(6.0, decodes=True),
    "samizdat.core.mail.domain_reports.read_all": Job(6.0, decodes=True),
    "samizdat.core.mail.by_mail.read_all": Job(6.0, decodes=True),
    "samizdat.core.mail.lock_words.in_messages": Job(6.0, decodes=True),
    "samizdat.core.mail.dkim_check.signed_by_all": Job(6.0, decodes=True),
    "samizdat.core.mail.feedback_senders.read_all": Job(6.0, decodes=True),
    "samizdat.transports.webhook_reading.read_all": Job(6.0, decodes=True),
}


class TooMuch(RuntimeError):
    """It took longer or more memory than it may, or too much of it was asked for at once."""


class HelperBroke(RuntimeError):
    """The work broke for a reason that nobody foresaw; the text is the name of the error."""


class Pool:
    """Helpers of this process. `work(whose, function, ...)` is called from any thread."""

    def __init__(self, helpers: int = HELPERS) -> None:
        self._idle = [_Helper() for _ in range(helpers)]
        self._all = tuple(self._idle)
        self._changed = threading.Condition()
        self._at: Counter[int] = Counter()
        self._long_at_work = 0
        self._waiting: list[tuple[int, bool]] = []  # Whose work, and whether it is long.
        self._used: dict[int, float] = {}  # Seconds of work, from some point within the last minute on.

    def work[T](self, whose: int, function: Callable[..., T], *args: object, **more: object) -> T:
        """Errors: TooMuch, and what the work itself raises."""
        seconds = JOBS[_name(function)].seconds
        until, is_long = min(time.monotonic() + seconds, _request_ends.get()), seconds > LONG
        files_of = whose if JOBS[_name(function)].decodes else None
        helper = self._taken(whose, is_long, until, files_of)
        began = time.monotonic()
        try:
            return helper.work(files_of, function, args, more, until)
        finally:
            with self._changed:
                self._used[whose] = self._counted(whose) + time.monotonic() - began
                self._at[whose] -= 1
                self._long_at_work -= is_long
                self._idle.append(helper)
                self._changed.notify_all()

    def _taken(self, whose: int, is_long: bool, until: float, files_of: int | None) -> "_Helper":
        with self._changed:
            left = until - time.monotonic()
            if left <= 0:
                raise TooMuch
            waiting = sum(other == whose for other, _is_long in self._waiting)
            self._waiting.append((whose, is_long))
            try:
                patience = left if waiting < WAITING else min(left, ON_TOP)
                free = self._changed.wait_for(lambda: self._is_next(whose, is_long), patience)
            finally:
                self._waiting.remove((whose, is_long))
                self._changed.notify_all()  # Those who waited behind it.
            if not free:
                raise TooMuch
            self._at[whose] += 1
            self._long_at_work += is_long
            helper = min(self._idle, key=lambda idle: idle.beginnings(files_of))
            self._idle.remove(helper)
            return helper

    def _is_next(self, whose: int, is_long: bool) -> bool:
        others = [other for other, long_too in self._waiting if self._may_begin(other, long_too)]
        used = self._counted(whose)
        return self._may_begin(whose, is_long) and all(used <= self._counted(other) for other in others)

    def _may_begin(self, whose: int, is_long: bool) -> bool:
        too_long = is_long and self._long_at_work >= max(1, len(self._all) - 1)
        return bool(self._idle) and self._at[whose] < AT_ONCE and not too_long

    def _counted(self, whose: int) -> float:
        return max(self._used.get(whose, 0.0), time.monotonic() - COUNTED)

    def close(self) -> None:
        for helper in self._all:
            helper.end()


class _Helper:
    """One process, begun with its first work and begun anew after it was ended. It decodes files of one organization
    and nothing else, or works for all and decodes none: a file may take over what decodes it, which then would hand the
    letters of others to whoever sent the file, or write them."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._files_of: int | None = None  # Whose files it decodes; None where it decodes none.

    def beginnings(self, files_of: int | None) -> int:
        """What this work costs besides: 0 where a process goes on, 1 where one begins, 2 where another ends for it."""
        if self._process is None:
            return 1
        return 0 if self._files_of == files_of else 2

    def work[T](
        self,
        files_of: int | None,
        function: Callable[..., T],
        args: tuple[object, ...],
        more: dict[str, object],
        until: float,
    ) -> T:
        if self._files_of != files_of:
            self.end()
        if self._process is None:
            self._process, self._files_of = processes.reader("samizdat.limited_process"), files_of
        try:
            asked = pickle.dumps((until - time.monotonic(), _name(function), args, more))
            child_frames.send_until(self._process.stdin, until, b"W", None, asked)
            answer = self._answer(until)
        except OSError:
            answer = None
        if answer is None:
            self.end()
            raise TooMuch
        try:
            return _value(function, answer)
        except _UnexpectedAnswer:
            self.end()
            raise HelperBroke("ValueError") from None

    def _answer(self, until: float) -> child_frames.Frame | None:
        """None where it is too late, or the helper is gone."""
        assert self._process is not None and self._process.stdout is not None
        return child_frames.receive_until(self._process.stdout.fileno(), until)

    def end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            child_frames.end(process)


class _UnexpectedAnswer(Exception):
    """An answer that the function never gives."""


def _value[T](function: Callable[..., T], answer: child_frames.Frame) -> T:
    """Errors: what the work raised; _UnexpectedAnswer."""
    try:
        if answer.kind == b"V":
            value: T = answer.value_of(_hints(function)["return"])
            return value
        name, args = answer.value_of(tuple[str, tuple[str | int | dict[str, str | int], ...]])
    except (TypeError, ValueError) as odd:
        raise _UnexpectedAnswer from odd
    if name in JOBS[_name(function)].errors:
        raise getattr(sys.modules[function.__module__], name)(*args)
    raise HelperBroke(name[:80])


@cache
def _hints(function: Callable[..., object]) -> dict[str, Any]:
    return get_type_hints(function)


def _name(function: Callable[..., object]) -> str:
    return f"{function.__module__}.{function.__name__}"


_pool: Pool | None = None


def begin_request() -> None:
    """Whatever is asked for from here on, in this context, is for one request."""
    _request_ends.set(time.monotonic() + REQUEST)


def as_request[T](function: Callable[..., T], *args: object) -> T:
    """`function(*args)`, and whatever it asks for is for one request."""

    def asked() -> T:
        begin_request()
        return function(*args)

    return copy_context().run(asked)


def begin() -> None:
    """From now on this process has its helpers."""
    global _pool
    _pool = _pool or Pool()


def work[T](whose: int, function: Callable[..., T], *args: object, **more: object) -> T:
    """`function(*args, **more)`, one of JOBS, by a helper if this process has any. `whose`: the organization that asks.
    Errors: TooMuch, and its own."""
    if _pool is None:
        assert _name(function) in JOBS, "helpers do nothing else, so neither does a process without any"
        return function(*args, **more)
    return _pool.work(whose, function, *args, **more)


# -- the helper's side ------------------------------------------------------------------------------------------------


def main() -> int:
    out = processes.begin_reading()
    _limit(resource.RLIMIT_DATA, MEMORY)
    while (frame := child_frames.receive(sys.stdin.buffer)) is not None:
        seconds, name, args, more = pickle.loads(frame.data)  # noqa: S301  written by the process that began us
        # Also where nobody is left to end it.
        _limit(resource.RLIMIT_CPU, int(time.process_time() + seconds) + 2)
        try:
            text, beside = json_values.packed(_job(name)(*args, **more))
            kind = b"V"
        except MemoryError:
            return 1
        except Exception as error:
            kind, (text, beside) = b"X", json_values.packed(_told(error, JOBS[name].errors))
        child_frames.send_parts(out, kind, text, beside)
    return 0


@cache
def _job(name: str) -> Callable[..., object]:
    """Python looks for garbage among all that there is, again and again: tables of phrases and patterns took a third of
    the time in which bounces are read. What is loaded for a job stays, so it is passed over."""
    module, _, called = name.rpartition(".")
    function: Callable[..., object] = getattr(importlib.import_module(module), called)
    gc.freeze()
    return function


def _told(error: Exception, errors: tuple[str, ...]) -> tuple[str, tuple[object, ...]]:
    """An error of ours as it is; of any other its name, since its text may quote what was worked on."""
    name = type(error).__name__
    return name, error.args if name in errors else ()


def _limit(kind: int, most: int) -> None:
    """The hard limit stays, so that the soft one of the next work may be higher. Where the system knows none, none
    holds."""
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(kind, (most, resource.getrlimit(kind)[1]))


if __name__ == "__main__":
    sys.exit(main())
