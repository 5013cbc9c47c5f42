"""Old deliveries become totals: who got which letter is kept for as long as somebody decided, and no longer.

Chunks and deliveries are the only rows that say which reader an old letter was owed to. A chunk is folded at a time,
in one transaction: its deliveries are counted into Folded and go, and the chunk with them. So the books add up after
each slice (queries.recount), and a kill loses nothing.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from django.db import transaction
from django.db.models import F, Q, QuerySet, Sum

from samizdat.campaigns.models import Campaign, Edition, large
from samizdat.core.mail.ledger import State, unpack_numbers
from samizdat.delivery.models import Chunk, Delivery, DeliveryArchiveTotal, Retry, SmtpReply
from samizdat.events.actions import record

# Deliveries of one statement: SQLite takes no more values in one.
_SLICE = 250


def foldable(list_id: int, before: datetime) -> QuerySet[Campaign]:
    """Campaigns to a list that ended before then and still say who got them, the oldest first.

    Never one that is not over, and none with doubtful messages: they can still be settled, which needs their rows.
    """
    over = Q(state="finished", finished__lt=before) | Q(state="cancelled", changed__lt=before)
    rows = Campaign.objects.filter(over, list=list_id, unsure=0, pending=0, deferred=0)
    return rows.filter(edition__chunks__isnull=False).distinct().defer(*large()).order_by("pk")


def unsettled(list_id: int, before: datetime) -> int:
    """How many campaigns ended before then and stay, for somebody has yet to settle their doubtful messages."""
    return Campaign.objects.filter(state="finished", finished__lt=before, list=list_id, unsure__gt=0).count()


def rows_of(campaigns: Any) -> int:
    """How many deliveries these campaigns hold: their books without what is folded."""
    held = campaigns.aggregate(sum=Sum("frozen"))["sum"] or 0
    gone = (
        DeliveryArchiveTotal.objects.filter(edition__campaign__in=campaigns.values("pk")).aggregate(sum=Sum("count"))[
            "sum"
        ]
        or 0
    )
    return int(held - gone)


def fold(campaign: Campaign, now: datetime, stop: Callable[[], bool] = lambda: False) -> int:
    """Folds an ended campaign until `stop()`; how many deliveries. May be repeated; a second one does nothing."""
    edition = Edition.objects.filter(campaign=campaign).first()
    if edition is None:
        return 0
    folded = 0
    for chunk in [*Chunk.objects.filter(edition=edition).order_by("pk").values_list("pk", flat=True)]:
        if stop():
            return folded
        folded += _fold_chunk(campaign, edition, chunk, now)
    with transaction.atomic():
        if not _over(campaign) or Chunk.objects.filter(edition=edition).exists():
            return folded
        # What servers said to single readers went with the reader; the totals by route and provider stay.
        SmtpReply.objects.filter(edition=edition).delete()
        if folded:
            record("campaign.recipients_deleted", campaign.organization, now=now, about=campaign.pk)
    return folded


def _over(campaign: Campaign) -> bool:
    """Under a lock: settling and cancelling take the campaign's row, too."""
    rows = Campaign.objects.select_for_update().filter(pk=campaign.pk, state__in=("finished", "cancelled"))
    return (
        rows.filter(unsure=0, pending=0, deferred=0).exists()
        and not Retry.objects.filter(edition__campaign=campaign).exists()
    )


def _fold_chunk(campaign: Campaign, edition: Edition, chunk_id: int, now: datetime) -> int:
    with transaction.atomic():
        if not _over(campaign):
            return 0
        chunk = Chunk.objects.select_for_update().filter(pk=chunk_id, state=Chunk.DONE).first()
        if chunk is None:
            return 0
        numbers = unpack_numbers(bytes(chunk.numbers))
        # A retry chunk holds people of others again: their deliveries go with the chunk that owed them.
        fates = Counter[int]() if chunk.retry else _take(edition, numbers)
        for state, count in sorted(fates.items()):
            _add(edition, state, count, now)
        chunk.delete()
    return fates.total()


def _take(edition: Edition, numbers: Sequence[int]) -> Counter[int]:
    fates: Counter[int] = Counter()
    for at in range(0, len(numbers), _SLICE):
        rows = Delivery.objects.filter(edition=edition, number__in=numbers[at : at + _SLICE])
        fates.update(rows.values_list("state", flat=True))
        rows.delete()
    # Owed and never answered cannot be in one that is over; if it is, the books must show it.
    if missing := len(numbers) - fates.total():
        fates[State.PENDING] += missing
    return fates


def _add(edition: Edition, state: int, count: int, now: datetime) -> None:
    day = now.astimezone(UTC).date()
    row, created = DeliveryArchiveTotal.objects.get_or_create(
        edition=edition, state=state, defaults={"count": count, "day": day}
    )
    if not created:
        DeliveryArchiveTotal.objects.filter(edition=edition, state=state).update(count=F("count") + count, day=day)
