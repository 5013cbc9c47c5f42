"""A second person's yes, with whom the letter would go to when it was given."""

from datetime import datetime

from django.utils.translation import gettext as _

from samizdat.accounts.models import Person
from samizdat.audience.segments.errors import SegmentBroken
from samizdat.campaigns import approval, tag_conditions
from samizdat.campaigns.errors import DraftChangedMeanwhile
from samizdat.campaigns.models import Campaign
from samizdat.campaigns.opened import open_campaign
from samizdat.delivery.actions.recipients import meant_by
from samizdat.delivery.recipients_breakdown import whom
from samizdat.delivery.sealed_chunks import carried_now


def agree(campaign: Campaign, seen: str, shown: int, *, by: Person, now: datetime) -> None:
    """seen: approval.bond_of, and shown: how many would get it, when they looked. Errors: NotADraft,
    DraftChangedMeanwhile."""
    try:
        people = meant_by(campaign, now)
        asked = tag_conditions.of_draft(open_campaign(campaign), now)
        grown = whom(campaign, now).may > shown + shown // approval.NEWCOMERS
    except SegmentBroken as broken:
        raise DraftChangedMeanwhile(str(broken)) from broken
    if grown:
        raise DraftChangedMeanwhile(
            _("The number of recipients has grown since you opened this page. Check the audience, then approve.")
        )
    masks = carried_now(campaign.organization_id, people, list(asked)).masks
    tags = {tag: [number for number, mask in masks.items() if mask >> place & 1] for place, tag in enumerate(asked)}
    approval.agree(campaign, seen, by=by, now=now, people=people, tags=tags)
