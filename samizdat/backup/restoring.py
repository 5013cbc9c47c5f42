"""Filling an empty installation from a copy."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from django.db import connection, connections

from samizdat import db
from samizdat.accounts.models import Organization
from samizdat.audience.models import Import, ImportPiece
from samizdat.backup import advisory, folder, sets, tails
from samizdat.backup.errors import BackupRefused
from samizdat.backup.reading import ORDER, where
from samizdat.backup.sets import Copy, ReadablePlace
from samizdat.backup.sources import CopiedTable
from samizdat.backup.tables import copied_tables
from samizdat.backup.tails import TailFound
from samizdat.backup.targets import Target, open_target
from samizdat.core.backup.manifest import FOLDER, Manifest
from samizdat.core.backup.tail import Change
from samizdat.portability.models import AccountCopy, AccountCopyPiece, Export, ExportPiece
from samizdat.privacy.models import RescueCase, RescueEvidencePiece
from samizdat.sqlite import planner

# Pieces of files are in no tail: those whose file has gone meanwhile.
_LEFT_BEHIND = tuple(
    f"DELETE FROM {piece._meta.db_table} WHERE {column} NOT IN (SELECT id FROM {whole._meta.db_table})"
    for piece, column, whole in (
        (ImportPiece, "import_run_id", Import),
        (ExportPiece, "export_id", Export),
        (AccountCopyPiece, "copy_id", AccountCopy),
        (RescueEvidencePiece, "case_id", RescueCase),
    )
)
_FENCE = f"UPDATE {Organization._meta.db_table} SET sending_locked = true"
# Advisory lock on PostgreSQL (writing.BACKUP_LOCK is the one before).
RESTORE_LOCK = 0x5A4D495A0008
# A comment is kept and taken back with the rows of its transaction.
_MARKED = Organization._meta.db_table


@contextlib.contextmanager
def only_restore() -> Iterator[None]:
    """One at a time into the database of a server. Errors: BackupRefused."""
    with advisory.only_session(RESTORE_LOCK) as is_ours:
        if not is_ours:
            raise BackupRefused(
                "restore_runs", "Another restore into this database is running. Wait until it has finished."
            )
        yield


def is_filled(mark: str) -> bool:
    """Whether a server's database has the rows that fill() was given with this mark."""
    if connection.vendor != "postgresql" or not db.migrated("default"):
        return False
    with connection.cursor() as cursor:
        cursor.execute("SELECT obj_description(to_regclass(%s), 'pg_class')", [_MARKED])
        return bool(cursor.fetchone()[0] == mark)


def check_version(opened: Manifest) -> None:
    """Whether the tables here are those of the copy. Errors: BackupRefused."""
    tables = copied_tables(ORDER)
    ours = {f"{app}.{name}" for alias in ORDER for app, name in db.migrated(alias)}
    apps = {table.name.split("_")[0] for table in tables}
    here, there = ({name for name in names if name.split(".")[0] in apps} for names in (ours, opened.migrations))
    if there - here:
        raise BackupRefused(
            "newer_copy",
            f"This backup was written by Samizdat {opened.version}, which is newer. Install that version first.",
        )
    columns = {table.name: set(table.columns) for table in tables}
    if here - there or any(
        columns.get(entry.name) != set(entry.columns) for entry in opened.tables if entry.database in ORDER
    ):
        raise BackupRefused(
            "older_copy",
            f"This backup was written by Samizdat {opened.version}, with other tables. Install that version, restore "
            "with it, then install this one and run `samizdat upgrade`.",
        )


def fill(
    place: ReadablePlace,
    copy: Copy,
    identities: Sequence[object],
    naming_key: bytes,
    *,
    tail: TailFound | None = None,
    mark: str = "",
    tell: Callable[[int, int], None] = lambda _done, _whole: None,
    look: Callable[[str, Target], None] = lambda _alias, _target: None,
) -> None:
    """Writes the rows of a copy into databases that have tables and no rows, and what its tail has changed. In the same
    transaction, no organization may send. mark: hex digits for is_filled(). tell: called with the rows written so far,
    and all of them. look: called with each database before its tail. Errors: BackupRefused, PlaceError."""
    check_version(copy.manifest)
    connections.close_all()  # On SQLite nobody else may have the files open.
    whole, done = copy.manifest.rows, 0
    for alias in ORDER:
        entries = [entry for entry in copy.manifest.tables if entry.database == alias]
        tables = copied_tables([alias])
        with contextlib.closing(open_target(*where(alias), [table.name for table in tables])) as target:
            _make_room(target, alias, tables)
            with target.filling(partial(_finish, target, alias, place, copy, tail, identities, mark, look)):
                for entry in entries:
                    for piece in entry.pieces:
                        read = sets.content_of(place, piece, entry.name, identities, naming_key)
                        target.insert(entry.name, read.columns, read.rows)
                        done += len(read.rows)
                        tell(done, whole)
                target.go_on_from({entry.name: entry.last for entry in entries if entry.last})
    planner.describe()


def _finish(
    target: Target,
    alias: str,
    place: ReadablePlace,
    copy: Copy,
    tail: TailFound | None,
    identities: Sequence[object],
    mark: str,
    look: Callable[[str, Target], None],
) -> None:
    look(alias, target)
    if tail is not None:
        for changes, last in tails.moments(place, copy, tail, identities, alias):
            _apply(target, changes)
            here = {change.table for change in changes}
            target.go_on_from({table: number for table, number in last.items() if table in here})
    if alias == "default":
        for statement in _LEFT_BEHIND:
            target.execute(statement)
        target.execute(_FENCE)
        if mark:
            target.execute(f"COMMENT ON TABLE {_MARKED} IS '{int(mark, 16):032x}'")


def _apply(target: Target, changes: Sequence[Change]) -> None:
    """What is gone goes first: another row may have its place."""
    ours = {table.name: table for table in copied_tables(ORDER)}
    for change in changes:
        table = ours.get(change.table)
        if table is None or set(change.columns) != set(table.columns) or not set(change.by) <= set(table.columns):
            raise BackupRefused(
                "older_copy", "The tail of this backup was written by a version with other tables. Install that one."
            )
        target.remove(change.table, change.by, change.keys)
    for change in changes:
        target.remove(change.table, change.by, change.keys)
        if change.rows:
            target.add(change.table, change.columns, change.rows)


def refuse_rows() -> None:
    """Asked of a server before anything is made there. Errors: BackupRefused."""
    if not db.migrated("default"):
        return
    tables = copied_tables(["default"])
    with contextlib.closing(open_target(*where("default"), [table.name for table in tables])) as target:
        _make_room(target, "default", tables)


def _make_room(target: Target, alias: str, tables: Sequence[CopiedTable]) -> None:
    """The public database holds nothing of its own, and may be left from a restore that was stopped. Errors:
    BackupRefused, where the database is somebody's."""
    for table in tables:
        if alias == "publicdb":
            target.execute(f"DELETE FROM {table.name}")
        elif target.has_rows(table.name):
            raise BackupRefused(
                "not_empty", "This database has rows, and a restore overwrites nothing. Restore into an empty database."
            )


def put_files_back(
    place: ReadablePlace,
    copy: Copy,
    identities: Sequence[object],
    naming_key: bytes,
    data: Path,
    tail: TailFound | None = None,
) -> None:
    """Into a data folder. Errors: BackupRefused, PlaceError."""
    for entry in copy.manifest.tables:
        if entry.database == FOLDER:
            for piece in entry.pieces:
                folder.put_back(data, sets.content_of(place, piece, entry.name, identities, naming_key).rows)
    if tail is not None:
        for changes, _last in tails.moments(place, copy, tail, identities, FOLDER):
            for change in changes:
                folder.go_on(data, change.keys, change.rows)
