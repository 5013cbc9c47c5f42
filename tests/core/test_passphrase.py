"""A passphrase opens its key file wherever it is typed, and nothing else opens it."""

import re
import unicodedata
from pathlib import Path

import pytest

from samizdat.core.crypto import passphrase
from samizdat.core.crypto.passphrase import Cost, NoMemory, PassphraseError, PassphraseWrong, WrappedKey

DOCS = (Path(__file__).parents[2] / "docs" / "key-formats.md").read_text()
KEY, SALT, NONCE = bytes(range(32)), bytes(range(16)), bytes(range(12))
CHEAP = Cost(64, 1, 1)
TYPED = "Шесть слов, ещё й и ❤\ufe0f ﬁn"


def wrapped(typed: str) -> WrappedKey:
    return passphrase.WrappedKey.wrap(KEY, typed, "abcde-fghij", SALT, NONCE, CHEAP)


@pytest.mark.parametrize(
    "typed",
    [
        unicodedata.normalize("NFD", TYPED),
        unicodedata.normalize("NFC", TYPED),
        TYPED.replace("\ufe0f", ""),
        TYPED.replace("ﬁ", "fi"),
        TYPED.replace(" ", "\u00a0"),
        f"\ufeff {TYPED.replace(' ', '  ')} \r\n",
        TYPED.replace("Ш", "\u200bШ"),
    ],
    ids=["nfd", "nfc", "no variation selector", "no ligature", "no-break spaces", "pasted from a file", "invisible"],
)
def test_a_passphrase_opens_whatever_keyboard_it_is_typed_on(typed: str) -> None:
    assert wrapped(TYPED).open(typed) == KEY


@pytest.mark.parametrize("typed", ["", TYPED.lower(), TYPED.replace("ё", "е"), TYPED.replace(",", "")])
def test_another_passphrase_opens_nothing(typed: str) -> None:
    with pytest.raises(PassphraseWrong, match="Caps Lock"):
        wrapped(TYPED).open(typed)


def test_the_key_file_of_the_handbook_opens_with_its_passphrase() -> None:
    text = re.search(r"```\n(samizdat wrapped .*?)```", DOCS, re.DOTALL)
    assert text is not None
    file = WrappedKey.parsed(text[1])
    assert file.open("correct horse battery staple") == KEY
    assert file.cost == Cost()
    assert file.text == text[1]


def test_a_key_file_is_read_as_editors_and_people_leave_it() -> None:
    text = wrapped(TYPED).text
    assert WrappedKey.parsed("\n" + text.upper().replace("\n", "\r\n")).open(TYPED) == KEY


def test_of_a_key_file_no_line_can_be_changed() -> None:
    lines = wrapped(TYPED).text.splitlines()
    for number, other in ((1, "installation zzzzz-fghij"), (2, lines[2].replace(" 64 1 1", " 64 2 1"))):
        changed = [*lines[:number], other, *lines[number + 1 :]]
        with pytest.raises(PassphraseWrong):
            WrappedKey.parsed("\n".join(changed)).open(TYPED)


@pytest.mark.parametrize(
    "cost", ["4194305 1 1", "64 65 1", "1024 1 65", "64 0 1", "7 1 1", "-64 1 1", "64 1", "many 1 1"]
)
def test_a_key_file_that_would_fill_the_memory_is_none(cost: str) -> None:
    with pytest.raises(ValueError):
        WrappedKey.parsed(wrapped(TYPED).text.replace("64 1 1", cost))


@pytest.mark.parametrize("lost", [0, 1, 2, 3])
def test_a_key_file_without_one_of_its_lines_is_none(lost: int) -> None:
    lines = wrapped(TYPED).text.splitlines()
    with pytest.raises(ValueError):
        WrappedKey.parsed("\n".join(lines[:lost] + lines[lost + 1 :]))


@pytest.mark.parametrize("typed", ["too short", "aaaaaaaaaaaaaaaaaaaaaaa", " " * 20, "\u200b" * 20])
def test_a_passphrase_that_is_easily_guessed_is_refused(typed: str) -> None:
    with pytest.raises(PassphraseError, match="16 characters"):
        passphrase.check_new(typed)


@pytest.mark.parametrize("odd", ["\x07", "\ue000", "\U0003ffff"], ids=["bell", "private use", "not in Unicode yet"])
def test_a_new_passphrase_has_nothing_that_may_be_another_character_next_year(odd: str) -> None:
    with pytest.raises(PassphraseError, match="typed reliably"):
        passphrase.check_new(f"correct horse battery {odd}")


def test_a_new_passphrase_may_have_any_script_and_emoji() -> None:
    passphrase.check_new("шесть несвязанных слов 🦉")
    passphrase.check_new("正しい馬の電池のホチキスと五つの言葉")


def test_half_a_character_is_one_sentence() -> None:
    with pytest.raises(PassphraseError, match="UTF-8"):
        passphrase.normalized("correct horse \udcd0")


def test_a_machine_without_enough_memory_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    import argon2.low_level
    from argon2.exceptions import HashingError

    def refused(*_arguments: object) -> bytes:
        raise HashingError("Memory allocation error")

    monkeypatch.setattr(argon2.low_level, "hash_secret_raw", refused)
    with pytest.raises(NoMemory, match="256 MiB"):
        passphrase.key_of(TYPED, SALT, Cost())
