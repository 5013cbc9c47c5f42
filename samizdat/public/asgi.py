"""The public pages for an ASGI server: `uvicorn samizdat.public.asgi:application`.

Where a request came from, and with which program, ends here (threat model, T3): Django is handed six headers and an
empty address, so no code behind this file can store or log them. A body is at most a few short fields, is held in
memory, and is never spooled to a file as Django's own ASGI handler would do.
"""

import contextlib
import io
import os
from collections.abc import Iterator
from wsgiref.types import WSGIEnvironment

import django

from samizdat import asgi
from samizdat.asgi import Receive, Send

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "samizdat.public.settings")

# Headers that a page may know. No address, no program, no cookie, no referrer, no language.
HEADERS = {b"host": "HTTP_HOST", b"content-type": "CONTENT_TYPE"}
MOST_BODY = 16 * 1024  # bytes; a one-click body has 26
# What is too long is read on and forgotten, so many bytes: who still sends hears no answer, and a browser shows a
# broken line instead. What is longer than that is cut off.
MOST_HEARD = 32 * 1024 * 1024
# Whoever leaves waits behind nobody who only looks, nor behind who has no link of ours or presses one again and again:
# one request at a time of each link has the threads for leaving.
THREADS, LEAVING = 4, 2
# Each costs some 20 kB, and one that came in full is answered in some 10 ms.
CONNECTIONS = 1000
UVICORN = asgi.serving(CONNECTIONS) | {"lifespan": "off"}


class Public:
    """An ASGI application around Django's WSGI one, in a few lasting threads."""

    def __init__(self, wsgi: asgi.Wsgi, threads: int = THREADS) -> None:
        self._wsgi = wsgi
        self._threads = asgi.Threads(threads, "public")
        self._leaving = asgi.Threads(LEAVING, "leaving")
        self._links: set[str] = set()  # By which somebody leaves just now.

    @property
    def moves(self) -> bool:
        return self._threads.moves and self._leaving.moves

    async def __call__(self, scope: asgi.Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        with contextlib.suppress(asgi.ClientGone):
            try:
                body = await _body(scope, receive)
                if body is None:
                    await asgi.say(send, 413, asgi.TOO_LONG)
                else:
                    with self._line(scope) as threads:
                        await threads.answer(self._wsgi, environ(scope, body), send, receive)
            except asgi.TooSlow:
                await asgi.say(send, 408, asgi.TOO_SLOW)
            except asgi.AllThreadsBusy:
                await asgi.say(send, 503, asgi.BUSY)

    @contextlib.contextmanager
    def _line(self, scope: asgi.Scope) -> Iterator[asgi.Threads]:
        """The threads that a request waits for. Reading a token takes some microseconds, where a place in the line of
        those who leave would be taken from a reader."""
        link = link_to_leave(scope)
        if not link or link in self._links:
            yield self._threads
            return
        self._links.add(link)
        try:
            yield self._leaving
        finally:
            self._links.remove(link)


def link_to_leave(scope: asgi.Scope) -> str:
    """The token by which somebody leaves with this request; "" for every other request, for a link that is not ours,
    and until its key is here, which the first request of a thread sees to."""
    from samizdat.public.tokens import WAYS_OUT, reader

    head, token = scope["path"][:3], scope["path"][3:]
    return reader.proven(token, *WAYS_OUT) if scope["method"] == "POST" and head == "/u/" else ""


async def _body(scope: asgi.Scope, receive: Receive) -> bytes | None:
    """The whole body, None when it is too long. Who asked before sending is answered at once. Errors: TooSlow, Gone."""
    headers = dict(scope["headers"])
    length = headers.get(b"content-length", b"0")
    declared_length = int(length) if length.isdigit() else MOST_HEARD + 1
    if declared_length > (MOST_BODY if b"expect" in headers else MOST_HEARD):
        return None
    body, heard = b"", 0
    async for piece in asgi.pieces(receive):
        heard += len(piece)
        if heard > MOST_HEARD:
            return None
        body = (body + piece)[: MOST_BODY + 1]
    return body if heard <= MOST_BODY else None


def environ(scope: asgi.Scope, body: bytes) -> WSGIEnvironment:
    """What a page may know of a request."""
    known = {HEADERS[name]: value.decode("latin-1") for name, value in scope["headers"] if name in HEADERS}
    return asgi.environ(scope, io.BytesIO(body), known | {"CONTENT_LENGTH": str(len(body))})


def make_application() -> Public:
    django.setup()
    from django.core.handlers.wsgi import WSGIHandler
    from django.db import connections

    from samizdat.public import cache, tokens
    from samizdat.publicdb import actions

    cache.begin()
    supervisor = tokens.supervisor()
    if connections["publicdb"].vendor == "sqlite" and supervisor:
        actions.hand_in_by(supervisor.hand_in)
    return Public(WSGIHandler())


def closing() -> None:
    """After the last request: what is still in memory goes into the public database."""
    from samizdat.public.clicks import tally

    tally.flush()


def __getattr__(name: str) -> Public:
    """`application` is made when it is asked for, so that importing this module starts nothing."""
    if name != "application":
        raise AttributeError(name)
    globals()[name] = application = make_application()
    return application
