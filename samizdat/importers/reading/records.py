"""The records of one text file, one after the other, at about the speed of csv.reader.

A record that cannot be one becomes a Flaw with its line; the lines after it are read as usual. A quotation mark that
is never closed would swallow everything up to the next one: then the first line alone is rejected and the lines
that went under are read again, so that a single stray mark does not lose the people below it.
"""

import csv
import io
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain
from typing import BinaryIO, NamedTuple

from samizdat.core.imports import ADDRESS_LIST, JSON_LINES
from samizdat.importers.reading.mailboxes import ADDRESS, mailboxes
from samizdat.importers.reading.text import CELL, CHUNK, json_row

LONGEST_LINE = 4_000_000  # characters
LONGEST_RECORD = 10_000  # lines


class RecordProblem(NamedTuple):
    """Why a record is none: a code of base.SENTENCES and its values."""

    code: str
    values: dict[str, object]
    text: str = ""  # of a line that is no row, to see whether it is a heading between two lists; never kept


class RecordShape(NamedTuple):
    """How to cut a file into records. `forgiving` takes any record that has an address, whatever its width:
    in a file of people who left, a damaged line must still be heard."""

    encoding: str
    delimiter: str
    skip: int
    width: int
    address: int
    forgiving: bool


class AmbiguousRecord(Exception):
    """A record of several lines that may be a stray quotation mark: only reading line by line tells."""


class Records:
    """Iterates (line, cells) with exactly `width` cells, or (line, Flaw). Blank records are passed over."""

    def __init__(self, file: BinaryIO, shape: RecordShape, see: Callable[[bytes], None] | None = None) -> None:
        csv.field_size_limit(CELL)  # one setting for the process; set again, for others may have changed it
        self._raw = _CountingFile(file, see)
        # Bytes that are not UTF-8 become lone surrogates, which the lines below are searched for.
        errors = "surrogateescape" if shape.encoding == "utf-8" else "replace"
        self._text = io.TextIOWrapper(self._raw, shape.encoding, errors, newline="")  # type: ignore[type-var]
        self._shape = shape
        self._pending: list[str] = []  # lines of the record being read
        self._again: deque[str] = deque()  # lines to read once more
        self._flaw: RecordProblem | None = None  # of a line in the record being read
        self._ended = False  # the file ended inside of a record, so inside of quotation marks
        self._line = 1

    @property
    def bytes_read(self) -> int:
        return self._raw.count

    def __iter__(self) -> Iterator[tuple[int, list[str] | RecordProblem]]:
        self._skip_head()
        while True:
            try:
                yield from self._run()
            except csv.Error as wrong:
                line, flaw = self._line, self._flaw or self._flaw_of(wrong)
                self._drop_first_line()
                yield line, flaw
            else:
                if not self._again:
                    return

    def blocks(self, size: int) -> Iterator[list[tuple[int, list[str] | RecordProblem]]]:
        """The same, many at a time, in half the time: to look at what stands in them, and not to bring them in. Lines
        that are damaged by their bytes are no flaws here. Errors: Doubtful, and then nothing of it counts."""
        self._skip_head()
        width, first, ended = self._shape.width, self._line, 0
        lines = chain(self._again, iter(partial(self._text.readline, LONGEST_LINE), ""))
        reader = csv.reader(lines, delimiter=self._shape.delimiter)
        block: list[tuple[int, list[str] | RecordProblem]] = []
        try:
            for row in reader:
                begun, ended = ended, reader.line_num
                if len(row) == width and ended - begun == 1:
                    block.append((first + begun, row))
                elif (settled := self._settle_quickly(row, ended - begun)) is not None:
                    block.append((first + begun, settled))
                if len(block) >= size:
                    yield block
                    block = []
        except csv.Error as wrong:
            raise AmbiguousRecord from wrong
        yield block

    def _settle_quickly(self, row: list[str], lines: int) -> list[str] | RecordProblem | None:
        if not any(row):
            return None
        fitted = self._fit(row)
        if lines > 1 and (fitted is None or self._may_have_swallowed_others(row)):
            raise AmbiguousRecord
        return fitted or _of_another_width(row, self._shape.width)

    def _may_have_swallowed_others(self, row: list[str]) -> bool:
        """Whether a record of several lines needs the long look of `_has_swallowed_others`."""
        several = [cell for cell in row if len(cell.splitlines()) > 1]
        if "".join(row).count('"') % 2 or row[self._shape.address] in several:
            return True
        return any("@" in cell for cell in several)

    def _run(self) -> Iterator[tuple[int, list[str] | RecordProblem]]:
        """The hot loop: until the end of the file, or until lines have to be read again."""
        pending, width = self._pending, self._shape.width
        for row in self._reader():
            if len(row) == width and len(pending) == 1:
                yield self._line, row
                self._line += 1
                pending.clear()
                continue
            line, settled = self._line, self._settle(row)
            if settled is not None:
                yield line, settled
            if self._again:
                return

    def _settle(self, row: list[str]) -> list[str] | RecordProblem | None:
        """A record that is not simply one line of the right width."""
        if self._flaw:
            flaw = self._flaw
            self._drop_all_lines()
            return flaw
        if not any(row):
            self._drop_all_lines()
            return None
        fitted = self._fit(row)
        several = len(self._pending) > 1
        if self._ended or (several and (fitted is None or self._has_swallowed_others(row))):
            self._drop_first_line()
            return RecordProblem("open_quote", {})
        self._drop_all_lines()
        if fitted is None:
            return _of_another_width(row, self._shape.width)
        return fitted

    def _has_swallowed_others(self, row: list[str]) -> bool:
        """Whether a record of several lines is a stray quotation mark rather than a note: its marks do not pair,
        an address runs over lines, or one of its lines would have been a whole record with an address."""
        width, address = self._shape.width, self._shape.address
        if "".join(self._pending).count('"') % 2 or len(row[address].strip().splitlines()) > 1:
            return True
        for line in self._pending[1:]:
            cells = next(csv.reader([line], delimiter=self._shape.delimiter), [])
            if len(cells) == width and ADDRESS.search(cells[address]):
                return True
        return False

    def _fit(self, row: list[str]) -> list[str] | None:
        """The record with exactly `width` cells, or None. Spreadsheets add and drop empty cells at the end."""
        width, address = self._shape.width, self._shape.address
        missing = width - len(row)
        if missing <= 0 and not any(row[width:]):
            return row[:width]
        has_address = address < len(row) and "@" in row[address]
        # A row that was cut by a stray line break ends in the middle of a text, mostly early.
        whole = len(row) == 1 or not row[-1].strip() or len(row) * 2 >= width
        if missing > 0 and has_address and whole:
            return row + [""] * missing
        if self._shape.forgiving and has_address:
            bare = [""] * width
            bare[address] = row[address]
            return bare
        return None

    def _flaw_of(self, wrong: csv.Error) -> RecordProblem:
        if str(wrong) == "not_json":
            return RecordProblem("not_json", {})
        if len(self._pending) > 1:
            return RecordProblem("open_quote", {})
        return RecordProblem("cell_too_long", {"limit": f"{CELL:,}"})

    def _drop_all_lines(self) -> None:
        self._line += sum(1 for line in self._pending if line)
        self._pending.clear()
        self._flaw = None

    def _drop_first_line(self) -> None:
        lines = [line for line in self._pending if line]
        self._line += 1
        self._again.extendleft(reversed(lines[1:]))
        self._pending.clear()
        self._flaw = None

    def _reader(self) -> Iterator[list[str]]:
        if self._shape.delimiter == JSON_LINES:
            return (json_row(line) if line.strip() else [] for line in self._lines())
        return csv.reader(self._lines(), delimiter=self._shape.delimiter)

    def _lines(self) -> Iterator[str]:
        """Lines for the reader, each noted in `pending`. A line with a flaw is noted twice, once empty, which
        sends its record the slow way without a further question in the hot loop."""
        keep, pending, again = self._pending.append, self._pending, self._again
        strict, self._ended = self._shape.encoding == "utf-8", False
        while again:
            line = again.popleft()
            self._look_at(line)
            keep(line)
            yield line
        for line in iter(partial(self._text.readline, LONGEST_LINE), ""):
            if "\0" in line or len(line) == LONGEST_LINE or (strict and not line.isascii()):
                line = self._look_at(line)
            keep(line)
            if len(pending) > LONGEST_RECORD:
                raise csv.Error("open_quote")
            yield line
        self._ended = True

    def _look_at(self, line: str) -> str:
        if len(line) == LONGEST_LINE and not line.endswith(("\n", "\r")):
            self._note(RecordProblem("line_too_long", {"limit": LONGEST_LINE}))
            while (rest := self._text.readline(LONGEST_LINE)) and not rest.endswith(("\n", "\r")):
                pass
            return "\n"
        if "\0" in line:
            self._note(RecordProblem("nul", {}))
        elif not _is_unicode(line):
            self._note(RecordProblem("encoding", {"encoding": "UTF-8"}))
        return line

    def _note(self, flaw: RecordProblem) -> None:
        self._flaw = flaw
        self._pending.append("")

    def _skip_head(self) -> None:
        skip = self._shape.skip
        self._skip_mark()
        reader = self._reader()
        while skip:
            try:
                row = next(reader, None)
            except csv.Error:
                row, reader = ["?"], self._reader()
            if row is None:
                break
            self._drop_all_lines()
            skip -= any(cell.strip() for cell in row)

    def _skip_mark(self) -> None:
        mark = self._text.readline(LONGEST_LINE)
        if mark:
            self._again.append(mark.removeprefix("\ufeff"))


def _of_another_width(row: list[str], width: int) -> RecordProblem:
    return RecordProblem("columns", {"has": len(row), "wants": width}, row[0] if sum(map(bool, row)) == 1 else "")


class Mailboxes:
    """The same for a list of names and addresses: (line, [address, name]), several for a line that holds several."""

    def __init__(self, file: BinaryIO, shape: RecordShape) -> None:
        self._raw = _CountingFile(file)
        errors = "surrogateescape" if shape.encoding == "utf-8" else "replace"
        self._text = io.TextIOWrapper(self._raw, shape.encoding, errors)  # type: ignore[type-var]
        self._forgiving = shape.forgiving

    @property
    def bytes_read(self) -> int:
        return self._raw.count

    def __iter__(self) -> Iterator[tuple[int, list[str] | RecordProblem]]:
        number = 0
        while line := self._text.readline(LONGEST_LINE):
            number += 1
            if number == 1:
                line = line.removeprefix("\ufeff")
            if len(line) == LONGEST_LINE and not line.endswith("\n"):
                while (rest := self._text.readline(LONGEST_LINE)) and not rest.endswith("\n"):
                    pass
                yield number, RecordProblem("line_too_long", {"limit": LONGEST_LINE})
            elif "\0" in line:
                yield number, RecordProblem("nul", {})
            elif not line.isascii() and not _is_unicode(line):
                yield number, RecordProblem("encoding", {"encoding": "UTF-8"})
            else:
                if line.lstrip().startswith(("#", "//")) and not self._forgiving:
                    yield number, RecordProblem("commented", {}, line if "@" not in line else "")
                    continue
                for box in mailboxes(line):
                    # What is no address is rejected as one, in the words for it.
                    yield number, [box.address or box.name, box.name if box.address else ""]


def records_of(file: BinaryIO, shape: RecordShape, see: Callable[[bytes], None] | None = None) -> Records | Mailboxes:
    """The records of a file of this shape. `see` is given the bytes of a file of rows as they go by."""
    return Mailboxes(file, shape) if shape.delimiter == ADDRESS_LIST else Records(file, shape, see)


class _CountingFile(io.BufferedIOBase):
    """Counts the bytes that go by, for the progress bar, and hands them on in large pieces: TextIOWrapper asks
    for 8 KB a time, which costs a call through zipfile for every thirty rows."""

    def __init__(self, file: BinaryIO, see: Callable[[bytes], None] | None = None) -> None:
        self._file = file
        self._see = see
        self.count = 0

    def readable(self) -> bool:
        return True

    def read1(self, _size: int = -1) -> bytes:
        data = self._file.read(CHUNK)
        self.count += len(data)
        if self._see and data:
            self._see(data)
        return data

    def read(self, _size: int | None = -1) -> bytes:
        return self.read1()


def _is_unicode(line: str) -> bool:
    try:
        line.encode()
    except UnicodeEncodeError:
        return False
    return True
