"""An organization is locked in the middle of a campaign: by the page, by a command, by an email with a code.

python -m bench lock [--people 3000] [--rate 100] [--only sqlite|postgresql]

An installation of its own is served whole, with a relay on loopback that takes a campaign at `--rate` messages a second
and a listener for mail (LMTP). It is locked by each of three doors, one after the other, and unlocked by a command.
Measured is from when the door was pushed (the request sent, the command begun, the email handed over) to when: the key
server refuses every key and the last process that had them has ended (/proc); the relay got its last message. After the
last unlock the campaign comes to its end: everybody got it once, but those whose answer never came, and the books say
so.
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
        books: dict[str, object] = {}

        def is_over() -> bool:
            books.update(journeys.inside(f"exec({PREPARE!r}); books({campaign['id']})"))
            return books["state"] == "finished"

        until(is_over, "the campaign is over")
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


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench lock", description=__doc__.partition("\n\n")[0])
    parser.add_argument("--people", type=int, default=3000)
    parser.add_argument("--rate", type=int, default=100, help="messages a second")
    parser.add_argument("--only", choices=common.VENDORS)
    options = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "samizdat.settings")
    return common.on_each_database(options, "bench.lock", lambda data: measure(data.parent, options.only, options))


if __name__ == "__main__":
    sys.exit(main())
