"""Uploads lie in the database as sealed pieces: never in plain on the disk, gone at the end or after 24 hours."""

import zlib
from datetime import datetime, timedelta
from typing import Any

from django.db import connection

from samizdat import options
from samizdat.accounts.models import Organization
from samizdat.audience.models import Import, ImportPiece
from samizdat.vault.keyring import OrganizationKeys

PIECE = 1 << 20  # bytes of the file in a piece; the last may be shorter
LIFETIME = timedelta(hours=24)

_PLACE_BITS = 32


def _number(file: int, number: int) -> int:
    return file << _PLACE_BITS | number


# Uploads of one organization at a time. Each is gone at its end, or after a day.
MOST = 50


def is_full(organization: Organization) -> bool:
    """Whether no further upload may begin."""
    waiting = Import.objects.filter(organization=organization, pieces__isnull=False).distinct().count()
    return waiting >= MOST or not has_room(organization)


def has_room(organization: Organization) -> bool:
    """Whether one more piece may come, by SAMIZDAT_UPLOADS. A short piece counts as a whole one."""
    most = options.megabytes("SAMIZDAT_UPLOADS")
    return ImportPiece.objects.filter(import_run__organization=organization).count() * PIECE < most


def put(keys: OrganizationKeys, row: Import, file: int, number: int, data: bytes) -> None:
    """Stores a piece; the same one again replaces it, so that an upload may be repeated after a broken line."""
    blob = keys.seal(zlib.compress(data, 1), "importpiece", f"blob{row.id}", _number(file, number))
    ImportPiece.objects.update_or_create(import_run=row, file=file, number=number, defaults={"blob": blob})


def get(keys: OrganizationKeys, row: Import, file: int, number: int) -> bytes:
    """A piece in plain. Called on the reader's thread, which gives its connection back at once."""
    try:
        blob = ImportPiece.objects.values_list("blob", flat=True).get(import_run=row, file=file, number=number)
    finally:
        if not connection.in_atomic_block:
            connection.close_if_unusable_or_obsolete()
    return zlib.decompress(keys.open(bytes(blob), "importpiece", f"blob{row.id}", _number(file, number)))


def sizes(keys: OrganizationKeys, row: Import) -> dict[int, int]:
    """File -> its bytes, from the number of its pieces and the length of the last."""
    last: dict[int, int] = {}
    for file, number in ImportPiece.objects.filter(import_run=row).values_list("file", "number"):
        last[file] = max(last.get(file, 0), number)
    return {file: number * PIECE + len(get(keys, row, file, number)) for file, number in sorted(last.items())}


def complete(row: Import, files: int) -> bool:
    """Whether every file has all its pieces from the first to the last."""
    by_file: dict[int, set[int]] = {file: set() for file in range(files)}
    for file, number in ImportPiece.objects.filter(import_run=row).values_list("file", "number"):
        by_file.setdefault(file, set()).add(number)
    return all(numbers == set(range(len(numbers))) and numbers for numbers in by_file.values())


def drop(row: Import) -> None:
    ImportPiece.objects.filter(import_run=row).delete()


def drop_old(now: datetime) -> int:
    """Removes what has lain here for 24 hours and waits for no admin; how many imports lost their files."""
    old = Import.objects.filter(created__lt=now - LIFETIME, pieces__isnull=False).exclude(state="held").distinct()
    ids: list[Any] = list(old.values_list("id", flat=True))
    ImportPiece.objects.filter(import_run__in=ids).delete()
    Import.objects.filter(id__in=ids, state__in=("uploading", "reading", "found", "waiting", "stopped")).update(
        state="failed", problem="upload_too_old", owner="", report_sealed=b""
    )
    return len(ids)
