"""What every benchmark needs: medians of three, ratios, and what processes cost.

CPU is user and system time together, in seconds, of a process and of all children it has waited for or still has.
Other work on the machine makes rates swing by a factor of two and CPU by a third: compare CPU and ratios first.
"""

import argparse
import compileall
import contextlib
import os
import re
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROUNDS = 3
VENDORS = ("sqlite", "postgresql")
TICKS = os.sysconf("SC_CLK_TCK")


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def spread(values: Sequence[float], digits: int = 0) -> str:
    """`median (least to most)`: a wide one says that the machine was busy."""
    return f"{median(values):,.{digits}f} ({min(values):,.{digits}f} to {max(values):,.{digits}f})"


def say(text: str) -> None:
    print(text, flush=True)


def seconds(text: str) -> float:
    """'20ms', '0.02s' or '0.02'."""
    found = re.fullmatch(r"([0-9.]+)(ms|s)?", text)
    if not found:
        raise argparse.ArgumentTypeError(f"{text} is no time. Write 20ms or 0.02s.")
    return float(found[1]) / (1000 if found[2] == "ms" else 1)


@dataclass(frozen=True, slots=True)
class Target:
    """What a figure must be. `most`: it must not be above; else not below."""

    name: str
    value: float
    limit: float
    unit: str
    most: bool = True

    @property
    def met(self) -> bool:
        return self.value <= self.limit if self.most else self.value >= self.limit

    def __str__(self) -> str:
        sign = "<=" if self.most else ">="
        word = "met" if self.met else "MISSED"
        digits = 2 if self.unit == "times" else 1
        limit = f"{self.limit:,.2f}" if self.limit % 1 else f"{self.limit:,.0f}"
        return f"{self.name:<44} {self.value:>10,.{digits}f} {self.unit:<8} wanted {sign} {limit}: {word}"


def conclude(targets: Sequence[Target]) -> int:
    """Prints each target; the exit code is 1 when one is missed."""
    for target in targets:
        say(str(target))
    return 0 if all(target.met for target in targets) else 1


# --- processes ---


def cpu_of(pid: int) -> float:
    """CPU seconds of a living process and of its children that have ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(int(fields[place]) for place in (11, 12, 13, 14)) / TICKS


def tree(pid: int) -> list[int]:
    """A process and everything below it that lives.

    By the kernel's own lists of children where it has them: reading about everybody on the machine ten times a second
    takes a tenth of a core, which is then missing from what is measured.
    """
    found, ahead = [], [pid]
    while ahead:
        one = ahead.pop()
        found.append(one)
        ahead += _children(one)
    return found


def _children(pid: int) -> list[int]:
    children: list[int] = []
    with contextlib.suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            children += map(int, Path(f"/proc/{pid}/task/{thread}/children").read_text().split())
        return children
    return [one for one in map(int, filter(str.isdigit, os.listdir("/proc"))) if _parent(one) == pid]


def _parent(pid: int) -> int:
    with contextlib.suppress(OSError):
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return 0


def cpu_of_tree(pid: int) -> float:
    return sum(cpu_of(one) for one in tree(pid))


def cpu_of_machine() -> float:
    """CPU seconds that everything on this machine has used so far."""
    user, nice, system, _idle, _wait, *interrupts = (int(field) for field in _first_line("/proc/stat").split()[1:8])
    return (user + nice + system + sum(interrupts)) / TICKS


def _first_line(path: str) -> str:
    with open(path) as file:
        return file.readline()


def memory_of_tree(pid: int) -> float:
    """MB in use, shared pages counted by their share where the kernel tells."""
    return sum(_memory(one) for one in tree(pid))


def _memory(pid: int) -> float:
    with contextlib.suppress(OSError, StopIteration):
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("Pss:")).split()[1]) / 1024
    with contextlib.suppress(OSError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
    return 0.0


def peak_memory() -> float:
    """The most MB that this process has held since it was started. What Python tells (ru_maxrss) begins with what its
    parent held."""
    peak = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())
    return int(peak[1]) / 1024 if peak else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def keep_bytecode() -> None:
    """As in an installation, modules are compiled once and not at every start. Where the environment says that Python
    keeps nothing, `samizdat import` compiled 400 modules in each of its three processes: 10 us of each of 100,000 rows.
    """
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    compileall.compile_dir(Path(__file__).parent.parent / "samizdat", quiet=1)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for_port(port: int, seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        if time.monotonic() > end:
            raise SystemExit(f"Nothing listens on port {port}.")
        time.sleep(0.05)


def tool(name: str) -> str:
    """The path of a program, looked for where administrators' programs are as well."""
    found = _found(name)
    if found is None:
        raise SystemExit(f"{name} is not installed. On Debian: apt-get install --no-install-recommends postfix")
    return found


def has_tool(name: str) -> bool:
    return _found(name) is not None


def _found(name: str) -> str | None:
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """A folder that is gone afterwards."""
    path = Path(tempfile.mkdtemp(prefix="samizdat-bench-"))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def child(module: str, *arguments: str, **options: Any) -> subprocess.Popen[str]:
    """A Python process of ours, with the same environment."""
    return subprocess.Popen([sys.executable, "-m", module, *arguments], text=True, **options)


def on_each_database(options: argparse.Namespace, module: str, work: Callable[[Path], int]) -> int:
    """Calls work(data folder) with DATABASE_URL as it has to be. Django knows one house in a process: for both
    databases the benchmark is begun anew for each.

    PostgreSQL is the one of DATABASE_URL where that is set (it is emptied), else one of our own.
    """
    if not options.only:
        commands = [[sys.executable, "-m", module, *sys.argv[1:], "--only", vendor] for vendor in VENDORS]
        return max(subprocess.run(command, check=False).returncode for command in commands)
    with folder() as place:
        (place / "data").mkdir()
        if options.only == "sqlite" or os.environ.get("DATABASE_URL"):
            if options.only == "sqlite":
                os.environ["DATABASE_URL"] = ""
            return work(place / "data")
        from bench.pages import cluster

        place.chmod(0o711)  # The server runs as another user and has to get through.
        (place / "postgresql").mkdir(mode=0o711)
        with cluster(place / "postgresql") as (url, _):
            os.environ["DATABASE_URL"] = url
            try:
                return work(place / "data")
            finally:
                from django.conf import settings
                from django.db import connections

                if settings.configured:  # Not where all is done by commands.
                    connections.close_all()


def open_data(path: Path) -> None:
    """Django over a fresh data folder: key file, tables. DATABASE_URL is used where it is set, and emptied."""
    import django
    from django.core.management import call_command

    os.environ["SAMIZDAT_DATA"] = str(path)
    os.environ["DJANGO_SETTINGS_MODULE"] = "samizdat.settings"
    django.setup()
    from samizdat.publicdb import sqlite_file
    from samizdat.vault import keyring
    from samizdat.vault.actions import prove
    from samizdat.vault.source import InstanceSource
    from samizdat.vault.sources.key_file import new_instance_key

    key_file = path.with_name(path.name + ".key")
    key = new_instance_key(key_file)
    call_command("migrate", verbosity=0)
    if place := sqlite_file.path():
        sqlite_file.make_empty(place)
    call_command(
        "migrate", "publicdb", database="publicdb", verbosity=0
    )  # A sender asks it whether what readers sent was taken up.
    if os.environ.get("DATABASE_URL"):
        call_command("flush", verbosity=0, interactive=False)
    source = InstanceSource(key)
    keyring.use(source)
    prove(source)


def reopen_data(path: Path) -> None:
    """Django over a data folder that is there, as a second process opens it."""
    import django

    os.environ["SAMIZDAT_DATA"] = str(path)
    os.environ["DJANGO_SETTINGS_MODULE"] = "samizdat.settings"
    django.setup()


def furnish(organization: Any, made: Any, people: int) -> None:
    """So many subscribers of a list, numbered from 1, who may all be mailed. Only inside of an installation that has
    none yet: its own imports would take longer than what is measured."""
    from datetime import UTC, datetime

    from samizdat.accounts.models import Organization
    from samizdat.audience import bulk_insert, headcount, sealed_subscribers
    from samizdat.audience.models import Subscriber, Subscription, row_id
    from samizdat.core.crypto import seal
    from samizdat.vault import keyring

    keys, today = keyring.keys(organization), datetime.now(UTC).date()
    for first in range(1, people + 1, 5000):
        rows = []
        for number in range(first, min(first + 5000, people + 1)):
            address = f"reader{number}@mail{number % 50}.example"
            id, index = row_id(organization.id, number), keys.blind(address)
            blob = sealed_subscribers.sealed(keys, {seal.ADDRESS: address}, number, index)
            rows.append(Subscriber(id=id, organization=organization, sealed=blob, email_index=index, joined=today))
        Subscriber.objects.bulk_create(rows)
        headcount.add(organization.id, len(rows))
        Subscription.objects.bulk_create(
            Subscription(subscriber=row, list=made, status=1, mail_verdict=1, since=today) for row in rows
        )
    Organization.objects.filter(pk=organization.pk).update(next_number=people + 1)
    bulk_insert.learn_sizes()


def bytes_of(prefix: str) -> int:
    """Bytes on the disk of all tables whose names begin so, with their indexes."""
    from django.db import connection

    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            sql = "SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relkind = 'r' AND relname LIKE %s"
        else:
            sql = (
                "SELECT sum(pgsize) FROM dbstat WHERE aggregate = 1 AND name IN "
                "(SELECT name FROM sqlite_schema WHERE tbl_name LIKE %s)"
            )
        cursor.execute(sql, [f"{prefix}%"])
        return int(cursor.fetchone()[0] or 0)


def database_cpu(server: int | None) -> float:
    """CPU seconds that PostgreSQL beside us has used so far; 0 without one."""
    return cpu_of_tree(server) if server else 0.0


def run_to_end(command: Sequence[str]) -> tuple[float, float]:
    """Runs a program: seconds, and CPU seconds."""
    begun = time.monotonic()
    process = subprocess.Popen(command)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command[0]} failed.")
    return time.monotonic() - begun, used.ru_utime + used.ru_stime


def postmaster() -> int | None:
    """Process id of the PostgreSQL server behind DATABASE_URL when it runs on this machine."""
    from django.db import connection

    if connection.vendor != "postgresql":
        return None
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        backend = cursor.fetchone()[0]
    try:
        return int(Path(f"/proc/{backend}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return None
