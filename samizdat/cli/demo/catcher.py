"""The demo's mail catcher: a real SMTP server on loopback that keeps what it is given in memory, and nowhere else."""

import email
import threading
import zlib
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import default
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session


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


class MailCatcher:
    """Listens on host:port. letters() gives what came, the newest first."""

    def __init__(self, host: str, port: int) -> None:
        self._letters: list[CaughtMail] = []
        self._lock = threading.Lock()
        # No host name of this machine in the banner, and room for the largest letter that is allowed.
        self._controller = Controller(self, hostname=host, port=port, server_hostname="catcher.example")

    def start(self) -> None:
        self._controller.start()

    def stop(self) -> None:
        self._controller.stop()

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        content = envelope.content or b""
        data = content.encode() if isinstance(content, str) else content
        packed = zlib.compress(data, 1)
        with self._lock:
            for recipient in envelope.rcpt_tos:
                number = len(self._letters) + 1
                self._letters.append(CaughtMail(number, envelope.mail_from or "", recipient, packed))
        return "250 2.0.0 caught"

    def count(self) -> int:
        return len(self._letters)

    def letters(self, limit: int = 100) -> list[CaughtMail]:
        with self._lock:
            return list(reversed(self._letters[-limit:]))

    def letter(self, number: int) -> CaughtMail | None:
        with self._lock:
            return self._letters[number - 1] if 0 < number <= len(self._letters) else None


def parts_of(message: EmailMessage) -> dict[str, str]:
    """{"html": …, "text": …} of a caught letter, empty where it has none."""
    parts: dict[str, str] = {}
    for kind, name in (("html", "html"), ("plain", "text")):
        part: Any = message.get_body((kind,))
        parts[name] = part.get_content() if part is not None else ""
    return parts
