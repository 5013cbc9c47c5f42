"""Takes up the sums of pressed links that public processes put down at fixed times."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from samizdat.accounts.models import Organization
from samizdat.campaigns import sealed_clicks
from samizdat.campaigns.sealed_clicks import ClickBox
from samizdat.publicdb import actions as publicdb
from samizdat.worker.inbox.inbox import OpenedEnvelope, in_batches

# Presses of one link in a box that can be believed: two thousand a second.
MOST = 1_800_000
# Days that a box may have waited while no worker ran.
OLDEST = 30


def take(now: datetime) -> int:
    """How many boxes were added up."""
    return in_batches(now, ("pressed",), _take_up)


def _take_up(envelopes: list[OpenedEnvelope], now: datetime) -> int:
    """Killed behind the sums, the boxes are still there, and are not added a second time."""
    boxes: dict[Organization, list[ClickBox]] = {}
    for envelope in envelopes:
        if box := _box(envelope, now):
            boxes.setdefault(envelope.organization, []).append(box)
    for organization, some in boxes.items():
        sealed_clicks.add_up(organization, some, now)
    publicdb.done_with(envelope.row for envelope in envelopes)
    return len(envelopes)


def _box(envelope: OpenedEnvelope, now: datetime) -> ClickBox | None:
    """None for one that does not say which it is, or that is of tomorrow: it would make later ones look old."""
    try:
        process, at = bytes.fromhex(envelope.words.process), datetime.fromisoformat(envelope.words.at)
        seconds = int(at.timestamp())
    except (ValueError, OverflowError):
        return None
    if len(process) != 8 or not 0 < seconds <= (now + timedelta(days=1)).timestamp():
        return None
    return ClickBox(process, seconds, _day(envelope, now), _counts(envelope))


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
