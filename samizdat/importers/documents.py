"""Documents that hold people but no table: JSON of a web interface, and the XML of Mailman 2's `bin/export.py`.

What the names in them mean is for the importers; here they only become rows.
"""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO
from xml.parsers import expat

from samizdat.importers.base import ImportFailed
from samizdat.importers.unfolding import Rows, table

LARGEST = 32 << 20  # bytes; a document is held whole
JSON_START = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:\{|\[\s*\{)")
MAILMAN_START = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*\?>)?\s*<mailman\b")
# A pickle of protocol 2 (config.pck) and a marshalled dict (config.db): never opened.
PICKLE_START = re.compile(rb"\x80[\x02-\x05]|\(dp?\d*\n|\{[\x00\x69\x73]")
MEMBER = ("id", "original", "realname", "language", "delivery")

type Parse = Callable[[bytes], list[dict[str, Any]]]


def parser_of(name: str, start: bytes) -> Parse | None:
    """How a file that begins with `start` becomes people; None for what is read as it is. Raises ImportFailed."""
    if name.lower().endswith((".pck", ".db")) and PICKLE_START.match(start):
        raise ImportFailed("pickle", file=name)
    if JSON_START.match(start):
        return _json
    return _mailman if MAILMAN_START.match(start) else None


def open_document(name: str, file: BinaryIO, parse: Parse) -> BinaryIO:
    """The people of a document as lines (unfolding.py)."""
    return Rows(_rows(name, file, parse), file)  # type: ignore[return-value]


def _rows(name: str, file: BinaryIO, parse: Parse) -> Iterator[list[str]]:
    data = b""
    while len(data) <= LARGEST and (more := file.read(1 << 20)):
        data += more
    if len(data) > LARGEST:
        raise ImportFailed("large_document", file=name, limit=LARGEST >> 20)
    try:
        people = parse(data)
    except (ValueError, RecursionError, expat.ExpatError) as wrong:
        raise ImportFailed("torn_document", file=name) from wrong
    yield from table(people)


def _json(data: bytes) -> list[dict[str, Any]]:
    text = data.decode("utf-8-sig")
    try:
        document = json.loads(text)
    except ValueError:
        # One object a line. A document over several lines that is torn ends here too.
        document = [json.loads(line) for line in text.splitlines() if line.strip()]
    if isinstance(document, dict):
        lists = [value for value in document.values() if isinstance(value, list)]
        people = max(([person for person in found if isinstance(person, dict)] for found in lists), key=len, default=[])
        return people or [document]
    return [person for person in document if isinstance(person, dict)]


def _mailman(data: bytes) -> list[dict[str, Any]]:
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
        elif tag == "delivery" and "member" in path and people:
            people[-1] |= attributes

    def text(data: str) -> None:
        if len(path) > 1 and path[-2] == "member" and path[-1] in MEMBER and people:
            people[-1][path[-1]] = people[-1].get(path[-1], "") + data

    def refuse(*_: Any) -> None:
        raise ValueError("a document type")

    parser = expat.ParserCreate()
    parser.StartElementHandler, parser.CharacterDataHandler = start, text
    parser.EndElementHandler = lambda _: path.pop()
    parser.StartDoctypeDeclHandler = refuse
    parser.Parse(data, True)
    return people
