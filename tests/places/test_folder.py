"""A folder, on disks that others may have prepared."""

import ctypes
import errno
import os
from pathlib import Path
from typing import Any

import pytest

from samizdat import plugins
from samizdat.places.folder import FolderPlace

pytestmark = pytest.mark.once

PIECE = "pieces/ab/ab12.age"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "place").mkdir()
    return tmp_path / "place"


@pytest.fixture
def place(root: Path) -> FolderPlace:
    place = plugins.open_place(f"file://{root}")
    assert isinstance(place, FolderPlace)
    return place


def refusal(call: Any, *arguments: Any) -> str:
    with pytest.raises(plugins.PlaceError) as caught:
        call(*arguments)
    return caught.value.code


def test_files_and_folders_are_the_owners_alone(place: FolderPlace, root: Path) -> None:
    place.write(PIECE, b"1")
    assert (root / PIECE).stat().st_mode & 0o777 == 0o600
    assert (root / "pieces").stat().st_mode & 0o777 == 0o700


def test_links_of_a_disk_lead_nowhere(place: FolderPlace, root: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "ab12.age").write_bytes(b"secret of this server")
    (root / "pieces").mkdir()
    (root / "pieces/ab").symlink_to(outside)
    (root / "sets").mkdir()
    (root / "sets/a.age").symlink_to(outside / "ab12.age")
    assert list(place.names("")) == []
    assert refusal(place.read, PIECE) == refusal(place.read, "sets/a.age") == "refused"
    assert refusal(place.write, PIECE, b"1") == refusal(place.write, "sets/a.age", b"1") == "refused"
    assert refusal(place.delete, PIECE) == "refused"
    assert (outside / "ab12.age").read_bytes() == b"secret of this server"


def test_a_pipe_of_that_name_keeps_nobody_waiting(place: FolderPlace, root: Path) -> None:
    os.mkfifo(root / "a")
    assert list(place.names("")) == []
    assert place.read("a") == b""


def no_links(*_arguments: object, **_options: object) -> None:
    raise OSError(errno.EPERM, "Operation not permitted")


class OldLibrary:
    renameat2 = None


@pytest.mark.parametrize("library", [None, OldLibrary()], ids=["renameat2", "rename"])
def test_on_a_stick_without_links_a_file_is_whole_and_replaces_none(
    place: FolderPlace, root: Path, monkeypatch: pytest.MonkeyPatch, library: object
) -> None:
    monkeypatch.setattr(os, "link", no_links)
    if library:
        monkeypatch.setattr(ctypes, "CDLL", lambda *_arguments, **_options: library)
    place.write(PIECE, b"first")
    place.write(PIECE, b"first")
    assert refusal(place.write, PIECE, b"other") == "other_content"
    # Another process was quicker, between the look and the rename.
    monkeypatch.setattr(FolderPlace, "_is_there", lambda *_arguments: False)
    place.write(PIECE, b"other")
    assert (root / PIECE).read_bytes() == b"first"
    assert list((root / ".drafts").iterdir()) == []


def test_who_was_second_with_other_bytes_is_refused(
    place: FolderPlace, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.link

    def quicker(*arguments: Any, **options: Any) -> None:
        (root / PIECE).write_bytes(b"theirs")
        real(*arguments, **options)

    monkeypatch.setattr(os, "link", quicker)
    assert refusal(place.write, PIECE, b"ours") == "other_content"
    assert (root / PIECE).read_bytes() == b"theirs"
    assert list((root / ".drafts").iterdir()) == []


def test_a_name_is_given_after_the_bytes_are_on_the_disk_and_is_then_put_there(
    place: FolderPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = []
    real_sync, real_link = os.fsync, os.link

    def sync(descriptor: int) -> None:
        steps.append(os.readlink(f"/proc/self/fd/{descriptor}").rsplit("/", 2)[1:])
        real_sync(descriptor)

    def link(*arguments: Any, **options: Any) -> None:
        steps.append(["link", ""])
        real_link(*arguments, **options)

    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(os, "link", link)
    place.write("sets/a.age", b"1")
    drafts, name, folder = steps[-3:]
    assert drafts[0] == ".drafts"
    assert name == ["link", ""]
    assert folder[1] == "sets"


@pytest.mark.parametrize(
    ("number", "code"),
    [(errno.ENOSPC, "full"), (errno.EDQUOT, "full"), (errno.EROFS, "read_only"), (errno.EIO, "refused")],
)
def test_a_disk_that_fails_at_the_last_moment_leaves_no_name(
    place: FolderPlace, root: Path, monkeypatch: pytest.MonkeyPatch, number: int, code: str
) -> None:
    place.write("sets/a.age", b"1")

    def broken(_descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", broken)
    assert refusal(place.write, "sets/b.age", b"1") == code
    assert [path.name for path in (root / "sets").iterdir()] == ["a.age"]
    assert list((root / ".drafts").iterdir()) == []


def test_a_network_drive_that_syncs_no_folders_will_do(place: FolderPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.fsync

    def sync(descriptor: int) -> None:
        if Path(f"/proc/self/fd/{descriptor}").resolve().is_dir():
            raise OSError(errno.EINVAL, "Invalid argument")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", sync)
    place.write(PIECE, b"1")
    assert place.read(PIECE) == b"1"
