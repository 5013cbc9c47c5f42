"""The public pages for an ASGI server: `uvicorn samizdat.public.asgi:application`.

Where a request came from, and with which program, ends here (threat model, T3): Django is handed six headers and an
empty address, so no code behind this file can store or log them. A body is at most a few short fields, is held in
memory, and is never spooled to a file as Django's own ASGI handler would do.
"""

import asyncio
import contextlib
import io
import os
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import django

from samizdat import asgi

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "samizdat.public.settings")

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

# Headers that a page may know. No address, no program, no cookie, no referrer, no language.
HEADERS = {b"host": "HTTP_HOST", b"content-type": "CONTENT_TYPE"}
MOST_BODY = 16 * 1024  # bytes; a one-click body has 26
# What is too long is read on and forgotten, so many bytes and seconds: who still sends hears no answer, and a browser
# shows a broken line instead. What is longer than that is cut off.
MOST_HEARD, PATIENCE = 32 * 1024 * 1024, 20.0
# Nothing of it was read, so nobody knows yet whose page it is, nor in which language.
TOO_LONG = (
    "This is more than a form here takes. Shorten it.\nЭто больше, чем принимает здесь форма. Сократите.\n".encode()
)
THREADS = 4
UVICORN = asgi.QUIET | {
    "lifespan": "off",
    "ws": "none",
    "h11_max_incomplete_event_size": 16 * 1024,
}


class Public:
    """An ASGI application around Django's WSGI one, in a few lasting threads."""

    def __init__(self, wsgi: asgi.Wsgi, threads: int = THREADS) -> None:
        self._wsgi = wsgi
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="public")

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        body = await _body(scope, receive)
        if body is None:
            await _hear_out(scope, receive)
            await _answer(send, 413, [(b"content-type", b"text/plain; charset=utf-8")], TOO_LONG)
            return
        loop = asyncio.get_running_loop()
        status, headers, content = await loop.run_in_executor(self._threads, self._call, environ(scope, body))
        await _answer(send, status, headers, content)

    def _call(self, asked: dict[str, Any]) -> tuple[int, asgi.Pairs, bytes]:
        begun: list[Any] = []

        def start(status: str, headers: list[tuple[str, str]], _error: Any = None) -> None:
            begun[:] = [int(status[:3]), asgi.pairs(headers)]

        content = b"".join(asgi.answered(self._wsgi, asked, start))
        return begun[0], begun[1], content


async def _answer(send: Send, status: int, headers: asgi.Pairs, content: bytes) -> None:
    if not any(name == b"content-length" for name, _ in headers):
        headers = [*headers, (b"content-length", str(len(content)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})


async def _body(scope: dict[str, Any], receive: Receive) -> bytes | None:
    """The whole body, None when it is too long or the reader went away."""
    length = dict(scope["headers"]).get(b"content-length", b"0")
    if not length.isdigit() or int(length) > MOST_BODY:
        return None
    body = b""
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        body += message.get("body", b"")
        if len(body) > MOST_BODY:
            return None
        if not message.get("more_body"):
            return body


async def _hear_out(scope: dict[str, Any], receive: Receive) -> None:
    """Reads a body that nobody wants to its end. Who asked before sending is answered at once."""
    headers = dict(scope["headers"])
    length = headers.get(b"content-length", b"0")
    if b"expect" in headers or not length.isdigit() or int(length) > MOST_HEARD:
        return
    heard = 0
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE):
            while heard <= MOST_HEARD:
                message = await receive()
                heard += len(message.get("body", b""))
                if message["type"] != "http.request" or not message.get("more_body"):
                    return


def environ(scope: dict[str, Any], body: bytes) -> dict[str, Any]:
    """What a page may know of a request."""
    known = {HEADERS[name]: value.decode("latin-1") for name, value in scope["headers"] if name in HEADERS}
    return asgi.environ(scope, io.BytesIO(body), known | {"CONTENT_LENGTH": str(len(body))})


def make_application() -> Public:
    django.setup()
    from django.core.handlers.wsgi import WSGIHandler

    from samizdat.public import remembering

    remembering.begin()
    return Public(WSGIHandler())


def closing() -> None:
    """After the last request: what is still in memory goes into the gate."""
    from samizdat.public.counting import tally

    tally.flush()


def __getattr__(name: str) -> Any:
    """`application` is made when it is asked for, so that importing this module starts nothing."""
    if name != "application":
        raise AttributeError(name)
    globals()[name] = made = make_application()
    return made
