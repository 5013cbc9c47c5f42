"""rclone: what it is given, and remotes that are no disk."""

import contextlib
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from samizdat import plugins
from samizdat.places.rclone import ListedFile
from scripts.test import find_tool
from tests.places.fakes import SECRET
from tests.ports import free_port

pytestmark = pytest.mark.once
needs_rclone = pytest.mark.skipif(not find_tool("rclone"), reason="needs rclone (apt-get install rclone)")

PIECE = "pieces/ab/ab12.age"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "rclone.conf"
    path.write_text(f"[disk]\ntype = alias\nremote = {tmp_path}/place\n")
    return path


def refusal(place: plugins.Place) -> plugins.PlaceError:
    with pytest.raises(plugins.PlaceError) as caught:
        place.read(PIECE)
    return caught.value


def test_the_secret_is_in_no_argument_and_no_shell_reads_any(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "bin/rclone"
    program.parent.mkdir()
    program.write_text(
        f'#!/bin/sh\nprintf "%s\\n" "$@" >{tmp_path}/arguments\nenv >{tmp_path}/environment\necho null\n'
    )
    program.chmod(0o700)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    monkeypatch.setenv("SAMIZDAT_DATABASE", "postgresql://ada:hunter2@host/x")
    place = plugins.open_place(f"rclone:disk:a;$(b)?config={config}", SECRET)
    assert refusal(place).code == "not_there"
    arguments = (tmp_path / "arguments").read_text().splitlines()
    assert f"disk:a;$(b)/{PIECE}" in arguments
    assert arguments[arguments.index("--config") + 1] == str(config)
    assert SECRET not in str(arguments)
    environment = (tmp_path / "environment").read_text()
    assert f"RCLONE_CONFIG_PASS={SECRET}\n" in environment
    assert "hunter2" not in environment


def test_without_the_program_or_its_configuration_that_is_said(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda _name: None)
    assert refusal(plugins.open_place(f"rclone:disk:x?config={config}")).code == "no_rclone"
    monkeypatch.setattr("shutil.which", lambda _name: "/bin/false")
    assert refusal(plugins.open_place(f"rclone:disk:x?config={config}.not")).code == "no_config"


def test_a_program_that_is_not_rclone_says_nothing_that_we_read(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda _name: "/bin/echo")
    assert refusal(plugins.open_place(f"rclone:disk:x?config={config}")).code == "refused"


@needs_rclone
def test_a_remote_that_is_not_in_the_configuration_is_named(config: Path) -> None:
    error = refusal(plugins.open_place(f"rclone:nowhere:x?config={config}"))
    assert (error.code, error.values["remote"]) == ("no_remote", "nowhere")


def test_what_a_remote_kept_is_known_by_its_size_and_hash() -> None:
    md5 = {"md5": "827ccb0eea8a706c4c34a16891f84e7b"}
    assert ListedFile("a", 5).has(b"12345")
    assert ListedFile("a", 5, Hashes={**md5, "quickxor": "?", "sha1": ""}).has(b"12345")
    assert not ListedFile("a", 4).has(b"12345")
    assert not ListedFile("a", 5, Hashes=md5).has(b"12346")


@pytest.fixture
def webdav(tmp_path: Path, config: Path) -> Iterator[str]:
    """The URL of a place whose files lie behind WebDAV."""
    (tmp_path / "place").mkdir()
    port = free_port()
    command = ["rclone", "serve", "webdav", "--addr", f"127.0.0.1:{port}", "--config", str(config), "-v", "disk:"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        try:
            assert server.stderr
            assert any("Serving on" in line or "Server started" in line for line in iter(server.stderr.readline, ""))
            threading.Thread(target=server.stderr.read, daemon=True).start()
            config.with_name("dav.conf").write_text(
                f"[dav]\ntype = webdav\nvendor = other\nurl = http://127.0.0.1:{port}\n"
            )
            yield f"rclone:dav:north?config={config.with_name('dav.conf')}"
        finally:
            server.kill()


@needs_rclone
def test_files_go_to_a_remote_over_the_network(webdav: str, tmp_path: Path) -> None:
    with contextlib.closing(plugins.open_place(webdav)) as place:
        assert list(place.names("")) == []
        place.write(PIECE, bytes(1_000_000))
        place.write(PIECE, bytes(1_000_000))
        assert place.read(PIECE) == bytes(1_000_000)
        assert list(place.names("pieces")) == [(PIECE, 1_000_000)]
        with pytest.raises(plugins.PlaceError) as caught:
            place.write(PIECE, b"other")
        assert caught.value.code == "other_content"
        place.delete(PIECE)
        place.delete(PIECE)
        assert refusal(place).code == "not_there"
