"""What root changes in the data folder, whoever owns that meanwhile."""

import os
from pathlib import Path

import pytest

from samizdat.worker.processes import users

MINE = os.geteuid()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "data"
    made.mkdir(mode=0o755)
    for name in ("public.sqlite3", "samizdat.sqlite3"):
        (made / name).touch(mode=0o644)
    return made


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o7777


def test_a_link_in_the_place_of_a_file_opens_nothing_elsewhere(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "shadow"
    elsewhere.touch(mode=0o644)
    (folder / "public.sqlite3-wal").symlink_to(elsewhere)
    os.link(elsewhere, folder / "public.sqlite3-shm")
    os.mkfifo(folder / "public.sqlite3-journal", 0o644)
    # As if it had been a file when somebody looked.
    monkeypatch.setattr(Path, "is_symlink", lambda _path: False)
    before = elsewhere.stat()
    assert users._open_to(folder, MINE, os.getegid())
    assert (mode(folder), mode(folder / "public.sqlite3"), mode(folder / "samizdat.sqlite3")) == (0o2710, 0o640, 0o600)
    assert (elsewhere.stat().st_mode, elsewhere.stat().st_gid) == (before.st_mode, before.st_gid)
    assert users._open_to(folder, MINE, None)
    assert (mode(folder), mode(folder / "public.sqlite3")) == (0o700, 0o600)


def test_a_folder_that_was_put_in_place_of_ours_stays_as_it_is(folder: Path) -> None:
    assert not users._open_to(folder, MINE + 1, os.getegid())
    assert mode(folder) == 0o755
