"""T1 for mail that comes in: whoever wrote, bounced, complained or left by mail is nowhere on a copied disk.

Letters of readers, bounces, complaints, reports of receivers, copies to seed mailboxes and commands by mail come to a
house that is served by its real processes: by its own listener, by `mail take`, by a provider's webhook, and from
mailboxes at a real Dovecot, by IMAP and POP3. All is read but what comes last, while the worker stands still. Then it
is killed, and every byte of it is searched like in test_sealed_disk.py, and what Dovecot has left of the mailboxes too.
"""

import gzip
import json
import os
import re
import signal
import smtplib
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from samizdat import mail_spool
from tests import warm
from tests.core.test_domain_reports import feedback, mailed, record
from tests.incoming.conftest import bounce, complaint, full
from tests.incoming.dovecot import Dovecot, why_not
from tests.incoming.test_webhooks import bounce as bounce_event
from tests.incoming.test_webhooks import signed
from tests.ports import free_port
from tests.sealed.digests import GUESSES, keyed_marks, plain_marks, windows
from tests.sealed.furnish_mail import PEOPLE
from tests.sealed.living import DOMAIN, FIRST, LAST, LOCAL, NOTE, address
from tests.sealed.searching import Searcher, files, taken
from tests.smtp_server import Caught, Certificates, ScriptedServer
from tests.worker.conftest import ROOT, Instance, make_instance, until

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not())

# Of what readers write: words of the subject, of the sentences, of a file's name, and what a server says of them.
SUBJECT, SENTENCE, FILE, REMARK, RUSSIAN = "gannetry", "pochardess", "smewlike", "lapwinged", "Свиристель"
WORDS = (LOCAL, DOMAIN, FIRST, LAST, NOTE, SUBJECT, SENTENCE, FILE, REMARK, RUSSIAN)
SEED = address(900)
FOLDERS = ("Bounces", "Kept", "Seed")
COUNTS = """
from collections import Counter
from samizdat.audience.models import Subscription, Suppression
from samizdat.core.bounce.report import KINDS
from samizdat.incoming.mailboxes.actions import mailboxes
from samizdat.incoming.models import Conversation, IncomingMail, MailReport, ReceiverReport, SeedCopy
from samizdat.accounts.models import Organization
print(json.dumps({
    "waiting": IncomingMail.objects.filter(state=0).count(),
    "read": IncomingMail.objects.filter(state=1).count(),
    "unreadable": IncomingMail.objects.filter(state=2).count(),
    "kinds": Counter(KINDS[kind] for kind in MailReport.objects.values_list("kind", flat=True)),
    "conversations": Conversation.objects.count(),
    "suppressed": Suppression.objects.count(),
    "left": Subscription.objects.exclude(status=1).count(),
    "receivers": ReceiverReport.objects.count(),
    "seeds": [*SeedCopy.objects.values_list("state", flat=True)],
    "taken": {row.name: row.state.taken for row in mailboxes(Organization.objects.get())},
    "faults": [row.state.fault for row in mailboxes(Organization.objects.get()) if row.state.fault],
}))
"""


def letter(number: int, to: str = "news@lantern.example", subject: str = SUBJECT) -> bytes:
    """As somebody writes it by hand, with a file."""
    message = EmailMessage()
    message["From"] = f"{FIRST} {LAST} <{address(number)}>"
    message["To"], message["Subject"] = to, f"{subject} {number}"
    message["Message-ID"] = f"<{number}.{LOCAL}@{DOMAIN}.example>"
    message.set_content(f"{SENTENCE}, says {FIRST}. {RUSSIAN}!\n")
    message.add_attachment(f"{SENTENCE} {address(number)}".encode(), "application", "pdf", filename=f"{FILE}.pdf")
    return message.as_bytes().replace(b"\n", b"\r\n")


def command(number: int, to: str, body: str = "") -> bytes:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = f"{FIRST} <{address(number)}>", to, "Re: Confirm"
    message.set_content(f"{body}\n")
    return message.as_bytes().replace(b"\n", b"\r\n")


def of_receiver(number: int) -> bytes:
    """A DMARC report of yesterday, sent by somebody's own server, whose name tells who they are."""
    data = feedback(record()).replace(b"google.com", f"{DOMAIN}{number}.example".encode())
    now = int(time.time())
    data = data.replace(b"1795996800", b"%d" % (now - 86400)).replace(b"1796083199", b"%d" % now)
    return mailed(gzip.compress(data), "application/gzip", f"{DOMAIN}!lantern.example!1!2.xml.gz")


@dataclass
class Correspondence:
    """Who writes by which way, in order. `seen` counts what came of it, so that a test can say that it did happen."""

    instance: Instance
    relay: ScriptedServer
    dovecot: Dovecot
    port: int
    seen: dict[str, Any] = field(default_factory=dict)

    def live(self) -> None:
        options = f"fingerprint={self.dovecot.certificate.fingerprint}"
        ways = {name.lower(): self.dovecot.url("imaps", options, name) for name in FOLDERS}
        ways["pop3"] = self.dovecot.url("pop3s", options)
        # By POP3 nobody tells of what comes later: that is looked for every five minutes.
        self.dovecot.deliver(letter(7))
        self.dovecot.deliver(of_receiver(8))
        facts = json.loads(self.instance.run("-m", "tests.sealed.furnish_mail", self.relay.url, json.dumps(ways)))
        self.instance.start()
        self.instance.run("-m", "samizdat.cli", "campaign", "send", str(facts["letter"]))
        until(lambda: len({*self._sent()} - {SEED}) == PEOPLE)
        self._by_listener(command(12, "news+leave@lantern.example"), "news+leave@lantern.example")
        self._receive()
        self._by_webhook(facts["hook"], 9)
        self._say_yes()
        self.dovecot.deliver(until(lambda: self._sent().get(SEED)).content, "Seed")
        # The last: what they write into the database is what an idle worker looks up for.
        self._by_pipe(letter(10), "news@lantern.example")
        self._by_pipe(of_receiver(11), "news@lantern.example")
        until(self._all_is_followed_up, most=1.0)
        self._while_the_worker_stands_still(facts["hook"])
        self.instance.kill()

    def counts(self) -> dict[str, Any]:
        counts: dict[str, Any] = self.instance.python("\n" + COUNTS)
        return counts

    def _all_is_followed_up(self) -> bool:
        self.seen = counts = self.counts()
        taken_in = counts["waiting"] == 0 and counts["taken"] == {"bounces": 3, "kept": 1, "pop3": 2}
        return taken_in and counts["left"] >= 2 and counts["receivers"] == 3 and 2 in counts["seeds"]

    def _sent(self) -> dict[str, Caught]:
        return {caught.recipient: caught for caught in list(self.relay.messages) if b"river" in caught.content}

    def _receive(self) -> None:
        sent = self._sent()
        said = f"550 5.1.1 <{address(1)}>: {REMARK} {FIRST} has left"
        for number, raw in enumerate((bounce(sent[address(1)].sender, address(1), said), letter(2), of_receiver(3))):
            self._by_listener(raw, sent[address(1)].sender if not number else "news@lantern.example")
        for raw in (
            bounce(sent[address(4)].sender, address(4)),
            full(sent[address(5)].sender, address(5)),
            complaint(sent[address(6)].content),
        ):
            self.dovecot.deliver(raw, "Bounces")
        self.dovecot.deliver(letter(14), "Kept")

    def _by_listener(self, raw: bytes, to: str) -> None:
        with smtplib.LMTP("127.0.0.1", self.port) as session:
            session.sendmail(address(1), to, raw)

    def _by_pipe(self, raw: bytes, to: str) -> None:
        words = ["-m", "samizdat.cli", "mail", "take", "--to", to]
        done = warm.run(words, cwd=ROOT, env=self.instance.environment, feed=raw.decode())
        assert done.returncode == 0, done.stderr

    def _by_webhook(self, hook: str, number: int) -> None:
        event = bounce_event(self._sent()[address(number)])
        event["delivery-status"]["message"] = f"550 5.1.1 {REMARK} {address(number)}"
        body = signed(event, f"once{number}")
        answer = self.instance.ask(urlsplit(hook).path, body, Content_Type="application/json")
        assert answer[0] == 200, answer

    def _say_yes(self) -> None:
        """Who asked to leave is asked whether they are who they say."""

        def question() -> str:
            for caught in list(self.relay.messages):
                asked = re.search(rb"(?im)^reply-to: .*?(news\+[a-z2-7]{20,}@lantern\.example)", caught.content)
                if caught.recipient == address(12) and asked:
                    return asked[1].decode()
            return ""

        to = until(question)
        self._by_listener(command(12, to, "yes"), to)

    def _while_the_worker_stands_still(self, hook: str) -> None:
        """What lies in the spool, in the table and in the public database before anybody has read it."""
        for process in self.instance.children()["worker"]:
            os.kill(process, signal.SIGSTOP)
        self._by_listener(letter(13), "news@lantern.example")
        self._by_pipe(letter(14), "news@lantern.example")
        self._by_webhook(hook, 15)
        self.seen["spool"] = len(list((self.instance.folder / mail_spool.FOLDER).iterdir()))


@dataclass
class Seized:
    """held: files and values by their names; values: of all tables; left: the files of the mailboxes."""

    held: dict[str, bytes]
    values: list[bytes]
    left: dict[str, bytes]
    seen: dict[str, Any]


@pytest.fixture(scope="module")
def seized(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seized]:
    folder = tmp_path_factory.mktemp("seized")
    temporary = folder / "tmp"
    temporary.mkdir()
    certificates = Certificates(tmp_path_factory.mktemp("certificates"))
    for instance in make_instance(folder, people=False):
        port = free_port()
        instance.environment |= {"TMPDIR": str(temporary), "SAMIZDAT_LMTP": f"127.0.0.1:{port}"}
        with ScriptedServer() as relay, tempfile.TemporaryDirectory(prefix="dovecot-") as place:
            dovecot = Dovecot(Path(place), certificates.issued("localhost"))
            try:
                for name in FOLDERS:
                    _add_folder(dovecot, name)
                life = Correspondence(instance, relay, dovecot, port)
                life.live()
                left = files(dovecot.folder / "mail")
            finally:
                dovecot.end()
        held, values = taken(instance, temporary, tmp_path_factory.mktemp("copy"))
        yield Seized(held, values, left, life.seen)


def _add_folder(dovecot: Dovecot, name: str) -> None:
    for part in ("", "cur", "new", "tmp"):
        path = dovecot.folder / "mail" / f".{name}" / part
        path.mkdir()
        path.chmod(0o777)


def hits(held: dict[str, bytes]) -> dict[str, list[str]]:
    searcher = Searcher(WORDS)
    return {name: found for name, data in held.items() if (found := searcher.hits(data))}


def test_nobody_who_wrote_or_bounced_is_anywhere_on_the_disk(seized: Seized) -> None:
    assert hits(seized.held) == {}


def test_the_mailboxes_have_nothing_of_what_was_taken_in(seized: Seized) -> None:
    """But the folder that an organization wants it moved to, and a seed mailbox, from which nothing is ever taken."""

    def kept_on_purpose(name: str) -> bool:
        return "/.Read/" in name or "/.Seed/" in name

    assert hits({name: data for name, data in seized.left.items() if not kept_on_purpose(name)}) == {}
    assert any("/.Read/" in name for name in hits(seized.left))


def test_nobody_who_wrote_is_confirmed_without_the_key(seized: Seized) -> None:
    held = windows(seized.values)
    for number in range(PEOPLE):
        who = address(number)
        texts = (who.encode(), who.upper().encode(), f"{FIRST} {LAST} <{who}>".encode())
        marks = {mark for text in texts for mark in plain_marks(text)} | {*keyed_marks(who.encode(), GUESSES)}
        assert marks.isdisjoint(held), number


def test_all_of_it_came_in_and_was_read(seized: Seized) -> None:
    """Else there would be nothing to find."""
    seen = seized.seen
    assert seen["unreadable"] == 0 and seen["faults"] == []
    assert seen["kinds"]["hard"] >= 3 and seen["kinds"]["soft"] == 1 and seen["kinds"]["complaint"] == 1
    assert seen["conversations"] == 4 and seen["suppressed"] >= 4 and seen["left"] >= 2
    assert seen["receivers"] == 3 and seen["spool"] == 1


def test_what_came_last_waits_sealed(seized: Seized) -> None:
    assert any(f"/{mail_spool.FOLDER}/" in name for name in seized.held)
