"""Who may sign in, and what of them is in the database."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from msgspec import structs

from samizdat.accounts import actions, locking, queries, sealed_people, sealed_settings
from samizdat.accounts.backend import BlindIndexBackend
from samizdat.accounts.errors import AccountError, AlreadyHere, InvitationGone, LastAdmin, NameTaken, PasswordWeak
from samizdat.accounts.models import Organization, Person, Session
from samizdat.accounts.sessions import SessionStore
from samizdat.accounts.throttle import FREE_TRIES, Throttled
from samizdat.cli import instance
from samizdat.cli.output import CommandFailed
from tests.conftest import NOW, PASSWORD, TODAY

pytestmark = pytest.mark.django_db


@pytest.fixture
def clara(lantern: Any) -> Person:
    person = actions.add_person("Clara@Lantern.example", name="Clara", password=PASSWORD, today=TODAY)
    actions.give_role(person, lantern, "admin", by=None, now=NOW)
    return person


def test_a_person_signs_in_whatever_the_case_of_their_address(clara: Person) -> None:
    assert BlindIndexBackend().authenticate(None, email="clara@lantern.EXAMPLE", password=PASSWORD) == clara


def test_the_database_does_not_name_a_person(clara: Person) -> None:
    row = Person.objects.filter(pk=clara.pk).values().get()
    assert (
        b"lantern"
        not in b"".join(bytes(value) for value in row.values() if isinstance(value, bytes | memoryview)).lower()
    )
    assert sealed_people.email_of(clara) == "Clara@Lantern.example"


def test_a_wrong_password_is_throttled_and_even_the_right_one_waits(clara: Person) -> None:
    for _try in range(FREE_TRIES):
        assert BlindIndexBackend().authenticate(None, email="clara@lantern.example", password="wrong") is None
    with pytest.raises(Throttled):
        BlindIndexBackend().authenticate(None, email="clara@lantern.example", password=PASSWORD)


@pytest.mark.parametrize("password", ["short", "thirteen-long"])
def test_a_short_password_is_refused(lantern: Any, password: str) -> None:
    with pytest.raises(PasswordWeak):
        actions.add_person("ada@reader.example", password=password, today=TODAY)


def test_one_address_is_one_person(clara: Person) -> None:
    with pytest.raises(AlreadyHere):
        actions.add_person("CLARA@lantern.example", password=PASSWORD, today=TODAY)


def test_a_copy_does_not_tell_which_accounts_are_at_one_address(clara: Person, lantern: Any) -> None:
    """Anybody's organization can invite an address and open the link themselves."""
    planted = actions._new_person("clara@lantern.example", "Mallory", "an attacker's own phrase", "en", TODAY)
    kept = {
        person.pk: {*map(str, (bytes(person.email_hash), bytes(person.email_sealed))), *person.password.split("$")[4:]}
        for person in (clara, planted)
    }
    assert not kept[clara.pk] & kept[planted.pk]
    authenticate = BlindIndexBackend().authenticate
    assert authenticate(None, email="clara@lantern.example", password=PASSWORD) == clara
    assert authenticate(None, email="clara@lantern.example", password="an attacker's own phrase") == planted


def test_the_command_line_takes_nobody_for_another_whose_index_was_written_beside_them(
    clara: Person, lantern: Any
) -> None:
    """Who writes the database would get the role, or the new password, that is meant for the other one."""
    other = actions.add_person("x@evil.example", password=PASSWORD, today=TODAY)
    Person.objects.filter(pk=clara.pk).update(email_hash=other.email_hash)
    Person.objects.filter(pk=other.pk).update(email_hash=clara.email_hash)
    assert instance._at_address("clara@lantern.example") is None
    with pytest.raises(CommandFailed):
        instance.member(lantern, "x@evil.example")


def test_the_last_admin_stays(clara: Person, lantern: Any) -> None:
    with pytest.raises(LastAdmin):
        actions.give_role(clara, lantern, "viewer", by=None, now=NOW)
    with pytest.raises(LastAdmin):
        actions.remove_person(clara, lantern, by=None, now=NOW)


def test_an_invitation_lets_one_person_in_once(clara: Person, lantern: Any) -> None:
    token = actions.invite(lantern, "editor", note="Dmitri", by=clara, now=NOW)
    dmitri, where = actions.accept(token, email="d@lantern.example", name="Dmitri", password=PASSWORD, now=NOW)
    assert where == lantern
    assert {member.name: member.role for member in queries.members(lantern)} == {
        "Clara": "admin",
        "Dmitri": "editor",
    }
    with pytest.raises(InvitationGone):
        actions.accept(token, email="e@lantern.example", name="Eve", password=PASSWORD, now=NOW)


def test_an_invitation_ends_after_seven_days(clara: Person, lantern: Any) -> None:
    token = actions.invite(lantern, "editor", note="", by=clara, now=NOW)
    with pytest.raises(InvitationGone):
        actions.accept(token, email="d@l.example", name="", password=PASSWORD, now=NOW + timedelta(days=8))


@pytest.mark.parametrize("how", ["locked", "removed", "an editor by now"])
def test_an_invitation_ends_with_the_role_of_whoever_made_it(clara: Person, lantern: Any, how: str) -> None:
    other = actions.add_person("vera@l.example", name="Vera", password=PASSWORD, today=TODAY)
    actions.give_role(other, lantern, "admin", by=None, now=NOW)
    token = actions.invite(lantern, "viewer", note="", by=clara, now=NOW)
    if how == "locked":
        locking.lock(clara, lantern, by=None, now=NOW)
    elif how == "removed":
        actions.remove_person(clara, lantern, by=None, now=NOW)
    else:
        actions.give_role(clara, lantern, "editor", by=None, now=NOW)
    with pytest.raises(InvitationGone):
        actions.accept(token, email="d@l.example", name="", password=PASSWORD, now=NOW)


def test_of_two_who_press_an_invitation_at_once_one_comes_in(
    clara: Person, lantern: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = actions.invite(lantern, "editor", note="", by=clara, now=NOW)
    both = actions.invitation_of(token, NOW)
    monkeypatch.setattr(actions, "invitation_of", lambda *_: both)  # Both have read it before either wrote.
    actions.accept(token, email="d@lantern.example", name="Dmitri", password=PASSWORD, now=NOW)
    with pytest.raises(InvitationGone):
        actions.accept(token, email="e@lantern.example", name="Eve", password=PASSWORD, now=NOW)


def test_a_removed_colleague_has_no_role_and_no_session(clara: Person, lantern: Any) -> None:
    dmitri = actions.add_person("d@lantern.example", name="Dmitri", password=PASSWORD, today=TODAY)
    actions.give_role(dmitri, lantern, "editor", by=clara, now=NOW)
    store = SessionStore()
    store["_auth_user_id"] = str(dmitri.pk)
    store.save()
    actions.remove_person(dmitri, lantern, by=clara, now=NOW)
    assert queries.membership(dmitri, lantern.slug) is None
    assert not Session.objects.exists()


def test_who_was_shut_out_neither_signs_in_nor_goes_on(clara: Person) -> None:
    assert BlindIndexBackend().get_user(clara.pk) == clara
    Person.objects.update(is_active=False)
    assert BlindIndexBackend().get_user(clara.pk) is None
    assert BlindIndexBackend().authenticate(None, email="clara@lantern.example", password=PASSWORD) is None


def test_a_session_ends(clara: Person) -> None:
    store = SessionStore()
    store["_auth_user_id"] = str(clara.pk)
    store.save()
    Session.objects.update(expires=timezone.now() - timedelta(seconds=1))
    assert "_auth_user_id" not in SessionStore(store.session_key)


def test_a_session_that_is_used_all_the_time_ends_after_a_day(clara: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    store, begun = SessionStore(), timezone.now()
    store["_auth_user_id"] = str(clara.pk)
    store.save()
    for hour in range(0, 24, 6):
        monkeypatch.setattr("django.utils.timezone.now", lambda hour=hour: begun + timedelta(hours=hour))
        used = SessionStore(store.session_key)
        used["seen"] = hour
        used.save()
    assert Session.objects.get().expires <= begun + timedelta(hours=24, minutes=1)
    monkeypatch.setattr("django.utils.timezone.now", lambda: begun + timedelta(hours=24, minutes=1))
    assert "_auth_user_id" not in SessionStore(store.session_key)


def test_two_organizations_do_not_share_a_name(lantern: Any, vault: Any) -> None:
    with pytest.raises(NameTaken):
        actions.found_organization("Northern lantern", source=vault, today=TODAY)


def test_a_russian_name_gets_a_slug(vault: Any) -> None:
    assert actions.found_organization("Северный фонарь", source=vault, today=TODAY).slug == "organization-1"


def test_a_copied_database_opens_no_session(clara: Person) -> None:
    store = SessionStore()
    store["_auth_user_id"] = str(clara.pk)
    store.save()
    row = Session.objects.get()
    assert store.session_key
    assert store.session_key[:8].encode() not in bytes(row.key_hash) + bytes(row.data_sealed)
    assert SessionStore(store.session_key)["_auth_user_id"] == str(clara.pk)


def test_a_new_password_ends_the_sessions_of_its_person(clara: Person) -> None:
    store = SessionStore()
    store["_auth_user_id"] = str(clara.pk)
    store.save()
    actions.set_password(clara, "another long password here")
    assert not Session.objects.exists()


def test_nobody_takes_the_host_that_another_organization_had_before(lantern: Any, vault: Any) -> None:
    """Links of letters that are out lead there."""
    actions.change_settings(lantern, public_url="https://news.lantern.example", by=None, now=NOW)
    without = structs.replace(sealed_settings.leading(lantern), hosts=frozenset())
    sealed_settings._seal_settings(lantern, without)  # As they were sealed before hosts were remembered.
    for url in ("https://фонарь.рф:8443", "https://lantern.example"):
        actions.change_settings(lantern, public_url=url, by=None, now=NOW)
    bell = actions.found_organization("Harbour Bell", source=vault, today=TODAY)
    boris = actions.add_person("boris@bell.example", password=PASSWORD, today=TODAY)
    actions.give_role(boris, bell, "admin", by=None, now=NOW)
    for url in ("https://news.lantern.example", "https://Фонарь.рф", "https://xn--80azckq6c.xn--p1ai"):
        with pytest.raises(AccountError, match="is already in use"):
            actions.change_settings(bell, public_url=url, by=boris, now=NOW)
    actions.change_settings(lantern, public_url="https://news.lantern.example", by=None, now=NOW)
    actions.change_settings(lantern, public_url="https://lantern.example", by=None, now=NOW)
    actions.change_settings(bell, public_url="https://news.lantern.example", by=None, now=NOW)


def test_an_address_is_kept_as_browsers_ask_for_it(lantern: Any) -> None:
    actions.change_settings(lantern, public_url="https://Фонарь.рф:8443/письма", by=None, now=NOW)
    assert lantern.public_url == "https://xn--80azckq6c.xn--p1ai:8443/письма"
    with pytest.raises(AccountError, match=r"^https://a\.\.xn--90a\.example isn’t a web address"):
        actions.change_settings(lantern, public_url="https://a。。б.example", by=None, now=NOW)


def test_no_group_takes_the_public_host_of_another(lantern: Any, vault: Any) -> None:
    """Its forms would stand there, under the name that the other one's readers trust."""
    told = {"by": None, "now": NOW}
    actions.change_settings(lantern, public_url="https://lantern.example", **told)
    actions.change_settings(lantern, public_url="https://lantern.example/", **told)
    bell = actions.found_organization("Harbour Bell", source=vault, today=TODAY)
    for url in ("https://lantern.example", "https://LANTERN.example:8443/x"):
        with pytest.raises(AccountError, match="is already in use"):
            actions.change_settings(bell, public_url=url, **told)
    Organization.objects.filter(pk=bell.pk).update(public_url="https://lantern.example")
    Organization.objects.filter(pk=lantern.pk).update(public_url="")
    with pytest.raises(AccountError, match="is already in use"):
        actions.change_settings(Organization.objects.get(pk=bell.pk), public_url="https://lantern.example", **told)
    actions.change_settings(bell, public_url="https://bell.example", **told)
