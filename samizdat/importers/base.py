"""What an importer must be able to do, and which one reads what was given. Its values are in core/imports.py."""

from collections.abc import Iterable, Iterator
from typing import Protocol

from samizdat.core.imports import START, DetectedFiles, ImportBatch, ImportPlan, Position
from samizdat.importers.reading.files import GivenFile
from samizdat.importers.reading.text import TextTable


class Importer(Protocol):
    """What the class of a file in `services` offers."""

    name: str
    title: str  # the service as people call it; "" for lists from anywhere

    def looks_like(self, name: str, sheet: TextTable) -> bool: ...

    def inspect(self, given: GivenFile, *, thorough: bool = True) -> DetectedFiles: ...

    def read(
        self, given: GivenFile, plan: ImportPlan, start: Position = START, size: int = 5_000
    ) -> Iterator[ImportBatch]: ...


def choose(given: GivenFile, importers: Iterable[Importer]) -> Importer:
    """The first importer that knows one of the files. The one named "csv" takes everything, so it asks last.

    Mailchimp's asks first: nobody else's names and columns are as plain as its.
    """
    candidates = sorted(importers, key=lambda importer: (importer.name == "csv", importer.name != "mailchimp"))
    for importer in candidates[:-1]:
        if any(importer.looks_like(name, sheet) for name, sheet in given.sheets()):
            return importer
    return candidates[-1]
