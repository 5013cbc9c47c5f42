"""Test letters to people outside the team: marked as tests, a few a day, and none to who left."""

from datetime import timedelta
from typing import Any

import pytest

from samizdat.accounts import actions as accounts
from samizdat.audience import actions as audience
from samizdat.campaigns.media import library
from samizdat.delivery.actions import outside_tests, testing
from samizdat.delivery.actions.testing import send_probe, send_test
from samizdat.delivery.errors import TooManyTests, WantsNoMail
from samizdat.delivery.models import Route
from samizdat.events.actions import detail_of
from samizdat.events.models import Event
from samizdat.publicdb.models import PublicPicture
from samizdat.worker.schedule import event_handlers
from tests.campaigns.test_library import picture
from tests.conftest import NOW, PASSWORD, TODAY
from tests.delivery.conftest import House

EDITOR = "ed@lantern.example"


@pytest.fixture
def editor(house: House) -> Any:
    person = accounts.add_person(EDITOR, name="Ed", password=PASSWORD, today=TODAY)
    accounts.give_role(person, house.organization, "editor", by=None, now=NOW - timedelta(days=3))
    return person


def _strangers(many: int, since: int = 0) -> list[str]:
    return [f"stranger{n}@post.example" for n in range(since, since + many)]


def test_the_subject_of_a_test_says_that_it_is_one(house: House, server: Any, editor: Any) -> None:
    house.route(server)
    send_test(house.draft(), [EDITOR], now=NOW, by=editor)
    (caught,) = server.messages
    assert b"\r\nSubject: [Test] " in caught.content


def test_a_test_names_the_pictures_that_it_shows_for_whoever_publishes_them(
    house: House, server: Any, editor: Any
) -> None:
    house.route(server)
    shown, hidden = (library.take_in(house.organization, picture(size=(80, size)), NOW) for size in (40, 60))
    campaign = house.draft(body=f"![A table](https://lantern.example/m/{shown.slug}.png)")
    send_test(campaign, [EDITOR], now=NOW, by=editor)
    assert detail_of(Event.objects.get(kind=outside_tests.TESTED))["pictures"] == [shown.slug]
    event_handlers.follow(NOW)
    assert [row.slug for row in PublicPicture.objects.all()] == [shown.slug] != [hidden.slug]


def test_a_stolen_session_sends_a_few_tests_a_day_to_strangers_and_admins_are_told(
    house: House, server: Any, editor: Any
) -> None:
    house.route(server)
    campaign = house.draft()
    send_test(campaign, _strangers(20), now=NOW, by=editor)
    send_test(campaign, [*_strangers(20, 20), EDITOR], now=NOW, by=editor)
    for hours in (1, 2):
        with pytest.raises(TooManyTests, match="Send this one to your team"):
            send_test(campaign, _strangers(1, 40), now=NOW + timedelta(hours=hours), by=editor)
    assert len(server.messages) == 41
    assert Event.objects.filter(kind=outside_tests.ALARM).count() == 1
    assert [tried.ok for tried in send_test(campaign, [EDITOR], now=NOW, by=editor)] == [True]
    send_test(campaign, _strangers(1, 41), now=NOW + timedelta(hours=25), by=editor)


def test_tests_of_a_route_count_as_tests_and_say_nothing_that_somebody_wrote(
    house: House, server: Any, editor: Any
) -> None:
    route = house.route(server)
    Route.objects.filter(pk=route.pk).update(name="URGENT confirm at https://evil.example/c")
    route.refresh_from_db()
    list_ = house.draft().list
    ada = audience.add_subscriber(house.organization, "ada@post.example", list_, consent="yes", now=NOW)
    audience.unsubscribe(ada, list_, now=NOW)
    with pytest.raises(WantsNoMail):
        send_probe(route, "ada@post.example", now=NOW, by=editor)
    for address in _strangers(outside_tests.OUTSIDE_A_DAY - 1):
        send_probe(route, address, now=NOW, by=editor)
    with pytest.raises(TooManyTests):
        send_probe(route, "one.more@post.example", now=NOW, by=editor)
    with pytest.raises(TooManyTests):
        send_test(house.draft(), _strangers(1), now=NOW, by=editor)
    assert len(server.messages) == outside_tests.OUTSIDE_A_DAY - 1
    heading = server.messages[0].content.partition(b"\r\n\r\n")[0]
    assert not any(word in server.messages[0].content for word in (b"evil.example", b"URGENT"))
    assert house.organization.name.encode() not in heading
    assert Event.objects.filter(kind=outside_tests.ALARM).count() == 1
    assert send_probe(route, EDITOR, now=NOW, by=editor).ok


def test_of_tests_that_are_sent_at_once_each_counts_those_before_it(
    house: House, server: Any, editor: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.route(server)
    campaign, proof_of = house.draft(), testing.proof_of

    def meanwhile(*args: Any, **more: Any) -> Any:
        monkeypatch.setattr(testing, "proof_of", proof_of)
        send_test(campaign, _strangers(40), now=NOW, by=editor)
        return proof_of(*args, **more)

    monkeypatch.setattr(testing, "proof_of", meanwhile)
    with pytest.raises(TooManyTests):
        send_test(campaign, _strangers(1, 40), now=NOW, by=editor)
    assert len(server.messages) == 40
    assert Event.objects.filter(kind=outside_tests.ALARM).count() == 1


def test_no_test_goes_to_a_subscriber_who_left(house: House, server: Any, editor: Any) -> None:
    house.route(server)
    list_ = house.draft().list
    ada = audience.add_subscriber(house.organization, "ada@post.example", list_, consent="yes", now=NOW)
    send_test(house.draft(), ["ada@post.example"], now=NOW, by=editor)
    audience.unsubscribe(ada, list_, way="one-click", now=NOW)
    for _try in range(outside_tests.OUTSIDE_A_DAY - 1):
        with pytest.raises(WantsNoMail, match="is unsubscribed, so no test can be sent there"):
            send_test(house.draft(), ["ada@post.example"], now=NOW, by=editor)
    with pytest.raises(TooManyTests):  # Nobody is asked for by hundreds that way.
        send_test(house.draft(), ["ada@post.example"], now=NOW, by=editor)
    assert len(server.messages) == 1


@pytest.mark.parametrize(("role", "days"), [("viewer", 30), ("editor", 0)])
def test_whoever_was_just_let_in_at_an_address_is_no_colleague_to_whom_tests_go_uncounted(
    house: House, server: Any, editor: Any, role: str, days: int
) -> None:
    house.route(server)
    list_ = house.draft().list
    ada = audience.add_subscriber(house.organization, "ada@post.example", list_, consent="yes", now=NOW)
    audience.unsubscribe(ada, list_, way="one-click", now=NOW)
    for address in ("ada@post.example", "victim@post.example"):
        person = accounts.add_person(address, password=PASSWORD, today=TODAY)
        accounts.give_role(person, house.organization, role, by=None, now=NOW - timedelta(days=days))
    with pytest.raises(WantsNoMail, match="is unsubscribed, so no test can be sent there"):
        send_test(house.draft(), ["ada@post.example"], now=NOW, by=editor)
    send_test(house.draft(), _strangers(38), now=NOW, by=editor)
    send_test(house.draft(), ["victim@post.example"], now=NOW, by=editor)
    with pytest.raises(TooManyTests):
        send_test(house.draft(), ["victim@post.example"], now=NOW, by=editor)
