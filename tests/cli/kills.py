"""One installation, its backup place, and commands that are killed: what holds after each kill, for the tests and for
`bench kill --what backup`.

Whoever kills says where (a step of killed.py, at which call) or when (after so many seconds). After each kill:
the newest whole backup restores, nothing half-written is taken for one, the same command ends whole, and everybody is
there who was there.
"""

import json
import random
import shutil
import signal
import subprocess
import tempfile
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests import moulds, warm
from tests.cli.conftest import House
from tests.cli.killed import OFTEN, STEPS

PEOPLE = 30
# A step that is met often is met at one of so many calls.
MANY = 12
# Seconds until the first random moment, at most.
FIRST = 1.5
ENDED = "had ended before"
MODULE = "tests.cli.killed"


class Kills:
    """chance: of which call, and which moment, where nothing else is said."""

    def __init__(self, house: House, people: int = PEOPLE, seed: int = 1) -> None:
        self.house, self.people, self.chance = house, people, random.Random(seed)
        self.place = house.folder / "killed-place"
        self.tally = Counter[str]()
        # Until when a random moment is, of each kind.
        self.seconds: dict[str, float] = {}
        self._set_up()

    def _set_up(self) -> None:
        house = self.house
        house.say("list", "new", "Letter")
        lines = "".join(f"reader{number}@post.example,subscribed\n" for number in range(self.people))
        (house.folder / "yes.csv").write_text("Email,Status\n" + lines)
        house.say("import", "yes.csv", "--list", "Letter", "--status", "subscribed")
        house.say("organization", "set", "--url", "https://news.lantern.example", "--postal-address", "1 Quay")
        (house.folder / "out").mkdir()
        house.say("route", "add", "paper", f"folder://{house.folder}/out")
        (house.folder / "letter.md").write_text("# Hello\n\nThe [water](https://lantern.example/) came at four.\n")
        sender = ("--from", "L <letter@lantern.example>", "--body", "letter.md", "--subject", "Water")
        house.say("campaign", "new", "--list", "Letter", *sender)
        house.say("campaign", "send", "1")  # Nothing runs that would send it.
        self.place.mkdir()
        house.say("backup", "--to", str(self.place))

    # -- what is killed ---------------------------------------------------------------------------------------------

    def kill(self, house: House, kind: str, step: str, *words: str, calls: int = 0) -> bool:
        """Whether it was killed, rather than ended by itself. step: "" is a random moment. Raises where it failed."""
        calls = calls or (self.chance.randint(1, MANY) if step in OFTEN else 1)
        told = json.dumps({"die": [kind, step, calls]} if step else {})
        with tempfile.TemporaryFile() as said:
            process = warm.Process(
                ["-m", MODULE, told, *words], cwd=house.folder, env=house.environment, stdout=said, stderr=said
            )
            try:
                code = process.wait(120 if step else self.chance.uniform(0.05, self.seconds.get(kind, FIRST)))
            except subprocess.TimeoutExpired:
                process.kill()
                code = process.wait(60)
            said.seek(0)
            text = said.read().decode(errors="replace")
        assert code in (0, -signal.SIGKILL), f"{' '.join(words)} ended with {code}: {text}"
        if not step:  # Random moments are those at which there is something to kill.
            self.seconds[kind] = self.seconds.get(kind, FIRST) * (1.1 if code else 0.8)
        self.tally[f"{kind}: {step or 'at a random moment'}" if code else f"{kind}: {ENDED}"] += 1
        return code != 0

    def ours(self, house: House, *words: str) -> dict[str, Any]:
        done = warm.run(["-m", MODULE, "{}", *words], cwd=house.folder, env=house.environment)
        assert done.returncode == 0, done.stderr
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    def look(self) -> dict[str, Any]:
        return self.ours(self.house, "killed-look")

    def newest(self) -> dict[str, Any]:
        found = self.ours(self.house, "killed-newest", self.place.as_uri())
        # A manifest is the last that is written, so none is there without its pieces.
        assert found["whole"] and not found["passed_over"] and not found["broken"], found
        return found

    def somebody_joins(self) -> int:
        self.ours(self.house, "killed-add", f"{uuid.uuid4().hex}@joins.example")
        return int(self.look()["tables"]["audience_subscriber"][0])

    # -- each kind, once --------------------------------------------------------------------------------------------

    def backup(self, step: str = "", calls: int = 0) -> None:
        before, now = self.newest(), self.somebody_joins()
        words = ("backup", "--to", str(self.place), *self.chance.choice([(), ("--changes",)]))
        self.kill(self.house, "backup", step, *words, calls=calls)
        # Before or after: the copy that was there, or one with everybody in it.
        after = self.newest()
        assert after["copy"] == before["copy"] or after["subscribers"] == now, (before, after)
        self.house.say(*words)
        whole = self.newest()
        assert whole["subscribers"] == now and whole["copy"] > before["copy"]

    def tail(self, step: str = "", calls: int = 0) -> None:
        words = ("killed-tail", self.place.as_uri())
        self.kill(self.house, "tail", step, *words, str(self.chance.randint(2, 4)), calls=calls)
        self.newest()
        assert self.ours(self.house, *words, "1")["files"]
        assert self.newest()["tail"]
        with self.restored() as there:
            self.is_all_there(there)

    def restore(self, step: str = "", calls: int = 0) -> None:
        with self.empty() as there:
            words = ("restore", str(self.place), "--key-file", str(self.house.key))
            was_killed = self.kill(there, "restore", step, *words, calls=calls)
            is_done = there.data.exists() and any(there.data.iterdir())
            if was_killed and not is_done:
                there.say(*words)
            self.is_all_there(there)
            assert {path.name for path in there.folder.iterdir()} - {"data", "data.key"} == set()
            assert not (there.data / "restore.json").exists() or is_done

    def rotate(self, step: str = "", calls: int = 0) -> None:
        before = self.look()
        self.kill(self.house, "rotate", step, "keys", "rotate", "data", calls=calls)
        between = self.look()  # Whoever opens them meanwhile.
        assert (between["said"], between["closed"]) == (before["said"], 0), (before, between)
        self.house.say("keys", "rotate", "data")
        after = self.look()
        assert (after["said"], after["closed"], after["left"]) == (before["said"], 0, 0), (before, after)
        assert before["former"] < after["former"] <= before["former"] + 2

    def rotate_index(self, step: str = "") -> None:
        """Whoever is looked for by their address is found meanwhile and afterwards. A mark of their index is in what is
        sealed of them, so it doesn't say the same."""
        self.ours(self.house, "killed-weeks")
        before = self.look()
        self.kill(self.house, "index", step, "keys", "rotate", "index")
        between = self.look()
        self.house.say("keys", "rotate", "index")
        after = self.look()
        for look in (between, after):
            assert look["said"][0] == before["said"][0], (before, look)
            assert (look["closed"], look["unfound"], look["left"]) == (0, 0, 0), look

    def lock(self, step: str = "") -> None:
        before = self.look()
        was_killed = self.kill(self.house, "lock", step, "keys", "lock")
        between = self.look()
        assert between["locked"] == between["locked_by_log"] and between["genuine"], between
        assert was_killed or between["locked"]
        assert all(adds_up for _state, _reason, _frozen, adds_up in between["books"])
        if between["locked"]:
            waiting = [book[:2] for book in between["books"] if book[0] in ("sending", "waiting")]
            assert all(book == ["waiting", "keys_locked"] for book in waiting), waiting
        else:
            assert between["books"] == before["books"]
        assert self.house.say("keys", "lock")["changed"] == ([] if between["locked"] else ["northern-lantern"])
        self.kill(self.house, "lock", step, "keys", "unlock", "--yes")
        between = self.look()
        assert between["locked"] == between["locked_by_log"] and between["genuine"], between
        self.house.say("keys", "unlock", "--yes")
        after = self.look()
        assert not after["locked"] and after["closed"] == 0 and after["said"] == before["said"], (before, after)

    # -- another server -----------------------------------------------------------------------------------------------

    @contextmanager
    def empty(self) -> Iterator[House]:
        """A server with nothing on it."""
        folder, name = Path(tempfile.mkdtemp(prefix="killed-", dir=self.house.folder)), ""
        url = self.house.environment["DATABASE_URL"]
        if url:
            name = f"house_{uuid.uuid4().hex[:12]}"
            moulds.as_admin(f"CREATE DATABASE {name}")
            url = moulds.url_of(name)
        try:
            yield House(folder, url)
        finally:
            shutil.rmtree(folder)
            if name:
                moulds.as_admin(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    @contextmanager
    def restored(self) -> Iterator[House]:
        with self.empty() as there:
            there.say("restore", str(self.place), "--key-file", str(self.house.key))
            yield there

    def is_all_there(self, there: House) -> None:
        ours, theirs = self.look(), self.ours(there, "killed-look")
        assert theirs["fenced"] and theirs["closed"] == 0
        different = [name for name, digest in ours["tables"].items() if theirs["tables"][name] != digest]
        assert not different, {name: (ours["tables"][name], theirs["tables"][name]) for name in different}
        assert theirs["said"] == ours["said"]

    def everybody_gets_it(self) -> None:
        """At the end the campaign goes out: to everybody once, but to nobody who has left meanwhile."""
        books = self.house.say("campaign", "send", "1", "--wait")
        sent = Counter(line for path in (self.house.folder / "out").rglob("*.eml") for line in _to(path))
        assert books["state"] == "finished" and books["accepted"] + books["suppressed"] == self.people, books
        assert set(sent.values()) == {1} and len(sent) == books["accepted"], sent


def _to(path: Path) -> list[str]:
    return [line for line in path.read_text(errors="replace").splitlines() if line.lower().startswith("to: ")]


def kinds(kills: Kills) -> dict[str, Callable[[str], None]]:
    """Kind -> kills one of it at a step, and looks."""
    return {
        "backup": kills.backup,
        "tail": kills.tail,
        "restore": kills.restore,
        "rotate": kills.rotate,
        "index": kills.rotate_index,
        "lock": kills.lock,
    }


def steps(kind: str) -> list[str]:
    return list(STEPS[kind])
