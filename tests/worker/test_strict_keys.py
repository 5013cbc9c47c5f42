"""A strict organization in the processes of `serve`: locked at each start, opened by a passphrase, gone from memory."""

import base64
import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests import warm
from tests.worker.conftest import ROOT, Instance, until
from tests.worker.test_key_locks import CLI, HOLDERS, KEYS, holding, times_in_memory

SAID = {"vera": "six words of Vera, rivers", "olga": "six words of Olga, lamps"}
_PEOPLE = (
    "from samizdat.accounts import actions; from samizdat.accounts.models import Organization;"
    "from samizdat.cli import bootstrap; now = bootstrap.now(); here = Organization.objects.get();"
    "made = [actions.add_person(f'{name}@lantern.example', name=name, password='a lamp in the north',"
    " today=now.date()) for name in ('vera', 'olga')];"
    "[actions.give_role(person, here, 'admin', by=None, now=now) for person in made]; print(2)"
)


@pytest.fixture
def strict(peopled: Instance, tmp_path: Path) -> Instance:
    """It runs, and its organization was made strict by commands."""
    peopled.python(_PEOPLE)
    for name, typed in SAID.items():
        (tmp_path / name).write_text(typed + "\n")
        (tmp_path / name).chmod(0o600)
    peopled.start()
    for name in SAID:
        file = str(tmp_path / name)
        peopled.run(*CLI, "keys", "strict", "add", f"{name}@lantern.example", "--new-passphrase-file", file)
    peopled.run(*CLI, "keys", "strict", "on", "--yes")
    return peopled


def refused(instance: Instance, *arguments: str) -> str:
    done = warm.run([*CLI, *arguments], env=instance.environment, cwd=ROOT, timeout=120)
    assert done.returncode == 1, done.stdout
    return done.stderr


def left(instance: Instance) -> int:
    """How many have unsubscribed, by a column that needs no key."""
    code = "from samizdat.audience.models import Subscription; print(Subscription.objects.filter(status=2).count())"
    return int(instance.python(code))


def test_it_is_locked_at_each_start_until_somebody_enters_a_passphrase(strict: Instance, tmp_path: Path) -> None:
    strict.run(*CLI, "list", "ls")
    assert "Unlocked." in strict.run(*CLI, "keys", "strict", "status")
    strict.kill()
    strict.start()
    assert "Unlocked." not in strict.run(*CLI, "keys", "strict", "status")
    assert "samizdat keys strict unlock" in refused(strict, "list", "ls")
    assert "samizdat keys strict unlock" in refused(strict, "keys", "unlock", "--yes")
    page = f"/u/{strict.made['token']}"
    until(lambda: strict.ask(page, b"List-Unsubscribe=One-Click")[0] == 200)
    assert not left(strict)
    wrong = tmp_path / "wrong"
    wrong.write_text("six words of nobody here\n")
    wrong.chmod(0o600)
    assert "isn't the passphrase" in refused(strict, "keys", "strict", "unlock", "--passphrase-file", str(wrong))
    strict.run(*CLI, "keys", "strict", "unlock", "--passphrase-file", str(tmp_path / "olga"))
    strict.run(*CLI, "list", "ls")
    until(lambda: left(strict) == 1)
    assert "Traceback" not in strict.log.read_text()


def test_a_command_without_serve_has_no_keys_of_it(strict: Instance, tmp_path: Path) -> None:
    strict.stop()
    assert "samizdat keys strict unlock" in refused(strict, "list", "ls")
    file = str(tmp_path / "vera")
    assert "doesn't run" in refused(strict, "keys", "strict", "unlock", "--passphrase-file", file)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root reads the memory of processes")
def test_once_its_time_is_over_no_process_that_uses_keys_has_them_in_memory(strict: Instance, tmp_path: Path) -> None:
    secrets = [bytes.fromhex(text) for text in strict.python(KEYS)]
    until(lambda: "worker" in holding(strict, secrets))
    before: Any = strict.children()
    _unlock_for_a_second(strict, tmp_path / "vera")
    until(lambda: not any(Path(f"/proc/{number}").exists() for role in HOLDERS for number in before[role]))
    until(lambda: {*strict.children()} >= {*HOLDERS})
    assert not holding(strict, secrets)
    assert "samizdat keys strict unlock" in refused(strict, "list", "ls")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root reads the memory of processes")
def test_the_supervisor_has_the_strict_key_once_and_after_a_lock_not_at_all(strict: Instance, tmp_path: Path) -> None:
    """Nor does it keep what went through it: the same in base64, and the keys that others got."""
    opened = (
        "from samizdat.accounts.models import Organization; from samizdat.vault import strict;"
        f"here = Organization.objects.get(); typed = open({str(tmp_path / 'vera')!r}).read();"
        "print(json.dumps(strict.opened(here, strict.people(here), typed).hex()))"
    )
    strict_key = bytes.fromhex(strict.python(opened))
    secrets = [bytes.fromhex(text) for text in strict.python(KEYS)]
    passed_on = [*secrets, *(base64.b64encode(secret).rstrip(b"=")[:-1] for secret in (strict_key, *secrets))]
    until(lambda: "worker" in holding(strict, secrets))
    assert strict.process is not None
    strict.run(*CLI, "keys", "strict", "unlock", "--passphrase-file", str(tmp_path / "vera"))
    assert times_in_memory(strict.process.pid, [strict_key]) == 1
    until(lambda: not times_in_memory(strict.process.pid, passed_on))
    strict.run(*CLI, "keys", "lock")
    until(lambda: not times_in_memory(strict.process.pid, [strict_key, *passed_on]))


def _unlock_for_a_second(instance: Instance, file: Path) -> None:
    """The command takes whole hours."""
    instance.python(
        "from samizdat.accounts.models import Organization; from samizdat.vault import strict;"
        f"here = Organization.objects.get(); typed = open({str(file)!r}).read();"
        "strict.hold(here, strict.opened(here, strict.people(here), typed), 1 / 3600); print(1)"
    )


def test_a_passphrase_is_changed_by_a_command_also_while_it_is_locked(strict: Instance, tmp_path: Path) -> None:
    new = tmp_path / "new"
    new.write_text("six new words of Vera, snow\n")
    new.chmod(0o600)
    strict.kill()
    strict.start()
    change = ("keys", "strict", "change", "vera@lantern.example", "--new-passphrase-file", str(new))
    assert "isn't the passphrase" in refused(strict, *change, "--passphrase-file", str(tmp_path / "olga"))
    strict.run(*CLI, *change, "--passphrase-file", str(tmp_path / "vera"))
    assert "isn't" in refused(strict, "keys", "strict", "unlock", "--passphrase-file", str(tmp_path / "vera"))
    strict.run(*CLI, "keys", "strict", "unlock", "--passphrase-file", str(new))
    strict.run(*CLI, "list", "ls")


def test_shares_open_it_again_when_all_passphrases_are_forgotten(strict: Instance, tmp_path: Path) -> None:
    made = json.loads(
        strict.run(
            *CLI,
            *("keys", "strict", "shares", "--threshold", "2", "--of", "3", "--json"),
            *("--passphrase-file", str(tmp_path / "olga")),
        )
    )
    words = "\n".join(made["shares"][:2])
    strict.kill()
    strict.start()
    new = tmp_path / "new"
    new.write_text("six new words of Vera, snow\n")
    new.chmod(0o600)
    tried = warm.run([*CLI, "keys", "strict", "practice"], env=strict.environment, cwd=ROOT, timeout=120, feed=words)
    assert (tried.returncode, "numbers 1, 2" in tried.stdout) == (0, True), tried.stderr
    assert "Locked." in strict.run(*CLI, "keys", "strict", "status")
    recover = ("keys", "strict", "recover", "vera@lantern.example", "--new-passphrase-file", str(new))
    done = warm.run([*CLI, *recover], env=strict.environment, cwd=ROOT, timeout=120, feed=words)
    assert done.returncode == 0, done.stderr
    strict.run(*CLI, "keys", "strict", "unlock", "--passphrase-file", str(new))
    strict.run(*CLI, "list", "ls")
    refusal = refused(strict, "keys", "strict", "unlock", "--passphrase-file", str(tmp_path / "vera"))
    assert "isn't the passphrase" in refusal


def test_a_lock_says_how_a_strict_organization_is_unlocked(strict: Instance) -> None:
    assert "Unlock with: samizdat keys strict unlock" in strict.run(*CLI, "keys", "lock", "--yes")
