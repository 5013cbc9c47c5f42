"""The demo's year: every fourth Thursday a campaign, and between them people who join, leave, or lose their mailbox.

Nothing of it is written by hand. The clock of this process is put back a year, and the product itself does all that it
would have done then: it imports, seals, sends by SMTP, and logs.
"""

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from django.db import transaction

from samizdat import dbclock
from samizdat.accounts.models import Organization
from samizdat.audience import actions as audience
from samizdat.audience.models import List, Subscriber, row_id
from samizdat.cli import bootstrap
from samizdat.cli.demo import letters
from samizdat.cli.demo.export import FIRST, LAST, LATIN, make_mailchimp_export
from samizdat.cli.demo.parameters import DOMAINS, MARK, PEOPLE
from samizdat.core.mail.ledger import State
from samizdat.delivery import clock_jumps
from samizdat.delivery.actions import release
from samizdat.delivery.actions.unsubscribe_totals import add_unsubscribes
from samizdat.delivery.engine.sender import run_campaign
from samizdat.delivery.models import Clock, Delivery

if TYPE_CHECKING:
    from samizdat.campaigns.models import Campaign

# Days: from the foundation to today, and between two campaigns.
YEAR, ROUND = 365, 28
CAMPAIGNS = len(letters.YEAR) + 1  # And the one that was finished last.
SIGN_UPS = 8  # Between two campaigns.
PAPER = (45, 80, 60, 95, 50, 70, 40, 85, 110, 65, 90, 75)  # So many signed on paper after each campaign but the last.
IMPORTED = PEOPLE - CAMPAIGNS * SIGN_UPS - sum(PAPER)
_UNSUBSCRIBED = (3, 6, 2, 4, 7, 3, 5)  # By campaign, again and again.
MOST_SECONDS = 60.0


@contextmanager
def another_time(moment: datetime) -> Iterator[None]:
    """Within it the clock of this process begins at `moment`, and may be put forward by `put_to`."""
    dbclock.hear(moment, time.monotonic())
    try:
        yield
    finally:
        dbclock.forget()
        _forget_jumps()


def put_to(moment: datetime) -> None:
    dbclock.hear(moment, time.monotonic())
    _forget_jumps()


def _forget_jumps() -> None:
    """That the clock was set is no news of this machine's."""
    clock_jumps.forget()
    Clock.objects.all().delete()


def first_day(now: datetime) -> datetime:
    """When the organization was founded: in the morning."""
    return _morning(now - timedelta(days=YEAR))


def thursdays(now: datetime) -> list[datetime]:
    """When the campaigns of the year were sent, the last one between two and eight days ago."""
    last = _morning(now - timedelta(days=2))
    last -= timedelta(days=(last.weekday() - 3) % 7)
    return [last - timedelta(days=ROUND * back) for back in range(CAMPAIGNS - 1, -1, -1)]


def _morning(day: datetime) -> datetime:
    return day.astimezone(UTC).replace(hour=8, minute=5, second=0, microsecond=0)


def import_first(organization: Organization, list_: List) -> None:
    """The same way as everybody's: a zip that looks like Mailchimp's, through the import."""
    with tempfile.TemporaryDirectory(prefix="samizdat-demo-export-") as folder:
        export = Path(folder) / "members_export_5a1ad47a7e.zip"
        make_mailchimp_export(export, IMPORTED, domains=DOMAINS, mark=MARK)
        audience.direct(organization, list_, [export], now=bootstrap.now)


def live_between(organization: Organization, list_: List, sent: "Campaign", number: int, until: datetime) -> None:
    """What follows a campaign, before the next one at `until`: who left by it, who has no mailbox any more, who came.
    number: of the campaign, from 0."""
    start = bootstrap.now()
    put_to(start + timedelta(days=1, hours=5))
    _unsubscribe(organization, list_, sent, _UNSUBSCRIBED[number % len(_UNSUBSCRIBED)])
    for gone in Delivery.objects.filter(edition=sent.edition.pk, state=State.REFUSED).values_list("number", flat=True):
        row = Subscriber.objects.get(pk=row_id(organization.pk, gone))
        audience.suppress(organization, "bounce", subscriber=row, now=bootstrap.now())
    step = (until - start) / (SIGN_UPS + 1)
    for more in range(SIGN_UPS):
        put_to(max(bootstrap.now(), start + step * (more + 1)))
        _sign_up(organization, list_, PEOPLE + number * SIGN_UPS + more)
        if more == SIGN_UPS // 2 and number < len(PAPER):
            begin = 10_000 + 1_000 * number
            _import_paper(organization, list_, range(begin, begin + PAPER[number]))


def send(campaign: "Campaign") -> None:
    release(campaign, now=bootstrap.now(), unsure="hold")
    run_campaign(campaign.pk, MOST_SECONDS)
    campaign.refresh_from_db()


def _unsubscribe(organization: Organization, list_: List, sent: "Campaign", many: int) -> None:
    """By the link in their email, as the worker takes it up (worker/inbox/unsubscribes.py)."""
    edition = sent.edition.pk
    got = (
        Delivery.objects.filter(edition=edition, state=State.ACCEPTED)
        .order_by("number")
        .values_list("number", flat=True)
    )
    numbers = list(got)[many * 7 :: max(1, len(got) // many)][:many]
    with transaction.atomic():
        for number in numbers:
            row = Subscriber.objects.get(pk=row_id(organization.pk, number))
            audience.unsubscribe(row, list_, way="one-click", now=bootstrap.now(), letter=str(edition))
        add_unsubscribes(organization, dict.fromkeys(((edition, number) for number in numbers), 1))


def _sign_up(organization: Organization, list_: List, number: int) -> None:
    """In the form, and confirmed by the link in our email."""
    address, first, language = _invented(number)
    row = audience.sign_up(
        organization,
        address,
        list_,
        wording=letters.CONSENT,
        now=bootstrap.now(),
        values={"FNAME": first},
        language=language,
    )
    audience.confirm(row, list_, now=bootstrap.now())


def _import_paper(organization: Organization, list_: List, numbers: range) -> None:
    """What somebody typed from a paper list."""
    lines = [f"{address},{first}" for address, first, _language in map(_invented, numbers)]
    with tempfile.TemporaryDirectory(prefix="samizdat-demo-paper-") as folder:
        file = Path(folder) / f"paper-list-{bootstrap.now():%Y-%m}.csv"
        file.write_text("\n".join(["Email Address,First Name", *lines, ""]), encoding="utf-8")
        basis = letters.ON_PAPER
        audience.direct(organization, list_, [file], now=bootstrap.now, status="subscribed", basis=basis)


def _invented(number: int) -> tuple[str, str, str]:
    """(address, first name, language) of one who was in no export."""
    first, last = FIRST[number % len(FIRST)], LAST[number // 7 % len(LAST)]
    local = "".join(LATIN.get(sign, sign) for sign in f"{first}.{last}".lower())
    return f"{local}{number}{MARK}@{DOMAINS[number % len(DOMAINS)]}", first, "en" if first.isascii() else "ru"
