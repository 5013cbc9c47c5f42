"""Connections of strangers: how many there may be, how long one may keep still, and how much may wait for it.

uvicorn bounds none of these: an open file for each connection that says nothing, and the memory of each answer that
nobody takes. Kept still means: no head of a request in `PATIENCE` seconds, or an answer that is taken more slowly than
`LEAST_RATE` (bodies are timed where they are read, in asgi.py). Who a connection comes from is known here as long as it
is open, and only to be fair; it is written nowhere (threat model, T3).
"""

import asyncio
import contextlib
import fcntl
import os
import resource
import socket
import struct
import termios
from collections import Counter
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from samizdat import wakeups

# Seconds to begin, and bytes a second from then on: what Apache asks for (mod_reqtimeout). A reader behind Tor or on a
# bad line is ten times faster.
PATIENCE, LEAST_RATE = 20.0, 500
# Of all connections of a process together; a page has some ten thousand bytes, and a reader's system takes it at once.
MOST_UNSENT = 64 * 1024 * 1024
# Bytes of an answer that the system takes from us beside that (Linux doubles it). By itself it takes some megabytes for
# each connection: a thousand of them that read nothing would cost a core for seconds, and its memory.
SYSTEM_TAKES = 128 * 1024
LOOK_SECONDS = 1.0
# Connections that the kernel holds for us, which are all taken in one go, and files of our own.
BACKLOG, OWN_FILES = 256, 256
# Connections that wait in the system until we take them. Whoever finds no room there is let in a second later.
QUEUE = 4096
# One in so many is closed at once when there is no room: to look for whom to close takes a millisecond.
SHARE = 10
RESET = struct.pack("ii", 1, 0)


class CountedConnections:
    """A transport that knows how much was written to it."""

    def __init__(self, transport: asyncio.WriteTransport, connection: "ClientConnection") -> None:
        self._transport, self._connection = transport, connection
        self.written = 0

    def write(self, data: bytes) -> None:
        self.written += len(data)
        self._transport.write(data)
        self._connection.wrote()

    def __getattr__(self, name: str) -> object:
        return getattr(self._transport, name)


class ClientConnection(H11Protocol):
    """One connection. Past `most` of them, those whose visitors have been silent longest make room for new ones: first
    of the address that has most of them. Behind a proxy, where all come from one, it is the silence alone."""

    ended = 0  # Requests and connections of this process that are over.

    def __init__(self, *args: Any, most: int, **more: Any) -> None:
        super().__init__(*args, **more)
        self._most = most
        self.since = 0.0  # When it began to do what it does: wait for a head, send a body, take an answer.
        self.heard = 0.0  # When its visitor last sent anything.
        self.aborted = False
        self._unsent_since: float | None = None
        self._sent_before = 0
        self._timer: asyncio.TimerHandle | None = None

    # -- what uvicorn calls ----------------------------------------------------------------------------------------

    def connection_made(self, transport: object) -> None:
        super().connection_made(CountedConnections(transport, self))  # type: ignore[arg-type]
        self._set(socket.SO_SNDBUF, SYSTEM_TAKES)
        self.since = self.heard = self.loop.time()
        self._timer = self.loop.call_later(LOOK_SECONDS, self._look)
        if len(self.connections) > self._most:
            self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)
        ClientConnection.ended += 1

    def data_received(self, data: bytes) -> None:
        self.heard = self.loop.time()
        super().data_received(data)

    def handle_events(self) -> None:
        before = self.cycle
        super().handle_events()
        if self.cycle is not before:
            self.since = self.loop.time()

    def on_response_complete(self) -> None:
        self.since = self.loop.time()
        super().on_response_complete()
        ClientConnection.ended += 1

    # -- ours ------------------------------------------------------------------------------------------------------

    @property
    def unsent(self) -> int:
        return int(self.transport.get_write_buffer_size())

    @property
    def _in_system(self) -> int:
        """Bytes that the system took from us and the other side has not confirmed. On a bad line they take minutes, and
        an abort would throw them away."""
        try:
            answer = fcntl.ioctl(self.transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, bytes(4))
        except (OSError, ValueError):
            return 0  # It is being closed.
        return int(struct.unpack("i", answer)[0])

    @property
    def waits_for_head(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    @property
    def waits_for_visitor(self) -> bool:
        """Not while a request is worked on: that is our time."""
        return self.waits_for_head or self.cycle.more_body or self.unsent > 0

    def wrote(self) -> None:
        """Called after each write: what a slow visitor leaves lying is bounded for all of them together."""
        if self.unsent <= self.transport.get_write_buffer_limits()[1]:
            return
        # Not those that have taken all: they cost nothing, and their visitors did nothing wrong.
        waiting = sorted(
            (connection for connection in self._others() if connection.unsent), key=lambda connection: connection.heard
        )
        total = self.unsent + sum(connection.unsent for connection in waiting)
        for connection in waiting:
            if total <= MOST_UNSENT:
                return
            total -= connection.unsent
            connection.abort()

    def abort(self) -> None:
        """At once, with all that was to be sent: otherwise the system keeps some megabytes of it for minutes more."""
        self.aborted = True
        self._set(socket.SO_LINGER, RESET)
        self.transport.abort()

    def _set(self, option: int, value: int | bytes) -> None:
        with contextlib.suppress(OSError):
            self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, option, value)

    def _others(self) -> list["ClientConnection"]:
        """Those that count: an aborted one is gone at the next turn of the loop."""
        return [
            connection
            for connection in self.connections
            if isinstance(connection, ClientConnection) and not (connection.aborted or connection is self)
        ]

    def _make_room(self) -> None:
        there = self._others()
        if len(there) < self._most:
            return  # Room was made a moment ago, and those that were closed for it are not gone yet.
        by_peer = Counter(connection.peer for connection in there)
        waiting = [connection for connection in there if connection.waits_for_visitor]
        waiting.sort(key=lambda connection: (-by_peer[connection.peer], connection.heard))
        for connection in waiting[: max(1, self._most // SHARE)]:
            connection.abort()

    @property
    def peer(self) -> str:
        return self.client[0] if self.client else ""

    def _look(self) -> None:
        now = self.loop.time()
        if self._stands_still(now):
            self.abort()
            return
        self._timer = self.loop.call_later(LOOK_SECONDS, self._look)

    def _stands_still(self, now: float) -> bool:
        untaken = self.unsent + self._in_system
        if not untaken:
            if self._unsent_since is not None and self.waits_for_head:
                self.since = now  # The answer was on its way until now; from here on it is the next request.
            self._unsent_since = None
            return self.waits_for_head and now - self.since > PATIENCE
        sent: int = self.transport.written - untaken  # type: ignore[attr-defined]
        if self._unsent_since is None:
            self._unsent_since, self._sent_before = now, sent
        return now - self._unsent_since > PATIENCE + (sent - self._sent_before) / LEAST_RATE


class ConnectionServer(uvicorn.Server):
    """uvicorn takes as many connections in one go as it lets wait; here more may wait. It looks ten times a second
    whether it is to end, and is woken for that here."""

    _ending: asyncio.Event | None = None
    _loop: asyncio.AbstractEventLoop | None = None
    _ends = False

    @property
    def should_exit(self) -> bool:
        return self._ends

    @should_exit.setter
    def should_exit(self, ends: bool) -> None:
        """From any thread, and from a handler of signals."""
        self._ends = ends
        if ends and self._loop is not None and self._ending is not None:
            with contextlib.suppress(RuntimeError):  # It has ended.
                self._loop.call_soon_threadsafe(self._ending.set)

    async def main_loop(self) -> None:
        self._loop, self._ending = asyncio.get_running_loop(), asyncio.Event()
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ending.wait(), wakeups.until_next())

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for server in self.servers:
            for listening in server.sockets:
                with socket.socket(fileno=os.dup(listening.fileno())) as ours:
                    ours.listen(QUEUE)


def room(wanted: int) -> int:
    """How many connections this process can hold, at most `wanted`. The system's limit of open files is raised as far
    as it lets us, and files of our own are left out."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted + BACKLOG + OWN_FILES
    if soft != resource.RLIM_INFINITY and soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return wanted if soft == resource.RLIM_INFINITY else max(1, min(wanted, soft - BACKLOG - OWN_FILES))
