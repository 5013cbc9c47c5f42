"""Sign-ups that nobody confirmed are forgotten: somebody typed an address in, and its owner never said yes."""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.db import transaction

from samizdat import dialect
from samizdat.audience import facts, settling
from samizdat.audience.actions.consent import verdict
from samizdat.audience.models import PENDING, ConsentRecord, List, Subscriber, Subscription, row_id
from samizdat.audience.totals import Totals
from samizdat.core import consent
from samizdat.events.actions import record

# Days a sign-up waits for its confirmation; the page says seven, a day more for time zones and slow mail.
CONFIRM_DAYS = 8

# Subscribers of one transaction.
PAGE = 100

_ASKED, _FORM = consent.KINDS.index("asked"), consent.WAYS.index("form")


def last_day(now: datetime) -> date:
    """Sign-ups of earlier days have had their time."""
    return (now.astimezone(UTC) - timedelta(days=CONFIRM_DAYS)).date()


def forget_unconfirmed(list: List, after: int, now: datetime) -> tuple[int, int | None]:
    """One page of a list's unconfirmed sign-ups, beyond subscriber row `after`: how many were forgotten, and the row
    to go on from; None at the end.

    Only what came by a form: pending ones of an import were asked by somebody else, and stay. Of somebody who is
    known otherwise this sign-up alone is forgotten; somebody who is not goes whole, and may sign up again.
    """
    rows = Subscription.objects.filter(
        list=list, status=PENDING, subscriber__gt=max(after, row_id(list.organisation_id, 0)), since__lt=last_day(now)
    )
    ids = [*rows.order_by("subscriber_id").values_list("subscriber_id", flat=True)[:PAGE]]
    forgotten = 0
    if ids:
        with transaction.atomic():
            dialect.lock_subscribers(ids)
            forgotten = _forget(list, _expired(list, ids, now), now)
    return forgotten, ids[-1] if len(ids) == PAGE else None


def waits(list: List, subscriber: Subscriber, day: date, now: datetime) -> bool:
    """Whether her sign-up of that day may still be confirmed: nothing has answered it, it is of the last days, and
    she is not written to anyway. Who left, or whose mail came back, stays that until then."""
    asks = day >= last_day(now) and asked(list, subscriber, day, now)
    return asks and not isinstance(verdict(subscriber, list, now), consent.Yes)


def asked(list: List, subscriber: Subscriber, day: date, now: datetime) -> bool:
    """Whether a sign-up of that day is on record, and nothing has answered it since."""
    records = facts.records(known for _id, known in dialect.consent_of([subscriber.id]))
    return day in consent.asked_on(records, list.id, now)


def _asked(list: List, ids: Iterable[int]) -> dict[int, Sequence[tuple[tuple[int, int], str]]]:
    """((kind, way), day) of their records about this list, in the order of writing."""
    held: dict[int, Any] = {id: [] for id in ids}
    for id, (_number, list_id, kind, _purpose, way, day) in dialect.consent_of([*held]):
        if list_id in (list.id, None):
            held[id].append(((kind, way), day))
    return held


def _expired(list: List, ids: Iterable[int], now: datetime) -> Sequence[int]:
    """Of these, those whose records about this list are sign-ups by a form, and none of them fresh."""
    first = last_day(now).isoformat()
    ids = [
        *Subscription.objects.filter(list=list, status=PENDING, subscriber__in=ids).values_list(
            "subscriber_id", flat=True
        )
    ]
    return [
        id
        for id, found in sorted(_asked(list, ids).items())
        if found and all(what == (_ASKED, _FORM) and day < first for what, day in found)
    ]


def _forget(list: List, ids: Sequence[int], now: datetime) -> int:
    known = _known_otherwise(list, ids)
    for row in Subscriber.objects.select_related("organisation").filter(id__in=ids).order_by("id"):
        if row.id in known:
            _forget_the_sign_up(list, row)
        else:
            settling.remove(row)
        record("subscriber.forgotten", row.organisation, about=row.id, now=now, detail={"list": list.id})
    return len(ids)


def _known_otherwise(list: List, ids: Sequence[int]) -> set[int]:
    """Those who are on another list, or were asked or told anything beside this sign-up."""
    elsewhere = Subscription.objects.filter(subscriber__in=ids).exclude(list=list)
    told = {id for id, known in dialect.consent_of(ids) if known[1] != list.id}
    return told | {*elsewhere.values_list("subscriber_id", flat=True)}


def _forget_the_sign_up(list: List, row: Subscriber) -> None:
    tags = settling.tags_of(row)
    totals = Totals()
    totals.move({list.id: PENDING}, tags, {}, tags)
    totals.write()
    Subscription.objects.filter(subscriber=row, list=list).delete()
    # The record keeps its place in the chain and loses its words.
    ConsentRecord.objects.filter(subscriber=row, list=list).update(blob=b"")
