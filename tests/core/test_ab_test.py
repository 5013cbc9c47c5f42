"""Who gets which version of a letter, and which one wins."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from samizdat.core.ab_test import REST, VersionScore, draw, dump, group, load, marks, winner


@settings(max_examples=40)
@given(people=st.integers(1, 400), share=st.integers(2, 90), versions=st.integers(2, 4), edition=st.integers(0, 2**47))
def test_parts_are_equal_and_everybody_is_in_one_place(people: int, share: int, versions: int, edition: int) -> None:
    ends = load(dump(marks([draw(edition, n) for n in range(people)], share, versions)))
    found = [group(edition, number, ends) for number in range(people)]
    each = people * share // 100 // versions
    assert [found.count(version) for version in range(versions)] == [each] * versions
    assert found.count(REST) == people - each * versions


def test_a_large_part_is_cut_without_counting() -> None:
    ends = marks(None, 20, 2)
    found = [group(77, number, ends) for number in range(20_000)]
    assert 1850 < found.count(0) < 2150 and 1850 < found.count(1) < 2150
    assert found != [group(78, number, ends) for number in range(20_000)]  # Another letter, another draw.


@pytest.mark.parametrize(
    ("way", "scores", "won"),
    [
        ("replies", {0: VersionScore(100, replies=3), 1: VersionScore(50, replies=2)}, 1),
        ("unsubscribes", {0: VersionScore(100, unsubscribes=3), 1: VersionScore(100, unsubscribes=4)}, 0),
        ("clicks", {0: VersionScore(100, clicks=3), 1: VersionScore(100, clicks=3), 2: VersionScore(100, clicks=9)}, 2),
        ("replies", {0: VersionScore(100), 1: VersionScore(100)}, 0),
        ("unsubscribes", {0: VersionScore(0), 1: VersionScore(0)}, 0),
    ],
)
def test_the_best_share_wins_and_the_first_where_they_are_level(
    way: str, scores: dict[int, VersionScore], won: int
) -> None:
    assert winner(scores, way) == won
