"""An organization leaves with what it needs to send: routes, sending domains and who is on the team."""

import json
import zipfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyrage
import pytest

from samizdat.accounts import actions as accounts
from samizdat.audience import actions
from samizdat.audience.models import Import
from samizdat.core.mail import dkim
from samizdat.delivery import sealed_domains
from samizdat.delivery.actions import domains, route_webhooks, routes
from samizdat.delivery.models import DkimKey, Route, RouteWebhook, SendingDomain
from samizdat.delivery.sealed_routes import open_address
from samizdat.delivery.sealed_webhooks import open_settings
from samizdat.portability import actions as exporting
from samizdat.portability.errors import ExportRefused
from samizdat.portability.request import ExportRequest
from samizdat.portability.restore import bring_back
from samizdat.portability.restore.documents import team_to_invite
from tests.conftest import NOW, TODAY
from tests.portability.test_export import KEY

WISH = ExportRequest("samizdat", (str(KEY.to_public()),), keys=True, setup=True)
RELAY = "smtp://ada:rope@relay.example:587"


def member(organization: Any, address: str, name: str) -> Any:
    person = accounts.add_person(address, name=name, password="a lamp in the north", today=TODAY)
    accounts.give_role(person, organization, "admin", by=None, now=NOW - timedelta(days=9))
    return person


@pytest.fixture
def audience(lantern: Any, letter: Any) -> Any:
    """Ada is a subscriber; mail goes out by a relay, from a domain with two keys; one admin."""
    member(lantern, "clara@lantern.example", "Clara Berg")
    actions.add_subscriber(lantern, "ada@post.example", letter, consent="At the fair.", now=NOW)
    routes.add_route(lantern, "main", RELAY, now=NOW, priority=3, rate="10/s,500/h", connections=4, warm_up="50,100")
    routes.add_route(lantern, "own", "sendmail:///usr/sbin/sendmail", now=NOW)
    domains.add_domain(lantern, "lantern.example", now=NOW)
    return lantern


def exported(organization: Any, tmp_path: Path, wish: ExportRequest = WISH) -> Path:
    path = tmp_path / "export.zip"
    with (tmp_path / "sealed").open("wb") as out:
        exporting.direct(organization, wish, out, now=lambda: NOW)
    path.write_bytes(pyrage.decrypt((tmp_path / "sealed").read_bytes(), [KEY]))
    return path


def another(vault: Any) -> Any:
    return accounts.found_organization("Harbor Bell", source=vault, today=TODAY)


def private_keys(organization: Any) -> set[tuple[str, bytes]]:
    rows = DkimKey.objects.filter(domain__organization=organization).select_related("domain__organization")
    opened = [sealed_domains.open_key(row) for row in rows]
    return {(key.selector, key.private) for key in opened}


def test_routes_domains_and_the_team_come_along(audience: Any, vault: Any, tmp_path: Path) -> None:
    path, there = exported(audience, tmp_path), another(vault)
    counts = bring_back(there, path, now=lambda: NOW)
    (route,) = Route.objects.filter(organization=there)
    address = open_address(route)
    # Nothing goes out by both, and a file of somebody else's leads to no inner address.
    assert (route.name, route.state, address.url, address.ours) == ("main", "paused", RELAY, False)
    assert (route.priority, route.limits, route.connections, route.warm_up) == (3, "10/s,500/h", 4, "50,100")
    assert private_keys(there) == private_keys(audience) != set()
    # Whoever has the domain has its record: until it was found, no key signs.
    assert not DkimKey.objects.filter(domain__organization=there, state="active").exists()
    (row,) = Import.objects.filter(organization=there)
    team = team_to_invite(row)
    assert [(entry.name, entry.role) for entry in team] == [("Clara Berg", "admin")]
    assert counts["setup"] == 3
    again = bring_back(there, path, now=lambda: NOW)
    assert again["setup"] == 3 and Route.objects.filter(organization=there).count() == 1


def test_the_webhook_of_a_route_comes_along_with_another_address(audience: Any, vault: Any, tmp_path: Path) -> None:
    mine = Route.objects.get(organization=audience, name="main")
    before = route_webhooks.set_webhook(mine, "mailgun", secret="rope", fetches=None, now=NOW)
    path, there = exported(audience, tmp_path), another(vault)
    accounts.change_settings(there, by=None, now=NOW, public_url="https://letters.bell.example")
    bring_back(there, path, now=lambda: NOW)
    route = Route.objects.get(organization=there)
    view = route_webhooks.webhook_of(route)
    assert view is not None and (view.provider, view.has_secret, view.fetches) == ("mailgun", True, False)
    assert view.address.startswith("https://letters.bell.example/in/") and view.address != before.address
    assert open_settings(RouteWebhook.objects.select_related("route__organization").get(route=route)).key == "rope"
    assert route.state == "paused"


def _unknown_provider(setup: Any) -> None:
    setup["routes"][0]["webhook"] = {"provider": "nobody", "secret": "rope"}


def test_a_webhook_that_nobody_knows_here_leaves_its_route(audience: Any, vault: Any, tmp_path: Path) -> None:
    path, there = exported(audience, tmp_path), another(vault)
    altered(path, _unknown_provider)
    bring_back(there, path, now=lambda: NOW)
    assert route_webhooks.webhook_of(Route.objects.get(organization=there)) is None


def test_without_being_asked_for_they_stay(audience: Any, vault: Any, tmp_path: Path) -> None:
    wish = ExportRequest("samizdat", WISH.recipients, keys=True)
    path, there = exported(audience, tmp_path, wish), another(vault)
    with zipfile.ZipFile(path) as box:
        assert "setup.json" not in box.namelist()
    bring_back(there, path, now=lambda: NOW)
    assert not Route.objects.filter(organization=there).exists()


@pytest.mark.parametrize(
    "wish", [ExportRequest("samizdat", setup=True), ExportRequest("csv", WISH.recipients, setup=True)]
)
def test_they_are_never_in_a_file_that_anybody_can_open(audience: Any, wish: ExportRequest) -> None:
    with pytest.raises(ExportRefused) as refused:
        exporting.check(wish, plain=wish.is_plain, reason="We move.")
    assert refused.value.code == "setup_elsewhere"


def test_another_admin_approves_it_though_the_key_is_known(audience: Any) -> None:
    from samizdat.portability import recipient_keys

    colleague = member(audience, "david@lantern.example", "David Roth")
    recipient_keys.know(audience, WISH.recipients, now=NOW)
    assert not exporting.is_held(audience, ExportRequest("samizdat", WISH.recipients), colleague)
    assert exporting.is_held(audience, WISH, colleague)


def altered(path: Path, change: Any) -> None:
    """A file whose maker had the format and no scruples."""
    import hashlib

    with zipfile.ZipFile(path) as box:
        files = {name: box.read(name) for name in box.namelist()}
    setup = json.loads(files["setup.json"])
    change(setup)
    files["setup.json"] = json.dumps(setup).encode()
    manifest = json.loads(files["manifest.json"])
    manifest["files"]["setup.json"] |= {
        "bytes": len(files["setup.json"]),
        "sha256": hashlib.sha256(files["setup.json"]).hexdigest(),
    }
    manifest["counts"].pop("setup")
    files["manifest.json"] = json.dumps(manifest).encode()
    with zipfile.ZipFile(path, "w") as box:
        for name, data in files.items():
            box.writestr(name, data)


def _program(setup: Any) -> None:
    setup["routes"][0]["url"] = "sendmail:///bin/sh"


def _own_name(setup: Any) -> None:
    setup["domains"][0]["name"] = "not a domain"


@pytest.mark.parametrize("change", [_program, _own_name])
def test_what_this_installation_cannot_have_is_left_out(audience: Any, vault: Any, tmp_path: Path, change: Any) -> None:
    path, there = exported(audience, tmp_path), another(vault)
    altered(path, change)
    bring_back(there, path, now=lambda: NOW)
    came = Route.objects.filter(organization=there).count(), SendingDomain.objects.filter(organization=there).count()
    assert came == ((0, 1) if change is _program else (1, 0))


def _role(setup: Any) -> None:
    setup["team"][0]["role"] = "owner"


def _many(setup: Any) -> None:
    setup["team"] *= 300


def _key(setup: Any) -> None:
    setup["domains"][0]["keys"][0]["private"] = "no base64"


def _port(setup: Any) -> None:
    setup["routes"][0]["connections"] = 0


@pytest.mark.parametrize("change", [_role, _many, _key, _port])
def test_an_altered_file_is_refused_and_nothing_is_written(
    audience: Any, vault: Any, tmp_path: Path, change: Any
) -> None:
    path, there = exported(audience, tmp_path), another(vault)
    altered(path, change)
    with pytest.raises(ExportRefused):
        bring_back(there, path, now=lambda: NOW)
    assert not Route.objects.filter(organization=there).exists()


def test_a_key_that_was_brought_along_signs(audience: Any, vault: Any, tmp_path: Path) -> None:
    path, there = exported(audience, tmp_path), another(vault)
    bring_back(there, path, now=lambda: NOW)
    for key in DkimKey.objects.filter(domain__organization=there):
        domains.say_published(key, now=NOW)
        key.refresh_from_db()
        domains.activate(key, now=NOW)
    (row,) = SendingDomain.objects.select_related("organization").filter(organization=there)
    assert {key.algorithm for key in sealed_domains.signing(row, row.keys.all())} == set(dkim.ALGORITHMS)
