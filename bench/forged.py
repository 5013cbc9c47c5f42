"""Forged bounces, complaints and webhooks beside a running send: what they change, and what they cost the send.

python -m bench forged [--people 50000] [--forged 100000] [--rounds 2] [--latency 10ms] [--only sqlite|postgresql]

An installation of its own is served whole, with a listener for mail and a webhook. Campaigns go to everybody by a relay
on loopback, by turns without and with forged mail and deliveries, which come as fast as a campaign lasts. Their
writer knows real addresses of subscribers, the address of the webhook and an old delivery of the provider, but no key:

- bounces and complaints with codes that nobody made, that were altered, or of campaigns that are gone, and with none;
- somebody's mail "unsubscribe" from the address of a subscriber;
- deliveries with a wrong signature, without one, signed two days ago, repeated, and with another event put under the
  signature of an old one; and to addresses of webhooks that do not exist.

At the end every row about consent, suppression and delivery has to be as before, and no event may tell otherwise. Then
one true bounce comes by mail and one by webhook: those two are suppressed, so the doors were open.

What the send loses is measured in two ways. CPU: of the sender's process for a message, which no other process can
take from it. Rate: by a relay that answers after --latency, so that the machine has room for what the flood makes
others do; `--latency 0` leaves none, and shows who gets how much of two cores.
"""

import argparse
import contextlib
import hmac
import itertools
import json
import os
import random
import resource
import smtplib
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from urllib.parse import urlsplit

from bench import common, journeys
from bench.attack import processes
from bench.sink import Fast

LOST_PERCENT = 5.0
MAILBOX, KEY = "bounces@lantern.example", "key"
CONNECTIONS = 10
# Seconds until a campaign begins or ends, and until everything that came is taken up.
PATIENCE, TAKEN_UP = 300.0, 900.0
# Lines by mail and by HTTP, and messages of one session of LMTP, which may have so many commands and no more.
LINES, SESSION = 4, 900

# Behind journeys.MAKE: everybody, the relay with its webhook, and what is asked of the installation later.
PREPARE = """
import hashlib
from collections import Counter
from datetime import UTC, datetime
from bench import common
from samizdat.accounts.actions import change_settings
from samizdat.accounts.models import Organization
from samizdat.audience.models import ConsentRecord, List, Subscriber, Subscription, Suppression
from samizdat.campaigns.actions import create
from samizdat.campaigns.drafts.draft import Draft
from samizdat.campaigns.models import Campaign, Edition
from samizdat.core.crypto import tokens
from samizdat.core.mail.ledger import State
from samizdat.delivery import queries
from samizdat.delivery.actions import add_route, release, route_webhooks
from samizdat.delivery.models import Delivery, Route
from samizdat.events.models import Event
from samizdat.incoming.models import IncomingMail, MailReport
from samizdat.publicdb.models import Intake
from samizdat.vault import keyring
organization, now = Organization.objects.get(), datetime.now(UTC)


def furnish(people, relay, connections):
    common.furnish(organization, List.objects.get(form_slug="thursday"), people)
    Route.objects.update(state="paused")
    change_settings(organization, by=None, now=now, return_address="MAILBOX")
    made = add_route(organization, "relay", relay, now=now, connections=connections)
    route_webhooks.set_webhook(made, "mailgun", secret="KEY", now=now)

def webhook():
    view = route_webhooks.webhook_of(Route.objects.get(name="relay"))
    print(json.dumps({"address": view.address}))

def codes(edition, numbers):
    "Of return addresses and Message-IDs."
    key = keyring.keys(organization).link
    both = {purpose: tokens.TokenMaker(key, purpose) for purpose in ("return", "message-id")}
    told = {f"{purpose} {number}": make(edition, number) for purpose, make in both.items() for number in numbers}
    print(json.dumps(told))

def send():
    draft = Draft(subject="News", from_name="Lantern", from_email="letter@lantern.example", body="Hello.")
    campaign = release(create(organization, List.objects.get(form_slug="thursday"), draft, by=None, now=now), now=now)
    print(json.dumps({"campaign": campaign.pk, "edition": Edition.objects.get(campaign=campaign).pk}))

def waiting():
    rows = IncomingMail.objects.filter(state=IncomingMail.WAITING).count() + Intake.objects.count()
    print(json.dumps({"rows": rows}))

def books(number):
    told = queries.status(Campaign.objects.get(pk=number))
    print(json.dumps({name: told[name] for name in ("state", "accepted")}))

def rows():
    "Of everything that says who may be written to: a hash of all rows, and what else there is."
    told = {}
    for model in (Subscriber, Subscription, ConsentRecord, Suppression):
        digest = hashlib.sha256()
        for row in model.objects.order_by("pk").values_list().iterator():
            digest.update(repr([bytes(v) if isinstance(v, memoryview) else v for v in row]).encode())
        told[model.__name__] = digest.hexdigest()
    told["suppressed"] = Suppression.objects.count()
    told["unsubscribed"] = Subscription.objects.exclude(status=1, mail_verdict=1).count()
    told["deliveries"] = Delivery.objects.exclude(state=State.ACCEPTED).count()
    told["believed"] = MailReport.objects.exclude(edition=None).count()
    told["reports"] = MailReport.objects.count()
    told["mail"] = IncomingMail.objects.count()
    told["events"] = Counter(Event.objects.values_list("kind", flat=True))
    view = route_webhooks.webhook_of(Route.objects.get(name="relay"))
    told["refused"] = view.state.refusals
    print(json.dumps(told))
""".replace("MAILBOX", MAILBOX).replace("KEY", KEY)

# Events of the sends themselves; and of the nightly comparison, to which people are new whom no import brought.
ORDINARY = ("campaign.", "subscribers.checked", "subscribers.inconsistent")


def asked(call: str) -> dict[str, object]:
    return dict(journeys.inside(f"exec({PREPARE!r}); {call}"))


# -- what is forged -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Stolen:
    """What the forger has: real codes of one subscriber each, of a campaign that is gone; the address of the webhook; a
    delivery of the provider about a stranger, with its signature."""

    people: int
    path: str
    host: str
    codes: list[str]
    delivery: bytes

    def address(self, chance: random.Random) -> str:
        number = chance.randint(1, self.people)
        return f"reader{number}@mail{number % 50}.example"

    def code(self, chance: random.Random) -> str:
        real = chance.choice(self.codes)
        place, letter = chance.randrange(len(real)), chance.choice("abcdefgh")
        invented = "".join(chance.choices("abcdefghijklmnopqrstuvwxyz234567", k=len(real)))
        return chance.choice([real, real[:place] + letter + real[place + 1 :], invented])


def report(stolen: Stolen, chance: random.Random, kind: str) -> bytes:
    """A bounce (RFC 3464) or a complaint (RFC 5965) about a message that was never ours."""
    who, code = stolen.address(chance), stolen.code(chance)
    what = (
        f"Reporting-MTA: dns; mx.{who.partition('@')[2]}\r\n\r\nFinal-Recipient: rfc822; {who}\r\nAction: failed\r\n"
        "Status: 5.1.1\r\nDiagnostic-Code: smtp; 550 5.1.1 No such user here\r\n"
        if kind == "delivery-status"
        else f"Feedback-Type: abuse\r\nUser-Agent: feedback/1.0\r\nVersion: 1\r\nOriginal-Rcpt-To: {who}\r\n"
    )
    returned = (
        f"From: letter@lantern.example\r\nTo: {who}\r\nSubject: News\r\nMessage-ID: <{code}@lantern.example>\r\n"
        f"List-Unsubscribe: <http://{stolen.host}/u/{code}>\r\n"
    )
    return (
        f"From: MAILER-DAEMON@{who.partition('@')[2]}\r\nTo: {MAILBOX}\r\nSubject: Undelivered {chance.random()}\r\n"
        f'MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type={kind}; boundary="b"\r\n\r\n'
        f"--b\r\nContent-Type: text/plain\r\n\r\nIt was about {who}.\r\n"
        f"--b\r\nContent-Type: message/{kind}\r\n\r\n{what}\r\n"
        f"--b\r\nContent-Type: text/rfc822-headers\r\n\r\n{returned}\r\n--b--\r\n"
    ).encode()


def bounce(stolen: Stolen, chance: random.Random) -> bytes:
    return report(stolen, chance, "delivery-status")


def complaint(stolen: Stolen, chance: random.Random) -> bytes:
    return report(stolen, chance, "feedback-report")


def leaving(stolen: Stolen, chance: random.Random) -> bytes:
    who = stolen.address(chance)
    return f"From: {who}\r\nTo: {MAILBOX}\r\nSubject: unsubscribe\r\n\r\nunsubscribe {chance.random()}\r\n".encode()


def event(who: str, message_id: str, chance: random.Random) -> dict[str, object]:
    """As Mailgun tells a bounce: https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/webhooks"""
    return {
        "event": chance.choice(["failed", "complained", "unsubscribed"]),
        "severity": "permanent",
        "reason": "bounce",
        "id": f"{chance.random()}",
        "timestamp": time.time(),
        "recipient": who,
        "delivery-status": {"code": 550, "message": "550 5.1.1 No such user here"},
        "message": {"headers": {"message-id": f"{message_id}@lantern.example", "to": who}},
    }


def delivered(words: dict[str, object], once: str, at: float, key: str = KEY) -> bytes:
    stamp = str(int(at))
    signature = hmac.new(key.encode(), (stamp + once).encode(), "sha256").hexdigest()
    parts = {"timestamp": stamp, "token": once, "signature": signature}
    return json.dumps({"signature": parts, "event-data": words}).encode()


def forged_event(stolen: Stolen, chance: random.Random) -> dict[str, object]:
    return event(stolen.address(chance), stolen.code(chance), chance)


def wrongly_signed(stolen: Stolen, chance: random.Random) -> bytes:
    return delivered(forged_event(stolen, chance), f"{chance.random()}", time.time(), "another key")


def unsigned(stolen: Stolen, chance: random.Random) -> bytes:
    return json.dumps({"event-data": forged_event(stolen, chance)}).encode()


def signed_long_ago(stolen: Stolen, chance: random.Random) -> bytes:
    return delivered(forged_event(stolen, chance), f"{chance.random()}", time.time() - 2 * 86400)


def of_nobody(stolen: Stolen, chance: random.Random) -> bytes:
    """Signed, about a message and an address that are not here."""
    return delivered(event("stranger@elsewhere.example", "x", chance), f"{chance.random()}", time.time())


def repeated(stolen: Stolen, chance: random.Random) -> bytes:
    return stolen.delivery


def put_under_a_signature(stolen: Stolen, chance: random.Random) -> bytes:
    """Mailgun's covers its time and code, not what is told."""
    return json.dumps(json.loads(stolen.delivery) | {"event-data": forged_event(stolen, chance)}).encode()


type Writer = Callable[[Stolen, random.Random], bytes]
# How many of each in twenty.
BY_MAIL: dict[Writer, int] = {bounce: 6, complaint: 3, leaving: 1}
BY_HTTP: dict[Writer, int] = {
    wrongly_signed: 3, unsigned: 1, signed_long_ago: 1, of_nobody: 1, repeated: 1, put_under_a_signature: 1,
}  # fmt: skip
TO_NOBODY = 2


# -- the forger, in a process of its own --------------------------------------------------------------------------


@dataclass(slots=True)
class Forger:
    """Writes so many forgeries in so many seconds, on LINES connections to each door."""

    stolen: Stolen
    mail: int
    http: int
    count: int
    seconds: float
    answers: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self) -> None:
        doors = [(line, self._each(time.monotonic())) for line in (self._by_mail, self._by_http)]
        lines = [threading.Thread(target=line, args=[numbers]) for line, numbers in doors for _ in range(LINES)]
        for line in lines:
            line.start()
        for line in lines:
            line.join()

    def _each(self, began: float) -> Callable[[], bool]:
        """Waits for the time of the next forgery of one door, which gets half of them; False: there is none left."""
        numbers = itertools.count()

        def is_next() -> bool:
            with self._lock:
                number = next(numbers)
            time.sleep(max(0.0, began + number * 2 * self.seconds / self.count - time.monotonic()))
            return number * 2 < self.count

        return is_next

    def _note(self, answer: str) -> None:
        with self._lock:
            self.answers[answer] += 1

    def _by_mail(self, is_next: Callable[[], bool]) -> None:
        chance, kinds = random.Random(), [*BY_MAIL]
        session, left = None, 0
        while is_next():
            if session is None or not left:
                session, left = smtplib.LMTP("127.0.0.1", self.mail), SESSION
            left -= 1
            kind = chance.choices(kinds, [*BY_MAIL.values()])[0]
            name, _at, domain = MAILBOX.partition("@")
            to = chance.choice([f"{name}+{self.stolen.code(chance)}@{domain}", MAILBOX])
            try:
                session.sendmail("", [to], kind(self.stolen, chance))
                self._note("mail taken")
            except (smtplib.SMTPException, OSError):
                session = None
                self._note("mail refused for now")

    def _by_http(self, is_next: Callable[[], bool]) -> None:
        chance, kinds = random.Random(), [*BY_HTTP]
        host, _colon, port = self.stolen.host.partition(":")
        connection = HTTPConnection(host, self.http, timeout=30)
        headers = {"Content-Type": "application/json", "Host": f"{host}:{port}"}
        while is_next():
            path = self.stolen.path
            if chance.random() < TO_NOBODY / (TO_NOBODY + sum(BY_HTTP.values())):
                path = f"/in/{self.stolen.code(chance)}"
            try:
                body = chance.choices(kinds, [*BY_HTTP.values()])[0](self.stolen, chance)
                connection.request("POST", path, body, headers)
                answer = connection.getresponse()
                answer.read()
                self._note("delivery taken" if answer.status == 200 else f"delivery answered {answer.status}")
            except (OSError, HTTPException):
                connection.close()
                self._note("delivery without answer")
        connection.close()


def forge(words: str) -> int:
    told = json.loads(words)
    told["stolen"]["delivery"] = told["stolen"]["delivery"].encode()
    forger = Forger(Stolen(**told.pop("stolen")), **told)
    forger.run()
    print(json.dumps(forger.answers))
    return 0


# -- a campaign ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Sent:
    """One campaign: messages a second, and microseconds of the sender's CPU for each. others: seconds of CPU of each
    other process meanwhile, by role."""

    rate: float
    cpu: float
    others: dict[str, float]
    campaign: int
    edition: int


@dataclass(slots=True)
class Turns:
    site: journeys.Served
    sink: Fast
    stolen: Stolen
    mail: int
    options: argparse.Namespace
    server: int | None
    answers: Counter[str] = field(default_factory=Counter)

    def send(self, flood: int = 0) -> Sent:
        """flood: how many forgeries come meanwhile."""
        people, before = self.options.people, self.sink.tell()["taken"]
        with self._flooded(flood):
            spent = self._cpu()
            made = asked("send()")
            self._until(lambda: self.sink.tell()["taken"] > before, "does not begin")
            began = time.monotonic()
            self._until(lambda: self.sink.tell()["taken"] >= before + people, "does not end")
            seconds = time.monotonic() - began
            self._until(lambda: asked(f"books({made['campaign']})")["state"] == "finished", "is not finished")
            spent = {role: used - spent.get(role, 0.0) for role, used in self._cpu().items()}
        cpu = spent.pop("sender") / people * 1e6
        return Sent(people / seconds, cpu, spent, *map(int, map(str, made.values())))

    def _cpu(self) -> dict[str, float]:
        """Seconds so far, by role. Helpers, which read what strangers wrote, are with whom they work for."""
        spent = {role: common.cpu_of_tree(pid) for role, pid in processes(self.site).items() if role != "supervisor"}
        spent["supervisor"] = common.cpu_of(self.site.process)
        return spent | ({"database": common.database_cpu(self.server)} if self.server else {})

    def _until(self, is_so: Callable[[], bool], words: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while not is_so():
            if time.monotonic() > deadline:
                raise SystemExit(f"A campaign {words}: {self.sink.tell()}")
            time.sleep(0.05)

    @contextlib.contextmanager
    def _flooded(self, count: int) -> Iterator[None]:
        if not count:
            yield
            return
        stolen = {name: getattr(self.stolen, name) for name in Stolen.__slots__}
        stolen["delivery"] = self.stolen.delivery.decode()
        # A forger has a machine of their own; here theirs comes last.
        words = {"stolen": stolen, "mail": self.mail, "http": self.site.ports[1], "count": count}
        words["seconds"] = self.options.seconds
        process = common.child("bench.forged", "--forge", json.dumps(words), stdout=subprocess.PIPE)
        os.setpriority(os.PRIO_PROCESS, process.pid, 10)
        try:
            time.sleep(1.0)
            yield
        finally:
            out, _ = process.communicate()
        self.answers.update(json.loads(out))


def settled(folder: Path) -> float:
    """Until everything that came is taken up; seconds."""
    began, quiet = time.monotonic(), 0
    while quiet < 3:
        if time.monotonic() - began > TAKEN_UP:
            raise SystemExit(f"What came was not taken up: {asked('waiting()')}")
        files = sum(1 for _file in (folder / "house" / "incoming-mail").glob("*"))
        quiet = quiet + 1 if not files and not asked("waiting()")["rows"] else 0
        time.sleep(2.0)
    return time.monotonic() - began


def true_ones(turns: Turns, edition: int) -> None:
    """A bounce by mail about subscriber 1, and one by webhook about subscriber 2."""
    codes = asked(f"codes({edition}, [1, 2])")
    chance, people = random.Random(1), [f"reader{number}@mail{number}.example" for number in (1, 2)]
    by_mail = report(turns.stolen, chance, "delivery-status")
    name, _at, domain = MAILBOX.partition("@")
    with smtplib.LMTP("127.0.0.1", turns.mail) as session:
        session.sendmail("", [f"{name}+{codes['return 1']}@{domain}"], by_mail)
    words = event(people[1], str(codes["message-id 2"]), chance) | {"event": "failed"}
    body = delivered(words, "a true one", time.time())
    deliver(turns.stolen, body)


def deliver(stolen: Stolen, body: bytes) -> None:
    """As the provider does."""
    connection = HTTPConnection(stolen.host, timeout=30)
    connection.request("POST", stolen.path, body, {"Content-Type": "application/json"})
    if connection.getresponse().status != 200:
        raise SystemExit("The webhook did not take a true delivery.")
    connection.close()


def measure(folder: Path, vendor: str, options: argparse.Namespace) -> int:
    mail = common.free_port()
    os.environ["SAMIZDAT_LMTP"] = f"127.0.0.1:{mail}"
    with contextlib.ExitStack() as stack:
        sink = stack.enter_context(Fast(options.latency))
        relay = f"smtp+plain://127.0.0.1:{sink.port}"
        furnish = f"exec({journeys.MAKE!r}); exec({PREPARE!r}); furnish({options.people}, {relay!r}, {CONNECTIONS})"
        site = stack.enter_context(journeys.served(folder, furnish))
        url = urlsplit(str(asked("webhook()")["address"]))
        # Of an edition that nobody has any more.
        gone = asked(f"codes({random.Random(1).getrandbits(50)}, [*range(1, 200)])")
        delivery = delivered(event("stranger@elsewhere.example", "x", random.Random(2)), "an old one", time.time())
        stolen = Stolen(options.people, url.path, url.netloc, [*map(str, gone.values())], delivery)
        common.wait_for_port(mail)
        turns = Turns(site, sink, stolen, mail, options, _postmaster())
        first = turns.send()  # Everything is loaded then.
        options.seconds = options.people / first.rate
        # Who overheard it sends it again: with another event under its signature it would count once, had it not come.
        deliver(stolen, delivery)
        settled(folder)
        before = asked("rows()")
        alone, beside, took = [], [], 0.0
        for _round in range(options.rounds):
            alone.append(turns.send())
            beside.append(turns.send(options.forged // options.rounds))
            took = max(took, settled(folder))
        after = asked("rows()")
        say(vendor, options, alone, beside, turns, after, took)
        true_ones(turns, beside[-1].edition)
        settled(folder)
        end = asked("rows()")
        states = {str(asked(f"books({sent.campaign})")) for sent in (*alone, *beside)}
        log = (folder / "house.log").read_bytes()
    common.say(f"  campaigns afterwards: {', '.join(sorted(states))}")
    return common.conclude([*lost(vendor, alone, beside), *changed(vendor, before, after, end, log)])


def _postmaster() -> int | None:
    """Of the cluster that on_each_database started."""
    import django

    os.environ["DJANGO_SETTINGS_MODULE"] = "samizdat.settings"
    if not os.environ.get("DATABASE_URL"):
        return None
    django.setup()
    return common.postmaster()


def say(
    vendor: str,
    options: argparse.Namespace,
    alone: list[Sent],
    beside: list[Sent],
    turns: Turns,
    after: dict[str, object],
    took: float,
) -> None:
    common.say(
        f"{vendor}: {options.people:,} people, a relay that answers after {options.latency * 1000:.0f} ms; "
        f"{options.forged:,} forgeries beside {options.rounds} of {2 * options.rounds} campaigns"
    )
    for name, some in (("alone", alone), ("beside the flood", beside)):
        rate, cpu = common.spread([sent.rate for sent in some]), common.spread([sent.cpu for sent in some], 1)
        others = ", ".join(
            f"{role} {common.median([sent.others[role] for sent in some]):.1f}" for role in some[0].others
        )
        common.say(f"  {name:<18}{rate:>26} messages/s{cpu:>24} us of the sender; seconds of {others}")
    for answer, many in turns.answers.most_common():
        common.say(f"  {answer:<26}{many:>9,}")
    common.say(
        f"  {after['mail']:,} messages read, {after['reports']:,} reports kept, {after['refused']:,} deliveries "
        f"refused; all taken up at most {took:.0f} s after a campaign"
    )


def lost(vendor: str, alone: list[Sent], beside: list[Sent]) -> list[common.Target]:
    """By turns: each beside the one before it, so that what else the machine does matters less."""
    rates = [100 * (1 - two.rate / one.rate) for one, two in zip(alone, beside, strict=True)]
    cpus = [100 * (two.cpu / one.cpu - 1) for one, two in zip(alone, beside, strict=True)]
    return [
        common.Target(f"{vendor}: rate lost to the flood", common.median(rates), LOST_PERCENT, "%"),
        common.Target(f"{vendor}: more CPU of the sender a message", common.median(cpus), LOST_PERCENT, "%"),
    ]


def changed(
    vendor: str, before: dict[str, object], after: dict[str, object], end: dict[str, object], log: bytes
) -> list[common.Target]:
    tables = ("Subscriber", "Subscription", "ConsentRecord", "Suppression")
    events = Counter(after["events"]) - Counter(before["events"])  # type: ignore[call-overload]
    others = {kind: many for kind, many in events.items() if not kind.startswith(ORDINARY)}
    if others:
        common.say(f"  events besides: {others}")
    named = log.count(b"@mail") + log.count(b"@elsewhere.example")
    counted = ("suppressed", "unsubscribed", "deliveries", "believed")
    return [
        *(common.Target(f"{vendor}: {name}", float(str(after[name])), 0, "") for name in counted),
        common.Target(f"{vendor}: tables changed", sum(before[name] != after[name] for name in tables), 0, "tables"),
        common.Target(f"{vendor}: events that tell of it", sum(others.values()), 0, "events"),
        common.Target(f"{vendor}: addresses in the log", named, 0, "addresses"),
        common.Target(f"{vendor}: suppressed by true ones", float(str(end["suppressed"])), 2, "", most=False),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench forged", description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--people", type=int, default=50_000)
    parser.add_argument("--forged", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--latency", type=common.seconds, default=0.01, help="of the relay: 10ms; 0 for none")
    parser.add_argument("--only", choices=common.VENDORS)
    options = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    socket.setdefaulttimeout(60)
    common.keep_bytecode()
    return common.on_each_database(options, "bench.forged", lambda data: measure(data.parent, options.only, options))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--forge"]:
        sys.exit(forge(sys.argv[2]))
    sys.exit(main())
