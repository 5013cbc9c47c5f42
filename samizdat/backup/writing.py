"""Writing a copy of the installation to a place."""

import contextlib
import hashlib
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from django.db import connection

from samizdat import __version__, db
from samizdat.backup import advisory, destroyed, folder, recipients, sets, tails
from samizdat.backup.errors import BackupRefused
from samizdat.backup.key_along import key_along
from samizdat.backup.keys import BackupKeys, backup_keys
from samizdat.backup.reader import MadePiece, PieceMaker, Unit, recipient_of
from samizdat.backup.reading import Snapshot, snapshot, units_of
from samizdat.backup.sets import Copy, WritablePlace
from samizdat.backup.sources import CopiedTable, Source
from samizdat.backup.tables import copied_tables
from samizdat.backup.tail_reading import TailReading, TailState
from samizdat.campaigns import sql as campaigns_sql
from samizdat.core.backup import layout, manifest
from samizdat.core.backup.manifest import CHANGES, FORMAT, FULL, Group, Manifest, PieceEntry, TableEntry
from samizdat.core.backup.rows import Row, naming_key
from samizdat.delivery import epochs
from samizdat.delivery import sql as delivery_sql
from samizdat.delivery.engine.locks import FileLock
from samizdat.options import data_folder
from samizdat.vault import keyring

# Two read as fast as most disks give, and a third would take a core from those who send.
JOBS = 2
# Advisory lock on PostgreSQL (worker/processes/background has the others).
BACKUP_LOCK = 0x5A4D495A0007

Tell = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class WrittenCopy:
    """bytes: of all its pieces; written, written_bytes: of those that were not there yet."""

    copy: Copy
    pieces: int
    bytes: int
    written: int
    written_bytes: int


@dataclass
class _Pieces:
    """What has been read so far, and the place that it goes to."""

    place: WritablePlace
    there: dict[str, int]
    tell: Tell
    hashes: dict[str, str]
    entries: dict[tuple[str, int | None, int], list[PieceEntry]] = field(default_factory=lambda: defaultdict(list))
    rows: int = 0
    written: dict[str, int] = field(default_factory=dict)

    def take(self, table: str, group: int | None, low: int, piece: MadePiece) -> None:
        if piece.data and piece.name not in self.written:
            self.place.write(layout.piece_path(piece.name), piece.data)
            self.written[piece.name] = piece.size
            self.hashes[piece.name] = hashlib.sha256(piece.data).hexdigest()
        size = self.written.get(piece.name, piece.size)
        self.entries[table, group, low].append(PieceEntry(piece.name, piece.rows, size, self.hash_of(piece.name)))
        self.rows += piece.rows

    def hash_of(self, name: str) -> str:
        """Of a file that is there, but in no manifest, as a backup that was broken off leaves them: it's read once."""
        if name not in self.hashes:
            self.hashes[name] = _hash(self.place, name)
        return self.hashes[name]

    def groups(self, table: str) -> dict[int | None, list[PieceEntry]]:
        """The pieces of a table by group, in order."""
        groups: dict[int | None, list[PieceEntry]] = defaultdict(list)
        for name, group, low in sorted(self.entries, key=lambda key: (key[0], key[1] or 0, key[2])):
            if name == table:
                groups[group] += self.entries[name, group, low]
        return groups


def write_copy(
    place: WritablePlace,
    *,
    databases: Sequence[str],
    instance_key: Callable[[], bytes] = keyring.for_key_file,
    now: datetime,
    to: Sequence[str] = (),
    key: str = "",
    kind: str = FULL,
    doubted: Collection[str] = (),
    jobs: int = JOBS,
    tell: Tell = lambda _rows: None,
) -> WrittenCopy:
    """All rows and files of the installation at one moment. What the place has already is not written again, so a copy
    that was stopped goes on; it is one once its manifest is there.

    databases: aliases of those that can be read. to: age keys that open it; none: the key file does. key: the key file
    encrypted to these, where it was before; else instance_key is asked for it. kind: CHANGES passes over what is known
    not to have changed since the newest copy there. doubted: names of files there that a restore test found damaged:
    they are read, and written again if they are. tell: called with the rows read so far.
    Errors: BackupRefused, ExportRefused, VaultError, PlaceError.
    """
    chosen = recipients.cleaned(to)
    keys = backup_keys(keyring.derive)
    wrapped = key or key_along(chosen, instance_key)
    with only_backup():
        there = sets.piece_sizes(place)
        latest = _latest(place, keys, now)
        if latest is not None:
            _remove_damaged(place, there, latest.manifest, doubted)
        return _write(place, keys, chosen, wrapped, there, latest, kind == CHANGES, databases, now, jobs, tell)


@contextlib.contextmanager
def only_backup() -> Iterator[None]:
    """One at a time, on all servers of the installation: whoever removes old pieces takes this lock as well. Errors:
    BackupRefused."""
    lock = FileLock(data_folder() / "backup.lock")
    if not lock.take():
        raise _other_runs()
    try:
        with advisory.only_session(BACKUP_LOCK) as is_ours:
            if not is_ours:
                raise _other_runs()
            yield
    finally:
        lock.release()


def _other_runs() -> BackupRefused:
    return BackupRefused("backup_runs", "Another backup is running. Wait until it has finished.")


def _latest(place: WritablePlace, keys: BackupKeys, now: datetime) -> Copy | None:
    """The newest copy of this installation at the place that can be read."""
    identities = recipients.identities(keys.identity)
    for path in sets.paths(place, now):
        with contextlib.suppress(BackupRefused):
            return sets.open_copy(place, path, identities, keys.installation)
    return None


def _remove_damaged(place: WritablePlace, there: dict[str, int], latest: Manifest, doubted: Collection[str]) -> None:
    """Pieces that have another size now than when they were written are written again, and those of `doubted` that have
    another content."""
    others = [piece for piece in latest.pieces if layout.piece_path(piece.name) in doubted and piece.name in there]
    changed = [piece for piece in others if piece.hash and _hash(place, piece.name) != piece.hash]
    for piece in [*sets.missing_pieces(latest, there), *changed]:
        if piece.name in there:
            place.delete(layout.piece_path(piece.name))
            del there[piece.name]


def _hash(place: WritablePlace, name: str) -> str:
    return hashlib.sha256(place.read(layout.piece_path(name))).hexdigest()


def _write(
    place: WritablePlace,
    keys: BackupKeys,
    chosen: Sequence[str],
    wrapped: str,
    there: dict[str, int],
    latest: Copy | None,
    only_changes: bool,
    databases: Sequence[str],
    now: datetime,
    jobs: int,
    tell: Tell,
) -> WrittenCopy:
    tables = copied_tables(databases)
    openers = list(chosen) or [keys.recipient]
    key = naming_key(keys.names, openers)
    maker = PieceMaker(openers, key, there)
    before = latest if only_changes else None
    hashes = {piece.name: piece.hash for piece in latest.manifest.pieces if piece.hash} if latest else {}
    pieces = _Pieces(place, there, tell, hashes)
    _take_files(pieces, maker, folder.SPOOL, folder.spool())
    epoch = epochs.standing(now).own.number  # Its row is in the copy, so it's made before.
    began = folder.now()
    with snapshot(tables, databases, openers, key, there, jobs) as shot:
        stamps = _stamps(shot.sources["default"])
        known = _unchanged(before, stamps, there, chosen)
        _read_tables(shot, tables, pieces, known)
        last_numbers = shot.last_numbers()
        base = TailReading(shot.sources, tables).measure() if "publicdb" in databases else None
    _take_files(pieces, maker, folder.JOURNALS, folder.journals(began))
    entries = [_entry(table, pieces, stamps, known, last_numbers.get(table.name, 0)) for table in tables]
    entries += [_entry(table, pieces, {}, {}, 0) for table in (folder.SPOOL, folder.JOURNALS)]
    kind = CHANGES if before else FULL
    return _finish(place, keys, chosen, wrapped, entries, pieces, databases, now, epoch, kind, base)


def _take_files(pieces: _Pieces, maker: PieceMaker, table: CopiedTable, parts: Iterator[list[Row]]) -> None:
    for place, rows in enumerate(parts):
        for piece in maker.pieces(table, rows):
            pieces.take(table.name, None, place, piece)


def _read_tables(
    shot: Snapshot, tables: Sequence[CopiedTable], pieces: _Pieces, known: dict[str, dict[int | None, Group]]
) -> None:
    units = (
        unit
        for number, table in enumerate(tables)
        for unit in units_of(number, table, shot.sources[table.database], known.get(table.name, {}))
    )

    def take(unit: Unit, piece: MadePiece) -> None:
        pieces.take(tables[unit.table].name, unit.group, unit.low or 0, piece)

    shot.read(units, take, lambda: pieces.tell(pieces.rows))


def _stamps(source: Source) -> dict[int, str]:
    """Edition -> what changes with its deliveries, of those that are over: they need not be read again each night."""
    folded = {row[0]: row[1] for row in source.ask(delivery_sql.FOLDED)}
    rows = source.ask(campaigns_sql.BOOKS_OF_THE_FINISHED)
    return {int(number or 0): " ".join(map(str, [*books, folded.get(number, 0)])) for number, *books in rows}


def _unchanged(
    before: Copy | None, stamps: dict[int, str], there: dict[str, int], chosen: Sequence[str]
) -> dict[str, dict[int | None, Group]]:
    """Table -> group -> its pieces, of groups that are as they were in the copy before, and there."""
    if before is None or before.manifest.recipients != chosen:
        return {}
    known: dict[str, dict[int | None, Group]] = {}
    for table in before.manifest.tables:
        known[table.name] = {
            int(group.label): group
            for group in table.groups
            if group.stamp
            and stamps.get(int(group.label)) == group.stamp
            and all(piece.name in there for piece in group.pieces)
        }
    return known


def _entry(
    table: CopiedTable, pieces: _Pieces, stamps: dict[int, str], known: dict[str, dict[int | None, Group]], last: int
) -> TableEntry:
    groups: dict[int | None, Group] = {
        group: Group(entries, *(() if group is None else (str(group), stamps.get(group, ""))))
        for group, entries in pieces.groups(table.name).items()
    }
    groups.update(known.get(table.name, {}))
    ordered = [groups[group] for group in sorted(groups, key=lambda group: group or 0)]
    return TableEntry(table.name, table.database, table.columns, ordered, last)


def _finish(
    place: WritablePlace,
    keys: BackupKeys,
    chosen: Sequence[str],
    wrapped: str,
    entries: list[TableEntry],
    pieces: _Pieces,
    databases: Sequence[str],
    now: datetime,
    epoch: int,
    kind: str,
    base: TailState | None,
) -> WrittenCopy:
    time = _free_time(place, now.astimezone(UTC).replace(microsecond=0))
    made_of = Manifest(
        format=FORMAT,
        time=time.isoformat(),
        kind=kind,
        version=__version__,
        engine=connection.vendor,
        installation=keys.installation,
        epoch=epoch,
        recipients=list(chosen),
        key=wrapped,
        migrations=sorted({f"{app}.{name}" for alias in databases for app, name in db.migrated(alias)}),
        tables=entries,
        totals={entry.name: entry.rows for entry in entries},
    )
    text = manifest.signed(made_of, keys.seed)
    path = layout.set_path(time, manifest.digest(text))
    # The installation reads its own manifests: they say which pieces are needed, and nothing of what is in them.
    readers = [recipient_of(opener) for opener in (*chosen, keys.recipient)]
    if lost := sets.missing_pieces(made_of, sets.piece_sizes(place)):
        raise BackupRefused(
            "lost_pieces",
            f"{len(lost)} pieces that the place had or confirmed aren't there as they were written, so this isn't a "
            "backup yet. Run it again; if that happens again, don't rely on this place.",
        )
    if base is not None:
        tails.write_base(place, keys, path, base)  # Before: a copy whose tail can't begin goes on without one.
    destroyed.note(place)
    place.write(path, sets.sealed_manifest(text, readers))
    sizes = {piece.name: piece.size for piece in made_of.pieces}
    return WrittenCopy(
        Copy(path, time, made_of, manifest.digest(text)),
        len(sizes),
        sum(sizes.values()),
        len(pieces.written),
        sum(pieces.written.values()),
    )


def _free_time(place: WritablePlace, time: datetime) -> datetime:
    """Two copies of one second would have one name, where nothing has changed between them. So would the tail of one
    that was broken off before its manifest."""
    taken = {layout.set_time(path) for path, _size in place.names(layout.SETS)}
    taken |= {layout.set_time(layout.tailed_set(name) or "") for name, _size in place.names(layout.TAILS)}
    while time in taken:
        time += timedelta(seconds=1)
    return time
