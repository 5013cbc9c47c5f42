"""Logs of forms, old tables and workbooks: what each row says of an address, beside what mailboxes say.

They are read as an import reads them, by the process that has no keys. Of a row only the address, what it says of
their status and its days are taken: no name, no IP address, and nothing of gifts. Nobody is asked what a column means:
a word that nobody knows is a doubt, and a yes counts only where a column plainly says it.
"""

import re
import zipfile
from collections.abc import Iterator, Sequence
from datetime import date
from itertools import groupby
from pathlib import Path, PurePath
from typing import IO, NamedTuple

from msgspec.structs import replace

from samizdat import plugins
from samizdat.audience.errors import ImportRefused
from samizdat.audience.imports import inspect
from samizdat.audience.imports.inspect import ImportFile, UploadedFile
from samizdat.audience.imports.preview import make_order, refused
from samizdat.audience.imports.reading.parse import NoAddresses, ReadRow, ReadSlice
from samizdat.audience.imports.reading.subprocess_reader import BadFiles, ReaderProcess, ReadingBroke
from samizdat.core import consent, mail_archive, zip_limits
from samizdat.core.crypto import seal
from samizdat.core.evidence.fold import AddressStatus, Fold, RowEvidence
from samizdat.core.evidence.log_lines import read_lines
from samizdat.core.evidence.versions import UNKNOWN, written_in
from samizdat.core.imports import (
    EMPTY,
    LEFT_OUT,
    OTHERS,
    PRIVATE,
    SUPPRESSING,
    TIMES,
    UNSAID,
    DetectedFile,
    ImportColumn,
    ImportPlan,
    Problem,
    is_worded,
)
from samizdat.incoming.evidence.archives import MOST_DIRECTORY, SUFFIXES

TABLES = (".csv", ".tsv", ".tab", ".xlsx", ".xlsm", ".ods", ".json", ".jsonl", ".vcf")
LINES = (".log", ".txt")
# What a row may say that we never write: it stands for a doubt while a table is read.
DOUBT = "pending"
_STATUSES = consent.STATUSES
_YESES = frozenset(map(consent.KINDS.index, ("given", "confirmed")))
_NOES = frozenset(map(consent.KINDS.index, ("withdrawn", "cleaned")))
# Labels (plain) that a plug-in for forms writes: Gravity Forms, Tilda, Contact Form 7 with Flamingo, Google Forms.
FORMS = (
    frozenset({"entryid", "entrydate"}),
    frozenset({"tranid", "formid"}),
    frozenset({"youremail"}),
    frozenset({"timestamp"}),
    frozenset({"отметкавремени"}),
)
# Columns of a log without a heading, and filled columns of payments that make a file a list of gifts.
MOST_BARE, OF_PAYMENTS = 4, 3
_FORM_NAME = re.compile(r"form|форм|submission|entries|leads|responses|заявк|ответ|анкет", re.IGNORECASE)
_NEWSLETTER = re.compile(r"newsletter|mailing|subscri|рассылк|розсилк|подпис|підпис", re.IGNORECASE)
_STATUS_LABELS = frozenset({"status", "state", "subscriptionstatus", "emailstatus", "subscriberstatus", "статус"})
_DATE = re.compile(r"\s*(?:\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{4})\b")
BLOCK = 1 << 20


class TableFile(NamedTuple):
    """`given`: a path, or an upload by its pieces."""

    name: str
    given: ImportFile


def is_table(name: str, file: IO[bytes]) -> bool:
    """Whether it's read as rows; all else is read as emails. The file is back at its beginning then."""
    suffix = PurePath(name).suffix.lower()
    head = file.read(4096)
    file.seek(0)
    if suffix in TABLES:
        return True
    if head.startswith(b"PK") and suffix == ".zip":
        return not _holds_emails(file)
    return suffix in LINES and not mail_archive.is_mbox(head)


def of_paths(paths: Sequence[Path]) -> tuple[list[Path], list[TableFile]]:
    """What holds emails, and what holds rows; of a folder the tables beside its emails. Errors: OSError."""
    emails, tables = list[Path](), list[TableFile]()
    for path in paths:
        if path.is_dir():
            emails.append(path)
            inner = sorted(entry for entry in path.rglob("*") if entry.suffix.lower() in TABLES and entry.is_file())
            tables += [TableFile(entry.name, entry) for entry in inner]
            continue
        with path.open("rb") as file:
            if is_table(path.name, file):
                tables.append(TableFile(path.name, path))
            else:
                emails.append(path)
    return emails, tables


def read(fold: Fold, tables: Sequence[TableFile], *, signs_up: bool, today: date) -> list[Problem]:
    """Adds what tables say; what a person should know of them. signs_up: whoever filled in the forms subscribed by it.
    Errors: ImportRefused, for a damaged file: half a table would not show who left."""
    problems = [problem for table in tables for problem in _read(fold, table, signs_up=signs_up, today=today)]
    fold.compare_tables()
    return problems


def _read(fold: Fold, table: TableFile, *, signs_up: bool, today: date) -> list[Problem]:
    handed, piece = inspect.handed([table.given]), inspect.pieces_of([table.given])
    try:
        detection = inspect.found_in(handed, None, piece, thorough=True)
    except ImportRefused:
        if PurePath(table.name).suffix.lower() in LINES and _add_lines(fold, table, signs_up=signs_up):
            return []
        raise
    for problem in detection.problems:
        if problem.stops:
            raise ImportRefused(problem.code, problem.sentence(), dict(problem.values))
    files = [_SettledTable(file, table.name, signs_up=signs_up) for file in detection.files]
    kept = [file for file in files if not file.is_register]
    plan = ImportPlan(detection.source, [file.file for file in kept])
    problems = [Problem("table_givers", file.name, stops=False) for file in files if file.is_register]
    shown = ImportPlan(detection.source, [file.given for file in kept])
    problems += [problem for problem in shown.said_out() if problem.code in {f"out_{why}" for why in PRIVATE}]
    if kept:
        fields = {tag: seal.FIRST_FIELD + number for number, tag in enumerate(plan.layout())}
        order = make_order(plan, handed, fields, today.isoformat())
        _add_rows(fold, table.name, kept, ReaderProcess(order, piece, here=True))
    return problems


def _add_rows(fold: Fold, name: str, tables: Sequence["_SettledTable"], reading: ReaderProcess) -> None:
    by_place = [*ImportPlan("", [table.file for table in tables]).in_order()]
    try:
        with reading as slices:
            for place, parts in groupby(slices, key=lambda part: part.file):
                table = next(table for table in tables if table.file.member == by_place[place].member)
                rows = (row for part in parts for row in table.rows(part))
                fold.add_table(table.name, "form" if table.is_form else "list", table.written, rows)
    except (NoAddresses, BadFiles) as wrong:
        raise refused(wrong) from wrong
    except ReadingBroke as broke:
        sentence = Problem("costs_too_much", name).sentence()
        raise ImportRefused("costs_too_much", sentence, {"file": name}) from broke


class _SettledTable:
    """One table, whose columns all have a meaning now. `given`: as it was detected. `written`: by its name, or by that
    of what it came in."""

    def __init__(self, file: DetectedFile, outer: str, *, signs_up: bool) -> None:
        self.given, self.name = file, file.name
        self.written = written_in(file.name) if written_in(file.name) != UNKNOWN else written_in(outer)
        self.is_form = _is_form(file)
        self.is_register = _is_register(file)
        self._signs_up = signs_up
        columns = [_column(column, is_form=self.is_form) for column in file.columns]
        if self.is_form and not any(column.becomes in TIMES for column in columns):
            columns = _with_time(columns)
        asked = [column for column in columns if column.becomes == "status" and column.words]
        self._says_yes = any("subscribed" in column.words.values() for column in asked)
        has_time = any(column.becomes in {"opt_in_time", "confirm_time"} for column in columns)
        self.file = replace(file, columns=columns, status=self._status(file, has_time), status_source="asked", use=True)
        # Whether a row is only then subscribed where it says so itself.
        self._is_plain = self._says_yes and (
            self.file.status == "nonsubscribed" or not any("" in column.words.values() for column in asked)
        )

    def _status(self, file: DetectedFile, has_time: bool) -> str:
        """Of rows that say nothing of their own."""
        if file.status is None:
            return DOUBT  # A name such as "unsubscribe-page.csv", which may mean that they left.
        if file.status in SUPPRESSING:
            return file.status
        if self.is_form:
            return "nonsubscribed" if self._says_yes else "subscribed"
        return "subscribed" if has_time and file.status == "subscribed" else "nonsubscribed"

    def rows(self, part: ReadSlice) -> Iterator[RowEvidence]:
        complained = frozenset(part.complained)
        for row in map(ReadRow._make, part.rows):
            address = seal.unpack(row.plain)[seal.ADDRESS]
            yield self._row(address, "complained" if address in complained else "", row)

    def _row(self, address: str, known: AddressStatus | str, row: ReadRow) -> RowEvidence:
        status = _STATUSES[row.status]
        yes = _day(row, _YESES)
        if known or status in ("unsubscribed", "cleaned"):
            no: AddressStatus = "complained" if known else "unsubscribed" if status == "unsubscribed" else "cleaned"
            return self._at(address, no, _day(row, _NOES))
        if status == DOUBT:
            return self._at(address, "doubtful", "")
        if status != "subscribed":
            return self._at(address, "wrote" if self.is_form else "listed", "")
        if self.is_form:
            return self._at(address, "subscribed" if self._signs_up or self._says_yes else "wrote", yes)
        return self._at(address, "subscribed" if yes or self._is_plain else "listed", yes)

    def _at(self, address: str, status: AddressStatus, day: str) -> RowEvidence:
        return RowEvidence(address, status, *((day, day) if day else self.written))


def _day(row: ReadRow, kinds: frozenset[int]) -> str:
    """The last day that the table itself names."""
    return max((day for kind, day, is_ours, _words in row.facts if kind in kinds and not is_ours), default="")


def _is_form(file: DetectedFile) -> bool:
    """Whether it is the log of a form: by the columns of a plug-in, by its name, or days and addresses alone."""
    labels = {plugins.plain_label(column.label) for column in file.columns}
    if any(needed <= labels for needed in FORMS) or _FORM_NAME.search(file.name.rsplit("/", 1)[-1]):
        return True
    days = [column for column in file.columns if _DATE.match(column.example)]
    return not file.skip and len(file.columns) <= MOST_BARE and len(days) == 1


def _is_register(file: DetectedFile) -> bool:
    """Whether it lists gifts: columns of payments with something in them, and hardly another that matters."""
    gives = sum(column.why == "donations" and bool(column.example.strip(" 0.,")) for column in file.columns)
    return gives >= OF_PAYMENTS or (gives > 0 and not any(_is_status(column) for column in file.columns))


def _is_status(column: ImportColumn) -> bool:
    plain = plugins.plain_label(column.label)
    return column.becomes == "status" and (plain in _STATUS_LABELS or _NEWSLETTER.search(column.label) is not None)


def _column(column: ImportColumn, *, is_form: bool) -> ImportColumn:
    """As it counts when nobody is asked. A no that is written plainly counts; what only may be one is a doubt."""
    target = column.becomes
    if target in PRIVATE or (target not in TIMES | {"address", "status"} and not (is_worded(target) and column.words)):
        return replace(column, becomes="out", words={}, asks="")
    if not column.words:
        # A status without a word that anybody knows: all that stands there is a doubt.
        return replace(column, asks="", words={OTHERS: DOUBT, EMPTY: ""} if target == "status" else {})
    agrees = not column.asks or _is_status(column)
    words = {word: _meaning(meaning, column, agrees=agrees) for word, meaning in column.words.items()}
    if is_form and _NEWSLETTER.search(column.label):  # Whoever did not want it at a form has not left a list.
        words = {word: "nonsubscribed" if status == "unsubscribed" else status for word, status in words.items()}
    return replace(column, words=words, asks="")


def _meaning(meaning: str, column: ImportColumn, *, agrees: bool) -> str:
    if meaning in ("subscribed", "", LEFT_OUT, "nonsubscribed"):
        return meaning if agrees or meaning != "subscribed" else ""
    if meaning == "pending":
        return "nonsubscribed"
    is_guess = column.asks == "cells" and not _is_status(column)
    return DOUBT if meaning == UNSAID or is_guess else meaning


def _with_time(columns: list[ImportColumn]) -> list[ImportColumn]:
    """A log without a heading: its one column of days is when they filled in the form."""
    days = [column.index for column in columns if _DATE.match(column.example)]
    return [
        replace(column, becomes="opt_in_time", words={}, form="dmy") if [column.index] == days else column
        for column in columns
    ]


def _add_lines(fold: Fold, table: TableFile, *, signs_up: bool) -> int:
    """A log in which every line says it in its own way. How many lines say something."""
    rows = [*read_lines(_lines(table.given), signs_up=signs_up)]
    if rows:
        fold.add_table(table.name, "form", UNKNOWN, rows)
    return len(rows)


def _lines(given: ImportFile) -> Iterator[str]:
    held = b""
    for block in _blocks(given):
        *lines, held = (held + block).split(b"\n")
        yield from (line.decode("utf-8", "replace") for line in lines)
        held = held[:BLOCK]
    yield held.decode("utf-8", "replace")


def _blocks(given: ImportFile) -> Iterator[bytes]:
    if isinstance(given, UploadedFile):
        yield from (given.piece(0, number) for number in range(-(-given.size // inspect.HELD_PIECE)))
        return
    assert not isinstance(given, inspect.HeldUpload)
    with Path(given).open("rb") as file:
        while block := file.read(BLOCK):
            yield block


def _holds_emails(file: IO[bytes]) -> bool:
    """By the names in a zip, which stand at its end; a torn one is read as a mailbox, and refused there."""
    size = file.seek(0, 2)
    file.seek(max(0, size - zip_limits.TAIL))
    directory = zip_limits.directory_bytes(file.read())
    file.seek(0)
    if directory is None or directory > MOST_DIRECTORY:
        return True
    try:
        with zipfile.ZipFile(file) as box:
            names = [entry.filename.lower() for entry in box.infolist()]
    except (zipfile.BadZipFile, UnicodeDecodeError):
        return True
    finally:
        file.seek(0)
    return any(name.endswith(SUFFIXES) for name in names) or not any(name.endswith(TABLES) for name in names)
