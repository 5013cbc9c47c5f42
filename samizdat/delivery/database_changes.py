"""Whether anything was written since somebody looked: a loop that asks for news each second asks one cheap question.

SQLite counts the commits of all others (`PRAGMA data_version`) and what a connection wrote itself. PostgreSQL says
which transactions have ended; those that were nothing but a sign of life are no news. It tells its time as well.
Mail that was taken in waits as files, so its folder is looked at too.
"""

import threading
import time
from typing import NamedTuple

from django.db import DatabaseError, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from samizdat import dbclock, mail_spool
from samizdat.delivery import sql

# Seconds after which it says yes all the same: something may have come due.
LONGEST = 10.0
# Transactions between two looks above which nobody asks which they were.
MANY = 1000
# Seconds for which an answer of PostgreSQL is good for the threads that share it; for which one waits while another
# asks.
SHARED, WAIT = 0.5, 0.2


class LastAnswer:
    """What PostgreSQL answered last, shared by threads of a process that ask at the same moment. Nothing is missed by
    an answer that is older: what has ended since is news at the next look."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._answer: tuple[float, Transactions] | None = None

    def get(self, fresh: bool = False) -> "Transactions":
        """Errors: DatabaseError. Nobody waits for a thread whose session hangs."""
        asks = self._lock.acquire(timeout=WAIT)
        try:
            began = time.monotonic()
            if fresh or self._answer is None or began - self._answer[0] >= SHARED:
                self._answer = began, _transactions()
            return self._answer[1]
        finally:
            if asks:
                self._lock.release()


class DatabaseChanges:
    """Of one thread, whose connections are its own. `own`: what it wrote itself is news as well, also what it rolled
    back; PostgreSQL can't tell it from what others wrote. `answer`: shared with other threads that ask as often."""

    def __init__(self, longest: float = LONGEST, own: bool = True, answer: LastAnswer | None = None) -> None:
        self._longest, self._own, self._answer = longest, own, answer
        self._known: list[object] = []
        self._mail = 0
        self._due = 0.0
        self.written = True  # Whether the last news was more than that so much time is over.

    def has_news(self) -> bool:
        """Asked before the work, so that what is written meanwhile is news the next time."""
        now, state, mail = time.monotonic(), self._state(), mail_spool.changed()
        written = not _is_same(self._known, state) or mail != self._mail
        self._known, self._mail = state, mail
        if now < self._due and not written:
            return False
        self.written, self._due = written, now + self._longest
        return True

    def settle(self) -> None:
        """After work that always writes: nothing of it is news. What others wrote meanwhile is not either, for
        `longest`."""
        self._known = self._state(fresh=True)

    def forget(self) -> None:
        """What was news was not for us: it is so the next time as well."""
        self._known = []

    def _state(self, fresh: bool = False) -> list[object]:
        try:
            if connections["default"].vendor == "postgresql":
                return [self._answer.get(fresh) if self._answer else _transactions()]  # Both databases are one.
            return [_writes(connection, self._own) for connection in connections.all()]
        except DatabaseError:  # Whoever works with it says so.
            return [None]


def _writes(connection: BaseDatabaseWrapper, own: bool) -> tuple[object, ...]:
    connection.ensure_connection()  # The public database's file may be a new one.
    session = connection.connection
    with connection.wrap_database_errors:  # A cursor of Django's takes three times as long.
        version = session.execute("PRAGMA data_version").fetchone()[0]
    return session, version, session.total_changes if own else 0


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
