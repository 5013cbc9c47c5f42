"""Sending domains: their keys come, are seen, sign, give way to the next and are forgotten."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from django.db import IntegrityError, transaction

from samizdat.core.mail import dkim
from samizdat.delivery import dkim_keys
from samizdat.delivery.actions import domains
from samizdat.delivery.errors import DomainRefused
from samizdat.delivery.models import DkimKey, SendingDomain
from samizdat.events.models import Event
from tests.conftest import NOW, TODAY

Answers = dict[str, list[str]]


def name_server(answers: Answers) -> Callable[[str], list[str] | None]:
    return lambda name: answers.get(name, [])


def zone(row: SendingDomain) -> Answers:
    """Everything that our page shows, published."""
    return {key.name: [key.text] for key in dkim_keys.domain_row(row).keys}


def states(row: SendingDomain) -> dict[str, str]:
    return dict(row.keys.order_by("pk").values_list("selector", "state"))


@pytest.fixture
def domain(lantern: Any) -> SendingDomain:
    return domains.add_domain(lantern, "Lantern.Example.", now=NOW)


@pytest.fixture
def signing_domain(domain: SendingDomain) -> SendingDomain:
    domains.look(domain, now=NOW, look_up=name_server(zone(domain)))
    domains.activate_published(domain, now=NOW)
    return domain


# --- from new to active ---


def test_a_new_domain_has_a_key_of_each_kind_that_does_not_sign_yet(domain: SendingDomain) -> None:
    assert domain.name == "lantern.example"
    assert states(domain) == {"sz2611e": "new", "sz2611r": "new"}
    assert dkim_keys.signing_keys(domain.organization, "lantern.example") == []
    rows = dkim_keys.domain_row(domain).keys
    assert [row.name for row in rows] == ["sz2611e._domainkey.lantern.example", "sz2611r._domainkey.lantern.example"]
    assert rows[0].text.startswith("v=DKIM1; k=ed25519; p=") and len(rows[1].strings) == 2


def test_a_record_that_was_seen_publishes_its_key_and_only_that_one(domain: SendingDomain) -> None:
    first, second = dkim_keys.domain_row(domain).keys
    looks = domains.look(domain, now=NOW, look_up=name_server({first.name: [first.text], second.name: ["v=DKIM1; p="]}))
    assert [look.status for look in looks] == ["right", "revoked"]
    assert states(domain) == {"sz2611e": "published", "sz2611r": "new"}
    assert domain.keys.get(selector="sz2611e").seen == TODAY


def test_without_an_answer_nothing_is_said_of_a_key(domain: SendingDomain) -> None:
    looks = domains.look(domain, now=NOW, look_up=lambda _name: None)
    assert {look.status for look in looks} == {"silent"} and set(states(domain).values()) == {"new"}


def test_a_key_whose_record_nobody_saw_does_not_sign(domain: SendingDomain) -> None:
    key = domain.keys.get(selector="sz2611r")
    with pytest.raises(DomainRefused, match="Add it and press Check") as refused:
        domains.activate(key, now=NOW)
    assert refused.value.code == "not_published"
    domains.say_published(key, now=NOW)
    domains.activate(key, now=NOW)
    assert states(domain)["sz2611r"] == "active"


def test_active_keys_sign_ed25519_before_rsa(signing_domain: SendingDomain) -> None:
    keys = dkim_keys.signing_keys(signing_domain.organization, "lantern.example")
    assert [(key.domain, key.selector, dkim.algorithm_of(key.private)) for key in keys] == [
        ("lantern.example", "sz2611e", "ed25519"),
        ("lantern.example", "sz2611r", "rsa"),
    ]
    for key, row in zip(keys, dkim_keys.domain_row(signing_domain).active, strict=True):
        assert dkim.public_text(key.private) == row.public


# --- whose keys ---


def test_a_domain_signs_for_those_below_it_and_for_no_other(signing_domain: SendingDomain) -> None:
    organization = signing_domain.organization
    assert dkim_keys.signing_domain(organization, "news.lantern.example") == "lantern.example"
    assert dkim_keys.signing_domain(organization, "otherlantern.example") == ""
    assert dkim_keys.signing_domain(organization, "example") == ""
    assert dkim_keys.signing_domain(organization, "") == ""


def test_the_nearest_domain_signs(signing_domain: SendingDomain) -> None:
    near = domains.add_domain(signing_domain.organization, "news.lantern.example", now=NOW)
    assert dkim_keys.signing_domain(near.organization, "a.news.lantern.example") == "lantern.example"
    for key in near.keys.all():
        domains.say_published(key, now=NOW)
    domains.activate_published(near, now=NOW)
    assert dkim_keys.signing_domain(near.organization, "a.news.lantern.example") == "news.lantern.example"


def test_another_organization_does_not_sign_with_our_keys(signing_domain: SendingDomain, vault: Any) -> None:
    from samizdat.accounts.actions import found_organization

    other = found_organization("Southern Lantern", source=vault, today=TODAY)
    assert dkim_keys.signing_keys(other, "lantern.example") == [] and dkim_keys.active_keys(other.id) == ()
    assert domains.add_domain(other, "lantern.example", now=NOW).pk


# --- rotation ---


def test_a_rotation_overlaps(signing_domain: SendingDomain) -> None:
    successors = domains.rotate(signing_domain, now=NOW)
    assert [key.selector for key in successors] == ["sz2611e2", "sz2611r2"]
    organization = signing_domain.organization
    assert [key.selector for key in dkim_keys.signing_keys(organization, "lantern.example")] == ["sz2611e", "sz2611r"]

    domains.look(signing_domain, now=NOW, look_up=name_server(zone(signing_domain)))
    domains.activate_published(signing_domain, now=NOW)
    assert [key.selector for key in dkim_keys.signing_keys(organization, "lantern.example")] == ["sz2611e2", "sz2611r2"]
    old = signing_domain.keys.get(selector="sz2611r")
    assert (old.state, old.until) == ("retiring", TODAY + timedelta(days=domains.OVERLAP))

    assert domains.retire_due(NOW + timedelta(days=domains.OVERLAP - 1)) == 0
    assert domains.retire_due(NOW + timedelta(days=domains.OVERLAP)) == 2
    old.refresh_from_db()
    assert (old.state, bytes(old.private_sealed)) == ("retired", b"")


def test_one_kind_alone_can_rotate(signing_domain: SendingDomain) -> None:
    assert [key.algorithm for key in domains.rotate(signing_domain, now=NOW, algorithm="rsa")] == ["rsa"]


def test_a_second_rotation_waits_for_the_first(signing_domain: SendingDomain) -> None:
    domains.rotate(signing_domain, now=NOW)
    with pytest.raises(DomainRefused, match="activate the one that’s waiting"):
        domains.rotate(signing_domain, now=NOW)


def test_a_key_that_gave_way_can_come_back_while_its_record_stands(signing_domain: SendingDomain) -> None:
    [new] = domains.rotate(signing_domain, now=NOW, algorithm="rsa")
    domains.say_published(new, now=NOW)
    domains.activate(new, now=NOW)
    old = signing_domain.keys.get(selector="sz2611r")
    domains.activate(old, now=NOW)
    new.refresh_from_db()
    assert (old.state, old.until, new.state) == ("active", None, "retiring")


def test_a_retired_key_is_forgotten_and_never_comes_back(signing_domain: SendingDomain) -> None:
    key = signing_domain.keys.get(selector="sz2611e")
    domains.retire(key, now=NOW)
    assert bytes(key.private_sealed) == b""
    for deed in (domains.activate, domains.retire, domains.say_published):
        with pytest.raises(DomainRefused, match="retired"):
            deed(key, now=NOW)
    assert [key.selector for key in dkim_keys.signing_keys(signing_domain.organization, "lantern.example")] == [
        "sz2611r"
    ]


def test_the_database_refuses_two_active_keys_of_a_kind(signing_domain: SendingDomain) -> None:
    [new] = domains.rotate(signing_domain, now=NOW, algorithm="rsa")
    with pytest.raises(IntegrityError), transaction.atomic():
        DkimKey.objects.filter(pk=new.pk).update(state="active")


# --- what is refused ---


@pytest.mark.parametrize(
    "name", ["", "lantern", "a b.example", "news@lantern.example", "127.0.0.1", "-a.example", "a\n.b"]
)
def test_what_is_no_domain_is_refused(lantern: Any, name: str) -> None:
    with pytest.raises(DomainRefused, match="isn’t a domain"):
        domains.add_domain(lantern, name, now=NOW)


def test_an_international_domain_is_kept_as_dns_writes_it(lantern: Any) -> None:
    assert domains.add_domain(lantern, "фонарь.example", now=NOW).name.startswith("xn--")


def test_a_domain_comes_once(domain: SendingDomain) -> None:
    with pytest.raises(DomainRefused, match="already"):
        domains.add_domain(domain.organization, "lantern.example", now=NOW)


@pytest.mark.parametrize("selector", ["a b", "a_b", "-a", "a..b", "x" * 64, "a;b"])
def test_an_odd_selector_is_refused(domain: SendingDomain, selector: str) -> None:
    with pytest.raises(DomainRefused, match="selector"):
        domains.add_key(domain, "rsa", now=NOW, selector=selector)


def test_a_selector_is_used_once(domain: SendingDomain) -> None:
    domains.add_key(domain, "ed25519", now=NOW, selector="News2026")
    with pytest.raises(DomainRefused, match="news2026"):
        domains.add_key(domain, "ed25519", now=NOW, selector="news2026")


def pem(key: Any) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def test_a_key_can_be_brought_along(domain: SendingDomain) -> None:
    private = ed25519.Ed25519PrivateKey.generate()
    key = domains.add_key(domain, now=NOW, selector="moved", private=pem(private))
    assert (key.algorithm, key.public) == ("ed25519", dkim.public_text(private))
    with pytest.raises(DomainRefused, match="moved"):
        domains.add_key(domain, now=NOW, selector="twin", private=pem(private))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"rubbish",
        pem(ec.generate_private_key(ec.SECP256R1())),
        pem(rsa.generate_private_key(65537, 1024)),  # noqa: S505
    ],
    ids=["nothing", "rubbish", "another kind", "1024 bits"],
)
def test_a_bad_key_is_refused_with_one_sentence(domain: SendingDomain, data: bytes) -> None:
    before = domain.keys.count()
    with pytest.raises(DomainRefused) as refused:
        domains.add_key(domain, now=NOW, private=data)
    assert refused.value.code == "bad_key" and str(refused.value).endswith(".")
    assert domain.keys.count() == before


def test_an_unknown_kind_of_key_is_refused(domain: SendingDomain) -> None:
    with pytest.raises(DomainRefused, match="ed25519, rsa"):
        domains.add_key(domain, "dsa", now=NOW)


# --- what stays ---


def test_the_private_half_is_sealed_to_its_row(domain: SendingDomain) -> None:
    from samizdat.core.crypto.seal import SealBroken
    from samizdat.vault import keyring

    one, other = domain.keys.order_by("pk")
    keys = keyring.keys(domain.organization)
    plain = keys.open(one.private_sealed, "dkimkey", "private", one.pk)
    assert plain not in bytes(one.private_sealed)
    with pytest.raises(SealBroken):
        keys.open(one.private_sealed, "dkimkey", "private", other.pk)


def test_every_step_is_in_the_log(signing_domain: SendingDomain) -> None:
    domains.retire(signing_domain.keys.first(), now=NOW)  # type: ignore[arg-type]
    number = signing_domain.pk
    domains.remove_domain(signing_domain, now=NOW)
    kinds = list(
        Event.objects.filter(kind__startswith="domain.", about=number).order_by("pk").values_list("kind", flat=True)
    )
    assert kinds == [
        "domain.added",
        *["domain.key_added"] * 2,
        *["domain.key_published"] * 2,
        *["domain.key_activated"] * 2,
        "domain.key_retired",
        "domain.removed",
    ]
    assert not DkimKey.objects.exists()


# --- who signs, for the checklist ---


def test_the_check_says_who_signs(signing_domain: SendingDomain) -> None:
    from samizdat.delivery.actions import add_route
    from samizdat.delivery.models import Route

    organization = signing_domain.organization
    assert dkim_keys.signature_of(organization, "lantern.example").by == "us"
    assert dkim_keys.signature_of(organization, "elsewhere.example").by == "nobody"
    DkimKey.objects.update(state="new")
    waiting = dkim_keys.signature_of(organization, "news.lantern.example")
    assert (waiting.by, waiting.domain, waiting.keys) == ("waiting", "lantern.example", ())
    assert waiting.sentence.startswith("lantern.example has keys that don’t sign yet.")
    DkimKey.objects.update(state="active")
    add_route(organization, "ours", "smtp://relay.example", now=NOW)
    add_route(organization, "theirs", "smtp://other.example", now=NOW)
    Route.objects.filter(name="theirs").update(signs=False)
    both = dkim_keys.signature_of(organization, "news.lantern.example")
    assert (both.by, both.domain, both.selectors, both.relays) == (
        "both", "lantern.example", ["sz2611e", "sz2611r"], ("theirs",)
    )  # fmt: skip
    Route.objects.update(signs=False)
    assert dkim_keys.signature_of(organization, "lantern.example").by == "relay"
