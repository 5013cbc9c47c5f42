"""Caddy, as the handbook configures it, keeps nothing of a reader, also while the installation is down."""

from pathlib import Path

from tests.caddy import DESK, PUBLIC, caddy, needs_caddy
from tests.ports import free_port

TOKEN = "a2b3c4d5e6f7" * 4 + "abcd"
READER = {"User-Agent": "Xq7Browser/9.1", "Referer": "https://mail.example/Xq7Inbox"}
SOURCE = "127.0.0.77"


@needs_caddy
def test_no_reader_is_in_the_log_of_the_proxy_while_the_installation_is_down(tmp_path: Path) -> None:
    with caddy(tmp_path, free_port(), free_port()) as proxy:
        for host in (PUBLIC, DESK):
            for method, body in (("GET", None), ("POST", b"List-Unsubscribe=One-Click")):
                connection = proxy.connection(SOURCE)
                connection.request(method, f"/u/{TOKEN}?why=Xq7Reason", body, {"Host": host, **READER})
                assert connection.getresponse().status == 502
                connection.close()
        half = proxy.connection(SOURCE)
        half.connect()
        half.sock.sendall(f"POST /u/{TOKEN} HTTP/1.1\r\nHost: {PUBLIC}\r\nContent-Length: 50\r\n\r\nhalf".encode())
        half.close()
    said = proxy.said.read_text()
    assert "server" in said, "Caddy still says that it runs, and of faults of its own"
    for trace in (SOURCE, TOKEN, "Xq7"):
        assert trace not in said
