"""What receivers report about our sending domains: DMARC and TLS reports, taken in with other mail, kept by source.

Anybody may send a report, so nothing follows from one; an admin looks at them. A report about a domain that the
organization doesn't have here is dropped. Of each source its network is kept, no address (core/mail/domain_reports.py).
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from django.db import transaction
from msgspec import Struct

from samizdat import limited_process
from samizdat.accounts.models import Organization
from samizdat.core.bounce.report import Report
from samizdat.core.crypto.seal import SealError
from samizdat.core.mail import domain_reports
from samizdat.core.mail.address import is_at_or_below
from samizdat.core.mail.domain_reports import DomainReport, ReadResult, ReportTally
from samizdat.delivery import clock_jumps
from samizdat.delivery.models import SendingDomain
from samizdat.incoming.helper_reading import ORDINARY, read_each
from samizdat.incoming.intake import Envelope
from samizdat.incoming.models import ReceiverReport
from samizdat.vault import keyring
from samizdat.vault.errors import RecordBroken

# How long a report is kept, by the day that it is about; older ones aren't taken in.
KEPT = timedelta(days=90)
# Of one organization and one day: large receivers send one for each domain.
MOST_A_DAY = 300
# Of what a page sums up.
SHOWN = timedelta(days=30)
SLICE = 500


class ReceiverReportDetails(Struct, frozen=True):
    """The report, and the day that its row stands for."""

    day: date
    report: DomainReport


def take_in(organization: Organization, mails: Sequence[tuple[Envelope, Report]], now: datetime) -> set[int]:
    """Keeps the reports among these messages, each once; places of those that can't be read. Errors: those of
    read_each."""
    places = [place for place, (_envelope, report) in enumerate(mails) if _is_report(report)]
    if not places:
        return set()
    ours = set(SendingDomain.objects.filter(organization=organization).values_list("name", flat=True))
    places = places if ours else []
    unreadable = set[int]()
    for place, report in zip(places, _read(organization, [mails[place][0] for place in places]), strict=True):
        if report == "unreadable":
            unreadable.add(place)
        elif report is not None and _is_ours(report.domain, ours):
            _keep(organization, report, now)
    return unreadable


def _is_report(report: Report) -> bool:
    return any(event.reason == "report" for event in report.events)


def _read(organization: Organization, envelopes: Sequence[Envelope]) -> list[ReadResult]:
    """By a process without keys, which an archive may break or slow down."""

    def read(some: Sequence[Envelope]) -> Sequence[tuple[ReadResult]]:
        raws, sizes = [envelope.raw for envelope in some], [envelope.size for envelope in some]
        return [(result,) for result in limited_process.work(organization.pk, domain_reports.read_all, raws, sizes)]

    answers = read_each(envelopes, read, ORDINARY) if envelopes else []
    return ["unreadable" if answer is None else answer[0] for answer in answers]


def _is_ours(domain: str, ours: Iterable[str]) -> bool:
    return any(is_at_or_below(domain, name) for name in ours)


def _keep(organization: Organization, report: DomainReport, now: datetime) -> bool:
    day, today = datetime.fromtimestamp(report.begin, UTC).date(), now.astimezone(UTC).date()
    # A clock that was just set forward makes no report older.
    if not today - KEPT - clock_jumps.forward(now) < day <= today + timedelta(days=1):
        return False
    with transaction.atomic():
        Organization.objects.select_for_update(no_key=True).get(pk=organization.pk)
        rows = ReceiverReport.objects.select_related("organization").filter(organization=organization, day=day)
        kept = [details.report for details in _opened(rows)]
        if len(kept) >= MOST_A_DAY or _identity(report) in map(_identity, kept):
            return False
        row = ReceiverReport.objects.create(organization=organization, day=day)
        details = ReceiverReportDetails(day, report)
        row.details_sealed = keyring.keys(organization).seal_json(details, "receiver report", "details", row.pk)
        row.save(update_fields=["details_sealed"])
    return True


def _identity(report: DomainReport) -> tuple[str, str, str, str, int]:
    return report.kind, report.reporter, report.number, report.domain, report.begin


def _opened(rows: Iterable[ReceiverReport]) -> Iterator[ReceiverReportDetails]:
    """Without those that were altered in the database."""
    for row in rows:
        try:
            keys = keyring.keys(row.organization)
            details = keys.open_json(row.details_sealed, "receiver report", "details", row.pk, ReceiverReportDetails)
        except (SealError, RecordBroken):
            continue
        if details.day == row.day:
            yield details


def forget(now: datetime) -> int:
    """Deletes reports that have had their time; how many."""
    old = ReceiverReport.objects.filter(day__lt=now.astimezone(UTC).date() - KEPT).values_list("pk", flat=True)[:SLICE]
    return ReceiverReport.objects.filter(pk__in=[*old]).delete()[0]


# --- sums ---


@dataclass(frozen=True, slots=True)
class SourceSum:
    """name: the domain that proved itself by SPF or DKIM, else the network; passed: emails that DMARC let pass."""

    name: str
    passed: int
    failed: int

    @property
    def total(self) -> int:
        return self.passed + self.failed


@dataclass(frozen=True, slots=True)
class DomainSums:
    """Of the last 30 days. tls: connections by result ("success", or a type of RFC 8460)."""

    reports: int
    reporters: tuple[str, ...]
    sources: tuple[SourceSum, ...]
    tls: dict[str, int]

    @property
    def passed(self) -> int:
        return sum(source.passed for source in self.sources)

    @property
    def failed(self) -> int:
        return sum(source.failed for source in self.sources)


def sums(organization: Organization, domain: str, now: datetime) -> DomainSums:
    """What is reported of a domain and those below it; the largest sources first."""
    since = now.astimezone(UTC).date() - SHOWN
    rows = ReceiverReport.objects.select_related("organization").filter(organization=organization, day__gte=since)
    reports = [details.report for details in _opened(rows) if _is_ours(details.report.domain, [domain])]
    passed, failed, tls = Counter[str](), Counter[str](), Counter[str]()
    for report in reports:
        for tally in report.tallies:
            if report.kind == "tls":
                tls[tally.result] += tally.count
            else:
                (failed if tally.result == "fail" else passed)[_name(tally)] += tally.count
    sources = [SourceSum(name, passed[name], failed[name]) for name in passed | failed]
    return DomainSums(
        len(reports),
        tuple(sorted({report.reporter for report in reports})),
        tuple(sorted(sources, key=lambda source: (-source.total, source.name))),
        dict(tls.most_common()),
    )


def _name(tally: ReportTally) -> str:
    return tally.by or tally.source
