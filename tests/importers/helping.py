"""How the tests of importers hand over a file and read it whole."""

import csv
import io
import zipfile
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from samizdat import plugins
from samizdat.core.imports import START, DetectedFiles, ImportPlan, IncomingRow, Position, RowError
from samizdat.importers.base import choose
from samizdat.importers.reading.files import FileLimits, GivenFile, Source, open_given
from samizdat.importers.services import mailchimp

SAMPLES = Path(__file__).parent.parent / "payloads" / "subscribers-csv"
IMPORTERS = (
    mailchimp.MailchimpImporter(),
    *(plug() for name, plug in plugins.importers().items() if name != "mailchimp"),
)

SYSTEM = "MEMBER_RATING,OPTIN_TIME,OPTIN_IP,CONFIRM_TIME,CONFIRM_IP,LATITUDE,LONGITUDE,GMTOFF,DSTOFF,TIMEZONE,CC,REGION"
HEADING = f"Email Address,First Name,Last Name,{SYSTEM},LAST_CHANGED,LEID,EUID,NOTES,TAGS"
UNSUB_HEADING = HEADING.replace(
    "LAST_CHANGED", "UNSUB_TIME,UNSUB_CAMPAIGN_TITLE,UNSUB_CAMPAIGN_ID,UNSUB_REASON,UNSUB_REASON_OTHER"
)
WIDTH = 20


def row(address: str, first: str = "", last: str = "", **named: str) -> list[str]:
    """Cells of one contact under HEADING."""
    cells = dict.fromkeys(HEADING.split(","), "") | {"OPTIN_TIME": "2018-02-05 19:28:23"} | named
    cells |= {"Email Address": address, "First Name": first, "Last Name": last}
    return list(cells.values())


def csv_bytes(rows: Iterable[Sequence[str]], heading: str = HEADING, delimiter: str = ",", **more: str) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, lineterminator=more.get("lineterminator", "\n"))
    writer.writerows([heading.split(","), *rows])
    return out.getvalue().encode(more.get("encoding", "utf-8"))


def zipped(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as box:
        for name, content in files.items():
            box.writestr(name, content)
    return out.getvalue()


def named(name: str, content: bytes) -> tuple[str, io.BytesIO]:
    return name, io.BytesIO(content)


class Whole:
    """What came of things when everything is read at once."""

    def __init__(
        self, found: DetectedFiles, plan: ImportPlan, incoming: list[IncomingRow], complaints: list[RowError]
    ) -> None:
        self.found = found
        self.plan = plan
        self.incoming = incoming
        self.complaints = complaints

    @property
    def counts(self) -> dict[str, int]:
        return dict(Counter(person.status for person in self.incoming))

    @property
    def addresses(self) -> list[str]:
        return [person.address for person in self.incoming]

    @property
    def codes(self) -> list[str]:
        return [complaint.code for complaint in self.complaints]

    @property
    def problems(self) -> list[str]:
        return [problem.code for problem in self.found.problems]

    def fields(self, index: int = 0) -> dict[str, str]:
        pairs = zip(self.plan.layout(), self.incoming[index].fields, strict=True)
        return {tag: value for tag, value in pairs if value}


def inspect(*things: Source, limits: FileLimits | None = None, thorough: bool = True) -> DetectedFiles:
    with open_given(things, limits or FileLimits()) as given:
        return choose(given, IMPORTERS).inspect(given, thorough=thorough)


def read(*things: Source, status: str = "", start: Position = START, size: int = 5_000) -> Whole:
    with open_given(things) as given:
        importer = choose(given, IMPORTERS)
        found = importer.inspect(given)
        plan = found.plan()
        agree(plan)
        if status:
            plan = plan.with_status(status)
        return read_plan(given, found, plan, start, size)


def agree(plan: ImportPlan) -> None:
    """Says of every column that it means what was guessed, as the form of the desk does when it is sent as it is."""
    for column in (column for file in plan.files for column in file.columns):
        column.asks = ""
    plan.ask_again()


def read_plan(
    given: GivenFile, found: DetectedFiles, plan: ImportPlan, start: Position = START, size: int = 5_000
) -> Whole:
    batches = list(choose(given, IMPORTERS).read(given, plan, start, size)) if plan.files else []
    incoming = [person for batch in batches for person in batch.incoming]
    complaints = [complaint for batch in batches for complaint in batch.complaints]
    return Whole(found, plan, incoming, complaints)
