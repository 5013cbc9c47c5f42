"""What a server remembers of the stops of its key services."""

from pathlib import Path

import pytest

from samizdat.vault.sources import service_stops
from samizdat.vault.sources.service_stops import FILE, remember, was_missed, was_stopped


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(service_stops, "data_folder", lambda: tmp_path)
    return tmp_path


def test_what_was_heard_first_is_no_stop_and_more_is_one(folder: Path) -> None:
    assert not was_missed({"north": 4})
    remember({"north": 4})
    assert not was_missed({"north": 4}) and was_missed({"north": 5})
    remember({"north": 5, "harbor": 1})
    assert not was_missed({"harbor": 1}), "one of two that isn't reached says nothing"
    assert was_missed({"north": 5, "harbor": 2})
    assert (folder / FILE).stat().st_mode & 0o777 == 0o600


def test_a_service_that_counts_anew_is_no_stop_and_its_next_one_is(folder: Path) -> None:
    remember({"north": 4})
    assert not was_missed({"north": 0})
    remember({"north": 0})
    assert was_missed({"north": 1})


@pytest.mark.parametrize("text", ["", "{", "[]", '{"north": "4"}', '{"north": true}', "null", "[" * 100_000])
def test_where_what_was_heard_is_damaged_a_stop_may_have_been_missed(folder: Path, text: str) -> None:
    (folder / FILE).write_text(text)
    assert was_missed({"north": 0})
    remember({"north": 0})
    assert not was_missed({"north": 0}) and [path.name for path in folder.iterdir()] == [FILE]


def test_what_was_half_written_before_is_written_anew(folder: Path) -> None:
    (folder / f"{FILE}.new").write_text("{")
    remember({"north": 1})
    assert was_missed({"north": 2}) and [path.name for path in folder.iterdir()] == [FILE]


def test_between_two_answers_more_of_any_service_is_a_stop() -> None:
    assert was_stopped({"north": 1, "harbor": 1}, {"north": 1, "harbor": 2})
    assert not was_stopped({"north": 1}, {"north": 1, "harbor": 9})
