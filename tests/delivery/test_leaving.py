"""Who has left gets nothing more: nothing is fed while what readers sent has not been taken up."""

import json
import os
import struct
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import OperationalError

from samizdat.audience import actions, queries
from samizdat.campaigns.models import Campaign
from samizdat.core import consent
from samizdat.core.crypto import tokens
from samizdat.core.mail import rate
from samizdat.delivery.actions import release
from samizdat.delivery.engine.sender import run_campaign
from samizdat.events.models import Event
from samizdat.publicdb import actions as publicdb
from samizdat.publicdb.models import Intake, Site
from samizdat.worker.inbox import preferences, unsubscribes
from samizdat.worker.publishing import publish
from tests.delivery.conftest import House, Running, until
from tests.smtp_server import ScriptedServer
from tests.worker.conftest import seal_in


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """As with the real numbers, in a moment."""
    monkeypatch.setattr(rate, "UNTAKEN", 0.0)
    monkeypatch.setattr(rate, "UNTAKEN_SAID", 0.1)


type Sent = Callable[..., tuple[Campaign, list[str]]]


@pytest.fixture
def to_people(house: House, server: ScriptedServer) -> Sent:
    """Releases a campaign to so many subscribers, whose links the public process knows: it and their addresses."""

    def released(count: int, **route: Any) -> tuple[Campaign, list[str]]:
        publish.publish_place(house.organization)
        addresses = house.people(count)
        house.route(server, **route)
        return house.released(), addresses

    return released


def is_waiting(campaign: Campaign) -> bool:
    return Campaign.objects.get(pk=campaign.pk).reason == "untaken"


def finish(campaign: Campaign) -> None:
    """The worker takes up what came, and the campaign goes on to its end."""
    preferences.take_everything(datetime.now(UTC))
    until(lambda: Campaign.objects.get(pk=campaign.pk).state == "finished")
    campaign.refresh_from_db()


def recipients(server: ScriptedServer) -> set[str]:
    return {to for message in server.messages for to in message.recipients}


def drop_in(house: House, words: dict[str, Any]) -> None:
    seal_in(house.organization, json.dumps({"at": datetime.now(UTC).isoformat(), **words}).encode())


def token_of(house: House, campaign: Campaign, address: str, purpose: str) -> str:
    """Of a link in the email that somebody got."""
    key = house.keys.link
    assert key is not None
    return tokens.make(key, purpose, campaign.edition.pk, house.number(address))


def leave(house: House, campaign: Campaign, address: str) -> None:
    """They press the unsubscribe button of their mail program."""
    token = token_of(house, campaign, address, "leave")
    drop_in(house, {"kind": "leave", "token": token, "purpose": "leave", "way": "one-click"})


def test_while_the_worker_stands_still_nothing_is_sent_and_who_left_gets_nothing_when_it_goes_on(
    house: House, server: ScriptedServer, to_people: Sent, running: type[Running]
) -> None:
    campaign, addresses = to_people(60)
    for address in addresses[::3]:
        leave(house, campaign, address)
    with running():
        until(lambda: is_waiting(campaign))
        assert not server.messages
        finish(campaign)
    assert (campaign.accepted, campaign.suppressed, campaign.unsubscribes) == (40, 20, 20)
    assert recipients(server) == set(addresses) - set(addresses[::3])
    waits = Event.objects.filter(about=campaign.pk, kind__in=("campaign.waits", "campaign.wait_over"))
    kinds = [event.kind for event in waits.order_by("pk")]
    assert kinds[:2] == ["campaign.waits", "campaign.wait_over"]  # On a busy machine it may wait once more.


def test_while_unsubscribes_wait_no_slice_is_fed(
    house: House, server: ScriptedServer, to_people: Sent, running: type[Running], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also before the campaign says that it waits."""
    monkeypatch.setattr(rate, "UNTAKEN_SAID", 10_000.0)
    campaign, addresses = to_people(10)
    leave(house, campaign, addresses[0])
    looks: list[dict[bytes, tuple[int, int]]] = []
    untaken = publicdb.untaken
    monkeypatch.setattr(publicdb, "untaken", lambda: looks.append(untaken()) or looks[-1])
    with running():
        until(lambda: len(looks) >= 4)
        assert not server.messages
        finish(campaign)
    assert addresses[0] not in recipients(server)


def test_what_was_fed_goes_back_when_the_worker_stops_in_the_middle_of_a_send(
    house: House, server: ScriptedServer, to_people: Sent, running: type[Running]
) -> None:
    campaign, addresses = to_people(60, rate="20/s")
    with running():
        until(lambda: len(server.messages) >= 5)
        leave(house, campaign, addresses[-1])
        until(lambda: is_waiting(campaign))
        assert len(server.messages) < 59
        finish(campaign)
    assert (campaign.accepted, campaign.suppressed) == (59, 1)
    assert addresses[-1] not in recipients(server)


@pytest.mark.parametrize("choice", [{"often": "pause"}, {"often": "all", "appeals": "no"}], ids=["pause", "no appeals"])
def test_what_subscribers_choose_in_the_preference_center_holds_an_appeal_until_it_is_taken_up(
    house: House, server: ScriptedServer, running: type[Running], choice: dict[str, str]
) -> None:
    """Also where whoever takes up leaving alone has looked."""
    publish.publish_place(house.organization)
    addresses = house.people(20)
    for address in addresses:
        subscriber = queries.subscriber_at(house.organization, address)
        assert subscriber is not None
        actions.confirm(subscriber, house.list, now=datetime.now(UTC))
        actions.agree_to_appeals_of(subscriber, [house.list], way="desk", wording="Will give.", now=datetime.now(UTC))
    house.route(server)
    draft = house.draft()
    draft.purpose = consent.PURPOSES.index(consent.APPEALS)
    draft.save(update_fields=["purpose"])
    campaign = release(draft, now=datetime.now(UTC))
    until_then = (datetime.now(UTC) + timedelta(days=30)).date().isoformat()
    for address in addresses[::4]:
        token = token_of(house, campaign, address, "preferences")
        drop_in(house, {"kind": "prefer", "token": token, "purpose": "preferences", "until": until_then, **choice})
    with running():
        until(lambda: is_waiting(campaign))
        assert unsubscribes.take(datetime.now(UTC)) == 0
        assert publicdb.untaken() and not server.messages
        assert preferences.take_everything(datetime.now(UTC)) == 5
        until(lambda: Campaign.objects.get(pk=campaign.pk).state == "finished")
    campaign.refresh_from_db()
    assert (campaign.accepted, campaign.suppressed) == (15, 5)
    assert recipients(server) == set(addresses) - set(addresses[::4])


def test_who_leaves_everything_in_the_preference_center_gets_nothing_when_the_worker_goes_on(
    house: House, server: ScriptedServer, to_people: Sent, running: type[Running]
) -> None:
    campaign, addresses = to_people(10)
    token = token_of(house, campaign, addresses[0], "preferences")
    drop_in(house, {"kind": "leave", "token": token, "purpose": "preferences", "way": "form"})
    with running():
        until(lambda: is_waiting(campaign))
        assert not server.messages
        finish(campaign)
    assert recipients(server) == set(addresses[1:])


def test_a_database_that_does_not_answer_keeps_what_subscribers_chose_and_the_send_waits(
    house: House, to_people: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign, addresses = to_people(3)
    token = token_of(house, campaign, addresses[0], "preferences")
    drop_in(house, {"kind": "prefer", "token": token, "purpose": "preferences", "often": "monthly"})

    def locked(*_args: Any, **_how: Any) -> None:
        raise OperationalError("database is locked")

    with monkeypatch.context() as patch:
        patch.setattr("samizdat.audience.actions.preferences.prefer_all", locked)
        with pytest.raises(OperationalError):
            preferences.take_everything(datetime.now(UTC))
    assert bytes(house.organization.uid) in publicdb.untaken()
    assert preferences.take_everything(datetime.now(UTC)) == 1
    assert not publicdb.untaken()


def test_rubbish_and_what_waits_for_something_else_hold_no_send(
    house: House, server: ScriptedServer, to_people: Sent
) -> None:
    """Boxes that nobody can open, of unknown kinds, without a key, or breaking whoever takes them up."""
    campaign, _ = to_people(5)
    place = Site.objects.get(uid=bytes(house.organization.uid))
    publicdb.drop_in(place, b"rubbish")
    publicdb.drop_in(place, struct.pack(">I", 77) + os.urandom(80))
    for words in ({"kind": "signup", "form": "none"}, {"kind": "future"}, {"kind": "leave", "token": []}):
        drop_in(house, words)
    preferences.take_everything(datetime.now(UTC))
    assert Intake.objects.exists()
    assert run_campaign(campaign.pk, 120)["ended"] == "finished"
    assert len(server.messages) == 5


def test_a_box_that_breaks_whoever_opens_it_holds_no_send(
    house: House, to_people: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign, addresses = to_people(5)
    leave(house, campaign, addresses[0])

    def broken(*_args: Any) -> None:
        raise ValueError(addresses[0])

    monkeypatch.setattr("samizdat.worker.inbox.inbox._wanted", broken)
    preferences.take_everything(datetime.now(UTC))
    assert run_campaign(campaign.pk, 120)["ended"] == "finished"


def test_a_command_that_waits_for_its_campaign_takes_up_what_readers_sent_where_no_worker_runs(
    house: House, to_people: Sent
) -> None:
    campaign, addresses = to_people(5)
    leave(house, campaign, addresses[0])
    ended = run_campaign(campaign.pk, 120, take_up=preferences.take_everything)
    assert (ended["ended"], ended["accepted"], ended["suppressed"]) == ("finished", 4, 1)


def test_another_group_of_the_house_sends_on(house: House, server: ScriptedServer, vault: Any) -> None:
    from samizdat.accounts.actions import found_organization
    from tests.conftest import TODAY

    other = found_organization("Southern Lantern", source=vault, today=TODAY, public_url="https://south.example")
    publish.publish_place(other)
    publicdb.drop_in(Site.objects.get(uid=bytes(other.uid)), b"anything")
    house.people(5)
    house.route(server)
    assert run_campaign(house.released().pk, 120)["ended"] == "finished"
