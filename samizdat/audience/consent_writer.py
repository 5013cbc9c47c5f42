"""One subscriber at a time: find the row, write facts about the subscriber, and bring the projections up to them."""

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

from django.db import IntegrityError, transaction

from samizdat import dbclock
from samizdat.accounts.models import Organization
from samizdat.audience import (
    address_log,
    bulk_insert,
    consent_records,
    emptied_records,
    headcount,
    limits,
    open_signups,
    plaintext_fields,
    sealed_subscribers,
    sql,
)
from samizdat.audience.errors import NoSuchSubscriber, TooMuchText
from samizdat.audience.list_totals import ListTotals
from samizdat.audience.models import (
    NUMBER_MASK,
    UNDONE,
    DataQualityIssue,
    List,
    ReadableValue,
    Subscriber,
    SubscriberTag,
    Subscription,
    Suppression,
    row_id,
)
from samizdat.audience.numbers import one_number
from samizdat.core import consent
from samizdat.core.crypto import seal
from samizdat.core.mail import address as addresses
from samizdat.vault import keyring
from samizdat.vault.keyring import OrganizationKeys


@dataclass(slots=True)
class ConsentFactRow:
    """Something that happened, before it is a record. `words` are sealed: field numbers of core/consent -> text."""

    kind: str
    way: str
    list: List | None
    words: dict[int, str] = field(default_factory=dict)
    purpose: str = "newsletter"


def index_text(address: str, waiting: bool = False) -> str:
    """What the blind index of a (normalized) address is made of. A sign-up that waits for its confirmation has another
    one: it is a row of its own, whoever else has the address (waiting.py)."""
    return f"waiting\0{addresses.comparable(address)}" if waiting else addresses.comparable(address)


def find(
    organization: Organization, keys: OrganizationKeys, address: str, lock: bool = False, waiting: bool = False
) -> Subscriber | None:
    """Who has this (normalized) address, under any index key, as their own sealed address says: whoever writes the
    database without a key puts the index of one person beside another one's row, whose no a yes would then undo.

    `lock`: to write. Then whoever stands under the index without having the address gives it back. `waiting`: their
    unconfirmed sign-up instead."""
    rows = Subscriber.objects.select_for_update() if lock else Subscriber.objects
    wanted, subscriber = index_text(address, waiting), None
    for row in rows.filter(organization=organization, email_index__in=keys.blinds(wanted)).order_by("id"):
        if _index_text(keys, row) == wanted:
            subscriber = subscriber or row
        elif lock:
            put_index_right(keys, row)
    return subscriber


def found_at(organization: Organization, keys: OrganizationKeys, comparable: Iterable[str]) -> list[int]:
    """The rows of those who have one of these addresses (address.comparable), as their sealed ones say."""
    blinds = [blind for address in comparable for blind in keys.blinds(address)]
    ids = [id for _index, id, _blob, _language in sql.subscribers_by_blind(organization.id, blinds)]
    return [id for id, index, own in blinds_among(organization, keys, ids) if index in own]


def put_owners_right(organization: Organization, ids: Sequence[int]) -> None:
    """Puts rows whose number is of this organization beside it again, with an index of nobody: put_index_right() is
    next."""
    for id in sql.of_others(organization.id, ids):
        Subscriber.objects.filter(id=id).update(organization=organization, email_index=os.urandom(16))


def put_index_right(keys: OrganizationKeys, row: Subscriber) -> bool:
    """Gives a locked row the index of its own sealed address. False where another row has that address and index as
    well: then both cannot be found by it. Who stands there by a wrong index loses it, until the next comparison; who
    has an address that the log denies, for good."""
    keys = keyring.held_for_index(keys)
    text = _index_text(keys, row)
    blinds = keys.blinds(text) if text is not None else []
    rows = Subscriber.objects.select_for_update().filter(organization=row.organization_id, email_index__in=blinds)
    is_free = text is not None
    for other in rows.exclude(id=row.id).order_by("id"):
        if _index_text(keys, other) == text:
            is_free = False
        else:
            Subscriber.objects.filter(id=other.id).update(email_index=os.urandom(len(other.email_index)))
    row.email_index = blinds[0] if is_free else os.urandom(len(row.email_index))
    row.index_version = keys.index_version
    row.save(update_fields=["email_index", "index_version"])
    if is_free:
        values = values_of(keys, row)
        if text == index_text(values[seal.ADDRESS]):  # What waited is confirmed.
            values.pop(seal.WAITING, None)
        reseal(row, values)
    return is_free or text is None


def lock(subscriber: Subscriber) -> Subscriber:
    """Their row, held until the transaction ends. Errors: NoSuchSubscriber when they were erased meanwhile."""
    row = Subscriber.objects.select_for_update().filter(id=subscriber.id).first()
    if row is None:
        raise NoSuchSubscriber("This subscriber is not here any more. Look the address up again.")
    return row


def find_or_create(
    organization: Organization,
    keys: OrganizationKeys,
    address: str,
    values: Mapping[int, str],
    language: str,
    today: date,
    way: str = "desk",
    waiting: bool = False,
) -> tuple[Subscriber, bool]:
    """(the locked row, whether it was made now). On PostgreSQL somebody else may make it in this moment: a form is
    confirmed while a colleague writes them down; then that one is theirs."""
    row = find(organization, keys, address, lock=True, waiting=waiting)
    if row is not None:
        return row, False
    try:
        with transaction.atomic():
            return create(organization, keys, address, values, language, today, way, waiting), True
    except IntegrityError:
        row = find(organization, keys, address, lock=True, waiting=waiting)
        if row is None:
            raise
        return row, False


def create(
    organization: Organization,
    keys: OrganizationKeys,
    address: str,
    values: Mapping[int, str],
    language: str,
    today: date,
    way: str = "desk",
    waiting: bool = False,
) -> Subscriber:
    """A new row for a normalized address. `way`: by which they come, of consent.WAYS."""
    number = one_number(organization.id)
    keys = keyring.held_for_index(keys)
    index = keys.blind(index_text(address, waiting))
    row = Subscriber(
        id=row_id(organization.id, number),
        organization=organization,
        email_index=index,
        index_version=keys.index_version,
        provider=addresses.provider(addresses.domain(address)),
        language=language[:8],
        joined=today,
        source=consent.WAYS.index(way),
    )
    held = {**values, seal.ADDRESS: address} | ({seal.WAITING: "1"} if waiting else {})
    row.sealed = sealed_subscribers.sealed(keys, held, number, index)
    row.save(force_insert=True)
    headcount.add(organization.id, 1)
    plaintext_fields.write(row.id, values, plaintext_fields.columns(organization.id, keys))
    return row


def values_of(keys: OrganizationKeys, subscriber: Subscriber) -> dict[int, str]:
    """All that is sealed about them, by field number; seal.ADDRESS is the address."""
    return seal.unpack(sealed_subscribers.opened(keys, subscriber.sealed, subscriber.number))


def address_of(keys: OrganizationKeys, subscriber: sealed_subscribers.SealedSubscriber) -> str:
    return seal.pick(sealed_subscribers.opened(keys, subscriber.sealed, subscriber.number), seal.ADDRESS)


def addresses_of(organization: Organization, keys: OrganizationKeys, ids: Sequence[int]) -> dict[int, str]:
    """address_of() for each of those of them who are here. Errors: seal.SealError."""
    opened = sealed_subscribers.opener(keys).open
    rows = sql.subscribers_at(organization.id, ids)
    return {id: seal.pick(opened(bytes(blob), id & NUMBER_MASK), seal.ADDRESS) for id, blob, *_rest in rows}


def mailbox_of(keys: OrganizationKeys, subscriber: Subscriber) -> str:
    """Where they are written to: their address, where it is that of their index, by which the suppression list is
    asked, and the last that the log has of them. An older blob, or row, has the mailbox that they left. Errors:
    NoSuchSubscriber."""
    values = values_of(keys, subscriber)
    text = index_text(values[seal.ADDRESS], seal.WAITING in values)
    if bytes(subscriber.email_index) not in keys.blinds(text) or has_older_address(keys, subscriber, values):
        raise NoSuchSubscriber(
            "The address of this subscriber was altered in the database. Compare subscriptions first."
        )
    return values[seal.ADDRESS]


def has_older_address(keys: OrganizationKeys, subscriber: Subscriber, values: Mapping[int, str]) -> bool:
    """Whether what is sealed of them has an address that they had before, as the log says."""
    return bool(address_log.denied(keys, {subscriber.id: values[seal.ADDRESS]}))


def _index_text(keys: OrganizationKeys, subscriber: Subscriber) -> str | None:
    """What the blind index of a subscriber is made of; None where nothing opens, or an address that they had before."""
    try:
        values = values_of(keys, subscriber)
    except seal.SealError:
        return None
    if has_older_address(keys, subscriber, values):
        return None
    return index_text(values[seal.ADDRESS], seal.WAITING in values and not _who_agreed([subscriber.id]))


def _who_agreed(ids: Sequence[int]) -> set[int]:
    """Of these, by whose blob they wait for their confirmation, those with a yes on record: it is an older one, whose
    index is on no suppression list."""
    known = consent_records.believed(sql.digested_consent_of(ids))
    return {id for id, entry in known if entry[2] in consent_records.YES}


def blinds_of(keys: OrganizationKeys, subscriber: Subscriber) -> list[bytes]:
    """Their blind index under every key, by the sealed address: what stands beside it is believed where that does not
    open alone."""
    text = _index_text(keys, subscriber)
    return [bytes(subscriber.email_index)] if text is None else keys.blinds(text)


def blinds_among(
    organization: Organization, keys: OrganizationKeys, ids: Sequence[int]
) -> Iterator[tuple[int, bytes, list[bytes]]]:
    """(subscriber, the index that stands there, blinds_of) of those of them who are here."""
    for id, index, text, _is_marked in indexes_among(organization, keys, ids):
        yield id, index, [index] if text is None else keys.blinds(text)


def indexes_among(
    organization: Organization, keys: OrganizationKeys, ids: Sequence[int]
) -> list[tuple[int, bytes, str | None, bool]]:
    """(subscriber, the index that stands there, what it is made of, whether it is sealed with their values) of those of
    them who are here; None where nothing opens, or an address that they had before."""
    opened, plains = sealed_subscribers.opener(keys).open_with_tail, dict[int, tuple[bytes, bytes]]()
    here = sql.subscribers_at(organization.id, ids)
    for id, blob, *_rest in here:
        with contextlib.suppress(seal.SealError):
            plains[id] = opened(bytes(blob), id & NUMBER_MASK)
    held = {id: seal.pick(plain, seal.ADDRESS) for id, (plain, _mark) in plains.items()}
    for id in address_log.denied(keys, held):
        del held[id]
    waiting = {id for id in held if seal.pick(plains[id][0], seal.WAITING)}
    waiting -= _who_agreed([*waiting]) if waiting else set()
    texts = {id: index_text(text, id in waiting) for id, text in held.items()}
    return [
        (id, bytes(index), texts.get(id), id not in plains or bytes(index).startswith(plains[id][1]))
        for id, _blob, _language, _joined, index in here
    ]


def suppressed(organization_id: int, blinds: Sequence[bytes]) -> str | None:
    """The foremost reason for which an address is suppressed."""
    rows = Suppression.objects.filter(organization_id=organization_id, email_index__in=list(blinds))
    return consent_records.foremost(rows.values_list("reason", flat=True))


def write(
    subscriber: Subscriber,
    facts: Iterable[ConsentFactRow],
    now: datetime,
    sent_at: datetime | None = None,
    known: consent_records.GenuineConsent | None = None,
) -> None:
    """Writes facts about a locked subscriber and settles what follows from them, as of `now`. Of whoever has
    limits.RECORDS of them already only what ends something is written (`is_full`).

    A no is given here however they stand: what is recorded already (GenuineConsent.is_recorded) is left out.

    `sent_at`: when that was by the clock of the public pages, which may be wrong, or in the hands of somebody who lies.
    `known`: what is on record, where it was read since they were locked.
    """
    keys = keyring.keys(subscriber.organization)
    facts = list(facts)
    if not all(fact.kind in consent_records.ENDING for fact in facts) and is_full(subscriber):
        facts = [fact for fact in facts if fact.kind in consent_records.ENDING]
    moment = (sent_at or now).astimezone(UTC)
    agrees = any(fact.kind in consent.AGREEING for fact in facts)
    today = day_of([subscriber.id], moment.date(), agrees)[subscriber.id]
    day = today.isoformat()
    asked = facts
    if any(fact.kind in consent_records.ENDING for fact in facts):
        facts = [*unrecorded(known or genuine(subscriber), facts, day, now)]
    ends = any(fact.kind in consent_records.ENDING for fact in facts)
    text = _index_text(keys, subscriber) if ends else None
    bulk_insert.insert_consent(record_rows(keys, subscriber.id, facts, moment, day, text))
    if any((fact.kind, fact.way) == ("asked", "form") for fact in facts):
        open_signups.keep([subscriber.id], today)
    way = consent.WAYS.index(asked[-1].way) if asked else 0
    if asked and (asked[-1].kind, asked[-1].way) in (("returned", "desk"), ("undone", "desk")):
        way = UNDONE  # Nobody came: a leaving, or an objection, is taken back.
    settle(subscriber, now, [fact.list for fact in asked if fact.list], way)


def _codes(fact: ConsentFactRow) -> tuple[int | None, int, int, int]:
    """(list, kind, purpose, way) as they are stored."""
    kind, way = consent.KINDS.index(fact.kind), consent.WAYS.index(fact.way)
    return fact.list.id if fact.list else None, kind, consent.PURPOSES.index(fact.purpose), way


def record_rows(
    keys: OrganizationKeys, id: int, facts: Iterable[ConsentFactRow], moment: datetime, day: str, text: str | None
) -> list[bulk_insert.ConsentRow]:
    """Of facts about one subscriber. text: what their blind index is made of, which a no names; None where nobody
    knows it."""
    at = moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    no = {} if text is None else consent_records.indexed(keys.index_version, keys.blind(text))
    rows = []
    for fact in facts:
        list_id, kind, purpose, way = _codes(fact)
        words = {consent.AT: at, **fact.words, **(no if fact.kind in consent_records.ENDING else {})}
        blob = keys.seal(seal.pack(words), *consent_records.RECORD, id & NUMBER_MASK)
        columns = (keys.id, id, list_id, kind, purpose, way, day, blob)
        rows.append((*columns, consent_records.digest(*columns)))
    return rows


def unrecorded(
    known: consent_records.GenuineConsent, facts: Iterable[ConsentFactRow], day: str, now: datetime
) -> Iterator[ConsentFactRow]:
    """Those that are not recorded already; of whoever has limits.RECORDS facts on record, those that end something."""
    for fact in facts:
        if fact.kind in consent_records.ENDING:
            if known.is_recorded((0, *_codes(fact), day)):
                continue
            if known.rows >= limits.RECORDS and fact.list and known.has_gone(fact.list.id, fact.purpose, now):
                continue
        yield fact


def genuine(subscriber: Subscriber) -> consent_records.GenuineConsent:
    return consent_records.GenuineConsent(sql.digested_consent_of([subscriber.id]))


def standing(subscriber: Subscriber, list: List, now: datetime, purpose: str = consent.LETTERS) -> str:
    """How they stand on a list, of consent.STATUSES, whatever its row says."""
    return genuine(subscriber).standing(list.id, purpose, now)


def is_full(subscriber: Subscriber) -> bool:
    """Whether so much is on record about them that no yes comes to it: each change reads all of it, for each list."""
    return bool(sql.crowded([subscriber.id]))


def day_of(subscribers: Sequence[int], day: date, agrees: bool) -> dict[int, date]:
    """The day under which something that happens now is recorded about each of them: consent is read in the order of
    days, so a leaving must not come before the yes that it takes back, whichever clock was wrong. `agrees`: a yes
    is moved only where the house's own clock was ahead, since it must not come behind a no that it did not know of."""
    today = max(day, dbclock.now().astimezone(UTC).date()) if agrees else day
    days = dict.fromkeys(subscribers, day)
    for subscriber, known in sql.consent_of(subscribers):
        known_day = date.fromisoformat(known[5])
        if known_day > today:
            days[subscriber] = max(days[subscriber], known_day)
    return days


def settle(subscriber: Subscriber, now: datetime, lists: Iterable[List] = (), way: int | None = None) -> None:
    """Status and verdict on every list they are on, and on those given, from all that is on record about them.

    `way`: of the fact that was written, by which a list grows or shrinks; None where nothing new is known.
    """
    keys = keyring.keys(subscriber.organization)
    believed = consent_records.believed(sql.digested_consent_of([subscriber.id]))
    facts_of = consent_records.of_lists(consent_records.records(record for _, record in believed))
    reason = suppressed(subscriber.organization_id, blinds_of(keys, subscriber))
    rows = {row.list_id: row for row in Subscription.objects.filter(subscriber=subscriber)}
    before = {list_id: row.status for list_id, row in rows.items()}
    after = {}
    for list_id in {*rows, *(list.id for list in lists)}:
        paused, known = rows[list_id].paused if list_id in rows else None, facts_of(list_id)
        status, may, day = consent_records.verdict_of(known, list_id, now, reason, paused)
        since = day or (rows[list_id].since if list_id in rows else now.astimezone(UTC).date())
        asking = consent_records.asking_of(known, list_id, now)
        after[list_id] = status
        if list_id not in rows:
            bulk_insert.insert_subscriptions([(subscriber.id, list_id, status, may, since.isoformat())])
        elif (rows[list_id].status, rows[list_id].mail_verdict, rows[list_id].since) != (status, may, since):
            sql.update_subscriptions([(status, may, since.isoformat(), subscriber.id, list_id)])
        if asking != (rows[list_id].fundraising_verdict if list_id in rows else 0):
            sql.update_asking([(asking, subscriber.id, list_id)])
    tags = tags_of(subscriber)
    totals = ListTotals() if way is None else ListTotals(now.astimezone(UTC).date().isoformat(), way)
    totals.move(before, tags, after, tags)
    totals.write()


def tags_of(subscriber: Subscriber) -> list[int]:
    return [tag for _, tag in sql.tags_of([subscriber.id])]


def retag(subscriber: Subscriber, add: Iterable[int] = (), remove: Iterable[int] = ()) -> bool:
    """Other tags for a locked subscriber, with their totals. Whether anything changed."""
    before = set(tags_of(subscriber))
    after = (before | set(add)) - set(remove)
    if before == after:
        return False
    bulk_insert.insert_subscriber_tags([(subscriber.id, tag) for tag in sorted(after - before)])
    SubscriberTag.objects.filter(subscriber=subscriber, tag__in=before - after).delete()
    lists = dict(Subscription.objects.filter(subscriber=subscriber).values_list("list_id", "status"))
    totals = ListTotals()
    totals.move(lists, before, lists, after)
    totals.write()
    return True


def has_room(values: Mapping[int, str]) -> bool:
    """Whether these are no more than is kept of one subscriber."""
    return len(seal.pack(values)) <= limits.HEAVIEST_SUBSCRIBER


def insist_on_room(values: Mapping[int, str]) -> None:
    """Errors: TooMuchText."""
    if not has_room(values):
        raise TooMuchText


def reseal(subscriber: Subscriber, values: Mapping[int, str]) -> None:
    keys = keyring.keys(subscriber.organization)
    blinds = keys.blinds(index_text(values[seal.ADDRESS], seal.WAITING in values))
    index = sealed_subscribers.own_index(subscriber.email_index, blinds)
    subscriber.sealed = sealed_subscribers.sealed(keys, values, subscriber.number, index)
    subscriber.save(update_fields=["sealed"])

    plaintext_fields.write(subscriber.id, values, plaintext_fields.columns(subscriber.organization_id, keys))


def remove(subscriber: Subscriber) -> None:
    """Takes a locked subscriber's rows away. What is on record of their consent keeps its place and loses its words."""
    lists = dict(Subscription.objects.filter(subscriber=subscriber).values_list("list_id", "status"))
    totals = ListTotals()
    totals.move(lists, tags_of(subscriber), {}, ())
    totals.write()
    SubscriberTag.objects.filter(subscriber=subscriber).delete()
    Subscription.objects.filter(subscriber=subscriber).delete()
    ReadableValue.objects.filter(subscriber=subscriber).delete()
    DataQualityIssue.objects.filter(subscriber=subscriber).delete()
    DataQualityIssue.objects.filter(duplicate_of=subscriber.id).update(duplicate_of=None)
    emptied_records.empty_all_of([subscriber.id])
    # Overwritten first: on PostgreSQL a deleted row keeps its bytes until they are needed for another.
    Subscriber.objects.filter(id=subscriber.id).update(sealed=b"", email_index=os.urandom(16))
    Subscriber.objects.filter(id=subscriber.id).delete()
    headcount.add(subscriber.organization_id, -1)
