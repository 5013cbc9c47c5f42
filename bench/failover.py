"""50,000 letters over three routes that drop out one after the other: everybody reached once, nobody bounced.

python -m bench failover [--people 50000] [--rounds 3] [--connections 10] [--only sqlite|postgresql]

When 30 % were taken, the first route is suspended by its provider. When 60 % were, the second one says "try again in
3600 seconds" to everything: longer than a letter waits for a route, so the third takes over. When 80 % were, that one
dies with every connection, and is back 10 s later; we ask it again when the table of answers says so. What a server
took, it tells itself. The ceiling is the same letter by one route that stays.
"""

import argparse
import sys
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import common
from bench.letters import Bench
from bench.sender import Sender
from bench.sink import Fast

PEOPLE = 50_000
SUSPENDED = "550 5.7.1 Your account has been suspended. Contact support."
THROTTLED = "451 4.7.1 Rate limit exceeded, try again in 3600 seconds"
NAMES = ("first", "second", "third")
# Seconds: until the third is back, in which a send has to be finished, between two looks.
BACK, END, LOOK = 10.0, 900.0, 0.05


@dataclass(frozen=True, slots=True)
class Sent:
    """What one send came to. cpu, database: microseconds a message. moving: seconds in which something was taken."""

    seconds: float
    moving: float
    cpu: float
    database: float
    taken: tuple[int, ...]
    reached: int
    twice: int
    status: dict[str, Any]


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench failover", description=__doc__.partition("\n\n")[0])
    parser.add_argument("--people", type=int, default=PEOPLE)
    parser.add_argument("--rounds", type=int, default=common.ROUNDS)
    parser.add_argument("--connections", type=int, default=10)
    parser.add_argument("--only", choices=common.VENDORS)
    options = parser.parse_args()
    return common.on_each_database(options, "bench.failover", lambda data: measure(data, options))


def measure(data: Path, options: argparse.Namespace) -> int:
    common.open_data(data)
    from django.db import connection

    bench = Bench(options.people)
    whole, dropping = [], []
    for _ in range(options.rounds):
        whole.append(send(data, bench, options, 1))
        dropping.append(send(data, bench, options, 3))
    common.say(
        f"{options.people:,} letters, {connection.vendor}, one sender, {options.connections} connections a route"
    )
    show("by one route that stays", options.people, whole)
    show("by three that drop out", options.people, dropping)
    for one in dropping:
        told = [
            f"{name} took {taken:,} ({way['state']} {way['reason']})".replace(" )", ")")
            for name, taken, way in zip(NAMES, one.taken, list(one.status["by_route"].values())[-3:], strict=True)
        ]
        common.say(f"    {', '.join(told)}")
    return common.conclude(
        [
            common.Target("not reached", max(options.people - one.reached for one in dropping), 0, "people"),
            common.Target("reached more than once", max(one.twice for one in dropping), 0, "people"),
            common.Target("bounced", max(one.status["refused"] for one in dropping), 0, "people"),
            common.Target("unsure at the end", max(one.status["unsure"] for one in dropping), 0, "people"),
        ]
    )


def show(name: str, people: int, sent: list[Sent]) -> None:
    rate = common.spread([people / one.moving for one in sent])
    common.say(
        f"  {name + ':':<26}{rate} messages/s while something moved, "
        f"CPU us/message {common.spread([one.cpu for one in sent], 1)}, "
        f"database {common.median([one.database for one in sent]):.1f}; "
        f"{common.spread([one.seconds for one in sent], 1)} s in all"
    )


def send(data: Path, bench: Bench, options: argparse.Namespace, routes: int) -> Sent:
    from django.db import connection

    from samizdat.delivery import queries
    from samizdat.delivery.models import Route

    campaign = bench.campaign()
    server = common.postmaster()
    with ExitStack() as stack:
        sinks = [stack.enter_context(Fast(names=True)) for _ in range(routes)]
        Route.objects.all().update(state="paused")
        for turn, sink in enumerate(sinks, start=1):
            bench.route(sink.port, options.connections, priority=turn)
        connection.close()
        sender = Sender(data)
        before, begun = common.database_cpu(server), time.monotonic()
        sender.go()
        moving = watch(campaign, sinks, options.people)
        seconds, used = time.monotonic() - begun, common.database_cpu(server) - before
        cost = sender.end()
        reached = Counter(name for sink in sinks for name in sink.names(data / "names"))
        taken = tuple(sink.tell()["taken"] for sink in sinks)
    return Sent(
        seconds,
        moving,
        cost["cpu"] / options.people * 1e6,
        used / options.people * 1e6,
        taken,
        len(reached),
        sum(count > 1 for count in reached.values()),
        queries.status(campaign),
    )


def watch(campaign: Any, sinks: list[Fast], people: int) -> float:
    """Until the campaign has come to its end, with what has to happen on the way. Seconds in which something moved."""
    script = drop_out(sinks, people)
    begun = time.monotonic()
    moving, before, looked = 0.0, 0, begun
    while True:
        time.sleep(LOOK)
        now = time.monotonic()
        taken = sum(sink.tell()["taken"] for sink in sinks)
        if taken > before:
            moving += now - looked
        before, looked = taken, now
        while script and script[0][0](taken, now):
            script.pop(0)[1]()
        campaign.refresh_from_db(fields=["state"])
        if campaign.state == "finished":
            if script:
                raise SystemExit("The letter was out before everything had happened. Take more --people.")
            return moving
        if campaign.state not in ("sending", "waiting") or now - begun > END:
            raise SystemExit(f"The campaign is {campaign.state}, {taken:,} of {people:,} messages were taken.")


def drop_out(sinks: list[Fast], people: int) -> list[Any]:
    """(is it time for it, by messages taken and moment; what happens), in this order. Nothing for a route alone."""
    if len(sinks) < 3:
        return []
    first, second, third = sinks
    died: list[float] = []

    def die() -> None:
        third.say(dead=True)
        died.append(time.monotonic())

    return [
        (lambda taken, _: taken >= 0.3 * people, lambda: first.say(answer={"mail": SUSPENDED, "final": SUSPENDED})),
        (lambda taken, _: taken >= 0.6 * people, lambda: second.say(answer={"mail": THROTTLED, "final": THROTTLED})),
        (lambda taken, _: taken >= 0.8 * people, die),
        (lambda _, now: now - died[0] >= BACK, lambda: third.say(dead=False)),
    ]


if __name__ == "__main__":
    sys.exit(main())
