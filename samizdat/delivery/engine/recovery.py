"""After a sender has died: what is in its journal goes into the ledger, and its chunks become free (design.md, 6.7)."""

import contextlib
import logging
import time
from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db import connection, transaction

from samizdat import dialect
from samizdat.audience.models import row_id
from samizdat.core import ledger, outcome
from samizdat.core.ledger import News
from samizdat.delivery.engine import journal, locks
from samizdat.delivery.engine.results import Result, write
from samizdat.delivery.models import Chunk, Worker
from samizdat.events.actions import record

log = logging.getLogger("samizdat.sender")

# Seconds; a sender of another machine is started again there and then reads its own journal. Only when nobody did for
# so long is the machine taken as lost, and its window as in doubt.
LOST = 600

_seen_dead: dict[int, float] = {}


def recover_dead(now: datetime, mine: int | None = None) -> int:
    """Recover every worker that is not alive. The caller holds the sender lock on SQLite. How many were recovered."""
    count = 0
    for worker in Worker.objects.filter(ended=None).exclude(pk=mine or 0).order_by("pk"):
        with _dead(worker) as dead:
            if dead and Worker.objects.filter(pk=worker.pk, ended=None).exists():
                recover_worker(worker, now)
                count += 1
    Worker.objects.filter(ended__lt=now - timedelta(days=7), chunk=None).delete()
    return count


@contextlib.contextmanager
def _dead(worker: Worker) -> Iterator[bool]:
    """Is it dead, and may we be the ones to recover it? On PostgreSQL its own lock is held meanwhile."""
    here = bytes(worker.folder) == journal.folder_id()
    if connection.vendor == "sqlite":
        yield True
        return
    if not locks.try_advisory(locks.WORKERS, worker.pk):
        _seen_dead.pop(worker.pk, None)
        yield False
        return
    try:
        if here:
            # Its database connection may be gone while it still finishes what was in flight.
            yield not journal.in_use(worker.journal)
        else:
            yield time.monotonic() - _seen_dead.setdefault(worker.pk, time.monotonic()) >= LOST
    finally:
        locks.release_advisory(locks.WORKERS, worker.pk)


def recover_worker(worker: Worker, now: datetime) -> None:
    """Fold the journal, judge the claims, free the chunks. Killed in the middle, it is simply done again."""
    here = bytes(worker.folder) == journal.folder_id()
    expected = ledger.Header(journal.boot_id(), worker.pk, bytes(worker.folder))
    records, whole = journal.read(worker.journal, expected) if here else ([], False)
    folded = ledger.fold(records)
    _book_answers(folded, now)
    exact = whole and bytes(worker.boot) == expected.boot
    for chunk in Chunk.objects.filter(owner=worker, state=Chunk.CLAIMED).select_related("edition__organisation"):
        _free(chunk, folded, exact, worker, now)
    Worker.objects.filter(pk=worker.pk).update(ended=now)
    if here:
        journal.remove(worker.journal)


def _book_answers(folded: ledger.Folded, now: datetime) -> None:
    """R records become results, chunk by chunk and the oldest first, since a retry chunk comes after its first one."""
    by_chunk: dict[int, list[ledger.Record]] = {}
    for heard in folded.heard.values():
        by_chunk.setdefault(heard.chunk, []).append(heard)
    for number in sorted(by_chunk):
        chunk = Chunk.objects.select_related("edition").filter(pk=number).first()
        if chunk is None:
            continue
        known = _providers(chunk, [heard.number for heard in by_chunk[number]])
        write([_as_result(chunk, heard, known) for heard in by_chunk[number]], now)


def _providers(chunk: Chunk, numbers: list[int]) -> dict[int, int]:
    organisation = chunk.edition.organisation_id
    rows = dialect.providers([row_id(organisation, number) for number in numbers])
    return {number: rows.get(row_id(organisation, number), 0) for number in numbers}


def _as_result(chunk: Chunk, heard: ledger.Record, known: dict[int, int]) -> Result:
    return Result(
        edition=chunk.edition_id,
        chunk=chunk.pk,
        number=heard.number,
        news=heard.news,
        answer=heard.answer,
        code=heard.code,
        route=heard.route or None,
        provider=known[heard.number],
        retry=chunk.retry,
        wait=heard.wait * 60,
    )


def _free(chunk: Chunk, folded: ledger.Folded, exact: bool, worker: Worker, now: datetime) -> None:
    left = dialect.unanswered(chunk.edition_id, chunk.pk, chunk.retry, ledger.unpack_numbers(bytes(chunk.numbers)))
    verdict = ledger.recover(folded, {chunk.pk: left}, exact)
    unsure = verdict.unsure[chunk.pk]
    known = _providers(chunk, unsure)
    results = [
        Result(
            chunk.edition_id,
            chunk.pk,
            number,
            News.UNSURE,
            outcome.NUMBERS["unsure"],
            provider=known[number],
            retry=chunk.retry,
            crashed=exact,
            held=not exact,
        )
        for number in unsure
    ]
    with transaction.atomic():
        write(results, now)
        dialect.close_chunk(chunk.pk, worker.pk)
        if unsure:
            record(
                "campaign.unsure" if exact else "campaign.unsure_held",
                chunk.edition.organisation,
                now=now,
                about=chunk.edition.campaign_id,
                detail={"count": len(unsure)},
            )
