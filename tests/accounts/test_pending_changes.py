"""What one stolen session must not do alone: it waits for another admin, or for a day by two clocks."""

from datetime import timedelta
from typing import Any

import pytest

from samizdat.accounts import actions, locking, pending_changes, sealed_people, sign_out
from samizdat.accounts.errors import AccountError, InvitationGone, InvitationWaits
from samizdat.accounts.models import Invitation, Membership, Organization, PendingChange, Person
from samizdat.accounts.pending_changes import ChangeRefused
from samizdat.audience import actions as audience
from samizdat.events import chain
from samizdat.events.actions import record
from samizdat.events.models import Event
from samizdat.portability import actions as exporting
from samizdat.portability import approval
from samizdat.portability.models import Export
from samizdat.portability.request import ExportRequest
from tests.conftest import NOW, PASSWORD, TODAY

pytestmark = pytest.mark.django_db

DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)


def _admin(lantern: Any, name: str) -> Person:
    person = actions.add_person(f"{name}@lantern.example", name=name, password=PASSWORD, today=TODAY)
    actions.give_role(person, lantern, "admin", by=None, now=NOW - 3 * DAY)
    return person


@pytest.fixture
def house(lantern: Any) -> Any:
    """With somebody on a list: from then on there is something to lose."""
    Organization.objects.filter(pk=lantern.pk).update(next_number=5001)
    lantern.refresh_from_db()
    return lantern


@pytest.fixture
def vera(house: Any) -> Person:
    return _admin(house, "Vera")


@pytest.fixture
def zoya(house: Any) -> Person:
    return _admin(house, "Zoya")


@pytest.fixture
def clara(house: Any) -> Person:
    person = actions.add_person("clara@lantern.example", name="Clara", password=PASSWORD, today=TODAY)
    actions.give_role(person, house, "editor", by=None, now=NOW - 3 * DAY)
    return person


def _role(person: Person) -> str:
    return Membership.objects.get(person=person).role


def _only() -> PendingChange:
    return PendingChange.objects.select_related("organization", "by").get()


def test_an_admin_makes_no_admin_alone_and_removes_and_demotes_no_other(
    house: Any, vera: Person, zoya: Person, clara: Person
) -> None:
    assert actions.give_role(clara, house, "admin", by=vera, now=NOW)
    assert actions.give_role(zoya, house, "viewer", by=vera, now=NOW)
    assert actions.remove_person(zoya, house, by=vera, now=NOW)
    assert (_role(clara), _role(zoya)) == ("editor", "admin")
    assert [row.kind for row in pending_changes.waiting(house)] == ["role", "role", "removal"]


def _ask(house: Any, by: Person, many: int) -> None:
    """So many invitations wait."""
    for _ in range(many):
        actions.invite(house, "editor", note="", by=by, now=NOW)


def test_only_so_many_changes_wait_in_an_organization(
    house: Any, vera: Person, clara: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pending_changes, "MOST", 2)
    _ask(house, vera, 2)
    with pytest.raises(AccountError, match="2 changes are already pending"):
        _ask(house, vera, 1)
    assert Invitation.objects.count() == 2
    pending_changes.stop(pending_changes.waiting(house)[0], now=NOW, by=vera)
    assert actions.give_role(clara, house, "admin", by=vera, now=NOW)


def test_a_round_looks_at_some_of_many_changes_and_each_gets_its_day(house: Any, vera: Person) -> None:
    """Those it didn't come to are the first of the next round, and no hour of theirs is lost."""
    _ask(house, vera, 3)
    seen: pending_changes.Seen = {}
    missed: pending_changes.Missed = {}
    pending_changes.wait(NOW, MINUTE, seen)
    pending_changes.wait(NOW, MINUTE, seen, missed, seconds=-1)
    assert len(missed) == 3
    pending_changes.wait(NOW, MINUTE, seen, missed)
    waited = pending_changes.waiting(house).values_list("waited_seconds", flat=True)
    assert [*waited] == [120.0] * 3 and not missed


def test_who_is_an_admin_is_read_from_the_log_once_in_a_round(
    house: Any, vera: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    _ask(house, vera, 3)
    genuine, looks = pending_changes._admins_by_log, []

    def counted(*how: Any) -> Any:
        looks.append(how)
        return genuine(*how)

    monkeypatch.setattr(pending_changes, "_admins_by_log", counted)
    pending_changes.wait(NOW, MINUTE, {})
    assert len(looks) == 1


@pytest.mark.parametrize("sent_away", [actions.remove_person, locking.lock])
def test_whoever_was_sent_away_does_not_come_back_by_a_role_that_was_asked_for_before(
    house: Any, vera: Person, zoya: Person, clara: Person, sent_away: Any
) -> None:
    actions.give_role(clara, house, "admin", by=vera, now=NOW)
    sent_away(clara, house, by=zoya, now=NOW + MINUTE)
    assert _only().state == "stopped"
    pending_changes.wait(NOW + 2 * DAY, 2 * DAY)
    assert not Membership.objects.filter(person=clara, role="admin").exists()


def test_what_takes_power_from_nobody_else_waits_for_nobody(
    house: Any, vera: Person, zoya: Person, clara: Person
) -> None:
    assert actions.give_role(clara, house, "viewer", by=vera, now=NOW) is None
    assert actions.remove_person(clara, house, by=vera, now=NOW) is None
    assert actions.give_role(zoya, house, "editor", by=zoya, now=NOW) is None
    assert not PendingChange.objects.exists()


def test_another_admin_approves_and_it_is_done_at_once(house: Any, vera: Person, zoya: Person, clara: Person) -> None:
    row = actions.give_role(clara, house, "admin", by=vera, now=NOW)
    assert row
    pending_changes.approve(row, now=NOW + MINUTE, by=zoya)
    assert (_role(clara), row.state, row.settled_by) == ("admin", "done", zoya)
    with pytest.raises(ChangeRefused):
        pending_changes.stop(row, now=NOW + MINUTE, by=vera)


@pytest.mark.parametrize("who", ["whoever asked", "an editor", "an admin of today", "the admin that they make"])
def test_nobody_whose_approval_could_be_their_own_approves(
    house: Any, vera: Person, zoya: Person, clara: Person, who: str
) -> None:
    row = actions.give_role(clara, house, "admin", by=vera, now=NOW)
    assert row
    fresh = actions.add_person("fresh@lantern.example", name="Fresh", password=PASSWORD, today=TODAY)
    actions.give_role(fresh, house, "admin", by=None, now=NOW - MINUTE)
    asked = {"whoever asked": vera, "an editor": clara, "an admin of today": fresh, "the admin that they make": clara}
    with pytest.raises(ChangeRefused):
        pending_changes.approve(row, now=NOW, by=asked[who])
    assert _role(clara) == "editor"


def test_an_admin_of_long_ago_is_not_made_a_new_one_by_giving_them_the_role_again(
    house: Any, vera: Person, zoya: Person
) -> None:
    actions.give_role(zoya, house, "admin", by=vera, now=NOW)
    assert pending_changes.others(house, vera, NOW) == [zoya]


def test_any_other_admin_stops_it_with_one_press_and_so_does_who_asked(
    house: Any, vera: Person, zoya: Person, clara: Person
) -> None:
    for by in (zoya, vera):
        row = actions.give_role(clara, house, "admin", by=vera, now=NOW)
        assert row
        pending_changes.stop(row, now=NOW, by=by)
        pending_changes.wait(NOW + 2 * DAY, 2 * DAY)
        assert (_role(clara), row.state, row.settled_by) == ("editor", "stopped", by)


def test_of_the_only_admin_it_is_done_after_a_day_by_both_clocks(house: Any, vera: Person, clara: Person) -> None:
    actions.give_role(clara, house, "admin", by=vera, now=NOW)
    pending_changes.notice(_only(), vera, NOW, by_mail=True)
    pending_changes.wait(NOW + 30 * DAY, 10 * MINUTE)  # Somebody has set the machine's clock forward.
    assert _role(clara) == "editor"
    pending_changes.wait(NOW + MINUTE, DAY)  # Set back: the clock that nobody can set is not enough either.
    assert _role(clara) == "editor"
    pending_changes.wait(NOW + DAY, MINUTE)
    assert _role(clara) == "admin"
    assert _only().settled_by is None


def test_a_clock_that_was_years_ahead_when_it_was_asked_for_keeps_it_a_day_and_no_longer(
    house: Any, vera: Person, clara: Person
) -> None:
    actions.give_role(clara, house, "admin", by=vera, now=NOW + 4000 * DAY)
    pending_changes.notice(_only(), vera, NOW + 4000 * DAY, by_mail=True)
    pending_changes.wait(NOW, MINUTE)
    pending_changes.wait(NOW + DAY, DAY)
    assert _role(clara) == "admin"


def test_asked_again_it_is_the_same_and_its_day_does_not_begin_anew(house: Any, vera: Person, clara: Person) -> None:
    rows = {actions.give_role(clara, house, "admin", by=vera, now=NOW + hours * MINUTE) for hours in range(3)}
    assert len(rows) == 1
    assert _only().created == NOW


def test_what_somebody_asked_for_who_is_no_admin_any_more_is_over(
    house: Any, vera: Person, zoya: Person, clara: Person
) -> None:
    actions.give_role(clara, house, "admin", by=vera, now=NOW)
    actions.remove_person(vera, house, by=None, now=NOW)
    pending_changes.wait(NOW + 2 * DAY, 2 * DAY)
    assert (_role(clara), _only().state) == ("editor", "stopped")


def test_who_is_invited_to_write_comes_in_once_that_is_approved_and_a_viewer_at_once(
    house: Any, vera: Person, zoya: Person
) -> None:
    answers: dict[str, Any] = {"name": "", "password": PASSWORD, "now": NOW}
    token = actions.invite(house, "editor", note="For Pavel", by=vera, now=NOW)
    with pytest.raises(InvitationWaits):
        actions.accept(token, email="pavel@lantern.example", **answers)
    pending_changes.approve(_only(), now=NOW, by=zoya)
    pavel, _house = actions.accept(token, email="pavel@lantern.example", **answers)
    assert _role(pavel) == "editor"
    viewer = actions.invite(house, "viewer", note="", by=vera, now=NOW)
    assert _role(actions.accept(viewer, email="eva@lantern.example", **answers)[0]) == "viewer"


def test_a_stopped_invitation_opens_nothing_and_a_withdrawn_one_waits_no_longer(
    house: Any, vera: Person, zoya: Person
) -> None:
    token = actions.invite(house, "admin", note="", by=vera, now=NOW)
    pending_changes.stop(_only(), now=NOW, by=zoya)
    with pytest.raises(InvitationGone):
        actions.invitation_of(token, NOW)
    other = actions.invite(house, "admin", note="", by=vera, now=NOW)
    actions.withdraw_invitation(actions.Invitation.objects.latest("pk"), by=vera, now=NOW)
    assert not pending_changes.waiting(house)
    with pytest.raises(InvitationGone):
        actions.invitation_of(other, NOW)


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("public_url", "https://lantern.example", "https://evil.example"),
        ("desk_url", "", "https://evil.example"),
        ("return_address", "back@lantern.example", "back@evil.example"),
        ("requires_approval", True, False),
    ],
)
def test_a_setting_that_leads_people_elsewhere_waits_and_the_others_are_written(
    house: Any, vera: Person, zoya: Person, name: str, before: Any, after: Any
) -> None:
    actions.change_settings(house, by=None, now=NOW, **{name: before})
    (row,) = actions.change_settings(house, by=vera, now=NOW, accent="#123456", **{name: after})
    house.refresh_from_db()
    assert (getattr(house, name), house.accent) == (before, "#123456")
    pending_changes.approve(row, now=NOW, by=zoya)
    house.refresh_from_db()
    assert getattr(house, name) == after


def test_the_switch_for_a_second_person_is_turned_on_by_anybody(house: Any, vera: Person) -> None:
    assert actions.change_settings(house, by=vera, now=NOW, requires_approval=True) == []
    assert house.requires_approval


def test_an_address_that_another_group_has_by_then_is_told_and_waits_no_longer(
    house: Any, vera: Person, vault: Any
) -> None:
    actions.change_settings(house, by=vera, now=NOW, public_url="https://bell.example")
    pending_changes.notice(_only(), vera, NOW, by_mail=True)
    actions.found_organization("Harbour Bell", source=vault, today=TODAY, public_url="https://bell.example")
    pending_changes.wait(NOW + DAY, DAY)
    house.refresh_from_db()
    assert (_only().state, house.public_url) == ("failed", "https://lantern.example")


def test_the_day_begins_once_another_admin_was_told_and_nobody_who_asks_tells_themself(
    house: Any, vera: Person, zoya: Person, clara: Person
) -> None:
    actions.give_role(clara, house, "admin", by=vera, now=NOW)
    pending_changes.wait(NOW + 10 * DAY, 10 * DAY)
    for person in (vera, clara):
        pending_changes.notice(_only(), person, NOW + 10 * DAY, by_mail=True)
    pending_changes.wait(NOW + 20 * DAY, 10 * DAY)
    assert _role(clara) == "editor", "no mail got through, and nobody looked"
    pending_changes.notice(_only(), zoya, NOW + 20 * DAY)
    pending_changes.notice(_only(), zoya, NOW + 21 * DAY)
    pending_changes.wait(NOW + 20 * DAY + MINUTE, DAY - MINUTE)
    assert _role(clara) == "editor"
    pending_changes.wait(NOW + 21 * DAY, MINUTE)
    assert _role(clara) == "admin"


def test_an_admin_who_is_alone_waits_three_days_where_no_mail_goes_out(house: Any, vera: Person, clara: Person) -> None:
    actions.give_role(clara, house, "admin", by=vera, now=NOW)
    pending_changes.notice(_only(), vera, NOW)
    pending_changes.wait(NOW + 2 * DAY, 2 * DAY)
    assert _role(clara) == "editor", "whoever asks for it at the desk has told nobody"
    pending_changes.wait(NOW + 3 * DAY, DAY)
    assert _role(clara) == "admin"


def test_a_notice_that_was_written_into_the_database_begins_no_day(
    house: Any, vera: Person, zoya: Person, clara: Person
) -> None:
    actions.give_role(clara, house, "admin", by=vera, now=NOW)
    PendingChange.objects.update(noticed=NOW - DAY)
    pending_changes.notice(_only(), zoya, NOW)
    pending_changes.wait(NOW + 2 * DAY, 2 * DAY)
    assert (_role(clara), _only().state) == ("editor", "failed")


def test_nobody_is_asked_before_there_is_anybody_on_a_list(lantern: Any) -> None:
    vera = _admin(lantern, "Vera")
    token = actions.invite(lantern, "admin", note="", by=vera, now=NOW)
    assert actions.invitation_of(token, NOW)
    assert actions.change_settings(lantern, by=vera, now=NOW, public_url="https://other.example") == []


def test_the_command_line_asks_nobody(house: Any, vera: Person, clara: Person) -> None:
    actions.give_role(clara, house, "admin", by=None, now=NOW)
    assert _role(clara) == "admin"


def test_the_log_says_who_asked_and_who_settled_it_and_the_row_names_nobody(
    house: Any, vera: Person, zoya: Person, clara: Person
) -> None:
    row = actions.give_role(clara, house, "admin", by=vera, now=NOW)
    assert row
    pending_changes.stop(row, now=NOW, by=zoya)
    told = Event.objects.filter(kind__startswith="change.").order_by("id").values_list("kind", "by", "about")
    assert list(told) == [("change.requested", vera.pk, row.pk), ("change.stopped", zoya.pk, row.pk)]
    assert pending_changes.sentence_of(row) == "Clara gets the role: admin"
    assert b"Clara" not in bytes(row.details_sealed)


def test_signing_out_a_colleague_ends_their_sessions_and_nothing_else(house: Any, vera: Person, zoya: Person) -> None:
    from samizdat.accounts.models import Session
    from samizdat.accounts.sessions import SessionStore

    session = SessionStore()
    session["_auth_user_id"] = zoya.pk
    session.create()
    sign_out.sign_out_everywhere(zoya, house, by=vera, now=NOW)
    assert not Session.objects.exists()
    assert (_role(zoya), sealed_people.name_of(zoya)) == ("admin", "Zoya")


def test_nobody_keeps_another_admin_out_by_signing_them_out_again_and_again(
    house: Any, vera: Person, zoya: Person
) -> None:
    for _press in range(sign_out.MOST):
        sign_out.sign_out_everywhere(zoya, house, by=vera, now=NOW)
    with pytest.raises(AccountError, match="3 times today"):
        sign_out.sign_out_everywhere(zoya, house, by=vera, now=NOW + DAY - MINUTE)
    for by in (zoya, None):
        sign_out.sign_out_everywhere(zoya, house, by=by, now=NOW + DAY - MINUTE)
    sign_out.sign_out_everywhere(vera, house, by=zoya, now=NOW)
    sign_out.sign_out_everywhere(zoya, house, by=vera, now=NOW + DAY + MINUTE)


@pytest.mark.parametrize("asked_for", ["stays in its place", "is in no place", "is gone"])
def test_a_role_that_another_admin_refused_is_not_given_because_the_event_of_it_was_deleted(
    house: Any, vera: Person, zoya: Person, clara: Person, asked_for: str
) -> None:
    row = actions.give_role(clara, house, "admin", by=vera, now=NOW)
    assert row
    pending_changes.notice(row, zoya, NOW)
    pending_changes.wait(NOW + DAY - MINUTE, DAY - MINUTE)
    waiting = PendingChange.objects.filter(pk=row.pk).values().get()
    row.refresh_from_db()
    pending_changes.stop(row, now=NOW + DAY - MINUTE, by=zoya)
    record("list.changed", house, now=NOW + DAY - MINUTE, about=1)  # Whatever comes next: the gap is seen by it.
    chain.append()
    PendingChange.objects.filter(pk=row.pk).update(**waiting)
    Event.objects.filter(kind="change.stopped").delete()
    asked = Event.objects.filter(kind="change.requested")
    if asked_for == "is in no place":
        asked.update(position=None, link=None)
    if asked_for == "is gone":
        asked.delete()
    chain.append()
    pending_changes.wait(NOW + DAY, MINUTE)
    assert (_role(clara), _only().state) == ("editor", "failed")


def test_a_role_that_nobody_refused_is_given_though_the_log_is_broken_before_it_was_asked_for(
    house: Any, vera: Person, zoya: Person, clara: Person
) -> None:
    chain.append()
    Event.objects.filter(kind="person.role_changed", about=vera.pk).delete()
    row = actions.give_role(clara, house, "admin", by=vera, now=NOW)
    assert row
    chain.append()
    pending_changes.notice(row, zoya, NOW)
    pending_changes.wait(NOW + DAY, DAY)
    assert _role(clara) == "admin"


def test_no_session_takes_the_list_along_while_the_other_admin_is_taken_out_of_the_database(
    house: Any, vera: Person, zoya: Person
) -> None:
    weekly = audience.new_list(house, "News", now=NOW)
    audience.add_subscriber(house, "ada@example.org", weekly, consent="By form.", now=NOW)
    chain.append()
    assert not pending_changes.is_alone(house, vera, NOW)
    Membership.objects.filter(person=zoya).delete()
    Event.objects.filter(kind="person.role_changed", about=zoya.pk).delete()
    wish = ExportRequest(format="csv", lists=(weekly.id,))
    row = exporting.ask(house, wish, reason="backup", now=NOW, by=vera)
    approval.notice(row, vera, NOW, by_mail=True)
    approval.wait(NOW + DAY, DAY)
    assert Export.objects.get().state == "held"


def test_who_is_the_only_admin_needs_nobody_else(house: Any, vera: Person, zoya: Person) -> None:
    assert not pending_changes.is_alone(house, vera, NOW)
    actions.give_role(zoya, house, "viewer", by=None, now=NOW)
    assert pending_changes.is_alone(house, vera, NOW)
    locking.lock(zoya, house, by=None, now=NOW)
    locking.unlock(zoya, house, by=None, now=NOW)
    assert pending_changes.is_alone(house, vera, NOW)


def test_a_file_that_was_downloaded_is_not_made_again_because_the_events_of_it_were_deleted(
    house: Any, vera: Person
) -> None:
    weekly = audience.new_list(house, "News", now=NOW)
    audience.add_subscriber(house, "ada@example.org", weekly, consent="By form.", now=NOW)
    row = exporting.ask(house, ExportRequest(format="csv", lists=(weekly.id,)), reason="backup", now=NOW, by=vera)
    approval.notice(row, vera, NOW, by_mail=True)
    chain.append()
    approval.wait(NOW + DAY, DAY)
    released = Export.objects.filter(pk=row.pk).values().get()
    done = exporting.run(row.pk, now=lambda: NOW + DAY)
    assert done.state == "ready"
    b"".join(exporting.fetch(done, now=lambda: NOW + DAY, by=vera))
    chain.append()
    Event.objects.filter(kind__startswith="subscribers.export.").exclude(kind="subscribers.export.waited").delete()
    Export.objects.filter(pk=row.pk).update(**released)
    assert exporting.run(row.pk, now=lambda: NOW + DAY).problem == "not_permitted"


@pytest.mark.parametrize("row", ["without its MAC", "gone", "as it was before"])
def test_nobody_demotes_or_removes_another_admin_at_once_whose_row_is_no_admins_for_that_moment(
    house: Any, vera: Person, row: str
) -> None:
    zoya = actions.add_person("zoya@lantern.example", name="Zoya", password=PASSWORD, today=TODAY)
    actions.give_role(zoya, house, "viewer", by=None, now=NOW - 3 * DAY)
    rows = Membership.objects.filter(person=zoya)
    [older] = rows.values("role", "since", "mac")
    actions.give_role(zoya, house, "admin", by=None, now=NOW - 2 * DAY)
    if row == "gone":
        rows.delete()
    else:
        rows.update(**({"mac": b""} if row == "without its MAC" else older))
    assert actions.give_role(zoya, house, "editor", by=vera, now=NOW) is not None
    assert actions.remove_person(zoya, house, by=vera, now=NOW) is not None
    assert not pending_changes.is_alone(house, vera, NOW)


@pytest.mark.parametrize("altered", [{"mac": b""}, {"role": "viewer"}])
def test_nobody_demotes_or_removes_a_locked_admin_at_once_whose_row_is_no_admins(
    house: Any, vera: Person, zoya: Person, altered: dict[str, Any]
) -> None:
    locking.lock(zoya, house, by=None, now=NOW - MINUTE)  # The log counts nobody who is locked as an admin.
    Membership.objects.filter(person=zoya).update(**altered)
    assert actions.give_role(zoya, house, "editor", by=vera, now=NOW) is not None
    assert actions.remove_person(zoya, house, by=vera, now=NOW) is not None


@pytest.mark.parametrize("number", ["own", "another"])
@pytest.mark.parametrize("end", ["used", "withdrawn"])
def test_an_invitation_that_is_over_lets_nobody_in_though_its_row_was_put_back(
    house: Any, vera: Person, zoya: Person, end: str, number: str
) -> None:
    link = actions.invite(house, "editor", note="for Olga", by=vera, now=NOW)
    pending_changes.approve(_only(), now=NOW, by=zoya)
    [row] = Invitation.objects.values()
    if end == "used":
        actions.accept(link, email="olga@lantern.example", name="Olga", password=PASSWORD, now=NOW)
    else:
        actions.withdraw_invitation(Invitation.objects.get(), by=zoya, now=NOW)
    Invitation.objects.filter(pk=row["id"]).update(**row | ({"id": row["id"] + 1000} if number == "another" else {}))
    with pytest.raises(InvitationGone):
        actions.accept(link, email="thief@evil.example", name="Olga", password=PASSWORD, now=NOW + DAY)
