"""Who is in a segment: counted, looked at piece by piece, and gone through by pages.

What is readable is one query. What is sealed is opened in pages, in the order of numbers, and only as far as the
readable conditions leave somebody to ask about.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from samizdat.accounts.models import Organization
from samizdat.audience import sealed_subscribers
from samizdat.audience.models import NUMBER_MASK, Field
from samizdat.audience.plaintext_fields import PlaintextColumn, column, is_chosen
from samizdat.audience.segments import sql
from samizdat.audience.segments.counts import SegmentCount
from samizdat.audience.segments.sql import ValueSource
from samizdat.core import segment
from samizdat.core.crypto import seal
from samizdat.core.segment.condition import SqlCondition
from samizdat.db import binary_portions
from samizdat.vault import keyring

# Rows of one look: 10 ms of opening, so that a page shows its first rows and a writer waits for nobody.
PAGE = 5_000
# Of a readable segment nothing is opened: its pages are ids alone.
IDS = 20_000


class MemberReader:
    """A segment of one organization, ready to be asked on one day. `tree` was checked (lookup.check)."""

    def __init__(self, organization: Organization, tree: segment.Tree, today: date) -> None:
        self.organization, self.tree, self.today = organization, tree, today
        self._keys = keyring.keys(organization)
        self._columns = self._readable()
        self.sealed = segment.is_sealed(tree, self._is_sealed)
        self._split = segment.split(tree, self._is_sealed)
        self._counting = SegmentCount(organization, today, self._columns)

    # -- the question --

    def _readable(self) -> Mapping[int, PlaintextColumn]:
        """Of the fields that are asked for, those whose readable numbers are complete."""
        numbers = {leaf.number for leaf in segment.leaves(self.tree) if isinstance(leaf, segment.SealedCondition)}
        if not numbers:
            return {}
        rows = Field.objects.filter(organization=self.organization, number__in=numbers, readable=True, filled=None)
        return {row.number: column(self._keys, row) for row in rows if is_chosen(self._keys, row)}

    def _is_sealed(self, leaf: segment.SealedCondition) -> bool:
        known = self._columns.get(leaf.number)
        return known is None or known.kind != leaf.column

    def where(self, id: str = "s.id", *, apart: bool = False) -> SqlCondition:
        """Readable, and true for everybody of the segment; of a readable segment it is the segment."""
        return sql.where(self._split.where, self.today, id, self._columns, apart=apart)

    def asks(self, id: str = "s.id") -> list[SqlCondition]:
        """What decide() wants to know of each row beside their blob, as columns."""
        asked = [sql.where(tree, self.today, id, self._columns, apart=True) for tree in self._split.asks]
        return [SqlCondition(f"CASE WHEN {condition.text} THEN 1 ELSE 0 END", condition.values) for condition in asked]

    def decider(self) -> Callable[[int, bytes, tuple[bool, ...]], bool]:
        """(row id, blob, answers to asks()) -> are they in it?"""
        opened = sealed_subscribers.opener(self._keys).open
        decide, pick = self._split.decide, seal.pick
        rest = self.tree.parts if isinstance(self.tree, segment.All) else (self.tree,)
        sealed = [part for part in rest if segment.is_sealed(part, self._is_sealed)]
        if len(sealed) == 1 and isinstance(sealed[0], segment.SealedCondition):  # The usual one, without detours.
            holds, number = sealed[0].compares(), sealed[0].number
            return lambda row, blob, _answers: holds(pick(opened(blob, row & NUMBER_MASK), number))

        def in_it(row: int, blob: bytes, answers: tuple[bool, ...]) -> bool:
            plain: list[bytes] = []

            def text(number: int) -> str:
                if not plain:
                    plain.append(opened(blob, row & NUMBER_MASK))
                return pick(plain[0], number)

            return decide(answers, text)

        return in_it

    # -- the answer --

    def count(self) -> int:
        """How many, exactly."""
        if self.sealed:
            return self.look(after=0, seconds=None).count
        return self._counting.of(self.tree)

    def look(self, *, after: int, seconds: float | None) -> "SegmentSearch":
        """Counts on from the row behind `after` for so many seconds (None: to the end); one page at least is opened."""
        if not self.sealed:
            return SegmentSearch(self.count(), 0, None)
        until = None if seconds is None else time.monotonic() + seconds
        count = seen = 0
        for page in self._pages(after):
            count, seen, after = count + len(page.ids), seen + page.seen, page.last
            if until is not None and time.monotonic() > until and seen and not page.end:
                return SegmentSearch(count, seen, after)
        return SegmentSearch(count, seen, None)

    def ids(self) -> Iterator[list[int]]:
        """Row ids by rising number, page by page, also of pages in which there are none: whoever may not wait looks at
        the clock between them. No transaction stays open there."""
        for page in self._pages(0):
            yield page.ids

    def sample(self, limit: int, seconds: float = 0.2) -> list[int]:
        """The first few, or those that are found in that time."""
        until, ids = time.monotonic() + seconds, list[int]()
        for page in self._pages(0, first=limit * 4):
            ids += page.ids
            if len(ids) >= limit or time.monotonic() > until:
                break
        return ids[:limit]

    def page(self, after: int, limit: int, seconds: float) -> tuple[list[int], int | None]:
        """Row ids behind `after` by rising number: as many, or those that are found in that time; and the row behind
        which the next page begins, None at the end."""
        until, ids = time.monotonic() + seconds, list[int]()
        for page in self._pages(after, first=limit * 4):
            ids += page.ids
            if len(ids) > limit:
                return ids[:limit], ids[limit - 1]
            if page.end:
                break
            if time.monotonic() > until:
                return ids, page.last
        return ids, None

    def _pages(self, after: int, first: int = 0) -> Iterator["MemberPage"]:
        """By rising number. first: size of the first page, which has to be there at once."""
        origin, rest = self._counting.narrowed(self._split.where, person=self.sealed)
        in_it = self.decider() if self.sealed else None
        walk = sql.SegmentSql(self.organization.id, after, PAGE if self.sealed else IDS, first)
        for window in walk:
            ids, seen = list[int](), 0
            for rows in self._rows(origin, rest, window):
                seen += len(rows)
                ids += [row[0] for row in rows if in_it is None or in_it(row[0], row[1], row[2:])]
            walk.met(seen)
            yield MemberPage(ids, seen, window[1] - 1, walk.low >= walk.end)

    def _rows(self, origin: ValueSource, rest: segment.Tree, window: sql.Window) -> Iterator[list[Any]]:
        condition = sql.where(rest, self.today, origin.id, self._columns, apart=True)
        asks = self.asks(origin.id) if self.sealed else []
        columns = "".join([", s.sealed", *(f", {ask.text}" for ask in asks)]) if self.sealed else ""
        tables = origin.within(window)
        query = f"SELECT {origin.id}{columns} FROM {tables.text} AND {condition.text} ORDER BY {origin.id}"
        asked = [value for ask in asks for value in ask.values]
        return binary_portions(query, (*asked, *tables.values, *condition.values))


@dataclass(frozen=True, slots=True)
class MemberPage:
    """Some of a segment: row ids, how many were looked at, the last of those, and whether there are no more."""

    ids: list[int]
    seen: int
    last: int
    end: bool


@dataclass(frozen=True, slots=True)
class SegmentSearch:
    """So far: how many are in it, how many were opened, and the row to go on behind; None at the end."""

    count: int
    seen: int
    following: int | None
