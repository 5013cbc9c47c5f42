"""Runs all tests: core, then the apps on SQLite and on PostgreSQL, in a real browser too. `./run test`.

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


@contextmanager
def postgresql() -> Iterator[str]:
    """A cluster of our own in a temporary folder, reached over a socket there; stopped and removed at the end."""
    server = find_tool("postgres")
    assert server is not None
    tools = Path(server).parent
    folder = Path(tempfile.mkdtemp(prefix="samizdat-pg-"))
    # PostgreSQL refuses to run as root.
    prefix: list[str] = []
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres")
        prefix = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
    folder.chmod(0o711)
    run = [*prefix, "env", "-C", str(folder)]
    options = f"-k {folder} -c listen_addresses= -c max_connections=200 -c shared_buffers=128MB -c fsync=off"
    subprocess.run(
        [
            *run,
            tools / "initdb",
            "-D",
            folder / "data",
            "-U",
            "postgres",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C.UTF-8",
        ],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    control = [*run, tools / "pg_ctl", "-D", folder / "data", "-w"]
    subprocess.run([*control, "-o", options, "-l", folder / "log", "start"], check=True, stdout=subprocess.DEVNULL)
    try:
        yield f"postgresql://postgres@/samizdat?host={folder}"
    finally:
        subprocess.run([*control, "-m", "immediate", "stop"], check=False, stdout=subprocess.DEVNULL)
        shutil.rmtree(folder, ignore_errors=True)


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
    return process.wait() == 0


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
    # Worksteal: a few tests take half a minute (kills, browsers), and nobody should sit idle beside the last of them.
    workers = ["-n", str(options.workers or max(2, os.cpu_count() or 2)), "--dist", "worksteal"]
    well = checks() if options.checks else True
    partial = options.only == "sqlite"
    browser = ["-m", "not browser"] if partial else []
    if partial:
        print("PARTIAL: no PostgreSQL, no browser. CI runs everything.", flush=True)
    else:
        install_missing()
    well &= pytest("everything on SQLite", [*workers, *browser, *options.rest], {"DATABASE_URL": ""}, counts)
    if not partial:
        apps = options.rest or [str(path) for path in _apps_tests()]
        with postgresql() as url:
            well &= pytest("the apps on PostgreSQL", [*workers, *apps], {"DATABASE_URL": url}, counts)
    failed = counts["failed"] + counts["error"]
    print(f"\n{counts['passed']} passed, {failed} failed, {counts['skipped']} skipped", flush=True)
    if partial:
        print("This was PARTIAL: run ./run test for all of it.", flush=True)
    return well


def _apps_tests() -> list[Path]:
    """Test folders that touch a database: core and the plugs do not, so once is enough for them."""
    without = {"core", "transports", "importers", "payloads", "__pycache__"}
    return sorted(path for path in (HERE / "tests").iterdir() if path.is_dir() and path.name not in without)


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
