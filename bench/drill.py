"""A server is lost in the middle of a send, and its backup place goes on with it elsewhere: timed, step by step.

python -m bench drill [--subscribers 20000] [--from sqlite|postgresql]

The other server has the other database, another relay and another domain. What is counted besides: who got the campaign
from both, who from neither, and what of that was sent in the last ten seconds before the end; whether somebody gets it
who left shortly before; and whether links of the lost server's emails work on the other one.
"""

import argparse
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from bench import common
from bench.pages import cluster
from tests.smtp_server import ScriptedServer

SUBSCRIBERS = 20_000
# Seconds: of machine time from the loss on, and before the loss what may be sent twice.
MOST, DOUBTFUL = 300.0, 10.0
# Seconds that the whole send would take, by ten connections: longer than between two tails.
SEND, CONNECTIONS = 60.0, 10
# Who leave before the loss; emails of the lost server whose links are followed.
LEAVERS, LINKS = 20, 50
# Seconds between two looks.
LOOK = 0.2


@dataclass
class Server:
    """A data folder, its relay, and what runs there."""

    folder: Path
    database_url: str
    relay: ScriptedServer
    ports: tuple[int, int] = (0, 0)
    process: subprocess.Popen[str] | None = None
    counts: list[tuple[float, int]] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        place = {"SAMIZDAT_DATA": str(self.folder / "data"), "SAMIZDAT_KEY_FILE": str(self.folder / "data.key")}
        return {**os.environ, **place, "DATABASE_URL": self.database_url}

    def say(self, *words: str, feed: str = "") -> dict[str, Any]:
        command = [sys.executable, "-m", "samizdat.cli", *words, "--json"]
        done = subprocess.run(command, env=self.environment, input=feed, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"samizdat {' '.join(words)}: {done.stdout}{done.stderr}")
        document: dict[str, Any] = json.loads(done.stdout)
        return document

    def serve(self) -> None:
        self.ports = common.free_port(), common.free_port()
        words = ("serve", "--port", str(self.ports[0]), "--public-port", str(self.ports[1]))
        with (self.folder / "streams.txt").open("a") as out:
            self.process = common.child("samizdat.cli", *words, env=self.environment, stdout=out, stderr=out)
        wait_for(self.answers)

    def answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.ports[1]}/robots.txt", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def has_sent(self, many: int) -> bool:
        self.counts.append((time.monotonic(), len(self.recipients())))
        return self.counts[-1][1] >= many

    def recipients(self) -> list[str]:
        """Of the campaign; admins get other emails."""
        return [caught.recipient for caught in self.relay.messages if caught.recipient.startswith("reader")]

    def kill(self) -> None:
        if self.process is not None and self.process.poll() is None:
            for number in common.tree(self.process.pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(number, signal.SIGKILL)
            self.process.wait()


def wait_for(holds: Callable[[], bool], seconds: float = 1800.0) -> None:
    until = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > until:
            raise SystemExit("It did not happen in time.")
        time.sleep(LOOK)


class Clock:
    """Says how long each step took."""

    def __init__(self) -> None:
        self.total = 0.0

    @contextlib.contextmanager
    def step(self, name: str, *, counts: bool = True) -> Iterator[None]:
        began = time.monotonic()
        yield
        seconds = time.monotonic() - began
        self.total += seconds if counts else 0.0
        common.say(f"  {name:<56} {seconds:7.1f} s")


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench drill", description=__doc__.partition("\n\n")[0])
    parser.add_argument("--subscribers", type=int, default=SUBSCRIBERS)
    parser.add_argument("--from", dest="vendor", choices=common.VENDORS, default="sqlite")
    options = parser.parse_args()
    common.keep_bytecode()
    with contextlib.ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="samizdat-drill-")))
        root.chmod(0o711)  # PostgreSQL runs as another user and has to get through.
        (root / "postgresql").mkdir(mode=0o711)
        url, _ = stack.enter_context(cluster(root / "postgresql"))
        servers = []
        for name, has_server in (("a", options.vendor == "postgresql"), ("b", options.vendor == "sqlite")):
            (root / name).mkdir()
            servers.append(Server(root / name, url if has_server else "", stack.enter_context(ScriptedServer())))
            stack.callback(servers[-1].kill)
        return drill(*servers, root / "place", options.subscribers)


def drill(a: Server, b: Server, place: Path, subscribers: int) -> int:
    clock = Clock()
    common.say(
        f"{subscribers:,} subscribers, from {'PostgreSQL to SQLite' if a.database_url else 'SQLite to PostgreSQL'}"
    )
    with clock.step("set up", counts=False):
        set_up(a, place, subscribers)
    with clock.step("full backup", counts=False):
        a.say("backup")
    a.relay.latency = SEND * CONNECTIONS / subscribers
    a.serve()
    a.say("campaign", "send", "1")
    with clock.step("a third of it is sent, and some leave", counts=False):
        wait_for(lambda: a.has_sent(subscribers // 3))
        left = leave(a, place, subscribers)
    with clock.step("half of it is sent", counts=False):
        wait_for(lambda: a.has_sent(subscribers // 2))
    a.kill()
    lost = time.monotonic()
    by_a = a.recipients()
    common.say(f"  lost, with {len(by_a):,} emails sent and {tail_size(place)}")
    with clock.step("restore"):
        restored = b.say("restore", str(place), "--key-file", str(a.folder / "data.key"))
    with clock.step("another domain, another relay"):
        b.say("organization", "set", "--url", "https://elsewhere.example")
        b.say("route", "add", "second", b.relay.url)
        b.say("route", "rm", "first", "--yes")
    with clock.step("pages answer"):
        b.serve()
    with clock.step("release"):
        b.say("release", "--yes")
    with clock.step("the rest is sent"):
        wait_for(lambda: b.has_sent(1) and b.say("campaign", "status", "1")["state"] == "finished")
    return judge(a, b, by_a, lost, clock.total, restored, subscribers, left)


def leave(a: Server, place: Path, subscribers: int) -> set[str]:
    """Some to whom it hasn't been sent unsubscribe, and the place is told."""
    got = {*a.recipients()}
    every = (f"reader{number}@mail{number % 50}.example" for number in reversed(range(subscribers)))
    some = [reader for reader in every if reader not in got][:LEAVERS]
    feed = "".join(f"{reader}\n" for reader in some)
    a.say("subscribers", "unsubscribe", "-", "--list", "Letter", feed=feed)
    told = len(tail_files(place)) + 2  # The first may have begun before.
    wait_for(lambda: a.has_sent(0) and len(tail_files(place)) >= told)
    return {*some} - {*a.recipients()}


def links_that_fail(a: Server, b: Server) -> int:
    """Of those by which somebody leaves, in some emails that the lost server sent: how many don't lead to a page."""
    contents = [caught.content for caught in a.relay.messages if caught.recipient.startswith("reader")]
    failed = 0
    for content in contents[:: max(1, len(contents) // LINKS)]:
        for path in re.findall(rb"<https://news\.lantern\.example(/[^>]+)>", content.replace(b"\r\n ", b"")):
            public = HTTPConnection("127.0.0.1", b.ports[1], timeout=60)
            public.request("GET", path.decode(), headers={"Host": "elsewhere.example"})
            failed += public.getresponse().status != 200
            public.close()
    return failed


def set_up(a: Server, place: Path, subscribers: int) -> None:
    (a.folder / "password").write_text("four unrelated words here")
    (a.folder / "password").chmod(0o600)
    words = ("--organization", "Northern Lantern", "--admin", "clara@lantern.example")
    a.say("init", *words, "--password-file", str(a.folder / "password"), "--url", "https://news.lantern.example")
    a.say("organization", "set", "--postal-address", "1 Quay")
    a.say("list", "new", "Letter")
    people = a.folder / "people.csv"
    lines = (f"reader{number}@mail{number % 50}.example,subscribed\n" for number in range(subscribers))
    people.write_text("Email,Status\n" + "".join(lines))
    a.say("import", str(people), "--list", "Letter", "--status", "subscribed")
    a.say("route", "add", "first", a.relay.url, "--connections", str(CONNECTIONS))
    (a.folder / "letter.md").write_text("# Hello\n\nThe [story](https://lantern.example/story) is here.\n")
    sender = ("--from", "Lantern <letter@lantern.example>", "--subject", "News")
    a.say("campaign", "new", "--list", "Letter", *sender, "--body", str(a.folder / "letter.md"))
    place.mkdir()
    a.say("backup", "place", "add", str(place))


def tail_files(place: Path) -> list[Path]:
    return [*place.glob("tails/*/0*.age")]


def tail_size(place: Path) -> str:
    sizes = [path.stat().st_size for path in tail_files(place)]
    return f"{len(sizes)} files of changes, {sum(sizes) / 1e6:.1f} MB"


def judge(
    a: Server,
    b: Server,
    by_a: list[str],
    lost: float,
    seconds: float,
    restored: dict[str, Any],
    subscribers: int,
    left: set[str],
) -> int:
    by_b = b.recipients()
    settled = max((count for at, count in a.counts if at < lost - DOUBTFUL), default=0)
    doubles = {*by_a} & {*by_b}
    common.say(
        f"  {restored['tail_files']} files of changes applied; sent by the other server: {len(by_b):,}; "
        f"from both: {len(doubles):,}; sent in the last {DOUBTFUL:.0f} s before the loss: {len(by_a) - settled:,}"
    )
    return common.conclude(
        [
            common.Target("machine time from the loss on", seconds, MOST, "s"),
            common.Target("who got nothing", subscribers - len(left) - len({*by_a, *by_b} - left), 0, "people"),
            common.Target("who had left and got it", len(left & {*by_b}), 0, "people"),
            common.Target("links that lead nowhere", links_that_fail(a, b), 0, ""),
            common.Target("twice from the other server", len(by_b) - len({*by_b}), 0, "emails"),
            common.Target("twice and older than that", len({*by_a[:settled]} & {*by_b}), 0, "emails"),
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
