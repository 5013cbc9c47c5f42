"""What `serve` costs while nobody asks for anything: memory, CPU, time to the first page and to start a child anew.

python -m bench idle [--seconds 60] [--rounds 3] [--only sqlite|postgresql]

Memory is the PSS of the whole tree: a page that several processes share counts once. CPU is that of all its processes
together, in percent of one core; PostgreSQL's own is not in it. A desk and public pages are there again once they
answer, worker and sender once they have as many threads as before.
"""

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path

from bench import common

# Seconds until everything that is done at the start is done.
SETTLE = 20.0
# A page that is not there by then never comes.
PATIENCE = 60.0
# The supervisor's LIVED, and a moment.
FORGIVEN = 62.0
ROLES = ("desk", "public", "worker", "sender")


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench idle", description=__doc__.partition("\n\n")[0])
    parser.add_argument("--seconds", type=float, default=60.0, help="of quiet")
    parser.add_argument("--rounds", type=int, default=common.ROUNDS, help="starts, and restarts of each child")
    parser.add_argument("--only", choices=common.VENDORS)
    options = parser.parse_args()
    return common.on_each_database(options, "bench.idle", lambda data: measure(data, options))


def measure(data: Path, options: argparse.Namespace) -> int:
    os.environ["DJANGO_SETTINGS_MODULE"] = "samizdat.settings"
    environment = {**os.environ, "SAMIZDAT_DATA": str(data)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [sys.executable, "-P", "-m", "samizdat.cli"]
    password = data.with_name("password")
    password.write_text("a long password that nobody uses")
    password.chmod(0o600)
    words = ["--organization", "Northern Lantern", "--admin", "ada@lantern.example", "--password-file", str(password)]
    subprocess.run([*command, "init", *words], env=environment, check=True, stdout=subprocess.DEVNULL)
    starts = []
    for _round in range(options.rounds):
        with contextlib.ExitStack() as stack:
            house = House([*command, "serve"], environment)
            stack.callback(house.stop)
            starts.append(house.first_page())
            if len(starts) == options.rounds:
                time.sleep(SETTLE)
                cpu = house.cpu(options.seconds)
                memory = house.memory()
                again = house.each_again(options.rounds)
    vendor = "PostgreSQL" if environment.get("DATABASE_URL") else "SQLite"
    common.say(f"{vendor}: from command to first page {common.spread(starts, 2)} s")
    for role, times in again.items():
        common.say(f"  {role} there again after {common.spread(times, 2)} s")
    return common.conclude(
        [
            common.Target("memory of the tree (PSS)", memory, 160, "MB"),
            common.Target("CPU of the tree, nobody asking", cpu, 0.5, "%"),
            common.Target("from command to first page", common.median(starts), 2.5, "s"),
            common.Target("a child started again", max(map(common.median, again.values())), 0.5, "s"),
        ]
    )


class House:
    """One `serve`."""

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        self.desk_port, self._public = common.free_port(), common.free_port()
        ports = ["--port", str(self.desk_port), "--public-port", str(self._public)]
        self._began = time.monotonic()
        self._process = subprocess.Popen([*command, *ports], env=environment, stdout=subprocess.DEVNULL)

    def stop(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(20)

    def first_page(self) -> float:
        """Seconds until desk and public pages have answered."""
        _until(lambda: self._answers(self.desk_port) and self._answers(self._public))
        return time.monotonic() - self._began

    def _answers(self, port: int) -> bool:
        connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        with contextlib.suppress(OSError), contextlib.closing(connection):
            connection.request("GET", "/robots.txt")
            return connection.getresponse().status < 500
        return False

    def cpu(self, seconds: float) -> float:
        """Percent of a core."""
        before, began = self._cpu_by_process(), time.monotonic()
        time.sleep(seconds)
        after, took = self._cpu_by_process(), time.monotonic() - began
        for number in after:
            used = (after[number] - before.get(number, 0.0)) / took * 100
            common.say(f"  {_name(number):<12} {used:6.2f} %  {common.memory_of_tree(number):6.1f} MB with those below")
        return (sum(after.values()) - sum(before.values())) / took * 100

    def _cpu_by_process(self) -> dict[int, float]:
        return {number: common.cpu_of(number) for number in common.tree(self._process.pid)}

    def memory(self) -> float:
        return common.memory_of_tree(self._process.pid)

    def each_again(self, rounds: int) -> dict[str, list[float]]:
        """Of a child that ran: whoever ends again within FORGIVEN is started later each time."""
        again: dict[str, list[float]] = {role: [] for role in ROLES}
        for _round in range(rounds):
            time.sleep(FORGIVEN)
            for role in ROLES:
                again[role].append(self.again(role))
        return again

    def again(self, role: str) -> float:
        """Seconds from the end of a child until the next one does its work."""
        before = self._children(role)
        threads = _threads(before[0])
        os.kill(before[0], signal.SIGKILL)
        began = time.monotonic()
        _until(lambda: self._new(role, before) is not None)
        if role in ("desk", "public"):
            _until(lambda: self._answers(self.desk_port if role == "desk" else self._public))
        else:
            _until(lambda: _threads(self._new(role, before) or 0) >= threads)
        took = time.monotonic() - began
        time.sleep(2.0)
        return took

    def _new(self, role: str, before: list[int]) -> int | None:
        return next((number for number in self._children(role) if number not in before), None)

    def _children(self, role: str) -> list[int]:
        return [number for number in common.tree(self._process.pid) if _name(number) == role]


def _name(number: int) -> str:
    with contextlib.suppress(OSError):
        name = Path(f"/proc/{number}/comm").read_text().strip()
        return name.removeprefix("samizdat-") if name.startswith("samizdat-") else "supervisor"
    return "gone"


def _threads(number: int) -> int:
    with contextlib.suppress(OSError):
        return len(os.listdir(f"/proc/{number}/task"))
    return 0


def _until(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not what():
        if time.monotonic() > deadline:
            raise SystemExit("It did not come up in time.")
        time.sleep(0.01)


if __name__ == "__main__":
    sys.exit(main())
