"""What is sealed of an import of a whole account."""

from msgspec import Struct

from samizdat.audience.imports.documents import COPIED, open_document
from samizdat.audience.models import Import
from samizdat.core.account_export import AccountContents

# Its export, and its standing copy.
SOURCE, COPY = "mailchimp-account", COPIED
SOURCES = (SOURCE, COPY)


class FoundAudience(Struct, frozen=True):
    """`rows` and `statuses`: as the files have them, whoever is here. At the end, `import_id`: the import of its
    subscribers. `deleted`: of a copy, how many the service no longer has, and none of whom said no. `unticked`:
    how many are subscribed and ticked none of what they were asked to agree to."""

    key: str
    list_name: str
    rows: int = 0
    statuses: dict[str, int] = {}
    import_id: int = 0
    deleted: int = 0
    unticked: int = 0


class AccountReport(Struct, frozen=True):
    """What was found: `contents` None until it was looked through. `sentence`: of one that failed. At the end, what
    could not be read and why (`refused`), and how many images are shown from the service's servers (`elsewhere`).
    `service`: as people call it."""

    contents: AccountContents | None = None
    audiences: list[FoundAudience] = []
    warnings: list[str] = []
    sentence: str = ""
    refused: list[tuple[str, str]] = []
    elsewhere: int = 0
    service: str = "Mailchimp"


def read_report(row: Import) -> AccountReport:
    return open_document(row, "report", AccountReport) if row.report_sealed else AccountReport()
