"""Subscribers opened one after the other, faster than anybody reads: stopped, and told to all admins.

Whoever is signed in with somebody's stolen session may see what that person may see. This makes the list of thousands
a matter of weeks, with an alarm on the first day. What is counted is how many somebody opens, and it stands in the
memory of this process alone: when somebody worked is nobody's business. So do, for an hour, the numbers of those whose
letter or line was shown last, since a preview is made anew with every sentence that is written.
"""

import math
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from samizdat import dbclock
from samizdat.accounts.models import Organization, Person
from samizdat.core.mail.token_bucket import Bucket
from samizdat.events.actions import record
from samizdat.events.kinds import EventKind
from samizdat.events.models import Event
from samizdat.events.queries import was_said

ALARM: EventKind = "subscribers.read_limit_reached"

# So many at once, then one every two seconds: who looks for somebody leafs so fast, and for no more than a minute.
AT_ONCE, A_SECOND = 30, 0.5
# And so many in a row, then as many an hour: who works through a list by hand needs longer for each.
IN_A_ROW, AN_HOUR = 200, 200
# One alarm a day for each person is enough.
TOLD = timedelta(days=1)


@dataclass(slots=True)
class _Reading:
    """What one person has opened. `shown`: number -> when it was paid for, the oldest first. `learned`: results that
    told them of so many at once, each paid for once, with how often it was looked at since."""

    quick: Bucket = field(default_factory=lambda: Bucket(AT_ONCE, A_SECOND))
    slow: Bucket = field(default_factory=lambda: Bucket(IN_A_ROW, AN_HOUR / 3600))
    shown: dict[int, float] = field(default_factory=dict)
    learned: dict[tuple[str | int, ...], int] = field(default_factory=dict)

    def is_known(self, mark: tuple[str | int, ...], most: int | None = None) -> bool:
        """Remembers it. `most`: so often it is, then it is paid for again."""
        times = self.learned.get(mark)
        if times is not None and (most is None or times < most):
            self.learned[mark] = times + 1
            return True
        self.learned[mark] = 0
        if len(self.learned) > REMEMBERED:
            del self.learned[next(iter(self.learned))]
        return False

    def take(self, many: int, at: float) -> float:
        wait = max(self.quick.wait(at, many), self.slow.wait(at, many))
        if not wait and many:
            self.quick.take(at, many)
            self.slow.take(at, many)
        return wait

    def is_over(self, at: float) -> bool:
        return self.quick.is_full(at) and self.slow.is_full(at)


_lock = threading.Lock()
# By (organization, person).
_held: dict[tuple[int, int], _Reading] = {}
# Those that are full are forgotten beyond this.
MANY = 1000
# Who was shown is shown again for nothing for so long, in seconds; of each person so many are remembered.
AGAIN, REMEMBERED = 3600, IN_A_ROW
# A draft that saves itself while somebody writes says each time how many get it.
REPEATS = 20


def open_some(organization: Organization, person: Person, many: int, now: datetime) -> int:
    """Somebody opens so many. 0: they may. Otherwise they have to wait so many seconds, and the admins are told."""
    seconds = _take((organization.pk, person.pk), many, dbclock.ticks())
    if seconds:
        _tell(organization, person, now)
    return seconds


def spend(organization: Organization, person: Person, many: int) -> None:
    """What somebody learned of so many is known only now that it is done: of what they may open at once, as much is
    taken as is left, and nothing is refused."""
    with _lock:
        at = dbclock.ticks()
        reading = _of((organization.pk, person.pk), at)
        next((left for left in range(min(many, AT_ONCE), 0, -1) if not reading.take(left, at)), 0)


def learn(organization: Organization, person: Person, kind: str, about: int, many: int) -> None:
    """The same of a result that somebody may look at again, such as how many addresses of a file are here."""
    with _lock:
        if _of((organization.pk, person.pk), dbclock.ticks()).is_known((kind, about, many)):
            return
    spend(organization, person, many)


def ask(organization: Organization, person: Person, question: str, now: datetime) -> int:
    """A question about values of subscribers counts as one who is opened, and is answered again REPEATS times: somebody
    may have put other people under the tag that it asks for. Seconds as of `open_some`."""
    seconds, at = 0, dbclock.ticks()
    with _lock:
        reading = _of((organization.pk, person.pk), at)
        if not reading.is_known((question,), REPEATS):
            seconds = math.ceil(reading.take(1, at))
            if seconds:
                del reading.learned[(question,)]
    if seconds:
        _tell(organization, person, now)
    return seconds


def import_rows(organization: Organization, person: Person, many: int) -> bool:
    """Somebody imports so many rows, and may see afterwards who of them was here: whether they may begin alone. One
    file is one step, so it is counted toward those in a row only: a list that is cut into small files is one list."""
    with _lock:
        at = dbclock.ticks()
        return many <= AT_ONCE and not _of((organization.pk, person.pk), at).slow.take(at, many)


def show(organization: Organization, person: Person, numbers: Iterable[int], now: datetime) -> tuple[int, set[int]]:
    """The same of these subscribers, of whom those are counted that this person was not shown in the last hour: they
    are the second that is returned."""
    seconds, anew = _show((organization.pk, person.pk), numbers, dbclock.ticks())
    if seconds:
        _tell(organization, person, now)
    return seconds, anew


def show_page(
    organization: Organization, person: Person, numbers: Iterable[int], now: datetime
) -> tuple[int, set[int]]:
    """The same of a page of them, or of what a search found: that is one step, so it is counted toward those in a row
    only."""
    seconds, anew = _show((organization.pk, person.pk), numbers, dbclock.ticks(), page=True)
    if seconds:
        _tell(organization, person, now)
    return seconds, anew


def _tell(organization: Organization, person: Person, now: datetime) -> None:
    if not _is_told(organization, person, now):
        record(ALARM, organization, now=now, about=person.pk, by=person)


def forget() -> None:
    """As in a process that begins: for tests."""
    with _lock:
        _held.clear()


def alarms(organization: Organization, now: datetime) -> list[Event]:
    """Of the last day, the newest first."""
    rows = Event.objects.select_related("organization", "by").filter(organization=organization, kind=ALARM)
    return list(rows.filter(at__gt=now - TOLD).order_by("-id")[:10])


def _take(who: tuple[int, int], many: int, at: float) -> int:
    with _lock:
        return math.ceil(_of(who, at).take(many, at))


def _show(who: tuple[int, int], numbers: Iterable[int], at: float, *, page: bool = False) -> tuple[int, set[int]]:
    with _lock:
        reading = _of(who, at)
        shown = {number: since for number, since in reading.shown.items() if at - since < AGAIN}
        anew = set(numbers) - shown.keys()
        wait = reading.slow.take(at, len(anew)) if page and anew else reading.take(len(anew), at)
        if not wait:
            shown |= dict.fromkeys(anew, at)
            reading.shown = dict([*shown.items()][-REMEMBERED:])
        return math.ceil(wait), anew


def _of(who: tuple[int, int], at: float) -> _Reading:
    if len(_held) > MANY:
        for other in [key for key, reading in _held.items() if reading.is_over(at)]:
            del _held[other]
    return _held.setdefault(who, _Reading())


def _is_told(organization: Organization, person: Person, now: datetime) -> bool:
    return was_said(organization, ALARM, now - TOLD, about=person.pk)
