"""What a process of ours is kept from."""

import os
import pty
import resource
import subprocess
import sys

import pytest

from samizdat import processes
from samizdat.delivery.engine import sender as engine
from samizdat.worker.processes import child
from samizdat.worker.processes import sender as child_sender

SECRET = {"BACKUP_PASSPHRASE": "hunter2", "AWS_SECRET_ACCESS_KEY": "hunter2"}


@pytest.fixture
def surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (SECRET | {"PGPASSWORD": "hunter3", "DATABASE_URL": "postgresql://a:hunter3@b/c"}).items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("surroundings")
def test_a_process_gets_no_password_that_is_not_for_it() -> None:
    assert "hunter2" not in str(processes.environment())
    assert processes.environment()["PGPASSWORD"] == "hunter3"
    for chosen in (processes.public_environment(), processes.bare_environment()):
        assert "hunter" not in str(chosen)
        assert chosen["PATH"] == os.environ["PATH"]


@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone knows of it")
@pytest.mark.parametrize("module", ["samizdat.cli.__main__", "samizdat.worker.processes.child"])
def test_nobody_looks_into_the_memory_of_a_process_that_holds_keys(module: str) -> None:
    code = (
        "import ctypes, importlib, sys; sys.argv = ['samizdat', '--version']\n"
        f"made = importlib.import_module('{module}')\n"
        "try: made.main(*(['nobody'] if 'child' in made.__name__ else []))\n"
        "except (SystemExit, KeyError): pass\n"
        "print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))"  # PR_GET_DUMPABLE
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=processes.environment()
    )
    assert done.stdout.splitlines()[-1] == "0", done.stderr


SHARES = """
import fcntl, os
from samizdat import processes
with processes.no_terminal() as errors:
    os.dup2(errors, 2)
with processes.no_terminal() as again:
    print(fcntl.fcntl(2, fcntl.F_GETFL) & os.O_ACCMODE == os.O_WRONLY, os.ttyname(2), again)
os.write(2, b"said")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone lets the terminal of another session be read")
def test_of_a_terminal_a_process_gets_a_place_to_write_to_and_no_more() -> None:
    ours, terminal = pty.openpty()
    try:
        done = subprocess.run(
            [sys.executable, "-c", SHARES],
            stdout=subprocess.PIPE,
            stderr=terminal,
            start_new_session=True,
            text=True,
            check=True,
            env=processes.environment(),
        )
        assert done.stdout.split() == ["True", os.ttyname(terminal), "None"]
        assert os.read(ours, 100) == b"said"
    finally:
        os.close(ours)
        os.close(terminal)


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_libraries_go_on_working_while_what_is_not_used_of_them_is_in_no_memory() -> None:
    code = """
import hashlib, re, sqlite3, ssl
from pathlib import Path
from PIL import Image
from samizdat import processes

def files() -> int:
    rollup = Path("/proc/self/smaps_rollup").read_text()
    resident, unwritten = (int(re.search(name + r":\\s+(\\d+)", rollup)[1]) for name in ("Rss", "Anonymous"))
    return resident - unwritten

before = files()
processes.let_go_of_code()
after = files()
assert Image.new("RGB", (4, 4)).resize((2, 2)).size == (2, 2)
assert sqlite3.connect(":memory:").execute("SELECT 1").fetchone() == (1,)
assert hashlib.sha256(b"x").digest() and ssl.create_default_context()
print(before, after)
"""
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=processes.environment()
    )
    before, after = map(int, result.stdout.split())
    assert after < before / 2


def test_a_sender_may_open_more_files_than_the_system_says_at_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two routes of 500 connections to servers that do not answer would leave none for the others."""
    limits: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _kind: (1024, 524_288))
    monkeypatch.setattr(resource, "setrlimit", lambda _kind, both: limits.append(both))
    for name in ("_open_house", "_on_term", "LifeSign"):
        monkeypatch.setattr(child, name, lambda *_what, **_more: None)
    monkeypatch.setattr(child_sender, "surroundings", lambda *_what: {})
    monkeypatch.setattr(engine, "run_sender", lambda _stop: None)
    assert child._send("sender", None) == 0
    assert limits == [(child.SENDER_FILES, 524_288)]
