"""Whether others see the records of a domain as its own name servers have them, asked on loopback."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from samizdat.campaigns import dns_views
from samizdat.campaigns.sender_domain_check import in_words
from samizdat.core.mail.dns_views import judge
from tests.dns_server import NameServer

NAME = "_dmarc.lantern.example"
POLICY = "v=DMARC1; p=none"


class Net:
    """ns1 and ns2 of lantern.example, a public resolver, and ours, which knows where they are."""

    def __init__(self, stack: ExitStack) -> None:
        self.ns1 = stack.enter_context(NameServer("127.0.0.1", has_zone=True))
        self.ns2 = stack.enter_context(NameServer("127.0.0.2", self.ns1.port, has_zone=True))
        self.public = stack.enter_context(NameServer("127.0.0.3", self.ns1.port))
        self.ours = stack.enter_context(NameServer())
        self.ours.hosts |= {
            ("lantern.example", "NS"): ["ns1.lantern.example.", "ns2.lantern.example."],
            ("ns1.lantern.example", "A"): ["127.0.0.1"],
            ("ns2.lantern.example", "A"): ["127.0.0.2"],
        }
        for server in (self.ns1, self.ns2, self.public):
            server.records[NAME] = [POLICY]

    def codes(self, domain: str = "lantern.example", name: str = NAME) -> list[str]:
        return [finding.code for finding in judge(domain, dns_views.views(domain, [name]))]


@pytest.fixture
def net(monkeypatch: pytest.MonkeyPatch) -> Iterator[Net]:
    with ExitStack() as stack:
        net = Net(stack)
        monkeypatch.setenv("SAMIZDAT_DNS", net.ours.place)
        monkeypatch.setenv("SAMIZDAT_PUBLIC_DNS", net.public.host)
        monkeypatch.setenv("SAMIZDAT_INNER_NETWORKS", "127.0.0.0/8")
        monkeypatch.setattr(dns_views, "PORT", net.ns1.port)
        monkeypatch.setattr(dns_views, "PATIENCE", 0.5)
        yield net


def test_a_record_that_everybody_shows_is_fine(net: Net) -> None:
    assert net.codes() == ["visible_good"]
    assert net.codes("letters.lantern.example", NAME) == ["visible_good"], "the zone above has it"


def test_a_record_that_was_just_published_is_not_visible_yet(net: Net) -> None:
    net.public.records[NAME] = ["v=DMARC1"]
    (record,) = in_words(judge("lantern.example", dns_views.views("lantern.example", [NAME])))
    assert (record.state, record.name) == ("care", "Visibility")
    assert f"TXT {NAME} is published, but these public resolvers don’t show it yet: 127.0.0.3." in record.sentence
    del net.public.records[NAME]
    assert net.codes() == ["visible_not_yet"]


@pytest.mark.parametrize("answer", [[], ["v=DMARC1; p=reject"]])
def test_a_resolver_of_ours_that_answers_something_else_is_named(net: Net, answer: list[str]) -> None:
    views = dns_views.views("lantern.example", [NAME])
    [record] = in_words(judge("lantern.example", views, lambda _name, _kind: answer))
    assert (record.code, record.state) == ("visible_ours", "care")
    assert NAME in record.sentence and "set SAMIZDAT_DNS to another resolver" in record.sentence
    for same_or_silent in ([POLICY], None):
        [finding] = judge("lantern.example", views, lambda _name, _kind, said=same_or_silent: said)
        assert finding.code == "visible_good"


def test_a_secondary_server_that_lags_is_named(net: Net) -> None:
    net.ns2.records[NAME] = ["v=DMARC1; p=reject"]
    assert net.codes() == ["visible_split"]


@pytest.mark.parametrize("how", ["silent", "refuses", "no zone of its own"])
def test_a_lame_delegation_is_named(net: Net, how: str) -> None:
    net.ns2.silent, net.ns2.broken, net.ns2.has_zone = how == "silent", how == "refuses", how != "no zone of its own"
    findings = judge("lantern.example", dns_views.views("lantern.example", [NAME]))
    assert [(finding.code, finding.values["servers"]) for finding in findings] == [
        ("visible_lame", "ns2.lantern.example")
    ]


def test_a_server_in_our_own_network_is_not_asked(net: Net, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SAMIZDAT_INNER_NETWORKS")
    assert net.codes() == [] and not net.ns1.asked + net.public.asked


def test_where_nobody_can_be_asked_nothing_is_said(net: Net) -> None:
    for server in (net.ns1, net.ns2):
        server.silent = True
    assert net.codes() == []


def test_no_public_resolver_is_asked_where_a_server_was_named_or_none_is_wanted(
    net: Net, monkeypatch: pytest.MonkeyPatch
) -> None:
    for value in ("none", ""):
        monkeypatch.setenv("SAMIZDAT_PUBLIC_DNS", value)
        assert net.codes() == [] and not net.public.asked
