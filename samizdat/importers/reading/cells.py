"""What stands inside a cell: tags, groups, names, telephone numbers, postal addresses, birthdays."""

import csv
import re
from collections.abc import Callable
from typing import Any

from samizdat.core.imports import LISTED

GUARD = re.compile(r"'(?=[+=@\d(-])")
GUARDS = frozenset("'=+-@")
UNESCAPED_COMMA = re.compile(r"(?<!\\),")
BIRTHDAY = re.compile(r"(\d{1,2})[/.-](\d{1,2})(?:[/.-]\d{2,4})?\.?")
OF_EVERYBODY = frozenset({"mycontacts", "my contacts"})  # Google's label of whoever was not only written to
KEPT = 20_000  # different cells remembered a column; real lists have a few hundred combinations of tags


class ColumnCache(dict[str, Any]):
    """A table of cells already parsed: most rows of a list share their tags with others."""

    def __init__(self, parse: Callable[[str], object]) -> None:
        super().__init__()
        self._parse = parse

    def __missing__(self, cell: str) -> object:
        if len(self) >= KEPT:
            self.clear()
        parsed = self[cell] = self._parse(cell)
        return parsed


def tags(cell: str) -> tuple[str, ...]:
    """A TAGS cell is a line of CSV again: `"Tag A","Tag B"`. Bare words of hand-edited files pass as well."""
    try:
        parts = [part for line in csv.reader([cell], skipinitialspace=True) for part in line]
    except csv.Error:  # a bare line break outside of quotes
        parts = re.split(r"[,\r\n]", cell)
    return tuple(dict.fromkeys(part.strip() for part in parts if part.strip()))


def labels(cell: str) -> tuple[str, ...]:
    """Tags of an address book: Google parts them by ` ::: ` and marks its own by an asterisk, Outlook by semicolons."""
    parts = (part.strip().removeprefix("* ") for part in cell.split(":::" if ":::" in cell else ";"))
    return tuple(dict.fromkeys(part for part in parts if part and part.lower() not in OF_EVERYBODY))


def first(cell: str) -> str:
    """The first of several values that an address book keeps in one cell."""
    return cell.partition(":::")[0].strip()


def tags_of(form: str) -> Callable[[str], tuple[str, ...]]:
    """How the tags of a column are read, by its `form`."""
    return labels if form == LISTED else tags


def groups(cell: str) -> tuple[str, ...]:
    """Group names of an interest category, joined by commas; a comma inside a name is written `\\,`."""
    parts = (part.replace("\\,", ",").strip() for part in UNESCAPED_COMMA.split(cell))
    return tuple(dict.fromkeys(part for part in parts if part))


def unguarded(cell: str) -> str:
    """Without the apostrophe that keeps a spreadsheet from taking a cell for a formula: `'=Anna`, `'@anna`."""
    return cell[1:] if cell[:1] == "'" and cell[1:2] in GUARDS else cell


def filled(cell: str) -> str:
    """A cell with JSON in it, "" when that is empty: nobody wants a field that says {}."""
    cell = cell.strip()
    return "" if cell in {"{}", "[]", "null"} else cell


def phone(cell: str) -> str:
    """Without the apostrophe that keeps spreadsheets from counting with it: `'+12155550100`."""
    cell = cell.strip()
    return cell[1:] if GUARD.match(cell) else cell


def postal(cell: str) -> str:
    """Mailchimp joins the parts by two blanks (street, more, city, state, code, country): a comma is clearer."""
    cell = cell.strip()
    if "  " not in cell:
        return cell
    return ", ".join(part.strip() for part in cell.split("  ") if part.strip())


def birthday(cell: str, order: str = "mdy") -> str:
    """`MM/DD`; `DD/MM` lists are turned round. What is neither stays as it was written."""
    cell = cell.strip()
    match = BIRTHDAY.fullmatch(cell)
    if not match:
        return cell
    first, second = int(match[1]), int(match[2])
    month, day = (second, first) if order == "dmy" else (first, second)
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return cell
    return f"{month:02}/{day:02}"


def names(cell: str) -> tuple[str, str]:
    """A full name as first and last name: "Anna Maria Berg" and "Berg, Anna Maria" alike."""
    cell = " ".join(cell.split())
    if cell.count(",") == 1:
        last, first = (part.strip() for part in cell.split(","))
        return first, last
    # Everything after the first word: two surnames are commoner in the world than two given names.
    first, _, last = cell.partition(" ")
    return first, last


def reason(cell: str) -> str:
    """Why somebody left, in the words of the file; Mailchimp's "N/A" says nothing."""
    cell = cell.strip()
    return "" if cell.upper() in {"N/A", "NONE"} else cell
