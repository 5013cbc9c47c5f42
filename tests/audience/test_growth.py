"""Growth of a list: sums of each day, by the way, counted in the transaction of the change."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from samizdat.audience import queries
from samizdat.audience.actions import (
    add_subscriber,
    bulk,
    confirm,
    erase,
    new_list,
    sign_up,
    suppress,
    undo_unsubscribe,
    unsubscribe,
)
from samizdat.audience.filters import Filter
from tests.audience.conftest import later
from tests.conftest import NOW, TODAY

pytestmark = pytest.mark.django_db


def grown(lantern: Any, days: int = 3) -> dict[tuple[int, str], tuple[int, int, int]]:
    """(days from today, way) -> (joined, left, cleaned)."""
    rows = queries.growth(lantern, TODAY, TODAY + timedelta(days=days))
    return {((row.day - TODAY).days, row.way): (row.joined, row.left, row.cleaned) for row in rows}


def test_every_move_is_counted_once_on_its_day_by_its_way(lantern: Any, letter: Any) -> None:
    ada = add_subscriber(lantern, "ada@post.example", letter, consent="yes", now=NOW)
    add_subscriber(lantern, "ada@post.example", letter, consent="yes again", now=NOW)
    eve = sign_up(lantern, "eve@post.example", letter, wording="yes", now=NOW)
    assert grown(lantern) == {(0, "desk"): (1, 0, 0)}
    confirm(eve, letter, now=later(1))
    unsubscribe(ada, letter, now=later(1), way="one-click")
    undo_unsubscribe(ada, letter, now=later(2))
    suppress(lantern, "manual", subscriber=ada, now=later(2))
    erase(lantern, subscriber=eve, now=later(2))
    assert grown(lantern) == {
        (0, "desk"): (1, 0, 0),
        (1, "form"): (1, 0, 0),
        (1, "one-click"): (0, 1, 0),
        (2, "one-click"): (1, 0, 0),
        (2, "desk"): (0, 1, 0),
    }


def test_an_import_counts_whom_it_really_brought_or_took(
    lantern: Any, letter: Any, export: Callable[..., Path], bring: Callable[..., Any]
) -> None:
    bring(export("subscribed", "ada@post.example,Ada", "boris@post.example,Boris"))
    bring(export("subscribed", "ada@post.example,Ada", name="again"))
    assert grown(lantern) == {(0, "import"): (2, 0, 0)}
    bring(export("cleaned", "ada@post.example,Ada"), export("unsubscribed", "boris@post.example,Boris"), at=later(1))
    assert grown(lantern)[1, "import"] == (0, 1, 1)


def test_bulk_work_counts_too(lantern: Any, letter: Any) -> None:
    add_subscriber(lantern, "ada@post.example", letter, consent="yes", now=NOW)
    work = bulk.begin(lantern, bulk.BulkPlan(bulk.REMOVE, Filter(), list=letter.id), now=later(1))
    bulk.run(work.id, lambda: later(1))
    assert grown(lantern)[1, "desk"] == (0, 1, 0)
    bulk.undo(bulk.BulkAction.objects.get(id=work.id), now=later(1))
    bulk.run(work.id, lambda: later(1))
    assert grown(lantern)[1, "undone"] == (1, 0, 0) and grown(lantern)[1, "desk"] == (0, 1, 0)


def test_a_move_between_lists_and_its_undoing_are_a_way_of_their_own(lantern: Any, letter: Any) -> None:
    other = new_list(lantern, "Court Diary", now=NOW)
    for name in ("ada", "boris"):
        add_subscriber(lantern, f"{name}@post.example", letter, consent="yes", now=NOW)
    add_subscriber(lantern, "boris@post.example", other, consent="yes", now=NOW)
    plan = bulk.BulkPlan(bulk.MOVE, Filter(), list=letter.id, to=other.id, words="Asked for it.")
    work = bulk.begin(lantern, plan, now=later(1))
    bulk.run(work.id, lambda: later(1))
    assert grown(lantern) == {(0, "desk"): (3, 0, 0), (1, "moved"): (1, 2, 0)}
    bulk.undo(bulk.BulkAction.objects.get(id=work.id), now=later(1))
    bulk.run(work.id, lambda: later(1))
    assert grown(lantern) == {(0, "desk"): (3, 0, 0), (1, "moved"): (3, 3, 0)}
