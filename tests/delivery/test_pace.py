"""Limits of routes, shared connections and slowed mailbox providers, as senders keep them together."""

import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from samizdat.core.mail import rate
from samizdat.delivery import queries
from samizdat.delivery.actions import change_route, rate_budgets
from samizdat.delivery.engine import route_worker
from samizdat.delivery.engine.route_worker import RouteRun
from samizdat.delivery.engine.sender import run_campaign
from samizdat.delivery.models import Chunk, ConnectionLease, ProviderPace, Retry, Route, RoutePace, Worker
from tests.delivery.conftest import House, Running, run_until_still, until
from tests.delivery.test_sending import books_balance
from tests.smtp_server import ScriptedServer

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)


def now() -> datetime:
    return datetime.now(UTC)


def a_day_later(route: Route) -> None:
    """What was sent by it was sent a day earlier."""
    row = RoutePace.objects.get(route=route)
    at, day, of_day, used = json.loads(row.spent)
    earlier = {s: [[slot - 90_000 * rate.SLOTS // int(s), n] for slot, n in slots] for s, slots in used.items()}
    RoutePace.objects.update(spent=json.dumps([at - 90_000, day - 1, of_day, earlier]))


def test_several_limits_hold_at_once_and_a_restart_gives_nothing_back(house: House, server: ScriptedServer) -> None:
    house.people(60)
    route = house.route(server, rate="40/s,500/m,30/d")
    campaign = house.released()
    begun = now()
    assert run_until_still(campaign.pk)["accepted"] == 30
    assert (now() - begun).total_seconds() >= 29 / 40
    assert run_campaign(campaign.pk, 2)["accepted"] == 30
    assert len(server.messages) == 30
    books_balance(campaign)
    a_day_later(route)
    assert run_campaign(campaign.pk, 120)["ended"] == "finished"
    assert len(server.messages) == 60


def test_what_a_killed_sender_had_drawn_counts_as_used(house: House, server: ScriptedServer) -> None:
    house.people(30)
    route = house.route(server, rate="25/d")
    allowance = rate_budgets.allowance_of(route)
    assert [rate_budgets.draw(route.pk, allowance, n, 0, now()).count for n in (10, 5)] == [10, 5]
    assert run_until_still(house.released().pk)["accepted"] == 10


def test_a_sender_that_stops_gives_back_what_it_did_not_use(house: House, server: ScriptedServer) -> None:
    house.people(12)
    route = house.route(server, rate="100/d")
    run_campaign(house.released().pk, 120)
    assert [(one.what, one.used, one.of) for one in rate_budgets.used(route, now())] == [("100/d", 12, 100)]


def test_a_limit_that_is_raised_lets_the_rest_go_at_once(house: House, server: ScriptedServer) -> None:
    house.people(40)
    route = house.route(server, rate="10/d")
    campaign = house.released()
    with Running():
        until(lambda: len(server.messages) == 10)
        change_route(route, now=now(), rate="1000/s")
        until(lambda: len(server.messages) == 40)
    books_balance(campaign)


def test_when_one_route_has_used_its_limit_the_next_one_takes_over(
    house: House, server: ScriptedServer, second: ScriptedServer
) -> None:
    house.people(50)
    house.route(server, rate="20/d", priority=1)
    house.route(second, "other", priority=2)
    assert run_campaign(house.released().pk, 120)["ended"] == "finished"
    assert (len(server.messages), len(second.messages)) == (20, 30)


def in_threads(count: int, work: Callable[[int], None]) -> None:
    def run(place: int) -> None:
        from django.db import connection

        try:
            work(place)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(place,)) for place in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_senders_that_draw_at_the_same_time_share_one_limit(house: House, server: ScriptedServer) -> None:
    route = house.route(server, rate="500/h,90/d")
    allowance = rate_budgets.allowance_of(route)
    drawn: list[int] = []

    def work(place: int) -> None:
        for turn in range(15):
            drawn.append(
                rate_budgets.draw(route.pk, allowance, 5, 0, NOON + timedelta(seconds=40 * turn + place)).count
            )

    in_threads(4, work)
    assert sum(drawn) <= 90
    used = {one.what: one.used for one in rate_budgets.used(route, NOON + timedelta(minutes=15))}
    assert used["90/d"] == used["500/h"] == sum(drawn)


def test_a_limit_that_was_used_up_under_a_clock_that_was_wrong_is_free_a_day_after_it_was_set(
    house: House, server: ScriptedServer
) -> None:
    route = house.route(server, rate="50/d")
    allowance = rate_budgets.allowance_of(route)
    while rate_budgets.draw(route.pk, allowance, 500, 0, NOON + timedelta(days=300)).count:
        pass
    hours = [NOON + timedelta(hours=hour) for hour in range(26)]
    drawn = [rate_budgets.draw(route.pk, allowance, 5, 0, moment).count for moment in hours]
    assert drawn[:24] == [0] * 24 and drawn[25] == 5


def worker(**how: Any) -> int:
    row = Worker.objects.create(boot=b"b" * 16, folder=b"f" * 16, journal="", started=NOON, **how)
    return int(row.pk)


def test_two_senders_share_the_connections_of_a_route(house: House, server: ScriptedServer) -> None:
    route = house.route(server, connections=9).pk
    one, two = worker(), worker()
    assert rate_budgets.lease(route, one, 9, 0, NOON) == (9, 1)
    # The first has to close some before the second may open any.
    assert rate_budgets.lease(route, two, 9, 0, NOON) == (0, 2)
    assert rate_budgets.lease(route, one, 9, 9, NOON) == (5, 2)
    assert rate_budgets.lease(route, two, 9, 0, NOON) == (0, 2)
    assert rate_budgets.lease(route, one, 9, 5, NOON) == (5, 2)
    assert rate_budgets.lease(route, two, 9, 0, NOON) == (4, 2)
    rate_budgets.give_up(route, one)
    assert rate_budgets.lease(route, two, 9, 4, NOON) == (9, 1)


def test_connections_of_a_dead_sender_are_free_again(house: House, server: ScriptedServer) -> None:
    route = house.route(server, connections=4).pk
    silent, ended, living = worker(), worker(), worker()
    rate_budgets.lease(route, silent, 4, 0, NOON)
    assert rate_budgets.lease(route, living, 4, 0, NOON)[0] == 0
    assert rate_budgets.lease(route, living, 4, 0, NOON + timedelta(seconds=31)) == (4, 1)
    ConnectionLease.objects.all().delete()
    rate_budgets.lease(route, ended, 4, 0, NOON)
    Worker.objects.filter(pk=ended).update(ended=NOON)
    assert rate_budgets.lease(route, living, 4, 0, NOON) == (4, 1)


def test_a_sender_opens_no_more_connections_than_the_others_leave(house: House, server: ScriptedServer) -> None:
    house.people(300)
    route = house.route(server, connections=6)
    rate_budgets.lease(route.pk, worker(), 2, 0, now())
    # An old worker of this folder would be recovered; this one belongs to another machine.
    assert run_campaign(house.released().pk, 120)["ended"] == "finished"
    assert server.most_open <= 6
    assert not ConnectionLease.objects.filter(worker__ended=None, until__gt=now().timestamp() + 31).exists()


def test_two_senders_keep_one_limit_and_share_the_connections(house: House, server: ScriptedServer) -> None:
    """On SQLite the second one waits for its turn, and the same is true."""
    house.people(1100)
    house.route(server, rate="60/s,110/d", connections=6)
    campaign = house.released()
    begun = now()
    with Running(), Running():
        until(lambda: len(server.messages) >= 100)
        assert (now() - begun).total_seconds() >= 99 / 60
        until(lambda: queries.status(campaign)["reason"] == "limit")
    assert len(server.messages) <= 110
    assert server.most_open <= 6
    books_balance(campaign)


def test_a_mailbox_provider_that_asks_for_patience_is_put_off_and_holds_up_nobody(
    house: House, server: ScriptedServer
) -> None:
    house.people(90)
    slow = [n for n in range(1001, 1091) if n % 3 == 1]
    asks = "450 4.7.28 unusual rate of mail, try again later"
    server.on("rcpt", asks, when=lambda moment: house.number(moment.recipient) % 3 == 1, times=1)
    house.route(server, connections=1)
    campaign = house.released()
    ended = run_until_still(campaign.pk)
    assert (ended["state"], ended["by_route"]["main"]["state"]) == ("sending", "live")
    assert ended["accepted"] >= 60 and ended["refused"] == 0
    assert ended["accepted"] + ended["deferred"] == 90 and ended["deferred"] > 10
    books_balance(campaign)
    # They wait in no chunk, no try is counted against them, and they come one after the other.
    assert not Chunk.objects.exclude(state=Chunk.DONE).exists()
    waiting = Retry.objects.order_by("due")
    assert {row.number for row in waiting} <= set(slow) and {row.tries for row in waiting} == {0}
    assert all(timedelta(0) < row.due - now() < timedelta(hours=1) for row in waiting)
    slowed = ProviderPace.objects.get()
    assert (slowed.provider, slowed.rate) == (1, slowed.full / 2)
    # Grown back, and due.
    ProviderPace.objects.update(at=slowed.at - 7200, hold=slowed.at - 7200)
    Retry.objects.update(due=now())
    assert run_campaign(campaign.pk, 120)["ended"] == "finished"
    assert set(server.counts().values()) == {1} and len(server.counts()) == 90


def waits() -> set[timedelta]:
    """How long those who were put off wait, from their answer on."""
    return {row.due - row.first for row in Retry.objects.all()}


def test_a_reader_whose_server_named_a_time_is_not_tried_before_it(house: House, server: ScriptedServer) -> None:
    addresses = house.people(3)
    # Our own table would say five minutes.
    server.on("rcpt", "450 4.2.0 Greylisted, try again in 2 hours", recipient=addresses[1])
    house.route(server)
    house.released()
    with Running():
        until(lambda: len(server.messages) == 2 and Retry.objects.exists())
    assert waits() == {timedelta(hours=2)}


def test_a_relay_that_named_a_time_rests_that_long(house: House, server: ScriptedServer) -> None:
    house.people(3)
    server.on("mail", "550 Too many messages. Try again in 92 seconds.")
    route = house.route(server)
    campaign = house.released()
    with Running():
        until(lambda: Route.objects.get(pk=route.pk).state == "throttled")
    route.refresh_from_db()
    assert route.until is not None and route.until - route.changed == timedelta(seconds=92)
    assert not server.messages and queries.status(campaign)["refused"] == 0


def test_a_mailbox_provider_that_named_a_time_gets_nothing_before_it(house: House, server: ScriptedServer) -> None:
    theirs, _other = house.people(2)  # The other one is of a provider that is not known.
    server.on("final", "421 4.7.0 [TSS04] temporarily deferred, try again in 1200 seconds", recipient=theirs)
    house.route(server, connections=1)
    house.released()
    with Running():
        until(lambda: len(server.messages) == 1 and Retry.objects.exists())
    slowed = ProviderPace.objects.get()
    assert slowed.hold - slowed.at == 1200
    assert min(waits()) >= timedelta(seconds=1190)


def test_a_relay_that_is_slow_itself_slows_no_mailbox_provider_down(house: House, server: ScriptedServer) -> None:
    house.people(30)
    server.on("mail", "451 4.7.1 Rate limit exceeded, try again in 1 seconds", after=9, times=1)
    house.route(server, connections=1)
    assert run_campaign(house.released().pk, 120)["ended"] == "finished"
    assert not ProviderPace.objects.exists()


def test_two_campaigns_share_a_slow_route_fairly(house: House, server: ScriptedServer) -> None:
    house.people(40)
    house.route(server, rate="20/s")
    one, two = house.released(), house.released()
    with Running():
        until(lambda: len(server.messages) >= 40)
    shares = [queries.status(campaign)["accepted"] for campaign in (one, two)]
    assert min(shares) >= 10


def test_a_confirmation_counts_and_goes_ahead_of_a_campaign_whose_limit_is_used(
    house: House, server: ScriptedServer
) -> None:
    route = house.route(server, rate="2000/s,2000/h")
    allowance = rate_budgets.allowance_of(route)
    moment = NOON
    while rate_budgets.draw(route.pk, allowance, 500, 0, moment).why != "limit":
        moment += timedelta(seconds=1)
    # One in a hundred of an hour's limit is kept for those who wait for a confirmation.
    assert rate_budgets.used(route, moment)[0].used == 1980
    assert [rate_budgets.send_first(route, moment) for _ in range(21)] == [True] * 20 + [False]
    assert rate_budgets.used(route, moment)[0].used == 2000


def test_large_emails_go_out_a_few_at_a_time_whatever_the_route_allows(
    house: House, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here one at a time: none has room beside another."""
    house.people(12)
    house.route(server)
    monkeypatch.setattr(route_worker, "LEAST_BYTES", 1)
    monkeypatch.setattr(route_worker, "LANE_BYTES", 1)
    taken: list[int] = []
    take = RouteRun.take

    def counted(run: RouteRun) -> Any:
        message = take(run)
        taken.append(len(run.out))
        return message

    monkeypatch.setattr(RouteRun, "take", counted)
    ended = run_campaign(house.released().pk, 120)
    assert (ended["accepted"], max(taken)) == (12, 1)
