"""A copy beside the living installation: both start, and nobody gets anything twice.

python -m bench copies [--rounds 100] [--people 300] [--only sqlite|postgresql] [--ways cp,snapshot] [--seed 1]

So many rounds for each way of copying. In each, a campaign is being sent; at a random moment the installation is
copied, and a sender of the copy starts while that of the original goes on (in every third round, it is restarted at the
same moment). A copy of files that are being written may be torn: then it has to say so. `in place` puts an older copy
back over the original, under the same path and inodes. `restore` is a backup and a tail of that moment, restored while
the original goes on. `snapshot` is a copy of all files while the sender stands still, since a snapshot of btrfs or LVM
needs a disk of its own.
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from bench import common
from bench.kill import finished
from bench.letters import Bench
from bench.pages import cluster
from scripts.test import find_tool

LATENCY, CONNECTIONS, END = 0.02, 4, 120.0
# Seconds between two notes of how far the database has come, and some for the results that are on their way.
NOTED = 0.8
# Seconds that a copy is given after the campaign has ended.
AFTER = 0.3


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench copies", description=__doc__.partition("\n\n")[0])
    parser.add_argument("--rounds", type=int, default=100, help="of each way")
    parser.add_argument("--people", type=int, default=300)
    parser.add_argument("--only", choices=common.VENDORS)
    parser.add_argument("--ways", default="", help="some of them, by name")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    return common.on_each_database(options, "bench.copies", lambda data: measure(data, options))


def measure(data: Path, options: argparse.Namespace) -> int:
    common.open_data(data)
    copying = Copying(data, Bench(options.people), options)
    ways = copying.on_sqlite() if options.only == "sqlite" else copying.on_postgresql()
    wanted = options.ways.split(",") if options.ways else [*ways]
    with copying.server:
        copying.bench.only_route(copying.server.port, CONNECTIONS)
        return max([copying.run(name, ways[name]) for name in wanted if name in ways], default=2)


class Copying:
    """One original, and its copies."""

    def __init__(self, data: Path, bench: Bench, options: argparse.Namespace) -> None:
        from tests.smtp_server import ScriptedServer

        self.data, self.bench, self.options = data, bench, options
        self.server = ScriptedServer()
        self.chance = random.Random(options.seed)
        self.log = data.parent / "senders.log"
        self.copy = data.parent / "copy"
        self.place = data.parent / "place"
        # What a round has started.
        self.ends = ExitStack()

    def on_sqlite(self) -> dict[str, Callable[["Sender"], "Sender"]]:
        return {
            "cp": lambda _original: self.by_files("cp", "-a"),
            "cp without times": lambda _original: self.by_files("cp", "-r"),
            "tar": lambda _original: self.by_tar(),
            "snapshot": self.by_snapshot,
            "in place": self.in_place,
            "restore": lambda _original: self.by_restore(),
        }

    def on_postgresql(self) -> dict[str, Callable[["Sender"], "Sender"]]:
        return {
            "template": lambda _original: self.by_template(),
            "template and folder": lambda _original: self.by_template(with_folder=True),
            "dump": lambda _original: self.by_dump(),
            "base backup": lambda _original: self.by_base_backup(),
            "restore": lambda _original: self.by_restore(),
        }

    def run(self, name: str, way: Callable[["Sender"], "Sender"]) -> int:
        begun, lost, extra, outcomes = time.monotonic(), 0, 0, Counter[str]()
        for place in range(self.options.rounds):
            campaign = self.bench.campaign(rows=1)
            self.server.latency = LATENCY
            original = Sender(self.data, self.log)
            self.until_taken(self.chance.randint(1, self.options.people * 2 // 3))
            rival = way(original)
            if place % 3 == 2 and not original.ended:
                original.end()
            original = self.finish(campaign, original)
            time.sleep(AFTER)
            outcomes[rival.outcome.partition(":")[0]] += 1
            rival.end()
            original.end()
            copies = self.server.counts()
            lost += self.options.people - len(copies)
            extra += sum(copies.values()) - len(copies)
            self.server.messages.clear()
            self.clear()
        said = ", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items()))
        common.say(f"{name}: {self.options.rounds} copies in {time.monotonic() - begun:,.0f} s: {said}")
        unknown = sum(count for outcome, count in outcomes.items() if outcome not in ("fenced", "torn"))
        return common.conclude(
            [
                common.Target("emails that somebody got twice", extra, 0, ""),
                common.Target("subscribers who got none", lost, 0, ""),
                common.Target("copies neither fenced nor said to be torn", unknown, 0, ""),
            ]
        )

    def until_taken(self, count: int) -> None:
        until = time.monotonic() + END
        while len(self.server.messages) < count:
            if time.monotonic() > until:
                raise SystemExit(f"The campaign stands still: {self.log.read_text()[-2000:]}")
            time.sleep(0.005)

    def finish(self, campaign: Any, original: "Sender") -> "Sender":
        until = time.monotonic() + END
        while not finished(campaign):
            if time.monotonic() > until:
                raise SystemExit(f"The campaign did not end: {self.log.read_text()[-2000:]}")
            if original.ended:
                original = Sender(self.data, self.log)
            time.sleep(0.05)
        return original

    def clear(self) -> None:
        self.ends.close()
        shutil.rmtree(self.copy, ignore_errors=True)
        if os.environ.get("DATABASE_URL"):
            with self._as_admin() as run:
                run("DROP DATABASE IF EXISTS copy WITH (FORCE)")

    def by_restore(self) -> "Sender":
        """From a backup of this moment, with its tail, by the command."""
        from django.db import connections

        from samizdat import dbclock, plugins
        from samizdat.backup import writing
        from samizdat.backup.place_tails import PlaceTail
        from tests import warm

        self.place.mkdir(exist_ok=True)
        place, environment = plugins.open_place(self.place.as_uri()), dict[str, str]()
        writing.write_copy(place, databases=["default", "publicdb"], now=dbclock.now())
        for _moment in range(self.chance.randint(0, 2)):
            PlaceTail().write(place, dbclock.now())
        connections.close_all()
        if os.environ.get("DATABASE_URL"):
            with self._as_admin() as run:
                run("CREATE DATABASE copy")
            environment["DATABASE_URL"] = self._url("copy")
        key = os.environ["SAMIZDAT_DATA"] + ".key"
        told = {**os.environ, "SAMIZDAT_DATA": str(self.copy), "SAMIZDAT_KEY_FILE": key, **environment}
        done = warm.run(["-m", "samizdat.cli", "restore", str(self.place)], cwd=self.data.parent, env=told)
        if done.returncode:
            raise SystemExit(done.stderr)
        return Sender(self.copy, self.log, **environment)

    # -- files --------------------------------------------------------------------------------------------------------

    def by_files(self, *command: str) -> "Sender":
        # A file that goes while it's being copied is no reason to stop.
        subprocess.run([*command, str(self.data), str(self.copy)], check=False, stderr=subprocess.DEVNULL)
        return Sender(self.copy, self.log)

    def by_tar(self) -> "Sender":
        self.copy.mkdir(mode=0o700)
        with subprocess.Popen(["tar", "-C", self.data, "-cf", "-", "."], stdout=subprocess.PIPE, stderr=-3) as packing:
            subprocess.run(["tar", "-C", self.copy, "-xpf", "-"], stdin=packing.stdout, check=False, stderr=-3)
        return Sender(self.copy, self.log)

    def by_snapshot(self, original: "Sender") -> "Sender":
        """All files of one instant."""
        with standing_still(original):
            self._copied(self.data, self.copy)
        return Sender(self.copy, self.log)

    def in_place(self, original: "Sender") -> "Sender":
        """An hour's copy is put back over the folder, and starts; then the folder of the end, which a person allows."""
        from django.db import connections

        with standing_still(original):
            self._copied(self.data, self.copy)
        self.until_taken(min(len(self.server.messages) + 30, self.options.people - 5))
        time.sleep(NOTED)  # A copy that is younger than the last note is told by nothing.
        original.end()
        connections.close_all()
        aside = self.copy.with_name("aside")
        self._copied(self.data, aside)
        # Over it, or anew in inodes that were just given back.
        if self.chance.random() < 0.5:
            shutil.rmtree(self.data)
            self._copied(self.copy, self.data)
        else:
            self._copied(f"{self.copy}/.", self.data)
        rival = Sender(self.data, self.log)
        taken = len(self.server.messages)
        time.sleep(AFTER)
        if len(self.server.messages) > taken:
            raise SystemExit("An older copy in the original's place has sent.")
        rival.end()
        shutil.rmtree(self.data)
        aside.rename(self.data)
        self._release()
        return rival

    def _copied(self, source: Path | str, to: Path) -> None:
        subprocess.run(["cp", "-a", "--reflink=auto", str(source), str(to)], check=True)

    def _release(self) -> None:
        from samizdat import dbclock
        from samizdat.delivery.actions import copied_installation

        copied_installation.look(dbclock.now())
        self.bench.organization.refresh_from_db()
        copied_installation.lift([self.bench.organization], now=dbclock.now())

    # -- PostgreSQL ---------------------------------------------------------------------------------------------------

    @contextmanager
    def _as_admin(self) -> Iterator[Callable[[str], object]]:
        import psycopg

        with psycopg.connect(self._url("template1"), autocommit=True) as connection:
            yield connection.execute  # type: ignore[misc]

    def _url(self, database: str) -> str:
        url = os.environ["DATABASE_URL"]
        before, _, after = url.rpartition("/postgres?")
        return f"{before}/{database}?{after}"

    def by_template(self, with_folder: bool = False) -> "Sender":
        from django.db import connections

        connections.close_all()
        with self._as_admin() as run:
            for _try in range(50):
                run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'postgres'")
                with suppress(Exception):  # The original's sender was quicker.
                    run("CREATE DATABASE copy TEMPLATE postgres")
                    break
        return self._beside(with_folder)

    def by_dump(self) -> "Sender":
        with self._as_admin() as run:
            run("CREATE DATABASE copy")
        tools = Path(find_tool("postgres") or "").parent
        command = [tools / "pg_dump", "-Fc", self._url("postgres")]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as dumping:
            load = [tools / "pg_restore", "-d", self._url("copy")]
            subprocess.run(load, stdin=dumping.stdout, check=False, stderr=subprocess.DEVNULL)
        return self._beside(with_folder=True)

    def by_base_backup(self) -> "Sender":
        """All files of the server, which another server goes on with."""
        folder = self.data.parent / "copied-server"
        base = folder / "cluster"
        for made, mode in ((folder, 0o711), (base, 0o700)):
            made.mkdir(mode=mode)
        self.ends.callback(shutil.rmtree, folder)
        as_owner: list[str] = []
        if os.geteuid() == 0:
            shutil.chown(base, "postgres", "postgres")
            as_owner = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        tool = Path(find_tool("postgres") or "").parent / "pg_basebackup"
        command = [*as_owner, tool, "-d", self._url("postgres"), "-D", base / "data", "-c", "fast"]
        subprocess.run(command, check=True, cwd="/")
        url, _process = self.ends.enter_context(cluster(folder))
        return self._beside(with_folder=self.chance.random() < 0.5, url=url)

    def _beside(self, with_folder: bool, url: str = "") -> "Sender":
        if with_folder:
            subprocess.run(["cp", "-a", str(self.data), str(self.copy)], check=False, stderr=subprocess.DEVNULL)
        else:
            self.copy.mkdir(mode=0o700)
        return Sender(self.copy, self.log, DATABASE_URL=url or self._url("copy"))


@contextmanager
def standing_still(sender: "Sender") -> Iterator[None]:
    os.kill(sender.process.pid, signal.SIGSTOP)
    try:
        time.sleep(0.02)
        yield
    finally:
        os.kill(sender.process.pid, signal.SIGCONT)


class Sender:
    """What `serve` does before it sends, and a sender. outcome: free, fenced, torn, or another reason not to start."""

    def __init__(self, data: Path, log: Path, **environment: str) -> None:
        from tests import warm

        key = Path(os.environ["SAMIZDAT_DATA"] + ".key")
        mine = {"SAMIZDAT_KEY_FILE": str(key), "SAMIZDAT_DATA": str(data), **environment}
        with log.open("ab") as said:
            self.process = warm.Process(
                ["-m", "bench.copies", "--send", str(data)],
                stdout=subprocess.PIPE,
                stderr=said,
                text=True,
                cwd=warm.ROOT,
                env=os.environ | mine,
            )
        assert self.process.stdout is not None
        self.outcome = self.process.stdout.readline().strip()

    @property
    def ended(self) -> bool:
        return self.process.poll() is not None

    def end(self) -> None:
        self.process.terminate()
        self.process.wait(30)
        if self.process.stdout is not None:
            self.process.stdout.close()


def keep_noting(stop: threading.Event) -> None:
    """As the worker does, each second."""
    from django.db import DatabaseError, connection

    from samizdat import dbclock
    from samizdat.delivery.actions import copied_installation

    while not stop.is_set():
        with suppress(DatabaseError):
            copied_installation.keep(dbclock.now())
        connection.close()
        stop.wait(0.3)


def send(data: Path) -> int:
    common.reopen_data(data)
    from django.db import DatabaseError

    from samizdat import dbclock
    from samizdat.cli.sentences import sentence_for
    from samizdat.delivery.actions import copied_installation
    from samizdat.delivery.engine.sender import SenderFailed, run_sender
    from samizdat.delivery.errors import DeliveryError

    try:
        parts = copied_installation.look(dbclock.now())
    except (DeliveryError, DatabaseError) as error:
        code, sentence, _document = sentence_for(error)
        is_torn = code in ("torn_copy", "damaged")
        print(f"{'torn' if is_torn else 'fenced' if code == 'copied_folder' else code}: {sentence}", flush=True)
        return 1
    print(f"fenced: {parts}" if parts else "free", flush=True)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    threading.Thread(target=keep_noting, args=(stop,), daemon=True).start()
    while not stop.is_set():
        try:
            run_sender(stop)
        except SenderFailed:
            stop.wait(0.2)  # The supervisor begins it anew.
    return 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["--send"]:
        sys.exit(send(Path(sys.argv[2])))
    sys.exit(main())
