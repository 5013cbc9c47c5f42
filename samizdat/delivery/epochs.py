"""Which of two living copies of this installation may send (core/backup/epoch.py): what the backup places say, or DNS
where there are none.

Each place is asked in a thread of its own, which uses no database, so one that answers nothing holds nobody longer than
`seconds`.
"""

import logging
import queue
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Protocol

from samizdat.core.backup import epoch
from samizdat.core.backup.epoch import Epoch, EpochBroken
from samizdat.delivery import backup_places, epoch_dns
from samizdat.delivery.models import EpochRecord
from samizdat.logs import where_it_broke
from samizdat.vault import keyring
from samizdat.vault.sources import key_service

log = logging.getLogger("samizdat.worker")

# Seconds that a person waits at most for all places together, and that the worker does.
AT_RELEASE, AT_EASE = 8.0, 60.0
# Said among the parts of a place (copied_installation.PARTS) that differ.
TAKEN_OVER = "epoch"
# Names that one place may list.
_MOST_NAMES = 100_000
# Keys that were replaced, of which every place has a record.
_MOST_FORMER = 20


class EpochFiles(Protocol):
    """What is asked of a place (samizdat/places)."""

    def names(self, folder: str) -> Iterator[tuple[str, int]]: ...
    def read(self, name: str) -> bytes: ...
    def write(self, name: str, data: bytes) -> None: ...
    def close(self) -> None: ...


type OpenPlace = Callable[[], EpochFiles]


@dataclass(frozen=True, slots=True)
class EpochStanding:
    """rival: who took over. places: how many there are, reached: how many of them answered when they were last
    asked."""

    own: Epoch
    rival: Epoch | None = None
    places: int = 0
    reached: int = 0
    looked: datetime | None = None

    @property
    def is_known(self) -> bool:
        """Whether anybody can tell if another copy took over."""
        return self.reached > 0


def standing(now: datetime) -> EpochStanding:
    """As it was when places were last asked."""
    row = _row(now)
    own = _own(row, now)
    return EpochStanding(own, _rival(row, own), row.places, row.reached, row.looked)


def ask(now: datetime, seconds: float = AT_RELEASE, may_send: Callable[[], bool] = lambda: False) -> EpochStanding:
    """Asks all places. may_send: then our own record goes to those that don't have it; that of a copy on hold would
    stop the original."""
    row = _row(now)
    own = _own(row, now)
    opens = _places()
    in_dns = [] if opens else epoch_dns.open_all()
    if not opens and not in_dns and not row.places:
        return standing(now)
    answers = _ask_all(opens or in_dns, own, _records(row, own) if may_send() else [], seconds)
    return _noted(own, len(opens), answers, now, _rival(row, own))


def hear(files: EpochFiles, now: datetime) -> EpochStanding:
    """What one place says, by a connection that is open. Errors: whatever a place raises."""
    row = _row(now)
    own = _own(row, now)
    known = _rival(row, own)
    seen = [*_seen(files, own, _key()), *([known] if known else [])]
    rival = epoch.winner(own, seen)
    if rival is not None and rival != known:
        # Not over what somebody released meanwhile.
        rows = EpochRecord.objects.filter(pk=1, own=epoch.written(own, _key()))
        rows.update(rival=epoch.written(rival, _key()), looked=now)
    return EpochStanding(own, rival, row.places, row.reached, row.looked)


def take_over(now: datetime, seconds: float = AT_RELEASE) -> EpochStanding:
    """This copy is the one from now on: one above all that is known anywhere, at every place that can be reached. Its
    `rival` is somebody who did the same meanwhile."""
    before = ask(now, seconds)
    highest = max(before.own, before.rival or before.own, key=lambda each: each.number)
    own = highest.next(secrets.token_bytes(8), now.astimezone(UTC).replace(microsecond=0))
    opens = _places()
    EpochRecord.objects.filter(pk=1).update(own=epoch.written(own, _key()), rival=b"")
    answers = _ask_all(opens or epoch_dns.open_all(), own, _records(_row(now), own), seconds)
    return _noted(own, len(opens), [answer for answer in answers if answer.is_written or answer.seen], now)


def is_in_dns() -> bool:
    """Whether DNS alone can say who may send: there is neither a backup place nor a key service."""
    return not _places()


def to_publish(now: datetime) -> list[tuple[str, str]]:
    """Name and text of the TXT records by which other copies learn that this one may send; none where backup places or
    key services tell them, or there is no name."""
    name = epoch_dns.txt_name() if is_in_dns() else ""
    if not name:
        return []
    row = _row(now)
    return [(name, epoch.as_txt(record)) for record in _records(row, _own(row, now))]


def renew() -> Iterator[None]:
    """A Renewal (instance_exchange.py): from now on this copy has the number after, under the new key. Its record under
    the former one is kept and goes to every place, whenever that can be reached: a copy that has the former key reads
    no other. Whom a place told of still is the rival."""
    row = EpochRecord.objects.filter(pk=1).first()
    own = _read(bytes(row.own)) if row else None
    rival = _rival(row, own) if row and own else None
    yield
    if row is None or own is None:
        return
    row.former = b"".join([*_former(row, own), bytes(row.own)][-_MOST_FORMER:])
    after = own if rival else own.next(own.mark, own.since)
    row.own = epoch.written(after, _key())
    row.rival = epoch.written(rival, _key()) if rival else b""
    row.save(update_fields=["own", "rival", "former"])


def _noted(
    own: Epoch, places: int, answers: Sequence["_Answer"], now: datetime, known: Epoch | None = None
) -> EpochStanding:
    """places: that are kept; a record in DNS counts once it's there. known: the rival of whom a place told before,
    whether it still does or not."""
    seen = [each for answer in answers for each in answer.seen]
    rival = epoch.winner(own, [*seen, known] if known else seen)
    reached = sum(answer.is_read for answer in answers)
    places = places or reached
    record = epoch.written(rival, _key()) if rival else b""
    # Not over what somebody released meanwhile.
    rows = EpochRecord.objects.filter(pk=1, own=epoch.written(own, _key()))
    rows.update(rival=record, places=places, reached=reached, looked=now)
    return EpochStanding(own, rival, places, reached, now)


# -- what this installation knows ---------------------------------------------------------------------------------


def _key() -> bytes:
    return keyring.derive("epoch records")


def _new(now: datetime, number: int = 1) -> Epoch:
    return Epoch(number, secrets.token_bytes(8), now.astimezone(UTC).replace(microsecond=0))


def _row(now: datetime) -> EpochRecord:
    row = EpochRecord.objects.filter(pk=1).first()
    if row is None:
        first = EpochRecord(pk=1, own=epoch.written(_new(now), _key()), rival=b"")
        # Of two that begin at the same moment one is the first, and nothing fails for the other.
        EpochRecord.objects.bulk_create([first], ignore_conflicts=True)
        row = EpochRecord.objects.get(pk=1)
    return row


def _own(row: EpochRecord, now: datetime) -> Epoch:
    """One that was written with another key, as before a rotation, is followed by a new one."""
    record = bytes(row.own)
    if (own := _read(record)) is not None:
        return own
    record = epoch.written(_new(now, epoch.number_of(record) + 1), _key())
    EpochRecord.objects.filter(pk=1, own=bytes(row.own)).update(own=record)
    row.own = bytes(EpochRecord.objects.get(pk=1).own)
    return epoch.read(bytes(row.own), _key())


def _rival(row: EpochRecord, own: Epoch) -> Epoch | None:
    known = _read(bytes(row.rival))
    return epoch.winner(own, [known]) if known else None


def _read(record: bytes) -> Epoch | None:
    try:
        return epoch.read(record, _key())
    except EpochBroken:
        return None


def _records(row: EpochRecord, own: Epoch) -> list[bytes]:
    """What every place is to have: ours, and those under keys that were replaced."""
    return [bytes(row.own), *_former(row, own)]


def _former(row: EpochRecord, own: Epoch) -> list[bytes]:
    """Nobody knows whose the bytes of a row are: those ahead of us aren't passed on."""
    records = epoch.split(bytes(row.former))
    return [record for record in records if epoch.number_of(record) < own.number]


# -- what places say ----------------------------------------------------------------------------------------------


def _places() -> Sequence[OpenPlace]:
    """Backup places, and key services, which keep such records as well."""
    return [*backup_places.open_all(), *key_service.epoch_openers()]


@dataclass(frozen=True, slots=True)
class _Answer:
    """seen: who is ahead of us."""

    seen: list[Epoch]
    is_read: bool
    is_written: bool


def _ask_all(opens: Sequence[OpenPlace], own: Epoch, records: Sequence[bytes], seconds: float) -> list[_Answer]:
    """Of the places that answered in time. records: of _records(), for those without them; none: nothing is written."""
    answers: queue.SimpleQueue[_Answer] = queue.SimpleQueue()
    key, until = _key() if opens else b"", time.monotonic() + seconds
    for open_place in opens:
        reading = _PlaceReading(open_place, own, records, key, answers)
        threading.Thread(target=reading.run, name="epoch", daemon=True).start()
    seen: list[_Answer] = []
    with suppress(queue.Empty):
        while len(seen) < len(opens):
            seen.append(answers.get(timeout=max(0.0, until - time.monotonic())))
    return seen


@dataclass(frozen=True, slots=True)
class _PlaceReading:
    open_place: OpenPlace
    own: Epoch
    records: Sequence[bytes]
    key: bytes
    answers: "queue.SimpleQueue[_Answer]"

    def run(self) -> None:
        try:
            files = self.open_place()
        except Exception as error:
            self._report(error)
            self.answers.put(_Answer([], is_read=False, is_written=False))
            return
        # Written first and read then: of two copies that are released at once, at least one sees the other.
        is_written, seen = self._try(lambda: self._write(files)), list[Epoch]()
        is_read = self._try(lambda: seen.extend(_seen(files, self.own, self.key)))
        self._try(files.close)
        self.answers.put(_Answer(seen, is_read, is_written))

    def _write(self, files: EpochFiles) -> None:
        for record in self.records:
            files.write(epoch.name_of(record), record)

    def _try(self, work: Callable[[], object]) -> bool:
        try:
            work()
        except Exception as error:  # A place may do anything.
            self._report(error)
            return False
        return True

    def _report(self, error: Exception) -> None:
        log.warning("A backup place or key service could not be asked which copy may send: %s", where_it_broke(error))


def _seen(files: EpochFiles, own: Epoch, key: bytes) -> Iterator[Epoch]:
    names = [name for name, _size in islice(files.names(epoch.FOLDER), _MOST_NAMES)]
    for name in epoch.rivals(names, own):
        try:
            rival = epoch.read(files.read(name), key)
        except EpochBroken:
            continue  # Of another installation, or nobody's.
        if rival.name == name:
            yield rival
