"""Mailgun's interface: what is sent, and what its answers mean. The words are those that people really got."""

# ruff: noqa: E501  (tables are read one row a line)

import asyncio
import base64
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from samizdat.core.mail.outcome import Accepted, Deferred, Refused, Unsure
from samizdat.plugins import read_url
from samizdat.transports.base import Message
from samizdat.transports.http import HttpReply, seconds_asked
from samizdat.transports.providers.mailgun import MailgunTransport
from tests.http_server import HANG_UP, RESET, STALL_EARLY, Reply, ScriptedApi
from tests.smtp_server import Certificates
from tests.transports.contract import SECRET
from tests.transports.desk import Desk, carried, carry, letter, letters, probe, standing

ADA, BORIS, CLARA = (letter(f"{name}@north.example", number) for number, name in enumerate(("ada", "boris", "clara")))
PAGE = b"<!DOCTYPE html><html><title>Your account is suspended</title></html>"


@pytest.fixture
def api() -> Iterator[ScriptedApi]:
    with ScriptedApi() as api:
        yield api


def url_of(api: ScriptedApi) -> str:
    return f"mailgun://{SECRET}@lantern.example?endpoint={api.endpoint}"


def test_a_letter_is_sent_as_it_is_and_nothing_of_it_is_counted_or_rewritten(api: ScriptedApi) -> None:
    content = b"To: ada@north.example\r\nSubject: x\r\n\r\n.dot\r\n--\r\n\r\n"
    carry(url_of(api), [letter("ada@north.example", content=content)])
    [sent] = api.letters
    assert sent.content == content
    assert sent.path == "/v3/lantern.example/messages.mime"
    assert sent.fields == {"o:tracking": "no"}
    assert base64.b64decode(sent.authorization.removeprefix("Basic ")).decode() == f"api:{SECRET}"


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("mailgun://KEY@lantern.example", "api.mailgun.net"),
        ("mailgun://KEY@lantern.example?region=us", "api.mailgun.net"),
        ("mailgun://KEY@lantern.example?region=EU", "api.eu.mailgun.net"),
        ("mailgun://KEY@lantern.example?endpoint=https://relay.example:8443", "relay.example:8443"),
        ("mailgun://KEY@lantern.example?endpoint=http://[::1]:8080", "[::1]:8080"),
    ],
)
def test_where_it_goes(url: str, host: str) -> None:
    place = MailgunTransport(read_url("main", url)).place
    assert place.name == host
    assert (place.context is None) == ("http://" in url)


@pytest.mark.parametrize(
    ("url", "password"),
    [
        ("mailgun://key-a:b@lantern.example", "b"),
        ("mailgun://api:KEY@lantern.example", "KEY"),
        ("mailgun://k%2Fe%40y%25@lantern.example", "k/e@y%"),
        ("mailgun://ключ@lantern.example", "ключ"),
    ],
)
def test_a_key_may_hold_odd_characters_and_is_kept_as_a_password(url: str, password: str) -> None:
    route = read_url("main", url)
    assert (route.user, route.password) == ("", password)
    assert password not in repr(route)
    assert MailgunTransport(route).authorization()["Authorization"]


def test_a_key_beside_the_url_is_taken() -> None:
    assert MailgunTransport(read_url("main", "mailgun://lantern.example", password="KEY")).route.password == "KEY"


def test_connections_are_kept_and_never_more_than_the_route_allows(api: ScriptedApi) -> None:
    api.latency = 0.01
    desk, _ = carry(url_of(api), letters(60), connections=4)
    assert len(desk.accepted) == 60
    assert api.most_open <= 4
    assert api.connected <= 5


# status, body, headers -> kind of outcome and its scope, state of the route, its reason and its wait
ANSWERS: list[tuple[int, Any, dict[str, str], type, str, str, str, int | None]] = [
    (200, {"id": "<1@x>", "message": "Queued. Thank you."}, {}, Accepted, "", "ok", "ok", None),
    (202, {"id": "<1@x>"}, {}, Accepted, "", "ok", "ok", None),
    (401, b"Forbidden", {}, Deferred, "route", "dead", "key", 600),
    (401, {"message": "Invalid private key"}, {}, Deferred, "route", "dead", "key", 600),
    (402, {"message": "Payment Required"}, {}, Deferred, "route", "dead", "credits", None),
    (403, {"message": "Domain lantern.example is not allowed to send: disabled"}, {}, Deferred, "route", "dead", "suspended", None),
    (403, {"message": "Domain lantern.example is not allowed to send: The domain is unverified and requires DNS configuration."}, {}, Deferred, "config", "config", "sender", None),
    (403, {"message": "Domain x.mailgun.org is not allowed to send: Sandbox subdomains are for test purposes only. Please add your own domain or add the address to authorized recipients in Account Settings."}, {}, Deferred, "route", "dead", "plan", None),
    (403, {"error": {"code": 7}}, {}, Deferred, "route", "dead", "not_authorised", None),
    (404, {"message": "Domain not found: lantern.example"}, {}, Deferred, "route", "dead", "no_domain", 600),
    (413, {"message": "too large"}, {}, Refused, "message", "ok", "ok", None),
    (413, b"<html>413 Request Entity Too Large</html>", {}, Refused, "message", "ok", "ok", None),
    (400, {"message": "'to' parameter is not a valid address. please check documentation"}, {}, Refused, "recipient", "ok", "ok", None),
    (400, {"message": "what is this"}, {}, Refused, "message", "ok", "ok", None),
    (420, {"message": "Domain lantern.example is not allowed to send: recipient limit exceeded, try again after Mon, 25 Aug 2025 07:30:00 UTC"}, {"Date": "Mon, 25 Aug 2025 07:00:00 GMT"}, Deferred, "throttle", "throttled", "quota", 1800),
    (429, {"message": "slow down"}, {"Retry-After": "92"}, Deferred, "throttle", "throttled", "rate", 92),
    (429, {"message": "slow down"}, {"Retry-After": "Mon, 25 Aug 2025 07:05:00 GMT", "Date": "Mon, 25 Aug 2025 07:00:00 GMT"}, Deferred, "throttle", "throttled", "rate", 300),
    (429, {"message": "slow down"}, {"Retry-After": "99999999"}, Deferred, "throttle", "throttled", "rate", 86400),
    (429, {"message": "slow down"}, {"Retry-After": "soon"}, Deferred, "throttle", "throttled", "rate", 60),
    (429, {"message": "slow down"}, {"X-RateLimit-Reset": "1756105290", "Date": "Mon, 25 Aug 2025 07:00:00 GMT"}, Deferred, "throttle", "throttled", "rate", 90),
    (429, {"message": "slow down"}, {"X-RateLimit-Reset": "9" * 500, "Date": "Mon, 25 Aug 2025 07:00:00 GMT"}, Deferred, "throttle", "throttled", "rate", 86400),
    (429, {}, {}, Deferred, "throttle", "throttled", "rate", 60),
    (500, {"message": "Internal Server Error"}, {}, Deferred, "throttle", "throttled", "busy", 60),
    (503, b"", {"Retry-After": "10"}, Deferred, "throttle", "throttled", "busy", 10),
    (502, PAGE, {}, Deferred, "throttle", "throttled", "busy", 60),
    (403, PAGE, {}, Deferred, "route", "dead", "web_page", 600),
    (451, PAGE, {}, Deferred, "route", "dead", "web_page", 600),
    (404, PAGE, {}, Deferred, "throttle", "throttled", "web_page", 300),
    (302, b"", {"Location": "https://elsewhere.example/"}, Deferred, "route", "throttled", "bad_answer", 300),
    (699, b"", {}, Deferred, "route", "throttled", "bad_answer", 300),
    # A yes that names no letter: unsure, and the route rests
    (200, PAGE, {}, Unsure, "", "throttled", "web_page", 300),
    (200, {"data": {"messageId": "1"}}, {}, Unsure, "", "throttled", "bad_answer", 300),
    (200, [1, 2], {}, Unsure, "", "throttled", "bad_answer", 300),
    (200, {"id": 5}, {}, Unsure, "", "throttled", "bad_answer", 300),
    (200, b"", {}, Unsure, "", "throttled", "bad_answer", 300),
    (200, b"[" * 10_000, {}, Unsure, "", "throttled", "bad_answer", 300),
    (204, b"", {}, Unsure, "", "throttled", "bad_answer", 300),
]  # fmt: skip


@pytest.mark.parametrize(("status", "body", "headers", "kind", "scope", "state", "reason", "wait"), ANSWERS)
def test_an_answer_means(
    api: ScriptedApi,
    status: int,
    body: Any,
    headers: dict[str, str],
    kind: type,
    scope: str,
    state: str,
    reason: str,
    wait: int | None,
) -> None:
    api.on(Reply(status, body, headers))
    desk, verdict = carry(url_of(api), [ADA])
    outcome = desk.told[ADA.recipient]
    assert type(outcome) is kind
    assert getattr(outcome, "scope", "") == scope
    assert (verdict.state, verdict.reason, verdict.wait) == (state, reason, wait)
    assert SECRET not in verdict.sentence and "ada@" not in verdict.sentence


def test_an_address_in_another_script_that_they_do_not_take_may_go_by_another_route(api: ScriptedApi) -> None:
    message = letter("дмитрий@north.example")
    api.on(Reply(400, {"message": "'to' parameter is not a valid address. please check documentation"}))
    desk, _ = carry(url_of(api), [message])
    told = desk.told[message.recipient]
    assert isinstance(told, Refused)
    assert (told.scope, told.answer) == ("message", "utf8")


def test_an_answer_before_the_end_of_the_letter_counts_and_the_rest_of_it_is_kept(api: ScriptedApi) -> None:
    large = letter(BORIS.recipient, content=b"x" * 70 + b"\r\n" * 10_000_000)
    api.on(Reply(413, {"message": "too large"}, early=True), BORIS.recipient)
    desk, verdict = carry(url_of(api), [ADA, large, CLARA])
    assert verdict.state == "ok"
    told = desk.told[BORIS.recipient]
    assert isinstance(told, Refused | Deferred)
    assert sorted(desk.accepted) == [ADA.recipient, CLARA.recipient]


def test_a_yes_before_the_end_of_the_letter_is_none(api: ScriptedApi) -> None:
    large = letter(BORIS.recipient, content=b"x" * 70 + b"\r\n" * 10_000_000)
    api.on(Reply(200, {"id": "<1@x>"}, early=True), BORIS.recipient)
    desk, _ = carry(url_of(api), [large])
    assert desk.deferred == [BORIS.recipient]


def test_a_server_that_reads_no_more_has_surely_not_taken_the_letter(api: ScriptedApi) -> None:
    large = letter(BORIS.recipient, content=b"x" * 70 + b"\r\n" * 10_000_000)
    api.on(STALL_EARLY, BORIS.recipient)
    desk, verdict = carry(url_of(api), [large], timeout=0.5)
    assert desk.deferred == [BORIS.recipient]
    assert (verdict.state, verdict.reason) == ("throttled", "no_answer")


@pytest.mark.parametrize(
    "cut",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{\"id\": \"<1",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"id\"\r\n",
        b"HTTP/1.1 ",
        b"HTTP/1.1 200 OK\r\n" + b"X-Long: " + b"y" * 200_000,
    ],
    ids=["body", "head", "chunk", "line", "long head"],
)  # fmt: skip
def test_a_yes_that_is_cut_off_is_unsure_and_the_rest_goes_on(api: ScriptedApi, cut: bytes) -> None:
    api.on(cut, BORIS.recipient)
    desk, verdict = carry(url_of(api), [ADA, BORIS, CLARA])
    assert verdict.state == "ok"
    assert desk.unsure == [BORIS.recipient]
    assert len(desk.accepted) == 2


@pytest.mark.parametrize(
    "parts",
    [
        b"HTTP/1.1 100 Continue\r\n\r\n" * 300,
        b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 4000,
        b"HTTP/1.1 400 No\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\n \r\n" * 300,
        b"HTTP/1.1 400 No\r\nContent-Length: 70000\r\n\r\n" + b"\n" * 70_000,
        b"HTTP/1.1 400 No\r\n\r\n" + b"\n" * 70_000,
    ],
    ids=["1xx", "head", "chunks", "body", "until it hangs up"],
)
def test_a_server_that_answers_without_end_is_left_and_its_route_rests(api: ScriptedApi, parts: bytes) -> None:
    api.on(parts, after=1)
    desk, verdict = carry(url_of(api), letters(6), connections=1)
    assert verdict.state == "throttled"
    assert verdict.reason == ("hung_up" if b"a: b" in parts else "endless_answer")
    assert len(desk.accepted) == 1
    assert len(desk.unsure) == (3 if b"a: b" in parts else 1)


def test_a_no_that_is_cut_off_is_a_no(api: ScriptedApi) -> None:
    api.on(b"HTTP/1.1 429 Slow\r\nContent-Length: 500\r\nRetry-After: 5\r\n\r\n{", BORIS.recipient)
    desk, verdict = carry(url_of(api), [BORIS])
    assert (verdict.state, verdict.wait) == ("throttled", 5)
    assert desk.deferred == [BORIS.recipient]


def test_a_connection_that_was_closed_meanwhile_is_replaced_and_nothing_is_lost(api: ScriptedApi) -> None:
    # It closes behind each answer without a word about it, as a server does whose patience is over.
    api.on(b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n{\"id\": \"<1>\"}")  # fmt: skip

    async def go() -> Desk:
        desk = Desk(letters(10))
        real = desk.take

        def one_by_one() -> Message | None:
            nonlocal free
            if not free:
                return None
            free = False
            return real()

        async def more() -> bool:
            nonlocal free
            while len(desk.told) < len(desk.taken) or api.open:
                await asyncio.sleep(0.001)
            free = True
            return bool(desk.waiting)

        free = False
        desk.take, desk.more = one_by_one, more  # type: ignore[method-assign]
        await carried(url_of(api), desk)
        return desk

    desk = asyncio.run(go())
    assert len(desk.accepted) == 10
    assert api.connected == 10
    assert max(Counter(sent.recipient for sent in api.letters).values()) == 1


@pytest.mark.parametrize("how", [HANG_UP, RESET])
def test_a_reset_after_hand_over_is_unsure(api: ScriptedApi, how: Any) -> None:
    api.on(how, BORIS.recipient)
    desk, _ = carry(url_of(api), [ADA, BORIS])
    assert desk.unsure == [BORIS.recipient]


def test_whoever_cannot_prove_to_be_them_gets_no_key(tmp_path: Path) -> None:
    certificate = Certificates(tmp_path).self_signed("localhost")
    with ScriptedApi(certificate.context()) as api:
        desk, verdict = carry(url_of(api), [ADA])
        assert (verdict.state, verdict.reason) == ("dead", "not_them")
        assert desk.deferred == [ADA.recipient]
        assert not api.requests


# Probing


def test_a_probe_asks_with_a_letter_to_nobody(api: ScriptedApi) -> None:
    api.on(Reply(400, {"message": "to parameter is missing"}), "")
    assert probe(url_of(api)).state == "ok"
    assert not api.letters


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (Reply(401, b"Forbidden"), "key"),
        (Reply(403, {"message": "Domain lantern.example is not allowed to send: disabled"}), "suspended"),
        (Reply(404, {"message": "Domain not found: lantern.example"}), "no_domain"),
        (Reply(403, PAGE), "web_page"),
        (Reply(400, PAGE), "web_page"),
    ],
)
def test_a_probe_of_a_bad_route_says_why(api: ScriptedApi, reply: Reply, reason: str) -> None:
    api.on(reply)
    verdict = probe(url_of(api))
    assert verdict.reason == reason
    assert "127.0.0.1" in verdict.sentence


def test_a_moment_is_measured_by_the_clock_of_whoever_names_it() -> None:
    text = "account has been disabled until Tue, 23 Oct 2018 08:42:36 GMT."
    for date, wait in (("Tue, 23 Oct 2018 08:42:00 GMT", 36), ("", None), ("nonsense", None)):
        assert seconds_asked(HttpReply(403, {"date": date}, b"", True), text) == wait


def state(word: Any, status: int = 200) -> Reply:
    return Reply(status, {"domain": {"name": "lantern.example", "state": word}})


@pytest.mark.parametrize(
    ("answer", "means"),
    [
        (state("active"), ("ok", "ok")),
        (state("disabled"), ("dead", "suspended")),
        (state("unverified"), ("config", "sender")),
        # No news: a key that may only send, another version, a page in front, silence.
        (Reply(401, {"message": "Forbidden"}), None),
        (Reply(403, {"message": "Domain lantern.example is not allowed to send: disabled"}), None),
        (Reply(404, {"message": "Domain not found"}), None),
        (state("disabled", 500), None),
        (state("resting"), None),
        (state(None), None),
        (Reply(200, {"domain": ["disabled"]}), None),
        (Reply(200, []), None),
        (Reply(200, PAGE), None),
        (RESET, None),
    ],
)
def test_only_a_clear_word_about_the_domain_is_a_verdict(api: ScriptedApi, answer: Any, means: Any) -> None:
    api.states.append(answer)
    verdict = standing(url_of(api))
    assert (verdict and (verdict.state, verdict.reason)) == means
    assert verdict is None or (SECRET not in verdict.sentence and "127.0.0.1" in verdict.sentence) or means[0] == "ok"
    assert not api.letters and api.asked[0] == "/v4/domains/lantern.example"


def test_an_older_interface_is_asked_in_its_own_way(api: ScriptedApi) -> None:
    api.states += [Reply(404, {"message": "not found"}), state("disabled")]
    verdict = standing(url_of(api))
    assert verdict is not None and verdict.reason == "suspended"
    assert api.asked == ["/v4/domains/lantern.example", "/v3/domains/lantern.example"]
