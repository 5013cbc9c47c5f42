"""An organization of 4,200 readers with dead addresses, and with a mailbox provider that rejects its emails."""

from samizdat.audience.models import Suppression
from samizdat.cli.campaign.status import books, status_of
from samizdat.delivery.actions import bounces, resume
from samizdat.delivery.engine.sender import run_campaign
from samizdat.worker.schedule import admin_alerts
from tests.delivery.conftest import House
from tests.delivery.test_bounces import GONE, dead, ended, now, suppressed
from tests.delivery.test_refusing import NO_DMARC, people_at, refuse
from tests.delivery.test_sending import books_balance
from tests.smtp_server import ScriptedServer
from tests.web.conftest import make_person

PEOPLE, DEAD, OF_GMAIL = 4_200, 115, 1_312


def recipients(server: ScriptedServer) -> set[str]:
    """To whom it was asked to deliver, whatever it answered."""
    return {line.partition("<")[2].partition(">")[0] for line in server.commands if line.startswith("RCPT")}


def test_115_dead_addresses_of_4200_are_met_by_one_campaign_and_by_no_other(
    house: House, server: ScriptedServer
) -> None:
    everybody = house.people(PEOPLE, domains=40)
    gone = set(everybody[::36][:DEAD])
    server.keep_content = False
    dead(server, gone, GONE)
    house.route(server)
    first = ended(house)
    assert (first.accepted, first.refused) == (PEOPLE - DEAD, DEAD) and len(gone) == DEAD
    assert suppressed(house) == gone
    assert recipients(server) == set(everybody)
    server.commands.clear()
    second = ended(house)
    assert (second.frozen, second.accepted, second.refused) == (PEOPLE - DEAD, PEOPLE - DEAD, 0)
    assert recipients(server) == set(everybody) - gone
    assert Suppression.objects.count() == DEAD


def test_1312_readers_of_a_provider_that_misses_a_record_wait_for_it_and_none_of_them_is_marked(
    house: House, server: ScriptedServer
) -> None:
    make_person("clara", "clara@lantern.example", house.organization, "admin")
    others, theirs = house.people(PEOPLE - OF_GMAIL, domains=40), people_at(house, "gmail.com", OF_GMAIL)
    refuse(server, NO_DMARC, "gmail.com")
    house.route(server)
    campaign = house.released()
    waiting = run_campaign(campaign.pk, 120)
    assert (waiting["state"], waiting["reason"]) == ("waiting", "provider")
    assert (waiting["accepted"], waiting["refused"], waiting["deferred"]) == (len(others), 0, OF_GMAIL)
    sentences = " ".join(books(status_of(campaign)))
    assert "does not have a DMARC record" in sentences and f"{OF_GMAIL:,} subscribers are waiting" in sentences
    assert "Publish what `samizdat domain records DOMAIN` prints." in sentences
    assert bounces.suppress_dead(now()) == 0
    admin_alerts._later.clear()
    assert admin_alerts.take(now()) == 1
    assert server.copies("clara@lantern.example") == 1
    server.forget()
    campaign.refresh_from_db()
    resume(campaign, now=now())
    assert ended(house, campaign).refused == 0
    assert server.counts() == dict.fromkeys([*others, *theirs, "clara@lantern.example"], 1)
    assert not Suppression.objects.exists()
    books_balance(campaign)
