"""From one kind of route to the next: whatever a provider says, everybody is reached once and nobody is blamed."""

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

from samizdat.delivery.actions import add_route, release
from samizdat.delivery.engine.sender import run_campaign
from samizdat.delivery.models import Route
from tests.conftest import PASSWORD, TODAY
from tests.delivery.conftest import House
from tests.delivery.test_sending import books_balance
from tests.http_server import STALL, Reply, ScriptedApi
from tests.smtp_server import ScriptedServer
from tests.transports.contract import FakeSendmail


def add(house: House, name: str, url: str, priority: int, connections: int = 4) -> Route:
    now = datetime.now(UTC)
    return add_route(house.organization, name, url, now=now, priority=priority, connections=connections)


def test_a_letter_goes_on_by_the_next_kind_of_route_and_everybody_gets_it_once(
    house: House, server: ScriptedServer, tmp_path: Path
) -> None:
    addresses = house.people(600)
    command = FakeSendmail(tmp_path)
    command.on('if [ $(ls "$here/out" | wc -l) -gt 300 ]; then echo "no account default" >&2; exit 78; fi')
    with ScriptedApi() as api:
        api.on(Reply(403, {"message": "Domain lantern.example is not allowed to send: disabled"}), after=200)
        add(house, "gun", f"mailgun://KEY@lantern.example?endpoint={api.endpoint}", 1)
        add(house, "local", command.url, 2)
        house.route(server, "relay", priority=3)
        campaign = house.released()
        ended = run_campaign(campaign.pk, 120)
    assert (ended["ended"], ended["accepted"], ended["refused"], ended["unsure"]) == ("finished", 600, 0, 0)
    assert Counter(api.accepted) + command.counts + server.counts() == dict.fromkeys(addresses, 1)
    assert min(len(api.accepted), len(command.taken), len(server.messages)) > 50
    states = {route.name: (route.state, route.reason) for route in Route.objects.all()}
    assert states["gun"] == ("dead", "suspended")
    assert states["local"] == ("dead", "command_failed")
    assert states["relay"][0] == "live"
    books_balance(campaign)


def test_no_letter_reaches_a_server_that_a_stolen_session_added_or_led_a_route_to(
    house: House, server: ScriptedServer
) -> None:
    from samizdat.accounts import actions as accounts
    from samizdat.accounts.models import Organization
    from samizdat.delivery.actions import change_route

    now = datetime.now(UTC)
    addresses = house.people(60)
    Organization.objects.update(next_number=5001)
    vera = accounts.add_person("vera@lantern.example", password=PASSWORD, today=TODAY)
    accounts.give_role(vera, house.organization, "admin", by=None, now=now)
    relay = house.route(server, "relay", priority=5)
    with ScriptedServer() as evil:
        add_route(house.organization, "evil", evil.url, now=now, by=vera, priority=1)
        change_route(relay, now=now, by=vera, url=evil.url)
        ended = run_campaign(house.released().pk, 60)
        assert (ended["accepted"], evil.connected) == (60, 0)
    assert server.counts() == dict.fromkeys(addresses, 1)


def test_what_was_handed_over_without_an_answer_stays_unsure_and_goes_by_no_other_route(
    house: House, server: ScriptedServer
) -> None:
    addresses = house.people(40)
    silent = addresses[7]
    with ScriptedApi() as api:
        api.on(STALL, silent)
        add(house, "gun", f"mailgun://KEY@lantern.example?endpoint={api.endpoint}&timeout=4", 1)
        house.route(server, "relay", priority=2)
        campaign = house.draft()
        campaign.unsure_policy = "hold"
        campaign.save(update_fields=["unsure_policy"])
        campaign = release(campaign, now=datetime.now(UTC))
        ended = run_campaign(campaign.pk, 120)
    assert (ended["accepted"], ended["refused"], ended["unsure"]) == (39, 0, 1)
    assert silent not in server.counts()
    assert [letter.recipient for letter in api.letters].count(silent) == 1
    books_balance(campaign)
