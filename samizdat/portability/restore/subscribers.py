"""The people of an export, slice after slice, and what comes behind them."""

import os
from collections.abc import Callable, Iterator
from datetime import date, datetime
from typing import Any

from django.db import transaction
from django.db.models import Q
from msgspec.structs import astuple, replace

from samizdat import db
from samizdat.accounts.models import Organization, Person
from samizdat.audience import (
    bulk_insert,
    consent_records,
    consent_writer,
    open_signups,
    sealed_subscribers,
    suppression_log,
)
from samizdat.audience import sql as audience_sql
from samizdat.audience.actions import forms
from samizdat.audience.errors import ImportTaken
from samizdat.audience.imports import ownership, uploads
from samizdat.audience.imports.documents import sealed
from samizdat.audience.list_totals import ListTotals
from samizdat.audience.models import STATUSES, Import, Subscriber, Subscription, row_id
from samizdat.core import consent
from samizdat.core.crypto import seal
from samizdat.core.mail import address as addresses
from samizdat.events.actions import record
from samizdat.portability import read, subscribers
from samizdat.portability.parts import base, registry, setup
from samizdat.portability.restore.documents import read_plan
from samizdat.portability.restore.resume import SOURCE
from samizdat.portability.restore.verify import SLICE, RestoreSteps
from samizdat.vault import keyring
from samizdat.vault.errors import IndexKeyReplaced

type Clock = Callable[[], datetime]
type Stop = Callable[[], bool]

# Verdicts of who has so many records are remembered, since many have the same: longer ones would fill the memory.
REMEMBERED = 20


class SubscriberRestore:
    """Writes slice after slice, each with its counts and its place in one transaction."""

    def __init__(self, organization: Organization, opened: read.OpenedExport, row: Import, now: Clock) -> None:
        self.organization, self.opened, self.now = organization, opened, now
        self.row = self._taken(row)
        keys = self._keys = keyring.keys(organization)
        assert keys.data is not None
        self._seal = sealed_subscribers.sealer(keys).seal
        self._seal_record = keys.data.bound(*consent_records.RECORD, keys.uid).seal
        places = read_plan(self.row).places
        assert places is not None
        self._lists, self._fields, self._tags, self._versions = astuple(places)
        self._totals = ListTotals()
        self._verdicts: dict[Any, Any] = {}

    def _taken(self, row: Import) -> Import:
        free = Q(owner="") | Q(owner=row.owner)
        states = ("running", "waiting", "stopped", "failed")
        taken = {"owner": ownership.myself(), "heartbeat": self.now(), "state": "running", "problem": ""}
        if not Import.objects.filter(free, pk=row.pk, state__in=states).update(**taken):
            raise ImportTaken
        row.refresh_from_db()
        return row

    def take(self, steps: RestoreSteps, by: Person | None, stop: Stop | None = None) -> None:
        """Errors: subscribers.ExportStopped, between two slices."""
        with db.bulk_writing():
            self._people(steps, stop)
            self._others_suppressed()
            self._besides(by, stop)
        bulk_insert.learn_sizes()

    def _people(self, steps: RestoreSteps, stop: Stop | None) -> None:
        for page in self.opened.in_pages(SLICE, after=read_plan(self.row).place[1] - 1):
            self._slice(page)
            steps.on(len(page))
            if stop and stop():
                raise subscribers.ExportStopped

    def _others_suppressed(self) -> None:
        counts = self.row.counts
        counts["others_suppressed"] = 0  # Those that a killed one had written are met again.
        for others in _cut(self.opened.others_suppressed(), SLICE):
            rows = [
                (blind, self._versions[version], reason, day)
                for blind, version, reason, day in others
                if version in self._versions
            ]
            with transaction.atomic():
                suppression_log.write(self.organization, rows, self.now())
            counts["others_suppressed"] += len(rows)

    def _besides(self, by: Person | None, stop: Stop | None) -> None:
        places = base.Places(self.row, self.now(), by, self._lists, self._tags).load()
        for part in registry.parts():
            if stop and stop():
                raise subscribers.ExportStopped
            self.row.counts[part.name] = part.take(self.opened, places)

    def _slice(self, page: list[read.IncomingSubscriber]) -> None:
        while True:
            try:
                return self._written(page)
            except IndexKeyReplaced:
                self._totals, self._keys = ListTotals(), keyring.keys(self.organization)

    def _written(self, page: list[read.IncomingSubscriber]) -> None:
        """Everything is made before the transaction: on SQLite everybody else waits for its end. Errors:
        IndexKeyReplaced, with nothing written."""
        keys, organization = self._keys, self.organization.id
        subscribers, subscriptions, asked, wishes, tagged, records, suppressed = [], [], [], [], [], [], []
        waiting: list[int] = []
        sources: dict[int, list[int]] = {}  # By which way they first came; an import is what a new row says.
        for person in page:
            id = row_id(organization, person.number)
            blind = keys.blind(addresses.comparable(person.address))
            is_waiting = seal.WAITING in person.values
            index = keys.blind(consent_writer.index_text(person.address, is_waiting))
            nonce = os.urandom(seal.NONCE_BYTES)
            blob = self._seal(self._packed(person), person.number, nonce, index[: sealed_subscribers.MARK])
            provider = addresses.provider(addresses.domain(person.address))
            subscribers.append(
                (id, organization, blob, index, keys.index_version, provider, person.language, person.joined)
            )
            tags = sorted({self._tags[tag] for tag in person.tags})
            tagged += [(id, tag) for tag in tags]
            rows = [self._record(id, person.number, record, blind) for record in person.records]
            records += rows
            if any(_waits(record) for record in person.records):
                waiting.append(id)
            for of in person.suppressed:
                suppressed += suppression_log.entries(keys, person.address, *of)
            if rows and rows[0][5]:
                sources.setdefault(rows[0][5], []).append(id)
            known = tuple((place, row[2], *row[3:7]) for place, row in enumerate(rows))
            reason = None if is_waiting else consent_records.foremost(of[0] for of in person.suppressed)
            for list_id, since, wish, _status in person.lists:
                here = self._lists[list_id]
                status, may, day = self._verdict(known, here, reason, wish)
                subscriptions.append((id, here, status, may, day or since))
                if asking := self._asking(known, here):
                    asked.append((asking, id, here))
                self._totals.enter(here, status, tags)
                if any(cell not in ("", "0") for cell in wish.values()):
                    wishes.append((id, here, wish))
        with transaction.atomic():
            if keyring.held_for_index(keys) is not keys:
                raise IndexKeyReplaced
            bulk_insert.insert_subscribers(subscribers)
            bulk_insert.insert_subscriptions(subscriptions)
            audience_sql.update_asking(asked)
            bulk_insert.insert_subscriber_tags(tagged)
            bulk_insert.insert_consent(records)
            open_signups.keep(waiting)
            suppression_log.write(self.organization, suppressed, self.now())
            for way, ids in sources.items():
                Subscriber.objects.filter(organization=organization, id__in=ids).update(source=way)
            _wish(wishes)
            self._totals.write()
            self._move_on(page, subscriptions, len(records), len(suppressed))

    def _packed(self, person: read.IncomingSubscriber) -> bytes:
        values = {self._fields.get(number, number): text for number, text in person.values.items()}
        return seal.pack({**values, seal.ADDRESS: person.address})

    def _record(self, id: int, number: int, consent_row: tuple[Any, ...], blind: bytes) -> bulk_insert.ConsentRow:
        list_id, kind, purpose, way, day, words = consent_row
        if consent.TOLD in words:
            typed = forms.carried(words[consent.TOLD], self._lists, self._fields, self._tags)
            words = {**words, consent.TOLD: typed}
        packed = consent_records.with_index(kind, seal.pack(words), self._keys.index_version, blind)
        blob = self._seal_record(packed, number, os.urandom(seal.NONCE_BYTES))
        here = self._lists[list_id] if list_id is not None else None
        columns = (self.organization.id, id, here, kind, purpose, way, day, blob)
        return (*columns, consent_records.digest(*columns))

    def _verdict(
        self, known: tuple[consent_records.Known, ...], list_id: int, reason: str | None, wish: dict[str, str]
    ) -> tuple[int, int, str | None]:
        """By the records, as everywhere: the file's own word for the status is not taken."""
        if len(known) > REMEMBERED:
            return self._computed(known, list_id, reason, wish)
        key = (known, list_id, reason, wish.get("paused", ""))
        if key not in self._verdicts:
            if len(self._verdicts) > 10_000:
                self._verdicts.clear()
            self._verdicts[key] = self._computed(known, list_id, reason, wish)
        verdict: tuple[int, int, str | None] = self._verdicts[key]
        return verdict

    def _computed(
        self, known: tuple[consent_records.Known, ...], list_id: int, reason: str | None, wish: dict[str, str]
    ) -> tuple[int, int, str | None]:
        paused = {"paused": date.fromisoformat(wish["paused"])} if wish.get("paused") else {}
        facts = consent_records.records(known)
        status, may, day = consent_records.verdict_of(facts, list_id, self.now(), reason, **paused)
        return status, may, day.isoformat() if day else None

    def _asking(self, known: tuple[consent_records.Known, ...], list_id: int) -> int:
        if not any(record[3] == consent_records.APPEALS for record in known):
            return 0
        return consent_records.asking_of(consent_records.records(known), list_id, self.now())

    def _move_on(
        self,
        page: list[read.IncomingSubscriber],
        subscriptions: list[Any],
        records: int,
        suppressed: int,
    ) -> None:
        counts = self.row.counts
        for name, many in (("rows", len(page)), ("added", len(page)), ("consent", records), ("suppressed", suppressed)):
            counts[name] += many
        for _id, _list, status, *_rest in subscriptions:
            counts[STATUSES[status]] += 1
        mine = Import.objects.filter(pk=self.row.pk, owner=self.row.owner)
        after = page[-1].number + 1
        place = sealed(self.row, "plan", replace(read_plan(self.row), place=(0, after, 0)))
        if not mine.update(**place, counts=counts, row_no=after, heartbeat=self.now(), tries=0):
            raise ImportTaken

    def finish(self, by: Person | None) -> dict[str, int]:
        with transaction.atomic():
            done = {"state": "finished", "owner": "", "finished": self.now(), "counts": self.row.counts}
            done |= sealed(self.row, "plan", replace(read_plan(self.row), team=setup.team_in(self.opened)))
            if not Import.objects.filter(pk=self.row.pk, owner=self.row.owner).update(**done):
                raise ImportTaken
            self.row.places.all().delete()
            uploads.drop(self.row)
            detail = {"counts": self.row.counts, "source": SOURCE, "list": self.row.list_id}
            record("subscribers.imported", self.organization, about=self.row.pk, by=by, now=self.now(), detail=detail)
            # The public database reads links by the keys that came along.
            record("keys.rotated", self.organization, now=self.now(), by=by)
        counts: dict[str, int] = self.row.counts
        return counts


def _waits(record: tuple[object, ...]) -> bool:
    """Whether it is a sign-up by a form. One without words is forgotten already."""
    return (record[1], record[3]) == (open_signups.ASKED, open_signups.FORM) and bool(record[5])


def _wish(wishes: list[tuple[int, int, dict[str, str]]]) -> None:
    """What people chose about their letters; few did. Columns that this house does not know are passed over."""
    for id, list_id, wish in wishes:
        held = {name: cell for name, cell in wish.items() if cell and name in subscribers.WISHES}
        if held:
            Subscription.objects.filter(subscriber=id, list=list_id).update(**held)


def _cut[T](rows: Iterator[T], size: int) -> Iterator[list[T]]:
    held: list[Any] = []
    for row in rows:
        held.append(row)
        if len(held) == size:
            yield held
            held = []
    if held:
        yield held
