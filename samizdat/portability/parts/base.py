"""What goes along with the audience in an export of our own format (registry.py has all of it).

A part is handed the zip, the file, and what is where, and does the rest itself. It may be killed at any place and is
then taken again: what it did stands in `Places`, written in the transaction of the deed.
"""

from dataclasses import dataclass, field
from datetime import datetime
from itertools import batched
from typing import Any, NamedTuple, Protocol

from samizdat.accounts.models import Organization
from samizdat.audience.models import Import, ImportIdMap
from samizdat.portability.read import OpenedExport
from samizdat.portability.subscribers import ExportContext
from samizdat.portability.zip_stream import ZipWriter
from samizdat.vault import keyring

COPIED = 500


class ExportPart(Protocol):
    name: str  # What the counts call it.

    def give(self, home: ExportContext, box: ZipWriter) -> int:
        """Writes its files; how many things are in them."""

    def check(self, opened: OpenedExport) -> int:
        """How many things a file holds, each looked at. Errors: ExportRefused."""

    def take(self, opened: OpenedExport, places: "Places") -> int:
        """Brings in what is not in yet, each in a transaction that `places` knows of; how many things are in now."""


class _Entry(NamedTuple):
    part: str
    there: str
    here: int | str


@dataclass(slots=True)
class Places:
    """Where things of a file went: (part, its number or name there) -> here. lists, tags: number -> row here."""

    row: Import
    now: datetime
    by: Any
    lists: dict[int, int]
    tags: dict[int, int]
    _done: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def organization(self) -> Organization:
        return self.row.organization

    def load(self) -> "Places":
        self.load_from(self.row)
        return self

    def load_from(self, row: Import) -> None:
        """What another import brought counts as here, too."""
        for part, there, here in _told(row):
            self._done.setdefault(part, {})[there] = here

    def here(self, part: str, there: object) -> Any:
        """None for what is not in yet."""
        return self._done.get(part, {}).get(str(there))

    def all(self, part: str) -> dict[str, Any]:
        """What of a part is in: there -> here."""
        return dict(self._done.get(part, {}))

    def put(self, part: str, there: int | str, here: int | str) -> None:
        """In the transaction that made it. A row each: one record of all would be sealed anew with every letter."""
        self._done.setdefault(part, {})[str(there)] = here
        ImportIdMap.objects.create(bringing=self.row, details_sealed=_sealed(self.row, _Entry(part, str(there), here)))
        Import.objects.filter(pk=self.row.pk).update(heartbeat=self.now, tries=0)


def copy_places(begun: Import, row: Import) -> None:
    """What was brought in by one import counts as brought in by another, which is to go on. May be repeated. Some
    hundred entries a transaction: there is one for each letter, and on SQLite all others wait for its end."""
    row.places.all().delete()
    for entries in batched(_told(begun), COPIED):
        ImportIdMap.objects.bulk_create(
            ImportIdMap(bringing=row, details_sealed=_sealed(row, entry)) for entry in entries
        )


def _told(row: Import) -> list[_Entry]:
    keys = keyring.keys(row.organization)
    rows = ImportIdMap.objects.filter(bringing=row).order_by("pk").values_list("details_sealed", flat=True)
    return [keys.open_json(blob, "importplace", "told", row.pk, _Entry) for blob in rows]


def _sealed(row: Import, entry: _Entry) -> bytes:
    return keyring.keys(row.organization).seal_json(entry, "importplace", "told", row.pk)
