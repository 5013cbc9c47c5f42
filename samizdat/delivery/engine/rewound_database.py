"""A database that has gone back in time: restored from a copy, or another server has taken over with less.

Journals are kept for a week, and each counts the groups of results that the database had taken (`W`). A database that
counts less, or has never heard of a journal, has forgotten something: what its journal knows is booked once more, and
what it does not know is in doubt and held. A journal on another machine can only be read there.
"""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.models.functions import Now

from samizdat.accounts.models import Organization
from samizdat.audience import sql as audience_sql
from samizdat.audience.models import row_id
from samizdat.campaigns.models import Edition
from samizdat.core.mail import ledger, outcome
from samizdat.core.mail.ledger import JournalNews
from samizdat.delivery import clock_jumps
from samizdat.delivery.engine import journal, locks
from samizdat.delivery.engine.recovery import LOST
from samizdat.delivery.engine.results import SendResult, write
from samizdat.delivery.models import Chunk, Route, Worker
from samizdat.events.actions import record
from samizdat.events.models import Event
from samizdat.vault.errors import KeyRefused

log = logging.getLogger("samizdat.sender")

# Seconds that a sender which begins gives other machines, whose senders are gone with their sessions, to read their own
# journals. After a fail-over all have lost theirs at once, and nobody knows yet what the new server has forgotten.
OTHERS = 20.0
# Seconds that a sender which has lost its session needs to let go of its journal (sender.PATIENCE, and its results).
LETS_GO = 30.0


class RewoundJournal:
    """What journals knew and the database did not."""

    def __init__(self) -> None:
        self.booked: dict[int, int] = {}  # By organization: answers booked once more.
        self.unsure: dict[int, int] = {}  # And held.
        self.lost = 0  # Messages of campaigns that the database does not know.


def catch_up(now: datetime, pause: Callable[[float], None] = time.sleep) -> bool:
    """Books what journals here know and the database has forgotten. True: it had gone back in time."""
    journal.prune(by_age=not clock_jumps.patient(now))
    totals, behind = RewoundJournal(), False
    for name in journal.names():
        if not _forgotten(name):
            _tidy(name)
            continue
        _wait_for(name, pause)
        behind = True
        kept = ledger.fold_by_edition(journal.read_whole(name))
        for edition in {*kept.heard, *kept.open}:
            _book(edition, kept, totals, now)
        totals.lost += kept.unnamed
        _acknowledge(name, kept.written, now)
    if behind:
        _say(totals, now)
    return behind


def wait_for_others(stopped: Callable[[], bool], pause: Callable[[float], None] = time.sleep) -> float:
    """PostgreSQL: gives other machines a moment to come back and catch up, before we take what they may have sent.
    Seconds waited."""
    began = time.monotonic()
    if connection.vendor == "postgresql":
        while _others_gone() and not stopped() and time.monotonic() - began < OTHERS:
            pause(0.2)
    return time.monotonic() - began


def _others_gone() -> bool:
    """Senders of other machines that have not been recovered there, and are not lost either."""
    since = Now() - timedelta(seconds=LOST)
    rows = Worker.objects.filter(role="sender", ended=None, forgotten=False, beat__gt=since)
    return any(not locks.is_held(row.pk) for row in rows.exclude(folder=journal.folder_id()))


def forgotten() -> list[str]:
    """Journals here of which the database knows less than they do, or nothing."""
    return [name for name in journal.names() if _forgotten(name) and not journal.in_use(name)]


def lately(organization: Organization, now: datetime) -> Event | None:
    """The last time that the database had gone back, within the time that journals are kept."""
    since = now - timedelta(seconds=journal.KEEP_SECONDS)
    rows = Event.objects.filter(organization=organization, kind="installation.rewound", at__gt=since)
    return rows.order_by("-at").first()


def _forgotten(name: str) -> bool:
    """Does the database know less of this journal than the journal does?"""
    written = Worker.objects.filter(journal=name).values_list("written", flat=True).first()
    return written is None or written < journal.last_mark(name)


def _tidy(name: str) -> None:
    """Its worker was recovered, and whoever did it was killed before the journal was put aside."""
    ended = journal.files(name) and Worker.objects.filter(journal=name, ended__isnull=False).exists()
    if ended and not journal.in_use(name):
        journal.put_aside(name)


def _wait_for(name: str, pause: Callable[[float], None]) -> None:
    """Its sender has lost its session, or will find out with its next statement, and finishes what is in flight."""
    until = time.monotonic() + LETS_GO
    while journal.in_use(name) and time.monotonic() < until:
        pause(0.1)


def _book(edition: int, kept: ledger.JournalTail, totals: RewoundJournal, now: datetime) -> None:
    heard, waiting = kept.heard.get(edition, {}), kept.open.get(edition, frozenset())
    row = Edition.objects.filter(pk=edition).first()
    if row is None:
        totals.lost += len({*heard, *waiting})
        return
    routes = set(Route.objects.filter(organization=row.organization_id).values_list("pk", flat=True))
    for chunk, numbers in _chunks(edition, {*heard, *waiting}):
        known = audience_sql.providers([row_id(row.organization_id, number) for number in numbers])
        group = []
        for number in numbers:
            provider = known.get(row_id(row.organization_id, number), 0)
            group.append(_result(edition, chunk, number, heard.get(number), number in waiting, provider, routes))
        write(group, now)
        doubtful = sum(result.held for result in group)
        totals.unsure[row.organization_id] = totals.unsure.get(row.organization_id, 0) + doubtful
        totals.booked[row.organization_id] = totals.booked.get(row.organization_id, 0) + len(group) - doubtful


def _chunks(edition: int, wanted: set[int]) -> Iterator[tuple[int, list[int]]]:
    """The chunks that people were frozen in, with those of them who are wanted. Retries are in chunks of their own,
    which the database may not know or may have given to others since."""
    rows = Chunk.objects.filter(edition=edition, retry=False).order_by("pk").values_list("pk", "numbers")
    for chunk, numbers in list(rows):
        here = [number for number in ledger.unpack_numbers(bytes(numbers)) if number in wanted]
        if here:
            yield chunk, here


def _result(
    edition: int,
    chunk: int,
    number: int,
    heard: ledger.JournalRecord | None,
    waiting: bool,
    provider: int,
    routes: set[int],
) -> SendResult:
    """A yes or a no is so. A dot without an answer is in doubt, and held: the answer may have been booked and lost."""
    settled = heard is not None and heard.news in (JournalNews.ACCEPTED, JournalNews.REFUSED)
    if heard is None or heard.news == JournalNews.UNSURE or (waiting and not settled):
        unsure = outcome.NUMBERS["unsure"]
        return SendResult(edition, chunk, number, JournalNews.UNSURE, unsure, provider=provider, held=True)
    return SendResult(
        edition,
        chunk,
        number,
        heard.news,
        heard.answer,
        heard.code,
        heard.route if heard.route in routes else None,
        provider,
        wait=heard.wait * 60,
    )


def _acknowledge(name: str, written: int, now: datetime) -> None:
    """The database knows of this journal from now on; one that its sender has left is put aside."""
    changed = Worker.objects.filter(journal=name).update(written=written)
    if not changed:
        here, boot = journal.folder_id(), journal.boot_id()
        Worker.objects.create(journal=name, folder=here, boot=boot, started=now, ended=now, written=written)
        journal.put_aside(name)


def _say(totals: RewoundJournal, now: datetime) -> None:
    booked, unsure = sum(totals.booked.values()), sum(totals.unsure.values())
    if not (booked or unsure or totals.lost):
        return
    log.warning(
        "The database has gone back in time. From the journals %s answers were booked once more, %s messages are "
        "unsure and held, and %s are of campaigns that the database does not know.",
        booked,
        unsure,
        totals.lost,
    )
    for organization in Organization.objects.all():
        detail = {
            "booked": totals.booked.get(organization.pk, 0),
            "unsure": totals.unsure.get(organization.pk, 0),
            "lost": totals.lost,
        }
        # A sender is told no keys of one that has nothing to send, and that has lost nothing either.
        with suppress(KeyRefused), transaction.atomic():
            record("installation.rewound", organization, now=now, detail=detail)
