"""A look for an alarm of leaving is short, however often a few people leave and come back."""

from datetime import timedelta

import pytest

from samizdat.accounts.models import Organization
from samizdat.audience import actions as audience
from samizdat.audience.consent_records import CROWDS, FEWER, LEFT, RETURNED
from samizdat.audience.models import SUBSCRIBED, List, ListTotal
from samizdat.events.actions import detail_of, record
from samizdat.events.models import Event
from samizdat.worker.inbox import leaving_alarm
from samizdat.worker.inbox.leaving_alarm import group_of
from tests.conftest import NOW

pytestmark = pytest.mark.django_db

MANY = 300


@pytest.fixture
def opened(thursday: List, monkeypatch: pytest.MonkeyPatch) -> list[Event]:
    """Events that a look opens, of a list of a thousand."""
    events: list[Event] = []
    monkeypatch.setattr(leaving_alarm, "detail_of", lambda event: events.append(event) or detail_of(event))
    monkeypatch.setattr(leaving_alarm, "OPENED", 100)
    monkeypatch.setattr(leaving_alarm, "AGAIN", 10)
    ListTotal.objects.update_or_create(list=thursday, status=SUBSCRIBED, defaults={"count": 1000})
    return events


def _did(list_: List, what: str, *numbers: int, ago: timedelta = timedelta()) -> None:
    at, organization = NOW - ago, list_.organization
    detail = {"group": group_of(at), "numbers": [*numbers], "count": len(numbers), "purpose": "letters"}
    record(CROWDS[what], organization, now=at, about=list_.id, detail=detail)
    leaving_alarm.due(organization, what, list_.id, "letters", group_of(at))


def _all_day(list_: List, *kinds: str) -> None:
    """One person, all day."""
    for turn in range(MANY):
        for what in kinds:
            _did(list_, what, 1, ago=timedelta(hours=20) - timedelta(minutes=turn))


def _look(opened: list[Event]) -> int:
    opened.clear()
    leaving_alarm.look(NOW)
    return len(opened)


def _alarms() -> list[dict[str, object]]:
    return [detail_of(event) for event in Event.objects.filter(kind="subscribers.left_alarm")]


@pytest.mark.parametrize("what", [LEFT, RETURNED, FEWER])
def test_a_look_opens_few_events_and_each_once(thursday: List, opened: list[Event], what: str) -> None:
    _all_day(thursday, what)
    opened_each = [_look(opened) for _ in range(5)]
    _did(thursday, what, 1)
    opened_each.append(_look(opened))
    assert max(opened_each) <= 2 * (100 + 10)
    assert opened_each[-1] <= 2 * (1 + 10)
    assert sum(opened_each) <= MANY + 1 + 2 * 6 * 10
    assert _alarms() == []


def test_who_leaves_all_day_hides_nobody_who_is_made_to_leave(thursday: List, opened: list[Event]) -> None:
    _did(thursday, LEFT, *range(100, 125), ago=timedelta(hours=22))
    _all_day(thursday, LEFT)
    for first in (200, 225, 250, 275):
        _did(thursday, LEFT, *range(first, first + 25), ago=timedelta(minutes=first))
    for _ in range(5):
        _look(opened)
    assert [(alarm["window"], alarm["left"]) for alarm in _alarms()] == [("day", 126)]


def test_who_comes_back_is_no_alarm_while_those_who_left_are_still_read(thursday: List, opened: list[Event]) -> None:
    ListTotal.objects.update(count=100_000)
    for number in range(MANY):
        _did(thursday, LEFT, number, ago=timedelta(days=2))
    for first in (0, 15):
        _did(thursday, RETURNED, *range(first, first + 15))
    for _ in range(5):
        _look(opened)
        assert _alarms() == [], "30 of 300"


def test_many_who_come_back_are_an_alarm_once_those_who_left_are_read(thursday: List, opened: list[Event]) -> None:
    for number in range(10):
        _did(thursday, LEFT, number, ago=timedelta(days=2))
    for number in range(MANY):
        _did(thursday, LEFT, number % 10, ago=timedelta(days=1))
    _did(thursday, RETURNED, 1, 2, 3)
    for _ in range(8):
        _look(opened)
    assert [(alarm["what"], alarm["left"], alarm["of"]) for alarm in _alarms()] == [(RETURNED, 3, 10)]


def test_an_event_that_somebody_wrote_hides_none(thursday: List, opened: list[Event]) -> None:
    _did(thursday, LEFT, 1)
    _look(opened)
    written = Event.objects.latest("id")
    written.pk = 2**40
    written.save(force_insert=True)
    _look(opened)
    _did(thursday, LEFT, *range(100, 125))
    _look(opened)
    assert [alarm["left"] for alarm in _alarms()] == [26]


def test_more_than_any_list_has_is_an_alarm(
    thursday: List, opened: list[Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever fills what is remembered has nobody else overlooked."""
    monkeypatch.setattr(leaving_alarm, "MOST", 10)
    for hour in range(12):
        _did(thursday, LEFT, *range(3), ago=timedelta(hours=hour))
    _look(opened)
    assert len(_alarms()) == 1


def test_what_is_remembered_of_all_lists_is_bounded(
    lantern: Organization, thursday: List, opened: list[Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leaving_alarm, "ALTOGETHER", 40)
    for number in range(5):
        list_ = audience.new_list(lantern, f"list {number}", now=NOW)
        _did(list_, LEFT, *range(25))
    _look(opened)
    assert sum(seen.size for seen in leaving_alarm._seen.values()) <= 40
    assert len(_alarms()) == 5
