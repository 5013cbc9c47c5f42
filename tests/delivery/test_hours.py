"""A machine whose clock is a day off sends at the right time: between machines the database's clock counts."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from samizdat import dbclock
from samizdat.campaigns.models import Campaign
from samizdat.delivery.models import Delivery, MinuteTotal, Retry, Worker
from tests.delivery.conftest import House, until
from tests.smtp_server import ScriptedServer

pytestmark = pytest.mark.skipif(connection.vendor != "postgresql", reason="one machine, one clock on SQLite")

DAY = timedelta(days=1)


def true_time() -> datetime:
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        found: datetime = cursor.fetchone()[0]
        return found


@pytest.fixture(params=[DAY, -DAY], ids=["a day ahead", "a day behind"])
def wrong(request: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[timedelta]:
    class Wrong(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime.now(tz) + request.param

    monkeypatch.setattr(dbclock, "datetime", Wrong)
    dbclock.forget()
    yield request.param
    dbclock.forget()


def near(moment: datetime, other: datetime) -> bool:
    return abs(moment - other) < timedelta(minutes=2)


def test_schedules_retries_and_books_go_by_the_time_of_the_house(
    house: House, server: ScriptedServer, running: Any, wrong: timedelta
) -> None:
    addresses = house.people(5)
    house.route(server)
    server.on("rcpt", "450 4.2.0 later", recipient=addresses[0])
    now = house.released()
    later = house.released(at=true_time() + timedelta(hours=1))
    with running():
        until(lambda: Campaign.objects.get(pk=now.pk).accepted == 4 and Retry.objects.exists())
        assert near(Retry.objects.get().due, true_time() + timedelta(minutes=5))
        assert near(MinuteTotal.objects.latest("minute").minute, true_time())
        assert {row.day for row in Delivery.objects.all()} == {true_time().astimezone(UTC).date()}
        worker = Worker.objects.get(ended=None)
        assert near(worker.started, true_time()) and worker.beat is not None and near(worker.beat, true_time())
    # Not a day early, and not paused for being late.
    assert Campaign.objects.get(pk=later.pk).state == "scheduled"
    assert abs(dbclock.ahead() - wrong.total_seconds()) < 60
    assert len(server.messages) == 4
