"""The drill: a server is lost in the middle of a send, and its backup goes on with it elsewhere, with another database,
another relay and another domain."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email import message_from_bytes
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from samizdat.core.backup import layout
from tests import moulds
from tests.cli.conftest import House
from tests.ports import free_port
from tests.smtp_server import ScriptedServer
from tests.worker.conftest import _public_role, tree, until

pytestmark = pytest.mark.kill

PEOPLE = 700
# Seconds: what was sent so long before the end may be sent once more.
DOUBTFUL = 10.0
# Host names of the lost server, in links of what it sent, and of the new one.
OWN, OTHER = "news.lantern.example", "elsewhere.example"

# From one database to the other and back, where there are two.
WAYS = {"sqlite": [("sqlite", "sqlite")], "postgresql": [("sqlite", "postgresql"), ("postgresql", "sqlite")]}


@dataclass
class Host:
    """A server: its house, and what runs there."""

    house: House
    relay: ScriptedServer
    ports: tuple[int, int] = (0, 0)
    process: "subprocess.Popen[bytes] | None" = None
    counts: list[tuple[float, int]] = field(default_factory=list)

    def serve(self) -> None:
        self.ports = (free_port(), free_port())
        words = ("serve", "--port", str(self.ports[0]), "--public-port", str(self.ports[1]))
        with (self.house.folder / "streams.txt").open("a") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "samizdat.cli", *words],
                cwd=self.house.folder,
                env=self.house.environment,
                stdout=out,
                stderr=out,
            )
        until(lambda: self.ask("/robots.txt", "localhost") == 200)

    def ask(self, path: str, host: str) -> int:
        return self.answer("GET", path, host)[0]

    def answer(self, method: str, path: str, host: str, body: str = "") -> tuple[int, str, str]:
        """Status, Location and text of a public page; status 0: nobody answers."""
        assert self.process is not None
        assert self.process.poll() is None, (self.house.folder / "streams.txt").read_text()
        public = HTTPConnection("127.0.0.1", self.ports[1], timeout=60)
        try:
            public.request(method, path, body, {"Host": host, "Content-Type": "application/x-www-form-urlencoded"})
            answer = public.getresponse()
            return answer.status, answer.headers.get("Location", ""), answer.read().decode()
        except OSError:
            return 0, "", ""
        finally:
            public.close()

    def note(self) -> bool:
        """How many emails have gone out by now."""
        self.counts.append((time.monotonic(), len(recipients(self))))
        return True

    def kill(self) -> None:
        if self.process is not None and self.process.poll() is None:
            for number in tree(self.process.pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(number, signal.SIGKILL)
            self.process.wait(60)


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[Callable[[str, str], Host]]:
    """hosts("a", "sqlite"): a server with nothing on it, and a relay."""
    made, names = list[Host](), list[str]()

    def make(name: str, vendor: str) -> Host:
        (tmp_path / name).mkdir()
        url = ""
        if vendor == "postgresql":
            names.append(f"house_{uuid.uuid4().hex[:12]}")
            moulds.as_admin(f"CREATE DATABASE {names[-1]}")
            url = moulds.url_of(names[-1])
        house = House(tmp_path / name, url)
        if vendor != connection.vendor:
            house.under = ("env",)  # Warm processes have the run's database.
        made.append(Host(house, ScriptedServer(latency=0.1).start()))
        return made[-1]

    yield make
    for host in made:
        host.kill()
        host.relay.stop()
    roles = {_public_role(host.house.folder) for host in made if host.house.key.exists()}
    for name in names:
        moulds.as_admin(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    for role in roles if names else ():
        moulds.as_admin(f"DROP ROLE IF EXISTS {role}")


def recipients(host: Host) -> list[str]:
    """Of the campaign; admins get other emails."""
    return [caught.recipient for caught in host.relay.messages if caught.recipient.startswith("reader")]


def settled(host: Host, at: float) -> int:
    """How many of the first emails are sent by nobody else if it's lost then. at: by the monotonic clock."""
    return max((count for noted, count in host.counts if noted < at - DOUBTFUL), default=0)


def tail_files(place: Path) -> int:
    names = [path.relative_to(place).as_posix() for path in place.rglob("*.age")]
    return sum(layout.tail_name(name) is not None for name in names)


def set_up(host: Host, place: Path) -> list[str]:
    """Northern Lantern with a list, a relay and a backup place; its subscribers."""
    house = host.house
    (house.folder / "password").write_text("four unrelated words here")
    (house.folder / "password").chmod(0o600)
    words = ("--organization", "Northern Lantern", "--admin", "clara@lantern.example", "--password-file", "password")
    house.say("init", *words, "--url", f"https://{OWN}")
    house.say("organization", "set", "--postal-address", "1 Quay")
    house.say("list", "new", "Letter")
    people = [f"reader{number}@post.example" for number in range(PEOPLE)]
    (house.folder / "yes.csv").write_text("Email,Status\n" + "".join(f"{one},subscribed\n" for one in people))
    house.say("import", "yes.csv", "--list", "Letter", "--status", "subscribed")
    house.say("route", "add", "first", host.relay.url, "--connections", "3")
    (house.folder / "letter.md").write_text("# Hello\n\nThe [story](https://lantern.example/story) is here.\n")
    sender = ("--from", "Lantern <letter@lantern.example>", "--subject", "News")
    house.say("campaign", "new", "--list", "Letter", *sender, "--body", "letter.md")
    place.mkdir()
    house.say("backup", "place", "add", str(place))
    house.say("backup")
    return people


def wait_until_told(host: Host, place: Path) -> None:
    told = tail_files(place) + 2  # The first may have begun before.
    until(lambda: host.note() and tail_files(place) >= told)


def leave_before_it_comes(host: Host, people: list[str], place: Path) -> set[str]:
    """Some unsubscribe before their email is sent, and the place is told."""
    some = [reader for reader in people if not host.relay.copies(reader)][-5:]
    feed = "".join(f"{reader}\n" for reader in some)
    host.house.say("subscribers", "unsubscribe", "-", "--list", "Letter", feed=feed)
    wait_until_told(host, place)
    return {reader for reader in some if not host.relay.copies(reader)}


@pytest.mark.parametrize(("ours", "theirs"), WAYS[connection.vendor])
def test_what_a_lost_server_had_not_sent_is_sent_elsewhere_and_once(
    hosts: Callable[[str, str], Host], tmp_path: Path, ours: str, theirs: str
) -> None:
    a, place = hosts("a", ours), tmp_path / "place"
    people = set_up(a, place)
    a.serve()
    a.house.say("campaign", "send", "1")
    until(lambda: a.note() and len(a.relay.messages) > 100)
    a.relay.latency = 0.5
    left = leave_before_it_comes(a, people, place)
    until(lambda: a.note() and settled(a, time.monotonic()) > 100)
    a.kill()
    lost = time.monotonic()
    by_a = recipients(a)
    assert left and left.isdisjoint(by_a) and len(by_a) < PEOPLE - len(left)
    reader, link = next((caught.recipient, path) for caught in a.relay.messages for path in links_of(caught.content))

    b = hosts("b", theirs)
    restored = b.house.say("restore", str(place), "--key-file", str(a.house.key))
    assert restored["tail_files"] and not restored["tail_broken"]
    b.house.say("organization", "set", "--url", f"https://{OTHER}")
    b.house.say("route", "add", "second", b.relay.url)
    b.house.say("route", "rm", "first", "--yes")
    b.relay.latency = 0.0
    b.serve()
    assert not recipients(b)
    assert b.house.say("release", "--yes")["released"]
    until(lambda: b.house.say("campaign", "status", "1")["state"] == "finished", most=2.0)

    by_b = recipients(b)
    assert {*by_a, *by_b} == {*people} - left
    assert len(by_b) == len({*by_b})
    assert settled(a, lost) > 100
    assert {*by_b}.isdisjoint(by_a[: settled(a, lost)])
    books = b.house.say("campaign", "status", "1")
    assert books["accepted"] == PEOPLE - len(left) and books["unsure"] == 0
    links_of_the_lost_server_work(b, reader, link)


def links_of_the_lost_server_work(b: Host, reader: str, link: str) -> None:
    """Under its own name as well, which leads there by DNS or by a redirect; one click unsubscribes."""
    status, _where, text = b.answer("GET", link, OTHER)
    assert status == 200 and "Unsubscribe" in text
    status, where, text = b.answer("GET", link, OWN)
    assert (status, where) == (200, "") and "Unsubscribe" in text
    assert b.house.say("subscribers", "show", reader)["lists"][0]["status"] == "subscribed"
    assert b.answer("POST", link, OWN, "List-Unsubscribe=One-Click")[0] == 200
    until(lambda: b.house.say("subscribers", "show", reader)["lists"][0]["status"] == "unsubscribed")


def links_of(content: bytes) -> list[str]:
    """Paths of the links by which somebody unsubscribes."""
    message: Any = message_from_bytes(content)
    return re.findall(r"<https://news\.lantern\.example(/[^>]+)>", str(message["List-Unsubscribe"]))
