"""A server that is not ours says whether the client speaks SMTP: aiosmtpd, strict and without PIPELINING."""

import asyncio
import email
import email.policy
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, Envelope

from tests.transports.desk import Desk, carried, letter, letters


class Taker:
    def __init__(self) -> None:
        self.envelopes: list[Envelope] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Envelope) -> str:
        self.envelopes.append(envelope)
        return "250 OK"


@pytest.mark.parametrize("connections", [1, 4])
def test_a_strict_server_accepts_everything_and_reads_what_was_written(connections: int) -> None:
    sent = [
        *letters(20),
        letter("дмитрий@north.example"),
        letter("dots@north.example", content=b"Subject: .\r\n\r\n..\r\n.\r\n"),
    ]
    taker = Taker()

    async def go() -> Desk:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: SMTP(taker, enable_SMTPUTF8=True, loop=loop), "127.0.0.1", 0)
        desk = Desk(sent)
        port = server.sockets[0].getsockname()[1]
        assert (await carried(f"smtp+plain://127.0.0.1:{port}", desk, connections)).state == "ok"
        server.close()
        return desk

    assert len(asyncio.run(go()).accepted) == len(sent)
    got = {envelope.rcpt_tos[0]: envelope.content for envelope in taker.envelopes}
    assert got == {message.recipient: message.content for message in sent}
    assert all(not email.message_from_bytes(content, policy=email.policy.default).defects for content in got.values())
