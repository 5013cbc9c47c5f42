"""A group with people on a list, a frozen letter, and a sender that works until a campaign stands still."""

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, NoReturn

import pytest

from samizdat.core.crypto import seal
from tests.conftest import TODAY
from tests.smtp_server import ScriptedServer

FIRST_NUMBER = 1001
BODY = "Dear {{ FNAME }},\n\nread [our news](https://lantern.example/news).\n"


class House:
    """One organization with a list, its people by number, and what a test wants to know about them."""

    def __init__(self, organization: Any, domain: str = "lantern.example") -> None:
        from samizdat.audience.actions import fields_for, new_list
        from samizdat.vault import keyring

        self.organization, self.domain = organization, domain
        self.keys = keyring.keys(organization)
        self.list = new_list(organization, "News", now=datetime.now(UTC))
        self.field = fields_for(organization, {"FNAME": "First name"})["FNAME"]

    def people(self, count: int, domains: int = 7) -> list[str]:
        """So many more subscribers who agreed; their addresses, in the order of their numbers."""
        from samizdat.audience import headcount, sealed_subscribers
        from samizdat.audience.models import Subscriber, Subscription, row_id

        first = FIRST_NUMBER + Subscriber.objects.count()
        addresses = [f"reader{number}@mail{number % domains}.example" for number in range(first, first + count)]
        rows = []
        for number, address in enumerate(addresses, start=first):
            values, index = {seal.ADDRESS: address, self.field: f"Reader {number}"}, self.keys.blind(address)
            rows.append(
                Subscriber(
                    id=row_id(self.organization.id, number),
                    organization=self.organization,
                    sealed=sealed_subscribers.sealed(self.keys, values, number, index),
                    email_index=index,
                    provider=number % 3,
                    joined=TODAY,
                )
            )
        Subscriber.objects.bulk_create(rows)
        headcount.add(self.organization.id, len(rows))
        Subscription.objects.bulk_create(
            Subscription(subscriber=row, list=self.list, status=1, mail_verdict=1, since=TODAY) for row in rows
        )
        return addresses

    def number(self, address: str) -> int:
        return int(address.partition("@")[0].removeprefix("reader"))

    def agree_to_appeals(self, *addresses: str) -> None:
        """They, or all of those on the list."""
        from samizdat.audience.models import ConsentRecord, Subscription, row_id
        from samizdat.core import consent

        numbers = [row_id(self.organization.id, self.number(address)) for address in addresses]
        rows = Subscription.objects.filter(list=self.list, **({"subscriber__in": numbers} if numbers else {}))
        ConsentRecord.objects.bulk_create(
            ConsentRecord(
                organization=self.organization, subscriber_id=row.subscriber_id, list=self.list, sealed=b"", day=TODAY,
                kind=consent.KINDS.index("given"), purpose=1, channel=consent.WAYS.index("form"), digest=b"",
            )
            for row in rows
        )  # fmt: skip
        rows.update(fundraising_verdict=consent.YES)

    def leave(self, address: str) -> None:
        """The reader left the list, as audience.unsubscribe writes it."""
        from samizdat.audience.models import Subscription, row_id

        row = row_id(self.organization.id, self.number(address))
        Subscription.objects.filter(subscriber=row, list=self.list).update(status=2, mail_verdict=3)

    def draft(self, body: str = BODY, **more: str) -> Any:
        from samizdat.campaigns.actions import create
        from samizdat.campaigns.drafts.draft import Draft

        sender = f"news@{self.domain}"
        draft = Draft(subject="News", from_name="Lantern", from_email=sender, body=body, **more)
        return create(self.organization, self.list, draft, by=None, now=datetime.now(UTC))

    def released(self, **how: Any) -> Any:
        from samizdat.delivery.actions import release

        return release(self.draft(), now=datetime.now(UTC), **how)

    def route(self, server: ScriptedServer, name: str = "main", **how: Any) -> Any:
        from samizdat.delivery.actions import add_route

        return add_route(self.organization, name, server.url, now=datetime.now(UTC), **how)


@pytest.fixture
def house(transactional_db: Any, vault: Any, founding: Callable[[Any], Any]) -> House:
    """Northern Lantern with a list; rows are committed, since threads meet in the database."""
    made = founding(vault)
    # Where it is about noon: no day ends while a test counts what went out on one.
    made.timezone = f"Etc/GMT{datetime.now(UTC).hour - 12:+d}"
    made.save(update_fields=["timezone"])
    return House(made)


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as running:
        yield running


@pytest.fixture
def second() -> Iterator[ScriptedServer]:
    with ScriptedServer() as running:
        yield running


class Running:
    """A sender in a thread of its own, until the block ends. Where it broke, whoever waits for it is told at once."""

    there: ClassVar[set["Running"]] = set()

    def __init__(self) -> None:
        from samizdat.delivery.engine.sender import run_sender

        self.stop = threading.Event()
        self.error: BaseException | None = None

        def work() -> None:
            from django.db import connection

            try:
                run_sender(self.stop)
            except BaseException as error:  # Shown by the test that it belongs to.
                self.error = error
            finally:
                connection.close()

        self.thread = threading.Thread(target=work, name="sender under test", daemon=True)

    def __enter__(self) -> "Running":
        self.there.add(self)
        self.thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.there.discard(self)
        self.stop.set()
        self.thread.join(60)
        assert not self.thread.is_alive(), "the sender did not stop"
        if self.error is not None and not any(exc):
            raise self.error


@pytest.fixture
def running() -> type[Running]:
    return Running


def killed(*_: object, **__: object) -> NoReturn:
    """In the place of whatever a process was killed at."""
    raise KeyboardInterrupt


def until(holds: Callable[[], Any], seconds: float = 240.0) -> None:
    """Waits for something to become true; the test fails when it does not. Only pauses count, and ever longer ones: a
    machine that is busy takes its time, and who asks the database a hundred times a second is what keeps it busy."""
    pause = 0.01
    while not holds():
        for running in Running.there:
            if running.error is not None:
                raise running.error
        assert seconds > 0, "it never came true"
        time.sleep(pause)
        seconds -= pause
        pause = min(pause * 1.5, 0.1)


@pytest.fixture(autouse=True)
def clean_journals() -> Iterator[None]:
    yield
    folder = os.path.join(os.environ["SAMIZDAT_DATA"], "journals")
    if os.path.isdir(folder):
        left = [name for name in os.listdir(folder) if name.startswith("worker-")]
        for name in left:
            os.unlink(os.path.join(folder, name))
        shutil.rmtree(os.path.join(folder, "kept"), ignore_errors=True)


def clock_was_set(now: datetime) -> None:
    """As delivery/clock_jumps.py writes it down when the clock was set a minute ago."""
    from samizdat.delivery.models import Clock

    patient = now + timedelta(minutes=59)
    Clock.objects.update_or_create(pk=1, defaults={"boot": bytes(16), "ticks": 0, "seen": now, "patient": patient})


def run_until_still(campaign_id: int) -> dict[str, Any]:
    """Sends until a campaign waits for something or owes nobody a first try, however long the machine takes for that;
    its books."""
    from samizdat.campaigns.models import Campaign
    from samizdat.delivery.engine.sender import run_campaign
    from samizdat.delivery.queries import status

    stop = threading.Event()

    def work() -> None:
        from django.db import connections

        try:
            run_campaign(campaign_id, 120, stop)
        finally:
            connections.close_all()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        rows = Campaign.objects.filter(pk=campaign_id)
        until(lambda: rows.exclude(state="sending", pending__gt=0).exists() or not thread.is_alive(), 240)
    finally:
        stop.set()
        thread.join(60)
    return status(Campaign.objects.get(pk=campaign_id))
