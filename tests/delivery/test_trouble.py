"""Databases that go away, relays that stall or want patience, letters that do not open: nothing is lost."""

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection, connections

from samizdat.campaigns.models import Campaign, Edition
from samizdat.core.content.message import MessageMaker, Unmakeable
from samizdat.core.mail.outcome import RouteVerdict
from samizdat.delivery import queries
from samizdat.delivery.actions import condemn
from samizdat.delivery.engine import sender
from samizdat.delivery.engine.sender import run_campaign
from samizdat.delivery.models import Chunk, MinuteTotal, Route, Worker
from samizdat.delivery.monitoring import waits_for_route
from tests.delivery.conftest import House, Running, until
from tests.delivery.test_sending import books_balance
from tests.smtp_server import STALL, ScriptedServer


def now() -> datetime:
    return datetime.now(UTC)


def test_a_database_that_goes_away_in_the_middle_loses_nobody(house: House, server: ScriptedServer) -> None:
    addresses = house.people(600)
    server.latency = 0.01
    house.route(server, connections=4)
    campaign = house.released()

    def trouble() -> None:
        until(lambda: len(server.messages) > 100)
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
        else:
            with connection.cursor() as cursor:
                cursor.execute("BEGIN IMMEDIATE")
                time.sleep(1.0)
                cursor.execute("ROLLBACK")
        connection.close()

    ended: dict[str, Any] = {}

    def work() -> None:
        ended.update(run_campaign(campaign.pk, 120))
        connection.close()

    worker = threading.Thread(target=work)
    worker.start()
    trouble()
    worker.join(60)
    connections.close_all()
    assert (ended["ended"], ended["accepted"], ended["unsure"]) == ("finished", 600, 0)
    assert set(server.counts()) == set(addresses)
    # Cut off from the database is no crash: what was in flight got its answer, and the journal kept it.
    assert set(server.counts().values()) == {1}
    books_balance(campaign)


def test_a_stalling_relay_does_not_hold_up_the_end_and_its_letter_is_in_doubt(
    house: House, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender, "PATIENCE", 0.4)
    address = house.people(1)[0]
    server.on("final", STALL, recipient=address)
    house.route(server)
    campaign = house.released()
    Campaign.objects.update(unsure_policy="hold")
    with Running():
        until(lambda: server.rules[0].used)  # The relay has all of it, and says nothing.
        begun = time.monotonic()
    assert time.monotonic() - begun < 30
    campaign.refresh_from_db()
    assert (campaign.unsure, campaign.pending) == (1, 0)
    assert not Worker.objects.filter(ended=None).exists()
    books_balance(campaign)


def test_a_relay_that_wants_patience_keeps_its_letters(
    house: House, server: ScriptedServer, second: ScriptedServer
) -> None:
    house.people(60)
    server.on("mail", "421 4.7.0 too many messages, try again in 1 seconds", after=20, times=1)
    house.route(server, "first", priority=1)
    house.route(second, "second", priority=2)
    campaign = house.released()
    ended = run_campaign(campaign.pk, 120)
    assert (ended["ended"], ended["accepted"]) == ("finished", 60)
    assert ended["by_route"]["first"]["state"] in ("live", "throttled")
    books_balance(campaign)


def test_who_waits_for_a_patient_route_is_told_until_when(house: House, server: ScriptedServer) -> None:
    house.people(1)
    first = house.route(server, "first", priority=1)
    second = house.route(server, "second", priority=2)
    campaign = house.released()
    asked = now()
    condemn(first.pk, RouteVerdict("throttled", "rate", {}, 300), asked)
    assert waits_for_route(campaign, asked) == ("first", asked + timedelta(seconds=300))
    assert waits_for_route(campaign, asked + timedelta(seconds=301)) is None
    MinuteTotal.objects.create(edition=campaign.edition, route=second, minute=asked + timedelta(minutes=1))
    assert waits_for_route(campaign, asked) is None
    condemn(first.pk, RouteVerdict("throttled", "rate", {}, 3600), asked + timedelta(minutes=2))
    assert waits_for_route(campaign, asked + timedelta(minutes=2)) is None


def test_a_paused_route_takes_nothing_more_and_the_next_one_goes_on(
    house: House, server: ScriptedServer, second: ScriptedServer
) -> None:
    from samizdat.delivery.actions import pause_route

    addresses = house.people(500)
    server.latency = 0.03
    first = house.route(server, "first", priority=1, connections=4)
    house.route(second, "second", priority=2)
    campaign = house.released()
    with Running():
        until(lambda: len(server.messages) > 50)
        pause_route(first, now=now())
        until(lambda: Campaign.objects.get(pk=campaign.pk).state == "finished")
    assert len(second.messages) > 0
    assert server.counts() + second.counts() == dict.fromkeys(addresses, 1)
    assert Route.objects.get(pk=first.pk).state == "paused"
    books_balance(campaign)


def test_a_reader_whose_letter_cannot_be_made_holds_nobody_up(
    house: House, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    addresses = house.people(10)
    genuine = MessageMaker.__call__

    def odd(self: MessageMaker, values: Any) -> bytes:
        if values["EMAIL"] == addresses[4]:
            raise Unmakeable("address", "No.")
        return genuine(self, values)

    monkeypatch.setattr(MessageMaker, "__call__", odd)
    house.route(server)
    campaign = house.released()
    ended = run_campaign(campaign.pk, 120)
    assert (ended["ended"], ended["accepted"], ended["refused"]) == ("finished", 9, 1)
    assert queries.delivery_of(campaign, house.number(addresses[4])) == ("refused", "unmakeable", 0)
    books_balance(campaign)


def test_a_blob_that_does_not_open_holds_nobody_up(house: House, server: ScriptedServer) -> None:
    from samizdat.audience.models import Subscriber, row_id

    addresses = house.people(10)
    house.route(server)
    campaign = house.released()
    row = row_id(house.organization.id, house.number(addresses[3]))
    Subscriber.objects.filter(pk=row).update(sealed=bytes(80))
    other = row_id(house.organization.id, house.number(addresses[4]))
    number = house.number(addresses[4])
    blob = house.keys.seal(b"\x09" + house.keys.blind(addresses[4])[:8], "subscriber", "sealed", number)
    Subscriber.objects.filter(pk=other).update(sealed=blob)
    ended = run_campaign(campaign.pk, 120)
    assert (ended["ended"], ended["accepted"], ended["refused"]) == ("finished", 8, 2)
    books_balance(campaign)


def test_a_letter_that_does_not_open_is_paused_and_the_others_go_on(house: House, server: ScriptedServer) -> None:
    house.people(10)
    house.route(server)
    broken, whole = house.released(), house.released()
    Edition.objects.filter(campaign=broken).update(compiled_sealed=bytes(100))
    assert run_campaign(whole.pk, 120)["accepted"] == 10
    ended = run_campaign(broken.pk, 120)
    assert (ended["ended"], ended["reason"], ended["pending"]) == ("paused", "unreadable", 10)
    assert not Chunk.objects.filter(state=Chunk.CLAIMED).exists()


def test_two_houses_send_side_by_side_by_their_own_routes(
    house: House, server: ScriptedServer, second: ScriptedServer, vault: Any
) -> None:
    from samizdat.accounts.actions import found_organization
    from tests.conftest import TODAY

    settings = {"public_url": "https://south.example", "return_address": "back@south.example"}
    other = House(found_organization("Southern Lantern", source=vault, today=TODAY, **settings), "south.example")
    house.people(120)
    other_people = other.people(130)
    house.route(server)
    other.route(second)
    ours, theirs = house.released(), other.released()
    with Running():
        until(lambda: set(Campaign.objects.values_list("state", flat=True)) == {"finished"})
    assert (len(server.messages), len(second.messages)) == (120, 130)
    assert set(second.counts()) == set(other_people)
    for campaign in (ours, theirs):
        books_balance(campaign)


def test_two_campaigns_take_turns(house: House, server: ScriptedServer) -> None:
    house.people(1500)
    server.latency = 0.002
    house.route(server, connections=8)
    first, second = house.released(), house.released()
    with Running():
        until(lambda: len(server.messages) > 1700)
        counts = [Campaign.objects.get(pk=one.pk).accepted for one in (first, second)]
    assert min(counts) > 300
    for campaign in (first, second):
        books_balance(campaign)


def test_a_second_sender_on_the_same_folder_watches_until_the_first_is_gone(
    house: House, server: ScriptedServer
) -> None:
    addresses = house.people(300)
    server.latency = 0.01
    house.route(server, connections=4)
    campaign = house.released()
    with Running():
        until(lambda: len(server.messages) > 20)
        watched = threading.Thread(target=lambda: (run_campaign(campaign.pk, 120), connection.close()))
        watched.start()
        until(lambda: Campaign.objects.get(pk=campaign.pk).state == "finished")
        watched.join(60)
        assert not watched.is_alive()
    assert server.counts() == dict.fromkeys(addresses, 1)
    books_balance(campaign)
