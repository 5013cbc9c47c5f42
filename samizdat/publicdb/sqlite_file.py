"""The public database's file on SQLite: whether it is what we made, and another one in its place.

Whoever may write it may bend it, cut it off or put something else there. A broken one is put aside, what can be read
of what readers sent is carried over, and the others' connections follow to the new one (publicdb/sqlite/base.py).
"""

import contextlib
import os
import sqlite3
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Field, Model

from samizdat import modes
from samizdat.publicdb.models import (
    EditionName,
    Form,
    Intake,
    LinkTarget,
    Page,
    PrivatePage,
    PublicPicture,
    Site,
    TokenState,
)
from samizdat.publicdb.sqlite.base import DatabaseWrapper

_TABLES = (Site, Form, Page, EditionName, LinkTarget, PublicPicture, TokenState, PrivatePage, Intake)
# What the house cannot make again.
_OF_READERS = (Intake, TokenState, PrivatePage)
# What SQLite says of a file that is broken; of one that is locked or on a full disk it says something else.
_BROKEN = frozenset((sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB))
_CUT_OFF = frozenset((sqlite3.SQLITE_IOERR_READ, sqlite3.SQLITE_IOERR_SHORT_READ))
# Seconds to read all of it.
READING = 10.0
# A fault that its owner puts right by open_up().
CLOSED = "its owner might not open it"
_KINDS = {"BinaryField": bytes, "CharField": str, "DateTimeField": str}


def path() -> Path | None:
    """None where the public database is no file: on PostgreSQL."""
    return Path(connections["publicdb"].settings_dict["NAME"]) if connections["publicdb"].vendor == "sqlite" else None


def readable_databases() -> list[str]:
    """Aliases of those whose tables can be looked at. A public database that is lost or broken is made anew by the
    worker, and `doctor` says so."""
    place = path()
    return ["default", *([] if place and fault(place, tables=False) else ["publicdb"])]


def make_empty(place: Path) -> None:
    """A database without tables, where there is none."""
    with contextlib.suppress(FileExistsError):
        descriptor = os.open(place, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        os.fchmod(descriptor, mode_in(place.parent))  # Whatever our umask.
        os.close(descriptor)


# Of each file of SQLite (https://www.sqlite.org/fileformat2.html, 1.3).
_BEGINNING = b"SQLite format 3\0"


def mode_in(folder: Path) -> int:
    """Of the public database's file: the folder has the group of the public process where that is another user than
    ours."""
    return 0o640 if folder.stat().st_mode & stat.S_ISGID else 0o600


def open_up(place: Path) -> None:
    """To its owner, and to who else has to read it. Where that is somebody else's file it stays as it is."""
    with contextlib.suppress(PermissionError):
        place.chmod(mode_in(place.parent))


def says_broken(error: BaseException | None) -> bool:
    """Whether this is what SQLite says of a broken file; also where Django has put another error around it."""
    if error is not None and not isinstance(error, sqlite3.Error):
        error = error.__cause__
    code = getattr(error, "sqlite_errorcode", None) or 0
    return code & 0xFF in _BROKEN or code in _CUT_OFF


def fault(place: Path, *, tables: bool = True, thorough: bool = False) -> str:
    """What is wrong with it, in words; "": nothing. Without `tables` it may be of another version; `thorough` reads all
    of it. Errors: those of a busy database."""
    status = _look(place)
    if status is None:
        return "it is gone"
    logs = [_look(place.with_name(place.name + end)) for end in ("-wal", "-shm")]
    if any(file_status is not None and not stat.S_ISREG(file_status.st_mode) for file_status in (status, *logs)):
        return "something else stood in its place"
    if status.st_mode & 0o600 != 0o600:
        return CLOSED
    # Whoever reads a file with another beginning may be kept waiting by those that still have it open, for ever.
    with place.open("rb") as file:
        if file.read(len(_BEGINNING)) not in (b"", _BEGINNING):
            return "it is damaged"
    try:
        with _opened(place) as connection:
            return _bent(connection, tables) or (_damaged(connection) if thorough else "")
    except sqlite3.Error as error:
        if says_broken(error):
            return "it is damaged"
        raise


def _look(place: Path) -> os.stat_result | None:
    try:
        return place.lstat()
    except FileNotFoundError:
        return None


@contextlib.contextmanager
def _opened(place: Path) -> Iterator[sqlite3.Connection]:
    """For reading what may be somebody else's. A connection of its own: what others have in memory hides a lot."""
    with contextlib.closing(sqlite3.connect(f"file:{quote(str(place))}?mode=ro", uri=True, timeout=5.0)) as connection:
        connection.text_factory = lambda raw: raw.decode(errors="replace")
        for setting in ("trusted_schema=OFF", "cell_size_check=ON", "mmap_size=0"):
            connection.execute(f"PRAGMA {setting}")
        yield connection


def _bent(connection: sqlite3.Connection, tables: bool) -> str:
    # A trigger would do what its author likes, with every row that we write.
    (foreign,) = connection.execute(
        "SELECT count(*) FROM sqlite_master WHERE type NOT IN ('table', 'index')"
    ).fetchone()
    if foreign:
        return "it held programs that are not ours"
    try:
        for model in _TABLES if tables else ():
            connection.execute(f"SELECT {_columns(model)} FROM {model._meta.db_table} LIMIT 1").fetchall()
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_ERROR:
            raise
        return "its tables were others"
    return ""


def _damaged(connection: sqlite3.Connection) -> str:
    """As far as the time reaches: a public database with years of pictures on a slow disk."""
    until = time.monotonic() + READING
    connection.set_progress_handler(lambda: time.monotonic() > until, 10_000)
    try:
        return "" if connection.execute("PRAGMA quick_check(1)").fetchone() == ("ok",) else "it is damaged"
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT:
            return ""
        raise


def _columns(model: type[Model]) -> str:
    """In brackets: what stands in quotes and is no column is taken for a text by SQLite."""
    return ", ".join(f"[{field.column}]" for field in model._meta.fields)


@contextlib.contextmanager
def instead(place: Path) -> Iterator[Path]:
    """Puts what stands there aside. In the block, this thread's public database is a new file without tables; behind it
    that is everybody's public database, with what could be read of what readers had sent to those whom it knows. A kill
    in between loses nothing: what is aside stays there until it has been read."""
    new = place.with_name(f"{place.name}.new")
    for left in place.parent.glob(f"{new.name}*"):
        left.unlink()
    connections["publicdb"].close()
    # First of all, and the rest takes a while: who is writing into it now is done when it is read.
    _put_aside(place)
    ours = connections["publicdb"]
    make_empty(new)
    connections["publicdb"] = replacement = DatabaseWrapper({**ours.settings_dict, "NAME": str(new)}, "publicdb")
    try:
        yield new
        for aside in _asides(place):
            _carry_over(aside, replacement)
    finally:
        replacement.close()  # The last connection, so its log goes into the file.
        connections["publicdb"] = ours
    os.replace(new, place)
    modes.sync_folder(place.parent)
    for aside in _asides(place):
        _throw_away(aside)


def _put_aside(place: Path) -> None:
    number = 1 + len(_asides(place))
    lost = _look(place) is None
    for end in ("-shm", "-journal", "-wal", ""):
        left = place.with_name(place.name + end)
        if _look(left) is None:
            continue
        if left.is_file() and (lost or end == "-shm"):
            left.unlink()
        else:
            left.rename(place.with_name(f"{place.name}.broken-{number}{end}"))


def _asides(place: Path) -> list[Path]:
    return sorted(
        path for path in place.parent.glob(f"{place.name}.broken-*") if path.name.rpartition("-")[2].isdigit()
    )


def _throw_away(aside: Path) -> None:
    """A folder that is not empty stays: it is somebody's."""
    for left in aside.parent.glob(f"{aside.name}*"):
        with contextlib.suppress(OSError):
            left.rmdir() if left.is_dir() and not left.is_symlink() else left.unlink()


def _carry_over(aside: Path, replacement: DatabaseWrapper) -> None:
    if aside.is_symlink() or not aside.is_file():
        return
    with replacement.cursor() as cursor:
        cursor.execute("SELECT uid FROM publicdb_site")
        known = {bytes(uid) for (uid,) in cursor.fetchall()}
    with contextlib.suppress(sqlite3.Error), _opened(aside) as connection:
        for model in _OF_READERS:
            _carry(model, connection, replacement, known)


def _carry(
    model: type[Model],
    old: sqlite3.Connection,
    replacement: BaseDatabaseWrapper,
    known: set[bytes],
) -> None:
    fields = model._meta.fields
    place = next((at for at, field in enumerate(fields) if field.column == "place_id"), None)
    fitting = (
        row for row in _rows(model, old) if all(map(_fits, fields, row)) and (place is None or row[place] in known)
    )
    # OR IGNORE: a rule of the table says no, or the row was read from the other end already.
    statement = f"INSERT OR IGNORE INTO {model._meta.db_table} ({_columns(model)}) VALUES "
    with contextlib.closing(replacement.connection.cursor()) as cursor:
        cursor.execute("BEGIN IMMEDIATE")
        cursor.executemany(f"{statement}({', '.join('?' * len(fields))})", fitting)
        cursor.execute("COMMIT")


def _rows(model: type[Model], old: sqlite3.Connection) -> Iterator[tuple[object, ...]]:
    """From both ends, up to what cannot be read."""
    for order in ("ASC", "DESC"):
        with contextlib.suppress(sqlite3.Error):
            yield from old.execute(f"SELECT {_columns(model)} FROM {model._meta.db_table} ORDER BY rowid {order}")
            return


def _fits(field: "Field[object, object]", value: object) -> bool:
    if value is None:
        return field.null
    kind = "BinaryField" if field.column == "place_id" else field.get_internal_type()
    return isinstance(value, _KINDS.get(kind, int))
