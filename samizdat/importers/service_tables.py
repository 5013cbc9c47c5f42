"""What the importers of newsletter services share: a table of a service's columns and the words of its statuses.

A service's file holds tables alone. A column that it does not name is guessed as in any other list (generic.py), so
that fields of the organization's own come along.
"""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import PurePosixPath
from typing import ClassVar

from samizdat.core.imports import (
    DOCUMENT,
    EMPTY,
    GUARDED,
    OTHERS,
    START,
    STATUSES,
    TIMES,
    DetectedFile,
    DetectedFiles,
    ImportBatch,
    ImportColumn,
    ImportPlan,
    Position,
    Problem,
)
from samizdat.importers.reading import labels, slices
from samizdat.importers.reading.detect import detect_file
from samizdat.importers.reading.files import GivenFile
from samizdat.importers.reading.sentences import word_of
from samizdat.importers.reading.text import TextTable
from samizdat.importers.services import generic

type Words = Mapping[str, str]


def yes_no(yes: str, no: str) -> dict[str, str]:
    """Words of a column of yes and no, in the languages of labels.py. "": what is said of the whole file."""
    return dict.fromkeys(labels.YES, yes) | dict.fromkeys(labels.NO, no)


def meaning(**statuses: str) -> dict[str, str]:
    """Status -> its words, parted by commas; turned round, as in Column.words. `asked`: words that say nothing."""
    return {
        labels.plain(word): "" if status == "asked" else status
        for status, words in statuses.items()
        for word in words.split(",")
    }


def any_text(status: str) -> dict[str, str]:
    """Words of a column that is empty, or a no, unless `status` is the case: a reason, a code, a count."""
    return {OTHERS: status, EMPTY: "", **dict.fromkeys(labels.NO, ""), "-": ""}


def rule_of[T](rules: Mapping[str, T], label: str) -> T | None:
    """What a table says of a label: by its very name, else by the beginning of it."""
    key = _plain(label)
    by_name = next((rule for name, rule in rules.items() if name[-1:] != "*" and _plain(name) == key), None)
    if by_name is not None:
        return by_name
    return next((rule for name, rule in rules.items() if name[-1:] == "*" and key.startswith(_plain(name))), None)


@lru_cache(4096)
def _plain(label: str) -> str:
    """A heading is looked up in the table of every service."""
    return labels.plain(label)


class Service:
    """A newsletter service. What varies is in the class attributes; labels and words are compared by labels.plain.

    A label that ends in `*` stands for all that begin so, where no other is the very one.
    """

    name: ClassVar[str] = ""
    title: ClassVar[str] = ""
    where: ClassVar[str] = ""  # its menus on the way to the export, in their English words
    # Label -> what the column becomes, and a code of OUT_BECAUSE.
    columns: ClassVar[Mapping[str, tuple[str, str]]] = {}
    # Label of a column that tells the status -> its words.
    words: ClassVar[Mapping[str, Words]] = {}
    # Whether cells that look like formulas begin with an apostrophe.
    guarded: ClassVar[bool] = False
    # Labels of columns with JSON in them.
    documents: ClassVar[frozenset[str]] = frozenset()
    # "dmy" where a service always writes the day first, so that 4-5-2023 is no question.
    order: ClassVar[str] = ""

    def knows(self, labels: set[str], sheet: TextTable) -> bool:
        """Whether a file with these labels (plain) is of this service."""
        raise NotImplementedError

    def passes_over(self, name: str) -> bool:
        """Whether a file of the same export is about letters or their reading, by its name."""
        return False

    def status_of(self, file: DetectedFile) -> DetectedFile:
        """The status of a file whose columns do not tell it."""
        return generic.with_status(file)

    def more(self, files: list[DetectedFile]) -> list[Problem]:
        """What else should be known about these files."""
        return []

    def looks_like(self, name: str, sheet: TextTable) -> bool:
        """Its labels are not enough: somebody else's list with them says other things by other words."""
        return self._has_labels(name, sheet) and self._has_words(sheet)

    def _known(self, sheet: TextTable | Problem) -> frozenset[str]:
        """Labels that need no explaining. Tags and notes hold the organization's own words, which may say anything."""
        heading = sheet.heading if isinstance(sheet, TextTable) else []
        rules = {label: (rule_of(self.columns, label), rule_of(self.words, label)) for label in heading}
        return frozenset(
            labels.plain(label)
            for label, (rule, words) in rules.items()
            if words or (rule and rule[0] not in {"tags", "notes"})
        )

    def _has_labels(self, name: str, sheet: TextTable) -> bool:
        return not self.passes_over(name) and self.knows({labels.plain(label) for label in sheet.heading}, sheet)

    def _has_words(self, sheet: TextTable) -> bool:
        for index, label in enumerate(sheet.heading):
            words = rule_of(self.words, label)
            if words and OTHERS not in words and not all(word_of(cell) in words for cell in sheet.cells(index)):
                return False
        return True

    def inspect(self, given: GivenFile, *, thorough: bool = True) -> DetectedFiles:
        """The files of this service's people. Its other files are passed over; one given alone is taken as it is."""
        tagger = labels.Tagger()
        files: list[DetectedFile] = []
        problems = list(given.problems)
        reading = [member for member in given.members if self.passes_over(member.name)]
        for index in range(len(given.members)):
            if self._is_ours(given, index):
                detected_file, more = detect_file(
                    given,
                    index,
                    lambda sheet: self._columns(sheet, tagger),
                    thorough=thorough,
                    known=self._known(given.sheet(index)),
                )
                problems += more
                if detected_file:
                    self._settle_order(detected_file)
                    files.append(self.status_of(detected_file))
            elif self._has_others(given, index):
                problems.append(Problem("other_people", given.members[index].name, stops=False))
        problems = generic.without_other_sheets(given, files, problems)
        if reading:
            problems.append(Problem("reading_files", "", {"count": len(reading)}, stops=False))
        problems += self.more(files)
        if not files and not any(problem.stops for problem in problems):
            problems.append(Problem("no_files", ""))
        files.sort(key=lambda file: STATUSES.index(file.status or "subscribed"))
        return DetectedFiles(self.name, files, problems)

    def read(
        self, given: GivenFile, plan: ImportPlan, start: Position = START, size: int = 5_000
    ) -> Iterator[ImportBatch]:
        """The rows of a plan, in slices; see `slices.read`."""
        return slices.read(given, plan, start, size)

    def _has_others(self, given: GivenFile, index: int) -> bool:
        """People of another service, who must not be lost without a word."""
        name, sheet = given.members[index].name, given.sheet(index)
        return isinstance(sheet, TextTable) and not self.passes_over(name) and generic.holds_addresses(sheet)

    def _settle_order(self, file: DetectedFile) -> None:
        for column in file.columns:
            if self.order and column.becomes in TIMES:
                column.form = self.order

    def _is_ours(self, given: GivenFile, index: int) -> bool:
        """Damaged files are ours when their name says people: half an export would not see who left."""
        name, sheet = given.members[index].name, given.sheet(index)
        if len(given.members) == 1:
            return True
        if isinstance(sheet, Problem):
            return not self.passes_over(name) and PurePosixPath(name).suffix.lower() == ".csv"
        return self._has_labels(name, sheet)

    def _columns(self, sheet: TextTable, tagger: labels.Tagger) -> list[ImportColumn]:
        known: dict[int, tuple[str, str, Words]] = {}
        taken: set[str] = set()
        for index, label in enumerate(sheet.heading):
            words, rule = rule_of(self.words, label), rule_of(self.columns, label)
            if words:
                known[index] = ("status", "", words)
            elif rule and not (rule[0] in taken and rule[0] not in {"out", "tags", "notes", "left_reason"}):
                known[index] = (*rule, {})
                taken.add(rule[0])
        import_columns = generic.columns(sheet, tagger, known)
        for column in import_columns:
            if self.guarded:
                column.form = GUARDED
            elif column.label.lower() in self.documents:
                column.form = DOCUMENT
        return import_columns
