"""What follows from a report for the subscriber whose message it is about."""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

from django.db import transaction

from samizdat.accounts.models import Organization
from samizdat.audience import actions as audience
from samizdat.audience.errors import AudienceError, NoSuchSubscriber, RowsAltered
from samizdat.audience.models import List
from samizdat.audience.queries import subscriber_numbered
from samizdat.campaigns.models import Campaign, Edition
from samizdat.core.bounce.report import KINDS, ReportEvent
from samizdat.core.bounce.thresholds import LONGEST, Counted, Suppression, answer, counts, suppression
from samizdat.core.crypto.seal import SealError
from samizdat.core.mail.outcome import scrub
from samizdat.core.mail.suppression_rules import is_plausible
from samizdat.db import next_ids
from samizdat.delivery.actions.bounces import last_anew
from samizdat.delivery.queries import HELD_BOUNCES, RETURNED, SETTLED_BOUNCES, held_bounces
from samizdat.events.actions import record
from samizdat.incoming import complaints, sql
from samizdat.incoming.identity import SentMessage
from samizdat.incoming.models import MailReport
from samizdat.incoming.report_details import ReportDetails, details_reader, sealer

# Characters of the server's words that are kept.
WORDS = 500
# Of one subscriber: what is older, or comes on top, decides nothing.
LOOKED_BACK, MOST = timedelta(days=LONGEST), 100


class ReadReport(NamedTuple):
    """What one message says of one recipient. mail, position: number of the message that came in, and the place of this
    report in it, by which it is kept once. message: which of ours it is about, where that is proven.
    is_proven: a mailbox provider or sending provider surely wrote it. email: ReportDetails.email."""

    mail: int
    position: int
    event: ReportEvent
    dialect: str
    message: SentMessage | None
    is_proven: bool = False
    email: str = ""


def by_halves[Item](
    items: Sequence[Item], work: Callable[[Sequence[Item]], None], give_up: Callable[[Item, Exception], None]
) -> None:
    """work(items) in one transaction. What can't be followed up is tried with each half, until it is known which of
    them it is."""
    if not items:
        return
    try:
        with transaction.atomic():
            work(items)
    except (AudienceError, RowsAltered, SealError) as error:
        if len(items) == 1:
            give_up(items[0], error)
            return
        middle = len(items) // 2
        by_halves(items[:middle], work, give_up)
        by_halves(items[middle:], work, give_up)


def write(organization: Organization, reports: Sequence[ReadReport], now: datetime) -> None:
    """Keeps them, and does what follows, in few statements. In the transaction that takes their messages up. Errors:
    AudienceError, RowsAltered, SealError where it fails for one of them."""
    day = now.astimezone(UTC).date()
    kept_day = sql.report_day(day)
    sealed = sealer(organization)
    numbers = next_ids(MailReport._meta.db_table, len(reports))
    sql.insert_reports(
        sql.ReportRow(
            number,
            organization.pk,
            report.mail,
            report.position,
            report.message.edition.pk if report.message else None,
            report.message.subscriber.number if report.message else None,
            KINDS.index(report.event.kind),
            kept_day,
            sealed(number, _details(report, day)),
        )
        for number, report in zip(numbers, reports, strict=True)
    )
    follow(organization, [(report.event, report.message) for report in reports if report.message], now)


def _details(report: ReadReport, day: date) -> ReportDetails:
    event, message = report.event, report.message
    return ReportDetails(
        event.kind,
        day,
        message.edition.pk if message else 0,
        message.subscriber.number if message else 0,
        event.fault,
        event.reason,
        event.status or "",
        event.reply or 0,
        scrub(event.text, event.recipient or "", WORDS),
        "" if message else event.recipient or "",
        report.dialect,
        report.is_proven,
        report.email,
    )


def follow(organization: Organization, known: Sequence[tuple[ReportEvent, SentMessage]], now: datetime) -> None:
    """Does what follows from reports that are kept, for the subscribers that they are about: for all of them at once.
    In a transaction. Errors: as write()."""
    for event, message in known:
        if event.kind == "unsubscribe":
            _leave(message, now)
    counted = [(event, message) for event, message in known if counts(event.kind, event.fault, event.reason)]
    if not counted:
        return
    history = _history(organization, sorted({message.subscriber.number for _event, message in counted}), now)
    today, dead, by_complaint = now.astimezone(UTC).date(), list[_Dead](), dict[int, SentMessage]()
    for event, message in counted:
        reports = history[message.subscriber.number]
        why = suppression(reports, today)
        if why == "complaint":
            by_complaint[message.subscriber.id] = message
        elif why:
            dead.append(_Dead(message, why, _answer(event, message, reports)))
    if by_complaint:
        audience.suppress_complained(organization, by_complaint, now=now)
    # Also of who was suppressed for a complaint that nothing proved: what a provider says since counts.
    lists = [message.list for event, message in counted if event.kind == "complaint"]
    complaints.look(organization, lists, now)
    in_doubt = _in_doubt(organization, [row.message.edition for row in dead if row.why != "soft"], now)
    believed = {
        row.message.subscriber.id: row.answer
        for row in dead
        if row.why == "soft" or row.message.edition.pk not in in_doubt
    }
    if believed:
        audience.suppress_bounced(organization, believed, now=now)


class _Dead(NamedTuple):
    """Whose address is to be suppressed, and why."""

    message: SentMessage
    why: Suppression
    answer: dict[str, object]


def _in_doubt(organization: Organization, editions: Iterable[Edition], now: datetime) -> set[int]:
    """Editions of which so many addresses are called dead that whoever says so is in doubt: an admin is asked once, and
    nobody more is suppressed until one of them says that it is true."""
    campaigns = {edition.campaign_id: edition.pk for edition in editions}
    rows = Campaign.objects.filter(pk__in=campaigns).only("organization", "accepted")
    return {campaigns[row.pk] for row in rows if _is_in_doubt(organization, row, campaigns[row.pk], now)}


def _is_in_doubt(organization: Organization, campaign: Campaign, edition: int, now: datetime) -> bool:
    count = sql.count_reports(edition, KINDS.index("hard"))
    if not is_plausible(count, campaign.accepted):  # Several about somebody count once.
        rows = MailReport.objects.filter(edition=edition, kind=KINDS.index("hard"))
        count = rows.values("number").distinct().count()
    is_held = any(row.word == RETURNED for row in held_bounces(campaign))
    detail = {"provider": RETURNED, "count": count, "answered": campaign.accepted}
    if is_plausible(count, campaign.accepted):
        if is_held:  # More was accepted since: held_reports follows.
            record(SETTLED_BOUNCES, organization, now=now, about=campaign.pk, detail={**detail, "count": 0})
        return False
    if any(row.word == RETURNED for row in held_bounces(campaign, settled=True)):
        return False
    if not is_held:
        record(HELD_BOUNCES, organization, now=now, about=campaign.pk, detail=detail)
    return True


def _answer(event: ReportEvent, message: SentMessage, reports: Iterable[Counted]) -> dict[str, object]:
    """For whoever asks why (delivery.queries.suppression_cause): in the words of what is refused while we send."""
    return {
        "answer": answer(event.kind, event.reason),
        "code": event.reply or "",
        "status": event.status or "",
        "days": len({report.day for report in reports if report.fault == "recipient"}),
        "campaign": message.edition.campaign_id,
    }


def _leave(message: SentMessage, now: datetime) -> None:
    """As the unsubscribe link of that email. A list that is away leaves them on none of theirs."""
    organization = message.subscriber.organization
    subscriber = subscriber_numbered(organization, message.subscriber.number)
    if subscriber is None:
        raise NoSuchSubscriber("This subscriber is not here any more. Look the address up again.")
    mailing_list = List.objects.filter(organization=organization, pk=message.list).first()
    if mailing_list is None:
        audience.unsubscribe_from_all(subscriber, now=now, way="mail")
        return
    audience.unsubscribe(subscriber, mailing_list, now=now, way="mail", letter=str(message.edition.pk))


def _history(organization: Organization, numbers: Sequence[int], now: datetime) -> dict[int, list[Counted]]:
    """What came in about these subscribers since they last came back, or got another address, with what was just
    written. By number; the newest MOST of each."""
    since = now.astimezone(UTC).date() - LOOKED_BACK
    anew, details_of = last_anew(organization, numbers), details_reader(organization)
    reports: dict[int, list[Counted]] = {number: [] for number in numbers}
    for id, about, edition, blob in sql.newest_reports(organization.pk, numbers, since, MOST):
        details = details_of(id, edition, about, blob)
        if details is not None and details.day > anew.get(details.number, date.min):
            counted = Counted(details.kind, details.fault, details.reason, details.day, details.edition)
            reports[details.number].append(counted)
    return reports
