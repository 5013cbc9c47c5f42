"""The command as scripts call it: a process of its own, on a house of its own, on either database."""

import atexit
import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests import moulds, warm
from tests.conftest import PASSWORD

ROOT = Path(__file__).parent.parent.parent


@dataclass
class Result:
    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        return json.loads(self.out)


class House:
    """A data folder, and the samizdat command on it."""

    def __init__(self, folder: Path, database_url: str) -> None:
        self.folder, self.data, self.key = folder, folder / "data", folder / "data.key"
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("SAMIZDAT_")},
            "SAMIZDAT_DATA": str(self.data),
            "SAMIZDAT_USER": "root",
            "DATABASE_URL": database_url,
            "PYTHONPATH": str(ROOT),
        }
        self.environment.pop("DJANGO_SETTINGS_MODULE", None)
        # Words before the command: another user, a limit.
        self.under: tuple[str, ...] = ()
        self.made: dict[str, Any] = {}

    def __call__(self, *words: str, feed: str = "", timeout: float = 240, **environment: str) -> Result:
        told, command = {**self.environment, **environment}, ["-m", "samizdat.cli", *words]
        # A language, a limit or a path of Python's counts from where a process begins: such ones begin cold.
        if not self.under and all(name.startswith("SAMIZDAT_") for name in environment):
            done = warm.run(command, cwd=self.folder, env=told, feed=feed, timeout=timeout)
        else:
            done = self.cold(*command, feed=feed, timeout=timeout, environment=told)
        assert "Traceback" not in done.stderr, done.stderr
        return Result(done.returncode, done.stdout, done.stderr)

    def cold(
        self, *words: str, feed: str = "", timeout: float = 120, environment: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """`python WORDS` from the very beginning, as scripts start it."""
        return subprocess.run(
            [*self.under, sys.executable, *words],
            cwd=self.folder,
            env=environment or self.environment,
            input=feed,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def say(self, *words: str, feed: str = "", timeout: float = 240) -> dict[str, Any]:
        """The document of a command that has to succeed."""
        result = self(*words, "--json", feed=feed, timeout=timeout)
        assert result.code == 0, result.out + result.err
        return result.json

    def django(self, code: str) -> None:
        """Code inside the house, for what no command can do."""
        head = "from samizdat.cli.bootstrap import open_house; open_house(); "
        done = subprocess.run(
            [sys.executable, "-c", head + code], cwd=self.folder, env=self.environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr

    def init(self) -> dict[str, Any]:
        """As after `samizdat init`: a copy of a house that was made so once, since tables take two seconds to make."""
        mould = _mould()
        shutil.copytree(mould.data, self.data, dirs_exist_ok=True)
        self.data.chmod(0o700)
        shutil.copy2(mould.key, self.key)
        shutil.copy2(mould.folder / "password", self.folder)
        if url := self.environment["DATABASE_URL"]:
            name, other = (urlsplit(one).path.removeprefix("/") for one in (url, mould.environment["DATABASE_URL"]))
            moulds.as_admin(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
            moulds.copy(other, name)
        return {**mould.made, "data": str(self.data), "key_file": str(self.key)}


# What `init` does, but that its tables are there already, and that it runs nowhere yet: copies are to be originals.
INIT = (
    "from samizdat.cli import __main__, instance; instance._needs_key = lambda: True; "
    "instance._note_place = lambda: None; __main__.main()"
)


@functools.cache
def _mould() -> House:
    """The house that others are copied from: one for each worker of xdist, whose keys are its own."""
    folder = Path(tempfile.mkdtemp(prefix="house-", dir=os.environ["SAMIZDAT_TEST_ROOT"]))
    name = f"house_{uuid.uuid4().hex[:12]}"
    if os.environ.get("DATABASE_URL"):
        moulds.database(name)
        atexit.register(moulds.as_admin, f"DROP DATABASE {name} WITH (FORCE)")
        house = House(folder, moulds.url_of(name))
    else:
        house = House(folder, "")
        moulds.files_into(house.data)
    (folder / "password").write_text(PASSWORD)
    (folder / "password").chmod(0o600)
    words = ("--organization", "Northern Lantern", "--admin", "clara@lantern.example", "--password-file", "password")
    command = ["-c", INIT, "init", *words, "--url", "https://lantern.example", "--json"]
    done = warm.run(command, cwd=folder, env=house.environment)
    assert done.returncode == 0, done.stderr
    house.made = json.loads(done.stdout)
    return house


def _database(empty: bool = False) -> Iterator[str]:
    """A PostgreSQL database of this test alone, or none: then SQLite in the data folder. One that is not asked for
    empty is there after House.init()."""
    if not os.environ.get("DATABASE_URL"):
        yield ""
        return
    name = f"house_{uuid.uuid4().hex[:12]}"
    if empty:
        moulds.as_admin(f"CREATE DATABASE {name}")
    try:
        yield moulds.url_of(name)
    finally:
        moulds.as_admin(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@pytest.fixture
def empty_house(tmp_path: Path) -> Iterator[House]:
    for url in _database(empty=True):
        yield House(tmp_path, url)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """One house for all tests of a module: each begins something of its own in it."""
    for url in _database():
        made = House(tmp_path_factory.mktemp("house"), url)
        made.init()
        yield made
