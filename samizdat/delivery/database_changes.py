"""Whether anything was written since somebody looked: a loop that asks for news each second asks one cheap question.

SQLite counts the commits of all others (`PRAGMA data_version`) and what a connection wrote itself. PostgreSQL says
which transactions have ended; those that were nothing but a sign of life are no news. It tells its time as well.
"""

import time
from typing import NamedTuple

from django.db import DatabaseError, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from samizdat import dbclock
from samizdat.delivery import sql

# Seconds after which it says yes all the same: something may have come due.
LONGEST = 10.0
# Transactions between two looks above which nobody asks which they were.
MANY = 1000


class DatabaseChanges:
    """Of one thread, whose connections are its own. `own`: what it wrote itself is news as well, also what it rolled
    back; PostgreSQL can't tell it from what others wrote."""

    def __init__(self, longest: float = LONGEST, own: bool = True) -> None:
        self._longest, self._own = longest, own
        self._known: list[object] = []
        self._due = 0.0

    def has_news(self) -> bool:
        """Asked before the work, so that what is written meanwhile is news the next time."""
        now, state = time.monotonic(), self._state()
        if now < self._due and _is_same(self._known, state):
            self._known = state
            return False
        self._known, self._due = state, now + self._longest
        return True

    def settle(self) -> None:
        """After work that always writes: nothing of it is news. What others wrote meanwhile is not either, for
        `longest`."""
        self._known = self._state()

    def forget(self) -> None:
        """What was news was not for us: it is so the next time as well."""
        self._known = []

    def _state(self) -> list[object]:
        try:
            if connections["default"].vendor == "postgresql":
                return [_transactions()]  # Both databases are one.
            return [_writes(connection, self._own) for connection in connections.all()]
        except DatabaseError:  # Whoever works with it says so.
            return [None]


def _writes(connection: BaseDatabaseWrapper, own: bool) -> tuple[object, ...]:
    with connection.cursor() as cursor:
        version = cursor.execute("PRAGMA data_version").fetchone()[0]
    return connection.connection, version, connection.connection.total_changes if own else 0


class Transactions(NamedTuple):
    """Those of a server of PostgreSQL, by number: the first that has not ended nor begun, those before it that go on,
    and those that were a sign of life of a process."""

    next: int
    running: frozenset[int]
    beats: frozenset[int]


def _transactions() -> Transactions:
    began = time.monotonic()
    with connections["default"].cursor() as cursor:
        cursor.execute(sql.TRANSACTIONS)
        now, snapshot, beats = cursor.fetchone()
    dbclock.hear(now, began)
    _first, end, running = snapshot.split(":")
    return Transactions(int(end), frozenset(map(int, filter(None, running.split(",")))), frozenset(beats))


def _is_same(before: list[object], after: list[object]) -> bool:
    if None in after or not before:
        return False
    if isinstance(after[0], Transactions):
        return isinstance(before[0], Transactions) and not _has_ended(before[0], after[0])
    return before == after


def _has_ended(before: Transactions, after: Transactions) -> bool:
    """Any transaction that was more than a sign of life. One that went on at the last look had shown nothing then."""
    if not 0 <= after.next - before.next <= MANY:
        return True  # Less: another server, or one that was put back.
    ended = ({*range(before.next, after.next)} | before.running) - after.running
    return any(number % 2**32 not in after.beats for number in ended)
