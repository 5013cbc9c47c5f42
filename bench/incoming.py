"""What came in, from raw bytes to what follows from it: messages a second and core.

python -m bench incoming [--messages 3040] [--people 40000] [--rounds 3] [--only sqlite|postgresql]

The messages are the 304 real ones of tests/payloads, each with a signed return address of a subscriber of ours: about a
third say that an address doesn't exist, every 60th is a complaint. They are taken in a hundred at a time, as a poller
does it, sealed, opened, read by a helper without keys, and written down with what follows. CPU is that of this process,
of the helper and of PostgreSQL together. Beside it stands what three steps cost alone, below which nobody gets: reading
without a process, sealing, and opening.
"""

import argparse
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import batched
from pathlib import Path
from typing import Any

from bench import common

FILES = Path(__file__).parents[1] / "tests" / "payloads" / "bounces"
SECOND = 2_000.0
PORTION = 100
SENDER = "bounces@nordlicht.example"


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench incoming", description=__doc__.partition("\n\n")[0])
    parser.add_argument("--messages", type=int, default=3_040, help="of each round")
    parser.add_argument("--people", type=int, default=40_000)
    parser.add_argument("--rounds", type=int, default=common.ROUNDS)
    parser.add_argument("--only", choices=common.VENDORS)
    options = parser.parse_args()
    return common.on_each_database(options, "bench.incoming", lambda data: measure(data, options))


def measure(data: Path, options: argparse.Namespace) -> int:
    common.keep_bytecode()
    common.open_data(data)
    from samizdat import limited_process

    limited_process.begin()
    server, sent = common.postmaster(), SentCampaign(options.people)
    numbers = iter(range(1, options.people, options.messages))
    mixes = {"a standard report": standard(payloads()), "any message": payloads()}
    targets = []
    for name, raws in mixes.items():
        rates, steps = [], []
        for round_number in range(options.rounds + 1):
            first = next(numbers)
            work = sent.steps(raws, range(first, first + options.messages))
            costs = [_cpu(server, step) / options.messages for step in work]
            if round_number:  # The first one loads modules, begins the helper, and is left out.
                rates.append(1 / sum(costs))
                steps.append(costs)
        taking, processing = (1e6 * common.median(column) for column in zip(*steps, strict=True))
        common.say(f"{options.only}, {name}: {common.spread(rates)} messages a second and core")
        common.say(f"  {taking:.0f} us to take one in, {processing:.0f} us from there to what follows; alone:")
        common.say("  " + ", ".join(f"{cost:.0f} us {floor}" for floor, cost in sent.floors(raws)))
        targets.append(common.Target(f"{options.only}, {name}", common.median(rates), SECOND, "/s", most=False))
    common.say(", ".join(f"{count:,} {name}" for name, count in sent.counts().items()))
    return common.conclude(targets)


def payloads() -> list[bytes]:
    rows = [json.loads(line) for line in (FILES / "truth.jsonl").read_text().splitlines()]
    return [(FILES / row["file"]).read_bytes() for row in rows]


def standard(raws: Sequence[bytes]) -> list[bytes]:
    """As the mail servers of today write it (RFC 3464)."""
    return [raw for raw in raws if b"message/delivery-status" in raw and 2_500 < len(raw) < 6_000]


def _cpu(server: int | None, work: Callable[[], object]) -> float:
    """CPU seconds of all who take part."""
    began = common.cpu_of_tree(os.getpid()) + common.database_cpu(server)
    work()
    return common.cpu_of_tree(os.getpid()) + common.database_cpu(server) - began


class SentCampaign:
    """A campaign that was accepted for everybody today, and what comes back from it."""

    def __init__(self, people: int) -> None:
        from bench.letters import Bench
        from samizdat.accounts.actions import change_settings
        from samizdat.campaigns.actions import create
        from samizdat.campaigns.drafts.draft import Draft
        from samizdat.delivery.actions import add_route, release

        house, now = Bench(people), datetime.now(UTC)
        self.people, self.house = people, house
        folder = Path(os.environ["SAMIZDAT_DATA"]) / "out"
        add_route(house.organization, "out", f"folder://{folder}", now=now)
        change_settings(house.organization, by=None, now=now, return_address=SENDER)
        draft = Draft(subject="News", from_name="Nordlicht", from_email="news@nordlicht.example", body="Hello.")
        campaign = release(create(house.organization, house.list, draft, by=None, now=now), now=now)
        self.edition = self._accepted(campaign, now)

    def _accepted(self, campaign: Any, now: datetime) -> int:
        """As senders leave it."""
        from samizdat.campaigns.models import Campaign, Edition
        from samizdat.core.mail.ledger import State
        from samizdat.delivery.models import Delivery

        edition: int = Edition.objects.values_list("pk", flat=True).get(campaign=campaign)
        for numbers in batched(range(1, self.people + 1), 5_000):
            Delivery.objects.bulk_create(
                Delivery(edition_id=edition, number=number, state=State.ACCEPTED, answer=0, day=now.date())
                for number in numbers
            )
        Campaign.objects.filter(pk=campaign.pk).update(accepted=self.people, pending=0, state="sending")
        return edition

    def steps(self, raws: Sequence[bytes], numbers: range) -> Iterator[Callable[[], object]]:
        yield lambda: self.take_in(raws, numbers)
        yield self.process

    def take_in(self, raws: Sequence[bytes], numbers: range) -> None:
        from samizdat.core.crypto import tokens
        from samizdat.core.mail.return_address import with_token
        from samizdat.incoming import intake

        assert self.house.keys.link is not None
        make = tokens.TokenMaker(self.house.keys.link, "return")
        today = datetime.now(UTC).date()
        for some in batched(numbers, PORTION):
            messages = []
            for number in some:
                raw = raws[number % len(raws)]
                messages.append(
                    b"Delivered-To: " + with_token(SENDER, make(self.edition, number)).encode() + b"\r\n" + raw
                )
            intake.take_all(self.house.organization, [(raw, len(raw)) for raw in messages], today)

    def process(self) -> None:
        from samizdat.incoming import processing

        now = datetime.now(UTC)
        while processing.process(self.house.organization, now):
            pass

    def floors(self, raws: Sequence[bytes]) -> Iterator[tuple[str, float]]:
        """(name, microseconds a message) of steps alone."""
        from samizdat.core.bounce import reading
        from samizdat.core.mail import incoming_envelope
        from samizdat.incoming import intake
        from samizdat.incoming.models import IncomingMail

        yield "reading without a process", _each(raws, reading.read)
        boxes = [bytes(row.box) for row in IncomingMail.objects.order_by("pk")[: len(raws)]]
        key = intake.box_key(self.house.organization)
        sealer = incoming_envelope.EnvelopeSealer(bytes(self.house.organization.uid), key, os.urandom(32))
        letters = [incoming_envelope.Envelope((), len(raw), raw) for raw in raws]
        yield "sealing", _each(letters, lambda letter: sealer.seal(letter, os.urandom(12)))
        yield "opening", _each(boxes, intake.opener(self.house.organization).open)

    def counts(self) -> dict[str, int]:
        from samizdat.audience.models import Suppression
        from samizdat.incoming.models import IncomingMail, MailReport

        return {
            "messages": IncomingMail.objects.count(),
            "reports": MailReport.objects.count(),
            "of somebody": MailReport.objects.exclude(edition=None).count(),
            "suppressed": Suppression.objects.count(),
            "unreadable": IncomingMail.objects.filter(state=IncomingMail.UNREADABLE).count(),
        }


def _each[Item](items: Sequence[Item], work: Callable[[Item], object], rounds: int = 5) -> float:
    """Microseconds each, of the best round: others that work on this machine only make it longer."""
    took = []
    for _round in range(rounds):
        began = time.process_time()
        for item in items:
            work(item)
        took.append((time.process_time() - began) / len(items) * 1e6)
    return min(took)


if __name__ == "__main__":
    raise SystemExit(main())
