"""An organization is locked in the middle of a campaign: by the page, by a command, by an email with a code.

python -m bench lock [--people 3000] [--rate 100] [--only sqlite|postgresql] [--what organization|keyservice]

An installation of its own is served whole, with a relay on loopback that takes a campaign at `--rate` messages a second
and a listener for mail (LMTP). It is locked by each of three doors, one after the other, and unlocked by a command.
Measured is from when the door was pushed (the request sent, the command begun, the email handed over) to when: the key
server refuses every key and the last process that had them has ended (/proc); the relay got its last message. After the
last unlock the campaign comes to its end: everybody got it once, but those whose answer never came, and the books say
so.

keyservice: its key comes from a key service. In the middle of a campaign that is killed, started again, and stopped.
Measured is to when no process of the installation has any of its keys in memory (/proc, as root).
"""

import argparse
import contextlib
import json
import os
import re
import smtplib
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlencode

from bench import common, journeys
from samizdat.vault.sources.key_file import read_key_file
from tests.smtp_server import Caught, ScriptedServer

PROMISED, PATIENCE = 10.0, 120.0
HOLDERS = ("desk", "worker", "sender")
PREPARE = """
from bench import common
from samizdat.accounts import actions as accounts
from samizdat.accounts.models import Organization
from samizdat.audience.models import List
from samizdat.campaigns.actions import create
from samizdat.campaigns.drafts.draft import Draft
from samizdat.campaigns.models import Campaign
from samizdat.delivery import queries
from samizdat.delivery.actions import add_route, release
from samizdat.delivery.models import Route
import datetime as dates
organization, now = Organization.objects.get(), dates.datetime.now(dates.UTC)

def furnish(people, relay, rate):
    common.furnish(organization, List.objects.get(form_slug="thursday"), people)
    accounts.change_settings(organization, by=None, now=now, return_address="bounces@lantern.example")
    Route.objects.update(state="paused")
    add_route(organization, "relay", relay, rate=f"{rate}/s", now=now)

def send():
    draft = Draft(subject="First", from_name="Lantern", from_email="letter@lantern.example", body="Hello.")
    made = List.objects.get(form_slug="thursday")
    campaign = release(create(organization, made, draft, by=None, now=now), now=now)
    print(json.dumps({"id": campaign.pk, "slug": organization.slug}))

def books(number):
    told = queries.status(Campaign.objects.get(pk=number))
    adds_up = queries.recount(Campaign.objects.get(pk=number)).adds_up
    print(json.dumps({name: told[name] for name in ("state", "accepted", "unsure")} | {"adds_up": adds_up}))
"""
FREE = """
from samizdat.vault.models import KeyLock
print(json.dumps({"locked": KeyLock.objects.filter(locked=True).exists()}))
"""


class Relay(ScriptedServer):
    """Keeps when who got a message instead of the messages."""

    def __init__(self) -> None:
        super().__init__()
        self.got: list[tuple[float, str]] = []

    def _taken(self, caught: Caught) -> None:
        if re.search(rb"(?im)^subject: First", caught.content):
            self.got.append((time.monotonic(), caught.recipient))


@dataclass(slots=True)
class Browser:
    """An admin at the app."""

    port: int
    cookies: dict[str, str] = field(default_factory=dict)

    def sign_in(self) -> None:
        self.ask("GET", "/sign-in")
        self.post("/sign-in", {"email": "clara@lantern.example", "password": "a lamp in the north"})

    def post(self, path: str, words: dict[str, str]) -> int:
        token = next(value for name, value in self.cookies.items() if "csrf" in name)
        return self.ask("POST", path, urlencode({**words, "csrfmiddlewaretoken": token}))

    def ask(self, method: str, path: str, body: str | None = None) -> int:
        origin = f"http://127.0.0.1:{self.port}"
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items()), "Origin": origin}
        if body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            answer.read()
            for line in answer.headers.get_all("Set-Cookie") or ():
                name, _equals, value = line.partition(";")[0].partition("=")
                self.cookies[name] = value
            return answer.status
        finally:
            connection.close()


@dataclass(frozen=True, slots=True)
class Locked:
    """Seconds after the door was pushed."""

    gone: float
    silent: float


def command(*words: str) -> str:
    called = [sys.executable, "-m", "samizdat.cli", *words]
    done = subprocess.run(called, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return done.stdout


def processes(serve: int) -> set[tuple[int, str]]:
    """Number and start of those that hold keys."""
    found = set()
    for pid in common.tree(serve):
        with contextlib.suppress(OSError):
            role = Path(f"/proc/{pid}/comm").read_text().strip().removeprefix("samizdat-")
            if role in HOLDERS:
                found.add((pid, Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]))
    return found


def until(holds: Callable[[], bool], what: str) -> float:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > deadline:
            raise SystemExit(f"It took longer than {PATIENCE:.0f} s: {what}.")
        time.sleep(0.02)
    return time.monotonic()


def books_once_over(campaign: int) -> dict[str, object]:
    """Of the campaign, once it was sent."""
    books: dict[str, object] = {}

    def is_over() -> bool:
        books.update(journeys.inside(f"exec({PREPARE!r}); books({campaign})"))
        return books["state"] == "finished"

    until(is_over, "the campaign is over")
    return books


def lock(site: journeys.Served, relay: Relay, push: Callable[[], object]) -> Locked:
    """While messages go out; ends once nothing comes any more."""
    before, count = processes(site.process), len(relay.got)
    until(lambda: len(relay.got) > count + 50, "the campaign goes on")
    began = time.monotonic()
    push()
    gone = until(lambda: not processes(site.process) & before, "processes end")
    until(lambda: bool(journeys.inside(FREE.strip().replace("\n", "; "))["locked"]), "it is locked")
    until(lambda: time.monotonic() - relay.got[-1][0] > 3, "nothing is sent")
    return Locked(gone - began, max(0.0, relay.got[-1][0] - began))


def hand_over(port: int, address: str, code: str) -> None:
    with smtplib.LMTP("127.0.0.1", port) as session:
        session.sendmail("friend@elsewhere.example", address, f"Subject: {code}\r\n\r\n\r\n")


def measure(folder: Path, vendor: str, options: argparse.Namespace) -> int:
    with contextlib.ExitStack() as stack:
        relay, port = stack.enter_context(Relay()), common.free_port()
        os.environ["SAMIZDAT_LMTP"] = f"127.0.0.1:{port}"
        furnish = f"furnish({options.people}, {relay.url!r}, {options.rate})"
        site = stack.enter_context(journeys.served(folder, f"exec({journeys.MAKE!r}); exec({PREPARE!r}); {furnish}"))
        codes = json.loads(command("keys", "lock-codes", "--json"))
        campaign = journeys.inside(f"exec({PREPARE!r}); send()")
        browser = Browser(site.ports[0])
        browser.sign_in()
        page = f"/o/{campaign['slug']}/settings/lock"
        doors: dict[str, Callable[[], object]] = {
            "page": lambda: browser.post(page, {}),
            "command": lambda: command("keys", "lock"),
            "email": lambda: hand_over(port, codes["address"], codes["codes"][0]),
        }
        results = {}
        for door, push in doors.items():
            results[door] = lock(site, relay, push)
            said = results[door]
            common.say(f"{vendor}: {door}: keys gone after {said.gone:.1f} s, last message after {said.silent:.1f} s")
            command("keys", "unlock", "--yes")
        books = books_once_over(campaign["id"])
    counts = Counter(recipient for _at, recipient in relay.got)
    unsure = int(str(books["unsure"]))
    common.say(f"  books: {json.dumps(books)}; the relay took {len(relay.got):,} messages to {len(counts):,} people")
    targets = [
        common.Target(f"{vendor}: {door}: keys gone", said.gone, PROMISED, "s") for door, said in results.items()
    ]
    targets += [
        common.Target(f"{vendor}: {door}: silent", said.silent, PROMISED, "s") for door, said in results.items()
    ]
    twice = sum(count - 1 for count in counts.values())
    missed = options.people - len(counts)
    return common.conclude(
        [
            *targets,
            common.Target(f"{vendor}: got it twice", twice, 0, "people"),
            common.Target(f"{vendor}: missed beyond those unsure", max(0, missed - unsure), 0, "people"),
            common.Target(f"{vendor}: books that don't add up", 0 if books["adds_up"] else 1, 0, ""),
        ]
    )


# -- the key service --

KEYS = """
from samizdat.vault import keyring
from samizdat.vault.models import VaultKey
rows = VaultKey.objects.select_related("organization").filter(kind__in=("data", "index"))
source = keyring.open_source()
labels = {row: keyring.label_of(row, row.organization) for row in rows}
print(json.dumps({str(row.pk): source.unwrap(label, row.wrapped).hex() for row, label in labels.items()}))
"""
EVENTS = """
from samizdat.events.models import Event
kinds = Event.objects.filter(kind__startswith="keys.").order_by("id").values_list("kind", flat=True)
print(json.dumps({"kinds": " ".join(kinds)}))
"""
# Seconds that an answer of the key service counts.
LEASE = 60.0


class KeyHost:
    """The host of a key service, on this machine."""

    def __init__(self, folder: Path, key_file: Path) -> None:
        self.folder, self.port, self._key_file = folder, common.free_port(), key_file
        self.program: subprocess.Popen[bytes] | None = None

    def begin(self) -> None:
        """It is created, and the installation paired; the key file isn't there any more."""
        self.folder.mkdir()
        words = self.folder / "passphrase"
        words.write_text("correct horse battery staple")
        words.chmod(0o600)
        os.environ["SAMIZDAT_KEYSERVICE_FOLDER"] = str(self.folder / "service")
        given = ["--key-file", str(self._key_file), "--passphrase-file", str(words)]
        command("keyservice", "init", "--address", f"127.0.0.1:{self.port}", *given)
        pairing = self.folder / "server.pairing"
        command("keyservice", "add-server", "server", "--to", str(pairing))
        self._key_file.rename(self.folder / "copy")
        os.environ["SAMIZDAT_KEY_SERVICE"] = str(pairing)
        self.start()

    def start(self) -> None:
        called = [sys.executable, "-m", "samizdat.cli", "keyservice", "serve", "--listen", f"127.0.0.1:{self.port}"]
        words = os.environ | {"SAMIZDAT_PASSPHRASE_FILE": str(self.folder / "passphrase")}
        log = self.folder / "log"
        with log.open("wb") as file:
            self.program = subprocess.Popen(called, env=words, stderr=file)
        until(lambda: b"answers at" in log.read_bytes(), "the key service answers")

    def kill(self) -> None:
        if self.program is not None:
            self.program.kill()
            self.program.wait()


def has_keys(serve: int, secrets: list[bytes]) -> bool:
    """Whether any process of the installation has one of these in what it may write to."""
    for pid in common.tree(serve):
        with contextlib.suppress(OSError):
            maps = Path(f"/proc/{pid}/maps").read_text()
            with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
                for start, end in re.findall(r"^([0-9a-f]+)-([0-9a-f]+) rw", maps, re.MULTILINE):
                    with contextlib.suppress(OSError, OverflowError):
                        memory.seek(int(start, 16))
                        part = memory.read(int(end, 16) - int(start, 16))
                        if any(secret in part for secret in secrets):
                            return True
    return False


def measure_service(folder: Path, vendor: str, options: argparse.Namespace) -> int:
    with contextlib.ExitStack() as stack:
        relay = stack.enter_context(Relay())
        host = KeyHost(folder / "keyhost", folder / "house.key")
        stack.callback(host.kill)
        furnish = f"furnish({options.people}, {relay.url!r}, {options.rate})"
        made = f"exec({journeys.MAKE!r}); exec({PREPARE!r}); {furnish}"
        site = stack.enter_context(journeys.served(folder, made, host.begin))
        secrets = [bytes.fromhex(text) for text in journeys.inside(f"exec({KEYS!r})").values()]
        secrets.append(read_key_file(host.folder / "copy"))
        campaign = journeys.inside(f"exec({PREPARE!r}); send()")
        results: dict[str, float] = {}

        def take(name: str, push: Callable[[], object]) -> None:
            count = len(relay.got)
            until(lambda: len(relay.got) > count + 50, "the campaign goes on")
            assert has_keys(site.process, secrets), "what is looked for is found before"
            began = time.monotonic()
            push()
            results[f"{name}: keys gone"] = until(lambda: not has_keys(site.process, secrets), "keys are gone") - began
            results[f"{name}: silent"] = max(0.0, relay.got[-1][0] - began)
            assert site.get(f"/f/{site.slugs[0]}")[0] == 200, "the public pages go on"

        take("killed", host.kill)
        began = time.monotonic()
        host.start()
        count = len(relay.got)
        back = until(lambda: len(relay.got) > count, "it goes on by itself") - began
        take("stopped", lambda: command("keyservice", "stop"))
        kinds = journeys.inside_without_keys(EVENTS)["kinds"]
        command("keyservice", "start", "--yes")
        host.kill()
        host.start()
        until(lambda: bool(processes(site.process)), "processes are back")
        command("keys", "unlock", "--yes")
        books = books_once_over(campaign["id"])
    counts = Counter(recipient for _at, recipient in relay.got)
    for name, seconds in results.items():
        common.say(f"{vendor}: {name} after {seconds:.1f} s")
    common.say(f"{vendor}: sending {back:.1f} s after it was started again")
    common.say(f"  log: {kinds}")
    common.say(f"  books: {json.dumps(books)}; the relay took {len(relay.got):,} messages to {len(counts):,} people")
    twice, missed = sum(count - 1 for count in counts.values()), options.people - len(counts)
    return common.conclude(
        [
            *(common.Target(f"{vendor}: {name}", seconds, LEASE, "s") for name, seconds in results.items()),
            common.Target(f"{vendor}: not in the log", 0 if "keys.locked_by_service" in kinds else 1, 0, ""),
            common.Target(f"{vendor}: got it twice", twice, 0, "people"),
            common.Target(
                f"{vendor}: missed beyond those unsure", max(0, missed - int(str(books["unsure"]))), 0, "people"
            ),
            common.Target(f"{vendor}: books that don't add up", 0 if books["adds_up"] else 1, 0, ""),
        ]
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench lock", description=__doc__.partition("\n\n")[0])
    parser.add_argument("--people", type=int, default=3000)
    parser.add_argument("--rate", type=int, default=100, help="messages a second")
    parser.add_argument("--only", choices=common.VENDORS)
    parser.add_argument("--what", choices=("organization", "keyservice"), default="organization")
    options = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "samizdat.settings")
    work = measure_service if options.what == "keyservice" else measure
    return common.on_each_database(options, "bench.lock", lambda data: work(data.parent, options.only, options))


if __name__ == "__main__":
    sys.exit(main())
