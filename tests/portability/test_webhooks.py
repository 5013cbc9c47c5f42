"""Webhooks: each event is told at least once under the same id, however the endpoint and the worker fail, and nothing
about a person is said or kept that isn't needed."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from samizdat import outgoing_connections
from samizdat.accounts import actions as accounts
from samizdat.accounts import pending_changes
from samizdat.accounts.models import Organization, PendingChange, Person
from samizdat.audience import actions as audience
from samizdat.audience.actions import consent
from samizdat.audience.queries import subscriber_at
from samizdat.core import event_webhooks
from samizdat.core.event_webhooks import EVENTS
from samizdat.events import chain
from samizdat.events.actions import record
from samizdat.events.models import Event
from samizdat.portability.models import EventWebhook, EventWebhookMessage
from samizdat.portability.webhooks import actions, delivering, posting
from samizdat.portability.webhooks.actions import EventWebhookView
from samizdat.portability.webhooks.records import (
    EventWebhookRefused,
    message_of,
    opened,
    progress_of,
    put_settings,
    settings_of,
)
from tests.conftest import NOW, PASSWORD, TODAY
from tests.fakes.webhook_endpoint import WebhookEndpoint, signed_by
from tests.http_server import HANG_UP, RESET, STALL, Endless, Reply
from tests.smtp_server import Certificates

pytestmark = pytest.mark.django_db

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
ADA = "ada@reader.example"


@pytest.fixture(autouse=True)
def loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAMIZDAT_INNER_NETWORKS", "127.0.0.0/8")
    monkeypatch.setattr(posting, "TIMEOUT", 1.0)
    monkeypatch.setattr(posting.post, "__defaults__", (1.0,))


@pytest.fixture
def thursday(letter: Any) -> Any:
    return letter


@pytest.fixture
def endpoint() -> Iterator[WebhookEndpoint]:
    with WebhookEndpoint() as server:
        yield server


@pytest.fixture
def vera(lantern: Any) -> Person:
    person = accounts.add_person("vera@lantern.example", name="Vera", password=PASSWORD, today=TODAY)
    accounts.give_role(person, lantern, "admin", by=None, now=NOW - 3 * DAY)
    return person


def added(organization: Any, endpoint: WebhookEndpoint, *events: str, **more: Any) -> tuple[str, EventWebhook]:
    how = {"now": NOW, "by": None} | more
    return actions.add(organization, endpoint.url, events or EVENTS, **how)


def deliver(organization: Any, now: datetime = NOW) -> None:
    while chain.append():
        continue
    delivering.deliver_due(organization.pk, now=lambda: now, stop=lambda: False)


def view(organization: Any, now: datetime = NOW) -> EventWebhookView:
    [only] = actions.views(organization, now)
    return only


def add_ada(list_: Any) -> Any:
    return audience.add_subscriber(list_.organization, ADA, list_, consent="At the fair.", now=NOW)


def test_what_happens_is_told_in_order_and_signed(lantern: Any, thursday: Any, endpoint: WebhookEndpoint) -> None:
    secret, _row = added(lantern, endpoint)
    ada = add_ada(thursday)
    consent.unsubscribe(ada, thursday, now=NOW)
    deliver(lantern)
    assert endpoint.types == ["subscriber.added", "subscriber.unsubscribed"]
    assert endpoint.told[0]["data"] == {"number": ada.number, "lists": [thursday.pk]}
    assert all(signed_by(secret, letter) for letter in endpoint.letters)
    assert not any(signed_by(event_webhooks.new_secret(bytes(32)), letter) for letter in endpoint.letters)
    assert {letter.path for letter in endpoint.letters} == {"/hooks?token=s3cret"}
    deliver(lantern)
    assert len(endpoint.letters) == 2 and not EventWebhookMessage.objects.exists()
    assert [(each.status, each.problem, each.turn) for each in view(lantern).tries] == [(204, "", 1)] * 2


def test_what_was_before_is_not_told(lantern: Any, thursday: Any, endpoint: WebhookEndpoint) -> None:
    add_ada(thursday)
    while chain.append():
        continue
    added(lantern, endpoint)
    deliver(lantern)
    assert endpoint.types == []


def test_addresses_come_along_only_where_that_was_asked_for(
    lantern: Any, thursday: Any, endpoint: WebhookEndpoint
) -> None:
    added(lantern, endpoint, "subscriber.added")
    added(lantern, endpoint, "subscriber.added", "subscriber.erased", addresses=True)
    add_ada(thursday)
    deliver(lantern)
    assert [body["data"].get("email") for body in endpoint.told] == [None, ADA]
    assert ADA.encode() not in endpoint.letters[0].content


def test_whoever_was_erased_meanwhile_is_a_number(lantern: Any, thursday: Any, endpoint: WebhookEndpoint) -> None:
    added(lantern, endpoint, addresses=True)
    ada = add_ada(thursday)
    audience.erase(lantern, subscriber=ada, now=NOW)
    deliver(lantern)
    assert endpoint.types == ["subscriber.added", "subscriber.erased"]
    assert endpoint.told[0]["data"] == {"number": ada.number, "lists": [thursday.pk], "email": None}
    assert endpoint.told[1]["data"] == {"numbers": [ada.number]}
    assert all(b"reader.example" not in letter.content for letter in endpoint.letters)


def test_a_webhook_of_some_lists_is_told_of_these(lantern: Any, thursday: Any, endpoint: WebhookEndpoint) -> None:
    other = audience.new_list(lantern, "Appeals", now=NOW)
    added(lantern, endpoint, lists=[other.pk], addresses=True)
    ada = add_ada(thursday)
    audience.change_values(ada, {}, now=NOW, language="ru")
    audience.add_subscriber(lantern, "boris@reader.example", other, consent="So.", now=NOW)
    audience.erase(lantern, subscriber=ada, now=NOW)
    deliver(lantern)
    assert [(body["type"], body["data"].get("email")) for body in endpoint.told] == [
        ("subscriber.added", "boris@reader.example"),
        ("subscriber.erased", None),
    ]


def test_whoever_leaves_appeals_has_not_unsubscribed(lantern: Any, thursday: Any, endpoint: WebhookEndpoint) -> None:
    ada = add_ada(thursday)
    consent.agree_to_appeals_of(ada, [thursday], now=NOW, way="desk", wording="Yes.")
    while chain.append():
        continue
    added(lantern, endpoint)
    consent.unsubscribe(ada, thursday, now=NOW, purpose="fundraising")
    deliver(lantern)
    assert endpoint.types == ["subscriber.updated"]


def test_neither_address_nor_secret_stands_in_the_database(
    lantern: Any, thursday: Any, endpoint: WebhookEndpoint
) -> None:
    secret, _row = added(lantern, endpoint, addresses=True)
    endpoint.on(Reply(500, b"no mailbox for ada@reader.example"))
    ada = add_ada(thursday)
    deliver(lantern)
    stored = repr([*EventWebhook.objects.values(), *EventWebhookMessage.objects.values()])
    event = Event.objects.get(kind="subscriber.added")
    for word in (secret, secret[6:], ADA, "s3cret", "127.0.0.1", str(ada.pk)):
        assert word not in stored
    assert {*EventWebhookMessage.objects.values().get()} == {"id", "webhook_id", "message_sealed"}
    last = view(lantern).tries[0]
    assert "ada@" not in last.words and last.words.startswith("no mailbox for") and last.at == NOW
    assert str(event.pk) not in repr(last)


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (Reply(500, {}), "status"), (Reply(404, {}), "status"), (Reply(302, {}, {"Location": "/other"}), "redirect"),
        (HANG_UP, "cut_off"), (RESET, "cut_off"), (STALL, "silent"), (Endless(500), "status"),
        (b"nonsense\r\n\r\n", "cut_off"), (Reply(429, {}, {"Retry-After": "600"}), "status"),
    ],
)  # fmt: skip
def test_what_fails_is_tried_again_under_the_same_id(
    lantern: Any, thursday: Any, endpoint: WebhookEndpoint, answer: Any, problem: str
) -> None:
    secret, _row = added(lantern, endpoint)
    endpoint.on(answer, times=1)
    add_ada(thursday)
    deliver(lantern)
    deliver(lantern, NOW + timedelta(seconds=1))
    assert len(endpoint.letters) == 1 and view(lantern).state == "failing"
    deliver(lantern, NOW + timedelta(minutes=11))
    assert len(endpoint.letters) == 2 and len(set(endpoint.ids)) == 1
    assert signed_by(secret, endpoint.letters[1])
    stamps = [int(letter.headers["webhook-timestamp"]) for letter in endpoint.letters]
    assert stamps[1] - stamps[0] == 660, "the time is that of the try"
    assert [(each.problem, each.turn) for each in view(lantern).tries] == [("", 2), (problem, 1)]
    assert view(lantern).state == "active" and not EventWebhookMessage.objects.exists()
    assert endpoint.asked == [], "no redirect is followed"


def test_an_answer_without_end_counts_by_its_head(lantern: Any, thursday: Any, endpoint: WebhookEndpoint) -> None:
    added(lantern, endpoint)
    endpoint.on(Endless(200))
    add_ada(thursday)
    deliver(lantern)
    assert [each.problem for each in view(lantern).tries] == [""]


def test_one_that_is_refused_keeps_no_other_from_being_told(
    lantern: Any, thursday: Any, endpoint: WebhookEndpoint
) -> None:
    added(lantern, endpoint, "subscriber.added", "subscriber.unsubscribed")
    ada = add_ada(thursday)
    consent.unsubscribe(ada, thursday, now=NOW)
    endpoint.on(Reply(400, {}), times=1)
    deliver(lantern)
    deliver(lantern, NOW + timedelta(seconds=10))
    deliver(lantern, NOW + HOUR)
    assert sorted(endpoint.types) == ["subscriber.added", "subscriber.added", "subscriber.unsubscribed"]
    assert not EventWebhookMessage.objects.exists()


class Killed(BaseException):
    """As a process that is killed: nothing is tidied up."""


@pytest.mark.parametrize("place", ["before the request", "after it"])
def test_a_worker_that_is_killed_loses_nothing_and_repeats_the_id(
    lantern: Any, thursday: Any, endpoint: WebhookEndpoint, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    added(lantern, endpoint)
    add_ada(thursday)
    real, at = posting.post, NOW
    with monkeypatch.context() as patch:

        def killing(*args: Any) -> Any:
            if place == "after it":
                real(*args)
            raise Killed

        patch.setattr(posting, "post", killing)
        for _kill in range(3):
            with pytest.raises(Killed):
                deliver(lantern, at)
            at += timedelta(minutes=3)
    deliver(lantern, at)
    assert len({*endpoint.ids}) == 1 and len(endpoint.ids) == (4 if place == "after it" else 1)
    assert not EventWebhookMessage.objects.exists()


def test_what_another_process_has_taken_is_not_sent_twice(
    lantern: Any, thursday: Any, endpoint: WebhookEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    added(lantern, endpoint)
    add_ada(thursday)
    real = posting.post

    def beside(*args: Any) -> Any:
        monkeypatch.setattr(posting, "post", real)
        deliver(lantern)
        return real(*args)

    monkeypatch.setattr(posting, "post", beside)
    deliver(lantern)
    assert endpoint.types == ["subscriber.added"]


def test_an_endpoint_that_takes_nothing_for_days_is_switched_off_and_goes_on_later(
    lantern: Any, thursday: Any, endpoint: WebhookEndpoint
) -> None:
    _secret, row = added(lantern, endpoint, "subscriber.added")
    endpoint.on(Reply(503, {}))
    add_ada(thursday)
    at = NOW
    while view(lantern, at).state != "disabled":
        deliver(lantern, at)
        at += HOUR
        assert at < NOW + 4 * DAY
    assert at - NOW >= 3 * DAY and len({*endpoint.ids}) == 1
    assert [event.about for event in Event.objects.filter(kind="event_webhook.disabled")] == [row.pk]
    audience.add_subscriber(lantern, "boris@reader.example", thursday, consent="So.", now=at)
    endpoint.rules.clear()
    before = len(endpoint.letters)
    deliver(lantern, at + 9 * DAY)
    assert len(endpoint.letters) == before, "nothing is sent to one that is switched off"
    actions.enable(lantern, row.pk, now=at, by=None)
    deliver(lantern, at + 9 * DAY)
    assert len(endpoint.letters) == before + 2 and view(lantern).state == "active"


def test_an_endpoint_that_is_gone_is_switched_off_at_once(
    lantern: Any, thursday: Any, endpoint: WebhookEndpoint
) -> None:
    added(lantern, endpoint)
    endpoint.on(Reply(410, {}))
    add_ada(thursday)
    deliver(lantern)
    assert (view(lantern).state, view(lantern).reason) == ("disabled", "gone")


def test_the_last_fifty_tries_are_kept(lantern: Any, thursday: Any, endpoint: WebhookEndpoint) -> None:
    added(lantern, endpoint, "subscriber.updated")
    ada = add_ada(thursday)
    for _turn in range(60):
        record("subscriber.tagged", lantern, now=NOW, about=ada.pk)
    deliver(lantern)
    assert len(endpoint.letters) == 60 and len(view(lantern).tries) == 50


def test_a_secret_that_was_replaced_signs_for_a_day(lantern: Any, thursday: Any, endpoint: WebhookEndpoint) -> None:
    former, row = added(lantern, endpoint)
    present = actions.replace_secret(lantern, row.pk, now=NOW, by=None)
    add_ada(thursday)
    deliver(lantern, NOW + HOUR)
    assert signed_by(former, endpoint.letters[0]) and signed_by(present, endpoint.letters[0])
    consent.unsubscribe(subscriber_at(lantern, ADA), thursday, now=NOW)
    deliver(lantern, NOW + 25 * HOUR)
    assert not signed_by(former, endpoint.letters[1]) and signed_by(present, endpoint.letters[1])


def test_a_test_is_sent_once(lantern: Any, endpoint: WebhookEndpoint) -> None:
    secret, row = added(lantern, endpoint, "campaign.sent")
    endpoint.on(Reply(500, {}), times=1)
    for chance in (bytes(16), bytes([1]) * 16):
        actions.test(lantern, row.pk, chance=chance)
    deliver(lantern)
    deliver(lantern, NOW + HOUR)
    assert endpoint.types == ["webhook.test"] * 2 and signed_by(secret, endpoint.letters[0])
    assert [each.status for each in view(lantern).tries] == [204, 500] and view(lantern).state == "active"


def test_inner_addresses_are_not_reached(
    lantern: Any, thursday: Any, endpoint: WebhookEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    _secret, row = added(lantern, endpoint)
    put_settings(row, replace(settings_of(row), url=f"https://localhost:{endpoint.port}/"))
    monkeypatch.setenv("SAMIZDAT_INNER_NETWORKS", "")
    add_ada(thursday)
    deliver(lantern)
    assert [each.problem for each in view(lantern).tries] == ["inside"] and not endpoint.connected
    monkeypatch.setattr(outgoing_connections.socket, "getaddrinfo", lambda *_how, **_more: 1 / 0)
    with pytest.raises(ZeroDivisionError):  # A name is looked up at each try, and connected to by that answer alone.
        deliver(lantern, NOW + HOUR)


def test_a_certificate_of_nobody_is_refused(lantern: Any, thursday: Any, tmp_path: Any) -> None:
    endpoint = WebhookEndpoint()
    endpoint.context = Certificates(tmp_path).self_signed("localhost").context()
    with endpoint:
        added(lantern, endpoint)
        add_ada(thursday)
        deliver(lantern)
    assert [each.problem for each in view(lantern).tries] == ["certificate"] and endpoint.letters == []


@pytest.mark.parametrize(
    ("url", "events", "code"),
    [
        ("http://lantern.example/", ["campaign.sent"], "webhook_url"),
        ("https://vera:pw@lantern.example/", ["campaign.sent"], "webhook_url"),
        ("https://lantern.example/", [], "webhook_event"),
        ("https://lantern.example/", ["subscriber.opened"], "webhook_event"),
    ],
)
def test_what_makes_no_sense_is_refused(lantern: Any, url: str, events: list[str], code: str) -> None:
    with pytest.raises(EventWebhookRefused) as refused:
        actions.add(lantern, url, events, now=NOW, by=None)
    assert refused.value.code == code and not EventWebhook.objects.exists()


def test_there_are_so_many_at_most(lantern: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(actions, "MOST", 2)
    for _turn in range(2):
        actions.add(lantern, "https://lantern.example/", ["campaign.sent"], now=NOW, by=None)
    with pytest.raises(EventWebhookRefused):
        actions.add(lantern, "https://lantern.example/", ["campaign.sent"], now=NOW, by=None)


def test_one_that_is_removed_is_told_nothing_even_when_its_row_is_put_back(
    lantern: Any, thursday: Any, endpoint: WebhookEndpoint
) -> None:
    _secret, row = added(lantern, endpoint)
    before = EventWebhook.objects.values().get()
    assert actions.remove(lantern, row.pk, now=NOW, by=None)
    assert not actions.remove(lantern, row.pk, now=NOW, by=None)
    EventWebhook.objects.create(**before)
    add_ada(thursday)
    deliver(lantern)
    assert endpoint.letters == []


def test_rows_that_somebody_wrote_are_passed_over(lantern: Any, thursday: Any, endpoint: WebhookEndpoint) -> None:
    _secret, row = added(lantern, endpoint)
    good, _other = added(lantern, endpoint)
    EventWebhook.objects.filter(pk=row.pk).update(settings_sealed=b"x" * 60)
    add_ada(thursday)
    EventWebhookMessage.objects.create(webhook=EventWebhook.objects.latest("pk"), message_sealed=b"y" * 60)
    Event.objects.create(kind="campaign.sent", organization=lantern, about=1, at=NOW, digest=b"z" * 32)
    deliver(lantern)
    assert endpoint.types == ["subscriber.added"] and signed_by(good, endpoint.letters[0])
    assert [each.state for each in actions.views(lantern, NOW)] == ["broken", "active"]
    assert actions.remove(lantern, row.pk, now=NOW, by=None)


def test_one_that_a_person_adds_waits_and_tells_nothing_before(
    lantern: Any, thursday: Any, endpoint: WebhookEndpoint, vera: Person
) -> None:
    add_ada(thursday)
    _secret, row = added(lantern, endpoint, by=vera)
    consent.unsubscribe(subscriber_at(lantern, ADA), thursday, now=NOW)
    with pytest.raises(EventWebhookRefused):
        actions.test(lantern, row.pk, chance=bytes(16))
    deliver(lantern)
    assert view(lantern).state == "waiting" and endpoint.letters == []
    [change] = pending_changes.waiting(lantern)
    sentence = pending_changes.sentence_of(change)
    assert "/hooks" in sentence and "s3cret" not in sentence
    other = accounts.add_person("olga@lantern.example", name="Olga", password=PASSWORD, today=TODAY)
    accounts.give_role(other, lantern, "admin", by=None, now=NOW - 3 * DAY)
    pending_changes.approve(change, by=other, now=NOW)
    assert view(lantern).state == "active"
    while chain.append():
        continue
    endpoint.letters.clear()
    consent.undo_unsubscribe(subscriber_at(lantern, ADA), thursday, now=NOW)
    deliver(lantern)
    assert "subscriber.resubscribed" in endpoint.types


def test_one_that_was_stopped_is_gone(lantern: Any, thursday: Any, endpoint: WebhookEndpoint, vera: Person) -> None:
    add_ada(thursday)
    added(lantern, endpoint, by=vera)
    pending_changes.stop(PendingChange.objects.get(), by=vera, now=NOW)
    assert not EventWebhook.objects.exists()


def test_it_ends_with_whoever_added_it(lantern: Any, thursday: Any, endpoint: WebhookEndpoint, vera: Person) -> None:
    added(lantern, endpoint, by=vera)
    other = accounts.add_person("olga@lantern.example", name="Olga", password=PASSWORD, today=TODAY)
    accounts.give_role(other, lantern, "admin", by=None, now=NOW)
    accounts.give_role(vera, lantern, "editor", by=None, now=NOW)
    add_ada(thursday)
    deliver(lantern)
    assert view(lantern).state == "ended" and endpoint.letters == []


def test_where_an_organization_is_held_all_waits(lantern: Any, thursday: Any, endpoint: WebhookEndpoint) -> None:
    added(lantern, endpoint)
    Organization.objects.update(sending_locked=True)
    add_ada(thursday)
    assert delivering.organizations() == set()
    deliver(lantern)
    assert endpoint.letters == []
    Organization.objects.update(sending_locked=False)
    assert delivering.organizations() == {lantern.pk}
    deliver(lantern)
    assert endpoint.types == ["subscriber.added"]


def test_so_many_wait_at_most_and_the_others_in_the_log(
    lantern: Any, thursday: Any, endpoint: WebhookEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivering, "MOST_WAITING", 5)
    _secret, row = added(lantern, endpoint, "subscriber.updated")
    ada = add_ada(thursday)
    for _turn in range(12):
        record("subscriber.tagged", lantern, now=NOW, about=ada.pk)
    while chain.append():
        continue
    settings = settings_of(row)
    while delivering.queue(row, settings):
        continue
    assert row.messages.count() == 5
    for turn in range(4):
        deliver(lantern, NOW + turn * HOUR)
    assert len({*endpoint.ids}) == 12 and not row.messages.exists()


def test_the_events_of_another_organization_are_not_told(
    lantern: Any, thursday: Any, vault: Any, endpoint: WebhookEndpoint
) -> None:
    other = accounts.found_organization("Harbour Bell", source=vault, today=TODAY)
    added(other, endpoint)
    add_ada(thursday)
    deliver(other)
    assert endpoint.letters == []
    assert actions.view_of(lantern, EventWebhook.objects.get().pk, NOW) is None
    assert not actions.remove(lantern, EventWebhook.objects.get().pk, now=NOW, by=None)


def test_what_waits_is_sealed_to_its_row(lantern: Any, thursday: Any, endpoint: WebhookEndpoint) -> None:
    _secret, row = added(lantern, endpoint)
    add_ada(thursday)
    while chain.append():
        continue
    delivering.queue(row, settings_of(row))
    waiting = EventWebhookMessage.objects.get()
    message = message_of(waiting, lantern)
    assert message is not None and Event.objects.get(pk=message.event).kind == "subscriber.added"
    moved = EventWebhookMessage(pk=waiting.pk + 1, webhook=row, message_sealed=waiting.message_sealed)
    assert message_of(moved, lantern) is None
    assert opened(row) is not None and progress_of(row).position
