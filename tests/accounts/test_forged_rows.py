"""Whoever writes the database and has no keys is given nothing by it."""

import ast
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyrage
import pytest
from django.db import connection
from django.utils import timezone

import samizdat
from samizdat.accounts import (
    actions,
    forged_rows,
    invitations,
    locking,
    memberships,
    pending_changes,
    public_site,
    queries,
    sealed_settings,
)
from samizdat.accounts.actions import SettingDetails
from samizdat.accounts.errors import AccountError, InvitationGone
from samizdat.accounts.models import Invitation, Membership, Organization, PendingChange, Person, Session
from samizdat.accounts.pending_changes import ChangeRefused
from samizdat.accounts.sessions import SessionStore
from samizdat.events.actions import detail_of
from samizdat.events.models import Event
from samizdat.portability import actions as exporting
from samizdat.portability import approval, recipient_keys
from samizdat.portability.errors import ExportRefused
from samizdat.portability.models import Export, RecipientKey
from samizdat.portability.request import ExportRequest
from samizdat.publicdb.models import Site
from tests.conftest import NOW, PASSWORD, TODAY

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
AGE_KEY = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"


def _person(house: Any, name: str, role: str) -> Person:
    person = actions.add_person(f"{name}@lantern.example", name=name, password=PASSWORD, today=TODAY)
    actions.give_role(person, house, role, by=None, now=NOW - 3 * DAY)
    return person


@pytest.fixture
def house(lantern: Any) -> Any:
    Organization.objects.filter(pk=lantern.pk).update(next_number=5001)
    lantern.refresh_from_db()
    return lantern


@pytest.fixture
def vera(house: Any) -> Person:
    return _person(house, "Vera", "admin")


@pytest.fixture
def clara(house: Any) -> Person:
    return _person(house, "Clara", "viewer")


def _role(person: Person, house: Any) -> str:
    found = queries.membership(person, house.slug)
    return found.role if found else ""


# -- roles


def test_a_role_that_somebody_wrote_into_the_database_gives_nothing(house: Any, vera: Person, clara: Person) -> None:
    Membership.objects.filter(person=clara).update(role="admin")
    assert (_role(clara, house), _role(vera, house)) == ("", "admin")
    assert [member.name for member in queries.members(house)] == ["Vera"]
    assert queries.organizations_of(clara) == []
    assert pending_changes.others(house, vera, NOW) == []


@pytest.mark.parametrize("column", ["person", "organization", "since"])
def test_a_role_moved_to_another_person_or_group_gives_nothing(
    house: Any, vera: Person, clara: Person, vault: Any, column: str
) -> None:
    bell = actions.found_organization("Harbour Bell", source=vault, today=TODAY)
    stranger = actions.add_person("s@bell.example", password=PASSWORD, today=TODAY)
    there = {"person": stranger, "organization": bell, "since": NOW - 9 * DAY}
    Membership.objects.filter(person=vera).update(**{column: there[column]})
    assert [row.role for row in memberships.valid()] == ["viewer"]


def test_a_role_gives_nothing_in_a_group_that_somebody_gave_the_uid_of_its_own(
    house: Any, vera: Person, vault: Any
) -> None:
    other = actions.found_organization("Harbour Bell", source=vault, today=TODAY)
    uid = bytes(house.uid)
    Organization.objects.filter(pk=house.pk).update(uid=bytes(16))
    Organization.objects.filter(pk=other.pk).update(uid=uid)
    Membership.objects.filter(person=vera).update(organization=other)
    assert _role(vera, other) == ""


def test_an_account_made_when_that_of_an_admin_was_taken_away_does_not_get_their_role_with_their_number(
    house: Any, vault: Any
) -> None:
    thieves = actions.found_organization("Thieves", source=vault, today=TODAY)
    link = actions.invite(thieves, "viewer", note="", by=None, now=NOW)
    vera = _person(house, "Vera", "admin")
    [role] = Membership.objects.filter(person=vera).values()
    _take_away_as_the_newest(vera)
    mallory, _there = actions.accept(link, email="m@evil.example", name="M", password=PASSWORD, now=NOW)
    Membership.objects.create(**role | {"id": role["id"] + 1000})
    assert (_role(mallory, house), pending_changes.others(house, None, NOW)) == ("", [])
    Membership.objects.filter(organization=house).delete()  # Of somebody who is gone: the test's end would notice.


def _take_away_as_the_newest(person: Person) -> None:
    """So that a database that counts accounts would give the number again."""
    Membership.objects.filter(person=person).delete()
    Person.objects.filter(pk=person.pk).delete()
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT setval(pg_get_serial_sequence('accounts_person', 'id'), %s, false)", [person.pk])
        else:
            cursor.execute("UPDATE sqlite_sequence SET seq = %s WHERE name = 'accounts_person'", [person.pk - 1])


def test_a_forged_role_is_told_once_an_hour_and_the_command_line_gives_a_true_one(
    house: Any, vera: Person, clara: Person
) -> None:
    Membership.objects.filter(person=clara).update(role="admin")
    assert [forged_rows.watch(NOW + minutes * timedelta(minutes=1)) for minutes in (0, 1, 61)] == [1, 1, 1]
    assert Event.objects.filter(kind=forged_rows.FORGED, organization=house).count() == 2
    actions.give_role(clara, house, "editor", by=None, now=NOW)
    assert (_role(clara, house), forged_rows.watch(NOW + DAY)) == ("editor", 0)


def test_a_forged_event_keeps_no_forged_role_from_being_told(house: Any, clara: Person) -> None:
    Membership.objects.filter(person=clara).update(role="admin")
    Event.objects.create(organization=house, kind=forged_rows.FORGED, at=NOW, digest=bytes(32))
    assert forged_rows.watch(NOW) == 1
    assert Event.objects.filter(kind=forged_rows.FORGED, organization=house).count() == 2


def test_the_last_true_admin_stays_whatever_else_stands_in_the_table(house: Any, vera: Person, clara: Person) -> None:
    Membership.objects.filter(person=clara).update(role="admin")
    with pytest.raises(AccountError):
        actions.remove_person(vera, house, by=None, now=NOW)


def test_roles_are_read_and_written_in_one_place_alone() -> None:
    """A filter elsewhere would take a forged role for one, and an update would write none that holds."""
    folder = Path(samizdat.__file__).parent
    named = {
        str(path.relative_to(folder))
        for path in folder.rglob("*.py")
        if "migrations" not in path.parts
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr == "objects" and ast.unparse(node.value) == "Membership"
    }
    # queries asks whether the row holds; actions deletes.
    assert named == {"accounts/memberships.py", "accounts/queries.py", "accounts/actions.py"}
    text = (folder / "accounts/actions.py").read_text()
    assert text.count("Membership.objects") == text.count(
        "Membership.objects.filter(person=person, organization=organization).delete()"
    )


# -- sessions


def _session(person: Person) -> str:
    store = SessionStore()
    store["_auth_user_id"] = str(person.pk)
    store.save()
    assert store.session_key
    return store.session_key


def _opens(key: str) -> str:
    return str(SessionStore(key).get("_auth_user_id", ""))


def test_a_session_put_into_the_row_of_another_one_opens_nothing(vera: Person, clara: Person) -> None:
    key, own = _session(vera), _session(clara)
    assert (_opens(key), _opens(own)) == (str(vera.pk), str(clara.pk))
    theirs = Session.objects.get(person=vera)
    Session.objects.filter(person=clara).update(data_sealed=theirs.data_sealed, person=vera)
    assert _opens(own) == ""


def test_a_session_that_was_given_to_somebody_else_or_made_longer_opens_nothing(vera: Person, clara: Person) -> None:
    key = _session(clara)
    Session.objects.update(person=vera)
    assert _opens(key) == ""
    store = SessionStore()
    store["_auth_user_id"] = str(clara.pk)
    store.set_expiry(timezone.now() - timedelta(seconds=1))
    store.save()
    Session.objects.update(expires=timezone.now() + DAY, person=clara)
    assert store.session_key
    assert _opens(store.session_key) == ""


# -- invitations


def _accept(token: str, name: str = "pavel") -> None:
    actions.accept(token, email=f"{name}@lantern.example", name="", password=PASSWORD, now=NOW)


@pytest.mark.parametrize("change", [{"role": "admin"}, {"expires": NOW + 9 * DAY}])
def test_an_invitation_that_was_changed_in_the_database_opens_nothing(
    house: Any, vera: Person, change: dict[str, Any]
) -> None:
    token = actions.invite(house, "viewer", note="", by=vera, now=NOW)
    Invitation.objects.update(**change)
    with pytest.raises(InvitationGone):
        _accept(token)


def test_a_used_invitation_opens_nothing_when_somebody_writes_that_it_was_not(house: Any, vera: Person) -> None:
    token = actions.invite(house, "viewer", note="", by=vera, now=NOW)
    _accept(token)
    Invitation.objects.update(used=False)
    with pytest.raises(InvitationGone):
        _accept(token, "eva")


def test_an_invitation_that_was_withdrawn_opens_nothing_when_somebody_writes_that_it_was_not(
    house: Any, vera: Person
) -> None:
    token = actions.invite(house, "viewer", note="", by=vera, now=NOW)
    actions.withdraw_invitation(Invitation.objects.get(), by=vera, now=NOW)
    Invitation.objects.update(used=False)
    with pytest.raises(InvitationGone):
        _accept(token)


def test_an_invitation_that_waits_opens_nothing_when_somebody_takes_away_the_wait(house: Any, vera: Person) -> None:
    token = actions.invite(house, "editor", note="", by=vera, now=NOW)
    PendingChange.objects.update(state="done")
    with pytest.raises(InvitationGone):
        _accept(token)


def test_the_link_of_a_viewer_does_not_take_the_place_of_one_that_waits(house: Any, vera: Person) -> None:
    zoya = _person(house, "Zoya", "admin")
    actions.invite(house, "admin", note="", by=vera, now=NOW)
    waits = Invitation.objects.get()
    token = actions.invite(house, "viewer", note="", by=vera, now=NOW)
    own = Invitation.objects.exclude(pk=waits.pk).get()
    own.delete()
    Invitation.objects.filter(pk=waits.pk).update(token_hash=own.token_hash)
    with pytest.raises(AccountError):
        pending_changes.approve(PendingChange.objects.select_related("organization", "by").get(), now=NOW, by=zoya)
    with pytest.raises((InvitationGone, AccountError)):
        _accept(token)


# -- what waits


def _asked(house: Any, clara: Person, vera: Person) -> PendingChange:
    row = actions.give_role(clara, house, "admin", by=vera, now=NOW)
    assert row
    return row


@pytest.mark.parametrize(
    "change", [{"waited_seconds": 90_000.0, "created": NOW - 2 * DAY}, {"kind": "removal"}, {"about": 0}]
)
def test_a_change_whose_wait_was_shortened_in_the_database_is_dropped(
    house: Any, vera: Person, clara: Person, change: dict[str, Any]
) -> None:
    _asked(house, clara, vera)
    PendingChange.objects.update(**change)
    pending_changes.wait(NOW + timedelta(minutes=1), timedelta(minutes=1))
    assert (_role(clara, house), PendingChange.objects.get().state) == ("viewer", "failed")


def test_a_change_that_was_made_another_one_is_not_approved(house: Any, vera: Person, clara: Person) -> None:
    zoya = _person(house, "Zoya", "admin")
    other = actions.add_person("o@lantern.example", password=PASSWORD, today=TODAY)
    row = _asked(house, clara, vera)
    PendingChange.objects.update(about=other.pk)
    with pytest.raises(ChangeRefused):
        pending_changes.approve(
            PendingChange.objects.select_related("organization", "by").get(pk=row.pk), now=NOW, by=zoya
        )
    assert _role(other, house) == ""


def _one() -> PendingChange:
    return PendingChange.objects.select_related("organization", "by").get()


@pytest.mark.parametrize("older", [False, True])
@pytest.mark.parametrize("end", ["done", "stopped", "failed"])
def test_a_change_that_was_settled_is_not_done_again_because_somebody_wrote_that_it_waits(
    house: Any, vera: Person, clara: Person, end: str, older: bool
) -> None:
    """older: the whole row is put back as it was when it waited, with the MAC of then."""
    zoya = _person(house, "Zoya", "admin")
    row = _asked(house, clara, vera)
    pending_changes.notice(row, zoya, NOW)
    pending_changes.wait(NOW + DAY / 2, DAY / 2)
    then = PendingChange.objects.values().get()
    if end == "failed":
        pending_changes._fail(row, NOW)
    else:
        (pending_changes.approve if end == "done" else pending_changes.stop)(row, now=NOW, by=zoya)
    actions.give_role(clara, house, "viewer", by=None, now=NOW + DAY / 2)
    PendingChange.objects.update(**(then if older else {"state": "waiting"}))
    with pytest.raises(ChangeRefused):
        pending_changes.approve(_one(), now=NOW + DAY, by=zoya)
    pending_changes.wait(NOW + 2 * DAY, DAY)
    assert (_role(clara, house), _one().state) == ("viewer", "failed")


@pytest.mark.parametrize("end", ["done", "stopped"])
def test_a_change_that_was_settled_is_not_done_again_though_its_event_was_deleted(
    house: Any, vera: Person, clara: Person, end: str
) -> None:
    """What the worker has not linked yet can be deleted unseen."""
    zoya = _person(house, "Zoya", "admin")
    row = _asked(house, clara, vera)
    pending_changes.notice(row, zoya, NOW)
    (pending_changes.approve if end == "done" else pending_changes.stop)(row, now=NOW, by=zoya)
    actions.give_role(clara, house, "viewer", by=None, now=NOW)
    Event.objects.filter(kind__startswith="change.").delete()
    PendingChange.objects.update(state="waiting", settled=None, settled_by=None)
    pending_changes.wait(NOW + 2 * DAY, 2 * DAY)
    assert (_role(clara, house), _one().state) == ("viewer", "failed")


def test_what_was_approved_is_not_taken_away_by_stopping_an_older_row_of_it(house: Any, vera: Person) -> None:
    zoya = _person(house, "Zoya", "admin")
    token = actions.invite(house, "editor", note="", by=vera, now=NOW)
    then = PendingChange.objects.values().get()
    pending_changes.approve(_one(), now=NOW, by=zoya)
    PendingChange.objects.update(**then)
    pending_changes.stop(_one(), now=NOW, by=zoya)
    assert actions.invitation_of(token, NOW)


# -- settings


ELSEWHERE = {"return_address": "thief@evil.example", "public_url": "https://evil.example", "requires_approval": False}


@pytest.fixture
def settled(house: Any) -> Any:
    wanted = {"return_address": "back@lantern.example", "requires_approval": True}
    actions.change_settings(house, by=None, now=NOW, **wanted)
    return house


def test_a_sign_up_form_warns_of_mailboxes_within_reach_whatever_somebody_wrote_into_the_database(
    settled: Any,
) -> None:
    actions.change_settings(settled, by=None, now=NOW, hostile_state="ru")
    public_site.publish(Organization.objects.get())
    for row in ({"hostile_state": ""}, {"hostile_state": "", "settings_sealed": b""}):
        Organization.objects.update(**row)
        public_site.publish(Organization.objects.get())
        assert Site.objects.get().hostile_state == "ru"


def test_the_state_that_an_organization_fears_is_put_back_and_told(settled: Any) -> None:
    actions.change_settings(settled, by=None, now=NOW, hostile_state="ru")
    Organization.objects.update(hostile_state="")
    forged_rows.watch(NOW)
    assert Organization.objects.get().hostile_state == "ru"
    assert detail_of(Event.objects.get(kind=forged_rows.ALTERED))["settings"] == ["hostile_state"]


def test_settings_that_somebody_wrote_into_the_database_are_put_back_and_told(settled: Any) -> None:
    Organization.objects.filter(pk=settled.pk).update(**ELSEWHERE, accent="#123456")
    forged_rows.watch(NOW)
    settled.refresh_from_db()
    found = (settled.return_address, settled.public_url, settled.requires_approval, settled.accent)
    assert found == ("back@lantern.example", "https://lantern.example", True, "#123456")
    told = detail_of(Event.objects.get(kind=forged_rows.ALTERED))
    assert sorted(told["settings"]) == ["public_url", "requires_approval", "return_address"]


def test_saving_one_setting_does_not_keep_another_that_somebody_wrote_into_the_database(settled: Any) -> None:
    Organization.objects.filter(pk=settled.pk).update(**ELSEWHERE)
    actions.change_settings(Organization.objects.get(), by=None, now=NOW, quiet_hours="", desk_url="https://d.example")
    forged_rows.watch(NOW)
    settled.refresh_from_db()
    assert (settled.return_address, settled.desk_url) == ("back@lantern.example", "https://d.example")


@pytest.mark.parametrize("copy", ["older", "spoiled"])
def test_older_settings_of_an_organization_count_for_nothing_and_are_put_right_and_told(
    settled: Any, vera: Person, vault: Any, copy: str
) -> None:
    """They open as well as the newest: a host that was left, and campaigns that nobody has to approve."""
    actions.change_settings(settled, by=None, now=NOW, public_url="https://left.example", requires_approval=False)
    older = bytes(Organization.objects.get(pk=settled.pk).settings_sealed)
    actions.change_settings(settled, by=None, now=NOW, public_url="https://lantern.example", requires_approval=True)
    forged_rows.watch(NOW)
    assert not Event.objects.filter(kind=forged_rows.ALTERED).exists()
    row = Organization.objects.filter(pk=settled.pk)
    row.update(
        settings_sealed=older if copy == "older" else b"", public_url="https://left.example", requires_approval=False
    )
    kept = sealed_settings.leading(row.get())
    assert (kept.public_url, kept.requires_approval) == ("https://lantern.example", True)
    bell = actions.found_organization("Harbour Bell", source=vault, today=TODAY)
    with pytest.raises(AccountError, match="already in use"):
        actions.change_settings(bell, by=vera, now=NOW, public_url="https://lantern.example")
    actions.change_settings(row.get(), by=None, now=NOW, quiet_hours="")
    row.update(settings_sealed=older)
    forged_rows.watch(NOW)
    settled.refresh_from_db()
    assert (settled.public_url, settled.requires_approval) == ("https://lantern.example", True)
    assert sealed_settings._opened(settled, settled.settings_sealed).public_url == "https://lantern.example"
    [event] = Event.objects.filter(kind=forged_rows.ALTERED, organization=settled)
    assert "settings_sealed" in detail_of(event)["settings"]


def test_nobody_takes_a_host_while_the_settings_of_another_organization_are_spoiled(
    settled: Any, vera: Person, vault: Any
) -> None:
    """Without its copy the row would say which hosts it has."""
    actions.change_settings(settled, by=None, now=NOW, public_url="https://lantern.example")
    bell = actions.found_organization("Harbour Bell", source=vault, today=TODAY)
    Organization.objects.filter(pk=settled.pk).update(settings_sealed=b"", public_url="https://nobody.example")
    with pytest.raises(AccountError, match="can’t be read"):
        actions.change_settings(bell, by=vera, now=NOW, public_url="https://lantern.example")


def test_saving_keeps_what_was_typed_and_not_what_a_trigger_made_of_it(settled: Any) -> None:
    """One that stands for less than a second, so that nobody's look at the triggers finds it."""
    table = Organization._meta.db_table
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                "CREATE FUNCTION elsewhere() RETURNS trigger LANGUAGE plpgsql AS "
                "$$ BEGIN NEW.public_url := 'https://evil.example'; RETURN NEW; END $$"
            )
            made = "BEFORE UPDATE ON {} FOR EACH ROW EXECUTE FUNCTION elsewhere()"
        else:
            made = "AFTER UPDATE ON {0} BEGIN UPDATE {0} SET public_url = 'https://evil.example'; END"
        cursor.execute(f"CREATE TRIGGER elsewhere {made.format(table)}")
        actions.change_settings(settled, by=None, now=NOW, public_url="https://lantern.example", accent="#1b6e53")
        cursor.execute(f"DROP TRIGGER elsewhere{f' ON {table}' if connection.vendor == 'postgresql' else ''}")
    assert sealed_settings.leading(Organization.objects.get()).public_url == "https://lantern.example"
    forged_rows.watch(NOW)
    assert Organization.objects.get().public_url == "https://lantern.example"


def test_a_copy_of_the_settings_that_is_gone_is_told_until_somebody_saves(settled: Any) -> None:
    Organization.objects.update(settings_sealed=b"")
    assert not sealed_settings.leading(Organization.objects.get()).names
    forged_rows.watch(NOW)
    assert Event.objects.filter(kind=forged_rows.ALTERED).count() == 1
    actions.change_settings(Organization.objects.get(), by=None, now=NOW, return_address="back@lantern.example")
    forged_rows.watch(NOW + DAY)
    assert Event.objects.filter(kind=forged_rows.ALTERED).count() == 1


@pytest.mark.parametrize("name", ELSEWHERE)
@pytest.mark.parametrize("gone", [False, True], ids=["beside the copy", "without the copy"])
def test_a_setting_waits_also_when_somebody_wrote_it_into_the_database_before_they_asked_for_it(
    settled: Any, vera: Person, name: str, gone: bool
) -> None:
    wanted = {name: ELSEWHERE[name]}
    Organization.objects.update(**wanted, **({"settings_sealed": b""} if gone else {}))
    actions.change_settings(Organization.objects.get(), by=vera, now=NOW, **wanted, quiet_hours="")
    assert [pending_changes.details_of(row, SettingDetails).name for row in pending_changes.waiting(settled)] == [name]
    assert getattr(sealed_settings.leading(Organization.objects.get()), name) != ELSEWHERE[name]


def test_the_first_address_of_the_public_pages_is_not_free_because_somebody_emptied_it(
    settled: Any, vera: Person
) -> None:
    Organization.objects.update(public_url="")
    actions.change_settings(Organization.objects.get(), by=vera, now=NOW, public_url="https://evil.example")
    assert sealed_settings.leading(Organization.objects.get()).public_url == "https://lantern.example"


def test_without_their_copy_settings_are_known_again_once_each_of_them_was_approved(settled: Any, vera: Person) -> None:
    Organization.objects.update(settings_sealed=b"", desk_url="https://evil.example")
    wanted = {name: getattr(settled, name) for name in sealed_settings.GUARDED if name != "slug"}
    actions.change_settings(Organization.objects.get(), by=vera, now=NOW, **wanted)
    forged_rows.watch(NOW)
    for row in pending_changes.waiting(settled):
        assert not sealed_settings.leading(Organization.objects.get()).known
        pending_changes.approve(row, now=NOW, by=None)
    kept = sealed_settings.leading(Organization.objects.get())
    assert kept.known and {name: getattr(kept, name) for name in wanted} == wanted
    assert not sealed_settings.is_altered(Organization.objects.get())


def test_an_organization_with_readers_stays_guarded_whatever_its_columns_say(house: Any, vera: Person) -> None:
    from samizdat.audience.actions import add_subscriber, new_list

    wanted = new_list(house, "Letter", now=NOW)
    add_subscriber(house, "ada@example.org", wanted, consent="at the market", now=NOW)
    Organization.objects.update(next_number=1)
    assert pending_changes.held(house, vera)


def test_an_organization_that_had_readers_stays_guarded_though_all_are_taken_away_for_a_moment(
    lantern: Any, vault: Any
) -> None:
    vera = _person(lantern, "Vera", "admin")
    bell = actions.found_organization("Harbour Bell", source=vault, today=TODAY)
    Organization.objects.filter(pk=lantern.pk).update(next_number=5001)
    pending_changes.note_readers()
    Organization.objects.update(next_number=1)
    assert pending_changes.held(lantern, vera) and not pending_changes.held(bell, vera)
    Organization.objects.update(settings_sealed=b"")
    assert pending_changes.held(lantern, vera), "unknown"
    Organization.objects.filter(pk=bell.pk).update(next_number=5001)
    pending_changes.note_readers()
    assert pending_changes.held(bell, vera)


def test_saving_the_settings_forgets_no_reader_and_no_route(lantern: Any) -> None:
    vera = _person(lantern, "Vera", "admin")
    Organization.objects.update(next_number=5001)
    pending_changes.note_readers()
    stale = Organization.objects.get()
    sealed_settings.count_another(lantern, "routes")
    actions.change_settings(stale, by=None, now=NOW, desk_url="https://d.example")
    Organization.objects.update(next_number=1)
    assert pending_changes.held(lantern, vera) and sealed_settings.how_many(lantern, "routes") == 1


def test_whoever_asked_does_not_approve_because_somebody_else_was_written_there_for_a_moment(
    settled: Any, vera: Person
) -> None:
    zoya = _person(settled, "Zoya", "admin")
    actions.change_settings(settled, by=vera, now=NOW, public_url="https://evil.example")
    change = _read_as_of(PendingChange.objects.select_related("organization", "by"), zoya, vera)
    pending_changes.notice(change, vera, NOW)
    with pytest.raises(ChangeRefused):
        pending_changes.approve(change, now=NOW, by=vera)
    _held(settled, vera)
    export = _read_as_of(Export.objects.select_related("organization", "by"), zoya, vera)
    approval.notice(export, vera, NOW)
    with pytest.raises(ExportRefused):
        approval.agree(export, now=NOW, by=vera)
    assert PendingChange.objects.get().noticed is None and Export.objects.get().noticed is None


@pytest.mark.parametrize("how", ["inactive", "deleted", "of another role", "removed by an event of theirs"])
def test_whoever_asked_is_not_alone_because_the_other_admins_were_taken_out_of_the_database(
    house: Any, vera: Person, how: str
) -> None:
    zoya = _person(house, "Zoya", "admin")
    exporting.ask(house, ExportRequest("csv"), reason="press", now=NOW, by=vera)
    actions.change_settings(house, by=vera, now=NOW, public_url="https://evil.example")
    membership = Membership.objects.filter(person=zoya)
    if how == "inactive":
        Person.objects.filter(pk=zoya.pk).update(is_active=False)
    elif how == "of another role":
        membership.update(role="viewer")
    else:
        membership.delete()
    if how.endswith("theirs"):
        Event.objects.create(organization=house, kind="person.removed", about=zoya.pk, at=NOW, digest=bytes(32))
    for later in (DAY, 4 * DAY):
        pending_changes.notice(
            PendingChange.objects.select_related("organization", "by").get(), vera, NOW, by_mail=True
        )
        pending_changes.wait(NOW + later, later)
        approval.wait(NOW + later, later)
    assert (PendingChange.objects.get().state, Export.objects.get().state) == ("waiting", "held")
    actions.remove_person(zoya, house, by=None, now=NOW + 4 * DAY)
    approval.wait(NOW + 5 * DAY, 4 * DAY)
    assert Export.objects.get().state == "asked", "Zoya was removed on the server"


def test_who_was_an_admin_or_is_locked_is_nobody_to_wait_for(house: Any, vera: Person) -> None:
    zoya, pavel = _person(house, "Zoya", "admin"), _person(house, "Pavel", "admin")
    actions.give_role(zoya, house, "viewer", by=None, now=NOW - DAY)
    assert not pending_changes.is_alone(house, vera, NOW)
    locking.lock(pavel, house, by=None, now=NOW - DAY)
    assert pending_changes.is_alone(house, vera, NOW)
    locking.unlock(pavel, house, by=None, now=NOW)
    assert not pending_changes.is_alone(house, vera, NOW)


def test_a_plain_file_is_not_downloaded_by_whom_its_row_named_for_a_moment(house: Any, vera: Person) -> None:
    zoya = _person(house, "Zoya", "admin")
    exports = Export.objects.select_related("organization", "by")
    approval.agree(exporting.ask(house, ExportRequest("csv"), reason="press", now=NOW, by=vera), now=NOW, by=zoya)
    exporting.run(exports.get().pk, now=lambda: NOW)
    with pytest.raises(ExportRefused):
        exporting.fetch(_read_as_of(exports, zoya, vera), now=lambda: NOW, by=zoya)
    assert b"".join(exporting.fetch(exports.get(), now=lambda: NOW, by=vera))


@pytest.mark.parametrize("written", [{"expires": NOW + 400 * DAY}, {"role": "admin"}, {"token_hash": bytes(32)}])
def test_the_yes_to_an_invitation_is_none_to_another_end_role_or_link(
    house: Any, vera: Person, written: dict[str, Any]
) -> None:
    zoya = _person(house, "Zoya", "admin")
    actions.invite(house, "editor", note="Boris", by=vera, now=NOW)
    before = Invitation.objects.values().get()
    Invitation.objects.update(**written)
    [row] = pending_changes.waiting(house)
    with pytest.raises(AccountError, match="This invitation no longer exists"):
        pending_changes.approve(row, now=NOW, by=zoya)
    Invitation.objects.update(**before)
    pending_changes.approve(row, now=NOW, by=zoya)
    assert invitations.is_valid(Invitation.objects.select_related("organization").get())


def _read_as_of(rows: Any, other: Person, asker: Person) -> Any:
    """Somebody else is the one who asked while it is read, and is put back before anything is written."""
    rows.update(by=other)
    row = rows.get()
    rows.update(by=asker)
    return row


# Who writes, shows or compares the row itself.
_ROWS = {
    "accounts/actions.py": "writes it",
    "accounts/sealed_settings.py": "compares it with its copy",
    "accounts/public_site.py": "where the copy is gone, so that readers can leave",
    "health/organizations.py": "has put back the row a moment ago",
    "cli/demo/build.py": "writes it",
    "web/middleware.py": "a name that somebody adds there shows the sign-in page, and no more",
}


def test_what_leads_readers_somewhere_is_never_taken_from_the_row() -> None:
    """Somebody who writes the database would have seconds, each time, in which their host is ours."""
    folder = Path(samizdat.__file__).parent
    row = re.compile(
        rf"\borganization\.({'|'.join({*sealed_settings.GUARDED} - {*sealed_settings.NAMING})})\b(?! = )"
        rf"|values_list\([^)]*\"({'|'.join(sealed_settings.LEADING)})"
    )
    found = {
        str(path.relative_to(folder))
        for path in (*folder.rglob("*.py"), *folder.rglob("*.html"))
        if "migrations" not in path.parts and row.search(path.read_text())
    }
    assert found - {*_ROWS} == set()


# Whoever works here sees the row, in pages of the app and in answers of commands, until it is put back. While the keys
# of an organization are locked, so is the copy.
_NAMING_ROWS = ("accounts", "cli", "health", "web/key_locks.py")


def test_what_readers_are_told_of_an_organization_is_never_taken_from_the_row() -> None:
    folder = Path(samizdat.__file__).parent
    row = re.compile(r"\borganization\.(name|postal_address|language)\b(?! = )")
    found = {
        str(path.relative_to(folder))
        for path in folder.rglob("*.py")
        if "migrations" not in path.parts and row.search(path.read_text())
    }
    assert {path for path in found if not path.startswith(_NAMING_ROWS)} == set()


def test_a_name_that_somebody_wrote_into_the_database_is_put_back_and_told(settled: Any) -> None:
    before = sealed_settings.leading(settled)
    other = {"name": "Lantern has moved", "postal_address": "Elsewhere", "language": "ru"}
    Organization.objects.update(**other)
    row = Organization.objects.get()
    assert (sealed_settings.leading(row), sealed_settings.is_altered(row)) == (before, True)
    forged_rows.watch(NOW)
    row.refresh_from_db()
    assert {name: getattr(row, name) for name in other} == {name: getattr(before, name) for name in other}
    assert sorted(detail_of(Event.objects.get(kind=forged_rows.ALTERED))["settings"]) == sorted(other)


def test_two_organizations_whose_slugs_were_exchanged_have_their_own_again(settled: Any, vault: Any) -> None:
    bell = actions.found_organization("Harbour Bell", source=vault, today=TODAY)
    mine, theirs = settled.slug, bell.slug
    for row, slug in ((settled, "between"), (bell, mine), (settled, theirs)):
        Organization.objects.filter(pk=row.pk).update(slug=slug)
    assert [queries.organization_named(slug).pk for slug in (mine, theirs)] == [settled.pk, bell.pk]
    forged_rows.watch(NOW)
    found = [Organization.objects.get(pk=row.pk).slug for row in (settled, bell)]
    assert found == [mine, theirs]


def test_a_yes_of_a_second_person_is_asked_for_whatever_the_row_says(settled: Any) -> None:
    Organization.objects.update(**ELSEWHERE)
    row = Organization.objects.get()
    assert sealed_settings.leading(row).requires_approval
    assert sealed_settings.leading(row).public_url == "https://lantern.example"
    Organization.objects.update(settings_sealed=b"")
    gone = sealed_settings.leading(Organization.objects.get())
    assert (gone.requires_approval, gone.public_url, gone.known) == (True, "", False)


# -- exports and keys


def _held(house: Any, vera: Person) -> Export:
    row = exporting.ask(house, ExportRequest("csv", (AGE_KEY,)), now=NOW, by=vera)
    assert row.state == "held"
    return row


def test_an_export_that_waits_is_not_made_because_somebody_wrote_that_it_may(house: Any, vera: Person) -> None:
    row = _held(house, vera)
    Export.objects.update(state="asked")
    exporting.run(row.pk, now=lambda: NOW)
    row.refresh_from_db()
    assert (row.state, row.problem, row.pieces.count()) == ("failed", "not_permitted", 0)


def test_an_export_whose_day_was_shortened_in_the_database_is_neither_made_nor_agreed_to(
    house: Any, vera: Person
) -> None:
    zoya = _person(house, "Zoya", "admin")
    row = _held(house, vera)
    Export.objects.update(waited_seconds=90_000.0, created=NOW - 2 * DAY)
    with pytest.raises(ExportRefused):
        approval.agree(Export.objects.select_related("organization", "by").get(), now=NOW, by=zoya)
    approval.wait(NOW + timedelta(minutes=1), timedelta(minutes=1))
    row.refresh_from_db()
    assert row.state == "failed"


@pytest.mark.parametrize("end", ["over", "failed", "fetched"])
def test_an_export_that_is_over_is_not_made_again_because_somebody_wrote_that_it_was_asked_for(
    house: Any, vera: Person, end: str
) -> None:
    row = exporting.ask(house, ExportRequest("csv", (AGE_KEY,)), now=NOW, by=None)
    if end == "over":
        exporting.sweep(NOW + 2 * DAY)
    elif end == "failed":
        exporting._failed(row, "broke")
    else:
        exporting.run(row.pk, now=lambda: NOW)
        list(exporting.fetch(Export.objects.get(), now=lambda: NOW, by=vera))
    assert Export.objects.get().state == end
    Export.objects.update(state="asked")
    assert exporting.run(row.pk, now=lambda: NOW).problem == "not_permitted"


@pytest.mark.parametrize("end", ["stopped", "agreed", "waited", "fetched", "swept"])
def test_an_older_row_of_an_export_that_was_put_back_is_not_made(house: Any, vera: Person, end: str) -> None:
    zoya, later = _person(house, "Zoya", "admin"), NOW + DAY
    row = _held(house, vera)
    approval.notice(row, zoya, NOW)
    approval.wait(NOW + DAY / 2, DAY / 2)
    row = Export.objects.select_related("organization", "by").get()
    if end in ("fetched", "swept"):
        approval.agree(row, now=NOW, by=zoya)
    then = Export.objects.values().get()
    if end == "stopped":
        exporting.cancel(row, now=NOW, by=zoya)
    elif end == "agreed":
        approval.agree(row, now=NOW, by=zoya)
    elif end == "waited":
        approval.wait(later, DAY / 2)
    elif end == "fetched":
        exporting.run(row.pk, now=lambda: NOW)
        list(exporting.fetch(Export.objects.get(), now=lambda: NOW, by=vera))
    else:
        later = NOW + 2 * DAY
        exporting.sweep(later)
    Export.objects.update(**then)
    approval.wait(later, DAY / 2)
    if Export.objects.get().state == "asked":
        exporting.run(row.pk, now=lambda: later)
    row.refresh_from_db()
    assert (row.state, row.problem, row.pieces.count()) == ("failed", "not_permitted", 0)


def test_a_key_whose_mark_stands_on_the_row_of_another_is_not_known(house: Any, vera: Person) -> None:
    ours = str(pyrage.x25519.Identity.generate().to_public())
    recipient_keys.know(house, [AGE_KEY], now=NOW)
    mark = RecipientKey.objects.get().mark
    recipient_keys.forget(RecipientKey.objects.get(), now=NOW, by=vera)
    recipient_keys.know(house, [ours], now=NOW)
    RecipientKey.objects.update(mark=mark)
    assert not recipient_keys.are_known(house, [AGE_KEY])
    assert recipient_keys.are_known(house, [ours])


@pytest.mark.parametrize("number", [0, 1000])
def test_a_key_that_was_forgotten_is_not_known_because_its_row_was_put_back(
    house: Any, vera: Person, number: int
) -> None:
    recipient_keys.know(house, [AGE_KEY], now=NOW)
    assert recipient_keys.are_known(house, [AGE_KEY])
    then = RecipientKey.objects.values().get()
    recipient_keys.forget(RecipientKey.objects.get(), now=NOW, by=vera)
    RecipientKey.objects.create(**then | {"id": then["id"] + number})
    assert not recipient_keys.are_known(house, [AGE_KEY])
    assert _held(house, vera)


@pytest.mark.parametrize("event", ["deleted", "of another key for a moment"])
def test_a_key_that_was_forgotten_is_not_known_because_its_event_is_away(house: Any, vera: Person, event: str) -> None:
    recipient_keys.know(house, [AGE_KEY], now=NOW)
    then = RecipientKey.objects.values().get()
    recipient_keys.forget(RecipientKey.objects.get(), now=NOW, by=vera)
    RecipientKey.objects.create(**then)
    events = Event.objects.filter(kind="subscribers.export.key_forgotten")
    if event == "deleted":
        events.delete()
    else:
        events.update(about=then["id"] + 1)
    assert not recipient_keys.are_known(house, [AGE_KEY])
