"""Who gets letters gathered, and when."""

from datetime import UTC, datetime
from itertools import product
from zoneinfo import ZoneInfo

import pytest

from samizdat.core.content import digest

RIGA = ZoneInfo("Europe/Riga")


def test_every_letter_comes_once_whenever_a_reader_changes_their_mind() -> None:
    # A wish, a letter, a wish, a letter, and the digest of that round, which closes it; three rounds of that.
    for wishes in product(("", "all", "digest"), repeat=6):
        frequency, turn = digest.ALL, 0
        singly: set[bool] = set()
        for at, wish in enumerate(wishes):
            round = 1 + at // 2
            if wish:
                frequency, turn = digest.chosen(frequency, turn, round, wish)
            singly.add(not digest.in_digest(frequency, turn, round))
            if at % 2:
                assert singly == {not digest.in_digest(frequency, turn, round)}, wishes
                singly.clear()


def test_a_choice_counts_from_the_next_round_on() -> None:
    soon = digest.chosen(digest.ALL, 0, 3, "digest")
    assert soon == (digest.SOON, 4)
    assert [digest.in_digest(*soon, round) for round in (3, 4, 5)] == [False, True, True]
    again = digest.chosen(*soon, 5, "all")
    assert [digest.in_digest(*again, round) for round in (5, 6)] == [True, False]
    assert digest.chosen(*again, 5, "digest") == (digest.DIGEST, 5)
    assert digest.chosen(*soon, 3, "all") == (digest.ALL, 0)
    assert digest.chosen(*soon, 5, "monthly") == (digest.MONTHLY, 0)


@pytest.mark.parametrize(
    ("when", "now", "due"),
    [
        ("", "2026-11-25T12:00", None),
        ("day", "2026-11-25T06:59", "2026-11-25T07:00"),
        ("day", "2026-11-25T07:00", "2026-11-26T07:00"),
        ("fri", "2026-11-25T12:00", "2026-11-27T07:00"),
        ("fri", "2026-11-27T07:00", "2026-12-04T07:00"),
        ("month", "2026-11-25T12:00", "2026-12-01T07:00"),
        ("sun", "2026-03-27T12:00", "2026-03-29T06:00"),  # The night in which clocks go forward.
    ],
)
def test_a_digest_is_due_at_nine_by_the_clock_of_the_organization(when: str, now: str, due: str | None) -> None:
    found = digest.next_due(when, datetime.fromisoformat(now).replace(tzinfo=UTC), RIGA)
    assert (found.strftime("%Y-%m-%dT%H:%M") if found else None) == due
