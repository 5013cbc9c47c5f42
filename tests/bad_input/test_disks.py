"""A disk that fills up under an import: one sentence, whole slices alone, and with room the same command goes on."""

import contextlib
import os
import subprocess
from collections.abc import Iterator

import pytest

from tests.bad_input.saying import EXPORT, LETTER, count, draft, export, one_sentence, refuses, rows_of
from tests.cli.conftest import House, _database

PEOPLE = 30_000
LIST = "Letter"


class SmallDisk:
    """A house with little room: its data folder is a tmpfs where we may mount one (root), else no file of its
    processes may grow beyond a limit (RLIMIT_FSIZE), which the system reports in other words."""

    def __init__(self, house: House, megabytes: int) -> None:
        self.house = house
        house.data.mkdir()
        options = f"size={megabytes}m,mode=700"
        mount = ["mount", "-t", "tmpfs", "-o", options, "none", house.data]
        self.mounted = os.geteuid() == 0 and subprocess.run(mount, check=False).returncode == 0
        self.says = "disk is full" if self.mounted else "ulimit -f"

    def fill(self) -> None:
        """No room for the 2 MB that a journal reserves; the database itself is smaller."""
        if not self.mounted:
            self.house.under = ("prlimit", "--fsize=1900000")
            return
        with (self.house.data / "ballast").open("wb") as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(65536))
                file.flush()

    def cramp(self) -> None:
        """As in the beginning: no room for an import."""
        if self.mounted:
            (self.house.data / "ballast").unlink()
        else:
            self.house.under = ("prlimit", "--fsize=5000000")

    def grow(self) -> None:
        self.house.under = ()
        if self.mounted:
            subprocess.run(["mount", "-o", "remount,size=200m", self.house.data], check=True)

    def away(self) -> None:
        if self.mounted:
            subprocess.run(["umount", "-l", self.house.data], check=True)


@pytest.fixture(scope="module")
def cramped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[House, SmallDisk]]:
    for url in _database():
        made = House(tmp_path_factory.mktemp("cramped"), url)
        # On PostgreSQL the folder holds journals alone.
        disk = SmallDisk(made, 1 if url else 12)
        try:
            made.init()
            made.say("list", "new", LIST)
            yield made, disk
        finally:
            disk.away()


def test_nothing_is_sent_when_the_journal_finds_no_room(cramped: tuple[House, SmallDisk]) -> None:
    house, disk = cramped
    house.say("subscribers", "add", "ada@reader.example", "--list", LIST, "--consent", "on paper")
    (house.folder / "out").mkdir()
    house.say("route", "add", "paper", f"folder://{house.folder}/out")
    (house.folder / "letter.md").write_text(LETTER)
    number = draft(house, LIST)
    house.say("campaign", "send", number)
    disk.fill()
    stuck = house("campaign", "send", number, "--wait", "--wait-limit", "60", timeout=120)
    assert stuck.code == 1
    assert disk.says in stuck.err.strip().splitlines()[-1], stuck.err
    assert not list((house.folder / "out").iterdir())
    disk.cramp()
    if house.environment["DATABASE_URL"]:
        disk.grow()
    assert house.say("campaign", "send", number, "--wait")["accepted"] == 1
    assert len(list((house.folder / "out").iterdir())) == 1


def test_an_import_on_a_full_disk_keeps_whole_slices_and_goes_on(cramped: tuple[House, SmallDisk]) -> None:
    house, disk = cramped
    if house.environment["DATABASE_URL"]:
        pytest.skip("the rows are on the server's disk")
    (house.folder / EXPORT).write_text(export(PEOPLE))
    one_sentence(house("import", EXPORT, "--list", LIST), disk.says)
    brought = count(house, LIST)
    assert brought < PEOPLE
    # Whole slices: nobody without a subscription, a consent record or a place in the totals.
    assert rows_of(house, "audience_subscriber") == rows_of(house, "audience_subscription") == brought
    refuses(house, "import", EXPORT, "--list", LIST, says=(disk.says,))
    assert count(house, LIST) == brought
    disk.grow()
    said = house.say("import", EXPORT, "--list", LIST)
    assert (said["rows"], said["added"]) == (PEOPLE, PEOPLE)
    assert count(house, LIST) == PEOPLE + 1
    assert house.say("import", EXPORT, "--list", LIST)["unchanged"] == PEOPLE
