"""Once a day, sign-ups that nobody confirmed within their week are forgotten: some in each round of the clock."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

from samizdat.audience.actions import forget_unconfirmed, forms
from samizdat.audience.models import NUMBER_MASK, List, SignUpForm
from samizdat.core import link
from samizdat.events.actions import detail_of
from samizdat.events.models import Event
from samizdat.gate import actions as gate
from samizdat.vault import house
from samizdat.worker import tasks
from samizdat.worker.daily import SECONDS, Daily

# Days back on which the sign-up may have been: they are forgotten after a week, and a worker may have stood still.
LOOKED_BACK = 15


_going = Daily()


def forget(now: datetime) -> int:
    """Goes on with what is due today (UTC), for SECONDS at most; how many sign-ups were forgotten."""
    until, forgotten = time.monotonic() + SECONDS, 0

    def stop() -> bool:
        return tasks.stopping.is_set() or time.monotonic() > until

    def step(list_: List, after: int) -> int | None:
        nonlocal forgotten
        count, following = forget_unconfirmed(list_, after, now)
        forgotten += count
        return following

    _going.go_on(List.objects.select_related("organisation"), now, step, stop)
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
