"""A mailbox full of old mail at a real Dovecot, read by a whole installation that sends meanwhile.

python -m bench mailbox [--messages 200000] [--protocol imaps|pop3s] [--rate 20] [--only sqlite|postgresql]

Bounces of 1 KB that are about nobody here lie in a maildir. The installation is served whole; while its worker takes
them in, a campaign goes out at `--rate` messages a second by a relay on loopback, and a page of the app is asked for
twice a second. Memory is the PSS of the worker alone, looked at once a second; CPU is the worker's and, apart from it,
Dovecot's. Dovecot is on the same machine and has as much to do.
"""

import argparse
import contextlib
import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.client import HTTPConnection
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlencode

from bench import common, journeys, leaving
from tests.incoming.dovecot import Dovecot, why_not
from tests.smtp_server import Certificates

# MB that the worker may grow by, milliseconds of a page, and by how many percent the campaign may fall behind its rate.
GROWTH, PAGE, BEHIND = 40, 150, 10
PATIENCE = 3_600.0
SETTLED = 15.0

MESSAGE = """Return-Path: <>
From: MAILER-DAEMON@relay.example (Mail Delivery System)
To: news@lantern.example
Subject: Undelivered Mail Returned to Sender
Message-ID: <{number}@relay.example>
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b1"

--b1
Content-Type: text/plain; charset=us-ascii

This is the mail system at host relay.example. Your message could not be delivered to one or more recipients.

<old{number}@mail{number}.example>: host mx.example[192.0.2.1] said: 550 5.1.1 No such user here

--b1
Content-Type: message/delivery-status

Reporting-MTA: dns; relay.example
Arrival-Date: Mon, 30 Nov 2020 10:00:00 +0000

Final-Recipient: rfc822; old{number}@mail{number}.example
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1 No such user here

--b1--
""".replace("\n", "\r\n")

STATE = """
from samizdat.incoming.mailboxes.actions import mailboxes
from samizdat.incoming.models import IncomingMail
state = mailboxes(organization)[0].state
print(json.dumps({
    "taken": state.taken, "fault": state.fault, "waiting": IncomingMail.objects.filter(state=0).count(),
    "kept": IncomingMail.objects.count(), "unreadable": IncomingMail.objects.filter(state=2).count(),
}))
"""
ADD = """
from samizdat.incoming.mailboxes import actions as mailboxes
mailboxes.add(organization, "bounces", {url!r}, now=now)
print("{{}}")
"""


@contextlib.contextmanager
def dovecot(folder: Path, messages: int) -> Iterator[Dovecot]:
    """With so many messages, which nobody has looked at yet."""
    with tempfile.TemporaryDirectory(prefix="dovecot-") as place:
        running = Dovecot(Path(place), Certificates(folder).issued("localhost"))
        try:
            new = running.folder / "mail" / "new"
            for number in range(messages):
                path = new / f"{1_600_000_000 + number}.M{number}P1.host"
                path.write_bytes(MESSAGE.format(number=number).encode())
                shutil.chown(path, "nobody", "nogroup")
            yield running
        finally:
            running.end()


@dataclass(slots=True)
class Page:
    """A page of the app, asked for twice a second by somebody who is signed in."""

    port: int
    cookies: dict[str, str] = field(default_factory=dict)
    times: list[float] = field(default_factory=list)
    ends: threading.Event = field(default_factory=threading.Event)

    def sign_in(self) -> None:
        self._ask("GET", "/sign-in")
        words = {"email": "clara@lantern.example", "password": "a lamp in the north"}
        words["csrfmiddlewaretoken"] = self.cookies["csrftoken"]
        if self._ask("POST", "/sign-in", urlencode(words).encode()) != 302:
            raise SystemExit("Nobody could sign in.")

    def watch(self) -> None:
        while not self.ends.wait(0.5):
            began = time.perf_counter()
            if self._ask("GET", "/o/lantern/subscribers/") != 200:
                raise SystemExit("The page was not there.")
            self.times.append(time.perf_counter() - began)

    def _ask(self, method: str, path: str, body: bytes | None = None) -> int:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        with contextlib.closing(connection):
            headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
            if body is not None:
                headers["Content-Type"] = "application/x-www-form-urlencoded"
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            answer.read()
            for line in answer.headers.get_all("Set-Cookie") or ():
                name, _, value = line.partition(";")[0].partition("=")
                self.cookies[name] = value
            return answer.status


def memory_of(pid: int) -> dict[str, float]:
    """MB of a process by kind: Pss is all of it; Pss_Anon its own, Pss_File what it sees of files, which it may share
    with others."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    words = [line.split() for line in lines if line.startswith("Pss")]
    return {name.rstrip(":"): int(size) // 1024 for name, size, _unit in words}


def worker_of(site: journeys.Served) -> int:
    def name(number: int) -> str:
        with contextlib.suppress(OSError):
            return Path(f"/proc/{number}/comm").read_text().strip()
        return ""

    return next(number for number in common.tree(site.process) if name(number) == "samizdat-worker")


@dataclass(slots=True)
class Watched:
    """The worker and Dovecot while the mailbox is emptied."""

    worker: int
    dovecot: Dovecot
    memory: list[dict[str, float]] = field(default_factory=list)
    at_first: dict[str, float] = field(default_factory=dict)
    cpu_at_first: tuple[float, float] = (0.0, 0.0)

    def begin(self) -> None:
        self.at_first, self.cpu_at_first = memory_of(self.worker), self._cpu()

    def _cpu(self) -> tuple[float, float]:
        return common.cpu_of(self.worker), common.cpu_of_tree(self.dovecot.process.pid)

    def cpu(self) -> tuple[float, float]:
        worker, server = self._cpu()
        return worker - self.cpu_at_first[0], server - self.cpu_at_first[1]

    def until_empty(self, messages: int) -> tuple[float, float]:
        """Seconds until all were taken in, and until all were read."""
        began, taken, said = time.monotonic(), 0.0, 0.0
        while (passed := time.monotonic() - began) < PATIENCE:
            self.memory.append(memory_of(self.worker))
            if passed - said > 20:
                said = passed
                state = leaving.asked(f"exec({STATE!r})")
                common.say(f"  {passed:6.0f} s: {state}, {self.memory[-1]}, CPU {self.cpu()}")
                taken = taken or (passed if int(state["taken"]) >= messages else 0.0)
                if taken and not int(state["waiting"]):
                    return taken, passed
            time.sleep(1)
        raise SystemExit("It was not taken in within an hour.")


def measure(folder: Path, vendor: str, options: argparse.Namespace) -> int:
    people = 20_000
    with contextlib.ExitStack() as stack:
        relay = stack.enter_context(leaving.Relay())
        mail = stack.enter_context(dovecot(folder, options.messages))
        furnish = f"exec({journeys.MAKE!r}); exec({leaving.PREPARE!r}); furnish({people}, {relay.url!r})"
        site = stack.enter_context(journeys.served(folder, furnish))
        page = Page(site.ports[0])
        page.sign_in()
        time.sleep(SETTLED)
        leaving.asked(f"send({leaving.FIRST!r}, {options.rate})")
        while not relay.got[leaving.FIRST]:
            time.sleep(0.1)
        time.sleep(SETTLED)
        watched = Watched(worker_of(site), mail)
        watched.begin()
        watcher = threading.Thread(target=page.watch)
        watcher.start()
        first = len(relay.got[leaving.FIRST])
        url = mail.url(options.protocol, f"fingerprint={mail.certificate.fingerprint}")
        leaving.asked(f"exec({ADD.format(url=url)!r})")
        try:
            taken, read = watched.until_empty(options.messages)
        finally:
            page.ends.set()
            watcher.join()
        worker, server = watched.cpu()
        sent = relay.got[leaving.FIRST][first:]
        left, state = len(mail.messages()), leaving.asked(f"exec({STATE!r})")
    gaps = [later.at - earlier.at for earlier, later in pairwise(sent)]
    rate = len(sent) / (sent[-1].at - sent[0].at)
    common.say(f"{vendor}, {options.protocol}: {options.messages:,} messages; all taken in after {taken:.0f} s, ")
    common.say(f"  read after {read:.0f} s; CPU: worker {worker:.1f} s, Dovecot {server:.1f} s")
    most = max(watched.memory, key=lambda memory: memory["Pss"])
    common.say(f"  worker: {watched.at_first} MB at first, {most} MB at most; {state}")
    common.say(f"  campaign: {rate:.1f} messages a second, longest pause {max(gaps):.1f} s")
    return common.conclude(
        [
            common.Target("growth of the worker (PSS)", most["Pss"] - watched.at_first["Pss"], GROWTH, "MB"),
            common.Target("a page of the app, median", common.median(page.times) * 1000, PAGE, "ms"),
            common.Target("rate of the campaign", rate, options.rate * (1 - BEHIND / 100), "/s", most=False),
            common.Target("messages left in the mailbox", left, 0, ""),
            common.Target("messages that are not here", options.messages - int(state["kept"]), 0, ""),
        ]
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench mailbox", description=__doc__.partition("\n\n")[0])
    parser.add_argument("--messages", type=int, default=200_000)
    parser.add_argument("--protocol", choices=("imaps", "pop3s"), default="imaps")
    parser.add_argument("--rate", type=int, default=20, help="messages a second of the campaign")
    parser.add_argument("--only", choices=common.VENDORS)
    options = parser.parse_args()
    if reason := why_not():
        raise SystemExit(reason)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "samizdat.settings")
    return common.on_each_database(options, "bench.mailbox", lambda data: measure(data.parent, options.only, options))


if __name__ == "__main__":
    sys.exit(main())
