"""`serve` reads a mailbox at a real Dovecot over TLS, and its worker is killed (SIGKILL) at the worst moments: inside
of a message, and between what it asked for and the answer. Everybody is counted."""

import os
import signal

import pytest

from samizdat.incoming.mailboxes import polling
from tests.incoming.dovecot import Dovecot, certificates, dovecot, why_not
from tests.incoming.halfway import Halfway, Moment
from tests.smtp_server import Certificates
from tests.worker.conftest import Instance, instance, until

__all__ = ["certificates", "dovecot", "instance"]
WHY_NOT = why_not()
pytestmark = pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)
# More than a portion that is taken in together.
MESSAGES = polling.BATCH + 120
IN_THE_SECOND_PORTION = Moment(b"Undelivered %04d" % (polling.BATCH + 50))

ADD = """
from samizdat import dbclock
from samizdat.accounts.models import Organization
from samizdat.incoming.mailboxes import actions
row = actions.add(Organization.objects.get(), "bounces", {url!r}, now=dbclock.now(), move_to={move_to!r})
print(json.dumps(row.pk))
"""
TAKEN = """
from samizdat.incoming import intake
from samizdat.incoming.models import IncomingMail
rows = IncomingMail.objects.select_related("organization").order_by("pk")
print(json.dumps([intake.opener(row.organization).open(bytes(row.box)).raw.decode() for row in rows]))
"""


def message(number: int) -> bytes:
    head = f"From: MAILER-DAEMON@relay.example\r\nSubject: Undelivered {number:04}\r\n\r\n"
    return (head + "No such user.\r\n" * 20).encode()


def kill_worker(instance: Instance) -> None:
    [worker] = until(lambda: instance.children().get("worker"))
    os.kill(worker, signal.SIGKILL)
    until(lambda: worker not in instance.children().get("worker", []))


@pytest.mark.parametrize(
    ("scheme", "move_to", "moments"),
    [
        ("imaps", "", [IN_THE_SECOND_PORTION, Moment(b" STORE ", "client"), Moment(b" EXPUNGE ", "client")]),
        ("imaps", "Read", [IN_THE_SECOND_PORTION, Moment(b" MOVE ", "client")]),
        ("pop3s", "", [IN_THE_SECOND_PORTION, Moment(b"DELE 120\r", "client"), Moment(b"QUIT\r", "client")]),
    ],
    ids=["imap-deletes", "imap-moves", "pop3"],
)
def test_whenever_the_worker_is_killed_each_message_is_taken_in_once(
    instance: Instance,
    dovecot: Dovecot,
    certificates: Certificates,
    scheme: str,
    move_to: str,
    moments: list[Moment],
) -> None:
    messages = [message(number) for number in range(MESSAGES)]
    for raw in messages:
        dovecot.deliver(raw)
    certificate = certificates.issued("localhost")
    with Halfway(certificate, dovecot.ports[scheme], moments) as halfway:
        at = f"localhost:{halfway.port}/?fingerprint={certificate.fingerprint}"
        url = f"{scheme}://bounces%40lantern.example:secret@{at}"
        instance.python("\n" + ADD.format(url=url, move_to=move_to))
        instance.start()
        for number in range(1, len(moments) + 1):
            until(lambda expected=number: halfway.silences >= expected)
            there = {raw.decode() for raw in dovecot.messages()}
            taken = instance.python("\n" + TAKEN)
            assert {raw.decode() for raw in messages} - there <= {*taken}, "gone there, and not yet here"
            assert number > 1 or len(taken) == polling.BATCH, "the first portion, and nothing of the second"
            kill_worker(instance)
        until(lambda: not dovecot.messages())
        taken = until(lambda: len(got := instance.python("\n" + TAKEN)) >= MESSAGES and got)
    assert taken == [raw.decode() for raw in messages]
    assert dovecot.messages(move_to or "INBOX") == (messages if move_to else [])
