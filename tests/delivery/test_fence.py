"""A copy of an installation sends no campaign until a person has released it; the original goes on."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection

from samizdat import dbclock
from samizdat.campaigns.models import Campaign
from samizdat.delivery import actions, copied_installation, file_identity
from samizdat.delivery.actions import copied_installation as fencing
from samizdat.delivery.engine import journal, locks
from samizdat.delivery.engine.sender import run_campaign
from samizdat.delivery.errors import CopiedFolder, SendingLocked
from samizdat.delivery.models import Location
from samizdat.events.models import Event
from tests.delivery.conftest import House
from tests.smtp_server import ScriptedServer

on_sqlite = pytest.mark.skipif(connection.vendor != "sqlite", reason="on PostgreSQL the folder holds no database")
on_postgresql = pytest.mark.skipif(connection.vendor != "postgresql", reason="of a database server")


@pytest.fixture
def at_home(house: House) -> House:
    """It has run here once."""
    assert fencing.look(dbclock.now()) == []
    return house


@contextmanager
def somebody_at_work() -> Iterator[None]:
    """Another machine has a process in the same database."""
    other = connection.copy()
    try:
        with other.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s, %s)", [locks.WORKERS, 4711])
        yield
    finally:
        other.close()


def elsewhere(part: str) -> None:
    """As in a copy: what the database says of a part of its place is of another one."""
    Location.objects.filter(part=part).update(digest=bytes(16))


def test_where_it_runs_is_kept_as_hashes_that_name_nothing(at_home: House) -> None:
    rows = copied_installation.known()
    assert all(len(digest) == 16 for digest in rows.values())
    parts = {part for _folder, part in rows}
    assert {"path", "file"} <= parts and ("server" in parts) == (connection.vendor == "postgresql")
    assert not any(str(copied_installation.data_folder()).encode() in digest for digest in rows.values())


def test_a_start_in_the_same_place_changes_nothing(at_home: House) -> None:
    assert fencing.look(dbclock.now()) == []
    at_home.organization.refresh_from_db()
    assert not at_home.organization.sending_locked and not Event.objects.filter(kind="installation.fenced").exists()


def test_a_machine_that_has_got_an_id_of_its_own_meanwhile_is_no_other_one(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(copied_installation, "_machine", lambda: "")
        fencing.look(dbclock.now())
    assert fencing.look(dbclock.now()) == []
    # It is known from now on.
    monkeypatch.setattr(copied_installation, "_machine", lambda: "another one")
    if connection.vendor == "sqlite":
        assert fencing.look(dbclock.now()) == ["machine"]


@on_sqlite
def test_a_release_is_not_taken_back_by_whoever_had_begun_to_look_before_it(
    at_home: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere("path")
    assert fencing.look(dbclock.now()) == ["path"]

    def released_meanwhile() -> list[str]:
        monkeypatch.setattr(fencing, "_gone_back", list)
        assert actions.lift_fence([at_home.organization], now=dbclock.now()) == 1
        return []

    monkeypatch.setattr(fencing, "_gone_back", released_meanwhile)
    fencing.look(dbclock.now())
    at_home.organization.refresh_from_db()
    assert not at_home.organization.sending_locked
    assert Event.objects.filter(kind="installation.fenced").count() == 1


@on_sqlite
@pytest.mark.parametrize("part", ["machine", "path", "file"])
def test_a_copy_of_a_data_folder_sends_nothing_until_it_is_released(
    at_home: House, server: ScriptedServer, part: str
) -> None:
    at_home.people(5)
    at_home.route(server)
    campaign = at_home.released()
    if part == "machine" and not copied_installation._machine():
        pytest.skip("this machine has no id")
    elsewhere(part)
    ended = run_campaign(campaign.pk)
    assert (ended["ended"], ended["pending"]) == ("fenced", 5) and not server.messages
    (event,) = Event.objects.filter(kind="installation.fenced")
    assert event.organization_id == at_home.organization.pk
    (row,) = fencing.would_send(at_home.organization)
    assert (row["id"], row["waiting"], row["released"]) == (campaign.pk, 5, Campaign.objects.get().released)
    assert actions.lift_fence([at_home.organization], now=dbclock.now()) == 1
    assert run_campaign(campaign.pk)["ended"] == "finished"
    assert len(server.messages) == 5
    assert Event.objects.filter(kind="installation.released").count() == 1


@on_postgresql
@pytest.mark.parametrize("part", ["server", "database"])
def test_a_database_that_was_dumped_and_loaded_elsewhere_sends_nothing_until_it_is_released(
    at_home: House, server: ScriptedServer, part: str
) -> None:
    at_home.people(5)
    at_home.route(server)
    campaign = at_home.released()
    elsewhere(part)
    assert run_campaign(campaign.pk)["ended"] == "fenced" and not server.messages
    actions.lift_fence([at_home.organization], now=dbclock.now())
    assert run_campaign(campaign.pk)["ended"] == "finished"


@on_postgresql
def test_a_second_machine_sends_and_one_with_a_copied_folder_is_refused(
    at_home: House, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_home.people(5)
    at_home.route(server)
    campaign = at_home.released()
    with monkeypatch.context() as patch:
        patch.setattr(copied_installation, "_machine", lambda: "another one")
        with pytest.raises(CopiedFolder, match="samizdat release"):
            run_campaign(campaign.pk)
        # It stops nobody else: the fence would stand in the database that both use.
        at_home.organization.refresh_from_db()
        assert not at_home.organization.sending_locked
        patch.setattr(journal, "folder_id", lambda: bytes(range(16)))
        with somebody_at_work():
            assert run_campaign(campaign.pk)["ended"] == "finished"
    assert fencing.look(dbclock.now()) == []
    # The copied folder is released, so it is the first one's no more.
    with monkeypatch.context() as patch:
        patch.setattr(copied_installation, "_machine", lambda: "another one")
        actions.lift_fence([], now=dbclock.now())
    with pytest.raises(CopiedFolder):
        fencing.look(dbclock.now())


def test_a_sender_stops_when_its_database_is_another_one_than_at_its_start(at_home: House) -> None:
    guard = copied_installation.CopyGuard()
    guard.check()
    elsewhere("path")
    with pytest.raises(copied_installation.MovedInstallation):
        guard.check()


@on_sqlite
def test_a_database_put_in_place_under_a_running_sender_is_noticed_before_the_next_claim(
    at_home: House, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    guard = copied_installation.CopyGuard()
    copy = tmp_path / "copy.sqlite3"
    copy.write_bytes(b"")
    monkeypatch.setitem(connection.settings_dict, "NAME", str(copy))
    with pytest.raises(copied_installation.MovedInstallation):
        guard.check()


DEEDS: dict[str, Callable[[Campaign], Any]] = {
    "resume": lambda campaign: actions.resume(campaign, now=dbclock.now()),
    "settle": lambda campaign: actions.settle(campaign, "resend", now=dbclock.now()),
    "settle some": lambda campaign: actions.settle(campaign, "resend", numbers=[1001], now=dbclock.now()),
    "choose": lambda campaign: actions.choose(campaign, 0, now=dbclock.now()),
}


@pytest.mark.parametrize("deed", DEEDS)
def test_nobody_is_told_that_a_campaign_of_a_copy_goes_on(at_home: House, deed: str) -> None:
    at_home.people(5)
    campaign = at_home.released()
    if deed == "resume":
        actions.pause(campaign, now=dbclock.now())
    at_home.organization.sending_locked = True
    at_home.organization.save(update_fields=["sending_locked"])
    before = Campaign.objects.values().get()
    with pytest.raises(SendingLocked, match="samizdat release"):
        DEEDS[deed](campaign)
    assert Campaign.objects.values().get() == before
    actions.settle(campaign, "hold", now=dbclock.now())  # It sends nothing.


@on_sqlite
@pytest.mark.parametrize("part", ["filesystem", "born", "instance"])
def test_a_copy_with_the_same_machine_path_and_inodes_is_known_by_what_else_is_another_one(
    at_home: House, part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A btrfs snapshot in the original's place; a copy in inodes that were given back; a server of a snapshot."""
    look = {"filesystem": "_filesystem", "born": "_births", "instance": "_instance"}[part]
    monkeypatch.setattr(copied_installation, look, lambda: "then")
    actions.lift_fence([at_home.organization], now=dbclock.now())
    assert fencing.look(dbclock.now()) == []
    monkeypatch.setattr(copied_installation, look, lambda: "another one")
    assert fencing.look(dbclock.now()) == [part]


def test_a_server_whose_cloud_init_was_uninstalled_is_no_other_one(
    at_home: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copied_installation, "_instance", lambda: "i-0123456789")
    fencing.look(dbclock.now())
    assert any(part == "instance" for _folder, part in copied_installation.known())
    monkeypatch.setattr(copied_installation, "_instance", lambda: "")
    assert fencing.look(dbclock.now()) == []


def test_the_number_of_a_file_system_that_the_kernel_gives_out_at_each_boot_is_no_part_of_a_place(
    at_home: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of XFS it is the device's."""
    device = copied_installation.data_folder().stat().st_dev
    for number in (0, device):
        monkeypatch.setattr(copied_installation.os, "statvfs", lambda _path, n=number: SimpleNamespace(f_fsid=n))
        assert copied_installation._filesystem() == ""


def test_a_file_that_was_deleted_and_copied_back_is_another_one(tmp_path: Path) -> None:
    """ext4 gives the same inode number out again."""
    file, kept = tmp_path / "samizdat.sqlite3", tmp_path / "kept"
    file.write_bytes(b"rows")
    shutil.copy2(file, kept)
    before = file_identity.of_path(file)
    assert file_identity.of_path(file) == before
    os.utime(file, (0, 0))
    file.chmod(0o600)
    assert file_identity.of_path(file) == before, "nobody can set it"
    file.unlink()
    shutil.copy2(kept, file)
    if before[1]:
        assert file_identity.of_path(file) != before


@on_postgresql
def test_a_server_that_hides_its_number_is_told_from_another_one_by_its_tables(
    at_home: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere("table")
    assert fencing.look(dbclock.now()) == ["table"]


@on_postgresql
def test_a_copy_of_a_whole_server_with_a_new_data_folder_sends_nothing_until_it_is_released(
    at_home: House, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its cluster, database and tables are those of the original, and nobody is at work there."""
    at_home.people(5)
    at_home.route(server)
    campaign = at_home.released()
    monkeypatch.setattr(journal, "folder_id", lambda: b"another machine.")
    monkeypatch.setattr(copied_installation, "STARTED", 0.0)
    assert fencing.look(dbclock.now()) == [copied_installation.ALONE]
    assert run_campaign(campaign.pk)["ended"] == "fenced" and not server.messages
    actions.lift_fence([at_home.organization], now=dbclock.now())
    assert run_campaign(campaign.pk)["ended"] == "finished"


@on_postgresql
def test_a_machine_that_joins_others_at_work_is_one_of_them(at_home: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "folder_id", lambda: b"another machine.")
    monkeypatch.setattr(copied_installation, "STARTED", 0.0)
    with somebody_at_work():
        assert fencing.look(dbclock.now()) == []
    # It is known from now on.
    assert fencing.look(dbclock.now()) == []
    at_home.organization.refresh_from_db()
    assert not at_home.organization.sending_locked
