"""The activity log over the API, as the app shows it: no address, and of a subscriber the day alone."""

from typing import Any

import pytest

from samizdat.audience import actions as audience
from samizdat.audience.models import Subscriber
from samizdat.events.models import Event
from tests.api.conftest import Program
from tests.conftest import NOW

pytestmark = pytest.mark.django_db


@pytest.fixture
def reader(program: Program, clara: Any) -> Program:
    ada = audience.add_subscriber(
        program.organization, "ada@reader.example", program.lists["Letter"], consent="Yes.", now=NOW
    )
    audience.unsubscribe_from(ada, [program.lists["Letter"]], now=NOW, way="form", by=None)
    audience.new_list(program.organization, "Third", now=NOW, by=clara)
    return program.bound(scopes=("log:read",))


def test_the_log_is_read_by_pages(reader: Program) -> None:
    whole = reader.ask("GET", "/log?count=200")[1]["items"]
    read: list[Any] = []
    cursor = ""
    while True:
        page = reader.ask("GET", f"/log?count=2{cursor}")[1]
        read += page["items"]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    assert read == whole
    assert [each["id"] for each in whole] == [*Event.objects.order_by("-pk").values_list("pk", flat=True)]
    assert "ada@" not in str(whole)


def test_of_what_a_subscriber_did_the_day_alone_is_shown(reader: Program) -> None:
    left = reader.ask("GET", "/log?kind=subscriber.left")[1]["items"]
    assert [(each["day"], each["at"], each["by"]) for each in left] == [(NOW.date().isoformat(), None, None)]
    number = Subscriber.objects.get().number
    assert [each["about"] for each in left] == [number]


def test_who_of_the_team_did_it_is_named(reader: Program) -> None:
    newest = reader.ask("GET", "/log?kind=list.created")[1]["items"][0]
    assert newest["by"] and newest["at"] and newest["genuine"]


def test_an_entry_that_was_changed_in_the_database_says_so(reader: Program) -> None:
    Event.objects.filter(kind="list.created").update(about=4711)
    changed = reader.ask("GET", "/log?kind=list.created")[1]["items"]
    assert {(each["genuine"], each["about"], each["by"]) for each in changed} == {(False, None, None)}


def test_a_key_of_one_list_reads_no_log(reader: Program) -> None:
    bound = reader.bound(reader.lists["Letter"], scopes=("log:read",))
    assert bound.ask("GET", "/log")[1]["code"] == "key_bound"
