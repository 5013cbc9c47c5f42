"""SQLite reads what a page shows by the numbers on it, however many subscribers there are."""

import pytest
from django.db import connection
from django.db.models import QuerySet

from samizdat.audience.models import Subscriber, Suppression
from samizdat.events.models import Event
from samizdat.sqlite import planner

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("rows", "way"),
    [
        (Subscriber.objects.filter(organization=1, id__in=range(50)), "USING INTEGER PRIMARY KEY"),
        (Subscriber.objects.filter(organization=1, email_index=b"a"), "(organization_id=? AND email_index=?)"),
        (Event.objects.filter(organization=1, kind__in=("route.paused", "route.resumed"), about=1), "event_about"),
        (Event.objects.filter(organization=1).order_by("-id"), "event_newest"),
        (Suppression.objects.filter(organization=1).order_by("-id"), "suppression_newest"),
    ],
)
def test_what_an_organization_asks_for_by_number_is_not_looked_for_in_all_of_its_rows(
    rows: QuerySet[Subscriber], way: str
) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("a plan of SQLite's")
    plan = rows.explain()
    assert way in plan and "TEMP B-TREE" not in plan.replace("TEMP B-TREE FOR ORDER BY", "", way == "event_about")


def test_statistics_are_of_each_index_that_begins_with_the_organization() -> None:
    if connection.vendor != "sqlite":
        pytest.skip("a plan of SQLite's")
    planner.describe()
    with connection.cursor() as cursor:
        cursor.execute("SELECT idx, stat FROM sqlite_stat1 WHERE tbl = 'audience_suppression' ORDER BY idx")
        assert cursor.fetchall() == [
            ("sqlite_autoindex_audience_suppression_1", "1000000 100000 1000 1"),
            ("suppression_newest", "1000000 100000 1"),
        ]
