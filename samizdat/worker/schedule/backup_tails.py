"""Between two backups: what has changed is at each backup place within seconds (backup/place_tails.py). A thread for
each place, so one that doesn't answer keeps no other waiting."""

import logging
import threading
import time
from contextlib import suppress

from django.db import connections

from samizdat import dbclock, plugins
from samizdat.backup.place_tails import PlaceTail
from samizdat.delivery import backup_places, backup_progress, database_changes
from samizdat.delivery.actions import copied_installation
from samizdat.logs import where_it_broke
from samizdat.worker.stopping import stopping

log = logging.getLogger("samizdat.worker")

# Seconds between two looks at what has changed; after which it is looked for although nothing was written.
EVERY, QUIET = 5.0, 60.0


class PlaceThread:
    """Tells one place, until `stop` is set or the place was removed."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.stop = threading.Event()
        self._tail = PlaceTail()
        self._place: plugins.Place | None = None
        self._changes = database_changes.DatabaseChanges(QUIET, own=False)
        self._failing, self._noted = False, float("-inf")
        self._thread = threading.Thread(target=self._run, name="backup tail", daemon=True)
        self._thread.start()

    @property
    def is_running(self) -> bool:
        return self._thread.is_alive()

    def _run(self) -> None:
        try:
            while not (self.stop.is_set() or stopping.is_set()) and self._look():
                self.stop.wait(EVERY)
        finally:
            self._close()
            connections.close_all()

    def _look(self) -> bool:
        """False: the place was removed."""
        try:
            if not self._changes.has_news():
                return True
            if self._place is None and not self._open():
                return False
            self._tell()
        except Exception as error:  # A place may do anything.
            self._close()
            self._changes.forget()
            if not self._failing:
                log.warning("Backup place %d can't be told what has changed: %s", self.number, where_it_broke(error))
                with suppress(Exception):
                    backup_progress.note_tail_failing(self.number, dbclock.now())
            self._failing = True
        return True

    def _open(self) -> bool:
        kept = backup_places.get(self.number)
        self._place = kept.details.open() if kept is not None else None
        return kept is not None

    def _tell(self) -> None:
        assert self._place is not None
        if copied_installation.may_write_at(self._place, dbclock.now()):
            self._note(self._tail.write(self._place, dbclock.now()))
        if self._failing:
            log.warning("Backup place %d is told what has changed again.", self.number)
            self._failing = False
            backup_progress.note_tail_failing(self.number, None)

    def _note(self, files: int) -> None:
        """For the page and doctor; not each few seconds, since that is a change as well."""
        if files and time.monotonic() >= self._noted + QUIET:
            backup_progress.note_tail(self.number, dbclock.now())
            self._noted = time.monotonic()

    def _close(self) -> None:
        if self._place is not None:
            with suppress(Exception):
                self._place.close()
        self._place = None


class BackupTails:
    """Of a worker process that is the only one to do it."""

    def __init__(self) -> None:
        self._threads: dict[int, PlaceThread] = {}
        self._at = float("-inf")

    def look(self) -> None:
        """Each second: places that were added get a thread, those of removed ones end by themselves."""
        if time.monotonic() < self._at + EVERY:
            return
        self._at = time.monotonic()
        numbers = set(backup_places.numbers())
        for number in self._threads.keys() - numbers:
            self._threads.pop(number).stop.set()
        for number in numbers:
            if number not in self._threads or not self._threads[number].is_running:
                self._threads[number] = PlaceThread(number)

    def leave(self) -> None:
        """Somebody else does it now, or nobody."""
        for thread in self._threads.values():
            thread.stop.set()
        self._threads = {}
