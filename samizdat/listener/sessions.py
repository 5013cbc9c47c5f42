"""A session with a mail server that hands mail over: aiosmtpd's, with limits of ours and without what nobody needs."""

import asyncio
import ipaddress
import time
from collections import Counter
from typing import Any, cast

from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import SMTP, syntax

from samizdat.core.mail.incoming_envelope import MOST, MOST_RECEIVED, MessageBeginning
from samizdat.core.mail.token_bucket import Bucket

# Connections at once, and of one address elsewhere; a mail server on this machine may have all of them.
CONNECTIONS, OF_ONE_ADDRESS = 60, 10
# Messages that are received at once: each is in memory, some times over while it's sealed.
RECEIVING = 8
# Messages that are received as fast as they come, and how many a second of those that come on top: a flood gets a tenth
# of a core, and waits at whoever sends it.
AT_ONCE, A_SECOND = 1000, 100
# Seconds: of a session, between two commands, for a whole message, and until one may be received.
SESSION, COMMAND, MESSAGE, TURN = 900.0, 120.0, 300.0, 30.0
# Commands of a kind in one session.
COMMANDS = {"NOOP": 100, "RSET": 1000, "VRFY": 10, "HELP": 10, "*": 5000}
# Bytes of a connection that wait to be read: at twice as many asyncio stops receiving. And more than that can ever be.
READ_AHEAD, ALL_THERE_IS = 256 << 10, 8 << 20
# What ends a message (RFC 5321, 4.1.1.4).
_END = b"\r\n.\r\n"


class SessionRoom:
    """How many sessions there are, and of whom. Where somebody connects from is known while they are connected."""

    def __init__(self, pace: Bucket | None = None) -> None:
        self._peers: Counter[str] = Counter()
        self._pace = pace or Bucket(AT_ONCE, A_SECOND)
        self.receiving = asyncio.Semaphore(RECEIVING)

    async def turn(self) -> None:
        """Waits until another message may be received."""
        while seconds := self._pace.take(time.monotonic()):
            await asyncio.sleep(seconds)

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


def _return_path(sender: str | None) -> bytes:
    """The first line of a message, without its end (RFC 5321, 4.4). sender: "" of a bounce."""
    return b"Return-Path: <" + (sender or "").encode("utf-8", "replace").translate(None, b"\r\n\0<>") + b">"


class ReceivedContent:
    """What a session receives behind DATA, without the dots that mark lines (RFC 5321, 4.5.2), below a line of ours.

    Its lines may be as many and as long as they like: no more of all of them is held than the beginning.
    """

    def __init__(self, first_line: bytes) -> None:
        self.message = MessageBeginning(MOST)
        self.message.add(first_line)
        self._open = b"\r\n"  # What may belong to the end of the message.

    def take(self, piece: bytes) -> bytes | None:
        """What stands behind the end of the message; None where it goes on."""
        text = self._open + piece
        at = text.find(_END)
        if at >= 0:
            self._add(text[: at + 2])
            return text[at + len(_END) :]
        begun = next((length for length in range(len(_END) - 1, 0, -1) if text.endswith(_END[:length])), 0)
        self._open = _END[:begun]
        self._add(text[: len(text) - begun])
        return None

    def _add(self, text: bytes) -> None:
        self.message.add(text.replace(b"\r\n.", b"\r\n"))


class LimitedSession(SMTP):  # type: ignore[misc, unused-ignore]
    """Receives mail, and answers nothing about addresses."""

    line_length_limit = READ_AHEAD

    def __init__(self, handler: object, room: SessionRoom, **options: Any) -> None:
        super().__init__(handler, timeout=COMMAND, command_call_limit=COMMANDS, **options)
        self.received = MessageBeginning(0)
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
            await self._room.turn()
            self._reset_timeout(MESSAGE)
            await self._receive(arg)
        finally:
            self.received = MessageBeginning(0)
            self._room.receiving.release()

    async def _receive(self, arg: str) -> None:
        """aiosmtpd's own holds an object for each line, and refuses what is longer than it holds: bounces too, which
        nobody sends again."""
        if await self.check_helo_needed():
            return
        assert self.envelope is not None
        if arg or not self.envelope.rcpt_tos:
            await self.push("501 Syntax: DATA" if arg else "503 Error: need RCPT command")
            return
        await self.push("354 End data with <CR><LF>.<CR><LF>")
        behind = await self._receive_content(_return_path(self.envelope.mail_from))
        if behind is None:
            await self.push("552 5.3.4 Too much mail data, closing the connection")
            self._writer.close()
            return
        self._reader.feed_data(behind)  # Nothing else is in it.
        answer = await self._call_handler_hook("DATA")
        self._set_post_data_state()  # type: ignore[no-untyped-call, unused-ignore]
        await self.push(answer)

    async def _receive_content(self, first_line: bytes) -> bytes | None:
        """What came behind it; None where it is too long."""
        content, behind = ReceivedContent(first_line), None
        self.received = content.message
        while behind is None:
            piece = await self._reader.read(ALL_THERE_IS)
            if not piece:
                raise ConnectionResetError
            behind = content.take(piece)
            if self.received.size > (self.data_size_limit or MOST_RECEIVED):
                return None
        return behind

    async def smtp_VRFY(self, arg: str) -> None:
        await self.push("502 5.5.1 Not available")

    async def smtp_EXPN(self, arg: str) -> None:
        await self.push("502 5.5.1 Not available")

    async def smtp_AUTH(self, arg: str) -> None:
        await self.push("502 5.5.1 Not available")


class LimitedLmtpSession(LimitedSession, LMTP):  # type: ignore[misc, unused-ignore]
    """The same by LMTP (RFC 2033)."""
