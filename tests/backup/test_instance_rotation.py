"""The instance key is replaced: roles, links, locks, keys of exports and public pages are what they were before. What
somebody wrote into the database without keys is still nothing."""

import ast
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db.models import Model

import samizdat
from samizdat.accounts import (
    actions,
    address_change,
    api_keys,
    forged_rows,
    memberships,
    notice_choices,
    passwords,
    pending_changes,
    sealed_people,
    sessions,
)
from samizdat.accounts.backend import BlindIndexBackend
from samizdat.accounts.models import (
    AddressChange,
    ApiKey,
    Attempt,
    Membership,
    Organization,
    PendingChange,
    Person,
    Session,
)
from samizdat.accounts.sessions import SessionStore
from samizdat.audience.models import ConsentRecord
from samizdat.backup import instance_rotation
from samizdat.core.crypto import signature, tokens
from samizdat.delivery.actions import key_locks
from samizdat.health import installation, organizations
from samizdat.health.looks import found_by
from samizdat.portability import recipient_keys
from samizdat.portability.models import RecipientKey
from samizdat.publicdb import actions as publishing
from samizdat.publicdb import queries, signed_rows
from samizdat.publicdb.models import Page, Site
from samizdat.vault import instance_exchange, keyring, locks
from samizdat.vault.models import KeptKey
from samizdat.vault.purposes import ANEW, PURPOSES, SEALED
from samizdat.vault.source import InstanceSource
from samizdat.worker.publishing import unsigned
from tests.conftest import INSTANCE_KEY, NOW, PASSWORD, TODAY
from tests.publicdb.test_signed_rows import KEY, LOOKS, SIGNED
from tests.test_macs import HOLDS

pytestmark = pytest.mark.django_db

NEW = bytes(range(50, 82))
DAY = timedelta(days=1)
AGE_KEY = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"
# Checked by keys that are kept.
KEPT: set[type[Model]] = {ConsentRecord}


@pytest.fixture(autouse=True)
def signed_by_its_keys(vault: Any) -> Iterator[None]:
    signed_rows.sign_by(lambda: keyring.derive("public pages"))
    yield
    signed_rows.sign_by(lambda: InstanceSource(INSTANCE_KEY).derive("public pages"))


@pytest.fixture
def exchange(vault: Any, django_capture_on_commit_callbacks: Any) -> Callable[..., None]:
    """Once, and another time from there."""
    present = [INSTANCE_KEY]

    def exchange(new: bytes = NEW) -> None:
        with django_capture_on_commit_callbacks(execute=True):
            instance_exchange.exchange(
                InstanceSource(present[-1]), new, instance_rotation.RENEWALS, instance_rotation.marks
            )
        present.append(new)

    return exchange


def _person(organization: Any, name: str, role: str = "admin") -> Person:
    person = actions.add_person(f"{name}@lantern.example", name=name, password=PASSWORD, today=TODAY)
    actions.give_role(person, organization, role, by=None, now=NOW - 3 * DAY)
    return person


def _again[Row: Model](row: Row) -> Row:
    return type(row)._default_manager.get(pk=row.pk)


def test_all_that_is_to_be_made_anew_has_somebody_who_does_it() -> None:
    wanted = {purpose for purpose, (_roles, rule) in PURPOSES.items() if rule in (ANEW, SEALED)}
    assert wanted == instance_rotation.BY_PURPOSE.keys()


def test_the_handbook_names_all_tables_in_which_a_former_key_may_have_left_something() -> None:
    text = (Path(samizdat.__file__).parent.parent / "docs/keys.md").read_text("utf-8")
    models = (*instance_exchange._WRAPPED, *instance_rotation.SEALED_ROWS)
    assert f"VACUUM FULL {', '.join(model._meta.db_table for model in models)};" in text


def test_each_kind_of_grant_has_somebody_who_makes_its_macs_anew() -> None:
    folder = Path(samizdat.__file__).parent
    found = {
        node.args[0].value
        for path in folder.rglob("*.py")
        if "row_macs" in (text := path.read_text("utf-8")) or path.stem == "row_macs"
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("of", "row_macs.of")
        if node.args and isinstance(node.args[0], ast.Constant)
    }
    assert found == {"membership", "invitation", "api key", "change", "export", "share link"}
    assert len(instance_rotation.BY_PURPOSE["grants"]) == len(found)


def test_what_holds_before_holds_afterwards(rows_with_macs: dict[type[Model], Any], exchange: Any) -> None:
    exchange()
    for model in rows_with_macs:
        assert HOLDS[model](_again(rows_with_macs[model])), model


def test_what_fits_nothing_before_is_left_as_it_is(rows_with_macs: dict[type[Model], Any], exchange: Any) -> None:
    for model in rows_with_macs.keys() - KEPT:
        model._default_manager.filter(pk=rows_with_macs[model].pk).update(mac=bytes(32))
    exchange()
    for model in rows_with_macs.keys() - KEPT:
        assert bytes(_again(rows_with_macs[model]).mac) == bytes(32), model


def test_people_are_found_and_named_and_keep_their_roles(lantern: Any, exchange: Any) -> None:
    vera, clara = _person(lantern, "Vera"), _person(lantern, "Clara", "viewer")
    notice_choices.choose(vera, {"route"})
    vera.save()
    Membership.objects.filter(person=clara).update(role="admin")
    exchange()
    [found] = memberships.people_at(sealed_people.index_of("vera@lantern.example"))
    assert (found, sealed_people.name_of(found), sealed_people.email_of(found)) == (
        vera,
        "Vera",
        "Vera@lantern.example",
    )
    assert notice_choices.unwanted(found) == {"finished", "waiting", "paused", "approval", "import"}
    assert [row.person for row in memberships.valid(organization=lantern)] == [vera]
    assert [row.person for row in memberships.forged(lantern)] == [clara]
    assert forged_rows.watch(NOW) == 1


def _signs_in(password: str = PASSWORD) -> Person | None:
    return BlindIndexBackend().authenticate(None, email="vera@lantern.example", password=password)


@pytest.mark.parametrize("times", [1, 2])
def test_people_sign_in_with_their_password_and_it_is_kept_by_the_new_key_from_then_on(
    lantern: Any, exchange: Any, times: int
) -> None:
    vera = _person(lantern, "Vera")
    keys = [NEW, bytes(range(100, 132))][:times]
    for key in keys:
        exchange(key)
    assert _signs_in("another long password") is None
    assert passwords.made_by(vera.pk, _again(vera).password) == 1
    assert _signs_in() == vera
    assert passwords.made_by(vera.pk, _again(vera).password) == times + 1
    KeptKey.objects.all().delete()
    keyring.use(InstanceSource(keys[-1]))
    assert _signs_in() == vera


def test_a_password_made_with_the_former_key_opens_nothing(lantern: Any, exchange: Any) -> None:
    """By somebody who has that key and writes the database."""
    vera = _person(lantern, "Vera")
    theirs = Person(pk=vera.pk, email_sealed=vera.email_sealed)
    theirs.set_password("a password of Mallory")
    exchange()
    Person.objects.filter(pk=vera.pk).update(password=theirs.password)
    assert _signs_in("a password of Mallory") is None and _signs_in() is None


def test_an_account_whose_address_was_put_there_by_somebody_else_is_not_found_by_it(
    lantern: Any, exchange: Any
) -> None:
    """By a hash that is another's, and by an address that doesn't open."""
    vera, clara, zoya = (_person(lantern, name) for name in ("vera", "clara", "zoya"))
    Person.objects.filter(pk=clara.pk).update(email_hash=Person.objects.get(pk=vera.pk).email_hash)
    Person.objects.filter(pk=zoya.pk).update(email_sealed=Person.objects.get(pk=vera.pk).email_sealed)
    before = {person.pk: person for person in Person.objects.all()}
    exchange()
    assert [*memberships.people_at(sealed_people.index_of("clara@lantern.example"))] == []
    assert [*memberships.people_at(sealed_people.index_of("zoya@lantern.example"))] == []
    for person, column in ((clara, "email_hash"), (zoya, "email_sealed"), (zoya, "email_hash")):
        assert bytes(getattr(_again(person), column)) == bytes(getattr(before[person.pk], column))


def test_a_change_that_waits_is_approved_and_one_that_was_altered_is_not(lantern: Any, exchange: Any) -> None:
    Organization.objects.filter(pk=lantern.pk).update(next_number=5001)
    vera, zoya = _person(lantern, "Vera"), _person(lantern, "Zoya")
    clara, dmitri = _person(lantern, "Clara", "viewer"), _person(lantern, "Dmitri", "viewer")
    asked = [actions.give_role(person, lantern, "admin", by=vera, now=NOW) for person in (clara, dmitri)]
    assert asked[0] and asked[1]
    PendingChange.objects.filter(pk=asked[1].pk).update(waited_seconds=90_000.0)
    exchange()
    pending_changes.approve(_again(asked[0]), now=NOW, by=zoya)
    with pytest.raises(pending_changes.ChangeRefused):
        pending_changes.approve(_again(asked[1]), now=NOW, by=zoya)
    assert {row.person for row in memberships.valid(organization=lantern, role="admin")} == {vera, zoya, clara}


def test_who_was_signed_in_signs_in_again(lantern: Any, exchange: Any) -> None:
    vera = _person(lantern, "Vera")
    store = SessionStore()
    store["_auth_user_id"] = str(vera.pk)
    store.save()
    Attempt.objects.create(lane=bytes(16), address_hash=bytes(16), not_before=NOW)
    left = Session.objects.values().get()
    exchange()
    assert not Session.objects.exists() and not Attempt.objects.exists()
    Session.objects.create(**left)
    assert SessionStore(store.session_key).load() == {} and sessions.of_person(vera, "") == []


@pytest.mark.parametrize("confirmed", [True, False])
def test_a_new_address_that_nobody_confirmed_is_asked_for_again(lantern: Any, exchange: Any, confirmed: bool) -> None:
    vera = _person(lantern, "Vera")
    address_change.ask(vera, "v@post.example", PASSWORD, origin="https://desk.example", now=NOW)
    row = AddressChange.objects.get()
    token = address_change.token_of(row)
    if confirmed:
        address_change.confirm(vera, token, now=NOW)
    exchange()
    details = [address_change.details_of(row) for row in AddressChange.objects.all()]
    assert [each.email for each in details if each] == (["v@post.example"] if confirmed else [])
    with pytest.raises(actions.AccountError):
        address_change.confirm(_again(vera), token, now=NOW)


def test_a_key_of_the_api_works_on_and_one_that_was_altered_does_not(lantern: Any, exchange: Any) -> None:
    """Programs keep theirs: nobody has to bring a new key to each website."""
    made = [api_keys.add(lantern, "Website", ["subscribers:read"], now=NOW, by=None) for _number in range(2)]
    ApiKey.objects.filter(pk=made[1][1].pk).update(scopes="subscribers:read subscribers:write")
    exchange()
    assert api_keys.authenticate(made[0][0], NOW).pk == made[0][1].pk
    with pytest.raises(api_keys.ApiKeyInvalid):
        api_keys.authenticate(made[1][0], NOW)


def test_a_key_of_exports_is_known_once(lantern: Any, exchange: Any) -> None:
    recipient_keys.know(lantern, [AGE_KEY], now=NOW)
    exchange()
    assert recipient_keys.are_known(lantern, [AGE_KEY])
    recipient_keys.know(lantern, [AGE_KEY], now=NOW)
    assert RecipientKey.objects.count() == 1


def test_a_key_of_exports_is_known_once_where_the_organization_was_locked(lantern: Any, exchange: Any) -> None:
    recipient_keys.know(lantern, [AGE_KEY], now=NOW)
    key_locks.lock(lantern, by=None, now=NOW)
    mark = bytes(RecipientKey.objects.get().mark)
    exchange()
    assert bytes(RecipientKey.objects.get().mark) == mark
    assert locks.state(lantern)
    key_locks.unlock(lantern, by=None, now=NOW)
    recipient_keys.know(lantern, [AGE_KEY], now=NOW)
    assert RecipientKey.objects.count() == 1 and recipient_keys.are_known(lantern, [AGE_KEY])


def test_a_mark_that_is_of_another_key_is_left(lantern: Any, exchange: Any) -> None:
    recipient_keys.know(lantern, [AGE_KEY], now=NOW)
    RecipientKey.objects.update(mark=bytes(16))
    exchange()
    assert bytes(RecipientKey.objects.get().mark) == bytes(16)


def test_the_public_pages_say_what_they_said(published: Site, exchange: Any) -> None:
    exchange()
    assert all(LOOKS[name](published) for name in LOOKS)
    assert unsigned.throw_out(NOW) == 0


def test_a_public_page_that_somebody_else_wrote_is_not_signed(published: Site, exchange: Any) -> None:
    for model in SIGNED:
        model._default_manager.update(signature=bytes(64))
    exchange()
    assert not any(signed_rows.is_ours(row) for model in SIGNED for row in model._default_manager.all())


def test_the_text_of_a_public_page_is_that_which_was_signed(published: Site, exchange: Any) -> None:
    Page.objects.filter(slug="words").update(html="<p>Evil</p>")
    exchange()
    assert queries.letter("words", "lantern.example") is None
    assert queries.letter("slova", "lantern.example")


def test_public_rows_beyond_one_part_are_signed_and_it_may_be_done_twice(published: Site, exchange: Any) -> None:
    links = [tokens.make(KEY, "leave", 4, number) for number in range(20, 20 + signed_rows.SOME + 5)]
    for link in links:
        publishing.set_token_state(link, "back")
    exchange()
    assert {queries.token_state(link) for link in links} == {"back"}
    assert signed_rows.sign_anew(signature.public_key(InstanceSource(INSTANCE_KEY).derive("public pages"))) == 0


def test_the_doctor_finds_what_it_found_before(here: Any, exchange: Any) -> None:
    looks = (
        installation.changed_keys,
        installation.place,
        installation.forged_events,
        installation.public_process,
        organizations.organizations,
    )
    before = [finding.code for finding in found_by(looks)]
    exchange()
    assert [finding.code for finding in found_by(looks)] == before
    assert forged_rows.watch(NOW) == 0 and unsigned.throw_out(NOW) == 0


def test_nothing_of_it_stays_where_it_is_broken_off(
    rows_with_macs: dict[type[Model], Any], vault: Any, published: Site
) -> None:
    def broken() -> Iterator[None]:
        yield
        raise RuntimeError("Broken off.")

    with pytest.raises(RuntimeError):
        instance_exchange.exchange(InstanceSource(INSTANCE_KEY), NEW, (*instance_rotation.RENEWALS, broken))
    for model in rows_with_macs.keys() - KEPT:
        assert HOLDS[model](_again(rows_with_macs[model])), model
    assert unsigned.throw_out(NOW) == 0
