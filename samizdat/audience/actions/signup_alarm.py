"""More mails in an hour that ask for a confirmation, or are about somebody's data, than an organization ever has:
somebody may be typing other people's addresses into its forms, or asking for their data. Its admins are told once a
day."""

from datetime import datetime, timedelta

from samizdat.accounts.models import Organization
from samizdat.events.actions import detail_of, record
from samizdat.events.kinds import EventKind
from samizdat.events.models import Event
from samizdat.events.queries import was_said

ALARM: EventKind = "subscribers.signup_alarm"
ASKED: EventKind = "subscriber.confirmation_requested"
DAY = timedelta(days=1)
# So many mails in an hour are nothing yet, whatever is usual; so many times the usual hour of these days are told.
FEW, TIMES, DAYS = 50, 5, 14
# Not looked at for each mail.
EVERY = 10


def look(organization: Organization, mailed: int, about_data: int, now: datetime) -> None:
    """mailed: mails of the last hour; about_data: those of them that are about somebody's data."""
    if mailed < FEW or mailed % EVERY or was_said(organization, ALARM, now - DAY):
        return
    before = {"at__lt": now - DAY, "at__gte": now - (DAYS + 1) * DAY}  # Of a day that is over.
    asked = Event.objects.filter(organization=organization, kind=ASKED, **before).count()
    if mailed > TIMES * asked / (DAYS * 24):
        record(ALARM, organization, now=now, detail={"mails": mailed, "data": about_data})


def is_about_data(alarm: Event) -> bool:
    """Whether most of the mails were."""
    detail = detail_of(alarm)
    return bool(2 * detail.get("data", 0) > detail.get("mails", 0))


def alarms(organization: Organization, now: datetime) -> list[Event]:
    """Of the last day, the newest first."""
    return list(
        Event.objects.filter(organization=organization, kind=ALARM, at__gt=now - DAY)
        .select_related("organization")
        .order_by("-id")[:1]
    )
