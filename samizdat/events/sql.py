"""The raw SQL of the log: events of many people at once, and the hash chain. `table` is one of events.chain.TABLES."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from operator import itemgetter

from django.db import connection

from samizdat.db import among, fetch_rows, insert_rows, moment, number_list, on_sqlite

_EVENT = {
    "id": "int8", "organization_id": "int8", "kind": "varchar", "about": "int8", "by_id": "int8", "detail": "bytea",
    "digest": "bytea", "at": "timestamptz", "handled": "bool",
}  # fmt: skip


def insert_events(at: datetime, rows: Sequence[tuple[int, int, str, int, int | None, bytes, bytes]]) -> None:
    """(number, organization, kind, about, by whom, detail, digest)."""
    when = moment(at) if on_sqlite() else at
    insert_rows("events_event", _EVENT, ((*row, when, False) for row in rows))


def numbers_about(kinds: Sequence[str], rows: Iterable[int]) -> list[tuple[int, int]]:
    """(row, number of the event) of the events of these kinds about these rows, the oldest first. Most rows have none,
    which this says in a fifth of the time of a question that makes objects."""
    wanted = ", ".join(["%s"] * len(kinds))
    sql = f"SELECT about, id FROM events_event WHERE {among('about')} AND kind IN ({wanted})"
    # Put in order here, since SQLite would walk through the whole log for it.
    return sorted(fetch_rows(sql, [number_list(rows), *kinds]), key=itemgetter(1))


# What an event says in the chain, by its number.
EVENT_DIGEST = "SELECT digest FROM events_event WHERE id = %s"


def unchained_organizations(table: str, after: int) -> list[int]:
    """Organizations with rows that are in no chain yet. `table` is one of events.chain.TABLES."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT DISTINCT organization_id FROM {table} WHERE position IS NULL AND organization_id IS NOT NULL"
            " AND id > %s",
            [after],
        )
        return [row[0] for row in cursor.fetchall()]


def unchained(table: str, organization: int, after: int, limit: int) -> list[tuple[int, bytes]]:
    """(id, digest) of the oldest rows behind a number that are in no chain yet."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT id, digest FROM {table} WHERE position IS NULL AND organization_id = %s AND id > %s ORDER BY id"
            " LIMIT %s",
            [organization, after, limit],
        )
        return [(row[0], bytes(row[1])) for row in cursor.fetchall()]


def chain_rows(table: str, rows: Sequence[tuple[int, bytes, int]]) -> None:
    """Writes (position, link, id). 5,000 rows take 40 ms on SQLite, so that nobody waits for the lock."""
    if on_sqlite():
        with connection.cursor() as cursor:
            cursor.executemany(f"UPDATE {table} SET position = %s, link = %s WHERE id = %s", rows)
        return
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {table} AS t SET position = n.position, link = n.link "
            "FROM unnest(%s::bigint[], %s::bytea[], %s::bigint[]) AS n (position, link, id) WHERE t.id = n.id",
            [list(column) for column in zip(*rows, strict=True)],
        )


def chained(table: str, organization: int, after: int, until: int, limit: int) -> list[tuple[int, int, bytes, bytes]]:
    """(position, id, digest, link) of a chain's share in one table, by position, from behind `after` to `until`."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT position, id, digest, link FROM {table} "
            "WHERE organization_id = %s AND position > %s AND position <= %s ORDER BY position LIMIT %s",
            [organization, after, until, limit],
        )
        return [(row[0], row[1], bytes(row[2]), bytes(row[3] or b"")) for row in cursor.fetchall()]


def chain_ends() -> list[tuple[int, int, bytes]]:
    """(organization, position, link) of each chain. A sender asks before each claim."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT organization_id, position, link FROM events_chainhead")
        return [(row[0], row[1], bytes(row[2])) for row in cursor.fetchall()]


def last_position(table: str, organization: int) -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT max(position) FROM {table} WHERE organization_id = %s", [organization])
        return cursor.fetchone()[0] or 0


def last_number(table: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT max(id) FROM {table}")
        return cursor.fetchone()[0] or 0


def newer(table: str, number: int) -> list[int]:
    """Organizations with rows behind this number."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT DISTINCT organization_id FROM {table} WHERE id > %s AND organization_id IS NOT NULL", [number]
        )
        return [row[0] for row in cursor.fetchall()]


def newer_before(table: str, organization: int, number: int, end: int) -> list[tuple[int, int]]:
    """(position, id) of rows behind this number that stand no later than `end`. Sums keep it to the newest rows: by the
    index over positions it would read all before `end`."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT position, id FROM {table} WHERE id > %s AND organization_id + 0 = %s AND position + 0 <= %s "
            "ORDER BY id",
            [number, organization, end],
        )
        return [(row[0], row[1]) for row in cursor.fetchall()]


def counted(tables: Sequence[str], organization: int, after: int) -> tuple[int, int]:
    """(where the chain ends, how many rows stand behind `after` up to there); in one statement, so that nothing is
    linked meanwhile."""
    counts = " + ".join(
        f"(SELECT count(*) FROM {table} t WHERE t.organization_id = h.organization_id "
        "AND t.position > %s AND t.position <= h.position)"
        for table in tables
    )
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT h.position, {counts} FROM events_chainhead h WHERE h.organization_id = %s",
            [*[after] * len(tables), organization],
        )
        return cursor.fetchone() or (after, 0)


def misplaced_organizations(table: str) -> list[int]:
    """Organizations with rows that say that they stand where their chain is not. One statement, so that nothing is
    linked meanwhile; an index tells the lowest and the highest place."""
    of_head = f"FROM {table} t WHERE t.organization_id = h.organization_id AND t.position IS NOT NULL"
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT organization_id FROM (SELECT h.organization_id, h.position, "
            f"(SELECT min(t.position) {of_head}) AS lowest, (SELECT max(t.position) {of_head}) AS highest "
            "FROM events_chainhead h) ends WHERE lowest < 1 OR highest > position"
        )
        return [row[0] for row in cursor.fetchall()]


_END = "coalesce((SELECT h.position FROM events_chainhead h WHERE h.organization_id = %s), 0)"


def misplaced(table: str, organization: int, limit: int) -> list[tuple[int, int]]:
    """(position, id) of rows before the chain's first place and behind its end."""
    query = f"SELECT position, id FROM {table} WHERE organization_id = %s AND position"
    rows: list[tuple[int, int]] = []
    with connection.cursor() as cursor:
        cursor.execute(f"{query} < 1 ORDER BY position LIMIT %s", [organization, limit])
        rows += cursor.fetchall()
        cursor.execute(f"{query} > {_END} ORDER BY position LIMIT %s", [organization, organization, limit])
        return [*rows, *cursor.fetchall()]


def never_chained(table: str, organization: int, through: int, limit: int) -> list[int]:
    """Rows up to a number that are in no chain."""
    query = f"SELECT id FROM {table} WHERE position IS NULL AND organization_id = %s AND id <= %s ORDER BY id LIMIT %s"
    with connection.cursor() as cursor:
        cursor.execute(query, [organization, through, limit])
        return [row[0] for row in cursor.fetchall()]


def unchain(table: str, numbers: Sequence[int]) -> None:
    """These rows are in no chain."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {table} SET position = NULL, link = NULL WHERE {among('id')}", [number_list(list(numbers))]
        )


def chained_at(table: str, organization: int, position: int) -> tuple[int, bytes] | None:
    """(id, link) of one position of a chain, where this table holds it."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT id, link FROM {table} WHERE organization_id = %s AND position = %s", [organization, position]
        )
        row = cursor.fetchone()
    return (row[0], bytes(row[1] or b"")) if row else None
