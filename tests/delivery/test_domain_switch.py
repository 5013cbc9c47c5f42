"""A spare domain takes the place of one that was lost: what is still to go comes from it, and what went stays."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from samizdat.accounts import actions as accounts
from samizdat.accounts import pending_changes
from samizdat.accounts.default_sender import DefaultSender
from samizdat.accounts.models import PendingChange, Person
from samizdat.accounts.sealed_settings import leading
from samizdat.audience import queries as audience
from samizdat.campaigns import ab_test, edition_details
from samizdat.campaigns.ab_test import VersionChange
from samizdat.campaigns.actions import save
from samizdat.campaigns.drafts.copy import copy
from samizdat.campaigns.drafts.draft import draft_of
from samizdat.campaigns.models import Campaign, Edition
from samizdat.campaigns.senders import default_sender, sender_of
from samizdat.delivery import dkim_keys, sealed_domains, service_senders
from samizdat.delivery.actions import default_senders, domain_switch, domains, release, spare_check, welcome
from samizdat.delivery.engine.sender import run_campaign
from samizdat.delivery.errors import DomainRefused
from samizdat.delivery.models import SendingDomain
from samizdat.events.actions import detail_of
from samizdat.events.models import Event
from samizdat.worker.inbox.link_keys import own_mailboxes
from tests.conftest import PASSWORD, TODAY
from tests.delivery.conftest import House, killed
from tests.dns_server import NameServer
from tests.smtp_server import ScriptedServer

OLD, NEW = "lantern.example", "beacon.example"
HOUR = timedelta(hours=1)


def _now() -> datetime:
    return datetime.now(UTC)


def _signing(house: House, name: str) -> SendingDomain:
    row = domains.add_domain(house.organization, name, now=_now(), algorithms=("ed25519",))
    domains.say_published(row.keys.get(), now=_now())
    domains.activate(row.keys.get(), now=_now())
    return row


@pytest.fixture
def old(house: House, server: ScriptedServer) -> SendingDomain:
    """In use for everything."""
    house.people(3)
    house.route(server)
    row = _signing(house, OLD)
    settings = {"return_address": f"bounces@{OLD}", "unsubscribe_mailbox": f"leave@{OLD}"}
    accounts.change_settings(house.organization, by=None, now=_now(), **settings)
    default_senders.set_for_organization(house.organization, DefaultSender("Lantern", f"news@{OLD}"), now=_now())
    return row


@pytest.fixture
def spare(house: House, old: SendingDomain) -> SendingDomain:
    row = _signing(house, NEW)
    domain_switch.keep_spare(row, now=_now())
    return row


def _admin(house: House, name: str) -> Person:
    person = accounts.add_person(f"{name}@elsewhere.example", name=name, password=PASSWORD, today=TODAY)
    accounts.give_role(person, house.organization, "admin", by=None, now=_now() - timedelta(days=3))
    return person


def _sender(campaign: Campaign) -> str:
    return draft_of(Campaign.objects.get(pk=campaign.pk)).from_email


def _state(campaign: Campaign) -> str:
    return Campaign.objects.get(pk=campaign.pk).state


def _refusal(row: SendingDomain, old: str = "") -> DomainRefused:
    with pytest.raises(DomainRefused) as refused:
        domain_switch.switch(row, old, now=_now())
    return refused.value


# --- what takes the new sender ---


def test_settings_lists_and_drafts_are_at_the_spare_domain(house: House, spare: SendingDomain) -> None:
    default_senders.set_for_list(
        house.list, DefaultSender("", f"list@letters.{OLD}", "clara@elsewhere.example"), now=_now()
    )
    draft = house.draft(reply_to=f"editors@{OLD}")
    result = domain_switch.switch(spare, now=_now())
    assert result.drafts == 1 and not result.left
    kept = leading(house.organization)
    assert (kept.return_address, kept.unsubscribe_mailbox) == (f"bounces@{NEW}", f"leave@{NEW}")
    assert kept.default_sender == DefaultSender("Lantern", f"news@{NEW}")
    house.list.refresh_from_db()
    sender = audience.details_of(house.list).default_sender
    assert sender == DefaultSender("", f"list@letters.{NEW}", "clara@elsewhere.example")
    campaign = Campaign.objects.get(pk=draft.pk)
    assert (draft_of(campaign).from_email, draft_of(campaign).reply_to) == (f"news@{NEW}", f"editors@{NEW}")


def test_an_address_at_a_third_domain_stays(house: House, spare: SendingDomain) -> None:
    house.domain = "umbrella.example"
    other = house.draft()
    domain_switch.switch(spare, OLD, now=_now())
    assert _sender(other) == "news@umbrella.example"


def test_the_versions_of_a_test_come_from_there_too(house: House, spare: SendingDomain) -> None:
    draft = house.draft()
    changes = [VersionChange(from_email=f"clara@{OLD}")]
    ab_test.plan(draft, changes, share=50, way="replies", at=_now() + HOUR, by=None, now=_now())
    domain_switch.switch(spare, now=_now())
    assert [version.change.from_email for version in ab_test.versions(draft)] == ["", f"clara@{NEW}"]


def test_what_is_scheduled_goes_at_its_time_from_the_new_sender(house: House, spare: SendingDomain) -> None:
    at = _now() + HOUR
    campaign = release(house.draft(), now=_now(), at=at, unsure="hold", quiet="none")
    result = domain_switch.switch(spare, now=_now())
    assert result.scheduled == [campaign.pk] and not result.left
    campaign = Campaign.objects.get(pk=campaign.pk)
    assert (campaign.state, campaign.not_before) == ("scheduled", at)
    assert (campaign.unsure_policy, campaign.quiet_hours) == ("hold", "none")
    edition = Edition.objects.select_related("organization").get(campaign=campaign)
    assert edition_details.opened(house.keys, edition).from_email == f"news@{NEW}"


def test_where_a_second_person_has_to_agree_it_stays_a_draft(house: House, spare: SendingDomain) -> None:
    vera = _admin(house, "vera")
    campaign = release(house.draft(), now=_now(), at=_now() + HOUR)
    accounts.change_settings(house.organization, by=None, now=_now(), requires_approval=True)
    result = domain_switch.switch(spare, now=_now(), by=vera)
    assert result.scheduled == [] and [*result.left] == [campaign.pk]
    assert (_state(campaign), _sender(campaign)) == ("draft", f"news@{NEW}")


def test_a_campaign_under_way_is_paused_and_keeps_what_was_released(house: House, spare: SendingDomain) -> None:
    campaign = house.released()
    Campaign.objects.filter(pk=campaign.pk).update(accepted=1, pending=2)
    before = bytes(Edition.objects.get(campaign=campaign).details_sealed)
    assert domain_switch.switch(spare, now=_now()).paused == [campaign.pk]
    assert (_state(campaign), _sender(campaign)) == ("paused", f"news@{OLD}")
    assert bytes(Edition.objects.get(campaign=campaign).details_sealed) == before


def test_it_goes_on_where_nobody_wants_it_paused(house: House, spare: SendingDomain) -> None:
    campaign = house.released()
    assert domain_switch.switch(spare, now=_now(), pauses=False).paused == []
    assert _state(campaign) == "sending"


def test_a_welcome_email_is_on_from_the_new_sender(house: House, spare: SendingDomain) -> None:
    accounts.change_settings(house.organization, by=None, now=_now(), postal_address="Brivibas 1, Riga")
    campaign = welcome.begin(house.list, now=_now())
    draft = draft_of(campaign).with_(subject="Welcome", body="Glad to have you.", format="markdown")
    save(campaign, draft, version=campaign.version, by=None, now=_now())
    campaign = welcome.switch_on(Campaign.objects.get(pk=campaign.pk), now=_now())
    assert _sender(campaign) == f"news@{OLD}"
    assert not domain_switch.switch(spare, now=_now()).left
    on = welcome.status(house.list).on
    assert on is not None and on.pk != campaign.pk and _sender(on) == f"news@{NEW}"


# --- what was sent before ---


def test_letters_of_before_are_written_again_from_the_new_sender(
    house: House, spare: SendingDomain, server: ScriptedServer
) -> None:
    campaign = house.released()
    assert run_campaign(campaign.pk, 120)["ended"] == "finished"
    domain_switch.switch(spare, now=_now())
    campaign = Campaign.objects.select_related("organization", "list").get(pk=campaign.pk)
    assert _sender(copy(campaign, by=None, now=_now())) == f"news@{NEW}"
    assert sender_of(house.list) == ("Lantern", f"news@{NEW}")
    default_senders.set_for_organization(house.organization, DefaultSender(), now=_now())
    assert default_sender(house.list, campaign).email == f"news@{NEW}"


def test_mail_to_the_old_return_address_still_comes_in(house: House, spare: SendingDomain) -> None:
    domain_switch.switch(spare, now=_now())
    addresses = own_mailboxes()[0]["addresses"]
    assert addresses == [f"bounces@{NEW}", f"leave@{NEW}", f"bounces@{OLD}", f"leave@{OLD}"]


def test_mails_to_the_team_come_from_the_domain_in_use(house: House, spare: SendingDomain) -> None:
    accounts.change_settings(house.organization, by=None, now=_now(), return_address="")
    assert service_senders.own_sender(house.organization) == ("Northern Lantern", f"samizdat@{OLD}")
    domain_switch.switch(spare, now=_now())
    assert service_senders.own_sender(house.organization) == ("Northern Lantern", f"samizdat@{NEW}")


# --- undone ---


def test_a_switch_back_undoes_it(house: House, spare: SendingDomain, old: SendingDomain) -> None:
    draft, before = house.draft(), leading(house.organization)
    domain_switch.switch(spare, now=_now())
    old.refresh_from_db()
    assert [sealed_domains.is_spare(row) for row in (old, spare)] == [True, False]
    domain_switch.switch(old, now=_now())
    after = leading(house.organization)
    names = ("return_address", "unsubscribe_mailbox", "default_sender")
    assert [getattr(after, name) for name in names] == [getattr(before, name) for name in names]
    assert _sender(draft) == f"news@{OLD}"
    events = Event.objects.filter(kind="domain.switched").order_by("id")
    assert [(detail_of(event)["from"], detail_of(event)["domain"]) for event in events] == [(OLD, NEW), (NEW, OLD)]


def test_killed_half_way_the_same_again_goes_on(
    house: House, spare: SendingDomain, monkeypatch: pytest.MonkeyPatch
) -> None:
    drafts = [house.draft(), house.draft()]
    with monkeypatch.context() as patch:
        patch.setattr(domain_switch, "_change_settings", killed)
        with pytest.raises(KeyboardInterrupt):
            domain_switch.switch(spare, OLD, now=_now())
    assert leading(house.organization).return_address == f"bounces@{OLD}"
    domain_switch.switch(spare, OLD, now=_now())
    assert leading(house.organization).return_address == f"bounces@{NEW}"
    assert {_sender(draft) for draft in drafts} == {f"news@{NEW}"}


# --- who may, and when it is refused ---


def test_one_admin_alone_prepares_no_spare_domain_and_switches_to_a_prepared_one_at_once(
    house: House, spare: SendingDomain
) -> None:
    vera, zoya = _admin(house, "vera"), _admin(house, "zoya")
    domain_switch.keep_spare_no_more(spare, now=_now(), by=vera)
    domain_switch.keep_spare(spare, now=_now(), by=vera)
    assert not sealed_domains.is_spare(spare)
    change = PendingChange.objects.get(kind="domain_spare")
    assert "beacon.example is kept as a spare domain" in pending_changes.sentence_of(change)
    pending_changes.approve(change, now=_now(), by=zoya)
    spare.refresh_from_db()
    domain_switch.switch(spare, now=_now(), by=vera)
    assert leading(house.organization).return_address == f"bounces@{NEW}"


def test_a_domain_that_is_no_spare_one_is_refused(house: House, old: SendingDomain) -> None:
    assert _refusal(_signing(house, NEW)).code == "not_spare"


def test_a_state_that_was_put_back_makes_no_spare_domain(house: House, spare: SendingDomain) -> None:
    before = bytes(spare.state_sealed)
    domain_switch.keep_spare_no_more(spare, now=_now())
    SendingDomain.objects.filter(pk=spare.pk).update(state_sealed=before)
    spare.refresh_from_db()
    assert not sealed_domains.is_spare(spare)
    assert _refusal(spare).code == "not_spare"


def test_a_domain_that_would_be_lost_with_it_is_refused(house: House, old: SendingDomain) -> None:
    row = _signing(house, f"letters.{OLD}")
    domain_switch.keep_spare(row, now=_now())
    assert _refusal(row, OLD).code == "same_domain"


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[NameServer]:
    """DNS as the gate asks it: nothing is published."""
    monkeypatch.setattr("socket.gethostname", lambda: "mail.lantern.example")
    with NameServer() as running:
        monkeypatch.setenv("SAMIZDAT_DNS", running.place)
        yield running


def test_a_spare_domain_without_its_records_is_refused_and_nothing_changes(
    house: House, spare: SendingDomain, names: NameServer
) -> None:
    draft = house.draft()
    refused = _refusal(spare)
    assert refused.code == "gate" and f"Add TXT _dmarc.{NEW} with the value" in str(refused)
    assert leading(house.organization).return_address == f"bounces@{OLD}" and _sender(draft) == f"news@{OLD}"


def test_an_admin_allows_it_without_them_for_a_reason(house: House, spare: SendingDomain, names: NameServer) -> None:
    domains.allow_without_records(spare, "The registrar is on strike.", now=_now())
    domain_switch.switch(spare, now=_now())
    assert leading(house.organization).return_address == f"bounces@{NEW}"


def test_with_its_records_it_goes(house: House, spare: SendingDomain, names: NameServer) -> None:
    _publish(names, spare)
    domain_switch.switch(spare, now=_now())
    assert leading(house.organization).return_address == f"bounces@{NEW}"


def _publish(names: NameServer, row: SendingDomain) -> None:
    key = dkim_keys.domain_row(row).keys[0]
    names.records |= {key.name: [key.text], f"_dmarc.{NEW}": ["v=DMARC1; p=none"], NEW: ["v=spf1 mx -all"]}
    names.hosts |= {(NEW, "MX"): [f"10 mail.{NEW}."]}


def _looked(house: House) -> list[str]:
    """Names of the spare domains that aren't ready, after a look at their records."""
    for number in spare_check.organizations(_now()):
        spare_check.look(number, _now())
    return [row.name for row, _event in spare_check.unready(house.organization)]


def test_a_spare_domain_that_loses_its_records_is_noticed_before_it_is_needed(
    house: House, spare: SendingDomain, names: NameServer
) -> None:
    _publish(names, spare)
    assert _looked(house) == []
    records = dict(names.records)
    names.records.clear()
    assert _looked(house) == [NEW] and _looked(house) == [NEW]
    names.records |= records
    assert _looked(house) == []
    kinds = Event.objects.filter(kind__startswith="domain.spare_").order_by("id").values_list("kind", flat=True)
    assert [*kinds] == ["domain.spare_unready", "domain.spare_ready"]


def test_name_servers_that_do_not_answer_change_nothing_about_a_spare_domain(
    house: House, spare: SendingDomain, names: NameServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _looked(house) == [NEW]
    _publish(names, spare)
    monkeypatch.setattr("samizdat.delivery.sending_gate.asker", lambda: lambda name, kind: None)
    assert _looked(house) == [NEW] and spare_check.is_ready(spare) is None


def test_a_spare_domain_that_is_allowed_without_records_is_ready(
    house: House, spare: SendingDomain, names: NameServer
) -> None:
    domains.allow_without_records(spare, "The registrar is on strike.", now=_now())
    assert spare_check.is_ready(spare) and _looked(house) == []


def test_what_a_switch_would_change_is_shown_before(house: House, spare: SendingDomain) -> None:
    accounts.change_settings(house.organization, by=None, now=_now(), public_url=f"https://www.{OLD}")
    draft = house.draft()
    planned = domain_switch.plan(spare, OLD)
    assert planned.drafts == [draft.pk] and planned.public_host == f"www.{OLD}"
    assert planned.addresses == {
        f"bounces@{OLD}": f"bounces@{NEW}", f"leave@{OLD}": f"leave@{NEW}", f"news@{OLD}": f"news@{NEW}"
    }  # fmt: skip
    assert domain_switch.domains_in_use(house.organization) == [OLD]
