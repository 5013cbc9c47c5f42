"""The raw SQL of claims, slices and results, a named query each. The rest goes through the ORM."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import chain
from typing import Any, NamedTuple

from django.db import connection

from samizdat import dbclock
from samizdat.audience import address_log, choice_log
from samizdat.audience.models import NUMBER_BITS
from samizdat.audience.recipients_sql import join_subscribers, release_rows, writable_in_one_row, writable_rows
from samizdat.campaigns.sql import IS_SENDING, add_to_books
from samizdat.core.mail import outcome
from samizdat.db import (
    Statement,
    add_counts,
    among,
    ask_prepared,
    day_text,
    execute_all,
    fetch_numbers,
    moment,
    number_list,
    on_sqlite,
)

# The index chunk_ready holds ready chunks alone. Its condition has to stand in the query word for word, or SQLite
# sorts the whole edition for every claim (17 times slower; a test looks at the plan).
_CLAIM = """
UPDATE delivery_chunk SET state = 1, worker_id = %s, claimed = %s, unsliced = {unsliced}
WHERE id {among}(
    SELECT id FROM delivery_chunk
    WHERE edition_id = %s AND state = 0 AND (not_before IS NULL OR not_before <= %s)
    ORDER BY id LIMIT %s {skip}
){end} AND state = 0 AND {goes_on}
RETURNING id, numbers, retry, size - remaining, variant, position, digest_sealed
"""


def claim_sql() -> str:
    if on_sqlite():
        return _CLAIM.format(among="IN ", end="", skip="", unsliced="NULL", goes_on=IS_SENDING)
    # An array, since PostgreSQL may ask a subquery that locks rows more than once.
    return _CLAIM.format(
        among="= ANY(ARRAY", end=")", skip="FOR UPDATE SKIP LOCKED", unsliced="size", goes_on=IS_SENDING
    )


class TakenChunk(NamedTuple):
    """reported: how many of its numbers have a delivery."""

    id: int
    numbers: bytes
    retry: bool
    reported: int
    variant: int
    position: int
    digest_sealed: bytes


def claim_chunks(edition: int, worker: int, now: datetime, most: int = 1) -> list[TakenChunk]:
    """Take the next ready chunks of an edition that may be sent, in order."""
    with connection.cursor() as cursor:
        at = moment(now)
        cursor.execute(claim_sql(), [worker, at, edition, at, most, edition])
        rows = cursor.fetchall()
    return sorted(
        TakenChunk(row[0], bytes(row[1]), bool(row[2]), row[3], row[4], row[5], bytes(row[6])) for row in rows
    )


def locations(parts: Sequence[str]) -> list[tuple[bytes, str, bytes]]:
    """(folder, part, keyed hash) of each of these parts of a place."""
    marks = ", ".join(["%s"] * len(parts))
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT folder, part, digest FROM delivery_location WHERE part IN ({marks})", [*parts])
        rows: list[tuple[bytes, str, bytes]] = cursor.fetchall()
        return rows


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


def unanswered(edition: int, chunk: int, retry: bool, numbers: Sequence[int]) -> list[int]:
    """Those numbers of a chunk that still have no result, in order."""
    if retry:
        sql = "SELECT number FROM delivery_retry WHERE chunk_id = %s"
        args: list[Any] = [chunk]
    else:
        sql = f"SELECT number FROM delivery_delivery WHERE edition_id = %s AND {among('number')}"
        args = [edition, number_list(numbers)]
    with connection.cursor() as cursor:
        cursor.execute(sql, args)
        stored_numbers = {row[0] for row in cursor.fetchall()}
    return [number for number in numbers if (number in stored_numbers) == retry]


def close_chunks(chunks: Sequence[int], worker: int) -> None:
    """The sender lets go of chunks: done when every number has its result, ready for the next one otherwise."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            UPDATE delivery_chunk SET worker_id = NULL, claimed = NULL, state = CASE
                WHEN retry AND EXISTS (SELECT 1 FROM delivery_retry r WHERE r.chunk_id = delivery_chunk.id) THEN 0
                WHEN NOT retry AND remaining > 0 THEN 0
                ELSE 2 END
            WHERE {among("id")} AND worker_id = %s AND state = 1
            """,
            [number_list(chunks), worker],
        )


# What is asked before each slice, in one statement: a thread beside a busy event loop waits up to half a millisecond
# for the interpreter after each.
# By whether it is an appeal.
_SLICES_SQLITE = tuple(
    f"SELECT {IS_SENDING}, people.* FROM ({writable_in_one_row(appeal)}) AS people" for appeal in (False, True)
)
_SLICES_POSTGRESQL = tuple(
    f"""
    WITH fed AS (
        UPDATE delivery_chunk SET unsliced = %s WHERE id = %s AND worker_id = %s AND state = 1 AND size = %s RETURNING 1
    )
    SELECT EXISTS (SELECT 1 FROM fed), {IS_SENDING}, people.*
    FROM (SELECT 1) AS one LEFT JOIN ({writable_rows(appeal)}) AS people ON true
    """
    for appeal in (False, True)
)


@dataclass(frozen=True, slots=True)
class ClaimedChunk:
    """A slice as the database has it at one instant. ours: the chunk was not taken from us by those who took us for
    dead. goes_on: the campaign is sending, its organization unfenced. people: (row id, blob, mailbox provider, index of
    the address) of those who may be written to.
    """

    ours: bool
    goes_on: bool
    people: list[tuple[int, bytes, int, bytes]]


def feed(
    chunk: int,
    worker: int,
    size: int,
    unsliced: int,
    edition: int,
    organization: int,
    list_id: int,
    appeal: bool,
    round: int,
    rows: Sequence[int],
) -> ClaimedChunk:
    """Marks a slice of a claimed chunk as on its way and reads it: all but the last `unsliced` of the chunk are fed.

    Consent and suppression are read in the statement that reads the blob, so nothing can come between. The mark is for
    PostgreSQL: SQLite's one machine can always read the journal. `round`: whoever gets the letters of this round in a
    digest (core/content/digest.in_digest) does not get this one by itself; -1 for a letter that no digest gathers. An
    `appeal` is for those who agreed to appeals too.
    """
    if on_sqlite():
        ((goes_on, ids, providers, blobs, indexes, logged),) = ask_prepared(
            _SLICES_SQLITE[appeal], [edition, number_list(rows), list_id, round, round, organization]
        )
        people = _divided(ids, blobs, providers, indexes) if ids else []
        log = {row: events for row, *events in json.loads(f"[{logged}]")} if logged else {}
        return ClaimedChunk(True, bool(goes_on), _as_logged(list_id, people, log))
    arguments = [unsliced, chunk, worker, size, edition, number_list(rows), list_id, round, round, organization]
    results = ask_prepared(_SLICES_POSTGRESQL[appeal], arguments)
    ours, goes_on = results[0][:2]
    people = [row[2:6] for row in results if row[2] is not None]
    return ClaimedChunk(ours, goes_on, _as_logged(list_id, people, {row[2]: row[6] for row in results if row[6]}))


def _divided(ids: str, blobs: str, providers: str, indexes: str) -> list[tuple[int, bytes, int, bytes]]:
    """As columns: a row at a time costs three times as much."""
    sealed, keyed = (map(bytes.fromhex, column.split(",")) for column in (blobs, indexes))
    return list(zip(map(int, ids.split(",")), sealed, map(int, providers.split(",")), keyed, strict=True))


def _as_logged(
    list_id: int, people: list[tuple[int, bytes, int, bytes]], log: Mapping[int, Sequence[Any]]
) -> list[tuple[int, bytes, int, bytes]]:
    """Those who have not paused, are not suppressed, and whose row has no address that they had before: columns and
    verdict stand in the open, so of who ever chose something, was suppressed or corrected, the log is asked. log: of
    those (newest event of what they chose, newest of their address, suppressed?)."""
    if not log:
        return people
    choices = {row: choice for row, (choice, _moved, _suppressed) in log.items() if choice is not None}
    moved = {log[row][1]: index for row, _, _, index in people if row in log and log[row][1] is not None}
    kept_away = {row for row, (_choice, _moved, suppressed) in log.items() if suppressed}
    kept_away |= choice_log.paused(list_id, choices, dbclock.now()) if choices else set[int]()
    kept_away |= address_log.elsewhere(moved) if moved else set[int]()
    return [person for person in people if person[0] not in kept_away]


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
    return fetch_numbers(query, [*values, after, limit])


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
    return fetch_numbers(f"SELECT COUNT(*) {more} AND {_unreached()}", [*values, edition])[0]


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
            f"""SELECT d.number, {day_text("d.day")} FROM delivery_delivery d
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
    numbers, on = ("value", "json_each(%s)") if on_sqlite() else ("n", "unnest(%s::bigint[]) AS u(n)")
    sql = (
        "INSERT INTO delivery_delivery (edition_id, number, state, answer, code, route_id, day) "
        f"SELECT %s, {numbers}, %s, %s, %s, %s, %s FROM {on}"
    )
    at = day.isoformat() if on_sqlite() else day
    with connection.cursor() as cursor:
        for fate, some in fates.items():
            cursor.execute(sql, [edition, *fate, at, number_list(some)])


def known_deliveries(edition: int, numbers: Sequence[int]) -> dict[int, tuple[int, int | None]]:
    """State and route of those numbers that have a delivery; held until the transaction ends."""
    lock = "" if on_sqlite() else "FOR UPDATE"
    sql = f"SELECT number, state, route_id FROM delivery_delivery WHERE edition_id = %s AND {among('number')} {lock}"
    with connection.cursor() as cursor:
        cursor.execute(sql, [edition, number_list(numbers)])
        return {number: (state, route) for number, state, route in cursor.fetchall()}


def routes_of(edition: int, numbers: Sequence[int]) -> dict[int, int]:
    """By which route each of those numbers of an edition went; without those whose deliveries became totals."""
    sql = f"SELECT number, route_id FROM delivery_delivery WHERE edition_id = %s AND {among('number')}"
    with connection.cursor() as cursor:
        cursor.execute(f"{sql} AND route_id IS NOT NULL", [edition, number_list(numbers)])
        return dict(cursor.fetchall())


def days_of(edition: int, numbers: Sequence[int]) -> dict[int, date]:
    """On which day each of those numbers of an edition had its answer; likewise."""
    sql = f"SELECT number, {day_text('day')} FROM delivery_delivery WHERE edition_id = %s AND {among('number')}"
    with connection.cursor() as cursor:
        cursor.execute(sql, [edition, number_list(numbers)])
        return {number: date.fromisoformat(day) for number, day in cursor.fetchall()}


# (day, state, route, place of the mailbox provider in PROVIDERS, how many); None where nobody knows.
type DayResult = tuple[date, int, int | None, int | None, int]


def results_by_day(organization: int, edition: int, first: date, last: date) -> list[DayResult]:
    """What became of an edition's messages on each of these days. Reads all of its deliveries: of a welcome email."""
    sql = (
        f"SELECT {day_text('d.day')}, d.state, d.route_id, s.provider, COUNT(*) FROM delivery_delivery d "
        f"{join_subscribers('d.number')} WHERE d.edition_id = %s AND d.day BETWEEN %s AND %s "
        "GROUP BY d.day, d.state, d.route_id, s.provider"
    )
    with connection.cursor() as cursor:
        cursor.execute(sql, [organization << NUMBER_BITS, edition, first.isoformat(), last.isoformat()])
        return [(date.fromisoformat(day), *rest) for day, *rest in cursor.fetchall()]


def move_deliveries(edition: int, rows: Sequence[tuple[int, int, int, int | None, int]], day: date) -> None:
    """(state, answer, code, route, number) each."""
    if rows:
        with connection.cursor() as cursor:
            cursor.executemany(
                "UPDATE delivery_delivery SET state = %s, answer = %s, code = %s, route_id = %s, day = %s "
                "WHERE edition_id = %s AND number = %s",
                [(*row[:4], day.isoformat() if on_sqlite() else day, edition, row[4]) for row in rows],
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
        add_to_books(edition, totals.books),
        _lower_left(totals.left),
        add_counts("delivery_routetotal", ("edition_id", "route_id"), ("accepted", "refused", "deferred", "unsure"),
             [(edition, *row) for row in totals.routes]),
        add_counts("delivery_minutetotal", ("edition_id", "route_id", "minute"), ("accepted", "refused"),
             [(edition, route, moment(minute), *counts) for route, minute, *counts in totals.minutes]),
        add_counts("delivery_providertotal", ("edition_id", "provider", "state"), ("count",),
             [(edition, *row) for row in totals.providers]),
        add_counts("delivery_varianttotal", ("edition_id", "variant", "state"), ("count",),
             [(edition, *row) for row in totals.variants]),
    ]  # fmt: skip
    execute_all(statement for statement in statements if statement is not None)


def _lower_left(chunks: Mapping[int, int]) -> Statement | None:
    if not chunks:
        return None
    marks = ", ".join(["(%s, %s)"] * len(chunks))
    return (
        f"WITH heard(chunk, many) AS (VALUES {marks}) "
        "UPDATE delivery_chunk SET remaining = remaining - many, "
        "state = CASE WHEN remaining <= many THEN 2 ELSE state END, "
        "worker_id = CASE WHEN remaining <= many THEN NULL ELSE worker_id END FROM heard WHERE id = chunk"
    ), list(chain.from_iterable(chunks.items()))


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
            sql = f"DELETE FROM delivery_retry WHERE edition_id = %s AND {among('number')}"
            cursor.execute(sql, [edition, number_list(numbers)])


def retries_into_chunk(edition: int, chunk: int, numbers: Sequence[int]) -> None:
    with connection.cursor() as cursor:
        sql = f"UPDATE delivery_retry SET chunk_id = %s WHERE edition_id = %s AND {among('number')}"
        cursor.execute(sql, [chunk, edition, number_list(numbers)])


# -- for the task engine ---

# Its numbers of the workers that are gone.
ENDED_ENGINES = "SELECT engine FROM delivery_worker WHERE ended IS NOT NULL"
# PostgreSQL's time, which transactions have ended, and the last ones that wrote nothing but heartbeats, ours and the
# engine's, when somebody last looked at the clock (one that was set is more than that), or which steps went through.
TRANSACTIONS = """
SELECT clock_timestamp(), pg_current_snapshot()::text, ARRAY(
    SELECT xmin::text::bigint FROM delivery_worker
    WHERE ended IS NULL AND NOT forgotten AND beat > clock_timestamp() - interval '15 s'
    UNION ALL
    SELECT xmin::text::bigint FROM procrastinate_workers WHERE last_heartbeat > clock_timestamp() - interval '15 s'
    UNION ALL
    SELECT xmin::text::bigint FROM delivery_clock
    WHERE seen > clock_timestamp() - interval '15 s' AND jumped IS DISTINCT FROM seen
    UNION ALL
    SELECT DISTINCT xmin::text::bigint FROM delivery_schedulerstep
    WHERE greatest(done, failed) > clock_timestamp() - interval '15 s'
)
"""
SET_ENGINE = "UPDATE delivery_worker SET engine = %(engine)s WHERE id = %(id)s"


# Of one edition: what was refused, is in doubt or was cancelled (index delivery_not_accepted).
ODD = "SELECT number, state FROM delivery_delivery WHERE edition_id = {edition:d} AND state IN (3, 4, 6)"

# Of each edition: how many of its deliveries were folded into totals.
FOLDED = "SELECT edition_id, CAST(sum(count) AS bigint) FROM delivery_deliveryarchivetotal GROUP BY edition_id"
