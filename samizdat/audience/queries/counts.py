"""How many: subscribers, by list, status, tag and day."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db.models import Count, QuerySet, Sum

from samizdat.accounts.models import Organization
from samizdat.audience import headcount, sql
from samizdat.audience.models import (
    GROWN_BY,
    GROWTH,
    STATUSES,
    SUBSCRIBED,
    Growth,
    List,
    ListTotal,
    SubscriberTag,
    Subscription,
    Tag,
    TagTotal,
    UnsentMailCount,
)
from samizdat.audience.queries.lists import tag_named
from samizdat.core import consent


def count(
    organization: Organization, list: List | None = None, status: str | None = None, tag: str | None = None
) -> int:
    """How many subscriptions: of a list or all, with a status or any, with a tag or none asked.

    Without list, status and tag: how many subscribers. Kept as totals, so a million takes no longer than ten.
    """
    if list is None and status is None and tag is None:
        return headcount.of(organization.id)
    rows: QuerySet[Any] = ListTotal.objects.all() if tag is None else TagTotal.objects.all()
    rows = rows.filter(list__organization=organization) if list is None else rows.filter(list=list)
    if tag is not None:
        tag_row = tag_named(organization, tag)
        rows = rows.filter(tag=tag_row) if tag_row else rows.none()
    if status is not None:
        rows = rows.filter(status=STATUSES.index(status))
    return rows.aggregate(sum=Sum("count"))["sum"] or 0


def count_subscribers(organization: Organization, tag: str | None = None) -> int:
    """How many people, each once on however many lists; with a tag (along an index) or all (a kept sum)."""
    if tag is None:
        return headcount.of(organization.id)
    tag_row = tag_named(organization, tag)
    return SubscriberTag.objects.filter(tag=tag_row).count() if tag_row else 0


# Subscriptions; 40 ms on SQLite.
COUNTED_AT_ONCE = 100_000


def people_by_status(organization: Organization, tag: str | None = None) -> dict[str, int] | None:
    """Status -> how many people have it on at least one list; with a tag or all. None where there are too many to read
    for a page."""
    rows = Subscription.objects.filter(list__organization=organization)
    total = ListTotal.objects.filter(list__organization=organization).aggregate(sum=Sum("count"))["sum"] or 0
    if total > COUNTED_AT_ONCE:
        return None
    if tag is not None:
        tagged = SubscriberTag.objects.filter(tag=tag_named(organization, tag))
        rows = rows.filter(subscriber__in=tagged.values("subscriber"))
    counted = dict(rows.values_list("status").annotate(people=Count("subscriber", distinct=True)))
    return {status: counted.get(code, 0) for code, status in enumerate(STATUSES)}


def carriers(list: List) -> dict[int, int]:
    """Number of a tag -> how many of those subscribed to a list have it, of tags that somebody has."""
    return dict(TagTotal.objects.filter(list=list, status=SUBSCRIBED).values_list("tag_id", "count"))


def tag_totals(lists: Collection[int]) -> dict[int, dict[int, int]]:
    """Number of a tag -> number of a list, of these -> how many of those subscribed to it have the tag; no zeros."""
    rows = TagTotal.objects.filter(list__in=lists, status=SUBSCRIBED, count__gt=0)
    totals: dict[int, dict[int, int]] = {}
    for tag, list_id, count in rows.values_list("tag_id", "list_id", "count"):
        totals.setdefault(tag, {})[list_id] = count
    return totals


def reach(list: List, tag: Tag | None = None) -> dict[str, int]:
    """Who a letter would go to: subscribed, minus suppressed, is may."""
    rows: QuerySet[Any] = TagTotal.objects.filter(tag=tag) if tag else ListTotal.objects.all()
    subscribed = rows.filter(list=list, status=SUBSCRIBED).aggregate(sum=Sum("count"))["sum"] or 0
    suppressed = sql.count_subscribed_but_not_written_to(list.id, tag.id if tag else None)
    return {"subscribed": subscribed, "suppressed": suppressed, "may": subscribed - suppressed}


def anybody_asked(list: List) -> bool:
    """Whether anybody of this list agreed to appeals for money."""
    return Subscription.objects.filter(list=list, fundraising_verdict=consent.YES).exists()


def unmailed(organization: Organization) -> dict[str, int]:
    """Why (sender: there is none yet, route: none takes it) -> how many sign-ups wait for the mail that asks."""
    return dict(UnsentMailCount.objects.filter(organization=organization).values_list("why", "count"))


@dataclass(frozen=True, slots=True)
class GrowthCount:
    """Of one day (UTC) and way of GROWN_BY: how many began to be subscribed, left, or were found dead."""

    day: date
    way: str
    joined: int
    left: int
    cleaned: int


def growth(organization: Organization, since: date, until: date, list: List | None = None) -> list[GrowthCount]:
    """By day and way, of one list or of all; whoever joins two lists counts twice."""
    rows = Growth.objects.filter(list__organization=organization, day__gte=since, day__lte=until)
    if list is not None:
        rows = rows.filter(list=list)
    by_day: dict[tuple[date, int], dict[str, int]] = {}
    for day, what, way, many in rows.values_list("day", "metric", "channel", "count"):
        sums = by_day.setdefault((day, way), dict.fromkeys(GROWTH, 0))
        sums[GROWTH[what]] += many
    return [GrowthCount(day, GROWN_BY[way], **sums) for (day, way), sums in sorted(by_day.items())]
