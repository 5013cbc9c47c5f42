"""Named reads of the log. Details stay sealed here; events.actions.detail_of opens one."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, tzinfo
from itertools import islice
from math import inf

from django.db.models import Q, QuerySet

from samizdat.events.actions import OF_CROWDS, OF_PEOPLE, is_genuine
from samizdat.events.models import Event
from samizdat.events.sql import numbers_about
from samizdat.vault.keyring import HasKeys
from samizdat.vault.locks import unlocked


def newest(organization: HasKeys, limit: int = 20, kinds: Iterable[str] = (), before: int | None = None) -> list[Event]:
    """The newest events that we wrote, of these kinds or of all; `before` pages on by number.

    Each kind is asked for apart: SQLite walks back through the whole log when two kinds are rare (165 ms of 200,000).
    """
    wanted = Q(organization_id=organization.id)
    if before is not None:
        wanted &= Q(id__lt=before)
    apart = [wanted & Q(kind=kind) for kind in kinds] or [wanted]
    rows = Event.objects.select_related("organization", "by")
    events = [event for condition in apart for event in islice(_ours(rows.filter(condition)), limit)]
    return sorted(events, key=lambda event: event.id, reverse=True)[:limit]


def about(organization: HasKeys, kind: str, number: int) -> Event | None:
    """The newest event of one kind about one row, that we wrote: about(organization, "campaign.tested", 14)."""
    rows = Event.objects.select_related("organization", "by").filter(
        organization_id=organization.id, kind=kind, about=number
    )
    return next(_ours(rows), None)


def believed(numbers: Iterable[int]) -> Iterator[Event]:
    """Of events about rows, by number, those that we wrote; in place of another one the newest of ours of its kind."""
    for event in Event.objects.select_related("organization").filter(id__in=[*numbers]):
        if is_genuine(event):
            yield event
        elif event.organization and event.about is not None:
            yield from filter(None, [about(event.organization, event.kind, event.about)])


def last_about(organization: HasKeys, kinds: Iterable[str], number: int) -> Event | None:
    """The newest event of several kinds about one row, that we wrote: what became of it. None where another one stands
    behind it in the log: on PostgreSQL whoever writes the database has a later event get a lower number."""
    numbers = [event for _row, event in numbers_about([*kinds], [number])]
    if not numbers:
        return None
    # By number: for several kinds, SQLite would walk through the whole log (93 ms of 200,000).
    rows = Event.objects.select_related("organization", "by").filter(organization_id=organization.id, pk__among=numbers)
    events = [*_ours(rows)]
    return events[0] if events and not any(follows(event, events[0]) for event in events[1:]) else None


def follows(event: Event, other: Event) -> bool:
    """Whether one event stands in the log behind another; those that are not linked yet stand behind all, by number."""
    place, before = ((inf if row.position is None else row.position, row.id) for row in (event, other))
    return place > before


def last(organization: HasKeys, kind: str) -> Event | None:
    """The newest event of one kind that we wrote: much is done, or not, because of it."""
    rows = Event.objects.select_related("organization", "by").filter(organization_id=organization.id, kind=kind)
    return next(_ours(rows), None)


def was_said(organization: HasKeys | None, kind: str, since: datetime, about: int | None = None) -> bool:
    """Whether we wrote such an event after that moment. One that somebody else wrote keeps no news back."""
    whose = Q(organization=None) if organization is None else Q(organization_id=organization.id)
    rows = Event.objects.filter(whose, kind=kind, at__gt=since)
    return any(_ours(rows if about is None else rows.filter(about=about)))


@dataclass(frozen=True, slots=True)
class LogFilter:
    """What of the log is asked for. kinds: None for all. by: number of a person, 0 for what nobody on the team did.
    since, until: days of `zone`, both included; what is of subscribers stands under its day in UTC."""

    kinds: Collection[str] | None = None
    by: int | None = None
    since: date | None = None
    until: date | None = None
    zone: tzinfo = UTC


def log(organization: HasKeys, wanted: LogFilter, before: int | None = None) -> QuerySet[Event]:
    """Events, the newest first, also what somebody else wrote; `before` pages on by number."""
    rows = Event.objects.select_related("organization", "by").filter(organization_id=organization.id)
    if wanted.kinds is not None:
        rows = rows.filter(kind__in=wanted.kinds)
    if wanted.by is not None:
        rows = rows.filter(by=wanted.by or None)
    if wanted.since:
        rows = rows.filter(_from(wanted.since, wanted.zone))
    if wanted.until:
        rows = rows.exclude(_from(date.fromordinal(wanted.until.toordinal() + 1), wanted.zone))
    if before is not None:
        rows = rows.filter(id__lt=before)
    return rows.order_by("-id")


def whole_log(organization: HasKeys, wanted: LogFilter, page: int = 500) -> Iterator[Event]:
    """As log(), each page by a question of its own: between two portions of a download a cursor would hold the
    database as it was, for whoever the thread answers meanwhile."""
    before: int | None = None
    while events := [*log(organization, wanted, before)[:page]]:
        yield from events
        before = events[-1].pk


def _from(day: date, zone: tzinfo) -> Q:
    people = Q(kind__startswith=OF_PEOPLE) | Q(kind__in=OF_CROWDS)
    there, utc = (datetime.combine(day, time(), where) for where in (zone, UTC))
    return (people & Q(at__gte=utc)) | (~people & Q(at__gte=there))


def _ours(rows: QuerySet[Event]) -> Iterator[Event]:
    return filter(is_genuine, rows.order_by("-id").iterator(chunk_size=10))


def unhandled(page: int = 200) -> Iterator[Event]:
    """Events that worker/schedule/event_handlers.py has not followed up yet, the oldest first; read `page` at a
    time."""
    rows, after = (
        Event.objects.select_related("organization").filter(unlocked("organization__"), handled=False).order_by("id"),
        0,
    )
    while events := [*rows.filter(id__gt=after)[:page]]:
        yield from events
        after = events[-1].id


def happened_since(kind: str, moment: datetime) -> bool:
    """In any organization."""
    return Event.objects.filter(kind=kind, at__gte=moment).exists()
