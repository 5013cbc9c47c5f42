"""The gate goes and sees: whether a route's server encrypts, and what a mail server on this machine calls itself."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from samizdat.accounts.sealed_settings import leading
from samizdat.delivery import local_postfix, route_connections, sending_gate
from samizdat.delivery.actions import add_route
from samizdat.delivery.sending_gate import KeptAnswers
from tests.delivery.conftest import House
from tests.dns_server import NameServer
from tests.smtp_server import Certificates, ScriptedServer

SENDER = "news@lantern.example"


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path)


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[NameServer]:
    monkeypatch.setattr("socket.gethostname", lambda: "desk.lantern.example")
    with NameServer() as running:
        monkeypatch.setenv("SAMIZDAT_DNS", running.place)
        yield running


@pytest.fixture
def elsewhere(names: NameServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server on loopback counts as one of somebody else."""
    monkeypatch.setattr(sending_gate, "_is_loopback", lambda _host: False)


def _kept(house: House) -> KeptAnswers:
    return sending_gate.kept_answers(sending_gate.gathered(house.organization, [SENDER], datetime.now(UTC)))


def _tls(house: House, url: str) -> tuple[str, str, str]:
    """Code, severity and sentence of what is found of a route's encryption."""
    add_route(house.organization, "relay", url, now=datetime.now(UTC))
    verdicts = sending_gate.verdicts(house.organization, leading(house.organization), SENDER, _kept(house))
    (finding,) = [finding for finding in sending_gate.findings(verdicts) if finding.area == "tls"]
    (record,) = [record for record in sending_gate.records(verdicts) if record.code == finding.code]
    return finding.code, finding.severity, record.sentence


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize("kind", ["starttls", "implicit"])
def test_a_valid_certificate_is_seen_with_the_version(house: House, certificates: Certificates, kind: str) -> None:
    with ScriptedServer(tls=kind, certificate=certificates.issued("localhost")) as server:
        url = server.starttls_url if kind == "starttls" else server.tls_url
        code, severity, sentence = _tls(house, f"{url}?ca={certificates.ca}")
    assert (code, severity) == ("tls_checked", "good")
    assert "(TLSv1.3), and the certificate is valid." in sentence


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize(
    "made",
    [
        pytest.param(lambda known: known.expired("localhost"), id="expired"),
        pytest.param(lambda known: known.issued("relay.example"), id="of another host"),
        pytest.param(lambda known: known.self_signed("localhost"), id="self-signed"),
    ],
)
def test_a_certificate_that_is_not_valid_is_named_with_what_to_do(
    house: House, certificates: Certificates, made: Callable[[Certificates], object]
) -> None:
    with ScriptedServer(tls="starttls", certificate=made(certificates)) as server:
        code, severity, sentence = _tls(house, f"{server.starttls_url}?ca={certificates.ca}")
    assert (code, severity) == ("tls_certificate", "care")
    assert "The certificate of localhost isn’t valid" in sentence and "ask the owner of the server" in sentence


@pytest.mark.usefixtures("elsewhere")
def test_a_server_without_starttls_is_named(house: House, server: ScriptedServer) -> None:
    code, severity, sentence = _tls(house, server.url.replace("smtp+plain://", "smtp://"))
    assert (code, severity) == ("tls_no_starttls", "care") and "Change its URL to smtps://" in sentence


@pytest.mark.usefixtures("elsewhere")
def test_encryption_that_is_offered_and_not_used_is_named(house: House, certificates: Certificates) -> None:
    with ScriptedServer(tls="starttls", certificate=certificates.issued("localhost")) as server:
        code, severity, sentence = _tls(house, server.url)
    assert (code, severity) == ("tls_unused", "care") and "from smtp+plain:// to smtp://" in sentence


@pytest.mark.usefixtures("elsewhere")
def test_a_server_that_is_not_there_is_unknown_and_stops_nothing(house: House, server: ScriptedServer) -> None:
    url = server.url
    server.die()
    assert _tls(house, url)[:2] == ("tls_unanswered", "unknown")


@pytest.mark.usefixtures("elsewhere")
def test_what_was_seen_is_not_said_of_a_route_that_leads_elsewhere(house: House, server: ScriptedServer) -> None:
    route = add_route(house.organization, "relay", server.url, now=datetime.now(UTC))
    kept = _kept(house)
    (key,) = route_connections.look(house.organization)
    assert kept.connections[key].reason == ""
    assert key.startswith(f"{route.pk} smtp+plain ")


def test_a_mail_server_on_this_machine_is_known_by_the_name_it_says(
    house: House, server: ScriptedServer, names: NameServer
) -> None:
    names.hosts |= {("mail.lantern.example", "A"): ["192.0.2.25"]}
    server.on("ehlo", "250-mail.lantern.example\r\n250 8BITMIME")
    add_route(house.organization, "postfix", server.url, now=datetime.now(UTC))
    settings = leading(house.organization)
    verdicts = sending_gate.verdicts(house.organization, settings, SENDER, _kept(house))
    (record,) = [record for record in sending_gate.records(verdicts) if record.code == "ptr_missing"]
    assert "set the reverse DNS of 192.0.2.25 to: mail.lantern.example" in record.sentence


@pytest.fixture
def postfix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """postfix(name): a Postfix on this machine whose HELO says that name."""
    monkeypatch.setattr(local_postfix, "PLACES", str(tmp_path))

    def installed(name: str) -> None:
        program = tmp_path / "postconf"
        program.write_text(f'#!/bin/sh\n[ "$*" = "-x smtp_helo_name" ] && echo "smtp_helo_name = {name}"\n')
        program.chmod(0o755)

    return installed


def _pointers(house: House) -> list[tuple[str, str]]:
    """Code and sentence of what is found of the name of the server."""
    add_route(house.organization, "own", "sendmail:///usr/sbin/sendmail", now=datetime.now(UTC))
    verdicts = sending_gate.verdicts(house.organization, leading(house.organization), SENDER, _kept(house))
    return [(record.code, record.sentence) for record in sending_gate.records(verdicts) if record.code[:4] == "ptr_"]


def test_a_route_by_sendmail_is_judged_by_the_name_that_postfix_says(
    house: House, names: NameServer, postfix: Callable[[str], None]
) -> None:
    postfix("mail.lantern.example")
    names.hosts |= {
        ("mail.lantern.example", "A"): ["192.0.2.25"],
        ("25.2.0.192.in-addr.arpa", "PTR"): ["vps7.hoster.example."],
    }
    [(code, sentence)] = _pointers(house)
    assert code == "ptr_differs" and "set the reverse DNS of 192.0.2.25 to: mail.lantern.example" in sentence


@pytest.mark.usefixtures("names")
def test_a_postfix_without_a_full_name_is_told_how_to_get_one(house: House, postfix: Callable[[str], None]) -> None:
    postfix("debian")
    [(code, sentence)] = _pointers(house)
    assert code == "ptr_postfix" and "postconf -e myhostname=mail.lantern.example" in sentence


def test_without_postfix_the_name_of_the_machine_counts(
    house: House, names: NameServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_postfix, "PLACES", str(tmp_path))
    names.hosts |= {("desk.lantern.example", "A"): ["192.0.2.9"]}
    [(code, sentence)] = _pointers(house)
    assert code == "ptr_missing" and "desk.lantern.example" in sentence
