"""The Unix socket at which a mail server hands mail over."""

import grp
import os
import pwd
import socket
from pathlib import Path

import pytest

from samizdat.options import BadOption, UnixSocketPlace, listening_place
from samizdat.vault.socket_source import short
from samizdat.worker.processes import unix_socket
from samizdat.worker.processes.unix_socket import listening_at
from samizdat.worker.processes.users import CannotServe

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives a socket to another user and group")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "lmtp.sock"


def left_behind(path: Path) -> None:
    """As by a supervisor that was killed."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(short(path))


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o7777


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("", None),
        ("127.0.0.1:2424", ("127.0.0.1", 2424)),
        ("[::1]:2424", ("::1", 2424)),
        ("/run/samizdat/lmtp.sock", UnixSocketPlace(Path("/run/samizdat/lmtp.sock"))),
        ("unix:/run/samizdat/lmtp.sock", UnixSocketPlace(Path("/run/samizdat/lmtp.sock"))),
        ("unix:/run/lmtp.sock?group=postfix", UnixSocketPlace(Path("/run/lmtp.sock"), "postfix")),
    ],
)
def test_an_option_names_a_port_or_a_socket_and_who_may_connect(
    text: str, place: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAMIZDAT_LMTP", text)
    assert listening_place("SAMIZDAT_LMTP") == place


@pytest.mark.parametrize("text", ["unix:lmtp.sock", "unix:/run/samizdat/", "unix:/run/lmtp.sock?group=", "2424"])
def test_an_option_that_names_no_place_says_how_it_is_written(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAMIZDAT_LMTP", text)
    with pytest.raises(BadOption, match=r"Write 127\.0\.0\.1:2424, or unix: and a whole path"):
        listening_place("SAMIZDAT_LMTP")


def test_everybody_who_reaches_its_folder_connects_and_it_goes_at_the_end(path: Path) -> None:
    with listening_at(UnixSocketPlace(path), None), socket.socket(socket.AF_UNIX) as client:
        client.connect(short(path))
        assert mode(path) == 0o666
    assert not path.exists()


def test_a_socket_that_was_left_behind_is_replaced(path: Path) -> None:
    left_behind(path)
    with listening_at(UnixSocketPlace(path), None), socket.socket(socket.AF_UNIX) as client:
        client.connect(short(path))


def test_a_socket_at_which_somebody_listens_is_not_taken_from_them(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unix_socket, "PATIENCE", 0.0)
    with listening_at(UnixSocketPlace(path), None):
        with pytest.raises(CannotServe, match="Address already in use"), listening_at(UnixSocketPlace(path), None):
            pass
        assert path.is_socket()


@pytest.mark.parametrize("kind", ["file", "folder", "link"])
def test_what_is_no_socket_stays(path: Path, kind: str) -> None:
    other = path.with_name("other")
    {"file": path.touch, "folder": path.mkdir, "link": lambda: (left_behind(other), path.symlink_to(other))}[kind]()
    with pytest.raises(CannotServe, match="isn’t a socket"), listening_at(UnixSocketPlace(path), None):
        pass
    assert os.path.lexists(path)


def test_the_socket_of_whoever_came_after_us_stays(path: Path) -> None:
    with listening_at(UnixSocketPlace(path), None):
        path.rename(path.with_name("moved"))
        left_behind(path)
    assert path.is_socket()


def test_a_folder_that_is_not_there_is_named(path: Path) -> None:
    place = UnixSocketPlace(path.parent / "none" / "lmtp.sock")
    with pytest.raises(CannotServe, match=r"none/lmtp\.sock \(No such file"), listening_at(place, None):
        pass


def test_a_group_that_is_not_there_is_named(path: Path) -> None:
    place = UnixSocketPlace(path, "no-such-group")
    with pytest.raises(CannotServe, match="Group no-such-group doesn’t exist"), listening_at(place, None):
        pass


@needs_root
def test_started_as_root_it_is_of_the_owner_and_one_group_alone_connects(path: Path) -> None:
    owner, group = pwd.getpwnam("daemon"), grp.getgrnam("mail")
    for folder in (path.parent, *path.parents):
        if "pytest" in str(folder):
            folder.chmod(0o711)
    os.chown(path.parent, owner.pw_uid, owner.pw_gid)
    with listening_at(UnixSocketPlace(path, "mail"), owner):
        status = path.stat()
        assert (mode(path), status.st_uid, status.st_gid) == (0o660, owner.pw_uid, group.gr_gid)
        assert (os.geteuid(), os.getegid()) == (0, 0)


@needs_root
def test_root_makes_no_socket_where_the_owner_could_not(path: Path) -> None:
    path.parent.chmod(0o755)
    with (
        pytest.raises(CannotServe, match="Permission denied"),
        listening_at(UnixSocketPlace(path), pwd.getpwnam("daemon")),
    ):
        pass
