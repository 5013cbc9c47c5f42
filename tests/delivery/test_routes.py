"""Routes: added, sealed, tested, condemned, and back again."""

import socket
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import translation

from samizdat.audience.actions import suppress
from samizdat.core.mail.outcome import RouteVerdict
from samizdat.delivery import queries
from samizdat.delivery.actions import (
    add_route,
    change_route,
    condemn,
    pause_route,
    probe_route,
    remove_route,
    resume_route,
    send_probe,
    send_test,
)
from samizdat.delivery.actions.routes import clear_reason, wake_due
from samizdat.delivery.errors import NoRoute, RouteRefused, WantsNoMail
from samizdat.delivery.models import Route, RouteDomain
from tests.delivery.conftest import House
from tests.smtp_server import ScriptedServer

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


def add(house: House, **how: object) -> Route:
    return add_route(house.organization, "main", "smtp://ada:secret@relay.example:587", now=NOW, **how)


def test_url_and_password_are_sealed_and_the_list_shows_neither(house: House) -> None:
    add(house, rate="600/m", connections=5)
    row = Route.objects.values().get()
    assert b"secret" not in bytes(row["settings_sealed"]) and "relay" not in repr(row)
    (shown,) = queries.routes(house.organization)
    assert (shown.host, shown.rate, shown.connections, shown.state) == ("relay.example", 10.0, 5, "live")
    assert "secret" not in repr(shown)


@pytest.mark.parametrize(
    ("name", "url", "rate"),
    [
        ("", "smtp://relay.example", None),
        ("a\nb", "smtp://relay.example", None),
        ("main", "pigeon://loft", None),
        ("main", "relay.example", None),
        ("main", f"folder://{__file__}/outbox", None),
        ("main", "smtp://relay.example", "many"),
        ("main", "smtp://relay.example?color=red", None),
    ],
)
def test_a_route_that_cannot_work_is_refused_with_a_sentence(house: House, name: str, url: str, rate: str) -> None:
    with pytest.raises(RouteRefused, match=r".{20,}\."):
        add_route(house.organization, name, url, now=NOW, rate=rate)
    assert not Route.objects.exists()


@pytest.mark.parametrize("priority", [-5, 0, 1000, 10**20])
def test_a_turn_that_is_none_is_not_told_as_a_name_that_is_taken(house: House, priority: int) -> None:
    with pytest.raises(RouteRefused, match="1 to 999"):
        add(house, priority=priority)
    route = add(house)
    with pytest.raises(RouteRefused, match="1 to 999"):
        change_route(route, now=NOW, priority=priority)
    with pytest.raises(RouteRefused, match="A route called “main” already exists"):
        add(house)


def test_a_password_goes_unencrypted_to_no_foreign_host(house: House) -> None:
    for number, near in enumerate(("127.0.0.1", "[::1]", "10.0.0.7", "localhost", "relay", "relay.internal")):
        add_route(house.organization, f"near {number}", f"smtp+plain://ada:secret@{near}:25", now=NOW)
    foreign = add_route(house.organization, "foreign", "smtp+plain://relay.example:25", now=NOW)
    for far in ("relay.example", "8.8.8.8", "134744072", "[2606:4700::1111]"):
        with pytest.raises(RouteRefused, match="unencrypted") as refused:
            add_route(house.organization, "far", f"smtp+plain://ada:secret@{far}:25", now=NOW)
        assert "secret" not in str(refused.value)
    with pytest.raises(RouteRefused, match="unencrypted"):
        change_route(foreign, now=NOW, url="smtp+plain://ada@relay.example:25", password="secret")


@pytest.mark.parametrize(
    ("url", "rate", "said"),
    [
        ("pigeon://loft", None, "Типа маршрута pigeon:// нет."),
        ("relay.example", None, "Маршрут — это адрес вида smtp://"),
        ("smtp://relay.example", "many", "«many» — неверный лимит скорости."),
        ("smtp://relay.example?color=red", None, "параметр «color», которого smtp:// не знает"),
        ("smtp://ada:%ff@relay.example", None, "Знак процента пишите как %25."),
    ],
)
def test_what_is_wrong_with_a_route_is_said_in_the_language_of_whoever_asks(
    house: House, url: str, rate: str, said: str
) -> None:
    with translation.override("ru"), pytest.raises(RouteRefused) as refused:
        add_route(house.organization, "main", url, now=NOW, rate=rate)
    assert said in str(refused.value)


def test_a_kept_key_stays_when_the_region_changes_and_goes_to_no_other_place(house: House) -> None:
    route = add_route(house.organization, "gun", "mailgun://KEY@lantern.example", now=NOW)
    assert queries.way_of(route).shown == "mailgun://lantern.example"
    (change,) = change_route(route, now=NOW, url="mailgun://lantern.example?region=eu")
    assert (change.word, change.after) == ("url", "mailgun://lantern.example?region=eu")
    assert queries.way_of(route).settings.password == "KEY"
    for elsewhere in ("mailgun://other.example", "mailgun://lantern.example?endpoint=https://api.other.example"):
        with pytest.raises(RouteRefused, match="Enter the one for"):
            change_route(route, now=NOW, url=elsewhere)


def test_a_name_is_given_once(house: House) -> None:
    add(house)
    with pytest.raises(RouteRefused, match="already"):
        add(house)


def kept(route: Route) -> tuple[str, str]:
    """User and password that the relay would be given."""
    settings = queries.way_of(route).settings
    return settings.user, settings.password


def test_what_is_not_given_stays_and_what_changed_is_told(house: House) -> None:
    from samizdat.events.models import Event

    route = add(house, rate="10/s", priority=5)
    changes = change_route(route, now=NOW, priority=20, rate="")
    assert [(one.word, one.before, one.after) for one in changes] == [("priority", "5", "20"), ("rate", "10/s", "")]
    assert (route.name, route.priority, route.rate) == ("main", 20, None)
    assert kept(route) == ("ada", "secret")
    assert Event.objects.filter(kind="route.changed").count() == 1


def test_changing_a_route_into_what_it_is_writes_nothing(house: House) -> None:
    from samizdat.events.models import Event

    route = add(house, rate="600/m")
    assert change_route(route, now=NOW, name="main", url="smtp://ada@relay.example:587", rate="10/s") == []
    assert not Event.objects.filter(kind="route.changed").exists()


def test_a_new_url_keeps_the_password_that_it_does_not_name(house: House) -> None:
    route = add(house)
    (change,) = change_route(route, now=NOW, url="smtps://ada@relay.example:465")
    assert (change.before, change.after) == ("smtp://ada@relay.example:587", "smtps://ada@relay.example:465")
    assert kept(route) == ("ada", "secret") and route.scheme == "smtps"


@pytest.mark.parametrize(
    ("how", "password"),
    [
        ({"password": "new one"}, "new one"),
        ({"url": "smtp://ada:fresh@relay.example:587"}, "fresh"),
        ({"url": "smtp://ada:fresh@relay.example:587", "password": "new one"}, "new one"),
        ({"url": "smtp://relay.example:587"}, ""),
    ],
)
def test_a_password_that_is_given_replaces_the_old_one(house: House, how: dict[str, str], password: str) -> None:
    route = add(house)
    changes = change_route(route, now=NOW, **how)
    assert kept(route)[1] == password
    assert "password" in [one.word for one in changes]
    assert all(word not in repr(changes) for word in ("secret", "fresh", "new one"))


def test_a_kept_password_goes_to_no_other_host(house: House) -> None:
    route = add(house)
    with pytest.raises(
        RouteRefused, match=r"The saved password is for relay\.example\. Enter the one for other\.example"
    ) as refused:
        change_route(route, now=NOW, url="smtp://ada@other.example:587")
    assert refused.value.field == "password"
    assert queries.way_of(route).where == "relay.example:587"
    change_route(route, now=NOW, url="smtp://ada@other.example:587", password="theirs")
    assert kept(route) == ("ada", "theirs")


def test_a_route_is_called_by_a_name_that_is_free(house: House) -> None:
    route = add(house)
    add_route(house.organization, "second", "smtp://relay.example", now=NOW)
    with pytest.raises(RouteRefused, match="already") as refused:
        change_route(route, now=NOW, name="second")
    assert refused.value.field == "name"
    change_route(route, now=NOW, name=" first ")
    assert [row.name for row in queries.routes(house.organization)] == ["first", "second"]


def test_a_route_is_found_by_name_and_by_number(house: House) -> None:
    route = add(house)
    named = add_route(house.organization, str(route.pk), "smtp://relay.example", now=NOW)
    assert queries.route_named(house.organization, "main") == route
    assert queries.route_named(house.organization, str(route.pk)) == named
    assert queries.route_named(house.organization, str(named.pk)) == named
    assert queries.route_named(house.organization, "4711") is None


@pytest.mark.parametrize(("rate", "limit"), [("10/s", "10/s"), ("90/m", "90/m"), ("50000/d", "50000/d"), (None, "")])
def test_a_limit_is_shown_as_it_is_typed(house: House, rate: str | None, limit: str) -> None:
    assert queries.way_of(add(house, rate=rate)).limits == limit


def test_no_sentence_that_somebody_wrote_into_the_database_is_repeated_as_a_reason(house: House) -> None:
    route, written = add(house), "Call +49 30 901820 and say the key"
    Route.objects.filter(pk=route.pk).update(reason=written)
    RouteDomain.objects.create(route=route, domain="lantern.example", reason=written, since=NOW)
    (shown,) = queries.routes(house.organization)
    assert (shown.reason, shown.barred[0].reason, shown.sentence) == ("unknown", "unknown", "")
    assert queries.status(house.draft())["by_route"]["main"]["reason"] == "unknown"


def test_a_closed_account_stays_condemned_until_a_person_acts(house: House) -> None:
    route = add(house)
    condemn(route.pk, RouteVerdict("dead", "suspended", {"host": "relay.example:587", "answer": "550 closed"}), NOW)
    route.refresh_from_db()
    assert (route.state, route.reason, route.until) == ("dead", "suspended", None)
    assert "suspended or closed" in queries.routes(house.organization)[0].sentence
    assert wake_due(NOW + timedelta(days=3)) == 0
    resume_route(route, now=NOW)
    assert (route.state, route.reason) == ("live", "")


def test_a_wrong_password_is_believed_after_the_second_time(house: House) -> None:
    route = add(house)
    verdict = RouteVerdict("dead", "login", {}, 600)
    condemn(route.pk, verdict, NOW)
    assert wake_due(NOW + timedelta(minutes=9)) == 0
    assert wake_due(NOW + timedelta(minutes=10)) == 1
    condemn(route.pk, verdict, NOW + timedelta(minutes=10))
    route.refresh_from_db()
    assert (route.state, route.until) == ("dead", None)


def test_a_wrong_password_is_tried_once_more_and_then_never_unless_it_worked_in_between(house: House) -> None:
    route = add(house)
    verdict = RouteVerdict("dead", "login", {}, 600)
    condemn(route.pk, verdict, NOW)
    route.refresh_from_db()
    assert (route.state, route.until) == ("dead", NOW + timedelta(minutes=10))
    assert wake_due(NOW + timedelta(minutes=9, seconds=59)) == 0
    assert wake_due(NOW + timedelta(minutes=10)) == 1
    clear_reason(route.pk)  # It accepted something.
    condemn(route.pk, verdict, NOW + timedelta(hours=1))
    assert wake_due(NOW + timedelta(hours=1, minutes=9)) == 0
    assert wake_due(NOW + timedelta(hours=1, minutes=10)) == 1
    condemn(route.pk, verdict, NOW + timedelta(hours=2))
    assert wake_due(NOW + timedelta(days=30)) == 0


def test_a_relay_that_cannot_be_reached_is_asked_again_by_itself(house: House) -> None:
    route = add(house)
    verdict = RouteVerdict("throttled", "no_connection", {}, 60)
    condemn(route.pk, verdict, NOW)
    route.refresh_from_db()
    assert (route.state, route.until) == ("dead", NOW + timedelta(seconds=60))
    wake_due(NOW + timedelta(seconds=60))
    condemn(route.pk, verdict, NOW + timedelta(seconds=60))
    route.refresh_from_db()
    assert (route.state, route.until) == ("dead", NOW + timedelta(seconds=660))


def test_a_relay_that_asks_for_patience_lives(house: House) -> None:
    route = add(house)
    condemn(route.pk, RouteVerdict("throttled", "rate", {}, 30), NOW)
    route.refresh_from_db()
    assert (route.state, route.until) == ("throttled", NOW + timedelta(seconds=30))
    assert wake_due(NOW + timedelta(seconds=30)) == 1


def test_a_paused_route_is_not_condemned_behind_its_back(house: House) -> None:
    route = add(house)
    pause_route(route, now=NOW)
    condemn(route.pk, RouteVerdict("dead", "suspended"), NOW)
    route.refresh_from_db()
    assert route.state == "paused"


def test_a_test_says_how_the_route_is_and_brings_a_dead_one_back(house: House, server: ScriptedServer) -> None:
    route = house.route(server)
    condemn(route.pk, RouteVerdict("dead", "refused"), NOW)
    route.refresh_from_db()
    tested = probe_route(route, now=NOW)
    assert tested.ok and Route.objects.get().state == "live"
    server.die()
    tested = probe_route(route, now=NOW)
    assert (tested.ok, tested.reason) == (False, "no_connection") and tested.sentence.endswith(".")
    assert (route.state, route.reason) == ("dead", "no_connection")


def test_a_test_letter_condemns_a_route_that_is_down_and_a_good_one_wakes_it(
    house: House, server: ScriptedServer
) -> None:
    route = house.route(server)
    server.on("connect", "554 5.7.1 account closed")
    tried = send_probe(route, "clara@lantern.example", now=NOW)
    assert (tried.ok, route.state, route.reason) == (False, "dead", tried.reason)
    server.rules.clear()
    tried = send_probe(route, "clara@lantern.example", now=NOW)
    assert (tried.ok, route.state, route.reason) == (True, "live", "")


def test_a_test_of_a_server_that_says_nothing_ends_soon_and_names_the_ports(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "LONGEST_TEST", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"smtp+plain://127.0.0.1:{mute.getsockname()[1]}?timeout=300"
        route = add_route(house.organization, "mute", url, now=NOW)
        tried = send_probe(route, "clara@lantern.example", now=NOW)
        assert not tried.ok and "port 465" in tried.sentence and "0.1 s" in tried.sentence
        assert probe_route(route, now=NOW).reason == "silent"


def test_a_no_for_the_one_address_says_nothing_about_the_route(house: House, server: ScriptedServer) -> None:
    route = house.route(server)
    server.on("rcpt", "550 5.1.1 no such user")
    tried = send_probe(route, "nobody@lantern.example", now=NOW)
    assert not tried.ok and "550" in tried.sentence
    assert (route.state, route.reason) == ("live", "")


def test_a_paused_route_stays_paused_whatever_a_test_says(house: House, server: ScriptedServer) -> None:
    route = house.route(server)
    pause_route(route, now=NOW)
    assert probe_route(route, now=NOW).ok and route.state == "paused"
    server.die()
    assert not probe_route(route, now=NOW).ok and route.state == "paused"


def test_a_route_that_has_sent_keeps_its_name_in_reports_and_loses_its_credentials(
    house: House, server: ScriptedServer
) -> None:
    from samizdat.delivery.engine.sender import run_campaign

    house.people(2)
    route = house.route(server)
    campaign = house.released()
    run_campaign(campaign.pk, 120)
    remove_route(route, now=NOW)
    assert queries.routes(house.organization) == [] and queries.route_named(house.organization, "main") is None
    (name,) = queries.status(campaign)["by_route"]
    assert name.startswith("main (") and bytes(Route.objects.get().settings_sealed) == b""
    assert house.route(server).name == "main"


def test_a_test_letter_goes_out_at_once_and_is_booked_nowhere(house: House, server: ScriptedServer) -> None:
    from samizdat.core.crypto.tokens import read
    from samizdat.delivery.models import Delivery

    house.route(server)
    campaign = house.draft()
    server.on("rcpt", "550 5.1.1 no such user", recipient="boris@lantern.example")
    tried = send_test(campaign, ["Clara@Lantern.example", "boris@lantern.example"], now=NOW)
    assert [one.ok for one in tried] == [True, False] and "550" in tried[1].sentence
    (caught,) = server.messages
    assert caught.recipient == "Clara@lantern.example"
    token = caught.content.partition(b"lantern.example/u/")[2][:52].decode()
    assert read(house.keys.links, "test", token).number == 0
    assert not Delivery.objects.exists()


def test_without_a_route_a_test_letter_is_refused(house: House) -> None:
    with pytest.raises(NoRoute, match="Add one under Routes"):
        send_test(house.draft(), ["clara@lantern.example"], now=NOW)


@pytest.mark.parametrize("reason", ["complaint", "erased", "manual", "objected"])
def test_no_test_goes_to_an_address_that_wants_no_mail(house: House, reason: str) -> None:
    """A test has no way out, and nobody agreed to it."""
    suppress(house.organization, reason, address="Ada@example.org", now=NOW)
    with pytest.raises(WantsNoMail, match="suppression list"):
        send_test(house.draft(), ["clara@lantern.example", "ada@example.org"], now=NOW)
