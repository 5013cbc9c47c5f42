"""The raw SQL over subscribers, their subscriptions and consent, a named query each. The rest goes through the ORM."""

from collections.abc import Callable, Generator, Iterator, Sequence
from datetime import date
from functools import cache
from typing import Any

from django.db import connection

from samizdat.audience import limits
from samizdat.audience.models import row_id
from samizdat.core import consent
from samizdat.db import (
    among,
    day_text,
    delete_slice,
    fetch_binary,
    fetch_numbers,
    fetch_pairs,
    fetch_rows,
    number_list,
    on_sqlite,
    plain_cursor,
    read_ahead,
    update_many,
)
from samizdat.sqlite.base import NO_DAY

# Days are texts (YYYY-MM-DD) here: at a million rows their making and comparing counts.

# Bytes of a blind index.
BLIND = 16
# What a consent record says in the chain, by its number.
RECORD_DIGEST = "SELECT digest FROM audience_consentrecord WHERE id = %s"
_NO = ", ".join(str(consent.KINDS.index(kind)) for kind in ("withdrawn", "objected", "cleaned"))


# Behind all days on which somebody says something.
BEHIND_ALL = "9000-01-01"


def _day_of_record() -> str:
    """The day of a consent record. Of one that isn't written as we write it a no is the last word, a yes none: the
    nightly check of the log reports it."""
    return day_text("day", f"CASE WHEN kind IN ({_NO}) THEN '{BEHIND_ALL}' ELSE '{NO_DAY}' END")


# -- look-ups --


def providers(rows: Sequence[int]) -> dict[int, int]:
    """Mailbox provider by subscriber row."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT id, provider FROM audience_subscriber WHERE {among('id')}", [number_list(rows)])
        return dict(cursor.fetchall())


def has_subscribers(organization: int) -> bool:
    """Whether anybody is on a list of it, by the rows themselves."""
    with connection.cursor() as cursor:
        bounds = [organization << 40, (organization + 1) << 40]
        cursor.execute("SELECT 1 FROM audience_subscriber WHERE id >= %s AND id < %s LIMIT 1", bounds)
        return cursor.fetchone() is not None


def newest_record() -> int:
    """Of consent, of all organizations: they are counted together. What has a higher number came after this moment."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT MAX(id) FROM audience_consentrecord")
        return int(cursor.fetchone()[0] or 0)


def subscribers_by_blind(organization: int, blinds: Sequence[bytes]) -> list[tuple[bytes, int, bytes, str]]:
    """(blind, id, blob, language) of those that are known."""
    return _by_blind("SELECT email_index, id, sealed, language FROM audience_subscriber", organization, blinds)


def suppressions_by_blind(organization: int, blinds: Sequence[bytes]) -> list[tuple[bytes, str]]:
    """(blind, reason) of those that are suppressed; an address may have several reasons."""
    return _by_blind("SELECT email_index, reason FROM audience_suppression", organization, blinds)


def _by_blind(query: str, organization: int, blinds: Sequence[bytes]) -> list[Any]:
    """One look into the index for each of them, whatever the planner believes: of tables that are being filled
    PostgreSQL knows nothing yet, and = ANY then reads everybody of the organization for every slice."""
    if not blinds:
        return []
    with connection.cursor() if on_sqlite() else plain_cursor() as cursor:
        if on_sqlite():
            places = ", ".join(["%s"] * len(blinds))
            cursor.execute(f"{query} WHERE organization_id = %s AND email_index IN ({places})", [organization, *blinds])
        else:
            # All of them as one value, cut up there: psycopg takes longer for an array of them than the look-ups do.
            wanted = (
                f"SELECT substring(every FROM place FOR {BLIND}) AS wanted FROM (SELECT %s::bytea AS every) AS given, "
                f"generate_series(1, %s, {BLIND}) AS place OFFSET 0"
            )
            lookup = f"{query} WHERE organization_id = %s AND email_index = wanted OFFSET 0"
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
    return _by_number("SELECT subscriber_id, list_id, status, mail_verdict FROM audience_subscription", subscribers)


def statuses_since(subscribers: Sequence[int]) -> list[tuple[int, int, int, str]]:
    """(subscriber, list, status, day since when)."""
    columns = f"subscriber_id, list_id, status, {day_text('since')}"
    return _by_number(f"SELECT {columns} FROM audience_subscription", subscribers)


def facets_of(subscribers: Sequence[int]) -> list[tuple[int, int, str, int, str]]:
    """(id, provider, language, source, day of joining): what the index of filters has of them."""
    columns = f"id, provider, language, source, {day_text('joined')}"
    query = f"SELECT {columns} FROM audience_subscriber WHERE {among('id')}"
    return fetch_rows(query, [number_list(subscribers)])


def asking_of(subscribers: Sequence[int]) -> dict[tuple[int, int], int]:
    """(subscriber, list) -> the verdict about appeals for money; who never spoke of them is left out."""
    rows = _by_number("SELECT subscriber_id, list_id, fundraising_verdict FROM audience_subscription", subscribers)
    return {(id, list_id): asking for id, list_id, asking in rows if asking}


def consent_of(
    subscribers: Sequence[int],
) -> list[tuple[int, tuple[int, int | None, int, int, int, str]]]:
    """(subscriber, (id, list, kind, purpose, way, day)) in the order of writing."""
    rows = _by_number(
        f"SELECT subscriber_id, id, list_id, kind, purpose, channel, {_day_of_record()} FROM audience_consentrecord",
        subscribers,
        "ORDER BY id",
    )
    return [(row[0], tuple(row[1:])) for row in rows]


def who_said_no(after: int, end: int, limit: int) -> list[int]:
    """The next of those between these numbers, of whom a no to emails is on record. The index has all that is asked."""
    return fetch_numbers(
        "SELECT DISTINCT subscriber_id FROM audience_consentrecord WHERE subscriber_id > %s AND subscriber_id < %s "
        f"AND kind IN ({_NO}) AND purpose = 0 ORDER BY subscriber_id LIMIT %s",
        [after, end, limit],
    )


def without_row(after: int, last: int) -> list[int]:
    """Those behind the first of these numbers, up to the last, who have consent records with words and no row: who is
    erased has no words."""
    here = "SELECT 1 FROM audience_subscriber s WHERE s.id = n.subscriber_id"
    return fetch_numbers(
        "SELECT DISTINCT n.subscriber_id FROM audience_consentrecord n WHERE n.subscriber_id > %s "
        f"AND n.subscriber_id <= %s AND NOT EXISTS ({here}) AND length(n.sealed) > 0 ORDER BY n.subscriber_id",
        [after, last],
    )


def crowded(subscribers: Sequence[int]) -> set[int]:
    """Of these, who has limits.RECORDS consent records or more."""
    query = "SELECT subscriber_id FROM audience_consentrecord"
    rows = _by_number(query, subscribers, f"GROUP BY subscriber_id HAVING COUNT(*) >= {limits.RECORDS:d}")
    return {row[0] for row in rows}


def count_records(subscriber: int) -> int:
    """Consent records of one subscriber."""
    return fetch_numbers("SELECT COUNT(*) FROM audience_consentrecord WHERE subscriber_id = %s", [subscriber])[0]


def cut_by_records(subscribers: Sequence[int], most: int) -> Sequence[int]:
    """The first of these who have so many consent records together; at least one."""
    query = "SELECT subscriber_id, COUNT(*) FROM audience_consentrecord"
    counts: dict[int, int] = dict(_by_number(query, subscribers, "GROUP BY subscriber_id"))
    total = 0
    for place, id in enumerate(subscribers):
        total += counts.get(id, 0)
        if total > most and place:
            return subscribers[:place]
    return subscribers


# Consent records of those who are settled in one transaction.
SLICE_RECORDS = 10_000


def in_light_slices[Item](
    items: Sequence[Item], whose: Callable[[Sequence[Item]], Sequence[int]]
) -> Iterator[Sequence[Item]]:
    """Of items, those whose subscribers have not many more than SLICE_RECORDS consent records together, in their order.
    whose: the subscribers of some."""
    people = whose(items)
    if len(items) > 1 and len(cut_by_records(people, SLICE_RECORDS)) < len(people):
        half = len(items) // 2
        yield from in_light_slices(items[:half], whose)
        yield from in_light_slices(items[half:], whose)
    elif items:
        yield items


def consent_with_words(
    subscribers: Sequence[int],
) -> list[tuple[int, tuple[int, int | None, int, int, int, str], bytes]]:
    """consent_of() with what is sealed of each record: (subscriber, record, blob)."""
    rows = _by_number(
        f"SELECT subscriber_id, id, list_id, kind, purpose, channel, {_day_of_record()}, sealed "
        "FROM audience_consentrecord",
        subscribers,
        "ORDER BY id",
    )
    return [(row[0], tuple(row[1:7]), bytes(row[7])) for row in rows]


def digested_consent_of(
    subscribers: Sequence[int],
) -> list[tuple[int, tuple[int, int | None, int, int, int, str], int, bytes, bytes]]:
    """consent_of() with what its digest is of: (subscriber, record, organization, blob, digest)."""
    rows = _by_number(f"SELECT {_digested()} FROM audience_consentrecord", subscribers, "ORDER BY id")
    return [(row[0], tuple(row[1:7]), row[7], bytes(row[8]), bytes(row[9])) for row in rows]


def digested_records(
    ids: Sequence[int],
) -> list[tuple[int, tuple[int, int | None, int, int, int, str], int, bytes, bytes]]:
    """The same of these records."""
    query = f"SELECT {_digested()} FROM audience_consentrecord WHERE {among('id')} ORDER BY id"
    rows = fetch_rows(query, [number_list(ids)])
    return [(row[0], tuple(row[1:7]), row[7], bytes(row[8]), bytes(row[9])) for row in rows]


def emptied_records() -> list[int]:
    """Those beside which something stands since their words were taken away."""
    return fetch_numbers("SELECT id FROM audience_consentrecord WHERE mac IS NOT NULL ORDER BY id", [])


def macs_of_records(ids: Sequence[int]) -> dict[int, bytes]:
    """What stands beside those of these records whose words we took away, by their numbers; b"" where nothing does."""
    rows = (
        fetch_rows(f"SELECT id, mac FROM audience_consentrecord WHERE {among('id')}", [number_list(ids)]) if ids else []
    )
    return {id: bytes(mac or b"") for id, mac in rows}


def empty_records(rows: Sequence[tuple[bytes | None, int]]) -> None:
    """(what stands beside it from now on, record)."""
    update_many("UPDATE audience_consentrecord SET sealed = %s, mac = %s WHERE id = %s", [(b"", *row) for row in rows])


def _digested() -> str:
    day = _day_of_record()
    return f"subscriber_id, id, list_id, kind, purpose, channel, {day}, organization_id, sealed, digest"


# -- counts --


def count_subscribed_but_not_written_to(list_id: int, tag: int | None) -> int:
    """Subscribed, and suppressed. The condition is that of the index subscription_stopped, word for word; SQLite would
    still take the index by status, which has two columns that fit, and walk through everybody."""
    source = "audience_subscription s" + (" INDEXED BY subscription_stopped" if on_sqlite() else "")
    query = f"SELECT COUNT(*) FROM {source} WHERE list_id = %s AND (status = 1 AND NOT (mail_verdict = 1))"
    if tag is None:
        return fetch_numbers(query, [list_id])[0]
    carries = "SELECT 1 FROM audience_subscribertag t WHERE t.subscriber_id = s.subscriber_id AND t.tag_id = %s"
    return fetch_numbers(f"{query} AND EXISTS ({carries})", [list_id, tag])[0]


def count_asking(list_id: int, tag: int | None) -> int:
    """Subscribed, and agreed to appeals for money."""
    query, values = _with_tag(f"SELECT COUNT(*) FROM {_asking_ones('s')} AND s.list_id = %s", [list_id], tag)
    return fetch_numbers(query, values)[0]


def count_asking_on(lists: Sequence[int], most: int) -> int:
    """The same of all these lists, whoever is on two of them twice; no more than `most`."""
    few = f"SELECT 1 FROM {_asking_ones('s')} AND {among('s.list_id')} LIMIT %s"
    return fetch_numbers(f"SELECT COUNT(*) FROM ({few}) AS few", [number_list(lists), most])[0]


def lists_asking(organization: int) -> list[int]:
    """The lists of which somebody agreed to appeals."""
    somebody = f"SELECT 1 FROM {_asking_ones('s')} AND s.list_id = l.id"
    query = f"SELECT l.id FROM audience_list l WHERE l.organization_id = %s AND EXISTS ({somebody}) ORDER BY l.id"
    return fetch_numbers(query, [organization])


def _asking_ones(name: str) -> str:
    """SQLite would take another index that has the list, and look at each row for the answer."""
    along = " INDEXED BY subscription_asking" if on_sqlite() else ""
    return f"audience_subscription {name}{along} WHERE {name}.fundraising_verdict = 1"


def count_not_written_to_by_verdict(list_id: int, tag: int | None) -> dict[int, int]:
    """The same by their verdict."""
    source = "audience_subscription s" + (" INDEXED BY subscription_stopped" if on_sqlite() else "")
    query = (
        f"SELECT mail_verdict, COUNT(*) FROM {source} WHERE list_id = %s AND (status = 1 AND NOT (mail_verdict = 1))"
    )
    return fetch_pairs(*_with_tag(query, [list_id], tag), "GROUP BY mail_verdict")


def count_seldom(list_id: int, tag: int | None) -> dict[int, int]:
    """Who may be written to and does not want every letter: frequency -> how many."""
    source = "audience_subscription s" + (" INDEXED BY subscription_seldom" if on_sqlite() else "")
    where = "list_id = %s AND frequency > 0 AND status = 1 AND mail_verdict = 1"
    query = f"SELECT frequency, COUNT(*) FROM {source} WHERE {where}"
    return fetch_pairs(*_with_tag(query, [list_id], tag), "GROUP BY frequency")


# A suppression and the verdicts that follow from it are written in one transaction, so whatever lags is new.
_LAGGING = 5_000


def count_suppressed_unnoticed(organization: int, list_id: int, tag: int | None) -> dict[int, int]:
    """Suppressed ones whose verdict is still a yes, by frequency; along the newest suppressions."""
    # Asked for apart: PostgreSQL plans for a third of the table where it does not know the number. CROSS JOIN keeps
    # SQLite to this order.
    newest = fetch_numbers("SELECT COALESCE(MAX(id), 0) FROM audience_suppression", [])[0]
    query = """
        SELECT s.frequency, COUNT(*) FROM audience_suppression p
        CROSS JOIN audience_subscriber b CROSS JOIN audience_subscription s
        WHERE p.id > %s AND p.organization_id = %s
        AND b.organization_id = p.organization_id AND b.email_index = p.email_index
        AND s.subscriber_id = b.id AND s.list_id = %s AND s.status = 1 AND s.mail_verdict = 1"""
    return fetch_pairs(*_with_tag(query, [newest - _LAGGING, organization, list_id], tag), "GROUP BY s.frequency")


def _with_tag(query: str, values: list[object], tag: int | None) -> tuple[str, list[object]]:
    """Of the subscriptions `s` those of people with this tag."""
    if tag is None:
        return query, values
    carries = "SELECT 1 FROM audience_subscribertag t WHERE t.subscriber_id = s.subscriber_id AND t.tag_id = %s"
    return f"{query} AND EXISTS ({carries})", [*values, tag]


# -- pages and locks --


def subscribers_below(start: int, below: int, limit: int) -> list[int]:
    query = "SELECT id FROM audience_subscriber WHERE id >= %s AND id < %s ORDER BY id DESC LIMIT %s"
    return fetch_numbers(query, [start, below, limit])


def sealed_pages(organization: int, below: int, limit: int) -> Generator[list[tuple[int, bytes]]]:
    """(row id, blob) of the subscribers below a row id, by falling number, so many at a time: the last page has fewer,
    or none. While one is looked through the database reads the next."""
    # By id alone, which says whose they are: by the organization, too, either database would sort everybody for a page.
    query = "SELECT id, sealed FROM audience_subscriber WHERE id >= %s AND id < %s ORDER BY id DESC LIMIT %s"
    with read_ahead(query) as ask:
        rows = ask([row_id(organization, 0), below, limit])()
        while len(rows) == limit:
            following = ask([row_id(organization, 0), rows[-1][0], limit])
            yield rows
            rows = following()
        yield rows


def subscribers_after(organization: int, after: int, end: int, limit: int) -> list[int]:
    query = "SELECT id FROM audience_subscriber WHERE id > %s AND id < %s AND organization_id = %s ORDER BY id LIMIT %s"
    return fetch_numbers(query, [after, end, organization, limit])


def numbered_after(after: int, end: int, limit: int) -> list[int]:
    """The same, whatever organization stands beside the number."""
    query = "SELECT id FROM audience_subscriber WHERE id > %s AND id < %s ORDER BY id LIMIT %s"
    return fetch_numbers(query, [after, end, limit])


def of_others(organization: int, subscribers: Sequence[int]) -> list[int]:
    """Those of these subscribers of an organization beside whom another one stands."""
    query = f"SELECT id FROM audience_subscriber WHERE {among('id')} AND organization_id <> %s ORDER BY id"
    return fetch_numbers(query, [number_list(subscribers), organization])


def subscriptions_below(list_id: int, status: int, below: int, limit: int) -> list[int]:
    return fetch_numbers(
        "SELECT subscriber_id FROM audience_subscription WHERE list_id = %s AND status = %s AND subscriber_id < %s "
        "ORDER BY subscriber_id DESC LIMIT %s",
        [list_id, status, below, limit],
    )


def tagged_below(list_id: int, status: int, tag: int, below: int, limit: int, *, along_tag: bool) -> list[int]:
    """Subscribers of a list with a status and a tag, walked along the tag's index or along the status's."""
    # OFFSET 0 keeps PostgreSQL from making a join of it, which it sorts whole for every page.
    apart = "" if on_sqlite() else "OFFSET 0"
    if along_tag:
        return fetch_numbers(
            "SELECT t.subscriber_id FROM audience_subscribertag t WHERE t.tag_id = %s AND t.subscriber_id < %s "
            "AND EXISTS (SELECT 1 FROM audience_subscription s WHERE s.subscriber_id = t.subscriber_id "
            f"AND s.list_id = %s AND s.status = %s {apart}) ORDER BY t.subscriber_id DESC LIMIT %s",
            [tag, below, list_id, status, limit],
        )
    return fetch_numbers(
        "SELECT s.subscriber_id FROM audience_subscription s "
        "WHERE s.list_id = %s AND s.status = %s AND s.subscriber_id < %s "
        "AND EXISTS (SELECT 1 FROM audience_subscribertag t WHERE t.subscriber_id = s.subscriber_id "
        f"AND t.tag_id = %s {apart}) ORDER BY s.subscriber_id DESC LIMIT %s",
        [list_id, status, below, tag, limit],
    )


def lock_subscribers(ids: Sequence[int]) -> bool:
    """Nobody else changes them until this transaction ends. False on SQLite, where it has the whole file already."""
    if on_sqlite():
        return False
    with connection.cursor() as cursor:
        # In one order everywhere, so that two writers never wait for each other.
        held = f"SELECT id FROM audience_subscriber WHERE {among('id')} ORDER BY id FOR UPDATE"
        cursor.execute(f"SELECT COUNT(*) FROM ({held}) AS held", [number_list(ids)])
    return True


def hold_subscribers(organization: int, ids: Sequence[int]) -> list[int]:
    """Those of them who are still here, rising; nobody else changes them until this transaction ends. Whatever range
    they were found in, nobody of another organization is among them."""
    locks = "" if on_sqlite() else " FOR UPDATE"  # In one order everywhere, as in lock_subscribers.
    where = f"{among('id')} AND organization_id = %s"
    return fetch_numbers(
        f"SELECT id FROM audience_subscriber WHERE {where} ORDER BY id{locks}", [number_list(ids), organization]
    )


def exchanged(subscribers: Sequence[int]) -> set[int]:
    """Of these, whose records do not stand in the chain in the order of their numbers. They are written while the row
    of their subscriber is held, and linked by number: so somebody exchanged numbers since."""
    rows = _by_number("SELECT subscriber_id, position FROM audience_consentrecord", subscribers, "ORDER BY id")
    last: dict[int, int] = {}
    disordered = set()
    for subscriber, position in rows:
        if position is not None:
            if position < last.get(subscriber, 0):
                disordered.add(subscriber)
            last[subscriber] = position
    return disordered


def _by_number(query: str, numbers: Sequence[int], order: str = "") -> list[Any]:
    if not numbers:
        return []
    with connection.cursor() if on_sqlite() else plain_cursor() as cursor:
        cursor.execute(f"{query} WHERE {among('subscriber_id')} {order}", [number_list(numbers)])
        rows: list[Any] = cursor.fetchall()
        return rows


# -- changed rows and sums --


def update_subscribers(rows: Sequence[tuple[bytes, str, int]]) -> None:
    """(blob, language, id)."""
    update_many("UPDATE audience_subscriber SET sealed = %s, language = %s WHERE id = %s", rows)


def indexes_to_change(ids: Sequence[int]) -> dict[int, tuple[bytes, bytes]]:
    """(what is sealed, index) of these, held until the transaction ends. Who is being changed is left out: whoever does
    that may wait for us (keyring.held_for_index)."""
    locks = "" if on_sqlite() else " FOR UPDATE SKIP LOCKED"
    query = f"SELECT id, sealed, email_index FROM audience_subscriber WHERE {among('id')}{locks}"
    return {id: (bytes(blob), bytes(index)) for id, blob, index in fetch_binary(query, [number_list(ids)])}


def change_indexes(rows: Sequence[tuple[bytes, bytes, int, int]]) -> None:
    """(blob, index, version of its key, id)."""
    if on_sqlite() or len(rows) < 2:
        columns = "sealed = %s, email_index = %s, index_version = %s"
        update_many(f"UPDATE audience_subscriber SET {columns} WHERE id = %s", rows)
        return
    changed = "unnest(%s::bytea[], %s::bytea[], %s::smallint[], %s::bigint[]) AS changed (sealed, index, version, id)"
    with plain_cursor() as cursor:
        cursor.execute(
            "UPDATE audience_subscriber AS known SET sealed = changed.sealed, email_index = changed.index, "
            f"index_version = changed.version FROM {changed} WHERE known.id = changed.id",
            [list(column) for column in zip(*rows, strict=True)],
        )


def update_subscriptions(rows: Sequence[tuple[int, int, str, int, int]]) -> None:
    """(status, may, since, subscriber, list)."""
    if on_sqlite() or len(rows) < 2:
        update_many(
            "UPDATE audience_subscription SET status = %s, mail_verdict = %s, since = %s "
            "WHERE subscriber_id = %s AND list_id = %s",
            rows,
        )
        return
    # One statement: PostgreSQL and psycopg take some 100 us for each that changes one row.
    columns = "%s::smallint[], %s::smallint[], %s::date[], %s::bigint[], %s::bigint[]"
    changed = f"unnest({columns}) AS changed (status, verdict, since, subscriber, list)"
    with plain_cursor() as cursor:
        cursor.execute(
            "UPDATE audience_subscription AS known SET status = changed.status, mail_verdict = changed.verdict, "
            f"since = changed.since FROM {changed} "
            "WHERE known.subscriber_id = changed.subscriber AND known.list_id = changed.list",
            ["{" + ",".join(map(str, column)) + "}" for column in zip(*rows, strict=True)],
        )


def update_asking(rows: Sequence[tuple[int, int, int]]) -> None:
    """(asking, subscriber, list)."""
    if on_sqlite() or len(rows) < 2:
        update_many(
            "UPDATE audience_subscription SET fundraising_verdict = %s WHERE subscriber_id = %s AND list_id = %s", rows
        )
        return
    # One statement, as of update_subscriptions().
    changed = "unnest(%s::smallint[], %s::bigint[], %s::bigint[]) AS changed (verdict, subscriber, list)"
    with plain_cursor() as cursor:
        cursor.execute(
            f"UPDATE audience_subscription AS known SET fundraising_verdict = changed.verdict FROM {changed} "
            "WHERE known.subscriber_id = changed.subscriber AND known.list_id = changed.list",
            ["{" + ",".join(map(str, column)) + "}" for column in zip(*rows, strict=True)],
        )


def pair_doubles(rows: Sequence[tuple[int | None, int, int]]) -> None:
    """(the other one, subscriber, kind)."""
    update_many("UPDATE audience_dataqualityissue SET duplicate_of = %s WHERE subscriber_id = %s AND kind = %s", rows)


@cache
def _date(day: str) -> date:
    return date.fromisoformat(day)


def insert_suppressions(rows: Sequence[tuple[int, bytes, int, str, str]]) -> None:
    """(organization, blind, index version, reason, day); those that are there stay as they are."""
    into = "INSERT INTO audience_suppression (organization_id, email_index, index_version, reason, day)"
    if on_sqlite() or not rows:
        update_many(f"{into} VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING", rows)
        return
    columns = "%s::bigint[], %s::bytea[], %s::smallint[], %s::varchar[], %s::date[]"
    organizations, blinds, versions, reasons, days = (list(column) for column in zip(*rows, strict=True))
    with plain_cursor() as cursor:
        cursor.execute(
            f"{into} SELECT * FROM unnest({columns}) ON CONFLICT DO NOTHING",
            [organizations, blinds, versions, reasons, [_date(day) for day in days]],
        )


def add_list_totals(rows: Sequence[tuple[int, int, int]]) -> None:
    """(list, status, more). Rows in one order everywhere, so that two writers never wait for each other."""
    update_many(
        "INSERT INTO audience_listtotal (list_id, status, count) VALUES (%s, %s, %s) "
        "ON CONFLICT (list_id, status) DO UPDATE SET count = audience_listtotal.count + excluded.count",
        rows,
    )


def add_tag_totals(rows: Sequence[tuple[int, int, int, int]]) -> None:
    """(list, tag, status, more)."""
    update_many(
        "INSERT INTO audience_tagtotal (list_id, tag_id, status, count) VALUES (%s, %s, %s, %s) "
        "ON CONFLICT (list_id, tag_id, status) DO UPDATE SET count = audience_tagtotal.count + excluded.count",
        rows,
    )


def add_growth(rows: Sequence[tuple[int, str, int, int, int]]) -> None:
    """(list, day, what, way, more)."""
    update_many(
        "INSERT INTO audience_growth (list_id, day, metric, channel, count) VALUES (%s, %s, %s, %s, %s) "
        "ON CONFLICT (list_id, day, metric, channel) DO UPDATE SET count = audience_growth.count + excluded.count",
        rows,
    )


def sweep_after_erasing() -> bool:
    """Makes what was erased leave the disk too. False when a long reader was in the way and it must be done again.

    SQLite has overwritten the pages already (secure_delete) but their old selves stand in the write-ahead log.
    PostgreSQL keeps dead rows until a vacuum.
    """
    with connection.cursor() as cursor:
        if on_sqlite():
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            return bool(cursor.fetchone()[0] == 0)
        cursor.execute(
            "VACUUM audience_subscriber, audience_consentrecord, audience_subscribertag, audience_subscription, "
            "audience_readablevalue, audience_dataqualityissue"
        )
        return True


# -- exports: everything about everybody, by pages of keys --


def subscribers_page(organization: int, after: int, end: int, limit: int) -> list[tuple[int, bytes, str, str]]:
    """(id, blob, language, joined) by rising id."""
    return fetch_rows(
        f"SELECT id, sealed, language, {day_text('joined')} FROM audience_subscriber "
        "WHERE id > %s AND id < %s AND organization_id = %s ORDER BY id LIMIT %s",
        [after, end, organization, limit],
    )


def subscribers_at(organization: int, ids: Sequence[int]) -> list[tuple[int, bytes, str, str, bytes]]:
    """(id, blob, language, joined, blind) of those that are there."""
    return fetch_rows(
        f"SELECT id, sealed, language, {day_text('joined')}, email_index FROM audience_subscriber "
        f"WHERE {among('id')} AND organization_id = %s",
        [number_list(ids), organization],
    )


def numbered_subscribers(organization: int, ids: Sequence[int]) -> list[tuple[int, bytes, int]]:
    """(id, blob, provider) of those that are there."""
    return fetch_binary(
        f"SELECT id, sealed, provider FROM audience_subscriber WHERE {among('id')} AND organization_id = %s",
        [number_list(ids), organization],
    )


def tags_between(after: int, last: int) -> list[tuple[int, int]]:
    """(subscriber, tag) of a stretch of subscribers, the last one with it."""
    return fetch_rows(
        "SELECT subscriber_id, tag_id FROM audience_subscribertag "
        "WHERE subscriber_id > %s AND subscriber_id <= %s ORDER BY subscriber_id, tag_id",
        [after, last],
    )


def subscriptions_between(after: int, last: int, more: Sequence[str] = ()) -> list[tuple[Any, ...]]:
    """(subscriber, list, status, since, and the columns `more`)."""
    return fetch_rows(
        f"SELECT subscriber_id, list_id, status, {day_text('since')} {_also(more)} FROM audience_subscription "
        "WHERE subscriber_id > %s AND subscriber_id <= %s ORDER BY subscriber_id, list_id",
        [after, last],
    )


def subscriptions_with(ids: Sequence[int], more: Sequence[str] = ()) -> list[tuple[Any, ...]]:
    """The same of these subscribers."""
    return fetch_rows(
        f"SELECT subscriber_id, list_id, status, {day_text('since')} {_also(more)} FROM audience_subscription "
        f"WHERE {among('subscriber_id')} ORDER BY subscriber_id, list_id",
        [number_list(ids)],
    )


def _also(columns: Sequence[str]) -> str:
    return "".join(f", {column}" for column in columns)


def consent_between(after: int, last: int) -> list[tuple[int, int | None, int, int, int, str, bytes]]:
    """(subscriber, list, kind, purpose, way, day, blob), those of each subscriber in the order of writing."""
    return fetch_rows(
        f"SELECT subscriber_id, list_id, kind, purpose, channel, {_day_of_record()}, sealed "
        "FROM audience_consentrecord WHERE subscriber_id > %s AND subscriber_id <= %s ORDER BY subscriber_id, id",
        [after, last],
    )


def subscribed_after(list_id: int, status: int, after: int, limit: int) -> list[tuple[int, int]]:
    """(subscriber, may) of a list and status, by rising number."""
    return fetch_rows(
        "SELECT subscriber_id, mail_verdict FROM audience_subscription WHERE list_id = %s AND status = %s "
        "AND subscriber_id > %s ORDER BY subscriber_id LIMIT %s",
        [list_id, status, after, limit],
    )


def suppressions_page(organization: int, after: int, limit: int) -> list[tuple[int, bytes, int, str, str, int | None]]:
    """(row, blind, index version, reason, day, subscriber who has the address) by rising row."""
    return fetch_rows(
        f"SELECT p.id, p.email_index, p.index_version, p.reason, {day_text('p.day')}, "
        "(SELECT s.id FROM audience_subscriber s "
        "WHERE s.organization_id = p.organization_id AND s.email_index = p.email_index) "
        "FROM audience_suppression p WHERE p.organization_id = %s AND p.id > %s ORDER BY p.id LIMIT %s",
        [organization, after, limit],
    )


def suppressions_with_days(organization: int, blinds: Sequence[bytes]) -> list[tuple[bytes, str, str]]:
    """(blind, reason, day) of those that are suppressed."""
    query = f"SELECT email_index, reason, {day_text('day')} AS day FROM audience_suppression"
    return _by_blind(query, organization, blinds)


# -- readable values --


def put_readable(rows: Sequence[tuple[int, int, int]]) -> None:
    """(subscriber, field, value); one that is there takes the new value."""
    into = "INSERT INTO audience_readablevalue (subscriber_id, field_id, value)"
    instead = "ON CONFLICT (subscriber_id, field_id) DO UPDATE SET value = excluded.value"
    if on_sqlite() or not rows:
        update_many(f"{into} VALUES (%s, %s, %s) {instead}", rows)
        return
    with plain_cursor() as cursor:
        columns = [list(column) for column in zip(*sorted(rows), strict=True)]
        cursor.execute(f"{into} SELECT * FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[]) {instead}", columns)


def drop_readable(rows: Sequence[tuple[int, int]]) -> None:
    """(subscriber, field); nothing happens to one that is not there."""
    update_many("DELETE FROM audience_readablevalue WHERE subscriber_id = %s AND field_id = %s", rows)


def drop_readable_slice(field: int, limit: int) -> int:
    """Some values of a field that is readable no more; how many went."""
    return delete_slice("audience_readablevalue", "field_id", field, limit)


# -- bulk work --


def tag_many(tag: int, subscribers: Sequence[int]) -> list[int]:
    """Gives a tag to all of them; those who did not have it. They are locked, so that nobody else gives it meanwhile:
    for ON CONFLICT PostgreSQL would write each row twice. Who has limits.TAGS_EACH gets no more.
    """
    if not subscribers:
        return []
    number, on = ("j.value", "json_each(%s) j") if on_sqlite() else ("u.n", "unnest(%s::bigint[]) AS u(n)")
    # One pass over the tags of these: an EXISTS for each PostgreSQL joins by comparing them with all who carry the tag,
    # which it takes for nobody (47 s for 100,000). Between the lowest and the highest: as in standings_of.
    passed_over = (
        "SELECT h.subscriber_id FROM audience_subscribertag h WHERE h.subscriber_id BETWEEN %s AND %s "
        f"AND {among('h.subscriber_id')} GROUP BY h.subscriber_id "
        "HAVING COUNT(*) >= %s OR MAX(CASE WHEN h.tag_id = %s THEN 1 ELSE 0 END) = 1"
    )
    numbers = number_list(subscribers)
    return fetch_numbers(
        f"INSERT INTO audience_subscribertag (subscriber_id, tag_id) SELECT {number}, %s FROM {on} "
        f"WHERE {number} NOT IN ({passed_over}) RETURNING subscriber_id",
        [tag, numbers, min(subscribers), max(subscribers), numbers, limits.TAGS_EACH, tag],
    )


def untag_many(tag: int, subscribers: Sequence[int]) -> list[int]:
    """Takes a tag from all of them; those who had it."""
    return fetch_numbers(
        f"DELETE FROM audience_subscribertag WHERE tag_id = %s AND {among('subscriber_id')} RETURNING subscriber_id",
        [tag, number_list(subscribers)],
    )


def drop_tag_slice(tag: int, limit: int) -> int:
    """Takes a tag from some of those who carry it; how many they were."""
    return delete_slice("audience_subscribertag", "tag_id", tag, limit)


def standings_of(subscribers: Sequence[int]) -> list[tuple[int, int, int]]:
    """(list, status, how many of them)."""
    if not subscribers:
        return []
    with connection.cursor() as cursor:
        # Between the lowest and the highest: of 5,000 numbers alone PostgreSQL thinks that they are everywhere, and
        # reads all of a million subscriptions for each slice (60 ms; so it takes 8).
        cursor.execute(
            "SELECT list_id, status, COUNT(*) FROM audience_subscription WHERE subscriber_id BETWEEN %s AND %s "
            f"AND {among('subscriber_id')} GROUP BY list_id, status",
            [min(subscribers), max(subscribers), number_list(subscribers)],
        )
        return [(row[0], row[1], row[2]) for row in cursor.fetchall()]


def there(organization: int, subscribers: Sequence[int]) -> list[int]:
    """Those of them who are still here."""
    where = f"{among('id')} AND organization_id = %s"
    return fetch_numbers(f"SELECT id FROM audience_subscriber WHERE {where}", [number_list(subscribers), organization])


def ever_there(ids: Sequence[int]) -> set[int]:
    """Those of these rows that are here, or of whom there are consent records."""
    wanted = number_list(ids)
    query = f"SELECT id FROM audience_subscriber WHERE {among('id')} UNION SELECT subscriber_id "
    return {*fetch_numbers(f"{query} FROM audience_consentrecord WHERE {among('subscriber_id')}", [wanted, wanted])}


def pauses_of(subscribers: Sequence[int], list_id: int) -> dict[int, Any]:
    """Subscriber -> (status, may, since as text, paused until or None) on one list."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT subscriber_id, status, mail_verdict, {day_text('since')}, {day_text('paused')} "
            f"FROM audience_subscription WHERE {among('subscriber_id')} AND list_id = %s",
            [number_list(subscribers), list_id],
        )
        return {row[0]: tuple(row[1:]) for row in cursor.fetchall()}
