"""Column types of our own. Migrations name them, so what stands here stays."""

from typing import TYPE_CHECKING

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

if TYPE_CHECKING:
    Column = models.BigIntegerField[int, int]
else:
    Column = models.BigIntegerField  # It has no type arguments at run time.


class RowNumber(Column):
    """A 64-bit key that we choose ourselves.

    SQLite makes a column the place of the row itself only when it is called `integer`; as `bigint` every subscriber
    would have a second tree beside their row, and every look-up would walk through both.
    """

    def db_type(self, connection: BaseDatabaseWrapper) -> str:
        return "integer" if connection.vendor == "sqlite" else "bigint"
