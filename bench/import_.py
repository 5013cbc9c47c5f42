"""A generated Mailchimp export of a million rows and thirty columns, brought in by `samizdat import`.

python -m bench import [--sizes 10000,100000,1000000] [--rounds 3] [--only sqlite|postgresql] [--again]

Measured is the whole command, from its start to its last word: time, CPU of its process tree (and of PostgreSQL's
beside it), and the most memory that the tree held at once, shared pages counted by their share. --again brings the
same file in a second time, when every row is compared and found unchanged.
"""

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench import common

SECONDS = {"sqlite": 20.0, "postgresql": 30.0}
MEMORY_MB = 300.0
RATIO = 1.3
MILLION = 1_000_000
# Looking at the memory of a process keeps it from working meanwhile: 3 ms of 250 MB.
SAMPLES_A_SECOND = 5
LIST = "Everybody"


@dataclass(frozen=True, slots=True)
class Run:
    """One import: seconds, and microseconds of CPU a row."""

    seconds: float
    cpu: float
    database: float
    memory: float
    counts: dict[str, int]


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench import", description=__doc__)
    parser.add_argument("--sizes", default="10000,100000,1000000")
    parser.add_argument("--rounds", type=int, default=common.ROUNDS)
    parser.add_argument("--only", choices=list(SECONDS))
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--prepare", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.prepare:
        return prepare()
    common.keep_bytecode()
    sizes = [int(size) for size in options.sizes.split(",")]
    with common.folder() as folder:
        files = {size: export(folder, size) for size in sizes}
        targets = []
        for vendor in [options.only] if options.only else SECONDS:
            targets += measure(folder, vendor, files, options)
        return common.conclude(targets)


def export(folder: Path, size: int) -> Path:
    from samizdat.cli.demo.export import make_mailchimp_export

    path = folder / f"export-{size}.zip"
    make_mailchimp_export(path, size)
    return path


def measure(folder: Path, vendor: str, files: dict[int, Path], options: argparse.Namespace) -> list[common.Target]:
    """All sizes on one database, in turns, so that a busy minute meets all of them."""
    runs: dict[int, list[Run]] = {size: [] for size in files}
    with database(folder, vendor) as (url, server):
        for _ in range(options.rounds):
            for size, path in files.items():
                runs[size] += one(folder / "house", url, server, path, again=options.again)
    for size, found in runs.items():
        report(vendor, size, found)
    return targets_of(vendor, runs)


def targets_of(vendor: str, runs: dict[int, list[Run]]) -> list[common.Target]:
    """The limits of a million, and what a row costs of it beside what it costs of each smaller size."""
    largest = max(runs)
    best = runs[largest]
    targets = [common.Target(f"{vendor}: import, memory of the tree", max(run.memory for run in best), MEMORY_MB, "MB")]
    if largest == MILLION:
        seconds = common.median([run.seconds for run in best])
        targets.insert(0, common.Target(f"{vendor}: import of a million", seconds, SECONDS[vendor], "s"))
    for size in sorted(set(runs) - {largest}):
        ratio = a_row(best, largest) / a_row(runs[size], size)
        targets.append(common.Target(f"{vendor}: import, a row, {size:,} to {largest:,}", ratio, RATIO, "times"))
    return targets


def a_row(runs: list[Run], size: int) -> float:
    return common.median([run.seconds for run in runs]) / size


def report(vendor: str, size: int, runs: list[Run]) -> None:
    seconds = common.spread([run.seconds for run in runs], 1)
    cpu = common.spread([run.cpu for run in runs], 1)
    beside = f", PostgreSQL's {common.spread([run.database for run in runs], 1)}" if vendor == "postgresql" else ""
    rate = size / common.median([run.seconds for run in runs])
    memory = max(run.memory for run in runs)
    common.say(
        f"{vendor}, {size:,} rows: {seconds} s, {rate:,.0f} rows/s, CPU us a row {cpu}{beside}, at most {memory:.0f} MB"
    )


@contextlib.contextmanager
def database(folder: Path, vendor: str) -> Iterator[tuple[str, int | None]]:
    """URL and server process of a database of its own; nothing for SQLite."""
    if vendor == "sqlite":
        yield "", None
        return
    from bench.pages import cluster

    where = folder / "postgresql"
    where.mkdir(mode=0o711)
    folder.chmod(0o711)  # The server runs as another user and has to get through.
    with cluster(where) as (url, server):
        yield url, server


def one(house: Path, url: str, server: int | None, path: Path, *, again: bool) -> list[Run]:
    """Into a fresh house; with `again` the second time into the same one."""
    shutil.rmtree(house, ignore_errors=True)
    house.with_name(house.name + ".key").unlink(missing_ok=True)
    house.mkdir()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SAMIZDAT")}
    environment |= {"SAMIZDAT_DATA": str(house), "DATABASE_URL": emptied(url) if url else ""}
    subprocess.run([sys.executable, "-m", "bench.import_", "--prepare"], env=environment, check=True)
    run = command(environment, server, path)
    return [command(environment, server, path)] if again else [run]


def emptied(url: str, name: str = "house") -> str:
    """A fresh database on the server of `url`; the one of the run before goes."""
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        connection.execute(f"CREATE DATABASE {name}")
    return named(url, name)


def named(url: str, name: str) -> str:
    return url.replace("/postgres?", f"/{name}?")


def command(environment: dict[str, str], server: int | None, path: Path) -> Run:
    words = [sys.executable, "-m", "samizdat.cli", "import", str(path), "--list", LIST, "--json"]
    beside = common.cpu_of_tree(server) if server else 0.0
    watched = watch(words, environment)
    counts = json.loads(watched.said)
    beside = (common.cpu_of_tree(server) - beside) if server else 0.0
    rows = counts["rows"]
    return Run(watched.seconds, watched.cpu / rows * 1e6, beside / rows * 1e6, watched.memory, counts)


@dataclass(frozen=True, slots=True)
class Watched:
    """A command that has ended: seconds, CPU seconds and the most MB of memory of its process tree, what it said."""

    seconds: float
    cpu: float
    memory: float
    said: str


def watch(words: list[str], environment: dict[str, str]) -> Watched:
    """Runs a command of samizdat to its end."""
    begun = time.perf_counter()
    with subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, text=True) as running:
        memory = cpu = 0.0
        while True:
            memory = max(memory, common.memory_of_tree(running.pid))
            cpu = max(cpu, common.cpu_of_tree(running.pid))
            try:
                running.wait(1 / SAMPLES_A_SECOND)
            except subprocess.TimeoutExpired:
                continue
            break
        seconds = time.perf_counter() - begun
        assert running.stdout is not None
        said = running.stdout.read()
    if running.returncode:
        raise SystemExit(f"samizdat {words[3]} failed: {said}")
    return Watched(seconds, cpu, memory, said)


def prepare() -> int:
    """An empty house with one list, in a process of its own."""
    from samizdat.cli.instance import make_house

    organization = make_house(
        "Northern Lantern",
        "clara@lantern.example",
        "a lamp in the north",
        language="en",
        public_url="https://lantern.example",
    )
    from datetime import UTC, datetime

    from samizdat.audience.actions import new_list

    new_list(organization, LIST, now=datetime.now(UTC))
    return 0


if __name__ == "__main__":
    sys.exit(main())
