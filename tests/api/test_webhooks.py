"""Webhooks by the API: added, listed, tested, given another secret and removed, as far as a key's lists go."""

from typing import Any

import pytest

from samizdat.accounts import actions as accounts
from samizdat.accounts import api_keys
from samizdat.audience import actions as audience
from samizdat.portability.models import EventWebhook, EventWebhookMessage
from samizdat.portability.webhooks.records import settings_of
from tests.api.conftest import Program
from tests.conftest import NOW, PASSWORD, TODAY

pytestmark = pytest.mark.django_db(databases=["default", "publicdb"])

URL = "https://lantern.example/hooks?token=s3cret"


def _added(program: Program, **more: Any) -> tuple[int, Any]:
    return program.ask("POST", "/webhooks", {"url": URL, "events": ["subscriber.added"]} | more)


def test_a_webhook_is_added_shown_and_removed(program: Program) -> None:
    hooks = program.bound(scopes=("webhooks",))
    status, answer = _added(hooks)
    assert status == 201 and answer["secret"].startswith("whsec_") and answer["state"] == "active"
    status, listed = hooks.ask("GET", "/webhooks")
    assert [(each["url"], each["state"], each["tries"]) for each in listed["items"]] == [(URL, "active", [])]
    assert "whsec_" not in str(listed)
    path = f"/webhooks/{answer['id']}"
    assert hooks.ask("GET", path)[1] == listed["items"][0]
    _status, other = hooks.ask("POST", f"{path}/secret")
    row = EventWebhook.objects.get()
    assert settings_of(row).secrets(NOW)[0] == other["secret"] != answer["secret"]
    assert hooks.ask("POST", f"{path}/test")[0] == 202 and EventWebhookMessage.objects.count() == 1
    assert hooks.ask("POST", f"{path}/enable")[0] == 204
    assert hooks.ask("DELETE", path) == (204, None)
    assert hooks.ask("DELETE", path)[1]["code"] == "no_such_webhook"
    assert not EventWebhookMessage.objects.exists()


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"url": "http://lantern.example/"}, "webhook_url"),
        ({"events": ["subscriber.opened"]}, "webhook_event"),
        ({"lists": [4711]}, "no_such_list"),
        ({"lists": [1 << 70]}, "no_such_list"),
        ({"events": []}, "invalid"),
    ],
)
def test_what_makes_no_sense_is_refused(program: Program, body: Any, code: str) -> None:
    assert _added(program.bound(scopes=("webhooks",)), **body)[1]["code"] == code


def test_addresses_take_a_key_that_may_read_them(program: Program) -> None:
    bare, reads = (program.bound(scopes=scopes) for scopes in (("webhooks",), ("webhooks", "subscribers:read")))
    assert _added(bare, addresses=True)[1]["code"] == "scope_missing"
    _status, answer = _added(reads, addresses=True)
    for method, path in (("GET", ""), ("POST", "/secret"), ("DELETE", "")):
        assert bare.ask(method, f"/webhooks/{answer['id']}{path}")[0] == 404
    assert bare.ask("GET", "/webhooks")[1] == {"items": []}


def test_a_key_of_one_list_makes_webhooks_of_that_list(program: Program) -> None:
    letter, appeals = program.lists["Letter"], program.lists["Appeals"]
    bound = program.bound(letter, scopes=("webhooks",))
    _status, answer = _added(bound)
    assert settings_of(EventWebhook.objects.get(pk=answer["id"])).lists == [letter.pk]
    assert _added(bound, lists=[appeals.pk])[0] == 404
    _status, of_all = _added(program.bound(scopes=("webhooks",)))
    assert [each["id"] for each in bound.ask("GET", "/webhooks")[1]["items"]] == [answer["id"]]
    assert bound.ask("DELETE", f"/webhooks/{of_all['id']}")[0] == 404


def test_by_the_key_of_a_person_it_waits(program: Program) -> None:
    audience.add_subscriber(program.organization, "ada@reader.example", program.lists["Letter"], consent="So.", now=NOW)
    vera = accounts.add_person("vera@lantern.example", name="Vera", password=PASSWORD, today=TODAY)
    accounts.give_role(vera, program.organization, "admin", by=None, now=NOW)
    _token, key = api_keys.add(program.organization, "Program", ["webhooks"], now=NOW, by=vera)
    api_keys.sign(key)
    hooks = Program(program.organization, program.lists, _token)
    status, answer = _added(hooks)
    assert (status, answer["state"]) == (201, "waiting")
    assert hooks.ask("POST", f"/webhooks/{answer['id']}/test")[1]["code"] == "webhook_waits"
