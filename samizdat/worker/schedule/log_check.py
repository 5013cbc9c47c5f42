"""Once a day each organization's log of events and consent is walked again, as `samizdat log check` does, a bit of it
in each round of the clock. What is gone or was changed is an event, once for each place; `doctor` and Home show it.
Rows that somebody put where no chain is are linked and reported at once."""

import logging
import time
from collections import deque
from datetime import UTC, date, datetime

from django.db import transaction

from samizdat.accounts.models import Organization
from samizdat.audience.consistency import changed_records
from samizdat.audience.models import ConsentRecord
from samizdat.events import chain, log_breaks
from samizdat.events.chain import ChainWalk, Mark
from samizdat.vault.locks import unlocked
from samizdat.worker.stopping import stopping

log = logging.getLogger("samizdat.worker")

# Of one round; a million records take some hundred rounds.
SECONDS = 0.5

# Seconds for which rows are looked at once they are there: what is written meanwhile may be seen later by its number.
KEPT = 60.0
# When, and how far all had come.
_marks: deque[tuple[float, Mark]] = deque()

# Organization -> the day of the newest look, and how far it has come; None: it is through. A new process begins anew.
_looks: dict[int, tuple[date, ChainWalk | None]] = {}


def put_back(now: datetime) -> None:
    """Before new rows are linked: those that stand outside of their chain are linked with them."""
    for organization in Organization.objects.filter(unlocked(), id__in=chain.misplaced_organizations()):
        with transaction.atomic():
            places = chain.put_back(organization)
            log_breaks.report(organization, places, now)
        if places:
            log.error("Rows of the log of organization %d stood outside of it: %d", organization.id, len(places))


def look_at_newest(now: datetime) -> None:
    """After new rows are linked: those of the last minute stand in places of their own. One that was not linked yet
    could be given the place of another row, and be taken away before the night."""
    at = time.monotonic()
    while len(_marks) > 1 and _marks[1][0] <= at - KEPT:
        _marks.popleft()
    if _marks:
        since = _marks[0][1]
        for organization in Organization.objects.filter(unlocked(), id__in=chain.newer(since)):
            with transaction.atomic():
                places = chain.take_from_others(organization, since)
                count = log_breaks.report(organization, places, now)
            if count:
                log.error("Rows of the log of organization %d stood in others' places: %d", organization.id, count)
    _marks.append((at, chain.mark()))


def look(now: datetime) -> None:
    until, today = time.monotonic() + SECONDS, now.astimezone(UTC).date()
    for organization in Organization.objects.filter(unlocked()).order_by("id"):
        day, walk = _looks.get(organization.id, (None, None))
        if day != today:
            walk = ChainWalk()
        if walk is None:
            continue
        _looks[organization.id] = (today, walk)
        while not walk.go_on(organization, {ConsentRecord._meta.db_table: changed_records}, rows=1000):
            if stopping.is_set() or time.monotonic() > until:
                return
        if count := log_breaks.report(organization, walk.breaks, now):
            log.error("The log of organization %d is not as it was written: %d places", organization.id, count)
        _looks[organization.id] = (today, None)
