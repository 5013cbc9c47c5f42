"""A place of backups is opened with what its password file has."""

from pathlib import Path

import pytest

from samizdat import plugins
from samizdat.cli import backup_place

KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjE\n-----END OPENSSH PRIVATE KEY-----\n"


@pytest.mark.parametrize(("text", "secret"), [("a lamp\nand a note\n", "a lamp"), (KEY, KEY)])
def test_a_password_is_the_first_line_and_a_private_key_is_all_of_its_file(
    text: str, secret: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[tuple[str, str]] = []
    monkeypatch.setattr(plugins, "open_place", lambda url, given: opened.append((url, given)))
    (tmp_path / "password").write_text(text)
    backup_place.opened("sftp://ada@b.example/backups", str(tmp_path / "password"))
    assert opened == [("sftp://ada@b.example/backups", secret)]
