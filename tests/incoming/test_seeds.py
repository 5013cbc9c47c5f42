"""Copies of a campaign to seed mailboxes: sent by each of its routes, and found in the inbox, in spam, or nowhere."""

import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from samizdat.audience import actions as audience
from samizdat.delivery.models import Route
from samizdat.events.actions import detail_of
from samizdat.events.models import Event
from samizdat.incoming.mailboxes.settings import BadMailbox
from samizdat.incoming.models import SeedCopy, SeedMailbox
from samizdat.incoming.seeds import copies, mailboxes
from samizdat.worker.mail.organization_rounds import OrganizationRounds
from tests.delivery.conftest import House, run_until_still
from tests.incoming.dovecot import Dovecot, why_not
from tests.smtp_server import Certificates, ScriptedServer

WHY_NOT = why_not()
with_dovecot = pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)
SEED = "seed@post.example"


def now() -> datetime:
    return datetime.now(UTC)


class Seeded:
    """An organization with a route and a seed mailbox at Dovecot."""

    def __init__(self, house: House, server: ScriptedServer, dovecot: Dovecot, ca: Any) -> None:
        self.house, self.server, self.dovecot = house, server, dovecot
        house.people(3)
        house.route(server, connections=1)
        mailboxes.add(house.organization, "post", SEED, dovecot.url("imaps", f"ca={ca}"), now=now())

    def send(self) -> Any:
        campaign = self.house.released()
        run_until_still(campaign.pk)
        return campaign

    def go_on(self, later: timedelta = timedelta()) -> None:
        copies.go_on(self.house.organization.pk, now() + later)

    def copy(self) -> bytes:
        [caught] = [caught for caught in self.server.messages if caught.recipient == SEED]
        return bytes(caught.content)

    def states(self, campaign: Any) -> list[dict[str, str]]:
        return [
            {name: copies.WORDS[state] for name, state in row.states.items()} for row in copies.placements(campaign)
        ]

    def alarms(self) -> list[dict[str, Any]]:
        events = Event.objects.select_related("organization").filter(kind="campaign.not_arriving")
        return [detail_of(event) for event in events]


@pytest.fixture
def seeded(house: House, server: ScriptedServer, tmp_path: Path) -> Iterator[Seeded]:
    certificates = Certificates(tmp_path)
    with tempfile.TemporaryDirectory(prefix="dovecot-") as folder:
        running = Dovecot(Path(folder), certificates.issued("localhost"))
        try:
            for part in ("", "cur", "new", "tmp"):
                spam = Path(folder, "mail", ".Junk", part)
                spam.mkdir()
                spam.chmod(0o777)
            yield Seeded(house, server, running, certificates.ca)
        finally:
            running.end()


@with_dovecot
def test_a_copy_that_arrives_is_in_the_inbox_and_nobody_is_told(seeded: Seeded) -> None:
    campaign = seeded.send()
    seeded.go_on()
    assert b"[Test]" not in seeded.copy() and b"Subject: News" in seeded.copy()
    assert seeded.states(campaign) == [{"post": "on its way"}]
    seeded.dovecot.deliver(seeded.copy())
    seeded.go_on()
    assert seeded.states(campaign) == [{"post": "inbox"}]
    assert seeded.alarms() == []


@with_dovecot
def test_a_copy_in_spam_is_told_to_the_admins_once(seeded: Seeded) -> None:
    campaign = seeded.send()
    seeded.go_on()
    seeded.dovecot.deliver(seeded.copy(), "Junk")
    seeded.go_on()
    seeded.go_on()
    assert seeded.states(campaign) == [{"post": "spam"}]
    [told] = seeded.alarms()
    assert (told["copies"], told["spam"], told["missing"]) == (1, 1, 0)


@with_dovecot
def test_a_copy_that_never_arrives_is_missing_within_a_quarter_of_an_hour(seeded: Seeded) -> None:
    campaign = seeded.send()
    seeded.go_on()
    seeded.go_on(timedelta(minutes=11))
    assert seeded.states(campaign) == [{"post": "on its way"}] and seeded.alarms() == []
    seeded.go_on(timedelta(minutes=13))
    assert seeded.states(campaign) == [{"post": "missing"}]
    assert seeded.alarms()[0]["missing"] == 1


@with_dovecot
def test_a_copy_changes_no_book_of_the_campaign(seeded: Seeded) -> None:
    campaign = seeded.send()
    campaign.refresh_from_db()
    before = (campaign.frozen, campaign.accepted, campaign.refused, campaign.unsure)
    seeded.go_on()
    campaign.refresh_from_db()
    assert (campaign.frozen, campaign.accepted, campaign.refused, campaign.unsure) == before == (3, 3, 0, 0)


@with_dovecot
def test_each_route_that_carries_the_campaign_sends_one_copy_and_no_more(seeded: Seeded) -> None:
    seeded.send()
    for _round in range(3):
        seeded.go_on(timedelta(minutes=6))
    assert [caught.recipient for caught in seeded.server.messages].count(SEED) == 1


@with_dovecot
def test_a_mailbox_that_cannot_be_read_blames_no_route(seeded: Seeded) -> None:
    campaign = seeded.send()
    seeded.go_on()
    seeded.dovecot.end()
    seeded.go_on(timedelta(minutes=13))
    assert seeded.states(campaign) == [{"post": "mailbox not readable"}]
    assert mailboxes.seeds(seeded.house.organization)[0].fault == "no_connection"
    assert seeded.alarms() == []


@with_dovecot
def test_a_copy_that_the_server_refuses_is_rejected(seeded: Seeded) -> None:
    seeded.server.on("rcpt", "550 5.1.1 No such user", recipient=SEED)
    campaign = seeded.send()
    seeded.go_on()
    assert seeded.states(campaign) == [{"post": "rejected"}]


@with_dovecot
def test_whoever_was_killed_before_sending_leaves_the_copy_to_the_next(seeded: Seeded) -> None:
    campaign = seeded.send()
    copies._write_down(seeded.house.organization.pk, now())
    assert len(copies._unsent(seeded.house.organization.pk, now())) == 1  # And is killed.
    seeded.go_on()
    assert seeded.states(campaign) == [{"post": "to be sent"}]
    seeded.go_on(timedelta(minutes=6))
    assert seeded.states(campaign) == [{"post": "on its way"}]


@with_dovecot
def test_the_worker_begins_rounds_only_where_something_is_to_be_done(seeded: Seeded) -> None:
    assert copies.organizations(now()) == set()
    seeded.send()
    assert copies.organizations(now()) == {seeded.house.organization.pk}
    rounds = OrganizationRounds("seeds", copies.organizations, copies.go_on)
    rounds._run(seeded.house.organization.pk)
    seeded.dovecot.deliver(seeded.copy())
    rounds._run(seeded.house.organization.pk)
    assert copies.organizations(now()) == set()


@with_dovecot
def test_a_route_that_is_paused_meanwhile_sends_no_copies(seeded: Seeded) -> None:
    campaign = seeded.send()
    Route.objects.update(state="paused")
    assert copies.organizations(now()) == set()
    seeded.go_on()
    assert seeded.states(campaign) == [] and SEED not in {caught.recipient for caught in seeded.server.messages}


@with_dovecot
def test_a_copied_installation_sends_no_copies(seeded: Seeded) -> None:
    seeded.send()
    type(seeded.house.organization).objects.update(sending_locked=True)
    assert copies.organizations(now()) == set()


def test_a_seed_mailbox_is_read_by_imap_and_its_name_is_its_own(house: House) -> None:
    with pytest.raises(BadMailbox, match="IMAP"):
        mailboxes.add(house.organization, "post", SEED, "pop3s://seed:secret@post.example", now=now())
    mailboxes.add(house.organization, "post", SEED, "imaps://seed:secret@post.example", now=now())
    with pytest.raises(mailboxes.SeedTaken):
        mailboxes.add(house.organization, "post", "two@post.example", "imaps://two:secret@post.example", now=now())
    with pytest.raises(BadMailbox, match="already belongs"):
        mailboxes.add(house.organization, "other", SEED, "imaps://seed:secret@post.example", now=now())
    row = SeedMailbox.objects.get()
    assert b"secret" not in bytes(row.settings_sealed) and SEED.encode() not in bytes(row.settings_sealed)
    mailboxes.remove(house.organization, "post", now=now())
    assert not SeedMailbox.objects.exists() and not SeedCopy.objects.exists()


def test_whoever_left_or_is_suppressed_gets_no_copies(house: House, server: ScriptedServer) -> None:
    """Whose address somebody entered as a seed mailbox."""
    boris, vera, _ada = house.people(3)
    house.route(server, connections=1)
    house.leave(boris)
    audience.suppress(house.organization, "complaint", address=vera, now=now())
    for name, address in (("Boris", boris), ("Vera", vera)):
        mailboxes.add(house.organization, name, address, "imaps://seed:secret@imap.post.example", now=now())
    campaign = house.released()
    run_until_still(campaign.pk)
    copies.go_on(house.organization.pk, now())
    assert not {boris, vera} & {caught.recipient for caught in server.messages}
    [placement] = copies.placements(campaign)
    assert set(placement.states.values()) == {SeedCopy.REJECTED}
