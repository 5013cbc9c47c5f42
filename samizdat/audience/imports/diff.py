"""What is known of people who come in again, and what a row of a file changes about them."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from samizdat.accounts.models import Organization
from samizdat.audience import consent_records, limits, sealed_subscribers, sql
from samizdat.audience.imports.appeals import AppealsConsent
from samizdat.audience.imports.reading.parse import NEW, Fact
from samizdat.audience.imports.stretches import ParsedRow
from samizdat.audience.models import NUMBER_MASK, PENDING, STATUSES, SUBSCRIBED
from samizdat.core import consent
from samizdat.core.crypto import seal
from samizdat.core.mail import address as addresses
from samizdat.vault.keyring import OrganizationKeys

_MERGE = [[STATUSES.index(consent.merge_status(known, new)) for new in STATUSES] for known in STATUSES]
_LEAVING = frozenset(map(consent.KINDS.index, ("withdrawn", "cleaned")))
_LEFT = frozenset({STATUSES.index("unsubscribed"), STATUSES.index("cleaned")})
_CLEANED = STATUSES.index("cleaned")
_SUPPRESSED = frozenset(code for code, reason in enumerate(consent.REASONS) if reason.startswith("suppressed:"))


def is_on(status: int, may: int) -> bool:
    """Whether a subscription can be taken from somebody: who is on the stop list loses nothing."""
    return status in (PENDING, SUBSCRIBED) and may not in _SUPPRESSED


@dataclass(slots=True)
class KnownSubscriber:
    """A subscriber as the database has them."""

    id: int
    blind: bytes
    plain: bytes  # their values, seal.pack
    language: str
    tags: set[int] = field(default_factory=set)
    lists: dict[int, tuple[int, int]] = field(default_factory=dict)  # list -> (status, may)
    records: list[consent_records.Known] = field(default_factory=list)
    words: dict[int, bytes] = field(default_factory=dict)  # what is sealed of each record, by its number
    forged: set[int] = field(default_factory=set)  # numbers of no's by an import that we did not write

    @property
    def number(self) -> int:
        return self.id & NUMBER_MASK

    def statuses(self) -> dict[int, int]:
        return {list_id: status for list_id, (status, _) in self.lists.items()}

    def status_on(self, list_id: int) -> int | None:
        return self.lists[list_id][0] if list_id in self.lists else None


@dataclass(slots=True)
class SubscriberChange:
    """What a row changes. Empty where everything was known."""

    row: ParsedRow
    person: KnownSubscriber
    status: int  # on the list of the import, afterwards
    language: str
    plain: bytes | None = None  # their values, where they or the language change
    tags: set[int] = field(default_factory=set)
    facts: list[Fact] = field(default_factory=list)
    appeals: Fact | None = None  # their yes to appeals for money
    entered: list[tuple[int, int, int, int, str]] = field(default_factory=list)  # bulk_insert.SubscriptionRow
    moved: list[tuple[int, int, str, int, int]] = field(default_factory=list)  # (status, may, since, subscriber, list)
    asked: list[tuple[int, int, int]] = field(default_factory=list)  # (asking, subscriber, list)
    suppress: bool = False
    excess: tuple[str, str] | None = None  # code and limit, where they would have more than a subscriber may
    stays_left: bool = False  # the file says they may be written to, and they have left

    @property
    def anything(self) -> bool:
        return bool(self.plain is not None or self.tags or self.facts or self.appeals or self.entered or self.moved)

    @property
    def taken_off(self) -> list[int]:
        """Lists on which they are no more."""
        before = self.person.lists
        return [
            list_id
            for status, may, _since, _id, list_id in self.moved
            if is_on(*before[list_id]) and not is_on(status, may)
        ]

    def statuses(self) -> dict[int, int]:
        after = self.person.statuses()
        after |= {list_id: status for _, list_id, status, _, _ in self.entered}
        return after | {list_id: status for status, _, _, _, list_id in self.moved}


class KnownSubscribers:
    """Looks people up by slices and compares rows with them. `misindexed`: rows that stood under the index of an
    address of the file and have another one, as consent_writer.find says."""

    def __init__(
        self, organization: Organization, list_id: int, keys: OrganizationKeys, now: datetime, *, update_only: bool,
        appeals: AppealsConsent | None = None,
    ) -> None:  # fmt: skip
        assert keys.ring is not None
        self._update_only = update_only
        self._appeals = appeals
        self._organization = organization.id
        self._list = list_id
        self._now = now
        self._today = now.astimezone(UTC).date().isoformat()
        self.misindexed: list[int] = []
        self._blind = seal.blinder(keys.index[keys.index_version])
        self._open = sealed_subscribers.opener(keys).open
        self._open_record = keys.ring.bound(*consent_records.RECORD, keys.uid).open

    def find(self, rows: Iterable[ParsedRow]) -> dict[bytes, KnownSubscriber]:
        """Blind index of a row -> who it is, for those that are here."""
        where: dict[bytes, bytes] = {}
        for row in rows:
            where[row[0]] = row[0]
            for older in row[10]:
                where[older] = row[0]
        known = {}
        for blind, id, blob, language in sql.subscribers_by_blind(self._organization, list(where)):
            plain, index = self._opened(id, bytes(blob)), where[bytes(blind)]
            if plain and self._blind(addresses.comparable(seal.pick(plain, seal.ADDRESS))) == index:
                known[index] = KnownSubscriber(id, bytes(blind), plain, language)
            else:
                self.misindexed.append(id)
        return known

    def _opened(self, id: int, blob: bytes) -> bytes:
        """Nothing for who does not open: whoever has the address comes in beside that row."""
        try:
            return self._open(blob, id & NUMBER_MASK)
        except seal.SealError:
            return b""

    def read(self, people: Iterable[KnownSubscriber]) -> None:
        """Fills in tags, lists and consent records, in three queries."""
        by_id = {person.id: person for person in people}
        for person in by_id.values():
            person.tags, person.lists, person.records, person.words = set(), {}, [], {}
            person.forged = set()
        ids = list(by_id)
        for id, tag in sql.tags_of(ids):
            by_id[id].tags.add(tag)
        for id, list_id, status, may in sql.subscriptions_of(ids):
            by_id[id].lists[list_id] = (status, may)
        for row in sql.digested_consent_of(ids):
            id, record, _organization, words, _proof = row
            by_id[id].records.append(record)
            by_id[id].words[record[0]] = words
            if record[2] in _LEAVING and record[4] == consent_records.IMPORT and not consent_records.is_ours(row):
                by_id[id].forged.add(record[0])

    def change(
        self, row: ParsedRow, person: KnownSubscriber, reason: str | None, tags: dict[str, int]
    ) -> SubscriberChange:
        """What a row changes about them. A row that repeats an address of this import only fills gaps."""
        change = SubscriberChange(row, person, row.status, person.language)
        self._compare_values(change)
        change.tags = {tags[name] for name in row.tags} - person.tags
        self._bound(change)
        change.facts = [fact for fact in row.facts if not self._is_known(fact, row.status, person)]
        if self._update_only:  # A no is heard from whatever file; who may be written to is not asked of this one.
            change.facts = [fact for fact in change.facts if fact[0] in _LEAVING]
        if len(person.records) >= limits.RECORDS:  # Each row reads all of them: only a no that is new comes to them.
            ends = _ends(person.status_on(self._list))
            change.facts = [fact for fact in change.facts if fact[0] in ends]
        before = person.status_on(self._list)
        if before is not None and not change.facts:
            change.status = before
        else:
            self._settle(change, before, reason)
        if self._appeals is not None and reason is None and self._agrees_to_appeals(change):
            change.appeals = self._appeals.fact(row.facts)
        change.asked = self._asking(change)
        change.stays_left = before in _LEFT and row.status not in _LEFT
        return change

    def _agrees_to_appeals(self, change: SubscriberChange) -> bool:
        """Of whoever the file says and we know to be subscribed: those of whom nothing of appeals is on record, be it
        that they took it back."""
        known = change.person.records
        if change.row.status != SUBSCRIBED or change.status != SUBSCRIBED:
            return False
        has_room = len(known) + len(change.facts) < limits.RECORDS
        return has_room and not any(
            record[3] == consent_records.APPEALS and record[1] in (self._list, None) for record in known
        )

    def _compare_values(self, change: SubscriberChange) -> None:
        row, person, again = change.row, change.person, change.row.again != NEW
        if row.language and (not again or not person.language):
            change.language = row.language
        plain = person.plain
        merged = plain if plain == row.plain else _merged(plain, row.plain, again)
        if merged != plain or change.language != person.language:
            change.plain = merged

    def _bound(self, change: SubscriberChange) -> None:
        """A no is heard all the same, without its tags and values."""
        person, plain = change.person, change.plain
        if change.tags and len(person.tags) + len(change.tags) > limits.TAGS_EACH:
            change.excess = "many_tags", str(limits.TAGS_EACH)
        elif plain and len(person.plain) < len(plain) > limits.HEAVIEST_SUBSCRIBER:
            change.excess = "much_text", str(limits.HEAVIEST_SUBSCRIBER >> 10)
        if change.excess and change.row.status in _LEFT:
            change.excess, change.tags, change.plain = None, set(), None

    def _is_known(self, fact: Fact, incoming: int, person: KnownSubscriber) -> bool:
        """A fact that was told before tells nothing new, whatever has become of the subscriber since: whoever came back
        after an import is not sent away again by the same file.

        Compared is the day that the file told, which is sealed: the readable one is that of the import. Records of
        others' making tell nothing: they would keep a no out, and be taken away again.
        """
        kind, _, ours, words = fact
        if ours and kind not in _LEAVING:  # The file names no time, so only a change is news.
            before = person.status_on(self._list)
            return before is not None and _MERGE[before][incoming] == before
        like, day = (
            (self._list, kind, consent_records.NEWSLETTER, consent_records.IMPORT),
            seal.pick(words, consent.AT)[:10],
        )
        return any(
            record[1:5] == like and self._told(record[0], person) == day and record[0] not in person.forged
            for record in person.records
        )

    def _told(self, record: int, person: KnownSubscriber) -> str:
        """The day that was told with a record; "" where none was."""
        blob = person.words[record]
        return seal.pick(self._open_record(blob, person.number), consent.AT)[:10] if blob else ""

    def _settle(self, change: SubscriberChange, before: int | None, reason: str | None) -> None:
        """The projections after the new facts: on this list, and on their others when their address turns out dead."""
        person = change.person
        status, may, since = self._verdict(change, self._list, reason)
        dead = any(fact[0] in _LEAVING for fact in change.facts) and status == _CLEANED
        change.suppress = dead  # Whatever entry seems to be there.
        if dead and reason is None:
            reason = "bounce"
            status, may, since = self._verdict(change, self._list, reason)
        change.status = status
        if before is None:
            change.entered = [(person.id, self._list, status, may, since)]
        else:  # Even where only the day moves on, with the fact that it is of.
            change.moved = [(status, may, since, person.id, self._list)]
        if change.suppress:
            change.moved += [
                (*self._verdict(change, other, reason), person.id, other)
                for other in person.lists
                if other != self._list
            ]

    def _verdict(self, change: SubscriberChange, list_id: int, reason: str | None) -> tuple[int, int, str]:
        """With the new facts as they will be stored: a file's no counts from the day we learn of it."""
        known = self._records(change)
        status, may, day = consent_records.verdict_of(known, list_id, self._now, reason)
        if may == consent.YES and change.person.lists.get(list_id, (0, 0))[1] == consent.PAUSED:
            may = consent.PAUSED  # A file that agrees with them does not end their pause.
        return status, may, day.isoformat() if day else self._today

    def _records(self, change: SubscriberChange) -> list[consent.ConsentFact]:
        order = max((record[0] for record in change.person.records), default=0)
        added = [
            (order + place, self._list, kind, consent_records.NEWSLETTER, consent_records.IMPORT, self._today)
            for place, (kind, _, _, _) in enumerate(change.facts, start=1)
        ]
        if change.appeals:
            place, purpose = order + len(change.facts) + 1, consent_records.APPEALS
            added.append((place, self._list, change.appeals[0], purpose, consent_records.IMPORT, self._today))
        return consent_records.records([*change.person.records, *added])

    def _asking(self, change: SubscriberChange) -> list[tuple[int, int, int]]:
        """What follows for appeals on each list of somebody who ever spoke of them."""
        person = change.person
        is_asked = change.appeals or any(record[3] == consent_records.APPEALS for record in person.records)
        if not is_asked or not (change.facts or change.appeals):
            return []
        known = self._records(change)
        return [
            (consent_records.asking_of(known, list_id, self._now), person.id, list_id)
            for list_id in {*person.lists, self._list}
        ]


def _ends(before: int | None) -> frozenset[int]:
    """The kinds of facts that would end something of somebody of this status."""
    if before == _CLEANED:
        return frozenset()
    return _LEAVING - {consent.KINDS.index("withdrawn")} if before in _LEFT else _LEAVING


def _merged(plain: bytes, incoming: bytes, fill: bool) -> bytes:
    """Their values with the row's: it overrides with what it has; filling, it only adds what is missing.

    The address stays as it is: it differs in case at most.
    """
    known, new_values = seal.unpack(plain), seal.unpack(incoming)
    merged = {**new_values, **known} if fill else {**known, **new_values}
    merged[seal.ADDRESS] = known[seal.ADDRESS]
    return plain if merged == known else seal.pack(merged)
