"""One slice of rows against what is known: which are new, which change something, and writing that.

A dry run goes the same way and stops before the writing, so that its counts are those of the real run.
"""

import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from samizdat import dialect
from samizdat.audience import facts, tagging
from samizdat.audience.bringing.known import Change, Known, Person
from samizdat.audience.incoming.prepare import Fact, Slice
from samizdat.audience.models import CLEANED, STATUSES, row_id
from samizdat.audience.numbers import reserve_numbers
from samizdat.audience.totals import Totals
from samizdat.core import consent, seal
from samizdat.vault.house import OrganisationKeys

REASONS = consent.REASONS
_MAY = [consent.CODE_OF_STATUS[status] for status in STATUSES]
_MERGE = [[STATUSES.index(consent.merge_status(known, new)) for new in STATUSES] for known in STATUSES]
_CLEANED_MAY = REASONS.index("suppressed:bounce")

# (line, code, numbers for the sentence)
type Rejected = tuple[int, str, dict[str, Any]]


class Store:
    """Takes slices, one after the other, each inside a transaction of the caller's (a dry run needs none)."""

    def __init__(
        self, organisation: Any, list_id: int, keys: OrganisationKeys, now: datetime, *, writes: bool = True
    ) -> None:
        assert keys.data is not None and keys.ring is not None
        self.organisation = organisation
        self.list_id = list_id
        self.now = now
        self.today = now.astimezone(UTC).date().isoformat()
        self.writes = writes
        self._keys = keys
        self._known = Known(organisation, list_id, keys, now)
        self._seal = keys.data.bound(*facts.SUBSCRIBER, keys.uid).seal
        self._seal_record = keys.data.bound(*facts.RECORD, keys.uid).seal
        self._tags: dict[str, int] = {}
        self._totals = Totals()

    def slice(self, made: Slice) -> tuple[Counter[str], list[Rejected]]:
        """Brings a slice in; its counts, and all rows of it that were refused, in the reader and here."""
        counts: Counter[str] = Counter(rows=made.rows)
        reasons = self._suppressed(made)
        rejects = _with_erased(made, reasons)
        self._name_tags(made)
        first = [
            place for place in range(len(made.lines)) if place not in made.again and reasons.get(place) != "erased"
        ]
        self._wave(made, first, reasons, counts)
        again = [place for place in made.again if reasons.get(place) != "erased"]
        if self.writes:
            for wave in _waves(made, again):
                self._wave(made, wave, reasons, counts, again=True)
        else:
            self._count_again(made, again, counts)
        counts["rejected"] = len(rejects)
        if self.writes:
            self._totals.write()
        return counts, rejects

    def forget(self) -> None:
        """After a transaction that was rolled back: tags made in it are gone."""
        self._tags.clear()
        self._totals = Totals()

    # -- what is known ------------------------------------------------------------------------------------------

    def _suppressed(self, made: Slice) -> dict[int, str]:
        """Row -> the foremost reason for which its address is suppressed."""
        places: dict[bytes, list[int]] = defaultdict(list)
        for place, blind in enumerate(made.blinds):
            places[blind].append(place)
        for place, older in enumerate(made.older):
            for blind in older:
                places[blind].append(place)
        found: dict[int, list[str]] = defaultdict(list)
        for blind, reason in dialect.suppressions_by_blind(self.organisation.id, list(places)):
            for place in places[bytes(blind)]:
                found[place].append(reason)
        return {place: facts.foremost(reasons) or "" for place, reasons in found.items()}

    def _name_tags(self, made: Slice) -> None:
        names = {name for tags in set(made.tags) for name in tags} - self._tags.keys()
        if not names:
            return
        if self.writes:
            self._tags |= tagging.tags_for(self.organisation, self._keys, names)
        else:
            self._tags |= tagging.known_tags(self.organisation, self._keys, names)
            self._tags |= {name: -1 - len(self._tags) for name in names if name not in self._tags}

    def _wave(
        self, made: Slice, places: list[int], reasons: dict[int, str], counts: Counter[str], again: bool = False
    ) -> None:
        """Rows of which no two are the same address."""
        known = self._known.find(made, places)
        new = [place for place in places if place not in known]
        self._add(made, new, reasons, counts)
        if known:
            self._compare(made, known, reasons, counts, again)

    # -- new ----------------------------------------------------------------------------------------------------

    def _add(self, made: Slice, places: list[int], reasons: dict[int, str], counts: Counter[str]) -> None:
        counts["added"] += len(places)
        statuses = Counter([made.statuses[place] for place in places])
        counts.update({STATUSES[status]: many for status, many in statuses.items()})
        if self.writes and places:
            self._insert(made, places, reasons)
            self._suppress([made.blinds[place] for place in places if made.statuses[place] == CLEANED])

    def _insert(self, made: Slice, places: list[int], reasons: dict[int, str]) -> None:
        """New rows. Numbers rise in the order of the slice, which is that of the blind indices: no order of a file is
        in them, and the tables grow at their end.

        Comprehensions over columns: at a million rows a loop with an append for each table takes 4 s more.
        """
        organisation, list_id, version = self.organisation.id, self.list_id, self._keys.index_version
        numbers = sorted(reserve_numbers(organisation, len(places)))
        base = row_id(organisation, 0)
        ids = [base | number for number in numbers]
        facts_of = [made.facts[place] for place in places]
        tags_of = [made.tags[place] for place in places]
        statuses = [made.statuses[place] for place in places]
        joined = [made.joined[place] for place in places]
        sealed = self._seal
        dialect.insert_subscribers(
            [
                (id, organisation, sealed(made.plains[place], number, nonce), made.blinds[place], version,
                 made.providers[place], made.languages[place], day)
                for id, number, place, day, nonce in zip(ids, numbers, places, joined, _nonces(len(ids)), strict=True)
            ]
        )  # fmt: skip
        dialect.insert_subscriptions(
            [
                (id, list_id, status, _may(status, reasons.get(place)), told[-1][1] if told else day)
                for id, place, status, told, day in zip(ids, places, statuses, facts_of, joined, strict=True)
            ]
        )
        known = self._known_tags(tags_of)
        dialect.insert_subscriber_tags(
            [(id, tag) for id, tags in zip(ids, tags_of, strict=True) if tags for tag in known[tags]]
        )
        for (status, tags), many in Counter(zip(statuses, tags_of, strict=True)).items():
            self._totals.enter(list_id, status, known[tags], many)
        self._record(
            [(id, number, fact) for id, number, told in zip(ids, numbers, facts_of, strict=True) for fact in told]
        )

    def _known_tags(self, tags_of: list[tuple[str, ...]]) -> dict[tuple[str, ...], list[int]]:
        """Ids for every combination of tags: people carry the same few."""
        return {tags: sorted({self._tags[name] for name in tags}) for tags in set(tags_of)}

    def _record(self, told: Sequence[tuple[int, int, Fact]]) -> None:
        """Writes consent records: (subscriber, number, fact)."""
        organisation, list_id, sealed = self.organisation.id, self.list_id, self._seal_record
        purpose, way = facts.NEWSLETTER, facts.IMPORT
        rows = []
        for (subscriber, number, (kind, day, _, words)), nonce in zip(told, _nonces(len(told)), strict=True):
            blob = sealed(words, number, nonce)
            proof = facts.digest(organisation, subscriber, list_id, kind, purpose, way, day, blob)
            rows.append((organisation, subscriber, list_id, kind, purpose, way, day, blob, proof))
        dialect.insert_consent(rows)

    def _suppress(self, blinds: list[bytes]) -> None:
        version = self._keys.index_version
        rows = [(self.organisation.id, blind, version, "bounce", self.today) for blind in sorted(blinds)]
        dialect.insert_suppressions(rows)

    # -- already here -------------------------------------------------------------------------------------------

    def _compare(
        self, made: Slice, known: dict[int, Person], reasons: dict[int, str], counts: Counter[str], again: bool
    ) -> None:
        self._known.read(known.values())
        changes = [
            self._known.change(made, place, known[place], reasons.get(place), self._tags, again) for place in known
        ]
        touched = [change for change in changes if change.anything]
        if touched and self.writes:
            touched = self._once_more(made, touched, reasons, again)
            self._apply(touched)
        counts["unchanged" if again else "updated"] += len(touched)
        counts["unchanged"] += len(changes) - len(touched)
        counts["duplicates"] += len(changes) if again else 0
        settled = {change.place: change for change in touched}
        for change in changes:
            final = settled.get(change.place, change)
            counts[STATUSES[final.status]] += 1
            if not again:
                counts["here"] += 1
                counts["kept_left"] += final.stays_left

    def _once_more(self, made: Slice, touched: list[Change], reasons: dict[int, str], again: bool) -> list[Change]:
        """On PostgreSQL somebody may have changed them between our look and now: lock, look again, decide."""
        people = {change.place: change.person for change in touched}
        if dialect.lock_subscribers([person.id for person in people.values()]):
            self._known.read(people.values())
            return [
                self._known.change(made, place, person, reasons.get(place), self._tags, again)
                for place, person in people.items()
            ]
        return touched

    def _apply(self, changes: list[Change]) -> None:
        nonces = _nonces(len(changes))
        dialect.update_subscribers(
            [
                (self._seal(change.plain, change.person.number, next(nonces)), change.language, change.person.id)
                for change in changes
                if change.plain is not None
            ]
        )
        dialect.insert_subscriber_tags([(change.person.id, tag) for change in changes for tag in sorted(change.tags)])
        dialect.insert_subscriptions([row for change in changes for row in change.entered])
        dialect.update_subscriptions([row for change in changes for row in change.moved])
        self._record([(change.person.id, change.person.number, fact) for change in changes for fact in change.facts])
        self._suppress([change.person.blind for change in changes if change.suppress])
        for change in changes:
            person = change.person
            self._totals.move(person.statuses(), person.tags, change.statuses(), person.tags | change.tags)

    def _count_again(self, made: Slice, again: list[int], counts: Counter[str]) -> None:
        """A dry run has not stored the first row of an address; the strongest status of all rows says the same."""
        known = self._known.find(made, again)
        self._known.read(known.values())
        for place in again:
            status = made.again[place]
            before = known[place].status_on(self.list_id) if place in known else None
            counts[STATUSES[status if before is None else _MERGE[before][status]]] += 1
        counts["unchanged"] += len(again)
        counts["duplicates"] += len(again)


def _with_erased(made: Slice, reasons: dict[int, str]) -> list[Rejected]:
    """Who had herself erased does not come back by a file."""
    erased = [(made.lines[place], "erased", {}) for place, reason in reasons.items() if reason == "erased"]
    return sorted([*made.rejects, *erased], key=lambda reject: reject[0]) if erased else made.rejects


def _nonces(count: int) -> Iterator[bytes]:
    """Fresh nonces, from one call to the system instead of one each."""
    drawn = os.urandom(seal.NONCE_BYTES * count)
    return (drawn[at : at + seal.NONCE_BYTES] for at in range(0, len(drawn), seal.NONCE_BYTES))


def _may(status: int, reason: str | None) -> int:
    if reason:
        return REASONS.index(f"suppressed:{reason}")
    return _CLEANED_MAY if status == CLEANED else _MAY[status]


def _waves(made: Slice, again: list[int]) -> list[list[int]]:
    """Repeated rows in turns, so that no turn has an address twice."""
    met: Counter[bytes] = Counter()
    waves: dict[int, list[int]] = defaultdict(list)
    for place in again:
        waves[met[made.blinds[place]]].append(place)
        met[made.blinds[place]] += 1
    return list(waves.values())
