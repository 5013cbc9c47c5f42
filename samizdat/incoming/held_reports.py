"""What was said of too many to be believed, once an admin says that it is true, or once so many were accepted that it
may be: the subscribers are suppressed then.

Nothing is noted of whom it was held. All reports of the campaign are weighed again: of those who were suppressed, or
came back, nothing counts that was said before. So a kill anywhere loses nobody, and nobody is taken twice.
"""

import logging
from collections.abc import Iterator
from datetime import datetime

from samizdat.accounts.models import Organization
from samizdat.audience.queries import subscribers_numbered
from samizdat.campaigns.edition_details import EditionDetails, opened
from samizdat.campaigns.models import Edition
from samizdat.core.bounce.report import KINDS, ReportEvent
from samizdat.core.crypto.seal import SealBroken
from samizdat.delivery.queries import RETURNED
from samizdat.events.actions import detail_of
from samizdat.events.models import Event
from samizdat.incoming import follow_up
from samizdat.incoming.identity import SentMessage
from samizdat.incoming.models import MailReport
from samizdat.incoming.report_details import details_reader
from samizdat.logs import where_it_broke
from samizdat.vault import keyring

log = logging.getLogger("samizdat.worker")

# Reports of one transaction.
SLICE = 300

type Known = tuple[ReportEvent, SentMessage]


def suppress(event: Event, now: datetime) -> None:
    """What follows from delivery.queries.SETTLED_BOUNCES, once."""
    organization = event.organization
    if organization is None or detail_of(event).get("provider") != RETURNED:
        return
    editions = Edition.objects.filter(organization=organization, campaign=event.about).defer("compiled_sealed")
    if (edition := editions.first()) is None:
        return
    try:
        details = opened(keyring.keys(organization), edition)
    except SealBroken:
        return  # Nobody knows whose campaign it is: doctor tells.
    for known in _slices(organization, edition, details):
        follow_up.by_halves(known, lambda some: follow_up.follow(organization, some, now), _passed_over)


def _slices(organization: Organization, edition: Edition, details: EditionDetails) -> Iterator[list[Known]]:
    reports = MailReport.objects.filter(organization=organization, edition=edition, kind=KINDS.index("hard"))
    after, details_of = 0, details_reader(organization)
    while rows := [*reports.filter(pk__gt=after).order_by("pk")[:SLICE]]:
        subscribers = subscribers_numbered(organization, sorted({row.number for row in rows if row.number is not None}))
        known = list[Known]()
        for row in rows:
            report = details_of(row.pk, row.edition_id, row.number, bytes(row.details_sealed))
            if report is not None and report.number in subscribers:
                event = ReportEvent(
                    report.kind, None, report.status or None, report.reply or None, report.fault, report.reason
                )
                known.append((event, SentMessage(edition, details.list, subscribers[report.number])))
        yield known
        after = rows[-1].pk


def _passed_over(_known: Known, error: Exception) -> None:
    log.error("A report that an admin called true could not be followed up: %s", where_it_broke(error))
