"""Sending domains at the desk: keys made, records shown and looked up, activated, rotated, retired."""

from collections.abc import Callable, Iterator

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from django.test import Client
from django.urls import reverse
from django.utils import timezone, translation

from samizdat.accounts.actions import change_settings
from samizdat.accounts.default_sender import DefaultSender
from samizdat.campaigns.actions import create
from samizdat.campaigns.drafts.draft import Draft, draft_of
from samizdat.campaigns.models import Campaign
from samizdat.campaigns.sender_domain_check import DnsRecord
from samizdat.core.mail.domain_reports import DomainReport, ReportTally
from samizdat.core.mail.sender_check import DnsValue
from samizdat.delivery import dkim_keys
from samizdat.delivery.actions import add_route, domain_switch, spare_check
from samizdat.delivery.actions import domains as actions
from samizdat.delivery.actions.default_senders import set_for_organization
from samizdat.delivery.models import DkimKey, Route, SendingDomain
from samizdat.events.actions import record
from samizdat.incoming import domain_reports
from tests.conftest import NOW
from tests.dns_server import NameServer
from tests.web.conftest import House

Desk = Callable[[str], Client]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[NameServer]:
    with NameServer() as running:
        monkeypatch.setenv("SAMIZDAT_DNS", running.place)
        yield running


def _to(here: House, name: str, *args: object) -> str:
    return reverse(name, args=[here.organization.slug, *args])


def _page(client: Client, address: str, answers: dict[str, str] | None = None) -> str:
    answer = client.post(address, answers or {}, follow=True) if answers is not None else client.get(address)
    return answer.content.decode()


@pytest.mark.usefixtures("unguarded")
def test_from_a_domain_to_signed_letters_and_its_next_keys(here: House, desk: Desk, names: NameServer) -> None:
    client = desk("admin")
    page = _page(client, _to(here, "domains"), {"name": "letters.example", "kinds": "both"})
    row = SendingDomain.objects.get(name="letters.example")
    keys = dkim_keys.domain_row(row).keys
    for key in keys:
        assert key.name in page and key.text in page
        names.records[key.name] = [key.text]
    assert (
        "Add the records below at your DNS provider, wait ten minutes, then press Check" in page
        and str(keys[1].zone_line).replace('"', "&quot;") in page
    )

    page = _page(client, _to(here, "check-records", row.pk), {})
    assert "record found" in page and "Activate" in page
    page = _page(client, _to(here, "activate-keys", row.pk), {})
    assert "Emails from this domain are signed" in page
    assert set(row.keys.values_list("state", flat=True)) == {"active"}

    _page(client, _to(here, "rotate-keys", row.pk), {})
    for key in dkim_keys.domain_row(row).keys:
        names.records[key.name] = [key.text]
    _page(client, _to(here, "check-records", row.pk), {})
    page = _page(client, _to(here, "activate-keys", row.pk), {})
    assert sorted(row.keys.values_list("state", flat=True)) == ["active", "active", "retiring", "retiring"]
    assert "need this record until" in page


def test_a_record_that_is_not_there_is_told_and_nothing_changes(here: House, desk: Desk, names: NameServer) -> None:
    client, key = desk("admin"), here.key
    names.records[dkim_keys.domain_row(key.domain).keys[0].name] = [f"v=DKIM1; k=ed25519; p={'A' * 43}="]
    assert "the published record is different" in _page(client, _to(here, "check-records", key.domain_id), {})
    assert "Press Check first" in _page(client, _to(here, "activate-keys", key.domain_id), {})
    assert "Add it and press Check, or confirm that you’ve added it" in _page(
        client, _to(here, "activate-key", key.domain_id, key.pk), {}
    )
    key.refresh_from_db()
    assert key.state == "new"


def test_a_person_may_say_that_it_is_published(here: House, desk: Desk) -> None:
    client, key = desk("admin"), here.key
    _page(client, _to(here, "key-published", key.domain_id, key.pk), {})
    page = _page(client, _to(here, "activate-key", key.domain_id, key.pk), {})
    assert f"Emails are now signed with {key.selector}" in page
    assert "Being replaced" not in page


@pytest.mark.usefixtures("names")
def test_the_page_shows_what_is_missing_to_be_copied(here: House, desk: Desk) -> None:
    client, number = desk("admin"), here.key.domain_id
    page = _page(client, _to(here, "sending-domain", number))
    assert "Checking DNS" in page and "has no DMARC record" not in page, "it waits for no name server"
    records = _page(client, _to(here, "domain-records", number), {})
    assert "lantern.example has no DMARC record. Add TXT _dmarc.lantern.example with the value:" in records
    assert ">_dmarc.lantern.example</code>" in records and ">v=DMARC1; p=none</code>" in records
    assert "has no DMARC record" in _page(client, _to(here, "sending-domain", number)), "it is kept"


def test_a_long_value_is_shown_once_where_it_is_copied() -> None:
    key = f"v=DKIM1; k=rsa; p={'A' * 400}"
    record = DnsRecord("DKIM", "stop", f"Add TXT x with the value: {key}", publish=DnsValue("x", "TXT", key))
    assert record.brief == f"Add TXT x with the value: {key[:40]}…"
    short = DnsRecord("DMARC", "stop", "Add TXT x: v=DMARC1; p=none", publish=DnsValue("x", "TXT", "v=DMARC1; p=none"))
    assert short.brief == short.sentence


@pytest.mark.usefixtures("names", "unguarded")
def test_an_admin_alone_allows_sending_without_the_records(here: House, desk: Desk) -> None:
    number = here.key.domain_id
    assert desk("editor").post(_to(here, "allow-domain", number), {"reason": "I want to"}).status_code == 403
    client = desk("admin")
    assert "Say why this domain may send" in _page(client, _to(here, "allow-domain", number), {"reason": " "})
    page = _page(client, _to(here, "allow-domain", number), {"reason": "The registrar is on strike."})
    assert "An admin allowed sending without these records: The registrar is on strike." in page
    page = _page(client, _to(here, "allow-domain", number), {"require": "1"})
    assert "needs its DNS records to send" in page and "on strike" not in page


@pytest.mark.usefixtures("unguarded")
def test_a_key_is_retired_only_after_a_question(here: House, desk: Desk) -> None:
    client, key = desk("admin"), here.key
    DkimKey.objects.filter(pk=key.pk).update(state="active")
    address = _to(here, "retire-key", key.domain_id, key.pk)
    assert "This key is signing now" in _page(client, address)
    _page(client, address, {})
    key.refresh_from_db()
    assert (key.state, bytes(key.private_sealed)) == ("retired", b"")


def test_a_domain_is_removed_with_its_keys(here: House, desk: Desk) -> None:
    client, number = desk("admin"), here.key.domain_id
    assert "Cancel" in _page(client, _to(here, "remove-domain", number))
    page = _page(client, _to(here, "remove-domain", number), {})
    assert "was removed and its keys deleted." in page and not DkimKey.objects.filter(domain=number).exists()


def test_of_a_key_that_was_changed_in_the_database_no_record_is_shown(here: House, desk: Desk) -> None:
    from samizdat.health.organizations import _signing

    client, address = desk("admin"), _to(here, "sending-domain", here.key.domain_id)
    assert "v=DKIM1" in _page(client, address)
    DkimKey.objects.filter(pk=here.key.pk).update(private_sealed=b"\x04" + bytes(60), state="active")
    page = _page(client, address)
    assert "directly in the database" in page and "v=DKIM1" not in page
    assert [check.state for check in _signing(here.organization, [])] == ["red"]


def pem(bits: int) -> str:
    key = rsa.generate_private_key(65537, bits)
    text = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return text.decode()


def test_a_key_that_is_brought_along_is_never_shown_again(here: House, desk: Desk) -> None:
    client, address, private = desk("admin"), _to(here, "sending-domain", here.key.domain_id), pem(2048)
    page = _page(client, address, {"algorithm": "rsa", "selector": "k1", "private": private})
    assert "k1._domainkey." in page and private.splitlines()[1] not in page


@pytest.mark.parametrize(
    ("answers", "sentence"),
    [
        ({"private": pem(1024)}, "1024 bits"),
        ({"private": "nonsense"}, "This isn’t a private key"),
        ({"selector": "no name"}, "A selector is a short name"),
        ({"algorithm": "dsa"}, "dsa"),
    ],
    ids=["1024 bits", "nonsense", "selector", "kind"],
)
def test_a_bad_key_is_refused_at_its_field(here: House, desk: Desk, answers: dict[str, str], sentence: str) -> None:
    client, address = desk("admin"), _to(here, "sending-domain", here.key.domain_id)
    answer = client.post(address, {"algorithm": "rsa", "selector": "", "private": "", **answers})
    assert answer.status_code == 422
    assert sentence in answer.content.decode()
    assert here.key.domain.keys.count() == 1


@pytest.mark.parametrize("name", ["", "nonsense", "lantern.example"])
def test_a_domain_that_cannot_be_or_is_there_is_refused(here: House, desk: Desk, name: str) -> None:
    SendingDomain.objects.filter(pk=here.key.domain_id).update(name="lantern.example")
    assert desk("admin").post(_to(here, "domains"), {"name": name, "kinds": "ed25519"}).status_code == 422


def test_a_domain_is_warmed_up_at_its_page(here: House, desk: Desk) -> None:
    vera = desk("admin")
    domain = actions.add_domain(here.organization, "fresh.example", now=NOW, algorithms=())
    page = reverse("sending-domain", args=[here.organization.slug, domain.pk])
    answer = vera.post(page, {"warm_up": "50, many"})
    assert answer.status_code == 422 and "warm_up" in answer.context["plan"].errors
    assert not answer.context["form"].errors
    said = vera.post(page, {"warm_up": "50, 100,200"}, follow=True).content.decode()
    assert "Emails per day from fresh.example: 50, 100, 200." in said and "0 of 50 today" in said
    assert 'value="50, 100, 200"' in said
    assert "0 of 50 today" in desk("viewer").get(page).content.decode()
    assert desk("viewer").post(page, {"warm_up": ""}).status_code == 403
    assert "fresh.example has no warm-up" in vera.post(page, {"warm_up": ""}, follow=True).content.decode()


def test_a_viewer_sees_the_records_and_no_buttons(here: House, desk: Desk) -> None:
    page = _page(desk("viewer"), _to(here, "sending-domain", here.key.domain_id))
    assert here.key.selector in page and "Retire" not in page and "Add key" not in page
    assert desk("editor").get(_to(here, "domains")).status_code == 403


def test_the_checklist_says_who_signs(here: House, desk: Desk) -> None:
    client, address = desk("editor"), _to(here, "send", here.campaign.pk)
    assert "Not signed with DKIM" in _page(client, address)
    SendingDomain.objects.filter(pk=here.key.domain_id).update(name="lantern.example")
    DkimKey.objects.filter(pk=here.key.pk).update(state="active")
    page = _page(client, address)
    assert "DKIM signed" in page and here.key.selector in page
    Route.objects.update(signs=False)
    assert "Signed by the provider" in _page(client, address)


def test_it_is_all_said_in_russian(here: House, desk: Desk) -> None:
    admin = here.people["admin"]
    admin.language = "ru"
    admin.save(update_fields=["language"])
    with translation.override("en"):  # What a request switches on is switched off again.
        page = _page(desk("admin"), _to(here, "sending-domain", here.key.domain_id))
    assert "Домены" in page and "Скопировать имя" in page


def test_the_page_shows_who_sends_as_the_domain(here: House, desk: Desk) -> None:
    client, page = desk("admin"), _to(here, "sending-domain", here.key.domain_id)
    assert "No reports. To get them, set a return path at this domain" in _page(client, page)
    change_settings(here.organization, by=None, now=NOW, return_address="@bounces.lantern.example")
    assert ">rua=mailto:bounces@bounces.lantern.example</code>" in _page(client, page)
    stranger = ReportTally("203.0.113.0/24", "", "fail", 1234)
    tallies = (ReportTally("192.0.2.0/24", "lantern.example", "pass", 40), stranger)
    begin = int(timezone.now().timestamp())
    connections = (ReportTally("", "", "success", 7), ReportTally("", "", "certificate-expired", 3))
    for report in (
        DomainReport("dmarc", "google.com", "1", "lantern.example", begin, "none", tallies),
        DomainReport("tls", "google.com", "2", "lantern.example", begin, "sts", connections),
    ):
        assert domain_reports._keep(here.organization, report, timezone.now())
    shown = _page(client, page)
    assert "203.0.113.0/24" in shown and "1,234" in shown and "<svg" in shown
    assert "Encrypted connections to your mail servers" in shown and "rua=mailto" not in shown
    assert "failed: the certificate has expired" in shown and "certificate-expired" not in shown


def _lost_and_spare(here: House) -> tuple[SendingDomain, SendingDomain, Campaign]:
    """A draft and the default sender at a domain that is lost, and a spare one."""
    rows = [actions.add_domain(here.organization, name, now=NOW) for name in ("lost.example", "spare.example")]
    for key in DkimKey.objects.filter(domain__in=rows):
        actions.say_published(key, now=NOW)
        actions.activate(key, now=NOW)
    domain_switch.keep_spare(rows[1], now=NOW)
    set_for_organization(here.organization, DefaultSender("L", "news@lost.example"), now=NOW)
    draft = Draft(subject="News", from_name="L", from_email="news@lost.example", body="Hello\n")
    campaign = create(here.organization, here.list, draft, by=None, now=NOW)
    return rows[0], rows[1], campaign


def test_home_names_a_spare_domain_that_has_lost_its_records_to_admins(here: House, desk: Desk) -> None:
    _lost, spare, _campaign = _lost_and_spare(here)
    record(spare_check.UNREADY, here.organization, now=timezone.now(), about=spare.pk)
    shown = _page(desk("admin"), _to(here, "home"))
    assert "Spare domain spare.example isn’t ready" in shown and _to(here, "sending-domain", spare.pk) in shown
    assert "isn’t ready" not in _page(desk("editor"), _to(here, "home"))
    record(spare_check.READY, here.organization, now=timezone.now(), about=spare.pk)
    assert "isn’t ready" not in _page(desk("admin"), _to(here, "home"))


@pytest.mark.usefixtures("unguarded")
def test_an_admin_switches_all_senders_to_a_spare_domain_and_back(here: House, desk: Desk) -> None:
    lost, spare, campaign = _lost_and_spare(here)
    address = _to(here, "switch-domain", spare.pk)
    assert desk("editor").get(address).status_code == 403
    client = desk("admin")
    assert "Spare" in _page(client, _to(here, "domains"))
    asked = client.get(f"{address}?from=lost.example").content.decode()
    assert "Switch all senders to spare.example?" in asked and "Switch senders" in asked
    page = _page(client, address, {"from": "lost.example"})
    assert "Emails come from spare.example now. Drafts changed: 1." in page
    assert "We now write to you from spare.example." in page and "Switch back to lost.example" in page
    assert draft_of(Campaign.objects.get(pk=campaign.pk)).from_email == "news@spare.example"
    page = _page(client, _to(here, "switch-domain", lost.pk), {"from": "spare.example"})
    assert "Emails come from lost.example now." in page
    assert draft_of(Campaign.objects.get(pk=campaign.pk)).from_email == "news@lost.example"


def test_a_spare_domain_waits_for_a_second_admin(here: House, desk: Desk) -> None:
    client, number = desk("admin"), here.key.domain_id
    page = _page(client, _to(here, "spare-domain", number), {})
    assert ": lantern.example is kept as a spare domain" in page
    assert "isn’t a spare domain. Mark it as one first." in _page(client, _to(here, "switch-domain", number))
    assert client.post(_to(here, "switch-domain", number)).status_code == 422


@pytest.mark.usefixtures("unguarded")
def test_without_its_records_a_spare_domain_is_refused_with_what_to_publish(
    here: House, desk: Desk, names: NameServer
) -> None:
    add_route(here.organization, "relay", "smtp://127.0.0.1:2525", now=NOW)
    _lost, spare, campaign = _lost_and_spare(here)
    client, address = desk("admin"), _to(here, "switch-domain", spare.pk)
    _page(client, address, {"from": "lost.example"})  # The page has name servers asked first.
    answer = client.post(address, {"from": "lost.example"})
    assert answer.status_code == 422
    assert "spare.example has no DMARC record. Add TXT _dmarc.spare.example" in answer.content.decode()
    assert draft_of(Campaign.objects.get(pk=campaign.pk)).from_email == "news@lost.example"
