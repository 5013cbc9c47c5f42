"""Locks of the whole installation, on all of its servers: of PostgreSQL, where that has the database."""

import contextlib
from collections.abc import Iterator

from django.db import DatabaseError, connection, connections


@contextlib.contextmanager
def only_session(number: int) -> Iterator[bool]:
    """In a session of its own, so that whoever is killed lets go. Yields False where another one has the lock."""
    if connection.vendor != "postgresql":
        yield True
        return
    session = connections["default"].copy()
    try:
        with session.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_lock(%s)", [number])
            is_ours = bool(cursor.fetchone()[0])
        try:
            yield is_ours
        finally:
            if is_ours:  # The server notices only later that a session was closed.
                with contextlib.suppress(DatabaseError), session.cursor() as cursor:
                    cursor.execute("SELECT pg_advisory_unlock(%s)", [number])
    finally:
        session.close()
