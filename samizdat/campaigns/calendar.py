"""The day on which a draft is meant to go: a note of colleagues to each other, shown in the calendar.

Nothing is sent by it, and no release looks at it: when a letter leaves is said on its send page.
"""

from datetime import date, datetime

from django.db import transaction
from django.utils.translation import gettext as _

from samizdat.accounts.models import Organization, Person
from samizdat.campaigns.errors import CampaignError, NotADraft
from samizdat.campaigns.models import Campaign
from samizdat.campaigns.queries import CampaignRow, with_subjects
from samizdat.dbclock import YEARS
from samizdat.events.actions import record

# Drafts of a month that are shown: nobody looks through more.
MOST = 500


class BadDay(CampaignError):
    """A day that has passed, or one that no calendar here has."""

    code = "bad_day"


def plan(campaign: Campaign, day: date | None, *, by: Person | None, now: datetime) -> None:
    """Gives a draft a day, another one, or none. Errors: BadDay, NotADraft."""
    if day is not None and day.year not in YEARS:
        raise BadDay(
            _("Check the year: it must be from %(first)s to %(last)s.") % {"first": YEARS[0], "last": YEARS[-1]}
        )
    if day is not None and day < campaign.organization.day_of(now):
        raise BadDay(_("That day is in the past. Choose today or a later one."))
    with transaction.atomic():
        rows = Campaign.objects.filter(pk=campaign.pk, state="draft", version_of=None)
        if not rows.update(planned=day):
            raise NotADraft(
                _("Only drafts can have a planned date. Scheduled and sent campaigns appear on the day they’re sent.")
            )
        record("campaign.date_planned", campaign.organization, now=now, by=by, about=campaign.pk)
    campaign.planned = day


def planned(organization: Organization, first: date, last: date) -> list[CampaignRow]:
    """Drafts that are planned for a day from `first` to `last`, by day."""
    rows = Campaign.objects.filter(
        organization=organization, state="draft", version_of=None, planned__range=(first, last)
    )
    return with_subjects(rows.order_by("planned", "pk")[:MOST])
