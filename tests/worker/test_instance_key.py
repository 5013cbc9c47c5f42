"""The instance key is replaced beside a running `serve`: it goes on with the new one, however the command ends."""

import fcntl
import os
from pathlib import Path

import pytest

from samizdat.vault.sources.key_file import read_key_file
from tests import warm
from tests.worker.conftest import ROOT, Instance, until
from tests.worker.test_key_locks import CLI

ROTATE = (*CLI, "keys", "rotate", "instance", "--yes")


def key_path(instance: Instance) -> Path:
    return instance.folder.with_name("data.key")


def unsubscribed(instance: Instance) -> int:
    code = "from samizdat.audience.models import Subscription; print(Subscription.objects.filter(status=2).count())"
    return int(instance.python(code))


def killed(instance: Instance, at: str) -> None:
    """The command ends at this function, as by a loss of power."""
    module, name = at.rsplit(".", 1)
    code = (
        f"import os, sys; import {module} as module; module.{name} = lambda *_, **__: os._exit(9);"
        "from samizdat.cli.__main__ import main; sys.argv = ['samizdat', 'keys', 'rotate', 'instance', '--yes']; main()"
    )
    done = warm.run(["-c", code], env=instance.environment, cwd=ROOT, timeout=120)
    assert done.returncode == 9, done.stderr


def test_serve_goes_on_with_the_new_key_and_what_was_linked_before_works(peopled: Instance) -> None:
    former = read_key_file(key_path(peopled))
    peopled.start()
    before = peopled.children()
    said = peopled.run(*ROTATE)
    assert "The instance key was replaced." in said
    assert read_key_file(key_path(peopled)) != former
    until(lambda: {"desk", "worker", "sender"} <= {*peopled.children()})
    assert not {*before["worker"]} & {*peopled.children()["worker"]}
    peopled.run(*CLI, "list", "ls")
    page = f"/u/{peopled.made['token']}"
    until(lambda: peopled.ask(page, b"List-Unsubscribe=One-Click")[0] == 200)
    until(lambda: unsubscribed(peopled) == 1)
    peopled.kill()
    peopled.start()
    peopled.run(*CLI, "list", "ls")
    assert "Traceback" not in peopled.log.read_text()


@pytest.mark.parametrize(
    "at",
    [
        "samizdat.vault.instance_exchange.exchange",
        "samizdat.cli.instance_key._put_in_place",
        "samizdat.vault.instance_exchange.finish",
    ],
)
@pytest.mark.parametrize("running", [True, False])
def test_killed_anywhere_it_opens_and_can_be_run_again(peopled: Instance, at: str, running: bool) -> None:
    if running:
        peopled.start()
    killed(peopled, at)
    peopled.run(*CLI, "list", "ls")
    if running:
        peopled.kill()
    peopled.run(*CLI, "list", "ls")
    peopled.run(*ROTATE)
    peopled.run(*CLI, "list", "ls")
    assert "was replaced" in peopled.run(*CLI, "keys", "rotate", "status")
    assert "still opens" not in peopled.run(*CLI, "keys", "rotate", "status")
    assert not key_path(peopled).with_name(f"{key_path(peopled).name}.new").exists()


def test_another_command_that_has_keys_is_waited_for(peopled: Instance) -> None:
    before = key_path(peopled).read_text()
    code = (
        "import sys; from samizdat.cli import instance_key; instance_key.PATIENCE = 0.1;"
        "from samizdat.cli.__main__ import main;"
        "sys.argv = ['samizdat', 'keys', 'rotate', 'instance', '--yes']; main()"
    )
    held = os.open(peopled.folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(held, fcntl.LOCK_SH)
        done = warm.run(["-c", code], env=peopled.environment, cwd=ROOT, timeout=120)
        assert done.returncode == 1
        assert "Another command" in done.stderr and "Nothing was changed" in done.stderr
        assert key_path(peopled).read_text() == before
    finally:
        os.close(held)
    peopled.run(*ROTATE)
