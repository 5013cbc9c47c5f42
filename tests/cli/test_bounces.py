"""samizdat bounce read: what a script gets to read."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.core.bounce.messages import ADA, dsn, failed

FILES = Path(__file__).parents[1] / "payloads" / "bounces" / "sisimai"


def run(*words: str, stdin: bytes = b"", folder: Path) -> subprocess.CompletedProcess[bytes]:
    """Without a data folder, a key or a database."""
    environment = {"PATH": os.environ["PATH"], "SAMIZDAT_DATA": str(folder / "none"), "SAMIZDAT_USER": "root"}
    command = [sys.executable, "-m", "samizdat.cli", "bounce", "read", *words]
    root = Path(__file__).parents[2]
    return subprocess.run(command, input=stdin, capture_output=True, env=environment, cwd=root, timeout=60)


def test_each_message_is_one_line_with_what_the_contract_names(tmp_path: Path) -> None:
    names = [str(FILES / name) for name in ("lhost-exim-02.eml", "rhost-google-03.eml", "arf-16.eml", "rfc3834-01.eml")]
    result = run(*names, folder=tmp_path)
    assert result.returncode == 0, result.stderr
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["file"] for line in lines] == names
    assert [(line["kind"], line["status"], line["route_fault"]) for line in lines] == [
        ("hard", "5.1.1", False),
        ("soft", "5.7.26", True),
        ("complaint", None, False),
        ("auto-reply", None, False),
    ]
    assert lines[0]["recipient"] == "kijitora@example.jp"
    assert [event["recipient"] for event in lines[0]["events"]] == ["kijitora@example.jp", "sabatora@example.jp"]
    assert run("--json", *names, folder=tmp_path).stdout == result.stdout


def test_a_message_comes_from_standard_input(tmp_path: Path) -> None:
    line = json.loads(run("-", stdin=dsn(failed(ADA)), folder=tmp_path).stdout)
    assert (line["file"], line["kind"], line["recipient"]) == ("-", "hard", ADA)


def test_a_missing_file_is_a_failure_with_a_sentence(tmp_path: Path) -> None:
    result = run("nowhere.eml", folder=tmp_path)
    assert (result.returncode, result.stdout) == (1, b"")
    assert b"nowhere.eml" in result.stderr
    document = json.loads(run("nowhere.eml", "--json", folder=tmp_path).stdout)
    assert set(document) == {"error", "sentence"}


def test_a_folder_is_a_failure_with_a_sentence(tmp_path: Path) -> None:
    result = run(str(tmp_path), folder=tmp_path)
    assert (result.returncode, result.stdout) == (1, b"")


def test_a_message_of_50_mb_is_unreadable_and_holds_up_no_other(tmp_path: Path) -> None:
    (tmp_path / "big.eml").write_bytes(b"From: a@b.example\n\n" + b"x" * 50_000_000)
    (tmp_path / "fine.eml").write_bytes(dsn(failed(ADA)))
    result = run(str(tmp_path / "big.eml"), str(tmp_path / "fine.eml"), folder=tmp_path)
    big, fine = (json.loads(line) for line in result.stdout.splitlines())
    assert (big["kind"], big["reason"], fine["kind"]) == ("none", "unreadable", "hard")


def test_what_a_stranger_wrote_is_escaped(tmp_path: Path) -> None:
    raw = dsn("Final-Recipient: rfc822; ada\x1b]0;x\x07@reader.example\nAction: failed\nStatus: 5.1.1\n")
    assert b"\x1b" not in run("-", stdin=raw, folder=tmp_path).stdout
