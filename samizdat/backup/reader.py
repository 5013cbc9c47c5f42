"""The process that reads rows and turns them into pieces: one a core, without Django (writing.py starts them).

It is told on standard input what to read and answers on standard output, in frames of child_frames:

    in   B  the job: databases, tables, recipients, what is there already
    in   S  begin the snapshot of a database
    in   U  a part of a table
    out  K  done
    out  P  a piece: name, rows, size; beside it the encrypted file, unless the place has it
    out  F  what went wrong
"""

import gc
import os
import sys
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, BinaryIO

import msgspec
import pyrage

from samizdat import child_frames, processes
from samizdat.backup.errors import BackupRefused
from samizdat.backup.sources import CopiedTable, Source, open_source
from samizdat.core.backup import rows as core
from samizdat.core.backup.rows import Row
from samizdat.core.zstd import zstd

# Bytes: of rows in a piece, above which it is cut in two; of what a place has to take in one go.
PIECE_BYTES, MOST_BYTES = 8 << 20, 60 << 20
# Of a table whose rows may be heavy: a piece ends at about so many rows or bytes, and so many bytes are read at a time.
# Where it ends follows from the keys, so that a new row leaves the pieces before and behind it as they are.
STREAM_ROWS, STREAM_BYTES, PAGE_BYTES = 1024, 4 << 20, 2 << 20
FIRST_PAGE, LONGEST_PAGE = 16, 4096
# Who sends goes first.
NICENESS = 10
# zstd's level. Most bytes of a copy are ciphertext: at level 3 it looks for patterns in them for twice as long.
LEVEL = 1


class Unit(msgspec.Struct, frozen=True):
    """A part of a table that is read at a time: numbers from low to high within a group, or all of it (low: None)."""

    table: int
    low: int | None = None
    high: int = 0
    group: int | None = None


class ReadingJob(msgspec.Struct, frozen=True):
    """sources: alias -> (vendor, where). recipients: age1…, or lines of SSH public keys. there: name -> bytes of pieces
    that the place has."""

    sources: dict[str, tuple[str, dict[str, Any]]]
    tables: list[CopiedTable]
    recipients: list[str]
    naming_key: str
    there: dict[str, int]


class MadePiece(msgspec.Struct, array_like=True, frozen=True):
    """size, data: of the encrypted file; none where the place has it."""

    name: str
    rows: int
    size: int
    data: bytes = b""


class PieceMaker:
    """Rows as encrypted files."""

    def __init__(self, recipients: Sequence[str], naming_key: bytes, there: Mapping[str, int]) -> None:
        self._recipients = [recipient_of(text) for text in recipients]
        self._key, self._there = naming_key, there

    def pieces(self, table: CopiedTable, rows: list[Row]) -> Iterator[MadePiece]:
        content = core.encode(table.name, table.columns, rows)
        if len(content) > PIECE_BYTES and len(rows) > 1:
            middle = len(rows) // 2
            yield from self.pieces(table, rows[:middle])
            yield from self.pieces(table, rows[middle:])
            return
        if len(content) > MOST_BYTES:
            raise BackupRefused(
                "heavy_row", f"A row of {table.name} has {len(content) >> 20} MB, more than fits into a backup."
            )
        yield self._piece(content, len(rows))

    def _piece(self, content: bytes, rows: int) -> MadePiece:
        name = core.name(self._key, content)
        if (size := self._there.get(name)) is not None:
            return MadePiece(name, rows, size)
        data = pyrage.encrypt(zstd.compress(content, LEVEL), self._recipients)
        return MadePiece(name, rows, len(data), data)


def recipient_of(text: str) -> Any:
    """Of a key that was looked at before (recipients.py)."""
    return pyrage.ssh.Recipient.from_str(text) if text.startswith("ssh-") else pyrage.x25519.Recipient.from_str(text)


def read_unit(source: Source, table: CopiedTable, unit: Unit, maker: PieceMaker) -> Iterator[MadePiece]:
    if unit.low is not None:
        rows = source.between(table, unit.low, unit.high, unit.group)
        return maker.pieces(table, rows) if rows else iter(())
    return (piece for rows in _streamed(source, table) for piece in maker.pieces(table, rows))


def _streamed(source: Source, table: CopiedTable) -> Iterator[list[Row]]:
    """The rows of a table by its key, cut where a key says so or enough bytes have come together."""
    places = [table.columns.index(column) for column in table.key]
    held, size, limit = list[Row](), 0, FIRST_PAGE
    last: Row | None = None
    while page := source.after(table, last, limit):
        page_bytes = 0
        for row in page:
            key = tuple(row[place] for place in places)
            if held and (size > STREAM_BYTES or _begins(key, last)):
                yield held
                held, size = [], 0
            held.append(row)
            weight = sum(len(value) for value in row if isinstance(value, bytes | str)) + 9 * len(row)
            size, page_bytes, last = size + weight, page_bytes + weight, key
        limit = max(1, min(LONGEST_PAGE, PAGE_BYTES * len(page) // page_bytes))
    if held:
        yield held


def _begins(key: Row, before: Row | None) -> bool:
    """Whether a piece begins with this key."""
    if isinstance(key[0], int) and len(key) == 1 and before is not None:
        return key[0] // STREAM_ROWS != before[0] // STREAM_ROWS  # type: ignore[operator]
    return zlib.crc32(msgspec.msgpack.encode(key)) % STREAM_ROWS == 0


# -- the process -------------------------------------------------------------------------------------------------------


def main() -> int:
    out = _own_output()
    gc.disable()  # Rows hold no circles, and looking for some in a million of them takes longer than reading them.
    first = child_frames.receive(sys.stdin.buffer)
    if first is None:
        return 1
    try:
        _serve(msgspec.convert(first.value(), ReadingJob), out)
    except BackupRefused as refused:
        child_frames.send(out, b"F", [refused.code, str(refused)])
    except Exception as broken:  # Whoever started us says it; a traceback here would stand on their terminal.
        child_frames.send(out, b"F", ["reading_failed", _words_for(broken)])
    return 0


def _own_output() -> BinaryIO:
    """What a library prints by mistake does not stand between two frames."""
    out = os.fdopen(os.dup(1), "wb", buffering=1 << 20)
    os.dup2(2, 1)
    processes.close_memory()
    os.nice(NICENESS)
    return out


def _words_for(broken: Exception) -> str:
    """Values may stand in what a database says: its kind alone is passed on."""
    if isinstance(broken, MemoryError):
        return "There isn't enough memory to read the database. Stop another program and run the same command again."
    return f"The database can't be read ({type(broken).__name__}). Run `samizdat doctor`, then try again."


def _serve(job: ReadingJob, out: BinaryIO) -> None:
    maker = PieceMaker(job.recipients, bytes.fromhex(job.naming_key), job.there)
    sources = {alias: open_source(vendor, where) for alias, (vendor, where) in job.sources.items()}
    child_frames.send(out, b"K")
    while (frame := child_frames.receive(sys.stdin.buffer)) is not None:
        if frame.kind == b"S":
            alias, snapshot = frame.value()
            sources[alias].begin(snapshot)
        else:
            unit = msgspec.convert(frame.value(), Unit)
            table = job.tables[unit.table]
            for piece in read_unit(sources[table.database], table, unit, maker):
                child_frames.send(out, b"P", [piece.name, piece.rows, piece.size], piece.data)
        child_frames.send(out, b"K")


if __name__ == "__main__":
    sys.exit(main())
