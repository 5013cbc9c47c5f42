"""Whom a letter goes to: those of a list, with a tag or not, who are in a segment."""

from collections.abc import Iterator
from typing import Any

from samizdat import dialect
from samizdat.audience.models import NUMBER_MASK, SUBSCRIBED, List, Tag
from samizdat.audience.queries import reach
from samizdat.audience.segments import sql
from samizdat.audience.segments.who import Reader
from samizdat.core import consent

_PERSON = "JOIN audience_subscriber s ON s.id = u.subscriber_id"
_ID = "u.subscriber_id"
# Rows of a page of those whose blobs are opened: 30 ms.
PAGE = 5_000


def reach_in(list: List, tag: Tag | None, reader: Reader) -> dict[str, int]:
    """Who a letter would go to, as queries.reach, but for those `outside` the segment."""
    counts = reach(list, tag)
    written = _by_verdict(list, tag, reader)
    inside, may = sum(written.values()), written.get(consent.YES, 0)
    outside = counts["subscribed"] - inside
    return {"subscribed": counts["subscribed"], "outside": outside, "suppressed": inside - may, "may": may}


def _by_verdict(list: List, tag: Tag | None, reader: Reader) -> dict[int, int]:
    """How many of the subscribed ones in the segment have which verdict (consent.REASONS)."""
    told = reader.where(_ID)
    tagged = "JOIN audience_subscribertag t ON t.subscriber_id = u.subscriber_id AND t.tag_id = %s" if tag else ""
    values: Any = [*([tag.id] if tag else []), list.id, SUBSCRIBED, *told.values]
    rows = f"FROM audience_subscription u {tagged} {_PERSON} WHERE u.list_id = %s AND u.status = %s AND {told.text}"
    if not reader.sealed:
        return dict(sql.rows(f"SELECT u.may, COUNT(*) {rows} GROUP BY u.may", values))
    counts: dict[int, int] = {}
    for found, _last in _opened(reader, "u.may", rows, values, PAGE):
        for _id, may in found:
            counts[may] = counts.get(may, 0) + 1
    return counts


def _opened(
    reader: Reader, column: str, rows: str, values: list[Any], size: int
) -> Iterator[tuple[list[tuple[int, Any]], int]]:
    """Pages of (row id, column) of those of `rows` who are in a sealed segment, by rising id, and the last one seen."""
    in_it, asks = reader.decider(), reader.asks(_ID)
    columns = "".join([f", {column}, s.blob", *(f", {one.text}" for one in asks)])
    query = f"SELECT {_ID}{columns} {rows} AND {_ID} > %s ORDER BY {_ID} LIMIT %s"
    asked, after = [value for one in asks for value in one.values], 0
    while found := sql.rows(query, [*asked, *values, after, size]):
        after = found[-1][0]
        yield [(row[0], row[1]) for row in found if in_it(row[0], row[2], row[3:])], after
        if len(found) < size:
            return


def numbers(
    list_id: int, tag: int | None, reader: Reader, size: int, suppressions: bool, newest: int = 0
) -> Iterator[list[int]]:
    """Subscriber numbers of those who may get a letter now, by pages; no transaction stays open between them.

    The `newest` of them who agreed last come first. `suppressions`: are there any to look for?
    """
    rows, values = dialect.release_rows(reader.organisation.id, list_id, tag, suppressions, _PERSON)
    told = reader.where(_ID)
    rows, values = f"{rows} AND {told.text}", [*values, *told.values]
    first = _newest(reader, rows, values, newest) if newest else []
    known = set(first)
    for at in range(0, len(first), size):
        yield [row & NUMBER_MASK for row in first[at : at + size]]
    for page in _pages(reader, rows, values, size):
        if fresh := [row & NUMBER_MASK for row in page if row not in known]:
            yield fresh


def _pages(reader: Reader, rows: str, values: list[Any], size: int) -> Iterator[list[int]]:
    if reader.sealed:
        for found, _last in _opened(reader, "u.may", rows, values, size):
            yield [row for row, _ in found]
        return
    query, after = f"SELECT {_ID} {rows} AND {_ID} > %s ORDER BY {_ID} LIMIT %s", 0
    while rows_of_page := sql.rows(query, [*values, after, size]):
        yield [row[0] for row in rows_of_page]
        after = rows_of_page[-1][0]


def _newest(reader: Reader, rows: str, values: list[Any], limit: int) -> list[int]:
    if not reader.sealed:
        query = f"SELECT {_ID} {rows} ORDER BY u.since DESC, {_ID} LIMIT %s"
        return [row[0] for row in sql.rows(query, [*values, limit])]
    # Days alone are kept of all who are in it: a million of them are 100 MB, and a warm-up of a million is rare.
    since = [(day, row) for found, _last in _opened(reader, "u.since", rows, values, PAGE) for row, day in found]
    since.sort(key=lambda one: one[1])
    since.sort(key=lambda one: one[0], reverse=True)
    return [row for _day, row in since[:limit]]
