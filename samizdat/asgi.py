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
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import IO, Any, TypedDict
from wsgiref.types import WSGIEnvironment

from django.db import connections

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

# Requests that wait in one queue: as many as there may be connections. Pages take some 20 ms, so the last of them waits
# for seconds: better than to be sent away while somebody with some hundred connections comes back at once.
MOST_WAITING = 1000
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


class _Party:
    """Those who count as one: how many threads they have, and who of them waits, each in a line of their own."""

    def __init__(self) -> None:
        self.at_work = 0
        self.has_own = False
        self.lines: dict[Hashable, dict[asyncio.Future[None], bool]] = {}  # and whether each may have to give way

    def first(self) -> asyncio.Future[None]:
        """Of the line whose turn it is; the others of that line wait behind all other lines."""
        who, line = next(iter(self.lines.items()))
        first = next(iter(line))
        self.remove(who, first)
        if line:
            self.lines[who] = self.lines.pop(who)
        return first

    def remove(self, who: Hashable, waiter: asyncio.Future[None]) -> None:
        del self.lines[who][waiter]
        if not self.lines[who]:
            del self.lines[who]

    def may_give_way(self) -> list[tuple[Hashable, asyncio.Future[None]]]:
        """Of those of whom most wait."""
        most = max(map(len, self.lines.values()), default=0)
        lines = [(who, line) for who, line in self.lines.items() if len(line) == most]
        return [(who, waiter) for who, line in lines for waiter, gives_way in line.items() if gives_way]

    @property
    def waiting(self) -> int:
        return sum(map(len, self.lines.values()))


class FairQueue:
    """Turns for a few threads that parties (organizations, mostly) share, and the lines in which they wait.

    Turns go round by party, and within a party by person: who asks a thousand times waits for themselves. A party has
    at most its part of the `shared` threads, by how many are there at the moment, and one of its own as long as there
    are any (`own`): long requests, which nobody can take a thread from, keep no other party from its first one.
    When `MOST_WAITING` wait, somebody of the party that has most of them there gives way, by lot.
    """

    def __init__(self, shared: int, own: int = 0) -> None:
        self._shared, self._own = shared, own
        self._parties: dict[Hashable, _Party] = {}  # That have or want a thread; the one whose turn it is comes first.
        self._owning, self._sharing, self._waiting = 0, 0, 0

    @property
    def is_waited_for(self) -> bool:
        return self._waiting > 0

    @contextlib.asynccontextmanager
    async def turn(self, whose: Hashable = None, who: Hashable = None, *, begun: bool = False) -> AsyncIterator[None]:
        """begun: a part of the answer has left already, so it gives way to nobody. Errors: AllThreadsBusy."""
        await self._wait(whose, who, begun)
        try:
            yield
        finally:
            self._end(whose)

    async def _wait(self, whose: Hashable, who: Hashable, begun: bool) -> None:
        party = self._parties.setdefault(whose, _Party())
        if self._may_begin(party):
            self._begin(whose)
            return
        if self._waiting >= MOST_WAITING and not begun:
            self._make_room(whose)
            party = self._parties.setdefault(whose, _Party())
        mine = asyncio.get_running_loop().create_future()
        party.lines.setdefault(who, {})[mine] = not begun
        self._waiting += 1
        self._pass_on()  # To whom the one that gave way has left more.
        try:
            await mine
        except asyncio.CancelledError:
            if mine in party.lines.get(who, ()):
                self._leave(whose, who, mine)
                self._pass_on()
            elif not mine.cancelled() and mine.exception() is None:
                self._end(whose)  # The turn had come at the same moment.
            raise

    def _may_begin(self, party: _Party) -> bool:
        if self._may_have_own(party):
            return True
        part = max(1, bool(self._own) + self._shared // len(self._parties))
        return party.at_work < part and self._sharing < self._shared

    def _may_have_own(self, party: _Party) -> bool:
        return not party.at_work and self._owning < self._own

    def _make_room(self, newcomer: Hashable) -> None:
        for whose, party in sorted(self._parties.items(), key=lambda item: item[1].waiting, reverse=True):
            if candidates := party.may_give_way():
                who, chosen = secrets.choice(candidates)
                self._leave(whose, who, chosen)
                if not chosen.done():
                    chosen.set_exception(AllThreadsBusy())
                return
        self._forget(newcomer)
        raise AllThreadsBusy

    def _leave(self, whose: Hashable, who: Hashable, waiter: asyncio.Future[None]) -> None:
        self._parties[whose].remove(who, waiter)
        self._waiting -= 1
        self._forget(whose)

    def _begin(self, whose: Hashable) -> None:
        party = self._parties[whose] = self._parties.pop(whose)  # Its next turn is after everybody else's.
        if self._may_have_own(party):
            party.has_own = True
            self._owning += 1
        else:
            self._sharing += 1
        party.at_work += 1

    def _end(self, whose: Hashable) -> None:
        party = self._parties[whose]
        if party.at_work > party.has_own:
            self._sharing -= 1
        else:
            party.has_own = False
            self._owning -= 1
        party.at_work -= 1
        self._forget(whose)
        self._pass_on()

    def _forget(self, whose: Hashable) -> None:
        """Where nothing of it is left: the others have larger parts from then on."""
        party = self._parties[whose]
        if not party.at_work and not party.lines:
            del self._parties[whose]

    def _pass_on(self) -> None:
        while next_ones := [whose for whose, party in self._parties.items() if party.lines and self._may_begin(party)]:
            whose = next_ones[0]
            first = self._parties[whose].first()
            self._waiting -= 1
            if first.done():  # Gone away.
                self._forget(whose)
            else:
                self._begin(whose)
                first.set_result(None)


# Of whom a request takes a turn: the party, and who of it.
Place = tuple[Hashable, Hashable]


class Threads:
    """A few lasting threads, since each keeps connections to the database. `own`: as many more, for the first requests
    of so many parties; `begin`: what each does first of all."""

    def __init__(self, count: int, name: str, own: int = 0, begin: Callable[[], object] | None = None) -> None:
        # So many are lasting: all that two parties can hold.
        self._count = count + min(own, 2)
        self._began = 0.0  # When the last work did.
        self._at_work = 0
        self._counting = threading.Lock()
        self.queue = FairQueue(count, own)
        self._pool = ThreadPoolExecutor(count + own, thread_name_prefix=name, initializer=begin)

    async def answer(
        self, wsgi: Wsgi, asked: WSGIEnvironment, send: Send, receive: Receive, place: Place = (None, None)
    ) -> None:
        """Has a request answered. Errors: AllThreadsBusy."""
        context = contextvars.copy_context()
        async with self.queue.turn(*place):
            answer = await self.run(context.run, HttpResponse, wsgi, asked)
        await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
        await send({"type": "http.response.body", "body": answer.first, "more_body": not answer.whole})
        if not answer.whole:
            await self._rest(context, answer, send, receive, place)

    async def _rest(
        self, context: contextvars.Context, answer: HttpResponse, send: Send, receive: Receive, place: Place
    ) -> None:
        """Each portion is made once the one before has left for the visitor, and none when they have gone: a file that
        is there once stays until somebody has it."""
        gone = asyncio.ensure_future(_gone(receive))
        whole = False
        try:
            while not whole and not gone.done():
                async with self.queue.turn(*place, begun=True):
                    body, whole = await self.run(context.run, answer.portion)
                await send({"type": "http.response.body", "body": body, "more_body": not whole})
        finally:
            gone.cancel()
            if not whole:
                await self.run(context.run, answer.close)

    async def run[**P, T](self, call: Callable[P, T], *given: P.args, **named: P.kwargs) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, partial(self._do, call, *given, **named))

    def _do(self, call: Callable[..., Any], *given: object) -> Any:
        with self._counting:
            self._at_work += 1
            self._began, is_lasting = time.monotonic(), self._at_work <= self._count
        try:
            return call(*given)
        finally:
            with self._counting:
                self._at_work -= 1
            if not is_lasting:
                connections.close_all()

    @property
    def moves(self) -> bool:
        """Whether somebody who asks now will be answered: a thread is free, or something has begun not long ago. Where
        no thread works, nobody may wait for one: a queue whose turns were lost would keep everybody out for ever."""
        is_free = self._at_work < self._count and (self._at_work > 0 or not self.queue.is_waited_for)
        return is_free or time.monotonic() - self._began < HUNG

    def stop(self, *, wait: bool = False) -> None:
        """wait: until what has begun is over."""
        self._pool.shutdown(wait=wait, cancel_futures=True)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def pieces(receive: Receive) -> AsyncIterator[bytes]:
    """A body as it comes. What came gives time for what is still to come, but never more than `PATIENCE`: who sent much
    may stop no longer than who sent nothing. Time of ours between two pieces isn't theirs.
    Errors: TooSlow, ClientGone."""
    now = asyncio.get_running_loop().time
    more, left = True, PATIENCE
    while more:
        began = now()
        try:
            async with asyncio.timeout(left):
                message = await receive()
        except TimeoutError:
            raise TooSlow from None
        if message["type"] != "http.request":
            raise ClientGone
        body = message.get("body", b"")
        left = min(PATIENCE, left - (now() - began) + len(body) / LEAST_RATE)
        yield body
        more = message.get("more_body", False)


async def say(send: Send, status: int, words: bytes) -> None:
    """An answer of our own; the connection ends with it, since nobody knows what of the request is still to come."""
    headers = [TEXT, (b"content-length", str(len(words)).encode()), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": words})
