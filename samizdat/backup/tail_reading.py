"""What has changed since a moment: for the tail of a copy (tails.py).

Most tables have few rows, and each is compared by its outline. Of those with a row for each subscriber, consent record
or email, what to look at follows from what is only ever added to: the logs, the chain over them, and the chunks that
senders move along.
"""

import contextlib
import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from samizdat import mail_spool
from samizdat.audience.models import (
    ConsentRecord,
    DataQualityIssue,
    ImportPiece,
    ReadableValue,
    SignUp,
    Subscriber,
    SubscriberTag,
    Subscription,
    Suppression,
)
from samizdat.backup import folder
from samizdat.backup.sources import CopiedTable, Source
from samizdat.campaigns import sql as campaigns_sql
from samizdat.core.backup.rows import Row
from samizdat.core.backup.tail import Change
from samizdat.core.mail import ledger
from samizdat.delivery import sql as delivery_sql
from samizdat.delivery.engine import journal
from samizdat.delivery.models import (
    Chunk,
    Delivery,
    DeliveryArchiveTotal,
    EpochRecord,
    Retry,
    SchedulerStep,
    Worker,
)
from samizdat.events.models import ChainHead, Event, FollowUp
from samizdat.incoming.models import MailReport
from samizdat.portability.models import AccountCopy, AccountCopyPiece, ExportPiece
from samizdat.privacy.models import RescueEvidencePiece
from samizdat.vault.models import VaultKey

type Key = bytes
type Sources = Mapping[str, Source]

# Added to and never taken from: the next rows are those with higher numbers.
LOGS = (Event, ConsentRecord, FollowUp, MailReport, Suppression, SignUp)
# Of these, the worker chains the rows later.
CHAINED = (Event, ConsentRecord)
# Of a subscriber, by the column that has their number.
OF_SUBSCRIBER = {
    Subscriber: "id",
    Subscription: "subscriber_id",
    SubscriberTag: "subscriber_id",
    ReadableValue: "subscriber_id",
    DataQualityIssue: "subscriber_id",
}
# Uploaded, prepared and copied files, which are there again with the next copy, and when which step of the clock was
# done.
PASSED_OVER = (ImportPiece, ExportPiece, AccountCopyPiece, RescueEvidencePiece, SchedulerStep)
# Moved each moment, and nobody misses them.
RESTLESS = {
    Worker: ("beat",),
    EpochRecord: ("looked", "reached", "places"),
    AccountCopy: ("progress_sealed", "owner", "heartbeat"),
}

# Rows in one change; keys that are looked up together.
MANY, TOGETHER = 1000, 500
# A journal's last records may have been half written when they were read: they are read again.
AGAIN = 64 * ledger.RECORD_BYTES

_encode = msgspec.msgpack.Encoder().encode


class TailState(msgspec.Struct):
    """How far a tail has come. outlines: table -> key -> hash of the row. last: table -> highest number. chained: table
    -> organization -> highest position. unhandled: events whose consequences were outstanding. odd: edition of a
    campaign that is under way -> number -> state, of what was not accepted. files: name -> bytes. index_keys:
    organization -> numbers."""

    outlines: dict[str, dict[Key, bytes]] = {}
    last: dict[str, int] = {}
    chained: dict[str, dict[int, int]] = {}
    unhandled: list[int] = []
    odd: dict[int, dict[int, int]] = {}
    files: dict[str, int] = {}
    index_keys: dict[int, list[int]] = {}

    def needs(self, later: "TailState") -> bool:
        """Whether what a copy had at this moment may be found by an index key that is gone later: indexes are renewed
        without an event, so the rows of the copy stay as they were, and its tail must not take the key away. Where
        all are gone, they were destroyed."""
        return any(
            set(numbers) - set(later.index_keys[organization])
            for organization, numbers in self.index_keys.items()
            if later.index_keys.get(organization)
        )


class TailReading:
    """Both databases at one moment each (begun sources), compared with an earlier state."""

    def __init__(self, sources: Sources, tables: Sequence[CopiedTable]) -> None:
        self._sources = sources
        self._tables = {table.name: table for table in tables}
        self.state = TailState()

    def measure(self, files: bool = True) -> TailState:
        """How far everything has come at this moment."""
        light = {table.name for table in self._tables.values()} - {
            model._meta.db_table for model in (*LOGS, *OF_SUBSCRIBER, *PASSED_OVER, Delivery)
        }
        state = self.state
        restless = {model._meta.db_table: columns for model, columns in RESTLESS.items()}
        for name in sorted(light):
            state.outlines[name] = self._outlines(self._tables[name], restless.get(name, ()))
        source = self._source(Event)
        for model in LOGS:
            table = self._table(model)
            ((number,),) = source.ask(f"SELECT max({table.key[0]}) FROM {table.name}")
            state.last[table.name] = int(number or 0)
        ends = source.ask(f"SELECT organization_id, position FROM {ChainHead._meta.db_table}")
        for model in CHAINED:
            state.chained[self._table(model).name] = {int(who or 0): int(end or 0) for who, end in ends}
        for who, number in source.ask(INDEX_KEYS):
            state.index_keys.setdefault(int(who or 0), []).append(int(number or 0))
        state.unhandled = [int(row[0] or 0) for row in source.ask(UNHANDLED)]
        for (edition,) in source.ask(campaigns_sql.UNDER_WAY):
            rows = source.ask(delivery_sql.ODD.format(edition=int(edition or 0)))
            state.odd[int(edition or 0)] = {int(number or 0): int(of or 0) for number, of in rows}
        if files:
            state.files = _journals()
        return state

    def _outlines(self, table: CopiedTable, passed_over: Sequence[str]) -> dict[Key, bytes]:
        width = len(table.key)
        rows = self._sources[table.database].outlines(table, passed_over)
        return {_encode(row[:width]): hashlib.blake2b(_encode(row), digest_size=8).digest() for row in rows}

    def changes(self, before: TailState) -> Iterator[Change]:
        """What is different from `before`; measure() comes first."""
        touched, editions = set[int](), defaultdict[int, set[int]](set)
        yield from self._compared(before, touched, editions)
        yield from self._logged(before, touched, editions)
        yield from self._subscribers(sorted(touched))
        self._settled(before, editions)
        for edition, numbers in editions.items():
            yield from self._upserted(Delivery, ("edition_id", "number"), [(edition, each) for each in sorted(numbers)])

    # -- tables with few rows ------------------------------------------------------------------------------------------

    def _compared(self, before: TailState, touched: set[int], editions: dict[int, set[int]]) -> Iterator[Change]:
        for name, now in self.state.outlines.items():
            then, table = before.outlines.get(name, {}), self._tables[name]
            if now == then:
                continue
            gone = [_decoded(key, table) for key in then.keys() - now.keys()]
            new = [_decoded(key, table) for key, hashed in now.items() if then.get(key) != hashed]
            if name == Retry._meta.db_table:
                for edition, number in (*gone, *new):
                    editions[int(edition or 0)].add(int(number or 0))
            if name == DeliveryArchiveTotal._meta.db_table:
                yield from self._folded({int(edition or 0) for edition, _state in new})
            for keys in _portions(gone, MANY):
                yield self._change(table, table.key, keys, [])
            for keys in _portions(new, TOGETHER // 5):
                rows = self._sources[table.database].matching(table, table.key, keys)
                if name == Chunk._meta.db_table:
                    _note_chunks(table, rows, editions)
                yield self._change(table, table.key, keys, rows)

    def _folded(self, editions: set[int]) -> Iterator[Change]:
        """Their deliveries are totals now."""
        table = self._table(Delivery)
        for edition in editions:
            left = self._source(Delivery).matching(table, ("edition_id",), [(edition,)])
            yield self._change(table, ("edition_id",), [(edition,)], left)

    # -- logs ----------------------------------------------------------------------------------------------------------

    def _logged(self, before: TailState, touched: set[int], editions: dict[int, set[int]]) -> Iterator[Change]:
        for model in LOGS:
            table = self._table(model)
            for rows in self._after(table, before.last.get(table.name, 0)):
                self._touch(table, rows, touched, editions)
                yield self._change(table, table.key, _keys(table, rows), rows)
        for model in CHAINED:
            table, ends = self._table(model), before.chained.get(self._table(model).name, {})
            for organization, end in self.state.chained[table.name].items():
                known = ends.get(organization, 0)
                rows = [] if end == known else self._chained(table, organization, known, before.last[table.name])
                for some in _portions(rows, MANY):
                    yield self._change(table, table.key, _keys(table, some), some)
        done = sorted({*before.unhandled} - {*self.state.unhandled})
        yield from self._upserted(Event, ("id",), [(number,) for number in done])

    def _after(self, table: CopiedTable, number: int) -> Iterator[list[Row]]:
        while rows := self._sources[table.database].after(table, (number,), MANY):
            yield rows
            number = int(_keys(table, rows)[-1][0])  # type: ignore[arg-type]

    def _chained(self, table: CopiedTable, organization: int, position: int, last: int) -> list[Row]:
        """Chained since; those that are new are told of anyway."""
        condition = "organization_id = ? AND position > ? AND id <= ?"
        return self._sources[table.database].where(table, condition, (organization, position, last))

    def _touch(self, table: CopiedTable, rows: Sequence[Row], touched: set[int], editions: dict[int, set[int]]) -> None:
        """Whom these rows of a log are about."""
        column = {name: table.columns.index(name) for name in table.columns}
        if table.name == ConsentRecord._meta.db_table:
            touched |= {int(row[column["subscriber_id"]] or 0) for row in rows}
        elif table.name == Event._meta.db_table:
            about = [row[column["about"]] for row in rows if str(row[column["kind"]]).startswith("subscriber.")]
            touched |= {int(number) for number in about if number}
        elif table.name == Suppression._meta.db_table:
            keys = [(row[column["organization_id"]], row[column["email_index"]]) for row in rows]
            subscribers = self._source(Subscriber).matching(
                self._table(Subscriber), ("organization_id", "email_index"), keys
            )
            touched |= {int(row[0] or 0) for row in subscribers}
        elif table.name == MailReport._meta.db_table:
            for row in rows:
                if row[column["edition_id"]] and row[column["number"]]:
                    editions[int(row[column["edition_id"]] or 0)].add(int(row[column["number"]] or 0))

    # -- subscribers and emails ----------------------------------------------------------------------------------------

    def _subscribers(self, ids: Sequence[int]) -> Iterator[Change]:
        for some in _portions(ids, TOGETHER // 5):
            keys = [(number,) for number in some]
            for model, column in OF_SUBSCRIBER.items():
                table = self._table(model)
                rows = self._source(model).matching(table, (column,), keys)
                if model is Subscriber:
                    yield from self._suppressed(table, rows)
                yield self._change(table, (column,), keys, rows)
            # Of someone who was erased, records are emptied; of one who has confirmed, their sign-up is over.
            table = self._table(ConsentRecord)
            rows = self._source(ConsentRecord).matching(table, ("subscriber_id",), keys)
            yield self._change(table, table.key, _keys(table, rows), rows)
            table, records = self._table(SignUp), _keys(table, rows)
            yield self._change(table, table.key, records, self._source(SignUp).matching(table, table.key, records))

    def _suppressed(self, subscribers: CopiedTable, rows: Sequence[Row]) -> Iterator[Change]:
        """Whether their addresses still are."""
        table, by = self._table(Suppression), ("organization_id", "email_index")
        keys = [tuple(row[subscribers.columns.index(column)] for column in by) for row in rows]
        yield self._change(table, by, keys, self._source(Suppression).matching(table, by, keys))

    def _settled(self, before: TailState, editions: dict[int, set[int]]) -> None:
        for edition in {*before.odd, *self.state.odd}:
            then, now = before.odd.get(edition, {}), self.state.odd.get(edition)
            if now is None:  # Over: of what was in doubt some may be settled.
                editions[edition] |= then.keys()
            elif now != then:
                editions[edition] |= {number for number, _state in now.items() ^ then.items()}

    def _upserted(
        self, model: type[Event] | type[Delivery], by: tuple[str, ...], keys: Sequence[Row]
    ) -> Iterator[Change]:
        """Those of them that are there."""
        table = self._table(model)
        for some in _portions(keys, TOGETHER):
            rows = self._source(model).matching(table, by, some)
            if rows:
                yield self._change(table, table.key, _keys(table, rows), rows)

    # -- what all of it is made of ---------------------------------------------------------------------------------

    def _table(self, model: type) -> CopiedTable:
        return self._tables[model._meta.db_table]  # type: ignore[attr-defined]

    def _source(self, model: type) -> Source:
        return self._sources[self._table(model).database]

    def _change(self, table: CopiedTable, by: tuple[str, ...], keys: Sequence[Row], rows: Sequence[Row]) -> Change:
        return Change(table.name, table.database, table.columns, by, list(keys), list(rows))

    def last_numbers(self) -> dict[str, int]:
        return {name: number for source in self._sources.values() for name, number in source.last_numbers().items()}


INDEX_KEYS = f"SELECT organization_id, number FROM {VaultKey._meta.db_table} WHERE kind = 'index' ORDER BY number"
UNHANDLED = f"SELECT id FROM {Event._meta.db_table} WHERE NOT handled"


def _keys(table: CopiedTable, rows: Iterable[Row]) -> list[Row]:
    places = [table.columns.index(column) for column in table.key]
    return [tuple(row[place] for place in places) for row in rows]


def _decoded(key: Key, table: CopiedTable) -> Row:
    row: Row = tuple(msgspec.msgpack.decode(key))
    order = [column for column in table.columns if column in table.key]
    return tuple(row[order.index(column)] for column in table.key)


def _portions[T](values: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    return (values[at : at + size] for at in range(0, len(values), size))


def _note_chunks(table: CopiedTable, rows: Sequence[Row], editions: dict[int, set[int]]) -> None:
    """Whoever is in a chunk that moved may have been written to; in one that nobody has begun, nobody has."""
    column = {name: table.columns.index(name) for name in table.columns}
    for row in rows:
        size, left, state = (row[column[name]] for name in ("size", "remaining", "state"))
        if state != Chunk.READY or row[column["retry"]] or left != size:
            numbers = row[column["numbers"]]
            assert isinstance(numbers, bytes)
            editions[int(row[column["edition_id"]] or 0)] |= set(ledger.unpack_numbers(numbers))


# -- files -------------------------------------------------------------------------------------------------------------


def _journals() -> dict[str, int]:
    """Name -> where its records end. A file keeps its name when it is put aside."""
    sizes = dict[str, int]()
    for path in _journal_files():
        with contextlib.suppress(FileNotFoundError):
            sizes[path.name] = _end(path)
    return sizes


def _journal_files() -> list[Path]:
    lying = [*journal.folder().iterdir(), *journal.kept_folder().iterdir()]
    return [path for path in lying if journal.is_one(path) or path.name == journal.FOLDER_ID]


def _end(path: Path) -> int:
    """Errors: FileNotFoundError."""
    return journal.end(path) if journal.is_one(path) else path.stat().st_size


def files(before: TailState, after: TailState) -> Iterator[Change]:
    """What senders wrote down since, and mail that waits; `after` is told. Read when the databases were read: journals
    know of all that was sent until then."""
    then = {name for name in before.files if name.startswith(f"{mail_spool.FOLDER}/")}
    now = dict[str, int]()
    for path in (path for portion in mail_spool.waiting(mail_spool.folder()) for path in portion):
        name = f"{mail_spool.FOLDER}/{path.name}"
        now[name] = 1
        if name not in before.files:
            for rows in folder.parts_of([path]):
                yield _files_change(folder.SPOOL, [], rows)
    if gone := sorted(then - now.keys()):
        yield _files_change(folder.SPOOL, [(name,) for name in gone], [])
    for path in _journal_files():
        with contextlib.suppress(FileNotFoundError):
            end, known = _end(path), before.files.get(path.name, 0)
            now[path.name] = end
            if end > known:
                begin = max(0, known - AGAIN)
                yield _files_change(folder.JOURNALS, [], folder.part_of(path, begin, end))
    after.files = now


def _files_change(table: CopiedTable, keys: list[Row], rows: Sequence[Row]) -> Change:
    return Change(table.name, table.database, table.columns, ("path",), keys, list(rows))
