"""Alarms of many readers leaving at once, coming back, or choosing fewer letters: what was seen, and what somebody
decided about it.

The worker writes `subscribers.left_alarm`; an admin answers with `subscribers.left_undo` (the worker then undoes it
and writes `subscribers.left_undone`) or with `subscribers.left_kept` (audience/actions/leaving_alarms.py). Answers name
the alarm's event.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from django.http import Http404
from django.utils.translation import gettext as _

from samizdat.accounts import pending_changes
from samizdat.accounts.models import Organization
from samizdat.audience import queries as audience
from samizdat.audience.actions import leaving_alarms
from samizdat.audience.actions.consent import BY_LINK
from samizdat.audience.actions.leaving_alarms import ALARM, ANSWERS, UNDO
from samizdat.audience.consent_records import FEWER, RETURNED, purpose_in, what_in
from samizdat.audience.models import List
from samizdat.core.consent import APPEALS
from samizdat.events import queries as events
from samizdat.events.actions import detail_of, is_genuine
from samizdat.events.kinds import EventKind
from samizdat.events.models import Event

UNDONE: EventKind = "subscribers.left_undone"

# After this long nobody is asked any more on the first page: who has not minded will not.
ASKED_FOR = timedelta(days=30)
# What leaves a list on a usual day is counted over so many.
USUAL = timedelta(days=30)
# Alarms and answers that one look reads: one an hour and list at most are written.
MANY = 50


@dataclass(frozen=True, slots=True)
class LeavingAlarm:
    """One alarm. Counts of people, never who."""

    alarm: Event
    list_name: str
    what: str  # They left, returned, or chose fewer letters.
    before: int  # Subscribed before; of returning, left by a link within eight days.
    left: int  # Of those, left (or did what it is about) when the alarm was raised.
    since: int  # Did it afterwards, in the same hours: they belong to it.
    usual: int  # Leave the list on a usual day.
    answer: Event | None
    back: int | None  # Brought back, once the worker has done it.
    span: str  # Within how long: an hour, a day or a week.
    appeals: bool  # They left appeals for money alone, and still get the letters.
    waits: bool  # To be undone, once another admin has approved it.
    undoable: bool

    @property
    def returned(self) -> bool:
        return self.what == RETURNED

    @property
    def fewer(self) -> bool:
        return self.what == FEWER

    @property
    def still(self) -> int:
        return self.before - self.left

    @property
    def together(self) -> int:
        return self.left + self.since

    @property
    def undoing(self) -> bool:
        return self.answer is not None and self.answer.kind == UNDO


def unanswered(organization: Organization, now: datetime) -> list[Event]:
    """Alarms that nobody has decided about, the newest first; none that is older than a month."""
    answered = {event.about for event in events.newest(organization, MANY, ANSWERS)}
    raised = events.newest(organization, MANY, (ALARM,))
    return [event for event in raised if event.id not in answered and event.at > now - ASKED_FOR]


def about(alarm: Event) -> tuple[str, bool, str]:
    """(what many did, whether it was about appeals alone, within how long)."""
    details = detail_of(alarm)
    return what_in(details), purpose_in(details) == APPEALS, _span(details)


def _span(details: dict[str, object]) -> str:
    return str(details.get("window", "hour"))


def title(what: str, appeals: bool, span: str) -> str:
    if what == RETURNED:
        return _("Many subscribers resubscribed by a link")
    within = {"span": {"day": _("a day"), "week": _("a week")}.get(span, _("an hour"))}
    if what == FEWER:
        return _("Many subscribers chose fewer emails within %(span)s") % within
    if appeals:
        return _("Many subscribers stopped appeals within %(span)s") % within
    return _("Many subscribers unsubscribed within %(span)s") % within


def figures(what: str, appeals: bool) -> tuple[str, str, str]:
    """Labels: how many there were, how many of them did it, and the rest."""
    if what == RETURNED:
        return (
            _("unsubscribed by a link within eight days"),
            _("resubscribed by a link"),
            _("still unsubscribed at that time"),
        )
    if what == FEWER:
        return _("subscribed before"), _("chose fewer emails in that time"), _("get as many emails as before")
    left = _("unsubscribed in that time")
    if appeals:
        return _("had agreed to appeals before"), left, _("still agreed to appeals at that time")
    return _("subscribed before"), left, _("still subscribed at that time")


def leaving_at(organization: Organization, number: int, now: datetime) -> LeavingAlarm:
    """An alarm by the number of its event. Errors: Http404."""
    alarm = leaving_alarms.alarm_numbered(organization, number)
    if alarm is None:
        raise Http404
    detail, answer = detail_of(alarm), leaving_alarms.answer_of(alarm)
    listed = audience.list_by_id(organization, alarm.about or 0)
    left = int(detail["left"])
    return LeavingAlarm(
        alarm=alarm,
        list_name=audience.name_of(listed),
        what=what_in(detail),
        before=int(detail["of"]),
        left=left,
        usual=_usual(organization, listed, alarm.at.astimezone(UTC).date()),
        since=leaving_alarms.count(alarm) - left,
        answer=answer,
        back=_back(organization, alarm, answer),
        span=_span(detail),
        appeals=purpose_in(detail) == APPEALS,
        waits=answer is None and pending_changes.is_waiting(organization, leaving_alarms.CHANGE, alarm.id),
        undoable=leaving_alarms.is_undoable(alarm, now),
    )


def _usual(organization: Organization, listed: List, day: date) -> int:
    """How many left this list by a link in the month before that day, a day."""
    grown = audience.growth(organization, day - USUAL, day - timedelta(days=1), listed)
    return round(sum(row.left for row in grown if row.way in BY_LINK) / USUAL.days)


def _back(organization: Organization, alarm: Event, answer: Event | None) -> int | None:
    """How many came back; None until it is done."""
    if answer is None or answer.kind != UNDO:
        return None
    rows = Event.objects.select_related("organization").filter(
        organization=organization, kind=UNDONE, about=alarm.about, id__gt=answer.id
    )
    raised = detail_of(alarm)
    meant = sorted(raised["groups"]), purpose_in(raised), what_in(raised)
    # Said twice where the first undoing was broken off and another one went on with it.
    undone_details = [
        detail
        for detail in map(detail_of, filter(is_genuine, rows))
        if (detail["groups"], purpose_in(detail), what_in(detail)) == meant
    ]
    return sum(int(detail["back"]) for detail in undone_details) if undone_details else None
