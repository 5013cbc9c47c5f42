"""Workbooks of LibreOffice and OpenOffice (ODS, OpenDocument 1.x): each sheet as rows, read as they are asked for.

All sheets stand in one `content.xml`, which goes through expat piece by piece; nothing but the row at hand is held. A
document type, which is the way to entities that unfold without end, is refused. Cells and rows that are repeated (empty
ones a million times) are told only as far as something follows. Macros and links are never opened. Deleted cells of
recorded changes, notes beside cells and tables inside of cells are no rows.
"""

import re
import zipfile
from collections.abc import Callable, Iterator, Mapping
from itertools import repeat
from typing import IO, BinaryIO, NamedTuple
from xml.parsers import expat

from samizdat.core.imports import ImportFailed, Problem
from samizdat.importers.reading.text import CELL, COLUMNS
from samizdat.importers.reading.unfold import Rows, text_of
from samizdat.importers.reading.workbook import ENCODINGS, LARGEST_PART, LARGEST_SHEET, ROWS, SHEETS, WIDE

CONTENT = "content.xml"
KINDS = frozenset(
    f"application/vnd.oasis.opendocument.{kind}".encode() for kind in ("spreadsheet", "spreadsheet-template")
)
READ = 1 << 16
MOST_REPEATED = 10_000  # rows with something in them that are written as one
LOOK = 1_000  # rows in which something must stand, or a sheet counts as empty
SPACES = 1_000  # blanks that are written as one
OFFICE = "urn:oasis:names:tc:opendocument:xmlns:office:1.0"
TABLE = "urn:oasis:names:tc:opendocument:xmlns:table:1.0"
TEXT = "urn:oasis:names:tc:opendocument:xmlns:text:1.0"
A_TABLE, A_ROW, A_PARAGRAPH = f"{TABLE} table", f"{TABLE} table-row", f"{TEXT} p"
NAME, FORMULA = f"{TABLE} name", f"{TABLE} formula"
ROWS_REPEATED, COLUMNS_REPEATED = f"{TABLE} number-rows-repeated", f"{TABLE} number-columns-repeated"
VALUE_TYPE, VALUE = f"{OFFICE} value-type", f"{OFFICE} value"
VALUES = {kind: f"{OFFICE} {kind}-value" for kind in ("date", "boolean", "string")}
# What stands in a cell and is not its text, as drawings are not.
BESIDE = frozenset({f"{OFFICE} annotation", f"{TABLE} tracked-changes"})
DRAWN = "urn:oasis:names:tc:opendocument:xmlns:drawing:1.0 "
CELLS = frozenset({f"{TABLE} table-cell", f"{TABLE} covered-table-cell"})
NUMBER = re.compile(r"-?\d{1,18}(?:\.\d{1,18})?(?:E[+-]?\d{1,3})?")

type Attributes = Mapping[str, str]


class OdsSheet(NamedTuple):
    """A sheet with something in it. `number`: its place among all sheets; two may be called the same."""

    title: str
    number: int


class OdsRow(NamedTuple):
    """A row with something in it, how many empty ones stand above it, and how often it is repeated."""

    cells: list[str]
    empty: int
    times: int


type Event = str | OdsRow | None


def is_ods(box: zipfile.ZipFile) -> bool:
    """Whether a zip says of itself that it is one."""
    names = set(box.namelist())
    if not {"mimetype", CONTENT} <= names:
        return False
    with box.open("mimetype") as kind:
        return kind.read(100).strip() in KINDS


def sheets(name: str, box: zipfile.ZipFile) -> tuple[list[OdsSheet], list[Problem]]:
    """The sheets that hold something, and what to know about the book. Raises ImportFailed."""
    for entry in box.infolist():
        if entry.file_size > (LARGEST_SHEET if entry.filename == CONTENT else LARGEST_PART):
            raise ImportFailed("large_workbook", file=name)
    if _is_locked(box):
        raise ImportFailed("locked_book", file=name)
    problems = []
    if any(entry.filename.startswith(("Basic/", "Scripts/")) for entry in box.infolist()):
        problems.append(Problem("macros", name, stops=False))
    filled = []
    with box.open(CONTENT) as content:
        for number, (title, rows) in enumerate(_all_sheets(name, content)):
            if number >= SHEETS:
                break
            if any(any(row) for _index, row in zip(range(LOOK), rows, strict=False)):
                filled.append(OdsSheet(title, number))
    return filled, problems


def open_sheet(name: str, box: zipfile.ZipFile, number: int) -> BinaryIO:
    """The rows of a sheet as lines (unfold.py)."""
    content = box.open(CONTENT)
    return Rows(_of_sheet(name, content, number), content)  # type: ignore[return-value,arg-type]


def _is_locked(box: zipfile.ZipFile) -> bool:
    """Whether a password is needed: its manifest says how each part is encrypted."""
    if "META-INF/manifest.xml" not in box.namelist():
        return False
    with box.open("META-INF/manifest.xml") as manifest:
        return b"encryption-data" in manifest.read(1 << 20)


def _of_sheet(name: str, content: IO[bytes], number: int) -> Iterator[list[str]]:
    """All rows as wide as the heading: a spreadsheet does not keep the empty cells at the end."""
    width = 0
    for index, (_title, rows) in enumerate(_all_sheets(name, content)):
        if index == number:
            for row in rows:
                width = width or len(row)
                yield row + [""] * (width - len(row)) if row else row
            return


def _all_sheets(name: str, content: IO[bytes]) -> Iterator[tuple[str, Iterator[list[str]]]]:
    """Title and rows of every sheet, in their order. What is left of the rows of one is passed over for the next."""
    events = _events(name, content)
    for event in events:
        if isinstance(event, str):
            rows = _rows_until_end(events)
            yield event, rows
            for _ in rows:
                pass


def _rows_until_end(events: Iterator[Event]) -> Iterator[list[str]]:
    for event in events:
        if isinstance(event, OdsRow):
            yield from repeat([], event.empty)
            yield from repeat(event.cells, event.times)
        else:
            return


def _events(name: str, content: IO[bytes]) -> Iterator[Event]:
    """The title of a sheet, its rows, None where it ends, and so on."""
    reader = _Reader(name)
    try:
        while piece := content.read(READ):
            reader.feed(piece)
            yield from reader.take()
        reader.close()
        yield from reader.take()
    except (expat.ExpatError, UnicodeError) as wrong:
        raise ImportFailed("torn_workbook", file=name) from wrong


class _Reader:
    """Turns the elements of content.xml into rows."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._ready: list[Event] = []
        self._inside = 0  # how many tables are open
        self._beside = 0  # how many elements deep in what is no cell's text
        self._row: list[str] = []
        self._row_times = self._told = 0
        self._empty = 0  # rows that are told only when something follows
        self._cell: Attributes | None = None
        self._text: list[str] = []
        self._length = self._paragraphs = self._open_paragraphs = 0
        self._blank = 0  # cells that are told only when something follows
        parser = expat.ParserCreate(namespace_separator=" ")
        parser.buffer_text = True
        parser.XmlDeclHandler, parser.StartDoctypeDeclHandler = self._declared, self._refuse
        parser.StartElementHandler, parser.EndElementHandler = self._begin, self._end
        parser.CharacterDataHandler = self._say
        self._parser = parser
        self._started = False

    def feed(self, piece: bytes) -> None:
        if not self._started and piece.startswith(WIDE):
            self._refuse()
        self._started = True
        self._parser.Parse(piece)

    def close(self) -> None:
        self._parser.Parse(b"", True)

    def take(self) -> list[Event]:
        ready, self._ready = self._ready, []
        return ready

    def _declared(self, _version: str, encoding: str | None, _standalone: int) -> None:
        if (encoding or "utf-8").lower() not in ENCODINGS:
            self._refuse()

    def _refuse(self, *_: object) -> None:
        raise ImportFailed("torn_workbook", file=self._name)

    def _begin(self, tag: str, attributes: dict[str, str]) -> None:
        if self._beside or tag in BESIDE or tag.startswith(DRAWN):
            self._beside += 1
        elif self._inside == 1 and (begin := _BEGIN.get(tag)):
            begin(self, attributes)
        elif tag == A_TABLE:
            self._inside += 1
            if self._inside == 1:
                self._told = self._empty = 0
                self._ready.append(attributes.get(NAME, "")[:200])

    def _end(self, tag: str) -> None:
        if self._beside:
            self._beside -= 1
        elif self._inside == 1 and (end := _END.get(tag)):
            end(self)
        elif tag == A_TABLE:
            self._inside -= 1
            if self._inside == 0:
                self._ready.append(None)

    def _say(self, text: str) -> None:
        # Only what stands in a paragraph; between elements there are the line breaks of whoever wrote the file.
        if self._cell is not None and self._open_paragraphs and self._inside == 1 and not self._beside:
            self._add(text)

    def _add(self, text: str) -> None:
        """Text of a cell; one longer than a cell may be is rejected later, by what is left of it."""
        if self._length <= CELL:
            self._text.append(text)
            self._length += len(text)

    def begin_row(self, attributes: Attributes) -> None:
        self._row, self._blank = [], 0
        self._row_times = _times(attributes, ROWS_REPEATED)

    def begin_cell(self, attributes: Attributes) -> None:
        self._cell, self._text = attributes, []
        self._length = self._paragraphs = self._open_paragraphs = 0

    def begin_paragraph(self, _attributes: Attributes) -> None:
        if self._cell is not None:
            if self._paragraphs:
                self._add("\n")
            self._paragraphs += 1
            self._open_paragraphs += 1

    def begin_space(self, attributes: Attributes) -> None:
        count = attributes.get(f"{TEXT} c", "1")
        self._say(" " * min(int(count), SPACES) if count.isascii() and count.isdigit() and len(count) < 6 else " ")

    def begin_tab(self, _attributes: Attributes) -> None:
        self._say("\t")

    def begin_break(self, _attributes: Attributes) -> None:
        self._say("\n")

    def end_paragraph(self) -> None:
        self._open_paragraphs -= 1

    def end_cell(self) -> None:
        if self._cell is None:
            return
        attributes, self._cell = self._cell, None
        value = self._value(attributes, "".join(self._text))
        times = _times(attributes, COLUMNS_REPEATED)
        if not value:
            self._blank += times
            return
        if len(self._row) + self._blank + times > COLUMNS:
            raise ImportFailed("too_many_columns", file=self._name, limit=f"{COLUMNS:,}")
        self._row += [""] * self._blank + [value] * times
        self._blank = 0

    def _value(self, attributes: Attributes, shown: str) -> str:
        kind = attributes.get(VALUE_TYPE, "")
        value = attributes.get(VALUES.get(kind, VALUE))
        if not kind and FORMULA in attributes:
            # Nobody has computed it: it would count as empty, and an empty status is nobody's no.
            raise ImportFailed("formulas", file=self._name, cell=self._called())
        if kind == "float" and value and NUMBER.fullmatch(value):
            return text_of(float(value)) if "." in value or "E" in value else value
        if kind == "date" and value:
            return value[:19].replace("T", " ")
        if kind == "boolean" and value:
            return value[:5]
        return shown or (value or "" if kind == "string" else "")

    def _called(self) -> str:
        """The name of the cell at hand, as B7."""
        column, letters = len(self._row) + self._blank + 1, ""
        while column:
            column, letter = divmod(column - 1, 26)
            letters = chr(ord("A") + letter) + letters
        return f"{letters}{self._told + self._empty + 1}"

    def end_row(self) -> None:
        times, row = self._row_times, self._row
        if not row:
            self._empty += times
            return
        if times > MOST_REPEATED or self._told + self._empty + times > ROWS:
            raise ImportFailed("large_workbook", file=self._name)
        self._ready.append(OdsRow(row, self._empty, times))
        self._told += self._empty + times
        self._empty = 0


_BEGIN: dict[str, Callable[[_Reader, Attributes], None]] = {
    A_ROW: _Reader.begin_row,
    **dict.fromkeys(CELLS, _Reader.begin_cell),
    A_PARAGRAPH: _Reader.begin_paragraph,
    f"{TEXT} s": _Reader.begin_space,
    f"{TEXT} tab": _Reader.begin_tab,
    f"{TEXT} line-break": _Reader.begin_break,
}
_END: dict[str, Callable[[_Reader], None]] = {
    A_ROW: _Reader.end_row,
    **dict.fromkeys(CELLS, _Reader.end_cell),
    A_PARAGRAPH: _Reader.end_paragraph,
}


def _times(attributes: Attributes, repeated: str) -> int:
    """How often a cell or row stands there; nonsense counts as once."""
    count = attributes.get(repeated, "1")
    return int(count) if count.isascii() and count.isdigit() and len(count) < 9 and int(count) else 1
