"""An account that a provider has closed without a word to our letters: asked every ten minutes, and condemned."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from samizdat.delivery.actions import add_route, pause_route, resume_route
from samizdat.delivery.actions.provider_status import EVERY, ask_standings
from samizdat.delivery.models import Route
from tests.delivery.conftest import House
from tests.http_server import Reply, ScriptedApi

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
DISABLED = Reply(200, {"domain": {"name": "lantern.example", "state": "disabled"}})


@pytest.fixture
def api() -> Iterator[ScriptedApi]:
    with ScriptedApi() as api:
        yield api


def gun(house: House, api: ScriptedApi, name: str = "gun") -> Any:
    return add_route(house.organization, name, f"mailgun://KEY@lantern.example?endpoint={api.endpoint}", now=NOW)


def states() -> dict[str, tuple[str, str]]:
    return {route.name: (route.state, route.reason) for route in Route.objects.all()}


def test_a_closed_account_rests_and_is_not_asked_again_within_ten_minutes(house: House, api: ScriptedApi) -> None:
    route = gun(house, api)
    add_route(house.organization, "relay", "smtp+plain://relay.example:25", now=NOW)
    assert ask_standings(NOW) == 0
    api.states.append(DISABLED)
    assert ask_standings(NOW + EVERY - timedelta(seconds=1)) == 0
    assert len(api.asked) == 1
    assert ask_standings(NOW + EVERY) == 1
    assert states() == {"gun": ("dead", "suspended"), "relay": ("live", "")}
    later = NOW + 5 * EVERY
    assert ask_standings(later) == 0  # It rests already.
    resume_route(route, now=later)
    assert ask_standings(later) == 1
    assert states()["gun"] == ("dead", "suspended") and not api.letters


def test_one_whose_domain_is_not_verified_rests_as_a_whole(house: House, api: ScriptedApi) -> None:
    gun(house, api)
    api.states.append(Reply(200, {"domain": {"state": "unverified"}}))
    assert ask_standings(NOW) == 1
    assert states() == {"gun": ("dead", "sender")}


def test_a_paused_route_and_a_fenced_house_ask_nobody(house: House, api: ScriptedApi) -> None:
    api.states.append(DISABLED)
    pause_route(gun(house, api), now=NOW)
    assert ask_standings(NOW) == 0
    resume_route(Route.objects.get(), now=NOW)
    house.organization.sending_locked = True
    house.organization.save(update_fields=["sending_locked"])
    assert ask_standings(NOW) == 0
    assert not api.asked
