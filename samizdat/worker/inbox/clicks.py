"""Takes up the sums of pressed links that public processes put down at fixed times."""

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from samizdat.accounts.models import Organization
from samizdat.campaigns import sealed_clicks
from samizdat.campaigns.sealed_clicks import ClickBox
from samizdat.publicdb import actions as publicdb
from samizdat.worker.inbox.inbox import OpenedEnvelope, in_batches

# Presses of one link in a box that can be believed: two thousand a second.
MOST = 1_800_000
# Days that a box may have waited while no worker ran.
OLDEST = 30
# Of one organization at a time: some thousand editions of twenty links. And boxes of a day that wait for older ones:
# whose campaigns have more links than can be added up loses what is beyond.
SECONDS, WAITING = 0.5, 96


def take(now: datetime) -> int:
    """How many boxes were added up."""
    return in_batches(now, ("pressed",), _take_up)


def _take_up(envelopes: list[OpenedEnvelope], now: datetime) -> int:
    """Killed behind the sums, the boxes are still there, and are not added a second time."""
    boxes: dict[Organization, dict[int, ClickBox]] = {}
    done: set[int] = set()
    for envelope in envelopes:
        if box := _box(envelope, now):
            boxes.setdefault(envelope.organization, {})[envelope.row] = box
        else:
            done.add(envelope.row)
    for organization, some in boxes.items():
        done |= _add_up(organization, some, now)
    publicdb.done_with(done)
    return len(done)


@dataclass(slots=True)
class _Begun:
    """Boxes of an organization, by their rows, which are in all editions up to `after`, and those that wait for them:
    an edition takes no box that is older than one it has."""

    boxes: dict[int, ClickBox] = field(default_factory=dict)
    after: int = 0
    waiting: dict[int, ClickBox] = field(default_factory=dict)


# By organization, what took longer than its time. Of this process, in memory: a new one begins again.
_begun: dict[int, _Begun] = {}


def _add_up(organization: Organization, boxes: dict[int, ClickBox], now: datetime) -> set[int]:
    """For SECONDS, then other organizations have their turn. The rows that are done with."""
    begun = _begun.setdefault(organization.id, _Begun())
    begun.waiting |= {row: box for row, box in boxes.items() if row not in begun.boxes}
    lost = set([*begun.waiting][WAITING:])
    for row in lost:
        del begun.waiting[row]
    if not begun.boxes:
        begun.boxes, begun.waiting, begun.after = begun.waiting, {}, 0
    after = sealed_clicks.add_up(organization, [*begun.boxes.values()], now, begun.after, SECONDS)
    if after is not None:
        begun.after = after
        return lost
    done, begun.boxes = lost | {*begun.boxes}, {}
    if not begun.waiting:
        del _begun[organization.id]
    return done


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
    today = envelope.organization.day_of(now)
    try:
        day = date.fromisoformat(envelope.words.day)
    except ValueError:
        return today
    return day if today - timedelta(days=OLDEST) <= day <= today + timedelta(days=1) else today


def _counts(envelope: OpenedEnvelope) -> dict[str, int]:
    return {code: min(count, MOST) for code, count in envelope.words.counts.items() if count > 0}
