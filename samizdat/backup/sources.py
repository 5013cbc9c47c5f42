"""Reading a database as it was at one moment, with connections of our own: SQLite and PostgreSQL (no Django here, so
that a reading process begins at once).

Values come as core/backup/rows has them, whichever database they are from.
"""

import sqlite3
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

import msgspec

from samizdat.core.backup.rows import Row, Value

# Seconds; who writes is waited for before the snapshot.
BUSY = 20.0
# Keys in one question; bytes of a value that is compared as a whole.
MOST_KEYS, SHORT = 200, 200
# What is read once need not be kept, and pages seen through a window count as memory of ours.
_PRAGMAS = ("query_only=ON", "cache_size=-16384", "mmap_size=0", "trusted_schema=OFF", "cell_size_check=ON")


class CopiedTable(msgspec.Struct, frozen=True):
    """A table that is copied. kinds: what each column holds (tables.py). key: the columns of its primary key, by which
    rows are ordered. span: so many numbers of the column `by` make a piece, whichever of them are there, for each value
    of the column `group` where there is one; 0: rows may be heavy, and are read a few at a time."""

    name: str
    database: str
    columns: tuple[str, ...]
    kinds: tuple[str, ...]
    key: tuple[str, ...]
    span: int = 0
    by: str = ""
    group: str = ""


class Source(Protocol):
    """One database. begin() comes first; rows are those of its snapshot."""

    def begin(self, snapshot: str = "") -> None:
        """snapshot: of another connection that has begun; "": a new one."""

    def next(self, table: CopiedTable, low: int | None, group: int | None = None) -> int | None:
        """The lowest number from `low` on, within a group; or the lowest group, where none is given of a table with
        groups."""

    def between(self, table: CopiedTable, low: int, high: int, group: int | None = None) -> list[Row]:
        """Rows with numbers from `low` to `high`, which is not among them."""

    def after(self, table: CopiedTable, key: Row | None, limit: int) -> list[Row]:
        """The next rows behind a key, in its order."""

    def matching(self, table: CopiedTable, by: Sequence[str], keys: Sequence[Row]) -> list[Row]:
        """Rows whose columns `by` have one of these keys."""

    def where(self, table: CopiedTable, condition: str, values: Sequence[Value]) -> list[Row]:
        """condition: with `?` for each value."""

    def outlines(self, table: CopiedTable, passed_over: Collection[str] = ()) -> list[Row]:
        """Each row: its key, and enough of the other columns to tell whether it was changed."""

    def ask(self, query: str) -> list[Row]: ...

    def last_numbers(self) -> dict[str, int]:
        """Table -> the highest number it has given out."""

    def close(self) -> None: ...


class _Queries:
    """What both have in common: only how a column is read and a place for a value differ."""

    place = "?"

    def column(self, name: str, kind: str) -> str:
        return f'"{name}"'

    def ask_with(self, query: str, values: Sequence[Value]) -> list[Row]:
        raise NotImplementedError

    def ask(self, query: str) -> list[Row]:
        return self.ask_with(query, ())

    def next(self, table: CopiedTable, low: int | None, group: int | None = None) -> int | None:
        column = table.group if table.group and group is None else table.by
        wheres, values = [], list[Value]()
        if group is not None:
            wheres.append(f'"{table.group}" = {self.place}')
            values.append(group)
        if low is not None:
            wheres.append(f'"{column}" >= {self.place}')
            values.append(low)
        where = f" WHERE {' AND '.join(wheres)}" if wheres else ""
        ((number,),) = self.ask_with(f'SELECT min("{column}") FROM {table.name}{where}', values)
        return int(number) if number is not None else None

    def between(self, table: CopiedTable, low: int, high: int, group: int | None = None) -> list[Row]:
        where, values = f'"{table.by}" >= {self.place} AND "{table.by}" < {self.place}', [low, high]
        if group is not None:
            where, values = f'"{table.group}" = {self.place} AND {where}', [group, *values]
        return self.ask_with(f"{self._select(table)} WHERE {where} {self._order(table)}", values)

    def after(self, table: CopiedTable, key: Row | None, limit: int) -> list[Row]:
        where = ""
        if key is not None:
            columns, places = ", ".join(f'"{column}"' for column in table.key), ", ".join([self.place] * len(key))
            where = f" WHERE ({columns}) > ({places})"
        return self.ask_with(f"{self._select(table)}{where} {self._order(table)} LIMIT {limit:d}", key or ())

    def matching(self, table: CopiedTable, by: Sequence[str], keys: Sequence[Row]) -> list[Row]:
        rows = list[Row]()
        for at in range(0, len(keys), MOST_KEYS):
            some = keys[at : at + MOST_KEYS]
            if len(by) == 1:
                where = f'"{by[0]}" IN ({", ".join([self.place] * len(some))})'
            else:
                match = " AND ".join(f'"{column}" = {self.place}' for column in by)
                where = " OR ".join([f"({match})"] * len(some))
            values = [value for key in some for value in key]
            rows += self.ask_with(f"{self._select(table)} WHERE {where} {self._order(table)}", values)
        return rows

    def where(self, table: CopiedTable, condition: str, values: Sequence[Value]) -> list[Row]:
        return self.ask_with(f"{self._select(table)} WHERE {condition.replace('?', self.place)}", values)

    def outlines(self, table: CopiedTable, passed_over: Collection[str] = ()) -> list[Row]:
        # What is sealed anew begins with another nonce, so its beginning is enough.
        pairs = [pair for pair in zip(table.columns, table.kinds, strict=True) if pair[0] not in passed_over]
        key = [self.column(column, kind) for column, kind in pairs if column in table.key]
        others = [self._outline(column, kind) for column, kind in pairs if column not in table.key]
        return self.ask_with(f"SELECT {', '.join(key + others)} FROM {table.name}", ())

    def _outline(self, column: str, kind: str) -> str:
        text = self.column(column, kind)
        if kind == "bytes":
            short = f"CASE WHEN length({text}) <= {SHORT} THEN {text} ELSE substr({text}, 1, 64) END"
            return f"{short}, length({text})"
        if kind in ("text", "json"):
            cut = f"substr({text}, 1, 64) || length({text})"
            return f"CASE WHEN length({text}) <= {10 * SHORT} THEN {text} ELSE {cut} END"
        return text

    def _select(self, table: CopiedTable) -> str:
        columns = ", ".join(map(self.column, table.columns, table.kinds))
        return f"SELECT {columns} FROM {table.name}"

    def _order(self, table: CopiedTable) -> str:
        return "ORDER BY " + ", ".join(f'{table.name}."{column}"' for column in table.key)


class SqliteSource(_Queries):
    """A file. Its log grows as long as this reads."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection = sqlite3.connect(
            f"file:{quote(str(path))}?mode=ro", uri=True, timeout=BUSY, isolation_level=None, check_same_thread=False
        )
        for setting in _PRAGMAS:
            self._connection.execute(f"PRAGMA {setting}")

    def begin(self, snapshot: str = "") -> None:
        self._connection.execute("BEGIN")
        self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()

    def ask_with(self, query: str, values: Sequence[Value]) -> list[Row]:
        return self._connection.execute(query, values).fetchall()

    def last_numbers(self) -> dict[str, int]:
        if not self.ask("SELECT 1 FROM sqlite_master WHERE name = 'sqlite_sequence'"):
            return {}
        return {str(name): int(number or 0) for name, number in self.ask("SELECT name, seq FROM sqlite_sequence")}

    def close(self) -> None:
        self._connection.close()


class PostgresSource(_Queries):
    """A database of a server, as Django's settings name it. psycopg gives a blob as it is, not as text."""

    place = "%s"

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        import psycopg

        self._connection: psycopg.Connection[Row] = psycopg.connect(**parameters, autocommit=True)
        self._connection.execute("SET datestyle = 'ISO, YMD'")
        self._connection.execute("SET timezone = 'UTC'")
        self._connection.execute("SET bytea_output = 'hex'")

    def begin(self, snapshot: str = "") -> None:
        self._connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        if snapshot:
            self._connection.execute(f"SET TRANSACTION SNAPSHOT '{snapshot}'")

    def export(self) -> str:
        """The name by which other connections begin with the same snapshot, as long as this one goes on."""
        ((name,),) = self.ask("SELECT pg_export_snapshot()")
        return str(name)

    def column(self, name: str, kind: str) -> str:
        match kind:
            case "time":
                text = f"to_char(\"{name}\" AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')"
                return f"replace({text}, '.000000', '')"
            case "day" | "json" | "uuid":
                return f'"{name}"::text'
            case "flag":
                return f'"{name}"::int'
        return f'"{name}"'

    def ask_with(self, query: str, values: Sequence[Value]) -> list[Row]:
        with self._connection.cursor(binary=True) as cursor:
            return cursor.execute(query, values or None).fetchall()

    def last_numbers(self) -> dict[str, int]:
        """Of sequences that have begun: the others gave nothing out."""
        rows = self.ask(
            "SELECT t.relname::text, pg_sequence_last_value(s.oid) FROM pg_class s "
            "JOIN pg_depend d ON d.objid = s.oid AND d.classid = 'pg_class'::regclass AND d.deptype IN ('a', 'i') "
            "JOIN pg_class t ON t.oid = d.refobjid WHERE s.relkind = 'S' AND pg_table_is_visible(t.oid)"
        )
        return {str(name): int(number) for name, number in rows if number is not None}

    def close(self) -> None:
        self._connection.close()


def open_source(vendor: str, where: Mapping[str, Any]) -> SqliteSource | PostgresSource:
    """where: {"path": …} of a file, or parameters of libpq."""
    return SqliteSource(Path(where["path"])) if vendor == "sqlite" else PostgresSource(where)
