"""The run itself: slice after slice, each with its counts and its place in one transaction."""

import contextlib
import gc
import itertools
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import IntegrityError, connection, transaction
from msgspec.structs import replace

from samizdat import db
from samizdat.audience import removal_limit, value_limit
from samizdat.audience.errors import ImportTaken, TooManyRows
from samizdat.audience.imports.documents import ImportDocument, read_plan, sealed
from samizdat.audience.imports.reading.parse import AskPiece, ReaderOrder
from samizdat.audience.imports.reading.subprocess_reader import ReaderProcess, read_here
from samizdat.audience.imports.stretches import STRETCH, ImportSlice, in_order
from samizdat.audience.imports.writer import ImportWriter, Rejected
from samizdat.audience.models import STATUSES, Import, Reject
from samizdat.vault.keyring import OrganizationKeys

# The first split of the rows, and the second one; both add up (design.md, section 8).
SPLIT = ("added", "updated", "unchanged", "skipped", "rejected")
COUNTS = ("rows", *SPLIT, "duplicates", *STATUSES, "here", "kept_left")
TRIES = 5

type Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class ImportProgress:
    """How far an import or a look at one is. `about` is an upper bound of the rows, 0 where nobody knows."""

    rows: int
    about: int
    bytes_read: int
    bytes_total: int
    counts: dict[str, int]
    seconds: float = 0.0  # of the last transaction


type Tell = Callable[[ImportProgress], None]
type TellReject = Callable[[str, Rejected], None]


@contextlib.contextmanager
def slices(
    order: ReaderOrder,
    keys: OrganizationKeys,
    piece: AskPiece | None,
    *,
    own_process: bool,
    stretch: int = STRETCH,
) -> Iterator[Iterator[ImportSlice]]:
    """The slices of an order, read beside us or, for small files, here."""
    if own_process:
        # Rows of a transaction that is still open are seen on its own connection alone.
        with ReaderProcess(order, piece, here=connection.in_atomic_block) as reading:
            yield in_order(reading, keys, order, stretch)
    else:
        yield in_order(read_here(order, piece), keys, order, stretch)


def bring(
    row: Import,
    store: ImportWriter,
    import_slices: Iterator[ImportSlice],
    *,
    now: Clock,
    about: int,
    stop: Callable[[], bool] | None = None,
    tell: Tell | None = None,
    tell_reject: TellReject | None = None,
) -> bool:
    """Brings in all slices. True at the end, False when stopped before. Errors: ImportTaken, TooManyRemovals,
    TooManyRows."""
    counts = Counter({name: row.counts.get(name, 0) for name in COUNTS})
    with db.bulk_writing(), _collecting_seldom() as collect:
        for slice in import_slices:
            collect()
            begun = time.perf_counter()
            more, rejects = _commit(row, store, slice, counts, now)
            counts.update(more)
            if tell_reject:
                for reject in rejects:
                    tell_reject(slice.name, reject)
            if tell:
                seconds = time.perf_counter() - begun
                tell(ImportProgress(counts["rows"], about, slice.bytes_read, slice.bytes_total, dict(counts), seconds))
            if stop and stop():
                return False
    return True


# Slices between two looks for garbage: what a slice leaves in circles is a few hundred kilobytes.
COLLECT_EVERY = 20


@contextlib.contextmanager
def _collecting_seldom() -> Iterator[Callable[[], None]]:
    """Python looks for circles after so many new objects; a slice is a hundred thousand of them and has none.

    Those looks were 3 in 100 of the time, and what was there before is left out of the few that are left: 0.2 s each.
    Gives what is to be called before each slice.
    """
    before, met = gc.isenabled(), itertools.count(1)
    freezes = not gc.get_freeze_count()  # In a worker it is, for good.
    gc.disable()
    if freezes:
        gc.freeze()

    def collect() -> None:
        if next(met) % COLLECT_EVERY == 0:
            gc.collect()

    try:
        yield collect
    finally:
        if freezes:
            gc.unfreeze()
        if before:
            gc.enable()


def _commit(
    row: Import, store: ImportWriter, import_slice: ImportSlice, counts: Counter[str], now: Clock
) -> tuple[Counter[str], list[Rejected]]:
    """One slice: rows, counts and place together, so that a kill loses a slice whole or not at all."""
    for tries in range(1, TRIES + 1):
        try:
            with transaction.atomic():
                more, rejects = store.slice(import_slice)
                document = _claim(row, more["rows"], len(store.taken_off), now())
                value_limit.note(row.organization, len(store.overwritten), about=row.pk, now=now(), by=row.by)
                _keep_rejects(row, import_slice, rejects)
                columns = _move_on(row, document, import_slice, counts + more, now())
            row.plan_sealed = columns["plan_sealed"]
            return more, rejects
        except IntegrityError:
            # On PostgreSQL somebody signed up with an address of this slice in the same moment: look again.
            store.forget()
            if tries == TRIES:
                raise
    raise AssertionError


def _keep_rejects(row: Import, import_slice: ImportSlice, rejects: list[Rejected]) -> None:
    Reject.objects.bulk_create(
        [
            Reject(import_run=row, file_no=import_slice.file, line=line, code=code, values=values)
            for line, code, values in rejects
        ]
    )


def _claim(row: Import, rows: int, many: int, now: datetime) -> ImportDocument:
    """Of whom a slice takes off lists, those that no admin agreed to count toward the day. The document, with as many
    of the agreed as are left. Errors: TooManyRemovals; TooManyRows, whatever made its files have more of them."""
    document = read_plan(row)
    if document.may_bring is not None and rows > document.may_bring:
        raise TooManyRows
    removal_limit.claim(row.organization, max(0, many - document.may_remove), about=row.pk, now=now, by=row.by)
    left = None if document.may_bring is None else document.may_bring - rows
    return replace(document, may_remove=max(0, document.may_remove - many), may_bring=left)


def _move_on(
    row: Import, document: ImportDocument, import_slice: ImportSlice, counts: Counter[str], now: datetime
) -> dict[str, Any]:
    columns = sealed(row, "plan", replace(document, place=import_slice.after))
    mine = Import.objects.filter(id=row.id, owner=row.owner).update(
        counts={name: counts[name] for name in COUNTS},
        row_no=import_slice.after[1],
        **columns,
        bytes_read=import_slice.bytes_read,
        bytes_total=import_slice.bytes_total,
        heartbeat=now,
        tries=0,
    )
    if not mine:
        raise ImportTaken
    return columns


def dry(
    store: ImportWriter, import_slices: Iterator[ImportSlice], about: int, tell: Tell | None = None
) -> Iterator[tuple[ImportSlice, tuple[dict[str, int], list[Rejected]]]]:
    """Goes through all slices without writing: each with the counts until here."""
    counts: Counter[str] = Counter(dict.fromkeys(COUNTS, 0))
    for slice in import_slices:
        more, rejects = store.slice(slice)
        counts.update(more)
        if tell:
            tell(ImportProgress(counts["rows"], about, slice.bytes_read, slice.bytes_total, dict(counts)))
        yield slice, (dict(counts), rejects)
