"""Takes up the sums of pressed links that the public process puts down once a minute."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from samizdat.campaigns import counting
from samizdat.gate import actions as gate
from samizdat.gate.models import Intake
from samizdat.worker.boxes import Said, in_batches

# Presses of one link in a minute that can be believed: two thousand a second.
MOST = 120_000
# Days that a box may have waited while no worker ran.
OLDEST = 30


def take(now: datetime) -> int:
    """How many boxes were added up."""
    return in_batches(now, ("pressed",), _take_up)


def _take_up(said: list[Said], now: datetime) -> int:
    boxes = {row.pk: bytes(row.box) for row in Intake.objects.filter(pk__in=[one.row for one in said])}
    for one in said:
        if one.row in boxes:
            counting.add_up(one.organisation, boxes[one.row], _day(one, now), _counts(one))
    gate.done_with(one.row for one in said)
    counting.forget_boxes([*boxes.values()])
    return len(said)


def _day(said: Said, now: datetime) -> date:
    """The day that the box says, as far as that can be believed; else today in the organisation's zone."""
    today = now.astimezone(ZoneInfo(said.organisation.timezone)).date()
    try:
        day = date.fromisoformat(str(said.words.get("day", "")))
    except ValueError:
        return today
    return day if today - timedelta(days=OLDEST) <= day <= today + timedelta(days=1) else today


def _counts(said: Said) -> dict[str, int]:
    told = said.words.get("counts")
    pairs = told.items() if isinstance(told, dict) else ()
    return {code: min(count, MOST) for code, count in pairs if isinstance(count, int) and count > 0}
