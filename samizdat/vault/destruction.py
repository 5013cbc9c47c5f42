"""Destroys the keys of an organization for good: they are overwritten where they stand, and what the database still has
of them elsewhere in its files goes. So does what a former instance key wrapped (instance_exchange.py). What lies
outside of the database, as in a backup, has them still."""

import logging
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from django.db import DatabaseError, connection, transaction

from samizdat.vault.keyring import HasKeys
from samizdat.vault.models import KeyDestruction, LockCodeSet, StrictKey, VaultKey

log = logging.getLogger("samizdat.worker")

# Bytes of a file that are searched at a time, and of a key by which it is known.
_PORTION, _KNOWN_BY = 1 << 20, 32
# PostgreSQL: a table is rewritten alone, and whoever asks for it meanwhile waits behind us.
_LONGEST_WAIT = "10s"


def overwrite(organization: HasKeys) -> list[bytes]:
    """What the keys were wrapped as. Call it in a transaction; afterwards `scrub`."""
    before = []
    for row in VaultKey.objects.filter(organization_id=organization.id):
        before.append(bytes(row.wrapped))
        row.wrapped = bytes(len(row.wrapped))  # As long: it stays where it was, and nothing is left beside it.
        row.save(update_fields=["wrapped"])
    for model in (LockCodeSet, KeyDestruction, StrictKey):
        model.objects.filter(organization_id=organization.id).delete()
    return before


def scrub(before: Collection[bytes], tables: Sequence[str] = (VaultKey._meta.db_table,)) -> bool:
    """Whether the files of the database are known to have nothing of these any more. On PostgreSQL these tables are
    written anew; its log has them, which we can't see, until the server writes over it. before: what was wrapped."""
    if transaction.get_connection().in_atomic_block:
        return False  # Of a test.
    try:
        if connection.vendor == "postgresql":
            _run(f"SET lock_timeout = '{_LONGEST_WAIT}'")
            try:
                _run(f"VACUUM FULL {', '.join(tables)}")
            finally:
                _run("RESET lock_timeout")
            return False
        _run("PRAGMA wal_checkpoint(TRUNCATE)")
        if _is_left(before):  # A page that was split once may have an older copy.
            _run("VACUUM")
            _run("PRAGMA wal_checkpoint(TRUNCATE)")
        return not _is_left(before)
    except (DatabaseError, OSError) as error:
        log.error("The database could not be cleared of keys that were destroyed (%s).", type(error).__name__)
        return False


def _run(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def _is_left(before: Collection[bytes]) -> bool:
    marks = {wrapped[:_KNOWN_BY] for wrapped in before}
    file = Path(str(connection.settings_dict["NAME"]))
    files = [path for name in ("", "-wal", "-journal") if (path := file.with_name(file.name + name)).exists()]
    return any(_is_in(part, marks) for path in files for part in _parts(path))


def _is_in(part: bytes, marks: Collection[bytes]) -> bool:
    """By their first byte, which all that is wrapped has: one search for each of hundreds would take a minute."""
    for first in {mark[:1] for mark in marks}:
        at = part.find(first)
        while at >= 0:
            if part[at : at + _KNOWN_BY] in marks:
                return True
            at = part.find(first, at + 1)
    return False


def _parts(path: Path) -> Iterator[bytes]:
    """Of a file, each with the end of the one before it."""
    end = b""
    with path.open("rb") as file:
        while part := file.read(_PORTION):
            yield end + part
            end = part[-_KNOWN_BY:]
