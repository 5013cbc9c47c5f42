"""From how many spam reports on admins are told, and a list stops."""

import pytest

from samizdat.core.mail.complaint_rules import between, reached


@pytest.mark.parametrize(
    ("complaints", "delivered", "line"),
    [
        (1, 200, ""), (2, 200, ""), (3, 200, "alarm"), (4, 200, "alarm"), (5, 200, "stop"),
        (3, 3000, "alarm"), (3, 3001, ""), (9, 10_000, ""), (10, 10_000, "alarm"), (29, 10_000, "alarm"),
        (30, 10_000, "stop"), (0, 0, ""),
    ],
)  # fmt: skip
def test_a_tenth_of_a_percent_alarms_and_three_tenths_stop_but_never_one_of_few(
    complaints: int, delivered: int, line: str
) -> None:
    assert reached(complaints, delivered) == line


@pytest.mark.parametrize(
    ("complaints", "delivered", "low", "high"),
    [
        (2, 10_000, 0, 0.001),
        (2, 500, 0, 0.006),
        (12, 10_000, 0.001, 0.003),
        (4, 500, 0.006, 0.01),
        (40, 10_000, 0.003, None),
    ],
)
def test_a_hidden_number_of_complaints_is_between_the_lines_that_it_has_reached(
    complaints: int, delivered: int, low: float, high: float | None
) -> None:
    assert between(reached(complaints, delivered), delivered) == (low, high)
