"""The gate's own corner of the database."""

from typing import Any

from django.apps import AppConfig
from django.db import connections
from django.db.models.signals import pre_migrate


class GateConfig(AppConfig):
    name = "samizdat.gate"

    def ready(self) -> None:
        pre_migrate.connect(make_schema, sender=self)


def make_schema(using: str, **_ignored: Any) -> None:
    """On PostgreSQL the gate is a schema; it has to be there before its first table."""
    connection = connections[using]
    if using == "gate" and connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("CREATE SCHEMA IF NOT EXISTS gate")
