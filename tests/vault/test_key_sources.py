"""The instance key comes from a file, a file with a passphrase, or a command; what fails says what to do next."""

import os
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest

from samizdat.core.crypto import passphrase as crypto
from samizdat.core.crypto.passphrase import Cost
from samizdat.options import BadOption
from samizdat.vault import sources
from samizdat.vault.errors import KeyCommandFailed, KeyFileBroken, KeyFileMissing, PassphraseNeeded, PassphraseRefused
from samizdat.vault.sources import command, passphrase
from samizdat.vault.sources.key_file import new_instance_key, text_of, write_key_text

KEY = bytes(range(32))
TYPED = "шесть слов о чём-то своём 🦉"


@pytest.fixture(autouse=True)
def key_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SAMIZDAT_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(passphrase, "_ask", None)
    return tmp_path / "data.key"


@pytest.fixture
def protected(key_path: Path) -> Path:
    """A key file with a passphrase."""
    write_key_text(
        key_path, crypto.WrappedKey.wrap(KEY, TYPED, "abcde-fghij", bytes(16), bytes(12), Cost(64, 1, 1)).text
    )
    return key_path


def prints(text: str, tmp_path: Path) -> str:
    (tmp_path / "printed").write_text(text)
    return f"cat '{tmp_path / 'printed'}'"


# -- a file ------------------------------------------------------------------------------------------------------------


def test_a_key_file_is_read(key_path: Path) -> None:
    key = new_instance_key(key_path)
    assert sources.check() == "file"
    assert sources.instance_key() == key


def test_a_lost_key_file_says_what_still_helps() -> None:
    with pytest.raises(KeyFileMissing, match=r"the copy you saved.*keys recover.*nothing can be read"):
        sources.instance_key()


@pytest.mark.parametrize("text", ["", "samizdat instance key 1\n", "samizdat wrapped instance key 1\nabc", "x" * 100])
def test_a_damaged_key_file_is_one_sentence(key_path: Path, text: str) -> None:
    write_key_text(key_path, text)
    with pytest.raises(KeyFileBroken, match="Put back the copy"):
        sources.instance_key()
    with pytest.raises(KeyFileBroken):
        sources.check()


def test_no_key_file_is_written_over_another(key_path: Path) -> None:
    key = new_instance_key(key_path)
    with pytest.raises(FileExistsError):
        write_key_text(key_path, text_of(KEY))
    assert sources.instance_key() == key


# -- a passphrase ------------------------------------------------------------------------------------------------------


def test_a_passphrase_is_asked_for_and_typed_again_when_it_was_wrong(protected: Path) -> None:
    answers = iter(["not this one", unicodedata.normalize("NFD", TYPED)])
    asked: list[str] = []

    def answer(question: str) -> str:
        asked.append(question)
        return next(answers)

    passphrase.ask_by(answer)
    assert sources.instance_key() == KEY
    assert asked == [
        f"Passphrase of the key file {protected}: ",
        f"This isn't it. Passphrase of the key file {protected}: ",
    ]


@pytest.mark.usefixtures("protected")
def test_after_three_wrong_passphrases_it_ends_with_a_sentence() -> None:
    asked: list[str] = []
    passphrase.ask_by(lambda question: asked.append(question) or "not this one")
    with pytest.raises(PassphraseRefused, match="Caps Lock"):
        sources.instance_key()
    assert len(asked) == 3


@pytest.mark.usefixtures("protected")
def test_where_nobody_can_be_asked_the_option_is_named() -> None:
    assert sources.check() == "passphrase"
    with pytest.raises(PassphraseNeeded, match="SAMIZDAT_PASSPHRASE_FILE"):
        sources.instance_key()


@pytest.mark.usefixtures("protected")
@pytest.mark.parametrize("written", [TYPED, f"\ufeff{TYPED}\r\nsecond line", f"{TYPED}\n"])
def test_a_passphrase_is_read_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: str) -> None:
    write_key_text(tmp_path / "passphrase", written)
    monkeypatch.setenv("SAMIZDAT_PASSPHRASE_FILE", str(tmp_path / "passphrase"))
    assert sources.instance_key() == KEY


@pytest.mark.usefixtures("protected")
def test_a_passphrase_is_read_from_a_descriptor(monkeypatch: pytest.MonkeyPatch) -> None:
    reads, writes = os.pipe()
    os.write(writes, TYPED.encode())
    os.close(writes)
    monkeypatch.setenv("SAMIZDAT_PASSPHRASE_FILE", f"/dev/fd/{reads}")
    assert sources.instance_key() == KEY
    os.close(reads)


@pytest.mark.usefixtures("protected")
def test_a_file_that_was_opened_as_root_is_read_after_serve_is_somebody_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "passphrase"
    write_key_text(file, TYPED)
    monkeypatch.setenv("SAMIZDAT_PASSPHRASE_FILE", str(file))
    passphrase.hold_file()
    file.unlink()
    assert sources.instance_key() == KEY


@pytest.mark.usefixtures("protected")
@pytest.mark.parametrize(
    ("written", "mode", "sentence"),
    [
        (b"not this one", 0o600, "Caps Lock"),
        (TYPED.encode(), 0o644, "chmod 600"),
        (TYPED.encode("koi8-r", "replace"), 0o600, "UTF-8"),
        (b"\n" + TYPED.encode(), 0o600, "first line"),
        (b"", 0o600, "first line"),
    ],
    ids=["another", "open to others", "another encoding", "empty line", "empty"],
)
def test_a_passphrase_file_that_will_not_do_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: bytes, mode: int, sentence: str
) -> None:
    file = tmp_path / "passphrase"
    file.write_bytes(written)
    file.chmod(mode)
    monkeypatch.setenv("SAMIZDAT_PASSPHRASE_FILE", str(file))
    with pytest.raises((PassphraseNeeded, PassphraseRefused), match=sentence):
        sources.instance_key()


@pytest.mark.usefixtures("protected")
def test_a_passphrase_file_that_is_not_there_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAMIZDAT_PASSPHRASE_FILE", "/nowhere/passphrase")
    passphrase.hold_file()
    with pytest.raises(PassphraseNeeded, match="No such file"):
        sources.instance_key()


# -- a command ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("written", [text_of(KEY), text_of(KEY).upper().replace("\n", "\r\n"), f"\n{text_of(KEY)}\n"])
def test_a_command_prints_the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: str) -> None:
    monkeypatch.setenv("SAMIZDAT_KEY_COMMAND", prints(written, tmp_path))
    assert sources.check() == "command"
    assert sources.instance_key() == KEY


def test_a_command_runs_once_and_its_errors_are_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    prints(text_of(KEY), tmp_path)
    script = f"echo ran >> '{tmp_path / 'runs'}'; echo touch the card >&2; cat '{tmp_path / 'printed'}'"
    (tmp_path / "script").write_text(script)
    monkeypatch.setenv("SAMIZDAT_KEY_COMMAND", f"sh '{tmp_path / 'script'}'")
    assert sources.open_here().derive("wrap")
    assert (tmp_path / "runs").read_text() == "ran\n"
    assert capfd.readouterr().err == "touch the card\n"


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("true", "printed nothing"),
        ("sh -c 'exit 3'", r"failed \(exit code 3\)"),
        ("false", r"failed \(exit code 1\)"),
        ("yes", "isn't a key file"),
        ("echo hunter2", "isn't a key file"),
        ("/nowhere/age -d", "can't be started"),
        ("sh -c 'unbalanced", "quotation marks"),
        ("   ", "quotation marks"),
    ],
)
def test_a_command_that_gives_no_key_is_one_sentence(monkeypatch: pytest.MonkeyPatch, line: str, sentence: str) -> None:
    monkeypatch.setenv("SAMIZDAT_KEY_COMMAND", line)
    with pytest.raises(KeyCommandFailed, match=sentence) as error:
        sources.instance_key()
    assert "hunter2" not in str(error.value)


def test_a_command_that_prints_two_keys_is_told_to_print_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAMIZDAT_KEY_COMMAND", prints(text_of(KEY) + text_of(KEY), tmp_path))
    with pytest.raises(KeyCommandFailed, match="more than one key"):
        sources.instance_key()


def test_a_command_that_prints_a_key_file_with_a_passphrase_is_told_so(
    protected: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAMIZDAT_KEY_COMMAND", f"cat '{protected}'")
    with pytest.raises(KeyCommandFailed, match="with a passphrase"):
        sources.instance_key()


@pytest.mark.parametrize("line", ["sleep 600", "sh -c 'sleep 600 & exit 0'", "sh -c 'exec 1>&-; sleep 600'"])
def test_a_command_that_hangs_is_stopped(monkeypatch: pytest.MonkeyPatch, line: str) -> None:
    monkeypatch.setattr(command, "PATIENCE", 0.2)
    monkeypatch.setenv("SAMIZDAT_KEY_COMMAND", line)
    with pytest.raises(KeyCommandFailed, match=r"didn't end|printed nothing"):
        sources.instance_key()


def test_a_command_cannot_read_what_the_caller_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAMIZDAT_KEY_COMMAND", "cat")
    with pytest.raises(KeyCommandFailed, match="printed nothing"):
        sources.instance_key()


@pytest.mark.parametrize("look", [sources.check, sources.instance_key])
def test_a_file_and_a_command_together_are_refused(monkeypatch: pytest.MonkeyPatch, look: Callable[[], object]) -> None:
    monkeypatch.setenv("SAMIZDAT_KEY_COMMAND", "true")
    monkeypatch.setenv("SAMIZDAT_KEY_FILE", "/srv/samizdat.key")
    with pytest.raises(BadOption, match="Remove the one"):
        look()
