"""How many get a campaign, counted now."""

from dataclasses import dataclass
from datetime import datetime

from samizdat.audience import queries as audience
from samizdat.audience import sql as audience_sql
from samizdat.audience.segments.campaign_audience import reach_in
from samizdat.audience.segments.errors import SegmentBroken
from samizdat.campaigns.audience import reader_of
from samizdat.campaigns.models import Campaign
from samizdat.delivery import sql


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


def reach_of(campaign: Campaign, now: datetime) -> AudienceSize:
    """Who would get it, counted now. A segment that asks for what is sealed takes 3 us a subscriber of the list."""
    if not campaign.has_audience:
        return AudienceSize(0, 0, 0, 0)
    try:
        reader = reader_of(campaign, now)
    except SegmentBroken as broken:
        subscribed = audience.reach(campaign.list, campaign.tag)["subscribed"]
        return AudienceSize(subscribed, subscribed, 0, 0, str(broken))
    if campaign.resend_of is not None:
        counts = audience.reach(campaign.list)
        where = campaign.organization_id, campaign.list_id, campaign.resend_of.edition.pk
        may = sql.count_unreached(*where, campaign.is_appeal)
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
        return campaign.is_appeal and audience_sql.count_asking(campaign.list_id, campaign.tag_id) > ASKED_AT_ONCE
    at_once = OPENED_AT_ONCE if reader.sealed else ASKED_AT_ONCE
    return audience.reach(campaign.list, campaign.tag)["subscribed"] > at_once


def quick_count(campaign: Campaign, now: datetime) -> int | None:
    """Who would get it; None where counting takes long."""
    return None if counts_long(campaign, now) else reach_of(campaign, now).may
