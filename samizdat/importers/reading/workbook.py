"""Workbooks (XLSX and XLSM): each sheet as rows, read as they are asked for.

openpyxl reads the sheets in its streaming mode and holds the table of texts alone. Macros are never run and links never
followed: neither is opened at all. A zip bomb is refused by the sizes in its directory, which Python's zipfile holds
it to. A document type, which entities come in, is refused by the very parser that would read it: it may stand behind a
comment of any length or be written in UTF-16, where looking for its letters does not find it.
"""

import re
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import closing
from datetime import date, datetime, time, timedelta
from typing import IO, Any, BinaryIO, NamedTuple
from xml.parsers import expat

from samizdat.core.imports import ImportFailed, Problem
from samizdat.importers.reading.text import COLUMNS
from samizdat.importers.reading.unfold import Rows, text_of

ROWS = 1 << 20  # no program makes more in a sheet
SHEETS = 50
# Unpacked: what is held whole (texts, styles, the directory) and each sheet, which only passes by.
LARGEST_PART = 64 << 20
TEXTS = 2_000_000
LARGEST_SHEET = 2 << 30
MACROS = ("vbaproject.bin", "xl/macrosheets/")
OUTSIDE = "xl/externallinks/"
# Every workbook is written in one of these. Another encoding would hide from the patterns below.
ENCODINGS = frozenset({"utf-8", "utf8", "us-ascii", "ascii"})
WIDE = (b"\xff\xfe", b"\xfe\xff", b"<\0", b"\0")  # how UTF-16 and UTF-32 begin, with a mark and without
TEXT = re.compile(rb"<(?:\w{1,30}:)?si\b")
# A cell with a formula, and whether its result is there. An empty one of t="str" is a result: the formula gave no text.
FORMULA = re.compile(
    rb"""<(?:\w+:)?c\b([^<>]*)>\s*<(?:\w+:)?f\b[^<>]*(?:/>|>[^<]*</(?:\w+:)?f>)"""
    rb"""(\s*(?:<(?:\w+:)?v\b[^<>]*(?:/>|>\s*</(?:\w+:)?v>)\s*)?</(?:\w+:)?c>)?"""
)
CELL_NAME = re.compile(rb"""\br=["']([A-Z]{1,3}\d{1,7})["']""")
TEXT_RESULT = re.compile(rb"""\bt=["']str["']""")
# The writer has computed nothing: 0 stands in all its formulas until a spreadsheet program opens the book.
UNCOMPUTED = re.compile(rb"""\bfullCalcOnLoad=["'](?:1|true)["']""")
READ = 1 << 18
OVERLAP = 1 << 16  # A formula has 8,192 characters at most, written with entities.


class SheetOfBook(NamedTuple):
    """A sheet with rows: its title, its size unpacked, and its part of the zip."""

    title: str
    size: int
    part: str


def is_workbook(names: set[str]) -> bool:
    return "xl/workbook.xml" in names


def sheets(name: str, file: BinaryIO, box: zipfile.ZipFile) -> tuple[list[SheetOfBook], list[Problem]]:
    """The sheets that hold something, and what to know about the book. Raises ImportFailed."""
    _refuse_what_is_too_large(name, box)
    lower = [entry.filename.lower() for entry in box.infolist()]
    problems = []
    if any(part.endswith(MACROS[0]) or part.startswith(MACROS[1]) for part in lower):
        problems.append(Problem("macros", name, stops=False))
    if any(part.startswith(OUTSIDE) for part in lower):
        problems.append(Problem("outside_links", name, stops=False))
    sizes = {entry.filename: entry.file_size for entry in box.infolist()}
    filled_sheets = []
    with _book(name, file) as book:
        for sheet in book.worksheets[:SHEETS]:
            if any(any(row) for row in _rows(name, sheet, most=1_000)):
                part = sheet._worksheet_path
                filled_sheets.append(SheetOfBook(sheet.title, sizes[part], part))
    return filled_sheets, problems


def count_rows(name: str, box: zipfile.ZipFile, part: str) -> int:
    """Reads a sheet's part to its end without taking it apart, which tells whether it is whole; about how many rows.

    A tenth of the time that reading its cells takes. Raises what zipfile raises for a damaged part, and ImportFailed
    where a formula has no result: its cell would count as empty, and an empty status is nobody's no.
    """
    uncomputed = UNCOMPUTED.search(box.read("xl/workbook.xml")) is not None
    count, before = 0, b""
    with box.open(part) as file:
        for chunk in iter(lambda: file.read(READ), b""):
            count += chunk.count(b"<row")
            has_formula = b"<f" in chunk or b":f" in chunk or b"f>" in chunk  # Thousands of cells at a time.
            if has_formula and (cell := _unknown_result(before + chunk, uncomputed)):
                raise ImportFailed("formulas", file=name, cell=cell)
            before = chunk[-OVERLAP:]
    return count


def _unknown_result(xml: bytes, uncomputed: bool) -> str:
    """The name of a cell with a formula whose result is not in the file, or ""."""
    for match in FORMULA.finditer(xml):
        if uncomputed or (match[2] and not TEXT_RESULT.search(match[1])):
            called = CELL_NAME.search(match[1])
            return called[1].decode() if called else "?"
    return ""


def open_sheet(name: str, file: BinaryIO, title: str) -> BinaryIO:
    """The rows of a sheet as lines (unfold.py)."""
    return Rows(_of_sheet(name, file, title), file)  # type: ignore[return-value]


def _of_sheet(name: str, file: BinaryIO, title: str) -> Iterator[list[str]]:
    """All rows as wide as the heading: a spreadsheet does not keep the empty cells at the end."""
    width = 0
    with _book(name, file) as book:
        for row in _rows(name, book[title]):
            width = width or len(row)
            yield row + [""] * (width - len(row)) if row else row


def _refuse_what_is_too_large(name: str, box: zipfile.ZipFile) -> None:
    for entry in box.infolist():
        sheet = entry.filename.startswith("xl/worksheets/")
        if entry.file_size > (LARGEST_SHEET if sheet else LARGEST_PART):
            raise ImportFailed("large_workbook", file=name)
        with box.open(entry) as part:
            if _is_strange(part):
                raise ImportFailed("torn_workbook", file=name)
        # Wherever the table of texts lies, it is one of the parts that are no sheet.
        if not sheet and _texts(box, entry) > TEXTS:
            raise ImportFailed("large_workbook", file=name)


class _PrologRead(Exception):
    """What is before the first element is known."""


def _is_strange(part: IO[bytes]) -> bool:
    """Whether a part has a document type, which is the way to entities that unfold without end and which no workbook
    has, or is XML in another encoding than UTF-8. A picture, or what is no XML, is nobody's to read."""
    strange = False

    def declared(_version: str, encoding: str | None, _standalone: int) -> None:
        nonlocal strange
        strange = (encoding or "utf-8").lower() not in ENCODINGS

    def has_type(*_: object) -> None:
        nonlocal strange
        strange = True
        raise _PrologRead

    def begun(*_: object) -> None:
        raise _PrologRead

    parser = expat.ParserCreate()
    parser.XmlDeclHandler, parser.StartDoctypeDeclHandler, parser.StartElementHandler = declared, has_type, begun
    first = part.read(READ)
    if first.startswith(WIDE):
        return True
    try:
        parser.Parse(first)
        while more := part.read(READ):
            parser.Parse(more)
    except (_PrologRead, expat.ExpatError):
        pass
    return strange


def _texts(box: zipfile.ZipFile, entry: zipfile.ZipInfo) -> int:
    """How many texts a part holds: a text of no length costs as much memory as one of fifty signs."""
    with box.open(entry) as part:
        return sum(len(TEXT.findall(chunk)) for chunk in iter(lambda: part.read(1 << 16), b""))


def _book(name: str, file: BinaryIO) -> Any:
    # A third of a second, which only those wait for who bring a workbook.
    from openpyxl import load_workbook

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return closing(load_workbook(file, read_only=True, data_only=True, keep_links=False))
        except MemoryError:
            raise
        except Exception as wrong:  # it lets through whatever its parsers and a nonsense directory raise
            raise ImportFailed("torn_workbook", file=name) from wrong


def _rows(name: str, sheet: Any, most: int = ROWS) -> Iterator[list[str]]:
    """Every row with the cells up to its last one that holds something."""
    if not hasattr(sheet, "iter_rows"):  # a chart has a sheet of its own
        return
    try:
        sheet.reset_dimensions()  # some programs write nonsense there
        empty = 0  # rows that are told only when something follows: whole columns may be formatted to the end
        for number, values in enumerate(sheet.iter_rows(values_only=True), start=1):
            if number > most:
                if most == ROWS:
                    raise ImportFailed("torn_workbook", file=name)
                return
            if row := _cells(name, values):
                yield from ([] for _ in range(empty))
                yield row
                empty = 0
            else:
                empty += 1
    except (ImportFailed, MemoryError):
        raise
    except Exception as wrong:
        raise ImportFailed("torn_workbook", file=name) from wrong


def _cells(name: str, values: tuple[object, ...]) -> list[str]:
    if not values:
        return []
    width = len(values)
    while width and values[width - 1] in (None, ""):
        width -= 1
    if width > COLUMNS:
        raise ImportFailed("too_many_columns", file=name, limit=f"{COLUMNS:,}")
    return [_text(value) for value in values[:width]]


def _text(value: object) -> str:
    if isinstance(value, datetime):
        return value.replace(microsecond=0).isoformat(" ")
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return str(value)
    return text_of(value)
