"""Reading a consistent snapshot of both databases in parallel: the processes of reader.py, and what each of them
reads."""

import contextlib
import sqlite3
import subprocess
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from django.db import connections

from samizdat import child_frames, processes
from samizdat.backup.errors import BackupRefused
from samizdat.backup.reader import MadePiece, ReadingJob, Unit
from samizdat.backup.sources import BUSY, CopiedTable, PostgresSource, Source, open_source

# What is read first: an envelope of a subscriber that the worker takes up in between is in both, and taken up twice.
ORDER = ("publicdb", "default")
# Seconds between two looks at what the processes have read.
LOOK = 0.1


def where(alias: str) -> tuple[str, dict[str, Any]]:
    """Of a database of ours: vendor, and what sources.open_source takes."""
    connection = connections[alias]
    if connection.vendor == "sqlite":
        return "sqlite", {"path": str(connection.settings_dict["NAME"])}
    wanted = connection.get_connection_params()
    return "postgresql", {name: value for name, value in wanted.items() if isinstance(value, str | int)}


class ReadingProcess:
    """One of them."""

    def __init__(self, job: ReadingJob) -> None:
        self._process = subprocess.Popen(
            processes.command("samizdat.backup.reader"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=processes.environment(),
            start_new_session=True,  # Ctrl-C is for us, and we end it.
        )
        self._send(b"B", msgspec.to_builtins(job))

    def wait(self) -> None:
        for _piece in self._answers():
            pass

    def begin(self, alias: str, snapshot: str) -> None:
        self._send(b"S", [alias, snapshot])
        self.wait()

    def read(self, unit: Unit) -> Iterator[MadePiece]:
        self._send(b"U", msgspec.to_builtins(unit))
        return self._answers()

    def _send(self, kind: bytes, value: object) -> None:
        with contextlib.suppress(BrokenPipeError):  # What is wrong is said where its answer is missing.
            child_frames.send(self._process.stdin, kind, value)

    def _answers(self) -> Iterator[MadePiece]:
        assert self._process.stdout is not None
        while True:
            frame = child_frames.receive(self._process.stdout)
            if frame is None:
                raise BackupRefused(
                    "reading_failed", "The process that reads the database has ended. Run the same command again."
                )
            if frame.kind == b"F":
                raise BackupRefused(*frame.value())
            if frame.kind == b"K":
                return
            name, rows, size = frame.value()
            yield MadePiece(name, rows, size, frame.data)

    def end(self) -> None:
        child_frames.end(self._process)


@dataclass
class Snapshot:
    """Both databases as they were at one moment each, here and in the processes."""

    sources: dict[str, Source]
    readers: list[ReadingProcess]
    _errors: list[BaseException] = field(default_factory=list)

    def read(
        self, units: Iterator[Unit], take: Callable[[Unit, MadePiece], None], look: Callable[[], None] = lambda: None
    ) -> None:
        """Reads all of them, each process a part at a time. take: called with each piece, by a thread at a time;
        look: in this thread, again and again."""
        asking, taking = threading.Lock(), threading.Lock()

        def work(reader: ReadingProcess) -> None:
            try:
                while not self._errors:
                    with asking:
                        unit = next(units, None)
                    if unit is None:
                        return
                    for piece in reader.read(unit):
                        with taking:
                            take(unit, piece)
            except BaseException as error:  # Raised where the others are waited for.
                self._errors.append(error)

        threads = [threading.Thread(target=work, args=(reader,), daemon=True) for reader in self.readers]
        for thread in threads:
            thread.start()
        while not self._errors and (at_work := [thread for thread in threads if thread.is_alive()]):
            at_work[0].join(LOOK)
            look()
        if self._errors:
            raise self._errors[0]

    def last_numbers(self) -> dict[str, int]:
        return {name: number for source in self.sources.values() for name, number in source.last_numbers().items()}


@contextlib.contextmanager
def snapshot(
    tables: Sequence[CopiedTable],
    databases: Collection[str],
    recipients: Sequence[str],
    naming_key: bytes,
    there: Mapping[str, int],
    jobs: int,
) -> Iterator[Snapshot]:
    """Begun when the block is; nothing of it is left behind. jobs: processes that read. Errors: BackupRefused."""
    places = {alias: where(alias) for alias in databases}
    job = ReadingJob(places, list(tables), list(recipients), naming_key.hex(), dict(there))
    with contextlib.ExitStack() as stack:
        readers = [ReadingProcess(job) for _ in range(jobs)]
        for reader in readers:
            stack.callback(reader.end)
        sources = dict[str, Source]()
        for alias, (vendor, wanted) in places.items():
            sources[alias] = stack.enter_context(contextlib.closing(open_source(vendor, wanted)))
        for reader in readers:
            reader.wait()
        for alias in ORDER:
            if alias in sources:
                _begin(alias, sources[alias], readers, places[alias][1])
        yield Snapshot(sources, readers)


def _begin(alias: str, source: Source, readers: Sequence[ReadingProcess], wanted: Mapping[str, Any]) -> None:
    if isinstance(source, PostgresSource):
        source.begin()
        name = source.export()
        for reader in readers:
            reader.begin(alias, name)
        return
    with _nobody_writes(wanted["path"]):
        source.begin()
        for reader in readers:
            reader.begin(alias, "")


@contextlib.contextmanager
def _nobody_writes(path: str) -> Iterator[None]:
    """SQLite: several connections begin to read in the same state. For some milliseconds, who writes waits."""
    with contextlib.closing(sqlite3.connect(path, timeout=BUSY, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


def units_of(
    number: int, table: CopiedTable, source: Source, passed_over: Collection[int | None] = ()
) -> Iterator[Unit]:
    """What is read of a table, one part after the other. passed_over: groups that are not."""
    if not table.span:
        yield Unit(number)
        return
    for group in _groups(table, source):
        if group is None or group not in passed_over:
            low = source.next(table, None, group)
            while low is not None:
                begin = low // table.span * table.span
                yield Unit(number, begin, begin + table.span, group)
                low = source.next(table, begin + table.span, group)


def _groups(table: CopiedTable, source: Source) -> Iterator[int | None]:
    if not table.group:
        yield None
        return
    group = source.next(table, None)
    while group is not None:
        yield group
        group = source.next(table, group + 1)
