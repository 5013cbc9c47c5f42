"""The listener for mail as a process of `serve`: what it may have, and that nothing is lost that it said yes to."""

import os
import signal
import smtplib
from pathlib import Path

import pytest

from samizdat import mail_spool, sandbox
from tests.ports import free_port
from tests.worker.conftest import Instance, until

ADDRESS = """
from samizdat import dbclock
from samizdat.accounts.actions import change_settings
from samizdat.accounts.models import Organization
change_settings(Organization.objects.get(), by=None, now=dbclock.now(), return_address="bounces@lantern.example")
print("null")
"""
WAITING = """
from samizdat import dbclock
from samizdat.incoming import intake, spooled
from samizdat.incoming.models import IncomingMail
spooled.take_in(dbclock.now().date(), lambda: False)
rows = IncomingMail.objects.order_by("pk")
print(json.dumps([intake.opener(row.organization).open(bytes(row.box)).raw.decode() for row in rows]))
"""


@pytest.fixture
def listening(instance: Instance) -> tuple[Instance, int]:
    port = free_port()
    instance.python("\n" + ADDRESS)
    instance.environment |= {"SAMIZDAT_LMTP": f"127.0.0.1:{port}"}
    instance.start()
    return instance, port


def hand_over(port: int, text: str) -> None:
    with smtplib.LMTP("127.0.0.1", port) as session:
        session.sendmail("ada@a.example", "bounces@lantern.example", text)


def process_of(instance: Instance) -> int:
    assert instance.process is not None
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            status = folder.joinpath("status").read_text()
        except OSError:
            continue
        if "samizdat-lmtp" in status and f"PPid:\t{instance.process.pid}\n" in status:
            return int(folder.name)
    return 0


def test_mail_is_in_the_database_however_its_process_ends(listening: tuple[Instance, int]) -> None:
    instance, port = listening
    hand_over(port, "Subject: one\r\n\r\nHello\r\n")
    before = until(lambda: process_of(instance))
    os.kill(before, signal.SIGKILL)
    hand_over(port, "Subject: two\r\n\r\nHello\r\n")
    assert process_of(instance) not in (0, before)
    instance.stop()
    letters = instance.python("\n" + WAITING)
    assert not any((instance.folder / mail_spool.FOLDER).iterdir())
    assert [letter.splitlines()[1] for letter in letters] == ["Subject: one", "Subject: two"]


@pytest.mark.skipif(sandbox.version() < 1, reason="this kernel keeps no process from files")
def test_the_listener_opens_neither_a_database_nor_a_key(listening: tuple[Instance, int]) -> None:
    instance, port = listening
    hand_over(port, "Subject: one\r\n\r\nHello\r\n")
    number = until(lambda: process_of(instance))
    environment = Path(f"/proc/{number}/environ").read_bytes()
    assert b"DATABASE_URL" not in environment and b"PGPASSWORD" not in environment
    files = {os.readlink(path) for path in Path(f"/proc/{number}/fd").iterdir()}
    assert not [file for file in files if "sqlite3" in file or file.endswith(".key")]
