"""No table is forgotten by a backup."""

from typing import Any

import pytest
from django.db import connections

from samizdat.backup.tables import LEFT_OUT, SPANS, copied_tables

# Without a model, or of the task queue on PostgreSQL.
OF_OTHERS = {"django_migrations", "sqlite_sequence", "sqlite_stat1"}


@pytest.mark.parametrize("alias", ["default", "publicdb"])
def test_each_table_is_copied_or_has_a_reason(db: Any, alias: str) -> None:
    there = set(connections[alias].introspection.table_names())
    there = {name for name in there - OF_OTHERS if not name.startswith("procrastinate_")}
    tables = {table.name for table in copied_tables([alias])}
    reasons = {model._meta.db_table for model in LEFT_OUT} | {"auth_group_permissions"}
    assert there - tables - reasons == set()
    assert not tables & reasons
    assert all(LEFT_OUT.values())


def test_each_column_of_a_table_is_copied(db: Any) -> None:
    for table in copied_tables(["default", "publicdb"]):
        connection = connections[table.database]
        with connection.cursor() as cursor:
            described = connection.introspection.get_table_description(cursor, table.name)
        assert {column.name for column in described} == set(table.columns), table.name


def test_pieces_are_cut_by_a_column_that_leads_an_index() -> None:
    """Else each of them would read the whole table."""
    tables = {table.name: table for table in copied_tables(["default"])}
    for model in SPANS:
        table = tables[model._meta.db_table]
        leading = (table.group, table.by) if table.group else (table.by,)
        assert table.key[: len(leading)] == leading
