"""A lock stops a send between two messages; unlocked, the rest is sent once."""

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from samizdat.delivery import queries
from samizdat.delivery.actions import key_locks, release, start_due
from samizdat.delivery.engine import claimer
from samizdat.delivery.engine.sender import run_campaign
from samizdat.events.models import Event
from tests.delivery.conftest import House, until
from tests.delivery.test_sending import books_balance
from tests.smtp_server import ScriptedServer


def now() -> datetime:
    return datetime.now(UTC)


def test_a_send_stops_at_a_lock_with_right_books_and_the_rest_goes_once_after_it(
    house: House, server: ScriptedServer, running: Any
) -> None:
    addresses = house.people(1500)
    house.route(server, rate="400/s")
    campaign = house.released()
    with running():
        until(lambda: len(server.messages) > 50)
        assert key_locks.lock(house.organization, by=None, now=now())
        until(lambda: _is_still(server))
        campaign.refresh_from_db()
        assert (campaign.state, campaign.reason) == ("waiting", "keys_locked")
    campaign.refresh_from_db()
    assert queries.recount(campaign).adds_up
    assert len(server.messages) == campaign.accepted < 1500 and not campaign.unsure
    assert run_campaign(campaign.pk, 5)["ended"] == "keys_locked"
    assert key_locks.unlock(house.organization, by=None, now=now())
    # As `campaign send --wait`, which is not told once more that it was locked.
    assert run_campaign(campaign.pk, 60)["state"] == "finished"
    books_balance(campaign)
    assert sorted(server.counts()) == sorted(addresses)
    assert set(server.counts().values()) == {1}


def test_a_lock_that_falls_into_a_look_at_the_routes_ends_no_sender(
    house: House, server: ScriptedServer, running: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.people(300)
    house.route(server, rate="100/s")
    campaign = house.released()
    real, locked = claimer.route_infos, threading.Event()

    def route_infos(organization: int) -> Any:
        if server.messages and not locked.is_set():
            key_locks.lock(house.organization, by=None, now=now())
            locked.set()
        return real(organization)

    monkeypatch.setattr(claimer, "route_infos", route_infos)
    with running():
        until(locked.is_set)
        until(lambda: _is_still(server))
    campaign.refresh_from_db()
    assert queries.recount(campaign).adds_up and campaign.state == "waiting"


_seen: dict[int, tuple[int, int]] = {}


def _is_still(server: ScriptedServer) -> bool:
    """Nothing came for the last looks."""
    count, looks = _seen.get(id(server), (0, 0))
    here = len(server.messages)
    _seen[id(server)] = (here, looks + 1 if here == count else 0)
    return _seen[id(server)][1] > 10


def test_a_scheduled_campaign_waits_while_its_organization_is_locked(house: House, server: ScriptedServer) -> None:
    house.people(3)
    house.route(server)
    campaign = release(house.draft(), now=now(), at=now() + timedelta(minutes=1))
    key_locks.lock(house.organization, by=None, now=now())
    later = now() + timedelta(minutes=2)
    assert start_due(later) == 0
    campaign.refresh_from_db()
    assert campaign.state == "scheduled"
    key_locks.unlock(house.organization, by=None, now=now())
    assert start_due(later) == 1


def test_the_log_says_who_locked_it_and_who_unlocked_it(house: House) -> None:
    key_locks.lock(house.organization, by=None, now=now())
    key_locks.unlock(house.organization, by=None, now=now())
    kinds = Event.objects.filter(kind__startswith="keys.").order_by("id").values_list("kind", "about")
    assert [*kinds] == [("keys.locked", 1), ("keys.unlocked", 2)]
