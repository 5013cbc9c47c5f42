"""The process that desk, worker and sender are forked from holds nothing, and what is forked is no more than before."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from samizdat.core.crypto import passphrase
from samizdat.core.crypto.passphrase import Cost
from samizdat.vault.sources.key_file import read_key_file, write_key_text
from tests.visitors import page
from tests.worker.conftest import ROOT, Instance, free_port, tree, until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")

FORKED = {"desk", "worker", "sender"}
CHEAP = Cost(64, 1, 1)


@pytest.fixture
def served(instance: Instance) -> Instance:
    instance.start()
    until(lambda: set(instance.children()) >= FORKED)
    return instance


def zygote(instance: Instance) -> int | None:
    assert instance.process is not None
    for number in tree(instance.process.pid):
        if _line(number, "comm") == "samizdat-zygote":
            return number
    return None


def _line(number: int, name: str) -> str:
    try:
        return Path(f"/proc/{number}/{name}").read_text().strip()
    except OSError:
        return ""


def _opened(number: int) -> set[str]:
    return {os.readlink(path) for path in Path(f"/proc/{number}/fd").iterdir() if int(path.name) > 2}


def _memory(number: int) -> Iterator[bytes]:
    """What it has written to."""
    with open(f"/proc/{number}/mem", "rb", buffering=0) as memory:
        for line in Path(f"/proc/{number}/maps").read_text().splitlines():
            place, rights, *_more = line.split()
            if rights.startswith("rw"):
                start, end = (int(part, 16) for part in place.split("-"))
                memory.seek(start)
                try:
                    yield memory.read(end - start)
                except OSError:
                    continue


def test_the_zygote_has_one_thread_no_connection_and_no_file(served: Instance) -> None:
    number = zygote(served)
    assert number is not None
    assert len(os.listdir(f"/proc/{number}/task")) == 1
    (line,) = _opened(number)
    assert line.startswith("socket:"), "its line to the supervisor"


LOOKS_ROUND = """
import json, os, threading
from samizdat.worker.processes import zygote
zygote.import_everything()
from django.db import connections
from samizdat.vault import keyring
opened = []
for name in os.listdir("/proc/self/fd"):
    if int(name) > 2 and os.path.lexists(f"/proc/self/fd/{name}"):
        opened.append(os.readlink(f"/proc/self/fd/{name}"))
print(json.dumps({
    "threads": threading.active_count(),
    "connected": [each.alias for each in connections.all() if each.connection is not None],
    "opened": opened,
    "keys": keyring._source is not None,
}))
"""


def test_what_is_imported_before_anybody_is_forked_opens_nothing(instance: Instance) -> None:
    environment = instance.environment | {"DJANGO_SETTINGS_MODULE": "samizdat.settings"}
    command = [sys.executable, "-c", LOOKS_ROUND]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == {"threads": 1, "connected": [], "opened": [], "keys": False}


COUNTS = """
import gc, json, sys
from samizdat.worker.processes import zygote
zygote.import_everything()
gc.unfreeze()
everything = gc.get_objects()
begun_since = object()
more = [begun_since] * 3
print(json.dumps({
    "counted": sum(sys.getrefcount(each) < 1 << 31 for each in everything) / len(everything),
    "of what came later": sys.getrefcount(begun_since),
    "code": sys.getrefcount(zygote.serve.__code__.co_consts) > 1 << 31,
}))
"""


def test_who_uses_what_was_imported_does_not_write_to_it(instance: Instance) -> None:
    """The count of references stands in each object, and a page that somebody writes to is theirs alone."""
    environment = instance.environment | {"DJANGO_SETTINGS_MODULE": "samizdat.settings"}
    command = [sys.executable, "-c", COUNTS]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=True)
    answer = json.loads(done.stdout)
    assert answer["counted"] < 0.01
    assert answer["of what came later"] == 5
    assert answer["code"]


IMPORTED = """
import json, sys
from samizdat.worker.processes import zygote
zygote.import_everything()
print(json.dumps(sorted(sys.modules)))
"""


def test_nothing_is_in_memory_for_all_that_helpers_alone_use(instance: Instance) -> None:
    """Pictures are decoded and letters rendered in processes of their own; nobody uses Django's admin."""
    environment = instance.environment | {"DJANGO_SETTINGS_MODULE": "samizdat.settings"}
    command = [sys.executable, "-c", IMPORTED]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "samizdat.core.content.render" in json.loads(done.stdout)
    for name in ("PIL.Image", "css_inline", "mjml", "nh3", "django.contrib.admin"):
        assert name not in json.loads(done.stdout)


NOTES_IMPORTS = """
import os, signal, sys
def begin():
    known = set(sys.modules)
    def tell(*_):
        with open(f"{os.environ['HOME']}/imported-{os.getpid()}.new", "w") as file:
            file.write("\\n".join(set(sys.modules) - known))
        os.rename(file.name, file.name.removesuffix(".new"))
    signal.signal(signal.SIGUSR2, tell)
os.register_at_fork(after_in_child=begin)
"""


def test_a_forked_child_imports_no_module_of_ours(instance: Instance, tmp_path: Path) -> None:
    """Each would be in its memory alone; and who is started again would wait for it."""
    tmp_path.joinpath("sitecustomize.py").write_text(NOTES_IMPORTS)
    instance.environment |= {"PYTHONPATH": f"{tmp_path}:{ROOT}", "HOME": str(tmp_path)}
    with _command(instance):
        until(lambda: set(instance.children()) >= FORKED and instance.answers())
        assert page(instance.ports[0], "/sign-in") == 200
        for role in FORKED:
            (number,) = instance.children()[role][:1]
            os.kill(number, signal.SIGUSR2)
            imported = tmp_path / f"imported-{number}"
            until(imported.exists)
            names = imported.read_text().splitlines()
            assert not [name for name in names if name.startswith(("samizdat", "django"))], role


def test_a_forked_child_has_a_session_a_name_and_descriptors_of_its_own(served: Instance) -> None:
    everybody = {role: number for role, (number, *_more) in served.children().items()}
    everybody["zygote"] = zygote(served) or 0
    everybody["supervisor"] = served.process.pid  # type: ignore[union-attr]
    lines = {role: {name for name in _opened(number) if name.startswith("pipe:")} for role, number in everybody.items()}
    for role in FORKED:
        number = everybody[role]
        fields = _line(number, "stat").rpartition(")")[2].split()
        assert int(fields[1]) == everybody["supervisor"], "who hears of its end"
        assert int(fields[3]) == number, "a session of its own"
        assert _line(number, "cmdline").rstrip("\0").split("\0") == ["samizdat", role]
        assert "Umask:\t0077" in _line(number, "status")
        others = set[str]().union(*(lines[other] for other in FORKED - {role}))
        assert not lines[role] & others, "nobody else's sign of life"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root looks into the memory of others")
def test_a_forked_child_knows_neither_the_instance_key_nor_what_else_stood_in_the_environment(
    instance: Instance,
) -> None:
    """Of the command itself: what the tests' processes are split off from has read other things."""
    instance.environment |= {"BACKUP_PASSPHRASE": "hunter2 of somebody"}
    with _command(instance):
        until(lambda: set(instance.children()) >= FORKED and instance.answers())
        _knows_neither(instance)


@contextlib.contextmanager
def _command(instance: Instance) -> Iterator[None]:
    """`serve` as a program of its own."""
    instance.ports = (free_port(), free_port())
    words = ["serve", f"--port={instance.ports[0]}", f"--public-port={instance.ports[1]}"]
    command = [sys.executable, "-m", "samizdat.cli", *words]
    with subprocess.Popen(command, env=instance.environment, cwd=ROOT) as process:
        instance.process = process  # type: ignore[assignment]
        try:
            yield
        finally:
            instance.stop()


def _knows_neither(served: Instance) -> None:
    key = read_key_file(served.folder.with_name("data.key"))
    held = {"zygote": zygote(served) or 0} | {role: numbers[0] for role, numbers in served.children().items()}
    for role, number in held.items():
        parts = list(_memory(number))
        assert parts, role
        assert not any(key in part for part in parts), role
        assert not any(b"hunter2 of somebody" in part for part in parts), role
    assert any(key in part for part in _memory(served.process.pid))  # type: ignore[union-attr]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root looks into the memory of others")
def test_a_passphrase_that_root_alone_may_read_opens_the_key_and_no_child_knows_it(
    split: Instance, tmp_path: Path
) -> None:
    """As systemd hands a credential to a unit without User=: `serve` is somebody else when it reads it."""
    path = split.folder.with_name("data.key")
    key = read_key_file(path)
    owner = path.stat()
    path.unlink()
    wrapped = passphrase.WrappedKey.wrap(
        key, "six words that nobody guesses", "abcde-fghij", bytes(16), bytes(12), CHEAP
    )
    write_key_text(path, wrapped.text)
    os.chown(path, owner.st_uid, owner.st_gid)
    write_key_text(tmp_path / "passphrase", "six words that nobody guesses\n")
    split.environment["SAMIZDAT_PASSPHRASE_FILE"] = str(tmp_path / "passphrase")
    with _command(split):
        until(lambda: set(split.children()) >= FORKED and split.answers())
        held = {"zygote": zygote(split) or 0} | {role: numbers[0] for role, numbers in split.children().items()}
        for role, number in held.items():
            parts = list(_memory(number))
            assert parts, role
            assert not any(key in part or b"words that nobody guesses" in part for part in parts), role


def test_when_the_zygote_ends_nobody_else_does_and_the_next_child_comes_from_a_new_one(served: Instance) -> None:
    number, before = zygote(served), served.children()
    assert number is not None
    os.kill(number, signal.SIGKILL)
    os.kill(before["desk"][0], signal.SIGKILL)
    until(lambda: served.children().get("desk", before["desk"]) != before["desk"])
    after = served.children()
    assert {role: after[role] for role in ("worker", "sender")} == {role: before[role] for role in ("worker", "sender")}
    assert zygote(served) not in (None, number)
    assert served.stop() <= 10
    assert served.process is not None and served.process.returncode == 0


def test_what_a_child_has_left_behind_is_no_zombie_of_the_supervisor(served: Instance) -> None:
    """A reader of the desk, whose parent is the supervisor once the desk is gone."""
    (sender,) = served.children()["sender"][:1]
    os.kill(sender, signal.SIGKILL)
    until(lambda: served.children().get("sender", [sender])[0] != sender)

    def states() -> list[list[str]]:
        return [_line(number, "stat").rpartition(")")[2].split()[:1] for number in tree(served.process.pid)]  # type: ignore[union-attr]

    until(lambda: ["Z"] not in states())
