"""Whom a letter goes to: those of a list, with a tag or not, who are in a segment."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from samizdat.audience import recipients_sql
from samizdat.audience import sql as audience_sql
from samizdat.audience.models import MONTHLY, NUMBER_MASK, SUBSCRIBED, List, Tag
from samizdat.audience.queries import reach
from samizdat.audience.segments import sql
from samizdat.audience.segments.members import MemberReader
from samizdat.core import consent
from samizdat.core.segment.condition import SqlCondition
from samizdat.db import binary_portions, fetch_binary

# Suppressed, and the verdict does not say so yet: beside the codes of consent.REASONS.
STOPPED = -1

_PERSON = "JOIN audience_subscriber s ON s.id = u.subscriber_id"
_ID = "u.subscriber_id"
# Rows of a page of those whose blobs are opened: 30 ms.
PAGE = 5_000


@dataclass(frozen=True, slots=True)
class CampaignRecipients:
    """Of the `subscribed` ones of a list (with a tag) some are `outside` the segment, some `suppressed`; the rest `may`
    get a letter. Of the suppressed `paused` asked for a pause, of those who may `monthly` want one letter a month.
    Of an appeal for money `unasked` did not agree to appeals and are none of the others.
    """

    subscribed: int
    outside: int
    suppressed: int
    may: int
    paused: int = 0
    monthly: int = 0
    unasked: int = 0


def reach_in(list: List, tag: Tag | None, reader: MemberReader | None, appeal: bool = False) -> CampaignRecipients:
    """Who a letter to those of the segment would go to; an appeal to those of them who agreed to appeals too."""
    subscribed = reach(list, tag)["subscribed"]
    unasked = subscribed - audience_sql.count_asking(list.id, tag.id if tag else None) if appeal else 0
    written = _by_verdict(list, tag, reader, appeal)
    inside = sum(written.values())
    may = sum(count for (verdict, _often), count in written.items() if verdict == consent.YES)
    paused = sum(count for (verdict, _often), count in written.items() if verdict == consent.PAUSED)
    monthly = written.get((consent.YES, MONTHLY), 0)
    return CampaignRecipients(subscribed, subscribed - unasked - inside, inside - may, may, paused, monthly, unasked)


# Verdict and how often, as one column. The suppressions of a subscriber stand in the verdict; where one does not yet, a
# release looks at them all the same, and so does this.
_OFTEN = 16
_VERDICT = f"""CASE WHEN u.mail_verdict = 1 AND EXISTS (
    SELECT 1 FROM audience_suppression p WHERE p.organization_id = s.organization_id AND p.email_index = s.email_index
) THEN {STOPPED * _OFTEN} ELSE u.mail_verdict * {_OFTEN} + u.frequency END"""


def verdicts(
    list: List, tag: Tag | None, reader: MemberReader | None, appeal: bool = False
) -> dict[tuple[int, int], int]:
    """(code of consent.REASONS or STOPPED, how often they want letters) -> how many of the subscribed ones of the list
    (with the tag) who are in the segment, and agreed to appeals if it is one. Whoever is YES is whom a release finds
    (recipients_sql.release_rows).
    """
    if reader is not None or appeal:
        return _by_verdict(list, tag, reader, appeal)
    counts = Counter(audience_sql.count_not_written_to_by_verdict(list.id, tag.id if tag else None))
    seldom = audience_sql.count_seldom(list.id, tag.id if tag else None)
    rest = reach(list, tag)["subscribed"] - counts.total() - sum(seldom.values())
    lagging = audience_sql.count_suppressed_unnoticed(list.organization_id, list.id, tag.id if tag else None)
    by_verdict = {(code, 0): count for code, count in counts.items()}
    by_verdict |= {(consent.YES, often): count for often, count in seldom.items()}
    for often, count in lagging.items():
        by_verdict[STOPPED, 0] = by_verdict.get((STOPPED, 0), 0) + count
        if often:
            by_verdict[consent.YES, often] -= count
        else:
            rest -= count
    by_verdict[consent.YES, 0] = rest
    return {key: count for key, count in by_verdict.items() if count}


def _by_verdict(
    list: List, tag: Tag | None, reader: MemberReader | None, appeal: bool = False
) -> dict[tuple[int, int], int]:
    """(verdict of consent.REASONS, how often they want letters) -> how many of the subscribed ones in the segment."""
    condition = reader.where(_ID, apart=reader.sealed) if reader else SqlCondition("1 = 1")
    tagged = "JOIN audience_subscribertag t ON t.subscriber_id = u.subscriber_id AND t.tag_id = %s" if tag else ""
    values: Any = [*([tag.id] if tag else []), list.id, SUBSCRIBED, *condition.values]
    rows = (
        f"FROM audience_subscription u {tagged} {_PERSON} WHERE u.list_id = %s AND u.status = %s AND {condition.text}"
    )
    rows += " AND u.fundraising_verdict = 1" if appeal else ""
    if reader is None or not reader.sealed:
        counted = fetch_binary(f"SELECT {_VERDICT}, COUNT(*) {rows} GROUP BY {_VERDICT}", values)
        return {divmod(code, _OFTEN): count for code, count in counted}
    counts: Counter[int] = Counter()
    for page, _last in _opened(reader, _VERDICT, rows, values, PAGE):
        counts.update(code for _id, code in page)
    return {divmod(code, _OFTEN): count for code, count in counts.items()}


def _opened(
    reader: MemberReader, column: str, rows: str, values: Sequence[object], size: int
) -> Iterator[tuple[list[tuple[int, Any]], int]]:
    """Pages of (row id, column) of those of `rows` who are in a sealed segment, by rising id, and the last one seen."""
    in_it, asks = reader.decider(), reader.asks(_ID)
    columns = "".join([f", {column}, s.sealed", *(f", {ask.text}" for ask in asks)])
    query, asked = f"SELECT {_ID}{columns} {rows} {_WITHIN}", [value for ask in asks for value in ask.values]
    walk = sql.SegmentSql(reader.organization.id, 0, size)
    for window in walk:
        inside, seen = list[tuple[int, Any]](), 0
        for page in binary_portions(query, [*asked, *values, *window, *window]):
            seen += len(page)
            inside += [(row[0], row[1]) for row in page if in_it(row[0], row[2], row[3:])]
        walk.met(seen)
        yield inside, window[1] - 1


# Bounds for both tables: PostgreSQL does not see that those of the one are those of the other.
_WITHIN = f"AND {_ID} >= %s AND {_ID} < %s AND s.id >= %s AND s.id < %s ORDER BY {_ID}"


def _walked(reader: MemberReader, query: str, values: Sequence[object], size: int) -> Iterator[tuple[list[Any], int]]:
    """The rows of a query that ends with _WITHIN, by windows, and the last number of each."""
    walk = sql.SegmentSql(reader.organization.id, 0, size)
    for window in walk:
        page = fetch_binary(query, [*values, *window, *window])
        walk.met(len(page))
        yield page, window[1] - 1


def numbers(
    list_id: int,
    tag: int | None,
    reader: MemberReader,
    size: int,
    suppressions: bool,
    newest: int = 0,
    appeal: bool = False,
) -> Iterator[list[int]]:
    """Subscriber numbers of those who may get a letter, or an appeal, now, by pages; no transaction stays open between
    them.

    The `newest` of them who agreed last come first. `suppressions`: are there any to look for?
    """
    rows, values = recipients_sql.release_rows(reader.organization.id, list_id, tag, suppressions, _PERSON, appeal)
    condition = reader.where(_ID, apart=True)
    rows, values = f"{rows} AND {condition.text}", [*values, *condition.values]
    first = _newest(reader, rows, values, newest) if newest else []
    known = set(first)
    for at in range(0, len(first), size):
        yield [row & NUMBER_MASK for row in first[at : at + size]]
    for page in _pages(reader, rows, values, size):
        if fresh := [row & NUMBER_MASK for row in page if row not in known]:
            yield fresh


def _pages(reader: MemberReader, rows: str, values: Sequence[object], size: int) -> Iterator[list[int]]:
    """Pages of `size` row ids; windows hold more or fewer."""
    held: list[int] = []
    for ids in _windows(reader, rows, values, size):
        held += ids
        while len(held) >= size:
            yield held[:size]
            del held[:size]
    if held:
        yield held


def _windows(reader: MemberReader, rows: str, values: Sequence[object], size: int) -> Iterator[list[int]]:
    if reader.sealed:
        for page, _last in _opened(reader, "u.mail_verdict", rows, values, size):
            yield [row for row, _ in page]
    else:
        for page, _last in _walked(reader, f"SELECT {_ID} {rows} {_WITHIN}", values, size):
            yield [row[0] for row in page]


def _newest(reader: MemberReader, rows: str, values: list[object], limit: int) -> list[int]:
    if not reader.sealed:
        query = f"SELECT {_ID} {rows} ORDER BY u.since DESC, {_ID} LIMIT %s"
        return [row[0] for row in fetch_binary(query, [*values, limit])]
    # Days alone are kept of all who are in it: a million of them are 100 MB, and a warm-up of a million is rare.
    since = [(day, row) for page, _last in _opened(reader, "u.since", rows, values, PAGE) for row, day in page]
    since.sort(key=lambda pair: pair[1])
    since.sort(key=lambda pair: pair[0], reverse=True)
    return [row for _day, row in since[:limit]]
