"""Runs all tests: everything on SQLite, and all that has a database on PostgreSQL, in a real browser too.

    ./run test                 everything; installs with apt what is missing (TOOLS)
    ./run test --checks        the same, with format, lint, types and arrows beside it (CI)
    ./run test --only sqlite   for contributors without apt: partial, and says so
    ./run test --clock "2028-02-29 23:50"                as if it were that moment (UTC), or
    ./run test --clock "2027-03-28 02:50 Europe/Riga"    that moment on a machine in that time zone; no browser
    ./run test … -- ARGS       ARGS go to pytest (a file, -k, -x)

A part that cannot run fails loudly; nothing is skipped in silence. A few tests that failed are run once more at the
end, alone: whatever passes then is named, since it hangs on load or chance and wants mending.
"""

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

HERE = Path(__file__).resolve().parent.parent
BIN = HERE / ".venv" / "bin"

# What tests call, and the Debian packages that have it: of several the first is best, and any will do.
TOOLS = {
    "postgres": ("postgresql",),
    "chromium-headless-shell chromium": ("chromium-headless-shell", "chromium"),
    "msgfmt": ("gettext",),
    "dovecot": ("dovecot-submissiond",),
    "dovecot/imap": ("dovecot-imapd",),
    "dovecot/pop3": ("dovecot-pop3d",),
    "pgbouncer": ("pgbouncer",),
    "caddy": ("caddy",),
    "sshd": ("openssh-server",),
    "rclone": ("rclone",),
    # From Debian, not from PyPI: botocore pins older versions of what the product needs.
    "moto_server": ("python3-moto",),
    "python3/dist-packages/flask_cors": ("python3-flask-cors",),
}


class CannotRun(Exception):
    """A sentence that says what to install."""


# The library that moves the clock of a process and of all that it starts, and its Debian package.
FAKETIME, FAKETIME_PACKAGE = "faketime/libfaketimeMT.so.1", "libfaketime"


def find_tool(name: str) -> str | None:
    places = [
        *sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True),
        Path("/usr/sbin"),
        Path("/usr/bin"),
        Path("/usr/lib"),
    ]
    for folder in places:
        if (folder / name).exists():
            return str(folder / name)
    return shutil.which(name)


def find_faketime() -> Path | None:
    return next(iter(sorted(Path("/usr/lib").glob(f"*/{FAKETIME}")) + sorted(Path("/usr/lib").glob(FAKETIME))), None)


def install_missing(tools: bool, clock: bool) -> None:
    wanted = TOOLS if tools else {}
    missing = [packages for names, packages in wanted.items() if not any(map(find_tool, names.split()))]
    if clock and find_faketime() is None:
        missing.append((FAKETIME_PACKAGE,))
    if not missing:
        return
    names = ", ".join(packages[-1] for packages in missing)
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise CannotRun(
            f"The tests need {names}. Install them, or run this again as root (or: ./run test --only sqlite)"
        )
    print(f"Installing {names} with apt …", file=sys.stderr)
    # A package that starts a service of its own is told not to: policy-rc.d is Debian's way to say so.
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    subprocess.run(["apt-get", "update", "-qq"], check=True, env=quiet, stdout=subprocess.DEVNULL)
    wanted = [next(filter(_is_known, packages), packages[-1]) for packages in missing]
    install = ["apt-get", "install", "-y", "--no-install-recommends", *wanted]
    subprocess.run(install, check=True, env=quiet, stdout=subprocess.DEVNULL)


def _is_known(package: str) -> bool:
    return subprocess.run(["apt-cache", "show", package], capture_output=True).returncode == 0


def moved_clock(text: str, now: datetime) -> dict[str, str]:
    """The environment of processes that are to take `text` ("2028-02-29 23:50", with a time zone behind it where the
    machine shall be in one) for now. {} for no text. Errors: CannotRun.

    An offset, since every process that is started would begin anew at a fixed moment. Monotonic clocks are left alone:
    whoever sleeps, waits for a lock or measures would wait for years.
    """
    if not text:
        return {}
    day, _, rest = text.strip().replace("T", " ", 1).partition(" ")
    at, _, name = rest.strip().partition(" ")
    if (name or "UTC") not in available_timezones():
        raise CannotRun(f"There is no time zone called {name}. Write one like Europe/Riga.")
    try:
        moment = datetime.fromisoformat(f"{day} {at or '12:00'}").replace(tzinfo=ZoneInfo(name or "UTC"))
    except ValueError:
        raise CannotRun(f"“{text}” is no moment. Write it as 2028-02-29 23:50, or 2028-02-29.") from None
    offset = round((moment.astimezone(UTC) - now).total_seconds())
    library = find_faketime()
    if library is None:
        raise CannotRun(f"A moved clock needs {FAKETIME_PACKAGE}. Install it, or run this again as root.")
    return {
        "LD_PRELOAD": str(library),
        "FAKETIME": f"{offset:+d}s",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        # Processes that are killed would leave the semaphores of its shared memory behind.
        "FAKETIME_DISABLE_SHM": "1",
        "TZ": name or "UTC",
    }


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
def postgresql(place: Path, clock: dict[str, str]) -> Iterator[str]:
    """A cluster of our own below `place`, reached over a socket there; stopped at the end. clock: of moved_clock()."""
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
    run = [*prefix, "env", "-C", str(folder), *(f"{name}={value}" for name, value in clock.items())]
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
_PROGRESS = re.compile(r"\[ *\d+%\]$")
# So many failures of one run can be chance. More are a change that broke something, and waiting longer is of no use.
CHANCE = 4


class Session:
    """One run of pytest beside another: how far it is shows at once, all else in one piece when it is over."""

    def __init__(self, name: str, place: Path, arguments: list[str], environment: dict[str, str]) -> None:
        """place: where its files are, which nobody else uses."""
        self.name = name
        self.counts: Counter[str] = Counter()
        self._again = "--again" in arguments
        self._said: list[str] = []
        self._started = time.monotonic()
        self._place = place
        self._environment = {**os.environ, **environment}
        words = ["-q", "-ra", f"--basetemp={place}/pytest", "-o", f"cache_dir={place}/cache", *arguments]
        self._process = subprocess.Popen(
            [BIN / "python", "-m", "pytest", *words],
            cwd=HERE,
            env=self._environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if _PROGRESS.search(line.rstrip()):
                print(f"{self.name:10} {line}", end="", flush=True)
            else:
                self._said.append(line)

    def wait(self) -> None:
        """Until it is over, and says what it said."""
        self._reader.join()
        self._process.wait()
        print(f"\n== {self.name}: {time.monotonic() - self._started:.0f} s\n{''.join(self._said)}", flush=True)

    def finish(self) -> bool:
        """Whether all passed, once nothing runs beside it any more."""
        code = self._process.wait()
        summaries = [line for line in self._said if _SUMMARY.search(line)]
        for number, word in _SUMMARY.findall(summaries[-1] if summaries else ""):
            self.counts["error" if word == "errors" else word] += int(number)
        # 5: nothing to run, for a file that has no database. 1: tests failed, and nothing else went wrong.
        return code in ((0, 5) if self._again else (0,)) or (code == 1 and self._passes_alone())

    def _passes_alone(self) -> bool:
        """Whether the few that failed pass when nothing runs beside them; says which they are."""
        found = self._place / "cache" / "v" / "cache" / "lastfailed"
        names = list(json.loads(found.read_text())) if found.exists() else []
        failed = self.counts["failed"] + self.counts["error"]
        if not failed == len(names) <= CHANCE:
            return False
        words = ["-q", "-n", "0", f"--basetemp={self._place}/alone", "-p", "no:cacheprovider"]
        again = ["--again"] if self._again else []
        command = [BIN / "python", "-m", "pytest", *words, *again, *names]
        alone = subprocess.run(command, cwd=HERE, env=self._environment, stdout=subprocess.PIPE, text=True)
        if alone.returncode:
            print(alone.stdout, flush=True)
            return False
        self.counts["passed"] += failed
        self.counts["failed"] = self.counts["error"] = 0
        print(f"== {self.name}: passed alone and not beside others, so mend them:", *names, sep="\n   ", flush=True)
        return True

    def stop(self) -> None:
        if self._process.poll() is None:
            self._process.terminate()
            self._process.wait()


# What scripts/advisories.py ends with where PyPI cannot be asked.
UNREACHED = 3


def checks() -> bool:
    """Format, lint, types, arrows, templates, and advisories about packages where PyPI can be asked."""
    steps = (
        ("format", ["ruff", "format", "--check", "-q", "."]),
        ("lint", ["ruff", "check", "-q", "."]),
        ("arrows", ["lint-imports", "--no-cache"]),
        ("templates", ["djlint", "--lint", "--quiet", "samizdat"]),
        ("types", ["mypy"]),
        ("advisories", ["python", "scripts/advisories.py"]),
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
            not_asked = name == "advisories" and result.returncode == UNREACHED
            print(f"{name}: {'not asked' if not_asked else 'FAILED' if result.returncode else 'well'}", flush=True)
            if result.returncode:
                print(result.stdout[-6000:], flush=True)
                well = well and not_asked
    return well


MANY = 50  # files to compile; fewer are no loss


def compile_once() -> None:
    """What a fresh clone lacks. Six workers that begin at the same time would each compile everything: 36 s of CPU."""
    tests = [path for path in sorted((HERE / "tests").rglob("test_*.py")) if not _is_compiled(path)]
    if sys.dont_write_bytecode or len(tests) < MANY:
        return
    quiet: dict[str, Any] = {"cwd": HERE, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.run([BIN / "python", "-m", "compileall", "-q", "-j2", "samizdat"], check=False, **quiet)
    # pytest compiles its files itself, as they are collected. Whatever is wrong there is for the sessions to say.
    collect = [BIN / "python", "-m", "pytest", "--collect-only", "-q"]
    halves = [subprocess.Popen([*collect, *tests[half::2]], **quiet) for half in (0, 1)]
    for process in halves:
        process.wait()


def _is_compiled(path: Path) -> bool:
    made = path.parent.glob(f"__pycache__/{path.stem}.{sys.implementation.cache_tag}-pytest-*.pyc")
    return any(one.stat().st_mtime >= path.stat().st_mtime for one in made)


# Beside each other, as each waits for a good part of its time: for kills, servers, browsers, and on PostgreSQL for
# half a minute until a machine has taken over. So many workers more than there are cores:
WORKERS = {"SQLite": 1, "PostgreSQL": 1}


def run(options: argparse.Namespace) -> bool:
    with ThreadPoolExecutor(1) as beside:
        # Types take minutes of one core; the tests need not wait for them with the others.
        checked = beside.submit(checks) if options.checks else None
        well = run_tests(options)
        return (checked is None or checked.result()) and well


def run_tests(options: argparse.Namespace) -> bool:
    well = True
    if options.only == "sqlite":
        print("PARTIAL: no PostgreSQL, no browser. CI runs everything.", flush=True)
        install_missing(tools=False, clock=bool(options.clock))
    else:
        install_missing(tools=True, clock=bool(options.clock))
    started = time.monotonic()
    with ExitStack() as stack:
        sessions = start(options, stack)
        for session in sessions:
            session.wait()
        for session in sessions:
            well &= session.finish()
    counts = sum((session.counts for session in sessions), Counter[str]())
    failed = counts["failed"] + counts["error"]
    took = time.monotonic() - started
    print(f"{counts['passed']} passed, {failed} failed, {counts['skipped']} skipped in {took:.0f} s", flush=True)
    if options.only == "sqlite":
        print("This was PARTIAL: run ./run test for all of it.", flush=True)
    return well


def start(options: argparse.Namespace, stack: ExitStack) -> list[Session]:
    """Everything on SQLite, and beside it what has a database on PostgreSQL; a folder of its own for each."""

    def begin(name: str, arguments: list[str], url: str) -> None:
        place = stack.enter_context(quick_folder())
        workers = options.workers or (os.cpu_count() or 1) + WORKERS[name]
        # Twice -q, and pytest says no number that the closing line could add up.
        rest = [word for word in options.rest if not re.fullmatch("-q+|--quiet", word)]
        words = ["-n", str(workers), *arguments, *without, *rest]
        sessions.append(Session(name, place, words, {"DATABASE_URL": url, "TMPDIR": str(place), **clock}))
        stack.callback(sessions[-1].stop)

    sessions: list[Session] = []
    clock = moved_clock(options.clock, datetime.now(UTC))
    without = []
    if clock:
        without = ["-m", "not browser"]
        print("Without the tests in a browser: Chromium does not start under a moved clock.", flush=True)
    if not options.rest:
        compile_once()
    if options.only == "sqlite":
        begin("SQLite", ["-m", "not browser"], "")
    else:
        url = stack.enter_context(postgresql(stack.enter_context(quick_folder()), clock))
        begin("PostgreSQL", ["--again"], url)
        begin("SQLite", [], "")
    return sessions


def main() -> int:
    parser = argparse.ArgumentParser(prog="./run test")
    parser.add_argument("--only", choices=["sqlite"])
    parser.add_argument("--checks", action="store_true")
    parser.add_argument("--workers", type=int)
    parser.add_argument("--clock", default="", metavar="MOMENT")
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
