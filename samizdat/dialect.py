"""The raw SQL of the hot paths, a named query each; `connection.vendor` decides. The rest goes through the ORM."""

import json
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache, lru_cache
from itertools import batched, chain
from typing import Any, NamedTuple

from django.db import connection, connections

from samizdat.core.mail import outcome

# === the schema ====================================================================================================


def migrated(alias: str) -> list[tuple[str, str]]:
    """(app, name) of each migration that a database has; none where it has no tables yet."""
    there = {
        "sqlite": "SELECT name FROM sqlite_master WHERE name = 'django_migrations'",
        "postgresql": "SELECT to_regclass('django_migrations')",
    }
    with connections[alias].cursor() as cursor:
        cursor.execute(there[connections[alias].vendor])
        if not any(cursor.fetchone() or ()):
            return []
        cursor.execute("SELECT app, name FROM django_migrations")
        return [(app, name) for app, name in cursor.fetchall()]


# === delivery: claims, slices, results ============================================================================

# Python values that go into raw SQL: SQLite keeps times as text, PostgreSQL as they are.


def moment(value: datetime | None) -> Any:
    """A time as the database's own columns hold it, for raw SQL."""
    return connection.ops.adapt_datetimefield_value(value) if value is not None else None


def _on_sqlite() -> bool:
    return connection.vendor == "sqlite"


def _list(numbers: Iterable[int | None]) -> str:
    """Many numbers as one parameter, so that the statement's text stays the same: a JSON array, or PostgreSQL's text
    form of an array (psycopg takes 1 us for each number of a list; this takes 0.04).
    """
    inside = str(list(numbers))[1:-1].replace("None", "NULL")
    return f"[{inside}]" if _on_sqlite() else f"{{{inside}}}"


def _among(column: str) -> str:
    """`column` is one of the numbers of one _list parameter."""
    return f"{column} IN (SELECT value FROM json_each(%s))" if _on_sqlite() else f"{column} = ANY(%s::bigint[])"


# Is the campaign of this edition sending, and its organization unfenced, at this instant?
_GOES_ON = """EXISTS (
    SELECT 1 FROM campaigns_edition e
    JOIN campaigns_campaign c ON c.id = e.campaign_id
    JOIN accounts_organization o ON o.id = e.organization_id
    WHERE e.id = %s AND c.state = 'sending' AND NOT o.fenced
)"""

# The index chunk_ready holds ready chunks alone. Its condition has to stand in the query word for word, or SQLite
# sorts the whole edition for every claim (17 times slower; a test looks at the plan).
_CLAIM = """
UPDATE delivery_chunk SET state = 1, owner_id = %s, claimed = %s, unfed = {unfed}
WHERE id {among}(
    SELECT id FROM delivery_chunk
    WHERE edition_id = %s AND state = 0 AND (not_before IS NULL OR not_before <= %s)
    ORDER BY id LIMIT %s {skip}
){end} AND state = 0 AND {goes_on}
RETURNING id, numbers, retry, size - "left", variant
"""


def claim_sql() -> str:
    if _on_sqlite():
        return _CLAIM.format(among="IN ", end="", skip="", unfed="NULL", goes_on=_GOES_ON)
    # An array, since PostgreSQL may ask a subquery that locks rows more than once.
    return _CLAIM.format(among="= ANY(ARRAY", end=")", skip="FOR UPDATE SKIP LOCKED", unfed="size", goes_on=_GOES_ON)


def claim_chunks(edition: int, worker: int, now: datetime, most: int = 1) -> list[tuple[int, bytes, bool, int, int]]:
    """Take the next ready chunks of an edition that may be sent, in order: (id, numbers, retry, how many have a
    delivery, variant) each."""
    with connection.cursor() as cursor:
        at = moment(now)
        cursor.execute(claim_sql(), [worker, at, edition, at, most, edition])
        rows = cursor.fetchall()
    return sorted((row[0], bytes(row[1]), bool(row[2]), row[3], row[4]) for row in rows)


def beat(worker: int) -> datetime | None:
    """PostgreSQL: a heartbeat; the database's time. None when the others have ended this worker."""
    sql = "UPDATE delivery_worker SET beat = clock_timestamp() WHERE id = %s AND ended IS NULL AND NOT forgotten"
    with connection.cursor() as cursor:
        cursor.execute(sql + " RETURNING beat", [worker])
        row = cursor.fetchone()
        return row[0] if row else None


def silence(worker: int) -> float:
    """PostgreSQL: seconds since a worker's last heartbeat, by the database's clock."""
    sql = "SELECT extract(epoch FROM clock_timestamp() - coalesce(beat, started)) FROM delivery_worker WHERE id = %s"
    with connection.cursor() as cursor:
        cursor.execute(sql, [worker])
        return float(cursor.fetchone()[0])


class DatabaseServer(NamedTuple):
    """What doctor asks a PostgreSQL server. Sizes in bytes; `log` None where our role may not look."""

    version: str
    size: int
    log: int | None
    pooled: bool


def about_server() -> DatabaseServer:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('server_version'), pg_database_size(current_database())")
        version, size = cursor.fetchone()
        cursor.execute("SELECT pg_has_role(current_user, 'pg_monitor', 'MEMBER')")
        log = None
        if cursor.fetchone()[0]:
            cursor.execute("SELECT sum(size)::bigint FROM pg_ls_waldir()")
            log = cursor.fetchone()[0]
    return DatabaseServer(version, size, log, shares_sessions())


def is_as_asked() -> bool:
    """PostgreSQL: has the session the search path that its settings ask for?"""
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('search_path')")
        return f"search_path={cursor.fetchone()[0]} " in connection.settings_dict["OPTIONS"]["options"]


# Each of three connections asks whom it talks to, in this order, so often.
_ASK_ORDER, _ASK_ROUNDS = (0, 0, 1, 2, 1), 4


def shares_sessions() -> bool:
    """PostgreSQL: does something between us and the server hand one session to several connections, or several sessions
    to one? Then a session's lock outlives nothing. Told by behavior, in 30 ms: an idle session that was just given
    back is given to the next who asks, or they take turns.
    """
    if _on_sqlite():
        return False
    import psycopg

    pids_by_place: dict[int, set[int]] = {}
    wanted = {
        name: value
        for name, value in connection.get_connection_params().items()
        if name not in ("cursor_factory", "context", "prepare_threshold")
    }
    with connection.wrap_database_errors, ExitStack() as stack:
        asked = [
            stack.enter_context(psycopg.connect(**wanted, autocommit=True, prepare_threshold=None)) for _ in range(3)
        ]
        for place in _ASK_ORDER * _ASK_ROUNDS:
            row = asked[place].execute("SELECT pg_backend_pid()").fetchone()
            pids_by_place.setdefault(place, set()).add(row[0] if row else 0)
    return len(set.union(*pids_by_place.values())) != len(pids_by_place) or any(
        len(pids) > 1 for pids in pids_by_place.values()
    )


def engine_tasks() -> list[tuple[str, int]]:
    """Tasks of the task engine by state."""
    table = "django_tasks_database_dbtaskresult" if _on_sqlite() else "procrastinate_jobs"
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT status, count(*) FROM {table} GROUP BY status ORDER BY 1")
        return [(str(state).lower(), count) for state, count in cursor.fetchall()]


def unanswered(edition: int, chunk: int, retry: bool, numbers: Sequence[int]) -> list[int]:
    """Those numbers of a chunk that still have no result, in order."""
    if retry:
        sql = "SELECT number FROM delivery_retry WHERE chunk_id = %s"
        args: list[Any] = [chunk]
    else:
        sql = f"SELECT number FROM delivery_delivery WHERE edition_id = %s AND {_among('number')}"
        args = [edition, _list(numbers)]
    with connection.cursor() as cursor:
        cursor.execute(sql, args)
        stored_numbers = {row[0] for row in cursor.fetchall()}
    return [number for number in numbers if (number in stored_numbers) == retry]


def close_chunks(chunks: Sequence[int], worker: int) -> None:
    """The sender lets go of chunks: done when every number has its result, ready for the next one otherwise."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            UPDATE delivery_chunk SET owner_id = NULL, claimed = NULL, state = CASE
                WHEN retry AND EXISTS (SELECT 1 FROM delivery_retry r WHERE r.chunk_id = delivery_chunk.id) THEN 0
                WHEN NOT retry AND "left" > 0 THEN 0
                ELSE 2 END
            WHERE {_among("id")} AND owner_id = %s AND state = 1
            """,
            [_list(chunks), worker],
        )


# What is asked before each slice, in one statement: a thread beside a busy event loop waits up to half a millisecond
# for the interpreter after each.
# On PostgreSQL OFFSET 0 keeps the planner from turning the two questions into joins: right after an import it knows
# nothing of these tables, and then walks through the whole list for every slice (6 ms instead of 0.2).
_WRITABLE = """
SELECT {what} FROM {source}
WHERE {which} EXISTS (
    SELECT 1 FROM audience_subscription u
    WHERE u.subscriber_id = s.id AND u.list_id = %s AND u.status = 1 AND u.may = 1 {asked}
    AND (u.frequency < 2 OR %s < 0 OR (u.frequency IN (2, 4)) = (%s < u.digest_turn)) {apart}
) AND NOT EXISTS (
    SELECT 1 FROM audience_suppression p WHERE p.organization_id = %s AND p.blind = s.blind {apart}
)
"""
# Of an appeal for money: who agreed to those as well.
_ASKED = "AND u.asking = 1"


def _slice_sqlite(asked: str) -> str:
    # All comes in one row, since the module lets go of the interpreter for every row it fetches.
    people = _WRITABLE.format(
        what="json_group_array(json_array(s.id, hex(s.blob), s.provider))",
        source="json_each(%s) j CROSS JOIN audience_subscriber s ON s.id = j.value",
        which="",
        apart="",
        asked=asked,
    )
    return f"SELECT {_GOES_ON}, ({people})"


def _slice_postgresql(asked: str) -> str:
    people = _WRITABLE.format(
        what="s.id, s.blob, s.provider",
        source="audience_subscriber s",
        which="s.id = ANY(%s::bigint[]) AND",
        apart="OFFSET 0",
        asked=asked,
    )
    return f"""
    WITH fed AS (
        UPDATE delivery_chunk SET unfed = %s WHERE id = %s AND owner_id = %s AND state = 1 AND size = %s RETURNING 1
    )
    SELECT EXISTS (SELECT 1 FROM fed), {_GOES_ON}, people.*
    FROM (SELECT 1) AS one LEFT JOIN ({people}) AS people ON true
    """


# By whether it is an appeal.
_SLICES_SQLITE = (_slice_sqlite(""), _slice_sqlite(_ASKED))
_SLICES_POSTGRESQL = (_slice_postgresql(""), _slice_postgresql(_ASKED))


@dataclass(frozen=True, slots=True)
class ClaimedChunk:
    """A slice as the database has it at one instant. ours: the chunk was not taken from us by those who took us for
    dead. goes_on: the campaign is sending, its organization unfenced. people: (row id, blob, mailbox provider) of those
    who may be written to.
    """

    ours: bool
    goes_on: bool
    people: list[tuple[int, bytes, int]]


def feed(
    chunk: int,
    worker: int,
    size: int,
    unfed: int,
    edition: int,
    organization: int,
    list_id: int,
    appeal: bool,
    round: int,
    rows: Sequence[int],
) -> ClaimedChunk:
    """Marks a slice of a claimed chunk as on its way and reads it: all but the last `unfed` of the chunk are fed now.

    Consent and suppression are read in the statement that reads the blob, so nothing can come between. The mark is for
    PostgreSQL: SQLite's one machine can always read the journal. `round`: whoever gets the letters of this round in a
    digest (core/content/digest.in_digest) does not get this one by itself; -1 for a letter that no digest gathers. An
    `appeal` is for those who agreed to appeals too.
    """
    if _on_sqlite():
        ((goes_on, slice_json),) = _ask(
            _SLICES_SQLITE[appeal], [edition, _list(rows), list_id, round, round, organization]
        )
        return ClaimedChunk(
            True, bool(goes_on), [(row, bytes.fromhex(blob), by) for row, blob, by in json.loads(slice_json)]
        )
    arguments = [unfed, chunk, worker, size, edition, _list(rows), list_id, round, round, organization]
    results = _ask(_SLICES_POSTGRESQL[appeal], arguments)
    ours, goes_on = results[0][:2]
    return ClaimedChunk(ours, goes_on, [(row, blob, by) for _, _, row, blob, by in results if row is not None])


def _ask(sql: str, arguments: Sequence[Any]) -> list[Any]:
    """Rows of a statement that is asked a hundred times a second: PostgreSQL plans it once a connection.

    Django's own cursor writes the values into the text there, so that every execution would be a new statement.
    """
    if _on_sqlite():
        with connection.cursor() as cursor:
            return cursor.execute(sql, arguments).fetchall()
    import psycopg

    connection.ensure_connection()
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        # Binary, since a blob as text is twice as long and coded once on each side.
        return cursor.execute(sql, arguments, prepare=True, binary=True).fetchall()


def providers(rows: Sequence[int]) -> dict[int, int]:
    """Mailbox provider by subscriber row."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT id, provider FROM audience_subscriber WHERE {_among('id')}", [_list(rows)])
        return dict(cursor.fetchall())


def release_page(
    organization: int,
    list_id: int,
    tag: int | None,
    after: int,
    limit: int,
    suppressions: bool,
    again: int | None = None,
    appeal: bool = False,
) -> list[int]:
    """The next subscriber rows above `after` that may get a letter of this list, in order. again: an edition; those
    alone whom it did not reach."""
    more, values = release_rows(organization, list_id, tag, suppressions, appeal=appeal)
    if again is not None:
        more, values = f"{more} AND {_unreached()}", [*values, again]
    query = f"SELECT u.subscriber_id {more} AND u.subscriber_id > %s ORDER BY u.subscriber_id LIMIT %s"
    return _numbers(query, [*values, after, limit])


def languages_of(rows: list[int]) -> list[tuple[int, str]]:
    """(subscriber row, language) of those among `rows` who have one."""
    sql = f"SELECT id, language FROM audience_subscriber WHERE {_among('id')} AND language <> ''"
    with connection.cursor() as cursor:
        cursor.execute(sql, [_list(rows)])
        return [(row[0], row[1]) for row in cursor.fetchall()]


def count_languages(
    organization: int,
    list_id: int,
    tag: int | None,
    suppressions: bool,
    rows: list[int] | None = None,
    appeal: bool = False,
) -> dict[str, int]:
    """Language -> how many who may get a letter of this list now; of `rows` alone where they are given."""
    person = "JOIN audience_subscriber s ON s.id = u.subscriber_id"
    more, values = release_rows(organization, list_id, tag, suppressions, person, appeal)
    if rows is not None:
        more, values = f"{more} AND {_among('u.subscriber_id')}", [*values, _list(rows)]
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT s.language, COUNT(*) {more} GROUP BY s.language", values)
        return {row[0]: row[1] for row in cursor.fetchall()}


def release_newest(
    organization: int, list_id: int, tag: int | None, limit: int, suppressions: bool, appeal: bool = False
) -> list[int]:
    """Those of them who agreed last, the newest first."""
    more, values = release_rows(organization, list_id, tag, suppressions, appeal=appeal)
    return _numbers(f"SELECT u.subscriber_id {more} ORDER BY u.since DESC, u.subscriber_id LIMIT %s", [*values, limit])


# core/content/digest.in_digest of a subscription `u` and a round, which is said twice. The bare `frequency > 0` is what
# the index of the few needs.
_IN_DIGEST = """u.frequency > 0 AND ((u.frequency IN (2, 4) AND u.digest_turn <= %s)
    OR (u.frequency = 3 AND u.digest_turn > %s))"""


def _seldom() -> str:
    """Subscriptions `u` by the index of those who do not want every letter."""
    return "audience_subscription u" + (" INDEXED BY subscription_seldom" if _on_sqlite() else "")


def digest_page(organization: int, list_id: int, round: int, after: int, limit: int, suppressions: bool) -> list[int]:
    """The next subscriber rows above `after` that may get a letter of this list and want the digest of this round."""
    more, values = release_rows(organization, list_id, None, suppressions)
    query = f"""SELECT u.subscriber_id {more} AND {_IN_DIGEST} AND u.subscriber_id > %s
        ORDER BY u.subscriber_id LIMIT %s"""
    return _numbers(query.replace("audience_subscription u", _seldom()), [*values, round, round, after, limit])


def release_among(organization: int, list_id: int, rows: Sequence[int], suppressions: bool) -> list[int]:
    """Those of these subscriber rows that may get a letter of this list, in order."""
    more, values = release_rows(organization, list_id, None, suppressions)
    query = f"SELECT u.subscriber_id {more} AND {_among('u.subscriber_id')} ORDER BY u.subscriber_id"
    return _numbers(query, [*values, _list(rows)])


def singly_among(list_id: int, round: int, rows: Sequence[int]) -> list[int]:
    """Those of these subscriber rows that may get a letter of this round, and want it by itself."""
    more, values = release_rows(0, list_id, None, suppressions=False)
    query = f"""SELECT u.subscriber_id {more} AND {_among("u.subscriber_id")}
        AND u.frequency <> 1 AND NOT ({_IN_DIGEST}) ORDER BY u.subscriber_id"""
    return _numbers(query, [*values, _list(rows), round, round])


def seldom_of(list_id: int) -> list[tuple[int, int, int]]:
    """(subscriber row, frequency, digest turn) of those who do not want every letter of a list by itself."""
    columns = "u.subscriber_id, u.frequency, u.digest_turn"
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {columns} FROM {_seldom()} WHERE u.list_id = %s AND u.frequency > 0", [list_id])
        return [(row, frequency, turn) for row, frequency, turn in cursor.fetchall()]


def lists_with_digest() -> list[int]:
    """Lists on which anybody ever chose a digest and has not left it for good."""
    return _numbers(f"SELECT DISTINCT u.list_id FROM {_seldom()} WHERE u.frequency > 0 AND u.frequency >= 2", [])


def round_ends(list_id: int, everybody: bool) -> None:
    """Who chose the digest is in it from now on, and who left it gets letters one by one again; `everybody`: the list
    makes none any more."""
    which = "frequency >= 2" if everybody else "frequency = 3"
    where = "WHERE list_id = %s AND frequency > 0"
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE audience_subscription SET frequency = 0, digest_turn = 0 {where} AND {which}", [list_id]
        )
        cursor.execute(f"UPDATE audience_subscription SET frequency = 2 {where} AND frequency = 4", [list_id])


def release_rows(
    organization: int, list_id: int, tag: int | None, suppressions: bool, joined: str = "", appeal: bool = False
) -> tuple[str, list[Any]]:
    """FROM and WHERE over the subscriptions `u` that may get a letter, or an appeal for money, and their values.
    `joined`: more of FROM.
    """
    tagged = "JOIN audience_subscribertag t ON t.subscriber_id = u.subscriber_id AND t.tag_id = %s" if tag else ""
    # Her blind index as a value, not as a join: PostgreSQL would match all suppressions with all subscribers for every
    # page (2.7 s of 5,000 rows with 50,000 suppressions among a million; so 25 ms).
    unsuppressed = """AND NOT EXISTS (
        SELECT 1 FROM audience_suppression p WHERE p.organization_id = %s
        AND p.blind = (SELECT s.blind FROM audience_subscriber s WHERE s.id = u.subscriber_id)
    )"""
    sql = f"""
        FROM audience_subscription u {tagged} {joined}
        WHERE u.list_id = %s AND u.status = 1 AND u.may = 1 {_ASKED if appeal else ""}
        {unsuppressed if suppressions else ""}
        """
    return sql, [*([tag] if tag else []), list_id, *([organization] if suppressions else [])]


# A letter did not reach them, and not because of them: it was stopped, its answer was lost and nobody tries again, or
# the way there refused it until the tries were over.
_WAY = ("expired", "route", "network", "config", "throttled", "greylisted", "system", "bad_answer")


# What the index of all that was not accepted is for, in its own words: SQLite knows it by nothing else.
_NOT_ACCEPTED = "d.state IN (3, 4, 6)"


def unreached_where() -> str:
    """Of deliveries `d`."""
    answers = ", ".join(str(outcome.NUMBERS[answer]) for answer in _WAY)
    return f"({_NOT_ACCEPTED} AND (d.state IN (4, 6) OR d.answer IN ({answers})))"


def _unreached() -> str:
    """The subscription `u` is of somebody whom an edition did not reach."""
    number = f"u.subscriber_id & {(1 << 40) - 1}"
    return f"""EXISTS (
        SELECT 1 FROM delivery_delivery d WHERE d.edition_id = %s AND d.number = ({number}) AND {unreached_where()}
    )"""


def count_unreached(organization: int, list_id: int, edition: int, appeal: bool = False) -> int:
    """Those of them who may get a letter, or an appeal, of this list now."""
    more, values = release_rows(organization, list_id, None, suppressions=True, appeal=appeal)
    return _numbers(f"SELECT COUNT(*) {more} AND {_unreached()}", [*values, edition])[0]


def unreached(edition: int) -> list[tuple[int, int]]:
    """(state, how many) of those whom an edition did not reach."""
    with connection.cursor() as cursor:
        sql = f"SELECT d.state, COUNT(*) FROM delivery_delivery d WHERE d.edition_id = %s AND {unreached_where()}"
        cursor.execute(f"{sql} GROUP BY d.state ORDER BY d.state", [edition])
        return [(row[0], row[1]) for row in cursor.fetchall()]


def doubtful(edition: int, after: int, limit: int) -> list[tuple[int, str]]:
    """(number, day) of its unsure messages, those behind `after`."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""SELECT d.number, CAST(d.day AS varchar(10)) FROM delivery_delivery d
            WHERE d.edition_id = %s AND {_NOT_ACCEPTED} AND d.state = 4 AND d.number > %s
            ORDER BY d.number LIMIT %s""",
            [edition, after, limit],
        )
        return [(row[0], row[1]) for row in cursor.fetchall()]


# What became of a message: state, class of answer, code, route.
type Fate = tuple[int, int, int, int | None]


def insert_deliveries(edition: int, fates: Mapping[Fate, Sequence[int]], day: date) -> None:
    """Numbers by what became of them. Raises IntegrityError when one has a row already; then the caller's transaction
    is of no more use.

    A statement for each fate, mostly one: numbers alone cost SQLite a third of what rows in JSON do. No ON CONFLICT:
    PostgreSQL would write each row twice for it, to be ready for another one's.
    """
    numbers, on = ("value", "json_each(%s)") if _on_sqlite() else ("n", "unnest(%s::bigint[]) AS u(n)")
    sql = (
        "INSERT INTO delivery_delivery (edition_id, number, state, answer, code, route_id, day) "
        f"SELECT %s, {numbers}, %s, %s, %s, %s, %s FROM {on}"
    )
    at = day.isoformat() if _on_sqlite() else day
    with connection.cursor() as cursor:
        for fate, some in fates.items():
            cursor.execute(sql, [edition, *fate, at, _list(some)])


def known_deliveries(edition: int, numbers: Sequence[int]) -> dict[int, tuple[int, int | None]]:
    """State and route of those numbers that have a delivery; held until the transaction ends."""
    lock = "" if _on_sqlite() else "FOR UPDATE"
    sql = f"SELECT number, state, route_id FROM delivery_delivery WHERE edition_id = %s AND {_among('number')} {lock}"
    with connection.cursor() as cursor:
        cursor.execute(sql, [edition, _list(numbers)])
        return {number: (state, route) for number, state, route in cursor.fetchall()}


def move_deliveries(edition: int, rows: Sequence[tuple[int, int, int, int | None, int]], day: date) -> None:
    """(state, answer, code, route, number) each."""
    if rows:
        with connection.cursor() as cursor:
            cursor.executemany(
                "UPDATE delivery_delivery SET state = %s, answer = %s, code = %s, route_id = %s, day = %s "
                "WHERE edition_id = %s AND number = %s",
                [(*row[:4], day.isoformat() if _on_sqlite() else day, edition, row[4]) for row in rows],
            )


@dataclass(frozen=True, slots=True)
class DeliveryTotals:
    """What a group of results of one edition adds to its totals.

    books: by names of ledger.STATES. left: by chunk, so many numbers got their first result. routes: (route, accepted,
    refused, deferred, unsure) each; minutes: (route, minute, accepted, refused); providers: (provider, state, count);
    variants: (version or core/ab_test.REST, state, count).
    """

    books: Mapping[str, int]
    left: Mapping[int, int]
    routes: Sequence[tuple[int, ...]]
    minutes: Sequence[tuple[Any, ...]]
    providers: Sequence[tuple[int, int, int]]
    variants: Sequence[tuple[int, int, int]] = ()


def add_totals(edition: int, totals: DeliveryTotals) -> None:
    """Adds to all of them. A chunk in which nobody is left is done.

    Each is one statement, however many rows it touches, and PostgreSQL gets all of them at once: a thread beside a busy
    event loop waits for the interpreter after every statement, and every sender waits for the row of the campaign.
    """
    statements = [
        _move_books(edition, totals.books),
        _lower_left(totals.left),
        _add("delivery_routetotal", ("edition_id", "route_id"), ("accepted", "refused", "deferred", "unsure"),
             [(edition, *row) for row in totals.routes]),
        _add("delivery_minutetotal", ("edition_id", "route_id", "minute"), ("accepted", "refused"),
             [(edition, route, moment(minute), *counts) for route, minute, *counts in totals.minutes]),
        _add("delivery_providertotal", ("edition_id", "provider", "state"), ("count",),
             [(edition, *row) for row in totals.providers]),
        _add("delivery_varianttotal", ("edition_id", "variant", "state"), ("count",),
             [(edition, *row) for row in totals.variants]),
    ]  # fmt: skip
    _all(statement for statement in statements if statement is not None)


# The text of a statement and its values.
type Statement = tuple[str, list[Any]]


def _all(statements: Iterable[Statement]) -> None:
    """One after the other; on PostgreSQL in one go."""
    wanted = list(statements)
    if wanted and not _on_sqlite():
        wanted = [("; ".join(sql for sql, _ in wanted), [value for _, values in wanted for value in values])]
    with connection.cursor() as cursor:
        for sql, values in wanted:
            cursor.execute(sql, values)


def _move_books(edition: int, counts: Mapping[str, int]) -> Statement | None:
    if not counts:
        return None
    sums = ", ".join(f"{name} = {name} + %s" for name in counts)
    campaign = "(SELECT campaign_id FROM campaigns_edition WHERE id = %s)"
    return f"UPDATE campaigns_campaign SET {sums} WHERE id = {campaign}", [*counts.values(), edition]


def _lower_left(chunks: Mapping[int, int]) -> Statement | None:
    if not chunks:
        return None
    marks = ", ".join(["(%s, %s)"] * len(chunks))
    return (
        f"WITH heard(chunk, many) AS (VALUES {marks}) "
        'UPDATE delivery_chunk SET "left" = "left" - many, '
        'state = CASE WHEN "left" <= many THEN 2 ELSE state END, '
        'owner_id = CASE WHEN "left" <= many THEN NULL ELSE owner_id END FROM heard WHERE id = chunk'
    ), list(chain.from_iterable(chunks.items()))


def _add(table: str, keys: Sequence[str], sums: Sequence[str], rows: Sequence[Sequence[Any]]) -> Statement | None:
    """Add to counters of a totals table, making the row where there is none. Columns in the order keys, sums."""
    if not rows:
        return None
    marks = f"({', '.join(['%s'] * (len(keys) + len(sums)))})"
    raised = ", ".join(f"{name} = {table}.{name} + excluded.{name}" for name in sums)
    return (
        f"INSERT INTO {table} ({', '.join([*keys, *sums])}) VALUES {', '.join([marks] * len(rows))} "
        f"ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {raised}"
    ), list(chain.from_iterable(rows))


def add_answers(rows: Sequence[tuple[int, int, bytes, int, int, bytes, int]]) -> None:
    """(edition, route, digest, answer, code, sealed text, count) each; the first text of a digest stays."""
    if rows:
        with connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO delivery_smtpreply (edition_id, route_id, digest, answer, code, text_sealed, count) "
                "VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT (edition_id, route_id, digest) "
                "DO UPDATE SET count = delivery_smtpreply.count + excluded.count",
                rows,
            )


def put_retries(edition: int, rows: Sequence[tuple[int, int, datetime, datetime]]) -> None:
    """(number, tries, first, due) each: due again, in no chunk."""
    if rows:
        with connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO delivery_retry (edition_id, number, tries, first, due, chunk_id) "
                "VALUES (%s, %s, %s, %s, %s, NULL) ON CONFLICT (edition_id, number) "
                "DO UPDATE SET tries = excluded.tries, first = excluded.first, due = excluded.due, chunk_id = NULL",
                [(edition, number, tries, moment(first), moment(due)) for number, tries, first, due in rows],
            )


def drop_retries(edition: int, numbers: Sequence[int]) -> None:
    if numbers:
        with connection.cursor() as cursor:
            sql = f"DELETE FROM delivery_retry WHERE edition_id = %s AND {_among('number')}"
            cursor.execute(sql, [edition, _list(numbers)])


def retries_into_chunk(edition: int, chunk: int, numbers: Sequence[int]) -> None:
    with connection.cursor() as cursor:
        sql = f"UPDATE delivery_retry SET chunk_id = %s WHERE edition_id = %s AND {_among('number')}"
        cursor.execute(sql, [chunk, edition, _list(numbers)])


# === events: the hash chain ======================================================================================


def unchained_organizations(table: str) -> list[int]:
    """Organizations with rows that are in no chain yet. `table` is one of events.chain.TABLES."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT DISTINCT organization_id FROM {table} WHERE position IS NULL AND organization_id IS NOT NULL"
        )
        return [row[0] for row in cursor.fetchall()]


def unchained(table: str, organization: int, limit: int) -> list[tuple[int, bytes]]:
    """(id, digest) of the oldest rows that are in no chain yet."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT id, digest FROM {table} WHERE position IS NULL AND organization_id = %s ORDER BY id LIMIT %s",
            [organization, limit],
        )
        return [(row[0], bytes(row[1])) for row in cursor.fetchall()]


def chain_rows(table: str, rows: Sequence[tuple[int, bytes, int]]) -> None:
    """Writes (position, link, id). 5,000 rows take 40 ms on SQLite, so that nobody waits for the lock."""
    if _on_sqlite():
        with connection.cursor() as cursor:
            cursor.executemany(f"UPDATE {table} SET position = %s, link = %s WHERE id = %s", rows)
        return
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {table} AS t SET position = n.position, link = n.link "
            "FROM unnest(%s::bigint[], %s::bytea[], %s::bigint[]) AS n (position, link, id) WHERE t.id = n.id",
            [list(column) for column in zip(*rows, strict=True)],
        )


def chained(table: str, organization: int) -> Iterator[tuple[int, int, bytes, bytes]]:
    """(position, id, digest, link) of a whole chain's share in one table, by position, without holding it all."""
    with connection.chunked_cursor() as cursor:
        cursor.execute(
            f"SELECT position, id, digest, link FROM {table} "
            "WHERE position IS NOT NULL AND organization_id = %s ORDER BY position",
            [organization],
        )
        while rows := cursor.fetchmany(5000):
            for row in rows:
                yield row[0], row[1], bytes(row[2]), bytes(row[3])


def chained_at(table: str, organization: int, position: int) -> tuple[int, bytes] | None:
    """(id, link) of one position of a chain, where this table holds it."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT id, link FROM {table} WHERE organization_id = %s AND position = %s", [organization, position]
        )
        row = cursor.fetchone()
    return (row[0], bytes(row[1])) if row else None


def has_subscribers(organization: int) -> bool:
    """Whether anybody is on a list of it, by the rows themselves."""
    with connection.cursor() as cursor:
        bounds = [organization << 40, (organization + 1) << 40]
        cursor.execute("SELECT 1 FROM audience_subscriber WHERE id >= %s AND id < %s LIMIT 1", bounds)
        return cursor.fetchone() is not None


# === audience: imports, look-ups, totals ==========================================================================

# Days are texts (YYYY-MM-DD) here: at a million rows their making and comparing counts.

# (id, organization, blob, blind, index version, provider, language, joined)
type SubscriberRow = tuple[int, int, bytes, bytes, int, int, str, str]
# (subscriber, list, status, may, since)
type SubscriptionRow = tuple[int, int, int, int, str]
# (organization, subscriber, list or None, kind, purpose, way, day, blob, digest)
type ConsentRow = tuple[int, int, int | None, int, int, int, str, bytes, bytes]

_COLUMNS = {
    "audience_subscriber": (
        "id", "organization_id", "blob", "blind", "index_version", "provider", "language", "joined",
    ),
    "audience_subscription": ("subscriber_id", "list_id", "status", "may", "since"),
    "audience_subscribertag": ("subscriber_id", "tag_id"),
    "audience_consentrecord": (
        "organization_id", "subscriber_id", "list_id", "kind", "purpose", "way", "day", "blob", "digest",
    ),
}  # fmt: skip


@contextmanager
def _plain_cursor() -> Iterator[Any]:
    """psycopg's own cursor on Django's connection: parameters go in binary, and COPY is there."""
    import psycopg

    connection.ensure_connection()
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        yield cursor


def insert_subscribers(rows: Iterable[SubscriberRow]) -> None:
    """Rows of new subscribers, of one organization, and their headcount (audience/headcount.py). IntegrityError when an
    address or number is there already.
    """
    rows = iter(rows)
    first = next(rows, None)
    if first is not None:
        many = _insert("audience_subscriber", chain([first], rows))
        _update("INSERT INTO audience_headcount (organization_id, more) VALUES (%s, %s)", [(first[1], many)])


def insert_subscriptions(rows: Iterable[SubscriptionRow]) -> None:
    _insert("audience_subscription", rows)


def insert_consent(rows: Iterable[ConsentRow]) -> None:
    _insert("audience_consentrecord", rows)


def insert_subscriber_tags(rows: Iterable[tuple[int, int]]) -> None:
    """(subscriber, tag) pairs that are not there yet."""
    _insert("audience_subscribertag", rows)


def _insert(table: str, rows: Iterable[tuple[Any, ...]]) -> int:
    """How many rows. Those that are made one by one are best given so: PostgreSQL writes the first while the next are
    sealed.
    """
    some = batched(rows, _MOST_VALUES // len(_COLUMNS[table]) if _on_sqlite() else _COPIED)
    first, many = next(some, None), 0
    if first is None:
        return 0
    connection.ensure_connection()
    if _on_sqlite():
        # Many rows a statement: executemany spends as long on starting each row's as on the row (0.6 us).
        with connection.wrap_database_errors:
            for part in chain([first], some):
                connection.connection.execute(_insert_sql(table, len(part)), [*chain.from_iterable(part)])
                many += len(part)
        return many
    # COPY: 0.4 us a row where executemany takes 5 (send-limits.md, H). Its rows are laid out here: what psycopg lays
    # out value by value takes 2 us more of each.
    lay = _LAID[table]
    with _plain_cursor() as cursor:
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
_HER = struct.Struct(">hiqiqi")
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
    head, index = _HER.pack(8, 8, id, 8, organization, len(blob)), _INDEX
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


@cache
def _date(day: str) -> date:
    return date.fromisoformat(day)


# Bytes of a blind index.
BLIND = 16


def subscribers_by_blind(organization: int, blinds: Sequence[bytes]) -> list[tuple[bytes, int, bytes, str]]:
    """(blind, id, blob, language) of those that are known."""
    return _by_blind("SELECT blind, id, blob, language FROM audience_subscriber", organization, blinds)


def suppressions_by_blind(organization: int, blinds: Sequence[bytes]) -> list[tuple[bytes, str]]:
    """(blind, reason) of those that are suppressed; an address may have several reasons."""
    return _by_blind("SELECT blind, reason FROM audience_suppression", organization, blinds)


def _by_blind(query: str, organization: int, blinds: Sequence[bytes]) -> list[Any]:
    """One look into the index for each of them, whatever the planner believes: of tables that are being filled
    PostgreSQL knows nothing yet, and = ANY then reads everybody of the organization for every slice."""
    if not blinds:
        return []
    with connection.cursor() if _on_sqlite() else _plain_cursor() as cursor:
        if _on_sqlite():
            places = ", ".join(["%s"] * len(blinds))
            cursor.execute(f"{query} WHERE organization_id = %s AND blind IN ({places})", [organization, *blinds])
        else:
            # All of them as one value, cut up there: psycopg takes longer for an array of them than the look-ups do.
            wanted = (
                f"SELECT substring(every FROM place FOR {BLIND}) AS wanted FROM (SELECT %s::bytea AS every) AS given, "
                f"generate_series(1, %s, {BLIND}) AS place OFFSET 0"
            )
            lookup = f"{query} WHERE organization_id = %s AND blind = wanted OFFSET 0"
            cursor.execute(
                f"SELECT found.* FROM ({wanted}) AS given CROSS JOIN LATERAL ({lookup}) AS found",
                [b"".join(blinds), BLIND * len(blinds), organization],
            )
        rows: list[Any] = cursor.fetchall()
        return rows


def tags_of(subscribers: Sequence[int]) -> list[tuple[int, int]]:
    """(subscriber, tag)."""
    return _by_number("SELECT subscriber_id, tag_id FROM audience_subscribertag", subscribers)


def subscriptions_of(subscribers: Sequence[int]) -> list[tuple[int, int, int, int]]:
    """(subscriber, list, status, may)."""
    return _by_number("SELECT subscriber_id, list_id, status, may FROM audience_subscription", subscribers)


def asking_of(subscribers: Sequence[int]) -> dict[tuple[int, int], int]:
    """(subscriber, list) -> the verdict about appeals for money; who never spoke of them is left out."""
    rows = _by_number("SELECT subscriber_id, list_id, asking FROM audience_subscription", subscribers)
    return {(id, list_id): asking for id, list_id, asking in rows if asking}


def consent_of(
    subscribers: Sequence[int],
) -> list[tuple[int, tuple[int, int | None, int, int, int, str]]]:
    """(subscriber, (id, list, kind, purpose, way, day)) in the order of writing."""
    rows = _by_number(
        "SELECT subscriber_id, id, list_id, kind, purpose, way, CAST(day AS varchar(10)) FROM audience_consentrecord",
        subscribers,
        "ORDER BY id",
    )
    return [(row[0], tuple(row[1:])) for row in rows]


def consent_with_words(
    subscribers: Sequence[int],
) -> list[tuple[int, tuple[int, int | None, int, int, int, str], bytes]]:
    """consent_of() with what is sealed of each record: (subscriber, record, blob)."""
    rows = _by_number(
        "SELECT subscriber_id, id, list_id, kind, purpose, way, CAST(day AS varchar(10)), blob "
        "FROM audience_consentrecord",
        subscribers,
        "ORDER BY id",
    )
    return [(row[0], tuple(row[1:7]), bytes(row[7])) for row in rows]


def count_subscribed_but_not_written_to(list_id: int, tag: int | None) -> int:
    """Subscribed, and suppressed. The condition is that of the index subscription_stopped, word for word; SQLite would
    still take the index by status, which has two columns that fit, and walk through everybody."""
    source = "audience_subscription s" + (" INDEXED BY subscription_stopped" if _on_sqlite() else "")
    query = f"SELECT COUNT(*) FROM {source} WHERE list_id = %s AND (status = 1 AND NOT (may = 1))"
    if tag is None:
        return _numbers(query, [list_id])[0]
    carries = "SELECT 1 FROM audience_subscribertag t WHERE t.subscriber_id = s.subscriber_id AND t.tag_id = %s"
    return _numbers(f"{query} AND EXISTS ({carries})", [list_id, tag])[0]


def count_asking(list_id: int, tag: int | None) -> int:
    """Subscribed, and agreed to appeals for money."""
    query, values = _with_tag(f"SELECT COUNT(*) FROM {_asking_ones('s')} AND s.list_id = %s", [list_id], tag)
    return _numbers(query, values)[0]


def count_asking_on(lists: Sequence[int], most: int) -> int:
    """The same of all these lists, whoever is on two of them twice; no more than `most`."""
    few = f"SELECT 1 FROM {_asking_ones('s')} AND {_among('s.list_id')} LIMIT %s"
    return _numbers(f"SELECT COUNT(*) FROM ({few}) AS few", [_list(lists), most])[0]


def lists_asking(organization: int) -> list[int]:
    """The lists of which somebody agreed to appeals."""
    somebody = f"SELECT 1 FROM {_asking_ones('s')} AND s.list_id = l.id"
    query = f"SELECT l.id FROM audience_list l WHERE l.organization_id = %s AND EXISTS ({somebody}) ORDER BY l.id"
    return _numbers(query, [organization])


def _asking_ones(name: str) -> str:
    """SQLite would take another index that has the list, and look at each row for the answer."""
    along = " INDEXED BY subscription_asking" if _on_sqlite() else ""
    return f"audience_subscription {name}{along} WHERE {name}.asking = 1"


def count_not_written_to_by_verdict(list_id: int, tag: int | None) -> dict[int, int]:
    """The same by their verdict."""
    source = "audience_subscription s" + (" INDEXED BY subscription_stopped" if _on_sqlite() else "")
    query = f"SELECT may, COUNT(*) FROM {source} WHERE list_id = %s AND (status = 1 AND NOT (may = 1))"
    return _pairs(*_with_tag(query, [list_id], tag), "GROUP BY may")


def count_seldom(list_id: int, tag: int | None) -> dict[int, int]:
    """Who may be written to and does not want every letter: frequency -> how many."""
    source = "audience_subscription s" + (" INDEXED BY subscription_seldom" if _on_sqlite() else "")
    query = f"SELECT frequency, COUNT(*) FROM {source} WHERE list_id = %s AND frequency > 0 AND status = 1 AND may = 1"
    return _pairs(*_with_tag(query, [list_id], tag), "GROUP BY frequency")


# A suppression and the verdicts that follow from it are written in one transaction, so whatever lags is new.
_LAGGING = 5_000


def count_suppressed_unnoticed(organization: int, list_id: int, tag: int | None) -> dict[int, int]:
    """Suppressed ones whose verdict is still a yes, by frequency; along the newest suppressions."""
    # Asked for apart: PostgreSQL plans for a third of the table where it does not know the number. CROSS JOIN keeps
    # SQLite to this order.
    newest = _numbers("SELECT COALESCE(MAX(id), 0) FROM audience_suppression", [])[0]
    query = """
        SELECT s.frequency, COUNT(*) FROM audience_suppression p
        CROSS JOIN audience_subscriber b CROSS JOIN audience_subscription s
        WHERE p.id > %s AND p.organization_id = %s AND b.organization_id = p.organization_id AND b.blind = p.blind
        AND s.subscriber_id = b.id AND s.list_id = %s AND s.status = 1 AND s.may = 1"""
    return _pairs(*_with_tag(query, [newest - _LAGGING, organization, list_id], tag), "GROUP BY s.frequency")


def _with_tag(query: str, values: list[Any], tag: int | None) -> tuple[str, list[Any]]:
    """Of the subscriptions `s` those of people with this tag."""
    if tag is None:
        return query, values
    carries = "SELECT 1 FROM audience_subscribertag t WHERE t.subscriber_id = s.subscriber_id AND t.tag_id = %s"
    return f"{query} AND EXISTS ({carries})", [*values, tag]


def _pairs(query: str, values: list[Any], end: str) -> dict[int, int]:
    with connection.cursor() as cursor:
        cursor.execute(f"{query} {end}", values)
        return dict(cursor.fetchall())


def subscribers_below(start: int, below: int, limit: int) -> list[int]:
    query = "SELECT id FROM audience_subscriber WHERE id >= %s AND id < %s ORDER BY id DESC LIMIT %s"
    return _numbers(query, [start, below, limit])


def subscribers_after(organization: int, after: int, end: int, limit: int) -> list[int]:
    query = "SELECT id FROM audience_subscriber WHERE id > %s AND id < %s AND organization_id = %s ORDER BY id LIMIT %s"
    return _numbers(query, [after, end, organization, limit])


def subscriptions_below(list_id: int, status: int, below: int, limit: int) -> list[int]:
    return _numbers(
        "SELECT subscriber_id FROM audience_subscription WHERE list_id = %s AND status = %s AND subscriber_id < %s "
        "ORDER BY subscriber_id DESC LIMIT %s",
        [list_id, status, below, limit],
    )


def tagged_below(list_id: int, status: int, tag: int, below: int, limit: int, *, along_tag: bool) -> list[int]:
    """Subscribers of a list with a status and a tag, walked along the tag's index or along the status's."""
    # OFFSET 0 keeps PostgreSQL from making a join of it, which it sorts whole for every page.
    apart = "" if _on_sqlite() else "OFFSET 0"
    if along_tag:
        return _numbers(
            "SELECT t.subscriber_id FROM audience_subscribertag t WHERE t.tag_id = %s AND t.subscriber_id < %s "
            "AND EXISTS (SELECT 1 FROM audience_subscription s WHERE s.subscriber_id = t.subscriber_id "
            f"AND s.list_id = %s AND s.status = %s {apart}) ORDER BY t.subscriber_id DESC LIMIT %s",
            [tag, below, list_id, status, limit],
        )
    return _numbers(
        "SELECT s.subscriber_id FROM audience_subscription s "
        "WHERE s.list_id = %s AND s.status = %s AND s.subscriber_id < %s "
        "AND EXISTS (SELECT 1 FROM audience_subscribertag t WHERE t.subscriber_id = s.subscriber_id "
        f"AND t.tag_id = %s {apart}) ORDER BY s.subscriber_id DESC LIMIT %s",
        [list_id, status, below, tag, limit],
    )


def _numbers(query: str, values: list[Any]) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(query, values)
        return [row[0] for row in cursor.fetchall()]


def lock_subscribers(ids: Sequence[int]) -> bool:
    """Nobody else changes them until this transaction ends. False on SQLite, where it has the whole file already."""
    if _on_sqlite():
        return False
    with connection.cursor() as cursor:
        # In one order everywhere, so that two writers never wait for each other.
        held = f"SELECT id FROM audience_subscriber WHERE {_among('id')} ORDER BY id FOR UPDATE"
        cursor.execute(f"SELECT COUNT(*) FROM ({held}) AS held", [_list(ids)])
    return True


def hold_subscribers(organization: int, ids: Sequence[int]) -> list[int]:
    """Those of them who are still here, rising; nobody else changes them until this transaction ends. Whatever range
    they were found in, nobody of another organization is among them."""
    locks = "" if _on_sqlite() else " FOR UPDATE"  # In one order everywhere, as in lock_subscribers.
    where = f"{_among('id')} AND organization_id = %s"
    return _numbers(f"SELECT id FROM audience_subscriber WHERE {where} ORDER BY id{locks}", [_list(ids), organization])


def _by_number(query: str, numbers: Sequence[int], order: str = "") -> list[Any]:
    if not numbers:
        return []
    with connection.cursor() if _on_sqlite() else _plain_cursor() as cursor:
        cursor.execute(f"{query} WHERE {_among('subscriber_id')} {order}", [_list(numbers)])
        rows: list[Any] = cursor.fetchall()
        return rows


def update_subscribers(rows: Sequence[tuple[bytes, str, int]]) -> None:
    """(blob, language, id)."""
    _update("UPDATE audience_subscriber SET blob = %s, language = %s WHERE id = %s", rows)


def update_subscriptions(rows: Sequence[tuple[int, int, str, int, int]]) -> None:
    """(status, may, since, subscriber, list)."""
    _update(
        "UPDATE audience_subscription SET status = %s, may = %s, since = %s WHERE subscriber_id = %s AND list_id = %s",
        rows,
    )


def update_asking(rows: Sequence[tuple[int, int, int]]) -> None:
    """(asking, subscriber, list)."""
    _update("UPDATE audience_subscription SET asking = %s WHERE subscriber_id = %s AND list_id = %s", rows)


def insert_suppressions(rows: Sequence[tuple[int, bytes, int, str, str]]) -> None:
    """(organization, blind, index version, reason, day); those that are there stay as they are."""
    into = "INSERT INTO audience_suppression (organization_id, blind, index_version, reason, day)"
    if _on_sqlite() or not rows:
        _update(f"{into} VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING", rows)
        return
    columns = "%s::bigint[], %s::bytea[], %s::smallint[], %s::varchar[], %s::date[]"
    organizations, blinds, versions, reasons, days = (list(column) for column in zip(*rows, strict=True))
    with _plain_cursor() as cursor:
        cursor.execute(
            f"{into} SELECT * FROM unnest({columns}) ON CONFLICT DO NOTHING",
            [organizations, blinds, versions, reasons, [_date(day) for day in days]],
        )


def add_list_totals(rows: Sequence[tuple[int, int, int]]) -> None:
    """(list, status, more). Rows in one order everywhere, so that two writers never wait for each other."""
    _update(
        "INSERT INTO audience_listtotal (list_id, status, count) VALUES (%s, %s, %s) "
        "ON CONFLICT (list_id, status) DO UPDATE SET count = audience_listtotal.count + excluded.count",
        rows,
    )


def add_tag_totals(rows: Sequence[tuple[int, int, int, int]]) -> None:
    """(list, tag, status, more)."""
    _update(
        "INSERT INTO audience_tagtotal (list_id, tag_id, status, count) VALUES (%s, %s, %s, %s) "
        "ON CONFLICT (list_id, tag_id, status) DO UPDATE SET count = audience_tagtotal.count + excluded.count",
        rows,
    )


def add_growth(rows: Sequence[tuple[int, str, int, int, int]]) -> None:
    """(list, day, what, way, more)."""
    _update(
        "INSERT INTO audience_growth (list_id, day, what, way, count) VALUES (%s, %s, %s, %s, %s) "
        "ON CONFLICT (list_id, day, what, way) DO UPDATE SET count = audience_growth.count + excluded.count",
        rows,
    )


def _update(query: str, rows: Sequence[tuple[Any, ...]]) -> None:
    if rows:
        with connection.cursor() if _on_sqlite() else _plain_cursor() as cursor:
            cursor.executemany(query, rows)


def sweep_after_erasing() -> bool:
    """Makes what was erased leave the disk too. False when a long reader was in the way and it must be done again.

    SQLite has overwritten the pages already (secure_delete) but their old selves stand in the write-ahead log.
    PostgreSQL keeps dead rows until a vacuum.
    """
    with connection.cursor() as cursor:
        if _on_sqlite():
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            return bool(cursor.fetchone()[0] == 0)
        cursor.execute(
            "VACUUM audience_subscriber, audience_consentrecord, audience_subscribertag, audience_subscription, "
            "audience_readablevalue, audience_dataqualityissue"
        )
        return True


def learn_sizes() -> None:
    """After an import: PostgreSQL's planner would go by tables that were empty until autovacuum comes by.

    A look along an index has to ask the table of each row whether everybody may see it, until a vacuum has noted that
    of whole pages: a count among a million takes three times as long before. The vacuum itself takes 0.4 s; indexes,
    out of which nothing was deleted, are left alone, and so is a table that autovacuum is at.
    """
    if _on_sqlite():
        return
    with connection.cursor() as cursor:
        if not connection.in_atomic_block:
            cursor.execute(f"VACUUM (SKIP_LOCKED, INDEX_CLEANUP OFF, TRUNCATE OFF) {', '.join(_COLUMNS)}")
        cursor.execute(f"ANALYZE {', '.join(_COLUMNS)}, audience_listtotal, audience_tagtotal")


# For the time of an import, on its own connection. Half the cache, for the reader needs memory too. No window onto
# the file: every page seen through it counts as memory of the process. Checkpoints come every 32 MB: at 4 MB the same
# pages of the blind index were copied back after each slice.
_BULK = {"cache_size": -32_768, "mmap_size": 0, "wal_autocheckpoint": 8_000}


@contextmanager
def bulk_writing() -> Iterator[None]:
    """The database's settings for an import, put back afterwards. Begins outside any transaction."""
    with _pragmas(_BULK), not_waiting():
        yield


@contextmanager
def not_waiting() -> Iterator[None]:
    """Slices do not wait for the disk. The rows of one and its place in the file are one transaction, so a power cut
    takes back both, and the import goes on there. Whatever is built on them is committed later, by somebody who
    waits, and that puts everything before it on the disk as well.
    """
    if connection.in_atomic_block:  # A test's: SQLite changes this between transactions only.
        yield
    elif _on_sqlite():
        with _pragmas({"synchronous": 1}):
            yield
    else:
        with connection.cursor() as cursor:
            cursor.execute("SET synchronous_commit = off")
        try:
            yield
        finally:
            if connection.is_usable():
                with connection.cursor() as cursor:
                    cursor.execute("RESET synchronous_commit")


@contextmanager
def _pragmas(wanted: Mapping[str, int]) -> Iterator[None]:
    """SQLite's settings, put back afterwards."""
    before = {name: _pragma(name) for name in wanted} if _on_sqlite() else {}
    for name in before:
        _pragma(name, wanted[name])
    try:
        yield
    finally:
        for name, value in before.items():
            _pragma(name, value)


def _pragma(name: str, value: int | None = None) -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"PRAGMA {name}" if value is None else f"PRAGMA {name}={value}")
        row = cursor.fetchone()
        return int(row[0]) if row else 0


# === exports: everything about everybody, by pages of keys ========================================================


# Everybody is read once: what is read need not be kept, and pages seen through a window count as memory of ours.
_READING = {"cache_size": -16_384, "mmap_size": 0}


@contextmanager
def bulk_reading() -> Iterator[None]:
    """SQLite's settings for an export, put back afterwards."""
    with _pragmas(_READING):
        yield


def subscribers_page(organization: int, after: int, end: int, limit: int) -> list[tuple[int, bytes, str, str]]:
    """(id, blob, language, joined) by rising id."""
    return _read(
        "SELECT id, blob, language, CAST(joined AS varchar(10)) FROM audience_subscriber "
        "WHERE id > %s AND id < %s AND organization_id = %s ORDER BY id LIMIT %s",
        [after, end, organization, limit],
    )


def subscribers_at(organization: int, ids: Sequence[int]) -> list[tuple[int, bytes, str, str, bytes]]:
    """(id, blob, language, joined, blind) of those that are there."""
    return _read(
        "SELECT id, blob, language, CAST(joined AS varchar(10)), blind FROM audience_subscriber "
        f"WHERE {_among('id')} AND organization_id = %s",
        [_list(ids), organization],
    )


def tags_between(after: int, last: int) -> list[tuple[int, int]]:
    """(subscriber, tag) of a stretch of subscribers, the last one with it."""
    return _read(
        "SELECT subscriber_id, tag_id FROM audience_subscribertag "
        "WHERE subscriber_id > %s AND subscriber_id <= %s ORDER BY subscriber_id, tag_id",
        [after, last],
    )


def subscriptions_between(after: int, last: int, more: Sequence[str] = ()) -> list[tuple[Any, ...]]:
    """(subscriber, list, status, since, and the columns `more`)."""
    return _read(
        f"SELECT subscriber_id, list_id, status, CAST(since AS varchar(10)) {_also(more)} FROM audience_subscription "
        "WHERE subscriber_id > %s AND subscriber_id <= %s ORDER BY subscriber_id, list_id",
        [after, last],
    )


def subscriptions_with(ids: Sequence[int], more: Sequence[str] = ()) -> list[tuple[Any, ...]]:
    """The same of these subscribers."""
    return _read(
        f"SELECT subscriber_id, list_id, status, CAST(since AS varchar(10)) {_also(more)} FROM audience_subscription "
        f"WHERE {_among('subscriber_id')} ORDER BY subscriber_id, list_id",
        [_list(ids)],
    )


def _also(columns: Sequence[str]) -> str:
    return "".join(f", {column}" for column in columns)


def consent_between(after: int, last: int) -> list[tuple[int, int | None, int, int, int, str, bytes]]:
    """(subscriber, list, kind, purpose, way, day, blob), those of each subscriber in the order of writing."""
    return _read(
        "SELECT subscriber_id, list_id, kind, purpose, way, CAST(day AS varchar(10)), blob "
        "FROM audience_consentrecord WHERE subscriber_id > %s AND subscriber_id <= %s ORDER BY subscriber_id, id",
        [after, last],
    )


def subscribed_after(list_id: int, status: int, after: int, limit: int) -> list[tuple[int, int]]:
    """(subscriber, may) of a list and status, by rising number."""
    return _read(
        "SELECT subscriber_id, may FROM audience_subscription WHERE list_id = %s AND status = %s "
        "AND subscriber_id > %s ORDER BY subscriber_id LIMIT %s",
        [list_id, status, after, limit],
    )


def suppressions_page(organization: int, after: int, limit: int) -> list[tuple[int, bytes, int, str, str, int | None]]:
    """(row, blind, index version, reason, day, subscriber who has the address) by rising row."""
    return _read(
        "SELECT p.id, p.blind, p.index_version, p.reason, CAST(p.day AS varchar(10)), "
        "(SELECT s.id FROM audience_subscriber s WHERE s.organization_id = p.organization_id AND s.blind = p.blind) "
        "FROM audience_suppression p WHERE p.organization_id = %s AND p.id > %s ORDER BY p.id LIMIT %s",
        [organization, after, limit],
    )


def suppressions_with_days(organization: int, blinds: Sequence[bytes]) -> list[tuple[bytes, str, str]]:
    """(blind, reason, day) of those that are suppressed."""
    query = "SELECT blind, reason, CAST(day AS varchar(10)) AS day FROM audience_suppression"
    return _by_blind(query, organization, blinds)


def _read(query: str, values: Sequence[Any]) -> list[Any]:
    """On PostgreSQL by psycopg's own cursor: a blob comes as bytes, not as text that is twice as long."""
    with connection.cursor() if _on_sqlite() else _plain_cursor() as cursor:
        cursor.execute(query, values)
        rows: list[Any] = cursor.fetchall()
        return rows


# === audience: readable values ====================================================================================


def put_readable(rows: Sequence[tuple[int, int, int]]) -> None:
    """(subscriber, field, value); one that is there takes the new value."""
    into = "INSERT INTO audience_readablevalue (subscriber_id, field_id, value)"
    instead = "ON CONFLICT (subscriber_id, field_id) DO UPDATE SET value = excluded.value"
    if _on_sqlite() or not rows:
        _update(f"{into} VALUES (%s, %s, %s) {instead}", rows)
        return
    with _plain_cursor() as cursor:
        columns = [list(column) for column in zip(*sorted(rows), strict=True)]
        cursor.execute(f"{into} SELECT * FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[]) {instead}", columns)


def drop_readable(rows: Sequence[tuple[int, int]]) -> None:
    """(subscriber, field); nothing happens to one that is not there."""
    _update("DELETE FROM audience_readablevalue WHERE subscriber_id = %s AND field_id = %s", rows)


def drop_readable_slice(field: int, limit: int) -> int:
    """Some values of a field that is readable no more; how many went."""
    return _drop_slice("audience_readablevalue", "field_id", field, limit)


def _drop_slice(table: str, column: str, value: int, limit: int) -> int:
    """Removes at most so many rows with this value; how many went. Neither database has DELETE … LIMIT for certain."""
    key = "rowid" if _on_sqlite() else "ctid"
    sql = f"DELETE FROM {table} WHERE {key} IN (SELECT {key} FROM {table} WHERE {column} = %s LIMIT %s)"
    with connection.cursor() as cursor:
        cursor.execute(sql, [value, limit])
        return int(cursor.rowcount)


# === audience: filters of the desk ================================================================================


@dataclass(frozen=True, slots=True)
class RecipientQuery:
    """Whom a filter wants. `lists` and `statuses` go together: on one of these lists with one of these statuses; empty
    lists ask for no subscription at all. `may`: codes of verdicts, on one of the lists; `asking`: she may be asked for
    money, on one of the lists. Days are texts.
    """

    lists: tuple[int, ...] = ()
    statuses: tuple[int, ...] = ()
    may: tuple[int, ...] = ()
    asking: bool = False
    tag: int | None = None
    provider: int | None = None
    language: str | None = None
    source: int | None = None
    since: str | None = None
    until: str | None = None
    numbers: tuple[int, ...] = ()  # Row ids: these alone, walked along FACETS.
    # What bulk work asks besides: who carries or lacks a tag, stands on a list so, or stands on none so.
    carries: int | None = None
    lacks: int | None = None
    stands: tuple[int, tuple[int, ...]] | None = None
    stands_not: tuple[int, tuple[int, ...]] | None = None


# The thing that is walked along, from the highest number down; the others are asked of each that it meets.
FACETS, SUBSCRIPTIONS, CARRIERS, STOPPED, ASKING = "facets", "subscriptions", "carriers", "stopped", "asking"
# Of some subscriptions there is an index; SQLite would still take one with more columns that fit.
_OF_SOME = {STOPPED: " INDEXED BY subscription_suppressed", ASKING: " INDEXED BY subscription_asking"}


def wanted_sql(wanted: RecipientQuery, along: str) -> tuple[str, list[Any]]:
    """Ids of those wanted that are at least %s and below %s (the last two values), each once, in no order."""
    apart = "" if _on_sqlite() else "OFFSET 0"  # Keeps PostgreSQL from making joins, which it sorts whole.
    facets, facet_values = _facets(wanted)
    if along == FACETS:
        source = "audience_subscriber s"
        if _on_sqlite() and not wanted.numbers:
            source += " INDEXED BY subscriber_facets"
        asked, values = _standing(wanted, "s.id", apart)
        tagged, tag_values = _tagged(wanted, "s.id", apart)
        more, more_values = _besides(wanted, "s.id", apart)
        these, numbers = ([_among("s.id")], [_list(wanted.numbers)]) if wanted.numbers else ([], [])
        conditions = " AND ".join(["1 = 1", *these, *facets, *asked, *tagged, *more])
        sql = f"SELECT s.id FROM {source} WHERE {conditions} AND s.id >= %s AND s.id < %s"
        return sql, [*numbers, *facet_values, *values, *tag_values, *more_values]
    at = f"SELECT 1 FROM audience_subscriber s{' INDEXED BY subscriber_facets' if _on_sqlite() else ''}"
    if along == CARRIERS:
        asked, values = _standing(wanted, "t.subscriber_id", apart)
        known = [f"EXISTS ({at} WHERE s.id = t.subscriber_id AND {' AND '.join(facets)} {apart})"] if facets else []
        more, more_values = _besides(wanted, "t.subscriber_id", apart)
        conditions = " AND ".join(["t.tag_id = %s", *known, *asked, *more])
        sql = (
            f"SELECT t.subscriber_id FROM audience_subscribertag t WHERE {conditions} "
            "AND t.subscriber_id >= %s AND t.subscriber_id < %s"
        )
        return sql, [wanted.tag, *facet_values, *values, *more_values]
    tagged, tag_values = _tagged(wanted, "u.subscriber_id", apart)
    known = [f"EXISTS ({at} WHERE s.id = u.subscriber_id AND {' AND '.join(facets)} {apart})"] if facets else []
    own, own_values = _own(wanted)
    if along == STOPPED:
        own = ["u.may >= 7", *own]
    source = "audience_subscription u" + (_OF_SOME.get(along, "") if _on_sqlite() else "")
    more, more_values = _besides(wanted, "u.subscriber_id", apart)
    conditions = " AND ".join([*own, *known, *tagged, *more])
    sql = (
        f"SELECT DISTINCT u.subscriber_id FROM {source} WHERE {conditions} "
        "AND u.subscriber_id >= %s AND u.subscriber_id < %s"
    )
    return sql, [*own_values, *facet_values, *tag_values, *more_values]


def _facets(wanted: RecipientQuery) -> tuple[list[str], list[Any]]:
    asked = {
        "s.provider = %s": wanted.provider,
        "s.language = %s": wanted.language,
        "s.source = %s": wanted.source,
        "s.joined >= %s": wanted.since,
        "s.joined <= %s": wanted.until,
    }
    known = {sql: value for sql, value in asked.items() if value is not None}
    return list(known), list(known.values())


def _standing(wanted: RecipientQuery, whose: str, apart: str) -> tuple[list[str], list[Any]]:
    if not wanted.lists:
        return [], []
    own, values = _own(wanted)
    asked = f"EXISTS (SELECT 1 FROM audience_subscription u WHERE u.subscriber_id = {whose} AND {' AND '.join(own)}"
    return [f"{asked} {apart})"], values


def _own(wanted: RecipientQuery) -> tuple[list[str], list[Any]]:
    """Conditions on a subscription; numbers go in as text of the statement, since there are few."""
    own, values = ["u.asking = 1"] if wanted.asking else [], []
    for column, codes in (("list_id", wanted.lists), ("status", wanted.statuses), ("may", wanted.may)):
        if len(codes) == 1:
            own.append(f"u.{column} = %s")
            values.append(codes[0])
        elif codes:
            own.append(f"u.{column} IN ({', '.join(['%s'] * len(codes))})")
            values += codes
    return own, values


def _tagged(wanted: RecipientQuery, whose: str, apart: str) -> tuple[list[str], list[Any]]:
    if wanted.tag is None:
        return [], []
    return [
        f"EXISTS (SELECT 1 FROM audience_subscribertag t WHERE t.subscriber_id = {whose} AND t.tag_id = %s {apart})"
    ], [wanted.tag]


def _besides(wanted: RecipientQuery, whose: str, apart: str) -> tuple[list[str], list[Any]]:
    asked, values = [], []
    carried = (
        f"EXISTS (SELECT 1 FROM audience_subscribertag b WHERE b.subscriber_id = {whose} AND b.tag_id = %s {apart})"
    )
    for sql, tag in ((carried, wanted.carries), (f"NOT {carried}", wanted.lacks)):
        if tag is not None:
            asked.append(sql)
            values.append(tag)
    for word, standing in (("", wanted.stands), ("NOT ", wanted.stands_not)):
        if standing is not None:
            list_id, statuses = standing
            places = ", ".join(["%s"] * len(statuses))
            asked.append(
                f"{word}EXISTS (SELECT 1 FROM audience_subscription b WHERE b.subscriber_id = {whose} "
                f"AND b.list_id = %s AND b.status IN ({places}) {apart})"
            )
            values += [list_id, *statuses]
    return asked, values


def wanted_ids(wanted: RecipientQuery, along: str, low: int, below: int, limit: int) -> list[int]:
    """The highest of them, falling."""
    sql, values = wanted_sql(wanted, along)
    return _numbers(f"{sql} ORDER BY 1 DESC LIMIT %s", [*values, low, below, limit])


def count_wanted(wanted: RecipientQuery, along: str, low: int, below: int) -> int:
    sql, values = wanted_sql(wanted, along)
    return _numbers(f"SELECT COUNT(*) FROM ({sql}) AS found", [*values, low, below])[0]


# === audience: bulk work ==========================================================================================


def tag_many(tag: int, subscribers: Sequence[int]) -> list[int]:
    """Gives a tag to all of them; those who did not have it. They are locked, so that nobody else gives it meanwhile:
    for ON CONFLICT PostgreSQL would write each row twice.
    """
    number, on = ("j.value", "json_each(%s) j") if _on_sqlite() else ("u.n", "unnest(%s::bigint[]) AS u(n)")
    carried = f"SELECT 1 FROM audience_subscribertag t WHERE t.subscriber_id = {number} AND t.tag_id = %s"
    return _numbers(
        f"INSERT INTO audience_subscribertag (subscriber_id, tag_id) SELECT {number}, %s FROM {on} "
        f"WHERE NOT EXISTS ({carried}) RETURNING subscriber_id",
        [tag, _list(subscribers), tag],
    )


def untag_many(tag: int, subscribers: Sequence[int]) -> list[int]:
    """Takes a tag from all of them; those who had it."""
    return _numbers(
        f"DELETE FROM audience_subscribertag WHERE tag_id = %s AND {_among('subscriber_id')} RETURNING subscriber_id",
        [tag, _list(subscribers)],
    )


def drop_tag_slice(tag: int, limit: int) -> int:
    """Takes a tag from some of those who carry it; how many they were."""
    return _drop_slice("audience_subscribertag", "tag_id", tag, limit)


def standings_of(subscribers: Sequence[int]) -> list[tuple[int, int, int]]:
    """(list, status, how many of them)."""
    if not subscribers:
        return []
    with connection.cursor() as cursor:
        # Between the lowest and the highest: of 5,000 numbers alone PostgreSQL thinks that they are everywhere, and
        # reads all of a million subscriptions for each slice (60 ms; so it takes 8).
        cursor.execute(
            "SELECT list_id, status, COUNT(*) FROM audience_subscription WHERE subscriber_id BETWEEN %s AND %s "
            f"AND {_among('subscriber_id')} GROUP BY list_id, status",
            [min(subscribers), max(subscribers), _list(subscribers)],
        )
        return [(row[0], row[1], row[2]) for row in cursor.fetchall()]


def there(organization: int, subscribers: Sequence[int]) -> list[int]:
    """Those of them who are still here."""
    where = f"{_among('id')} AND organization_id = %s"
    return _numbers(f"SELECT id FROM audience_subscriber WHERE {where}", [_list(subscribers), organization])


def blinds_of(organization: int, subscribers: Sequence[int]) -> dict[bytes, int]:
    """Blind index -> subscriber."""
    with connection.cursor() as cursor:
        where = f"{_among('id')} AND organization_id = %s"
        cursor.execute(f"SELECT blind, id FROM audience_subscriber WHERE {where}", [_list(subscribers), organization])
        return {bytes(blind): id for blind, id in cursor.fetchall()}


def pauses_of(subscribers: Sequence[int], list_id: int) -> dict[int, Any]:
    """Subscriber -> (status, may, since as text, paused until or None) on one list."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT subscriber_id, status, may, CAST(since AS varchar(10)), CAST(paused AS varchar(10)) "
            f"FROM audience_subscription WHERE {_among('subscriber_id')} AND list_id = %s",
            [_list(subscribers), list_id],
        )
        return {row[0]: tuple(row[1:]) for row in cursor.fetchall()}
