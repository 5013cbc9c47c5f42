"""Lists that are archived, brought back and deleted, and whoever was on them."""

from datetime import timedelta
from typing import Any

import pytest

from samizdat.accounts.actions import add_person, give_role
from samizdat.audience import queries
from samizdat.audience.actions import (
    add_subscriber,
    archive_lists,
    bulk,
    confirm,
    direct,
    forms,
    give_form,
    new_list,
    sign_up,
    verdict,
)
from samizdat.audience.actions.lists import change_list
from samizdat.audience.errors import ListArchived, ListInUse
from samizdat.audience.filters import Filter
from samizdat.audience.imports.inspect import HeldUpload
from samizdat.audience.list_details import ListDetails
from samizdat.audience.models import BulkAction, ConsentRecord, List, Subscriber
from tests.audience.checks import assert_projections_hold
from tests.audience.conftest import later
from tests.conftest import NOW, PASSWORD, TODAY

pytestmark = pytest.mark.django_db


@pytest.fixture
def alerts(lantern: Any) -> Any:
    return new_list(lantern, "Alerts", now=NOW)


def add(lantern: Any, list_: Any, *names: str) -> list[Subscriber]:
    return [add_subscriber(lantern, f"{name}@post.example", list_, consent="yes", now=NOW) for name in names]


def delete(list_: Any, name: str = "The Thursday Letter", at: Any = NOW, by: Any = None) -> BulkAction | None:
    work = archive_lists.delete(list_, name, now=at, by=by)
    if work is not None:
        bulk.run(work.id, lambda: at)
        work.refresh_from_db()
    return work


def names(lantern: Any, **which: bool) -> list[str]:
    return sorted(view.name for view in queries.lists(lantern, **which))


def test_nobody_joins_an_archived_list_and_everybody_on_it_stays(lantern: Any, letter: Any, alerts: Any) -> None:
    (ada,) = add(lantern, letter, "ada")
    add(lantern, alerts, "boris")
    clara = sign_up(lantern, "clara@post.example", letter, wording="yes", now=NOW)
    give_form(letter, "thursday", now=NOW)
    archive_lists.archive(letter, now=NOW)
    assert names(lantern) == ["Alerts"] and names(lantern, archived=True) == ["Alerts", "The Thursday Letter"]
    move = bulk.BulkPlan(bulk.MOVE, Filter(list=alerts.id), list=alerts.id, to=letter.id, words="They asked.")
    upload = HeldUpload("people.csv", b"email\neva@post.example\n")
    for join in (
        lambda: add(lantern, letter, "eva"),
        lambda: sign_up(lantern, "eva@post.example", letter, wording="yes", now=NOW),
        lambda: bulk.begin(lantern, move, now=NOW),
        lambda: direct(lantern, letter, [upload], now=lambda: NOW, status="subscribed"),
        lambda: give_form(letter, "thursday", now=NOW),
    ):
        with pytest.raises(ListArchived, match="is archived"):
            join()
    confirm(clara, letter, now=later(1))
    assert queries.count(lantern, letter, "subscribed") == 1 and verdict(ada, letter, NOW)
    assert queries.details_of(letter).page_slug == "" and queries.list_named(lantern, "the thursday letter") == letter
    # Nor does whoever changes its texts from a page that was open before open it.
    change_list(letter, ListDetails(purpose="yes"), now=NOW)
    assert queries.details_of(letter).archived
    archive_lists.bring_back(letter, now=later(1))
    add(lantern, letter, "eva")
    assert queries.details_of(letter).page_slug == "thursday" and queries.count(lantern, letter, "subscribed") == 2
    assert_projections_hold(lantern, later(1))


def test_a_form_offers_no_archived_list(lantern: Any, letter: Any, alerts: Any) -> None:
    facts = forms.FormFacts("Ours", "en", (letter.id, alerts.id), "I want these letters.")
    form = forms.make_form(lantern, facts, now=NOW)
    archive_lists.archive(letter, now=NOW)
    assert [*forms.view_of(form).lists] == [alerts.id]
    with pytest.raises(ListInUse, match="These sign-up forms offer this list: Ours"):
        delete(letter)
    archive_lists.bring_back(letter, now=NOW)
    assert [*forms.view_of(form).lists] == [letter.id, alerts.id]


def test_a_deleted_list_takes_everybody_off_and_keeps_what_the_law_needs(
    lantern: Any, letter: Any, alerts: Any
) -> None:
    ada, boris = add(lantern, letter, "ada", "boris")
    add(lantern, alerts, "boris")
    records = ConsentRecord.objects.count()
    with pytest.raises(ListInUse, match="Only archived lists can be deleted"):
        delete(letter)
    archive_lists.archive(letter, now=NOW)
    with pytest.raises(ListInUse, match="isn’t the name"):
        delete(letter, "Thursday")
    people = archive_lists.people_of(letter)
    assert (people.on, people.alone) == (2, 1)
    work = delete(letter, " the thursday letter ")
    assert work is not None and (work.state, work.changed) == ("finished", 2)
    assert names(lantern, archived=True) == ["Alerts"]
    assert ConsentRecord.objects.count() == records + 2, "that they were taken off is on record as well"
    assert verdict(ada, letter, NOW).reason == "left" and verdict(boris, alerts, NOW)
    told = [entry for entry in queries.card(ada, NOW).timeline if entry.kind == "withdrawn"]
    assert [(entry.list_name, entry.reason) for entry in told] == [("The Thursday Letter", "list_deleted")]
    assert new_list(lantern, "The Thursday Letter", now=NOW).id != letter.id
    with pytest.raises(ListInUse, match="was deleted"):
        archive_lists.bring_back(letter, now=NOW)
    assert_projections_hold(lantern, NOW)


def test_a_deletion_is_undone_for_a_day_as_a_removal(lantern: Any, letter: Any) -> None:
    add(lantern, letter, "ada", "boris")
    archive_lists.archive(letter, now=NOW)
    work = delete(letter)
    assert work is not None
    fresh = new_list(lantern, "The Thursday Letter", now=NOW)
    bulk.undo(work, now=NOW + timedelta(hours=1))
    bulk.run(work.id, lambda: NOW + timedelta(hours=1))
    assert names(lantern) == ["The Thursday Letter"] and queries.count(lantern, fresh) == 0
    assert names(lantern, archived=True) == ["The Thursday Letter", f"The Thursday Letter ({TODAY})"]
    assert queries.count(lantern, letter, "subscribed") == 2
    assert_projections_hold(lantern, NOW)


def test_an_empty_list_is_deleted_at_once(lantern: Any, letter: Any) -> None:
    archive_lists.archive(letter, now=NOW)
    assert delete(letter) is None and names(lantern, archived=True) == []
    assert List.objects.filter(id=letter.id).exists()


def test_one_session_takes_no_more_off_by_deleting_a_list_than_otherwise(lantern: Any, letter: Any) -> None:
    vera = add_person("vera@post.example", password=PASSWORD, today=TODAY)
    give_role(vera, lantern, "admin", by=None, now=NOW)
    add(lantern, letter, *[f"r{n}" for n in range(21)])
    archive_lists.archive(letter, now=NOW, by=vera)
    work = delete(letter, by=vera)
    assert work is not None and work.state == "waiting"
    assert queries.count(lantern, letter, "subscribed") == 21 and not queries.details_of(letter).deleted
    with pytest.raises(ListInUse, match="is being deleted"):
        archive_lists.bring_back(letter, now=NOW, by=vera)
    bulk.stop(work, now=NOW, by=vera)
    archive_lists.bring_back(letter, now=NOW, by=vera)
    assert names(lantern) == ["The Thursday Letter"]
