"""A place that is a dictionary, and what a copy there consists of."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from django.db import connections, transaction

from samizdat.backup import recipients, sets, writing
from samizdat.backup.keys import BackupKeys, backup_keys
from samizdat.backup.tables import LEFT_OUT, copied_tables
from samizdat.backup.writing import WrittenCopy
from samizdat.core.backup.rows import Row, naming_key
from tests.audience.conftest import bring, letter  # noqa: F401
from tests.conftest import INSTANCE_KEY, NOW
from tests.moulds import WRITTEN_BY_MIGRATIONS
from tests.publicdb.test_signed_rows import shown as published  # noqa: F401
from tests.test_macs import rows as rows_with_macs  # noqa: F401
from tests.web.conftest import furnished, here  # noqa: F401


class MemoryPlace:
    """Files by name; `writes` has the names in the order in which they were written."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.writes: list[str] = []

    def names(self, folder: str) -> Iterator[tuple[str, int]]:
        return iter([(name, len(data)) for name, data in self.files.items() if name.startswith(f"{folder}/")])

    def read(self, name: str) -> bytes:
        return self.files[name]

    def write(self, name: str, data: bytes) -> None:
        assert self.files.get(name, data) == data, "a file at a place is never changed"
        self.files[name] = data
        self.writes.append(name)

    def delete(self, name: str) -> None:
        self.files.pop(name, None)


@pytest.fixture
def place() -> MemoryPlace:
    return MemoryPlace()


@pytest.fixture
def keys(vault: Any) -> BackupKeys:
    return backup_keys(vault.derive)


@pytest.fixture
def copied(transactional_db: Any, lantern: Any, place: MemoryPlace) -> Callable[..., WrittenCopy]:
    """copied(to=[…], kind=…): writes a copy to the place."""

    def write(**options: Any) -> WrittenCopy:
        values: dict[str, Any] = {
            "databases": ["default", "publicdb"],
            "instance_key": lambda: INSTANCE_KEY,
            "now": NOW,
            "jobs": 1,
            **options,
        }
        return writing.write_copy(place, **values)

    return write


@pytest.fixture
def emptied() -> Callable[[], None]:
    """emptied(): the database has tables and no rows, as on a new server."""

    def empty() -> None:
        for alias in ("default", "publicdb"):
            tables = [table.name for table in copied_tables([alias])]
            others = [model._meta.db_table for model in LEFT_OUT if model._meta.db_table not in WRITTEN_BY_MIGRATIONS]
            with transaction.atomic(using=alias), connections[alias].cursor() as cursor:
                if connections[alias].vendor == "postgresql":
                    cursor.execute("SET LOCAL session_replication_role = replica")
                for name in [*tables, *(others if alias == "default" else [])]:
                    cursor.execute(f"DELETE FROM {name}")

    return empty


def rows_of(place: MemoryPlace, written: WrittenCopy, table: str, keys: BackupKeys) -> list[Row]:
    """The rows of a table as a copy for the key file has them."""
    identities, key = recipients.identities(keys.identity), naming_key(keys.names, [keys.recipient])
    (entry,) = [entry for entry in written.copy.manifest.tables if entry.name == table]
    return [row for piece in entry.pieces for row in sets.content_of(place, piece, table, identities, key).rows]


def names_of(written: WrittenCopy, table: str) -> Sequence[str]:
    return [piece.name for entry in written.copy.manifest.tables if entry.name == table for piece in entry.pieces]
