"""An installation whose key comes from a key service: what becomes of it when that is stopped or can't be reached."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from samizdat.keyservice import store
from samizdat.vault.sources.key_file import read_key_file
from tests.keyservice.conftest import Host
from tests.worker.conftest import ROOT, Instance, until
from tests.worker.test_key_locks import HOLDERS, KEYS, holding, in_memory

LEASE = 12.0
EVENTS = (
    "from samizdat.events.models import Event; from samizdat.vault.models import KeyLock;"
    "print(json.dumps({'kinds': [*Event.objects.filter(kind__startswith='keys.').order_by('id')"
    ".values_list('kind', flat=True)], 'locked': KeyLock.objects.filter(locked=True).exists()}))"
)


@pytest.fixture
def host(peopled: Instance, tmp_path: Path) -> Iterator[Host]:
    key = read_key_file(peopled.folder.with_name("data.key"))
    made = Host(tmp_path / "host", key=key, seconds=LEASE)
    made.key = key  # type: ignore[attr-defined]
    made.start()
    yield made
    made.end()


@pytest.fixture
def instance(peopled: Instance, host: Host) -> Instance:
    """Its key file is on another host."""
    peopled.environment["SAMIZDAT_KEY_SERVICE"] = str(host.pair())
    peopled.folder.with_name("data.key").unlink()
    return peopled


def looked_at(instance: Instance) -> Any:
    """Without any key."""
    code = "from samizdat.cli.bootstrap import load_django; load_django(); import json; "
    return json.loads(instance.run("-c", code + EVENTS))


def refuses(instance: Instance, *words: str) -> str:
    with pytest.raises(AssertionError) as refused:
        instance.run("-m", "samizdat.cli", *words)
    return str(refused.value)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root reads the memory of processes")
def test_once_it_is_stopped_no_process_can_open_anything_and_the_log_says_so(instance: Instance, host: Host) -> None:
    secrets = [bytes.fromhex(text) for text in instance.python(KEYS)]
    instance.start()
    until(lambda: {*instance.children()} >= {*HOLDERS})
    until(lambda: "worker" in holding(instance, secrets))
    assert instance.process is not None
    assert in_memory(instance.process.pid, [host.key])  # type: ignore[attr-defined]
    host("stop")
    until(lambda: not {*HOLDERS} & {*instance.children()})
    until(lambda: not in_memory(instance.process.pid, [host.key, *secrets]), 60)  # type: ignore[union-attr,attr-defined]
    assert holding(instance, secrets) == set()
    assert instance.answers(), "the public pages go on"
    assert app(instance)[0] == 503
    assert "The key service was stopped" in refuses(instance, "list", "ls")
    assert looked_at(instance)["kinds"] == ["keys.locked", "keys.locked_by_service"]
    # A person starts it again, and a person unlocks the organizations.
    host("start", "--yes")
    host.end()
    host.start()
    until(lambda: {*instance.children()} >= {*HOLDERS})
    assert "locked" in refuses(instance, "list", "ls")
    instance.run("-m", "samizdat.cli", "keys", "unlock", "--yes")
    assert "Thursday" in instance.run("-m", "samizdat.cli", "list", "ls")
    instance.stop()
    kinds = looked_at(instance)["kinds"]
    assert kinds == ["keys.locked", "keys.locked_by_service", "keys.service_back", "keys.unlocked"]


def test_a_stop_that_was_over_before_the_server_started_again_is_not_missed(instance: Instance, host: Host) -> None:
    instance.start()
    until(lambda: {*instance.children()} >= {*HOLDERS})
    instance.stop()
    assert looked_at(instance) == {"kinds": [], "locked": False}
    stopped_and_started(host)
    instance.start()
    until(lambda: {*instance.children()} >= {*HOLDERS})
    assert "locked" in refuses(instance, "list", "ls")
    assert looked_at(instance) == {"kinds": ["keys.locked", "keys.locked_by_service"], "locked": True}
    instance.run("-m", "samizdat.cli", "keys", "unlock", "--yes")
    instance.stop()
    instance.start()
    until(lambda: {*instance.children()} >= {*HOLDERS})
    assert "Thursday" in instance.run("-m", "samizdat.cli", "list", "ls"), "one stop locks once"
    instance.stop()


def stopped_and_started(host: Host) -> None:
    """By hand, and its program anew, as it has no key any more."""
    host("stop")
    host("start", "--yes")
    host.end()
    host.start()


# Seconds: below mutate.LONGEST, so that a change which keeps it from happening is noticed.
SOONER = 100.0


def test_a_stop_that_was_over_before_a_running_server_asked_again_is_not_missed(instance: Instance, host: Host) -> None:
    instance.start()
    until(lambda: {*instance.children()} >= {*HOLDERS})
    before = instance.children()["desk"]
    host.end()  # So that nobody hears of it in between, however slow this machine is.
    store.stop(host.store, store.utc_now(), "by hand")
    store.start(host.store, store.utc_now(), "by hand")
    host.start()
    until(lambda: looked_at(instance)["locked"], SOONER)
    until(lambda: {*(there := instance.children())} >= {*HOLDERS} and there["desk"] != before)
    assert "locked" in refuses(instance, "list", "ls")
    instance.stop()
    kinds = [kind for kind in looked_at(instance)["kinds"] if kind != "keys.service_unreachable"]
    assert kinds == ["keys.locked", "keys.locked_by_service", "keys.service_back"]


def app(instance: Instance) -> tuple[int, str]:
    connection = HTTPConnection("127.0.0.1", instance.ports[0], timeout=60)
    try:
        connection.request("GET", "/sign-in")
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def test_while_it_cannot_be_reached_everything_pauses_and_then_goes_on_by_itself(
    instance: Instance, host: Host
) -> None:
    instance.start()
    until(lambda: {*instance.children()} >= {*HOLDERS})
    began = time.monotonic()
    host.end()
    until(lambda: not {*HOLDERS} & {*instance.children()})
    assert time.monotonic() - began > LEASE / 4, "one that is restarted keeps nobody from anything"
    assert instance.answers()
    assert "No key service can be reached" in refuses(instance, "list", "ls")
    status, page = app(instance)
    assert status == 503 and "The key service doesn" in page
    host.start()
    until(lambda: {*instance.children()} >= {*HOLDERS})
    until(lambda: app(instance)[0] == 200)
    assert "Thursday" in instance.run("-m", "samizdat.cli", "list", "ls")
    instance.stop()
    state = looked_at(instance)
    assert state == {"kinds": ["keys.service_unreachable", "keys.service_back"], "locked": False}


def test_who_leaves_while_the_key_is_gone_has_left_once_it_is_back(instance: Instance, host: Host) -> None:
    instance.start()
    until(lambda: {*instance.children()} >= {*HOLDERS})
    host("stop")
    until(lambda: not {*HOLDERS} & {*instance.children()})
    before = instance.children()["public"]
    os.kill(before[0], 9)
    until(lambda: instance.children().get("public", before) != before)
    until(instance.answers)


LONG = (
    "from samizdat.cli import bootstrap; bootstrap.SHORT = 0.1; bootstrap.end_when_locked(); bootstrap.open_house();"
    "print('opened', flush=True); import time; time.sleep(600)"
)


@pytest.mark.parametrize("is_served", [True, False])
def test_a_command_that_has_keys_ends(instance: Instance, host: Host, is_served: bool) -> None:
    if is_served:
        instance.start()
    command = subprocess.Popen(
        [sys.executable, "-c", LONG], env=instance.environment, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        assert command.stdout is not None and command.stdout.readline() == b"opened\n"
        host("stop")
        assert b"The key service doesn't give the key any more" in command.communicate(timeout=120)[1]
    finally:
        command.kill()


def test_nothing_starts_without_it(instance: Instance, host: Host) -> None:
    host("stop")
    assert "The key service was stopped" in refuses(instance, "list", "ls")
    host.end()
    assert "can't be asked" in refuses(instance, "list", "ls")


def test_the_key_of_another_database_is_refused(peopled: Instance, tmp_path: Path) -> None:
    other = Host(tmp_path / "other")
    other.start()
    try:
        peopled.environment["SAMIZDAT_KEY_SERVICE"] = str(other.pair())
        assert "key of another database" in refuses(peopled, "list", "ls")
    finally:
        other.end()
