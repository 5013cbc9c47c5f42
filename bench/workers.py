"""Several senders on PostgreSQL against one: where a core binds, where connections bind, and eight at once.

python -m bench workers [--case rsa,latency,plain] [--rounds 3] [--scale 1.0]

rsa: RSA-2048 signatures on the fast sink, so that a sender is bound by its core; one and two senders.
latency: a relay that answers after 20 ms and gives each sender 10 connections; one, two and eight.
plain: unsigned letters on the fast sink; one, two and eight. They share what cores there are.

Rate and CPU are those of the middle of each run: senders need some seconds until they have shared the connections of a
route. Their part in it is seen in the seconds of the whole run. The ceiling is what cores or connections allow: cores
divided by what a message costs one sender, its database and its sink together. Waiting for locks is seen in
pg_stat_activity, twenty times a second.
"""

import argparse
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import common
from bench.letters import Bench
from bench.sender import Sender
from bench.sink import Fast

LATENCY = 0.02
CONNECTIONS = 10
# Two are so much faster than one; of what eight could send so many percent; a message costs eight so much more CPU.
TWICE, EIGHT_PERCENT, EIGHT_COST = 1.7, 95.0, 1.15
# The part of a run that is measured: so much has been taken, and so many seconds have passed, at its beginning.
BEGIN, FINISH, SETTLE = 0.2, 0.9, 8.0
# Seconds between two looks, and of the longest run.
LOOK, END = 0.05, 1800.0


@dataclass(frozen=True, slots=True)
class Case:
    """What is sent by how many. people: letters a sender, or of all of them where they share the cores."""

    name: str
    sentence: str
    workers: tuple[int, ...]
    people: int
    shared: bool = False
    dkim: tuple[str, ...] = ()
    latency: float = 0.0

    def letters(self, workers: int, scale: float) -> int:
        return max(1000, int(self.people * scale) * (1 if self.shared else workers))


CASES = {
    case.name: case
    for case in (
        Case("rsa", "RSA-2048 signatures, fast sink", (1, 2), 40_000, dkim=("rsa",)),
        Case(
            "latency", "a relay that answers after 20 ms, 10 connections a sender", (1, 2, 8), 10_000, latency=LATENCY
        ),
        Case("plain", "unsigned letters, fast sink", (1, 2, 8), 300_000, shared=True),
    )
}


@dataclass(frozen=True, slots=True)
class Run:
    """The middle of one run. rate: messages a second; microseconds of CPU a message; locks, latches: percent of a
    sender's time in which a session of it waits for another one's transaction, or for PostgreSQL's own structures."""

    rate: float
    cpu: float
    database: float
    sink: float
    locks: float
    latches: float
    deadlocks: int
    seconds: float  # Of the whole run.
    others: float  # Cores that other work took meanwhile, our looking at it included.

    @property
    def in_all(self) -> float:
        return self.cpu + self.database + self.sink


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench workers", description=__doc__.partition("\n\n")[0])
    parser.add_argument("--case", default=",".join(CASES))
    parser.add_argument("--rounds", type=int, default=common.ROUNDS)
    parser.add_argument("--scale", type=float, default=1.0, help="so many times as many letters")
    options = parser.parse_args()
    if wrong := set(options.case.split(",")) - CASES.keys():
        parser.error(f"--case knows {', '.join(CASES)}, and not {', '.join(wrong)}.")
    options.only = "postgresql"  # SQLite has one sender.
    return common.on_each_database(options, "bench.workers", lambda data: measure(data, options))


def measure(data: Path, options: argparse.Namespace) -> int:
    common.open_data(data)
    cases = [CASES[name] for name in options.case.split(",")]
    counts = {case.letters(workers, options.scale) for case in cases for workers in case.workers}
    bench = Bench(max(counts))
    lists = {count: bench.list if count == max(counts) else bench.listed(count) for count in counts}
    targets = []
    for case in cases:
        bench.sign_with(case.dkim)
        runs: dict[int, list[Run]] = {workers: [] for workers in case.workers}
        for _ in range(options.rounds):
            for workers in case.workers:
                campaign = bench.campaign(to=lists[case.letters(workers, options.scale)])
                runs[workers].append(send(data, bench, case, campaign, workers))
        report(case, runs)
        targets += judge(case, runs)
    return common.conclude(targets)


# --- one run ---


def send(data: Path, bench: Bench, case: Case, campaign: Any, workers: int) -> Run:
    with Fast(case.latency) as sink:
        bench.only_route(sink.port, CONNECTIONS * workers)
        senders = [Sender(data) for _ in range(workers)]
        for sender in senders:
            sender.go()
        try:
            return watch(campaign, sink, senders)
        finally:
            for sender in senders:
                sender.end()


def watch(campaign: Any, sink: Fast, senders: list[Sender]) -> Run:
    """Looks until the letter is out, and reckons from what it saw in the middle."""
    server = common.postmaster()
    people = campaign.frozen
    begun = time.monotonic()
    begin = finish = None
    looks = locks = latches = 0
    deadlocks = deadlocks_so_far()
    while True:
        time.sleep(LOOK)
        told = sink.tell()
        now = time.monotonic() - begun
        if begin is None and now > SETTLE and told["taken"] >= BEGIN * people:
            begin = point(told, senders, server)
        elif begin is not None and finish is None:
            some = waiting()
            looks, locks, latches = looks + 1, locks + some[0], latches + some[1]
            if told["taken"] >= FINISH * people:
                finish = point(sink.tell(), senders, server)
        campaign.refresh_from_db(fields=["state"])
        if campaign.state == "finished":
            break
        if campaign.state not in ("sending", "waiting") or now > END:
            raise SystemExit(f"The campaign is {campaign.state}, {told['taken']:,} of {people:,} messages were taken.")
    if told["taken"] != people:
        raise SystemExit(f"{told['taken']:,} messages were taken instead of {people:,}.")
    if begin is None or finish is None or finish[1] == begin[1]:
        raise SystemExit("The letter was out before it could be looked at. Take a larger --scale.")
    seconds, count, cpu, database, taken, machine = (late - early for early, late in zip(begin, finish, strict=True))
    share = 100 / max(1, looks * len(senders))
    return Run(
        count / seconds,
        cpu / count * 1e6,
        database / count * 1e6,
        taken / count * 1e6,
        locks * share,
        latches * share,
        deadlocks_so_far() - deadlocks,
        now,
        max(0.0, machine - cpu - database - taken) / seconds,
    )


def point(told: dict[str, Any], senders: list[Sender], server: int | None) -> tuple[float, ...]:
    """Moment, messages taken, and CPU seconds so far of the senders, the database, the sink and the whole machine."""
    used = sum(common.cpu_of(sender.process.pid) for sender in senders)
    return told["at"], told["taken"], used, common.database_cpu(server), told["cpu"], common.cpu_of_machine()


def waiting() -> tuple[int, int]:
    """Sessions of others that wait for a lock at this instant, and for a latch."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FILTER (WHERE wait_event_type = 'Lock'),"
            " count(*) FILTER (WHERE wait_event_type = 'LWLock')"
            " FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        locks, latches = cursor.fetchone()
    return locks, latches


def deadlocks_so_far() -> int:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        return int(cursor.fetchone()[0])


# --- what it says ---


def report(case: Case, runs: dict[int, list[Run]]) -> None:
    cores = os.cpu_count() or 1
    common.say(f"{case.sentence}; {cores} cores here")
    columns = f"{'messages/s':>28}{'of one':>8}{'at most':>9}{'CPU us/message':>24}{'database':>10}{'sink':>7}"
    common.say(f"  {'':<10}{columns}{'waits for locks':>17}{'latches':>9}{'s in all':>10}{'other work':>12}")
    one = rate_of(runs[1])
    for workers, found in runs.items():
        rate = common.spread([run.rate for run in found])
        cpu = common.spread([run.cpu for run in found], 1)
        database, sink, locks, latches, seconds, others = (
            common.median([getattr(run, which) for run in found])
            for which in ("database", "sink", "locks", "latches", "seconds", "others")
        )
        name = f"{workers} sender{'s' * (workers > 1)}"
        common.say(
            f"  {name:<10}{rate:>28}{rate_of(found) / one:>8.2f}{ceiling(case, runs, workers):>9,.0f}{cpu:>24}"
            f"{database:>10.1f}{sink:>7.1f}{locks:>15.1f} %{latches:>7.1f} %{seconds:>10.1f}{others:>6.1f} cores"
        )
    if not case.latency:
        most = ceiling(case, runs, 2) / ceiling(case, runs, 1)
        common.say(
            f"  What this machine could show: senders, database and sink share {cores} cores, so two could reach "
            f"{most:.2f} times one at these costs."
        )


def rate_of(runs: list[Run]) -> float:
    return common.median([run.rate for run in runs])


def ceiling(case: Case, runs: dict[int, list[Run]], workers: int) -> float:
    """Messages a second: by connections, or by cores: a sender has one at the most, and all share what there is."""
    if case.latency:
        return workers * CONNECTIONS / case.latency
    one = runs[1]
    cores = os.cpu_count() or 1
    alone = workers * 1e6 / common.median([run.cpu for run in one])
    return min(alone, cores * 1e6 / common.median([run.in_all for run in one]))


def judge(case: Case, runs: dict[int, list[Run]]) -> list[common.Target]:
    one = rate_of(runs[1])
    found = []
    if case.name in ("rsa", "latency"):
        found.append(
            common.Target(f"{case.name}: two senders, of one", rate_of(runs[2]) / one, TWICE, "times", most=False)
        )
    if case.name == "latency":
        share = rate_of(runs[8]) / (8 * one) * 100
        found.append(common.Target("latency: eight, of eight times one", share, EIGHT_PERCENT, "%", most=False))
    if case.name == "plain":
        share = rate_of(runs[8]) / rate_of(runs[2]) * 100
        cost = common.median([run.in_all for run in runs[8]]) / common.median([run.in_all for run in runs[1]])
        found.append(common.Target("plain: rate of eight, of two", share, EIGHT_PERCENT, "%", most=False))
        found.append(common.Target("plain: CPU a message in all, eight to one", cost, EIGHT_COST, "times"))
    dead = max(run.deadlocks for some in runs.values() for run in some)
    found.append(common.Target(f"{case.name}: deadlocks", dead, 0, ""))
    return found


if __name__ == "__main__":
    sys.exit(main())
