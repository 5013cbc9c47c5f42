"""Facts of consent as rows, and the verdict they come to.

A consent record's readable columns say list, kind, purpose, channel and day; exact time, source and words are sealed
beside them. Subscription.status, .mail_verdict and .fundraising_verdict are what core/consent makes of all of them,
written in their transaction.
"""

import hmac
import struct
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime

from samizdat.core import consent
from samizdat.core.crypto import seal
from samizdat.events.kinds import EventKind
from samizdat.vault import keyring

# Table and column as the seal knows them: part of every blob's associated data, for ever.
RECORD = ("consent", "sealed")

NEWSLETTER = consent.PURPOSES.index(consent.LETTERS)
APPEALS = consent.PURPOSES.index(consent.APPEALS)
IMPORT = consent.WAYS.index("import")

# What is recorded of whoever has limits.RECORDS already: no no is refused, and after one there is little to refuse.
ENDING = frozenset({"withdrawn", "objected", "cleaned"})

NO = frozenset(map(consent.KINDS.index, ENDING))

# By which somebody may be written to: of these only what we wrote counts.
YES = frozenset(map(consent.KINDS.index, ("given", "confirmed", "returned", "undone")))
_BY_DESK = consent.KINDS.index("withdrawn"), consent.WAYS.index("desk")

# Which reason speaks for an address that has several.
_REASONS = ("erased", "objected", "complaint", "manual", "bounce")

_heading = struct.Struct(">QQQBBB")
# Of a record that speaks for all lists, and of one that names list 0, which is none: digests of two records.
_ALL, _LIST_0 = 0, (1 << 64) - 1
_EMPTIED = bytes([255]) * 8
_u64, _tail = struct.Struct(">Q"), struct.Struct(">QBBB")

# (order, list or None, kind, purpose, way, day)
type Known = tuple[int, int | None, int, int, int, str]
# (subscriber, Known, organization, what is sealed, digest)
type Digested = tuple[int, Known, int, bytes, bytes]


def digest(
    organization: int,
    subscriber: int,
    list_id: int | None,
    kind: int,
    purpose: int,
    way: int,
    day: str,
    blob: bytes,
    key: bytes | None = None,
) -> bytes:
    """A keyed hash over the readable columns and the sealed ones: what the organization's hash chain vouches for. So
    whoever writes the database makes no yes unseen, and turns no no into one. key: of a record that is there already,
    that of its time."""
    heading = _heading.pack(organization, subscriber, _list(list_id), kind, purpose, way)
    return hmac.digest(key or _key(), heading + day.encode() + blob, "sha256")


def _key() -> bytes:
    return keyring.derive("consent records")


def _key_of(number: int) -> bytes:
    """What checks the record of this number."""
    return keyring.key_of_row("consent records", number)


def _list(list_id: int | None) -> int:
    return list_id or (_ALL if list_id is None else _LIST_0)


def digester(
    organization: int, list_id: int | None, purpose: int, way: int, day: str
) -> Callable[[int, int, bytes], bytes]:
    """digest() for many records of one list and day: (subscriber, kind, blob) -> the same 32 bytes, in half
    the time."""
    head, mac, number = _u64.pack(organization), seal.mac_maker(_key()), _u64.pack
    tails = [_tail.pack(_list(list_id), kind, purpose, way) + day.encode() for kind in range(len(consent.KINDS))]

    def digest_of(subscriber: int, kind: int, blob: bytes) -> bytes:
        return mac(head + number(subscriber) + tails[kind] + blob)

    return digest_of


def indexed(version: int, index: bytes) -> dict[int, str]:
    """For the words of a no: by which address it is found should the row of whoever said it be gone
    (missing_subscribers)."""
    return {consent.INDEX: f"{version} {index.hex()}"}


def with_index(kind: int, words: bytes, version: int, index: bytes) -> bytes:
    """Packed words of a record, of a no with the index."""
    return seal.pack(seal.unpack(words) | indexed(version, index)) if kind in NO else words


def believed(rows: Iterable[Digested]) -> Iterator[tuple[int, Known]]:
    """(subscriber, record) without each yes that we did not write, or that is another one over again: somebody without
    keys wrote it into the database. A no counts whoever wrote it."""
    return _ours(rows, YES)


def genuine(rows: Iterable[Digested]) -> Iterator[tuple[int, Known]]:
    """The same without each no that we did not write, too: what decides whether a no is news. Of a forged one, or of a
    status in the open, that would be no answer: it is taken away again, and the real one was never recorded. A sign-up
    says neither, and its words may be gone."""
    return _ours(rows, YES | NO)


def _ours(rows: Iterable[Digested], checked: frozenset[int]) -> Iterator[tuple[int, Known]]:
    heading = _heading.pack
    seen: set[bytes] = set()
    for subscriber, known, organization, blob, mark in rows:
        number, list_id, kind, purpose, way, day = known
        if kind in checked:
            text = heading(organization, subscriber, _list(list_id), kind, purpose, way) + day.encode() + blob
            if mark in seen or not hmac.compare_digest(hmac.digest(_key_of(number), text, "sha256"), mark):
                continue
            seen.add(mark)
        yield subscriber, known


def is_ours(row: Digested) -> bool:
    """Whether we wrote this record as it stands."""
    subscriber, (number, list_id, kind, purpose, way, day), organization, blob, mark = row
    try:
        facts = organization, subscriber, list_id, kind, purpose, way, day, blob
        return hmac.compare_digest(digest(*facts, _key_of(number)), mark)
    except struct.error:  # Numbers that we never write.
        return False


def mac_of_emptied(row: Digested) -> bytes:
    """Of a record whose words we take away: its number, its columns and its digest. Of no digest's text: there a number
    of an organization begins."""
    subscriber, (number, list_id, kind, purpose, way, day), organization, _blob, mark = row
    heading = _heading.pack(organization, subscriber, _list(list_id), kind, purpose, way)
    return hmac.digest(_key(), _EMPTIED + _u64.pack(number) + heading + day.encode() + mark, "sha256")


def is_ours_emptied(row: Digested, mac: bytes) -> bool:
    """Whether we took its words away, and it is as it was then. Under the present key alone
    (emptied_records.renew): with a former one an old record would be emptied and given to somebody else, and its digest
    would stand in the chain."""
    try:
        return not row[3] and hmac.compare_digest(mac_of_emptied(row), mac)
    except struct.error:  # Numbers that we never write.
        return False


def lists_on_record(rows: Iterable[Digested]) -> set[int | None]:
    """Numbers of lists that a record of ours names."""
    return {row[1][1] for row in rows if is_ours(row)}


def _place(known: Known) -> tuple[str, int]:
    return known[5], known[0]


def of_lists(facts: Iterable[consent.ConsentFact]) -> Callable[[int], list[consent.ConsentFact]]:
    """By the number of a list: what can speak for it, its own and what is said of all. Who is asked about fifty lists
    goes through the records of each, and not fifty times through those of all."""
    own: dict[int, list[consent.ConsentFact]] = defaultdict(list)
    for fact in facts:
        own[fact.list].append(fact)
    return lambda list_id: [*own.get(list_id, ()), *own.get(consent.ALL_LISTS, ())]


def _is_of_all(fact: consent.ConsentFact) -> bool:
    return fact.list == consent.ALL_LISTS and fact.kind in ("objected", "undone")


class GenuineConsent:
    """All that is on record about one subscriber and that we wrote: read and verified once, whatever it is asked."""

    def __init__(self, rows: Iterable[Digested]) -> None:
        rows = list(rows)
        self.rows = len(rows)
        self._standings: dict[tuple[int, str, datetime], str] = {}
        ours = [known for _, known in genuine(rows)]
        self._ours = ours
        self._facts = of_lists(records(ours))
        self._nos = [known for known in ours if known[2] in NO]
        self._yeses = [known for _, known, *_proof in rows if known[2] in YES]

    def standing(self, list_id: int, purpose: str, now: datetime) -> str:
        """How they stand on a list, of consent.STATUSES: what is asked before a no. Whoever writes the database has a
        status say that there is nothing to leave."""
        asked = list_id, purpose, now
        if asked not in self._standings:
            self._standings[asked] = consent.status(consent.may(self._facts(list_id), *asked))
        return self._standings[asked]

    def standing_with(self, fact: consent.ConsentFact, now: datetime) -> str:
        """As standing(), for the list and purpose of this fact, were it on record as well."""
        facts = [*self._facts(fact.list), fact]
        return consent.status(consent.may(facts, fact.list, fact.purpose, now))

    def has_gone(self, list_id: int, purpose: str, now: datetime) -> bool:
        """Whether there is nothing left to leave."""
        return self.standing(list_id, purpose, now) in ("unsubscribed", "cleaned")

    def has_objected(self) -> bool:
        """Whether they objected to all mail and nothing has lifted that since."""
        facts = sorted(records(self._ours), key=lambda fact: (fact.day, fact.order))
        letters = [fact for fact in facts if fact.purpose == consent.LETTERS]
        about = (fact for fact in reversed(letters) if fact.kind == "confirmed" or _is_of_all(fact))
        return next((fact.kind for fact in about), "") == "objected"

    def is_recorded(self, no: Known) -> bool:
        """Whether this no of theirs is recorded already: the same, of the same day and way, and no yes behind it, be it
        a forged one. So somebody who says it again and again fills no table, and nobody's no depends on how they stand,
        or seem to.

        The desk's counts where others stand before it: one that ended something may be undone bulk work, and theirs is
        not.
        """
        _order, list_id, kind, purpose, way, day = no

        def is_about_it(known: Known) -> bool:
            return known[3] == purpose and (list_id is None or known[1] in (list_id, None))

        last_yes = max((_place(known) for known in self._yeses if is_about_it(known)), default=("", 0))
        nos = [known for known in self._nos if is_about_it(known) and _place(known) > last_yes]
        same = [known for known in nos if known[1:] == (list_id, kind, purpose, way, day)]
        has_ended = same[:1] == nos[:1] and (kind, way) == _BY_DESK
        return len(same) > has_ended


def records(known: Iterable[Known]) -> list[consent.ConsentFact]:
    """Rows as core/consent reads them, without those whose numbers are none of ours: they say nothing, and the check
    of the log finds them."""
    return [
        consent.ConsentFact(
            kind=consent.KINDS[kind],
            list=list_id or consent.ALL_LISTS,
            purpose=consent.PURPOSES[purpose],
            day=date.fromisoformat(day),
            way=consent.WAYS[way],
            order=order,
        )
        for order, list_id, kind, purpose, way, day in known
        if kind < len(consent.KINDS) and purpose < len(consent.PURPOSES) and way < len(consent.WAYS)
    ]


def verdict_of(
    known: Sequence[consent.ConsentFact], list_id: int, now: datetime, reason: str | None, paused: date | None = None
) -> tuple[int, int, date | None]:
    """(status, may, day of the fact behind it) of a subscription, as they are stored."""
    own = consent.may(known, list_id, "newsletter", now)
    asked = own
    if reason is not None or paused is not None:
        asked = consent.may(known, list_id, "newsletter", now, suppressed=reason, paused=paused)
    status = consent.STATUSES.index(consent.status(own))
    return status, consent.code(asked), own.record.day if own.record else None


def asking_of(known: Sequence[consent.ConsentFact], list_id: int, now: datetime) -> int:
    """May they be asked for money, as it is stored: 0 where nothing was ever said of it. Without suppression and pause,
    which `may` has."""
    if not any(record.purpose == consent.APPEALS and record.list in (list_id, consent.ALL_LISTS) for record in known):
        return 0
    return consent.code(consent.may(known, list_id, consent.APPEALS, now))


# What many readers may do at once -> the events that say who did.
LEFT, RETURNED, FEWER = "left", "returned", "fewer"
CROWDS: dict[str, EventKind] = {
    LEFT: "subscribers.left",
    RETURNED: "subscribers.returned",
    FEWER: "subscribers.fewer",
}


def what_in(detail: Mapping[str, object]) -> str:
    """What many did at once, of an alarm: left where it does not say."""
    return str(detail.get("what", LEFT))


def purpose_in(detail: Mapping[str, object]) -> str:
    """What was left, of an event: letters where it does not say."""
    return str(detail.get("purpose", consent.LETTERS))


def foremost(reasons: Iterable[str]) -> str | None:
    """The reason that is named when an address is suppressed for several."""
    known_reasons = set(reasons)
    return next((reason for reason in _REASONS if reason in known_reasons), None)
