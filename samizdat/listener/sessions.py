"""A session with a mail server that hands mail over: aiosmtpd's, with limits of ours and without what nobody needs."""

import asyncio
import ipaddress
from collections import Counter
from typing import Any, cast

from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import SMTP, syntax

from samizdat.core.mail.incoming_envelope import MOST

# Connections at once, and of one address elsewhere; a mail server on this machine may have all of them.
CONNECTIONS, OF_ONE_ADDRESS = 60, 10
# Messages that are received at once: each is in memory, some times over while it's sealed.
RECEIVING = 8
# Seconds: of a session, between two commands, for a whole message, and until one may be received.
SESSION, COMMAND, MESSAGE, TURN = 900.0, 120.0, 300.0, 30.0
# Commands of a kind in one session.
COMMANDS = {"NOOP": 100, "RSET": 1000, "VRFY": 10, "HELP": 10, "*": 5000}
# Bytes of a line of a message: servers should keep to 998 (RFC 5321, 4.5.3.1.6), and some do not. Lines of one: the
# largest messages have 140,000.
LONGEST_LINE, MOST_LINES = 256 << 10, 400_000
# Of a message that is too much so many times is heard to its end, for a server that waits to say it.
HEARD = 4


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


class ReceivedContent:
    """What a session receives behind DATA (RFC 5321, 4.5.2), up to `most` bytes. `refusal`: "" or the answer."""

    def __init__(self, most: int) -> None:
        self.data, self.refusal, self.has_ended = bytearray(), "", False
        self._most = most
        self._bytes = self._lines = self._of_line = 0

    @property
    def is_endless(self) -> bool:
        return self._bytes > HEARD * self._most or self._lines > HEARD * MOST_LINES

    def take(self, piece: bytes) -> None:
        """piece: a line, or a part of one."""
        if not self._of_line and piece == b".\r\n":
            self.has_ended = True
            return
        begins, ends = not self._of_line, piece.endswith(b"\r\n")
        self._bytes += len(piece)
        self._lines += ends
        self._of_line += len(piece)
        if self._of_line > LONGEST_LINE:
            self._refuse("500 5.6.0 Line too long (see RFC5321 4.5.3.1.6)")
        elif self._bytes > self._most or self._lines > MOST_LINES:
            self._refuse("552 5.3.4 Too much mail data")
        if not self.refusal:
            self.data += piece[1:] if begins and piece.startswith(b".") else piece
        if ends:
            self._of_line = 0

    def _refuse(self, answer: str) -> None:
        self.refusal = self.refusal or answer
        self.data.clear()


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
            await self._receive(arg)
        finally:
            self._room.receiving.release()

    async def _receive(self, arg: str) -> None:
        """aiosmtpd's own would hold an object for each line, and all of a line without end."""
        if await self.check_helo_needed():
            return
        assert self.envelope is not None
        if arg or not self.envelope.rcpt_tos:
            await self.push("501 Syntax: DATA" if arg else "503 Error: need RCPT command")
            return
        await self.push("354 End data with <CR><LF>.<CR><LF>")
        content = ReceivedContent(self.data_size_limit or MOST)
        while not content.has_ended:
            content.take(await self._piece())
            if content.is_endless:
                await self.push("421 4.3.4 Too much, closing the connection")
                self._writer.close()
                return
        self.envelope.original_content = bytes(content.data)
        answer = content.refusal or await self._call_handler_hook("DATA")
        self._set_post_data_state()  # type: ignore[no-untyped-call, unused-ignore]
        await self.push(answer)

    async def _piece(self) -> bytes:
        """A line, or the next part of a long one."""
        try:
            line: bytes = await self._reader.readuntil(b"\r\n")
            return line
        except asyncio.LimitOverrunError as long:
            part: bytes = await self._reader.read(long.consumed)
            return part
        except asyncio.CancelledError:  # The connection is lost.
            self._writer.close()
            raise

    async def smtp_VRFY(self, arg: str) -> None:
        await self.push("502 5.5.1 Not available")

    async def smtp_EXPN(self, arg: str) -> None:
        await self.push("502 5.5.1 Not available")

    async def smtp_AUTH(self, arg: str) -> None:
        await self.push("502 5.5.1 Not available")


class LimitedLmtpSession(LimitedSession, LMTP):  # type: ignore[misc, unused-ignore]
    """The same by LMTP (RFC 2033)."""
