"""Readers who leave by the one-click of one campaign while the next one is on its way to them.

python -m bench leaving [--people 5000] [--leave 500] [--rate 100] [--stopped 30] [--idle] [--only sqlite|postgresql]

An installation of its own is served whole, and one busy process a core keeps the machine from it. A first campaign goes
to everybody by a relay on loopback. Then a second one goes out at `--rate` messages a second, and meanwhile `--leave`
people whom it has not reached yet press the one-click of the first one: a POST to the public process, by the link in
the message that the relay took. A tenth as many leave by the second one, which they have just got. Then a third
campaign goes to those who are left, and as many leave again, while the worker is stopped (SIGSTOP) for `--stopped`
seconds. Counted is who got a message that the relay accepted later than ten seconds after their one-click was answered,
and whether the reports of the campaigns count everybody who left.
"""

import argparse
import contextlib
import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path

from bench import common, journeys
from tests.smtp_server import Caught, ScriptedServer

PROMISED = 10.0
FIRST, SECOND, THIRD = "First", "Second", "Third"
# Messages a second of the first campaign: it only hands out the links.
QUICKLY = 1000
# Seconds in which a campaign has to come to its end beyond what its rate makes necessary, and how long a busy process
# lives if nobody ends it.
PATIENCE, BUSY = 240.0, 1800
THREADS = 16
# Seconds into the third campaign after which the worker stands still.
GOING = 5.0

# Behind journeys.MAKE: everybody, the relay, and what is asked of the installation later.
PREPARE = """
from bench import common
from samizdat.audience.models import List, Subscription
from samizdat.campaigns.actions import create
from samizdat.campaigns.drafts.draft import Draft
from samizdat.campaigns.models import Campaign
from samizdat.delivery import queries
from samizdat.delivery.actions import add_route, release
from samizdat.delivery.actions.routes import change_route
from samizdat.delivery.models import Route
from samizdat.accounts.models import Organization
import datetime as dates
organization, now = Organization.objects.get(), dates.datetime.now(dates.UTC)

def furnish(people, relay):
    common.furnish(organization, List.objects.get(form_slug="thursday"), people)
    Route.objects.update(state="paused")
    add_route(organization, "relay", relay, now=now)

def send(subject, rate):
    change_route(Route.objects.get(state="live"), rate=f"{rate}/s", now=now)
    draft = Draft(subject=subject, from_name="Lantern", from_email="letter@lantern.example", body="Hello.")
    made = List.objects.get(form_slug="thursday")
    campaign = release(create(organization, made, draft, by=None, now=now), now=now)
    print(json.dumps({"id": campaign.pk, "frozen": campaign.frozen}))

def books(number):
    told = queries.status(Campaign.objects.get(pk=number))
    print(json.dumps({name: told[name] for name in ("state", "accepted", "left_by_letter")}))

def left():
    print(json.dumps({"left": Subscription.objects.exclude(status=1).count()}))
"""


@dataclass(frozen=True, slots=True)
class Got:
    """A message as the relay took it: when, to whom, which campaign, and where its one-click goes."""

    at: float
    recipient: str
    subject: str
    path: str


class Relay(ScriptedServer):
    """Keeps when who got what instead of the messages."""

    def __init__(self) -> None:
        super().__init__()
        self.got: dict[str, list[Got]] = {FIRST: [], SECOND: [], THIRD: []}

    def _taken(self, caught: Caught) -> None:
        at = time.monotonic()
        head = re.sub(rb"\r?\n[ \t]+", b" ", caught.content.partition(b"\r\n\r\n")[0]).decode("latin-1")
        subject = re.search(r"(?im)^subject: (\w+)", head)
        link = re.search(r"(?im)^list-unsubscribe:.*?<http://[^/>]+(/[^>]+)>", head)
        if subject is None or link is None or "one-click" not in head.lower():
            raise SystemExit(f"A message without subject or one-click: {head}")
        self.got[subject[1]].append(Got(at, caught.recipient, subject[1], link[1]))


@dataclass(slots=True)
class Leavers:
    """Presses one-clicks; knows when each was answered and by which campaign they left."""

    port: int
    answered: dict[str, float] = field(default_factory=dict)
    by: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0
    refused: int = 0

    def press(self, got: Got) -> None:
        began = time.monotonic()
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            words = {"Content-Type": "application/x-www-form-urlencoded"}
            connection.request("POST", got.path, b"List-Unsubscribe=One-Click", words)
            answer = connection.getresponse()
            answer.read()
        finally:
            connection.close()
        now = time.monotonic()
        self.slowest = max(self.slowest, now - began)
        if answer.status != 200:
            self.refused += 1
            return
        self.answered[got.recipient] = now
        self.by[got.subject] += 1


@dataclass(frozen=True, slots=True)
class Late:
    """What people got of a campaign after their one-click was answered."""

    left: int
    after: int
    late: int
    largest: float

    def __str__(self) -> str:
        return (
            f"{self.left} left meanwhile, {self.after} of them got it after that, {self.late} later than "
            f"{PROMISED:.0f} s; at most {self.largest:.1f} s after"
        )


def late(got: list[Got], answered: dict[str, float]) -> Late:
    delays = [one.at - answered[one.recipient] for one in got if one.recipient in answered]
    after = [delay for delay in delays if delay > 0]
    return Late(len(answered), len(after), sum(delay > PROMISED for delay in after), max(after, default=0.0))


@contextlib.contextmanager
def busy(count: int) -> Iterator[None]:
    """So many processes that do nothing but work."""
    code = f"import time; end = time.monotonic() + {BUSY}\nwhile time.monotonic() < end: sum(range(10000))"
    processes = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def asked(call: str) -> dict[str, str]:
    return journeys.inside(f"exec({PREPARE!r}); {call}")


@dataclass(slots=True)
class Run:
    """One installation, its relay and its readers."""

    site: journeys.Served
    relay: Relay
    options: argparse.Namespace
    chance: random.Random = field(default_factory=lambda: random.Random(12))
    left: set[str] = field(default_factory=set)
    by: Counter[str] = field(default_factory=Counter)
    campaigns: dict[str, int] = field(default_factory=dict)
    slowest: float = 0.0
    refused: int = 0

    def send(self, subject: str, rate: int) -> int:
        told = asked(f"send({subject!r}, {rate})")
        self.campaigns[subject] = int(told["id"])
        return int(told["frozen"])

    def finish(self, subject: str, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            told = asked(f"books({self.campaigns[subject]})")
            if told["state"] == "finished":
                return
            time.sleep(2)
        raise SystemExit(f"{subject} did not come to its end: {told}, the relay took {len(self.relay.got[subject])}")

    def leave(self, subject: str, before: str, stop_worker: float) -> Late:
        """Sends `subject`; meanwhile people leave by `before`, and some by what they have just got."""
        options = self.options
        people = self.send(subject, options.rate)
        while not self.relay.got[subject]:
            time.sleep(0.1)
        stopper = threading.Thread(target=self.stop_worker, args=[stop_worker])
        if stop_worker:
            stopper.start()
        leavers = Leavers(self.site.ports[1])
        began, lasts = time.monotonic(), people / options.rate * 0.6
        with ThreadPoolExecutor(THREADS) as pool:
            for number in range(options.leave + options.leave // 10):
                time.sleep(max(0.0, began + number * lasts / (options.leave * 1.1) - time.monotonic()))
                if (one := self.next_one(subject, before, just_got=number % 11 == 10)) is not None:
                    self.left.add(one.recipient)
                    pool.submit(leavers.press, one)
        if stop_worker:
            stopper.join()
        self.finish(subject, people / options.rate + stop_worker + PATIENCE)
        self.by += leavers.by
        self.slowest, self.refused = max(self.slowest, leavers.slowest), self.refused + leavers.refused
        return late(self.relay.got[subject], leavers.answered)

    def next_one(self, subject: str, before: str, *, just_got: bool) -> Got | None:
        """Somebody who has not left yet: who has this campaign, or who has only the one before."""
        reached = {one.recipient for one in self.relay.got[subject]}
        there = [
            one
            for one in self.relay.got[subject if just_got else before]
            if one.recipient not in self.left and (just_got or one.recipient not in reached)
        ]
        return self.chance.choice(there) if there else None

    def stop_worker(self, seconds: float) -> None:
        time.sleep(GOING)
        worker = next(pid for pid in common.tree(self.site.process) if b"worker" in words_of(pid))
        os.kill(worker, signal.SIGSTOP)
        time.sleep(seconds)
        # The supervisor may have ended one that gave no sign of life, and begun another.
        with contextlib.suppress(ProcessLookupError):
            os.kill(worker, signal.SIGCONT)


def words_of(pid: int) -> list[bytes]:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    return []


def measure(folder: Path, vendor: str, options: argparse.Namespace) -> int:
    with contextlib.ExitStack() as stack:
        relay = stack.enter_context(Relay())
        furnish = f"exec({journeys.MAKE!r}); exec({PREPARE!r}); furnish({options.people}, {relay.url!r})"
        site = stack.enter_context(journeys.served(folder, furnish))
        run = Run(site, relay, options)
        stack.enter_context(busy(0 if options.idle else os.cpu_count() or 1))
        run.send(FIRST, QUICKLY)
        run.finish(FIRST, options.people / 50 + PATIENCE)
        common.say(
            f"{vendor}: {options.people:,} people, {options.rate} messages a second, "
            f"{0 if options.idle else os.cpu_count()} busy processes"
        )
        working = run.leave(SECOND, FIRST, 0.0)
        common.say(f"  {working}")
        stopped = run.leave(THIRD, SECOND, options.stopped)
        common.say(f"  worker stopped for {options.stopped:.0f} s: {stopped}")
        counts = {subject: asked(f"books({number})")["left_by_letter"] for subject, number in run.campaigns.items()}
        gone = int(asked("left()")["left"])
    common.say(f"  slowest answer to a one-click {run.slowest:.1f} s; left by campaign {json.dumps(counts)}")
    wrong = sum(abs(int(counts[subject]) - run.by[subject]) for subject in run.campaigns)
    twice = sum(len(got) - len({one.recipient for one in got}) for got in relay.got.values())
    return common.conclude(
        [
            common.Target(f"{vendor}: got it later than 10 s", working.late, 0, "people"),
            common.Target(f"{vendor}: the same, worker stopped", stopped.late, 0, "people"),
            common.Target(f"{vendor}: left, in one place only", abs(gone - sum(run.by.values())), 0, "people"),
            common.Target(f"{vendor}: left, and not in the reports", wrong, 0, "people"),
            common.Target(f"{vendor}: one-clicks refused", run.refused, 0, ""),
            common.Target(f"{vendor}: messages twice", twice, 0, ""),
            common.Target(f"{vendor}: one-clicks", sum(run.by.values()), options.leave * 2, "", most=False),
        ]
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench leaving", description=__doc__.partition("\n\n")[0])
    parser.add_argument("--people", type=int, default=5000)
    parser.add_argument("--leave", type=int, default=500, help="how many leave while a campaign goes out")
    parser.add_argument("--rate", type=int, default=100, help="messages a second")
    parser.add_argument("--stopped", type=float, default=30.0, help="seconds for which the worker stands still")
    parser.add_argument("--idle", action="store_true", help="without busy processes beside it")
    parser.add_argument("--only", choices=common.VENDORS)
    options = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "samizdat.settings")
    return common.on_each_database(options, "bench.leaving", lambda data: measure(data.parent, options.only, options))


if __name__ == "__main__":
    sys.exit(main())
