"""The digest: letters of a list gathered into one, for readers who want few mails.

A list counts rounds. A letter belongs to the round in which it began to go out, and the digest of a round gathers the
letters of that round. Whoever chooses the digest is in it from the next round on and whoever leaves it gets that of
the round they leave in: so every letter reaches them once, by itself or in a digest, whenever they change their mind.
"""

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

# How often they want letters of a list; the index is what is stored: append only. What they chose is the word, but for
# the last two: `again` chose all of them and gets one digest more, `soon` chose the digest and is not in it yet.
FREQUENCIES = ("all", "monthly", "digest", "again", "soon")
ALL, MONTHLY, DIGEST, AGAIN, SOON = range(5)
CHOSEN = {"again": "all", "soon": "digest"}

# When a list makes its digest: never, each day, on one day of the week, on the first of each month.
WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
WHEN = ("", "day", *WEEK, "month")
USUAL = "fri"
HOUR = time(9)


def in_digest(frequency: int, turn: int, round: int) -> bool:
    """Do they get the letters of this round gathered? `turn`: the round in which their choice begins to count."""
    if frequency in (DIGEST, SOON):
        return round >= turn
    return frequency == AGAIN and round < turn


def chosen(frequency: int, turn: int, round: int, wish: str) -> tuple[int, int]:
    """Frequency and turn after they chose `wish` (of all, monthly, digest) while their list is in `round`."""
    now = in_digest(frequency, turn, round)
    if wish == "digest":
        if frequency in (DIGEST, SOON):
            return frequency, turn
        return (DIGEST, round) if now else (SOON, round + 1)
    if wish == "all" and now:
        return (AGAIN, round + 1) if frequency != AGAIN else (frequency, turn)
    # Letters that a digest would have gathered pass by who wants one a month: that is what they want.
    return (MONTHLY, 0) if wish == "monthly" else (ALL, 0)


def next_due(when: str, now: datetime, zone: ZoneInfo) -> datetime | None:
    """The first moment after `now` at which a list with this choice of WHEN makes its digest; None for never."""
    there = now.astimezone(zone)
    day = there.date() + timedelta(days=0 if there.time() < HOUR else 1)
    while not _falls_on(when, day.weekday(), day.day):
        if not when:
            return None
        day += timedelta(days=1)
    return datetime.combine(day, HOUR, zone).astimezone(now.tzinfo)


def _falls_on(when: str, weekday: int, day: int) -> bool:
    if when == "month":
        return day == 1
    return when == "day" or (when in WEEK and WEEK.index(when) == weekday)
