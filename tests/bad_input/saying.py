"""What every refusal has in common, and what must not have changed because of it."""

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests import warm
from tests.cli.conftest import House, Result
from tests.ports import free_port

HEADING = "Email Address,First Name,OPTIN_TIME,LAST_CHANGED,TAGS"
EXPORT = "subscribed_members_export_0a1b2c3d4e.csv"
LETTER = "# Hello *|FNAME|*\n\nThe [whole story](https://lantern.example/story) is on our page.\n"
SENDER = "Northern Lantern <letter@lantern.example>"


def cases(table: dict[str, tuple[Any, ...]]) -> list[Any]:
    """Each case by its name. Whose sentence no database has a part in: the first alone is tried on PostgreSQL too."""
    first = next(iter(table))
    return [
        pytest.param(*values, id=name, marks=() if name == first else pytest.mark.once)
        for name, values in table.items()
    ]


def one_sentence(result: Result, *needles: str) -> None:
    """Exit code 1, one line on standard error and nothing on standard output."""
    assert result.code == 1, result.out + result.err
    assert result.out == ""
    assert len(result.err.strip().splitlines()) == 1, result.err
    # What happened, then what to do.
    assert result.err.strip().endswith((".", "?")) or ": " in result.err, result.err
    for needle in needles:
        assert needle in result.err, result.err


def refuses(house: House, *words: str, says: tuple[str, ...] = (), **more: Any) -> dict[str, Any]:
    """The command is refused in one sentence, and with --json in one document, which is returned."""
    one_sentence(house(*words, **more), *says)
    failed = house(*words, "--json", **more)
    assert failed.code == 1
    document = json.loads(failed.out)
    assert document["error"] not in ("broken", ""), document
    for needle in says:
        assert needle in document["sentence"], document
    return document


def rows(house: House) -> dict[str, int]:
    """How many rows every table has, read past samizdat. Where it runs is noted by whichever command looks first."""
    return {name: count for name, count in _all_rows(house).items() if not name.endswith(NOTED)}


NOTED = ("delivery_location", "delivery_epochrecord", "sqlite_sequence")


def _all_rows(house: House) -> dict[str, int]:
    url = house.environment["DATABASE_URL"]
    if url:
        import psycopg

        with psycopg.connect(url) as connection:
            found = connection.execute(
                "SELECT schemaname || '.' || tablename FROM pg_tables WHERE schemaname IN ('public', 'publicdb')"
            ).fetchall()
            return {name: _count(connection, name) for (name,) in found}
    counts: dict[str, int] = {}
    for file in ("samizdat.sqlite3", "public.sqlite3"):
        with contextlib.closing(sqlite3.connect(f"file:{house.data / file}?mode=ro", uri=True)) as connection:
            names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
            counts |= {f"{file}:{name}": _count(connection, name) for (name,) in names}
    return counts


def _count(connection: Any, table: str) -> int:
    return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


def rows_of(house: House, table: str) -> int:
    url = house.environment["DATABASE_URL"]
    if url:
        import psycopg

        with psycopg.connect(url) as connection:
            return _count(connection, table)
    with contextlib.closing(sqlite3.connect(f"file:{house.data / 'samizdat.sqlite3'}?mode=ro", uri=True)) as lite:
        return _count(lite, table)


def change(house: House, place: str, statement: str) -> None:
    """Changes the database of the house or of the public database behind samizdat's back."""
    url = house.environment["DATABASE_URL"]
    if url:
        import psycopg

        with psycopg.connect(
            url, options=f"-c search_path={'publicdb' if place == 'publicdb' else 'public'}"
        ) as connection:
            connection.execute(statement)  # type: ignore[call-overload]
        return
    file = "public.sqlite3" if place == "publicdb" else "samizdat.sqlite3"
    with contextlib.closing(sqlite3.connect(house.data / file)) as lite:
        lite.execute(statement)
        lite.commit()


def export(people: int, first: int = 0) -> str:
    """A Mailchimp file of invented people."""
    lines = [f"a{n}@reader.example,Ada,2020-01-01 10:00:00,2020-01-01 10:00:00," for n in range(first, first + people)]
    return "\n".join([HEADING, *lines, ""])


def count(house: House, name: str) -> int:
    return int(house.say("subscribers", "count", "--list", name)["count"])


def draft(house: House, name: str, body: str = "letter.md") -> str:
    """A new campaign to the list `name`; its id."""
    file = house.folder / body
    if not file.exists():
        file.write_text(LETTER)
    words = ("--list", name, "--subject", "News", "--from", SENDER, "--body", str(file))
    return str(house.say("campaign", "new", *words)["id"])


def until(true: Callable[[], Any], seconds: float = 240, every: float = 0.02) -> Any:
    """What `true` gives as soon as it is something; fails after `seconds`."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := true():
            return found
        time.sleep(every)
    raise AssertionError("It did not become true in time.")


class Process:
    """A command that goes on beside the test, alone in its process group."""

    def __init__(self, house: House, *words: str) -> None:
        self.streams = house.folder / "streams.txt"
        with self.streams.open("w") as file:
            command = ["-m", "samizdat.cli", *words]
            self.process = warm.Process(command, cwd=house.folder, env=house.environment, stdout=file, stderr=file)

    @property
    def said(self) -> str:
        return self.streams.read_text()

    def kill(self) -> None:
        """SIGKILL, to this process alone: what it started has to notice by itself."""
        self.process.kill()
        self.process.wait(10)

    def end(self) -> None:
        """Everything that is left of it."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(12)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(10)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)


@contextlib.contextmanager
def served(house: House) -> Iterator[Process]:
    """`samizdat serve` on free ports, answering."""
    port, public = free_port(), free_port()
    running = Process(house, "serve", "--port", str(port), "--public-port", str(public))
    try:
        until(lambda: answers(running, port) and answers(running, public))
        yield running
    finally:
        running.end()


def answers(running: Process, port: int) -> bool:
    from http.client import HTTPConnection, HTTPException

    assert running.process.poll() is None, running.said
    asked = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        asked.request("GET", "/robots.txt")
        return asked.getresponse().status < 500
    except (OSError, HTTPException):
        return False
    finally:
        asked.close()
