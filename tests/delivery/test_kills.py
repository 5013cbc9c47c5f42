"""Kill the sender at the worst moments, and count: nobody lost, nobody twice but on record, the books in order."""

import json
import os
import random
import signal
import subprocess
import time
from email import message_from_bytes
from typing import Any

import pytest
from django.conf import settings
from django.db import connection, connections

from samizdat.campaigns.models import Campaign
from samizdat.delivery import queries
from samizdat.delivery.models import Chunk, Retry, Route, RoutePace
from tests import warm
from tests.delivery.child import STEPS
from tests.delivery.conftest import House, until
from tests.delivery.test_sending import books_balance
from tests.smtp_server import ScriptedServer

pytestmark = pytest.mark.kill

CONNECTIONS = 6


class Child:
    """A sender that is on its own until it is killed. name and data: of a copied database, and its data folder."""

    def __init__(self, name: str = "", data: str = "", **told: Any) -> None:
        name = name or str(connection.settings_dict["NAME"])
        told["publicdb"] = str(connections["publicdb"].settings_dict["NAME"])
        copied = {"SAMIZDAT_DATA": data} if data else {}
        self.process = warm.Process(
            ["-m", "tests.delivery.child", name, json.dumps(told)],
            stdout=subprocess.PIPE,
            cwd=warm.ROOT,
            env={**os.environ, "DJANGO_SETTINGS_MODULE": "samizdat.settings", **copied},
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"ready\n"

    @property
    def ended(self) -> bool:
        return self.process.poll() is not None

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()  # type: ignore[union-attr]

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(60) == 0
        self.process.stdout.close()  # type: ignore[union-attr]


def one_identity_each(server: ScriptedServer) -> None:
    """Every copy of a message carries the same Message-ID, and no two readers share one."""
    known: dict[str, str] = {}
    for caught in server.messages:
        identity = message_from_bytes(caught.content)["Message-ID"]
        assert known.setdefault(caught.recipient, identity) == identity
    assert len(set(known.values())) == len(known)


def finish(campaign: Campaign) -> None:
    child = Child()
    until(lambda: Campaign.objects.get(pk=campaign.pk).state == "finished")
    child.stop()


def test_twenty_kills_lose_nobody(house: House, server: ScriptedServer) -> None:
    addresses = house.people(4000)
    server.latency = 0.025
    house.route(server, connections=CONNECTIONS)
    campaign = house.released()
    chance = random.Random(20)
    steps = list(STEPS)
    open_at_kills = own_deaths = 0
    for place in range(20):
        # Every other one dies at a step of its own, the others at a random moment.
        die = {"die": [steps[(place // 2) % len(steps)], chance.randrange(1, 4)]} if place % 2 else {}
        child = Child(**die)
        begun, taken = time.monotonic(), len(server.messages)
        patience = 15.0 if die else chance.uniform(0.2, 0.8)
        # One whose step doesn't come sends no more than others do in all.
        while not child.ended and time.monotonic() - begun < patience and len(server.messages) - taken < 1000:
            time.sleep(0.005)
        open_at_kills += server.open if not child.ended else CONNECTIONS
        own_deaths += child.ended
        child.kill()
        books_balance(campaign)
    assert own_deaths >= 5 and 200 < len(server.messages) < len(addresses)
    server.latency = 0.0
    finish(campaign)
    counts = server.counts()
    assert set(counts) == set(addresses)
    extra = sum(counts.values()) - len(addresses)
    assert extra <= open_at_kills
    one_identity_each(server)
    books_balance(campaign)
    campaign.refresh_from_db()
    assert (campaign.accepted, campaign.unsure) == (len(addresses), 0)
    assert not Retry.objects.exists() and not Chunk.objects.exclude(state=Chunk.DONE).exists()
    assert not [name for name in os.listdir(settings.DATA / "journals") if name.startswith("worker-")]


def test_with_the_policy_hold_a_kill_sends_nothing_twice(house: House, server: ScriptedServer) -> None:
    addresses = house.people(700)
    # Slow, so that each kill falls into the middle however busy this machine is.
    server.latency = 0.05
    house.route(server, connections=CONNECTIONS)
    campaign = house.released()
    Campaign.objects.update(unsure_policy="hold")
    for _ in range(3):
        child = Child()
        taken = len(server.messages)
        until(lambda taken=taken: len(server.messages) > taken + 40)
        child.kill()
        books_balance(campaign)
    server.latency = 0.0
    finish(campaign)
    assert set(server.counts().values()) == {1}
    campaign.refresh_from_db()
    assert campaign.accepted + campaign.unsure == len(addresses)
    assert campaign.unsure <= 3 * CONNECTIONS
    assert len(set(addresses) - set(server.counts())) <= campaign.unsure
    books_balance(campaign)


def test_a_sender_that_is_asked_to_stop_leaves_nothing_in_doubt(house: House, server: ScriptedServer) -> None:
    house.people(600)
    server.latency = 0.05
    house.route(server, connections=CONNECTIONS)
    campaign = house.released()
    child = Child()
    until(lambda: len(server.messages) > 50)
    child.stop()
    campaign.refresh_from_db()
    assert campaign.accepted == len(server.messages) and campaign.unsure == 0
    assert campaign.state == "sending" and not Chunk.objects.filter(state=Chunk.CLAIMED).exists()
    books_balance(campaign)
    assert queries.status(campaign)["pending"] == 600 - campaign.accepted


def test_a_limit_holds_over_kills_and_nobody_is_lost(house: House) -> None:
    """What a killed sender had drawn counts as used: so less is sent in the day, and never more."""
    with ScriptedServer(latency=0.005) as server:
        house.people(300)
        house.route(server, connections=CONNECTIONS, rate="200/s,150/d")
        campaign = house.released()
        for round_ in range(4):
            child = Child()
            until(lambda: len(server.messages) >= min(20 * (round_ + 1), 80))  # noqa: B023
            child.kill()
        child = Child()
        until(lambda: Campaign.objects.get(pk=campaign.pk).reason == "limit")
        child.stop()
        assert 80 <= len(server.messages) <= 150
        books_balance(campaign)
        Route.objects.update(limits="", rate=None)
        RoutePace.objects.all().delete()
        finish(campaign)
        assert len(server.counts()) == 300
        one_identity_each(server)
        books_balance(campaign)
