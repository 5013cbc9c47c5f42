"""A code that locks an organization waits for no other mail, and its admins are told."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from samizdat import mail_spool
from samizdat.accounts.actions import change_settings
from samizdat.core.mail.incoming_envelope import Envelope, EnvelopeSealer
from samizdat.delivery.actions import add_route, key_locks
from samizdat.incoming import intake
from samizdat.incoming.models import IncomingMail
from samizdat.vault import locks
from samizdat.worker.inbox import lock_mail
from samizdat.worker.schedule import admin_alerts
from tests.conftest import NOW, TODAY
from tests.web.conftest import make_person
from tests.worker.test_preferences import mails

pytestmark = pytest.mark.django_db

ADDRESS = "bounces+lock@lantern.example"


def letter(text: str) -> bytes:
    return f"From: stranger@elsewhere.example\r\nTo: {ADDRESS}\r\nSubject: {text}\r\n\r\n\r\n".encode()


@pytest.fixture
def code(lantern: Any, tmp_path: Path) -> str:
    lock_mail._files.clear()
    lock_mail._rows.clear()
    admin_alerts._later.clear()
    shutil.rmtree(mail_spool.folder(), ignore_errors=True)
    for name in ("clara", "eva"):
        make_person(name, f"{name}@lantern.example", lantern, "admin")
    add_route(lantern, "folder", f"folder://{tmp_path}", now=NOW)
    change_settings(lantern, by=None, now=NOW, return_address="bounces@lantern.example")
    return key_locks.make_codes(lantern, 2, by=None, now=NOW)[0]


def spool(organization: Any, text: str) -> Path:
    """As the listener does it."""
    sealer = EnvelopeSealer(bytes(organization.uid), intake.box_key(organization), b"e" * 32)
    mail_spool.folder().mkdir(parents=True, exist_ok=True)
    raw = letter(text)
    box = sealer.seal(Envelope.of([ADDRESS], raw, len(raw)), b"n" * 12)
    mail_spool.MailSpool(mail_spool.folder()).put(bytes(organization.uid), box)
    return mail_spool.folder()


def test_a_code_in_the_spool_locks_before_anything_is_read(lantern: Any, code: str) -> None:
    folder = spool(lantern, "Hello")
    spool(lantern, code)
    lock_mail.look(NOW)
    assert locks.state(lantern) is not None
    assert len([*folder.iterdir()]) == 1, "the email with the code is gone, the other one waits"
    assert not IncomingMail.objects.exists()


def test_a_code_that_came_by_a_mailbox_locks_too(lantern: Any, code: str) -> None:
    lock_mail.look(NOW)
    intake.take(lantern, letter("Hello"), (), TODAY)
    intake.take(lantern, letter(code), (), TODAY)
    lock_mail.look(NOW)
    assert locks.state(lantern) is not None
    assert IncomingMail.objects.count() == 1


def test_all_admins_are_mailed_at_once_and_not_again_when_it_is_unlocked(
    lantern: Any, code: str, tmp_path: Path
) -> None:
    spool(lantern, code)
    lock_mail.look(NOW)
    found = mails(tmp_path)
    assert {*found} == {"clara@lantern.example", "eva@lantern.example"}
    text = " ".join(found["eva@lantern.example"].split())
    assert "An email with a code from paper locked" in text and code.split()[0] not in text
    key_locks.unlock(lantern, by=None, now=NOW)
    admin_alerts.take(NOW)
    texts = [path.read_text() for path in tmp_path.rglob("*.eml")]
    assert sum("was locked" in text for text in texts) == 2
