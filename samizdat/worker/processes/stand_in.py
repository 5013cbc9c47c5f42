"""What the app's port answers while a key service gives no key, so that the app's process doesn't run."""

import contextlib
import os
import select
import socket
import threading
import time
from collections.abc import Callable

from django.utils.translation import gettext as _

# Seconds for a request's head, and its bytes. What it says is not looked at.
_SECONDS, _HEAD = 1.0, 16384
_LOOK = 0.5


def start(descriptor: int, is_lost: Callable[[], bool]) -> None:
    """descriptor: the listening socket, which the app's process has as well."""
    listener = socket.socket(fileno=os.dup(descriptor))
    threading.Thread(target=_run, args=(listener, is_lost), name="stand-in", daemon=True).start()


def _run(listener: socket.socket, is_lost: Callable[[], bool]) -> None:
    listener.setblocking(False)
    while True:
        if not is_lost():
            time.sleep(_LOOK)
            continue
        # The app's process may still be ending, and take a connection between the two.
        if not select.select([listener], [], [], _LOOK)[0]:
            continue
        with contextlib.suppress(OSError):
            connection, _address = listener.accept()
            with connection:
                connection.setblocking(True)
                _answer(connection)


def _answer(connection: socket.socket) -> None:
    deadline, head = time.monotonic() + _SECONDS, b""
    while b"\r\n\r\n" not in head and len(head) < _HEAD:
        connection.settimeout(max(0.01, deadline - time.monotonic()))
        if not (part := connection.recv(4096)):
            return
        head += part
    body = _page().encode()
    connection.sendall(
        b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/html; charset=utf-8\r\ncache-control: no-store\r\n"
        b"content-security-policy: default-src 'none'\r\nretry-after: 30\r\nconnection: close\r\n"
        b"content-length: %d\r\n\r\n%s" % (len(body), body)
    )


def _page() -> str:
    title = _("The key service doesn’t give the key")
    text = _(
        "Nothing encrypted can be read here until it does. Public pages still accept sign-ups and unsubscribes. "
        "A person of the key service starts it again."
    )
    return (
        '<!doctype html>\n<html><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, '
        f'initial-scale=1"><meta name="color-scheme" content="light dark"><title>{title}</title></head>'
        f"<body><h1>{title}</h1><p>{text}</p></body></html>\n"
    )
