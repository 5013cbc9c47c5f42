"""SQLite keeps whatever somebody writes into a column, and compares numbers before texts and texts before blobs.

Django reads 20261125, 2026-11-25 as a blob, digits of another script and times of another zone as the same day or time,
so a digest of what was read would still fit where SQL compares something else. Here tables are STRICT
(https://www.sqlite.org/stricttables.html), so each column holds values of its type alone. Days, times and flags are
texts and numbers to SQLite: what isn't in our form is read as a value that we never write, and the nightly reading of
all tables tells of it (accounts/database_indexes.py). CHECKs of that form would cost each connection 0.7 MB, since
SQLite parses them for each again, and hold nobody who can switch them off.
"""

from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any

from django.db.backends.sqlite3 import base
from django.db.backends.sqlite3.operations import DatabaseOperations as SqliteOperations
from django.db.backends.sqlite3.schema import DatabaseSchemaEditor as SqliteSchemaEditor

# Read where no date or time of ours stands: no digest or MAC is of them.
NO_DAY = date(1000, 1, 1)
NO_TIME = datetime(1000, 1, 1, microsecond=1, tzinfo=UTC)

_DAY = "{0} IS date({0})"
# SQL: whether a column has a day in our form that Python knows, or none.
IS_DAY = f"({_DAY} AND coalesce({{0}}, '1') >= '0001-01-01')"
_TIME = (
    "{0} IS datetime(substr({0}, 1, 19)) || substr({0}, 20) AND (length({0}) = 19 "
    "OR (substr({0}, 20) GLOB '.[0-9][0-9][0-9][0-9][0-9][0-9]' AND substr({0}, 20) <> '.000000'))"
)
# Django's name of a type -> SQL: whether a column of that type has a value in our form, or none. "now" isn't a day.
_IS_DATED = "({0} IS NULL OR {0} GLOB '[0-9]*' AND "
FORMS = {
    "BooleanField": "({0} IS NULL OR {0} IN (0, 1))",
    "DateField": _IS_DATED + _DAY + ")",
    "DateTimeField": _IS_DATED + _TIME + ")",
}


class DatabaseOperations(SqliteOperations):
    def convert_datefield_value(self, value: object, _expression: object, _connection: object) -> date | None:
        return None if value is None else _day(value) if type(value) is str else NO_DAY

    def convert_datetimefield_value(self, value: object, _expression: object, _connection: object) -> datetime | None:
        return None if value is None else _time(value) if type(value) is str else NO_TIME

    def convert_booleanfield_value(self, value: object, _expression: object, _connection: object) -> bool | None:
        return bool(value) if type(value) is int and value in (0, 1) else None


@lru_cache(maxsize=4096)
def _day(text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return NO_DAY
    return day if day.isoformat() == text else NO_DAY


def _time(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return NO_TIME
    return moment.replace(tzinfo=UTC) if str(moment) == text else NO_TIME


def _strict(name: str, declared: object) -> str:
    """The type of a column as STRICT tables know it, after SQLite's own rules of what such a name means
    (https://www.sqlite.org/datatype3.html, 3.1)."""
    if name in ("BooleanField", "DurationField") or "int" in str(declared):
        return "integer"
    return str(declared) if declared in ("BLOB", "real") else "text"


class DatabaseSchemaEditor(SqliteSchemaEditor):
    sql_create_table = f"{SqliteSchemaEditor.sql_create_table} STRICT"


class DatabaseWrapper(base.DatabaseWrapper):
    data_types = {name: _strict(name, kind) for name, kind in base.DatabaseWrapper.data_types.items()}
    ops_class = DatabaseOperations
    SchemaEditorClass = DatabaseSchemaEditor

    def get_connection_params(self) -> dict[str, Any]:
        # Django's converters get the bytes of a value and not its type.
        return super().get_connection_params() | {"detect_types": 0}
