"""A list rebuilt from a mailbox whose truth is known: notices, bounces of the corpus, people, and what deceives.

python -m bench evidence [--messages 100000] [--seed 1] [--disputed]

A mailbox is written as an mbox in which every person has a history: they subscribed, left, complained, their address
died, or somebody claims that they subscribed. Bounces are those of tests/payloads/bounces with the person's address in
place of the recipient; what they mean is what its truth.jsonl says. Then it is read as `samizdat rescue mailbox` reads
it. `--disputed`: also messages whose table in truth.jsonl says the contrary of what their server wrote. Precision is
the share of addresses with the right status among those that are proposed, recall the share of those that should be
proposed. CPU is that of all processes together.
"""

import argparse
import base64
import json
import quopri
import random
import resource
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import NamedTuple

from bench import common
from samizdat.core.evidence.fold import Fold
from samizdat.core.evidence.reading import Rules
from samizdat.incoming.evidence import mailboxes

FILES = Path(__file__).parents[1] / "tests" / "payloads" / "bounces"
OWN, SERVER = "news@lantern.example", "mx.lantern.example"
PRECISION, RECALL, RATE = 99.5, 95.0, 1_000
# Reasons of truth.jsonl that say that an address is dead for good.
DEAD = frozenset({"userunknown", "hostunknown", "hasmoved"})
# Their servers say that the mailbox is gone, or that our domain is blocked, and their tables the contrary.
DISPUTED = frozenset(
    f"sisimai/{name}.eml"
    for name in (
        "lhost-domino-02", "lhost-postfix-07", "lhost-postfix-80", "lhost-x1-02", "lhost-zoho-03", "rfc3464-01",
        "rfc3464-42",
    )
)  # fmt: skip
JOINED = ("Letter: New Subscriber", "New subscriber on Letter", "Letter - subscribe notification")
LEFT = ("Letter: Unsubscribe", "Letter unsubscribed", "Someone unsubscribed from Letter")
FIRST = datetime(2016, 3, 1, 9, tzinfo=UTC)
DAYS = 2_400


class Returned(NamedTuple):
    """A message of the corpus: its bytes, the recipient in them, and the status that it gives, "" for none."""

    raw: bytes
    recipient: bytes
    status: str


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench evidence", description=__doc__)
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--disputed", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="samizdat-bench-") as folder:
        file, mailbox = Path(folder) / "old.mbox", Mailbox(options.seed, options.disputed)
        with file.open("wb") as out:
            for raw in mailbox.messages(options.messages):
                out.write(b"From x@y.example Mon Jan  3 10:00:00 2022\n" + _quoted(raw) + b"\n\n")
        fold, cpu, took = _read(file)
        common.say(
            f"{fold.counts.emails:,} emails, {file.stat().st_size / 1e6:,.0f} MB, {took:.1f} s, {cpu:.1f} s of CPU, "
            f"{fold.counts.unreadable:,} unreadable, {fold.counts.unclear:,} notices not understood"
        )
    return common.conclude(_targets(fold, mailbox.truth, cpu))


def _read(file: Path) -> tuple[Fold, float, float]:
    began, before = time.monotonic(), _cpu()
    fold = mailboxes.read([file], Rules(frozenset({OWN})))
    return fold, _cpu() - before, time.monotonic() - began


def _cpu() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def _targets(fold: Fold, truth: dict[str, str], cpu: float) -> list[common.Target]:
    own = fold.own_server()
    assert own == SERVER, own
    proposed = {
        evidence.address: evidence.status for evidence in fold.addresses(frozenset({own})) if evidence.is_proposed
    }
    wanted = {address: status for address, status in truth.items() if status}
    right = sum(truth.get(address, "") == status for address, status in proposed.items())
    recalled = sum(proposed.get(address) == status for address, status in wanted.items())
    active = {address for address, status in proposed.items() if status == "subscribed"}
    gone = sum(truth.get(address) in ("unsubscribed", "complained") for address in active)
    without = sum(truth.get(address, "") == "" for address in active)
    wrong = Counter(
        (truth.get(address, ""), proposed.get(address, ""))
        for address in {*proposed, *wanted}
        if truth.get(address, "") != proposed.get(address, "")
    )
    common.say(f"{len(proposed):,} proposed, {len(wanted):,} wanted; wrong (truth, proposed): {dict(wrong)}")
    return [
        common.Target("precision", 100 * right / len(proposed), PRECISION, "%", most=False),
        common.Target("recall", 100 * recalled / len(wanted), RECALL, "%", most=False),
        common.Target("active of those who left or complained", gone, 0, ""),
        common.Target("active without a yes", without, 0, ""),
        common.Target("emails a second of a core", fold.counts.emails / cpu, RATE, "/s", most=False),
    ]


class Mailbox:
    """`truth`: address -> the status that its history comes to, "" for whoever must stay out."""

    def __init__(self, seed: int, disputed: bool) -> None:
        self.random = random.Random(seed)
        self.truth: dict[str, str] = {}
        self._number = 0
        self._returned = list(_corpus(disputed))
        self._histories: list[tuple[int, Callable[[], Iterator[bytes]]]] = [
            (40, self._subscriber),
            (10, self._left),
            (8, self._returned_to),
            (2, self._complained),
            (2, self._came_back),
            (6, self._forged),
            (4, self._foreign),
            (12, self._wrote),
            (6, self._away),
            (4, self._forwarded),
            (6, self._other),
        ]

    def messages(self, count: int) -> Iterator[bytes]:
        """In no order, and whole histories: somebody whose last email is missing would have another one's truth. So
        they're some more than `count`."""
        held: list[bytes] = []
        weights = [weight for weight, _history in self._histories]
        while count:
            (history,) = self.random.choices(self._histories, weights)
            held += history[1]()
            self.random.shuffle(held)
            while count and len(held) > 40:
                count -= 1
                yield held.pop()
            if len(held) >= count:
                yield from held
                return

    # -- histories: what a person's emails are, and what they come to

    def _subscriber(self) -> Iterator[bytes]:
        address = self._person("subscribed")
        yield self._notice(address, JOINED)
        if self.random.random() < 0.3:
            yield self._reply(address)

    def _left(self) -> Iterator[bytes]:
        address = self._person("unsubscribed")
        yield self._notice(address, JOINED)
        if self.random.random() < 0.5:
            yield self._notice(address, LEFT)
        else:
            yield self._mail(address, self.random.choice(("Unsubscribe", "Re: отписаться", "stop")), "")

    def _returned_to(self) -> Iterator[bytes]:
        """Of those whose mail came back, half had subscribed."""
        returned = self.random.choice(self._returned)
        joined = self.random.random() < 0.5
        address = self._person(returned.status or ("subscribed" if joined else ""))
        if joined:
            yield self._notice(address, JOINED)
        day = self._day()
        head = f"Delivered-To: {OWN}\nReceived: from a.example by {SERVER}; {day}\n{self._results()}".encode()
        yield head + returned.raw.replace(returned.recipient, address.encode())

    def _complained(self) -> Iterator[bytes]:
        address = self._person("complained")
        yield self._notice(address, JOINED)
        text = (
            f"--b\n\nAn email was marked as spam.\n--b\nContent-Type: message/feedback-report\n\nFeedback-Type: abuse\n"
            f"User-Agent: x/1\nVersion: 1\nOriginal-Rcpt-To: {address}\n\n--b--"
        )
        kind = "Content-Type: multipart/report; report-type=feedback-report; boundary=b\n"
        yield self._mail("fbl@provider.example", "Complaint", text, more=kind)

    def _came_back(self) -> Iterator[bytes]:
        address = self._person("unsubscribed")
        yield self._notice(address, LEFT)
        yield self._notice(address, JOINED)

    def _forged(self) -> Iterator[bytes]:
        """Notices that the service never sent, some with a header of their own that says it did."""
        text = f"Email Address: {self._person('')}\n"
        results = self.random.choice(
            (
                f"Authentication-Results: {SERVER}; dkim=none; dmarc=fail header.from=mailchimp.com\n",
                f"Authentication-Results: {SERVER}; dkim=pass header.d=evil.example\n",
                f'Authentication-Results: {SERVER}; spf=pass smtp.mailfrom="; dkim=pass header.d=mailchimp.com"@e.x\n',
                f"Authentication-Results: {SERVER}; spf=none\nAuthentication-Results: {SERVER}; dkim=pass "
                "header.d=mailchimp.com\n",
                "Authentication-Results: mx.evil.example; dkim=pass header.d=mailchimp.com\n",
            )
        )
        yield self._mail("Mailchimp <no-reply@mailchimp.com>", self.random.choice(JOINED), text, results=results)

    def _foreign(self) -> Iterator[bytes]:
        """Another group's notices, in the same mailbox."""
        address = self._person("")
        yield self._notice(address, JOINED, to="news@other.example")

    def _wrote(self) -> Iterator[bytes]:
        yield self._reply(self._person(""))

    def _away(self) -> Iterator[bytes]:
        more = "Auto-Submitted: auto-replied\n"
        yield self._mail(self._person(""), "Out of office", "I am away until Monday. unsubscribe", more=more)

    def _forwarded(self) -> Iterator[bytes]:
        """A colleague forwards what a notice says of somebody."""
        text = f"See below.\n\n> From: no-reply@mailchimp.com\n> Email Address: {self._person('')}\n"
        yield self._mail(self._person(""), "Fwd: New Subscriber", text)

    def _other(self) -> Iterator[bytes]:
        text = "The agenda of the meeting.\n" * self.random.randint(5, 400)
        yield self._mail(OWN, "Agenda", text, to=self._person(""))

    # -- emails

    def _person(self, status: str) -> str:
        self._number += 1
        host = self.random.choice(("gmail.com", "mail.ru", "reader.example", "пример.рф".encode("idna").decode()))
        address = f"{self.random.choice(('ada', 'boris', 'vera.k', 'zoya+news'))}{self._number}@{host}"
        self.truth[address] = status
        return address

    def _notice(self, address: str, subjects: tuple[str, ...], to: str = OWN) -> bytes:
        label = self.random.choice(("Email Address", "Email", "E-mail", "Эл. почта"))
        text = f"{label}: {address}\nFirst Name: Ada\n\n--\nMailchimp, 405 N Angier Ave. help@mailchimp.com\n"
        passed = f"Authentication-Results: {SERVER};\n\tdkim=pass header.i=@mailchimp.com header.s=k1;\n\tspf=pass\n"
        sender = "=?utf-8?Q?No=20Reply=20=2D=20Mailchimp?= <no-reply@mailchimp.com>"
        return self._mail(sender, self.random.choice(subjects), text, results=passed, to=to, encoded=True)

    def _reply(self, address: str) -> bytes:
        signature = "".join(f"Email: colleague{number}@office.example\n" for number in range(10))
        quoted = "> To leave, click unsubscribe\n> Email: somebody@else.example\n"
        return self._mail(address, "Re: Letter", f"Thank you for this.\n\n{quoted}\n-- \n{signature}")

    def _mail(
        self, sender: str, subject: str, text: str, *, to: str = OWN, results: str = "", more: str = "",
        encoded: bool = False,
    ) -> bytes:  # fmt: skip
        body = text.encode()
        if encoded:
            body, more = self._encoded(body, more)
        day = self._day()
        head = (
            f"Delivered-To: {to}\n{results or self._results()}Received: from a.example by {SERVER}; {day}\n"
            f"From: {sender}\nTo: {to}\nSubject: {subject}\nDate: {day}\nMIME-Version: 1.0\n{more}\n"
        )
        return head.encode() + body

    def _encoded(self, body: bytes, more: str) -> tuple[bytes, str]:
        """As plain text or HTML, in one of the encodings."""
        kind = "plain"
        if self.random.random() < 0.3:
            kind, body = "html", b"<html><body><p>" + body.replace(b"\n", b"<br>\n") + b"</p></body></html>"
        encoding = self.random.choice(("8bit", "base64", "quoted-printable"))
        body = {"base64": base64.encodebytes, "quoted-printable": quopri.encodestring}.get(encoding, bytes)(body)
        return body, f"{more}Content-Type: text/{kind}; charset=utf-8\nContent-Transfer-Encoding: {encoding}\n"

    def _results(self) -> str:
        return f"Authentication-Results: {SERVER}; spf=none\n"

    def _day(self) -> str:
        return format_datetime(
            FIRST + timedelta(days=self.random.randrange(DAYS), seconds=self.random.randrange(80_000))
        )


def _corpus(disputed: bool) -> Iterator[Returned]:
    """Messages about a single recipient whose address stands in their bytes, and of whom it is clear what follows."""
    for line in (FILES / "truth.jsonl").read_text().splitlines():
        row = json.loads(line)
        raw, recipients = (FILES / row["file"]).read_bytes(), {event["recipient"] for event in row["events"]}
        recipient = (recipients.pop() or "").encode() if len(recipients) == 1 else b""
        reasons = {event["reason"] for event in row["events"]}
        if len(recipient) < 6 or recipient not in raw or (row["file"] in DISPUTED and not disputed):
            continue
        if row["kind"] == "hard" and reasons <= DEAD:
            yield Returned(raw, recipient, "cleaned")
        elif row["kind"] == "soft":
            yield Returned(raw, recipient, "")
        elif row["kind"] in ("complaint", "unsubscribe"):
            yield Returned(raw, recipient, {"complaint": "complained"}.get(row["kind"], "unsubscribed"))


def _quoted(raw: bytes) -> bytes:
    return raw.replace(b"\nFrom ", b"\n>From ").rstrip(b"\n")


if __name__ == "__main__":
    raise SystemExit(main())
