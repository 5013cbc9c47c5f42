"""A mail server that answers without end: whoever reads it holds no more than a few messages."""

import socket
import threading
from collections.abc import Iterator

import pytest

from samizdat.accounts.models import Organization
from samizdat.incoming.mailboxes import actions, connection
from samizdat.incoming.mailboxes.faults import MailboxFault
from samizdat.incoming.mailboxes.imap import ImapSource
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


@pytest.mark.django_db
def test_mailboxes_of_one_organization_leave_sessions_to_the_others(lantern: Organization) -> None:
    settings = MailboxSettings("imaps", "slow.example", 993, "ada", "secret", "INBOX")
    for number in range(actions.MOST):
        actions.add_at(lantern, f"mailbox {number}", settings, now=NOW, by=None)
    with pytest.raises(BadMailbox, match="10 mailboxes are enough"):
        actions.add_at(lantern, "one more", settings, now=NOW, by=None)
    assert 2 * actions.MOST <= mailbox_polls.MOST
