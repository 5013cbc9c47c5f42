"""A mail server that answers without end: whoever reads it holds no more than a few messages."""

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, suppress

import pytest

from samizdat.accounts.models import Organization
from samizdat.incoming.mailboxes import actions, connection
from samizdat.incoming.mailboxes.faults import MailboxFault
from samizdat.incoming.mailboxes.imap import ImapSource
from samizdat.incoming.mailboxes.pop3 import Pop3Source
from samizdat.incoming.mailboxes.settings import BadMailbox, MailboxSettings
from samizdat.worker.mail import mailbox_polls
from tests.conftest import NOW

ANSWERS = {
    b"LOGIN": b"",
    b"SELECT": b"* 1 EXISTS\r\n* OK [UIDVALIDITY 1]\r\n",
    b"LOGOUT": b"",
}
LITERAL = b"* 1 FETCH (UID 1 BODY[]<0> {1000000}\r\n" + b"x" * 1_000_000 + b")\r\n"
LINES = b"* 1 FETCH (FLAGS (a b c))\r\n" * 10_000
MOST_SENT = 200 << 20


class EndlessServer:
    """Answers FETCH with `flood`, again and again."""

    def __init__(self, flood: bytes) -> None:
        self._flood, self.sent = flood, 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        connected, _peer = self._listener.accept()
        with connected, connected.makefile("rb") as lines:
            connected.sendall(b"* OK [CAPABILITY IMAP4rev1] ready\r\n")
            try:
                for line in lines:
                    tag, word = line.split()[:2]
                    while word == b"FETCH" and self.sent < MOST_SENT:
                        connected.sendall(self._flood)
                        self.sent += len(self._flood)
                    connected.sendall(ANSWERS.get(word, b"* CAPABILITY IMAP4rev1\r\n") + tag + b" OK done\r\n")
            except OSError:
                pass

    def close(self) -> None:
        self._listener.close()
        self._thread.join(10)


@pytest.fixture(params=[LITERAL, LINES], ids=["messages", "lines"])
def server(request: pytest.FixtureRequest) -> Iterator[EndlessServer]:
    endless = EndlessServer(request.param)
    yield endless
    endless.close()


def test_an_answer_without_end_ends_the_session(server: EndlessServer) -> None:
    settings = MailboxSettings("imap+plain", "127.0.0.1", server.port, "ada", "secret", "INBOX")
    with connection.faults():
        source = ImapSource(settings, None)
    try:
        with pytest.raises(MailboxFault) as caught, connection.faults():
            source.page()
    finally:
        source.close()
    assert caught.value.code == "too_long"
    assert server.sent < 64 << 20


class EndlessPop3Server(EndlessServer):
    """Says without end what it can."""

    def _serve(self) -> None:
        connected, _peer = self._listener.accept()
        with suppress(OSError), connected, connected.makefile("rb") as lines:
            connected.sendall(b"+OK ready\r\n")
            for line in lines:
                connected.sendall(b"+OK 1 100\r\n")
                while line == b"CAPA\r\n" and self.sent < MOST_SENT:
                    connected.sendall(self._flood)
                    self.sent += len(self._flood)


def test_what_a_pop3_server_says_that_it_can_has_an_end() -> None:
    server = EndlessPop3Server(b"X-WINGS\r\n" * 10_000)
    settings = MailboxSettings("pop3+plain", "127.0.0.1", server.port, "ada", "secret", "")
    with pytest.raises(MailboxFault) as caught, connection.faults():
        Pop3Source(settings, None)
    server.close()
    assert caught.value.code == "too_long"
    assert server.sent < 64 << 20


LIES: dict[str, dict[bytes, bytes | None]] = {
    "a select without a number": {b"SELECT": b""},
    "a number of messages that is a word": {b"SELECT": b"* many EXISTS\r\n"},
    "a folder without a name": {b"LIST": b"* LIST (\\Junk) NIL NIL\r\n"},
    "a folder that is a list": {b"LIST": b"* LIST (\\Junk) (a b) (c d)\r\n"},
    "folders in no order": {b"LIST": b"* LIST 7 7\r\n* LIST\r\n"},
    "a name in bytes of its own": {b"LIST": b'* LIST (\\Junk) "/" "&\xff\xfe-"\r\n'},
    "brackets without end": {b"LIST": b"* LIST " + b"(" * 100_000 + b"\r\n"},
    "a found message that is a word": {b"SEARCH": b"* SEARCH all of them\r\n"},
    "a found message in brackets": {b"SEARCH": b"* SEARCH (1 2)\r\n"},
    "an answer to nothing": {b"SEARCH": b"* 7\r\n* \r\n"},
    "another line of commands": {b"LIST": b'* LIST (\\Junk) "/" "INBOX\\r\\nA1 DELETE INBOX"\r\n'},
}


class LyingServer(EndlessServer):
    """Answers some words otherwise, or None not at all; `asked`: the lines that came."""

    def __init__(self, answers: dict[bytes, bytes | None]) -> None:
        self.asked: list[bytes] = []
        self._answers = ANSWERS | {b"EXAMINE": ANSWERS[b"SELECT"]} | answers
        super().__init__(b"")

    def _serve(self) -> None:
        connected, _peer = self._listener.accept()
        with suppress(OSError), connected, connected.makefile("rb") as lines:
            connected.sendall(b"* OK [CAPABILITY IMAP4rev1] ready\r\n")
            for line in lines:
                self.asked.append(line)
                tag, word = line.split()[:2]
                word = line.split()[2] if word == b"UID" else word
                if (answer := self._answers.get(word, b"* CAPABILITY IMAP4rev1\r\n")) is not None:
                    connected.sendall(answer + tag + b" OK done\r\n")


def places_at(server: LyingServer, seconds: float = 30.0) -> dict[str, str]:
    """As of the copies of a campaign. Errors: MailboxFault."""
    settings = MailboxSettings("imap+plain", "127.0.0.1", server.port, "ada", "secret", "INBOX")
    try:
        with connection.faults(), closing(ImapSource(settings, None, seconds)) as source:
            return source.places_of("X-Entity-Ref-ID", ["ab" * 16])
    finally:
        server.close()


@pytest.mark.parametrize("lie", LIES)
def test_whatever_a_seed_mailbox_answers_is_an_answer_or_a_fault(lie: str) -> None:
    """Another error would end the round, and the copies in all other mailboxes would wait for ever."""
    server = LyingServer(LIES[lie])
    with suppress(MailboxFault):
        assert set(places_at(server).values()) <= {"inbox", "spam"}
    assert not [line for line in server.asked if line.split()[1] == b"DELETE"]


def test_a_seed_mailbox_that_never_answers_is_left_after_the_time_of_a_look() -> None:
    with pytest.raises(MailboxFault) as caught:
        places_at(LyingServer({b"LIST": None}), 0.2)
    assert caught.value.code == "hung_up"


@pytest.mark.django_db
def test_mailboxes_of_one_organization_leave_sessions_to_the_others(lantern: Organization) -> None:
    settings = MailboxSettings("imaps", "slow.example", 993, "ada", "secret", "INBOX")
    for number in range(actions.MOST):
        actions.add_at(lantern, f"mailbox {number}", settings, now=NOW, by=None)
    with pytest.raises(BadMailbox, match="10 mailboxes are enough"):
        actions.add_at(lantern, "one more", settings, now=NOW, by=None)
    assert 2 * actions.MOST <= mailbox_polls.MOST
