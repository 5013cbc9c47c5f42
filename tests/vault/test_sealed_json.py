"""Sealed documents are read into the type of the app that owns them."""

from typing import Any

import pytest
from msgspec import Struct

from samizdat.vault import keyring
from samizdat.vault.errors import RecordBroken

pytestmark = [pytest.mark.django_db, pytest.mark.once]


class _Note(Struct, frozen=True):
    text: str = ""
    days: int = 0


def opened(organization: Any, value: object) -> _Note:
    keys = keyring.keys(organization)
    return keys.open_json(keys.seal_json(value, "note", "words", 7), "note", "words", 7, _Note)


def test_a_document_comes_back_as_it_was_written(lantern: Any) -> None:
    assert opened(lantern, _Note("Чайка", 3)) == _Note("Чайка", 3)


def test_what_a_newer_version_wrote_beside_it_is_passed_over(lantern: Any) -> None:
    assert opened(lantern, {"text": "News", "color": "red"}) == _Note("News")


def test_an_empty_column_says_nothing(lantern: Any) -> None:
    assert keyring.keys(lantern).open_json(b"", "note", "words", 7, _Note) == _Note()


@pytest.mark.parametrize("value", [{"days": "three"}, {"text": None}, [1], "News", None, {"days": 1.5}])
def test_a_document_of_another_shape_is_refused_with_one_sentence_that_says_nothing_of_it(
    lantern: Any, value: object
) -> None:
    with pytest.raises(RecordBroken) as refused:
        opened(lantern, value)
    sentence = "The sealed record note.words 7 is not what this version writes. Run the version that wrote it."
    assert str(refused.value) == sentence
