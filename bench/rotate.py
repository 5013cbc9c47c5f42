"""The data or index key of a large organization replaced while a campaign goes out to everybody, and killed over and
over.

python -m bench rotate [--what data|index] [--subscribers 1000000] [--kills 0] [--only sqlite|postgresql] [--seed 1]

With --kills the command is killed at so many random moments first; then it's run to its end. At the end every value
says what it said before, everybody is found by their address, both under the new key, and everybody got the campaign
once.
"""

import argparse
import hashlib
import json
import random
import signal
import subprocess
import sys
import time
from itertools import batched
from pathlib import Path
from typing import Any

from bench import common
from bench.kill import finished
from bench.letters import Bench
from bench.sender import Sender

PEOPLE = 1_000_000
# Seconds: for PEOPLE and for few; until a kill at most; in which the campaign has to be sent.
ROTATED, FEW, MOMENT, SENT = 180, 20, 4.0, 3_600.0
# Seconds before each answer of the mail server while the key is replaced, so that the campaign lasts.
LATENCY = 0.012


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench rotate", description=__doc__.partition("\n\n")[0])
    parser.add_argument("--what", choices=("data", "index"), default="data")
    parser.add_argument("--subscribers", type=int, default=PEOPLE)
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--only", choices=common.VENDORS)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    return common.on_each_database(options, "bench.rotate", lambda data: measure(data, options))


def measure(data: Path, options: argparse.Namespace) -> int:
    common.open_data(data)
    from django.db import connection

    from samizdat.backup import index_rotation, rotation
    from tests.smtp_server import ScriptedServer

    people, chance = options.subscribers, random.Random(options.seed)
    bench = Bench(people)
    before = said(bench.organization)
    with ScriptedServer(keep_content=False, latency=LATENCY) as server:
        bench.only_route(server.port, 8)
        campaign = bench.campaign(rows=1)
        sender = Sender(data)
        sender.go()
        wait_until(lambda: len(server.messages) > 0)  # It has its keys from before.
        killed = sum(kill_one(options.what, chance) for _ in range(options.kills))
        begun, sent = time.monotonic(), len(server.messages)
        run = rotate(options.what)
        seconds = time.monotonic() - begun
        rate = (len(server.messages) - sent) / seconds
        server.latency = 0.0  # The rest may go out fast.
        wait_until(lambda: finished(campaign))
        sender.end()
        copies = server.counts()
    after = said(bench.organization)  # Reads the keys anew.
    standing = (index_rotation if options.what == "index" else rotation).status(bench.organization)
    changed = run["renewed" if options.what == "index" else "encrypted_again"]
    common.say(
        f"{connection.vendor}, {people:,} subscribers, {options.what} key: {killed} kills, then {changed:,} values in "
        f"{seconds:.1f} s, with {rate:,.0f} emails a second beside it; former keys: {len(standing.former)}"
    )
    return common.conclude(
        [
            common.Target(f"rotation of the {options.what} key", seconds, max(FEW, ROTATED * people / PEOPLE), "s"),
            common.Target("values that say something else, or nothing", differ(before, after), 0, ""),
            common.Target("people who aren't found by the current key", unfound(bench.organization), 0, ""),
            common.Target("values under a former key", standing.left, 0, ""),
            common.Target("people without their email", people - len(copies), 0, ""),
            common.Target("copies too many", sum(copies.values()) - len(copies), 0, ""),
        ]
    )


def said(organization: Any) -> dict[tuple[str, Any], bytes]:
    """(column, row) -> hash of what is sealed there, of all that opens."""
    from samizdat.audience.sealed_subscribers import MARK
    from samizdat.backup.sealed_columns import COLUMNS
    from samizdat.vault import keyring

    keyring.look_again(organization)
    keys, opened = keyring.keys(organization), {}
    for column in COLUMNS:
        rows = column.rows(organization).values_list(column.column, *column.needs)
        for blob, *needs in rows.iterator(chunk_size=1000):
            if blob:
                plain = keys.open(bytes(blob), *column.place(*needs))
                if column.name == "audience.subscriber.sealed":
                    plain = plain[:-MARK]  # Behind it is the beginning of the index.
                opened[column.name, needs[0]] = hashlib.sha256(plain).digest()[:8]
    return opened


def differ(before: dict[tuple[str, Any], bytes], after: dict[tuple[str, Any], bytes]) -> int:
    """Of people; the campaign's own rows change while it's sent."""
    return sum(after.get(place) != mark for place, mark in before.items() if place[0] == "audience.subscriber.sealed")


def unfound(organization: Any) -> int:
    from samizdat.audience.index_renewal import renewable
    from samizdat.audience.models import Subscriber
    from samizdat.vault import keyring

    keys, missing = keyring.keys(organization), 0
    ids = Subscriber.objects.filter(organization=organization).order_by("id").values_list("id", flat=True)
    for page in batched(ids.iterator(chunk_size=1000), 1000):
        here = renewable(organization, keys, page)
        missing += len(page) - sum(index == keys.blind(text) for index, text in here.values())
    return missing


def start(what: str) -> "subprocess.Popen[str]":
    return common.child("samizdat.cli", "keys", "rotate", what, "--json", stdout=subprocess.PIPE)


def kill_one(what: str, chance: random.Random) -> bool:
    """Whether it was killed before it was done."""
    with start(what) as process:
        time.sleep(chance.uniform(0.5, MOMENT))
        process.send_signal(signal.SIGKILL)
        return process.wait() == -signal.SIGKILL


def rotate(what: str) -> dict[str, Any]:
    with start(what) as process:
        text, _ = process.communicate()
    if process.returncode:
        raise SystemExit(f"The rotation failed: {text}")
    document: dict[str, Any] = json.loads(text)
    return document


def wait_until(is_so: Any) -> None:
    until = time.monotonic() + SENT
    while not is_so():
        if time.monotonic() > until:
            raise SystemExit("The campaign was not sent.")
        time.sleep(0.1)


if __name__ == "__main__":
    sys.exit(main())
