"""The time of the house. Machines' clocks differ, sometimes by a day; what they compare with each other's times is told
by the database's clock, which all of them see (design.md, section 6).

On SQLite there is one machine and its clock is the clock.
"""

import time
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock
from zoneinfo import ZoneInfo

from django.db import connection

# Years in which something may be planned and looked at: with room for every zone before the calendar's ends.
YEARS = range(2000, 2100)

# (time by the database, our monotonic clock at that moment); None before it was first asked.
_told: tuple[datetime, float] | None = None


def now() -> datetime:
    """Asks nobody, so it may be called on an event loop. Before the first sync it is this machine's clock."""
    if _told is None:
        return datetime.now(UTC)
    return _told[0] + timedelta(seconds=time.monotonic() - _told[1])


def sync() -> None:
    """Asks the database, on this thread's connection. Good for as long as two quartz clocks agree: hours."""
    if connection.vendor != "postgresql":
        return
    with connection.cursor() as cursor:
        began = time.monotonic()
        cursor.execute("SELECT clock_timestamp()")
        hear(cursor.fetchone()[0], began)


def asked() -> datetime:
    """The time by the database, asked for now: for doors, which other machines act upon."""
    sync()
    return now()


def ticks() -> float:
    """Seconds by a clock that nobody can set. It goes on while the machine sleeps, where the system has such a one."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def in_zone(day: date, at: clock, zone: ZoneInfo) -> datetime | None:
    """The moment in the zone; None for an hour that summer time leaps over. Of one that comes twice it is the first."""
    moment = datetime.combine(day, at, zone)
    there_and_back = moment.astimezone(UTC).astimezone(zone)
    return moment if there_and_back.replace(tzinfo=None) == moment.replace(tzinfo=None) else None


def comes_twice(moment: datetime) -> bool:
    """Are the clocks put back then, so that the same time comes once more?"""
    return moment.replace(fold=0).utcoffset() != moment.replace(fold=1).utcoffset()


def hear(database_time: datetime, began: float) -> None:
    """The database has told its time, asked for at `began` on our monotonic clock."""
    global _told
    _told = database_time, (began + time.monotonic()) / 2


def forget() -> None:
    """This machine's clock again: for tests, and for a process that is split off."""
    global _told
    _told = None


def ahead() -> float:
    """Seconds by which this machine's clock is ahead of the house's; 0 where there is one machine."""
    return (datetime.now(UTC) - now()).total_seconds() if _told else 0.0
