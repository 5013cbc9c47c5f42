"""Sendy: one CSV for each status, or for everybody, without a heading: name, address, then the list's own fields.

The status stands in the name of the file alone (its code: `includes/subscribers/export-csv.php`, version 2). The file
of everybody has those who left among the others, and nothing that tells them apart.
"""

import re
from pathlib import PurePosixPath

from samizdat.core.imports import DetectedFile
from samizdat.importers.reading.mailboxes import ADDRESS
from samizdat.importers.reading.text import TextTable
from samizdat.importers.service_tables import Service

STATUS = {
    "active": "subscribed",
    "unconfirmed": "pending",
    "unsubscribed": "unsubscribed",
    "bounced": "cleaned",
    "marked-as-spam": "unsubscribed",
}
# A browser that has such a file already writes a number behind the name.
NAMED = re.compile(rf"-({'|'.join(STATUS)}|all)(?: ?\(\d+\))?\.csv", re.IGNORECASE)


class SendyImporter(Service):
    """Sendy's subscribers."""

    name = "sendy"
    title = "Sendy"
    where = "View all lists → a list → each status → Export"
    columns = {"column 1": ("name", ""), "column 2": ("address", "")}

    def looks_like(self, name: str, sheet: TextTable) -> bool:
        return bool(NAMED.search(name)) and self.knows(set(), sheet)

    def knows(self, labels: set[str], sheet: TextTable) -> bool:
        """Second are addresses, and first are none."""
        if sheet.heading[:2] != ["Column 1", "Column 2"]:
            return False
        first, second = sheet.cells(0), sheet.cells(1)
        return all(map(ADDRESS.search, second)) and bool(second) and not any(map(ADDRESS.search, first))

    def status_of(self, file: DetectedFile) -> DetectedFile:
        match = NAMED.search(PurePosixPath(file.name).name)
        word = match[1].lower() if match else "all"
        file.status = STATUS.get(word)
        file.status_source = "name" if file.status else "asked"
        return file
