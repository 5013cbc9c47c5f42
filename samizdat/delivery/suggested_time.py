"""The day and time that the form of a schedule is filled in with."""

from datetime import datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from samizdat.campaigns.models import Campaign
from samizdat.dbclock import in_zone
from samizdat.events import queries as events
from samizdat.events.actions import detail_of

USUAL = time(9)
# Campaigns of a group that are looked at for the time of day at which it sends.
LOOKED_AT = 20


class SuggestedTime(NamedTuple):
    """at: in the subscribers' zone. was_scheduled: the draft was scheduled for it before."""

    at: datetime
    was_scheduled: bool


def suggested_time(campaign: Campaign, now: datetime) -> SuggestedTime:
    """When a draft was to go before its schedule was cancelled, while that is to come; else tomorrow, at the time of
    day at which the organization last scheduled a campaign, or at nine."""
    zone = ZoneInfo(campaign.organization.timezone)
    before = _cancelled(campaign)
    if before is not None and before > now:
        return SuggestedTime(before.astimezone(zone), True)
    tomorrow = (now.astimezone(zone) + timedelta(days=1)).date()
    at = in_zone(tomorrow, _time_of_day(campaign, zone), zone) or in_zone(tomorrow, USUAL, zone)
    assert at is not None, "clocks go forward at night"
    return SuggestedTime(at.astimezone(zone), False)


def _cancelled(campaign: Campaign) -> datetime | None:
    """Only of the newest time that sending was undone."""
    event = events.about(campaign.organization, "campaign.unreleased", campaign.pk)
    at = str(detail_of(event).get("at", "")) if event else ""
    return datetime.fromisoformat(at) if at else None


def _time_of_day(campaign: Campaign, zone: ZoneInfo) -> time:
    """A time that somebody chose is a whole minute well after the release; the end of an undo window is not."""
    rows = Campaign.objects.filter(organization=campaign.organization, released__isnull=False, version_of=None)
    times = rows.order_by("-pk").values_list("released", "not_before")[:LOOKED_AT]
    for released, at in times:
        if released and at and at.second == at.microsecond == 0 and at - released > timedelta(hours=1):
            local: datetime = at.astimezone(zone)
            return local.time()
    return USUAL
