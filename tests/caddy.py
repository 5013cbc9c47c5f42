"""A real Caddy before the house, by the configuration that the handbook prints."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

import pytest

from scripts.test import find_tool
from tests.ports import free_port

HANDBOOK = Path(__file__).parent.parent / "docs" / "small-server.md"
DESK, PUBLIC = "desk.example.org", "letters.example.org"

needs_caddy = pytest.mark.skipif(not find_tool("caddy"), reason="needs a real Caddy (apt-get install caddy)")


@dataclass
class Proxy:
    port: int
    said: Path

    def connection(self, source: str = "127.0.0.1", timeout: float = 60) -> HTTPConnection:
        return HTTPConnection("127.0.0.1", self.port, timeout=timeout, source_address=(source, 0))


def caddyfile(port: int, desk: int, public: int) -> str:
    """The handbook's, without certificates, and with ports of this test."""
    chapter = HANDBOOK.read_text().partition("## Caddy in front")[2].partition("\n## ")[0]
    text: str = re.findall(r"```\n(\{.*?)```", chapter, re.DOTALL)[0]
    for old, new in {
        "\n{\n": "\n{\n    admin off\n    auto_https off\n",
        f"\n{DESK} {{": f"\nhttp://{DESK}:{port} {{",
        f"\n{PUBLIC} {{": f"\nhttp://{PUBLIC}:{port} {{",
        "127.0.0.1:8000": f"127.0.0.1:{desk}",
        "127.0.0.1:8001": f"127.0.0.1:{public}",
    }.items():
        assert ("\n" + text).count(old) == 1, f"{old!r} does not stand in the handbook's Caddyfile once"
        text = ("\n" + text).replace(old, new).removeprefix("\n")
    return text


@contextmanager
def caddy(folder: Path, desk: int, public: int) -> Iterator[Proxy]:
    """What it says, on both streams, stands in `said`; a service's streams are the journal."""
    port = free_port()
    with running_caddy(folder, port, caddyfile(port, desk, public)) as proxy:
        yield proxy


@contextmanager
def running_caddy(folder: Path, port: int, lines: str) -> Iterator[Proxy]:
    """With these lines as its Caddyfile, which has it listen at this port."""
    proxy = Proxy(port, folder / "caddy.txt")
    config = folder / "Caddyfile"
    config.write_text(lines)
    home = {name: str(folder) for name in ("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME")}
    tool = find_tool("caddy")
    assert tool is not None
    with proxy.said.open("w") as said:
        words = [tool, "run", "--config", str(config), "--adapter", "caddyfile"]
        process = subprocess.Popen(words, env=os.environ | home, stdout=said, stderr=said)
    try:
        _wait_for(proxy, process)
        yield proxy
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def _wait_for(proxy: Proxy, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            connection = proxy.connection()
            connection.connect()
            connection.close()
            return
        except OSError:
            assert process.poll() is None and time.monotonic() < deadline, proxy.said.read_text()
            time.sleep(0.02)
