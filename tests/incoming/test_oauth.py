"""Mailboxes at providers that take no passwords are read with an access token."""

import base64
import poplib
import socketserver
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from msgspec import structs

from samizdat.accounts.models import Organization
from samizdat.incoming.mailboxes import actions, connection, polling
from samizdat.incoming.mailboxes.faults import MailboxFault
from samizdat.incoming.mailboxes.sealed import open_settings, open_state
from samizdat.incoming.models import PolledMailbox
from samizdat.transports import oauth
from samizdat.worker.mail import mailbox_polls
from tests.conftest import NOW
from tests.token_server import TokenServer

SECRET = "s3cr3t-of-the-application"
WANTED = base64.b64encode(b"user=bounces@lantern.example\x01auth=Bearer token-1\x01\x01")


class Session(socketserver.StreamRequestHandler):
    """IMAP, as far as one needs it to log in and count messages."""

    def handle(self) -> None:
        server: Any = self.server
        self.wfile.write(f"* OK [CAPABILITY IMAP4rev1 {server.offers}] ready\r\n".encode())
        while line := self.rfile.readline().strip():
            tag, command = line.split(maxsplit=1)
            if command == b"AUTHENTICATE XOAUTH2":
                self.wfile.write(b"+ \r\n")
                if self.rfile.readline().strip() == WANTED:
                    self.wfile.write(tag + b" OK Success\r\n")
                else:
                    self.wfile.write(b"+ eyJzdGF0dXMiOiI0MDEifQ==\r\n")
                    self.rfile.readline()
                    self.wfile.write(tag + b" NO [AUTHENTICATIONFAILED] Invalid credentials\r\n")
                continue
            if command == b"CAPABILITY":
                self.wfile.write(f"* CAPABILITY IMAP4rev1 {server.offers}\r\n".encode())
            elif command.startswith(b"SELECT"):
                self.wfile.write(b"* 3 EXISTS\r\n* OK [UIDVALIDITY 7]\r\n")
            self.wfile.write(tag + b" OK done\r\n")
            if command == b"LOGOUT":
                return


@pytest.fixture(autouse=True)
def nothing_kept() -> None:
    oauth._kept.clear()
    oauth._newer.clear()


@pytest.fixture
def tokens() -> Iterator[TokenServer]:
    with TokenServer() as tokens:
        yield tokens


class Pop3Session(socketserver.StreamRequestHandler):
    """The same by POP3."""

    def handle(self) -> None:
        server: Any = self.server
        self.wfile.write(b"+OK ready\r\n")
        answers = {
            b"CAPA": f"+OK\r\nUIDL\r\nSASL {server.offers}\r\n.".encode(),
            b"AUTH XOAUTH2": b"+ ",
            WANTED: b"+OK",
            b"": b"-ERR [AUTH] Invalid credentials",
            b"STAT": b"+OK 3 300",
            b"QUIT": b"+OK",
        }
        while line := self.rfile.readline():
            server.lines.append(line.strip())
            self.wfile.write(answers.get(line.strip(), b"+ eyJzdGF0dXMiOiI0MDEifQ==") + b"\r\n")


@pytest.fixture
def pop3() -> Iterator[Any]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Pop3Session) as server:
        server.offers, server.lines = "PLAIN XOAUTH2", []  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def imap() -> Iterator[Any]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Session) as server:
        server.offers = "AUTH=XOAUTH2"  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


def add(
    organization: Organization, server: Any, tokens: TokenServer, secret: str = SECRET, protocol: str = "imap"
) -> PolledMailbox:
    where = f"127.0.0.1:{server.server_address[1]}"
    url = f"{protocol}+plain://bounces%40lantern.example@{where}/?client=app&token_url={tokens.url}"
    return actions.add(organization, "bounces", url, now=NOW, password=secret)


def fault(row: PolledMailbox) -> str:
    with pytest.raises(MailboxFault) as caught:
        actions.waiting(row)
    assert str(caught.value).endswith(".") and SECRET not in str(caught.value)
    return caught.value.code


def test_the_token_is_shown_and_the_secret_goes_to_the_sign_in_server_alone(
    lantern: Organization, imap: Any, tokens: TokenServer
) -> None:
    row = add(lantern, imap, tokens, f"{SECRET} 1//refresh")
    assert actions.waiting(row) == 3
    assert actions.waiting(row) == 3
    [asked] = tokens.asked
    assert (asked["client_id"], asked["client_secret"], asked["refresh_token"]) == ("app", SECRET, "1//refresh")


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ((400, {"error": "invalid_grant", "error_description": "Token has been expired or revoked."}), "token_expired"),
        ((401, {"error": "invalid_client"}), "oauth_client"),
        ((503, {}), "no_token"),
    ],
)
def test_what_the_sign_in_server_refuses_is_a_sentence_and_tried_less_often(
    lantern: Organization, imap: Any, tokens: TokenServer, answer: tuple[int, Any], code: str
) -> None:
    tokens.answers += [answer, answer]
    row = add(lantern, imap, tokens)
    assert fault(row) == code
    assert mailbox_polls.read(row.pk, False) == (60 if code == "no_token" else 900)


def test_the_refresh_token_that_came_along_is_kept_and_used_from_then_on(
    lantern: Organization, imap: Any, tokens: TokenServer
) -> None:
    tokens.rotates = True
    row = add(lantern, imap, tokens, f"{SECRET} 1//refresh")
    mailbox_polls.read(row.pk, False)
    assert polling.settings_of(row.pk).password == f"{SECRET} refresh-1"
    oauth._kept.clear()
    oauth._newer.clear()  # As after a restart.
    tokens.token = "token-1"
    mailbox_polls.read(row.pk, False)
    assert [fields["refresh_token"] for fields in tokens.asked] == ["1//refresh", "refresh-1"]


def test_what_somebody_entered_meanwhile_stays(lantern: Organization, imap: Any, tokens: TokenServer) -> None:
    tokens.rotates = True
    row = add(lantern, imap, tokens, f"{SECRET} 1//refresh")
    before = polling.settings_of(row.pk)
    actions.waiting(row)
    typed = structs.replace(before, password="another 1//refresh")
    actions.change(row, row.name, typed, now=NOW, by=None)
    polling.keep_renewed(row.pk, before)
    assert polling.settings_of(row.pk).password == "another 1//refresh"


def test_a_sign_in_that_another_process_renewed_is_no_fault(
    lantern: Organization, imap: Any, tokens: TokenServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = add(lantern, imap, tokens, f"{SECRET} 1//used-up")
    used_up = polling.settings_of(row.pk)
    actions.change(row, row.name, structs.replace(used_up, password=f"{SECRET} 1//newer"), now=NOW, by=None)
    newer = polling.settings_of(row.pk)
    seen = iter([used_up, newer])
    monkeypatch.setattr(polling, "settings_of", lambda _number: next(seen))
    tokens.answers.append((400, {"error": "invalid_grant"}))
    assert mailbox_polls.read(row.pk, False) == 0
    row.refresh_from_db()
    assert not open_state(row).fault


def test_a_token_that_the_mail_server_refuses_is_a_sentence(
    lantern: Organization, imap: Any, tokens: TokenServer
) -> None:
    tokens.token = "of-another-mailbox"
    assert fault(add(lantern, imap, tokens)) == "token"


def test_a_server_without_oauth_gets_no_token(lantern: Organization, imap: Any, tokens: TokenServer) -> None:
    imap.offers = "AUTH=PLAIN"
    assert fault(add(lantern, imap, tokens)) == "no_oauth"
    assert not tokens.asked


def test_a_mailbox_is_read_by_pop3_with_an_access_token(lantern: Organization, pop3: Any, tokens: TokenServer) -> None:
    assert actions.waiting(add(lantern, pop3, tokens, protocol="pop3")) == 3
    assert all(SECRET.encode() not in line for line in pop3.lines)
    # Exchange Online refuses a line that holds both.
    assert b"AUTH XOAUTH2" in pop3.lines


def test_a_pop3_server_may_take_its_time_to_open_a_full_mailbox(
    lantern: Organization, pop3: Any, tokens: TokenServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever waits at the desk for an answer waits no longer for it; the worker does."""
    settings = open_settings(add(lantern, pop3, tokens, protocol="pop3"))
    patience, stat = list[float | None](), poplib.POP3.stat
    monkeypatch.setattr(poplib.POP3, "stat", lambda self: (patience.append(self.sock.gettimeout()), stat(self))[1])
    for given in ({}, {"opening": mailbox_polls.OPENING}):
        with polling.session(settings, **given) as source:
            assert source.waiting == 3
    assert patience == [connection.ANSWER, mailbox_polls.OPENING]


def test_a_token_that_the_pop3_server_describes_and_refuses_is_a_sentence(
    lantern: Organization, pop3: Any, tokens: TokenServer
) -> None:
    tokens.token = "of-another-mailbox"
    assert fault(add(lantern, pop3, tokens, protocol="pop3")) == "token"


def test_a_pop3_server_without_oauth_gets_no_token(lantern: Organization, pop3: Any, tokens: TokenServer) -> None:
    pop3.offers = "PLAIN"
    assert fault(add(lantern, pop3, tokens, protocol="pop3")) == "no_oauth"
    assert not tokens.asked
