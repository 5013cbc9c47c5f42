"""Takes up the sums of pressed links that the public process puts down once a minute."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from samizdat.campaigns import counted_links
from samizdat.publicdb import actions as publicdb
from samizdat.publicdb.models import Intake
from samizdat.worker.inbox.inbox import OpenedEnvelope, in_batches

# Presses of one link in a minute that can be believed: two thousand a second.
MOST = 120_000
# Days that a box may have waited while no worker ran.
OLDEST = 30


def take(now: datetime) -> int:
    """How many boxes were added up."""
    return in_batches(now, ("pressed",), _take_up)


def _take_up(envelopes: list[OpenedEnvelope], now: datetime) -> int:
    boxes = {row.pk: bytes(row.box) for row in Intake.objects.filter(pk__in=[envelope.row for envelope in envelopes])}
    for envelope in envelopes:
        if envelope.row in boxes:
            counted_links.add_up(envelope.organization, boxes[envelope.row], _day(envelope, now), _counts(envelope))
    publicdb.done_with(envelope.row for envelope in envelopes)
    counted_links.forget_boxes([*boxes.values()])
    return len(envelopes)


def _day(envelope: OpenedEnvelope, now: datetime) -> date:
    """The day that the box says, as far as that can be believed; else today in the organization's zone."""
    today = now.astimezone(ZoneInfo(envelope.organization.timezone)).date()
    try:
        day = date.fromisoformat(envelope.words.day)
    except ValueError:
        return today
    return day if today - timedelta(days=OLDEST) <= day <= today + timedelta(days=1) else today


def _counts(envelope: OpenedEnvelope) -> dict[str, int]:
    return {code: min(count, MOST) for code, count in envelope.words.counts.items() if count > 0}
