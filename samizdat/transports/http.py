"""What ways out by a provider's web interface have in common: connections that are kept, one request, one answer.

HTTP/1.1 by h11, which says what the bytes mean and leaves the socket to us. So it is known whether the end of a letter
can have left this process, which decides between "surely not taken" and unsure.
"""

import asyncio
import contextlib
import re
import socket
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any, NamedTuple, cast
from urllib.parse import urlsplit

import h11

from samizdat.core.mail.outcome import RouteState, RouteVerdict
from samizdat.core.private_networks import Network
from samizdat.transports.base import BadRoute
from samizdat.transports.crew import ConnectionLost
from samizdat.transports.dialing import LONGEST_ANSWER, Narrow, PrivateAddress, dial
from samizdat.transports.smtp_client.server import make_context

# Of an answer so much is kept.
KEPT = 16_000
# Bytes of an answer's head; h11 gives up at more.
LONGEST_HEAD = 16_000
# Parts of one answer: what goes before it (1xx), its head, and its chunks. Reading one costs 10 us and more.
MOST_PARTS = 200


class AnswerLimits(NamedTuple):
    """Of one answer: its bytes, how many of its body are kept, and its parts."""

    longest: int = LONGEST_ANSWER
    kept: int = KEPT
    parts: int = MOST_PARTS


LIMITS = AnswerLimits()
# Of a page of a list that a provider keeps.
LIST_LIMITS = AnswerLimits(2 << 20, 2 << 20, 5_000)
# Seconds that a route rests whose server sent an answer without end.
ENDLESS = 300
# A server closes a connection that rests, mostly after 60 s or more. One that it closes while we write to it costs an
# unsure message, so ours are closed well before.
IDLE = 20.0
LONGEST_WAIT = 86400

LOOPBACK = re.compile(r"localhost|127(\.\d{1,3}){3}|::1")
TRY_AFTER = re.compile(
    r"(?:again|enabled|disabled|until)\s++(?:(?:after|at|until)\s*+)?(\w{3}, \d{1,2} \w{3} \d{4} [\d:]{8} (?:UTC|GMT))"
)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a provider's interface answers. `context` None: not encrypted, on this machine alone."""

    host: str
    port: int
    context: ssl.SSLContext | None

    @property
    def name(self) -> str:
        """As the Host header and people want it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.context else 80) else f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class HttpReply:
    """What came back: the beginning of the body; `whole` when it came to its end."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    whole: bool

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace").replace("\N{REPLACEMENT CHARACTER}", "?")

    @property
    def is_page(self) -> bool:
        """A web page, from a server that stands in front of the interface."""
        return bool(re.match(rb"\s*<(!doctype|html|head|body|\?xml)", self.body[:200], re.IGNORECASE))


def read_endpoint(url: str) -> Endpoint:
    """An address given instead of the provider's own. Raises BadRoute."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise BadRoute("bad_endpoint") from None
    plain = parts.scheme == "http" and LOOPBACK.fullmatch(host)
    if not host or not (plain or parts.scheme == "https") or parts.path.strip("/") or parts.query or parts.username:
        raise BadRoute("bad_endpoint")
    return Endpoint(host, port or (80 if plain else 443), None if plain else make_context("", ""))


class BrokenConnection(Exception):
    """The connection is of no use any more; why, for people."""


class Endless(Exception):
    """The answer has no end."""


class HttpConnection(Narrow):
    """One connection: a request, its answer, and the next."""

    transport: asyncio.Transport

    def __init__(self, limits: AnswerLimits = LIMITS) -> None:
        super().__init__()
        self.limits = limits
        self.loop = asyncio.get_running_loop()
        self.wire = h11.Connection(h11.CLIENT, max_incomplete_event_size=LONGEST_HEAD)
        self.answer: asyncio.Future[HttpReply] = self.loop.create_future()
        self.room: asyncio.Future[None] | None = None
        self.closed = False
        self.used = False
        self.head: h11.Response | None = None
        self.body = b""
        self.size = self.parts = 0  # Of all that came since the request.
        self.rested_since = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.set_write_buffer_limits(high=0)

    def pause_writing(self) -> None:
        self.room = self.loop.create_future()

    def resume_writing(self) -> None:
        if self.room is not None and not self.room.done():
            self.room.set_result(None)
        self.room = None

    def data_received(self, data: bytes) -> None:
        if not self.closed:
            self.read(data)

    def eof_received(self) -> None:
        if not self.closed:
            self.read(b"")

    def connection_lost(self, error: Exception | None) -> None:
        if not self.closed:
            self.break_off("it hung up" if error is None else "the connection broke")

    def read(self, data: bytes) -> None:
        """Bytes of an answer; none means that there will be no more."""
        self.size += len(data)
        if self.size > self.limits.longest:
            self.end_it()
            return
        try:
            self.wire.receive_data(data)
            while not self.closed:
                event = self.wire.next_event()
                if event is h11.NEED_DATA or event is h11.PAUSED:
                    return
                self.understand(event)
        except h11.RemoteProtocolError:
            self.break_off("it hung up" if not data else "what it says is not HTTP")

    def understand(self, event: object) -> None:
        self.parts += 1
        if self.parts > self.limits.parts:
            self.end_it()
        elif isinstance(event, h11.Response):
            self.head = event
        elif isinstance(event, h11.Data):
            if len(self.body) < self.limits.kept:
                self.body = (self.body + bytes(event.data))[: self.limits.kept]
        elif isinstance(event, h11.EndOfMessage):
            self.give(whole=True)
        elif isinstance(event, h11.ConnectionClosed):
            self.break_off("it hung up")

    def give(self, whole: bool) -> None:
        """The answer as far as it came."""
        if self.head is not None and not self.answer.done():
            headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in self.head.headers}
            self.answer.set_result(HttpReply(self.head.status_code, headers, self.body, whole))

    def end_it(self) -> None:
        """Whatever its status says, each letter would bring another one."""
        self.close()
        if not self.answer.done():
            self.answer.set_exception(Endless())
            self.answer.exception()  # nobody may be waiting; that is no surprise
        self.resume_writing()

    def break_off(self, why: str) -> None:
        """It is over. A status that has come already counts, also when its body was cut off."""
        self.close()
        self.give(whole=False)
        if not self.answer.done():
            self.answer.set_exception(BrokenConnection(why))
            self.answer.exception()  # nobody may be waiting; that is no surprise
        self.resume_writing()

    def close(self) -> None:
        self.closed = True
        if hasattr(self, "transport"):
            self.transport.abort()

    async def post(self, request: h11.Request, start: bytes, end: bytes, finishing: Callable[[], None]) -> HttpReply:
        """One request. `end` leaves after `finishing`, and only if no answer has come by then. Raises Broken."""
        if self.used:
            # Twice round the loop: a server that has closed while this one rested is heard before anything leaves.
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            if self.closed:
                raise BrokenConnection("it hung up")
        self.used = True
        self.head, self.body, self.size, self.parts = None, b"", 0, 0
        self.answer = self.loop.create_future()
        self.send(self.wire.send(request), self.wire.send(h11.Data(data=start)))
        if self.room is not None:
            waiting: list[asyncio.Future[Any]] = [self.room, self.answer]
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        if not self.answer.done():
            finishing()
            self.send(self.wire.send(h11.Data(data=end)), self.wire.send(h11.EndOfMessage()))
        return await self.answer

    def send(self, *parts: bytes | None) -> None:
        if not self.closed:
            self.transport.write(b"".join(part for part in parts if part))

    def rests(self) -> bool:
        """Ready for another request. False: it is closed."""
        if not self.closed and self.wire.our_state is h11.DONE and self.wire.their_state is h11.DONE:
            self.wire.start_next_cycle()
            self.rested_since = self.loop.time()
            return True
        self.close()
        return False


class HttpPool:
    """Connections to one place. `connect`, `timeout`: the longest wait for a connection and for an answer, seconds."""

    def __init__(
        self,
        place: Endpoint,
        connect: float,
        timeout: float,
        inside: tuple[Network, ...] | None = None,
        limits: AnswerLimits = LIMITS,
    ) -> None:
        self.place = place
        self.limits = limits
        self.inside = inside
        self.connect = connect
        self.timeout = timeout
        self.resting: list[HttpConnection] = []

    async def post(
        self, path: str, headers: Mapping[str, str], start: bytes, end: bytes, finishing: Callable[[], None]
    ) -> HttpReply:
        """The body is `start` + `end`. Raises Lost."""
        length = ("Content-Length", str(len(start) + len(end)))
        return await self._ask("POST", path, [length, *headers.items()], start, end, finishing)

    async def get(self, path: str, headers: Mapping[str, str]) -> HttpReply:
        """A question beside any letter. Raises Lost."""
        return await self._ask("GET", path, list(headers.items()), b"", b"", no_finishing)

    async def _ask(
        self,
        method: str,
        path: str,
        headers: list[tuple[str, str]],
        start: bytes,
        end: bytes,
        finishing: Callable[[], None],
    ) -> HttpReply:
        """One request, one answer. Raises Lost.

        A connection that was used before may have been closed by the server meanwhile: if so, and the end has not left,
        a fresh one is taken.
        """
        handed_over = False

        def finish() -> None:
            nonlocal handed_over
            finishing()
            handed_over = True

        request = h11.Request(
            method=method,
            target=path,
            headers=[
                ("Host", self.place.name),
                ("User-Agent", "samizdat"),
                ("Accept", "application/json"),
                *headers,
            ],
        )
        while True:
            connection = await self.connection()
            fresh = not connection.used
            try:
                async with asyncio.timeout(self.timeout):
                    answer = await connection.post(request, start, end, finish)
                if 200 <= answer.status < 300 and not handed_over:
                    raise self.lost("bad_answer", "a yes before the end of the letter")
                return answer
            except BrokenConnection as broken:
                if fresh or handed_over:
                    raise self.lost("hung_up", str(broken)) from None
            except Endless:
                raise self.lost("endless_answer", "an answer without end", wait=ENDLESS) from None
            except TimeoutError:
                raise self.lost("no_answer", f"{self.timeout:g} s") from None
            finally:
                if connection.rests():
                    self.resting.append(connection)

    async def connection(self) -> HttpConnection:
        """The one that rested last, else a new one. Raises Lost."""
        now = asyncio.get_running_loop().time()
        while self.resting:
            connection = self.resting.pop()
            if not connection.closed and now - connection.rested_since < IDLE:
                return connection
            connection.close()
        options: dict[str, Any] = {}
        if self.place.context is not None:
            options = {
                "ssl": self.place.context,
                "server_hostname": self.place.host,
                "ssl_handshake_timeout": self.connect,
            }
        try:
            async with asyncio.timeout(self.connect):
                return await dial(
                    partial(HttpConnection, self.limits), self.place.host, self.place.port, self.inside, **options
                )
        except PrivateAddress:
            raise self.lost("inside", "", "dead", None) from None
        except (OSError, ssl.SSLError, TimeoutError) as error:
            raise self.not_connected(error) from None

    def not_connected(self, error: BaseException) -> ConnectionLost:
        detail = " ".join(str(getattr(error, "verify_message", "") or getattr(error, "strerror", "") or error).split())[
            :120
        ]
        if isinstance(error, ssl.SSLCertVerificationError):
            return self.lost("not_them", detail, "dead", None)
        if isinstance(error, ssl.SSLError):
            return self.lost("no_connection", str(error.reason or "TLS").replace("_", " ").lower())
        if isinstance(error, TimeoutError):
            return self.lost("no_answer", f"{self.connect:g} s")
        if isinstance(error, socket.gaierror):
            return self.lost("no_such_host", "")
        return self.lost("no_connection", detail or type(error).__name__)

    def lost(self, reason: str, detail: str, state: RouteState = "throttled", wait: int | None = 60) -> ConnectionLost:
        values = {"host": self.place.name, "detail": detail, "answer": detail}
        return ConnectionLost(detail or reason, RouteVerdict(state, reason, values, wait))

    def close(self) -> None:
        while self.resting:
            self.resting.pop().close()


def no_finishing() -> None:
    """For requests that carry no letter."""


def seconds_asked(answer: HttpReply, text: str) -> int | None:
    """The wait that an answer asks for: in its headers, or as a moment in its text. A day at the most.

    Moments are measured by the server's own clock, its Date header: ours may be wrong.
    """
    after = answer.headers.get("retry-after", "").strip()
    if after.isascii() and after.isdecimal():
        return min(LONGEST_WAIT, int(after[:9]))
    match = TRY_AFTER.search(text)
    moment, now = _moment(after or (match[1] if match else "")), _moment(answer.headers.get("date", ""))
    if moment is None and answer.status == 429:
        reset = answer.headers.get("x-ratelimit-reset", "")[:16]  # seconds since 1970, or milliseconds
        moment = float(reset) / (1000 if len(reset) > 11 else 1) if reset.isascii() and reset.isdecimal() else None
    if moment is None or now is None:
        return None
    return max(1, min(LONGEST_WAIT, int(moment - now))) if moment > now - LONGEST_WAIT else None


def _moment(text: str) -> float | None:
    with contextlib.suppress(ValueError, OverflowError):
        return parsedate_to_datetime(text.replace("UTC", "GMT")).timestamp() if text else None
    return None
