"""upgrade makes a copy first, and --back puts it back: on the real command, with a migration of a version to come."""

import contextlib
import json
import os
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

from tests.bad_input.saying import change, rows_of, served
from tests.cli.conftest import ROOT, House, Result
from tests.worker.conftest import until

# What makes the program a newer one: a migration that its package doesn't have.
NEWER = """
import importlib.machinery, sys

class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name != "samizdat.audience.migrations":
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        spec.submodule_search_locations.append({folder!r})
        return spec

sys.meta_path.insert(0, Finder)
"""
MIGRATION = """
from django.db import migrations

class Migration(migrations.Migration):
    dependencies = [("audience", "0001_initial")]
    operations = [{operations}]
"""
GOOD = 'migrations.RunSQL("CREATE TABLE audience_tomorrow (id bigint PRIMARY KEY)")'
FAILS = GOOD + ', migrations.RunSQL("SELECT nothing FROM nowhere")'
# The migration before has been done, this one waits until somebody kills it.
WAITS = GOOD + ", migrations.RunPython(lambda *_: (open({mark!r}, 'w').close(), __import__('time').sleep(600)))"


class Newer:
    """The next version of the program, on the house that the present one made."""

    def __init__(self, house: House, operations: str) -> None:
        self.house, self.path = house, house.folder / "newer"
        migrations = self.path / "migrations"
        migrations.mkdir(parents=True)
        (self.path / "sitecustomize.py").write_text(NEWER.format(folder=str(migrations)))
        (migrations / "0002_tomorrow.py").write_text(MIGRATION.format(operations=operations))
        self.environment = {**house.environment, "PYTHONPATH": f"{self.path}{os.pathsep}{ROOT}"}

    def __call__(self, *words: str) -> Result:
        done = self.house.cold("-m", "samizdat.cli", *words, environment=self.environment)
        assert "Traceback" not in done.stderr, done.stderr
        return Result(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def house(empty_house: House) -> House:
    empty_house.init()
    empty_house.say("list", "new", "Letter")
    return empty_house


def copies(house: House, word: str = "before-upgrade") -> list[Path]:
    return sorted(house.folder.glob(f"data-{word}-*"))


def test_an_upgrade_copies_the_database_first_for_its_owner_alone_and_without_the_key(house: House) -> None:
    done = Newer(house, GOOD)("upgrade", "--json")
    assert done.code == 0, done.out + done.err
    (copy,) = copies(house)
    assert done.json == {"upgraded": True, "copy": str(copy)}
    assert stat.S_IMODE(copy.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in copy.iterdir()} == {0o600}
    assert not any(house.key.read_bytes().splitlines()[-1] in path.read_bytes() for path in copy.iterdir())
    assert rows_of(house, "audience_tomorrow") == 0


def test_the_copy_is_put_back_and_sends_nothing_until_it_is_released(house: House) -> None:
    newer = Newer(house, GOOD)
    assert newer("upgrade").code == 0
    change(house, "house", "INSERT INTO audience_tomorrow (id) VALUES (7)")
    assert house("list", "ls").code == 1
    back = house("upgrade", "--back", "--yes", "--json")
    assert back.code == 0, back.out + back.err
    assert (back.json["lost_events"], back.json["lost_consent_records"]) == (0, 0)
    assert [row["name"] for row in house.say("list", "ls")["lists"]] == ["Letter"]
    assert house.say("release", "--dry-run")["fenced"]
    # What it replaced is kept, for its owner alone.
    (replaced,) = copies(house, "replaced")
    assert str(replaced) == back.json["replaced"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in replaced.iterdir()} == {0o600}
    assert house.say("release", "--yes")["released"]
    # And the same upgrade can be made again.
    assert newer("upgrade").code == 0
    assert len(copies(house)) == 2


def test_the_copy_is_put_back_and_cannot_send_by_itself(house: House) -> None:
    """Before anything has looked at where it runs."""
    assert Newer(house, GOOD)("upgrade").code == 0
    assert house("upgrade", "--back", "--yes").code == 0
    locked = {"": 1}.get(house.environment["DATABASE_URL"], True)
    assert value(house, "SELECT sending_locked FROM accounts_organization") == locked


def value(house: House, query: str) -> object:
    if url := house.environment["DATABASE_URL"]:
        with psycopg.connect(url) as connection:
            return connection.execute(query).fetchone()[0]  # type: ignore[call-overload, index]
    with contextlib.closing(sqlite3.connect(house.data / "samizdat.sqlite3")) as lite:
        return lite.execute(query).fetchone()[0]


def test_what_came_since_the_copy_is_said_before_it_is_lost(house: House) -> None:
    assert Newer(house, GOOD)("upgrade").code == 0
    change(house, "house", "DELETE FROM django_migrations WHERE name = '0002_tomorrow'")
    house.say("subscribers", "add", "ada@reader.example", "--list", "Letter", "--consent", "at the fair")
    asked = house("upgrade", "--back", "--json")
    assert (asked.code, asked.json["error"]) == (1, "not_confirmed")
    assert asked.json["lost_consent_records"] == 1 and asked.json["lost_events"] >= 1
    assert "consent records" in asked.json["sentence"]
    assert rows_of(house, "audience_subscriber") == 1
    assert house("upgrade", "--back", "--yes").code == 0
    assert rows_of(house, "audience_subscriber") == 0


def test_a_migration_that_fails_says_how_to_go_back(house: House) -> None:
    failed = Newer(house, FAILS)("upgrade", "--json")
    (copy,) = copies(house)
    assert failed.code == 1
    assert failed.json["copy"] == str(copy) and str(copy) in failed.json["sentence"]
    assert "samizdat upgrade --back" in failed.json["sentence"]
    assert house("upgrade", "--back", "--yes").code == 0
    assert house.say("list", "ls")["lists"]


def test_an_upgrade_that_is_killed_in_the_middle_goes_back(house: House) -> None:
    mark = house.folder / "migrating"
    newer = Newer(house, WAITS.format(mark=str(mark)))
    command = [sys.executable, "-m", "samizdat.cli", "upgrade"]
    with subprocess.Popen(command, env=newer.environment, cwd=house.folder, stderr=subprocess.DEVNULL) as running:
        until(mark.exists, 60)
        # Nobody upgrades or starts it meanwhile.
        second = newer("upgrade", "--json")
        assert (second.code, second.json["error"]) == (1, "cannot_serve")
        running.send_signal(signal.SIGKILL)
    # A copy that was killed half way is no copy, and the next one takes it away.
    part = house.folder / "data-before-upgrade-20990101-000000.part"
    part.mkdir()
    back = house("upgrade", "--back", "--yes")
    assert back.code == 0, back.err
    assert house.say("list", "ls")["lists"]
    shutil.rmtree(newer.path)
    assert Newer(house, GOOD)("upgrade").code == 0
    assert not part.exists()


def test_a_way_back_that_was_killed_is_gone_again(house: House) -> None:
    """Between any two of its steps: the second call ends where the first one would have."""
    assert Newer(house, GOOD)("upgrade").code == 0
    kill = (
        "import os, django; django.setup(); from samizdat.backup import upgrade_copies as copies; "
        "from samizdat.cli.__main__ import main; "
        "import sys; sys.argv[1:] = ['upgrade', '--back', '--yes']; "
        "copies.{name} = lambda *_: os.kill(os.getpid(), 9); main()"
    )
    for name in (
        ("_fence_file", "_set_aside") if not house.environment["DATABASE_URL"] else ("_refuse_company", "_dump")
    ):
        environment = {**house.environment, "DJANGO_SETTINGS_MODULE": "samizdat.settings"}
        killed = house.cold("-c", kill.format(name=name), environment=environment)
        assert killed.returncode == -signal.SIGKILL
        assert rows_of(house, "audience_tomorrow") == 0  # As it was.
    assert house("upgrade", "--back", "--yes").code == 0
    assert house.say("list", "ls")["lists"]


def test_without_a_copy_nothing_is_copied_and_there_is_no_way_back(house: House) -> None:
    assert Newer(house, GOOD)("upgrade", "--no-copy").code == 0
    assert not copies(house)
    refused = house("upgrade", "--back", "--yes", "--json")
    assert (refused.code, refused.json["error"]) == (1, "no_copy")
    assert rows_of(house, "audience_tomorrow") == 0


def test_nothing_to_upgrade_copies_nothing(house: House) -> None:
    assert house.say("upgrade") == {"upgraded": True, "copy": None}
    assert not copies(house)


def test_while_serve_runs_nothing_is_upgraded_or_put_back(house: House) -> None:
    newer = Newer(house, GOOD)
    assert newer("upgrade").code == 0
    assert house("upgrade", "--back", "--yes").code == 0
    with served(house):
        for refused in (newer("upgrade", "--json"), house("upgrade", "--back", "--yes", "--json")):
            assert refused.code == 1
            assert refused.json["error"] == "cannot_serve"
            assert "already running" in refused.json["sentence"]
    assert house.say("list", "ls")["lists"]


def test_without_room_or_pg_dump_it_is_refused_before_anything_changes(house: House) -> None:
    full = (
        "import shutil, collections; usage = collections.namedtuple('usage', 'total used free'); "
        "shutil.disk_usage = lambda _: usage(1, 1, 0); from samizdat.cli.__main__ import main; import sys; "
        "sys.argv[1:] = ['upgrade', '--json']; main()"
    )
    newer = Newer(house, GOOD)
    refused = house.cold("-c", full, environment=newer.environment)
    document = json.loads(refused.stdout)
    assert document["error"] == "no_room" and "--no-copy" in document["sentence"]
    if house.environment["DATABASE_URL"]:
        missing = House(house.folder, house.environment["DATABASE_URL"]).cold(
            "-m", "samizdat.cli", "upgrade", "--json", environment={**newer.environment, "PATH": str(house.folder)}
        )
        document = json.loads(missing.stdout)
        assert document["error"] == "no_pg_dump" and "--no-copy" in document["sentence"]
    assert not copies(house)
    assert house.say("list", "ls")["lists"]


def test_a_copy_that_is_cut_off_replaces_nothing(house: House) -> None:
    assert Newer(house, GOOD)("upgrade").code == 0
    (copy,) = copies(house)
    for path in copy.iterdir():
        if path.suffix in (".sqlite3", ".dump"):
            os.truncate(path, path.stat().st_size // 2)
    refused = house("upgrade", "--back", "--yes")
    assert refused.code == 1
    assert rows_of(house, "audience_tomorrow") == 0


def test_doctor_names_a_copy_that_lies_about(house: House) -> None:
    def said() -> list[dict[str, str]]:
        signs = house("doctor", "--json").json["signs"]
        return [sign for sign in signs if sign["subject"] == "upgrade copies"]

    assert Newer(house, GOOD)("upgrade").code == 0
    assert house("upgrade", "--back", "--yes").code == 0
    assert said() == []
    (copy,) = copies(house)
    for days, state in ((8, "amber"), (31, "red")):
        moment = time.time() - days * 86_400
        os.utime(copy, (moment, moment))
        (sign,) = said()
        assert sign["state"] == state and str(copy) in sign["sentence"]


def test_the_way_back_brings_no_key_back_that_was_destroyed(house: House) -> None:
    assert Newer(house, GOOD)("upgrade").code == 0
    change(house, "house", "DELETE FROM django_migrations WHERE name = '0002_tomorrow'")
    name = house.say("keys", "strict", "status")["organization"]
    house.say("keys", "destroy", name, "--yes-destroy", name)
    back = house("upgrade", "--back", "--yes", "--json")
    assert (back.code, back.json["destroyed"]) == (0, [name]), back.out + back.err
    assert "were destroyed" in house("list", "ls").err
    wrapped = value(house, "SELECT wrapped FROM vault_vaultkey")
    assert isinstance(wrapped, bytes) and not any(wrapped)
    assert house.say("keys", "strict", "status")["locked"]
