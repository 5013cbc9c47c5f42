"""Links of earlier emails at an address that was given up: a real Caddy with the lines that we print."""

import os
import subprocess
import threading
from collections.abc import Iterator
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from samizdat.moving import former_links
from scripts.test import find_tool
from tests.caddy import needs_caddy, running_caddy
from tests.ports import free_port

OLD, NEW = "https://letters.lantern.example", "https://letters.beacon.example"


class _Installation(BaseHTTPRequestHandler):
    """Says what reached it."""

    heard: list[tuple[str, str, str, str, str]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        agent = self.headers.get("X-Forwarded-For", "") + self.headers.get("User-Agent", "")
        self.heard.append((self.command, self.path, body, self.headers["Host"], agent))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_POST

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def installation() -> Iterator[ThreadingHTTPServer]:
    _Installation.heard = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Installation)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@needs_caddy
def test_what_is_read_leads_on_and_one_press_gets_through(tmp_path: Path, installation: ThreadingHTTPServer) -> None:
    port, new = free_port(), f"http://127.0.0.1:{installation.server_address[1]}"
    lines = former_links.caddy(f"http://letters.lantern.example:{port}", new)
    with running_caddy(tmp_path, port, "{\n    admin off\n    auto_https off\n}\n\n" + lines) as proxy:

        def asked(method: str, path: str, body: bytes | None = None) -> tuple[int, str]:
            connection: HTTPConnection = proxy.connection()
            connection.request(method, path, body, {"Host": f"letters.lantern.example:{port}", "User-Agent": "Xq7"})
            answer = connection.getresponse()
            answer.read()
            connection.close()
            return answer.status, answer.getheader("Location") or ""

        for method in ("GET", "HEAD"):
            assert asked(method, "/u/abc?ru") == (308, f"{new}/u/abc?ru")
        assert _Installation.heard == []
        assert asked("POST", "/u/abc", b"List-Unsubscribe=One-Click")[0] == 200
    [(method, path, body, host, agent)] = _Installation.heard
    assert (method, path, body) == ("POST", "/u/abc", "List-Unsubscribe=One-Click")
    assert f"http://{host}" == new and "Xq7" not in agent and "127.0.0.1" not in agent
    assert "/u/abc" not in proxy.said.read_text()


@needs_caddy
def test_caddy_understands_the_lines_as_they_are_printed(tmp_path: Path) -> None:
    config = tmp_path / "Caddyfile"
    config.write_text(former_links.caddy(OLD, NEW))
    tool = find_tool("caddy")
    assert tool is not None
    home = {name: str(tmp_path) for name in ("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME")}
    words = [tool, "adapt", "--config", str(config), "--adapter", "caddyfile"]
    adapted = subprocess.run(words, env=os.environ | home, capture_output=True, text=True, check=False)
    assert adapted.returncode == 0, adapted.stderr
    assert '"letters.lantern.example"' in adapted.stdout and "letters.beacon.example:443" in adapted.stdout


def test_the_lines_for_nginx_name_both_addresses() -> None:
    lines = former_links.nginx(OLD, NEW)
    assert "server_name letters.lantern.example;" in lines
    assert f"return 308 {NEW}$request_uri;" in lines and f"proxy_pass {NEW};" in lines
