"""Whether a released letter stands in the archive, or is read by its address alone. A draft is saved with that.

Where no letter leaves without a second person, none is shown to everybody without one either: putting it into the
archive waits as a correction does (web_corrections.py). Out of it at once.
"""

from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _
from msgspec import Struct

from samizdat.accounts import pending_changes
from samizdat.accounts.models import Person
from samizdat.campaigns import edition_details
from samizdat.campaigns.archive.web_corrections import needs_approval
from samizdat.campaigns.edition_details import EditionDetails
from samizdat.campaigns.errors import CampaignError
from samizdat.campaigns.models import Campaign, Edition
from samizdat.campaigns.released import released
from samizdat.events.actions import record
from samizdat.events.kinds import EventKind

CHANGE = "listing"


class CannotBeListed(CampaignError):
    code = "cannot_be_listed"


class ArchiveListing(Struct, frozen=True):
    """What is sealed of one that waits."""

    listed: bool = True


def put(campaign: Campaign, listed: bool, *, by: Person | None, now: datetime) -> bool:
    """Into the archive, or out of it; the worker shows it so. Said once more, it changes nothing. Whether it waits for
    an approval. Errors: CannotBeListed for a draft, and for a letter to a few."""
    waits = listed and campaign.state != "draft" and needs_approval(campaign, by)
    if waits:
        _, details = _edition(campaign)
        _insist(details is not None and details.to_all)
        pending_changes.ask(campaign.organization, CHANGE, ArchiveListing(), about=campaign.pk, now=now, by=by)
    else:
        keep(campaign, listed, by=by, now=now)
    return waits


def _edition(campaign: Campaign) -> tuple[Edition | None, EditionDetails | None]:
    edition = Edition.objects.select_related("organization").filter(campaign=campaign).first()
    return edition, released(edition) if edition and campaign.state != "draft" else None


def _insist(to_all: bool) -> None:
    if not to_all:
        raise CannotBeListed(_("It goes to only part of the list, so its web version is unlisted, by link only."))


def keep(campaign: Campaign, listed: bool, *, by: Person | None, now: datetime) -> None:
    """As put, without asking anybody."""
    edition, details = _edition(campaign)
    _insist(details.to_all if details else campaign.goes_to_all)
    with transaction.atomic():
        rows = Campaign.objects.filter(pk=campaign.pk, version_of=None).exclude(state="draft")
        if edition and details and rows.exists() and details.unlisted == listed:
            rows.update(archive_hidden=not listed)
            edition_details.change(edition, unlisted=not listed)
            kind: EventKind = "campaign.archive_listed" if listed else "campaign.archive_unlisted"
            record(kind, campaign.organization, now=now, by=by, about=campaign.pk)
        elif not rows.exists():
            raise CannotBeListed(
                _("This campaign hasn’t been sent yet. Choose its web version on the campaign page, under Settings.")
            )
    campaign.archive_hidden = not listed
