"""When the last message of a campaign leaves, as far as limits, warm-ups and quiet hours say: counted hour by hour."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from samizdat.core.mail.rate import DAY, HOUR, Limit, QuietHours, most_of, pace_of, volume_of

# Hours that are counted: what takes longer than two months has no end that anybody could rely on. Nor does anybody wait
# for more routes than so many: both together are a tenth of a second.
LONGEST, MOST_ROUTES = 24 * 60, 10
# Where `SendCapacity.used` keeps what went on a day of the warm-up: (PLAN, the day's ordinal).
PLAN = 0


@dataclass(frozen=True, slots=True)
class SendCapacity:
    """What may go by a route or from a domain. speed: messages a second, None where nothing limits it. used: (seconds
    of a limit, 0) -> how many of it are used when the campaign begins; (PLAN, ordinal) -> how many went on that day.
    """

    speed: float | None = None
    limits: tuple[Limit, ...] = ()
    plan: tuple[int, ...] = ()
    since: date | None = None
    used: Mapping[tuple[int, int], int] = field(default_factory=dict)

    @property
    def pace(self) -> float:
        """Messages a second, by its limits as well; infinite where nobody knows."""
        return min(self.speed or math.inf, pace_of(self.limits) or math.inf)


class _Remaining:
    """What one of them may still take, while the hours pass. elapsed: seconds since the campaign began."""

    def __init__(self, capacity: SendCapacity) -> None:
        self.pace, self._of, self._used = capacity.pace, capacity, Counter(capacity.used)

    def _most(self, elapsed: int, day: date) -> dict[tuple[int, int], int]:
        most = {(limit.seconds, elapsed // limit.seconds): most_of(limit) for limit in self._of.limits}
        volume = volume_of(self._of.plan, self._of.since, day) if self._of.plan and self._of.since else None
        long = {at: count for at, count in most.items() if at[0] >= HOUR}
        return long if volume is None else long | {(PLAN, day.toordinal()): volume}

    def left(self, elapsed: int, day: date) -> float:
        return min((max(0, most - self._used[at]) for at, most in self._most(elapsed, day).items()), default=math.inf)

    def take(self, elapsed: int, day: date, count: int) -> None:
        for at in self._most(elapsed, day):
            self._used[at] += count


def last_leaves(
    people: int,
    begin: datetime,
    routes: Sequence[SendCapacity],
    *,
    zone: ZoneInfo,
    domain: SendCapacity | None = None,
    quiet: QuietHours | None = None,
) -> datetime | None:
    """Routes are used in this order, the next one where one is used up. None: nobody can know.

    begin: with its zone. zone: of the organization, whose days a warm-up counts. domain: the sender's own warm-up.
    """
    if not routes or math.isinf(routes[0].pace):
        return None
    rooms = [_Remaining(route) for route in routes[:MOST_ROUTES] if not math.isinf(route.pace)]
    shared, at = _Remaining(domain or SendCapacity()), begin.astimezone(UTC)
    start, clocks = at, ZoneInfo(quiet.zone) if quiet and quiet.zone else zone
    for _hour in range(LONGEST):
        seconds = float(HOUR)
        if quiet:
            at = (quiet.until(at.astimezone(clocks)) or at).astimezone(UTC)
            seconds = min(seconds, _until(quiet.begin, at.astimezone(clocks)))
        elapsed, day = int((at - start).total_seconds()), at.astimezone(zone).date()
        people, busy = _one_hour(people, seconds, (elapsed, day), rooms, shared)
        if people <= 0:
            return at + timedelta(seconds=busy)
        at += timedelta(seconds=seconds)
    return None


def _until(moment: time, clock: datetime) -> float:
    """Seconds until the clock shows it: more than none."""
    seconds = timedelta(hours=moment.hour - clock.hour, minutes=moment.minute - clock.minute, seconds=-clock.second)
    return seconds.total_seconds() % DAY or float(DAY)


def _one_hour(
    people: int, seconds: float, when: tuple[int, date], rooms: Sequence[_Remaining], shared: _Remaining
) -> tuple[int, float]:
    """How many are left after so many seconds, and how long something was sent."""
    busy = 0.0
    for room in rooms:
        count = int(min(people, (seconds - busy) * room.pace, room.left(*when), shared.left(*when)))
        for taker in (room, shared):
            taker.take(*when, count)
        people, busy = people - count, busy + count / room.pace
        if people <= 0 or seconds - busy < 1 / room.pace:
            break
    return people, busy
