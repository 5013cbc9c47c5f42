"""The desk for an ASGI server: `uvicorn samizdat.web.asgi:application`.

Django's own ASGI handler puts every request body into a temporary file, and a new thread under every request. A list
of readers must not lie on the disk in plain, and a thread a request opens a database connection a request. So the
desk runs Django's WSGI handler in a few lasting threads, and the body reaches the upload handlers as it comes in.
The address that a request came from is never handed over (threat model, T3): no code behind this file can log it.
"""

import asyncio
import os
import warnings
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import django

from samizdat import asgi

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "samizdat.settings")

Receive = Callable[[], Coroutine[Any, Any, dict[str, Any]]]
Send = Callable[[dict[str, Any]], Coroutine[Any, Any, None]]

# Enough for pages that take 20 ms and a report watched by a dozen people; each thread holds two connections.
THREADS = 8
UVICORN = asgi.QUIET
LOOPBACK = ("127.0.0.1", "::1", "")


class Body:
    """`wsgi.input`: reads what the server receives, chunk by chunk, and keeps nothing."""

    def __init__(self, receive: Receive, loop: asyncio.AbstractEventLoop) -> None:
        self._receive, self._loop = receive, loop
        self._left, self._ended = b"", False

    def read(self, size: int = -1) -> bytes:
        parts, length = [], 0
        while size < 0 or length < size:
            chunk = self._next()
            if not chunk:
                break
            parts.append(chunk)
            length += len(chunk)
        whole = b"".join(parts)
        if size >= 0:
            whole, self._left = whole[:size], whole[size:]
        return whole

    def readline(self, size: int = -1) -> bytes:
        """A piece as it came, which need not be a line: Django goes by lines only to read past what nobody wants, such
        as the rest of a file that was refused."""
        piece = self._next()
        if 0 <= size < len(piece):
            piece, self._left = piece[:size], piece[size:]
        return piece

    def _next(self) -> bytes:
        while not self._left and not self._ended:
            message = asyncio.run_coroutine_threadsafe(self._receive(), self._loop).result()
            if message["type"] == "http.disconnect":
                self._ended = True
                raise OSError("The browser went away in the middle of a request.")
            self._left = message.get("body", b"")
            self._ended = not message.get("more_body", False)
        chunk, self._left = self._left, b""
        return chunk


def environ(scope: dict[str, Any], body: Body) -> dict[str, Any]:
    """What the request says of itself; nothing of where it came from."""
    headers: dict[str, str] = {}
    for name, value in scope["headers"]:
        key = name.decode("latin-1").upper().replace("-", "_")
        text = value.decode("latin-1")
        headers[key] = f"{headers[key]},{text}" if key in headers else text
    forwarded = {
        name: headers.pop(name) for name in list(headers) if name.startswith(("X_FORWARDED", "FORWARDED", "X_REAL"))
    }
    server = scope.get("server") or ("localhost", 80)
    found = {f"HTTP_{key}": text for key, text in headers.items() if key not in ("CONTENT_TYPE", "CONTENT_LENGTH")}
    known = {
        "CONTENT_TYPE": headers.get("CONTENT_TYPE", ""),
        "SERVER_NAME": str(server[0]),
        "SERVER_PORT": str(server[1] or 80),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "wsgi.url_scheme": _scheme(scope, forwarded),
    }
    if "CONTENT_LENGTH" in headers:
        known["CONTENT_LENGTH"] = headers["CONTENT_LENGTH"]
    return asgi.environ(scope, body, found | known)


def _scheme(scope: dict[str, Any], forwarded: dict[str, str]) -> str:
    """https when the proxy on this machine says that the browser came by it; nobody else is believed."""
    client = (scope.get("client") or ("",))[0]
    if client in LOOPBACK and forwarded.get("X_FORWARDED_PROTO") == "https":
        return "https"
    return str(scope.get("scheme", "http"))


class Desk:
    """An ASGI application around a WSGI one."""

    def __init__(self, wsgi: asgi.Wsgi, threads: int = THREADS) -> None:
        self._wsgi = wsgi
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="desk")

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(self._threads, self._answer, scope, receive, send, loop)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        self._threads.shutdown(wait=False, cancel_futures=True)
        await send({"type": "lifespan.shutdown.complete"})

    def _answer(self, scope: dict[str, Any], receive: Receive, send: Send, loop: asyncio.AbstractEventLoop) -> None:
        asked = environ(scope, Body(receive, loop))
        secure = asked["wsgi.url_scheme"] == "https"

        def out(message: dict[str, Any]) -> None:
            future: Future[None] = asyncio.run_coroutine_threadsafe(send(message), loop)
            future.result()

        def start(status: str, headers: list[tuple[str, str]], _exc: Any = None) -> None:
            ours = asgi.pairs((name, _cookie(name, value, secure)) for name, value in headers)
            out({"type": "http.response.start", "status": int(status[:3]), "headers": ours})

        for chunk in asgi.answered(self._wsgi, asked, start):
            if chunk:
                out({"type": "http.response.body", "body": bytes(chunk), "more_body": True})
        out({"type": "http.response.body", "body": b"", "more_body": False})


def _cookie(name: str, value: str, secure: bool) -> str:
    """A cookie set over https is never sent over http again."""
    return f"{value}; Secure" if secure and name.lower() == "set-cookie" and "secure" not in value.lower() else value


def make_application() -> Desk:
    """Opens the vault, so that SECRET_KEY is there before anything signs, and starts Django. Errors: VaultError."""
    # The static files come from where they are written; nothing has to be collected first.
    warnings.filterwarnings("ignore", "No directory at")
    django.setup()
    from django.core.handlers.wsgi import WSGIHandler

    from samizdat.vault import house
    from samizdat.web import setup

    house.open_for_django()
    setup.announce()
    return Desk(WSGIHandler())


def __getattr__(name: str) -> Any:
    """`application` is made when it is asked for, so that importing this module opens no key."""
    if name != "application":
        raise AttributeError(name)
    globals()[name] = made = make_application()
    return made
