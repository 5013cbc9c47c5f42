"""A house that has sent a campaign, and mail that comes back to it."""

import base64
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519

from samizdat.core.mail import dkim
from samizdat.delivery import clock_jumps
from samizdat.incoming import complaint_proof
from tests.delivery.conftest import House, clean_journals, house, run_until_still, server
from tests.smtp_server import Caught, ScriptedServer

__all__ = ["clean_journals", "house", "server"]


def now() -> datetime:
    return datetime.now(UTC)


def bounce(to: str, recipient: str, words: str = "550 5.1.1 No such user here", status: str = "5.1.1") -> bytes:
    """As Postfix reports it (RFC 3464)."""
    action = "failed" if status[0] == "5" else "delayed"
    return f"""Return-Path: <>
From: MAILER-DAEMON@relay.example (Mail Delivery System)
To: {to}
Subject: Undelivered Mail Returned to Sender
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b1"

--b1
Content-Type: text/plain; charset=us-ascii

<{recipient}>: host mx.example[192.0.2.1] said: {words}

--b1
Content-Type: message/delivery-status

Reporting-MTA: dns; relay.example
Arrival-Date: Mon, 30 Nov 2026 10:00:00 +0000

Final-Recipient: rfc822; {recipient}
Action: {action}
Status: {status}
Diagnostic-Code: smtp; {words}

--b1--
""".replace("\n", "\r\n").encode()


def full(to: str, recipient: str) -> bytes:
    return bounce(to, recipient, "552 5.2.2 Mailbox full").replace(b"Status: 5.1.1", b"Status: 5.2.2")


def complaint(ours: bytes, kind: str = "abuse") -> bytes:
    """As providers report it (RFC 5965), with the address taken out."""
    head = f"""From: feedback@provider.example
To: bounces@lantern.example
Subject: complaint
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary="b1"

--b1
Content-Type: text/plain

This is a complaint.

--b1
Content-Type: message/feedback-report

Feedback-Type: {kind}
User-Agent: Provider/1.0
Version: 1
Original-Rcpt-To: redacted@provider.example

--b1
Content-Type: message/rfc822

""".replace("\n", "\r\n").encode()
    return head + ours + b"\r\n--b1--\r\n"


class Incoming:
    """What the mail server hands over, and the worker that reads it."""

    def __init__(self, house: House, server: ScriptedServer) -> None:
        from samizdat.accounts.actions import change_settings

        self.house, self.server = house, server
        change_settings(house.organization, by=None, now=now(), return_address="bounces@lantern.example")

    def send(self) -> dict[str, Caught]:
        """One more campaign, to everybody who may be written to; what the server got, by recipient."""
        self.server.messages.clear()
        run_until_still(self.house.released().pk)
        return {caught.recipient: caught for caught in self.server.messages}

    def take(self, raw: bytes, *to: str) -> None:
        from samizdat.incoming import intake

        intake.take(self.house.organization, raw, to, now().date())

    def read(self, later: timedelta = timedelta()) -> int:
        from samizdat.incoming import processing

        return sum(iter(lambda: processing.process(self.house.organization, now() + later), 0))

    def complain(self, content: bytes, at: str = "arf.mail.yahoo.com") -> None:
        """As a provider that signs what it reports does it."""
        head = f"From: feedback@{at}\r\nDate: Mon, 30 Nov 2026 10:00:00 +0000\r\n".encode()
        raw = head + complaint(content).partition(b"\r\n")[2]
        self.take(dkim.sign(raw, [dkim.SigningKey(at, "s1", LOOP_KEY)]), "bounces@lantern.example")

    def come_back(self, caught: Caught, make: Callable[[str, str], bytes] = bounce) -> None:
        self.take(make(caught.sender, caught.recipient), caught.sender)

    def suppressed(self) -> set[str]:
        """Addresses that are not written to any more, by the reason in front."""
        from samizdat.audience.models import Subscriber, Suppression
        from samizdat.audience.queries import address_of

        indexes = {bytes(row.email_index): row.reason for row in Suppression.objects.all() if row.reason[0] != "~"}
        return {
            f"{indexes[bytes(row.email_index)]} {address_of(row)}"
            for row in Subscriber.objects.select_related("organization")
            if bytes(row.email_index) in indexes
        }


# Of the one name server in these tests: what feedback loops sign with.
LOOP_KEY = ed25519.Ed25519PrivateKey.from_private_bytes(b"f" * 32)
LOOP_RECORD = f"v=DKIM1; k=ed25519; p={base64.b64encode(LOOP_KEY.public_key().public_bytes_raw()).decode()}"


@pytest.fixture
def incoming(house: House, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(complaint_proof, "asker", lambda _patience: lambda _name, _kind: [LOOP_RECORD])
    house.route(server, connections=1)
    return Incoming(house, server)


YEAR = timedelta(days=365)


@pytest.fixture
def set_a_year_ahead() -> Iterator[Callable[[], None]]:
    """Sets the clock, which is noticed a second later."""

    def set_it() -> None:
        boot = bytes(16)
        clock_jumps.look(now(), 0.0, boot)
        clock_jumps.look(now() + YEAR, 1.0, boot)

    clock_jumps.forget()
    yield set_it
    clock_jumps.forget()
