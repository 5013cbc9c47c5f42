"""Documents that hold people but no table: JSON of a web interface, the XML of Mailman 2's `bin/export.py`, vCards.

What the names in them mean is for the importers; here they only become rows.
"""

import io
import json
import re
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, BinaryIO
from xml.parsers import expat

from samizdat.core.imports import ImportFailed
from samizdat.importers.reading import vcards
from samizdat.importers.reading.text import COLUMNS
from samizdat.importers.reading.unfold import Rows, cells, flat

LARGEST = 32 << 20  # bytes; a document is held whole
JSON_START = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:\{|\[\s*\{)")
MAILMAN_START = re.compile(rb"(?:\xef\xbb\xbf)?\s*+(?:<\?xml[^>]*\?>\s*+)?<mailman\b")
# A pickle of protocol 2 (config.pck) and a marshalled dict (config.db): never opened.
PICKLE_START = re.compile(rb"\x80[\x02-\x05]|\(dp?\d*\n|\{[\x00\x69\x73]")
_BLANKS = re.compile(r"[ \t\n\r]*")
MEMBER = ("id", "original", "realname", "language", "delivery")

NESTED = 3  # objects around a list of people
# A person has an address, which takes more than this of a document's bytes.
MOST_PEOPLE = LARGEST // 16
# Cells of all rows together: a person with one value of its own beside a thousand others' is a row of a thousand.
MOST_CELLS = 32 << 20

type People = Iterable[dict[str, Any]]  # may be gone through again and again
type Parse = Callable[[bytes], People]
type ReadRows = Callable[[str, BinaryIO], Iterator[list[str]]]  # heading first


def parser_of(name: str, start: bytes) -> ReadRows | None:
    """How a file that begins with `start` becomes people; None for what is read as it is. Raises ImportFailed."""
    if name.lower().endswith((".pck", ".db")) and PICKLE_START.match(start):
        raise ImportFailed("pickle", file=name)
    if vcards.is_address_book(start):
        return vcards.rows
    if JSON_START.match(start):
        return partial(_rows, _Json)
    return partial(_rows, _mailman) if MAILMAN_START.match(start) else None


def open_document(name: str, file: BinaryIO, read: ReadRows) -> BinaryIO:
    """The people of a document as lines (unfold.py)."""
    return Rows(read(name, file), file)  # type: ignore[return-value]


def _rows(parse: Parse, name: str, file: BinaryIO) -> Iterator[list[str]]:
    data = b""
    while len(data) <= LARGEST and (more := file.read(1 << 20)):
        data += more
    if len(data) > LARGEST:
        raise ImportFailed("large_document", file=name, limit=LARGEST >> 20)
    try:
        people = parse(data)
        del data
        heading = _heading(name, people)
        if heading:
            yield heading
        for person in people:
            yield cells(person, heading)
    except (ValueError, RecursionError, expat.ExpatError) as wrong:
        if isinstance(wrong, ImportFailed):
            raise
        raise ImportFailed("torn_document", file=name) from wrong


def _heading(name: str, people: People) -> list[str]:
    """The names of all values. Every person is looked at, because the last may have a value of their own."""
    heading: dict[str, None] = {}
    count = 0
    for count, person in enumerate(people, start=1):
        heading.update(dict.fromkeys(flat(person)))
        if len(heading) > COLUMNS:
            raise ImportFailed("too_many_columns", file=name, limit=f"{COLUMNS:,}")
        if count > MOST_PEOPLE or count * len(heading) > MOST_CELLS:
            raise ImportFailed("wide_document", file=name)
    return list(heading)


class _Json:
    """The people of a JSON document, decoded one at a time: all at once they take twenty times their bytes."""

    def __init__(self, data: bytes) -> None:
        self._text = data.decode("utf-8-sig")
        self._decoded = json.JSONDecoder().raw_decode
        try:
            self._start, self._lines = self._find(), False
        except ValueError:
            # One object a line. A document over several lines that is torn ends here too.
            self._start, self._lines = 0, True

    def __iter__(self) -> Iterator[dict[str, object]]:
        records: Iterator[Any]
        if self._lines:
            records = (json.loads(line) for line in io.StringIO(self._text) if line.strip())
        elif self._text[self._start] == "[":
            records = (element for element, _end in self._elements(self._start))
        else:
            records = iter([self._decoded(self._text, self._start)[0]])
        return (person for person in records if isinstance(person, dict))

    def _find(self) -> int:
        """Where the list with most people begins, or the one object that the document is. Raises ValueError."""
        start = best = self._behind(0)
        if self._text[start : start + 1] == "[":
            end = self._end_of_list(start)[1]
        else:
            best, _most, end = self._longest_of(start, NESTED)
        if self._behind(end) != len(self._text):
            raise ValueError("more than one document")
        return best

    def _longest_of(self, start: int, depth: int) -> tuple[int, int, int]:
        """Of an object: where the longest list of people in it begins, else where it begins itself; how many are in
        that list; and its end. Objects in it are looked through `depth` deep: `{"data": {"contacts": […]}}`."""
        best, most = start, 0
        at = self._behind(start + 1)
        if self._text[start : start + 1] != "{":
            raise ValueError("no object")
        while self._text[at : at + 1] != "}":
            key, at = self._decoded(self._text, at)
            at = self._behind(at)
            if not isinstance(key, str) or self._text[at : at + 1] != ":":
                raise ValueError("no object")
            at = self._behind(at + 1)
            if self._text[at : at + 1] == "[":
                count, end = self._end_of_list(at)
                if count > most:
                    best, most = at, count
            elif depth and self._text[at : at + 1] == "{":
                inner, count, end = self._longest_of(at, depth - 1)
                # Of a person there may be lists of all kinds in them; of people there are addresses.
                if count > most and self._text.find("@", inner, end) >= 0:
                    best, most = inner, count
            else:
                end = self._decoded(self._text, at)[1]
            at = self._next(end, "}")
        return best, most, at + 1

    def _end_of_list(self, start: int) -> tuple[int, int]:
        """How many objects are in a list, and where it ends."""
        count, end = 0, start + 1
        for element, after in self._elements(start):
            count, end = count + isinstance(element, dict), after
        return count, self._behind(end) + 1

    def _elements(self, start: int) -> Iterator[tuple[object, int]]:
        at = self._behind(start + 1)
        while self._text[at : at + 1] != "]":
            element, end = self._decoded(self._text, at)
            yield element, end
            at = self._next(end, "]")

    def _next(self, end: int, closing: str) -> int:
        """Where the next element begins, or the closing sign stands."""
        at = self._behind(end)
        if self._text[at : at + 1] == ",":
            at = self._behind(at + 1)
            if self._text[at : at + 1] == closing:
                raise ValueError("a comma without an element")
            return at
        if self._text[at : at + 1] != closing:
            raise ValueError("no comma")
        return at

    def _behind(self, at: int) -> int:
        """The first sign from here on that is no blank."""
        match = _BLANKS.match(self._text, at)
        assert match is not None
        return match.end()


def _mailman(data: bytes) -> People:
    """`<mailman><list name=…>…<roster><member id=…><realname>…<delivery status=… reason=… changed=…/>`."""
    people: list[dict[str, Any]] = []
    path: list[str] = []
    where = [""]

    def start(tag: str, attributes: dict[str, str]) -> None:
        path.append(tag)
        if tag == "list":
            where[0] = attributes.get("name", "")
        elif tag == "member":
            people.append({**attributes, "list": where[0]})
            if len(people) > MOST_PEOPLE:
                raise ValueError("more people than fit")
        elif tag == "delivery" and "member" in path and people:
            people[-1] |= attributes

    def text(data: str) -> None:
        if len(path) > 1 and path[-2] == "member" and path[-1] in MEMBER and people:
            people[-1][path[-1]] = people[-1].get(path[-1], "") + data

    def refuse(*_: object) -> None:
        raise ValueError("a document type")

    parser = expat.ParserCreate()
    parser.StartElementHandler, parser.CharacterDataHandler = start, text
    parser.EndElementHandler = lambda _: path.pop()
    parser.StartDoctypeDeclHandler = refuse
    parser.Parse(data, True)
    return people
