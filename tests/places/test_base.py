"""URLs of places, and where they may lead."""

import socket
from pathlib import Path

import pytest

from samizdat import plugins
from samizdat.places.base import Pace, plain_detail

KEY = "SHA256:" + "A+/b" * 10 + "abc"


def code_of(url: str, secret: str) -> str:
    try:
        plugins.open_place(url, secret)
    except plugins.PlaceError as error:
        return error.code if "{" not in str(error) else "a hole"
    return ""


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("file:///mnt/backup", ""),
        ("file:///mnt/back%20up?timeout=5", ""),
        (f"sftp://ada@backup.example.org:22/srv/x?host_key={KEY}", ""),
        ("sftp://ada@[2001:db8::1]/~/x", ""),
        ("s3://KEY@bucket/north?endpoint=https://s3.example.org:9000&region=auto", ""),
        ("s3://KEY@bucket", ""),
        ("rclone:remote:path?config=/etc/rclone.conf", ""),
        ("file://mnt/backup", "no_folder"),
        ("file:///", "no_folder"),
        ("/mnt/backup", "no_kind"),
        ("ftp://host/x", "no_kind"),
        ("file:///mnt\nbackup", "control"),
        ("file:///mnt?colour=red", "unknown_option"),
        ("file:///mnt?timeout=soon", "bad_seconds"),
        ("file:///mnt?timeout=-1", "bad_seconds"),
        ("file:///mnt?timeout=inf", "bad_seconds"),
        ("sftp://backup.example.org/x", "no_user"),
        ("sftp://ada@/x", "bad_server"),
        ("sftp://ada@host:99999/x", "bad_server"),
        ("sftp://ada@host:ssh/x", "bad_server"),
        ("sftp:ada@host/x", "bad_server"),
        ("sftp://ada@host/x?host_key=MD5:00:11", "bad_host_key"),
        ("s3://bucket/north", "no_user"),
        ("s3://KEY@bucket:9000/north", "bad_server"),
        ("s3://KEY@bucket?endpoint=http://s3.example.org", "bad_endpoint"),
        ("s3://KEY@bucket?endpoint=https://s3.example.org/bucket", "bad_endpoint"),
        ("rclone:path?config=/etc/rclone.conf", "bad_remote"),
        ("rclone:remote:path", "bad_remote"),
        ("rclone::local:/etc?config=/etc/rclone.conf", "bad_remote"),
        ("rclone:-v:path?config=/etc/rclone.conf", "bad_remote"),
    ],
)
def test_a_url_is_a_place_or_says_what_is_wrong_with_it(url: str, code: str) -> None:
    assert code_of(url, "x") == code


@pytest.mark.parametrize("url", ["sftp://ada@host/x", "s3://KEY@bucket"])
def test_a_place_that_needs_a_secret_says_so(url: str) -> None:
    assert code_of(url, "") == "no_secret"


def test_a_host_name_that_nobody_has_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_arguments: object, **_options: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(plugins.PlaceError) as caught:
        plugins.open_place("s3://KEY@bucket?endpoint=https://s3.nowhere.example", "x").read("a")
    assert caught.value.code == "no_such_host"


@pytest.mark.parametrize("url", ["sftp://ada@127.0.0.1:{port}/x", "s3://KEY@bucket?endpoint=http://127.0.0.1:{port}"])
def test_a_place_of_somebody_who_is_not_at_the_terminal_leads_to_no_address_inside(url: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0)
        place = plugins.open_place(url.format(port=server.getsockname()[1]), "x", inside=())
        with pytest.raises(plugins.PlaceError) as caught:
            place.read("a")
        assert caught.value.code == "inside"
        with pytest.raises(BlockingIOError):
            server.accept()


def test_nobody_listens_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(plugins.PlaceError) as caught:
        plugins.open_place(f"sftp://ada@127.0.0.1:{port}/x", "x").read("a")
    assert caught.value.code == "no_connection"


def test_places_on_this_server_are_known_as_such() -> None:
    assert {scheme for scheme, kind in plugins.places().items() if kind.on_server} == {"file", "rclone"}


def test_what_others_say_of_an_error_shows_no_credential() -> None:
    said = 'Put "https://ada:hunter2@s3.example/x?sig=abc%2Fdef": denied for hunter2\n\x1b[31mmore'
    assert plain_detail(said, "hunter2") == 'Put "https://…@s3.example/x?…": denied for … [31mmore'
    assert len(plain_detail("x" * 10_000, "")) == 160


def test_a_pace_lets_as_much_through_as_it_says_and_makes_up_for_no_pause() -> None:
    now, slept = 0.0, list[float]()
    pace = Pace(100, clock=lambda: now, sleep=slept.append)
    pace.wait(50)
    pace.wait(50)
    now = 60.0
    pace.wait(100)
    pace.wait(100)
    assert slept == [0.5, 1.0]


def test_the_folder_of_a_place_is_never_created(tmp_path: Path) -> None:
    with pytest.raises(plugins.PlaceError) as caught:
        plugins.open_place(f"file://{tmp_path}/not-mounted").write("a", b"1")
    assert caught.value.code == "missing"
    assert list(tmp_path.iterdir()) == []
