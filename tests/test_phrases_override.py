"""A house says some words its own way."""

from pathlib import Path

import pytest

from samizdat import phrases_override

pytestmark = pytest.mark.once


def test_a_house_says_its_own_words_and_ours_where_it_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "uk.toml").write_text('[frame]\nless = "Писати рідше"\nleave = ""\n[digest]\nsubject = "Дайджест"\n')
    (tmp_path / "xx.toml").write_text("")
    assert phrases_override.words("uk")["frame.less"] == "Рідше або пауза"
    monkeypatch.setenv("SAMIZDAT_WORDS", str(tmp_path))
    assert phrases_override.words("uk-UA")["frame.less"] == "Писати рідше"
    assert (
        phrases_override.words("uk")["frame.leave"] == "Відписатися"
        and "%(list)s" in phrases_override.words("uk")["digest.subject"]
    )
    assert phrases_override.words("ru")["frame.less"] == "Настройки подписки"
    wrong = " ".join(phrases_override.wrong())
    assert "frame.leave" in wrong and "digest.subject needs %(list)s and %(day)s" in wrong and "no language xx" in wrong


def test_a_file_that_cannot_be_read_keeps_no_letter_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAMIZDAT_WORDS", str(tmp_path))
    (tmp_path / "de.toml").write_text("[frame\n")
    assert phrases_override.words("de")["frame.leave"] == "Abmelden"
    assert "cannot be read" in " ".join(phrases_override.wrong())
    monkeypatch.setenv("SAMIZDAT_WORDS", str(tmp_path / "gone"))
    assert (
        "is not there" in " ".join(phrases_override.wrong())
        and phrases_override.words("de")["frame.leave"] == "Abmelden"
    )


def test_a_mail_to_a_reader_is_in_their_language_or_in_that_of_the_organization() -> None:
    said = [phrases_override.words_to(language, "ru")["move.subject"] for language in ("uk", "ky", "en-GB", "sw", "")]
    assert said == [phrases_override.words(one)["move.subject"] for one in ("uk", "ru", "en", "ru", "ru")]
