"""Runs all tests: everything on SQLite, then all that has a database on PostgreSQL, in a real browser too.

    ./run test                 everything; installs PostgreSQL, Chromium and Postfix's tools with apt when missing
    ./run test --checks        the same, with format, lint, types and arrows first (CI)
    ./run test --only sqlite   for contributors without apt: partial, and says so
    ./run test … -- ARGS       ARGS go to pytest (a file, -k, -x)

A part that cannot run fails loudly; nothing is skipped in silence.
"""

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
BIN = HERE / ".venv" / "bin"

# What tests call, and the Debian package that has it.
TOOLS = {"postgres": "postgresql", "chromium": "chromium", "msgfmt": "gettext"}


class CannotRun(Exception):
    """A sentence that says what to install."""


def find_tool(name: str) -> str | None:
    places = [*sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True), Path("/usr/sbin"), Path("/usr/bin")]
    for folder in places:
        if (folder / name).exists():
            return str(folder / name)
    return shutil.which(name)


def install_missing() -> None:
    missing = sorted({package for tool, package in TOOLS.items() if find_tool(tool) is None})
    if not missing:
        return
    command = f"apt-get install -y --no-install-recommends {' '.join(missing)}"
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise CannotRun(f"The tests need {', '.join(missing)}. Run as root: {command}   (or: ./run test --only sqlite)")
    print(f"Installing {', '.join(missing)} with apt …", file=sys.stderr)
    # A package that starts a service of its own is told not to: policy-rc.d is Debian's way to say so.
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    for step in ("apt-get update -qq", command):
        subprocess.run(step.split(), check=True, env=quiet, stdout=subprocess.DEVNULL)


# Bytes that a whole run writes at most; in memory there is no disk to wait for, and nobody pulls the plug.
ROOM = 3 << 30


@contextmanager
def quick_folder() -> Iterator[Path]:
    """For databases and data folders: in memory where there is room enough, on the disk otherwise."""
    memory = Path("/dev/shm")  # noqa: S108
    fits = memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > ROOM
    where = memory if fits else None
    with tempfile.TemporaryDirectory(prefix="samizdat-", dir=where, ignore_cleanup_errors=True) as folder:
        # The server and the public process run as others and have to get through.
        Path(folder).chmod(0o711)
        yield Path(folder)


# What keeps a cluster whole over a power cut, and what tidies up after months: of no use to one that lives minutes.
CLUSTER = {
    "listen_addresses": "",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "2GB",
    "autovacuum": "off",
    "jit": "off",
}


@contextmanager
def postgresql(place: Path) -> Iterator[str]:
    """A cluster of our own below `place`, reached over a socket there; stopped at the end."""
    server = find_tool("postgres")
    assert server is not None
    tools = Path(server).parent
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir=place))
    # PostgreSQL refuses to run as root.
    prefix: list[str] = []
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres")
        prefix = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
    folder.chmod(0o711)
    run = [*prefix, "env", "-C", str(folder)]
    options = " ".join([f"-k {folder}", *(f"-c {name}={value}" for name, value in CLUSTER.items())])
    words = "--username=postgres --auth=trust --encoding=UTF8 --locale=C.UTF-8 --no-sync"
    make = [*run, tools / "initdb", "-D", folder / "data", *words.split()]
    subprocess.run(make, check=True, stdout=subprocess.DEVNULL)
    control = [*run, tools / "pg_ctl", "-D", folder / "data", "-w"]
    subprocess.run([*control, "-o", options, "-l", folder / "log", "start"], check=True, stdout=subprocess.DEVNULL)
    try:
        yield f"postgresql://postgres@/samizdat?host={folder}"
    finally:
        # Not "immediate": that leaves shared memory behind, a megabyte a run.
        subprocess.run([*control, "-m", "fast", "stop"], check=False, stdout=subprocess.DEVNULL)


# What a run said about itself, so that one line at the end can add them up.
_SUMMARY = re.compile(r"(\d+) (passed|failed|error|errors|skipped)\b")


def pytest(name: str, arguments: list[str], environment: dict[str, str], counts: dict[str, int]) -> bool:
    started = time.monotonic()
    print(f"\n== {name}", flush=True)
    process = subprocess.Popen(
        [BIN / "python", "-m", "pytest", "-q", "-ra", *arguments],
        cwd=HERE,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    last = ""
    for line in process.stdout:
        print(line, end="", flush=True)
        last = line if _SUMMARY.search(line) else last
    for number, word in _SUMMARY.findall(last):
        counts[word.rstrip("s") if word.startswith("error") else word] += int(number)
    print(f"== {name}: {time.monotonic() - started:.0f} s", flush=True)
    # 5: nothing to run, for a file that has no database.
    return process.wait() in ((0, 5) if "--again" in arguments else (0,))


def checks() -> bool:
    """Format, lint, types, arrows, templates."""
    steps = (
        ("format", ["ruff", "format", "--check", "-q", "."]),
        ("lint", ["ruff", "check", "-q", "."]),
        ("arrows", ["lint-imports", "--no-cache"]),
        ("templates", ["djlint", "--lint", "--quiet", "samizdat"]),
        ("types", ["mypy"]),
    )
    well = True
    with tempfile.TemporaryDirectory() as folder:
        for name, command in steps:
            result = subprocess.run(
                [BIN / command[0], *command[1:]],
                cwd=HERE,
                env={**os.environ, "SAMIZDAT_DATA": folder, "PYTHONPATH": str(HERE)},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            print(f"{name}: {'well' if result.returncode == 0 else 'FAILED'}", flush=True)
            if result.returncode:
                print(result.stdout[-6000:], flush=True)
                well = False
    return well


def run(options: argparse.Namespace) -> bool:
    counts = dict.fromkeys(("passed", "failed", "error", "skipped"), 0)
    # More than there are cores: tests of kills, servers and browsers wait for a good part of their time, and on
    # PostgreSQL three at a time wait half a minute until a machine has taken over.
    cores = os.cpu_count() or 1
    workers, more = (["-n", str(options.workers or cores + others)] for others in (2, 4))
    well = checks() if options.checks else True
    partial = options.only == "sqlite"
    browser = ["-m", "not browser"] if partial else []
    if partial:
        print("PARTIAL: no PostgreSQL, no browser. CI runs everything.", flush=True)
    else:
        install_missing()
    with quick_folder() as place:
        here = {"DATABASE_URL": "", "TMPDIR": str(place)}
        options.rest.insert(0, f"--basetemp={place}/pytest")
        well &= pytest("everything on SQLite", [*workers, *browser, *options.rest], here, counts)
        if not partial:
            with postgresql(place) as url:
                arguments = [*more, "--again", *options.rest]
                well &= pytest("what has a database on PostgreSQL", arguments, here | {"DATABASE_URL": url}, counts)
    failed = counts["failed"] + counts["error"]
    print(f"\n{counts['passed']} passed, {failed} failed, {counts['skipped']} skipped", flush=True)
    if partial:
        print("This was PARTIAL: run ./run test for all of it.", flush=True)
    return well


def main() -> int:
    parser = argparse.ArgumentParser(prog="./run test")
    parser.add_argument("--only", choices=["sqlite"])
    parser.add_argument("--checks", action="store_true")
    parser.add_argument("--workers", type=int)
    parser.add_argument("rest", nargs="*", help="for pytest, after --")
    # Stopped from outside, the cluster is stopped as well.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        return 0 if run(parser.parse_args()) else 1
    except CannotRun as sentence:
        print(sentence, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
