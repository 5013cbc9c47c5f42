"""What the two databases do differently, and the helpers of every app's sql.py; `connection.vendor` decides."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from functools import partial
from itertools import chain
from typing import Any, NamedTuple

from django.db import connection, connections, transaction
from django.db.models import Field, Lookup

from samizdat.sqlite.base import IS_DAY, NO_DAY


def migrated(alias: str) -> list[tuple[str, str]]:
    """(app, name) of each migration that a database has; none where it has no tables yet."""
    there = {
        "sqlite": "SELECT name FROM sqlite_master WHERE name = 'django_migrations'",
        "postgresql": "SELECT to_regclass('django_migrations')",
    }
    with connections[alias].cursor() as cursor:
        cursor.execute(there[connections[alias].vendor])
        if not any(cursor.fetchone() or ()):
            return []
        cursor.execute("SELECT app, name FROM django_migrations")
        return [(app, name) for app, name in cursor.fetchall()]


# Python values that go into raw SQL: SQLite keeps times as text, PostgreSQL as they are.
def moment(value: datetime | None) -> str | None:
    """A time as the database's own columns hold it, for raw SQL."""
    return connection.ops.adapt_datetimefield_value(value) if value is not None else None


def on_sqlite() -> bool:
    return connection.vendor == "sqlite"


def is_day(column: str) -> str:
    """SQL: whether a column has a day in our form that Python knows, or none. On PostgreSQL years before Christ and
    behind 9999 are days as well, and those before read the same where the end of the text is cut."""
    if on_sqlite():
        return IS_DAY.format(column)
    return f"({column} IS NULL OR {column} BETWEEN '0001-01-01' AND '9999-12-31')"


def day_text(column: str, otherwise: str | None = None) -> str:
    """SQL: a day as text. `otherwise`: of a column that doesn't hold a day as we write it, and which SQL would compare
    otherwise than it reads; an SQL expression."""
    text = column if on_sqlite() else f"CAST({column} AS varchar(10))"
    return f"CASE WHEN {is_day(column)} THEN {text} ELSE {otherwise or f"'{NO_DAY}'"} END"


def number_list(numbers: Iterable[int | None]) -> str:
    """Many numbers as one parameter, so that the statement's text stays the same: a JSON array, or PostgreSQL's text
    form of an array (psycopg takes 1 us for each number of a list; this takes 0.04).
    """
    inside = str(list(numbers))[1:-1].replace("None", "NULL")
    return f"[{inside}]" if on_sqlite() else f"{{{inside}}}"


def among(column: str) -> str:
    """`column` is one of the numbers of one number_list parameter."""
    return f"{column} IN (SELECT value FROM json_each(%s))" if on_sqlite() else f"{column} = ANY(%s::bigint[])"


@Field.register_lookup
class Among(Lookup):
    """filter(id__among=numbers): as __in, with one parameter for all of them. Django prepares each of many values in 4
    us, and PostgreSQL reads a list of them anew each time."""

    lookup_name = "among"
    prepare_rhs = False

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        column, values = self.process_lhs(compiler, connection)
        return among(column), (*values, number_list(self.rhs))


class DatabaseServer(NamedTuple):
    """What doctor asks a PostgreSQL server. Sizes in bytes; `log` None where our role may not look."""

    version: str
    size: int
    log: int | None
    pooled: bool


def about_server() -> DatabaseServer:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('server_version'), pg_database_size(current_database())")
        version, size = cursor.fetchone()
        cursor.execute("SELECT pg_has_role(current_user, 'pg_monitor', 'MEMBER')")
        log = None
        if cursor.fetchone()[0]:
            cursor.execute("SELECT sum(size)::bigint FROM pg_ls_waldir()")
            log = cursor.fetchone()[0]
    return DatabaseServer(version, size, log, shares_sessions())


def is_as_asked() -> bool:
    """PostgreSQL: has the session the search path that its settings ask for?"""
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('search_path')")
        return f"search_path={cursor.fetchone()[0]} " in connection.settings_dict["OPTIONS"]["options"]


# Each of three connections asks whom it talks to, in this order, so often.
_ASK_ORDER, _ASK_ROUNDS = (0, 0, 1, 2, 1), 4


def shares_sessions() -> bool:
    """PostgreSQL: does something between us and the server hand one session to several connections, or several sessions
    to one? Then a session's lock outlives nothing. Told by behavior, in 30 ms: an idle session that was just given
    back is given to the next who asks, or they take turns.
    """
    if on_sqlite():
        return False
    import psycopg

    pids_by_place: dict[int, set[int]] = {}
    wanted = {
        name: value
        for name, value in connection.get_connection_params().items()
        if name not in ("cursor_factory", "context", "prepare_threshold")
    }
    with connection.wrap_database_errors, ExitStack() as stack:
        asked = [
            stack.enter_context(psycopg.connect(**wanted, autocommit=True, prepare_threshold=None)) for _ in range(3)
        ]
        for place in _ASK_ORDER * _ASK_ROUNDS:
            row = asked[place].execute("SELECT pg_backend_pid()").fetchone()
            pids_by_place.setdefault(place, set()).add(row[0] if row else 0)
    return len(set.union(*pids_by_place.values())) != len(pids_by_place) or any(
        len(pids) > 1 for pids in pids_by_place.values()
    )


def engine_tasks() -> list[tuple[str, int]]:
    """Tasks of the task engine by state."""
    table = "django_tasks_database_dbtaskresult" if on_sqlite() else "procrastinate_jobs"
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT status, count(*) FROM {table} GROUP BY status ORDER BY 1")
        return [(str(state).lower(), count) for state, count in cursor.fetchall()]


def ask_prepared(sql: str, arguments: Sequence[Any]) -> list[Any]:
    """Rows of a statement that is asked a hundred times a second: PostgreSQL plans it once a connection.

    Django's own cursor writes the values into the text there, so that every execution would be a new statement.
    """
    if on_sqlite():
        with connection.cursor() as cursor:
            cursor.execute(sql, arguments)
            rows: list[Any] = cursor.fetchall()
            return rows
    import psycopg

    connection.ensure_connection()
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        # Binary, since a blob as text is twice as long and coded once on each side.
        return cursor.execute(sql, arguments, prepare=True, binary=True).fetchall()


# The text of a statement and its values.
type Statement = tuple[str, list[Any]]


def execute_all(statements: Iterable[Statement]) -> None:
    """One after the other; on PostgreSQL in one go."""
    wanted = list(statements)
    if wanted and not on_sqlite():
        wanted = [("; ".join(sql for sql, _ in wanted), [value for _, values in wanted for value in values])]
    with connection.cursor() as cursor:
        for sql, values in wanted:
            cursor.execute(sql, values)


def add_counts(
    table: str, keys: Sequence[str], sums: Sequence[str], rows: Sequence[Sequence[object]]
) -> Statement | None:
    """Add to counters of a totals table, making the row where there is none. Columns in the order keys, sums."""
    if not rows:
        return None
    marks = f"({', '.join(['%s'] * (len(keys) + len(sums)))})"
    raised = ", ".join(f"{name} = {table}.{name} + excluded.{name}" for name in sums)
    return (
        f"INSERT INTO {table} ({', '.join([*keys, *sums])}) VALUES {', '.join([marks] * len(rows))} "
        f"ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {raised}"
    ), list(chain.from_iterable(rows))


@contextmanager
def plain_cursor() -> Iterator[Any]:
    """psycopg's own cursor on Django's connection: parameters go in binary, and COPY is there."""
    import psycopg

    connection.ensure_connection()
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        yield cursor


def fetch_pairs(query: str, values: list[Any], end: str) -> dict[int, int]:
    with connection.cursor() as cursor:
        cursor.execute(f"{query} {end}", values)
        return dict(cursor.fetchall())


def next_ids(table: str, count: int) -> list[int]:
    """Numbers of rows that are inserted next: so that what is sealed under the number of its row is written with it,
    and not by a second statement. In a transaction."""
    with connection.cursor() as cursor:
        if on_sqlite():
            # Nobody else writes until the transaction ends, and AUTOINCREMENT goes on behind the highest.
            cursor.execute(
                "SELECT max(coalesce((SELECT seq FROM sqlite_sequence WHERE name = %s), 0), "
                f"coalesce((SELECT max(id) FROM {table}), 0))",
                [table],
            )
            last = int(cursor.fetchone()[0])
            return [*range(last + 1, last + 1 + count)]
        cursor.execute("SELECT nextval(pg_get_serial_sequence(%s, 'id')) FROM generate_series(1, %s)", [table, count])
        return [row[0] for row in cursor.fetchall()]


def insert_rows(table: str, columns: Mapping[str, str], rows: Iterable[tuple[Any, ...]]) -> None:
    """New rows, some hundreds at a time, without an object of the ORM for each. columns: name -> PostgreSQL's type."""
    names = ", ".join(columns)
    if on_sqlite():
        # In a transaction, or each row would be one of its own.
        with transaction.atomic(savepoint=False), connection.cursor() as cursor:
            cursor.executemany(f"INSERT INTO {table} ({names}) VALUES ({', '.join(['%s'] * len(columns))})", [*rows])
        return
    with plain_cursor() as cursor, cursor.copy(f"COPY {table} ({names}) FROM STDIN (FORMAT BINARY)") as copy:
        copy.set_types([*columns.values()])
        for row in rows:
            copy.write_row(row)


def fetch_numbers(query: str, values: list[Any]) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(query, values)
        return [row[0] for row in cursor.fetchall()]


def update_many(query: str, rows: Sequence[tuple[Any, ...]]) -> None:
    if rows:
        with connection.cursor() if on_sqlite() else plain_cursor() as cursor:
            cursor.executemany(query, rows)


# For the time of an import, on its own connection. Half the cache, for the reader needs memory too. No window onto
# the file: every page seen through it counts as memory of the process. Checkpoints come every 32 MB: at 4 MB the same
# pages of the blind index were copied back after each slice.
_BULK = {"cache_size": -32_768, "mmap_size": 0, "wal_autocheckpoint": 8_000}


@contextmanager
def bulk_writing() -> Iterator[None]:
    """The database's settings for an import, put back afterwards. Begins outside any transaction."""
    with _pragmas(_BULK), not_waiting():
        yield


@contextmanager
def not_waiting() -> Iterator[None]:
    """Slices do not wait for the disk. The rows of one and its place in the file are one transaction, so a power cut
    takes back both, and the import goes on there. Whatever is built on them is committed later, by somebody who
    waits, and that puts everything before it on the disk as well.
    """
    if connection.in_atomic_block:  # A test's: SQLite changes this between transactions only.
        yield
    elif on_sqlite():
        with _pragmas({"synchronous": 1}):
            yield
    else:
        with connection.cursor() as cursor:
            cursor.execute("SET synchronous_commit = off")
        try:
            yield
        finally:
            if connection.is_usable():
                with connection.cursor() as cursor:
                    cursor.execute("RESET synchronous_commit")


def wait_for_commit() -> None:
    """In a transaction: it is on the disk, and on every standby that the server waits for, once it has ended, whatever
    the server or the role is set to. On SQLite each is (databases.py)."""
    if not on_sqlite():
        with connection.cursor() as cursor:
            cursor.execute("SHOW synchronous_commit")
            if cursor.fetchone()[0] != "remote_apply":  # It waits for more.
                cursor.execute("SET LOCAL synchronous_commit = on")


@contextmanager
def _pragmas(wanted: Mapping[str, int]) -> Iterator[None]:
    """SQLite's settings, put back afterwards."""
    before = {name: _pragma(name) for name in wanted} if on_sqlite() else {}
    for name in before:
        _pragma(name, wanted[name])
    try:
        yield
    finally:
        for name, value in before.items():
            _pragma(name, value)


def _pragma(name: str, value: int | None = None) -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"PRAGMA {name}" if value is None else f"PRAGMA {name}={value}")
        row = cursor.fetchone()
        return int(row[0]) if row else 0


def reusable_bytes() -> int:
    """Of SQLite's file, what deleted rows left to new ones."""
    return _pragma("freelist_count") * _pragma("page_size") if on_sqlite() else 0


# Everybody is read once: what is read need not be kept, and pages seen through a window count as memory of ours.
_READING = {"cache_size": -16_384, "mmap_size": 0}


@contextmanager
def bulk_reading() -> Iterator[None]:
    """SQLite's settings for an export, put back afterwards."""
    with _pragmas(_READING):
        yield


# Whatever is written once and left alone, like mail that comes in: twenty threads do that at a time, each on its own
# connection, and 64 MB for each would be more than some servers have.
_TAKING_IN = {"cache_size": -2_048, "mmap_size": 0}


@contextmanager
def taking_in() -> Iterator[None]:
    """SQLite's settings for what comes in, put back afterwards."""
    with _pragmas(_TAKING_IN):
        yield


def fetch_rows(query: str, values: Sequence[Any]) -> list[Any]:
    """On PostgreSQL by psycopg's own cursor: a blob comes as bytes, not as text that is twice as long."""
    with connection.cursor() if on_sqlite() else plain_cursor() as cursor:
        cursor.execute(query, values)
        rows: list[Any] = cursor.fetchall()
        return rows


def fetch_binary(query: str, values: Sequence[Any]) -> list[Any]:
    """PostgreSQL gives blobs as they are: as text they are twice as long and coded once on each side."""
    if on_sqlite():
        return fetch_rows(query, values)
    with plain_cursor() as cursor:
        rows: list[Any] = cursor.execute(query, values, binary=True).fetchall()
        return rows


@contextmanager
def read_ahead(query: str) -> Iterator[Callable[[Sequence[Any]], Callable[[], list[Any]]]]:
    """Asks a query with other values again and again: what is asked is given by calling what comes back. PostgreSQL
    looks for it meanwhile, SQLite then. Until the end nothing else may be asked on this connection."""
    if on_sqlite():
        yield lambda values: partial(fetch_rows, query, values)
        return
    with plain_cursor() as first, first.connection.pipeline():

        def ask(values: Sequence[Any]) -> Callable[[], list[Any]]:
            # A cursor holds one answer.
            rows: Callable[[], list[Any]] = type(first)(first.connection).execute(query, values, binary=True).fetchall
            return rows

        yield ask


# Rows with blobs that are held at once: 32 MB where each is as heavy as a subscriber may be.
PORTION = 500


def binary_portions(query: str, values: Sequence[Any]) -> Iterator[list[Any]]:
    """The rows of fetch_binary some at a time. Go through all of them at once: until then a read stays open."""
    binary = {} if on_sqlite() else {"binary": True}
    opened: Any = connection.cursor() if on_sqlite() else plain_cursor()
    with opened as cursor:
        cursor.execute(query, values, **binary)
        while rows := cursor.fetchmany(PORTION):
            yield rows


def delete_slice(table: str, column: str, value: int, limit: int) -> int:
    """Removes at most so many rows with this value; how many went. Neither database has DELETE … LIMIT for certain."""
    key = "rowid" if on_sqlite() else "ctid"
    sql = f"DELETE FROM {table} WHERE {key} IN (SELECT {key} FROM {table} WHERE {column} = %s LIMIT %s)"
    with connection.cursor() as cursor:
        cursor.execute(sql, [value, limit])
        return int(cursor.rowcount)
