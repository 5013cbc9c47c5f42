"""What a sending provider delivers by webhook, from the public pages to whoever isn't written to any more."""

import asyncio
import base64
import hmac
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from django.db import connection
from django.test import override_settings
from django.test.utils import CaptureQueriesContext

from samizdat import limited_process, plugins
from samizdat.accounts.actions import change_settings
from samizdat.audience.models import Subscription
from samizdat.core.crypto import seal, tokens
from samizdat.core.webhook_delivery import HEADERS, KIND, MOST_BYTES
from samizdat.delivery import clock_jumps
from samizdat.delivery.actions import route_webhooks
from samizdat.delivery.errors import RouteRefused
from samizdat.delivery.models import Route
from samizdat.incoming import webhooks
from samizdat.incoming.models import MailReport, SeenWebhook
from samizdat.incoming.webhook_fetches import WebhookFetches
from samizdat.public import door, form_tokens
from samizdat.public import webhooks as public_webhooks
from samizdat.publicdb.models import Intake
from samizdat.transports.providers.mailersend import TEST_SECRET
from samizdat.transports.webhooks import SENTENCES
from samizdat.vault import keyring
from samizdat.vault.box_keys import BoxKeys
from samizdat.worker.inbox import inbox, preferences
from samizdat.worker.inbox import webhooks as taking
from tests.delivery.conftest import House
from tests.incoming.conftest import YEAR, Incoming, now
from tests.public.conftest import TEMPLATES
from tests.smtp_server import Caught
from tests.transports.webhook_requests import JSON, Delivery, by_sns, cases, delivery, document, hook

HOST = "lantern.example"
KEY = "key"


class Provider:
    """A sending provider that delivers to the public pages, and the worker that takes it up."""

    def __init__(self, incoming: Incoming, app: Any) -> None:
        self.incoming, self.app = incoming, app
        self.organization = incoming.house.organization
        self.route = Route.objects.get()
        self.address = ""

    def set_up(self, provider: str = "mailgun", secret: str | None = KEY) -> None:
        self.address = route_webhooks.set_webhook(self.route, provider, secret=secret, now=now()).address

    def post(self, body: bytes, headers: dict[str, str], path: str = "", method: str = "POST") -> int:
        url = urlsplit(self.address)
        login = {"authorization": "Basic " + base64.b64encode(f"{url.username}:{url.password}".encode()).decode()}
        headers = {"host": HOST, "content-length": str(len(body)), **(login if url.username else {}), **headers}
        return asked(self.app, method, path or url.path, body, headers)

    def deliver(self, sent: Delivery) -> int:
        return self.post(sent.request.body, dict(sent.request.headers))

    def take(self, later: timedelta = timedelta()) -> int:
        inbox.forget()
        return taking.take(now() + later)

    @property
    def state(self) -> Any:
        view = route_webhooks.webhook_of(self.route)
        assert view is not None
        return view.state


def asked(app: Any, method: str, path: str, body: bytes, headers: dict[str, str]) -> int:
    """The status of the answer."""
    return asyncio.run(answered(app, method, path, body, headers))


async def answered(app: Any, method: str, path: str, body: bytes, headers: dict[str, str]) -> int:
    sent: list[dict[str, Any]] = []
    pieces = [body[at : at + 65536] for at in range(0, len(body), 65536)] or [b""]

    async def receive() -> dict[str, Any]:
        piece = pieces.pop(0)
        return {"type": "http.request", "body": piece, "more_body": bool(pieces)}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "http", "method": method, "path": path, "query_string": b"", "scheme": "https", "client": None}
    await app(scope | {"headers": [(k.encode(), v.encode()) for k, v in headers.items()]}, receive, send)
    return int(sent[0]["status"])


@pytest.fixture
def public(house: House, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The public pages as they are served, with the keys that the supervisor would give them."""
    from samizdat.public import envelopes
    from samizdat.public import tokens as public_tokens
    from samizdat.public.asgi import Public
    from samizdat.worker.inbox import link_keys
    from samizdat.worker.publishing import publish

    publish.publish_place(house.organization)
    keys = keyring.keys(house.organization)
    [(number, secret)] = keys.boxes.items()
    rows = [
        {
            "organization": bytes(house.organization.uid).hex(),
            "number": key.number,
            "keys": {name: base64.b64encode(given).decode() for name, given in link_keys.given(key).items()},
        }
        for key in keys.links.values()
    ]
    monkeypatch.setattr(envelopes, "boxes", BoxKeys(lambda _uid: (number, seal.public_key(secret))))
    monkeypatch.setattr(public_tokens, "reader", public_tokens.TokenReader(lambda: rows))
    monkeypatch.setattr(public_webhooks, "purses", form_tokens.RateBudgets())
    monkeypatch.setattr(door, "purses", form_tokens.RateBudgets())
    monkeypatch.setattr(door, "memory", door.RateMemory())
    with override_settings(
        ROOT_URLCONF="samizdat.public.urls",
        MIDDLEWARE=["samizdat.public.middleware.QuietMiddleware"],
        TEMPLATES=TEMPLATES,
    ):
        from django.core.handlers.wsgi import WSGIHandler

        yield Public(WSGIHandler())


@pytest.fixture
def provider(incoming: Incoming, public: Any) -> Provider:
    inbox.forget()
    return Provider(incoming, public)


def bounce(caught: Caught, **more: Any) -> dict[str, Any]:
    """As Mailgun tells it: https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/webhooks"""
    event = {
        "event": "failed",
        "severity": "permanent",
        "reason": "bounce",
        "id": "G9Bn5sl1TC6nu79C8C0bwg",
        "timestamp": now().timestamp(),
        "recipient": caught.recipient,
        "delivery-status": {"code": 550, "message": "550 5.1.1 No such user here", "enhanced-code": "5.1.1"},
        "message": {"headers": {"message-id": message_id(caught).strip("<>"), "to": caught.recipient}},
    }
    return event | more


def message_id(caught: Caught) -> str:
    line = next(line for line in caught.content.decode().splitlines() if line.lower().startswith("message-id:"))
    return line.partition(":")[2].strip()


def signed(event: dict[str, Any], once: str = "50a1f3", at: datetime | None = None, key: str = KEY) -> bytes:
    stamp = str(int((at or now()).timestamp()))
    signature = hmac.new(key.encode(), (stamp + once).encode(), "sha256").hexdigest()
    parts = {"timestamp": stamp, "token": once, "signature": signature}
    return json.dumps({"signature": parts, "event-data": event}).encode()


def test_who_bounced_at_the_provider_is_not_written_to_in_the_next_campaign(
    house: House, incoming: Incoming, provider: Provider
) -> None:
    readers = house.people(3)
    sent = incoming.send()
    provider.set_up()
    assert provider.post(signed(bounce(sent[readers[0]])), JSON) == 200
    assert incoming.suppressed() == set(), "the public pages decide nothing"
    assert provider.take() == 1
    assert incoming.suppressed() == {f"bounce {readers[0]}"}
    assert set(incoming.send()) == set(readers[1:])
    assert not Intake.objects.exists()
    assert (provider.state.events, provider.state.unmatched, provider.state.refusal) == (1, 0, "")


def test_a_complaint_leaves_all_lists(house: House, incoming: Incoming, provider: Provider) -> None:
    [ada] = house.people(1)
    caught = incoming.send()[ada]
    provider.set_up()
    provider.post(signed(bounce(caught, event="complained")), JSON)
    provider.take()
    assert incoming.suppressed() == {f"complaint {ada}"}
    assert Subscription.objects.get().mail_verdict != 1


def test_what_is_delivered_again_changes_nothing(house: House, incoming: Incoming, provider: Provider) -> None:
    [ada] = house.people(1)
    caught = incoming.send()[ada]
    provider.set_up()
    body = signed(bounce(caught, event="failed", severity="temporary"))
    for _ in range(3):
        provider.post(body, JSON)
        provider.post(signed(json.loads(body)["event-data"], "another"), JSON)
        assert provider.take() == 2
    assert MailReport.objects.count() == 1
    forged = json.loads(body) | {"event-data": bounce(caught)}
    provider.post(json.dumps(forged).encode(), JSON)
    assert provider.take() == 1
    assert incoming.suppressed() == set()


def test_the_same_event_counts_once_even_in_one_delivery(house: House, incoming: Incoming, provider: Provider) -> None:
    [ada] = house.people(1)
    caught = incoming.send()[ada]
    provider.set_up("mailjet", None)
    event = {
        "event": "bounce", "time": int(now().timestamp()), "MessageID": 1, "email": ada, "hard_bounce": True,
        "error": "user unknown", "Payload": json.dumps({"id": message_id(caught)}),
    }  # fmt: skip
    for _ in range(2):
        assert provider.post(json.dumps([event, event]).encode(), JSON) == 200
        assert provider.take() == 1
    assert incoming.suppressed() == {f"bounce {ada}"}
    assert MailReport.objects.count() == SeenWebhook.objects.count() == 1


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda event: signed(event, key="another"), "wrong_signature"),
        (lambda event: signed(event, at=now() - timedelta(days=2)), "too_old"),
        (lambda event: signed(event)[:-9], "not_json"),
        (lambda event: signed(event) * 2, "not_json"),
        (lambda event: json.dumps({"event-data": event}).encode(), "no_signature"),
        (lambda event: b"\xff\x00", "not_json"),
    ],
)
def test_what_the_provider_did_not_write_changes_nothing_and_says_why(
    house: House, incoming: Incoming, provider: Provider, change: Any, code: str
) -> None:
    [ada] = house.people(1)
    caught = incoming.send()[ada]
    provider.set_up()
    assert provider.post(change(bounce(caught)), JSON) == 200
    assert provider.take() == 1
    assert incoming.suppressed() == set() and not MailReport.objects.exists() and not SeenWebhook.objects.exists()
    assert (provider.state.refusal, provider.state.heard) == (code, None)
    assert code in SENTENCES


def test_what_was_signed_while_our_clock_was_behind_counts_once_it_is_right(
    house: House, incoming: Incoming, provider: Provider
) -> None:
    [ada] = house.people(1)
    caught = incoming.send()[ada]
    provider.set_up()
    provider.post(signed(bounce(caught), at=now() + timedelta(hours=1)), JSON)
    assert provider.take() == 0
    assert (provider.state.refusal, provider.state.refusals, provider.state.is_refused) == ("from_the_future", 0, True)
    assert provider.take(timedelta(hours=1)) == 1
    assert incoming.suppressed() == {f"bounce {ada}"} and not provider.state.is_refused


def test_what_comes_before_the_secret_is_entered_waits_for_it(
    house: House, incoming: Incoming, provider: Provider
) -> None:
    """Providers deliver as soon as they have the address, and some show the secret after that."""
    [ada] = house.people(1)
    caught = incoming.send()[ada]
    provider.set_up(secret=None)
    provider.post(signed(bounce(caught)), JSON)
    assert provider.take() == 0
    assert (provider.state.refusal, provider.state.refusals) == ("no_secret", 0)
    provider.set_up()
    assert provider.take() == 1
    assert incoming.suppressed() == {f"bounce {ada}"}
    assert provider.state.refusal == ""


def test_what_seems_too_old_waits_while_the_clock_was_just_set(
    house: House, incoming: Incoming, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    [ada] = house.people(1)
    caught = incoming.send()[ada]
    provider.set_up()
    provider.post(signed(bounce(caught), at=now() - timedelta(days=2)), JSON)
    monkeypatch.setattr(clock_jumps, "patient", lambda _now: True)
    assert provider.take() == 0 and provider.state.refusal == "too_old"
    monkeypatch.setattr(clock_jumps, "patient", lambda _now: False)
    assert provider.take() == 1 and incoming.suppressed() == set()


def test_a_token_of_mailgun_counts_once_for_all_routes_of_an_account(
    house: House, incoming: Incoming, provider: Provider
) -> None:
    [ada] = house.people(1)
    caught = incoming.send()[ada]
    provider.set_up()
    provider.post(signed(bounce(caught, event="delivered")), JSON)
    assert provider.take() == 1
    provider.route = house.route(incoming.server, "spare")
    provider.set_up()
    provider.post(signed(bounce(caught)), JSON)
    assert provider.take() == 1
    assert incoming.suppressed() == set()
    provider.post(signed(bounce(caught), "another"), JSON)
    assert provider.take() == 1
    assert incoming.suppressed() == {f"bounce {ada}"}


def test_a_provider_that_only_tries_the_address_was_not_heard(incoming: Incoming, provider: Provider) -> None:
    """Anybody can make that signature, so it shows neither that the address is right nor the secret."""
    provider.set_up("mailersend", None)
    body = json.dumps({"type": "webhook.test", "message": "", "data": {}}).encode()
    provider.post(body, JSON | {"signature": hmac.new(TEST_SECRET, body, "sha256").hexdigest()})
    assert provider.take() == 1
    assert (provider.state.heard, provider.state.refusal) == (None, "")


def test_while_no_helper_works_deliveries_wait(
    house: House, incoming: Incoming, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    [ada] = house.people(1)
    caught = incoming.send()[ada]
    provider.set_up()
    provider.post(signed(bounce(caught)), JSON)
    with monkeypatch.context() as patched:
        patched.setattr(plugins, "read_deliveries", broken)
        assert provider.take() == 0
    assert provider.state.refusal == ""
    assert provider.take() == 1
    assert incoming.suppressed() == {f"bounce {ada}"}


def broken(*_asked: Any) -> None:
    raise limited_process.TooMuch


def test_after_each_portion_somebody_looks_at_the_time(
    house: House, incoming: Incoming, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A provider may send ten megabytes at once, and what else the worker does waits meanwhile."""
    readers = house.people(3)
    sent = incoming.send()
    provider.set_up()
    for number, reader in enumerate(readers):
        provider.post(signed(bounce(sent[reader], padding="x" * 100_000), str(number)), JSON)
    monkeypatch.setattr(taking, "reading_time", lambda _alone, _beside: partial(next, iter([True]), False))
    assert provider.take() == 1
    assert provider.take() == 1
    assert len(incoming.suppressed()) == 2 and Intake.objects.count() == 1


def test_a_provider_that_knows_the_recipient_alone_is_believed_about_what_its_route_sent(
    house: House, incoming: Incoming, provider: Provider
) -> None:
    ada, boris = house.people(2)
    incoming.send()
    provider.set_up("postmark", None)
    event = {
        "RecordType": "Bounce", "Type": "HardBounce", "ID": 4323372036854775807, "Email": ada, "MessageID": "883953f4",
        "BouncedAt": now().isoformat(), "Details": "550 5.1.1 No such user",
    }  # fmt: skip
    provider.post(json.dumps(event).encode(), JSON)
    early = {**event, "Email": boris, "ID": 2, "BouncedAt": (now() - timedelta(days=2)).isoformat()}
    stranger = {**event, "Email": "stranger@elsewhere.example", "ID": 3}
    for other in (early, stranger):
        provider.post(json.dumps(other).encode(), JSON)
    provider.take(timedelta(minutes=3))
    assert incoming.suppressed() == {f"bounce {ada}"}
    assert provider.state.unmatched == 2


def test_what_is_asked_about_recipients_does_not_grow_with_a_delivery(
    house: House, incoming: Incoming, provider: Provider
) -> None:
    readers = house.people(90)
    incoming.send()
    provider.set_up("mailjet", None)
    asked = []
    for some in (readers[:10], readers[10:]):
        events = [{"event": "blocked", "time": int(now().timestamp()), "email": reader} for reader in some]
        provider.post(json.dumps(events).encode(), JSON)
        with CaptureQueriesContext(connection) as queries:
            provider.take(timedelta(minutes=3))
        asked.append(len(queries))
    assert provider.state.events == 90 and provider.state.unmatched == 0
    assert asked[1] - asked[0] < 10


def test_a_clock_that_is_set_a_year_ahead_makes_no_event_too_old(
    house: House, incoming: Incoming, provider: Provider, set_a_year_ahead: Callable[[], None]
) -> None:
    [ada] = house.people(1)
    incoming.send()
    provider.set_up("postmark", None)
    event = {"RecordType": "Bounce", "Type": "HardBounce", "ID": 1, "Email": ada, "BouncedAt": now().isoformat()}
    provider.post(json.dumps(event).encode(), JSON)
    set_a_year_ahead()
    provider.take(YEAR + timedelta(minutes=3))
    assert incoming.suppressed() == {f"bounce {ada}"} and provider.state.unmatched == 0


def test_a_recipient_to_whom_another_route_wrote_is_nobody(
    house: House, incoming: Incoming, provider: Provider
) -> None:
    [ada] = house.people(1)
    incoming.send()
    other = house.route(incoming.server, "spare")
    provider.route = other
    provider.set_up("postmark", None)
    event = {"RecordType": "Bounce", "Type": "HardBounce", "ID": 1, "Email": ada, "BouncedAt": now().isoformat()}
    provider.post(json.dumps(event).encode(), JSON)
    provider.take(timedelta(minutes=3))
    assert incoming.suppressed() == set() and provider.state.unmatched == 1


def of_postal(recipient: str, message_id: str) -> Delivery:
    """A bounce of a message with this Message-ID."""
    message = {"id": 1, "message_id": message_id.strip("<>"), "to": recipient, "from": "letter@lantern.example"}
    payload = {"status": "HardFail", "output": "550 5.1.1 No such user here", "message": message}
    event = {"event": "MessageDeliveryFailed", "timestamp": now().timestamp(), "payload": payload, "uuid": message_id}
    return delivery("postal", event)


def of_mailgun(recipient: str, message_id: str) -> Delivery:
    event = bounce(Caught("", (recipient,), f"Message-ID: {message_id}".encode(), 1))
    return replace(delivery("mailgun", {}), request=plugins.WebhookRequest(signed(event, message_id), JSON))


@pytest.mark.parametrize(("name", "written_by"), [("mailgun", of_mailgun), ("postal", of_postal)])
def test_whoever_sends_by_the_same_account_is_not_taken_for_us(
    house: House,
    incoming: Incoming,
    provider: Provider,
    name: str,
    written_by: Callable[[str, str], Delivery],
) -> None:
    """These keep the Message-ID, so by it each event is known to be about our message or another's."""
    [ada] = house.people(1)
    caught = incoming.send()[ada]
    theirs, ours = written_by(ada, "<20261201.7@sister.example>"), written_by(ada, message_id(caught))
    provider.set_up(name, theirs.secret.key)
    provider.deliver(theirs)
    assert provider.take() == 1, "nobody waits for the sender to write it down"
    assert incoming.suppressed() == set() and provider.state.unmatched == 1
    provider.deliver(ours)
    assert provider.take() == 1
    assert incoming.suppressed() == {f"bounce {ada}"} and provider.state.unmatched == 1


def test_the_token_of_somebody_else_says_nothing_about_a_recipient(
    house: House, incoming: Incoming, provider: Provider
) -> None:
    ada, boris = house.people(2)
    sent = incoming.send()
    provider.set_up()
    provider.post(signed(bounce(sent[ada], recipient=boris)), JSON)
    provider.take(timedelta(minutes=3))
    assert incoming.suppressed() == set() and provider.state.unmatched == 1


def test_without_its_password_nobody_delivers_for_a_provider_that_signs_nothing(
    house: House, incoming: Incoming, provider: Provider
) -> None:
    [ada] = house.people(1)
    incoming.send()
    provider.set_up("postmark", None)
    event = {"RecordType": "Bounce", "Type": "HardBounce", "ID": 1, "Email": ada, "BouncedAt": now().isoformat()}
    provider.post(json.dumps(event).encode(), JSON | {"authorization": "Basic " + base64.b64encode(b"a:b").decode()})
    provider.take()
    assert incoming.suppressed() == set() and provider.state.refusal == "wrong_signature"


def test_nobody_learns_which_addresses_there_are(provider: Provider) -> None:
    provider.set_up()
    keys = keyring.keys(provider.organization)
    assert keys.link is not None
    path = urlsplit(provider.address).path
    unknown = [
        "/in/" + "a" * 52,
        "/in/x",
        "/in/" + tokens.make(keys.link, "leave", 1, 1),
        "/in/" + tokens.make(keys.link, KIND, 1, 1),
        path,
    ]
    for body in (b"{}", b"x" * MOST_BYTES):
        assert {provider.post(body, JSON, each) for each in unknown} == {200}
    assert {provider.post(b"x" * (MOST_BYTES + 1), JSON, each) for each in unknown} == {413}
    assert {provider.post(b"", {}, each, method) for each in unknown for method in ("GET", "HEAD")} == {200}
    provider.take()
    assert not Intake.objects.exists() and provider.state.refusals == 2


def test_an_address_that_was_replaced_or_removed_takes_nothing_any_more(
    house: House, incoming: Incoming, provider: Provider
) -> None:
    [ada] = house.people(1)
    caught = incoming.send()[ada]
    provider.set_up()
    old = urlsplit(provider.address).path
    provider.set_up("mailjet", None)
    provider.set_up()
    assert urlsplit(provider.address).path != old
    provider.post(signed(bounce(caught)), JSON, old)
    assert provider.take() == 1
    assert incoming.suppressed() == set()
    provider.post(signed(bounce(caught)), JSON)
    route_webhooks.remove_webhook(provider.route, now=now())
    assert provider.take() == 1
    assert incoming.suppressed() == set()
    with pytest.raises(RouteRefused, match="has no webhook"):
        route_webhooks.remove_webhook(provider.route, now=now())


def test_nothing_of_who_delivers_is_kept(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    provider.set_up()
    kept: list[Any] = []
    monkeypatch.setattr(webhooks, "take_up", lambda _organization, some, _at: kept.extend(some) or set())
    traces = {"user-agent": "Xq7Agent", "x-forwarded-for": "203.0.113.9", "referer": "Xq7", "cookie": "a=Xq7"}
    provider.post(b"{}", JSON | traces)
    provider.take()
    [taken] = kept
    assert set(taken.headers) <= HEADERS
    assert "Xq7" not in repr(taken) and "203.0.113.9" not in repr(taken)


def test_ten_thousand_forged_deliveries_have_bounds_and_hold_up_nobody_who_leaves(
    house: House, incoming: Incoming, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    [ada] = house.people(1)
    caught = incoming.send()[ada]
    provider.set_up()
    monkeypatch.setattr(public_webhooks, "SHORT_SLOTS", range(300))
    monkeypatch.setattr(public_webhooks, "LONG_SLOTS", range(300, 303))
    monkeypatch.setattr(public_webhooks, "ONE", (10.0, 1000.0))
    assert flood(provider.app, urlsplit(provider.address).path, 10_000) == {200, 503}
    monkeypatch.setattr(public_webhooks, "purses", form_tokens.RateBudgets())
    assert Intake.objects.filter(kind=KIND).count() <= 303
    big = {provider.post(b"x" * 50_000, JSON) for _ in range(10)}
    assert big == {200, 503} and Intake.objects.filter(kind=KIND).count() <= 303
    leave = next(
        line.partition("/u/")[2][:52]
        for line in caught.content.decode().replace("=\r\n", "").splitlines()
        if line.lower().startswith("list-unsubscribe:")
    )
    assert provider.post(b"List-Unsubscribe=One-Click", {"content-type": FORM}, f"/u/{leave}") == 200
    preferences.take_everything(now())
    assert Subscription.objects.get().status == 2
    while provider.take():
        continue
    assert not Intake.objects.exists() and not SeenWebhook.objects.exists()
    assert provider.state.refusals > 0


FORM = "application/x-www-form-urlencoded"


def test_once_no_slot_was_free_deliveries_are_refused_unsealed_for_a_second(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider.set_up()
    clock, sealed = [1000.0], list[str]()
    drop_in = public_webhooks.envelopes.drop_into_slot

    def counted(*given: Any, **words: Any) -> bool:
        sealed.append(words["body"])
        return drop_in(*given, **words)

    monkeypatch.setattr(public_webhooks.envelopes, "drop_into_slot", counted)
    monkeypatch.setattr(public_webhooks, "purses", form_tokens.RateBudgets(lambda: clock[0]))
    monkeypatch.setattr(public_webhooks, "SHORT_SLOTS", range(1))
    assert [provider.post(b"{}", JSON) for _delivery in range(4)] == [200, 503, 503, 503]
    assert provider.post(b"x" * 50_000, JSON) == 200, "long ones have slots of their own"
    assert len(sealed) == 3
    while provider.take():
        continue
    assert provider.post(b"{}", JSON) == 503
    clock[0] += 1.0
    assert provider.post(b"{}", JSON) == 200


def flood(app: Any, path: str, count: int) -> set[int]:
    """So many forged deliveries, each with a body of its own; how they were answered."""
    headers = {"host": HOST, "content-type": "application/json"}

    async def all_of_them() -> set[int]:
        return {await answered(app, "POST", path, b'{"forged": %d}' % number, headers) for number in range(count)}

    return asyncio.run(all_of_them())


def test_what_comes_before_the_sender_wrote_it_down_waits_a_moment(
    house: House, incoming: Incoming, provider: Provider
) -> None:
    from samizdat.delivery.models import Delivery as Sent

    [ada] = house.people(1)
    incoming.send()
    row = Sent.objects.get()
    Sent.objects.all().delete()
    provider.set_up("postmark", None)
    event = {"RecordType": "Bounce", "Type": "HardBounce", "ID": 1, "Email": ada, "BouncedAt": now().isoformat()}
    provider.post(json.dumps(event).encode(), JSON)
    assert provider.take() == 0
    row.save(force_insert=True)
    assert provider.take() == 1
    assert incoming.suppressed() == {f"bounce {ada}"}


# -- Amazon ------------------------------------------------------------------------------------------------------------


def ses(caught: Caught, **more: Any) -> Delivery:
    inner = {
        "notificationType": "Bounce",
        "bounce": {
            "bounceType": "Permanent", "bounceSubType": "General", "timestamp": now().isoformat(), "feedbackId": "f1",
            "bouncedRecipients": [{"emailAddress": caught.recipient, "status": "5.1.1"}],
        },
        "mail": {"messageId": "010001", "source": caught.sender, "timestamp": now().isoformat()},
    }  # fmt: skip
    outer = {"Type": "Notification", "MessageId": "m1", "Timestamp": now().isoformat(), "Message": json.dumps(inner)}
    return by_sns(hook("amazon_ses"), outer | more)


def bounced_at_amazon(house: House, incoming: Incoming, provider: Provider) -> tuple[str, Delivery]:
    """Who bounced, and what Amazon delivers of it to the route."""
    [ada] = house.people(1)
    sent = ses(incoming.send()[ada])
    provider.set_up("amazon_ses", sent.secret.key)
    return ada, sent


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """What is at the provider; asked at once, in this thread."""
    there: dict[str, bytes] = {}
    asked_for = WebhookFetches(lambda work: work(), lambda url: there.get(url))
    monkeypatch.setattr(webhooks, "fetches", asked_for)
    return there


PEM = "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-1.pem"


def test_a_bounce_at_amazon_is_believed_by_the_certificate_that_lies_there(
    house: House, incoming: Incoming, provider: Provider, fetched: dict[str, bytes]
) -> None:
    ada, sent = bounced_at_amazon(house, incoming, provider)
    fetched[PEM] = b""
    provider.deliver(sent)
    provider.take()
    assert provider.state.refusal == "bad_certificate"
    fetched[PEM] = sent.secret.certificate.encode()
    webhooks.fetches._fetched.clear()
    provider.deliver(sent)
    provider.take()
    assert incoming.suppressed() == {f"bounce {ada}"}


def test_while_no_name_is_found_a_bounce_waits_for_its_certificate(
    house: House, incoming: Incoming, provider: Provider, fetched: dict[str, bytes]
) -> None:
    """Amazon was told that it came in, and sends it no second time."""
    ada, sent = bounced_at_amazon(house, incoming, provider)
    provider.deliver(sent)
    assert provider.take() == provider.take(timedelta(hours=2)) == 0
    assert (provider.state.refusal, provider.state.refusals) == ("not_fetched", 0)
    fetched[PEM] = sent.secret.certificate.encode()
    webhooks.fetches._fetched.clear()
    assert provider.take(timedelta(hours=3)) == 1
    assert incoming.suppressed() == {f"bounce {ada}"}
    assert provider.state.events == 1 and not provider.state.is_refused


def test_a_subscription_that_has_ended_is_said(
    incoming: Incoming, provider: Provider, fetched: dict[str, bytes]
) -> None:
    outer = {
        "Type": "UnsubscribeConfirmation", "MessageId": "m1", "Timestamp": now().isoformat(), "Token": "2336",
        "Message": "You have chosen to deactivate", "SubscribeURL": "https://sns.us-east-1.amazonaws.com/?Token=2336",
    }  # fmt: skip
    sent = by_sns(hook("amazon_ses"), outer)
    fetched[PEM] = sent.secret.certificate.encode()
    provider.set_up("amazon_ses", sent.secret.key)
    provider.deliver(sent)
    assert provider.take() == 1
    assert (provider.state.refusal, provider.state.heard) == ("ended", None)


def test_a_delivery_waits_for_its_certificate_and_not_for_ever(
    house: House, incoming: Incoming, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, sent = bounced_at_amazon(house, incoming, provider)
    work: list[Any] = []
    monkeypatch.setattr(webhooks, "fetches", WebhookFetches(work.append, lambda _url: sent.secret.certificate.encode()))
    provider.deliver(sent)
    assert taking.take(now()) == 0
    work[0]()
    inbox.waits.clear()
    assert taking.take(now()) == 1 and incoming.suppressed() == {f"bounce {ada}"}
    monkeypatch.setattr(webhooks, "fetches", WebhookFetches(work.append, lambda _url: None))
    provider.deliver(sent)
    assert taking.take(now()) == 0
    inbox.waits.clear()
    assert taking.take(now() + timedelta(hours=23)) == 0
    inbox.waits.clear()
    assert taking.take(now() + timedelta(hours=25)) == 1
    assert (provider.state.refusal, provider.state.refusals) == ("too_late", 1)


@pytest.mark.parametrize(
    ("url", "is_opened"),
    [
        ("https://sns.us-east-1.amazonaws.com/?Action=ConfirmSubscription&Token=2336", True),
        ("https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&Token=2336", False),
        ("https://sns.us-east-1.amazonaws.com.elsewhere.example/?Token=2336", False),
        ("http://sns.us-east-1.amazonaws.com/?Token=2336", False),
        ("https://169.254.169.254/latest/meta-data", False),
    ],
)
def test_a_subscription_is_confirmed_at_amazon_in_the_region_of_the_topic_alone(
    incoming: Incoming, provider: Provider, monkeypatch: pytest.MonkeyPatch, url: str, is_opened: bool
) -> None:
    outer = {
        "Type": "SubscriptionConfirmation", "MessageId": "m1", "Timestamp": now().isoformat(), "Token": "2336",
        "Message": "You have chosen to subscribe", "SubscribeURL": url,
    }  # fmt: skip
    sent = by_sns(hook("amazon_ses"), outer)
    provider.set_up("amazon_ses", sent.secret.key)
    opened: list[str] = []

    def at(url: str) -> bytes:
        opened.append(url)
        return sent.secret.certificate.encode()

    monkeypatch.setattr(webhooks, "fetches", WebhookFetches(lambda work: work(), at))
    provider.deliver(sent)
    assert provider.take() == 1
    assert (url in opened) == is_opened and provider.state.refusal == ""


def test_nothing_is_fetched_for_another_topic(
    incoming: Incoming, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = by_sns(hook("amazon_ses"), {"Type": "Notification", "MessageId": "1", "Message": "{}"})
    provider.set_up("amazon_ses", sent.secret.key + "2")
    opened: list[str] = []
    monkeypatch.setattr(webhooks, "fetches", WebhookFetches(lambda work: work(), opened.append))
    provider.deliver(sent)
    assert provider.take() == 1 and opened == [] and provider.state.refusal == "other_topic"


# -- every dialect -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("folder", ["", "/letters"])
def test_the_address_is_signed_as_it_was_pasted(
    house: House, incoming: Incoming, provider: Provider, folder: str
) -> None:
    """Whoever forwards to the public pages may take a folder away."""
    [ada] = house.people(1)
    incoming.send()
    change_settings(house.organization, by=None, now=now(), public_url=f"https://{HOST}{folder}")
    provider.set_up("mandrill")
    assert provider.address.startswith(f"https://{HOST}{folder}/in/")
    event = {"event": "hard_bounce", "_id": "a", "ts": int(now().timestamp()), "msg": {"email": ada, "_id": "a"}}
    events = json.dumps([event])
    digest = hmac.new(KEY.encode(), f"{provider.address}mandrill_events{events}".encode(), "sha1").digest()
    headers = {"content-type": FORM, "x-mandrill-signature": base64.b64encode(digest).decode()}
    path = urlsplit(provider.address).path.removeprefix(folder)
    provider.post(urlencode({"mandrill_events": events}).encode(), headers, path)
    provider.take(timedelta(minutes=3))
    assert incoming.suppressed() == {f"bounce {ada}"}


@pytest.mark.parametrize("name", sorted(plugins.webhooks()))
def test_the_public_pages_keep_all_that_a_dialect_needs(name: str) -> None:
    for case in cases(name):
        sent = delivery(name, document(name, case["payload"]))
        kept = {header: value for header, value in sent.request.headers.items() if header in HEADERS}
        replace(sent, request=replace(sent.request, headers=kept)).verify()
