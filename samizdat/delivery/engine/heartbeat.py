"""Shows the other machines that a process lives: a row, a lock of its database session, and a heartbeat.

The lock says that the session lives, and ends with it. The heartbeat says that the process behind it still moves: a
hanging one keeps its session open for ever. It is written on the session that holds the lock, after a statement of the
thread that must not stand still, by the database's clock.
"""

import secrets
import socket
import time
from collections.abc import Callable

from django.db import connection, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from samizdat import dbclock
from samizdat.delivery import sql
from samizdat.delivery.engine import journal, locks
from samizdat.delivery.models import Worker

# Seconds between two heartbeats.
BEAT = 5.0
# Seconds without a heartbeat after which a session that still holds its lock is cut off, on whichever machine.
HUNG = 30
# Seconds in which a thread has to get something done; the supervisor ends a process that does not (supervisor.SILENT).
STUCK = 20.0


class TakenForDead(RuntimeError):
    """The others have taken this process for dead and have begun to do its work."""


class Heartbeat:
    """One process's sign of life. `begin` and what follows run in the thread whose connection holds the lock."""

    def __init__(self, role: str, healthy: Callable[[], bool] = lambda: True) -> None:
        self._role = role
        self._healthy = healthy
        self._next = 0.0
        self.moved = time.monotonic()
        self.worker: Worker | None = None

    @property
    def moves(self) -> bool:
        """Has the thread got something done lately?"""
        return time.monotonic() - self.moved < STUCK

    def begin(self, journal_name: str = "") -> Worker:
        """A row and its lock: nobody sees the row before the lock is ours. journal_name gets the row's number."""
        dbclock.sync()
        with transaction.atomic():
            self.worker = worker = Worker.objects.create(
                role=self._role,
                host=socket.gethostname()[:253],
                boot=journal.boot_id(),
                folder=journal.folder_id(),
                journal="",
                started=dbclock.now(),
                beat=dbclock.now(),
            )
            if journal_name:
                # Numbers come again where the database has gone back in time, and its journal still lies here.
                worker.journal = f"{journal_name}-{worker.pk}-{secrets.token_hex(4)}"
                worker.save(update_fields=["journal"])
            if connection.vendor == "postgresql" and not locks.try_advisory(locks.WORKERS, worker.pk):
                raise TakenForDead("Another process holds the lock of this worker.")
        connection.execute_wrappers.append(self._moved)
        self._next = time.monotonic() + BEAT
        return worker

    def move(self) -> None:
        """The thread has got something done."""
        self.moved = time.monotonic()

    def watch(self, connection: BaseDatabaseWrapper) -> None:
        """Every statement on this session of the thread is something that it has got done, too."""
        if self._did not in connection.execute_wrappers:
            connection.execute_wrappers.append(self._did)

    def _did(self, execute: Callable[..., object], sql: str, params: object, many: bool, context: object) -> object:
        result = execute(sql, params, many, context)
        self.move()
        return result

    def _moved(self, execute: Callable[..., object], sql: str, params: object, many: bool, context: object) -> object:
        """Around every statement: long work of many statements lives, one statement that never ends does not."""
        result = execute(sql, params, many, context)
        self.moved = time.monotonic()
        if self.moved >= self._next and connection.vendor == "postgresql" and not connection.in_atomic_block:
            self._next = self.moved + BEAT
            if self._healthy():
                self._beat()
        return result

    def _beat(self) -> None:
        assert self.worker is not None
        began = time.monotonic()
        database_time = sql.beat(self.worker.pk)
        if database_time is None:
            raise TakenForDead("The others have taken this process for dead.")
        dbclock.hear(database_time, began)

    def end(self) -> None:
        """Nothing is written any more; the session, and with it the lock, ends elsewhere."""
        if self._moved in connection.execute_wrappers:
            connection.execute_wrappers.remove(self._moved)
