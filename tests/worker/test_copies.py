"""A data folder is copied in the middle of a campaign, and both run: nobody gets the campaign twice."""

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests import moulds, warm
from tests.smtp_server import ScriptedServer
from tests.worker.conftest import ROOT, Instance, until
from tests.worker.test_machines import RELEASE

pytestmark = [
    pytest.mark.kill,
    pytest.mark.skipif("postgresql" in os.environ.get("DATABASE_URL", ""), reason="its copies are those of SQLite"),
]

PEOPLE = 1500


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer(latency=0.02) as running:
        yield running


def copied(original: Instance, folder: Path) -> Instance:
    """As docs/small-server.md says: the data folder, its databases by SQLite's own backup, and the key file."""
    shutil.copytree(original.folder, folder / "data", ignore=shutil.ignore_patterns("*.sock", "*.sqlite3*"))
    for name in moulds.FILES:
        with (
            closing(sqlite3.connect(original.folder / name)) as source,
            closing(sqlite3.connect(folder / "data" / name)) as target,
        ):
            source.backup(target)
    shutil.copy2(original.folder.with_name("data.key"), folder / "data.key")
    return replace(
        original, folder=folder / "data", environment=original.environment | {"SAMIZDAT_DATA": str(folder / "data")}
    )


def state(instance: Instance) -> str:
    with closing(sqlite3.connect(instance.folder / "samizdat.sqlite3")) as database:
        return str(database.execute("SELECT state FROM campaigns_campaign").fetchone()[0])


def command(instance: Instance, *words: str) -> Any:
    return warm.run(["-m", "samizdat.cli", *words], cwd=ROOT, env=instance.environment)


def test_a_copy_that_is_started_beside_its_original_sends_nothing_until_it_is_released(
    instance: Instance, server: ScriptedServer, tmp_path: Path
) -> None:
    campaign = str(instance.python(RELEASE.format(people=PEOPLE, url=server.url, connections=4)))
    instance.start()
    until(lambda: len(server.messages) > 200)
    (tmp_path / "copy").mkdir()
    copy = copied(instance, tmp_path / "copy").start()
    try:
        until(lambda: "samizdat release" in copy.log.read_text())
        until(lambda: state(instance) == "finished")
        assert len(server.counts()) == len(server.messages) == PEOPLE
        waits = command(copy, "campaign", "send", campaign, "--wait")
        assert waits.returncode == 1 and "samizdat release" in waits.stderr
        told = command(copy, "campaign", "status", campaign)
        assert told.returncode == 0 and "samizdat release" in told.stdout
        doctor = command(copy, "doctor")
        assert (
            doctor.returncode == 1
            and "This isn’t where it last ran: another path; other files, as after a copy or a restore" in doctor.stdout
        )
        seen = command(copy, "release", "--dry-run")
        assert seen.returncode == 0 and "emails would be sent" in seen.stdout
        refused = command(copy, "release")
        assert refused.returncode == 1 and "--yes" in refused.stderr
        assert len(server.messages) == PEOPLE
        # A person says that the original is gone, and what the copy knows to be waiting goes out from there.
        assert command(copy, "release", "--yes").returncode == 0
        until(lambda: state(copy) == "finished")
        assert len(server.messages) > PEOPLE
        assert "Sending isn't on hold" in command(copy, "release").stdout
        assert "Sending isn't on hold" in command(instance, "release").stdout
    finally:
        copy.kill()
