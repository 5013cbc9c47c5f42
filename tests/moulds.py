"""Databases with all tables and no rows, made once a run and copied: to migrate takes two seconds, to copy none.

Whoever needs a copy first makes the mould; the other workers of xdist wait for it. It lies in the folder of this run
(tests/environment.py), on PostgreSQL in a database whose name comes from that folder.
"""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from tests import warm

WRITTEN_BY_MIGRATIONS = {"django_migrations", "django_content_type", "auth_permission", "sqlite_stat1"}
FILES = ("samizdat.sqlite3", "public.sqlite3")
MIGRATE = "import django; django.setup(); from samizdat.cli.instance import migrate; migrate()"


def url_of(name: str) -> str:
    """The run's DATABASE_URL with another database in it."""
    return urlunsplit(urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{name}"))


def as_admin(statement: str) -> None:
    import psycopg

    with psycopg.connect(url_of("postgres"), autocommit=True) as connection:
        connection.execute(statement)  # type: ignore[call-overload]


def file(path: Path, publicdb: bool) -> None:
    """A new database of the house or of the public database, on SQLite."""
    made = _migrated() / FILES[publicdb]
    for left in path.parent.glob(f"{path.name}-*"):
        left.unlink()
    shutil.copyfile(made, path)


def files_into(folder: Path) -> None:
    """Both databases of a data folder, on SQLite."""
    folder.mkdir(mode=0o700, exist_ok=True)
    for publicdb, name in enumerate(FILES):
        file(folder / name, bool(publicdb))


def database(name: str) -> None:
    """A new database on PostgreSQL, with house and public database in it."""
    _migrated()
    as_admin(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
    copy(_name(), name)


def copy(name: str, to: str) -> None:
    """A database like another that nobody is connected to. Its files are copied: by PostgreSQL's log, the other way,
    the server computes twice as long."""
    as_admin(f'CREATE DATABASE "{to}" TEMPLATE "{name}" STRATEGY FILE_COPY')


class Rows:
    """All rows that the house has now; the public database has none.

    On PostgreSQL their numbers are never given out again, as nothing takes a sequence back; on SQLite the next number
    is the one after the highest row.
    """

    def __init__(self) -> None:
        from django.db import connection

        self._kept = list(_filled(connection))
        self._script = _script(connection, self._kept)

    def __len__(self) -> int:
        return sum(len(rows) for _statement, rows in self._kept)

    def put_back(self) -> None:
        """Into tables that have none of them."""
        from django.db import connection, transaction

        # In one piece: a row may come before the one that it points to.
        with transaction.atomic():
            with connection.cursor() as cursor:
                # A request that a browser makes while its test ends may write the only row of this table once more.
                cursor.execute("DELETE FROM delivery_epochrecord")
            _put(connection, self._kept, self._script)


def _put(connection: Any, kept: list[tuple[str, list[Any]]], script: str) -> None:
    with connection.cursor() as cursor:
        if script:
            cursor.execute(script)
            return
        for statement, rows in kept:
            cursor.executemany(statement, rows)


def _script(connection: Any, kept: list[tuple[str, list[Any]]]) -> str:
    """All in one question to PostgreSQL, with the values in it: a row at a time it is asked two hundred. "" on SQLite,
    which is no server."""
    if connection.vendor != "postgresql":
        return ""
    statements = []
    with connection.cursor() as cursor:
        for statement, rows in kept:
            head, places = statement.split(" VALUES ")
            values = ", ".join([places] * len(rows))
            statements.append(
                cursor.cursor.mogrify(f"{head} VALUES {values}", [value for row in rows for value in row])
            )
    return ";\n".join(statements)


class Change:
    """What somebody did to the rows of house and public database, to be done again in a part of the time: rows that
    are new, and those that are others now, which must be what they were then."""

    def __init__(self) -> None:
        self._before = _rows()
        self._new: dict[str, list[tuple[str, list[Any]]]] = {}
        self._scripts: dict[str, str] = {}
        self._others: list[tuple[str, str, str, Any, Any, Any]] = []

    def is_over(self) -> bool:
        """The rows are what they shall be. False where some are gone: that is not done again."""
        from django.db import connections

        for place, (columns, rows) in _rows().items():
            alias, name = place
            before = self._before.get(place, (columns, []))[1]
            new, gone = [row for row in rows if row not in before], [row for row in before if row not in rows]
            quoted = list(map(connections[alias].ops.quote_name, columns))
            with connections[alias].cursor() as cursor:
                key = connections[alias].introspection.get_primary_key_columns(cursor, name) or columns
            numbers = [columns.index(column) for column in key]
            where = " AND ".join(f"{quoted[number]} = %s" for number in numbers)
            read = f"SELECT {', '.join(quoted)} FROM {name} WHERE {where}"
            write = f"UPDATE {name} SET {', '.join(f'{column} = %s' for column in quoted)} WHERE {where}"
            for old in gone:
                now = [row for row in new if [row[number] for number in numbers] == [old[number] for number in numbers]]
                if not now:
                    return False
                new.remove(now[0])
                self._others.append((alias, read, write, [old[number] for number in numbers], old, now[0]))
            if new:
                places = ", ".join(["%s"] * len(columns))
                statement = f"INSERT INTO {name} ({', '.join(quoted)}) VALUES ({places})"
                self._new.setdefault(alias, []).append((statement, new))
        self._scripts = {alias: _script(connections[alias], new) for alias, new in self._new.items()}
        self._before = {}
        return True

    def do_again(self) -> bool:
        """False, and nothing is changed, where the rows are not as they were then."""
        from django.db import IntegrityError, connections, transaction

        for alias, read, _write, key, old, _now in self._others:
            with connections[alias].cursor() as cursor:
                cursor.execute(read, key)
                if cursor.fetchall() != [old]:
                    return False
        try:
            with transaction.atomic(), transaction.atomic(using="publicdb"):
                for alias, _read, write, key, _old, now in self._others:
                    with connections[alias].cursor() as cursor:
                        cursor.execute(write, [*now, *key])
                for alias, new in self._new.items():
                    _put(connections[alias], new, self._scripts[alias])
        except IntegrityError:
            return False
        return True


def _rows() -> dict[tuple[str, str], tuple[list[str], list[Any]]]:
    """Alias and table of both databases -> its columns and rows."""
    from django.db import connections

    found = {}
    for alias in ("default", "publicdb"):
        with connections[alias].cursor() as cursor:
            names = set(connections[alias].introspection.table_names(cursor)) - WRITTEN_BY_MIGRATIONS
            for name in sorted(names):
                cursor.execute(f"SELECT * FROM {connections[alias].ops.quote_name(name)}")
                found[alias, name] = [column[0] for column in cursor.description], cursor.fetchall()
    return found


def _filled(connection: Any) -> Iterator[tuple[str, list[Any]]]:
    """Each table with rows, as the statement that puts them back and the rows."""
    with connection.cursor() as cursor:
        for name in sorted(set(connection.introspection.table_names(cursor)) - WRITTEN_BY_MIGRATIONS):
            quoted = connection.ops.quote_name(name)
            cursor.execute(f"SELECT * FROM {quoted}")
            rows = cursor.fetchall()
            columns = [connection.ops.quote_name(column[0]) for column in cursor.description]
            if rows:
                places = ", ".join(["%s"] * len(columns))
                yield f"INSERT INTO {quoted} ({', '.join(columns)}) VALUES ({places})", rows


def forget() -> None:
    """At the end of the run; files go with their folder. scripts/mutate.py has many runs, and a cluster of its own."""
    kept = "SAMIZDAT_TEST_MOULDS_KEPT" in os.environ
    if _folder().exists() and os.environ.get("DATABASE_URL") and not kept:
        as_admin(f'DROP DATABASE IF EXISTS "{_name()}" WITH (FORCE)')


def _folder() -> Path:
    return Path(os.environ["SAMIZDAT_TEST_ROOT"]) / "migrated"


def _name() -> str:
    return "mould_" + _folder().parent.name.replace("-", "_").lower()


def _migrated() -> Path:
    folder = _folder()
    with _alone(folder.with_suffix(".lock")):
        if not (folder / "ready").exists():
            folder.mkdir(mode=0o700, exist_ok=True)
            environment = os.environ | {"SAMIZDAT_DATA": str(folder), "DJANGO_SETTINGS_MODULE": "samizdat.settings"}
            if os.environ.get("DATABASE_URL"):
                as_admin(f'DROP DATABASE IF EXISTS "{_name()}" WITH (FORCE)')
                as_admin(f'CREATE DATABASE "{_name()}"')
                environment["DATABASE_URL"] = url_of(_name())
            # Once a run, and before anything is tested: on a machine with fifteen others at work it takes minutes.
            done = warm.run(["-c", MIGRATE], cwd=folder, env=environment, timeout=900)
            assert done.returncode == 0, done.stderr
            (folder / "ready").touch()
    return folder


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
