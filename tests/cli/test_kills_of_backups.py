"""Killed at its worst moments, a backup, tail, restore, rotation or lock is as before or done, and goes on."""

from collections.abc import Iterator

import pytest

from tests.cli.conftest import House, _database
from tests.cli.kills import Kills

pytestmark = pytest.mark.kill


@pytest.fixture(scope="module")
def kills(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kills]:
    for url in _database():
        house = House(tmp_path_factory.mktemp("killed"), url)
        house.init()
        yield Kills(house)


@pytest.mark.parametrize(
    ("step", "calls"),
    [
        ("before a file is published", 2),
        ("after a file was published", 3),
        ("in the middle of reading", 5),
        ("before the manifest", 1),
        ("after the manifest", 1),
    ],
)
def test_a_killed_backup_is_none_and_the_next_one_is_whole(kills: Kills, step: str, calls: int) -> None:
    kills.backup(step, calls)
    assert kills.tally[f"backup: {step}"]


@pytest.mark.parametrize("step", ["before a file of it", "before it is published", "after a file of it"])
def test_a_tail_whose_writer_was_killed_is_continued(kills: Kills, step: str) -> None:
    kills.tail(step)
    assert kills.tally[f"tail: {step}"]


@pytest.mark.parametrize(
    "step",
    [
        "before it is noted that there are tables",
        "in the middle of tables",
        "after there are tables",
        "in the middle of rows",
        "before rows are committed",
        "after all rows",
        "before it is in the log",
        "before the folder is moved",
        "after the folder was moved",
    ],
)
def test_a_killed_restore_that_is_started_again_ends_whole(kills: Kills, step: str) -> None:
    kills.restore(step, 5 if step == "in the middle of tables" else 1)
    assert kills.tally[f"restore: {step}"]


@pytest.mark.parametrize(
    ("step", "calls"),
    [("while it is written", 1), ("after there is another key", 1), ("before a batch", 3), ("after a batch", 2)],
)
def test_a_killed_rotation_goes_on_and_everything_opens_meanwhile(kills: Kills, step: str, calls: int) -> None:
    kills.rotate(step, calls)
    assert kills.tally[f"rotate: {step}"]


@pytest.mark.parametrize(
    "step", ["before the new one finds", "before a part of the subscribers", "before former ones go"]
)
def test_while_an_index_key_is_exchanged_and_killed_everybody_is_found(kills: Kills, step: str) -> None:
    kills.rotate_index(step)
    assert kills.tally[f"index: {step}"]


@pytest.mark.parametrize("step", ["after the row", "while sessions end", "after it was locked"])
def test_a_killed_lock_is_a_lock_or_none(kills: Kills, step: str) -> None:
    kills.lock(step)
    assert kills.tally[f"lock: {step}"]


def test_everybody_gets_the_campaign_that_waited_all_the_while(kills: Kills) -> None:
    kills.everybody_gets_it()
