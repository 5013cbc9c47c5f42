"""Opens what came in, has it read by a process without keys, and does what follows. A message once, whatever happens:
its reports and what follows are written in the transaction that takes it up."""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec
from django.db import transaction

from samizdat import limited_process
from samizdat.accounts.models import Organization
from samizdat.audience.errors import AudienceError, RowsAltered
from samizdat.core.bounce import reading
from samizdat.core.bounce.report import Report
from samizdat.core.crypto.seal import SealError
from samizdat.incoming import follow_up, identity, intake
from samizdat.incoming.models import IncomingMail, MailReport
from samizdat.logs import where_it_broke

log = logging.getLogger("samizdat.worker")

# Messages that are opened and read together, and the bytes of them.
BATCH, BATCH_BYTES = 100, 16 << 20
# How long a message is kept, read or not.
KEPT = timedelta(days=30)
# Rows that go in one transaction.
SLICE = 500

type Opened = tuple[IncomingMail, intake.Envelope]


def waiting() -> list[Organization]:
    """Organizations with messages that nobody has read."""
    numbers = IncomingMail.objects.filter(state=IncomingMail.WAITING).values("organization").distinct()
    return [*Organization.objects.filter(pk__in=numbers).order_by("pk")]


def process(organization: Organization, now: datetime) -> int:
    """Takes up the oldest messages that wait; how many."""
    rows = IncomingMail.objects.select_related("organization").filter(
        organization=organization, state=IncomingMail.WAITING
    )
    opened = [both for row in rows.order_by("pk")[:BATCH].iterator(chunk_size=10) if (both := _opened(row))]
    for some in _portions(opened):
        reports = _read(organization, [envelope for _row, envelope in some])
        for (row, envelope), report in zip(some, reports, strict=True):
            try:
                _take_up(row, envelope.to, report, now)
            except (AudienceError, RowsAltered, SealError) as error:
                # Erased meanwhile, or altered in the database: the messages behind it don't wait for that.
                log.error("An incoming message could not be followed up and was set aside: %s", where_it_broke(error))
                _set_state(row, IncomingMail.UNREADABLE)
    return len(opened)


def _opened(row: IncomingMail) -> Opened | None:
    """None for one that does not open: whoever writes the database put it there, or its key is gone."""
    try:
        return row, intake.opened(row)
    except (KeyError, SealError, msgspec.DecodeError):
        log.warning("An incoming message doesn't open; it was set aside.")
        _set_state(row, IncomingMail.UNREADABLE)
        return None


def _portions(opened: Sequence[Opened]) -> list[list[Opened]]:
    portions: list[list[Opened]] = []
    size = BATCH_BYTES
    for both in opened:
        size += len(both[1].raw)
        if size > BATCH_BYTES:
            portions.append([])
            size = len(both[1].raw)
        portions[-1].append(both)
    return portions


def _read(organization: Organization, envelopes: Sequence[intake.Envelope]) -> list[Report | None]:
    """One report each; None for a message that broke or slowed down whoever read it."""
    try:
        raws, sizes = [envelope.raw for envelope in envelopes], [envelope.size for envelope in envelopes]
        return [*limited_process.work(organization.pk, reading.read_all, raws, sizes)]
    except (limited_process.TooMuch, limited_process.HelperBroke):
        if len(envelopes) == 1:
            return [None]
        return [report for envelope in envelopes for report in _read(organization, [envelope])]


def _take_up(row: IncomingMail, to: Sequence[str], report: Report | None, now: datetime) -> None:
    with transaction.atomic():
        if not _set_state(row, IncomingMail.UNREADABLE if report is None else IncomingMail.READ) or report is None:
            return
        if MailReport.objects.filter(mail=row.pk).exists():
            return  # Whoever writes the database had it wait again.
        message = identity.proven(row.organization, to, report.hints, now)
        for position, event in enumerate(report.events):
            about = message if len(report.events) == 1 or (message and identity.is_of(message, event)) else None
            follow_up.write(row, position, event, report.dialect, about, now)


def _set_state(row: IncomingMail, state: int) -> bool:
    """False where another process did it."""
    return bool(IncomingMail.objects.filter(pk=row.pk, state=IncomingMail.WAITING).update(state=state))


def forget(now: datetime) -> int:
    """Deletes messages that have had their time, and what was read of those that were about nobody known; how many."""
    last = now.astimezone(UTC).date() - KEPT
    old = IncomingMail.objects.filter(received__lt=last).values_list("pk", flat=True)[:SLICE]
    strangers = MailReport.objects.filter(edition=None, day__lt=last).values_list("pk", flat=True)[:SLICE]
    gone, _by_table = IncomingMail.objects.filter(pk__in=[*old]).delete()
    return gone + MailReport.objects.filter(pk__in=[*strangers]).delete()[0]
