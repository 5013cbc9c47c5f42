"""Mail servers that take no passwords: where access tokens come from, how they are shown, and what a no means."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from samizdat import plugins
from samizdat.plugins import read_url
from samizdat.transports import oauth
from samizdat.transports.base import BadRoute, RouteDown
from tests.smtp_server import Certificates, ScriptedServer
from tests.token_server import TokenServer
from tests.transports.desk import carry, letters, probe

SECRET, REFRESH = "s3cr3t-of-the-application", "1//refresh-token"
USER = "news@lantern.example"


@pytest.fixture(autouse=True)
def nothing_kept() -> None:
    oauth._kept.clear()
    oauth._newer.clear()


@pytest.fixture
def tokens() -> Iterator[TokenServer]:
    with TokenServer() as tokens:
        yield tokens


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path)


@pytest.fixture
def server(certificates: Certificates) -> Iterator[ScriptedServer]:
    certificate = certificates.issued("localhost")
    users = {"news@lantern.example": "token-1"}
    with ScriptedServer(
        users=users, mechanisms=("XOAUTH2", "LOGIN"), tls="starttls", certificate=certificate
    ) as server:
        yield server
        assert server.violations == []


def url_of(server: ScriptedServer, tokens: TokenServer, ca: Path) -> str:
    options = {"ca": ca, "client": "app", "token_url": tokens.url}
    return server.url_for("smtp+oauth", host="localhost", user="news@lantern.example", password=SECRET, **options)


def token(tokens: TokenServer, secret: str = SECRET, **options: str) -> str:
    options = {"client": "app", "token_url": tokens.url} | options
    return plugins.access_token("mail.lantern.example", options, secret, USER, None)


def fault(tokens: TokenServer) -> Any:
    with pytest.raises(RouteDown) as down:
        token(tokens)
    assert SECRET not in str(down.value) and REFRESH not in str(down.value)
    return down.value.verdict


def test_messages_go_with_an_access_token_that_is_fetched_once(
    server: ScriptedServer, tokens: TokenServer, certificates: Certificates
) -> None:
    url = url_of(server, tokens, certificates.ca)
    desk, verdict = carry(url, letters(20), connections=3)
    assert verdict.state == "ok" and len(desk.accepted) == 20
    assert probe(url).state == "ok"
    assert len(tokens.asked) == 1
    assert {caught.user for caught in server.messages} == {"news@lantern.example"}
    assert all(SECRET not in line for line in server.commands)


def test_a_token_that_the_mail_server_refuses_is_replaced_by_a_new_one_at_the_next_try(
    server: ScriptedServer, tokens: TokenServer, certificates: Certificates
) -> None:
    server.users["news@lantern.example"] = "token-2"
    url = url_of(server, tokens, certificates.ca)
    refused = probe(url)
    assert (refused.state, refused.reason, refused.wait) == ("dead", "login", 600)
    assert probe(url).state == "ok"


def test_a_mail_server_without_xoauth2_gets_no_token(
    server: ScriptedServer, tokens: TokenServer, certificates: Certificates
) -> None:
    server.mechanisms = ("PLAIN", "LOGIN")
    assert probe(url_of(server, tokens, certificates.ca)).reason == "no_xoauth2"
    assert not tokens.asked and not any(line.startswith("AUTH") for line in server.commands)


def test_a_sign_in_that_is_over_condemns_the_route_and_marks_nobody(
    server: ScriptedServer, tokens: TokenServer, certificates: Certificates
) -> None:
    tokens.answers.append((400, {"error": "invalid_grant", "error_description": "Token has been expired or revoked."}))
    desk, verdict = carry(url_of(server, tokens, certificates.ca), letters(3))
    assert (verdict.state, verdict.reason) == ("dead", "sign_in_over")
    assert "Token has been expired or revoked." in verdict.sentence and "127.0.0.1" in verdict.sentence
    assert set(desk.told) == set(desk.deferred)


def test_an_application_signs_in_for_itself_or_with_a_refresh_token(tokens: TokenServer) -> None:
    assert token(tokens) == "token-1"
    assert token(tokens, f"{SECRET} {REFRESH}") == "token-2"
    alone = {"path": "/oauth/token", "client_id": "app", "client_secret": SECRET, "grant_type": "client_credentials"}
    refreshed = alone | {"grant_type": "refresh_token", "refresh_token": REFRESH}
    assert tokens.asked == [alone, refreshed]


def test_a_token_is_fetched_anew_before_it_expires(tokens: TokenServer, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(oauth.time, "monotonic", lambda: now)
    assert token(tokens) == "token-1"
    now += 3600 - oauth.EARLY - 1
    assert token(tokens) == "token-1"
    now += 1
    assert token(tokens) == "token-2"


def test_the_refresh_token_of_an_answer_takes_the_place_of_the_earlier_one(tokens: TokenServer) -> None:
    """RFC 6749, 6: Microsoft gives one with each answer."""
    tokens.rotates, tokens.lasts = True, 1  # Each access token is over at once.
    options = {"client": "app", "token_url": tokens.url}
    oauth_secrets = [f"{SECRET} {REFRESH}", f"{SECRET} refresh-1", f"{SECRET} refresh-2"]
    with forgetful():
        for _ in range(3):
            token(tokens, oauth_secrets[0])
    assert [fields["refresh_token"] for fields in tokens.asked] == [REFRESH, "refresh-1", "refresh-2"]
    for secret in oauth_secrets:
        assert plugins.renewed_secret("mail.lantern.example", options, secret, USER) == f"{SECRET} refresh-3"
    for other in (f"{SECRET} refresh-3", f"{SECRET} typed-anew", f"another {REFRESH}", SECRET):
        assert plugins.renewed_secret("mail.lantern.example", options, other, USER) == ""


def test_a_renewed_secret_does_not_ask_for_another_access_token(tokens: TokenServer) -> None:
    """Otherwise two processes that keep what they were given would renew it for each other without end."""
    tokens.rotates = True
    assert token(tokens, f"{SECRET} {REFRESH}") == token(tokens, f"{SECRET} refresh-1") == "token-1"
    assert token(tokens, f"{SECRET} {REFRESH}", client="other") == "token-2"


@pytest.mark.parametrize("odd", [5, "", "two words", "a\r\nb", "é", "x" * 10_001, REFRESH])
def test_a_refresh_token_that_is_none_changes_nothing(tokens: TokenServer, odd: Any) -> None:
    tokens.answers.append((200, {"access_token": "x", "refresh_token": odd}))
    assert token(tokens, f"{SECRET} {REFRESH}") == "x"
    options = {"client": "app", "token_url": tokens.url}
    assert plugins.renewed_secret("mail.lantern.example", options, f"{SECRET} {REFRESH}", USER) == ""


@contextmanager
def forgetful() -> Iterator[None]:
    """No access token is kept."""
    kept, oauth._kept = oauth._kept, Forgetful()
    yield
    oauth._kept = kept


class Forgetful(dict[Any, Any]):
    def __setitem__(self, key: Any, value: Any) -> None:
        pass


@pytest.mark.parametrize(
    ("host", "options", "secret", "url", "scope"),
    [
        ("smtp.gmail.com", {}, "a b", "https://oauth2.googleapis.com/token", ""),
        ("imap.gmail.com", {}, "a b", "https://oauth2.googleapis.com/token", ""),
        (
            "smtp.office365.com",
            {"tenant": "8b1f-4c"},
            "a",
            "https://login.microsoftonline.com/8b1f-4c/oauth2/v2.0/token",
            "https://outlook.office365.com/.default",
        ),
        (
            "outlook.office365.com",
            {"tenant": "common"},
            "a b",
            "https://login.microsoftonline.com/common/oauth2/v2.0/token",
            "",
        ),
        ("mail.example", {"token_url": "https://login.example/token"}, "a", "https://login.example/token", ""),
    ],
)
def test_the_host_says_whose_sign_in_it_is(
    host: str, options: dict[str, str], secret: str, url: str, scope: str
) -> None:
    client = oauth.read_client(host, {"client": "app", **options}, secret)
    assert (client.token_url, client.scope) == (url, scope)


@pytest.mark.parametrize(
    ("host", "options", "secret", "code"),
    [
        ("smtp.gmail.com", {"client": ""}, "a b", "no_client"),
        ("smtp.gmail.com", {}, "", "no_client_secret"),
        ("smtp.gmail.com", {}, "a", "no_refresh_token"),
        ("smtp.office365.com", {}, "a", "no_tenant"),
        ("smtp.office365.com", {"tenant": "x/../../y"}, "a", "no_tenant"),
        ("smtp.notgmail.com.example", {}, "a b", "bad_token_url"),
        ("evilgmail.com", {}, "a b", "bad_token_url"),
        ("mail.example", {"token_url": "http://login.example/token"}, "a", "bad_token_url"),
        ("mail.example", {"token_url": "https://me:you@login.example/token"}, "a", "bad_token_url"),
        ("mail.example", {"token_url": "https://login.example/token?a=b"}, "a", "bad_token_url"),
        ("mail.example", {"token_url": "https://login.example/to ken"}, "a", "bad_token_url"),
    ],
)
def test_settings_that_cannot_be_are_refused(host: str, options: dict[str, str], secret: str, code: str) -> None:
    with pytest.raises(BadRoute) as bad:
        oauth.read_client(host, {"client": "app", **options}, secret)
    assert bad.value.code == code


@pytest.mark.parametrize(
    ("status", "answer", "means"),
    [
        (400, {"error": "invalid_grant"}, ("dead", "sign_in_over", 600)),
        (
            401,
            {"error": "invalid_client", "error_description": f"AADSTS7000222: {SECRET}"},
            ("dead", "oauth_client", 600),
        ),
        (400, {"error": "unauthorized_client"}, ("dead", "oauth_client", 600)),
        (400, {"error": "something_new"}, ("dead", "oauth_client", 600)),
        (400, {"error": ["invalid_grant"]}, ("dead", "oauth_client", 600)),
        (429, {"error": "temporarily_unavailable"}, ("throttled", "rate", 60)),
        (503, b"", ("throttled", "busy", 60)),
        (302, b"", ("throttled", "bad_answer", 300)),
        (200, b"<html>", ("throttled", "bad_answer", 300)),
        (200, {"access_token": 5}, ("throttled", "bad_answer", 300)),
        (200, {"access_token": "a\r\nb"}, ("throttled", "bad_answer", 300)),
        (200, b"[" * 5000, ("throttled", "bad_answer", 300)),
        (403, b"<html>no</html>", ("dead", "web_page", 600)),
    ],
)
def test_no_token_means(tokens: TokenServer, status: int, answer: Any, means: tuple[str, str, int]) -> None:
    tokens.answers.append((status, answer))
    verdict = fault(tokens)
    assert (verdict.state, verdict.reason, verdict.wait) == means


def test_a_redirect_is_not_followed_with_the_secret(tokens: TokenServer) -> None:
    with TokenServer() as elsewhere:
        tokens.headers = {"Location": elsewhere.url}
        tokens.answers.append((307, b""))
        assert fault(tokens).reason == "bad_answer"
        assert not elsewhere.asked


@pytest.mark.parametrize("lasts", [0, -5, "soon", 10**30, None, True])
def test_a_token_without_a_time_that_makes_sense_is_used_for_a_while(tokens: TokenServer, lasts: Any) -> None:
    tokens.answers.append((200, {"access_token": "x", "expires_in": lasts}))
    assert token(tokens) == "x"


def test_a_token_endpoint_that_nobody_answers_at_is_tried_again() -> None:
    client = oauth.read_client("mail.example", {"client": "app", "token_url": "http://127.0.0.1:1/"}, SECRET)
    with pytest.raises(RouteDown) as down:
        asyncio.run(oauth.access_token(client, None))
    assert (down.value.verdict.state, down.value.verdict.reason) == ("throttled", "no_connection")


def test_a_token_endpoint_inside_the_network_is_not_reached_from_the_app(tokens: TokenServer) -> None:
    client = oauth.read_client("mail.example", {"client": "app", "token_url": tokens.url}, SECRET)
    with pytest.raises(RouteDown) as down:
        asyncio.run(oauth.access_token(client, ()))
    assert down.value.verdict.reason == "inside"
    assert not tokens.asked


def test_the_secret_goes_to_another_sign_in_only_with_the_secret() -> None:
    here = read_url("main", "smtp+oauth://me@mail.example?client=a&token_url=https://login.example/token")
    there = read_url("main", "smtp+oauth://me@mail.example?client=a&token_url=https://login.evil.example/token")
    assert here.leads_to != there.leads_to
