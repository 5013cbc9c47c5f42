"""Once a day, what lists have decided not to keep goes: some of it in each round of the clock."""

import time
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

from samizdat.audience.models import List
from samizdat.rights.actions import retain_slice
from samizdat.worker import tasks

# Of one round; a chunk of 500 deliveries or 500 people is one step of it.
SECONDS = 0.5


@dataclass(slots=True)
class _Going:
    """How far this process is today. One that ends begins anew: what is gone is not found again."""

    day: date | None = None
    done: set[int] = field(default_factory=set)  # lists
    after: dict[int, int] = field(default_factory=dict)  # list -> row to go on from


_going = _Going()


def keep_no_longer(now: datetime) -> tuple[int, int]:
    """Goes on with what is due today (UTC), for SECONDS at most: (people erased, deliveries folded)."""
    today = now.astimezone(UTC).date()
    if _going.day != today:
        _going.day = today
        _going.done.clear()
        _going.after.clear()
    until, erased, folded = time.monotonic() + SECONDS, 0, 0

    def stop() -> bool:
        return tasks.stopping.is_set() or time.monotonic() > until

    rows = List.objects.select_related("organisation").filter(retention__isnull=False)
    for list_ in rows.exclude(id__in=_going.done).order_by("id"):
        after: int | None = _going.after.get(list_.id, 0)
        while after is not None:
            if stop():
                return erased, folded
            people, deliveries, after = retain_slice(list_, after, now, stop)
            erased, folded = erased + people, folded + deliveries
            _going.after[list_.id] = after or 0
        _going.done.add(list_.id)
    return erased, folded
