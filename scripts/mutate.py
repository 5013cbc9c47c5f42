"""Breaks one rule at a time, in a copy of the tree, and sees whether the tests notice.

    .venv/bin/python scripts/mutate.py                  every change of mutations.toml
    .venv/bin/python scripts/mutate.py --only journal   those with this word in their name, file or tests
    .venv/bin/python scripts/mutate.py --list           what would be changed, and what a user would suffer

A change that its tests do not notice survives: then no test holds that rule, and the run fails. It fails as well where
the text to be changed does not stand in its file exactly once: code has moved, and `old` in mutations.toml moves along.
"""

import argparse
import importlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from queue import Empty, SimpleQueue

HERE = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(HERE))

from scripts.test import CannotRun, compile_once, install_missing, postgresql, quick_folder  # noqa: E402

LIST = HERE / "scripts" / "mutations.toml"
# What the tests need of the tree.
COPIED = ("samizdat", "tests", "scripts", "docs", "pyproject.toml", "run", "CHANGELOG.md", "README.md")
# Seconds for the tests of one change, and of one file as it is. Who takes longer may only be slow, so it says nothing.
LONGEST, LONGEST_FILE = 240, 900
# That plugins were imported before is meant.
QUIET = "ignore::pytest.PytestAssertRewriteWarning"
# How pytest ends when a test failed. Any other end (nothing collected, a text that is no Python) says nothing.
PASSED, FAILED = 0, 1


@dataclass(frozen=True, slots=True)
class Change:
    """One careless or malicious change, the tests that must notice it, and what a user would suffer otherwise."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]
    harm: str
    postgresql: bool = False

    def flaw(self) -> str:
        """Why it cannot be tried; empty when it can."""
        path = HERE / self.file
        text = path.read_text() if path.is_file() else ""
        if (found := text.count(self.old)) != 1:
            return f"its old text stands {found} times in {self.file}, not once{self._most_like(text.splitlines())}"
        missing = [test for test in self.tests if not _is_there(test)]
        if missing or not self.tests:
            return f"there is no test {', '.join(missing) or 'named'}"
        return "" if self.old != self.new else "it changes nothing"

    def _most_like(self, lines: list[str]) -> str:
        """Where it may have gone to."""
        first = max(self.old.splitlines(), key=len)
        like = get_close_matches(first, lines, 1)
        return f"; look at line {lines.index(like[0]) + 1}: {like[0].strip()}" if like else ""

    def has(self, word: str) -> bool:
        return any(word.lower() in text.lower() for text in (self.name, self.file, *self.tests))


def _is_there(test: str) -> bool:
    name, *within = test.split("::")
    path = HERE / name
    if not path.is_file():
        return False
    return not within or re.search(rf"\bdef {re.escape(within[-1])}\(", path.read_text()) is not None


def read_changes(path: Path = LIST) -> list[Change]:
    rows = tomllib.loads(path.read_text())["change"]
    return [Change(**{**row, "tests": tuple(row["tests"])}) for row in rows]


# What tests import of others, once for all changes: two thirds of what a short test takes. Nothing of ours.
WARM = (
    "pytest hypothesis xdist.plugin pytest_django.plugin django.test django.db.models django.contrib.auth.hashers "
    "django.core.management sqlite3 psycopg asyncio uvloop cryptography.hazmat.primitives.asymmetric.x25519 h11 "
    "cryptography.hazmat.primitives.kdf.hkdf mjml css_inline nh3 markdown_it argon2 click dns.resolver PIL.Image pyrage"
)


def serve_warm() -> None:
    """Splits off a copy of this process for each line of standard input (a file for what it says, then words for
    pytest), and says its number, then how it ended."""
    for name in WARM.split():
        with suppress(Exception):
            importlib.import_module(name)
    sys.path.insert(0, os.getcwd())
    for line in sys.stdin:
        said, *words = json.loads(line)
        number = os.fork()
        if number == 0:
            os.setsid()
            out, nothing = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), os.open(os.devnull, os.O_RDONLY)
            for descriptor, place in ((nothing, 0), (out, 1), (out, 2)):
                os.dup2(descriptor, place)
            import pytest

            sys.exit(int(pytest.main(words)))
        print(number, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(number, 0)[1]), flush=True)


class Tree:
    """A copy of the tree in which one change at a time is made and taken back."""

    def __init__(self, place: Path, url: str = "") -> None:
        self.folder = place / "tree"
        self.folder.mkdir()
        for name in COPIED:
            copy = shutil.copytree if (HERE / name).is_dir() else shutil.copy2
            copy(HERE / name, self.folder / name)
        (self.folder / ".venv").symlink_to(HERE / ".venv")
        # The name of the database with empty tables comes from this one (tests/moulds.py), and each worker has its own.
        self._root, self._said = place / f"root-{place.name}", place / "said"
        # What was compiled before is copied along; what a change is compiled to may not outlive it.
        environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "TMPDIR": str(place), "DATABASE_URL": url}
        # Tables are made once, not once for each change.
        environment |= {"SAMIZDAT_TEST_ROOT": str(self._root), "SAMIZDAT_TEST_MOULDS_KEPT": "1"}
        self._warm = subprocess.Popen(
            [sys.executable, Path(__file__).resolve(), "--warm"],
            cwd=self.folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, tests: Iterable[str], seconds: float = LONGEST) -> tuple[int, str]:
        """How pytest ended, and what it said last."""
        self._tidy()
        words = ["-x", "-q", "--tb=short", "-p", "no:cacheprovider", "-W", QUIET, *tests]
        assert self._warm.stdin is not None and self._warm.stdout is not None
        print(json.dumps([str(self._said), *words]), file=self._warm.stdin, flush=True)
        number = int(self._warm.stdout.readline())
        stop = threading.Timer(seconds, os.killpg, (number, signal.SIGKILL))
        stop.start()
        try:
            code = int(self._warm.stdout.readline())
        finally:
            stop.cancel()
        said = f"took longer than {seconds:g} s\n" if code == -signal.SIGKILL else ""
        return code, said + self._said.read_text()[-4000:]

    def _tidy(self) -> None:
        """Nothing that the change before has left: journals, locks, half a database. Empty tables stay, for copies."""
        self._root.mkdir(exist_ok=True)
        for left in self._root.iterdir():
            if left.is_dir() and left.name != "migrated":
                shutil.rmtree(left, ignore_errors=True)

    @contextmanager
    def changed(self, change: Change) -> Iterator[None]:
        path = self.folder / change.file
        before, times = path.read_text(), path.stat()
        path.write_text(before.replace(change.old, change.new))
        try:
            yield
        finally:
            path.write_text(before)
            os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))  # As compiled before.

    def close(self) -> None:
        assert self._warm.stdin is not None
        self._warm.stdin.close()
        self._warm.wait()


class Run:
    """Changes handed out to workers, each with trees of its own."""

    def __init__(self, changes: Sequence[Change], quiet: bool) -> None:
        self._quiet = quiet
        self._waiting: SimpleQueue[Change | tuple[str, bool]] = SimpleQueue()
        self._lock = threading.Lock()
        self.wrong: list[str] = []  # Tests that fail without any change.
        self.survivors: list[Change] = []
        self.unclear: list[tuple[Change, str]] = []
        # First what every test says of the tree as it is: one that fails anyway would notice everything.
        for files in _by_file(changes):
            self._waiting.put(files)
        for change in changes:
            self._waiting.put(change)

    def work(self, trees: dict[bool, Tree]) -> None:
        while True:
            try:
                one = self._waiting.get_nowait()
            except Empty:
                return
            if isinstance(one, Change):
                self._try(one, trees[one.postgresql])
            else:
                tests, on_postgresql = one
                code, said = trees[on_postgresql].run(tests.split("\n"), LONGEST_FILE)
                if code != PASSED:
                    where = "PostgreSQL" if on_postgresql else "SQLite"
                    self._say("FAILS WITHOUT A CHANGE", f"{tests.partition('::')[0]} on {where}")
                    self.wrong.append(said)

    def _try(self, change: Change, tree: Tree) -> None:
        started = time.monotonic()
        with tree.changed(change):
            code, said = tree.run(change.tests)
        if code == PASSED:
            self.survivors.append(change)
        elif code != FAILED:
            self.unclear.append((change, said))
        word = {PASSED: "SURVIVES", FAILED: "noticed"}.get(code, "UNCLEAR")
        self._say(word, f"{change.name} ({time.monotonic() - started:.1f} s)")

    def _say(self, word: str, text: str) -> None:
        with self._lock:
            if not self._quiet or word != "noticed":
                print(f"{word:9} {text}", flush=True)


def _by_file(changes: Sequence[Change]) -> list[tuple[str, bool]]:
    """(tests, one a line, whether on PostgreSQL) for each file of tests."""
    found: dict[tuple[str, bool], dict[str, None]] = {}
    for change in changes:
        for test in change.tests:
            found.setdefault((test.partition("::")[0], change.postgresql), {})[test] = None
    return [
        (name if name in tests else "\n".join(tests), on_postgresql) for (name, on_postgresql), tests in found.items()
    ]


def run(changes: Sequence[Change], jobs: int, quiet: bool) -> bool:
    started = time.monotonic()
    compile_once()
    with ExitStack() as stack:
        url = ""
        if any(change.postgresql for change in changes):
            install_missing(tools=True, clock=False)
            url = stack.enter_context(postgresql(stack.enter_context(quick_folder()), {}))
        work = Run(changes, quiet)
        threads = []
        for job in range(jobs):
            trees = {False: Tree(stack.enter_context(quick_folder()))}
            if url:
                mine = url.replace("/samizdat?", f"/samizdat{job}?")  # A database of its own in the one cluster.
                trees[True] = Tree(stack.enter_context(quick_folder()), mine)
            for tree in trees.values():
                stack.callback(tree.close)
            threads.append(threading.Thread(target=work.work, args=(trees,), daemon=True))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    for said in work.wrong:
        print(f"\n== fails without a change\n{said}")
    for change, said in work.unclear:
        print(f"\n== unclear: {change.name}\n{said}")
    for change in work.survivors:
        print(f"\n== survives: {change.name}\n{change.file}: {change.harm}\nnobody noticed: {' '.join(change.tests)}")
    wrong = len(work.wrong) + len(work.unclear) + len(work.survivors)
    took = time.monotonic() - started
    print(f"\n{len(changes)} changes, {len(work.survivors)} survived, {took:.0f} s", flush=True)
    return not wrong


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/mutate.py", description=__doc__.partition("\n")[0])
    parser.add_argument("--only", metavar="WORD", default="")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--quiet", action="store_true", help="say only what is not noticed")
    parser.add_argument("--warm", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.warm:
        serve_warm()
        return 0
    changes = [change for change in read_changes() if change.has(options.only)]
    if options.list:
        for change in changes:
            print(f"{change.name}\n    {change.file}\n    {change.harm}")
        return 0
    flawed = [(change, flaw) for change in changes if (flaw := change.flaw())]
    for change, flaw in flawed:
        print(f"NOT TRIED {change.name}: {flaw}")
    if flawed or not changes:
        print("Mend scripts/mutations.toml, then run this again." if flawed else "No change has this word.")
        return 1
    # Stopped from outside, the cluster is stopped as well.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        return 0 if run(changes, max(1, options.jobs), options.quiet) else 1
    except CannotRun as sentence:
        print(sentence, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
