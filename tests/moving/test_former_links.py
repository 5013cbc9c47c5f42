"""Links of earlier emails at an address that was given up: a real Caddy and a real nginx with the lines that we
print."""

import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
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
    assert "listen 443 ssl;" in lines and "listen [::]:443 ssl;" in lines
    assert "server_name letters.lantern.example;" in lines
    assert f"return 308 {NEW}$request_uri;" in lines and f"proxy_pass {NEW};" in lines
    assert "listen 8443 ssl;" in former_links.nginx(f"{OLD}:8443", NEW)


def test_nginx_is_told_to_look_at_the_certificate_of_the_new_address() -> None:
    """It wouldn't by itself, and would hand a press on a link to whoever answers under that name."""
    lines = former_links.nginx(OLD, NEW)
    assert "proxy_ssl_verify on;" in lines and "proxy_ssl_trusted_certificate /etc/ssl/certs/" in lines


@contextmanager
def running_nginx(folder: Path, port: int, lines: str) -> Iterator[None]:
    """On loopback alone, with what it writes in this folder."""
    listens = f"    listen {port};\n    listen [::]:{port};\n"
    assert listens in lines
    lines = lines.replace(listens, f"    listen 127.0.0.1:{port};\n")
    paths = " ".join(
        f"{name}_temp_path {folder}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    head = f"daemon off; master_process off; pid {folder}/pid; error_log {folder}/errors; events {{}}"
    config = folder / "nginx.conf"
    config.write_text(f"{head}\nhttp {{\n{paths} access_log {folder}/requests;\n{lines}\n}}\n")
    tool = find_tool("nginx")
    assert tool is not None
    process = subprocess.Popen([tool, "-c", str(config)], stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while not _answers(port):
            assert process.poll() is None and time.monotonic() < deadline, (folder / "errors").read_text()
            time.sleep(0.02)
        yield
    finally:
        process.terminate()
        process.wait(30)


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 5).close()
    except OSError:
        return False
    return True


@pytest.mark.skipif(not find_tool("nginx"), reason="needs a real nginx (apt-get install nginx-light)")
def test_nginx_leads_on_what_is_read_and_passes_on_a_press(tmp_path: Path, installation: ThreadingHTTPServer) -> None:
    port, new = free_port(), f"http://127.0.0.1:{installation.server_address[1]}"
    name = f"letters.lantern.example:{port}"

    def asked(method: str, path: str, body: bytes | None = None) -> tuple[int, str]:
        connection = HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request(method, path, body, {"Host": name, "User-Agent": "Xq7", "X-Forwarded-For": "192.0.2.7"})
        answer = connection.getresponse()
        answer.read()
        connection.close()
        return answer.status, answer.getheader("Location") or ""

    with running_nginx(tmp_path, port, former_links.nginx(f"http://{name}", new)):
        for path in ("/u/abc?ru", "/archive/7/%D0%B0?x=%20y", "/c/tok%2Fen.-_~", "/i/x.png", "//evil.example/x"):
            for method in ("GET", "HEAD"):
                assert asked(method, path) == (308, f"{new}{path}")
        assert _Installation.heard == []
        assert asked("POST", "/u/abc?x=%20", b"List-Unsubscribe=One-Click")[0] == 200
    [(method, path, body, host, agent)] = _Installation.heard
    assert (method, path, body) == ("POST", "/u/abc?x=%20", "List-Unsubscribe=One-Click")
    assert f"http://{host}" == new and not agent, "neither where somebody sat nor by what program"
    assert "abc" not in (tmp_path / "errors").read_text() + (tmp_path / "requests").read_text()
