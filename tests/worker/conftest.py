"""A whole instance in a folder of its own, and `serve` as the process tree it is."""

import atexit
import contextlib
import functools
import json
import os
import pwd
import secrets
import shutil
import signal
import struct
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from samizdat.audience.list_details import ListDetails
from samizdat.vault.source import InstanceSource
from samizdat.vault.sources.key_file import read_key_file
from tests import moulds, warm
from tests.conftest import NOW, TODAY
from tests.ports import free_port

ROOT = Path(__file__).parents[2]
SERVE = (
    "from samizdat.cli.bootstrap import load_django, open_house; load_django(); import sys; "
    "from samizdat.worker.processes.supervisor import serve; "
)


def until(what: Callable[[], Any], seconds: float = 240.0, most: float = 0.1) -> Any:
    """Waits for something to become true; says so when it does not. Long enough for a machine that is busy. most:
    seconds between two looks, which may be work themselves."""
    deadline, pause = time.monotonic() + seconds, 0.005
    while time.monotonic() < deadline:
        found = what()
        if found:
            return found
        time.sleep(pause)
        pause = min(pause * 1.5, most)
    raise AssertionError("it did not happen in time")


def tree(number: int) -> list[int]:
    """A process and all that it started, as long as it lives."""
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parents[int(folder.name)] = int(folder.joinpath("stat").read_text().rpartition(")")[2].split()[1])
    found = [number]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found


@dataclass
class Instance:
    folder: Path
    environment: dict[str, str]
    made: dict[str, Any] = field(default_factory=dict)
    process: warm.Process | None = None
    ports: tuple[int, int] = (0, 0)
    log: Path = Path()

    def run(self, *arguments: str, **extra: str) -> str:
        done = warm.run(arguments, env=self.environment | extra, cwd=ROOT, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def python(self, code: str) -> Any:
        """Runs code inside of the house, as a command would; what it prints is read as JSON."""
        head = "from samizdat.cli.bootstrap import open_house; open_house(); import json; "
        return json.loads(self.run("-c", head + code))

    def start(self) -> "Instance":
        self.ports = (free_port(), free_port())
        self.log = self.folder.with_name("streams.txt")
        with self.log.open("a") as out:
            self.process = warm.Process(
                ["-c", SERVE + f"sys.exit(serve({self.ports[0]}, {self.ports[1]}, opened=open_house))"],
                env=self.environment,
                cwd=ROOT,
                stdout=out,
                stderr=out,
            )
        until(self.answers)
        return self

    def answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log.read_text()
        try:
            return self.ask("/robots.txt")[0] == 200
        except OSError:
            return False

    def ask(self, path: str, body: bytes | None = None, **headers: str) -> tuple[int, bytes, dict[str, str]]:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        connection = HTTPConnection("127.0.0.1", self.ports[1], timeout=60)
        try:
            connection.request("GET" if body is None else "POST", path, body, names)
            answer = connection.getresponse()
            return answer.status, answer.read(), {name.lower(): value for name, value in answer.getheaders()}
        finally:
            connection.close()

    def children(self) -> dict[str, list[int]]:
        """Process numbers by role, as the kernel has them. One of another user is started by a process of that user."""
        assert self.process is not None
        found: dict[str, list[int]] = {}
        parents: dict[int, int] = {}
        children: dict[Path, str] = {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                state, parent, *_more = folder.joinpath("stat").read_text().rpartition(")")[2].split()
                parents[int(folder.name)] = int(parent)
                name = folder.joinpath("comm").read_text().strip()
            except OSError:
                continue
            role = name.removeprefix("samizdat-")
            if role in ("desk", "public", "worker", "sender") and role != name and state != "Z":
                children[folder] = role
        for folder, role in children.items():
            parent = parents[int(folder.name)]
            if self.process.pid in (parent, parents.get(parent)):
                found.setdefault(role, []).append(int(folder.name))
        return found

    def stop(self) -> float:
        """Seconds it took to stop after TERM."""
        assert self.process is not None
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(15)
        return time.monotonic() - began

    def kill(self) -> None:
        if self.process is not None and self.process.poll() is None:
            for number in tree(self.process.pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(number, signal.SIGKILL)
            self.process.wait(10)


def make_instance(folder: Path, people: bool) -> Iterator[Instance]:
    """A copy of an instance that is made once: founding takes a second, copying none."""
    mould, mould_database = _mould(people)
    shutil.copytree(mould.folder, folder / "data")
    shutil.copy2(mould.folder.with_name("data.key"), folder / "data.key")
    (folder / "data").chmod(0o700)
    environment = mould.environment | {"SAMIZDAT_DATA": str(folder / "data")}
    url, name = os.environ.get("DATABASE_URL", ""), f"samizdat_serve_{secrets.token_hex(4)}"
    if url:
        moulds.copy(mould_database, name)
        environment["DATABASE_URL"] = moulds.url_of(name)
    if "out" in mould.made:
        # The route of every copy leads here; each test begins with nothing in it.
        shutil.rmtree(mould.made["out"])
        os.makedirs(mould.made["out"])
    instance = Instance(folder / "data", environment, dict(mould.made))
    role = _public_role(folder)  # Now: a test may take the key file away.
    try:
        yield instance
    finally:
        instance.kill()
        if url:
            moulds.as_admin(f"DROP DATABASE {name} WITH (FORCE)")
            moulds.as_admin(f"DROP ROLE IF EXISTS {role}")


@functools.cache
def _mould(people: bool) -> tuple[Instance, str]:
    """The instance that others are copied from, and the name of its database on PostgreSQL."""
    folder = Path(tempfile.mkdtemp(prefix="samizdat-mould-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("SAMIZDAT") and name not in ("DATABASE_URL", "DJANGO_SETTINGS_MODULE")
    }
    environment |= {"SAMIZDAT_DATA": str(folder / "data"), "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    environment |= {name: os.environ[name] for name in ("SAMIZDAT_INNER_NETWORKS", "SAMIZDAT_USER")}
    name = f"samizdat_mould_{secrets.token_hex(4)}"
    if os.environ.get("DATABASE_URL"):
        moulds.database(name)
        atexit.register(moulds.as_admin, f"DROP DATABASE {name} WITH (FORCE)")
        environment["DATABASE_URL"] = moulds.url_of(name)
    else:
        moulds.files_into(folder / "data")
    mould = Instance(folder / "data", environment)
    mould.made = json.loads(mould.run("-m", "tests.worker.making", **({"MAKE_PEOPLE": "1"} if people else {})))
    return mould, name


def _public_role(folder: Path) -> str:
    """The role that this instance's supervisor has made: its name comes from the instance key."""
    key = InstanceSource(read_key_file(folder / "data.key"))
    return f"samizdat_public_{key.derive('public database role name')[:4].hex()}"


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[Instance]:
    """Northern Lantern with nobody on any list."""
    yield from make_instance(tmp_path, people=False)


@pytest.fixture
def split(instance: Instance) -> Instance:
    """Started as root: it becomes daemon, and its public process nobody."""
    if os.geteuid() != 0:
        pytest.skip("only root can switch to another user")
    owner = pwd.getpwnam("daemon")
    instance.environment |= {"SAMIZDAT_USER": "daemon", "SAMIZDAT_PUBLIC_USER": "nobody"}
    # pytest's folders are for their owner alone; the way to the data folder is opened as an admin would.
    for folder in instance.folder.parents:
        if "pytest" in str(folder):
            folder.chmod(0o711)
    for path in (instance.folder, *instance.folder.rglob("*"), instance.folder.with_name("data.key")):
        os.chown(path, owner.pw_uid, owner.pw_gid)
    return instance


@pytest.fixture
def peopled(tmp_path: Path) -> Iterator[Instance]:
    """Northern Lantern with Ada on its list, a form, and a folder as the way out."""
    yield from make_instance(tmp_path, people=True)


@pytest.fixture
def thursday(lantern: Any, remembered: Callable[..., Any]) -> Any:
    """The Thursday Letter with its form, published."""
    from samizdat.audience import actions as audience
    from samizdat.worker.publishing import publish

    def begin() -> Any:
        list_ = audience.new_list(
            lantern, "the Thursday Letter", now=NOW, details=ListDetails(from_email="letter@lantern.example")
        )
        audience.give_form(list_, "thursday", now=NOW)
        publish.publish_place(lantern)
        publish.list_as_form(list_)
        return list_

    return remembered(begin, lantern)


@pytest.fixture(autouse=True)
def alarms_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether many leave is looked at each time, and not each ten seconds."""
    from samizdat.worker.inbox import leaving_alarm

    monkeypatch.setattr(leaving_alarm, "EVERY", 0.0)
    monkeypatch.setattr(leaving_alarm, "_due", {})
    monkeypatch.setattr(leaving_alarm, "_looked", {})
    monkeypatch.setattr(leaving_alarm, "_seen", {})


@pytest.fixture
def nothing_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the loop of sign-ups remembers of its mails lasts as long as its process."""
    from samizdat.worker.inbox import signup_memory, signups

    monkeypatch.setattr(signups, "memory", signup_memory.SignupMemory())


@pytest.fixture
def out(lantern: Any, tmp_path: Path) -> Path:
    """Where the mails of Northern Lantern land."""
    from samizdat.delivery.actions import add_route

    add_route(lantern, "folder", f"folder://{tmp_path}", now=NOW)
    return tmp_path


def moved_in(organization: Any, key: Any, vault: Any, came: date = TODAY) -> None:
    """What the command line leaves behind when it takes in an export with its keys, in a process of its own."""
    from samizdat.vault import keyring
    from samizdat.vault.models import VaultKey

    label = keyring.label("link", key.number, organization, came=came)
    VaultKey.objects.create(
        organization=organization, kind="link", number=key.number, current=False, created=came,
        wrapped=vault.wrap(label, key.secret),
    )  # fmt: skip


def say(organization: Any, kind: str, **words: Any) -> None:
    """Drops in what the public process would."""
    seal_in(organization, json.dumps({"kind": kind, "at": NOW.isoformat(), **words}).encode(), kind[:8])


def seal_in(organization: Any, text: bytes, kind: str = "") -> None:
    """Drops in whatever a public process can seal, and says of it what it likes."""
    from samizdat.core.crypto import seal
    from samizdat.publicdb import actions as publicdb
    from samizdat.publicdb.models import Site

    place = Site.objects.get(uid=bytes(organization.uid))
    number, key = box_key(organization)
    box = seal.seal_to(key, text, b"intake\0" + bytes(place.uid), os.urandom(32), os.urandom(12))
    publicdb.drop_in(place, struct.pack(">I", number) + box, kind)


def box_key(organization: Any) -> tuple[int, bytes]:
    """What the supervisor tells the public process."""
    from samizdat.core.crypto import seal
    from samizdat.vault import keyring

    [(number, secret)] = keyring.keys(organization).boxes.items()
    return number, seal.public_key(secret)


def status(subscriber: Any, list_: Any) -> str:
    from samizdat.audience.models import Subscription
    from samizdat.core import consent

    code = Subscription.objects.get(subscriber=subscriber, list=list_).status
    return consent.STATUSES[code]
