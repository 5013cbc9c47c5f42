"""Whom a campaign goes to."""

from collections.abc import Callable
from datetime import datetime

from django.utils.translation import gettext as _

from samizdat.audience.models import Segment, Tag
from samizdat.audience.segments import lookup
from samizdat.audience.segments.errors import SegmentBroken
from samizdat.audience.segments.lookup import SavedSegment
from samizdat.audience.segments.members import MemberReader
from samizdat.campaigns.models import Campaign
from samizdat.campaigns.queries import DRAFTS, CampaignRow, with_subjects
from samizdat.core import languages


def reader_of(campaign: Campaign, now: datetime, segment: SavedSegment | None = None) -> MemberReader | None:
    """Its segment, ready to be asked; None where it has none. segment: where it is open already. Errors: SegmentBroken,
    also for a tag that is gone."""
    if campaign.tag is not None and campaign.tag.removed:
        raise SegmentBroken(_("The tag of the audience was deleted. Choose another one, or none."))
    if campaign.segment is None:
        return None
    tree = lookup.tree_of(campaign.segment, segment)
    return MemberReader(campaign.organization, tree, campaign.organization.day_of(now))


def spoken_in(campaign: Campaign) -> tuple[list[str], int]:
    """The languages of its letter by place, the fallback first, and the place of this version; [] for one version."""
    letter = campaign.version_of or campaign
    others = list(letter.languages.order_by("pk").values_list("pk", "language"))
    if not others:
        return [], 0
    places = {number: place for place, (number, _language) in enumerate(others, start=1)}
    return [languages.normal(letter.language), *(language for _number, language in others)], places.get(campaign.pk, 0)


def speaks(spoken: list[str], place: int) -> Callable[[str], bool] | None:
    """Whether who has this language gets the version of this place; None where everybody gets the same."""
    return (lambda language: (languages.place_of(language, spoken) or 0) == place) if spoken else None


def drafts_to(segment: Segment | None = None, *, tag: Tag | None = None) -> list[CampaignRow]:
    """Drafts that go to a segment, or to a tag, the newest first."""
    to = {"tag": tag} if tag is not None else {"segment": segment}
    return with_subjects(Campaign.objects.filter(**to, state="draft", version_of=None).order_by("-pk")[:DRAFTS])
