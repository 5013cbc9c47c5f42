"""The public database's file on SQLite, broken in each way that somebody who may write it can break it."""

import contextlib
import os
import socket
import sqlite3
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import DatabaseError, connections

from samizdat import dbclock
from samizdat.events.models import Event
from samizdat.health import installation
from samizdat.publicdb import actions as publicdb
from samizdat.publicdb import sqlite_file
from samizdat.publicdb.models import Intake, Site, TokenState
from samizdat.vault.errors import KeyRefused
from samizdat.vault.keyserver import KeyServer
from samizdat.vault.socket_source import SocketSource
from samizdat.worker.publishing import publish, repair
from samizdat.worker.schedule import scheduler
from tests import moulds, warm
from tests.conftest import NOW
from tests.worker.conftest import ROOT, Instance, seal_in, until

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(bool(os.environ.get("DATABASE_URL")), reason="the public database is a file on SQLite alone"),
]
MANY = 400


@pytest.fixture
def place(lantern: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The public database's file, with an organization and boxes of its readers."""
    found = sqlite_file.path()
    assert found is not None
    monkeypatch.setattr(repair, "_not_before", 0.0)
    monkeypatch.setattr(repair, "_suspected", True)  # As at a start.
    publish.missing_places(NOW)
    for _number in range(MANY):
        seal_in(lantern, b'{"kind": "pressed"}', "pressed")
    publicdb.set_token_state("a" * 52, "confirmed")
    with connections["publicdb"].cursor() as cursor:
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    yield found
    connections["publicdb"].close()
    for left in found.parent.glob(f"{found.name}*"):
        left.unlink() if left.is_symlink() or left.is_file() else left.rmdir()
    moulds.file(found, publicdb=True)


def overwritten(place: Path, at: int, data: bytes) -> None:
    """By somebody whose closing of the file gives up none of our locks."""
    if os.fork() == 0:
        with place.open("r+b") as stream:
            stream.seek(at)
            stream.write(data)
        os._exit(0)
    os.wait()


def a_bit_lost(place: Path) -> None:
    os.truncate(place, place.stat().st_size - 8 * 4096)


def half_lost(place: Path) -> None:
    os.truncate(place, place.stat().st_size // 2)


def all_lost(place: Path) -> None:
    os.truncate(place, 0)


def garbage(place: Path) -> None:
    overwritten(place, 0, os.urandom(8192))


def garbage_within(place: Path) -> None:
    overwritten(place, 40 * 4096, os.urandom(10 * 4096))


def gone(place: Path) -> None:
    place.unlink()


def a_folder(place: Path) -> None:
    place.unlink()
    place.mkdir()


def a_link(place: Path) -> None:
    place.rename(place.with_name("elsewhere"))
    place.symlink_to("elsewhere")


def a_log_that_is_a_folder(place: Path) -> None:
    connections["publicdb"].close()
    place.with_name(f"{place.name}-wal").mkdir()


def nobody_may(place: Path) -> None:
    place.chmod(0)


def changed_by(*statements: str) -> Callable[[Path], None]:
    def change(place: Path) -> None:
        with contextlib.closing(sqlite3.connect(place, isolation_level=None)) as connection:
            for statement in statements:
                connection.execute(statement)

    change.__name__ = statements[-1].split(" ON ")[0].replace(" ", "_")
    return change


WAYS = {
    a_bit_lost: 0,  # How many of the boxes can still be read, at the least.
    half_lost: 0,
    all_lost: 0,
    garbage: 0,
    garbage_within: MANY // 4,
    gone: 0,
    a_folder: 0,
    a_link: 0,
    a_log_that_is_a_folder: 0,
    nobody_may: MANY,
    changed_by("DROP TABLE publicdb_form"): MANY,
    changed_by("ALTER TABLE publicdb_site DROP COLUMN zone"): MANY,
    changed_by("PRAGMA foreign_keys=OFF", "DROP TABLE publicdb_intake"): 0,
    changed_by("CREATE TRIGGER ours AFTER INSERT ON publicdb_intake BEGIN DELETE FROM publicdb_intake; END"): MANY,
    changed_by("CREATE VIEW ours AS SELECT 1"): MANY,
}


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_a_broken_publicdb_is_whole_again_with_what_can_be_read(
    way: Callable[[Path], None], place: Path, lantern: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    way(place)
    assert repair.look(NOW) is True
    assert bytes(Site.objects.get().uid) == bytes(lantern.uid)
    saved = Intake.objects.count()
    assert saved >= WAYS[way]
    if WAYS[way] == MANY:
        assert TokenState.objects.get().state == "confirmed"
    seal_in(lantern, b"{}", "pressed")
    assert Intake.objects.count() == saved + 1
    assert sqlite_file.fault(place, thorough=True) == ""
    assert not [*place.parent.glob(f"{place.name}.*")], "nothing is left of the broken one"
    assert Event.objects.filter(kind=repair.MENDED).count() == 1
    assert repair.look(NOW) is False
    monkeypatch.setattr(dbclock, "asked", lambda: NOW + timedelta(days=7))
    assert ("amber", "public database") in [(sign.state, sign.subject) for sign in installation.public_process()]


def test_whoever_comes_upon_damage_has_the_whole_file_read(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repair, "_suspected", False)
    monkeypatch.setattr(repair, "_read_at", time.monotonic())
    garbage_within(place)
    assert repair.look(NOW) is False

    def read(_now: Any) -> None:
        raise DatabaseError from broken

    broken = sqlite3.DatabaseError("database disk image is malformed")
    broken.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    scheduler.tick(NOW, {"something": read})
    assert repair.look(NOW) is True


def test_a_kill_while_the_publicdb_is_made_anew_loses_no_box(place: Path, lantern: Any) -> None:
    with pytest.raises(KeyboardInterrupt), sqlite_file.instead(place):
        raise KeyboardInterrupt
    assert repair.look(NOW) is True
    assert Intake.objects.count() == MANY


def test_what_does_not_belong_into_the_tables_is_not_carried_over(place: Path, lantern: Any) -> None:
    changed_by(
        "PRAGMA foreign_keys=OFF",
        "PRAGMA ignore_check_constraints=ON",
        "PRAGMA writable_schema=ON",
        "UPDATE sqlite_master SET sql = substr(sql, 1, length(sql) - 7) WHERE name = 'publicdb_intake'",
        "PRAGMA writable_schema=RESET",
        "UPDATE publicdb_intake SET box = 'text' WHERE id % 4 = 0",
        "UPDATE publicdb_intake SET place_id = x'00' WHERE id % 4 = 1",
        "UPDATE publicdb_intake SET kind = 'longer than any' WHERE id % 4 = 2",
        "CREATE VIEW ours AS SELECT 1",
    )(place)
    assert repair.look(NOW) is True
    assert Intake.objects.count() == MANY // 4


def test_a_publicdb_that_is_only_busy_is_left_alone(place: Path) -> None:
    with contextlib.closing(sqlite3.connect(place, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert repair.look(NOW) is False
    assert not sqlite_file.says_broken(sqlite3.OperationalError("database is locked"))


def test_nobody_is_killed_for_a_broken_publicdb_and_the_doctor_tells_of_it(instance: Instance) -> None:
    instance.start()
    children = until(lambda: instance.children() if len(instance.children()) == 4 else None)
    page = f"/u/{instance.made['token']}"
    until(lambda: instance.ask(page)[0] == 200)
    place = instance.folder / "public.sqlite3"
    for way in (garbage, all_lost, a_folder):
        before = place.stat().st_ino
        way(place)
        until(lambda before=before: place.is_file() and place.stat().st_ino != before)
        until(lambda: instance.ask(page, b"List-Unsubscribe=One-Click")[0] == 200)
    assert instance.children() == children
    assert "was broken" in instance.log.read_text()
    told = warm.run(["-m", "samizdat.cli", "doctor"], env=instance.environment, cwd=ROOT, timeout=120)
    assert "its file was damaged" in told.stdout


def test_what_readers_send_is_handed_in_by_the_public_process_alone_and_only_as_the_tables_take_it(
    lantern: Any,
) -> None:
    publish.missing_places(NOW)
    uid = bytes(lantern.uid)
    for role in ("public", "sender"):
        ours, theirs = socket.socketpair()
        KeyServer(None, list, None, bool).serve(ours, role)  # type: ignore[arg-type]
        source = SocketSource(theirs)
        if role == "sender":
            with pytest.raises(KeyRefused):
                source.hand_in(uid, b"box", "leave", None)
            continue
        assert source.hand_in(uid, b"x" * 64 * 1024, "leave", b"mark") is True
        assert source.hand_in(uid, b"box", "leave", b"mark") is False, "one of a mark waits"
        tries = [b"mark"] * publicdb.SLOT_TRIES
        assert source.hand_in(uid, b"box", "leave", *tries[1:], b"free", b"other") is True, "once, under the first free"
        assert source.hand_in(uid, b"box", "leave", *tries, b"other") is False, "so many are looked at and no more"
        for refused in (
            (b"u" * 16, b"box", "leave"),
            (uid, b"x" * (64 * 1024 + 1), "leave"),
            (uid, b"box", "leave\0x"),
        ):
            with pytest.raises(KeyRefused):
                source.hand_in(*refused, None)
    assert [bytes(row.mark) for row in Intake.objects.order_by("pk")] == [b"mark", b"free"]
