"""Two machines with `samizdat worker` on one PostgreSQL: what happens to one of them is no harm to the readers."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests import warm
from tests.smtp_server import ScriptedServer
from tests.worker.conftest import ROOT, Instance, tree, until

pytestmark = [
    pytest.mark.kill,
    pytest.mark.skipif("postgresql" not in os.environ.get("DATABASE_URL", ""), reason="one machine sends on SQLite"),
]

CONNECTIONS = 5
# Until the others do the work of a machine that died or hangs: a minute, and what tests beside this one take of it.
TAKEN_OVER = 90.0

RELEASE = """
from samizdat.accounts.models import Organization
from samizdat.delivery.actions import add_route
from tests.delivery.conftest import House
from datetime import UTC, datetime
house = House(Organization.objects.get())
house.people({people})
add_route(house.organization, "main", {url!r}, now=datetime.now(UTC), connections={connections})
print(json.dumps(house.released().pk))
"""
RECOUNT = """
from samizdat.campaigns.models import Campaign
from samizdat.delivery import queries
campaign = Campaign.objects.get()
told = queries.status(campaign)
counted = queries.recount(campaign)
assert counted.adds_up and all(getattr(counted, name) == told[name] for name in ("pending", "accepted", "unsure"))
print(json.dumps(told))
"""


class Machine:
    """A data folder of its own, and the process tree of `samizdat worker` on it."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.log = folder.with_name(folder.name + ".txt")
        self._environment = environment | {"SAMIZDAT_DATA": str(folder)}
        self.process: warm.Process | None = None

    def start(self) -> None:
        with self.log.open("a") as out:
            self.process = warm.Process(
                ["-m", "samizdat.cli", "worker", "--senders", "1"],
                cwd=ROOT,
                env=self._environment,
                stdout=out,
                stderr=out,
            )

    def signal(self, number: int) -> None:
        """To the whole tree."""
        assert self.process is not None
        for one in tree(self.process.pid):
            with suppress(ProcessLookupError):
                os.kill(one, number)

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            with suppress(ProcessLookupError):
                self.signal(signal.SIGKILL)
            self.process.wait(10)


class Pair:
    """Two machines, a relay, a campaign, and a look into the database."""

    def __init__(self, instance: Instance, server: ScriptedServer, tmp_path: Path) -> None:
        self.instance, self.server = instance, server
        self.machines: list[Machine] = []
        for name in ("one", "two"):
            folder = tmp_path / name
            folder.mkdir(mode=0o700)
            # The key belongs to the house, the journals to the machine.
            (tmp_path / f"{name}.key").write_bytes(instance.folder.with_name("data.key").read_bytes())
            (tmp_path / f"{name}.key").chmod(0o600)
            self.machines.append(Machine(folder, instance.environment))
        self.database = psycopg.connect(instance.environment["DATABASE_URL"], autocommit=True)

    def ask(self, sql: str) -> list[Any]:
        return self.database.execute(sql).fetchall()  # type: ignore[call-overload, no-any-return]

    def release(self, people: int) -> None:
        self.instance.python(RELEASE.format(people=people, url=self.server.url, connections=CONNECTIONS))

    def sends(self) -> int:
        """Senders that own a chunk now."""
        return int(self.ask("SELECT count(DISTINCT worker_id) FROM delivery_chunk WHERE state = 1")[0][0])

    def left(self) -> int:
        return int(self.ask("SELECT pending + deferred FROM campaigns_campaign")[0][0])

    def finished(self) -> bool:
        return bool(self.ask("SELECT state FROM campaigns_campaign")[0][0] == "finished")

    def owned_by_the_gone(self) -> int:
        """Messages that others could send and do not, since somebody who does nothing owns them."""
        return int(self.ask("SELECT coalesce(sum(unsliced), 0) FROM delivery_chunk WHERE state = 1")[0][0])

    def books(self) -> dict[str, Any]:
        told: dict[str, Any] = self.instance.python(RECOUNT)
        return told

    def extra(self) -> int:
        return len(self.server.messages) - len(self.server.counts())


@pytest.fixture
def pair(instance: Instance, tmp_path: Path) -> Iterator[Pair]:
    with ScriptedServer(latency=0.02) as server:
        made = Pair(instance, server, tmp_path)
        try:
            yield made
        finally:
            for machine in made.machines:
                machine.stop()
            made.database.close()


PEOPLE = 5000


def both_send(pair: Pair) -> tuple[Machine, Machine]:
    pair.release(PEOPLE)
    one, two = pair.machines
    one.start()
    two.start()
    until(lambda: pair.sends() == 2 and len(pair.server.messages) > 300)
    return one, two


def test_a_machine_that_dies_costs_its_window_and_that_only_until_it_is_back(pair: Pair) -> None:
    one, two = both_send(pair)
    two.signal(signal.SIGKILL)
    began = time.monotonic()
    until(lambda: pair.owned_by_the_gone() == 0 or pair.sends() < 2, TAKEN_OVER)
    # What was on its way there waits; everything else goes out by the other one.
    until(lambda: 0 < pair.left() <= 500, 60)
    window = until(
        lambda: pair.sends() == 1 and pair.ask("SELECT count(*) FROM delivery_chunk WHERE state=0") == [(0,)]
    )
    assert window and time.monotonic() - began < TAKEN_OVER
    books = pair.books()
    assert books["state"] == "sending" and books["unsure"] <= CONNECTIONS
    two.start()
    until(pair.finished)
    assert len(pair.server.counts()) == PEOPLE
    assert pair.extra() <= CONNECTIONS
    assert pair.books()["accepted"] == PEOPLE


def test_a_machine_that_hangs_loses_its_work_and_wakes_up_without_harm(pair: Pair) -> None:
    one, two = both_send(pair)
    owners = {row[0] for row in pair.ask("SELECT id FROM delivery_worker WHERE role = 'sender' AND ended IS NULL")}
    two.signal(signal.SIGSTOP)
    began = time.monotonic()
    until(lambda: 0 < pair.left() <= 500 and pair.sends() == 1, TAKEN_OVER)
    # It kept its session to the database, and with it its lock, until the others took it away.
    assert "hung: it has lost its session" in one.log.read_text()
    assert time.monotonic() - began < TAKEN_OVER
    assert pair.books()["unsure"] <= CONNECTIONS
    two.signal(signal.SIGCONT)
    until(pair.finished, 60)
    assert len(pair.server.counts()) == PEOPLE
    assert pair.extra() <= 2 * CONNECTIONS
    assert pair.books()["accepted"] == PEOPLE
    # Its sender and its clock are new ones: the old rows have ended.
    until(lambda: owners & {row[0] for row in pair.ask("SELECT id FROM delivery_worker WHERE ended IS NOT NULL")})


def test_a_sender_that_hangs_alone_is_killed_by_its_supervisor(pair: Pair) -> None:
    pair.release(PEOPLE)
    one = pair.machines[0]
    one.start()
    until(lambda: len(pair.server.messages) > 300)
    (sender,) = [int(folder.name) for folder in Path("/proc").glob("[0-9]*") if _is_sender(folder, one)]
    os.kill(sender, signal.SIGSTOP)
    until(lambda: "The sender process hangs; it is killed." in one.log.read_text(), TAKEN_OVER)
    until(pair.finished, 60)
    assert len(pair.server.counts()) == PEOPLE
    assert pair.extra() <= CONNECTIONS
    assert pair.books()["accepted"] == PEOPLE


def _is_sender(folder: Path, machine: Machine) -> bool:
    assert machine.process is not None
    try:
        parent = int(folder.joinpath("stat").read_text().rpartition(")")[2].split()[1])
        return parent == machine.process.pid and b"sender" in folder.joinpath("cmdline").read_bytes().split(b"\0")
    except OSError:
        return False


def test_machines_that_are_cut_from_the_database_again_and_again_lose_nothing(pair: Pair) -> None:
    both_send(pair)
    for _ in range(3):
        sent = len(pair.server.messages)
        pair.ask(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        until(lambda sent=sent: len(pair.server.messages) > sent + 400 or pair.finished())
    until(pair.finished, 60)
    assert len(pair.server.counts()) == PEOPLE
    # What was in flight was finished and written down: nothing was in doubt, and nobody got it twice.
    assert pair.extra() == 0
    assert pair.books()["accepted"] == PEOPLE


def test_senders_are_placed_by_the_task_engine(pair: Pair) -> None:
    both_send(pair)
    rows = pair.ask("SELECT args, status FROM procrastinate_jobs WHERE queue_name = 'senders'")
    slots = {tuple(args["args"][1:]) for args, status in rows if status == "doing"}
    assert slots == {(0,), (1,)}
    assert all(set(args) == {"path", "args", "kwargs"} and not args["kwargs"] for args, _status in rows)
    until(pair.finished, 60)
    until(lambda: not pair.ask("SELECT 1 FROM procrastinate_jobs WHERE queue_name = 'senders'"))
    assert pair.extra() == 0


def test_each_round_of_the_clock_runs_on_one_machine_at_a_time(pair: Pair) -> None:
    for machine in pair.machines:
        machine.start()
    until(lambda: pair.ask("SELECT 1 FROM delivery_schedulerstep WHERE name = 'the hash chain' AND done IS NOT NULL"))
    until(
        lambda: pair.ask("SELECT 1 FROM delivery_schedulerstep WHERE name = 'mail to new readers' AND done IS NOT NULL")
    )
    assert pair.ask("SELECT name FROM delivery_schedulerstep WHERE why <> ''") == []
    here = "database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    clocks = f"SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1 AND {here}"
    # The quick and the slow round, the mail to new readers, what readers sent, and the backup tails: each on one of the
    # two.
    until(lambda: pair.ask(clocks) == [(5,)])
