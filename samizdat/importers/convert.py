"""Compiles the plan of one file into a function from cells to an `Incoming`.

The function is written as Python source and compiled, because a loop over a description of the columns takes three
times as long, and a million rows wait for it. Only numbers and names of our own stand in that source: whatever
comes from a file reaches it as a value.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from samizdat.importers import cells
from samizdat.importers.base import COMPLAINED, DOCUMENT, GUARDED, STATUSES, Column, FileFound, Incoming
from samizdat.importers.labels import plain
from samizdat.importers.times import reader_of

type Convert = Callable[[int, list[str]], Incoming]

EMPTY = '""'
# Strongest first: a dead address cannot complain, a complaint says more than leaving.
STRENGTH = (STATUSES[0], COMPLAINED, *STATUSES[1:])


class UnknownStatus(ValueError):
    """A word under a status column that the plan does not know. `word` is the cell."""

    def __init__(self, word: str) -> None:
        self.word = word
        super().__init__(word)


def compile_file(file: FileFound, layout: tuple[str, ...]) -> Convert:
    """A function (line, cells) -> Incoming, fields laid out as `layout`. It raises UnknownStatus."""
    names: dict[str, Any] = {"Incoming": Incoming, "new": tuple.__new__}
    parts = (
        "line",
        f"{_cell(_needed(file, 'address'), names)}.strip()",
        _status(file, names),
        _fields(file, layout, names),
        _joined(file, "tags", cells.tags, names),
        _groups(file, names),
        _text(file, "language"),
        _time(file, "opt_in_time", names),
        _time(file, "confirm_time", names),
        _left(file, names),
        _joined_text(file, "left_reason", cells.reason, names),
        _time(file, "last_changed", names),
        _joined_text(file, "notes", str.strip, names),
    )
    # tuple.__new__ is what a named tuple's own constructor comes to, without its argument handling.
    source = f"def convert(line, row):\n    return new(Incoming, ({', '.join(parts)}))\n"
    exec(compile(source, f"<plan of member {file.member}>", "exec"), names)  # noqa: S102  see the module's words
    convert: Convert = names["convert"]
    return convert


def _needed(file: FileFound, target: str) -> Column:
    column = file.column(target)
    if column is None:
        raise KeyError(target)
    return column


def _cell(column: Column, names: dict[str, Any]) -> str:
    """A cell, without the mark against formulas where its file has such marks."""
    if column.form != GUARDED:
        return f"row[{column.index}]"
    names["unguarded"] = cells.unguarded
    return f"unguarded(row[{column.index}])"


def _all(file: FileFound, target: str) -> list[Column]:
    return [column for column in file.columns if column.becomes == target]


def _text(file: FileFound, target: str) -> str:
    column = file.column(target)
    return f"row[{column.index}].strip()" if column else EMPTY


def _time(file: FileFound, target: str, names: dict[str, Any]) -> str:
    column = file.column(target)
    if column is None:
        return EMPTY
    names[f"when{column.index}"] = reader_of(column.form)
    return f"when{column.index}(row[{column.index}])"


def _left(file: FileFound, names: dict[str, Any]) -> str:
    times = [_time(file, target, names) for target in ("clean_time", "left_time") if file.column(target)]
    return f"({' or '.join(times)})" if times else EMPTY


def _fields(file: FileFound, layout: tuple[str, ...], names: dict[str, Any]) -> str:
    values = dict.fromkeys(layout, EMPTY)
    if whole := file.column("name"):
        names["names"] = cells.names
        values["FNAME"] = f"names({_cell(whole, names)})[0]"
        values["LNAME"] = f"names({_cell(whole, names)})[1]"
    for column in file.columns:
        if column.becomes.startswith("field:"):
            tag = column.becomes.removeprefix("field:")
            values[tag] = _field(column, tag, names)
    return f"({''.join(f'{value}, ' for value in values.values())})"


def _field(column: Column, tag: str, names: dict[str, Any]) -> str:
    cell = f"row[{column.index}]"
    if tag == "PHONE":
        names["phone"] = cells.phone
        return f"({cell} and phone({cell}))"
    if tag == "ADDRESS":
        names["postal"] = cells.postal
        return f"({cell} and postal({cell}))"
    if tag == "BIRTHDAY":
        names["birthday"] = partial(cells.birthday, order=column.form)
        return f"({cell} and birthday({cell}))"
    if column.form == DOCUMENT:
        names["filled"] = cells.filled
        return f"filled({cell})"
    return f"{_cell(column, names)}.strip()"


def _joined(file: FileFound, target: str, parse: Callable[[str], Any], names: dict[str, Any]) -> str:
    """Values of all columns of a target, one tuple after the other."""
    parts = []
    for column in _all(file, target):
        names[f"{target}{column.index}"] = cells.Remembered(parse)
        parts.append(f"{target}{column.index}[{_cell(column, names)}]")
    return " + ".join(parts) or "()"


def _groups(file: FileFound, names: dict[str, Any]) -> str:
    parts = []
    for column in file.columns:
        if column.becomes.startswith("group:"):
            category = column.becomes.removeprefix("group:").strip()
            names[f"group{column.index}"] = cells.Remembered(partial(_grouped, category))
            parts.append(f"group{column.index}[row[{column.index}]]")
    return " + ".join(parts) or "()"


def _grouped(category: str, cell: str) -> tuple[tuple[str, str], ...]:
    return tuple((category, group) for group in cells.groups(cell))


def _joined_text(file: FileFound, target: str, clean: Callable[[str], str], names: dict[str, Any]) -> str:
    columns = _all(file, target)
    if not columns:
        return EMPTY
    names[target] = clean
    parts = [f"{target}({_cell(column, names)})" for column in columns]
    if len(parts) == 1:
        return f"(row[{columns[0].index}] and {parts[0]})"
    names["join"] = _join
    return f"join({', '.join(parts)})"


def _join(*texts: str) -> str:
    return ": ".join(text for text in texts if text)


def _status(file: FileFound, names: dict[str, Any]) -> str:
    """The status of a row: what the file says, or stronger if the row itself says so."""
    columns = _all(file, "status")
    names["base"] = file.status or ""
    left = file.column("left_time") if file.status != "cleaned" else None
    gone = file.column("clean_time")
    if not columns and not (left and file.status != "unsubscribed") and not gone:
        return "base"
    claims = ["base"] if not columns else []
    for column in columns:
        names[f"status{column.index}"] = cells.Remembered(partial(_said, column.words, file.status))
        claims.append(f"status{column.index}[row[{column.index}]]")
    if left:
        claims.append(f'("unsubscribed" if row[{left.index}].strip() else "")')
    if gone:
        claims.append(f'("cleaned" if row[{gone.index}].strip() else "")')
    names["strongest"] = _strongest
    return f"strongest({', '.join(claims)})"


def _said(words: dict[str, str], base: str | None, cell: str) -> str:
    word = plain(cell)
    if not word and base:
        return base
    if word not in words:
        raise UnknownStatus(cell.strip())
    return words[word] or base or ""


def _strongest(*claims: str) -> str:
    """Whoever is named as gone by any column is gone (design.md: an import never weakens a suppression)."""
    return min((claim for claim in claims if claim), key=STRENGTH.index)
