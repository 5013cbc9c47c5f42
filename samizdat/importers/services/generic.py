"""Any other list of people: CSV files of every service and hand, by what their columns are called and hold.

Nothing here is certain, so all of it is shown before anything is written and can be changed there. What we guess
wrong must be harmless: an unknown column becomes a sealed field, whoever is named as gone by any column is gone.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from samizdat.core.imports import (
    COMPLAINED,
    START,
    STATUSES,
    DetectedFile,
    DetectedFiles,
    ImportBatch,
    ImportColumn,
    ImportPlan,
    Position,
    Problem,
)
from samizdat.importers.reading import labels, questions, sentences, slices
from samizdat.importers.reading.detect import column_of, detect_file, new_fields
from samizdat.importers.reading.files import GivenFile
from samizdat.importers.reading.mailboxes import ADDRESS
from samizdat.importers.reading.text import TextTable
from samizdat.importers.services.mailchimp import NAMED

# In this order, and each once: "subscribed" as a label is a date or a yes, which the cells decide.
SINGLE = (
    ("confirm_time", labels.CONFIRM),
    ("left_time", labels.LEFT),
    ("last_changed", labels.CHANGED),
    ("opt_in_time", labels.OPT_IN),
    ("language", labels.LANGUAGE),
)
SEVERAL = (("tags", labels.TAGS), ("notes", labels.NOTES), ("left_reason", labels.LEFT_REASON))

# "unsubscribe-page-visitors.csv" is not a list of people who left, or it is: a person says.
ABOUT_ELSE = re.compile(
    r"\b(?:pages?|visitors?|visits?|forms?|links?|clicks?|surveys?|landing|polls?|reasons?|tests?|events?|"
    r"seite|besucher|formular|umfrage|page|visiteurs|sondage|страниц\w*|посетител\w*|форм\w*|опрос\w*|сторінк\w*)\b"
)


class CsvImporter:
    """A list of people as CSV, TSV or one address a line, from anywhere."""

    name = "csv"
    title = ""

    def looks_like(self, name: str, sheet: TextTable) -> bool:
        """Whether a column holds addresses."""
        return holds_addresses(sheet)

    def inspect(self, given: GivenFile, *, thorough: bool = True) -> DetectedFiles:
        tagger = labels.Tagger()
        files: list[DetectedFile] = []
        problems = list(given.problems)
        for index in range(len(given.members)):
            detected_file, more = detect_file(given, index, lambda sheet: columns(sheet, tagger), thorough=thorough)
            problems += more
            if detected_file:
                files.append(with_status(detected_file))
        problems = without_other_sheets(given, files, problems)
        if not files and not any(problem.stops for problem in problems):
            problems.append(Problem("no_files", ""))
        files.sort(key=lambda file: STATUSES.index(file.status or "subscribed"))
        return DetectedFiles(self.name, files, problems)

    def read(
        self, given: GivenFile, plan: ImportPlan, start: Position = START, size: int = 5_000
    ) -> Iterator[ImportBatch]:
        """The rows of a plan, in slices; see `slices.read`."""
        return slices.read(given, plan, start, size)


def holds_addresses(sheet: TextTable) -> bool:
    return _address_column(sheet) is not None


def without_other_sheets(given: GivenFile, files: list[DetectedFile], problems: list[Problem]) -> list[Problem]:
    """A workbook may hold sheets without people beside the one with them: those are left out, and said to be."""
    books = {member.name for member in given.members if member.of_book}
    if not files:
        return problems
    return [
        Problem("no_people_sheet", problem.file, stops=False)
        if problem.code == "no_address_column" and problem.file in books
        else problem
        for problem in problems
    ]


def with_status(file: DetectedFile) -> DetectedFile:
    """A list says nothing about status as a rule: then "subscribed" is assumed, and said to be.

    Its name is believed when it says no; "list-subscribed-since-2019.csv" is nobody's yes.
    """
    claimed = _claimed(file.name)
    if claimed is None:
        questions.doubt(file)
    if file.says_everything:
        file.status, file.status_source = claimed or "subscribed", "name" if claimed else "columns"
    elif claimed and ABOUT_ELSE.search(sentences.spaced(file.name.rsplit("/", 1)[-1])):
        file.status, file.status_source = None, "hinted"
    elif claimed:
        file.status, file.status_source = claimed, "name"
    else:
        file.status, file.status_source = "subscribed", "assumed"
    return file


def _claimed(name: str) -> str | None:
    """The status that the name of a file, its folders or its sheet says; what says no of them counts."""
    base = name.rsplit("/", 1)[-1]
    claimed = next((status for pattern, status in NAMED if pattern.search(base)), None)
    if claimed is not None and claimed != "subscribed":
        return claimed
    # Of what was given itself, a zip or a workbook, the name is not here: folders and sheets inside of it are.
    # ("invalid" is as often said of a file as of the addresses in it.)
    parts = [PurePosixPath(part).stem for part in name.split("/") if "invalid" not in part.lower()]
    matches = [sentences.saying_of(part) for part in parts]
    gone = [
        match.yes for match in matches if match.kind == "gone" and match.yes in {"unsubscribed", "cleaned", COMPLAINED}
    ]
    statuses = ["unsubscribed" if status == COMPLAINED else status for status in gone]
    return min(statuses, key=STATUSES.index, default=None)


def columns(
    sheet: TextTable, tagger: labels.Tagger, known: Mapping[int, tuple[str, str, Mapping[str, str]]] | None = None
) -> list[ImportColumn]:
    """What each column becomes. `known`: what a service's own importer knows of some, as (target, why, words)."""
    known = known or {}
    address = next((index for index, definition in known.items() if definition[0] == "address"), None)
    address = _address_column(sheet) if address is None else address
    targets: dict[int, tuple[str, str]] = {} if address is None else {address: ("address", "")}
    targets |= {index: (target, why) for index, (target, why, _) in known.items()}
    words: dict[int, dict[str, str]] = {index: dict(meanings) for index, (_, _, meanings) in known.items() if meanings}
    for index in range(len(sheet.heading)):
        if index in targets:
            continue
        if target := _known(sheet, index, {target for target, _ in targets.values()}):
            targets[index] = target
    rest = [index for index in range(len(sheet.heading)) if index not in targets]
    targets |= {index: (target, "") for index, target in new_fields(sheet, rest, tagger).items()}
    import_columns = [column_of(sheet, index, *targets[index]) for index in range(len(sheet.heading))]
    for index, meanings in words.items():
        import_columns[index].words = meanings
    return import_columns


def _address_column(sheet: TextTable) -> int | None:
    """By label if its cells do not contradict, else the column where most cells are addresses."""
    shares = [_share_of_addresses(sheet, index) for index in range(len(sheet.heading))]
    called = [index for index, label in enumerate(sheet.heading) if labels.plain(label) in labels.ADDRESS]
    for index in called:
        if not sheet.cells(index) or shares[index] >= 0.2:
            return index
    best = max(range(len(shares)), key=shares.__getitem__)
    return best if shares[best] >= 0.5 else None


def _share_of_addresses(sheet: TextTable, index: int) -> float:
    cells = sheet.cells(index)
    return sum(1 for cell in cells if ADDRESS.search(cell)) / len(cells) if cells else 0.0


def _known(sheet: TextTable, index: int, taken: set[str]) -> tuple[str, str] | None:
    """What a label says about its column: a time, tags, a name, something to leave out. None: a field."""
    key = labels.plain(sheet.heading[index])
    for target, known in SINGLE:
        if key in known and target not in taken:
            return target, ""
    for target, known in SEVERAL:
        if key in known:
            return target, ""
    if why := labels.why_out(sheet.heading[index]):
        return "out", why
    if key in labels.FULL_NAME and "name" not in taken:
        names = {labels.standard_field(label) for label in sheet.heading} & {"FNAME", "LNAME"}
        if not names:
            return "name", ""
        if (
            names == {"LNAME"} and "field:FNAME" not in taken
        ):  # Beside a last name it is the first one, as MailerLite's.
            return "field:FNAME", ""
    return None
