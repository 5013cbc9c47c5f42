"""Numbers for Prometheus: totals alone, off by default, and for nobody beyond this machine without a token."""

import json
import logging
import re
from collections.abc import Iterator
from http.client import HTTPConnection
from typing import Any

import pytest

from samizdat import logs
from samizdat.audience import actions as audience
from samizdat.core.mail.outcome import RouteVerdict
from samizdat.delivery.actions import add_route, condemn
from samizdat.options import BadOption
from samizdat.worker.processes import metrics
from samizdat.worker.schedule import scheduler
from tests.conftest import NOW

LINE = re.compile(r'samizdat_[a-z_]+(\{[a-z_]+="[^"]*"(,[a-z_]+="[^"]*")*\})? -?[0-9.e+-]+')


@pytest.fixture
def listening(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    monkeypatch.setenv("SAMIZDAT_METRICS", "127.0.0.1:0")
    server = metrics.begin()
    assert server is not None
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


def ask(port: int, path: str = "/metrics", **headers: str) -> tuple[int, str]:
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    try:
        return answer.status, answer.read().decode()
    finally:
        connection.close()


@pytest.mark.django_db(transaction=True)
def test_the_numbers_name_states_and_routes_and_no_reader(thursday: Any, listening: int) -> None:
    audience.add_subscriber(thursday.organization, "ada@example.org", thursday, consent="said so", now=NOW)
    route = add_route(thursday.organization, 'main "road"', "smtp+plain://relay.example:2525", now=NOW)
    condemn(route.pk, RouteVerdict("config", "sender"), NOW, ["pier.test"])
    scheduler.tick(NOW, {"a step": lambda _now: None})
    status, text = ask(listening)
    assert status == 200
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    assert all(LINE.fullmatch(line.replace(r"\"", "'")) for line in lines)
    assert 'samizdat_messages{state="accepted"} 0' in lines
    assert any(line.startswith("samizdat_route_up{") and r'route="main \"road\""' in line for line in lines)
    assert any(line.startswith("samizdat_route_barred{") and 'domain="pier.test"} 1' in line for line in lines)
    assert any(line.startswith('samizdat_step_age_seconds{step="a step"}') for line in lines)
    for word in ("ada", "example", "Thursday", "Lantern"):
        assert word not in text
    named = {line.partition("{")[0].partition(" ")[0] for line in lines}
    assert named == set(re.findall(r"# TYPE (\S+) gauge", text))


def test_every_other_path_is_nothing(listening: int) -> None:
    assert ask(listening, "/")[0] == 404


def test_it_is_off_by_default_and_keeps_strangers_out(monkeypatch: pytest.MonkeyPatch) -> None:
    assert metrics.begin() is None
    monkeypatch.setenv("SAMIZDAT_METRICS", "0.0.0.0:0")
    with pytest.raises(BadOption, match="SAMIZDAT_METRICS_TOKEN"):
        metrics.place()
    assert metrics.begin() is None
    monkeypatch.setenv("SAMIZDAT_METRICS_TOKEN", "a long word")
    assert metrics.place() == ("0.0.0.0", 0)
    monkeypatch.setenv("SAMIZDAT_METRICS", "127.0.0.1:0")
    server = metrics.begin()
    assert server is not None
    try:
        port = server.server_address[1]
        assert ask(port, "/x")[0] == 401
        assert ask(port, "/x", Authorization="Bearer a long word")[0] == 404
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("nonsense", ["here", "127.0.0.1:http", "127.0.0.1:70000"])
def test_nonsense_is_one_sentence(monkeypatch: pytest.MonkeyPatch, nonsense: str) -> None:
    monkeypatch.setenv("SAMIZDAT_METRICS", nonsense)
    with pytest.raises(BadOption, match="Write a port"):
        metrics.place()


def test_logs_can_be_json_lines_and_still_name_nobody(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    monkeypatch.setenv("SAMIZDAT_LOG", "json")
    try:
        logs.configure()
        logging.getLogger("samizdat.sender").warning("The relay refused %s\nfrom 192.0.2.7", "ada@example.org")
    finally:
        root.handlers[:], root.level = before
    (line,) = capsys.readouterr().err.splitlines()
    said = json.loads(line)
    assert said["level"] == "warning" and said["logger"] == "samizdat.sender"
    assert said["message"] == "The relay refused [address] from [ip]"
    assert set(said) == {"time", "level", "logger", "message", "process"}
