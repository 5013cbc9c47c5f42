"""The tail of the newest copy at a place: written beside it every few seconds, and read back at a restore.

A run of files begins from the copy itself and holds all that has changed since; a writer that begins anew, or that does
not know whether its last file arrived, begins another run. So nothing has to be taken back, and a kill at any moment
leaves a run that ends at a whole moment.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import msgspec
import pyrage

from samizdat.backup import recipients, sets
from samizdat.backup.errors import BackupRefused
from samizdat.backup.keys import BackupKeys
from samizdat.backup.reader import LEVEL, recipient_of
from samizdat.backup.sets import Copy, ReadablePlace, WritablePlace
from samizdat.core.backup import layout, tail
from samizdat.core.backup.tail import Change, Tail, TailLink, TailName
from samizdat.core.zstd import zstd

# Bytes of rows above which a file ends and another one begins.
FILE_BYTES = 4 << 20
# Copies whose tails are kept: should the newest one be damaged, the one before it goes on with its own.
KEPT = 2

type Readers = Sequence[object]


def sealed(text: bytes, readers: Readers) -> bytes:
    return bytes(pyrage.encrypt(zstd.compress(text, LEVEL), readers))


def names(place: ReadablePlace, path: str) -> list[TailName]:
    """Of the tail of a copy, in order. path: of its manifest."""
    every = (layout.tail_name(name) for name, _size in place.names(layout.tail_folder(path)))
    return sorted(name for name in every if name is not None)


# -- writing -----------------------------------------------------------------------------------------------------------


@dataclass
class TailWriter:
    """Of one place and one copy there. previous: what the next file continues."""

    place: WritablePlace
    keys: BackupKeys
    copy: Copy
    run: int
    number: int = 0
    previous: str = ""
    bytes: int = 0
    _waiting: list[Change] = field(default_factory=list)
    _weight: int = 0

    @classmethod
    def begin(cls, place: WritablePlace, keys: BackupKeys, copy: Copy) -> "TailWriter":
        """A new run. Errors: PlaceError."""
        return cls(place, keys, copy, max((name.run for name in names(place, copy.path)), default=0) + 1)

    def write(self, changes: Iterable[Change], now: datetime, epoch: int, last: Callable[[], dict[str, int]]) -> int:
        """How many files were written; none where nothing has changed. Errors: PlaceError, after which another run has
        to begin."""
        before = self.number
        for change in changes:
            self._waiting.append(change)
            self._weight += _weight(change)
            if self._weight >= FILE_BYTES:
                self._write(now, epoch, is_end=False, last={})
        if self._waiting or self.number > before:
            self._write(now, epoch, is_end=True, last=last())
        return self.number - before

    def _write(self, now: datetime, epoch: int, *, is_end: bool, last: dict[str, int]) -> None:
        made_of = Tail(
            format=tail.FORMAT,
            installation=self.keys.installation,
            copy=self.copy.digest,
            previous=self.previous,
            time=now.astimezone(UTC).replace(microsecond=0).isoformat(),
            epoch=epoch,
            is_end=is_end,
            changes=self._waiting,
            last=last,
        )
        text = tail.signed(made_of, self.keys.seed)
        digest = tail.digest(text)
        openers = self.copy.manifest.recipients or [self.keys.recipient]
        data = sealed(text, [recipient_of(opener) for opener in openers])
        self.place.write(layout.tail_path(self.copy.path, self.run, self.number + 1, digest), data)
        self.number, self.previous = self.number + 1, digest
        self.bytes += len(data)
        self._waiting, self._weight = [], 0


def _weight(change: Change) -> int:
    values = (value for row in (*change.keys, *change.rows) for value in row)
    return sum(len(value) if isinstance(value, bytes | str) else 9 for value in values)


def newest(place: ReadablePlace, keys: BackupKeys) -> Copy | None:
    """The newest copy of this installation that can be read. Errors: PlaceError."""
    identities = recipients.identities(keys.identity)
    for path in sets.paths(place):
        with contextlib.suppress(BackupRefused):
            return sets.open_copy(place, path, identities, keys.installation)
    return None


def write_base(place: WritablePlace, keys: BackupKeys, path: str, state: object) -> None:
    """What the tail of a copy begins from, which this installation alone reads."""
    place.write(layout.base_path(path), sealed(msgspec.msgpack.encode(state), [recipient_of(keys.recipient)]))


def has_base(place: ReadablePlace, path: str) -> bool:
    base = layout.base_path(path)
    return any(name == base for name, _size in place.names(layout.tail_folder(path)))


def read_base[T](place: ReadablePlace, keys: BackupKeys, path: str, type: type[T]) -> T:
    """Errors: BackupRefused, PlaceError."""
    base = layout.base_path(path)
    text = sets.unpacked(place.read(base), recipients.identities(keys.identity), base)
    try:
        return msgspec.msgpack.decode(text, type=type)
    except msgspec.DecodeError:
        raise BackupRefused("damaged", f"{base} is damaged. The next backup makes a new one.") from None


def prune(place: WritablePlace) -> int:
    """Takes tails away that newer copies have made needless. How many files. Errors: PlaceError."""
    kept = set(sets.paths(place)[:KEPT])
    needless = [
        name for name, _size in place.names(layout.TAILS) if (owner := layout.tailed_set(name)) and owner not in kept
    ]
    for name in needless:
        place.delete(name)
    return len(needless)


# -- reading -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TailFound:
    """What continues a copy without a gap. paths: of files up to the end of the last whole moment. until: that moment;
    None: there is no tail. broken: why it doesn't go on from there, although there is more; "": there is no more."""

    paths: list[str]
    until: datetime | None = None
    broken: str = ""


def find(place: ReadablePlace, copy: Copy, identities: Readers) -> TailFound:
    """Errors: PlaceError."""
    opened = _Opening(place, copy, identities)
    runs = tail.runs(names(place, copy.path))
    firsts = [(run, opened.next(numbers.get(1, []), "")) for run, numbers in runs.items()]
    order = [(link.tail.epoch, run, link) for run, link in firsts if link is not None]
    broken = ""
    for _epoch, run, first in sorted(order, key=lambda each: each[:2], reverse=True):
        followed = _followed(opened, first, runs[run])
        if followed.paths:
            return followed
        broken = broken or followed.broken
    return TailFound([], None, broken or opened.broken)


def _followed(opened: "_Opening", first: TailLink, numbers: dict[int, list[TailName]]) -> TailFound:
    paths, whole, until, link = list[str](), 0, None, first
    broken = ""
    while True:
        paths.append(link.name.path)
        if link.tail.is_end:
            whole, until = len(paths), datetime.fromisoformat(link.tail.time)
        more = numbers.get(link.name.number + 1, [])
        following = opened.next(more, link.name.digest)
        if following is None:
            if more:
                broken = opened.broken
            elif max(numbers) > link.name.number:
                broken = f"File {link.name.number + 1} of its tail is missing."
            return TailFound(paths[:whole], until, broken)
        link = following


@dataclass
class _Opening:
    place: ReadablePlace
    copy: Copy
    identities: Readers
    broken: str = ""

    def next(self, candidates: Sequence[TailName], previous: str) -> TailLink | None:
        links = [link for name in candidates if (link := self._open(name)) is not None]
        link = tail.next_in(links, self.copy.digest, previous)
        if candidates and link is None and not self.broken:
            self.broken = f"{candidates[0].path} doesn't continue this backup."
        return link

    def _open(self, name: TailName) -> TailLink | None:
        try:
            return TailLink(name, opened(self.place, name.path, self.identities, self.copy.manifest.installation))
        except BackupRefused as refused:
            self.broken = str(refused)
            return None


def opened(place: ReadablePlace, path: str, identities: Readers, installation: str) -> Tail:
    """Errors: BackupRefused, PlaceError."""
    text = sets.unpacked(place.read(path), identities, path)
    name = layout.tail_name(path)
    try:
        read = tail.read(text)
    except tail.NewerTail:
        raise BackupRefused("newer_copy", f"{path} was written by a newer version of Samizdat.") from None
    except tail.TailBroken:
        raise sets.damaged(path) from None
    if read.installation != installation or name is None or name.digest != tail.digest(text):
        raise sets.damaged(path)
    return read


def moments(
    place: ReadablePlace, copy: Copy, tail_found: TailFound, identities: Readers, database: str
) -> Iterator[tuple[list[Change], dict[str, int]]]:
    """The changes of a database, those of a moment together, and the highest numbers then. Errors: BackupRefused,
    PlaceError."""
    held = list[Change]()
    for path in tail_found.paths:
        read = opened(place, path, identities, copy.manifest.installation)
        held += [change for change in read.changes if change.database == database]
        if read.is_end:
            yield held, read.last
            held = []
