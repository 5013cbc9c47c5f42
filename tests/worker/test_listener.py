"""The listener for mail as a process of `serve`: what it may have, and that nothing is lost that it said yes to."""

import contextlib
import json
import os
import pwd
import shutil
import signal
import smtplib
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from samizdat import mail_spool, sandbox, system_calls
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
LOCKED = "from samizdat.vault.models import KeyLock; print(json.dumps(KeyLock.objects.filter(locked=True).exists()))"


@pytest.fixture
def listening(instance: Instance) -> tuple[Instance, int]:
    port = free_port()
    instance.python("\n" + ADDRESS)
    instance.environment |= {"SAMIZDAT_LMTP": f"127.0.0.1:{port}"}
    instance.start()
    return instance, port


def hand_over(port: int | str, text: str) -> None:
    """port: or the path of a socket."""
    place = ("127.0.0.1", port) if isinstance(port, int) else (port, 0)
    with smtplib.LMTP(*place) as session:
        session.sendmail("ada@a.example", "bounces@lantern.example", text)


def process_of(instance: Instance, role: str = "lmtp") -> int:
    assert instance.process is not None
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            status = folder.joinpath("status").read_text()
        except OSError:
            continue
        if f"samizdat-{role}" in status and f"PPid:\t{instance.process.pid}\n" in status:
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


def test_the_listener_gets_what_senders_leave_of_the_machine(listening: tuple[Instance, int]) -> None:
    instance, port = listening
    hand_over(port, "Subject: one\r\n\r\nHello\r\n")
    number = until(lambda: process_of(instance))
    assert os.getpriority(os.PRIO_PROCESS, number) > os.getpriority(os.PRIO_PROCESS, os.getpid())


def low_port() -> int:
    """A free one that root alone may have."""
    for port in range(1023, 600, -1):
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise AssertionError("no port below 1024 is free")


@pytest.fixture
def as_root(split: Instance) -> Iterator[tuple[Instance, Path, int]]:
    """Started as root, with a socket for the group `mail` and a port below 1024."""
    owner, folder, port = pwd.getpwnam("daemon"), Path(tempfile.mkdtemp()), low_port()
    os.chown(folder, owner.pw_uid, owner.pw_gid)
    folder.chmod(0o711)
    split.python("\n" + ADDRESS)
    for path in split.folder.rglob("*"):
        os.chown(path, owner.pw_uid, owner.pw_gid)
    place = folder / "lmtp.sock"
    split.environment |= {"SAMIZDAT_LMTP": f"unix:{place}?group=mail", "SAMIZDAT_SMTP": f"127.0.0.1:{port}"}
    split.start()
    yield split, place, port
    shutil.rmtree(folder)


def test_started_by_root_it_has_no_rights_but_a_socket_and_a_port_below_1024(
    as_root: tuple[Instance, Path, int],
) -> None:
    instance, place, port = as_root
    owner = pwd.getpwnam("daemon").pw_uid
    hand_over(str(place), "Subject: one\r\n\r\nHello\r\n")
    with smtplib.SMTP("127.0.0.1", port) as session:
        session.sendmail("ada@a.example", "bounces@lantern.example", "Subject: two\r\n\r\nHello\r\n")
    assert (place.stat().st_mode & 0o7777, place.stat().st_uid, place.group()) == (0o660, owner, "mail")
    for role in ("lmtp", "smtp"):
        status = Path(f"/proc/{process_of(instance, role)}/status").read_text()
        assert f"Uid:\t{owner}\t{owner}\t{owner}\t{owner}" in status
        assert "CapPrm:\t0000000000000000" in status and "NoNewPrivs:\t1" in status
        assert ("Seccomp:\t2" in status) == system_calls.known()
    instance.stop()
    assert not place.exists()
    assert len(instance.python("\n" + WAITING)) == 2


def test_a_supervisor_that_was_killed_leaves_no_socket_in_the_way(as_root: tuple[Instance, Path, int]) -> None:
    instance, place, _port = as_root
    instance.kill()
    assert place.is_socket()
    instance.start()
    hand_over(str(place), "Subject: one\r\n\r\nHello\r\n")


def test_a_code_by_email_locks_the_organization_while_nobody_is_signed_in(listening: tuple[Instance, int]) -> None:
    instance, port = listening
    made = json.loads(instance.run("-m", "samizdat.cli", "keys", "lock-codes", "--count", "2", "--json"))
    until(lambda: {*instance.children()} >= {"worker", "desk"})
    with smtplib.LMTP("127.0.0.1", port) as session:
        session.sendmail("friend@elsewhere.example", made["address"], f"Subject: {made['codes'][0]}\r\n\r\n\r\n")
    until(lambda: instance.python(LOCKED))
    instance.stop()
    assert not any((instance.folder / mail_spool.FOLDER).iterdir())
    assert made["codes"][0] not in instance.log.read_text() and "Traceback" not in instance.log.read_text()
