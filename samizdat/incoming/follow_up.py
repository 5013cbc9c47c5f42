"""What follows from a report for the subscriber whose message it is about."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta

from msgspec import Struct

from samizdat.audience import actions as audience
from samizdat.audience.models import List, Subscriber
from samizdat.campaigns.models import Campaign
from samizdat.core.bounce.report import KINDS, Fault, Kind, ReportEvent
from samizdat.core.bounce.thresholds import SOFT, Counted, suppression
from samizdat.core.crypto.seal import SealError
from samizdat.core.mail.outcome import SURE_ANSWER, scrub
from samizdat.core.mail.suppression_rules import is_plausible
from samizdat.delivery.actions.bounces import ANEW
from samizdat.delivery.queries import HELD_BOUNCES, RETURNED, held_bounces
from samizdat.events.actions import is_genuine, record
from samizdat.events.models import Event
from samizdat.incoming.identity import SentMessage
from samizdat.incoming.models import IncomingMail, MailReport
from samizdat.vault import keyring
from samizdat.vault.errors import RecordBroken

# A word of core/bounce/reasons -> one of core/mail/outcome.ANSWERS.
SOFTER = {"mailbox_full": "full", "disabled": "inactive"}
# Characters of the server's words that are kept.
WORDS = 500
# Of one subscriber: what is older, or comes on top, decides nothing.
LOOKED_BACK, MOST = timedelta(days=SOFT.days), 100


class ReportDetails(Struct, frozen=True, omit_defaults=True):
    """What a report says, and of whom: counted by this, not by the columns beside it."""

    kind: Kind
    day: date
    edition: int = 0  # 0: nobody knows which message it is about.
    number: int = 0
    fault: Fault | None = None
    reason: str = ""
    status: str = ""
    reply: int = 0
    words: str = ""  # Without addresses.
    recipient: str = ""  # Where nobody knows which message it is about.
    dialect: str = ""


def write(
    mail: IncomingMail, position: int, event: ReportEvent, dialect: str, message: SentMessage | None, now: datetime
) -> None:
    """Keeps the report, and does what follows. In the transaction that takes the message up."""
    keys, day = keyring.keys(mail.organization), now.astimezone(UTC).date()
    row = MailReport.objects.create(
        organization=mail.organization,
        mail=mail.pk,
        position=position,
        edition=message.edition if message else None,
        number=message.subscriber.number if message else None,
        kind=KINDS.index(event.kind),
        day=day,
    )
    row.details_sealed = keys.seal_json(_details(event, dialect, message, day), "mail report", "details", row.pk)
    row.save(update_fields=["details_sealed"])
    if message is not None:
        _follow(event, message, now)


def _details(event: ReportEvent, dialect: str, message: SentMessage | None, day: date) -> ReportDetails:
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
        dialect,
    )


def details_of(row: MailReport) -> ReportDetails | None:
    """None for one whose seal does not hold, or speaks of somebody else."""
    try:
        keys = keyring.keys(row.organization)
        details = keys.open_json(row.details_sealed, "mail report", "details", row.pk, ReportDetails)
    except (SealError, RecordBroken):
        return None
    return details if (details.edition, details.number) == (row.edition_id or 0, row.number or 0) else None


def _follow(event: ReportEvent, message: SentMessage, now: datetime) -> None:
    subscriber = message.subscriber
    if event.kind == "unsubscribe":
        _leave(message, now)
        return
    reports = _reports(message, now)
    match suppression(reports, now.astimezone(UTC).date()):
        case None:
            pass
        case "complaint":
            audience.unsubscribe_from_all(subscriber, now=now, way="mail")
            audience.suppress(subscriber.organization, "complaint", subscriber=subscriber, now=now)
        case "hard" if _is_implausible(message, now):
            pass
        case _:
            answer = _answer(event, message, reports)
            audience.suppress_bounced(subscriber.organization, {subscriber.id: answer}, now=now)


def _is_implausible(message: SentMessage, now: datetime) -> bool:
    """Whether so many addresses of a campaign are called dead that whoever says so is in doubt: an admin is asked once,
    and nobody more is suppressed until one of them says that it is true."""
    campaign = Campaign.objects.select_related("organization").get(pk=message.edition.campaign_id)
    rows = MailReport.objects.filter(edition=message.edition, kind=KINDS.index("hard"))
    count = rows.values("number").distinct().count()
    if is_plausible(count, campaign.accepted) or any(
        row.word == RETURNED for row in held_bounces(campaign, settled=True)
    ):
        return False
    if all(row.word != RETURNED for row in held_bounces(campaign)):
        detail = {"provider": RETURNED, "count": count, "answered": campaign.accepted}
        record(HELD_BOUNCES, campaign.organization, now=now, about=campaign.pk, detail=detail)
    return True


def _answer(event: ReportEvent, message: SentMessage, reports: Iterable[Counted]) -> dict[str, object]:
    """For whoever asks why (delivery.queries.suppression_cause): in the words of what is refused while we send."""
    return {
        "answer": SURE_ANSWER if event.kind == "hard" else SOFTER.get(event.reason, "unavailable"),
        "code": event.reply or "",
        "status": event.status or "",
        "days": len({report.day for report in reports if report.fault == "recipient"}),
        "campaign": message.edition.campaign_id,
    }


def _leave(message: SentMessage, now: datetime) -> None:
    """As the unsubscribe link of that email. A list that is away leaves them on none of theirs."""
    mailing_list = List.objects.filter(organization=message.subscriber.organization, pk=message.details.list).first()
    if mailing_list is None:
        audience.unsubscribe_from_all(message.subscriber, now=now, way="mail")
        return
    audience.unsubscribe(message.subscriber, mailing_list, now=now, way="mail", letter=str(message.edition.pk))


def _reports(message: SentMessage, now: datetime) -> list[Counted]:
    """What came in about this subscriber, with what was just written."""
    subscriber = message.subscriber
    rows = MailReport.objects.select_related("organization").filter(
        organization=subscriber.organization, number=subscriber.number, day__gt=now.astimezone(UTC).date() - LOOKED_BACK
    )
    since = _last_anew(subscriber)
    return [
        Counted(details.kind, details.fault, details.reason, details.day, details.edition)
        for row in rows.order_by("-pk")[:MOST]
        if (details := details_of(row)) is not None and details.day > since
    ]


def _last_anew(subscriber: Subscriber) -> date:
    """On this day and before it nothing counts: they were suppressed then, came back, or have another address since."""
    events = Event.objects.select_related("organization").filter(
        organization=subscriber.organization, about=subscriber.id, kind__in=ANEW
    )
    return next((event.at.astimezone(UTC).date() for event in events.order_by("-id") if is_genuine(event)), date.min)
