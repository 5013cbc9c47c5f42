"""The ledger: states of a delivery, the one table of legal moves, the books, and the journal that outlives a kill.

Nobody is lost and nobody gets a letter twice on a guess, because everything owed is on record before it is done:
a chunk is claimed, `S` is in the journal before the final dot can leave, `R` after the answer, then the result is in
the database. What a crash leaves behind is read by `fold` and judged by `recover`; both are pure.
"""

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple
from zlib import crc32

from samizdat.core.mail.outcome import Accepted, Deferred, Outcome, Refused, Unsure

# --- states and moves -------------------------------------------------------------------------------------------


class State(IntEnum):
    """What is known of one message. The numbers stand in the database: append only."""

    PENDING = 0
    DEFERRED = 1
    ACCEPTED = 2
    REFUSED = 3
    UNSURE = 4
    SUPPRESSED = 5
    CANCELLED = 6


STATES = tuple(state.name.lower() for state in State)

# Nothing more is owed to these; `unsure` may still be settled by a person or by the campaign's policy.
SETTLED = (State.ACCEPTED, State.REFUSED, State.UNSURE, State.SUPPRESSED, State.CANCELLED)


class JournalNews(IntEnum):
    """What can be heard of a message. The numbers stand in journals: append only."""

    RETURNED = 0  # Not handed over, or refused because of the route: as if it had not been tried.
    ACCEPTED = 1
    DEFERRED = 2
    REFUSED = 3
    UNSURE = 4
    EXPIRED = 5
    SUPPRESSED = 6
    CANCELLED = 7


_NEWS: dict[type, JournalNews] = {
    Accepted: JournalNews.ACCEPTED,
    Deferred: JournalNews.DEFERRED,
    Refused: JournalNews.REFUSED,
    Unsure: JournalNews.UNSURE,
}


def news_of(outcome: Outcome) -> JournalNews:
    """An outcome as news. A deferral that blames the route says nothing of the recipient: it is RETURNED."""
    if isinstance(outcome, Deferred) and outcome.scope not in ("recipient", "message"):
        return JournalNews.RETURNED
    return _NEWS[type(outcome)]


class IllegalMove(ValueError):
    """Something was heard of a message that cannot be true of it: a bug, not an ordinary day."""

    def __init__(self, state: State, news: JournalNews) -> None:
        super().__init__(f"A message that is {state.name.lower()} cannot be {news.name.lower()}.")


# The one table. Journals are folded again after every crash, so late and repeated news is in it too. Read as an order
# of strength, accepted > refused > unsure > suppressed > cancelled > deferred > pending: the stronger fact stays,
# whichever came first.
MOVES: dict[tuple[State, JournalNews], State] = {
    (State.PENDING, JournalNews.RETURNED): State.PENDING,
    (State.PENDING, JournalNews.ACCEPTED): State.ACCEPTED,
    (State.PENDING, JournalNews.DEFERRED): State.DEFERRED,
    (State.PENDING, JournalNews.REFUSED): State.REFUSED,
    (State.PENDING, JournalNews.UNSURE): State.UNSURE,
    (State.PENDING, JournalNews.SUPPRESSED): State.SUPPRESSED,
    (State.PENDING, JournalNews.CANCELLED): State.CANCELLED,
    (State.DEFERRED, JournalNews.RETURNED): State.DEFERRED,
    (State.DEFERRED, JournalNews.ACCEPTED): State.ACCEPTED,
    (State.DEFERRED, JournalNews.DEFERRED): State.DEFERRED,
    (State.DEFERRED, JournalNews.REFUSED): State.REFUSED,
    (State.DEFERRED, JournalNews.UNSURE): State.UNSURE,
    (State.DEFERRED, JournalNews.EXPIRED): State.REFUSED,
    (State.DEFERRED, JournalNews.SUPPRESSED): State.SUPPRESSED,
    (State.DEFERRED, JournalNews.CANCELLED): State.CANCELLED,
    # The second try of a doubtful message, the relay's log or a late answer settles it.
    (State.UNSURE, JournalNews.ACCEPTED): State.ACCEPTED,
    (State.UNSURE, JournalNews.REFUSED): State.REFUSED,
    # The first copy may lie in the recipient's mailbox: whatever else is heard, that doubt stays.
    (State.UNSURE, JournalNews.RETURNED): State.UNSURE,
    (State.UNSURE, JournalNews.DEFERRED): State.UNSURE,
    (State.UNSURE, JournalNews.UNSURE): State.UNSURE,
    (State.UNSURE, JournalNews.EXPIRED): State.UNSURE,
    (State.UNSURE, JournalNews.SUPPRESSED): State.UNSURE,
    (State.UNSURE, JournalNews.CANCELLED): State.UNSURE,
    # Told again by a journal that is folded twice, or late about an earlier try.
    (State.ACCEPTED, JournalNews.RETURNED): State.ACCEPTED,
    (State.ACCEPTED, JournalNews.ACCEPTED): State.ACCEPTED,
    (State.ACCEPTED, JournalNews.DEFERRED): State.ACCEPTED,
    (State.ACCEPTED, JournalNews.REFUSED): State.ACCEPTED,
    (State.ACCEPTED, JournalNews.UNSURE): State.ACCEPTED,
    (State.ACCEPTED, JournalNews.SUPPRESSED): State.ACCEPTED,
    (State.ACCEPTED, JournalNews.CANCELLED): State.ACCEPTED,
    (State.REFUSED, JournalNews.RETURNED): State.REFUSED,
    (State.REFUSED, JournalNews.ACCEPTED): State.ACCEPTED,
    (State.REFUSED, JournalNews.DEFERRED): State.REFUSED,
    (State.REFUSED, JournalNews.REFUSED): State.REFUSED,
    (State.REFUSED, JournalNews.UNSURE): State.REFUSED,
    (State.REFUSED, JournalNews.EXPIRED): State.REFUSED,
    (State.REFUSED, JournalNews.SUPPRESSED): State.REFUSED,
    (State.REFUSED, JournalNews.CANCELLED): State.REFUSED,
    # Booked while a last try was still on its way on a machine that had lost sight of us: what the server said is so.
    (State.SUPPRESSED, JournalNews.RETURNED): State.SUPPRESSED,
    (State.SUPPRESSED, JournalNews.ACCEPTED): State.ACCEPTED,
    (State.SUPPRESSED, JournalNews.DEFERRED): State.SUPPRESSED,
    (State.SUPPRESSED, JournalNews.REFUSED): State.REFUSED,
    (State.SUPPRESSED, JournalNews.UNSURE): State.UNSURE,
    (State.SUPPRESSED, JournalNews.SUPPRESSED): State.SUPPRESSED,
    (State.SUPPRESSED, JournalNews.CANCELLED): State.SUPPRESSED,
    (State.CANCELLED, JournalNews.RETURNED): State.CANCELLED,
    (State.CANCELLED, JournalNews.ACCEPTED): State.ACCEPTED,
    (State.CANCELLED, JournalNews.DEFERRED): State.CANCELLED,
    (State.CANCELLED, JournalNews.REFUSED): State.REFUSED,
    (State.CANCELLED, JournalNews.UNSURE): State.UNSURE,
    (State.CANCELLED, JournalNews.SUPPRESSED): State.SUPPRESSED,
    (State.CANCELLED, JournalNews.CANCELLED): State.CANCELLED,
}


def step(state: State, news: JournalNews) -> State:
    """The next state. Raises IllegalMove: nobody expires who was never tried, and nothing accepted does."""
    try:
        return MOVES[state, news]
    except KeyError:
        raise IllegalMove(state, news) from None


# --- the books --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LedgerTotals:
    """The books of one campaign, in messages. `frozen` is what was owed at release, for good."""

    frozen: int = 0
    accepted: int = 0
    refused: int = 0
    unsure: int = 0
    suppressed: int = 0
    cancelled: int = 0
    deferred: int = 0
    pending: int = 0

    @property
    def adds_up(self) -> bool:
        return self.frozen == sum(int(getattr(self, state)) for state in STATES)

    @property
    def owed(self) -> int:
        """Messages of which something is still to be heard."""
        return self.pending + self.deferred


def books(states: Iterable[State]) -> LedgerTotals:
    """The books over one state a recipient."""
    counts = dict.fromkeys(STATES, 0)
    frozen = 0
    for state in states:
        counts[STATES[state]] += 1
        frozen += 1
    return LedgerTotals(frozen=frozen, **counts)


def changes(moves: Mapping[tuple[State, State], int]) -> dict[State, int]:
    """What moves (from, to), so many of each, do to the counters; what does not change is left out."""
    counts: dict[State, int] = {}
    for (old, new), many in moves.items():
        if old != new:
            counts[old] = counts.get(old, 0) - many
            counts[new] = counts.get(new, 0) + many
    return {state: count for state, count in counts.items() if count}


# --- chunks -----------------------------------------------------------------------------------------------------

# One row claimed for 500 messages: fewer and the database is the brake, more and a power cut leaves too many in doubt.
CHUNK = 500


def pack_numbers(numbers: Sequence[int]) -> bytes:
    """Subscriber numbers as u64, big-endian, one after the other: for ever, as the layout of a chunk."""
    return struct.pack(f">{len(numbers)}Q", *numbers)


def unpack_numbers(blob: bytes) -> tuple[int, ...]:
    """What pack_numbers packed."""
    return struct.unpack(f">{len(blob) // 8}Q", blob)


# --- the journal ------------------------------------------------------------------------------------------------

# Header, 64 bytes: magic, version, size of a record, boot id, worker, folder id, spare, CRC-32. Records, 32 bytes:
# kind, news, answer class, spare, code, wait in minutes, route, chunk, number, CRC-32 that begins with the header's.
# Fixed sizes: a record torn by a power cut fails its own CRC and moves no other.
MAGIC = b"SMZJRNL\n"
VERSION = 1
_header = struct.Struct(">8sHH16sQ16s8xI")
_record = struct.Struct(">BBBxHHIQQ")
_crc = struct.Struct(">I")
HEADER_BYTES = _header.size
RECORD_BYTES = _record.size + _crc.size
S, R = ord("S"), ord("R")
# Beside what happens to messages: C says of which edition a chunk is (in `number`), W how many groups of results the
# database has taken (in `number`). So a journal can be read against a database that has gone back in time.
C, W = ord("C"), ord("W")
MOST_WAIT = 0xFFFF
# As `wait` of a message in doubt, of which no server names a time: a person alone has it sent again.
FOR_PERSON = 1


class NoJournal(ValueError):
    """The bytes are no journal: empty, torn in the header, or of another version."""


@dataclass(frozen=True, slots=True)
class Header:
    """Whose journal it is. `boot` and `folder`: 16 bytes each, which run of the machine and which data folder."""

    boot: bytes
    worker: int
    folder: bytes


class JournalRecord(NamedTuple):
    """S: about to finish this message. R: what was heard. `wait` in minutes, as the server asked; 0: it did not."""

    kind: int
    chunk: int
    number: int
    news: JournalNews = JournalNews.RETURNED
    answer: int = 0
    code: int = 0
    route: int = 0
    wait: int = 0


def pack_header(header: Header) -> bytes:
    """64 bytes, CRC in the last four."""
    head = _header.pack(MAGIC, VERSION, _record.size + _crc.size, header.boot, header.worker, header.folder, 0)[:-4]
    return head + _crc.pack(crc32(head))


def seed(header: bytes) -> int:
    """What the CRC of every record of this journal begins with, so that no other journal's records pass here."""
    return crc32(header)


def pack_s(start: int, chunk: int, number: int, route: int) -> bytes:
    """An S record; `start` is seed(header). 0.5 us."""
    head = _record.pack(S, 0, 0, 0, 0, route, chunk, number)
    return head + _crc.pack(crc32(head, start))


def pack_r(start: int, record: JournalRecord) -> bytes:
    """An R record."""
    head = _record.pack(
        R,
        record.news,
        record.answer,
        record.code,
        min(record.wait, MOST_WAIT),
        record.route,
        record.chunk,
        record.number,
    )
    return head + _crc.pack(crc32(head, start))


def pack_note(start: int, kind: int, chunk: int, number: int) -> bytes:
    """A C or W record."""
    head = _record.pack(kind, 0, 0, 0, 0, 0, chunk, number)
    return head + _crc.pack(crc32(head, start))


def read_header(data: bytes) -> Header:
    """Raises NoJournal."""
    if len(data) < HEADER_BYTES:
        raise NoJournal("The journal ends inside its header.")
    magic, version, size, boot, worker, folder, crc = _header.unpack_from(data)
    if magic != MAGIC or crc32(data[: HEADER_BYTES - 4]) != crc:
        raise NoJournal("The header of the journal is damaged.")
    if version != VERSION or size != RECORD_BYTES:
        raise NoJournal("The journal was written by another version of samizdat.")
    return Header(boot, worker, folder)


def read_journal(data: bytes) -> Iterator[JournalRecord]:
    """Every whole record, in order. Torn, empty and foreign ones are passed over. Raises NoJournal."""
    read_header(data)
    start = seed(data[:HEADER_BYTES])
    for at in range(HEADER_BYTES, len(data) - RECORD_BYTES + 1, RECORD_BYTES):
        record = _read_record(data[at : at + RECORD_BYTES], start)
        if record is not None:
            yield record


def last_note(data: bytes, kind: int) -> int:
    """The number in the last record of this kind; 0 where there is none. Raises NoJournal."""
    read_header(data)
    start = seed(data[:HEADER_BYTES])
    for at in range(_last_record(data), HEADER_BYTES - 1, -RECORD_BYTES):
        record = _read_record(data[at : at + RECORD_BYTES], start)
        if record is not None and record.kind == kind:
            return record.number
    return 0


def _last_record(data: bytes) -> int:
    """Where the last record may begin, over the room that is reserved and empty."""
    used = max(0, len(data.rstrip(b"\0")) - HEADER_BYTES - 1)
    return HEADER_BYTES + used // RECORD_BYTES * RECORD_BYTES


def _read_record(piece: bytes, start: int) -> JournalRecord | None:
    if len(piece) < RECORD_BYTES:
        return None
    if piece[0] not in (S, R, C, W) or crc32(piece[:-4], start) != _crc.unpack(piece[-4:])[0]:
        return None
    kind, news, answer, code, wait, route, chunk, number = _record.unpack_from(piece)
    return JournalRecord(kind, chunk, number, JournalNews(news), answer, code, route, wait)


# --- recovery ---------------------------------------------------------------------------------------------------

Key = tuple[int, int]  # chunk, number


@dataclass(frozen=True, slots=True)
class ReplayedJournal:
    """A journal in short: what was heard, and whose last dot may have left without an answer."""

    heard: Mapping[Key, JournalRecord]
    open: frozenset[Key]


_STRENGTH = {
    news: place
    for place, news in enumerate((JournalNews.DEFERRED, JournalNews.UNSURE, JournalNews.REFUSED, JournalNews.ACCEPTED))
}


def _hear[K](heard: dict[K, JournalRecord], key: K, record: JournalRecord) -> None:
    known = heard.get(key)
    if known is None or _STRENGTH[record.news] >= _STRENGTH[known.news]:
        heard[key] = record


def fold(records: Iterable[JournalRecord]) -> ReplayedJournal:
    """One result a chunk and number, the strongest one; S without R after it stays open."""
    heard: dict[Key, JournalRecord] = {}
    waiting: set[Key] = set()
    for record in records:
        key = record.chunk, record.number
        if record.kind == S:
            waiting.add(key)
        if record.kind != R:
            continue
        waiting.discard(key)
        if record.news in _STRENGTH:
            _hear(heard, key, record)
    return ReplayedJournal(heard, frozenset(waiting))


@dataclass(frozen=True, slots=True)
class JournalTail:
    """A journal as it is read against a database that may know less: by edition, since chunks may be others there.

    written: groups of results that the database had taken. unnamed: messages of chunks of which no C says the edition.
    """

    heard: Mapping[int, Mapping[int, JournalRecord]]
    open: Mapping[int, frozenset[int]]
    written: int
    unnamed: int


def fold_by_edition(records: Sequence[JournalRecord]) -> JournalTail:
    """What is known of each number of each edition: the strongest word, or that its last dot may have left."""
    editions = {record.chunk: record.number for record in records if record.kind == C}
    written = max((record.number for record in records if record.kind == W), default=0)
    folded = fold(records)
    heard: dict[int, dict[int, JournalRecord]] = {}
    waiting: dict[int, set[int]] = {}
    unnamed = {key for key in (*folded.heard, *folded.open) if key[0] not in editions}
    for (chunk, number), record in folded.heard.items():
        if chunk in editions:
            _hear(heard.setdefault(editions[chunk], {}), number, record)
    for chunk, number in folded.open:
        if chunk in editions:
            waiting.setdefault(editions[chunk], set()).add(number)
    return JournalTail(
        heard, {edition: frozenset(numbers) for edition, numbers in waiting.items()}, written, len(unnamed)
    )


@dataclass(frozen=True, slots=True)
class Recovery:
    """What to do with the claims of a sender that is gone: numbers by chunk."""

    unsure: dict[int, list[int]] = field(default_factory=dict)
    ready: dict[int, list[int]] = field(default_factory=dict)


def recover(folded: ReplayedJournal, claims: Mapping[int, Sequence[int]], exact: bool) -> Recovery:
    """Judge every claimed number that has no result in the database: {chunk: numbers}.

    exact: the journal is whole, because the machine has not started anew and the file is there. Then S without R is
    in doubt and the rest was never begun. Otherwise S records may be missing, so the whole window is in doubt.
    """
    recovery = Recovery({chunk: [] for chunk in claims}, {chunk: [] for chunk in claims})
    for chunk, numbers in claims.items():
        for number in numbers:
            key = chunk, number
            if key in folded.open or (not exact and key not in folded.heard):
                recovery.unsure[chunk].append(number)
            elif key not in folded.heard:
                recovery.ready[chunk].append(number)
    return recovery
