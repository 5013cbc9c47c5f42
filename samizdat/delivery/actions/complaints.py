"""Stops a list whose emails too many report as spam, and resumes it when an admin says why."""

import contextlib
from collections.abc import Mapping
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from samizdat.accounts.models import Organization, Person
from samizdat.campaigns.models import Campaign, large
from samizdat.delivery.actions import running
from samizdat.delivery.complaint_stop import REASON, RESUMED, STOPPED, stopped
from samizdat.delivery.errors import DeliveryError, NothingStopped
from samizdat.events.actions import record

# Characters of a reason.
WORDS = 500


def stop(organization: Organization, list_id: int, detail: Mapping[str, object], *, now: datetime) -> None:
    """Nothing more leaves to this list; what is in flight is finished. In the transaction of the complaint."""
    record(STOPPED, organization, now=now, about=list_id, detail=detail)
    rows = Campaign.objects.select_related("organization").filter(organization=organization, list=list_id)
    for campaign in rows.filter(state__in=running.UNFINISHED).exclude(state="paused").defer(*large()).order_by("pk"):
        with contextlib.suppress(DeliveryError):  # It has ended meanwhile.
            running.pause_for_complaints(campaign, now=now)


def resume_list(campaign: Campaign, reason: str, *, now: datetime, by: Person | None = None) -> int:
    """Sends to the list of this campaign again; how many campaigns go on. The reason goes into the log. Errors:
    NothingStopped, DeliveryError."""
    organization, words = campaign.organization, " ".join(reason.split())[:WORDS]
    if not words:
        raise NothingStopped(_("Enter why this list may be sent to again. It goes into the activity log."))
    if stopped(organization, campaign.list_id) is None:
        raise NothingStopped(_("This list isn’t stopped. Open the report again."))
    with transaction.atomic():
        record(RESUMED, organization, now=now, about=campaign.list_id, by=by, detail={"why": words})
        rows = Campaign.objects.select_related("organization").filter(organization=organization, list=campaign.list_id)
        paused = [*rows.filter(state="paused", reason=REASON).defer(*large()).order_by("pk")]
        for row in paused:
            running.resume(row, now=now, by=by)
    campaign.refresh_from_db()
    return len(paused)
