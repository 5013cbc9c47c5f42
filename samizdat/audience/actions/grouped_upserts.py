"""Upserts of one subscriber each that come to a process at the same moment, in one transaction: a commit and a dozen
queries for all of them in place of each.

Taken together is what is simple: who is new and of whom nothing is known, and who is here and would stay as they are.
Whatever else it is, upsert() does, in a transaction of its own. So one that fails harms no other.
"""

import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple
from weakref import WeakValueDictionary

from django.db import DatabaseError, transaction
from django.utils import timezone

from samizdat.accounts.models import Organization, Person
from samizdat.audience import (
    address_log,
    bulk_insert,
    consent_records,
    consent_writer,
    numbers,
    plaintext_fields,
    sealed_subscribers,
    sql,
    tags_and_fields,
)
from samizdat.audience.actions.upserts import UpsertOutcome
from samizdat.audience.consent_texts import words_of
from samizdat.audience.consent_writer import ConsentFactRow, index_text
from samizdat.audience.errors import AudienceError
from samizdat.audience.limits import TAGS_EACH
from samizdat.audience.list_details import open_details
from samizdat.audience.list_totals import ListTotals
from samizdat.audience.models import NUMBER_MASK, STATUSES, SUBSCRIBED, List, Subscriber, row_id
from samizdat.core import consent
from samizdat.core.crypto import seal
from samizdat.core.mail import address as addresses
from samizdat.events.actions import record_each
from samizdat.vault import keyring
from samizdat.vault.errors import IndexKeyReplaced
from samizdat.vault.keyring import OrganizationKeys

_WAY = consent.WAYS.index("api")


class WantedSubscriber(NamedTuple):
    """values: tag of a field -> text. consent: the words that they agreed to."""

    address: str
    consent: str
    values: Mapping[str, str]
    tags: Sequence[str]
    language: str


class UpsertedSubscriber(NamedTuple):
    """number: as Subscriber.number."""

    outcome: UpsertOutcome
    number: int


@dataclass(slots=True, eq=False)
class _Ticket:
    wanted: WantedSubscriber
    is_taken: bool = False
    done: UpsertedSubscriber | None = None


class _Group:
    """Those who wait for one list. Whoever gets the turn writes for all."""

    def __init__(self) -> None:
        self.turn = threading.Lock()
        self._counting = threading.Lock()
        self._waiting: list[_Ticket] = []

    def join(self, ticket: _Ticket) -> None:
        with self._counting:
            self._waiting.append(ticket)

    def take(self) -> list[_Ticket]:
        with self._counting:
            taken, self._waiting = self._waiting, []
        for ticket in taken:
            ticket.is_taken = True
        return taken


# (organization, list, who) -> those who are at it now.
_groups: WeakValueDictionary[tuple[int, int, int | None], _Group] = WeakValueDictionary()
_looking = threading.Lock()


def upsert_with_others(
    organization: Organization, list_id: int, wanted: WantedSubscriber, *, by: Person | None = None
) -> UpsertedSubscriber | None:
    """As upsert(), with those that other threads bring for this list at the moment; returns after the commit. None: it
    is not as simple as that, nothing was written, and upsert() does it or says why not."""
    key, ticket = (organization.pk, list_id, by.pk if by else None), _Ticket(wanted)
    with _looking:
        group = _groups.get(key)
        if group is None:
            group = _groups[key] = _Group()
        group.join(ticket)
    with group.turn:
        if not ticket.is_taken:
            taken = group.take()
            for each, done in zip(taken, _together(organization, list_id, taken, by), strict=True):
                each.done = done
    return ticket.done


def _together(
    organization: Organization, list_id: int, taken: Sequence[_Ticket], by: Person | None
) -> list[UpsertedSubscriber | None]:
    list_ = List.objects.filter(organization=organization, id=list_id).first()
    keys, now = keyring.keys(organization), timezone.now()
    # While the keys of the index are renewed an address has two of them.
    if list_ is None or len(keys.index) > 1 or open_details(keys, list_).archived:
        return [None] * len(taken)
    list_.organization = organization
    try:
        with transaction.atomic():
            done = _Upserts(list_, keys, now, by).write([ticket.wanted for ticket in taken])
    except (DatabaseError, IndexKeyReplaced, AudienceError, seal.NotSealable):
        return [None] * len(taken)  # Each alone: one of them may be in the way of all.
    return [done.get(place) for place in range(len(taken))]


@dataclass(frozen=True, slots=True)
class _Row:
    """place: among those wanted. index: the keyed one of the address."""

    place: int
    mail: str
    index: bytes
    wanted: WantedSubscriber


class _Upserts:
    """One transaction of them."""

    def __init__(self, list_: List, keys: OrganizationKeys, now: datetime, by: Person | None) -> None:
        self._list, self._organization = list_, list_.organization
        self._keys, self._now, self._by = keys, now, by
        self._moment = now.astimezone(UTC)
        self._words: dict[str, dict[int, str]] = {}

    def write(self, wanted: Sequence[WantedSubscriber]) -> dict[int, UpsertedSubscriber]:
        """By the place of each, for those that are simple."""
        rows = {row.index: row for row in self._once(wanted)}
        here = self._here(rows)
        done = dict(self._unchanged([(rows[index], *known) for index, known in here.items()]))
        new = [row for row in rows.values() if row.index not in here]
        return done | (self._add(new) if new else {})

    def _once(self, wanted: Sequence[WantedSubscriber]) -> Iterator[_Row]:
        """Whose address is one, comes once, is on no suppression list, and waits for no confirmation. By index: two
        processes that write the same ones then don't wait for each other."""
        by_index: defaultdict[bytes, list[_Row]] = defaultdict(list)
        asked: dict[bytes, bytes] = {}
        for place, each in enumerate(wanted):
            try:
                mail = addresses.normalize(each.address)
            except addresses.BadAddress:
                continue
            index = self._keys.blind(index_text(mail))
            by_index[index].append(_Row(place, mail, index, each))
            asked[self._keys.blind(index_text(mail, waiting=True))] = index
        others = {bytes(blind) for blind, _reason in sql.suppressions_by_blind(self._organization.pk, [*by_index])}
        waiting = sql.subscribers_by_blind(self._organization.pk, [*asked])
        others |= {asked[bytes(blind)] for blind, *_rest in waiting}
        for index, rows in sorted(by_index.items()):
            if len(rows) == 1 and index not in others and len(set(rows[0].wanted.tags)) <= TAGS_EACH:
                yield rows[0]

    def _here(self, rows: Mapping[bytes, _Row]) -> dict[bytes, tuple[int, bytes, str]]:
        """Index -> row, what is sealed and language."""
        known = sql.subscribers_by_blind(self._organization.pk, [*rows])
        return {bytes(blind): (id, bytes(blob), language) for blind, id, blob, language in known}

    # -- who is here ----------------------------------------------------------------------------------------------

    def _unchanged(self, here: list[tuple[_Row, int, bytes, str]]) -> Iterator[tuple[int, UpsertedSubscriber]]:
        """Of those who are on the list by what is on record, and have all that is said of them."""
        if not here:
            return
        opened = sealed_subscribers.opener(self._keys).open
        held: dict[int, dict[int, str]] = {}
        for _row, id, blob, _language in here:
            try:
                held[id] = seal.unpack(opened(blob, id & NUMBER_MASK))
            except seal.SealError:
                continue
        for id in address_log.denied(self._keys, {id: values[seal.ADDRESS] for id, values in held.items()}):
            del held[id]
        records = defaultdict(list)
        for record in sql.digested_consent_of([*held]):
            records[record[0]].append(record)
        tagged = set(sql.tags_of([*held]))
        rows = [row for row, *_known in here]
        tags = tags_and_fields.known_tags(self._organization, self._keys, {name for row in rows for name in _tags(row)})
        fields = self._fields(rows)
        for row, id, _blob, language in here:
            values = held.get(id, {})
            known = consent_records.GenuineConsent(records[id])
            if (
                values
                and seal.WAITING not in values
                and index_text(values[seal.ADDRESS]) == index_text(row.mail)
                and known.standing(self._list.pk, consent.LETTERS, self._now) == STATUSES[SUBSCRIBED]
                and row.wanted.language[:8] in ("", language)
                and all((id, tags.get(name, -1)) in tagged for name in _tags(row))
                and all(values.get(fields.get(tag, -1)) == text for tag, text in _values(row).items())
            ):
                yield row.place, UpsertedSubscriber("unchanged", id & NUMBER_MASK)

    def _fields(self, rows: Sequence[_Row]) -> dict[str, int]:
        """Tag -> number, where one of them has a value."""
        if not any(map(_values, rows)):
            return {}
        known = tags_and_fields.all_fields(self._organization, self._keys)
        return {tag: number for tag, (number, _label, _default) in known.items()}

    # -- who is new -----------------------------------------------------------------------------------------------

    def _add(self, rows: Sequence[_Row]) -> dict[int, UpsertedSubscriber]:
        """As add_subscriber(). Errors: IndexKeyReplaced, IntegrityError where somebody has one of the addresses by
        now."""
        fields = self._fields(rows)
        rows = [row for row in rows if fields.keys() >= _values(row).keys()]
        if not rows:
            return {}
        organization, today = self._organization, self._moment.date().isoformat()
        given = numbers.fresh_numbers(organization.pk, len(rows))
        if keyring.held_for_index(self._keys) is not self._keys:
            raise IndexKeyReplaced
        people = [(row_id(organization.pk, number), number, row) for number, row in zip(given, rows, strict=True)]
        values = {id: {fields[tag]: text for tag, text in _values(row).items()} for id, _number, row in people}
        bulk_insert.insert_subscribers(
            (id, organization.pk, self._sealed(values[id], number, row), row.index, self._keys.index_version,
             addresses.provider(addresses.domain(row.mail)), row.wanted.language[:8], today)
            for id, number, row in people
        )  # fmt: skip
        Subscriber.objects.filter(id__among=[*values]).update(source=_WAY)
        self._subscribe([(id, row) for id, _number, row in people], today)
        plaintext_fields.write_many(values.items(), plaintext_fields.columns(organization.pk, self._keys))
        details = {id: {"list": self._list.pk} for id in values}
        record_each("subscriber.added", organization, details, now=self._now, by=self._by)
        return {row.place: UpsertedSubscriber("added", number) for _id, number, row in people}

    def _sealed(self, values: Mapping[int, str], number: int, row: _Row) -> bytes:
        """Errors: seal.NotSealable, TooMuchText."""
        held = {**values, seal.ADDRESS: row.mail}
        consent_writer.insist_on_room(held)
        return sealed_subscribers.sealed(self._keys, held, number, row.index)

    def _subscribe(self, people: Sequence[tuple[int, _Row]], today: str) -> None:
        """What they agreed to, the subscription that follows from it, tags and totals."""
        list_id, kind, purpose = self._list.pk, consent.KINDS.index("given"), consent.PURPOSES.index(consent.LETTERS)
        fact = consent_records.records([(0, list_id, kind, purpose, _WAY, today)])
        status, may, _day = consent_records.verdict_of(fact, list_id, self._now, None)
        bulk_insert.insert_subscriptions([(id, list_id, status, may, today) for id, _row in people])
        bulk_insert.insert_consent([record for id, row in people for record in self._records(id, row, today)])
        rows = sorted((row for _id, row in people), key=_place)
        names = [name for row in rows for name in _tags(row)]
        by_name = tags_and_fields.tags_for(self._organization, self._keys, names) if names else {}
        totals = ListTotals(today, _WAY)
        tagged = [(id, sorted({by_name[name] for name in _tags(row)})) for id, row in people]
        for _id, tags in tagged:
            totals.enter(list_id, status, tags)
        bulk_insert.insert_subscriber_tags([(id, tag) for id, tags in tagged for tag in tags])
        totals.write()

    def _records(self, id: int, row: _Row, today: str) -> list[bulk_insert.ConsentRow]:
        text = row.wanted.consent
        if text not in self._words:
            self._words[text] = {**words_of(self._list, text), consent.SOURCE: consent.WAYS[_WAY]}
        fact = ConsentFactRow("given", consent.WAYS[_WAY], self._list, self._words[text])
        return consent_writer.record_rows(self._keys, id, [fact], self._moment, today, None)


def _values(row: _Row) -> dict[str, str]:
    return {tag: text for tag, text in row.wanted.values.items() if text}


def _place(row: _Row) -> int:
    return row.place


def _tags(row: _Row) -> Sequence[str]:
    return row.wanted.tags
