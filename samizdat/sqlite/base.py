"""SQLite keeps whatever somebody writes into a column, and compares numbers before texts and texts before blobs.

Django reads 20261125, 2026-11-25 as a blob, digits of another script and times of another zone as the same day or time,
so a digest of what was read would still fit where SQL compares something else. Here each column refuses what is not of
its type and in our form (CHECK), which the nightly reading of all tables tells of those who switch that off
(accounts/database_indexes.py), and what is read from such a place is a value that we never write.
"""

from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any

from django.db.backends.sqlite3 import base
from django.db.backends.sqlite3.operations import DatabaseOperations as SqliteOperations

# Read where no date or time of ours stands: no digest or MAC is of them.
NO_DAY = date(1000, 1, 1)
NO_TIME = datetime(1000, 1, 1, microsecond=1, tzinfo=UTC)

# No comma with a space behind it: Django takes each for the end of a column.
_DAY = "{0} IS date({0})"
_TIME = (
    "{0} IS datetime(substr({0},1,19)) || substr({0},20) AND (length({0}) = 19 "
    "OR (substr({0},20) GLOB '.[0-9][0-9][0-9][0-9][0-9][0-9]' AND substr({0},20) <> '.000000'))"
)
# Before them: of "now" SQLite says in a condition that it cannot be asked, and no more.
_IS_DATED = "{0} GLOB '[0-9]*' AND "
_OF_TYPE = "typeof({0}) IN ('{1}','null')"
_TYPES = {
    "BigIntegerField": "integer",
    "BinaryField": "blob",
    "CharField": "text",
    "FloatField": "real",
    "IntegerField": "integer",
    "PositiveBigIntegerField": "integer",
    "PositiveIntegerField": "integer",
    "PositiveSmallIntegerField": "integer",
    "TextField": "text",
}


def checks() -> dict[str, str]:
    """Django's name of a type -> the condition of its columns, as Django fills it in; with its own, where it has one.
    Numbers of other rows are left to foreign keys."""
    column = '"%(column)s"'
    ours = {name: _OF_TYPE.format(column, kind) for name, kind in _TYPES.items()} | {
        "BooleanField": f"{column} IN (0,1)",
        "DateField": (_IS_DATED + _DAY).format(column),
        "DateTimeField": (_IS_DATED + _TIME).format(column),
    }
    theirs = base.DatabaseWrapper.data_type_check_constraints
    return {name: " AND ".join([*filter(None, [theirs.get(name)]), ours[name]]) for name in ours}


def is_day(column: str) -> str:
    """SQL: whether a column has a day in our form that Python knows, or none."""
    return f"({_DAY.format(column)} AND coalesce({column}, '1') >= '0001-01-01')"


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


class DatabaseWrapper(base.DatabaseWrapper):
    data_type_check_constraints = base.DatabaseWrapper.data_type_check_constraints | checks()
    ops_class = DatabaseOperations

    def get_connection_params(self) -> dict[str, Any]:
        # Django's converters get the bytes of a value and not its type.
        return super().get_connection_params() | {"detect_types": 0}
