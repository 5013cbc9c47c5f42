"""One subscriber: by address or number, and what is sealed of them."""

from collections.abc import Iterable
from typing import NamedTuple

from samizdat.accounts.models import Organization
from samizdat.audience import consent_writer, sql, tags_and_fields, waiting
from samizdat.audience.models import NUMBER_MASK, Subscriber, Tag, is_number, row_id
from samizdat.audience.sealed_subscribers import SealedSubscriber
from samizdat.core.crypto import seal
from samizdat.core.mail import address as addresses
from samizdat.vault import keyring


def subscriber_at(organization: Organization, address: str) -> Subscriber | None:
    """Who has this address, or else the sign-up with it that waits for its confirmation: the whole of it, in any case.
    Errors: BadAddress."""
    known = consent_writer.find(organization, keyring.keys(organization), addresses.normalize(address))
    return known or waiting.at(organization, address)


def numbers_at(organization: Organization, comparable: Iterable[str]) -> list[int]:
    """The numbers of those who have one of these addresses (address.comparable); at most 500 at a time."""
    return [id & NUMBER_MASK for id in consent_writer.found_at(organization, keyring.keys(organization), comparable)]


def subscriber_numbered(organization: Organization, number: int) -> Subscriber | None:
    if not is_number(number):
        return None
    return Subscriber.objects.filter(id=row_id(organization.id, number)).first()


class NumberedSubscriber(NamedTuple):
    """A SealedSubscriber without an object of the ORM, which takes longer to make than to read."""

    organization: Organization
    id: int
    sealed: bytes
    provider: int

    @property
    def number(self) -> int:
        return self.id & NUMBER_MASK


def subscribers_numbered(organization: Organization, numbers: Iterable[int]) -> dict[int, NumberedSubscriber]:
    """Of many at once, by number; without those who are not here."""
    rows = sql.numbered_subscribers(organization.id, [row_id(organization.id, number) for number in numbers])
    return {id & NUMBER_MASK: NumberedSubscriber(organization, id, blob, provider) for id, blob, provider in rows}


def address_of(subscriber: SealedSubscriber) -> str:
    return consent_writer.address_of(keyring.keys(subscriber.organization), subscriber)


def mailbox_of(subscriber: Subscriber) -> str:
    """Their address, to write to it. Errors: NoSuchSubscriber where it is not that of their index."""
    return consent_writer.mailbox_of(keyring.keys(subscriber.organization), subscriber)


def values_of(subscriber: Subscriber) -> dict[str, str]:
    """Field tag -> text for every field of the organization, "" where they have none; EMAIL is their address."""
    keys = keyring.keys(subscriber.organization)
    held = consent_writer.values_of(keys, subscriber)
    values = {"EMAIL": held[seal.ADDRESS]}
    for tag, (number, _label, _default) in tags_and_fields.all_fields(subscriber.organization, keys).items():
        values[tag] = held.get(number, "")
    return values


def tag_names(organization: Organization, ids: list[int]) -> dict[int, list[str]]:
    keys = keyring.keys(organization)
    pairs = sql.tags_of(ids)
    rows = Tag.objects.filter(organization=organization, id__in={tag for _, tag in pairs}, removed=False)
    names = {tag.id: tags_and_fields.tag_name(keys, tag) for tag in rows}
    by_subscriber: dict[int, list[str]] = {}
    for subscriber, tag in pairs:
        if tag in names:
            by_subscriber.setdefault(subscriber, []).append(names[tag])
    return {subscriber: sorted(held, key=str.casefold) for subscriber, held in by_subscriber.items()}
