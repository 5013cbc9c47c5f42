"""Sums of what readers did tell nobody what one of them did."""

from datetime import date

import pytest

from samizdat.core import totals


@pytest.mark.parametrize(
    ("count", "said"), [(0, 0), (24, 20), (25, 30), (994, 990), (999, 1000), (1000, 1000), (1003, 1003)]
)
def test_a_sum_below_a_thousand_is_rounded_to_tens(count: int, said: int) -> None:
    assert totals.rounded(count) == said


def test_no_span_of_days_has_fewer_than_two_hundred() -> None:
    days = {date(2026, 11, day): count for day, count in ((1, 150), (2, 49), (3, 1), (4, 204), (5, 199))}
    assert totals.spans(days) == [
        (date(2026, 11, 1), date(2026, 11, 3), 200),
        (date(2026, 11, 4), date(2026, 11, 5), 400),
    ]
    assert totals.spans({date(2026, 11, 1): 100, date(2026, 11, 2): 99}) == []


def test_places_are_read_as_they_were_written() -> None:
    assert totals.load(totals.dump(frozenset({2, 0, 10}))) == {0, 2, 10} and totals.load("") == frozenset()
