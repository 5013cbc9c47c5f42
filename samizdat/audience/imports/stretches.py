"""What was read, under the keys of the organization: slices in the order of the indices of addresses.

The reader may have been taken over by a file. It holds no key, and it is not believed about who is who: that a row has
an address in form and only fields of the plan is looked at here, and the index of the address is computed here.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from operator import itemgetter
from typing import Any, NamedTuple

from samizdat.audience.imports.reading.parse import Fact, ReaderOrder, ReadSlice
from samizdat.audience.imports.reading.subprocess_reader import ReadingBroke
from samizdat.audience.limits import HEAVIEST_SUBSCRIBER, TAGS_EACH
from samizdat.audience.suppression_log import is_other_spelling, root_text
from samizdat.core.crypto import seal
from samizdat.core.mail import address
from samizdat.vault.keyring import OrganizationKeys

# So many rows are put in the order of their blind indices before they are cut into slices. Each slice then goes to
# a seventh of that index: a million rows in the order of the file write every page of it two hundred times, which
# was half of the time on SQLite. It also mixes the rows, so that their order is lost. Twice as many write a fifth less
# to the disk than 25,000 (2.5 GB of 3.1 for a million), and hold 56 MB more.
STRETCH = 35_000

# Nor more bytes of the pipe than these: a million rows of thirty columns come in stretches of 20 MB. A reader that was
# taken over would fill the memory of the writer with a stretch of long ones.
HEAVIEST = 64 << 20

# Nor does one slice write more rows of tags, or more bytes of subscribers, than these: it is one transaction, and on
# SQLite everybody else waits for its end.
MOST_TAG_ROWS, HEAVIEST_SLICE = 50_000, 8 << 20


class ParsedRow(NamedTuple):
    """One row. Slices hold these as plain tuples: ParsedRow._make() where names are wanted."""

    blind: bytes
    plain: bytes  # their values, seal.pack
    status: int
    provider: int
    language: str
    joined: str  # the day they are known since
    tags: tuple[str, ...]
    facts: tuple[Fact, ...]
    line: int
    again: int  # as ReadRow
    older: tuple[bytes, ...]  # their index under earlier keys; empty outside a rotation


@dataclass(slots=True)
class ImportSlice:
    """Rows of one file, in the order of their blind indices, and those that cannot come in."""

    file: int
    name: str
    after: tuple[int, int, int]  # as ReaderOrder.start
    bytes_read: int
    bytes_total: int
    rows: list[ParsedRow] = field(default_factory=list)
    rejects: list[tuple[int, str, dict[str, Any]]] = field(default_factory=list)
    complained: list[tuple[bytes, ...]] = field(default_factory=list)  # their index, the current key's first
    planted: list[tuple[bytes, ...]] = field(default_factory=list)  # the same, of whom a file says so: in no count
    weight: int = 0  # as ReadSlice
    mailboxes: list[bytes] = field(default_factory=list)  # of those who complained: suppression_log.root_text

    @property
    def size(self) -> int:
        return len(self.rows) + len(self.rejects)


def in_order(
    read: Iterable[ReadSlice], keys: OrganizationKeys, order: ReaderOrder, stretch: int = STRETCH
) -> Iterator[ImportSlice]:
    """Errors: ReadingBroke for what no file has, and those of the reader."""
    file, row, done = order.start
    before = 0
    for whole in _stretches(map(_Indexer(keys, order).indexed, read), stretch):
        yield from _cut(whole, (file, row), order.size, done, before)
        file, row, done = whole.after
        before = whole.bytes_read


def _stretches(slices: Iterator[ImportSlice], most: int) -> Iterator[ImportSlice]:
    """Slices of one file put together, up to `most` rows."""
    held: ImportSlice | None = None
    for more in slices:
        is_full = held is not None and (held.size + more.size > most or held.weight + more.weight > HEAVIEST)
        if held is not None and (is_full or held.file != more.file):
            yield held
            held = None
        held = more if held is None else _joined(held, more)
    if held is not None:
        yield held


def _joined(held: ImportSlice, more: ImportSlice) -> ImportSlice:
    held.after, held.bytes_read, held.bytes_total = more.after, more.bytes_read, more.bytes_total
    held.weight += more.weight
    held.rows += more.rows
    held.rejects += more.rejects
    held.complained += more.complained
    held.mailboxes += more.mailboxes
    held.planted += more.planted
    return held


def _cut(whole: ImportSlice, begin: tuple[int, int], size: int, done: int, before: int) -> Iterator[ImportSlice]:
    """A stretch in the order of its blind indices, in slices; `done` of them were stored before. before: bytes that
    earlier stretches have. This one was read whole, but how far an import is tells what is stored.

    Repeated addresses stay in the order of the file, because sorting keeps what is equal as it was.
    """
    rows = whole.rows
    rows.sort(key=itemgetter(0))
    parts = _parts(rows, size)
    turns = len(parts)
    for turn, part in enumerate(parts, start=1):
        if turn > done:
            after = whole.after if turn == turns else (*begin, turn)
            read, total = before + (whole.bytes_read - before) * turn // turns, whole.bytes_total
            some = ImportSlice(whole.file, whole.name, after, read, total, part, planted=whole.planted)
            if turn == 1:
                some.rejects, some.complained, some.mailboxes = whole.rejects, whole.complained, whole.mailboxes
            yield some


def _parts(rows: list[ParsedRow], size: int) -> list[list[ParsedRow]]:
    """At least one. They follow from the rows alone, so that a killed import goes on where it was."""
    starts, tags, weight = [0], 0, 0
    for place, row in enumerate(rows):
        tags, weight = tags + len(row[6]), weight + len(row[1])
        if place - starts[-1] == size or tags > MOST_TAG_ROWS or weight > HEAVIEST_SLICE:
            starts.append(place)
            tags, weight = len(row[6]), len(row[1])
    return [rows[start:end] for start, end in pairwise([*starts, len(rows)])]


class _Indexer:
    """Rows as they were read, with what the organization finds them by."""

    def __init__(self, keys: OrganizationKeys, order: ReaderOrder) -> None:
        versions = sorted(keys.index, key=lambda version: version != keys.index_version)
        self._current, *self._older = [seal.blinder(keys.index[version]) for version in versions]
        self._fields = frozenset((seal.ADDRESS, seal.NOTES, *order.fields.values()))
        self._layouts: set[bytes] = set()

    def indexed(self, read: ReadSlice) -> ImportSlice:
        try:
            return ImportSlice(
                read.file, read.name, read.after, read.bytes_read, read.bytes_total, self._rows(read.rows),
                read.rejects, list(map(self._blinds, read.complained)), list(map(self._blinds, read.planted)),
                read.weight, list(map(self._current, map(root_text, filter(is_other_spelling, read.complained)))),
            )  # fmt: skip
        except (TypeError, ValueError, AttributeError, seal.SealError) as odd:
            raise ReadingBroke("an answer that no file has") from odd

    def _rows(self, rows: Sequence[Any]) -> list[Any]:
        """Plain tuples, made in half the time."""
        if any(len(row[0]) > HEAVIEST_SUBSCRIBER or len(row[4]) > TAGS_EACH for row in rows):
            raise ValueError("more than a subscriber may have")
        heads = [seal.first(row[0]) for row in rows]
        for layout in {layout for layout, _mail in heads} - self._layouts:
            self._allow(layout)
        compared = address.comparables([mail for _layout, mail in heads])
        older = zip(*(map(mark, compared) for mark in self._older), strict=True) if self._older else [()] * len(rows)
        provider = address.provider
        return [
            (blind, plain, status, provider(mail[mail.rfind("@") + 1 :]), language[:8], joined, tags, facts, line,
             again, earlier)
            for (plain, status, language, joined, tags, facts, line, again), (_layout, mail), blind, earlier in zip(
                rows, heads, map(self._current, compared), older, strict=True
            )
        ]  # fmt: skip

    def _allow(self, layout: bytes) -> None:
        """A row has an address first, and what the plan maps: other fields are ours, such as where their letters are
        to go."""
        numbers = seal.numbers(layout)
        if numbers[0] != seal.ADDRESS or not self._fields.issuperset(numbers) or len(set(numbers)) < len(numbers):
            raise ValueError("a field that is not in the plan")
        if len(self._layouts) < 10_000:
            self._layouts.add(layout)

    def _blinds(self, mail: str) -> tuple[bytes, ...]:
        compared = address.comparables([mail])[0]
        return self._current(compared), *[mark(compared) for mark in self._older]
