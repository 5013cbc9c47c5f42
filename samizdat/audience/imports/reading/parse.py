"""Rows of an export to slices: addresses in form, packed values, facts of consent.

Nothing is sealed and nobody is looked up here: this runs in a process that a file may take over, and holds no key. The
writer computes the index of each address itself (stretches.py).
"""

import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from samizdat import plugins
from samizdat.audience.imports.reading.seen_addresses import SeenAddresses
from samizdat.audience.limits import HEAVIEST_SUBSCRIBER, LONGEST_VALUE, TAGS_EACH
from samizdat.core import consent
from samizdat.core.crypto import canary, seal
from samizdat.core.imports import ImportBatch, ImportPlan, IncomingRow, Position
from samizdat.core.mail import address

if TYPE_CHECKING:
    from samizdat.plugins import GivenFile

# 5,000 a slice: a transaction of about 100 ms, and as many rows as a block of numbers has (design.md, 6.14 and 4).
SLICE = 5_000

# A line may be rejected with a word from it; kept is the number alone.
_KEPT_VALUES = frozenset({"has", "wants", "limit", "encoding"})

_STATUS = {name: number for number, name in enumerate(consent.STATUSES)}
# Importers know one status more: whoever complained has left, and their address is suppressed besides.
_COMPLAINED = "complained"
_STATUS[_COMPLAINED] = _STATUS["unsubscribed"]
_PENDING, _SUBSCRIBED = _STATUS["pending"], _STATUS["subscribed"]
_NONSUBSCRIBED = _STATUS["nonsubscribed"]
_ASKED, _GIVEN, _CONFIRMED, _WITHDRAWN, _CLEANED = map(
    consent.KINDS.index, ("asked", "given", "confirmed", "withdrawn", "cleaned")
)
_LEAVING = {_STATUS["unsubscribed"]: _WITHDRAWN, _STATUS["cleaned"]: _CLEANED}
# Whose strength counts when an address comes twice: index by status.
_MERGE = [[_STATUS[consent.merge_status(known, new)] for new in consent.STATUSES] for known in consent.STATUSES]

# An address after the apostrophe that exports put before what a spreadsheet would take for a formula.
_GUARDED = frozenset({"'+", "'-", "'="})

# (kind, day, day is ours because the file names none, packed words of the record). The day is for the preview: stored
# readable is that of the import.
type Fact = tuple[int, str, bool, bytes]

# A file to be read: a path, or of an upload its name, the size of a piece and its own. It goes through a pipe as it is.
type HandedFile = str | os.PathLike[str] | tuple[str, int, int]

# (file, number of a piece of an upload) -> the piece in plain.
type AskPiece = Callable[[int, int], bytes]


class RowTooLarge(ValueError):
    """More than a subscriber may have. `code` and `limit` as the importers' sentences want them."""

    def __init__(self, code: str, limit: str) -> None:
        self.code, self.limit = code, limit
        super().__init__(code)


class NoAddresses(ValueError):
    """Not one row can come in, so nothing is begun. `first`: the file, line, code and values of the first refusal."""

    def __init__(self, first: tuple[str, int, str, dict[str, object]] | None = None) -> None:
        self.first = first
        super().__init__("no_address_rows")


@dataclass(slots=True)
class ReaderOrder:
    """What to read and how. Only plain values: it goes through a pipe."""

    source: str  # name of the importer
    import_files: list[HandedFile]
    plan: dict[str, Any]
    fields: dict[str, int]  # tag -> field number
    today: str
    basis: str = ""  # why one may write to them, in the words of who brings them
    start: tuple[int, int, int] = (0, 0, 0)  # file, row, slices of the stretch there that are stored
    size: int = SLICE


class ReadRow(NamedTuple):
    """One row as it was read. Slices hold these as plain tuples, as they come through the pipe."""

    plain: bytes  # their values, seal.pack
    status: int
    language: str
    joined: str  # the day they are known since
    tags: tuple[str, ...]
    facts: tuple[Fact, ...]
    line: int
    again: int  # the address came before: strongest status until here; NEW for the first time


NEW = -1

# What a row can say, whoever tells it: statuses, `again`, and kinds of facts. No file takes a leaving back.
STATUS_CODES = frozenset(_STATUS.values())
MET_BEFORE = STATUS_CODES | {NEW}
TOLD_KINDS = frozenset((_ASKED, _GIVEN, _CONFIRMED, _WITHDRAWN, _CLEANED))


@dataclass(slots=True)
class ReadSlice:
    """Rows of one file, in its order, and those that cannot come in."""

    file: int
    name: str
    after: tuple[int, int, int]  # as ReaderOrder.start
    bytes_read: int
    bytes_total: int
    rows: list[ReadRow] = field(default_factory=list)
    rejects: list[tuple[int, str, dict[str, Any]]] = field(default_factory=list)
    complained: list[str] = field(default_factory=list)  # addresses
    planted: list[str] = field(default_factory=list)  # those of whom a file says so: in no count
    weight: int = field(default=0, compare=False)  # bytes that came through a pipe

    @property
    def size(self) -> int:
        return len(self.rows) + len(self.rejects)


def prepare(order: ReaderOrder, given: "GivenFile") -> Iterator[ReadSlice]:
    """What follows `order.start`. Errors: NoAddresses, and ImportFailed of the importers."""
    importer = plugins.importer(order.source)()
    plan = ImportPlan.read(order.plan)
    start = Position(*order.start[:2])
    maker = _Maker(order, plan)
    if order.start == (0, 0, 0):
        _insist_on_an_address(importer.read(given, plan, size=100))
    else:
        for batch in _before(importer.read(given, plan, size=order.size), start):
            maker.remember(batch)
    return map(maker.slice_of, importer.read(given, plan, start, order.size))


def _insist_on_an_address(batches: Iterator[ImportBatch]) -> None:
    first: tuple[str, int, str, dict[str, Any]] | None = None
    for batch in batches:
        for incoming in batch.incoming:
            try:
                _address(incoming.address)
            except address.BadAddress as bad:
                if first is None and incoming.address:
                    first = (batch.name, incoming.line, bad.code, {})
                continue
            return
        if batch.complaints and (first is None or batch.complaints[0].line < first[1]):
            complaint = batch.complaints[0]
            first = (batch.name, complaint.line, complaint.code, _harmless(complaint.values))
    raise NoAddresses(first)


# A name before the address, which holds no @ unless it is the address once more. Without brackets it is none: of
# `ada boris@example.org` nobody knows what was meant.
_NAMED = re.compile(r"([^<>\r\n]{0,1000})<\s*([^<>\s]{1,500})\s*>[\s;,.]*")
_AROUND = " \t'\"`\u2018\u2019\u201c\u201d\u00ab\u00bb;,"


def _address(text: str) -> str:
    """The address of a cell in its one form. Errors: BadAddress.

    Cells also hold `Ada <ada@example.org>`, `'ada@example.org'` and `ada@example.org;`.
    """
    try:
        return address.normalize(text)
    except address.BadAddress:
        named = _NAMED.fullmatch(text.strip())
        if named is None:
            return address.normalize(text.strip(_AROUND))
        name, inner = named[1].strip(_AROUND), named[2].strip(_AROUND)
        if "@" in name and name.lower() != inner.lower():
            raise
        return address.normalize(inner)


def _before(batches: Iterator[ImportBatch], start: Position) -> Iterator[ImportBatch]:
    """What a killed import had read: who came twice must be known as before."""
    for batch in batches:
        if batch.file > start.file or (batch.file == start.file and batch.after.row > start.row):
            return
        yield batch


class _Maker:
    """Makes slices; holds what stays the same from row to row."""

    def __init__(self, order: ReaderOrder, plan: ImportPlan) -> None:
        self._pack = seal.SealPacker((seal.ADDRESS, seal.NOTES, *(order.fields[tag] for tag in plan.layout())))
        self._facts = _Facts(order)
        self._seen = SeenAddresses()
        self._tags = _Tags()

    def remember(self, batch: ImportBatch) -> None:
        for incoming in batch.incoming:
            try:
                mail = _address(incoming.address)
            except address.BadAddress:
                continue
            self._meet(address.comparable(mail), _STATUS[incoming.status])

    def slice_of(self, batch: ImportBatch) -> ReadSlice:
        read = ReadSlice(batch.file, batch.name, (*batch.after, 0), batch.bytes_read, batch.bytes_total)
        read.rejects += [(row.line, row.code, _harmless(row.values)) for row in batch.complaints]
        facts = self._facts.of(batch.name)
        left_out = canary.code_in(batch.name)
        normalize, comparable, pack, known_tags = address.normalize, address.comparable, self._pack, self._tags
        add: Callable[[Any], None] = read.rows.append  # plain tuples, made in half the time
        for row in batch.incoming:
            try:
                try:
                    mail = normalize(row.address)
                except address.BadAddress:
                    mail = _address(row.address)
                if mail[:2] in _GUARDED:
                    mail = mail[1:]
                plain = pack((mail, row.notes, *row.fields))
                tags = row.tags if not row.groups else known_tags[row.tags, row.groups]
                if len(plain) > LONGEST_VALUE or len(tags) > TAGS_EACH:
                    plain, tags = self._bounded(row, mail, plain, tags)
            except (address.BadAddress, seal.NotSealable) as bad:
                read.rejects.append((row.line, bad.code, {}))
                continue
            except RowTooLarge as large:
                read.rejects.append((row.line, large.code, {"limit": large.limit}))
                continue
            compared = comparable(mail)
            if left_out and canary.mark(compared).startswith(left_out):
                read.planted.append(mail)
                continue  # Made up for that export: in nobody's count.
            status = _STATUS[row.status]
            if row.status == _COMPLAINED:
                read.complained.append(mail)
            before = self._meet(compared, status)
            row_facts, joined = facts(row, status)
            add(
                (plain, status, row.language[:8], joined, tags, row_facts, row.line,
                 NEW if before is None else _MERGE[before][status])
            )  # fmt: skip
        read.rejects.sort(key=itemgetter(0))
        return read

    def _bounded(
        self, row: IncomingRow, mail: str, plain: bytes, tags: tuple[str, ...]
    ) -> tuple[bytes, tuple[str, ...]]:
        """(values, tags) of a long row. Of a no the status alone where it has too much. Errors: RowTooLarge."""
        large = _excess(plain, tags, (row.notes, *row.fields))
        if large is None:
            return plain, tags
        if _STATUS[row.status] not in _LEAVING:
            raise large
        kept = plain if large.code == "many_tags" else self._pack((mail, *[""] * (1 + len(row.fields))))
        return kept, ()

    def _meet(self, compared: str, status: int) -> int | None:
        mark = hash(compared).to_bytes(9, "little", signed=True)
        before = self._seen.meet(mark, status)
        if before is not None and _MERGE[before][status] != before:
            self._seen.strengthen(mark, _MERGE[before][status])
        return before


def _excess(plain: bytes, tags: tuple[str, ...], texts: tuple[str, ...]) -> RowTooLarge | None:
    """What of a row is more than a subscriber may have, the text first."""
    if max(map(len, texts)) > LONGEST_VALUE:
        return RowTooLarge("cell_too_long", f"{LONGEST_VALUE:,}")
    if len(plain) > HEAVIEST_SUBSCRIBER:
        return RowTooLarge("much_text", str(HEAVIEST_SUBSCRIBER >> 10))
    return RowTooLarge("many_tags", str(TAGS_EACH)) if len(tags) > TAGS_EACH else None


def _harmless(values: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in values.items() if name in _KEPT_VALUES}


type Named = tuple[tuple[str, ...], tuple[tuple[str, str], ...]]  # tags, groups of a row


class _Tags(dict[Named, tuple[str, ...]]):
    """(tags, groups) -> tags, their groups being tags that name their category. The same few come again and again."""

    def __missing__(self, key: Named) -> tuple[str, ...]:
        tags, groups = key
        if len(self) > 10_000:
            self.clear()
        names = self[key] = (*tags, *(f"{category}: {name}" for category, name in groups))
        return names


class _Facts:
    """What a row says about consent, as records (core/consent): kind, day, and the words to be sealed.

    Signed up and confirmed on one day is one record (at one moment: with one time). Nonsubscribed people never agreed,
    so there is none.
    A time in the future is a wrong clock: the day of the import counts instead, the words keep what was written.
    """

    def __init__(self, order: ReaderOrder) -> None:
        self._today = order.today
        self._source = order.source
        self._basis = order.basis
        self._pack = seal.SealPacker((consent.AT, consent.SOURCE, consent.WORDING, consent.REASON, consent.ASKED_AT))
        self._heads: dict[tuple[int, int, int], bytes] = {}

    def of(self, file: str) -> Callable[[IncomingRow, int], tuple[tuple[Fact, ...], str]]:
        """For the rows of one file: (row, status) -> its facts, and the day they are known since."""
        where = f"{self._source}, {file}, line "
        today = self._today
        self._heads.clear()

        def facts(row: IncomingRow, status: int) -> tuple[tuple[Fact, ...], str]:
            if status == _NONSUBSCRIBED:
                return (), today
            source = f"{where}{row.line}"
            agreed = self._agreed(row, status, source)
            if status not in _LEAVING:
                return agreed, agreed[0][1]
            left = row.left_time or row.changed_time
            words = self._pack((left, source, "", row.left_reason[:LONGEST_VALUE], ""))
            # Signed up again elsewhere after they had left? The file says gone, so that is the last word.
            day = max([left[:10] or today, *[fact[1] for fact in agreed]])
            return (*agreed, (_LEAVING[status], day, not left, words)), agreed[0][1] if agreed else day

        return facts

    def _agreed(self, row: IncomingRow, status: int, source: str) -> tuple[Fact, ...]:
        asked, confirmed = row.opt_in_time, row.confirm_time
        if status == _PENDING or not confirmed:
            if not asked and status in _LEAVING:
                return ()
            kind = _ASKED if status == _PENDING else _GIVEN
            return (self._fact(kind, asked, source, ""),)
        if not asked or asked[:10] == confirmed[:10]:
            return (self._fact(_CONFIRMED, confirmed, source, asked if asked != confirmed else ""),)
        return (self._fact(_GIVEN, asked, source, ""), self._fact(_CONFIRMED, confirmed, source, ""))

    def _fact(self, kind: int, at: str, source: str, asked: str) -> Fact:
        ours = not at or at[:10] > self._today
        day = self._today if ours else at[:10]
        return kind, day, ours, self._words(at, source, asked)

    def _words(self, at: str, source: str, asked: str) -> bytes:
        """pack() for the records of one file: their index depends on lengths alone, and there are a dozen of those."""
        shape = (len(at), len(source), len(asked))
        texts = f"{at}{source}{self._basis}{asked}".encode()
        if shape not in self._heads:
            packed = self._pack((at, source, self._basis, "", asked))
            self._heads[shape] = packed.removesuffix(texts)
        return self._heads[shape] + texts
