"""Opens what came in, has it read by a process without keys, and does what follows. A message once, whatever happens:
its reports and what follows are written in the transaction that takes it up, with those of a hundred others.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import batched
from typing import NamedTuple

import msgspec

from samizdat import limited_process
from samizdat.accounts.models import Organization
from samizdat.campaigns.queries import sends_now
from samizdat.core.bounce import reading
from samizdat.core.bounce.report import Report
from samizdat.core.crypto.seal import SealError
from samizdat.core.mail.return_address import token_in
from samizdat.incoming import (
    by_mail,
    complaint_proof,
    domain_reports,
    follow_up,
    identity,
    intake,
    lock_by_mail,
    mail_space,
    sql,
)
from samizdat.incoming.conversations import take_up
from samizdat.incoming.helper_reading import ORDINARY, read_each
from samizdat.incoming.identity import Evidence, SentMessage
from samizdat.incoming.mailboxes import round_trips
from samizdat.incoming.models import IncomingMail, MailReport
from samizdat.incoming.report_details import digest_of
from samizdat.logs import where_it_broke
from samizdat.vault import lock_codes
from samizdat.vault.locks import unlocked

log = logging.getLogger("samizdat.worker")

# Messages that are opened and read together, and the bytes of them.
BATCH, BATCH_BYTES = 300, 16 << 20
# Those of them that are taken up in one transaction while a campaign is being sent: on SQLite its sender can't write
# meanwhile, for some 15 ms.
BESIDE_A_SEND = 100
# How long a message is kept, read or not.
KEPT = timedelta(days=30)
# Rows that go in one transaction.
SLICE = 500


# A message, by the number of its row.
type Opened = tuple[int, intake.Envelope]
# Locks an organization by what may be its code; whether it did.
type Lock = Callable[[Organization, tuple[str, ...], datetime], bool]


class ReadMail(NamedTuple):
    """A message that was opened and read. `row`: its number; `message`: which of ours it is about, where that is
    proven; `is_providers`: a mailbox provider wrote it, which is proven too."""

    row: int
    envelope: intake.Envelope
    report: Report
    message: SentMessage | None = None
    is_providers: bool = False


def waiting() -> list[Organization]:
    """Organizations with messages that nobody has read."""
    numbers = IncomingMail.objects.filter(state=IncomingMail.WAITING).values("organization").distinct()
    return [*Organization.objects.filter(unlocked(), pk__in=numbers).order_by("pk")]


def process(organization: Organization, now: datetime, lock: Lock = lock_by_mail.lock) -> int:
    """Takes up the oldest messages that wait; how many. lock: by a code that came by email. Errors: those of
    read_each."""
    opened = _without_codes(organization, _opened(organization, _oldest(organization)), now, lock)
    if opened:
        reports = _read(organization, [envelope for _row, envelope in opened])
        both = [*zip(opened, reports, strict=True)]
        _set_state([row for (row, _envelope), report in both if report is None], IncomingMail.UNREADABLE)
        read = [ReadMail(row, envelope, report) for (row, envelope), report in both if report is not None]
        read = _without_broken_reports(organization, read, now)
        others = _with_proof(organization, _without_commands(organization, read, now), now)
        _take_up_or_set_aside(organization, others, now)
    return len(opened)


def _oldest(organization: Organization) -> Iterator[tuple[int, bytes]]:
    """(number, box) of those that wait, as many as may be in memory together: anybody may send large ones."""
    numbers, left = list[int](), BATCH_BYTES
    for number, size in sql.oldest_mail(organization.pk, IncomingMail.WAITING, BATCH):
        left -= size
        if numbers and left < 0:
            break
        numbers.append(number)
    return sql.boxes_of(numbers, IncomingMail.WAITING)


def _opened(organization: Organization, rows: Iterable[tuple[int, bytes]]) -> list[Opened]:
    """Without those that do not open: whoever writes the database put them there, or their key is gone."""
    opener, opened, broken = intake.opener(organization), list[Opened](), list[int]()
    for row, box in rows:
        try:
            opened.append((row, opener.open(box)))
        except (KeyError, SealError, msgspec.DecodeError):
            broken.append(row)
    if broken:
        log.warning("%d incoming messages don't open; they were set aside.", len(broken))
        _set_state(broken, IncomingMail.UNREADABLE)
    return opened


def _without_codes(organization: Organization, opened: list[Opened], now: datetime, lock: Lock) -> list[Opened]:
    """Without what is written to lock the organization, which is deleted unread. Where a code locks it, nothing else is
    taken up: nobody has its keys any more."""
    if not opened or lock_codes.state(organization) is None:
        return opened
    match = lock_by_mail.with_code(organization, [envelope for _row, envelope in opened])
    if match is not None and lock(organization, match[1], now):
        IncomingMail.objects.filter(pk=opened[match[0]][0]).delete()
        return []
    ours = [row for row, envelope in opened if lock_by_mail.is_to_lock(organization, envelope)]
    if ours:
        IncomingMail.objects.filter(pk__in=ours).delete()
    return [(row, envelope) for row, envelope in opened if row not in ours]


def _read(organization: Organization, envelopes: Sequence[intake.Envelope]) -> list[Report | None]:
    """One report each; None for a message that nobody can read. Errors: those of read_each."""

    def read(some: Sequence[intake.Envelope]) -> Sequence[Report]:
        raws, sizes = [envelope.raw for envelope in some], [envelope.size for envelope in some]
        return limited_process.work(organization.pk, reading.read_all, raws, sizes)

    return [None if report == reading.UNREADABLE else report for report in read_each(envelopes, read, ORDINARY)]


def _without_broken_reports(organization: Organization, read: Sequence[ReadMail], now: datetime) -> list[ReadMail]:
    """Keeps what receivers report about our domains. A report that can't be read is one that nobody else reads."""
    broken = domain_reports.take_in(organization, [(mail.envelope, mail.report) for mail in read], now)
    _set_state([read[place].row for place in broken], IncomingMail.UNREADABLE)
    return [mail for place, mail in enumerate(read) if place not in broken]


def _without_commands(organization: Organization, read: Sequence[ReadMail], now: datetime) -> list[ReadMail]:
    """What asks for something by a command is handed on, and is no report."""
    commands = by_mail.hand_on(organization, [(mail.envelope, mail.report) for mail in read], now)
    both = [*zip(read, commands, strict=True)]
    _set_state([mail.row for mail, is_command in both if is_command], IncomingMail.READ)
    return [mail for mail, is_command in both if not is_command]


def _with_proof(organization: Organization, mails: Sequence[ReadMail], now: datetime) -> list[ReadMail]:
    """Before the transaction, since name servers are asked."""
    complaints = [mail for mail in mails if mail.report.kind == "complaint"]
    answers = complaint_proof.proven(organization, [mail.envelope for mail in complaints], now)
    proven = {mail.row for mail, is_proven in zip(complaints, answers, strict=True) if is_proven}
    return [mail._replace(is_providers=True) if mail.row in proven else mail for mail in mails]


def _take_up_or_set_aside(organization: Organization, portion: Sequence[ReadMail], now: datetime) -> None:
    """A message that keeps the others of its portion from being followed up is set aside: its subscriber was erased
    meanwhile, or altered in the database."""

    def set_aside(mail: ReadMail, error: Exception) -> None:
        log.error("An incoming message could not be followed up and was set aside: %s", where_it_broke(error))
        _set_state([mail.row], IncomingMail.UNREADABLE)

    for some in batched(portion, BESIDE_A_SEND if sends_now() else BATCH):
        follow_up.by_halves(some, lambda some: _take_up(organization, some, now), set_aside)


def _take_up(organization: Organization, portion: Sequence[ReadMail], now: datetime) -> None:
    token_of = round_trips.reader(organization)
    others = [
        mail
        for mail in _claimed(portion)
        if not round_trips.take(organization, mail.envelope.to, mail.report, now, token_of)
    ]
    taken_up = _matched(organization, others, now)
    reports = [report for mail in taken_up for report in _reports(organization, mail)]
    follow_up.write(organization, reports, now)
    with_files = [mail for mail in taken_up if take_up.take_up(organization, mail.row, mail.report, mail.message, now)]
    _sort(organization, taken_up, {mail.row for mail in with_files})


def _sort(organization: Organization, mails: Sequence[ReadMail], with_files: set[int]) -> None:
    """By which of them go first where room is short."""
    kept = set[int]()
    for is_subscriber in (True, False):
        some = [mail for mail in mails if mail.row in with_files and (mail.message is not None) == is_subscriber]
        if some:
            answers = mail_space.keeps_files(organization, [len(mail.envelope.raw) for mail in some], is_subscriber)
            kept |= {mail.row for mail, keeps in zip(some, answers, strict=True) if keeps}
    unproven = [mail.row for mail in mails if mail.message is None and mail.row not in kept]
    for rows, state in ((sorted(kept), IncomingMail.WITH_FILES), (unproven, IncomingMail.UNPROVEN)):
        if rows:
            IncomingMail.objects.filter(pk__among=rows, state=IncomingMail.READ).update(state=state)


def _claimed(portion: Sequence[ReadMail]) -> list[ReadMail]:
    """Those that nobody else took up: on PostgreSQL another process may be at the same ones."""
    still = set(sql.claim_mail([mail.row for mail in portion], IncomingMail.WAITING, IncomingMail.READ))
    # Whoever writes the database had these wait again.
    still.difference_update(sql.reported_mail([*still]))
    return [mail for mail in portion if mail.row in still]


def _matched(organization: Organization, read: Sequence[ReadMail], now: datetime) -> list[ReadMail]:
    """With the messages of ours that they are about."""
    evidence = [Evidence(mail.envelope.to, mail.report.hints) for mail in read]
    messages = identity.proven(organization, evidence, now)
    return [mail._replace(message=message) for mail, message in zip(read, messages, strict=True)]


def _reports(organization: Organization, mail: ReadMail) -> Iterator[follow_up.ReadReport]:
    events, message = mail.report.events, mail.message
    for position, event in enumerate(events):
        about = message if len(events) == 1 or (message and identity.is_of(message, event)) else None
        # A bounce of what was sent to an address of ours, as of another bounce, says nothing about a subscriber.
        if about and token_in(event.recipient or "") and identity.is_to_us(organization, [event.recipient or ""]):
            about = None
        email = digest_of(mail.envelope.raw) if event.kind == "auto-reply" else ""
        yield follow_up.ReadReport(mail.row, position, event, mail.report.dialect, about, mail.is_providers, email)


def _set_state(rows: Sequence[int], state: int) -> None:
    if rows:
        IncomingMail.objects.filter(pk__in=rows, state=IncomingMail.WAITING).update(state=state)


def forget(now: datetime) -> int:
    """Deletes messages that have had their time, and what was read of those that were about nobody known; how many."""
    last = now.astimezone(UTC).date() - KEPT
    old = IncomingMail.objects.filter(received__lt=last).values_list("pk", flat=True)[:SLICE]
    strangers = MailReport.objects.filter(edition=None, day__lt=last).values_list("pk", flat=True)[:SLICE]
    gone, _by_table = IncomingMail.objects.filter(pk__in=[*old]).delete()
    return gone + MailReport.objects.filter(pk__in=[*strangers]).delete()[0]
