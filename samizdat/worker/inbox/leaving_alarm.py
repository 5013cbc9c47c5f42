"""Whether unusually many leave a list, come back to it or choose fewer emails, by links.

Somebody may have everybody's links: a public process that was taken over, or whoever has the emails. An alarm names the
groups (clock hours) in which they did it, and an admin undoes it for all of them at once. It is looked at outside of
any transaction and behind those who leave: a list of many, or fifty lists, would keep all others waiting.
"""

import logging
import math
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import QuerySet

from samizdat.accounts.models import Organization
from samizdat.audience import queries as audience_queries
from samizdat.audience import sql as audience_sql
from samizdat.audience.actions.consent import BY_LINK
from samizdat.audience.consent_records import CROWDS, FEWER, LEFT, RETURNED, purpose_in, what_in
from samizdat.audience.models import SUBSCRIBED, List, ListTotal
from samizdat.core import consent
from samizdat.events.actions import detail_of, is_genuine, moment_of, record, whole_day
from samizdat.events.models import Event
from samizdat.logs import where_it_broke
from samizdat.worker.inbox.inbox import CLOCK_SLACK, SLICE

log = logging.getLogger("samizdat.worker")

# Seconds between two looks at one crowd, and of one round of looks.
EVERY, SECONDS = 10.0, 1.0
# Events that a look opens at the most (0.1 ms each), and of those that were opened before: transactions end in any
# order. Times at which somebody did something, by hour, that are remembered of one crowd, and of all (120 bytes each).
OPENED, AGAIN = 2000, 50
MOST, ALTOGETHER = 100_000, 300_000

# An alarm: more than this share of a list within an hour, and not just somebody's two aunts.
ALARM_SHARE = 0.02
ALARM_LEAST = 3


@dataclass(frozen=True, slots=True)
class Window:
    """More than `share` of a list, and at least `least` people, within `span` are an alarm."""

    name: str
    span: timedelta
    share: float
    least: int


# Whoever goes slowly stays below the first of them, and would have half of a list in a day. A letter makes 0.1 to 1 %
# leave, a bad one to a list that was long silent 3 %.
WINDOWS = (
    Window("hour", timedelta(hours=1), ALARM_SHARE, ALARM_LEAST),
    Window("day", timedelta(days=1), 0.1, 6),
    Window("week", timedelta(days=7), 0.2, 10),
)
# Where so many leave as a rule, an alarm takes this many times what is usual; but what is usual can be forged as well,
# by going slowly for a month, so it takes no more than twice the share.
ALARM_TIMES, ALARM_SHARE_MOST = 2, 2
USUAL = timedelta(days=28)
# Who comes back by a link has mostly left by mistake. More than this share of those who left within TAKES_BACK, and
# somebody else may press for them: by the hour they would be few. Whoever makes people leave as well would make that
# share small, so more than the second share of the whole list are an alarm however many left.
ALARM_RETURNED = 0.2
ALARM_RETURNED_OF_LIST = 0.01
# So long the link by which they left takes them back. It lies in their mailbox and in those it was forwarded to for
# ever, and a public process that was taken can make one for everybody who ever left. The pages say a week.
TAKES_BACK = timedelta(days=8)


def group_of(now: datetime) -> str:
    """Those who leave in one clock hour are one group: what an alarm names and what is undone together."""
    return now.astimezone(UTC).strftime("%Y-%m-%dT%H")


class Crowd(NamedTuple):
    """Those who do the same to one list. what: LEFT, RETURNED or FEWER."""

    organization: int
    what: str
    list_id: int
    purpose: str


_lock = threading.Lock()
# Crowds that somebody joined since they were looked at -> the newest group; when each was looked at last.
_due: dict[Crowd, str] = {}
_looked: dict[Crowd, float] = {}


def due(organization: Organization, what: str, list_id: int, purpose: str, group: str) -> None:
    """Somebody did it. A process that is killed before it looks forgets that; the next one who does it is enough."""
    with _lock:
        _due[Crowd(organization.id, what, list_id, purpose)] = group


def look(now: datetime) -> None:
    """Says of crowds that they are unusually large. Each is looked at every ten seconds at most, the one first that has
    waited longest, and for a second altogether."""
    began = time.monotonic()
    while time.monotonic() < began + SECONDS and (crowd := _next(began)):
        with _lock:
            group = _due.pop(crowd, None)
            _looked[crowd] = time.monotonic()
        try:
            if group is not None:  # Else another thread looks.
                _alarm(crowd, group, now)
        except Exception as error:  # What readers sent is taken up all the same.
            log.error("Whether unusually many unsubscribe could not be looked at: %s", where_it_broke(error))


def _next(now: float) -> Crowd | None:
    with _lock:
        for crowd in [crowd for crowd, at in _looked.items() if at + EVERY <= now and crowd not in _due]:
            del _looked[crowd]
        waiting = [crowd for crowd in _due if _looked.get(crowd, -math.inf) + EVERY <= now]
    return min(waiting, key=lambda crowd: _looked.get(crowd, -math.inf), default=None)


def _alarm(crowd: Crowd, group: str, now: datetime) -> None:
    """Says that unusually many leave a list, or its appeals, come back, or choose fewer letters: of each hour once."""
    organization = Organization.objects.filter(id=crowd.organization).first()
    if organization is None:
        return
    about = crowd.what, crowd.list_id, crowd.purpose
    detail = (_too_many_returned if crowd.what == RETURNED else _too_many)(organization, crowd, group, now)
    if not detail:
        return
    with transaction.atomic():
        List.objects.select_for_update(no_key=True).get(id=crowd.list_id)  # Of two processes one says it.
        if group not in _told(organization, *about, now - timedelta(hours=1)):
            record("subscribers.left_alarm", organization, now=now, about=crowd.list_id, detail=detail)


def _too_many(organization: Organization, crowd: Crowd, group: str, now: datetime) -> dict[str, object] | None:
    """What an alarm says, of the shortest window in which there are too many. Groups that were told are not counted
    again: they have an alarm, by which they are undone."""
    _organization, what, list_id, purpose = crowd
    still, seen = _still(list_id, purpose), None
    for window in WINDOWS:
        since = now - window.span
        # Each event tells of a slice at most, of fewer letters of one: on most days none has to be opened.
        least, each = max(window.least, window.share * still), 1 if what == FEWER else SLICE
        most = _events(organization, what, list_id, since)[: int(least / each) + 1].count() * each
        if most < window.least or most <= window.share * still:
            continue
        known_groups = _told(organization, what, list_id, purpose, since)
        if group in known_groups:
            return None
        seen = seen or _read(organization, crowd, what, group, now)
        did = seen.since(purpose, since, known_groups)
        count = _people(did)
        of = still if what == FEWER else still + count
        limit = 0.0 if seen.is_full else _limit(window, of, _usual(organization, what, list_id, purpose, since))
        if count >= window.least and count > limit:
            groups = sorted({*did, group})
            return _raised(what, groups, count, of, purpose) | {"window": window.name}
    return None


def _told(organization: Organization, what: str, list_id: int, purpose: str, since: datetime) -> set[str]:
    """Groups that alarms named."""
    alarms = _alarms_of(organization, what, list_id, purpose, since - timedelta(hours=1))
    return {group for _alarm, detail in alarms for group in detail["groups"]}


def _limit(window: Window, of: int, usual: Mapping[int, int]) -> float:
    """How many may do it in a window without an alarm. usual: days back -> people."""
    days = window.span.days
    share = window.share * of
    if not days:
        return share
    stretches: Counter[int] = Counter()
    for back, many in usual.items():
        stretches[back // days] += many
    fullest = sum(many for _stretch, many in stretches.most_common(3)) / 3
    return max(share, min(ALARM_TIMES * fullest, ALARM_SHARE_MOST * share))


def _usual(organization: Organization, what: str, list_id: int, purpose: str, until: datetime) -> dict[int, int]:
    """Days before `until` -> how many left the list by a link. Nothing else is counted by the day."""
    if (what, purpose) != (LEFT, consent.LETTERS):
        return {}
    last = until.astimezone(UTC).date() - timedelta(days=1)
    grown = audience_queries.growth(organization, last - USUAL, last, List.objects.get(id=list_id))
    left: Counter[int] = Counter()
    for row in grown:
        if row.way in BY_LINK:
            left[(last - row.day).days] += row.left
    return left


def _too_many_returned(organization: Organization, crowd: Crowd, group: str, now: datetime) -> dict[str, Any] | None:
    list_id, purpose = crowd.list_id, crowd.purpose
    since = now - TAKES_BACK
    for alarm, detail in _alarms_of(organization, RETURNED, list_id, purpose, since - timedelta(hours=1)):
        if group in detail["groups"]:
            return None
        since = max(since, alarm.at)  # Those before it were told.
    returned = _read(organization, crowd, RETURNED, group, now)
    did = returned.since(purpose, since)
    count = _people(did)
    if count < ALARM_LEAST:
        return None
    most = 0.0 if returned.is_full else ALARM_RETURNED_OF_LIST * _still(list_id, purpose)
    many = count >= WINDOWS[1].least and count > most
    left = _read(organization, crowd, LEFT, group, now)
    of = max(count, _people(left.since(purpose, now - TAKES_BACK)))
    if many or ((left.is_whole or left.is_full) and count > ALARM_RETURNED * of):
        return _raised(RETURNED, sorted({*did, group}), count, of, purpose)
    return None


def _raised(what: str, groups: list[str], count: int, of: int, purpose: str) -> dict[str, object]:
    return {"what": what, "groups": groups, "left": count, "of": of, "purpose": purpose}


def _alarms_of(
    organization: Organization, what: str, list_id: int, purpose: str, since: datetime
) -> Iterator[tuple[Event, dict[str, Any]]]:
    rows = Event.objects.select_related("organization").filter(
        organization=organization, kind="subscribers.left_alarm", about=list_id, at__gte=since
    )
    for alarm in filter(is_genuine, rows):
        detail = detail_of(alarm)
        if (what_in(detail), purpose_in(detail)) == (what, purpose):
            yield alarm, detail


def _people(groups: Mapping[str, Iterable[int]]) -> int:
    """One who left, came back and left again is no crowd."""
    return len({number for numbers in groups.values() for number in numbers})


@dataclass(slots=True)
class SeenEvents:
    """What was read of the events of a list: (purpose, group) -> number -> when they last did it, in seconds. Each is
    opened once, by a process: a few people who leave and come back all day write hundreds of thousands.

    newest, oldest: their numbers; everything in between was read, and is_whole, all before it that counts.
    """

    newest: int
    oldest: int
    is_whole: bool = False
    size: int = 0
    people: dict[tuple[str, str], dict[int, float]] = field(default_factory=dict)

    @property
    def is_full(self) -> bool:
        """Too many for any list: an alarm, however few of them are in a window. No more are read."""
        return self.size >= MOST

    def since(self, purpose: str, since: datetime, without: Container[str] = ()) -> dict[str, list[int]]:
        """Numbers of those who did it since then, by group."""
        first = since.timestamp()
        mine = {group: people for (about, group), people in self.people.items() if about == purpose}
        did = {
            group: [number for number, at in people.items() if at >= first]
            for group, people in mine.items()
            if group not in without
        }
        return {group: numbers for group, numbers in did.items() if numbers}

    def add(self, event: Event) -> None:
        detail, at = detail_of(event), moment_of(event).timestamp()
        people = self.people.setdefault((purpose_in(detail), str(detail["group"])), {})
        self.size -= len(people)
        for number in detail["numbers"]:
            people[number] = max(at, people.get(number, at))
        self.size += len(people)

    def forget(self, until: str) -> None:
        """Groups before this one."""
        for about in [about for about in self.people if about[1] < until]:
            self.size -= len(self.people.pop(about))


_reading = threading.Lock()
# The newest last, of (organization, what, list).
_seen: dict[tuple[int, str, int], SeenEvents] = {}


def _read(organization: Organization, crowd: Crowd, what: str, group: str, now: datetime) -> SeenEvents:
    """What is known by now of one of CROWDS, with OPENED more events. Where those are not all, the crowd that asks is
    looked at again."""

    def genuine(rows: QuerySet[Event]) -> Iterator[Event]:
        """Others don't count, nor do they move the marks."""
        return filter(is_genuine, rows.iterator(chunk_size=100))

    with _reading:
        events = _events(organization, what, crowd.list_id, now - TAKES_BACK)
        top = next(genuine(events.order_by("-id")), None)
        about = organization.id, what, crowd.list_id
        seen = _seen.pop(about) if about in _seen else SeenEvents(top.id if top else 0, top.id + 1 if top else 1)
        _seen[about] = seen
        # What was numbered before may be committed after.
        for event in genuine(events.filter(id__lte=seen.newest, id__gte=seen.oldest).order_by("-id")[:AGAIN]):
            seen.add(event)
        room = 0 if seen.is_full else OPENED
        for event in islice(genuine(events.filter(id__gt=seen.newest).order_by("id")), room):
            seen.add(event)
            seen.newest, room = event.id, room - 1
        for event in islice(genuine(events.filter(id__lt=seen.oldest).order_by("-id")), 0 if seen.is_whole else room):
            seen.add(event)
            seen.oldest, room = event.id, room - 1
        seen.is_whole = seen.is_whole or room > 0
        seen.forget(group_of(now - TAKES_BACK - timedelta(hours=1)))
        while sum(other.size for other in _seen.values()) > ALTOGETHER and len(_seen) > 1:
            del _seen[next(iter(_seen))]
    if not seen.is_full and (room == 0 or not seen.is_whole):
        with _lock:
            _due.setdefault(crowd, group)
    return seen


def _still(list_id: int, purpose: str) -> int:
    """How many have not left."""
    if purpose == consent.APPEALS:
        return audience_sql.count_asking(list_id, None)
    return ListTotal.objects.filter(list_id=list_id, status=SUBSCRIBED).values_list("count", flat=True).first() or 0


def groups_since(
    organization: Organization, what: str, list_id: int, purpose: str, since: datetime
) -> dict[str, list[int]]:
    """Numbers of those who did it since then, by group."""
    by_group: dict[str, list[int]] = defaultdict(list)
    for detail in details(organization, what, list_id, since):
        if purpose_in(detail) == purpose:
            by_group[str(detail["group"])] += detail["numbers"]
    return by_group


def details(organization: Organization, what: str, list_id: int, since: datetime) -> Iterator[dict[str, Any]]:
    """What the events of those who did it since then say. The newest first, so that a busy day is not opened whole for
    each hour of it."""
    events = _events(organization, what, list_id, since).order_by("-id").iterator(chunk_size=100)
    for event in filter(is_genuine, events):
        moment = moment_of(event)
        if moment < since - CLOCK_SLACK:
            break
        if moment >= since:
            yield detail_of(event)


def _events(organization: Organization, what: str, list_id: int, since: datetime) -> QuerySet[Event]:
    # The column tells the day alone.
    return Event.objects.select_related("organization").filter(
        organization=organization, kind=CROWDS[what], about=list_id, at__gte=whole_day(since)
    )
