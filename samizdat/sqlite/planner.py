"""What SQLite's planner has to know of the tables: that an organization has most of a table's rows.

Without statistics SQLite takes an index that begins with the organization for one that leads to ten rows, and reads a
million where fifty are asked for by number (https://www.sqlite.org/optoverview.html, "The ANALYZE command"). These are
the same for each installation, so that a plan that was tested is the one that is used.
"""

from collections.abc import Iterator

from django.db import connections

# Rows of a table, and those of them that an organization has.
ROWS, OF_ORGANIZATION = 1_000_000, 100_000


def describe_new(using: str, plan: object = (), **_ignored: object) -> None:
    """Once tables are there. plan: migrations that were just applied; `flush` has none."""
    if using == "default" and plan:
        describe()


def describe() -> None:
    """Also after indexes were made anew: what is known of an index goes with it."""
    connection = connections["default"]
    if connection.vendor != "sqlite":
        return
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE django_migrations")  # Makes the table that has the statistics.
        cursor.execute("DELETE FROM sqlite_stat1")
        cursor.executemany("INSERT INTO sqlite_stat1 VALUES (%s, %s, %s)", [*_statistics()])
        cursor.execute("ANALYZE sqlite_schema")  # For this connection; others read it when they begin.


def _statistics() -> Iterator[tuple[str, str, str]]:
    """(table, index, rows of the table and how many of them have the same first columns: of one, two, ...)"""
    connection = connections["default"]
    with connection.cursor() as cursor:
        tables = connection.introspection.table_names(cursor)
        for table in tables:
            cursor.execute('SELECT name, "unique", partial FROM pragma_index_list(%s)', [table])
            for index, is_unique, is_partial in cursor.fetchall():
                cursor.execute("SELECT name FROM pragma_index_info(%s) ORDER BY seqno", [index])
                columns = [name for (name,) in cursor.fetchall()]
                if columns[0] == "organization_id" and not is_partial:
                    equal = [OF_ORGANIZATION, *(max(1, 1000 // 10**place) for place in range(len(columns) - 1))]
                    if is_unique or columns[-1] == "id":
                        equal[-1] = 1
                    yield table, index, " ".join(map(str, [ROWS, *equal]))
