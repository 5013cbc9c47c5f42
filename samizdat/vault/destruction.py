"""Destroys the keys of an organization for good: they are overwritten where they stand, and what the database still has
of them elsewhere in its files goes. So does what a former instance key wrapped (instance_exchange.py). What lies
outside of the database, as in a backup, has them still."""

import logging
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path

from django.db import DatabaseError, connection, transaction

from samizdat.vault.keyring import HasKeys
from samizdat.vault.models import KeyDestruction, LockCodeSet, StrictKey, VaultKey

log = logging.getLogger("samizdat.worker")

_STILL_OPEN = "Another transaction is open, so %s keeps keys of before until %s."
_NOT_CLEARED = "The database couldn't be cleared of keys that were destroyed or replaced (%s)."

# Bytes of a file that are searched at a time, and of a key by which it is known.
_PORTION, _KNOWN_BY = 1 << 20, 32
# PostgreSQL: a table is rewritten alone, and whoever asks for it meanwhile waits behind us.
_LONGEST_WAIT = "10s"
# Seconds to wait for transactions that still see what was there before, and between two looks.
READERS, PAUSE = 5.0, 0.1
# Readers of this database, as far as this role may see them; and whoever writes in any database of the server, as
# VACUUM FULL keeps what its own snapshot sees, which goes back to the oldest of those.
_OLDER = (
    "SELECT pg_snapshot_xmin(pg_current_snapshot()) < %(ours)s::text::xid8 OR EXISTS (SELECT FROM pg_stat_activity "
    "WHERE datname = current_database() AND pid <> pg_backend_pid() "
    "AND age(backend_xmin) > age(%(ours)s::text::xid8::xid))"
)


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


def scrub(
    before: Collection[bytes],
    tables: Sequence[str] = (VaultKey._meta.db_table,),
    tell: Callable[[str], object] = log.warning,
) -> bool:
    """Whether the files of the database are known to have nothing of these any more. On PostgreSQL these tables are
    written anew; its log has them, which we can't see, until the server writes over it. before: what was wrapped.
    tell: hears why something may be left."""
    if transaction.get_connection().in_atomic_block:
        return False  # Of a test.
    try:
        if connection.vendor == "postgresql":
            _wait_for_readers(tell)
            _run(f"SET lock_timeout = '{_LONGEST_WAIT}'")
            try:
                for table in tables:
                    _rewrite(table, tell)
            finally:
                _run("RESET lock_timeout")
            return False
        is_emptied = _empty_log()
        if not _is_left(before):
            return True
        if is_emptied:  # A page that was split once may have an older copy.
            _run("VACUUM")
            if _empty_log() and not _is_left(before):
                return True
        tell(_STILL_OPEN % ("SQLite", "samizdat serve stops"))
        return False
    except (DatabaseError, OSError) as error:
        tell(_NOT_CLEARED % type(error).__name__)
        return False


def _rewrite(table: str, tell: Callable[[str], object]) -> None:
    try:
        _run(f"VACUUM FULL {table}")
    except DatabaseError as error:  # Somebody holds this one; the others go on.
        tell(_NOT_CLEARED % type(error).__name__)


def _wait_for_readers(tell: Callable[[str], object]) -> None:
    """A table that is written anew keeps rows that a transaction from before still sees: that of a backup, of a dump or
    of a page that is being made. One that writes in another database of the server counts as well."""
    until = time.monotonic() + READERS
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_current_xact_id()::text")
        (ours,) = cursor.fetchone()
        while True:
            cursor.execute(_OLDER, {"ours": ours})
            if not cursor.fetchone()[0]:
                return
            if time.monotonic() > until:
                tell(_STILL_OPEN % ("PostgreSQL", "VACUUM FULL of its tables"))
                return
            time.sleep(PAUSE)


def _empty_log() -> bool:
    """SQLite's; False where somebody reads in it, as a backup does for minutes."""
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        busy, *_pages = cursor.fetchone()
    return not busy


def _run(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def _is_left(before: Collection[bytes]) -> bool:
    marks = {wrapped[:_KNOWN_BY] for wrapped in before}
    if not marks:
        return False
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
