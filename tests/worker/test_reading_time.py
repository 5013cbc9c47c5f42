"""How long the worker reads what anybody may send."""

import pytest

from samizdat.worker import reading_time
from samizdat.worker.reading_time import reading_time as time_of


def seconds_read(monkeypatch: pytest.MonkeyPatch, *, sends: bool) -> int:
    monkeypatch.setattr(reading_time, "sends_now", lambda: sends)
    ticks = iter(range(100))
    is_left = time_of(9.0, 3.0, lambda: float(next(ticks)))
    return next(second for second in range(1, 100) if not is_left())


def test_beside_a_campaign_less_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    assert seconds_read(monkeypatch, sends=False) == 9
    assert seconds_read(monkeypatch, sends=True) == 3
