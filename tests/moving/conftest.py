"""The group of the tests of sending, and web servers of a move: names lead to them alone."""

import ipaddress
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from samizdat.campaigns.checks import fetch
from samizdat.core.private_networks import Address
from tests.delivery.conftest import clean_journals, house, server
from tests.dns_server import NameServer

__all__ = ["WebServer", "clean_journals", "house", "names", "server", "web"]

ROBOTS = "User-agent: *\nDisallow: /u/\n"


class WebServer:
    """Answers for all names that lead to it. sites: host -> (status, body or location); others are not in DNS."""

    def __init__(self) -> None:
        self.sites: dict[str, tuple[int, str]] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def url(self, host: str) -> str:
        return f"http://{host}:{self.port}"

    def resolve(self, host: str, _port: int) -> list[str]:
        if host not in self.sites:
            raise OSError("no such name")
        return ["127.0.0.1"]

    @staticmethod
    def permit(address: Address) -> bool:
        return address == ipaddress.ip_address("127.0.0.1")

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        sites = self.sites

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, text = sites[self.headers["Host"].partition(":")[0]]
                self.send_response(status)
                if status in (301, 308):
                    self.send_header("Location", text + self.path)
                    text = ""
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode() if self.command == "GET" else b"")

            do_HEAD = do_GET

            def log_message(self, *_: object) -> None:
                pass

        return Handler


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[NameServer]:
    with NameServer() as running:
        monkeypatch.setenv("SAMIZDAT_DNS", running.place)
        yield running


@pytest.fixture
def web(names: NameServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[WebServer]:
    running = WebServer()
    monkeypatch.setattr(fetch, "PORTS", fetch.PORTS | {running.port})
    yield running
    running.close()
