"""How many are in a readable segment: by sums that are kept, by small sets, and only then by asking everybody.

A sum says how many of a list are in a status, and how many of those carry a tag. What is left is asked of the database:
who is in one part, in the other, in both. Of many, two threads ask for half of the numbers each: SQLite works on one
core by itself, and PostgreSQL's own sharing has each of its processes read the whole of what is joined.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from functools import cache, cached_property, partial
from typing import Any

from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models import Sum

from samizdat.accounts.models import Organization
from samizdat.audience import numbers
from samizdat.audience import sql as audience_sql
from samizdat.audience.models import STATUSES, SUBSCRIBED, ListTotal, TagTotal, row_id
from samizdat.audience.segment_conditions.consent import ConsentCondition
from samizdat.audience.segment_conditions.fundraising import FundraisingCondition
from samizdat.audience.segment_conditions.list_status import ListCondition
from samizdat.audience.segment_conditions.tag import TagCondition
from samizdat.audience.segments import sql
from samizdat.audience.segments.sql import Columns
from samizdat.core import segment
from samizdat.core.segment import All, Not
from samizdat.db import fetch_binary

# Numbers of subscribers above which half of them goes to a second thread.
SHARED = 100_000
# Who may be asked for money is in no sum, and is counted so far to know whether they are few: 3 ms.
FEW = 100_000
# PostgreSQL: what is counted along lies in memory or will in a moment. Of many, all that is asked for is in the
# order of subscribers, and walking through it side by side takes half of what hashing it does.
_FEW = "SET LOCAL random_page_cost = 1.1"
_MANY = (
    f"{_FEW}; SET LOCAL enable_hashjoin = off; SET LOCAL enable_nestloop = off; SET LOCAL enable_seqscan = off; "
    "SET LOCAL max_parallel_workers_per_gather = 0"  # Each of them would walk through the whole of the other side.
)
# Alternatives that are asked for one after the other; of more, all at once.
MOST = 4


class SegmentCount:
    """The counts of one organization on one day. columns: its readable fields, as sql.where wants them."""

    def __init__(self, organization: Organization, today: date, columns: Columns) -> None:
        self.organization, self.today, self._columns = organization, today, columns

    def of(self, tree: segment.Tree) -> int:
        """Exactly, as of now. A part and the whole of it are asked one after the other: whoever comes in between
        may be in one of them alone, so that a sum of such counts is of about this moment."""
        return max(0, self._of(segment.replaced(tree, self._by_lists)))

    def _of(self, tree: segment.Tree) -> int:
        match tree:
            case Not(part):
                return self.total() - self._of(part)
            case All((only_part,)) | segment.Any((only_part,)):
                return self._of(only_part)
            case All(parts) if len(fewer := _without_what_appeals_say(parts)) < len(parts):
                return self._of(All(fewer))
            case segment.Any((first, *others)) if len(others) < MOST and any(map(sql.asks_elsewhere, tree.parts)):
                # Everybody would be asked for each of them; so only those who are in the first are, for the others.
                rest = segment.Any(tuple(others)) if len(others) > 1 else others[0]
                return self._of(first) + self._of(rest) - self._of(All((first, rest)))
        parts = tree.parts if isinstance(tree, All) else (tree,)
        known = self._kept(parts)
        if known is not None:
            return known
        for place, part in enumerate(parts):
            besides = parts[:place] + parts[place + 1 :]
            if isinstance(part, Not) and sql.asks_elsewhere(part.part) and (known := self._kept(besides)) is not None:
                return known - self._of(All((*besides, part.part)))
        return self._asked(tree)

    def total(self) -> int:
        return self._asked(segment.EVERYBODY)

    def _by_lists(self, leaf: segment.Leaf) -> segment.Tree:
        """Appeals of whatever list, as those of one list or another: each list has its part of an index, and SQLite
        would look at every subscription there is."""
        if not isinstance(leaf, FundraisingCondition) or leaf.list or len(self._asking) >= MOST:
            return leaf
        return (
            FundraisingCondition(self._asking[0])
            if len(self._asking) == 1
            else segment.Any(tuple(map(FundraisingCondition, self._asking)))
        )

    @cached_property
    def _asking(self) -> list[int]:
        return audience_sql.lists_asking(self.organization.id)

    # -- by sums --

    def _kept(self, parts: tuple[segment.Tree, ...]) -> int | None:
        """What a sum, or one index, says of those for whom all of these are true; None where none does."""
        if not parts:
            return self.total()
        if len(parts) == 1 and isinstance(parts[0], FundraisingCondition) and parts[0].list:
            return audience_sql.count_asking(parts[0].list, None)
        on = [part for part in parts if isinstance(part, ListCondition | ConsentCondition)]
        tags = [part for part in parts if isinstance(part, TagCondition)]
        if len(on) != 1 or len(tags) > 1 or len(on) + len(tags) < len(parts) or not on[0].list:
            return None
        tag = tags[0].id if tags else None
        if isinstance(on[0], ListCondition):
            return self._standing(on[0].list, STATUSES.index(on[0].status), tag) if on[0].status else None
        if on[0].state != "yes":
            return None
        stopped = audience_sql.count_subscribed_but_not_written_to(on[0].list, tag)
        return self._standing(on[0].list, SUBSCRIBED, tag) - stopped

    def _standing(self, list_id: int, status: int, tag: int | None) -> int:
        rows: Any = ListTotal.objects.all() if tag is None else TagTotal.objects.filter(tag=tag)
        return int(rows.filter(list=list_id, status=status).aggregate(sum=Sum("count"))["sum"] or 0)

    def _size(self, leaf: segment.Leaf) -> int | None:
        """How many subscribers fulfil a condition, from the sums; above it where somebody is on several lists."""
        match leaf:
            case TagCondition(id):
                return int(TagTotal.objects.filter(tag=id).aggregate(sum=Sum("count"))["sum"] or 0)
            case ListCondition(id, status):
                return self._standing(id, STATUSES.index(status), None)
            case FundraisingCondition(id):
                count = audience_sql.count_asking_on([id], FEW)
                return count if count < FEW else None
        return None

    # -- by asking --

    def narrowed(self, tree: segment.Tree, *, person: bool) -> tuple[sql.ValueSource, segment.Tree]:
        """As sql.narrowed."""
        return sql.narrowed(self.organization.id, tree, self._size, self._end, person=person)

    def _asked(self, tree: segment.Tree) -> int:
        end = self._end()
        parts = tree.parts if isinstance(tree, All) else (tree,)
        sizes = [size for part in parts if (size := sql.sized_by(part, self._size)) is not None]
        if end < SHARED or min(sizes, default=end) * 8 < end or connection.in_atomic_block:
            return self._one(tree, None)
        low, half, high = (row_id(self.organization.id, number) for number in (0, end // 2, end))
        return _both(partial(self._one, tree, (low, half)), partial(self._one, tree, (half, high)))

    def _end(self) -> int:
        """The number after the last one that was given: about how many subscribers there are."""
        return numbers.end_of(self.organization.id)

    def _one(self, tree: segment.Tree, window: sql.Window | None) -> int:
        if connection.vendor == "sqlite":
            return self._counted(tree, window)
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(_MANY if window else _FEW)
            return self._counted(tree, window)

    def _counted(self, tree: segment.Tree, window: sql.Window | None) -> int:
        source, rest = self.narrowed(tree, person=False)
        tables, condition = source.within(window), sql.where(rest, self.today, source.id, self._columns, window=window)
        query = f"SELECT COUNT(*) FROM {tables.text} AND {condition.text}"
        count: int = fetch_binary(query, (*tables.values, *condition.values))[0][0]
        return count


def _without_what_appeals_say(parts: tuple[segment.Tree, ...]) -> tuple[segment.Tree, ...]:
    """Who agreed to appeals is subscribed to their list: with that, everybody on it would be asked."""
    conditions = {ListCondition(part.list, "subscribed") for part in parts if isinstance(part, FundraisingCondition)}
    return tuple(part for part in parts if part not in conditions)


def _both(here: Callable[[], int], there: Callable[[], int]) -> int:
    """The sum of two counts, one of them made by the helper."""
    other = _helper().submit(_again, there)
    try:
        return here() + other.result()
    finally:
        other.cancel()


def _again(count: Callable[[], int]) -> int:
    try:
        return count()
    except (InterfaceError, OperationalError):
        connection.close()  # No request ends on this thread, so nobody else notices that the server was begun anew.
        return count()


@cache
def _helper() -> ThreadPoolExecutor:
    """A thread that keeps its connection: a new one has read nothing yet, and is twice as long at it."""
    return ThreadPoolExecutor(1, thread_name_prefix="counting")
