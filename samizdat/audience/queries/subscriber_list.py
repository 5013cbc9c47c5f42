"""Subscribers, a page at a time."""

import builtins
import heapq
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date

from samizdat.accounts.models import Organization
from samizdat.audience import sealed_subscribers, sql, tags_and_fields
from samizdat.audience.filters import Filter, Search
from samizdat.audience.list_details import list_name
from samizdat.audience.models import NUMBER_MASK, STATUSES, List, ListTotal, Subscriber, Subscription, TagTotal, row_id
from samizdat.audience.queries.lists import list_by_id, tag_named, tags
from samizdat.audience.queries.subscribers import tag_names
from samizdat.core import consent
from samizdat.core.crypto import seal
from samizdat.core.mail import address as addresses
from samizdat.core.mail import masking
from samizdat.vault import keyring


@dataclass(frozen=True, slots=True)
class SubscriberRow:
    """A line of the list of subscribers: what is readable, with address and name as somebody may see them: whole, or
    their first letters."""

    number: int
    address: str
    name: str  # "" where none is known
    status: str  # "" for somebody on no list
    provider: str
    language: str
    since: date
    tags: list[str]
    lists: list[str]
    verdict: str  # of consent.REASONS: of the status that is shown; "" for somebody on no list
    source: str = "import"  # of consent.WAYS: how they first came

    @property
    def initial(self) -> str:
        return self.address[:1]


@dataclass(frozen=True, slots=True)
class SubscriberPage:
    """Rows by falling number. `next`: what `before` is for the page after; None on the last. `cut`: the look was as
    long as it may be before the page was full."""

    rows: list[SubscriberRow]
    next: int | None
    cut: bool = False

    @property
    def numbers(self) -> list[int]:
        return [row.number for row in self.rows]


def page(
    organization: Organization,
    list: List | None = None,
    status: str | None = None,
    tag: str | None = None,
    before: int | None = None,
    limit: int = 50,
) -> SubscriberPage:
    """One page of subscribers. Key-paged: the thousandth page costs what the first does."""
    below = row_id(organization.id + 1, 0) if before is None else row_id(organization.id, before)
    ids = _ids(organization, list, status, tag, below, limit + 1)
    more = len(ids) > limit
    rows = rows_standing(organization, ids[:limit], list, status)
    return SubscriberPage(rows, ids[limit - 1] & NUMBER_MASK if more else None)


# Seconds that a page looks for people who fit a filter.
LOOKING = 0.06


def filtered(organization: Organization, asked: Filter, before: int | None = None, limit: int = 50) -> SubscriberPage:
    """One page of those who fit a filter. Where few do, it ends after LOOKING with where to go on."""
    list = list_by_id(organization, asked.list) if asked.list is not None else None
    if asked.plain:
        tag = dict(tags(organization)).get(asked.tag) if asked.tag is not None else None
        return page(organization, list, asked.status, tag, before, limit)
    below = None if before is None else row_id(organization.id, before)
    result = Search(organization, asked).look(below, limit, LOOKING)
    following = None if result.below is None else result.below & NUMBER_MASK
    cut = following is not None and len(result.ids) < limit
    return SubscriberPage(rows_standing(organization, result.ids, list, asked.status), following, cut)


def count_filtered(
    organization: Organization, asked: Filter, before: int | None = None, seconds: float | None = None
) -> tuple[int, int | None]:
    """How many subscribers fit a filter, and the number to go on from when the seconds are used up."""
    below = None if before is None else row_id(organization.id, before)
    total, following = Search(organization, asked).count(below, seconds)
    return total, None if following is None else following & NUMBER_MASK


def _ids(
    organization: Organization, list: List | None, status: str | None, tag: str | None, below: int, limit: int
) -> list[int]:
    if list is None and status is None and tag is None:
        return sql.subscribers_below(row_id(organization.id, 0), below, limit)
    tag_id = None
    if tag is not None:
        tag_row = tag_named(organization, tag)
        if tag_row is None:
            return []
        tag_id = tag_row.id
    among = [list.id] if list else List.objects.filter(organization=organization).values_list("id", flat=True)
    wanted = range(len(STATUSES)) if status is None else [STATUSES.index(status)]
    if tag_id is None:
        streams = [sql.subscriptions_below(list_id, code, below, limit) for list_id in among for code in wanted]
    else:
        streams = _tagged({(list_id, code) for list_id in among for code in wanted}, tag_id, below, limit)
    merged = heapq.merge(*streams, reverse=True)
    return [*dict.fromkeys(merged)][:limit]  # They may be on several lists.


def _tagged(wanted: set[tuple[int, int]], tag: int, below: int, limit: int) -> list[list[int]]:
    """The next ids with a tag, by list and status, found along whichever index has fewer rows to pass over.

    Two looks at the totals for all: three for each list and status were half the time of a page on PostgreSQL.
    """
    columns = ("list_id", "status", "count")
    tagged = {(list_id, code): count for list_id, code, count in TagTotal.objects.filter(tag=tag).values_list(*columns)}
    pairs = [pair for pair in sorted(wanted) if tagged.get(pair, 0) > 0]
    rows = ListTotal.objects.filter(list__in={list_id for list_id, _ in pairs}).values_list(*columns)
    standing = {(list_id, code): count for list_id, code, count in rows}
    carriers = sum(tagged.values())
    return [sql.tagged_below(*pair, tag, below, limit, along_tag=carriers < standing.get(pair, 0)) for pair in pairs]


def rows_of(organization: Organization, ids: list[int]) -> list[SubscriberRow]:
    """These subscribers by their row ids, as a page shows them."""
    return rows_standing(organization, ids, None, None)


def with_addresses(organization: Organization, rows: list[SubscriberRow]) -> list[SubscriberRow]:
    """The same lines with whole addresses and names. Somebody was counted for them (read_limits)."""
    ids = [row_id(organization.id, row.number) for row in rows]
    known = {row.number: (address, name) for row, address, name in _opened(organization, ids)}
    there = [(row, known[row.number]) for row in rows if row.number in known]
    return [replace(row, address=address, name=name) for row, (address, name) in there]


def _opened(organization: Organization, ids: list[int]) -> Iterator[tuple[Subscriber, str, str]]:
    """Those who are still there, in this order, with address and name."""
    keys = keyring.keys(organization)
    open_blob = sealed_subscribers.opener(keys).open
    names = tags_and_fields.name_fields(organization, keys)
    people = {row.id: row for row in Subscriber.objects.filter(organization=organization, id__in=ids)}
    for row in filter(None, map(people.get, ids)):
        plain = open_blob(bytes(row.sealed), row.number)
        parts = (seal.pick(plain, number).strip() for number in names)
        yield row, seal.pick(plain, seal.ADDRESS), " ".join(filter(None, parts))


def rows_standing(
    organization: Organization, ids: list[int], list: List | None, status: str | None
) -> builtins.list[SubscriberRow]:
    """The lines of these row ids, in this order, with how they stand on a list or with a status."""
    standing, on_lists = _standing(organization, ids, list, status)
    tags = tag_names(organization, ids)
    rows = []
    for row, address, name in _opened(organization, ids):
        code, verdict, since = standing.get(row.id, (None, 0, row.joined))
        rows.append(
            SubscriberRow(
                number=row.number,
                address=masking.first_letters(address),
                name=masking.first_letter(name),
                status=STATUSES[code] if code is not None else "",
                provider=addresses.PROVIDERS[row.provider],
                language=row.language,
                since=since,
                tags=tags.get(row.id, []),
                lists=on_lists.get(row.id, []),
                verdict=consent.REASONS[verdict] if code is not None else "",
                source=consent.WAYS[row.source],
            )
        )
    return rows


# On a page of all lists the status that tells most is shown: subscribed before pending before the rest.
FIRST = ("subscribed", "pending", "unsubscribed", "cleaned", "nonsubscribed")


def _standing(
    organization: Organization, ids: list[int], list: List | None, status: str | None
) -> tuple[dict[int, tuple[int, int, date]], dict[int, builtins.list[str]]]:
    """Of each the status that is shown with its verdict and day, and the names of their lists."""
    rows = Subscription.objects.filter(subscriber__in=ids).order_by("list_id")
    keys = keyring.keys(organization)
    names = {row.id: list_name(keys, row) for row in List.objects.filter(organization=organization)}
    by_subscriber: dict[int, tuple[int, int, date]] = {}
    on_lists: dict[int, builtins.list[str]] = {}
    for row in sorted(rows, key=lambda row: FIRST.index(STATUSES[row.status])):
        if row.list_id in names:
            on_lists.setdefault(row.subscriber_id, []).append(names[row.list_id])
        if (list is None or row.list_id == list.id) and status in (None, STATUSES[row.status]):
            by_subscriber.setdefault(row.subscriber_id, (row.status, row.mail_verdict, row.since))
    return by_subscriber, on_lists
