"""Nobody writes in the name of a domain that another organization of the installation has."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from msgspec.structs import replace

from samizdat.accounts import actions as accounts
from samizdat.accounts import sealed_settings, settings_note
from samizdat.accounts.actions import change_settings
from samizdat.accounts.models import Organization, Person
from samizdat.audience import actions as audience
from samizdat.audience.list_details import ListDetails
from samizdat.campaigns.actions import create
from samizdat.campaigns.drafts.draft import draft_of
from samizdat.campaigns.errors import ContentHasProblems
from samizdat.campaigns.models import Campaign
from samizdat.core.mail.outcome import Accepted
from samizdat.delivery import campaign_checks, database_progress, dkim_keys, domain_ownership, service_senders
from samizdat.delivery.actions import domains, due, finish_if_done, release, send_test, testing
from samizdat.delivery.errors import NotReleasable
from samizdat.delivery.models import DkimKey, SendingDomain
from samizdat.events import chain
from samizdat.vault import keyring
from samizdat.vault.models import VaultKey
from samizdat.worker.mail import service_mail
from tests.conftest import PASSWORD, TODAY
from tests.delivery.conftest import House, run_until_still
from tests.smtp_server import ScriptedServer

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


@pytest.fixture
def bell(house: House, vault: Any) -> Organization:
    """The neighbor. Bounces of the house's letters have a place."""
    change_settings(house.organization, by=None, now=NOW, return_address="back@lantern.example")
    return accounts.found_organization("Harbour Bell", source=vault, today=TODAY)


@pytest.fixture
def thief(bell: Organization) -> Person:
    return accounts.add_person("thief@bell.example", password=PASSWORD, today=TODAY)


def _hosts(organization: Organization, host: str = "bell.example") -> None:
    change_settings(organization, by=None, now=NOW, public_url=f"https://{host}")


def _says_it_signs(organization: Organization, by: Person | None, name: str = "bell.example") -> SendingDomain:
    row = domains.add_domain(organization, name, now=NOW, algorithms=("ed25519",))
    key = row.keys.get()
    domains.say_published(key, now=NOW, by=by)
    domains.activate(key, now=NOW)
    return row


def _proves(organization: Organization, name: str = "bell.example") -> SendingDomain:
    row = domains.add_domain(organization, name, now=NOW, algorithms=("ed25519",))
    texts = {key.name: [key.text] for key in dkim_keys.domain_row(row).keys}
    domains.look(row, now=NOW, look_up=lambda place: texts.get(place, []))
    return row


def _letter(house: House, sender: str) -> Campaign:
    draft = replace(draft_of(house.draft()), from_email=sender)
    return create(house.organization, house.list, draft, by=None, now=NOW)


def _stops(campaign: Campaign) -> set[str]:
    return {finding.code for finding in campaign_checks.look(campaign, NOW).findings if finding.severity == "stop"}


def _claims(bell: Organization, thief: Person, claim: str) -> None:
    {"host": _hosts, "signs": lambda row: _says_it_signs(row, thief), "proof": _proves}[claim](bell)


def _is_stopped(house: House, sender: str = "letter@bell.example") -> bool:
    return "domain_anothers" in _stops(_letter(house, sender))


@pytest.mark.parametrize("claim", ["host", "signs", "proof"])
def test_a_letter_from_a_domain_that_another_organization_has_does_not_go(
    house: House, bell: Organization, thief: Person, claim: str
) -> None:
    house.people(1)
    _claims(bell, thief, claim)
    for sender in ("letter@bell.example", "letter@news.bell.example"):
        campaign = _letter(house, sender)
        assert "domain_anothers" in _stops(campaign)
        with pytest.raises(NotReleasable, match="used by another organization on this server"):
            release(campaign, now=NOW)
    for sender in ("letter@northbell.example", "letter@example.org", "news@lantern.example"):
        campaign = _letter(house, sender)
        assert "domain_anothers" not in _stops(campaign)
        assert release(campaign, now=NOW).frozen == 1


def test_bounces_go_to_no_domain_that_another_organization_proved(house: House, bell: Organization) -> None:
    house.people(1)
    change_settings(house.organization, by=None, now=NOW, return_address="back@bell.example")
    _hosts(bell)
    assert not _stops(house.draft()), "who was first is not known here, so the form alone asks"
    _proves(bell)
    campaign = house.draft()
    assert _stops(campaign) == {"return_anothers"}
    with pytest.raises(NotReleasable, match="Bounces would go to back@bell"):
        release(campaign, now=NOW)


@pytest.mark.parametrize("claim", ["host", "signs", "proof"])
def test_who_proves_a_domain_writes_from_it_whoever_else_claims_it(
    house: House, bell: Organization, thief: Person, claim: str
) -> None:
    house.people(1)
    _claims(bell, thief, claim)
    _proves(house.organization)
    assert release(_letter(house, "letter@bell.example"), now=NOW).frozen == 1
    assert _is_stopped(house, "letter@bell.example") is False


def test_whoever_runs_the_server_says_whose_a_domain_is(house: House, bell: Organization) -> None:
    _proves(bell)
    row = _says_it_signs(house.organization, accounts.add_person("v@l.example", password=PASSWORD, today=TODAY))
    assert _is_stopped(house), "somebody's word at the desk is no proof"
    domains.say_published(row.keys.get(), now=NOW)
    assert not _is_stopped(house)


def test_a_claim_without_a_proof_stops_nobody_who_wrote_from_there_before(
    house: House, bell: Organization, thief: Person, server: ScriptedServer
) -> None:
    house.people(1)
    house.route(server)
    campaign = release(_letter(house, "letter@bell.example"), now=NOW)
    run_until_still(campaign.pk)
    finish_if_done(campaign.pk, NOW)
    _hosts(bell)
    _says_it_signs(bell, thief, "letters.bell.example")
    assert not _is_stopped(house)
    assert _is_stopped(house, "letter@letters.bell.example"), "from there nothing was written before"
    Campaign.objects.filter(pk=campaign.pk).update(state="cancelled")
    _letter(house, "letter@letters.bell.example")
    Campaign.objects.exclude(pk=campaign.pk).update(state="finished")
    assert _is_stopped(house, "letter@letters.bell.example"), "what a column says was written counts for nothing"
    Campaign.objects.filter(pk=campaign.pk).update(state="finished")
    _proves(bell)
    assert _is_stopped(house)


def test_a_claim_keeps_nobody_from_writing_from_a_provider_of_mailboxes(house: House, bell: Organization) -> None:
    _hosts(bell, "gmail.com")
    assert not _is_stopped(house, "lantern@gmail.com")


def test_what_was_removed_or_written_into_the_database_claims_nothing(
    house: House, bell: Organization, thief: Person
) -> None:
    Organization.objects.filter(pk=bell.pk).update(public_url="https://bell.example")
    forged = SendingDomain.objects.create(organization=bell, name="bell.example", made=TODAY)
    DkimKey.objects.create(domain=forged, algorithm="rsa", selector="s", public="AAAA", since=TODAY, state="active")
    assert not _is_stopped(house)
    forged.delete()
    row = _proves(bell)
    assert _is_stopped(house)
    domains.retire(row.keys.get(), now=NOW)
    assert not _is_stopped(house)
    domains.remove_domain(row, now=NOW)
    assert not _is_stopped(house)


def _away(bell: Organization, way: str) -> None:
    """What somebody who writes the database does for the instant of a release."""
    place = Organization.objects.filter(pk=bell.pk)
    place.update(public_url="https://nobody.example")
    SendingDomain.objects.filter(organization=bell).update(name="nobody.example")
    if way == "settings":
        place.update(settings_sealed=b"")
    elif way == "keys":
        VaultKey.objects.filter(organization=bell).update(wrapped=b"spoiled")
        keyring.forget_idle(-1)
    elif way == "all":
        place.delete()


@pytest.mark.parametrize("way", ["rows", "settings", "keys", "all"])
@pytest.mark.parametrize("claim", ["host", "signs", "proof"])
def test_a_domain_stays_another_organizations_while_its_rows_are_away_for_an_instant(
    house: House, bell: Organization, thief: Person, claim: str, way: str
) -> None:
    house.people(1)
    _claims(bell, thief, claim)
    chain.append()
    database_progress.note()
    _away(bell, way)
    with pytest.raises(NotReleasable, match="used by another organization on this server"):
        release(_letter(house, "letter@bell.example"), now=NOW)


def test_spoiled_settings_of_another_organization_stop_nobody_who_wrote_from_there_before_or_proved_it(
    house: House, bell: Organization, server: ScriptedServer
) -> None:
    house.people(1)
    house.route(server)
    campaign = release(_letter(house, "letter@lantern.example"), now=NOW)
    run_until_still(campaign.pk)
    finish_if_done(campaign.pk, NOW)
    _proves(house.organization, "proven.example")
    _away(bell, "settings")
    for sender in ("letter@lantern.example", "letter@proven.example", "lantern@gmail.com"):
        assert not _is_stopped(house, sender)


def test_a_campaign_that_went_out_from_another_organizations_domain_is_paused_while_it_is_sent(
    house: House, bell: Organization
) -> None:
    """The settings of the other one may have been older ones for the instant of the release."""
    house.people(1)
    Organization.objects.filter(pk=bell.pk).update(settings_sealed=_before(bell, _hosts))
    settings_note.forget()
    campaign = release(_letter(house, "letter@bell.example"), now=NOW)
    assert due.pause_from_others(NOW) == 0, "nobody knows yet"
    bell.save(update_fields=["settings_sealed"])
    with CaptureQueriesContext(connection) as asked:
        assert due.pause_from_others(NOW) == 1
    texts = [query["sql"] for query in asked if "compiled_sealed" in query["sql"]]
    assert not texts, "it would be all of all campaigns that wait, at once"
    campaign.refresh_from_db()
    assert campaign.state == "paused"


def _before(bell: Organization, change: Any) -> bytes:
    """Settings from before the change; it leaves `bell` as after it."""
    bell.refresh_from_db()
    before = bytes(bell.settings_sealed)
    change(bell)
    bell.refresh_from_db()
    return before


@pytest.mark.parametrize("claim", ["host", "proof"])
def test_what_another_organization_claims_after_a_release_pauses_nothing(
    house: House, bell: Organization, claim: str
) -> None:
    """Anybody may type a host into a form."""
    house.people(1)
    campaign = release(_letter(house, "letter@bell.example"), now=NOW)
    {"host": _hosts, "proof": _proves}[claim](bell)
    assert _is_stopped(house)
    assert due.pause_from_others(NOW) == 0
    campaign.refresh_from_db()
    assert campaign.state == "sending"


def test_a_key_that_was_seen_in_dns_stays_proved_when_it_is_approved_later(house: House, bell: Organization) -> None:
    row = _proves(bell)
    key = row.keys.get()
    domains.activate(key, now=NOW)
    assert dkim_keys.is_proven(row) and dkim_keys.signs(row)
    domains.rotate(row, now=NOW)
    assert dkim_keys.is_proven(row)


def test_a_test_letter_from_another_organizations_domain_is_not_sent(
    house: House, bell: Organization, server: ScriptedServer
) -> None:
    house.route(server)
    _hosts(bell)
    with pytest.raises(ContentHasProblems, match="used by another organization on this server"):
        send_test(_letter(house, "letter@bell.example"), ["clara@lantern.example"], now=NOW)
    assert not server.messages


def test_a_route_is_not_tested_from_another_organizations_domain(
    house: House, bell: Organization, server: ScriptedServer
) -> None:
    route = house.route(server)
    change_settings(house.organization, by=None, now=NOW, return_address="")
    _hosts(bell)
    _letter(house, "letter@bell.example")
    assert testing.send_probe(route, "clara@lantern.example", now=NOW).ok
    [mail] = server.messages
    assert mail.sender == "clara@lantern.example"


def test_mails_that_ask_to_confirm_come_from_no_domain_of_another_organization(
    house: House, bell: Organization
) -> None:
    details = ListDetails(from_name="Bell", from_email="letter@bell.example")
    list_ = audience.new_list(house.organization, "Friday", now=NOW, details=details)
    assert service_senders.sender_for(list_) == ("Bell", "letter@bell.example")
    _hosts(bell)
    assert service_senders.sender_for(list_) == ("Northern Lantern", "back@lantern.example")
    change_settings(house.organization, by=None, now=NOW, return_address="back@bell.example")
    _proves(bell)
    assert service_senders.sender_for(list_) is None


@pytest.mark.parametrize(("kept", "plain"), [("back@bell.example", "back"), ("@bell.example", "bounces")])
def test_what_comes_back_of_a_single_mail_goes_to_no_domain_of_another_organization(
    house: House, bell: Organization, server: ScriptedServer, kept: str, plain: str
) -> None:
    house.route(server)
    change_settings(house.organization, by=None, now=NOW, return_address=kept)
    sender = ("Northern Lantern", "letter@lantern.example")

    def send() -> str:
        outcome = service_mail.send(house.organization, sender, "ada@mail.example", "Hello", "Hello", NOW)
        assert isinstance(outcome, Accepted)
        return server.messages[-1].sender

    assert send() == f"{plain}@bell.example"
    _proves(bell)
    assert send() == ""


@pytest.mark.parametrize("address", ["back@host.example", "Back@host.example", "@host.example", "news@host.example"])
def test_mail_that_goes_to_another_organization_stays_theirs(house: House, bell: Organization, address: str) -> None:
    change_settings(bell, by=None, now=NOW, return_address="back@host.example", unsubscribe_mailbox="news@host.example")
    assert domain_ownership.is_anothers_mailbox(house.organization, address)
    assert not domain_ownership.is_anothers_mailbox(house.organization, "letters@host.example")
    assert not domain_ownership.is_anothers_mailbox(bell, "back@host.example")


def test_mail_to_a_domain_that_another_organization_gave_up_stays_theirs(house: House, bell: Organization) -> None:
    change_settings(bell, by=None, now=NOW, return_address="back@host.example")
    sealed_settings.keep_switched(bell, "former.example", "host.example")
    assert domain_ownership.is_anothers_mailbox(house.organization, "back@former.example")


def test_of_a_domain_that_is_all_anothers_no_address_is_free(house: House, bell: Organization) -> None:
    change_settings(bell, by=None, now=NOW, return_address="@host.example")
    assert domain_ownership.is_anothers_mailbox(house.organization, "letters@host.example")
