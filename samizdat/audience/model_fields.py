"""Column types of our own. Migrations name them, so what stands here stays."""

from typing import Any

from django.db import models


class RowNumber(models.BigIntegerField):
    """A 64-bit key that we choose ourselves.

    SQLite makes a column the place of the row itself only when it is called `integer`; as `bigint` every subscriber
    would have a second tree beside her row, and every look-up would walk through both.
    """

    def db_type(self, connection: Any) -> str:
        return "integer" if connection.vendor == "sqlite" else "bigint"
