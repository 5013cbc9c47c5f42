"""Once a day the log is walked: what was deleted or changed is said once for each place."""

from datetime import timedelta
from typing import Any

import pytest

from samizdat.events import chain, log_breaks, queries
from samizdat.events.actions import detail_of, record
from samizdat.events.models import Event
from samizdat.worker.schedule import log_check, scheduler
from tests.conftest import NOW

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _nothing_going(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_check, "_looks", {})


def alarms(organization: Any) -> list[dict[str, Any]]:
    chain.append()
    return [detail_of(event) for event in queries.newest(organization, kinds=[log_breaks.ALTERED])]


def happen(organization: Any) -> int:
    """The place of an event that is chained."""
    event = record("list.changed", organization, now=NOW)
    record("list.renamed", organization, now=NOW)
    chain.append()
    return Event.objects.get(id=event.id).position or 0


def test_an_event_that_was_deleted_is_said_once(lantern: Any) -> None:
    place = happen(lantern)
    log_check.look(NOW)
    assert alarms(lantern) == [] and not log_breaks.is_alarming(lantern, NOW)
    Event.objects.filter(position=place).delete()
    log_check.look(NOW)
    assert alarms(lantern) == [], "it was looked at today"
    for days in (1, 2):
        log_check.look(NOW + timedelta(days=days))
    assert alarms(lantern) == [{"breaks": {str(place): "missing"}, "count": 1}]
    assert log_breaks.is_alarming(lantern, NOW + timedelta(days=7))
    assert not log_breaks.is_alarming(lantern, NOW + timedelta(days=9))
    assert log_check.look in scheduler.SLOW.values()


def test_an_alarm_that_was_deleted_is_said_again(lantern: Any) -> None:
    place = happen(lantern)
    Event.objects.filter(position=place).delete()
    log_check.look(NOW)
    (alarm,) = queries.newest(lantern, kinds=[log_breaks.ALTERED])
    chain.append()
    happen(lantern)
    Event.objects.filter(id=alarm.id).delete()
    assert log_breaks.is_alarming(lantern, NOW + timedelta(days=30)), "doctor waits for no night"
    log_check.look(NOW + timedelta(days=1))
    assert [alarm["count"] for alarm in alarms(lantern)] == [2]
