"""Amazon's interface: what is sent, how it is signed, and what its answers mean."""

# ruff: noqa: E501  (tables are read one row a line)

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from samizdat import plugins
from samizdat.core.crypto.aws_signature import authorization
from samizdat.core.mail.outcome import Deferred, Refused
from samizdat.plugins import read_url
from samizdat.transports.providers.amazon_ses import AmazonSesTransport
from samizdat.transports.webhooks import WebhookRequest
from tests.http_server import RESET, SES, Reply, ScriptedApi
from tests.transports.contract import SECRET, ses_error
from tests.transports.desk import carry, letter, probe, standing

TOKEN = "a" * 52
CONTENT = f"From: News <news@lantern.example>\r\nTo: ada@north.example\r\nMessage-ID: <{TOKEN}@lantern.example>\r\nSubject: x\r\n\r\n.dot\r\n".encode()
ADA = letter("ada@north.example", content=CONTENT)


@pytest.fixture
def api() -> Iterator[ScriptedApi]:
    with ScriptedApi(dialect=SES) as api:
        yield api


def url_of(api: ScriptedApi, more: str = "") -> str:
    return f"ses-api://AKIDEXAMPLE:{SECRET}@eu-central-1?endpoint={api.endpoint}{more}"


def test_a_message_goes_as_it_is_with_its_token_and_its_return_address(api: ScriptedApi) -> None:
    desk, _ = carry(url_of(api, "&configuration_set=news"), [ADA])
    assert desk.accepted == [ADA.recipient]
    [sent] = api.letters
    assert (sent.path, sent.content) == ("/v2/email/outbound-emails", CONTENT)
    del sent.fields["Content"]
    assert sent.fields == {
        "Destination": {"ToAddresses": ["ada@north.example"]},
        "FeedbackForwardingEmailAddress": "news@lantern.example",
        "ConfigurationSetName": "news",
        "EmailTags": [{"Name": "samizdat", "Value": TOKEN}],
    }


def test_a_message_without_a_token_and_a_route_without_a_configuration_set_name_none(api: ScriptedApi) -> None:
    carry(url_of(api), [letter("ada@north.example")])
    assert {"EmailTags", "ConfigurationSetName"}.isdisjoint(api.letters[0].fields)


def test_each_request_is_signed_over_all_that_is_sent(api: ScriptedApi) -> None:
    carry(url_of(api), [ADA])
    [sent] = api.letters
    body = json.dumps(sent.fields, separators=(",", ":")).encode()
    headers = {"Host": sent.headers["host"], "X-Amz-Date": sent.headers["x-amz-date"]}
    keys = {"access_key": "AKIDEXAMPLE", "secret_key": SECRET, "region": "eu-central-1", "service": "ses"}
    assert sent.authorization == authorization("POST", sent.path, headers, body, **keys)
    sent_at = datetime.strptime(sent.headers["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    assert abs((datetime.now(UTC) - sent_at).total_seconds()) < 60
    assert SECRET not in str(sent.headers)


def test_the_region_says_where_it_goes() -> None:
    transport = AmazonSesTransport(read_url("main", "ses-api://AK:KEY@us-gov-west-1"))
    assert transport.place.name == "email.us-gov-west-1.amazonaws.com"


ANSWERS: list[Any] = [
    (ses_error("MessageRejected", "Email address is not verified. The following identities failed the check in region EU-CENTRAL-1: news@lantern.example"), Deferred, "config", "config", "sender"),
    (ses_error("MailFromDomainNotVerifiedException", ""), Deferred, "config", "config", "sender"),
    (ses_error("SendingPausedException", "Sending is paused."), Deferred, "route", "dead", "paused"),
    (ses_error("AccountSuspendedException", ""), Deferred, "route", "dead", "suspended"),
    (ses_error("TooManyRequestsException", "Maximum sending rate exceeded.", 429), Deferred, "throttle", "throttled", "rate"),
    (ses_error("TooManyRequestsException", "Daily message quota exceeded.", 429), Deferred, "throttle", "throttled", "quota"),
    (ses_error("LimitExceededException", "", 400), Deferred, "throttle", "throttled", "quota"),
    (ses_error("UnrecognizedClientException", "The security token included in the request is invalid.", 403), Deferred, "route", "dead", "key"),
    (ses_error("InvalidSignatureException", "Signature expired: 20261201T020000Z is now earlier than 20261201T030000Z", 403), Deferred, "route", "dead", "key"),
    (ses_error("AccessDeniedException", "User: arn:aws:iam::123456789012:user/news is not authorized to perform: ses:SendEmail", 403), Deferred, "route", "dead", "not_authorised"),
    (ses_error("NotFoundException", "Configuration set <news> does not exist.", 404), Deferred, "route", "dead", "no_such_stream"),
    (ses_error("BadRequestException", "Missing final '@domain'"), Refused, "recipient", "ok", "ok"),
    (ses_error("BadRequestException", "Domain contains illegal character"), Refused, "recipient", "ok", "ok"),
    (ses_error("MessageRejected", "Nested group"), Refused, "message", "ok", "ok"),
    (ses_error("BadRequestException", "Message length is more than 41943040 bytes long: '50000000'."), Refused, "message", "ok", "ok"),
    (ses_error("InternalServiceErrorException", "", 500), Deferred, "throttle", "throttled", "busy"),
    (Reply(503, b""), Deferred, "throttle", "throttled", "busy"),
    (Reply(307, b"", {"Location": "https://elsewhere.example/"}), Deferred, "route", "throttled", "bad_answer"),
]  # fmt: skip


@pytest.mark.parametrize(("reply", "kind", "scope", "state", "reason"), ANSWERS)
def test_an_answer_means(api: ScriptedApi, reply: Reply, kind: type, scope: str, state: str, reason: str) -> None:
    api.on(reply)
    desk, verdict = carry(url_of(api), [ADA])
    outcome = desk.told[ADA.recipient]
    assert type(outcome) is kind
    assert (getattr(outcome, "scope", ""), verdict.state, verdict.reason) == (scope, state, reason)
    assert SECRET not in verdict.sentence and "ada@" not in verdict.sentence


def test_a_message_that_is_too_large_is_told_so(api: ScriptedApi) -> None:
    api.on(ses_error("BadRequestException", "Message length is more than 41943040 bytes long: '50000000'."))
    told = carry(url_of(api), [ADA])[0].told[ADA.recipient]
    assert isinstance(told, Refused) and told.answer == "size"


@pytest.mark.parametrize(
    ("reply", "means"),
    [
        (ses_error("BadRequestException", "1 validation error detected"), ("ok", "ok")),
        (ses_error("UnrecognizedClientException", "", 403), ("dead", "key")),
        (ses_error("SendingPausedException", ""), ("dead", "paused")),
        (ses_error("TooManyRequestsException", "", 429), ("throttled", "rate")),
    ],
)
def test_a_probe_asks_with_a_message_to_nobody(api: ScriptedApi, reply: Reply, means: tuple[str, str]) -> None:
    api.on(reply, "")
    verdict = probe(url_of(api))
    assert (verdict.state, verdict.reason) == means
    assert not api.letters


@pytest.mark.parametrize(
    ("answer", "means"),
    [
        (Reply(200, {"SendingEnabled": True, "EnforcementStatus": "PROBATION"}), ("ok", "ok")),
        (Reply(200, {"SendingEnabled": False, "EnforcementStatus": "SHUTDOWN"}), ("dead", "suspended")),
        (Reply(200, {"SendingEnabled": False, "EnforcementStatus": "HEALTHY"}), ("dead", "paused")),
        (ses_error("AccessDeniedException", "", 403), None),
        (Reply(200, {"SendingEnabled": "no"}), None),
        (Reply(200, []), None),
        (RESET, None),
    ],
)
def test_only_a_clear_word_about_the_account_is_a_verdict(api: ScriptedApi, answer: Any, means: Any) -> None:
    api.states.append(answer)
    verdict = standing(url_of(api))
    assert (verdict and (verdict.state, verdict.reason)) == means
    assert api.asked == ["/v2/email/account"]


def test_an_event_gives_the_token_back() -> None:
    tags = {"samizdat": [TOKEN], "ses:configuration-set": ["news"], "ses:source-ip": ["192.0.2.7"]}
    bounce = {"bounceType": "Permanent", "bouncedRecipients": [{"emailAddress": "ada@north.example"}]}
    event = {"eventType": "Bounce", "bounce": bounce, "mail": {"messageId": "1", "tags": tags}}
    [read] = plugins.webhooks()["amazon_ses"].events(WebhookRequest(json.dumps(event).encode()))
    assert read.metadata == {"samizdat": TOKEN}
