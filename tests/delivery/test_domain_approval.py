"""Whoever writes the database makes no domain and no key sign that an admin has not approved, and none come back."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from msgspec import structs

from samizdat.accounts import actions as accounts
from samizdat.accounts import pending_changes
from samizdat.accounts.models import Organization, PendingChange, Person
from samizdat.accounts.sealed_settings import leading
from samizdat.delivery import dkim_keys, domain_ownership, sealed_domains, service_senders
from samizdat.delivery.actions import add_route, domains
from samizdat.delivery.errors import DomainRefused
from samizdat.delivery.models import DkimKey, Route, SendingDomain
from samizdat.events.models import Event
from tests.conftest import PASSWORD, TODAY
from tests.delivery.conftest import House

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)
THEIRS = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32))).private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
)


def _admin(house: House, name: str) -> Person:
    person = accounts.add_person(f"{name}@lantern.example", name=name, password=PASSWORD, today=TODAY)
    accounts.give_role(person, house.organization, "admin", by=None, now=NOW - 3 * DAY)
    return person


@pytest.fixture
def ours(house: House) -> SendingDomain:
    """The first domain, which signs; there is somebody on a list."""
    row = domains.add_domain(house.organization, "lantern.example", now=NOW - 9 * DAY, algorithms=("ed25519",))
    _activate(row)
    Organization.objects.update(next_number=5001)
    return row


@pytest.fixture
def vera(house: House, ours: SendingDomain) -> Person:
    return _admin(house, "Vera")


@pytest.fixture
def zoya(house: House, ours: SendingDomain) -> Person:
    return _admin(house, "Zoya")


def _activate(row: SendingDomain, by: Any = None) -> None:
    for key in row.keys.filter(state="new"):
        domains.say_published(key, now=NOW, by=by)
    domains.activate_published(row, now=NOW, by=by)


def _evil(house: House, by: Person) -> SendingDomain:
    return domains.add_domain(house.organization, "evil.example", now=NOW, by=by, algorithms=("ed25519",))


def _brought(row: SendingDomain, by: Person) -> DkimKey:
    return domains.add_key(row, now=NOW, by=by, selector="theirs", private=THEIRS)


def _signers(house: House, name: str) -> list[str]:
    """By every reader: who signs, whose bounces are ours, what is said of it, and who mails to the team come from."""
    selectors = [key.selector for key in dkim_keys.signing_keys(house.organization, name)]
    assert (dkim_keys.signing_domain(house.organization, name) == name) == bool(selectors)
    settings = leading(house.organization)
    is_own = bool(domain_ownership.envelope_sender(house.organization, settings, f"news@{name}"))
    assert is_own == (bool(selectors) or name == "lantern.example")
    assert dkim_keys.signature_of(house.organization, name).selectors == selectors
    assert {row.name: [key.selector for key in row.active] for row in dkim_keys.domains(house.organization)}.get(
        name, []
    ) == selectors
    return selectors


def test_a_domain_that_waits_does_not_sign_because_somebody_wrote_into_the_database_that_it_does(
    house: House, vera: Person, zoya: Person
) -> None:
    evil = _evil(house, vera)
    evil.keys.update(state="active")
    assert _signers(house, "evil.example") == []
    pending_changes.approve(pending_changes.waiting(house.organization)[0], now=NOW, by=zoya)
    assert _signers(house, "evil.example") == ["sz2611e"]


def test_a_domain_whose_request_was_deleted_from_the_database_is_still_not_activated(
    house: House, vera: Person
) -> None:
    evil = _evil(house, vera)
    PendingChange.objects.all().delete()
    with pytest.raises(DomainRefused, match="is waiting for another admin’s approval"):
        _activate(evil, by=vera)
    assert _signers(house, "evil.example") == []


def test_a_key_made_elsewhere_that_waits_does_not_sign_because_somebody_wrote_that_it_is_active(
    house: House, ours: SendingDomain, vera: Person, zoya: Person
) -> None:
    key = _brought(ours, vera)
    ours.keys.exclude(pk=key.pk).update(state="retiring")
    ours.keys.filter(pk=key.pk).update(state="active")
    assert _signers(house, "lantern.example") == []
    pending_changes.approve(pending_changes.waiting(house.organization)[0], now=NOW, by=zoya)
    assert _signers(house, "lantern.example") == ["theirs"]


def test_the_approval_of_a_domain_is_none_of_a_key_that_somebody_brought_to_it(
    house: House, vera: Person, zoya: Person
) -> None:
    evil = _evil(house, vera)
    key = _brought(evil, vera)
    PendingChange.objects.filter(kind="key").delete()
    pending_changes.approve(pending_changes.waiting(house.organization)[0], now=NOW, by=zoya)
    domains.say_published(key, now=NOW, by=vera)
    with pytest.raises(DomainRefused, match="is waiting for another admin’s approval"):
        domains.activate(key, now=NOW, by=vera)


def test_on_the_server_a_domain_and_a_key_are_activated_without_asking(house: House, vera: Person) -> None:
    evil = _evil(house, vera)
    key = _brought(evil, vera)
    domains.say_published(key, now=NOW)
    domains.activate(key, now=NOW)
    assert _signers(house, "evil.example") == ["theirs"]
    assert not pending_changes.waiting(house.organization).exists()


def test_an_approved_key_signs_for_no_domain_that_its_rows_were_led_to(
    house: House, ours: SendingDomain, vera: Person
) -> None:
    evil = _evil(house, vera)
    evil.keys.all().delete()
    ours.keys.update(domain=evil)
    assert dkim_keys.signing_keys(house.organization, "evil.example") == []
    DkimKey.objects.update(domain=ours)
    evil.delete()
    SendingDomain.objects.filter(pk=ours.pk).update(name="evil.example")
    assert _signers(house, "evil.example") == []


def test_mails_to_the_team_come_from_no_domain_and_no_route_that_somebody_wrote_into_the_database(
    house: House, ours: SendingDomain, vera: Person
) -> None:
    evil = _evil(house, vera)
    evil.keys.update(state="active")
    SendingDomain.objects.filter(pk=ours.pk).delete()
    add_route(house.organization, "main", "smtp://relay.example:587", now=NOW - 9 * DAY)
    add_route(house.organization, "evil", "smtp://thief%40evil.example:secret@evil.example:587", now=NOW, by=vera)
    Route.objects.update(state="live")
    sender = service_senders.own_sender(house.organization)
    assert sender is None or not sender[1].endswith("evil.example")


def test_the_record_that_is_shown_to_be_published_is_the_sealed_one(house: House, ours: SendingDomain) -> None:
    [before] = dkim_keys.domain_row(ours).keys
    ours.keys.update(public="AAAA", selector="theirs", algorithm="rsa")
    ours.refresh_from_db()
    [after] = dkim_keys.domain_row(ours).keys
    assert (after.name, after.text) == (before.name, before.text)
    theirs = domains.look(ours, now=NOW, look_up=lambda _name: ["v=DKIM1; k=rsa; p=AAAA"])
    assert [one.status for one in theirs] == ["other"]


def test_of_a_key_that_somebody_wrote_into_the_database_no_record_is_shown(house: House, ours: SendingDomain) -> None:
    key = DkimKey.objects.create(domain=ours, algorithm="rsa", selector="theirs", public="AAAA", since=TODAY)
    [shown] = [one for one in dkim_keys.domain_row(ours).keys if one.id == key.pk]
    assert shown.is_altered and shown.document()["record"] is None
    assert [one.key.pk for one in domains.look(ours, now=NOW, look_up=lambda _name: [shown.text])] == [
        ours.keys.order_by("pk")[0].pk
    ]
    domains.say_published(key, now=NOW)
    with pytest.raises(DomainRefused, match="edited directly in the database"):
        domains.activate(key, now=NOW)
    assert _signers(house, "lantern.example") == ["sz2611e"]


def test_a_retired_key_does_not_sign_again_because_its_row_was_put_back(house: House, ours: SendingDomain) -> None:
    old = DkimKey.objects.filter(pk=ours.keys.get().pk)
    before = old.values("state", "until", "private_sealed").get()
    domains.retire(old.select_related("domain__organization").get(), now=NOW)
    old.update(**before)
    assert dkim_keys.signing_domain(house.organization, "lantern.example") == ""
    assert dkim_keys.domain_row(ours).active == ()


def test_a_removed_domain_does_not_sign_again_because_its_rows_were_put_back(house: House, ours: SendingDomain) -> None:
    rows = SendingDomain.objects.get(pk=ours.pk), DkimKey.objects.get(domain=ours.pk)
    domains.remove_domain(ours, now=NOW)
    for row in rows:
        row.save(force_insert=True)
    assert _signers(house, "lantern.example") == []


def test_the_yes_to_a_domain_or_a_key_is_none_to_another_one_under_its_number(
    house: House, ours: SendingDomain, vera: Person, zoya: Person
) -> None:
    """A number is used twice where whoever writes the database sets the sequence back."""
    good = domains.add_domain(house.organization, "good.example", now=NOW, by=vera, algorithms=("ed25519",))
    key = _brought(ours, vera)
    sealed = sealed_domains.open_key(key)
    good.name = "evil.example"
    good.save()
    sealed_domains.seal_domain(good, waits=True)
    sealed_domains.seal_key(key, structs.replace(sealed, public=ours.keys.exclude(pk=key.pk).get().public))
    for row in pending_changes.waiting(house.organization):
        with pytest.raises(DomainRefused, match="edited directly in the database"):
            pending_changes.approve(row, now=NOW, by=zoya)


def test_nobody_makes_their_domain_the_first_one_by_deleting_the_others(house: House, vera: Person) -> None:
    SendingDomain.objects.all().delete()
    Event.objects.filter(kind="domain.added").update(kind="domain.removed")
    evil = _evil(house, vera)
    assert [row.kind for row in pending_changes.waiting(house.organization)] == ["domain"]
    evil.keys.update(state="active")
    assert _signers(house, "evil.example") == []
