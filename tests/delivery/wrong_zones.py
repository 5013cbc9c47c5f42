"""Zones of a sender that are wrong in one way each, what the sending gate says of them, and how it is asked."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

from msgspec.structs import replace

from samizdat.accounts.sealed_settings import leading
from samizdat.campaigns.actions import create
from samizdat.campaigns.drafts.draft import draft_of
from samizdat.campaigns.models import Campaign
from samizdat.campaigns.sender_domain_check import DnsRecord
from samizdat.delivery import sending_gate
from samizdat.delivery.actions import release
from samizdat.delivery.errors import NotReleasable
from tests.delivery.conftest import House

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
SENDER = "news@lantern.example"
DOMAIN = "lantern.example"
# No key of ours, and one cut off.
ANOTHER = f"v=DKIM1; k=ed25519; p={'A' * 43}="
CUT = "v=DKIM1; k=ed25519; p=AAAA"


class Names(Protocol):
    """TXT values by name, and others by name and type: of a server (tests/dns_server.py), or to be served."""

    records: dict[str, list[str]]
    hosts: dict[tuple[str, str], list[str]]


@dataclass
class WrittenNames:
    records: dict[str, list[str]] = field(default_factory=dict)
    hosts: dict[tuple[str, str], list[str]] = field(default_factory=dict)


class PublishedKey(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def text(self) -> str: ...


class Zone:
    """lantern.example as it should be, and what a test makes wrong of it."""

    def __init__(self, names: Names, key: PublishedKey) -> None:
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


def letter(house: House, sender: str = SENDER) -> Campaign:
    draft = replace(draft_of(house.draft()), from_email=sender)
    return create(house.organization, house.list, draft, by=None, now=NOW)


def findings(house: House, sender: str = SENDER) -> dict[str, str]:
    """Severity by code of what isn't fine."""
    verdicts = sending_gate.verdicts(house.organization, leading(house.organization), sender)
    every = sending_gate.findings(verdicts)
    return {finding.code: finding.severity for finding in every if finding.severity != "good"}


def sentence(house: House, code: str, sender: str = SENDER) -> str:
    """What is said of this finding."""
    records: list[DnsRecord] = sending_gate.look(house.organization, leading(house.organization), sender)
    (found,) = [record.sentence for record in records if record.code == code]
    return found


def refusal(house: House, sender: str = SENDER) -> str:
    try:
        release(letter(house, sender), now=NOW)
    except NotReleasable as refused:
        return str(refused)
    return ""


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


@dataclass(frozen=True)
class WrongZone:
    """spoil: what is wrong with it. code, severity: of the finding, whose sentence has these words."""

    title: str
    spoil: Callable[[Zone], object]
    code: str
    severity: str
    words: str
    sender: str = SENDER


WRONG = (
    WrongZone("no SPF", lambda zone: zone.txt(DOMAIN), "spf_missing", "care", "v=spf1 a:mail.lantern.example ~all"),
    WrongZone(
        "two SPF records",
        lambda zone: zone.txt(DOMAIN, "v=spf1 include:relay.example -all", "v=spf1 mx -all"),
        "spf_several",
        "care",
        "one TXT lantern.example with the value: v=spf1 ",
    ),
    WrongZone("+all", _spf("v=spf1 mx +all"), "spf_everyone", "stop", "v=spf1 mx ~all"),
    WrongZone("11 look-ups", _spf("v=spf1" + " mx" * 11 + " -all"), "spf_lookups", "care", "ip4:"),
    WrongZone(
        "names that don't exist",
        _spf("v=spf1 mx a:x.example a:y.example a:z.example -all"),
        "spf_void",
        "care",
        "v=spf1 mx -all",
    ),
    WrongZone("SPF syntax", _spf("v=spf1 ipv4:192.0.2.25 -all"), "spf_syntax", "care", "ipv4:192.0.2.25"),
    WrongZone(
        "no provider in SPF", _spf("v=spf1 mx -all"), "spf_provider", "care", "v=spf1 include:relay.example mx -all"
    ),
    WrongZone("no DKIM record", _key(), "dkim_missing", "stop", "v=DKIM1; k=ed25519; p="),
    WrongZone("another key", _key(ANOTHER), "dkim_other", "stop", "v=DKIM1; k=ed25519; p="),
    WrongZone("key cut off", _key(CUT), "dkim_unreadable", "stop", "v=DKIM1; k=ed25519; p="),
    WrongZone("t=y", lambda zone: zone.txt(zone.key.name, f"{zone.key.text}; t=y"), "dkim_testing", "care", "(t=y)"),
    WrongZone("no DMARC", _dmarc(), "dmarc_missing", "stop", "_dmarc.lantern.example with the value: v=DMARC1; p=none"),
    WrongZone(
        "two DMARC records",
        _dmarc("v=DMARC1; p=none", "v=DMARC1; p=reject"),
        "dmarc_several",
        "stop",
        "v=DMARC1; p=none",
    ),
    WrongZone(
        "p=none without reports",
        _dmarc("v=DMARC1; p=none; adkim=r;"),
        "dmarc_no_reports",
        "care",
        "v=DMARC1; p=none; adkim=r; rua=mailto:dmarc@lantern.example",
    ),
    WrongZone("DMARC without p", _dmarc("v=DMARC1; pct=100"), "dmarc_no_policy", "stop", "v=DMARC1; p=none"),
    WrongZone(
        "strict alignment",
        _strict,
        "dkim_strict",
        "care",
        "v=DMARC1; p=none; rua=mailto:dmarc@lantern.example",
        "news@letters.lantern.example",
    ),
    WrongZone("nobody allowed", _spf("v=spf1 -all"), "spf_nobody", "care", "v=spf1 a:mail.lantern.example ~all"),
    WrongZone(
        "an include without a record",
        _spf("v=spf1 mx include:gone.example -all"),
        "spf_include",
        "care",
        "the value: v=spf1 mx -all",
    ),
    WrongZone("key revoked", _key("v=DKIM1; k=ed25519; p="), "dkim_revoked", "stop", "v=DKIM1; k=ed25519; p="),
    WrongZone("DMARC misspelled", _dmarc("v=DMARC; p=reject"), "dmarc_syntax", "stop", "the value: v=DMARC1; p=none"),
    WrongZone(
        "policy misspelled",
        _dmarc("v=DMARC1; p=rejct; rua=mailto:dmarc@lantern.example"),
        "dmarc_no_policy",
        "care",
        "v=DMARC1; p=none; rua=mailto:dmarc@lantern.example",
    ),
    WrongZone("null MX", _mx("0 ."), "return_null", "stop", "replace MX lantern.example"),
    WrongZone("no PTR", _ptr(), "ptr_missing", "care", "reverse DNS of 192.0.2.25 to: mail.lantern.example"),
    WrongZone("another PTR", _ptr("host25.provider.example."), "ptr_differs", "care", "says host25.provider.example"),
    WrongZone(
        "a server without an address",
        lambda zone: zone.names.hosts.pop(("mail.lantern.example", "A")),
        "ptr_no_address",
        "care",
        "Add A mail.lantern.example",
    ),
    WrongZone("return path without MX", _without_bounces, "return_none", "stop", "Add MX lantern.example"),
)
