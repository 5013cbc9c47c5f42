"""After a sender has died: what is in its journal goes into the ledger, and its chunks become free (design.md, 6.7).

Its own machine reads the journal and knows exactly. Other machines cannot, and need not wait: what no slice has taken
of its chunks is theirs at once. What was on its way waits for that machine to come back, and is in doubt when it does
not, after LOST seconds or when a person says so (`samizdat worker forget`).
"""

import contextlib
import logging
from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now

from samizdat import dbclock
from samizdat.audience import sql as audience_sql
from samizdat.audience.models import row_id
from samizdat.campaigns.models import Campaign, large_of_edition
from samizdat.core.crypto import seal
from samizdat.core.mail import ledger, outcome
from samizdat.core.mail.ledger import JournalNews
from samizdat.delivery import clock_jumps, sealed_chunks, sql
from samizdat.delivery.engine import journal, locks
from samizdat.delivery.engine.heartbeat import BEAT, HUNG
from samizdat.delivery.engine.results import SendResult, write
from samizdat.delivery.models import Chunk, Worker
from samizdat.delivery.queries import next_position
from samizdat.events.actions import record
from samizdat.vault import keyring
from samizdat.vault.errors import VaultError

log = logging.getLogger("samizdat.sender")

# Seconds without a heartbeat after which the machine of a sender counts as lost, and its window as in doubt.
LOST = 600
# Longer than journals are kept.
KEPT_ENDED = timedelta(days=9)
# Seconds; who was heard of since then is not looked at, so that a hundred senders do not ask for each other's locks.
QUIET = 2.5 * BEAT


def recover_dead(now: datetime, mine: int | None = None, forgets: bool = True) -> int:
    """Recover every worker that is not alive. The caller holds the sender lock on SQLite. How many were recovered.

    forgets: lets go of old rows as well.
    """
    count = 0
    for worker in _silent().exclude(pk=mine or 0).order_by("pk"):
        with _dead(worker) as dead:
            if not dead or not Worker.objects.filter(pk=worker.pk, ended=None).exists():
                continue
            if worker.role != "sender":
                Worker.objects.filter(pk=worker.pk).update(ended=now)
            elif _is_here(worker) or worker.forgotten or _lost(worker):
                recover_worker(worker, now)
            else:
                take_over(worker)
                continue
            count += 1
    if forgets:
        _forget_ended(now)
    return count


def _forget_ended(now: datetime) -> None:
    """Lets go of old rows. Not while their journal may lie somewhere: a database that does not know a journal seems to
    have gone back in time. A clock that is wrong lets go of none that is needed."""
    old = Worker.objects.filter(ended__lt=now - KEPT_ENDED, chunk=None)
    old = old.filter(Q(folder=journal.folder_id()) | Q(journal=""))
    if old.exists() and not clock_jumps.patient(now):
        old.exclude(journal__in=journal.names()).delete()


def _silent() -> QuerySet[Worker]:
    """Those that may be dead. The database's clock judges, since its clock has written the heartbeats."""
    open_ones = Worker.objects.filter(ended=None)
    if connection.vendor == "sqlite":
        return open_ones
    quiet = Q(beat=None) | Q(beat__lt=Now() - timedelta(seconds=QUIET))
    lost = Q(folder=journal.folder_id()) & ~Q(pk__in=locks.held_workers())
    return open_ones.filter(quiet | lost | Q(forgotten=True))


def _is_here(worker: Worker) -> bool:
    """Can we read its journal?"""
    return bytes(worker.folder) == journal.folder_id()


def _lost(worker: Worker) -> bool:
    # In the hour after a clock was set nobody has been silent for so long as it seems.
    return connection.vendor == "sqlite" or (sql.silence(worker.pk) >= LOST and not clock_jumps.patient(dbclock.now()))


@contextlib.contextmanager
def _dead(worker: Worker) -> Iterator[bool]:
    """Is it dead, and may we be the ones to recover it? On PostgreSQL one at a time looks after a worker."""
    if connection.vendor == "sqlite":
        yield True
        return
    # A lock of its own, not the worker's: whoever found that held would take the one who recovers for a hanging one.
    if not locks.try_advisory(locks.RECOVERIES, worker.pk):
        yield False
        return
    try:
        if locks.is_held(worker.pk):
            _cut_off_hung(worker)
            yield False
        else:
            # Its database connection may be gone while it still finishes what was in flight.
            yield not (_is_here(worker) and worker.journal and journal.in_use(worker.journal))
    finally:
        locks.release_advisory(locks.RECOVERIES, worker.pk)


def _cut_off_hung(worker: Worker) -> None:
    """A session without a heartbeat: the process behind it hangs, or its machine is gone and the server has not seen it
    yet. It loses its session; should it move again, it finds that out before it feeds anything more."""
    # By a clock that was just set forward everybody has been silent for long.
    silent = sql.silence(worker.pk) >= HUNG and not clock_jumps.unsettled(dbclock.now())
    hangs = worker.beat is not None and (worker.forgotten or silent)
    if hangs and locks.cut_off(worker.pk):
        log.warning("Worker %s on %s hung: it has lost its session, and others do its work.", worker.pk, worker.host)


def take_over(worker: Worker) -> int:
    """Takes from the chunks of a dead worker on another machine what no slice has taken yet. How many messages."""
    chunks = Chunk.objects.filter(worker=worker, state=Chunk.CLAIMED, unsliced__gt=0)
    return sum(_take_untouched(chunk, worker) for chunk in chunks)


def _take_untouched(chunk: Chunk, worker: Worker) -> int:
    with transaction.atomic():
        # Campaign, then chunk: the order of everybody who holds both.
        Campaign.objects.select_for_update().get(edition=chunk.edition_id)
        row = Chunk.objects.select_for_update().filter(pk=chunk.pk, worker=worker, state=Chunk.CLAIMED).first()
        if row is None or not row.unsliced:
            return 0
        numbers = ledger.unpack_numbers(bytes(row.numbers))
        left = sql.unanswered(row.edition_id, row.pk, row.retry, numbers)
        untouched = left[-row.unsliced :]
        if len(untouched) == len(left):
            sql.close_chunks([row.pk], worker.pk)
            return len(untouched)
        gone = set(untouched)
        kept = ledger.pack_numbers([number for number in numbers if number not in gone])
        position, packed = next_position(row.edition_id), ledger.pack_numbers(untouched)
        try:
            seals = _seals(row, (row.position, kept), (position, packed))
        except VaultError:
            return 0  # Nobody sends it now; it stays with that machine until it comes back or is lost.
        fresh = Chunk.objects.create(
            edition_id=row.edition_id,
            position=position,
            size=len(untouched),
            remaining=0 if row.retry else len(untouched),
            numbers=packed,
            digest_sealed=seals[1],
            retry=row.retry,
            variant=row.variant,
            wave=row.wave,
            not_before=row.not_before,
        )
        left_there = {"numbers": kept, "digest_sealed": seals[0], "size": len(numbers) - len(untouched)}
        Chunk.objects.filter(pk=row.pk).update(remaining=row.remaining - fresh.remaining, unsliced=0, **left_there)
        if row.retry:
            sql.retries_into_chunk(row.edition_id, fresh.pk, untouched)
    return len(untouched)


def _seals(row: Chunk, *parts: tuple[int, bytes]) -> list[bytes]:
    """Of (position, numbers) each, into which a chunk is split; what was altered gets none. Errors: VaultError."""
    try:
        masks = None if row.retry else sealed_chunks.masks_of(row)
    except seal.SealBroken:
        masks = None
    if masks is None:
        return [b""] * len(parts)
    keys = keyring.keys(row.edition.organization)
    return [
        sealed_chunks.sealed(keys, row.edition_id, at, row.variant, packed, masks.packed(ledger.unpack_numbers(packed)))
        for at, packed in parts
    ]


def recover_restored(now: datetime) -> int:
    """After a restore that has the journals of its senders up to a moment: what they don't know was not sent until
    then, so it is sent now, and only what was on its way just then is in doubt. How many were recovered."""
    count = 0
    for worker in Worker.objects.filter(role="sender", ended=None).order_by("pk"):
        if not (_is_here(worker) and worker.journal in journal.names()):
            continue
        mark = journal.last_mark(worker.journal)
        with contextlib.suppress(VaultError):  # Of a locked organization, when that is unlocked.
            recover_worker(worker, now, is_restored=True)
            Worker.objects.filter(pk=worker.pk, written__lt=mark).update(written=mark)
            count += 1
    return count


def recover_worker(worker: Worker, now: datetime, *, is_restored: bool = False) -> None:
    """Fold the journal, judge the claims, free the chunks. Killed in the middle, it is simply done again."""
    here = _is_here(worker)
    expected = ledger.Header(journal.boot_id(), worker.pk, bytes(worker.folder))
    kept = here and (is_restored or journal.is_kept(worker.journal))
    if kept:  # It had ended, and the database has forgotten that.
        records, whole = journal.read_whole(worker.journal), True
    else:
        records, whole = journal.read(worker.journal, expected) if here else ([], False)
    folded = ledger.fold(records)
    _book_answers(folded, now)
    exact = kept or (whole and bytes(worker.boot) == expected.boot)
    chunks = Chunk.objects.filter(worker=worker, state=Chunk.CLAIMED).select_related("edition__organization")
    for chunk in chunks.defer(*large_of_edition("edition__")):
        _free(chunk, folded, exact, worker, now)
    Worker.objects.filter(pk=worker.pk).update(ended=now)
    if here:
        journal.put_aside(worker.journal)


def _book_answers(folded: ledger.ReplayedJournal, now: datetime) -> None:
    """R records become results, chunk by chunk and the oldest first, since a retry chunk comes after its first one."""
    by_chunk: dict[int, list[ledger.JournalRecord]] = {}
    for heard in folded.heard.values():
        by_chunk.setdefault(heard.chunk, []).append(heard)
    for number in sorted(by_chunk):
        chunk = Chunk.objects.select_related("edition").filter(pk=number).first()
        if chunk is None:
            continue
        known = _providers(chunk, [heard.number for heard in by_chunk[number]])
        write([_as_result(chunk, heard, known) for heard in by_chunk[number]], now)


def _providers(chunk: Chunk, numbers: list[int]) -> dict[int, int]:
    organization = chunk.edition.organization_id
    rows = audience_sql.providers([row_id(organization, number) for number in numbers])
    return {number: rows.get(row_id(organization, number), 0) for number in numbers}


def _as_result(chunk: Chunk, heard: ledger.JournalRecord, known: dict[int, int]) -> SendResult:
    return SendResult(
        edition=chunk.edition_id,
        chunk=chunk.pk,
        number=heard.number,
        news=heard.news,
        answer=heard.answer,
        code=heard.code,
        route=heard.route or None,
        provider=known[heard.number],
        retry=chunk.retry,
        wait=0 if heard.news == JournalNews.UNSURE else heard.wait * 60,
        held=heard.news == JournalNews.UNSURE and heard.wait == ledger.FOR_PERSON,
    )


def _free(chunk: Chunk, folded: ledger.ReplayedJournal, exact: bool, worker: Worker, now: datetime) -> None:
    left = sql.unanswered(chunk.edition_id, chunk.pk, chunk.retry, ledger.unpack_numbers(bytes(chunk.numbers)))
    if not exact and chunk.unsliced:
        # The end of the chunk was in no slice: that is in the database, whatever became of the journal.
        untouched = {number for number in left[-chunk.unsliced :] if (chunk.pk, number) not in folded.open}
        left = [number for number in left if number not in untouched]
    verdict = ledger.recover(folded, {chunk.pk: left}, exact)
    unsure = verdict.unsure[chunk.pk]
    known = _providers(chunk, unsure)
    results = [
        SendResult(
            chunk.edition_id,
            chunk.pk,
            number,
            JournalNews.UNSURE,
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
        sql.close_chunks([chunk.pk], worker.pk)
        if unsure:
            record(
                "campaign.unsure" if exact else "campaign.unsure_held",
                chunk.edition.organization,
                now=now,
                about=chunk.edition.campaign_id,
                detail={"count": len(unsure)},
            )
