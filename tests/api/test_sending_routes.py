"""Sending routes over the API: no secret of them leaves, and no key approves one."""

import json

import pytest

from samizdat.delivery.actions import add_route
from samizdat.delivery.models import Route
from samizdat.events.models import Event
from tests.api.conftest import Program
from tests.conftest import NOW

pytestmark = pytest.mark.django_db


@pytest.fixture
def keeper(program: Program) -> Program:
    url = "smtp://lantern:open-sesame@relay.example:587"
    add_route(program.organization, "Relay", url, now=NOW)
    return program.bound(scopes=("routes:read", "routes:write"))


def test_a_route_is_shown_without_its_address_and_password(keeper: Program) -> None:
    status, shown = keeper.ask("GET", "/routes")
    assert (status, [(each["name"], each["state"], each["kind"]) for each in shown["items"]]) == (
        200,
        [("Relay", "live", "smtp")],
    )
    for secret in ("open-sesame", "relay.example", "lantern:"):
        assert secret not in json.dumps(shown)


def test_a_route_is_paused_and_resumed(keeper: Program) -> None:
    number = Route.objects.get().pk
    assert keeper.ask("POST", f"/routes/{number}/pause")[1]["state"] == "paused"
    assert keeper.ask("POST", f"/routes/{number}/resume")[1]["state"] == "live"
    assert keeper.ask("POST", f"/routes/{number}/resume")[1]["state"] == "live"
    assert Event.objects.filter(kind="route.resumed").count() == 1


@pytest.mark.parametrize("state", ["waiting", "dead", "throttled"])
def test_what_a_person_has_to_decide_no_key_does(keeper: Program, state: str) -> None:
    Route.objects.update(state=state)
    number = Route.objects.get().pk
    assert keeper.ask("POST", f"/routes/{number}/resume")[1]["code"] == "needs_person"
    assert Route.objects.get().state == state


def test_a_key_that_reads_changes_nothing(keeper: Program) -> None:
    number = Route.objects.get().pk
    reader = keeper.bound(scopes=("routes:read",))
    assert reader.ask("POST", f"/routes/{number}/pause")[1]["code"] == "scope_missing"
    bound = keeper.bound(keeper.lists["Letter"], scopes=("routes:read", "routes:write"))
    assert bound.ask("GET", "/routes")[1]["code"] == "key_bound"
