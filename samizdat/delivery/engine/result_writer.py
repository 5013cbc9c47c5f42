"""The recorder: results go to the database in groups of up to 2,000 or every 250 ms, in a thread of their own."""

import logging
import threading
from collections import Counter, deque
from collections.abc import Callable
from datetime import datetime

from django.db import DatabaseError, InterfaceError, connection

from samizdat import dbclock
from samizdat.delivery import clock_jumps, sql
from samizdat.delivery.engine.journal import Journal
from samizdat.delivery.engine.results import SendResult, write

log = logging.getLogger("samizdat.sender")

# A group's own cost (ten statements, a commit) is shared by its rows: at 500 it was 5 us a message, at 2,000 it is 1.
# What is not written yet stands in the journal.
GROUP = 2000
SECONDS = 0.25
# Seconds between tries while the database does not take anything (locked, disk full, connection lost).
PAUSE = 1.0


class ResultWriter:
    """`tell` from any thread; `close_chunk` after the last result of a chunk. Order is kept."""

    def __init__(self, journal: Journal, clock: Callable[[], datetime], worker: int) -> None:
        self._journal = journal
        self._clock = clock
        self._worker = worker
        # (result, generation of the journal or -1), or (None, chunk to let go of): one queue, so that order is kept.
        self._waiting: deque[tuple[SendResult | None, int]] = deque()
        self._told, self._wake, self._stop = threading.Event(), threading.Event(), threading.Event()
        self.failed = False
        self._groups = 0
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._thread.start()

    @property
    def backlog(self) -> int:
        return len(self._waiting)

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    @property
    def idle(self) -> bool:
        """Everything told so far is in the database."""
        return not self._waiting

    def tell(self, result: SendResult, generation: int = -1) -> None:
        self._waiting.append((result, generation))
        if not self._told.is_set():
            self._told.set()
        if len(self._waiting) >= GROUP and not self._wake.is_set():
            self._wake.set()

    def close_chunk(self, chunk: int) -> None:
        """Let go of a chunk once everything told before is written, with the next group."""
        self._waiting.append((None, chunk))
        self._told.set()

    def stop(self, patience: float) -> bool:
        """Write what is left. False: it could not be, and stands in the journal alone."""
        for event in (self._stop, self._wake, self._told):
            event.set()
        self._thread.join(patience)
        return self.idle and not self._thread.is_alive()

    def _run(self) -> None:
        try:
            while not (self._stop.is_set() and self.idle):
                if self.idle:
                    self._told.wait()
                self._wake.wait(SECONDS)
                self._wake.clear()
                self._told.clear()  # Before it is written: what is told meanwhile waits for the next time.
                if not self._write_all():
                    if self._stop.is_set():
                        return
                    self._stop.wait(PAUSE)
        finally:
            connection.close()

    def _write_all(self) -> bool:
        while self._waiting:
            group = [self._waiting[i] for i in range(min(GROUP, len(self._waiting)))]
            try:
                results = [result for result, _ in group if result is not None]
                if results:
                    now = self._clock()
                    # First: by a clock that was set a message would be too old, or never due.
                    clock_jumps.look(now, dbclock.ticks())
                    write(results, now, (self._worker, self._groups + 1))
                    self._groups += 1
                    self._journal.wrote(self._groups)
                self._after(group)
            except (DatabaseError, InterfaceError) as error:
                # Everything is in the journal, and repeats are harmless: try again until the database takes it.
                if not self.failed:
                    log.warning("The database does not take results (%s). Trying again.", type(error).__name__)
                self.failed = True
                connection.close()
                return False
            self.failed = False
            if len(self._waiting) < GROUP:
                break
        return True

    def _after(self, group: list[tuple[SendResult | None, int]]) -> None:
        """What was written is let go of: chunks, and the journal's copy."""
        closed = [number for result, number in group if result is None]
        if closed:
            sql.close_chunks(closed, self._worker)
        for _ in group:
            self._waiting.popleft()
        generations = Counter(number for result, number in group if result is not None and number >= 0)
        if generations:
            self._journal.confirm(generations)
