"""100 kills of a 20,000-message send: nobody lost, every further copy accounted for, the books right at each restart.

python -m bench kill [--people 20000] [--kills 100] [--connections 8] [--policy resend|hold]
"""

import argparse
import random
import signal
import subprocess
import sys
import threading
import time
from email import message_from_bytes
from pathlib import Path
from typing import Any

from bench import common
from bench.letters import Bench


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench kill", description=__doc__)
    parser.add_argument("--people", type=int, default=20_000)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--policy", choices=["resend", "hold"], default="resend")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with common.folder() as folder:
        return measure(folder / "data", options)


def measure(data: Path, options: argparse.Namespace) -> int:
    data.mkdir()
    common.open_data(data)
    from samizdat.campaigns.models import Campaign
    from tests.smtp_server import ScriptedServer

    bench = Bench(options.people)
    # A small letter: what is counted are copies, and the receiver here is Python.
    campaign = bench.campaign(rows=1)
    Campaign.objects.filter(pk=campaign.pk).update(unsure_policy=options.policy)
    chance = random.Random(options.seed)
    with ScriptedServer(latency=0.012) as server:
        bench.route(server.port, options.connections)
        killed = kill_often(data, campaign, server, options, chance)
        server.latency = 0.0
        end = run_to_the_end(data, campaign)
        return conclude(options, campaign, server, killed, end)


def kill_often(data: Path, campaign: Any, server: Any, options: argparse.Namespace, chance: random.Random) -> list[int]:
    """Connections that were open at each kill. The next sender is started before, and waits for its turn."""
    opened = []
    standby = begin(data, campaign)
    for place in range(options.kills):
        sender, standby = standby, begin(data, campaign)
        taken = len(server.messages)
        patience = time.monotonic() + 5
        while len(server.messages) == taken and time.monotonic() < patience:
            time.sleep(0.005)
        time.sleep(chance.uniform(0.0, 0.25))
        opened.append(server.open)
        sender.kill()
        sender.wait()
        check_books(campaign, f"after kill {place + 1}")
        if (place + 1) % 10 == 0:
            common.say(f"  {place + 1} kills, {len(server.messages):,} messages taken")
    standby.kill()
    standby.wait()
    opened.append(server.open)
    return opened


def begin(data: Path, campaign: Any) -> subprocess.Popen[str]:
    sender = common.child("bench.kill", "--send", str(data), str(campaign.pk), stdout=subprocess.PIPE)
    assert sender.stdout is not None
    sender.stdout.readline()
    return sender


def check_books(campaign: Any, when: str) -> None:
    from samizdat.delivery import queries

    for _ in range(3):  # The next sender is at work already: look at one instant of it.
        report = queries.report(campaign).books
        if report.adds_up and queries.recount(campaign) == report:
            return
    if not queries.report(campaign).books.adds_up:
        raise SystemExit(f"The books do not add up {when}: {queries.report(campaign).books}")


def run_to_the_end(data: Path, campaign: Any) -> dict[str, Any]:
    from samizdat.delivery import queries

    sender = begin(data, campaign)
    while queries.status(campaign)["state"] not in ("finished", "paused"):
        time.sleep(0.2)
    sender.send_signal(signal.SIGTERM)
    sender.wait(15)
    return queries.status(campaign)


def conclude(options: argparse.Namespace, campaign: Any, server: Any, opened: list[int], end: dict[str, Any]) -> int:
    from samizdat.delivery import queries

    counts = server.counts()
    identities: dict[str, set[str]] = {}
    for caught in server.messages:
        identities.setdefault(caught.recipient, set()).add(message_from_bytes(caught.content)["Message-ID"])
    lost = options.people - len(counts) - (end["unsure"] if options.policy == "hold" else 0)
    extra = sum(counts.values()) - len(counts)
    books = queries.recount(campaign)
    common.say(
        f"{options.people:,} messages, {options.kills} kills, policy {options.policy}, {sum(opened)} open at them"
    )
    common.say(
        f"  accepted {end['accepted']:,}, unsure {end['unsure']}, pending {end['pending']}, deferred {end['deferred']}"
    )
    common.say(f"  most copies of one message: {max(counts.values())}")
    return common.conclude(
        [
            common.Target("lost", max(lost, 0), 0, "people"),
            common.Target("extra copies, of connections open", extra, sum(opened), "copies"),
            common.Target("messages with two Message-IDs", sum(len(ids) > 1 for ids in identities.values()), 0, ""),
            common.Target("books that differ from the rows", books != queries.report(campaign).books, 0, ""),
        ]
    )


def send(data: Path) -> int:
    """A sender of its own, to be killed."""
    common.reopen_data(data)
    from samizdat.delivery.engine import run_sender

    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    print("ready", flush=True)
    run_sender(stop)
    return 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["--send"]:
        sys.exit(send(Path(sys.argv[2])))
    sys.exit(main())
