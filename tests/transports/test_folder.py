"""The folder as a way out."""

import errno
import os
from pathlib import Path

import pytest

from samizdat.core.mail.outcome import Deferred
from samizdat.plugins import read_url
from samizdat.transports.base import BadRoute
from samizdat.transports.providers.folder import FolderTransport
from tests.transports.desk import carry, letters, probe


def test_one_whole_file_a_message_and_no_name_tells_an_address(tmp_path: Path) -> None:
    sent = letters(50)
    desk, verdict = carry(f"folder://{tmp_path}", sent)
    assert verdict.state == "ok"
    assert len(desk.accepted) == 50
    files = sorted(tmp_path.iterdir())
    assert [file.read_bytes() for file in files] == [message.content for message in sent]
    assert all(file.suffix == ".eml" for file in files)
    assert not any("@" in file.name or "reader" in file.name for file in files)
    assert all(file.stat().st_mode & 0o077 == 0 for file in files)


def test_a_second_send_writes_over_nothing(tmp_path: Path) -> None:
    carry(f"folder://{tmp_path}", letters(5))
    carry(f"folder://{tmp_path}", letters(5))
    assert len(list(tmp_path.iterdir())) == 10


def test_a_folder_that_is_not_there_takes_the_route_down(tmp_path: Path) -> None:
    desk, verdict = carry(f"folder://{tmp_path}/gone", letters(1))
    assert (verdict.state, verdict.reason) == ("dead", "folder_missing")
    assert str(tmp_path / "gone") in verdict.sentence
    assert not desk.taken


@pytest.mark.parametrize(
    ("number", "state", "reason"),
    [
        (errno.EACCES, "dead", "folder_not_writable"),
        (errno.EROFS, "dead", "folder_not_writable"),
        (errno.ENOSPC, "throttled", "disk_full"),
        (errno.EIO, "throttled", "folder_failed"),
    ],
)
def test_what_cannot_be_written_is_deferred_and_takes_the_route_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, state: str, reason: str
) -> None:
    real, opened = os.open, []

    def fails_later(path: object, *more: object, **named: object) -> int:
        opened.append(path)
        if len(opened) > 3:
            raise OSError(number, os.strerror(number))
        return real(path, *more, **named)  # type: ignore[arg-type]

    monkeypatch.setattr("samizdat.transports.providers.folder.os.open", fails_later)
    desk, verdict = carry(f"folder://{tmp_path}", letters(10))
    assert (verdict.state, verdict.reason) == (state, reason)
    assert len(desk.accepted) == 2
    assert [type(desk.told[recipient]) for recipient in desk.deferred] == [Deferred]
    assert len(list(tmp_path.iterdir())) == 2
    assert probe(f"folder://{tmp_path}").reason == reason


def test_a_folder_needs_a_whole_path() -> None:
    for url in ("folder://srv/outbox", "folder:outbox", "folder://", "folder:///"):
        with pytest.raises(BadRoute):
            FolderTransport(read_url("main", url))


def test_a_path_may_hold_spaces(tmp_path: Path) -> None:
    (tmp_path / "out box").mkdir()
    desk, _ = carry(f"folder://{tmp_path}/out%20box", letters(1))
    assert len(desk.accepted) == 1
