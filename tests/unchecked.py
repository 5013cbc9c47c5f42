"""Writing past a condition of a table, as whoever has the database does."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection


@contextmanager
def unchecked(table: str, constraint: str) -> Iterator[None]:
    """SQLite: every condition is switched off meanwhile. PostgreSQL: this one is gone, until the test ends."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("PRAGMA ignore_check_constraints = ON")
        else:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute(f"ALTER TABLE {table} DROP CONSTRAINT {constraint}")
        try:
            yield
        finally:
            if connection.vendor == "sqlite":
                cursor.execute("PRAGMA ignore_check_constraints = OFF")
