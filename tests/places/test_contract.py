"""What every kind of place does alike, on real servers."""

import contextlib
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.utils import translation
from django.utils.translation import gettext

from samizdat import plugins
from samizdat.places import base
from samizdat.places.base import Pace
from tests.places.fakes import FakeFolder, FakePlace, OnDisk
from tests.places.openssh import FakeSftp
from tests.places.rclone_disk import FakeRclone
from tests.places.s3_servers import FakeS3

pytestmark = pytest.mark.once

FAKES: dict[str, Any] = {fake.scheme: fake for fake in (FakeFolder, FakeSftp, FakeRclone, FakeS3)}

PIECE, SET = "pieces/ab/ab12.age", "sets/20261125t120000z-0a1b2c3d.age"
CLIMBING = [
    "../outside",
    "pieces/../../outside",
    "/etc/passwd",
    "",
    "a//b",
    ".hidden",
    "a/.b",
    "A.age",
    "a b",
    "a\0b",
    "a/",
]


def test_every_kind_of_place_has_a_fake_and_so_all_these_tests() -> None:
    assert FAKES.keys() == plugins.places().keys()


@pytest.fixture(params=sorted(FAKES))
def fake(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[FakePlace]:
    with contextlib.ExitStack() as cleaning:
        yield FAKES[request.param].start(tmp_path, cleaning)


@pytest.fixture
def place(fake: FakePlace) -> Iterator[base.BasePlace]:
    with contextlib.closing(fake.open()) as place:
        yield place


@contextlib.contextmanager
def refused(code: str, fake: FakePlace) -> Iterator[None]:
    """With its sentence, in both languages, and without the secret."""
    with pytest.raises(plugins.PlaceError) as caught:
        yield
    assert caught.value.code == code, str(caught.value)
    with translation.override("ru"):
        russian = gettext(caught.value.sentence)
    assert russian != caught.value.sentence
    shown = str(caught.value) + repr(caught.value.values) + russian.format(**caught.value.values)
    assert not fake.secret or fake.secret not in shown


def test_what_is_written_comes_back(place: base.BasePlace, fake: FakePlace) -> None:
    data = os.urandom(300_000)
    place.write(PIECE, data)
    place.write(SET, b"")
    assert (place.read(PIECE), place.read(SET)) == (data, b"")
    assert fake.files() == {PIECE: data, SET: b""}


def test_names_are_those_below_a_folder_and_ours_alone(place: base.BasePlace, fake: FakePlace) -> None:
    assert list(place.names("")) == []
    place.write(PIECE, b"12345")
    place.write(SET, b"123")
    place.write("pieces-of-others/x.age", b"1")
    for foreign in ("README.TXT", "lost+found/x", ".trash/x", "pieces/Thumbs.db"):
        fake.plant(foreign, b"?")
    assert sorted(place.names("")) == [("pieces-of-others/x.age", 1), (PIECE, 5), (SET, 3)]
    assert list(place.names("pieces")) == list(place.names("pieces/ab")) == [(PIECE, 5)]
    assert list(place.names("tails")) == []


def test_the_same_again_is_no_error_and_other_bytes_are(place: base.BasePlace, fake: FakePlace) -> None:
    place.write(PIECE, b"first")
    place.write(PIECE, b"first")
    for other in (b"other", b"longer than the first"):
        with refused("other_content", fake):
            place.write(PIECE, other)
    assert fake.files() == {PIECE: b"first"}


@pytest.mark.parametrize("name", CLIMBING)
def test_a_name_that_could_mean_another_file_is_refused(name: str, tmp_path: Path) -> None:
    with contextlib.ExitStack() as cleaning:
        place = FAKES["file"].start(tmp_path, cleaning).open()
        for call in (place.read, place.delete, lambda name: place.write(name, b"")):
            with pytest.raises(plugins.PlaceError) as caught:
                call(name)
            assert caught.value.code == "bad_name"
    assert [path.name for path in tmp_path.iterdir()] == ["place"]


def test_a_file_that_is_deleted_is_gone_and_deleting_it_again_is_no_error(
    place: base.BasePlace, fake: FakePlace
) -> None:
    place.write(PIECE, b"1")
    place.delete(PIECE)
    place.delete(PIECE)
    place.delete("tails/never-there.age")
    assert fake.files() == {}
    for name in (PIECE, "tails/never-there.age"):
        with refused("not_there", fake):
            place.read(name)
        with pytest.raises(plugins.NotThere):
            place.read(name)


def test_a_file_that_the_place_lost_is_said_to_be_missing_and_can_be_written_again(
    place: base.BasePlace, fake: FakePlace
) -> None:
    place.write(PIECE, b"1")
    fake.lose(PIECE)
    assert list(place.names("")) == []
    with refused("not_there", fake):
        place.read(PIECE)
    place.write(PIECE, b"1")
    assert place.read(PIECE) == b"1"


def test_a_file_that_was_changed_there_is_not_taken_for_ours(place: base.BasePlace, fake: FakePlace) -> None:
    place.write(PIECE, b"ours")
    fake.lose(PIECE)
    fake.plant(PIECE, b"theirs")
    with refused("other_content", fake):
        place.write(PIECE, b"ours")


def test_a_file_of_more_than_64_mb_is_not_begun(place: base.BasePlace, fake: FakePlace) -> None:
    with refused("too_big", fake):
        place.write(PIECE, bytes(base.MOST + 1))
    assert fake.files() == {}


KILLED = """
import sys
from samizdat import plugins
from samizdat.places import base
url, secret = sys.argv[1], sys.stdin.readline().encode().decode("unicode_escape").removesuffix("\\n")
waits = 0
def wait(seconds):
    global waits
    waits += 1
    if waits == 3:
        print("in the middle", flush=True)
        sys.stdin.read()
place = base.read_url(plugins.places(), url, secret, base.Pace(1, clock=lambda: 0.0, sleep=wait))
place.write(sys.argv[2], bytes(3_000_000))
"""


def test_who_is_killed_in_the_middle_leaves_nothing_under_the_name(place: base.BasePlace, fake: FakePlace) -> None:
    command = [sys.executable, "-c", KILLED, fake.url, PIECE]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdin
        assert writer.stdout
        writer.stdin.write(fake.secret.encode("unicode_escape").decode() + "\n")
        writer.stdin.flush()
        assert writer.stdout.readline() == "in the middle\n"
        writer.kill()
    assert fake.files() == {}
    assert list(place.names("")) == []
    place.write(PIECE, bytes(3_000_000))
    assert fake.files() == {PIECE: bytes(3_000_000)}


def machine_clock() -> float:
    """The Unix time of the machine, also where this process is given another one (./run test --clock)."""
    booted = re.search("^btime ([0-9]+)$", Path("/proc/stat").read_text(), re.MULTILINE)
    assert booted
    return int(booted[1]) + float(Path("/proc/uptime").read_text().split()[0])


@pytest.mark.parametrize("fake", sorted(set(FAKES) - {"s3"}), indirect=True)
def test_what_the_killed_left_goes_once_it_is_an_hour_old(place: base.BasePlace, fake: OnDisk) -> None:
    if fake.scheme == "rclone" and abs(time.time() - machine_clock()) > base.ABANDONED / 2:
        pytest.skip("rclone goes by the clock of the machine, which is another one here")
    drafts = fake.root / base.DRAFTS
    drafts.mkdir()
    for name, age in {"old": 2 * base.ABANDONED, "of-another": 60}.items():
        (drafts / name).write_bytes(b"half")
        os.utime(drafts / name, (time.time() - age,) * 2)
    place.write(PIECE, b"1")
    assert [path.name for path in drafts.iterdir()] == ["of-another"]


def test_a_full_place_says_so_and_has_nothing_half_written(fake: FakePlace) -> None:
    with contextlib.closing(fake.open(fake.full())) as place:
        with refused("full", fake):
            place.write(PIECE, os.urandom(1 << 20))
        assert PIECE not in fake.files()


def test_a_place_that_is_read_only_says_so(fake: FakePlace) -> None:
    with contextlib.closing(fake.open(fake.read_only())) as place, refused("read_only", fake):
        place.write(PIECE, b"1")
    assert fake.files() == {}


def test_a_place_that_does_not_answer_is_left_after_its_time(fake: FakePlace) -> None:
    url = fake.silent()
    began = time.monotonic()
    with contextlib.closing(fake.open(url)) as place, refused("silent", fake):
        place.write(PIECE, b"1")
    assert time.monotonic() - began < 10


def test_a_place_that_is_not_there_is_not_created(fake: FakePlace) -> None:
    with contextlib.closing(fake.open(fake.missing())) as place:
        with pytest.raises(plugins.PlaceError) as caught:
            place.write(PIECE, b"1")
    assert caught.value.code in {"missing", "no_bucket", "no_remote"}, str(caught.value)


class Clock:
    """A clock that moves while somebody sleeps."""

    now = 0.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_no_more_bytes_a_second_go_there_and_come_back_than_may(fake: FakePlace) -> None:
    clock, data = Clock(), os.urandom(1 << 20)
    pace = Pace(100_000, clock=lambda: clock.now, sleep=clock.sleep)
    with contextlib.closing(fake.open(pace=pace)) as place:
        place.write(PIECE, data)
        written = clock.now
        assert written >= 4  # Less the last portion, for which nobody waits; of 64 KB or 512 KB.
        place.read(PIECE)
        assert clock.now - written >= 9


def test_errors_never_show_the_secret_of_a_url_that_has_one() -> None:
    for url in ("sftp://ada:hunter2@host/x", "s3://KEY:hunter2@bucket"):
        with pytest.raises(plugins.PlaceError) as caught:
            plugins.open_place(url, "x")
        assert caught.value.code == "secret_in_url"
        assert "hunter2" not in str(caught.value) + repr(caught.value.values)


def test_settings_never_show_the_secret(place: Any, fake: FakePlace) -> None:
    assert not fake.secret or fake.secret not in repr(place.settings) + place.where
