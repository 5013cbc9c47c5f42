"""From how many spam reports on admins are told, and a list stops."""

import pytest

from samizdat.core.mail.complaint_rules import reached


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
