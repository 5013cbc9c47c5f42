"""A listener in a thread of its own, with a key of which the test alone has the private half."""

import asyncio
import smtplib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from samizdat import mail_spool
from samizdat.core.crypto import seal
from samizdat.core.mail import incoming_envelope
from samizdat.listener.mailboxes import AddressBook
from samizdat.listener.server import BoxKey, MailTaker, Protocol, listen, tls_context

LANTERN, OTHER = b"l" * 16, b"o" * 16
PRIVATE = b"k" * 32
PUBLIC = seal.public_key(PRIVATE)
ROWS = [
    {
        "organization": LANTERN.hex(),
        "addresses": ["bounces@lantern.example", "news@lantern.example", "@all.lantern.example"],
        "keys": [1],
        "most": 10 << 20,
        "most_of_strangers": 10 << 20,
    },
    {
        "organization": OTHER.hex(),
        "addresses": ["back@other.example"],
        "keys": [2],
        "most": 10 << 20,
        "most_of_strangers": 10 << 20,
    },
]


class Door:
    """What waits behind a listener, and how one talks to it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.spool = mail_spool.MailSpool(folder)
        self.port = 0

    def talk(self) -> smtplib.SMTP:
        return smtplib.SMTP("127.0.0.1", self.port, local_hostname="mx.example", timeout=30)

    def send(
        self, to: str | list[str], text: bytes = b"Subject: hi\r\n\r\nHello\r\n", sender: str = "ada@a.example"
    ) -> None:
        with self.talk() as session:
            session.sendmail(sender, to, text)

    def kept(self) -> list[tuple[bytes, incoming_envelope.Envelope]]:
        """(organization, message) of all that was answered with yes."""
        files = [path for portion in mail_spool.waiting(self.folder) for path in portion]
        boxes = [mail_spool.read(path) for path in files]
        return [(uid, incoming_envelope.EnvelopeOpener(uid, {7: PRIVATE}).open(box)) for uid, box in boxes]


def start(
    door: Door,
    protocol: Protocol,
    certificate: str = "",
    rows: Any = ROWS,
    box_key: BoxKey = lambda _uid: (7, PUBLIC),
) -> Iterator[Door]:
    loop = asyncio.new_event_loop()
    listener = socket.create_server(("127.0.0.1", 0))
    door.port = listener.getsockname()[1]
    taker = MailTaker(AddressBook(lambda: rows), box_key, door.spool)
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    server = asyncio.run_coroutine_threadsafe(
        listen(listener, protocol, taker, "mx.lantern.example", tls_context(certificate)), loop
    ).result(30)
    try:
        yield door
    finally:
        loop.call_soon_threadsafe(server.close)
        asyncio.run_coroutine_threadsafe(_ended(), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(30)
        loop.close()


async def _ended() -> None:
    tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    yield from start(Door(tmp_path), "smtp")


@pytest.fixture
def lmtp_door(tmp_path: Path) -> Iterator[Door]:
    yield from start(Door(tmp_path), "lmtp")
