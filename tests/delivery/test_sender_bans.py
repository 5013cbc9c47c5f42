"""A provider that does not accept one sending domain: barred there, for that domain alone, until a person lifts it."""

from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import replace

from samizdat.campaigns.actions import create
from samizdat.campaigns.drafts.draft import draft_of
from samizdat.campaigns.models import Campaign
from samizdat.core.mail.outcome import RouteVerdict
from samizdat.delivery import domain_ownership, queries
from samizdat.delivery.actions import (
    change_route,
    condemn,
    lift_bar,
    pause_route,
    release,
    remove_route,
    resume_route,
    send_probe,
    send_test,
)
from samizdat.delivery.engine.sender import run_campaign
from samizdat.delivery.models import Delivery, Retry, RouteDomain
from samizdat.events.models import Event
from tests.delivery.conftest import House, Running, until
from tests.delivery.test_sending import books_balance
from tests.smtp_server import Moment, ScriptedServer

VERDICT = RouteVerdict("config", "sender", {"host": "relay.example", "answer": "550 5.7.1 not verified"})
NOT_OURS = "550 5.7.1 Sender domain is not verified"


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture(autouse=True)
def all_theirs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every domain that sends here is one that admins set up."""
    monkeypatch.setattr(domain_ownership, "_is_own", lambda *_: True)


def refuse(server: ScriptedServer, domain: str = "lantern.example") -> None:
    server.on("mail", NOT_OURS, when=lambda moment: domain in moment.argument)


def letter(house: House, domain: str) -> Campaign:
    """Released, from an address of this domain."""
    draft = replace(draft_of(house.draft()), from_email=f"news@{domain}")
    return release(create(house.organization, house.list, draft, by=None, now=now()), now=now())


def bars() -> set[tuple[str, str, str]]:
    return set(RouteDomain.objects.values_list("route__name", "domain", "reason"))


def by_domain(server: ScriptedServer) -> Counter[str]:
    return Counter(message.sender.partition("@")[2] for message in server.messages)


def finished(*campaigns: Campaign) -> bool:
    return {Campaign.objects.get(pk=one.pk).state for one in campaigns} == {"finished"}


def test_a_campaign_whose_domain_is_refused_waits_and_others_go_on_by_the_same_route(
    house: House, server: ScriptedServer, running: type[Running]
) -> None:
    addresses = house.people(120)
    refuse(server)
    route = house.route(server)
    refused, taken = letter(house, "lantern.example"), letter(house, "harbour.example")
    with running():
        until(lambda: finished(taken) and Campaign.objects.get(pk=refused.pk).state == "waiting")
        refused.refresh_from_db()
        assert (refused.reason, refused.pending) == ("barred", 120)
        assert bars() == {("main", "lantern.example", "sender")}
        route.refresh_from_db()
        assert (route.state, route.reason) == ("live", "")
        tried = len([line for line in server.commands if line.startswith("MAIL") and "lantern" in line])
        assert tried <= route.connections + 1
        books_balance(refused)
        server.forget()
        assert lift_bar(route, "lantern.example", now=now()) == ["lantern.example"]
        until(lambda: finished(refused))
    assert by_domain(server) == {"lantern.example": 120, "harbour.example": 120}
    assert server.counts() == dict.fromkeys(addresses, 2)
    for campaign in (refused, taken):
        books_balance(campaign)
        assert (campaign.accepted, campaign.refused, campaign.unsure) == (120, 0, 0)
    kinds = (
        Event.objects.filter(kind__in=("route.domain_banned", "route.ban_lifted"))
        .order_by("pk")
        .values_list("kind", flat=True)
    )
    assert [*kinds] == ["route.domain_banned", "route.ban_lifted"]


def test_the_next_route_takes_the_domain_that_the_first_does_not(
    house: House, server: ScriptedServer, second: ScriptedServer, running: type[Running]
) -> None:
    addresses = house.people(700)
    refuse(server)
    house.route(server, "first", priority=1)
    house.route(second, "second", priority=2, rate="2000/s")
    refused, taken = letter(house, "lantern.example"), letter(house, "harbour.example")
    with running():
        until(lambda: finished(refused, taken))
    assert by_domain(server) == {"harbour.example": 700}
    assert by_domain(second) == {"lantern.example": 700}
    assert server.counts() == second.counts() == dict.fromkeys(addresses, 1)
    assert not Retry.objects.exists() and bars() == {("first", "lantern.example", "sender")}
    for campaign in (refused, taken):
        books_balance(campaign)
        assert campaign.refused == campaign.deferred == 0


def test_while_the_only_route_of_a_domain_is_full_the_others_do_not_wait_for_it(
    house: House, server: ScriptedServer, second: ScriptedServer, running: type[Running]
) -> None:
    house.people(300)
    first = house.route(server, "first", priority=1)
    house.route(second, "second", priority=2, rate="20/s")
    condemn(first.pk, VERDICT, now(), ["lantern.example"])
    slow, quick = letter(house, "lantern.example"), letter(house, "harbour.example")
    with running():
        until(lambda: finished(quick))
        assert len(second.messages) < 300
    slow.refresh_from_db()
    assert by_domain(server) == {"harbour.example": 300}
    assert slow.accepted == len(second.messages) and slow.deferred == 0
    books_balance(slow)


def test_waiting_for_it_ends_with_the_reason(house: House, server: ScriptedServer) -> None:
    house.people(10)
    server.on("final", "550 5.7.515 Access denied, sending domain does not meet the required authentication level")
    house.route(server)
    campaign = house.released()
    ended = run_campaign(campaign.pk, 120)
    assert (ended["ended"], ended["state"], ended["reason"], ended["pending"]) == ("barred", "waiting", "barred", 10)
    [row] = queries.bars_against(house.organization, "lantern.example")
    assert (row.route, row.reason, row.who) == ("main", "authentication_records", "account")
    assert "5.7.515" in row.sentence and not Delivery.objects.exists()
    books_balance(campaign)


def test_a_bar_is_for_one_domain_of_one_route_and_ends_with_what_it_was_said_of(house: House, server: Any) -> None:
    route, other = house.route(server), house.route(server, "other")
    domains = ["lantern.example", "harbour.example"]
    for one in (route, other):
        condemn(one.pk, VERDICT, now(), domains)
    [row, _] = queries.routes(house.organization)
    assert [bar.domain for bar in row.barred] == sorted(domains)
    assert "relay.example doesn’t accept this sender (550 5.7.1 not verified)" in row.barred[0].sentence
    assert bytes(RouteDomain.objects.all()[0].answer_sealed).find(b"verified") == -1
    lift_bar(route, "lantern.example", now=now())
    assert len(bars()) == 3
    change_route(route, now=now(), priority=3)
    assert len(bars()) == 3
    change_route(route, now=now(), url="smtp://relay.example:587")
    assert {name for name, *_ in bars()} == {"other"}
    resume_route(other, now=now())
    assert not bars()
    condemn(route.pk, VERDICT, now(), domains)
    remove_route(route, now=now())
    pause_route(other, now=now())
    condemn(other.pk, VERDICT, now(), domains)
    assert not bars()


def test_a_verdict_without_a_domain_means_the_route(house: House, server: ScriptedServer) -> None:
    route = house.route(server)
    condemn(route.pk, VERDICT, now())
    route.refresh_from_db()
    assert (route.state, route.reason, bars()) == ("dead", "sender", set())


def test_a_test_letter_bars_its_domain_and_one_that_is_taken_lifts_it(house: House, server: ScriptedServer) -> None:
    route = house.route(server)
    campaign = house.draft()
    server.on("mail", NOT_OURS, times=1)
    assert not send_probe(route, "ada@example.org", now=now()).ok
    route.refresh_from_db()
    assert route.state == "live" and bars() == {("main", "lantern.example", "sender")}
    assert send_probe(route, "ada@example.org", now=now()).ok
    assert not bars()
    condemn(route.pk, VERDICT, now(), ["lantern.example"])
    [tried] = send_test(campaign, ["ada@example.org"], now=now())
    assert tried.ok and not bars()


def test_a_test_goes_by_the_route_that_takes_the_domain(
    house: House, server: ScriptedServer, second: ScriptedServer
) -> None:
    first = house.route(server, "first", priority=1)
    house.route(second, "second", priority=2)
    condemn(first.pk, VERDICT, now(), ["lantern.example"])
    send_test(house.draft(), ["ada@example.org"], now=now())
    assert (len(server.messages), len(second.messages), len(bars())) == (0, 1, 1)


@pytest.mark.parametrize("after", [0, 40])
def test_letters_of_several_domains_are_refused_at_once_and_none_is_blamed(
    house: House, server: ScriptedServer, running: type[Running], after: int
) -> None:
    house.people(90)
    names = ("lantern.example", "harbour.example")

    def is_one(moment: Moment) -> bool:
        return any(name in moment.argument for name in names)

    server.on("mail", NOT_OURS, when=is_one, after=after)
    house.route(server)
    campaigns = [letter(house, name) for name in (*names, "pier.example")]
    with running():
        until(lambda: finished(campaigns[2]) and {c.reason for c in Campaign.objects.all()} == {"barred", ""})
        until(lambda: len(bars()) == 2)
    for campaign in campaigns:
        books_balance(campaign)
        assert campaign.refused == campaign.deferred == campaign.unsure == 0
    assert by_domain(server)["pier.example"] == 90
