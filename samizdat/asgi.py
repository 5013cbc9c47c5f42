"""What the desk and the public pages have in common before an ASGI server: Django's WSGI handler in lasting threads.

Neither is told where a request came from, or by which program (threat model, T3). A thread is taken once all of a
request is here, and given back before the answer goes to the visitor: who sends or reads slowly holds none.
"""

import asyncio
import contextlib
import contextvars
import secrets
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import IO, Any, TypedDict
from wsgiref.types import WSGIEnvironment

from samizdat.connections import BACKLOG, LEAST_RATE, PATIENCE, ClientConnection


class Scope(TypedDict, total=False):
    """What uvicorn says of a request; of HTTP all but `client` and `server` stands there."""

    type: str
    method: str
    path: str
    query_string: bytes
    headers: list[tuple[bytes, bytes]]
    http_version: str
    scheme: str
    client: tuple[str, int] | None
    server: tuple[str, int | None] | None


class Heard(TypedDict, total=False):
    """A piece of a request's body, or that its browser is gone."""

    type: str
    body: bytes
    more_body: bool


Wsgi = Callable[..., Iterable[bytes]]
Pairs = list[tuple[bytes, bytes]]
Receive = Callable[[], Awaitable[Heard]]
Send = Callable[[dict[str, object]], Awaitable[None]]

# Requests that wait in one line for a thread. Pages take some 20 ms, so the last of them waits for seconds: better than
# to be sent away while somebody with a few hundred connections comes back at once.
MOST_WAITING = 500
# Seconds that every thread has spent on the same request before the process counts as hung. The longest page that is
# meant to be is the sealing of an upload of 500 MB.
HUNG = 60.0
# Bytes that a thread makes of a streamed answer in one go; the rest is made as the visitor takes it.
PORTION = 256 * 1024
TEXT = (b"content-type", b"text/plain; charset=utf-8")
# Nothing of it was read, so nobody knows yet in which language.
TOO_SLOW = "This took too long to arrive. Try again.\nЗапрос шёл слишком долго. Повторите попытку.\n".encode()
TOO_LONG = (
    "This is more than a form here takes. Shorten it.\nЭто больше, чем принимает здесь форма. Сократите.\n".encode()
)
BUSY = "The server is busy. Try again in a minute.\nСервер занят. Повторите через минуту.\n".encode()


class TooSlow(Exception):
    """A body that comes more slowly than anybody's line."""


class ClientGone(Exception):
    """The visitor went away in the middle of the body."""


class AllThreadsBusy(Exception):
    """Too many requests wait already."""


LOOPBACK = ("127.0.0.1", "::1", "")
# A year, said to whoever came by https: their browser asks this name by nothing else. Not for names below it, which may
# be somebody else's.
HSTS_SECONDS = 365 * 86400

# What uvicorn must be told: no access log, nothing in the answer that tells which server this is, and no belief in
# forwarded addresses.
QUIET = {
    "access_log": False,
    "server_header": False,
    "date_header": False,
    "proxy_headers": False,
    "log_config": None,
    "ws": "none",
    "backlog": BACKLOG,
    "h11_max_incomplete_event_size": 16 * 1024,
}


def serving(most: int) -> dict[str, object]:
    """The same, and at most so many connections."""
    return QUIET | {"http": partial(ClientConnection, most=most)}


def scheme(scope: Scope) -> str:
    """https when the proxy on this machine says that the browser came by it; nobody else is believed."""
    client = (scope.get("client") or ("",))[0]
    if client in LOOPBACK and (b"x-forwarded-proto", b"https") in scope["headers"]:
        return "https"
    return str(scope.get("scheme", "http"))


def environ(scope: Scope, body: IO[bytes] | None, known: dict[str, str]) -> WSGIEnvironment:
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
        "wsgi.url_scheme": scheme(scope),
        "wsgi.input": body,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    } | known


def pairs(headers: Iterable[tuple[str, str]]) -> Pairs:
    """The headers of an answer as ASGI wants them."""
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]


class HttpResponse:
    """What WSGI answers: a page whole, and what Django streams in portions. The first is made with it; the others may
    be made by other threads, in the same context, for Django keeps the language there."""

    def __init__(self, wsgi: Wsgi, asked: WSGIEnvironment) -> None:
        self.status, self.headers = 500, Pairs()
        self._answer = wsgi(asked, self._start)
        self._portion = PORTION if getattr(self._answer, "streaming", False) else sys.maxsize
        self._pieces = iter(self._answer)
        self.first, self.whole = self.portion()
        if self.whole and not any(name == b"content-length" for name, _ in self.headers):
            self.headers.append((b"content-length", str(len(self.first)).encode()))

    def _start(self, status: str, headers: list[tuple[str, str]], _error: object = None) -> None:
        self.status, self.headers = int(status[:3]), pairs(headers)

    def portion(self) -> tuple[bytes, bool]:
        """The next bytes, and whether they are the last."""
        held, size, whole = [], 0, True
        try:
            for piece in self._pieces:
                held.append(bytes(piece))
                size += len(piece)
                if size >= self._portion:
                    whole = False
                    break
        except BaseException:
            self.close()
            raise
        if whole:
            self.close()
        return b"".join(held), whole

    def close(self) -> None:
        """Also when nobody takes the rest."""
        close = getattr(self._answer, "close", None)
        if close:
            close()


class ThreadRoom:
    """How many threads all shares together have, before each has its first: what is over stays for those of whom
    nobody is at work, however many shares somebody has people in."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.at_work = 0
        self.shares: list[Share] = []

    def pass_on(self) -> None:
        """Turns for those who wait, first of all where the last one was longest ago."""
        for share in sorted((share for share in self.shares if share.is_waited_for), key=lambda share: share.given):
            share.pass_on()


class Share:
    """So many threads that some may have at once, and the line in which the others of them wait. `room`: what it is a
    share of.

    When the line is full, somebody who waits in it gives way, by lot: who asks all the time would otherwise hold it
    against everybody who comes once.
    """

    def __init__(self, most: int, room: ThreadRoom | None = None) -> None:
        self._most, self._at_work = most, 0
        self._waiting: dict[asyncio.Future[None], bool] = {}  # In their order, and whether each may have to give way.
        self.given = 0.0  # When the last turn was.
        self._room = room or ThreadRoom(most)
        self._room.shares.append(self)

    @property
    def moves(self) -> bool:
        return self._may_begin() or time.monotonic() - self.given < HUNG

    @property
    def is_waited_for(self) -> bool:
        return bool(self._waiting)

    def _may_begin(self) -> bool:
        return not self._at_work or (self._at_work < self._most and self._room.at_work < self._room.most)

    @contextlib.asynccontextmanager
    async def turn(self, *, begun: bool = False) -> AsyncIterator[None]:
        """begun: a part of the answer has left already, so it gives way to nobody. Errors: AllThreadsBusy."""
        await self._wait(begun)
        try:
            yield
        finally:
            self._end()

    async def _wait(self, begun: bool) -> None:
        if self._may_begin():
            self._begin()
            return
        if len(self._waiting) >= MOST_WAITING and not begun:
            self._make_room()
        mine = asyncio.get_running_loop().create_future()
        self._waiting[mine] = not begun
        try:
            await mine
        except asyncio.CancelledError:
            if self._waiting.pop(mine, None) is None and not mine.cancelled() and mine.exception() is None:
                self._end()  # The turn had come at the same moment.
            raise

    def _make_room(self) -> None:
        candidates = [waiter for waiter, may_give_way in self._waiting.items() if may_give_way]
        if not candidates:
            raise AllThreadsBusy
        chosen = secrets.choice(candidates)
        del self._waiting[chosen]
        if not chosen.done():
            chosen.set_exception(AllThreadsBusy())

    def pass_on(self) -> None:
        while self._waiting and self._may_begin():
            first = next(iter(self._waiting))
            del self._waiting[first]
            if not first.done():
                self._begin()
                first.set_result(None)

    def _begin(self) -> None:
        self.given = time.monotonic()
        self._at_work += 1
        self._room.at_work += 1

    def _end(self) -> None:
        self._at_work -= 1
        self._room.at_work -= 1
        self._room.pass_on()


class Threads:
    """A few lasting threads, since each keeps connections to the database."""

    def __init__(self, count: int, name: str) -> None:
        self._count = count
        self._begun: dict[int, float] = {}  # When each thread that works began what it does.
        self._everybody = Share(count)
        self._room = ThreadRoom(count - count // 4)  # A quarter stays for others' first ones.
        self._strangers = Share(max(1, count // 2), self._room)
        self._known = Share(max(1, count // 2), self._room)
        self._organizations: dict[int, Share] = {}
        self._pool = ThreadPoolExecutor(count, thread_name_prefix=name)

    async def answer(
        self, wsgi: Wsgi, asked: WSGIEnvironment, send: Send, receive: Receive, *, whose: Share | None = None
    ) -> None:
        """Has a request answered. `whose`: of whom it takes a turn; of all alike when it is None. Errors:
        AllThreadsBusy."""
        share = whose or self._everybody
        context = contextvars.copy_context()
        async with share.turn():
            answer = await self.run(context.run, HttpResponse, wsgi, asked)
        await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
        await send({"type": "http.response.body", "body": answer.first, "more_body": not answer.whole})
        if not answer.whole:
            await self._rest(context, answer, send, receive, share)

    @property
    def strangers(self) -> Share:
        """Half of the threads: however many of them ask, the others find one."""
        return self._strangers

    @property
    def known(self) -> Share:
        """Half of the threads, of browsers in which somebody has signed in: nobody else waits in their line."""
        return self._known

    def share(self, organization: int) -> Share:
        """Of the people of an organization: all that the room has, so that others wait for a few of its requests at
        most, not for all. One thread for those who work for none (0): they have a profile and no more."""
        if organization not in self._organizations:
            self._organizations[organization] = Share(self._count if organization else 1, self._room)
        return self._organizations[organization]

    async def _rest(
        self, context: contextvars.Context, answer: HttpResponse, send: Send, receive: Receive, share: Share
    ) -> None:
        """Each portion is made once the one before has left for the visitor, and none when they have gone: a file that
        is there once stays until somebody has it."""
        gone = asyncio.ensure_future(_gone(receive))
        whole = False
        try:
            while not whole and not gone.done():
                async with share.turn(begun=True):
                    body, whole = await self.run(context.run, answer.portion)
                await send({"type": "http.response.body", "body": body, "more_body": not whole})
        finally:
            gone.cancel()
            if not whole:
                await self.run(context.run, answer.close)

    async def run[**P, T](self, call: Callable[P, T], *given: P.args, **named: P.kwargs) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, partial(self._do, call, *given, **named))

    def _do(self, call: Callable[..., Any], *given: object) -> Any:
        me = threading.get_ident()
        self._begun[me] = time.monotonic()
        try:
            return call(*given)
        finally:
            del self._begun[me]

    @property
    def moves(self) -> bool:
        """Whether somebody who asks now will be answered: a thread is free, or has begun something not long ago. Where
        no thread works, nobody may wait for one: a share whose turns were lost would keep its people out for ever."""
        if begun := [*self._begun.values()]:
            return len(begun) < self._count or time.monotonic() - max(begun) < HUNG
        return all(share.moves for share in [*self._organizations.values()])

    def stop(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def pieces(receive: Receive) -> AsyncIterator[bytes]:
    """A body as it comes. Errors: TooSlow, Gone."""
    heard, began = 0, asyncio.get_running_loop().time()
    more = True
    while more:
        try:
            async with asyncio.timeout_at(began + PATIENCE + heard / LEAST_RATE):
                message = await receive()
        except TimeoutError:
            raise TooSlow from None
        if message["type"] != "http.request":
            raise ClientGone
        body = message.get("body", b"")
        heard += len(body)
        yield body
        more = message.get("more_body", False)


async def say(send: Send, status: int, words: bytes) -> None:
    """An answer of our own; the connection ends with it, since nobody knows what of the request is still to come."""
    headers = [TEXT, (b"content-length", str(len(words)).encode()), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": words})
