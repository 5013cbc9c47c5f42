"""Charts: every message is in some bar, and the table says the same as the drawing."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

from samizdat.web.charts import GROUND, MOST_BARS, TOP, bar_parts, rate_chart

BEGIN = datetime(2026, 11, 25, 10, 0, tzinfo=UTC)


def test_nothing_sent_gives_no_chart() -> None:
    assert rate_chart([]) is None


def test_every_accepted_message_is_in_the_table() -> None:
    minutes = [(BEGIN + timedelta(minutes=n), "own" if n < 30 else "relay", n * 7) for n in range(400)]
    chart = rate_chart(minutes)
    assert chart is not None
    assert sum(total for _at, _counts, total in chart.rows) == sum(accepted for *_rest, accepted in minutes)
    assert len(chart.rows) <= MOST_BARS


def test_bars_stay_inside_the_drawing_and_stand_on_the_ground() -> None:
    chart = rate_chart([(BEGIN, "a", 9_999), (BEGIN, "b", 1), (BEGIN + timedelta(minutes=5), "b", 3)])
    assert chart is not None
    assert all(rect.y >= TOP - 1 and rect.y + rect.height <= GROUND + 1 for rect in chart.rects)


def test_a_short_campaign_has_a_bar_a_minute() -> None:
    chart = rate_chart([(BEGIN, "a", 1), (BEGIN + timedelta(minutes=MOST_BARS - 1), "a", 1)])
    assert chart is not None
    assert chart.span == 1


def test_the_bar_over_the_books_is_as_wide_as_the_books() -> None:
    books = SimpleNamespace(accepted=60, refused=10, unsure=5, suppressed=5, cancelled=0, deferred=10, pending=10)
    parts = bar_parts(books, 100)
    assert sum(width for _kind, _x, width in parts) == 1000
    assert bar_parts(books, 0) == []
