"""Desk or public pages behind a real server in this process, and visitors who keep connections open and do nothing."""

import contextlib
import select
import socket
import threading
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from typing import Any

import uvicorn

from samizdat import asgi, connections

# As long as it takes on any machine.
PATIENT = 60.0


@contextlib.contextmanager
def listening(application: Any, most: int = 500) -> Iterator[int]:
    """Its port. most: connections."""
    config = uvicorn.Config(application, host="127.0.0.1", port=0, log_level="error", **asgi.serving(most))
    server = connections.ConnectionServer(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield int(server.servers[0].sockets[0].getsockname()[1])
    finally:
        server.should_exit = server.force_exit = True
        thread.join(PATIENT)
        assert not thread.is_alive(), "The server didn't end."
        # What browsers that are gone asked for is worked on to its end: it would be with the next test's rows.
        for threads in vars(application).values():
            if isinstance(threads, asgi.Threads):
                threads.stop(wait=True)


def connect(port: int) -> socket.socket:
    """With a small window, so that little of an answer is taken by the system alone."""
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    made.settimeout(PATIENT)
    made.connect(("127.0.0.1", port))
    return made


@contextlib.contextmanager
def holding(port: int, count: int, said: bytes = b"") -> Iterator[list[socket.socket]]:
    """So many connections on which so much was said, and no more; nor is anything read."""
    with contextlib.ExitStack() as stack:
        held = [stack.enter_context(connect(port)) for _ in range(count)]
        for one in held:
            with contextlib.suppress(OSError):  # The server may have made room for the next ones already.
                one.sendall(said)
        yield held


def half_sent(host: str, path: str = "/sign-in") -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    return f"{head}Content-Length: 50\r\n\r\nhalf".encode()


def asked_for(host: str, path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()


def page(port: int, path: str, host: str = "127.0.0.1", cookie: str = "") -> int:
    """What another visitor is answered."""
    connection = HTTPConnection("127.0.0.1", port, timeout=PATIENT)
    try:
        connection.request("GET", path, headers={"Host": host, "Cookie": cookie})
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()


def heard_to_the_end(connection: socket.socket) -> bytes:
    """All that comes until the server closes the connection."""
    heard = b""
    with contextlib.suppress(ConnectionResetError):
        while more := connection.recv(65536):
            heard += more
    return heard


def is_cut(connection: socket.socket) -> bool:
    """Whether the server has closed it, whatever of its words is still to be read."""
    poll = select.poll()
    poll.register(connection, select.POLLRDHUP)
    return bool(poll.poll(0))
