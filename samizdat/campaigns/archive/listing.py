"""Whether a released letter stands in the archive, or is read by its address alone. A draft is saved with that."""

from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from samizdat.accounts.models import Person
from samizdat.campaigns import edition_details
from samizdat.campaigns.errors import CampaignError
from samizdat.campaigns.models import Campaign, Edition, goes_to_all
from samizdat.campaigns.released import released
from samizdat.events.actions import record
from samizdat.events.kinds import EventKind


class CannotBeListed(CampaignError):
    code = "cannot_be_listed"


def put(campaign: Campaign, listed: bool, *, by: Person | None, now: datetime) -> None:
    """Into the archive, or out of it; the worker shows it so. Said once more, it changes nothing.

    Errors: CannotBeListed for a draft, and for a letter to a few.
    """
    edition = Edition.objects.select_related("organization").filter(campaign=campaign).first()
    details = released(edition) if edition and campaign.state != "draft" else None
    if not (details.to_all if details else goes_to_all(campaign)):
        raise CannotBeListed(_("It goes to few, so it is read by its address alone."))
    with transaction.atomic():
        rows = Campaign.objects.filter(pk=campaign.pk, version_of=None).exclude(state="draft")
        if edition and details and rows.exists() and details.unlisted == listed:
            rows.update(archive_hidden=not listed)
            edition_details.change(edition, unlisted=not listed)
            kind: EventKind = "campaign.archive_listed" if listed else "campaign.archive_unlisted"
            record(kind, campaign.organization, now=now, by=by, about=campaign.pk)
        elif not rows.exists():
            raise CannotBeListed(_("It is not released yet. Choose on the page of the letter, in its envelope."))
    campaign.archive_hidden = not listed
