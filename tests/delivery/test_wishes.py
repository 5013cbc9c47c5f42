"""How often readers want letters, and how they look, from release to the relay."""

from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from typing import Any

import pytest

from samizdat.audience import queries as audience
from samizdat.audience.actions import confirm, preferences
from samizdat.audience.actions.preferences import PreferenceChoice
from samizdat.audience.choice_log import CHOSEN
from samizdat.audience.models import Subscription
from samizdat.delivery import queries
from samizdat.delivery.actions.recipients import who_waits
from samizdat.delivery.engine.sender import run_campaign
from samizdat.vault import keyring, keyserver
from tests.delivery.conftest import House
from tests.events_read import events_read, long_history
from tests.smtp_server import ScriptedServer


def wish(house: House, address: str, **choice: Any) -> None:
    found = audience.subscriber_at(house.organization, address)
    assert found is not None
    confirm(found, house.list, now=datetime.now(UTC))
    preferences.prefer_all(found, [house.list], PreferenceChoice(**choice), now=datetime.now(UTC))


def test_every_reader_gets_it_as_they_want_it_or_not_now(house: House, server: ScriptedServer) -> None:
    usual, text, discreet, paused, late = house.people(5)
    house.route(server)
    wish(house, text, wishes="t")
    wish(house, discreet, wishes="d")
    until = datetime.now(UTC).date() + timedelta(days=30)
    wish(house, paused, often="pause", until=until)
    campaign = house.released()
    wish(house, late, often="pause", until=until)
    ended = run_campaign(campaign.pk, 120)
    assert (campaign.frozen, ended["accepted"], ended["suppressed"]) == (4, 3, 1)
    assert queries.delivery_of(campaign, house.number(late)) == ("suppressed", "suppressed", 0)
    mails = {one.recipient: message_from_bytes(one.content, policy=policy.default) for one in server.messages}
    assert {*mails} == {usual, text, discreet}
    assert mails[usual].get_content_type() == mails[discreet].get_content_type() == "multipart/alternative"
    assert mails[text].get_content_type() == "text/plain"
    assert mails[text]["subject"] == mails[usual]["subject"] != mails[discreet]["subject"] == "An email"
    assert mails[discreet]["from"].addresses[0].display_name == ""


def test_whoever_wants_one_letter_a_month_gets_the_first_to_the_whole_list(
    house: House, server: ScriptedServer
) -> None:
    every, seldom = house.people(2)
    house.route(server)
    wish(house, seldom, often="monthly")
    first, second = house.released(), house.released()
    assert (first.frozen, second.frozen) == (2, 1)
    assert [len(who_waits(second, second.not_before + timedelta(days=days))) for days in (0, 40)] == [1, 0]
    wish(house, seldom, often="all")
    assert house.released().frozen == 2


def test_who_paused_gets_nothing_though_the_columns_lost_it(house: House, server: ScriptedServer) -> None:
    """Whoever writes the database takes it away for the hours of a campaign."""
    usual, paused, over = house.people(3)
    house.route(server)
    today = datetime.now(UTC).date()
    wish(house, paused, often="pause", until=today + timedelta(days=30))
    wish(house, over, often="pause", until=today + timedelta(days=30))
    wish(house, over, often="all")
    Subscription.objects.update(paused=None, mail_verdict=1)
    run_campaign(house.released().pk, 120)
    assert {*server.counts()} == {usual, over}


def test_who_has_a_long_history_of_choices_holds_no_send_up(house: House, server: ScriptedServer) -> None:
    """One person of one organization presses a link for an hour, and no sender may read all of that."""
    usual, paused, eager = house.people(3)
    house.route(server)
    for address in (paused, eager):
        found = audience.subscriber_at(house.organization, address)
        assert found is not None
        assert long_history(house.organization, CHOSEN, found.id, datetime.now(UTC), doublings=16) > 50_000
    wish(house, paused, often="pause", until=datetime.now(UTC).date() + timedelta(days=30))
    wish(house, eager, language="de")
    Subscription.objects.update(paused=None, mail_verdict=1)
    campaign = house.released()
    with events_read() as read:
        run_campaign(campaign.pk, 120)
    assert {*server.counts()} == {usual, eager}
    assert read.count(CHOSEN) <= 4


def test_nobody_is_written_to_whose_last_choice_is_none_of_ours(house: House, server: ScriptedServer) -> None:
    """Whoever writes the database lays many events over a pause."""
    usual, paused = house.people(2)
    house.route(server)
    wish(house, paused, often="pause", until=datetime.now(UTC).date() + timedelta(days=30))
    found = audience.subscriber_at(house.organization, paused)
    assert found is not None
    long_history(house.organization, CHOSEN, found.id, datetime.now(UTC), doublings=4)
    Subscription.objects.update(paused=None, mail_verdict=1)
    run_campaign(house.released().pk, 120)
    assert {*server.counts()} == {usual}


def test_a_sender_needs_no_other_keys_than_the_key_server_gives_it(
    house: House, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What finds an address stays with app and worker: with their keys here, a test would not see that it is wanted."""
    usual, paused, late = house.people(3)
    wish(house, paused, often="pause", until=datetime.now(UTC).date() + timedelta(days=30))
    wish(house, late, wishes="t")
    house.route(server)
    campaign = house.released()
    kinds, labels = keyserver.ROLES["sender"]
    keys, derive = keyring.keys(house.organization), keyring.derive
    for kind in {"index", "boxes"} - {*kinds}:
        monkeypatch.setattr(keys, kind, {})

    def derived(label: str) -> bytes:
        assert label in labels, label
        return derive(label)

    monkeypatch.setattr(keyring, "derive", derived)
    assert run_campaign(campaign.pk, 120)["ended"] == "finished"
    assert server.counts() == {usual: 1, late: 1}
