"""Subscribers: added, changed, tagged, erased."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from django.db import transaction

from samizdat.accounts.models import Organization, Person
from samizdat.audience import consent_writer, sql, tags_and_fields, value_limit, waiting
from samizdat.audience.actions.suppressions import keep_suppression
from samizdat.audience.consent_texts import words_of
from samizdat.audience.consent_writer import ConsentFactRow
from samizdat.audience.errors import AddressErased, NoSuchSubscriber, NotAReader, TooManyRecords, TooManyTags
from samizdat.audience.limits import TAGS_EACH
from samizdat.audience.list_details import insist_open
from samizdat.audience.models import PENDING, SUBSCRIBED, List, Subscriber, Subscription
from samizdat.core import consent
from samizdat.core.consent import APPEALS
from samizdat.core.crypto import seal
from samizdat.core.mail import address as addresses
from samizdat.events.actions import record
from samizdat.vault import keyring
from samizdat.vault.keyring import OrganizationKeys


def add_subscriber(
    organization: Organization,
    address: str,
    list: List,
    *,
    consent: str,
    now: datetime,
    way: str = "desk",
    by: Person | None = None,
    values: Mapping[str, str] | None = None,
    tags: Iterable[str] = (),
    language: str = "",
    purpose: str = "newsletter",
) -> Subscriber:
    """Adds one who has agreed, in the words of `consent`; one who is here already agrees anew. To one purpose: who
    agreed to letters has not agreed to appeals for money, and those go to readers of the list.

    Errors: BadAddress, AddressErased, ListArchived, NotAReader, TooManyRecords, TooManyTags, TooMuchText.
    """
    insist_open(list)
    keys = keyring.keys(organization)
    with transaction.atomic():
        if purpose == APPEALS and not _reads(organization, keys, address, list):
            raise NotAReader
        row = _there(organization, keys, address, values or {}, language, now, way, by=by)
        if consent_writer.is_full(row):
            raise TooManyRecords
        consent_writer.write(
            row, [ConsentFactRow("given", way, list, _wording(list, consent, way, purpose), purpose)], now
        )
        # Afterwards: totals of lists are held before those of tags everywhere, so that two writers never wait for each
        # other.
        consent_writer.retag(row, add=tags_and_fields.tags_for(organization, keys, tags).values() if tags else ())
        record("subscriber.added", organization, about=row.id, by=by, now=now, detail={"list": list.id})
    return row


def _reads(organization: Organization, keys: OrganizationKeys, address: str, list: List) -> bool:
    """Whether they get the letters of a list, or will once they confirm."""
    known = consent_writer.find(organization, keys, addresses.normalize(address))
    return (
        known is not None
        and Subscription.objects.filter(subscriber=known, list=list, status__in=(SUBSCRIBED, PENDING)).exists()
    )


def sign_up(
    organization: Organization,
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
    """Somebody typed this address into a form: asked, until they confirm. An erased address may. Errors: BadAddress,
    ListArchived.

    `appeals`: the words beside the box for appeals for money, where they ticked it.
    """
    insist_open(list)
    keys = keyring.keys(organization)
    with transaction.atomic():
        row = _there(organization, keys, address, values or {}, language, now, way, signs_up=True)
        facts = [ConsentFactRow("asked", way, list, _wording(list, wording, way))]
        if appeals is not None:
            facts.append(ConsentFactRow("asked", way, list, _wording(list, appeals, way, APPEALS), APPEALS))
        consent_writer.write(row, facts, now)
        record("subscriber.confirmation_requested", organization, about=row.id, now=now, detail={"list": list.id})
    return row


def change_values(
    subscriber: Subscriber,
    values: Mapping[str, str],
    *,
    now: datetime,
    by: Person | None = None,
    language: str | None = None,
    notes: str | None = None,
) -> None:
    """Other values for the fields named; an empty one is taken away. Errors: NoSuchSubscriber, TooMuchText."""
    organization = subscriber.organization
    with transaction.atomic():
        row = consent_writer.lock(subscriber)
        keys = keyring.keys(organization)
        numbers = tags_and_fields.fields_for(organization, keys, {tag: tag for tag in values})
        changed = consent_writer.values_of(keys, row) | {numbers[tag]: text for tag, text in values.items()}
        if notes is not None:
            changed[seal.NOTES] = notes
        consent_writer.insist_on_room(changed)
        consent_writer.reseal(row, changed)
        if language is not None:
            Subscriber.objects.filter(id=row.id).update(language=language[:8])
        record("subscriber.changed", organization, about=row.id, by=by, now=now, detail={"fields": sorted(values)})
        value_limit.look(organization, now=now, by=by)


def add_tags(subscriber: Subscriber, names: Iterable[str], *, now: datetime, by: Person | None = None) -> None:
    """Errors: NoSuchSubscriber, TooManyTags."""
    _retag(subscriber, names, (), now, by)


def remove_tags(subscriber: Subscriber, names: Iterable[str], *, now: datetime, by: Person | None = None) -> None:
    """Errors: NoSuchSubscriber."""
    _retag(subscriber, (), names, now, by)


def erase(
    organization: Organization,
    *,
    subscriber: Subscriber | None = None,
    address: str | None = None,
    now: datetime,
    by: Person | None = None,
) -> bool:
    """Takes away all that is known of them, from the disk too. A keyed mark stays, so that no file brings them back.

    False when the address is not known; the mark is kept all the same. Errors: BadAddress.
    """
    keys = keyring.keys(organization)
    with transaction.atomic():
        if subscriber is not None:
            row: Subscriber | None = consent_writer.lock(subscriber)
        else:
            assert address is not None
            row = consent_writer.find(organization, keys, addresses.normalize(address), lock=True)
            row = row or consent_writer.find(organization, keys, addresses.normalize(address), lock=True, waiting=True)
        if row is not None:
            erase_locked(row, now)
        else:
            assert address is not None
            keep_suppression(organization, keys, addresses.normalize(address), "erased", now)
        record("subscriber.erased", organization, about=row.id if row else None, by=by, now=now)
        transaction.on_commit(sql.sweep_after_erasing)
    return row is not None


def erase_locked(row: Subscriber, now: datetime) -> None:
    """Takes a locked subscriber away and keeps the mark. The caller writes the event, which has the disk swept."""
    keys = keyring.keys(row.organization)
    address = consent_writer.address_of(keys, row)
    if (other := waiting.twin(keys, row)) is not None:
        consent_writer.remove(other)
        record("subscriber.erased", row.organization, about=other.id, now=now)
    # One record at least outlives them, so that their number is known to have been used.
    consent_writer.write(row, [ConsentFactRow("objected", "desk", None)], now)
    consent_writer.remove(row)
    keep_suppression(row.organization, keys, address, "erased", now)


def _there(
    organization: Organization,
    keys: OrganizationKeys,
    address: str,
    values: Mapping[str, str],
    language: str,
    now: datetime,
    way: str,
    *,
    signs_up: bool = False,
    by: Person | None = None,
) -> Subscriber:
    """The locked row of an address, made if it is new; values are added to what they have. `signs_up`: that of the
    sign-up which waits for its confirmation; an erased address may."""
    address = addresses.normalize(address)
    blinds = keys.blinds(addresses.comparable(address))
    if not signs_up and consent_writer.suppressed(organization.id, blinds) == "erased":
        raise AddressErased
    numbers = tags_and_fields.fields_for(organization, keys, {tag: tag for tag in values}) if values else {}
    by_number = {numbers[tag]: text for tag, text in values.items() if text}
    today = now.astimezone(UTC).date()
    pending = None if signs_up else consent_writer.find(organization, keys, address, waiting=True)
    if pending is not None:
        waiting.promote(pending, now)  # A teammate adds them: their sign-up waits no longer beside it.
    row, created = consent_writer.find_or_create(
        organization, keys, address, by_number, language, today, way, waiting=signs_up
    )
    if by_number and not created:
        held = consent_writer.values_of(keys, row)
        consent_writer.insist_on_room(held | by_number)
        consent_writer.reseal(row, held | by_number)
        if by is not None and held != held | by_number:
            detail = {"fields": sorted(by_number)}
            record("subscriber.changed", organization, about=row.id, by=by, now=now, detail=detail)
            value_limit.look(organization, now=now, by=by)
    return row


def _wording(list: List, text: str, way: str, purpose: str = "newsletter") -> dict[int, str]:
    return {**words_of(list, text, purpose), consent.SOURCE: way}


def _retag(subscriber: Subscriber, add: Iterable[str], remove: Iterable[str], now: datetime, by: Person | None) -> None:
    organization = subscriber.organization
    with transaction.atomic():
        row = consent_writer.lock(subscriber)
        keys = keyring.keys(organization)
        added = tags_and_fields.tags_for(organization, keys, add)
        gone = tags_and_fields.known_tags(organization, keys, remove)
        if consent_writer.retag(row, added.values(), gone.values()):
            if added and len(consent_writer.tags_of(row)) > TAGS_EACH:
                raise TooManyTags
            record("subscriber.tagged", organization, about=row.id, by=by, now=now)


__all__ = ["NoSuchSubscriber", "add_subscriber", "add_tags", "change_values", "erase", "remove_tags", "sign_up"]
