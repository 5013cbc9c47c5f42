"""PostgreSQL: sessions of the public process's role that do what none of ours does, and the role shut out.

No grant keeps a role from taking advisory locks, by which the house knows who sends and who is alive, from filling the
lock table of the whole server, or from a transaction that never ends. Who does has the public process in hand.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from django.db import DatabaseError, ProgrammingError
from django.db.backends.base.base import BaseDatabaseWrapper

from samizdat.publicdb.actions import ROLES

# So many sessions ended within so many seconds are no accident: then the role may not sign in for so long.
MANY, WINDOW, SHUT = 3, 300.0, 600.0
# Seconds for which the numbers of roles are good.
KNOWN = 10.0
# Whoever is thrown out tries to be faster than the statement that shuts the role out.
TRIES = 40

_ROLES = """
SELECT oid::bigint, rolname, rolcanlogin FROM pg_roles
WHERE rolname LIKE %s AND rolname <> current_user AND has_schema_privilege(oid, 'publicdb', 'USAGE')
AND pg_has_role(oid, 'USAGE')
"""
_DATABASE = "SELECT oid::bigint FROM pg_database WHERE datname = current_database()"

# Functions and not the views over them: those read tables of the whole server, which takes a place in the lock table
# that somebody may have filled. The rights are asked each time so that they are known when it is full. None of our
# statements lasts 15 seconds (statement_timeout, which a role may set for itself), and none of ours is anywhere else.
_END = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_get_activity(NULL) AS session
WHERE usesysid IN (
    SELECT role FROM unnest(%(roles)s::oid[]) AS role
    WHERE has_schema_privilege(role, 'publicdb', 'USAGE') AND pg_has_role(role, 'USAGE')
) AND (
    %(all)s OR datid IS DISTINCT FROM %(database)s OR xact_start < now() - interval '1 minute'
    OR (state = 'active' AND query_start < now() - interval '15 seconds')
    OR pid IN (
        SELECT pid FROM pg_lock_status() WHERE pid IS NOT NULL GROUP BY pid
        HAVING bool_or(locktype = 'advisory') OR count(*) > 200
    )
)
"""


class PublicRoleGuard:
    """Looks at one database's public role, by a connection that stays open: a server whose lock table is full lets
    nobody in."""

    def __init__(self, connection: BaseDatabaseWrapper, ticks: Callable[[], float] = time.monotonic) -> None:
        self._connection, self._ticks = connection, ticks
        self._session: Any = None
        self._roles: dict[int, str] = {}
        self._database = 0
        self._known_at = 0.0
        self._ended: list[float] = []
        self._shut_at: float | None = None

    def look(self) -> int:
        """Ends the sessions that trespass; how many. When they come again the role is shut out, and let in later."""
        self._know()
        if not self._roles:
            return 0
        ended, now = self._end(all_=False), self._ticks()
        if self._shut_at is not None and now - self._shut_at >= SHUT:
            self._allow("LOGIN")
            self._shut_at, self._ended = None, []
        self._ended = [at for at in self._ended if now - at < WINDOW] + [now] * ended
        if len(self._ended) >= MANY and self._shut_at is None:
            self._shut_out()
        return ended

    @property
    def is_shut(self) -> bool:
        return self._shut_at is not None

    def _know(self) -> None:
        """The numbers of roles and database, while they can be asked for; and whether somebody let the role in."""
        self._connection.ensure_connection()
        same, now = self._session is self._connection.connection, self._ticks()
        if same and self._roles and not self.is_shut and now - self._known_at < KNOWN:
            return
        try:
            rows = self._ask()
        except DatabaseError:
            if not self._roles:
                raise
            return  # The lock table is full, so what was known has to do.
        self._roles = {number: name for number, name, _enters in rows}
        self._session, self._known_at = self._connection.connection, now
        if all(enters for _number, _name, enters in rows):
            if self.is_shut:
                self._shut_at, self._ended = None, []
        elif self._shut_at is None:  # By a worker before us, or another machine's.
            self._shut_at = now

    def _ask(self) -> list[tuple[int, str, bool]]:
        with self._connection.cursor() as cursor:
            cursor.execute(_DATABASE)
            (self._database,) = cursor.fetchone()
        return _roles(self._connection)

    def _end(self, all_: bool) -> int:
        facts: dict[str, Any] = {"roles": [*self._roles], "database": self._database, "all": all_}
        with self._connection.cursor() as cursor:
            cursor.execute(_END, facts)
            return int(cursor.fetchone()[0])

    def _shut_out(self) -> None:
        for _try in range(TRIES):
            self._end(all_=True)
            with suppress(DatabaseError):
                if not self._allow("NOLOGIN"):
                    return
                self._shut_at = self._ticks()
                break
            time.sleep(0.02)
        self._end(all_=True)

    def _allow(self, word: str) -> bool:
        """False: we may not change our public role."""
        from psycopg import errors, sql

        try:
            with self._connection.cursor() as cursor:
                for name in self._roles.values():
                    cursor.execute(sql.SQL("ALTER ROLE {} " + word).format(sql.Identifier(name)))
        except ProgrammingError as error:
            if isinstance(error.__cause__, errors.InsufficientPrivilege):
                return False
            raise
        return True


def _roles(connection: BaseDatabaseWrapper) -> list[tuple[int, str, bool]]:
    with connection.cursor() as cursor:
        cursor.execute(_ROLES, [ROLES.replace("_", r"\_") + "%"])
        return list(cursor.fetchall())


def shut_out(connection: BaseDatabaseWrapper) -> list[str]:
    """Public roles of this database that may not sign in now."""
    if connection.vendor != "postgresql":
        return []
    return [name for _number, name, enters in _roles(connection) if not enters]
