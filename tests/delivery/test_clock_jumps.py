"""A clock that is set, forward or back, loses nothing, sends nothing twice and keeps nothing waiting."""

import json
import logging
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from samizdat.campaigns import ab_test as plans
from samizdat.campaigns.models import Campaign
from samizdat.core.ab_test import REST
from samizdat.core.crypto import tokens
from samizdat.core.mail import rate, retry_schedule
from samizdat.core.mail.ledger import JournalNews, State, unpack_numbers
from samizdat.delivery import clock_jumps
from samizdat.delivery.actions import due, release, routes, wait_reasons
from samizdat.delivery.engine.results import SendResult, write
from samizdat.delivery.engine.sender import Sender
from samizdat.delivery.models import Chunk, Clock, Delivery, ProviderPace, Retry, Route
from samizdat.delivery.sending_row import FIELDS
from samizdat.events.models import Event
from samizdat.publicdb.models import Intake
from samizdat.worker.inbox import preferences
from samizdat.worker.publishing import publish
from samizdat.worker.schedule import scheduler as worker_clock
from tests.conftest import NOW
from tests.delivery.conftest import House, until
from tests.smtp_server import ScriptedServer
from tests.worker.conftest import seal_in

WEEK, YEARS, HOURS = timedelta(days=7), timedelta(days=3652), timedelta(hours=2)
SECOND = timedelta(seconds=1)
BOOT = bytes(16)


@pytest.fixture(autouse=True)
def begun_anew() -> Iterator[None]:
    clock_jumps.forget()
    yield
    clock_jumps.forget()


class Clocks:
    """The wall clock, which is set, and one that nobody sets."""

    def __init__(self) -> None:
        self.off, self.ticks = timedelta(), 1000.0

    @property
    def now(self) -> datetime:
        return NOW + self.off + timedelta(seconds=self.ticks - 1000)

    def look(self, boot: bytes = BOOT) -> timedelta:
        return clock_jumps.look(self.now, self.ticks, boot)

    def set(self, by: timedelta) -> None:
        """Set, and noticed a second later."""
        self.off += by
        self.ticks += 1
        self.look()


@pytest.fixture
def clocks(house: House) -> Clocks:
    found = Clocks()
    assert not found.look()
    return found


@pytest.fixture
def deferred(house: House, server: ScriptedServer, clocks: Clocks) -> Campaign:
    """A campaign to five subscribers who were all deferred at 12:00, three days after the first try."""
    house.people(5)
    house.route(server)
    campaign = release(house.draft(), now=NOW - timedelta(days=3))
    defer(campaign, NOW - timedelta(days=3))
    due.retry_due(NOW)
    defer(campaign, NOW)
    assert {row.first for row in Retry.objects.all()} == {NOW - timedelta(days=3)}
    return campaign


def defer(campaign: Campaign, now: datetime) -> None:
    """All that are in a chunk are deferred now."""
    for chunk in Chunk.objects.filter(edition__campaign=campaign, state=Chunk.READY):
        numbers = unpack_numbers(bytes(chunk.numbers))
        write(
            [SendResult(chunk.edition_id, chunk.pk, n, JournalNews.DEFERRED, retry=chunk.retry) for n in numbers], now
        )
        Chunk.objects.filter(pk=chunk.pk).update(state=Chunk.DONE)


def ahead(now: datetime) -> set[tuple[timedelta, timedelta]]:
    """How long ago everybody was tried first, and how far ahead the next try is."""
    return {(now - row.first, row.due - now) for row in Retry.objects.all()}


@pytest.mark.parametrize("by", [WEEK, YEARS, -HOURS, -WEEK, timedelta(minutes=-2), timedelta(minutes=2)], ids=str)
def test_whoever_was_deferred_is_tried_again_as_soon_as_before_the_clock_was_set(
    deferred: Campaign, clocks: Clocks, by: timedelta
) -> None:
    was = ahead(clocks.now)
    clocks.off += by
    assert clocks.look() == by
    assert ahead(clocks.now) == was
    clocks.set(-by)
    assert ahead(clocks.now) == {(age + SECOND, due - SECOND) for age, due in was}


def test_a_week_for_six_seconds_refuses_nobody_for_good(deferred: Campaign, clocks: Clocks) -> None:
    clocks.set(WEEK)
    Retry.objects.update(due=clocks.now)
    due.retry_due(clocks.now)
    defer(deferred, clocks.now)
    clocks.ticks += 6
    clocks.set(-WEEK)
    deferred.refresh_from_db()
    assert (deferred.deferred, deferred.refused) == (5, 0)
    assert all(
        retry_schedule.RETRY_WAITS[0] < row.due - clocks.now <= retry_schedule.RETRY_WAITS[2]
        for row in Retry.objects.all()
    )


def test_nothing_expires_in_the_hour_after_the_clock_was_set_and_does_after_it(
    deferred: Campaign, clocks: Clocks
) -> None:
    clocks.set(WEEK)
    Retry.objects.update(first=clocks.now - timedelta(days=5), due=clocks.now)
    due.retry_due(clocks.now)
    defer(deferred, clocks.now + timedelta(minutes=59))
    deferred.refresh_from_db()
    assert (deferred.deferred, deferred.refused) == (5, 0)
    Retry.objects.update(due=clocks.now)
    due.retry_due(clocks.now)
    defer(deferred, clocks.now + timedelta(minutes=61))
    deferred.refresh_from_db()
    assert (deferred.deferred, deferred.refused) == (0, 5)


def test_what_was_written_ten_years_ahead_by_a_clock_that_was_wrong_from_the_start_comes_due(
    deferred: Campaign, clocks: Clocks
) -> None:
    """The machine was started with a wrong clock, so nobody could notice before it was set right."""
    clock_jumps.forget()
    clocks.off = YEARS
    assert not clocks.look(boot=bytes([1] * 16))
    Retry.objects.update(due=clocks.now + retry_schedule.RETRY_WAITS[0], first=clocks.now)
    old = Retry.objects.first()
    assert old is not None
    Retry.objects.filter(number=old.number).update(first=NOW - timedelta(days=1), due=NOW)
    clocks.set(-YEARS)
    for row in Retry.objects.all():
        assert row.due - clocks.now <= retry_schedule.RETRY_WAITS[0]
        assert timedelta() <= clocks.now - row.first < timedelta(days=2)


def test_who_waits_for_a_provider_that_refuses_us_waits_on(deferred: Campaign, clocks: Clocks) -> None:
    Retry.objects.update(due=retry_schedule.LATER)
    for by in (YEARS, -YEARS, -HOURS):
        clocks.set(by)
    assert {row.due for row in Retry.objects.all()} == {retry_schedule.LATER}


def test_a_route_that_died_while_the_clock_was_ten_years_ahead_lives_again(
    house: House, server: ScriptedServer, clocks: Clocks
) -> None:
    dead, waiting = house.route(server), house.route(server, "second")
    clocks.set(YEARS)
    Route.objects.filter(pk=dead.pk).update(state="dead", reason="tls", until=None, changed=clocks.now)
    soon = clocks.now + timedelta(minutes=3)
    Route.objects.filter(pk=waiting.pk).update(state="throttled", reason="rate", until=soon, changed=clocks.now)
    clocks.set(-YEARS)
    routes.wake_due(clocks.now)
    assert Route.objects.get(pk=dead.pk).state == "live"
    until_then = Route.objects.get(pk=waiting.pk).until
    assert until_then is not None and until_then - clocks.now == timedelta(minutes=3) - SECOND


def test_two_hours_back_keep_neither_a_campaign_nor_a_provider_waiting_two_hours(
    house: House, server: ScriptedServer, clocks: Clocks
) -> None:
    house.people(1)
    route = house.route(server)
    campaign = release(house.draft(), now=clocks.now, hold_minutes=5)
    at = clocks.now.timestamp()
    ProviderPace.objects.create(route=route, provider=1, rate=1, full=4, at=at, hold=at + 30)
    clocks.set(-HOURS)
    clocks.ticks += 5 * 60
    assert due.start_due(clocks.now) == 1
    campaign.refresh_from_db()
    assert campaign.state == "sending"
    slowed = ProviderPace.objects.get()
    assert max(slowed.at, slowed.hold) < clocks.now.timestamp()


def test_what_is_planned_for_an_hour_waits_a_minute_to_see_whether_the_clock_is_set_back(
    house: House, server: ScriptedServer, clocks: Clocks
) -> None:
    house.people(1)
    house.route(server)
    campaign = release(house.draft(), now=NOW, at=NOW + timedelta(days=1))
    clocks.set(timedelta(days=1, minutes=1))
    assert due.start_due(clocks.now) == 0
    clocks.ticks += 61
    assert due.start_due(clocks.now) == 1
    campaign.refresh_from_db()
    assert (campaign.state, campaign.reason) == ("sending", "")


def test_no_winner_of_a_version_test_is_chosen_in_the_hour_after_the_clock_was_set(
    house: House, server: ScriptedServer, clocks: Clocks
) -> None:
    house.people(20)
    house.route(server)
    draft = house.draft()
    at = NOW + timedelta(hours=4)
    plans.plan(draft, [plans.VersionChange(subject="Other")], share=40, way="replies", at=at, by=None, now=NOW, link="")
    campaign = release(draft, now=NOW)
    Chunk.objects.exclude(variant=REST).update(state=Chunk.DONE)

    def hold() -> wait_reasons.WaitReason | None:
        row = Campaign.objects.values(*FIELDS).get(pk=campaign.pk)
        return wait_reasons.hold_of(row, "", lambda: None, clocks.now)

    assert hold() == wait_reasons.WaitReason("test", at)
    clocks.set(WEEK)
    assert hold() == wait_reasons.WaitReason("test", clocks.now + rate.PATIENCE)
    clocks.set(-WEEK)
    assert hold() == wait_reasons.WaitReason("test", at)
    clocks.set(WEEK)
    clocks.ticks += 3601
    assert hold() is None
    campaign.refresh_from_db()
    assert (campaign.test_state, campaign.test_winner) == ("done", 0)


def test_what_subscribers_sent_is_not_thrown_away_by_a_clock_that_was_just_set(
    house: House, clocks: Clocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish.publish_place(house.organization)
    [address] = house.people(1)
    key = house.keys.link
    assert key is not None
    for kind, purpose in (("leave", "leave"), ("prefer", "preferences")):
        token = tokens.make(key, purpose, 999, house.number(address))
        words = {"kind": kind, "token": token, "purpose": purpose, "at": NOW.isoformat()}
        seal_in(house.organization, json.dumps(words).encode())

    def broken(*_args: Any, **_how: Any) -> None:
        raise ValueError

    monkeypatch.setattr("samizdat.worker.inbox.unsubscribes.all_proven", broken)
    monkeypatch.setattr("samizdat.worker.inbox.preferences.all_proven", broken)
    preferences.take_everything(clocks.now)
    clocks.set(WEEK)
    monkeypatch.setattr("samizdat.worker.inbox.inbox.waits._again", {})
    preferences.take_everything(clocks.now)
    assert Intake.objects.count() == 2
    clocks.ticks += 3601
    monkeypatch.setattr("samizdat.worker.inbox.inbox.waits._again", {})
    preferences.take_everything(clocks.now)
    assert not Intake.objects.exists()


def test_many_processes_notice_and_one_of_them_computes_anew(deferred: Campaign, clocks: Clocks) -> None:
    was = ahead(clocks.now)
    before = clock_jumps._last
    clocks.off += WEEK
    for _process in range(3):
        clock_jumps._last = before
        assert clocks.look() == WEEK
    assert ahead(clocks.now) == was
    assert Event.objects.filter(kind="clock.set_forward").count() == 1


@pytest.mark.parametrize(("by", "kind"), [(WEEK, "clock.set_forward"), (-HOURS, "clock.set_back")], ids=str)
def test_a_process_that_begins_notices_what_was_set_while_none_ran(
    deferred: Campaign, clocks: Clocks, by: timedelta, kind: str
) -> None:
    was = ahead(clocks.now)
    clock_jumps.forget()
    clocks.off += by
    assert clocks.look() == by
    assert ahead(clocks.now) == was
    assert Event.objects.filter(kind=kind).exists()


def test_after_a_boot_a_clock_that_went_back_is_noticed_and_one_that_may_have_stood_still_gives_an_hour(
    deferred: Campaign, clocks: Clocks
) -> None:
    other = bytes([1] * 16)
    clock_jumps.forget()
    clocks.off -= HOURS
    assert clocks.look(other) == -HOURS
    clock_jumps.forget()
    clocks.off += WEEK
    assert not clocks.look(BOOT)
    assert clock_jumps.patient(clocks.now + timedelta(minutes=59))
    assert not clock_jumps.patient(clocks.now + timedelta(minutes=61))


def test_it_is_said_in_the_log_and_by_doctor(
    deferred: Campaign, clocks: Clocks, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    from samizdat import dbclock
    from samizdat.health import surroundings

    monkeypatch.setattr(dbclock, "now", lambda: clocks.now)
    assert [*surroundings.clock()] == []
    with caplog.at_level(logging.WARNING):
        clocks.set(-HOURS)
    assert "set back by 2:00:00" in caplog.text
    [sign] = surroundings.clock()
    assert (sign.state, "set back by 2:00:00" in sign.sentence) == ("amber", True)
    clocks.ticks += 25 * 3600
    assert [*surroundings.clock()] == []


def test_nothing_is_thrown_away_for_being_old_in_the_hour_after(
    clocks: Clocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    steps: dict[str, Any] = {name: lambda _now, name=name: done.append(name) for name in worker_clock.SLOW}
    assert set(steps) > worker_clock.PATIENT
    clocks.set(YEARS)
    monkeypatch.setattr("samizdat.dbclock.now", lambda: clocks.now)
    assert worker_clock.tick(clocks.now, steps) == []
    assert set(done) == set(steps) - worker_clock.PATIENT


def test_a_clock_that_is_a_little_off_or_runs_a_little_fast_was_not_set(clocks: Clocks) -> None:
    for _ in range(100):
        clocks.ticks += 3600
        clocks.off += timedelta(seconds=30)
        assert not clocks.look()
    clock_jumps.forget()
    assert not clocks.look(), "the row is written again now and then"
    assert not Clock.objects.filter(jumped__isnull=False).exists()


def test_a_sender_whose_clock_is_a_week_ahead_for_a_moment_refuses_nobody_and_goes_on(
    house: House, server: ScriptedServer
) -> None:
    from samizdat import dbclock

    addresses = house.people(20)
    house.route(server)
    for address in addresses[::3]:
        server.on("rcpt", "450 4.2.0 later", recipient=address)
    campaign = house.released()
    off = timedelta()
    stop = threading.Event()

    def work() -> None:
        from django.db import connection

        try:
            Sender(stop, clock=lambda: dbclock.now() + off).run()
        finally:
            connection.close()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        until(lambda: Retry.objects.count() == 7 and Campaign.objects.get(pk=campaign.pk).accepted == 13)
        off = WEEK
        until(lambda: Event.objects.filter(kind="clock.set_forward").exists())
        off = timedelta()
        until(lambda: Event.objects.filter(kind="clock.set_back").exists())
    finally:
        stop.set()
        thread.join(60)
    campaign.refresh_from_db()
    assert (campaign.accepted, campaign.deferred, campaign.refused) == (13, 7, 0)
    now = datetime.now(UTC)
    assert all(row.due - now <= retry_schedule.RETRY_WAITS[0] for row in Retry.objects.all())
    assert not Delivery.objects.filter(state=State.REFUSED).exists()
