"""SFTP: the server has to be the one that an admin confirmed."""

import contextlib
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from samizdat import plugins
from samizdat.places.sftp import SftpPlace
from scripts.test import find_tool
from tests.places.fakes import SECRET
from tests.places.openssh import FakeSftp, needs_sshd, ssh_key
from tests.ports import free_port

pytestmark = [pytest.mark.once, needs_sshd]

PIECE = "pieces/ab/ab12.age"


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[FakeSftp]:
    with contextlib.ExitStack() as cleaning:
        yield FakeSftp.start(tmp_path, cleaning)


def refusal(url: str, secret: str) -> plugins.PlaceError:
    with contextlib.closing(plugins.open_place(url, secret)) as place, pytest.raises(plugins.PlaceError) as caught:
        place.write(PIECE, b"1")
    return caught.value


def without_key(fake: FakeSftp) -> str:
    return fake.url.partition("?")[0]


def test_an_unknown_server_shows_its_fingerprint_and_gets_nothing_before_it_is_confirmed(fake: FakeSftp) -> None:
    error = refusal(without_key(fake), fake.secret)
    assert (error.code, error.values["fingerprint"]) == ("host_key_unknown", fake.server.fingerprint)
    assert str(error).startswith(
        f"The server 127.0.0.1:{fake.server.port} isn’t known yet. Its host key is {fake.server.fingerprint}"
    )
    with contextlib.closing(fake.open(f"{without_key(fake)}?host_key={error.values['fingerprint']}")) as place:
        place.write(PIECE, b"1")
    assert fake.files() == {PIECE: b"1"}


def test_a_server_with_another_key_gets_nothing(fake: FakeSftp, tmp_path: Path) -> None:
    other = ssh_key(tmp_path / "other")
    error = refusal(f"{without_key(fake)}?host_key={other}", fake.secret)
    assert error.code == "host_key_changed"
    assert str(error).startswith(f"The server 127.0.0.1:{fake.server.port} shows another host key")
    assert "nothing was sent" in str(error)
    assert fake.files() == {}


def test_any_of_a_servers_keys_may_be_the_confirmed_one(fake: FakeSftp, tmp_path: Path) -> None:
    shown = subprocess.run(
        ["ssh-keygen", "-lf", str(tmp_path / "sshd/host-rsa")], check=True, capture_output=True, text=True
    )
    with contextlib.closing(fake.open(f"{without_key(fake)}?host_key={shown.stdout.split()[1]}")) as place:
        place.write(PIECE, b"1")
    assert fake.files() == {PIECE: b"1"}


def test_a_key_that_the_server_does_not_know_is_rejected(fake: FakeSftp, tmp_path: Path) -> None:
    ssh_key(tmp_path / "strange")
    assert refusal(fake.url, (tmp_path / "strange").read_text()).code == "bad_login"
    assert refusal(fake.url, SECRET).code == "bad_login"


def test_a_key_with_a_passphrase_or_half_a_key_cannot_be_read(fake: FakeSftp, tmp_path: Path) -> None:
    key = tmp_path / "locked"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "passphrase", "-f", str(key)], check=True)
    assert refusal(fake.url, key.read_text()).code == "bad_key"
    assert refusal(fake.url, fake.secret[:100]).code == "bad_key"


def test_a_connection_that_was_lost_is_opened_again(fake: FakeSftp) -> None:
    place: Any = fake.open()
    assert isinstance(place, SftpPlace)
    with contextlib.closing(place):
        place.write(PIECE, b"1")
        place._session._connection.abort()
        assert place.read(PIECE) == b"1"


@pytest.mark.skipif(not find_tool("rclone"), reason="needs rclone (apt-get install rclone)")
def test_a_server_that_is_not_openssh_takes_a_password(tmp_path: Path) -> None:
    (tmp_path / "place").mkdir()
    fingerprint = ssh_key(tmp_path / "host")
    port = free_port()
    command = ["rclone", "serve", "sftp", "--addr", f"127.0.0.1:{port}", "--user", "ada", "--pass", SECRET]
    command += ["--key", str(tmp_path / "host"), "--config", str(tmp_path / "none"), "-v", str(tmp_path / "place")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        try:
            assert server.stderr
            assert any("listening on" in line for line in iter(server.stderr.readline, ""))
            threading.Thread(target=server.stderr.read, daemon=True).start()
            url = f"sftp://ada@127.0.0.1:{port}/?host_key={fingerprint}"
            assert refusal(url, "wrong").code == "bad_login"
            with contextlib.closing(plugins.open_place(url, SECRET)) as place:
                place.write(PIECE, bytes(1_000_000))
                assert place.read(PIECE) == bytes(1_000_000)
                assert list(place.names("")) == [(PIECE, 1_000_000)]
                with pytest.raises(plugins.PlaceError) as caught:
                    place.write(PIECE, b"other")
                assert caught.value.code == "other_content"
        finally:
            server.kill()
