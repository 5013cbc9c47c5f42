"""Waiting, rates and buckets, as tables of numbers."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samizdat.core.pace import (
    SENTENCES,
    WAITS,
    BadRate,
    bucket,
    connections_for,
    expired,
    fill,
    next_try,
    parse_rate,
    seconds_told,
    take,
    wait_for,
)

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)


@pytest.mark.parametrize(("tries", "minutes"), [(0, 5), (1, 5), (2, 15), (3, 30), (7, 480), (8, 480), (1000, 480)])
def test_each_try_waits_longer_up_to_a_limit(tries: int, minutes: int) -> None:
    assert next_try(tries, NOON) == NOON + timedelta(minutes=minutes)


def test_waits_only_grow() -> None:
    assert list(WAITS) == sorted(WAITS)


def test_a_message_expires_after_four_days() -> None:
    assert not expired(NOON, NOON + timedelta(days=4) - timedelta(seconds=1))
    assert expired(NOON, NOON + timedelta(days=4))


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("10/s", 10),
        ("600/m", 10),
        ("36000/h", 10),
        ("86400/d", 1),
        (" 5000 / hour ", 5000 / 3600),
        ("1.5/s", 1.5),
        ("60/minutes", 1),
    ],
)
def test_a_rate_is_read(text: str, rate: float) -> None:
    assert parse_rate(text) == pytest.approx(rate)


@pytest.mark.parametrize(
    "text", ["", "10", "/s", "0/s", "-5/s", "10/year", "ten/s", "1e9/s", "nan/s", "inf/s", "10/s/s", "0.0/h"]
)
def test_what_is_no_rate_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(BadRate) as refused:
        parse_rate(text)
    assert str(refused.value).endswith(".")
    assert str(refused.value) == SENTENCES[refused.value.code].format(**refused.value.values)


def test_a_bucket_gives_what_flowed_in() -> None:
    state = bucket(10, now=0)
    state, given = take(state, 0, 100)
    assert given == 10
    state, given = take(state, 0.55, 100)
    assert given == 5
    assert wait_for(state, 0.55, 1) == pytest.approx(0.05)


def test_a_slow_rate_still_gives_one_at_a_time() -> None:
    state, given = take(bucket(1 / 60, now=0), 0)
    assert given == 1
    assert wait_for(state, 0) == pytest.approx(60)
    assert take(state, 60)[1] == 1


def test_a_clock_that_goes_back_gives_nothing() -> None:
    state, _ = take(bucket(10, now=100), 100, 10)
    assert fill(state, 50).tokens == 0


@given(
    st.floats(0.01, 10_000),
    st.lists(st.tuples(st.floats(0, 10), st.integers(0, 1000)), max_size=50),
)
def test_a_bucket_never_gives_more_than_its_rate_and_its_size(rate: float, steps: list[tuple[float, int]]) -> None:
    state, now, total = bucket(rate, now=0), 0.0, 0
    for pause, wanted in steps:
        now += pause
        state, given = take(state, now, wanted)
        total += given
    assert total <= max(1.0, rate) + rate * now + 1e-3


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
