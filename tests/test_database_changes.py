"""Who asks for news is told of every write, by themselves or by others, and now and then without one."""

import threading
from typing import Any

import pytest
from django.db import connection, connections

from samizdat import database_changes
from samizdat.delivery.models import SchedulerStep
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


def test_who_asks_for_news_hears_of_each_write_and_of_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(database_changes.time, "monotonic", lambda: now[0])
    watch, of_others = database_changes.DatabaseChanges(), database_changes.DatabaseChanges(own=False)
    assert watch.has_news() and of_others.has_news(), "nobody knows yet"
    quiet = connection.vendor != "sqlite"  # PostgreSQL can't say that nothing happened.
    assert watch.has_news() is quiet

    _elsewhere(lambda: SchedulerStep.objects.create(name="elsewhere", done=NOW))
    assert watch.has_news() and of_others.has_news(), "somebody else wrote"
    assert watch.has_news() is quiet

    SchedulerStep.objects.create(name="here", done=NOW)
    assert watch.has_news(), "what one step of a round wrote may be for a step before it"
    assert of_others.has_news() is quiet
    assert watch.has_news() is quiet

    now[0] += database_changes.LONGEST
    assert watch.has_news(), "something may have come due"


def test_a_database_that_cannot_be_asked_is_news(monkeypatch: pytest.MonkeyPatch) -> None:
    watch = database_changes.DatabaseChanges()
    watch.has_news()
    monkeypatch.setattr(database_changes, "_state", lambda _connection, _own: None)
    assert watch.has_news() and watch.has_news(), "whoever works with it finds out and says so"
