"""SQLite: which tables don't match their indexes (worker/schedule/index_check.py, doctor)."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from samizdat.accounts import database_catalog

# Steps of SQLite's machine after which it is asked whether to stop: some milliseconds.
STEPS = 100_000


def damaged(path: str, stop: Callable[[], bool]) -> list[str]:
    """Our tables of the file which don't match their indexes; fewer where `stop()` ends it."""
    if not Path(path).is_file():
        return []
    with closing(sqlite3.connect(f"{Path(path).resolve().as_uri()}?mode=ro", uri=True)) as own:
        own.set_progress_handler(stop, STEPS)
        here = {name for (name,) in own.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        return [name for name in database_catalog.tables() if name in here and not _is_whole(own, name, stop)]


def _is_whole(own: sqlite3.Connection, table: str, stop: Callable[[], bool]) -> bool:
    try:
        return own.execute(f'PRAGMA integrity_check("{table}")').fetchall() == [("ok",)]
    except sqlite3.DatabaseError:
        return stop()
