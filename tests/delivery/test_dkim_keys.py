"""Letters leave signed by the routes of which we sign; receivers believe them, whatever happens on the way."""

from datetime import UTC, datetime
from email import message_from_bytes
from typing import Any

import pytest

from samizdat.delivery import dkim_keys
from samizdat.delivery.actions import (
    add_route,
    change_route,
    domains,
    pause,
    resume,
    send_probe,
    send_test,
)
from samizdat.delivery.engine.edition_loader import open_edition
from samizdat.delivery.engine.sender import run_campaign
from samizdat.delivery.models import Chunk, SendingDomain
from tests import dkim_judge
from tests.delivery.conftest import House, Running, until
from tests.smtp_server import ScriptedServer


def now() -> datetime:
    return datetime.now(UTC)


def signed_domain(house: House, name: str = "lantern.example", algorithms: Any = ("ed25519", "rsa")) -> SendingDomain:
    row = domains.add_domain(house.organization, name, now=now(), algorithms=algorithms)
    activate_all(row)
    return row


def activate_all(row: SendingDomain) -> None:
    for key in row.keys.filter(state="new"):
        domains.say_published(key, now=now())
    domains.activate_published(row, now=now())


def records(house: House) -> dict[str, str]:
    return {key.name: key.text for row in dkim_keys.domains(house.organization) for key in row.keys}


def verdicts(house: House, server: ScriptedServer) -> list[list[str]]:
    return [dkim_judge.verdicts(caught.content, records(house)) for caught in server.messages]


def test_every_letter_of_a_campaign_is_believed(house: House, server: ScriptedServer) -> None:
    house.people(60)
    house.route(server)
    signed_domain(house)
    assert run_campaign(house.released().pk, 120)["accepted"] == 60
    assert verdicts(house, server) == [["pass", "pass"]] * 60
    content = server.messages[7].content
    assert dkim_judge.dkimpy_says(content, records(house)) == [True, True]
    heads = message_from_bytes(content).get_all("DKIM-Signature") or []
    assert ["a=ed25519-sha256" in heads[0], "a=rsa-sha256" in heads[1]] == [True, True]
    assert "list-unsubscribe:list-unsubscribe-post" in "".join(heads[0].split())


def test_without_a_domain_nothing_is_signed(house: House, server: ScriptedServer) -> None:
    house.people(3)
    house.route(server)
    signed_domain(house, "elsewhere.example")
    run_campaign(house.released().pk, 120)
    assert verdicts(house, server) == [[]] * 3


def test_a_route_whose_provider_signs_gets_the_bare_letter(house: House, server: ScriptedServer) -> None:
    house.people(3)
    route = house.route(server, signs=False)
    signed_domain(house)
    run_campaign(house.released().pk, 120)
    assert verdicts(house, server) == [[]] * 3
    assert [(one.word, one.before, one.after) for one in change_route(route, now=now(), signs=True)] == [
        ("signs", "provider", "us")
    ]
    run_campaign(house.released().pk, 120)
    assert verdicts(house, server)[3:] == [["pass", "pass"]] * 3


def test_a_letter_that_moves_to_another_route_is_signed_as_that_route_wants_it(
    house: House, server: ScriptedServer, second: ScriptedServer
) -> None:
    """The message is made when it is taken, so nothing has to be taken off or put on."""
    house.people(40)
    house.route(server, "theirs", priority=1, signs=False)
    house.route(second, "ours", priority=2)
    server.on("mail", "550 5.7.1 Your account has been suspended", after=10)
    signed_domain(house, algorithms=("ed25519",))
    assert run_campaign(house.released().pk, 120)["accepted"] == 40
    assert {tuple(one) for one in verdicts(house, server)} == {()}
    assert {tuple(one) for one in verdicts(house, second)} == {("pass",)}
    assert len(server.messages) + len(second.messages) == 40


def test_a_key_that_was_activated_meanwhile_signs_what_is_claimed_next(house: House, server: ScriptedServer) -> None:
    house.people(60)
    route = house.route(server, rate="8/s")  # Slow enough to be paused in the middle on any machine.
    row = signed_domain(house, algorithms=("ed25519",))
    first = row.keys.get().selector.encode()
    campaign = house.released()
    with Running():
        until(lambda: len(server.messages) >= 5)
        pause(campaign, now=now(), by=None)
        until(lambda: not Chunk.objects.filter(state=Chunk.CLAIMED).exists())
        domains.rotate(row, now=now())
        activate_all(row)
        change_route(route, now=now(), rate="")
        resume(campaign, now=now(), by=None)
        until(lambda: len(server.messages) == 60)
    second = row.keys.get(state="active").selector.encode()
    assert verdicts(house, server) == [["pass"]] * 60
    selectors = [caught.content.split(b" s=")[1].split(b";")[0] for caught in server.messages]
    assert (selectors[0], selectors[-1], len(set(selectors))) == (first, second, 2)


def test_an_opened_edition_knows_when_its_keys_are_no_longer_those(house: House) -> None:
    house.people(1)
    campaign = house.released()
    opened = open_edition(campaign.edition.pk)
    assert opened.is_fresh() and opened.signing is opened.maker
    row = signed_domain(house)
    assert not opened.is_fresh()
    opened = open_edition(campaign.edition.pk)
    assert opened.is_fresh() and opened.signing is not opened.maker
    domains.retire(row.keys.get(algorithm="rsa"), now=now())
    assert not opened.is_fresh()


def test_a_key_that_does_not_open_pauses_the_campaign_and_sends_nothing_unsigned(
    house: House, server: ScriptedServer
) -> None:
    house.people(3)
    house.route(server)
    row = signed_domain(house)
    row.keys.filter(algorithm="rsa").update(private_sealed=b"\x01" + bytes(60))
    ended = run_campaign(house.released().pk, 120)
    assert (ended["state"], ended["reason"], server.messages) == ("paused", "unreadable", [])


# --- single letters ---


def test_a_test_letter_is_signed_like_the_real_one(house: House, server: ScriptedServer) -> None:
    house.route(server)
    signed_domain(house)
    [tried] = send_test(house.draft(), ["ada@example.org"], now=now())
    assert tried.ok and verdicts(house, server) == [["pass", "pass"]]


@pytest.mark.parametrize(("signs", "verdict"), [(True, ["pass", "pass"]), (False, [])])
def test_a_test_of_a_route_is_signed_as_the_route_says(
    house: House, server: ScriptedServer, signs: bool, verdict: list[str]
) -> None:
    route = add_route(house.organization, "main", server.url, now=now(), signs=signs)
    signed_domain(house)
    house.draft()  # From where the sender of the test is known.
    assert send_probe(route, "ada@example.org", now=now()).ok
    assert verdicts(house, server) == [verdict]
