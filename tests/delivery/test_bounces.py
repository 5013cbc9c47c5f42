"""Addresses that a session calls dead are suppressed: all of them, nobody else, and never since a server is broken."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from samizdat.audience import actions as audience
from samizdat.audience import consent_writer
from samizdat.audience.models import Subscriber, Suppression, row_id
from samizdat.campaigns.models import Campaign
from samizdat.delivery.actions import bounces
from samizdat.delivery.engine.sender import run_campaign
from samizdat.delivery.errors import NothingHeld
from samizdat.delivery.models import Delivery, Route
from samizdat.delivery.queries import held_bounces
from samizdat.events.models import Event
from tests.delivery.conftest import House, Running, killed, until
from tests.delivery.test_kills import Child
from tests.delivery.test_refusing import people_at, refuse
from tests.delivery.test_sending import books_balance
from tests.smtp_server import ScriptedServer

GONE = "550 5.1.1 No such mailbox"
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def nothing_settled() -> Iterator[None]:
    bounces._settled.clear()
    yield
    bounces._settled.clear()


def now() -> datetime:
    return datetime.now(UTC)


def suppressed(house: House) -> set[str]:
    """The addresses that are on the suppression list."""
    indexes = {
        bytes(index) for index in Suppression.objects.filter(reason="bounce").values_list("email_index", flat=True)
    }
    rows = Subscriber.objects.filter(email_index__in=indexes)
    return {consent_writer.address_of(house.keys, row) for row in rows}


def ended(house: House, campaign: Campaign | None = None) -> Campaign:
    """A campaign was sent, and the worker has looked at it."""
    campaign = campaign or house.released()
    assert run_campaign(campaign.pk, 120)["ended"] == "finished"
    bounces.suppress_dead(now())
    campaign.refresh_from_db()
    return campaign


def dead(server: ScriptedServer, addresses: set[str], answer: str = GONE) -> None:
    server.on("rcpt", answer, when=lambda moment: moment.recipient in addresses)


def days_ago(campaign: Campaign, days: int) -> None:
    Delivery.objects.filter(edition=campaign.edition).update(day=(now() - days * DAY).date())


def test_of_three_campaigns_the_second_is_tried_at_no_dead_address_and_no_living_one_is_marked(
    house: House, server: ScriptedServer
) -> None:
    everybody = [*house.people(300), *people_at(house, "gmail.com", 120)]
    gone = set(everybody[::35])
    dead(server, gone)
    house.route(server, connections=2)
    first = ended(house)
    assert (first.accepted, first.refused) == (len(everybody) - len(gone), len(gone)) == (408, 12)
    assert suppressed(house) == gone
    for _ in range(2):
        server.forget()
        server.commands.clear()
        dead(server, gone)
        campaign = ended(house)
        assert (campaign.accepted, campaign.refused) == (408, 0)
        assert not [line for line in server.commands for address in gone if address in line]
    assert suppressed(house) == gone
    assert Event.objects.filter(kind="subscriber.suppressed").count() == 12
    assert not Event.objects.filter(kind="campaign.bounces_held").exists()
    books_balance(first)


def test_a_route_that_says_it_of_everybody_has_nobody_suppressed_and_admins_are_told_once(
    house: House, server: ScriptedServer
) -> None:
    house.people(60, domains=6)
    refuse(server, GONE, *(f"mail{number}.example" for number in range(6)), stage="rcpt")
    house.route(server)
    campaign = ended(house)
    assert (campaign.accepted, campaign.refused) == (0, 60)
    for _ in range(3):
        bounces._settled.clear()
        assert bounces.suppress_dead(now()) == 0
    assert suppressed(house) == set()
    assert Event.objects.filter(kind="campaign.bounces_held").count() == 1
    [held] = held_bounces(campaign)
    assert (held.word, held.count) == ("", 60)


@pytest.mark.parametrize("domain", ["gmail.com", "north.example"])
def test_a_provider_that_says_it_of_too_many_is_not_believed_until_a_person_says_so(
    house: House, server: ScriptedServer, domain: str
) -> None:
    theirs, others = people_at(house, domain, 90), people_at(house, "south.example", 40)
    doubtful, gone = set(theirs[::3]), set(others[:2])
    dead(server, doubtful | gone)
    house.route(server, connections=1)
    campaign = ended(house)
    assert (campaign.accepted, campaign.refused) == (98, 32)
    assert suppressed(house) == gone
    [held] = held_bounces(campaign)
    assert (held.provider, held.count, held.answered) == ("Gmail" if domain == "gmail.com" else domain, 30, 90)
    with pytest.raises(NothingHeld):
        bounces.believe(campaign, now=now(), word="yahoo")
    assert bounces.believe(campaign, now=now(), word=held.word) == 30
    assert bounces.suppress_dead(now()) == 30
    assert suppressed(house) == gone | doubtful and held_bounces(campaign) == []
    assert bounces.suppress_dead(now()) == 0
    with pytest.raises(NothingHeld):
        bounces.believe(campaign, now=now())


def test_a_tenth_of_a_large_provider_may_be_dead(house: House, server: ScriptedServer) -> None:
    theirs = people_at(house, "north.example", 230)
    gone = set(theirs[::10])
    dead(server, gone)
    house.route(server, connections=1)
    ended(house)
    assert len(gone) == 23 and suppressed(house) == gone


def test_a_full_mailbox_is_suppressed_after_three_days_and_not_after_three_campaigns_of_one(
    house: House, server: ScriptedServer
) -> None:
    everybody = house.people(10)
    full = {everybody[3], everybody[4]}
    dead(server, full, "552 5.2.2 Mailbox full")
    house.route(server)
    sent = [ended(house) for _ in range(3)]
    assert suppressed(house) == set()
    for days, campaign in zip((3, 2), sent, strict=False):
        days_ago(campaign, days)
    # One of them took an email yesterday.
    lives = house.number(everybody[4])
    Delivery.objects.filter(edition=sent[1].edition, number=lives).update(state=1, answer=0)
    bounces._settled.clear()
    bounces.suppress_dead(now())
    assert suppressed(house) == {everybody[3]}
    assert ended(house).refused == 1


def test_what_a_provider_said_of_too_many_counts_as_no_day_of_theirs(house: House, server: ScriptedServer) -> None:
    theirs = people_at(house, "north.example", 90)
    dead(server, set(theirs[::3]), "552 5.2.2 Mailbox full")
    house.route(server, connections=1)
    first = ended(house)
    assert [row.word for row in held_bounces(first)] == ["@north.example"]
    server.forget()
    dead(server, {theirs[0]}, "552 5.2.2 Mailbox full")
    second, third = ended(house), ended(house)
    days_ago(first, 2)
    days_ago(second, 1)
    bounces._settled.clear()
    assert bounces.suppress_dead(now()) == 0 and third.refused == 1


def test_who_confirms_by_their_own_mailbox_comes_back_and_old_answers_are_forgotten(
    house: House, server: ScriptedServer
) -> None:
    everybody = house.people(5)
    dead(server, {everybody[1]})
    house.route(server)
    ended(house)
    assert suppressed(house) == {everybody[1]}
    theirs = Subscriber.objects.get(pk=row_id(house.organization.pk, house.number(everybody[1])))
    audience.confirm(theirs, house.list, now=now())
    bounces._settled.clear()
    assert bounces.suppress_dead(now()) == 0 and suppressed(house) == set()
    server.forget()
    assert ended(house).accepted == 5
    dead(server, {everybody[1]})
    campaign = ended(house)  # On the day on which they confirmed.
    assert campaign.refused == 1 and suppressed(house) == set()
    Event.objects.filter(about=theirs.pk).delete()
    bounces._settled.clear()
    assert bounces.suppress_dead(now()) == 1 and suppressed(house) == {everybody[1]}


def test_whose_address_was_corrected_since_is_not_suppressed_at_the_new_one(
    house: House, server: ScriptedServer
) -> None:
    everybody = house.people(5)
    dead(server, {everybody[1]})
    house.route(server)
    campaign = house.released()
    assert run_campaign(campaign.pk, 120)["ended"] == "finished"
    theirs = Subscriber.objects.get(pk=row_id(house.organization.pk, house.number(everybody[1])))
    audience.correct_address(theirs, "boris@south.example", now=now())
    assert bounces.suppress_dead(now()) == 0 and suppressed(house) == set()


def test_who_was_erased_meanwhile_is_passed_over(house: House, server: ScriptedServer) -> None:
    everybody = house.people(6)
    dead(server, {everybody[1], everybody[2]})
    house.route(server)
    campaign = house.released()
    assert run_campaign(campaign.pk, 120)["ended"] == "finished"
    Subscriber.objects.get(pk=row_id(house.organization.pk, house.number(everybody[1]))).delete()
    assert bounces.suppress_dead(now()) == 1 and suppressed(house) == {everybody[2]}


def test_a_sender_that_is_killed_in_the_middle_leaves_no_dead_address_out(house: House, server: ScriptedServer) -> None:
    everybody = house.people(420)
    gone = set(everybody[::35])
    dead(server, gone)
    server.latency = 0.02
    house.route(server, connections=2)
    campaign = house.released()
    for _ in range(2):
        child, taken = Child(), len(server.messages)
        until(lambda taken=taken: len(server.messages) > taken + 60)
        child.kill()
        assert bounces.suppress_dead(now()) == 0  # First tries are under way.
    server.latency = 0.0
    with Running():
        until(lambda: Campaign.objects.get(pk=campaign.pk).state == "finished")
    assert bounces.suppress_dead(now()) == 12 and suppressed(house) == gone


def test_a_worker_that_is_killed_on_the_way_goes_on_with_the_others(
    house: House, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    everybody = house.people(40)
    gone = set(everybody[:9])
    dead(server, gone)
    house.route(server)
    campaign = house.released()
    assert run_campaign(campaign.pk, 120)["ended"] == "finished"
    left, real = [2], bounces.suppress_bounced

    def dies(*what: Any, **how: Any) -> int:
        left[0] -= 1
        return killed() if left[0] < 0 else real(*what, **how)

    monkeypatch.setattr(bounces, "SLICE", 2)
    with monkeypatch.context() as patched:
        patched.setattr(bounces, "suppress_bounced", dies)
        with pytest.raises(KeyboardInterrupt):
            bounces.suppress_dead(now())
    assert len(suppressed(house)) == 4
    assert bounces.suppress_dead(now()) == 5 and suppressed(house) == gone
    assert Event.objects.filter(kind="subscriber.suppressed").count() == 9


def test_a_route_that_died_is_believed_for_a_few_and_not_for_many(house: House, server: ScriptedServer) -> None:
    everybody = house.people(60, domains=30)
    dead(server, {address for place, address in enumerate(everybody) if place % 5 in (0, 2)})
    house.route(server, connections=1)
    campaign = house.released()
    assert run_campaign(campaign.pk, 120)["ended"] == "finished"
    Route.objects.update(state="dead")
    assert bounces.suppress_dead(now()) == 0
    assert [row.word for row in held_bounces(campaign)] == [""]
    Route.objects.update(state="live")
    bounces._settled.clear()
    assert bounces.suppress_dead(now()) == 24 and held_bounces(campaign) == []


def test_while_first_tries_are_under_way_nobody_is_judged(house: House, server: ScriptedServer) -> None:
    everybody = house.people(10)
    dead(server, {everybody[0]})
    house.route(server)
    campaign = house.released()
    assert run_campaign(campaign.pk, 120)["ended"] == "finished"
    Campaign.objects.filter(pk=campaign.pk).update(state="sending", finished=None, pending=1, accepted=8)
    assert bounces.suppress_dead(now()) == 0
    Campaign.objects.filter(pk=campaign.pk).update(state="paused")
    assert bounces.suppress_dead(now()) == 1


def test_what_the_log_keeps_of_it_is_the_answer_and_no_campaign(house: House, server: ScriptedServer) -> None:
    from samizdat.events.actions import detail_of

    everybody = house.people(5)
    dead(server, {everybody[1]})
    house.route(server)
    ended(house)
    detail = detail_of(Event.objects.get(kind="subscriber.suppressed"))
    kept = {name: detail[name] for name in ("reason", "answer", "code", "status", "days")}
    assert kept == {"reason": "bounce", "answer": "no_such_mailbox", "code": 550, "status": "5.1.1", "days": 1}
    assert "campaign" not in detail
