"""What becomes of the processes of `serve`, and of what readers send, while an organization is locked."""

import json
import logging
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from samizdat.accounts.actions import found_organization
from samizdat.audience import actions as audience
from samizdat.delivery.actions import key_locks
from samizdat.events.actions import record
from samizdat.events.models import Event
from samizdat.publicdb.models import Intake
from samizdat.vault import keyring
from samizdat.worker.inbox import inbox
from samizdat.worker.mail import waiting_mail
from samizdat.worker.publishing import publish
from samizdat.worker.schedule import scheduler
from tests import warm
from tests.conftest import NOW, TODAY
from tests.worker.conftest import ROOT, Instance, say, status, until
from tests.worker.test_unsubscribes import edition as edition  # The fixture.
from tests.worker.test_unsubscribes import people, token

HOLDERS = ("desk", "worker", "sender")


def tick() -> list[str]:
    """All steps but one that goes on in a thread of its own, and would write when the test is over."""
    steps = scheduler.LOCKS | scheduler.FIRST | scheduler.QUICK | scheduler.SLOW
    return scheduler.tick(NOW, {name: step for name, step in steps.items() if name != "which copy may send"})


def lock(organization: Any) -> None:
    key_locks.lock(organization, by=None, now=NOW)
    keyring.drop([(organization.pk, bytes(organization.uid))])


@pytest.mark.django_db
def test_who_leaves_while_it_is_locked_has_left_once_it_is_unlocked(
    lantern: Any, thursday: Any, edition: Any, caplog: pytest.LogCaptureFixture
) -> None:
    (ada,) = people(lantern, thursday, 1)
    say(lantern, "leave", token=token(lantern, ada, edition.id), purpose="leave", way="one-click")
    lock(lantern)
    with caplog.at_level(logging.WARNING):
        assert tick() == []
    assert not caplog.records, [record.getMessage() for record in caplog.records]
    assert status(ada, thursday) == "subscribed"
    assert Intake.objects.get().put_off == 0, "so a send that goes on waits for it"
    key_locks.unlock(lantern, by=None, now=NOW)
    inbox.forget()
    assert scheduler.tick(NOW, scheduler.FIRST) == []
    assert status(ada, thursday) == "unsubscribed"
    assert not Intake.objects.exists()


@pytest.mark.django_db
def test_another_organization_goes_on(
    lantern: Any, thursday: Any, edition: Any, vault: Any, caplog: pytest.LogCaptureFixture
) -> None:
    harbour = found_organization("Harbour", source=vault, today=TODAY, public_url="https://harbour.example")
    letter = audience.new_list(harbour, "Tides", now=NOW)
    publish.publish_place(harbour)
    (ada,) = people(lantern, thursday, 1)
    (boris,) = people(harbour, letter, 1)
    say(lantern, "leave", token=token(lantern, ada, edition.id), purpose="leave", way="one-click")
    say(harbour, "leave", token=token(harbour, boris, edition.id), purpose="leave", way="one-click")
    ours, theirs = record("list.changed", lantern, now=NOW), record("list.changed", harbour, now=NOW)
    lock(lantern)
    with caplog.at_level(logging.WARNING):
        assert tick() == []
        waiting_mail.look(NOW)
    assert not caplog.records, [record.getMessage() for record in caplog.records]
    assert not Intake.objects.filter(place=bytes(harbour.uid)).exists()
    assert Intake.objects.filter(place=bytes(lantern.uid)).exists()
    handled = Event.objects.in_bulk([ours.pk, theirs.pk])
    assert (handled[ours.pk].handled, handled[theirs.pk].handled) == (False, True)


CLI = ["-m", "samizdat.cli"]
KEYS = (
    "from samizdat.vault import keyring; from samizdat.vault.models import VaultKey; source = keyring.open_source();"
    "print(json.dumps([source.unwrap(keyring.label_of(row, row.organization), row.wrapped).hex()"
    " for row in VaultKey.objects.select_related('organization').filter(kind__in=('data', 'index'))]))"
)


def in_memory(number: int, secrets: list[bytes]) -> bool:
    """Whether a process has one of these anywhere in what it may write to."""
    return any(secret in part for part in written_memory(number) for secret in secrets)


def times_in_memory(number: int, secrets: list[bytes]) -> int:
    return sum(part.count(secret) for part in written_memory(number) for secret in secrets)


def written_memory(number: int) -> Iterator[bytes]:
    """Piece by piece."""
    maps = Path(f"/proc/{number}/maps").read_text()
    with open(f"/proc/{number}/mem", "rb", buffering=0) as memory:
        for start, end in re.findall(r"^([0-9a-f]+)-([0-9a-f]+) rw", maps, re.MULTILINE):
            try:
                memory.seek(int(start, 16))
                part = memory.read(int(end, 16) - int(start, 16))
            except (OSError, ValueError, OverflowError):
                continue  # Of the kernel's own.
            yield part


def holding(instance: Instance, secrets: list[bytes]) -> set[str]:
    """Roles of those that have one of these in memory."""
    roles = instance.children()
    return {role for role, numbers in roles.items() if any(in_memory(number, secrets) for number in numbers)}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root reads the memory of processes")
def test_ten_seconds_after_a_lock_no_process_has_a_key_in_its_memory(peopled: Instance) -> None:
    secrets = [bytes.fromhex(text) for text in peopled.python(KEYS)]
    peopled.start()
    until(lambda: {*peopled.children()} >= {*HOLDERS})
    until(lambda: "worker" in holding(peopled, secrets))
    before = peopled.children()
    began = time.monotonic()
    peopled.run(*CLI, "keys", "lock")
    until(lambda: not any(Path(f"/proc/{number}").exists() for role in HOLDERS for number in before[role]))
    assert time.monotonic() - began < 10
    until(lambda: {*peopled.children()} >= {*HOLDERS})
    assert not holding(peopled, secrets)
    assert peopled.children()["public"] == before["public"]


def test_a_lock_outlasts_a_killed_supervisor_and_what_readers_sent_is_done_at_unlock(peopled: Instance) -> None:
    peopled.start()
    peopled.run(*CLI, "keys", "lock")
    page = f"/u/{peopled.made['token']}"
    until(lambda: peopled.ask(page, b"List-Unsubscribe=One-Click")[0] == 200)
    os.kill(peopled.process.pid, signal.SIGKILL)  # type: ignore[union-attr]
    peopled.process.wait(60)  # type: ignore[union-attr]
    peopled.start()
    refused = warm.run([*CLI, "list", "ls"], env=peopled.environment, cwd=ROOT, timeout=120)
    assert refused.returncode == 1 and "samizdat keys unlock" in refused.stderr
    assert _status(peopled) == "1 subscribed"
    peopled.run(*CLI, "keys", "unlock", "--yes")
    until(lambda: _status(peopled) == "2 unsubscribed")
    assert "Traceback" not in peopled.log.read_text()


def _status(instance: Instance) -> str:
    """By the column, which needs no key."""
    code = "from samizdat.audience.models import Subscription; print(json.dumps(Subscription.objects.get().status))"
    number = instance.python(code)
    return {1: "1 subscribed", 2: "2 unsubscribed"}.get(number, str(number))


def test_a_command_that_has_keys_ends_at_a_lock(peopled: Instance) -> None:
    code = (
        "from samizdat.cli import bootstrap; bootstrap.end_when_locked(); bootstrap.SHORT = 0.1;"
        "bootstrap.open_house(); from samizdat.vault import keyring;"
        "from samizdat.accounts.models import Organization; keyring.keys(Organization.objects.get());"
        "print('open', flush=True); import threading; threading.Event().wait(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], env=peopled.environment, cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as command:
        assert command.stdout is not None and command.stdout.readline() == "open\n"
        peopled.run(*CLI, "keys", "lock")
        assert command.wait(30) == -signal.SIGTERM


def test_a_practice_locks_looks_and_unlocks_and_is_in_the_log(peopled: Instance) -> None:
    refused = warm.run([*CLI, "keys", "lock", "--practice", "--yes"], env=peopled.environment, cwd=ROOT)
    assert refused.returncode == 1 and "doesn't run here" in refused.stderr
    peopled.start()
    until(lambda: {*peopled.children()} >= {*HOLDERS})
    before = peopled.children()
    done = json.loads(peopled.run(*CLI, "keys", "lock", "--practice", "--yes", "--json"))
    [result] = done["practiced"]
    assert 0 < result["gone"] <= 10
    assert not {*before["desk"], *before["worker"]} & {
        number for role in peopled.children().values() for number in role
    }
    code = "from samizdat.events.models import Event; print(json.dumps([*Event.objects.filter(kind__startswith='keys.')"
    kinds = peopled.python(f"{code}.order_by('id').values_list('kind', flat=True)]))")
    assert kinds == ["keys.lock_practice_begun", "keys.locked", "keys.unlocked", "keys.lock_practiced"]
