"""Each mail that asks a reader leaves at a time set before: what happens to one tells nothing by when another comes."""

from collections.abc import Callable
from pathlib import Path

import pytest

from samizdat.accounts.models import Organization
from samizdat.audience import actions as audience
from samizdat.audience.models import List
from samizdat.core.mail.outcome import Accepted, Deferred, Outcome, Refused
from samizdat.delivery.actions import add_route
from samizdat.publicdb.models import Intake
from samizdat.worker.inbox import signup_memory, signups
from samizdat.worker.inbox.signup_memory import SLOT
from samizdat.worker.mail import waiting_mail
from samizdat.worker.mail.departures import Departures
from samizdat.worker.mail.service_mail import ReadyMail
from tests.conftest import NOW
from tests.smtp_server import STALL, ScriptedServer
from tests.worker.conftest import say, until
from tests.worker.test_signups import mails

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("nothing_remembered")]

OWN, EVE, ADA, BARRED = ("own1@evil.example", "own2@evil.example"), "eve@new.example", "ada@example.org", "barred@a.org"


class Timetable(Departures):
    """Mails that left: to whom, when, and how to answer. A mail that leaves takes this slow machine 0.3 seconds."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.left: dict[str, float] = {}
        self.answers: dict[str, Callable[[Outcome], object]] = {}

    def leave(self, at: float, mail: ReadyMail, answered: Callable[[Outcome], object]) -> None:
        to = mail.hops[0][2].recipient
        self.left[to], self.answers[to] = at, answered
        self.now += 0.3

    def answer(self, outcome: Outcome) -> None:
        for answered in self.answers.values():
            answered(outcome)
        self.answers.clear()


@pytest.fixture
def timetable(lantern: Organization, thursday: List, out: Path, monkeypatch: pytest.MonkeyPatch) -> Timetable:
    table = Timetable()
    monkeypatch.setattr(signup_memory.time, "monotonic", lambda: table.now)
    monkeypatch.setattr(waiting_mail, "departures", table)
    monkeypatch.setattr("samizdat.dbclock.now", lambda: NOW)
    audience.add_subscriber(lantern, ADA, thursday, consent="said so", now=NOW)
    audience.suppress(lantern, "manual", address=BARRED, now=NOW)
    return table


def _sign_up(lantern: Organization, list_: List, *addresses: str) -> None:
    for address in addresses:
        words = {"address": address, "list": str(list_.id), "language": "en", "wording": "One story."}
        say(lantern, "signup", at=NOW.isoformat(), **words)


@pytest.mark.parametrize("before", [Accepted(), Refused(550, "", "recipient", "no domain"), None])
@pytest.mark.parametrize("address", [EVE, ADA, BARRED])
def test_the_time_between_two_own_confirmations_tells_nothing_of_whom_somebody_signed_up_in_between(
    lantern: Organization, thursday: List, timetable: Timetable, address: str, before: Outcome | None
) -> None:
    """before: what a server says to twenty other mails that were asked for first."""
    if before is not None:
        _sign_up(lantern, thursday, *(f"p{number}@nx{number}.example" for number in range(20)))
        waiting_mail.write(lantern.pk)
        timetable.answer(before)
        timetable.now += 10
        waiting_mail.write(lantern.pk)
    _sign_up(lantern, thursday, OWN[0], address, OWN[1])
    began = timetable.now
    waiting_mail.write(lantern.pk)
    assert (address in timetable.left) == (address == EVE)
    assert timetable.left[OWN[1]] - timetable.left[OWN[0]] == pytest.approx(2 * SLOT)
    assert timetable.left[OWN[0]] == pytest.approx(began + signup_memory.LATER)


def test_a_mail_that_is_tried_again_shifts_no_other(
    lantern: Organization, thursday: List, timetable: Timetable
) -> None:
    _sign_up(lantern, thursday, EVE)
    waiting_mail.write(lantern.pk)
    timetable.answer(Deferred(450, "", "recipient"))
    waiting_mail.write(lantern.pk)
    assert Intake.objects.exists()
    timetable.now += signup_memory.WAITS[0]
    _sign_up(lantern, thursday, *OWN)
    timetable.left.clear()
    began = timetable.now
    waiting_mail.write(lantern.pk)
    assert EVE in timetable.left
    assert timetable.left[OWN[1]] - timetable.left[OWN[0]] == pytest.approx(SLOT)
    assert timetable.left[OWN[0]] == pytest.approx(began + signup_memory.LATER)


def test_a_sign_up_waits_until_its_mail_was_answered_and_is_mailed_once(
    lantern: Organization, thursday: List, timetable: Timetable
) -> None:
    _sign_up(lantern, thursday, EVE)
    waiting_mail.write(lantern.pk)
    timetable.left.clear()
    for _ in range(3):
        timetable.now += 60
        assert lantern.pk not in waiting_mail.waiting(NOW)
        waiting_mail.write(lantern.pk)
    assert (Intake.objects.count(), timetable.left) == (1, {})
    timetable.answer(Accepted())
    assert lantern.pk in waiting_mail.waiting(NOW)
    waiting_mail.write(lantern.pk)
    assert (Intake.objects.count(), timetable.left) == (0, {})


def test_no_more_mails_of_an_organization_are_under_way_than_it_has_room(
    lantern: Organization, thursday: List, timetable: Timetable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signup_memory, "OF_ONE", 20)
    _sign_up(lantern, thursday, *(f"reader{number}@example.org" for number in range(40)))
    waiting_mail.write(lantern.pk)
    assert len(timetable.left) == 20
    timetable.answer(Accepted())
    waiting_mail.write(lantern.pk)
    assert len(timetable.left) == 40


def test_who_waits_for_a_server_leaves_room_for_other_organizations(
    lantern: Organization, thursday: List, timetable: Timetable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signup_memory, "OF_ALL", 20)
    _sign_up(lantern, thursday, *(f"reader{number}@example.org" for number in range(40)))
    signups.memory.begin(lantern.pk, timetable, NOW)
    assert signups.memory.has_room(lantern.pk)
    signups.take(NOW, lantern)
    timetable.now += 60
    del signups.memory.under_way[max(signups.memory.under_way)]
    assert not signups.memory.has_room(lantern.pk)
    assert signups.memory.has_room(lantern.pk + 1)


def test_thirty_six_thousand_an_hour_may_confirm(
    lantern: Organization, thursday: List, timetable: Timetable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAMIZDAT_CONFIRMATIONS", "36000")
    _sign_up(lantern, thursday, *(f"reader{number}@example.org" for number in range(100)))
    for _ in range(10):  # A look each second.
        waiting_mail.write(lantern.pk)
        timetable.answer(Accepted())
        timetable.now += 1
    assert len(timetable.left) == 100
    assert max(timetable.left.values()) <= 1000 + 10 + signup_memory.LATER


def test_a_mailbox_whose_server_answers_nothing_keeps_no_other_from_confirming(
    lantern: Organization, thursday: List, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("samizdat.dbclock.now", lambda: NOW)
    with ScriptedServer() as server:
        server.on("rcpt", STALL, when=lambda message: message.recipient == EVE)
        add_route(lantern, "main", server.url, now=NOW)
        _sign_up(lantern, thursday, OWN[0], EVE, OWN[1])
        waiting_mail.write(lantern.pk)
        until(lambda: {message.recipient for message in server.messages} == {*OWN})
    assert signups.memory.under_way, "it still waits for its server"


def test_a_mail_that_breaks_is_tried_again(lantern: Organization, thursday: List, out: Path) -> None:
    answers: list[Outcome] = []

    class Broken(ReadyMail):
        async def carry(self) -> Outcome:
            raise RuntimeError

    Departures().leave(0.0, Broken(()), answers.append)
    until(lambda: answers != [])
    assert answers == [Deferred(0, "", "route")]
    assert mails(out) == []
