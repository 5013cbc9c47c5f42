"""Campaigns over the API: sent by the rules of the app, and never past a person."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from samizdat.accounts.actions import add_person, change_settings, give_role
from samizdat.audience import actions as audience
from samizdat.campaigns import approval
from samizdat.campaigns.models import Campaign
from samizdat.campaigns.opened import open_campaign
from samizdat.delivery.actions import add_route, pause_route, remote_checks
from samizdat.delivery.models import RemoteCheck, Route
from tests.api.conftest import Program
from tests.conftest import NOW, TODAY

pytestmark = pytest.mark.django_db(databases=["default", "publicdb"])

ALL = ("campaigns:read", "campaigns:write", "campaigns:send")


@pytest.fixture
def sender(program: Program, clara: Any) -> Program:
    """Of Clara, with a route and one who has agreed."""
    letter = program.lists["Letter"]
    audience.add_subscriber(program.organization, "ada@reader.example", letter, consent="Yes.", now=NOW)
    add_route(program.organization, "out", "folder:///tmp/nothing", now=NOW)
    return program.bound(scopes=ALL, by=clara)


@pytest.fixture
def number(sender: Program) -> int:
    body = {"list": sender.lists["Letter"].pk, "subject": "River", "body": "Hello", "from_email": "a@lantern.example"}
    return int(sender.ask("POST", "/campaigns", body)[1]["id"])


def _release(sender: Program, number: int, **more: Any) -> tuple[int, Any]:
    checks = sender.ask("GET", f"/campaigns/{number}/checks")[1]
    body = {name: checks[name] for name in ("seen", "recipients", "waiting")}
    return sender.ask("POST", f"/campaigns/{number}/release", body | more)


def _later() -> str:
    return (datetime.now(UTC) + timedelta(days=1)).isoformat()


def test_checks_say_who_gets_it_and_what_is_wrong(sender: Program, number: int) -> None:
    status, checks = sender.ask("GET", f"/campaigns/{number}/checks")
    assert (status, checks["recipients"], checks["approval"], checks["approval_needed"]) == (200, 1, "none", False)
    assert {"severity", "code", "place", "line", "detail", "accepted"} == set(checks["findings"][0])
    assert not [each for each in checks["findings"] if each["severity"] == "stop"]
    sender.ask("PATCH", f"/campaigns/{number}", {"version": 1, "body": "Hello {{ NOTHING }}"})
    findings = sender.ask("GET", f"/campaigns/{number}/checks")[1]["findings"]
    assert [each for each in findings if each["severity"] == "stop"]
    assert _release(sender, number)[0] == 422


def test_a_campaign_is_scheduled_taken_back_paused_resumed_and_cancelled(sender: Program, number: int) -> None:
    status, state = _release(sender, number, at=_later())
    assert (status, state["state"], state["recipients"]) == (200, "scheduled", 1)
    for path, expected in (("undo", "draft"), ("", "scheduled"), ("pause", "paused"), ("resume", "scheduled")):
        done = sender.ask("POST", f"/campaigns/{number}/{path}") if path else _release(sender, number, at=_later())
        assert (done[0], done[1]["state"]) == (200, expected)
    assert sender.ask("POST", f"/campaigns/{number}/cancel")[1]["state"] == "cancelled"
    assert sender.ask("POST", f"/campaigns/{number}/cancel")[0] == 409
    assert sender.ask("POST", f"/campaigns/{number}/pause")[1]["code"] == "wrong_state"
    assert sender.ask("POST", f"/campaigns/{number}/release", {"seen": "x"})[1]["code"] == "wrong_state"


def test_a_release_that_comes_twice_is_one(sender: Program, number: int) -> None:
    checks = sender.ask("GET", f"/campaigns/{number}/checks")[1]
    body = {"seen": checks["seen"], "recipients": 1, "at": _later()}
    first = sender.ask("POST", f"/campaigns/{number}/release", body, **{"Idempotency-Key": "one"})
    assert sender.ask("POST", f"/campaigns/{number}/release", body, **{"Idempotency-Key": "one"}) == first
    assert first[0] == 200


def test_what_was_changed_since_it_was_checked_is_not_sent(sender: Program, number: int) -> None:
    checks = sender.ask("GET", f"/campaigns/{number}/checks")[1]
    sender.ask("PATCH", f"/campaigns/{number}", {"version": 1, "subject": "Another"})
    body = {"seen": checks["seen"], "recipients": checks["recipients"]}
    status, problem = sender.ask("POST", f"/campaigns/{number}/release", body)
    assert (status, problem["code"]) == (422, "not_releasable")
    assert Campaign.objects.get().state == "draft"


def test_a_key_gives_no_approval_and_says_who_does(sender: Program, number: int) -> None:
    change_settings(sender.organization, by=None, now=NOW, requires_approval=True)
    status, problem = _release(sender, number)
    assert (status, problem["code"]) == (409, "needs_approval")
    assert "approves it in the app" in problem["detail"]
    assert sender.ask("POST", f"/campaigns/{number}/request-approval")[0] == 200
    assert sender.ask("GET", f"/campaigns/{number}/checks")[1]["approval"] == "asked"
    campaign = Campaign.objects.get()
    vera = add_person("vera@lantern.example", password="tall grass under the bridge", today=TODAY)
    give_role(vera, sender.organization, "editor", by=None, now=NOW)
    approval.agree(campaign, approval.bond_of(open_campaign(campaign)), by=vera, now=datetime.now(UTC))
    assert _release(sender, number, at=_later())[1]["state"] == "scheduled"


def test_whoever_created_the_key_cannot_be_the_second_person(sender: Program, number: int, clara: Any) -> None:
    change_settings(sender.organization, by=None, now=NOW, requires_approval=True)
    campaign = Campaign.objects.get()
    approval.agree(campaign, approval.bond_of(open_campaign(campaign)), by=clara, now=datetime.now(UTC))
    assert _release(sender, number)[1]["code"] == "needs_approval"


def test_without_a_route_or_with_sending_on_hold_a_person_has_to_act(sender: Program, number: int) -> None:
    type(sender.organization).objects.update(sending_locked=True)
    status, problem = _release(sender, number)
    assert (status, problem["code"]) == (409, "needs_person")
    type(sender.organization).objects.update(sending_locked=False)
    pause_route(Route.objects.get(), now=NOW)
    assert _release(sender, number)[1]["code"] == "needs_person"
    assert Campaign.objects.get().state == "draft"


def test_what_was_stopped_for_a_reason_no_key_resumes(sender: Program, number: int) -> None:
    _release(sender, number, at=_later())
    Campaign.objects.update(state="paused", reason="complaints")
    assert sender.ask("POST", f"/campaigns/{number}/resume")[1]["code"] == "needs_person"
    assert Campaign.objects.get().state == "paused"


def test_a_test_goes_to_the_team_alone(sender: Program, number: int) -> None:
    path = f"/campaigns/{number}/test"
    refused = sender.ask("POST", path, {"to": ["clara@lantern.example", "ada@reader.example"]})
    assert (refused[0], refused[1]["code"]) == (422, "not_of_team")
    assert not RemoteCheck.objects.exists()
    status, asked = sender.ask("POST", path, {"to": ["clara@lantern.example"]})
    assert status == 202
    result = f"/campaigns/{number}/tests/{asked['id']}"
    assert sender.ask("GET", result)[1]["state"] == "waiting"
    remote_checks.answer(asked["id"], datetime.now(UTC))
    assert sender.ask("GET", result)[1]["state"] in ("done", "refused")
    assert sender.ask("GET", f"/campaigns/{number}/tests/4711")[1]["code"] == "no_such_test"


def test_a_key_of_the_command_line_sends_no_tests(sender: Program, number: int) -> None:
    status, problem = sender.bound(scopes=ALL).ask(
        "POST", f"/campaigns/{number}/test", {"to": ["clara@lantern.example"]}
    )
    assert (status, problem["code"]) == (409, "needs_person")


@pytest.mark.parametrize("change", [{"at": "2020-01-01T10:00:00Z"}, {"at": "2999-01-01T10:00:00Z"}, {"at": "soon"}])
def test_a_time_that_cannot_be_is_refused(sender: Program, number: int, change: dict[str, str]) -> None:
    assert _release(sender, number, **change)[0] == 422
    assert Campaign.objects.get().state == "draft"


def test_a_key_that_writes_drafts_sends_nothing(sender: Program, number: int, clara: Any) -> None:
    writer = sender.bound(scopes=("campaigns:read", "campaigns:write"), by=clara)
    for path in ("release", "test", "pause", "cancel", "resume", "undo", "request-approval"):
        assert writer.ask("POST", f"/campaigns/{number}/{path}", {})[1]["code"] == "scope_missing"
