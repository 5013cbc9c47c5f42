"""What is sealed of an import that brings in an export of our own format."""

from datetime import date

from msgspec import Struct, field

from samizdat.audience.imports.documents import ImportDocument, open_document
from samizdat.audience.models import Import
from samizdat.portability.parts import setup

# Number in the file -> number here.
type Numbers = dict[int, int]


class RestoredNumbers(Struct, frozen=True):
    """Of lists, fields, tags and index keys."""

    lists: Numbers
    fields: Numbers
    tags: Numbers
    keys: Numbers


class WrappedKeys(Struct, frozen=True):
    """The keys of a file, wrapped by an admin's press on that day (UTC): "kind:number" -> hex."""

    day: date
    keys: dict[str, str]


class RestoreDocument(ImportDocument, frozen=True):
    """`highest`: the highest number of a subscriber in the file. `wrapped`: its keys, where it has any.
    `places`: None until it has begun. `team`: who was on the team there, once all of it is in."""

    highest: int = 0
    wrapped: WrappedKeys | None = None
    places: RestoredNumbers | None = None
    team: tuple[setup.TeamEntry, ...] = ()


class FoundList(Struct, frozen=True):
    name: str
    statuses: dict[str, int]


class RestoreReport(Struct, frozen=True):
    """What inspect() found. `sealed`: "key" or "passphrase" as long as nobody has opened it, and nothing else is known
    then. `counts`: None until it was looked through. `sentence`: of one that failed."""

    sealed: str = ""
    from_: str = field(name="from", default="")
    made_at: str = field(name="made", default="")
    made_by: str = ""
    counts: dict[str, int] | None = None
    lists: list[FoundList] = []
    also: dict[str, int] = {}
    keys: bool = False
    why_not: str = ""
    here: bool = False
    sentence: str = ""


def read_plan(row: Import) -> RestoreDocument:
    return open_document(row, "plan", RestoreDocument)


def read_report(row: Import) -> RestoreReport:
    return open_document(row, "report", RestoreReport)


def team_to_invite(row: Import) -> list[setup.TeamEntry]:
    """Who was on the team where the export comes from, and isn't here."""
    return [entry for entry in read_plan(row).team if not setup.is_here(row.organization, entry.address)]
