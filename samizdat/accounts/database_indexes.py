"""SQLite: which tables don't match their indexes, or hold values of another type or form than we write
(worker/schedule/index_check.py, doctor)."""

import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from django.apps import apps

from samizdat.accounts import database_catalog
from samizdat.sqlite.base import FORMS

# Steps of SQLite's machine after which it is asked whether to stop: some milliseconds.
STEPS = 100_000

# How SQLite says that a value is of another type, or refused by a condition of its table.
_MISSHAPEN = re.compile(r"(non-)?[A-Z]+ value in |CHECK constraint failed")


_OTHERWISE = 'SELECT 1 FROM "{}" WHERE NOT ({}) LIMIT 1'


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
        misshapen = {bool(_MISSHAPEN.match(line)) for line in lines if line != "ok"}
        misshapen |= {True for _row in own.execute(_OTHERWISE.format(table, _in_our_form(table)))}
    except sqlite3.DatabaseError:
        return [] if stop() else [DamagedTable(table, misshapen=False)]
    return [DamagedTable(table, each) for each in sorted(misshapen)]


def _in_our_form(table: str) -> str:
    """SQL: whether all days, times and flags of a row are written as we write them."""
    models = [model for model in apps.get_models(include_auto_created=True) if model._meta.db_table == table]
    fields = [field for model in models for field in model._meta.local_concrete_fields]
    kinds = [(f'"{field.column}"', field.get_internal_type()) for field in fields]
    return " AND ".join(FORMS[kind].format(column) for column, kind in kinds if kind in FORMS) or "true"
