"""Backups by themselves at real servers: OpenSSH's SFTP, moto's S3, rclone, a folder; and what becomes of them where a
place is full, slow, read-only, loses a file or gives another one."""

import contextlib
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from msgspec import structs

from samizdat import dbclock
from samizdat.audience import actions as audience
from samizdat.backup import kept_places
from samizdat.backup.place_tails import PlaceTail
from samizdat.backup.restore_test import records, running
from samizdat.backup.restore_test.running import RestoreTestResult
from samizdat.core.backup import layout
from samizdat.core.backup.manifest import CHANGES, FULL
from samizdat.delivery import backup_places
from samizdat.delivery.actions import copied_installation
from samizdat.delivery.backup_places import KeptPlace, PlaceDetails
from samizdat.events.models import Event
from samizdat.worker.schedule import admin_alerts, backups
from tests.conftest import NOW
from tests.places import fakes
from tests.places.fakes import FakeFolder, FakePlace
from tests.places.openssh import FakeSftp
from tests.places.rclone_disk import FakeRclone
from tests.places.s3_servers import FakeS3

pytestmark = pytest.mark.once

FAKES: dict[str, Any] = {fake.scheme: fake for fake in (FakeFolder, FakeSftp, FakeRclone, FakeS3)}
# What is wrong with a place -> what is noted.
TROUBLES = {"full": {"full"}, "read_only": {"read_only"}, "silent": {"silent", "refused"}}


@pytest.fixture(params=sorted(FAKES))
def fake(request: pytest.FixtureRequest, tmp_path: Any, transactional_db: Any, lantern: Any) -> Iterator[FakePlace]:
    copied_installation.look(dbclock.now())
    with contextlib.ExitStack() as cleaning:
        yield FAKES[request.param].start(tmp_path, cleaning)


@pytest.fixture
def kept(fake: FakePlace) -> KeptPlace:
    """Of each day one backup is kept, so that the second one takes the first away."""
    added = dbclock.now() - timedelta(days=1)
    return kept_places.add(PlaceDetails(url=fake.url, secret=fake.secret, added=added, daily=1, weekly=0))


def now_kept(kept: KeptPlace) -> KeptPlace:
    known = backup_places.get(kept.number)
    assert known is not None
    return known


def back_up(kept: KeptPlace, kind: str = CHANGES) -> None:
    """As the worker does."""
    backups._back_up(now_kept(kept), kind)


def restored(kept: KeptPlace) -> RestoreTestResult:
    """As the worker does."""
    result = running.newest_restores(kept.details.url, kept.details.secret)
    records.note(kept.details.url, result, dbclock.now())
    return result


def copies(fake: FakePlace) -> set[str]:
    return {name for name in fake.files() if layout.set_time(name)}


def a_piece(fake: FakePlace) -> str:
    """The largest one."""
    files = fake.files()
    return max((name for name in files if layout.piece_name(name)), key=lambda name: len(files[name]))


def mailed(kind: str) -> int:
    """Of how many events of this kind admins are mailed."""
    numbers = {alert.mark[1] for alert in admin_alerts._due(dbclock.now()) if alert.mark[0] == "Event"}
    return Event.objects.filter(kind=kind, pk__in=numbers).count()


def test_each_kind_of_place_gets_backups_changes_and_tests(kept: KeptPlace, fake: FakePlace, lantern: Any) -> None:
    back_up(kept, FULL)
    (first,) = copies(fake)
    audience.new_list(lantern, "Letter", now=NOW)
    back_up(kept)
    (second,) = copies(fake)
    assert second > first, "the one before is kept no longer"
    tail = PlaceTail()
    with kept_places.opened(kept.details) as place:
        files = tail.write(place, dbclock.now())
        audience.new_list(lantern, "Another letter", now=NOW)
        files += tail.write(place, dbclock.now())
    result = restored(kept)
    assert (result.code, result.what, result.copy) == ("", "", second)
    assert result.facts["tail_files"] == files > 0


@contextlib.contextmanager
def in_trouble(kept: KeptPlace, fake: Any, trouble: str) -> Iterator[None]:
    """The place is full, read-only or silent, and afterwards as before."""
    cleaning, config = fake.cleaning, fake.config.read_text() if isinstance(fake, FakeRclone) else ""
    with contextlib.ExitStack() as ending:
        fake.cleaning = ending
        backup_places.change(kept, url=getattr(fake, trouble)())
        yield
    fake.cleaning = cleaning
    if config:
        fake.config.write_text(config)
    backup_places.change(now_kept(kept), url=kept.details.url)


def since(kept: KeptPlace, moment: datetime) -> None:
    known = now_kept(kept)
    backup_places.set_state(kept.number, structs.replace(known.state, failing=moment))


@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_place_in_trouble_is_noted_told_of_and_used_again(
    kept: KeptPlace, fake: FakePlace, lantern: Any, trouble: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backups, "_stood", float("-inf"))
    monkeypatch.setattr(fakes, "SMALL_DISK", "32k")
    back_up(kept, FULL)
    before = fake.files()
    audience.new_list(lantern, "Letter", now=NOW)
    with in_trouble(kept, fake, trouble):
        back_up(kept)
        state = now_kept(kept).state
        assert state.code in TROUBLES[trouble] and state.failures == 1
    # One that was silent may have taken a piece all the same.
    came = fake.files().items() - before.items()
    assert before.items() <= fake.files().items(), "nothing is overwritten or lost"
    assert all(trouble == "silent" and name.startswith("pieces/") for name, _content in came)
    since(kept, dbclock.now() - timedelta(days=3))
    backups._warn(dbclock.now())
    assert mailed(backups.LATE) == 1
    back_up(kept)
    assert not now_kept(kept).state.failures
    assert copies(fake) and not copies(fake) & before.keys(), "there is a new one"


def test_a_file_that_is_lost_or_another_one_fails_the_test_and_is_written_anew(
    kept: KeptPlace, fake: FakePlace
) -> None:
    back_up(kept, FULL)
    piece = a_piece(fake)
    fake.lose(piece)
    assert restored(kept).code == "missing_pieces"
    assert mailed(records.FAILED) == 1
    back_up(kept)
    data = bytearray(fake.files()[piece])
    data[-1] ^= 1
    fake.plant(piece, bytes(data))
    result = restored(kept)
    assert result.code in ("damaged", "place") and mailed(records.FAILED) == 2
    assert layout.piece_name(piece) in result.what
    fake.lose(piece)
    back_up(kept)
    assert restored(kept).code == ""
