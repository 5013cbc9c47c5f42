"""New rows by the thousand: of an import, a restore and bulk work."""

import struct
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from functools import cache, lru_cache
from itertools import batched, chain

from django.db import connection

from samizdat.db import on_sqlite, plain_cursor, update_many

# Days are texts (YYYY-MM-DD) here: at a million rows their making and comparing counts.

# (id, organization, blob, blind, index version, provider, language, joined)
type SubscriberRow = tuple[int, int, bytes, bytes, int, int, str, str]
# (subscriber, list, status, may, since)
type SubscriptionRow = tuple[int, int, int, int, str]
# (organization, subscriber, list or None, kind, purpose, way, day, blob, digest)
type ConsentRow = tuple[int, int, int | None, int, int, int, str, bytes, bytes]

_COLUMNS = {
    "audience_subscriber": (
        "id", "organization_id", "sealed", "email_index", "index_version", "provider", "language", "joined",
    ),
    "audience_subscription": ("subscriber_id", "list_id", "status", "mail_verdict", "since"),
    "audience_subscribertag": ("subscriber_id", "tag_id"),
    "audience_consentrecord": (
        "organization_id", "subscriber_id", "list_id", "kind", "purpose", "channel", "day", "sealed", "digest",
    ),
}  # fmt: skip


def insert_subscribers(rows: Iterable[SubscriberRow]) -> None:
    """Rows of new subscribers, of one organization, and their headcount (audience/headcount.py). IntegrityError when an
    address or number is there already.
    """
    rows = iter(rows)
    first = next(rows, None)
    if first is not None:
        many = _insert("audience_subscriber", chain([first], rows))
        update_many("INSERT INTO audience_headcount (organization_id, delta) VALUES (%s, %s)", [(first[1], many)])


def insert_subscriptions(rows: Iterable[SubscriptionRow]) -> None:
    _insert("audience_subscription", rows)


def insert_consent(rows: Iterable[ConsentRow]) -> None:
    _insert("audience_consentrecord", rows)


def insert_subscriber_tags(rows: Iterable[tuple[int, int]]) -> None:
    """(subscriber, tag) pairs that are not there yet."""
    _insert("audience_subscribertag", rows)


def _insert(table: str, rows: Iterable[tuple[object, ...]]) -> int:
    """How many rows. Those that are made one by one are best given so: PostgreSQL writes the first while the next are
    sealed.
    """
    some = batched(rows, _MOST_VALUES // len(_COLUMNS[table]) if on_sqlite() else _COPIED)
    first, many = next(some, None), 0
    if first is None:
        return 0
    connection.ensure_connection()
    if on_sqlite():
        # Many rows a statement: executemany spends as long on starting each row's as on the row (0.6 us).
        with connection.wrap_database_errors:
            for part in chain([first], some):
                connection.connection.execute(_insert_sql(table, len(part)), [*chain.from_iterable(part)])
                many += len(part)
        return many
    # COPY: 0.4 us a row where executemany takes 5 (send-limits.md, H). Its rows are laid out here: what psycopg lays
    # out value by value takes 2 us more of each.
    lay = _LAID[table]
    with plain_cursor() as cursor:
        with cursor.copy(f"COPY {table} ({', '.join(_COLUMNS[table])}) FROM STDIN (FORMAT BINARY)") as copy:
            copy.write(b"PGCOPY\n\xff\r\n\0" + bytes(8))
            for part in chain([first], some):
                copy.write(b"".join([lay(*row) for row in part]))
                many += len(part)
            copy.write(b"\xff\xff")
    return many


# A statement of 250 rows of four values; beyond that nothing more is won.
_MOST_VALUES = 1_000

# Rows of one piece of a COPY: 64 KB of the largest.
_COPIED = 200


@lru_cache(maxsize=64)
def _insert_sql(table: str, count: int) -> str:
    columns = _COLUMNS[table]
    row = f"({', '.join('?' * len(columns))})"
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES {', '.join([row] * count)}"


# Rows of a binary COPY: the number of columns, then each with its length before it (-1: NULL), high bytes first.
_SUBSCRIBER = struct.Struct(">hiqiqi")
_INDEX = struct.Struct(">i16sihihi")
_DAY = struct.Struct(">ii")
_STANDING = struct.Struct(">hiqiqihihii")
_PAIR = struct.Struct(">hiqiq")
_FACT = struct.Struct(">hiqiqiqihihihiii")
_FACT_OF_ALL = struct.Struct(">hiqiqiihihihiii")
_PROOF = struct.Struct(">i32s")


def _lay_subscriber(
    id: int, organization: int, blob: bytes, blind: bytes, version: int, provider: int, language: str, joined: str
) -> bytes:
    encoded_language = language.encode()
    head, index = _SUBSCRIBER.pack(8, 8, id, 8, organization, len(blob)), _INDEX
    known = index.pack(16, blind, 2, version, 2, provider, len(encoded_language))
    return head + blob + known + encoded_language + _DAY.pack(4, _days(joined))


def _lay_subscription(subscriber: int, list_id: int, status: int, may: int, since: str) -> bytes:
    return _STANDING.pack(5, 8, subscriber, 8, list_id, 2, status, 2, may, 4, _days(since))


def _lay_tag(subscriber: int, tag: int) -> bytes:
    return _PAIR.pack(2, 8, subscriber, 8, tag)


def _lay_consent(
    organization: int, subscriber: int, list_id: int | None, kind: int, purpose: int, way: int, day: str, blob: bytes,
    digest: bytes,
) -> bytes:  # fmt: skip
    rest = (2, kind, 2, purpose, 2, way, 4, _days(day), len(blob))
    if list_id is None:
        head = _FACT_OF_ALL.pack(9, 8, organization, 8, subscriber, -1, *rest)
    else:
        head = _FACT.pack(9, 8, organization, 8, subscriber, 8, list_id, *rest)
    return head + blob + _PROOF.pack(32, digest)


_LAID: Mapping[str, Callable[..., bytes]] = {
    "audience_subscriber": _lay_subscriber,
    "audience_subscription": _lay_subscription,
    "audience_subscribertag": _lay_tag,
    "audience_consentrecord": _lay_consent,
}


@cache
def _days(day: str) -> int:
    """As PostgreSQL counts them."""
    return (date.fromisoformat(day) - date(2000, 1, 1)).days


def learn_sizes() -> None:
    """After an import: PostgreSQL's planner would go by tables that were empty until autovacuum comes by.

    A look along an index has to ask the table of each row whether everybody may see it, until a vacuum has noted that
    of whole pages: a count among a million takes three times as long before. The vacuum itself takes 0.4 s; indexes,
    out of which nothing was deleted, are left alone, and so is a table that autovacuum is at.
    """
    if on_sqlite():
        return
    with connection.cursor() as cursor:
        if not connection.in_atomic_block:
            cursor.execute(f"VACUUM (SKIP_LOCKED, INDEX_CLEANUP OFF, TRUNCATE OFF) {', '.join(_COLUMNS)}")
        cursor.execute(f"ANALYZE {', '.join(_COLUMNS)}, audience_listtotal, audience_tagtotal")
