"""Whatever goes wrong, as a code and a sentence that says what to do. The one place where commands translate errors."""

import errno
import shutil
import sqlite3
from collections.abc import Mapping

from samizdat.health.words import missing_while_it_runs
from samizdat.logs import where_it_broke, without_people
from samizdat.options import data_folder, key_file
from samizdat.vault.errors import KeyFileMissing
from samizdat.vault.socket_source import SocketSource

# Bytes. What fails to write on a disk with less than this left fails because of it.
LITTLE = 16 << 20

_FULL = ("disk_full", "The disk is full. Free up space and run the same command again. Nothing was left half written.")

_SYSTEM = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    # A limit on the size of files (ulimit -f, LimitFSIZE of systemd).
    errno.EFBIG: ("file_limit", "{file} has reached the size limit (ulimit -f). Raise it and run this again."),
    errno.EIO: ("disk_broken", "The disk can't read or write {file}. Check the disk, and your last backup."),
    errno.ENOTDIR: ("not_a_folder", "A part of the path {file} is no folder. Check the path."),
    errno.ENAMETOOLONG: ("long_name", "A file name is too long. Use a shorter one and try again."),
    errno.EMFILE: ("many_files", "Too many open files (ulimit -n). Raise the limit and run this again."),
    errno.EROFS: ("read_only", "{file} is on a read-only disk. Make it writable or set SAMIZDAT_DATA."),
    errno.EACCES: ("no_permission", "This user can't open {file}. Change its permissions, or use another user."),
    errno.EPERM: ("no_permission", "This user can't change {file}. Change its permissions, or use another user."),
    errno.ENOENT: ("no_such_file", "There's no file {file}. Check the name and try again."),
    errno.EISDIR: ("is_a_folder", "{file} is a folder. Enter a file in it."),
    errno.EADDRINUSE: ("port_taken", "This port is in use. Choose another one with --port."),
}

# What SQLite and PostgreSQL say, in the words both keep stable.
_DATABASE = (
    ("database or disk is full", *_FULL),
    (
        "disk i/o error",
        "disk_broken",
        (
            "Writing to the disk failed: it is damaged, missing, or at the size limit (ulimit -f). Fix that "
            "and run the same command again."
        ),
    ),
    ("no space left", "disk_full", "The disk of the database is full. Free up space and run the same command again."),
    (
        "readonly database",
        "read_only",
        "The data folder is read-only. Make it writable for this user, or set SAMIZDAT_DATA.",
    ),
    ("unable to open database file", "no_data", "There is no database in the data folder. Run `samizdat init` first."),
    ("no such table", "no_data", "The database has no tables yet. Run `samizdat init`, or `samizdat upgrade`."),
    ("does not exist", "no_data", "The database has no tables yet. Run `samizdat init`, or `samizdat upgrade`."),
    ("database is locked", "busy", "Another process has held the database for 20 seconds. Run this again."),
    ("malformed", "damaged", "The database file is damaged. Restore the last backup; keep this file."),
    ("not a database", "damaged", "The database file is damaged. Restore the last backup; keep this file."),
    ("connection", "no_database", "PostgreSQL doesn't answer. Check DATABASE_URL and whether it is running."),
    ("authentication failed", "no_database", "PostgreSQL rejected the password. Fix DATABASE_URL."),
)


def sentence_for(error: BaseException) -> tuple[str, str, Mapping[str, object]]:
    """(code, sentence, document) for any exception; our own carry theirs."""
    if isinstance(error, KeyFileMissing) and SocketSource.running(data_folder()) is not None:
        return error.code, missing_while_it_runs(key_file()), {}
    if (error.__class__.__module__ or "").startswith("samizdat.") and str(error):
        if getattr(error, "code", "") == "sender_failed" and (known := _of_the_system(_root(error))):
            return known
        return getattr(error, "code", "refused"), str(error), getattr(error, "document", {})
    if known := _of_the_system(error):
        return known
    if isinstance(error, UnicodeDecodeError):
        return "bad_encoding", "The input isn't UTF-8 text. Save it as UTF-8 and try again.", {}
    if isinstance(error, MemoryError):
        return "no_memory", "There isn't enough memory. Stop another program and run the same command again.", {}
    where = without_people(where_it_broke(error))
    return (
        "broken",
        f"Something went wrong in Samizdat ({where}). Run this again with --debug and report what it shows.",
        {},
    )


def _root(error: BaseException) -> BaseException:
    while error.__cause__ is not None:
        error = error.__cause__
    return error


def _of_the_system(error: BaseException) -> tuple[str, str, Mapping[str, object]] | None:
    """What disk, network or database say, in our words; None for what is not theirs."""
    if isinstance(error, OSError) and error.errno in _SYSTEM:
        code, sentence = _SYSTEM[error.errno]
        return code, sentence.format(file=error.filename or "The file"), {}
    if (
        isinstance(error, sqlite3.Error)
        or "db" in error.__class__.__module__
        or "psycopg" in error.__class__.__module__
    ):
        message = str(error).casefold()
        if "disk i/o error" in message and _is_full():
            return (*_FULL, {})
        for words, code, sentence in _DATABASE:
            if words in message:
                return code, sentence, {}
    return None


def _is_full() -> bool:
    """SQLite says "disk I/O error" of a full disk when it was its shared index that found no room."""
    try:
        return shutil.disk_usage(data_folder()).free < LITTLE
    except OSError:
        return False
