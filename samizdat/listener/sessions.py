"""A session with a mail server that hands mail over: aiosmtpd's, with limits of ours and without what nobody needs."""

import asyncio
import ipaddress
from collections import Counter
from typing import Any, cast

from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import SMTP, syntax

# Connections at once, and of one address elsewhere; a mail server on this machine may have all of them.
CONNECTIONS, OF_ONE_ADDRESS = 60, 10
# Messages that are received at once: each is in memory, some times over while it's sealed.
RECEIVING = 8
# Seconds: of a session, between two commands, for a whole message, and until one may be received.
SESSION, COMMAND, MESSAGE, TURN = 900.0, 120.0, 300.0, 30.0
# Commands of a kind in one session.
COMMANDS = {"NOOP": 100, "RSET": 1000, "VRFY": 10, "HELP": 10, "*": 5000}
# Bytes of a line of a message: servers should keep to 998 (RFC 5321, 4.5.3.1.6), and some do not.
LONGEST_LINE = 256 << 10


class SessionRoom:
    """How many sessions there are, and of whom. Where somebody connects from is known while they are connected."""

    def __init__(self) -> None:
        self._peers: Counter[str] = Counter()
        self.receiving = asyncio.Semaphore(RECEIVING)

    def enter(self, peer: str) -> bool:
        if self._peers.total() >= CONNECTIONS or (peer and self._peers[peer] >= OF_ONE_ADDRESS):
            return False
        self._peers[peer] += 1
        return True

    def leave(self, peer: str) -> None:
        self._peers[peer] -= 1
        if not self._peers[peer]:
            del self._peers[peer]


def _peer(transport: asyncio.BaseTransport) -> str:
    """ "" of this machine."""
    name = transport.get_extra_info("peername")
    host = str(name[0]) if isinstance(name, tuple) else ""
    try:
        return "" if ipaddress.ip_address(host).is_loopback else host
    except ValueError:
        return ""


class LimitedSession(SMTP):  # type: ignore[misc, unused-ignore]
    """Receives mail, and answers nothing about addresses."""

    line_length_limit = LONGEST_LINE

    def __init__(self, handler: object, room: SessionRoom, **options: Any) -> None:
        super().__init__(handler, timeout=COMMAND, command_call_limit=COMMANDS, **options)
        self._room = room
        self._peer: str | None = None  # None: not counted.
        self._end: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if self._peer is None:  # Else it begins anew with TLS.
            if not self._room.enter(peer := _peer(transport)):
                cast(asyncio.Transport, transport).write(b"421 4.3.2 Too many connections, try again later\r\n")
                transport.close()
                return
            self._peer = peer
            self._end = self.loop.call_later(SESSION, transport.close)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        if self._peer is None:
            return
        self._room.leave(self._peer)
        if self._end is not None:
            self._end.cancel()
        super().connection_lost(error)

    def eof_received(self) -> bool | None:
        return False if self._peer is None else super().eof_received()

    @syntax("DATA")
    async def smtp_DATA(self, arg: str) -> None:
        try:
            async with asyncio.timeout(TURN):
                await self._room.receiving.acquire()
        except TimeoutError:
            await self.push("452 4.3.1 Too much mail at the moment, try again later")
            return
        try:
            self._reset_timeout(MESSAGE)
            await super().smtp_DATA(arg)
        finally:
            self._room.receiving.release()

    async def smtp_VRFY(self, arg: str) -> None:
        await self.push("502 5.5.1 Not available")

    async def smtp_EXPN(self, arg: str) -> None:
        await self.push("502 5.5.1 Not available")

    async def smtp_AUTH(self, arg: str) -> None:
        await self.push("502 5.5.1 Not available")


class LimitedLmtpSession(LimitedSession, LMTP):  # type: ignore[misc, unused-ignore]
    """The same by LMTP (RFC 2033)."""
