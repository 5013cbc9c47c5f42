"""What lies in the data folder is its owner's alone, whatever rights it came with."""

import os
import pwd
import stat
from pathlib import Path

import pytest

from samizdat import modes, plugins
from samizdat.delivery.engine.locks import FileLock
from samizdat.vault.sources import service_stops
from samizdat.worker.processes import supervisor


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One that was there before, made under the usual umask."""
    made = tmp_path / "data"
    (made / "journals").mkdir(parents=True, mode=0o755)
    made.chmod(0o755)
    for name, mode in (("samizdat.sqlite3", 0o644), ("public.sqlite3", 0o664), ("journals/1", 0o666)):
        (made / name).touch()
        (made / name).chmod(mode)
    return made


def _modes(folder: Path) -> set[int]:
    return {stat.S_IMODE(path.stat().st_mode) & 0o077 for path in [folder, *folder.rglob("*")]}


def test_a_folder_that_was_open_to_everybody_is_closed_at_the_start(folder: Path) -> None:
    assert len(list(modes.open_to_others(folder))) == 5
    supervisor._close(folder)
    assert _modes(folder) == {0}
    assert list(modes.open_to_others(folder)) == []
    assert (folder / "samizdat.sqlite3").stat().st_mode & 0o600 == 0o600


def test_what_a_link_leads_to_stays_as_it_is(folder: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.touch()
    elsewhere.chmod(0o644)
    (folder / "link").symlink_to(elsewhere)
    modes.close(folder)
    assert elsewhere.stat().st_mode & 0o777 == 0o644
    assert list(modes.open_to_others(folder)) == []


def test_what_somebody_else_owns_is_refused_with_what_to_do(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def not_ours(*_told: object) -> None:
        raise PermissionError

    monkeypatch.setattr(Path, "chmod", not_ours)
    with pytest.raises(supervisor.CannotServe, match=f"chmod -R go-rwx {folder}"):
        supervisor._close(folder)


def test_the_publicdb_may_be_read_by_the_group_of_the_public_pages_and_nothing_else(folder: Path) -> None:
    modes.close(folder)
    folder.chmod(0o2710)
    (folder / "public.sqlite3").chmod(0o640)
    assert list(modes.open_to_others(folder)) == []
    (folder / "samizdat.sqlite3").chmod(0o640)
    assert [path.name for path in modes.open_to_others(folder)] == ["samizdat.sqlite3"]
    folder.chmod(0o2775)
    modes.close(folder)
    found = {path.name: oct(path.stat().st_mode & 0o7777) for path in (folder, *folder.iterdir())}
    assert found == {"data": "0o2710", "journals": "0o700", "public.sqlite3": "0o640", "samizdat.sqlite3": "0o600"}


def test_what_is_made_while_serving_is_for_this_user_alone(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        with supervisor._private_files():
            (tmp_path / "made").touch()
        (tmp_path / "afterwards").touch()
    finally:
        os.umask(before)
    assert (tmp_path / "made").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "afterwards").stat().st_mode & 0o777 == 0o644


@pytest.fixture
def of_another_user(folder: Path) -> tuple[int, int]:
    if os.geteuid() != 0:
        pytest.skip("Only root gives files to others.")
    nobody = pwd.getpwnam("nobody")
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    return nobody.pw_uid, nobody.pw_gid


def _owner(path: Path) -> tuple[int, int]:
    return path.lstat().st_uid, path.lstat().st_gid


def test_what_root_writes_into_the_folder_of_another_user_is_theirs(
    folder: Path, of_another_user: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service_stops, "data_folder", lambda: folder)
    (folder / "newest").write_text("of root")
    modes.replace_file(folder / "newest", b"1")
    modes.make_folder(folder / "settings")
    modes.replace_file(folder / "settings" / "1", b"2")
    service_stops.remember({"north": 1})
    plugins.open_place(folder.as_uri(), "").write("epoch/1", b"3")
    assert FileLock(folder / "backup.lock").take()
    written = ["backup.lock", "newest", "settings", "settings/1", service_stops.FILE, "epoch", "epoch/1"]
    assert {_owner(folder / name) for name in written} == {of_another_user}
    assert stat.S_IMODE((folder / "newest").stat().st_mode) == 0o600


def test_a_file_that_a_link_leads_to_is_neither_written_nor_given_away(
    folder: Path, of_another_user: tuple[int, int], tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("of root")
    (folder / "newest").symlink_to(elsewhere)
    modes.replace_file(folder / "newest", b"1")
    assert elsewhere.read_text() == "of root" and _owner(elsewhere) == (0, 0)
    assert (folder / "newest").read_bytes() == b"1" and not (folder / "newest").is_symlink()


def test_a_file_with_a_second_name_elsewhere_is_not_given_away(
    folder: Path, of_another_user: tuple[int, int], tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("of root")
    os.link(elsewhere, folder / "backup.lock")
    FileLock(folder / "backup.lock").take()
    assert _owner(elsewhere) == (0, 0)
    (folder / "sender.lock").symlink_to(elsewhere)
    with pytest.raises(OSError, match="symbolic"):
        FileLock(folder / "sender.lock").take()
    assert _owner(elsewhere) == (0, 0)


def test_where_a_file_system_has_no_owners_it_stays_as_it_was_made(
    folder: Path, of_another_user: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_arguments: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "fchown", refused)
    modes.replace_file(folder / "newest", b"1")
    assert (folder / "newest").read_bytes() == b"1"
