"""SQLite keeps a day as a number, a blob or in digits of another script: whoever writes the file wins nothing by it."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from django.apps import apps
from django.db import connection

from samizdat import dbclock
from samizdat.accounts import database_catalog
from samizdat.audience import actions, consent_records, consistency, sql
from samizdat.audience.models import ConsentRecord, Subscription
from samizdat.db import on_sqlite
from samizdat.delivery.engine.sender import run_campaign
from samizdat.events import chain, queries
from samizdat.events.models import Event
from samizdat.health import installation
from samizdat.worker.schedule import index_check
from tests.delivery.conftest import House
from tests.smtp_server import ScriptedServer

pytestmark = pytest.mark.skipif(not on_sqlite(), reason="PostgreSQL holds nothing but days in a column of days")

NOW = datetime.now(UTC)
JOINED = NOW - timedelta(days=100)
CONTENTS = {"audience_consentrecord": consistency.changed_records}

# The same day in other words, to whoever isn't strict.
DAYS = {
    "number": "CAST(replace(day, '-', '') AS INTEGER)",
    "blob": "CAST(day AS BLOB)",
    "digits": "replace(replace(day, '1', '１'), '2', '２')",
    "week": "strftime('%G-W%V-%u', day)",
    "behind": "day || char(0)",
    "now": "'now'",
    "spaced": "day || ' '",
}
TIMES = {
    "number": "CAST(replace(substr(at, 1, 10), '-', '') AS INTEGER)",
    "blob": "CAST(at AS BLOB)",
    "digits": "replace(replace(at, '1', '１'), '2', '２')",
    "zone": "datetime(at, '+23 hours') || '+23:00'",
    "letter": "replace(at, ' ', 'T')",
    "zeros": "substr(at, 1, 19) || '.000000'",
    "behind": "at || char(0)",
    "now": "'now'",
}


def execute(query: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(query)


@contextmanager
def loose() -> Iterator[None]:
    """As whoever has the file writes it: tables that take values of every type."""
    change = "UPDATE sqlite_master SET sql = {} WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA writable_schema = ON")
        cursor.execute(change.format("substr(sql, 1, length(sql) - 7)"))
        cursor.execute("PRAGMA writable_schema = RESET")
        try:
            yield
        finally:
            cursor.execute("PRAGMA writable_schema = ON")
            cursor.execute(change.format("sql || ' STRICT'"))
            cursor.execute("PRAGMA writable_schema = RESET")


@pytest.fixture(autouse=True)
def first_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_check, "_look", None)


def test_every_column_of_our_tables_refuses_what_is_not_of_its_type(db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT name, strict FROM pragma_table_list WHERE schema = 'main' AND type = 'table'")
        strict = dict(cursor.fetchall())
    ours = [model._meta.db_table for model in apps.get_models(include_auto_created=True)]
    assert [table for table in ours if not strict.get(table, 1)] == []
    assert sum(table in strict for table in ours) > 80
    assert connection.schema_editor().table_sql(Event)[0].endswith(" STRICT")


@pytest.mark.parametrize("form", DAYS)
@pytest.mark.parametrize("whose", ["no", "yes"])
def test_who_left_gets_nothing_however_the_day_of_a_record_is_written(
    house: House, server: ScriptedServer, whose: str, form: str
) -> None:
    house.route(server)
    _boris, ada = (
        actions.add_subscriber(house.organization, address, house.list, consent="By form.", now=JOINED)
        for address in ("boris@post.example", "ada@old.example")
    )
    actions.unsubscribe(ada, house.list, now=JOINED + timedelta(days=5))
    chain.append()
    kind = 3 if whose == "no" else 1
    change = f"UPDATE audience_consentrecord SET day = {DAYS[form]} WHERE subscriber_id = {ada.pk} AND kind = {kind}"
    with loose():
        execute(change)
    ours = consent_records.genuine(sql.digested_consent_of([ada.pk]))
    assert kind not in {record[2] for _id, record in ours}
    Subscription.objects.filter(subscriber=ada).update(status=1, mail_verdict=1)
    assert run_campaign(house.released().pk, 120)["ended"] == "finished"
    assert set(server.counts()) == {"boris@post.example"}
    chain.append()
    assert chain.verify(house.organization, CONTENTS).reason == "digest"
    assert consistency.check_projections(house.organization, NOW).wrong == [ada.number]


@pytest.mark.parametrize("form", TIMES)
def test_an_event_whose_time_is_written_otherwise_is_none_of_ours(house: House, form: str) -> None:
    event = Event.objects.filter(organization=house.organization).latest("pk")
    chain.append()
    assert queries.last(house.organization, event.kind) == event
    change = f"UPDATE events_event SET at = {TIMES[form]} WHERE id = {event.pk}"
    with loose():
        execute(change)
    assert queries.last(house.organization, event.kind) != event
    assert chain.verify(house.organization).reason == "digest"


@pytest.mark.parametrize("form", DAYS)
def test_values_that_somebody_wrote_otherwise_are_reported_and_mended_by_nobody(house: House, form: str) -> None:
    actions.add_subscriber(house.organization, "ada@old.example", house.list, consent="By form.", now=JOINED)
    assert not list(installation.indexes())
    with loose():
        execute(f"UPDATE audience_consentrecord SET day = {DAYS[form]}")
    [sign] = installation.indexes()
    assert sign.state == "red" and "A value in audience_consentrecord isn't written as" in sign.sentence
    index_check.look(dbclock.now())
    assert index_check._look is not None
    index_check._look.join()
    index_check.look(dbclock.now())
    assert Event.objects.filter(kind=database_catalog.ALTERED).exists()
    assert len(list(installation.indexes())) == 1
    assert [record.day.year for record in ConsentRecord.objects.all()] == [1000]


def test_a_number_that_a_condition_of_its_table_refuses_is_reported(house: House) -> None:
    actions.add_subscriber(house.organization, "ada@old.example", house.list, consent="By form.", now=JOINED)
    execute("PRAGMA ignore_check_constraints = ON")
    execute("UPDATE audience_consentrecord SET channel = -1")
    execute("PRAGMA ignore_check_constraints = OFF")
    [sign] = installation.indexes()
    assert "A value in audience_consentrecord isn't written as" in sign.sentence
