"""A strict organization that locks by itself stops its send between two messages; unlocked, the rest is sent once."""

from typing import Any

import pytest

from samizdat.accounts import actions
from samizdat.campaigns.models import Campaign
from samizdat.core.crypto.passphrase import Cost
from samizdat.delivery import queries
from samizdat.delivery.actions import strict_keys
from samizdat.delivery.engine.sender import run_campaign
from samizdat.vault import keyring, strict
from tests.conftest import PASSWORD
from tests.delivery.conftest import House, until
from tests.delivery.test_key_locks import _is_still, now
from tests.delivery.test_sending import books_balance
from tests.smtp_server import ScriptedServer

SAID = {"vera": "six words of Vera, rivers", "olga": "six words of Olga, lamps"}


def test_a_send_stops_when_the_time_is_over_and_the_rest_goes_once_after_the_unlock(
    house: House, server: ScriptedServer, running: Any, vault: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(strict, "COST", Cost(64, 1, 4))
    here = house.organization
    for name, typed in SAID.items():
        made = actions.add_person(f"{name}@lantern.example", name=name, password=PASSWORD, today=now().date())
        strict.prepare(here, made.pk, typed, now().date())
    strict_keys.turn_on(here, by=None, now=now())
    addresses = house.people(1500)
    house.route(server, rate="400/s")
    campaign = house.released()
    with running():
        until(lambda: len(server.messages) > 50)
        strict_keys.lock_all(now(), [here.pk])
        vault.let_go([(here.pk, bytes(here.uid))])
        until(lambda: _is_still(server))
        campaign.refresh_from_db()
        assert (campaign.state, campaign.reason) == ("waiting", "keys_locked")
    campaign.refresh_from_db()
    assert queries.recount(campaign).adds_up
    assert len(server.messages) == campaign.accepted < 1500 and not campaign.unsure
    assert run_campaign(campaign.pk, 5)["ended"] == "keys_locked"
    keyring.drop([(here.pk, bytes(here.uid))])
    strict_keys.unlock(here, strict.people(here), SAID["olga"], 8, by=None, now=now())
    with running():
        until(lambda: Campaign.objects.get(pk=campaign.pk).state == "finished")
    books_balance(campaign)
    assert sorted(server.counts()) == sorted(addresses)
    assert set(server.counts().values()) == {1}
