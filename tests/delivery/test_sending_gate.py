"""Nothing is released from a domain that mailbox providers would refuse: each wrong zone is named, with the remedy."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from samizdat.accounts.actions import change_settings
from samizdat.campaigns import sender_domain_check
from samizdat.core.mail import spf
from samizdat.delivery import dkim_keys, sealed_domains, sending_gate
from samizdat.delivery.actions import add_route, domains
from samizdat.delivery.errors import DomainRefused
from samizdat.delivery.models import SendingDomain
from samizdat.events.actions import detail_of
from samizdat.events.models import Event
from tests.delivery.conftest import House
from tests.delivery.wrong_zones import DOMAIN, NOW, WRONG, WrongZone, Zone, findings, refusal, sentence
from tests.dns_server import NameServer
from tests.smtp_server import ScriptedServer


@pytest.fixture
def zone(house: House, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Zone]:
    """House, route and key as they should be; the server's own name is in DNS."""
    monkeypatch.setattr("socket.gethostname", lambda: "mail.lantern.example")
    house.people(2)
    house.route(server)
    row = domains.add_domain(house.organization, DOMAIN, now=NOW, algorithms=("ed25519",))
    domains.say_published(row.keys.get(), now=NOW)
    domains.activate(row.keys.get(), now=NOW)
    with NameServer() as names:
        monkeypatch.setenv("SAMIZDAT_DNS", names.place)
        yield Zone(names, dkim_keys.domain_row(row).keys[0])


def test_a_domain_with_all_its_records_is_sent_from(house: House, zone: Zone) -> None:
    assert findings(house) == {}
    assert refusal(house) == ""


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.title)
def test_each_wrong_zone_is_named_with_what_to_type(
    house: House, zone: Zone, monkeypatch: pytest.MonkeyPatch, wrong: WrongZone
) -> None:
    if wrong.code == "spf_provider":
        monkeypatch.setitem(spf.PROVIDERS, "127.0.0.1", "relay.example")
    wrong.spoil(zone)
    assert findings(house, wrong.sender) == {wrong.code: wrong.severity}
    named = sentence(house, wrong.code, wrong.sender)
    assert wrong.words in named
    refused = refusal(house, wrong.sender)
    assert (named in refused) if wrong.severity == "stop" else refused == ""


def test_the_seventeenth_answers_nothing_and_stops_nothing(
    house: House, zone: Zone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender_domain_check, "PATIENCE", 0.1)
    zone.names.silent = True
    assert set(findings(house).values()) == {"unknown"}
    assert refusal(house) == ""


def test_what_one_server_did_not_say_hides_nothing_that_another_did(house: House, zone: Zone) -> None:
    zone.names.failing.add(DOMAIN)
    zone.txt(f"_dmarc.{DOMAIN}")
    assert findings(house) == {
        "spf_unanswered": "unknown",
        "return_unanswered": "unknown",
        "dmarc_missing": "stop",
    }


def test_without_a_signature_spf_alone_is_enough_and_without_either_nothing_goes(
    house: House, zone: Zone, monkeypatch: pytest.MonkeyPatch
) -> None:
    domains.remove_domain(SendingDomain.objects.get(), now=NOW)
    change_settings(house.organization, by=None, now=NOW, return_address=f"back@{DOMAIN}")
    assert findings(house) == {"dkim_none": "care"}
    assert refusal(house) == ""
    zone.txt(DOMAIN)
    assert findings(house) == {"dkim_none": "stop", "spf_missing": "stop"}
    assert refusal(house).count("%") == 0 and "has no SPF record" in refusal(house)


def test_bounces_at_another_organization_do_not_count_for_spf(house: House, zone: Zone) -> None:
    change_settings(house.organization, by=None, now=NOW, return_address="back@elsewhere.example")
    zone.txt("elsewhere.example", "v=spf1 ip4:192.0.2.25 -all")
    zone.names.hosts["elsewhere.example", "MX"] = ["10 mail.lantern.example."]
    assert findings(house) == {"return_unaligned": "care"}


def test_an_admin_allows_a_domain_with_a_reason_that_is_logged(house: House, zone: Zone) -> None:
    zone.txt(f"_dmarc.{DOMAIN}")
    row = SendingDomain.objects.get()
    with pytest.raises(DomainRefused):
        domains.allow_without_records(row, " ", now=NOW)
    domains.allow_without_records(row, "The registrar is on strike.", now=NOW)
    event = Event.objects.get(kind="domain.allowed")
    assert detail_of(event) == {"domain": DOMAIN, "reason": "The registrar is on strike."}
    assert dkim_keys.domain_row(row).allowed == "The registrar is on strike."
    assert dkim_keys.domain_row(row).active, "it signs as before"
    assert refusal(house) == ""
    domains.require_records(row, now=NOW)
    assert "_dmarc.lantern.example" in refusal(house)


def test_whoever_writes_the_database_puts_no_permission_back(house: House, zone: Zone) -> None:
    zone.txt(f"_dmarc.{DOMAIN}")
    row = SendingDomain.objects.get()
    domains.allow_without_records(row, "The registrar is on strike.", now=NOW)
    kept = bytes(SendingDomain.objects.get().state_sealed)
    domains.require_records(row, now=NOW)
    SendingDomain.objects.update(state_sealed=kept)
    assert sealed_domains.allowed_reason(SendingDomain.objects.select_related("organization").get()) == ""
    assert "_dmarc.lantern.example" in refusal(house)


def test_an_approval_of_the_domain_keeps_the_permission(house: House, zone: Zone) -> None:
    row = SendingDomain.objects.select_related("organization").get()
    domains.allow_without_records(row, "The registrar is on strike.", now=NOW)
    row.refresh_from_db()
    domains.approve_domain(row, DOMAIN)
    assert sealed_domains.allowed_reason(row) == "The registrar is on strike."


def test_a_name_for_examples_is_held_back_only_where_its_dns_was_named(
    house: House, zone: Zone, monkeypatch: pytest.MonkeyPatch
) -> None:
    zone.txt(f"_dmarc.{DOMAIN}")
    monkeypatch.delenv("SAMIZDAT_DNS")
    assert not sending_gate.applies(house.organization, DOMAIN)
    assert sending_gate.applies(house.organization, "lantern.org")
    assert refusal(house) == ""


def test_what_stays_in_a_folder_needs_no_records(house: House, zone: Zone, tmp_path: Path, server: Any) -> None:
    from samizdat.delivery.models import Route

    zone.txt(f"_dmarc.{DOMAIN}")
    Route.objects.update(state="removed")
    add_route(house.organization, "paper", f"folder://{tmp_path}", now=NOW)
    assert refusal(house) == ""
    house.route(server, "second")
    assert "_dmarc.lantern.example" in refusal(house)
