"""How fast, how long and how often: tables of numbers, and arithmetic that is given the time."""

import json
import math
import re
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta

from samizdat.core.mail.retry_schedule import GIVE_UP, RETRY_WAITS

# Without a limit of the route we aim for this many messages a second: one core makes about twice as many, and
# a relay that answers after 20 ms then gets as many connections as its limit allows.
AIM = 5000.0

# A route that asks for patience keeps its messages; not for longer than this many seconds, and not for a reason that
# only a day or a purse ends.
LONG_WAIT = 900
PATIENT = ("rate", "busy")

# Even an immediate relay gets a few, so that one slow answer does not stop everything.
FEWEST = 4

MINUTE, HOUR, DAY = 60, 3600, 86400
UNITS = {
    "s": 1,
    "sec": 1,
    "second": 1,
    "m": 60,
    "min": 60,
    "minute": 60,
    "h": 3600,
    "hour": 3600,
    "d": 86400,
    "day": 86400,
}

RATE = re.compile(r"\s*(\d{1,9}(?:\.\d{1,6})?)\s*/\s*([a-z]+?)s?\s*", re.IGNORECASE)
TOLD = re.compile(
    r"\b(?:in|after|for|wait|within|retry-after:?)\s+(?:(?:at least|about|another)\s+)?"
    r"(\d{1,7})\s*(s|sec|second|m|min|minute|h|hour|d|day)s?\b",
    re.IGNORECASE,
)


# Code -> what is wrong with a rate, then what to write.
SENTENCES = {
    "no_rate": "“{text}” isn’t a valid rate. Write a number and a unit, such as 10/s, 600/m, 5000/h or 50000/d.",
    "no_speed": "A rate must be above zero. To send nothing by a route, pause it.",
    "twice": "“{text}” uses the same unit twice. Write one limit per unit, such as 10/s,5000/h,20000/d.",
    "no_plan": "“{text}” isn’t a valid plan. Write how many emails are sent on the first day, the second and so "
    "on, such as 50,100,200,400.",
    "no_quiet": "“{text}” aren’t valid quiet hours. Write them like 22:00-07:00 or 22:00-07:00 Europe/Riga.",
}


class BadRate(ValueError):
    """A rate, plan or hours nobody can read: `code` of SENTENCES, `values` for its holes; the text is in English."""

    def __init__(self, code: str, **values: str) -> None:
        self.code, self.values = code, values
        self.sentence = SENTENCES[code]
        super().__init__(self.sentence.format(**values))


@dataclass(frozen=True, slots=True, order=True)
class Limit:
    """At most `count` messages in `seconds`."""

    seconds: int
    count: float

    def __str__(self) -> str:
        unit = next(letter for letter, seconds in UNITS.items() if seconds == self.seconds)
        return f"{self.count:.10g}/{unit}"


def parse_limits(text: str) -> tuple[Limit, ...]:
    """'10/s,5000/h,20000/d': several limits at once, the shortest time first. Empty text: none. Errors: BadRate."""
    by_seconds: dict[int, Limit] = {}
    for part in text.split(",") if text.strip() else ():
        match = RATE.fullmatch(part)
        seconds = UNITS.get(match[2].lower()) if match else None
        if not match or seconds is None:
            raise BadRate("no_rate", text=text[:60])
        count = float(match[1])
        if count <= 0 or (seconds == DAY and count < 1):
            raise BadRate("no_speed")
        if seconds in by_seconds:
            raise BadRate("twice", text=text[:60])
        by_seconds[seconds] = Limit(seconds, count)
    limits = sorted(by_seconds.values())
    return (_finest(limits[0]), *limits[1:]) if limits else ()


def _finest(limit: Limit) -> Limit:
    """600/m is 10/s: the first limit says how far messages are apart, and that is the same."""
    for seconds in (1, 60):
        many = limit.count * seconds / limit.seconds
        if limit.seconds < DAY and seconds < limit.seconds and many >= 1 and abs(many - round(many)) < 1e-6:
            return Limit(seconds, float(round(many)))
    return limit


def limits_text(limits: Sequence[Limit]) -> str:
    return ",".join(map(str, limits))


def pace_of(limits: Sequence[Limit]) -> float | None:
    """Messages a second at which they are spread out. A day's limit spreads nothing: what it allows goes at once."""
    return limits[0].count / limits[0].seconds if limits and limits[0].seconds < DAY else None


# --- what a route may send: one row that all senders draw from ---

# A window is counted in so many slots; what was used is free again when the whole slot has left the window, so no
# window of that length ever holds more than the limit, wherever it begins.
SLOTS = 144
# A draw is good for so many seconds of the route's pace; how far ahead of now one may reach.
BATCH = 0.5
AHEAD = 2.0
# Nor is one draw more than this part of any limit, for what a killed sender had drawn is gone; but for a few always.
PART = 0.02
FEW = 10
# Of a large limit an hour or a day one in a hundred is left for confirmations: those never wait for a campaign.
LARGE = 1000
KEPT = 0.01


@dataclass(frozen=True, slots=True)
class SpentRate:
    """What a route has used, and from when the next message may go (seconds since 1970). used: window -> slot -> count.

    of_day: how many on the day with the ordinal `day`, by the organization's calendar.
    """

    next: float = 0.0
    used: Mapping[int, Mapping[int, int]] = field(default_factory=dict)
    day: int = 0
    of_day: int = 0


@dataclass(frozen=True, slots=True)
class Today:
    """A day of a warm-up: its ordinal, how many may go on it (None: as many as there are), when the next one begins."""

    day: int
    volume: int | None = None
    ends: float = 0.0


@dataclass(frozen=True, slots=True)
class DrawnRate:
    """`count` messages may go, the first at `begin`, the others `gap` seconds apart. None of them: not before `until`,
    because of `why`: "pace", "limit" or "warm_up"."""

    spent: SpentRate
    count: int
    begin: float = 0.0
    gap: float = 0.0
    until: float = 0.0
    why: str = ""


def draw(
    limits: Sequence[Limit], spent: SpentRate, now: float, wanted: int, today: Today, first: bool = False
) -> DrawnRate:
    """Take up to `wanted` messages out of what a route may send. first: a confirmation, for which some is kept.

    What is drawn counts as used, whatever becomes of it: a sender that dies sends less, never more.
    """
    spent = _tidy(limits, spent, now, today)
    pace = pace_of(limits)
    begin = max(now, spent.next) if pace else now
    if pace and begin - now > AHEAD and not first:
        return DrawnRate(spent, 0, until=begin - AHEAD, why="pace")
    count, until, why = wanted, now, ""
    if pace:
        count = min(count, max(1, int(pace * BATCH)))
    for limit in _windows(limits):
        left = most_of(limit, first) - sum(spent.used.get(limit.seconds, {}).values())
        count = max(0, min(count, left, max(FEW, int(limit.count * PART))))
        if left <= 0 and (free := _free_again(limit, spent, first)) > until:
            until, why = free, "limit"
    if today.volume is not None and not first:
        count = max(0, min(count, today.volume - spent.of_day))
        if spent.of_day >= today.volume and today.ends > until:
            until, why = today.ends, "warm_up"
    if count <= 0:
        return DrawnRate(spent, 0, until=until, why=why)
    gap = 1.0 / pace if pace else 0.0
    return DrawnRate(_use(limits, spent, count, begin + count * gap), count, begin, gap)


def give_back(limits: Sequence[Limit], spent: SpentRate, now: float, count: int, today: Today) -> SpentRate:
    """Messages that were drawn and surely not sent, the newest first. Their places in the pace have passed."""
    spent = _tidy(limits, spent, now, today)
    used = {}
    for seconds, slots in spent.used.items():
        left, kept = count, {}
        for slot in sorted(slots, reverse=True):
            taken = min(left, slots[slot])
            left -= taken
            if slots[slot] > taken:
                kept[slot] = slots[slot] - taken
        used[seconds] = kept
    return replace(spent, used=used, of_day=max(0, spent.of_day - count))


def used_of(limit: Limit, spent: SpentRate, now: float) -> int:
    """How many count against this limit now."""
    return sum(_tidy((limit,), spent, now, Today(spent.day)).used.get(limit.seconds, {}).values())


def most_of(limit: Limit, first: bool = False) -> int:
    """What campaigns may use of a limit."""
    kept = int(limit.count * KEPT) if limit.count >= LARGE and limit.seconds >= HOUR and not first else 0
    return max(1, int(limit.count)) - kept


def _windows(limits: Sequence[Limit]) -> Sequence[Limit]:
    """The limits that are counted. The first one is kept by the pace alone, unless it is a day's."""
    return limits if limits and limits[0].seconds == DAY else limits[1:]


def _slot(seconds: int, now: float) -> int:
    return math.floor(now * SLOTS / seconds)


def _tidy(limits: Sequence[Limit], spent: SpentRate, now: float, today: Today) -> SpentRate:
    """Without what is over. What a clock that was wrong has put into the future counts as of now."""
    pace = pace_of(limits)
    latest = now + AHEAD + (max(BATCH, 1 / pace) if pace else 0.0)
    used = {}
    for seconds, slots in spent.used.items():
        first, last = _slot(seconds, now) - SLOTS, _slot(seconds, latest)
        kept: dict[int, int] = {}
        for slot, count in slots.items():
            if slot >= first:
                kept[min(slot, last)] = kept.get(min(slot, last), 0) + count
        used[seconds] = kept
    of_day = spent.of_day if spent.day == today.day else 0
    return SpentRate(min(spent.next, latest), used, today.day, of_day)


def _free_again(limit: Limit, spent: SpentRate, first: bool) -> float:
    """When so much has left the window that one more may go."""
    slots = spent.used.get(limit.seconds, {})
    over = sum(slots.values()) - most_of(limit, first) + 1
    for slot in sorted(slots):
        over -= slots[slot]
        if over <= 0:
            return (slot + SLOTS + 1) * limit.seconds / SLOTS
    return 0.0


def _use(limits: Sequence[Limit], spent: SpentRate, count: int, free: float) -> SpentRate:
    """free: when the last of them has gone. That is the moment that counts for the windows."""
    used = {seconds: dict(slots) for seconds, slots in spent.used.items()}
    # An hour and a day are counted beside any other limit: one that is set later finds what went before.
    for seconds in {HOUR, DAY, *(limit.seconds for limit in _windows(limits))}:
        slots, slot = used.setdefault(seconds, {}), _slot(seconds, free)
        slots[slot] = slots.get(slot, 0) + count
    return SpentRate(free, used, spent.day, spent.of_day + count)


def spent_text(spent: SpentRate) -> str:
    """For the row that keeps it."""
    used = {str(seconds): sorted(slots.items()) for seconds, slots in sorted(spent.used.items())}
    return json.dumps([spent.next, spent.day, spent.of_day, used], separators=(",", ":"))


def read_spent(text: str) -> SpentRate:
    """What spent_text wrote; empty text: nothing was used."""
    if not text:
        return SpentRate()
    at, day, of_day, used = json.loads(text)
    return SpentRate(at, {int(seconds): dict(slots) for seconds, slots in used.items()}, day, of_day)


# --- a sender's own part of it ---


class RateMeter:
    """What one sender has drawn and not used yet, on its own monotonic clock. No lock, no statement."""

    # What is drawn for a moment is good for a little longer: an event loop comes late. After that it is given back.
    GRACE = 0.5

    __slots__ = ("_at", "_count", "_end", "_gap", "_later", "asked", "left", "lost", "not_before", "size")

    def __init__(self) -> None:
        self._later: deque[tuple[int, float, float]] = deque()  # count, begin, gap of draws that follow
        self._count = 0  # Of the draw that is being used: how many are left, when the next may go, until when.
        self._at = self._gap = self._end = 0.0
        self.left = 0  # In all.
        self.lost = 0  # Drawn and not used in time: to be given back.
        self.size = 0  # Of the last draw.
        self.asked = False
        self.not_before = 0.0  # Nothing is to be had before.

    def grant(self, count: int, begin: float, gap: float) -> None:
        self.asked, self.size = False, count
        self.left += count
        self._later.append((count, begin, gap))

    def ready(self, now: float) -> bool:
        """May one go at this moment?"""
        if self._count and now <= self._end:
            return now >= self._at
        return self._next(now)

    def _next(self, now: float) -> bool:
        """To the next draw that is still good."""
        while True:
            self.lost += self._count
            self.left -= self._count
            self._count = 0
            if not self._later:
                return False
            self._count, self._at, self._gap = self._later.popleft()
            self._end = self._at + self._count * self._gap + self.GRACE if self._gap else math.inf
            if now <= self._end:
                return now >= self._at

    def use(self) -> None:
        """One goes. Only after ready()."""
        self._count -= 1
        self.left -= 1
        self._at += self._gap

    def wait(self, now: float) -> float | None:
        """Seconds until one may go; None: nothing is drawn."""
        if self.ready(now):
            return 0.0
        return max(0.0, self._at - now) if self._count else None

    def empty(self) -> int:
        """Takes everything out: so many were drawn and not used."""
        unused = self.left + self.lost
        self._later.clear()
        self._count = self.left = self.lost = 0
        return unused


# --- clocks that are set ---

# A wall clock that has moved so much more or less than a clock that nobody can set was set itself.
JUMP = timedelta(minutes=1)
# After that nothing is given up or thrown away for being old until somebody may have seen it ...
PATIENCE = timedelta(hours=1)
# ... and nothing that was planned begins before it is clear whether the clock is set back at once.
SETTLE = timedelta(minutes=1)
# The longest that anything is put off. A time further ahead was written while the clock was wrong.
LONGEST_WAIT = timedelta(days=2)


def jump(before: tuple[datetime, float], after: tuple[datetime, float]) -> timedelta:
    """By how much the wall clock was set between two looks at it and at a clock that nobody can set, in seconds. Zero
    where it was only a little off."""
    difference = after[0] - before[0] - timedelta(seconds=after[1] - before[1])
    return difference if abs(difference) > JUMP else timedelta()


def due_after(due: datetime, now: datetime, by: timedelta) -> datetime:
    """A time to do something again, after the clock was set `by` so much to `now`: as long ahead as it was before."""
    before = now - by
    if due <= before:
        return min(due, now)
    return now + (due - before if due - before <= LONGEST_WAIT else RETRY_WAITS[0])


def first_after(first: datetime, now: datetime, by: timedelta) -> datetime:
    """When something was first tried: as long ago as it was before. What was no age before the clock was set was
    written while it was wrong: its age begins anew."""
    age = now - by - first
    return now - age if -JUMP <= age <= GIVE_UP + LONGEST_WAIT else now


# --- who leaves gets nothing more ---

# Seconds that something a reader sent may wait before nothing is fed: with what was asked just before it was taken up
# (engine/slices.SLICE_SECONDS) and half a second of looking, nobody gets anything ten seconds after they left.
UNTAKEN = 4.0
# Then the campaign says why it waits.
UNTAKEN_SAID = 10.0
# So long a look at what readers sent is good for. Looks are half a second apart; where one was late (a database that
# kept its sender waiting for a lock of a worker that stands still), people may have left meanwhile whom nobody saw.
UNTAKEN_SEEN = 2.0
# A worker that works and does not get through holds sends so long and no longer: else whoever fills the intake stops
# them for ever. One that stands still holds them until it goes on.
SWAMPED = 600.0


@dataclass(slots=True)
class _Backlog:
    seen: deque[tuple[float, int]] = field(default_factory=deque)  # When which row was the last one.
    first: int = 0
    moved: float = 0.0  # When the first one was another than before.
    held: float | None = None  # Since when it holds sends.


class IntakeBacklog[Place]:
    """Since when something that readers sent to a place has not been looked at, by a sender's own monotonic clock."""

    def __init__(self) -> None:
        self._places: dict[Place, _Backlog] = {}
        self._looked: float | None = None

    def look(self, ranges: Mapping[Place, tuple[int, int]], now: float) -> None:
        """ranges: the first and the last row that nobody has looked at. What is new may have come right after the look
        before. What lies there at the first look is old: nobody knows since when."""
        for place in self._places.keys() - ranges.keys():
            del self._places[place]
        at = now - UNTAKEN - 1 if self._looked is None else self._looked
        self._looked = now
        for place, (first, last) in ranges.items():
            waiting = self._places.setdefault(place, _Backlog())
            if first != waiting.first:
                waiting.first, waiting.moved = first, now
            while waiting.seen and waiting.seen[0][1] < first:
                waiting.seen.popleft()
            if not waiting.seen or waiting.seen[-1][1] < last:
                waiting.seen.append((at, last))
            if now - waiting.seen[0][0] <= UNTAKEN:
                waiting.held = None
            elif waiting.held is None:
                waiting.held = now

    def age(self, place: Place, now: float) -> float:
        """Seconds that the oldest of it has waited at most; 0 where that holds nothing."""
        waiting = self._places.get(place)
        if waiting is None:
            blind = 0.0 if self._looked is None else now - self._looked
            return blind if blind > UNTAKEN_SEEN else 0.0
        if waiting.held is not None and now - waiting.held > SWAMPED and now - waiting.moved < UNTAKEN_SAID:
            return 0.0
        return now - waiting.seen[0][0]


# --- connections ---


def connections_of(total: int, place: int, senders: int, others: int) -> int:
    """How many connections the sender on `place` (from 0) of so many may hold, when the others hold `others` now.

    Fair parts; a part that another one has not given back yet has to be waited for.
    """
    fair = total // senders + (1 if place < total % senders else 0)
    return max(0, min(fair, total - others))


# --- mailbox providers ---

# A provider that asks for patience gets half as much, a little more every minute, and all of it after an hour.
HALF = 0.5
GROWN = 3600.0
SLOWEST = 1 / 60
# Many messages are under way at once: their answers within so many seconds are one complaint.
ONE_COMPLAINT = 10.0
# Nobody is tried again sooner, and nobody waits longer for their turn: by then it has grown.
SOONEST = 30.0
LATEST = 1800.0


@dataclass(frozen=True, slots=True)
class SlowedRate:
    """A mailbox provider that asked for patience: `rate` a second since `at`, `full` before. Nothing before `hold`."""

    rate: float
    full: float
    at: float
    hold: float = 0.0


def slow_down(state: SlowedRate | None, seen: float, now: float, wait: float = 0.0) -> SlowedRate:
    """After a 421 or 4.7.x: half of what it gets now. `seen`: messages a second to it when it first complains."""
    hold = now + max(wait, SOONEST)
    if state is not None and (before := allowed(state, now)) is not None:
        if now - state.at < ONE_COMPLAINT:
            return replace(state, hold=max(state.hold, hold))
        return SlowedRate(max(SLOWEST, before * HALF), state.full, now, max(state.hold, hold))
    full = max(seen, SLOWEST * 2)
    return SlowedRate(max(SLOWEST, full * HALF), full, now, hold)


def allowed(state: SlowedRate, now: float) -> float | None:
    """Messages a second that it gets now: a steady part of `full` more each minute. None: as many as there are."""
    rate = state.rate + state.full * max(0.0, now - max(state.at, state.hold)) / GROWN
    return rate if rate < state.full else None


class RateTurns:
    """One sender's messages to one slowed provider: each goes when it is its turn, or is put off until then."""

    __slots__ = ("_next", "_tail", "share", "state")

    def __init__(self, state: SlowedRate, share: float = 1.0) -> None:
        self.state = state
        self.share = share  # Of the rate, when several senders share it.
        self._next = self._tail = 0.0

    def turn(self, now: float) -> float | None:
        """0: it goes now. Otherwise in so many seconds. None: nobody waits any more."""
        rate = allowed(self.state, now)
        if rate is None:
            return None
        gap = 1.0 / (rate * self.share)
        if now >= self.state.hold and now >= self._next:
            self._next = now + gap
            return 0.0
        return self._later(now, gap)

    def wait(self, now: float, retry_after: float = 0.0) -> float:
        """Seconds until the next turn of one that was sent back."""
        return max(retry_after, self._later(now, 1.0 / ((allowed(self.state, now) or self.state.full) * self.share)))

    def _later(self, now: float, gap: float) -> float:
        """Turns are handed out one after the other, so that those put off do not all come back at once."""
        latest = now + max(LATEST, self.state.hold - now)
        self._tail = min(max(self._tail + gap, self.state.hold, now + SOONEST), latest)
        return self._tail - now


def to_blame(complaints: Mapping[int, int], provider: int) -> bool:
    """Is it this provider, and not the relay itself? Only when nearly all complaints of late are about it."""
    return provider != 0 and complaints.get(provider, 0) * 4 >= sum(complaints.values()) * 3


# --- a warm-up ---

# A new address is trusted slowly: about double the day before's, as large receivers advise for new senders.
WARM_UP = (50, 100, 200, 400, 800, 1_500, 3_000, 6_000, 12_000, 25_000, 50_000, 100_000)
LONGEST_PLAN = 90


def parse_plan(text: str) -> tuple[int, ...]:
    """'50, 100, 200': messages on the first day, the second ... 'standard': WARM_UP. Empty: none. Errors: BadRate."""
    if not text.strip():
        return ()
    if text.strip().lower() == "standard":
        return WARM_UP
    parts = [part.strip() for part in text.split(",")]
    good = len(parts) <= LONGEST_PLAN and all(p.isascii() and p.isdecimal() and 0 < int(p[:10]) < 10**9 for p in parts)
    if not good:
        raise BadRate("no_plan", text=text[:60])
    return tuple(map(int, parts))


def volume_of(plan: Sequence[int], started: date, today: date) -> int | None:
    """How many may go on this day of the plan; None once it is over. Before its first day: as on it."""
    place = max(0, (today - started).days)
    return plan[place] if place < len(plan) else None


# --- quiet hours ---

QUIET = re.compile(r"(?<!\s)\s*+(\d{1,2}):(\d{2})\s*[-–]\s*(\d{1,2}):(\d{2})(?:\s+([A-Za-z0-9_+/-]{1,60}))?\s*")


@dataclass(frozen=True, slots=True)
class QuietHours:
    """From `begin` to `end` by the wall clock nothing leaves; over midnight where the end comes first. zone: a name of
    the time zone database, empty for that of the organization."""

    begin: time
    end: time
    zone: str = ""

    def __str__(self) -> str:
        return f"{self.begin:%H:%M}-{self.end:%H:%M}" + (f" {self.zone}" if self.zone else "")

    def until(self, now: datetime) -> datetime | None:
        """The end of the quiet hours that `now`, in their own zone, lies in; None when it lies in none."""
        clock = now.time().replace(tzinfo=None)
        inside = self.begin <= clock < self.end if self.begin < self.end else not self.end <= clock < self.begin
        if not inside:
            return None
        day = now.date() if clock < self.end else now.date() + timedelta(days=1)
        return datetime.combine(day, self.end, now.tzinfo)


def parse_quiet(text: str) -> QuietHours | None:
    """'22:00-07:00' or '22:00-07:00 Europe/Riga'; empty and 'none': no quiet hours. Errors: BadRate."""
    if not text.strip() or text.strip().lower() == "none":
        return None
    match = QUIET.fullmatch(text)
    if match and int(match[1]) < 24 and int(match[3]) < 24 and int(match[2]) < 60 and int(match[4]) < 60:
        begin, end = time(int(match[1]), int(match[2])), time(int(match[3]), int(match[4]))
        if begin != end:
            return QuietHours(begin, end, match[5] or "")
    raise BadRate("no_quiet", text=text[:60])


# --- a first wave ---

# Below so many answers a share of refusals is chance.
FEWEST_ANSWERS = 20


def first_wave(numbers: Sequence[int], percent: int) -> tuple[list[int], list[int]]:
    """Every so manieth of them, so that old and new are in it alike, and the rest. At least one of any."""
    first = [n for i, n in enumerate(numbers) if -(-(i + 1) * percent // 100) > -(-i * percent // 100)]
    chosen = set(first)
    return first, [number for number in numbers if number not in chosen]


def too_many_refused(accepted: int, refused: int, stop_above: float, over: bool) -> bool:
    """Were more than `stop_above` per cent of the answers refusals? While the wave runs only once there are some."""
    answers = accepted + refused
    if not answers or (not over and answers < FEWEST_ANSWERS):
        return False
    return refused * 100 > stop_above * answers


def connections_for(rate: float | None, latency: float, limit: int) -> int:
    """How many connections carry `rate` messages a second when one answer takes `latency` seconds.

    Measured (send-limits, "more connections buy latency hiding"): rate = connections / latency. The latency
    must be the smallest one seen, not the average: the average grows with our own queue, and would ask for
    ever more.
    """
    fewest = min(FEWEST, math.ceil(rate)) if rate else FEWEST
    return max(1, min(limit, max(fewest, math.ceil((rate or AIM) * latency))))


def seconds_told(text: str) -> int | None:
    """The wait that an answer names: 'Try again in 92 seconds' is 92. None when it names none; a day at the
    most.
    """
    match = TOLD.search(text)
    return min(86400, int(match[1]) * UNITS[match[2].lower()]) if match else None
