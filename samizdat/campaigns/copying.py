"""A letter once more, as a draft."""

from datetime import datetime
from typing import Any

from samizdat.campaigns import languages
from samizdat.campaigns.actions import create
from samizdat.campaigns.arrangement import copy_arrangement
from samizdat.campaigns.draft import draft_of
from samizdat.campaigns.models import Campaign
from samizdat.core import consent


def copy(campaign: Campaign, *, by: Any, now: datetime) -> Campaign:
    """A new draft with the same words, in all its languages, beside it in its folder."""
    made = create(
        campaign.organisation,
        campaign.list,
        draft_of(campaign),
        by=by,
        now=now,
        tag=campaign.tag,
        segment=campaign.segment,
        template=campaign.template,
        language=campaign.language,
        again=campaign.again,
        unlisted=campaign.unlisted,
        purpose=consent.PURPOSES[campaign.purpose],
    )
    copy_arrangement(campaign, made)
    if campaign.folder_id is not None:
        Campaign.objects.filter(pk=made.pk).update(folder=campaign.folder_id)
        made.folder_id = campaign.folder_id
    languages.copy_to(campaign, made, by=by, now=now)
    return made
