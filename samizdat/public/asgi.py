"""The public pages for an ASGI server: `uvicorn samizdat.public.asgi:application`.

Where a request came from, and with which program, ends here (threat model, T3): Django is handed six headers and an
empty address, so no code behind this file can store or log them. A body is at most a few short fields, or what a
provider delivers by webhook, is held in memory, and is never spooled to a file as Django's own ASGI handler would do.
"""

import asyncio
import contextlib
import gc
import io
import os
import urllib.parse
from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING
from wsgiref.types import WSGIEnvironment

import django
from django.db import connections

from samizdat import asgi, processes
from samizdat.asgi import Receive, Send
from samizdat.connections import ClientConnection
from samizdat.core import webhook_delivery
from samizdat.public import tokens
from samizdat.public.tokens import ProvenLink
from samizdat.vault.errors import VaultError

if TYPE_CHECKING:
    from samizdat.vault.socket_source import SocketSource

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "samizdat.public.settings")

# Headers that a page may know. No address, no program, no cookie, no referrer, no language.
HEADERS = {b"host": "HTTP_HOST", b"content-type": "CONTENT_TYPE"}
# What signs or logs in stands there for a provider alone.
DELIVERED = HEADERS | {
    name.encode(): "HTTP_" + name.upper().replace("-", "_") for name in webhook_delivery.HEADERS - {"content-type"}
}
MOST_BODY = 16 * 1024  # bytes; a one-click body has 26
# What is too long is read on and forgotten, so many bytes: who still sends hears no answer, and a browser shows a
# broken line instead. What is longer than that is cut off.
MOST_HEARD = 32 * 1024 * 1024
# Whoever leaves waits behind nobody who only looks, nor behind who has no link of ours or presses one again and again:
# one request at a time of each link has the threads for leaving, and one those for the other pages behind it. There
# organizations take turns, and readers of each: links of one's own keep nobody else out.
THREADS, LEAVING, BEHIND_LINKS = 4, 2, 2
# However much is delivered, nobody waits behind it. So many deliveries are in memory at once, and as many that are
# answered alike and not kept.
DELIVERING, DELIVERIES = 1, 48
# Each costs some 20 kB, and one that came in full is answered in some 10 ms.
CONNECTIONS = 1000
TOO_OFTEN = (
    "This link was used too often just now. Try again in a minute.\n"
    "По этой ссылке только что переходили слишком часто. Попробуйте ещё раз через минуту.\n"
).encode()
# uvloop reads each request into the same piece of memory, where the longest ones stay.
UVICORN = asgi.serving(CONNECTIONS) | {"lifespan": "off", "loop": "asyncio"}


class Public:
    """An ASGI application around Django's WSGI one, in a few lasting threads."""

    def __init__(self, wsgi: asgi.Wsgi, threads: int = THREADS) -> None:
        self._wsgi = wsgi
        self._threads = asgi.Threads(threads, "public")
        self._leaving = asgi.Threads(LEAVING, "leaving")
        self._behind_links = asgi.Threads(BEHIND_LINKS, "links")
        self._delivering = asgi.Threads(DELIVERING, "webhooks", begin=processes.come_behind)
        self._deliveries = {True: 0, False: 0}  # By whether their address is one of ours.
        self._at_work: set[tuple[asgi.Threads, str]] = set()  # By which links something is asked for just now.

    @property
    def moves(self) -> bool:
        lines = (self._threads, self._leaving, self._behind_links, self._delivering)
        return all(line.moves for line in lines)

    async def __call__(self, scope: asgi.Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        with contextlib.suppress(asgi.ClientGone):
            try:
                if _delivers(scope):
                    await self._take_delivery(scope, receive, send)
                    return
                body = await _body(scope, receive)
                if body is None:
                    await asgi.say(send, 413, asgi.TOO_LONG)
                else:
                    await self._answer(scope, body, receive, send)
            except asgi.TooSlow:
                await asgi.say(send, 408, asgi.TOO_SLOW)
            except asgi.AllThreadsBusy:
                await asgi.say(send, 503, asgi.BUSY)

    async def _answer(self, scope: asgi.Scope, body: bytes, receive: Receive, send: Send) -> None:
        """Errors: AllThreadsBusy."""
        from samizdat.public import door

        link = await _link(scope)
        if link and _leaves(scope) and door.is_used_up(link.text):
            await asgi.say(send, 503, TOO_OFTEN)
            return
        with self._line(scope, link) as (threads, place):
            await threads.answer(self._wsgi, environ(scope, body), send, receive, place)

    async def _take_delivery(self, scope: asgi.Scope, receive: Receive, send: Send) -> None:
        """Of an address that is not ours the body is heard and forgotten. Errors: AllThreadsBusy, TooSlow."""
        link = await _link(scope)
        with self._in_memory(link is not None):
            body = await _body(scope, receive, webhook_delivery.MOST_BYTES)
            if body is None:
                await asgi.say(send, 413, asgi.TOO_LONG)
                return
            asked = environ(scope, body if link else bytes(len(body)), DELIVERED)
            place = (link.uid, link.text) if link else (None, None)
            await self._delivering.answer(self._wsgi, asked, send, receive, place)

    @contextlib.contextmanager
    def _in_memory(self, is_ours: bool) -> Iterator[None]:
        """Errors: AllThreadsBusy. Providers try again for hours."""
        if self._deliveries[is_ours] >= DELIVERIES:
            raise asgi.AllThreadsBusy
        self._deliveries[is_ours] += 1
        try:
            yield
        finally:
            self._deliveries[is_ours] -= 1

    @contextlib.contextmanager
    def _line(self, scope: asgi.Scope, link: ProvenLink | None) -> Iterator[tuple[asgi.Threads, asgi.Place]]:
        """The threads that a request waits for, and among whom. Reading a token takes some microseconds, where a place
        in the line of those who leave would be taken from a reader."""
        threads = self._leaving if _leaves(scope) else self._behind_links
        mine = threads, link.text if link else ""
        if link is None or mine in self._at_work:
            yield self._threads, (None, None)
            return
        self._at_work.add(mine)
        try:
            yield threads, (link.uid, link.reader)
        finally:
            self._at_work.remove(mine)


def _leaves(scope: asgi.Scope) -> bool:
    """Whether somebody leaves with this request, if its link is ours."""
    return scope["method"] == "POST" and scope["path"].startswith("/u/") and scope["path"].count("/") == 2


def _delivers(scope: asgi.Scope) -> bool:
    """Whether a sending provider tells something."""
    return scope.get("method") == "POST" and scope["path"].startswith(webhook_delivery.path(""))


# What stands before a token -> purposes of it that are proven here.
PROVEN = {"u": tokens.WAYS_OUT, "p": tokens.WAYS_OUT, "in": (webhook_delivery.KIND,)}


async def _link(scope: asgi.Scope) -> ProvenLink | None:
    """The link by which somebody may leave that this is a page behind, or the address that a provider delivers to.
    Made-up ones are asked about once in seconds."""
    _root, page, token, *_more = *scope["path"].split("/", 3), "", ""
    if page not in PROVEN:
        return None
    if tokens.reader.may_ask_about(token):
        with contextlib.suppress(VaultError, OSError):  # Then the page says it.
            await asyncio.to_thread(tokens.reader.ask_again)
    return tokens.reader.proven(token, *PROVEN[page])


async def _body(scope: asgi.Scope, receive: Receive, most: int = MOST_BODY) -> bytes | None:
    """The whole body, None when it is too long. Who asked before sending is answered at once. Errors: TooSlow, Gone."""
    headers = dict(scope["headers"])
    length = headers.get(b"content-length", b"0")
    declared_length = int(length) if length.isdigit() else MOST_HEARD + 1
    if declared_length > (most if b"expect" in headers else MOST_HEARD):
        return None
    body, heard = b"", 0
    async for piece in asgi.pieces(receive):
        heard += len(piece)
        if heard > MOST_HEARD:
            return None
        body = (body + piece)[: most + 1]
    return body if heard <= most else None


def environ(scope: asgi.Scope, body: bytes, headers: Mapping[bytes, str] = HEADERS) -> WSGIEnvironment:
    """What a page may know of a request."""
    known = {headers[name]: value.decode("latin-1") for name, value in scope["headers"] if name in headers}
    return asgi.environ(scope, io.BytesIO(body), known | {"CONTENT_LENGTH": str(len(body))})


def make_application() -> Public:
    django.setup()
    from django.core.handlers.wsgi import WSGIHandler

    from samizdat.public import cache, clicks
    from samizdat.publicdb import actions, signed_rows

    cache.begin()
    supervisor = tokens.supervisor()
    if supervisor:
        signed_rows.check_by(supervisor.checking_key(), partial(_checking_key, supervisor))
    if connections["publicdb"].vendor == "sqlite" and supervisor:
        actions.hand_in_by(supervisor.hand_in)
    clicks.tally.begin()
    return Public(WSGIHandler())


def _checking_key(supervisor: "SocketSource") -> bytes | None:
    """None while the supervisor doesn't answer."""
    with contextlib.suppress(VaultError):
        return supervisor.checking_key()
    return None


def begin_forgetting() -> None:
    """What is in memory before the first request stays as long as the process, and is not looked through each time."""
    gc.collect()
    gc.freeze()


_forgotten = 0  # Of ClientConnection.ended.


def forget() -> None:
    """Lets go of requests that are over; called each second. Errors, frames and connections hold each other in circles,
    which Python looks for once there are thousands of new objects: in a quiet hour never."""
    from samizdat.public import cache

    global _forgotten
    if _forgotten != ClientConnection.ended:
        _forgotten = ClientConnection.ended
        cache.clear()
        urllib.parse.clear_cache()  # type: ignore[attr-defined]  # Undocumented; the last hosts that were asked for.
        gc.collect()


def closing() -> None:
    """After the last request: what is still in memory goes into the public database."""
    from samizdat.public.clicks import tally

    tally.close()


def __getattr__(name: str) -> Public:
    """`application` is made when it is asked for, so that importing this module starts nothing."""
    if name != "application":
        raise AttributeError(name)
    globals()[name] = application = make_application()
    return application
