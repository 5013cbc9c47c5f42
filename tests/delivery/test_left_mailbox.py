"""Whoever writes the database and has no keys puts back what they copied of a subscriber: nobody is written to at an
address that they had before."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from samizdat.accounts.models import Organization
from samizdat.audience import actions, consistency, missing_subscribers, queries
from samizdat.audience.actions import preferences, put_indexes_right
from samizdat.audience.actions.fields import clear_removed
from samizdat.audience.actions.suppressions import suppress_many
from samizdat.audience.errors import AddressErased, NoSuchSubscriber
from samizdat.audience.models import Subscriber, Subscription, Suppression
from samizdat.campaigns.models import Campaign
from samizdat.delivery.engine.sender import run_campaign
from samizdat.delivery.queries import status
from samizdat.events.actions import detail_of
from samizdat.events.models import Event
from samizdat.vault import keyring, keyserver
from tests.delivery.conftest import House
from tests.smtp_server import ScriptedServer

NOW = datetime.now(UTC)

type Sent = Callable[..., tuple[set[str], int]]


@pytest.fixture
def ada(house: House) -> Subscriber:
    actions.add_subscriber(house.organization, "boris@post.example", house.list, consent="By form.", now=NOW)
    return actions.add_subscriber(house.organization, "ada@old.example", house.list, consent="By form.", now=NOW)


@pytest.fixture
def sent(house: House, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> Sent:
    """Sends a campaign with the keys that a sender has: to whom, and how many count as suppressed. What happens once
    it's released comes in between."""
    house.route(server)
    before = dict[str, int]()

    def send(meanwhile: Callable[[], None] = lambda: None) -> tuple[set[str], int]:
        campaign = house.released()
        meanwhile()
        with monkeypatch.context() as patch:
            for kind in {"index", "boxes"} - {*keyserver.ROLES["sender"][0]}:
                patch.setattr(keyring.keys(house.organization), kind, {})
            assert run_campaign(campaign.pk, 120)["ended"] == "finished"
        got = {to for to, count in server.counts().items() if count > before.get(to, 0)}
        before.update(server.counts())
        return got, status(Campaign.objects.get(pk=campaign.pk))["suppressed"]

    return send


def columns(ada: Subscriber, *names: str) -> dict[str, Any]:
    [row] = Subscriber.objects.filter(pk=ada.pk).values(*names)
    return {name: bytes(value) for name, value in row.items()}


def put_back(ada: Subscriber, older: dict[str, Any]) -> None:
    Subscriber.objects.filter(pk=ada.pk).update(**older)


def compare(organization: Organization) -> None:
    """As each night."""
    checked = consistency.check_projections(organization, NOW)
    put_indexes_right(organization, checked.misindexed, now=NOW)
    missing_subscribers.report(organization, checked.missing, NOW)


def are_reported(organization: Organization) -> list[Any]:
    rows = Event.objects.filter(organization=organization, kind=missing_subscribers.MISSING).order_by("pk")
    return [detail_of(event)["numbers"] for event in rows]


def move(ada: Subscriber, address: str) -> None:
    """As they do themselves, on the page with their preferences."""
    preferences.ask_to_move(ada, address)
    mark = preferences.mark_of(ada.organization, address)
    assert preferences.allow(ada, mark) == [] and preferences.move(ada, mark, now=NOW)


@pytest.mark.parametrize("names", [("sealed",), ("sealed", "email_index")], ids=["their data", "their whole row"])
def test_who_moved_gets_nothing_at_their_former_mailbox_while_an_older_copy_lies_there(
    house: House, ada: Subscriber, sent: Sent, names: tuple[str, ...]
) -> None:
    """Their former address is on the suppression list, whose entry is away meanwhile."""
    older = columns(ada, *names)
    move(ada, "ada@new.example")
    newer = columns(ada, *names)
    Suppression.objects.all().delete()
    assert sent(lambda: put_back(ada, older)) == ({"boris@post.example"}, 1)
    put_back(ada, newer)
    compare(house.organization)
    assert sent() == ({"boris@post.example", "ada@new.example"}, 0)
    assert are_reported(house.organization) == []


@pytest.mark.parametrize("names", [("sealed",), ("sealed", "email_index")], ids=["their data", "their whole row"])
def test_an_address_that_a_teammate_corrected_stays_corrected_though_the_older_copy_is_left_there(
    house: House, ada: Subscriber, sent: Sent, names: tuple[str, ...]
) -> None:
    """It was that of somebody else, who is on no suppression list."""
    older = columns(ada, *names)
    actions.correct_address(ada, "ada@new.example", now=NOW)
    put_back(ada, older)
    for _night in range(2):
        compare(house.organization)
    assert columns(ada, *names) == older
    assert are_reported(house.organization) == [[ada.number]]
    assert sent() == ({"boris@post.example"}, 1)
    with pytest.raises(NoSuchSubscriber):
        queries.mailbox_of(Subscriber.objects.get(pk=ada.pk))
    assert actions.correct_address(ada, "ada@new.example", now=NOW)
    assert sent() == ({"boris@post.example", "ada@new.example"}, 0)
    assert consistency.check_projections(house.organization, NOW).missing == []


def test_an_address_that_was_right_after_all_is_given_back_by_a_teammate(
    house: House, ada: Subscriber, sent: Sent
) -> None:
    actions.correct_address(ada, "ada@typo.example", now=NOW)
    actions.correct_address(ada, "ada@old.example", now=NOW)
    compare(house.organization)
    assert sent() == ({"boris@post.example", "ada@old.example"}, 0) and not are_reported(house.organization)


def test_who_left_is_not_brought_back_by_the_corrected_address(house: House, ada: Subscriber) -> None:
    """It seems to be free while an older copy of theirs lies there; a file is brought in then."""
    older = columns(ada, "sealed")
    actions.unsubscribe(ada, house.list, now=NOW)
    actions.correct_address(ada, "ada@new.example", now=NOW)
    put_back(ada, older)
    missing_subscribers.look(house.organization, NOW)
    with pytest.raises(AddressErased):
        actions.add_subscriber(house.organization, "ada@new.example", house.list, consent="By form.", now=NOW)


def test_what_is_cleared_of_an_older_copy_makes_it_no_newer(house: House, ada: Subscriber, sent: Sent) -> None:
    """The worker takes the values of a removed field out of everybody's data."""
    actions.change_values(ada, {"FNAME": "Ada"}, now=NOW)
    older = columns(ada, "sealed")
    actions.correct_address(ada, "ada@new.example", now=NOW)
    put_back(ada, older)
    actions.remove_field(house.organization, house.field, now=NOW)
    assert clear_removed(NOW, 60)
    assert columns(ada, "sealed") != older
    assert sent() == ({"boris@post.example"}, 1)


def test_nobody_is_made_a_sign_up_again_by_which_no_suppression_is_seen(
    house: House, ada: Subscriber, sent: Sent
) -> None:
    """An unconfirmed sign-up has an index of its own; Eve confirmed, and complained since."""
    eve = actions.sign_up(house.organization, "eve@post.example", house.list, wording="News.", now=NOW)
    older = columns(eve, "sealed")
    actions.confirm(eve, house.list, now=NOW)
    suppress_many(house.organization, "eve@post.example", "complaint", now=NOW)
    put_back(eve, older)
    assert consistency.check_projections(house.organization, NOW).wrong == [eve.number]
    compare(house.organization)
    assert consistency.check_projections(house.organization, NOW).wrong == []
    Subscription.objects.filter(subscriber=eve.pk).update(mail_verdict=1)
    assert sent()[0] == {"boris@post.example", "ada@old.example"}


@pytest.mark.parametrize("no", ["unsubscribed", "objected", "complaint", "erased", "manual"])
def test_who_said_no_gets_nothing_by_the_sign_up_that_somebody_typed_for_them(
    house: House, ada: Subscriber, sent: Sent, no: str
) -> None:
    """It is a row of its own, with no no among its records, until its mailbox has spoken."""
    lantern = house.organization
    if no == "unsubscribed":
        actions.unsubscribe(ada, house.list, now=NOW)
    elif no == "objected":
        actions.object_to_mail(lantern, subscriber=ada, now=NOW)
    elif no == "erased":
        actions.erase(lantern, now=NOW, subscriber=ada)
    else:
        actions.suppress(lantern, no, address="ada@old.example", now=NOW)
    waiting = actions.sign_up(lantern, "ada@old.example", house.list, wording="News.", now=NOW)
    Subscription.objects.filter(subscriber=waiting.pk).update(status=1, mail_verdict=1)
    assert sent() == ({"boris@post.example"}, 1)
