"""Attacks on a served installation, and what its people notice of them.

python -m bench attack [NAME ...] [--seconds 20] [--caddy] [--only sqlite|postgresql]

An installation of its own is served whole. While an attack goes on, a page of the desk is asked for twice a
second, each on a connection of its own, and readers unsubscribe one after the other: each presses, and looks until the
worker has taken it up. After each attack the most memory that each process held meanwhile is read, and whether one had
to be started again. Everything is on loopback, `--seconds` long, with connections and bytes bounded in each attack.
--caddy: what attacks over HTTP send goes through a Caddy that is configured as the handbook says.

Another attack is another line of ATTACKS: a function that is given the target and returns when `stop` is set.
"""

import argparse
import contextlib
import json
import os
import resource
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path

from bench import common, journeys
from bench.journeys import Served

PAGE_SECONDS, TAKEN_UP_SECONDS, MEMORY_MB = 1.0, 10.0, 300.0
READERS = 50  # for each attack; fewer are needed than it lasts seconds
# Answers that are given up: longer than any limit, so that a figure says by how much it was missed.
PATIENCE = 60.0

# Behind journeys.MAKE: readers who unsubscribe.
PEOPLE = """
from samizdat.audience.models import List
made = List.objects.get(form_slug="thursday")
for number in range(%d):
    actions.add_subscriber(o, f"reader{number}@attack.example", made, consent="I agree.", now=now)
"""


@dataclass(slots=True)
class Target:
    """Where an attack goes: ports and host names of desk and public pages, on 127.0.0.1."""

    site: Served
    desk: tuple[int, str]
    public: tuple[int, str]
    stop: threading.Event = field(default_factory=threading.Event)


# What somebody who has taken the public process can write: boxes of one reader, as many as there is room for.
BOXES = 60_000
FILL = """
import os, struct
from django.db import connections, transaction
from samizdat.core.crypto import seal
from samizdat.publicdb.models import Site
from samizdat.publicdb.actions import INTAKE_COLUMNS
place, token = Site.objects.get(), json.load(__import__("sys").stdin)
words = {"kind": "show", "at": "2026-01-01T12:00:00+00:00", "token": token, "purpose": "preferences"}
words |= {"secret": "a" * 26}
where = b"intake\\0" + bytes(place.uid)
box = seal.seal_to(bytes(place.box_key), json.dumps(words).encode(), where, os.urandom(32), os.urandom(12))
row = [place.uid, "show", None, struct.pack(">I", place.box_number) + box]
with transaction.atomic("publicdb"), connections["publicdb"].cursor() as cursor:
    cursor.executemany(f"INSERT INTO publicdb_intake ({INTAKE_COLUMNS}) VALUES (%%s, %%s, %%s, %%s)", [row] * %d)
print(json.dumps({}))
"""

# -- attacks ----------------------------------------------------------------------------------------------------


def connected(where: tuple[int, str]) -> socket.socket:
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    made.settimeout(5)
    made.connect(("127.0.0.1", where[0]))
    return made


def hold(target: Target, where: tuple[int, str], count: int, said: bytes, drip: bytes = b"") -> None:
    """So many connections at any time, each of which says so much and then `drip` once a second; one that was closed is
    opened again."""
    held: list[socket.socket] = []
    while not target.stop.wait(1.0):
        held = [one for one in held if dripped(one, drip)]
        while len(held) < count and not target.stop.is_set():
            try:
                one = connected(where)
                held.append(one)
                one.sendall(said)
            except OSError:
                break
    for one in held:
        one.close()


def dripped(one: socket.socket, drip: bytes) -> bool:
    """Whether it is open still."""
    try:
        if drip:
            one.sendall(drip)
        one.setblocking(False)
        gone = one.recv(1, socket.MSG_PEEK) == b""
    except BlockingIOError:
        gone = False
    except OSError:
        gone = True
    if gone:
        one.close()
    else:
        one.settimeout(5)
    return not gone


def post(where: tuple[int, str], path: str, length: int) -> bytes:
    kind = "Content-Type: application/x-www-form-urlencoded"
    return f"POST {path} HTTP/1.1\r\nHost: {where[1]}\r\n{kind}\r\nContent-Length: {length}\r\n\r\n".encode()


def get(where: tuple[int, str], path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: {where[1]}\r\n\r\n".encode()


def half_sent(target: Target) -> None:
    beside(
        lambda: hold(target, target.desk, 400, post(target.desk, "/sign-in", 50) + b"half"),
        lambda: hold(target, target.public, 400, post(target.public, "/f/thursday", 50) + b"half"),
    )


def dripping(target: Target) -> None:
    beside(
        lambda: hold(target, target.desk, 400, post(target.desk, "/sign-in", 4000), b"a"),
        lambda: hold(target, target.public, 400, get(target.public, "/f/thursday")[:-2], b"a: b\r\n"),
    )


def slow_readers(target: Target) -> None:
    beside(
        lambda: hold(target, target.desk, 200, get(target.desk, "/static/vendor/editor.js") * 12),
        lambda: hold(target, target.public, 200, get(target.public, "/f/thursday") * 4),
    )


def idle(target: Target) -> None:
    beside(
        lambda: hold(target, target.desk, 1500, b""),
        lambda: hold(target, target.public, 1500, b""),
    )


def large_bodies(target: Target) -> None:
    """5 MB each, all but the last byte, from somebody who is not signed in."""
    body = bytes(5 * 1024 * 1024 - 1)
    hold(target, target.desk, 40, post(target.desk, "/sign-in", len(body) + 1) + body)


def flood(target: Target) -> None:
    """Whole requests, as many as 32 connections bring."""

    def ask() -> None:
        while not target.stop.is_set():
            with contextlib.suppress(OSError), connected(target.public) as one:
                for _again in range(20):
                    one.sendall(get(target.public, "/f/thursday"))
                    one.recv(65536)

    beside(*[ask] * 32)


def boxes(target: Target) -> None:
    """All at once, and again when they have been taken up."""
    token = target.site.preferences(["reader0@attack.example"])["reader0@attack.example"]
    while not target.stop.is_set():
        journeys.inside(FILL % BOXES, json.dumps(token))
        target.stop.wait(30)


def beside(*parts: Callable[[], None]) -> None:
    threads = [threading.Thread(target=part) for part in parts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@dataclass(frozen=True, slots=True)
class Attack:
    go: Callable[[Target], None]
    says: str


ATTACKS = {
    "half-sent": Attack(half_sent, "400 half-sent forms at the desk, and as many at the public pages"),
    "dripping": Attack(dripping, "400 bodies at the desk and 400 heads at the public pages, a few bytes a second each"),
    "slow-readers": Attack(slow_readers, "200 who ask for a file of the desk or for a page, and read nothing"),
    "idle": Attack(idle, "1,500 connections to each that say nothing"),
    "large-bodies": Attack(large_bodies, "40 forms of 5 MB without their last byte"),
    "boxes": Attack(boxes, f"{BOXES:,} boxes of one reader, written by a public process that somebody has taken"),
    "flood": Attack(flood, "32 who ask for a sign-up form again and again"),
}


# -- what people notice -----------------------------------------------------------------------------------------


@dataclass(slots=True)
class Noticed:
    page: float = 0.0
    taken_up: float = 0.0
    pages: int = 0
    left: int = 0

    def ask(self, target: Target) -> None:
        """A page of the desk, again and again."""
        while not target.stop.is_set():
            began = time.monotonic()
            self.get(target.site.ports[0], "/sign-in")
            self.page = max(self.page, time.monotonic() - began)
            self.pages += 1
            target.stop.wait(0.5)

    def leave(self, target: Target, tokens: list[str]) -> None:
        for token in tokens:
            if target.stop.is_set():
                return
            began = time.monotonic()
            with contextlib.suppress(OSError):
                target.site.post(f"/u/{token}", {"List-Unsubscribe": "One-Click"})
            while not self._is_taken_up(target, token) and time.monotonic() - began < PATIENCE:
                time.sleep(0.2)
            self.taken_up = max(self.taken_up, time.monotonic() - began)
            self.left += 1

    def _is_taken_up(self, target: Target, token: str) -> bool:
        with contextlib.suppress(OSError):
            return f"/u/{token}/back" in target.site.get(f"/u/{token}")[1]
        return False

    def get(self, port: int, path: str) -> None:
        connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        with contextlib.closing(connection), contextlib.suppress(OSError):
            connection.request("GET", path)
            connection.getresponse().read()


def processes(site: Served) -> dict[str, int]:
    """Numbers of the supervisor and of all it has started, by role."""
    found = {"supervisor": site.process}
    for pid in common.tree(site.process)[1:]:
        with contextlib.suppress(OSError):
            name = Path(f"/proc/{pid}/comm").read_text().strip()
            if name.startswith("samizdat-"):
                found[name.removeprefix("samizdat-")] = pid
    return found


def most_memory(pid: int) -> float:
    """MB at its peak."""
    with contextlib.suppress(OSError, StopIteration):
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM:")).split()[1]) / 1024
    return 0.0


@contextlib.contextmanager
def aimed(site: Served, folder: Path, by_caddy: bool) -> Iterator[Target]:
    here = "127.0.0.1"
    if not by_caddy:
        yield Target(site, (site.ports[0], here), (site.ports[1], here))
        return
    from tests.caddy import DESK, PUBLIC, caddy

    with caddy(folder, *site.ports) as proxy:
        yield Target(site, (proxy.port, DESK), (proxy.port, PUBLIC))


def measure(
    site: Served, folder: Path, name: str, tokens: list[str], options: argparse.Namespace
) -> list[common.Target]:
    attack, before, noticed = ATTACKS[name], processes(site), Noticed()
    for pid in before.values():
        Path(f"/proc/{pid}/clear_refs").write_text("5")  # Its peak begins anew.
    with aimed(site, folder, options.caddy) as target:
        under_way = [
            threading.Thread(target=attack.go, args=[target]),
            threading.Thread(target=noticed.ask, args=[target]),
            threading.Thread(target=noticed.leave, args=[target, tokens]),
        ]
        for thread in under_way:
            thread.start()
        time.sleep(options.seconds)
        target.stop.set()
        for thread in under_way:
            thread.join()
    after = processes(site)
    memory = {role: most_memory(pid) for role, pid in after.items()}
    common.say(f"{options.only}, {name}: {attack.says}")
    common.say(f"  {noticed.pages} pages, {noticed.left} unsubscribes; at most, in MB: {_in_words(memory)}")
    largest = max(memory, key=lambda role: memory[role])
    killed = sum(after.get(role) != pid for role, pid in before.items())
    return [
        common.Target(f"{options.only}, {name}: slowest page", noticed.page, PAGE_SECONDS, "s"),
        common.Target(f"{options.only}, {name}: unsubscribe", noticed.taken_up, TAKEN_UP_SECONDS, "s"),
        common.Target(f"{options.only}, {name}: {largest}", memory[largest], MEMORY_MB, "MB"),
        common.Target(f"{options.only}, {name}: died", killed, 0, "children"),
        common.Target(f"{options.only}, {name}: unsubscribed", noticed.left, 1, "readers", most=False),
    ]


def _in_words(memory: dict[str, float]) -> str:
    return ", ".join(f"{role} {most:,.0f}" for role, most in memory.items())


def run(data: Path, options: argparse.Namespace) -> int:
    found: list[common.Target] = []
    names = options.attacks or [*ATTACKS]
    readers = [f"reader{number}@attack.example" for number in range(READERS * len(names))]
    with journeys.served(data.parent, f"{journeys.MAKE}\n{PEOPLE % len(readers)}") as site:
        tokens = [*site.preferences(readers).values()]
        Noticed().get(site.ports[0], "/sign-in")  # The first page takes longer, attacked or not.
        for place, name in enumerate(names):
            own = tokens[place * READERS : (place + 1) * READERS]
            found += measure(site, data.parent, name, own, options)
    return common.conclude(found)


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench attack", description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("attacks", nargs="*", metavar="NAME", help=f"of: {', '.join(ATTACKS)}; all without one")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--caddy", action="store_true", help="through a Caddy as the handbook configures it")
    parser.add_argument("--only", choices=common.VENDORS)
    options = parser.parse_args()
    if unknown := set(options.attacks) - set(ATTACKS):
        parser.error(f"There is no attack called {', '.join(unknown)}. There are: {', '.join(ATTACKS)}.")
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "samizdat.settings")
    return common.on_each_database(options, "bench.attack", lambda data: run(data, options))


if __name__ == "__main__":
    sys.exit(main())
