"""Filters of the desk: list, status, tag, language, mailbox provider, way of coming, days, suppressed and why, appeals.

They run in the database, along whichever of five indexes has the fewest rows to pass over, in windows of numbers from
the highest down. A look has so many seconds: a filter that almost nobody fits ends with where to go on from, and never
with a page that somebody waits for. Whoever wants all of them (a count, bulk work) goes on until the end.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db.models import Sum
from msgspec import Struct, structs

from samizdat.accounts.models import Organization
from samizdat.audience import filters_sql, headcount, numbers, sql
from samizdat.audience.models import STATUSES, List, ListTotal, TagTotal, is_number, row_id
from samizdat.audience.segment_conditions.consent import ConsentCondition
from samizdat.audience.segment_conditions.days import DayCondition
from samizdat.audience.segment_conditions.fundraising import FundraisingCondition
from samizdat.audience.segment_conditions.language import LanguageCondition
from samizdat.audience.segment_conditions.list_status import ListCondition
from samizdat.audience.segment_conditions.provider import ProviderCondition
from samizdat.audience.segment_conditions.tag import TagCondition
from samizdat.core import consent, segment
from samizdat.core.mail import address

# Reasons that a filter can ask for: suppressed, by code of the verdict.
SUPPRESSED = {
    reason.removeprefix("suppressed:"): code
    for code, reason in enumerate(consent.REASONS)
    if reason.startswith("suppressed:")
}
ANY = "any"

# Rows of the index that the first window passes over, and the most that one does: 20 ms or so.
FIRST, MOST = 400, 25_000
# Rows of one statement of a count.
COUNTED = 100_000
# Who agreed to appeals for money is in no sum: they are counted so far, for each page, to know whether they are few.
FEW = 20_000


class Filter(Struct, frozen=True, omit_defaults=True):
    """What is asked for; None is anything. `status` of STATUSES, `suppressed` a reason or "any", `source` of
    consent.WAYS, `provider` its number, `appeals` that the subscriber agreed to appeals for money. Days are those that
    are readable: of an import, its own.
    """

    list: int | None = None
    status: str | None = None
    tag: int | None = None
    language: str | None = None
    provider: int | None = None
    source: str | None = None
    since: date | None = None
    until: date | None = None
    suppressed: str | None = None
    appeals: bool | None = None
    numbers: tuple[int, ...] = ()  # These alone, whatever else is asked for.

    @property
    def plain(self) -> bool:
        """Whether the totals know the count: nothing but list, status and tag is asked for."""
        asked = {name for name, value in structs.asdict(self).items() if value not in (None, ())}
        return asked <= {"list", "status", "tag"}


def as_segment(asked: Filter) -> segment.Tree:
    """The same as a segment's conditions, without the way of coming: no segment asks for that."""
    some = asked.list or 0  # 0: of any list.
    parts: list[segment.Tree] = []
    if asked.list or asked.status:
        parts.append(ListCondition(some, asked.status or ""))
    if asked.tag is not None:
        parts.append(TagCondition(asked.tag))
    if asked.language is not None:
        parts.append(LanguageCondition(asked.language))
    if asked.provider is not None:
        parts.append(ProviderCondition(address.PROVIDERS[asked.provider]))
    if asked.since:
        parts.append(segment.Not(DayCondition("joined", "before", asked.since)))
    if asked.until:
        parts.append(segment.Not(DayCondition("joined", "after", asked.until)))
    if asked.suppressed is not None:
        states = [consent.REASONS[code] for code in _codes(asked.suppressed)]
        stopped = tuple(ConsentCondition(some, state) for state in states)
        parts.append(stopped[0] if len(stopped) == 1 else segment.Any(stopped))
    if asked.appeals:
        parts.append(FundraisingCondition(some))
    return segment.All(tuple(parts))


@dataclass(frozen=True, slots=True)
class FilterPage:
    """Row ids, falling, and the id below which to go on; None at the end."""

    ids: list[int]
    below: int | None


class Search:
    """A filter over an organization, ready to walk."""

    def __init__(self, organization: Organization, asked: Filter, **besides: Any) -> None:
        """`besides`: what bulk work asks for as well, by the names of filters_sql.RecipientQuery."""
        if asked.numbers:
            asked = Filter(numbers=asked.numbers)
        own = List.objects.filter(organization=organization)
        lists = tuple(own.filter(id=asked.list) if asked.list else own.order_by("id"))
        on_a_list = (asked.list, asked.status, asked.suppressed, asked.appeals or None)
        standing = any(value is not None for value in on_a_list)
        mine = tuple(row_id(organization.id, number) for number in asked.numbers if is_number(number))
        self.wanted = filters_sql.RecipientQuery(
            lists=tuple(list_.id for list_ in lists) if standing else (),
            statuses=_statuses(asked),
            may=_codes(asked.suppressed),
            asking=bool(asked.appeals),
            tag=asked.tag,
            provider=asked.provider,
            language=asked.language,
            source=None if asked.source is None else consent.WAYS.index(asked.source),
            since=asked.since.isoformat() if asked.since else None,
            until=asked.until.isoformat() if asked.until else None,
            numbers=mine,
            **besides,
        )
        self.nobody = (standing and not lists) or (bool(asked.numbers) and not mine)
        self.low = row_id(organization.id, 0)
        self.end = row_id(organization.id, numbers.end_of(organization.id))
        # By heads and not by numbers: an export may bring one person with a number of a trillion.
        self.along, self.rows = self._shortest(max(1, headcount.of(organization.id)))

    def _shortest(self, whole: int) -> tuple[str, int]:
        """What to walk along, and how many rows it has."""
        if self.wanted.numbers:
            return filters_sql.FACETS, 1  # One window for all.
        ways = {filters_sql.FACETS: whole}
        if self.wanted.lists and self.wanted.statuses:
            totals = ListTotal.objects.filter(list__in=self.wanted.lists)
            totals = totals.filter(status__in=self.wanted.statuses)
            # Asked apart for each: a subscription is looked at, and the subscriber after it.
            ways[filters_sql.SUBSCRIPTIONS] = 2 * (totals.aggregate(sum=Sum("count"))["sum"] or 0)
        if self.wanted.may:
            ways[filters_sql.STOPPED] = whole // 20
        if self.wanted.asking:
            asking = sql.count_asking_on(self.wanted.lists, FEW)
            ways[filters_sql.ASKING] = 2 * asking if asking < FEW else whole - 1
        if self.wanted.tag is not None:
            carriers = TagTotal.objects.filter(tag=self.wanted.tag).aggregate(sum=Sum("count"))["sum"] or 0
            if self.wanted.lists:
                ways[filters_sql.CARRIERS] = 2 * carriers
            else:  # Who is on no list is in no total.
                ways[filters_sql.CARRIERS] = min(whole - 1, 2 * carriers)
        along = min(ways, key=lambda way: ways[way])
        return along, max(1, ways[along])

    def look(self, below: int | None, limit: int, seconds: float | None = None) -> FilterPage:
        """The next `limit` of them below an id; fewer where the seconds are used up before, or at the end."""
        until = None if seconds is None else time.monotonic() + seconds
        ids: list[int] = []
        passed = max(FIRST, 2 * limit)
        at = self.end if below is None else min(below, self.end)
        while at > self.low and not self.nobody:
            low = max(self.low, at - self._width(passed))
            ids += filters_sql.wanted_ids(self.wanted, self.along, low, at, limit - len(ids))
            if len(ids) >= limit:
                return FilterPage(ids, ids[-1])
            at, passed = low, min(4 * passed, max(MOST, 2 * limit))
            if until is not None and time.monotonic() > until and at > self.low:
                return FilterPage(ids, at)
        return FilterPage(ids, None)

    def slices(self, size: int, below: int | None = None) -> Iterator[list[int]]:
        """All of them, so many at a time."""
        while True:
            page = self.look(below, size)
            if page.ids:
                yield page.ids
            if page.below is None:
                return
            below = page.below

    def count(self, below: int | None = None, seconds: float | None = None) -> tuple[int, int | None]:
        """How many there are below an id, and the id to go on from; None when all were counted."""
        until = None if seconds is None else time.monotonic() + seconds
        at, total = self.end if below is None else min(below, self.end), 0
        while at > self.low and not self.nobody:
            low = max(self.low, at - self._width(COUNTED))
            total += filters_sql.count_wanted(self.wanted, self.along, low, at)
            at = low
            if until is not None and time.monotonic() > until and at > self.low:
                return total, at
        return total, None

    def _width(self, passed: int) -> int:
        """Of a window that passes over so many rows of the index."""
        return max(1, (self.end - self.low) * passed // self.rows)


def _statuses(asked: Filter) -> tuple[int, ...]:
    """All of them by name, so that the index by list and status serves without a status as well. Who agreed to appeals
    is walked along an index that has no status: each row would be looked up for it."""
    if asked.status:
        return (STATUSES.index(asked.status),)
    return () if asked.appeals else tuple(range(len(STATUSES)))


def _codes(suppressed: str | None) -> tuple[int, ...]:
    if suppressed is None:
        return ()
    return tuple(SUPPRESSED.values()) if suppressed == ANY else (SUPPRESSED[suppressed],)
