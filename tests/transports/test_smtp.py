"""The SMTP client against a server that does everything wrong, each in its turn."""

import asyncio
import itertools
import re
import socket
from asyncio.sslproto import SSLProtocol
from collections.abc import Iterator
from pathlib import Path

import pytest

from samizdat.core.mail.outcome import Accepted, Deferred, Refused, RouteVerdict, Unsure
from samizdat.plugins import read_url
from samizdat.transports.base import BadRoute, Message
from samizdat.transports.providers.smtp import SmtpTransport
from samizdat.transports.smtp_client.server import read_server, shown
from samizdat.transports.smtp_client.session import SmtpSession
from tests.smtp_server import (
    HANG_UP,
    HANG_UP_UNTAKEN,
    RESET,
    STALL,
    Certificates,
    ScriptedServer,
    delay,
    endless,
    giant,
)
from tests.transports.desk import Desk, carried, carry, letter, letters, probe

ADA, BORIS, CLARA = (letter(f"{name}@north.example", number) for number, name in enumerate(("ada", "boris", "clara")))


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as server:
        yield server
        assert server.violations == []


@pytest.fixture(params=[True, False], ids=["pipelining", "one by one"])
def either(request: pytest.FixtureRequest) -> Iterator[ScriptedServer]:
    """The same, and once without PIPELINING."""
    with ScriptedServer(pipelining=request.param) as server:
        yield server
        assert server.violations == []


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path)


def test_every_message_arrives_once_and_as_it_was_made(either: ScriptedServer) -> None:
    sent = letters(30)
    desk, verdict = carry(either.url, sent)
    assert verdict.state == "ok"
    assert desk.accepted == [message.recipient for message in sent]
    assert [(caught.recipient, caught.content) for caught in either.messages] == [
        (message.recipient, message.content) for message in sent
    ]
    assert {caught.sender for caught in either.messages} == {"news@lantern.example"}
    assert either.connected == 1
    assert either.commands[-1] == "QUIT"


def test_nothing_to_send_opens_no_connection(server: ScriptedServer) -> None:
    carry(server.url, [])
    assert server.connected == 0


def test_each_message_is_written_down_before_its_end_can_leave(server: ScriptedServer) -> None:
    async def go() -> None:
        desk = Desk(letters(20))
        desk.on_finishing = lambda message: seen.append(server.copies(message.recipient))
        await carried(server.url, desk)

    seen: list[int] = []
    asyncio.run(go())
    assert seen == [0] * 20


def test_at_most_two_messages_are_out_in_one_connection(server: ScriptedServer) -> None:
    async def go() -> None:
        desk = Desk(letters(20))
        desk.on_finishing = lambda message: out.append(len(desk.taken) - len(desk.told))
        await carried(server.url, desk)

    out: list[int] = []
    asyncio.run(go())
    assert max(out) <= 2


def test_lines_that_begin_with_a_dot_and_bare_line_ends_survive(either: ScriptedServer) -> None:
    content = b"Subject: dots\n\n.\r\n..two\r\n.QUIT\rend"
    carry(either.url, [letter("ada@north.example", content=content), BORIS])
    assert either.messages[0].content == b"Subject: dots\r\n\r\n.\r\n..two\r\n.QUIT\r\nend\r\n"
    assert len(either.messages) == 2


def test_a_message_object_is_not_changed_by_sending(server: ScriptedServer) -> None:
    message = letter("ada@north.example", content=b".dot\n")
    carry(server.url, [message])
    assert message.content == b".dot\n"


# Refusals


def test_a_refused_recipient_is_refused_alone(either: ScriptedServer) -> None:
    either.on("rcpt", "550 5.1.1 <boris@north.example>: no such user", recipient="boris@north.example")
    desk, verdict = carry(either.url, [ADA, BORIS, CLARA])
    assert desk.accepted == ["ada@north.example", "clara@north.example"]
    refused = desk.told["boris@north.example"]
    assert isinstance(refused, Refused)
    assert (refused.code, refused.scope, refused.answer) == (550, "recipient", "no_such_mailbox")
    assert "boris" not in refused.text
    assert "boris@north.example" not in desk.finished
    assert verdict.state == "ok"


def test_a_refused_recipient_with_354_after_all_is_ended_by_a_lone_dot() -> None:
    with ScriptedServer(lenient_data=True) as server:
        server.on("rcpt", "550 5.1.1 no such user", when=lambda moment: moment.recipient.startswith("reader1"))
        desk, _ = carry(server.url, letters(15))
        assert len(desk.accepted) == 9
        assert len(desk.refused) == 6
        assert set(server.counts()) == set(desk.accepted)
        assert server.violations == []


@pytest.mark.parametrize("stage", ["rcpt", "data", "final"])
def test_every_other_message_deferred_is_told_as_it_was(either: ScriptedServer, stage: str) -> None:
    turn = itertools.count()
    either.on(stage, "450 4.2.0 not now", when=lambda moment: next(turn) % 2 == 0)
    desk, verdict = carry(either.url, letters(12, domains=1))
    assert verdict.state == "ok"
    assert desk.deferred == [message.recipient for message in letters(12, domains=1)[::2]]
    assert [caught.recipient for caught in either.messages] == desk.accepted
    assert len(desk.accepted) == 6


def test_a_deferred_recipient_may_be_tried_again(either: ScriptedServer) -> None:
    either.on("rcpt", "450 4.7.1 Greylisted, try again in 300 seconds", recipient="boris@north.example")
    desk, _ = carry(either.url, [ADA, BORIS, CLARA])
    assert desk.told["boris@north.example"] == Deferred(
        450, "4.7.1 Greylisted, try again in 300 seconds", "recipient", "greylisted", 300
    )
    assert len(desk.accepted) == 2


def test_a_refused_message_is_refused_alone(either: ScriptedServer) -> None:
    either.on("final", "554 5.6.0 too many pictures", recipient="boris@north.example")
    desk, _ = carry(either.url, [ADA, BORIS, CLARA])
    outcome = desk.told["boris@north.example"]
    assert isinstance(outcome, Refused)
    assert outcome.scope == "message"
    assert len(desk.accepted) == 2


def test_a_message_larger_than_the_relay_takes_is_refused_before_it_is_sent() -> None:
    with ScriptedServer(extensions=("SIZE 1000",)) as server:
        desk, _ = carry(server.url, [letter("ada@north.example", content=b"x" * 70 + b"\r\n" * 500), BORIS])
        assert desk.told["ada@north.example"].answer == "size"  # type: ignore[union-attr]
        assert desk.accepted == ["boris@north.example"]


@pytest.mark.parametrize(
    "recipient",
    ["", "ada@x.example>\r\nRCPT TO:<eve@x.example", "ada @x.example", "a\x00@x.example", "a\ud800@x.example"],
)
def test_an_address_that_would_be_a_command_is_refused_alone(server: ScriptedServer, recipient: str) -> None:
    desk, _ = carry(server.url, [letter("x@x.example"), letter(recipient, content=b"x\r\n"), ADA])
    assert desk.refused == [recipient]
    assert len(server.messages) == 2


def test_a_quoted_local_part_may_hold_a_space(server: ScriptedServer) -> None:
    desk, _ = carry(server.url, [letter('"ada l"@north.example')])
    assert desk.accepted == ['"ada l"@north.example']


# SMTPUTF8 and 8BITMIME


def test_an_address_in_another_script_goes_where_smtputf8_is_offered(either: ScriptedServer) -> None:
    desk, _ = carry(either.url, [letter("дмитрий@north.example"), BORIS])
    assert len(desk.accepted) == 2
    assert "SMTPUTF8" in either.messages[0].parameters
    assert "SMTPUTF8" not in either.messages[1].parameters
    assert either.messages[0].recipient == "дмитрий@north.example"


def test_without_smtputf8_that_message_alone_is_refused_with_the_reason() -> None:
    with ScriptedServer(extensions=("8BITMIME",)) as server:
        desk, _ = carry(server.url, [ADA, letter("дмитрий@north.example"), BORIS])
        outcome = desk.told["дмитрий@north.example"]
        assert isinstance(outcome, Refused)
        assert (outcome.scope, outcome.answer) == ("message", "utf8")
        assert len(desk.accepted) == 2


def test_eight_bit_content_says_so_or_is_refused() -> None:
    message = letter("ada@north.example", content="Subject: x\r\n\r\nпривет\r\n".encode())
    with ScriptedServer() as server:
        carry(server.url, [message])
        assert "BODY=8BITMIME" in server.messages[0].parameters
    with ScriptedServer(extensions=()) as server:
        desk, _ = carry(server.url, [message, BORIS])
        assert desk.refused == ["ada@north.example"]
        assert desk.accepted == ["boris@north.example"]


def test_a_server_that_knows_only_helo_is_served() -> None:
    with ScriptedServer(pipelining=False, extensions=()) as server:
        server.on("ehlo", "502 5.5.2 unknown")
        desk, _ = carry(server.url, [ADA])
        assert desk.accepted == ["ada@north.example"]
        assert any(line.startswith("HELO ") for line in server.commands)


# The connection ends


def test_hanging_up_after_the_final_dot_is_unsure_and_the_rest_goes_on(either: ScriptedServer) -> None:
    either.on("final", HANG_UP, recipient="reader3@d3.example")
    desk, verdict = carry(either.url, letters(10))
    assert desk.unsure == ["reader3@d3.example"]
    assert len(desk.accepted) == 9
    assert verdict.state == "ok"
    assert max(either.counts().values()) == 1


@pytest.mark.parametrize("stage", ["mail", "rcpt", "data"])
@pytest.mark.parametrize("how", [HANG_UP, RESET, "421 4.3.2 shutting down"], ids=["hang up", "reset", "421"])
def test_what_was_not_handed_over_is_sent_by_another_connection(
    either: ScriptedServer, stage: str, how: object
) -> None:
    either.on(stage, how, after=3, times=1)  # type: ignore[arg-type]
    desk, verdict = carry(either.url, letters(10))
    assert verdict.state == "ok"
    assert len(desk.accepted) == 10
    assert set(either.counts().values()) == {1}
    assert either.connected == 2


def test_a_421_to_the_final_dot_defers_that_message_and_keeps_the_others(either: ScriptedServer) -> None:
    either.on("final", "421 4.3.2 shutting down", after=3, times=1)
    desk, verdict = carry(either.url, letters(10))
    assert verdict.state == "ok"
    assert len(desk.deferred) == 1
    assert len(desk.accepted) == 9


def test_a_relay_that_takes_so_many_a_session_gets_new_sessions() -> None:
    with ScriptedServer(session_limit=10) as server:
        desk, verdict = carry(server.url, letters(55))
        assert verdict.state == "ok"
        assert len(desk.accepted) == 55
        assert server.connected == 6
        assert set(server.counts().values()) == {1}


def test_opensmtpd_that_takes_a_thousand_a_session_gets_a_new_one_and_the_route_does_not_rest(
    either: ScriptedServer,
) -> None:
    enough = "452 4.5.3 Too many recipients: Too many messages sent"
    either.on("mail", enough, when=lambda moment: moment.taken_here >= 10)
    desk, verdict = carry(either.url, letters(55))
    assert verdict.state == "ok"
    assert (len(desk.accepted), either.connected) == (55, 6)
    assert set(either.counts().values()) == {1}


def test_a_server_that_says_it_of_the_first_message_of_a_session_has_the_route_rest(server: ScriptedServer) -> None:
    server.on("mail", "452 4.5.3 Too many recipients: Too many messages sent")
    desk, verdict = carry(server.url, letters(10))
    assert (verdict.state, verdict.reason, desk.accepted) == ("throttled", "busy", [])


def test_a_message_that_makes_every_server_hang_up_is_deferred_and_the_rest_goes_on(server: ScriptedServer) -> None:
    server.on("rcpt", HANG_UP, recipient="reader3@d3.example")
    desk, verdict = carry(server.url, letters(10))
    assert verdict.state == "ok"
    assert desk.deferred == ["reader3@d3.example"]
    assert len(desk.accepted) == 9


def test_a_relay_that_hangs_up_on_every_message_is_down_and_costs_few_unsure(server: ScriptedServer) -> None:
    server.on("final", HANG_UP)
    desk, verdict = carry(server.url, letters(200), connections=20)
    assert (verdict.state, verdict.reason) == ("throttled", "hung_up")
    assert len(desk.unsure) == 3
    assert len(desk.told) <= 6


@pytest.mark.parametrize("stage", ["banner", "ehlo"])
@pytest.mark.parametrize("how", [HANG_UP, RESET])
def test_a_relay_that_hangs_up_before_the_first_message_is_down(
    server: ScriptedServer, stage: str, how: object
) -> None:
    server.on(stage, how)  # type: ignore[arg-type]
    desk, verdict = carry(server.url, [ADA])
    assert (verdict.state, verdict.reason) == ("throttled", "hung_up")
    assert desk.told["ada@north.example"].scope == "route"  # type: ignore[union-attr]


def test_a_relay_that_dies_in_the_middle_loses_and_doubles_nothing() -> None:
    with ScriptedServer() as server:
        server.die_after(40)
        desk, verdict = carry(server.url, letters(100), connections=4)
        assert verdict.state == "throttled"
        assert len(desk.accepted) + len(desk.unsure) >= 40
        assert set(desk.accepted) <= set(server.counts()) <= set(desk.accepted) | set(desk.unsure)
        assert set(server.counts().values()) == {1}
        server.revive()
        rest = [message for message in letters(100) if message.recipient not in server.counts()]
        again, verdict = carry(server.url, rest)
        assert verdict.state == "ok"
        assert set(server.counts().values()) == {1}
        assert len(server.counts()) == 100


# Silence


@pytest.mark.parametrize("stage", ["connect", "banner", "ehlo"])
def test_silence_before_the_first_message_takes_the_route_down(server: ScriptedServer, stage: str) -> None:
    server.on(stage, STALL)
    desk, verdict = carry(server.url, [ADA], timeout=0.2)
    assert (verdict.state, verdict.reason) == ("throttled", "silent")
    assert "isn’t responding in time" in verdict.sentence
    assert desk.deferred == ["ada@north.example"]


@pytest.mark.parametrize("stage", ["mail", "rcpt", "data"])
def test_silence_before_hand_over_loses_nothing(either: ScriptedServer, stage: str) -> None:
    either.on(stage, STALL, after=2, times=1)
    desk, _ = carry(either.url, letters(5), timeout=0.3)
    assert len(desk.accepted) == 5
    assert set(either.counts().values()) == {1}


def test_silence_after_the_final_dot_is_unsure(either: ScriptedServer) -> None:
    either.on("final", STALL, after=2, times=1)
    desk, _ = carry(either.url, letters(5), timeout=0.3)
    assert len(desk.unsure) == 1
    assert len(desk.accepted) == 4


def test_a_server_that_stops_reading_has_surely_not_taken_the_message() -> None:
    """The end of the message never left this process, so another connection may have it without a copy."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        listener.bind(("127.0.0.1", 0))
        listener.listen()

        async def go() -> Desk:
            desk = Desk([letter("ada@north.example", content=b"x" * 70 + b"\r\n" * 10_000_000)])
            task = asyncio.ensure_future(
                carried(f"smtp+plain://127.0.0.1:{listener.getsockname()[1]}", desk, timeout=0.5)
            )
            loop = asyncio.get_running_loop()
            listener.setblocking(False)
            for _ in range(2):  # once more for the second connection
                peer, _ = await loop.sock_accept(listener)
                for line in (b"220 hi", b"250-hi\r\n250 PIPELINING", b"250 ok\r\n250 ok\r\n354 go"):
                    await loop.sock_sendall(peer, line + b"\r\n")
                    if not line.startswith(b"250 ok"):
                        await loop.sock_recv(peer, 1000)
                peers.append(peer)
            await task
            return desk

        peers: list[socket.socket] = []
        desk = asyncio.run(go())
        for peer in peers:
            peer.close()
    assert desk.deferred == ["ada@north.example"]
    assert not desk.unsure


# Nonsense


@pytest.mark.parametrize(
    "answer",
    [
        b"999 what\r\n",
        b"042 what\r\n",
        b"111 what\r\n",
        b"354 what\r\n",
        b"654 what\r\n",
        b"hello\r\n",
        b"\xff\xfe\xfa\r\n",
        b"<html><body>\r\n",
        b"550\xa0no-break\r\n",
        b"999-a\r\n999 b\r\n",
    ],
)
@pytest.mark.parametrize("stage", ["mail", "rcpt", "data", "final"])
def test_answers_that_make_no_sense_defer_the_message_and_blame_the_route(
    either: ScriptedServer, stage: str, answer: bytes
) -> None:
    if stage == "data" and answer[:3] == b"354":
        return
    either.on(stage, answer, after=2, times=1)
    desk, _ = carry(either.url, letters(5), timeout=3)
    assert len(desk.told) == 5
    assert not desk.refused
    for recipient in desk.deferred:
        assert desk.told[recipient].scope in ("route", "recipient")  # type: ignore[union-attr]
    assert len(desk.accepted) >= 4
    either.violations.clear()  # after nonsense the two may disagree about the state; that is why we hang up


def test_an_answer_of_several_lines_with_gaps_is_one_answer(server: ScriptedServer) -> None:
    server.on("rcpt", b"250-one\r\n\r\n250-two\r\nno code here\r\n250 three\r\n", times=1)
    server.on("final", b"250-one\n250 two\n", times=1)
    desk, verdict = carry(server.url, letters(5))
    assert verdict.state == "ok"
    assert len(desk.accepted) == 5


def test_an_answer_in_single_bytes_is_one_answer(server: ScriptedServer) -> None:
    server.on("ehlo", b"250-a\r")
    server.on("ehlo", b"\n")

    async def go() -> Desk:
        desk = Desk(letters(3))
        listener = await asyncio.start_server(slowly, "127.0.0.1", 0)
        port = listener.sockets[0].getsockname()[1]
        assert (await carried(f"smtp+plain://127.0.0.1:{port}", desk)).state == "ok"
        listener.close()
        return desk

    async def slowly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Passes everything on to the scripted server, and its answers back in bytes."""
        server.forget()
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", server.port)

        async def back() -> None:
            while data := await inner_reader.read(1):
                writer.write(data)
                await asyncio.sleep(0)

        task = asyncio.ensure_future(back())
        while data := await reader.read(65536):
            inner_writer.write(data)
        inner_writer.close()
        await task
        writer.close()

    assert len(asyncio.run(go()).accepted) == 3


@pytest.mark.parametrize("stage", ["ehlo", "mail", "rcpt", "final"])
def test_a_long_answer_is_read_to_its_end(server: ScriptedServer, stage: str) -> None:
    server.on(stage, giant(60_000), times=1)
    desk, verdict = carry(server.url, letters(3))
    assert verdict.state == "ok"
    assert len(desk.accepted) == 3


def test_one_long_line_is_read_to_its_end_and_not_kept(server: ScriptedServer) -> None:
    server.on("rcpt", b"550 5.1.1 " + b"no " * 20_000 + b"\r\n", recipient="reader1@d1.example")
    desk, _ = carry(server.url, letters(3))
    outcome = desk.told["reader1@d1.example"]
    assert isinstance(outcome, Refused)
    assert len(outcome.text) <= 300
    assert len(desk.accepted) == 2


# By name: with the lines themselves, the names of twelve tests were half of all that workers tell their head.
WITHOUT_END = {
    "empty lines": b"\n" * 70_000,
    "empty lines with CR": b"\r\n" * 300,
    "codes alone": b"250-\n" * 300,
    "no code after the first": b"250-one\r\n" + b"no code\n" * 300,
    "one long line": b"2" * 70_000,
    "a server that never ends": endless(),
}


@pytest.mark.parametrize("stage", ["rcpt", "final"])
@pytest.mark.parametrize("lines", WITHOUT_END.values(), ids=WITHOUT_END)
def test_a_relay_that_sends_without_end_is_left_and_its_route_rests(
    server: ScriptedServer, stage: str, lines: object
) -> None:
    server.on(stage, lines, after=1, times=1)  # type: ignore[arg-type]
    desk, verdict = carry(server.url, letters(4))
    assert (verdict.state, verdict.reason, verdict.wait) == ("throttled", "endless_answer", 300)
    assert "so we dropped the connection to keep other emails moving" in verdict.sentence
    assert len(desk.accepted) == 1
    assert len(desk.unsure) == (stage == "final")
    assert server.connected == 1


@pytest.mark.parametrize("stage", ["banner", "ehlo"])
@pytest.mark.parametrize("lines", WITHOUT_END.values(), ids=WITHOUT_END)
def test_an_answer_without_end_while_setting_up_takes_the_route_down(
    server: ScriptedServer, stage: str, lines: object
) -> None:
    server.on(stage, lines)  # type: ignore[arg-type]
    desk, verdict = carry(server.url, [ADA])
    assert (verdict.state, verdict.reason) == ("throttled", "endless_answer")
    assert desk.deferred == ["ada@north.example"]


def test_a_turn_of_the_loop_reads_little_of_one_relay() -> None:
    """All routes share the loop: 256 kB of empty lines from each of 50 connections held it for 1.7 s."""

    async def go() -> None:
        session = SmtpSession(read_server(read_url("main", "smtp+plain://127.0.0.1:25")))
        assert len(session.get_buffer(-1)) <= 16_384

    asyncio.run(go())
    assert SSLProtocol.max_size <= 32_768


def test_a_relay_that_says_yes_beforehand_and_reads_nothing_does_not_get_the_campaign_into_our_memory() -> None:
    async def yes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 here\r\n")
        await reader.readline()
        writer.write(b"250-here\r\n250 PIPELINING\r\n")
        await reader.readline()
        writer.write(b"250 yes\r\n250 yes\r\n354 go\r\n" + b"250 yes\r\n250 yes\r\n250 yes\r\n354 go\r\n" * 600)
        await asyncio.sleep(3600)

    async def go() -> tuple[Desk, RouteVerdict]:
        content = b"Subject: Spring\r\n\r\n" + b"x" * 70 + b"\r\n" * 200_000
        desk = Desk([letter(one.recipient, one.number, content=content, compiled=True) for one in letters(600)])
        listener = await asyncio.start_server(yes, "127.0.0.1", 0)
        return desk, await carried(f"smtp+plain://127.0.0.1:{listener.sockets[0].getsockname()[1]}", desk)

    desk, verdict = asyncio.run(go())
    assert (verdict.reason, verdict.values["detail"]) == ("endless_answer", "a yes to what it has not read")
    assert len(desk.taken) < 200


@pytest.mark.parametrize(
    "banner", [b"SSH-2.0-OpenSSH_9.7\r\n", b"HTTP/1.1 400 Bad Request\r\n", b"* OK IMAP4 ready\r\n"]
)
def test_what_is_no_mail_server_is_named(server: ScriptedServer, banner: bytes) -> None:
    server.on("banner", banner)
    _, verdict = carry(server.url, [ADA])
    assert (verdict.state, verdict.reason) == ("dead", "not_smtp")
    assert "doesn’t speak SMTP" in verdict.sentence


def test_a_goodbye_nobody_asked_for_closes_a_resting_connection_quietly() -> None:
    async def go() -> Desk:
        desk = Desk([ADA], ends=False)
        task = asyncio.ensure_future(carried(server.url, desk, idle=0.1))
        while not desk.told or server.open:
            await asyncio.sleep(0.02)
        desk.waiting.append(BORIS)
        desk.woken.set()
        while len(desk.told) < 2:
            await asyncio.sleep(0.02)
        desk.woken.set()
        assert (await task).state == "ok"
        return desk

    with ScriptedServer() as server:
        assert asyncio.run(go()).accepted == ["ada@north.example", "boris@north.example"]
        assert server.connected == 2


# The route


@pytest.mark.parametrize("stage", ["mail", "rcpt", "data", "final"])
def test_an_answer_about_the_account_takes_the_route_down_and_marks_nobody(either: ScriptedServer, stage: str) -> None:
    either.on(stage, "554 Message rejected: Sending paused for this account.", after=5)
    desk, verdict = carry(either.url, letters(50), connections=3)
    assert (verdict.state, verdict.reason) == ("dead", "paused")
    assert "Sending is paused" in verdict.sentence
    assert not desk.refused
    assert not desk.unsure
    assert set(either.counts()) == set(desk.accepted)
    assert {outcome.scope for outcome in desk.told.values() if isinstance(outcome, Deferred)} == {"route"}


def test_the_same_refusal_for_many_domains_means_the_route_and_nobody_is_marked(either: ScriptedServer) -> None:
    either.on("rcpt", "550 5.7.1 Go away", after=7)
    desk, verdict = carry(either.url, letters(50))
    assert (verdict.state, verdict.reason) == ("dead", "same_refusal")
    assert len(desk.accepted) == 7
    assert not desk.refused


def test_the_same_refusal_with_success_between_is_meant_for_each(either: ScriptedServer) -> None:
    either.on("rcpt", "550 5.7.1 Go away", when=lambda moment: int(moment.recipient[6:].split("@")[0]) % 3 != 0)
    desk, verdict = carry(either.url, letters(30))
    assert verdict.state == "ok"
    assert len(desk.refused) == 20
    assert len(desk.accepted) == 10


def test_the_same_refusal_for_one_domain_is_meant_for_the_domain(server: ScriptedServer) -> None:
    server.on("rcpt", "550 5.7.1 Go away")
    desk, verdict = carry(server.url, letters(30, domains=1))
    assert verdict.state == "ok"
    assert len(desk.refused) == 30


def test_too_many_messages_waits_as_long_as_it_was_told(either: ScriptedServer) -> None:
    either.on("final", "550 Too many messages. Try again in 92 seconds.", after=4)
    desk, verdict = carry(either.url, letters(10))
    assert (verdict.state, verdict.reason, verdict.wait) == ("throttled", "rate", 92)
    assert len(desk.accepted) == 4
    assert not desk.refused


def test_when_the_route_goes_down_the_messages_under_way_get_their_answers() -> None:
    with ScriptedServer(latency=0.05) as server:
        server.on("rcpt", "550 5.7.1 Your account has been suspended", after=30)
        desk, verdict = carry(server.url, letters(200), connections=8)
        assert verdict.reason == "suspended"
        assert not desk.unsure
        assert set(server.counts()) == set(desk.accepted)


def test_a_sender_that_is_not_verified_is_the_fault_of_the_setup(server: ScriptedServer) -> None:
    server.on("mail", "550 5.7.1 Unconfigured Sending Domain <lantern.example>")
    desk, verdict = carry(server.url, [ADA])
    assert (verdict.state, verdict.reason) == ("config", "sender")
    assert desk.told["ada@north.example"].scope == "config"  # type: ignore[union-attr]


def test_a_refused_connection_takes_the_route_down_with_a_sentence() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        _, verdict = carry(f"smtp+plain://127.0.0.1:{taken.getsockname()[1]}", [ADA])
    assert (verdict.state, verdict.reason) == ("throttled", "no_connection")
    assert "can’t be reached (connection refused)" in verdict.sentence


def test_a_name_without_address_takes_the_route_down_with_a_sentence() -> None:
    _, verdict = carry("smtp+plain://nowhere.invalid", [ADA])
    assert verdict.reason == "no_such_host"


@pytest.mark.parametrize(
    ("banner", "state"),
    [
        ("554 5.7.1 your IP is listed at zen.spamhaus.org", "dead"),
        ("421 4.7.0 try later", "throttled"),
        ("450 4.3.2 busy", "throttled"),
        ("521 5.3.2 no mail here", "dead"),
    ],
)
def test_a_banner_that_is_no_welcome_takes_the_route_down(server: ScriptedServer, banner: str, state: str) -> None:
    server.on("banner", banner)
    desk, verdict = carry(server.url, [ADA])
    assert verdict.state == state
    assert desk.deferred == ["ada@north.example"]


# Connections


def test_connections_are_added_while_they_pay() -> None:
    with ScriptedServer(latency=0.02) as server:
        desk, _ = carry(server.url, letters(600), connections=20)
        assert len(desk.accepted) == 600
        assert server.most_open == 20


def test_a_rate_needs_no_more_connections_than_it_fills() -> None:
    with ScriptedServer(latency=0.02) as server:
        carry(server.url, letters(150), connections=20, rate=2)
        assert server.most_open <= 2


def test_one_message_opens_one_connection(server: ScriptedServer) -> None:
    carry(server.url, [ADA], connections=20)
    assert server.connected == 1


def test_a_relay_that_wants_fewer_connections_gets_fewer() -> None:
    with ScriptedServer(latency=0.02, most_connections=3) as server:
        desk, verdict = carry(server.url, letters(150), connections=20)
        assert verdict.state == "ok"
        assert len(desk.accepted) == 150
        assert set(server.counts().values()) == {1}


def test_a_resting_connection_takes_up_what_comes_later(server: ScriptedServer) -> None:
    async def go() -> Desk:
        desk = Desk([ADA], ends=False)
        task = asyncio.ensure_future(carried(server.url, desk))
        while len(desk.told) < 1:
            await asyncio.sleep(0.01)
        desk.waiting += [BORIS, CLARA]
        desk.woken.set()
        while len(desk.told) < 3:
            await asyncio.sleep(0.01)
        desk.woken.set()
        await task
        return desk

    assert len(asyncio.run(go()).accepted) == 3
    assert server.connected == 1


# Stopping and our own faults


def test_cancelling_settles_every_message_truthfully() -> None:
    async def go() -> Desk:
        desk = Desk(letters(100))
        task = asyncio.ensure_future(carried(server.url, desk, connections=4))
        while len(desk.told) < 10:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return desk

    with ScriptedServer(latency=0.03) as server:
        desk = asyncio.run(go())
    assert {message.recipient for message in desk.taken} == set(desk.told)
    assert 1 <= len(desk.unsure) <= 4
    assert set(desk.accepted) <= set(server.counts())
    assert not set(desk.deferred) & set(server.counts())


def test_a_journal_that_cannot_be_written_stops_the_send_and_hands_nothing_over(either: ScriptedServer) -> None:
    def full(message: Message) -> None:
        if len(desks[0].finished) == 5:
            raise OSError(28, "No space left on device")

    async def go() -> Desk:
        desk = Desk(letters(20))
        desks.append(desk)
        desk.on_finishing = full
        with pytest.raises(OSError, match="No space left"):
            await carried(either.url, desk)
        return desk

    desks: list[Desk] = []
    desk = asyncio.run(go())
    assert {message.recipient for message in desk.taken} == set(desk.told)
    assert set(either.counts()) == set(desk.accepted) == set(desk.finished)
    assert len(desk.accepted) == 5


@pytest.mark.parametrize("fails", ["take", "more", "tell"])
def test_a_fault_of_the_engine_comes_back_to_it_and_leaves_no_connection(server: ScriptedServer, fails: str) -> None:
    async def go() -> None:
        desk = Desk(letters(10))
        real = getattr(desk, fails)

        def fail(*values: object) -> object:
            if len(desk.taken) >= 5:
                raise KeyError("a mistake")
            return real(*values)

        setattr(desk, fails, fail)
        route = read_url("main", server.url)
        with pytest.raises(KeyError, match="a mistake"):
            await SmtpTransport(route).carry(desk)
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(go())
    assert len(server.messages) <= 10


def test_cancelling_while_connecting_gives_everything_back(server: ScriptedServer) -> None:
    async def go() -> Desk:
        desk = Desk([ADA])
        task = asyncio.ensure_future(carried(server.url, desk))
        while not server.connected:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return desk

    server.on("banner", STALL)
    assert asyncio.run(go()).deferred == ["ada@north.example"]


def test_a_refusal_is_told_when_nothing_more_comes_for_a_while(server: ScriptedServer) -> None:
    async def go() -> Desk:
        desk = Desk([ADA], ends=False)
        task = asyncio.ensure_future(carried(server.url, desk))
        while not desk.told:
            await asyncio.sleep(0.05)
        desk.woken.set()
        await task
        return desk

    server.on("rcpt", "550 5.7.1 Go away")
    assert asyncio.run(go()).refused == ["ada@north.example"]


# TLS


def test_starttls_is_demanded_and_the_state_begins_anew(certificates: Certificates) -> None:
    with ScriptedServer(tls="starttls", certificate=certificates.issued("localhost")) as server:
        desk, verdict = carry(server.starttls_url, letters(20), ca=certificates.ca)
        assert verdict.state == "ok"
        assert len(desk.accepted) == 20
        assert all(caught.tls for caught in server.messages)
        assert [line.split()[0] for line in server.commands[:3]] == ["EHLO", "STARTTLS", "EHLO"]
        assert server.violations == []


def test_implicit_tls(certificates: Certificates) -> None:
    with ScriptedServer(tls="implicit", certificate=certificates.issued("localhost")) as server:
        desk, _ = carry(server.tls_url, letters(20), ca=certificates.ca)
        assert len(desk.accepted) == 20
        assert all(caught.tls for caught in server.messages)


def test_large_messages_over_tls(certificates: Certificates) -> None:
    content = b"Subject: x\r\n\r\n" + b"y" * 74 + b"\r\n" * 100_000
    with ScriptedServer(tls="implicit", certificate=certificates.issued("localhost")) as server:
        sent = [letter(f"a{number}@north.example", number, content=content) for number in range(5)]
        desk, _ = carry(server.tls_url, sent, ca=certificates.ca)
        assert len(desk.accepted) == 5
        assert {caught.content for caught in server.messages} == {content}


def test_without_starttls_nothing_is_sent_and_the_sentence_names_the_plain_scheme(server: ScriptedServer) -> None:
    desk, verdict = carry(server.starttls_url, [ADA])
    assert (verdict.state, verdict.reason) == ("dead", "no_starttls")
    assert "smtp+plain://" in verdict.sentence
    assert not server.messages
    assert desk.deferred == ["ada@north.example"]


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
@pytest.mark.parametrize(
    ("which", "reason", "words"),
    [
        ("self_signed", "self_signed", "compare this fingerprint with the one on that server"),
        ("wrong host", "certificate", "is for another host name"),
        ("expired", "certificate_expired", "to renew it"),
        ("stranger", "unknown_issuer", "add ?ca=FILE"),
    ],
)
def test_a_wrong_certificate_takes_the_route_down_before_the_password(
    certificates: Certificates, tls: str, which: str, reason: str, words: str, tmp_path: Path
) -> None:
    ca = certificates.ca
    if which == "self_signed":
        certificate = certificates.self_signed("localhost")
    elif which == "wrong host":
        certificate = certificates.issued("elsewhere.example")
    elif which == "expired":
        certificate = certificates.expired("localhost")
    else:
        (tmp_path / "other").mkdir()
        certificate = Certificates(tmp_path / "other").issued("localhost")
    with ScriptedServer(tls=tls, certificate=certificate, users={"ada": "secret"}) as server:
        url = server.url_for("smtp" if tls == "starttls" else "smtps", user="ada", password="secret", ca=ca)
        _, verdict = carry(url, [ADA])
        assert (verdict.state, verdict.reason) == ("dead", reason)
        assert "certificate" in verdict.sentence and words in verdict.sentence
        assert shown(certificate.fingerprint) in verdict.sentence
        assert not any(line.startswith("AUTH") for line in server.commands)
        assert not server.messages


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
def test_a_pinned_certificate_is_trusted_and_no_other(certificates: Certificates, tls: str) -> None:
    certificate = certificates.self_signed("whatever.example")
    scheme = "smtp" if tls == "starttls" else "smtps"
    with ScriptedServer(tls=tls, certificate=certificate) as server:
        desk, verdict = carry(server.url_for(scheme, fingerprint=certificate.fingerprint), [ADA])
        assert verdict.state == "ok"
        assert desk.accepted == ["ada@north.example"]
        _, verdict = carry(server.url_for(scheme, fingerprint="0" * 64), [ADA])
        assert (verdict.state, verdict.reason) == ("dead", "fingerprint")
        assert len(server.messages) == 1


def test_a_fingerprint_is_taken_as_the_sentence_shows_it(certificates: Certificates) -> None:
    certificate = certificates.self_signed("localhost")
    with ScriptedServer(tls="implicit", certificate=certificate) as server:
        _, refused = carry(server.tls_url, [ADA])
        pinned = re.search(r"sha256:[0-9A-F:]{95}", refused.sentence)
        assert pinned
        desk, verdict = carry(server.url_for("smtps", fingerprint=pinned[0]), [ADA])
        assert verdict.state == "ok"
        assert desk.accepted == ["ada@north.example"]
        _, changed = carry(server.url_for("smtps", fingerprint="sha256:" + "0" * 64), [ADA])
        assert shown(certificate.fingerprint) in changed.sentence


@pytest.mark.parametrize(
    "injected", [b"250-evil\r\n250 AUTH NOTHING\r\n250 2.1.0 Ok\r\n", b"250-evil\r\n250-", b"550 no"]
)
def test_plaintext_injected_behind_the_starttls_answer_is_dropped(certificates: Certificates, injected: bytes) -> None:
    with ScriptedServer(
        tls="starttls", certificate=certificates.issued("localhost"), users={"ada": "secret"}
    ) as server:
        server.on("starttls", b"220 go ahead\r\n" + injected)
        url = server.url_for("smtp", user="ada", password="secret", ca=certificates.ca)
        desk, verdict = carry(url, [ADA, BORIS])
        assert verdict.state == "ok"
        assert len(desk.accepted) == 2
        assert server.messages[0].user == "ada"


def test_tls_on_a_port_that_speaks_plainly_says_which_port(server: ScriptedServer) -> None:
    _, verdict = carry(server.tls_url, [ADA], connect=1)
    assert verdict.reason in ("tls", "silent")
    assert "465" in verdict.sentence
    server.violations.clear()  # what it read was the beginning of TLS


def test_a_refused_starttls_is_no_reason_to_send_plainly(certificates: Certificates) -> None:
    with ScriptedServer(tls="starttls", certificate=certificates.issued("localhost")) as server:
        server.on("starttls", "454 4.7.0 TLS not available")
        _, verdict = carry(server.starttls_url, [ADA], ca=certificates.ca)
        assert (verdict.state, verdict.reason) == ("throttled", "tls")
        assert not server.messages


def test_older_tls_than_1_2_is_not_spoken() -> None:
    route = read_url("main", "smtps://mail.example.org")
    context = SmtpTransport(route).server.context
    assert context is not None
    assert context.minimum_version.name == "TLSv1_2"
    assert context.check_hostname


# Logging in


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
@pytest.mark.parametrize("password", ["secret", "p@ss:w/rd?#%&+ ж", "p%41ss"])
def test_logging_in(mechanism: str, password: str) -> None:
    user = "ada@north.example"
    with ScriptedServer(users={user: password}, mechanisms=(mechanism,)) as server:
        desk, verdict = carry(server.url_for("smtp+plain", user=user, password=password), [ADA])
        assert verdict.state == "ok"
        assert server.messages[0].user == user
        assert desk.accepted == ["ada@north.example"]
        assert server.violations == []


def test_a_server_that_asks_again_for_the_first_answer_is_answered() -> None:
    with ScriptedServer(users={"ada": "secret"}, mechanisms=("PLAIN",), asks_again=True) as server:
        desk, _ = carry(server.url_for("smtp+plain", user="ada", password="secret"), [ADA])
        assert desk.accepted == ["ada@north.example"]


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_a_wrong_password_takes_the_route_down_and_is_in_no_sentence(mechanism: str) -> None:
    with ScriptedServer(users={"ada": "secret"}, mechanisms=(mechanism,)) as server:
        desk, verdict = carry(server.url_for("smtp+plain", user="ada", password="hunter2"), [ADA])
        assert (verdict.state, verdict.reason, verdict.wait) == ("dead", "login", 600)
        assert "user name or password" in verdict.sentence
        assert "hunter2" not in verdict.sentence
        assert desk.deferred == ["ada@north.example"]


def test_a_relay_that_wants_a_log_in_says_so() -> None:
    with ScriptedServer(users={"ada": "secret"}) as server:
        _, verdict = carry(server.url, [ADA])
        assert (verdict.state, verdict.reason) == ("dead", "login_needed")


def test_a_relay_without_a_way_to_log_in_says_so(server: ScriptedServer) -> None:
    _, verdict = carry(server.url_for("smtp+plain", user="ada", password="secret"), [ADA])
    assert (verdict.state, verdict.reason) == ("dead", "login_not_offered")


def test_a_log_in_that_is_busy_is_only_a_wait() -> None:
    with ScriptedServer(users={"ada": "secret"}) as server:
        server.on("auth", "454 4.7.0 Temporary authentication failure")
        _, verdict = carry(server.url_for("smtp+plain", user="ada", password="secret"), [ADA])
        assert verdict.state == "throttled"


def test_used_up_credits_are_not_a_wrong_password() -> None:
    with ScriptedServer(users={"ada": "secret"}) as server:
        server.on("auth", "451 Authentication failed: Maximum credits exceeded")
        _, verdict = carry(server.url_for("smtp+plain", user="ada", password="secret"), [ADA])
        assert (verdict.state, verdict.reason) == ("throttled", "credits")


# Probing


def test_a_probe_of_a_good_route_sends_nothing(certificates: Certificates) -> None:
    with ScriptedServer(
        tls="starttls", certificate=certificates.issued("localhost"), users={"ada": "secret"}
    ) as server:
        verdict = probe(server.url_for("smtp", user="ada", password="secret", ca=certificates.ca))
        assert verdict.state == "ok"
        assert verdict.values["tls"].startswith("TLSv1.")
        assert "PIPELINING" in verdict.values["extensions"]
        assert not server.messages


def test_a_probe_of_a_bad_route_says_why(server: ScriptedServer) -> None:
    server.on("banner", "554 5.7.1 your IP is on a block list: spamhaus")
    verdict = probe(server.url)
    assert (verdict.state, verdict.reason) == ("dead", "listed")


# Settings


@pytest.mark.parametrize(
    "url",
    [
        "smtp://mail.example.org/path",
        "smtp://:password@mail.example.org",
        "smtp://mail.example.org?timeout=soon",
        "smtp://mail.example.org?timeout=0",
        "smtp://mail.example.org?timeout=nan",
        "smtp://mail.example.org?color=blue",
        "smtp://mail.example.org?fingerprint=abc",
        "smtp://mail.example.org?ca=/nowhere/ca.pem",
        "smtp://mail.example.org?helo=a b",
    ],
)
def test_a_route_with_nonsense_is_refused_at_the_door(url: str) -> None:
    with pytest.raises(BadRoute) as refused:
        SmtpTransport(read_url("main", url))
    assert str(refused.value).endswith(".")
    assert ":password@mail" not in str(refused.value)


@pytest.mark.parametrize(("scheme", "port"), [("smtp", 587), ("smtps", 465), ("smtp+plain", 25)])
def test_every_scheme_has_its_port(scheme: str, port: int) -> None:
    assert SmtpTransport(read_url("main", f"{scheme}://mail.example.org")).server.port == port


def test_slow_answers_are_waited_for(server: ScriptedServer) -> None:
    server.on("final", delay(0.3), times=1)
    server.on("rcpt", delay(0.3), times=1)
    desk, _ = carry(server.url, letters(3))
    assert desk.told == {message.recipient: Accepted() for message in letters(3)}


def test_an_unsure_message_says_why(server: ScriptedServer) -> None:
    server.on("final", HANG_UP_UNTAKEN, times=1)
    desk, _ = carry(server.url, [ADA])
    assert desk.told["ada@north.example"] == Unsure("it hung up")
