"""Sending 100,000 letters with ledger and journal, against Postfix's smtp-sink; smtp-source beside it.

python -m bench send [--people 100000] [--rounds 3] [--connections 10]
"""

import argparse
import json
import os
import re
import resource
import subprocess
import sys
import time
from pathlib import Path

from bench import common
from bench.letters import Bench, sample

CPU_US = 90.0
MEMORY_MB = 150.0
RATE_PERCENT = 50.0


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench send", description=__doc__)
    parser.add_argument("--people", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=common.ROUNDS)
    parser.add_argument("--connections", type=int, default=10)
    options = parser.parse_args()
    with common.folder() as folder:
        return measure(folder / "data", options)


def measure(data: Path, options: argparse.Namespace) -> int:
    data.mkdir()
    common.open_data(data)
    from django.db import connection

    from samizdat.delivery.models import Route

    bench = Bench(options.people)
    server = common.postmaster()
    rates: dict[str, list[float]] = {"source": [], "sender": []}
    cpu: list[float] = []
    database: list[float] = []
    system: list[float] = []
    memory: list[float] = []
    size = 0
    for _ in range(options.rounds):
        campaign = bench.campaign()
        size = len(sample(campaign))
        rates["source"].append(run_source(options, size))
        with Sink() as sink:
            Route.objects.all().update(state="paused")
            bench.route(sink.port, options.connections)
            connection.close()
            before = common.cpu_of_tree(server) if server else 0.0
            told = run_child(data, campaign.pk)
            database.append(((common.cpu_of_tree(server) - before) if server else 0.0) / options.people * 1e6)
        if told["accepted"] != options.people:
            raise SystemExit(f"Only {told['accepted']} of {options.people} were accepted: {told['status']}")
        rates["sender"].append(options.people / told["seconds"])
        cpu.append(told["cpu"] / options.people * 1e6)
        system.append(told["system"] / options.people * 1e6)
        memory.append(told["memory"])
    return report(options, size, rates, cpu, system, database, memory, connection.vendor)


def report(options, size, rates, cpu, system, database, memory, vendor) -> int:  # type: ignore[no-untyped-def]
    ratios = [ours / theirs * 100 for ours, theirs in zip(rates["sender"], rates["source"], strict=True)]
    common.say(f"{options.people:,} letters of {size / 1024:.1f} KB on the wire, ledger and journal on, {vendor}")
    common.say(f"  smtp-source   {common.spread(rates['source'])} messages/s")
    common.say(f"  samizdat      {common.spread(rates['sender'])} messages/s")
    common.say(f"  CPU sender    {common.spread(cpu, 1)} us/message, of it the kernel {common.spread(system, 1)}")
    common.say(f"  CPU database  {common.spread(database, 1)} us/message besides")
    common.say(f"  memory        {common.spread(memory)} MB at the most")
    both = [one + other for one, other in zip(cpu, database, strict=True)]
    return common.conclude(
        [
            common.Target("rate, of smtp-source", common.median(ratios), RATE_PERCENT, "%", most=False),
            common.Target("CPU of sender and database", common.median(both), CPU_US, "us"),
            common.Target("memory of the sender", common.median(memory), MEMORY_MB, "MB"),
        ]
    )


class Sink:
    """smtp-sink on a free port."""

    def __enter__(self) -> "Sink":
        self.port = common.free_port()
        user = ["-u", "nobody"] if os.geteuid() == 0 else []  # It refuses to run as root.
        self._process = subprocess.Popen([common.tool("smtp-sink"), *user, f"127.0.0.1:{self.port}", "1000"])
        common.wait_for_port(self.port)
        return self

    def __exit__(self, *exc: object) -> None:
        self._process.terminate()
        self._process.wait()


def run_source(options: argparse.Namespace, size: int) -> float:
    """Messages a second of smtp-source with the same number of connections and the same size."""
    with Sink() as sink:
        command = [common.tool("smtp-source"), "-d", "-s", str(options.connections), "-l", str(size)]
        command += ["-m", str(options.people), "-f", "a@nordlicht.example", "-t", "b@mail.example"]
        begun = time.monotonic()
        subprocess.run([*command, f"127.0.0.1:{sink.port}"], check=True)
        return options.people / (time.monotonic() - begun)


def run_child(data: Path, campaign: int) -> dict:
    with common.child("bench.send", "--send", str(data), str(campaign), stdout=subprocess.PIPE) as process:
        out, _ = process.communicate()
    if process.returncode:
        raise SystemExit("The sender failed.")
    return json.loads(out)


def send(data: Path, campaign: int) -> int:
    """The sender's process: sends one campaign and tells what it cost."""
    common.reopen_data(data)
    from samizdat.delivery.engine import run_campaign

    # Starting Python and Django is paid once, not a message: it is told apart.
    started = resource.getrusage(resource.RUSAGE_SELF)
    begun = time.monotonic()
    status = run_campaign(campaign, 600)
    seconds = time.monotonic() - begun
    used = resource.getrusage(resource.RUSAGE_SELF)
    start = started.ru_utime + started.ru_stime
    peak = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())
    told = {
        "seconds": seconds,
        "cpu": used.ru_utime + used.ru_stime - start,
        "system": used.ru_stime - started.ru_stime,
        "start": start,
        "memory": int(peak[1]) / 1024 if peak else used.ru_maxrss / 1024,
        "accepted": status["accepted"],
        "status": status,
    }
    print(json.dumps(told))
    return 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["--send"]:
        sys.exit(send(Path(sys.argv[2]), int(sys.argv[3])))
    sys.exit(main())
