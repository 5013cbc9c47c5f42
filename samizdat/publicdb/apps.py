"""The public database's own corner of the database."""

from django.apps import AppConfig
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.db.models.signals import pre_migrate


class PublicDbConfig(AppConfig):
    name = "samizdat.publicdb"

    def ready(self) -> None:
        pre_migrate.connect(make_schema, sender=self)
        connection_created.connect(look_into_schema)


def make_schema(using: str, **_ignored: object) -> None:
    """On PostgreSQL the public database is a schema; it has to be there before its first table."""
    connection = connections[using]
    if using == "publicdb" and connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("CREATE SCHEMA IF NOT EXISTS publicdb")


def look_into_schema(connection: BaseDatabaseWrapper, **_ignored: object) -> None:
    """A pooler drops what a connection asks for at its start, and with it the schema that settings name."""
    if connection.alias == "publicdb" and connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET search_path TO publicdb")
