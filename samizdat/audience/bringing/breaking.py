"""An upload that breaks for a reason that nobody foresaw: tried again a few times, then it stops and says so.

Whatever the clock finds waiting it rings for again (worker/clock.py), which is right after a kill or while a database
is away. What breaks at the same place each time would be tried for ever, and whoever waits for it would never be told.
"""

from samizdat.audience.bringing import uploads
from samizdat.audience.models import Import

PROBLEM = "broke"
TRIES = 5

type Place = tuple[str, int, int, int]

# Import -> where it broke last, and how often there. In this process: after a start it is tried anew.
_broke: dict[int, tuple[Place, int]] = {}


def broke(number: int) -> None:
    """Counts a failure; after TRIES at one place what ran is stopped, and goes on when somebody asks for it. What could
    not even be looked through has failed. While the database is away this breaks too, and it is tried on."""
    row = Import.objects.filter(pk=number).first()
    if row is None:
        return
    place = (row.state, row.member, row.row, row.part)
    before, times = _broke.get(number, (place, 0))
    times = times + 1 if before == place else 1
    _broke[number] = (place, times)
    if times < TRIES:
        return
    looked = Import.objects.filter(pk=number, state="reading").update(state="failed", problem=PROBLEM, owner="")
    if looked:
        uploads.drop(row)
    else:
        running = Import.objects.filter(pk=number, state__in=("waiting", "running"))
        running.update(state="stopped", problem=PROBLEM, owner="")
    del _broke[number]


def went_well(number: int) -> None:
    _broke.pop(number, None)
