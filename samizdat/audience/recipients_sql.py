"""Who may get a letter of a list now: what a release, a digest and a count ask, as SQL."""

from collections.abc import Sequence
from typing import Any

from django.db import connection

from samizdat.audience.sql import BEHIND_ALL
from samizdat.core import consent
from samizdat.db import among, fetch_numbers, is_day, number_list, on_sqlite

# Of an appeal for money: who agreed to those as well.
ASKED_FOR_MONEY = "AND u.fundraising_verdict = 1"

_NO_KINDS = [consent.KINDS.index(kind) for kind in ("withdrawn", "objected", "cleaned")]
_NO = ", ".join(map(str, _NO_KINDS))
_YES = ", ".join(str(consent.KINDS.index(kind)) for kind in ("given", "confirmed", "returned", "undone"))

# That the records of the subscription `u` have a no and nothing behind it that could take it back, in the order in
# which core/consent reads them: then its status is none of ours, and whoever wrote it would put it back before the next
# comparison. Of the last no alone: of a file that brings a thousand records about each person, each no compared with
# each yes would keep the senders of all organizations waiting. A no of list 0, which is none, is one of all lists, as
# the comparison reads it: somebody else wrote that.
_HAS_LEFT = f"""{{if_any_no}} EXISTS (
    SELECT 1 FROM (
        SELECT {{day}} AS day, n.id FROM audience_consentrecord n
        WHERE n.subscriber_id = u.subscriber_id AND n.kind IN ({_NO}) AND COALESCE(n.list_id, 0) IN (u.list_id, 0)
        AND (n.purpose = 0 OR n.kind = {consent.KINDS.index("cleaned")}) ORDER BY 1 DESC, n.id DESC LIMIT 1
    ) AS last WHERE NOT EXISTS (
        SELECT 1 FROM audience_consentrecord y
        WHERE y.subscriber_id = u.subscriber_id AND y.kind IN ({_YES}) AND (y.list_id = u.list_id OR y.list_id IS NULL)
        AND (y.day > last.day OR (y.day = last.day AND y.id > last.id)) {{dated}} {{apart}}
    ) {{apart}}
)"""

# Likewise of the suppression list, in which they are by a complaint, a bounce or somebody's decision: the log says so
# of them, and nothing behind it by which an entry ends (actions/suppressions, actions/consent, another address).
_IS_SUPPRESSED = """EXISTS (
    SELECT 1 FROM (
        SELECT e.id FROM events_event e
        WHERE e.about = s.id AND e.kind = 'subscriber.suppressed' ORDER BY e.id DESC LIMIT 1
    ) AS last WHERE NOT EXISTS (
        SELECT 1 FROM events_event l WHERE l.about = s.id AND l.id > last.id
        AND l.kind IN ('subscriber.unsuppressed', 'subscriber.confirmed', 'subscriber.address_changed') {apart}
    ) {apart}
)"""

# The newest event of what they chose of their emails themselves: a pause among it, maybe (choice_log.paused).
_NEWEST_CHOICE = """(
    SELECT c.id FROM events_event c WHERE c.about = s.id AND c.kind = 'subscriber.preferences_changed'
    ORDER BY c.id DESC LIMIT 1
)"""

# The newest event that says another address of them, or its index under another key (address_log.elsewhere). Each kind
# by itself: for two of them SQLite walks through the whole log.
_NEWEST_CHANGE = _NEWEST_CHOICE.replace("preferences_changed", "address_changed")
_NEWEST_REINDEXED = _NEWEST_CHOICE.replace("preferences_changed", "reindexed")
_NEWEST_ADDRESS_SQLITE = f"nullif(max(coalesce({_NEWEST_CHANGE}, 0), coalesce({_NEWEST_REINDEXED}, 0)), 0)"
_NEWEST_ADDRESS_POSTGRESQL = f"greatest({_NEWEST_CHANGE}, {_NEWEST_REINDEXED})"

# What the log says of them, in the statement that reads them: of those alone of whom it says any of it.
_LOGGED = "CASE WHEN {is_any} THEN {array} END"

# Nearly nobody ever said no, and of most people the log says none of it. SQLite answers that by one look into the index
# each; PostgreSQL, which knows nothing of these tables right after an import, would read them whole.
_IF_ANY_NO = f"""EXISTS (
    SELECT 1 FROM audience_consentrecord n
    WHERE n.subscriber_id = u.subscriber_id AND n.kind BETWEEN {min(_NO_KINDS)} AND {max(_NO_KINDS)}
) AND"""
_IS_ANY_SQLITE = """EXISTS (
    SELECT 1 FROM events_event e WHERE e.about = s.id AND e.kind IN (
        'subscriber.suppressed', 'subscriber.preferences_changed', 'subscriber.address_changed'
    )
)"""
_IS_ANY_POSTGRESQL = "coalesce({choice}, {address}, {suppressed}) IS NOT NULL".format(
    choice=_NEWEST_CHOICE,
    address=_NEWEST_CHANGE,
    suppressed=_NEWEST_CHOICE.replace("preferences_changed", "suppressed"),
)

# Of an appeal, likewise: a yes to appeals for this list, and no no to them behind which none stands.
_AGREES_TO_APPEALS = f"""EXISTS (
    SELECT 1 FROM audience_consentrecord y WHERE y.subscriber_id = u.subscriber_id AND y.kind IN ({_YES})
    AND y.purpose = 1 AND (y.list_id = u.list_id OR y.list_id IS NULL) {{apart}}
) AND NOT EXISTS (
    SELECT 1 FROM (
        SELECT {{day}} AS day, n.id FROM audience_consentrecord n
        WHERE n.subscriber_id = u.subscriber_id AND n.kind IN ({_NO}) AND n.purpose = 1
        AND COALESCE(n.list_id, 0) IN (u.list_id, 0) ORDER BY 1 DESC, n.id DESC LIMIT 1
    ) AS last WHERE NOT EXISTS (
        SELECT 1 FROM audience_consentrecord y WHERE y.subscriber_id = u.subscriber_id AND y.kind IN ({_YES})
        AND y.purpose = 1 AND (y.list_id = u.list_id OR y.list_id IS NULL)
        AND (y.day > last.day OR (y.day = last.day AND y.id > last.id)) {{dated}} {{apart}}
    ) {{apart}}
)"""

# The people of a slice at this instant. Values: their rows, the list, the round twice, the organization.
# On PostgreSQL OFFSET 0 keeps the planner from turning the two questions into joins: right after an import it knows
# nothing of these tables, and then walks through the whole list for every slice (6 ms instead of 0.2).
_WRITABLE = """
SELECT {what} FROM {source}
WHERE {which} EXISTS (
    SELECT 1 FROM audience_subscription u
    WHERE u.subscriber_id = s.id AND u.list_id = %s AND u.status = 1 AND u.mail_verdict = 1 {asked}
    AND (u.frequency < 2 OR %s < 0 OR (u.frequency IN (2, 4)) = (%s < u.digest_turn)) AND NOT {has_left} {apart}
) AND NOT EXISTS (
    SELECT 1 FROM audience_suppression p WHERE p.organization_id = %s AND p.email_index = s.email_index {apart}
)
"""


def writable_in_one_row(appeal: bool) -> str:
    """SQLite: all comes in one row, since the module lets go of the interpreter for every row it fetches. Columns: the
    row ids, providers, blobs and indexes of the address, each divided by commas, bytes as hex; then (row id, newest
    event of what they chose, newest of their address, suppressed by the log?) as JSON of those who have any of these
    events. NULL where there is nobody."""
    array = "json_array(s.id, {choice}, {address}, {suppressed})"
    logged = _logged(array, _IS_ANY_SQLITE, _NEWEST_ADDRESS_SQLITE, apart="")
    # A provider is a number though somebody wrote another thing: none of them may hold a comma.
    columns = ("s.id", "coalesce(CAST(s.provider AS INTEGER), 0)", "hex(s.sealed)", "hex(s.email_index)", logged)
    return _WRITABLE.format(
        what=", ".join(f"group_concat({column})" for column in columns),
        source="json_each(%s) j CROSS JOIN audience_subscriber s ON s.id = j.value",
        which="",
        **_conditions(appeal, apart=""),
    )


def writable_rows(appeal: bool) -> str:
    """PostgreSQL: (row id, blob, mailbox provider, index of the address, what the log says) each; the last is [newest
    event of what they chose, newest of their address, suppressed by the log?] of those who have any of these events."""
    apart = "OFFSET 0"
    array = "ARRAY[{choice}, {address}, ({suppressed})::int::bigint]"
    logged = _logged(array, _IS_ANY_POSTGRESQL, _NEWEST_ADDRESS_POSTGRESQL, apart)
    return _WRITABLE.format(
        what=f"s.id, s.sealed, s.provider, s.email_index, {logged}",
        source="audience_subscriber s",
        which="s.id = ANY(%s::bigint[]) AND",
        **_conditions(appeal, apart),
    )


def _logged(array: str, is_any: str, address: str, apart: str) -> str:
    suppressed = _IS_SUPPRESSED.format(apart=apart)
    filled = array.format(choice=_NEWEST_CHOICE, address=address, suppressed=suppressed)
    return _LOGGED.format(is_any=is_any, array=filled)


def _conditions(appeal: bool, apart: str) -> dict[str, str]:
    # Whoever writes the database has a day say the same and come before or behind every other: then a no is the last
    # word, a yes none.
    parts = {
        "apart": apart,
        "if_any_no": _IF_ANY_NO if on_sqlite() else "",
        "day": f"CASE WHEN {is_day('n.day')} THEN n.day ELSE '{BEHIND_ALL}' END",
        "dated": f"AND {is_day('y.day')}",
    }
    asked = f"{ASKED_FOR_MONEY} AND {_AGREES_TO_APPEALS.format(**parts)}" if appeal else ""
    return {"apart": apart, "has_left": f"({_HAS_LEFT})".format(**parts), "asked": asked}


def languages_of(rows: list[int]) -> list[tuple[int, str]]:
    """(subscriber row, language) of those among `rows` who have one."""
    sql = f"SELECT id, language FROM audience_subscriber WHERE {among('id')} AND language <> ''"
    with connection.cursor() as cursor:
        cursor.execute(sql, [number_list(rows)])
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
        more, values = f"{more} AND {among('u.subscriber_id')}", [*values, number_list(rows)]
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT s.language, COUNT(*) {more} GROUP BY s.language", values)
        return {row[0]: row[1] for row in cursor.fetchall()}


def release_newest(
    organization: int, list_id: int, tag: int | None, limit: int, suppressions: bool, appeal: bool = False
) -> list[int]:
    """Those of them who agreed last, the newest first."""
    more, values = release_rows(organization, list_id, tag, suppressions, appeal=appeal)
    return fetch_numbers(
        f"SELECT u.subscriber_id {more} ORDER BY u.since DESC, u.subscriber_id LIMIT %s", [*values, limit]
    )


# core/content/digest.in_digest of a subscription `u` and a round, which is said twice. The bare `frequency > 0` is what
# the index of the few needs.
_IN_DIGEST = """u.frequency > 0 AND ((u.frequency IN (2, 4) AND u.digest_turn <= %s)
    OR (u.frequency = 3 AND u.digest_turn > %s))"""


def _seldom() -> str:
    """Subscriptions `u` by the index of those who do not want every letter."""
    return "audience_subscription u" + (" INDEXED BY subscription_seldom" if on_sqlite() else "")


def digest_page(organization: int, list_id: int, round: int, after: int, limit: int, suppressions: bool) -> list[int]:
    """The next subscriber rows above `after` that may get a letter of this list and want the digest of this round."""
    more, values = release_rows(organization, list_id, None, suppressions)
    query = f"""SELECT u.subscriber_id {more} AND {_IN_DIGEST} AND u.subscriber_id > %s
        ORDER BY u.subscriber_id LIMIT %s"""
    return fetch_numbers(query.replace("audience_subscription u", _seldom()), [*values, round, round, after, limit])


def release_among(organization: int, list_id: int, rows: Sequence[int], suppressions: bool) -> list[int]:
    """Those of these subscriber rows that may get a letter of this list, in order."""
    more, values = release_rows(organization, list_id, None, suppressions)
    query = f"SELECT u.subscriber_id {more} AND {among('u.subscriber_id')} ORDER BY u.subscriber_id"
    return fetch_numbers(query, [*values, number_list(rows)])


def singly_among(list_id: int, round: int, rows: Sequence[int]) -> list[int]:
    """Those of these subscriber rows that may get a letter of this round, and want it by itself."""
    more, values = release_rows(0, list_id, None, suppressions=False)
    query = f"""SELECT u.subscriber_id {more} AND {among("u.subscriber_id")}
        AND u.frequency <> 1 AND NOT ({_IN_DIGEST}) ORDER BY u.subscriber_id"""
    return fetch_numbers(query, [*values, number_list(rows), round, round])


def seldom_of(list_id: int) -> list[tuple[int, int, int]]:
    """(subscriber row, frequency, digest turn) of those who do not want every letter of a list by itself."""
    columns = "u.subscriber_id, u.frequency, u.digest_turn"
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {columns} FROM {_seldom()} WHERE u.list_id = %s AND u.frequency > 0", [list_id])
        return [(row, frequency, turn) for row, frequency, turn in cursor.fetchall()]


def lists_with_digest() -> list[int]:
    """Lists on which anybody ever chose a digest and has not left it for good."""
    return fetch_numbers(f"SELECT DISTINCT u.list_id FROM {_seldom()} WHERE u.frequency > 0 AND u.frequency >= 2", [])


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


def join_subscribers(number: str) -> str:
    """Subscribers as `s`, NULL where there is none, beside a column of their numbers. Parameter: the organization's
    first row id."""
    return f"LEFT JOIN audience_subscriber s ON s.id = %s + {number}"


def release_rows(
    organization: int, list_id: int, tag: int | None, suppressions: bool, joined: str = "", appeal: bool = False
) -> tuple[str, list[Any]]:
    """FROM and WHERE over the subscriptions `u` that may get a letter, or an appeal for money, and their values.
    `joined`: more of FROM.
    """
    tagged = "JOIN audience_subscribertag t ON t.subscriber_id = u.subscriber_id AND t.tag_id = %s" if tag else ""
    # Their blind index as a value, not as a join: PostgreSQL would match all suppressions with all subscribers for
    # every page (2.7 s of 5,000 rows with 50,000 suppressions among a million; so 25 ms).
    unsuppressed = """AND NOT EXISTS (
        SELECT 1 FROM audience_suppression p WHERE p.organization_id = %s
        AND p.email_index = (SELECT s.email_index FROM audience_subscriber s WHERE s.id = u.subscriber_id)
    )"""
    sql = f"""
        FROM audience_subscription u {tagged} {joined}
        WHERE u.list_id = %s AND u.status = 1 AND u.mail_verdict = 1 {ASKED_FOR_MONEY if appeal else ""}
        {unsuppressed if suppressions else ""}
        """
    return sql, [*([tag] if tag else []), list_id, *([organization] if suppressions else [])]
