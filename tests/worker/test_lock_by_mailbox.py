"""A code from paper that comes through a mailbox at a real Dovecot, which a running `serve` reads over TLS."""

import json
from collections.abc import Iterator

import pytest

from tests import warm
from tests.incoming.dovecot import Dovecot, certificates, dovecot, why_not
from tests.worker.conftest import ROOT, Instance, until
from tests.worker.test_listener import ADDRESS, LOCKED

__all__ = ["certificates", "dovecot"]
pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not())

READ = """
from samizdat.accounts.models import Organization
from samizdat import dbclock
from samizdat.incoming.mailboxes import actions
actions.add(Organization.objects.get(), "news", {url!r}, now=dbclock.now())
print("null")
"""


@pytest.fixture
def codes(instance: Instance, dovecot: Dovecot) -> Iterator[list[str]]:
    instance.python("\n" + ADDRESS)
    url = dovecot.url("imaps", f"fingerprint={dovecot.certificate.fingerprint}")
    instance.python("\n" + READ.format(url=url))
    made = json.loads(instance.run("-m", "samizdat.cli", "keys", "lock-codes", "--count", "2", "--json"))
    assert made["address"] == "bounces+lock@lantern.example"
    instance.start()
    yield made["codes"]
    instance.stop()


KNOWN = """
from samizdat.vault.models import LockCodeSet
print(json.dumps([bytes(row.sealed).hex() for row in LockCodeSet.objects.order_by("pk")]))
"""


@pytest.mark.parametrize(("folder", "sentence"), [("/nowhere", "There's no folder /nowhere."), ("/proc", "")])
def test_codes_of_before_go_on_where_the_new_ones_cannot_be_written(
    instance: Instance, folder: str, sentence: str
) -> None:
    instance.python("\n" + ADDRESS)
    command = ("-m", "samizdat.cli", "keys", "lock-codes", "--count", "2")
    instance.run(*command)
    before = instance.python("\n" + KNOWN)
    done = warm.run([*command, "--to", f"{folder}/codes.html"], env=instance.environment, cwd=ROOT)
    assert done.returncode == 1 and sentence in done.stderr
    assert len(before) == 1 and instance.python("\n" + KNOWN) == before


def letter(text: str, to: str = "bounces+lock@lantern.example") -> bytes:
    return f"From: friend@elsewhere.example\r\nTo: {to}\r\nSubject: {text}\r\n\r\n\r\n".encode()


def test_a_code_in_a_mailbox_that_tells_of_news_locks_and_is_gone_from_there(
    instance: Instance, dovecot: Dovecot, codes: list[str]
) -> None:
    dovecot.deliver(letter("Hello", "bounces@lantern.example"))
    until(lambda: not dovecot.messages())
    dovecot.deliver(letter("a code that is none"))
    until(lambda: not dovecot.messages())
    assert not instance.python(LOCKED)
    dovecot.deliver(letter(codes[1]))
    until(lambda: instance.python(LOCKED))
    until(lambda: not dovecot.messages())
    assert not any(code in instance.log.read_text() for code in codes) and "Traceback" not in instance.log.read_text()


def test_a_code_that_came_while_serve_was_down_locks_at_its_start(
    instance: Instance, dovecot: Dovecot, codes: list[str]
) -> None:
    instance.kill()
    dovecot.deliver(letter(codes[0]))
    instance.start()
    until(lambda: instance.python(LOCKED))
