"""Consent records whose words we took away: whoever they are about was erased, or nobody confirmed the sign-up.

A record keeps its columns, its digest and its place in the log. Its words are gone, so its digest is of nothing that
stands there: a MAC beside it says that it was ours until then, with these columns. No other reason excuses a record
from what its digest says: whoever writes the database empties a no, or has us empty it, and gives it to somebody else.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import batched

from samizdat.audience import sql
from samizdat.audience.consent_records import Digested, is_ours, is_ours_emptied, mac_of_emptied

_AT_ONCE = 5_000


def empty(rows: Iterable[Digested]) -> None:
    """Takes the words out of these records; those that are not ours get no MAC, so the check of the log finds them.
    Once emptied, a record stays as it is."""
    sql.empty_records([(mac_of_emptied(row) if is_ours(row) else None, row[1][0]) for row in rows if row[3]])


def empty_all_of(subscribers: Sequence[int]) -> None:
    """The same of all that is on record about these subscribers."""
    for some in sql.in_light_slices(subscribers, lambda these: these):
        empty(sql.digested_consent_of(some))


def renew() -> Iterator[None]:
    """Their MACs, once the instance key is replaced (vault/instance_exchange.py)."""
    ours: list[int] = []
    for some in batched(sql.emptied_records(), _AT_ONCE):
        ours += among(sql.digested_records(some))
    yield
    for some in batched(ours, _AT_ONCE):
        sql.empty_records([(mac_of_emptied(row), row[1][0]) for row in sql.digested_records(some)])


def altered(rows: Sequence[Digested]) -> set[int]:
    """Of these records, by their numbers, those that are neither as we wrote them nor as we emptied them."""
    return {row[1][0] for row in rows if not is_ours(row)} - among(rows)


def among(rows: Iterable[Digested]) -> set[int]:
    """Of these records, by their numbers, those that we emptied and that are as they were then."""
    without_words = {row[1][0]: row for row in rows if not row[3]}
    macs = sql.macs_of_records([*without_words])
    return {number for number, row in without_words.items() if is_ours_emptied(row, macs[number])}
