"""Which version of a letter a reader gets by their language."""

import pytest

from samizdat.core.languages import CODE, direction, dump, load, place_of

VERSIONS = ("en", "ru", "pt", "zh-hant", "pt-br")


@pytest.mark.once
@pytest.mark.parametrize(
    ("said", "place"),
    [
        ("ru", 1),
        ("ru-UA", 1),
        ("RU_ua", 1),
        ("pt-BR", 4),
        ("pt-PT", 2),
        ("zh-hans", None),
        ("zh", None),
        ("en-GB", 0),
        ("de", None),
        ("", None),
    ],
)
def test_a_reader_gets_their_own_language_then_its_base_then_the_fallback(said: str, place: int | None) -> None:
    assert place_of(said, VERSIONS) == place


@pytest.mark.once
def test_languages_are_kept_by_place_and_known_by_their_codes() -> None:
    assert load(dump(VERSIONS)) == VERSIONS and load("") == ()
    assert [direction(code) for code in ("fa", "ckb", "he-IL", "ru", "en")] == ["rtl", "rtl", "rtl", "ltr", "ltr"]
    assert all(CODE.fullmatch(code) for code in ("de", "pt-br", "zh-hant", "ckb", "es-419"))
    assert not any(CODE.fullmatch(code) for code in ("", "e", "en,ru", "english-uk", "de\n", "../x"))
