"""Who leaves by plain email while a campaign is on its way gets nothing of it, and no web page is needed for it."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from samizdat.accounts.actions import change_settings
from samizdat.audience.actions.consent import confirm
from samizdat.audience.models import Subscription
from samizdat.audience.queries import subscriber_at
from samizdat.campaigns.models import Campaign
from samizdat.core.mail.by_mail import Command
from samizdat.incoming import by_mail, intake, processing
from samizdat.incoming.mailboxes import actions as mailboxes
from samizdat.worker.publishing import publish
from tests.delivery.conftest import House, Running, until
from tests.smtp_server import ScriptedServer

URL = "pop3s://news%40lantern.example:secret@pop.lantern.example"


def now() -> datetime:
    return datetime.now(UTC)


def comes_in(house: House, raw: bytes, to: str) -> None:
    """As any door hands it over, and as the worker reads it."""
    intake.take(house.organization, raw, [to], now().date())
    processing.process(house.organization, now())


def says_yes_to_leaving(house: House, address: str) -> None:
    token = by_mail.proof(house.organization, Command("leave"), house.number(address), now())
    to = f"news+{token}@lantern.example"
    comes_in(house, f"From: {address}\r\nTo: {to}\r\nSubject: Re: leave\r\n\r\nyes\r\n".encode(), to)


def uses_the_address_of_an_earlier_email(house: House, server: ScriptedServer, address: str) -> None:
    """Which email programs do by themselves (List-Unsubscribe)."""
    [earlier] = [message for message in server.messages if message.recipient == address]
    [line] = [line for line in earlier.content.split(b"\r\n") if b"<mailto:" in line]
    to = line.partition(b"<mailto:")[2].partition(b">")[0].partition(b"?")[0].decode()
    comes_in(house, f"From: {address}\r\nTo: {to}\r\nSubject: unsubscribe\r\n\r\n\r\n".encode(), to)


# What is fed ahead goes out in a second or two; who leaves has to be before that, on a busy machine as well.
PEOPLE = 160


@pytest.mark.parametrize("how", ["a yes", "the address of an earlier email"])
def test_who_leaves_by_mail_in_the_middle_of_a_send_gets_nothing_of_it(
    house: House, server: ScriptedServer, running: Callable[[], Running], how: str
) -> None:
    change_settings(house.organization, by=None, now=now(), unsubscribe_mailbox="news@lantern.example")
    mailboxes.add(house.organization, "news", URL, now=now())
    publish.publish_place(house.organization)
    addresses = house.people(PEOPLE)
    leaver = subscriber_at(house.organization, addresses[-1])
    assert leaver is not None
    confirm(leaver, house.list, now=now())
    house.route(server, rate="20/s")
    with running():
        if how != "a yes":
            earlier = house.released()
            until(lambda: Campaign.objects.get(pk=earlier.pk).state == "finished")
        before = len(server.messages)
        campaign = house.released()
        until(lambda: len(server.messages) >= before + 5)
        if how == "a yes":
            says_yes_to_leaving(house, addresses[-1])
        else:
            uses_the_address_of_an_earlier_email(house, server, addresses[-1])
        assert Subscription.objects.exclude(status=1).count() == 1 and len(server.messages) < before + PEOPLE / 2
        until(lambda: Campaign.objects.get(pk=campaign.pk).state == "finished")
    campaign.refresh_from_db()
    assert (campaign.accepted, campaign.suppressed) == (PEOPLE - 1, 1)
    assert addresses[-1] not in {message.recipient for message in server.messages[before:]}
