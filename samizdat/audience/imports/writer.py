"""One slice of rows against what is known: which are new, which change something, and writing that.

A dry run goes the same way and stops before the writing, so that its counts are those of the real run.
"""

import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from operator import itemgetter

from django.db import IntegrityError

from samizdat.accounts.models import Organization
from samizdat.audience import (
    bulk_insert,
    consent_records,
    consent_writer,
    plaintext_fields,
    sealed_subscribers,
    sql,
    suppression_log,
    tags_and_fields,
)
from samizdat.audience.imports import planted_addresses
from samizdat.audience.imports.appeals import AppealsConsent
from samizdat.audience.imports.diff import KnownSubscriber, KnownSubscribers, SubscriberChange, is_on
from samizdat.audience.imports.documents import NO_OPTIONS, ImportOptions
from samizdat.audience.imports.reading.parse import NEW, Fact
from samizdat.audience.imports.stretches import ImportSlice, ParsedRow
from samizdat.audience.list_totals import ListTotals
from samizdat.audience.models import CLEANED, STATUSES, SUBSCRIBED, List, Subscriber, row_id
from samizdat.audience.numbers import Numbers
from samizdat.audience.sealed_subscribers import MARK
from samizdat.core import consent
from samizdat.core.crypto import seal
from samizdat.vault import keyring
from samizdat.vault.errors import IndexKeyReplaced
from samizdat.vault.keyring import OrganizationKeys

REASONS = consent.REASONS
_MAY = [consent.CODE_OF_STATUS[status] for status in STATUSES]
_MERGE = [[STATUSES.index(consent.merge_status(known, new)) for new in STATUSES] for known in STATUSES]
_CLEANED_MAY = REASONS.index("suppressed:bounce")

# So many rows of a slice repeat one address at most; the others are refused. A file with a row for each gift of a month
# has five.
MOST_REPEATS = 10

# Consent records that are held at once: 15 MB. Of 5,000 people with three each there are as many as that.
MOST_RECORDS = 50_000

# (line, code, numbers for the sentence)
type Rejected = tuple[int, str, dict[str, object]]


class ImportWriter:
    """Takes slices, one after the other, each inside a transaction of the caller's (a dry run needs none)."""

    def __init__(
        self, organization: Organization, list_id: int, keys: OrganizationKeys, now: datetime, *, writes: bool = True,
        newest_record: int | None = None, options: ImportOptions = NO_OPTIONS,
    ) -> None:  # fmt: skip
        assert keys.data is not None and keys.ring is not None
        self.organization = organization
        self.list_id = list_id
        self.now = now
        self.today = now.astimezone(UTC).date().isoformat()
        self.writes = writes
        self._newest_record = newest_record
        self._keys = keys
        self._options = options
        self._appeals = None
        if options.appeals:  # A look may be for a list that is made only then.
            to = List.objects.filter(id=list_id).first() or List(id=list_id, organization=organization)
            self._appeals = AppealsConsent(to, options.appeals)
        self._known = KnownSubscribers(
            organization, list_id, keys, now, update_only=options.update_only, appeals=self._appeals
        )
        # Into an empty house nobody has to be looked up. Whoever signs up meanwhile is met by the index of addresses:
        # the slice fails, and is looked at again (`forget`).
        self._nobody = len(keys.index) == 1 and not Subscriber.objects.filter(organization=organization).exists()
        self._seal = sealed_subscribers.sealer(keys).seal
        self._seal_record = keys.data.bound(*consent_records.RECORD, keys.uid).seal
        self._tags: dict[str, int] = {}
        self._numbers = Numbers(organization.id)
        self._totals = self._fresh_totals()
        self._planted = planted_addresses.all_of(organization)
        self.planted: set[bytes] = set()  # Those of them that were met.
        self.file_counts: Counter[str] = Counter()  # Of a look: as of ImportPreview.
        # Rows of those whom it takes off lists: of a look all of them, else of the last slice.
        self.taken_off: set[int] = set()
        # Rows of those who were here already and whose values the last slice changed.
        self.overwritten: set[int] = set()
        self._refused: dict[int, Rejected] = {}  # Of a slice, by line: those who would have too much.
        self._readable = plaintext_fields.columns(organization.id, keys)

    def slice(self, import_slice: ImportSlice) -> tuple[Counter[str], list[Rejected]]:
        """Brings a slice in; its counts, and all rows of it that were refused, in the reader and here. Errors:
        IndexKeyReplaced."""
        if self._planted:
            kept = [row for row in import_slice.rows if self._planted.isdisjoint((row[0], *row[10]))]
            if len(kept) < len(import_slice.rows) or import_slice.planted:
                met = {blind for row in import_slice.rows for blind in (row[0], *row[10])}
                self.planted |= self._planted & met.union(*import_slice.planted)
            import_slice.rows = kept
        _refuse_repeats(import_slice)
        if self.writes and keyring.held_for_index(self._keys) is not self._keys:
            raise IndexKeyReplaced
        if self._options.tags:
            _tag_all(import_slice, self._options.tags)
        counts: Counter[str] = Counter(rows=import_slice.size)
        self._refused.clear()
        if self.writes:
            self.taken_off.clear()
            self.overwritten.clear()
        if import_slice.complained:
            self._take_complaints(import_slice)
        reasons = self._suppressed(import_slice.rows)
        rows, rejects = import_slice.rows, import_slice.rejects
        if "erased" in reasons.values() and not self._options.update_only:  # They are on no list, as strangers are.
            rows, rejects = _without_erased(import_slice, reasons)
        self._name_tags({row[6] for row in rows})
        again = [ParsedRow._make(row) for row in rows if row[9] != NEW]
        self._wave([row for row in rows if row[9] == NEW] if again else rows, reasons, counts, look=not self._nobody)
        if self.writes:
            for wave in _waves(again):
                self._wave(wave, reasons, counts)
        else:
            self._count_again(again, reasons, counts)
            self._count_file(import_slice)
        rejects = sorted([*rejects, *self._refused.values()], key=itemgetter(0)) if self._refused else rejects
        counts["rejected"] = len(rejects)
        if self.writes:
            self._totals.write()
        return counts, rejects

    def _count_file(self, import_slice: ImportSlice) -> None:
        self.file_counts.update(STATUSES[row[2]] for row in import_slice.rows)
        self.file_counts["rejected"] += len(import_slice.rejects)
        self.file_counts["duplicates"] += sum(row[9] != NEW for row in import_slice.rows)

    def forget(self) -> None:
        """After a transaction that was rolled back: tags made and numbers reserved in it are gone, and somebody may
        have come in by another door."""
        self._nobody = False
        self._tags.clear()
        self._numbers.forget()
        self._totals = self._fresh_totals()

    def _fresh_totals(self) -> ListTotals:
        return ListTotals(self.today, consent_records.IMPORT)

    # -- what is known ------------------------------------------------------------------------------------------

    def _suppressed(self, rows: list[ParsedRow]) -> dict[bytes, str]:
        """Blind index -> the foremost reason for which its address is suppressed."""
        where = {row[0]: row[0] for row in rows}
        where |= {older: row[0] for row in rows for older in row[10]}
        by_blind: dict[bytes, list[str]] = defaultdict(list)
        for blind, reason in sql.suppressions_by_blind(self.organization.id, list(where)):
            by_blind[where[bytes(blind)]].append(reason)
        return {blind: consent_records.foremost(reasons) or "" for blind, reasons in by_blind.items()}

    def _name_tags(self, combinations: set[tuple[str, ...]]) -> None:
        names = {name for tags in combinations for name in tags} - self._tags.keys()
        if not names:
            return
        if self.writes:
            self._tags |= tags_and_fields.tags_for(self.organization, self._keys, names)
        else:
            self._tags |= tags_and_fields.known_tags(self.organization, self._keys, names)
            self._tags |= {
                name: -1 - place for place, name in enumerate(names, len(self._tags)) if name not in self._tags
            }

    def _wave(
        self, rows: list[ParsedRow], reasons: dict[bytes, str], counts: Counter[str], *, look: bool = True
    ) -> None:
        """Rows of which no two are the same address. `look`: whether one of them may be here already."""
        known = self._known.find(rows) if look else {}
        if self._options.update_only:
            known = self._on_list(known, reasons)
            rows = self._skip_others(rows, known, counts)
        if self._known.misindexed and self.writes:
            self._put_indexes_right()
        if known:  # First, since who takes them off at the desk locks them before the organization, too.
            self._compare([ParsedRow._make(row) for row in rows if row[0] in known], known, reasons, counts)
        self._add([row for row in rows if row[0] not in known] if known else rows, reasons, counts)

    def _put_indexes_right(self) -> None:
        here = Subscriber.objects.select_for_update().filter(organization=self.organization)
        for row in here.filter(id__in=self._known.misindexed).order_by("id"):
            consent_writer.put_index_right(self._keys, row)
        self._known.misindexed.clear()

    def _on_list(self, known: dict[bytes, KnownSubscriber], reasons: dict[bytes, str]) -> dict[bytes, KnownSubscriber]:
        ids = [person.id for blind, person in known.items() if reasons.get(blind) != "erased"]
        here = {id for id, list_id, _, _ in sql.subscriptions_of(ids) if list_id == self.list_id}
        return {blind: person for blind, person in known.items() if person.id in here}

    def _skip_others(
        self, rows: list[ParsedRow], known: dict[bytes, KnownSubscriber], counts: Counter[str]
    ) -> list[ParsedRow]:
        others = [row for row in rows if row[0] not in known]
        counts["skipped"] += len(others)
        counts["duplicates"] += sum(row[9] != NEW for row in others)
        return [row for row in rows if row[0] in known]

    # -- new ----------------------------------------------------------------------------------------------------

    def _add(self, rows: list[ParsedRow], reasons: dict[bytes, str], counts: Counter[str]) -> None:
        counts["added"] += len(rows)
        counts.update({STATUSES[status]: many for status, many in Counter([row[2] for row in rows]).items()})
        if self.writes and rows:
            self._insert(rows, reasons)
            self._suppress([row[0] for row in rows if row[2] == CLEANED])

    def _insert(self, rows: list[ParsedRow], reasons: dict[bytes, str]) -> None:
        """New rows. Numbers rise in the order of the slice, which is that of the blind indices: no order of a file is
        in them, and the tables grow at their end.

        Comprehensions over whole tuples: at a million rows a loop with an append for each table takes 4 s more. Rows
        are sealed while the database writes those before them.
        """
        organization, list_id, version = self.organization.id, self.list_id, self._keys.index_version
        today = self.today
        numbers = sorted(self._numbers.take(len(rows)))
        base, sealed = row_id(organization, 0), self._seal
        bulk_insert.insert_subscribers(
            (base + at, organization, sealed(plain, at, nonce, blind[:MARK]), blind, version, provider, language, today)
            for (blind, plain, _, provider, language, _, _, _, _, _, _), at, nonce in zip(
                rows, numbers, _nonces(len(rows)), strict=True
            )
        )
        bulk_insert.insert_subscriptions(
            (base + row_number, list_id, row[2], _may(row[2], reasons.get(row[0])), today)
            for row, row_number in zip(rows, numbers, strict=True)
        )
        known = self._known_tags({row[6] for row in rows})
        bulk_insert.insert_subscriber_tags(
            (base + number, tag) for row, number in zip(rows, numbers, strict=True) for tag in known[row[6]]
        )
        for (status, tags), many in Counter([(row[2], row[6]) for row in rows]).items():
            self._totals.enter(list_id, status, known[tags], many)
        self._record(
            [
                (base + number, number, self._with_index(fact, row[0]) if fact[0] in consent_records.NO else fact)
                for row, number in zip(rows, numbers, strict=True)
                for fact in row[7]
            ]
        )
        if self._appeals is not None:
            agreed = [
                (base + number, number, self._appeals.fact(row[7]))
                for row, number in zip(rows, numbers, strict=True)
                if row[2] == SUBSCRIBED and row[0] not in reasons
            ]
            self._record(agreed, consent_records.APPEALS)
            sql.update_asking([(consent.YES, id, list_id) for id, _number, _fact in agreed])
        plaintext_fields.write_packed(
            ((base + number, row[1]) for row, number in zip(rows, numbers, strict=True)), self._readable
        )

    def _known_tags(self, combinations: set[tuple[str, ...]]) -> dict[tuple[str, ...], list[int]]:
        """Ids for every combination of tags: people carry the same few."""
        return {tags: sorted({self._tags[name] for name in tags}) for tags in combinations}

    def _record(self, facts: Sequence[tuple[int, int, Fact]], purpose: int = consent_records.NEWSLETTER) -> None:
        """Writes consent records: (subscriber, number, fact).

        Readable is the day of the import. Those that the file tells are sealed: an old export that somebody has
        could be lined up with them.
        """
        organization, list_id, sealed = self.organization.id, self.list_id, self._seal_record
        day = self.today
        way = consent_records.IMPORT
        proof = consent_records.digester(organization, list_id, purpose, way, day)
        bulk_insert.insert_consent(
            (organization, subscriber, list_id, kind, purpose, way, day, blob, proof(subscriber, kind, blob))
            for (subscriber, number, (kind, _, _, words)), nonce in zip(facts, _nonces(len(facts)), strict=True)
            for blob in (sealed(words, number, nonce),)
        )

    def _with_index(self, fact: Fact, blind: bytes) -> Fact:
        kind, day, is_ours, words = fact
        return kind, day, is_ours, consent_records.with_index(kind, words, self._keys.index_version, blind)

    def _suppress(self, blinds: list[bytes], reason: str = "bounce") -> None:
        version = self._keys.index_version
        rows = [(blind, version, reason, self.today) for blind in sorted(blinds)]
        suppression_log.write(self.organization, rows, self.now)

    def _take_complaints(self, import_slice: ImportSlice) -> None:
        """Before the rows themselves, so that they come in suppressed; who is here already is settled on all lists."""
        if self.writes:
            self._suppress([row_blinds[0] for row_blinds in import_slice.complained], "complaint")
            self._suppress(import_slice.mailboxes, f"{suppression_log.ROOT}complaint")
        blinds = [blind for row_blinds in import_slice.complained for blind in row_blinds]
        for at in range(0, len(blinds), 1_000):
            people = Subscriber.objects.select_for_update() if self.writes else Subscriber.objects.all()
            here = people.filter(organization=self.organization, email_index__in=blinds[at : at + 1_000])
            rows = list(here.order_by("id"))
            self._note_complained([row.id for row in rows])
            for row in rows if self.writes else ():
                consent_writer.settle(row, self.now)

    # -- whom it takes off ------------------------------------------------------------------------------------------

    def _note_complained(self, ids: list[int]) -> None:
        records: dict[int, list[consent_records.Known]] = defaultdict(list)
        for id, record in sql.consent_of(ids):
            records[id].append(record)
        self.taken_off.update(
            id
            for id, list_id, status, may in sql.subscriptions_of(ids)
            if is_on(status, may) and not self._brought_on(records[id], list_id)
        )

    def _note_changes(self, changes: list[SubscriberChange]) -> None:
        """A row that repeats an address of this import may take off only whom an earlier row has brought."""
        self.overwritten.update(
            change.person.id
            for change in changes
            if change.plain is not None
            and change.plain != change.person.plain
            and (change.row.again == NEW or not self._is_new(change.person.records))
        )
        self.taken_off.update(
            change.person.id
            for change in changes
            if any(
                change.row.again == NEW or not self._brought_on(change.person.records, list_id)
                for list_id in change.taken_off
            )
        )

    def _is_new(self, records: list[consent_records.Known]) -> bool:
        since = self._newest_record
        return bool(records) and since is not None and all(record[0] > since for record in records)

    def _brought_on(self, records: list[consent_records.Known], list_id: int) -> bool:
        """Whether all that is known of somebody on a list came since this import began. A look has brought nobody."""
        since = self._newest_record
        return since is not None and all(record[0] > since for record in records if record[1] in (list_id, None))

    # -- already here -------------------------------------------------------------------------------------------

    def _compare(
        self,
        rows: list[ParsedRow],
        known: dict[bytes, KnownSubscriber],
        reasons: dict[bytes, str],
        counts: Counter[str],
    ) -> None:
        while rows:
            ids = sql.cut_by_records([known[row.blind].id for row in rows], MOST_RECORDS)
            self._compare_some(rows[: len(ids)], known, reasons, counts)
            rows = rows[len(ids) :]

    def _compare_some(
        self,
        rows: list[ParsedRow],
        known: dict[bytes, KnownSubscriber],
        reasons: dict[bytes, str],
        counts: Counter[str],
    ) -> None:
        again = rows[0].again != NEW
        changes = self._changes(rows, known, reasons)
        touched = [change for change in changes if change.anything]
        if touched and self.writes:
            people = {change.row.blind: change.person for change in touched}
            # On PostgreSQL somebody may have changed them between our look and now: lock, look again, decide.
            ids = [person.id for person in people.values()]
            if sql.lock_subscribers(ids):
                if len(sql.there(self.organization.id, ids)) < len(ids):
                    raise IntegrityError  # Erased in this moment: the slice is looked at again.
                touched = self._changes([change.row for change in touched], people, reasons)
            self._apply(touched)
        self._note_changes(touched)
        counts["unchanged" if again else "updated"] += len(touched)
        counts["unchanged"] += len(changes) - len(touched)
        counts["duplicates"] += len(changes) if again else 0
        settled = {change.row.blind: change for change in touched}
        for change in changes:
            final = settled.get(change.row.blind, change)
            counts[STATUSES[final.status]] += 1
            if not again:
                counts["here"] += 1
                counts["kept_left"] += final.stays_left

    def _changes(
        self, rows: list[ParsedRow], known: dict[bytes, KnownSubscriber], reasons: dict[bytes, str]
    ) -> list[SubscriberChange]:
        self._known.read(known.values())
        changes = [self._known.change(row, known[row.blind], reasons.get(row.blind), self._tags) for row in rows]
        refused: dict[int, Rejected] = {
            change.row.line: (change.row.line, change.excess[0], {"limit": change.excess[1]})
            for change in changes
            if change.excess
        }
        self._refused |= refused
        return [change for change in changes if not change.excess] if refused else changes

    def _apply(self, changes: list[SubscriberChange]) -> None:
        nonces = _nonces(len(changes))
        sql.update_subscribers(
            [
                (
                    self._seal(change.plain, change.person.number, next(nonces), change.person.blind[:MARK]),
                    change.language,
                    change.person.id,
                )
                for change in changes
                if change.plain is not None
            ]
        )
        plaintext_fields.write_packed(
            ((change.person.id, change.plain) for change in changes if change.plain is not None), self._readable
        )
        bulk_insert.insert_subscriber_tags(
            [(change.person.id, tag) for change in changes for tag in sorted(change.tags)]
        )
        bulk_insert.insert_subscriptions([row for change in changes for row in change.entered])
        sql.update_subscriptions([row for change in changes for row in change.moved])
        sql.update_asking([row for change in changes for row in change.asked])
        self._record(
            [
                (change.person.id, change.person.number, self._with_index(fact, change.row.blind))
                for change in changes
                for fact in change.facts
            ]
        )
        asked = [(change.person.id, change.person.number, change.appeals) for change in changes]
        self._record([(id, number, fact) for id, number, fact in asked if fact], consent_records.APPEALS)
        self._suppress([change.row.blind for change in changes if change.suppress])
        for change in changes:
            person = change.person
            self._totals.move(person.statuses(), person.tags, change.statuses(), person.tags | change.tags)

    def _count_again(self, rows: list[ParsedRow], reasons: dict[bytes, str], counts: Counter[str]) -> None:
        """A dry run has not stored the first row of an address; the strongest status of all rows says the same."""
        known = self._known.find(rows)
        if self._options.update_only:
            known = self._on_list(known, reasons)
            rows = self._skip_others(rows, known, counts)
        self._note_changes(self._changes([row for row in rows if row.blind in known], known, reasons))
        rows = [row for row in rows if row.line not in self._refused]
        for row in rows:
            before = known[row.blind].status_on(self.list_id) if row.blind in known else None
            counts[STATUSES[row.again if before is None else _MERGE[before][row.again]]] += 1
        counts["unchanged"] += len(rows)
        counts["duplicates"] += len(rows)


def _without_erased(import_slice: ImportSlice, reasons: dict[bytes, str]) -> tuple[list[ParsedRow], list[Rejected]]:
    """Who had themselves erased does not come back by a file."""
    erased: list[Rejected] = [(row[8], "erased", {}) for row in import_slice.rows if reasons.get(row[0]) == "erased"]
    rest = [row for row in import_slice.rows if reasons.get(row[0]) != "erased"]
    return rest, sorted([*import_slice.rejects, *erased], key=lambda reject: reject[0])


def _tag_all(import_slice: ImportSlice, tags: tuple[str, ...]) -> None:
    merged = {row[6]: tuple(dict.fromkeys((*row[6], *tags))) for row in import_slice.rows}
    import_slice.rows = [ParsedRow._make((*row[:6], merged[row[6]], *row[7:])) for row in import_slice.rows]


def _refuse_repeats(import_slice: ImportSlice) -> None:
    """Each row that repeats an address is compared with all consent records of that person, while others wait for the
    database."""
    if all(row[9] == NEW for row in import_slice.rows):
        return
    met: Counter[bytes] = Counter()
    kept = []
    for row in import_slice.rows:
        met[row[0]] += row[9] != NEW
        if met[row[0]] > MOST_REPEATS:
            import_slice.rejects.append((row[8], "repeated", {}))
        else:
            kept.append(row)
    if len(kept) < len(import_slice.rows):
        import_slice.rows = kept
        import_slice.rejects.sort(key=lambda reject: reject[0])


def _nonces(count: int) -> Iterator[bytes]:
    """Fresh nonces, from one call to the system instead of one each."""
    drawn = os.urandom(seal.NONCE_BYTES * count)
    return (drawn[at : at + seal.NONCE_BYTES] for at in range(0, len(drawn), seal.NONCE_BYTES))


def _may(status: int, reason: str | None) -> int:
    if reason:
        return REASONS.index(f"suppressed:{reason}")
    return _CLEANED_MAY if status == CLEANED else _MAY[status]


def _waves(again: list[ParsedRow]) -> list[list[ParsedRow]]:
    """Repeated rows in turns, so that no turn has an address twice."""
    met: Counter[bytes] = Counter()
    waves: dict[int, list[ParsedRow]] = defaultdict(list)
    for row in again:
        waves[met[row.blind]].append(row)
        met[row.blind] += 1
    return list(waves.values())
