"""SQLite: which tables don't match their indexes, or hold values of another type or form than we write
(worker/schedule/index_check.py, doctor)."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from samizdat.accounts import database_catalog

# Steps of SQLite's machine after which it is asked whether to stop: some milliseconds.
STEPS = 100_000


# How SQLite begins to say that a value is of another type or form (samizdat/sqlite/base.py).
_CHECK = "CHECK constraint failed"


class DamagedTable(NamedTuple):
    """misshapen: a column holds what it refuses, rather than that an index lacks rows; to make indexes anew mends
    nothing then."""

    name: str
    misshapen: bool


def damaged(path: str, stop: Callable[[], bool]) -> list[DamagedTable]:
    """Our tables of the file that are not whole; fewer where `stop()` ends it."""
    if not Path(path).is_file():
        return []
    # Of a file that was opened for reading alone SQLite doesn't know what columns refuse.
    with closing(sqlite3.connect(f"{Path(path).resolve().as_uri()}?mode=rw", uri=True)) as own:
        own.execute("PRAGMA query_only = ON")
        own.set_progress_handler(stop, STEPS)
        here = {name for (name,) in own.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        tables = [name for name in database_catalog.tables() if name in here]
        return [damage for name in tables for damage in _damages(own, name, stop)]


def _damages(own: sqlite3.Connection, table: str, stop: Callable[[], bool]) -> list[DamagedTable]:
    try:
        lines = [line for (line,) in own.execute(f'PRAGMA integrity_check("{table}")')]
    except sqlite3.DatabaseError:
        return [] if stop() else [DamagedTable(table, misshapen=False)]
    misshapen = {line.startswith(_CHECK) for line in lines if line != "ok"}
    return [DamagedTable(table, each) for each in sorted(misshapen)]
