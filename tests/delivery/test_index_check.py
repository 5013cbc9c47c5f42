"""SQLite: an index that lacks one entry hides a no from whoever asks along it, while the log is whole."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from django.db import connection, connections

from samizdat import dbclock
from samizdat.accounts import database_catalog
from samizdat.audience import actions as audience
from samizdat.audience.consistency import DIFFER
from samizdat.audience.models import ConsentRecord, Subscription
from samizdat.db import on_sqlite
from samizdat.events.models import Event
from samizdat.health import installation
from samizdat.worker.schedule import consistency_check, index_check
from tests.delivery.conftest import House, run_until_still
from tests.smtp_server import ScriptedServer

pytestmark = pytest.mark.skipif(not on_sqlite(), reason="PostgreSQL lets nobody write its indexes")
INDEX = "consent_of_subscriber"


@pytest.fixture(autouse=True)
def first_look(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(index_check, "_look", None)
    yield
    consistency_check._going.clear()
    consistency_check._anew.clear()


def without_entry(path: str, record: int) -> None:
    """The record is in its table and in all indexes but this one: it was written while this one was not known."""
    master = "type, name, tbl_name, rootpage, sql"
    for query, values in _steps(path, record, master):
        with closing(sqlite3.connect(path)) as own, own:
            own.execute("PRAGMA writable_schema = ON")
            own.execute(query, values)
            (version,) = own.execute("PRAGMA schema_version").fetchone()
            own.execute(f"PRAGMA schema_version = {version + 1}")


def _steps(path: str, record: int, master: str) -> Iterator[tuple[str, Any]]:
    with closing(sqlite3.connect(path)) as own:
        row = own.execute("SELECT * FROM audience_consentrecord WHERE id = ?", [record]).fetchone()
        entry = own.execute(f"SELECT {master} FROM sqlite_master WHERE name = ?", [INDEX]).fetchone()
    yield "DELETE FROM audience_consentrecord WHERE id = ?", [record]
    yield "DELETE FROM sqlite_master WHERE name = ?", [INDEX]
    yield f"INSERT INTO audience_consentrecord VALUES ({', '.join('?' * len(row))})", row
    yield f"INSERT INTO sqlite_master ({master}) VALUES (?, ?, ?, ?, ?)", entry


def looked() -> None:
    """What two rounds of the clock do."""
    index_check.look(dbclock.now())
    if index_check._look is not None:
        index_check._look.join()
    index_check.look(dbclock.now())


def test_who_said_no_gets_nothing_though_an_index_lacks_it(house: House, server: ScriptedServer) -> None:
    lantern, now = house.organization, dbclock.now()
    _ada, eve = (
        audience.add_subscriber(lantern, f"{name}@post.example", house.list, consent="By form.", now=now)
        for name in ("ada", "eve")
    )
    house.route(server)
    audience.unsubscribe(eve, house.list, way="one-click", now=now)
    consistency_check.compare(now)
    record = ConsentRecord.objects.filter(subscriber=eve).latest("pk").pk
    path = str(connection.settings_dict["NAME"])
    connections.close_all()
    without_entry(path, record)
    Subscription.objects.filter(subscriber=eve).update(status=1, mail_verdict=1)
    assert ConsentRecord.objects.filter(subscriber=eve).count() == 1 and database_catalog.foreign() == []
    [sign] = installation.indexes()
    assert sign.state == "red" and "audience_consentrecord" in sign.sentence
    looked()
    assert ConsentRecord.objects.filter(subscriber=eve).count() == 2 and not list(installation.indexes())
    assert Event.objects.filter(kind=database_catalog.ALTERED).exists()
    consistency_check.compare(dbclock.now())
    assert Event.objects.filter(kind=DIFFER).exists(), "on the same day, though it was compared before"
    run_until_still(house.released().pk)
    assert dict(server.counts()) == {"ada@post.example": 1}


def test_whole_indexes_are_no_alarm_and_are_read_once_a_day(house: House) -> None:
    looked()
    first = index_check._look
    looked()
    assert index_check._look is first
    assert not Event.objects.filter(kind=database_catalog.ALTERED).exists()
