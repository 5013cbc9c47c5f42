"""A stolen session of an admin leads no address to a server of the thief; whoever was cut off moves within the hour."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from samizdat import plugins
from samizdat.accounts import actions as accounts
from samizdat.accounts import pending_changes, sealed_people
from samizdat.accounts.models import Organization, PendingChange, Person
from samizdat.core.mail.outcome import RouteVerdict, judge
from samizdat.delivery import queries
from samizdat.delivery.actions import (
    add_route,
    change_route,
    condemn,
    pause_route,
    remove_route,
    resume_route,
    send_probe,
)
from samizdat.delivery.actions.route_changes import RouteDetails, is_dropped
from samizdat.delivery.actions.routes import believe, probe_route, probe_waiting, wake_due
from samizdat.delivery.engine.edition_loader import route_infos
from samizdat.delivery.errors import RouteRefused
from samizdat.delivery.models import Route
from samizdat.events import chain
from samizdat.events.actions import detail_of, record
from samizdat.events.models import Event
from samizdat.health.organizations import _routes
from samizdat.worker.mail import service_mail
from tests.conftest import PASSWORD, TODAY
from tests.delivery.conftest import House
from tests.smtp_server import ScriptedServer

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
CLOSED = judge("auth", 535, "5.7.8 Your account has been suspended")[1]


def _admin(house: House, name: str) -> Person:
    person = accounts.add_person(f"{name}@lantern.example", name=name, password=PASSWORD, today=TODAY)
    accounts.give_role(person, house.organization, "admin", by=None, now=NOW - 3 * DAY)
    return person


@pytest.fixture
def guarded(house: House) -> House:
    """With somebody on a list, and a route that was added on the server."""
    Organization.objects.update(next_number=5001)
    add_route(house.organization, "main", "smtp://ada:secret@relay.example:587", now=NOW - 9 * DAY)
    return house


@pytest.fixture
def vera(guarded: House) -> Person:
    return _admin(guarded, "Vera")


@pytest.fixture
def zoya(guarded: House) -> Person:
    return _admin(guarded, "Zoya")


def _main() -> Route:
    return Route.objects.select_related("organization").get(name="main")


def _evil(house: House, by: Any, now: datetime = NOW) -> Route:
    return add_route(house.organization, "evil", "smtp://evil.example:587", now=now, by=by, priority=1)


def _only() -> PendingChange:
    return PendingChange.objects.select_related("organization", "by").get(state="waiting")


def _used(house: House) -> list[str]:
    """By which routes a campaign, and the mail to a new subscriber, may go."""
    campaigns = [one.name for one in route_infos(house.organization.pk) if one.state in ("live", "throttled")]
    assert [one.name for one in service_mail._with_room(house.organization, "lantern.example", NOW)] == campaigns
    return campaigns


def _host(route: Route) -> str:
    route.refresh_from_db()
    return queries.way_of(route).settings.host


def test_nothing_goes_by_a_second_route_that_an_admin_adds_before_another_one_approves_it(
    guarded: House, vera: Person, zoya: Person
) -> None:
    evil = _evil(guarded, vera)
    assert _used(guarded) == ["main"]
    assert pending_changes.sentence_of(_only()) == "A new route, evil, sends emails through smtp://evil.example:587"
    pending_changes.approve(_only(), now=NOW, by=zoya)
    assert _used(guarded) == ["evil", "main"] and _host(evil) == "evil.example"


def test_a_route_that_waits_is_not_used_because_somebody_wrote_into_the_database_that_it_lives(
    guarded: House, vera: Person, zoya: Person
) -> None:
    evil = _evil(guarded, vera)
    Route.objects.filter(pk=evil.pk).update(state="live")
    evil.refresh_from_db()
    change_route(evil, now=NOW, by=vera, priority=2)
    [check] = [one for one in _routes("Lantern", queries.routes(guarded.organization)) if "evil" in one.subject]
    assert check.state == "red" and "Nobody has approved" in check.sentence
    infos = route_infos(guarded.organization.pk)
    assert [one.name for one in infos if one.state in ("live", "throttled")] == ["main"]
    with pytest.raises(plugins.BadRoute):
        queries.transport_of(evil)
    with pytest.raises(RouteRefused, match="This route hasn’t been approved"):
        probe_route(evil, now=NOW, by=vera)


def test_what_is_approved_is_the_server_that_was_shown_though_the_request_was_hidden_meanwhile(
    guarded: House, vera: Person, zoya: Person
) -> None:
    mild = add_route(guarded.organization, "mild", "smtp://mild.example:587", now=NOW, by=vera)
    before = PendingChange.objects.filter(state="waiting").values()[0]
    PendingChange.objects.update(state="stopped")
    change_route(mild, now=NOW, by=vera, url="smtp://evil.example:587")
    PendingChange.objects.filter(pk=before["id"]).update(**before)
    with pytest.raises(RouteRefused, match="now leads to another server"):
        pending_changes.approve(_only(), now=NOW, by=zoya)
    assert _used(guarded) == ["main"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("smtp://evil.example:587", "smtp://relay2.example:587"),
        ("smtp://ada:of-the-thief@relay2.example:587", "smtp://ada:ours@relay2.example:587"),
    ],
)
def test_the_yes_to_a_route_is_none_to_older_settings_that_were_put_back(
    guarded: House, vera: Person, zoya: Person, before: str, after: str
) -> None:
    second = add_route(guarded.organization, "second", before, now=NOW, by=vera)
    rows = Route.objects.filter(pk=second.pk)
    older = rows.values("settings_sealed").get()
    change_route(second, now=NOW, by=vera, url=after)
    newer = rows.values("settings_sealed").get()
    rows.update(**older)
    with pytest.raises(RouteRefused, match="now leads to another server"):
        pending_changes.approve(_only(), now=NOW, by=zoya)
    rows.update(**newer, state="live")
    pending_changes.approve(_only(), now=NOW, by=zoya)
    assert _used(guarded) == ["main", "second"]
    assert "ours" not in str(pending_changes.details_of(PendingChange.objects.latest("pk"), RouteDetails))


@pytest.mark.parametrize("how", ["renamed", "deleted", "deleted with the copy of the settings"])
def test_nobody_makes_their_route_the_first_one_by_taking_the_others_out_of_the_database(
    guarded: House, vera: Person, how: str
) -> None:
    added = Event.objects.filter(kind="route.added")
    if how == "renamed":
        added.update(kind="route.changed")
    else:
        added.delete()
        Route.objects.all().delete()
    if "copy" in how:
        Organization.objects.update(settings_sealed=b"")
    assert _evil(guarded, vera).state == "waiting"


def test_a_living_route_is_not_closed_because_an_older_answer_was_put_back(guarded: House, vera: Person) -> None:
    rows = Route.objects.filter(name="main")
    condemn(_main().pk, CLOSED, NOW)
    older = rows.values("state", "reason", "until", "answer_sealed").get()
    said = detail_of(Event.objects.get(kind="route.dead"))
    resume_route(_main(), now=NOW, by=vera)
    rows.update(**older)
    assert _evil(guarded, vera).state == "waiting"
    # Nor because what another route was told stands as if it were about this one.
    other = record("route.dead", guarded.organization, about=_main().pk + 100, detail=said, now=NOW)
    Event.objects.filter(pk=other.pk).update(about=_main().pk)
    assert not is_dropped(_main())


@pytest.mark.parametrize("how", ["deleted", "moved", "told again"])
def test_a_living_route_is_not_closed_because_the_event_that_resumed_it_is_gone(
    guarded: House, vera: Person, how: str
) -> None:
    rows = Route.objects.filter(name="main")
    condemn(_main().pk, replace(CLOSED, early=True), NOW)
    older = rows.values("state", "reason", "until", "answer_sealed").get()
    resume_route(_main(), now=NOW, by=vera)
    resumed = Event.objects.filter(kind="route.resumed")
    if how == "told again":
        # Of the server of a recipient: no answer about the account.
        condemn(_main().pk, CLOSED, NOW)
        Event.objects.filter(kind="route.dead").latest("pk").delete()
    if how == "moved":
        resumed.update(about=_main().pk + 100)
    else:
        resumed.delete()
    rows.update(**older)
    assert _evil(guarded, vera).state == "waiting"


def test_a_route_that_works_after_its_server_was_out_of_reach_is_not_led_elsewhere_alone(
    guarded: House, vera: Person
) -> None:
    unreachable = RouteVerdict("throttled", "no_connection", {"detail": "refused"}, 60, early=True)
    believe(_main(), unreachable, now=NOW, by=vera)
    older = Route.objects.values("state", "reason", "until", "answer_sealed").get()
    wake_due(NOW + DAY)
    Route.objects.update(**older)
    change_route(_main(), now=NOW + DAY, by=vera, url="smtp://ada:x@evil.example:587")
    assert _host(_main()) == "relay.example"


def test_the_first_answer_of_a_login_is_not_the_last_because_the_database_says_so(guarded: House, vera: Person) -> None:
    condemn(_main().pk, judge("auth", 535, "5.7.8 authentication failed")[1], NOW)
    Route.objects.update(until=None)
    assert _evil(guarded, vera).state == "waiting"


def test_the_only_route_is_not_led_elsewhere_because_the_database_says_that_it_never_worked(
    guarded: House, vera: Person
) -> None:
    unreachable = RouteVerdict("throttled", "no_connection", {"detail": "refused"}, 60, early=True)
    believe(_main(), unreachable, now=NOW, by=vera)
    wake_due(NOW + DAY)
    record("campaign.first_sent", guarded.organization, about=1, now=NOW + DAY)
    Route.objects.update(state="dead")
    change_route(_main(), now=NOW + DAY, by=vera, url="smtp://ada:x@evil.example:587")
    assert _host(_main()) == "relay.example"


def test_a_route_is_not_led_elsewhere_because_somebody_wrote_into_the_database_that_it_waits(
    guarded: House, vera: Person
) -> None:
    Route.objects.update(state="waiting")
    change_route(_main(), now=NOW, by=vera, url="smtp://ada:x@evil.example:587")
    Route.objects.update(state="live")
    assert _host(_main()) == "relay.example" and _only().kind == "route_changed"


def test_a_living_route_that_was_removed_while_its_row_said_that_it_waits_still_counts(
    guarded: House, vera: Person
) -> None:
    second = add_route(guarded.organization, "second", "smtp://relay2.example:587", now=NOW - DAY)
    condemn(second.pk, replace(CLOSED, early=True), NOW)
    Route.objects.filter(name="main").update(state="waiting")
    remove_route(_main(), now=NOW, by=vera)
    assert _evil(guarded, vera).state == "waiting"


def test_a_paused_route_is_not_used_because_its_row_says_that_it_goes_on(guarded: House, vera: Person) -> None:
    """Its provider hands lists over, so Vera paused it."""
    old = add_route(guarded.organization, "old", "smtp://old.example:587", now=NOW - DAY)
    pause_route(old, now=NOW, by=vera)
    Route.objects.filter(pk=old.pk).update(state="live", reason="", priority=0)
    old.refresh_from_db()
    with pytest.raises(plugins.BadRoute):
        queries.transport_of(old)
    assert [row.is_altered for row in queries.routes(guarded.organization) if row.name == "old"] == [True]
    assert queries.transport_of(resume_route(old, now=NOW, by=vera))


def test_a_route_that_was_paused_again_is_not_used_because_an_older_event_was_linked_behind(
    guarded: House, vera: Person
) -> None:
    old = add_route(guarded.organization, "old", "smtp://old.example:587", now=NOW - DAY)
    pause_route(old, now=NOW, by=vera)
    old = resume_route(old, now=NOW, by=vera)
    chain.append()
    pause_route(old, now=NOW, by=vera)
    chain.append()
    Event.objects.filter(kind="route.resumed").update(position=None, link=None)
    chain.append()
    Route.objects.filter(pk=old.pk).update(state="live", reason="", priority=0)
    with pytest.raises(plugins.BadRoute):
        queries.transport_of(Route.objects.select_related("organization").get(pk=old.pk))


def test_a_removed_route_is_not_used_because_its_row_was_put_back(guarded: House, vera: Person) -> None:
    old = add_route(guarded.organization, "old", "smtp://old.example:587", now=NOW - DAY)
    row = Route.objects.get(pk=old.pk)
    remove_route(old, now=NOW, by=vera)
    row.save(force_insert=True)
    assert [one.name for one in route_infos(guarded.organization.pk) if one.state in ("live", "throttled")] == ["main"]
    with pytest.raises(plugins.BadRoute):
        queries.transport_of(Route.objects.select_related("organization").get(pk=row.pk))


@pytest.mark.parametrize("hide", ["delete", "removed", "waiting", "event", "no event"])
def test_a_living_route_that_somebody_hid_in_the_database_still_counts_when_another_one_is_closed(
    guarded: House, vera: Person, hide: str
) -> None:
    second = add_route(guarded.organization, "second", "smtp://relay2.example:587", now=NOW - DAY)
    condemn(second.pk, replace(CLOSED, early=True), NOW)
    main = Route.objects.filter(name="main")
    about = _main().pk
    if hide in ("removed", "waiting"):
        main.update(state=hide)
    else:
        main.delete()
    if hide == "event":
        Event.objects.create(
            kind="route.removed", organization=guarded.organization, about=about, at=NOW, digest=bytes(32)
        )
    if hide == "no event":
        Event.objects.filter(kind="route.added", about=about).update(kind="route.changed")
    assert _evil(guarded, vera).state == "waiting"


def test_of_the_only_admin_a_route_is_used_after_a_day(guarded: House, vera: Person) -> None:
    _evil(guarded, vera)
    pending_changes.notice(_only(), vera, NOW, by_mail=True)
    pending_changes.wait(NOW + DAY - MINUTE, DAY)
    assert _used(guarded) == ["main"]
    pending_changes.wait(NOW + DAY, MINUTE)
    assert _used(guarded) == ["evil", "main"]


def test_a_stopped_route_is_gone_with_its_password(guarded: House, vera: Person, zoya: Person) -> None:
    _evil(guarded, vera)
    pending_changes.stop(_only(), now=NOW, by=zoya)
    assert [row.name for row in queries.routes(guarded.organization)] == ["main"]


def test_a_route_that_waits_is_neither_woken_nor_paused_nor_wakes_by_a_test(guarded: House, vera: Person) -> None:
    evil = _evil(guarded, vera)
    for verb in (resume_route, pause_route):
        with pytest.raises(RouteRefused, match="is waiting for another admin’s approval"):
            verb(evil, now=NOW, by=vera)
    for verdict in (RouteVerdict("ok"), CLOSED, RouteVerdict("throttled", "rate", {}, 1)):
        believe(evil, verdict, now=NOW, by=vera)
        condemn(evil.pk, verdict, NOW)
    change_route(evil, now=NOW, by=vera, priority=2, name="mild")
    evil.refresh_from_db()
    assert (evil.state, evil.name) == ("waiting", "mild") and _used(guarded) == ["main"]


@pytest.mark.parametrize("before", ["", "pause", "remove"])
def test_a_route_that_was_removed_makes_the_next_one_no_first(guarded: House, vera: Person, before: str) -> None:
    if before == "remove":
        remove_route(_main(), now=NOW, by=vera)
    elif before == "pause":
        pause_route(_main(), now=NOW, by=vera)
    _evil(guarded, vera)
    assert Route.objects.get(name="evil").state == "waiting"


@pytest.mark.parametrize(
    "changed",
    [
        {"url": "smtp://ada:other@evil.example:587"},
        {"url": "smtp://ada@relay.example:25"},
        {"url": "smtp://thief:other@relay.example:587"},
        {"url": f"smtp://ada@relay.example:587?fingerprint=sha256:{'ab' * 32}"},
        {"url": "mailgun://KEY@lantern.example?region=eu"},
        {"password": "of the account of the thief"},
    ],
)
def test_another_server_user_or_password_waits_and_the_old_ones_stay_in_force(
    guarded: House, vera: Person, zoya: Person, changed: dict[str, str]
) -> None:
    before = bytes(_main().settings_sealed)
    told = change_route(_main(), now=NOW, by=vera, priority=7, **changed)  # type: ignore[arg-type]
    assert [one.word for one in told] == ["priority"]
    kept, now_ = queries.way_of(_main()), _main()
    assert (kept.shown, kept.settings.password) == ("smtp://ada@relay.example:587", "secret")
    pending_changes.approve(_only(), now=NOW, by=zoya)
    assert queries.way_of(_main()) != kept and bytes(_main().settings_sealed) != before
    assert now_.priority == _main().priority == 7


def test_what_waits_is_said_and_its_password_is_forgotten_once_it_is_settled(
    guarded: House, vera: Person, zoya: Person
) -> None:
    for answer in (pending_changes.stop, pending_changes.approve):
        change_route(_main(), now=NOW, by=vera, url="smtp://ada:hidden@evil.example:587")
        row = _only()
        said = pending_changes.sentence_of(row)
        assert "smtp://ada@evil.example:587 instead of smtp://ada@relay.example:587" in said and "hidden" not in said
        assert "hidden" in str(pending_changes.details_of(row, RouteDetails))
        answer(row, now=NOW, by=zoya)
        assert pending_changes.details_of(row, RouteDetails).wanted is None
        assert pending_changes.sentence_of(row) == said
    assert _host(_main()) == "evil.example"


def test_settings_that_wait_are_tried_and_the_route_stays_as_it_is(guarded: House, vera: Person) -> None:
    with ScriptedServer() as server:
        change_route(_main(), now=NOW, by=vera, url=server.url)
        before = Route.objects.filter(name="main").values().get()
        assert probe_waiting(_main()).ok and server.connected == 1
    assert not probe_waiting(_main()).ok, "nobody answers there any more"
    assert Route.objects.filter(name="main").values().get() == before
    pending_changes.stop(_only(), now=NOW, by=vera)
    with pytest.raises(RouteRefused, match="These settings are no longer pending"):
        probe_waiting(_main())


def test_only_another_password_is_said_so(guarded: House, vera: Person) -> None:
    change_route(_main(), now=NOW, by=vera, password="another")
    assert pending_changes.sentence_of(_only()) == (
        "The route main signs in to smtp://ada@relay.example:587 with another password"
    )


def test_a_route_that_waits_and_then_leads_elsewhere_begins_its_day_anew(
    guarded: House, vera: Person, zoya: Person
) -> None:
    mild = add_route(guarded.organization, "mild", "smtp://mild.example:587", now=NOW, by=vera)
    seen = _only()
    change_route(mild, now=NOW + DAY - MINUTE, by=vera, url="smtp://evil.example:587")
    with pytest.raises(pending_changes.ChangeRefused):
        pending_changes.approve(seen, now=NOW + DAY, by=zoya)  # What Zoya has open is another one.
    pending_changes.wait(NOW + DAY, MINUTE)
    assert "evil.example" in pending_changes.sentence_of(_only()) and _used(guarded) == ["main"]
    with pytest.raises(pending_changes.ChangeRefused):
        pending_changes.approve(_only(), now=NOW + DAY, by=vera)


def test_whoever_edits_the_route_of_another_admin_cannot_approve_it(guarded: House, vera: Person, zoya: Person) -> None:
    mild = add_route(guarded.organization, "mild", "smtp://mild.example:587", now=NOW, by=zoya)
    change_route(mild, now=NOW, by=vera, url="smtp://evil.example:587")
    with pytest.raises(pending_changes.ChangeRefused):
        pending_changes.approve(_only(), now=NOW, by=vera)


def test_the_command_line_asks_nobody_and_lifts_what_waits(guarded: House, vera: Person) -> None:
    add_route(guarded.organization, "second", "smtp://relay2.example:587", now=NOW)
    evil = _evil(guarded, vera)
    resume_route(evil, now=NOW)
    assert _used(guarded) == ["evil", "main", "second"] and not pending_changes.waiting(guarded.organization)
    change_route(_main(), now=NOW, by=vera, url="smtp://ada:x@evil.example:587")
    change_route(_main(), now=NOW, url="smtp://ada:x@relay3.example:587")
    assert _host(_main()) == "relay3.example" and not pending_changes.waiting(guarded.organization)


def test_a_removed_route_is_not_changed_by_what_waited_for_it(guarded: House, vera: Person) -> None:
    change_route(_main(), now=NOW, by=vera, url="smtp://ada:x@evil.example:587")
    remove_route(_main(), now=NOW, by=vera)
    assert not pending_changes.waiting(guarded.organization)


def test_the_first_route_waits_for_nobody_and_is_corrected_while_it_does_not_work(house: House) -> None:
    Organization.objects.update(next_number=5001)
    vera = _admin(house, "Vera")
    first = add_route(house.organization, "main", "smtp://ada:wrong@relay.example:587", now=NOW, by=vera)
    assert first.state == "live"
    for asked in (condemn, lambda number, verdict, now: believe(first, replace(verdict, early=True), now=now, by=vera)):
        asked(first.pk, RouteVerdict("throttled", "no_connection", {"detail": "refused"}, 60), NOW)
        first.refresh_from_db()
        told = change_route(first, now=NOW, by=vera, url="smtp://ada:right@relay.example:465")
        assert bool(told) is (asked is not condemn), "whoever sends may bring a letter's answer about"
    assert not pending_changes.waiting(house.organization)


# -- once every provider has closed the account


def test_when_the_provider_has_closed_the_account_the_next_route_is_used_at_once(guarded: House, vera: Person) -> None:
    waited = _evil(guarded, vera)
    condemn(_main().pk, CLOSED, NOW)
    second = add_route(guarded.organization, "second", "smtp://relay2.example:587", now=NOW, by=vera)
    assert second.state == "live" and not pending_changes.waiting(guarded.organization).filter(about=second.pk)
    row = PendingChange.objects.get(about=second.pk)
    assert (row.state, row.by, "second" in pending_changes.sentence_of(row)) == ("done", vera, True), (
        "everybody is told"
    )
    condemn(second.pk, CLOSED, NOW)
    resume_route(waited, now=NOW, by=vera)
    assert _used(guarded) == ["evil"] and not pending_changes.waiting(guarded.organization)


def test_a_route_whose_provider_refuses_the_login_gets_another_password_at_once(guarded: House, vera: Person) -> None:
    login = judge("auth", 535, "5.7.8 authentication failed")[1]
    add_route(guarded.organization, "gone", "smtp://relay2.example:587", now=NOW)
    remove_route(Route.objects.get(name="gone"), now=NOW)
    condemn(_main().pk, login, NOW)
    change_route(_main(), now=NOW, by=vera, password="of today")
    assert pending_changes.waiting(guarded.organization).count() == 1, "it is believed after two tries"
    condemn(_main().pk, login, NOW + 10 * MINUTE)
    change_route(_main(), now=NOW + 10 * MINUTE, by=vera, password="of today")
    assert queries.way_of(_main()).settings.password == "of today" and not pending_changes.waiting(guarded.organization)
    row = PendingChange.objects.latest("pk")
    assert row.state == "done" and "of today" not in str(pending_changes.details_of(row, RouteDetails)), (
        "everybody is told, not the password"
    )


@pytest.mark.parametrize(
    "verdict",
    [
        judge("final", 550, "5.7.1 Your account is suspended")[1],  # A server of a recipient may have said it.
        judge("rcpt", 550, "5.7.1 Your account is suspended")[1],
        judge("mail", 550, "Your credits are used up")[1],  # Whoever may send can use them up.
        RouteVerdict("dead", "same_refusal", {}),
        RouteVerdict("throttled", "no_connection", {"detail": "refused"}, 60),
        RouteVerdict("throttled", "quota", {}, 3600),
    ],
)
def test_what_a_thief_could_bring_about_opens_no_way_out(guarded: House, vera: Person, verdict: RouteVerdict) -> None:
    assert verdict.state in ("dead", "throttled")
    condemn(_main().pk, verdict, NOW)
    assert _evil(guarded, vera).state == "waiting"


def test_a_provider_that_closes_the_account_behind_a_letter_is_believed_in_a_test_to_oneself(
    guarded: House, vera: Person
) -> None:
    with ScriptedServer() as server:
        server.on("rcpt", "550 5.7.1 Your account is suspended")
        change_route(_main(), now=NOW, url=server.url)
        send_probe(_main(), "mailbox@thief.example", now=NOW, by=vera)
        assert _main().state == "dead" and _evil(guarded, vera).state == "waiting"
        send_probe(_main(), sealed_people.email_of(vera), now=NOW, by=vera)
        assert add_route(guarded.organization, "third", "smtp://r.example", now=NOW, by=vera).state == "live"


@pytest.mark.parametrize(("how", "days"), [("remove", 30), ("pause", 4000)])
def test_a_living_route_that_an_admin_takes_out_of_use_still_counts_when_all_others_are_closed(
    guarded: House, vera: Person, how: str, days: int
) -> None:
    lives = add_route(guarded.organization, "lives", "smtp://relay2.example:587", now=NOW - 5 * DAY)
    condemn(_main().pk, CLOSED, NOW)
    (remove_route if how == "remove" else pause_route)(lives, now=NOW, by=vera)
    assert _evil(guarded, vera, NOW + days * DAY - MINUTE).state == "waiting"
    later = add_route(guarded.organization, "later", "smtp://r.example", now=NOW + days * DAY + MINUTE, by=vera)
    assert later.state == ("live" if how == "remove" else "waiting")


def test_a_second_route_that_does_not_work_is_not_corrected_alone(guarded: House, vera: Person) -> None:
    add_route(guarded.organization, "second", "smtp://relay2.example:587", now=NOW)
    unreachable = RouteVerdict("throttled", "no_connection", {"detail": "refused"}, 60, early=True)
    believe(_main(), unreachable, now=NOW, by=vera)
    change_route(_main(), now=NOW, by=vera, url="smtp://ada:x@evil.example:587")
    assert _host(_main()) == "relay.example"
