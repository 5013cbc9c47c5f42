"""Alarms of many readers leaving at once: what was seen, and what somebody decided about it.

The worker writes `subscribers.left_alarm`; an admin answers with `subscribers.left_undo` (the worker then brings them
back and writes `subscribers.left_undone`) or with `subscribers.left_kept`. Answers name the alarm's event.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.http import Http404

from samizdat.audience import queries as audience
from samizdat.audience.facts import purpose_in
from samizdat.core.consent import APPEALS
from samizdat.events import queries as events
from samizdat.events.actions import detail_of, record, whole_day
from samizdat.events.models import Event

ALARM = "subscribers.left_alarm"
UNDO = "subscribers.left_undo"
UNDONE = "subscribers.left_undone"
KEPT = "subscribers.left_kept"
ANSWERS = (UNDO, KEPT)

# After this long nobody is asked any more on the first page: who has not minded will not.
ASKED_FOR = timedelta(days=30)
# Alarms and answers that one look reads: one an hour and list at most are written.
MANY = 50


@dataclass(frozen=True, slots=True)
class Leaving:
    """One alarm. Counts of people, never who."""

    alarm: Event
    list_name: str
    before: int  # Subscribed an hour before.
    left: int  # Of those, left when the alarm was raised.
    since: int  # Left afterwards, in the same hours: they belong to it.
    answer: Event | None
    back: int | None  # Brought back, once the worker has done it.
    appeals: bool  # They left appeals for money alone, and still get the letters.

    @property
    def still(self) -> int:
        return self.before - self.left

    @property
    def together(self) -> int:
        return self.left + self.since

    @property
    def undoing(self) -> bool:
        return self.answer is not None and self.answer.kind == UNDO


def unanswered(organisation: Any, now: datetime) -> list[Event]:
    """Alarms that nobody has decided about, the newest first; none that is older than a month."""
    answered = {event.about for event in events.newest(organisation, MANY, ANSWERS)}
    raised = events.newest(organisation, MANY, (ALARM,))
    return [event for event in raised if event.id not in answered and event.at > now - ASKED_FOR]


def leaving_at(organisation: Any, number: int) -> Leaving:
    """An alarm by the number of its event. Errors: Http404."""
    alarm = _alarm(organisation, number)
    detail = detail_of(alarm)
    answers = Event.objects.filter(organisation=organisation, kind__in=ANSWERS, about=alarm.id)
    answer = answers.select_related("by").order_by("id").first()
    listed = audience.list_by_id(organisation, alarm.about or 0)
    left = int(detail["left"])
    return Leaving(
        alarm=alarm,
        list_name=audience.name_of(listed),
        before=int(detail["of"]),
        left=left,
        since=max(0, _left_in(organisation, alarm, detail) - left),
        answer=answer,
        back=_back(organisation, alarm, answer),
        appeals=purpose_in(detail) == APPEALS,
    )


def answer(alarm: Event, kind: str, *, now: datetime, by: Any) -> None:
    """An admin's decision. The first one stands: said twice it changes nothing."""
    if not Event.objects.filter(organisation=alarm.organisation, kind__in=ANSWERS, about=alarm.id).exists():
        record(kind, alarm.organisation, now=now, about=alarm.id, by=by)


def _alarm(organisation: Any, number: int) -> Event:
    rows = Event.objects.select_related("organisation")
    found = rows.filter(id=number, organisation=organisation, kind=ALARM).first()
    if found is None:
        raise Http404
    return found


def _left_in(organisation: Any, alarm: Event, told: dict[str, Any]) -> int:
    """Everybody who left in the hours of the alarm, as the worker would bring them back."""
    # The column tells the day alone; the groups are hours.
    span = {"at__gte": whole_day(alarm.at - timedelta(hours=2)), "at__lte": alarm.at + timedelta(hours=2)}
    rows = Event.objects.select_related("organisation").filter(
        organisation=organisation, kind="subscribers.left", about=alarm.about, **span
    )
    details = [detail_of(event) for event in rows]
    groups, purpose = set(told["groups"]), purpose_in(told)
    mine = (one for one in details if one["group"] in groups and purpose_in(one) == purpose)
    return len({number for one in mine for number in one["numbers"]})


def _back(organisation: Any, alarm: Event, answer: Event | None) -> int | None:
    """How many came back; None until it is done."""
    if answer is None or answer.kind != UNDO:
        return None
    rows = Event.objects.select_related("organisation").filter(
        organisation=organisation, kind=UNDONE, about=alarm.about, id__gt=answer.id
    )
    raised = detail_of(alarm)
    groups, purpose = sorted(raised["groups"]), purpose_in(raised)
    # Said twice where the first undoing was broken off and another one went on with it.
    told = [one for one in map(detail_of, rows) if one["groups"] == groups and purpose_in(one) == purpose]
    return sum(int(one["back"]) for one in told) if told else None
