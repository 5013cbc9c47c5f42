"""Writing many rows into an empty database: SQLite and PostgreSQL. Indexes and references are made when the rows are
there, which takes a third of the time."""

import contextlib
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from samizdat.backup.errors import BackupRefused
from samizdat.core.backup.rows import Row


class Target(Protocol):
    """One database; what is done within `filling` is there as a whole, or not at all."""

    def filling(self, finish: Callable[[], None] = ...) -> contextlib.AbstractContextManager[None]:
        """finish: called at the end, when indexes and references are there."""

    def insert(self, table: str, columns: Sequence[str], rows: Sequence[Row]) -> None: ...

    def remove(self, table: str, by: Sequence[str], keys: Sequence[Row]) -> None:
        """Rows whose columns `by` have one of these keys."""

    def add(self, table: str, columns: Sequence[str], rows: Sequence[Row]) -> None:
        """As insert(), into a table with rows."""

    def go_on_from(self, numbers: Mapping[str, int]) -> None:
        """Table -> the highest number that was given out: the next row gets a higher one."""

    def execute(self, statement: str) -> None: ...

    def has_rows(self, table: str) -> bool: ...

    def count(self, table: str) -> int: ...

    def close(self) -> None: ...


def _joined(columns: Sequence[str]) -> str:
    return ", ".join(f'"{column}"' for column in columns)


def _matches(by: Sequence[str], place: str) -> str:
    return " AND ".join(f'"{column}" = {place}' for column in by)


class SqliteTarget:
    """A file with tables."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)

    @contextlib.contextmanager
    def filling(self, finish: Callable[[], None] = lambda: None) -> Iterator[None]:
        """A kill leaves a file that is thrown away, so nothing is waited for on the disk until the end."""
        ask = self._connection.execute
        with contextlib.suppress(sqlite3.OperationalError):  # Somebody has it open: slower, and as whole.
            ask("PRAGMA journal_mode=MEMORY")
        for setting in ("synchronous=OFF", "foreign_keys=OFF", "cache_size=-65536"):
            ask(f"PRAGMA {setting}")
        ask("BEGIN EXCLUSIVE")
        indexes = ask("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL").fetchall()
        for name, _sql in indexes:
            ask(f'DROP INDEX "{name}"')
        yield
        for _name, sql in indexes:
            ask(sql)
        finish()
        ask("COMMIT")
        self._check_references()
        ask("PRAGMA synchronous=FULL")
        ask("PRAGMA journal_mode=WAL")

    def _check_references(self) -> None:
        broken = self._connection.execute("PRAGMA foreign_key_check").fetchone()
        if broken:
            raise _torn(str(broken[0]))

    def insert(self, table: str, columns: Sequence[str], rows: Sequence[Row]) -> None:
        places = ", ".join("?" * len(columns))
        self._connection.executemany(f"INSERT INTO {table} ({_joined(columns)}) VALUES ({places})", rows)

    add = insert

    def remove(self, table: str, by: Sequence[str], keys: Sequence[Row]) -> None:
        self._connection.executemany(f"DELETE FROM {table} WHERE {_matches(by, '?')}", keys)

    def go_on_from(self, numbers: Mapping[str, int]) -> None:
        for table, number in numbers.items():
            changed = self._connection.execute(
                "UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = ?", (number, table)
            )
            if not changed.rowcount:
                self._connection.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (table, number))

    def execute(self, statement: str) -> None:
        self._connection.execute(statement)

    def has_rows(self, table: str) -> bool:
        return self._connection.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchone() is not None

    def count(self, table: str) -> int:
        return int(self._connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])

    def close(self) -> None:
        self._connection.close()


# Also those of tables that aren't copied: a table that others refer to can't be emptied.
_FOREIGN_KEYS = """
SELECT conrelid::regclass::text, quote_ident(conname), pg_get_constraintdef(oid) FROM pg_constraint
WHERE contype = 'f' AND connamespace = current_schema()::regnamespace
AND ARRAY[conrelid::regclass::text, confrelid::regclass::text] && %s
"""
# Those that no constraint needs.
_INDEXES = """
SELECT quote_ident(c.relname), pg_get_indexdef(i.indexrelid) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
WHERE c.relnamespace = current_schema()::regnamespace AND i.indrelid::regclass::text = ANY(%s)
AND NOT EXISTS (SELECT 1 FROM pg_constraint n WHERE n.conindid = i.indexrelid)
"""
_SEQUENCE = """
SELECT pg_get_serial_sequence(%s, attname) FROM pg_attribute
WHERE attrelid = %s::regclass AND attnum > 0 AND pg_get_serial_sequence(%s, attname) IS NOT NULL
"""


class PostgresTarget:
    """A database of a server, with tables."""

    def __init__(self, parameters: Mapping[str, Any], tables: Sequence[str]) -> None:
        import psycopg

        self._connection: psycopg.Connection[tuple[Any, ...]] = psycopg.connect(**parameters, autocommit=True)
        self._tables = list(tables)
        self._emptied = set[str]()
        for setting in ("timezone = 'UTC'", "maintenance_work_mem = '128MB'", "datestyle = 'ISO, YMD'"):
            self._connection.execute(f"SET {setting}")

    @contextlib.contextmanager
    def filling(self, finish: Callable[[], None] = lambda: None) -> Iterator[None]:
        ask: Any = self._connection.execute
        with self._connection.transaction():
            references = ask(_FOREIGN_KEYS, [self._tables]).fetchall()
            indexes = ask(_INDEXES, [self._tables]).fetchall()
            for table, name, _definition in references:
                ask(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
            for name, _definition in indexes:
                ask(f"DROP INDEX {name}")
            yield
            for _name, definition in indexes:
                ask(definition)
            for table, name, definition in references:
                self._refer(table, name, definition)
            finish()
        for table in self._tables:
            ask(f"ANALYZE {table}")

    def _refer(self, table: str, name: str, definition: str) -> None:
        import psycopg

        try:
            self.execute(f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}")
        except psycopg.errors.ForeignKeyViolation:
            raise _torn(table) from None

    def insert(self, table: str, columns: Sequence[str], rows: Sequence[Row]) -> None:
        import psycopg

        # Into a table that was emptied in the same transaction, rows are written as a vacuum would leave them: else the
        # first counts take three times as long, and a vacuum writes all of it once more.
        frozen = ""
        if self._connection.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
            frozen = " WITH (FREEZE)"
            if table not in self._emptied:
                self.execute(f"TRUNCATE {table}")
                self._emptied.add(table)
        self._copy(table, columns, rows, frozen)

    def add(self, table: str, columns: Sequence[str], rows: Sequence[Row]) -> None:
        self._copy(table, columns, rows, "")

    def remove(self, table: str, by: Sequence[str], keys: Sequence[Row]) -> None:
        with self._connection.cursor() as cursor:
            statement: Any = f"DELETE FROM {table} WHERE {_matches(by, '%s')}"
            cursor.executemany(statement, keys)

    def _copy(self, table: str, columns: Sequence[str], rows: Sequence[Row], frozen: str) -> None:
        import psycopg

        try:
            with self._connection.cursor() as cursor:
                with cursor.copy(f"COPY {table} ({_joined(columns)}) FROM STDIN{frozen}") as copy:
                    write = copy.write_row
                    for row in rows:
                        write(row)
        except psycopg.DataError:
            raise BackupRefused(
                "unfit_row", f"A row of {table} doesn't fit into PostgreSQL. Restore this backup to SQLite instead."
            ) from None

    def go_on_from(self, numbers: Mapping[str, int]) -> None:
        """Of all our tables: rows were given their numbers, which a sequence does not see."""
        ask: Any = self._connection.execute
        for table in self._tables:
            sequence = ask(_SEQUENCE, [table, table, table]).fetchone()
            if sequence is None:
                continue
            ((highest,),) = ask(f"SELECT max(id) FROM {table}").fetchall()
            if number := max(highest or 0, numbers.get(table, 0)):
                ask("SELECT setval(%s, %s)", [sequence[0], number])

    def execute(self, statement: str) -> None:
        self._connection.execute(statement)

    def has_rows(self, table: str) -> bool:
        # A restore that was killed while it made the tables has left some of them.
        if self._connection.execute("SELECT to_regclass(%s)", [table]).fetchone() == (None,):
            return False
        answer: Any = self._connection.execute(f"SELECT 1 FROM {table} LIMIT 1")
        return answer.fetchone() is not None

    def count(self, table: str) -> int:
        answer: Any = self._connection.execute(f"SELECT count(*) FROM {table}")
        return int(answer.fetchone()[0])

    def close(self) -> None:
        self._connection.close()


def _torn(table: str) -> BackupRefused:
    return BackupRefused(
        "torn_copy", f"Rows of {table} in this backup lack the rows they belong to. Restore another copy."
    )


def open_target(vendor: str, where: Mapping[str, Any], tables: Sequence[str]) -> SqliteTarget | PostgresTarget:
    """where: as sources.open_source takes it."""
    return SqliteTarget(Path(where["path"])) if vendor == "sqlite" else PostgresTarget(where, tables)
