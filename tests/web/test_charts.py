"""Charts: every message is in some bar, and the table says the same as the drawing."""

from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace

from samizdat.web.charts import (
    BARS_LONG,
    DAY,
    FLOOR,
    GROUND,
    MOST_BARS,
    NAME_CHARACTERS,
    NARROW,
    TOP,
    bar_parts,
    bars,
    growth_chart,
    rate_chart,
)

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


def test_growth_stands_on_the_line_and_hangs_below_it() -> None:
    since = date(2026, 11, 1)
    days = [(since, 1_000, 3, 1), (since, 5, 0, 0), (date(2026, 11, 24), 0, 700, 40), (date(2027, 1, 1), 9, 9, 9)]
    chart = growth_chart(days, since, date(2026, 11, 25))
    assert chart is not None and chart.span == 1 and len(chart.rows) == 25
    assert chart.rows[0] == (since, 1_005, 3, 1) and chart.rows[23][1:] == (0, 700, 40)
    assert all(rect.y >= 0 and rect.y + rect.height <= FLOOR for rect in chart.rects)
    assert growth_chart([], since, since) is None
    month = growth_chart([(since, 1, 0, 0), (date(2026, 11, 30), 1, 0, 0)], since, date(2026, 11, 30))
    assert month is not None and 782 - 30 < month.rects[-1].x + month.rects[-1].width <= 782
    phone = growth_chart([(since, 1, 0, 0), (date(2026, 11, 30), 1, 0, 0)], since, date(2026, 11, 30), NARROW)
    assert phone is not None and phone.rows == month.rows and phone.rects[-1].x + phone.rects[-1].width <= NARROW
    assert phone.times[0] == (44, since) and all(x + DAY <= NARROW for x, _day in phone.times)
    year = growth_chart([(since, 1, 0, 0)], since, date(2027, 10, 31))
    assert year is not None and len(year.rows) <= MOST_BARS and year.span == 7


def test_names_that_are_too_long_to_stand_before_their_bars_stand_above_them() -> None:
    drawn = bars([("northern-lantern.example", (90, 10)), ("203.0.113.0/24" * 5, (0, 5))], names_above=True)
    assert {rect.x for rect in drawn.rects if rect.kind == "a"} == {0}
    for (y, name), rect in zip(drawn.names, [drawn.rects[0], drawn.rects[-1]], strict=True):
        assert y < rect.y and len(name) <= NAME_CHARACTERS
    assert drawn.box == f"0 0 {BARS_LONG} {drawn.height}" and drawn.rects[-1].y + drawn.rects[-1].height <= drawn.height
