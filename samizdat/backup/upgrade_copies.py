"""The copy that an upgrade makes before it changes tables, and the way back to it.

A copy is a folder beside the data folder, for its owner alone: the databases as they were, and last of all a note of
what they are. Keys are not in it. On SQLite it has the files of both databases, on PostgreSQL a dump by `pg_dump`.
Nothing here opens the database by our models: its tables may be older than the program, or half changed.
"""

import contextlib
import json
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from django.db import DatabaseError, connection, connections
from psycopg.conninfo import make_conninfo

from samizdat import __version__, modes
from samizdat.accounts.models import Organization
from samizdat.audience.models import ConsentRecord
from samizdat.backup.errors import BackupRefused
from samizdat.events.models import Event
from samizdat.options import data_folder
from samizdat.publicdb import sqlite_file
from samizdat.vault import locks
from samizdat.vault.models import KeyLock, VaultKey

NOTE = "copy.json"
DUMP = "database.dump"
# What a folder's name ends with until everything is in it.
_PART = ".part"
_COPY, _REPLACED = "-before-upgrade-", "-replaced-"
_LOCKS = KeyLock._meta.db_table
# Bytes that stay free behind a copy: for what migrating writes.
_SPARE = 128 << 20
_SCHEMAS = ("public", "publicdb")
# Seconds that loading a dump waits for somebody who still reads.
_PATIENCE = 20


@dataclass(frozen=True, slots=True)
class UpgradeCopy:
    """newest: the highest numbers of events and consent records in it; None: they could not be read."""

    path: Path
    time: datetime
    version: str
    engine: str
    newest: tuple[int, int] | None

    @property
    def size(self) -> int:
        return sum(path.stat().st_size for path in self.path.iterdir())


def copies() -> list[UpgradeCopy]:
    """Whole ones beside the data folder, the newest first."""
    data = data_folder()
    whole = []
    for path in data.parent.glob(f"{data.name}{_COPY}*"):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            facts = json.loads((path / NOTE).read_text("utf-8"))
            newest = tuple(facts["newest"]) if facts["newest"] else None
            moment = datetime.fromisoformat(facts["time"])
            if not path.name.endswith(_PART):
                whole.append(UpgradeCopy(path, moment, facts["version"], facts["engine"], newest))
    return sorted(whole, key=lambda copy: (copy.time, copy.path.name), reverse=True)


def leftovers() -> list[Path]:
    """What copies and ways back have left beside the data folder, whole or not: it has the data of people who are
    erased later."""
    data = data_folder()
    return sorted(path for word in (_COPY, _REPLACED) for path in data.parent.glob(f"{data.name}{word}*"))


# -- making one ---------------------------------------------------------------------------------------------------


def make(now: datetime) -> UpgradeCopy:
    """Asked with nobody else at work. Errors: BackupRefused; OSError."""
    data = data_folder()
    for left in data.parent.glob(f"{data.name}{_COPY}*{_PART}"):  # Of one that was killed.
        shutil.rmtree(left)
    _check_room(data.parent)
    part = _new_folder(_COPY, now, _PART)
    try:
        if connection.vendor == "sqlite":
            _copy_files(part)
        else:
            _dump(part / DUMP)
        facts = {
            "time": now.astimezone(UTC).isoformat(),
            "version": __version__,
            "engine": connection.vendor,
            "newest": _newest(),
        }
        modes.replace_file(part / NOTE, json.dumps(facts).encode())
        modes.sync_folder(part)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    path = part.with_name(part.name.removesuffix(_PART))
    part.rename(path)
    modes.sync_folder(path.parent)
    return next(copy for copy in copies() if copy.path == path)


def _new_folder(word: str, now: datetime, end: str = "") -> Path:
    """Errors: OSError."""
    data, number = data_folder(), 1
    while True:
        again = f"-{number}" if number > 1 else ""
        path = data.with_name(f"{data.name}{word}{now.astimezone(UTC):%Y%m%d-%H%M%S}{again}")
        if not path.exists():
            break
        number += 1
    folder = path.with_name(path.name + end)
    modes.make_folder(folder)
    return folder


def _check_room(folder: Path) -> None:
    if connection.vendor == "sqlite":
        needed = sum(_size(place) for place in _files())
    else:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_database_size(current_database())")
            needed = int(cursor.fetchone()[0]) // 2  # A dump is compressed, and has no indexes.
    free = shutil.disk_usage(folder).free
    if free < needed + _SPARE:
        raise BackupRefused(
            "no_room",
            f"There is no room for a copy beside the data folder: it needs {(needed + _SPARE) >> 20:,} MB in {folder}, "
            f"and {free >> 20:,} MB are free. Nothing was changed. Free up space. If you have a copy of your own, add "
            "--no-copy.",
        )


def _size(place: Path) -> int:
    return sum(path.stat().st_size for path in (place, place.with_name(place.name + "-wal")) if path.exists())


def _files() -> list[Path]:
    """Of both databases, as far as they are there; a public one that is broken is made again by the worker."""
    public = sqlite_file.path()
    database = Path(str(connection.settings_dict["NAME"]))
    is_whole = public is not None and public.exists() and not sqlite_file.fault(public, tables=False)
    return [*([public] if public and is_whole else []), database]


def _copy_files(folder: Path) -> None:
    for place in _files():
        alias = "default" if place == _files()[-1] else "publicdb"
        target = folder / place.name
        # SQLite fills an empty file, and would make one that everybody may read.
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        with connections[alias].cursor() as cursor:
            cursor.execute("VACUUM INTO %s", [str(target)])
        _check_file(target)
        _sync(target)


def _check_file(path: Path) -> None:
    """A copy that can't be read is no way back. Errors: BackupRefused."""
    with contextlib.closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)) as copy:
        if copy.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
            raise BackupRefused(
                "bad_copy", f"The copy {path} is damaged. Nothing was changed. Check the disk, then run this again."
            )


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _newest() -> tuple[int, int] | None:
    numbers = []
    for model in (Event, ConsentRecord):
        try:
            with connection.cursor() as cursor:
                cursor.execute(f"SELECT max(id) FROM {model._meta.db_table}")
                numbers.append(int(cursor.fetchone()[0] or 0))
        except DatabaseError:
            return None
    return numbers[0], numbers[1]


# -- PostgreSQL's own programs ------------------------------------------------------------------------------------


def _programs(*names: str) -> None:
    """Errors: BackupRefused, where one is missing."""
    for name in names:
        if shutil.which(name) is None:
            raise BackupRefused(
                "no_pg_dump",
                f"{name} isn't installed, so no copy of the database can be made or put back. Nothing was changed. "
                "Install PostgreSQL's client programs (apt-get install postgresql-client). If you have a copy of your "
                "own, add --no-copy.",
            )


def _server() -> tuple[str, dict[str, str]]:
    """How its programs reach the database: what may stand in a list of processes, and an environment."""
    parameters: dict[str, Any] = dict(connection.get_connection_params())
    ours = ("dbname", "user", "host", "port", "sslmode", "sslrootcert", "sslcert", "sslkey", "connect_timeout")
    info = make_conninfo(**{name: parameters[name] for name in ours if parameters.get(name)})
    password = str(parameters.get("password") or "")
    return info, {**os.environ, **({"PGPASSWORD": password} if password else {})}


def _dump(target: Path) -> None:
    _programs("pg_dump", "pg_restore", "psql")
    info, environment = _server()
    os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    words = ["pg_dump", "-Fc", "--no-owner", "-f", str(target), *(f"--schema={name}" for name in _SCHEMAS), info]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BackupRefused(
            "no_copy",
            f"pg_dump can't copy the database: {_first(done.stderr)}. Nothing was changed. Its version has to be that "
            "of the server or newer. If you have a copy of your own, add --no-copy.",
        )
    _sync(target)


def _first(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[0].removesuffix(".") if lines else "it says nothing"


# -- the way back -------------------------------------------------------------------------------------------------


def lost_since(copy: UpgradeCopy) -> tuple[int, int] | None:
    """Events and consent records that came after a copy, at most; None: nobody can tell."""
    now = _newest()
    if now is None or copy.newest is None:
        return None
    return max(0, now[0] - copy.newest[0]), max(0, now[1] - copy.newest[1])


@dataclass(frozen=True, slots=True)
class DestroyedKeys:
    """That an organization's keys were destroyed, as its row of KeyLock says it. at: as the database has it."""

    name: str
    uid: bytes
    serial: int
    at: str
    mac: bytes


def destroyed() -> list[DestroyedKeys]:
    """Whose keys the way back would bring back. Errors: VaultError, where there are such rows and no key that says
    whether they are ours."""
    try:
        rows = locks.destroyed() if KeyLock.objects.filter(destroyed=True).exists() else []
    except DatabaseError:
        return []  # Tables of another version, or none.
    return [
        DestroyedKeys(row.organization.slug, bytes(row.organization.uid), row.serial, _at(row.pk), bytes(row.mac))
        for row in rows
    ]


def _at(number: int) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT CAST(at AS text) FROM {_LOCKS} WHERE organization_id = %s", [number])
        return str(cursor.fetchone()[0])


def _destroying(gone: Sequence[DestroyedKeys], schema: str, zeros: str, blob: str, true: str) -> list[str]:
    """Statements by which they are destroyed in an older database as well."""
    statements = []
    for each in gone:
        own = f"(SELECT id FROM {schema}{Organization._meta.db_table} WHERE uid = {blob.format(each.uid.hex())})"
        facts = f"{true}, {true}, {each.serial:d}, '{each.at}', {blob.format(each.mac.hex())}"
        statements += [
            f"UPDATE {schema}{VaultKey._meta.db_table} SET wrapped = {zeros} WHERE organization_id IN {own}",
            f"DELETE FROM {schema}{_LOCKS} WHERE organization_id IN {own}",
            f"INSERT INTO {schema}{_LOCKS} (organization_id, locked, destroyed, serial, at, mac) "
            f"SELECT id, {facts} FROM {own} AS own",
        ]
    return statements


def put_back(copy: UpgradeCopy, now: datetime, gone: Sequence[DestroyedKeys] = ()) -> Path:
    """Asked with nobody else at work. The databases are what they were at the copy, and may not send; where what they
    replaced is kept. gone: keys that are destroyed in them before they are anybody's. Errors: BackupRefused;
    OSError."""
    if copy.engine != connection.vendor:
        raise BackupRefused(
            "other_engine", f"The copy {copy.path} is of another database engine. Set DATABASE_URL as it was then."
        )
    return _load(copy, now, gone) if copy.engine == "postgresql" else _put_files_back(copy, now, gone)


def _put_files_back(copy: UpgradeCopy, now: datetime, gone: Sequence[DestroyedKeys]) -> Path:
    for each in connections.all():
        each.close()
    database = Path(str(connection.settings_dict["NAME"]))
    public = sqlite_file.path()
    places = [place for place in (public, database) if place is not None and (copy.path / place.name).exists()]
    needed, free = (
        sum((copy.path / place.name).stat().st_size for place in places),
        shutil.disk_usage(database.parent).free,
    )
    if free < needed + _SPARE:
        raise BackupRefused(
            "no_room",
            f"Putting the copy back needs {(needed + _SPARE) >> 20:,} MB in {database.parent}, and {free >> 20:,} MB "
            "are free. Nothing was changed. Free up space and run this again.",
        )
    for place in places:
        _stage(copy.path / place.name, _staged(place))
    _fence_file(_staged(database), gone)
    replaced = _new_folder(_REPLACED, now)
    for place in places:
        _set_aside(place, replaced)
        _staged(place).replace(place)
        if place == public:
            sqlite_file.open_up(place)
    modes.sync_folder(database.parent)
    return replaced


def _staged(place: Path) -> Path:
    return place.with_name(f"{place.name}.back")


def _stage(source: Path, target: Path) -> None:
    target.unlink(missing_ok=True)
    _check_file(source)
    with source.open("rb") as old, open(target, "xb", opener=lambda path, flags: os.open(path, flags, 0o600)) as new:
        shutil.copyfileobj(old, new, 1 << 20)
        new.flush()
        os.fsync(new.fileno())


def _fence_file(path: Path, gone: Sequence[DestroyedKeys]) -> None:
    """In the copy, before it is anybody's database: no organization may send, and no key is back that was
    destroyed."""
    table = Organization._meta.db_table
    with contextlib.closing(sqlite3.connect(path)) as copy:
        if "sending_locked" in {row[1] for row in copy.execute(f"PRAGMA table_info({table})")}:
            copy.execute(f"UPDATE {table} SET sending_locked = 1")
        for statement in _destroying(gone, "", "zeroblob(length(wrapped))", "x'{}'", "1"):
            copy.execute(statement)
        copy.commit()
    _sync(path)


def _set_aside(place: Path, replaced: Path) -> None:
    """Under its name too until another file takes it, so that a kill leaves the old one or the new one. Its log must be
    gone before: SQLite would write it into the new one."""
    if not place.exists():
        return
    with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(place, timeout=5.0)) as old:
        old.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    kept = replaced / place.name
    try:
        os.link(place, kept)
    except OSError:  # Not every file system has a second name for a file.
        shutil.copy2(place, kept)
    kept.chmod(0o600)
    for end in ("-wal", "-journal"):
        log = place.with_name(place.name + end)
        if log.exists():
            log.rename(replaced / log.name)
    place.with_name(place.name + "-shm").unlink(missing_ok=True)
    modes.sync_folder(replaced)


# What stands in our schemas and belongs to no extension. CASCADE takes along what belongs to a table.
_EMPTY = f"""
SET lock_timeout = '{_PATIENCE}s';
SET client_min_messages = error;
DO $$
DECLARE row record;
BEGIN
    FOR row IN
        SELECT format('%I.%I', n.nspname, c.relname) AS name,
            CASE c.relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'S' THEN 'SEQUENCE'
                ELSE 'TABLE' END AS kind
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname IN {_SCHEMAS} AND c.relkind IN ('r', 'p', 'v', 'm', 'S')
            AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype IN ('e', 'i'))
        ORDER BY c.relkind = 'S'
    LOOP
        EXECUTE format('DROP %s IF EXISTS %s CASCADE', row.kind, row.name);
    END LOOP;
    FOR row IN
        SELECT p.oid::regprocedure AS name FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
        WHERE n.nspname IN {_SCHEMAS}
            AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')
    LOOP
        EXECUTE format('DROP ROUTINE IF EXISTS %s CASCADE', row.name);
    END LOOP;
    FOR row IN
        SELECT t.oid::regtype AS name FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
        LEFT JOIN pg_class c ON c.oid = t.typrelid
        WHERE n.nspname IN {_SCHEMAS} AND (t.typtype IN ('e', 'd', 'r') OR c.relkind = 'c')
            AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = t.oid AND d.deptype = 'e')
    LOOP
        EXECUTE format('DROP TYPE IF EXISTS %s CASCADE', row.name);
    END LOOP;
END $$;
"""
_FENCE = f"UPDATE public.{Organization._meta.db_table} SET sending_locked = true;"


def _load(copy: UpgradeCopy, now: datetime, gone: Sequence[DestroyedKeys]) -> Path:
    """In one transaction, which is taken back if anything fails or dies."""
    _programs("pg_dump", "pg_restore", "psql")
    _refuse_company()
    replaced = _new_folder(_REPLACED, now)
    _dump(replaced / DUMP)
    connections.close_all()
    info, environment = _server()
    loading = ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", "-", "-d", info]
    reading = ["pg_restore", "--no-owner", "-f", "-", *(f"--schema={name}" for name in _SCHEMAS)]
    with subprocess.Popen(
        loading,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    ) as loader:
        assert loader.stdin is not None and loader.stderr is not None
        is_read = False
        with contextlib.suppress(BrokenPipeError):
            loader.stdin.write(f"BEGIN;\n{_EMPTY}")
            loader.stdin.flush()
            restored = subprocess.run([*reading, str(copy.path / DUMP)], stdout=loader.stdin, check=False)
            is_read = restored.returncode == 0
            # Without these words, nothing of it stays.
            zeros = "decode(repeat('00', length(wrapped)), 'hex')"
            destroying = "".join(f"{each};\n" for each in _destroying(gone, "public.", zeros, r"'\x{}'::bytea", "true"))
            loader.stdin.write(f"{_FENCE}\n{destroying}COMMIT;\n" if is_read else "ROLLBACK;\n")
        with contextlib.suppress(BrokenPipeError):
            loader.stdin.close()
        complaint = loader.stderr.read()
    if loader.returncode or not is_read:
        raise BackupRefused(
            "not_put_back",
            f"The copy {copy.path} can't be loaded: {_first(complaint)}. The database is as it was before.",
        )
    return replaced


def _refuse_company() -> None:
    """Errors: BackupRefused, where others use the database."""
    connections["publicdb"].close()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
            "AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )
        others = int(cursor.fetchone()[0])
    if others:
        raise BackupRefused(
            "in_use",
            f"Others use the database ({others:,} connections). Nothing was changed. Stop `samizdat serve` and "
            "`samizdat worker` on every server, then run this again.",
        )
