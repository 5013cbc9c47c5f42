"""Automated sign-ups beside a running send: 100,000 within ten minutes.

python -m bench joining [--people 100000] [--seconds 600] [--rate 100] [--only sqlite|postgresql]

A house of its own is served whole; a letter is on its way to a folder at `--rate` messages a second. Then programs sign
up from sixteen addresses of the loopback network: each fetches a form, waits as long as a person has to, and sends it.
Half of them type the same 200 addresses in again and again, half new ones; every 500th does the work of the script. At
the end the mails are read: who was asked, how often, and how fast the letter went before and meanwhile. Then all files
and tables of the house are searched for the sixteen addresses.
"""

import argparse
import asyncio
import hashlib
import os
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from urllib.parse import urlencode

from bench import common, journeys
from samizdat.public import form_tokens

SOURCES = [f"127.7.13.{last}" for last in range(1, 17)]
TRACE = b"127.7.13."
VICTIMS, WORKING = 200, 500
# Seconds that the letter goes alone, of which the first ones do not count.
ALONE, BEGINNING = 30.0, 8.0
CONNECTIONS = 64
MILLISECONDS, KEPT = 200.0, 90.0

# Behind journeys.MAKE: so many more subscribers on a list of their own, and a letter to it by a route with a rate.
LETTER = """
def letter(people, rate):
    import datetime as dates
    from bench import common
    from samizdat.accounts.models import Organization
    from samizdat.audience import actions
    from samizdat.campaigns.actions import create
    from samizdat.campaigns.drafts.draft import Draft
    from samizdat.delivery.actions import release
    from samizdat.delivery.actions.routes import change_route
    from samizdat.delivery.models import Route
    organization, now = Organization.objects.get(), dates.datetime.now(dates.UTC)
    made = actions.new_list(organization, "On its way", now=now)
    common.furnish(organization, made, people)
    change_route(Route.objects.get(), rate=f"{rate}/s", now=now)
    draft = Draft(subject="On its way", from_name="Lantern", from_email="letter@lantern.example", body="Hello.")
    release(create(organization, made, draft, by=None, now=now), now=now)
"""

# How many were subscribed by all this, and in how many values of all tables a source stands.
AFTER = """
from django.db import connections
from samizdat.audience.models import List, Subscription
def traces(alias):
    found = 0
    with connections[alias].cursor() as cursor:
        for table in connections[alias].introspection.table_names(cursor):
            name = connections[alias].ops.quote_name(table)
            cursor.execute(f"SELECT * FROM {name} LIMIT 0")
            for column in cursor.description:
                text = f"CAST({connections[alias].ops.quote_name(column[0])} AS text)"
                cursor.execute(f"SELECT COUNT(*) FROM {name} WHERE {text} LIKE %s", ["%127.7.13.%"])
                found += cursor.fetchone()[0]
    return found
forms = List.objects.exclude(form_slug="")
waiting, joined = (Subscription.objects.filter(list__in=forms, status=status).count() for status in (0, 1))
print(json.dumps({"waiting": str(waiting), "joined": str(joined), "traces": str(sum(map(traces, connections)))}))
"""


@dataclass(slots=True)
class Flood:
    """Programs that sign up: how each of their requests was answered, and how long it took."""

    port: int
    slugs: list[str]
    people: int
    seconds: float
    times: list[float] = field(default_factory=list)
    answers: Counter[str] = field(default_factory=Counter)
    _idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = field(default_factory=list)
    _source: Iterator[int] = field(default_factory=count)

    async def run(self) -> None:
        publicdb, began = asyncio.Semaphore(CONNECTIONS), time.monotonic()
        with ProcessPoolExecutor(1) as workers:
            async with asyncio.TaskGroup() as group:
                for number in range(self.people):
                    due = began + number * self.seconds / self.people
                    if (wait := due - time.monotonic()) > 0:
                        await asyncio.sleep(wait)
                    group.create_task(self._sign_up(number, publicdb, workers))
        for _reader, writer in self._idle:
            writer.close()

    async def _sign_up(self, number: int, publicdb: asyncio.Semaphore, workers: ProcessPoolExecutor) -> None:
        path = f"/f/{self.slugs[number % len(self.slugs)]}"
        status, page = await self._ask(publicdb, "GET", path, {})
        stamp = re.search(r'id="stamp" value="([a-z2-7]{39})"', page)
        if status != 200 or stamp is None:
            self.answers[f"form {status}"] += 1
            return
        await asyncio.sleep(form_tokens.YOUNGEST + 0.5)
        name = f"victim{number % VICTIMS}" if number % 2 else f"new{number}"
        words = {"email": f"{name}.xq7@flood.example", "stamp": stamp[1]}
        if number % WORKING == 0:
            words["work"] = await asyncio.get_running_loop().run_in_executor(workers, worked, stamp[1])
        status, page = await self._ask(publicdb, "POST", path, words)
        self.answers[f"{status} {'asked' if status == 200 and 'stamp' not in page else 'not taken'}"] += 1

    async def _ask(self, publicdb: asyncio.Semaphore, method: str, path: str, words: dict[str, str]) -> tuple[int, str]:
        """One request, timed once it has a connection of ours. A line that broke is tried once more."""
        body = urlencode(words).encode()
        head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nContent-Length: {len(body)}\r\n"
        head += "Content-Type: application/x-www-form-urlencoded\r\n\r\n"
        async with publicdb:
            for fresh in (False, True):
                began = time.perf_counter()
                try:
                    line = self._idle.pop() if self._idle and not fresh else await self._connected()
                    answer = await self._told(line, head.encode() + body)
                except (OSError, asyncio.IncompleteReadError):
                    continue
                self.times.append(time.perf_counter() - began)
                return answer
        self.answers["broken line"] += 1
        return 0, ""

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        source = SOURCES[next(self._source) % len(SOURCES)]
        return await asyncio.open_connection("127.0.0.1", self.port, local_addr=(source, 0))

    async def _told(self, line: tuple[asyncio.StreamReader, asyncio.StreamWriter], asked: bytes) -> tuple[int, str]:
        reader, writer = line
        writer.write(asked)
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        length = re.search(r"\r\ncontent-length: (\d+)", head)
        page = await reader.readexactly(int(length[1]) if length else 0)
        if "\r\nconnection: close" in head:
            writer.close()
        else:
            self._idle.append(line)
        return int(head.split()[1]), page.decode()


def worked(stamp: str) -> str:
    """What the script of a form finds."""
    for number in count():
        digest = hashlib.sha256(f"{stamp}.{number}".encode()).digest()
        if int.from_bytes(digest[:4]) >> (32 - form_tokens.BITS) == 0:
            return str(number)
    raise AssertionError


@dataclass(frozen=True, slots=True)
class Mails:
    """What left the house: who was asked how often, and when each message of the letter left."""

    asked: Counter[str]
    letter: list[float]

    def rate(self, since: float, until: float) -> float:
        return sum(since <= at < until for at in self.letter) / (until - since)


def mails_in(folder: Path) -> Mails:
    asked: Counter[str] = Counter()
    letter = []
    for path in folder.rglob("*.eml"):
        text = path.read_bytes()
        if b"@flood.example" in text:
            to = re.search(rb"^To: .*?([a-z0-9.]+@flood\.example)", text, re.MULTILINE)
            asked[to[1].decode() if to else path.name] += 1
        else:
            letter.append(path.stat().st_mtime)
    return Mails(asked, letter)


def cpu_of(site: journeys.Served) -> list[float]:
    """Seconds that the process of the public pages has used, and the whole house."""
    tree = common.tree(site.process)
    public = [pid for pid in tree if b"public" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")]
    return [sum(map(common.cpu_of, pids)) for pids in (public, tree)]


def settled(folder: Path) -> None:
    """Until the house has taken up what came: no new mail that asks for five seconds."""
    before, deadline = -1, time.monotonic() + 120
    while time.monotonic() < deadline:
        now = sum(mails_in(folder).asked.values())
        if now == before:
            return
        before = now
        time.sleep(5)


def measure(folder: Path, vendor: str, options: argparse.Namespace) -> int:
    readers = int(options.rate * (ALONE + options.seconds * 1.3 + 60))
    code = f"exec({journeys.MAKE!r}); exec({LETTER!r}); letter({readers}, {options.rate})"
    with journeys.served(folder, code) as site:
        common.say(
            f"{vendor}: {options.people:,} sign-ups in {options.seconds:,} s, beside {options.rate} letters a second"
        )
        time.sleep(ALONE)
        began, spent = time.time(), cpu_of(site)
        flood = Flood(site.ports[1], site.slugs, options.people, options.seconds)
        asyncio.run(flood.run())
        ended, spent = time.time(), [now - before for now, before in zip(cpu_of(site), spent, strict=True)]
        settled(site.out)
        after = journeys.inside(AFTER)
    mails = mails_in(site.out)
    before, meanwhile = mails.rate(began - ALONE + BEGINNING, began), mails.rate(began, ended)
    common.say(f"  the letter: {before:.1f} a second alone, {meanwhile:.1f} meanwhile")
    each = [1000 * one / options.people for one in spent]
    common.say(
        f"  CPU a sign-up: {each[0]:.1f} ms in the public process, {each[1]:.1f} ms in the whole house with its letter"
    )
    for answer, many in flood.answers.most_common():
        common.say(f"  {answer:<16} {many:>9,}")
    common.say(f"  {sum(mails.asked.values()):,} mails asked {len(mails.asked):,} addresses; {after['waiting']} wait")
    files = [path for path in [*(folder / "house").rglob("*"), folder / "house.log"] if path.is_file()]
    traces = int(after["traces"]) + sum(path.read_bytes().count(TRACE) for path in files)
    times = sorted(flood.times)
    return common.conclude(
        [
            common.Target(f"{vendor}: sign-ups in", ended - began, options.seconds * 1.1 + 10, "s"),
            common.Target(f"{vendor}: mails to one address", max(mails.asked.values(), default=0), 1, "mails"),
            common.Target(f"{vendor}: mails that asked", sum(mails.asked.values()), 1, "mails", most=False),
            common.Target(f"{vendor}: subscribed by it", float(after["joined"]), 0, "readers"),
            common.Target(
                f"{vendor}: p95 of {len(times):,} requests", times[int(len(times) * 0.95)] * 1000, MILLISECONDS, "ms"
            ),
            common.Target(f"{vendor}: rate kept by the letter", 100 * meanwhile / before, KEPT, "%", most=False),
            common.Target(f"{vendor}: sources in files and tables", traces, 0, "found"),
        ]
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench joining", description=__doc__)
    parser.add_argument("--people", type=int, default=100_000)
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--rate", type=int, default=100, help="letters a second of the send beside it")
    parser.add_argument("--only", choices=common.VENDORS)
    options = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "samizdat.settings")
    return common.on_each_database(options, "bench.joining", lambda data: measure(data.parent, options.only, options))


if __name__ == "__main__":
    sys.exit(main())
