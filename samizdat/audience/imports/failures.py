"""An upload that breaks for a reason that nobody foresaw: tried again a few times, then it stops and says so.

Whatever the clock finds waiting it rings for again (worker/schedule/scheduler.py), which is right after a kill or while
a database is away. What breaks at the same place each time would be tried for ever, and whoever waits for it would
never be told. So each try is counted in the row before it begins (ownership.take), where it also counts when it takes
the worker along; whatever moves on sets that back.
"""

from datetime import datetime

from django.db import transaction

from samizdat.audience.imports import ownership, uploads
from samizdat.audience.models import Import
from samizdat.events.actions import record
from samizdat.events.kinds import EventKind

PROBLEM = "broke"
FAILED: EventKind = "subscribers.import.failed"
STOPPED: EventKind = "subscribers.import.stopped"
TRIES = 5


def is_over(number: int, now: datetime) -> bool:
    """Whether it was tried often enough at one place, and nobody is at it. What ran is stopped then, and goes on when
    somebody asks for it; what could not even be looked through has failed."""
    rows = Import.objects.select_related("organization", "by").filter(pk=number, tries__gte=TRIES)
    row = rows.filter(state__in=("reading", "waiting", "running")).first()
    if row is None or ownership.is_alive(row, now):
        return False
    done = {"problem": PROBLEM, "owner": "", "tries": 0}
    with transaction.atomic():
        if Import.objects.filter(pk=number, state="reading").update(state="failed", **done):
            uploads.drop(row)
            ended(row, FAILED, now)
        elif Import.objects.filter(pk=number, state__in=("waiting", "running")).update(state="stopped", **done):
            ended(row, STOPPED, now)
    return True


def ended(row: Import, kind: EventKind, now: datetime) -> None:
    """Call it in the transaction that ends it: whoever brought the file in is mailed."""
    record(kind, row.organization, about=row.pk, by=row.by, now=now)
