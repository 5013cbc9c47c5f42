"""What an admin decides about many who left, came back or chose fewer letters at once (worker/inbox/unsubscribes.py
raises the alarm, and undoes it for all of them).

To undo what readers said is a change that waits (accounts/pending_changes.py): one stolen session would have letters
sent to everybody who has just unsubscribed. That many who came back are unsubscribed again writes to nobody, and waits
for nobody; nor does leaving it so.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from samizdat.accounts import pending_changes
from samizdat.accounts.models import Organization, PendingChange, Person
from samizdat.audience.consent_records import CROWDS, RETURNED, purpose_in, what_in
from samizdat.audience.errors import AudienceError
from samizdat.events.actions import detail_of, is_genuine, record, whole_day
from samizdat.events.kinds import EventKind
from samizdat.events.models import Event

ALARM: EventKind = "subscribers.left_alarm"
UNDO: EventKind = "subscribers.left_undo"
KEPT: EventKind = "subscribers.left_kept"
ANSWERS = (UNDO, KEPT)

CHANGE = "left_undo"
# Who hasn't minded for so long has left. An alarm can be of the week before it.
UNDOABLE = timedelta(days=7)
# What was asked for in that time waits no longer than a change can: for mailboxes that refuse mail, and its day.
LATEST = UNDOABLE + pending_changes.UNREACHED + pending_changes.WAIT


class TooLateToUndo(AudienceError):
    code = "too_late"


def alarm_numbered(organization: Organization, number: int) -> Event | None:
    """None also for one that was altered: with another time it could be undone for ever."""
    rows = Event.objects.select_related("organization")
    alarm = rows.filter(id=number, organization=organization, kind=ALARM).first()
    return alarm if alarm is not None and is_genuine(alarm) else None


def answer_of(alarm: Event) -> Event | None:
    """The first one stands, of those that we wrote."""
    rows = Event.objects.filter(organization=alarm.organization_id, kind__in=ANSWERS, about=alarm.id)
    return next(filter(is_genuine, rows.select_related("by").order_by("id")), None)


def is_undoable(alarm: Event, now: datetime, within: timedelta = UNDOABLE) -> bool:
    return what_in(detail_of(alarm)) == RETURNED or alarm.at > now - within


def keep(alarm: Event, *, now: datetime, by: Person | None) -> None:
    """They stay as they wanted it, whatever waits. Said twice it changes nothing."""
    _answer(alarm, KEPT, now, by)
    pending_changes.stop_about(_organization(alarm), CHANGE, alarm.id, now=now, by=by)


def undo(alarm: Event, *, now: datetime, by: Person | None) -> PendingChange | None:
    """The worker shall undo it; what waits for that, if anything does. Errors: TooLateToUndo."""
    if answer_of(alarm) is not None:
        return None
    if not is_undoable(alarm, now):
        raise _too_late()
    organization = _organization(alarm)
    if what_in(detail_of(alarm)) != RETURNED and pending_changes.held(organization, by):
        return pending_changes.ask(organization, CHANGE, None, about=alarm.id, now=now, by=by)
    do_undo(alarm, now=now, by=by)
    return None


def do_undo(alarm: Event, *, now: datetime, by: Person | None) -> None:
    """It was approved, or needs no approval. Errors: TooLateToUndo."""
    if not is_undoable(alarm, now, LATEST):
        raise _too_late()
    _answer(alarm, UNDO, now, by)


def _too_late() -> TooLateToUndo:
    return TooLateToUndo(_("You can undo this alert for a week. After that, email the people who want to come back."))


def _answer(alarm: Event, kind: EventKind, now: datetime, by: Person | None) -> None:
    with transaction.atomic():
        if answer_of(alarm) is None:
            record(kind, alarm.organization, now=now, about=alarm.id, by=by)


def count(alarm: Event) -> int:
    """Everybody who did it in the hours of the alarm, as the worker would undo it."""
    detail = detail_of(alarm)
    return max(int(detail["left"]), _count_in_hours(alarm, detail))


def _count_in_hours(alarm: Event, alarm_details: dict[str, Any]) -> int:
    groups, purpose = set(alarm_details["groups"]), purpose_in(alarm_details)
    begin = min(datetime.strptime(group, "%Y-%m-%dT%H").replace(tzinfo=UTC) for group in groups)
    # The column tells the day alone; the groups are hours.
    span = {"at__gte": whole_day(min(begin, alarm.at)), "at__lte": alarm.at + timedelta(hours=2)}
    rows = Event.objects.select_related("organization").filter(
        organization=alarm.organization_id, kind=CROWDS[what_in(alarm_details)], about=alarm.about, **span
    )
    details = [detail_of(event) for event in filter(is_genuine, rows)]
    mine = (detail for detail in details if detail["group"] in groups and purpose_in(detail) == purpose)
    return len({number for detail in mine for number in detail["numbers"]})


def _organization(alarm: Event) -> Organization:
    assert alarm.organization is not None
    return alarm.organization
