"""A disk that fills up under an import: one sentence, whole slices alone, and with room the same command goes on."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bad_input.saying import EXPORT, LETTER, count, draft, export, one_sentence, refuses, rows_of
from tests.cli.conftest import House, _database

PEOPLE = 60_000
LIST = "Letter"


class SmallDisk:
    """A data folder with little room: a tmpfs where we may mount one, else a limit on the size of files."""

    def __init__(self, folder: Path, megabytes: int) -> None:
        self.folder = folder
        folder.mkdir()
        options = f"size={megabytes}m,mode=700"
        self.mounted = (
            os.geteuid() == 0
            and subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", folder], check=False).returncode == 0
        )

    def grow(self) -> None:
        if self.mounted:
            subprocess.run(["mount", "-o", "remount,size=200m", self.folder], check=True)

    def away(self) -> None:
        if self.mounted:
            subprocess.run(["umount", "-l", self.folder], check=True)


@pytest.fixture(scope="module")
def cramped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[House, SmallDisk]]:
    for url in _database():
        folder = tmp_path_factory.mktemp("cramped")
        # On PostgreSQL the folder holds journals alone: the 2 MB that one reserves must not fit.
        disk = SmallDisk(folder / "data", 1 if url else 12)
        if not disk.mounted:
            pytest.skip("nothing can be mounted here, so there is no disk that could be full")
        made = House(folder, url)
        made.init()
        made.say("list", "new", LIST)
        try:
            yield made, disk
        finally:
            disk.away()


def fill(disk: SmallDisk) -> Path:
    """A file that takes what room is left."""
    ballast = disk.folder / "ballast"
    with ballast.open("wb") as file:
        try:
            while True:
                file.write(bytes(65536))
                file.flush()
        except OSError:
            pass
    return ballast


def test_nothing_is_sent_when_the_journal_finds_no_room(cramped: tuple[House, SmallDisk]) -> None:
    house, disk = cramped
    house.say("subscribers", "add", "ada@reader.example", "--list", LIST, "--consent", "on paper")
    (house.folder / "out").mkdir()
    house.say("route", "add", "paper", f"folder://{house.folder}/out")
    (house.folder / "letter.md").write_text(LETTER)
    number = draft(house, LIST)
    house.say("campaign", "send", number)
    ballast = fill(disk)
    stuck = house("campaign", "send", number, "--wait", "--wait-limit", "8", timeout=40)
    assert stuck.code == 1
    assert "disk is full" in stuck.err.strip().splitlines()[-1], stuck.err
    assert not list((house.folder / "out").iterdir())
    ballast.unlink()
    if house.environment["DATABASE_URL"]:
        disk.grow()
    assert house.say("campaign", "send", number, "--wait")["accepted"] == 1
    assert len(list((house.folder / "out").iterdir())) == 1


def test_an_import_on_a_full_disk_keeps_whole_slices_and_goes_on(cramped: tuple[House, SmallDisk]) -> None:
    house, disk = cramped
    if house.environment["DATABASE_URL"]:
        pytest.skip("the rows are on the server's disk")
    (house.folder / EXPORT).write_text(export(PEOPLE))
    one_sentence(house("import", EXPORT, "--list", LIST), "disk is full", "Make room")
    brought = count(house, LIST)
    assert brought < PEOPLE
    # Whole slices: nobody without a subscription, a consent record or a place in the totals.
    assert rows_of(house, "audience_subscriber") == rows_of(house, "audience_subscription") == brought
    assert refuses(house, "import", EXPORT, "--list", LIST)["error"] == "disk_full"
    assert count(house, LIST) == brought
    disk.grow()
    said = house.say("import", EXPORT, "--list", LIST)
    assert (said["rows"], said["added"]) == (PEOPLE, PEOPLE)
    assert count(house, LIST) == PEOPLE + 1
    assert house.say("import", EXPORT, "--list", LIST)["unchanged"] == PEOPLE
