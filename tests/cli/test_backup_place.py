"""backup place: where backups are kept, and what opens it."""

from pathlib import Path

import click
import pyrage
import pytest

from samizdat import plugins
from samizdat.cli import backup_place
from tests.cli.conftest import House

KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjE\n-----END OPENSSH PRIVATE KEY-----\n"


@pytest.mark.parametrize(("text", "secret"), [("a lamp\nand a note\n", "a lamp"), (KEY, KEY)])
def test_a_password_is_the_first_line_and_a_private_key_is_all_of_its_file(
    text: str, secret: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[tuple[str, str]] = []
    monkeypatch.setattr(plugins, "open_place", lambda url, given: opened.append((url, given)))
    (tmp_path / "password").write_text(text)
    (tmp_path / "password").chmod(0o600)
    backup_place.opened("sftp://ada@b.example/backups", str(tmp_path / "password"))
    assert opened == [("sftp://ada@b.example/backups", secret)]


@pytest.fixture
def house(house: House) -> House:
    """Without any place."""
    for kept in house.say("backup", "place", "list")["places"]:
        house.say("backup", "place", "remove", str(kept["id"]), "--yes")
    return house


def test_a_place_is_added_listed_backed_up_to_and_removed(house: House, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    offline = pyrage.x25519.Identity.generate()
    added = house.say(
        "backup", "place", "add", str(disk), "--recipient", str(offline.to_public()), "--bandwidth", "9MB/s"
    )
    assert (added["url"], added["bytes_per_second"]) == (disk.as_uri(), 9_000_000)
    assert [path for path in disk.rglob("*") if path.is_file()] == []
    again = house("backup", "place", "add", str(disk), "--json")
    assert again.json["error"] == "place_exists"
    (written,) = house.say("backup")["backups"]
    assert written["place"] == added["id"] and (disk / written["copy"]).exists()
    (listed,) = house.say("backup", "place", "list")["places"]
    assert listed["last_backup"] == listed["last_full"] == written["time"] and not listed["error"]
    house.say("backup", "place", "remove", str(added["id"]), "--yes")
    assert (disk / written["copy"]).exists()
    assert house("backup", "--json").json["error"] == "no_place"
    assert house("backup", "place", "remove", "7", "--yes", "--json").json["error"] == "no_such_place"


@pytest.mark.parametrize("folder", ["", "backups"])
def test_a_folder_inside_the_data_folder_is_no_place(house: House, folder: str) -> None:
    (house.data / folder).mkdir(exist_ok=True)
    refused = house("backup", "place", "add", str(house.data / folder), "--json")
    assert refused.json["error"] == "inside_data" and "another disk" in refused.json["sentence"]
    assert house.say("backup", "place", "list")["places"] == []


def test_how_long_backups_are_kept_is_said_when_a_place_is_added_and_changed_later(
    house: House, tmp_path: Path
) -> None:
    (tmp_path / "disk").mkdir()
    added = house.say("backup", "place", "add", str(tmp_path / "disk"), "--daily", "3", "--monthly", "1")
    assert added["kept"] == {"daily": 3, "weekly": 4, "monthly": 1, "days": 30}
    place = str(added["id"])
    house.say("backup", "place", "change", place, "--days", "14", "--weekly", "0", "--bandwidth", "2MB/s")
    house.say("backup", "place", "change", place, "--no-limit")
    (listed,) = house.say("backup", "place", "list")["places"]
    assert listed["kept"] == {"daily": 3, "weekly": 0, "monthly": 1, "days": 14}
    assert listed["bytes_per_second"] is None
    assert house("backup", "place", "change", place, "--json").json["error"] == "nothing_to_change"
    assert house("backup", "place", "change", "7", "--days", "9", "--json").json["error"] == "no_such_place"
    assert house("backup", "place", "change", place, "--days", "31").code == 2, "erased data is gone after 30 days"


def test_a_place_that_fails_keeps_no_other_one_from_its_backup(house: House, tmp_path: Path) -> None:
    for name in ("away", "disk"):
        (tmp_path / name).mkdir()
        house.say("backup", "place", "add", str(tmp_path / name))
    (tmp_path / "away").rename(tmp_path / "drawer")
    failed = house("backup", "--json")
    assert failed.code == 1 and failed.json["error"] == "backup_failed"
    assert [each["error"] for each in failed.json["backups"]] == ["missing", ""]
    away, disk = house.say("backup", "place", "list")["places"]
    assert "isn't there" in away["error"].replace("’", "'") and away["failing_since"]
    assert disk["last_backup"] and not disk["error"]


def test_a_place_that_does_not_work_is_not_added(house: House) -> None:
    refused = house("backup", "place", "add", str(house.folder / "nowhere"), "--json")
    assert (refused.code, refused.json["error"]) == (1, "missing")
    assert house.say("backup", "place", "list") == {"places": []}


def test_without_a_recipient_it_is_said_who_can_read_it(house: House, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    assert "Anyone with a backup from this place" in house("backup", "place", "add", str(tmp_path / "disk")).err


@pytest.mark.parametrize(("text", "speed"), [("2MB/s", 2_000_000), ("0.5 kb/s", 500), ("100B/s", 100)])
def test_a_speed_is_written_with_its_unit(text: str, speed: int) -> None:
    assert backup_place.Speed().convert(text, None, None) == speed


@pytest.mark.parametrize("text", ["2", "2MB", "-1MB/s", "0MB/s", "fast", "9999999GB/s"])
def test_another_word_is_no_speed(text: str) -> None:
    with pytest.raises(click.BadParameter):
        backup_place.Speed().convert(text, None, None)
