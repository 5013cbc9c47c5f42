"""She wants no mail, from no list: an objection (GDPR, article 21(2) and (3)). It is absolute and needs no reason."""

from datetime import UTC, datetime
from typing import Any

from django.db import transaction

from samizdat.audience import settling
from samizdat.audience.actions.suppress import keep_suppression, suppress
from samizdat.audience.models import Subscriber, Suppression
from samizdat.audience.settling import Fact
from samizdat.core import address as addresses
from samizdat.core import consent
from samizdat.events.actions import record
from samizdat.vault import house


def object_to_mail(
    organisation: Any,
    *,
    subscriber: Subscriber | None = None,
    address: str | None = None,
    reason: str = "",
    now: datetime,
    by: Any = None,
) -> bool:
    """Nothing is written to her any more, for any purpose; only her own confirmation takes it back.

    A record for each purpose, and a suppression that outlives her row. `reason`: her words, sealed. False when she had
    objected already. An address that is nobody's is suppressed all the same. Errors: BadAddress, NoSuchSubscriber.
    """
    keys = house.keys(organisation)
    with transaction.atomic():
        if subscriber is not None:
            row: Subscriber | None = settling.lock(subscriber)
        else:
            assert address is not None
            row = settling.find(organisation, keys, addresses.normalise(address), lock=True)
        if row is None:
            return suppress(organisation, "objected", address=address, now=now, by=by)
        blinds = keys.blinds(addresses.comparable(settling.address_of(keys, row)))
        known = Suppression.objects.filter(organisation=organisation, blind__in=blinds, reason="objected")
        if known.exists():
            return False
        keep_suppression(organisation, keys, blinds[0], "objected", now.astimezone(UTC).date())
        words = {consent.REASON: reason.strip()} if reason.strip() else {}
        told = [Fact("objected", "desk", None, words, purpose) for purpose in consent.PURPOSES]
        settling.write(row, told, now)
        record("subscriber.objected", organisation, about=row.id, by=by, now=now)
    return True
