"""A relay that answers nothing lets its own organization wait, and nobody else."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from samizdat.accounts.actions import found_organization
from samizdat.audience import actions as audience
from samizdat.audience.list_details import ListDetails
from samizdat.audience.models import List
from samizdat.delivery.actions import add_route
from samizdat.publicdb.models import Intake
from samizdat.worker.inbox import signups
from samizdat.worker.mail import service_mail, waiting_mail
from samizdat.worker.mail.lanes import OrganizationLanes
from samizdat.worker.publishing import publish
from tests.conftest import NOW, TODAY
from tests.smtp_server import STALL, ScriptedServer
from tests.worker.conftest import say, until


class Work:
    """Stays with an organization until it is let go."""

    def __init__(self) -> None:
        self.done: list[int] = []
        self.begun: list[int] = []
        self.held: dict[int, threading.Event] = {}

    def __call__(self, organization: int) -> None:
        self.begun.append(organization)
        if organization in self.held:
            assert self.held[organization].wait(60)
        self.done.append(organization)

    def hold(self, *organizations: int) -> None:
        self.held.update((one, threading.Event()) for one in organizations)


@pytest.fixture
def work() -> Iterator[Work]:
    found = Work()
    yield found
    for held in found.held.values():
        held.set()


def test_who_waits_for_a_relay_keeps_nobody_else_waiting_and_is_begun_once(work: Work) -> None:
    lanes = OrganizationLanes(2, 1, work)
    work.hold(1)
    lanes.offer({1})
    until(lambda: work.begun == [1])
    for _ in range(3):
        lanes.offer({1, 2})
        until(lambda: 2 in work.done and not _runs(lanes, 2))
    assert work.begun.count(1) == 1


def test_those_that_were_slow_leave_room_for_the_others(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    lanes = OrganizationLanes(3, 1, work)
    lanes._took.update({1: 40.0, 2: 40.0, 3: 40.0})
    work.hold(1, 2, 3)
    lanes.offer({1, 2, 3})
    until(lambda: len(work.begun) == 1)
    lanes.offer({1, 2, 3, 4})
    until(lambda: work.done == [4])
    assert len(work.begun) == 2, "one slow one, and the quick one"


def test_work_that_breaks_frees_its_lane() -> None:
    tried: list[int] = []

    def broken(organization: int) -> None:
        tried.append(organization)
        raise ValueError

    lanes = OrganizationLanes(1, 1, broken)
    for count in (1, 2):
        lanes.offer({1})
        until(lambda count=count: len(tried) == count and not lanes._began)  # type: ignore[misc]


def _runs(lanes: OrganizationLanes, organization: int) -> bool:
    return organization in lanes._began


@pytest.fixture
def asked(vault: Any) -> Callable[..., Any]:
    """Somebody who signs up at an organization with this route."""

    def ask(name: str, route: str) -> Any:
        made = found_organization(name, source=vault, today=TODAY, public_url=f"https://{name.lower()}.example")
        list_ = audience.new_list(made, "News", now=NOW, details=ListDetails(from_email="letter@lantern.example"))
        audience.give_form(list_, name.lower(), now=NOW)
        publish.publish_place(made)
        add_route(made, "relay", route, now=NOW)
        say(made, "signup", address="ada@example.org", list=str(list_.id), language="en", wording="News.")
        return made

    return ask


@pytest.mark.usefixtures("nothing_remembered")
def test_a_relay_that_answers_nothing_keeps_no_other_organization_from_confirming(
    transactional_db: Any, asked: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service_mail, "_quiet", {})
    monkeypatch.setattr("samizdat.dbclock.now", lambda: NOW)
    monkeypatch.setattr(waiting_mail, "lanes", lanes := OrganizationLanes(4, 2, waiting_mail.write))
    with ScriptedServer() as server:
        server.on("connect", STALL)
        silent = asked("Silent", server.url)
        asked("Harbour", f"folder://{tmp_path}")
        waiting_mail.look(NOW)
        until(lambda: server.connected > 0 and len([*tmp_path.rglob("*.eml")]) == 1)
        assert signups.memory.under_way, "it still waits for its relay"
        until(lambda: not lanes._began)
        waiting_mail.look(NOW)
        until(lambda: [bytes(box.place_id) for box in Intake.objects.all()] == [bytes(silent.uid)])
        assert Intake.objects.get().place_id == bytes(silent.uid)
        server.die()
        until(lambda: not lanes._began)
    assert Intake.objects.count() == 1, "it is tried again"


@pytest.mark.usefixtures("nothing_remembered")
def test_a_relay_that_let_a_mail_wait_to_the_end_gets_none_for_a_minute(
    db: Any, asked: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else each of its mails would wait as long: 232 s of four."""
    monkeypatch.setattr(service_mail, "_quiet", {})
    monkeypatch.setattr(service_mail, "CARRY", 0.3)
    with ScriptedServer() as server:
        server.on("connect", STALL)
        silent = asked("Silent", server.url)
        signups.take(NOW)
        assert server.connected == 1
        list_ = List.objects.get(organization=silent)
        for number in range(3):
            say(silent, "signup", address=f"reader{number}@example.org", list=str(list_.id), language="en", wording="x")
        signups.take(NOW)
        assert server.connected == 1
        assert Intake.objects.count() == 4
