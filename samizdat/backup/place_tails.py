"""One place, again and again: what has changed since it was last told, as the tail of its newest copy."""

import contextlib
import logging
from collections.abc import Iterator
from datetime import datetime

from samizdat.backup import destroyed, sets, tail_reading, tails
from samizdat.backup.errors import BackupRefused
from samizdat.backup.keys import backup_keys
from samizdat.backup.reading import ORDER, where
from samizdat.backup.sets import Copy, WritablePlace
from samizdat.backup.sources import Source, open_source
from samizdat.backup.tables import copied_tables
from samizdat.backup.tail_reading import TailReading, TailState
from samizdat.backup.tails import TailWriter
from samizdat.core.backup.tail import Change
from samizdat.delivery import epochs
from samizdat.vault import keyring, locks

log = logging.getLogger("samizdat.worker")


class PlaceTail:
    """How far a place has been told. What it has of an earlier process is told once more, from the copy on."""

    def __init__(self) -> None:
        self._writer: TailWriter | None = None
        self._state = TailState()
        self._destroyed: set[int] = set()  # Organizations whose keys were, as the place was told.
        self._newest = ""  # The copy that was looked at last, whether it can be continued or not.

    def write(self, place: WritablePlace, now: datetime) -> int:
        """How many files were written. Errors: PlaceError, BackupRefused; the next time all since the copy is told."""
        try:
            writer = self._continued(place)
            if writer is None:
                return 0
            writer.place = place
            self._note_destroyed(place)
            with _snapshot() as databases:
                reading = TailReading(databases, copied_tables(ORDER))
                after = reading.measure(files=False)
                if self._state.needs(after):
                    log.warning("What has changed is written again after the next backup: an index key was deleted.")
                    self._writer = None
                    return 0
                changes = self._changes(reading, after)
                count = writer.write(changes, now, epochs.standing(now).own.number, reading.last_numbers)
        except BaseException:
            self._writer, self._newest = None, ""
            raise
        self._state = after
        return count

    def _note_destroyed(self, place: WritablePlace) -> None:
        """An older copy may be restored before the next one is made."""
        gone = {row.pk for row in locks.destroyed()}
        if gone - self._destroyed:
            destroyed.note(place)
            self._destroyed = gone

    def _changes(self, reading: TailReading, after: TailState) -> Iterator[Change]:
        yield from reading.changes(self._state)
        yield from tail_reading.files(self._state, after)

    def _continued(self, place: WritablePlace) -> TailWriter | None:
        """None: there is no copy that can be continued."""
        newest = next(iter(sets.paths(place)), "")
        if newest == self._newest:
            return self._writer
        keys = backup_keys(keyring.derive)
        copy = tails.newest(place, keys)
        base = self._base(place, copy) if copy is not None else None
        if copy is None or base is None:
            self._writer = None
        else:
            self._writer, self._state = TailWriter.begin(place, keys, copy), base
            with contextlib.suppress(Exception):  # A place that lets nobody delete keeps them.
                tails.prune(place)
        self._newest = newest
        return self._writer

    def _base(self, place: WritablePlace, copy: Copy) -> TailState | None:
        if not tails.has_base(place, copy.path):
            return None  # Made without the public database, or by an earlier version.
        try:
            return tails.read_base(place, backup_keys(keyring.derive), copy.path, TailState)
        except BackupRefused as refused:
            log.warning("What has changed since a backup is not written to its place: %s", refused)
            return None


@contextlib.contextmanager
def _snapshot() -> Iterator[dict[str, Source]]:
    """Both databases at one moment each."""
    with contextlib.ExitStack() as stack:
        databases = dict[str, Source]()
        for alias in ORDER:
            vendor, wanted = where(alias)
            databases[alias] = stack.enter_context(contextlib.closing(open_source(vendor, wanted)))
            databases[alias].begin()
        yield databases
