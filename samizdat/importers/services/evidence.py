"""What old mailboxes say (incoming/evidence/proposal.py): our own table, one row an address, with what proves it.

Those of whom nothing proves a yes stand in a second file, which no plan uses unless a person says so; even then they
have no consent.
"""

from samizdat.core.imports import DetectedFile, Problem
from samizdat.importers.reading.text import TextTable
from samizdat.importers.service_tables import Service, meaning


class EvidenceImporter(Service):
    """The proposal of `samizdat rescue mailbox`."""

    name = "evidence"
    title = ""
    columns = {
        "Email address": ("address", ""),
        "Agreed": ("opt_in_time", ""),
        "Left": ("left_time", ""),
        "Bounced": ("clean_time", ""),
        "Evidence": ("notes", ""),
        "Tags": ("tags", ""),
        "Record": ("out", ""),
    }
    words = {
        "Status": meaning(
            subscribed="subscribed",
            unsubscribed="unsubscribed",
            cleaned="cleaned",
            complained="complained",
            nonsubscribed="excluded,doubtful,unproven,listed,wrote",
        )
    }

    def knows(self, labels: set[str], sheet: TextTable) -> bool:
        return {"emailaddress", "status", "evidence", "bounced"} <= labels

    def _known(self, sheet: TextTable | Problem) -> frozenset[str]:
        """The evidence speaks of leaving, and the status says what follows."""
        return super()._known(sheet) | {"evidence"}

    def status_of(self, file: DetectedFile) -> DetectedFile:
        detected = super().status_of(file)
        detected.use = detected.name != LEFT_OUT
        return detected


# The file of those who are left out, as proposal.py calls it.
LEFT_OUT = "left-out.csv"
