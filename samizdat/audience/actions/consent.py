"""She confirms, leaves, and takes her leaving back: facts, and what they come to."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db import transaction

from samizdat import dialect
from samizdat.audience import facts, settling
from samizdat.audience.models import STATUSES, UNSUBSCRIBED, List, Subscriber, Subscription, Suppression, row_id
from samizdat.audience.settling import Fact
from samizdat.core import consent
from samizdat.events.actions import record
from samizdat.vault import house

# What her own confirmation lifts: the mailbox answered, and she asked for it. What a person of the organisation
# decided stays until a person lifts it.
LIFTED_BY_HER = ("bounce", "complaint", "erased")

type Verdict = consent.Yes | consent.No


def confirm(
    subscriber: Subscriber, list: List, *, now: datetime, way: str = "form", by: Any = None, wording: str = ""
) -> Verdict:
    """She pressed the link in our letter, or answered it. The verdict afterwards. Errors: NoSuchSubscriber."""
    with transaction.atomic():
        row = settling.lock(subscriber)
        blinds = settling.blinds_of(house.keys(row.organisation), row)
        Suppression.objects.filter(
            organisation_id=row.organisation_id, blind__in=blinds, reason__in=LIFTED_BY_HER
        ).delete()
        settling.write(row, [Fact("confirmed", way, list, _words(wording=wording))], now)
        record("subscriber.confirmed", row.organisation, about=row.id, by=by, now=now, detail={"list": list.id})
        return verdict(row, list, now)


def unsubscribe(
    subscriber: Subscriber,
    list: List,
    *,
    now: datetime,
    way: str = "desk",
    by: Any = None,
    reason: str = "",
    letter: str = "",
) -> bool:
    """She leaves this list. False when she had left already: nothing is written twice. Errors: NoSuchSubscriber.

    `letter`: which edition's link it was, `reason`: her own words.
    """
    with transaction.atomic():
        row = settling.lock(subscriber)
        if _status(row, list) in (UNSUBSCRIBED, STATUSES.index("cleaned")):
            return False
        settling.write(row, [Fact("withdrawn", way, list, _words(reason=reason, letter=letter))], now)
        record("subscriber.left", row.organisation, about=row.id, by=by, now=now, detail={"list": list.id, "way": way})
        return True


def undo_unsubscribe(
    subscriber: Subscriber, list: List, *, now: datetime, way: str = "one-click", by: Any = None
) -> bool:
    """Takes the last leaving back: what stood before stands again. False when she had not left."""
    with transaction.atomic():
        row = settling.lock(subscriber)
        if _status(row, list) != UNSUBSCRIBED:
            return False
        settling.write(row, [Fact("returned", way, list)], now)
        record("subscriber.returned", row.organisation, about=row.id, by=by, now=now, detail={"list": list.id})
        return True


def settle_again(organisation: Any, numbers: Iterable[int], *, now: datetime) -> int:
    """Puts right what checking.check_projections() found wrong; how many were still here."""
    mended = 0
    for number in numbers:
        with transaction.atomic():
            row = Subscriber.objects.select_for_update().filter(id=row_id(organisation.id, number)).first()
            if row is not None:
                settling.settle(row, now)
                record("subscriber.settled", organisation, about=row.id, now=now)
                mended += 1
    return mended


def verdict(subscriber: Subscriber, list: List, now: datetime) -> Verdict:
    """May we write to her, with the reason: core/consent over all that is on record."""
    known = facts.records(record for _, record in dialect.consent_of([subscriber.id]))
    blinds = settling.blinds_of(house.keys(subscriber.organisation), subscriber)
    reason = settling.suppressed(subscriber.organisation_id, blinds)
    return consent.may(known, list.id, "newsletter", now, suppressed=reason)


def _status(subscriber: Subscriber, list: List) -> int | None:
    return Subscription.objects.filter(subscriber=subscriber, list=list).values_list("status", flat=True).first()


def _words(wording: str = "", reason: str = "", letter: str = "") -> dict[int, str]:
    words = {consent.WORDING: wording, consent.REASON: reason, consent.LETTER: letter}
    return {number: text for number, text in words.items() if text}
