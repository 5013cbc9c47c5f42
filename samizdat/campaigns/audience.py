"""Whom a campaign goes to, and how its segment is said."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from samizdat import dialect
from samizdat.audience import queries as audience
from samizdat.audience.segments import lookup
from samizdat.audience.segments.campaign_audience import reach_in
from samizdat.audience.segments.describe import Names
from samizdat.audience.segments.errors import SegmentBroken
from samizdat.audience.segments.members import MemberReader, today_of
from samizdat.campaigns.drafts.draft import draft_of
from samizdat.campaigns.models import Campaign
from samizdat.campaigns.queries import DRAFTS, CampaignRow
from samizdat.core import languages


@dataclass(frozen=True, slots=True)
class AudienceSize:
    """`subscribed` on its list (and with its tag) less `unasked` less `outside` the segment less `suppressed` is `may`.

    unasked: did not agree to appeals for money, where it is one. paused, monthly: counted of a segment or an appeal
    alone, as segments.audience.Reached has them.
    broken: why the segment does not work any more, as a sentence; then nobody is reached.
    """

    subscribed: int
    outside: int
    suppressed: int
    may: int
    broken: str = ""
    paused: int = 0
    monthly: int = 0
    unasked: int = 0


def reader_of(campaign: Campaign, now: datetime) -> MemberReader | None:
    """Its segment, ready to be asked; None where it has none. Errors: SegmentBroken, also for a tag that is gone."""
    if campaign.tag is not None and campaign.tag.removed:
        raise SegmentBroken(_("The tag that it goes to was removed. Choose another one, or none."))
    if campaign.segment is None:
        return None
    tree = lookup.tree_of(campaign.segment)
    return MemberReader(campaign.organization, tree, today_of(campaign.organization, now))


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


def reach_of(campaign: Campaign, now: datetime) -> AudienceSize:
    """Who would get it, counted now. A segment that asks for what is sealed takes 3 us a subscriber of the list."""
    try:
        reader = reader_of(campaign, now)
    except SegmentBroken as broken:
        subscribed = audience.reach(campaign.list, campaign.tag)["subscribed"]
        return AudienceSize(subscribed, subscribed, 0, 0, str(broken))
    if campaign.again is not None:
        counts = audience.reach(campaign.list)
        where = campaign.organization_id, campaign.list_id, campaign.again.edition.pk
        may = dialect.count_unreached(*where, campaign.is_appeal)
        return AudienceSize(counts["subscribed"], counts["may"] - may, counts["suppressed"], may)
    if reader is None and not campaign.is_appeal:
        counts = audience.reach(campaign.list, campaign.tag)
        return AudienceSize(counts["subscribed"], 0, counts["suppressed"], counts["may"])
    of = reach_in(campaign.list, campaign.tag, reader, campaign.is_appeal)
    return AudienceSize(of.subscribed, of.outside, of.suppressed, of.may, "", of.paused, of.monthly, of.unasked)


# Subscribers of a list who are asked before a page is there: 60 ms where a segment opens their blobs, 100 ms where not.
OPENED_AT_ONCE, ASKED_AT_ONCE = 20_000, 200_000


def counts_long(campaign: Campaign, now: datetime) -> bool:
    """Whether a page should not wait for the number, because a segment is asked of a long list."""
    try:
        reader = reader_of(campaign, now)
    except SegmentBroken:
        return False
    if reader is None:
        return campaign.is_appeal and dialect.count_asking(campaign.list_id, campaign.tag_id) > ASKED_AT_ONCE
    at_once = OPENED_AT_ONCE if reader.sealed else ASKED_AT_ONCE
    return audience.reach(campaign.list, campaign.tag)["subscribed"] > at_once


def quick_count(campaign: Campaign, now: datetime) -> int | None:
    """Who would get it; None where counting takes long."""
    return None if counts_long(campaign, now) else reach_of(campaign, now).may


def drafts_to(segment: Any = None, *, tag: Any = None) -> list[CampaignRow]:
    """Drafts that go to a segment, or to a tag, the newest first."""
    to = {"tag": tag} if tag is not None else {"segment": segment}
    rows = Campaign.objects.select_related("organization").filter(**to, state="draft", version_of=None).order_by("-pk")
    return [CampaignRow(row, draft_of(row).subject) for row in rows[:DRAFTS]]


def names(organization: Any, words: Callable[[str, str], str] | None = None) -> Names:
    """What a segment's conditions are called here; campaigns by their subjects."""

    def subject(number: int) -> str:
        row = Campaign.objects.select_related("organization").filter(organization=organization, pk=number).first()
        return (draft_of(row).subject or f"{number}") if row else ""

    return Names(organization, subject, words)
