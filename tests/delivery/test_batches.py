"""What is asked of the database at each slice, in the statement that reads whom it goes to."""

import threading
import time
from collections import deque
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection

from samizdat.accounts.models import Organization
from samizdat.audience import recipients_sql
from samizdat.audience.actions import new_list
from samizdat.audience.models import ConsentRecord, Subscription, Suppression, row_id
from samizdat.campaigns import release_log
from samizdat.campaigns.models import Campaign
from samizdat.core import consent
from samizdat.core.mail.ledger import JournalNews
from samizdat.db import number_list, on_sqlite
from samizdat.delivery import sql as delivery_sql
from samizdat.delivery.actions import retry_due
from samizdat.delivery.engine.batches import Claim
from samizdat.delivery.engine.claimer import MOST_BACKLOG, Claimer
from samizdat.delivery.engine.edition_loader import open_edition
from samizdat.delivery.engine.results import SendResult, write
from samizdat.delivery.engine.sender import run_campaign
from samizdat.delivery.engine.sender_context import SenderContext
from samizdat.delivery.models import Chunk, Retry, Worker
from samizdat.events.models import Event
from tests.conftest import NOW, TODAY
from tests.delivery.conftest import FIRST_NUMBER, House
from tests.smtp_server import ScriptedServer


@pytest.fixture
def ada(house: House) -> int:
    """The row of one of two readers of a campaign that is on its way."""
    house.people(2)
    house.released()
    return row_id(house.organization.id, FIRST_NUMBER)


def fed(house: House) -> delivery_sql.ClaimedChunk:
    """What a sender hears of a slice of both."""
    edition = Campaign.objects.get().edition.pk
    worker = Worker.objects.create(boot=bytes(16), folder=bytes(16), journal="x", started=NOW)
    chunk = Chunk.objects.get()
    Chunk.objects.update(state=Chunk.CLAIMED, worker=worker)
    rows = [row_id(house.organization.id, FIRST_NUMBER + place) for place in (0, 1)]
    return delivery_sql.feed(
        chunk.pk, worker.pk, chunk.size, 0, edition, house.organization.id, house.list.id, False, -1, rows
    )


def test_both_get_it_where_nothing_has_changed(house: House, ada: int) -> None:
    found = fed(house)
    assert found.ours and found.goes_on and [row for row, *_ in found.people] == [ada, ada + 1]


@pytest.mark.parametrize(
    "since",
    [
        pytest.param({"status": 2}, id="left, whatever the verdict still says"),
        pytest.param({"status": 0}, id="not confirmed"),
        pytest.param({"mail_verdict": 12}, id="paused"),
        pytest.param({"mail_verdict": 8}, id="complained"),
    ],
)
def test_who_may_not_be_written_to_any_more_is_in_no_slice(house: House, ada: int, since: dict[str, int]) -> None:
    Subscription.objects.filter(subscriber=ada).update(**since)
    assert [row for row, *_ in fed(house).people] == [ada + 1]


def test_who_was_put_on_the_stop_list_is_in_no_slice(house: House, ada: int) -> None:
    blind = house.keys.blind(f"reader{FIRST_NUMBER}@mail{FIRST_NUMBER % 7}.example")
    Suppression.objects.create(organization=house.organization, email_index=blind, reason="complaint", day=TODAY)
    assert [row for row, *_ in fed(house).people] == [ada + 1]


def test_who_left_this_list_and_reads_another_is_in_no_slice(house: House, ada: int) -> None:
    other = new_list(house.organization, "Courts", now=NOW)
    Subscription.objects.filter(subscriber=ada).update(list=other)
    assert [row for row, *_ in fed(house).people] == [ada + 1]


# --- what a slice asks of somebody with a long history ---


def _left(house: House, ada: int, many: int, purpose: int = 0) -> None:
    """They left this list so often, then came back to another one, and at last to this."""
    other = new_list(house.organization, f"Courts {many}", now=NOW)
    no, yes = consent.KINDS.index("withdrawn"), consent.KINDS.index("confirmed")
    history = [(house.list, no, 9)] * many + [(other, yes, 5)] * many + [(house.list, yes, 1)]
    ConsentRecord.objects.all().delete()
    ConsentRecord.objects.bulk_create(
        ConsentRecord(
            organization=house.organization,
            subscriber_id=ada,
            list=list_,
            kind=kind,
            channel=1,
            purpose=purpose,
            day=TODAY - timedelta(days=days),
            digest=bytes(32),
        )
        for list_, kind, days in history
    )


def _declined_appeals(house: House, ada: int, many: int) -> None:
    Subscription.objects.update(fundraising_verdict=1)
    _left(house, ada, many, purpose=consent.PURPOSES.index(consent.APPEALS))


def _complained(house: House, ada: int, many: int) -> None:
    """Their suppression was lifted so often before it began as often, and once after it."""
    Event.objects.filter(about=ada).delete()
    kinds = ["subscriber.unsuppressed"] * many + ["subscriber.suppressed"] * many + ["subscriber.unsuppressed"]
    Event.objects.bulk_create(
        Event(organization=house.organization, kind=kind, about=ada, at=NOW, digest=bytes(32)) for kind in kinds
    )


@pytest.mark.parametrize("history", [_left, _declined_appeals, _complained])
def test_who_left_and_came_back_a_hundred_times_gets_it_and_keeps_no_slice_waiting(
    house: House, ada: int, history: Any
) -> None:
    costs = []
    for many in (100, 400):
        history(house, ada, many)
        people, cost = _steps(house, ada, appeal=history is _declined_appeals)
        assert people == [ada]
        costs.append(cost)
    assert costs[1] < 8 * costs[0], "four times the records, and not sixteen times the work"


def _steps(house: House, ada: int, appeal: bool) -> tuple[list[int], int]:
    """Who of a slice of one may be emailed, and how many steps (SQLite) or rows (PostgreSQL) that takes."""
    values, steps = [number_list([ada]), house.list.id, -1, -1, house.organization.id], 0

    def step() -> None:
        nonlocal steps
        steps += 1

    with connection.cursor() as cursor:
        if on_sqlite():
            connection.connection.set_progress_handler(step, 10)
            cursor.execute(recipients_sql.writable_in_one_row(appeal), values)
            people = [int(row) for row in cursor.fetchall()[0][0].split(",")]
            connection.connection.set_progress_handler(None, 0)
            return people, steps
        cursor.execute(recipients_sql.writable_rows(appeal), values)
        people = [row[0] for row in cursor.fetchall()]
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {recipients_sql.writable_rows(appeal)}", values)
        return people, _rows(cursor.fetchall()[0][0][0]["Plan"])


def _rows(plan: dict[str, Any]) -> int:
    """That a plan went through, with those that it left out."""
    looked_at = plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)
    return int(looked_at * plan["Actual Loops"]) + sum(map(_rows, plan.get("Plans", [])))


def _pause() -> None:
    Campaign.objects.update(state="paused")


def _cancel() -> None:
    Campaign.objects.update(state="cancelled")


def _fence() -> None:
    Organization.objects.update(sending_locked=True)


@pytest.mark.parametrize("stop", [_pause, _cancel, _fence])
def test_what_was_stopped_between_its_claim_and_its_first_slice_does_not_leave(
    house: House, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, stop: Any
) -> None:
    house.people(20)
    house.route(server)
    campaign = house.released()
    genuine = delivery_sql.feed

    def meanwhile(*arguments: Any) -> delivery_sql.ClaimedChunk:
        stop()
        return genuine(*arguments)

    monkeypatch.setattr(delivery_sql, "feed", meanwhile)
    assert run_campaign(campaign.pk, 120)["accepted"] == 0
    assert not server.messages


# --- what is claimed, and what of it is owed ---


def claimed(house: House) -> tuple[Campaign, Worker, Chunk]:
    """A campaign to three whose only chunk a sender has."""
    house.people(3)
    campaign = house.released()
    worker = Worker.objects.create(boot=bytes(16), folder=bytes(16), journal="x", started=NOW)
    delivery_sql.claim_chunks(campaign.edition.pk, worker.pk, NOW)
    return campaign, worker, Chunk.objects.get()


def test_of_a_chunk_that_is_given_back_only_those_without_an_answer_are_sent(
    house: House, server: ScriptedServer
) -> None:
    campaign, worker, chunk = claimed(house)
    write([SendResult(campaign.edition.pk, chunk.pk, FIRST_NUMBER, JournalNews.ACCEPTED)], NOW)
    delivery_sql.close_chunks([chunk.pk], worker.pk)
    house.route(server)
    assert run_campaign(campaign.pk, 120)["accepted"] == 3
    assert sorted(house.number(address) for address in server.counts()) == [FIRST_NUMBER + 1, FIRST_NUMBER + 2]


def test_a_chunk_of_retries_that_is_given_back_is_taken_again(house: House) -> None:
    campaign, worker, chunk = claimed(house)
    edition, numbers = campaign.edition.pk, [FIRST_NUMBER + place for place in range(3)]
    write([SendResult(edition, chunk.pk, number, JournalNews.DEFERRED) for number in numbers], NOW)
    later = NOW + timedelta(minutes=6)
    assert retry_due(later) == 3
    ((again, *_),) = delivery_sql.claim_chunks(edition, worker.pk, later)
    write([SendResult(edition, again, numbers[0], JournalNews.ACCEPTED, retry=True)], later)
    delivery_sql.close_chunks([again], worker.pk)
    assert Chunk.objects.get(pk=again).state == Chunk.READY
    assert delivery_sql.unanswered(edition, again, True, numbers) == numbers[1:]


def test_each_try_leaves_the_day_of_the_first_as_it_was(house: House) -> None:
    """Four days after it they are given up, however often they were tried."""
    campaign, _worker, chunk = claimed(house)
    edition = campaign.edition.pk
    write([SendResult(edition, chunk.pk, FIRST_NUMBER, JournalNews.DEFERRED)], NOW)
    for days in (1, 2):
        assert retry_due(NOW + timedelta(days=days)) == 1
        again = Chunk.objects.filter(retry=True).latest("pk").pk
        write([SendResult(edition, again, FIRST_NUMBER, JournalNews.DEFERRED, retry=True)], NOW + timedelta(days=days))
    assert (Retry.objects.get().first, Retry.objects.get().tries) == (NOW, 3)


on_postgresql = pytest.mark.skipif(connection.vendor != "postgresql", reason="one machine sends on SQLite")


@on_postgresql
@pytest.mark.parametrize("taken", [{"worker": None, "state": Chunk.READY}, {"size": 2}, {"worker": 2}])
def test_what_others_have_taken_from_us_is_not_fed(house: House, taken: dict[str, Any]) -> None:
    campaign, worker, chunk = claimed(house)
    other = Worker.objects.create(boot=bytes(16), folder=bytes(16), journal="y", started=NOW)
    Chunk.objects.update(**{name: other if value == 2 and name == "worker" else value for name, value in taken.items()})
    where = campaign.edition.pk, house.organization.id, house.list.id, False, -1
    assert not delivery_sql.feed(chunk.pk, worker.pk, 3, 0, *where, [row_id(house.organization.id, FIRST_NUMBER)]).ours


def test_a_sender_that_was_taken_for_dead_sends_nothing_of_its_chunk(
    house: House, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.people(20)
    house.route(server)
    campaign = house.released()
    genuine = delivery_sql.feed
    monkeypatch.setattr(delivery_sql, "feed", lambda *what: replace(genuine(*what), ours=False))
    stop = threading.Event()
    monkeypatch.setattr(delivery_sql, "close_chunks", lambda *_: stop.set())  # What follows: it lets go of the chunk.
    run_campaign(campaign.pk, 120, stop)
    assert not server.messages


@pytest.mark.parametrize("why", ["full", "backlog"])
def test_with_a_full_disk_or_without_its_database_a_sender_feeds_nothing_more(why: str) -> None:
    full, backlog = why == "full", (MOST_BACKLOG + 1) * (why == "backlog")
    sender: Any = SimpleNamespace(
        closing=False, claimer=None, journal=SimpleNamespace(full=full), recorder=SimpleNamespace(backlog=backlog)
    )
    claimer = Claimer(sender, lambda: True, lambda _lane: None)
    asked: list[Any] = []
    claimer._next_slice = asked.append  # type: ignore[assignment]
    claimer._serve(SimpleNamespace(active=object(), organization=1))  # type: ignore[arg-type]
    assert not asked
    sender.journal.full, sender.recorder.backlog = False, 0
    claimer._serve(SimpleNamespace(active=object(), organization=1))  # type: ignore[arg-type]
    assert asked


def test_campaigns_that_are_opened_are_kept_as_long_as_they_are_not_too_large(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.people(1)
    claimer, lane = a_claimer(), a_lane(house)
    editions = [house.released().edition.pk for _ in range(4)]
    opened = [open_edition(edition) for edition in editions]
    monkeypatch.setattr("samizdat.delivery.engine.claimer.OPENED_BYTES", opened[0].size)
    first = claimer._open(editions[0])
    assert first is not None
    claimer._claims[house.organization.id] = [Claim(1, False, first, deque([FIRST_NUMBER]))]
    for edition in editions[1:]:
        claimer._open(edition)
    kept = {edition for edition, _variant in claimer._opened}
    assert kept == {editions[0], *editions[2:]}, "what is sent, one more that fits, and what was opened last"
    assert claimer._has_room(lane, editions[0])
    assert not claimer._has_room(lane, editions[1]), "it waits until what is being sent of others weighs less"


def test_who_waited_for_what_another_organization_needs_is_fed_after_another_look_at_what_readers_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Behind a long log the look before it was too old, and nobody at all was fed until that log was through."""
    claimer, steps = a_claimer(), list[Any]()

    def look() -> None:
        steps.append("look")
        claimer._looked = time.monotonic()

    monkeypatch.setattr(claimer, "_look_at_intake", look)
    monkeypatch.setattr(claimer, "_serve", steps.append)
    claimer._wanting = {1: "lantern", 2: "bell"}  # type: ignore[dict-item]
    claimer._looked = time.monotonic() - 1.5
    claimer._feed()
    assert steps == ["look", "lantern", "bell"]


def a_claimer() -> Claimer:
    return Claimer(SenderContext(threading.Event(), lambda: NOW, lambda _edition: True), bool, lambda _lane: None)


def a_lane(house: House) -> Any:
    return SimpleNamespace(organization=house.organization.id, wants=lambda _domain: True)


def test_a_sender_asks_how_any_number_of_campaigns_stands(house: House) -> None:
    house.people(1)
    campaign = house.released()
    others = range(10**9, 10**9 + 260_000)  # The databases take 65,535 and 250,000 values in a query.
    assert [*release_log.newest([*others, campaign.pk])] == [campaign.pk]
