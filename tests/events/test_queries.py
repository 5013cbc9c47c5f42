"""Named reads of the log."""

import os
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from samizdat.events.actions import record
from samizdat.events.queries import last_about
from tests.conftest import NOW

pytestmark = pytest.mark.django_db


@pytest.mark.skipif(bool(os.environ.get("DATABASE_URL")), reason="PostgreSQL reads a table of one page whole")
def test_to_find_the_last_event_about_a_row_nobody_walks_through_the_log(lantern: Any) -> None:
    record("list.complaints_stopped", lantern, now=NOW, about=7)
    resumed = record("list.complaints_resumed", lantern, now=NOW, about=7)
    with CaptureQueriesContext(connection) as asked:
        assert last_about(lantern, ("list.complaints_stopped", "list.complaints_resumed"), 7) == resumed
    with connection.cursor() as cursor:
        for query in [row["sql"] for row in asked if "events_event" in row["sql"]]:
            cursor.execute(f"EXPLAIN QUERY PLAN {query}")
            plan = " ".join(str(row[3]) for row in cursor.fetchall())
            assert "event_about (about=?" in plan or "rowid=?" in plan, plan
