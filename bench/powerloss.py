"""The power goes in the middle of a campaign, and what was not synced is gone: what was promised has to be there.

python -m bench powerloss [--losses 10] [--people 300] [--only sqlite|postgresql] [--seed 1]

The data folder, and PostgreSQL's cluster, lie on a file system that forgets what was not synced (tests/power_loss; as
root). `serve` sends a campaign to everybody while visitors sign up and unsubscribe. At a random moment the disk stops,
every process is killed, the machine gets another boot id, and of what was not synced nothing is left, or pieces by
chance. Then all begins anew, until the campaign has ended but for those whose outcome a person has to settle.

Whoever was told that they are signed up gets the email that asks for confirmation. Whoever was told that they are
unsubscribed is, and gets no later campaign. Nobody gets a campaign twice. Who did not get it stands in the ledger as
unsure, waiting or refused, never as accepted, and nobody is missing there.
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
import tempfile
import threading
from collections import Counter
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from bench import common
from bench.drill import Server, wait_for
from bench.pages import cluster
from tests.power_loss.kernel import why_not
from tests.power_loss.machine import Machine, enter_namespace
from tests.smtp_server import Caught, ScriptedServer

# Seconds before each answer of the relay, by so many connections.
LATENCY, CONNECTIONS = 0.06, 4
# Seconds between two visitors of each kind, which is what a form without script lets in.
PACE = 0.4
# Seconds in which killed processes are gone.
GONE = 30.0
# Seconds in which what visitors did is taken up, and a campaign has ended, after a start.
TAKEN_UP, ENDED = 120.0, 600.0
FORM = "application/x-www-form-urlencoded"


@dataclass
class HouseOnDisk(Server):
    """A data folder that the power can be taken from; key and streams lie elsewhere."""

    data: Path = Path()

    @property
    def environment(self) -> dict[str, str]:
        return super().environment | {"SAMIZDAT_DATA": str(self.data)}


@dataclass
class Tally:
    losses: int = 0
    sent: int = 0
    twice: int = 0
    missing: int = 0  # Not in the ledger at all.
    made_up: int = 0  # Accepted by the ledger, and never sent.
    unsure: int = 0
    unsure_sent: int = 0
    unsure_most: int = 0
    signed_up: int = 0
    not_asked: int = 0
    left: int = 0
    not_left: int = 0
    after_leaving: int = 0


@dataclass(eq=False)
class Visitors(threading.Thread):
    """Sign up and unsubscribe until they are stopped; who was told that it is done."""

    house: HouseOnDisk
    slug: str
    campaign: int
    first: int
    signed_up: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    done: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        super().__init__(daemon=True)

    def run(self) -> None:
        number = self.first
        while not self.done.is_set():
            with contextlib.suppress(OSError, HTTPException):  # The power went while they waited.
                self._sign_up(f"visitor{number}@mail.example")
            number += 1
            with contextlib.suppress(OSError, HTTPException):
                self._leave()
            self.done.wait(PACE)

    def _sign_up(self, address: str) -> None:
        words = {"email": address}
        page = self._ask(f"/f/{self.slug}", urlencode(words).encode())[1]
        stamp = re.search(r'id="stamp" value="([a-z2-7]{39})"', page)
        if stamp is None:
            return
        status, page = self._ask(f"/f/{self.slug}", urlencode(words | {"stamp": stamp[1]}).encode())
        if status == 200 and 'name="stamp"' not in page:
            self.signed_up.append(address)

    def _leave(self) -> None:
        got = [caught for caught in of_campaign(self.house, self.campaign) if caught.recipient not in self.left]
        if not got:
            return
        link = re.search(rb"(?im)^list-unsubscribe:.*?<(http[^>]+)>", got[-1].content.replace(b"\r\n ", b" "))
        assert link is not None
        if self._ask(urlsplit(link[1].decode()).path, b"List-Unsubscribe=One-Click")[0] == 200:
            self.left.append(got[-1].recipient)

    def _ask(self, path: str, body: bytes) -> tuple[int, str]:
        connection = HTTPConnection("127.0.0.1", self.house.ports[1], timeout=10)
        try:
            connection.request("POST", path, body, {"Content-Type": FORM})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()


def is_alive(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def of_campaign(house: Server, campaign: int) -> list[Caught]:
    subject = f"Subject: News {campaign}\r\n".encode()
    return [caught for caught in list(house.relay.messages) if subject in caught.content]


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench powerloss", description=__doc__.partition("\n\n")[0])
    parser.add_argument("--losses", type=int, default=10)
    parser.add_argument("--people", type=int, default=300)
    parser.add_argument("--only", choices=common.VENDORS)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    if reason := why_not():
        raise SystemExit(f"{reason[0].upper()}{reason[1:]}.")
    common.keep_bytecode()
    if not options.only:
        commands = [[sys.executable, "-m", "bench.powerloss", *sys.argv[1:], "--only", one] for one in common.VENDORS]
        return max(subprocess.run(command, check=False).returncode for command in commands)
    enter_namespace()
    with tempfile.TemporaryDirectory(prefix="samizdat-power-") as name, contextlib.ExitStack() as stack:
        root = Path(name)
        root.chmod(0o711)  # PostgreSQL runs as another user and has to get through.
        return Losses(root, options, stack.enter_context(ScriptedServer()), stack.enter_context(Machine(root))).run()


class Losses:
    """One installation, and one power loss after the other."""

    def __init__(self, root: Path, options: argparse.Namespace, relay: ScriptedServer, machine: Machine) -> None:
        self.root, self.options, self.machine = root, options, machine
        self.chance = random.Random(options.seed)
        (root / "house").mkdir()
        self.house = HouseOnDisk(root / "house", "", relay, data=machine.path / "data")
        self.tally, self.slug = Tally(), ""
        self.signed_up: list[str] = []
        self.gone: set[str] = set()  # Who was told that they are unsubscribed.
        self.life = contextlib.ExitStack()

    def run(self) -> int:
        machine = self.machine
        machine.path.chmod(0o711)
        (machine.path / "postgresql").mkdir(mode=0o711)
        try:
            self.begin()
            self.set_up()
            machine.sync()
            self.house.serve()
            for number in range(1, self.options.losses + 1):
                self.lose_in_the_middle(number)
        finally:
            self.end()
        return self.judge()

    def begin(self) -> None:
        """The database server, where there is one."""
        self.postmaster = 0
        if self.options.only == "postgresql":
            self.house.database_url, self.postmaster = self.life.enter_context(
                cluster(self.machine.path / "postgresql")
            )

    def everybody(self) -> list[int]:
        serving = self.house.process.pid if self.house.process else 0
        return [pid for first in (serving, self.postmaster) if first for pid in common.tree(first)]

    def kill(self) -> list[int]:
        """Whoever waits for a page of the disk that stands still is gone once that is taken away."""
        pids = self.everybody()
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return pids

    def end(self) -> None:
        self.kill()
        self.close()

    def close(self) -> None:
        """Of a server that was killed.

        By its file pg_ctl would wait for a process that is somebody else's by now. Its socket, which lies in /run
        elsewhere, doesn't outlive a machine: with its lock PostgreSQL would not start.
        """
        cluster = self.machine.path / "postgresql" / "cluster"
        for left in (cluster / "data" / "postmaster.pid", *cluster.glob(".s.PGSQL.*")):
            left.unlink(missing_ok=True)
        self.life.close()

    def set_up(self) -> None:
        say = self.house.say
        password, people, letter = (self.root / name for name in ("password", "people.csv", "letter.md"))
        password.write_text("four unrelated words here")
        password.chmod(0o600)
        words = ("--organization", "Northern Lantern", "--admin", "clara@lantern.example")
        say("init", *words, "--password-file", str(password), "--url", "http://127.0.0.1:1")
        say("organization", "set", "--postal-address", "1 Quay")
        say("list", "new", "Letter")
        self.slug = say("form", "new", "Join", "--list", "Letter", "--words", "I want the letter.")["slug"]
        lines = [f"reader{number}@mail{number % 50}.example,subscribed\n" for number in range(self.options.people)]
        people.write_text("Email,Status\n" + "".join(lines))
        say("import", str(people), "--list", "Letter", "--status", "subscribed")
        say("route", "add", "first", self.house.relay.url, "--connections", str(CONNECTIONS))
        letter.write_text("# Hello\n")

    def lose_in_the_middle(self, number: int) -> None:
        house, relay = self.house, self.house.relay
        relay.latency = LATENCY
        sender = ("--from", "Lantern <letter@lantern.example>", "--subject", f"News {number}")
        campaign = house.say("campaign", "new", "--list", "Letter", *sender, "--body", str(self.root / "letter.md"))[
            "id"
        ]
        gone = set(self.gone)
        visitors = Visitors(house, self.slug, number, first=number * 1000)
        visitors.start()
        house.say("campaign", "send", str(campaign))
        many = self.chance.randint(1, self.options.people * 2 // 3)
        wait_for(lambda: len(of_campaign(house, number)) >= many)
        self.machine.stop()
        killed = self.kill()
        visitors.done.set()
        self.machine.lose(self.options.seed * 1000 + number)
        assert house.process is not None
        house.process.wait()
        wait_for(lambda: not any(map(is_alive, killed)), GONE)
        visitors.join()
        before = len(of_campaign(house, number))
        relay.latency = 0.0
        self.close()
        self.begin()
        house.serve()
        self.signed_up += visitors.signed_up
        self.gone |= {*visitors.left}
        wait_for(lambda: house.say("campaign", "status", str(campaign))["pending"] == 0, ENDED)
        with contextlib.suppress(SystemExit):  # Counted below.
            wait_for(lambda: not self.not_asked() and not self.not_left(), TAKEN_UP)
        self.count(number, campaign, before, visitors, gone)

    def not_asked(self) -> set[str]:
        return {*self.signed_up} - {caught.recipient for caught in list(self.house.relay.messages)}

    def not_left(self) -> set[str]:
        return self.gone - set(json.loads(inside(self.house, LEFT)))

    def count(self, number: int, campaign: int, before: int, visitors: Visitors, gone: set[str]) -> None:
        copies = Counter(caught.recipient for caught in of_campaign(self.house, number))
        states: dict[str, str] = json.loads(inside(self.house, STATES.replace("CAMPAIGN", str(campaign))))
        unsure = [who for who, state in states.items() if state == "unsure"]
        tally, what = self.tally, "nothing" if (self.options.seed * 1000 + number) % 2 == 0 else "pieces"
        tally.losses += 1
        tally.sent += len(copies)
        tally.twice += sum(count > 1 for count in copies.values())
        tally.missing += len(copies.keys() - states.keys())
        tally.made_up += sum(state == "accepted" and not copies[who] for who, state in states.items())
        sent_unsure = sum(copies[who] > 0 for who in unsure)
        tally.unsure += len(unsure)
        tally.unsure_sent += sent_unsure
        tally.unsure_most = max(tally.unsure_most, len(unsure))
        tally.signed_up, tally.left = len(self.signed_up), len(self.gone)
        tally.not_asked, tally.not_left = len(self.not_asked()), len(self.not_left())
        tally.after_leaving += len(gone & copies.keys())
        common.say(
            f"  {number:>3}, {what} left: {before} sent before, then {dict(Counter(states.values()))}; "
            f"{sent_unsure} of the unsure had been sent; "
            f"{len(visitors.signed_up)} signed up, {len(visitors.left)} unsubscribed"
        )

    def judge(self) -> int:
        tally, vendor = self.tally, self.options.only
        common.say(
            f"{vendor}: {tally.losses} losses, {tally.sent:,} emails, {tally.unsure} unsure (at most "
            f"{tally.unsure_most} of one campaign), of which {tally.unsure_sent} had been sent; "
            f"{tally.signed_up} signed up, {tally.left} unsubscribed"
        )
        return common.conclude(
            [
                common.Target(f"{vendor}: emails sent twice", tally.twice, 0, "people"),
                common.Target(f"{vendor}: sent, and not in the ledger", tally.missing, 0, "people"),
                common.Target(f"{vendor}: accepted by the ledger, not sent", tally.made_up, 0, "people"),
                common.Target(f"{vendor}: signed up, and not asked", tally.not_asked, 0, "people"),
                common.Target(f"{vendor}: unsubscribed, and not", tally.not_left, 0, "people"),
                common.Target(f"{vendor}: mailed after unsubscribing", tally.after_leaving, 0, "people"),
            ]
        )


STATES = """
from samizdat.cli.bootstrap import open_house; open_house()
import json
from samizdat.audience.models import Subscriber
from samizdat.audience.queries import address_of
from samizdat.core.mail.ledger import State
from samizdat.delivery.models import Delivery
people = {row.number: address_of(row) for row in Subscriber.objects.select_related("organization")}
rows = Delivery.objects.filter(edition__campaign=CAMPAIGN).values_list("number", "state")
print(json.dumps({people[number]: State(state).name.lower() for number, state in rows}))
"""
LEFT = """
from samizdat.cli.bootstrap import open_house; open_house()
import json
from samizdat.audience.models import Subscription
from samizdat.audience.queries import address_of
from samizdat.core import consent
rows = Subscription.objects.select_related("subscriber__organization")
print(json.dumps([address_of(row.subscriber) for row in rows if consent.STATUSES[row.status] == "unsubscribed"]))
"""


def inside(server: Server, code: str) -> str:
    """Runs code as a command would; what it prints."""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=server.environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return done.stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
