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
