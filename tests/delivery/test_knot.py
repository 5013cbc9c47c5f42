"""The sending gate asks a real name server: one that serves what is wrong, fails, is silent, or tells others apart."""

from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from samizdat.accounts.sealed_settings import leading
from samizdat.campaigns import dns_views, sender_domain_check
from samizdat.campaigns.models import Campaign
from samizdat.core.mail import spf
from samizdat.delivery import dkim_keys, sending_gate
from samizdat.delivery.actions import domains
from samizdat.delivery.models import SendingDomain
from tests import knot
from tests.delivery.conftest import House, Running, until
from tests.delivery.wrong_zones import NOW, WRONG, WrittenNames, Zone, findings, refusal, sentence
from tests.knot import Knot
from tests.ports import free_port
from tests.smtp_server import ScriptedServer

pytestmark = pytest.mark.skipif(bool(knot.why_not()), reason=knot.why_not())

# What all zones are below, and what is asked of others.
ABOVE = ("example", "2.0.192.in-addr.arpa")
# Nobody has so many, and a datagram holds 1,232 bytes (the resolver's EDNS size).
VERIFICATIONS = [f"site-verification={'a' * 180}{number}" for number in range(10)]


@dataclass(frozen=True)
class Key:
    name: str
    text: str


@dataclass(frozen=True)
class Sender:
    """lantern7.example in place of lantern.example, with an address of its own."""

    house: House
    number: int

    def moved(self, text: str) -> str:
        text = text.replace("lantern.example", self.domain).replace("25.2.0.192", f"{100 + self.number}.2.0.192")
        return text.replace("192.0.2.25", f"192.0.2.{100 + self.number}")

    @property
    def domain(self) -> str:
        return f"lantern{self.number}.example"

    @property
    def address(self) -> str:
        return f"news@{self.domain}"

    @property
    def row(self) -> SendingDomain:
        return SendingDomain.objects.select_related("organization").get(name=self.domain)

    def zone(self) -> Zone:
        """As it should be, under the names of lantern.example, with a key that signs."""
        row = domains.add_domain(self.house.organization, self.domain, now=NOW, algorithms=("ed25519",))
        domains.say_published(row.keys.get(), now=NOW)
        domains.activate(row.keys.get(), now=NOW)
        [key] = dkim_keys.domain_row(row).keys
        return Zone(WrittenNames(), Key(key.name.replace(self.domain, "lantern.example"), key.text))

    def write(self, zone: Zone, names: WrittenNames) -> None:
        names.records |= {
            self.moved(name): [self.moved(value) for value in values] for name, values in zone.names.records.items()
        }
        names.hosts |= {
            (self.moved(name), kind): [self.moved(value) for value in values]
            for (name, kind), values in zone.names.hosts.items()
        }


@pytest.fixture
def senders(house: House, server: ScriptedServer) -> list[Sender]:
    """One for each wrong zone, and one that is right."""
    house.people(2)
    house.route(server)
    return [Sender(house, number) for number in range(len(WRONG) + 1)]


@pytest.fixture
def right(senders: list[Sender], monkeypatch: pytest.MonkeyPatch) -> Sender:
    named(senders[-1], monkeypatch)
    return senders[-1]


def named(sender: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine is called by a name of the sender's."""
    monkeypatch.setattr("socket.gethostname", lambda: f"mail.{sender.domain}")


def asked(knot: Knot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAMIZDAT_DNS", knot.place)


def test_every_wrong_zone_of_a_real_name_server_is_named(
    senders: list[Sender], monkeypatch: pytest.MonkeyPatch
) -> None:
    names = WrittenNames()
    for sender, wrong in zip(senders, WRONG, strict=False):
        wrong.spoil(zone := sender.zone())
        sender.write(zone, names)
    senders[-1].write(senders[-1].zone(), names)
    seen, expected = {}, {}
    with Knot(names.records, names.hosts, [*ABOVE, *(sender.domain for sender in senders)]) as server:
        asked(server, monkeypatch)
        for sender, wrong in zip(senders, WRONG, strict=False):
            named(sender, monkeypatch)
            with monkeypatch.context() as patched:
                if wrong.code == "spf_provider":
                    patched.setitem(spf.PROVIDERS, "127.0.0.1", "relay.example")
                address = sender.moved(wrong.sender)
                seen[wrong.title] = findings(sender.house, address)
                expected[wrong.title] = {wrong.code: wrong.severity}
                words = sentence(sender.house, wrong.code, address)
                assert sender.moved(wrong.words) in words
                assert (words in refusal(sender.house, address)) == (wrong.severity == "stop")
        named(senders[-1], monkeypatch)
        assert findings(senders[-1].house, senders[-1].address) == {}
    assert seen == expected


def test_records_that_are_too_long_for_a_datagram_are_read(right: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    right.write(right.zone(), names := WrittenNames())
    names.records[right.domain] += VERIFICATIONS
    with Knot(names.records, names.hosts, [*ABOVE, right.domain]) as server:
        asked(server, monkeypatch)
        assert findings(right.house, right.address) == {}


def test_a_zone_that_its_server_cannot_load_is_unknown_and_stops_nothing(
    right: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    right.write(right.zone(), names := WrittenNames())
    with Knot(names.records, names.hosts, [*ABOVE, right.domain], failing=[right.domain]) as server:
        asked(server, monkeypatch)
        unknown = findings(right.house, right.address)
        assert set(unknown) == {f"{area}_unanswered" for area in ("spf", "dkim", "dmarc", "return", "ptr")}
        assert set(unknown.values()) == {"unknown"}
        for code in unknown:
            assert "no DNS server answered" in sentence(right.house, code, right.address)
        assert refusal(right.house, right.address) == ""


def test_while_name_servers_are_gone_nothing_is_lost_and_nothing_is_taken_for_wrong(
    right: Sender, server: ScriptedServer, running: type[Running], monkeypatch: pytest.MonkeyPatch
) -> None:
    right.write(right.zone(), names := WrittenNames())
    del names.records[f"_dmarc.{right.domain}"]
    with Knot(names.records, names.hosts, [*ABOVE, right.domain]) as knotd:
        asked(knotd, monkeypatch)
        assert [look.status for look in domains.look(right.row, now=NOW)] == ["right"]
        knotd.pause()
        with monkeypatch.context() as impatient:
            impatient.setattr(sender_domain_check, "PATIENCE", 0.1)
            assert set(findings(right.house, right.address).values()) == {"unknown"}
            assert [look.status for look in domains.look(right.row, now=NOW)] == ["silent"]
            assert [key.state for key in dkim_keys.domain_row(right.row).keys] == ["active"]
            right.house.domain = right.domain
            campaign = right.house.released()
        with running():
            until(lambda: Campaign.objects.get(pk=campaign.pk).state == "finished")
        assert len(server.messages) == 2
        knotd.resume()
        until(lambda: "dmarc_missing" in findings(right.house, right.address))
        assert f"Add TXT _dmarc.{right.domain}" in refusal(right.house, right.address)


@pytest.fixture
def views_on_loopback(monkeypatch: pytest.MonkeyPatch) -> int:
    """Port of all servers that are asked: a zone's own, public resolvers and ours."""
    monkeypatch.setattr(dns_views, "PORT", port := free_port())
    monkeypatch.setenv("SAMIZDAT_INNER_NETWORKS", "127.0.0.0/8")
    return port


@pytest.mark.parametrize(
    ("liar", "codes"),
    [("ours", ["dmarc_missing", "visible_ours"]), ("public", ["visible_not_yet"])],
)
def test_a_resolver_that_denies_a_record_is_named(
    right: Sender, views_on_loopback: int, monkeypatch: pytest.MonkeyPatch, liar: str, codes: list[str]
) -> None:
    right.write(right.zone(), names := WrittenNames())
    names.hosts["ns.example", "A"] = ["127.0.0.1"]
    denied = WrittenNames({**names.records, f"_dmarc.{right.domain}": []}, names.hosts)
    zones = [*ABOVE, right.domain]
    with ExitStack() as stack:
        for host, served in (("127.0.0.1", names), ("127.0.0.2", denied)):
            stack.enter_context(Knot(served.records, served.hosts, zones, host=host, port=views_on_loopback))
        ours, public = ("127.0.0.2", "127.0.0.1") if liar == "ours" else ("127.0.0.1", "127.0.0.2")
        monkeypatch.setenv("SAMIZDAT_DNS", f"{ours}:{views_on_loopback}")
        monkeypatch.setenv("SAMIZDAT_PUBLIC_DNS", public)
        kept = sending_gate.kept_answers(sending_gate.gathered(right.house.organization, [right.address], NOW))
        verdicts = sending_gate.verdicts(
            right.house.organization, leading(right.house.organization), right.address, kept
        )
        records = [*sending_gate.records(verdicts), *sending_gate.visibility(kept, right.domain)]
    assert [record.code for record in records if record.state != "good"] == codes
    assert f"_dmarc.{right.domain}" in records[-1].sentence
