"""Counts complaints that a token of ours proves, by list and mailbox provider (core/mail/complaint_rules).

All of them count for the alarm to admins, and those that a provider surely wrote (core/mail/feedback_senders, webhooks)
for the stop: whoever was forwarded an email has its token, and five of them would stop a list of 1,600.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime

from django.db.models import QuerySet, Sum

from samizdat.accounts.models import Organization
from samizdat.audience.queries import subscribers_numbered
from samizdat.campaigns.models import Edition
from samizdat.core.bounce.report import KINDS
from samizdat.core.mail import complaint_rules
from samizdat.core.mail.address import PROVIDERS
from samizdat.core.mail.ledger import State
from samizdat.delivery.actions import complaints
from samizdat.delivery.complaint_stop import STOPPED, stopped
from samizdat.delivery.models import ProviderTotal
from samizdat.events import queries as events
from samizdat.events.actions import detail_of, record
from samizdat.events.kinds import EventKind
from samizdat.incoming.models import MailReport
from samizdat.incoming.report_details import DetailsReader, details_reader

ALARM: EventKind = "list.complaints_alarm"
# Subscribers that are looked up at once.
SLICE = 500


def look(organization: Organization, lists: Iterable[int], now: datetime) -> None:
    """Tells admins, or stops the list, where a line is reached. In the transaction that keeps the complaints."""
    for list_id in sorted(set(lists)):
        if stopped(organization, list_id) is None:
            _look_at(organization, list_id, now)


def _look_at(organization: Organization, list_id: int, now: datetime) -> None:
    since = now - complaint_rules.WINDOW
    rows = Edition.objects.filter(organization=organization, campaign__list=list_id, campaign__released__gt=since)
    editions = [*rows.values_list("pk", flat=True)]
    reports = MailReport.objects.filter(edition__in=editions, kind=KINDS.index("complaint"))
    # What an admin has seen, and resumed the list after, stops it no second time.
    before = events.last_about(organization, (STOPPED,), list_id)
    known = reports.filter(pk__gt=detail_of(before).get("last", 0) if before else 0)
    people, proven = _people(known, details_reader(organization))
    counts, sure = _by_provider(organization, people), _by_provider(organization, proven)
    delivered = _delivered(editions)
    for provider, count in counts.most_common():
        detail = {"provider": PROVIDERS[provider], "delivered": delivered[provider]}
        if complaint_rules.reached(sure[provider], delivered[provider]) == "stop":
            last = reports.order_by("-pk").values_list("pk", flat=True).first()
            complaints.stop(organization, list_id, {**detail, "complaints": sure[provider], "last": last}, now=now)
            return
        is_alarm = complaint_rules.reached(count, delivered[provider]) != ""
        if is_alarm and not events.was_said(organization, ALARM, since, about=list_id):
            record(ALARM, organization, now=now, about=list_id, detail={**detail, "complaints": count})


def _people(reports: QuerySet[MailReport], details_of: DetailsReader) -> tuple[set[int | None], set[int | None]]:
    """Numbers of subscribers who complained, and of those of whom a provider surely said it."""
    people, proven = set[int | None](), set[int | None]()
    for id, edition, number, blob in reports.values_list("pk", "edition", "number", "details_sealed").iterator():
        details = details_of(id, edition, number, bytes(blob))
        if details is not None and details.kind == "complaint":
            people.add(number)
            if details.is_proven:
                proven.add(number)
    return people, proven


def _by_provider(organization: Organization, numbers: Iterable[int | None]) -> Counter[int]:
    people = sorted(number for number in numbers if number is not None)
    counts = Counter[int]()
    for first in range(0, len(people), SLICE):
        subscribers = subscribers_numbered(organization, people[first : first + SLICE])
        counts.update(row.provider for row in subscribers.values())
    return counts


def _delivered(editions: Iterable[int]) -> Counter[int]:
    """Provider -> emails that it accepted."""
    rows = ProviderTotal.objects.filter(edition__in=[*editions], state=State.ACCEPTED).values("provider")
    return Counter({row["provider"]: row["sum"] for row in rows.annotate(sum=Sum("count"))})
