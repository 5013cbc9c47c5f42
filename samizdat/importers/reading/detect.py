"""What importers share when they look at files: scan, sample, and say what seems wrong with the cells."""

import re
from collections.abc import Callable, Iterable

from samizdat.core.imports import DELIMITERS, TIMES, DetectedFile, ImportColumn, ImportFailed, Problem
from samizdat.importers.reading import labels, questions, times
from samizdat.importers.reading.files import GivenFile
from samizdat.importers.reading.text import TextTable

SHORTENED = re.compile(r"\d[.,]\d+E\+\d+", re.IGNORECASE)
EXAMPLE = 60  # characters shown of an example

type Guess = Callable[[TextTable], list[ImportColumn]]


def detect_file(
    given: GivenFile, index: int, guess: Guess, *, thorough: bool, known: frozenset[str] = frozenset()
) -> tuple[DetectedFile | None, list[Problem]]:
    """A member as a file of subscribers (status still open), and what to know about it.

    `known`: labels (plain) of columns that the service itself explains.

    `thorough` reads it to its end, so that a torn zip or another encoding is known before anything is written.
    """
    member = given.members[index]
    sheet, breaks = given.sheet(index), 0
    file, seen = None, None
    if thorough and isinstance(sheet, TextTable):
        try:
            if known and not member.counting and _is_plainly_headed(sheet):
                file = _file_of(given, index, sheet, guess)
            if file:
                seen, writing = questions.count_and_scan(given, file, known)
            else:
                writing = given.scan(index)
        except ImportFailed as failed:
            return None, [Problem(failed.code, member.name, failed.values)]
        if writing.mixed:
            return None, [Problem("mixed_encodings", member.name, {"encoding": _spoken(writing.encoding)})]
        breaks = writing.line_breaks
        if writing.encoding != sheet.encoding:
            sheet, file, seen = given.reglance(index, writing.encoding), None, None
        sure = writing.sure
    if isinstance(sheet, Problem):
        return None, [sheet]
    if _is_our_table(sheet):
        return None, [Problem("own_table", member.name)]
    file = file or _file_of(given, index, sheet, guess)
    if file is None:
        return None, [Problem("no_address_column", member.name)]
    file.about_rows = max(breaks - sheet.skip, len(sheet.rows))
    try:
        if seen is None:
            seen = questions.count(given, file, sheet, known, thorough=thorough)
        questions.settle(file, seen, known)
    except ImportFailed as failed:
        return None, [Problem(failed.code, member.name, failed.values)]
    with_forms(file.columns, sheet)
    return file, warnings(file, sheet, sure=sure if thorough else sheet.sure)


def _is_plainly_headed(sheet: TextTable) -> bool:
    """Whether its columns are the same in whatever encoding the rest of it turns out to be, so that it is read once."""
    return sheet.delimiter in DELIMITERS and "".join(sheet.heading).isascii() and not _is_our_table(sheet)


def _file_of(given: GivenFile, index: int, sheet: TextTable, guess: Guess) -> DetectedFile | None:
    """None where no column has addresses."""
    member, columns = given.members[index], with_forms(guess(sheet), sheet)
    if not any(column.becomes == "address" for column in columns):
        return None
    return DetectedFile(
        name=member.name,
        member=index,
        status=None,
        status_source="asked",
        encoding=sheet.encoding,
        delimiter=sheet.delimiter,
        columns=columns,
        size=member.size,
        skip=sheet.skip,
    )


def _is_our_table(sheet: TextTable) -> bool:
    """The CSV or workbook of an export of ours (portability/flat_table): a status for each list, and a stop list, in
    columns that no importer reads. With one status for all, everybody who left would be back, and the planted one in.
    """
    labels_ = [label.strip() for label in sheet.heading]
    return labels_[:1] == ["Email address"] and labels_[-5:] == ["Tags", "Suppressed", "Joined", "Consent", "Notes"]


def column_of(sheet: TextTable, index: int, becomes: str, why: str = "") -> ImportColumn:
    """A column with its label and the first cell that holds something."""
    example = next(iter(sheet.cells(index)), "")
    return ImportColumn(index, sheet.heading[index].strip(), example[:EXAMPLE], becomes, why)


def with_forms(columns: list[ImportColumn], sheet: TextTable) -> list[ImportColumn]:
    """Settle the order of day and month of every column of dates, all times of a file alike if one tells."""
    dated = [column for column in columns if column.becomes in TIMES]
    orders = [times.order_of(sheet.cells(column.index)) for column in dated]
    order = "dmy" if "dmy" in orders else next(filter(None, orders), "")
    for column in dated:
        column.form = order
    for column in columns:
        if column.becomes == "field:BIRTHDAY":
            column.form = times.order_of(sheet.cells(column.index))
    return columns


def warnings(file: DetectedFile, sheet: TextTable, *, sure: bool) -> list[Problem]:
    """What does not stop a file but should be seen: guessed encoding, spoilt numbers, unreadable times."""
    problems = []
    if not sheet.rows and not file.about_rows:  # a first row with a cell past the limit is in no sample
        problems.append(Problem("no_rows", file.name, stops=False))
    if not sure:
        problems.append(Problem("assumed_encoding", file.name, {"encoding": _spoken(file.encoding)}, stops=False))
    for column in file.columns:
        cells = sheet.cells(column.index)
        if column.becomes.startswith("field:"):
            problems += _complain(file, column, "short_numbers", filter(SHORTENED.fullmatch, cells))
        if column.becomes in TIMES:
            unread = [cell for cell in cells if not times.when(cell, column.form)]
            if len(unread) * 10 > len(cells):
                problems += _complain(file, column, "unread_times", unread)
    return problems


def _spoken(encoding: str) -> str:
    return encoding.replace("cp125", "Windows-125")


def new_fields(sheet: TextTable, indexes: Iterable[int], tagger: labels.Tagger) -> dict[int, str]:
    """Targets for columns that become fields: a standard one once, a new one for everything else."""
    counts = labels.occurrences(sheet.heading)
    targets: dict[int, str] = {}
    for index in indexes:
        standard = f"field:{labels.standard_field(sheet.heading[index])}"
        if standard == "field:" or standard in targets.values():
            standard = f"field:{tagger.tag(sheet.heading[index], counts[index])}"
        targets[index] = standard
    return targets


def _complain(file: DetectedFile, column: ImportColumn, code: str, cells: Iterable[str]) -> list[Problem]:
    example = next(iter(cells), None)
    if example is None:
        return []
    values = {"label": column.label, "example": example[:EXAMPLE]}
    return [Problem(code, file.name, values, stops=False)]
