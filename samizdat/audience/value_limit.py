"""How many readers' values one person changes in a day before all admins are told, where a second person releases
campaigns: a value stands in each letter, and nobody agrees to it.

Nothing is refused, since files with new values are everyday work. Values of people who come in are not counted, nor is
what readers change themselves, nor the command line.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from samizdat.accounts.models import Organization, Person
from samizdat.accounts.sealed_settings import leading
from samizdat.core.crypto import seal
from samizdat.events.actions import detail_of, record
from samizdat.events.kinds import EventKind
from samizdat.events.models import Event
from samizdat.events.queries import was_said

ALARM: EventKind = "person.value_limit_reached"
BY_HAND: EventKind = "subscriber.changed"
BY_IMPORT: EventKind = "subscribers.import.overwrote"

ALONE_A_DAY = 20
DAY = timedelta(days=1)


def note(organization: Organization, many: int, *, about: int, now: datetime, by: Person | None) -> None:
    """What a slice of an import changes, in its transaction. Once admins were told there is no more to count."""
    if many and by is not None and _counts(organization, now, by):
        record(BY_IMPORT, organization, about=about, by=by, now=now, detail={"subscribers": many})
        look(organization, now=now, by=by)


def look(organization: Organization, *, now: datetime, by: Person | None) -> None:
    """After a change, in its transaction."""
    if by is not None and _counts(organization, now, by) and _today(organization, now, by) > ALONE_A_DAY:
        record(ALARM, organization, now=now, about=by.pk, by=by)


def alarms(organization: Organization, now: datetime) -> list[Event]:
    """Of the last day, the newest first."""
    rows = Event.objects.select_related("organization", "by").filter(organization=organization, kind=ALARM)
    return list(rows.filter(at__gt=now - DAY).order_by("-id")[:10])


def _counts(organization: Organization, now: datetime, by: Person) -> bool:
    return leading(organization).requires_approval and not was_said(organization, ALARM, now - DAY, about=by.pk)


def _today(organization: Organization, now: datetime, by: Person) -> int:
    rows = Event.objects.select_related("organization").filter(organization=organization, by=by, at__gt=now - DAY)
    by_import = sum(int(detail_of(event).get("subscribers", 0)) for event in rows.filter(kind=BY_IMPORT))
    by_hand = {event.about for event in rows.filter(kind=BY_HAND) if any(map(_is_field, _fields(event)))}
    return by_import + len(by_hand)


def _fields(event: Event) -> Iterable[object]:
    changed: Iterable[object] = detail_of(event).get("fields", ())
    return changed


def _is_field(name: object) -> bool:
    """By its tag or its number; beside fields stand notes and language."""
    return isinstance(name, str) or (isinstance(name, int) and name >= seal.FIRST_FIELD)
