"""Addresses the organisation never writes to, by blind index alone."""

from datetime import UTC, date, datetime
from typing import Any

from django.db import transaction

from samizdat import dialect
from samizdat.audience import settling
from samizdat.audience.models import SUPPRESSION_REASONS, Subscriber, Suppression
from samizdat.core import address as addresses
from samizdat.events.actions import record
from samizdat.vault import house
from samizdat.vault.house import OrganisationKeys


def suppress(
    organisation: Any,
    reason: str,
    *,
    subscriber: Subscriber | None = None,
    address: str | None = None,
    now: datetime,
    by: Any = None,
) -> bool:
    """Never write to this address again. `reason` of SUPPRESSION_REASONS. False when it was suppressed for it already.

    The address need not be a subscriber's. Errors: BadAddress, NoSuchSubscriber.
    """
    assert reason in SUPPRESSION_REASONS
    keys = house.keys(organisation)
    with transaction.atomic():
        row = _row(organisation, keys, subscriber, address)
        blinds = _blinds(keys, row, address)
        if Suppression.objects.filter(organisation=organisation, blind__in=blinds, reason=reason).exists():
            return False
        keep_suppression(organisation, keys, blinds[0], reason, now.astimezone(UTC).date())
        if row is not None:
            settling.settle(row, now)
        about = row.id if row else None
        record("subscriber.suppressed", organisation, about=about, by=by, now=now, detail={"reason": reason})
    return True


def lift(
    organisation: Any,
    reason: str,
    *,
    subscriber: Subscriber | None = None,
    address: str | None = None,
    now: datetime,
    by: Any = None,
) -> bool:
    """Takes a suppression back. False when there was none. Errors: BadAddress, NoSuchSubscriber."""
    keys = house.keys(organisation)
    with transaction.atomic():
        row = _row(organisation, keys, subscriber, address)
        blinds = _blinds(keys, row, address)
        gone, _ = Suppression.objects.filter(organisation=organisation, blind__in=blinds, reason=reason).delete()
        if not gone:
            return False
        if row is not None:
            settling.settle(row, now)
        about = row.id if row else None
        record("subscriber.unsuppressed", organisation, about=about, by=by, now=now, detail={"reason": reason})
    return True


def keep_suppression(organisation: Any, keys: OrganisationKeys, blind: bytes, reason: str, day: date) -> None:
    dialect.insert_suppressions([(organisation.id, blind, keys.index_version, reason, day.isoformat())])


def _row(
    organisation: Any, keys: OrganisationKeys, subscriber: Subscriber | None, address: str | None
) -> Subscriber | None:
    if subscriber is not None:
        return settling.lock(subscriber)
    assert address is not None
    return settling.find(organisation, keys, addresses.normalise(address), lock=True)


def _blinds(keys: OrganisationKeys, row: Subscriber | None, address: str | None) -> list[bytes]:
    """Under every index key, the current one first."""
    if row is not None:
        return keys.blinds(addresses.comparable(settling.address_of(keys, row)))
    assert address is not None
    return keys.blinds(addresses.comparable(addresses.normalise(address)))
