"""Whom an export is of: everybody, or those of a list, in a segment, who fit filters, or who were ticked."""

from array import array
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from random import Random

from msgspec.structs import replace

from samizdat.accounts.models import Organization
from samizdat.audience.filters import Filter, Search
from samizdat.audience.segments import lookup
from samizdat.audience.segments.members import MemberReader
from samizdat.core.segment import Tree

# Rows of one look.
SLICE = 20_000


@dataclass(frozen=True, slots=True)
class SelectionFilter:
    """`on`: of this list alone; `segment`: its row number; `fit`: filters, or who was ticked. All of them hold."""

    on: int | None = None
    segment: int | None = None
    fit: Filter | None = None

    @property
    def everybody(self) -> bool:
        return self.on is None and self.segment is None and self.fit is None

    @property
    def _filter(self) -> Filter | None:
        if self.on is None or (self.fit and self.fit.numbers):
            return self.fit
        return replace(self.fit or Filter(), list=self.on)

    def ids(self, organization: Organization, now: datetime) -> Iterator[list[int]]:
        """Their row ids by pages, in no order. Errors: NoSuchSegment, SegmentBroken."""
        asked = self._filter
        if self.segment is None:
            yield from Search(organization, asked or Filter()).slices(SLICE)
            return
        inside = None if asked is None else SelectedRows(Search(organization, asked).slices(SLICE))
        for page in self.reader(organization, now).ids():
            yield page if inside is None else [id for id in page if inside.has(id)]

    def reader(self, organization: Organization, now: datetime) -> MemberReader:
        """Whom the segment means now."""
        return MemberReader(organization, self.tree(organization), organization.day_of(now))

    def tree(self, organization: Organization) -> Tree:
        """The segment's condition, as it is now. Errors: NoSuchSegment, SegmentBroken."""
        return lookup.tree_of(lookup.segment_by_id(organization, self.segment or 0))

    def count(self, organization: Organization, now: datetime) -> int:
        """Exactly, now. Errors: NoSuchSegment, SegmentBroken."""
        if self.segment is None:
            return Search(organization, self._filter or Filter()).count()[0]
        return sum(map(len, self.ids(organization, now)))

    def some(self, organization: Organization, now: datetime, many: int, chance: Random) -> list[int]:
        """A few of them, from a random place on where that costs nothing; rising."""
        if self.segment is None:
            search = Search(organization, self._filter or Filter())
            ids = search.look(chance.randrange(search.low, search.end + 1), many).ids
            return sorted(ids if len(ids) == many else search.look(None, many).ids)
        return sorted(islice((id for page in self.ids(organization, now) for id in page), many))


class SelectedRows:
    """Row ids to be asked whether they hold one, eight bytes each."""

    def __init__(self, pages: Iterator[list[int]]) -> None:
        self._ids = array("q")
        for page in pages:
            self._ids.extend(page)
        self._ids = array("q", sorted(self._ids))

    def has(self, id: int) -> bool:
        at = bisect_left(self._ids, id)
        return at < len(self._ids) and self._ids[at] == id

    def pages(self, size: int) -> Iterator[list[int]]:
        for at in range(0, len(self._ids), size):
            yield self._ids[at : at + size].tolist()
