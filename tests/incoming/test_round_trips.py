"""A test message to the return address proves that bounces reach us; nothing else does."""

from datetime import timedelta
from typing import Any

import pytest

from samizdat.accounts import pending_changes
from samizdat.accounts.actions import remove_person
from samizdat.accounts.models import Organization, Person
from samizdat.accounts.sealed_settings import leading
from samizdat.core.mail.return_address import token_in
from samizdat.incoming import processing
from samizdat.incoming.mailboxes import actions, round_trips
from samizdat.incoming.mailboxes.sealed import PATIENCE, RoundTrip, open_state
from samizdat.incoming.models import MailReport, PolledMailbox
from samizdat.worker.mail.mailbox_polls import MailboxPolls
from tests.delivery.conftest import House
from tests.incoming.conftest import bounce, now
from tests.smtp_server import Caught, ScriptedServer
from tests.web.conftest import make_person

PLUS, WHOLE = "bounces@lantern.example", "@bounces.lantern.example"
BOTH = pytest.mark.parametrize("address", [PLUS, WHOLE])


class Traveler:
    """A mailbox, and the test messages that the route takes."""

    def __init__(self, house: House, server: ScriptedServer) -> None:
        self.house, self.server = house, server
        self.organization: Organization = house.organization
        url = "imaps://bounces%40lantern.example:secret@imap.lantern.example"
        self.row: PolledMailbox = actions.add(self.organization, "bounces", url, now=now())

    def send(self, address: str = PLUS, by: Person | None = None, *, uses: bool = False) -> RoundTrip:
        return round_trips.send(self.row, address, now=now(), by=by, uses=uses)

    def arrives(self, raw: bytes, *to: str, later: timedelta = timedelta()) -> RoundTrip:
        from samizdat.incoming import intake

        intake.take(self.organization, raw, to, now().date())
        processing.process(self.organization, now() + later)
        return self.trip()

    def trip(self) -> RoundTrip:
        trip = open_state(PolledMailbox.objects.select_related("organization").get()).trip
        assert trip is not None
        return trip

    @property
    def caught(self) -> Caught:
        [message] = self.server.messages
        return message


@pytest.fixture
def traveler(house: House, server: ScriptedServer) -> Traveler:
    house.route(server)
    return Traveler(house, server)


@BOTH
def test_what_comes_back_is_known_by_the_address_it_went_to(traveler: Traveler, address: str) -> None:
    assert traveler.send(address).is_open(now())
    assert traveler.caught.recipient.endswith(address.partition("@")[2])
    assert "@" in traveler.caught.sender and len(traveler.caught.recipient.partition("@")[0]) <= 64
    trip = traveler.arrives(traveler.caught.content, later=timedelta(seconds=12))
    assert trip.returned is not None and (trip.returned - trip.sent).seconds in (12, 13)
    assert not MailReport.objects.exists()


def test_it_is_also_known_where_the_mail_server_changed_its_case_or_says_whom_it_was_for(traveler: Traveler) -> None:
    traveler.send()
    raw = b"Subject: Test\r\n\r\nWithout a To header.\r\n"
    assert traveler.arrives(raw, traveler.caught.recipient.upper()).returned


def test_a_bounce_of_it_says_that_plus_addresses_are_not_delivered(traveler: Traveler) -> None:
    traveler.send()
    assert traveler.caught.sender == PLUS
    trip = traveler.arrives(bounce(PLUS, traveler.caught.recipient), PLUS)
    assert trip.rejected and not trip.returned
    assert not MailReport.objects.exists()


def test_it_stays_returned_when_a_copy_of_it_bounces(traveler: Traveler) -> None:
    traveler.send()
    traveler.arrives(traveler.caught.content)
    assert traveler.arrives(bounce(PLUS, traveler.caught.recipient), PLUS).rejected is None


def test_what_anybody_can_send_there_proves_nothing(traveler: Traveler) -> None:
    traveler.send()
    ours = token_in(traveler.caught.recipient)
    forged = traveler.caught.recipient.replace(ours, ours[:20] + ("a" if ours[20] == "b" else "b") + ours[21:])
    for to in (PLUS, "bounces+" + "a" * 52 + "@lantern.example", forged):
        assert traveler.arrives(f"To: <{to}>\r\nSubject: Test\r\n\r\nHello.\r\n".encode()).returned is None


def test_the_message_of_an_older_test_says_nothing_of_the_newest(traveler: Traveler) -> None:
    traveler.send()
    first = traveler.caught
    state = open_state(traveler.row)
    traveler.server.messages.clear()
    round_trips.send(traveler.row, PLUS, now=now() + timedelta(minutes=1), by=None, uses=False)
    assert traveler.arrives(first.content).returned is None
    assert state.trip != traveler.trip()


def test_nobody_waits_for_it_longer_than_ten_minutes(traveler: Traveler) -> None:
    trip = traveler.send()
    assert trip.is_open(trip.sent + PATIENCE - timedelta(seconds=1)) and not trip.is_open(trip.sent + PATIENCE)


def test_why_it_was_not_sent_is_a_sentence(traveler: Traveler, server: ScriptedServer) -> None:
    server.on("rcpt", "550 5.1.1 No such user")
    assert "550" in traveler.send().failed
    traveler.organization.routes.update(state="paused")
    assert "No sending route" in traveler.send().failed
    Organization.objects.update(sending_locked=True)
    traveler.row.organization.refresh_from_db()
    assert "on hold" in traveler.send().failed


@BOTH
def test_bounces_go_there_as_soon_as_it_came_back(traveler: Traveler, address: str) -> None:
    vera = make_person("Vera", "vera@lantern.example", traveler.organization, "admin")
    traveler.send(address, vera, uses=True)
    assert leading(traveler.organization).return_address == ""
    traveler.arrives(traveler.caught.content)
    assert leading(Organization.objects.get()).return_address == address


@pytest.mark.parametrize("why", ["not asked", "no admin any more", "bounced"])
def test_bounces_go_nowhere_that_nobody_wants_or_that_is_not_proven(traveler: Traveler, why: str) -> None:
    vera = make_person("Vera", "vera@lantern.example", traveler.organization, "admin")
    make_person("Zoya", "zoya@lantern.example", traveler.organization, "admin")
    traveler.send(PLUS, vera, uses=why != "not asked")
    if why == "no admin any more":
        remove_person(vera, traveler.organization, by=None, now=now())
    raw = bounce(PLUS, traveler.caught.recipient) if why == "bounced" else traveler.caught.content
    traveler.arrives(raw, PLUS)
    assert leading(Organization.objects.get()).return_address == ""
    assert not pending_changes.waiting(traveler.organization)


def test_with_subscribers_it_waits_for_another_admin(traveler: Traveler) -> None:
    traveler.house.people(1)
    vera = make_person("Vera", "vera@lantern.example", traveler.organization, "admin")
    traveler.send(PLUS, vera, uses=True)
    traveler.arrives(traveler.caught.content)
    assert leading(Organization.objects.get()).return_address == ""
    (change,) = pending_changes.waiting(traveler.organization)
    assert PLUS in pending_changes.sentence_of(change)


def test_while_it_is_on_its_way_the_mailbox_is_looked_at_at_once(
    traveler: Traveler, monkeypatch: pytest.MonkeyPatch
) -> None:
    polls, begun = MailboxPolls(), list[int]()
    monkeypatch.setattr(polls, "_run", lambda number, _keeps_open: begun.append(number))
    far: Any = {traveler.row.pk: 1e12}
    polls._due = dict(far)
    polls.look()
    assert not begun
    traveler.send()
    polls.look()
    assert polls._due == {traveler.row.pk: 0.0}
