"""Charts as numbers for an SVG template: no library, no script, and the same figures in a table beside."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import NamedTuple

from samizdat.core.mail import complaint_rules
from samizdat.core.mail.ledger import LedgerTotals
from samizdat.formatting import percent

# The drawing of the shared interface: 782 wide, bars 11 in steps of 14, the ground line at 170.
WIDTH, LEFT, GROUND, TOP, BOTTOM = 782, 40, 170, 20, 205
STEP, BAR = 14, 11
MOST_BARS = (WIDTH - LEFT) // STEP
CLASSES = ("a", "b", "c")


@dataclass(frozen=True, slots=True)
class ChartRect:
    x: int
    y: int
    width: int
    height: int
    kind: str


@dataclass(slots=True)
class Chart:
    """`span`: minutes that one bar stands for. `rows`: (begin, [count by route], total), as the table shows them."""

    routes: list[str]
    span: int
    rects: list[ChartRect] = field(default_factory=list)
    lines: list[tuple[int, int, int]] = field(default_factory=list)  # y, y of the text, count
    times: list[tuple[int, datetime]] = field(default_factory=list)
    rows: list[tuple[datetime, list[int], int]] = field(default_factory=list)
    best: int = 0

    @property
    def box(self) -> str:
        """What of the drawing is shown: from just above its highest part, so that no empty paper stands over it."""
        top = min([rect.y for rect in self.rects] + [y for y, _text, _count in self.lines]) - 10
        return f"0 {top} {WIDTH} {BOTTOM - top}"

    @property
    def legend(self) -> list[tuple[str, str]]:
        return [(kind_of(place), name) for place, name in enumerate(self.routes)]


def kind_of(place: int) -> str:
    return CLASSES[min(place, len(CLASSES) - 1)]


def rate_chart(minutes: Iterable[tuple[datetime, str, int]]) -> Chart | None:
    """Accepted messages as stacked bars over time. `minutes`: (minute, route, accepted). None: nothing yet."""
    rows = sorted(minutes, key=lambda row: row[0])
    if not rows:
        return None
    first, last = rows[0][0], rows[-1][0]
    whole = int((last - first).total_seconds() // 60) + 1
    span = -(-whole // MOST_BARS)
    routes = sorted({route for _minute, route, _count in rows})
    chart = Chart(routes, span)
    bars = -(-whole // span)
    table = [[0] * len(routes) for _ in range(bars)]
    for minute, route, accepted in rows:
        place = int((minute - first).total_seconds() // 60) // span
        table[place][routes.index(route)] += accepted
    _draw(chart, table, first)
    return chart


def _draw(chart: Chart, table: list[list[int]], first: datetime) -> None:
    best = chart.best = max(sum(row) for row in table)
    ceiling = _round_up(best)
    scale = (GROUND - TOP) / ceiling
    for place, counts in enumerate(table):
        x, ground = LEFT + 4 + place * STEP, float(GROUND)
        for route, accepted in enumerate(counts):
            height = accepted * scale
            if height >= 0.5:
                chart.rects.append(ChartRect(x, round(ground - height), BAR, max(1, round(height)), kind_of(route)))
            ground -= height
        begin = first + timedelta(minutes=place * chart.span)
        chart.rows.append((begin, counts, sum(counts)))
        if place % 15 == 0:
            chart.times.append((x, begin))
    for part in (1, 2, 3):
        y = round(GROUND - scale * ceiling * part / 4)
        chart.lines.append((y, y + 4, ceiling * part // 4))


def _round_up(number: int) -> int:
    """The next of 4, 8, 20, 40, 80, 200 …: divides into four whole parts."""
    size = 4
    while True:
        for factor in (1, 2, 5):
            if size * factor >= number:
                return size * factor
        size *= 10


# Of the drawing of growth: the ground line, and how far bars rise above it and hang below it.
MIDDLE, RISE, HANG, FLOOR = 150, 130, 70, 240
# As wide as a phone; and how much of the width the day under a bar takes, and may be apart from the next one.
NARROW, DAY, DAYS_APART = 340, 72, {WIDTH: 140, 340: 100}


@dataclass(slots=True)
class GrowthChart:
    """Bars of days: who joined stands on the line, who left or was found dead hangs below it.

    `span`: days that one bar stands for. `rows`: (begin, joined, left, cleaned) of each bar, as the table shows them.
    """

    span: int
    width: int = WIDTH
    rects: list[ChartRect] = field(default_factory=list)
    lines: list[tuple[int, int, int]] = field(default_factory=list)  # y, y of the text, count
    times: list[tuple[int, date]] = field(default_factory=list)
    rows: list[tuple[date, int, int, int]] = field(default_factory=list)
    best: int = 0

    @property
    def box(self) -> str:
        return f"0 0 {self.width} {FLOOR}"


def growth_chart(
    days: Iterable[tuple[date, int, int, int]], since: date, until: date, width: int = WIDTH
) -> GrowthChart | None:
    """`days`: (day, joined, left, cleaned), a day as often as there are ways. None: nothing happened. `width`: WIDTH,
    or NARROW with the same bars closer."""
    whole = (until - since).days + 1
    chart = GrowthChart(span=-(-whole // MOST_BARS), width=width)
    table = [[0, 0, 0] for _ in range(-(-whole // chart.span))]
    for day, *counts in days:
        if since <= day <= until:
            sums = table[(day - since).days // chart.span]
            for place, many in enumerate(counts):
                sums[place] += many
    if not any(map(any, table)):
        return None
    up, down = max(row[0] for row in table), max(row[1] + row[2] for row in table)
    # One scale for both halves, so that a bar above and one below can be compared.
    ceiling = _round_up(max(up, down * RISE // HANG, 1))
    scale = RISE / ceiling
    # The whole width, so that the last bar stands at its end: what is empty beside it would look like days to come.
    step = (width - LEFT - 4) / len(table)
    bar = round(step * BAR / STEP)
    for place, (joined, left, cleaned) in enumerate(table):
        x = LEFT + 4 + round(place * step)
        begin = since + timedelta(days=place * chart.span)
        chart.rows.append((begin, joined, left, cleaned))
        _hang(chart, (x, bar), joined * scale, left * scale, cleaned * scale)
        if place % max(1, round(DAYS_APART[width] / step)) == 0 and x + DAY <= width:
            chart.times.append((x, begin))
    chart.best = up
    for part in (1, 2, 3, 4):
        y = round(MIDDLE - RISE * part / 4)
        chart.lines.append((y, y + 4, ceiling * part // 4))
    return chart


def _hang(chart: GrowthChart, at: tuple[int, int], joined: float, left: float, cleaned: float) -> None:
    """A bar of one day, both halves; what happened at all is seen. at: x and width."""
    x, width = at
    if joined:
        height = max(1, round(joined))
        chart.rects.append(ChartRect(x, MIDDLE - height, width, height, "a"))
    y = MIDDLE + 1
    for kind, size in (("b", left), ("c", cleaned)):
        if size:
            height = max(1, round(size))
            chart.rects.append(ChartRect(x, y, width, height, kind))
            y += height


# Of the size of a list over time: the drawing of the shared interface, 300 wide, the ground line at 122.
SIZE_LEFT, SIZE_RIGHT, SIZE_TOP, SIZE_GROUND = 52, 298, 23, 122


@dataclass(slots=True)
class SizeChart:
    """`path`: of the line, `area`: of what lies below it. `lines`: (y, y of the text, count)."""

    path: str
    area: str
    end: tuple[float, float]
    lines: list[tuple[float, float, int]]
    days: tuple[date, date, date]
    first: int
    last: int


def size_chart(sizes: Sequence[int], until: date) -> SizeChart | None:
    """`sizes`: at the end of each day, the last one of `until`. None: it never had anybody."""
    if len(sizes) < 2 or not max(sizes):
        return None
    lowest, highest = min(sizes), max(sizes)
    step = _round_up(-(-(highest - lowest) // 8) or 1)
    floor = lowest // step * step
    scale = (SIZE_GROUND - SIZE_TOP) / max(1, highest - floor)
    across = (SIZE_RIGHT - SIZE_LEFT) / (len(sizes) - 1)
    points = [
        (round(SIZE_LEFT + place * across, 1), round(SIZE_GROUND - (size - floor) * scale, 1))
        for place, size in enumerate(sizes)
    ]
    path = "M" + "L".join(f"{x} {y}" for x, y in points)
    lines = [
        (round(SIZE_GROUND - (size - floor) * scale, 1), round(SIZE_GROUND - (size - floor) * scale + 4, 1), size)
        for size in range(floor + step, highest + 1, step)
    ][:4]
    since = until - timedelta(days=len(sizes) - 1)
    days = (since, since + (until - since) // 2, until)
    area = f"{path}L{SIZE_RIGHT} {SIZE_GROUND}L{SIZE_LEFT} {SIZE_GROUND}Z"
    return SizeChart(path, area, points[-1], lines, days, sizes[0], sizes[-1])


# Of letters side by side, as wide as a phone: where bars begin, how long they get, and a letter's share of the height.
BARS_LEFT, BARS_LONG, BARS_STEP, BARS_HIGH = 66, 330, 26, 16
# Of names that are too long to stand before their bars: the height of the line above, and characters that it has.
BARS_NAME, NAME_CHARACTERS = 18, 48


@dataclass(slots=True)
class BarChart:
    """Lying bars, one a letter. `names`: (y, text) before each, or above it."""

    height: int
    left: int = BARS_LEFT
    rects: list[ChartRect] = field(default_factory=list)
    names: list[tuple[int, str]] = field(default_factory=list)

    @property
    def box(self) -> str:
        return f"0 0 {self.left + BARS_LONG} {self.height}"


def bars(rows: Sequence[tuple[str, Sequence[float]]], *, names_above: bool = False) -> BarChart:
    """`rows`: (name, counts that are laid end to end). The longest bar takes the whole width. names_above: where they
    are long."""
    above = BARS_NAME if names_above else 0
    step = BARS_STEP + above
    drawn = BarChart(height=step * len(rows), left=0 if names_above else BARS_LEFT)
    best = max((sum(counts) for _name, counts in rows), default=0)
    for place, (name, counts) in enumerate(rows):
        y = place * step + (BARS_STEP - BARS_HIGH) // 2 + above
        short = name if len(name) <= NAME_CHARACTERS else f"{name[: NAME_CHARACTERS - 1]}…"
        drawn.names.append((y - 6 if names_above else y + BARS_HIGH - 4, short))
        x = drawn.left
        for kind, many in zip(("a", "c"), counts, strict=False):
            # What happened at all is seen.
            width = max(1, round(many * (BARS_LONG - len(counts)) / best)) if many else 0
            if width:
                drawn.rects.append(ChartRect(x, y, width, BARS_HIGH, kind))
            x += width
    return drawn


def bar_parts(books: LedgerTotals, whole: int) -> list[tuple[str, float, float]]:
    """(class, x, width) of the one bar over the books, 1000 wide: accepted, refused, unsure, the rest."""
    parts, x = [], 0.0
    for kind, names in (
        ("a", ("accepted",)),
        ("r", ("refused",)),
        ("c", ("unsure", "suppressed", "cancelled")),
        ("w", ("deferred", "pending")),
    ):
        width = 1000 * sum(getattr(books, name) for name in names) / whole if whole else 0.0
        if width:
            parts.append((kind, round(x, 1), round(width, 1)))
        x += width
    return parts


# Of the drawing of complaints: the ground line, how high 0.3 % stands, and what the highest share may rise to.
COMPLAINTS_LEFT, COMPLAINTS_RIGHT, COMPLAINTS_GROUND, COMPLAINTS_HIGH = 46, 294, 152, 122
COMPLAINTS_TEXT = 12  # How high a line of text is.


class ComplaintPoint(NamedTuple):
    """share: of accepted emails. hidden: the two shares that it is between, where few people are behind it; None as the
    second one: nobody may know how many."""

    day: date
    share: float
    hidden: tuple[float, float | None] | None = None


@dataclass(slots=True)
class ComplaintChart:
    """path: of the line, in pieces where something is hidden. limits: (class, y, y of the text, per cent) of each line.
    days: (x, anchor, day) below the ground line."""

    path: str
    dots: list[tuple[float, float]]
    rects: list[ChartRect]
    limits: list[tuple[str, float, float, str]]
    days: list[tuple[float, str, date]]


def complaint_chart(points: Iterable[ComplaintPoint]) -> ComplaintChart | None:
    """Complaints over time, beside the lines that mailbox providers draw. None: nothing was sent."""
    ordered = sorted(points)
    if not ordered:
        return None
    shares = [point.share for point in ordered if not point.hidden]
    top = max([complaint_rules.STOP.share, *shares])
    first, last = ordered[0].day, ordered[-1].day
    across = (COMPLAINTS_RIGHT - COMPLAINTS_LEFT - 12) / max(1, (last - first).days)

    def y_of(share: float) -> float:
        return round(COMPLAINTS_GROUND - share / top * COMPLAINTS_HIGH, 1)

    chart = ComplaintChart("", [], [], [], [])
    begins = True
    for point in ordered:
        x = round(COMPLAINTS_LEFT + 6 + (point.day - first).days * across, 1)
        if point.hidden:
            low, high = (y_of(min(top, share)) for share in (point.hidden[0], point.hidden[1] or top))
            chart.rects.append(ChartRect(int(x) - 3, int(high), 6, max(2, int(low - high)), "c"))
        else:
            chart.dots.append((x, y_of(point.share)))
            chart.path += f"{'M' if begins else 'L'}{x} {y_of(point.share)}"
        begins = point.hidden is not None
    for kind, line in (("limit", complaint_rules.ALARM), ("limit hard", complaint_rules.STOP)):
        y = y_of(line.share)
        # Where shares are high, both lines stand close to the ground: each text is above the one below it.
        below = chart.limits[-1][2] if chart.limits else COMPLAINTS_GROUND + 4
        chart.limits.append((kind, y, min(y + 4, below - COMPLAINTS_TEXT), percent(round(1000 * line.share), 1000)))
    ends: list[tuple[float, str, date]] = [(COMPLAINTS_LEFT, "start", first), (COMPLAINTS_RIGHT, "end", last)]
    chart.days = ends if len(ordered) > 1 else ends[:1]
    return chart
