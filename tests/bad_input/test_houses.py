"""What is wrong with the house itself: its key, its version, its disk, its ports, its Python. One sentence, and as soon
as the cause is gone the same command works on what was there before."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.bad_input.saying import (
    SENDER,
    change,
    count,
    free_port,
    one_sentence,
    refuses,
    rows,
    served,
)
from tests.cli.conftest import ROOT, House
from tests.conftest import PASSWORD
from tests.worker.conftest import until

LIST = "Letter"
NEW = ("subscribers", "add", "new@reader.example", "--list", LIST, "--consent", "on paper")
SERVE = ("serve", "--port", "0", "--public-port", "0")


@pytest.fixture(scope="module")
def lived(house: House) -> House:
    house.say("list", "new", LIST)
    house.say("subscribers", "add", "ada@reader.example", "--list", LIST, "--consent", "on paper")
    (house.folder / "letter.md").write_text("# Hello\n")
    words = ("--list", LIST, "--subject", "News", "--from", SENDER, "--body", "letter.md")
    house.say("campaign", "new", *words)
    return house


def lose(key: Path) -> None:
    key.unlink()


def show_to_all(key: Path) -> None:
    key.chmod(0o644)


def show_to_group(key: Path) -> None:
    key.chmod(0o640)


def write_nonsense(key: Path) -> None:
    key.write_bytes(b"\xff\x00this is no key")


def empty(key: Path) -> None:
    key.write_text("")


def take_another(key: Path) -> None:
    lines = key.read_text().splitlines()
    # A whole key, of another house: every letter but the last, whose bits are not all used, is another one.
    key.write_text(f"{lines[0]}\n{lines[1][:-1][::-1]}{lines[1][-1]}\n")


HARMS = {
    "lost": (lose, "key file"),
    "readable by all": (show_to_all, "chmod 600"),
    "readable by its group": (show_to_group, "chmod 600"),
    "no key file": (write_nonsense, "key file"),
    "empty": (empty, "key file"),
    "of another house": (take_another, "does not belong"),
}


@pytest.mark.parametrize(("harm", "says"), HARMS.values(), ids=HARMS)
def test_without_its_key_nothing_is_done_and_with_it_everything_is_there(
    lived: House, harm: Callable[[Path], None], says: str
) -> None:
    saved = lived.folder / "saved.key"
    shutil.copy2(lived.key, saved)
    before = rows(lived)
    harm(lived.key)
    try:
        one_sentence(lived(*NEW), says)
        if harm is lose:
            refuses(lived, *SERVE, says=(says,))
            founding = ("init", "--organization", "Other", "--admin", "x@y.example", "--password-file", "password")
            one_sentence(lived(*founding), "Restore the copy")
            assert not lived.key.exists()
        assert rows(lived) == before
    finally:
        shutil.copy2(saved, lived.key)


def test_with_its_key_back_everything_is_there(lived: House) -> None:
    assert count(lived, LIST) == 1


@pytest.mark.parametrize("place", ["house", "publicdb"])
def test_a_database_of_a_newer_version_is_left_alone(lived: House, place: str) -> None:
    app = "audience" if place == "house" else "publicdb"
    values = f"('{app}', '9999_tomorrow', CURRENT_TIMESTAMP)"
    change(lived, place, f"INSERT INTO django_migrations (app, name, applied) VALUES {values}")
    before = rows(lived)
    try:
        one_sentence(lived("upgrade"), "newer version of Samizdat", "Install")
        refuses(lived, *(NEW if place == "house" else SERVE), says=("newer version of Samizdat",))
        assert rows(lived) == before
    finally:
        change(lived, place, "DELETE FROM django_migrations WHERE name = '9999_tomorrow'")
    assert count(lived, LIST) == 1


def test_a_second_serve_and_a_taken_port_are_one_sentence_and_the_first_goes_on(lived: House) -> None:
    with served(lived) as running:
        second = refuses(lived, *SERVE, says=("samizdat is already running on", str(running.process.pid), "Stop"))
        assert second["error"] == "cannot_serve"
        # Commands go on beside it, and ask it for their keys.
        lived.key.rename(lived.folder / "away.key")
        assert count(lived, LIST) == 1
        (lived.folder / "away.key").rename(lived.key)
        assert running.process.poll() is None
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        one_sentence(lived("serve", "--port", port, "--public-port", str(free_port())), port, "Choose another")


@pytest.mark.parametrize("port", ["-1", "70000"])
def test_a_port_that_is_none_is_wrong_usage(lived: House, port: str) -> None:
    refused = lived("serve", "--port", port)
    assert refused.code == 2
    assert "port" in refused.err


# -- a data folder that may only be read -------------------------------------------------------------------------


@pytest.fixture
def copied(lived: House) -> Iterator[House]:
    """A copy of the data folder where another user gets through to it; pytest's own folders are for one user alone."""
    folder = Path(tempfile.mkdtemp(prefix="samizdat-read-only-"))
    folder.chmod(0o755)
    made = House(folder, lived.environment["DATABASE_URL"])
    shutil.copytree(lived.data, made.data)
    shutil.copy2(lived.key, made.key)
    try:
        yield made
    finally:
        made.data.chmod(0o700)
        shutil.rmtree(folder)


def test_a_read_only_data_folder_is_one_sentence_and_nothing_changes(copied: House) -> None:
    before = rows(copied)
    for path in [*copied.data.rglob("*"), copied.data]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    user: tuple[str, ...] = ()
    if os.geteuid() == 0:
        # Root may write everywhere, so somebody else tries: they may read all of it.
        shutil.chown(copied.key, 65534)
        user = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    # On PostgreSQL the folder holds locks and journals alone, so there a list can be made.
    on_sqlite = not copied.environment["DATABASE_URL"]
    for words in [SERVE, ("list", "new", "More"), NEW] if on_sqlite else [SERVE]:
        done = as_user(user, copied, *words)
        assert done.returncode == 1, done.stdout + done.stderr
        assert len(done.stderr.strip().splitlines()) == 1, done.stderr
        assert "writ" in done.stderr, done.stderr
    for path in [copied.data, *copied.data.rglob("*")]:
        path.chmod(0o700 if path.is_dir() else 0o600)
    shutil.chown(copied.key, os.geteuid())
    assert rows(copied) == before
    copied.say(*NEW)
    assert count(copied, LIST) == 2


def as_user(user: tuple[str, ...], house: House, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*user, sys.executable, "-m", "samizdat.cli", *words],
        env={**house.environment, "HOME": "/nonexistent", "PYTHONDONTWRITEBYTECODE": "1"},
        cwd="/",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


# -- ./run on a machine that lacks something ---------------------------------------------------------------------


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """As much of a clone as `run` looks at."""
    shutil.copy(ROOT / "run", tmp_path / "run")
    for name in ("requirements.txt", "requirements-dev.txt"):
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


@pytest.fixture
def trap(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Somebody's folder, in which files are named as modules are; each that is run leaves its name in `caught`."""
    folder = tmp_path_factory.mktemp("trap")
    standard, ours = ("csv", "json", "email", "site", "sitecustomize", "usercustomize"), ("samizdat", "django", "bench")
    for name in (*standard, *ours, "venv", "pip"):
        mark = f"open({str(folder / 'caught')!r}, 'a').write(__name__ + ' ')\n"
        (folder / f"{name}.py").write_text(mark)
    (folder / "people.csv").write_text("email\nada@reader.example\n")
    return folder


def run(clone: Path, python: str, cwd: Path | None = None, **more: str) -> subprocess.CompletedProcess[str]:
    """./run with a Python that is this one but for what `python` does first."""
    stub = clone / "python3"
    stub.write_text(f'#!/bin/sh\n{python}\nexec {sys.executable} "$@"\n')
    stub.chmod(0o755)
    names = {"PATH": f"{clone}:/usr/bin:/bin", "PYTHON": str(stub), "HOME": str(clone), **more}
    command = ["sh", str(clone / "run"), "list", "ls", "--json"]
    return subprocess.run(command, cwd=cwd, env=names, capture_output=True, text=True, timeout=60, check=False)


def test_a_python_without_venv_is_one_sentence_and_leaves_nothing_behind(clone: Path) -> None:
    done = run(clone, 'case "$*" in *"-m venv"*) exit 1 ;; esac')
    assert done.returncode == 1
    assert done.stdout == ""
    assert "python3-venv" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert not (clone / ".venv").exists()


def test_without_a_network_the_packages_are_one_sentence_and_the_next_call_tries_again(clone: Path, trap: Path) -> None:
    nowhere = {"PIP_INDEX_URL": f"http://127.0.0.1:{free_port()}/simple", "PIP_RETRIES": "0", "PIP_NO_CACHE_DIR": "1"}
    for _call in range(2):
        done = run(clone, ":", trap, **nowhere, PIP_CONFIG_FILE=os.devnull, PYTHONPATH=":")
        assert done.returncode == 1
        assert done.stdout == ""
        assert "could not be installed" in done.stderr.splitlines()[-1], done.stderr
        assert not (clone / ".venv" / "stamp").exists()
    assert not (trap / "caught").exists()


@pytest.fixture
def whole(clone: Path) -> Path:
    """A clone whose packages are installed: those that run this test."""
    (clone / ".venv" / "bin").mkdir(parents=True)
    python = clone / ".venv" / "bin" / "python"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    with (clone / "requirements-dev.txt").open("rb") as wanted:
        sum_of = subprocess.run(["cksum"], stdin=wanted, capture_output=True, text=True, check=True).stdout.strip()
    (clone / ".venv" / "stamp").write_text(f"{sum_of} requirements-dev.txt\n")
    for name in ("samizdat", "scripts", "bench"):
        (clone / name).symlink_to(ROOT / name)
    return clone


def unsafe(copied: House) -> dict[str, str]:
    """An environment with the working folder in Python's path, as `export PYTHONPATH=$PYTHONPATH:…` leaves it."""
    return {name: text for name, text in copied.environment.items() if name != "PYTHONSAFEPATH"} | {"PYTHONPATH": ":"}


@pytest.mark.parametrize(
    "words", ["list ls", "import people.csv --list Letter --status subscribed", "bench --help", "test --help"]
)
def test_python_files_of_the_folder_it_is_called_in_are_not_run(
    copied: House, whole: Path, trap: Path, words: str
) -> None:
    command = ["sh", str(whole / "run"), *words.split()]
    done = subprocess.run(
        command, cwd=trap, env=unsafe(copied), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode in (0, 2), done.stderr  # A benchmark wants a name.
    assert not (trap / "caught").exists(), (trap / "caught").read_text()


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


# As the installed `samizdat` starts: its own path is in order, and that of its children has to be.
STARTED = "import sys; sys.path.pop(0); from samizdat.cli.__main__ import main; main()"


@pytest.mark.parametrize("way", ["run", "samizdat"])
def test_neither_are_they_by_the_processes_of_serve(copied: House, whole: Path, trap: Path, way: str) -> None:
    # Where the original ran does not matter here: tests/worker/test_copies.py.
    change(copied, "house", "DELETE FROM delivery_location")
    port = free_port()
    by_run = way == "run"
    begin = ["sh", str(whole / "run")] if by_run else [sys.executable, "-c", STARTED]
    environment = unsafe(copied) | ({} if by_run else {"PYTHONPATH": str(ROOT)})
    command = [*begin, "serve", f"--port={port}", f"--public-port={free_port()}"]
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, cwd=trap, env=environment, **quiet) as tree:
        try:
            until(lambda: answers(port) or (trap / "caught").exists())
        finally:
            tree.terminate()
    assert not (trap / "caught").exists(), (trap / "caught").read_text()


# -- init ----------------------------------------------------------------------------------------------------------

INIT = {"--organization": "Northern Lantern", "--admin": "clara@lantern.example", "--password-file": "password"}
WRONG = {
    "no organization": ({"--organization": " "}, "name"),
    "an admin without address": ({"--admin": "clara"}, "@"),
    "a short password": ({"--password-file": "short"}, "14 characters"),
    "an empty password file": ({"--password-file": "empty"}, "first line"),
    "no password file": ({"--password-file": "missing"}, "missing"),
    "no such time zone": ({"--timezone": "Europe/Nowhere"}, "Europe/Riga"),
    "no web address": ({"--url": "lantern.example"}, "https://"),
    "nowhere to copy the key": ({"--key-copy": "/nowhere/at/all"}, "another place"),
}


@pytest.mark.parametrize(("words", "says"), WRONG.values(), ids=WRONG)
def test_an_init_that_is_refused_leaves_nothing_behind(empty_house: House, words: dict[str, str], says: str) -> None:
    for name, text in (("password", PASSWORD), ("short", "short"), ("empty", "")):
        (empty_house.folder / name).write_text(text)
        (empty_house.folder / name).chmod(0o600)
    told = [word for pair in (INIT | words).items() for word in pair]
    one_sentence(empty_house("init", *told), says)
    assert not empty_house.key.exists()
    assert not empty_house.data.exists()


def test_the_same_init_works_once_the_cause_is_gone_and_speaks_of_the_key(empty_house: House) -> None:
    told = [word for pair in INIT.items() for word in pair]
    one_sentence(empty_house("init", *told), "password")
    (empty_house.folder / "password").write_text(PASSWORD)
    (empty_house.folder / "password").chmod(0o600)
    # The one time that tables are made in a process that begins at nothing; every other house of the tests is a copy.
    done = empty_house.cold("-m", "samizdat.cli", "init", *told)
    assert (done.returncode, done.stderr.count("Traceback")) == (0, 0), done.stderr
    assert "key file" in done.stdout
    assert empty_house.key.stat().st_mode & 0o777 == 0o600
    assert not list(empty_house.data.rglob("*.key"))
    assert empty_house.say("list", "ls") == {"lists": []}
