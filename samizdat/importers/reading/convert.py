"""Compiles the plan of one file into a function from cells to an `Incoming`.

The function is written as Python source and compiled, because a loop over a description of the columns takes three
times as long, and a million rows wait for it. Only numbers and names of our own stand in that source: whatever
comes from a file reaches it as a value.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from samizdat.core.imports import (
    COMPLAINED,
    DOCUMENT,
    GUARDED,
    LEFT_OUT,
    LISTED,
    OTHERS,
    STATUSES,
    UNSAID,
    DetectedFile,
    ImportColumn,
    IncomingRow,
    is_worded,
)
from samizdat.importers.reading import cells
from samizdat.importers.reading.mailboxes import aside
from samizdat.importers.reading.sentences import NO, is_zero, word_of
from samizdat.importers.reading.times import reader_of

type Convert = Callable[[int, list[str]], IncomingRow]

EMPTY = '""'
# Strongest first: a dead address cannot complain, a complaint says more than leaving.
STRENGTH = (STATUSES[0], COMPLAINED, *STATUSES[1:])


class UnknownStatus(ValueError):
    """A word under a status column that the plan does not know. `word` is the cell."""

    def __init__(self, word: str) -> None:
        self.word = word
        super().__init__(word)


def compile_file(file: DetectedFile, layout: tuple[str, ...]) -> Convert:
    """A function (line, cells) -> Incoming, fields laid out as `layout`. It raises UnknownStatus."""
    names: dict[str, Any] = {"Incoming": IncomingRow, "new": tuple.__new__}
    parts = (
        "line",
        _address(_needed(file, "address"), names),
        _status(file, names),
        _fields(file, layout, names),
        _tags(file, names),
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


def _needed(file: DetectedFile, target: str) -> ImportColumn:
    column = file.column(target)
    if column is None:
        raise KeyError(target)
    return column


def _cell(column: ImportColumn, names: dict[str, object]) -> str:
    """A cell, without the mark against formulas where its file has such marks."""
    if column.form != GUARDED:
        return f"row[{column.index}]"
    names["unguarded"] = cells.unguarded
    return f"unguarded(row[{column.index}])"


def _address(column: ImportColumn, names: dict[str, object]) -> str:
    if column.form != LISTED:
        return f"{_cell(column, names)}.strip()"
    names["first"] = cells.first
    return f"first(row[{column.index}])"


def _all(file: DetectedFile, target: str) -> list[ImportColumn]:
    return [column for column in file.columns if column.becomes == target]


def _text(file: DetectedFile, target: str) -> str:
    column = file.column(target)
    return f"row[{column.index}].strip()" if column else EMPTY


def _time(file: DetectedFile, target: str, names: dict[str, object]) -> str:
    column = file.column(target)
    if column is None:
        return EMPTY
    names[f"when{column.index}"] = reader_of(column.form)
    return f"when{column.index}(row[{column.index}])"


def _left(file: DetectedFile, names: dict[str, object]) -> str:
    times = [_time(file, target, names) for target in ("clean_time", "left_time") if file.column(target)]
    return f"({' or '.join(times)})" if times else EMPTY


def _fields(file: DetectedFile, layout: tuple[str, ...], names: dict[str, object]) -> str:
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


def _field(column: ImportColumn, tag: str, names: dict[str, object]) -> str:
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


def _tags(file: DetectedFile, names: dict[str, object]) -> str:
    """Tags of all columns of them, one tuple after the other."""
    parts = []
    for column in _all(file, "tags"):
        names[f"tags{column.index}"] = cells.ColumnCache(partial(_kept, _out(column), cells.tags_of(column.form)))
        parts.append(f"tags{column.index}[{_cell(column, names)}]")
    return " + ".join(parts) or "()"


def _groups(file: DetectedFile, names: dict[str, object]) -> str:
    parts = []
    for column in file.columns:
        if column.becomes.startswith("group:"):
            category = column.becomes.removeprefix("group:").strip()
            names[f"group{column.index}"] = cells.ColumnCache(partial(_grouped, category, _out(column)))
            parts.append(f"group{column.index}[row[{column.index}]]")
    return " + ".join(parts) or "()"


def _grouped(category: str, out: frozenset[str], cell: str) -> tuple[tuple[str, str], ...]:
    return tuple((category, group) for group in _kept(out, cells.groups, cell))


def _out(column: ImportColumn) -> frozenset[str]:
    """The words of a column that stay out."""
    return frozenset(word for word, meaning in column.words.items() if meaning == LEFT_OUT)


def _kept(out: frozenset[str], parse: Callable[[str], tuple[str, ...]], cell: str) -> tuple[str, ...]:
    return tuple(part for part in parse(cell) if word_of(part) not in out) if out else parse(cell)


def _joined_text(file: DetectedFile, target: str, clean: Callable[[str], str], names: dict[str, object]) -> str:
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


def _status(file: DetectedFile, names: dict[str, object]) -> str:
    """The status of a row: the strongest no of all its columns, else what they say, else what is said of the file."""
    columns = [column for column in file.columns if is_worded(column.becomes) and _tells_status(column)]
    # Where a column tells it of everybody, a cell that says nothing is no yes.
    names["base"] = "nonsubscribed" if file.says_everything and not file.is_gone else file.status or ""
    gone = [
        (column, status)
        for target, status in (("left_time", "unsubscribed"), ("clean_time", "cleaned"))
        for column in _all(file, target)
        if file.status not in {status, "cleaned"}
    ]
    if not columns and not gone:
        return "base"
    claims = []
    for column in columns:
        by_tags = partial(_said_by_tags, cells.tags_of(column.form))
        readers_by_target: dict[str, Callable[..., str]] = {
            "tags": by_tags,
            "address": _said_aside,
            "group": _said_by_groups,
        }
        kind = readers_by_target.get(column.becomes.partition(":")[0], _said)
        words = {word: "" if meaning == LEFT_OUT else meaning for word, meaning in column.words.items()}
        names[f"status{column.index}"] = cells.ColumnCache(partial(kind, words, file.is_gone))
        claims.append(f"status{column.index}[{_cell(column, names)}]")
    names["is_said"] = is_said
    claims += [f'("{status}" if is_said(row[{column.index}]) else "")' for column, status in gone]
    # A file of people who left, or who never agreed, holds nobody else; what was said of the others counts last.
    weighs = file.status_source in {"name", "columns"} and file.status not in {None, "subscribed"}
    names["strongest"] = _strongest
    return f"strongest({', '.join([*claims, 'base'] if weighs or file.is_gone else claims)})" + (
        "" if weighs or file.is_gone else " or base"
    )


def _tells_status(column: ImportColumn) -> bool:
    """Not by words of which each is nothing or stays out, where all others are nothing as well."""
    return bool(column.words) and (column.becomes == "status" or not {*column.words.values()} <= {"", LEFT_OUT})


def _said(words: dict[str, str], gone: bool, cell: str) -> str:
    """`gone`: the file is of people who left, so that a word nobody explained changes nothing."""
    word = word_of(cell)
    meaning = words.get(word)
    if meaning is None and not word:
        meaning = "nonsubscribed" if "subscribed" in words.values() else ""
    if meaning is None:
        meaning = words.get(OTHERS, UNSAID)
    if meaning == UNSAID:
        if gone:
            return ""
        raise UnknownStatus(cell.strip())
    return meaning


def _said_by_tags(parse: Callable[[str], tuple[str, ...]], words: dict[str, str], gone: bool, cell: str) -> str:
    return _strongest(*[_said(words, gone, tag) for tag in parse(cell)])


def _said_by_groups(words: dict[str, str], gone: bool, cell: str) -> str:
    return _strongest(*[_said(words, gone, group) for group in cells.groups(cell)])


def _said_aside(words: dict[str, str], gone: bool, cell: str) -> str:
    return _said(words, gone, aside(cell))


def is_said(cell: str) -> bool:
    """Whether a column of days of leaving names one; the empty days of databases are none."""
    return bool(cell) and bool(cell.strip()) and word_of(cell) not in NO and not is_zero(cell)


def _strongest(*claims: str) -> str:
    """Whoever is named as gone by any column is gone (design.md: an import never weakens a suppression)."""
    return min((claim for claim in claims if claim), key=STRENGTH.index, default="")
