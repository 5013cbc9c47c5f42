"""What came in: as sums, and the complaint of a subscriber."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from django.db.models import Count, Max, Q

from samizdat.accounts.models import Organization
from samizdat.core.bounce.report import KINDS
from samizdat.delivery.models import Delivery
from samizdat.incoming import report_details
from samizdat.incoming.models import IncomingMail, MailReport

SHOWN = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class HeardMail:
    """`by_kind`: reports of the last 30 days by a word of KINDS; `unmatched`: those that no token of ours proves."""

    waiting: int
    unreadable: int
    last_received: date | None
    by_kind: Mapping[str, int]
    unmatched: int


def last_received(organization: Organization) -> date | None:
    """When a message last came in, of those that are still kept."""
    last: date | None = IncomingMail.objects.filter(organization=organization).aggregate(last=Max("received"))["last"]
    return last


def came_back(campaign: int) -> Mapping[str, int]:
    """Subscribers of a campaign by what came back from them or their servers, a word of KINDS."""
    rows = MailReport.objects.filter(edition__campaign=campaign).values_list("kind")
    return {KINDS[kind]: people for kind, people in rows.annotate(n=Count("number", distinct=True))}


@dataclass(frozen=True, slots=True)
class ReportedComplaint:
    """Of a subscriber: the day it came in on, the campaign they marked as spam, and the name of the route it was sent
    by, "" where that isn't known any more. `is_proven`: a mailbox provider or sending provider surely wrote it."""

    day: date
    campaign: int
    route: str
    is_proven: bool


def complaint_of(organization: Organization, number: int) -> ReportedComplaint | None:
    """The newest report; None for complaints that a file brought, or the team."""
    details_of = report_details.details_reader(organization)
    rows = MailReport.objects.filter(organization=organization, number=number, kind=KINDS.index("complaint"))
    columns = ("pk", "edition_id", "edition__campaign_id", "details_sealed")
    for id, edition, campaign, blob in rows.order_by("-pk").values_list(*columns):
        details = details_of(id, edition, number, bytes(blob))
        if details is not None and details.kind == "complaint" and campaign is not None:
            sent = Delivery.objects.filter(edition=edition, number=number).values_list("route__name", flat=True)
            return ReportedComplaint(details.day, campaign, sent.first() or "", details.is_proven)
    return None


def heard(organization: Organization, now: datetime) -> HeardMail:
    since = now.astimezone(UTC).date() - SHOWN
    mails = IncomingMail.objects.filter(organization=organization, received__gte=since).aggregate(
        waiting=Count("pk", filter=Q(state=IncomingMail.WAITING)),
        unreadable=Count("pk", filter=Q(state=IncomingMail.UNREADABLE)),
        last=Max("received"),
    )
    reports = MailReport.objects.filter(organization=organization, day__gte=since)
    by_kind = dict(reports.values_list("kind").annotate(n=Count("pk")).order_by("-n"))
    return HeardMail(
        mails["waiting"],
        mails["unreadable"],
        mails["last"],
        {KINDS[kind]: count for kind, count in by_kind.items() if kind < len(KINDS)},
        reports.filter(edition=None).count(),
    )
