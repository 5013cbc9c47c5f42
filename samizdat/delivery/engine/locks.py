"""Who may send: locks that end with the process that holds them, never by time (design.md, 6.3)."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from django.db import connection
from django.utils.translation import gettext_lazy as lazy

from samizdat import db, modes
from samizdat.delivery.errors import PooledConnection
from samizdat.options import data_folder
from samizdat.publicdb.actions import ROLES

POOLED = lazy(
    "`DATABASE_URL` leads to a connection pooler in transaction mode, where senders lose their locks and "
    "subscribers get emails twice. Point it to PostgreSQL itself, or set `pool_mode=session` in the pooler."
)

# First half of the advisory lock's key on PostgreSQL, "SMZ1"; the second is the number of the worker or campaign.
WORKERS = 0x534D5A31
RELEASES = 0x534D5A32
RECOVERIES = 0x534D5A34
SESSIONS = 0x534D5A33  # Shared: further sessions of a worker, which end with it when it is cut off.


# Addresses of servers that gave this process sessions of its own.
_own_sessions: set[tuple[str, str]] = set()


def check_sessions() -> None:
    """PostgreSQL: a sender's lock lives as long as its session, so the session has to be its own. Asked once a process
    and address: a sender that is begun anew again and again must not lose its time with it. Errors: Pooled."""
    address = connection.settings_dict["HOST"], str(connection.settings_dict["PORT"])
    if address in _own_sessions:
        return
    if db.shares_sessions():
        raise PooledConnection(POOLED)
    _own_sessions.add(address)


class FileLock:
    """flock on a file in the data folder. Not inherited by children that exec."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def take(self) -> bool:
        """True: ours now. False: somebody else holds it."""
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        modes.give_to_owner_of(self._path.parent, descriptor)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            return False
        if not _still_there(descriptor, self._path):
            # Whoever held it removed the file between our open and our lock: what we hold locks nobody out.
            os.close(descriptor)
            return self.take()
        self._descriptor = descriptor
        return True

    def release(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _still_there(descriptor: int, path: Path) -> bool:
    try:
        return os.fstat(descriptor).st_ino == path.stat().st_ino
    except FileNotFoundError:
        return False


def sender_lock() -> FileLock:
    """SQLite: one sender a data folder."""
    return FileLock(data_folder() / "sender.lock")


def try_advisory(kind: int, number: int) -> bool:
    """PostgreSQL: a lock of this thread's session; gone when the connection is."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [kind, number % 2**31])
        return bool(cursor.fetchone()[0])


def belong_to(worker: int) -> None:
    """PostgreSQL: this thread's session ends when that worker is cut off."""
    share_advisory(SESSIONS, worker)


# Numbers of advisory locks are 32 bits without a sign in pg_locks. The public process may take any lock as well, and
# must not make a dead worker look alive.
_HOLDERS = """
SELECT {what} FROM pg_locks JOIN pg_stat_activity USING (pid)
WHERE locktype = 'advisory' AND granted AND classid IN (%s, %s) AND {which} AND objsubid = 2
AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND pid <> pg_backend_pid()
AND usename NOT LIKE %s
"""
_PUBLIC = ROLES.replace("_", r"\_") + "%"


def cut_off(worker: int) -> int:
    """PostgreSQL: ends the sessions of a worker, and with them its locks. How many."""
    with connection.cursor() as cursor:
        cursor.execute(
            _HOLDERS.format(what="pg_terminate_backend(pid)", which="objid = %s"),
            [WORKERS, SESSIONS, worker % 2**31, _PUBLIC],
        )
        return len(cursor.fetchall())


def is_held(worker: int, kind: int = WORKERS) -> bool:
    """PostgreSQL: does another session hold this worker's lock, or one of another kind?"""
    with connection.cursor() as cursor:
        cursor.execute(_HOLDERS.format(what="1", which="objid = %s"), [kind, kind, worker % 2**31, _PUBLIC])
        return cursor.fetchone() is not None


def held_workers() -> set[int]:
    """PostgreSQL: the workers whose locks other sessions hold."""
    with connection.cursor() as cursor:
        cursor.execute(_HOLDERS.format(what="objid", which="true"), [WORKERS, WORKERS, _PUBLIC])
        return {int(number) for (number,) in cursor.fetchall()}


def share_advisory(kind: int, number: int) -> bool:
    """PostgreSQL: a lock that others of ours share. False: somebody has it alone."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock_shared(%s, %s)", [kind, number % 2**31])
        return bool(cursor.fetchone()[0])


def release_advisory(kind: int, number: int, *, shared: bool = False) -> None:
    function = "pg_advisory_unlock_shared" if shared else "pg_advisory_unlock"
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {function}(%s, %s)", [kind, number % 2**31])


@contextlib.contextmanager
def only_release(campaign: int) -> Iterator[bool]:
    """One release of a campaign at a time. Yields False when another one is at it."""
    if connection.vendor == "sqlite":
        lock = FileLock(data_folder() / f"release-{campaign}.lock")
        taken = lock.take()
        try:
            yield taken
        finally:
            if taken:
                (data_folder() / f"release-{campaign}.lock").unlink(missing_ok=True)
                lock.release()
        return
    taken = try_advisory(RELEASES, campaign)
    try:
        yield taken
    finally:
        if taken:
            release_advisory(RELEASES, campaign)
