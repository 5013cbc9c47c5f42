"""Each process is told the keys of its role, and is refused all others."""

import base64
import contextlib
import json
import socket
import stat
from pathlib import Path
from typing import Any

import pytest

from samizdat.vault import purposes
from samizdat.vault.errors import KeyFileOpen, KeyRefused
from samizdat.vault.keyserver import MOST_HANDED_IN, SECRET_NAME, SOCKET_NAME, KeyServer, SocketSource
from samizdat.vault.source import InstanceSource, new_instance_key, read_key_file
from tests.conftest import INSTANCE_KEY

SOURCE = InstanceSource(INSTANCE_KEY)
LINKS = [{"organisation": "00", "number": 1, "keys": {}}]
KINDS = ("data", "index", "link", "box", "proof")
PURPOSES = tuple(purposes.PURPOSES)
# What the worker never needs: who signs in, and by what.
OF_THE_WORKER = ("django secret", "people", "grants", "recipient keys", "events", "consent records", "log", "location")


@pytest.fixture
def server() -> KeyServer:
    return KeyServer(SOURCE, lambda: LINKS)


def ask(server: KeyServer, role: str, **question: Any) -> dict[str, Any]:
    return server._answer(json.dumps(question).encode(), role)


def wrapped(label: str) -> str:
    return base64.b64encode(SOURCE.wrap(label, b"secret")).decode()


@pytest.mark.parametrize(
    ("role", "kinds", "purposes", "wraps", "links"),
    [
        ("desk", KINDS, PURPOSES, KINDS, False),
        ("worker", KINDS, OF_THE_WORKER, (), False),
        ("sender", ("data", "link", "proof"), ("log", "location"), (), False),
        ("public", (), (), (), True),
    ],
)
def test_a_process_gets_what_its_role_needs_and_no_more(
    server: KeyServer, role: str, kinds: tuple[str, ...], purposes: tuple[str, ...], wraps: tuple[str, ...], links: bool
) -> None:
    opened = [kind for kind in KINDS if "key" in ask(server, role, unwrap=wrapped(f"{kind}:1"), label=f"{kind}:1")]
    derived = [purpose for purpose in PURPOSES if "key" in ask(server, role, derive=purpose)]
    secret = base64.b64encode(b"secret").decode()
    closed = [kind for kind in KINDS if "wrapped" in ask(server, role, wrap=secret, label=f"{kind}:1")]
    told = "links" in ask(server, role, links=True)
    assert (tuple(opened), tuple(derived), tuple(closed), told) == (kinds, purposes, wraps, links)


@pytest.mark.parametrize("role", ["desk", "public"])
def test_nobody_is_given_the_instance_key_or_a_purpose_of_their_own(server: KeyServer, role: str) -> None:
    for question in ({"derive": "wrap"}, {"derive": ""}, {"unwrap": "", "label": "instance:1"}, {}):
        assert set(ask(server, role, **question)) == {"error"}


def test_a_process_that_never_ends_its_line_is_hung_up_on_and_fills_no_memory(server: KeyServer) -> None:
    ours, theirs = socket.socketpair()
    server.serve(ours, "public")
    with theirs:
        theirs.settimeout(60)
        theirs.sendall(b"x" * MOST_HANDED_IN)
        # Linux says "reset" where the other end left bytes unread.
        with contextlib.suppress(ConnectionResetError):
            assert theirs.recv(1) == b""
        with pytest.raises(OSError, match=r"pipe|reset"):
            theirs.sendall(b"x" * 1_000_000)


def test_no_other_user_of_the_machine_may_ask(server: KeyServer, tmp_path: Path) -> None:
    server.listen(tmp_path)
    for name in (SOCKET_NAME, SECRET_NAME):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) & 0o077 == 0


def test_a_process_of_our_user_that_can_read_no_file_of_the_folder_gets_no_key(
    server: KeyServer, tmp_path: Path
) -> None:
    server.listen(tmp_path)
    asked = SocketSource.running(tmp_path)
    assert asked is not None and asked.derive("session keys") == SOURCE.derive("session keys")
    (tmp_path / SECRET_NAME).write_text("0" * 64 + "\n")
    guessed = SocketSource.running(tmp_path)
    assert guessed is not None
    with pytest.raises(KeyRefused):
        guessed.derive("session keys")


def test_no_other_user_of_the_machine_reads_a_new_key_file(tmp_path: Path) -> None:
    new_instance_key(tmp_path / "data.key")
    assert stat.S_IMODE((tmp_path / "data.key").stat().st_mode) == 0o600


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_key_file_that_others_may_open_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "data.key"
    key = new_instance_key(path)
    assert read_key_file(path) == key
    path.chmod(mode)
    with pytest.raises(KeyFileOpen, match="chmod 600"):
        read_key_file(path)
