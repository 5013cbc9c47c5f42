"""What address books share: nobody in them agreed to anything by being there, and most of what they hold is not needed.

Names, languages and labels come in. Telephones, postal addresses, birthdays and notes stay out unless a person matches
them with a field; they are looked through all the same, for a note may say that somebody wants no email.
"""

from typing import ClassVar

from samizdat.core.imports import LISTED, DetectedFile, ImportColumn, Problem
from samizdat.importers.reading import labels
from samizdat.importers.reading.text import TextTable
from samizdat.importers.service_tables import Service

NAMES = frozenset({"field:FNAME", "field:LNAME"})


class AddressBookService(Service):
    """An address book. `listed`: several addresses or tags of one cell are parted otherwise than by commas."""

    listed: ClassVar[bool] = True

    def more(self, files: list[DetectedFile]) -> list[Problem]:
        return [Problem("address_book", file.name, stops=False) for file in files]

    def _columns(self, sheet: TextTable, tagger: labels.Tagger) -> list[ImportColumn]:
        columns = super()._columns(sheet, tagger)
        for column in columns:
            if (column.becomes.startswith("field:") and column.becomes not in NAMES) or column.becomes == "notes":
                column.becomes, column.why = "out", "unneeded" if column.example else ""
            elif column.becomes in {"address", "tags"} and self.listed:
                column.form = LISTED
        return columns
