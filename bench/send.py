"""Sending with ledger and journal on, against Postfix's smtp-sink and against a sink that is faster than we are.

python -m bench send [--people 300000] [--rounds 3] [--connections 10] [--only sqlite|postgresql]
                     [--sink postfix|fast] [--dkim none,ed25519,rsa,both] [--no-uvloop]
                     [--sizes 10000,1000000] [--latency 20ms] [--refused 12000,100000]

One sender process. smtp-source stands beside it as the ceiling, on the same sink, with as many connections and letters
of the same size. smtp-sink takes more CPU a message than we do, so it is the brake there: the ratio counts. What we
can do shows on the fast sink (bench/sink.py), where signed letters are measured too, a third as many.

--sizes sends to two lists instead and compares what a message costs; --latency sends to a relay that answers late, by a
route whose connections nobody has set; --refused tells the memory of a sender that was just started, when everybody is
with one mailbox provider, which refuses all of them in the same words.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import common
from bench.letters import Bench, sample
from bench.sender import Sender
from bench.sink import Fast, Postfix

PEOPLE = 300_000
PEOPLE_LATE = 40_000
RATE_PERCENT = 70.0
RATE = 12_000.0
RATE_LATE = 2_000.0
CPU_US = {"none": 50.0, "ed25519": 90.0, "rsa": 340.0}
MEMORY_MB = 150.0
LEDGER_BYTES = 150.0
SIZES_RATIO = 1.15
LONGEST = 7200.0
# What a provider says to everybody, by whose fault it is: of nobody's that we know, the reader's, ours.
REFUSALS = {
    "unknown words": "550 Not today",
    "as no mailbox": "550 5.1.1 No such user here",
    "as us": "550 5.7.40 The domain in the From header does not have a DMARC record",
}
# Seconds of one such send at most, and after which it counts as standing still.
REFUSED_SECONDS, STILL = 120.0, 15.0

SINKS = {"postfix": Postfix, "fast": Fast}
ALGORITHMS = {"none": (), "ed25519": ("ed25519",), "rsa": ("rsa",), "both": ("ed25519", "rsa")}
KINDS = {"none": "", "ed25519": ", Ed25519", "rsa": ", RSA-2048", "both": ", Ed25519 and RSA-2048"}


@dataclass(frozen=True, slots=True)
class Run:
    """One send: messages a second, microseconds of CPU a message by whom, MB at the most, ledger bytes a message."""

    rate: float
    cpu: float
    sink: float
    system: float = 0.0
    database: float = 0.0
    memory: float = 0.0
    ledger: float = 0.0


@dataclass(frozen=True, slots=True)
class Variant:
    """What is sent where, and how."""

    sink: str
    dkim: str
    uvloop: bool
    people: int

    @property
    def name(self) -> str:
        return "samizdat" + KINDS[self.dkim] + ("" if self.uvloop else ", no uvloop")


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench send", description=__doc__.partition("\n\n")[0])
    parser.add_argument("--people", type=int)
    parser.add_argument("--rounds", type=int, default=common.ROUNDS)
    parser.add_argument("--connections", type=int, default=10)
    parser.add_argument("--only", choices=common.VENDORS)
    parser.add_argument("--sink", choices=SINKS)
    parser.add_argument("--dkim", default="none,ed25519,rsa", help="on the fast sink: none, ed25519, rsa, both")
    parser.add_argument("--no-uvloop", action="store_true", help="everything without it")
    parser.add_argument("--sizes", help="two numbers of recipients: 10000,1000000")
    parser.add_argument("--latency", type=common.seconds, help="of a relay, 20ms")
    parser.add_argument("--refused", help="numbers of people of one provider that refuses all of them: 12000,100000")
    options = parser.parse_args()
    if wrong := set(options.dkim.split(",")) - ALGORITHMS.keys():
        parser.error(f"--dkim knows {', '.join(ALGORITHMS)}, and not {', '.join(wrong)}.")
    common.keep_bytecode()
    return common.on_each_database(options, "bench.send", lambda data: measure(data, options))


def measure(data: Path, options: argparse.Namespace) -> int:
    common.open_data(data)
    if options.sizes:
        return compare_sizes(data, options)
    if options.latency:
        return be_patient(data, options)
    if options.refused:
        return be_refused(data, options)
    return measure_rates(data, options)


# --- how fast, and what it costs ---


def variants(options: argparse.Namespace) -> list[Variant]:
    """In the order in which they are sent; without uvloop and signed on the fast sink alone."""
    people, loop = options.people or PEOPLE, not options.no_uvloop
    found = []
    if options.sink != "fast":
        found.append(Variant("postfix", "none", loop, people))
    if options.sink != "postfix":
        kinds = options.dkim.split(",")
        found += [Variant("fast", kind, loop, people if kind == "none" else -(-people // 3)) for kind in kinds]
        if loop and "none" in kinds:
            found.append(Variant("fast", "none", False, people))
    return found


def measure_rates(data: Path, options: argparse.Namespace) -> int:
    from django.db import connection

    chosen = variants(options)
    everybody = options.people or PEOPLE
    bench = Bench(everybody)
    counts = {one.people for one in chosen}
    lists = {count: bench.list if count == everybody else bench.listed(count) for count in counts}
    runs: dict[Variant, list[Run]] = {one: [] for one in chosen}
    ceilings: dict[str, list[Run]] = {one.sink: [] for one in chosen}
    size = 0
    for _ in range(options.rounds):
        measured = set[str]()
        for one in chosen:
            bench.sign_with(ALGORITHMS[one.dkim])
            before = common.bytes_of("delivery_")
            campaign = bench.campaign(to=lists[one.people])
            size = size or len(sample(campaign))
            if one.sink not in measured and has_ceiling(one):
                measured.add(one.sink)
                ceilings[one.sink].append(run_source(one, options.connections, size))
            runs[one].append(run_sender(data, bench, campaign, one, options.connections, before))
    common.say(
        f"{everybody:,} letters of {size / 1024:.1f} KB on the wire, ledger and journal on, "
        f"{connection.vendor}, one sender, {options.connections} connections"
    )
    head("messages/s")
    for sink, found in ceilings.items():
        if found:
            show(f"{sink} sink: smtp-source", found)
        else:
            common.say("  smtp-source is not installed: no ceiling beside the fast sink.")
        for one in chosen:
            if one.sink == sink:
                show(f"{sink} sink: {one.name}", runs[one])
    return common.conclude(targets(runs, ceilings))


def targets(runs: dict[Variant, list[Run]], ceilings: dict[str, list[Run]]) -> list[common.Target]:
    found = []
    for one, some in runs.items():
        if not one.uvloop:
            continue
        if one.sink == "postfix":
            shares = [a.rate / b.rate * 100 for a, b in zip(some, ceilings["postfix"], strict=True)]
            found.append(common.Target("rate, of smtp-source", common.median(shares), RATE_PERCENT, "%", most=False))
            continue
        if one.dkim == "none":
            rate = common.median([run.rate for run in some])
            found.append(common.Target("rate on the fast sink", rate, RATE, "/s", most=False))
        if one.dkim in CPU_US:
            cpu = common.median([run.cpu for run in some])
            found.append(common.Target(f"CPU of the sender{KINDS[one.dkim]}", cpu, CPU_US[one.dkim], "us"))
    everything = [run for some in runs.values() for run in some]
    found.append(common.Target("memory of the sender", max(run.memory for run in everything), MEMORY_MB, "MB"))
    ledger = common.median([run.ledger for run in everything])
    found.append(common.Target("ledger and all of delivery, a message", ledger, LEDGER_BYTES, "bytes"))
    return found


def head(rate: str) -> None:
    columns = f"{rate:>28}{'CPU us/message':>24}{'kernel':>8}{'database':>10}{'sink':>7}{'MB':>6}{'ledger B':>10}"
    common.say(f"  {'':<44}{columns}")


def show(name: str, runs: list[Run]) -> None:
    """One line: medians, least and most of rate and CPU."""
    rate = common.spread([run.rate for run in runs])
    cpu = common.spread([run.cpu for run in runs], 1)
    rest = f"{common.median([run.sink for run in runs]):>7.1f}"
    if any(run.memory for run in runs):
        kernel, database = (common.median([getattr(run, which) for run in runs]) for which in ("system", "database"))
        ledger = common.median([run.ledger for run in runs])
        rest = f"{kernel:>8.1f}{database:>10.1f}{rest}{max(run.memory for run in runs):>6.0f}{ledger:>10.0f}"
    else:
        rest = f"{'':>18}{rest}"
    common.say(f"  {name:<44}{rate:>28}{cpu:>24}{rest}")


def has_ceiling(one: Variant) -> bool:
    """On the fast sink figures of ours stand for themselves where Postfix is not installed."""
    return one.sink == "postfix" or common.has_tool("smtp-source")


def run_source(one: Variant, connections: int, size: int) -> Run:
    """smtp-source with the same number of connections and the same size."""
    with SINKS[one.sink]() as sink:
        command = [common.tool("smtp-source"), "-d", "-s", str(connections), "-l", str(size)]
        command += ["-m", str(one.people), "-f", "a@nordlicht.example", "-t", "b@mail.example"]
        before = common.cpu_of(sink.pid)
        seconds, cpu = common.run_to_end([*command, f"127.0.0.1:{sink.port}"])
        taken = common.cpu_of(sink.pid) - before
        return Run(one.people / seconds, cpu / one.people * 1e6, taken / one.people * 1e6)


def run_sender(
    data: Path, bench: Bench, campaign: Any, one: Variant, connections: int | None, before: int, latency: float = 0.0
) -> Run:
    """Sends a campaign in a process of its own. before: bytes of the ledger before its release."""
    from django.db import connection

    server = common.postmaster()
    with Fast(latency) if one.sink == "fast" else Postfix() as sink:
        bench.only_route(sink.port, connections)
        connection.close()
        used, taken = common.database_cpu(server), common.cpu_of(sink.pid)
        told = run_child(data, campaign.pk, one.uvloop)
        used, taken = common.database_cpu(server) - used, common.cpu_of(sink.pid) - taken
    if told["accepted"] != one.people:
        raise SystemExit(f"Only {told['accepted']} of {one.people} were accepted: {told['status']}")
    many = one.people
    return Run(
        rate=many / told["seconds"],
        cpu=told["cpu"] / many * 1e6,
        sink=taken / many * 1e6,
        system=told["system"] / many * 1e6,
        database=used / many * 1e6,
        memory=told["memory"],
        ledger=(common.bytes_of("delivery_") - before) / many,
    )


# --- what a message costs by the size of the list ---


def compare_sizes(data: Path, options: argparse.Namespace) -> int:
    """A letter to one reader tells what a send costs before its first message: that is taken off from both."""
    from django.db import connection

    sizes = sorted(int(size) for size in options.sizes.split(","))
    least, most = sizes[0], sizes[-1]
    bench = Bench(most)
    lists = {size: bench.listed(size) for size in (1, *sizes[:-1])} | {most: bench.list}
    runs: dict[int, list[Run]] = {size: [] for size in lists}
    for _ in range(options.rounds):
        for size, to in lists.items():
            before = common.bytes_of("delivery_")
            one = Variant("fast", "none", not options.no_uvloop, size)
            runs[size].append(run_sender(data, bench, bench.campaign(to=to), one, options.connections, before))
    begin = middle(runs[1])
    common.say(
        f"A message by the size of the list, {connection.vendor}, one sender, fast sink. To begin a send costs "
        f"{begin / 1e6:.2f} s of CPU, which is in the lines and not in the comparison."
    )
    head("messages/s")
    for size in sizes:
        show(f"{size:,} letters: samizdat", runs[size])
    ratio = (middle(runs[most]) - begin / most) / (middle(runs[least]) - begin / least)
    ledger = common.median([run.ledger for run in runs[most]])
    return common.conclude(
        [
            common.Target(f"CPU a message, {least:,} to {most:,}", ratio, SIZES_RATIO, "times"),
            common.Target("memory of the sender", max(run.memory for run in runs[most]), MEMORY_MB, "MB"),
            common.Target("ledger and all of delivery, a message", ledger, LEDGER_BYTES, "bytes"),
        ]
    )


def middle(runs: list[Run]) -> float:
    """CPU of sender and database a message."""
    return common.median([run.cpu + run.database for run in runs])


# --- a relay that answers late ---


def be_patient(data: Path, options: argparse.Namespace) -> int:
    from django.db import connection

    people = options.people or PEOPLE_LATE
    bench = Bench(people)
    runs = []
    for _ in range(options.rounds):
        before = common.bytes_of("delivery_")
        one = Variant("fast", "none", not options.no_uvloop, people)
        runs.append(run_sender(data, bench, bench.campaign(), one, None, before, options.latency))
    connections = most_connections(bench)
    ceiling = connections / options.latency
    common.say(
        f"{people:,} letters to a relay that answers after {options.latency * 1000:.0f} ms, {connection.vendor}, one "
        f"sender; the route allows {connections} connections as it was added: at most {ceiling:,.0f}/s"
    )
    head("messages/s")
    show("fast sink: samizdat", runs)
    rate = common.median([run.rate for run in runs])
    return common.conclude([common.Target("rate, by a route nobody tuned", rate, RATE_LATE, "/s", most=False)])


def most_connections(bench: Bench) -> int:
    from samizdat.delivery.models import Route

    return Route.objects.filter(organization=bench.organization, state="live").latest("pk").connections


# --- a provider that refuses everybody ---


def be_refused(data: Path, options: argparse.Namespace) -> int:
    """A new sender for each number of people and each sentence: its memory at the most, and what became of them."""
    from django.db import connection

    sizes = sorted(int(size) for size in options.refused.split(","))
    bench = Bench(sizes[-1], domains=1)
    lists = {size: bench.listed(size) for size in sizes[:-1]} | {sizes[-1]: bench.list}
    targets = []
    for size, to in lists.items():
        for whose, words in REFUSALS.items():
            memory, seconds, said = refused(data, bench, bench.campaign(to=to), options.connections, words)
            common.say(
                f"{size:,} people of one provider, {connection.vendor}, {whose}: {memory:.0f} MB in {seconds:.0f} s; "
                f"{said['refused']:,} refused for good, {said['deferred']:,} to be tried again, "
                f"{said['pending']:,} not sent to, campaign {said['state']}"
            )
            targets.append(common.Target(f"memory, {size:,} refused, {whose}", memory, MEMORY_MB, "MB"))
    return common.conclude(targets)


def refused(
    data: Path, bench: Bench, campaign: Any, connections: int, words: str
) -> tuple[float, float, dict[str, Any]]:
    """(MB, seconds, books) of one send, until it has come to its end or waits and nothing moves."""
    from django.db import connection

    from samizdat.campaigns.models import Campaign
    from samizdat.delivery import queries

    with Fast() as sink:
        sink.say(answer={"rcpt": words})
        bench.only_route(sink.port, connections)
        connection.close()
        sender, begun = Sender(data), time.monotonic()
        sender.go()
        before, moved = None, begun
        while time.monotonic() < begun + REFUSED_SECONDS and time.monotonic() < moved + STILL:
            time.sleep(0.5)
            books = queries.status(campaign)
            if books["state"] == "finished":
                break
            if books != before:
                before, moved = books, time.monotonic()
        told = sender.end()
    Campaign.objects.filter(pk=campaign.pk).exclude(state="finished").update(state="cancelled")
    return told["memory"], moved - begun, books


# --- the sender's own process ---


def run_child(data: Path, campaign: int, uvloop: bool) -> dict[str, Any]:
    words = ["--send", str(data), str(campaign), *([] if uvloop else ["--no-uvloop"])]
    with common.child("bench.send", *words, stdout=subprocess.PIPE) as process:
        out, _ = process.communicate()
    if process.returncode:
        raise SystemExit("The sender failed.")
    told: dict[str, Any] = json.loads(out)
    return told


def send(data: Path, campaign: int) -> int:
    """Sends one campaign and tells what it cost."""
    common.reopen_data(data)
    from samizdat.delivery.engine.sender import run_campaign

    # Starting Python and Django is paid once, not a message: it is told apart.
    started = resource.getrusage(resource.RUSAGE_SELF)
    begun = time.monotonic()
    status = run_campaign(campaign, LONGEST)
    seconds = time.monotonic() - begun
    used = resource.getrusage(resource.RUSAGE_SELF)
    start = started.ru_utime + started.ru_stime
    told = {
        "seconds": seconds,
        "cpu": used.ru_utime + used.ru_stime - start,
        "system": used.ru_stime - started.ru_stime,
        "start": start,
        "memory": common.peak_memory(),
        "accepted": status["accepted"],
        "status": status,
    }
    print(json.dumps(told))
    return 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["--send"]:
        if "--no-uvloop" in sys.argv:
            sys.modules["uvloop"] = None  # type: ignore[assignment]  # As if it were not installed.
        sys.exit(send(Path(sys.argv[2]), int(sys.argv[3])))
    sys.exit(main())
