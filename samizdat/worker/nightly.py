"""Once a day: what subscriptions say is compared with what their consent records say (audience/checking.py).

A bit of it in each round of the clock, so that nobody waits for a million of them. It changes nothing: a difference is
an event that tells how many, and a person decides (audience.actions.settle_again mends).
"""

import time
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from django.db import transaction

from samizdat.accounts.models import Organisation
from samizdat.audience.checking import check_page
from samizdat.events import queries
from samizdat.events.actions import record
from samizdat.worker import tasks

# Of one round; a million subscribers take some thirty rounds (14 us each).
SECONDS = 0.5

CHECKED = "subscribers.checked"
DIFFER = "subscribers.differ"


@dataclass(slots=True)
class _Going:
    """A comparison that is not through. A process that ends loses it, and the next begins anew."""

    day: date
    after: int = 0
    subscribers: int = 0
    wrong: int = 0


_going: dict[int, _Going] = {}


def compare(now: datetime) -> None:
    """Goes on with what is due today (UTC), for SECONDS at most."""
    until = time.monotonic() + SECONDS
    for organisation in Organisation.objects.order_by("id"):
        last = queries.last(organisation, CHECKED)
        if last is not None and last.at.astimezone(UTC).date() >= now.astimezone(UTC).date():
            continue
        if not _go_on(organisation, now, until):
            return


def _go_on(organisation: Any, now: datetime, until: float) -> bool:
    """Whether this organisation is through."""
    today = now.astimezone(UTC).date()
    going = _going.get(organisation.id)
    if going is None or going.day != today:
        going = _going[organisation.id] = _Going(today)
    after: int | None = going.after
    while after is not None:
        if tasks.stopping.is_set() or time.monotonic() > until:
            return False
        page, after = check_page(organisation, going.after, now)
        going.subscribers += page.subscribers
        going.wrong += len(page.wrong)
        going.after = after or going.after
    _tell(organisation, going, now)
    del _going[organisation.id]
    return True


def _tell(organisation: Any, going: _Going, now: datetime) -> None:
    detail = {"subscribers": going.subscribers, "wrong": going.wrong}
    with transaction.atomic():
        if going.wrong:
            record(DIFFER, organisation, now=now, detail=detail)
        record(CHECKED, organisation, now=now, detail=detail)
