"""How long *Deliverability* and `samizdat report` count through 1,000,000 deliveries.

python -m bench report [--deliveries 1000000] [--rounds 5] [--only sqlite|postgresql]

Fifty campaigns within a year to 20,000 of 100,000 subscribers each, and a welcome email that went to 20,000 of them. Of
each campaign's recipients 4 % wrote, bounced later or complained. Counted is a year, as the page does it.
"""

import argparse
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bench import common

SECONDS = 0.7
CAMPAIGNS, PEOPLE, WELCOMED = 50, 100_000, 20_000
# Out of so many recipients one report came in.
REPORTED = 25


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench report", description=__doc__)
    parser.add_argument("--deliveries", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", choices=common.VENDORS)
    options = parser.parse_args()
    return common.on_each_database(options, "bench.report", lambda place: _measured(options, place))


def _measured(options: argparse.Namespace, place: Path) -> int:
    common.open_data(place)
    from samizdat.accounts.actions import found_organization
    from samizdat.incoming import deliverability
    from samizdat.vault import keyring

    now = datetime.now(UTC)
    organization = found_organization("Northern Lantern", source=keyring.open_source(), today=now.date())
    _furnished(organization, options.deliveries // CAMPAIGNS, now)
    seconds = []
    for _round in range(options.rounds):
        begun = time.perf_counter()
        report = deliverability.report(organization, 365, now.date(), 25)
        seconds.append(time.perf_counter() - begun)
    totals = report.seen.totals
    common.say(f"{options.only}: {common.spread(seconds, 2)} s; {dict(totals)}")
    return common.conclude([common.Target(f"{options.only}: report of a year", common.median(seconds), SECONDS, "s")])


def _furnished(organization: Any, each: int, now: datetime) -> None:
    from django.db import connection

    from samizdat.audience.actions import new_list
    from samizdat.audience.models import Subscriber, row_id
    from samizdat.delivery.models import Route

    made = new_list(organization, "The Thursday Letter", now=now)
    Subscriber.objects.bulk_create(
        [
            Subscriber(
                id=row_id(organization.pk, number), organization=organization, sealed=b"",
                email_index=number.to_bytes(16), joined=now.date(), provider=number % 8,
            )
            for number in range(1, PEOPLE + 1)
        ],
        batch_size=5_000,
    )  # fmt: skip
    route = Route.objects.create(organization=organization, name="relay", settings_sealed=b"", changed=now)
    for place in range(CAMPAIGNS):
        at = now - timedelta(days=7 * place)
        _sent(organization, made, route, [(at, (place * 1000 + row) % PEOPLE + 1) for row in range(each)], at)
    welcomed = [(now - timedelta(days=number % 365), number) for number in range(1, WELCOMED + 1)]
    _sent(organization, made, route, welcomed, now - timedelta(days=400), welcome=1)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def _sent(
    organization: Any, made: Any, route: Any, people: list[tuple[datetime, int]], at: datetime, welcome: int = 0
) -> None:
    from samizdat.campaigns.models import Campaign, Edition
    from samizdat.core.bounce.report import KINDS
    from samizdat.core.mail.ledger import State
    from samizdat.delivery.models import Delivery, ProviderTotal, RouteTotal
    from samizdat.incoming.models import MailReport

    many = len(people)
    campaign = Campaign.objects.create(
        organization=organization, list=made, draft_sealed=b"", state="finished", created=at, changed=at, released=at,
        welcome=welcome, frozen=many, accepted=many, unsubscribes=40,
    )  # fmt: skip
    edition = Edition.objects.create(
        campaign=campaign, organization=organization, compiled_sealed=b"", details_sealed=b"", link_key=1,
        message_id_domain="lantern.example", created=at,
    )  # fmt: skip
    Delivery.objects.bulk_create(
        [
            Delivery(edition=edition, number=number, state=State.ACCEPTED, answer=0, route=route, day=day.date())
            for day, number in people
        ],
        batch_size=10_000,
    )
    RouteTotal.objects.create(edition=edition, route=route, accepted=many, unsubscribed=40)
    ProviderTotal.objects.bulk_create(
        ProviderTotal(edition=edition, provider=place, state=State.ACCEPTED, count=many // 8, unsubscribed=5)
        for place in range(8)
    )
    kinds = [KINDS.index(kind) for kind in ("hard", "soft", "complaint", "reply")]
    MailReport.objects.bulk_create(
        [
            MailReport(
                organization=organization, mail=edition.pk, position=place, edition=edition, number=number,
                kind=kinds[place % 4], day=day.date(),
            )
            for place, (day, number) in enumerate(people[::REPORTED])
        ],
        batch_size=5_000,
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
