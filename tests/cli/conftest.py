"""The command as scripts call it: a process of its own, on a house of its own, on either database."""

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

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
            "DATABASE_URL": database_url,
            "PYTHONPATH": str(ROOT),
        }
        self.environment.pop("DJANGO_SETTINGS_MODULE", None)
        # Words before the command: another user, a limit.
        self.under: tuple[str, ...] = ()

    def __call__(self, *words: str, feed: str = "", timeout: float = 60, **environment: str) -> Result:
        done = subprocess.run(
            [*self.under, sys.executable, "-m", "samizdat.cli", *words],
            cwd=self.folder,
            env={**self.environment, **environment},
            input=feed,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Result(done.returncode, done.stdout, done.stderr)

    def say(self, *words: str, feed: str = "", timeout: float = 60) -> dict[str, Any]:
        """The document of a command that has to succeed."""
        result = self(*words, "--json", feed=feed, timeout=timeout)
        assert result.code == 0, result.out + result.err
        return result.json

    def init(self) -> dict[str, Any]:
        secret = self.folder / "password"
        secret.write_text(PASSWORD)
        words = (
            "--organisation",
            "Northern Lantern",
            "--admin",
            "clara@lantern.example",
            "--password-file",
            str(secret),
        )
        return self.say("init", *words, "--url", "https://lantern.example")


def _database() -> Iterator[str]:
    """A PostgreSQL database of this test alone, or none: then SQLite in the data folder."""
    url = os.environ.get("DATABASE_URL", "")
    if not url:
        yield ""
        return
    import psycopg

    base, _slash, query = url.partition("?")
    name = f"house_{uuid.uuid4().hex[:12]}"
    admin = base.rsplit("/", 1)[0] + "/postgres?" + query
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    yield base.rsplit("/", 1)[0] + f"/{name}?" + query
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def empty_house(tmp_path: Path) -> Iterator[House]:
    for url in _database():
        yield House(tmp_path, url)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """One house for all tests of a module: each begins something of its own in it."""
    for url in _database():
        made = House(tmp_path_factory.mktemp("house"), url)
        made.init()
        yield made
