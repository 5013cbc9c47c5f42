"""Once a day, sign-ups that nobody confirmed within their week are forgotten: some in each round of the clock."""

import time
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from samizdat.audience.actions import forget_unconfirmed, forms
from samizdat.audience.models import NUMBER_MASK, List, SignUpForm
from samizdat.core import link
from samizdat.events.actions import detail_of
from samizdat.events.models import Event
from samizdat.gate import actions as gate
from samizdat.vault import house
from samizdat.worker import tasks

# Of one round.
SECONDS = 0.5
# Days back on which the sign-up may have been: they are forgotten after a week, and a worker may have stood still.
LOOKED_BACK = 15


@dataclass(slots=True)
class _Going:
    """How far this process is today. One that ends begins anew: whoever is forgotten is not found again."""

    day: date | None = None
    done: set[int] = field(default_factory=set)  # lists
    after: dict[int, int] = field(default_factory=dict)  # list -> row to go on from


_going = _Going()


def forget(now: datetime) -> int:
    """Goes on with what is due today (UTC), for SECONDS at most; how many sign-ups were forgotten."""
    today = now.astimezone(UTC).date()
    if _going.day != today:
        _going.day = today
        _going.done.clear()
        _going.after.clear()
    until, forgotten = time.monotonic() + SECONDS, 0
    for list_ in List.objects.select_related("organisation").exclude(id__in=_going.done).order_by("id"):
        after: int | None = _going.after.get(list_.id, 0)
        while after is not None:
            if tasks.stopping.is_set() or time.monotonic() > until:
                return forgotten
            count, after = forget_unconfirmed(list_, after, now)
            forgotten += count
            _going.after[list_.id] = after or 0
        _going.done.add(list_.id)
    return forgotten


def say_so(event: Event, now: datetime) -> None:
    """What follows: the link in her mail says from now on that the sign-up is forgotten."""
    list_id: Any = detail_of(event).get("list")
    if event.organisation is None or event.about is None or list_id is None:
        return
    number, today = event.about & NUMBER_MASK, now.astimezone(UTC).date()
    rows = SignUpForm.objects.select_related("organisation").filter(organisation=event.organisation)
    about = [list_id, *(one for form in rows for one in forms.numbers_about(form, list_id))]
    days = [today - timedelta(days=back) for back in range(LOOKED_BACK)]
    for key in house.keys(event.organisation).links.values():
        maker = link.Maker(key, "confirm")
        gate.forget_tokens(maker(forms.dated(one, day), number) for one in about for day in days)
