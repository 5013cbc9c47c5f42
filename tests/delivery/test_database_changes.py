"""Who asks for news is told of every write, by themselves or by others, and now and then without one."""

import threading
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError, connection, connections, transaction
from django.db.models import Model

from samizdat import dbclock, mail_spool
from samizdat.delivery import database_changes, sql
from samizdat.delivery.models import Clock, SchedulerStep, Worker
from tests.conftest import NOW

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "publicdb"])


def _elsewhere(work: Any) -> None:
    """In a thread with connections of its own."""

    def run() -> None:
        try:
            work()
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()


def _rests(watch: database_changes.DatabaseChanges) -> bool:
    """On a server of PostgreSQL other tests may write as well."""
    return not watch.has_news() or connection.vendor != "sqlite"


def test_who_asks_for_news_hears_of_each_write_and_of_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(database_changes.time, "monotonic", lambda: now[0])
    watch, of_others = database_changes.DatabaseChanges(), database_changes.DatabaseChanges(own=False)
    assert watch.has_news() and of_others.has_news(), "nobody knows yet"
    assert _rests(watch)

    _elsewhere(lambda: SchedulerStep.objects.create(name="elsewhere", done=NOW))
    assert watch.has_news() and of_others.has_news(), "somebody else wrote"
    assert _rests(watch)

    SchedulerStep.objects.create(name="here", done=NOW)
    assert watch.has_news(), "what one step of a round wrote may be for a step before it"
    assert _rests(of_others)
    assert _rests(watch)

    now[0] += database_changes.LONGEST
    assert watch.has_news(), "something may have come due"


def test_mail_that_was_taken_in_is_news(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mail_spool, "folder", lambda: tmp_path)
    watch = database_changes.DatabaseChanges()
    watch.has_news()
    assert _rests(watch)

    mail_spool.MailSpool(tmp_path).put(b"a" * 16, b"box")
    assert watch.has_news()
    assert _rests(watch)


def test_a_database_that_cannot_be_asked_is_news(monkeypatch: pytest.MonkeyPatch) -> None:
    watch = database_changes.DatabaseChanges()
    watch.has_news()

    def away(*_asked: object) -> None:
        raise OperationalError

    for asks in ("_transactions", "_writes"):
        monkeypatch.setattr(database_changes, asks, away)
    assert watch.has_news() and watch.has_news(), "whoever works with it finds out and says so"


def test_work_that_always_writes_is_no_news_to_who_did_it() -> None:
    watch = database_changes.DatabaseChanges()
    watch.has_news()
    SchedulerStep.objects.create(name="here", done=NOW)
    watch.settle()
    assert _rests(watch)
    watch.forget()
    assert watch.has_news(), "it was for somebody else"


def test_it_is_told_whether_anything_was_written_or_only_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(database_changes.time, "monotonic", lambda: now[0])
    watch = database_changes.DatabaseChanges()
    assert watch.has_news() and watch.written, "nobody knows yet"
    now[0] += database_changes.LONGEST
    assert watch.has_news() and (not watch.written or connection.vendor != "sqlite")
    SchedulerStep.objects.create(name="here", done=NOW)
    assert watch.has_news() and watch.written


def test_threads_that_ask_postgresql_at_the_same_moment_share_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    now, numbers = [1000.0], iter(range(10, 99))
    monkeypatch.setattr(database_changes.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(database_changes, "_transactions", lambda: _seen(next(numbers)))
    answer = database_changes.LastAnswer()
    assert answer.get().next == answer.get().next == 10
    assert answer.get(fresh=True).next == 11, "whoever has just written"
    assert answer.get().next == 11
    now[0] += 1
    assert answer.get().next == 12


def test_nobody_waits_for_a_thread_whose_session_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, go_on = threading.Event(), threading.Event()

    def hangs() -> database_changes.Transactions:
        asked.set()
        go_on.wait(60)
        return _seen(10)

    answer = database_changes.LastAnswer()
    monkeypatch.setattr(database_changes, "_transactions", hangs)
    thread = threading.Thread(target=answer.get)
    thread.start()
    assert asked.wait(60)
    monkeypatch.setattr(database_changes, "_transactions", lambda: _seen(11))
    assert answer.get().next == 11
    go_on.set()
    thread.join()


def _seen(number: int, running: set[int] | None = None, beats: set[int] | None = None) -> database_changes.Transactions:
    return database_changes.Transactions(number, frozenset(running or ()), frozenset(beats or ()))


@pytest.mark.parametrize(
    ("before", "after", "news"),
    [
        (_seen(10), _seen(10), False),
        (_seen(10), _seen(12, beats={10, 11}), False),
        (_seen(10), _seen(12, beats={10}), True),
        (_seen(10), _seen(12, {10}, {11}), False),
        (_seen(12, {10}), _seen(12, {10}), False),
        (_seen(12, {10}), _seen(12), True),
        (_seen(12, {10}), _seen(13, beats={12}), True),
        (_seen(10), _seen(9), True),
        (_seen(10), _seen(11 + database_changes.MANY, beats={*range(10, 11 + database_changes.MANY)}), True),
        (_seen(2**32 + 5), _seen(2**32 + 6, beats={5}), False),
    ],
)
def test_each_transaction_that_ended_is_news_but_for_signs_of_life(
    before: database_changes.Transactions, after: database_changes.Transactions, news: bool
) -> None:
    assert database_changes._has_ended(before, after) is news


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite counts commits")
def test_postgresql_tells_signs_of_life_from_what_was_done() -> None:
    worker = Worker.objects.create(role="sender", host="h", boot=b"b", folder=b"f", journal="", started=NOW)
    _elsewhere(lambda: sql.beat(worker.pk))
    assert _written(worker) in database_changes._transactions().beats
    _elsewhere(lambda: Worker.objects.filter(pk=worker.pk).update(ended=NOW))
    assert _written(worker) not in database_changes._transactions().beats, "its work is anybody's now"


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite counts commits")
def test_notes_of_the_clock_are_no_news_and_a_clock_that_was_set_is() -> None:
    dbclock.sync()
    now = dbclock.now()
    step = SchedulerStep.objects.create(name="here", done=now)
    clock = Clock.objects.create(pk=1, boot=b"b", ticks=1.0, seen=now)
    assert {_written(step), _written(clock)} <= database_changes._transactions().beats
    Clock.objects.update(seen=now, jumped=now)
    assert _written(clock) not in database_changes._transactions().beats, "what is due was computed anew"


def _written(row: Model) -> int:
    """By which transaction it was."""
    table, key = row._meta.db_table, row._meta.pk
    assert key is not None
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT xmin::text::bigint FROM {table} WHERE {key.column} = %s", [row.pk])
        return int(cursor.fetchone()[0])


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite counts commits")
def test_what_is_written_before_a_look_and_done_after_it_is_news() -> None:
    written, looked = threading.Event(), threading.Event()

    def writes() -> None:
        with transaction.atomic():
            SchedulerStep.objects.create(name="slow", done=NOW)
            written.set()
            looked.wait(60)

    thread = threading.Thread(target=_elsewhere, args=(writes,))
    thread.start()
    assert written.wait(60)
    before = database_changes._transactions()
    looked.set()
    thread.join()
    assert database_changes._has_ended(before, database_changes._transactions())
