"""A copy is started beside the living original, while a campaign is being sent: nobody gets it twice."""

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection

from samizdat import dbclock
from samizdat.audience.models import Subscriber
from samizdat.campaigns.models import Campaign
from samizdat.delivery import actions, torn_copy
from samizdat.delivery.actions import copied_installation
from samizdat.delivery.errors import TornCopy
from tests import moulds
from tests.delivery.conftest import House, until
from tests.delivery.test_kills import CONNECTIONS, Child
from tests.delivery.test_rewound_database import finish
from tests.smtp_server import ScriptedServer

pytestmark = pytest.mark.kill

on_sqlite = pytest.mark.skipif(connection.vendor != "sqlite", reason="the database is a file")
on_postgresql = pytest.mark.skipif(connection.vendor != "postgresql", reason="the database is a server's")

PEOPLE = 300


@pytest.fixture
def sending(house: House, server: ScriptedServer) -> Iterator[Child]:
    """The original, in the middle of a campaign."""
    house.people(PEOPLE)
    server.latency = 0.02
    house.route(server, connections=CONNECTIONS)
    copied_installation.look(dbclock.now())
    house.released()
    child = Child()
    until(lambda: len(server.messages) > random.Random(len(settings.DATA.name)).randint(20, 120))
    yield child
    child.stop()


def everybody_once(server: ScriptedServer) -> None:
    until(lambda: len(server.counts()) == PEOPLE)
    assert set(server.counts().values()) == {1}


@on_sqlite
@pytest.mark.parametrize("way", ["cp -a", "cp -r", "snapshot"])
def test_a_copied_data_folder_beside_the_original_sends_nothing(
    sending: Child, server: ScriptedServer, tmp_path: Path, way: str
) -> None:
    copy = tmp_path / "copy"
    if way == "snapshot":
        os.kill(sending.process.pid, signal.SIGSTOP)
    command = ["cp", "-a"] if way == "snapshot" else way.split()
    # A file that goes while it's being copied is no reason to stop.
    subprocess.run([*command, settings.DATA, copy], check=False, stderr=subprocess.DEVNULL)
    if way == "snapshot":
        os.kill(sending.process.pid, signal.SIGCONT)
    name = str(copy / Path(connection.settings_dict["NAME"]).relative_to(settings.DATA))
    rival = Child(name, str(copy))
    everybody_once(server)
    until(lambda: rival.ended or _is_locked(name))
    rival.kill()


def _is_locked(name: str) -> bool:
    with closing(sqlite3.connect(name)) as copy:
        return copy.execute("SELECT min(sending_locked) FROM accounts_organization").fetchone() == (1,)


@on_postgresql
@pytest.mark.parametrize("folder", ["copied", "new"])
def test_a_database_made_from_the_original_as_its_template_sends_nothing(
    house: House, server: ScriptedServer, tmp_path: Path, folder: str
) -> None:
    house.people(PEOPLE)
    server.latency = 0.02
    house.route(server, connections=CONNECTIONS)
    copied_installation.look(dbclock.now())
    campaign = house.released()
    child = Child()
    until(lambda: len(server.messages) > 60)
    child.stop()
    name, copy = str(connection.settings_dict["NAME"]), tmp_path / "copy"
    if folder == "copied":
        shutil.copytree(settings.DATA, copy)
    else:
        copy.mkdir(mode=0o700)
    connection.close()
    moulds.as_admin(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
    moulds.copy(name, f"{name}_beside")
    rival = Child(f"{name}_beside", str(copy))
    try:
        assert finish(campaign)["ended"] == "finished"
        everybody_once(server)
    finally:
        rival.kill()
        moulds.as_admin(f'DROP DATABASE "{name}_beside" WITH (FORCE)')


@on_sqlite
def test_a_torn_copy_says_which_tables_are_damaged_and_is_not_released(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied_installation.look(dbclock.now())
    house.people(30)
    copy = tmp_path / "copy.sqlite3"
    with closing(sqlite3.connect(connection.settings_dict["NAME"])) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
        index = "SELECT rootpage FROM sqlite_master WHERE type = 'index' AND tbl_name = 'audience_subscriber'"
        page, size = target.execute(index).fetchone()[0], target.execute("PRAGMA page_size").fetchone()[0]
    with open(copy, "r+b") as file:
        file.seek((page - 1) * size)
        file.write(bytes(size))
    monkeypatch.setitem(connection.settings_dict, "NAME", str(copy))
    refused(house, "audience_subscriber")


@on_sqlite
def test_of_fifty_copies_of_file_and_log_under_load_each_opens_or_says_what_is_torn(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by `cp`: the file first, then its log, while somebody writes."""
    house.people(PEOPLE)
    source, stop = Path(str(connection.settings_dict["NAME"])), threading.Event()
    connection.close()

    def write() -> None:
        with closing(sqlite3.connect(source, timeout=60, isolation_level=None)) as writer:
            writer.execute("PRAGMA wal_autocheckpoint = 20")
            while not stop.is_set():
                writer.execute("BEGIN IMMEDIATE")
                writer.execute(
                    "INSERT INTO audience_headcount (organization_id, delta) SELECT id, 1 FROM accounts_organization"
                )
                writer.execute("UPDATE audience_subscriber SET sealed = randomblob(300) WHERE abs(random()) % 9 = 0")
                writer.execute("COMMIT")

    writing = threading.Thread(target=write)
    writing.start()
    outcomes = Counter[str]()
    try:
        for number in range(50):
            copy = tmp_path / f"{number}.sqlite3"
            subprocess.run(["cp", source, copy], check=True)
            with suppress(FileNotFoundError):  # A log that was taken in just now.
                shutil.copyfile(f"{source}-wal", f"{copy}-wal")
            outcomes[opened(copy, monkeypatch)] += 1
            for left in tmp_path.glob(f"{copy.name}*"):
                left.unlink()
    finally:
        stop.set()
        writing.join()
    assert set(outcomes) <= {"whole", "torn"} and outcomes.total() == 50, outcomes


def opened(copy: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    with monkeypatch.context() as patch:
        patch.setitem(connection.settings_dict, "NAME", str(copy))
        try:
            torn_copy.refuse()
            return "whole" if Subscriber.objects.count() == PEOPLE else "other people"
        except TornCopy as torn:
            return "torn" if "Damaged tables: " in str(torn) else str(torn)
        finally:
            connection.close()


@on_sqlite
def test_a_copy_whose_campaign_counts_other_emails_than_there_are_rows_is_torn(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied_installation.look(dbclock.now())
    house.people(30)
    house.released()
    torn_copy.refuse()
    Campaign.objects.update(accepted=3, pending=27)
    monkeypatch.setattr(copied_installation.copied_installation, "_files", lambda: "those of a copy")
    refused(house, "campaigns_campaign, delivery_delivery")


def refused(house: House, tables: str) -> None:
    with pytest.raises(TornCopy, match=tables):
        copied_installation.look(dbclock.now())
    house.organization.refresh_from_db()
    assert house.organization.sending_locked, "the fence stands all the same"
    with pytest.raises(TornCopy, match=tables):
        actions.lift_fence([house.organization], now=dbclock.now())
