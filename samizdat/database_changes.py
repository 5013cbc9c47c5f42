"""Whether anything was written since somebody looked: a loop that asks for news each second asks one cheap question.

SQLite counts the commits of all others (`PRAGMA data_version`) and what a connection wrote itself. PostgreSQL has no
such count that stands still while nobody works, so there every look says yes.
"""

import time
from typing import Any

from django.db import DatabaseError, connections
from django.db.backends.base.base import BaseDatabaseWrapper

# Seconds after which it says yes all the same: something may have come due.
LONGEST = 10.0


class DatabaseChanges:
    """Of one thread, whose connections are its own. `own`: what it wrote itself is news as well, also what it rolled
    back."""

    def __init__(self, longest: float = LONGEST, own: bool = True) -> None:
        self._longest, self._own = longest, own
        self._known: list[Any] = []
        self._due = 0.0

    def has_news(self) -> bool:
        """Asked before the work, so that what is written meanwhile is news the next time."""
        now, state = time.monotonic(), [_state(connection, self._own) for connection in connections.all()]
        if state == self._known and None not in state and now < self._due:
            return False
        self._known, self._due = state, now + self._longest
        return True


def _state(connection: BaseDatabaseWrapper, own: bool) -> tuple[object, ...] | None:
    if connection.vendor != "sqlite":
        return None
    try:
        with connection.cursor() as cursor:
            version = cursor.execute("PRAGMA data_version").fetchone()[0]
    except DatabaseError:  # Whoever works with it says so.
        return None
    return connection.connection, version, connection.connection.total_changes if own else 0
