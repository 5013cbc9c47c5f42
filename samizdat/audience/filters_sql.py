"""The filters of the desk as SQL."""

from dataclasses import dataclass
from typing import Any

from samizdat.db import among, fetch_numbers, number_list, on_sqlite


@dataclass(frozen=True, slots=True)
class RecipientQuery:
    """Whom a filter wants. `lists` and `statuses` go together: on one of these lists with one of these statuses; empty
    lists ask for no subscription at all. `may`: codes of verdicts, on one of the lists; `asking`: the subscriber may be
    asked for money, on one of the lists. Days are texts.
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


def wanted_sql(wanted: RecipientQuery, along: str) -> tuple[str, list[object]]:
    """Ids of those wanted that are at least %s and below %s (the last two values), each once, in no order."""
    apart = "" if on_sqlite() else "OFFSET 0"  # Keeps PostgreSQL from making joins, which it sorts whole.
    facets, facet_values = _facets(wanted)
    if along == FACETS:
        source = "audience_subscriber s"
        if on_sqlite() and not wanted.numbers:
            source += " INDEXED BY subscriber_facets"
        asked, values = _standing(wanted, "s.id", apart)
        tagged, tag_values = _tagged(wanted, "s.id", apart)
        more, more_values = _besides(wanted, "s.id", apart)
        these, numbers = ([among("s.id")], [number_list(wanted.numbers)]) if wanted.numbers else ([], [])
        conditions = " AND ".join(["1 = 1", *these, *facets, *asked, *tagged, *more])
        sql = f"SELECT s.id FROM {source} WHERE {conditions} AND s.id >= %s AND s.id < %s"
        return sql, [*numbers, *facet_values, *values, *tag_values, *more_values]
    at = f"SELECT 1 FROM audience_subscriber s{' INDEXED BY subscriber_facets' if on_sqlite() else ''}"
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
        own = ["u.mail_verdict >= 7", *own]
    source = "audience_subscription u" + (_OF_SOME.get(along, "") if on_sqlite() else "")
    more, more_values = _besides(wanted, "u.subscriber_id", apart)
    conditions = " AND ".join([*own, *known, *tagged, *more])
    sql = (
        f"SELECT DISTINCT u.subscriber_id FROM {source} WHERE {conditions} "
        "AND u.subscriber_id >= %s AND u.subscriber_id < %s"
    )
    return sql, [*own_values, *facet_values, *tag_values, *more_values]


def _facets(wanted: RecipientQuery) -> tuple[list[str], list[object]]:
    asked = {
        "s.provider = %s": wanted.provider,
        "s.language = %s": wanted.language,
        "s.source = %s": wanted.source,
        "s.joined >= %s": wanted.since,
        "s.joined <= %s": wanted.until,
    }
    known = {sql: value for sql, value in asked.items() if value is not None}
    return list(known), list(known.values())


def _standing(wanted: RecipientQuery, whose: str, apart: str) -> tuple[list[str], list[object]]:
    if not wanted.lists:
        return [], []
    own, values = _own(wanted)
    asked = f"EXISTS (SELECT 1 FROM audience_subscription u WHERE u.subscriber_id = {whose} AND {' AND '.join(own)}"
    return [f"{asked} {apart})"], values


def _own(wanted: RecipientQuery) -> tuple[list[str], list[Any]]:
    """Conditions on a subscription; numbers go in as text of the statement, since there are few."""
    own, values = ["u.fundraising_verdict = 1"] if wanted.asking else [], []
    for column, codes in (("list_id", wanted.lists), ("status", wanted.statuses), ("mail_verdict", wanted.may)):
        if len(codes) == 1:
            own.append(f"u.{column} = %s")
            values.append(codes[0])
        elif codes:
            own.append(f"u.{column} IN ({', '.join(['%s'] * len(codes))})")
            values += codes
    return own, values


def _tagged(wanted: RecipientQuery, whose: str, apart: str) -> tuple[list[str], list[object]]:
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
    return fetch_numbers(f"{sql} ORDER BY 1 DESC LIMIT %s", [*values, low, below, limit])


def count_wanted(wanted: RecipientQuery, along: str, low: int, below: int) -> int:
    sql, values = wanted_sql(wanted, along)
    return fetch_numbers(f"SELECT COUNT(*) FROM ({sql}) AS found", [*values, low, below])[0]
