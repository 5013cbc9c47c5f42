"""Once a day the log is walked: what was deleted or changed is said once for each place."""

from collections import deque
from datetime import timedelta
from typing import Any

import pytest

from samizdat.audience import actions as audience
from samizdat.audience.models import ConsentRecord
from samizdat.events import chain, log_breaks, queries
from samizdat.events.actions import detail_of, record
from samizdat.events.models import Event
from samizdat.worker.schedule import log_check, scheduler
from tests.conftest import NOW

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _nothing_going(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_check, "_looks", {})
    monkeypatch.setattr(log_check, "_marks", deque())


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
    assert alarms(lantern) == [{"breaks": [[place, place, "missing"]], "count": 1}]
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


def test_what_stands_between_two_breaks_that_were_said_does_not_go_without_a_word(lantern: Any) -> None:
    for kind in ("list.changed", "suppressions.written", "list.renamed", "list.created"):
        record(kind, lantern, now=NOW)
    chain.append()
    known = Event.objects.get(kind="suppressions.written")
    assert known.position
    Event.objects.filter(position__in=[known.position - 1, known.position + 1]).delete()
    log_check.look(NOW)
    assert [alarm["count"] for alarm in alarms(lantern)] == [2]
    later = NOW + timedelta(days=9)
    log_check.look(later)
    assert len(alarms(lantern)) == 1 and not log_breaks.is_alarming(lantern, later)
    known.delete()
    assert log_breaks.is_alarming(lantern, later)
    log_check.look(later + timedelta(days=1))
    assert alarms(lantern)[0] == {"breaks": [[known.position - 1, known.position + 1, "missing"]], "count": 1}


def test_an_event_that_was_linked_anew_and_is_changed_later_is_said_again(lantern: Any) -> None:
    place = happen(lantern)
    Event.objects.filter(position=place).update(link=bytes(32))
    log_check.look(NOW)
    Event.objects.filter(position=place).update(kind="list.created")
    log_check.look(NOW + timedelta(days=1))
    assert alarms(lantern)[0] == {"breaks": [[place, place, "digest"]], "count": 1}


@pytest.mark.parametrize("place", [10**12, 0, -7])
def test_a_row_that_was_put_where_the_chain_is_not_is_reported_and_linked_before_it_can_be_taken_away(
    lantern: Any, thursday: Any, place: int
) -> None:
    """Nobody looks there: whoever writes the database would keep a no there until it is forgotten, and delete it."""
    happen(lantern)
    ada = audience.add_subscriber(lantern, "ada@example.org", thursday, consent="By form.", now=NOW)
    audience.unsubscribe(ada, thursday, now=NOW)
    ConsentRecord.objects.filter(position=None).update(position=place, link=bytes(32))
    Event.objects.filter(position=None).update(position=place, link=bytes(32))
    assert not chain.verify(lantern).whole and log_breaks.is_alarming(lantern, NOW), "whoever looks sees it"
    scheduler.link_chain(NOW)
    (alarm,) = alarms(lantern)
    assert {place} == {first for first, _row, reason in alarm["breaks"] if reason == "place"}
    assert log_breaks.is_alarming(lantern, NOW + timedelta(days=6)) and chain.verify(lantern).whole
    ConsentRecord.objects.filter(subscriber=ada, kind=3).delete()
    log_check.look(NOW + timedelta(days=1))
    assert len(alarms(lantern)) == 2, "a gap"


@pytest.mark.parametrize("place", ["an event's", "a consent record's", "a newer one's"])
def test_a_no_that_was_given_the_place_of_another_row_is_reported_and_linked_before_it_can_be_taken_away(
    lantern: Any, place: str
) -> None:
    list_ = audience.new_list(lantern, "Thursday", now=NOW)
    boris = audience.add_subscriber(lantern, "boris@example.org", list_, consent="By phone", now=NOW)
    scheduler.link_chain(NOW)
    audience.unsubscribe(boris, list_, now=NOW)
    no = ConsentRecord.objects.latest("id")
    if place == "a newer one's":
        record("list.changed", lantern, now=NOW)
        ConsentRecord.objects.filter(pk=no.pk).update(position=-1)  # Away for the moment in which others are linked.
        chain.append()
    taken = Event if place != "a consent record's" else ConsentRecord
    other = taken.objects.exclude(position=None).latest("position" if place == "a newer one's" else "-position")
    ConsentRecord.objects.filter(pk=no.pk).update(position=other.position, link=other.link)
    scheduler.link_chain(NOW)
    scheduler.link_chain(NOW)
    assert len(alarms(lantern)) == 1
    if place != "a newer one's":
        ConsentRecord.objects.filter(pk=no.pk).delete()
        assert not chain.verify(lantern).whole, "its absence is seen"


def test_a_log_that_is_as_it_was_written_alarms_nobody_while_it_grows(lantern: Any) -> None:
    for _round in range(5):
        happen(lantern)
        record("list.changed", lantern, now=NOW)
        scheduler.link_chain(NOW)
    assert alarms(lantern) == []


def test_a_look_sees_what_is_linked_while_it_looks_where_it_belongs(lantern: Any) -> None:
    happen(lantern)
    walk = chain.ChainWalk()
    walk.go_on(lantern, rows=1)
    happen(lantern)
    while not walk.go_on(lantern):
        continue
    assert walk.breaks == set() and chain.misplaced_organizations() == set()
