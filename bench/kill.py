"""A sender killed over and over: nobody lost, every further copy accounted for, the books right at every instant.

python -m bench kill [--what sends] [--kills 334] [--people 20000] [--workers 1,4] [--connections 8]
                     [--policy resend|hold] [--only sqlite|postgresql] [--seed 1]
python -m bench kill --what backup [--kills 200] [--people 300]    see backup_kills.py

So many kills on SQLite, as many on PostgreSQL with one sender, and as many with four, of which one at random is killed.
Every other one is stopped at a fail point (tests/delivery/child.py), the rest at a random moment. Each is stopped first
and killed then, so that its open connections can be counted: so many copies too many are allowed, and no more. When a
letter has gone out to everybody before the kills are used up, the next one follows.
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
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench import backup_kills, common
from bench.letters import Bench

# Seconds before each answer, so that there is always something on its way.
LATENCY = 0.012
# Seconds in which something has to be taken after a kill, in which an armed sender has to come to its fail point, after
# which a random moment comes at the latest, and in which a letter has to be finished at the end.
PATIENCE, POINT, MOMENT, END = 10.0, 2.0, 0.25, 900.0
# Seconds between two looks at the books.
SAMPLE = 0.1
# A fail point is met at a random one of so many calls: of messages there are many, of groups of results few.
MANY, FEW = 150, 2
OFTEN = ("after S", "after the final dot", "before R")
# What backups were called once.
WHATS = {"lifeboat": "backup"}
MESSAGE_ID = re.compile(rb"(?im)^message-id:\s*(<[^>]+>)")


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench kill", description=__doc__.partition("\n\n")[0])
    parser.add_argument("--what", type=lambda word: WHATS.get(word, word), choices=["sends", "backup"], default="sends")
    parser.add_argument("--people", type=int)
    parser.add_argument("--kills", type=int, help="on each database, of sends for each number of senders")
    parser.add_argument("--kinds", default="", help="of backup: some of them, by name, with a comma between")
    parser.add_argument("--workers", default="1,4", help="senders on PostgreSQL; SQLite has one")
    parser.add_argument("--connections", type=int, default=8, help="of each sender")
    parser.add_argument("--policy", choices=["resend", "hold"], default="resend")
    parser.add_argument("--only", choices=common.VENDORS)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    is_sends = options.what == "sends"
    options.people = options.people or (20_000 if is_sends else backup_kills.PEOPLE)
    options.kills = options.kills or (334 if is_sends else backup_kills.KILLS)
    work = measure if is_sends else backup_kills.measure
    return common.on_each_database(options, "bench.kill", lambda data: work(data, options))


def measure(data: Path, options: argparse.Namespace) -> int:
    common.open_data(data)
    bench = Bench(options.people)
    numbers = [1] if options.only == "sqlite" else [int(number) for number in options.workers.split(",")]
    return max([Killing(data, bench, options, workers).run() for workers in numbers])


@dataclass(slots=True)
class Tally:
    """What came of one or several letters."""

    letters: int = 0
    lost: int = 0
    extra: int = 0
    most: int = 0
    unsure: int = 0
    identities: int = 0  # Messages whose copies have more than one Message-ID, and readers who share one.
    wrong: int = 0  # Letters at whose end columns and rows differ.
    open: int = 0
    ended: int = 0  # Senders that ended by themselves, and were begun anew as the supervisor does it.
    kills: Counter[str] = field(default_factory=Counter)


class Killing:
    """One number of senders on one database."""

    def __init__(self, data: Path, bench: Bench, options: argparse.Namespace, workers: int) -> None:
        from tests.smtp_server import ScriptedServer

        self.data, self.bench, self.options, self.workers = data, bench, options, workers
        self.chance = random.Random(options.seed * 1000 + workers)
        self.server = ScriptedServer()
        self.tally = Tally()
        self.duty: list[Sender] = []
        self.log = data / "senders.log"
        self.begun = 0

    def run(self) -> int:
        from django.db import connection

        begun = time.monotonic()
        with self.server, Sampler() as sampler:
            self.bench.only_route(self.server.port, self.options.connections * self.workers)
            try:
                while sum(self.tally.kills.values()) < self.options.kills:
                    self.letter(sampler)
            finally:
                for sender in self.duty:
                    sender.kill(self.server.port)
        tally = self.tally
        common.say(
            f"{connection.vendor}, {self.workers} sender{'s' * (self.workers > 1)}, policy {self.options.policy}: "
            f"{sum(tally.kills.values())} kills in {time.monotonic() - begun:,.0f} s, "
            f"{tally.letters} letters to {self.options.people:,}, {tally.open:,} connections open at the kills, "
            f"books looked at {sampler.count:,} times"
        )
        for name, count in sorted(tally.kills.items(), key=lambda pair: -pair[1]):
            common.say(f"  {count:>5} {name}")
        common.say(
            f"  most copies of one message: {tally.most}; unsure at the end: {tally.unsure}; "
            f"senders that ended by themselves: {tally.ended}"
        )
        return common.conclude(
            [
                common.Target("lost", tally.lost, 0, "people"),
                common.Target("extra copies, of connections open", tally.extra, tally.open, "copies"),
                common.Target("messages with two Message-IDs, or shared", tally.identities, 0, ""),
                common.Target("instants at which the books did not balance", len(sampler.wrong), 0, ""),
                common.Target("letters whose books differ from their rows", tally.wrong, 0, ""),
            ]
        )

    def letter(self, sampler: "Sampler") -> None:
        """One letter to everybody: killed while it lasts, then finished and counted."""
        from samizdat.campaigns.models import Campaign

        # A small one: what is counted are copies, and the receiver here is Python.
        campaign = self.bench.campaign(rows=1)
        Campaign.objects.filter(pk=campaign.pk).update(unsure_policy=self.options.policy)
        sampler.watch(campaign)
        self.server.latency = LATENCY * self.workers
        while sum(self.tally.kills.values()) < self.options.kills and not finished(campaign):
            self.kill_one()
        self.finish(campaign)
        sampler.watch(None)
        self.count(campaign)
        self.server.messages.clear()

    # -- killing ----------------------------------------------------------------------------------------------------

    def kill_one(self) -> None:
        self.relieve()
        victim = self.wait()
        self.duty.remove(victim)
        # One that was armed and never came to its point is one more at a random moment.
        where = victim.step if victim.stopped else "at a random moment"
        self.tally.open += victim.kill(self.server.port)
        self.tally.kills[where] += 1
        done = sum(self.tally.kills.values())
        if done % 50 == 0:
            common.say(f"  {done} kills, {len(self.server.messages):,} messages of this letter taken")

    def relieve(self) -> None:
        """As many senders as there have to be."""
        gone = [sender for sender in self.duty if sender.ended]
        for sender in gone:
            self.duty.remove(sender)
            self.tally.ended += 1
        if self.tally.ended > 10 + self.options.kills // 4:
            raise SystemExit(f"Senders keep ending by themselves: {self.log.read_text()[-2000:]}")
        while len(self.duty) < self.workers:
            self.duty.append(Sender(self.data, self.arms(), self.log))

    def arms(self) -> tuple[str, int] | None:
        """Where the next sender stops, at which call; None: it is killed at a random moment."""
        from tests.delivery.child import STEPS

        self.begun += 1
        if self.begun % 2:
            return None
        step = list(STEPS)[self.begun // 2 % len(STEPS)]
        return step, self.chance.randint(1, MANY if step in OFTEN else FEW)

    def wait(self) -> "Sender":
        """Until one stands at its fail point, or until a random moment after something was taken."""
        taken, begun = len(self.server.messages), time.monotonic()
        moment = 0.0
        while True:
            self.relieve()
            if stopped := next((sender for sender in self.duty if sender.stopped), None):
                return stopped
            now = time.monotonic()
            if not moment and (len(self.server.messages) > taken or now > begun + PATIENCE):
                moment = now + self.chance.uniform(0.0, MOMENT)
            # Who is armed gets the time to come to its point.
            ripe = [sender for sender in self.duty if not sender.step or now > sender.begun + POINT]
            if moment and now >= moment and ripe:
                return self.chance.choice(ripe)
            time.sleep(0.005)

    def finish(self, campaign: Any) -> None:
        """By senders that nobody kills, and without waiting."""
        while self.duty:
            over = finished(campaign)  # Then nothing is on its way, and a kill costs nothing.
            open_ones = self.duty.pop().kill(self.server.port)
            if not over:
                self.tally.open += open_ones
                self.tally.kills["at a random moment"] += 1
        self.server.latency = 0.0
        until = time.monotonic() + END
        sender = Sender(self.data, None, self.log)
        while not finished(campaign):
            if time.monotonic() > until:
                raise SystemExit(f"The letter did not come to its end: {status(campaign)}")
            if sender.ended:
                self.tally.ended += 1
                sender = Sender(self.data, None, self.log)
            time.sleep(0.2)
        sender.end()

    # -- counting ---------------------------------------------------------------------------------------------------

    def count(self, campaign: Any) -> None:
        from samizdat.delivery import queries

        end, tally, people = status(campaign), self.tally, self.options.people
        copies = self.server.counts()
        known: dict[str, set[bytes]] = {}
        for caught in self.server.messages:
            found = MESSAGE_ID.search(caught.content)
            known.setdefault(caught.recipient, set()).add(found[1] if found else b"")
        distinct = {identity for identities in known.values() for identity in identities}
        tally.letters += 1
        tally.lost += max(0, people - len(copies) - (end["unsure"] if self.options.policy == "hold" else 0))
        tally.extra += sum(copies.values()) - len(copies)
        tally.most = max(tally.most, *copies.values())
        tally.unsure += end["unsure"]
        tally.identities += sum(len(ones) > 1 for ones in known.values()) + max(0, len(known) - len(distinct))
        tally.wrong += queries.recount(campaign) != queries.report(campaign).books


def status(campaign: Any) -> dict[str, Any]:
    from samizdat.delivery import queries

    return queries.status(campaign)


def finished(campaign: Any) -> bool:
    campaign.refresh_from_db(fields=["state"])
    if campaign.state in ("sending", "waiting"):
        return False
    if campaign.state != "finished":
        raise SystemExit(f"The campaign is {campaign.state}: {status(campaign)}")
    return True


class Sampler:
    """Looks at the books while others write them: columns, chunks and deliveries of one and the same instant."""

    def __init__(self) -> None:
        self.count = 0
        self.wrong: list[str] = []
        self._campaign: Any = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sampler", daemon=True)

    def __enter__(self) -> "Sampler":
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stop.set()
        self._thread.join()

    def watch(self, campaign: Any) -> None:
        self._campaign = campaign

    def _run(self) -> None:
        from django.db import connection

        while not self._stop.wait(SAMPLE):
            if self._campaign is not None:
                wrong = look(self._campaign.pk)
                self.count += 1
                if wrong:
                    self.wrong.append(wrong)
                    common.say(f"  the books do not balance: {wrong}")
        connection.close()


@contextlib.contextmanager
def one_instant() -> Iterator[None]:
    """Everything read inside is of one moment. Not Django's transaction, which on SQLite would lock out the writers."""
    from django.db import connection

    how = " ISOLATION LEVEL REPEATABLE READ READ ONLY" if connection.vendor == "postgresql" else " DEFERRED"
    with connection.cursor() as cursor:
        cursor.execute("BEGIN" + how)
        try:
            yield
        finally:
            cursor.execute("ROLLBACK")


def look(campaign: int) -> str:
    """What is wrong with the books at this instant; "" when nothing is."""
    from django.db.models import Count, Sum

    from samizdat.campaigns.models import Campaign
    from samizdat.core.mail.ledger import STATES, LedgerTotals
    from samizdat.delivery.models import Chunk, Delivery

    with one_instant():
        row = Campaign.objects.filter(pk=campaign).values("frozen", *STATES).get()
        found = dict(
            Delivery.objects.filter(edition__campaign=campaign)
            .values_list("state")
            .annotate(count=Count("*"))
            .values_list("state", "count")
        )
        left = Chunk.objects.filter(edition__campaign=campaign, retry=False).aggregate(left=Sum("remaining"))["left"]
    columns = LedgerTotals(row.pop("frozen"), **row)
    counted = {name: found.get(place, 0) for place, name in enumerate(STATES)} | {"pending": left}
    if columns.adds_up and counted == row:
        return ""
    return f"{columns}, but counted {counted}"


# --- a sender, to be killed ---


class Sender:
    """A sender in a process of its own. Split off from one that has imported everything: a kill costs a start."""

    def __init__(self, data: Path, arms: tuple[str, int] | None, log: Path) -> None:
        from tests import warm

        self.step = arms[0] if arms else ""
        self.begun = time.monotonic()
        with log.open("ab") as said:
            self.process = warm.Process(
                ["-m", "bench.kill", "--send", str(data), json.dumps(arms)],
                stdout=subprocess.PIPE,
                stderr=said,
                text=True,
                cwd=warm.ROOT,
                env=os.environ,
            )
        assert self.process.stdout is not None
        if self.process.stdout.readline() != "ready\n":
            raise SystemExit("A sender did not start.")

    @property
    def stopped(self) -> bool:
        """Does it stand at its fail point?"""
        return _state(self.process.pid) == "T"

    @property
    def ended(self) -> bool:
        return self.process.poll() is not None

    def kill(self, port: int) -> int:
        """Its connections to this port that were open when it stopped for ever."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.process.pid, signal.SIGSTOP)
        while _state(self.process.pid) not in ("T", "", "Z", "X"):
            time.sleep(0.001)
        count = 0 if self.ended else connections_of(self.process.pid, port)
        self.process.kill()
        self.process.wait()
        self._close()
        return count

    def end(self) -> None:
        """As the supervisor ends it."""
        self.process.terminate()
        self.process.wait(30)
        self._close()

    def _close(self) -> None:
        if self.process.stdout is not None:
            self.process.stdout.close()


def _state(process: int) -> str:
    """T is stopped, Z has ended; "" is gone."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


def connections_of(process: int, port: int) -> int:
    """TCP connections that a process has to a port, by what the kernel says of its sockets."""
    sockets = set()
    for descriptor in Path(f"/proc/{process}/fd").iterdir():
        with contextlib.suppress(OSError):
            sockets.add(os.readlink(descriptor))
    count = 0
    for line in Path(f"/proc/{process}/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        established = fields[3] == "01" and fields[2].endswith(f":{port:04X}")
        count += established and f"socket:[{fields[9]}]" in sockets
    return count


def stand_still() -> None:
    """All threads of this process, and this one before it returns."""
    signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)


def send(data: Path, arms: list[Any] | None) -> int:
    common.reopen_data(data)
    from samizdat.delivery.engine.sender import run_sender
    from tests.delivery.child import arm

    if arms:
        step, calls = arms
        arm(step, calls, end=stand_still)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    print("ready", flush=True)
    run_sender(stop)
    return 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["--send"]:
        sys.exit(send(Path(sys.argv[2]), json.loads(sys.argv[3])))
    sys.exit(main())
