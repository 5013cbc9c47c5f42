"""A second person's yes, with whom the letter would go to when it was given."""

from datetime import datetime

from samizdat.accounts.models import Person
from samizdat.audience.models import NUMBER_MASK
from samizdat.audience.segments.errors import SegmentBroken
from samizdat.campaigns import approval, conditions
from samizdat.campaigns.agreed_people import NEWCOMERS, agreed_audience
from samizdat.campaigns.errors import DraftChangedMeanwhile
from samizdat.campaigns.freezing import versions_of
from samizdat.campaigns.models import Campaign
from samizdat.campaigns.opened import open_campaign
from samizdat.delivery.actions.chunks import parts_of, places_now
from samizdat.delivery.actions.recipients import meant_by, who_waits
from samizdat.delivery.sealed_chunks import masks_now


def agree(campaign: Campaign, seen: str, shown: int, waiting: int = 0, *, by: Person, now: datetime) -> None:
    """seen: approval.bond_of, shown: how many would get it, and waiting: how many more once it is their turn, when they
    looked. The yes is for all of them: whose turn it is stands in the open. Errors: NotADraft,
    DraftChangedMeanwhile."""
    try:
        people = meant_by(campaign, now)
        opened = open_campaign(campaign)
        asked = conditions.of_draft(opened, now)
        # Not by the sums that the page counts, which stand in the open: by those who are sealed into the yes.
        waits = {row & NUMBER_MASK for row in who_waits(campaign, now)}
        would_get = sum(number not in waits for number in people)
    except SegmentBroken as broken:
        raise DraftChangedMeanwhile(str(broken)) from broken
    if any(many > named + named // NEWCOMERS for many, named in ((would_get, shown), (len(people), shown + waiting))):
        raise DraftChangedMeanwhile(approval.grown())
    spoken = versions_of(opened) if opened.translations else ()
    masks = masks_now(campaign.organization, people, asked)
    places = places_now(campaign.organization_id, spoken, people)
    audience = agreed_audience(people, [*asked, *spoken], parts_of(masks, spoken, places, people))
    approval.agree(campaign, seen, by=by, now=now, audience=audience)
