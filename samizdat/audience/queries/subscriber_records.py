"""Subscribers as programs read them: all that is kept of each, but for notes and consent, many at a time."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date

from samizdat.accounts.models import Organization
from samizdat.audience import consent_writer, sealed_subscribers, tags_and_fields
from samizdat.audience.models import STATUSES, Subscriber, Subscription, row_id
from samizdat.audience.queries.subscribers import tag_names
from samizdat.core import consent
from samizdat.core.crypto import seal
from samizdat.core.mail.address import normalize
from samizdat.vault import keyring


@dataclass(frozen=True, slots=True)
class SubscriptionRecord:
    """status of STATUSES; verdict of consent.REASONS: whether they get mail of this list, and why not."""

    list_id: int
    status: str
    since: date
    verdict: str


@dataclass(frozen=True, slots=True)
class SubscriberRecord:
    """fields: tag -> text, of those that hold something."""

    number: int
    address: str
    language: str
    joined: date
    fields: dict[str, str]
    tags: list[str]
    lists: list[SubscriptionRecord]


def records(
    organization: Organization, numbers: Iterable[int], among: Collection[int] | None = None
) -> list[SubscriberRecord]:
    """Those who are here, in this order. among: with these lists alone, and of those on one of them alone."""
    keys = keyring.keys(organization)
    ids = [row_id(organization.id, number) for number in numbers]
    people = Subscriber.objects.in_bulk(ids)
    tags = tag_names(organization, ids)
    names = {number: tag for tag, (number, *_more) in tags_and_fields.all_fields(organization, keys).items()}
    open_blob = sealed_subscribers.opener(keys).open
    standings: dict[int, list[SubscriptionRecord]] = {}
    rows = Subscription.objects.filter(subscriber__in=ids, list__organization=organization).order_by("list_id")
    for row in rows if among is None else rows.filter(list__in=among):
        standing = SubscriptionRecord(row.list_id, STATUSES[row.status], row.since, consent.REASONS[row.mail_verdict])
        standings.setdefault(row.subscriber_id, []).append(standing)
    here = []
    for person in (people[id] for id in ids if id in people and (among is None or id in standings)):
        held = seal.unpack(open_blob(bytes(person.sealed), person.number))
        if seal.WAITING in held:
            continue  # A sign-up that nobody confirmed is no subscriber yet.
        fields = {names[number]: text for number, text in held.items() if number in names}
        lists = standings.get(person.id, [])
        here.append(
            SubscriberRecord(
                person.number,
                held[seal.ADDRESS],
                person.language,
                person.joined,
                fields,
                tags.get(person.id, []),
                lists,
            )
        )
    return here


def number_at(organization: Organization, address: str) -> int | None:
    """Of who has this address; a sign-up that waits counts for nobody. Errors: BadAddress."""
    row = consent_writer.find(organization, keyring.keys(organization), normalize(address))
    return None if row is None else row.number
