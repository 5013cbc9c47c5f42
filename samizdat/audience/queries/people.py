"""One subscriber: by address or number, and what is sealed of her."""

from collections.abc import Iterable
from typing import Any

from samizdat import dialect
from samizdat.audience import settling, tagging
from samizdat.audience.models import NUMBER_MASK, Subscriber, Tag, is_number, row_id
from samizdat.core import address as addresses
from samizdat.core import seal
from samizdat.vault import house


def subscriber_at(organisation: Any, address: str) -> Subscriber | None:
    """Who has this address: the whole of it, in any case. Errors: BadAddress."""
    return settling.find(organisation, house.keys(organisation), addresses.normalise(address))


def numbers_at(organisation: Any, comparable: Iterable[str]) -> list[int]:
    """The numbers of those who have one of these addresses (address.comparable); at most 500 at a time."""
    keys = house.keys(organisation)
    blinds = [blind for one in comparable for blind in keys.blinds(one)]
    return [id & NUMBER_MASK for _blind, id, _b, _l in dialect.subscribers_by_blind(organisation.id, blinds)]


def subscriber_numbered(organisation: Any, number: int) -> Subscriber | None:
    if not is_number(number):
        return None
    return Subscriber.objects.filter(organisation=organisation, id=row_id(organisation.id, number)).first()


def address_of(subscriber: Subscriber) -> str:
    return settling.address_of(house.keys(subscriber.organisation), subscriber)


def values_of(subscriber: Subscriber) -> dict[str, str]:
    """Field tag -> text for every field of the organisation, "" where she has none; EMAIL is her address."""
    keys = house.keys(subscriber.organisation)
    held = settling.values_of(keys, subscriber)
    values = {"EMAIL": held[seal.ADDRESS]}
    for tag, (number, _label, _default) in tagging.all_fields(subscriber.organisation, keys).items():
        values[tag] = held.get(number, "")
    return values


def tag_names(organisation: Any, ids: list[int]) -> dict[int, list[str]]:
    keys = house.keys(organisation)
    pairs = dialect.tags_of(ids)
    rows = Tag.objects.filter(organisation=organisation, id__in={tag for _, tag in pairs}, removed=False)
    names = {tag.id: tagging.tag_name(keys, tag) for tag in rows}
    found: dict[int, list[str]] = {}
    for subscriber, tag in pairs:
        if tag in names:
            found.setdefault(subscriber, []).append(names[tag])
    return {subscriber: sorted(held, key=str.casefold) for subscriber, held in found.items()}
