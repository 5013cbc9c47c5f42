"""What the desk and the public pages have in common before an ASGI server: Django's WSGI handler in lasting threads.

Neither is told where a request came from, or by which program (threat model, T3).
"""

import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

Wsgi = Callable[..., Iterable[bytes]]
Pairs = list[tuple[bytes, bytes]]

# What uvicorn must be told: no access log, nothing in the answer that tells which server this is, and no belief in
# forwarded addresses.
QUIET = {
    "access_log": False,
    "server_header": False,
    "date_header": False,
    "proxy_headers": False,
    "log_config": None,
}


def environ(scope: dict[str, Any], body: Any, known: dict[str, str]) -> dict[str, Any]:
    """A request as WSGI has it. `known`: what a door takes of its headers, and what it knows better than these."""
    return {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": scope["path"].encode("utf-8", "surrogateescape").decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        # Django calls an address so; it gets an empty one.
        "REMOTE_ADDR": "",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": body,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    } | known


def pairs(headers: Iterable[tuple[str, str]]) -> Pairs:
    """The headers of an answer as ASGI wants them."""
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]


def answered(wsgi: Wsgi, asked: dict[str, Any], start: Callable[..., Any]) -> Iterator[bytes]:
    """The chunks of an answer; it is closed when the last was taken, and when nobody takes it."""
    answer = wsgi(asked, start)
    try:
        yield from answer
    finally:
        close = getattr(answer, "close", None)
        if close:
            close()
