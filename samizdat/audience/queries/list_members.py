"""Subscribers of one list by place, for programs that count their pages: a later page costs more than the first."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date

from django.db.models import Exists, OuterRef, QuerySet

from samizdat.audience.models import NUMBER_MASK, PENDING, STATUSES, List, SubscriberTag, Subscription, Tag


@dataclass(frozen=True, slots=True)
class MemberFilter:
    """statuses: of STATUSES, without those who haven't confirmed; none: all. since: that they have stood so since this
    day; until: or before. tags: ids of which they have any, all or none, as `match` says."""

    statuses: Collection[str] = ()
    since: date | None = None
    until: date | None = None
    tags: Collection[int] = ()
    match: str = "any"


def list_members(
    list: List, wanted: MemberFilter, offset: int, count: int, *, newest_first: bool = False
) -> tuple[list[int], int]:
    """(Numbers of a page, how many there are altogether), by the day since which they stand so, then by number."""
    rows = _filtered(list, wanted)
    order = ("-since", "-subscriber_id") if newest_first else ("since", "subscriber_id")
    ids = rows.order_by(*order).values_list("subscriber_id", flat=True)[offset : offset + count]
    return [id & NUMBER_MASK for id in ids], rows.count()


def _filtered(list: List, wanted: MemberFilter) -> QuerySet[Subscription]:
    rows = Subscription.objects.filter(list=list).exclude(status=PENDING)
    if wanted.statuses:
        rows = rows.filter(status__in=[STATUSES.index(status) for status in wanted.statuses])
    if wanted.since is not None:
        rows = rows.filter(since__gte=wanted.since)
    if wanted.until is not None:
        rows = rows.filter(since__lte=wanted.until)
    tagged = SubscriberTag.objects.filter(subscriber=OuterRef("subscriber_id"))
    match wanted.match if wanted.tags else "":
        case "any":
            rows = rows.filter(Exists(tagged.filter(tag__in=wanted.tags)))
        case "none":
            rows = rows.exclude(Exists(tagged.filter(tag__in=wanted.tags)))
        case "all":
            for tag in wanted.tags:
                rows = rows.filter(Exists(tagged.filter(tag=tag)))
    return rows


def is_carried_elsewhere(list: List, tag: Tag) -> bool:
    """Whether somebody carries a tag who isn't on this list, or is on another one too."""
    places = Subscription.objects.filter(subscriber=OuterRef("subscriber_id"))
    carried = SubscriberTag.objects.filter(tag=tag)
    elsewhere = carried.filter(Exists(places.exclude(list=list)))
    return elsewhere.exists() or carried.exclude(Exists(places.filter(list=list))).exists()
