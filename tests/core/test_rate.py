"""Waiting, rates and buckets, as tables of numbers."""

import itertools
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samizdat.core.mail import rate
from samizdat.core.mail.rate import (
    LATEST,
    SENTENCES,
    SLOTS,
    SOONEST,
    BadRate,
    QuietHours,
    RateMeter,
    RateTurns,
    SpentRate,
    Today,
    allowed,
    connections_for,
    connections_of,
    draw,
    first_wave,
    give_back,
    limits_text,
    most_of,
    pace_of,
    parse_limits,
    parse_plan,
    parse_quiet,
    read_spent,
    seconds_told,
    slow_down,
    spent_text,
    to_blame,
    too_many_refused,
    used_of,
    volume_of,
)
from samizdat.core.mail.retry_schedule import RETRY_WAITS, expired, next_try

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)


@pytest.mark.parametrize(("tries", "minutes"), [(0, 5), (1, 5), (2, 15), (3, 30), (7, 480), (8, 480), (1000, 480)])
def test_each_try_waits_longer_up_to_a_limit(tries: int, minutes: int) -> None:
    assert next_try(tries, NOON) == NOON + timedelta(minutes=minutes)


def test_waits_only_grow() -> None:
    assert list(RETRY_WAITS) == sorted(RETRY_WAITS)


def test_a_message_expires_after_four_days() -> None:
    assert not expired(NOON, NOON + timedelta(days=4) - timedelta(seconds=1))
    assert expired(NOON, NOON + timedelta(days=4))


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("10/s", 10),
        ("600/m", 10),
        ("36000/h", 10),
        ("86400/d", None),
        (" 5000 / hour ", 5000 / 3600),
        ("1.5/s", 1.5),
        ("60/minutes", 1),
        ("10/s,5000/h,20000/d", 10),
        ("20000/d, 5000/h", 5000 / 3600),
        ("", None),
    ],
)
def test_a_limit_is_read_and_the_shortest_time_says_how_messages_are_spread(text: str, rate: float | None) -> None:
    assert pace_of(parse_limits(text)) == pytest.approx(rate)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("600/m", "10/s"),
        ("20000/d,10/s, 5000/h", "10/s,5000/h,20000/d"),
        ("90/m", "90/m"),
        ("50000/d", "50000/d"),
        ("5000/h", "5000/h"),
    ],
)
def test_a_limit_is_shown_as_it_can_be_typed_again(text: str, shown: str) -> None:
    assert limits_text(parse_limits(text)) == shown
    assert parse_limits(shown) == parse_limits(text)


@pytest.mark.parametrize(
    "text",
    [
        "10",
        "/s",
        "0/s",
        "-5/s",
        "10/year",
        "ten/s",
        "1e9/s",
        "nan/s",
        "inf/s",
        "10/s/s",
        "0.0/h",
        "0.5/d",
        "10/s,",
        "10/s,20/s",
        "10/s,600/m,5/min",
        ",,",
    ],
)
def test_what_is_no_limit_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(BadRate) as bad:
        parse_limits(text)
    assert str(bad.value) == SENTENCES[bad.value.code].format(**bad.value.values)


# --- drawing -----------------------------------------------------------------------------------------------------

LIMITS = st.sampled_from(["3/d", "40/h,100/d", "2/s,50/m", "5/m,12/h", "100/m,200/h,300/d", "1200/h,2000/d"])
NEVER = Today(1)


@given(LIMITS, st.lists(st.tuples(st.floats(0, 9000), st.integers(1, 600), st.floats(0, 1)), max_size=60))
def test_no_window_ever_holds_more_than_its_limit_whoever_draws_and_dies(
    text: str, steps: list[tuple[float, int, float]]
) -> None:
    limits, spent, now = parse_limits(text), SpentRate(), 1e9
    sent: list[tuple[float, int]] = []
    for pause, wanted, used in steps:
        now += pause
        drawn = draw(limits, read_spent(spent_text(spent)), now, wanted, NEVER)
        spent = drawn.spent
        really = int(drawn.count * used)  # The others died with their sender: they count as used.
        sent += [(drawn.begin + i * drawn.gap, 1) for i in range(really)]
        if not drawn.count:
            assert drawn.until > now
    for limit in limits[0 if limits[0].seconds == 86400 else 1 :]:
        for begin, _ in sent:
            inside = sum(n for at, n in sent if begin <= at < begin + limit.seconds)
            assert inside <= most_of(limit)


@given(
    st.sampled_from(["10/s", "90/m", "1/s", "7/m"]),
    st.lists(st.tuples(st.floats(0, 3), st.integers(0, 3)), max_size=80),
)
def test_senders_that_share_a_pace_never_send_two_messages_closer_than_it_says(
    text: str, steps: list[tuple[float, int]]
) -> None:
    limits, spent, now = parse_limits(text), SpentRate(), 1e9
    times: list[float] = []
    for pause, _sender in steps:
        now += pause
        drawn = draw(limits, spent, now, 500, NEVER)
        spent = drawn.spent
        times += [drawn.begin + i * drawn.gap for i in range(drawn.count)]
        assert all(at >= now for at in times[len(times) - drawn.count :])
    gap = 1 / pace_of(limits)  # type: ignore[operator]
    assert all(b - a >= gap - 1e-3 for a, b in itertools.pairwise(times))


@pytest.mark.parametrize(("text", "most"), [("1000/s,200/h", 200), ("1000/s,100/m,300/h", 300), ("100/d", 100)])
def test_however_often_it_is_asked_no_more_goes_within_the_hour_than_the_limit(text: str, most: int) -> None:
    limits, spent, given = parse_limits(text), SpentRate(), 0
    for second in range(3000):
        drawn = draw(limits, spent, 1e9 + second, 500, NEVER)
        spent, given = drawn.spent, given + drawn.count
        inside = used_of(limits[-1], spent, 1e9 + second)
        assert given <= most and inside == given
    assert given == most


def test_a_confirmation_goes_at_once_though_campaigns_have_drawn_ahead() -> None:
    limits = parse_limits("10/s")
    spent = SpentRate()
    while (drawn := draw(limits, spent, 1e9, 500, NEVER)).count:
        spent = drawn.spent
    assert draw(limits, spent, 1e9, 1, NEVER, first=True).count == 1


def test_what_is_given_back_is_given_back_once() -> None:
    limits = parse_limits("100/d")
    spent = draw(limits, SpentRate(), 1e9, 10, NEVER).spent
    spent = draw(limits, spent, 1e9 + 7200, 10, NEVER).spent
    spent = give_back(limits, spent, 1e9 + 7200, 10, NEVER)
    assert used_of(limits[0], spent, 1e9 + 7200) == 10


def test_what_is_given_back_may_be_drawn_again() -> None:
    limits = parse_limits("100/d")
    spent = SpentRate()
    for _ in range(10):
        drawn = draw(limits, spent, 1e9, 500, NEVER)
        spent, counted = drawn.spent, drawn.count
        assert counted == 10  # Never much of a limit at once: what a killed sender had drawn is gone.
    assert draw(limits, spent, 1e9, 1, NEVER).why == "limit"
    spent = give_back(limits, spent, 1e9 + 5, 7, NEVER)
    assert draw(limits, spent, 1e9 + 5, 500, NEVER).count == 7


def test_a_day_that_was_used_up_is_told_until_when_and_opens_then() -> None:
    limits = parse_limits("10/s,100/d")
    spent, now = SpentRate(), 1e9
    while (drawn := draw(limits, spent, now, 500, NEVER)).why != "limit":
        spent, now = drawn.spent, max(now + 0.5, drawn.until)
    assert 86400 < drawn.until - 1e9 < 86400 + 86400 / SLOTS + 20
    assert draw(limits, spent, drawn.until - 1, 1, NEVER).count == 0
    assert draw(limits, spent, drawn.until, 1, NEVER).count == 1


def test_a_confirmation_goes_while_campaigns_wait_and_counts_all_the_same() -> None:
    limits = parse_limits("1000/s,2000/h")
    spent, now = SpentRate(), 1e9
    while (drawn := draw(limits, spent, now, 500, NEVER)).why != "limit":
        spent, now = drawn.spent, max(now + 0.5, drawn.until)
    assert used_of(limits[1], spent, now) == 1980
    for _ in range(20):
        first = draw(limits, spent, now, 1, NEVER, first=True)
        spent, counted = first.spent, first.count
        assert counted == 1
    assert draw(limits, spent, now, 1, NEVER, first=True).count == 0


def test_the_first_days_of_a_route_get_the_volumes_of_its_plan() -> None:
    plan, begun = parse_plan("50, 100,200"), date(2026, 11, 25)
    days = [volume_of(plan, begun, begun + timedelta(days=n)) for n in (-1, 0, 1, 2, 3)]
    assert days == [50, 50, 100, 200, None]
    today = Today(10, 50, ends=1e9 + 3600)
    drawn = draw((), SpentRate(), 1e9, 500, today)
    assert drawn.count == 50
    later = draw((), drawn.spent, 1e9, 500, today)
    assert (later.count, later.until, later.why) == (0, 1e9 + 3600, "warm_up")
    assert draw((), drawn.spent, 1e9 + 3600, 500, Today(11, 100, 1e9 + 90000)).count == 100


@pytest.mark.parametrize("text", ["fifty", "50,,100", "0,50", "-5", "1e3", ",".join(["5"] * 91), "99999999999"])
def test_what_is_no_plan_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(BadRate, match="plan"):
        parse_plan(text)


def test_a_clock_that_was_a_day_ahead_holds_a_limit_for_no_longer_than_its_window() -> None:
    limits = parse_limits("10/s,100/d")
    drawn = draw(limits, SpentRate(), 1e9 + 86400, 500, NEVER)
    after = draw(limits, drawn.spent, 1e9, 500, NEVER)
    assert after.until <= 1e9 + 3 or after.count
    spent = draw(limits, after.spent, 1e9 + 3, 5, NEVER).spent
    assert 0 < sum(spent.used[86400].values()) <= 20


def test_a_limit_that_was_used_up_under_a_wrong_clock_is_free_again_after_its_window() -> None:
    limits, spent = parse_limits("100/d"), SpentRate()
    while (drawn := draw(limits, spent, 1e9 + 30 * 86400, 500, NEVER)).count:
        spent = drawn.spent
    noticed = draw(limits, spent, 1e9, 1, NEVER)
    assert noticed.count == 0
    assert draw(limits, noticed.spent, 1e9 + 86400 * (1 + 2 / SLOTS), 1, NEVER).count == 1


def test_a_meter_lets_go_at_the_pace_and_gives_back_what_came_too_late() -> None:
    meter = RateMeter()
    assert not meter.ready(0) and meter.wait(0) is None
    meter.grant(5, 10.0, 0.1)
    assert (meter.ready(9.99), meter.ready(10.0)) == (False, True)
    meter.use()
    assert not meter.ready(10.05) and meter.wait(10.05) == pytest.approx(0.05)
    for at in (10.1, 10.2):
        assert meter.ready(at)
        meter.use()
    assert meter.left == 2
    assert not meter.ready(11.5) and meter.lost == 2
    meter.grant(3, 20.0, 0.0)
    assert meter.empty() == 5 and meter.left == 0


# --- connections and mailbox providers ----------------------------------------------------------------------------


def test_a_sender_that_comes_later_waits_until_the_first_has_closed_some() -> None:
    assert connections_of(10, 1, 2, 10) == 0
    assert connections_of(10, 1, 2, 7) == 3
    assert connections_of(10, 1, 2, 5) == 5


@given(st.integers(1, 60), st.integers(1, 9), st.lists(st.integers(0, 8), max_size=60))
def test_senders_share_the_connections_and_never_hold_more_than_there_are(
    total: int, senders: int, turns: list[int]
) -> None:
    held = [0] * senders
    for turn in turns + list(range(senders)) * 3:
        place = turn % senders
        others = sum(held) - held[place]
        held[place] = connections_of(total, place, senders, others)
        assert sum(held) <= total
    assert sum(held) == total
    assert max(held) - min(held) <= 1


def test_a_provider_that_complains_gets_half_and_grows_back_within_the_hour() -> None:
    state = slow_down(None, 40.0, 0.0)
    assert (allowed(state, 0.0), state.hold) == (20.0, SOONEST)
    # What was under way when it complained says the same thing once more.
    assert slow_down(state, 40.0, 5.0).rate == 20.0
    again = slow_down(state, 1.0, 60.0)
    assert again.rate == pytest.approx((20.0 + 40.0 * 30 / 3600) / 2)
    rates = [allowed(again, 60.0 + minute * 60) for minute in range(90)]
    known = [rate for rate in rates if rate is not None]
    assert known == sorted(known) and rates[-1] is None and len(known) > 30


@given(st.lists(st.tuples(st.floats(0, 2000), st.floats(0, 100), st.floats(0, 900)), min_size=1, max_size=40))
def test_a_provider_gets_never_more_than_before_and_never_nothing(steps: list[tuple[float, float, float]]) -> None:
    state, now = None, 0.0
    for pause, seen, wait in steps:
        now += pause
        before = allowed(state, now) if state else None
        state = slow_down(state, seen, now, wait)
        rate = allowed(state, now)
        assert rate is not None and rate > 0 and state.hold >= now
        if before is not None:
            assert rate <= before
    assert state is not None and allowed(state, state.hold + 2 * 3600) is None


def test_who_has_to_wait_for_their_provider_is_given_a_turn_behind_the_others() -> None:
    turns = RateTurns(slow_down(None, 2.0, 0.0))
    assert [turns.turn(0.0), turns.turn(0.0)] == [30.0, 30.0 + 1]
    assert turns.turn(31.0) == 0.0
    later = [turns.turn(31.0) for _ in range(5000)]
    assert all(wait is not None and SOONEST <= wait <= LATEST for wait in later)
    assert turns.turn(9000.0) is None


def test_a_relay_that_is_busy_itself_is_no_complaint_of_a_provider() -> None:
    assert to_blame({1: 3, 0: 1}, 1)
    assert not to_blame({1: 2, 2: 1, 0: 1}, 1)
    assert not to_blame({0: 5}, 0)


# --- quiet hours and first waves ----------------------------------------------------------------------------------

RIGA = ZoneInfo("Europe/Riga")


@pytest.mark.parametrize(
    ("hours", "now", "until"),
    [
        ("22:00-07:00", datetime(2026, 11, 25, 21, 59), None),
        ("22:00-07:00", datetime(2026, 11, 25, 22, 0), datetime(2026, 11, 26, 7, 0)),
        ("22:00-07:00", datetime(2026, 11, 26, 6, 59), datetime(2026, 11, 26, 7, 0)),
        ("22:00-07:00", datetime(2026, 11, 26, 7, 0), None),
        ("12:00-14:30", datetime(2026, 11, 26, 13, 0), datetime(2026, 11, 26, 14, 30)),
        ("12:00-14:30", datetime(2026, 11, 26, 11, 0), None),
        # The night in which summer time begins: 3:00 becomes 4:00.
        ("22:00-07:00", datetime(2026, 3, 29, 4, 30), datetime(2026, 3, 29, 7, 0)),
    ],
)
def test_quiet_hours_end_by_the_wall_clock(hours: str, now: datetime, until: datetime | None) -> None:
    quiet = parse_quiet(hours)
    assert quiet is not None
    found = quiet.until(now.replace(tzinfo=RIGA))
    assert found == (until.replace(tzinfo=RIGA) if until else None)


def test_quiet_hours_may_name_a_zone_and_are_shown_as_they_are_typed() -> None:
    quiet = parse_quiet("9:30 – 17:00 Asia/Tbilisi")
    assert quiet == QuietHours(time(9, 30), time(17, 0), "Asia/Tbilisi") and str(quiet) == "09:30-17:00 Asia/Tbilisi"
    assert parse_quiet("") is None and parse_quiet("none") is None


@pytest.mark.parametrize("text", ["22", "25:00-07:00", "22:00-22:00", "22:00-07:61", "night", "22:00-07:00 a b"])
def test_what_are_no_hours_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(BadRate, match="quiet hours"):
        parse_quiet(text)


@given(st.integers(1, 99), st.integers(0, 3000))
def test_a_first_wave_has_its_share_of_any_stretch_and_nobody_is_in_both(percent: int, count: int) -> None:
    numbers = list(range(count))
    first, rest = first_wave(numbers, percent)
    assert sorted(first + rest) == numbers
    assert len(first) == -(-count * percent // 100)
    half = count // 2
    assert abs(sum(number < half for number in first) - half * percent / 100) <= 1


@pytest.mark.parametrize(
    ("accepted", "refused", "over", "stops"),
    [
        (100, 5, True, False),
        (94, 6, True, True),
        (3, 2, False, False),
        (3, 2, True, True),
        (15, 6, False, True),
        (0, 0, True, False),
    ],
)
def test_a_first_wave_stops_the_rest_when_more_than_its_share_is_refused(
    accepted: int, refused: int, over: bool, stops: bool
) -> None:
    assert too_many_refused(accepted, refused, 5, over) is stops


@pytest.mark.parametrize(
    ("rate", "latency", "limit", "connections"),
    [
        (None, 0.0002, 50, 4),  # loopback
        (None, 0.02, 50, 50),  # a relay of 20 ms takes what the limit gives
        (None, 0.02, 250, 100),
        (None, 1e9, 50, 50),  # nothing measured yet
        (100, 0.02, 50, 4),
        (100, 0.1, 50, 10),
        (1, 0.02, 50, 1),
        (0.5, 0.02, 50, 1),
        (None, 0.02, 1, 1),
    ],
)
def test_connections_follow_rate_and_latency(rate: float | None, latency: float, limit: int, connections: int) -> None:
    assert connections_for(rate, latency, limit) == connections


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("Too many messages. Try again in 92 seconds.", 92),
        ("try again in 5 minutes", 300),
        ("4.7.1 Greylisted for 300 seconds", 300),
        ("please wait 10 min", 600),
        ("retry after 2 hours", 7200),
        ("Retry-After: 30 s", 30),
        ("try again within 1 day", 86400),
        ("in 9999999 hours", 86400),
        ("try later", None),
        ("in 2026 we moved", None),
        ("550 5.7.1 for 12 reasons", None),
        ("", None),
    ],
)
def test_a_wait_that_was_told_is_found(text: str, seconds: int | None) -> None:
    assert seconds_told(text) == seconds


# --- who leaves gets nothing more ---


def ages(*looks: tuple[float, tuple[int, int] | None]) -> list[float]:
    """How old the oldest is after each look: (time, first and last row that nobody has looked at)."""
    untaken, found = rate.IntakeBacklog[str](), []
    for now, rows in looks:
        untaken.look({"lantern": rows} if rows else {}, now)
        found.append(untaken.age("lantern", now))
    return found


def test_what_readers_sent_is_as_old_as_the_oldest_that_nobody_has_looked_at() -> None:
    assert ages((0, None), (1, (1, 1)), (3, (1, 9)), (5, (2, 9)), (6, (9, 9)), (7, None), (8, (10, 10))) == [
        *(0, 1, 3, 4, 5, 0, 1),  # It may have come right after the look before.
    ]


def test_a_sender_that_was_kept_from_looking_feeds_nobody_until_it_has_looked_and_what_it_finds_then_is_old() -> None:
    """As where a worker that stands still holds a lock: people left meanwhile, and nobody saw it."""
    untaken = rate.IntakeBacklog[str]()
    untaken.look({}, 0.0)
    assert (untaken.age("lantern", 1.0), untaken.age("lantern", 15.0)) == (0.0, 15.0)
    untaken.look({"lantern": (1, 3)}, 15.0)
    assert untaken.age("lantern", 15.0) == 15.0
    untaken.look({}, 15.5)
    assert untaken.age("lantern", 15.5) == 0.0


def test_what_lay_there_before_a_sender_began_is_old() -> None:
    assert ages((100, (1, 5)))[0] > rate.UNTAKEN


def test_a_worker_that_stands_still_holds_a_send_and_one_that_is_swamped_does_not_for_ever() -> None:
    still = [(float(now), (1, now + 1)) for now in range(2000)]
    assert ages(*still)[-1] > rate.UNTAKEN
    swamped = [(float(now), (now + 1, now + 100)) for now in range(2000)]
    told = [age > rate.UNTAKEN for age in ages((0.0, None), *swamped)]
    assert (told[100], told[500], told[700], told[-1]) == (True, True, False, False)


# --- clocks that are set ---

WEEK, YEARS = timedelta(days=7), timedelta(days=3652)
DUE = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("later", "ticks", "by"),
    [(5, 5, 0), (65, 5, 0), (66, 5, 61), (-54, 5, 0), (-60, 5, -65), (3600, 3600, 0), (5, 3600, -3595)],
)
def test_a_clock_was_set_when_it_moved_a_minute_more_or_less_than_one_that_nobody_sets(
    later: int, ticks: int, by: int
) -> None:
    assert rate.jump((DUE, 100.0), (DUE + timedelta(seconds=later), 100.0 + ticks)) == timedelta(seconds=by)


@pytest.mark.parametrize("by", [WEEK, -WEEK, YEARS, -YEARS, timedelta(hours=-2)], ids=str)
def test_what_is_due_is_as_far_ahead_and_what_was_tried_as_long_ago_as_before_the_clock_was_set(by: timedelta) -> None:
    now = DUE + by
    for span in (timedelta(seconds=1), timedelta(hours=8), timedelta(days=1)):
        assert rate.due_after(DUE + span, now, by) == now + span
        assert rate.first_after(DUE - span, now, by) == now - span
    assert rate.due_after(DUE - timedelta(hours=3), now, by) <= now
    # Written while it was wrong: no wait is so long, and nothing that is so old is tried at all.
    assert rate.due_after(DUE + YEARS, now, by) == now + RETRY_WAITS[0]
    assert rate.first_after(DUE - YEARS, now, by) == now == rate.first_after(DUE + WEEK, now, by)
