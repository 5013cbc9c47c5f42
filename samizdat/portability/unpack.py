"""Zips and sealed files that strangers made, opened in a process of their own.

Some bytes of a file say how much memory and time the rest takes, and libraries in C follow them. So that process has
limits, knows no key of ours, asks for the file piece by piece and hands back what is in it as bytes; a file that costs
more than it should ends that process and becomes one sentence.

No Django here: it is the same module on both sides.
"""

import contextlib
import io
import resource
import subprocess
import sys
import threading
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, NamedTuple, Self

from samizdat import child_frames, processes
from samizdat.audience.imports.reading.upload_file import PieceFile
from samizdat.portability import age_decryption

PIECE = 1 << 20
MOST_MEMBERS = 60_000
# A text of people packs 4 to 30 times smaller; what packs 250 times is a trap.
RATIO, SMALL = 250, 16 << 20
WHOLE = 64 << 30  # bytes unpacked: a million subscribers are half of one of these 64

# Bytes of data: scrypt takes 256 MB of them for a passphrase, a directory of 60,000 files 60.
MEMORY = 320 << 20
# Seconds of work for any file, and for each megabyte of it: a megabyte of a zip is read three times in a third of one.
SECONDS, SECONDS_A_MEGABYTE = 20, 2
# Somebody may wait for each answer; with the machine busy, a passphrase takes a few of these.
ANSWER = 60.0
# A passphrase costs its memory, and a large file its minutes: so many at a time, of each organization one, and nobody
# waits for another one's. The threads of the desk are everybody's.
AT_ONCE = 2
_lock = threading.Lock()
_opening: set[int] = set()  # Organizations whose file is being opened; 0: on the command line.


class UnpackFailed(ValueError):
    """The file cannot be opened; the one argument is a code: of age_decryption.Unopened, "foreign_file",
    "costs_too_much", "busy"."""

    @property
    def code(self) -> str:
        return str(self.args[0])


class Entry(NamedTuple):
    name: str
    size: int  # bytes unpacked
    packed: int


class _UnpackProcess:
    """The process, and the file that it asks pieces of."""

    def __init__(self, kind: bytes, source: BinaryIO, secret: str = "") -> None:
        self._source = source
        self.size = source.seek(0, io.SEEK_END)
        source.seek(0)
        self._process: subprocess.Popen[bytes] = processes.reader("samizdat.portability.unpack")
        self.tell(kind, [self.size, _seconds(self.size), secret])

    def tell(self, kind: bytes, value: object = None) -> None:
        self._send(time.monotonic() + ANSWER, kind, value)

    def answer(self) -> child_frames.Frame:
        """The next one that is no request for a piece. Errors: UnpackFailed."""
        assert self._process.stdout is not None
        until = (
            time.monotonic() + ANSWER
        )  # For all pieces that it asks for on the way: one that was taken asks for ever.
        while True:
            frame = child_frames.receive_until(self._process.stdout.fileno(), until)
            if frame is None:
                raise UnpackFailed("costs_too_much")
            if frame.kind != b"P":
                break
            self._give(frame, until)
        if frame.kind == b"F":
            raise UnpackFailed(_code(frame))
        return frame

    def _give(self, frame: child_frames.Frame, until: float) -> None:
        number = _number(frame)
        self._source.seek(number * PIECE)
        self._send(until, b"P", None, self._source.read(PIECE))

    def _send(self, until: float, kind: bytes, value: object = None, data: bytes = b"") -> None:
        # It is gone or reads nothing, which is said where its answer is missing.
        with contextlib.suppress(BrokenPipeError, TimeoutError):
            child_frames.send_until(self._process.stdin, until, kind, value, data)

    def end(self) -> None:
        child_frames.end(self._process)


def _code(frame: child_frames.Frame) -> str:
    with contextlib.suppress(ValueError):
        code = frame.value()
        if isinstance(code, str):
            return code
    return "torn_file"


def _number(frame: child_frames.Frame) -> int:
    with contextlib.suppress(ValueError):
        number = frame.value()
        if isinstance(number, int) and 0 <= number < 1 << 40:
            return number
    raise UnpackFailed("costs_too_much")


def _seconds(size: int) -> int:
    return SECONDS + SECONDS_A_MEGABYTE * (size >> 20)


def unseal(source: BinaryIO, secret: str, take: Callable[[bytes], None], organization: int = 0) -> None:
    """Opens a sealed file; `take` is called with one piece of PIECE bytes after the other, the last one shorter.
    organization: whose file it is, 0 on the command line. Errors: UnpackFailed."""
    head = source.read(age_decryption.HEADING)
    try:
        age_decryption.insist_on_heading(head, source.seek(0, io.SEEK_END))
    except age_decryption.Unopened as unopened:
        raise UnpackFailed(unopened.code) from None
    with _turn(organization):
        child = _UnpackProcess(b"A", source, secret)
        try:
            left = child.size
            while (frame := child.answer()).kind == b"D":
                left -= len(frame.data)
                if left < 0 or len(frame.data) > PIECE:
                    raise UnpackFailed("torn_file")
                take(frame.data)
        finally:
            child.end()


@contextmanager
def _turn(organization: int) -> Iterator[None]:
    with _lock:
        if organization in _opening or len(_opening) >= AT_ONCE:
            raise UnpackFailed("busy")
        _opening.add(organization)
    try:
        yield
    finally:
        _opening.remove(organization)


class ZipReader:
    """A zip whose directory was judged: `entries` by name. Use as a context manager. Errors: UnpackFailed."""

    def __init__(self, source: BinaryIO) -> None:
        self._child = _UnpackProcess(b"Z", source)
        self._opened = 0
        try:
            entries = self._child.answer().value()
            self.entries = {name: Entry(str(name), int(size), int(packed)) for name, size, packed in entries}
        except (TypeError, ValueError) as wrong:
            self._child.end()
            raise wrong if isinstance(wrong, UnpackFailed) else UnpackFailed("torn_file") from wrong
        except BaseException:
            self._child.end()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._child.end()

    def open(self, name: str) -> BinaryIO:
        """Several may be read in turns; each to the size that its entry tells."""
        self._opened += 1
        return io.BufferedReader(_Member(self._child, self._opened, self.entries[name]), 1 << 18)


class _Member(io.RawIOBase):
    def __init__(self, child: _UnpackProcess, number: int, entry: Entry) -> None:
        super().__init__()
        self._child, self._number, self._name, self._left = child, number, entry.name, entry.size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        self._child.tell(b"R", [self._number, self._name, len(buffer)])
        data = self._child.answer().data
        self._left -= len(data)
        if len(data) > len(buffer) or self._left < 0:
            raise UnpackFailed("torn_file")
        buffer[: len(data)] = data
        return len(data)


# -- the process's side ------------------------------------------------------------------------------------------------


def main() -> int:
    out = processes.begin_reading()
    first = child_frames.receive(sys.stdin.buffer)
    if first is None:
        return 1
    size, seconds, secret = first.value()
    for kind, most in ((resource.RLIMIT_DATA, MEMORY), (resource.RLIMIT_CPU, seconds)):
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(kind, (most, most))
    source = io.BufferedReader(PieceFile(0, PIECE, size, lambda _file, number: _asked(out, number)), 1 << 16)
    try:
        if first.kind == b"A":
            age_decryption.open_by_secret(
                source, size, secret, lambda data: child_frames.send(out, b"D", None, data), PIECE
            )
            child_frames.send(out, b"E")
        else:
            _serve(source, out)
    except MemoryError:
        child_frames.send(out, b"F", "costs_too_much")
    except ValueError as broken:
        child_frames.send(
            out, b"F", broken.code if isinstance(broken, UnpackFailed | age_decryption.Unopened) else "torn_file"
        )
    except DAMAGED:
        child_frames.send(out, b"F", "torn_file")
    return 0


# zipfile lets through whatever its decompressor and a nonsense directory raise.
DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError, LookupError)


def _asked(out: BinaryIO, number: int) -> bytes:
    child_frames.send(out, b"P", number)
    answer = child_frames.receive(sys.stdin.buffer)
    if answer is None:
        raise SystemExit(1)
    return answer.data


def _serve(source: BinaryIO, out: BinaryIO) -> None:
    with zipfile.ZipFile(source) as box:
        infos = box.infolist()
        _insist_on(infos)
        child_frames.send(out, b"N", [[info.filename, info.file_size, info.compress_size] for info in infos])
        opened: dict[int, Any] = {}
        while (ask := child_frames.receive(sys.stdin.buffer)) is not None:
            number, name, size = ask.value()
            if number not in opened:
                opened[number] = box.open(name)
            child_frames.send(out, b"D", None, opened[number].read(size))


def _insist_on(infos: list[zipfile.ZipInfo]) -> None:
    """All of them, before a byte is unpacked. Errors: UnpackFailed."""
    if len({info.filename for info in infos}) != len(infos) or len(infos) > MOST_MEMBERS:
        raise UnpackFailed("foreign_file")
    if sum(info.file_size for info in infos) > WHOLE:
        raise UnpackFailed("foreign_file")
    for info in infos:
        if info.flag_bits & 1 or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise UnpackFailed("foreign_file")
        if info.file_size > SMALL and info.file_size > info.compress_size * RATIO:
            raise UnpackFailed("foreign_file")


if __name__ == "__main__":
    sys.exit(main())
