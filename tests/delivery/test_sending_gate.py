"""Nothing is released from a domain that mailbox providers would refuse: each wrong zone is named, with the remedy."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from samizdat.accounts.actions import change_settings
from samizdat.accounts.sealed_settings import leading
from samizdat.campaigns import sender_domain_check
from samizdat.campaigns.actions import create
from samizdat.campaigns.drafts.draft import draft_of
from samizdat.campaigns.models import Campaign
from samizdat.core.mail import spf
from samizdat.delivery import dkim_keys, sealed_domains, sending_gate
from samizdat.delivery.actions import add_route, domains, release
from samizdat.delivery.errors import DomainRefused, NotReleasable
from samizdat.delivery.models import SendingDomain
from samizdat.events.actions import detail_of
from samizdat.events.models import Event
from tests.delivery.conftest import House
from tests.dns_server import NameServer
from tests.smtp_server import ScriptedServer

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
SENDER = "news@lantern.example"
DOMAIN = "lantern.example"
# No key of ours, and one cut off.
ANOTHER = f"v=DKIM1; k=ed25519; p={'A' * 43}="
CUT = "v=DKIM1; k=ed25519; p=AAAA"


class Zone:
    """lantern.example as it should be, and what a test makes wrong of it."""

    def __init__(self, names: NameServer, key: dkim_keys.KeyRow) -> None:
        self.names, self.key = names, key
        names.records |= {
            DOMAIN: ["v=spf1 include:relay.example a:mail.lantern.example -all"],
            "relay.example": ["v=spf1 ip4:198.51.100.0/24 -all"],
            key.name: [key.text],
            f"_dmarc.{DOMAIN}": ["v=DMARC1; p=none; rua=mailto:dmarc@lantern.example"],
        }
        names.hosts |= {
            (DOMAIN, "MX"): ["10 mail.lantern.example."],
            ("mail.lantern.example", "A"): ["192.0.2.25"],
            ("25.2.0.192.in-addr.arpa", "PTR"): ["mail.lantern.example."],
        }

    def txt(self, name: str, *values: str) -> None:
        if values:
            self.names.records[name] = [*values]
        else:
            del self.names.records[name]


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


def _letter(house: House, sender: str = SENDER) -> Campaign:
    draft = replace(draft_of(house.draft()), from_email=sender)
    return create(house.organization, house.list, draft, by=None, now=NOW)


def _findings(house: House, sender: str = SENDER) -> dict[str, str]:
    """Severity by code of what isn't fine."""
    verdicts = sending_gate.verdicts(house.organization, leading(house.organization), sender)
    every = sending_gate.findings(verdicts)
    return {finding.code: finding.severity for finding in every if finding.severity != "good"}


def _refusal(house: House, sender: str = SENDER) -> str:
    try:
        release(_letter(house, sender), now=NOW)
    except NotReleasable as refused:
        return str(refused)
    return ""


def test_a_domain_with_all_its_records_is_sent_from(house: House, zone: Zone) -> None:
    assert _findings(house) == {}
    assert _refusal(house) == ""


def _strict(zone: Zone) -> None:
    zone.txt(f"_dmarc.{DOMAIN}", "v=DMARC1; p=none; adkim=s; rua=mailto:dmarc@lantern.example")
    zone.txt("letters.lantern.example", "v=spf1 ip4:198.51.100.0/24 -all")
    zone.names.hosts["letters.lantern.example", "MX"] = ["10 mail.lantern.example."]


def _without_bounces(zone: Zone) -> None:
    del zone.names.hosts[DOMAIN, "MX"]


def _spf(record: str) -> Callable[[Zone], None]:
    return lambda zone: zone.txt(DOMAIN, record)


def _dmarc(*records: str) -> Callable[[Zone], None]:
    return lambda zone: zone.txt(f"_dmarc.{DOMAIN}", *records)


def _key(*records: str) -> Callable[[Zone], None]:
    return lambda zone: zone.txt(zone.key.name, *records)


def _mx(*hosts: str) -> Callable[[Zone], None]:
    return lambda zone: zone.names.hosts.update({(DOMAIN, "MX"): [*hosts]})


def _ptr(*names: str) -> Callable[[Zone], None]:
    return lambda zone: zone.names.hosts.update({("25.2.0.192.in-addr.arpa", "PTR"): [*names]})


WRONG = [
    pytest.param(
        lambda zone: zone.txt(DOMAIN), "spf_missing", "care", "v=spf1 a:mail.lantern.example ~all", id="no SPF"
    ),
    pytest.param(
        lambda zone: zone.txt(DOMAIN, "v=spf1 include:relay.example -all", "v=spf1 mx -all"),
        "spf_several", "care", "one TXT lantern.example with the value: v=spf1 ", id="two SPF records",
    ),
    pytest.param(_spf("v=spf1 mx +all"), "spf_everyone", "stop", "v=spf1 mx ~all", id="+all"),
    pytest.param(_spf("v=spf1" + " mx" * 11 + " -all"), "spf_lookups", "care", "ip4:", id="11 look-ups"),
    pytest.param(
        _spf("v=spf1 mx a:x.example a:y.example a:z.example -all"), "spf_void", "care", "v=spf1 mx -all",
        id="names that don't exist",
    ),
    pytest.param(_spf("v=spf1 ipv4:192.0.2.25 -all"), "spf_syntax", "care", "ipv4:192.0.2.25", id="SPF syntax"),
    pytest.param(
        _spf("v=spf1 mx -all"), "spf_provider", "care", "v=spf1 include:relay.example mx -all", id="no provider in SPF"
    ),
    pytest.param(_key(), "dkim_missing", "stop", "v=DKIM1; k=ed25519; p=", id="no DKIM record"),
    pytest.param(_key(ANOTHER), "dkim_other", "stop", "v=DKIM1; k=ed25519; p=", id="another key"),
    pytest.param(_key(CUT), "dkim_unreadable", "stop", "v=DKIM1; k=ed25519; p=", id="key cut off"),
    pytest.param(
        lambda zone: zone.txt(zone.key.name, f"{zone.key.text}; t=y"), "dkim_testing", "care", "(t=y)", id="t=y"
    ),
    pytest.param(
        _dmarc(), "dmarc_missing", "stop", "_dmarc.lantern.example with the value: v=DMARC1; p=none", id="no DMARC"
    ),
    pytest.param(
        _dmarc("v=DMARC1; p=none", "v=DMARC1; p=reject"), "dmarc_several", "stop", "v=DMARC1; p=none",
        id="two DMARC records",
    ),
    pytest.param(
        _dmarc("v=DMARC1; p=none; adkim=r;"), "dmarc_no_reports", "care",
        "v=DMARC1; p=none; adkim=r; rua=mailto:dmarc@lantern.example", id="p=none without reports",
    ),
    pytest.param(_dmarc("v=DMARC1; pct=100"), "dmarc_no_policy", "stop", "v=DMARC1; p=none", id="DMARC without p"),
    pytest.param(
        _strict, "dkim_strict", "care", "v=DMARC1; p=none; rua=mailto:dmarc@lantern.example", id="strict alignment"
    ),
    pytest.param(_spf("v=spf1 -all"), "spf_nobody", "care", "v=spf1 a:mail.lantern.example ~all", id="nobody allowed"),
    pytest.param(
        _spf("v=spf1 mx include:gone.example -all"), "spf_include", "care", "the value: v=spf1 mx -all",
        id="an include without a record",
    ),
    pytest.param(_key("v=DKIM1; k=ed25519; p="), "dkim_revoked", "stop", "v=DKIM1; k=ed25519; p=", id="key revoked"),
    pytest.param(
        _dmarc("v=DMARC; p=reject"), "dmarc_syntax", "stop", "the value: v=DMARC1; p=none", id="DMARC misspelled"
    ),
    pytest.param(
        _dmarc("v=DMARC1; p=rejct; rua=mailto:dmarc@lantern.example"), "dmarc_no_policy", "care",
        "v=DMARC1; p=none; rua=mailto:dmarc@lantern.example", id="policy misspelled",
    ),
    pytest.param(_mx("0 ."), "return_null", "stop", "replace MX lantern.example", id="null MX"),
    pytest.param(_ptr(), "ptr_missing", "care", "reverse DNS of 192.0.2.25 to: mail.lantern.example", id="no PTR"),
    pytest.param(
        _ptr("host25.provider.example."), "ptr_differs", "care", "says host25.provider.example", id="another PTR"
    ),
    pytest.param(_without_bounces, "return_none", "stop", "Add MX lantern.example", id="return path without MX"),
]  # fmt: skip


@pytest.mark.parametrize(("spoil", "code", "severity", "words"), WRONG)
def test_each_wrong_zone_is_named_with_what_to_type(
    house: House,
    zone: Zone,
    monkeypatch: pytest.MonkeyPatch,
    spoil: Callable[[Zone], None],
    code: str,
    severity: str,
    words: str,
) -> None:
    sender = SENDER
    if code == "spf_provider":
        monkeypatch.setitem(spf.PROVIDERS, "127.0.0.1", "relay.example")
    if code == "dkim_strict":
        sender = "news@letters.lantern.example"
    spoil(zone)
    assert _findings(house, sender) == {code: severity}
    records = sending_gate.look(house.organization, leading(house.organization), sender)
    (sentence,) = [record.sentence for record in records if record.code == code]
    assert words in sentence
    refusal = _refusal(house, sender)
    assert (sentence in refusal) if severity == "stop" else refusal == ""


def test_the_seventeenth_answers_nothing_and_stops_nothing(
    house: House, zone: Zone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender_domain_check, "PATIENCE_FOR_ALL", 0.2)
    zone.names.silent = True
    assert set(_findings(house).values()) == {"unknown"}
    assert _refusal(house) == ""


def test_what_one_server_did_not_say_hides_nothing_that_another_did(house: House, zone: Zone) -> None:
    zone.names.failing.add(DOMAIN)
    zone.txt(f"_dmarc.{DOMAIN}")
    assert _findings(house) == {
        "spf_unanswered": "unknown",
        "return_unanswered": "unknown",
        "dmarc_missing": "stop",
    }


def test_without_a_signature_spf_alone_is_enough_and_without_either_nothing_goes(
    house: House, zone: Zone, monkeypatch: pytest.MonkeyPatch
) -> None:
    domains.remove_domain(SendingDomain.objects.get(), now=NOW)
    change_settings(house.organization, by=None, now=NOW, return_address=f"back@{DOMAIN}")
    assert _findings(house) == {"dkim_none": "care"}
    assert _refusal(house) == ""
    zone.txt(DOMAIN)
    assert _findings(house) == {"dkim_none": "stop", "spf_missing": "stop"}
    assert _refusal(house).count("%") == 0 and "has no SPF record" in _refusal(house)


def test_bounces_at_another_organization_do_not_count_for_spf(house: House, zone: Zone) -> None:
    change_settings(house.organization, by=None, now=NOW, return_address="back@elsewhere.example")
    zone.txt("elsewhere.example", "v=spf1 ip4:192.0.2.25 -all")
    zone.names.hosts["elsewhere.example", "MX"] = ["10 mail.lantern.example."]
    assert _findings(house) == {"return_unaligned": "care"}


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
    assert _refusal(house) == ""
    domains.require_records(row, now=NOW)
    assert "_dmarc.lantern.example" in _refusal(house)


def test_whoever_writes_the_database_puts_no_permission_back(house: House, zone: Zone) -> None:
    zone.txt(f"_dmarc.{DOMAIN}")
    row = SendingDomain.objects.get()
    domains.allow_without_records(row, "The registrar is on strike.", now=NOW)
    kept = bytes(SendingDomain.objects.get().state_sealed)
    domains.require_records(row, now=NOW)
    SendingDomain.objects.update(state_sealed=kept)
    assert sealed_domains.allowed_reason(SendingDomain.objects.select_related("organization").get()) == ""
    assert "_dmarc.lantern.example" in _refusal(house)


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
    assert _refusal(house) == ""


def test_what_stays_in_a_folder_needs_no_records(house: House, zone: Zone, tmp_path: Path, server: Any) -> None:
    from samizdat.delivery.models import Route

    zone.txt(f"_dmarc.{DOMAIN}")
    Route.objects.update(state="removed")
    add_route(house.organization, "paper", f"folder://{tmp_path}", now=NOW)
    assert _refusal(house) == ""
    house.route(server, "second")
    assert "_dmarc.lantern.example" in _refusal(house)
