"""The demo's mail catchers: SMTP servers on loopback that keep what they accept in memory, and nowhere else.

They speak as much SMTP as our own client needs. aiosmtpd would do, but takes six times as long as the sender itself,
and the demo sends a year of campaigns.
"""

import asyncio
import email
import re
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import default
from typing import Any

_DOT = b"\r\n.\r\n"
_EXTENSIONS = b"250-catcher.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 SIZE 52428800\r\n"
_OK = b"250 2.0.0 caught\r\n"
SUSPENDED = b"550 5.7.1 Sending for this account is suspended, see ticket 48213\r\n"
NO_SUCH_MAILBOX = b"550 5.1.1 No such user here\r\n"
_NUMBER = re.compile(r"\d+").search


@dataclass(frozen=True, slots=True)
class CaughtMail:
    """One caught letter. packed: zlib, since 2,000 letters of 35 kB would take 70 MB as they are."""

    number: int
    sender: str
    recipient: str
    packed: bytes

    def message(self) -> EmailMessage:
        parsed = email.message_from_bytes(zlib.decompress(self.packed), policy=default)
        assert isinstance(parsed, EmailMessage)
        return parsed


class Caught:
    """What all catchers have accepted. `keeps`: the emails themselves, not only how many they are."""

    def __init__(self, keeps: bool = True) -> None:
        self.keeps = keeps
        self.accepted = 0
        self._letters: list[CaughtMail] = []
        self._lock = threading.Lock()

    def add(self, sender: str, recipient: str, data: bytes) -> None:
        packed = zlib.compress(data, 1) if self.keeps else b""
        with self._lock:
            self.accepted += 1
            if packed:
                self._letters.append(CaughtMail(len(self._letters) + 1, sender, recipient, packed))

    def count(self) -> int:
        return len(self._letters)

    def letters(self, limit: int = 100) -> list[CaughtMail]:
        """The newest first."""
        with self._lock:
            return list(reversed(self._letters[-limit:]))

    def letter(self, number: int) -> CaughtMail | None:
        with self._lock:
            return self._letters[number - 1] if 0 < number <= len(self._letters) else None


# Of so many invented addresses one loses its mailbox within so many months.
_LOST, MONTHS = 30, 14


def has_no_mailbox(address: str, month: int) -> bool:
    """Whether the receiving server of an invented address doesn't know it, in a month from 0."""
    drawn = _drawn(address)
    return drawn % _LOST == 7 and drawn // _LOST % MONTHS <= month


def loses_answer(address: str) -> bool:
    """Whether the connection is lost before the answer to an email to this address: 1 in 450."""
    return _drawn(address) % 450 == 32


def _drawn(address: str) -> int:
    """Invented addresses are numbered; those of people who are added by hand are not, and nothing happens to them."""
    number = _NUMBER(address.rpartition("@")[0].partition("+")[0])  # Behind a plus stands the code of a bounce address.
    return int(number[0]) if number else 0


@dataclass(slots=True)
class MailCatcher:
    """Listens on 127.0.0.1:port. `accepts`: so many emails, then the account is suspended; None: no limit. `loses`: now
    and then the connection drops before the answer. `month`: which addresses have lost their mailbox."""

    port: int
    caught: Caught
    accepts: int | None = None
    loses: bool = False
    month: int = 0
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)
    _server: Any = None

    def start(self) -> None:
        """Errors: OSError for a port that is taken."""
        making = self._loop.create_server(lambda: _Connection(self), "127.0.0.1", self.port)
        self._server = self._loop.run_until_complete(making)
        threading.Thread(target=self._loop.run_forever, daemon=True).start()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._server.close)
        self._loop.call_soon_threadsafe(self._loop.stop)

    def is_suspended(self) -> bool:
        return self.accepts is not None and self.accepts <= 0

    def take(self, sender: str, recipient: str, data: bytes) -> bytes:
        """The answer to a whole email; nothing where the connection is lost instead."""
        if self.loses and loses_answer(recipient):
            return b""
        if self.accepts is not None:
            self.accepts -= 1
        self.caught.add(sender, recipient, data)
        return _OK


@contextmanager
def catching(*catchers: MailCatcher) -> Iterator[None]:
    for catcher in catchers:
        catcher.start()
    try:
        yield
    finally:
        for catcher in catchers:
            catcher.stop()


class _Connection(asyncio.Protocol):
    """One client: commands, a line each, and the content of an email up to its dot."""

    def __init__(self, catcher: MailCatcher) -> None:
        self._catcher = catcher
        self._buffer = bytearray()
        self._is_content = False
        self._sender = self._recipient = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(b"220 catcher.example ESMTP\r\n")

    def data_received(self, data: bytes) -> None:
        searched = max(0, len(self._buffer) - len(_DOT))
        self._buffer += data
        answers = b""
        while not self._transport.is_closing():
            end = self._buffer.find(_DOT if self._is_content else b"\r\n", searched)
            if end < 0:
                break
            part = bytes(self._buffer[:end])
            del self._buffer[: end + (len(_DOT) if self._is_content else 2)]
            searched = 0
            answers += self._content(part) if self._is_content else self._command(part)
        if answers:
            self._transport.write(answers)

    def _command(self, line: bytes) -> bytes:
        word = line[:4].upper()
        if word == b"EHLO":
            return _EXTENSIONS
        if word == b"MAIL":
            self._sender, self._recipient = _address(line), ""
            return SUSPENDED if self._catcher.is_suspended() else b"250 2.1.0 OK\r\n"
        if word == b"RCPT":
            recipient = _address(line)
            if has_no_mailbox(recipient, self._catcher.month):
                return NO_SUCH_MAILBOX
            self._recipient = recipient
            return b"250 2.1.5 OK\r\n"
        if word == b"DATA":
            self._is_content = bool(self._recipient)
            return b"354 go ahead\r\n" if self._is_content else b"503 5.5.1 no recipient\r\n"
        if word == b"QUIT":
            self._transport.write(b"221 2.0.0 bye\r\n")
            self._transport.close()
            return b""
        return b"250 2.0.0 OK\r\n" if word in (b"HELO", b"RSET", b"NOOP") else b"500 5.5.2 unknown command\r\n"

    def _content(self, data: bytes) -> bytes:
        self._is_content = False
        answer = self._catcher.take(self._sender, self._recipient, data.replace(b"\r\n..", b"\r\n.") + b"\r\n")
        if not answer:
            self._transport.close()
        return answer


def _address(line: bytes) -> str:
    """`RCPT TO:<a@b>` as a@b."""
    return line[line.find(b"<") + 1 : line.find(b">")].decode("utf-8", "replace")


def parts_of(message: EmailMessage) -> dict[str, str]:
    """{"html": …, "text": …} of a caught letter, empty where it has none."""
    parts: dict[str, str] = {}
    for kind, name in (("html", "html"), ("plain", "text")):
        part: Any = message.get_body((kind,))
        parts[name] = part.get_content() if part is not None else ""
    return parts
