"""Webhooks of an organization: types, signatures and the schedule, by the Standard Webhooks specification."""

import base64
import json
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network

import pytest

from samizdat.core import event_webhooks
from samizdat.core.event_webhooks import BadEndpointUrl, EndpointUrl
from samizdat.events.kinds import SENTENCES

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
INSIDE = (ip_network("127.0.0.0/8"),)


def test_the_signature_is_the_one_that_the_specification_s_own_libraries_make() -> None:
    """Secret, message and signature of test_sign_function in their library for Python."""
    signature = event_webhooks.signature(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1614265330,
        b'{"test": 2432232314}',
    )
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_secret_that_was_replaced_signs_as_well() -> None:
    secrets = [event_webhooks.new_secret(bytes([number]) * 32) for number in (1, 2)]
    assert len(base64.b64decode(secrets[0].removeprefix("whsec_"))) == 32
    headers = event_webhooks.headers(secrets, "msg_1", NOW, b"{}")
    assert headers["webhook-timestamp"] == str(int(NOW.timestamp()))
    each = [event_webhooks.signature(secret, "msg_1", int(NOW.timestamp()), b"{}") for secret in secrets]
    assert headers["webhook-signature"].split(" ") == each and each[0] != each[1]


def test_the_number_of_a_message_is_always_the_same_and_has_no_full_stop() -> None:
    message = event_webhooks.message_id(b"uid", 1, 23)
    assert message == event_webhooks.message_id(b"uid", 1, 23)
    others = {event_webhooks.message_id(*other) for other in ((b"uid", 12, 3), (b"uid", 1, 24), (b"diu", 1, 23))}
    assert message.startswith("msg_") and "." not in message and message not in others and len(others) == 3


def test_the_body_has_type_timestamp_and_data() -> None:
    body = event_webhooks.body("subscriber.added", NOW, {"number": 7})
    assert json.loads(body) == {"type": "subscriber.added", "timestamp": "2026-06-01T12:00:00Z", "data": {"number": 7}}
    assert b" " not in body


@pytest.mark.parametrize(
    ("kind", "detail", "type"),
    [
        ("subscriber.left", {"list": 3}, "subscriber.unsubscribed"),
        ("subscriber.left", {"list": 3, "purpose": "fundraising"}, "subscriber.updated"),
        ("subscriber.suppressed", {"reason": "bounce"}, "subscriber.bounced"),
        ("subscriber.suppressed", {"reason": "complaint"}, "subscriber.complained"),
        ("subscriber.suppressed", {"reason": "manual"}, "subscriber.suppressed"),
        ("campaign.finished", {}, "campaign.sent"),
        ("subscriber.opened", {}, ""),  # By a teammate.
        ("subscriber.fundraising_agreed", {}, ""),
        ("person.invited", {}, ""),
    ],
)
def test_events_of_the_log_have_a_type(kind: str, detail: dict[str, object], type: str) -> None:
    assert event_webhooks.event_type(kind, detail) == type
    assert not type or kind in event_webhooks.kinds_of([type])


def test_all_that_can_be_chosen_comes_from_the_log_and_nothing_else() -> None:
    assert event_webhooks.TYPES.keys() <= SENTENCES.keys()
    assert {*event_webhooks.TYPES.values(), *event_webhooks.REASONS.values()} == {*event_webhooks.EVENTS}
    assert all(event_webhooks.kinds_of([event]) for event in event_webhooks.EVENTS)
    assert not any("click" in kind or "opened" in kind for kind in event_webhooks.TYPES)


def test_an_event_names_lists() -> None:
    cases = (({"list": 3}, (3,)), ({"lists": [3, 4]}, (3, 4)), ({}, ()), ({"list": "3"}, ()), ({"list": True}, ()))
    for detail, lists in cases:
        assert event_webhooks.lists_of(detail) == lists


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("https://lantern.example/hooks/new", EndpointUrl("lantern.example", 443, "/hooks/new", True)),
        ("https://lantern.example", EndpointUrl("lantern.example", 443, "/", True)),
        ("https://lantern.example:8443/a?b=c d"[:-2], EndpointUrl("lantern.example", 8443, "/a?b=c", True)),
        ("https://почта.example/я", EndpointUrl("xn--80a1acny.example", 443, "/%D1%8F", True)),
        ("http://127.0.0.1:8080/x", EndpointUrl("127.0.0.1", 8080, "/x", False)),
    ],
)
def test_an_address_is_taken_apart(url: str, parts: EndpointUrl) -> None:
    assert event_webhooks.read_url(url, INSIDE) == parts


@pytest.mark.parametrize(
    "url",
    [
        "", "lantern.example", "http://lantern.example/", "ftp://lantern.example/", "https://", "https:///x",
        "https://vera:pw@lantern.example/", "https://lantern.example/#x", "https://lantern.example/a b",
        "https://lantern.example/\r\nX: y", "https://lantern.example:0/", "https://lantern.example:99999/",
        "https://[::1/", "javascript:alert(1)", "https://" + "a" * 1000, "https://lantern..example/",
        "http://localhost/", "http://10.0.0.1/",
    ],
)  # fmt: skip
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(BadEndpointUrl):
        event_webhooks.read_url(url, INSIDE)


def test_this_machine_is_reached_without_encryption_only_where_that_is_allowed() -> None:
    with pytest.raises(BadEndpointUrl):
        event_webhooks.read_url("http://127.0.0.1/")


def test_waits_grow_for_three_days_and_then_it_is_given_up() -> None:
    at, hours = NOW, []
    for tries in range(1, event_webhooks.TRIES):
        after = event_webhooks.next_try(tries, at, 0.0)
        assert after is not None
        assert after <= (event_webhooks.next_try(tries, at, 1.0) or NOW) <= at + (after - at) * 1.1
        at = after
        hours.append((at - NOW).total_seconds() / 3600)
    assert hours == sorted(hours) and at - NOW == timedelta(hours=75, minutes=35, seconds=5)
    assert event_webhooks.next_try(event_webhooks.TRIES, at, 0.0) is None


def test_an_endpoint_that_asks_to_wait_is_left_alone() -> None:
    asked = event_webhooks.retry_after(" 3600 ")
    assert event_webhooks.next_try(1, NOW, 0.0, asked) == NOW + timedelta(hours=1)
    assert event_webhooks.pause(1, NOW) == NOW + timedelta(seconds=5)
    assert event_webhooks.pause(1, NOW, asked) == NOW + timedelta(hours=1)
    assert event_webhooks.pause(99, NOW) == NOW + timedelta(hours=1)
    assert event_webhooks.next_try(1, NOW, 0.0, event_webhooks.retry_after("999999")) == NOW + timedelta(days=1)
    for nonsense in ("", "-5", "soon", "Wed, 21 Oct 2026 07:28:00 GMT", "9" * 20, "²"):
        assert event_webhooks.retry_after(nonsense) == timedelta(0)
