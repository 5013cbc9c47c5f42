"""A file that waits to be fetched: pieces in the database, sealed with the organization's key, whatever is in them.

In the database and not in a folder, so that the worker that makes it and the desk that hands it out may be two
machines, and so that a copied disk shows nothing.
"""

from collections.abc import Iterator

from django.db import transaction
from django.utils.translation import gettext as _

from samizdat.campaigns.media import storage
from samizdat.portability.errors import ExportRefused
from samizdat.portability.models import Export, ExportPiece
from samizdat.vault.keyring import OrganizationKeys

PIECE = 1 << 20


class StoredFile:
    """Something to write to. Errors: ExportRefused, where files of the organization that wait take all the room."""

    def __init__(self, keys: OrganizationKeys, row: Export) -> None:
        self._keys, self._row = keys, row
        self._held = bytearray()
        self._number = 0
        waiting = ExportPiece.objects.filter(export__organization=row.organization)
        # The library once more, and as much besides: whoever leaves takes all of it along.
        self._most = 2 * storage.limit() // PIECE - waiting.count()

    def write(self, data: bytes) -> None:
        self._held += data
        while len(self._held) >= PIECE:
            self._put(bytes(self._held[:PIECE]))
            del self._held[:PIECE]

    def close(self) -> None:
        if self._held:
            self._put(bytes(self._held))
            self._held.clear()

    def _put(self, data: bytes) -> None:
        if self._number >= self._most:
            sentence = _("Your waiting exports take up all the space. Download or delete one, then try again.")
            raise ExportRefused("storage_full", sentence)
        blob = self._keys.seal(data, "exportpiece", f"blob{self._row.pk}", self._number)
        ExportPiece.objects.create(export=self._row, number=self._number, blob=blob)
        self._number += 1


def read(keys: OrganizationKeys, row: Export) -> Iterator[bytes]:
    """The file, piece by piece: each is fetched when the one before is on its way."""
    number = 0
    while blob := ExportPiece.objects.filter(export=row, number=number).values_list("blob", flat=True).first():
        yield keys.open(bytes(blob), "exportpiece", f"blob{row.pk}", number)
        number += 1


def drop(row: Export) -> None:
    """In slices: one write of all pieces would keep everybody else waiting."""
    while numbers := list(ExportPiece.objects.filter(export=row).values_list("number", flat=True)[:50]):
        with transaction.atomic():
            ExportPiece.objects.filter(export=row, number__in=numbers).delete()
