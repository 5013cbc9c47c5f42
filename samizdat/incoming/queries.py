"""What came in, as sums."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from django.db.models import Count, Max, Q

from samizdat.accounts.models import Organization
from samizdat.core.bounce.report import KINDS
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
