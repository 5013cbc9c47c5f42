"""Backups around a replacement of the instance key: each restores with the key file of its time."""

import shutil
from pathlib import Path

import pytest
from django.db import connection

from samizdat.core.backup import epoch
from tests.cli.conftest import House
from tests.cli.test_backup import Elsewhere, elsewhere  # noqa: F401

FENCING = (
    "from samizdat.dbclock import now; from samizdat.delivery.actions import copied_installation; copied_installation"
)


@pytest.fixture(scope="module")
def place(house: House) -> Path:
    """Where a backup from before and one from afterwards are. Beside the house lies a copy that somebody made of it."""
    place = house.folder / "backups"
    place.mkdir()
    house.say("list", "new", "Letter")
    house.django(f"{FENCING}.look(now())")  # It has run here once,
    house.say("backup", "place", "add", str(place))
    house.say("backup")
    house.django(f"{FENCING}.ask_places(now())")  # and each place knows it.
    shutil.copytree(house.data, house.folder / "cp")
    house.made["former"] = house.say("keys", "rotate", "instance", "--yes")["former"]
    shutil.copyfile(house.made["former"], house.folder / "cp.key")
    listed = house.say("backup", "place", "list")["places"]
    assert [row["of_former_key"] for row in listed] == [1]
    tested = house.say("backup", "test")["places"]
    assert [(row["passed"], row["opened"]) for row in tested] == [(True, False)]
    shutil.copytree(place, house.folder / "before")
    house.say("list", "new", "Later")
    house.say("backup")
    [row] = house.say("backup", "place", "list")["places"]
    assert row["last_full"] == row["last_backup"], "nothing continues those of before"
    shutil.copytree(house.folder / "before", place, dirs_exist_ok=True)  # Of one day the newest alone is kept.
    return place


def test_with_the_new_key_the_newest_is_restored_and_those_of_before_are_named(
    house: House,
    place: Path,
    elsewhere: Elsewhere,  # noqa: F811
) -> None:
    there = elsewhere("sqlite")
    answer = there.say("restore", str(place), "--key-file", str(house.key))
    assert (answer["of_former_key"], answer["passed_over"]) == (1, [])
    assert {row["name"] for row in there.say("list", "ls")["lists"]} == {"Letter", "Later"}
    assert "took over" not in there("release", "--dry-run").out
    assert there.say("release", "--yes")["released"]


def test_with_the_former_key_the_newest_of_before_is_restored_and_known_to_be_old(
    house: House,
    place: Path,
    elsewhere: Elsewhere,  # noqa: F811
) -> None:
    there = elsewhere("sqlite")
    answer = there.say("restore", str(place), "--key-file", house.made["former"])
    assert [each["code"] for each in answer["passed_over"]] == ["other_key"]
    assert [row["name"] for row in there.say("list", "ls")["lists"]] == ["Letter"]
    assert "took over" in there("release", "--dry-run").out, "the place says so, under the key that it has"


@pytest.mark.skipif(connection.vendor == "postgresql", reason="its rows are not in the folder")
def test_a_copy_of_the_folder_from_before_is_stopped(house: House, place: Path, tmp_path: Path) -> None:
    copy = House(tmp_path, "")
    shutil.copytree(house.folder / "cp", copy.data)
    shutil.copyfile(house.folder / "cp.key", copy.key)
    copy.key.chmod(0o600)
    assert "took over" in copy("release", "--dry-run").out
    assert len([*(place / epoch.FOLDER).iterdir()]) >= 3
