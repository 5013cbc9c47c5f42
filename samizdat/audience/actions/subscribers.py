"""Subscribers: added, changed, tagged, erased."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from django.db import transaction

from samizdat import dialect
from samizdat.audience import settling, tagging
from samizdat.audience.actions.suppress import keep_suppression
from samizdat.audience.actions.wordings import words_of
from samizdat.audience.errors import AddressErased, NoSuchSubscriber, NotAReader
from samizdat.audience.models import PENDING, SUBSCRIBED, List, Subscriber, Subscription
from samizdat.audience.settling import Fact
from samizdat.core import address as addresses
from samizdat.core import consent, seal
from samizdat.core.consent import APPEALS
from samizdat.events.actions import record
from samizdat.vault import house
from samizdat.vault.house import OrganisationKeys


def add_subscriber(
    organisation: Any,
    address: str,
    list: List,
    *,
    consent: str,
    now: datetime,
    way: str = "desk",
    by: Any = None,
    values: Mapping[str, str] | None = None,
    tags: Iterable[str] = (),
    language: str = "",
    purpose: str = "newsletter",
) -> Subscriber:
    """Adds one who has agreed, in the words of `consent`; one who is here already agrees anew. To one purpose: who
    agreed to letters has not agreed to appeals for money, and those go to readers of the list.

    Errors: BadAddress, AddressErased, NotAReader.
    """
    keys = house.keys(organisation)
    with transaction.atomic():
        if purpose == APPEALS and not _reads(organisation, keys, address, list):
            raise NotAReader
        row = _there(organisation, keys, address, values or {}, language, now, way, erased_may=False)
        settling.write(row, [Fact("given", way, list, _wording(list, consent, way, purpose), purpose)], now)
        # Afterwards: totals of lists are held before those of tags everywhere, so that two writers never wait for each
        # other.
        settling.retag(row, add=tagging.tags_for(organisation, keys, tags).values() if tags else ())
        record("subscriber.added", organisation, about=row.id, by=by, now=now, detail={"list": list.id})
    return row


def _reads(organisation: Any, keys: OrganisationKeys, address: str, list: List) -> bool:
    """Whether she gets the letters of a list, or will once she confirms."""
    known = settling.find(organisation, keys, addresses.normalise(address))
    return (
        known is not None
        and Subscription.objects.filter(subscriber=known, list=list, status__in=(SUBSCRIBED, PENDING)).exists()
    )


def sign_up(
    organisation: Any,
    address: str,
    list: List,
    *,
    wording: str,
    now: datetime,
    way: str = "form",
    values: Mapping[str, str] | None = None,
    language: str = "",
    appeals: str | None = None,
) -> Subscriber:
    """Somebody typed this address into a form: asked, until she confirms. An erased address may. Errors: BadAddress.

    `appeals`: the words beside the box for appeals for money, where she ticked it.
    """
    keys = house.keys(organisation)
    with transaction.atomic():
        row = _there(organisation, keys, address, values or {}, language, now, way, erased_may=True)
        told = [Fact("asked", way, list, _wording(list, wording, way))]
        if appeals is not None:
            told.append(Fact("asked", way, list, _wording(list, appeals, way, APPEALS), APPEALS))
        settling.write(row, told, now)
        record("subscriber.asked", organisation, about=row.id, now=now, detail={"list": list.id})
    return row


def change_values(
    subscriber: Subscriber,
    values: Mapping[str, str],
    *,
    now: datetime,
    by: Any = None,
    language: str | None = None,
    notes: str | None = None,
) -> None:
    """Other values for the fields named; an empty one is taken away. Errors: NoSuchSubscriber."""
    organisation = subscriber.organisation
    with transaction.atomic():
        row = settling.lock(subscriber)
        keys = house.keys(organisation)
        numbers = tagging.fields_for(organisation, keys, {tag: tag for tag in values})
        changed = settling.values_of(keys, row) | {numbers[tag]: text for tag, text in values.items()}
        if notes is not None:
            changed[seal.NOTES] = notes
        settling.reseal(row, changed)
        if language is not None:
            Subscriber.objects.filter(id=row.id).update(language=language[:8])
        record("subscriber.changed", organisation, about=row.id, by=by, now=now, detail={"fields": sorted(values)})


def add_tags(subscriber: Subscriber, names: Iterable[str], *, now: datetime, by: Any = None) -> None:
    """Errors: NoSuchSubscriber."""
    _retag(subscriber, names, (), now, by)


def remove_tags(subscriber: Subscriber, names: Iterable[str], *, now: datetime, by: Any = None) -> None:
    """Errors: NoSuchSubscriber."""
    _retag(subscriber, (), names, now, by)


def erase(
    organisation: Any,
    *,
    subscriber: Subscriber | None = None,
    address: str | None = None,
    now: datetime,
    by: Any = None,
) -> bool:
    """Takes away all that is known of her, from the disk too. A keyed mark stays, so that no file brings her back.

    False when the address is not known; the mark is kept all the same. Errors: BadAddress.
    """
    keys = house.keys(organisation)
    with transaction.atomic():
        if subscriber is not None:
            row: Subscriber | None = settling.lock(subscriber)
        else:
            assert address is not None
            row = settling.find(organisation, keys, addresses.normalise(address), lock=True)
        if row is not None:
            erase_locked(row, now)
        else:
            assert address is not None
            blind = keys.blind(addresses.comparable(addresses.normalise(address)))
            keep_suppression(organisation, keys, blind, "erased", now.astimezone(UTC).date())
        record("subscriber.erased", organisation, about=row.id if row else None, by=by, now=now)
        transaction.on_commit(dialect.sweep_after_erasing)
    return row is not None


def erase_locked(row: Subscriber, now: datetime) -> None:
    """Takes a locked subscriber away and keeps the mark. The caller writes the event, which has the disk swept."""
    keys = house.keys(row.organisation)
    blind = keys.blind(addresses.comparable(settling.address_of(keys, row)))
    # One record at least outlives her, so that her number is known to have been used.
    settling.write(row, [Fact("objected", "desk", None)], now)
    settling.remove(row)
    keep_suppression(row.organisation, keys, blind, "erased", now.astimezone(UTC).date())


def _there(
    organisation: Any,
    keys: OrganisationKeys,
    address: str,
    values: Mapping[str, str],
    language: str,
    now: datetime,
    way: str,
    *,
    erased_may: bool,
) -> Subscriber:
    """The locked row of an address, made if it is new; values are added to what she has."""
    address = addresses.normalise(address)
    blinds = keys.blinds(addresses.comparable(address))
    if not erased_may and settling.suppressed(organisation.id, blinds) == "erased":
        raise AddressErased
    numbers = tagging.fields_for(organisation, keys, {tag: tag for tag in values})
    told = {numbers[tag]: text for tag, text in values.items() if text}
    today = now.astimezone(UTC).date()
    row, made = settling.find_or_create(organisation, keys, address, told, language, today, way)
    if told and not made:
        settling.reseal(row, settling.values_of(keys, row) | told)
    return row


def _wording(list: List, text: str, way: str, purpose: str = "newsletter") -> dict[int, str]:
    return {**words_of(list, text, purpose), consent.SOURCE: way}


def _retag(subscriber: Subscriber, add: Iterable[str], remove: Iterable[str], now: datetime, by: Any) -> None:
    organisation = subscriber.organisation
    with transaction.atomic():
        row = settling.lock(subscriber)
        keys = house.keys(organisation)
        added = tagging.tags_for(organisation, keys, add)
        gone = tagging.known_tags(organisation, keys, remove)
        if settling.retag(row, added.values(), gone.values()):
            record("subscriber.tagged", organisation, about=row.id, by=by, now=now)


__all__ = ["NoSuchSubscriber", "add_subscriber", "add_tags", "change_values", "erase", "remove_tags", "sign_up"]
