"""Sign-ups that wait for their confirmation: rows of their own, alike for everybody.

Anyone can type an address into a form and copy the database later. So a sign-up is a row with a number and a blind
index of its own, whether or not somebody here has that address, and it goes when its week is over: the copy doesn't
tell who subscribes, or which row is theirs. Only the confirmation makes it the subscriber of the address, or a part of
the one who is there.
"""

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime

from django.db import transaction

from samizdat.accounts.models import Organization
from samizdat.audience import consent_records, consent_writer, open_signups, sql
from samizdat.audience.consent_writer import ConsentFactRow
from samizdat.audience.models import SUBSCRIBED, List, Subscriber, Subscription
from samizdat.core import consent
from samizdat.core.crypto import seal
from samizdat.core.mail import address as addresses
from samizdat.events.actions import record
from samizdat.vault import keyring
from samizdat.vault.keyring import OrganizationKeys

_ASKED = (open_signups.ASKED, open_signups.FORM)


def at(organization: Organization, address: str) -> Subscriber | None:
    """The unconfirmed sign-up of this address: the whole of it, in any case. Errors: BadAddress."""
    return consent_writer.find(organization, keyring.keys(organization), addresses.normalize(address), waiting=True)


def twin(keys: OrganizationKeys, row: Subscriber) -> Subscriber | None:
    """The other row of the same address, held until the transaction ends: of a sign-up the subscriber, and
    of a subscriber the sign-up."""
    values = consent_writer.values_of(keys, row)
    waiting = seal.WAITING not in values
    return consent_writer.find(row.organization, keys, values[seal.ADDRESS], lock=True, waiting=waiting)


def promote(subscriber: Subscriber, now: datetime) -> Subscriber:
    """The mailbox of a sign-up has spoken: the subscriber that it is from now on, with what was asked for. Who is one
    already stays as they are. Errors: NoSuchSubscriber."""
    with transaction.atomic():
        row = consent_writer.lock(subscriber)
        keys = keyring.held_for_index(keyring.keys(row.organization))
        values = consent_writer.values_of(keys, row)
        if seal.WAITING not in values:
            return row
        there = consent_writer.find(row.organization, keys, values[seal.ADDRESS], lock=True)
        if there is not None:
            _merge(keys, row, there, now)
            return there
        del values[seal.WAITING]
        row.email_index = keys.blind(addresses.comparable(values[seal.ADDRESS]))
        row.index_version = keys.index_version
        row.save(update_fields=["email_index", "index_version"])
        consent_writer.reseal(row, values)
        consent_writer.settle(row, now)
        return row


def is_answered(row: Subscriber, list: List) -> bool:
    """Of a sign-up: whether who has its address gets this list already, said no since, or is suppressed. Then nobody is
    reminded of it."""
    keys = keyring.keys(row.organization)
    values = consent_writer.values_of(keys, row)
    if seal.WAITING not in values:
        return False
    if consent_writer.suppressed(row.organization_id, keys.blinds(addresses.comparable(values[seal.ADDRESS]))):
        return True
    there = consent_writer.find(row.organization, keys, values[seal.ADDRESS])
    if there is None:
        return False
    gets_it = Subscription.objects.filter(subscriber=there, list=list, status=SUBSCRIBED).exists()
    return gets_it or not any(asked == list.id for asked, _purpose, _blob in _unanswered(row, there))


def _merge(keys: OrganizationKeys, row: Subscriber, there: Subscriber, now: datetime) -> None:
    """What was asked for, and no no has answered since, becomes a record of the subscriber; the sign-up's row goes."""
    asked = [*_unanswered(row, there)]
    lists = List.objects.in_bulk({list_id for list_id, _purpose, _blob in asked})
    facts: dict[str, list[ConsentFactRow]] = defaultdict(list)  # By when it was: all that one form asked for together.
    for list_id, purpose, blob in asked:
        words = seal.unpack(keys.open(blob, *consent_records.RECORD, row.number))
        fact = ConsentFactRow("asked", "form", lists[list_id], words, consent.PURPOSES[purpose])
        facts[words[consent.AT]].append(fact)
    for moment, some in facts.items():
        consent_writer.write(there, some, now, sent_at=datetime.fromisoformat(moment))
    consent_writer.retag(there, consent_writer.tags_of(row))
    consent_writer.remove(row)
    record("subscriber.merged", row.organization, about=row.id, now=now)


def _unanswered(row: Subscriber, there: Subscriber) -> Iterator[tuple[int, int, bytes]]:
    """(list, purpose, what is sealed of it) of the records of a sign-up after which the subscriber at its address said
    no no: in the order of core/consent, by day and by number."""
    noes = [record for _id, record in sql.consent_of([there.id]) if record[2] in consent_records.NO]
    for _id, (number, list_id, kind, purpose, way, day), blob in sql.consent_with_words([row.id]):
        if (kind, way) != _ASKED or not blob or list_id is None:
            continue
        about = [no for no in noes if no[1] in (None, list_id) and no[3] in (consent_records.NEWSLETTER, purpose)]
        if not any((no[5], no[0]) > (day, number) for no in about):
            yield list_id, purpose, blob
