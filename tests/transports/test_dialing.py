"""A route of an admin leads to public addresses, and to the very ones that its name had when it was looked at."""

import asyncio
import socket
from dataclasses import replace
from typing import Any

import pytest

from samizdat.core import private_networks
from samizdat.plugins import read_url
from samizdat.transports.providers.mailgun import MailgunTransport as Mailgun
from samizdat.transports.providers.smtp import SmtpTransport
from tests.http_server import ScriptedApi
from tests.smtp_server import ScriptedServer


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Any:
    """What a name leads to, one answer after the other; and how often it was asked for."""
    asked: list[str] = []
    answers: list[list[str]] = []

    async def getaddrinfo(_loop: Any, host: str, port: int, **_more: Any) -> Any:
        asked.append(host)
        found = answers[min(len(asked), len(answers)) - 1]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in found]

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", getaddrinfo)
    return asked, answers


def probed(url: str, allowed: str) -> Any:
    settings = replace(read_url("relay", url), inside=private_networks.networks(allowed))
    return asyncio.run(SmtpTransport(settings).probe())


def test_a_route_of_an_admin_reaches_nothing_inside() -> None:
    with ScriptedServer() as server:
        verdict = probed(server.url, "")
        assert (verdict.state, verdict.reason) == ("dead", "inside")
        assert "inside this server" in verdict.sentence and server.connected == 0
        assert probed(server.url, "127.0.0.1").state == "ok"


@pytest.mark.parametrize("leads_to", [["127.0.0.1"], ["93.184.216.34", "127.0.0.1"], ["169.254.169.254"]])
def test_a_name_that_leads_inside_is_none(names: Any, leads_to: list[str]) -> None:
    names[1].append(leads_to)
    with ScriptedServer() as server:
        verdict = probed(server.url.replace("127.0.0.1", "relay.example"), "")
        assert verdict.reason == "inside" and server.connected == 0


def test_a_name_server_that_says_something_else_the_second_time_changes_nothing(names: Any) -> None:
    asked, answers = names
    answers += [["127.0.0.1"], ["10.0.0.1"]]
    with ScriptedServer() as server:
        assert probed(server.url.replace("127.0.0.1", "relay.example"), "127.0.0.1").state == "ok"
        assert server.connected == 1
    assert asked == ["relay.example"]


def test_the_next_address_of_a_name_is_tried(names: Any) -> None:
    names[1].append(["127.0.0.2", "127.0.0.1"])
    with ScriptedServer() as server:
        assert probed(server.url.replace("127.0.0.1", "relay.example"), "127.0.0.0/8").state == "ok"


def test_an_interface_of_a_provider_is_no_way_inside_either() -> None:
    with ScriptedApi() as api:
        settings = read_url("gun", f"mailgun://key@lantern.example?endpoint={api.endpoint}")
        verdict = asyncio.run(Mailgun(replace(settings, inside=())).probe())
        assert verdict.reason == "inside"
