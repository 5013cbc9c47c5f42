"""What kind of text a file is: encoding, delimiter, heading, and the first rows of it."""

import csv
import io
import json
import re
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import BinaryIO

from samizdat.core.imports import ADDRESS_LIST, DELIMITERS, JSON_LINES, ImportFailed
from samizdat.importers.reading.mailboxes import ADDRESS, LABELS, is_list_of_mailboxes, mailboxes

CELL = 100_000  # characters; the longest note seen in real exports is a few thousand
HEAD = 256 * 1024  # bytes looked at before anything else is known
SAMPLE = 500  # rows kept of them
TITLES = 5  # lines over a heading
COLUMNS = 1_000  # the widest real export has about two hundred; a person has to look through them
CHUNK = 1 << 16
EVIDENCE = 1 << 18  # bytes of unknown encoding that are enough to guess by
BYTE_ORDER_MARKS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))
OTHER_KINDS = (
    (re.compile(rb"\x1f\x8b|Rar!|7z\xbc\xaf|BZh|\xfd7zXZ|\x28\xb5\x2f\xfd"), "other_packing"),
    (re.compile(rb"\xd0\xcf\x11\xe0|PK\x03\x04"), "spreadsheet"),
    (re.compile(rb"%PDF|\x89PNG|\xff\xd8\xff|GIF8|MZ|\x7fELF|SQLite format"), "not_text"),
    (re.compile(rb"(?:\xef\xbb\xbf)?\s*<(?:!doctype|html|\?xml)", re.IGNORECASE), "web_page"),
)
SEPARATOR_LINE = re.compile(r"sep=([,;|\t])\s*", re.IGNORECASE)  # Excel's own first line
UNDECODED = re.compile("[\udc80-\udcff]")


@dataclass(frozen=True, slots=True)
class TextEncoding:
    """How a file is written. `sure` is False when the encoding is only a guess between old code pages. `mixed`: a good
    part of it is UTF-8 all the same, so that either way some names would come in as gibberish."""

    encoding: str
    sure: bool
    line_breaks: int
    mixed: bool = False


@dataclass(frozen=True, slots=True)
class TextTable:
    """The top of a file. `heading` has invented labels ("Column 1") where the file has none."""

    encoding: str
    sure: bool
    delimiter: str
    heading: list[str]
    rows: list[list[str]] = field(default_factory=list)
    skip: int = 1  # records before the first row

    def cells(self, index: int) -> list[str]:
        """The cells of one column in the sample that hold something, stripped."""
        cells = (row[index].strip() for row in self.rows if index < len(row))
        return [cell for cell in cells if cell]


class Detector:
    """Tells the encoding of bytes that go by in chunks: mark, then strict UTF-8, then a guess."""

    def __init__(self) -> None:
        self._start = b""
        self._carry = b""
        self._evidence = bytearray()
        self._good = self._bad = self._line_feeds = self._returns = 0

    def feed(self, chunk: bytes) -> None:
        if not self._start:
            self._start = chunk[:CHUNK]
        self._line_feeds += chunk.count(b"\n")
        self._returns += chunk.count(b"\r")
        if self._carry or not chunk.isascii():
            self._check(self._carry + chunk)

    def writing(self, *, whole: bool) -> TextEncoding:
        """The verdict. `whole` is False when the bytes may end in the middle of a character."""
        breaks = self._line_feeds or self._returns
        for mark, encoding in BYTE_ORDER_MARKS:
            if self._start.startswith(mark):
                return TextEncoding(encoding, True, breaks)
        if wide := _wide(self._start):
            return TextEncoding(wide, True, breaks)
        bad = self._bad + (len(self._carry) if whole else 0)
        # A spoilt line here and there does not make a UTF-8 file something else; those lines are rejected. An old code
        # page looks like UTF-8 by chance only, in a word of a thousand.
        if bad * 10 <= self._good:
            return TextEncoding("utf-8", True, breaks)
        return TextEncoding(code_page(bytes(self._evidence)), False, breaks, mixed=self._good * 10 > bad)

    def _check(self, data: bytes) -> None:
        if len(self._evidence) < EVIDENCE:
            self._evidence += data
        self._carry = b""
        try:
            self._good += len(data) - len(data.decode())
        except UnicodeDecodeError as wrong:
            if wrong.reason == "unexpected end of data" and wrong.end == len(data):
                self._carry = data[wrong.start :]
                self._good += len(data) - len(data[: wrong.start].decode())
            else:
                text = data.decode("utf-8", "surrogateescape")
                self._bad += len(UNDECODED.findall(text))
                self._good += len(data) - len(text)


def scan(file: BinaryIO) -> TextEncoding:
    """Read a file to its end: is it whole, and how is it written? Costs about 1.2 us for a line of a zip."""
    detector = Detector()
    looked: Future[None] | None = None
    # Unpacking lets go of the interpreter, so that a piece is looked at while the next one is unpacked.
    with ThreadPoolExecutor(1) as beside:
        while chunk := file.read(CHUNK * 4):
            if looked is not None:
                looked.result()
            looked = beside.submit(detector.feed, chunk)
    if looked is not None:
        looked.result()
    return detector.writing(whole=True)


def kind_of(head: bytes) -> str:
    """What a file is by its first bytes, when it is no text with rows: a code of SENTENCES, else empty."""
    return next((code for pattern, code in OTHER_KINDS if pattern.match(head)), "")


def glance(head: bytes, *, whole: bool, encoding: str = "", delimiter: str = "") -> TextTable:
    """The heading and first rows of a file that begins with `head`. Raises ImportFailed if it has none."""
    if other := kind_of(head):
        raise ImportFailed(other, file="")
    writing = _writing_of(head, whole) if not encoding else TextEncoding(encoding, True, 0)
    text = head.decode(writing.encoding, "replace").removeprefix("\ufeff")
    lines = list(io.StringIO(text, newline=""))
    if not whole and len(lines) > 1:
        lines.pop()  # cut off in the middle
    if not text.strip("\0 \t\r\n,;"):
        raise ImportFailed("empty", file="")
    if _is_binary(text):
        raise ImportFailed("not_text", file="")
    if text.startswith("["):
        return _narrow(_json_sheet(lines, writing))
    if not delimiter and is_list_of_mailboxes(lines):
        return _mailbox_sheet(lines, writing)
    return _narrow(_csv_sheet(lines, writing, delimiter))


def _narrow(sheet: TextTable) -> TextTable:
    if len(sheet.heading) > COLUMNS:
        raise ImportFailed("too_many_columns", file="", limit=f"{COLUMNS:,}")
    return sheet


def _writing_of(head: bytes, whole: bool) -> TextEncoding:
    detector = Detector()
    detector.feed(head)
    return detector.writing(whole=whole)


def _wide(start: bytes) -> str:
    """UTF-16 without a mark: the commas, dots and line breaks of any export give every second byte a zero."""
    sample = start[:4096]
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    if max(even, odd) * 10 < len(sample):  # fewer than a fifth of the characters
        return ""
    if odd > even * 4:
        return "utf-16-le"
    return "utf-16-be" if even > odd * 4 else ""


def code_page(evidence: bytes) -> str:
    """Windows-1251 or Windows-1252. Russian words are all high letters, western ones have one here and there."""
    high = re.findall(rb"[\x80-\xff]+", evidence)
    together = sum(len(run) for run in high if len(run) > 1)
    alone = sum(1 for run in high if len(run) == 1)
    if together > alone:
        return "cp1251"
    return "latin-1" if re.search(rb"[\x81\x8d\x8f\x90\x9d]", evidence) else "cp1252"


def _is_binary(text: str) -> bool:
    sample = text[:4096]
    strange = sum(1 for sign in sample if sign < " " and sign not in "\t\r\n\x0b\x0c")
    return strange * 20 > len(sample)


def _csv_sheet(lines: list[str], writing: TextEncoding, delimiter: str) -> TextTable:
    lines = [line for line in lines if line.strip()] or ["\n"]
    skip = 0
    if match := SEPARATOR_LINE.fullmatch(lines[0].strip('"\r\n')):
        delimiter, skip, lines = delimiter or match[1], 1, lines[1:]
    elif titles := _titles(lines):
        skip, lines = titles, lines[titles:]
    delimiter = delimiter or delimiter_of(lines)
    rows = _records(lines, delimiter)
    if not rows:
        raise ImportFailed("empty", file="")
    return _sheet_of(rows, writing, delimiter, skip)


def _titles(lines: list[str]) -> int:
    """How many lines stand over the heading: who made the list, when, and the like."""
    if _is_title(lines):
        return 1
    for count in range(1, TITLES + 1):
        if ADDRESS.search("".join(lines[:count])) or len(lines) < count + 2:
            return 0
        delimiter = delimiter_of(lines[count:])
        if _is_above(_records(lines[:count], delimiter), _records(lines[count : count + 2], delimiter)):
            return count
    return 0


def _is_above(titles: list[list[str]], table: list[list[str]]) -> bool:
    """Whether rows of one cell stand above a heading of several and a row with an address."""
    return (
        len(table) == 2
        and sum(map(bool, table[0])) > 1
        and len(table[0]) >= len(table[1]) > 1
        and _is_heading(table[0])
        and any(map(ADDRESS.search, table[1]))
        and all(sum(1 for cell in row if cell.strip()) <= 1 for row in titles)
    )


def _is_title(lines: list[str]) -> bool:
    """Whether the first line is a title over the heading, as Google Groups writes: one cell above a table of many."""
    if len(lines) < 3 or ADDRESS.search(lines[0]) or any(sign in lines[0] for sign in DELIMITERS):
        return False
    rows = _records(lines[1:3], delimiter_of(lines[1:]))
    return (
        len(rows) == 2
        and len(rows[0]) == len(rows[1]) > 2
        and _is_heading(rows[0])
        and any(map(ADDRESS.search, rows[1]))
    )


def _sheet_of(rows: list[list[str]], writing: TextEncoding, delimiter: str, skip: int) -> TextTable:
    if _is_heading(rows[0]):
        return TextTable(writing.encoding, writing.sure, delimiter, rows[0], rows[1:], skip + 1)
    heading = [f"Column {index + 1}" for index in range(max(map(len, rows[:20])))]
    return TextTable(writing.encoding, writing.sure, delimiter, heading, rows, skip)


def _mailbox_sheet(lines: list[str], writing: TextEncoding) -> TextTable:
    rows = [list(box) for line in lines[:SAMPLE] for box in mailboxes(line)][:SAMPLE]
    return TextTable(writing.encoding, writing.sure, ADDRESS_LIST, list(LABELS), rows, 0)


def _is_heading(row: list[str]) -> bool:
    return not any(ADDRESS.search(cell) for cell in row)


def _json_sheet(lines: list[str], writing: TextEncoding) -> TextTable:
    """The dump of the old Export API: a JSON list a line, the first one holds the labels."""
    rows = []
    for line in lines[: SAMPLE + 1]:
        if line.strip():
            try:
                rows.append(json_row(line))
            except csv.Error:
                continue  # The records name it by its line; a sample need not.
    rows = [row for row in rows if any(cell.strip() for cell in row)]
    if not rows:
        raise ImportFailed("not_text", file="")
    count = next((n for n in range(1, TITLES + 1) if _is_above(rows[:n], rows[n : n + 2])), 0)
    count = 0 if any(ADDRESS.search(cell) for row in rows[:count] for cell in row) else count
    return _sheet_of(rows[count:], writing, JSON_LINES, count)


def json_row(line: str) -> list[str]:
    """One line of a JSON-lines dump as cells. Raises csv.Error, as the CSV reader does."""
    try:
        cells = json.loads(line)
    except (ValueError, RecursionError) as wrong:
        raise csv.Error("not_json") from wrong
    if not isinstance(cells, list):
        raise csv.Error("not_json")
    return ["" if cell is None else str(cell) for cell in cells]


def delimiter_of(lines: list[str]) -> str:
    """The delimiter that gives most columns in which the first lines agree; a comma when none gives two."""
    return max(DELIMITERS, key=lambda delimiter: _agreement(lines[:50], delimiter))


def _agreement(lines: list[str], delimiter: str) -> float:
    widths = [len(row) for row in _records(lines, delimiter)]
    if not widths or widths[0] == 1:
        return 0
    # Rows may be shorter than their heading (spreadsheets drop empty cells at the end), hardly ever longer.
    fitting = sum(1 for width in widths if 1 < width <= widths[0])
    return widths[0] * (fitting / len(widths)) ** 2


def _records(lines: list[str], delimiter: str) -> list[list[str]]:
    csv.field_size_limit(CELL)
    reader = csv.reader(lines, delimiter=delimiter)
    rows: list[list[str]] = []
    while len(rows) <= SAMPLE:
        try:
            row = next(reader)
        except csv.Error:
            continue
        except StopIteration:
            break
        if any(cell.strip() for cell in row):
            rows.append(row)
    return rows
