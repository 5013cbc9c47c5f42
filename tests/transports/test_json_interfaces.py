"""Providers that take texts and pictures and no whole message: what of ours is left, and what their answers mean."""

# ruff: noqa: E501  (tables are read one row a line)

import json
from collections.abc import Iterator
from typing import Any

import pytest

from samizdat import plugins
from samizdat.core.content.compile import InlineImage, compile_letter
from samizdat.core.content.message import make_out
from samizdat.core.mail.outcome import Deferred, Refused, Unsure
from samizdat.transports.base import Message
from samizdat.transports.webhooks import WebhookRequest
from tests.core.test_compile import EDITION_MAKER, NOW, VALUES, content
from tests.http_server import RESET, Reply
from tests.transports.contract import FAKES, SECRET, FakeJsonApi
from tests.transports.desk import carry, letter, probe, standing

NAMES = ("postmark-api", "sendgrid-api", "brevo-api")
TOKEN = "ab" * 26
OURS = VALUES | {"MESSAGE_ID": f"<{TOKEN}@lantern.example>", "FNAME": 'Жанна "Д’Арк"'}
ADA = letter("ada@north.example")
PAGE = b"<!DOCTYPE html><html><title>Your account is suspended</title></html>"


def opened(name: str, tmp_path: Any) -> Iterator[FakeJsonApi]:
    with FAKES[name].open(tmp_path) as fake:
        yield fake


@pytest.fixture(params=NAMES)
def fake(request: pytest.FixtureRequest, tmp_path: Any) -> Iterator[FakeJsonApi]:
    yield from opened(request.param, tmp_path)


@pytest.fixture
def one_of(request: pytest.FixtureRequest, tmp_path: Any) -> Iterator[FakeJsonApi]:
    """The one that the test names."""
    yield from opened(request.param, tmp_path)


def newsletter() -> Message:
    return letter("ada@north.example", content=EDITION_MAKER(OURS))


def with_picture() -> Message:
    url = "https://lantern.example/m/00ff00ff00ff.png"
    image = InlineImage(url, "00ff00ff00ff@lantern.example", "png", b"\x89PNG")
    proof = compile_letter(
        content(body=f"Hello\n\n![River]({url})"), now=NOW, boundary="abcdefgh1234", carries=lambda _urls: [image]
    )
    assert proof.compiled is not None
    return letter("ada@north.example", content=make_out(proof.compiled, OURS))


def sent(fake: FakeJsonApi, message: Message) -> dict[str, Any]:
    desk, verdict = carry(fake.url, [message])
    assert desk.accepted == [message.recipient], (desk.told, verdict)
    [taken] = fake.server.letters
    return taken.fields


def only(name: str) -> Any:
    return pytest.mark.parametrize("one_of", [name], indirect=True)


@only("postmark-api")
def test_postmark_gets_texts_headers_and_token_and_counts_nothing(one_of: FakeJsonApi) -> None:
    fields = sent(one_of, newsletter())
    assert fields["To"] == '"Жанна \\"Д’Арк\\"" <ada@north.example>'
    assert (fields["From"], fields["ReplyTo"]) == ('"Northern Lantern" <news@lantern.example>', "desk@lantern.example")
    assert fields["Subject"] == 'Liebe Жанна "Д’Арк"'
    assert "größere Schäden" in fields["TextBody"] and "größere Schäden" in fields["HtmlBody"]
    assert (fields["MessageStream"], fields["TrackOpens"], fields["TrackLinks"]) == ("broadcast", False, "None")
    assert fields["Metadata"] == {"samizdat": TOKEN}
    headers = {header["Name"]: header["Value"] for header in fields["Headers"]}
    assert headers["List-Unsubscribe"] == f"<{VALUES['UNSUB_URL']}>, <{VALUES['LEAVE_MAILTO']}>"
    assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert (headers["Message-ID"], headers["X-PM-KeepID"]) == (OURS["MESSAGE_ID"], "true")
    assert one_of.server.letters[0].headers["x-postmark-server-token"] == SECRET


@only("sendgrid-api")
def test_sendgrid_gets_texts_headers_and_token_and_counts_nothing(one_of: FakeJsonApi) -> None:
    fields = sent(one_of, newsletter())
    assert fields["personalizations"] == [
        {"to": [{"email": "ada@north.example", "name": 'Жанна "Д’Арк"'}], "custom_args": {"samizdat": TOKEN}}
    ]
    assert fields["from"] == {"email": "news@lantern.example", "name": "Northern Lantern"}
    assert fields["reply_to"] == {"email": "desk@lantern.example"}
    assert [part["type"] for part in fields["content"]] == ["text/plain", "text/html"]
    assert all("größere Schäden" in part["value"] for part in fields["content"])
    assert fields["headers"]["List-Unsubscribe"].startswith(f"<{VALUES['UNSUB_URL']}>")
    assert fields["headers"]["Message-ID"] == OURS["MESSAGE_ID"]
    tracking = fields["tracking_settings"]
    assert tracking.keys() == {"click_tracking", "open_tracking", "subscription_tracking", "ganalytics"}
    assert not any(value for setting in tracking.values() for value in setting.values())
    assert fields["mail_settings"] == {"footer": {"enable": False}}
    # Reserved at SendGrid: a request with any of these is refused.
    reserved = {"received", "dkim-signature", "content-type", "to", "from", "subject", "reply-to", "cc", "bcc"}
    assert reserved.isdisjoint(name.lower() for name in fields["headers"])
    assert one_of.server.letters[0].authorization == f"Bearer {SECRET}"


@only("brevo-api")
def test_brevo_gets_texts_headers_and_token(one_of: FakeJsonApi) -> None:
    fields = sent(one_of, newsletter())
    assert fields["to"] == [{"email": "ada@north.example", "name": 'Жанна "Д’Арк"'}]
    assert fields["sender"] == {"email": "news@lantern.example", "name": "Northern Lantern"}
    assert fields["replyTo"] == {"email": "desk@lantern.example"}
    assert "größere Schäden" in fields["textContent"] and "größere Schäden" in fields["htmlContent"]
    assert json.loads(fields["headers"]["X-Mailin-custom"]) == {"samizdat": TOKEN}
    assert fields["headers"]["List-Unsubscribe"].startswith(f"<{VALUES['UNSUB_URL']}>")
    assert one_of.server.letters[0].headers["api-key"] == SECRET


@only("postmark-api")
def test_postmark_gets_pictures_by_their_content_id(one_of: FakeJsonApi) -> None:
    [picture] = sent(one_of, with_picture())["Attachments"]
    assert picture == {
        "Name": "picture-1.png",
        "Content": "iVBORw==",
        "ContentType": "image/png",
        "ContentID": "cid:00ff00ff00ff@lantern.example",
    }


@only("sendgrid-api")
def test_sendgrid_gets_pictures_by_their_content_id(one_of: FakeJsonApi) -> None:
    [picture] = sent(one_of, with_picture())["attachments"]
    assert picture == {
        "content": "iVBORw==",
        "type": "image/png",
        "filename": "picture-1.png",
        "disposition": "inline",
        "content_id": "00ff00ff00ff@lantern.example",
    }


@only("brevo-api")
def test_a_message_with_pictures_in_it_does_not_go_by_brevo(one_of: FakeJsonApi) -> None:
    desk, verdict = carry(one_of.url, [with_picture()])
    told = desk.told["ada@north.example"]
    assert isinstance(told, Refused) and (told.scope, verdict.state) == ("message", "ok")
    assert not one_of.server.letters


@pytest.mark.parametrize(
    ("name", "event"),
    [
        ("amazon_ses", {"eventType": "Delivery", "delivery": {"recipients": ["ada@north.example"]}, "mail": {"tags": {"samizdat": [TOKEN]}}}),
        ("postmark", {"RecordType": "Delivery", "Recipient": "ada@north.example", "Metadata": {"samizdat": TOKEN}}),
        ("sendgrid", [{"event": "delivered", "email": "ada@north.example", "samizdat": TOKEN}]),
        ("brevo", {"event": "delivered", "email": "ada@north.example", "X-Mailin-custom": json.dumps({"samizdat": TOKEN})}),
    ],
)  # fmt: skip
def test_every_dialect_gives_the_token_back_under_the_same_name(name: str, event: Any) -> None:
    [read] = plugins.webhooks()[name].events(WebhookRequest(json.dumps(event).encode()))
    assert read.metadata == {"samizdat": TOKEN}


def postmark(code: int, message: str, status: int = 422) -> Reply:
    return Reply(status, {"ErrorCode": code, "Message": message})


def sendgrid(status: int, message: str, field: str | None = None) -> Reply:
    return Reply(status, {"errors": [{"message": message, "field": field, "help": None}]})


def brevo(status: int, code: str, message: str) -> Reply:
    return Reply(status, {"code": code, "message": message})


ANSWERS: list[Any] = [
    # Postmark
    ("postmark-api", postmark(10, "Request does not contain a valid Server token.", 401), Deferred, "route", "dead", "login"),
    ("postmark-api", postmark(400, "The 'From' address you supplied is not a Sender Signature on your account."), Deferred, "config", "config", "sender"),
    ("postmark-api", postmark(401, "Sender signature not confirmed."), Deferred, "config", "config", "sender"),
    ("postmark-api", postmark(405, "Not allowed to send."), Deferred, "route", "dead", "credits"),
    ("postmark-api", postmark(412, "While your account is pending approval, all recipient addresses must share the same domain as the 'From' address."), Deferred, "route", "dead", "suspended"),
    ("postmark-api", postmark(406, "You tried to send to a recipient that has been marked as inactive. Found inactive addresses: ada@north.example."), Refused, "recipient", "ok", "ok"),
    ("postmark-api", postmark(300, "Invalid 'To' address: 'ada@north.example'."), Refused, "recipient", "ok", "ok"),
    ("postmark-api", postmark(300, "Invalid 'From' address: 'x'."), Deferred, "config", "config", "sender"),
    ("postmark-api", postmark(300, "Invalid metadata name."), Refused, "message", "ok", "ok"),
    ("postmark-api", postmark(1235, "The 'MessageStream' provided does not exist on this server."), Deferred, "route", "dead", "no_such_stream"),
    ("postmark-api", postmark(100, "Maintenance", 503), Deferred, "throttle", "throttled", "busy"),
    ("postmark-api", Reply(429, {}), Deferred, "throttle", "throttled", "rate"),
    # A no that begins like a yes is none.
    ("postmark-api", postmark(701, "what", 200), Unsure, "", "throttled", "bad_answer"),
    # SendGrid
    ("sendgrid-api", sendgrid(401, "The provided authorization grant is invalid, expired, or revoked"), Deferred, "route", "dead", "login"),
    ("sendgrid-api", sendgrid(401, "Maximum credits exceeded"), Deferred, "throttle", "throttled", "credits"),
    ("sendgrid-api", sendgrid(403, "The from address does not match a verified Sender Identity. Mail cannot be sent until this error is resolved.", "from"), Deferred, "config", "config", "sender"),
    ("sendgrid-api", sendgrid(403, "access forbidden"), Deferred, "route", "dead", "login"),
    ("sendgrid-api", sendgrid(400, "Does not contain a valid address.", "personalizations.0.to.0.email"), Refused, "recipient", "ok", "ok"),
    ("sendgrid-api", sendgrid(400, "The from email does not contain a valid address.", "from.email"), Deferred, "config", "config", "sender"),
    ("sendgrid-api", sendgrid(400, "The subject is required.", "subject"), Refused, "message", "ok", "ok"),
    ("sendgrid-api", sendgrid(413, "Payload too large"), Refused, "message", "ok", "ok"),
    ("sendgrid-api", sendgrid(429, "too many requests"), Deferred, "throttle", "throttled", "rate"),
    ("sendgrid-api", Reply(202, b""), Unsure, "", "throttled", "bad_answer"),
    ("sendgrid-api", Reply(400, {"errors": "no"}), Refused, "message", "ok", "ok"),
    # Brevo
    ("brevo-api", brevo(401, "unauthorized", "Key not found"), Deferred, "route", "dead", "login"),
    ("brevo-api", brevo(401, "unauthorized", "We have detected you are using an unrecognised IP address 192.0.2.7. If you performed this action make sure to add the new IP address"), Deferred, "route", "dead", "not_authorised"),
    ("brevo-api", brevo(402, "not_enough_credits", "Insufficient credits"), Deferred, "route", "dead", "credits"),
    ("brevo-api", brevo(400, "account_under_validation", "Your account is under validation"), Deferred, "route", "dead", "not_authorised"),
    ("brevo-api", brevo(400, "invalid_parameter", "email is not valid in to"), Refused, "recipient", "ok", "ok"),
    ("brevo-api", brevo(400, "invalid_parameter", "Sending has been rejected because the sender you used news@lantern.example is not valid. Validate your sender or authenticate your domain"), Deferred, "config", "config", "sender"),
    ("brevo-api", brevo(400, "missing_parameter", "subject is missing"), Refused, "message", "ok", "ok"),
    ("brevo-api", Reply(429, {"code": "too_many_requests"}), Deferred, "throttle", "throttled", "rate"),
    ("brevo-api", Reply(201, {"messageIds": []}), Unsure, "", "throttled", "bad_answer"),
]  # fmt: skip


@pytest.mark.parametrize(("one_of", "reply", "kind", "scope", "state", "reason"), ANSWERS, indirect=["one_of"])
def test_an_answer_means(one_of: FakeJsonApi, reply: Reply, kind: type, scope: str, state: str, reason: str) -> None:
    one_of.server.on(reply)
    desk, verdict = carry(one_of.url, [ADA])
    outcome = desk.told[ADA.recipient]
    assert type(outcome) is kind
    assert (getattr(outcome, "scope", ""), verdict.state, verdict.reason) == (scope, state, reason)
    assert SECRET not in verdict.sentence and "ada@" not in verdict.sentence + getattr(outcome, "text", "")


@pytest.mark.parametrize(
    ("reply", "means"),
    [
        (Reply(307, b"", {"Location": "https://elsewhere.example/"}), ("throttled", "bad_answer")),
        (Reply(403, PAGE), ("dead", "web_page")),
        (Reply(200, PAGE), ("throttled", "web_page")),
        (Reply(500, b""), ("throttled", "busy")),
    ],
)
def test_what_is_no_answer_of_the_provider_is_no_yes(fake: FakeJsonApi, reply: Reply, means: tuple[str, str]) -> None:
    fake.server.on(reply)
    desk, verdict = carry(fake.url, [ADA])
    assert (verdict.state, verdict.reason) == means and not desk.accepted
    assert fake.server.requests == 1


@pytest.mark.parametrize(
    ("one_of", "state", "means"),
    [
        ("postmark-api", Reply(401, {"ErrorCode": 10, "Message": "no"}), ("dead", "login")),
        ("postmark-api", Reply(404, b""), ("dead", "no_such_stream")),
        ("postmark-api", Reply(200, {"ID": "broadcast", "ArchivedAt": "2026-11-01T00:00:00Z"}), ("dead", "no_such_stream")),
        ("postmark-api", Reply(200, []), ("throttled", "bad_answer")),
        ("sendgrid-api", Reply(200, {"scopes": ["stats.read"]}), ("dead", "not_authorised")),
        ("sendgrid-api", Reply(401, {"errors": [{"message": "authorization required"}]}), ("dead", "key")),
        ("sendgrid-api", Reply(200, {"scopes": 5}), ("throttled", "bad_answer")),
        ("brevo-api", Reply(200, {"relay": {"enabled": False}}), ("dead", "not_authorised")),
        ("brevo-api", Reply(401, {"code": "unauthorized", "message": "Key not found"}), ("dead", "login")),
        ("brevo-api", Reply(200, PAGE), ("throttled", "web_page")),
    ],
    indirect=["one_of"],
)  # fmt: skip
def test_a_probe_of_a_bad_route_says_why_and_sends_nothing(
    one_of: FakeJsonApi, state: Reply, means: tuple[str, str]
) -> None:
    one_of.server.states.append(state)
    verdict = probe(one_of.url)
    assert (verdict.state, verdict.reason) == means
    assert "127.0.0.1" in verdict.sentence and SECRET not in verdict.sentence
    assert not one_of.server.letters


@only("brevo-api")
def test_brevo_says_whether_the_account_may_send(one_of: FakeJsonApi) -> None:
    one_of.server.states += [Reply(200, {"relay": {"enabled": False}}), RESET]
    verdict = standing(one_of.url)
    assert verdict is not None and (verdict.state, verdict.reason) == ("dead", "not_authorised")
    assert standing(one_of.url) is None


def test_a_key_goes_to_the_providers_own_host(fake: FakeJsonApi) -> None:
    url = fake.url.partition("?")[0]
    route = plugins.read_url("main", url)
    place = plugins.transport(route.scheme)(route).place  # type: ignore[attr-defined]
    assert place.name in ("api.postmarkapp.com", "api.sendgrid.com", "api.brevo.com") and place.context is not None
